//! Integer powers known beforehand: they take negative bases, and their derivative is a power again.

use super::{
    real::Real,
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Partial, Partials, Rule,
        Traits, check_float, check_operands,
    },
    sample::{Sample, listed, reals},
};
use crate::graph::{Dim, Expr, GraphError, IntegerPower, Type, Value};

impl Rule for IntegerPower {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_float(x)?;
        Ok(x.clone())
    }

    fn traits(&self) -> Traits {
        Traits::ELEMENTWISE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Partials(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Same
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::SameIndex
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(x.mapv(|x| Real::integer_power(x, self.exponent))),
            Value::F64(x) => Value::F64(x.mapv(|x| x.integer_power(self.exponent))),
            _ => unreachable!("invariant: inference asks for floats"),
        })
    }

    fn flops(&self, _: &[Type], output: &Type) -> Dim {
        output.shape.size()
    }

    fn samples() -> Vec<Sample> {
        let power = |exponent| IntegerPower { exponent };
        let mut samples = vec![Sample::smooth(power(-2), [reals(&[4], 0.4, 2.0)])];
        samples.extend([0, 1, 2, 3, 5].map(|exponent| Sample::smooth(power(exponent), [reals(&[4], -2.0, 2.0)])));
        samples.extend([0, 1, 2].map(|exponent| Sample::smooth(power(exponent), [listed(&[2], &[0.0, -0.0])])));
        samples
    }
}

impl Partials for IntegerPower {
    fn partial<'g>(&self, _: usize, application: &Application<'g>) -> Partial<'g> {
        match self.exponent {
            0 => Partial::Zero,
            1 => Partial::One,
            2 => Partial::Factor(2.0 * application.operands[0]),
            n => Partial::Factor(n as f64 * application.operands[0].powi(n.saturating_sub(1))),
        }
    }
}

impl<'g> Expr<'g> {
    /// xⁿ, elementwise, for an integer n known beforehand; derivative n·xⁿ⁻¹, and 0 for n = 0.
    #[doc(alias = "integer_power")]
    #[track_caller]
    pub fn powi(self, n: i64) -> Expr<'g> {
        let _frame = self.enter("powi");
        self.graph().apply(IntegerPower { exponent: n }, &[self])
    }

    /// x², elementwise.
    #[doc(alias = "sqr")]
    #[track_caller]
    pub fn square(self) -> Expr<'g> {
        let _frame = self.enter("square");
        self.powi(2)
    }
}

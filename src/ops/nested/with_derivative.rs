//! Values with a derivative of the user's own. In: what is differentiated by, a value, and a closure that gives the value's tangent.
//! Out: the same value, of which both modes of differentiation see nothing but that closure.

use super::{Tree, check_body, family_flops, ids, leaves, may_fail, pick, poisoned, sample_body};
use crate::{
    graph::{DType, Dim, Expr, Graph, GraphError, Invariants, Site, Type, Value, WithDerivative},
    ops::{
        real::Real,
        rule::{Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits, check_float},
        sample::{Sample, reals},
    },
};

impl Rule for WithDerivative {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let n_arguments = self.body.n_arguments();
        let n_tangents = n_arguments.checked_sub(operands.len()).unwrap_or(n_arguments);
        let n_given = self.values.saturating_add(n_tangents);
        if n_given > operands.len() {
            return Err(GraphError::OperandCount { expected: n_given, found: operands.len() });
        }
        let (given, captures) = operands.split_at(n_given);
        given.iter().try_for_each(check_float)?;
        let arguments: Vec<Type> = given.iter().chain(&given[self.values..]).chain(captures).cloned().collect();
        check_body(&self.body, &arguments)?;
        let (found, expected) = (self.body.results().len(), self.values);
        if found != expected {
            return Err(GraphError::ResultCount { what: "the derivative", expected, found });
        }
        for (result, (value, tangent)) in given.iter().zip(self.body.result_types()).enumerate() {
            if value != tangent {
                let (expected, found) = (value.clone(), tangent.clone());
                return Err(GraphError::TangentType { result, expected, found });
            }
        }
        pick(given[..self.values].iter(), self.output).cloned()
    }

    answers_of_bodies!(Traits::NONE);

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(context.operands[self.output].clone())
    }

    /// Two values of two operands with a captured one, y₀ = a·b·c and y₁ = sin a, as if they were fed: no difference of a value
    /// tells the derivative that it is given.
    fn samples() -> Vec<Sample> {
        let vector = Type::new(DType::F64, (2,));
        let types = vec![vector; 7];
        let (body, _) = sample_body(&types, |arguments| {
            let [_, _, a, b, da, db, c] = arguments[..] else { unreachable!("invariant: there are seven arguments") };
            vec![(da * b + a * db) * c, a.cos() * da]
        });
        let sample = |output: usize| {
            let operands = (0..5).map(|operand| reals(&[2], -1.0, 1.0 + f64::from(operand)));
            Sample::kink(WithDerivative { body: body.clone(), values: 2, output }, operands)
        };
        (0..2).map(sample).collect()
    }
}

impl WithDerivative {
    /// How many operands the derivative is by: as many as there are tangents among the arguments of the body.
    pub(crate) fn n_tangents(&self, n_operands: usize) -> usize {
        self.body.n_arguments() - n_operands
    }
}

impl Graph {
    /// A value with a derivative of one's own: of both modes, to any order, and of batches, all that is seen of `value` is what
    /// `derivative` says. It is given the operands, the value and a tangent of each operand, and gives the tangent of the
    /// value, which must be linear in the tangents; reverse mode is its transpose, and the second derivative is that of what it
    /// computes.
    ///
    /// For what is differentiated better than as it is written: a fixed point by the implicit function theorem instead of
    /// through its iterations (which [`implicit`](mod@crate::implicit) writes for you), a rounding as if it were none, a ratio that
    /// cancels. By anything that is not among the operands, also what the closure reads from outside, the value has no derivative.
    /// [`check::prove_expression`](crate::check::prove_expression) tells whether the derivative is that of the value.
    ///
    /// # Shapes
    /// Tangents have the types of what they are tangents of.
    ///
    /// # Errors
    /// An error is recorded if an operand or a value is no float, or if the closure gives tangents of other types; where a gradient
    /// is taken, if they are not linear in the tangents that it is given.
    ///
    /// # Example
    /// A square root by Newton's iteration, whose derivative is 1/(2y), whatever the number of iterations:
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ());
    /// let iterated = g.fori(30, x, |_, y| 0.5 * (y + x / y));
    /// let root = g.with_derivative(x, iterated, |_, y, tangent| tangent / (2.0 * y));
    /// let mut program = g.compile([("root", root), ("slope", g.gradient(root, x))])?;
    /// let out = program.call(("x", 4.0))?;
    /// assert_eq!(out.scalar::<f64>("root")?, 2.0);
    /// assert_eq!(out.scalar::<f64>("slope")?, 0.25);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("custom_jvp", "custom_vjp", "custom_gradient", "defjvp"))]
    #[track_caller]
    pub fn with_derivative<'g, X: Tree<'g>, Y: Tree<'g>>(
        &'g self,
        operands: X,
        value: Y,
        derivative: impl FnOnce(X, Y, X) -> Y,
    ) -> Y {
        let _frame = self.enter("with_derivative", Site::caller());
        let (xs, ys) = (leaves(&operands), leaves(&value));
        let given: Vec<Expr<'g>> = ys.iter().chain(&xs).copied().collect();
        if let Some(poison) = self.refuse(&given) {
            return poisoned(&value, poison);
        }
        let types: Vec<Type> = given.iter().chain(&xs).map(Expr::ty).collect();
        let trace = self.trace(&types);
        let (of_values, of_operands) = trace.arguments.split_at(ys.len());
        let (of_operands, tangents) = of_operands.split_at(xs.len());
        let arguments =
            (self.rebuild(&operands, of_operands), self.rebuild(&value, of_values), self.rebuild(&operands, tangents));
        let found = self.outside(|| derivative(arguments.0, arguments.1, arguments.2));
        let found = leaves(&found);
        if let Some(poison) = self.refuse_body("the derivative", &found, &[], ys.len()) {
            return poisoned(&value, poison);
        }
        let results = ids(&found);
        let captures = trace.captures(&results, Invariants::Outside(&may_fail));
        let (body, _) = trace.close(&captures, &results, &[]);
        let operands: Vec<Expr<'g>> = given.into_iter().chain(captures.into_iter().map(|id| self.expr(id))).collect();
        let output =
            |output: usize| self.apply(WithDerivative { body: body.clone(), values: ys.len(), output }, &operands);
        let outputs: Vec<Expr<'g>> = (0..ys.len()).map(output).collect();
        value.rebuild(&mut outputs.into_iter())
    }
}

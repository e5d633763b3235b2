//! Branches. In: a truth value and two closures. Out: what the one gives that is run.

use super::{
    Tree, check_body, check_condition, evaluate, family_flops, ids, is_true, leaves, pick, poisoned, sample_body,
};
use crate::{
    graph::{Conditional, DType, Dim, Expr, Graph, GraphError, Invariants, NodeId, Site, Type, Value},
    ops::{
        real::Real,
        rule::{Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits},
        sample::{Sample, listed, reals},
    },
};

impl Rule for Conditional {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let Some((condition, others)) = operands.split_first() else {
            return Err(GraphError::OperandCount { expected: 1 + self.then_body.n_arguments(), found: 0 });
        };
        check_condition(condition)?;
        check_body(&self.then_body, others)?;
        check_body(&self.else_body, others)?;
        let (then_types, else_types) = (self.then_body.result_types(), self.else_body.result_types());
        if then_types.len() != else_types.len() {
            let (expected, found) = (then_types.len(), else_types.len());
            return Err(GraphError::ResultCount { what: "the second branch", expected, found });
        }
        let differs = |(_, (then_type, else_type)): &(usize, (&Type, &Type))| then_type != else_type;
        if let Some((result, (then_type, else_type))) = then_types.zip(else_types).enumerate().find(differs) {
            let (then_type, else_type) = (then_type.clone(), else_type.clone());
            return Err(GraphError::BranchType { result, then_type, else_type });
        }
        pick(self.then_body.result_types(), self.output).cloned()
    }

    answers_of_bodies!(Traits::NONE);

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let body = if is_true(context.operands[0]) { &self.then_body } else { &self.else_body };
        let arguments = context.operands[1..].iter().map(|value| std::borrow::Cow::Borrowed(*value)).collect();
        let mut values = evaluate(body, arguments, (context.bindings, context.limits))?;
        Ok(values.swap_remove(body.results()[self.output]).into_owned())
    }

    /// x·sin(y) against y², of which only the first moves with x.
    fn samples() -> Vec<Sample> {
        let vector = Type::new(DType::F64, (3,));
        let types = [vector.clone(), vector];
        let (then_body, _) = sample_body(&types, |xs| vec![xs[0] * xs[1].sin(), xs[0] * xs[0]]);
        let (else_body, _) = sample_body(&types, |xs| vec![xs[1] * xs[1], xs[1]]);
        let mut samples = Vec::new();
        for condition in [true, false] {
            for output in [0, 1] {
                let operands = [listed(&[], &[condition]), reals(&[3], -1.0, 1.5), reals(&[3], 0.5, 2.0)];
                let (then_body, else_body) = (then_body.clone(), else_body.clone());
                samples.push(Sample::smooth(Conditional { then_body, else_body, output }, operands));
            }
        }
        samples
    }
}

impl Graph {
    /// What one of two closures gives: the first where `condition` is true, else the second. Only that one is run, and only
    /// that one's error can happen; both are built.
    ///
    /// # Shapes
    /// condition: a `bool` scalar; both closures give the same types. For a choice element by element there is
    /// [`Expr::select`].
    ///
    /// # Errors
    /// An error is recorded if the condition is not one truth value, or if the types differ.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ());
    /// let y = g.cond(x.greater(0.0), || x.sqrt(), || x * 0.0);
    /// let mut program = g.compile([("y", y), ("slope", g.gradient(y, x))])?;
    /// assert_eq!(program.call(("x", 4.0))?.scalar::<f64>("slope")?, 0.25);
    /// assert_eq!(program.call(("x", -4.0))?.scalar::<f64>("slope")?, 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("if_else", "branch"))]
    #[track_caller]
    pub fn cond<'g, T: Tree<'g>>(
        &'g self,
        condition: Expr<'g>,
        then: impl FnOnce() -> T,
        otherwise: impl FnOnce() -> T,
    ) -> T {
        let _frame = self.enter("cond", Site::caller());
        let (then_trace, then) = (self.trace([]), self.outside(then));
        let (else_trace, otherwise) = (self.trace([]), self.outside(otherwise));
        let (then_leaves, else_leaves) = (leaves(&then), leaves(&otherwise));
        let refused = self.refuse(&[condition]);
        let refused =
            refused.or_else(|| self.refuse_body("the second branch", &else_leaves, &then_leaves, then_leaves.len()));
        if let Some(poison) = refused {
            return poisoned(&then, poison);
        }
        let (then_ids, else_ids) = (ids(&then_leaves), ids(&else_leaves));
        let mut captures: Vec<NodeId> = then_trace.captures(&then_ids, Invariants::Inside);
        captures.extend(else_trace.captures(&else_ids, Invariants::Inside));
        captures.sort_unstable();
        captures.dedup();
        let (then_body, _) = then_trace.close(&captures, &then_ids, &[]);
        let (else_body, _) = else_trace.close(&captures, &else_ids, &[]);
        let operands: Vec<Expr<'g>> =
            std::iter::once(condition).chain(captures.into_iter().map(|id| self.expr(id))).collect();
        let mut outputs: Vec<Expr<'g>> = Vec::with_capacity(then_ids.len());
        for output in 0..then_ids.len() {
            let (then_body, else_body) = (then_body.clone(), else_body.clone());
            let result = self.apply(Conditional { then_body, else_body, output }, &operands);
            if result.is_poisoned() {
                return poisoned(&then, result);
            }
            outputs.push(result);
        }
        then.rebuild(&mut outputs.into_iter())
    }

    /// Runs a user's closure with lines of its own.
    pub(super) fn outside<T>(&self, closure: impl FnOnce() -> T) -> T {
        let _outside = self.leave();
        closure()
    }
}

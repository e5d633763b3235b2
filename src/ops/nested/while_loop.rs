//! Loops that go on as long as a condition holds. In: the first carries and two closures. Out: the last carries.

use std::borrow::Cow;

use super::{
    Tree, check_body, check_carries, check_condition, evaluate, family_flops, ids, is_true, leaves, may_fail, pick,
    poisoned, sample_body,
};
use crate::{
    graph::{Bound, DType, Dim, Expr, Graph, GraphError, Invariants, NodeId, Site, Type, Value, While},
    ops::{
        real::Real,
        rule::{Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits},
        sample::{Sample, reals},
    },
};

impl Rule for While {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_body(&self.condition, operands)?;
        check_body(&self.body, operands)?;
        check_carries(&self.body, self.carries)?;
        if self.condition.results().len() != 1 {
            let found = self.condition.results().len();
            return Err(GraphError::ResultCount { what: "the condition", expected: 1, found });
        }
        self.condition.result_types().try_for_each(check_condition)?;
        pick(self.body.result_types(), self.output).cloned()
    }

    // It may go on beyond its bound.
    answers_of_bodies!(Traits::FALLIBLE);

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let mut carries: Vec<Value<R>> =
            context.operands[..self.carries].iter().map(|value| (*value).clone()).collect();
        let bound = self.bound.or(context.limits.max_iterations);
        let mut iterations = 0;
        loop {
            context.limits.check()?;
            let arguments = |carries: &[Value<R>]| -> Vec<Cow<'_, Value<R>>> {
                let others = context.operands[self.carries..].iter().copied();
                carries.iter().chain(others).map(|value| Cow::Owned(value.clone())).collect()
            };
            let condition = evaluate(&self.condition, arguments(&carries), (context.bindings, context.limits))?;
            if !is_true(&condition[self.condition.results()[0]]) {
                return Ok(carries.swap_remove(self.output));
            }
            if iterations == bound {
                return Err(OpError::TooManyIterations { bound });
            }
            iterations += 1;
            let values = evaluate(&self.body, arguments(&carries), (context.bindings, context.limits))?;
            carries = self.body.results().iter().map(|number| values[*number].clone().into_owned()).collect();
        }
    }

    /// A map without a fixed point, until a sum is large.
    fn samples() -> Vec<Sample> {
        let types = [Type::new(DType::F64, (2,)), Type::new(DType::F64, ())];
        let (condition, _) = sample_body(&types, |xs| vec![(xs[0] * xs[0]).sum().less(xs[1])]);
        let (body, _) =
            sample_body(&types, |xs| vec![0.5 * xs[0] * xs[0] + 1.2 + xs[0].sin() * xs[1].broadcast_to((2,)) * 0.01]);
        let sample = |limit: f64| {
            let operands = [reals(&[2], 0.2, 0.9), reals(&[], limit, limit)];
            let (condition, body, bound) = (condition.clone(), body.clone(), Bound(Some(40)));
            Sample::smooth(While { condition, body, carries: 1, bound, output: 0 }, operands)
        };
        vec![sample(0.0), sample(9.0)]
    }
}

impl Bound {
    /// The most iterations, if a loop that states none may take so many.
    pub(crate) fn or(self, max_iterations: usize) -> usize {
        self.0.unwrap_or(max_iterations)
    }
}

impl Graph {
    /// A loop that goes on as long as `condition` holds for the carry: `body` gives the next carry, and the result is the
    /// first for which it does not hold.
    ///
    /// Forward mode goes through it; for reverse mode the most iterations must be stated, as
    /// [`Graph::while_loop_bounded`] does. After [`Options::max_iterations`](crate::Options::max_iterations) iterations the run
    /// ends with an error, and a [`CancelToken`](crate::CancelToken) ends it at any time.
    ///
    /// # Errors
    /// An error is recorded if a carry changes its type, or if the condition is not one truth value.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, v) = (g.input_of(DType::F64, "x", ()), g.input_of(DType::F64, "v", ()));
    /// let y = g.while_loop(x, |y| y.less(100.0), |y| 2.0 * y);
    /// let mut program = g.compile([("y", y), ("tangent", g.jvp(y, &[(x, v)]))])?;
    /// let out = program.call((("x", 3.0), ("v", 1.0)))?;
    /// assert_eq!((out.scalar::<f64>("y")?, out.scalar::<f64>("tangent")?), (192.0, 64.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn while_loop<'g, C: Tree<'g>>(
        &'g self,
        carry: C,
        condition: impl FnOnce(C) -> Expr<'g>,
        body: impl FnOnce(C) -> C,
    ) -> C {
        let _frame = self.enter("while_loop", Site::caller());
        self.while_within(Bound(None), carry, condition, body)
    }

    /// [`Graph::while_loop`] of at most `bound` iterations: one more is an error of the run. Reverse mode runs the loop again
    /// as one of `bound` iterations, of which those after the end do nothing, and keeps its carries.
    ///
    /// # Errors
    /// As for [`Graph::while_loop`].
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ());
    /// let y = g.while_loop_bounded(x, 10, |y| y.less(100.0), |y| 2.0 * y);
    /// let mut program = g.compile(g.gradient(y, x))?;
    /// assert_eq!(program.call(("x", 3.0))?.scalar::<f64>("result")?, 64.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn while_loop_bounded<'g, C: Tree<'g>>(
        &'g self,
        carry: C,
        bound: usize,
        condition: impl FnOnce(C) -> Expr<'g>,
        body: impl FnOnce(C) -> C,
    ) -> C {
        let _frame = self.enter("while_loop", Site::caller());
        self.while_within(Bound(Some(bound)), carry, condition, body)
    }

    fn while_within<'g, C: Tree<'g>>(
        &'g self,
        bound: Bound,
        carry: C,
        condition: impl FnOnce(C) -> Expr<'g>,
        body: impl FnOnce(C) -> C,
    ) -> C {
        let first = leaves(&carry);
        if let Some(poison) = self.refuse(&first) {
            return poisoned(&carry, poison);
        }
        let types: Vec<Type> = first.iter().map(Expr::ty).collect();
        let condition_trace = self.trace(&types);
        let handles = self.rebuild(&carry, &condition_trace.arguments);
        let holds = self.outside(|| condition(handles));
        let body_trace = self.trace(&types);
        let handles = self.rebuild(&carry, &body_trace.arguments);
        let next = leaves(&self.outside(|| body(handles)));
        if let Some(poison) = self.refuse_body("the body", &next, &[holds], first.len()) {
            return poisoned(&carry, poison);
        }
        let (holds, next) = ([holds.id()], ids(&next));
        let mut captures: Vec<NodeId> = condition_trace.captures(&holds, Invariants::Outside(&may_fail));
        captures.extend(body_trace.captures(&next, Invariants::Outside(&may_fail)));
        captures.sort_unstable();
        captures.dedup();
        let (condition, _) = condition_trace.close(&captures, &holds, &[]);
        let (body, _) = body_trace.close(&captures, &next, &[]);
        let operands: Vec<Expr<'g>> =
            first.iter().copied().chain(captures.into_iter().map(|id| self.expr(id))).collect();
        let mut outputs: Vec<Expr<'g>> = Vec::with_capacity(first.len());
        for output in 0..first.len() {
            let (condition, body) = (condition.clone(), body.clone());
            let last = self.apply(While { condition, body, carries: first.len(), bound, output }, &operands);
            if last.is_poisoned() {
                return poisoned(&carry, last);
            }
            outputs.push(last);
        }
        carry.rebuild(&mut outputs.into_iter())
    }
}

//! Functions. In: a closure, once. Out: a graph that is called with different operands, and made ready to run once.

use super::{Tree, check_body, evaluate, family_flops, ids, leaves, may_fail, pick, poisoned, sample_body};
use crate::{
    graph::{Body, Call, DType, Dim, Expr, Graph, GraphError, Invariants, Site, Type, Value},
    ops::{
        real::Real,
        rule::{Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits},
        sample::{Sample, reals},
    },
};

impl Rule for Call {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        check_body(&self.body, operands)?;
        let node = pick(self.body.nodes().iter(), self.output)?;
        Ok(node.node.ty.clone())
    }

    answers_of_bodies!(Traits::NONE);

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let arguments = context.operands.iter().map(|value| std::borrow::Cow::Borrowed(*value)).collect();
        let mut values = evaluate(&self.body, arguments, (context.bindings, context.limits))?;
        Ok(values.swap_remove(self.output).into_owned())
    }

    /// sin(x·y) and its square, of vectors.
    fn samples() -> Vec<Sample> {
        let vector = Type::new(DType::F64, (3,));
        let (body, observed) = sample_body(&[vector.clone(), vector], |arguments| {
            let sine = (arguments[0] * arguments[1]).sin();
            vec![sine, sine * sine]
        });
        let call = |output: &usize| {
            let operands = [reals(&[3], -1.0, 1.5), reals(&[3], 0.5, 2.0)];
            Sample::smooth(Call { body: body.clone(), output: *output }, operands)
        };
        observed.iter().map(call).collect()
    }
}

/// A function of handles that was built once, by [`Graph::function`]: its nodes are in the graph once, however often it is
/// called.
#[derive(Debug)]
pub struct Function<'g, A, T> {
    graph: &'g Graph,
    arguments: std::marker::PhantomData<fn(A)>,
    body: Body,
    captures: Vec<Expr<'g>>,
    results: T,
    numbers: Vec<usize>,
    /// Stands in place of every result, if building failed.
    poison: Option<Expr<'g>>,
}

impl Graph {
    /// A function of arrays of the types of `arguments`, which are only looked at: the closure is run once, on handles that
    /// stand for what is given at each call. What it reads from outside, parameters above all, is shared by the calls.
    ///
    /// Its derivative is that of what it computes; for another, give the calls to [`Graph::with_derivative`].
    ///
    /// Calls run one and the same plan, so that a layer that is used a hundred times is simplified and planned once. Nothing
    /// is fused across the border of a call.
    ///
    /// # Errors
    /// An error is recorded if the closure makes one.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", (3,));
    /// let square = g.function(x, |x| x * x);
    /// let y = square.call(square.call(x)).sum();
    /// let mut program = g.compile(g.gradient(y, x))?;
    /// let out = program.call(("x", &ndarray::arr1(&[1.0, 2.0, -1.0])))?;
    /// assert_eq!(out["result"], ndarray::arr1(&[4.0, 32.0, -4.0]).into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("subgraph", "checkpoint"))]
    #[track_caller]
    pub fn function<'g, A: Tree<'g>, T: Tree<'g>>(
        &'g self,
        arguments: A,
        build: impl FnOnce(A) -> T,
    ) -> Function<'g, A, T> {
        let _frame = self.enter("function", Site::caller());
        let examples = leaves(&arguments);
        let types: Vec<Type> = examples.iter().map(Expr::ty).collect();
        let trace = self.trace(&types);
        let handles = self.rebuild(&arguments, &trace.arguments);
        let refused = self.refuse(&examples);
        let results = {
            let _outside = self.leave();
            build(refused.map_or(handles, |poison| poisoned(&arguments, poison)))
        };
        let given = leaves(&results);
        let poison = refused.or_else(|| self.refuse(&given));
        let wanted = if poison.is_some() { Vec::new() } else { ids(&given) };
        let captures = trace.captures(&wanted, Invariants::Outside(&may_fail));
        let (body, numbers) = trace.close(&captures, &wanted, &wanted);
        let captures = captures.into_iter().map(|id| self.expr(id)).collect();
        Function { graph: self, arguments: std::marker::PhantomData, body, captures, results, numbers, poison }
    }
}

impl<'g, A: Tree<'g>, T: Tree<'g>> Function<'g, A, T> {
    /// What the function gives for these operands.
    ///
    /// # Errors
    /// An error is recorded if an operand has another type than the function was made for.
    #[track_caller]
    pub fn call(&self, arguments: A) -> T {
        let _frame = self.graph.enter("call", Site::caller());
        let operands: Vec<Expr<'g>> = leaves(&arguments).into_iter().chain(self.captures.iter().copied()).collect();
        if let Some(poison) = self.poison.or_else(|| self.graph.refuse(&operands)) {
            return poisoned(&self.results, poison);
        }
        let output = |number: &usize| self.graph.apply(Call { body: self.body.clone(), output: *number }, &operands);
        let outputs: Vec<Expr<'g>> = self.numbers.iter().map(output).collect();
        self.results.rebuild(&mut outputs.into_iter())
    }

    /// The body, whose results are the leaves of what a call gives.
    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    /// What the body takes after its arguments: all that the closure read from outside.
    pub(crate) fn captures(&self) -> &[Expr<'g>] {
        &self.captures
    }

    /// What the closure gave when it was run, of the types that calls give; or the poison.
    pub(crate) fn results(&self) -> Result<&T, Expr<'g>> {
        self.poison.map_or(Ok(&self.results), Err)
    }

    /// The nodes of the body in place of a call, with these expressions in place of what was captured.
    pub(crate) fn inline(&self, arguments: A, captures: &[Expr<'g>]) -> T {
        let operands: Vec<Expr<'g>> = leaves(&arguments).into_iter().chain(captures.iter().copied()).collect();
        if let Some(poison) = self.poison.or_else(|| self.graph.refuse(&operands)) {
            return poisoned(&self.results, poison);
        }
        let image = self.body.inline(self.graph, &ids(&operands));
        self.results.rebuild(&mut self.numbers.iter().map(|number| self.graph.expr(image[*number])))
    }
}

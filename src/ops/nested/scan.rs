//! Loops of a known number of iterations. In: the first carries, arrays that are sliced, and a closure. Out: the last carries
//! and what each iteration gives, stacked.

use std::borrow::Cow;

use super::{
    Tree, check_body, check_carries, count, evaluate, family_flops, ids, leaves, may_fail, pick, poisoned, sample_body,
    slice, stack,
};
use crate::{
    graph::{
        Checkpoints, DType, Dim, Expr, Graph, GraphError, Invariants, NodeId, Scan, ScanDirection, ScanOutput, Site,
        Type, Value,
    },
    ops::{
        in_front,
        real::Real,
        rule::{Batching, Dependence, Domain, EvaluationContext, Linearization, OpError, Rule, Traits},
        sample::{Sample, reals},
    },
};

impl Rule for Scan {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        if self.length.as_number().is_some_and(|length| length < 0) {
            return Err(GraphError::OutOfRange {
                what: "the number of iterations",
                expected: "0 or more",
                found: self.length.to_string(),
            });
        }
        if self.checkpoints == Checkpoints::Every(0) {
            return Err(GraphError::OutOfRange {
                what: "the number of iterations from one checkpoint to the next",
                expected: "1 or more",
                found: "0".to_owned(),
            });
        }
        let arguments: Vec<Type> =
            operands.iter().enumerate().map(|(operand, ty)| self.argument(operand, ty)).collect();
        check_body(&self.body, &arguments)?;
        check_carries(&self.body, self.carries)?;
        let behind = self.body.n_arguments() - self.carries;
        if self.slices > behind {
            let found = format!("{} of {behind} operands", self.slices);
            let (what, expected) = ("the number of slices", "at most that of the operands behind the carries");
            return Err(GraphError::OutOfRange { what, expected, found });
        }
        for (operand, ty) in operands.iter().enumerate().filter(|(operand, _)| self.is_sliced(*operand)) {
            if ty.shape.first() != Some(&self.length) {
                let expected = self.stacked(self.body.ty(operand));
                return Err(GraphError::OperandType { operand, expected, found: ty.clone() });
            }
        }
        match self.output {
            ScanOutput::Final(carry) => pick(self.body.result_types(), carry).cloned(),
            ScanOutput::Stacked(number) | ScanOutput::Saved(number) => {
                let node = pick(self.body.nodes().iter(), number)?;
                Ok(self.stacked(&node.node.ty))
            }
        }
    }

    answers_of_bodies!(Traits::NONE);

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let length = count(context.number(&self.length)?, &self.length)?;
        let operands = context.operands;
        let mut carries: Vec<Value<R>> = operands[..self.carries].iter().map(|value| (*value).clone()).collect();
        let mut stacked: Vec<Option<Value<R>>> = Vec::new();
        if self.output.stacked_node().is_some() {
            stacked.resize(length, None);
        }
        for step in 0..length {
            context.limits.check()?;
            let position = if self.direction == ScanDirection::Forward { step } else { length - 1 - step };
            let argument = |(operand, value): (usize, &&'_ Value<R>)| match operand {
                carry if carry < self.carries => Cow::Owned(carries[carry].clone()),
                operand if self.is_sliced(operand) => Cow::Owned(slice(value, position)),
                _ => Cow::Owned((*value).clone()),
            };
            let arguments = operands.iter().enumerate().map(argument).collect();
            let values = evaluate(&self.body, arguments, (context.bindings, context.limits))?;
            carries = self.body.results().iter().map(|number| values[*number].clone().into_owned()).collect();
            if let Some(number) = self.output.stacked_node() {
                stacked[position] = Some(values[number].clone().into_owned());
            }
        }
        Ok(match self.output {
            ScanOutput::Final(carry) => carries.swap_remove(carry),
            ScanOutput::Stacked(_) | ScanOutput::Saved(_) => stack(&stacked, context.ty, &context.shape()?),
        })
    }

    /// y ← sin(w·y) + x·y₂, y₂ ← y·x beside it, with a stack of the products: two carries, one slice, one capture.
    fn samples() -> Vec<Sample> {
        let scalar = Type::new(DType::F64, ());
        let vector = Type::new(DType::F64, (2,));
        let types = [vector.clone(), scalar.clone(), scalar, vector];
        let (body, observed) = sample_body(&types, |arguments| {
            let [y, z, x, w] = arguments[..] else { unreachable!("invariant: there are four arguments") };
            let product = y * x.broadcast_to((2,));
            vec![(w * y).sin() + product * z.broadcast_to((2,)), product.sum()]
        });
        let mut samples = Vec::new();
        for direction in ScanDirection::ALL {
            for length in [0usize, 1, 3] {
                let outputs =
                    [ScanOutput::Final(0), ScanOutput::Final(1), ScanOutput::Stacked(1), ScanOutput::Saved(0)]
                        .into_iter()
                        .chain(observed.iter().copied().map(ScanOutput::Stacked));
                for output in outputs {
                    let operands = [
                        reals(&[2], -0.5, 1.0),
                        reals(&[], 0.2, 0.9),
                        reals(&[length], -1.0, 1.0),
                        reals(&[2], 0.3, 1.5),
                    ];
                    let scan = Scan {
                        body: body.clone(),
                        carries: 2,
                        slices: 1,
                        length: Dim::from(length),
                        direction: *direction,
                        checkpoints: Checkpoints::Every(2),
                        output,
                    };
                    samples.push(Sample::smooth(scan, operands));
                }
            }
        }
        samples
    }
}

impl Scan {
    /// Whether an operand is sliced along its leading axis.
    pub(crate) fn is_sliced(&self, operand: usize) -> bool {
        operand >= self.carries && operand - self.carries < self.slices
    }

    /// The type of the argument that an operand of this type becomes.
    fn argument(&self, operand: usize, ty: &Type) -> Type {
        if self.is_sliced(operand) { Type::new(ty.dtype, ty.shape.without(&[0])) } else { ty.clone() }
    }

    /// The type of values of this type in all iterations.
    pub(crate) fn stacked(&self, ty: &Type) -> Type {
        Type::new(ty.dtype, in_front(&self.length, &ty.shape))
    }
}

/// How a loop goes.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanOptions {
    /// Which end of the sliced arrays comes first; what is stacked keeps their order.
    pub direction: ScanDirection,
    /// How many iterations; needed where nothing is sliced.
    pub length: Option<Dim>,
    /// Which carries reverse mode keeps; the others are computed again.
    pub checkpoints: Checkpoints,
}

impl Default for ScanOptions {
    /// From the first slice to the last, all carries kept.
    fn default() -> ScanOptions {
        ScanOptions { direction: ScanDirection::Forward, length: None, checkpoints: Checkpoints::All }
    }
}

impl Graph {
    /// A loop over the leading axis of arrays: `body` takes the carry and one slice of each array of `xs`, and gives the next
    /// carry and what is stacked. The result is the last carry and the stack.
    ///
    /// The closure is run once, to build the body; what it reads from outside is the same in each iteration. The number of
    /// nodes does not grow with the number of iterations, and both modes of differentiation go through the loop, to any
    /// order: the derivative of a scan is a scan. Reverse mode keeps the carries of all iterations and what else the
    /// derivative of the body reads, or less of that by [`ScanOptions::checkpoints`].
    ///
    /// # Shapes
    /// xs: `[n, …]` each; a slice has the shape `[…]`; what is stacked gets a leading axis of n. A carry keeps its type.
    ///
    /// # Errors
    /// An error is recorded if the leading axes differ, if a carry changes its type, or if a handle of the body is used
    /// outside.
    ///
    /// # Example
    /// Running sums, and the derivative of the last one:
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ("n",));
    /// let zero = g.full(0.0, ());
    /// let (sum, sums) = g.scan(zero, x, |sum, x| (sum + x * x, sum + x * x));
    /// let mut program = g.compile([("sums", sums), ("gradient", g.gradient(sum, x))])?;
    /// let out = program.call(("x", &ndarray::arr1(&[1.0, 2.0, 3.0])))?;
    /// assert_eq!(out["sums"], ndarray::arr1(&[1.0, 5.0, 14.0]).into());
    /// assert_eq!(out["gradient"], ndarray::arr1(&[2.0, 4.0, 6.0]).into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("loop", "rnn", "fold"))]
    #[track_caller]
    pub fn scan<'g, C: Tree<'g>, X: Tree<'g>, Y: Tree<'g>>(
        &'g self,
        carry: C,
        xs: X,
        body: impl FnOnce(C, X) -> (C, Y),
    ) -> (C, Y) {
        let _frame = self.enter("scan", Site::caller());
        self.scan_with(&ScanOptions::default(), carry, xs, body)
    }

    /// [`Graph::scan`] from the last slice to the first, with a number of iterations and nothing to slice, or with fewer carries
    /// kept for reverse mode.
    ///
    /// # Errors
    /// As for [`Graph::scan`]; also if nothing is sliced and no length is given, or if checkpoints are 0 iterations apart.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, graph::Checkpoints, ops::ScanOptions};
    /// let gradient = |checkpoints| {
    ///     let g = Graph::new();
    ///     let x = g.input_of(DType::F64, "x", (100,));
    ///     let options = ScanOptions { length: Some(10_000.into()), checkpoints, ..ScanOptions::default() };
    ///     let (y, ()) = g.scan_with(&options, x, (), |y, ()| ((y * 1.001).sin(), ()));
    ///     g.compile(g.gradient(y.sum(), x))
    /// };
    /// let (all, few) = (gradient(Checkpoints::All)?, gradient(Checkpoints::SquareRoot)?);
    /// // 10,000 carries of 800 bytes, against 100 and the 100 of one segment.
    /// assert!(all.summary([])?.arena_bytes > 8_000_000);
    /// assert!(few.summary([])?.arena_bytes < 200_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn scan_with<'g, C: Tree<'g>, X: Tree<'g>, Y: Tree<'g>>(
        &'g self,
        options: &ScanOptions,
        carry: C,
        xs: X,
        body: impl FnOnce(C, X) -> (C, Y),
    ) -> (C, Y) {
        let _frame = self.enter("scan", Site::caller());
        let (first, arrays) = (leaves(&carry), leaves(&xs));
        let length = match self.scan_length(options, &first, &arrays) {
            Ok(length) => length,
            Err(poison) => return self.poisoned_scan(&carry, &xs, poison, body),
        };
        let types: Vec<Type> = first
            .iter()
            .map(Expr::ty)
            .chain(arrays.iter().map(|array| Type::new(array.dtype(), array.shape().without(&[0]))))
            .collect();
        let trace = self.trace(&types);
        let (carries, slices) = trace.arguments.split_at(first.len());
        let arguments = (self.rebuild(&carry, carries), self.rebuild(&xs, slices));
        let (next, stacked) = {
            let _outside = self.leave();
            body(arguments.0, arguments.1)
        };
        let (next, outputs) = (leaves(&next), (leaves(&stacked), stacked));
        if let Some(poison) = self.refuse_body("the body", &next, &outputs.0, first.len()) {
            return (poisoned(&carry, poison), poisoned(&outputs.1, poison));
        }
        let (next, observed) = (ids(&next), ids(&outputs.0));
        let wanted: Vec<NodeId> = next.iter().chain(&observed).copied().collect();
        let captures = trace.captures(&wanted, Invariants::Outside(&may_fail));
        let (body, observed) = trace.close(&captures, &next, &observed);
        let operands: Vec<Expr<'g>> =
            first.iter().chain(&arrays).copied().chain(captures.iter().map(|id| self.expr(*id))).collect();
        let output = |output: ScanOutput| {
            let scan = Scan {
                body: body.clone(),
                carries: first.len(),
                slices: arrays.len(),
                length: length.clone(),
                direction: options.direction,
                checkpoints: options.checkpoints,
                output,
            };
            self.apply(scan, &operands)
        };
        let last: Vec<Expr<'g>> = (0..first.len()).map(|carry| output(ScanOutput::Final(carry))).collect();
        let stacks: Vec<Expr<'g>> = observed.into_iter().map(|number| output(ScanOutput::Stacked(number))).collect();
        (carry.rebuild(&mut last.into_iter()), outputs.1.rebuild(&mut stacks.into_iter()))
    }

    /// A loop of `n` iterations: `body` takes the position, an `i64` scalar from 0 on, and the carry, and gives the next
    /// carry.
    ///
    /// # Errors
    /// As for [`Graph::scan`].
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ());
    /// // Newton's iteration for the square root.
    /// let root = g.fori(6, x, |_, y| 0.5 * (y + x / y));
    /// let mut program = g.compile(root)?;
    /// assert!((program.call(("x", 2.0))?.scalar::<f64>("result")? - 2f64.sqrt()).abs() < 1e-15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("fori_loop", "repeat"))]
    #[track_caller]
    pub fn fori<'g, C: Tree<'g>>(&'g self, n: impl Into<Dim>, carry: C, body: impl FnOnce(Expr<'g>, C) -> C) -> C {
        let _frame = self.enter("fori", Site::caller());
        let positions = self.iota(DType::I64, [n.into()], 0);
        self.scan_with(&ScanOptions::default(), carry, positions, |carry, position| (body(position, carry), ())).0
    }

    /// A function of each slice of arrays along their leading axes, one after another: what it gives, stacked. Memory for one
    /// slice at a time; [`Graph::batch`] computes all at once.
    ///
    /// # Errors
    /// As for [`Graph::scan`].
    #[doc(alias = "map_fn")]
    #[track_caller]
    pub fn map<'g, X: Tree<'g>, Y: Tree<'g>>(&'g self, xs: X, f: impl FnOnce(X) -> Y) -> Y {
        let _frame = self.enter("map", Site::caller());
        self.scan_with(&ScanOptions::default(), (), xs, |(), x| ((), f(x))).1
    }

    /// The number of iterations, or the poison in place of the loop.
    fn scan_length<'g>(
        &'g self,
        options: &ScanOptions,
        first: &[Expr<'g>],
        arrays: &[Expr<'g>],
    ) -> Result<Dim, Expr<'g>> {
        let all: Vec<Expr<'g>> = first.iter().chain(arrays).copied().collect();
        if let Some(poison) = self.refuse(&all) {
            return Err(poison);
        }
        let mut length = options.length.clone();
        for array in arrays {
            let Some(size) = array.shape().first().cloned() else {
                let expected = "1 or more".to_owned();
                return Err(self.report(GraphError::Rank { expected, found: array.shape() }, &[*array]));
            };
            match &length {
                Some(length) if *length != size => {
                    let expected = std::iter::once(length).chain(array.shape().iter().skip(1)).cloned().collect();
                    let what = "an array that is sliced";
                    return Err(self.report(GraphError::WrongShape { what, expected, found: array.shape() }, &[*array]));
                }
                _ => length = Some(size),
            }
        }
        length.ok_or_else(|| self.report(GraphError::NoLength, &[]))
    }

    /// What a loop gives that cannot be built: the closure is run all the same, since it knows the shape of the result.
    fn poisoned_scan<'g, C: Tree<'g>, X: Tree<'g>, Y: Tree<'g>>(
        &'g self,
        carry: &C,
        xs: &X,
        poison: Expr<'g>,
        body: impl FnOnce(C, X) -> (C, Y),
    ) -> (C, Y) {
        let (_, stacked) = body(poisoned(carry, poison), poisoned(xs, poison));
        (poisoned(carry, poison), poisoned(&stacked, poison))
    }

    /// The poison in place of an operation whose body gives these results.
    pub(super) fn refuse_body<'g>(
        &'g self,
        what: &'static str,
        results: &[Expr<'g>],
        others: &[Expr<'g>],
        expected: usize,
    ) -> Option<Expr<'g>> {
        let all: Vec<Expr<'g>> = results.iter().chain(others).copied().collect();
        self.refuse(&all).or_else(|| {
            let found = results.len();
            (found != expected).then(|| self.report(GraphError::ResultCount { what, expected, found }, results))
        })
    }
}

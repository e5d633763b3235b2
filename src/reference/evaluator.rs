//! The reference evaluator: one operation after another, by the kernels of `ops/`.
//!
//! In: a graph and its results. Out: an engine. It plans nothing and reuses no memory beyond dropping a value after its
//! last use; whatever is faster is compared with it.

use std::time::{Duration, Instant};

use ndarray::ArrayD;

use super::finite::{NonFinite, non_finite};
use crate::{
    cancel::CancelToken,
    graph::{Bindings, Dim, Graph, Name, NodeId, Op, Site, Type, Value, ValueView, ValueViewMut},
    memory,
    ops::{self, EvaluationContext, NestedError, OpError, Real, RunLimits},
    program::{
        AttachedEngine, Engine, FiniteChecker, LentGraph, MemoryMap, Pass, PlanSummary, Profile, RunError, StepProfile,
    },
};

/// An op-by-op evaluator of part of a graph.
#[derive(Debug, Clone)]
pub(crate) struct Evaluator {
    steps: Vec<EvaluatorStep>,
    /// Position of the step that gives each result.
    results: Vec<usize>,
    max_iterations: usize,
    cancel: CancelToken,
}

/// One operation: which, of which type, from which earlier steps.
#[derive(Debug, Clone)]
struct EvaluatorStep {
    op: Op,
    ty: Type,
    site: Site,
    call: &'static str,
    node: usize,
    operands: Vec<usize>,
    /// The operands that no later step reads.
    last_uses: Vec<usize>,
    /// The leaf that it is, in the order in which they are fed.
    leaf: Option<usize>,
}

impl Evaluator {
    /// The part of `graph` that `results` need; `leaves` are fed, in this order, and may be missing from it.
    pub(crate) fn new(graph: &Graph, leaves: &[Option<NodeId>], results: &[NodeId]) -> Evaluator {
        let ids = graph.ancestors(results);
        let mut position_of = vec![usize::MAX; ids.last().map_or(0, |id| id.index() + 1)];
        let mut leaf_of = vec![None; graph.len()];
        for (position, leaf) in leaves.iter().enumerate() {
            leaf.iter().for_each(|leaf| leaf_of[leaf.index()] = Some(position));
        }
        let mut steps = Vec::with_capacity(ids.len());
        for (position, id) in ids.into_iter().enumerate() {
            position_of[id.index()] = position;
            let node = graph.node(id);
            steps.push(EvaluatorStep {
                op: node.op.clone(),
                ty: node.ty.clone(),
                site: node.provenance.site,
                call: node.provenance.call,
                node: id.index(),
                operands: graph.operands(id).iter().map(|operand| position_of[operand.index()]).collect(),
                last_uses: Vec::new(),
                leaf: leaf_of[id.index()],
            });
        }
        let results = results.iter().map(|result| position_of[result.index()]).collect();
        let (max_iterations, cancel) = (RunLimits::DEFAULT.max_iterations, CancelToken::default());
        let mut evaluator = Evaluator { steps, results, max_iterations, cancel };
        evaluator.find_last_uses();
        evaluator
    }

    /// With the most iterations of a loop that states none, and what ends runs.
    pub(crate) fn with_limits(self, max_iterations: usize, cancel: CancelToken) -> Evaluator {
        Evaluator { max_iterations, cancel, ..self }
    }

    fn limits(&self) -> RunLimits<'_> {
        RunLimits { max_iterations: self.max_iterations, cancel: Some(&self.cancel) }
    }

    fn find_last_uses(&mut self) {
        let mut is_read_later = vec![false; self.steps.len()];
        self.results.iter().for_each(|result| is_read_later[*result] = true);
        for step in self.steps.iter_mut().rev() {
            for operand in &step.operands {
                if !std::mem::replace(&mut is_read_later[*operand], true) {
                    step.last_uses.push(*operand);
                }
            }
        }
    }

    fn flops_of(&self, step: &EvaluatorStep) -> Dim {
        let operands: Vec<Type> = step.operands.iter().map(|operand| self.steps[*operand].ty.clone()).collect();
        ops::flops(&step.op, &operands, &step.ty)
    }

    /// The value of every result, over any numbers in place of `f64`.
    pub(crate) fn evaluate<R: Real>(
        &self,
        leaves: &[Value<R>],
        bindings: &Bindings,
    ) -> Result<Vec<Value<R>>, RunError> {
        let values = self.walk(leaves, bindings, |_, _, _| Ok(()))?;
        let result = |position: &usize| values[*position].clone().expect("invariant: results are kept to the end");
        Ok(self.results.iter().map(result).collect())
    }

    /// Computes step after step and shows each to `look`, with what its operands are; gives the values that are left.
    fn walk<R: Real>(
        &self,
        leaves: &[Value<R>],
        bindings: &Bindings,
        look: impl Fn(&EvaluatorStep, &[Option<Value<R>>], &Value<R>) -> Result<(), RunError>,
    ) -> Result<Vec<Option<Value<R>>>, RunError> {
        let mut values: Vec<Option<Value<R>>> = vec![None; self.steps.len()];
        for (position, step) in self.steps.iter().enumerate() {
            let value = match step.leaf {
                Some(leaf) => leaves[leaf].clone(),
                None => step.evaluate(&values, bindings, self.limits())?,
            };
            look(step, &values, &value)?;
            values[position] = Some(value);
            step.last_uses.iter().for_each(|operand| values[*operand] = None);
        }
        Ok(values)
    }
}

impl EvaluatorStep {
    fn evaluate<R: Real>(
        &self,
        values: &[Option<Value<R>>],
        bindings: &Bindings,
        limits: RunLimits<'_>,
    ) -> Result<Value<R>, RunError> {
        let value =
            |operand: &usize| values[*operand].as_ref().expect("invariant: operands are kept to their last use");
        let operands: Vec<&Value<R>> = self.operands.iter().map(value).collect();
        let context = EvaluationContext { operands: &operands, ty: &self.ty, bindings, limits };
        let done = limits.check().and_then(|()| self.check_memory(&context));
        done.and_then(|()| ops::evaluate(&self.op, &context)).map_err(|error| {
            let (call, operation, node, site) = (self.call, self.op.name(), self.node, self.site);
            RunError::of_operation(NestedError { call, operation, node, site, error })
        })
    }

    /// Bytes of its value.
    fn bytes(&self, bindings: &Bindings) -> Result<usize, RunError> {
        let shape = self.ty.shape.evaluate(bindings).map_err(|dim| RunError::Node {
            call: self.call,
            operation: self.op.name(),
            node: self.node,
            site: self.site,
            error: OpError::Size(dim),
        })?;
        Ok(shape.iter().fold(self.ty.dtype.size(), |bytes, size| bytes.saturating_mul(*size)))
    }

    /// That there is memory for its value.
    fn check_memory<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<(), OpError> {
        let bytes = context.shape()?.iter().product::<usize>().saturating_mul(size_of::<R>().max(self.ty.dtype.size()));
        if memory::is_available(bytes) { Ok(()) } else { Err(OpError::Memory { bytes }) }
    }

    /// That it makes no NaN and no infinity out of finite operands. What has no operands is a constant, and meant.
    fn check_finite(&self, values: &[Option<Value>], value: &Value) -> Result<(), RunError> {
        let is_finite = |operand: &usize| values[*operand].as_ref().is_none_or(|value| non_finite(value).is_none());
        if self.operands.is_empty() {
            return Ok(());
        }
        match non_finite(value) {
            Some(found) if self.operands.iter().all(is_finite) => {
                let NonFinite { element, value, n_elements } = found;
                let (call, operation, node, site) = (self.call, self.op.name(), self.node, self.site);
                Err(RunError::NonFinite { call, operation, node, site, value, element, n_elements })
            }
            _ => Ok(()),
        }
    }

    /// That what is fed to it is finite, if it is a leaf.
    fn check_finite_leaf(&self, leaves: &[Value]) -> Result<(), RunError> {
        let Some(Name(name)) = self.op.leaf_name() else { return Ok(()) };
        match self.leaf.and_then(|leaf| non_finite(&leaves[leaf])) {
            Some(NonFinite { element, value, n_elements }) => {
                let name = name.to_string();
                Err(RunError::NonFiniteLeaf { name, site: self.site, value, element, n_elements })
            }
            None => Ok(()),
        }
    }
}

impl Engine for Evaluator {
    fn run(
        &mut self,
        leaves: &[ValueView<'_>],
        bindings: &Bindings,
        results: &mut [ValueViewMut<'_>],
    ) -> Result<(), RunError> {
        let leaves: Vec<Value> = leaves.iter().map(ValueView::to_value).collect();
        let values = self.evaluate(&leaves, bindings)?;
        for (value, result) in values.iter().zip(results) {
            write(value, result);
        }
        Ok(())
    }

    fn attach(
        self: Box<Self>,
        leaves: Vec<Value>,
        bindings: &Bindings,
        results: Vec<Value>,
    ) -> Result<Box<dyn AttachedEngine>, RunError> {
        let mut attached = AttachedEvaluator { evaluator: *self, bindings: bindings.clone(), leaves, results };
        attached.run()?;
        Ok(Box::new(attached))
    }

    fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    fn fork(&self) -> Box<dyn Engine> {
        Box::new(Evaluator { cancel: CancelToken::default(), ..self.clone() })
    }

    fn reference(&self) -> Box<dyn FiniteChecker> {
        Box::new(self.clone())
    }

    /// One step for the whole: nobody tunes the reference.
    fn profile(
        &mut self,
        leaves: &[ValueView<'_>],
        bindings: &Bindings,
        results: &mut [ValueViewMut<'_>],
        n_runs: usize,
    ) -> Result<Profile, RunError> {
        let mut time = Duration::MAX;
        for _ in 0..n_runs.max(1) {
            let start = Instant::now();
            self.run(leaves, bindings, results)?;
            time = time.min(start.elapsed());
        }
        let Some(last) = self.steps.last() else { return Ok(Profile { steps: Vec::new() }) };
        let description = format!("{} operations, one after another", self.steps.len());
        let (site, bodies) = (last.site, Vec::new());
        Ok(Profile { steps: vec![StepProfile { description, site, time, count: 1, flops: 0, bytes: 0, bodies }] })
    }

    /// It has no graph any more.
    fn lend_graph(&self, _: &mut dyn FnMut(LentGraph<'_>)) {}

    fn flops(&self) -> Dim {
        self.steps.iter().map(|step| self.flops_of(step)).sum()
    }

    fn bytes(&self) -> Dim {
        self.steps.iter().map(|step| step.ty.bytes()).sum()
    }

    /// A step for each operation; what is counted as the arena are the values that are held at once.
    fn summary(&self, bindings: &Bindings) -> Result<PlanSummary, RunError> {
        let (mut flops, mut moved_bytes, mut held, mut most) = (0usize, 0usize, 0usize, 0usize);
        let bytes: Vec<usize> = self.steps.iter().map(|step| step.bytes(bindings)).collect::<Result<_, _>>()?;
        for (step, own) in self.steps.iter().zip(&bytes) {
            let count = self.flops_of(step).evaluate(bindings).ok();
            flops = flops.saturating_add(count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX));
            let read = step.operands.iter().map(|operand| bytes[*operand]);
            moved_bytes = read.fold(moved_bytes.saturating_add(*own), usize::saturating_add);
            held = held.saturating_add(*own);
            most = most.max(held);
            held = step.last_uses.iter().fold(held, |held, operand| held.saturating_sub(bytes[*operand]));
        }
        let n_steps = self.steps.len();
        Ok(PlanSummary {
            n_steps,
            n_banded_products: 0,
            flops,
            moved_bytes,
            arena_bytes: most,
            least_arena_bytes: most,
            fed_bytes: 0,
        })
    }

    /// It has no arena.
    fn memory(&self, _: &Bindings) -> Result<MemoryMap, RunError> {
        Ok(MemoryMap { n_steps: self.steps.len(), ..MemoryMap::default() })
    }

    /// It plans nothing.
    fn passes(&self, _: &Bindings) -> Result<Vec<Pass>, RunError> {
        Ok(Vec::new())
    }

    fn show(&self, _: &Bindings) -> Result<String, RunError> {
        let lines = self.steps.iter().map(|step| format!("{} → {}  {}\n", step.op.name(), step.ty, step.site));
        Ok(lines.collect())
    }
}

impl FiniteChecker for Evaluator {
    fn check(&mut self, leaves: &[ValueView<'_>], bindings: &Bindings) -> Result<(), RunError> {
        let leaves: Vec<Value> = leaves.iter().map(ValueView::to_value).collect();
        self.steps.iter().try_for_each(|step| step.check_finite_leaf(&leaves))?;
        self.walk(&leaves, bindings, EvaluatorStep::check_finite)?;
        Ok(())
    }
}

/// An evaluator with arrays of its own.
#[derive(Debug)]
struct AttachedEvaluator {
    evaluator: Evaluator,
    bindings: Bindings,
    leaves: Vec<Value>,
    results: Vec<Value>,
}

impl AttachedEngine for AttachedEvaluator {
    fn run(&mut self) -> Result<(), RunError> {
        self.results = self.evaluator.evaluate(&self.leaves, &self.bindings)?;
        Ok(())
    }

    fn leaf_mut(&mut self, position: usize) -> ValueViewMut<'_> {
        self.leaves[position].view_mut()
    }

    fn result(&self, position: usize) -> ValueView<'_> {
        self.results[position].view()
    }
}

fn write(value: &Value, result: &mut ValueViewMut<'_>) {
    fn assign<T: Clone>(value: &ArrayD<T>, result: &mut ndarray::ArrayViewMutD<'_, T>) {
        result.assign(value);
    }
    match (value, result) {
        (Value::F32(value), ValueViewMut::F32(result)) => assign(value, result),
        (Value::F64(value), ValueViewMut::F64(result)) => assign(value, result),
        (Value::I64(value), ValueViewMut::I64(result)) => assign(value, result),
        (Value::Bool(value), ValueViewMut::Bool(result)) => assign(value, result),
        _ => unreachable!("invariant: results have the types of the outputs"),
    }
}

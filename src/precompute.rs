//! Values that depend on constants alone, computed when a graph is compiled. In: a graph without leaves. Out: its results,
//! by the engine of compiled programs, or nothing where that fails or needs too much memory: then they are computed at
//! each run, which gives the error at the user's line.

use crate::{
    graph::{Bindings, Graph, NodeId, Type, Value, ValueViewMut},
    memory,
    plan::{MachineModel, Settings},
    program::Engine,
    runtime::{CachingEngine, Execution, Subgraph},
};

/// How much precomputing may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrecomputeLimits {
    /// The most bytes of what lies between steps.
    pub(crate) max_bytes: usize,
    pub(crate) execution: Execution,
    /// The most iterations of a loop that states none.
    pub(crate) max_iterations: usize,
}

/// The results of a graph without leaves, if steps between them take at most so many bytes, and as much memory can be had.
///
/// Nothing is given where an operation makes NaN or infinity out of finite numbers: as a constant that would be meant, and
/// [`Program::run_checked`](crate::Program::run_checked) could not name the operation.
pub(crate) fn precompute(
    graph: Graph,
    results: Vec<NodeId>,
    PrecomputeLimits { max_bytes, execution, max_iterations }: PrecomputeLimits,
) -> Option<Vec<Value>> {
    let types: Vec<Type> = results.iter().map(|id| graph.node(*id).ty.clone()).collect();
    let shapes: Vec<Vec<usize>> = types.iter().map(|ty| ty.shape.as_numbers()).collect::<Option<_>>()?;
    let subgraph = Subgraph { graph, leaves: Vec::new(), results };
    let settings = Settings { model: MachineModel::DEFAULT, memory_budget: None, max_iterations };
    let mut engine = CachingEngine::new(subgraph, execution, settings);
    let bindings = Bindings::new();
    let arena_bytes = engine.summary(&bindings).ok()?.arena_bytes;
    let sizes = types
        .iter()
        .zip(&shapes)
        .map(|(ty, shape)| shape.iter().fold(ty.dtype.size(), |n, size| n.saturating_mul(*size)));
    let needed_bytes = sizes.fold(arena_bytes, usize::saturating_add);
    if arena_bytes > max_bytes || !memory::is_available(needed_bytes) {
        return None;
    }
    let mut values: Vec<Value> = types.iter().zip(&shapes).map(|(ty, shape)| Value::zeros(ty.dtype, shape)).collect();
    let mut views: Vec<ValueViewMut<'_>> = values.iter_mut().map(Value::view_mut).collect();
    engine.run(&[], &bindings, &mut views).ok()?;
    drop(views);
    if !values.iter().all(is_finite) {
        engine.reference().check(&[], &bindings).ok()?;
    }
    Some(values)
}

fn is_finite(value: &Value) -> bool {
    match value {
        Value::F32(array) => array.iter().all(|element| element.is_finite()),
        Value::F64(array) => array.iter().all(|element| element.is_finite()),
        Value::I64(_) | Value::Bool(_) => true,
    }
}

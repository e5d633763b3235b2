//! Simplified graphs against the graphs they came from: rule by rule, and on whole graphs.

use std::collections::BTreeMap;

use pullback::{Dim, Evaluation, Expr, Graph, Options, Value, graph::Op};

mod graphs;
mod rules;
mod shifts;
mod stable;

/// The values of named results; what the graph does not ask for is not fed.
fn evaluate<'g>(graph: &'g Graph, results: &[(String, Expr<'g>)], feed: &BTreeMap<String, Value>) -> Vec<Value> {
    let options = Options { evaluation: Evaluation::Reference, ..Options::default() };
    let mut program = graph.compile_with(results, &options).expect("no mistake");
    let fed: Vec<(&str, &Value)> = feed
        .iter()
        .filter(|(name, _)| graph.named(name).is_some())
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    let out = program.call(fed).expect("the inputs fit");
    results.iter().map(|(name, _)| out[name.as_str()].clone()).collect()
}

/// The elements as `f64`, truth values as 0 and 1.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::F32(array) => array.iter().copied().map(f64::from).collect(),
        Value::F64(array) => array.iter().copied().collect(),
        Value::I64(array) => array.iter().map(|integer| *integer as f64).collect(),
        Value::Bool(array) => array.iter().map(|truth| f64::from(u8::from(*truth))).collect(),
    }
}

/// Operations and elements moved; a reshape and a leaf move nothing. What bodies move is not seen.
fn cost(graph: &Graph, results: &[(String, Expr<'_>)]) -> Dim {
    let ids: Vec<_> = results.iter().map(|(_, result)| result.id()).collect();
    let moved = graph
        .ancestors(&ids)
        .into_iter()
        .map(|id| graph.expr(id))
        .filter(|node| !node.operands().is_empty() && !matches!(node.op(), Op::Reshape(_) | Op::StopGradient(_)));
    moved.fold(graph.flops(results.to_vec()), |sum, node| sum + node.shape().size())
}

//! Values of small graphs for the tests beside the rules, by the reference kernels. In: a handle over constants. Out:
//! its value.

use super::rule::{EvaluationContext, OpError, RunLimits};
use crate::graph::{Bindings, Expr, Value};

/// The value, of a graph without inputs, symbols or errors.
pub(super) fn value(expr: Expr<'_>) -> Value {
    expr.graph().check().unwrap();
    evaluate(expr, &Bindings::new()).unwrap()
}

/// The value of a graph without inputs, or the first error.
pub(super) fn evaluate(expr: Expr<'_>, bindings: &Bindings) -> Result<Value, OpError> {
    let g = expr.graph();
    let mut values: Vec<Value> = Vec::new();
    for id in g.ids().take(expr.id().index() + 1) {
        let operands: Vec<&Value> = g.operands(id).into_iter().map(|operand| &values[operand.index()]).collect();
        let node = g.node(id);
        let context = EvaluationContext { operands: &operands, ty: &node.ty, bindings, limits: RunLimits::DEFAULT };
        let value = super::evaluate(&node.op, &context)?;
        assert_eq!(value.dtype(), node.ty.dtype, "`{}`", node.op.name());
        assert_eq!(value.shape(), context.shape()?, "`{}`", node.op.name());
        values.push(value);
    }
    Ok(values.swap_remove(expr.id().index()))
}

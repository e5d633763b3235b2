//! Operations with bodies: calls, branches and loops. In: closures over handles. Out: nodes that hold the bodies, and their
//! values by the reference kernels.
//!
//! A closure is run once, on handles that stand for the arguments; what it builds becomes the body. What it reads from outside
//! becomes an operand, so that a derivative by a captured value is as right as one by an argument.

/// What the rules of all operations with bodies answer alike: their derivatives, batches and costs are those of the bodies.
macro_rules! answers_of_bodies {
    ($traits:expr) => {
        fn traits(&self) -> Traits {
            $traits
        }

        fn domain(&self) -> Domain<'_> {
            Domain::All
        }

        fn linearization(&self) -> Linearization<'_> {
            unreachable!("invariant: operations with bodies are differentiated with their siblings")
        }

        fn batching(&self) -> Batching<'_> {
            Batching::Nested
        }

        fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
            Dependence::everything()
        }

        /// Of a branch those of the one that has more, or of both where sizes are symbols; of a loop without a known
        /// length those of one iteration.
        fn flops(&self, _: &[Type], _: &Type) -> Dim {
            family_flops(&[self.clone().into()])
        }
    };
}

mod call;
mod conditional;
mod scan;
mod tree;
mod while_loop;
mod with_derivative;

use std::borrow::Cow;

use ndarray::{ArrayD, Axis, IxDyn};

pub use call::Function;
pub use scan::ScanOptions;
pub use tree::Tree;

use super::{
    real::Real,
    rule::{EvaluationContext, NestedError, OpError, RunLimits},
};
use crate::graph::{Bindings, Body, Dim, Expr, Graph, GraphError, MAX_DEPTH, MAX_OPERATIONS, NodeId, Op, Type, Value};

/// That bodies do not lie too deep in each other, and that each is given operands of the types of its arguments.
fn check_body(body: &Body, operands: &[Type]) -> Result<(), GraphError> {
    if body.depth() > MAX_DEPTH {
        return Err(GraphError::TooDeep { depth: body.depth(), max: MAX_DEPTH });
    }
    if body.n_operations() > MAX_OPERATIONS {
        return Err(GraphError::BodyTooLarge { operations: body.n_operations(), max: MAX_OPERATIONS });
    }
    if operands.len() != body.n_arguments() {
        return Err(GraphError::OperandCount { expected: body.n_arguments(), found: operands.len() });
    }
    let differs = |(_, (expected, found)): &(usize, (&Type, &Type))| expected != found;
    match body.argument_types().zip(operands).enumerate().find(differs) {
        Some((operand, (expected, found))) => {
            Err(GraphError::OperandType { operand, expected: expected.clone(), found: found.clone() })
        }
        None => Ok(()),
    }
}

/// The item of that position, or the error that there are fewer.
fn pick<T>(mut items: impl ExactSizeIterator<Item = T>, position: usize) -> Result<T, GraphError> {
    let n = items.len();
    items.nth(position).ok_or_else(|| GraphError::OutOfRange {
        what: "the output",
        expected: "the number of something in the body",
        found: format!("{position} of {n}"),
    })
}

/// That a body gives each carry in its type.
fn check_carries(body: &Body, carries: usize) -> Result<(), GraphError> {
    if body.results().len() != carries || carries > body.n_arguments() {
        return Err(GraphError::ResultCount { what: "the body", expected: carries, found: body.results().len() });
    }
    let differs = |(_, (expected, found)): &(usize, (&Type, &Type))| expected != found;
    match body.argument_types().zip(body.result_types()).enumerate().find(differs) {
        Some((carry, (expected, found))) => {
            Err(GraphError::CarryType { carry, expected: expected.clone(), found: found.clone() })
        }
        None => Ok(()),
    }
}

/// That a body gives one truth value.
fn check_condition(found: &Type) -> Result<(), GraphError> {
    let is_condition = found.dtype == crate::graph::DType::Bool && found.rank() == 0;
    if is_condition { Ok(()) } else { Err(GraphError::Condition { found: found.clone() }) }
}

/// The floating-point operations of one run of a body that computes these nodes.
fn body_flops(body: &Body, wanted: impl IntoIterator<Item = usize>) -> Dim {
    let graph = body.thaw();
    let ids: Vec<NodeId> = graph.ids().collect();
    let wanted: Vec<NodeId> = wanted.into_iter().map(|number| ids[number]).collect();
    super::cost::flops_of(&graph, &graph.ancestors(&wanted))
}

/// The floating-point operations of an operation of which these siblings are asked for.
pub(super) fn family_flops(siblings: &[Op]) -> Dim {
    match &siblings[0] {
        Op::Call(call) => {
            let outputs = siblings.iter().map(Op::output);
            body_flops(&call.body, outputs)
        }
        Op::Conditional(cond) => {
            let outputs = || siblings.iter().map(Op::output);
            let flops = |body: &Body| body_flops(body, outputs().map(|output| body.results()[output]));
            let (then_flops, else_flops) = (flops(&cond.then_body), flops(&cond.else_body));
            match (then_flops.as_number(), else_flops.as_number()) {
                (Some(one), Some(other)) => Dim::from(one.max(other)),
                // No polynomial is the larger of two.
                _ => then_flops + else_flops,
            }
        }
        Op::Scan(scan) => {
            let stacked = siblings.iter().filter_map(|op| op.scan_output().stacked_node());
            body_flops(&scan.body, scan.body.results().iter().copied().chain(stacked)) * scan.length.clone()
        }
        // What computes the values is counted where it is.
        Op::WithDerivative(_) => Dim::from(0),
        Op::While(op) => {
            let flops = |body: &Body| body_flops(body, body.results().iter().copied());
            flops(&op.condition) + flops(&op.body)
        }
        other => unreachable!("invariant: `{}` has a body", other.name()),
    }
}

/// The values of the nodes of a body, by the kernels of the rules.
fn evaluate<'v, R: Real>(
    body: &Body,
    arguments: Vec<Cow<'v, Value<R>>>,
    (bindings, limits): (&Bindings, RunLimits<'_>),
) -> Result<Vec<Cow<'v, Value<R>>>, OpError> {
    let mut values = arguments;
    for (number, node) in body.nodes().iter().enumerate().skip(body.n_arguments()) {
        let operands: Vec<&Value<R>> = node.operands.iter().map(|operand| &*values[operand.index()]).collect();
        let node = &node.node;
        let context = EvaluationContext { operands: &operands, ty: &node.ty, bindings, limits };
        let value = super::evaluate(&node.op, &context).map_err(|error| match error {
            OpError::Nested(error) => OpError::Nested(error),
            error => OpError::Nested(Box::new(NestedError {
                call: node.provenance.call,
                operation: node.op.name(),
                node: number,
                site: node.provenance.site,
                error,
            })),
        })?;
        values.push(Cow::Owned(value));
    }
    Ok(values)
}

/// Runs `$body` with `$array` bound to the array inside, and puts the result into the same kind of value.
macro_rules! map_value {
    ($value:expr, $array:ident => $body:expr) => {
        match $value {
            Value::F32($array) => Value::F32($body),
            Value::F64($array) => Value::F64($body),
            Value::I64($array) => Value::I64($body),
            Value::Bool($array) => Value::Bool($body),
        }
    };
}

/// The value at one position along the leading axis.
fn slice<R: Clone>(value: &Value<R>, position: usize) -> Value<R> {
    map_value!(value, array => array.index_axis(Axis(0), position).to_owned())
}

/// The values along a leading axis.
fn stack<R: Real>(values: &[Option<Value<R>>], ty: &Type, shape: &[usize]) -> Value<R> {
    fn fill<T: Clone>(mut array: ArrayD<T>, parts: impl Iterator<Item = ArrayD<T>>) -> ArrayD<T> {
        for (mut place, part) in array.axis_iter_mut(Axis(0)).zip(parts) {
            place.assign(&part);
        }
        array
    }
    macro_rules! stacked {
        ($kind:ident, $zero:expr) => {{
            let parts = values.iter().flatten().filter_map(|value| match value {
                Value::$kind(array) => Some(array.clone()),
                _ => None,
            });
            Value::$kind(fill(ArrayD::from_elem(IxDyn(shape), $zero), parts))
        }};
    }
    match ty.dtype {
        crate::graph::DType::F32 => stacked!(F32, 0.0),
        crate::graph::DType::F64 => stacked!(F64, R::ZERO),
        crate::graph::DType::I64 => stacked!(I64, 0),
        crate::graph::DType::Bool => stacked!(Bool, false),
    }
}

/// Whether a value that is one truth value is true.
fn is_true<R>(value: &Value<R>) -> bool {
    matches!(value, Value::Bool(array) if array.first() == Some(&true))
}

/// A number of iterations.
fn count(length: i64, dim: &Dim) -> Result<usize, OpError> {
    usize::try_from(length).map_err(|_| OpError::Size(dim.clone()))
}

/// Whether an operation, or one in its bodies, may be an error of the run for some elements of its operands.
fn may_fail(op: &Op) -> bool {
    super::traits(op).may_fail || op.bodies().iter().flat_map(|body| body.nodes()).any(|node| may_fail(&node.node.op))
}

/// Handles as a closure takes and returns them, with the poison in place of all of them.
pub(crate) fn poisoned<'g, T: Tree<'g>>(template: &T, poison: Expr<'g>) -> T {
    template.rebuild(&mut std::iter::repeat(poison))
}

/// The leaves of what a closure takes or returns.
pub(crate) fn leaves<'g, T: Tree<'g>>(tree: &T) -> Vec<Expr<'g>> {
    let mut leaves = Vec::new();
    tree.push_to(&mut leaves);
    leaves
}

fn ids(exprs: &[Expr<'_>]) -> Vec<NodeId> {
    exprs.iter().map(Expr::id).collect()
}

impl Graph {
    /// The handles of nodes, as a closure takes them.
    fn rebuild<'g, T: Tree<'g>>(&'g self, template: &T, nodes: &[NodeId]) -> T {
        template.rebuild(&mut nodes.iter().map(|id| self.expr(*id)))
    }
}

/// The body of a sample: what a function builds of arguments of these types.
fn sample_body(types: &[Type], build: impl for<'g> FnOnce(&[Expr<'g>]) -> Vec<Expr<'g>>) -> (Body, Vec<usize>) {
    let g = Graph::new();
    let _frame = g.enter("sample", crate::graph::Site::caller());
    let trace = g.trace(types);
    let arguments: Vec<Expr<'_>> = trace.arguments.iter().map(|id| g.expr(*id)).collect();
    let results = ids(&build(&arguments));
    let observed: Vec<NodeId> = g.ids().filter(|id| results.contains(id)).collect();
    trace.close(&[], &results, &observed)
}

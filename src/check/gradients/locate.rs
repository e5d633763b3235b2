//! The first operation whose derivative is wrong by itself. In: a graph, values of its leaves, and the kind of disagreement to look
//! for. Out: the first operation in topological order that has it.
//!
//! Each operation is put into a graph of its own, with the values that it saw as leaves, and a weighted sum of its value is compared
//! with differences as any scalar is. No operation sees what is wrong with those before it, so that the first that disagrees is
//! the culprit. A value with a derivative of the user's own is taken as a function of its operands, with all that computes the
//! value between them, since that is what its derivative is to be of. Of a loop, a branch or a call that disagrees, the operations of
//! its body are looked at in the same way, with what the first iteration saw.

use std::collections::{BTreeSet, HashMap};

use ndarray::{ArrayD, Axis};

use super::{
    compare::{Settings, Variable, displaced, random, worst},
    error::GradientCheckError,
    function::{Function, Leaf},
    report::{Agreement, SuspectOperation, VariableCheck},
};
use crate::{
    graph::{Bindings, Body, DType, Expr, Graph, Node, NodeId, Op, Scan, ScanDirection, Type, Value, WithDerivative},
    reference::Evaluator,
};

/// Elements of each operand that are moved one by one; a random direction moves all.
const MAX_ELEMENTS: usize = 8;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) agreement: Agreement,
    pub(super) order: usize,
    pub(super) settings: &'a Settings,
    pub(super) bindings: &'a Bindings,
}

/// The first of these nodes, in this order, that disagrees as is wanted.
pub(super) fn first_operation(
    graph: &Graph,
    nodes: &[NodeId],
    leaves: &[Leaf],
    wanted: Wanted<'_>,
) -> Result<Option<SuspectOperation>, GradientCheckError> {
    let fed: Vec<Option<NodeId>> = leaves.iter().map(|leaf| Some(leaf.node)).collect();
    let fed_values: Vec<Value> = leaves.iter().map(|leaf| leaf.value.clone()).collect();
    let values = Evaluator::new(graph, &fed, nodes).evaluate(&fed_values, wanted.bindings)?;
    let values: HashMap<NodeId, Value> = nodes.iter().copied().zip(values).collect();
    let point = Point { graph, values, wanted };
    for id in nodes {
        // An operation that cannot be compared by itself, as one that fails beside these values, is not to blame.
        if let Ok(Some(suspect)) = point.check(*id) {
            return Ok(Some(point.inside(*id)?.unwrap_or(suspect)));
        }
    }
    Ok(None)
}

/// A graph with the values of its nodes.
struct Point<'a> {
    graph: &'a Graph,
    values: HashMap<NodeId, Value>,
    wanted: Wanted<'a>,
}

impl Point<'_> {
    /// The operation, if it disagrees.
    fn check(&self, id: NodeId) -> Result<Option<SuspectOperation>, GradientCheckError> {
        let node = self.graph.node(id).clone();
        let operands = self.graph.operands(id);
        let moves = |id: &NodeId| self.graph.node(*id).ty.dtype.is_float();
        if node.op.is_fed() || !node.ty.dtype.is_float() || !operands.iter().any(moves) {
            return Ok(None);
        }
        let local = Graph::new();
        let mut cut = Cut { point: self, local: &local, leaves: Vec::new(), variables: Vec::new() };
        let value = match &node.op {
            Op::WithDerivative(op) => cut.with_derivative(op, &node, &operands),
            _ => cut.alone(&node, &operands),
        };
        let Wanted { settings, order, bindings, .. } = self.wanted;
        let Cut { leaves, variables, .. } = cut;
        let (value, leaves) = weighted(value, &self.values[&id], leaves, settings);
        let settings = Settings { order, max_elements: settings.max_elements.min(MAX_ELEMENTS), ..*settings };
        let function = Function { graph: &local, value, leaves, variables, bindings };
        let checks = function.compare(&settings)?;
        let of_order = |check: VariableCheck| if order > 1 { check.second } else { check.first };
        let disagreeing = checks.into_iter().enumerate().filter_map(|(variable, check)| {
            let check = of_order(check).filter(|check| check.agreement == self.wanted.agreement)?;
            Some((function.variables[variable].name.parse().ok(), check))
        });
        let found = disagreeing.reduce(|one, other| {
            let is_first = worst([one.1.clone(), other.1.clone()]).as_ref() == Some(&one.1);
            if is_first { one } else { other }
        });
        Ok(found.map(|(operand, check)| SuspectOperation {
            call: node.provenance.call.to_owned(),
            operation: node.op.name().to_owned(),
            site: node.provenance.site,
            operand,
            check: Some(check),
        }))
    }

    /// The nodes that one is computed of, this among them, up to those that are in `image`; operands come first.
    fn reached(&self, id: NodeId, image: &HashMap<NodeId, Expr<'_>>) -> BTreeSet<NodeId> {
        let (mut found, mut left) = (BTreeSet::new(), vec![id]);
        while let Some(id) = left.pop() {
            if !image.contains_key(&id) && found.insert(id) {
                left.extend(self.graph.operands(id));
            }
        }
        found
    }

    /// The first operation that disagrees in the body of another, at its first iteration.
    fn inside(&self, id: NodeId) -> Result<Option<SuspectOperation>, GradientCheckError> {
        let operands: Vec<&Value> = self.graph.operands(id).iter().map(|operand| &self.values[operand]).collect();
        let Some((body, arguments)) = first_run(&self.graph.node(id).op, &operands) else { return Ok(None) };
        let graph = body.thaw();
        let leaves: Vec<Leaf> = graph.ids().zip(arguments).map(|(node, value)| Leaf { node, value }).collect();
        let nodes: Vec<NodeId> = graph.ids().collect();
        first_operation(&graph, &nodes, &leaves, self.wanted)
    }
}

/// The body that runs first, with what it is given.
fn first_run(op: &Op, operands: &[&Value]) -> Option<(Body, Vec<Value>)> {
    let owned = |operands: &[&Value]| operands.iter().map(|value| (*value).clone()).collect();
    match op {
        Op::Call(call) => Some((call.body.clone(), owned(operands))),
        Op::While(op) => Some((op.body.clone(), owned(operands))),
        Op::Conditional(op) => {
            let (condition, rest) = operands.split_first()?;
            let is_true = condition.scalar::<bool>()?;
            Some((if is_true { &op.then_body } else { &op.else_body }.clone(), owned(rest)))
        }
        Op::Scan(op) => {
            let argument = |(position, value): (usize, &&Value)| {
                if op.is_sliced(position) { slice(op, value) } else { Some((*value).clone()) }
            };
            Some((op.body.clone(), operands.iter().enumerate().map(argument).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// What the first iteration of a loop sees of an array, if there is one.
fn slice(op: &Scan, value: &Value) -> Option<Value> {
    fn at<T: Clone>(array: &ArrayD<T>, position: usize) -> ArrayD<T> {
        array.index_axis(Axis(0), position).to_owned()
    }
    let last = value.shape().first()?.checked_sub(1)?;
    let position = if op.direction == ScanDirection::Forward { 0 } else { last };
    Some(match value {
        Value::F32(array) => Value::F32(at(array, position)),
        Value::F64(array) => Value::F64(at(array, position)),
        Value::I64(array) => Value::I64(at(array, position)),
        Value::Bool(array) => Value::Bool(at(array, position)),
    })
}

/// What a leaf is to an operation.
#[derive(Debug, Clone, Copy)]
enum Operand {
    Number(usize),
    /// A value moves with it, but it is none of the operands that a derivative of the user's own is by.
    Outside,
}

/// A part of a graph in a graph of its own, whose leaves have the values that the part saw.
struct Cut<'a, 'l> {
    point: &'a Point<'a>,
    local: &'l Graph,
    leaves: Vec<Leaf>,
    variables: Vec<Variable>,
}

impl<'l> Cut<'_, 'l> {
    /// The operation, of operands that all are leaves.
    fn alone(&mut self, node: &Node, operands: &[NodeId]) -> Expr<'l> {
        let leaf = |(number, id): (usize, &NodeId)| self.leaf(*id, Some(Operand::Number(number)));
        let operands: Vec<Expr<'l>> = operands.iter().enumerate().map(leaf).collect();
        let _frame = self.local.enter(node.provenance.call, node.provenance.site);
        self.local.apply(node.op.clone(), &operands)
    }

    /// The operation with all that its values are computed of from what they are differentiated by.
    fn with_derivative(&mut self, op: &WithDerivative, node: &Node, operands: &[NodeId]) -> Expr<'l> {
        let n_given = op.values + op.n_tangents(operands.len());
        let mut image: HashMap<NodeId, Expr<'l>> = HashMap::new();
        for (position, id) in operands.iter().enumerate().take(n_given).skip(op.values) {
            let leaf = self.leaf(*id, Some(Operand::Number(position - op.values)));
            image.entry(*id).or_insert(leaf);
        }
        let mut arguments: Vec<Expr<'l>> = Vec::with_capacity(operands.len());
        for value in &operands[..op.values] {
            arguments.push(self.copy(*value, &mut image));
        }
        arguments.extend(operands[op.values..n_given].iter().map(|id| image[id]));
        for captured in &operands[n_given..] {
            arguments.push(self.leaf(*captured, None));
        }
        let _frame = self.local.enter(node.provenance.call, node.provenance.site);
        self.local.apply(node.op.clone(), &arguments)
    }

    /// A node with what it is computed of, up to what is in `image`. Leaves that it has beside those are variables too, since the
    /// value moves with them.
    fn copy(&mut self, id: NodeId, image: &mut HashMap<NodeId, Expr<'l>>) -> Expr<'l> {
        let graph = self.point.graph;
        for ancestor in self.point.reached(id, image) {
            let node = graph.node(ancestor).clone();
            let copy = if node.op.is_fed() || matches!(node.op, Op::Argument(_)) {
                self.leaf(ancestor, Some(Operand::Outside))
            } else {
                let operands: Vec<NodeId> =
                    graph.operands(ancestor).iter().map(|operand| image[operand].id()).collect();
                self.local.expr(self.local.insert_copy(&node, &operands))
            };
            image.insert(ancestor, copy);
        }
        image[&id]
    }

    /// A node as a leaf with the value that it has, and as a variable if it is a float and may move the operation.
    fn leaf(&mut self, id: NodeId, operand: Option<Operand>) -> Expr<'l> {
        let Node { ty: Type { dtype, shape }, provenance, .. } = self.point.graph.node(id).clone();
        let leaf = self.leaves.len();
        let expr = self.local.input_of(dtype, &format!("leaf_{leaf}"), shape);
        self.leaves.push(Leaf { node: expr.id(), value: self.point.values[&id].clone() });
        if let Some(operand) = operand.filter(|_| dtype.is_float()) {
            let name = match operand {
                Operand::Number(number) => number.to_string(),
                Operand::Outside => String::new(),
            };
            self.variables.push(Variable { leaf, name, site: provenance.site });
        }
        expr
    }
}

/// The sum of a value with random weights.
fn weighted<'l>(value: Expr<'l>, found: &Value, mut leaves: Vec<Leaf>, settings: &Settings) -> (Expr<'l>, Vec<Leaf>) {
    let weights = value.graph().input_of(value.dtype(), "weights", value.shape());
    let zeros = Value::zeros(found.dtype(), found.shape());
    let numbers = random(&mut settings.generator(), found.len());
    leaves.push(Leaf { node: weights.id(), value: displaced(&zeros, &numbers, 1.0) });
    ((value * weights).cast(DType::F64).sum(), leaves)
}

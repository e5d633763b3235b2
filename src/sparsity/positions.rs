//! Where elements are: arrays of positions in row-major order, as expressions. In: a primitive and an operand. Out: from which element
//! of it each element of the output is, or to which one of the output each of its elements goes. The primitive itself and its transpose
//! tell, applied to positions; nothing here knows one.

use std::{cell::RefCell, collections::HashMap};

use smallvec::SmallVec;

use crate::{
    graph::{Broadcast, DType, Expr, Gather, Graph, NodeId, Op, Shape, Transpose},
    ops::{self, Application, Linearization},
};

/// Positions in one graph, each array of them made once, so that equal ones are one node.
pub(super) struct Positions<'g> {
    graph: &'g Graph,
    made: RefCell<HashMap<Key, NodeId>>,
}

/// What was made of which nodes.
type Key = (String, SmallVec<[NodeId; 3]>);

impl<'g> Positions<'g> {
    pub(super) fn new(graph: &'g Graph) -> Positions<'g> {
        Positions { graph, made: RefCell::default() }
    }

    /// The position of each element of an array of this shape: 0, 1, ….
    pub(super) fn of(&self, shape: &Shape) -> Expr<'g> {
        self.once(format!("{shape}"), &[], || {
            self.graph.iota(DType::I64, &[shape.size()][..], 0).reshape(shape.clone())
        })
    }

    /// A primitive applied to operands of which some are positions.
    pub(super) fn apply(&self, op: impl Into<Op>, operands: &[Expr<'g>]) -> Expr<'g> {
        let op = op.into();
        self.once(format!("{op:?}"), operands, || self.graph.apply(op, operands))
    }

    /// For each element of the output the position of the element of an operand that it is, or −1.
    pub(super) fn sources(&self, application: &Application<'g>, operand: usize) -> Expr<'g> {
        let op = application.output.op();
        let operands = self.stand_ins(application);
        self.once(format!("sources {op:?} {operand}"), &operands, || {
            // One more, so that the zeros that a pad writes are none.
            let of_operand = |(position, expr): (usize, &Expr<'g>)| match position == operand {
                true => *expr + 1,
                false if application.operands[position].dtype().is_float() => expr.zeros_like(),
                false => *expr,
            };
            let operands: Vec<Expr<'g>> = operands.iter().enumerate().map(of_operand).collect();
            self.graph.apply(op, &operands) - 1
        })
    }

    /// For each element of an operand the position in the output to which it goes, or −1.
    pub(super) fn targets(&self, application: &Application<'g>, operand: usize) -> Expr<'g> {
        let (op, output) = (application.output.op(), application.output.shape());
        let operands = self.stand_ins(application);
        self.once(format!("targets {op:?} {operand} {output}"), &operands, || {
            let Linearization::Linear(map) = ops::linearization(&op) else {
                unreachable!("invariant: what only moves or adds elements is linear")
            };
            let output = self.of(&output);
            map.transpose(operand, output + 1, &Application { operands: operands.clone(), output }) - 1
        })
    }

    /// The targets of the elements that lie at `positions`, which may be −1 as the targets may.
    pub(super) fn compose(&self, targets: Expr<'g>, positions: Expr<'g>) -> Expr<'g> {
        self.once("compose".into(), &[targets, positions], || {
            let is_none = positions.less(0);
            is_none.select(positions, targets.reshape(&[targets.shape().size()][..]).gather(positions.maximum(0), 0))
        })
    }

    /// An array, some axes of an array of this shape, repeated along its other axes: axis a of it is axis `axes[a]`.
    pub(super) fn spread(&self, array: Expr<'g>, axes: &[usize], shape: &Shape) -> Expr<'g> {
        let operation = spread_operations(axes, shape);
        operation.into_iter().fold(array, |array, op| self.apply(op, &[array]))
    }

    /// The element of an array at each position.
    pub(super) fn pick(&self, array: Expr<'g>, positions: Expr<'g>) -> Expr<'g> {
        let flat = array.reshape(&[array.shape().size()][..]);
        self.graph.apply(Gather { axis: 0, batch: 0 }, &[flat, self.at_least_zero(positions)])
    }

    fn at_least_zero(&self, positions: Expr<'g>) -> Expr<'g> {
        self.once("at least zero".into(), &[positions], || positions.maximum(0))
    }

    /// Positions in place of the floats.
    fn stand_ins(&self, application: &Application<'g>) -> SmallVec<[Expr<'g>; 3]> {
        let stand_in = |expr: &Expr<'g>| if expr.dtype().is_float() { self.of(&expr.shape()) } else { *expr };
        application.operands.iter().map(stand_in).collect()
    }

    fn once(&self, what: String, operands: &[Expr<'g>], make: impl FnOnce() -> Expr<'g>) -> Expr<'g> {
        let key = (what, operands.iter().map(Expr::id).collect());
        if let Some(id) = self.made.borrow().get(&key) {
            return self.graph.expr(*id);
        }
        let made = make();
        self.made.borrow_mut().insert(key, made.id());
        made
    }
}

/// What makes an array of this shape of one that has some of its axes: axis a of that is axis `axes[a]`.
pub(super) fn spread_operations(axes: &[usize], shape: &Shape) -> Vec<Op> {
    let mut order: Vec<usize> = (0..axes.len()).collect();
    order.sort_unstable_by_key(|axis| axes[*axis]);
    let sorted: Vec<usize> = order.iter().map(|axis| axes[*axis]).collect();
    let mut operations: Vec<Op> = Vec::new();
    if !order.is_sorted() {
        operations.push(Transpose { permutation: order.as_slice().into() }.into());
    }
    if sorted.len() < shape.rank() {
        operations.push(Broadcast { axes: sorted.as_slice().into(), shape: shape.clone() }.into());
    }
    operations
}

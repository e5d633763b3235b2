//! Reading and adding at positions that are computed: an array or its index may be stacked, neither is repeated for the
//! other. In: an operation and its operands. Out: the stacked result.

use crate::{
    graph::{Axes, Broadcast, DType, Dim, Expr, Gather, Iota, ScatterAdd, Shape, Window},
    ops::rule::{AxisRule, BatchApplication, BatchOperand, BatchRule},
};

impl BatchRule for Gather {
    /// Where one of both is stacked, the batch lies behind the axes that they share: one more outer axis of the array, or
    /// the first of the index. Where both are, it is one more axis that they share.
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Expr<'g> {
        let Gather { axis, batch } = *self;
        let [x, index] = [application.operands[0], application.operands[1]];
        let g = x.expr().graph();
        let (gather, place) = match (x.is_stacked(), index.is_stacked()) {
            (true, true) => {
                return g.apply(Gather { axis: axis + 1, batch: batch + 1 }, &[x.expr(), index.expr()]);
            }
            (true, false) => (Gather { axis: axis + 1, batch }, batch),
            (false, _) => (Gather { axis, batch }, axis),
        };
        let operands = [x.with_batch_behind(batch), index.with_batch_behind(batch)];
        g.apply(gather, &operands).with_axis_moved(place, 0)
    }
}

impl BatchRule for ScatterAdd {
    /// An index that is shared is shared: the batch is one more outer axis of base and updates.
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Expr<'g> {
        let ScatterAdd { axis, batch } = *self;
        let [base, index, updates] = [0, 1, 2].map(|operand: usize| application.operands[operand]);
        if index.is_stacked() {
            return application.apply_to_repeated(ScatterAdd { axis: axis + 1, batch: batch + 1 });
        }
        let outer = |operand: BatchOperand<'g>| {
            BatchOperand::Stacked(operand.repeated(&application.size)).with_batch_behind(batch)
        };
        let operands = [outer(base), index.expr(), outer(updates)];
        index.expr().graph().apply(ScatterAdd { axis: axis + 1, batch }, &operands).with_axis_moved(batch, 0)
    }
}

impl BatchRule for Window {
    /// Positions in the flattened array of all examples, less those of the examples before.
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Expr<'g> {
        let BatchOperand::Stacked(x) = application.operands[0] else {
            unreachable!("invariant: an operand is stacked");
        };
        let positions = application.apply_to_repeated(self.shifted(&application.size));
        if positions.is_poisoned() {
            return positions;
        }
        let g = x.graph();
        let example = g.apply(Iota { axis: 0, dtype: DType::I64, shape: Shape::from([&application.size]) }, &[]);
        let n_elements: Dim = x.shape()[1..].iter().cloned().product();
        let before = example * g.dim_size(n_elements, DType::I64);
        positions - g.apply(Broadcast { axes: Axes::from([0]), shape: positions.shape() }, &[before])
    }
}

//! Batching: graph in, graph out.
//!
//! In: expressions, and arrays whose slices stand for some of the nodes that they depend on. Out: expressions of the same
//! graph for all slices at once, which can be printed, differentiated, compiled or batched again. One sweep applies each
//! primitive's own batching rule; nothing here knows a primitive, looks at a number, or asks how a node came to be.

mod arguments;
mod closure;
mod ensemble;
mod nested;

pub use arguments::{Exprs, Slices};
pub use closure::{VmapAxes, VmapOptions};
pub use ensemble::Ensemble;

use smallvec::SmallVec;

use crate::{
    graph::{Dim, Expr, Graph, NodeId, Site},
    ops::{self, BatchApplication, BatchOperand},
};

impl Graph {
    /// Expressions for each slice of an array at once: what they are with the node x replaced by the first slice of xs,
    /// by the second, …, stacked along a new first axis. [`Graph::vmap`] is the same for
    /// a function of the slices, a closure.
    ///
    /// `outputs` is one expression, or an array, a vector or a slice of them; the result is alike. Each of the pairs
    /// `(x, xs)` says which node is replaced, an input as a rule but any node may be, and by what; slices are taken along
    /// the first axis, or along that of `(x, xs, axis)`. [`Expr::move_axis`] puts the new axis of a result elsewhere.
    ///
    /// Nothing loops: products become products of more rows or more matrices, sums go over their axis of a larger array.
    /// What does not depend on an x is not computed again for each slice, and where products, convolutions, gathers and
    /// systems of equations use it beside something that does, it is not copied either. Random numbers are such a part:
    /// with a shared key and counter all slices see **one draw**. Independent ones need a key for each, by
    /// [`Graph::split_key`].
    ///
    /// A graph with symbols needs no other; slices may be counted by a symbol too.
    ///
    /// # Shapes
    /// x: S, xs: `[n]` + S with the n where `axis` says; outputs: T → `[n]` + T. An output that depends on no x is
    /// repeated.
    ///
    /// # Errors
    /// An error is recorded if there is no pair, if xs has another dtype than x or slices of another shape, if two have
    /// other numbers of slices, or if one node has two.
    ///
    /// # Complexity
    /// One sweep over the ancestors of the outputs. A convolution whose input and kernel both differ from slice to slice
    /// writes its patches out where n is a symbol, which takes as many times the memory of its input as the kernel has
    /// elements; feed a number there.
    ///
    /// # Example
    /// Gradients for each example, in one program:
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let (x, y, w) = (g.input("x", (2,)), g.input("y", ()), g.input("w", (2,)));
    /// let gradient = g.gradient((x.dot(w) - y).square(), w);
    /// let (xs, ys) = (g.input("xs", ("batch", 2)), g.input("ys", ("batch",)));
    /// let gradients = g.batch(gradient, [(x, xs), (y, ys)]);
    /// assert_eq!(gradients.ty().to_string(), "f32[batch, 2]");
    ///
    /// let mut program = g.compile(gradients)?;
    /// let (xs, ys, w) = (array![[1f32, 2.0], [3.0, 4.0]], array![0f32, 6.0], array![1f32, 1.0]);
    /// let out = program.call((("xs", &xs), ("ys", &ys), ("w", &w)))?;
    /// assert_eq!(out["result"], array![[6f32, 12.0], [6.0, 8.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("vectorize", "map"))]
    #[track_caller]
    pub fn batch<'g, E: Exprs<'g>>(
        &'g self,
        outputs: E,
        slices: impl IntoIterator<Item: Into<Slices<'g>>>,
    ) -> E::Batched {
        let _frame = self.enter("batch", Site::caller());
        let slices: Vec<Slices<'g>> = slices.into_iter().map(Into::into).collect();
        outputs.batched(|outputs| match arguments::check(self, outputs, &slices) {
            Ok(stacks) => {
                let batched = batch(self, outputs, &stacks.pairs, &stacks.size);
                batched.into_iter().map(|output| output.repeated(&stacks.size)).collect()
            }
            Err(poison) => vec![poison; outputs.len()],
        })
    }
}

/// The outputs with each x replaced by a stacked array, the batch of `size` in front: stacked where they depend on one,
/// else as they are.
///
/// A loop over ids, twice: down from the outputs to what is needed of them, and up.
pub(crate) fn batch<'g>(
    graph: &'g Graph,
    outputs: &[Expr<'g>],
    stacks: &[(Expr<'g>, Expr<'g>)],
    size: &Dim,
) -> Vec<BatchOperand<'g>> {
    let end = outputs.iter().map(|output| output.id().index() + 1).max().unwrap_or(0);
    // What stands in place of a node: stacked, or shared, if it is an output of a body that does not depend on an x.
    let mut replaced: Vec<Option<BatchOperand<'g>>> = vec![None; end];
    for (x, xs) in stacks.iter().filter(|(x, _)| x.id().index() < end) {
        replaced[x.id().index()] = Some(BatchOperand::Stacked(*xs));
    }
    let ids = needed(graph, outputs, &replaced);
    let families = graph.siblings(ids.iter().copied());
    for id in ids {
        let operands = graph.operands(id);
        if operands.iter().all(|operand| replaced[operand.index()].is_none()) {
            continue;
        }
        let _frame = graph.enter_for("batch", id);
        let node = graph.expr(id);
        let form =
            |operand: &NodeId| replaced[operand.index()].unwrap_or_else(|| BatchOperand::Shared(graph.expr(*operand)));
        let operands: SmallVec<[BatchOperand<'g>; 3]> = operands.iter().map(form).collect();
        if !operands.iter().any(|operand| operand.is_stacked()) {
            let operands: Vec<Expr<'g>> = operands.iter().map(|operand| operand.expr()).collect();
            replaced[id.index()] = Some(BatchOperand::Shared(graph.apply(node.op(), &operands)));
        } else if node.op().is_nested() {
            // The first sibling takes the others with it, whose operands are the same.
            if let Some(family) = families.led_by(id) {
                let batched = nested::batch(graph, family, operands, size);
                family.iter().zip(batched).for_each(|(member, output)| replaced[member.index()] = Some(output));
            }
        } else {
            let application = BatchApplication { operands, output: node.ty(), size: size.clone() };
            replaced[id.index()] = Some(BatchOperand::Stacked(ops::batch(&node.op(), &application)));
        }
    }
    let form = |output: &Expr<'g>| replaced[output.id().index()].unwrap_or(BatchOperand::Shared(*output));
    outputs.iter().map(form).collect()
}

/// What the outputs are computed from without looking behind what is replaced, operands before their users.
fn needed(graph: &Graph, outputs: &[Expr<'_>], replaced: &[Option<BatchOperand<'_>>]) -> Vec<NodeId> {
    let mut is_needed = vec![false; replaced.len()];
    outputs.iter().for_each(|output| is_needed[output.id().index()] = true);
    let ids: Vec<NodeId> = graph.ids().take(replaced.len()).collect();
    for id in ids.iter().rev() {
        is_needed[id.index()] &= replaced[id.index()].is_none();
        if is_needed[id.index()] {
            graph.operands(*id).iter().for_each(|operand| is_needed[operand.index()] = true);
        }
    }
    ids.into_iter().filter(|id| is_needed[id.index()]).collect()
}

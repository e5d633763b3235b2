//! Copies of one model, each with parameters and states of its own, in one graph. In: results of a graph. Out: a new graph in which
//! every parameter, state and result has one more axis in front.

use super::batch;
use crate::graph::{
    Diagnostics, Dim, Expr, Graph, IntoResults, NodeId, Op, Operands, Parameter, Provenance, Shape, Site, State, Type,
};

/// What [`Graph::ensemble`] gives: a graph, and the results of all copies.
#[derive(Debug)]
pub struct Ensemble {
    /// Inputs as they were; parameters and states of the same names, with the copies along their first axis.
    pub graph: Graph,
    /// The results, `[n]` + shape, in the order in which they were asked for.
    pub results: Vec<(String, NodeId)>,
}

impl Ensemble {
    /// The result of that name.
    pub fn result(&self, name: &str) -> Option<Expr<'_>> {
        self.results.iter().find(|(found, _)| found == name).map(|(_, id)| self.graph.expr(*id))
    }
}

impl Graph {
    /// A new graph of n models at once, for an ensemble, or for many seeds or rates: what the results are computed from with each
    /// parameter and [state](Graph::state) n times, stacked along a new first axis, and inputs that all share.
    /// [`Graph::update`]s are those of each copy.
    ///
    /// Their first values are [stacked](crate::Parameters::stack) from those of single models, whose sizes an initializer counts.
    /// A sum of the losses moves each copy by its own gradient alone. One optimizer that moves each element by itself then moves all
    /// copies alike; a [`Sweep`](crate::optim::Sweep) has an optimizer for each of them, at a rate of its own.
    ///
    /// # Shapes
    /// Parameters, states and results: S → `[n]` + S.
    ///
    /// # Errors
    /// Every error of the graph; a result of another graph.
    ///
    /// # Complexity
    /// As for [`Graph::batch`].
    ///
    /// # Example
    /// Three networks in one program:
    /// ```
    /// use ndarray::array;
    /// use pullback::{Expr, Graph, Parameters, nn::{linear, squared_error}, optim::{Adam, Optimizer}};
    /// let g = Graph::new();
    /// let (x, y) = (g.input("x", ("batch", 2)), g.input("y", ("batch", 1)));
    /// let loss = squared_error(linear(linear(x, "hidden", 8).tanh(), "out", 1), y).mean();
    ///
    /// let all = g.ensemble(3, [("loss", loss)])?;
    /// let losses = all.result("loss").expect("it was asked for");
    /// assert_eq!(losses.ty().to_string(), "f32[3]");
    /// assert_eq!(all.graph.named("hidden.weight").unwrap().ty().to_string(), "f32[3, 2, 8]");
    /// let mut step = all.graph.compile_training(losses.sum())?;
    ///
    /// let singles = (0..3).map(|seed| g.initialize(seed)).collect::<Result<Vec<_>, _>>()?;
    /// let mut parameters = Parameters::stack(&singles)?;
    /// let batch = (("x", array![[0.0f32, 1.0], [1.0, 1.0]]), ("y", array![[1.0f32], [0.0]]));
    /// let out = step.run(&parameters, batch)?;
    /// Adam::new(0.01).step(&mut parameters, &out.gradients)?;
    /// let first = &parameters.unstack()?[0]; // A single model again.
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("vmap", "stack_modules"))]
    #[track_caller]
    pub fn ensemble<'g>(&'g self, n: usize, results: impl IntoResults<'g>) -> Result<Ensemble, Diagnostics> {
        let _frame = self.enter("ensemble", Site::caller());
        let (names, results): (Vec<String>, Vec<Expr<'g>>) = results.into_results().into_iter().unzip();
        self.refuse(&results);
        self.check()?;
        let results: Vec<NodeId> = results.iter().map(Expr::id).collect();
        let (states, values): (Vec<NodeId>, Vec<NodeId>) = self.updates_beside(&results).into_iter().unzip();
        let wanted: Vec<NodeId> = results.iter().chain(&values).chain(&states).copied().collect();

        let graph = Graph::new();
        let mut copies = Copies::new((self, &graph), n.into(), Site::caller(), &wanted);
        let image = copies.copy();
        let of = |id: &NodeId| graph.expr(image[id.index()].expect("invariant: what is wanted is copied"));
        let outputs: Vec<Expr<'_>> = results.iter().chain(&values).map(of).collect();
        let size = Dim::from(n);
        let stacked = batch(&graph, &outputs, &copies.stacks(), &size);
        let stacked: Vec<NodeId> = outputs
            .iter()
            .zip(stacked)
            .map(|(output, stacked)| {
                let _frame = graph.enter_at("ensemble", Provenance::at(output.site(), "ensemble"));
                stacked.repeated(&size).id()
            })
            .collect();
        let (results, values) = stacked.split_at(results.len());
        // In their order, so that each was made of the one before.
        for (state, value) in states.iter().zip(values) {
            let kind = self.update_kind(*state).expect("invariant: it is updated");
            graph.push_update(kind, copies.stacked_leaf(*state), *value);
        }
        graph.check()?;
        let results = names.into_iter().zip(results.iter().copied()).collect();
        Ok(Ensemble { graph, results })
    }
}

/// The nodes of one graph in another, with placeholders for the leaves that every copy has of its own.
struct Copies<'g, 'n> {
    old: &'g Graph,
    new: &'n Graph,
    size: Dim,
    /// Where the copies were asked for.
    site: Site,
    needed: Vec<NodeId>,
    /// A leaf of the old graph, its placeholder and its stacked leaf.
    leaves: Vec<(NodeId, NodeId, NodeId)>,
}

impl<'g, 'n> Copies<'g, 'n> {
    fn new((old, new): (&'g Graph, &'n Graph), size: Dim, site: Site, wanted: &[NodeId]) -> Copies<'g, 'n> {
        Copies { old, new, size, site, needed: old.needed(wanted), leaves: Vec::new() }
    }

    /// The node in the new graph of each node that is needed.
    fn copy(&mut self) -> Vec<Option<NodeId>> {
        let is_own = |id: &&NodeId| matches!(self.old.node(**id).op, Op::Parameter(_) | Op::State(_));
        let own: Vec<NodeId> = self.needed.iter().filter(is_own).copied().collect();
        let types: Vec<Type> = own.iter().map(|id| self.old.node(*id).ty.clone()).collect();
        let mut image = vec![None; self.old.len()];
        let placeholders = {
            let _frame = self.new.enter_at("ensemble", Provenance::at(self.site, "ensemble"));
            self.new.trace(&types).arguments
        };
        for (id, placeholder) in own.into_iter().zip(placeholders) {
            image[id.index()] = Some(placeholder);
            self.leaves.push((id, placeholder, self.stack(id)));
        }
        for id in &self.needed {
            if image[id.index()].is_none() {
                let node = self.old.node(*id);
                let operands = self.old.operands(*id).into_iter();
                let operands: Operands =
                    operands.map(|id| image[id.index()].expect("invariant: operands are needed too")).collect();
                image[id.index()] = Some(self.new.insert_copy(&node, &operands));
            }
        }
        image
    }

    /// The leaf with one more axis in front.
    fn stack(&self, id: NodeId) -> NodeId {
        let node = self.old.node(id);
        let shape: Shape = std::iter::once(&self.size).chain(node.ty.shape.iter()).cloned().collect::<Vec<_>>().into();
        let op: Op = match node.op.clone() {
            Op::Parameter(parameter) => Parameter { shape, ..parameter }.into(),
            Op::State(state) => State { shape, ..state }.into(),
            _ => unreachable!("invariant: only these are stacked"),
        };
        let _frame = self.new.enter_at(op.name(), node.provenance.clone());
        self.new.apply(op, &[]).id()
    }

    fn stacks(&self) -> Vec<(Expr<'n>, Expr<'n>)> {
        self.leaves.iter().map(|(_, one, all)| (self.new.expr(*one), self.new.expr(*all))).collect()
    }

    fn stacked_leaf(&self, state: NodeId) -> NodeId {
        let leaf = self.leaves.iter().find(|(old, ..)| *old == state);
        leaf.expect("invariant: states that are updated are needed").2
    }
}

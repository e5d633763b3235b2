//! Which of two programs a graph is: the one that trains, or the one that is trained. In: a graph and a mode. Out: what of it is
//! computed, with [`is_training`](Graph::is_training) known. It is no
//! rewrite: no option turns it off. It comes before derivatives that a training step takes.

use crate::graph::{Constant, DType, Graph, Literal, NodeId, Op, Operands, Predicate};

/// What a graph runs for.
///
/// # Example
/// Gradients with running statistics as they are, as for fine-tuning:
/// ```
/// use pullback::{Graph, Initializer, Mode, Options};
/// let g = Graph::new();
/// let w = g.parameter("w", (), Initializer::Constant(1.0));
/// let loss = g.is_training().select(w * 2.0, w * 3.0);
/// let options = Options { mode: Some(Mode::Evaluation), ..Options::default() };
/// let mut step = g.compile_training_with(loss, (), &options)?;
/// assert_eq!(step.run(&g.initialize(0)?, ())?.loss, 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Mode {
    /// [`Graph::is_training`] is true.
    Training,
    /// It is false.
    Evaluation,
}

impl Graph {
    /// The graph of these results as a mode has it, and the results there: only the branches that are taken, and every leaf. None
    /// if nothing in there asks for the mode.
    pub(crate) fn in_mode(&self, results: &[NodeId], mode: Mode) -> Option<(Graph, Vec<NodeId>)> {
        let settled = Settled::new(self, results, mode)?;
        let new = Graph::new();
        let mut image: Vec<Option<NodeId>> = vec![None; self.len()];
        for id in self.ids() {
            if settled.is_read[id.index()] || self.node(id).op.is_fed() {
                image[id.index()] = Some(match settled.taken(id) {
                    Some(branch) => copied(&image, branch),
                    None => settled.copy(id, &new, &image),
                });
            }
        }
        let results = results.iter().map(|id| copied(&image, *id)).collect();
        Some((new, results))
    }
}

fn copied(image: &[Option<NodeId>], id: NodeId) -> NodeId {
    image[id.index()].expect("invariant: what is read is copied")
}

/// What a mode settles of a graph.
struct Settled<'g> {
    graph: &'g Graph,
    /// Of each node, whether it is known to be true or false everywhere.
    known: Vec<Option<bool>>,
    /// Of each node, whether the results are computed from it.
    is_read: Vec<bool>,
}

impl<'g> Settled<'g> {
    fn new(graph: &'g Graph, results: &[NodeId], mode: Mode) -> Option<Settled<'g>> {
        let ancestors = graph.ancestors(results);
        let mut known = vec![None; graph.len()];
        for id in &ancestors {
            let operand = |position: usize| known[graph.operands(*id)[position].index()];
            known[id.index()] = match &graph.node(*id).op {
                Op::IsTraining(_) => Some(mode == Mode::Training),
                Op::Predicate(Predicate::Not) => operand(0).map(|value: bool| !value),
                Op::Broadcast(_) | Op::Reshape(_) => operand(0),
                _ => None,
            };
        }
        if known.iter().all(Option::is_none) {
            return None;
        }
        let mut settled = Settled { graph, known, is_read: vec![false; graph.len()] };
        results.iter().for_each(|id| settled.is_read[id.index()] = true);
        for id in ancestors.into_iter().rev() {
            if settled.is_read[id.index()] {
                settled.read_by(id).into_iter().for_each(|operand| settled.is_read[operand.index()] = true);
            }
        }
        Some(settled)
    }

    /// The operands that are left of a node.
    fn read_by(&self, id: NodeId) -> Operands {
        match self.taken(id) {
            Some(branch) => Operands::from_iter([branch]),
            None if self.known[id.index()].is_some() => Operands::new(),
            None => self.graph.operands(id),
        }
    }

    /// The operand that a select by something known is.
    fn taken(&self, id: NodeId) -> Option<NodeId> {
        if !matches!(self.graph.node(id).op, Op::Select(_)) {
            return None;
        }
        let operands = self.graph.operands(id);
        self.known[operands[0].index()].map(|is_true| operands[if is_true { 1 } else { 2 }])
    }

    fn copy(&self, id: NodeId, new: &Graph, image: &[Option<NodeId>]) -> NodeId {
        let node = self.graph.node(id);
        match self.known[id.index()] {
            Some(is_true) => {
                let _frame = new.enter_at("is_training", node.provenance.clone());
                let (value, shape) = (Literal::Number(f64::from(u8::from(is_true))), node.ty.shape.clone());
                new.insert(Constant { value, dtype: DType::Bool, shape }.into(), node.ty.clone(), &[])
            }
            None => {
                let operands = self.graph.operands(id).into_iter();
                let operands: Operands = operands.map(|operand| copied(image, operand)).collect();
                new.insert_copy(&node, &operands)
            }
        }
    }
}

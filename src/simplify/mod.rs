//! Graph → smaller graph of equal value: rules as data, common subexpressions, folded constants, dead code.
//!
//! In: a graph without errors and the nodes that are wanted of it. Out: a new graph that holds only what those need,
//! and a report of what was rewritten, by rule and by the user's line. Nothing here derives or runs anything, and no
//! value changes by more than the class of its rule says (`docs/reference/rewrites.md` lists the rules by class).
//!
//! It comes after differentiation: `stop_gradient` is the identity here. Only the rules whose point is that a
//! derivative is not lost also come before one (`derivative.rs`).

mod bodies;
mod choice;
mod class;
mod constants;
mod contained;
mod derivative;
mod factor;
mod factors;
mod fold;
mod guard;
mod joined;
mod logarithm;
mod loops;
mod mode;
mod moved;
mod movement;
mod pattern;
mod product;
mod reduction;
mod report;
mod rewriter;
mod rule;
mod shift;
mod shifted;
mod sink;
mod stable;
mod sums;
mod table;
mod term;

pub use class::Class;
pub(crate) use derivative::stabilized;
pub use mode::Mode;
pub use report::{Firing, SimplifyReport};
pub use rule::RuleSummary;
pub use table::rules;

use crate::graph::{Binary, Body, Expr, Graph, Node, NodeId, Op, Operands, Value};
use bodies::{BodySelection, KnownBodies};
use constants::Folded;
use rewriter::{NodeUses, Rewriter, UseCounts};

/// Which classes of rewrites may fire; see [`Class`] for what each promises.
///
/// # Example
/// ```
/// use pullback::Rewrites;
/// assert!(!Rewrites::default().fast_math);
/// let bitwise = Rewrites { exact: true, ..Rewrites::none() };
/// assert!(!bitwise.ulp);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Rewrites {
    /// [`Class::Exact`] rules.
    pub exact: bool,
    /// [`Class::Ulp`] rules.
    pub ulp: bool,
    /// [`Class::Stabilize`] rules. A derivative is that of the stable form in any case: it is made before this is
    /// asked.
    pub stabilize: bool,
    /// [`Class::FastMath`] rules.
    pub fast_math: bool,
    /// The most bytes that the arrays may take together which are computed once, when the graph is compiled, because they
    /// depend on constants alone (rule `fold-constants`, of [`Class::Ulp`]); computing them may take as much again for a
    /// while. What does not fit is computed at each run. 64 MiB by default, and 0 for none.
    ///
    /// What is cheaper to compute than to read is not folded: a mask made by comparing positions is computed by its
    /// readers at each run if it has more than 16 KiB, and a broadcast is read where the smaller array lies. A compilation
    /// takes longer by what computing these arrays once takes.
    pub constant_bytes: usize,
}

/// The default of [`Rewrites::constant_bytes`].
const CONSTANT_BYTES: usize = 64 << 20;

impl Default for Rewrites {
    /// All but fast-math.
    fn default() -> Rewrites {
        Rewrites { exact: true, ulp: true, stabilize: true, fast_math: false, constant_bytes: CONSTANT_BYTES }
    }
}

impl Rewrites {
    /// No rule at all: what no result needs is dropped, and that is all.
    pub fn none() -> Rewrites {
        Rewrites { exact: false, ulp: false, stabilize: false, fast_math: false, constant_bytes: 0 }
    }

    fn allows(&self, class: Class) -> bool {
        match class {
            Class::Exact => self.exact,
            Class::Ulp => self.ulp,
            Class::Stabilize => self.stabilize,
            Class::FastMath => self.fast_math,
        }
    }
}

/// A simplified graph with its results under their names.
#[derive(Debug)]
pub struct Simplification {
    /// The new graph: only what the results need, and inputs that tell its sizes.
    pub graph: Graph,
    /// The results, in the order in which they were asked for.
    pub results: Vec<(String, NodeId)>,
    /// What was rewritten.
    pub report: SimplifyReport,
}

impl Simplification {
    /// Handles of the results, as [`Graph::compile`] and [`Graph::show`] take them.
    pub fn results(&self) -> Vec<(String, Expr<'_>)> {
        self.results.iter().map(|(name, id)| (name.clone(), self.graph.expr(*id))).collect()
    }

    /// The exact text of the results.
    pub fn to_text(&self) -> String {
        self.graph.to_text(self.results())
    }
}

/// What [`simplify`] gives: as [`Simplification`], the results by position.
pub(crate) struct Simplified {
    pub(crate) graph: Graph,
    pub(crate) results: Vec<NodeId>,
    pub(crate) report: SimplifyReport,
}

/// Sweeps before the last one, which only copies: rules expose one another, and each sweep follows them further. Graphs
/// seen so far settle in two to four.
const MAX_SWEEPS: usize = 7;

/// How often common factors and sums are looked for: rules may bring together what was apart.
const MAX_SHARINGS: usize = 4;

/// How often work is moved between loops: what one loop saves instead another may have saved for it.
const MAX_MOVES: usize = 8;

/// Computes the results of a graph without leaves; nothing if that fails or needs too much memory.
pub(crate) type Compute<'c> = &'c dyn Fn(Graph, Vec<NodeId>) -> Option<Vec<Value>>;

/// The part of a graph that the results need.
pub(crate) fn without_rewrites(graph: &Graph, results: &[NodeId]) -> Simplified {
    simplify(graph, results, &Rewrites::none(), &|_, _| None)
}

/// The simplified graph of `results`. The graph has no error.
pub(crate) fn simplify(graph: &Graph, results: &[NodeId], options: &Rewrites, compute: Compute<'_>) -> Simplified {
    simplify_within(graph, results, (options, compute), &mut KnownBodies::default())
}

/// [`simplify`] with the bodies that were simplified already, in what this graph is a body of or beside it.
fn simplify_within(
    graph: &Graph,
    results: &[NodeId],
    (options, compute): (&Rewrites, Compute<'_>),
    known: &mut KnownBodies,
) -> Simplified {
    let mut report = SimplifyReport::before(graph, results);
    let mut sweeps = Sweeps { options, report: &mut report };
    let first = sweeps.sweep(graph, results, UseCounts::Unknown, &Folded::default());
    let mut swept = sweeps.settle(first);
    // Of a loop alone and in a larger one the bits of sums may differ, as of anything that is fused in another way.
    while let Some(merged) = options.ulp.then(|| contained::merged(&swept)).flatten() {
        swept = sweeps.settle(merged);
    }
    let mut scope = BodySelection::All;
    let mut room = if options.ulp { options.constant_bytes } else { 0 };
    loop {
        swept = sweeps.bodies(swept, scope, compute, known);
        if room == 0 {
            break;
        }
        let worth = constants::worth_keeping(&swept.graph, &swept.results, room);
        let folded = Folded::compute(&swept.graph, &worth, compute, sweeps.report);
        if folded.is_empty() {
            break;
        }
        room = room.saturating_sub(folded.bytes());
        let next = sweeps.sweep(&swept.graph, &swept.results, UseCounts::Counted, &folded);
        swept = if next.has_fired { sweeps.settle(next) } else { next };
        scope = BodySelection::Open;
    }
    swept = sweeps.move_between_loops(swept, compute, known);
    swept = sweeps.share(swept);
    report.close(&swept.graph, &swept.results);
    Simplified { graph: swept.graph, results: swept.results, report }
}

struct Swept {
    graph: Graph,
    results: Vec<NodeId>,
    has_fired: bool,
}

/// What all sweeps of one simplification share.
struct Sweeps<'s> {
    options: &'s Rewrites,
    report: &'s mut SimplifyReport,
}

impl Sweeps<'_> {
    /// Simplifies bodies, and what becomes of the graph around them, until nothing is left to do for any body, or nothing
    /// comes of it.
    fn bodies(
        &mut self,
        mut swept: Swept,
        mut scope: BodySelection,
        compute: Compute<'_>,
        known: &mut KnownBodies,
    ) -> Swept {
        loop {
            let (settings, known) = ((self.options, compute), (&mut *self.report, &mut *known));
            let Some(rewritten) = bodies::rewritten(&swept.graph, &swept.results, scope, settings, known) else {
                return swept;
            };
            if scope == BodySelection::Open && size(&rewritten.graph) >= size(&swept.graph) && !rewritten.has_inlined {
                return swept;
            }
            // What gives way to its nodes may leave bodies behind that nobody has looked at.
            scope = if rewritten.has_inlined { BodySelection::All } else { BodySelection::Open };
            let first = self.sweep(&rewritten.graph, &rewritten.results, UseCounts::Unknown, &Folded::default());
            swept = self.settle(first);
        }
    }

    /// Moves work between loops and to behind them, and drops what nobody reads there any more, as long as there is anything to move.
    fn move_between_loops(&mut self, mut swept: Swept, compute: Compute<'_>, known: &mut KnownBodies) -> Swept {
        for _ in 0..MAX_MOVES {
            let Some(moved) = self.options.ulp.then(|| loops::moved(&swept, self.report)).flatten() else { break };
            swept = self.settle(moved);
            swept = self.bodies(swept, BodySelection::All, compute, known);
        }
        swept
    }

    /// Shares what products and sums of numbers have in common, and follows what becomes of it, as long as there is anything.
    fn share(&mut self, mut swept: Swept) -> Swept {
        for _ in 0..MAX_SHARINGS {
            if !self.options.ulp {
                break;
            }
            let shared = factors::shared(&swept, self.report).or_else(|| sums::merged(&swept, self.report));
            let Some(shared) = shared else { break };
            swept = self.settle(shared);
        }
        swept
    }

    /// Sweeps until no rule fires; the last sweep only drops what is not needed any more.
    fn settle(&mut self, mut swept: Swept) -> Swept {
        for _ in 1..MAX_SWEEPS {
            swept = self.sweep(&swept.graph, &swept.results, UseCounts::Counted, &Folded::default());
            if !swept.has_fired {
                return swept;
            }
        }
        let mut last = Sweeps { options: &Rewrites::none(), report: self.report };
        last.sweep(&swept.graph, &swept.results, UseCounts::Unknown, &Folded::default())
    }

    /// One sweep: copies the nodes that the results need, operands first, and rewrites each as it is made; the nodes that
    /// were folded are constants in the copy.
    fn sweep(&mut self, graph: &Graph, results: &[NodeId], use_counts: UseCounts, folded: &Folded) -> Swept {
        let needed = folded.still_needed(graph, graph.needed(results), results);
        let uses = Uses::count(graph, &needed, results);
        let rewritten = Graph::new();
        let mut rewriter = Rewriter::new(&rewritten, table::rule_set(), (self.options, use_counts), self.report);
        let mut image: Vec<Option<NodeId>> = vec![None; uses.counts.len()];
        for id in needed {
            let node = graph.node(id);
            let copied = match folded.constant(id) {
                Some(constant) => {
                    let constant =
                        Node { op: constant.clone(), ty: node.ty.clone(), provenance: node.provenance.clone() };
                    rewriter.copy(&constant, Operands::default(), uses.of(id))
                }
                None => {
                    let operands = graph
                        .operands(id)
                        .iter()
                        .map(|operand| image[operand.index()].expect("invariant: operands come before their users"))
                        .collect();
                    rewriter.copy(&node, operands, uses.of(id))
                }
            };
            image[id.index()] = Some(copied);
        }
        let new_id = |id: &NodeId| image[id.index()].expect("invariant: results are among what they need");
        let results = results.iter().map(new_id).collect();
        let has_fired = rewriter.has_fired();
        Swept { graph: rewritten, results, has_fired }
    }
}

/// Nodes, operands and operations in bodies: what a pass over bodies that are simple already makes less, or leaves as it is.
fn size(graph: &Graph) -> u64 {
    let node = |id: NodeId| {
        let bodies = graph.node(id).op.bodies().into_iter().map(Body::n_operations).fold(0, u64::saturating_add);
        bodies.saturating_add(1 + graph.operands(id).len() as u64)
    };
    graph.ids().map(node).fold(0, u64::saturating_add)
}

/// How the nodes of a graph are used by those that are needed.
struct Uses {
    /// For each node how often; being a result counts as a use.
    counts: Vec<u32>,
    is_read_by_sum: Vec<bool>,
}

impl Swept {
    /// The graph copied for its results, where for some nodes something else takes their place: what `replacement` makes in the new graph of
    /// the images of what comes before.
    fn copied(
        &self,
        mut replacement: impl FnMut(&Graph, NodeId, &dyn Fn(NodeId) -> NodeId) -> Option<NodeId>,
    ) -> Swept {
        let (graph, new) = (&self.graph, Graph::new());
        let mut images: Vec<Option<NodeId>> = vec![None; graph.len()];
        for id in graph.needed(&self.results) {
            let node = graph.node(id);
            let image = |id: NodeId| images[id.index()].expect("invariant: operands come before their users");
            let frame = new.enter_at("simplify", node.provenance.clone());
            let copy = replacement(&new, id, &image).unwrap_or_else(|| {
                let operands: Operands = graph.operands(id).iter().map(|operand| image(*operand)).collect();
                new.insert(node.op.clone(), node.ty.clone(), &operands)
            });
            drop(frame);
            images[id.index()] = Some(copy);
        }
        let image = |id: &NodeId| images[id.index()].expect("invariant: results are needed");
        let results = self.results.iter().map(image).collect();
        Swept { graph: new, results, has_fired: true }
    }
}

impl Uses {
    fn count(graph: &Graph, needed: &[NodeId], results: &[NodeId]) -> Uses {
        let n_nodes = needed.last().map_or(0, |id| id.index() + 1);
        let mut uses = Uses { counts: vec![0; n_nodes], is_read_by_sum: vec![false; n_nodes] };
        results.iter().for_each(|id| uses.counts[id.index()] += 1);
        for id in needed {
            let is_sum = matches!(graph.node(*id).op, Op::Binary(Binary::Add));
            for operand in graph.operands(*id).iter() {
                uses.counts[operand.index()] += 1;
                uses.is_read_by_sum[operand.index()] |= is_sum;
            }
        }
        uses
    }

    fn of(&self, id: NodeId) -> NodeUses {
        let count = self.counts[id.index()];
        NodeUses { count, is_term: count == 1 && self.is_read_by_sum[id.index()] }
    }
}

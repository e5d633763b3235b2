//! Graph → smaller graph of equal value: rules as data, common subexpressions, folded constants, dead code.
//!
//! In: a graph without errors and the nodes that are wanted of it. Out: a new graph that holds only what those need,
//! and a report of what was rewritten, by rule and by the user's line. Nothing here derives or runs anything, and no
//! value changes by more than the class of its rule says (`docs/reference/rewrites.md` lists the rules by class).
//!
//! It comes after differentiation: `stop_gradient` is the identity here. Only the rules whose point is that a
//! derivative is not lost also come before one (`derivative.rs`).

mod bodies;
mod class;
mod derivative;
mod factor;
mod fold;
mod guard;
mod logarithm;
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
mod table;
mod term;

pub use class::Class;
pub(crate) use derivative::stabilized;
pub use report::{Firing, SimplifyReport};
pub use rule::RuleSummary;
pub use table::rules;

use crate::graph::{Diagnostics, Expr, Graph, IntoResults, NodeId, Site};
use rewriter::{Rewriter, UseCounts};

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
}

impl Default for Rewrites {
    /// All but fast-math.
    fn default() -> Rewrites {
        Rewrites { exact: true, ulp: true, stabilize: true, fast_math: false }
    }
}

impl Rewrites {
    /// No rule at all: what no result needs is dropped, and that is all.
    pub fn none() -> Rewrites {
        Rewrites { exact: false, ulp: false, stabilize: false, fast_math: false }
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

impl Graph {
    /// A new graph of equal results with fewer operations: one expression (then named `result`), or pairs of a name and
    /// an expression. Inputs and parameters keep their names and types; those that no result needs are left out, but
    /// for an input that alone tells the size of an axis.
    ///
    /// Ask for derivatives first: in the new graph what was behind [`Expr::stop_gradient`] is an ordinary value.
    ///
    /// # Errors
    /// Every error of the graph.
    ///
    /// # Complexity
    /// Linear in the number of nodes; at most eight sweeps.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Rewrites};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch",));
    /// let y = (1.0 + x.exp()).log() * 1.0 + -(-x);
    /// let simplified = g.simplify([("y", y)], &Rewrites::default())?;
    /// assert_eq!(
    ///     simplified.to_text(),
    ///     "format 1\n\
    ///      %0: f32[batch] = input \"x\"\n\
    ///      %1: f32[batch] = softplus %0\n\
    ///      %2: f32[batch] = add %1, %0\n\
    ///      return y = %2\n"
    /// );
    /// println!("{}", simplified.report);
    /// # Ok::<(), pullback::Diagnostics>(())
    /// ```
    #[doc(alias = "optimize")]
    #[track_caller]
    pub fn simplify<'g>(
        &'g self,
        results: impl IntoResults<'g>,
        options: &Rewrites,
    ) -> Result<Simplification, Diagnostics> {
        let _frame = self.enter("simplify", Site::caller());
        let (names, results): (Vec<String>, Vec<Expr<'g>>) = results.into_results().into_iter().unzip();
        self.refuse(&results);
        self.check()?;
        let ids: Vec<NodeId> = results.iter().map(Expr::id).collect();
        let simplified = simplify(self, &ids, options);
        let results = names.into_iter().zip(simplified.results).collect();
        Ok(Simplification { graph: simplified.graph, results, report: simplified.report })
    }
}

/// Sweeps before the last one, which only copies: rules expose one another, and each sweep follows them further. Graphs
/// seen so far settle in two to four.
const MAX_SWEEPS: usize = 7;

/// The simplified graph of `results`. The graph has no error.
pub(crate) fn simplify(graph: &Graph, results: &[NodeId], options: &Rewrites) -> Simplified {
    let mut report = SimplifyReport::before(graph, results);
    let mut swept = swept(graph, results, options, &mut report);
    // A call that gives way to its function may leave bodies behind that nobody has looked at.
    let mut is_open = swept.graph.ids().any(|id| swept.graph.node(id).op.is_nested());
    while is_open {
        let rewritten = bodies::rewritten(&swept.graph, &swept.results, options, &mut report);
        is_open = rewritten.has_inlined;
        swept = self::swept(&rewritten.graph, &rewritten.results, options, &mut report);
    }
    report.close(&swept.graph, &swept.results);
    Simplified { graph: swept.graph, results: swept.results, report }
}

/// Sweeps until no rule fires.
fn swept(graph: &Graph, results: &[NodeId], options: &Rewrites, report: &mut SimplifyReport) -> Swept {
    let mut swept = sweep(graph, results, (options, UseCounts::Unknown), report);
    for _ in 1..MAX_SWEEPS {
        swept = sweep(&swept.graph, &swept.results, (options, UseCounts::Counted), report);
        if !swept.has_fired {
            break;
        }
    }
    if swept.has_fired {
        swept = sweep(&swept.graph, &swept.results, (&Rewrites::none(), UseCounts::Unknown), report);
    }
    swept
}

struct Swept {
    graph: Graph,
    results: Vec<NodeId>,
    has_fired: bool,
}

/// One sweep: copies the nodes that the results need, operands first, and rewrites each as it is made.
fn sweep(
    graph: &Graph,
    results: &[NodeId],
    (options, use_counts): (&Rewrites, UseCounts),
    report: &mut SimplifyReport,
) -> Swept {
    let needed = graph.needed(results);
    let uses = count_uses(graph, &needed, results);
    let rewritten = Graph::new();
    let mut rewriter = Rewriter::new(&rewritten, table::rule_set(), (options, use_counts), report);
    let mut image: Vec<Option<NodeId>> = vec![None; uses.len()];
    for id in needed {
        let operands = graph
            .operands(id)
            .iter()
            .map(|operand| image[operand.index()].expect("invariant: operands come before their users"))
            .collect();
        image[id.index()] = Some(rewriter.copy(&graph.node(id), operands, uses[id.index()]));
    }
    let new_id = |id: &NodeId| image[id.index()].expect("invariant: results are among what they need");
    let results = results.iter().map(new_id).collect();
    let has_fired = rewriter.has_fired();
    Swept { graph: rewritten, results, has_fired }
}

/// The number of uses of each node by needed nodes; being a result counts as a use.
fn count_uses(graph: &Graph, needed: &[NodeId], results: &[NodeId]) -> Vec<u32> {
    let mut uses = vec![0; needed.last().map_or(0, |id| id.index() + 1)];
    results.iter().for_each(|id| uses[id.index()] += 1);
    for id in needed {
        graph.operands(*id).iter().for_each(|operand| uses[operand.index()] += 1);
    }
    uses
}

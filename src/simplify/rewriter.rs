//! The rewriter: makes the nodes of the new graph, each rewritten before it is made and none made twice (hash-consing).
//!
//! In: terms, operands first. Out: nodes. The replacement of a rule is built through the rewriter too, so rules fire
//! until none applies, within a budget; what is left is for the next sweep. Before differentiation the new nodes are
//! added to the user's graph, and only the rules for derivatives are tried.

use std::{cell::Ref, collections::HashMap, sync::OnceLock};

use smallvec::SmallVec;

use super::{Rewrites, class::Class, report::SimplifyReport, term::Term};
use crate::{
    graph::{Constant, DType, Graph, Literal, Node, NodeId, Op, Operands, Poison, Shape, Site, Type},
    ops,
};

/// The greatest depth of replacements inside of replacements.
const MAX_NESTED: usize = 12;
/// The most rules that fire for one node of the old graph.
const MAX_FIRINGS: usize = 48;

/// What is known of the number of uses of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UseCounts {
    /// Not known: equal nodes have not been merged yet, so the uses of one value may be spread over several nodes.
    Unknown,
    /// The counts of the old graph are right.
    Counted,
}

/// How a node of the old graph is used there.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeUses {
    pub(super) count: u32,
    /// Whether the only use is by an addition, so that a sum that this node is goes on.
    pub(super) is_term: bool,
}

/// The options of a rewriter before a derivative is taken.
const FOR_DERIVATIVES: &Rewrites =
    &Rewrites { exact: false, ulp: false, stabilize: true, fast_math: false, constant_bytes: 0 };

/// Gives the replacement of a term, if a rule fires.
pub(super) type Apply = Box<dyn Fn(&mut Rewriter<'_>, &Term) -> Option<NodeId> + Send + Sync>;

/// A rule ready to be tried at one primitive.
pub(super) struct PreparedRule {
    pub(super) name: &'static str,
    pub(super) class: Class,
    pub(super) is_for_derivatives: bool,
    pub(super) apply: Apply,
}

/// The rules by the primitive at which they may fire, made ready at the first need.
pub(super) struct RuleSet {
    ready: HashMap<&'static str, OnceLock<Vec<PreparedRule>>>,
    ready_at: fn(&Op) -> Vec<PreparedRule>,
}

impl RuleSet {
    /// The rules that a function finds for a primitive.
    pub(super) fn new(ready_at: fn(&Op) -> Vec<PreparedRule>) -> RuleSet {
        RuleSet { ready: Op::names().into_iter().map(|name| (name, OnceLock::new())).collect(), ready_at }
    }

    fn for_op(&self, op: &Op) -> &[PreparedRule] {
        self.ready.get(op.name()).map_or(&[], |ready| ready.get_or_init(|| (self.ready_at)(op)))
    }
}

/// The new graph while it is made.
pub(super) struct Rewriter<'o> {
    graph: &'o Graph,
    rules: &'static RuleSet,
    options: &'o Rewrites,
    use_counts: UseCounts,
    /// None before differentiation, where nothing is reported; this is also how that mode is recognized.
    report: Option<&'o mut SimplifyReport>,
    /// The nodes with respect to which derivatives are taken, ascending. Rules do not see their primitives.
    opaque: &'o [NodeId],
    /// Nodes of the graph from before that are not in the table yet.
    unlisted: Vec<NodeId>,
    nodes_by_hash: HashMap<u64, SmallVec<[NodeId; 1]>>,
    /// For each new node the number of uses, in the old graph, of the nodes that became it.
    expected_uses: Vec<u32>,
    /// For each new node the number of uses in the new graph so far.
    uses: Vec<u32>,
    /// The line of the node that is being copied, and what was called there.
    written: Option<(Site, &'static str)>,
    /// Whether the node that is being copied is a term of a larger sum.
    is_term: bool,
    nested: usize,
    firings_left: usize,
    has_fired: bool,
}

impl<'o> Rewriter<'o> {
    /// One that fills an empty graph.
    pub(super) fn new(
        graph: &'o Graph,
        rules: &'static RuleSet,
        (options, use_counts): (&'o Rewrites, UseCounts),
        report: &'o mut SimplifyReport,
    ) -> Rewriter<'o> {
        Rewriter { use_counts, report: Some(report), ..Rewriter::within(graph, rules, options, &[]) }
    }

    /// One that adds stable forms to the user's graph, to be differentiated instead of the nodes that the user wrote.
    pub(super) fn for_derivatives(graph: &'o Graph, rules: &'static RuleSet, opaque: &'o [NodeId]) -> Rewriter<'o> {
        Rewriter::within(graph, rules, FOR_DERIVATIVES, opaque)
    }

    fn within(graph: &'o Graph, rules: &'static RuleSet, options: &'o Rewrites, opaque: &'o [NodeId]) -> Rewriter<'o> {
        Rewriter {
            graph,
            rules,
            options,
            use_counts: UseCounts::Unknown,
            report: None,
            opaque,
            unlisted: graph.ids().collect(),
            nodes_by_hash: HashMap::new(),
            expected_uses: vec![0; graph.len()],
            uses: vec![0; graph.len()],
            written: None,
            is_term: false,
            nested: 0,
            firings_left: 0,
            has_fired: false,
        }
    }

    /// Whether anything was rewritten.
    pub(super) fn has_fired(&self) -> bool {
        self.has_fired
    }

    /// What is to be differentiated in place of a node of this very graph, whose operands are replaced by these.
    pub(super) fn replace(&mut self, id: NodeId, operands: Operands) -> NodeId {
        if operands.is_empty() || self.is_opaque(id) {
            return id;
        }
        let graph = self.graph;
        let term = self.start(&graph.node(id), operands);
        let is_as_written = self.operands(id) == term.operands;
        match self.rewrite(&term) {
            Some(stable) => stable,
            None if is_as_written => id,
            None => self.find(&term).unwrap_or_else(|| self.insert(term)),
        }
    }

    fn start(&mut self, node: &Node, operands: Operands) -> Term {
        self.written = Some((node.site, node.call));
        self.firings_left = MAX_FIRINGS;
        Term { op: node.op.clone(), ty: node.ty.clone(), operands }
    }

    /// The new node of a node of the old graph that is used so there.
    pub(super) fn copy(&mut self, node: &Node, operands: Operands, uses: NodeUses) -> NodeId {
        self.is_term = uses.is_term;
        let term = self.start(node, operands);
        let id = match self.find(&term) {
            Some(id) if self.options.exact && self.expected_uses[id.index()] > 0 => {
                self.record(COMMON_SUBEXPRESSION, Class::Exact);
                id
            }
            Some(id) if self.options.exact => id,
            _ => self.place(term),
        };
        self.expected_uses[id.index()] += uses.count;
        id
    }

    /// The node of a primitive with these operands, or what it is rewritten to.
    pub(super) fn build(&mut self, op: impl Into<Op>, operands: &[NodeId]) -> NodeId {
        let op = op.into();
        let types: SmallVec<[Type; 3]> = operands.iter().map(|operand| self.ty(*operand)).collect();
        let ty = ops::infer(&op, &types).expect("invariant: a rewrite builds what has a type");
        let term = Term { op, ty, operands: operands.into() };
        if self.report.is_none() {
            // An equal node of the user's graph has not been rewritten, so rules are tried before it is looked for.
            return self.settle(term);
        }
        self.find(&term).unwrap_or_else(|| self.place(term))
    }

    /// The node of a term before a derivative is taken.
    fn settle(&mut self, term: Term) -> NodeId {
        let rewritten = self.rewrite(&term).or_else(|| self.find(&term));
        rewritten.unwrap_or_else(|| self.insert(term))
    }

    /// A constant of one literal.
    pub(super) fn constant(&mut self, value: Literal, ty: &Type) -> NodeId {
        self.build(Constant { value, dtype: ty.dtype, shape: ty.shape.clone() }, &[])
    }

    /// A constant of one number, which the dtype can hold.
    pub(super) fn fill(&mut self, number: f64, ty: &Type) -> NodeId {
        let literal = if ty.dtype == DType::I64 { Literal::Integer(number as i64) } else { Literal::Number(number) };
        self.constant(literal, ty)
    }

    fn place(&mut self, term: Term) -> NodeId {
        self.rewrite(&term).unwrap_or_else(|| self.insert(term))
    }

    fn rewrite(&mut self, term: &Term) -> Option<NodeId> {
        if self.nested == MAX_NESTED || self.firings_left == 0 {
            return None;
        }
        self.nested += 1;
        let options = self.options;
        let is_any = self.report.is_some();
        let rules = self.rules.for_op(&term.op).iter();
        let mut allowed = rules.filter(|rule| options.allows(rule.class) && (is_any || rule.is_for_derivatives));
        let fired = allowed.find_map(|rule| (rule.apply)(self, term).map(|id| (rule, id)));
        self.nested -= 1;
        let (rule, id) = fired?;
        assert!(self.node(id).ty == term.ty, "invariant: {} keeps the type", rule.name);
        self.record(rule.name, rule.class);
        Some(id)
    }

    fn record(&mut self, rule: &'static str, class: Class) {
        self.has_fired = true;
        self.firings_left = self.firings_left.saturating_sub(1);
        let (site, _) = self.written.expect("invariant: a node is being copied");
        if let Some(report) = &mut self.report {
            report.add(rule, class, site);
        }
    }

    /// The node that computes a term, its operands in either order where that is all the same.
    fn find(&mut self, term: &Term) -> Option<NodeId> {
        for id in std::mem::take(&mut self.unlisted) {
            let node = self.graph.node(id);
            let listed = Term { op: node.op.clone(), ty: node.ty.clone(), operands: self.graph.operands(id) };
            if self.find_as_written(&listed).is_none() {
                self.nodes_by_hash.entry(listed.fingerprint()).or_default().push(id);
            }
        }
        self.find_as_written(term).or_else(|| {
            let is_swappable = ops::traits(&term.op).is_commutative && term.operands[0] != term.operands[1];
            let swapped = is_swappable.then(|| {
                let mut swapped = term.clone();
                swapped.operands.reverse();
                swapped
            })?;
            self.find_as_written(&swapped)
        })
    }

    fn find_as_written(&self, term: &Term) -> Option<NodeId> {
        let candidates = self.nodes_by_hash.get(&term.fingerprint())?;
        // A value that happens to be equal to an opaque one does not depend on it.
        let is_same = |id: &&NodeId| {
            term.is_computed_by(&self.node(**id)) && self.operands(**id) == term.operands && !self.is_opaque(**id)
        };
        candidates.iter().find(is_same).copied()
    }

    fn insert(&mut self, term: Term) -> NodeId {
        let fingerprint = term.fingerprint();
        let (site, call) = self.written.expect("invariant: a node is being copied");
        let frame = self.graph.enter_at("simplify", site, call);
        let id = self.graph.insert(term.op, term.ty, &term.operands);
        drop(frame);
        term.operands.iter().for_each(|operand| self.uses[operand.index()] += 1);
        self.uses.push(0);
        self.expected_uses.push(0);
        self.nodes_by_hash.entry(fingerprint).or_default().push(id);
        id
    }
}

/// The name under which shared nodes are reported.
pub(super) const COMMON_SUBEXPRESSION: &str = "common-subexpression";

/// What rules ask of the nodes made so far.
impl Rewriter<'_> {
    pub(super) fn node(&self, id: NodeId) -> Ref<'_, Node> {
        self.graph.node(id)
    }

    fn is_opaque(&self, id: NodeId) -> bool {
        self.opaque.binary_search(&id).is_ok()
    }

    /// The primitive of a node, as far as rules may look at it.
    pub(super) fn visible_op(&self, id: NodeId) -> Ref<'_, Op> {
        static OPAQUE: Op = Op::Poison(Poison {});
        let is_opaque = self.is_opaque(id);
        Ref::map(self.graph.node(id), |node| if is_opaque { &OPAQUE } else { &node.op })
    }

    pub(super) fn op(&self, id: NodeId) -> Op {
        self.visible_op(id).clone()
    }

    pub(super) fn operands(&self, id: NodeId) -> Operands {
        self.graph.operands(id)
    }

    /// The one operand of a primitive that has one.
    pub(super) fn operand(&self, id: NodeId) -> NodeId {
        self.graph.operands(id)[0]
    }

    pub(super) fn ty(&self, id: NodeId) -> Type {
        self.graph.node(id).ty.clone()
    }

    pub(super) fn shape(&self, id: NodeId) -> Shape {
        self.graph.node(id).ty.shape.clone()
    }

    /// Whether the only use of the node is by the term that is being rewritten, so that the node is dead if that goes.
    /// No for a node that this sweep made itself, whose uses are not known yet.
    pub(super) fn has_one_use(&self, id: NodeId) -> bool {
        self.use_counts == UseCounts::Counted && self.expected_uses[id.index()] == 1 && self.uses[id.index()] == 0
    }

    /// Whether one node of the old graph reads this node, and of the new one at most that.
    pub(super) fn is_read_once(&self, id: NodeId) -> bool {
        let is_counted = self.use_counts == UseCounts::Counted;
        is_counted && self.expected_uses[id.index()] == 1 && self.uses[id.index()] <= 1
    }

    /// Whether the term that is being rewritten is a node of the old graph, and no term of a larger sum there.
    pub(super) fn is_top_of_sum(&self) -> bool {
        self.use_counts == UseCounts::Counted && self.nested == 1 && !self.is_term
    }

    /// Whether the node is known to have other uses than by the term that is being rewritten.
    pub(super) fn has_other_uses(&self, id: NodeId) -> bool {
        self.expected_uses[id.index()] > 1
    }

    /// The literal of a constant whose elements are all the same.
    pub(super) fn splat(&self, id: NodeId) -> Option<Literal> {
        match &self.node(id).op {
            Op::Constant(Constant { value: value @ (Literal::Number(_) | Literal::Integer(_)), .. }) => {
                Some(value.clone())
            }
            _ => None,
        }
    }

    /// The number of a splat of floats, as rounded to its dtype.
    pub(super) fn float(&self, id: NodeId) -> Option<f64> {
        let dtype = self.node(id).ty.dtype;
        match self.splat(id)? {
            Literal::Number(number) if dtype == DType::F32 => Some(f64::from(number as f32)),
            Literal::Number(number) if dtype == DType::F64 => Some(number),
            _ => None,
        }
    }

    /// Whether every element is known to be this number, the sign of a zero included.
    pub(super) fn is_number(&self, id: NodeId, number: f64) -> bool {
        match self.splat(id) {
            None => false,
            Some(Literal::Integer(integer)) => {
                // −0 stands for the float only.
                integer == number as i64 && number.fract() == 0.0 && !(number == 0.0 && number.is_sign_negative())
            }
            Some(Literal::Number(found)) if self.node(id).ty.dtype == DType::Bool => {
                (found != 0.0) == (number != 0.0) && (number == 0.0 || number == 1.0)
            }
            Some(_) => self.float(id).is_some_and(|found| found.to_bits() == number.to_bits()),
        }
    }
}

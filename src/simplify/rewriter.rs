//! The rewriter: makes nodes from terms. A term is rewritten before it becomes a node, and equal terms become one node
//! (hash-consing).
//!
//! In: terms, operands first. Out: nodes. It has two modes:
//!
//! - *Simplification* ([`Rewriter::new`], [`Rewriter::copy`]) copies an old graph into a new one, node by node. Equal nodes
//!   are looked for before rules are tried, since what is in the new graph has been rewritten already.
//! - *Before differentiation* ([`Rewriter::for_derivatives`], [`Rewriter::replace`]) adds stable forms to the user's own graph,
//!   by the rules for derivatives alone. Rules are tried before equal nodes are looked for, since the nodes that the user
//!   wrote have not been rewritten.
//!
//! A rule builds its replacement by [`Rewriter::build`], which rewrites too, so rules fire until none applies. Two bounds end this
//! in any case: the depth of replacements inside of replacements, and the number of firings for one node. What they
//! leave undone is for the next sweep.

use std::{cell::Ref, collections::HashMap, sync::OnceLock};

use smallvec::SmallVec;

use super::{Rewrites, class::Class, report::SimplifyReport, term::Term};
use crate::{
    graph::{Constant, DType, Graph, Literal, Node, NodeId, Op, Operands, Poison, Provenance, Shape, Type},
    ops,
};

/// The greatest depth of replacements inside of replacements.
const MAX_DEPTH: usize = 12;
/// How often rules may fire for one node of the old graph.
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

/// The classes of rules before differentiation.
const FOR_DERIVATIVES: &Rewrites =
    &Rewrites { exact: false, ulp: false, stabilize: true, fast_math: false, constant_bytes: 0 };

/// Builds the replacement of a term; `None` if the rule does not apply.
pub(super) type Apply = Box<dyn Fn(&mut Rewriter<'_>, &Term) -> Option<NodeId> + Send + Sync>;

/// A rule, specialized for one primitive.
pub(super) struct PreparedRule {
    pub(super) name: &'static str,
    pub(super) class: Class,
    pub(super) is_for_derivatives: bool,
    pub(super) apply: Apply,
}

/// The rules that may apply to each primitive, prepared when the primitive is first met.
pub(super) struct RuleSet {
    by_primitive: HashMap<&'static str, OnceLock<Vec<PreparedRule>>>,
    prepare: fn(&Op) -> Vec<PreparedRule>,
}

impl RuleSet {
    /// `prepare` gives the rules for a primitive.
    pub(super) fn new(prepare: fn(&Op) -> Vec<PreparedRule>) -> RuleSet {
        RuleSet { by_primitive: Op::names().into_iter().map(|name| (name, OnceLock::new())).collect(), prepare }
    }

    fn for_op(&self, op: &Op) -> &[PreparedRule] {
        self.by_primitive.get(op.name()).map_or(&[], |rules| rules.get_or_init(|| (self.prepare)(op)))
    }
}

/// A graph that nodes are added to, with what is needed to find equal nodes, to count uses and to bound rewriting.
pub(super) struct Rewriter<'o> {
    graph: &'o Graph,
    rules: &'static RuleSet,
    options: &'o Rewrites,
    use_counts: UseCounts,
    /// What fired; `None` before differentiation, where nothing is reported.
    report: Option<&'o mut SimplifyReport>,
    /// The nodes with respect to which derivatives are taken, ascending. Rules do not see their primitives.
    opaque: &'o [NodeId],
    /// Nodes that the graph had from the beginning; the first lookup enters them in `nodes_by_hash`.
    not_yet_hashed: Vec<NodeId>,
    nodes_by_hash: HashMap<u64, SmallVec<[NodeId; 1]>>,
    /// For each new node: how many uses the nodes that became it have in the old graph.
    expected_uses: Vec<u32>,
    /// For each new node: how many uses it has in the new graph so far.
    uses: Vec<u32>,
    /// For what the node that is being copied or replaced was made: new nodes are made for the same.
    provenance: Option<Provenance>,
    /// Whether the node that is being copied is a term of a larger sum.
    is_term: bool,
    /// How many replacements are being built, one inside of the other.
    depth: usize,
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
            not_yet_hashed: graph.ids().collect(),
            nodes_by_hash: HashMap::new(),
            expected_uses: vec![0; graph.len()],
            uses: vec![0; graph.len()],
            provenance: None,
            is_term: false,
            depth: 0,
            firings_left: 0,
            has_fired: false,
        }
    }

    /// Whether anything was rewritten.
    pub(super) fn has_fired(&self) -> bool {
        self.has_fired
    }

    fn is_before_differentiation(&self) -> bool {
        self.report.is_none()
    }

    /// Before differentiation: the node to differentiate in place of a node of the graph, whose operands are replaced by
    /// `operands`. It is the node itself where neither a rule applies nor an operand differs.
    pub(super) fn replace(&mut self, id: NodeId, operands: Operands) -> NodeId {
        if operands.is_empty() || self.is_opaque(id) {
            return id;
        }
        let graph = self.graph;
        let term = self.begin_node(&graph.node(id), operands);
        let is_as_written = self.operands(id) == term.operands;
        match self.rewrite(&term) {
            Some(stable) => stable,
            None if is_as_written => id,
            None => self.find(&term).unwrap_or_else(|| self.insert(term)),
        }
    }

    /// The term of a node with new operands; what is made from here on has its line and its budget of firings.
    fn begin_node(&mut self, node: &Node, operands: Operands) -> Term {
        self.provenance = Some(node.provenance.clone());
        self.firings_left = MAX_FIRINGS;
        Term { op: node.op.clone(), ty: node.ty.clone(), operands }
    }

    /// Simplification: the new node for a node of the old graph that is used so there.
    pub(super) fn copy(&mut self, node: &Node, operands: Operands, uses: NodeUses) -> NodeId {
        self.is_term = uses.is_term;
        let term = self.begin_node(node, operands);
        let id = match self.find(&term) {
            Some(id) if self.options.exact && self.expected_uses[id.index()] > 0 => {
                self.record(COMMON_SUBEXPRESSION, Class::Exact);
                id
            }
            Some(id) if self.options.exact => id,
            _ => self.rewrite_or_insert(term),
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
        let known = match self.is_before_differentiation() {
            true => self.rewrite(&term).or_else(|| self.find(&term)),
            false => self.find(&term).or_else(|| self.rewrite(&term)),
        };
        known.unwrap_or_else(|| self.insert(term))
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

    fn rewrite_or_insert(&mut self, term: Term) -> NodeId {
        self.rewrite(&term).unwrap_or_else(|| self.insert(term))
    }

    /// The replacement of a term by the first rule that applies; `None` if none does, or if a bound is reached.
    fn rewrite(&mut self, term: &Term) -> Option<NodeId> {
        if self.depth == MAX_DEPTH || self.firings_left == 0 {
            return None;
        }
        self.depth += 1;
        let options = self.options;
        let takes_all = !self.is_before_differentiation();
        let rules = self.rules.for_op(&term.op).iter();
        let mut allowed = rules.filter(|rule| options.allows(rule.class) && (takes_all || rule.is_for_derivatives));
        let fired = allowed.find_map(|rule| (rule.apply)(self, term).map(|id| (rule, id)));
        self.depth -= 1;
        let (rule, id) = fired?;
        assert!(self.node(id).ty == term.ty, "invariant: {} keeps the type", rule.name);
        self.record(rule.name, rule.class);
        Some(id)
    }

    /// Counts a firing, and reports it at the user's line.
    fn record(&mut self, rule: &'static str, class: Class) {
        self.has_fired = true;
        self.firings_left = self.firings_left.saturating_sub(1);
        let site = self.provenance.as_ref().expect("invariant: rules fire for a node that was begun").site;
        if let Some(report) = &mut self.report {
            report.add(rule, class, site);
        }
    }

    /// The node that computes a term, its operands in either order if the primitive is commutative.
    fn find(&mut self, term: &Term) -> Option<NodeId> {
        for id in std::mem::take(&mut self.not_yet_hashed) {
            let node = self.graph.node(id);
            let known = Term { op: node.op.clone(), ty: node.ty.clone(), operands: self.graph.operands(id) };
            if self.find_in_order(&known).is_none() {
                self.nodes_by_hash.entry(known.fingerprint()).or_default().push(id);
            }
        }
        self.find_in_order(term).or_else(|| {
            let is_swappable = ops::traits(&term.op).is_commutative && term.operands[0] != term.operands[1];
            let swapped = is_swappable.then(|| {
                let mut swapped = term.clone();
                swapped.operands.reverse();
                swapped
            })?;
            self.find_in_order(&swapped)
        })
    }

    /// The node that computes a term, with its operands in this order.
    fn find_in_order(&self, term: &Term) -> Option<NodeId> {
        let candidates = self.nodes_by_hash.get(&term.fingerprint())?;
        // A value that happens to be equal to an opaque one does not depend on it.
        let is_same = |id: &&NodeId| {
            term.is_computed_by(&self.node(**id)) && self.operands(**id) == term.operands && !self.is_opaque(**id)
        };
        candidates.iter().find(is_same).copied()
    }

    /// Makes the node of a term, at the user's line.
    fn insert(&mut self, term: Term) -> NodeId {
        let fingerprint = term.fingerprint();
        let provenance = self.provenance.clone().expect("invariant: nodes are made for one that was begun");
        let frame = self.graph.enter_at("simplify", provenance);
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

    /// Whether the term that is being rewritten is the only user of the node, so that replacing the term leaves the node
    /// dead. No for a node that a rule made in this sweep, whose uses are not known yet.
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
        self.use_counts == UseCounts::Counted && self.depth == 1 && !self.is_term
    }

    /// Whether the node is known to have another user than the term that is being rewritten.
    pub(super) fn has_other_uses(&self, id: NodeId) -> bool {
        self.expected_uses[id.index()] > 1
    }

    /// The number of a constant whose elements are all the same, as a literal.
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

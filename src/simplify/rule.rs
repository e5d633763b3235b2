//! What a rewrite is, as data. In: lines of `table.rs`. Out: for each primitive the rules that may fire at it, with their
//! patterns read once.

use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

use super::{
    guard::Guard,
    pattern::{Match, Pattern},
    rewriter::Rewriter,
    table::RULES,
    term::Term,
};
use crate::{
    graph::{NodeId, Op},
    ops,
};

/// What a rewrite promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The same bits, signs of zeros included; NaN where there was NaN, whatever its payload.
    Exact,
    /// Rounding may differ, and the sign of a zero; NaN and infinity stay where they are, but where a partial sum or product
    /// overflows or is subnormal in one order and not in the other.
    Ulp,
    /// A NaN, an infinity or a loss of digits that the exact value does not have may become the exact value.
    Stabilize,
    /// Right for ordinary numbers; NaN, infinity and cancellation are not kept.
    FastMath,
}

impl Class {
    /// Every class, the strictest first.
    pub const ALL: [Class; 4] = [Class::Exact, Class::Ulp, Class::Stabilize, Class::FastMath];

    /// The name in reports and in `docs/rewrites.md`.
    pub fn name(self) -> &'static str {
        match self {
            Class::Exact => "exact",
            Class::Ulp => "ulp",
            Class::Stabilize => "stabilize",
            Class::FastMath => "fast-math",
        }
    }
}

/// A line of the table of rules, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSummary {
    /// The name in reports.
    pub name: &'static str,
    /// What it promises.
    pub class: Class,
    /// What becomes of what.
    pub identity: String,
    /// Whether derivatives are those of the replacement: the rule also fires before one is taken.
    pub is_for_derivatives: bool,
}

/// Looks at a term and gives what stands in its place.
pub(super) type Rewrite = fn(&mut Rewriter<'_>, &Term) -> Option<NodeId>;

/// One line of the table.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) class: Class,
    pub(super) body: Body,
    /// Whether the derivative, too, is that of the replacement.
    pub(super) is_for_derivatives: bool,
}

pub(super) enum Body {
    /// A pattern, what stands in its place, and when.
    Algebra { pattern: &'static str, replacement: &'static str, guard: Guard },
    /// A function, the primitives at which it is asked, and its identity in words.
    Structure { roots: Roots, identity: &'static str, rewrite: Rewrite },
}

pub(super) enum Roots {
    Named(&'static [&'static str]),
    /// Every primitive that maps elements to elements.
    Elementwise,
    /// Every primitive that moves elements.
    Movement,
    /// Every primitive.
    Any,
}

impl Rule {
    /// The same rule, which also fires before a derivative is taken: that of what is written is lost where that of the
    /// replacement is not.
    pub(super) const fn for_derivatives(self) -> Rule {
        Rule { is_for_derivatives: true, ..self }
    }

    /// The identity, for people.
    pub(super) fn summary(&self) -> RuleSummary {
        let identity = match self.body {
            Body::Algebra { pattern, replacement, guard } => {
                format!("{pattern} → {replacement}{}{}", if guard.says.is_empty() { "" } else { ", " }, guard.says)
            }
            Body::Structure { identity, .. } => identity.to_owned(),
        };
        RuleSummary { name: self.name, class: self.class, identity, is_for_derivatives: self.is_for_derivatives }
    }
}

/// A rule ready to be tried at one primitive.
pub(super) struct Ready {
    pub(super) name: &'static str,
    pub(super) class: Class,
    pub(super) is_for_derivatives: bool,
    action: Action,
}

struct Replace {
    pattern: Pattern,
    replacement: Pattern,
    guard: Guard,
}

enum Action {
    Replace(Box<Replace>),
    Call(Rewrite),
}

impl Ready {
    /// What stands in place of the term, if the rule fires.
    pub(super) fn apply(&self, rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
        match &self.action {
            Action::Call(rewrite) => rewrite(rewriter, term),
            Action::Replace(rule) => {
                let found = Match::find(&rule.pattern, term, rewriter)?;
                (rule.guard.holds)(rewriter, &found).then(|| found.build(&rule.replacement, &term.ty, rewriter))
            }
        }
    }
}

/// The rules that may fire at a primitive, in the order of the table.
pub(super) fn rules_at(op: &Op) -> &'static [Ready] {
    static READY: LazyLock<HashMap<&'static str, OnceLock<Vec<Ready>>>> =
        LazyLock::new(|| Op::names().into_iter().map(|name| (name, OnceLock::new())).collect());
    READY.get(op.name()).map_or(&[], |ready| ready.get_or_init(|| ready_at(op)))
}

/// The same, looked for in the table: of all that an attribute may be, rules at the root only ask the name and the traits.
fn ready_at(op: &Op) -> Vec<Ready> {
    let mut ready = Vec::new();
    for rule in RULES {
        let mut add = |action| {
            let (name, class, is_for_derivatives) = (rule.name, rule.class, rule.is_for_derivatives);
            ready.push(Ready { name, class, is_for_derivatives, action });
        };
        match rule.body {
            Body::Algebra { pattern, replacement, guard } => {
                for pattern in
                    Pattern::read(pattern).commuted().into_iter().filter(|pattern| pattern.starts_at(op.name()))
                {
                    let replacement = Pattern::read(replacement);
                    add(Action::Replace(Box::new(Replace { pattern, replacement, guard })));
                }
            }
            Body::Structure { ref roots, rewrite, .. } if roots.contain(op) => add(Action::Call(rewrite)),
            Body::Structure { .. } => {}
        }
    }
    ready
}

impl Roots {
    fn contain(&self, op: &Op) -> bool {
        match self {
            Roots::Named(names) => names.contains(&op.name()),
            Roots::Elementwise => ops::traits(op).is_elementwise,
            Roots::Movement => ops::traits(op).is_movement,
            Roots::Any => true,
        }
    }
}

//! Rewrite rules as data. In: the lines of the table. Out: for each primitive the rules that may fire at it, with their
//! patterns parsed once.

use super::{
    class::Class,
    guard::Guard,
    pattern::{Match, Pattern},
    rewriter::{Apply, PreparedRule, Rewriter},
    term::Term,
};
use crate::{
    graph::{NodeId, Op},
    ops,
};

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

/// Gives the replacement of a term.
pub(super) type Rewrite = fn(&mut Rewriter<'_>, &Term) -> Option<NodeId>;

/// One line of the table.
pub(super) struct RewriteRule {
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

impl RewriteRule {
    /// The same rule, which also fires before a derivative is taken: that of what is written is lost where that of the
    /// replacement is not.
    pub(super) const fn for_derivatives(self) -> RewriteRule {
        RewriteRule { is_for_derivatives: true, ..self }
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

/// The rules of a table that may fire at a primitive, in the order of the table: of all that an attribute may be, rules
/// at the root only ask the name and the traits.
pub(super) fn ready_at(rules: &'static [RewriteRule], op: &Op) -> Vec<PreparedRule> {
    let mut ready = Vec::new();
    for rule in rules {
        let mut add = |apply| {
            let (name, class, is_for_derivatives) = (rule.name, rule.class, rule.is_for_derivatives);
            ready.push(PreparedRule { name, class, is_for_derivatives, apply });
        };
        match rule.body {
            Body::Algebra { pattern, replacement, guard } => {
                for pattern in
                    Pattern::read(pattern).commuted().into_iter().filter(|pattern| pattern.starts_at(op.name()))
                {
                    add(replacing(pattern, Pattern::read(replacement), guard));
                }
            }
            Body::Structure { ref roots, rewrite, .. } if roots.contain(op) => add(Box::new(rewrite)),
            Body::Structure { .. } => {}
        }
    }
    ready
}

/// Builds the replacement of a term that matches the pattern, if the guard holds.
fn replacing(pattern: Pattern, replacement: Pattern, guard: Guard) -> Apply {
    Box::new(move |rewriter, term| {
        let found = Match::find(&pattern, term, rewriter)?;
        (guard.holds)(rewriter, &found).then(|| found.build(&replacement, &term.ty, rewriter))
    })
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

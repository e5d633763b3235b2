//! Patterns: terms with variables, such as `mul(neg(x), c)`. In: the text of a pattern. Out: whether a term matches and
//! which nodes the variables stand for; or, for a replacement, the nodes of the expression.
//!
//! The letters c and d match literals, every other letter any operand; a letter that occurs twice matches one and the
//! same node. A number matches a literal of exactly these bits in the dtype of its neighbours. Operands of commutative
//! primitives match in either order.

use smallvec::SmallVec;

use super::{rewriter::Rewriter, term::Term};
use crate::{
    graph::{Binary, DType, NodeId, Op, Select, StopGradient, Type},
    ops,
};

/// An expression with variables.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pattern {
    Variable(char),
    Number(f64),
    Apply(Box<Op>, Vec<Pattern>),
}

const LITERALS: [char; 2] = ['c', 'd'];

impl Pattern {
    /// Reads the text of a rule.
    pub(super) fn read(text: &'static str) -> Pattern {
        let (pattern, rest) = read(text);
        assert!(rest.is_empty(), "invariant: the table's expressions are well formed: {text}");
        pattern
    }

    /// Whether it can match only at primitives of that name.
    pub(super) fn starts_at(&self, name: &str) -> bool {
        matches!(self, Pattern::Apply(op, _) if op.name() == name)
    }

    /// The expression with the operands of commutative primitives in every order.
    pub(super) fn commuted(self) -> Vec<Pattern> {
        let Pattern::Apply(op, operands) = self else { return vec![self] };
        let is_commutative = ops::traits(&op).is_commutative;
        let mut lists: Vec<Vec<Pattern>> = vec![Vec::new()];
        for operand in operands {
            let orders = operand.commuted();
            let extended = lists
                .iter()
                .flat_map(|list| orders.iter().map(|order| [list.as_slice(), std::slice::from_ref(order)].concat()));
            lists = extended.collect();
        }
        let mut variants: Vec<Pattern> = Vec::new();
        for list in lists {
            let reversed: Vec<Pattern> = list.iter().rev().cloned().collect();
            for list in if is_commutative { vec![list, reversed] } else { vec![list] } {
                let pattern = Pattern::Apply(op.clone(), list);
                if !variants.contains(&pattern) {
                    variants.push(pattern);
                }
            }
        }
        variants
    }
}

/// One expression at the start of the text, and what comes after it.
fn read(text: &'static str) -> (Pattern, &'static str) {
    let text = text.trim_start();
    let end = text.find([',', '(', ')']).unwrap_or(text.len());
    let (word, mut rest) = (text[..end].trim_end(), &text[end..]);
    if !rest.starts_with('(') {
        let mut letters = word.chars();
        return match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.is_alphabetic() => (Pattern::Variable(letter), rest),
            _ => (Pattern::Number(word.parse().expect("invariant: the table's numbers are numbers")), rest),
        };
    }
    let mut operands = Vec::new();
    while !rest.starts_with(')') {
        let (operand, after) = read(&rest[1..]);
        operands.push(operand);
        rest = after;
        assert!(rest.starts_with([',', ')']), "invariant: the table's parentheses match");
    }
    (Pattern::Apply(Box::new(primitive(word)), operands), &rest[1..])
}

fn primitive(name: &str) -> Op {
    match name {
        "select" => Select {}.into(),
        "stop_gradient" => StopGradient {}.into(),
        name => Op::elementwise_from_name(name).expect("invariant: the table names primitives"),
    }
}

/// Whether a primitive is what a pattern names. A quotient of integers has lost its fraction: what the table says of
/// quotients is not true of it.
fn is_named(name: &Op, op: &Op, ty: &Type) -> bool {
    let is_integer_quotient = *op == Op::Binary(Binary::Div) && ty.dtype == DType::I64;
    name == op && !is_integer_quotient
}

/// What the variables of a pattern are.
#[derive(Debug)]
pub(super) struct Match {
    bound: SmallVec<[(char, NodeId); 4]>,
    /// The first operand of the term, whatever the pattern has there.
    pub(super) first: NodeId,
}

impl Match {
    /// Whether the term looks like the pattern.
    pub(super) fn find(pattern: &Pattern, term: &Term, rewriter: &Rewriter<'_>) -> Option<Match> {
        let Pattern::Apply(op, operands) = pattern else { return None };
        let mut found = Match { bound: SmallVec::new(), first: *term.operands.first()? };
        let fits = is_named(op, &term.op, &term.ty)
            && operands.iter().zip(&term.operands).all(|(pattern, id)| found.extend(pattern, *id, rewriter));
        fits.then_some(found)
    }

    fn extend(&mut self, pattern: &Pattern, id: NodeId, rewriter: &Rewriter<'_>) -> bool {
        match pattern {
            Pattern::Number(number) => rewriter.is_number(id, *number),
            Pattern::Variable(letter) => match self.get(*letter) {
                Some(bound) => bound == id,
                None if LITERALS.contains(letter) && rewriter.splat(id).is_none() => false,
                None => {
                    self.bound.push((*letter, id));
                    true
                }
            },
            Pattern::Apply(op, operands) => {
                is_named(op, &rewriter.visible_op(id), &rewriter.ty(id))
                    && operands
                        .iter()
                        .zip(rewriter.operands(id))
                        .all(|(pattern, id)| self.extend(pattern, id, rewriter))
            }
        }
    }

    fn get(&self, letter: char) -> Option<NodeId> {
        self.bound.iter().find(|(bound, _)| *bound == letter).map(|(_, id)| *id)
    }

    /// The node of a variable.
    pub(super) fn node(&self, letter: char) -> NodeId {
        self.get(letter).expect("invariant: guards and replacements use the pattern's variables")
    }

    /// The nodes of an expression of these variables. A number has the type of the operand beside it, or `root` where
    /// there is none.
    pub(super) fn build(&self, pattern: &Pattern, root: &Type, rewriter: &mut Rewriter<'_>) -> NodeId {
        let (op, operands) = match pattern {
            Pattern::Variable(letter) => return self.node(*letter),
            Pattern::Number(number) => return rewriter.fill(*number, root),
            Pattern::Apply(op, operands) => (op, operands),
        };
        let built: Vec<Option<NodeId>> = operands
            .iter()
            .map(|operand| (!matches!(operand, Pattern::Number(_))).then(|| self.build(operand, root, rewriter)))
            .collect();
        // The first operand of a select is its condition and says nothing about the branches.
        let beside = built.iter().skip(usize::from(matches!(**op, Op::Select(_)))).flatten().next();
        let ty = beside.map_or_else(|| root.clone(), |id| rewriter.ty(*id));
        let filled: Vec<NodeId> = built
            .into_iter()
            .zip(operands)
            .map(|(built, operand)| match (built, operand) {
                (None, Pattern::Number(number)) => rewriter.fill(*number, &ty),
                (built, _) => built.expect("invariant: all but numbers are built"),
            })
            .collect();
        rewriter.build((**op).clone(), &filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simplify::{rule::Body, table::RULES};

    #[test]
    fn every_expression_of_the_table_is_read_and_binds_what_it_uses() {
        fn letters(pattern: &Pattern, found: &mut Vec<char>) {
            match pattern {
                Pattern::Variable(letter) => found.push(*letter),
                Pattern::Number(_) => {}
                Pattern::Apply(_, operands) => operands.iter().for_each(|operand| letters(operand, found)),
            }
        }
        for rule in RULES {
            let Body::Algebra { pattern, replacement, .. } = rule.body else { continue };
            let (mut bound, mut used) = (Vec::new(), Vec::new());
            letters(&Pattern::read(pattern), &mut bound);
            letters(&Pattern::read(replacement), &mut used);
            assert!(used.iter().all(|letter| bound.contains(letter)), "{}", rule.name);
            assert!(matches!(Pattern::read(pattern), Pattern::Apply(..)), "{}", rule.name);
        }
    }

    #[test]
    fn commutative_operands_match_in_either_order() {
        assert_eq!(Pattern::read("div(1, add(1, exp(neg(x))))").commuted().len(), 2);
        assert_eq!(Pattern::read("mul(c, mul(d, x))").commuted().len(), 4);
        assert_eq!(Pattern::read("maximum(x, y)").commuted().len(), 1);
        assert_eq!(Pattern::read("add(x, -0.0)").commuted()[0], Pattern::read("add(x, -0.0)"));
    }
}

//! Sums of choices by one condition. In: an addition. Out: the choice of sums, where that is no more work.
//!
//! A derivative of what is chosen is a sum of two masked ones: select(p, x, 0) + select(p, 0, y), of which one is nothing.

use super::{rewriter::Rewriter, term::Term};
use crate::graph::{Binary, NodeId, Op, Select};

/// select(p, x, y) + select(p, z, 0) → select(p, x + z, y), and so on.
pub(super) fn sum_of_choices(rewriter: &mut Rewriter<'_>, term: &Term) -> Option<NodeId> {
    let choices = [term.operands[0], term.operands[1]];
    if choices.iter().any(|choice| !matches!(rewriter.op(*choice), Op::Select(_))) {
        return None;
    }
    let [left, right] = choices.map(|choice| rewriter.operands(choice));
    if left[0] != right[0] {
        return None;
    }
    let is_sum = |side: usize| ![left[side], right[side]].iter().any(|arm| rewriter.is_number(*arm, 0.0));
    let goes = || choices.iter().any(|choice| rewriter.has_one_use(*choice));
    match [1, 2].map(is_sum) {
        [false, false] => {}
        [true, false] | [false, true] if goes() => {}
        [true, _] | [_, true] => return None,
    }
    let [yes, no] = [1, 2].map(|side| match [left[side], right[side]] {
        [zero, arm] if rewriter.is_number(zero, 0.0) => arm,
        [arm, zero] if rewriter.is_number(zero, 0.0) => arm,
        arms => rewriter.build(Op::Binary(Binary::Add), &arms),
    });
    Some(rewriter.build(Select {}, &[left[0], yes, no]))
}

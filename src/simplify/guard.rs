//! Guards: the conditions under which a pattern rule may fire. In: a match with the nodes of its variables. Out:
//! whether the condition is known to hold; no where that is not known.

use super::{pattern::Match, rewriter::Rewriter, shift};
use crate::graph::{Bindings, DType, Dim};

/// A question with the words that `docs/reference/rewrites.md` has for it.
#[derive(Clone, Copy)]
pub(super) struct Guard {
    pub(super) says: &'static str,
    pub(super) holds: fn(&Rewriter<'_>, &Match) -> bool,
}

pub(super) const ALWAYS: Guard = Guard { says: "", holds: |_, _| true };

pub(super) const OF_INTEGERS: Guard =
    Guard { says: "x integer", holds: |rewriter, found| rewriter.node(found.node('x')).ty.dtype == DType::I64 };

pub(super) const FIRST_GOES: Guard =
    Guard { says: "nothing else reads the comparison", holds: |rewriter, found| rewriter.has_one_use(found.first) };

pub(super) const FIRST_GOES_OF_INTEGERS: Guard = Guard {
    says: "x integer, nothing else reads the comparison",
    holds: |rewriter, found| (OF_INTEGERS.holds)(rewriter, found) && (FIRST_GOES.holds)(rewriter, found),
};

pub(super) const POWER_OF_TWO: Guard = Guard {
    says: "c and 1/c powers of two",
    holds: |rewriter, found| float(rewriter, found, 'c').is_some_and(|(c, dtype)| has_exact_reciprocal(c, dtype)),
};

pub(super) const ORDINARY: Guard = Guard {
    says: "c finite and not 0",
    holds: |rewriter, found| float(rewriter, found, 'c').is_some_and(|(c, dtype)| is_normal(1.0 / c, dtype)),
};

pub(super) const SAME_SIDE_OF_ONE: Guard = Guard {
    says: "|c|, |d| ≥ 1 or both ≤ 1, c·d normal",
    holds: |rewriter, found| {
        literals(rewriter, found).is_some_and(|(c, d)| (c.abs() >= 1.0) == (d.abs() >= 1.0) || c.abs() == 1.0)
    },
};

pub(super) const NORMAL_PRODUCT: Guard =
    Guard { says: "c, d and c·d normal", holds: |rewriter, found| literals(rewriter, found).is_some() };

pub(super) const SHIFTED_SOFTMAX: Guard = Guard {
    says: "b = Σ exp(s), s less its maximum",
    holds: |rewriter, found| shift::is_shifted_softmax(rewriter, found.node('s'), found.node('b')),
};

fn float(rewriter: &Rewriter<'_>, found: &Match, letter: char) -> Option<(f64, DType)> {
    let id = found.node(letter);
    Some((rewriter.float(id)?, rewriter.node(id).ty.dtype))
}

/// The two literals, if they and their product are normal numbers of their dtype.
fn literals(rewriter: &Rewriter<'_>, found: &Match) -> Option<(f64, f64)> {
    let ((c, dtype), (d, _)) = (float(rewriter, found, 'c')?, float(rewriter, found, 'd')?);
    [c, d, c * d].iter().all(|number| is_normal(*number, dtype)).then_some((c, d))
}

/// Whether a number is neither 0, subnormal, infinite nor NaN once rounded to the dtype.
pub(super) fn is_normal(number: f64, dtype: DType) -> bool {
    if dtype == DType::F32 { (number as f32).is_normal() } else { number.is_normal() }
}

fn has_exact_reciprocal(number: f64, dtype: DType) -> bool {
    const FRACTION: u64 = (1 << (f64::MANTISSA_DIGITS - 1)) - 1;
    is_normal(number, dtype) && is_normal(1.0 / number, dtype) && number.to_bits() & FRACTION == 0
}

/// What a symbol counts as where work is compared: sizes that are not known are taken for large.
const TYPICAL_SIZE: i64 = 32;

/// A size as a number, for comparing work and nothing else.
pub(super) fn estimate(dim: &Dim) -> i64 {
    let bindings: Bindings = dim.symbols().into_iter().map(|symbol| (symbol, TYPICAL_SIZE)).collect();
    // Every symbol is bound, so what has no value has too large a one.
    dim.evaluate(&bindings).unwrap_or(i64::MAX).max(0)
}

//! A cotangent or tangent times one entry of a diagonal Jacobian. In: the two. Out: their product, or nothing where it
//! is structurally zero. Masks are kept outermost, so that what they hide is never multiplied by an infinity.

use crate::{
    graph::{Constant, Expr, Op},
    ops::Partial,
};

/// `direction · partial`.
pub(crate) fn scale<'g>(direction: Expr<'g>, partial: Partial<'g>) -> Option<Expr<'g>> {
    match partial {
        Partial::Zero => None,
        Partial::One => Some(direction),
        Partial::MinusOne => Some(under_mask(direction, |unmasked| -unmasked)),
        Partial::Factor(factor) => Some(under_mask(direction, |unmasked| unmasked * factor)),
        Partial::Where(condition) => Some(mask(direction, condition)),
        Partial::Unless(condition) => Some(mask(direction, condition.logical_not())),
        Partial::Contest { wins, ties } => {
            let shared = under_mask(direction, |unmasked| ties.select(0.5 * unmasked, unmasked));
            Some(mask(shared, wins.or(ties)))
        }
    }
}

/// `a + b`; where both are masked the sum is masked too, so that what neither lets pass stays out of later products.
pub(crate) fn add<'g>(a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    match (as_masked(a), as_masked(b)) {
        (Some((one, a)), Some((other, b))) if one.is_same(other) => one.select(a + b, 0.0),
        (Some((one, _)), Some((other, _))) => one.or(other).select(a + b, 0.0),
        _ => a + b,
    }
}

/// `select(condition, direction, 0)`, merged with the mask that the direction may have already.
fn mask<'g>(direction: Expr<'g>, condition: Expr<'g>) -> Expr<'g> {
    match as_masked(direction) {
        Some((outer, unmasked)) => outer.and(condition).select(unmasked, 0.0),
        None => condition.select(direction, 0.0),
    }
}

/// Applies a linear map: to what is under the mask, where there is one, since 0 times infinity is not 0.
fn under_mask<'g>(direction: Expr<'g>, map: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
    match as_masked(direction) {
        Some((condition, unmasked)) => condition.select(map(unmasked), 0.0),
        None => map(direction),
    }
}

/// The condition and the value of `select(condition, value, 0)`.
fn as_masked(direction: Expr<'_>) -> Option<(Expr<'_>, Expr<'_>)> {
    if !matches!(direction.graph().node(direction.id()).op, Op::Select(_)) {
        return None;
    }
    let operands = direction.operands();
    let is_zero = matches!(&operands[2].graph().node(operands[2].id()).op, Op::Constant(Constant { value, .. }) if value.is_zero());
    is_zero.then(|| (operands[0], operands[1]))
}

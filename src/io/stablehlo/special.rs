//! Functions that are said by several operations of CHLO. In: operands. Out: lines of the text.

use std::slice::from_ref;

use super::writer::{Tensor, Writer};
use crate::graph::Literal;

/// Orders beyond it give NaN.
const MAX_ORDER: f64 = 170.0;

/// ψ⁽ⁿ⁾(x) = (−1)ⁿ⁺¹·n!·ζ(n + 1, x) for n ≥ 1, where the zeta function of CHLO is that of positive x: below 0 the sum over all integers is
/// that to both sides of the nearest one, as in `ops/special/gamma.rs`.
pub(super) fn polygamma(writer: &mut Writer, operands: &[Tensor]) -> Tensor {
    let [x, order] = operands else { unreachable!("invariant: it has two operands") };
    let ty = x.ty.clone();
    let [zero, one, two, max] = [0.0, 1.0, 2.0, MAX_ORDER].map(|number| writer.number(number, ty.clone()));
    let nan = writer.constant(&Literal::Number(f64::NAN), ty);
    let n = writer.same("stablehlo.floor", from_ref(order));
    let s = writer.same("stablehlo.add", &[n.clone(), one.clone()]);
    let half = writer.same("stablehlo.remainder", &[n.clone(), two]);
    let is_even = writer.compare("EQ", &half, &zero);
    let nearest = writer.same("stablehlo.round_nearest_even", from_ref(x));
    let distance = writer.same("stablehlo.subtract", &[x.clone(), nearest]);
    let is_above = writer.compare("GT", &distance, &zero);
    let next = writer.same("stablehlo.add", &[one.clone(), distance.clone()]);
    let above = writer.select(&is_above, &distance, &next);
    let below = writer.same("stablehlo.subtract", &[one.clone(), above.clone()]);
    let beyond = writer.same("stablehlo.subtract", &[one.clone(), x.clone()]);
    let [of_x, of_above, of_below, of_beyond] =
        [x, &above, &below, &beyond].map(|place| writer.same("chlo.zeta", &[s.clone(), place.clone()]));
    // s is even where n is odd.
    let sides = writer.same("stablehlo.subtract", &[of_below, of_beyond]);
    let negated = writer.same("stablehlo.negate", from_ref(&sides));
    let sides = writer.select(&is_even, &negated, &sides);
    let of_negative = writer.same("stablehlo.add", &[of_above, sides]);
    let is_positive = writer.compare("GT", x, &zero);
    let zeta = writer.select(&is_positive, &of_x, &of_negative);
    let logarithm = writer.same("chlo.lgamma", &[s]);
    let factorial = writer.same("stablehlo.exponential", &[logarithm]);
    let value = writer.same("stablehlo.multiply", &[factorial, zeta]);
    let negated = writer.same("stablehlo.negate", from_ref(&value));
    let value = writer.select(&is_even, &negated, &value);
    let digamma = writer.same("chlo.digamma", from_ref(x));
    let is_zero = writer.compare("EQ", &n, &zero);
    let value = writer.select(&is_zero, &digamma, &value);
    let [is_low, is_high] =
        [("GE", &zero), ("LE", &max)].map(|(direction, bound)| writer.compare(direction, &n, bound));
    let is_order = writer.same("stablehlo.and", &[is_low, is_high]);
    writer.select(&is_order, &value, &nan)
}

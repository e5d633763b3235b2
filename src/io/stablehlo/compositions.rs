//! Primitives that StableHLO has no word for, said by other primitives of this library. In: operands. Out: expressions, which are written as
//! any others.

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E, LOG10_E};

use crate::{
    graph::{DType, Expr, Gather, Orientation, ScanDirection, Side, Triangle},
    ops::{Index, ScanOptions},
};

/// 4e/(1 + e)² with e = e^(−2|x|).
pub(super) fn sech_squared<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    let e = (-2.0 * operands[0].abs()).exp();
    4.0 * e / ((1.0 + e) * (1.0 + e))
}

/// max(x, 0) + ln(1 + e^−|x|).
pub(super) fn softplus<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    let x = operands[0];
    x.maximum(0.0) + (-x.abs()).exp().log1p()
}

/// ½ erfc(−x/√2).
pub(super) fn normal_cdf<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    0.5 * (operands[0] * -FRAC_1_SQRT_2).erfc()
}

/// e^(−x²/2)/√(2π).
pub(super) fn normal_pdf<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    const DENSITY_AT_0: f64 = 0.398_942_280_401_432_7;
    DENSITY_AT_0 * (-0.5 * operands[0] * operands[0]).exp()
}

/// 0 up to 0; NaN stays.
pub(super) fn relu<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    operands[0].less_equal(0.0).select(0.0, operands[0])
}

pub(super) fn log2<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    operands[0].log() * LOG2_E
}

pub(super) fn exp2<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    operands[0].full_like(2.0).pow(operands[0])
}

pub(super) fn log10<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    operands[0].log() * LOG10_E
}

/// Only NaN differs from itself.
pub(super) fn is_nan<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    operands[0].not_equal(operands[0])
}

/// m·√(1 + (n/m)²) with the greater magnitude m and the lesser n.
pub(super) fn hypot<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    let [a, b] = [operands[0].abs(), operands[1].abs()];
    let (greater, lesser) = (a.maximum(b), a.minimum(b));
    let ratio = lesser / greater;
    let ordinary = greater * (1.0 + ratio * ratio).sqrt();
    let is_infinite = a.equal(f64::INFINITY).or(b.equal(f64::INFINITY));
    is_infinite.select(f64::INFINITY, greater.equal(0.0).select(greater, ordinary))
}

/// cₖ(s): near 0 the series, of 64 terms, and elsewhere cₖ₊₂ = (1/k! − cₖ)/s from c₀ or c₁, as in `ops/special/stumpff.rs` but in plain
/// numbers.
pub(super) fn stumpff<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    const TERMS: usize = 64;
    const MAX_ORDER: f64 = 170.0;
    let (s, k, g) = (operands[0], operands[1].floor(), operands[0].graph());
    let is_order = k.greater_equal(0.0).and(k.less_equal(MAX_ORDER));
    let reciprocal = |k: Expr<'g>| (-(k + 1.0).lgamma()).exp();
    let is_near = s.abs().less(4.0).or(s.abs().less((k + 1.0) * (k + 2.0)));

    let near = is_near.select(s, 0.0);
    let first = reciprocal(k);
    let (_, series, _) = g.fori(TERMS, (first, first, k), |_, (term, sum, index)| {
        let term = -term * near / ((index + 1.0) * (index + 2.0));
        (term, sum + term, index + 2.0)
    });

    let far = is_near.select(1.0, s);
    let (root, is_odd) = (far.abs().sqrt(), (k % 2.0).equal(1.0));
    let even = far.greater(0.0).select(root.cos(), root.cosh());
    let odd = far.greater(0.0).select(root.sin(), root.sinh()) / root;
    let start = (is_odd.cast(k.dtype()), is_odd.select(odd, even));
    let steps = (MAX_ORDER / 2.0) as usize;
    let (_, recurrence) = g.fori(steps, start, |_, (index, value)| {
        let is_below = index.less(k);
        (is_below.select(index + 2.0, index), is_below.select((reciprocal(index) - value) / far, value))
    });
    is_order.select(is_near.select(series, recurrence), f64::NAN)
}

/// A loop along the axis.
pub(super) fn linear_recurrence<'g>(operands: &[Expr<'g>], axis: usize, direction: ScanDirection) -> Expr<'g> {
    let g = operands[0].graph();
    let [a, b] = [operands[0], operands[1]].map(|x| x.move_axis(axis as i64, 0));
    let options = ScanOptions { direction, ..ScanOptions::default() };
    // The first y is its b, whatever its a is.
    let start = (b.slice(0).zeros_like(), g.full(false, ()));
    let (_, all) = g.scan_with(&options, start, (a, b), |(y, has_begun), (a, b)| {
        let y = has_begun.broadcast_to(y.shape()).select(a * y + b, b);
        ((y, g.full(true, ())), y)
    });
    all.move_axis(0, axis as i64)
}

/// Compares every element with every value; NaN comes last.
pub(super) fn search_sorted<'g>(operands: &[Expr<'g>], side: Side) -> Expr<'g> {
    let (sorted, values) = (operands[0].unsqueeze(-2), operands[1].unsqueeze(-1));
    let value_is_nan = values.not_equal(values);
    let is_before = match side {
        Side::Left => sorted.less(values).or(value_is_nan.and(sorted.equal(sorted))),
        Side::Right => sorted.less_equal(values).or(value_is_nan),
    };
    is_before.cast(DType::I64).sum_over(-1)
}

/// L − I + U with P·A = L·U, and the rows of A in a row more: in each column the row of the greatest magnitude goes up, the first of ties,
/// and a column of zeros is left as it is.
pub(super) fn lu<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    let (a, g) = (operands[0], operands[0].graph());
    let shape = a.shape();
    let (n, outer) = (shape[shape.rank() - 1].clone(), &shape[..shape.rank() - 2]);
    let [rows, columns] = [0, 1].map(|axis| g.iota(DType::I64, [n.clone(), n.clone()], axis));
    let positions = g.iota(DType::I64, [n.clone()], 0);
    let order = positions.cast(a.dtype()).broadcast_to(outer.iter().cloned().chain([n.clone()]).collect::<Vec<_>>());
    let (factors, order) = g.fori(n, (a, order), |k, (a, order)| {
        let column = columns.equal(k).select(a, 0.0).sum_over(-1);
        let best = positions.greater_equal(k).select(column.abs(), -1.0).argmax(-1).unsqueeze(-1);
        let [this, other] = [positions.equal(k), positions.equal(best)];
        let swapped = |x: Expr<'g>, is_this: Expr<'g>, is_other: Expr<'g>, axis: i64| {
            let [at_this, at_other] =
                [is_this, is_other].map(|is_there| is_there.select(x, 0.0).sum_over(axis).unsqueeze(axis));
            is_this.select(at_other, is_other.select(at_this, x))
        };
        let order = swapped(order, this, other, -1);
        let a = swapped(a, this.unsqueeze(-1), other.unsqueeze(-1), -2);
        let row = rows.equal(k).select(a, 0.0).sum_over(-2).unsqueeze(-2);
        let column = columns.equal(k).select(a, 0.0).sum_over(-1).unsqueeze(-1);
        let pivot = columns.equal(k).select(row, 0.0).sum_over(-1).unsqueeze(-1);
        let is_below = rows.greater(k).and(pivot.not_equal(0.0));
        let factor = column / pivot;
        let inner = columns.greater(k).select(a - factor * row, columns.equal(k).select(factor, a));
        (is_below.select(inner, a), order)
    });
    factors.concat([order.unsqueeze(-2)], -2)
}

/// By the factors of A: L·U·X = P·B, or Uᵀ·Lᵀ·P·X = B for the transposed matrix.
pub(super) fn solve<'g>(operands: &[Expr<'g>], orientation: Orientation) -> Expr<'g> {
    let (a, b) = (operands[0], operands[1]);
    let parts = match orientation {
        Orientation::Plain => a.lu(),
        Orientation::Transposed => a.t().lu(),
    };
    let axis = b.rank() - 2;
    let rows = b.graph().apply_op(Gather { axis, batch: axis }.into(), &[b, parts.permutation]);
    let below = parts.lower.solve_triangular(rows, Triangle::Lower, Orientation::Plain);
    parts.upper.solve_triangular(below, Triangle::Upper, Orientation::Plain)
}

/// Reflections of Householder, column by column, as in `ops/qr.rs`: Q above R, with no negative element on the diagonal of R.
pub(super) fn qr<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    let (a, g) = (operands[0], operands[0].graph());
    let shape = a.shape();
    let [m, n] = [2, 1].map(|from_end: usize| shape[shape.rank() - from_end].clone());
    let rows = g.iota(DType::I64, [m.clone()], 0);
    let columns = g.iota(DType::I64, [m.clone(), n.clone()], 1);
    let reflected = |x: Expr<'g>, v: Expr<'g>, beta: Expr<'g>| {
        let products = (v.unsqueeze(-1) * x).sum_over(-2).unsqueeze(-2);
        x - (beta * v).unsqueeze(-1) * products
    };
    let options = ScanOptions::default();
    let positions = g.iota(DType::I64, [n.clone()], 0);
    let (triangle, reflections) = g.scan_with(&options, a, positions, |a, k| {
        let x = rows.greater_equal(k).select(columns.equal(k).select(a, 0.0).sum_over(-1), 0.0);
        let norm = (x * x).sum_over(-1).unsqueeze(-1).sqrt();
        let first = rows.equal(k).select(x, 0.0).sum_over(-1).unsqueeze(-1);
        let image = first.less(0.0).select(norm, -norm);
        let v = rows.equal(k).select(x - image, x);
        let beta = norm.equal(0.0).select(0.0, 1.0 / (norm * (norm + first.abs())));
        (reflected(a, v, beta), (v, beta))
    });
    let eye = rows.unsqueeze(-1).equal(columns).cast(a.dtype()).broadcast_to(shape.clone());
    let backward = ScanOptions { direction: ScanDirection::Backward, ..options };
    let (q, ()) = g.scan_with(&backward, eye, reflections, |q, (v, beta)| (reflected(q, v, beta), ()));

    let upper = rows.unsqueeze(-1).less_equal(columns).select(triangle, 0.0);
    let diagonal = rows.unsqueeze(-1).equal(columns).select(triangle, 0.0).sum_over(-2).unsqueeze(-2);
    let signs = diagonal.less(0.0).select(-1.0, diagonal.ones_like());
    let mut first_rows = vec![Index::from(..); shape.rank()];
    first_rows[shape.rank() - 2] = Index::from(..n.as_number().expect("invariant: sizes are numbers"));
    let upper = upper.slice(first_rows);
    (q * signs).concat([upper * signs.t()], -2)
}

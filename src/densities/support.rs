//! What all densities share: operands of one type, and where a formula holds. In: operands as the user gave them. Out: operands that
//! are broadcast, and values that are −∞ or NaN where there is no density.

use crate::{
    graph::{Expr, GraphError},
    nn::check::either,
};

/// A density of the operands `x, parameters …`, or the error that they are no floats of one dtype that broadcast together.
pub(super) fn elementwise<'g, const N: usize>(
    x: Expr<'g>,
    operands: impl FnOnce() -> [Expr<'g>; N],
    density: impl FnOnce([Expr<'g>; N]) -> Expr<'g>,
) -> Expr<'g> {
    either(x.check_float().and_then(|()| together(operands())).map(density))
}

/// The operands with one shape.
pub(super) fn together<'g, const N: usize>(operands: [Expr<'g>; N]) -> Result<[Expr<'g>; N], Expr<'g>> {
    let g = operands[0].graph();
    if let Some(poison) = g.refuse(&operands) {
        return Err(poison);
    }
    let left = operands[0].dtype();
    for operand in operands {
        let right = operand.dtype();
        if left != right {
            return Err(g.report(GraphError::DTypesDiffer { left, right }, &[operands[0], operand]));
        }
    }
    let mut widest = operands[0];
    for operand in &operands[1..] {
        (widest, _) = widest.broadcast_with(*operand)?;
    }
    let shape = widest.shape();
    Ok(operands.map(|operand| operand.broadcast_to(&shape)))
}

/// Where the formula of a density holds.
pub(super) struct Support<'g> {
    /// The parameters are those of a distribution.
    pub(super) is_valid: Expr<'g>,
    /// The value is one that the distribution takes, if the parameters are valid.
    pub(super) is_inside: Expr<'g>,
}

impl<'g> Support<'g> {
    /// Where both are true.
    pub(super) fn holds(&self) -> Expr<'g> {
        self.is_valid.and(self.is_inside)
    }

    /// The density where the formula holds, which sees the numbers `safe` in place of its operands everywhere else.
    pub(super) fn density<const N: usize>(
        self,
        operands: [Expr<'g>; N],
        safe: [f64; N],
        formula: impl FnOnce([Expr<'g>; N]) -> Expr<'g>,
    ) -> Expr<'g> {
        let holds = self.holds();
        let mut guarded = operands;
        for (operand, safe) in guarded.iter_mut().zip(safe) {
            *operand = holds.select(*operand, safe);
        }
        self.choose(operands[0].is_nan(), formula(guarded))
    }

    /// `density` where the formula holds; elsewhere NaN if the value is NaN or the parameters are not valid, and −∞ if they are.
    pub(super) fn choose(&self, is_nan: Expr<'g>, density: Expr<'g>) -> Expr<'g> {
        let is_outside = self.is_valid.and(is_nan.logical_not());
        let elsewhere = is_outside.select(density.full_like(f64::NEG_INFINITY), f64::NAN);
        self.holds().select(density, elsewhere)
    }
}

/// Whether a parameter is a positive number.
pub(super) fn is_positive<'g>(x: Expr<'g>) -> Expr<'g> {
    x.greater(0.0).and(x.less(f64::INFINITY))
}

/// Whether a count is a whole number from 0 on.
pub(super) fn is_count<'g>(x: Expr<'g>) -> Expr<'g> {
    x.greater_equal(0.0).and(x.less(f64::INFINITY)).and(x.floor().equal(x))
}

//! Iterations until nothing moves. In: a first value and what gives the next. Out: the last value, or NaN, and how many there were.

use crate::graph::{DType, Expr, Graph, GraphError};

/// When iterations end.
///
/// # Example
/// ```
/// use pullback::implicit::Iterations;
/// let patient = Iterations { max_iterations: 1000, ..Iterations::default() };
/// assert_eq!(patient.tolerance, None);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Iterations {
    /// They end when no element has moved by more than this times 1 + |zᵢ|. Without one ε^¾, which is 1.8·10⁻¹² in f64 and 6.4·10⁻⁶
    /// in f32: Newton's method squares the error in each step, so that z is then exact to rounding.
    pub tolerance: Option<f64>,
    /// After so many it is said that they do not converge.
    pub max_iterations: usize,
}

impl Default for Iterations {
    /// At most 100, with the tolerance of the dtype.
    fn default() -> Iterations {
        Iterations { tolerance: None, max_iterations: 100 }
    }
}

/// The value at which iterations end, and their number.
pub(super) struct Ended<'g> {
    /// NaN where they did not converge.
    pub(super) value: Expr<'g>,
    /// An `i64` scalar.
    pub(super) iterations: Expr<'g>,
}

impl Iterations {
    /// The tolerance for a float dtype, or the poison for one that is no tolerance.
    fn tolerance<'g>(&self, g: &'g Graph, dtype: DType) -> Result<f64, Expr<'g>> {
        let tolerance = self.tolerance.unwrap_or_else(|| epsilon(dtype).sqrt() * epsilon(dtype).sqrt().sqrt());
        if tolerance.is_finite() && tolerance > 0.0 {
            return Ok(tolerance);
        }
        let (what, expected) = ("the tolerance of iterations", "positive and finite");
        Err(g.report(GraphError::OutOfRange { what, expected, found: tolerance.to_string() }, &[]))
    }

    /// Iterates from a guess, which counts as a constant.
    pub(super) fn run<'g>(&self, guess: Expr<'g>, next: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Ended<'g> {
        let g = guess.graph();
        let tolerance = match self.tolerance(g, guess.dtype()) {
            Ok(tolerance) => tolerance,
            Err(poison) => return Ended { value: poison, iterations: poison },
        };
        let frame = g.frame();
        let max_iterations = i64::try_from(self.max_iterations).unwrap_or(i64::MAX);
        let first = (guess.stop_gradient(), g.full(1i64, ()), g.full(0i64, ()));
        let goes_on = |(z, n_moved, n): (Expr<'g>, Expr<'g>, Expr<'g>)| {
            let _frame = g.reenter(frame.clone());
            let n_lost = z.is_finite().logical_not().cast(DType::I64).sum();
            n_moved.greater(0i64).and(n.less(max_iterations)).and(n_lost.equal(0i64))
        };
        let step = |(z, _, n): (Expr<'g>, Expr<'g>, Expr<'g>)| {
            let _frame = g.reenter(frame.clone());
            let moved = next(z);
            // Infinities are within any part of themselves; a NaN is within nothing.
            let is_still = (moved - z).abs().less_equal(tolerance * (1.0 + moved.abs())).and(moved.is_finite());
            (moved, is_still.logical_not().cast(DType::I64).sum(), n + 1i64)
        };
        let (z, n_moved, iterations) = g.while_loop_bounded(first, self.max_iterations, goes_on, step);
        Ended { value: n_moved.equal(0i64).select(z, f64::NAN), iterations }
    }
}

/// The distance from 1 to the next number.
pub(super) fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => f64::from(f32::EPSILON),
        DType::F64 => f64::EPSILON,
        DType::I64 | DType::Bool => unreachable!("invariant: unknowns are floats"),
    }
}

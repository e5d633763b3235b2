//! Runge and Kutta's method of order 4, as what unrolls, loops and writes code takes it. In: a state and its slope. Out: the state a step
//! later.

use pullback::Expr;

/// A state of three numbers after a step of length `h`.
pub(crate) fn step<'g>(at: [Expr<'g>; 3], slope: impl Fn([Expr<'g>; 3]) -> [Expr<'g>; 3], h: f64) -> [Expr<'g>; 3] {
    let moved = |slope: [Expr<'g>; 3], h: f64| [0, 1, 2].map(|axis| at[axis] + h * slope[axis]);
    let first = slope(at);
    let second = slope(moved(first, 0.5 * h));
    let third = slope(moved(second, 0.5 * h));
    let fourth = slope(moved(third, h));
    let mean = |axis: usize| first[axis] + 2.0 * second[axis] + 2.0 * third[axis] + fourth[axis];
    [0, 1, 2].map(|axis| at[axis] + h / 6.0 * mean(axis))
}

/// The slope of Lorenz's system with σ, ρ and β.
pub(crate) fn lorenz<'g>([x, y, z]: [Expr<'g>; 3], [sigma, rho, beta]: [Expr<'g>; 3]) -> [Expr<'g>; 3] {
    [sigma * (y - x), x * (rho - z) - y, x * y - beta * z]
}

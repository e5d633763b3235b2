//! Rotations of space. In and out: what [`LieGroup`] says.

use super::{
    group::LieGroup,
    parts::{checked, cross, cross_matrix, inner, inverse_term, of_matrices, paired, parts, vector},
};
use crate::graph::Expr;

/// A rotation of space by θ about the axis u: the unit quaternion (w, v) = (cos ½θ, sin ½θ·u).
///
/// With s = θ², K the matrix of the cross product with the tangent θ·u, and the Stumpff functions cₖ = cₖ(s):
///
/// - Exp: (c₀(¼s), ½·c₁(¼s)·θu),
/// - Log: 2·atan2(|v|, w)·v/|v|, of −q if w < 0, and of any length of q,
/// - a point p: p + 2w·(v × p) + 2·v × (v × p),
/// - matrix and adjoint: 1 + 2w·V + 2·V² with the matrix V of the cross product with v,
/// - left Jacobian: 1 + c₂·K + c₃·K²,
/// - its inverse: 1 − ½K + (1 − ½θ·cot ½θ)/θ²·K².
///
/// # Source
/// Solà, Deray and Atchuthan, *A micro Lie theory for state estimation in robotics*, 2018, appendix B.
///
/// # Example
/// The distance of two rotations, which has a gradient also where they are equal:
/// ```
/// use ndarray::array;
/// use pullback::{DType, Graph, lie::{LieGroup, So3}};
/// let g = Graph::new();
/// let tangent = g.input_of(DType::F64, "tangent", (3,));
/// let rotation = So3::new(g.constant(array![0.5, 0.5, 0.5, 0.5]));
/// let distance = rotation.plus(tangent).minus(rotation).square().sum();
/// let gradient = g.gradient(distance, tangent);
/// let mut program = g.compile([("gradient", gradient), ("curvature", g.gradient(gradient.sum(), tangent))])?;
/// let out = program.call(("tangent", [0.0, 0.0, 0.0]))?;
/// assert_eq!(out["gradient"], array![0.0, 0.0, 0.0].into());
/// assert_eq!(out["curvature"], array![2.0, 2.0, 2.0].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("quaternion", "rotation"))]
#[derive(Clone, Copy, Debug)]
pub struct So3<'g> {
    coordinates: Expr<'g>,
}

/// How many terms of arctan t/t = Σ (−1)ᵏ·t²ᵏ/(2k + 1) are added up for t ≤ tan π/16: the first that is left out is below 10⁻¹⁸.
const N_TERMS: u32 = 12;

impl<'g> So3<'g> {
    /// The real and the imaginary part.
    fn quaternion(self) -> [Expr<'g>; 2] {
        parts(self.coordinates, [1, 3])
    }

    /// The vector, turned by this rotation.
    pub(super) fn turn(self, point: Expr<'g>) -> Expr<'g> {
        let [w, v] = self.quaternion();
        let moved = cross(v, point);
        point + 2.0 * (w * moved + cross(v, moved))
    }
}

/// 2·atan2(n, w)/n for w ≥ 0 and n² = `square` ≥ 0, where (w, n) need not have length 1.
///
/// The angle is 16 times that whose tangent is t after three steps, t = n·h₁·h₂·h₃, and the series is that of arctan t/t.
fn angle_over_sine<'g>(w: Expr<'g>, square: Expr<'g>) -> Expr<'g> {
    let first = 1.0 / (w + (w.square() + square).sqrt());
    let mut factor = first;
    let mut tangent_square = square * first.square();
    for _ in 0..2 {
        let step = 1.0 / (1.0 + (1.0 + tangent_square).sqrt());
        tangent_square *= step.square();
        factor *= step;
    }
    let coefficient = |k: u32| {
        let magnitude = 1.0 / f64::from(2 * k + 1);
        if k.is_multiple_of(2) { magnitude } else { -magnitude }
    };
    let series = (0..N_TERMS - 1)
        .rev()
        .fold(tangent_square.full_like(coefficient(N_TERMS - 1)), |sum, k| sum * tangent_square + coefficient(k));
    16.0 * factor * series
}

impl<'g> LieGroup<'g> for So3<'g> {
    const N_COORDINATES: usize = 4;
    const N_TANGENT: usize = 3;
    const N_POINT: usize = 3;

    #[track_caller]
    fn new(coordinates: Expr<'g>) -> Self {
        let _frame = coordinates.enter("new");
        So3 { coordinates: checked(coordinates, "a rotation of space", Self::N_COORDINATES) }
    }

    fn coordinates(self) -> Expr<'g> {
        self.coordinates
    }

    #[track_caller]
    fn exp(tangent: Expr<'g>) -> Self {
        let _frame = tangent.enter("exp");
        let tangent = checked(tangent, "a tangent of SO(3)", Self::N_TANGENT);
        let quarter = 0.25 * inner(tangent, tangent);
        So3 { coordinates: vector([quarter.stumpff(0), 0.5 * quarter.stumpff(1) * tangent]) }
    }

    #[track_caller]
    fn log(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("log");
        let [w, v] = self.quaternion();
        let is_longer = w.less(0.0);
        let (w, v) = (is_longer.select(-w, w), is_longer.select(-v, v));
        angle_over_sine(w, inner(v, v)) * v
    }

    #[track_caller]
    fn compose(self, other: Self) -> Self {
        let _frame = self.coordinates.enter("compose");
        let [first, second] = paired(self.coordinates, other.coordinates).map(|coordinates| So3 { coordinates });
        let ([a, u], [b, v]) = (first.quaternion(), second.quaternion());
        So3 { coordinates: vector([a * b - inner(u, v), a * v + b * u + cross(u, v)]) }
    }

    #[track_caller]
    fn inverse(self) -> Self {
        let _frame = self.coordinates.enter("inverse");
        let [w, v] = self.quaternion();
        So3 { coordinates: vector([w, -v]) }
    }

    #[track_caller]
    fn act(self, point: Expr<'g>) -> Expr<'g> {
        let _frame = self.coordinates.enter("act");
        let [coordinates, point] = paired(self.coordinates, checked(point, "a point", Self::N_POINT));
        So3 { coordinates }.turn(point)
    }

    #[track_caller]
    fn matrix(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("matrix");
        let [w, v] = self.quaternion();
        let k = cross_matrix(v);
        v.graph().eye(3, v.dtype()) + 2.0 * (of_matrices(w) * k + k.dot(k))
    }

    #[track_caller]
    fn adjoint(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("adjoint");
        self.matrix()
    }

    #[track_caller]
    fn left_jacobian(tangent: Expr<'g>) -> Expr<'g> {
        let _frame = tangent.enter("left_jacobian");
        let tangent = checked(tangent, "a tangent of SO(3)", Self::N_TANGENT);
        let (s, k) = (of_matrices(inner(tangent, tangent)), cross_matrix(tangent));
        tangent.graph().eye(3, tangent.dtype()) + s.stumpff(2) * k + s.stumpff(3) * k.dot(k)
    }

    #[track_caller]
    fn left_jacobian_inverse(tangent: Expr<'g>) -> Expr<'g> {
        let _frame = tangent.enter("left_jacobian_inverse");
        let tangent = checked(tangent, "a tangent of SO(3)", Self::N_TANGENT);
        let (s, k) = (of_matrices(inner(tangent, tangent)), cross_matrix(tangent));
        tangent.graph().eye(3, tangent.dtype()) - 0.5 * k + inverse_term(s) * k.dot(k)
    }
}

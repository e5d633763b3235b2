//! Rigid motions of space. In and out: what [`LieGroup`] says.

use super::{
    group::LieGroup,
    parts::{blocks, checked, cross, cross_matrix, inner, inverse_term, of_matrices, paired, parts, vector},
    so3::So3,
};
use crate::graph::Expr;

/// A rigid motion of space, by a translation t after a rotation: (t, w, x, y, z) with the unit quaternion of [`So3`].
///
/// With τ = (ρ, θ), θ now a vector, s = θ·θ, the Stumpff functions cₖ = cₖ(s), the matrices P and K of the cross products with ρ and θ,
/// and the left Jacobian J of SO(3):
///
/// - Exp: t = J·ρ = ρ + c₂·θ × ρ + c₃·θ × (θ × ρ),
/// - Log: ρ = J⁻¹·t,
/// - adjoint: the blocks (R, TR; 0, R) with the matrices R of the rotation and T of the cross product with t,
/// - left Jacobian: the blocks (J, Q; 0, J) with Q = ½P + c₃·(KP + PK + KPK) + c₄·(K²P + PK² − 3·KPK) + ½(c₄ − 3c₅)·(KPK² + K²PK),
/// - its inverse: the blocks (J⁻¹, −J⁻¹QJ⁻¹; 0, J⁻¹).
///
/// # Source
/// Solà, Deray and Atchuthan, *A micro Lie theory for state estimation in robotics*, 2018, appendix D; for Q, Barfoot and Furgale,
/// *Associating uncertainty with three-dimensional poses for use in estimation problems*, 2014, eq. 102.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, lie::{LieGroup, Se3}};
/// let g = Graph::new();
/// let tangents = g.input_of(DType::F64, "tangents", ("n", 6));
/// let points = Se3::exp(tangents).act(g.input_of(DType::F64, "points", ("n", 3)));
/// let jacobians = Se3::right_jacobian(tangents);
/// assert_eq!((points.shape().to_string(), jacobians.shape().to_string()), ("[n, 3]".into(), "[n, 6, 6]".into()));
/// ```
#[doc(alias("pose", "isometry", "transform"))]
#[derive(Clone, Copy, Debug)]
pub struct Se3<'g> {
    coordinates: Expr<'g>,
}

impl<'g> Se3<'g> {
    /// The translation.
    ///
    /// # Shapes
    /// → `[…, 3]`.
    #[track_caller]
    pub fn translation(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("translation");
        let [translation, _] = parts(self.coordinates, [3, 4]);
        translation
    }

    /// The rotation.
    #[track_caller]
    pub fn rotation(self) -> So3<'g> {
        let _frame = self.coordinates.enter("rotation");
        let [_, rotation] = parts(self.coordinates, [3, 4]);
        So3::new(rotation)
    }

    fn of(translation: Expr<'g>, rotation: So3<'g>) -> Se3<'g> {
        Se3 { coordinates: vector([translation, rotation.coordinates()]) }
    }
}

/// The upper right block of the left Jacobian.
fn coupling<'g>(translation: Expr<'g>, angle: Expr<'g>) -> Expr<'g> {
    let (p, k) = (cross_matrix(translation), cross_matrix(angle));
    let s = of_matrices(inner(angle, angle));
    let [kp, pk] = [k.dot(p), p.dot(k)];
    let kpk = kp.dot(k);
    let (c4, c5) = (s.stumpff(4), s.stumpff(5));
    0.5 * p
        + s.stumpff(3) * (kp + pk + kpk)
        + c4 * (k.dot(kp) + pk.dot(k) - 3.0 * kpk)
        + 0.5 * (c4 - 3.0 * c5) * (kpk.dot(k) + k.dot(kpk))
}

impl<'g> LieGroup<'g> for Se3<'g> {
    const N_COORDINATES: usize = 7;
    const N_TANGENT: usize = 6;
    const N_POINT: usize = 3;

    #[track_caller]
    fn new(coordinates: Expr<'g>) -> Self {
        let _frame = coordinates.enter("new");
        Se3 { coordinates: checked(coordinates, "a motion of space", Self::N_COORDINATES) }
    }

    fn coordinates(self) -> Expr<'g> {
        self.coordinates
    }

    #[track_caller]
    fn exp(tangent: Expr<'g>) -> Self {
        let _frame = tangent.enter("exp");
        let [translation, angle] = parts(checked(tangent, "a tangent of SE(3)", Self::N_TANGENT), [3, 3]);
        let s = inner(angle, angle);
        let moved = cross(angle, translation);
        Se3::of(translation + s.stumpff(2) * moved + s.stumpff(3) * cross(angle, moved), So3::exp(angle))
    }

    #[track_caller]
    fn log(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("log");
        let (translation, angle) = (self.translation(), self.rotation().log());
        let moved = cross(angle, translation);
        let term = inverse_term(inner(angle, angle));
        vector([translation - 0.5 * moved + term * cross(angle, moved), angle])
    }

    #[track_caller]
    fn compose(self, other: Self) -> Self {
        let _frame = self.coordinates.enter("compose");
        let [first, second] = paired(self.coordinates, other.coordinates).map(|coordinates| Se3 { coordinates });
        let rotation = first.rotation();
        Se3::of(first.translation() + rotation.turn(second.translation()), rotation.compose(second.rotation()))
    }

    #[track_caller]
    fn inverse(self) -> Self {
        let _frame = self.coordinates.enter("inverse");
        let rotation = self.rotation().inverse();
        Se3::of(-rotation.turn(self.translation()), rotation)
    }

    #[track_caller]
    fn act(self, point: Expr<'g>) -> Expr<'g> {
        let _frame = self.coordinates.enter("act");
        let [coordinates, point] = paired(self.coordinates, checked(point, "a point", Self::N_POINT));
        let motion = Se3 { coordinates };
        motion.rotation().turn(point) + motion.translation()
    }

    #[track_caller]
    fn matrix(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("matrix");
        let translation = self.translation();
        let [first, _] = parts(self.coordinates, [1, 6]);
        let last_row = [translation.zeros_like().unsqueeze(-2), of_matrices(first.ones_like())];
        blocks([[self.rotation().matrix(), translation.unsqueeze(-1)], last_row])
    }

    #[track_caller]
    fn adjoint(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("adjoint");
        let rotation = self.rotation().matrix();
        let moved = cross_matrix(self.translation()).dot(rotation);
        blocks([[rotation, moved], [rotation.zeros_like(), rotation]])
    }

    #[track_caller]
    fn left_jacobian(tangent: Expr<'g>) -> Expr<'g> {
        let _frame = tangent.enter("left_jacobian");
        let [translation, angle] = parts(checked(tangent, "a tangent of SE(3)", Self::N_TANGENT), [3, 3]);
        let jacobian = So3::left_jacobian(angle);
        blocks([[jacobian, coupling(translation, angle)], [jacobian.zeros_like(), jacobian]])
    }

    #[track_caller]
    fn left_jacobian_inverse(tangent: Expr<'g>) -> Expr<'g> {
        let _frame = tangent.enter("left_jacobian_inverse");
        let [translation, angle] = parts(checked(tangent, "a tangent of SE(3)", Self::N_TANGENT), [3, 3]);
        let inverse = So3::left_jacobian_inverse(angle);
        let coupling = -inverse.dot(coupling(translation, angle)).dot(inverse);
        blocks([[inverse, coupling], [inverse.zeros_like(), inverse]])
    }
}

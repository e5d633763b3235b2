//! Rigid motions of the plane. In and out: what [`LieGroup`] says.

use super::{
    group::LieGroup,
    parts::{checked, matrix, paired, parts, vector},
    so2::{So2, quarter_turn},
};
use crate::graph::Expr;

/// A rigid motion of the plane, by a translation t after a rotation by θ: (t, cos θ, sin θ).
///
/// With τ = (ρ, θ), s = θ², the Stumpff functions cₖ = cₖ(s), a = ½θ·cot ½θ and J·(x, y) = (−y, x):
///
/// - Exp: t = c₁·ρ + θc₂·Jρ,
/// - Log: ρ = a·t − ½θ·Jt,
/// - adjoint: the rotation, beside it −Jt, and 1,
/// - left Jacobian: c₁ + θc₂·J, beside it θc₃·ρ − c₂·Jρ, and 1,
/// - its inverse: a − ½θ·J, beside it minus that times the column, and 1.
///
/// # Source
/// Solà, Deray and Atchuthan, *A micro Lie theory for state estimation in robotics*, 2018, appendix C.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, lie::{LieGroup, Se2}};
/// let g = Graph::new();
/// let tangent = g.input_of(DType::F64, "tangent", (3,));
/// let pose = Se2::exp(tangent).coordinates();
/// let mut program = g.compile([("pose", pose), ("by angle", g.gradient(pose.slice(1), tangent))])?;
/// let out = program.call(("tangent", [2.0, 0.0, 0.0]))?;
/// assert_eq!(out["pose"], ndarray::array![2.0, 0.0, 1.0, 0.0].into());
/// assert_eq!(out["by angle"], ndarray::array![0.0, 1.0, 1.0].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("pose", "isometry"))]
#[derive(Clone, Copy, Debug)]
pub struct Se2<'g> {
    coordinates: Expr<'g>,
}

impl<'g> Se2<'g> {
    /// The translation.
    ///
    /// # Shapes
    /// → `[…, 2]`.
    #[track_caller]
    pub fn translation(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("translation");
        let [translation, _] = parts(self.coordinates, [2, 2]);
        translation
    }

    /// The rotation.
    #[track_caller]
    pub fn rotation(self) -> So2<'g> {
        let _frame = self.coordinates.enter("rotation");
        let [_, rotation] = parts(self.coordinates, [2, 2]);
        So2::new(rotation)
    }

    fn of(translation: Expr<'g>, rotation: So2<'g>) -> Se2<'g> {
        Se2 { coordinates: vector([translation, rotation.coordinates()]) }
    }
}

/// ½θ·cot ½θ of θ.
fn half_cotangent<'g>(angle: Expr<'g>) -> Expr<'g> {
    let quarter = 0.25 * angle.square();
    quarter.stumpff(0) / quarter.stumpff(1)
}

/// The third column of the left Jacobian, without its 1.
fn column<'g>(translation: Expr<'g>, angle: Expr<'g>) -> [Expr<'g>; 2] {
    let s = angle.square();
    parts(angle * s.stumpff(3) * translation - s.stumpff(2) * quarter_turn(translation), [1, 1])
}

impl<'g> LieGroup<'g> for Se2<'g> {
    const N_COORDINATES: usize = 4;
    const N_TANGENT: usize = 3;
    const N_POINT: usize = 2;

    #[track_caller]
    fn new(coordinates: Expr<'g>) -> Self {
        let _frame = coordinates.enter("new");
        Se2 { coordinates: checked(coordinates, "a motion of the plane", Self::N_COORDINATES) }
    }

    fn coordinates(self) -> Expr<'g> {
        self.coordinates
    }

    #[track_caller]
    fn exp(tangent: Expr<'g>) -> Self {
        let _frame = tangent.enter("exp");
        let [translation, angle] = parts(checked(tangent, "a tangent of SE(2)", Self::N_TANGENT), [2, 1]);
        let s = angle.square();
        let moved = s.stumpff(1) * translation + angle * s.stumpff(2) * quarter_turn(translation);
        Se2::of(moved, So2::exp(angle))
    }

    #[track_caller]
    fn log(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("log");
        let (translation, angle) = (self.translation(), self.rotation().log());
        vector([half_cotangent(angle) * translation - 0.5 * angle * quarter_turn(translation), angle])
    }

    #[track_caller]
    fn compose(self, other: Self) -> Self {
        let _frame = self.coordinates.enter("compose");
        let [first, second] = paired(self.coordinates, other.coordinates).map(|coordinates| Se2 { coordinates });
        let rotation = first.rotation();
        Se2::of(first.translation() + rotation.turn(second.translation()), rotation.compose(second.rotation()))
    }

    #[track_caller]
    fn inverse(self) -> Self {
        let _frame = self.coordinates.enter("inverse");
        let rotation = self.rotation().inverse();
        Se2::of(-rotation.turn(self.translation()), rotation)
    }

    #[track_caller]
    fn act(self, point: Expr<'g>) -> Expr<'g> {
        let _frame = self.coordinates.enter("act");
        let [coordinates, point] = paired(self.coordinates, checked(point, "a point", Self::N_POINT));
        let motion = Se2 { coordinates };
        motion.rotation().turn(point) + motion.translation()
    }

    #[track_caller]
    fn matrix(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("matrix");
        let [x, y, cosine, sine] = parts(self.coordinates, [1, 1, 1, 1]);
        let (zero, one) = (x.zeros_like(), x.ones_like());
        matrix([[cosine, -sine, x], [sine, cosine, y], [zero, zero, one]])
    }

    #[track_caller]
    fn adjoint(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("adjoint");
        let [x, y, cosine, sine] = parts(self.coordinates, [1, 1, 1, 1]);
        let (zero, one) = (x.zeros_like(), x.ones_like());
        matrix([[cosine, -sine, y], [sine, cosine, -x], [zero, zero, one]])
    }

    #[track_caller]
    fn left_jacobian(tangent: Expr<'g>) -> Expr<'g> {
        let _frame = tangent.enter("left_jacobian");
        let [translation, angle] = parts(checked(tangent, "a tangent of SE(2)", Self::N_TANGENT), [2, 1]);
        let [x, y] = column(translation, angle);
        let s = angle.square();
        let (cosine, sine) = (s.stumpff(1), angle * s.stumpff(2));
        let (zero, one) = (x.zeros_like(), x.ones_like());
        matrix([[cosine, -sine, x], [sine, cosine, y], [zero, zero, one]])
    }

    #[track_caller]
    fn left_jacobian_inverse(tangent: Expr<'g>) -> Expr<'g> {
        let _frame = tangent.enter("left_jacobian_inverse");
        let [translation, angle] = parts(checked(tangent, "a tangent of SE(2)", Self::N_TANGENT), [2, 1]);
        let [x, y] = column(translation, angle);
        let (cosine, sine) = (half_cotangent(angle), 0.5 * angle);
        let (zero, one) = (x.zeros_like(), x.ones_like());
        matrix([[cosine, sine, -(cosine * x + sine * y)], [-sine, cosine, sine * x - cosine * y], [zero, zero, one]])
    }
}

//! Rotations of the plane. In and out: what [`LieGroup`] says.

use super::{
    group::LieGroup,
    parts::{checked, matrix, paired, parts, vector},
};
use crate::graph::Expr;

/// A rotation of the plane by θ: the unit complex number (cos θ, sin θ). Exp(θ) is that, and Log is atan2; the adjoint and the Jacobians are
/// the matrix (1).
///
/// # Source
/// Solà, Deray and Atchuthan, *A micro Lie theory for state estimation in robotics*, 2018, appendix A.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, lie::{LieGroup, So2}};
/// let g = Graph::new();
/// let angles = g.input_of(DType::F64, "angles", (2, 1));
/// let [a, b] = [0, 1].map(|row| So2::exp(angles.slice(row)));
/// let mut program = g.compile([("difference", a.minus(b))])?;
/// let out = program.call(("angles", ndarray::array![[3.0], [-3.0]]))?;
/// let difference = out.array::<f64, ndarray::Ix1>("difference")?[0];
/// assert!((difference - (6.0 - std::f64::consts::TAU)).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct So2<'g> {
    coordinates: Expr<'g>,
}

impl<'g> So2<'g> {
    /// The vector, turned by this rotation: that of a complex product.
    pub(super) fn turn(self, v: Expr<'g>) -> Expr<'g> {
        let [cosine, sine] = parts(self.coordinates, [1, 1]);
        cosine * v + sine * quarter_turn(v)
    }
}

/// (−y, x) of (x, y).
pub(super) fn quarter_turn<'g>(v: Expr<'g>) -> Expr<'g> {
    let [x, y] = parts(v, [1, 1]);
    vector([-y, x])
}

impl<'g> LieGroup<'g> for So2<'g> {
    const N_COORDINATES: usize = 2;
    const N_TANGENT: usize = 1;
    const N_POINT: usize = 2;

    #[track_caller]
    fn new(coordinates: Expr<'g>) -> Self {
        let _frame = coordinates.enter("new");
        So2 { coordinates: checked(coordinates, "a rotation of the plane", Self::N_COORDINATES) }
    }

    fn coordinates(self) -> Expr<'g> {
        self.coordinates
    }

    #[track_caller]
    fn exp(tangent: Expr<'g>) -> Self {
        let _frame = tangent.enter("exp");
        let angle = checked(tangent, "a tangent of SO(2)", Self::N_TANGENT);
        So2 { coordinates: vector([angle.cos(), angle.sin()]) }
    }

    #[track_caller]
    fn log(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("log");
        let [cosine, sine] = parts(self.coordinates, [1, 1]);
        sine.atan2(cosine)
    }

    #[track_caller]
    fn compose(self, other: Self) -> Self {
        let _frame = self.coordinates.enter("compose");
        let [first, second] = paired(self.coordinates, other.coordinates).map(|coordinates| So2 { coordinates });
        So2 { coordinates: first.turn(second.coordinates) }
    }

    #[track_caller]
    fn inverse(self) -> Self {
        let _frame = self.coordinates.enter("inverse");
        let [cosine, sine] = parts(self.coordinates, [1, 1]);
        So2 { coordinates: vector([cosine, -sine]) }
    }

    #[track_caller]
    fn act(self, point: Expr<'g>) -> Expr<'g> {
        let _frame = self.coordinates.enter("act");
        let [coordinates, point] = paired(self.coordinates, checked(point, "a point", Self::N_POINT));
        So2 { coordinates }.turn(point)
    }

    #[track_caller]
    fn matrix(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("matrix");
        let [cosine, sine] = parts(self.coordinates, [1, 1]);
        matrix([[cosine, -sine], [sine, cosine]])
    }

    #[track_caller]
    fn adjoint(self) -> Expr<'g> {
        let _frame = self.coordinates.enter("adjoint");
        let [cosine, _] = parts(self.coordinates, [1, 1]);
        matrix([[cosine.ones_like()]])
    }

    #[track_caller]
    fn left_jacobian(tangent: Expr<'g>) -> Expr<'g> {
        let _frame = tangent.enter("left_jacobian");
        matrix([[checked(tangent, "a tangent of SO(2)", Self::N_TANGENT).ones_like()]])
    }

    #[track_caller]
    fn left_jacobian_inverse(tangent: Expr<'g>) -> Expr<'g> {
        let _frame = tangent.enter("left_jacobian_inverse");
        Self::left_jacobian(tangent)
    }
}

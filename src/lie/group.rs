//! What every group has. In: coordinates and tangents. Out: the same, and matrices; the formulas are in the file of each group.

use crate::graph::Expr;

/// An element of a Lie group, or a batch of them: a handle of its coordinates. [The module](crate::lie) has the conventions, shapes and
/// errors of all methods.
///
/// # Source
/// Solà, Deray and Atchuthan, *A micro Lie theory for state estimation in robotics*, 2018, arXiv 1812.01537, of which each method names
/// the section.
pub trait LieGroup<'g>: Copy {
    /// The size of the last axis of coordinates.
    const N_COORDINATES: usize;
    /// The size of the last axis of tangents: the degrees of freedom.
    const N_TANGENT: usize;
    /// The size of the last axis of points.
    const N_POINT: usize;

    /// The element with these coordinates, which are taken as they are.
    ///
    /// # Shapes
    /// `[…, N_COORDINATES]`.
    ///
    /// # Errors
    /// An error is recorded if the coordinates are no floats, or if their last axis has another size.
    #[track_caller]
    fn new(coordinates: Expr<'g>) -> Self;

    /// The coordinates.
    ///
    /// # Shapes
    /// `[…, N_COORDINATES]`.
    fn coordinates(self) -> Expr<'g>;

    /// The element that is reached from the identity along a tangent (section II-D).
    ///
    /// # Shapes
    /// `[…, N_TANGENT]`.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, lie::{LieGroup, So3}};
    /// let g = Graph::new();
    /// let tangent = g.input_of(DType::F64, "tangent", (3,));
    /// let corner = So3::exp(tangent).coordinates().slice(1);
    /// let mut program = g.compile([("slope", g.gradient(corner, tangent))])?;
    /// let out = program.call(("tangent", [0.0, 0.0, 0.0]))?;
    /// assert_eq!(out["slope"], ndarray::array![0.5, 0.0, 0.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    fn exp(tangent: Expr<'g>) -> Self;

    /// The tangent along which this is reached from the identity, the shortest there is: its angle is in [0, π], or in [−π, π] in
    /// the plane (section II-D). At half a turn, where two are shortest, it is one of them, with the derivative of that one.
    ///
    /// # Shapes
    /// → `[…, N_TANGENT]`.
    #[track_caller]
    fn log(self) -> Expr<'g>;

    /// The product of this and another element, which acts first (section II-A).
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, lie::{LieGroup, So2}};
    /// let g = Graph::new();
    /// let (a, b) = (g.input_of(DType::F64, "a", ("n", 1)), g.input_of(DType::F64, "b", (1,)));
    /// let angle = So2::exp(a).compose(So2::exp(b)).log();
    /// assert_eq!(angle.shape().to_string(), "[n, 1]");
    /// ```
    #[doc(alias("mul", "multiply"))]
    #[track_caller]
    fn compose(self, other: Self) -> Self;

    /// The element whose product with this is the identity (section II-A).
    #[track_caller]
    fn inverse(self) -> Self;

    /// A point, moved by this element (section II-B).
    ///
    /// # Shapes
    /// point: `[…, N_POINT]` → `[…, N_POINT]`.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph, lie::{LieGroup, Se3}};
    /// let g = Graph::new();
    /// let pose = Se3::new(g.constant(array![1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 1.0]));
    /// let point = g.input_of(DType::F64, "point", (3,));
    /// let out = g.compile([("moved", pose.act(point))])?.call(("point", [1.0, 1.0, 1.0]))?;
    /// assert_eq!(out["moved"], array![0.0, 1.0, 4.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "transform")]
    #[track_caller]
    fn act(self, point: Expr<'g>) -> Expr<'g>;

    /// The matrix of this element, of a rotation or of a motion in homogeneous coordinates.
    ///
    /// # Shapes
    /// → `[…, N_POINT, N_POINT]` of a rotation, one more of a motion.
    #[track_caller]
    fn matrix(self) -> Expr<'g>;

    /// The matrix that takes a tangent at this element to that at the identity: X∘Exp(τ) = Exp(Ad·τ)∘X (section II-F).
    ///
    /// # Shapes
    /// → `[…, N_TANGENT, N_TANGENT]`.
    #[track_caller]
    fn adjoint(self) -> Expr<'g>;

    /// The matrix J with Exp(τ + δ) ≈ Exp(J·δ)∘Exp(τ) for a small δ (section II-G).
    ///
    /// # Shapes
    /// tangent: `[…, N_TANGENT]` → `[…, N_TANGENT, N_TANGENT]`.
    #[track_caller]
    fn left_jacobian(tangent: Expr<'g>) -> Expr<'g>;

    /// The inverse of [`LieGroup::left_jacobian`], for angles below 2π.
    ///
    /// # Shapes
    /// tangent: `[…, N_TANGENT]` → `[…, N_TANGENT, N_TANGENT]`.
    #[track_caller]
    fn left_jacobian_inverse(tangent: Expr<'g>) -> Expr<'g>;

    /// The matrix J with Exp(τ + δ) ≈ Exp(τ)∘Exp(J·δ) for a small δ (section II-G).
    ///
    /// # Shapes
    /// tangent: `[…, N_TANGENT]` → `[…, N_TANGENT, N_TANGENT]`.
    #[track_caller]
    fn right_jacobian(tangent: Expr<'g>) -> Expr<'g> {
        let _frame = tangent.enter("right_jacobian");
        Self::left_jacobian(-tangent)
    }

    /// The inverse of [`LieGroup::right_jacobian`], for angles below 2π.
    ///
    /// # Shapes
    /// tangent: `[…, N_TANGENT]` → `[…, N_TANGENT, N_TANGENT]`.
    #[track_caller]
    fn right_jacobian_inverse(tangent: Expr<'g>) -> Expr<'g> {
        let _frame = tangent.enter("right_jacobian_inverse");
        Self::left_jacobian_inverse(-tangent)
    }

    /// X ⊕ τ: this element, moved on by a tangent at it (section II-E).
    ///
    /// # Shapes
    /// tangent: `[…, N_TANGENT]`.
    ///
    /// # Example
    /// A step of an optimizer on a rotation, of which the gradient is by a tangent of 0:
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph, lie::{LieGroup, So3}};
    /// let g = Graph::new();
    /// let tangent = g.input_of(DType::F64, "tangent", (3,));
    /// let (from, to) = (g.constant(array![1.0, 0.0, 0.0]), g.constant(array![0.0, 1.0, 0.0]));
    /// let loss = (So3::new(g.constant(array![1.0, 0.0, 0.0, 0.0])).plus(tangent).act(from) * to).sum();
    /// let mut program = g.compile([("gradient", g.gradient(loss, tangent))])?;
    /// assert_eq!(program.call(("tangent", [0.0; 3]))?["gradient"], array![0.0, 0.0, 1.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("retract", "boxplus"))]
    #[track_caller]
    fn plus(self, tangent: Expr<'g>) -> Self {
        let _frame = tangent.enter("plus");
        self.compose(Self::exp(tangent))
    }

    /// Y ⊖ X, of this element Y and another X: the tangent at X that leads to this (section II-E).
    ///
    /// # Shapes
    /// → `[…, N_TANGENT]`.
    #[doc(alias("local", "boxminus"))]
    #[track_caller]
    fn minus(self, other: Self) -> Expr<'g> {
        let _frame = self.coordinates().enter("minus");
        other.inverse().compose(self).log()
    }
}

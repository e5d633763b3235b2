//! Lie groups of rotations and rigid motions in the plane and in space: SO(2), SO(3), SE(2), SE(3).
//!
//! In: expressions whose last axis has the coordinates of an element or of a tangent. Out: elements, tangents, points, and
//! matrices. They are composites of elementwise functions and products: nothing here holds an array or has a derivative of its own.
//!
//! # Conventions
//! Those of Solà, Deray and Atchuthan, *A micro Lie theory for state estimation in robotics*, 2018 (arXiv 1812.01537): tangents are
//! on the right, X ⊕ τ = X∘Exp(τ) and Y ⊖ X = Log(X⁻¹∘Y), translations come before rotations, and quaternions are those of Hamilton.
//!
//! | group | coordinates of an element | tangent | acts on |
//! |---|---|---|---|
//! | [`So2`] | cos θ, sin θ | θ | points of the plane |
//! | [`So3`] | w, x, y, z of a unit quaternion | θ·u, for the angle θ and the axis u | points of space |
//! | [`Se2`] | translation (2), cos θ, sin θ | ρ (2), θ | points of the plane |
//! | [`Se3`] | translation (3), w, x, y, z | ρ (3), θ·u (3) | points of space |
//!
//! A rotation of space is a unit quaternion and not a matrix, because its logarithm is then exact up to half a turn: it is
//! 2·atan2(|v|, w)·v/|v| of the quaternion (w, v), while in a matrix the axis is what is left of terms that cancel near θ = π. It is 4
//! numbers in place of 9, and products of quaternions leave the group by the length alone, on which the logarithm does not depend.
//! [`LieGroup::matrix`] gives the matrix. q and −q are the same rotation, and the logarithm is the shorter one, with θ in [0, π].
//!
//! # Shapes
//! Leading axes are batches, aligned at the end and broadcast as those of elementwise operations.
//!
//! # Exact at 0 and at π
//! There is no threshold below which a formula is replaced by an approximation. What is written sin θ/θ, (1 − cos θ)/θ² or
//! (θ − sin θ)/θ³ is a function of s = θ², the Stumpff function [`Expr::stumpff`](crate::Expr::stumpff) of order 1, 2 or 3, which is
//! an entire function of s with derivatives of the same kind: at θ = 0 as anywhere, values and derivatives of every order have a
//! relative error of a few units in the last place, and none is 0/0. The other functions of the angle are made of these without
//! cancellation:
//!
//! - ½θ·cot ½θ = c₀(¼s)/c₁(¼s), for the logarithm of a motion of the plane,
//! - (1 − ½θ·cot ½θ)/θ² = (c₂(¼s) − c₃(¼s))/(4·c₁(¼s)), for the inverse Jacobians, because c₁ − c₀ = s·(c₂ − c₃): at s = 0 it is
//!   (1/2 − 1/6)/4, and up to θ = π the difference keeps more than half of its first term.
//! - θ/|v| for the logarithm of a quaternion: by the tangents of the half, the quarter and the eighth of half the angle. From
//!   tan α to tan ½α it is t/(1 + √(1 + t²)), a smooth function of t² in which nothing cancels; after three steps α is at most π/16,
//!   where t² < 0.04 and the series of arctan t/t to t²² leaves out less than 10⁻¹⁸. It is one formula for all angles.
//!
//! Inverse Jacobians are infinite at θ = 2π and have no meaning beyond.
//!
//! # Errors
//! An error is recorded, at the line of the call, if an operand is no float, if its last axis has not the size of the table, or if two
//! dtypes or batches do not go together. That a quaternion has length 1 is not checked.
//!
//! # Example
//! Half of a motion, and how the end of it moves with its tangent:
//! ```
//! use ndarray::{Ix1, array};
//! use pullback::{DType, Graph, lie::{LieGroup, Se2}};
//! let g = Graph::new();
//! let (motion, point) = (g.input_of(DType::F64, "motion", (4,)), g.input_of(DType::F64, "point", (2,)));
//! let half = Se2::exp(0.5 * Se2::new(motion).log());
//! let mut program = g.compile([("moved", half.act(point)), ("whole", half.compose(half).coordinates())])?;
//! let motion = array![3.0, 1.0, 0.0, 1.0];
//! let out = program.call((("motion", &motion), ("point", &array![1.0, 0.0])))?;
//! let whole = out.array::<f64, Ix1>("whole")?;
//! assert!(whole.iter().zip(&motion).all(|(found, expected)| (found - expected).abs() < 1e-14));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod group;
mod parts;
mod se2;
mod se3;
mod so2;
mod so3;

pub use group::LieGroup;
pub use se2::Se2;
pub use se3::Se3;
pub use so2::So2;
pub use so3::So3;

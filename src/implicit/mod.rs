//! Derivatives of what an equation defines: roots, fixed points, minimizers and solutions of linear systems, by the implicit
//! function theorem in place of the derivative of the iterations that found them.
//!
//! In: a guess or a solution, and a closure that says of what. Out: the solution as an expression with its derivative, and beside
//! it what tells how far to believe it. They are composites: nothing here holds an array, and no primitive is added.
//!
//! # The derivative
//! With F(z, θ) = 0 and J = ∂F/∂z, which is not singular,
//!
//! J·ż = −(∂F/∂θ)·θ̇,
//!
//! where θ is everything that the closure reads from outside: inputs, parameters, what was computed of them, arguments of the loop
//! or batch around it. Nobody lists it. This is one linearization by [`Graph::with_derivative`](crate::Graph::with_derivative);
//! reverse mode is its transpose, one solution with Jᵀ. J and ∂F/∂θ are written at the solution that has this derivative, so that
//! the second derivative is right, and any other. It does not depend on how z was found: the loop is not differentiated, keeps no
//! carries, and needs no bound; the guess has no influence.
//!
//! # What is reported
//! | | what it is | where it is bad |
//! |---|---|---|
//! | [`Solution::residual`] | the greatest \|Fᵢ\| at the solution | it is large: z solves nothing, and the derivative is of something else |
//! | [`Solution::reciprocal_condition`] | 1/(‖J‖₁·‖J⁻¹‖₁), from 0 to 1 | below ε of the dtype J cannot be told from a singular matrix; −log₁₀ of it is about how many digits z and its derivative lose |
//! | [`Solution::iterations`] | how many the loop took | it is the number allowed |
//!
//! These are expressions without a derivative; they cost nothing unless they are among the results of a program.
//!
//! **What did not converge is NaN**, and so is its derivative: a loop that took all iterations it had, or met an infinity or a NaN,
//! gives no number that could be taken for a solution. **Where J is singular** the derivative does not exist; elimination divides
//! by a pivot of 0, which gives infinities and NaN, or by one of the size of rounding, which gives numbers of the size of 1/ε and a
//! reciprocal condition below ε. Near a double root Newton's method only halves the error in each step: there are some forty of
//! them. The condition of an equation in one unknown is 1 however small J is.
//!
//! # Shapes
//! z has any shape, symbols among its sizes too, and is one array of f32 or f64; several unknowns are parts of one vector. J is a
//! dense matrix of n² elements, n the number of elements of z; it is factored once for a derivative, in f64 for both dtypes. Where
//! it is too large for that, [`linear_solve`] takes products with it alone.
//!
//! # Batches
//! All of this may stand inside of [`Graph::vmap`](crate::Graph::vmap), `scan` or `cond`. In a batch the iterations go on until the
//! last example has converged, and each keeps the values it had when it did.
//!
//! # Source
//! Griewank and Walther, *Evaluating Derivatives*, 2nd edition, 2008, section 15.1; Blondel and others, *Efficient and modular
//! implicit differentiation*, 2022 (arXiv 2105.15183).
//!
//! # Example
//! Kepler's equation E − e·sin E = M, with dE/de = sin E/(1 − e·cos E):
//! ```
//! use pullback::{DType, Graph, implicit::{self, Iterations}};
//! let g = Graph::new();
//! let (mean, e) = (g.input_of(DType::F64, "mean", ()), g.input_of(DType::F64, "e", ()));
//! let anomaly = implicit::root(mean, &Iterations::default(), |anomaly| anomaly - e * anomaly.sin() - mean);
//! let slope = g.gradient(anomaly.value, e);
//! let mut program = g.compile([("E", anomaly.value), ("slope", slope), ("condition", anomaly.reciprocal_condition)])?;
//! let out = program.call((("mean", 1.0), ("e", 0.3)))?;
//! let anomaly = out.scalar::<f64>("E")?;
//! assert!((anomaly - 0.3 * anomaly.sin() - 1.0).abs() < 1e-15);
//! assert!((out.scalar::<f64>("slope")? - anomaly.sin() / (1.0 - 0.3 * anomaly.cos())).abs() < 1e-15);
//! assert_eq!(out.scalar::<f64>("condition")?, 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod equation;
mod iterations;
mod linear;
mod minimum;
mod root;
mod system;

pub use iterations::Iterations;
pub use linear::{LinearSolution, Transpose, linear_solve};
pub use minimum::{ConstrainedMinimum, Minimum, constrained_minimum_at, minimize, minimize_subject_to, minimum_at};
pub use root::{Solution, fixed_point, root, root_at};

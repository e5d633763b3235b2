//! Log densities and log probabilities of the usual distributions, with their normalizing constants.
//!
//! In: a value and the parameters of a distribution. Out: the logarithm of the density at the value, elementwise, or for each
//! event. They are composites of elementwise functions: nothing here holds an array or draws a number.
//!
//! # Names
//! `<distribution>_log_density` for continuous distributions and `<distribution>_log_probability` for discrete ones. The value
//! comes first, then the parameters in the order of Stan. Parameters are called as in Stan and SciPy, in whole words: `location` and
//! `scale` (SciPy's `loc` and `scale`, Stan's μ and σ), `shape` (SciPy's `a`, Stan's α), `degrees_of_freedom` (`df`, ν). The gamma
//! and the exponential distribution take a `rate` as in Stan, which is one over SciPy's `scale`; the inverse gamma distribution
//! takes a `scale` as both do; the negative binomial one takes `size` and `probability`, SciPy's `n` and `p`.
//!
//! # Shapes
//! The value and the parameters broadcast together as the operands of an elementwise operation do. Parameters may be numbers. Where
//! a distribution has an event axis (categorical, Dirichlet, multivariate normal, mixture), it is the last one and is reduced.
//!
//! # Errors
//! An error is recorded, at the line of the call, if the value is no float, if a parameter has another dtype, or if they do not
//! broadcast. Wrong numbers are no errors, but values:
//!
//! | where | value | derivatives |
//! |---|---|---|
//! | the value is not in the support, an infinite one among them | −∞ | 0, by the value and by every parameter |
//! | the value is NaN, or the parameters belong to no distribution (a scale of 0, an infinite location) | NaN | 0 |
//! | else | finite, unless it is beyond the range of the dtype | finite, with the same exception |
//!
//! Formulas are given safe numbers wherever they do not hold, so that no infinity or NaN arises that a derivative could multiply by 0.
//! The support is open where the density at an end can be 0 or infinite (gamma, inverse gamma, beta, Dirichlet, log-normal) and has
//! its ends elsewhere (exponential, half-normal, half-Cauchy, uniform).
//!
//! Counts are floats too. One that is no whole number is not in the support, and the derivative by a count is 0, as it is by anything
//! that steps.
//!
//! # Accuracy
//! Densities are written so that a relative error of a few units in the last place remains of value and gradient, times the
//! condition number, for parameters of any size: sums of terms that would cancel are replaced by the deviance and by the remainder of
//! Stirling's formula, as Loader, *Fast and accurate computation of binomial probabilities*, 2000, does. The derivative by a shape of the
//! beta distribution, by the size of the negative binomial one and by a logit of a mixture are differences, of which the last places of
//! what is subtracted remain where they are nearly 0.
//!
//! # Example
//! A normal and a Poisson log-likelihood, with the derivative by a parameter:
//! ```
//! use ndarray::array;
//! use pullback::{DType, Graph, densities::{normal_log_density, poisson_log_probability}};
//! let g = Graph::new();
//! let x = g.input_of(DType::F64, "x", ("n",));
//! let rate = g.input_of(DType::F64, "rate", ());
//! let counts = poisson_log_probability(x, rate).sum();
//! let mut program = g.compile([
//!     ("normal", normal_log_density(x, 1.0, 2.0).sum()),
//!     ("counts", counts),
//!     ("by rate", g.gradient(counts, rate)),
//! ])?;
//! let out = program.call((("x", &array![1.0, 2.0, 6.0]), ("rate", 3.0)))?;
//! assert_eq!(out.scalar::<f64>("by rate")?, 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod count;
mod event;
mod interval;
mod parts;
mod positive;
mod real;
mod support;

pub use count::{binomial_log_probability, negative_binomial_log_probability, poisson_log_probability};
pub use event::{
    categorical_log_probability, dirichlet_log_density, mixture_log_density, multivariate_normal_log_density,
};
pub use interval::{beta_log_density, uniform_log_density};
pub use positive::{
    exponential_log_density, gamma_log_density, half_cauchy_log_density, half_normal_log_density,
    inverse_gamma_log_density, log_normal_log_density,
};
pub use real::{
    cauchy_log_density, laplace_log_density, logistic_log_density, normal_log_density, student_t_log_density,
};

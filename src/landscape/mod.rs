//! A loss at a point: its slices, its Hessian's spectrum, what kind of stationary point it is, how sharp it is.
//!
//! In: a loss as an expression; then parameters and what is fed. Out: numbers about the loss there. Nothing here trains,
//! changes parameters or draws. Everything rests on three programs: value, gradient, and Hessian–vector product; only
//! the dense Hessian takes memory of the square of the number of parameters.

mod density;
mod direction;
mod error;
mod hessian;
mod kind;
mod lanczos;
mod point;
mod sharpness;
mod slice;
mod surface;
mod symmetric;

pub use density::{DensityNode, Probes, SpectralDensity};
pub use direction::{Direction, Scale};
pub use error::LandscapeError;
pub use hessian::{Curvature, Eigenvalue, MAX_DENSE};
pub use kind::{Stationarity, StationaryKind, StrictSaddle, StrictSaddleCase, StrictSaddleReport, Tolerance};
pub use lanczos::{Eigenpair, Extremes, Lanczos};
pub use point::Point;
pub use sharpness::{BoxSearch, EpsilonSharpness};
pub use surface::Landscape;

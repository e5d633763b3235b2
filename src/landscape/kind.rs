//! What kind of point it is. In: a point and tolerances. Out: minimum, maximum, saddle, or that it cannot be told, and
//! whether the strict saddle property holds there; always with the numbers that led to it.

use super::{
    error::{LandscapeError, check_not_negative, check_positive},
    hessian::{Curvature, Eigenvalue},
    lanczos::Lanczos,
    point::Point,
};
use crate::program::Inputs;

/// What counts as zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// A gradient of at most this length is zero.
    pub gradient: f64,
    /// An eigenvalue of at most this magnitude is zero.
    pub eigenvalue: f64,
}

/// What a point is by its gradient and its Hessian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StationaryKind {
    /// All eigenvalues are positive: a strict local minimum.
    Minimum,
    /// All eigenvalues are negative: a strict local maximum.
    Maximum,
    /// There are positive and negative eigenvalues.
    Saddle,
    /// An eigenvalue at an end of the spectrum is zero, and second derivatives cannot tell.
    Inconclusive,
    /// The gradient is not zero.
    NotStationary,
}

/// The kind of a point with the numbers that led to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stationarity {
    /// What the point is.
    pub kind: StationaryKind,
    /// ‖∇f‖.
    pub gradient_norm: f64,
    /// The ends of the Hessian's spectrum; `None` where the point is not stationary.
    pub curvature: Option<Curvature>,
}

/// The constants of the strict saddle property.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrictSaddle {
    /// ε: a gradient at least this long leads on.
    pub gradient: f64,
    /// γ: an eigenvalue of at most −γ leads out.
    pub curvature: f64,
    /// α: the least eigenvalue near a minimum.
    pub convexity: f64,
    /// δ: how near a minimum must be.
    pub distance: f64,
}

/// Which case of the strict saddle property holds at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrictSaddleCase {
    /// ‖∇f‖ ≥ ε.
    LargeGradient,
    /// λ_min ≤ −γ.
    NegativeCurvature,
    /// λ_min ≥ α, and a minimum within δ by ‖∇f‖/λ_min.
    NearMinimum,
    /// None: the loss is not strict saddle with these constants, or the point is near a degenerate minimum.
    Neither,
}

/// The case with the numbers that led to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrictSaddleReport {
    /// The first case that holds.
    pub case: StrictSaddleCase,
    /// ‖∇f‖.
    pub gradient_norm: f64,
    /// The least eigenvalue; `None` where the gradient decided.
    pub lowest: Option<Eigenvalue>,
    /// ‖∇f‖/λ_min, where λ_min > 0 was needed.
    pub distance: Option<f64>,
}

impl<I: Inputs> Point<'_, I> {
    /// The kind of the point by the second-derivative test: stationary if ‖∇f‖ is within the tolerance, then by the signs
    /// of the least and the greatest eigenvalue. A sign is certain only beyond the tolerance and the error bound of the
    /// eigenvalue: a Rayleigh quotient above λ_min proves a negative one, but not a positive one.
    ///
    /// One-sided spectra with a zero end, as of x² or x³ in two variables, are inconclusive.
    ///
    /// # Errors
    /// [`LandscapeError::Setting`] if a tolerance is negative or not finite; as for
    /// [`Point::extreme_eigenvalues`].
    ///
    /// # Complexity
    /// One gradient; the whole spectrum up to 128 parameters, Lanczos above.
    ///
    /// # Source
    /// Nocedal and Wright, *Numerical Optimization*, 2nd edition, 2006, theorems 2.2 to 2.4.
    ///
    /// # Example
    /// The monkey saddle x³ − 3xy² has a Hessian of zeros at the origin:
    /// ```
    /// use pullback::{DType, Graph, Initializer, landscape::{Lanczos, Landscape, StationaryKind, Tolerance}};
    /// let g = Graph::new();
    /// let w = g.parameter_of(DType::F64, "w", (2,), Initializer::Zeros);
    /// let (x, y) = (w.slice(0), w.slice(1));
    /// let mut landscape = Landscape::new(x.powi(3) - 3.0 * x * y * y)?;
    /// let tolerance = Tolerance { gradient: 1e-9, eigenvalue: 1e-9 };
    /// let found = landscape.point(&g.initialize(0)?, ())?.stationary_kind(&tolerance, &Lanczos::seeded(0))?;
    /// assert_eq!(found.kind, StationaryKind::Inconclusive);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stationary_kind(&mut self, tolerance: &Tolerance, search: &Lanczos) -> Result<Stationarity, LandscapeError> {
        check_not_negative("the tolerance of the gradient", tolerance.gradient)?;
        check_not_negative("the tolerance of eigenvalues", tolerance.eigenvalue)?;
        search.check()?;
        let gradient_norm = self.gradient()?.norm();
        if gradient_norm > tolerance.gradient {
            return Ok(Stationarity { kind: StationaryKind::NotStationary, gradient_norm, curvature: None });
        }
        let curvature = self.curvature(search)?;
        let kind = curvature.kind(tolerance.eigenvalue);
        Ok(Stationarity { kind, gradient_norm, curvature: Some(curvature) })
    }

    /// Which case of the strict saddle property holds: the gradient is long, ‖∇f‖ ≥ ε; or there is a way down,
    /// λ_min ≤ −γ; or a minimum is near. From every point of a strict saddle function one of these helps a descent with
    /// noise on.
    ///
    /// The third case is decided by what is known at the point: λ_min ≥ α by more than its error bound, and ‖∇f‖/λ_min
    /// ≤ δ, the length of a Newton step at most. Where the loss is α-strongly convex around, as the definition asks
    /// within 2δ of the minimum, there is one within ‖∇f‖/α; that it is convex beyond the point itself is not verified.
    ///
    /// # Errors
    /// [`LandscapeError::Setting`] if a constant is not positive and finite; as for [`Point::extreme_eigenvalues`].
    ///
    /// # Source
    /// Ge, Huang, Jin and Yuan, *Escaping from saddle points: online stochastic gradient for tensor decomposition*, 2015,
    /// definition 5.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, Initializer, landscape::{Lanczos, Landscape, StrictSaddle, StrictSaddleCase}};
    /// let g = Graph::new();
    /// let w = g.parameter_of(DType::F64, "w", (2,), Initializer::Zeros);
    /// let mut landscape = Landscape::new((1.0 - w.slice(0) * w.slice(1)).powi(2))?;
    /// let constants = StrictSaddle { gradient: 0.1, curvature: 0.5, convexity: 0.5, distance: 0.2 };
    /// let report = landscape.point(&g.initialize(0)?, ())?.strict_saddle(&constants, &Lanczos::seeded(0))?;
    /// assert_eq!(report.case, StrictSaddleCase::NegativeCurvature);
    /// assert!((report.lowest.unwrap().value + 2.0).abs() < 1e-14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn strict_saddle(
        &mut self,
        constants: &StrictSaddle,
        search: &Lanczos,
    ) -> Result<StrictSaddleReport, LandscapeError> {
        check_positive("epsilon of the strict saddle", constants.gradient)?;
        check_positive("gamma of the strict saddle", constants.curvature)?;
        check_positive("alpha of the strict saddle", constants.convexity)?;
        check_positive("delta of the strict saddle", constants.distance)?;
        search.check()?;
        let gradient_norm = self.gradient()?.norm();
        if gradient_norm >= constants.gradient {
            let case = StrictSaddleCase::LargeGradient;
            return Ok(StrictSaddleReport { case, gradient_norm, lowest: None, distance: None });
        }
        let lowest = self.curvature(search)?.lowest;
        let is_convex = lowest.value - lowest.error >= constants.convexity;
        let distance = is_convex.then(|| gradient_norm / lowest.value);
        let case = if lowest.value <= -constants.curvature {
            StrictSaddleCase::NegativeCurvature
        } else if distance.is_some_and(|distance| distance <= constants.distance) {
            StrictSaddleCase::NearMinimum
        } else {
            StrictSaddleCase::Neither
        };
        Ok(StrictSaddleReport { case, gradient_norm, lowest: Some(lowest), distance })
    }
}

impl Curvature {
    /// The kind of a stationary point with these eigenvalues, where those within `zero` are zero.
    fn kind(&self, zero: f64) -> StationaryKind {
        let Curvature { lowest, highest } = self;
        // Values of Lanczos lie within the spectrum: the ends are no less far out.
        if lowest.value < -zero && highest.value > zero {
            StationaryKind::Saddle
        } else if lowest.value - lowest.error > zero {
            StationaryKind::Minimum
        } else if highest.value + highest.error < -zero {
            StationaryKind::Maximum
        } else {
            StationaryKind::Inconclusive
        }
    }
}

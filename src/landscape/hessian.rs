//! The Hessian of few parameters whole, and what its spectrum tells. In: a point. Out: the matrix, all eigenvalues, the
//! least and the greatest, the condition number. Spectra of many parameters are in `lanczos` and `density`.

use ndarray::Array2;

use super::{
    error::LandscapeError,
    lanczos::{Extremes, Lanczos},
    point::Point,
    symmetric,
};
use crate::program::Inputs;

/// The greatest number of parameters of a dense Hessian: 32 MiB.
pub const MAX_DENSE: usize = 2048;

/// Up to so many parameters the whole spectrum is at least as cheap as Lanczos, and misses nothing.
const FEW: usize = 128;

/// An eigenvalue with what is known of its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Eigenvalue {
    /// The value.
    pub value: f64,
    /// The Hessian has an eigenvalue at most so far from it.
    pub error: f64,
}

/// The two ends of the Hessian's spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curvature {
    /// The least eigenvalue.
    pub lowest: Eigenvalue,
    /// The greatest eigenvalue.
    pub highest: Eigenvalue,
}

impl<I: Inputs> Point<'_, I> {
    /// The Hessian ∇²f, rows and columns in the order of [`Direction::elements`](super::Direction::elements), made
    /// exactly symmetric.
    ///
    /// # Shapes
    /// `[n, n]`
    ///
    /// # Errors
    /// [`LandscapeError::TooManyParameters`] above [`MAX_DENSE`]; [`LandscapeError::NotFinite`].
    ///
    /// # Complexity
    /// n Hessian–vector products and n² numbers.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph, Initializer, landscape::Landscape};
    /// let g = Graph::new();
    /// let w = g.parameter_of(DType::F64, "w", (2,), Initializer::Constant(1.0));
    /// let (x, y) = (w.slice(0), w.slice(1));
    /// let mut landscape = Landscape::new(x.powi(3) * y)?;
    /// assert_eq!(landscape.point(&g.initialize(0)?, ())?.hessian()?, array![[6.0, 3.0], [3.0, 0.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hessian(&mut self) -> Result<Array2<f64>, LandscapeError> {
        let dimension = self.dimension();
        if dimension > MAX_DENSE {
            return Err(LandscapeError::TooManyParameters { dimension, max: MAX_DENSE });
        }
        let mut hessian = Array2::zeros((dimension, dimension));
        let mut axis = vec![0.0; dimension];
        for coordinate in 0..dimension {
            axis[coordinate] = 1.0;
            let mut row = hessian.row_mut(coordinate);
            self.product(&axis, row.as_slice_mut().expect("invariant: rows are contiguous"))?;
            axis[coordinate] = 0.0;
        }
        Ok((&hessian + &hessian.t()) / 2.0)
    }

    /// All eigenvalues of the Hessian, in ascending order.
    ///
    /// # Errors
    /// As for [`Point::hessian`].
    ///
    /// # Complexity
    /// n Hessian–vector products, n² numbers and 4/3·n³ operations.
    ///
    /// # Source
    /// Golub and Van Loan, *Matrix Computations*, 4th edition, 2013, section 8.3: reflections to tridiagonal form, then QR
    /// steps. Errors are a small multiple of the rounding unit times the greatest |λ|.
    pub fn eigenvalues(&mut self) -> Result<Vec<f64>, LandscapeError> {
        Ok(symmetric::eigenvalues(self.hessian()?))
    }

    /// The least and the greatest eigenvalue: from the whole spectrum up to 128 parameters, by Lanczos above.
    ///
    /// # Errors
    /// As for [`Point::extreme_eigenvalues`].
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, Initializer, landscape::{Lanczos, Landscape}};
    /// let g = Graph::new();
    /// let w = g.parameter_of(DType::F64, "w", (500,), Initializer::Zeros);
    /// let scale = g.iota(DType::F64, (500,), 0) - 100.0;
    /// let mut landscape = Landscape::new((scale * w * w / 2.0).sum())?;
    /// let found = landscape.point(&g.initialize(0)?, ())?.curvature(&Lanczos::seeded(3))?;
    /// assert!((found.lowest.value + 100.0).abs() < 1e-6 && (found.highest.value - 399.0).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn curvature(&mut self, search: &Lanczos) -> Result<Curvature, LandscapeError> {
        search.check()?;
        if self.dimension() <= FEW {
            let spectrum = self.eigenvalues()?;
            let error = self.rounding(spectrum.iter().fold(0.0f64, |scale, value| scale.max(value.abs())));
            let eigenvalue_of = |value: Option<&f64>| Eigenvalue { value: value.copied().unwrap_or(0.0), error };
            return Ok(Curvature { lowest: eigenvalue_of(spectrum.first()), highest: eigenvalue_of(spectrum.last()) });
        }
        let Extremes { lowest, highest, .. } = self.extreme_eigenvalues(&Lanczos { count: 1, ..search.clone() })?;
        let eigenvalue_of = |pairs: &[super::Eigenpair]| Eigenvalue { value: pairs[0].value, error: pairs[0].error };
        Ok(Curvature { lowest: eigenvalue_of(&lowest), highest: eigenvalue_of(&highest) })
    }

    /// The condition number of the Hessian: κ = max|λ| / min|λ|, the ratio of the greatest to the least eigenvalue at a
    /// minimum. Infinite where the Hessian is singular; what rounding leaves of a zero eigenvalue makes it about 10¹⁶.
    /// Gradient descent on a quadratic of that κ takes O(κ) steps.
    ///
    /// # Errors
    /// As for [`Point::extreme_eigenvalues`]; [`LandscapeError::Indefinite`] above 128 parameters if the eigenvalues have
    /// both signs, since the least |λ| is then inside the spectrum: use [`Point::eigenvalues`].
    ///
    /// # Source
    /// Boyd and Vandenberghe, *Convex Optimization*, 2004, sections 9.1.2 and 9.3.1.
    pub fn condition_number(&mut self, search: &Lanczos) -> Result<f64, LandscapeError> {
        search.check()?;
        let dimension = self.dimension();
        if dimension <= FEW {
            let magnitudes = self.eigenvalues()?.into_iter().map(f64::abs);
            let (least, greatest) = magnitudes.fold((f64::INFINITY, 0.0f64), |(least, greatest), magnitude| {
                (least.min(magnitude), greatest.max(magnitude))
            });
            return Ok(if least == 0.0 { f64::INFINITY } else { greatest / least });
        }
        let Curvature { lowest, highest } = self.curvature(search)?;
        let (lowest, highest) = (lowest.value, highest.value);
        if lowest < 0.0 && highest > 0.0 {
            return Err(LandscapeError::Indefinite { lowest, highest, dimension });
        }
        let (least, greatest) = (lowest.abs().min(highest.abs()), lowest.abs().max(highest.abs()));
        Ok(if least == 0.0 { f64::INFINITY } else { greatest / least })
    }
}

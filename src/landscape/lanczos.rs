//! Eigenvalues of the Hessian by its products with vectors. In: a point and how closely to look. Out: the least and the
//! greatest eigenvalues with error bounds and eigenvectors. The matrix is never made.

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::{
    direction::{Direction, add_scaled, dot, norm},
    error::{LandscapeError, check_positive, check_some},
    point::Point,
    symmetric::Tridiagonal,
};
use crate::{graph::DType, program::Inputs};

/// How extreme eigenvalues are looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Lanczos {
    /// How many at each end of the spectrum.
    pub count: usize,
    /// The error that is allowed, relative to the greatest |λ|.
    pub tolerance: f64,
    /// The most steps, each one product and one vector kept.
    pub max_steps: usize,
    /// What the starting vector is drawn from.
    pub seed: u64,
}

/// An eigenvalue of the Hessian with an eigenvector.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigenpair {
    /// The eigenvalue λ.
    pub value: f64,
    /// The Hessian has an eigenvalue at most so far from λ: ‖∇²f·v − λv‖, and no less than rounding.
    pub error: f64,
    /// The eigenvector v, of length 1.
    pub vector: Direction,
}

/// The two ends of a spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct Extremes {
    /// The least, in ascending order.
    pub lowest: Vec<Eigenpair>,
    /// The greatest, in descending order.
    pub highest: Vec<Eigenpair>,
    /// How many Hessian–vector products were taken.
    pub n_products: usize,
}

impl Lanczos {
    /// One eigenvalue at each end, to 10⁻⁶ of the greatest, in at most 300 steps.
    pub fn seeded(seed: u64) -> Lanczos {
        Lanczos { count: 1, tolerance: 1e-6, max_steps: 300, seed }
    }

    pub(super) fn check(&self) -> Result<(), LandscapeError> {
        check_some("the number of eigenvalues", self.count)?;
        check_some("the number of steps", self.max_steps)?;
        check_positive("the tolerance", self.tolerance)
    }
}

impl<I: Inputs> Point<'_, I> {
    /// The least and the greatest eigenvalues of the Hessian with eigenvectors, by Lanczos' method with full
    /// reorthogonalization; as many as there are, if fewer than asked for.
    ///
    /// A bound says that an eigenvalue is near, not which: from a random start the ends are found first, but an end that
    /// the start has almost nothing of may be missed, and an eigenvalue of several eigenvectors may be given once.
    ///
    /// # Errors
    /// [`LandscapeError::NotConverged`] after the most steps; [`LandscapeError::NotFinite`];
    /// [`LandscapeError::Setting`].
    ///
    /// # Complexity
    /// For k steps: k Hessian–vector products, k vectors of memory, O(k²·n + k³) operations.
    ///
    /// # Source
    /// Parlett, *The Symmetric Eigenvalue Problem*, 1998, chapter 13, and section 13.2 for the bound; Giraud, Langou and
    /// Rozložník, *The loss of orthogonality in the Gram–Schmidt orthogonalization process*, 2005, for two passes.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, Initializer, landscape::{Lanczos, Landscape}};
    /// let g = Graph::new();
    /// let w = g.parameter_of(DType::F64, "w", (300,), Initializer::Zeros);
    /// let scale = g.iota(DType::F64, (300,), 0);
    /// let mut landscape = Landscape::new((scale * w * w / 2.0).sum())?;
    /// let search = Lanczos { count: 3, ..Lanczos::seeded(0) };
    /// let found = landscape.point(&g.initialize(0)?, ())?.extreme_eigenvalues(&search)?;
    /// for (pair, expected) in found.highest.iter().zip([299.0, 298.0, 297.0]) {
    ///     assert!((pair.value - expected).abs() < 1e-6);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extreme_eigenvalues(&mut self, search: &Lanczos) -> Result<Extremes, LandscapeError> {
        search.check()?;
        let dimension = self.dimension();
        let (count, max_steps) = (search.count.min(dimension), search.max_steps.min(dimension));
        let mut rng = ChaCha8Rng::seed_from_u64(search.seed);
        let start = (0..dimension).map(|_| rng.sample(StandardNormal)).collect();
        let mut krylov = Krylov::new(start);
        let (mut worst, mut scale) = (f64::INFINITY, 0.0);
        while krylov.len() < max_steps {
            krylov.step(self)?;
            if krylov.remainder == 0.0 && krylov.len() < dimension {
                krylov.restart(&mut rng);
            }
            if krylov.len() >= count {
                (worst, scale) = krylov.worst_residual(count);
                if worst <= search.tolerance * scale {
                    return Ok(self.pairs(&krylov, count));
                }
            }
        }
        Err(LandscapeError::NotConverged { steps: krylov.len(), tolerance: search.tolerance * scale, error: worst })
    }

    /// The `count` eigenpairs at each end.
    fn pairs(&self, krylov: &Krylov, count: usize) -> Extremes {
        let steps = krylov.len();
        let (values, vectors) = krylov.matrix().eigen(Array2::eye(steps));
        let floor = self.rounding(values[0].abs().max(values[steps - 1].abs()));
        let pair = |position: usize| {
            let mut vector = vec![0.0; self.dimension()];
            for (basis, factor) in krylov.basis.iter().zip(vectors.column(position)) {
                add_scaled(&mut vector, *factor, basis);
            }
            let error = (krylov.remainder * vectors[[steps - 1, position]].abs()).max(floor);
            Eigenpair { value: values[position], error, vector: self.direction(vector) }
        };
        Extremes {
            lowest: (0..count).map(pair).collect(),
            highest: (steps - count..steps).rev().map(pair).collect(),
            n_products: steps,
        }
    }

    /// What rounding does to an eigenvalue of a Hessian whose greatest is `scale`.
    pub(super) fn rounding(&self, scale: f64) -> f64 {
        let has_singles = self.landscape.layout.n_elements_of(DType::F32) > 0;
        scale * if has_singles { f64::from(f32::EPSILON) } else { f64::EPSILON }
    }
}

/// An orthonormal basis in which the Hessian is tridiagonal, grown step by step.
#[derive(Debug)]
pub(super) struct Krylov {
    basis: Vec<Vec<f64>>,
    diagonal: Vec<f64>,
    off_diagonal: Vec<f64>,
    /// The next of the basis, of length 1; zero where there is none.
    next: Vec<f64>,
    /// The length of what the last product had outside of the basis; 0 where that was rounding.
    pub(super) remainder: f64,
}

impl Krylov {
    /// Nothing but a vector to start from, of any length but 0.
    pub(super) fn new(mut start: Vec<f64>) -> Krylov {
        normalize(&mut start);
        Krylov { basis: Vec::new(), diagonal: Vec::new(), off_diagonal: Vec::new(), next: start, remainder: 0.0 }
    }

    /// How many steps were taken.
    pub(super) fn len(&self) -> usize {
        self.basis.len()
    }

    /// The Hessian in this basis.
    pub(super) fn matrix(&self) -> Tridiagonal {
        let between = self.off_diagonal[..self.len() - 1].to_vec();
        Tridiagonal { diagonal: self.diagonal.clone(), off_diagonal: between }
    }

    /// Takes the next vector into the basis and finds the one after it.
    pub(super) fn step(&mut self, point: &mut Point<'_, impl Inputs>) -> Result<(), LandscapeError> {
        let mut product = vec![0.0; self.next.len()];
        point.product(&self.next, &mut product)?;
        let length = norm(&product);
        self.diagonal.push(dot(&product, &self.next));
        self.basis.push(std::mem::take(&mut self.next));
        self.project_out(&mut product);
        let remainder = normalize(&mut product);
        // Two passes leave some ulps of what was projected, for each coordinate.
        let is_rounding = remainder <= 8.0 * f64::EPSILON * length || self.len() == product.len();
        self.remainder = if is_rounding { 0.0 } else { remainder };
        self.off_diagonal.push(self.remainder);
        self.next = product;
        Ok(())
    }

    /// Goes on from a random vector, after the basis has turned out to be closed.
    fn restart(&mut self, rng: &mut ChaCha8Rng) {
        let mut next: Vec<f64> = (0..self.next.len()).map(|_| rng.sample(StandardNormal)).collect();
        self.project_out(&mut next);
        normalize(&mut next);
        self.next = next;
    }

    /// Takes from a vector what lies in the basis, twice, so that rounding leaves nothing of it.
    fn project_out(&self, vector: &mut [f64]) {
        for _ in 0..2 {
            for basis in &self.basis {
                let along = dot(basis, vector);
                add_scaled(vector, -along, basis);
            }
        }
    }

    /// The greatest residual ‖∇²f·v − λv‖ of `count` pairs at each end, and the greatest |λ|.
    fn worst_residual(&self, count: usize) -> (f64, f64) {
        let steps = self.len();
        let mut last = Array2::zeros((1, steps));
        last[[0, steps - 1]] = 1.0;
        let (values, last) = self.matrix().eigen(last);
        let ends = (0..count).chain(steps - count..steps);
        let worst = ends.map(|position| self.remainder * last[[0, position]].abs()).fold(0.0, f64::max);
        (worst, values[0].abs().max(values[steps - 1].abs()))
    }
}

/// Makes a vector of length 1, unless it is 0, and gives the length that it had.
fn normalize(vector: &mut [f64]) -> f64 {
    let length = norm(vector);
    if length > 0.0 {
        vector.iter_mut().for_each(|element| *element /= length);
    }
    length
}

//! The density of the Hessian's spectrum by its products with vectors. In: a point, and how many random vectors and steps.
//! Out: a [`SpectralDensity`], weighted points that have the moments of the spectrum. The matrix is never made.

use std::f64::consts::{PI, SQRT_2};

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    error::{LandscapeError, check_some},
    lanczos::Krylov,
    point::Point,
};
use crate::program::Inputs;

/// How a density is sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Probes {
    /// How many random vectors: the error of a moment falls as 1/√(probes·dimension).
    pub count: usize,
    /// How many steps of Lanczos for each: moments up to 2·steps − 1 are those of the vector.
    pub steps: usize,
    /// What the vectors are drawn from.
    pub seed: u64,
}

/// A point of a density.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DensityNode {
    /// Where it is.
    pub eigenvalue: f64,
    /// Its share of all eigenvalues.
    pub weight: f64,
}

/// How the eigenvalues of a Hessian are distributed: an estimate of (1/n)·Σᵢ δ(t − λᵢ).
#[derive(Debug, Clone, PartialEq)]
pub struct SpectralDensity {
    nodes: Vec<DensityNode>,
    dimension: usize,
}

impl Probes {
    /// Ten vectors with 80 steps each.
    pub fn seeded(seed: u64) -> Probes {
        Probes { count: 10, steps: 80, seed }
    }
}

impl<I: Inputs> Point<'_, I> {
    /// The density of the Hessian's spectrum by stochastic Lanczos quadrature: each probe v = (±1, …, ±1)/√n gives a
    /// tridiagonal matrix, whose eigenvalues θₖ with the squares τₖ² of the first elements of its eigenvectors satisfy
    /// Σₖ τₖ²·θₖᵖ = vᵀ(∇²f)ᵖv; the mean over probes estimates tr((∇²f)ᵖ)/n.
    ///
    /// # Errors
    /// [`LandscapeError::NotFinite`]; [`LandscapeError::Setting`].
    ///
    /// # Complexity
    /// probes·steps Hessian–vector products, `steps` vectors of memory.
    ///
    /// # Source
    /// Ubaru, Chen and Saad, *Fast estimation of tr(f(A)) via stochastic Lanczos quadrature*, 2017, algorithm 1; Ghorbani,
    /// Krishnan and Xiao, *An investigation into neural net optimization via Hessian eigenvalue density*, 2019, section 2.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, Initializer, landscape::{Landscape, Probes}};
    /// let g = Graph::new();
    /// let w = g.parameter_of(DType::F64, "w", (100,), Initializer::Zeros);
    /// let half = w.slice(..50).square().sum() - w.slice(50..).square().sum() * 2.0; // λ = 2 and −4, 50 of each
    /// let mut landscape = Landscape::new(half)?;
    /// let density = landscape.point(&g.initialize(0)?, ())?.spectral_density(&Probes::seeded(1))?;
    /// assert!((density.share_below(0.0) - 0.5).abs() < 1e-12);
    /// assert!((density.trace() + 100.0).abs() < 1e-9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spectral_density(&mut self, probes: &Probes) -> Result<SpectralDensity, LandscapeError> {
        check_some("the number of probes", probes.count)?;
        check_some("the number of steps", probes.steps)?;
        let dimension = self.dimension();
        let mut rng = ChaCha8Rng::seed_from_u64(probes.seed);
        let mut nodes = Vec::new();
        for _ in 0..probes.count {
            let start = (0..dimension).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }).collect();
            let mut krylov = Krylov::new(start);
            krylov.step(self)?;
            while krylov.len() < probes.steps && krylov.remainder > 0.0 {
                krylov.step(self)?;
            }
            let mut first = Array2::zeros((1, krylov.len()));
            first[[0, 0]] = 1.0;
            let (eigenvalues, first) = krylov.matrix().eigen(first);
            let weight = |element: &f64| element * element / probes.count as f64;
            let pairs = eigenvalues.into_iter().zip(first.iter().map(weight));
            nodes.extend(pairs.map(|(eigenvalue, weight)| DensityNode { eigenvalue, weight }));
        }
        nodes.sort_by(|left, right| left.eigenvalue.total_cmp(&right.eigenvalue));
        Ok(SpectralDensity { nodes, dimension })
    }
}

impl SpectralDensity {
    /// The points in ascending order; their weights sum to 1.
    pub fn nodes(&self) -> &[DensityNode] {
        &self.nodes
    }

    /// The mean of λᵖ over all eigenvalues.
    pub fn moment(&self, power: i32) -> f64 {
        self.nodes.iter().map(|node| node.weight * libm::pow(node.eigenvalue, f64::from(power))).sum()
    }

    /// The sum of all eigenvalues.
    pub fn trace(&self) -> f64 {
        self.moment(1) * self.dimension as f64
    }

    /// The share of eigenvalues below a bound.
    pub fn share_below(&self, bound: f64) -> f64 {
        self.nodes.iter().take_while(|node| node.eigenvalue < bound).map(|node| node.weight).sum()
    }

    /// The density at t with each point widened to a normal distribution of standard deviation `width`: what is drawn.
    /// Its integral over all t is 1.
    ///
    /// # Errors
    /// [`LandscapeError::Setting`] if the width is not positive and finite.
    ///
    /// # Source
    /// Ghorbani, Krishnan and Xiao, 2019, section 2.
    #[doc(alias("at", "pdf"))]
    pub fn evaluate(&self, t: f64, width: f64) -> Result<f64, LandscapeError> {
        super::error::check_positive("the width", width)?;
        let height = |node: &DensityNode| {
            let distance = (t - node.eigenvalue) / (width * SQRT_2);
            node.weight * libm::exp(-distance * distance)
        };
        Ok(self.nodes.iter().map(height).sum::<f64>() / (width * (2.0 * PI).sqrt()))
    }
}

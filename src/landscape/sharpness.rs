//! How sharp a minimum is. In: a point. Out: the greatest eigenvalue of the Hessian, and the greatest rise of the loss in a
//! box around the point.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    direction::Direction,
    error::{LandscapeError, check_positive, check_some},
    lanczos::{Eigenpair, Lanczos},
    point::Point,
};
use crate::program::Inputs;

/// The part of a predicted rise that a step must reach (Armijo's rule).
const SUFFICIENT: f64 = 1e-4;

/// How often a step is halved before it is given up.
const HALVINGS: usize = 30;

/// How the greatest loss in the box is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxSearch {
    /// ε: the box is |zᵢ| ≤ ε(|xᵢ| + 1).
    pub epsilon: f64,
    /// How many ascents: the first from the point itself, the others from points drawn uniformly from the box.
    pub starts: usize,
    /// The most steps of each ascent.
    pub steps: usize,
    /// What the starting points are drawn from.
    pub seed: u64,
}

/// The greatest rise of the loss that was found in the box.
#[derive(Debug, Clone, PartialEq)]
pub struct EpsilonSharpness {
    /// 100·(max f − f(x))/(1 + f(x)), in percent.
    pub percent: f64,
    /// The greatest loss.
    pub max_loss: f64,
    /// The z at which it was found.
    pub displacement: Direction,
}

impl BoxSearch {
    /// The box of ε = 10⁻³, with 4 ascents of at most 10 steps.
    pub fn seeded(seed: u64) -> BoxSearch {
        BoxSearch { epsilon: 1e-3, starts: 4, steps: 10, seed }
    }
}

impl<I: Inputs> Point<'_, I> {
    /// The sharpness: the greatest eigenvalue of the Hessian, with its eigenvector. Gradient descent of rate η is stable
    /// at a minimum only if it is at most 2/η.
    ///
    /// # Errors
    /// As for [`Point::extreme_eigenvalues`].
    ///
    /// # Source
    /// LeCun, Bottou, Orr and Müller, *Efficient backprop*, 1998, section 5.1; Cohen, Kaur, Li, Kolter and Talwalkar,
    /// *Gradient descent on neural networks typically occurs at the edge of stability*, 2021, section 2.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, Initializer, landscape::{Lanczos, Landscape}};
    /// let g = Graph::new();
    /// let w = g.parameter_of(DType::F64, "w", (3,), Initializer::Zeros);
    /// let scale = g.constant(ndarray::array![1.0, 5.0, 2.0]);
    /// let mut landscape = Landscape::new((scale * w * w / 2.0).sum())?;
    /// let top = landscape.point(&g.initialize(0)?, ())?.sharpness(&Lanczos::seeded(0))?;
    /// assert!((top.value - 5.0).abs() < 1e-9);
    /// assert!((top.vector.elements()[1].abs() - 1.0).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sharpness(&mut self, search: &Lanczos) -> Result<Eigenpair, LandscapeError> {
        let found = self.extreme_eigenvalues(&Lanczos { count: 1, ..search.clone() })?;
        Ok(found.highest.into_iter().next().expect("invariant: one eigenvalue was asked for"))
    }

    /// The ε-sharpness: 100·(max f(x + z) − f(x))/(1 + f(x)) over the box |zᵢ| ≤ ε(|xᵢ| + 1), in the full space (A is the
    /// identity).
    ///
    /// The maximum is looked for by projected gradient ascent in coordinates in which the box is a cube, with steps that
    /// take the fastest free coordinate across it and are halved until the loss rises enough; of several starts the best
    /// counts. The paper takes 10 steps of L-BFGS-B instead. Both give a lower bound of the maximum: more starts and
    /// steps make it tighter.
    ///
    /// # Errors
    /// [`LandscapeError::LossTooLow`] if f(x) ≤ −1; [`LandscapeError::LossNotFinite`] or [`LandscapeError::NotFinite`]
    /// if the loss or its gradient is not finite somewhere in the box that the search visits;
    /// [`LandscapeError::Setting`].
    ///
    /// # Complexity
    /// At most starts·steps gradients, and as many evaluations of the loss times the halvings.
    ///
    /// # Source
    /// Keskar, Mudigere, Nocedal, Smelyanskiy and Tang, *On large-batch training for deep learning: generalization gap and
    /// sharp minima*, 2017, metric 2.1 and eq. 3; Bertsekas, *On the Goldstein–Levitin–Polyak gradient projection method*,
    /// 1976, for the steps.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, Initializer, landscape::{BoxSearch, Landscape}};
    /// let g = Graph::new();
    /// let w = g.parameter_of(DType::F64, "w", (2,), Initializer::Zeros);
    /// let mut landscape = Landscape::new(w.square().sum())?;
    /// let found = landscape.point(&g.initialize(0)?, ())?.epsilon_sharpness(&BoxSearch::seeded(0))?;
    /// assert!((found.percent - 100.0 * 2e-6).abs() < 1e-12); // at a corner of the box
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn epsilon_sharpness(&mut self, search: &BoxSearch) -> Result<EpsilonSharpness, LandscapeError> {
        check_positive("epsilon of the box", search.epsilon)?;
        check_some("the number of starts", search.starts)?;
        check_some("the number of steps", search.steps)?;
        let value = self.value();
        if value <= -1.0 {
            return Err(LandscapeError::LossTooLow { value });
        }
        let radii: Vec<f64> =
            Direction::from_buffers(&self.origin).elements().iter().map(|x| search.epsilon * (x.abs() + 1.0)).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(search.seed);
        let mut best = Ascent { position: vec![0.0; radii.len()], loss: value };
        for start in 0..search.starts {
            let position = match start {
                0 => vec![0.0; radii.len()],
                _ => radii.iter().map(|_| rng.random_range(-1.0..=1.0)).collect(),
            };
            let reached = self.ascend(position, &radii, search.steps)?;
            if reached.loss > best.loss {
                best = reached;
            }
        }
        let displacement = best.position.iter().zip(&radii).map(|(u, radius)| u * radius).collect();
        Ok(EpsilonSharpness {
            percent: 100.0 * (best.loss - value) / (1.0 + value),
            max_loss: best.loss,
            displacement: self.direction(displacement),
        })
    }

    /// Climbs from `position` within the cube.
    fn ascend(&mut self, position: Vec<f64>, radii: &[f64], steps: usize) -> Result<Ascent, LandscapeError> {
        self.go(|coordinate| position[coordinate] * radii[coordinate]);
        let loss = self.loss_there(&[])?;
        let mut ascent = Ascent { position, loss };
        let mut slope = vec![0.0; radii.len()];
        for _ in 0..steps {
            self.go(|coordinate| ascent.position[coordinate] * radii[coordinate]);
            self.gradient_there(&mut slope)?;
            slope.iter_mut().zip(radii).for_each(|(slope, radius)| *slope *= radius);
            let steepest = ascent.steepest_free(&slope);
            // Below that the step would be infinite, and as good as no slope it is.
            if steepest < f64::MIN_POSITIVE {
                break;
            }
            match self.climb(&ascent, &slope, (2.0 / steepest, radii))? {
                Some(higher) => ascent = higher,
                None => break,
            }
        }
        Ok(ascent)
    }

    /// A step along the slope that is cut to the cube and halved until the loss rises enough; none if it never does.
    fn climb(
        &mut self,
        from: &Ascent,
        slope: &[f64],
        (mut step, radii): (f64, &[f64]),
    ) -> Result<Option<Ascent>, LandscapeError> {
        for _ in 0..HALVINGS {
            let position: Vec<f64> = from
                .position
                .iter()
                .zip(slope)
                .map(|(position, slope)| (position + step * slope).clamp(-1.0, 1.0))
                .collect();
            let predicted: f64 =
                position.iter().zip(&from.position).zip(slope).map(|((to, from), slope)| (to - from) * slope).sum();
            self.go(|coordinate| position[coordinate] * radii[coordinate]);
            let loss = self.loss_there(&[])?;
            if loss > from.loss && loss - from.loss >= SUFFICIENT * predicted {
                return Ok(Some(Ascent { position, loss }));
            }
            step /= 2.0;
        }
        Ok(None)
    }
}

/// Where an ascent is, in coordinates in which the box is the cube [−1, 1]ⁿ, and the loss there.
struct Ascent {
    position: Vec<f64>,
    loss: f64,
}

impl Ascent {
    /// The greatest |slope| among coordinates that may still move along it.
    fn steepest_free(&self, slope: &[f64]) -> f64 {
        let is_free = |(coordinate, slope): &(&f64, &f64)| **slope != 0.0 && **coordinate * slope.signum() < 1.0;
        self.position.iter().zip(slope).filter(is_free).fold(0.0, |steepest, (_, slope)| steepest.max(slope.abs()))
    }
}

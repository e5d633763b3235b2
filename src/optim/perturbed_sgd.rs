//! Descent with noise. In: parameters, gradients and a seed. Out: parameters moved against the gradient and a random
//! direction. It remembers the step count and nothing else: the noise of a step is a function of seed and step.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::{
    OptimizerError, Schedule,
    elementwise::{Elementwise, descend},
    error::{check_factor, check_rate, is_same},
    ranges::{self, BLOCK_ELEMENTS, Ranges},
    rule::{Update, UpdateArrays, UpdateRule, optimizer},
    state::RuleState,
};
use crate::{
    graph::DType,
    parameters::{Buffers, FloatElement},
    vectorize::Loop,
};

/// Perturbed gradient descent: θ ← θ − ηₜ (g + ξₜ), where ξₜ is uniform on the sphere of radius 1, unless set, in the space
/// of all parameters together.
///
/// A point where the gradient is 0 but the loss curves downwards somewhere is left, since ξₜ has a part in every direction.
///
/// ξₜ depends on the seed, on t and on the layout of what is moved alone: Gaussian draws of ChaCha8, keyed by the seed, on
/// the stream numbered t, divided by their norm. So a restored optimizer meets the same noise, on any number of threads.
///
/// # Complexity
/// Besides the step, a Gaussian draw for each parameter, and a scratch buffer in the layout of the parameters, made at the
/// first step.
///
/// # Source
/// Ge, Huang, Jin and Yuan, *Escaping from saddle points: online stochastic gradient for tensor decomposition*, 2015,
/// Algorithm 1; a Gaussian over its norm is uniform: Muller, *A note on a method for generating points uniformly on
/// n-dimensional spheres*, 1959.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Optimizer, PerturbedSgd}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layout = Layout::new([("a", DType::F32, vec![3]), ("b", DType::F64, vec![4])])?;
/// let mut parameters = Parameters::zeros(layout);
/// let gradients = Gradients::zeros(parameters.layout().clone());
/// PerturbedSgd::new(0.5, 7).step(&mut parameters, &gradients)?;
/// // Without a gradient there is the noise alone, 0.5 · 1 long.
/// assert!((parameters.norm() - 0.5).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PerturbedSgd {
    rate: Schedule,
    seed: u64,
    radius: f64,
    state: RuleState<0>,
}

impl PerturbedSgd {
    /// Descent at `rate`, a number or a [`Schedule`], with the noise of a seed.
    pub fn new(rate: impl Into<Schedule>, seed: u64) -> PerturbedSgd {
        PerturbedSgd { rate: rate.into(), seed, radius: 1.0, state: RuleState::default() }
    }

    /// With the length of ξ, finite and not negative.
    pub fn radius(self, radius: f64) -> PerturbedSgd {
        PerturbedSgd { radius, ..self }
    }
}

impl UpdateRule<0> for PerturbedSgd {
    const KEEPS: [&'static str; 0] = [];

    type Update = Noisy;

    fn name(&self) -> &'static str {
        "perturbed-sgd"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_factor("radius", self.radius)?;
        let rate = check_rate(&self.rate, step)?;
        Ok(Noisy { rate, radius: self.radius, seed: self.seed, step })
    }
}

optimizer!(PerturbedSgd);

/// A step: the noise is drawn first, because its length is that of all of it.
pub(super) struct Noisy {
    rate: f64,
    radius: f64,
    seed: u64,
    step: u64,
}

impl Update<0> for Noisy {
    /// The radius and the rate were checked, and so is the length of what is drawn finite.
    fn check(&self) -> Result<(), OptimizerError> {
        Ok(())
    }

    fn apply(self, arrays: UpdateArrays<'_, 0>) {
        let UpdateArrays { alignment, parameters, gradients, scratch: noise, .. } = arrays;
        if !is_same(noise.layout(), alignment.part()) {
            *noise = Buffers::zeros(Arc::clone(alignment.part()));
        }
        draw(noise, self.seed, self.step);
        let norm = noise.norm();
        // The norm is 0 where there are no parameters.
        let length = if norm > 0.0 { norm } else { 1.0 };
        let update = PerturbedSgdUpdate { rate: self.rate, radius: self.radius, length };
        descend(update, alignment, parameters, gradients, std::array::from_mut(noise));
    }
}

#[derive(Clone, Copy)]
struct PerturbedSgdUpdate {
    rate: f64,
    radius: f64,
    length: f64,
}

/// The noise is divided by its length first, which does not overflow.
impl Elementwise<1, 3> for PerturbedSgdUpdate {
    fn numbers(&self) -> [(&'static str, f64); 3] {
        [("the rate", self.rate), ("radius", self.radius), ("the length of the noise", self.length)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([rate, radius, length]: [T; 3], theta: T, g: T, [noise]: [T; 1]) -> (T, [T; 1]) {
        (theta - rate * (g + radius * (noise / length)), [noise])
    }
}

/// Fills `noise` with independent Gaussian numbers.
fn draw(noise: &mut Buffers, seed: u64, step: u64) {
    draw_in::<f32>(noise, seed, step);
    draw_in::<f64>(noise, seed, step);
}

fn draw_in<T: FloatElement>(noise: &mut Buffers, seed: u64, step: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    let first_block = if T::DTYPE == DType::F64 { FIRST_BLOCK_OF_F64 } else { 0 };
    ranges::run(GaussianFill { rng, first_block, elements: noise.elements_mut::<T>() });
}

/// Words of the stream that belong to one block of [`BLOCK_ELEMENTS`] elements, which takes some 130 of them: how many is left to
/// chance, so blocks have far more, and begin where it is known.
const WORDS_OF_BLOCK: u128 = 1 << 12;

/// Blocks of f32 are numbered from 0 on, blocks of f64 from here on.
const FIRST_BLOCK_OF_F64: u64 = 1 << 52;

/// The draws of a range of elements, which begins with a block.
struct GaussianFill<'a, T> {
    rng: ChaCha8Rng,
    first_block: u64,
    elements: &'a mut [T],
}

impl<T: FloatElement> Ranges for GaussianFill<'_, T> {
    const BYTES: usize = size_of::<T>();

    fn n_elements(&self) -> usize {
        self.elements.len()
    }

    fn split_at(self, n: usize) -> (Self, Self) {
        let (elements, others) = self.elements.split_at_mut(n);
        let first_block_of_others = self.first_block + (n / BLOCK_ELEMENTS) as u64;
        let others = GaussianFill { rng: self.rng.clone(), first_block: first_block_of_others, elements: others };
        (GaussianFill { elements, ..self }, others)
    }
}

impl<T: FloatElement> Loop for GaussianFill<'_, T> {
    #[inline(always)]
    fn run(self) {
        let mut rng = self.rng;
        for (block, elements) in (self.first_block..).zip(self.elements.chunks_mut(BLOCK_ELEMENTS)) {
            rng.set_word_pos(u128::from(block) * WORDS_OF_BLOCK);
            for element in elements {
                *element = T::from_f64(rng.sample(StandardNormal));
            }
        }
    }
}

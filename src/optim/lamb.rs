//! LAMB. In: parameters and gradients. Out: each parameter moved in Adam's direction, by a step that is a fraction of its own
//! length. It remembers what Adam does.

use super::{
    OptimizerError, Schedule,
    adam::AdamUpdate,
    elementwise::{Elementwise, descend_slices},
    error::{check_factor, check_made, check_rate},
    parameterwise::{ByParameter, ParameterSlices, Parameterwise},
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::{FloatElement, norm_of_slice};

/// Layer-wise adaptive moments for large batches, for each array θ by itself:
///
/// u = m̂ / (√v̂ + ε) + λ θ, with m̂ and v̂ as in [`Adam`](super::Adam), then θ ← θ − γₜ ‖θ‖ / ‖u‖ · u.
///
/// So a step is γ times as long as the array. Where ‖θ‖ or ‖u‖ is 0 their quotient is taken as 1, so that a bias that begins
/// at 0 is moved. The norms are those of [`Buffers::norm`](crate::parameters::Buffers::norm), in f64; NaN in a gradient
/// spoils its whole array, and no other.
///
/// λ = 0.01, β₁ = 0.9, β₂ = 0.999 and ε = 10⁻⁶ unless set.
///
/// # Complexity
/// Besides the step, two passes for the norms, on the caller's thread, and scratch memory as large as the largest array.
///
/// # Source
/// You et al., *Large batch optimization for deep learning: training BERT in 76 minutes*, 2020, Algorithm 2, with the
/// identity for φ.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Lamb, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![2]), ("b", DType::F64, vec![])])?);
/// parameters.flat_mut::<f64>()?.copy_from_slice(&[3.0, 4.0, 10.0]);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?.copy_from_slice(&[0.0, 1e6, 1e-1]);
/// Lamb::new(0.1).weight_decay(0.0).step(&mut parameters, &gradients)?;
/// // By a tenth of ‖(3, 4)‖ = 5, and of 10.
/// for (w, want) in parameters.flat::<f64>()?.iter().zip([3.0, 3.5, 9.0]) {
///     assert!((w - want).abs() < 1e-12);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Lamb {
    rate: Schedule,
    weight_decay: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    state: RuleState<2>,
}

impl Lamb {
    /// LAMB at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> Lamb {
        Lamb {
            rate: rate.into(),
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            state: RuleState::default(),
        }
    }

    /// With λ, the part of a parameter that is added to its direction, finite and not negative.
    #[doc(alias = "decay")]
    pub fn weight_decay(self, weight_decay: f64) -> Lamb {
        Lamb { weight_decay, ..self }
    }

    /// With β₁, the decay of the mean gradient, in [0, 1).
    pub fn beta1(self, beta1: f64) -> Lamb {
        Lamb { beta1, ..self }
    }

    /// With β₂, the decay of the mean squared gradient, in [0, 1).
    pub fn beta2(self, beta2: f64) -> Lamb {
        Lamb { beta2, ..self }
    }

    /// With ε, which keeps the denominator from zero; not less than the least normal f32.
    pub fn epsilon(self, epsilon: f64) -> Lamb {
        Lamb { epsilon, ..self }
    }
}

impl UpdateRule<2> for Lamb {
    const KEEPS: [&'static str; 2] = ["mean", "square"];

    type Update = ByParameter<LambUpdate>;

    fn name(&self) -> &'static str {
        "lamb"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_factor("weight_decay", self.weight_decay)?;
        let rate = check_rate(&self.rate, step)?;
        let moments = AdamUpdate::new([self.beta1, self.beta2], self.epsilon, 1.0, step)?;
        moments.numbers().into_iter().try_for_each(|(name, number)| check_made(name, number))?;
        Ok(ByParameter(LambUpdate { rate, direction: LambDirection { moments, weight_decay: self.weight_decay } }))
    }
}

optimizer!(Lamb);

/// The numbers of a step.
pub(super) struct LambUpdate {
    rate: f64,
    direction: LambDirection,
}

impl Parameterwise<2> for LambUpdate {
    fn n_scratch(shape: &[usize]) -> usize {
        shape.iter().product()
    }

    fn update<T: FloatElement + Into<f64>>(&self, parameter: ParameterSlices<'_, T, 2>) {
        let ParameterSlices { elements, gradient, kept: [mean, square], scratch, .. } = parameter;
        let direction = &mut scratch[..elements.len()];
        descend_slices(self.direction, elements, gradient, [mean, square, direction]);
        let (norm, length) = (norm_of_slice(elements), norm_of_slice(direction));
        let (rate, length) = if norm == 0.0 || length == 0.0 { (self.rate, 1.0) } else { (self.rate * norm, length) };
        descend_slices(LambElementUpdate { rate, length }, elements, direction, []);
    }
}

/// The direction of one array: what is kept moves, the parameter does not, and u is written to scratch memory.
#[derive(Clone, Copy)]
struct LambDirection {
    moments: AdamUpdate,
    weight_decay: f64,
}

impl Elementwise<3, 8> for LambDirection {
    fn numbers(&self) -> [(&'static str, f64); 8] {
        let [a, b, c, d, e, f, g] = self.moments.numbers();
        [a, b, c, d, e, f, g, ("weight_decay", self.weight_decay)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([moments @ .., decay]: [T; 8], theta: T, g: T, [m, v, _]: [T; 3]) -> (T, [T; 3]) {
        // What Adam takes away from 0, at the rate 1.
        let (moved, [m, v]) = AdamUpdate::update(moments, T::zero(), g, [m, v]);
        (theta, [m, v, decay * theta - moved])
    }
}

/// The step of one array along u: it is divided by its length first, which neither over- nor underflows.
#[derive(Clone, Copy)]
struct LambElementUpdate {
    rate: f64,
    length: f64,
}

impl Elementwise<0, 2> for LambElementUpdate {
    fn numbers(&self) -> [(&'static str, f64); 2] {
        [("the rate of an array", self.rate), ("the length of a direction", self.length)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([rate, length]: [T; 2], theta: T, u: T, []: [T; 0]) -> (T, [T; 0]) {
        (theta - rate * (u / length), [])
    }
}

//! Layer-wise adaptive rates. In: parameters and gradients. Out: each parameter moved by a step that is a fraction of its own
//! length. It remembers a sum of such steps, one number per parameter, and the step count.

use super::{
    OptimizerError, Schedule,
    elementwise::Elementwise,
    error::{check_decay, check_factor, check_made, check_rate},
    parameterwise::{ByParameter, ParameterSlices, Parameterwise},
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::{FloatElement, norm_of_slice};

/// Layer-wise adaptive rate scaling, for each array θ by itself, with gradient g, and v = 0 at first:
///
/// κ = η ‖θ‖ / (‖g‖ + λ ‖θ‖), then v ← ρ v + γₜ κ (g + λ θ) and θ ← θ − v.
///
/// So a step is about γ η times as long as the array, however large the gradient: made for large batches. Where ‖θ‖ = 0, or
/// the denominator is 0, κ is 1, so that a bias that begins at 0 is moved. The norms are those of
/// [`Buffers::norm`](crate::parameters::Buffers::norm), in f64; NaN in a gradient spoils its whole array, and no other.
///
/// η = 0.001, ρ = 0.9 and λ = 0.0005 unless set. The decay is a part of the rule: gradients are not decayed before.
///
/// # Complexity
/// Besides the step, two passes for the norms, on the caller's thread.
///
/// # Source
/// You, Gitman and Ginsburg, *Large batch training of convolutional networks*, 2017, Algorithm 1; where ‖θ‖ = 0 it does not
/// move there.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Lars, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![2]), ("b", DType::F64, vec![])])?);
/// parameters.flat_mut::<f64>()?.copy_from_slice(&[3.0, 4.0, 10.0]);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?.copy_from_slice(&[0.0, 1e6, 1e-6]);
/// Lars::new(1.0).trust(0.1).weight_decay(0.0).step(&mut parameters, &gradients)?;
/// // By a tenth of ‖(3, 4)‖ = 5, and of 10.
/// for (w, want) in parameters.flat::<f64>()?.iter().zip([3.0, 3.5, 9.0]) {
///     assert!((w - want).abs() < 1e-12);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Lars {
    rate: Schedule,
    trust: f64,
    momentum: f64,
    weight_decay: f64,
    state: RuleState<1>,
}

impl Lars {
    /// LARS at `rate`, a number or a [`Schedule`].
    pub fn new(rate: impl Into<Schedule>) -> Lars {
        Lars { rate: rate.into(), trust: 0.001, momentum: 0.9, weight_decay: 0.0005, state: RuleState::default() }
    }

    /// With η, how long a step is relative to its array, finite and not negative.
    pub fn trust(self, trust: f64) -> Lars {
        Lars { trust, ..self }
    }

    /// With ρ, the decay of the sum of steps, in [0, 1).
    pub fn momentum(self, momentum: f64) -> Lars {
        Lars { momentum, ..self }
    }

    /// With λ, the part of a parameter that is added to its gradient, finite and not negative.
    #[doc(alias = "decay")]
    pub fn weight_decay(self, weight_decay: f64) -> Lars {
        Lars { weight_decay, ..self }
    }
}

impl UpdateRule<1> for Lars {
    const KEEPS: [&'static str; 1] = ["momentum"];

    type Update = ByParameter<LarsUpdate>;

    fn name(&self) -> &'static str {
        "lars"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_factor("trust", self.trust)?;
        check_decay("momentum", self.momentum)?;
        check_factor("weight_decay", self.weight_decay)?;
        let rate = check_rate(&self.rate, step)?;
        check_made("rate · trust", rate * self.trust)?;
        Ok(ByParameter(LarsUpdate {
            rate,
            trust: self.trust,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
        }))
    }
}

optimizer!(Lars);

/// The numbers of a step.
pub(super) struct LarsUpdate {
    rate: f64,
    trust: f64,
    momentum: f64,
    weight_decay: f64,
}

impl Parameterwise<1> for LarsUpdate {
    fn n_scratch(_: &[usize]) -> usize {
        0
    }

    fn update<T: FloatElement + Into<f64>>(&self, parameter: ParameterSlices<'_, T, 1>) {
        let norm = norm_of_slice(parameter.elements);
        let denominator = norm_of_slice(parameter.gradient) + self.weight_decay * norm;
        let (rate, length) = if norm == 0.0 || denominator == 0.0 {
            (self.rate, 1.0)
        } else {
            (self.rate * self.trust * norm, denominator)
        };
        parameter.descend(LarsElementUpdate { rate, length, momentum: self.momentum, weight_decay: self.weight_decay });
    }
}

/// The step of one array: the direction is divided by its length first, which neither over- nor underflows.
#[derive(Clone, Copy)]
struct LarsElementUpdate {
    rate: f64,
    length: f64,
    momentum: f64,
    weight_decay: f64,
}

impl Elementwise<1, 4> for LarsElementUpdate {
    fn numbers(&self) -> [(&'static str, f64); 4] {
        [
            ("the rate of an array", self.rate),
            ("the length of a gradient", self.length),
            ("momentum", self.momentum),
            ("weight_decay", self.weight_decay),
        ]
    }

    #[inline(always)]
    fn update<T: FloatElement>(
        [rate, length, momentum, weight_decay]: [T; 4],
        theta: T,
        g: T,
        [v]: [T; 1],
    ) -> (T, [T; 1]) {
        let v = momentum * v + rate * ((g + weight_decay * theta) / length);
        (theta - v, [v])
    }
}

//! Muon. In: parameters and gradients. Out: matrices moved by orthogonalized means of their gradients, all else by another
//! optimizer. It remembers one mean of each matrix, and what the other does of the rest.

use std::sync::Arc;

use super::{
    AdamW, Optimizer, OptimizerError, Schedule,
    elementwise::{Elementwise, descend_slices},
    error::{check_decay, check_factor, check_made},
    members::{Allotment, Divided, Members, check_patterns, composite},
    newton_schulz::{n_scratch, orthogonalize},
    parameterwise::{ByParameter, ParameterSlices, Parameterwise},
    rule::{UpdateRule, optimizer},
    state::RuleState,
};
use crate::{
    names,
    parameters::{FloatElement, Layout},
};

/// Momentum orthogonalized by Newton and Schulz, of every matrix, with m = 0 at first:
///
/// m ← μ m + (1 − μ) g, then O = NS(μ m + (1 − μ) g) and θ ← (1 − γₜ λ) θ − γₜ √max(1, columns / rows) O.
///
/// NS takes a matrix with the singular values sᵢ to one with the same singular vectors and singular values near 1: divided by
/// its Frobenius norm, it is taken five times to X ← a X + (b A + c A²) X with A = X Xᵀ and (a, b, c) = (3.4445, −4.775, 2.0315). So
/// every direction is learned at the same rate, however small its gradients are beside others.
///
/// A matrix is a parameter of two axes; `x.dot(w)` has inputs as rows and outputs as columns, as [`nn`](crate::nn) has, so
/// that the factor is that of the source, where weights are transposed. All else, as biases, norms and kernels of convolutions,
/// is moved by the other optimizer, usually [`AdamW`]. Embeddings and the last layer are matrices too, but are better left to it:
/// name them by [`Muon::except`].
///
/// μ = 0.95 and λ = 0 unless set.
///
/// # Complexity
/// For a matrix of m rows and n ≥ m columns, some 5 m² (2 n + m) multiplications, and scratch memory of 2 m (m + n) for the
/// largest matrix.
///
/// # Source
/// Jordan et al., *Muon: an optimizer for hidden layers in neural networks*, 2024; the mean and the decay as in PyTorch, which
/// computes NS in bf16: here it is in the dtype of the parameter.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{AdamW, Muon, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layout = Layout::new([("w", DType::F64, vec![2, 2]), ("b", DType::F64, vec![2])])?;
/// let mut parameters = Parameters::zeros(layout.clone());
/// let mut gradients = Gradients::zeros(layout);
/// gradients.flat_mut::<f64>()?.copy_from_slice(&[1.0, 0.0, 0.0, 0.1, 1.0, 0.0]);
/// Muon::new(0.1, AdamW::new(0.01)).step(&mut parameters, &gradients)?;
/// let moved = parameters.flat::<f64>()?;
/// // Both directions of the matrix move by about the rate, though one gradient is a tenth of the other.
/// assert!((-0.13..-0.06).contains(&moved[0]) && (-0.13..-0.06).contains(&moved[3]), "{moved:?}");
/// assert!((moved[4] + 0.01).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Muon<O = AdamW> {
    matrices: MuonOfMatrices,
    others: O,
    except: Vec<String>,
    n_steps: u64,
    allotment: Allotment,
}

impl<O: Optimizer> Muon<O> {
    /// Muon of matrices at `rate`, a number or a [`Schedule`], and another optimizer for all else.
    pub fn new(rate: impl Into<Schedule>, others: O) -> Muon<O> {
        let matrices = MuonOfMatrices::new(rate);
        Muon { matrices, others, except: Vec::new(), n_steps: 0, allotment: Allotment::default() }
    }

    /// With the matrices whose names match one of these patterns, as those of [`Groups`](super::Groups), left to the other
    /// optimizer.
    pub fn except<P: Into<String>>(mut self, patterns: impl IntoIterator<Item = P>) -> Muon<O> {
        self.except.extend(patterns.into_iter().map(Into::into));
        self.allotment = Allotment::default();
        self
    }

    /// With μ, the decay of the mean gradient, in [0, 1).
    pub fn momentum(self, momentum: f64) -> Muon<O> {
        Muon { matrices: self.matrices.momentum(momentum), ..self }
    }

    /// With λ, by which matrices decay, finite and not negative.
    #[doc(alias = "decay")]
    pub fn weight_decay(self, weight_decay: f64) -> Muon<O> {
        Muon { matrices: self.matrices.weight_decay(weight_decay), ..self }
    }
}

impl<O: Optimizer> Members for Muon<O> {
    const NAME: &'static str = "muon";

    fn members(&self) -> impl Iterator<Item = (&str, &dyn Optimizer)> {
        [("matrices", &self.matrices as &dyn Optimizer), ("others", &self.others)].into_iter()
    }

    fn members_mut(&mut self) -> impl Iterator<Item = (&str, &mut dyn Optimizer)> {
        [("matrices", &mut self.matrices as &mut dyn Optimizer), ("others", &mut self.others)].into_iter()
    }

    fn n_steps(&self) -> u64 {
        self.n_steps
    }

    fn set_n_steps(&mut self, n_steps: u64) {
        self.n_steps = n_steps;
    }
}

impl<O: Optimizer> Divided for Muon<O> {
    fn split(&self, part: &Arc<Layout>, parameters: &Layout) -> Result<Allotment, OptimizerError> {
        check_patterns(&self.except, parameters)?;
        let is_left = |name: &str| names::matches_any(&self.except, name);
        Ok(Allotment::new(part, 2, |name, slot| usize::from(slot.shape.len() != 2 || is_left(name))))
    }

    fn allotment(&self) -> &Allotment {
        &self.allotment
    }

    fn allotment_mut(&mut self) -> &mut Allotment {
        &mut self.allotment
    }
}

composite!(Muon<O>, O);

/// The rule of matrices alone; what has another number of axes is taken as rows of what follows the first.
#[derive(Debug, Clone)]
pub(super) struct MuonOfMatrices {
    rate: Schedule,
    momentum: f64,
    weight_decay: f64,
    state: RuleState<1>,
}

impl MuonOfMatrices {
    pub(super) fn new(rate: impl Into<Schedule>) -> MuonOfMatrices {
        MuonOfMatrices { rate: rate.into(), momentum: 0.95, weight_decay: 0.0, state: RuleState::default() }
    }

    pub(super) fn momentum(self, momentum: f64) -> MuonOfMatrices {
        MuonOfMatrices { momentum, ..self }
    }

    pub(super) fn weight_decay(self, weight_decay: f64) -> MuonOfMatrices {
        MuonOfMatrices { weight_decay, ..self }
    }
}

impl UpdateRule<1> for MuonOfMatrices {
    const KEEPS: [&'static str; 1] = ["mean"];

    type Update = ByParameter<MuonUpdate>;

    fn name(&self) -> &'static str {
        "muon-of-matrices"
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        check_decay("momentum", self.momentum)?;
        check_factor("weight_decay", self.weight_decay)?;
        let rate = self.state.rate(&self.rate, step)?;
        let keep = 1.0 - rate * self.weight_decay;
        check_made("1 − rate · weight_decay", keep)?;
        Ok(ByParameter(MuonUpdate { momentum: self.momentum, rate, keep }))
    }
}

optimizer!(MuonOfMatrices);

/// The numbers of a step.
pub(super) struct MuonUpdate {
    momentum: f64,
    rate: f64,
    keep: f64,
}

/// Rows, and columns of all other axes together.
fn matrix_shape(shape: &[usize]) -> [usize; 2] {
    let n_rows = if shape.len() < 2 { 1 } else { shape[0] };
    [n_rows, shape.iter().product::<usize>() / n_rows.max(1)]
}

impl Parameterwise<1> for MuonUpdate {
    fn n_scratch(shape: &[usize]) -> usize {
        n_scratch(matrix_shape(shape))
    }

    fn update<T: FloatElement + Into<f64>>(&self, parameter: ParameterSlices<'_, T, 1>) {
        let ParameterSlices { elements, gradient, kept: [mean], scratch, shape } = parameter;
        if elements.is_empty() {
            return;
        }
        let shape @ [n_rows, n_columns] = matrix_shape(shape);
        let direction = &mut scratch[..elements.len()];
        descend_slices(MuonDirection { momentum: self.momentum }, elements, gradient, [mean, direction]);
        orthogonalize(shape, scratch);
        let scale = (n_columns as f64 / n_rows as f64).max(1.0).sqrt();
        let update = MuonElementUpdate { rate: self.rate, scale, keep: self.keep };
        descend_slices(update, elements, &scratch[..elements.len()], []);
    }
}

/// The mean of one array and the direction before it is orthogonalized; the parameter does not move.
#[derive(Clone, Copy)]
struct MuonDirection {
    momentum: f64,
}

impl Elementwise<2, 2> for MuonDirection {
    fn numbers(&self) -> [(&'static str, f64); 2] {
        [("momentum", self.momentum), ("1 − momentum", 1.0 - self.momentum)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([momentum, rest]: [T; 2], theta: T, g: T, [m, _]: [T; 2]) -> (T, [T; 2]) {
        let m = momentum * m + rest * g;
        (theta, [m, momentum * m + rest * g])
    }
}

#[derive(Clone, Copy)]
struct MuonElementUpdate {
    rate: f64,
    scale: f64,
    keep: f64,
}

impl Elementwise<0, 3> for MuonElementUpdate {
    fn numbers(&self) -> [(&'static str, f64); 3] {
        [("the rate", self.rate), ("the factor of a shape", self.scale), ("1 − rate · weight_decay", self.keep)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([rate, scale, keep]: [T; 3], theta: T, o: T, []: [T; 0]) -> (T, [T; 0]) {
        (keep * theta - rate * (scale * o), [])
    }
}

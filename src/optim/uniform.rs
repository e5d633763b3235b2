//! One method for all. In: parameters, gradients and a row of the uniform framework. Out: parameters moved by that row's
//! method. It remembers a square, the last H and the last displacement, three numbers per parameter, and the step count.

use super::{
    OptimizerError, Row,
    elementwise::{ByElement, Elementwise, check_numbers},
    row::{RowCoefficients, Scaling},
    rule::{Update, UpdateArrays, UpdateRule, optimizer},
    state::RuleState,
};
use crate::parameters::{Buffers, FloatElement};

/// The uniform framework, at step t = 0, 1, …, with θ₋₁ = θ₀:
///
/// θₜ₊₁ = θₜ − αₜ Hₜ⁻¹ gₜ + βₜ Hₜ⁻¹ Hₜ₋₁ (θₜ − θₜ₋₁), where Hₜ = δ + √Gₜ is diagonal and a [`Row`] says what α, β and G are.
///
/// It computes by this formula, and so reaches the parameters of the method that the row is named after by another road,
/// up to rounding. αₜ Hₜ⁻¹, the effective learning rate of each parameter, and βₜ Hₜ⁻¹ Hₜ₋₁, its effective momentum, can be
/// read after each step. To train, take the named method, which remembers less.
///
/// Where [`Optimizer::scale_rate`](super::Optimizer::scale_rate) changes the factor, α has it and β does not know, so that
/// for that step the row is not the method. The displacement is the one that was made by the last step: parameters that were changed
/// between steps are not seen to have moved. With δ = 0, H⊙H = G as printed; the identities hold for any δ, if the method adds it to
/// the same root. `docs/reference/uniform-framework.md` proves the rows, and says which printed ones need care.
///
/// # Source
/// Cevher, *Mathematics of data*, EE-556, EPFL 2018, lecture 8; Wilson, Roelofs, Stern, Srebro and Recht, *The marginal
/// value of adaptive gradient methods in machine learning*, 2017, section 2.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Adam, Optimizer, Row, Uniform}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut one = Parameters::zeros(Layout::new([("w", DType::F64, vec![2])])?);
/// let mut other = one.clone();
/// let mut gradients = Gradients::zeros(one.layout().clone());
/// let (mut uniform, mut adam) = (Uniform::new(Row::adam(0.1, 0.9, 0.999)), Adam::new(0.1));
/// for step in 0..50 {
///     gradients.flat_mut::<f64>()?.copy_from_slice(&[f64::cos(step as f64), 4.0]);
///     uniform.step(&mut one, &gradients)?;
///     adam.step(&mut other, &gradients)?;
/// }
/// for (one, other) in one.flat::<f64>()?.iter().zip(other.flat::<f64>()?) {
///     assert!((one - other).abs() < 1e-12);
/// }
/// // A gradient that is 4 throughout has √v̂ = 4, so that Adam's rate is a quarter of α.
/// let rate = uniform.effective_rate().expect("steps were taken").flat::<f64>()?[1];
/// assert!((rate - uniform.row().alpha(49) / 4.0).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Uniform {
    row: Row,
    state: RuleState<3>,
}

impl Uniform {
    /// The method that `row` describes.
    pub fn new(row: Row) -> Uniform {
        Uniform { row, state: RuleState::default() }
    }

    /// The row.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// αₜ Hₜ⁻¹ of the last step, for each parameter; nothing before the first.
    pub fn effective_rate(&self) -> Option<Buffers> {
        self.of_last_step(|numbers, scale, _| numbers.alpha / scale)
    }

    /// βₜ Hₜ⁻¹ Hₜ₋₁ of the last step, for each parameter; nothing before the first.
    pub fn effective_momentum(&self) -> Option<Buffers> {
        self.of_last_step(|numbers, scale, scale_before| numbers.beta * scale_before / scale)
    }

    /// What `function` makes of the numbers of the last step, and of Hₜ and Hₜ₋₁ of each parameter.
    fn of_last_step(&self, function: impl Fn(&RowCoefficients, f64, f64) -> f64) -> Option<Buffers> {
        let step = self.state.step().checked_sub(1)?;
        let [squares, scales_before, _] = self.state.buffers()?;
        let numbers = self.row.numbers_unchecked(step, self.state.rate_factor());
        let of_element = |square: f64, scale_before: f64| match self.row.scaling() {
            Scaling::Identity => function(&numbers, 1.0, 1.0),
            _ => function(&numbers, numbers.epsilon + numbers.scale * square.sqrt(), scale_before),
        };
        let mut result = Buffers::zeros(squares.layout().clone());
        fill::<f32>(&mut result, squares, scales_before, &of_element);
        fill::<f64>(&mut result, squares, scales_before, &of_element);
        Some(result)
    }
}

impl UpdateRule<3> for Uniform {
    const KEEPS: [&'static str; 3] = ["square", "scale", "displacement"];

    type Update = UniformUpdate;

    /// What is kept means something else where G comes from the gradients otherwise.
    fn name(&self) -> &'static str {
        match self.row.scaling() {
            Scaling::Identity => "uniform-identity",
            Scaling::Sum => "uniform-sum",
            Scaling::Average { .. } => "uniform-average",
            Scaling::CorrectedAverage { .. } => "uniform-corrected-average",
        }
    }

    fn update_at(&self, step: u64) -> Result<Self::Update, OptimizerError> {
        let numbers = self.row.numbers(step, self.state.rate_factor())?;
        Ok(match self.row.scaling() {
            Scaling::Identity => UniformUpdate::Unscaled(UnscaledUpdate(numbers)),
            _ => UniformUpdate::Scaled(ScaledUpdate(numbers)),
        })
    }
}

optimizer!(Uniform, row.rate);

/// A step, by whether H = I.
pub(super) enum UniformUpdate {
    Unscaled(UnscaledUpdate),
    Scaled(ScaledUpdate),
}

impl Update<3> for UniformUpdate {
    fn check(&self) -> Result<(), OptimizerError> {
        match self {
            UniformUpdate::Unscaled(rule) => check_numbers(rule),
            UniformUpdate::Scaled(rule) => check_numbers(rule),
        }
    }

    fn apply(self, arrays: UpdateArrays<'_, 3>) {
        match self {
            UniformUpdate::Unscaled(rule) => ByElement(rule).apply(arrays),
            UniformUpdate::Scaled(rule) => ByElement(rule).apply(arrays),
        }
    }
}

/// The step where H = I: of an infinite gradient no square is taken.
#[derive(Clone, Copy)]
pub(super) struct UnscaledUpdate(RowCoefficients);

impl Elementwise<3, 2> for UnscaledUpdate {
    fn numbers(&self) -> [(&'static str, f64); 2] {
        [("alpha", self.0.alpha), ("beta", self.0.beta)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([alpha, beta]: [T; 2], theta: T, g: T, memory: [T; 3]) -> (T, [T; 3]) {
        let [square, scale, moved] = memory;
        let moved = beta * moved - alpha * g;
        (theta + moved, [square, scale, moved])
    }
}

#[derive(Clone, Copy)]
pub(super) struct ScaledUpdate(RowCoefficients);

impl Elementwise<3, 7> for ScaledUpdate {
    fn numbers(&self) -> [(&'static str, f64); 7] {
        let RowCoefficients { alpha, beta, keep, take, scale_before, scale, epsilon } = self.0;
        [
            ("alpha", alpha),
            ("beta", beta),
            ("the decay of the squares", keep),
            ("the weight of a square", take),
            ("the last correction of the root", scale_before),
            ("the correction of the root", scale),
            ("epsilon", epsilon),
        ]
    }

    #[inline(always)]
    fn update<T: FloatElement>(numbers: [T; 7], theta: T, g: T, [square, _, moved]: [T; 3]) -> (T, [T; 3]) {
        let [alpha, beta, keep, take, root_before, root, epsilon] = numbers;
        let scale_before = epsilon + root_before * square.sqrt();
        let square = keep * square + take * (g * g);
        let scale = epsilon + root * square.sqrt();
        let moved = (beta * scale_before * moved - alpha * g) / scale;
        (theta + moved, [square, scale_before, moved])
    }
}

fn fill<T: FloatElement + Into<f64>>(
    result: &mut Buffers,
    squares: &Buffers,
    scales_before: &Buffers,
    of_element: &impl Fn(f64, f64) -> f64,
) {
    let elements = squares.elements::<T>().iter().zip(scales_before.elements::<T>());
    for (result, (&square, &scale_before)) in result.elements_mut::<T>().iter_mut().zip(elements) {
        *result = T::from_f64(of_element(square.into(), scale_before.into()));
    }
}

//! Averages of weights. In: an optimizer, and which average is meant. Out: the same optimizer, which also keeps that average
//! of the parameters that it moves. It remembers one more number per parameter.

use std::sync::Arc;

use super::{
    GroupRate, Optimizer, OptimizerError, OptimizerState,
    alignment::Alignment,
    elementwise::{Elementwise, descend_slices},
    error::{check_decay, is_same},
    members::check_state,
};
use crate::parameters::{Buffers, FloatElement, Gradients, Layout, ParameterError, Parameters};

/// An optimizer that also keeps an average of the parameters that it moves, which often generalizes better than they do.
///
/// [`Averaged::ema`] weights the last steps most, [`Averaged::swa`] the steps of a plateau alike. Training goes on by the
/// parameters themselves; [`Averaged::parameters`] gives those to be measured or kept. The average is a part of the
/// [state](Optimizer::state), so that a checkpoint resumes it bit for bit. Running statistics of a batch norm are those of the
/// weights: [`Trainer::update_statistics`](crate::train::Trainer::update_statistics) computes them anew for the averages, and
/// [`Fit::by_averages`](crate::train::Fit::by_averages) validates and keeps averages with such statistics.
///
/// # Source
/// Polyak and Juditsky, *Acceleration of stochastic approximation by averaging*, 1992; Izmailov et al., *Averaging weights
/// leads to wider optima and better generalization*, 2018.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{Averaged, Optimizer, Sgd}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?[0] = -1.0;
/// let mut rule = Averaged::ema(Sgd::new(1.0), 0.75);
/// for _ in 0..3 {
///     rule.step(&mut parameters, &gradients)?;
/// }
/// // After 1 it is 1, after 2 it is 1.25, after 3 it is 1.6875.
/// assert_eq!(parameters.flat::<f64>()?, [3.0]);
/// assert_eq!(rule.parameters(&parameters)?.flat::<f64>()?, [1.6875]);
/// # Ok(())
/// # }
/// ```
#[doc(alias("AveragedModel", "polyak_averaging"))]
#[derive(Debug, Clone)]
pub struct Averaged<O> {
    rule: O,
    kind: Kind,
    n_steps: u64,
    average: Option<Buffers>,
    alignment: Alignment,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Exponential { decay: f64 },
    Uniform { first: u64, every: u64 },
}

impl<O: Optimizer> Averaged<O> {
    /// The exponential moving average: after the first step a = θ, and after each later one a ← a + (1 − d) (θ − a), with the
    /// decay d in [0, 1).
    pub fn ema(rule: O, decay: f64) -> Averaged<O> {
        Averaged::new(rule, Kind::Exponential { decay })
    }

    /// Stochastic weight averaging: the mean of the parameters after each `every`-th step (at least one) from the step
    /// `first` on, counted from 1.
    pub fn swa(rule: O, first: u64, every: u64) -> Averaged<O> {
        Averaged::new(rule, Kind::Uniform { first: first.max(1), every: every.max(1) })
    }

    fn new(rule: O, kind: Kind) -> Averaged<O> {
        Averaged { rule, kind, n_steps: 0, average: None, alignment: Alignment::default() }
    }

    /// The optimizer whose steps are averaged.
    pub fn rule(&self) -> &O {
        &self.rule
    }

    /// A copy of `parameters` with the averages in place of what is averaged; all of them as they are, before there is an
    /// average.
    ///
    /// # Errors
    /// They are not those that were moved.
    pub fn parameters(&self, parameters: &Parameters) -> Result<Parameters, ParameterError> {
        parameters.with_arrays(self.average.as_slice())
    }

    /// How much of the parameters after the present step comes into the average: all of the first that count.
    fn weight(&self) -> Option<f64> {
        match self.kind {
            Kind::Exponential { .. } if self.average.is_none() => Some(1.0),
            Kind::Exponential { decay } => Some(1.0 - decay),
            Kind::Uniform { first, every } => {
                let since = self.n_steps.checked_sub(first)?;
                since.is_multiple_of(every).then(|| 1.0 / (since / every + 1) as f64)
            }
        }
    }

    /// Counts a step that was taken, and takes its parameters into the average.
    fn take(&mut self, parameters: &Parameters, part: &Arc<Layout>) {
        self.n_steps += 1;
        let Some(weight) = self.weight() else { return };
        self.alignment.follow(part, parameters.layout(), parameters.layout());
        let average = self.average.get_or_insert_with(|| Buffers::zeros(Arc::clone(part)));
        average.share_layout(part);
        take_in::<f32>(average, parameters, &self.alignment, weight);
        take_in::<f64>(average, parameters, &self.alignment, weight);
    }
}

fn take_in<T: FloatElement>(average: &mut Buffers, parameters: &Parameters, alignment: &Alignment, weight: f64) {
    for run in alignment.runs::<T>() {
        let average = &mut average.elements_mut::<T>()[run.part..][..run.n_elements];
        let elements = &parameters.elements::<T>()[run.parameters..][..run.n_elements];
        if weight == 1.0 {
            average.copy_from_slice(elements);
        } else {
            descend_slices(AverageUpdate { weight }, average, elements, []);
        }
    }
}

#[derive(Clone, Copy)]
struct AverageUpdate {
    weight: f64,
}

impl Elementwise<0, 1> for AverageUpdate {
    fn numbers(&self) -> [(&'static str, f64); 1] {
        [("the weight of a step", self.weight)]
    }

    #[inline(always)]
    fn update<T: FloatElement>([weight]: [T; 1], average: T, theta: T, []: [T; 0]) -> (T, [T; 0]) {
        (average + weight * (theta - average), [])
    }
}

impl<O: Optimizer> Optimizer for Averaged<O> {
    fn check_part(
        &self,
        parameters: &Parameters,
        gradients: &Gradients,
        part: &Arc<Layout>,
    ) -> Result<(), OptimizerError> {
        if let Kind::Exponential { decay } = self.kind {
            check_decay("decay", decay)?;
        }
        if let Some(average) = self.average.as_ref().filter(|average| !is_same(average.layout(), part)) {
            return Err(OptimizerError::State { expected: average.layout().clone(), found: part.clone() });
        }
        self.rule.check_part(parameters, gradients, part)
    }

    fn step_part(
        &mut self,
        parameters: &mut Parameters,
        gradients: &Gradients,
        part: &Arc<Layout>,
    ) -> Result<(), OptimizerError> {
        self.check_part(parameters, gradients, part)?;
        self.rule.step_part(parameters, gradients, part)?;
        self.take(parameters, part);
        Ok(())
    }

    fn scale_rate(&mut self, factor: f64) {
        self.rule.scale_rate(factor);
    }

    fn rates(&self) -> Vec<GroupRate> {
        self.rule.rates()
    }

    /// An average of what the averaged optimizer moves, which says more than those that this may keep itself.
    fn averages(&self) -> Option<Vec<&Buffers>> {
        Some(self.average.iter().collect())
    }

    fn state(&self) -> OptimizerState {
        let average = self.average.iter().map(|average| (AVERAGE, average.clone()));
        OptimizerState::new(self.kind.name(), self.n_steps, average).with_part(RULE, self.rule.state())
    }

    fn restore(&mut self, state: OptimizerState) -> Result<(), OptimizerError> {
        let rule = self.kind.name();
        check_state(rule, &[RULE.to_owned()], &state)?;
        let n_averages = usize::from(self.kind.has_begun(state.step()));
        if !state.names().eq(std::iter::repeat_n(AVERAGE, n_averages)) {
            let found = state.names().map(str::to_owned).collect();
            return Err(OptimizerError::Arrays { rule, expected: vec![AVERAGE; n_averages], found });
        }
        let (known, saved) = (self.average.as_ref(), state.get(AVERAGE));
        if let (Some(known), Some(saved)) = (known, saved)
            && !is_same(known.layout(), saved.layout())
        {
            return Err(OptimizerError::State { expected: known.layout().clone(), found: saved.layout().clone() });
        }
        let (n_steps, average) = (state.step(), saved.cloned());
        for state in state.into_parts() {
            self.rule.restore(state)?;
        }
        (self.n_steps, self.average) = (n_steps, average);
        Ok(())
    }
}

/// What the average and the state of the optimizer are called in a state.
const AVERAGE: &str = "average";
const RULE: &str = "rule";

impl Kind {
    /// Whether there is an average after so many steps.
    fn has_begun(self, n_steps: u64) -> bool {
        match self {
            Kind::Exponential { .. } => n_steps > 0,
            Kind::Uniform { first, .. } => n_steps >= first,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Exponential { .. } => "ema",
            Kind::Uniform { .. } => "swa",
        }
    }
}

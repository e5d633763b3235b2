//! What a rule needs to go on where it stopped. In: a rule's step count and arrays, or those read from a file. Out: the
//! same as a plain value. No file format here, and no hyperparameter: those are the program's text.

use crate::parameters::Buffers;

/// The step count of an optimizer and the arrays that it remembers, each in the layout of what it moves: all parameters, or
/// those that had a gradient, or those of a group. One that is made of others has their states as parts, by name.
///
/// [`Optimizer::state`](super::Optimizer::state) makes one, and [`Optimizer::restore`](super::Optimizer::restore) takes it
/// back: an optimizer with the same hyperparameters then goes on bit for bit. It is a plain value, so that whoever stores
/// it need not know the rule: the rule's name, the count, and named arrays.
///
/// There are no arrays before the first step, and for rules that remember nothing.
///
/// # Example
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{HeavyBall, Optimizer, OptimizerState}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
/// let mut gradients = Gradients::zeros(parameters.layout().clone());
/// gradients.flat_mut::<f64>()?[0] = 1.0;
/// let mut heavy_ball = HeavyBall::new(1.0, 0.5);
/// heavy_ball.step(&mut parameters, &gradients)?;
///
/// let state = heavy_ball.state();
/// assert_eq!((state.rule(), state.step()), ("heavy-ball", 1));
/// let (name, array) = state.iter().next().expect("it has one array");
/// assert_eq!((name, array.flat::<f64>()?), ("momentum", &[1.0][..]));
///
/// // As read from a file:
/// let read = OptimizerState::new("heavy-ball", 1, [("momentum", array.clone())]);
/// let mut resumed = HeavyBall::new(1.0, 0.5);
/// resumed.restore(read)?;
/// resumed.step(&mut parameters, &gradients)?;
/// assert_eq!(parameters.flat::<f64>()?, [-1.0 - 1.5]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    rule: String,
    step: u64,
    arrays: Vec<(String, Buffers)>,
    parts: Vec<(String, OptimizerState)>,
}

impl OptimizerState {
    /// The state of the rule of that name after so many steps, with these arrays in this order. Whether they are the
    /// rule's is checked when they are restored.
    pub fn new<N: Into<String>>(
        rule: impl Into<String>,
        step: u64,
        arrays: impl IntoIterator<Item = (N, Buffers)>,
    ) -> OptimizerState {
        let arrays = arrays.into_iter().map(|(name, array)| (name.into(), array)).collect();
        OptimizerState { rule: rule.into(), step, arrays, parts: Vec::new() }
    }

    /// With the state of an optimizer that this one is made of, behind those that there are.
    pub fn with_part(mut self, name: impl Into<String>, state: OptimizerState) -> OptimizerState {
        self.parts.push((name.into(), state));
        self
    }

    /// Names and states of the optimizers that this one is made of, in its order; none for a rule.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = (&str, &OptimizerState)> {
        self.parts.iter().map(|(name, state)| (name.as_str(), state))
    }

    /// The state of the part of that name.
    pub fn part(&self, name: &str) -> Option<&OptimizerState> {
        self.parts().find_map(|(found, state)| (found == name).then_some(state))
    }

    /// The name of the rule, such as `adam`.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// How many steps were taken.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Names and arrays, in the rule's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Buffers)> {
        self.arrays.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// Names of the arrays, in the rule's order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.arrays.iter().map(|(name, _)| name.as_str())
    }

    /// The array of that name.
    pub fn get(&self, name: &str) -> Option<&Buffers> {
        self.iter().find_map(|(found, array)| (found == name).then_some(array))
    }

    /// The number of arrays.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Whether there is no array.
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    pub(super) fn into_arrays(self) -> Vec<Buffers> {
        self.arrays.into_iter().map(|(_, array)| array).collect()
    }

    pub(super) fn into_parts(self) -> impl Iterator<Item = OptimizerState> {
        self.parts.into_iter().map(|(_, state)| state)
    }
}

//! One step of training: the loss and the gradient of every parameter. In: parameters and a batch. Out: what an
//! optimizer consumes. The update itself is the optimizer's.

use std::{ops::Deref, sync::Arc};

use super::{AsParameters, Inputs, Outputs, Profile, RunError, Runner};
use crate::{
    graph::{AsViewMut, DType, Value, ValueView, ValueViewMut},
    parameters::{Gradients, Layout, ParameterError, Parameters, State},
};

/// A compiled loss with the gradients of all parameters of the graph. A clone shares the graph and the plans, as one of
/// [`Program`](super::Program) does. The plan as text or as figures, and more, are methods of [`Runner`].
#[derive(Debug, Clone)]
pub struct TrainingStep {
    /// Its outputs are the loss, the gradients in the order of the layout, the new values of states, and then what else was
    /// asked for.
    pub(crate) runner: Runner,
    /// That of the gradients: the parameters that are trained.
    pub(crate) layout: Arc<Layout>,
    /// The parameters that are not, with the reason.
    pub(crate) untrained: Arc<[(String, Untrained)]>,
    /// The states that a step sets, in the order of the outputs.
    pub(crate) updated: Arc<[String]>,
    /// With what the states that go on from batch to batch begin.
    pub(crate) first_carried: Arc<State>,
    /// Memory for their new values.
    pub(crate) spare: Vec<Value>,
}

/// Why a training step leaves a parameter as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Untrained {
    /// [`Options::frozen`](crate::Options::frozen) has a pattern for it.
    Frozen,
    /// The loss does not read it.
    Unused,
    /// The loss reads it, but what it does with it has no derivative, as behind [`stop_gradient`](crate::Expr::stop_gradient).
    Stopped,
}

/// What one step gives.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOutput {
    /// The loss.
    pub loss: f64,
    /// Its gradient with respect to every parameter that is trained.
    pub gradients: Gradients,
    /// The further outputs that were asked for.
    pub outputs: Outputs,
}

impl TrainingStep {
    /// Begins a pass over data: the states that go on from batch to batch ([`Graph::carry`](crate::Graph::carry)) become what their
    /// initializers say, the others stay. [`Trainer`](crate::train::Trainer) does so before each epoch.
    ///
    /// # Errors
    /// The parameters have no such state, or of another type; nothing is changed then.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer};
    /// let g = Graph::new();
    /// let (x, w) = (g.input("x", ()), g.parameter("w", (), Initializer::Constant(1.0)));
    /// let sum = g.state("sum", (), Initializer::Zeros);
    /// let next = g.carry(sum, |sum| sum + x);
    /// let mut step = g.compile_training(w * next)?;
    /// let mut parameters = g.initialize(0)?;
    /// for epoch in 0..2 {
    ///     step.restart(&mut parameters)?;
    ///     assert_eq!(step.run(&mut parameters, ("x", 2.0f32))?.loss, 2.0);
    ///     assert_eq!(step.run(&mut parameters, ("x", 3.0f32))?.loss, 5.0);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("reset_states", "reset_hidden"))]
    pub fn restart(&self, parameters: &mut Parameters) -> Result<(), ParameterError> {
        parameters.state_mut().set_all(&self.first_carried)
    }

    /// The loss and its gradients for one batch. The [state](Parameters::state) among the parameters becomes what
    /// [`Graph::update`](crate::Graph::update) and [`Graph::carry`](crate::Graph::carry) say, once all is computed; what is learned
    /// stays, since that is an optimizer's to move.
    ///
    /// The parameters are `&mut parameters`; `&parameters` where there is no state to set, as for several threads that share
    /// them.
    ///
    /// # Errors
    /// As for [`Program::run`](super::Program::run); [`RunError::SharedState`] if there is state to set in `&parameters`. Nothing
    /// is changed then.
    pub fn run(&mut self, mut parameters: impl AsParameters, inputs: impl Inputs) -> Result<TrainingOutput, RunError> {
        let mut gradients = self.zero_gradients(parameters.as_parameters())?;
        let (loss, outputs) = self.step(&mut parameters, &inputs, &mut gradients, Finite::Unchecked)?;
        Ok(TrainingOutput { loss, gradients, outputs })
    }

    /// The same, with the gradients written into memory that is there already: a second call with arrays of the same
    /// shapes allocates nothing, unless there are further outputs or parameters of more than four axes.
    ///
    /// # Errors
    /// As for [`Program::run`](super::Program::run); also if `gradients` is not in the layout of the parameters that are
    /// trained.
    pub fn run_into(
        &mut self,
        mut parameters: impl AsParameters,
        inputs: impl Inputs,
        gradients: &mut Gradients,
    ) -> Result<(f64, Outputs), RunError> {
        if **gradients.layout() != *self.layout {
            return Err(RunError::GradientLayout);
        }
        self.step(&mut parameters, &inputs, gradients, Finite::Unchecked)
    }

    /// [`TrainingStep::run`], if no operation, of the gradients' too, makes NaN or infinity out of finite numbers; else
    /// the first that does. See [`Program::run_checked`](super::Program::run_checked).
    ///
    /// # Errors
    /// As for [`Program::run_checked`](super::Program::run_checked).
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer, RunError};
    /// let g = Graph::new();
    /// let w = g.parameter("w", (2,), Initializer::Zeros);
    /// let mut step = g.compile_training(w.square().sum().sqrt())?;
    /// // The loss is 0, and its gradient would be 0/0.
    /// let error = step.run_checked(&g.initialize(0)?, ()).unwrap_err();
    /// assert!(matches!(error, RunError::NonFinite { .. }), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_checked(
        &mut self,
        mut parameters: impl AsParameters,
        inputs: impl Inputs,
    ) -> Result<TrainingOutput, RunError> {
        let mut gradients = self.zero_gradients(parameters.as_parameters())?;
        let (loss, outputs) = self.step(&mut parameters, &inputs, &mut gradients, Finite::Checked)?;
        Ok(TrainingOutput { loss, gradients, outputs })
    }

    /// One step, and then the new states.
    fn step(
        &mut self,
        parameters: &mut dyn AsParameters,
        inputs: &dyn Inputs,
        gradients: &mut Gradients,
        finite: Finite,
    ) -> Result<(f64, Outputs), RunError> {
        if let Some(name) = self.updated.first().filter(|_| parameters.state_mut().is_none()) {
            return Err(RunError::SharedState { name: name.clone() });
        }
        let mut leaves = self.runner.take_leaves();
        self.runner.bind(parameters.as_parameters(), inputs, &mut leaves)?;
        if finite == Finite::Checked {
            self.runner.check(&leaves)?;
        }
        let computed = self.compute(leaves, gradients)?;
        if let Some(state) = parameters.state_mut() {
            self.set_state(state);
        }
        Ok(computed)
    }

    /// The loss and its gradients for leaves that are bound.
    fn compute(&mut self, leaves: Vec<ValueView<'_>>, gradients: &mut Gradients) -> Result<(f64, Outputs), RunError> {
        let n_states = 1 + self.layout.len();
        let n_others = n_states + self.updated.len();
        let mut loss = Loss::new(self.runner.signature.outputs[0].ty.dtype);
        if self.spare.is_empty() {
            self.spare = self.runner.zeros(n_states..n_others)?;
        }
        let mut values = self.runner.zeros(n_others..)?;
        let mut views = self.runner.take_results();
        views.push(loss.view_mut());
        views.extend(gradients.views_mut());
        views.extend(self.spare.iter_mut().map(Value::view_mut));
        views.extend(values.iter_mut().map(Value::view_mut));
        let done = self.runner.run(&leaves, &mut views);
        self.runner.give_back(leaves, views);
        done?;
        Ok((loss.number(), Outputs::new(self.runner.names(n_others).zip(values))))
    }

    /// Puts the new values of states in place of the old ones, which are memory for the next step.
    fn set_state(&mut self, state: &mut State) {
        for (name, value) in self.updated.iter().zip(&mut self.spare) {
            let position = state.position(name).expect("invariant: the step has read this state");
            state.swap(position, value);
        }
    }

    /// The parameters of the graph that this step leaves as they are, with the reason: its gradients do not have them, and no
    /// optimizer touches them. They are in the order of declaration.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer, Options, Untrained};
    /// let g = Graph::new();
    /// let parameter = |name| g.parameter(name, (), Initializer::Constant(1.0));
    /// let (moved, stopped, frozen, unused) = (parameter("w"), parameter("s"), parameter("base.w"), parameter("u"));
    /// let options = Options { frozen: vec!["base.*".into()], ..Options::default() };
    /// let loss = (moved * stopped.stop_gradient() * frozen).square();
    /// let step = g.compile_training_with(loss, (), &options)?;
    /// let untrained: Vec<_> = step.untrained().collect();
    /// assert_eq!(untrained, [("s", Untrained::Stopped), ("base.w", Untrained::Frozen), ("u", Untrained::Unused)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("frozen", "unused_parameters", "requires_grad"))]
    pub fn untrained(&self) -> impl ExactSizeIterator<Item = (&str, Untrained)> {
        self.untrained.iter().map(|(name, reason)| (name.as_str(), *reason))
    }

    /// Runs `n_runs` times and gives the shortest time of each step; see [`Program::profile`](super::Program::profile).
    ///
    /// # Errors
    /// As for [`TrainingStep::run`].
    pub fn profile(
        &mut self,
        parameters: &Parameters,
        inputs: impl Inputs,
        n_runs: usize,
    ) -> Result<Profile, RunError> {
        self.runner.profile(parameters, &inputs, n_runs)
    }

    /// Zeros in the layout of the gradients.
    ///
    /// # Errors
    /// Memory that cannot be had.
    pub(crate) fn zero_gradients(&self, parameters: &Parameters) -> Result<Gradients, RunError> {
        let gradients = Gradients::try_zeros(self.layout_for(parameters));
        gradients.map_err(|bytes| RunError::OutOfMemory { what: "the gradients".to_owned(), bytes })
    }

    /// The parameters' own layout where it is equal, so that later comparisons are of pointers.
    fn layout_for(&self, parameters: &Parameters) -> Arc<Layout> {
        let found = parameters.layout();
        if **found == *self.layout { found.clone() } else { self.layout.clone() }
    }
}

/// The plan: [`Runner::show`], [`Runner::summary`] and others.
impl Deref for TrainingStep {
    type Target = Runner;

    fn deref(&self) -> &Runner {
        &self.runner
    }
}

/// Whether every operation is looked at for NaN and infinity first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finite {
    Checked,
    Unchecked,
}

/// The loss while it is computed.
enum Loss {
    F32(f32),
    F64(f64),
}

impl Loss {
    fn new(dtype: DType) -> Loss {
        if dtype == DType::F32 { Loss::F32(0.0) } else { Loss::F64(0.0) }
    }

    fn view_mut(&mut self) -> ValueViewMut<'_> {
        match self {
            Loss::F32(loss) => loss.as_view_mut(),
            Loss::F64(loss) => loss.as_view_mut(),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Loss::F32(loss) => f64::from(*loss),
            Loss::F64(loss) => *loss,
        }
    }
}

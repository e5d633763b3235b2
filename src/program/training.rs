//! One step of training: the loss and the gradient of every parameter. In: parameters and a batch. Out: what an
//! optimizer consumes. The update itself is the optimizer's.

use std::{ops::Deref, sync::Arc};

use super::{Inputs, Outputs, Profile, RunError, Runner};
use crate::{
    graph::{AsViewMut, DType, Value, ValueView, ValueViewMut},
    parameters::{Gradients, Layout, Parameters},
};

/// A compiled loss with the gradients of all parameters of the graph. A clone shares the graph and the plans, as one of
/// [`Program`](super::Program) does. The plan as text or as figures, and more, are methods of [`Runner`].
#[derive(Debug, Clone)]
pub struct TrainingStep {
    /// Its outputs are the loss, the gradients in the order of the layout, and then what else was asked for.
    pub(crate) runner: Runner,
    pub(crate) layout: Arc<Layout>,
}

/// What one step gives.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOutput {
    /// The loss.
    pub loss: f64,
    /// Its gradient with respect to every parameter, in the layout of the parameters.
    pub gradients: Gradients,
    /// The further outputs that were asked for.
    pub outputs: Outputs,
}

impl TrainingStep {
    /// The loss and its gradients for one batch.
    ///
    /// # Errors
    /// As for [`Program::run`](super::Program::run).
    pub fn run(&mut self, parameters: &Parameters, inputs: impl Inputs) -> Result<TrainingOutput, RunError> {
        let mut gradients = self.zero_gradients(parameters)?;
        let (loss, outputs) = self.run_into(parameters, inputs, &mut gradients)?;
        Ok(TrainingOutput { loss, gradients, outputs })
    }

    /// The same, with the gradients written into memory that is there already: a second call with arrays of the same
    /// shapes allocates nothing, unless there are further outputs or parameters of more than four axes.
    ///
    /// # Errors
    /// As for [`Program::run`](super::Program::run); also if `gradients` is not in the layout of this graph's
    /// parameters.
    pub fn run_into(
        &mut self,
        parameters: &Parameters,
        inputs: impl Inputs,
        gradients: &mut Gradients,
    ) -> Result<(f64, Outputs), RunError> {
        if **gradients.layout() != *self.layout {
            return Err(RunError::GradientLayout);
        }
        let mut leaves = self.runner.take_leaves();
        self.runner.bind(parameters, &inputs, &mut leaves)?;
        self.compute(leaves, gradients)
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
    pub fn run_checked(&mut self, parameters: &Parameters, inputs: impl Inputs) -> Result<TrainingOutput, RunError> {
        let mut gradients = self.zero_gradients(parameters)?;
        let mut leaves = self.runner.take_leaves();
        self.runner.bind(parameters, &inputs, &mut leaves)?;
        self.runner.check(&leaves)?;
        let (loss, outputs) = self.compute(leaves, &mut gradients)?;
        Ok(TrainingOutput { loss, gradients, outputs })
    }

    /// The loss and its gradients for leaves that are bound.
    fn compute(&mut self, leaves: Vec<ValueView<'_>>, gradients: &mut Gradients) -> Result<(f64, Outputs), RunError> {
        let n_others = 1 + self.layout.len();
        let mut loss = Loss::new(self.runner.signature.outputs[0].ty.dtype);
        let mut values = self.runner.zeros(n_others)?;
        let mut views = self.runner.take_results();
        views.push(loss.view_mut());
        views.extend(gradients.views_mut());
        views.extend(values.iter_mut().map(Value::view_mut));
        let done = self.runner.run(&leaves, &mut views);
        self.runner.give_back(leaves, views);
        done?;
        Ok((loss.number(), Outputs::new(self.runner.names(n_others).zip(values))))
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

    fn zero_gradients(&self, parameters: &Parameters) -> Result<Gradients, RunError> {
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

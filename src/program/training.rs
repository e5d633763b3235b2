//! One step of training: the loss and the gradient of every parameter. In: parameters and a batch. Out: what an
//! optimizer consumes. The update itself is the optimizer's.

use std::sync::Arc;

use super::{Engine, Outputs, RunError, Signature};
use crate::{
    graph::{Value, ValueView},
    parameters::{Gradients, Layout, Parameters},
};

/// A compiled loss with the gradients of all parameters of the graph.
#[derive(Debug)]
pub struct TrainingStep {
    /// Its outputs are the loss, the gradients in the order of the layout, and then what else was asked for.
    pub(crate) signature: Signature,
    pub(crate) engine: Box<dyn Engine>,
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
    pub fn run<'a, 'n, 'i: 'a>(
        &mut self,
        parameters: &'a Parameters,
        inputs: impl IntoIterator<Item = (&'n str, ValueView<'i>)>,
    ) -> Result<TrainingOutput, RunError> {
        let mut gradients = Gradients::zeros(self.layout_for(parameters));
        let (loss, outputs) = self.run_into(parameters, inputs, &mut gradients)?;
        Ok(TrainingOutput { loss, gradients, outputs })
    }

    /// The same, with the gradients written into memory that is there already.
    ///
    /// # Errors
    /// As for [`Program::run`](super::Program::run); also if `gradients` is not in the layout of this graph's
    /// parameters.
    pub fn run_into<'a, 'n, 'i: 'a>(
        &mut self,
        parameters: &'a Parameters,
        inputs: impl IntoIterator<Item = (&'n str, ValueView<'i>)>,
        gradients: &mut Gradients,
    ) -> Result<(f64, Outputs), RunError> {
        if **gradients.layout() != *self.layout {
            return Err(RunError::GradientLayout);
        }
        let bound = self.signature.bind(parameters, inputs)?;
        let (loss_and_gradients, others) = self.signature.outputs.split_at(1 + self.layout.len());
        let mut loss = Value::zeros(loss_and_gradients[0].ty.dtype, &[]);
        let mut values = Vec::with_capacity(others.len());
        for output in others {
            values.push(Value::zeros(output.ty.dtype, &output.sizes(&bound.bindings)?));
        }
        let mut views = vec![loss.view_mut()];
        views.extend(gradients.views_mut());
        views.extend(values.iter_mut().map(Value::view_mut));
        self.engine.run(&bound.leaves, &bound.bindings, &mut views)?;
        let loss = loss.scalar::<f64>().or(loss.scalar::<f32>().map(f64::from));
        let loss = loss.expect("invariant: a loss is a float scalar");
        Ok((loss, Outputs::new(others.iter().map(|output| output.name.clone()).zip(values))))
    }

    /// The parameters' own layout where it is equal, so that later comparisons are of pointers.
    fn layout_for(&self, parameters: &Parameters) -> Arc<Layout> {
        let own = parameters.layout();
        if **own == *self.layout { own.clone() } else { self.layout.clone() }
    }
}

//! Descents on small losses. In: a loss that takes no inputs, a start and a rule. Out: the path. Classes, data and noise are
//! the claims' own.

use std::error::Error;

use pullback::{CompileError, Expr, Gradients, Options, Parameters, TrainingStep, optim::Optimizer};

/// A step of training on one thread: the losses here are too small for more.
pub(crate) fn compile(loss: Expr<'_>) -> Result<TrainingStep, CompileError> {
    loss.graph().compile_training_with(loss, (), &Options { threads: 1, ..Options::default() })
}

/// Takes up to `n_steps` steps; ends when `visit`, which is shown the parameters before the first step and after each, says
/// that it has seen enough.
pub(crate) fn descend(
    step: &mut TrainingStep,
    start: &Parameters,
    rule: &mut dyn Optimizer,
    n_steps: usize,
    mut visit: impl FnMut(&[f64]) -> Seen,
) -> Result<(), Box<dyn Error>> {
    let mut parameters = start.clone();
    let mut gradients = Gradients::zeros(parameters.layout().clone());
    for _ in 0..n_steps {
        if visit(parameters.flat()?) == Seen::Enough {
            return Ok(());
        }
        step.run_into(&parameters, (), &mut gradients)?;
        rule.step(&mut parameters, &gradients)?;
    }
    visit(parameters.flat()?);
    Ok(())
}

/// Whether a descent goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Enough,
    NotEnough,
}

//! The loop itself. In: a trainer, parameters, an optimizer, data and a [`Fit`]. Out: a [`Report`]; parameters and
//! optimizer were moved. All that its rest depends on is in its `TrainingState`, so that a checkpoint is that state written down.

use std::ops::ControlFlow;

use super::{
    Epoch, Fit, Observer, Report, Step, Stop, Summary, TrainError, Trainer,
    checkpoint::{self, CheckpointStart, Setting},
    coming::{Coming, with_batches},
    feed::Use,
    fit::KeptWeights,
    state::{Best, Running, TrainingState},
};
use crate::{
    data::{Batch, DataError, Source},
    optim::Optimizer,
    parameters::{Gradients, Parameters},
    program::TrainingOutput,
    risk::{Estimate, check_level, generalization_gap},
};

/// A training that is about to begin: what it moves, what it validates on, and who watches.
pub struct Training<'a> {
    trainer: &'a mut Trainer,
    parameters: &'a mut Parameters,
    optimizer: &'a mut dyn Optimizer,
    validation: Option<&'a dyn Source>,
    observers: Vec<&'a mut dyn Observer>,
}

impl<'a> Training<'a> {
    pub(super) fn new(
        trainer: &'a mut Trainer,
        parameters: &'a mut Parameters,
        optimizer: &'a mut dyn Optimizer,
    ) -> Training<'a> {
        Training { trainer, parameters, optimizer, validation: None, observers: Vec::new() }
    }

    /// Measures these examples after each epoch.
    pub fn validate(self, validation: &'a dyn Source) -> Training<'a> {
        Training { validation: Some(validation), ..self }
    }

    /// Tells this observer too of each step and epoch.
    pub fn observe(mut self, observer: &'a mut dyn Observer) -> Training<'a> {
        self.observers.push(observer);
        self
    }
}

impl Training<'_> {
    /// Trains on `train`.
    ///
    /// The order of the examples is that of [`Batching::epoch`](crate::data::Batching::epoch) with the seed of `fit`: the same
    /// data, parameters, optimizer and `fit` give the same parameters bit for bit, on any number of threads.
    ///
    /// # Errors
    /// Before the first step: an input that no column fits, a checkpoint that is not readable or of another training. Then
    /// [`TrainError::NonFinite`] at the first loss that is no number, with the operation that made it;
    /// [`TrainError::Example`] with the row of the first example that does not run; a hyperparameter out of its range; examples
    /// that cannot be had. The step at which it happened is not taken.
    pub fn fit(mut self, train: &dyn Source, fit: &Fit) -> Result<Report, TrainError> {
        self.check_sense(train, fit)?;
        let setting = self.setting(train, fit);
        let mut state = self.begin(fit, &setting)?;
        let mut stop = Stop::Epochs;
        while state.epoch < fit.epochs {
            if fit.patience.as_ref().is_some_and(|patience| state.waited >= patience.epochs) {
                stop = Stop::Patience;
                break;
            }
            self.lower_rate(fit, &state)?;
            let flow = match self.epoch(train, fit, &setting, &mut state)? {
                ControlFlow::Continue(()) => self.finish_epoch(train, fit, &mut state)?,
                stopped => stopped,
            };
            if let Some(checkpoint) = &fit.checkpoint {
                self.save(&checkpoint.path, &setting, &state)?;
            }
            if let ControlFlow::Break(why) = flow {
                stop = why;
                break;
            }
        }
        self.report(train, fit, state, stop)
    }

    fn check_sense(&self, train: &dyn Source, fit: &Fit) -> Result<(), TrainError> {
        self.trainer.feeds.check(train, Use::Step, "train")?;
        self.trainer.check_order(&fit.batching, train, "train")?;
        // Both are measured, the one after each epoch and the other in the end.
        self.validation.into_iter().chain([train]).try_for_each(|source| self.trainer.check_measured(source))?;
        if fit.accumulate > 1 && !self.trainer.has_one_weight {
            return Err(TrainError::Accumulate);
        }
        if fit.weights == KeptWeights::Averages && self.optimizer.averages().is_none() {
            return Err(TrainError::NoAverages);
        }
        if train.n_examples() == Some(0) {
            return Err(TrainError::Empty { purpose: "train" });
        }
        if let Some(patience) = &fit.patience {
            self.trainer.position(&patience.measure)?;
            if self.validation.is_none() {
                return Err(TrainError::NoValidation);
            }
            if !patience.min_delta.is_finite() {
                return Err(TrainError::MinDelta { found: patience.min_delta });
            }
        }
        if let Some(plateau) = &fit.plateau {
            self.trainer.position(&plateau.measure)?;
            if self.validation.is_none() {
                return Err(TrainError::NoValidation);
            }
            if !(0.0..1.0).contains(&plateau.factor) {
                return Err(TrainError::PlateauFactor { found: plateau.factor });
            }
            if !plateau.min_delta.is_finite() {
                return Err(TrainError::MinDelta { found: plateau.min_delta });
            }
        }
        if self.validation.is_some() {
            // All measures have one level, which would be missed only after an epoch.
            let name = || self.trainer.names().next().unwrap_or_default().to_owned();
            check_level(fit.level).map_err(|source| TrainError::Risk { name: name(), source })?;
        }
        Ok(())
    }

    /// Multiplies the rates by what the epochs that are done say, also those before a training was stopped.
    fn lower_rate(&mut self, fit: &Fit, state: &TrainingState) -> Result<(), TrainError> {
        let factor = match &fit.plateau {
            Some(plateau) => {
                let position = self.trainer.position(&plateau.measure)?;
                plateau.factor_after(state.history.epochs().iter().map(|epoch| epoch.validation[position].value))
            }
            // Another training may have left a factor behind.
            None => 1.0,
        };
        self.optimizer.scale_rate(factor);
        Ok(())
    }

    /// What must not differ when a training goes on.
    fn setting(&self, train: &dyn Source, fit: &Fit) -> Setting {
        let count = |source: &dyn Source| source.n_examples().map_or("not known".to_owned(), |n| n.to_string());
        vec![
            ("seed", fit.seed.to_string()),
            ("batches", fit.batching.to_string()),
            ("batches of a step", fit.accumulate.to_string()),
            ("limit of the gradient's norm", fit.clip_norm.map_or("none".to_owned(), |most| most.to_string())),
            ("limit of the gradient's elements", fit.clip_value.map_or("none".to_owned(), |most| most.to_string())),
            ("plateau", fit.plateau.as_ref().map_or("none".to_owned(), |plateau| format!("{plateau:?}"))),
            ("watched measure", self.watched(fit)),
            ("training examples", count(train)),
            ("validation examples", self.validation.map_or("none".to_owned(), count)),
            ("measures", self.trainer.names().collect::<Vec<_>>().join("\n")),
        ]
    }

    /// The measure that chooses the best epoch, and of which weights.
    fn watched(&self, fit: &Fit) -> String {
        let measure = fit.patience.as_ref().map_or("none", |patience| &patience.measure);
        match fit.weights {
            KeptWeights::Last => measure.to_owned(),
            KeptWeights::Averages => format!("{measure} of the averages"),
        }
    }

    /// From the start, or from where a file says.
    fn begin(&mut self, fit: &Fit, setting: &Setting) -> Result<TrainingState, TrainError> {
        let names: Vec<String> = self.trainer.names().map(str::to_owned).collect();
        match &fit.checkpoint {
            Some(checkpoint) if checkpoint.start == CheckpointStart::Resume && checkpoint.path.exists() => {
                let measures = (&names[..], self.trainer.measures.no_sums().len());
                checkpoint::load(&checkpoint.path, setting, measures, self.parameters, self.optimizer)
            }
            _ => Ok(TrainingState::new(names, self.trainer.measures.no_sums())),
        }
    }

    fn save(&self, path: &std::path::Path, setting: &Setting, state: &TrainingState) -> Result<(), TrainError> {
        checkpoint::save(path, setting, state, self.parameters, &self.optimizer.state())
    }

    /// The batches of an epoch that are still to come, and their steps.
    fn epoch(
        &mut self,
        train: &dyn Source,
        fit: &Fit,
        setting: &Setting,
        state: &mut TrainingState,
    ) -> Result<ControlFlow<Stop>, TrainError> {
        let n_done = state.batch as usize;
        with_batches(&fit.batching, train, (fit.seed, state.epoch), n_done, |batches, n_batches| {
            let n_steps = n_batches.map(|n_batches| n_batches.div_ceil(fit.accumulate));
            self.steps((batches, n_steps), fit, setting, state)
        })
    }

    /// The steps of an epoch that are still to be taken.
    fn steps(
        &mut self,
        (mut batches, n_steps): (Coming<'_>, Option<usize>),
        fit: &Fit,
        setting: &Setting,
        state: &mut TrainingState,
    ) -> Result<ControlFlow<Stop>, TrainError> {
        let mut gradients = self.trainer.step.zero_gradients(self.parameters)?;
        if batches.peek().is_none() && state.batch == 0 {
            return Err(TrainError::Empty { purpose: "train" });
        }
        if state.batch == 0 {
            self.trainer.step.restart(self.parameters)?;
        }
        while batches.peek().is_some() {
            if fit.is_stopped() {
                return Ok(ControlFlow::Break(Stop::Flag));
            }
            let group = batches.by_ref().take(fit.accumulate);
            let rates = if self.observers.is_empty() { Vec::new() } else { self.optimizer.rates() };
            let Taken { n_examples, loss, gradient_norm } = self.step(group, fit, state, &mut gradients)?;
            let step_of_epoch = (state.batch as usize).div_ceil(fit.accumulate);
            let step = Step {
                epoch: state.epoch + 1,
                n_epochs: fit.epochs,
                step: state.step,
                step_of_epoch,
                n_steps,
                n_examples,
                loss,
                gradient_norm,
                rates: &rates,
            };
            // An epoch's end is written after its validation.
            let is_due = fit.checkpoint.as_ref().and_then(|file| file.every_steps);
            let is_due = is_due.is_some_and(|steps| state.step.is_multiple_of(steps)) && batches.peek().is_some();
            if let Some(checkpoint) = fit.checkpoint.as_ref().filter(|_| is_due) {
                self.save(&checkpoint.path, setting, state)?;
            }
            if tell(&mut self.observers, |observer| observer.step(&step)).is_break() {
                return Ok(ControlFlow::Break(Stop::Observer));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The gradient over one batch with the loss, and what is measured; and its norm. The error of a batch names the row that it
    /// comes from.
    fn gradient(&mut self, batch: &Batch, state: &TrainingState) -> Result<(TrainingOutput, f64), TrainError> {
        let fed = self.trainer.feeds.fed(batch, Use::Step);
        let before = self.parameters.state().clone();
        let out = match self.trainer.step.run(&mut *self.parameters, fed) {
            Ok(out) => out,
            Err(error) => {
                let error = self.trainer.blame(error, "train", self.parameters, batch);
                return Err(error.in_epoch(state.epoch + 1));
            }
        };
        let norm = out.gradients.norm();
        if !(out.loss.is_finite() && norm.is_finite()) {
            *self.parameters.state_mut() = before;
            let cause = self.trainer.step.run_checked(&mut *self.parameters, fed).err();
            let (epoch, step) = (state.epoch + 1, state.step + 1);
            return Err(TrainError::NonFinite { epoch, step, loss: out.loss, norm, cause });
        }
        Ok((out, norm))
    }

    /// One step, or none: what batches before the one that failed made of the model's state is undone.
    fn step(
        &mut self,
        batches: impl Iterator<Item = Result<Batch, DataError>>,
        fit: &Fit,
        state: &mut TrainingState,
        gradients: &mut Gradients,
    ) -> Result<Taken, TrainError> {
        let before = self.parameters.state().clone();
        let taken = self.try_step(batches, fit, state, gradients);
        if taken.is_err() {
            *self.parameters.state_mut() = before;
        }
        taken
    }

    /// One step: the gradient over some batches, as if they were one.
    fn try_step(
        &mut self,
        batches: impl Iterator<Item = Result<Batch, DataError>>,
        fit: &Fit,
        state: &mut TrainingState,
        gradients: &mut Gradients,
    ) -> Result<Taken, TrainError> {
        let (mut weight, mut total, mut n_batches, mut n_examples, mut gradient_norm) = (0.0, 0.0, 0, 0, 0.0);
        let mut running = state.running.clone();
        for batch in batches {
            let batch = batch?;
            let (out, norm) = self.gradient(&batch, state)?;
            let weight_of_batch = self.trainer.measures.add(&out.outputs, &mut running);
            if n_batches == 0 {
                *gradients = out.gradients;
                if fit.accumulate > 1 {
                    gradients.scale(weight_of_batch);
                }
            } else {
                let added = gradients.add_scaled(weight_of_batch, &out.gradients);
                added.expect("invariant: gradients of one program have one layout");
            }
            (weight, total) = (weight + weight_of_batch, total + weight_of_batch * out.loss);
            n_batches += 1;
            n_examples += batch.len();
            gradient_norm = norm;
        }
        if fit.accumulate > 1 {
            gradients.scale(1.0 / weight);
            gradient_norm = gradients.norm();
        }
        if let Some(most) = fit.clip_norm {
            gradients.clip_norm(most)?;
        }
        if let Some(most) = fit.clip_value {
            gradients.clip_value(most)?;
        }
        self.optimizer.step(self.parameters, gradients)?;
        (state.running, state.batch, state.step) = (running, state.batch + n_batches, state.step + 1);
        Ok(Taken { n_examples, loss: total / weight, gradient_norm })
    }

    /// Measures, remembers and tells what an epoch came to.
    fn finish_epoch(
        &mut self,
        train: &dyn Source,
        fit: &Fit,
        state: &mut TrainingState,
    ) -> Result<ControlFlow<Stop>, TrainError> {
        let mut averages = None;
        let validation = match self.validation {
            Some(validation) => {
                averages = self.averages(train, fit, state.epoch)?;
                let parameters = averages.as_ref().unwrap_or(self.parameters);
                let measured = self.trainer.evaluate(parameters, validation, fit.level);
                measured.map_err(|error| error.in_epoch(state.epoch + 1))?
            }
            None => Vec::new(),
        };
        let epoch = Epoch {
            epoch: state.epoch + 1,
            step: state.step,
            names: state.history.shared_names(),
            train: self.trainer.measures.means(&state.running),
            validation: validation.into_iter().map(|measured| measured.estimate).collect(),
        };
        if let Some(patience) = &fit.patience {
            let value = epoch.validation[self.trainer.position(&patience.measure)?].value;
            let is_better = state.best.as_ref().is_none_or(|best| value < best.value - patience.min_delta);
            state.waited = if is_better { 0 } else { state.waited + 1 };
            if is_better {
                let parameters = averages.unwrap_or_else(|| self.parameters.clone());
                state.best = Some(Best { epoch: epoch.epoch, value, parameters });
            }
        }
        (state.epoch, state.batch) = (state.epoch + 1, 0);
        state.running.fill(Running::default());
        state.history.push(epoch.clone());
        let flow = tell(&mut self.observers, |observer| observer.epoch(&epoch, self.parameters));
        Ok(if flow.is_break() { ControlFlow::Break(Stop::Observer) } else { ControlFlow::Continue(()) })
    }

    /// The averages that are to be measured after an epoch, with running averages of their own; none if it is the weights themselves.
    fn averages(&mut self, train: &dyn Source, fit: &Fit, epoch: u64) -> Result<Option<Parameters>, TrainError> {
        let averages = match fit.weights {
            KeptWeights::Last => None,
            KeptWeights::Averages => self.optimizer.averages(),
        };
        let Some(averages) = averages.filter(|averages| !averages.is_empty()) else { return Ok(None) };
        let mut averaged = self.parameters.with_arrays(averages)?;
        self.trainer.update_statistics_of(&mut averaged, train, &fit.batching, (fit.seed, epoch))?;
        Ok(Some(averaged))
    }

    /// Takes the best parameters and measures them on both sets.
    fn report(mut self, train: &dyn Source, fit: &Fit, state: TrainingState, stop: Stop) -> Result<Report, TrainError> {
        let best_epoch = state.best.as_ref().map(|best| best.epoch);
        // Statistics of averages are made of the batches of the last whole epoch, as for its validation.
        let kept = match state.best {
            Some(best) => Some(best.parameters),
            None => self.averages(train, fit, state.epoch.saturating_sub(1))?,
        };
        if let Some(kept) = kept {
            *self.parameters = kept;
        }
        let training = self.trainer.means(self.parameters, train)?;
        let held_out = match self.validation {
            Some(validation) => Some(self.trainer.evaluate(self.parameters, validation, fit.level)?),
            None => None,
        };
        let measures = self.trainer.names().enumerate().map(|(position, name)| {
            let training = training[position];
            let held_out: Option<Estimate> = held_out.as_ref().map(|measured| measured[position].estimate);
            let generalization_gap = held_out.map(|held_out| generalization_gap(held_out, training));
            Summary { name: name.to_owned(), training, held_out, generalization_gap }
        });
        Ok(Report { measures: measures.collect(), history: state.history, stop, best_epoch })
    }
}

/// What a step tells of itself.
struct Taken {
    n_examples: usize,
    loss: f64,
    gradient_norm: f64,
}

/// Tells all observers; whether one of them ends the training.
fn tell(
    observers: &mut [&mut dyn Observer],
    mut what: impl FnMut(&mut dyn Observer) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut flow = ControlFlow::Continue(());
    for observer in observers {
        if what(&mut **observer).is_break() {
            flow = ControlFlow::Break(());
        }
    }
    flow
}

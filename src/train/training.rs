//! The loop itself. In: a trainer, parameters, an optimizer, data and a [`Fit`]. Out: a [`Report`]; parameters and
//! optimizer were moved. All that its rest depends on is in its `TrainingState`, so that a checkpoint is that state written down.

use std::ops::ControlFlow;

use super::{
    Epoch, Fit, Observer, Report, Step, Stop, Summary, TrainError, Trainer,
    checkpoint::{self, CheckpointStart, Setting},
    state::{Best, Running, TrainingState},
    trainer::numbers,
};
use crate::{
    data::{Batch, Dataset, Target},
    graph::Element,
    optim::Optimizer,
    parameters::{Gradients, Parameters},
    program::RunError,
    risk::{Estimate, check_level, generalization_gap},
};

/// A training that is about to begin: what it moves, what it validates on, and who watches.
pub struct Training<'a, T = i64> {
    trainer: &'a mut Trainer,
    parameters: &'a mut Parameters,
    optimizer: &'a mut dyn Optimizer,
    validation: Option<&'a Dataset<T>>,
    observers: Vec<&'a mut dyn Observer>,
}

impl<'a, T> Training<'a, T> {
    pub(super) fn new(
        trainer: &'a mut Trainer,
        parameters: &'a mut Parameters,
        optimizer: &'a mut dyn Optimizer,
    ) -> Training<'a, T> {
        Training { trainer, parameters, optimizer, validation: None, observers: Vec::new() }
    }

    /// Measures these examples after each epoch.
    pub fn validate(self, validation: &'a Dataset<T>) -> Training<'a, T> {
        Training { validation: Some(validation), ..self }
    }

    /// Tells this observer too of each step and epoch.
    pub fn observe(mut self, observer: &'a mut dyn Observer) -> Training<'a, T> {
        self.observers.push(observer);
        self
    }
}

impl<T: Target + Element> Training<'_, T> {
    /// Trains on `train`.
    ///
    /// The order of the examples is that of [`Dataset::batches_of_epoch`] with the seed of `fit`: the same data, parameters,
    /// optimizer and `fit` give the same parameters bit for bit, on any number of threads.
    ///
    /// # Errors
    /// [`TrainError::NonFinite`] at the first loss that is no number, with the operation that made it;
    /// [`TrainError::Example`] with the row of the first example that does not run; a hyperparameter out of its range;
    /// a checkpoint that is not readable, or of another training. The step at which it happened is not taken.
    pub fn fit(mut self, train: &Dataset<T>, fit: &Fit) -> Result<Report, TrainError> {
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
            let flow = match self.steps(train, fit, &setting, &mut state)? {
                ControlFlow::Continue(()) => self.finish_epoch(fit, &mut state)?,
                stopped => stopped,
            };
            if let Some(checkpoint) = &fit.checkpoint {
                self.save(&checkpoint.path, &setting, &state)?;
            }
            if flow.is_break() {
                stop = Stop::Observer;
                break;
            }
        }
        self.report(train, fit, state, stop)
    }

    fn check_sense(&self, train: &Dataset<T>, fit: &Fit) -> Result<(), TrainError> {
        if train.is_empty() {
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
        if let Some(plateau) = &fit.plateau {
            let position = self.trainer.position(&plateau.measure)?;
            let values = state.history.epochs().iter().map(|epoch| epoch.validation[position].value);
            self.optimizer.scale_rate(plateau.factor_after(values));
        }
        Ok(())
    }

    /// What must not differ when a training goes on.
    fn setting(&self, train: &Dataset<T>, fit: &Fit) -> Setting {
        let plateau = fit.plateau.as_ref().map(|plateau| ("plateau", format!("{plateau:?}")));
        let clip_value = fit.clip_value.map(|most| ("limit of the gradient's elements", most.to_string()));
        let validation = self.validation.map_or("none".to_owned(), |validation| validation.len().to_string());
        let mut setting = vec![
            ("seed", fit.seed.to_string()),
            ("batch size", fit.batch_size.to_string()),
            ("batches of a step", fit.accumulate.to_string()),
            ("limit of the gradient's norm", fit.clip_norm.map_or("none".to_owned(), |most| most.to_string())),
            ("watched measure", fit.patience.as_ref().map_or("none", |patience| &patience.measure).to_owned()),
            ("training examples", train.len().to_string()),
            ("validation examples", validation),
            ("measures", self.trainer.names().collect::<Vec<_>>().join("\n")),
        ];
        setting.extend(plateau.into_iter().chain(clip_value));
        setting
    }

    /// From the start, or from where a file says.
    fn begin(&mut self, fit: &Fit, setting: &Setting) -> Result<TrainingState, TrainError> {
        let names: Vec<String> = self.trainer.names().map(str::to_owned).collect();
        match &fit.checkpoint {
            Some(checkpoint) if checkpoint.start == CheckpointStart::Resume && checkpoint.path.exists() => {
                checkpoint::load(&checkpoint.path, setting, &names, self.parameters, self.optimizer)
            }
            _ => Ok(TrainingState::new(names)),
        }
    }

    fn save(&self, path: &std::path::Path, setting: &Setting, state: &TrainingState) -> Result<(), TrainError> {
        checkpoint::save(path, setting, state, self.parameters, &self.optimizer.state())
    }

    /// The steps of an epoch that are still to be taken.
    fn steps(
        &mut self,
        train: &Dataset<T>,
        fit: &Fit,
        setting: &Setting,
        state: &mut TrainingState,
    ) -> Result<ControlFlow<()>, TrainError> {
        let mut batches = train.batches_of_epoch(fit.batch_size, fit.seed, state.epoch)?;
        let n_batches = batches.len();
        if let Some(done) = (state.batch as usize).checked_sub(1) {
            batches.nth(done);
        }
        let mut gradients = self.trainer.step.zero_gradients(self.parameters)?;
        while batches.len() > 0 {
            let group = batches.by_ref().take(fit.accumulate);
            let loss = match self.step(group, fit, state, &mut gradients) {
                Err(TrainError::Run(error)) => return Err(self.blame(error, train, fit, state)),
                done => done?,
            };
            let batch = [(state.batch as usize).div_ceil(fit.accumulate), n_batches.div_ceil(fit.accumulate)];
            let step = Step { epoch: state.epoch + 1, step: state.step, batch, loss };
            // An epoch's end is written after its validation.
            let is_due = |steps: u64| state.step.is_multiple_of(steps) && batches.len() > 0;
            if let Some(checkpoint) = fit.checkpoint.as_ref().filter(|file| file.every_steps.is_some_and(is_due)) {
                self.save(&checkpoint.path, setting, state)?;
            }
            if tell(&mut self.observers, |observer| observer.step(&step)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The error of a step that was not taken, with the row that it comes from.
    fn blame(&mut self, error: RunError, train: &Dataset<T>, fit: &Fit, state: &TrainingState) -> TrainError {
        let epoch = match train.batches_of_epoch(fit.batch_size, fit.seed, state.epoch) {
            Ok(epoch) => epoch,
            Err(error) => return error.into(),
        };
        let first = (state.batch as usize).saturating_mul(fit.batch_size).min(epoch.rows().len());
        let rows = &epoch.rows()[first..];
        let rows = &rows[..rows.len().min(fit.accumulate.saturating_mul(fit.batch_size))];
        self.trainer.blame(error, "train", self.parameters, (train, rows)).in_epoch(state.epoch + 1)
    }

    /// One step: the gradient over some batches, as if they were one.
    fn step(
        &mut self,
        batches: impl Iterator<Item = Batch<T>>,
        fit: &Fit,
        state: &mut TrainingState,
        gradients: &mut Gradients,
    ) -> Result<f64, TrainError> {
        let (mut n_examples, mut total, mut n_batches) = (0.0, 0.0, 0);
        let mut running = state.running.clone();
        for Batch { x, y } in batches {
            let [name_of_x, name_of_y] = &self.trainer.inputs;
            let fed = ((name_of_x.as_str(), &x), (name_of_y.as_str(), &y));
            let before = self.parameters.state().clone();
            let out = self.trainer.step.run(&mut *self.parameters, fed)?;
            let norm = out.gradients.norm();
            if !(out.loss.is_finite() && norm.is_finite()) {
                let cause = self.trainer.step.run_checked(&mut *self.parameters, fed).err();
                *self.parameters.state_mut() = before;
                let (epoch, step) = (state.epoch + 1, state.step + 1);
                return Err(TrainError::NonFinite { epoch, step, loss: out.loss, norm, cause });
            }
            let n = y.len() as f64;
            if n_batches == 0 {
                *gradients = out.gradients;
                if fit.accumulate > 1 {
                    gradients.scale(n);
                }
            } else {
                gradients.add_scaled(n, &out.gradients).expect("invariant: gradients of one program have one layout");
            }
            for (name, running) in self.trainer.names().zip(&mut running) {
                let numbers = numbers(&out.outputs, name);
                running.n_examples += numbers.len() as u64;
                running.sum += numbers.iter().sum::<f64>();
            }
            (n_examples, total, n_batches) = (n_examples + n, total + n * out.loss, n_batches + 1);
        }
        if fit.accumulate > 1 {
            gradients.scale(1.0 / n_examples);
        }
        if let Some(most) = fit.clip_norm {
            gradients.clip_norm(most)?;
        }
        if let Some(most) = fit.clip_value {
            gradients.clip_value(most)?;
        }
        self.optimizer.step(self.parameters, gradients)?;
        (state.running, state.batch, state.step) = (running, state.batch + n_batches, state.step + 1);
        Ok(total / n_examples)
    }

    /// Measures, remembers and tells what an epoch came to.
    fn finish_epoch(&mut self, fit: &Fit, state: &mut TrainingState) -> Result<ControlFlow<()>, TrainError> {
        let validation = match self.validation {
            Some(validation) => {
                let measured = self.trainer.evaluate(self.parameters, validation, fit.level);
                measured.map_err(|error| error.in_epoch(state.epoch + 1))?
            }
            None => Vec::new(),
        };
        let epoch = Epoch {
            epoch: state.epoch + 1,
            step: state.step,
            names: state.history.shared_names(),
            train: state.running.iter().map(|running| running.mean()).collect(),
            validation: validation.into_iter().map(|measured| measured.estimate).collect(),
        };
        if let Some(patience) = &fit.patience {
            let value = epoch.validation[self.trainer.position(&patience.measure)?].value;
            let is_better = state.best.as_ref().is_none_or(|best| value < best.value - patience.min_delta);
            state.waited = if is_better { 0 } else { state.waited + 1 };
            if is_better {
                state.best = Some(Best { epoch: epoch.epoch, value, parameters: self.parameters.clone() });
            }
        }
        (state.epoch, state.batch) = (state.epoch + 1, 0);
        state.running.fill(Running::default());
        state.history.push(epoch.clone());
        Ok(tell(&mut self.observers, |observer| observer.epoch(&epoch, self.parameters)))
    }

    /// Takes the best parameters and measures them on both sets.
    fn report(self, train: &Dataset<T>, fit: &Fit, state: TrainingState, stop: Stop) -> Result<Report, TrainError> {
        let best_epoch = state.best.as_ref().map(|best| best.epoch);
        if let Some(best) = state.best {
            *self.parameters = best.parameters;
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

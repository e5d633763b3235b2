//! The loop itself. In: a trainer, parameters, an optimizer, data and a [`Fit`]. Out: a [`Report`]; parameters and
//! optimizer were moved. All that its rest depends on is in its `TrainingState`, so that a checkpoint is that state written down.

use std::ops::ControlFlow;

use super::{
    Epoch, Fit, Observer, Report, Step, Stop, Summary, TrainError, Trainer,
    accumulation::Taken,
    checkpoint::{self, CheckpointStart, Setting},
    coming::{Coming, Pass, Share},
    digest::{PARTS, digests},
    feed::Use,
    fit::KeptWeights,
    state::{Best, Running, TrainingState},
};
use crate::{
    data::Source,
    optim::Optimizer,
    parameters::Parameters,
    risk::{Estimate, check_level, generalization_gap},
};

/// A training that is about to begin: what it moves, what it validates on, and who watches.
pub struct Training<'a> {
    pub(super) trainer: &'a mut Trainer,
    pub(super) parameters: &'a mut Parameters,
    pub(super) optimizer: &'a mut dyn Optimizer,
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
        let setting = self.setting(train, fit);
        let begun = self.check_sense(train, fit).and_then(|()| self.begin(fit, &setting));
        let mut state = self.begin_together(fit, &setting, begun)?;
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
        if fit.accumulate == 1 && !self.trainer.communicator.is_alone() {
            return Err(TrainError::OneBatch { n_ranks: self.trainer.communicator.n_ranks });
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

    /// That all ranks begin with the same.
    fn begin_together(
        &self,
        fit: &Fit,
        setting: &Setting,
        begun: Result<TrainingState, TrainError>,
    ) -> Result<TrainingState, TrainError> {
        let communicator = &self.trainer.communicator;
        if communicator.is_alone() {
            return begun;
        }
        let steps_of_checkpoints = fit.checkpoint.as_ref().map(|checkpoint| checkpoint.every_steps);
        let setting = format!("{setting:?} {:?}", (fit.epochs, &fit.patience, fit.level, steps_of_checkpoints));
        let (begun, words) = match begun {
            Ok(state) => {
                let words = digests(&setting, self.parameters, &self.optimizer.state(), &state);
                (Some(state), Ok(words))
            }
            Err(error) => (None, Err(error)),
        };
        let told: Vec<Vec<u64>> = communicator.collect(Some(words))?.into_iter().flatten().collect();
        for (rank, words) in told.iter().enumerate() {
            let differing = words.iter().zip(&told[0]).position(|(word, first)| word != first);
            if let Some(part) = differing {
                return Err(TrainError::RanksDiffer { rank, what: PARTS[part] });
            }
        }
        Ok(begun.expect("invariant: an error of this rank was returned"))
    }

    /// Writes a checkpoint, on rank 0; others wait for it.
    fn save(&self, path: &std::path::Path, setting: &Setting, state: &TrainingState) -> Result<(), TrainError> {
        let saved = match self.trainer.communicator.rank {
            0 => checkpoint::save(path, setting, state, self.parameters, &self.optimizer.state()),
            _ => Ok(()),
        };
        self.trainer.communicator.agree(saved.map(|()| None)).map(|_| ())
    }

    /// The batches of an epoch that are still to come, and their steps.
    fn epoch(
        &mut self,
        train: &dyn Source,
        fit: &Fit,
        setting: &Setting,
        state: &mut TrainingState,
    ) -> Result<ControlFlow<Stop>, TrainError> {
        let share = Share::of_groups(fit.accumulate, &self.trainer.communicator);
        let n_done = state.batch as usize;
        let pass = Pass { batching: &fit.batching, source: train, key: (fit.seed, state.epoch), n_done, share };
        pass.with_batches(|coming, n_batches| {
            let n_steps = n_batches.map(|n_batches| n_batches.div_ceil(fit.accumulate));
            self.steps((coming, n_steps), fit, setting, state)
        })
    }

    /// The steps of an epoch that are still to be taken.
    fn steps(
        &mut self,
        (mut coming, n_steps): (Coming<'_>, Option<usize>),
        fit: &Fit,
        setting: &Setting,
        state: &mut TrainingState,
    ) -> Result<ControlFlow<Stop>, TrainError> {
        if !coming.has(0) && state.batch == 0 {
            return Err(TrainError::Empty { purpose: "train" });
        }
        if state.batch == 0 {
            self.trainer.step.restart(self.parameters)?;
        }
        let mut sum = self.no_partial(fit)?;
        let mut wish = None;
        loop {
            let is_over = !coming.has(state.batch as usize);
            let is_stopped = !is_over && fit.is_stopped();
            let wish_now = wish.or(is_stopped.then_some(Stop::Flag));
            if let Some(stop) = self.trainer.communicator.agree(Ok(wish_now))? {
                return Ok(ControlFlow::Break(stop));
            }
            if is_over {
                return Ok(ControlFlow::Continue(()));
            }
            let rates = if self.observers.is_empty() { Vec::new() } else { self.optimizer.rates() };
            let Taken { n_examples, loss, gradient_norm } = self.step(&mut coming, fit, state, &mut sum)?;
            let step = Step {
                rank: self.trainer.communicator.rank,
                epoch: state.epoch + 1,
                n_epochs: fit.epochs,
                step: state.step,
                step_of_epoch: (state.batch as usize).div_ceil(fit.accumulate),
                n_steps,
                n_examples,
                loss,
                gradient_norm,
                rates: &rates,
            };
            // An epoch's end is written after its validation.
            let is_due = fit.checkpoint.as_ref().and_then(|file| file.every_steps);
            let is_due = is_due.is_some_and(|steps| state.step.is_multiple_of(steps));
            if let Some(checkpoint) = fit.checkpoint.as_ref().filter(|_| is_due && coming.has(state.batch as usize)) {
                self.save(&checkpoint.path, setting, state)?;
            }
            let flow = tell(&mut self.observers, |observer| observer.step(&step));
            wish = flow.is_break().then_some(Stop::Observer);
        }
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
        let wish = flow.is_break().then_some(Stop::Observer);
        let stop = self.trainer.communicator.agree(Ok(wish))?;
        Ok(stop.map_or(ControlFlow::Continue(()), ControlFlow::Break))
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

//! One step over several batches, as if they were one. In: the batches of a step that are this rank's. Out: parameters that were
//! moved, by the gradient over the batches of all ranks, and states that follow from all of them.

use std::ops::Range;

use super::{
    Fit, TrainError, Training,
    coming::Coming,
    exchange::Partial,
    feed::Use,
    measure::Sums,
    rounds::bits,
    state::{Running, TrainingState},
    tree::{Node, TreeSum},
};
use crate::{data::Batch, parameters::Gradients, program::TrainingOutput};

/// What a step tells of itself.
pub(super) struct Taken {
    pub(super) n_examples: usize,
    pub(super) loss: f64,
    pub(super) gradient_norm: f64,
}

/// What a batch gave beside its gradient.
struct BatchResult {
    n_examples: usize,
    loss: f64,
    gradient_norm: f64,
    /// Those of the first loss have the weight of the batch.
    sums: Sums,
}

/// What a rank computed of a step.
struct Computed {
    /// Gradients and averages, added up as far as they lie side by side.
    sum: TreeSum<Partial>,
    results: Vec<BatchResult>,
    /// Batches over which states have counted on.
    n_counted: usize,
}

impl Training<'_> {
    /// Memory for the sums of a step.
    pub(super) fn no_partial(&self, fit: &Fit) -> Result<Partial, TrainError> {
        let gradients = self.trainer.step.zero_gradients(self.parameters)?;
        Ok(Partial { gradients, averages: self.running_averages(fit) })
    }

    /// What running averages are, if they are averaged over the batches of a step.
    fn running_averages(&self, fit: &Fit) -> Vec<f64> {
        let is_averaged = fit.accumulate > 1;
        if is_averaged { self.trainer.states.averages(self.parameters.state()) } else { Vec::new() }
    }

    /// One step, or none: what batches before the one that failed made of the model's state is undone.
    pub(super) fn step(
        &mut self,
        coming: &mut Coming<'_>,
        fit: &Fit,
        state: &mut TrainingState,
        sum: &mut Partial,
    ) -> Result<Taken, TrainError> {
        let before = self.parameters.state().clone();
        let taken = self.try_step(coming, fit, state, sum);
        if taken.is_err() {
            *self.parameters.state_mut() = before;
        }
        taken
    }

    fn try_step(
        &mut self,
        coming: &mut Coming<'_>,
        fit: &Fit,
        state: &mut TrainingState,
        sum: &mut Partial,
    ) -> Result<Taken, TrainError> {
        let mut own = Computed { sum: TreeSum::new(Partial::add), results: Vec::new(), n_counted: 0 };
        let computed = self.compute(coming, fit, state, &mut own);
        let words = computed.map(|()| own.results.iter().flat_map(BatchResult::to_words).collect());
        let communicator = self.trainer.communicator.clone();
        let told = communicator.collect(Some(words))?;
        let n_series = state.running.len();
        let results: Vec<Vec<BatchResult>> =
            told.iter().flatten().map(|words| BatchResult::all_of_words(words, n_series)).collect();
        communicator.add_up(own.sum, &blocks(&results), sum)?;
        let results: Vec<BatchResult> = results.into_iter().flatten().collect();

        let n_batches = results.len();
        let weight: f64 = results.iter().map(BatchResult::weight).sum();
        let loss = results.iter().map(|result| result.weight() * result.loss).sum::<f64>() / weight;
        let n_examples = results.iter().map(|result| result.n_examples).sum();
        let mut gradient_norm = results.last().map_or(0.0, |result| result.gradient_norm);
        if fit.accumulate > 1 {
            sum.gradients.scale(1.0 / weight);
            gradient_norm = sum.gradients.norm();
            self.trainer.states.count(n_batches - own.n_counted, self.parameters)?;
            self.trainer.states.set_means(&sum.averages, n_batches, self.parameters.state_mut())?;
        }
        self.take(fit, &mut sum.gradients)?;
        for result in &results {
            state.running.iter_mut().zip(&result.sums).for_each(|(sum, of_batch)| sum.add(*of_batch));
        }
        (state.batch, state.step) = (state.batch + n_batches as u64, state.step + 1);
        Ok(Taken { n_examples, loss, gradient_norm })
    }

    /// Clips a gradient and moves the parameters by it.
    fn take(&mut self, fit: &Fit, gradients: &mut Gradients) -> Result<(), TrainError> {
        if let Some(most) = fit.clip_norm {
            gradients.clip_norm(most)?;
        }
        if let Some(most) = fit.clip_value {
            gradients.clip_value(most)?;
        }
        Ok(self.optimizer.step(self.parameters, gradients)?)
    }

    /// The batches of a step that are this rank's.
    fn compute(
        &mut self,
        coming: &mut Coming<'_>,
        fit: &Fit,
        state: &TrainingState,
        own: &mut Computed,
    ) -> Result<(), TrainError> {
        let first = state.batch as usize;
        for batch in coming.before(first.saturating_add(fit.accumulate)) {
            let (position, batch) = batch?;
            let place = position - first;
            if fit.accumulate > 1 {
                self.trainer.states.count(place - own.n_counted, self.parameters)?;
                own.n_counted = place;
            }
            let before = (fit.accumulate > 1).then(|| self.parameters.state().clone());
            let (TrainingOutput { loss, mut gradients, outputs }, gradient_norm) = self.gradient(&batch, state)?;
            let sums = self.trainer.measures.sums(&outputs);
            let result = BatchResult { n_examples: batch.len(), loss, gradient_norm, sums };
            let averages = self.running_averages(fit);
            if let Some(before) = before {
                gradients.scale(result.weight());
                self.trainer.states.put_back(&before, self.parameters.state_mut())?;
            }
            own.sum.push(Node::leaf(place), Partial { gradients, averages });
            own.results.push(result);
        }
        Ok(())
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
}

/// Which places of a step each rank has computed.
fn blocks(results: &[Vec<BatchResult>]) -> Vec<Range<usize>> {
    let mut end = 0;
    let blocks = results.iter().map(|results| {
        let start = end;
        end += results.len();
        start..end
    });
    blocks.collect()
}

impl BatchResult {
    fn weight(&self) -> f64 {
        self.sums.first().map_or(0.0, |sum| sum.weight)
    }

    fn to_words(&self) -> Vec<u64> {
        let sums = self.sums.iter().flat_map(|sum| [sum.sum, sum.weight]);
        let numbers = bits([self.loss, self.gradient_norm].into_iter().chain(sums));
        [self.n_examples as u64].into_iter().chain(numbers).collect()
    }

    /// The results of all batches of a rank, of so many sums each.
    fn all_of_words(words: &[u64], n_series: usize) -> Vec<BatchResult> {
        let results = words.chunks_exact(3 + 2 * n_series).map(|words| {
            let number = |position: usize| f64::from_bits(words[position]);
            let sum = |series: usize| Running { sum: number(3 + 2 * series), weight: number(4 + 2 * series) };
            let sums = (0..n_series).map(sum).collect();
            BatchResult { n_examples: words[0] as usize, loss: number(1), gradient_norm: number(2), sums }
        });
        results.collect()
    }
}

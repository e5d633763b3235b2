//! Which classes a model takes for which. In: scores and labels as expressions, and a source. Out: a [`ConfusionMatrix`].

use super::{
    TrainError, Trainer,
    coming::{Pass, Share},
    feed::Use,
    measuring::MeasuringProgram,
    rounds::Rounds,
};
use crate::{
    data::{Batch, Source},
    graph::{DType, Expr, Value},
    parameters::Parameters,
    program::Outputs,
    risk::ConfusionMatrix,
};

const LABEL: &str = "label";
const PREDICTED: &str = "predicted";

impl Trainer {
    /// Counts which class is predicted, that of the greatest score, for the examples of each class. Inputs are fed as those of this
    /// trainer, in batches as it measures. Classes are named by their numbers until
    /// [`ConfusionMatrix::with_classes`] gives others. A program is compiled for it at each call.
    ///
    /// # Shapes
    /// `scores: [batch, …, classes]`, `labels: [batch, …]` of `i64`, from 0
    ///
    /// # Errors
    /// Types are others than these; an input that no column fits; there are no examples; or a label is no class, with its row.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, data::digits, nn::{cross_entropy, linear}, optim::Adam, train::{Fit, Trainer}};
    /// let g = Graph::new();
    /// let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    /// let scores = linear(x, "out", 10);
    /// let mut trainer = Trainer::new(cross_entropy(scores, label), [])?;
    /// let (split, mut parameters) = (digits().split(0.2, 0)?, g.initialize(0)?);
    /// trainer.training(&mut parameters, &mut Adam::new(1e-2)).fit(&split.train, &Fit::new(3, 32))?;
    ///
    /// let matrix = trainer.confusion_matrix((scores, label), &parameters, &split.test)?;
    /// assert_eq!((matrix.classes().len(), matrix.n_examples()), (10, split.test.len() as u64));
    /// assert!(matrix.accuracy() > Some(0.9), "{matrix}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn confusion_matrix(
        &self,
        (scores, labels): (Expr<'_>, Expr<'_>),
        parameters: &Parameters,
        source: &dyn Source,
    ) -> Result<ConfusionMatrix, TrainError> {
        let g = scores.graph();
        g.check().map_err(crate::program::CompileError::from)?;
        let mut matrix = ConfusionMatrix::new((0..n_classes(scores, labels)?).map(|class| class.to_string()));
        let outputs = vec![(LABEL.to_owned(), labels), (PREDICTED.to_owned(), scores.argmax(-1))];
        let mut program = MeasuringProgram::new(g, outputs, &self.options)?;
        let feeds = self.feeds.of_others(&program.program.signature.inputs);
        feeds.check(source, Use::Evaluation, "measure")?;
        self.check_order(&self.batching, source, "measure")?;
        let mut states = program.begin(parameters)?;
        let share = Share::of_rounds(&self.communicator);
        let pass = Pass { batching: &self.batching, source, key: (0, 0), n_done: 0, share };
        pass.with_batches(|coming, _| {
            let mut rounds = Rounds::new(coming, &self.communicator);
            while let Some(told) = rounds.next(|_, batch| {
                let out = program.run(&mut states, feeds.fed(&batch, Use::Evaluation))?;
                let is_fitting = out[LABEL].shape()[0] == batch.len();
                let fitting = is_fitting.then(|| to_words(&out, &batch));
                fitting.ok_or_else(|| TrainError::Scores { scores: scores.ty().into(), labels: labels.ty().into() })
            })? {
                for [row, label, predicted] in told.iter().flat_map(|words| words.as_chunks().0) {
                    let added = matrix.add(*label as i64, *predicted as i64);
                    added.map_err(|source| TrainError::Class { row: *row as usize, source })?;
                }
            }
            Ok(())
        })?;
        if matrix.n_examples() == 0 { Err(TrainError::Empty { purpose: "measure" }) } else { Ok(matrix) }
    }
}

/// Of each label its row, itself and the class that was predicted.
fn to_words(out: &Outputs, batch: &Batch) -> Vec<u64> {
    let (labels, predicted) = (classes(out, LABEL), classes(out, PREDICTED));
    let n_each = labels.len() / batch.len().max(1);
    let pairs = labels.into_iter().zip(predicted).enumerate();
    let row = |position: usize| batch.rows()[position / n_each] as u64;
    pairs.flat_map(|(position, (label, predicted))| [row(position), label as u64, predicted as u64]).collect()
}

/// How many classes there are, of scores and labels that go together.
fn n_classes(scores: Expr<'_>, labels: Expr<'_>) -> Result<u64, TrainError> {
    let (shape, of_labels) = (scores.shape(), labels.shape());
    let n_classes = shape.last().and_then(crate::graph::Dim::as_number);
    let is_fitting = scores.dtype().is_float() && labels.dtype() == DType::I64;
    let is_fitting = is_fitting && shape.rank() >= 2 && of_labels[..] == shape[..shape.rank() - 1];
    match n_classes.filter(|_| is_fitting) {
        Some(n_classes) => Ok(n_classes as u64),
        None => Err(TrainError::Scores { scores: scores.ty().into(), labels: labels.ty().into() }),
    }
}

fn classes(out: &Outputs, name: &str) -> Vec<i64> {
    match &out[name] {
        Value::I64(array) => array.iter().copied().collect(),
        Value::F32(_) | Value::F64(_) | Value::Bool(_) => unreachable!("invariant: labels and positions are integers"),
    }
}

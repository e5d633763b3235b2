//! What can go wrong in training. In: the error. Out: an error that names epoch, step, node or file.

use std::path::PathBuf;

use thiserror::Error;

use super::CommunicatorError;
use crate::{
    data::{Column, DataError},
    graph::{Site, Type},
    io::IoError,
    names,
    numbers::short,
    optim::OptimizerError,
    parameters::ParameterError,
    program::{CompileError, RunError},
    risk::RiskError,
};

/// Why training stopped, or did not begin. Parameters are as they were before the step at which it happened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The graph does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A batch does not run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An example with which a batch does not run, such as one whose label is no class.
    #[error("{}row {row} (from 0) of the examples to {purpose} on: {source}", during(*epoch))]
    Example {
        /// The epoch, from 1; none outside of a training.
        epoch: Option<u64>,
        /// What the examples are for.
        purpose: &'static str,
        /// Its row in the dataset, from 0.
        row: usize,
        /// What is wrong.
        source: RunError,
    },
    /// A name that no input of the graph has.
    #[error("no input is named {name:?}{}", names::suggestion(nearest.as_deref()))]
    UnknownInput {
        /// The name as given.
        name: String,
        /// The input most like it.
        nearest: Option<String>,
    },
    /// An input without a column of its name.
    #[error(
        "input {input:?} ({ty}, declared at {site}) is fed the column {column:?}, but the examples to {purpose} on have {}{}; \
         another column is said by `Trainer::feed`",
        columns.join(", "),
        names::suggestion(nearest.as_deref())
    )]
    NoColumn {
        /// The input.
        input: String,
        /// Its type.
        ty: Box<Type>,
        /// Where it was declared.
        site: Site,
        /// What the examples are for.
        purpose: &'static str,
        /// The column that it should be fed.
        column: String,
        /// The column most like it.
        nearest: Option<String>,
        /// The columns that there are.
        columns: Vec<String>,
    },
    /// An input whose column has another dtype, rank or size.
    #[error(
        "input {input:?} ({ty}, declared at {site}) is fed column {column}, but takes {}",
        expected.as_ref().map_or("no axis of examples".to_owned(), |expected| format!("{expected} an example"))
    )]
    ColumnType {
        /// The input.
        input: String,
        /// Its type.
        ty: Box<Type>,
        /// Where it was declared.
        site: Site,
        /// The column.
        column: Box<Column>,
        /// What an example must be; none if the input is one number.
        expected: Option<Box<Type>>,
    },
    /// The optimizer does not take a step.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    /// The data cannot be cut into batches.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] IoError),
    /// There is no interval of a measure.
    #[error("{name}: {source}")]
    Risk {
        /// The measure.
        name: String,
        /// Why.
        source: RiskError,
    },
    /// The loss or its gradient is no number any more.
    #[error(
        "epoch {epoch}, step {step}: the loss is {}, the norm of its gradient {}: {}",
        short(*loss),
        short(*norm),
        told(cause.as_ref())
    )]
    NonFinite {
        /// The epoch, from 1.
        epoch: u64,
        /// The step since the beginning, from 1.
        step: u64,
        /// The loss.
        loss: f64,
        /// The Euclidean norm of the gradient by all parameters.
        norm: f64,
        /// The first operation that made such a number of finite ones, with its line. None if what is fed or a
        /// parameter was no finite number before.
        cause: Option<RunError>,
    },
    /// A limit of gradients is none.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// Numbers of each example are wanted, with the batch as their first axis.
    #[error("{name:?} has shape {shape}, not a number for each example")]
    NotOfEach {
        /// The loss or metric.
        name: String,
        /// Its shape.
        shape: String,
    },
    /// A metric of an integer or a truth value.
    #[error("{name:?} is of {dtype}, not of floats")]
    NotFloat {
        /// The metric.
        name: String,
        /// Its dtype.
        dtype: String,
    },
    /// Weights that do not fit what they weigh.
    #[error(
        "{name:?} is {expected}, but its weights are {found}: they must be of that dtype or bool, and of its first axes"
    )]
    Weights {
        /// The loss or metric.
        name: String,
        /// The type of the weights.
        found: Box<Type>,
        /// The type of what they weigh.
        expected: Box<Type>,
    },
    /// A sum of no losses.
    #[error("there is no loss to make small")]
    NoLoss,
    /// The factor of a loss is no number.
    #[error("the factor of {name:?} is {}, but must be finite", short(*found))]
    Factor {
        /// The loss.
        name: String,
        /// Its factor.
        found: f64,
    },
    /// Losses of other examples than the first.
    #[error("{name:?} is {found}, but {first:?} is {expected}: losses that are summed have the same first axis")]
    OtherExamples {
        /// The loss.
        name: String,
        /// Its type.
        found: Box<Type>,
        /// The first loss.
        first: String,
        /// Its type.
        expected: Box<Type>,
    },
    /// Gradients of several batches cannot be added up as if they were of one.
    #[error(
        "losses of different weights or shapes are summed, so that the gradients of several batches do not add up to that of \
         one: take larger batches in place of `accumulate`"
    )]
    Accumulate,
    /// Another rank is not reached.
    #[error(transparent)]
    Communicator(#[from] CommunicatorError),
    /// What went wrong on another rank.
    #[error("rank {rank}: {message}")]
    OtherRank {
        /// The rank.
        rank: usize,
        /// What it says.
        message: String,
    },
    /// Ranks that do not begin with the same.
    #[error(
        "rank {rank} does not begin as rank 0 does: its {what} are others\n   = help: every rank runs the same program with the same \
         seeds on the same data, and finds the same checkpoint"
    )]
    RanksDiffer {
        /// The rank.
        rank: usize,
        /// What differs.
        what: &'static str,
    },
    /// A state that goes from batch to batch, and batches that are computed at once.
    #[error(
        "the state {state:?} goes from batch to batch, so that several ranks cannot compute batches at once\n   = help: train in one \
         process; ranks share states that are running averages, (1 − m)·state + m·x, and those that no data and no parameter moves"
    )]
    StateOfRanks {
        /// The first of these states.
        state: String,
    },
    /// Steps that one rank computes alone.
    #[error(
        "steps of one batch keep one of {n_ranks} ranks at work\n   = help: make a step of several batches, which the ranks share: \
         `Fit::new(epochs, 8).accumulate(4)` for `Fit::new(epochs, 32)`"
    )]
    OneBatch {
        /// How many ranks there are.
        n_ranks: usize,
    },
    /// States go on from batch to batch, but examples do not.
    #[error(
        "the state {state:?} is carried from batch to batch, but the examples to {purpose} on come in batches of {batching}\n   \
         = help: take `Batching::continued`, in which each place of a batch goes on where it ended in the batch before"
    )]
    NotContinued {
        /// The first of these states.
        state: String,
        /// The batches.
        batching: String,
        /// What the examples are for.
        purpose: &'static str,
    },
    /// Batches that are whole of which there is not one.
    #[error(
        "{found} examples to {purpose} on are not one batch of {places}, and shorter ones are left out: take smaller batches"
    )]
    FewerThanPlaces {
        /// What the examples are for.
        purpose: &'static str,
        /// How many there are.
        found: usize,
        /// How many a batch has.
        places: usize,
    },
    /// Two measures of one name; the loss is called `loss`.
    #[error("two measures are named {name:?}")]
    DuplicateMetric {
        /// The name.
        name: String,
    },
    /// What is to be watched is not measured.
    #[error("no measure is named {name:?}{}", names::suggestion(nearest.as_deref()))]
    UnknownMetric {
        /// The name.
        name: String,
        /// The measure most like it.
        nearest: Option<String>,
    },
    /// What counts as better is no number.
    #[error("the least gain is {}, but must be finite", short(*found))]
    MinDelta {
        /// What it is.
        found: f64,
    },
    /// The factor of a plateau does not lower a rate.
    #[error("the factor of a plateau is {}, but must be in [0, 1)", short(*found))]
    PlateauFactor {
        /// What it is.
        found: f64,
    },
    /// Patience, or a plateau, without a validation set.
    #[error("to stop early, or to lower the rate on a plateau, takes examples to validate on")]
    NoValidation,
    /// Averages are to be measured, and the optimizer keeps none.
    #[error("the optimizer keeps no averages of weights to measure: wrap it in `optim::Averaged`")]
    NoAverages,
    /// A label or prediction that is no class.
    #[error("row {row} (from 0) of the examples: {source}")]
    Class {
        /// Its row in the dataset, from 0.
        row: usize,
        /// What is wrong.
        source: RiskError,
    },
    /// Scores and labels that do not go together.
    #[error(
        "scores are {scores} and labels {labels}, but must be floats [batch, …, classes], with a number of classes, and i64 [batch, …]"
    )]
    Scores {
        /// The type of the scores.
        scores: Box<Type>,
        /// The type of the labels.
        labels: Box<Type>,
    },
    /// A dataset without examples.
    #[error("there are no examples to {purpose} on")]
    Empty {
        /// What they are for.
        purpose: &'static str,
    },
    /// A checkpoint of another training.
    #[error("{path}: the checkpoint is of another training: {what} was {found}, is {expected}")]
    OtherTraining {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
        /// As in the file.
        found: String,
        /// As now.
        expected: String,
    },
    /// A checkpoint that another version of this library wrote.
    #[error(
        "{path}: the checkpoint is of version {found:?}, and version {known:?} is known; go on with the library that wrote it"
    )]
    CheckpointVersion {
        /// The file.
        path: PathBuf,
        /// The version that it says.
        found: String,
        /// The version that is known.
        known: &'static str,
    },
    /// A checkpoint whose texts are not those of one.
    #[error("{path}: the checkpoint's {what} is missing or not readable: {found:?}")]
    BadCheckpoint {
        /// The file.
        path: PathBuf,
        /// Which text.
        what: String,
        /// What it is.
        found: String,
    },
}

impl TrainError {
    /// The same, in an epoch, from 1.
    pub(super) fn in_epoch(self, epoch: u64) -> TrainError {
        match self {
            TrainError::Example { purpose, row, source, .. } => {
                TrainError::Example { epoch: Some(epoch), purpose, row, source }
            }
            other => other,
        }
    }
}

fn during(epoch: Option<u64>) -> String {
    epoch.map_or(String::new(), |epoch| format!("epoch {epoch}, "))
}

/// Which operation it was, or that there is none.
fn told(cause: Option<&RunError>) -> String {
    cause.map_or("what is fed or a parameter was no finite number before".to_owned(), RunError::to_string)
}

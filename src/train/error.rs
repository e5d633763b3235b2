//! What can go wrong in training. In: the error. Out: an error that names epoch, step, node or file.

use std::path::PathBuf;

use thiserror::Error;

use crate::{
    data::DataError,
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
    /// A name for rows or labels that no input of the graph has.
    #[error("no input is named {name:?}{}", names::suggestion(nearest.as_deref()))]
    UnknownInput {
        /// The name as given.
        name: String,
        /// The input most like it.
        nearest: Option<String>,
    },
    /// One input for the rows and the labels.
    #[error("{name:?} cannot be both the rows and the labels")]
    SameInput {
        /// Its name.
        name: String,
    },
    /// An input that the loss or a metric needs beside the rows and the labels.
    #[error(
        "input {name:?} ({ty}, declared at {site}) is needed too, but a dataset has rows and labels alone; make it a \
         constant or a parameter, or train with `compile_training` and a loop of your own"
    )]
    ThirdInput {
        /// Its name.
        name: String,
        /// Its type.
        ty: Type,
        /// Where it was declared.
        site: Site,
    },
    /// An input of a type that no dataset's rows or labels have.
    #[error("input {name:?} ({ty}, declared at {site}) is fed the {what} of a dataset, which are {expected}")]
    InputType {
        /// Its name.
        name: String,
        /// Its type.
        ty: Type,
        /// Where it was declared.
        site: Site,
        /// What of the dataset it is fed.
        what: &'static str,
        /// The types that these have.
        expected: &'static str,
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
    /// Numbers of each example are wanted, one axis as long as the batch.
    #[error("{name:?} has shape {shape}, not one number for each example")]
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

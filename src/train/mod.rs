//! The loop of training. In: a loss and metrics of a graph, a dataset, an optimizer. Out: parameters that were moved, and
//! the history of it. No update rule here; nothing is printed, observers are told.

mod checkpoint;
mod error;
mod fit;
mod history;
mod inputs;
mod metric;
mod observer;
mod optimizer_state;
mod plateau;
#[cfg(feature = "progress")]
mod progress;
mod report;
mod state;
mod trainer;
mod training;

pub use checkpoint::Checkpoint;
pub use error::TrainError;
pub use fit::{Fit, Patience};
pub use history::{Epoch, History, Measured};
pub use metric::Metric;
pub use observer::{Observer, Step};
pub use plateau::Plateau;
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use report::{Report, Stop, Summary};
pub use trainer::{Objective, Trainer};
pub use training::Training;

//! The loop of training. In: losses and metrics of a graph, a source of examples, an optimizer. Out: parameters that were moved, and
//! the history of it. No update rule here; nothing is printed, observers are told.

mod accumulation;
mod checkpoint;
mod coming;
mod communicator;
mod confusion;
mod curves;
mod digest;
mod error;
mod exchange;
mod feed;
mod fit;
mod history;
mod measure;
mod measuring;
mod metric;
mod objective;
mod observer;
mod optimizer_state;
mod plateau;
#[cfg(feature = "progress")]
mod progress;
mod report;
mod rounds;
mod state;
mod statistics;
mod step_states;
mod trainer;
mod training;
mod tree;

pub use checkpoint::Checkpoint;
pub use communicator::{Communicator, CommunicatorError};
pub use curves::{CurvePoint, Curves, Spread};
pub use error::TrainError;
pub use fit::{Fit, Patience};
pub use history::{Epoch, History, Measured};
pub use metric::Metric;
pub use objective::{Loss, Objective};
pub use observer::{Observer, Step};
pub use plateau::Plateau;
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use report::{Report, Stop, Summary};
pub use trainer::Trainer;
pub use training::Training;

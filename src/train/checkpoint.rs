//! A training that is stopped and goes on. In: all that the rest of it depends on. Out: a file, and back. What is put
//! in and taken out is here; the format is `io`'s.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use super::{
    TrainError,
    history::History,
    optimizer_state,
    state::{Best, Running, TrainingState},
};
use crate::{
    io::Arrays,
    numbers::short,
    optim::{Optimizer, OptimizerState},
    parameters::Parameters,
};

/// A file from which a training goes on after it was stopped, at the step at which it was written: the result is the same
/// bit for bit as without the stop.
///
/// It holds parameters and the model's state, those of the best epoch, the optimizer's state, the history, and where in the epoch
/// training was; as safetensors, so that other programs read the arrays. It is replaced at once, by a file that is complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub(super) path: PathBuf,
    pub(super) every_steps: Option<u64>,
    pub(super) start: CheckpointStart,
}

/// What happens with a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckpointStart {
    Anew,
    Resume,
}

impl Checkpoint {
    /// A file that is written after each epoch; one of that name is replaced.
    pub fn new(path: impl Into<PathBuf>) -> Checkpoint {
        Checkpoint { path: path.into(), every_steps: None, start: CheckpointStart::Anew }
    }

    /// The same, but training goes on from the file if it is there.
    pub fn resume(path: impl Into<PathBuf>) -> Checkpoint {
        Checkpoint { start: CheckpointStart::Resume, ..Checkpoint::new(path) }
    }

    /// Also after each so many steps.
    pub fn every_steps(self, steps: u64) -> Checkpoint {
        Checkpoint { every_steps: Some(steps.max(1)), ..self }
    }
}

/// The version of what is written. What lacks one is of version 1, of which some were written before they said so.
const VERSION: &str = "2";

/// Nobody has counted to more, and one more is still a number.
const MAX_COUNTED: u64 = 1 << 53;

/// What must be as it was for a training to go on: name and value of each.
pub(super) type Setting = Vec<(&'static str, String)>;

/// Writes a training down.
pub(super) fn save(
    path: &Path,
    setting: &Setting,
    state: &TrainingState,
    parameters: &Parameters,
    optimizer: &OptimizerState,
) -> Result<(), TrainError> {
    let mut file = Arrays::new();
    file.note("version", VERSION);
    setting.iter().for_each(|(name, value)| file.note(*name, value));
    file.insert_all("parameters/", parameters);
    file.insert_state("state/", parameters.state());
    optimizer_state::save(&mut file, "optimizer", parameters.layout(), optimizer);
    for (name, number) in
        [("epoch", state.epoch), ("batch", state.batch), ("step", state.step), ("waited", state.waited)]
    {
        file.note(name, number.to_string());
    }
    let sums = state.running.iter().map(|running| format!("{} {}", short(running.sum), short(running.weight)));
    file.note("running", sums.collect::<Vec<_>>().join("\n"));
    if let Some(best) = &state.best {
        file.note("best", format!("{} {}", best.epoch, short(best.value)));
        file.insert_all("best/", &best.parameters);
        file.insert_state("best state/", best.parameters.state());
    }
    let mut table = Vec::new();
    state.history.write_csv(&mut table).expect("invariant: memory takes what is written");
    file.note("history", String::from_utf8_lossy(&table));
    Ok(file.save(path)?)
}

/// Reads a training whose measures have those names and are made of so many sums; parameters and optimizer become what they were.
pub(super) fn load(
    path: &Path,
    setting: &Setting,
    (names, n_series): (&[String], usize),
    parameters: &mut Parameters,
    optimizer: &mut dyn Optimizer,
) -> Result<TrainingState, TrainError> {
    let file = CheckpointReader { path, arrays: Arrays::load(path)? };
    let found = file.arrays.text("version").unwrap_or("1");
    if found != VERSION {
        return Err(TrainError::CheckpointVersion { path: path.to_owned(), found: found.to_owned(), known: VERSION });
    }
    for (name, expected) in setting {
        let found = file.text(name)?;
        if found != expected {
            let (what, found) = ((*name).to_owned(), found.to_owned());
            return Err(TrainError::OtherTraining { path: path.to_owned(), what, found, expected: expected.clone() });
        }
    }
    let layout = Arc::clone(parameters.layout());
    let state = file.state(names, n_series, parameters)?;
    let read = file.parameters(["parameters/", "state/"], parameters)?;
    optimizer.restore(file.optimizer("optimizer", &layout)?)?;
    *parameters = read;
    Ok(state)
}

/// A file that is read.
pub(super) struct CheckpointReader<'p> {
    pub(super) path: &'p Path,
    pub(super) arrays: Arrays,
}

impl CheckpointReader<'_> {
    pub(super) fn text(&self, what: &str) -> Result<&str, TrainError> {
        self.arrays.text(what).ok_or_else(|| self.bad(what, ""))
    }

    pub(super) fn bad(&self, what: impl Display, found: &str) -> TrainError {
        TrainError::BadCheckpoint { path: self.path.to_owned(), what: what.to_string(), found: found.to_owned() }
    }

    /// A number of things that were counted one by one.
    pub(super) fn count(&self, what: &str) -> Result<u64, TrainError> {
        let text = self.text(what)?;
        text.parse().ok().filter(|count| *count <= MAX_COUNTED).ok_or_else(|| self.bad(what, text))
    }

    /// Two numbers in a line.
    fn pair<A: FromStr, B: FromStr>(&self, what: &str, line: &str) -> Result<(A, B), TrainError> {
        let pair = line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        pair.ok_or_else(|| self.bad(what, line))
    }

    /// Parameters with the layout and the states of others, from the arrays under two prefixes.
    fn parameters(&self, [learned, state]: [&str; 2], like: &Parameters) -> Result<Parameters, TrainError> {
        let buffers = self.arrays.buffers(self.path, learned, like.layout())?;
        Ok(Parameters::from(buffers).with_state(self.arrays.state(self.path, state, like.state())?))
    }

    fn state(&self, names: &[String], n_series: usize, like: &Parameters) -> Result<TrainingState, TrainError> {
        let running = self.text("running")?;
        let running = running.lines().map(|line| {
            let (sum, weight) = self.pair("running", line)?;
            Ok(Running { sum, weight })
        });
        let running: Vec<Running> = running.collect::<Result<_, TrainError>>()?;
        if running.len() != n_series {
            return Err(self.bad("running", self.text("running")?));
        }
        let best = self.arrays.text("best").map(|line| {
            let (epoch, value) = self.pair("best", line)?;
            let parameters = self.parameters(["best/", "best state/"], like)?;
            Ok::<_, TrainError>(Best { epoch, value, parameters })
        });
        let table = self.text("history")?;
        let history = History::read_csv(names.to_vec(), table).ok_or_else(|| self.bad("history", table))?;
        Ok(TrainingState {
            epoch: self.count("epoch")?,
            batch: self.count("batch")?,
            step: self.count("step")?,
            waited: self.count("waited")?,
            running,
            best: best.transpose()?,
            history,
        })
    }
}

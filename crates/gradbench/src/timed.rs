//! Runs of a function, timed. In: what can be run, and how often at least. Out: how long each run took.

use std::time::{Duration, Instant};

use pullback::RunError;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A function with its input, everything prepared.
pub(crate) trait Timed {
    /// Computes the output from the input, wholly: nothing is kept of the last run but the memory.
    fn run(&mut self) -> Result<(), RunError>;

    /// What the last run computed.
    fn output(&self) -> Json;
}

/// How often a function is run: `min_runs` times, and until `min_seconds` are over. An input without these is run once.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub(crate) struct Runs {
    min_runs: usize,
    min_seconds: f64,
}

impl Default for Runs {
    fn default() -> Runs {
        Runs { min_runs: 1, min_seconds: 0.0 }
    }
}

/// A part of the work with its time.
#[derive(Debug, Serialize)]
pub(crate) struct Timing {
    name: &'static str,
    nanoseconds: u128,
}

impl Timing {
    pub(crate) fn new(name: &'static str, time: Duration) -> Timing {
        Timing { name, nanoseconds: time.as_nanos() }
    }
}

/// Runs until both minima hold, and at least once, so that there is an output.
pub(crate) fn repeat(timed: &mut dyn Timed, runs: Runs) -> Result<Vec<Timing>, RunError> {
    let (mut timings, mut elapsed) = (Vec::new(), Duration::ZERO);
    while timings.len() < runs.min_runs.max(1) || elapsed.as_secs_f64() < runs.min_seconds {
        let start = Instant::now();
        timed.run()?;
        let time = start.elapsed();
        timings.push(Timing::new("evaluate", time));
        elapsed += time;
    }
    Ok(timings)
}

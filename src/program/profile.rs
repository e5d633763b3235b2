//! Where the time of a program goes. In: steps with their shortest times and what they do. Out: a [`Profile`], which prints
//! as a table.

use std::{fmt, time::Duration};

use crate::graph::Site;

/// The time of each step of a program, made by [`Program::profile`](super::Program::profile).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Profile {
    /// The steps, in the order in which they run.
    pub steps: Vec<StepProfile>,
}

/// One step of a program, with the shortest time that it took.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StepProfile {
    /// What it does.
    pub description: String,
    /// The line of the user's that its last operation comes from.
    pub site: Site,
    /// The shortest time of all runs.
    pub time: Duration,
    /// Operations on floats, a multiply-add as two.
    pub flops: usize,
    /// Bytes read and written, each value once.
    pub bytes: usize,
}

impl Profile {
    /// The sum of the shortest times of all steps.
    pub fn total(&self) -> Duration {
        self.steps.iter().map(|step| step.time).sum()
    }
}

impl StepProfile {
    /// Billions of operations on floats a second.
    pub fn gflops_per_second(&self) -> f64 {
        self.flops as f64 / self.nanoseconds()
    }

    /// Billions of bytes a second.
    pub fn gigabytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.nanoseconds()
    }

    /// At least one, so that a step too short for the clock divides by something.
    fn nanoseconds(&self) -> f64 {
        self.time.as_nanos().max(1) as f64
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total().as_secs_f64();
        writeln!(f, "{} steps, {:.1} µs", self.steps.len(), total * 1e6)?;
        writeln!(f, "{:>4} {:>10} {:>6} {:>9} {:>8}  step", "", "µs", "share", "GFLOP/s", "GB/s")?;
        for (position, step) in self.steps.iter().enumerate() {
            let time = step.time.as_secs_f64();
            let share = if total > 0.0 { 100.0 * time / total } else { 0.0 };
            let (gflops, gigabytes) = (step.gflops_per_second(), step.gigabytes_per_second());
            let (microseconds, description, site) = (time * 1e6, &step.description, step.site);
            writeln!(
                f,
                "{position:>4} {microseconds:>10.2} {share:>5.1}% {gflops:>9.2} {gigabytes:>8.2}  {description}  {site}"
            )?;
        }
        Ok(())
    }
}

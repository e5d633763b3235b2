//! Where the time of a program goes. In: steps with their shortest times and what they do. Out: a [`Profile`], which prints
//! as a table.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::graph::Site;

/// The time of each step of a program, made by [`Program::profile`](super::Program::profile). It prints as a table, in which the
/// steps of bodies are indented below their loop, branch or call, with how often they were executed.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Profile {
    /// The steps, in the order in which they run.
    pub steps: Vec<StepProfile>,
}

/// One step of a program, with the shortest time that it took. Steps of the plan that run as one, as machine code, are one here: the
/// description and the line are those of the last.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StepProfile {
    /// What it does.
    pub description: String,
    /// The line of the user's that its last operation comes from.
    pub site: Site,
    /// The shortest time of all runs. Of a step in a body: the time of all its executions in one run, the shortest of the
    /// operation that has the body, with some 50 ns for reading the clock in each.
    pub time: Duration,
    /// How often it was executed in that run; 1 but for the steps of bodies.
    pub count: usize,
    /// Operations on floats of one execution, a multiply-add as two.
    pub flops: usize,
    /// Bytes read and written by one execution, each value once.
    pub bytes: usize,
    /// The bodies of a loop, branch or call.
    pub bodies: Vec<BodyProfile>,
}

/// A body in a step of a program.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BodyProfile {
    /// What it is to the operation: `body`, `then`, `else`, `condition`, or `again` for a loop that is computed again from its
    /// checkpoints.
    pub role: &'static str,
    /// Its steps, in the order in which they run.
    pub steps: Vec<StepProfile>,
}

/// What the steps of a line of the user's take; of [`Profile::lines`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LineTime {
    /// Path of the file as the compiler was given it.
    pub file: &'static str,
    /// Line, from 1.
    pub line: u32,
    /// The sum of the shortest times of its steps.
    pub time: Duration,
    /// How many steps.
    pub n_steps: usize,
    /// Operations on floats, a multiply-add as two.
    pub flops: usize,
    /// Bytes read and written.
    pub bytes: usize,
}

impl Profile {
    /// The sum of the shortest times of all steps.
    pub fn total(&self) -> Duration {
        self.steps.iter().map(|step| step.time).sum()
    }

    /// The steps by line, the line that takes longest first. A step is that of its last operation, as [`StepProfile::site`] says; the
    /// steps of bodies are part of their loop, branch or call.
    ///
    /// # Example
    /// ```
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", (50, 50));
    /// let y = x.dot(x);
    /// let profile = g.compile(y.sum())?.profile((), ("x", &ndarray::Array2::<f32>::ones((50, 50))), 10)?;
    /// let lines = profile.lines();
    /// assert_eq!(lines.iter().map(|line| line.time).sum::<std::time::Duration>(), profile.total());
    /// assert!(lines.iter().any(|line| line.flops >= 2 * 50 * 50 * 50));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lines(&self) -> Vec<LineTime> {
        let mut lines: BTreeMap<(&'static str, u32), LineTime> = BTreeMap::new();
        for step in &self.steps {
            let (file, line) = (step.site.file, step.site.line);
            let none = LineTime { file, line, time: Duration::ZERO, n_steps: 0, flops: 0, bytes: 0 };
            let found = lines.entry((file, line)).or_insert(none);
            found.time += step.time;
            found.n_steps += 1;
            found.flops = found.flops.saturating_add(step.flops);
            found.bytes = found.bytes.saturating_add(step.bytes);
        }
        let mut lines: Vec<LineTime> = lines.into_values().collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.time));
        lines
    }
}

impl StepProfile {
    /// Billions of operations on floats a second.
    pub fn gflops_per_second(&self) -> f64 {
        self.flops as f64 * self.count as f64 / self.nanoseconds()
    }

    /// Billions of bytes a second.
    pub fn gigabytes_per_second(&self) -> f64 {
        self.bytes as f64 * self.count as f64 / self.nanoseconds()
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
            step.write(f, total, &position.to_string(), "")?;
        }
        Ok(())
    }
}

impl StepProfile {
    /// Its line, and below it those of the steps in its bodies, indented.
    fn write(&self, f: &mut fmt::Formatter<'_>, total: f64, position: &str, indent: &str) -> fmt::Result {
        let time = self.time.as_secs_f64();
        let share = if total > 0.0 { 100.0 * time / total } else { 0.0 };
        let (gflops, gigabytes) = (self.gflops_per_second(), self.gigabytes_per_second());
        let (microseconds, description, site) = (time * 1e6, &self.description, self.site);
        let count = if indent.is_empty() { String::new() } else { format!("{} × ", self.count) };
        writeln!(
            f,
            "{position:>4} {microseconds:>10.2} {share:>5.1}% {gflops:>9.2} {gigabytes:>8.2}  {indent}{count}{description}  {site}"
        )?;
        for body in &self.bodies {
            if self.bodies.len() > 1 {
                writeln!(f, "{:>42}{indent}| {}:", "", body.role)?;
            }
            body.steps.iter().try_for_each(|step| step.write(f, total, "", &format!("{indent}| ")))?;
        }
        Ok(())
    }
}

//! A bar for a person who waits. In: steps and epochs. Out: on standard error a bar, if that is a terminal, and a line for each
//! epoch. The clock is read here, and not by the loop.

use std::{
    fmt,
    io::{self, Write},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Epoch, Observer, Step};
use crate::{numbers::rounded, parameters::Parameters};

/// Without a terminal, a line within an epoch comes no sooner than this after the one before.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// Shows how far a training is: a bar over all steps of all epochs, by indicatif, with steps and examples a second, the time that is
/// left, the last loss and the measures of the last validation; and a line for each epoch that is done.
///
/// Speed and time left are means since the first step that was seen, validations among them; a training that goes on from a
/// checkpoint begins where it was. A source that does not know how many examples it has is taken to have as many in each epoch as it
/// had in those before; in the first the time left is not known. Where a step does not follow the last one that was seen, another
/// training has begun: all of this begins anew.
///
/// Where [several processes](super::Trainer::over) train together, rank 0 alone shows it.
///
/// All of it is on standard error. Where that is no terminal, as in a file or a job, there is no bar: only the lines of epochs, and
/// within an epoch that takes longer one each 30 seconds.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    pace: Option<Pace>,
    /// Steps of an epoch, as far as those that are done tell.
    steps_of_epochs: Option<u64>,
    /// Measures on the validation set after the last epoch.
    validation: String,
    last_line: Instant,
    is_shown: bool,
}

impl Progress {
    /// On standard error.
    pub fn new() -> Progress {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len}  {msg}");
        bar.set_style(style.expect("invariant: the template is well formed"));
        Progress {
            bar,
            pace: None,
            steps_of_epochs: None,
            validation: String::new(),
            last_line: Instant::now(),
            is_shown: true,
        }
    }

    /// Writes a line above the bar, or alone.
    fn write(&mut self, line: &str) {
        if self.bar.is_hidden() {
            // Whoever does not see the line misses nothing else.
            let _ = writeln!(io::stderr(), "{line}");
        } else {
            self.bar.println(line);
        }
        self.last_line = Instant::now();
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Observer for Progress {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<()> {
        self.is_shown = step.rank == 0;
        if !self.is_shown {
            return ControlFlow::Continue(());
        }
        let now = Instant::now();
        if !self.pace.as_ref().is_some_and(|pace| pace.goes_on_with(step)) {
            (self.pace, self.steps_of_epochs, self.validation) = (None, None, String::new());
        }
        let pace = self.pace.get_or_insert_with(|| Pace::new(step, now));
        pace.count(step);
        let standing = pace.standing(step, self.steps_of_epochs, now - pace.start);
        match standing.n_steps {
            Some(n_steps) => self.bar.set_length(n_steps),
            None => self.bar.unset_length(),
        }
        self.bar.set_position(step.step);
        let epoch = epoch_of(step.epoch, step.n_epochs);
        let loss = rounded(step.loss, 4);
        if self.bar.is_hidden() {
            if self.last_line.elapsed() >= BETWEEN_LINES {
                let of = step.n_steps.map_or(String::new(), |n_steps| format!("/{n_steps}"));
                self.write(&format!("{epoch}  step {}{of}  loss {loss}  {standing}", step.step_of_epoch));
            }
        } else {
            self.bar.set_prefix(epoch);
            self.bar.set_message(format!("{standing}  loss {loss}{}", self.validation));
        }
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, epoch: &Epoch, _: &Parameters) -> ControlFlow<()> {
        if !self.is_shown {
            return ControlFlow::Continue(());
        }
        self.steps_of_epochs = Some(epoch.step / epoch.epoch.max(1));
        self.validation = validation(epoch);
        let time = self.pace.as_ref().map_or(String::new(), |pace| format!("  after {}", Clock(pace.start.elapsed())));
        self.write(&format!("{}{time}", line(epoch)));
        ControlFlow::Continue(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// From where speed is measured.
#[derive(Debug)]
struct Pace {
    start: Instant,
    /// The step that was the first.
    first_step: u64,
    last_step: u64,
    /// The examples of it and of all since.
    n_examples: u64,
    /// Those of the first step, before which no time was seen.
    n_examples_of_first: u64,
}

/// What is said of speed at a step.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Standing {
    /// Steps of the whole training, if it is known.
    n_steps: Option<u64>,
    steps_a_second: Option<f64>,
    examples_a_second: Option<f64>,
    left: Option<Duration>,
}

impl Pace {
    fn new(step: &Step<'_>, now: Instant) -> Pace {
        let n_examples_of_first = step.n_examples as u64;
        Pace { start: now, first_step: step.step, last_step: step.step, n_examples: 0, n_examples_of_first }
    }

    /// Whether a step is the next one of the same training.
    fn goes_on_with(&self, step: &Step<'_>) -> bool {
        step.step == self.last_step + 1
    }

    fn count(&mut self, step: &Step<'_>) {
        self.last_step = step.step;
        self.n_examples += step.n_examples as u64;
    }

    /// Where a training is that took so long since the first step was done.
    fn standing(&self, step: &Step<'_>, steps_of_epochs: Option<u64>, elapsed: Duration) -> Standing {
        let of_epoch = step.n_steps.map(|n_steps| n_steps as u64).or(steps_of_epochs);
        let n_left = of_epoch.map(|n_steps| {
            n_steps.saturating_sub(step.step_of_epoch as u64) + n_steps * step.n_epochs.saturating_sub(step.epoch)
        });
        let seconds = elapsed.as_secs_f64();
        let a_second = |n: u64| (n > 0 && seconds > 0.0).then(|| n as f64 / seconds);
        let steps_a_second = a_second(step.step.saturating_sub(self.first_step));
        let left = n_left.zip(steps_a_second).map(|(n_left, speed)| n_left as f64 / speed);
        Standing {
            n_steps: n_left.map(|n_left| step.step + n_left),
            steps_a_second,
            examples_a_second: a_second(self.n_examples - self.n_examples_of_first),
            left: left.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(speed) = self.steps_a_second {
            match speed {
                100.0.. => write!(f, "{speed:.0} steps/s")?,
                1.0.. => write!(f, "{speed:.1} steps/s")?,
                _ => write!(f, "{:.1} s/step", 1.0 / speed)?,
            }
        }
        if let Some(speed) = self.examples_a_second {
            write!(f, "  {speed:.0} examples/s")?;
        }
        match self.left {
            Some(left) => write!(f, "  {} left", Clock(left)),
            None => Ok(()),
        }
    }
}

/// A time in hours, minutes and seconds: `1:02:03`, `2:03`.
struct Clock(Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64().round() as u64;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match hours {
            0 => write!(f, "{minutes}:{seconds:02}"),
            _ => write!(f, "{hours}:{minutes:02}:{seconds:02}"),
        }
    }
}

fn epoch_of(epoch: u64, n_epochs: u64) -> String {
    let width = n_epochs.to_string().len();
    format!("epoch {epoch:width$}/{n_epochs}")
}

/// What an epoch came to: each measure over its batches, and on the validation set.
fn line(epoch: &Epoch) -> String {
    let train = epoch.names.iter().zip(&epoch.train);
    let train: String = train.map(|(name, value)| format!("  {name} {}", rounded(*value, 4))).collect();
    format!("epoch {:3}{train}{}", epoch.epoch, validation(epoch))
}

/// The measures on the validation set, or nothing without one.
fn validation(epoch: &Epoch) -> String {
    let measures = epoch.names.iter().zip(&epoch.validation);
    let measures: String = measures.map(|(name, found)| format!("  {name} {}", rounded(found.value, 4))).collect();
    if measures.is_empty() { measures } else { format!("  | validation{measures}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(epoch: u64, step_of_epoch: usize, n_steps: Option<usize>) -> Step<'static> {
        let step = (epoch - 1) * 100 + step_of_epoch as u64;
        Step {
            rank: 0,
            epoch,
            n_epochs: 4,
            step,
            step_of_epoch,
            n_steps,
            n_examples: 32,
            loss: 0.5,
            gradient_norm: 1.0,
            rates: &[],
        }
    }

    fn text(first: Step<'_>, later: Step<'_>, steps_of_epochs: Option<u64>, seconds: f64) -> (Option<u64>, String) {
        let mut pace = Pace::new(&first, Instant::now());
        pace.n_examples = 32 * (later.step - first.step + 1);
        let standing = pace.standing(&later, steps_of_epochs, Duration::from_secs_f64(seconds));
        (standing.n_steps, standing.to_string())
    }

    #[test]
    fn time_left_is_that_of_all_epochs_at_the_speed_so_far() {
        let known = Some(100);
        let at = |epoch, position| step(epoch, position, known);
        // 100 steps in 50 s, and 299 to go.
        let expected = (Some(400), "2.0 steps/s  64 examples/s  2:30 left".to_owned());
        assert_eq!(text(at(1, 1), at(2, 1), None, 50.0), expected);
        // From a checkpoint: 10 steps in 40 s, and 40 to go.
        let expected = (Some(400), "4.0 s/step  8 examples/s  2:40 left".to_owned());
        assert_eq!(text(at(4, 50), at(4, 60), None, 40.0), expected);
        // Nothing is known of the speed at the first step.
        assert_eq!(text(at(1, 1), at(1, 1), None, 0.0), (Some(400), String::new()));
        // A source that does not know its size: nothing in the first epoch, then what the epochs before had.
        let at = |epoch, position| step(epoch, position, None);
        assert_eq!(text(at(1, 1), at(1, 51), None, 0.1), (None, "500 steps/s  16000 examples/s".to_owned()));
        assert_eq!(text(at(1, 1), at(2, 1), Some(100), 50.0).0, Some(400));
    }

    #[test]
    fn another_training_is_measured_anew() {
        let mut progress = Progress::new();
        progress.bar = ProgressBar::hidden();
        let mut seen = |epoch, position| {
            assert!(progress.step(&step(epoch, position, None)).is_continue());
            let pace = progress.pace.as_ref().map(|pace| (pace.first_step, pace.n_examples));
            let known = (progress.steps_of_epochs, progress.validation.clone());
            // As after an epoch.
            (progress.steps_of_epochs, progress.validation) = (Some(100), "  | validation".to_owned());
            (pace, known)
        };
        let (nothing, all) = ((None, String::new()), (Some(100), "  | validation".to_owned()));
        assert_eq!(seen(1, 1), (Some((1, 32)), nothing.clone()));
        assert_eq!(seen(1, 2), (Some((1, 64)), all.clone()));
        // Another one from its beginning, and one that goes on from a checkpoint.
        assert_eq!(seen(1, 1), (Some((1, 32)), nothing.clone()));
        assert_eq!(seen(1, 2), (Some((1, 64)), all));
        assert_eq!(seen(3, 51), (Some((251, 32)), nothing));
    }

    #[test]
    fn times_are_written_as_on_a_clock() {
        let text = |seconds: f64| Clock(Duration::from_secs_f64(seconds)).to_string();
        assert_eq!([0.2, 59.6, 125.0, 3723.0, 360_000.0].map(text), ["0:00", "1:00", "2:05", "1:02:03", "100:00:00"]);
    }
}

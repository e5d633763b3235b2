//! A bar for a person who waits. In: steps and epochs. Out: on standard error a bar, if that is a terminal, and a line for
//! each epoch.

use std::{
    io::{self, Write},
    ops::ControlFlow,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Epoch, Observer, Step};
use crate::{numbers::rounded, parameters::Parameters};

/// Shows the steps of the epoch as a bar, by indicatif, and a line for each epoch that is done.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// On standard error.
    pub fn new() -> Progress {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len}  {msg}");
        bar.set_style(style.expect("invariant: the template is well formed"));
        Progress(bar)
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Observer for Progress {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        match step.n_steps {
            Some(n_steps) => self.0.set_length(n_steps as u64),
            None => self.0.unset_length(),
        }
        self.0.set_position(step.step_of_epoch as u64);
        self.0.set_prefix(format!("epoch {:3}", step.epoch));
        self.0.set_message(format!("loss {}", rounded(step.loss, 4)));
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, epoch: &Epoch, _: &Parameters) -> ControlFlow<()> {
        let line = line(epoch);
        if self.0.is_hidden() {
            // Whoever does not see the line misses nothing else.
            let _ = writeln!(io::stderr(), "{line}");
        } else {
            self.0.println(line);
        }
        ControlFlow::Continue(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// What an epoch came to: each measure over its batches, and on the validation set.
fn line(epoch: &Epoch) -> String {
    let mut line = format!("epoch {:3}", epoch.epoch);
    for (name, value) in epoch.names.iter().zip(&epoch.train) {
        line += &format!("  {name} {}", rounded(*value, 4));
    }
    for (position, (name, estimate)) in epoch.names.iter().zip(&epoch.validation).enumerate() {
        let value = rounded(estimate.value, 4);
        line += &format!("{}  {name} {value}", if position == 0 { "  | validation" } else { "" });
    }
    line
}

//! What a claim is, and what running one gives. In: a setting. Out: evidence: what was measured, and what had to hold.

use std::{error::Error, path::PathBuf};

use clap::ValueEnum;
use pullback::view::{Figure, FigureError};

/// How much work a claim may do.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Size {
    /// Seconds: does it run, and does the claim hold roughly.
    Quick,
    /// Under a minute on two cores: the numbers of docs/lecture/README.md.
    Default,
    /// As much as it takes.
    Full,
}

impl Size {
    /// Where pictures go unless it is said: docs/lecture/figures has those of the default size and seed, which docs/lecture/README.md
    /// shows, and any other run leaves them as they are.
    pub(crate) fn figures(self, seed: u64) -> PathBuf {
        let is_shown = self == Size::Default && seed == 0;
        PathBuf::from(if is_shown { "docs/lecture/figures" } else { "target/figures" })
    }
}

/// What a claim is run with.
pub(crate) struct Setting {
    pub(crate) size: Size,
    pub(crate) seed: u64,
    pub(crate) figures: PathBuf,
    /// Where the files of Fashion-MNIST are, if they are.
    pub(crate) data: PathBuf,
    /// The file of the text that language models learn, if it is said.
    pub(crate) text: Option<PathBuf>,
}

impl Setting {
    /// One of three, by the size.
    pub(crate) fn pick<T>(&self, quick: T, default: T, full: T) -> T {
        match self.size {
            Size::Quick => quick,
            Size::Default => default,
            Size::Full => full,
        }
    }

    /// Writes a picture under the name of its claim.
    pub(crate) fn save(&self, figure: &Figure, name: &str) -> Result<(), FigureError> {
        figure.save(self.figures.join(format!("{name}.svg")))
    }
}

pub(crate) type Outcome = Result<Evidence, Box<dyn Error>>;

/// A claim of the lecture.
pub(crate) struct Claim {
    pub(crate) name: &'static str,
    pub(crate) statement: &'static str,
    pub(crate) run: fn(&Setting) -> Outcome,
}

/// What was measured, and what of it is not as claimed.
#[derive(Default)]
pub(crate) struct Evidence {
    pub(crate) measured: Vec<String>,
    pub(crate) broken: Vec<String>,
}

impl Evidence {
    /// Adds a measurement.
    pub(crate) fn measure(&mut self, text: impl Into<String>) {
        self.measured.push(text.into());
    }

    /// Adds a measurement that the claim stands or falls with.
    pub(crate) fn require(&mut self, holds: bool, text: impl Into<String>) {
        let text = text.into();
        if !holds {
            self.broken.push(text.clone());
        }
        self.measured.push(text);
    }
}

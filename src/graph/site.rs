//! Places in source text. In: the caller's location. Out: a [`Site`] that a diagnostic can print.

use std::{fmt, panic::Location};

/// Where an operation was written: file, line and column.
///
/// A node that a derivative adds has the site of the node it came from; a node that was read from text has the line
/// and column of that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Site {
    /// Path of the file as the compiler was given it.
    pub file: &'static str,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl Site {
    /// The place that called the `#[track_caller]` function this is called from.
    #[track_caller]
    pub fn caller() -> Site {
        let location = Location::caller();
        Site { file: location.file(), line: location.line(), column: location.column() }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

//! The subcommands, one file each: its arguments, and what it does with them.

pub(crate) mod check;
pub(crate) mod differentiate;
pub(crate) mod export;
pub(crate) mod profile;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod simplify;
pub(crate) mod timed;

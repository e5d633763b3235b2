//! All tests of the command, one binary.

mod commands;
mod documents;
mod folder;

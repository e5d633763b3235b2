//! What can go wrong with a file. In: the error. Out: an error that names the file, and the byte where there is one.

#[cfg(feature = "npz")]
use std::borrow::Cow;
use std::{io, path::PathBuf};

use thiserror::Error;

use super::WeightReport;
use crate::{names, parameters::ParameterError};

/// Why a file was not read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IoError {
    /// The system does not read it.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system does not write it.
    #[error("{path}: cannot be written: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes are not of the format.
    #[error("{path}: byte {offset}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        offset: usize,
        /// What is wrong there.
        reason: String,
    },
    /// An array that is to be read is of a type that there is none of here.
    #[error("{path}: the array {name:?} is of {dtype}, not f32, f64, i64 or bool; convert it where the file is made")]
    UnknownType {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// The array of an npy file is of a type that there is none of here.
    #[cfg(feature = "npz")]
    #[error("{path}: the array is of {dtype}, not f32, f64, i64 or bool; convert it where the file is made")]
    NpyType {
        /// The file.
        path: PathBuf,
        /// Its type.
        dtype: String,
    },
    /// What an npz file has no place for.
    #[cfg(feature = "npz")]
    #[error("{what} cannot be written into an npz file: {reason}; write a safetensors file")]
    NoPlaceInNpz {
        /// The array or text.
        what: String,
        /// Why not.
        reason: Cow<'static, str>,
    },
    /// An array that is to be read is not there.
    #[error("{path}: there is no array {name:?}{}", names::suggestion(nearest.as_deref()))]
    MissingArray {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// The array whose name is most like it, if one is alike.
        nearest: Option<String>,
    },
    /// An array with the name under which the format keeps its texts.
    #[error("no array can be written as {name:?}, which the format keeps for its texts; give it another name")]
    ReservedName {
        /// The name.
        name: &'static str,
    },
    /// A state and a parameter of one name.
    #[error("a parameter and a state are both named {name:?}; give one of them another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Names, shapes and texts that are more than the format takes.
    #[error("names and texts take more than the 100 MB that the format has for them")]
    LargeHeader,
    /// A pattern that matches nothing.
    #[error(
        "nothing matches the pattern `{pattern}`{}\n   = help: `rename`, `split` and `ignore` go by the names in the file, `transpose` by \
         those of the model",
        names::suggestion(nearest.as_deref())
    )]
    UnmatchedPattern {
        /// The pattern.
        pattern: String,
        /// The name that is most like it.
        nearest: Option<String>,
    },
    /// Arrays that are to be split into none.
    #[error(
        "arrays whose names match `{pattern}` are split into no others; give the names that their parts are for, or `ignore` them"
    )]
    NoParts {
        /// The pattern.
        pattern: String,
    },
    /// Axes to transpose by that are not each there once.
    #[error("arrays are not transposed by the axes {axes:?}, which must be a permutation: each from 0 on once")]
    NoPermutation {
        /// The axes.
        axes: Vec<usize>,
    },
    /// What a file holds is not what a model needs.
    #[error(
        "{path}: {report}\n   = help: `rename`, `split`, `transpose` and `ignore` what differs, or take what fits by `lenient`"
    )]
    Weights {
        /// The first file.
        path: PathBuf,
        /// What fits and what does not.
        report: Box<WeightReport>,
    },
    /// An array does not fit the parameter.
    #[error("{path}: {source}")]
    Parameter {
        /// The file.
        path: PathBuf,
        /// How it differs.
        source: ParameterError,
    },
}

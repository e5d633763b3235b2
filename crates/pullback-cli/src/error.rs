//! Why a command is not done. In: what is wrong. Out: a text that names file, line or array, and the mend.

use std::io;

use pullback::{
    CodeError, CompileError, DType, Diagnostics, RunError, Shape, Site, StableHloError, Type, io::IoError,
    parameters::ParameterError, text::ParseErrors, view::FigureError,
};
use thiserror::Error;

/// A mistake in what a command was given.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// In the command itself: told with its usage, and exit code 2.
    #[error("{0}")]
    Usage(String),
    #[error("{file}: cannot be read: {source}")]
    Read { file: String, source: io::Error },
    #[error("{file}: cannot be written: {source}")]
    Write { file: String, source: io::Error },
    #[error("{}", texts(file, errors))]
    Text { file: String, errors: ParseErrors },
    #[error(transparent)]
    Graph(#[from] Diagnostics),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Io(#[from] IoError),
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    #[error("{file}: {source}")]
    Figure { file: String, source: FigureError },
    #[error(transparent)]
    Code(CodeError),
    #[error(transparent)]
    StableHlo(StableHloError),
    #[error("Rust's floats have no `{function}`\n   = help: give `--libm`, and the program the crate libm")]
    NoFunction { function: &'static str },
    #[error("the size `{symbol}` has no number\n   = help: give it, as in `--size {symbol}=32`")]
    MissingSize { symbol: String },
    #[error("{file} returns no {name:?}{}", suggestion(nearest.as_deref()))]
    UnknownResult { file: String, name: String, nearest: Option<String> },
    #[error("{file} has no input, parameter, state or result {name:?}{}", suggestion(nearest.as_deref()))]
    UnknownNode { file: String, name: String, nearest: Option<String> },
    #[error("{name:?} (at {site}) is {ty}, and derivatives are of f32 and f64")]
    NotFloat { name: String, ty: Type, site: Site },
    #[error(
        "{name:?} (at {site}) is {ty}, and a gradient is that of one number\n   = help: return a sum or mean of it, or ask for \
         `--vjp` or `--jvp`"
    )]
    NotScalar { name: String, ty: Type, site: Site },
    #[error("{file} has {name:?} already\n   = help: `--name` gives what is added another first word")]
    NameTaken { file: String, name: String },
    #[error(
        "{file} sets the state {name:?} (at {site}), and a simplified graph sets none\n   = help: leave out its line `update` or \
         `carry`, and return the new value"
    )]
    SetsState { file: String, name: String, site: Site },
    #[error("{source_name} is for nothing: {file} has no input, parameter or state {name:?}{}", suggestion(nearest.as_deref()))]
    UnknownArray { source_name: String, file: String, name: String, nearest: Option<String> },
    #[error("{file} has no array {name:?}{}", suggestion(nearest.as_deref()))]
    NotInFile { file: String, name: String, nearest: Option<String> },
    #[error("{file}: the array in it has no name\n   = help: say for what it is, as in `x={file}`")]
    Nameless { file: String },
    #[error("{name:?} is given twice: by {first} and by {second}")]
    GivenTwice { name: String, first: String, second: String },
    #[error("{}", missing(.0))]
    MissingArrays(Vec<MissingArray>),
    #[error(
        "{name:?} is {expected} (declared at {site}), and {source_name} has {found}\n   = help: convert it where the file is \
         made, or by `--cast`"
    )]
    WrongDType { name: String, expected: DType, found: DType, site: Site, source_name: String },
    #[error("{name:?} has shape {expected} (declared at {site}), and {source_name} has {found:?}")]
    WrongShape { name: String, expected: Shape, found: Vec<usize>, site: Site, source_name: String },
    #[error("{file}:{line}:{column}: `{text}` is no {expected}")]
    Cell { file: String, line: u64, column: usize, text: String, expected: DType },
    #[error("{file}:{line}: {found} cells, and the first line has {expected}")]
    Row { file: String, line: u64, expected: usize, found: usize },
    #[error("{file}: {source}")]
    Csv { file: String, source: csv::Error },
    #[error("{file}: a table of {rows} rows and {columns} columns for {name:?}, which is {ty}\n   = help: {help}")]
    Table { file: String, name: String, rows: usize, columns: usize, ty: Type, help: &'static str },
    #[error("{file}: {name:?} has {rank} axes, and a table has two\n   = help: write npz, npy or safetensors")]
    NoTable { file: String, name: String, rank: usize },
    #[error(
        "{file}: the format has one array, and there are {count} results\n   = help: name one, as in `NAME={file}`"
    )]
    OneArray { file: String, count: usize },
}

/// A file as the command was given it: the standard input and output are `-`.
fn texts(file: &str, errors: &ParseErrors) -> String {
    let lines: Vec<String> = errors.0.iter().map(|error| format!("{file}:{error}")).collect();
    let count = if lines.len() > 1 { format!("\n{} errors", lines.len()) } else { String::new() };
    lines.join("\n") + &count
}

/// Something declared that no array was given for.
#[derive(Debug)]
pub(crate) struct MissingArray {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) site: Site,
    /// Whether an initializer can make it.
    pub(crate) is_initialized: bool,
    /// The array given whose name is most like it.
    pub(crate) nearest: Option<String>,
}

fn missing(arrays: &[MissingArray]) -> String {
    let line = |array: &MissingArray| {
        let MissingArray { name, ty, site, nearest, .. } = array;
        format!("no array is given for {name:?} ({ty}, declared at {site}){}", suggestion(nearest.as_deref()))
    };
    let lines: Vec<String> = arrays.iter().map(line).collect();
    let or_seed = if arrays.iter().any(|array| array.is_initialized) {
        ", or `--seed 0` to draw parameters and states by their initializers"
    } else {
        ""
    };
    let name = arrays.first().map_or("x", |array| &array.name);
    format!("{}\n   = help: give `--input FILE.npz` or `--input {name}=FILE.npy`{or_seed}", lines.join("\n"))
}

/// The end of a message: the name that may have been meant.
fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; the nearest name is `{nearest}`"))
}

/// The known name that is most like another, if one is alike.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let farthest = (name.chars().count() / 3).max(1);
    let distances = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    let alike = distances.filter(|(distance, _)| *distance <= farthest);
    alike.min_by_key(|(distance, _)| *distance).map(|(_, known)| known.to_owned())
}

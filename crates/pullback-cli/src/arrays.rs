//! Files of arrays. In: npz, npy, safetensors or CSV files, told apart by the ends of their names, or by their first bytes where
//! a name says nothing. Out: arrays, and the other way round.

use std::{convert::Infallible, path::Path, str::FromStr};

use clap::ValueEnum;
use pullback::{
    Value,
    io::{Arrays, npy_from_bytes, npy_to_bytes},
};

use crate::{
    error::CliError,
    graph_file::{read_bytes, shown},
    output,
    table::Table,
};

/// A format of files of arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Several arrays, as `numpy.savez` writes them.
    Npz,
    /// One array, as `numpy.save` writes it.
    Npy,
    /// Several arrays, as models are kept.
    Safetensors,
    /// One array of at most two axes, a row a line.
    Csv,
}

impl Format {
    /// By the end of a file's name.
    fn from_file(file: &str) -> Option<Format> {
        let extension = Path::new(file).extension()?.to_str()?;
        Format::from_str(extension, true).ok()
    }

    /// By the first bytes, where there is no name.
    fn from_content(bytes: &[u8]) -> Format {
        match bytes {
            [b'P', b'K', ..] => Format::Npz,
            [0x93, b'N', b'U', b'M', ..] => Format::Npy,
            [_, _, _, _, _, _, 0, 0, b'{', ..] => Format::Safetensors,
            _ => Format::Csv,
        }
    }
}

/// A file of arrays in a command, `FILE` or `NAME=FILE`: with a name, one array; without, those in the file.
#[derive(Debug, Clone)]
pub(crate) struct ArrayFile {
    pub(crate) name: Option<String>,
    pub(crate) file: String,
    /// As the end of its name says.
    pub(crate) format: Option<Format>,
}

impl FromStr for ArrayFile {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<ArrayFile, Infallible> {
        let (name, file) = match text.split_once('=') {
            Some((name, file)) => (Some(name.to_owned()), file),
            None => (None, text),
        };
        Ok(ArrayFile { name, file: file.to_owned(), format: Format::from_file(file) })
    }
}

/// What a file holds under a name.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    Array(Value),
    /// Cells, which become numbers of whatever dtype is asked for.
    Table(Table),
}

impl ArrayFile {
    /// The name of the file in messages.
    pub(crate) fn shown(&self) -> String {
        shown(&self.file)
    }

    /// Reads the file: the arrays with their names.
    pub(crate) fn read(&self) -> Result<Vec<(String, Held)>, CliError> {
        let bytes = read_bytes(&self.file)?;
        let path = self.shown();
        let arrays = match self.format.unwrap_or_else(|| Format::from_content(&bytes)) {
            Format::Npz => Arrays::from_npz(&path, &bytes)?,
            Format::Safetensors => Arrays::from_bytes(&path, &bytes)?,
            Format::Npy => return self.single(Held::Array(npy_from_bytes(&path, &bytes)?)),
            Format::Csv => return self.single(Held::Table(Table::read(&path, &bytes)?)),
        };
        match &self.name {
            None => Ok(arrays.iter().map(|(name, value)| (name.to_owned(), Held::Array(value.clone()))).collect()),
            Some(name) => match arrays.get(name) {
                Some(value) => Ok(vec![(name.clone(), Held::Array(value.clone()))]),
                None => Err(CliError::NotInFile {
                    file: path,
                    name: name.clone(),
                    nearest: crate::error::nearest(name, arrays.iter().map(|(name, _)| name)),
                }),
            },
        }
    }

    /// The one array of a file, which has no name of its own.
    fn single(&self, held: Held) -> Result<Vec<(String, Held)>, CliError> {
        match &self.name {
            Some(name) => Ok(vec![(name.clone(), held)]),
            None => Err(CliError::Nameless { file: self.file.clone() }),
        }
    }

    /// The format in which it is written.
    pub(crate) fn written_format(&self, stated: Option<Format>) -> Result<Format, CliError> {
        let names = "by the end of its name, .npz, .npy, .safetensors or .csv, or by `--format`";
        let unknown = || CliError::Usage(format!("say the format of the output `{}`: {names}", self.file));
        self.format.or(stated).ok_or_else(unknown)
    }

    /// Writes these arrays, or the one that the name says.
    pub(crate) fn write(&self, results: &[(String, Value)], stated: Option<Format>) -> Result<(), CliError> {
        let chosen: Vec<&(String, Value)> =
            results.iter().filter(|(name, _)| self.name.as_ref().is_none_or(|chosen| chosen == name)).collect();
        let bytes = match self.written_format(stated)? {
            Format::Npz => arrays(&chosen).to_npz()?,
            Format::Safetensors => arrays(&chosen).to_bytes()?,
            Format::Npy => npy_to_bytes(self.one(&chosen)?.1),
            Format::Csv => {
                let (name, value) = self.one(&chosen)?;
                Table::text(&self.shown(), name, value)?.into_bytes()
            }
        };
        output::write(&self.file, &bytes)
    }

    fn one<'r>(&self, results: &[&'r (String, Value)]) -> Result<(&'r str, &'r Value), CliError> {
        match results {
            [(name, value)] => Ok((name, value)),
            _ => Err(CliError::OneArray { file: self.file.clone(), count: results.len() }),
        }
    }
}

fn arrays(results: &[&(String, Value)]) -> Arrays {
    let mut arrays = Arrays::new();
    results.iter().for_each(|(name, value)| arrays.insert(name, value.clone()));
    arrays
}

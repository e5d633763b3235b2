//! Texts of graphs. In: a file, or the standard input. Out: the graph with its results, whose sites name the file.

use std::{
    fs,
    io::{self, Read},
};

use pullback::{Expr, Graph, Parsed, text::Parser};

use crate::error::{CliError, nearest};

/// The name of the standard input and output.
pub(crate) const STANDARD: &str = "-";

/// A graph with the name of its file.
pub(crate) struct GraphFile {
    pub(crate) name: &'static str,
    pub(crate) parsed: Parsed,
}

impl GraphFile {
    /// Reads a file; all that is wrong with it is told.
    pub(crate) fn read(file: &str) -> Result<GraphFile, CliError> {
        let text = match file {
            STANDARD => io::read_to_string(io::stdin()),
            file => fs::read_to_string(file),
        };
        let text = text.map_err(|source| CliError::Read { file: shown(file), source })?;
        // Sites have names for the time of the process; a command reads one graph.
        let name: &'static str = shown(file).leak();
        let parsed = Parser::new().file(name).parse_all(&text);
        let parsed = parsed.map_err(|errors| CliError::Text { file: name.to_owned(), errors })?;
        Ok(GraphFile { name, parsed })
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.parsed.graph
    }

    /// The result of a name.
    pub(crate) fn result(&self, name: &str) -> Result<Expr<'_>, CliError> {
        self.parsed.result(name).ok_or_else(|| CliError::UnknownResult {
            file: self.name.to_owned(),
            name: name.to_owned(),
            nearest: nearest(name, self.parsed.results.keys().map(String::as_str)),
        })
    }

    /// The input, parameter or state of a name, or else the result.
    pub(crate) fn node(&self, name: &str) -> Result<Expr<'_>, CliError> {
        let found = self.graph().named(name).or_else(|| self.parsed.result(name));
        found.ok_or_else(|| {
            let leaves: Vec<String> = self.leaves().iter().filter_map(Expr::name).collect();
            let results = self.parsed.results.keys();
            let known = leaves.iter().chain(results).map(String::as_str);
            CliError::UnknownNode { file: self.name.to_owned(), name: name.to_owned(), nearest: nearest(name, known) }
        })
    }

    /// Inputs, parameters and states.
    pub(crate) fn leaves(&self) -> Vec<Expr<'_>> {
        let graph = self.graph();
        [graph.inputs(), graph.parameters(), graph.states()].concat()
    }
}

/// A file's name in messages.
pub(crate) fn shown(file: &str) -> String {
    if file == STANDARD { "standard input".to_owned() } else { file.to_owned() }
}

/// All bytes of a file, or of the standard input.
pub(crate) fn read_bytes(file: &str) -> Result<Vec<u8>, CliError> {
    let bytes = match file {
        STANDARD => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
        file => fs::read(file),
    };
    bytes.map_err(|source| CliError::Read { file: shown(file), source })
}

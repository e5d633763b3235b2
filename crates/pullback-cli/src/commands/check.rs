//! `pullback check`: all that is wrong with a graph.

use super::show::with_size;
use crate::{
    error::CliError,
    graph_file::{GraphFile, STANDARD},
    output,
    sizes::{Size, pairs},
};

/// Tell all that is wrong with a graph, with exit code 1 if anything is
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// File with the text of a graph, or - for the standard input.
    graph: String,
    /// Also check that a run with these sizes has a plan: numbers for the sizes that are symbols, as batch=32,time=100.
    #[arg(long = "size", value_name = "SYMBOL=NUMBER", value_delimiter = ',')]
    sizes: Vec<Size>,
}

impl Check {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let file = GraphFile::read(&self.graph)?;
        let program = file.graph().compile(file.parsed.results())?;
        if !self.sizes.is_empty() {
            program.summary(pairs(&self.sizes)).map_err(with_size)?;
        }
        let (n_nodes, n_results) = (file.graph().len(), file.parsed.results.len());
        let text =
            format!("{}: no errors, {}, {}\n", file.name, counted(n_nodes, "node"), counted(n_results, "result"));
        output::write(STANDARD, text.as_bytes())
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

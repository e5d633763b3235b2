//! `pullback show`: the graph for people, and its plan.

use pullback::RunError;

use crate::{
    error::CliError,
    graph_file::{GraphFile, STANDARD},
    output,
    sizes::{Size, pairs},
};

/// Show a graph, with large constants abbreviated, or its plan
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// File with the text of a graph, or - for the standard input.
    graph: String,
    /// The exact text, which can be read again; without comments and what no result needs.
    #[arg(long, conflicts_with = "plan")]
    exact: bool,
    /// The plan of a run: steps with what they compute and cost, and a map of the memory.
    #[arg(long)]
    plan: bool,
    /// Numbers for the sizes that are symbols, as batch=32,time=100.
    #[arg(long = "size", value_name = "SYMBOL=NUMBER", value_delimiter = ',', requires = "plan")]
    sizes: Vec<Size>,
}

impl Show {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let file = GraphFile::read(&self.graph)?;
        let results = file.parsed.results();
        let text = if self.exact {
            file.parsed.to_text()
        } else if self.plan {
            let program = file.graph().compile(results)?;
            program.show(pairs(&self.sizes)).map_err(with_size)?
        } else {
            file.graph().show(results)
        };
        output::write(STANDARD, text.as_bytes())
    }
}

/// The error of a size that is not given, with the option that gives it.
pub(crate) fn with_size(error: RunError) -> CliError {
    match error {
        RunError::UnboundSymbol { symbol, .. } => CliError::MissingSize { symbol: symbol.to_string() },
        error => error.into(),
    }
}

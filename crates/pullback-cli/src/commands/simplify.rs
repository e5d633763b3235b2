//! `pullback simplify`: the graph after rewriting, and which rules fired.

use pullback::Rewrites;

use crate::{
    error::CliError,
    graph_file::{GraphFile, STANDARD},
    output,
};

/// Simplify a graph, and tell on the standard error which rules fired where
#[derive(Debug, clap::Args)]
pub(crate) struct Simplify {
    /// File with the text of a graph, or - for the standard input.
    graph: String,
    /// Where the text of the simplified graph goes.
    #[arg(short, long, value_name = "FILE", default_value = STANDARD)]
    output: String,
    /// Also rules that hold for real numbers and may change results in more than the last digits.
    #[arg(long)]
    fast_math: bool,
    /// Does not tell which rules fired.
    #[arg(short, long)]
    quiet: bool,
}

impl Simplify {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let file = GraphFile::read(&self.graph)?;
        if let Some(state) = file.graph().updated_states().first() {
            let (name, site) = (state.name().unwrap_or_default(), state.site());
            return Err(CliError::SetsState { file: file.name.to_owned(), name, site });
        }
        let rewrites = Rewrites { fast_math: self.fast_math, ..Rewrites::default() };
        let simplified = file.graph().simplify(file.parsed.results(), &rewrites)?;
        output::write(&self.output, simplified.to_text().as_bytes())?;
        if !self.quiet {
            eprint!("{}", simplified.report);
        }
        Ok(())
    }
}

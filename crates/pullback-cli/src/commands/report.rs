//! `pullback report`: one page about a graph and its run.

use super::run::OptionArguments;
use crate::{
    error::CliError,
    feed::FeedArguments,
    graph_file::{GraphFile, STANDARD},
    output,
};

/// Write one HTML page about a graph and its run: time and memory by line, the graph, the plan, the memory map
#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// File with the text of a graph, or - for the standard input.
    graph: String,
    #[command(flatten)]
    feed: FeedArguments,
    #[command(flatten)]
    options: OptionArguments,
    /// How many runs are timed, of which the shortest counts.
    #[arg(long, value_name = "N", default_value = "10")]
    runs: std::num::NonZeroUsize,
    /// Where it goes.
    #[arg(short, long, value_name = "FILE", default_value = STANDARD)]
    output: String,
}

impl Report {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let file = GraphFile::read(&self.graph)?;
        let mut program = self.options.compile(&file)?;
        let feed = self.feed.feed(&file)?;
        let report = program.report(&feed.parameters, &feed.inputs, self.runs.get())?;
        let page = report.with_graph(file.graph(), file.parsed.results()).with_title(file.name).to_html();
        output::write(&self.output, page.as_bytes())
    }
}

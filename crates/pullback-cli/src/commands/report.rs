//! `pullback report`: one page about a graph and its run.

use super::timed::{Timed, TimedArguments};
use crate::{error::CliError, graph_file::STANDARD, output};

/// Write one HTML page about a graph and its run: time and memory by line, the graph, the plan, the memory map
#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    #[command(flatten)]
    timed: TimedArguments,
    /// Where it goes.
    #[arg(short, long, value_name = "FILE", default_value = STANDARD)]
    output: String,
}

impl Report {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let Timed { file, mut program, feed, n_runs } = self.timed.prepare()?;
        let report = program.report(&feed.parameters, &feed.inputs, n_runs)?;
        let page = report.with_graph(file.graph(), file.parsed.results()).with_title(file.name).to_html();
        output::write(&self.output, page.as_bytes())
    }
}

//! What is timed: a graph, what it is fed, and how often it runs.

use pullback::Program;

use super::run::OptionArguments;
use crate::{
    error::CliError,
    feed::{Feed, FeedArguments},
    graph_file::GraphFile,
};

/// The arguments of commands that time a run.
#[derive(Debug, clap::Args)]
pub(crate) struct TimedArguments {
    /// File with the text of a graph, or - for the standard input.
    graph: String,
    #[command(flatten)]
    feed: FeedArguments,
    #[command(flatten)]
    options: OptionArguments,
    /// How many runs, of which the shortest counts.
    #[arg(long, value_name = "N", default_value = "10")]
    runs: std::num::NonZeroUsize,
}

/// A program that is ready to be timed.
pub(crate) struct Timed {
    pub(crate) file: GraphFile,
    pub(crate) program: Program,
    pub(crate) feed: Feed,
    pub(crate) n_runs: usize,
}

impl TimedArguments {
    pub(crate) fn prepare(self) -> Result<Timed, CliError> {
        let file = GraphFile::read(&self.graph)?;
        let program = self.options.compile(&file)?;
        let feed = self.feed.feed(&file)?;
        Ok(Timed { file, program, feed, n_runs: self.runs.get() })
    }
}

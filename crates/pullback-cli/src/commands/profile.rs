//! `pullback profile`: where the time of a run goes.

use super::run::OptionArguments;
use crate::{
    error::CliError,
    feed::FeedArguments,
    graph_file::{GraphFile, STANDARD},
    output,
};

/// Time each step of a run: the shortest of several
#[derive(Debug, clap::Args)]
pub(crate) struct Profile {
    /// File with the text of a graph, or - for the standard input.
    graph: String,
    #[command(flatten)]
    feed: FeedArguments,
    #[command(flatten)]
    options: OptionArguments,
    /// How many runs.
    #[arg(long, value_name = "N", default_value = "10")]
    runs: std::num::NonZeroUsize,
}

impl Profile {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let file = GraphFile::read(&self.graph)?;
        let mut program = self.options.compile(&file)?;
        let feed = self.feed.feed(&file)?;
        let profile = program.profile(&feed.parameters, &feed.inputs, self.runs.get())?;
        output::write(STANDARD, profile.to_string().as_bytes())
    }
}

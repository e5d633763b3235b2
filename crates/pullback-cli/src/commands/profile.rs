//! `pullback profile`: where the time of a run goes.

use super::timed::{Timed, TimedArguments};
use crate::{error::CliError, graph_file::STANDARD, output};

/// Time each step of a run: the shortest of several
#[derive(Debug, clap::Args)]
pub(crate) struct Profile {
    #[command(flatten)]
    timed: TimedArguments,
}

impl Profile {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let Timed { mut program, feed, n_runs, .. } = self.timed.prepare()?;
        let profile = program.profile(&feed.parameters, &feed.inputs, n_runs)?;
        output::write(STANDARD, profile.to_string().as_bytes())
    }
}

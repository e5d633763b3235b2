//! The command `pullback`: graphs in their text form, shown, checked, simplified, differentiated, run, timed and drawn. In: files, or
//! the standard input. Out: files, or the standard output; mistakes on the standard error, with file and line.
//!
//! `commands/` has one file for each subcommand. What they share: `graph_file.rs` (texts of graphs), `arrays.rs` and `table.rs`
//! (files of arrays), `feed.rs` (arrays for what a graph declares), `output.rs` (where results go), `error.rs`.

mod arrays;
mod commands;
mod error;
mod feed;
mod graph_file;
mod output;
mod sizes;
mod table;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};

use error::CliError;

/// Graphs of Pullback on the command line.
///
/// GRAPH is a file with the text form of a graph, or - for the standard input. Exit codes: 0 done, 1 a mistake in what was
/// given, 2 a mistake in the command.
#[derive(Debug, Parser)]
#[command(name = "pullback", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(commands::show::Show),
    Check(commands::check::Check),
    Simplify(commands::simplify::Simplify),
    Differentiate(commands::differentiate::Differentiate),
    Run(commands::run::Run),
    Profile(commands::profile::Profile),
    Export(commands::export::Export),
    Report(commands::report::Report),
}

impl Command {
    fn execute(self) -> Result<(), CliError> {
        match self {
            Command::Show(command) => command.execute(),
            Command::Check(command) => command.execute(),
            Command::Simplify(command) => command.execute(),
            Command::Differentiate(command) => command.execute(),
            Command::Run(command) => command.execute(),
            Command::Profile(command) => command.execute(),
            Command::Export(command) => command.execute(),
            Command::Report(command) => command.execute(),
        }
    }
}

fn main() -> ExitCode {
    match Cli::parse().command.execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Usage(mistake)) => Cli::command().error(ErrorKind::ValueValidation, mistake).exit(),
        // Whoever reads has seen enough, as `head` does.
        Err(CliError::Write { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

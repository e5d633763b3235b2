//! `pullback run`: the results of a graph for arrays.

use clap::ValueEnum;
use pullback::{Evaluation, Options, Program, Value, simplify::Mode};

use crate::{
    arrays::{ArrayFile, Format},
    error::CliError,
    feed::FeedArguments,
    graph_file::{GraphFile, STANDARD},
    output,
};

/// Compute the results of a graph
///
/// Without --output they are printed, with the middle of large arrays left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// File with the text of a graph, or - for the standard input.
    graph: String,
    #[command(flatten)]
    feed: FeedArguments,
    #[command(flatten)]
    options: OptionArguments,
    /// Where results go: all into an npz or safetensors file, or RESULT=FILE for one into a file of any format: npz, safetensors,
    /// npy, csv. FILE may be - for the standard output.
    #[arg(short, long = "output", value_name = "[RESULT=]FILE")]
    outputs: Vec<ArrayFile>,
    /// The format of outputs whose names do not end in one, such as - for the standard output.
    #[arg(long, requires = "outputs")]
    format: Option<Format>,
    /// Tells the first operation that makes NaN or infinity out of finite numbers, as an error; slow.
    #[arg(long)]
    check_finite: bool,
}

/// How a program is made.
#[derive(Debug, clap::Args)]
pub(crate) struct OptionArguments {
    /// The mode that the graph is run in.
    #[arg(long, value_enum, default_value = "evaluation")]
    mode: ModeArgument,
    /// How the results are computed.
    #[arg(long, value_enum, default_value = "compiled")]
    engine: EngineArgument,
    /// The most threads that take part; as many as there are processors, without it.
    #[arg(long)]
    threads: Option<std::num::NonZeroUsize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArgument {
    /// As a model answers.
    Evaluation,
    /// As a model is trained: with dropout and statistics of the batch.
    Training,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EngineArgument {
    /// Simplified, fused and planned.
    Compiled,
    /// Operation by operation, by the plainest means.
    Reference,
}

impl OptionArguments {
    /// The program of a graph.
    pub(crate) fn compile(&self, file: &GraphFile) -> Result<Program, CliError> {
        let mode = match self.mode {
            ModeArgument::Evaluation => Mode::Evaluation,
            ModeArgument::Training => Mode::Training,
        };
        let evaluation = match self.engine {
            EngineArgument::Compiled => Evaluation::Compiled,
            EngineArgument::Reference => Evaluation::Reference,
        };
        let default = Options::default();
        let threads = self.threads.map_or(default.threads, std::num::NonZeroUsize::get);
        let options = Options { mode: Some(mode), evaluation, threads, ..default };
        Ok(file.graph().compile_with(file.parsed.results(), &options)?)
    }
}

impl Run {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let file = GraphFile::read(&self.graph)?;
        self.check_outputs(&file)?;
        let mut program = self.options.compile(&file)?;
        let feed = self.feed.feed(&file)?;
        let outputs = if self.check_finite {
            program.run_checked(&feed.parameters, &feed.inputs)?
        } else {
            program.run(&feed.parameters, &feed.inputs)?
        };
        let results: Vec<(String, Value)> = outputs.into_iter().collect();
        if self.outputs.is_empty() {
            let line = |(name, value): &(String, Value)| format!("{name}: {} = {value}\n", value.ty());
            return output::write(STANDARD, results.iter().map(line).collect::<String>().as_bytes());
        }
        self.outputs.iter().try_for_each(|file| file.write(&results, self.format))
    }

    /// That what is asked for is there, before anything is computed.
    fn check_outputs(&self, file: &GraphFile) -> Result<(), CliError> {
        for output in &self.outputs {
            if let Some(name) = &output.name {
                file.result(name)?;
            }
            output.written_format(self.format)?;
        }
        Ok(())
    }
}

//! `pullback export`: the graph in another form. One flag for each form.

use pullback::{CodeError, CodeOptions, MathProvider, RustModule, StableHloError, StableHloOptions};

use crate::{
    error::CliError,
    graph_file::{GraphFile, STANDARD},
    output,
    sizes::Size,
};

/// Write a graph as a picture, as Rust, or as StableHLO
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// File with the text of a graph, or - for the standard input.
    graph: String,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    code: Code,
    /// Where it goes.
    #[arg(short, long, value_name = "FILE", default_value = STANDARD)]
    output: String,
}

/// What is written.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Form {
    /// A diagram in the language of Graphviz.
    #[arg(long)]
    dot: bool,
    /// A diagram as SVG.
    #[arg(long)]
    svg: bool,
    /// A function that depends on nothing, as Rust.
    #[arg(long)]
    rust: bool,
    /// A module of StableHLO, which XLA compiles.
    #[arg(long)]
    stablehlo: bool,
}

/// How Rust and StableHLO are written.
#[derive(Debug, clap::Args)]
struct Code {
    /// The name of the function.
    #[arg(long, conflicts_with_all = ["dot", "svg", "stablehlo"], default_value = "run")]
    name: String,
    /// Numbers for the sizes that are symbols, as batch=32,time=100.
    #[arg(long = "size", value_name = "SYMBOL=NUMBER", value_delimiter = ',', conflicts_with_all = ["dot", "svg"])]
    sizes: Vec<Size>,
    /// Call functions of mathematics of the crate libm instead of the standard library's.
    #[arg(long, conflicts_with_all = ["dot", "svg", "stablehlo"])]
    libm: bool,
    /// Axes of sizes that devices share, each with the axis of their mesh, as batch=data.
    #[arg(long = "shard", value_name = "SYMBOL=AXIS", value_delimiter = ',', value_parser = shard, conflicts_with_all = ["dot", "svg", "rust"])]
    shards: Vec<(String, String)>,
}

/// A symbol and an axis of the mesh of devices.
fn shard(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((symbol, axis)) if !symbol.is_empty() && !axis.is_empty() => Ok((symbol.to_owned(), axis.to_owned())),
        _ => Err("expected a size and an axis of the mesh of devices, as batch=data".to_owned()),
    }
}

impl Export {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let file = GraphFile::read(&self.graph)?;
        let text = match self.form {
            Form { rust: true, .. } => self.code.rust(&file)?,
            Form { stablehlo: true, .. } => self.code.stablehlo(&file)?,
            form => form.text(&file)?,
        };
        output::write(&self.output, text.as_bytes())
    }
}

impl Form {
    fn text(&self, file: &GraphFile) -> Result<String, CliError> {
        let diagram = file.graph().to_diagram(file.parsed.results());
        if self.dot {
            return Ok(diagram.to_dot());
        }
        diagram.to_svg().map_err(|source| CliError::Figure { file: file.name.to_owned(), source })
    }
}

impl Code {
    fn rust(self, file: &GraphFile) -> Result<String, CliError> {
        let program = file.graph().compile(file.parsed.results())?;
        let sizes = self.sizes.into_iter().map(|size| (size.symbol, size.number)).collect();
        let options = CodeOptions { sizes, ..CodeOptions::new(self.name) };
        let mut module = RustModule::new(if self.libm { MathProvider::Libm } else { MathProvider::Std });
        module.add(&program, &options).map_err(with_option)?;
        module.source().map_err(with_option)
    }

    fn stablehlo(self, file: &GraphFile) -> Result<String, CliError> {
        let program = file.graph().compile(file.parsed.results())?;
        let sizes = self.sizes.into_iter().map(|size| (size.symbol, size.number)).collect();
        program.to_stablehlo(&StableHloOptions { sizes, shards: self.shards }).map_err(|error| match error {
            StableHloError::MissingSize { symbol } => CliError::MissingSize { symbol },
            error => CliError::StableHlo(error),
        })
    }
}

/// The error of code, with the option that mends it.
fn with_option(error: CodeError) -> CliError {
    match error {
        CodeError::MissingSize { symbol } => CliError::MissingSize { symbol },
        CodeError::NoFunction { function } => CliError::NoFunction { function },
        error => CliError::Code(error),
    }
}

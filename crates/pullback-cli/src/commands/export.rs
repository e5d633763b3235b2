//! `pullback export`: the graph in another form. One flag for each form.

use pullback::{CodeError, CodeOptions, MathProvider, RustModule};

use crate::{
    error::CliError,
    graph_file::{GraphFile, STANDARD},
    output,
    sizes::Size,
};

/// Write a graph as a picture, or as Rust
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
}

/// How Rust is written.
#[derive(Debug, clap::Args)]
struct Code {
    /// The name of the function.
    #[arg(long, conflicts_with_all = ["dot", "svg"], default_value = "run")]
    name: String,
    /// Numbers for the sizes that are symbols, as batch=32,time=100.
    #[arg(long = "size", value_name = "SYMBOL=NUMBER", value_delimiter = ',', conflicts_with_all = ["dot", "svg"])]
    sizes: Vec<Size>,
    /// Call functions of mathematics of the crate libm instead of the standard library's.
    #[arg(long, conflicts_with_all = ["dot", "svg"])]
    libm: bool,
}

impl Export {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let file = GraphFile::read(&self.graph)?;
        let text = if self.form.rust { self.code.text(&file)? } else { self.form.text(&file)? };
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
    fn text(self, file: &GraphFile) -> Result<String, CliError> {
        let program = file.graph().compile(file.parsed.results())?;
        let sizes = self.sizes.into_iter().map(|size| (size.symbol, size.number)).collect();
        let options = CodeOptions { sizes, ..CodeOptions::new(self.name) };
        let mut module = RustModule::new(if self.libm { MathProvider::Libm } else { MathProvider::Std });
        module.add(&program, &options).map_err(with_option)?;
        module.source().map_err(with_option)
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

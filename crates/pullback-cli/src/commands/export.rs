//! `pullback export`: the graph in another form. One flag for each form.

use crate::{
    error::CliError,
    graph_file::{GraphFile, STANDARD},
    output,
};

/// Write a graph as a picture
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// File with the text of a graph, or - for the standard input.
    graph: String,
    #[command(flatten)]
    form: Form,
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
}

impl Export {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let file = GraphFile::read(&self.graph)?;
        let text = self.form.text(&file)?;
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

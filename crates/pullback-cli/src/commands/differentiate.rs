//! `pullback differentiate`: a graph with derivatives of a result as further results.

use pullback::{Expr, Type};

use crate::{
    error::CliError,
    graph_file::{GraphFile, STANDARD},
    output,
};

/// Add derivatives of a result to a graph
///
/// Gradients of a loss by w and b are the results gradient.w and gradient.b. What is written can be differentiated again.
#[derive(Debug, clap::Args)]
pub(crate) struct Differentiate {
    /// File with the text of a graph, or - for the standard input.
    graph: String,
    /// The result to differentiate.
    #[arg(long, value_name = "RESULT")]
    of: String,
    /// By which inputs, parameters, states or results, as w,b.
    #[arg(long, value_name = "NAME", value_delimiter = ',', required = true)]
    by: Vec<String>,
    /// The product of the Jacobian with tangents, forward mode: an input tangent.NAME for each name, and the result jvp.RESULT.
    #[arg(long)]
    jvp: bool,
    /// Products of a cotangent with the Jacobian, reverse mode: an input cotangent.RESULT, and a result vjp.NAME for each name.
    #[arg(long, conflicts_with = "jvp")]
    vjp: bool,
    /// The first word of the results that are added, in place of gradient, jvp or vjp.
    #[arg(long, value_name = "WORD")]
    name: Option<String>,
    /// Leaves out the results that the graph had.
    #[arg(long)]
    only: bool,
    /// Where the text goes.
    #[arg(short, long, value_name = "FILE", default_value = STANDARD)]
    output: String,
}

impl Differentiate {
    pub(crate) fn execute(self) -> Result<(), CliError> {
        let file = GraphFile::read(&self.graph)?;
        let of = file.result(&self.of)?;
        let by = self.by.iter().map(|name| file.node(name)).collect::<Result<Vec<_>, _>>()?;
        for (name, node) in self.by.iter().zip(&by).chain([(&self.of, &of)]) {
            if !node.dtype().is_float() {
                return Err(CliError::NotFloat { name: name.clone(), ty: node.ty(), site: node.site() });
            }
        }
        let derivatives = self.derivatives(&file, of, &by)?;
        let mut results = if self.only { Vec::new() } else { file.parsed.results() };
        for (name, derivative) in derivatives {
            if results.iter().any(|(known, _)| *known == name) {
                return Err(CliError::NameTaken { file: file.name.to_owned(), name });
            }
            results.push((name, derivative));
        }
        file.graph().check()?;
        output::write(&self.output, file.graph().to_text(results).as_bytes())
    }

    /// The derivatives with their names.
    fn derivatives<'g>(
        &self,
        file: &'g GraphFile,
        of: Expr<'g>,
        by: &[Expr<'g>],
    ) -> Result<Vec<(String, Expr<'g>)>, CliError> {
        let graph = file.graph();
        let word = |word: &str| self.name.clone().unwrap_or_else(|| word.to_owned());
        let named = |word: String, found: Vec<Expr<'g>>| {
            self.by.iter().map(|name| format!("{word}.{name}")).zip(found).collect::<Vec<_>>()
        };
        if self.jvp {
            let tangents = self
                .by
                .iter()
                .zip(by)
                .map(|(name, by)| Ok((*by, new_input(file, format!("tangent.{name}"), by.ty())?)));
            let tangents = tangents.collect::<Result<Vec<_>, CliError>>()?;
            return Ok(vec![(format!("{}.{}", word("jvp"), self.of), graph.jvp(of, &tangents))]);
        }
        if self.vjp {
            let cotangent = new_input(file, format!("cotangent.{}", self.of), of.ty())?;
            return Ok(named(word("vjp"), graph.vjp(of, cotangent, by)));
        }
        if of.rank() > 0 {
            return Err(CliError::NotScalar { name: self.of.clone(), ty: of.ty(), site: of.site() });
        }
        Ok(named(word("gradient"), graph.gradients(of, by)))
    }
}

/// An input of a type, under a name that the graph does not have.
fn new_input<'g>(file: &'g GraphFile, name: String, ty: Type) -> Result<Expr<'g>, CliError> {
    if file.graph().named(&name).is_some() {
        return Err(CliError::NameTaken { file: file.name.to_owned(), name });
    }
    Ok(file.graph().input_of(ty.dtype, &name, ty.shape))
}

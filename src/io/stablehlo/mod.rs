//! Programs → StableHLO, which XLA compiles for processors, accelerators and clusters. In: a compiled program and a number for each symbol.
//! Out: one module as text.
//!
//! What is written is the simplified graph, operation by operation: XLA fuses and plans for its machine. `spell.rs` and `lower.rs` say how each
//! primitive is said, `compositions.rs` those for which there is no word, by others; `writer.rs` knows the form of the text and no primitive.
//! What can be written is listed in `docs/guide/exchange.md`.

mod compositions;
mod error;
mod lower;
mod movement;
mod nested;
mod product;
mod random;
mod reduction;
mod special;
mod spell;
mod writer;

use std::{fmt::Write as _, sync::Arc};

pub use error::StableHloError;

use self::{
    lower::Lowering,
    writer::{Line, Tensor, TensorType, Writer, quoted},
};
use crate::{
    graph::{Bindings, Dim, NodeId},
    names,
    program::{Declaration, LentGraph, Runner},
};

/// How a program is written as StableHLO.
///
/// # Example
/// See [`Runner::to_stablehlo`].
#[derive(Debug, Clone, Default)]
pub struct StableHloOptions {
    /// A number for each symbol that the program has.
    pub sizes: Vec<(String, i64)>,
    /// Symbols along which devices share arrays, each with the name of an axis of the mesh of devices.
    pub shards: Vec<(String, String)>,
}

impl StableHloOptions {
    /// The options for a program without symbols, on one device.
    pub fn new() -> StableHloOptions {
        StableHloOptions::default()
    }

    /// A number for a symbol.
    #[must_use]
    pub fn size(mut self, symbol: impl Into<String>, size: i64) -> StableHloOptions {
        self.sizes.push((symbol.into(), size));
        self
    }

    /// The axes of this symbol of all that is fed and given are shared by the devices along an axis of their mesh, and XLA inserts the
    /// reductions. A gradient of a mean over the batch is then that of all devices.
    ///
    /// The mesh of the text, `sdy.mesh @mesh = <["data"=1]>`, has one device along each axis: whoever compiles it for more writes
    /// their number there, which divides the size.
    #[must_use]
    pub fn shard(mut self, symbol: impl Into<String>, mesh_axis: impl Into<String>) -> StableHloOptions {
        self.shards.push((symbol.into(), mesh_axis.into()));
        self
    }
}

impl Runner {
    /// The program as text of StableHLO with numbers for all sizes, which XLA compiles for processors, accelerators and clusters.
    ///
    /// The module has one function `main`: its arguments are the inputs that are needed, the parameters and the states, its results the
    /// outputs, in the order of declaration, which the comments at the top of the text have by name and type. Random bits are those of a
    /// run, floats keep their width, and each line has the place of the user's call. Other numbers agree with a run within rounding.
    ///
    /// What is an error of a run at some numbers is none there: a position beyond its axis is taken for the nearest, and a loop is not
    /// counted.
    ///
    /// # Errors
    /// [`StableHloError`] if a symbol has no number, if one that is to be shared is unknown, or if an operation has no form in StableHLO,
    /// with its line.
    ///
    /// # Complexity
    /// Linear in the number of operations; a call is written out where it stands.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, StableHloOptions};
    /// let g = Graph::new();
    /// let (x, w) = (g.input_of(DType::F64, "x", ("batch", 3)), g.input_of(DType::F64, "w", (3,)));
    /// let loss = x.dot(w).square().mean();
    /// let program = g.compile([("loss", loss), ("slope", g.gradient(loss, w))])?;
    /// let text = program.to_stablehlo(&StableHloOptions::new().size("batch", 32).shard("batch", "data"))?;
    /// assert!(text.contains("// argument 0: input x: f64[batch, 3]"), "{text}");
    /// assert!(text.contains(r#"tensor<32x3xf64> {sdy.sharding = #sdy.sharding<@mesh, [{"data"}, {}]>}"#), "{text}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("xla", "mlir", "jax", "tpu", "export"))]
    pub fn to_stablehlo(&self, options: &StableHloOptions) -> Result<String, StableHloError> {
        let symbols = &self.signature.symbols;
        if let Some((symbol, _)) =
            options.shards.iter().find(|(symbol, _)| !symbols.iter().any(|known| **known == **symbol))
        {
            let nearest = names::nearest(symbol, symbols.iter().map(|known| &**known));
            return Err(StableHloError::UnknownShard { symbol: symbol.clone(), nearest });
        }
        let sizes = options.sizes.iter().map(|(symbol, size)| (symbol.as_str(), *size));
        let bindings = self.bindings(sizes).map_err(|error| {
            let is_given = |symbol: &&Arc<str>| options.sizes.iter().any(|(given, _)| **given == ***symbol);
            match symbols.iter().find(|symbol| !is_given(symbol)) {
                Some(symbol) => StableHloError::MissingSize { symbol: symbol.to_string() },
                None => error.into(),
            }
        })?;
        let mut text = None;
        self.engine.lend_graph(&mut |lent| text = Some(module(self, lent, (&bindings, options))));
        text.ok_or(StableHloError::Reference)?
    }
}

/// The module with the one function of a program.
fn module(
    program: &Runner,
    lent: LentGraph<'_>,
    (bindings, options): (&Bindings, &StableHloOptions),
) -> Result<String, StableHloError> {
    let mut lowering = Lowering::new(Writer::default(), bindings);
    let fed: Vec<&Declaration> = program.signature.fed().collect();
    let types = fed.iter().map(|declaration| lowering.ty(&declaration.ty)).collect::<Result<Vec<TensorType>, _>>()?;
    let arguments = lowering.writer.declared(&types);
    let given = lent.leaves.iter().zip(&arguments).filter_map(|(leaf, tensor)| Some(((*leaf)?, tensor.clone())));
    let written = lowering.nodes(lent.graph, given.collect(), lent.results)?;
    let result = |id: &NodeId| written[id.index()].clone().expect("invariant: what is wanted is written");
    let results: Vec<Tensor> = lent.results.iter().map(result).collect();
    lowering.writer.line(Line::new("func.return", &results), Vec::new());

    let outputs = &program.signature.outputs;
    let declared: Vec<String> = arguments
        .iter()
        .zip(&fed)
        .map(|(tensor, declaration)| tensor.declaration() + &sharding(declaration, options))
        .collect();
    let given: Vec<String> = results
        .iter()
        .zip(outputs)
        .map(|(tensor, output)| tensor.ty.to_string() + &sharding(output, options))
        .collect();
    Ok(format!(
        "{}module {{\n{}  func.func public @main({}) -> ({}) {{\n{}  }}\n}}\n",
        contents(program),
        mesh(options),
        declared.join(", "),
        given.join(", "),
        lowering.writer.finish(),
    ))
}

/// Comments that say what is fed and given, in order.
fn contents(program: &Runner) -> String {
    let signature = &program.signature;
    let inputs = signature.inputs.iter().filter(|input| input.is_needed).map(|input| ("input", input));
    let parameters = signature.parameters.iter().map(|parameter| ("parameter", parameter));
    let states = signature.states.iter().map(|state| ("state", state));
    let mut text = format!("// Written by Pullback {}.\n", env!("CARGO_PKG_VERSION"));
    for (position, (role, Declaration { name, ty, .. })) in inputs.chain(parameters).chain(states).enumerate() {
        let _ = writeln!(text, "// argument {position}: {role} {}: {ty}", name.escape_debug());
    }
    for (position, Declaration { name, ty, .. }) in signature.outputs.iter().enumerate() {
        let _ = writeln!(text, "// result {position}: {}: {ty}", name.escape_debug());
    }
    text
}

/// The devices, one along each axis.
fn mesh(options: &StableHloOptions) -> String {
    let mut axes: Vec<String> = Vec::new();
    for (_, axis) in &options.shards {
        let axis = format!("{}=1", quoted(axis));
        if !axes.contains(&axis) {
            axes.push(axis);
        }
    }
    if axes.is_empty() { String::new() } else { format!("  sdy.mesh @mesh = <[{}]>\n", axes.join(", ")) }
}

/// Along which axes of the mesh the devices share an array.
fn sharding(declaration: &Declaration, options: &StableHloOptions) -> String {
    if options.shards.is_empty() {
        return String::new();
    }
    let axis = |dim: &Dim| {
        let shared = options.shards.iter().filter(|(symbol, _)| *dim == Dim::symbol(symbol.as_str()));
        format!("{{{}}}", shared.map(|(_, axis)| quoted(axis)).collect::<Vec<_>>().join(", "))
    };
    let axes: Vec<String> = declaration.ty.shape.iter().map(axis).collect();
    format!(" {{sdy.sharding = #sdy.sharding<@mesh, [{}]>}}", axes.join(", "))
}

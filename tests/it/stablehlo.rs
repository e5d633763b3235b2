//! Programs as StableHLO: every primitive is written or refused with its line, and what is written goes into a folder with the values of the
//! reference evaluator, which `tests/xla/run` holds XLA to.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use ndarray::{ArrayD, IxDyn};
use pullback::{
    Convolve, DType, Evaluation, Expr, Graph, Options, StableHloError, StableHloOptions, Value,
    check::random_graph,
    graph::Op,
    io::Arrays,
    nn::{
        BatchNorm, Conv2d, Directions, Dropout, Embedding, Layer, Linear, Lstm, LstmOptions, Sequential,
        TransformerEncoderBlock, TransformerOptions, cross_entropy, layer_norm,
    },
    simplify::Mode,
};

use super::{
    compiled::{applied, named, narrow},
    primitives::chosen_samples,
};

/// Programs as text, with what they are fed and what they give by the reference evaluator.
#[derive(Default)]
struct Cases {
    /// A line for each: its number, how far values may be off, and what it is.
    index: String,
    arrays: Arrays,
    texts: Vec<String>,
}

impl Cases {
    /// Adds the results of a graph, in the mode of training if it has one, with first values of parameters and states.
    fn add(
        &mut self,
        label: &str,
        results: &[(String, Expr<'_>)],
        fed: &[(String, Value)],
        (options, tolerance): (&StableHloOptions, f64),
    ) -> Result<(), StableHloError> {
        let g = results[0].1.graph();
        let compile = |evaluation| {
            let options = Options { evaluation, mode: Some(Mode::Training), ..Options::default() };
            g.compile_with(results.to_vec(), &options).expect("the graph has no mistake")
        };
        let text = compile(Evaluation::Compiled).to_stablehlo(options)?;
        let parameters = g.initialize(1).expect("the graph has no mistake");
        let value = |role: &str, name: &str| match role {
            "input" => fed.iter().find(|(known, _)| known == name).expect("every input is fed").1.clone(),
            "parameter" => parameters.view(name).expect("it is declared").to_value(),
            "state" => parameters.state().get(name).expect("it is declared").clone(),
            other => panic!("what is a {other}?"),
        };
        let number = self.texts.len();
        for (position, (role, name)) in arguments(&text).into_iter().enumerate() {
            self.arrays.insert(format!("{number}.x{position}"), value(role, name));
        }
        let want = compile(Evaluation::Reference).run(&parameters, fed).expect("the reference runs");
        for (position, (_, value)) in want.iter().enumerate() {
            self.arrays.insert(format!("{number}.y{position}"), value.clone());
        }
        let _ = writeln!(self.index, "{number}\t{tolerance:e}\t{}", label.replace(['\n', '\t'], " "));
        self.texts.push(text);
        Ok(())
    }

    /// Writes all into a folder of this name.
    fn write(&self, name: &str) {
        let root = std::env::var_os("XLA_CASES")
            .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("stablehlo"), PathBuf::from);
        let folder = root.join(name);
        std::fs::create_dir_all(&folder).expect("the target folder is writable");
        for (number, text) in self.texts.iter().enumerate() {
            std::fs::write(folder.join(format!("{number}.mlir")), text).expect("the folder is writable");
        }
        self.arrays.save_npz(folder.join("arrays.npz")).expect("the folder is writable");
        std::fs::write(folder.join("index.tsv"), &self.index).expect("the folder is writable");
    }
}

/// What a module is fed, by its comments: roles and names.
fn arguments(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("// argument ")?.split_once(": "));
    lines
        .map(|(_, rest)| rest.split_once(' ').expect("a role, then a name"))
        .map(|(role, rest)| (role, rest.split(':').next().unwrap_or(rest)))
        .collect()
}

/// Results with their gradients by some leaves.
fn with_gradients<'g>(loss: Expr<'g>, leaves: &[Expr<'g>]) -> Vec<(String, Expr<'g>)> {
    let mut results = vec![("loss".to_string(), loss)];
    for (leaf, gradient) in leaves.iter().zip(loss.graph().gradients(loss, leaves)) {
        results.push((format!("gradient of {}", leaf.name().expect("a leaf has a name")), gradient));
    }
    results
}

/// What has no form in StableHLO; the same list is in docs/guide/exchange.md.
const REFUSED: &[&str] = &["eigh", "eigvalsh", "svd", "svdvals"];

#[test]
fn every_primitive_is_written_or_is_on_the_list() {
    let (mut cases, mut refused, mut written) = (Cases::default(), BTreeSet::new(), BTreeSet::new());
    for sample in chosen_samples() {
        let label = format!("{:?} of {:?}", sample.op, sample.operands);
        let narrow = narrow(&sample.operands);
        for (operands, tolerance) in [(sample.operands.clone(), 1e-12), (narrow, 1e-5)] {
            let g = Graph::new();
            let Some(result) = applied(&g, &sample, &operands) else { continue };
            match cases.add(&label, &[("y".into(), result)], &named(&operands), (&StableHloOptions::new(), tolerance)) {
                Ok(()) => {
                    // Nothing is computed for an array without elements.
                    if !result.shape().as_numbers().is_some_and(|sizes| sizes.contains(&0)) {
                        written.insert(sample.op.name());
                    }
                }
                Err(StableHloError::Operation { .. }) => {
                    refused.insert(sample.op.name());
                }
                Err(error) => panic!("{label}: {error}"),
            }
        }
    }
    if std::env::var("PRIMITIVE").is_err() {
        let refused: Vec<&str> = refused.difference(&written).copied().collect();
        assert_eq!(refused, REFUSED);
    }
    cases.write("primitives");
}

#[test]
fn random_graphs_and_their_derivatives_are_written() {
    let mut cases = Cases::default();
    for seed in 0..80 {
        let random = random_graph(seed, 4 + (seed as usize) % 12);
        let g = &random.graph;
        let inputs: Vec<Expr<'_>> = random.inputs.iter().map(|input| g.expr(*input)).collect();
        let name = |input: &Expr<'_>| input.name().expect("an input has a name");
        let fed: Vec<(String, Value)> = inputs.iter().map(name).zip(random.values.clone()).collect();
        let results = with_gradients(g.expr(random.result), &inputs);
        cases
            .add(&format!("seed {seed}"), &results, &fed, (&StableHloOptions::new(), 1e-12))
            .expect("it can be written");
    }
    cases.write("random");
}

/// A convolutional network with batch norm and dropout, two layers of an LSTM over sequences of several lengths, and a small language
/// model, each with the gradients of its parameters in the mode of training.
#[test]
fn models_and_their_gradients_are_written() {
    let mut cases = Cases::default();
    let g = Graph::new();
    let network = Sequential::new()
        .then(Conv2d::with(&g, "conv", 1, 4, (3, Convolve::same())))
        .then(BatchNorm::new(&g, "norm", 4))
        .map(|x| x.relu().max_pool(2).flatten(1))
        .then(Dropout::new(&g, "dropout", 0.3))
        .then(Linear::new(&g, "out", 64, 10));
    let (x, labels) = (g.input("x", ("batch", 1, 8, 8)), g.input_of(DType::I64, "labels", ("batch",)));
    let results = with_gradients(cross_entropy(network.call(x), labels).mean(), &g.parameters());
    let fed = [("x".to_owned(), numbers(&[5, 1, 8, 8])), ("labels".to_owned(), integers(&[5], 10))];
    let options = StableHloOptions::new().size("batch", 5);
    cases.add("convolutions", &results, &fed, (&options, 1e-4)).expect("it can be written");

    let g = Graph::new();
    let x = g.input("x", ("time", "batch", 3));
    let lengths = g.input_of(DType::I64, "lengths", ("batch",));
    let layers = LstmOptions { layers: 2, directions: Directions::Both, ..LstmOptions::default() };
    let (y, (h, c)) = Lstm::with(&g, "lstm", 3, 4, layers).run(x, None, Some(lengths));
    let results = with_gradients(y.square().sum() + (h * c).sum(), &g.parameters());
    let fed = [("x".to_owned(), numbers(&[6, 4, 3])), ("lengths".to_owned(), integers(&[4], 7))];
    let options = StableHloOptions::new().size("time", 6).size("batch", 4);
    cases.add("recurrent layers", &results, &fed, (&options, 1e-4)).expect("it can be written");

    let g = Graph::new();
    let words = Embedding::new(&g, "words", 11, 8);
    let options = TransformerOptions { causal: true, dropout: 0.1, ..TransformerOptions::default() };
    let block = TransformerEncoderBlock::with(&g, "block", 8, 2, options);
    let text = g.input_of(DType::I64, "text", ("batch", 7));
    let hidden = layer_norm(block.call(words.call(text.slice((.., ..6)))), "norm");
    let loss = cross_entropy(words.logits(hidden), text.slice((.., 1..))).mean();
    let results = with_gradients(loss, &g.parameters());
    let options = StableHloOptions::new().size("batch", 3);
    cases
        .add("language model", &results, &[("text".to_owned(), integers(&[3, 7], 11))], (&options, 1e-4))
        .expect("it can be written");
    cases.write("models");
}

/// Numbers between −1 and 1 that follow no pattern.
fn numbers(shape: &[usize]) -> Value {
    let mut position = 0.0f32;
    Value::F32(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        position += 1.0;
        (position * 1.7).sin()
    }))
}

/// Integers below a bound.
fn integers(shape: &[usize], bound: i64) -> Value {
    let mut position = 0;
    Value::I64(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        position += 5;
        position * position % bound
    }))
}

#[test]
fn the_guide_lists_every_primitive_and_what_is_refused() {
    let page = include_str!("../../docs/guide/exchange.md");
    let table = page
        .split("### How operations are said")
        .nth(1)
        .and_then(|rest| rest.split("### ").next())
        .expect("it is there");
    for name in Op::names() {
        let rows: Vec<&str> =
            table.lines().filter(|line| line.starts_with('|') && line.contains(&format!("`{name}`"))).collect();
        let [row] = rows[..] else { panic!("`{name}` is in {} rows", rows.len()) };
        assert_eq!(row.contains("| refused"), REFUSED.contains(&name), "{row}");
    }
}

#[test]
fn arguments_results_and_shared_axes_are_told() {
    let g = Graph::new();
    let (x, w) = (g.input("x", ("batch", "n")), g.input("w", ("n",)));
    let loss = x.dot(w).square().mean();
    let program = g.compile([("loss", loss), ("rows", x.dot(w))]).expect("the graph has no mistake");
    let options = StableHloOptions::new().size("batch", 8).size("n", 3).shard("batch", "data").shard("n", "model");
    let text = program.to_stablehlo(&options).expect("it can be written");
    let wanted = [
        "// argument 0: input x: f32[batch, n]\n// argument 1: input w: f32[n]\n// result 0: loss: f32[]\n// result 1: rows: f32[batch]\n",
        "  sdy.mesh @mesh = <[\"data\"=1, \"model\"=1]>\n",
        "%0: tensor<8x3xf32> {sdy.sharding = #sdy.sharding<@mesh, [{\"data\"}, {\"model\"}]>}",
        "tensor<f32> {sdy.sharding = #sdy.sharding<@mesh, []>}",
        "tests/it/stablehlo.rs\":",
    ];
    wanted.iter().for_each(|part| assert!(text.contains(part), "{part} is not in\n{text}"));
    assert!(
        !program
            .to_stablehlo(&StableHloOptions::new().size("batch", 8).size("n", 3))
            .expect("as before")
            .contains("sdy")
    );
}

#[test]
fn what_cannot_be_written_is_told_with_its_line() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("n", "n"));
    let program = g.compile([("y", x.eigvalsh())]).expect("the graph has no mistake");
    let told = |options: &StableHloOptions| program.to_stablehlo(options).unwrap_err().to_string();
    let error = told(&StableHloOptions::new().size("n", 3));
    assert!(error.contains("`eigvalsh`") && error.contains("tests/it/stablehlo.rs:"), "{error}");
    assert!(told(&StableHloOptions::new()).starts_with("the size `n` has no number"));
    assert!(told(&StableHloOptions::new().size("n", 3).size("m", 3)).contains("`m`"));
    assert!(told(&StableHloOptions::new().size("n", 3).shard("batch", "data")).contains("no size `batch`"));
    let reference = Options { evaluation: Evaluation::Reference, ..Options::default() };
    let program = g.compile_with([("y", x.sum())], &reference).expect("the graph has no mistake");
    assert_eq!(program.to_stablehlo(&StableHloOptions::new().size("n", 3)), Err(StableHloError::Reference));
}

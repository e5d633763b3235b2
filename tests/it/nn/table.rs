//! Layers against values and gradients that were recorded from other libraries: a table has a row for each layer with each of
//! its options, and the file that a script wrote, which says what goes in and comes out. A row is compared in both engines,
//! in f64 and f32.
//!
//! A line of a recorded file is: row | kind | name | dtype | sizes | elements in row-major order. The kinds: `input`, of f64, i64
//! or bool; `parameter`; `result`, named by its position; `cotangent` of a result; and `gradient`, of the sum of all results times
//! their cotangents, by an input or a parameter. An integer input has no gradient.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use ndarray::{ArrayD, IxDyn};
use pullback::{DType, Evaluation, Expr, Graph, Value};

use crate::compiled::options;

/// Every table. A layer that no row is about fails a test.
const TABLES: &[&Table] = &[&super::layers_image::TABLE];

pub(super) struct Table {
    pub(super) rows: &'static [Row],
    /// The text of the recorded file.
    pub(super) recorded: &'static str,
}

/// A layer with chosen options.
pub(super) struct Row {
    /// As in the recorded file.
    pub(super) name: &'static str,
    /// The type that it is about, or the function.
    pub(super) about: &'static str,
    /// The results of the layer for the inputs, which are in the order of the file.
    pub(super) build: for<'g> fn(&'g Graph, DType, &[Expr<'g>]) -> Vec<Expr<'g>>,
}

/// Relative to the larger of 1 and the largest element of an array: numbers of the order of 1 go in, and each that comes out is
/// made of at most some hundred roundings.
const TOLERANCES: [(DType, f64); 2] = [(DType::F64, 1e-12), (DType::F32, 1e-5)];

/// What is recorded of one row: kind and name → value, in the order of the file.
type Recorded = Vec<((&'static str, &'static str), Value)>;

fn recorded(text: &'static str) -> BTreeMap<&'static str, Recorded> {
    let mut rows: BTreeMap<&'static str, Recorded> = BTreeMap::new();
    for line in text.lines() {
        let [row, kind, name, dtype, sizes, elements] = line.splitn(6, " | ").collect::<Vec<_>>()[..] else {
            panic!("{line:?}")
        };
        let sizes: Vec<usize> = sizes.split_whitespace().map(|size| size.parse().expect("a size")).collect();
        rows.entry(row).or_default().push(((kind, name), value(dtype, &sizes, elements)));
    }
    rows
}

fn value(dtype: &str, sizes: &[usize], elements: &str) -> Value {
    fn read<T: std::str::FromStr<Err: std::fmt::Debug>>(sizes: &[usize], elements: &str) -> ArrayD<T> {
        let elements = elements.split_whitespace().map(|element| element.parse().expect("an element")).collect();
        ArrayD::from_shape_vec(IxDyn(sizes), elements).expect("as many elements")
    }
    match dtype {
        "f64" => Value::F64(read(sizes, elements)),
        "i64" => Value::I64(read(sizes, elements)),
        "bool" => Value::Bool(read(sizes, elements)),
        _ => panic!("the dtype {dtype:?}"),
    }
}

/// Floats as `dtype`, others as they are.
fn as_dtype(value: &Value, dtype: DType) -> Value {
    match value {
        Value::F64(array) if dtype == DType::F32 => Value::F32(array.mapv(|x| x as f32)),
        other => other.clone(),
    }
}

/// What a row is compared by: named results, what is fed, and what comes out.
struct Comparison<'r> {
    row: &'r Row,
    recorded: &'r Recorded,
    dtype: DType,
    tolerance: f64,
}

impl Comparison<'_> {
    fn of_kind(&self, kind: &str) -> Vec<(&'static str, &Value)> {
        let of_kind = self.recorded.iter().filter(|((found, _), _)| *found == kind);
        of_kind.map(|((_, name), value)| (*name, value)).collect()
    }

    fn input<'g>(&self, g: &'g Graph, name: &str, value: &Value) -> Expr<'g> {
        let value = as_dtype(value, self.dtype);
        g.input_of(value.dtype(), name, value.shape())
    }

    fn run(&self, evaluation: Evaluation) {
        let g = Graph::new();
        let name = self.row.name;
        let asked = self.asked(&g);
        let mut program =
            g.compile_with(asked, &options(evaluation, 1)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut parameters = g.initialize(0).expect("initializers fit");
        for (parameter, value) in self.of_kind("parameter") {
            let is_set = parameters.set(parameter, as_dtype(value, self.dtype));
            is_set.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let fed = [self.fed("input", ""), self.fed("cotangent", "cotangent_")].concat();
        let outputs = program.run(&parameters, fed).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (output, found) in outputs.iter() {
            self.compare(output, found);
        }
    }

    /// The layer's results and gradients, by their kind and name.
    fn asked<'g>(&self, g: &'g Graph) -> Vec<(String, Expr<'g>)> {
        let name = self.row.name;
        let inputs: Vec<Expr<'g>> =
            self.of_kind("input").iter().map(|(name, value)| self.input(g, name, value)).collect();
        let results = (self.row.build)(g, self.dtype, &inputs);
        let found: BTreeSet<String> = g.parameters().iter().filter_map(Expr::name).collect();
        let declared = self.of_kind("parameter").iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, declared, "{name}: parameters");

        let total = self.total(g, &results);
        let gradients = self.of_kind("gradient");
        let by: Vec<Expr<'g>> = gradients.iter().map(|(by, _)| g.named(by).expect("an input or parameter")).collect();
        let gradients = gradients.iter().map(|(by, _)| format!("gradient {by}")).zip(g.gradients(total, &by));
        let results = results.into_iter().enumerate().map(|(k, result)| (format!("result {k}"), result));
        results.chain(gradients).collect()
    }

    /// The sum of all results times their cotangents.
    fn total<'g>(&self, g: &'g Graph, results: &[Expr<'g>]) -> Expr<'g> {
        let (name, cotangents) = (self.row.name, self.of_kind("cotangent"));
        assert_eq!(results.len(), cotangents.len(), "{name}: number of results");
        let mut terms = Vec::new();
        for (result, (position, cotangent)) in results.iter().zip(cotangents) {
            assert_eq!(result.dtype(), self.dtype, "{name}: the dtype of result {position}: {:?}", g.check());
            assert_eq!(result.shape().as_numbers().as_deref(), Some(cotangent.shape()), "{name}: {:?}", g.check());
            terms.push((*result * self.input(g, &format!("cotangent_{position}"), cotangent)).sum());
        }
        terms.into_iter().reduce(|sum, term| sum + term).expect("a result")
    }

    fn fed(&self, kind: &str, prefix: &str) -> Vec<(String, Value)> {
        let fed = self.of_kind(kind).into_iter();
        fed.map(|(name, value)| (format!("{prefix}{name}"), as_dtype(value, self.dtype))).collect()
    }

    fn compare(&self, output: &str, found: &Value) {
        let numbers = |value: &Value| match value {
            Value::F64(array) => array.clone(),
            Value::F32(array) => array.mapv(f64::from),
            other => panic!("{} has floats, found {:?}", self.row.name, other.dtype()),
        };
        let is_it = |kind: &str, name: &str| output.split_once(' ') == Some((kind, name));
        let (_, expected) =
            self.recorded.iter().find(|((kind, name), _)| is_it(kind, name)).expect("asked for by the file");
        let (found, expected) = (numbers(found), numbers(expected));
        assert_eq!(found.shape(), expected.shape(), "{}: {output}", self.row.name);
        let greatest = |array: &ArrayD<f64>| array.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
        let off = greatest(&(&found - &expected));
        let scale = greatest(&expected).max(1.0);
        let (row, dtype) = (self.row.name, self.dtype);
        assert!(
            off <= self.tolerance * scale,
            "{row}: {output} in {dtype} is off by {off:e}: {found} against {expected}"
        );
    }
}

#[test]
fn every_layer_has_the_values_and_gradients_of_its_recorded_rows() {
    for table in TABLES {
        let recorded = recorded(table.recorded);
        for row in table.rows {
            let recorded = recorded.get(row.name).unwrap_or_else(|| panic!("{} is not recorded", row.name));
            for (dtype, tolerance) in TOLERANCES {
                for evaluation in [Evaluation::Reference, Evaluation::Compiled] {
                    Comparison { row, recorded, dtype, tolerance }.run(evaluation);
                }
            }
        }
        let rows: BTreeSet<&str> = table.rows.iter().map(|row| row.name).collect();
        let unused: Vec<_> = recorded.keys().filter(|name| !rows.contains(**name)).collect();
        assert!(unused.is_empty(), "recorded and not compared: {unused:?}");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("it is readable").path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    files.into_iter().chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// What has no parameters and computes nothing by itself, and what has a state: `tests/it/states.rs` has these.
const WITHOUT_ROWS: [&str; 6] = ["AttentionMask", "BatchNorm", "Dropout", "KeyValueCache", "Recurrence", "Sequential"];

/// A layer is a public type below `src/nn/layers/` that holds expressions.
#[test]
fn every_layer_has_a_row() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/nn/layers");
    let texts: Vec<String> = sources(&folder).iter().map(|file| fs::read_to_string(file).expect("readable")).collect();
    let declared = texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("pub struct "));
    let layers: BTreeSet<&str> = declared.filter_map(|rest| Some(rest.split_once("<'g")?.0)).collect();
    assert!(layers.len() >= 7, "{layers:?}");
    let rows = TABLES.iter().flat_map(|table| table.rows);
    let known: BTreeSet<&str> =
        rows.map(|row| row.about).chain(super::sequence::compared()).chain(WITHOUT_ROWS).collect();
    let missing: Vec<_> = layers.difference(&known).collect();
    assert!(missing.is_empty(), "layers without a row in a table of `tests/it/nn/`: {missing:?}");
}

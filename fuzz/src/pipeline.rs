//! From a text to numbers: what parses is derived, compiled and run, and must give what the reference gives, or an error
//! where that gives one. Large arrays are left out: they only take time.

use ndarray::{ArrayD, IxDyn};
use pullback::{
    Bindings, DType, Evaluation, Expr, Graph, Options, Outputs, Parameters, Rewrites, RunError, Type, Value,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The most elements of an array in what is read, and in what its derivatives add.
const MAX_ELEMENTS: [usize; 2] = [1 << 8, 1 << 14];
const MAX_FLOPS: i64 = 1 << 22;
/// Graphs of more nodes are derived once.
const MAX_TWICE: usize = 12;
/// Beyond this, sums overflow in one order and not in another.
const GREATEST: f64 = 1e30;

/// Parses, derives, compiles and runs a text in both engines; tells whether it came to that.
pub fn run(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let Ok(parsed) = Graph::parse(text) else { return false };
    let g = &parsed.graph;
    let seed = bytes.iter().fold(17u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let bindings = bindings(g, &mut rng);
    if !is_small(g, &bindings, MAX_ELEMENTS[0]) {
        return false;
    }
    let mut results: Vec<(String, Expr<'_>)> = Vec::new();
    for (position, (_, id)) in parsed.results.iter().enumerate() {
        results.push((format!("r{position}"), g.expr(*id)));
    }
    results.extend(derivatives(g, &results));
    if g.check().is_err() || !is_small(g, &bindings, MAX_ELEMENTS[1]) {
        return false;
    }
    let fed: Option<Vec<(String, Value)>> =
        g.inputs().iter().map(|input| Some((input.name()?, value(&input.ty(), &bindings, &mut rng)?))).collect();
    fed.is_some_and(|fed| compare(g, &results, &fed, text))
}

/// A small number for each symbol.
fn bindings(g: &Graph, rng: &mut ChaCha8Rng) -> Bindings {
    let mut bindings = Bindings::new();
    for input in g.inputs() {
        for symbol in input.shape().iter().flat_map(|dim| dim.symbols()) {
            bindings.entry(symbol).or_insert_with(|| rng.random_range(0..4));
        }
    }
    bindings
}

fn is_small(g: &Graph, bindings: &Bindings, most: usize) -> bool {
    let all: Vec<Expr<'_>> = g.ids().map(|id| g.expr(id)).collect();
    let are_small = all.iter().all(|expr| {
        // What has no size here is an error when it is run.
        expr.shape().evaluate(bindings).is_ok_and(|sizes| sizes.iter().product::<usize>() <= most)
    });
    let named: Vec<(String, Expr<'_>)> = all.iter().enumerate().map(|(k, expr)| (k.to_string(), *expr)).collect();
    are_small && g.flops(named).evaluate(bindings).is_ok_and(|flops| flops <= MAX_FLOPS)
}

/// First derivatives of everything by every float that is fed, and second ones of small graphs.
fn derivatives<'g>(g: &'g Graph, results: &[(String, Expr<'g>)]) -> Vec<(String, Expr<'g>)> {
    let floats = results.iter().filter(|(_, result)| result.dtype().is_float());
    let terms = floats.map(|(_, result)| result.cast(DType::F64).sum());
    let Some(loss) = terms.reduce(|sum, term| sum + term) else { return Vec::new() };
    let inputs: Vec<Expr<'g>> = g.inputs().into_iter().filter(|input| input.dtype().is_float()).collect();
    let (n_nodes, mut derivatives) = (g.len(), Vec::new());
    for (position, (input, gradient)) in inputs.iter().zip(g.gradients(loss, &inputs)).enumerate() {
        derivatives.push((format!("d{position}"), gradient));
        if n_nodes <= MAX_TWICE {
            derivatives.push((format!("s{position}"), g.gradient(gradient.sum(), *input)));
        }
    }
    derivatives
}

fn value(ty: &Type, bindings: &Bindings, rng: &mut ChaCha8Rng) -> Option<Value> {
    let sizes = ty.shape.evaluate(bindings).ok()?;
    let shape = IxDyn(&sizes);
    Some(match ty.dtype {
        DType::F32 => Value::F32(ArrayD::from_shape_simple_fn(shape, || rng.random_range(-2.0..2.0))),
        DType::F64 => Value::F64(ArrayD::from_shape_simple_fn(shape, || rng.random_range(-2.0..2.0))),
        DType::I64 => Value::I64(ArrayD::from_shape_simple_fn(shape, || rng.random_range(-1..4))),
        DType::Bool => Value::Bool(ArrayD::from_shape_simple_fn(shape, || rng.random())),
    })
}

fn outputs(
    g: &Graph,
    results: &[(String, Expr<'_>)],
    fed: &[(String, Value)],
    options: &Options,
) -> Option<Result<Outputs, RunError>> {
    let parameters = g.initialize(0).ok().or_else(|| g.parameters().is_empty().then(Parameters::default))?;
    let mut program = g.compile_with(results.to_vec(), options).ok()?;
    Some(program.run(&parameters, fed))
}

/// What the reference gives beside the inputs, and how far apart the same number may be in two engines.
struct Near {
    above: Outputs,
    below: Outputs,
    rounding: f64,
}

impl Near {
    /// A change of the inputs by sixteen roundings tells how many digits the numbers have.
    fn new(
        g: &Graph,
        results: &[(String, Expr<'_>)],
        fed: &[(String, Value)],
        text: &str,
        reference: &Options,
    ) -> Option<Near> {
        // What is computed in f32 anywhere has no more digits than that.
        let epsilon = if text.contains("f32") { f64::from(f32::EPSILON) } else { f64::EPSILON };
        let run = |factor: f64| {
            let near: Vec<(String, Value)> =
                fed.iter().map(|(name, value)| (name.clone(), scaled(value, factor))).collect();
            outputs(g, results, &near, reference).and_then(Result::ok)
        };
        let (above, below) = (run(1.0 + 16.0 * epsilon)?, run(1.0 - 16.0 * epsilon)?);
        Some(Near { above, below, rounding: 8.0 * epsilon * g.len() as f64 })
    }
}

#[derive(PartialEq)]
enum Class {
    Finite,
    Infinite { positive: bool },
    Nan,
}

fn class(x: f64) -> Class {
    match x {
        x if x.is_nan() => Class::Nan,
        x if x.is_infinite() => Class::Infinite { positive: x > 0.0 },
        _ => Class::Finite,
    }
}

/// Runs both engines, in several ways; tells whether the reference has a value.
fn compare(g: &Graph, results: &[(String, Expr<'_>)], fed: &[(String, Value)], text: &str) -> bool {
    let options = |evaluation, rewrites, threads| Options { evaluation, rewrites, threads, ..Options::default() };
    let reference = options(Evaluation::Reference, Rewrites::none(), 1);
    let Some(want) = outputs(g, results, fed, &reference) else { return false };
    let near = Near::new(g, results, fed, text, &reference);
    for (rewrites, threads) in [(Rewrites::none(), 1), (Rewrites::default(), 1), (Rewrites::default(), 3)] {
        let got = outputs(g, results, fed, &options(Evaluation::Compiled, rewrites, threads));
        let got = got.expect("what the reference compiles is compiled");
        match (&want, got) {
            (Ok(want), Ok(got)) => {
                if let Some(near) = &near {
                    assert_near(want, &got, near, rewrites != Rewrites::none(), text);
                }
            }
            (Err(_), Err(_)) => {}
            // What has no value may be dead once it is rewritten.
            (Err(_), Ok(_)) if rewrites != Rewrites::none() => {}
            (want, got) => panic!("{got:?} compiled, {want:?} by the reference, of\n{text}\nfed {fed:?}"),
        }
    }
    want.is_ok()
}

fn scaled(value: &Value, factor: f64) -> Value {
    match value {
        Value::F32(array) => Value::F32(array.mapv(|x| (f64::from(x) * factor) as f32)),
        Value::F64(array) => Value::F64(array.mapv(|x| x * factor)),
        other => other.clone(),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::F32(array) => array.iter().map(|x| f64::from(*x)).collect(),
        Value::F64(array) => array.iter().copied().collect(),
        Value::I64(array) => array.iter().map(|x| *x as f64).collect(),
        Value::Bool(array) => array.iter().map(|x| f64::from(u8::from(*x))).collect(),
    }
}

/// That both agree wherever the numbers have digits: near by, they are the same to a few digits and not huge.
///
/// The bound of a difference is ten times what the small change of the inputs does (what is ill-conditioned is so for the
/// roundings inside too), and, where that is nothing, eight roundings a node.
fn assert_near(want: &Outputs, got: &Outputs, near: &Near, rewritten: bool, text: &str) {
    for (name, value) in want.iter() {
        assert_eq!(value.shape(), got[name].shape(), "{name} of\n{text}");
        let (want, got) = (numbers(value), numbers(&got[name]));
        let (above, below) = (numbers(&near.above[name]), numbers(&near.below[name]));
        // A sum may cancel: its digits are those of the largest number beside it.
        let scale = want.iter().filter(|x| x.is_finite()).map(|x| x.abs()).fold(1.0, f64::max);
        for ((want, got), (above, below)) in want.iter().zip(&got).zip(above.iter().zip(&below)) {
            let agree = if [above, below].iter().all(|x| class(**x) == class(*want)) {
                let spread = (want - above).abs().max((want - below).abs());
                let has_digits = spread <= 1e-3 * scale && scale < GREATEST;
                match class(*want) {
                    Class::Finite => !has_digits || (want - got).abs() <= 10.0 * spread + near.rounding * scale,
                    // Rewriting may find the value that rounding had lost, not another one that is infinite.
                    class_of_want => class(*got) == class_of_want || (rewritten && got.is_finite()),
                }
            } else {
                true
            };
            assert!(agree, "{name} is {got}, not {want}, of\n{text}");
        }
    }
}

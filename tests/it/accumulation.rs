//! Sums of very many numbers, by every kernel that adds and by what is built of them, in both engines: a sum of 2²⁵ ones
//! does not stop at 2²⁴ in f32, and a sum of 10⁶ random numbers is off by at most 16 ε of the sum of their magnitudes.
//!
//! Random numbers are integers times a power of two, so that the truth is known exactly, by integers.

use ndarray::{ArrayD, IxDyn};
use pullback::{
    Convolve, DType, Evaluation, Expr, Graph, Pool, Value,
    graph::{Binary, Op, Unary},
    nn::Correction,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::compiled::{options, run};

/// What every element of a result is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Truth {
    /// Σ x.
    Sum,
    /// Σ x / n.
    Mean,
    /// Σ x·w.
    Product,
}

/// The inputs of a row: x and w of n numbers, a pair of ones, and n positions that are all 0.
#[derive(Clone, Copy)]
struct Inputs<'g> {
    x: Expr<'g>,
    w: Expr<'g>,
    pair: Expr<'g>,
    zeros: Expr<'g>,
    n: usize,
}

impl<'g> Inputs<'g> {
    /// x as a column beside itself: two lanes, which no rule sees to be the same.
    fn twice(self) -> Expr<'g> {
        let column = self.x.reshape((self.n, 1)) * self.pair.reshape((1, 2));
        column.maximum(-1e30)
    }

    fn image(self, x: Expr<'g>, rows: usize) -> Expr<'g> {
        x.reshape((1, 1, rows, self.n / rows))
    }
}

/// What adds: its name, the primitive that does, the truth, and a graph whose every element is that.
struct Row {
    name: &'static str,
    primitive: &'static str,
    truth: Truth,
    build: for<'g> fn(&'g Graph, Inputs<'g>) -> Expr<'g>,
}

const fn row(
    name: &'static str,
    primitive: &'static str,
    truth: Truth,
    build: for<'g> fn(&'g Graph, Inputs<'g>) -> Expr<'g>,
) -> Row {
    Row { name, primitive, truth, build }
}

/// Every primitive that adds, by each of its kernels, and composites of them.
const ROWS: &[Row] = &[
    row("a sum of all", "sum", Truth::Sum, |_, i| i.x.sum()),
    row("a sum of a fused map", "sum", Truth::Sum, |_, i| i.x.maximum(-1e30).sum()),
    row("sums of columns", "sum", Truth::Sum, |_, i| i.twice().sum_over(0)),
    row("sums of rows", "sum", Truth::Sum, |_, i| i.twice().t().sum_over(1)),
    row("sums around an axis", "sum", Truth::Sum, |_, i| {
        let blocks = i.x.reshape((i.n / 100, 1, 100)) * i.pair.reshape((1, 2, 1));
        blocks.maximum(-1e30).sum_over([0, 2])
    }),
    row("a mean", "sum", Truth::Mean, |_, i| i.x.mean()),
    row("the gradient of a bias", "sum", Truth::Sum, |g, i| {
        let bias = i.pair * 2.0;
        g.gradient(((i.twice() + bias) * i.twice()).sum(), bias)
    }),
    row("a running sum", "cumulative_sum", Truth::Sum, |_, i| i.x.cumulative_sum(0).slice(i.n as i64 - 1)),
    row("a running sum from the end", "cumulative_sum", Truth::Sum, |_, i| i.x.cumulative_sum_from_end(0).slice(0)),
    row("running sums side by side", "cumulative_sum", Truth::Sum, |_, i| {
        i.twice().cumulative_sum(0).slice((i.n as i64 - 1, ..))
    }),
    row("the gradient of a gather", "scatter_add", Truth::Sum, |g, i| {
        let table = i.pair * 2.0;
        g.gradient((table.gather(i.zeros, 0) * i.x).sum(), table).slice(0)
    }),
    row("the gradient of a gather of rows", "scatter_add", Truth::Sum, |g, i| {
        let table = i.pair.reshape((2, 1)) * i.pair.reshape((1, 2));
        g.gradient((table.gather(i.zeros, 0) * i.twice()).sum(), table).slice((0, ..))
    }),
    row("a window", "window_sum", Truth::Mean, |_, i| i.x.reshape((1, 1, i.n)).avg_pool(Pool::size([i.n]))),
    row("a window of two axes", "window_sum", Truth::Mean, |_, i| {
        i.image(i.x, 1000).avg_pool(Pool::size([1000, i.n / 1000]))
    }),
    row("a product of vectors", "dot", Truth::Product, |_, i| i.x.dot(i.w)),
    row("an einsum", "dot", Truth::Product, |g, i| g.einsum("k,k->", &[i.x, i.w])),
    row("a matrix by its rows", "dot", Truth::Product, |_, i| i.twice().t().dot(i.w)),
    row("a matrix by its columns", "dot", Truth::Product, |g, i| g.einsum("km,k->m", &[i.twice(), i.w])),
    row("a product of matrices", "dot", Truth::Product, |g, i| {
        let w = (i.w.reshape((i.n, 1)) * i.pair.reshape((1, 2))).maximum(-1e30);
        g.einsum("km,kn->mn", &[i.twice(), w])
    }),
    row("a fused product with a matrix and its transpose", "dot", Truth::Product, |g, i| {
        let weights = i.pair - 1.0;
        g.gradient((i.twice().dot(weights).tanh() * i.w).sum(), weights)
    }),
    row("a convolution", "convolution", Truth::Product, |_, i| {
        i.x.reshape((1, 1, i.n)).convolve(i.w.reshape((1, 1, i.n)), Convolve::valid())
    }),
    row("the gradient of a convolution by its kernel", "convolution", Truth::Product, |g, i| {
        let kernel = i.pair.slice(0..1).reshape((1, 1, 1, 1)) * 2.0;
        let y = i.image(i.x, 1000).convolve(kernel, Convolve::valid());
        g.gradient((y * i.image(i.w, 1000)).sum(), kernel)
    }),
];

/// Primitives that add up no axis of theirs, in the order of the alphabet, beside functions of one element or two.
/// Decompositions add as many terms as a matrix has columns, and a recurrence weighs what is before.
const OTHERS: &[&str] = &[
    "and",
    "argmax",
    "argmin",
    "argsort",
    "argument",
    "broadcast",
    "call",
    "cast",
    "cholesky",
    "concat",
    "cond",
    "constant",
    "cumulative_argmax",
    "cumulative_argmin",
    "dim_size",
    "eigh",
    "eigvalsh",
    "equal",
    "fft",
    "gather",
    "greater",
    "greater_equal",
    "input",
    "integer_power",
    "iota",
    "is_finite",
    "is_nan",
    "is_training",
    "less",
    "less_equal",
    "linear_recurrence",
    "lu",
    "max",
    "min",
    "not",
    "not_equal",
    "or",
    "pad",
    "parameter",
    "poison",
    "prod",
    "qr",
    "random_bits",
    "reshape",
    "reverse",
    "scan",
    "search_sorted",
    "select",
    "slice",
    "solve",
    "state",
    "stop_gradient",
    "svd",
    "svdvals",
    "transpose",
    "triangular_solve",
    "while",
    "window_argmax",
    "window_max",
    "with_derivative",
    "xor",
];

#[test]
fn every_primitive_adds_and_is_tried_or_does_not_add() {
    let is_function = |name: &str| Unary::from_name(name).is_some() || Binary::from_name(name).is_some();
    for name in Op::names().into_iter().filter(|name| !is_function(name)) {
        let is_tried = ROWS.iter().any(|row| row.primitive == name);
        assert!(
            is_tried != OTHERS.contains(&name),
            "`{name}` needs a row here if it adds, else a place among the others"
        );
    }
}

/// Numbers as integers times 2^−scale.
struct Numbers {
    integers: Vec<i64>,
    scale: i32,
}

impl Numbers {
    fn value(&self, is_wide: bool) -> Value {
        let numbers = self.integers.iter().map(|integer| *integer as f64 * 2f64.powi(-self.scale));
        let shape = IxDyn(&[self.integers.len()]);
        if is_wide {
            Value::F64(ArrayD::from_shape_vec(shape, numbers.collect()).unwrap())
        } else {
            Value::F32(ArrayD::from_shape_vec(shape, numbers.map(|number| number as f32).collect()).unwrap())
        }
    }
}

/// A truth and the sum of magnitudes: exact sums of integers, rounded at the end.
fn exact(truth: Truth, x: &Numbers, w: &Numbers) -> (f64, f64) {
    let pairs = x.integers.iter().zip(&w.integers);
    let (sum, size, scale) = match truth {
        Truth::Product => {
            let products = pairs.map(|(x, w)| i128::from(*x) * i128::from(*w));
            let (sum, size) = products.fold((0, 0), |(sum, size), p| (sum + p, size + p.abs()));
            (sum, size, x.scale + w.scale)
        }
        Truth::Sum | Truth::Mean => {
            let terms = x.integers.iter().map(|x| i128::from(*x));
            let (sum, size) = terms.fold((0, 0), |(sum, size), x| (sum + x, size + x.abs()));
            (sum, size, x.scale)
        }
    };
    let n = if truth == Truth::Mean { x.integers.len() as f64 } else { 1.0 };
    (sum as f64 * 2f64.powi(-scale) / n, size as f64 * 2f64.powi(-scale) / n)
}

/// The elements of a row's result.
fn compute(row: &Row, is_wide: bool, fed: [&Value; 2], evaluation: Evaluation) -> Vec<f64> {
    let (g, n) = (Graph::new(), fed[0].shape()[0]);
    let input = |name: &str, shape: usize| {
        if is_wide { g.input_of(DType::F64, name, [shape]) } else { g.input_of(DType::F32, name, [shape]) }
    };
    let inputs = Inputs {
        x: input("x", n),
        w: input("w", n),
        pair: input("pair", 2),
        zeros: g.input_of(DType::I64, "zeros", [n]),
        n,
    };
    let result = (row.build)(&g, inputs);
    let ones = Numbers { integers: vec![1, 1], scale: 0 };
    let mut all =
        vec![("x".to_string(), fed[0].clone()), ("w".into(), fed[1].clone()), ("pair".into(), ones.value(is_wide))];
    all.push(("zeros".into(), Value::I64(ArrayD::zeros(IxDyn(&[n])))));
    let text = g.to_text(result);
    all.retain(|(name, _)| text.contains(&format!("\"{name}\"")));
    let outputs = run(&[("y".into(), result)], &all, &options(evaluation, 2)).unwrap();
    match &outputs["y"] {
        Value::F32(y) => y.iter().map(|y| f64::from(*y)).collect(),
        Value::F64(y) => y.iter().copied().collect(),
        other => unreachable!("sums of floats are floats, not {other:?}"),
    }
}

fn random(seed: u64, bits: u32, is_signed: bool, n: usize) -> Numbers {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let least = if is_signed { -(1i64 << bits) } else { 0 };
    Numbers { integers: (0..n).map(|_| rng.random_range(least..1 << bits)).collect(), scale: bits as i32 }
}

/// Every row on random numbers, held to so many ε of the sum of magnitudes.
fn check_random(evaluation: Evaluation, is_wide: bool, is_signed: bool, n: usize, most: f64) {
    // As many bits as the numbers have.
    let (bits, epsilon) = if is_wide { (53, f64::EPSILON) } else { (24, f64::from(f32::EPSILON)) };
    let (x, w) = (random(1, bits, is_signed, n), random(2, bits, is_signed, n));
    let (x_value, w_value) = (x.value(is_wide), w.value(is_wide));
    let mut worst = Vec::new();
    for row in ROWS {
        let (truth, size) = exact(row.truth, &x, &w);
        let sums = compute(row, is_wide, [&x_value, &w_value], evaluation);
        let error = |sum: &f64| (sum - truth).abs() / (epsilon * size);
        if sums.is_empty() || !sums.iter().all(|sum| error(sum) <= most) {
            worst.push(format!("{}: {:.1} ε", row.name, sums.iter().map(error).fold(0.0, f64::max)));
        }
    }
    assert!(worst.is_empty(), "{evaluation:?}, wide {is_wide}, signed {is_signed}:\n{}", worst.join("\n"));
}

/// What is promised of compiled programs.
const PROMISED: f64 = 16.0;
/// The reference is the truth elsewhere: one rounding of the sum, and half of one for each product.
const OF_THE_REFERENCE: f64 = 2.0;

#[test]
fn a_million_random_numbers_are_added_to_sixteen_epsilon_by_every_kernel_that_adds() {
    for is_wide in [false, true] {
        for is_signed in [false, true] {
            check_random(Evaluation::Compiled, is_wide, is_signed, 1_000_000, PROMISED);
        }
    }
}

// Two tests, since they take some seconds: numbers of one sign, whose partial sums grow the largest, and fewer of both.

#[test]
fn a_million_random_numbers_are_added_to_two_epsilon_by_every_reference_in_f32() {
    check_random(Evaluation::Reference, false, false, 1_000_000, OF_THE_REFERENCE);
    check_random(Evaluation::Reference, false, true, 20_000, OF_THE_REFERENCE);
}

#[test]
fn a_million_random_numbers_are_added_to_two_epsilon_by_every_reference_in_f64() {
    check_random(Evaluation::Reference, true, false, 1_000_000, OF_THE_REFERENCE);
    check_random(Evaluation::Reference, true, true, 20_000, OF_THE_REFERENCE);
}

#[test]
fn thirty_three_million_ones_are_counted_in_f32_by_every_kernel_that_adds() {
    // 2²⁵ and some more, a multiple of 1000.
    const N: usize = 33_555_000;
    // The reference takes minutes for as many but in the rows below. The others add not as many numbers but as large a sum:
    // 2²⁴, to which f32 can add no 1, and an even number in all, which f32 has.
    const QUICK: &[&str] =
        &["a sum of all", "a mean", "a running sum", "a running sum from the end", "sums around an axis"];
    assert!(QUICK.iter().all(|name| ROWS.iter().any(|row| row.name == *name)));
    let large = Numbers { integers: [1 << 24, 2].into_iter().chain([1; 1998]).collect(), scale: 0 };
    let ones = Value::F32(ArrayD::ones(IxDyn(&[N])));
    let few_ones = Value::F32(ArrayD::ones(IxDyn(&[2000])));
    let mut wrong = Vec::new();
    for row in ROWS {
        let sums = compute(row, false, [&ones, &ones], Evaluation::Compiled);
        let truth = if row.truth == Truth::Mean { 1.0 } else { N as f64 };
        if sums.is_empty() || sums.iter().any(|sum| *sum != truth) {
            wrong.push(format!("{}: {sums:?}, not {truth}", row.name));
        }
        if QUICK.contains(&row.name) {
            let sums = compute(row, false, [&ones, &ones], Evaluation::Reference);
            if sums.is_empty() || sums.iter().any(|sum| *sum != truth) {
                wrong.push(format!("reference, {}: {sums:?}, not {truth}", row.name));
            }
        }
        let (truth, _) = exact(row.truth, &large, &Numbers { integers: vec![1; 2000], scale: 0 });
        let sums = compute(row, false, [&large.value(false), &few_ones], Evaluation::Reference);
        if sums.is_empty() || sums.iter().any(|sum| *sum != f64::from(truth as f32)) {
            wrong.push(format!("reference, {}: {sums:?}, not {truth}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is built of sums keeps their digits: each against f64 by its formula, which compensates.
#[test]
fn composites_of_long_sums_keep_their_digits() {
    const N: usize = 1_000_000;
    let numbers = random(3, 24, true, N);
    let x = numbers.value(false);
    let exact_x: Vec<f64> = numbers.integers.iter().map(|x| *x as f64 * 2f64.powi(-24)).collect();
    let mean = exact_x.iter().sum::<f64>() / N as f64;
    let variance = exact_x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / N as f64;
    let exponentials = exact_x.iter().map(|x| x.exp()).sum::<f64>();
    let g = Graph::new();
    let of = g.input("x", [N]);
    let results = [
        ("variance", of.variance_over(0, Correction::None), variance),
        ("norm", of.norm(), exact_x.iter().map(|x| x * x).sum::<f64>().sqrt()),
        ("logsumexp", of.logsumexp(0), exponentials.ln()),
        ("softmax", of.softmax(0).sum(), 1.0),
    ];
    let named: Vec<(String, Expr<'_>)> = results.iter().map(|(name, of, _)| (name.to_string(), *of)).collect();
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let outputs = run(&named, &[("x".to_string(), x.clone())], &options(evaluation, 2)).unwrap();
        for (name, _, truth) in &results {
            let Value::F32(found) = &outputs[*name] else { unreachable!() };
            let error = (f64::from(found[[]]) - truth).abs() / truth / f64::from(f32::EPSILON);
            // A sum of positive terms, each of which was rounded a few times before.
            assert!(error <= 20.0, "{name} {evaluation:?}: {error} ε");
        }
    }
}

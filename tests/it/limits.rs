//! Numbers of any size where a size, a step or a position is asked for: a mistake, an error of the run or the right
//! result, in both engines, and never a panic, memory of somebody else, or a program that does not come back.

use ndarray::{ArrayD, IxDyn};
use pullback::{
    Convolve, DType, Dim, Evaluation, Expr, Graph, Index, Initializer, Pool, Shape, Value,
    graph::{GraphError, ScatterAdd, Window},
    nn, ops,
    ops::samples,
    range,
    text::ParseErrorKind,
};

use super::{
    compiled::{distance, options, run},
    decompositions::has_no_derivative,
};

/// The ends of the types, what is just beside them, and what kernels and attributes are bounded by.
pub(crate) const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    7,
    1 << 20,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 40,
    1 << 46,
    (1 << 46) + 1,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// A graph is run if no node of it, input or result, has more elements, sizes of 0 counted as 1: kernels that go lane by
/// lane visit the lanes of empty arrays too.
pub(crate) const MAX_ELEMENTS: i64 = 1 << 14;

fn is_small(g: &Graph) -> bool {
    let size = |dim: &Dim| dim.as_number().map(|size| size.max(1));
    let count = |shape: Shape| shape.iter().map(size).try_fold(1i64, |product, size| product.checked_mul(size?));
    g.ids().all(|id| count(g.expr(id).shape()).is_some_and(|count| count <= MAX_ELEMENTS))
}

pub(crate) fn filled(dtype: DType, shape: &[usize]) -> Value {
    let shape = IxDyn(shape);
    match dtype {
        DType::F32 => Value::F32(ArrayD::from_elem(shape, 0.5)),
        DType::F64 => Value::F64(ArrayD::from_elem(shape, 0.5)),
        DType::I64 => Value::I64(ArrayD::zeros(shape)),
        DType::Bool => Value::Bool(ArrayD::from_elem(shape, true)),
    }
}

/// By how much the largest number that is told is beyond what is allowed, where that is the mistake.
pub(crate) fn excess(mistake: &GraphError) -> Option<u64> {
    let told = match mistake {
        GraphError::NumberTooLarge { found, .. } => found.clone(),
        GraphError::TooLarge { shape } => shape.to_string(),
        _ => return None,
    };
    let numbers = told.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u64>().ok());
    numbers.max()?.checked_sub(1 << 46)
}

/// Adds the first and second derivatives of `y`. A derivative of what is no mistake is none, unless it is of arrays as
/// large as they may be, of which it would make larger ones.
pub(crate) fn with_derivatives<'g>(label: &str, g: &'g Graph, y: Expr<'g>) -> Vec<(String, Expr<'g>)> {
    // A gradient pads by a kernel more and has one element more to multiply: of sizes at the very bound, ones beyond it.
    with_derivatives_unless(label, g, y, |mistake| excess(mistake).is_some_and(|excess| excess <= 16))
}

/// The same, with the mistakes that a derivative may have.
pub(crate) fn with_derivatives_unless<'g>(
    label: &str,
    g: &'g Graph,
    y: Expr<'g>,
    is_expected: impl Fn(&GraphError) -> bool,
) -> Vec<(String, Expr<'g>)> {
    let value = vec![("y".to_string(), y)];
    let mut results = value.clone();
    let inputs: Vec<Expr<'g>> = g.inputs().into_iter().filter(|input| input.dtype().is_float()).collect();
    if y.dtype().is_float() && !inputs.is_empty() {
        // A function that no derivative is constant of, but where y is 0.
        let gradients = g.gradients((y * y).sum(), &inputs);
        let of_all = gradients.iter().map(|gradient| (*gradient * *gradient).sum()).reduce(|sum, next| sum + next);
        let second = g.gradients(of_all.expect("there is an input"), &inputs);
        results.extend((0..).zip(gradients).map(|(n, gradient)| (format!("first derivative {n}"), gradient)));
        results.extend((0..).zip(second).map(|(n, gradient)| (format!("second derivative {n}"), gradient)));
    }
    let Err(mistakes) = g.check() else { return results };
    assert!(mistakes.0.iter().all(|told| is_expected(&told.error)), "{label}: {mistakes}");
    value
}

/// Runs in both engines; true if there was a result, and then the same one.
pub(crate) fn engines_agree(label: &str, results: &[(String, Expr<'_>)], fed: &[(String, Value)]) -> bool {
    let want = run(results, fed, &options(Evaluation::Reference, 1));
    let got = run(results, fed, &options(Evaluation::Compiled, 1));
    match (got, want) {
        (Ok(got), Ok(want)) => {
            let has_values_alone = has_no_derivative(results[0].1.graph(), fed.iter().map(|(_, value)| value));
            for (name, want) in want.iter().filter(|(name, _)| !has_values_alone || !name.contains("derivative")) {
                let distance = distance(&got[name], want);
                // Sums of at most 2^14 products, in another order, twice.
                assert!(distance <= 1e-10, "{label}: {name} is off by {distance:e}");
            }
            true
        }
        (Err(_), Err(_)) => false,
        (got, want) => panic!("{label}: compiled {:?}, reference {:?}", got.err(), want.err()),
    }
}

/// The text of one primitive on inputs, and what is fed.
pub(crate) fn text_of(sample: &ops::Sample) -> (String, Vec<(String, Value)>) {
    let g = Graph::new();
    let fed: Vec<(String, Value)> =
        (0..).zip(&sample.operands).map(|(n, value): (usize, _)| (format!("x{n}"), value.clone())).collect();
    let declare = |(name, value): &(String, Value)| match value {
        Value::F32(_) => g.input_of(DType::F32, name, value.shape()),
        Value::F64(_) => g.input_of(DType::F64, name, value.shape()),
        Value::I64(_) => g.input_of(DType::I64, name, value.shape()),
        Value::Bool(_) => g.input_of(DType::Bool, name, value.shape()),
    };
    let operands: Vec<Expr<'_>> = fed.iter().map(declare).collect();
    let y = g.apply_op(sample.op.clone(), &operands);
    g.check().expect("a sample is no mistake");
    (g.to_text([("y", y)]), fed)
}

/// Where numbers stand in a text, those of nodes, names and dtypes left out.
pub(crate) fn numbers_in(text: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut position = 0;
    while position < bytes.len() {
        if !bytes[position].is_ascii_digit() {
            position += 1;
            continue;
        }
        let start = position;
        while position < bytes.len() && bytes[position].is_ascii_digit() {
            position += 1;
        }
        let before = start.checked_sub(1).map_or(b' ', |at| bytes[at]);
        let is_part = before.is_ascii_alphanumeric() || matches!(before, b'%' | b'_' | b'.' | b'"');
        if !is_part && bytes.get(position) != Some(&b'.') {
            found.push(start..position);
        }
    }
    found
}

/// Reads a text; where only the type that is written does not follow, with the type that does.
pub(crate) fn parse(text: &str) -> Option<pullback::Parsed> {
    let error = match Graph::parse(text) {
        Ok(parsed) => return Some(parsed),
        Err(error) => error,
    };
    let ParseErrorKind::WrongType { declared, inferred } = *error.kind else { return None };
    let line = text.lines().nth(error.line as usize - 1).expect("an error is on a line");
    let mended = text.replace(line, &line.replacen(&declared.to_string(), &inferred.to_string(), 1));
    Graph::parse(&mended).ok()
}

/// Every number of every sample's text, in its attributes and in the sizes of its operands, one at a time.
#[test]
fn any_number_in_any_attribute_of_a_text_is_an_error_or_has_one_result() {
    let (mut n_read, mut n_run) = (0, 0);
    for sample in samples() {
        let (text, fed) = text_of(&sample);
        for place in numbers_in(&text) {
            for number in NUMBERS.map(|number| number.to_string()).iter().chain(&["-1".to_string()]) {
                let label = format!("{}{number}{}", &text[..place.start], &text[place.end..]);
                let Some(parsed) = parse(&label) else { continue };
                n_read += 1;
                let (g, y) = (&parsed.graph, parsed.result("y").expect("it is returned"));
                let results = with_derivatives(&label, g, y);
                if g.check().is_err() || !is_small(g) {
                    continue;
                }
                let fed: Vec<(String, Value)> = (g.inputs().into_iter().zip(&fed))
                    .map(|(input, (name, value))| {
                        let shape = input.shape().as_numbers().expect("no symbols");
                        let is_same = shape == value.shape();
                        (name.clone(), if is_same { value.clone() } else { filled(input.dtype(), &shape) })
                    })
                    .collect();
                n_run += usize::from(engines_agree(&label, &results, &fed));
            }
        }
    }
    // That texts are read and run at all: the samples alone, with their own numbers in place, are some 200.
    assert!(n_read > 2000 && n_run > 1000, "{n_read} read, {n_run} run");
}

pub(crate) type Build = for<'g> fn(Expr<'g>, usize) -> Expr<'g>;

/// Every function of the builder that takes a `usize`, or something made of one; x has shape `[1, 2, 5]`.
pub(crate) const OF_COUNTS: &[(&str, Build)] = &[
    ("equal parts", |x, n| x.split(n, -1).pop().expect("a part or what stands for it")),
    ("sizes of parts", |x, n| x.split([n, 2], 2).remove(0)),
    ("tile", |x, n| x.tile((n, 1, 2))),
    ("pad", |x, n| x.pad([(0, 0), (1, n), (n, 0)], 0.0)),
    ("pad by another value", |x, n| x.pad([(0, 0), (1, n), (n, 0)], 1.0)),
    ("eye", |x, n| x.sum_over(0).t().dot(x.graph().eye(n, DType::F64))),
    ("full", |x, n| x * x.graph().full(0.5, (n, 1))),
    ("top_k", |x, n| x.top_k(n, -1).0),
    ("positions of top_k", |x, n| x.top_k(n, -1).1),
    ("flatten", |x, n| x.flatten(n)),
    ("input", |x, n| x + x.graph().input_of(DType::F64, "other", (n, 1))),
    ("input of symbols", |x, n| x.graph().input_of(DType::F64, "other", (Dim::symbol("b"), n, n)).reshape(("b", 4))),
    ("parameter", |x, n| x + x.graph().parameter_of(DType::F64, "p", (n,), Initializer::Zeros)),
    ("reshape", |x, n| x.reshape((n, 2))),
    ("reshape with −1", |x, n| x.reshape((Dim::from(-1), Dim::from(n)))),
    ("broadcast_to", |x, n| x.broadcast_to((n, 1, 2, 5))),
    ("iota", |x, n| x.graph().iota(DType::F64, (n, 5), 0)),
    ("dim_size", |x, n| x * x.graph().dim_size(n, DType::F64)),
    ("sum of sizes", |x, n| x * x.graph().dim_size(Dim::from(n) - Dim::from(n) + 1, DType::F64)),
    ("random_bits", |x, n| {
        let g = x.graph();
        g.random_bits(g.constant(1i64), g.constant(2i64), n, (3,))
    }),
    ("shape of random_bits", |x, n| {
        let g = x.graph();
        g.random_bits(g.constant(1i64), g.constant(2i64), 8, (n, 0))
    }),
    ("random_normal", |x, n| {
        let g = x.graph();
        g.random_normal(g.constant(1i64), g.constant(2i64), DType::F64, (n,))
    }),
    ("size of max_pool", |x, n| x.max_pool(n)),
    ("size of max_pool, same", |x, n| x.max_pool(Pool::size(n).same())),
    ("size of max_pool by steps of 1, same", |x, n| x.max_pool(Pool::size(n).stride(1).same())),
    ("size of avg_pool, same", |x, n| x.avg_pool(Pool::size(n).stride(1).same())),
    ("size of window_sum, same", |x, n| x.window_sum(Pool::size([1, 1, n]).stride(1).same())),
    ("size of window_max", |x, n| x.window_max([1, 1, n])),
    ("stride of avg_pool", |x, n| x.avg_pool(Pool::size(2).stride(n))),
    ("stride of max_pool, same", |x, n| x.max_pool(Pool::size(2).stride(n).same())),
    ("dilation of max_pool", |x, n| x.max_pool(Pool::size(2).dilation(n))),
    ("dilation of avg_pool, same", |x, n| x.avg_pool(Pool::size(2).stride(1).dilation(n).same())),
    ("padding of max_pool", |x, n| x.max_pool(Pool::size(2).padding(n))),
    ("padding of window_sum", |x, n| x.window_sum(Pool::size(3).padding([(0, n), (n, 0), (1, n)]))),
    ("stride of convolve", |x, n| x.convolve(kernel(x), Convolve::valid().stride(n))),
    ("stride of convolve, same", |x, n| x.convolve(kernel(x), Convolve::same().stride(n))),
    ("dilation of convolve", |x, n| x.convolve(kernel(x), Convolve::valid().dilation(n))),
    ("dilation of convolve, same", |x, n| x.convolve(kernel(x), Convolve::same().dilation(n))),
    ("input dilation", |x, n| x.convolve(kernel(x), Convolve::valid().input_dilation(n))),
    ("input dilation by as large steps", |x, n| x.convolve(kernel(x), Convolve::same().input_dilation(n).stride(n))),
    ("padding of convolve", |x, n| x.convolve(kernel(x), Convolve::default().padding(n))),
    ("padding and stride", |x, n| x.convolve(kernel(x), Convolve::default().padding([(n, n)]).stride(n))),
    ("groups", |x, n| x.convolve(kernel(x), Convolve::default().groups(n))),
    ("width of linear", |x, n| nn::linear(x, "layer", n).cast(DType::F64)),
];

pub(crate) fn kernel(x: Expr<'_>) -> Expr<'_> {
    x.graph().input_of(DType::F64, "kernel", (3, 2, 2))
}

pub(crate) type BuildAt = for<'g> fn(Expr<'g>, i64) -> Expr<'g>;

/// Every function of the builder that takes an `i64`.
pub(crate) const OF_POSITIONS: &[(&str, BuildAt)] = &[
    ("position", |x, n| x.slice((0, .., n))),
    ("step of a slice", |x, n| x.slice((.., .., Index::from(..).step(n)))),
    ("step of a part", |x, n| x.slice((.., .., Index::from(1..4).step(n)))),
    ("steps along two axes", |x, n| x.slice((.., Index::from(..).step(-1), Index::from(1..).step(n)))),
    ("stack", |x, n| x.stack([x * x], n)),
    ("axis of split", |x, n| x.split(2, n).remove(1)),
    ("positions along two axes", |x, n| {
        let index = x.graph().constant([0, n]);
        x.gather_nd([x.graph().constant(0i64), index])
    }),
    ("range from", |x, n| x.slice((.., .., n..))),
    ("range to", |x, n| x.slice((.., .., ..n))),
    ("range", |x, n| x.slice((.., .., range(1, n)))),
    ("range of both", |x, n| x.slice((.., .., range(n, n)))),
    ("sum_over", |x, n| x.sum_over(n)),
    ("max_over", |x, n| x.max_over([n])),
    ("softmax", |x, n| x.softmax(n)),
    ("argsort", |x, n| x.argsort(n)),
    ("sort", |x, n| x.sort(n)),
    ("top_k", |x, n| x.top_k(2, n).0),
    ("cumulative_sum", |x, n| x.cumulative_sum(n)),
    ("concat", |x, n| x.concat([x], n)),
    ("reverse", |x, n| x.reverse(n)),
    ("transpose", |x, n| x.transpose([0, n, 1])),
    ("unsqueeze", |x, n| x.unsqueeze(n)),
    ("squeeze", |x, n| x.squeeze(n)),
    ("gather", |x, n| x.gather(x.graph().constant(ndarray::array![0i64]), n)),
    ("iota", |x, n| x.graph().iota(DType::F64, (2, 3), n)),
    ("powi", |x, n| x.powi(n)),
    ("reshape", |x, n| x.reshape((Dim::from(n), Dim::from(2)))),
    ("size and size", |x, n| x.reshape((Dim::from(n) * n - n, Dim::from(10)))),
    ("one position of many", |x, n| {
        let index = x.graph().constant(ndarray::array![n]);
        x.gather(index, 2)
    }),
    ("scatter_add", |x, n| {
        let g = x.graph();
        let (index, updates) = (g.constant(ndarray::array![n]), g.constant(ndarray::array![[[1.0], [2.0]]]));
        g.apply_op(ScatterAdd { axis: 2, batch: 0 }.into(), &[x, index, updates])
    }),
];

/// Builds, derives, and runs what is small; false if it is a mistake or an error of the run.
fn has_a_result(label: &str, build: impl for<'g> Fn(Expr<'g>) -> Expr<'g>) -> bool {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (1, 2, 5));
    let y = build(x);
    if y.is_poisoned() {
        assert!(g.check().is_err(), "{label}: poison without a mistake");
        return false;
    }
    let results = with_derivatives(label, &g, y);
    if g.check().is_err() || !is_small(&g) || !g.parameters().is_empty() {
        return false;
    }
    let array = ArrayD::from_shape_fn(IxDyn(&[1, 2, 5]), |at| (at[1] * 3 + at[2] * 2) as f64 / 7.0 - 0.6);
    let value = |input: &Expr<'_>| {
        let shape = input.shape().as_numbers().expect("no symbols");
        if shape == [1, 2, 5] { array.clone().into() } else { filled(input.dtype(), &shape) }
    };
    let fed: Vec<(String, Value)> =
        g.inputs().iter().map(|input| (input.name().expect("an input has a name"), value(input))).collect();
    engines_agree(label, &results, &fed)
}

#[test]
fn any_count_given_to_the_builder_is_an_error_or_has_one_result() {
    let mut n_run = 0;
    for (name, build) in OF_COUNTS {
        for number in NUMBERS {
            let n = usize::try_from(number).unwrap_or(usize::MAX);
            n_run += usize::from(has_a_result(&format!("{name} with {n}"), |x| build(x, n)));
        }
    }
    // About two of the numbers suit each function.
    assert!(n_run > OF_COUNTS.len(), "{n_run} run");
}

#[test]
fn any_position_given_to_the_builder_is_an_error_or_has_one_result() {
    let mut n_run = 0;
    for (name, build) in OF_POSITIONS {
        let positive = NUMBERS.iter().filter_map(|number| i64::try_from(*number).ok());
        for n in positive.flat_map(|n| [n, -n]).chain([i64::MIN]) {
            n_run += usize::from(has_a_result(&format!("{name} with {n}"), |x| build(x, n)));
        }
    }
    assert!(n_run > OF_POSITIONS.len(), "{n_run} run");
}

/// The right results and mistakes of what once was taken for another number.
#[test]
fn large_numbers_are_not_taken_for_small_ones() {
    let mistake = |build: Build, n: usize| {
        let g = Graph::new();
        build(g.input_of(DType::F64, "x", (1, 2, 5)), n);
        g.check().err().map(|told| told.0[0].error.clone())
    };
    for n in [usize::MAX, usize::MAX - 1, 1 << 63, (1 << 63) - 1, (1 << 46) + 1] {
        let too_large = |what| Some(GraphError::NumberTooLarge { what, found: n.to_string(), max: 1 << 46 });
        assert_eq!(mistake(|x, n| x.convolve(kernel(x), Convolve::valid().stride(n)), n), too_large("stride"));
        let dilated = mistake(|x, n| x.convolve(kernel(x), Convolve::valid().dilation(n)), n);
        assert_eq!(dilated, too_large("kernel_dilation"));
        let spread = mistake(|x, n| x.convolve(kernel(x), Convolve::valid().input_dilation(n)), n);
        assert_eq!(spread, too_large("input_dilation"));
        let short = mistake(|x, n| x.top_k(n, -1).0, n).expect("5 elements are too few");
        assert!(matches!(short, GraphError::SliceOutOfRange { axis: 2, .. }), "{short}");
    }
    for n in [i64::MAX, i64::MIN, (1 << 46) + 1, -(1 << 46) - 1] {
        let g = Graph::new();
        g.input_of(DType::F64, "x", (1, 2, 5)).slice((.., .., Index::from(..).step(n)));
        let found = n.unsigned_abs().to_string();
        let too_large = GraphError::NumberTooLarge { what: "step", found, max: 1 << 46 };
        assert_eq!(g.check().expect_err("too large").0[0].error, too_large);
    }
    for n in [1 << 31, 1 << 32, 1 << 40] {
        let pooled = mistake(|x, n| x.max_pool(Pool::size(n).same()), n).expect("nearly all is padding");
        assert!(matches!(pooled, GraphError::MostlyZeros { .. }), "{pooled}");
        // One element, the first or the last, by whatever step.
        for step in [n as i64, -(n as i64)] {
            assert!(has_a_result("step", |x| x.slice((.., .., Index::from(..).step(step)))));
        }
    }
}

/// What is given as data keeps its bounds too.
#[test]
fn attributes_given_as_data_are_bounded() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (5,));
    for interior in [usize::MAX, 1 << 63, (1 << 46) + 1] {
        let dims = |n: i64| [Dim::from(n)].into_iter().collect();
        let pad = pullback::graph::Pad { low: dims(0), high: dims(0), interior: [interior].into_iter().collect() };
        assert!(g.apply_op(pad.into(), &[x]).is_poisoned());
        let one = || [1].into_iter().collect();
        let window = Window {
            kind: pullback::graph::WindowReduction::Sum,
            size: [interior].into_iter().collect(),
            stride: one(),
            dilation: one(),
            low: [interior - 1].into_iter().collect(),
            high: [interior - 1].into_iter().collect(),
        };
        assert!(g.apply_op(window.into(), &[x]).is_poisoned());
    }
    let told = g.check().expect_err("six mistakes").0;
    assert!(told.iter().all(|told| matches!(told.error, GraphError::NumberTooLarge { .. })), "{told:?}");
}

/// Equal because they overflowed is not equal.
#[test]
fn sizes_that_overflow_are_told_and_not_compared() {
    let (wide, n) = (Dim::from(1i64 << 40), Dim::symbol("n"));
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (n.clone(), wide.clone(), wide.clone()));
    let y = x.reshape((n, wide.clone() * 2, wide));
    assert!(y.is_poisoned());
    let told = g.check().expect_err("one mistake").0;
    assert!(matches!(told[0].error, GraphError::TooLarge { .. }), "{told:?}");
}

/// As NumPy's, and for symbols.
#[test]
fn one_size_of_a_reshape_may_be_inferred() {
    let g = Graph::new();
    let x = g.input("x", ("batch", 8, 6));
    for (to, shape) in [
        (Shape::from((-1, 48)), "[batch, 48]"),
        (Shape::from((-1,)), "[48*batch]"),
        (Shape::from((6, -1)), "[6, 8*batch]"),
        (Shape::from((Dim::symbol("batch"), Dim::from(-1), Dim::from(4))), "[batch, 12, 4]"),
    ] {
        assert_eq!(x.reshape(to).shape().to_string(), shape);
    }
    assert_eq!(g.input("empty", (0, 3)).reshape((-1, 3)).shape().to_string(), "[0, 3]");
    assert!(g.check().is_ok());
    for wrong in [Shape::from((-1, 5)), Shape::from((-1, -1, 48)), Shape::from((-1, 0)), Shape::from((-2, 24))] {
        assert!(x.reshape(wrong.clone()).is_poisoned(), "{wrong}");
    }
}

/// A padding after the end whose size leaves `i64` where its parts do not: all attributes are small, and so is the result.
#[test]
fn paddings_that_overflow_once_symbols_are_numbers_are_errors_in_both_engines() {
    let k = (1i64 << 46) - 1;
    let text = format!(
        "%0: f32[n] = input \"x\"\n%1: f32[n] = pad %0 low=[0] high=[-{k}*n + {k}] interior=[{k}]\nreturn y = %1\n"
    );
    let parsed = pullback::Graph::parse(&text).expect("the attributes are not too large");
    let y = parsed.result("y").expect("it is returned");
    let fed = [("x".to_string(), Value::F32(ArrayD::ones(IxDyn(&[1 << 18]))))];
    for evaluation in [Evaluation::Reference, Evaluation::Compiled] {
        let result = run(&[("y".into(), y)], &fed, &options(evaluation, 1));
        assert!(result.is_err(), "{evaluation:?}");
    }
}

/// By number, by a symbol of a size and by a symbol of the kernel: to plan and to count takes no walk over taps.
#[test]
fn huge_kernels_over_spread_input_are_counted_and_planned_at_once() {
    type Sizes = &'static [(&'static str, i64)];
    const MOST: i64 = 1 << 45;
    let cases: [(Dim, Dim, Sizes); 3] =
        [(2.into(), MOST.into(), &[]), ("n".into(), MOST.into(), &[("n", 2)]), (2.into(), "k".into(), &[("k", MOST)])];
    for (x, taps, sizes) in cases {
        let g = Graph::new();
        let (x, kernel) = (g.input("x", (1, 1, x)), g.input("kernel", (1, 1, taps)));
        let way = Convolve::default().padding([(0, MOST as usize + 7)]).input_dilation((1 << 20) - 1);
        let y = x.convolve(kernel, way);
        g.check().expect("the kernel fits");
        let gradient = g.gradient(y.sum(), x);
        assert!(g.flops([("y", y), ("gradient", gradient)]).as_number().is_none_or(|flops| flops > MOST));
        let program = g.compile([("y", y), ("gradient", gradient)]).expect("no mistake");
        // Whether there is memory for it is not asked before it is run.
        program.summary(sizes.iter().copied()).expect("the kernel fits");
    }
}

/// Sizes that nothing is made of cost no memory and no time, in either engine.
#[test]
fn products_and_convolutions_without_an_output_do_no_work() {
    let (large, huge) = (1usize << 40, 1usize << 46);
    let products: [(&[usize], &[usize]); 3] =
        [(&[0, huge], &[huge, 0]), (&[large, 0, 3], &[large, 3, 0]), (&[large, 3, 0], &[large, 0, 0])];
    for (left, right) in products {
        let g = Graph::new();
        let y = g.input_of(DType::F64, "left", left).dot(g.input_of(DType::F64, "right", right));
        let results = with_derivatives("a product", &g, y);
        let fed = [("left", left), ("right", right)].map(|(name, shape)| (name.into(), filled(DType::F64, shape)));
        assert!(engines_agree(&format!("{left:?} by {right:?}"), &results, &fed));
    }
    let convolutions: [(&[usize], &[usize], Convolve); 4] = [
        (&[0, 1, large], &[0, 1, large / 2], Convolve::valid()),
        (&[0, 1, large], &[0, 1, 3], Convolve::valid().stride(7)),
        (&[1 << 20, 0, 4], &[0, 0, 1 << 20], Convolve::default().padding([(1 << 20, 1 << 20)])),
        (&[0, 1, 1 << 20], &[0, 1, 1 << 20], Convolve::default().padding([(1 << 20, 1 << 20)]).input_dilation(63)),
    ];
    for (x, kernel, way) in convolutions {
        let g = Graph::new();
        let y = g.input_of(DType::F64, "x", x).convolve(g.input_of(DType::F64, "kernel", kernel), way);
        let results = with_derivatives("a convolution", &g, y);
        let fed = [("x", x), ("kernel", kernel)].map(|(name, shape)| (name.into(), filled(DType::F64, shape)));
        assert!(engines_agree(&format!("{x:?} by {kernel:?}"), &results, &fed));
    }
}

//! The slopes of elementwise functions over the whole range of exponents, in every way there is to compute them, against
//! values recorded by `tests/recorded/slopes.py` in 2600-bit arithmetic.
//!
//! A slope may be off by 4 units in the last place, times its condition number where that is more than 4: so much a
//! relative error of the operand in its last place would move it. 4 is twice the 2 units that a function of analysis is held
//! to, since a slope is made of one or two of them; a second derivative is made of twice as many.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array1;
use pullback::{
    DType, Evaluation, Expr, Graph, Options, Rewrites, Value,
    graph::{Binary, Op, Unary},
};

type Composite = for<'g> fn(Expr<'g>) -> Expr<'g>;

/// The composites that are elementwise, as they were recorded.
const COMPOSITES: &[(&str, Composite)] = &[
    ("log_sigmoid", |x| x.log_sigmoid()),
    ("gelu", |x| x.gelu()),
    ("gelu_tanh", |x| x.gelu_tanh()),
    ("silu", |x| x.silu()),
    ("leaky_relu", |x| x.leaky_relu(0.125)),
    ("elu", |x| x.elu(0.5)),
    ("clamp", |x| x.clamp(-2.0, 3.0)),
    ("relu6", |x| x.relu6()),
    ("hard_tanh", |x| x.hard_tanh()),
];

type CompositeOfTwo = for<'g> fn(Expr<'g>, Expr<'g>) -> Expr<'g>;

/// Those of two numbers.
const COMPOSITES_OF_TWO: &[(&str, CompositeOfTwo)] = &[("logaddexp", |a, b| a.logaddexp(b))];

/// The functions of `nn/activations.rs` that are not elementwise, or are made of what they are given.
const NOT_ELEMENTWISE: &[&str] = &["softmax", "log_softmax", "logsumexp", "where_safe"];

/// The second derivative of the logistic function is σ(x)σ(−x)·σ(−x) − σ(x)σ(−x)·σ(x), which cancels near 0: there it is
/// held to the last place of either product, about ⅛, and not to its own.
const CANCELLING: &str = "sigmoid";

/// A slope that was recorded.
struct Truth {
    /// The nearest number, as its place in the order of all numbers of the dtype.
    place: i64,
    /// How far the truth is above that, in units of the last place.
    above: f64,
    condition: f64,
}

/// The derivatives of a function by one operand.
struct Section {
    name: String,
    operand: usize,
    dtype: DType,
    /// For each operand, its number at each point.
    points: Vec<Vec<f64>>,
    /// For each order, the truth at each point.
    truths: [Vec<Truth>; 2],
}

fn recorded() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in include_str!("../recorded/slopes.txt").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [":", name, operand, dtype] = words[..] {
            let dtype = if dtype == "f32" { DType::F32 } else { DType::F64 };
            let (name, operand) = (name.to_owned(), operand.parse().expect("an operand"));
            sections.push(Section { name, operand, dtype, points: Vec::new(), truths: [const { Vec::new() }; 2] });
            continue;
        }
        let section = sections.last_mut().expect("a heading comes first");
        let (points, truths) = words.split_at(words.len() - 6);
        section.points.resize(points.len(), Vec::new());
        for (numbers, word) in section.points.iter_mut().zip(points) {
            numbers.push(number(word, section.dtype));
        }
        for (order, words) in section.truths.iter_mut().zip(truths.chunks(3)) {
            let place = place(number(words[0], section.dtype), section.dtype);
            let [above, condition] = [words[1], words[2]].map(|word| word.parse::<f64>().expect("a number"));
            order.push(Truth { place, above: if words[0] >= "8" { -above } else { above }, condition });
        }
    }
    sections
}

fn number(bits: &str, dtype: DType) -> f64 {
    let bits = u64::from_str_radix(bits, 16).expect("hexadecimal");
    if dtype == DType::F32 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) }
}

/// How many numbers of the dtype are between 0 and this one, with its sign; the next after the greatest is infinity.
fn place(x: f64, dtype: DType) -> i64 {
    let magnitude = if dtype == DType::F32 { i64::from((x as f32).abs().to_bits()) } else { x.abs().to_bits() as i64 };
    if x.is_sign_negative() { -magnitude } else { magnitude }
}

/// The number there.
fn at_place(place: i64, dtype: DType) -> f64 {
    let bits = place.unsigned_abs();
    let magnitude = if dtype == DType::F32 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) };
    if place < 0 { -magnitude } else { magnitude }
}

/// y = f(…) of the operands.
fn function<'g>(name: &str, operands: &[Expr<'g>]) -> Expr<'g> {
    let g = operands[0].graph();
    let composite = COMPOSITES.iter().find(|(composite, _)| *composite == name);
    if let Some((_, of_two)) = COMPOSITES_OF_TWO.iter().find(|(composite, _)| *composite == name) {
        return of_two(operands[0], operands[1]);
    }
    let power = || name.strip_prefix("powi(")?.strip_suffix(')')?.parse().ok();
    match (Unary::from_name(name), Binary::from_name(name), composite) {
        (Some(function), ..) => g.apply_op(Op::Unary(function), operands),
        (_, Some(function), _) => g.apply_op(Op::Binary(function), operands),
        (.., Some((_, composite))) => composite(operands[0]),
        _ => operands[0].powi(power().unwrap_or_else(|| panic!("no function is called {name}"))),
    }
}

/// A way to compute: its name, its options, and how many points a program is given at once.
fn ways() -> [(&'static str, Options, usize); 4] {
    let compiled = Options { threads: 1, ..Options::default() };
    let reference = Options { evaluation: Evaluation::Reference, ..compiled.clone() };
    let unchanged = Options { rewrites: Rewrites::none(), ..compiled.clone() };
    [
        ("reference", reference, usize::MAX),
        ("compiled", compiled.clone(), usize::MAX),
        ("compiled without rewrites", unchanged, usize::MAX),
        // So few that they are computed one by one.
        ("compiled, few", compiled, 4),
    ]
}

/// The first and second derivative by one operand, at every point.
fn slopes(section: &Section, options: &Options, at_once: usize) -> [Vec<f64>; 2] {
    let g = Graph::new();
    let input = |name: &str| match section.dtype {
        DType::F32 => g.input_of::<f32>(name, ("n",)),
        _ => g.input_of::<f64>(name, ("n",)),
    };
    let operands: Vec<Expr<'_>> = ["a", "b"][..section.points.len()].iter().map(|name| input(name)).collect();
    let first = g.gradient(function(&section.name, &operands).sum(), operands[section.operand]);
    let second = g.gradient(first.sum(), operands[section.operand]);
    let mut program = g.compile_with([("0", first), ("1", second)], options).expect("no mistake");
    let n_points = section.points[0].len();
    let mut found = [Vec::new(), Vec::new()];
    for start in (0..n_points).step_by(at_once.min(n_points)) {
        let range = start..n_points.min(start.saturating_add(at_once));
        let fed: Vec<Value> = section.points.iter().map(|points| fed(&points[range.clone()], section.dtype)).collect();
        let fed: Vec<(&str, Value)> = ["a", "b"].into_iter().zip(fed).collect();
        let out = program.call(fed).expect("fits");
        for (order, found) in ["0", "1"].iter().zip(&mut found) {
            match &out[*order] {
                Value::F32(array) => found.extend(array.iter().map(|x| f64::from(*x))),
                value => found.extend(value.array::<f64>().expect("a float")),
            }
        }
    }
    found
}

fn fed(points: &[f64], dtype: DType) -> Value {
    let points = Array1::from(points.to_vec()).into_dyn();
    if dtype == DType::F32 { Value::F32(points.mapv(|x| x as f32)) } else { Value::F64(points) }
}

/// The greatest error of all points in units of what is allowed, and where it is.
fn worst(section: &Section, order: usize, found: &[f64]) -> (f64, usize) {
    let dtype = section.dtype;
    let bound = if order == 1 { 8.0 } else { 4.0 };
    let least_place = if order == 1 && section.name == CANCELLING { 0.125 } else { 0.0 };
    let error = |(index, (found, truth)): (usize, (&f64, &Truth))| {
        let distance = i128::from(place(*found, dtype)) - i128::from(truth.place);
        let mut error = (distance as f64 - truth.above).abs();
        if found.abs() < least_place {
            let unit = least_place * if dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
            error = (found - at_place(truth.place, dtype)).abs() / unit;
        }
        let allowed = if truth.condition <= 4.0 { bound } else { bound * truth.condition };
        (if found.is_nan() { f64::INFINITY } else { error / allowed }, index)
    };
    let truths = &section.truths[order];
    let errors = found.iter().zip(truths).enumerate().map(error);
    errors.fold((0.0, 0), |worst, error| if error.0 > worst.0 { error } else { worst })
}

#[test]
fn every_elementwise_slope_is_exact_over_all_exponents_in_every_way_to_compute_it() {
    let mut failures = Vec::new();
    for section in recorded() {
        for (way, options, at_once) in ways() {
            let found = slopes(&section, &options, at_once);
            for (order, found) in found.iter().enumerate() {
                let (error, at) = worst(&section, order, found);
                if error > 1.0 {
                    let point: Vec<f64> = section.points.iter().map(|points| points[at]).collect();
                    let Section { name, operand, dtype, .. } = &section;
                    failures.push(format!(
                        "{name} by {operand}, order {}, {dtype}, {way}: {:e} at {point:?}, {error:.2} times what is allowed",
                        order + 1,
                        found[at],
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_elementwise_function_has_its_slopes_recorded() {
    let mut recorded_of: BTreeMap<String, BTreeSet<(usize, String)>> = BTreeMap::new();
    for section in recorded() {
        assert!(section.points[0].len() >= 25, "{} has {} points", section.name, section.points[0].len());
        recorded_of.entry(section.name).or_default().insert((section.operand, section.dtype.to_string()));
    }
    let activations = include_str!("../../src/nn/activations.rs").lines();
    let composites = activations
        .filter_map(|line| Some(line.trim().strip_prefix("pub fn ")?.split_once('(')?.0))
        .filter(|name| !NOT_ELEMENTWISE.contains(name));
    let names = Unary::ALL.iter().map(|function| (function.name(), 1));
    let names = names.chain(Binary::ALL.iter().map(|function| (function.name(), 2)));
    let is_of_two = |name: &str| COMPOSITES_OF_TWO.iter().any(|(composite, _)| *composite == name);
    for (name, n_operands) in names.chain(composites.map(|name| (name, 1 + usize::from(is_of_two(name))))) {
        let found = recorded_of.get(name).unwrap_or_else(|| panic!("the slopes of {name} are not recorded"));
        assert_eq!(found.len(), 2 * n_operands, "{name}: every operand in both dtypes, found {found:?}");
    }
}

//! Sizes that only the run tells: symbols of any value. Both engines have the same result or both an error, and neither
//! panics, reads memory of somebody else or does not come back.

use ndarray::{ArrayD, IxDyn};
use pullback::{
    Bindings, Convolve, DType, Dim, Evaluation, Expr, Graph, Outputs, Pool, Program, RunError, Value, ops::OpError,
};

use super::{
    compiled::{distance, options},
    decompositions::has_no_derivative,
    limits::{Build, MAX_ELEMENTS, NUMBERS, OF_COUNTS, OF_POSITIONS, filled, with_derivatives},
};

/// What a symbol may be at run time.
pub(crate) const VALUES: [i64; 8] = [0, 1, 2, 5, 1 << 31, 1 << 46, 1 << 62, i64::MAX];

/// The most elements that an array may have, sizes of 0 left out.
const MAX_ROOM: i64 = 1 << 46;

/// The input that tells a symbol.
pub(crate) const TOLD: &str = "told";

/// The product of sizes with 0 counted as 1; `None` if one is negative, or if it leaves `i64`.
fn room(expr: Expr<'_>, bindings: &Bindings) -> Option<i64> {
    let size = |dim: &Dim| dim.evaluate(bindings).ok().filter(|size| *size >= 0).map(|size| size.max(1));
    expr.shape().iter().try_fold(1i64, |product, dim| product.checked_mul(size(dim)?))
}

/// What is fed: arrays that were given where their shape is the one declared, others where it is another.
fn feed(g: &Graph, given: &[(String, Value)], bindings: &Bindings) -> Vec<(String, Value)> {
    let one = |input: Expr<'_>| {
        let name = input.name().expect("an input has a name");
        let size = |dim: &Dim| usize::try_from(dim.evaluate(bindings).expect("there is room")).expect("a size");
        let shape: Vec<usize> = input.shape().iter().map(size).collect();
        let own = given.iter().find(|(own, value)| *own == name && value.shape() == shape);
        (name, own.map_or_else(|| filled(input.dtype(), &shape), |(_, value)| value.clone()))
    };
    g.inputs().into_iter().map(one).collect()
}

/// What sizes allow.
#[derive(Clone, Copy, PartialEq)]
enum Room {
    /// An input has a size that no array has.
    None,
    /// An array is larger than what is run here; one without elements may be fed and is not.
    Large,
    /// Both engines can run.
    Small,
}

fn room_of(g: &Graph, bindings: &Bindings) -> Room {
    // What tells a symbol has no element, and nothing is computed of it: it is fed whatever its size is.
    let is_told = |expr: &Expr<'_>| expr.name().is_some_and(|name| name == TOLD);
    let is_impossible = |input: &Expr<'_>| !is_told(input) && room(*input, bindings).is_none_or(|room| room > MAX_ROOM);
    let is_large = |expr: Expr<'_>| !is_told(&expr) && room(expr, bindings).is_some_and(|room| room > MAX_ELEMENTS);
    match () {
        () if g.inputs().iter().any(is_impossible) => Room::None,
        () if g.ids().any(|id| is_large(g.expr(id))) => Room::Large,
        () => Room::Small,
    }
}

fn execute(program: &mut Program, fed: &[(String, Value)]) -> Result<Outputs, RunError> {
    program.call(fed)
}

/// Whether there is a plan; `None` if no result depends on one of the symbols.
fn has_plan(program: &Program, bindings: &Bindings) -> Option<bool> {
    match program.summary(bindings.iter().map(|(symbol, value)| (&**symbol, *value))) {
        Ok(_) => Some(true),
        Err(RunError::UnknownSymbol { .. }) => None,
        Err(_) => Some(false),
    }
}

/// Whether what is wrong is known before anything is fed.
fn is_by_sizes(fault: &OpError) -> bool {
    matches!(fault, OpError::Slice { .. } | OpError::Window { .. } | OpError::MostlyZeros { .. })
}

/// Both engines at each value of the symbols; the number of results. Where an array would be large, a plan or an error is
/// all that is asked, and an error where an input is too large to exist.
pub(crate) fn engines_agree_at(
    label: &str,
    results: &[(String, Expr<'_>)],
    given: &[(String, Value)],
    at: impl IntoIterator<Item = Bindings>,
) -> usize {
    let g = results[0].1.graph();
    let compile =
        |evaluation| g.compile_with(results.to_vec(), &options(evaluation, 1)).expect("the graph has no mistake");
    let (mut compiled, mut reference) = (compile(Evaluation::Compiled), compile(Evaluation::Reference));
    let mut n_results = 0;
    for bindings in at {
        let label = format!("{label} at {bindings:?}");
        match room_of(g, &bindings) {
            Room::Small => {}
            Room::Large => {
                has_plan(&compiled, &bindings);
                continue;
            }
            Room::None => {
                assert_ne!(has_plan(&compiled, &bindings), Some(true), "{label}: an input is too large");
                continue;
            }
        }
        let fed = feed(g, given, &bindings);
        match (execute(&mut compiled, &fed), execute(&mut reference, &fed)) {
            (Ok(got), Ok(want)) => {
                let has_values_alone = has_no_derivative(g, fed.iter().map(|(_, value)| value));
                for (name, want) in want.iter().filter(|(name, _)| !has_values_alone || !name.contains("derivative")) {
                    let distance = distance(&got[name], want);
                    // Sums of at most 2^14 products of numbers of at most 1, in another order, in f64.
                    assert!(distance <= 1e-10, "{label}: {name} is off by {distance:e}");
                }
                assert_ne!(has_plan(&compiled, &bindings), Some(false), "{label}: it has a result and no plan");
                n_results += 1;
            }
            (Err(RunError::Node { error: fault, .. }), Err(_)) if is_by_sizes(&fault) => {
                assert_ne!(has_plan(&compiled, &bindings), Some(true), "{label}: a plan of what has an error: {fault}");
            }
            (Err(_), Err(_)) => {}
            (got, want) => panic!("{label}: compiled {:?}, reference {:?}", got.err(), want.err()),
        }
    }
    n_results
}

#[test]
fn any_value_of_a_symbol_is_an_error_or_has_one_result() {
    let builds: [Build; 12] = [
        |x, _| x.slice((.., .., 1..)) + 1.0,
        |x, _| x.slice((.., .., -3)),
        |x, _| x.window_sum(Pool::size([1, 1, 3]).stride(1)),
        |x, _| x.reshape([x.shape().size()]).tanh(),
        |x, _| x.dot(x.t()),
        |x, _| x.concat([x, x], 0).sum(),
        |x, _| x * x.graph().dim_size(x.shape().size() * x.shape().size(), DType::F64),
        |x, _| x.mean(),
        |x, _| x.max_over(2),
        |x, _| x.broadcast_to(("n", "b", "b", "n")),
        |x, _| x.cumulative_sum(2).softmax(2),
        // As large as what it goes over: rewritten into a product of matrices, which has a value where nothing is summed.
        |x, _| x.convolve(x.graph().input_of(DType::F64, "kernel", (2, "b", "n")), Convolve::valid()),
    ];
    for (position, build) in builds.iter().enumerate() {
        let g = Graph::new();
        let y = build(g.input_of(DType::F64, "x", ("b", "b", "n")), 0);
        let results = with_derivatives("a symbol", &g, y);
        g.check().expect("no mistake");
        let at = VALUES.into_iter().flat_map(|n| [(n, n), (0, n), (1, n), (2, n), (n, 0), (n, 1), (n, 4)]);
        let at = at.map(|(b, n)| Bindings::from([("b".into(), b), ("n".into(), n)]));
        let n_results = engines_agree_at(&format!("build {position}"), &results, &[], at);
        assert!(n_results > 2, "build {position} has {n_results} results");
    }
}

/// What a function gives for x of shape `[1, 2, size]`, the size written as it is or as a symbol of that value.
enum Outcome {
    Mistake,
    Error,
    Result(Value),
    /// Larger than what is run here.
    Large,
}

fn outcome(build: impl for<'g> Fn(Expr<'g>) -> Expr<'g>, declared: Dim, size: i64, evaluation: Evaluation) -> Outcome {
    let g = Graph::new();
    let y = build(g.input_of(DType::F64, "x", (1, 2, declared)));
    if y.is_poisoned() || g.check().is_err() {
        return Outcome::Mistake;
    }
    let bindings = Bindings::from([("size".into(), size), ("b".into(), 5)]);
    if room_of(&g, &bindings) != Room::Small || !g.parameters().is_empty() {
        return Outcome::Large;
    }
    let x = ArrayD::from_shape_fn(IxDyn(&[1, 2, size as usize]), |at| (at[1] * 3 + at[2] * 2) as f64 / 7.0 - 0.6);
    let fed = feed(&g, &[("x".into(), x.into())], &bindings);
    let mut program = g.compile_with([("y", y)], &options(evaluation, 1)).expect("no mistake");
    match execute(&mut program, &fed) {
        Ok(outputs) => Outcome::Result(outputs["y"].clone()),
        Err(_) => Outcome::Error,
    }
}

/// Whether a function takes a symbol in place of a size; then it has the result that it has for the number.
fn is_the_same_for_a_symbol(label: &str, build: impl for<'g> Fn(Expr<'g>) -> Expr<'g>, size: i64) -> bool {
    let as_number = outcome(&build, Dim::from(size), size, Evaluation::Reference);
    match (as_number, outcome(&build, Dim::symbol("size"), size, Evaluation::Compiled)) {
        (_, Outcome::Mistake) | (Outcome::Large, _) | (_, Outcome::Large) => false,
        (Outcome::Result(want), Outcome::Result(got)) => {
            let distance = distance(&got, &want);
            // Sums of at most 2^14 products of numbers of the size of 1, in another order, in f64.
            assert!(distance <= 1e-10, "{label}, {size} as a symbol is off by {distance:e}");
            true
        }
        (Outcome::Mistake | Outcome::Error, Outcome::Error) => true,
        (Outcome::Mistake | Outcome::Error, Outcome::Result(_)) => {
            panic!("{label}: {size} is refused, a symbol is not")
        }
        (Outcome::Result(_), Outcome::Error) => panic!("{label}: {size} has a result, a symbol has none"),
    }
}

#[test]
fn any_number_given_to_the_builder_is_the_same_for_a_size_that_the_run_tells() {
    let mut n_same = 0;
    for size in [0, 1, 5] {
        for number in NUMBERS {
            let n = usize::try_from(number).unwrap_or(usize::MAX);
            for (name, build) in OF_COUNTS {
                n_same += usize::from(is_the_same_for_a_symbol(&format!("{name} with {n}"), |x| build(x, n), size));
            }
            let Ok(n) = i64::try_from(number) else { continue };
            for (name, build) in OF_POSITIONS {
                for n in [n, -n] {
                    n_same += usize::from(is_the_same_for_a_symbol(&format!("{name} with {n}"), |x| build(x, n), size));
                }
            }
        }
    }
    // Some 60 functions, of which each suits a number or two.
    assert!(n_same > OF_COUNTS.len() + OF_POSITIONS.len(), "{n_same} the same");
}

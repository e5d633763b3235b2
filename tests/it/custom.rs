//! Operations of the user's own: proved, in both engines, inside of bodies and batches, on threads, in texts; and what is told
//! of those that are wrong.

#[path = "../../examples/custom/sparse.rs"]
mod sparse;
#[path = "../../examples/custom/spline.rs"]
mod spline;
#[path = "../../examples/custom/table.rs"]
mod table;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use ndarray::{ArrayD, IxDyn, Zip, arr1, arr2};
use pullback::{
    DType, Evaluation, Expr, Graph, Options, Program, Type, Value, ValueView, ValueViewMut,
    check::prove_operation,
    ops::{
        Application, BatchApplication, CustomError, CustomOp, JacobianProducts, LinearMap, Linearization, Partial,
        Partials, Smoothness,
    },
    text::Registry,
};
use sparse::{Pattern, SparseProduct};
use spline::Spline;
use table::Table;

/// An operation that is configured by closures: what a test is about is in the test.
#[derive(Clone)]
struct Configured {
    output_type: fn(&[Type]) -> Result<Type, CustomError>,
    evaluate: fn(&[ValueView<'_>], ValueViewMut<'_>) -> Result<(), CustomError>,
    derivative: Derivative,
    rows: Option<&'static [usize]>,
    overwrites: Option<usize>,
    attributes: &'static str,
}

#[derive(Clone, Copy)]
enum Derivative {
    Constant,
    /// Elementwise, by this factor.
    Partials(for<'g> fn(&Application<'g>) -> Expr<'g>),
    /// Linear, by this transpose.
    Linear(for<'g> fn(Expr<'g>, &Application<'g>) -> Expr<'g>),
    /// Both modes.
    Products {
        vjp: for<'g> fn(usize, Expr<'g>, &Application<'g>) -> Expr<'g>,
        jvp: for<'g> fn(usize, Expr<'g>, &Application<'g>) -> Expr<'g>,
    },
}

/// sin(x) of one f64 array.
const SINE: Configured = Configured {
    output_type: one_f64,
    evaluate: |operands, output| map(operands, output, f64::sin),
    derivative: Derivative::Partials(|application| application.operands()[0].cos()),
    rows: None,
    overwrites: None,
    attributes: "",
};

fn one_f64(operands: &[Type]) -> Result<Type, CustomError> {
    match operands {
        [x] if x.dtype == DType::F64 => Ok(x.clone()),
        _ => Err("it takes one f64 array".into()),
    }
}

fn map(operands: &[ValueView<'_>], output: ValueViewMut<'_>, f: impl Fn(f64) -> f64) -> Result<(), CustomError> {
    match (operands, output) {
        ([ValueView::F64(x)], ValueViewMut::F64(y)) => {
            Zip::from(y).and(x).for_each(|y, x| *y = f(*x));
            Ok(())
        }
        _ => Err("operands of another type than was asked for".into()),
    }
}

impl std::fmt::Debug for Configured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Configured({:?})", self.attributes)
    }
}

impl PartialEq for Configured {
    fn eq(&self, other: &Configured) -> bool {
        self.attributes == other.attributes
    }
}

impl Eq for Configured {}

impl std::hash::Hash for Configured {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.attributes.hash(state);
    }
}

impl CustomOp for Configured {
    const NAME: &'static str = "configured";

    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
        (self.output_type)(operands)
    }

    fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
        (self.evaluate)(operands, output)
    }

    fn linearization(&self) -> Linearization<'_> {
        match self.derivative {
            Derivative::Constant => Linearization::Constant,
            Derivative::Partials(_) => Linearization::Partials(self),
            Derivative::Linear(_) => Linearization::Linear(self),
            Derivative::Products { .. } => Linearization::Products(self),
        }
    }

    fn attributes(&self) -> String {
        self.attributes.to_owned()
    }

    fn rows(&self) -> Option<&[usize]> {
        self.rows
    }

    fn overwrites(&self) -> Option<usize> {
        self.overwrites
    }
}

impl Partials for Configured {
    fn partial<'g>(&self, _: usize, application: &Application<'g>) -> Partial<'g> {
        let Derivative::Partials(factor) = self.derivative else { unreachable!() };
        Partial::Factor(factor(application))
    }
}

impl LinearMap for Configured {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let Derivative::Linear(transpose) = self.derivative else { unreachable!() };
        transpose(cotangent, application)
    }
}

impl JacobianProducts for Configured {
    fn vjp<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let Derivative::Products { vjp, .. } = self.derivative else { unreachable!() };
        vjp(operand, cotangent, application)
    }

    fn jvp<'g>(&self, operand: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let Derivative::Products { jvp, .. } = self.derivative else { unreachable!() };
        jvp(operand, tangent, application)
    }
}

/// x·|x|² of a vector, which no element of it decides alone.
const SCALED: Configured = Configured {
    output_type: one_f64,
    evaluate: |operands, output| {
        let ValueView::F64(x) = &operands[0] else { return Err("another type".into()) };
        let square: f64 = x.iter().map(|x| x * x).sum();
        map(operands, output, |x| x * square)
    },
    // J = |x|²·1 + 2·x·xᵀ is symmetric.
    derivative: Derivative::Products { vjp: scaled_product, jvp: scaled_product },
    attributes: "scaled",
    ..SINE
};

fn scaled_product<'g>(_: usize, direction: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
    let x = application.operands()[0];
    x.square().sum() * direction + 2.0 * (x * direction).sum() * x
}

/// Running differences, which are linear.
const DIFFERENCES: Configured = Configured {
    evaluate: |operands, mut output| {
        let (Some(x), Some(mut y)) = (operands[0].array::<f64>(), output.array_mut::<f64>()) else {
            return Err("another type".into());
        };
        for i in 0..x.len() {
            y[[i]] = x[[i]] - if i == 0 { 0.0 } else { x[[i - 1]] };
        }
        Ok(())
    },
    derivative: Derivative::Linear(|cotangent, _| {
        let later = cotangent.slice(1..).pad([(0, 1)], 0.0);
        cotangent - later
    }),
    attributes: "differences",
    ..SINE
};

/// Where x is positive, which has no derivative.
const IS_POSITIVE: Configured = Configured {
    output_type: |operands| one_f64(operands).map(|ty| Type::new(DType::Bool, ty.shape)),
    evaluate: |operands, mut output| {
        if let (Some(x), Some(mut y)) = (operands[0].array::<f64>(), output.array_mut::<bool>()) {
            // What was not written is false, whatever lay there.
            Zip::from(&mut y).and(&x).for_each(|y, x| *y |= *x > 0.0);
        }
        Ok(())
    },
    derivative: Derivative::Constant,
    attributes: "is_positive",
    ..SINE
};

fn tridiagonal(n: usize) -> Arc<Pattern> {
    let row = move |row: usize| (row.saturating_sub(1)..(row + 2).min(n)).map(move |column| (row, column));
    Pattern::new(n, n, (0..n).flat_map(row)).expect("the elements are sorted")
}

fn reals(n: usize) -> Vec<f64> {
    (0..n).map(|k| ((k as f64 + 0.37) * 0.618_033_988_749_895).fract() - 0.4).collect()
}

fn options(evaluation: Evaluation, threads: usize) -> Options {
    Options { evaluation, threads, ..Options::default() }
}

fn spline() -> Spline {
    let times: Vec<f64> = (0..12).map(f64::from).collect();
    let values: Vec<f64> = times.iter().map(|t| (0.7 * t).sin()).collect();
    Spline::through(&times, &values).expect("the times ascend")
}

#[test]
fn operations_of_every_class_are_proved_as_primitives_are() {
    let x = || Value::from([0.3, -0.8, 1.7]);
    prove_operation(SINE, [x()], Smoothness::Smooth).unwrap();
    prove_operation(SCALED, [x()], Smoothness::Smooth).unwrap();
    prove_operation(DIFFERENCES, [x()], Smoothness::Smooth).unwrap();
    prove_operation(IS_POSITIVE, [x()], Smoothness::Smooth).unwrap();
    let pattern = Pattern::new(3, 4, [(0, 1), (0, 3), (2, 0), (2, 1)]).unwrap();
    let values = Value::from(reals(pattern.n_values()));
    prove_operation(SparseProduct::new(pattern), [values, Value::from(reals(4))], Smoothness::Smooth).unwrap();
    let table = Table::new(-1.0, 2.0, [0.0, 1.0, 0.5, 2.0]);
    prove_operation(table, [Value::from([-0.5, 0.4, 1.9])], Smoothness::Smooth).unwrap();
    prove_operation(spline(), [Value::from(arr2(&[[2.3, 4.9], [7.1, 8.8]]))], Smoothness::Smooth).unwrap();
}

#[test]
fn a_wrong_derivative_a_wrong_transpose_and_a_wrong_batch_are_found() {
    let x = || Value::from([0.3, -0.8, 1.7]);
    let wrong = Configured { derivative: Derivative::Partials(|application| application.operands()[0].sin()), ..SINE };
    let error = prove_operation(wrong, [x()], Smoothness::Smooth).unwrap_err().to_string();
    assert!(error.contains("against differences"), "{error}");
    let wrong = Configured { derivative: Derivative::Linear(|cotangent, _| cotangent), ..DIFFERENCES };
    let error = prove_operation(wrong, [x()], Smoothness::Smooth).unwrap_err().to_string();
    assert!(error.contains("reverse against forward mode"), "{error}");
    let error = prove_operation(WrongBatch, [x()], Smoothness::Smooth).unwrap_err().to_string();
    assert!(error.contains("a batch against a loop"), "{error}");
}

/// Sums over all of a batch, where each example has a sum of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct WrongBatch;

impl CustomOp for WrongBatch {
    const NAME: &'static str = "wrong_batch";

    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
        one_f64(operands)
    }

    fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
        let sum: f64 = operands[0].array::<f64>().map_or(0.0, |x| x.sum());
        map(operands, output, |_| sum)
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Linear(self)
    }

    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Option<Expr<'g>> {
        let xs = application.repeated();
        Some(xs[0].graph().custom(self.clone(), xs))
    }
}

impl LinearMap for WrongBatch {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, _: &Application<'g>) -> Expr<'g> {
        cotangent.sum().broadcast_to(cotangent.shape())
    }
}

/// The sine of the library in place of that of this file, in every construct.
fn constructs<'g>(g: &'g Graph, sine: &dyn Fn(Expr<'g>) -> Expr<'g>) -> Vec<(&'static str, Expr<'g>)> {
    let (x, w) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::F64, "w", (3,)));
    let (xs, n) = (g.input_of(DType::F64, "xs", (4, 3)), g.input_of(DType::Bool, "n", ()));
    let plain = (sine(x * w) * w).sum();
    let (looped, stack) = g.scan(x, xs, |carry, x| {
        let next = sine(carry * w) + x;
        (next, sine(next))
    });
    let chosen = g.cond(n, || sine(x * w), || sine(sine(x)));
    let twice = g.function(x, |x| sine(x * w));
    let called = twice.call(twice.call(x));
    let batched = g.batch(plain, [(x, xs)]);
    let gradients = g.batch(g.gradient(plain, w), [(x, xs)]);
    let losses =
        [plain, (looped * looped).sum() + stack.sum(), chosen.sum(), called.sum(), batched.sum(), gradients.sum()];
    let mut results = Vec::new();
    for (name, loss) in ["plain", "scan", "cond", "call", "batch", "gradients of examples"].into_iter().zip(losses) {
        let gradient = g.gradient(loss, w);
        let direction = g.constant(arr1(&[0.3, -1.0, 0.5]));
        results.push((name, loss));
        results.push((name, gradient));
        results.push((name, g.jvp(gradient, &[(w, direction)])));
    }
    results
}

fn values_of(g: &Graph, results: Vec<(&'static str, Expr<'_>)>, evaluation: Evaluation) -> Vec<(&'static str, Value)> {
    let named: Vec<(String, Expr<'_>)> =
        results.iter().enumerate().map(|(position, (_, result))| (position.to_string(), *result)).collect();
    let mut program = g.compile_with(named, &options(evaluation, 2)).expect("no mistake");
    let xs = ArrayD::from_shape_vec(IxDyn(&[4, 3]), reals(12)).unwrap();
    let out = program.call((("x", &[0.2, -0.7, 1.1]), ("w", &[0.9, 0.4, -1.3]), ("xs", &xs), ("n", true))).unwrap();
    results
        .iter()
        .enumerate()
        .map(|(position, (name, _))| (*name, out[position.to_string().as_str()].clone()))
        .collect()
}

#[test]
fn an_operation_in_any_construct_is_as_a_primitive_at_both_orders_in_both_engines() {
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let (g, h) = (Graph::new(), Graph::new());
        let found = values_of(&g, constructs(&g, &|x| g.custom(SINE, [x])), evaluation);
        let expected = values_of(&h, constructs(&h, &|x| x.sin()), evaluation);
        for ((name, found), (_, expected)) in found.iter().zip(&expected) {
            let (found, expected) = (found.array::<f64>().unwrap(), expected.array::<f64>().unwrap());
            for (found, expected) in found.iter().zip(expected) {
                // A sine of the standard library against one of vectors, each off by at most 2 units, in sums of some 30.
                assert!((found - expected).abs() <= 1e-13 * expected.abs().max(1.0), "{name}: {found} {expected}");
            }
        }
    }
}

#[test]
fn equal_operations_are_merged_and_others_are_not() {
    let count = |second: Configured| {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (3,));
        let y = g.custom(SINE, [x]).exp() + g.custom(second, [x]).exp();
        let program = g.compile(y).unwrap();
        program.show([]).unwrap().matches("configured →").count()
    };
    assert_eq!(count(SINE), 1);
    assert_eq!(count(SCALED), 2);
}

#[test]
fn rows_on_threads_give_the_bits_of_one_thread_and_of_the_reference() {
    let n = 40_000;
    let pattern = tridiagonal(n);
    let values = reals(pattern.n_values());
    let run = |evaluation: Evaluation, threads: usize| -> Vec<u64> {
        let g = Graph::new();
        let (a, x) = (g.input_of(DType::F64, "a", (values.len(),)), g.input_of(DType::F64, "x", (n,)));
        let y = g.custom(SparseProduct::new(pattern.clone()), [a, g.custom(table_of_sines(), [x])]);
        let mut program = g.compile_with(y, &options(evaluation, threads)).unwrap();
        let out = program.call((("a", &values), ("x", &reals(n)))).unwrap();
        out["result"].array::<f64>().unwrap().iter().map(|y| y.to_bits()).collect()
    };
    let expected = run(Evaluation::Reference, 1);
    for threads in [1, 2, 4] {
        assert_eq!(run(Evaluation::Compiled, threads), expected, "{threads} threads");
    }
}

fn table_of_sines() -> Table {
    Table::new(-1.0, 1.0, (-10..=10).map(|k| f64::from(k).sin()))
}

/// Adds 1 to what its output has already.
const INCREMENT: Configured = Configured {
    evaluate: |operands, mut output| {
        if !operands.is_empty() {
            return Err("the operand is left out".into());
        }
        output.array_mut::<f64>().ok_or("another type")?.mapv_inplace(|y| y + 1.0);
        Ok(())
    },
    derivative: Derivative::Partials(|application| application.operands()[0].ones_like()),
    overwrites: Some(0),
    rows: Some(&[0]),
    attributes: "increment",
    ..SINE
};

#[test]
fn an_overwritten_operand_gives_its_memory_where_nothing_else_reads_it() {
    let n = 20_000;
    let arena = |increment: Configured, is_read_later: bool| {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (n,));
        // Running sums are steps of their own.
        let sums = x.cumulative_sum(0);
        let up = g.custom(increment, [sums]);
        let y = if is_read_later { up.cumulative_sum(0) + sums } else { up.cumulative_sum(0) };
        let mut program = g.compile_with(y, &options(Evaluation::Compiled, 2)).unwrap();
        let out = program.call(("x", &vec![1.0; n])).unwrap();
        // 1, 2, 3, …, then 2, 3, 4, …, and their sums.
        let expected = |k: f64| (k + 1.0) * (k + 2.0) / 2.0 - 1.0 + if is_read_later { k } else { 0.0 };
        for (position, found) in out["result"].array::<f64>().unwrap().iter().enumerate() {
            assert_eq!(*found, expected(position as f64 + 1.0));
        }
        program.summary([]).unwrap().arena_bytes
    };
    let copied = Configured {
        overwrites: None,
        rows: None,
        attributes: "copied",
        evaluate: |operands, output| map(operands, output, |x| x + 1.0),
        ..INCREMENT
    };
    assert!(arena(INCREMENT, false) < arena(copied.clone(), false));
    assert_eq!(arena(INCREMENT, true), arena(copied, true));
    prove_operation(INCREMENT, [Value::from([0.5, 1.5])], Smoothness::Smooth).unwrap();
}

/// x₀ + x₁, written over x₀, from one array twice and from what is fed.
#[test]
fn an_overwritten_operand_is_copied_where_another_operand_or_the_caller_has_it() {
    let add = Configured {
        output_type: |operands| operands.first().cloned().ok_or_else(|| "it takes two".into()),
        evaluate: |operands, mut output| {
            let x = operands[0].array::<f64>().ok_or("another type")?;
            output.array_mut::<f64>().ok_or("another type")?.zip_mut_with(&x, |y, x| *y += x);
            Ok(())
        },
        derivative: Derivative::Constant,
        overwrites: Some(0),
        attributes: "add",
        ..SINE
    };
    let g = Graph::new();
    let (x, y) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::F64, "y", (3,)));
    let sorted = x.sort(0);
    let results = [
        ("twice", g.custom(add.clone(), [sorted, sorted])),
        ("fed", g.custom(add.clone(), [y, x])),
        ("part", {
            let pair = x.concat([y], 0).sort(0);
            g.custom(add, [pair.slice(1..4), pair.slice(0..3)])
        }),
    ];
    let mut program = g.compile(results).unwrap();
    let (x, y) = ([3.0, 1.0, 2.0], [10.0, 20.0, 30.0]);
    for _ in 0..2 {
        let out = program.call((("x", &x), ("y", &y))).unwrap();
        assert_eq!(out["twice"], Value::from([2.0, 4.0, 6.0]));
        assert_eq!(out["fed"], Value::from([13.0, 21.0, 32.0]));
        assert_eq!(out["part"], Value::from([3.0, 5.0, 13.0]));
    }
}

/// Fails for a negative number, by an error or a panic.
fn picky(panics: bool) -> Configured {
    Configured {
        evaluate: if panics {
            |operands, output| map(operands, output, |x| if x < 0.0 { panic!("found {x}") } else { x })
        } else {
            |operands, output| {
                let x = operands[0].array::<f64>().ok_or("another type")?;
                if let Some(x) = x.iter().find(|x| **x < 0.0) {
                    return Err(format!("found {x}").into());
                }
                map(operands, output, |x| x)
            }
        },
        rows: Some(&[0]),
        derivative: Derivative::Constant,
        attributes: if panics { "panics" } else { "fails" },
        ..SINE
    }
}

#[test]
fn an_error_or_a_panic_in_an_operation_is_an_error_of_the_run_at_its_line_and_the_program_goes_on() {
    for (panics, message) in [(false, "found -7"), (true, "it panicked: found -7")] {
        for n in [3, 200_000] {
            for in_loop in [false, true] {
                for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
                    let g = Graph::new();
                    let x = g.input_of(DType::F64, "x", (n,));
                    let y = if in_loop {
                        g.fori(2, x, |_, x| g.custom(picky(panics), [x]))
                    } else {
                        g.custom(picky(panics), [x])
                    };
                    let mut program = g.compile_with(y.sum(), &options(evaluation, 4)).unwrap();
                    let good = vec![1.0; n];
                    let mut bad = good.clone();
                    // Not in the first part.
                    bad[n - 1] = -7.0;
                    let error = program.call(("x", &bad)).unwrap_err().to_string();
                    assert!(error.contains(message) && error.contains("custom.rs:"), "{error}");
                    assert!(error.contains("configured"), "{error}");
                    let sum = program.call(("x", &good)).unwrap().scalar::<f64>("result").unwrap();
                    assert_eq!(sum, n as f64);
                }
            }
        }
    }
}

#[test]
fn an_operation_that_gives_another_type_for_numbers_than_for_symbols_is_an_error_of_the_run() {
    let fickle = Configured {
        output_type: |operands| match operands[0].shape.as_numbers() {
            Some(_) => Ok(Type::new(DType::F64, (7,))),
            None => Ok(operands[0].clone()),
        },
        derivative: Derivative::Constant,
        attributes: "fickle",
        ..SINE
    };
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let g = Graph::new();
        let y = g.custom(fickle.clone(), [g.input_of(DType::F64, "x", ("n",))]);
        let mut program = g.compile_with(y, &options(evaluation, 1)).unwrap();
        let error = program.call(("x", &[1.0, 2.0])).unwrap_err().to_string();
        assert!(error.contains("it gives f64[7], and for symbols f64[2]"), "{error}");
    }
}

#[test]
fn a_tap_sees_each_value_once_for_each_iteration_and_example_and_changes_nothing() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = |seen: &Arc<Mutex<Vec<f64>>>| {
        let seen = seen.clone();
        move |value: ValueView<'_>| seen.lock().unwrap().extend(value.array::<f64>().unwrap().iter())
    };
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let looped = g.fori(3, x, |_, x| (2.0 * x).tap(look(&seen)));
    let mut program = g.compile([("value", looped), ("slope", g.gradient(looped, x))]).unwrap();
    let out = program.call(("x", 1.0)).unwrap();
    assert_eq!((out["value"].clone(), out["slope"].clone()), (8.0.into(), 8.0.into()));
    assert_eq!(*seen.lock().unwrap(), [2.0, 4.0, 8.0]);

    seen.lock().unwrap().clear();
    let xs = g.input_of(DType::F64, "xs", (3,));
    let ys = g.batch((x + 1.0).tap(look(&seen)), [(x, xs)]);
    let mut program = g.compile(ys).unwrap();
    assert_eq!(program.call(("xs", &[0.0, 1.0, 2.0])).unwrap()["result"], Value::from([1.0, 2.0, 3.0]));
    assert_eq!(*seen.lock().unwrap(), [1.0, 2.0, 3.0]);
}

#[test]
fn a_tap_of_a_constant_is_called_at_each_run_and_not_when_the_graph_is_compiled() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let g = Graph::new();
    let table = g.constant(reals(5000)).sort(0).tap(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let in_a_body = g.function((), |()| table.sort(0)).call(());
    let mut program = g.compile(in_a_body.sum() + g.input_of(DType::F64, "x", ())).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    for n in 1..3 {
        program.call(("x", 0.5)).unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), n);
    }
}

/// What is computed from constants alone is one array before the first run, if it is pure.
#[test]
fn a_pure_operation_of_constants_is_computed_when_the_graph_is_compiled() {
    let g = Graph::new();
    let table = g.custom(SCALED, [g.constant(reals(5000))]);
    let program: Program = g.compile(table + g.input_of(DType::F64, "x", ())).unwrap();
    assert!(!program.show([]).unwrap().contains("configured"));
}

#[test]
fn texts_with_operations_are_read_with_a_registry_in_bodies_too_and_refused_without() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (3,));
    let y = g.fori(2, g.custom(table_of_sines(), [x]), |_, x| {
        let up = g.custom(SINE, [x]);
        g.custom(SCALED, [up])
    });
    let loss = y.sum();
    let text = g.to_text([("loss", loss), ("gradient", g.gradient(loss, x))]);
    let registry = Registry::new()
        .with(|attributes| match attributes {
            "" => Ok(SINE),
            "scaled" => Ok(SCALED),
            other => Err(format!("no {other}").into()),
        })
        .with(|_| Ok(table_of_sines()));
    let error = Graph::parse_with(&text, &registry).unwrap_err().to_string();
    assert!(error.contains("`table`: ") && error.contains("was read as an operation that writes"), "{error}");
    let slopes = "order 1";
    let registry =
        registry.with(
            move |attributes| {
                if attributes.contains(slopes) { Ok(table_of_sines().slope()) } else { Ok(table_of_sines()) }
            },
        );
    let parsed = Graph::parse_with(&text, &registry).unwrap();
    assert_eq!(parsed.to_text(), text);
    let run = |graph: &Graph, loss: Expr<'_>| {
        graph.compile(loss).unwrap().call(("x", &[0.1, 0.2, -0.3])).unwrap().scalar::<f64>("result").unwrap()
    };
    assert_eq!(run(&parsed.graph, parsed.result("loss").unwrap()), run(&g, loss));

    let error = Graph::parse(&text).unwrap_err().to_string();
    assert!(error.contains("no operation is called `configured`"), "{error}");
    for (hostile, message) in [
        (r#"configured %0 "unheard of""#, "`configured`: no unheard of"),
        (r#"configured %0 "scaled" 7"#, "expected the end of the line"),
        (r#"configured %0 scaled"#, "expected"),
        (r#"configured %0, %0"#, "it takes one f64 array"),
        (r#"custom %0"#, "no operation is called `custom`"),
    ] {
        let text = format!("%0: f64[3] = input \"x\"\n%1: f64[3] = {hostile}\nreturn y = %1");
        let error = Graph::parse_with(&text, &registry).unwrap_err().to_string();
        assert!(error.starts_with("2:") && error.contains(message), "{hostile}: {error}");
    }
}

#[test]
fn a_name_that_is_no_word_or_that_of_a_primitive_is_a_mistake() {
    macro_rules! named {
        ($type:ident, $name:literal) => {
            #[derive(Debug, PartialEq, Eq, Hash)]
            struct $type;
            impl CustomOp for $type {
                const NAME: &'static str = $name;
                fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
                    one_f64(operands)
                }
                fn evaluate(&self, _: &[ValueView<'_>], _: ValueViewMut<'_>) -> Result<(), CustomError> {
                    Ok(())
                }
                fn linearization(&self) -> Linearization<'_> {
                    Linearization::Constant
                }
            }
        };
    }
    named!(TwoWords, "two words");
    named!(Sine, "sin");
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (3,));
    g.custom(TwoWords, [x]);
    g.custom(Sine, [x]);
    let report = g.check().unwrap_err().to_string();
    assert!(report.contains("\"two words\" is not a name"), "{report}");
    assert!(report.contains("must be another than that of a primitive, found sin"), "{report}");
}

#[test]
fn an_operation_is_named_in_the_plan_and_in_the_profile() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (3,));
    let mut program = g.compile(g.custom(SINE, [x])).unwrap();
    assert!(program.show([]).unwrap().contains("configured"), "{}", program.show([]).unwrap());
    let profile = program.profile((), ("x", &[1.0, 2.0, 3.0]), 2).unwrap();
    assert!(profile.to_string().contains("configured"), "{profile}");
}

/// What an implementation answers is held to what was asked for, where it is asked; the report has the line of the operation.
#[test]
fn an_answer_of_the_wrong_type_is_a_mistake_at_the_line_of_the_operation() {
    fn zeros_of<'g>(x: Expr<'g>, n: usize) -> Expr<'g> {
        x.graph().full(0.0, (n,))
    }
    const WRONG_FACTOR: Configured =
        Configured { derivative: Derivative::Partials(|application| zeros_of(application.output(), 2)), ..SINE };
    const WRONG_COTANGENT: Configured =
        Configured { derivative: Derivative::Linear(|cotangent, _| zeros_of(cotangent, 5)), ..SINE };
    const WRONG_PRODUCT: Configured = Configured {
        derivative: Derivative::Products {
            vjp: |_, cotangent, _| cotangent.cast(DType::F32),
            jvp: |_, tangent, _| tangent.sum(),
        },
        ..SINE
    };
    const ALL_OF_A_ROW: Configured = Configured {
        output_type: |operands| Ok(Type::new(DType::F64, (operands[0].shape[0].clone(), 2))),
        derivative: Derivative::Partials(|application| application.output()),
        rows: Some(&[0]),
        ..SINE
    };
    const NO_ROWS: Configured =
        Configured { output_type: |_| Ok(Type::new(DType::F64, (4,))), rows: Some(&[0]), ..SINE };
    const NO_OPERAND: Configured = Configured { rows: Some(&[1]), ..SINE };
    const OVERWRITES_ANOTHER: Configured =
        Configured { output_type: |_| Ok(Type::new(DType::F64, (4,))), overwrites: Some(0), ..SINE };
    type Case = (Configured, fn(Expr<'_>, Expr<'_>), &'static str);
    let reverse: fn(Expr<'_>, Expr<'_>) = |x, y| _ = x.graph().gradient(y.sum(), x);
    let forward: fn(Expr<'_>, Expr<'_>) = |x, y| _ = x.graph().jvp(y, &[(x, x)]);
    let nothing: fn(Expr<'_>, Expr<'_>) = |_, _| ();
    let cases: [Case; 10] = [
        (WRONG_FACTOR, reverse, "a factor of its derivative must be f64[3], and is f64[2]"),
        (WRONG_FACTOR, forward, "a factor of its derivative must be f64[3], and is f64[2]"),
        (WRONG_COTANGENT, reverse, "a cotangent must be f64[3], and is f64[5]"),
        (WRONG_PRODUCT, reverse, "a cotangent must be f64[3], and is f32[3]"),
        (WRONG_PRODUCT, forward, "a tangent must be f64[3], and is f64[]"),
        (ALL_OF_A_ROW, reverse, "its derivative is elementwise, so operand 0 must be f64[3, 2], and is f64[3]"),
        (NO_ROWS, nothing, "it goes by rows, so operand 0 must have as many as the output, which is f64[4]"),
        (NO_OPERAND, nothing, "it goes by rows, so operand 1 must have as many as the output"),
        (OVERWRITES_ANOTHER, nothing, "it overwrites operand 0, which must then be of the type of the output, f64[4]"),
        (SINE, |x, _| _ = x.graph().custom(SINE, [x, x]), "it takes one f64 array"),
    ];
    for (operation, build, message) in cases {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", (3,));
        let (y, line) = (g.custom(operation, [x]), line!());
        build(x, y);
        let report = g.check().unwrap_err().to_string();
        assert!(report.contains(message), "{message}: {report}");
        assert!(report.contains(&format!("custom.rs:{line}")) || message.contains("one f64"), "{report}");
        assert!(report.contains("impl CustomOp"), "{report}");
    }
}

#[test]
fn a_batch_of_the_wrong_shape_is_a_mistake() {
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct NoBatch;
    impl CustomOp for NoBatch {
        const NAME: &'static str = "no_batch";
        fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
            one_f64(operands)
        }
        fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
            map(operands, output, |x| x)
        }
        fn linearization(&self) -> Linearization<'_> {
            Linearization::Constant
        }
        fn batch<'g>(&self, application: &BatchApplication<'g>) -> Option<Expr<'g>> {
            Some(application.operands()[0].expr().sum_over(0))
        }
    }
    let g = Graph::new();
    let (x, xs) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::F64, "xs", ("n", 3)));
    g.batch(g.custom(NoBatch, [x]), [(x, xs)]);
    let report = g.check().unwrap_err().to_string();
    assert!(report.contains("its batch must be f64[n, 3], and is f64[3]"), "{report}");
}

/// What decides about memory and threads is asked once, so an operation that changes its mind reaches no memory but its own.
#[test]
fn an_operation_that_changes_its_mind_about_memory_computes_all_the_same() {
    #[derive(Debug)]
    struct Fickle(AtomicUsize);
    impl PartialEq for Fickle {
        fn eq(&self, _: &Fickle) -> bool {
            false
        }
    }
    impl Eq for Fickle {}
    impl std::hash::Hash for Fickle {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }
    impl CustomOp for Fickle {
        const NAME: &'static str = "fickle";
        fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
            one_f64(operands)
        }
        fn evaluate(&self, operands: &[ValueView<'_>], mut output: ValueViewMut<'_>) -> Result<(), CustomError> {
            if !operands.is_empty() {
                return Err("the first answer was that it overwrites its operand".into());
            }
            output.array_mut::<f64>().ok_or("another type")?.mapv_inplace(|y| -y);
            Ok(())
        }
        fn linearization(&self) -> Linearization<'_> {
            Linearization::Constant
        }
        fn overwrites(&self) -> Option<usize> {
            self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2).then_some(0)
        }
        fn rows(&self) -> Option<&[usize]> {
            self.0.load(Ordering::Relaxed).is_multiple_of(2).then_some(&[0])
        }
    }
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let g = Graph::new();
        let sums = g.input_of(DType::F64, "x", (3,)).cumulative_sum(0);
        let y = g.custom(Fickle(AtomicUsize::new(0)), [sums]);
        let mut program = g.compile_with(y, &options(evaluation, 2)).unwrap();
        for _ in 0..3 {
            assert_eq!(program.call(("x", &[1.0, 2.0, 3.0])).unwrap()["result"], Value::from([-1.0, -3.0, -6.0]));
        }
    }
}

#[test]
fn a_panic_about_sizes_that_are_numbers_is_an_error_of_the_run() {
    let panics = Configured {
        output_type: |operands| match operands[0].shape.as_numbers() {
            Some(sizes) => panic!("no {sizes:?}"),
            None => Ok(operands[0].clone()),
        },
        derivative: Derivative::Constant,
        attributes: "panics on numbers",
        ..SINE
    };
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let g = Graph::new();
        let y = g.custom(panics.clone(), [g.input_of(DType::F64, "x", ("n",))]);
        let mut program = g.compile_with(y, &options(evaluation, 1)).unwrap();
        let error = program.call(("x", &[1.0, 2.0])).unwrap_err().to_string();
        assert!(error.contains("it panicked: no [2]") && error.contains("custom.rs:"), "{error}");
    }
}

/// Rows times their position, which are wrong if each part counts from 0.
#[test]
fn rows_that_count_from_the_first_of_their_part_are_found_by_the_proof() {
    let counting = Configured {
        evaluate: |operands, mut output| {
            let (Some(x), Some(mut y)) = (operands[0].array::<f64>(), output.array_mut::<f64>()) else {
                return Err("another type".into());
            };
            (0..x.len()).for_each(|i| y[[i]] = i as f64 * x[[i]]);
            Ok(())
        },
        derivative: Derivative::Linear(|cotangent, _| {
            let positions = cotangent.graph().iota(DType::F64, cotangent.shape(), 0);
            cotangent * positions
        }),
        attributes: "counting",
        ..SINE
    };
    let x = || [Value::from([0.5, 1.5, 2.5])];
    prove_operation(counting.clone(), x(), Smoothness::Smooth).unwrap();
    let wrong = Configured { rows: Some(&[0]), ..counting };
    let error = prove_operation(wrong, x(), Smoothness::Smooth).unwrap_err().to_string();
    assert!(error.contains("rows one by one against all at 1"), "{error}");
}

/// An error that panics when it is shown, and one that panics when it is dropped, are errors of the run like any other.
#[test]
fn an_error_that_panics_itself_is_an_error_of_the_run_and_leaves_nothing_behind() {
    #[derive(Debug)]
    struct Spiteful {
        in_drop: bool,
    }
    impl std::fmt::Display for Spiteful {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            assert!(self.in_drop, "shown");
            f.write_str("shown without a panic")
        }
    }
    impl std::error::Error for Spiteful {}
    impl Drop for Spiteful {
        fn drop(&mut self) {
            assert!(!self.in_drop || std::thread::panicking(), "dropped");
        }
    }
    let fails = |in_drop: bool| Configured {
        evaluate: if in_drop {
            |operands, output| match operands[0].array::<f64>() {
                Some(x) if x.iter().any(|x| *x < 0.0) => Err(Box::new(Spiteful { in_drop: true })),
                _ => map(operands, output, |x| x),
            }
        } else {
            |operands, output| match operands[0].array::<f64>() {
                Some(x) if x.iter().any(|x| *x < 0.0) => Err(Box::new(Spiteful { in_drop: false })),
                _ => map(operands, output, |x| x),
            }
        },
        derivative: Derivative::Constant,
        rows: Some(&[0]),
        attributes: if in_drop { "dropped" } else { "shown" },
        ..SINE
    };
    for (in_drop, message) in [(false, "it panicked: shown"), (true, "it panicked: dropped")] {
        for n in [3, 200_000] {
            let g = Graph::new();
            let y = g.custom(fails(in_drop), [g.input_of(DType::F64, "x", (n,))]).sum();
            let mut program = g.compile_with(y, &options(Evaluation::Compiled, 4)).unwrap();
            let error = program.call(("x", &vec![-1.0; n])).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
            assert_eq!(program.call(("x", &vec![2.0; n])).unwrap().scalar::<f64>("result").unwrap(), 2.0 * n as f64);
        }
    }
}

#[test]
fn an_operation_without_operands_has_a_place_in_a_proof() {
    let pi = Configured {
        output_type: |_| Ok(Type::new(DType::F64, ())),
        evaluate: |_, mut output| {
            output.array_mut::<f64>().ok_or("another type")?.fill(std::f64::consts::PI);
            Ok(())
        },
        derivative: Derivative::Constant,
        attributes: "pi",
        ..SINE
    };
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let y = x * x * g.custom(pi, []);
    pullback::check::prove_expression(y, &[(x, 0.5.into())], Smoothness::Smooth).unwrap();
}

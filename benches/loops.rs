//! Loops against the same steps written out: a recurrent network, an ODE and a filter, with their gradients.

use criterion::{BenchmarkId, Criterion};
use ndarray::ArrayD;
use pullback::{DType, Evaluation, Expr, Graph, Options, Program, Value};

use super::workloads::runge_kutta;

/// How the steps are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As one loop.
    Scan,
    /// One after another.
    Unrolled,
}

fn fill(dtype: DType, shape: &[usize], scale: f64) -> Value {
    let mut position = 0.37;
    let array = ArrayD::from_shape_simple_fn(shape, || {
        position = (position + 0.618_033_988_749_894_9_f64).fract();
        scale * (position - 0.5)
    });
    match dtype {
        DType::F32 => Value::from(array.mapv(|x| x as f32)),
        _ => Value::from(array),
    }
}

/// A program with what it is fed.
struct Case {
    program: Program,
    inputs: Vec<(&'static str, Value)>,
}

impl Case {
    fn run(&mut self) {
        let fed: Vec<(&str, &Value)> = self.inputs.iter().map(|(name, value)| (*name, value)).collect();
        self.program.call(fed.as_slice()).expect("the inputs fit");
    }
}

fn compile(g: &Graph, loss: Expr<'_>, wanted: &[Expr<'_>]) -> Program {
    let gradients = g.gradients(loss, wanted);
    let names = gradients.iter().enumerate().map(|(position, gradient)| (format!("g{position}"), *gradient));
    let results: Vec<(String, Expr<'_>)> = std::iter::once(("loss".to_owned(), loss)).chain(names).collect();
    let options = Options { threads: 1, evaluation: Evaluation::Compiled, ..Options::default() };
    g.compile_with(results, &options).expect("the graph has no error")
}

/// Runs `step` over the leading axis of `xs`, for the last carry.
fn iterate<'g, const N: usize>(
    (form, steps): (Form, usize),
    first: [Expr<'g>; N],
    xs: Option<Expr<'g>>,
    step: impl Fn([Expr<'g>; N], Option<Expr<'g>>) -> [Expr<'g>; N],
) -> [Expr<'g>; N] {
    let g = first[0].graph();
    match (form, xs) {
        (Form::Scan, Some(xs)) => g.scan(first, xs, |carry, x| (step(carry, Some(x)), ())).0,
        (Form::Scan, None) => g.fori(steps, first, |_, carry| step(carry, None)),
        (Form::Unrolled, _) => {
            (0..steps).fold(first, |carry, position| step(carry, xs.map(|xs| xs.slice((position as i64, ..)))))
        }
    }
}

/// Batch, features and hidden units of the LSTM.
const LSTM: [usize; 3] = [32, 128, 128];

/// An LSTM of 128 hidden units over a batch of 32, f32: the gradient of its weights.
fn lstm(form: Form, steps: usize) -> Case {
    let [batch, features, hidden] = LSTM;
    let f32_value = |shape: &[usize], scale| fill(DType::F32, shape, scale);
    let inputs = vec![
        ("xs", f32_value(&[steps, batch * features], 1.0)),
        ("w", f32_value(&[features, 4 * hidden], 0.2)),
        ("u", f32_value(&[hidden, 4 * hidden], 0.2)),
        ("b", f32_value(&[4 * hidden], 0.1)),
    ];
    Case { program: lstm_program(form, steps), inputs }
}

fn lstm_program(form: Form, steps: usize) -> Program {
    let [batch, features, hidden] = LSTM;
    let g = Graph::new();
    // A row for each example and step, so that a step is a slice of the leading axis.
    let xs = g.input("xs", (steps, batch * features));
    let (w, u) = (g.input("w", (features, 4 * hidden)), g.input("u", (hidden, 4 * hidden)));
    let b = g.input("b", (4 * hidden,));
    let zero = g.full(0.0f32, (batch, hidden));
    let [h, _] = iterate((form, steps), [zero, zero], Some(xs), |[h, c], x| {
        let x = x.expect("there are slices").reshape((batch, features));
        let gates = (x.dot(w) + h.dot(u) + b).split(4, -1);
        let c = gates[0].sigmoid() * c + gates[1].sigmoid() * gates[2].tanh();
        [gates[3].sigmoid() * c.tanh(), c]
    });
    compile(&g, (h * h).sum(), &[w, u, b])
}

/// The Lorenz system by Runge and Kutta's method of order 4, f64: the sensitivity of its end to its start.
fn lorenz(form: Form, steps: usize) -> Case {
    let g = Graph::new();
    let names = ["x", "y", "z"];
    let first = names.map(|name| g.input_of(DType::F64, name, ()));

    let last = iterate((form, steps), first, None, |at, _| {
        let parameters = [10.0, 28.0, 8.0 / 3.0].map(|number| at[0].full_like(number));
        runge_kutta::step(at, |at| runge_kutta::lorenz(at, parameters), 0.001)
    });
    let program = compile(&g, last[0] + last[1] * last[2], &first);
    let inputs = names.into_iter().zip([1.0, 1.5, 20.0]).map(|(name, x)| (name, Value::from(x))).collect();
    Case { program, inputs }
}

/// A Kalman filter of 4 states and 2 observations, f64: the gradient of the log-likelihood by its matrices.
fn kalman(form: Form, steps: usize) -> Case {
    let g = Graph::new();
    let input = |name: &str, shape: &[usize]| g.input_of(DType::F64, name, shape);
    let (a, c) = (input("a", &[4, 4]), input("c", &[2, 4]));
    let ys = input("ys", &[steps, 2]);
    let (state_noise, noise) = (g.eye(4, DType::F64) * 0.1, g.eye(2, DType::F64) * 0.2);
    let first = [g.full(0.0, (4,)), g.eye(4, DType::F64), g.full(0.0, ())];
    let [_, _, likelihood] = iterate((form, steps), first, Some(ys), |[mean, covariance, sum], y| {
        let mean = a.dot(mean);
        let covariance = a.dot(covariance).dot(a.transpose([1, 0])) + state_noise;
        let residual = y.expect("there are slices") - c.dot(mean);
        let cross = covariance.dot(c.transpose([1, 0]));
        let root = (c.dot(cross) + noise).cholesky();
        let white =
            root.solve_triangular(residual.unsqueeze(1), pullback::Triangle::Lower, pullback::Orientation::Plain);
        let gain =
            root.solve_triangular(cross.transpose([1, 0]), pullback::Triangle::Lower, pullback::Orientation::Plain);
        let sum = sum - 0.5 * (white * white).sum() - root.square().sum().log();
        [mean + gain.transpose([1, 0]).dot(white).squeeze(1), covariance - gain.transpose([1, 0]).dot(gain), sum]
    });
    let program = compile(&g, likelihood, &[a, c]);
    let mut transition = fill(DType::F64, &[4, 4], 0.2);
    if let Value::F64(array) = &mut transition {
        (0..4).for_each(|i| array[[i, i]] += 0.9);
    }
    let inputs =
        vec![("a", transition), ("c", fill(DType::F64, &[2, 4], 2.0)), ("ys", fill(DType::F64, &[steps, 2], 2.0))];
    Case { program, inputs }
}

/// A workload by its name, the form and the number of steps.
type Workload = fn(Form, usize) -> Case;

pub(crate) fn bench(criterion: &mut Criterion) {
    let workloads: [(&str, Workload, &[usize], usize); 3] = [
        ("lstm", lstm, &[64, 256, 1024], 256),
        ("lorenz", lorenz, &[200, 10_000], 200),
        ("kalman", kalman, &[50, 1000], 50),
    ];
    for (name, workload, sizes, max_unrolled) in workloads {
        let mut group = criterion.benchmark_group(format!("loops/{name}"));
        group.sample_size(10);
        for steps in sizes {
            for form in [Form::Scan, Form::Unrolled] {
                if form == Form::Unrolled && *steps > max_unrolled {
                    continue;
                }
                let mut case = workload(form, *steps);
                group.bench_function(BenchmarkId::new(format!("{form:?}"), steps), |bencher| {
                    bencher.iter(|| case.run())
                });
            }
        }
        group.finish();
    }
}

/// Making the gradient of an LSTM, its program and its plan, without a run.
pub(crate) fn bench_compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loops/compile");
    group.sample_size(10);
    for (form, steps) in [(Form::Scan, 64), (Form::Scan, 1024), (Form::Unrolled, 64)] {
        let id = BenchmarkId::new(format!("{form:?}"), steps);
        let plan = || lstm_program(form, steps).summary([]).expect("there are no symbols");
        group.bench_function(id, |bencher| bencher.iter(plan));
    }
    group.finish();
}

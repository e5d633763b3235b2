//! Batches of graphs against loops over their slices, on one thread: gradients of each example of a convolutional classifier, and
//! an ensemble.

use criterion::{Criterion, SamplingMode};
use ndarray::{ArrayD, Axis, IxDyn};
use pullback::{Convolve, DType, Dim, Expr, Graph, Options, Program, Value, nn::cross_entropy};

const N_EXAMPLES: usize = 32;
const N_NETWORKS: usize = 16;

fn numbers(shape: &[usize]) -> Value {
    let mut position = 0.37;
    Value::F32(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        position = (position + 0.618_033_988_749_894_9_f64).fract();
        (0.1 * position - 0.05) as f32
    }))
}

fn compile<'g>(results: Vec<(String, Expr<'g>)>) -> Program {
    let g = results[0].1.graph();
    let options = Options { threads: 1, ..Options::default() };
    g.compile_with(results, &options).expect("the graph has no mistake")
}

fn named(results: Vec<Expr<'_>>) -> Vec<(String, Expr<'_>)> {
    results.into_iter().enumerate().map(|(position, result)| (position.to_string(), result)).collect()
}

const WEIGHTS: [(&str, &[usize]); 5] = [
    ("kernel1", &[32, 1, 3, 3]),
    ("kernel2", &[64, 32, 3, 3]),
    ("hidden", &[3136, 128]),
    ("bias", &[128]),
    ("out", &[128, 10]),
];

/// The gradients of a classifier of images of 28 × 28, by two convolutions and two products.
fn gradients<'g>(x: Expr<'g>, labels: Expr<'g>) -> Vec<Expr<'g>> {
    let g = x.graph();
    let weights: Vec<Expr<'g>> = WEIGHTS.iter().map(|(name, shape)| g.input(name, *shape)).collect();
    let first = x.convolve(weights[0], Convolve::same()).relu().max_pool(2);
    let second = first.convolve(weights[1], Convolve::same()).relu().max_pool(2);
    let hidden = (second.flatten(1).dot(weights[2]) + weights[3]).relu();
    g.gradients(cross_entropy(hidden.dot(weights[4]), labels).sum(), &weights)
}

fn examples() -> Vec<(String, Value)> {
    let mut fed: Vec<(String, Value)> =
        WEIGHTS.iter().map(|(name, shape)| ((*name).to_string(), numbers(shape))).collect();
    let labels = ArrayD::from_shape_fn(IxDyn(&[N_EXAMPLES, 1]), |place| (place[0] % 10) as i64);
    fed.extend([("xs".to_string(), numbers(&[N_EXAMPLES, 1, 1, 28, 28])), ("labels".to_string(), Value::I64(labels))]);
    fed
}

/// Gradients of 32 examples: batched by a number and by a symbol, in a loop, and (what costs least) of their sum alone.
pub(crate) fn bench_examples(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gradients of 32 examples");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let one = |g: &Graph| (g.input("x", (1, 1, 28, 28)).id(), g.input_of(DType::I64, "label", (1,)).id());
    for (name, n) in [("batched by a number", Dim::from(N_EXAMPLES)), ("batched by a symbol", Dim::symbol("n"))] {
        group.bench_function(name, |bencher| {
            let g = Graph::new();
            let (x, label) = one(&g);
            let (x, label) = (g.expr(x), g.expr(label));
            let xs = g.input("xs", (n.clone(), 1, 1, 28, 28));
            let labels = g.input_of(DType::I64, "labels", (n.clone(), 1));
            let mut program = compile(named(g.batch(gradients(x, label), [(x, xs), (label, labels)])));
            let fed = examples();
            bencher.iter_with_large_drop(|| program.call(&fed).expect("the data fits"));
        });
    }
    group.bench_function("one after another", |bencher| {
        let g = Graph::new();
        let (x, label) = one(&g);
        let mut program = compile(named(gradients(g.expr(x), g.expr(label))));
        let mut fed = examples();
        let (Some((_, Value::I64(labels))), Some((_, Value::F32(xs)))) = (fed.pop(), fed.pop()) else {
            unreachable!("invariant: these are the last two")
        };
        let fed: Vec<Vec<(String, Value)>> = (0..N_EXAMPLES)
            .map(|k| {
                let x = Value::F32(xs.index_axis(Axis(0), k).to_owned());
                let label = Value::I64(labels.index_axis(Axis(0), k).to_owned());
                [fed.as_slice(), &[("x".to_string(), x), ("label".to_string(), label)]].concat()
            })
            .collect();
        bencher.iter_with_large_drop(|| {
            fed.iter().map(|fed| program.call(fed).expect("the data fits")).collect::<Vec<_>>()
        });
    });
    group.bench_function("of their sum", |bencher| {
        let g = Graph::new();
        let (xs, labels) =
            (g.input("xs", (N_EXAMPLES, 1, 1, 28, 28)), g.input_of(DType::I64, "labels", (N_EXAMPLES, 1)));
        let results = gradients(xs.reshape((N_EXAMPLES, 1, 28, 28)), labels.reshape((N_EXAMPLES,)));
        let mut program = compile(named(results));
        let fed = examples();
        bencher.iter_with_large_drop(|| program.call(&fed).expect("the data fits"));
    });
    group.finish();
}

/// The loss of a network of two layers with its gradients.
fn network<'g>(x: Expr<'g>, labels: Expr<'g>, weights: [Expr<'g>; 2]) -> Vec<Expr<'g>> {
    let loss = cross_entropy(x.dot(weights[0]).tanh().dot(weights[1]), labels).mean();
    [vec![loss], x.graph().gradients(loss, &weights)].concat()
}

/// Losses and gradients of 16 networks 64 → 64 → 10 on 32 rows, at once and one after another.
pub(crate) fn bench_ensemble(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("16 networks");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    let sizes = [("w", [64, 64]), ("v", [64, 10])];
    for name in ["at once", "one after another"] {
        group.bench_function(name, |bencher| {
            let g = Graph::new();
            let (x, labels) = (g.input("x", (32, 64)), g.input_of(DType::I64, "labels", (32,)));
            let weights = sizes.map(|(name, size)| g.input(name, size));
            let results = network(x, labels, weights);
            let stacks = sizes.map(|(name, [n_in, n_out])| g.input(&format!("{name}s"), (N_NETWORKS, n_in, n_out)));
            let classes = Value::I64(ArrayD::from_shape_fn(IxDyn(&[32]), |place| (place[0] % 10) as i64));
            let mut fed = vec![("x".to_string(), numbers(&[32, 64])), ("labels".to_string(), classes)];
            if name == "at once" {
                let mut program = compile(named(g.batch(results, weights.into_iter().zip(stacks))));
                fed.extend(
                    sizes.map(|(name, [n_in, n_out])| (format!("{name}s"), numbers(&[N_NETWORKS, n_in, n_out]))),
                );
                bencher.iter_with_large_drop(|| program.call(&fed).expect("the data fits"));
            } else {
                let mut program = compile(named(results));
                fed.extend(sizes.map(|(name, size)| (name.to_string(), numbers(&size))));
                bencher.iter_with_large_drop(|| {
                    (0..N_NETWORKS).map(|_| program.call(&fed).expect("the data fits")).collect::<Vec<_>>()
                });
            }
        });
    }
    group.finish();
}

//! Batches of graphs against loops over their slices, on one thread: gradients of each example of a convolutional classifier, and
//! an ensemble. Results are written into memory that is there.

use criterion::{Criterion, SamplingMode};
use ndarray::{ArrayD, IxDyn};
use pullback::{Convolve, DType, Dim, Expr, Graph, Options, Parameters, Program, Value, nn::cross_entropy};

const N_EXAMPLES: usize = 32;
const N_NETWORKS: usize = 16;

fn numbers(shape: &[usize]) -> Value {
    let mut position = 0.37;
    Value::F32(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        position = (position + 0.618_033_988_749_894_9_f64).fract();
        (0.1 * position - 0.05) as f32
    }))
}

/// Arrays by name.
type Arrays = Vec<(String, Value)>;

/// A program, and what it is called with one time after another, with arrays for what comes out.
struct Calls {
    program: Program,
    calls: Vec<(Arrays, Arrays)>,
}

impl Calls {
    fn new(results: Vec<Expr<'_>>, fed: Vec<Arrays>) -> Calls {
        let g = results[0].graph();
        let named = results.into_iter().enumerate().map(|(position, result)| (position.to_string(), result));
        let options = Options { threads: 1, ..Options::default() };
        let mut program = g.compile_with(named.collect::<Vec<_>>(), &options).expect("the graph has no mistake");
        let with_outputs = |fed: Arrays| {
            let outputs = program.call(&fed).expect("the data fits");
            (fed, outputs.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
        };
        let calls = fed.into_iter().map(with_outputs).collect();
        Calls { program, calls }
    }

    fn run(&mut self) {
        for (fed, outputs) in &mut self.calls {
            self.program.run_into(&Parameters::default(), &*fed, &mut *outputs).expect("the data fits");
        }
    }
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

fn weights() -> Arrays {
    WEIGHTS.iter().map(|(name, shape)| ((*name).to_string(), numbers(shape))).collect()
}

fn examples() -> Arrays {
    let labels = ArrayD::from_shape_fn(IxDyn(&[N_EXAMPLES, 1]), |place| (place[0] % 10) as i64);
    let xs = numbers(&[N_EXAMPLES, 1, 1, 28, 28]);
    [weights(), vec![("xs".to_string(), xs), ("labels".to_string(), Value::I64(labels))]].concat()
}

fn example(k: usize) -> Arrays {
    let label = ArrayD::from_elem(IxDyn(&[1]), (k % 10) as i64);
    let x = numbers(&[1, 1, 28, 28]);
    [weights(), vec![("x".to_string(), x), ("label".to_string(), Value::I64(label))]].concat()
}

/// Gradients of 32 examples: batched by a number and by a symbol, in a loop, and (what costs least) of their sum alone.
pub(crate) fn bench_examples(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gradients of 32 examples");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (name, n) in [("batched by a number", Dim::from(N_EXAMPLES)), ("batched by a symbol", Dim::symbol("n"))] {
        group.bench_function(name, |bencher| {
            let g = Graph::new();
            let (x, label) = (g.input("x", (1, 1, 28, 28)), g.input_of(DType::I64, "label", (1,)));
            let xs = g.input("xs", (n.clone(), 1, 1, 28, 28));
            let labels = g.input_of(DType::I64, "labels", (n.clone(), 1));
            let results = g.batch(gradients(x, label), [(x, xs), (label, labels)]);
            let mut calls = Calls::new(results, vec![examples()]);
            bencher.iter(|| calls.run());
        });
    }
    group.bench_function("one after another", |bencher| {
        let g = Graph::new();
        let (x, label) = (g.input("x", (1, 1, 28, 28)), g.input_of(DType::I64, "label", (1,)));
        let mut calls = Calls::new(gradients(x, label), (0..N_EXAMPLES).map(example).collect());
        bencher.iter(|| calls.run());
    });
    group.bench_function("of their sum", |bencher| {
        let g = Graph::new();
        let xs = g.input("xs", (N_EXAMPLES, 1, 1, 28, 28));
        let labels = g.input_of(DType::I64, "labels", (N_EXAMPLES, 1));
        let results = gradients(xs.reshape((N_EXAMPLES, 1, 28, 28)), labels.reshape((N_EXAMPLES,)));
        let mut calls = Calls::new(results, vec![examples()]);
        bencher.iter(|| calls.run());
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
    let classes = ArrayD::from_shape_fn(IxDyn(&[32]), |place| (place[0] % 10) as i64);
    let data = vec![("x".to_string(), numbers(&[32, 64])), ("labels".to_string(), Value::I64(classes))];
    for is_batched in [true, false] {
        group.bench_function(if is_batched { "at once" } else { "one after another" }, |bencher| {
            let g = Graph::new();
            let (x, labels) = (g.input("x", (32, 64)), g.input_of(DType::I64, "labels", (32,)));
            let weights = sizes.map(|(name, size)| g.input(name, size));
            let results = network(x, labels, weights);
            let mut calls = if is_batched {
                let of_all = |[n_in, n_out]: [usize; 2]| [N_NETWORKS, n_in, n_out];
                let stacks = sizes.map(|(name, size)| g.input(&format!("{name}s"), of_all(size)));
                let fed = sizes.map(|(name, size)| (format!("{name}s"), numbers(&of_all(size))));
                let results = g.batch(results, weights.into_iter().zip(stacks));
                Calls::new(results, vec![[data.as_slice(), &fed].concat()])
            } else {
                let fed = sizes.map(|(name, size)| (name.to_string(), numbers(&size)));
                Calls::new(results, vec![[data.as_slice(), &fed].concat(); N_NETWORKS])
            };
            bencher.iter(|| calls.run());
        });
    }
    group.finish();
}

//! A chain of n additions, f64: building, deriving, simplifying, printing and evaluating it take time linear in n.

use criterion::{BenchmarkId, Criterion, Throughput};
use pullback::{Expr, Graph, Parameters, Rewrites};

fn chain(g: &Graph, length: usize) -> (Expr<'_>, Expr<'_>) {
    let x = g.input_of::<f64>("x", ());
    (x, (0..length).fold(x, |sum, _| sum + 1e-6))
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain");
    group.sample_size(10);
    for length in [1_000, 10_000, 100_000] {
        group.throughput(Throughput::Elements(length as u64));
        group.bench_function(BenchmarkId::new("build", length), |bencher| {
            bencher.iter(|| chain(&Graph::new(), length).1.id());
        });
        group.bench_function(BenchmarkId::new("build and derive", length), |bencher| {
            bencher.iter(|| {
                let g = Graph::new();
                let (x, y) = chain(&g, length);
                g.gradient(y, x).id()
            });
        });
        let g = Graph::new();
        let (_, y) = chain(&g, length);
        group.bench_function(BenchmarkId::new("print", length), |bencher| bencher.iter(|| g.show(y).len()));
        group.bench_function(BenchmarkId::new("simplify", length), |bencher| {
            bencher.iter(|| g.simplify(y, &Rewrites::default()).expect("the chain has no mistake").graph.len());
        });
        let mut program = g.compile(y).expect("the chain has no mistake");
        group.bench_function(BenchmarkId::new("evaluate", length), |bencher| {
            bencher.iter(|| program.run(&Parameters::default(), [("x", (&1.0).into())]).expect("the input fits"));
        });
    }
    group.finish();
}

//! A chain of n sines, f64: building, deriving, simplifying, compiling, printing and running it take time linear in n.

use criterion::{BenchmarkId, Criterion, Throughput};
use pullback::{DType, Expr, Graph, Parameters, Rewrites};

use super::workloads::Compiler;

fn chain(g: &Graph, length: usize) -> (Expr<'_>, Expr<'_>) {
    let x = g.input_of(DType::F64, "x", ());
    (x, (0..length).fold(x, |y, _| y.sin()))
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let compiler = Compiler::new(1);
    let mut group = criterion.benchmark_group("chain");
    group.sample_size(10);
    for length in [100, 1_000, 10_000, 100_000] {
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
        let compile = || compiler.program(&g, vec![("y", y)]).expect("the chain has no mistake");
        group.bench_function(BenchmarkId::new("compile", length), |bencher| bencher.iter(compile));
        let (mut program, parameters, mut end) = (compile(), Parameters::default(), 0.0f64);
        group.bench_function(BenchmarkId::new("evaluate", length), |bencher| {
            bencher.iter(|| {
                let inputs = ("x", 1.0);
                program.run_into(&parameters, inputs, ("y", &mut end)).expect("the input fits");
            });
        });
    }
    group.finish();
}

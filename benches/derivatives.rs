//! Backpropagation, the naive derivative and central differences over depth and width, f64, one example. The baseline
//! is backpropagation; the differences are timed as one pair of evaluations and counted up in the docs' table.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use pullback::Graph;

use super::network::{Method, input, program};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("derivatives");
    group.sample_size(20);
    for (depth, width) in [(4, 32), (8, 32), (16, 32), (8, 16), (8, 64)] {
        for method in [Method::Backpropagation, Method::Naive, Method::Function] {
            let g = Graph::new();
            let mut program = program(&g, depth, width, method);
            let parameters = g.initialize(0).expect("the network has no mistake");
            let x = input(width);
            let id = BenchmarkId::new(format!("{method:?}"), format!("f64 k={depth} H={width}"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| program.run(&parameters, ("x", black_box(&x))).expect("the input fits"));
            });
        }
    }
    group.finish();
}

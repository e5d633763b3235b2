//! Gradients of T parts of one array: rows by slices, by gathers with constant indices, and overlapping windows. Each is
//! set beside the value alone, for T that grow by 10: what is linear takes 10 times as long.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use ndarray::ArrayD;
use pullback::{DType, Expr, Graph};

/// T rows of x as a scalar.
type Parts = for<'g> fn(Expr<'g>, i64) -> Vec<Expr<'g>>;

const KINDS: [(&str, Parts); 3] = [
    ("slices", |x, t| (0..t).map(|i| x.slice(i)).collect()),
    ("gathers", |x, t| (0..t).map(|i| x.gather(x.graph().constant((7 * i) % t), 0)).collect()),
    ("windows", |x, t| (0..t - 2).map(|i| x.slice(i..i + 3)).collect()),
];

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("slices");
    group.sample_size(10);
    for (kind, parts) in KINDS {
        for t in [100, 1_000, 10_000] {
            let g = Graph::new();
            let x = g.input_of(DType::F64, "x", (t, 8));
            // A recurrence, so that the parts are read one after another.
            let last = parts(x, t).into_iter().reduce(|state, part| state * 0.5 + part.square()).expect("parts");
            let loss = last.sum();
            let fed = ArrayD::from_elem(ndarray::IxDyn(&[t as usize, 8]), 0.5);
            for (result, what) in [(loss, "value"), (g.gradient(loss, x), "gradient")] {
                let mut program = g.compile(result).expect("no mistake");
                group.bench_function(BenchmarkId::new(format!("{kind} {what}"), t), |bencher| {
                    bencher.iter(|| program.call(("x", black_box(&fed))).expect("the input fits"));
                });
            }
        }
    }
    group.finish();
}

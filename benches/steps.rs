//! Each workload W1 to W13 on one thread: a step, and what comes before the first one. Sizes and dtypes are in
//! `workloads/`; the baselines are those of `benches/compare`.

use criterion::{BatchSize, Criterion, SamplingMode};

use super::workloads::{ALL, Compiler};

/// A step: loss and gradient, with the update where the workload has one.
pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for workload in ALL {
        // Compiled inside, so that a workload that is not asked for costs nothing.
        group.bench_function(workload.name, |bencher| {
            let compiled = workload.compile(&Compiler::new(1)).expect("the workload has no mistake");
            let mut task = workload.feed(compiled).expect("the data fits");
            bencher.iter(|| task.step().expect("the data fits"));
        });
    }
    group.finish();
}

/// From nothing to a program, and the first step, in which a program plans for the sizes that it is fed.
pub(crate) fn bench_compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for workload in ALL {
        group.bench_function(format!("{} build, derive and compile", workload.name), |bencher| {
            bencher.iter_with_large_drop(|| workload.compile(&Compiler::new(1)).expect("the workload has no mistake"));
        });
        group.bench_function(format!("{} first step", workload.name), |bencher| {
            let fresh = || {
                let compiled = workload.compile(&Compiler::new(1)).expect("the workload has no mistake");
                workload.feed(compiled).expect("the data fits")
            };
            bencher.iter_batched(fresh, |mut task| task.step().expect("the data fits"), BatchSize::PerIteration);
        });
    }
    group.finish();
}

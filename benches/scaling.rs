//! How the time of a call grows: from nothing (one addition of two `f64`), with the batch and with the threads. Depth is
//! in `chain.rs`.

use std::thread::available_parallelism;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use pullback::{Gradients, Graph, Parameters};

use super::workloads::{Compiler, functions, named, networks};

/// x + 1: what a call costs that computes nothing, with outputs made and with outputs that are there already.
pub(crate) fn bench_call(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call");
    let g = Graph::new();
    let compiler = Compiler::new(1);
    let mut program = compiler.program(&g, functions::next(&g)).expect("an addition has no mistake");
    let parameters = Parameters::default();
    group.bench_function("run", |bencher| {
        bencher.iter(|| program.run(&parameters, ("x", 1.0)).expect("the input fits"));
    });
    let mut y = 0.0f64;
    group.bench_function("run_into", |bencher| {
        bencher.iter(|| {
            program.run_into(&parameters, ("x", 1.0), ("y", &mut y)).expect("the input fits");
        });
    });
    group.finish();
}

/// Loss and gradient of the network of W1 (64-128-10, `f32`), one program for all batches. The baseline is batch 1.
pub(crate) fn bench_batch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch");
    group.sample_size(20);
    let g = Graph::new();
    let loss = networks::classifier(&g, &[64, 128, 10]);
    let mut step = Compiler::new(1).training_step(&g, loss).expect("the network has no mistake");
    let parameters = g.initialize(0).expect("the network has no mistake");
    let mut gradients = Gradients::zeros(parameters.layout().clone());
    for batch in [1, 8, 32, 128, 512] {
        let inputs = networks::classifier_inputs(batch, 64);
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            bencher.iter(|| step.run_into(&parameters, &inputs, &mut gradients).expect("the batch fits").0);
        });
    }
    group.finish();
}

/// The larger workloads on 1, 2, 4, … threads, up to one for each core. The baseline is one thread.
pub(crate) fn bench_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("threads");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let cores = available_parallelism().map_or(1, usize::from);
    for workload in ["W2", "W3b", "W4", "W5", "W6", "W6L", "W9"] {
        let workload = named(workload).expect("the workload is listed");
        for threads in
            std::iter::successors(Some(1), |threads| Some(threads * 2)).take_while(|threads| *threads <= cores)
        {
            group.bench_function(BenchmarkId::new(workload.name, threads), |bencher| {
                let compiled = workload.compile(&Compiler::new(threads)).expect("the workload has no mistake");
                let mut task = workload.feed(compiled).expect("the data fits");
                bencher.iter(|| task.step().expect("the data fits"));
            });
        }
    }
    group.finish();
}

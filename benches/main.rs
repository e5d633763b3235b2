//! All benches, one binary: `cargo bench` runs all, `cargo bench -- derivatives` one group. `benches/compare` sets the
//! workloads beside other libraries.

mod batching;
mod chain;
mod convolution;
mod derivatives;
mod functions;
mod jacobians;
mod loops;
mod network;
mod optimizers;
mod scaling;
mod slices;
mod steps;
#[allow(dead_code, reason = "the runner and the tests verify what the workloads compute")]
mod workloads;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    batching::bench_examples,
    batching::bench_ensemble,
    derivatives::bench,
    jacobians::bench,
    slices::bench,
    chain::bench,
    functions::bench,
    loops::bench,
    loops::bench_compile,
    convolution::bench,
    optimizers::bench,
    steps::bench,
    steps::bench_compile,
    scaling::bench_call,
    scaling::bench_batch,
    scaling::bench_threads
);
criterion_main!(benches);

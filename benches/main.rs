//! All benches, one binary: `cargo bench` runs all, `cargo bench -- derivatives` one group.

mod chain;
mod derivatives;
mod network;

use criterion::{criterion_group, criterion_main};

criterion_group!(benches, derivatives::bench, chain::bench);
criterion_main!(benches);

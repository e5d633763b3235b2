//! All benches, one binary.

fn main() {}

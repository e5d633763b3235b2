//! What derivatives cost on the lecture's layered network. In: a depth, a width and a way to the derivatives. Out: exact
//! floating-point operations and measured seconds.

#[path = "../../benches/network.rs"]
mod network;

use std::time::Instant;

use pullback::Graph;

pub(crate) use network::Method;
use network::{input, program, results};

use super::statistics::quantile;

/// Floating-point operations and median seconds of one way to all derivatives.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) flops: f64,
    pub(crate) seconds: f64,
}

/// Counts the operations of a method, and times it on one thread as often as told.
pub(crate) fn measure([depth, width]: [usize; 2], method: Method, n_runs: usize) -> Cost {
    let counted = Graph::new();
    let flops = counted.flops(results(&counted, depth, width, method)).as_number().expect("the sizes are numbers");
    let g = Graph::new();
    let mut program = program(&g, depth, width, method);
    let parameters = g.initialize(0).expect("the network has no mistake");
    let x = input(width);
    let seconds: Vec<f64> = (0..n_runs)
        .map(|_| {
            let start = Instant::now();
            program.run(&parameters, ("x", &x)).expect("the input fits");
            start.elapsed().as_secs_f64()
        })
        .collect();
    Cost { flops: flops as f64, seconds: quantile(&seconds, 0.5) }
}

//! The lecture's comparison: what all derivatives of a network of k layers of H units cost by backpropagation, naively,
//! and by central differences. Prints the table of docs/lecture/derivative-cost.md, and fails if the exponents are not those of
//! O(kH²), O(k²H²) and O(k²H⁴).
//!
//! ```text
//! cargo run --release --example derivative_cost
//! ```

#[path = "lecture/cost.rs"]
mod cost;
#[path = "lecture/statistics.rs"]
mod statistics;

use std::error::Error;

use cost::{Cost, Method, measure};
use statistics::power;

const DEPTHS: [usize; 4] = [4, 8, 16, 32];
const WIDTHS: [usize; 4] = [16, 32, 64, 128];
const DEPTH: usize = 8;
const WIDTH: usize = 64;
const REPEATS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    println!("| k | H | backpropagation, FLOP | naive | differences | backpropagation, µs | naive | differences |");
    println!("|---|---|---|---|---|---|---|---|");
    let over_depth = DEPTHS.map(|depth| (depth, row(depth, WIDTH)));
    let over_width = WIDTHS.map(|width| (width, row(DEPTH, width)));
    println!("\n| exponent | backpropagation | naive | differences |\n|---|---|---|---|");
    let in_k = exponents("k, FLOP", &over_depth, |cost| cost.flops);
    exponents("k, time", &over_depth, |cost| cost.seconds);
    let in_h = exponents("H, FLOP", &over_width, |cost| cost.flops);
    exponents("H, time", &over_width, |cost| cost.seconds);
    for (name, found, expected) in [("k", in_k, [1.0, 2.0, 2.0]), ("H", in_h, [2.0, 2.0, 4.0])] {
        let is_near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 0.25);
        if !is_near {
            return Err(format!("the exponents in {name} are {found:.2?}, not about {expected:?}").into());
        }
    }
    Ok(())
}

fn row(depth: usize, width: usize) -> [Cost; 3] {
    let [shared, naive, function] = [Method::Backpropagation, Method::Naive, Method::Function]
        .map(|method| measure([depth, width], method, REPEATS));
    // Two evaluations for each of the k·H² weights.
    let evaluations = 2.0 * (depth * width * width) as f64;
    let differences = Cost { flops: function.flops * evaluations, seconds: function.seconds * evaluations };
    let costs = [shared, naive, differences];
    let flops = costs.map(|cost| format!("{:.0}", cost.flops)).join(" | ");
    let micros = costs.map(|cost| format!("{:.0}", cost.seconds * 1e6)).join(" | ");
    println!("| {depth} | {width} | {flops} | {micros} |");
    costs
}

/// Slopes in a log-log plot, by least squares.
fn exponents<const N: usize>(name: &str, rows: &[(usize, [Cost; 3]); N], of: impl Fn(&Cost) -> f64) -> [f64; 3] {
    let slopes =
        [0, 1, 2].map(|method: usize| power(&rows.each_ref().map(|(size, costs)| (*size as f64, of(&costs[method])))));
    println!("| in {name} | {} |", slopes.map(|slope| format!("{slope:.2}")).join(" | "));
    slopes
}

//! Measures the error of the vector functions in f32 against f64, over every bit pattern or every so many.
//!
//! ```text
//! cargo run --release --example accuracy            # all 2³² numbers: some minutes
//! cargo run --release --example accuracy -- 4099    # every 4,099th
//! ```
//!
//! Exits with 1 if one is off by more than two units in the last place. The table is in docs/performance.md.

use std::{error::Error, process::ExitCode};

const MOST: f64 = 2.0;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let stride: u32 = std::env::args().nth(1).map_or(Ok(1), |stride| stride.parse())?;
    println!("| function | greatest error, ULP | at |\n|---|---|---|");
    let mut is_good = true;
    for (name, error, argument) in pullback::error_table(stride.max(1)) {
        println!("| {name} | {error:.3} | {argument:e} |");
        is_good &= error <= MOST;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

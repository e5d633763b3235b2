//! Measures the error of the vector functions in f32 against f64, over every bit pattern or every so many.
//!
//! ```text
//! cargo run --release --example accuracy            # all 2³² numbers: some minutes
//! cargo run --release --example accuracy -- 4099    # every 4,099th
//! ```
//!
//! Exits with 1 if one is off by more than its bound. The table is in docs/reference/performance.md.

use std::{error::Error, process::ExitCode};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let stride: u32 = std::env::args().nth(1).map_or(Ok(1), |stride| stride.parse())?;
    println!("| function | greatest error, ULP | at | bound |\n|---|---|---|---|");
    let mut is_good = true;
    for line in pullback::error_table(stride.max(1)) {
        println!("| {} | {:.3} | {:e} | {} |", line.name, line.error, line.argument, line.bound);
        // What is measured against is rounded too, to f64.
        is_good &= line.error <= line.bound + 1e-6;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! A Kalman filter with the derivatives of its likelihood, and a model-predictive controller, without the standard library, an allocator or
//! a panic. Exits with 0 if all numbers are those that the library computes.
//!
//! ```text
//! cargo run --release --manifest-path examples/embedded/Cargo.toml
//! ```

#![no_std]
#![no_main]

mod functions {
    include!(concat!(env!("OUT_DIR"), "/functions.rs"));
}
mod expected {
    include!(concat!(env!("OUT_DIR"), "/expected.rs"));
}

use functions::Libm;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// The start of a program on the host, and the functions that move memory.
#[link(name = "c")]
unsafe extern "C" {}

/// What the start of a C program calls.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    if !filter_agrees() {
        return 1;
    }
    if !control_agrees() {
        return 2;
    }
    0
}

fn filter_agrees() -> bool {
    let mut work = functions::FilterWorkspace::new();
    let (mut likelihood, mut by_push, mut by_noise, mut state) = (0.0, 0.0, 0.0, [0.0; 4]);
    functions::filter::<Libm>(
        &expected::MEASURED,
        0.5,
        0.01,
        &mut likelihood,
        &mut by_push,
        &mut by_noise,
        &mut state,
        &mut work,
    );
    agree(&[likelihood], &expected::LIKELIHOOD)
        && agree(&[by_push], &expected::BY_PUSH)
        && agree(&[by_noise], &expected::BY_NOISE)
        && agree(&state, &expected::STATE)
}

fn control_agrees() -> bool {
    let (mut plan, mut cost) = ([0.0; 12], 0.0);
    functions::control::<Libm>(&[0.0, 0.2], 1.0, &[0.0; 12], &mut plan, &mut cost);
    agree(&plan, &expected::PLAN) && agree(&[cost], &expected::COST)
}

/// Whether all numbers are the same but for rounding.
fn agree(got: &[f64], want: &[f64]) -> bool {
    got.iter().zip(want).all(|(got, want)| (got - want).abs() <= 1e-9 * want.abs().max(1.0))
}

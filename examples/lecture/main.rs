//! The claims of a lecture on non-convex optimization (docs/lecture/README.md), each measured, drawn and asserted.
//!
//! ```text
//! cargo run --release --example lecture -- list
//! cargo run --release --example lecture -- product-of-weights
//! cargo run --release --example lecture -- all --size quick
//! ```
//!
//! Exits with 1 if a claim's assertion fails.

mod adaptive_methods_overfit;
#[allow(dead_code, unused_imports, reason = "other examples use more of it")]
mod architectures;
mod backpropagation;
mod claim;
mod classifier;
mod corpus;
mod cost;
mod depth;
mod descent;
mod effective_rates;
mod generalization;
mod ill_conditioning;
mod intervals;
mod language_model;
mod lifting;
mod method;
mod momentum;
mod popular_architectures;
mod product_of_weights;
mod saddles;
mod sgd_rate;
mod statistics;
mod universal_approximation;
mod width;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;

use claim::{Claim, Setting, Size};

/// Measure the claims of a lecture on non-convex optimization.
#[derive(Parser)]
struct Arguments {
    /// A claim by name, or `all`, or `list`.
    claim: String,
    /// How much work: `quick` (seconds, for a first look), `default` (under a minute), or `full`.
    #[arg(long, value_enum, default_value_t = Size::Default)]
    size: Size,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where pictures go: docs/lecture/figures for the default size and seed, target/figures for any other, unless it is said.
    #[arg(long)]
    figures: Option<PathBuf>,
    /// Directory with the four files of Fashion-MNIST, plain or gzip, for claims that use them where they are. The default
    /// is where Debian's package dataset-fashion-mnist puts them.
    #[arg(long, default_value = "/usr/share/datasets/fashion-mnist")]
    data: PathBuf,
    /// The text that language models learn: a file in UTF-8. Without it, it is the King James Bible in target/kjv.txt, or what
    /// the command `bible` of Debian's package bible-kjv prints.
    #[arg(long)]
    text: Option<PathBuf>,
}

/// In the order of the lecture.
const CLAIMS: &[Claim] = &[
    product_of_weights::CLAIM,
    backpropagation::CLAIM,
    universal_approximation::CLAIM,
    depth::CLAIM,
    lifting::CLAIM,
    sgd_rate::CLAIM,
    saddles::CLAIM,
    momentum::CLAIM,
    ill_conditioning::CLAIM,
    effective_rates::CLAIM,
    width::CLAIM,
    adaptive_methods_overfit::CLAIM,
    generalization::CLAIM,
    language_model::CLAIM,
    popular_architectures::CLAIM,
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let chosen: Vec<&Claim> = match arguments.claim.as_str() {
        "list" => {
            CLAIMS.iter().for_each(|claim| println!("{:28} {}", claim.name, claim.statement));
            return ExitCode::SUCCESS;
        }
        "all" => CLAIMS.iter().collect(),
        name => CLAIMS.iter().filter(|claim| claim.name == name).collect(),
    };
    if chosen.is_empty() {
        eprintln!("no claim is called {:?}; `list` lists them", arguments.claim);
        return ExitCode::FAILURE;
    }
    let Arguments { size, seed, figures, data, text, .. } = arguments;
    let figures = figures.unwrap_or_else(|| size.figures(seed));
    let setting = Setting { size, seed, figures, data, text };
    let n_failed = chosen.iter().filter(|claim| !show(claim, &setting)).count();
    if n_failed == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!("{n_failed} of {} claims failed", chosen.len());
    ExitCode::FAILURE
}

/// Runs a claim and prints what comes of it; whether it holds.
fn show(claim: &Claim, setting: &Setting) -> bool {
    println!("{}: {}", claim.name, claim.statement);
    let start = Instant::now();
    match (claim.run)(setting) {
        Ok(evidence) => {
            evidence.measured.iter().for_each(|line| println!("    {line}"));
            evidence.broken.iter().for_each(|line| println!("    BROKEN: {line}"));
            println!("    {:.1} s", start.elapsed().as_secs_f64());
            evidence.broken.is_empty()
        }
        Err(error) => {
            println!("    ERROR: {error}");
            false
        }
    }
}

//! Writes a program as one HTML page, and prints what the first rows of the page's two tables must say.
//!
//! ```text
//! cargo run --release --example report -- --workload W5 --out report.html
//! cargo run --release --example report -- --layers 150 --out report.html
//! ```
//!
//! The second is a graph of some 5,000 nodes. `tests/browser/report` opens both in a browser and compares. Exits with 1 if a page
//! cannot be made.

#[path = "../benches/workloads/mod.rs"]
#[allow(dead_code, reason = "the benches use more of it")]
mod workloads;

use std::{error::Error, path::PathBuf};

use clap::{Args, Parser};
use ndarray::Array2;
use pullback::{Expr, Graph, Options, view::Report};

use workloads::{ALL, Compiler};

/// Write a program as one HTML page.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// The file to be written.
    #[arg(long)]
    out: PathBuf,
    /// Threads that may run a step.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How often it is run; the shortest time of each step counts.
    #[arg(long, default_value_t = 10)]
    runs: usize,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Subject {
    /// W1 to W13.
    #[arg(long)]
    workload: Option<String>,
    /// The gradient through so many layers, each of some 35 nodes after simplification.
    #[arg(long)]
    layers: Option<usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { subject, out, threads, runs } = Arguments::parse();
    let report = match (&subject.workload, subject.layers) {
        (Some(name), _) => {
            let workload = workloads::named(name).ok_or_else(|| {
                let names = ALL.map(|workload| workload.name).join(", ");
                format!("there is no workload `{name}`, but {names}")
            })?;
            workload
                .report(&Compiler::new(threads), runs)?
                .with_title(format!("{name} of docs/reference/performance.md"))
        }
        (None, n_layers) => layers(n_layers.unwrap_or(1), threads, runs)?,
    };
    report.save(&out)?;
    print_first_rows(&report);
    Ok(())
}

/// What the browser must show: a place and a number, of each table.
fn print_first_rows(report: &Report) {
    if let Some(line) = report.profile.lines().first() {
        println!("time {}:{} {}", line.file, line.line, line.time.as_nanos());
    }
    let lines = report.memory.peak().map_or(Vec::new(), |(step, _)| report.memory.lines_at(step));
    if let Some(line) = lines.first() {
        println!("bytes {}:{} {}", line.file, line.line, line.bytes);
    }
}

/// The gradient of a sum behind so many layers, ten in a block.
fn layers(n_layers: usize, threads: usize, runs: usize) -> Result<Report, Box<dyn Error>> {
    let g = Graph::new();
    let x = g.input("x", ("batch", 32));
    let y = (0..n_layers).fold(x, |y, number| {
        let (_block, _layer) = (g.scope(format!("block{}", number / 10)), g.scope(format!("layer{}", number % 10)));
        layer(y)
    });
    let slope = g.gradient(y.sum(), x);
    let mut program = g.compile_with([("slope", slope)], &Options { threads, ..Options::default() })?;
    let n_nodes = program.simplification().map_or(0, |simplified| simplified.nodes_before);
    let report = program.report((), ("x", &Array2::<f32>::from_elem((64, 32), 0.5)), runs)?;
    Ok(report.with_graph(&g, [("slope", slope)]).with_title(format!("{n_layers} layers, {n_nodes} nodes")))
}

fn layer(x: Expr<'_>) -> Expr<'_> {
    let centred = x - x.mean_over(-1).unsqueeze(-1);
    let deviation = (centred.square().mean_over(-1) + 1e-5).sqrt().unsqueeze(-1);
    x + (centred / deviation).tanh() * 0.1
}

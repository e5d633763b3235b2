//! Pullback as a tool of [GradBench](https://github.com/gradbench/gradbench). In: messages on the standard input, one JSON object a line.
//! Out: a response to each on the standard output.
//!
//! `protocol.rs` reads and answers, `evals/` has a module for each evaluation, over `prepared.rs` (a graph with its arrays, compiled) and
//! `timed.rs` (runs until there are enough). What an evaluation computes, and so what each module has to say, is defined by the READMEs in
//! `evals/` of that repository at commit f26651a7bcc120654fa895adecaf371b8cc059c5, and by the C++ below its `cpp/` where they are silent.
//! The code here is written afresh from these.

mod descent;
mod error;
mod evals;
mod prepared;
mod protocol;
mod timed;

use std::{
    env,
    io::{self, BufWriter},
    process::ExitCode,
};

use pullback::Options;

const USAGE: &str = "usage: pullback-gradbench [--multithreaded]";

fn main() -> ExitCode {
    // GradBench times one thread unless it is asked for more.
    let mut options = Options { threads: 1, ..Options::default() };
    for argument in env::args().skip(1) {
        if argument != "--multithreaded" {
            eprintln!("error: unknown argument {argument:?}\n{USAGE}");
            return ExitCode::from(2);
        }
        options.threads = Options::default().threads;
    }
    match protocol::serve(io::stdin().lock(), BufWriter::new(io::stdout().lock()), &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

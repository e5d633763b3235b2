//! Trains a classifier of articles of clothing, 784-256-128-10, on Fashion-MNIST, and says how well it does on the test
//! part after each epoch.
//!
//! ```text
//! apt-get install dataset-fashion-mnist                     # Debian and Ubuntu, 31 MB
//! cargo run --release --example fashion_mnist
//! cargo run --release --example fashion_mnist -- --data DIR --epochs 20 --seed 1
//! ```
//!
//! Ctrl-C ends the training before its next step, a second one ends at once.
//!
//! Exits with 1 if the test accuracy is under 88.5 % (80 % with `--quick`), and with 2 if the files are absent, unless
//! `--if-present` is given.

use std::{
    error::Error,
    path::PathBuf,
    process::{self, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Parser;
use pullback::{
    DType, Expr, Graph,
    data::{DataError, Split, mnist},
    nn::{cross_entropy, hidden_layers, linear, zero_one_loss},
    optim::{Adam, Schedule},
    train::{Fit, Metric, Progress, Trainer},
};

const BATCH: usize = 128;
/// The rate at the first step; it falls along half a cosine, to zero after the last.
const RATE: f64 = 1e-3;
const QUICK_EXAMPLES: usize = 10_000;
const QUICK_EPOCHS: u64 = 3;

/// Train 784-256-128-10 (ReLU, cross-entropy, Adam) on the 60,000 training images of Fashion-MNIST.
#[derive(Parser)]
struct Arguments {
    /// Directory with the four files, plain or gzip. The default is where Debian's package dataset-fashion-mnist puts
    /// them.
    #[arg(long, default_value = "/usr/share/datasets/fashion-mnist")]
    data: PathBuf,
    /// Passes over the training images.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    epochs: u64,
    /// Seed of the first weights and the shuffling.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Train for at most 3 epochs, on the first 10,000 images, and ask for 80 % only.
    #[arg(long)]
    quick: bool,
    /// Do nothing, successfully, if the files are absent.
    #[arg(long)]
    if_present: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let split = match mnist::read(&arguments.data) {
        Ok(split) => split,
        Err(error @ DataError::Absent { .. }) => {
            eprintln!("{error}\n{ADVICE}");
            return if arguments.if_present { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
        Err(error) => return fail(&error),
    };
    let required = if arguments.quick { 0.80 } else { 0.885 };
    match run(&arguments, split) {
        Ok(accuracy) if accuracy >= required => ExitCode::SUCCESS,
        Ok(accuracy) => {
            eprintln!("test accuracy {:.2} % is under the required {:.1} %", accuracy * 100.0, required * 100.0);
            ExitCode::FAILURE
        }
        Err(error) => fail(error.as_ref()),
    }
}

/// How to get the files.
const ADVICE: &str = "
The images are in Debian's and Ubuntu's package dataset-fashion-mnist:
    apt-get install dataset-fashion-mnist        # puts them into /usr/share/datasets/fashion-mnist
or, without installing it:
    apt-get download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb fashion
    cargo run --release --example fashion_mnist -- --data fashion/usr/share/datasets/fashion-mnist
They come from https://github.com/zalandoresearch/fashion-mnist.";

/// Says what went wrong, and why.
fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}

/// A flag that Ctrl-C sets, so that the training ends before its next step; a second Ctrl-C ends the process at once.
fn stop_flag() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            process::exit(130);
        }
    })?;
    Ok(flag)
}

fn run(arguments: &Arguments, Split { mut train, test }: Split) -> Result<f64, Box<dyn Error>> {
    let mut epochs = arguments.epochs;
    if arguments.quick {
        train = train.first(QUICK_EXAMPLES);
        epochs = epochs.min(QUICK_EPOCHS);
    }
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 784)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = linear(hidden_layers(x, "hidden", &[256, 128], Expr::relu), "out", 10);
    let error = Metric::rate("error", zero_one_loss(scores, label));
    let mut trainer = Trainer::new(cross_entropy(scores, label), [error])?;
    let mut parameters = g.initialize(arguments.seed)?;
    println!("{} training and {} test images, {} parameters", train.len(), test.len(), parameters.n_elements());

    let n_steps = epochs * train.len().div_ceil(BATCH) as u64;
    let (mut adam, mut progress) = (Adam::new(Schedule::cosine(RATE, 0.0, n_steps)), Progress::new());
    let training = trainer.training(&mut parameters, &mut adam).validate(&test).observe(&mut progress);
    let report = training.fit(&train, &Fit::new(epochs, BATCH).seed(arguments.seed).stop_flag(stop_flag()?))?;
    let accuracy = 1.0 - report.measures[1].held_out.ok_or("there is a test part")?.value;
    println!("{report}test accuracy {:.2} %", accuracy * 100.0);
    Ok(accuracy)
}

//! Trains a classifier of articles of clothing on Fashion-MNIST, and says how well it does on the test part after each epoch: a
//! perceptron 784-256-128-10, a convolutional network like LeNet-5, or a small residual network.
//!
//! ```text
//! apt-get install dataset-fashion-mnist                     # Debian and Ubuntu, 31 MB
//! cargo run --release --example fashion_mnist
//! cargo run --release --example fashion_mnist -- --network resnet
//! cargo run --release --example fashion_mnist -- --data DIR --epochs 20 --seed 1
//! ```
//!
//! Ctrl-C ends the training before its next step, and nothing is asked of it then; a second one ends at once.
//!
//! Exits with 1 if the test accuracy is under 88.5 % (the perceptron), 92 % (LeNet) or 93 % (the residual network), or under 80 %
//! with `--quick`, and with 2 if the files are absent, unless `--if-present` is given.

#[path = "lecture/architectures/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other examples use more of it")]
mod architectures;
#[path = "common/ctrl_c.rs"]
mod ctrl_c;
#[path = "fashion_mnist/recipe.rs"]
mod recipe;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::Parser;
use pullback::{
    DType, Graph,
    data::{Batching, DataError, Split, mnist},
    nn::{cross_entropy, zero_one_loss},
    train::{Fit, Metric, Progress, Stop, Trainer},
};

use recipe::Network;

const QUICK_EXAMPLES: usize = 10_000;
const QUICK_EPOCHS: u64 = 3;
const QUICK_ACCURACY: f64 = 0.8;

/// Train a network on the 60,000 training images of Fashion-MNIST.
#[derive(Parser)]
struct Arguments {
    /// Directory with the four files, plain or gzip. The default is where Debian's package dataset-fashion-mnist puts
    /// them.
    #[arg(long, default_value = "/usr/share/datasets/fashion-mnist")]
    data: PathBuf,
    /// What to train.
    #[arg(long, value_enum, default_value_t = Network::Perceptron)]
    network: Network,
    /// Passes over the training images; as many as the network takes to what is asked of it, unless this is said.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    epochs: Option<u64>,
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
    let required = if arguments.quick { QUICK_ACCURACY } else { arguments.network.recipe().accuracy };
    match run(&arguments, split) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(accuracy)) if accuracy >= required => ExitCode::SUCCESS,
        Ok(Some(accuracy)) => {
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

/// The test accuracy, unless the training was stopped.
fn run(arguments: &Arguments, split: Split) -> Result<Option<f64>, Box<dyn Error>> {
    let recipe = arguments.network.recipe();
    let Split { mut train, test } = recipe.shaped(split)?;
    let mut epochs = arguments.epochs.unwrap_or(recipe.epochs);
    if arguments.quick {
        train = train.first(QUICK_EXAMPLES);
        epochs = epochs.min(QUICK_EPOCHS);
    }
    let n_steps = epochs * train.len().div_ceil(recipe.batch) as u64;
    let g = Graph::new();
    let (scores, label) = (recipe.scores(&g)?, g.input_of(DType::I64, "label", ("batch",)));
    let error = Metric::rate("error", zero_one_loss(scores, label));
    let mut trainer = Trainer::new(cross_entropy(scores, label), [error])?;
    let mut parameters = g.initialize(arguments.seed)?;
    println!("{} training and {} test images, {} parameters", train.len(), test.len(), parameters.n_elements());

    let (mut rule, mut progress) = (recipe.rule(n_steps), Progress::new());
    let seen = recipe.augmented(train, arguments.seed)?;
    let training = trainer.training(&mut parameters, rule.as_mut()).validate(&test).observe(&mut progress);
    let batching = Batching::new(recipe.batch).prefetch(2);
    let report =
        training.fit(&seen, &Fit::new(epochs, batching).seed(arguments.seed).stop_flag(ctrl_c::stop_flag()?))?;
    let accuracy = 1.0 - report.measures[1].held_out.ok_or("there is a test part")?.value;
    println!("{report}test accuracy {:.2} %", accuracy * 100.0);
    Ok((report.stop != Stop::Flag).then_some(accuracy))
}

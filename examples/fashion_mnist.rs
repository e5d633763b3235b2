//! Trains a classifier of articles of clothing, 784-256-128-10, on Fashion-MNIST, and says how well it does on the test
//! part after each epoch.
//!
//! ```text
//! apt-get install dataset-fashion-mnist                     # Debian and Ubuntu, 31 MB
//! cargo run --release --example fashion_mnist
//! cargo run --release --example fashion_mnist -- --data DIR --epochs 20 --seed 1
//! ```
//!
//! Exits with 1 if the test accuracy is under 88.5 % (80 % with `--quick`), and with 2 if the files are absent, unless
//! `--if-present` is given.

use std::{error::Error, io::IsTerminal, path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pullback::{
    Graph, Parameters, Program, TrainingStep,
    data::{DataError, Dataset, Split, mnist},
    nn::{cross_entropy, linear},
    optim::{Adam, Optimizer, Schedule},
};

const BATCH: usize = 128;
/// The rate at the first step; it falls along half a cosine, to zero after the last.
const RATE: f64 = 1e-3;
const QUICK_EXAMPLES: usize = 10_000;
const QUICK_EPOCHS: u32 = 3;
/// Rows that the test part is predicted in, so that a prediction's memory is that of a thousand rows.
const PREDICTED: usize = 1000;

/// Train 784-256-128-10 (ReLU, cross-entropy, Adam) on the 60,000 training images of Fashion-MNIST.
#[derive(Parser)]
struct Arguments {
    /// Directory with the four files, plain or gzip. The default is where Debian's package dataset-fashion-mnist puts
    /// them.
    #[arg(long, default_value = "/usr/share/datasets/fashion-mnist")]
    data: PathBuf,
    /// Passes over the training images.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    epochs: u32,
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

fn run(arguments: &Arguments, Split { mut train, test }: Split) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let mut epochs = arguments.epochs;
    if arguments.quick {
        train = train.first(QUICK_EXAMPLES);
        epochs = epochs.min(QUICK_EPOCHS);
    }
    let graph = Graph::new();
    let (mut step, mut predict) = compile(&graph)?;
    let mut parameters = graph.initialize(arguments.seed)?;
    let n_steps = u64::from(epochs) * train.len().div_ceil(BATCH) as u64;
    let mut adam = Adam::new(falling(n_steps));
    println!("{} training and {} test images, {} parameters", train.len(), test.len(), parameters.n_elements());

    let bar = progress_bar(n_steps);
    let mut accuracy = 0.0;
    for epoch in 1..=epochs {
        let mut total = 0.0;
        for batch in train.batches_of_epoch(BATCH, arguments.seed, epoch.into())? {
            let out = step.run(&parameters, [("x", (&batch.x).into()), ("label", (&batch.y).into())])?;
            adam.step(&mut parameters, &out.gradients)?;
            total += out.loss * batch.y.len() as f64;
            bar.inc(1);
        }
        accuracy = measure(&mut predict, &parameters, &test)?;
        report(
            &bar,
            format!(
                "epoch {epoch:3}  train loss {:.4}  test accuracy {:5.2} %",
                total / train.len() as f64,
                accuracy * 100.0
            ),
        );
    }
    bar.finish_and_clear();
    println!("test accuracy {:.2} % after {:.1} s", accuracy * 100.0, start.elapsed().as_secs_f64());
    Ok(accuracy)
}

/// The network with its loss, once for training and once for prediction.
fn compile(g: &Graph) -> Result<(TrainingStep, Program), Box<dyn Error>> {
    let x = g.input("x", ("batch", 784));
    let label = g.input_of::<i64>("label", ("batch",));
    let hidden = linear(x, "first", 256).relu();
    let hidden = linear(hidden, "second", 128).relu();
    let logits = linear(hidden, "out", 10);
    let loss = cross_entropy(logits, label).mean();
    Ok((g.compile_training(loss)?, g.compile([("class", logits.argmax(-1))])?))
}

/// γₜ = RATE · ½(1 + cos(π·t / n)).
fn falling(n_steps: u64) -> Schedule {
    Schedule::function(move |step| {
        let part = (step as f64 / n_steps as f64).min(1.0);
        RATE * 0.5 * (1.0 + (std::f64::consts::PI * part).cos())
    })
}

/// The fraction of `data` whose class is predicted.
fn measure(predict: &mut Program, parameters: &Parameters, data: &Dataset) -> Result<f64, Box<dyn Error>> {
    let mut n_right = 0;
    for batch in data.batches_in_order(PREDICTED)? {
        let out = predict.run(parameters, [("x", (&batch.x).into())])?;
        let guesses = out["class"].array::<i64>().ok_or("the prediction is not of integers")?;
        n_right += guesses.iter().zip(&batch.y).filter(|(guess, class)| guess == class).count();
    }
    Ok(n_right as f64 / data.len() as f64)
}

/// A bar on a terminal; elsewhere nothing, and plain lines instead.
fn progress_bar(n_steps: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(n_steps), ProgressDrawTarget::stdout());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} steps  {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn report(bar: &ProgressBar, line: String) {
    if std::io::stdout().is_terminal() {
        bar.println(line);
    } else {
        println!("{line}");
    }
}

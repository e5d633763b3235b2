//! Trains a classifier of handwritten digits, 64-128-10, and says how well it does on digits that it has not seen.
//!
//! ```text
//! cargo run --release --example digits -- --optimizer sgd --epochs 40 --seed 1
//! ```
//!
//! Exits with 1 if the test accuracy is under 97 %.

use std::{error::Error, io::IsTerminal, process::ExitCode, time::Instant};

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ndarray::{ArrayView1, Axis};
use pullback::{
    Graph, Parameters, Program, TrainingStep,
    data::{Dataset, Split, digits},
    nn::{cross_entropy, linear},
    optim::{Adam, HeavyBall, Optimizer, Sgd},
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

const BATCH: usize = 32;
const TEST_FRACTION: f64 = 0.2;
const REQUIRED_ACCURACY: f64 = 0.97;
const SHOWN_MISTAKES: usize = 4;

/// Train 64-128-10 (ReLU, cross-entropy) on 1,797 handwritten digits, a fifth of them held out.
#[derive(Parser)]
struct Arguments {
    /// Update rule.
    #[arg(long, value_enum, default_value_t = Rule::Adam)]
    optimizer: Rule,
    /// Passes over the training digits.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    epochs: u32,
    /// Seed of the split, the first weights and the shuffling.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rule {
    Sgd,
    HeavyBall,
    Adam,
}

impl Rule {
    fn optimizer(self) -> Box<dyn Optimizer> {
        match self {
            Rule::Sgd => Box::new(Sgd::new(0.3)),
            Rule::HeavyBall => Box::new(HeavyBall::new(0.05, 0.9)),
            Rule::Adam => Box::new(Adam::new(2e-3)),
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(accuracy) if accuracy >= REQUIRED_ACCURACY => ExitCode::SUCCESS,
        Ok(accuracy) => {
            eprintln!(
                "test accuracy {:.2} % is under the required {:.0} %",
                accuracy * 100.0,
                REQUIRED_ACCURACY * 100.0
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let Split { train, test } = digits().split(TEST_FRACTION, arguments.seed)?;
    let (graph, mut model) = (Graph::new(), arguments.optimizer.optimizer());
    let (mut step, mut predict) = compile(&graph)?;
    let mut parameters = graph.initialize(arguments.seed)?;
    println!("{} training and {} test digits, {} parameters", train.len(), test.len(), parameters.n_elements());

    let bar = progress_bar(arguments.epochs);
    let mut rng = ChaCha8Rng::seed_from_u64(arguments.seed);
    for epoch in 1..=arguments.epochs {
        let mut total = 0.0;
        for batch in train.batches(BATCH, &mut rng)? {
            let out = step.run(&parameters, [("x", (&batch.x).into()), ("label", (&batch.y).into())])?;
            model.step(&mut parameters, &out.gradients)?;
            total += out.loss * batch.y.len() as f64;
        }
        let errors = mistakes(&mut predict, &parameters, &test)?.len();
        let line = format!(
            "epoch {epoch:3}  train loss {:.5}  test error {:5.2} %",
            total / train.len() as f64,
            100.0 * errors as f64 / test.len() as f64
        );
        report(&bar, line);
    }
    bar.finish_and_clear();

    let wrong = mistakes(&mut predict, &parameters, &test)?;
    for (position, guess) in wrong.iter().take(SHOWN_MISTAKES) {
        println!("\na {} taken for a {guess}:", test.y()[*position]);
        print_digit(test.x().index_axis(Axis(0), *position));
    }
    let accuracy = 1.0 - wrong.len() as f64 / test.len() as f64;
    println!(
        "\ntest accuracy {:.2} % ({} of {} wrong) after {:.1} s",
        accuracy * 100.0,
        wrong.len(),
        test.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(accuracy)
}

/// The network with its loss, once for training and once for prediction.
fn compile(g: &Graph) -> Result<(TrainingStep, Program), Box<dyn Error>> {
    let x = g.input("x", ("batch", 64));
    let label = g.input_of::<i64>("label", ("batch",));
    let hidden = linear(x, "hidden", 128).relu();
    let logits = linear(hidden, "out", 10);
    let loss = cross_entropy(logits, label).mean();
    Ok((g.compile_training(loss)?, g.compile([("digit", logits.argmax(-1))])?))
}

/// Position and guess of every digit that is taken for another.
fn mistakes(
    predict: &mut Program,
    parameters: &Parameters,
    data: &Dataset,
) -> Result<Vec<(usize, i64)>, Box<dyn Error>> {
    let out = predict.run(parameters, [("x", data.x().into())])?;
    let guesses = out["digit"].array::<i64>().ok_or("the prediction is not of integers")?;
    let pairs = guesses.iter().zip(data.y()).enumerate();
    Ok(pairs.filter(|(_, (guess, digit))| guess != digit).map(|(position, (guess, _))| (position, *guess)).collect())
}

/// A bar on a terminal; elsewhere nothing, and plain lines instead.
fn progress_bar(epochs: u32) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(epochs.into()), ProgressDrawTarget::stdout());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} epochs  {elapsed}  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn report(bar: &ProgressBar, line: String) {
    bar.inc(1);
    if std::io::stdout().is_terminal() {
        bar.println(line);
    } else {
        println!("{line}");
    }
}

fn print_digit(pixels: ArrayView1<'_, f32>) {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    for row in 0..8 {
        let shade = |column: usize| SHADES[((pixels[row * 8 + column] * 4.0).round() as usize).min(4)];
        let line: String = (0..8).flat_map(|column| [shade(column), shade(column)]).collect();
        println!("    {line}");
    }
}

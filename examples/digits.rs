//! Trains a classifier of handwritten digits, 64-128-10, and says how well it does on digits that it has not seen.
//!
//! ```text
//! cargo run --release --example digits -- --optimizer sgd --epochs 40 --seed 1
//! cargo run --release --example digits -- --checkpoint run.safetensors --figures figures
//! ```
//!
//! Ctrl-C ends the training before its next step, with its checkpoint written if there is one; a second one ends at once. Exits with
//! 1 if the test accuracy is under 97 %.

#[path = "common/ctrl_c.rs"]
mod ctrl_c;

use std::{
    error::Error,
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use ndarray::{ArrayView1, Ix1, Ix2};
use pullback::{
    DType, Graph, Parameters, Program,
    data::{Dataset, Split, digits},
    nn::{cross_entropy, linear, zero_one_loss},
    optim::{Adam, HeavyBall, Optimizer, Sgd},
    train::{Checkpoint, Curves, Fit, Metric, Progress, Report, Stop, Trainer},
    view::{plot_confusion_matrix, plot_histograms, plot_history},
};

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
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    epochs: u64,
    /// Seed of the split, the first weights and the shuffling.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File from which a training that was stopped goes on, written after each epoch.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Folder for the curves of the training, histograms of the weights and the confusion matrix.
    #[arg(long)]
    figures: Option<PathBuf>,
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
    let Split { train, test } = digits().split(TEST_FRACTION, arguments.seed)?;
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = linear(linear(x, "hidden", 128).relu(), "out", 10);
    let error = Metric::rate("error", zero_one_loss(scores, label));
    let mut trainer = Trainer::new(cross_entropy(scores, label), [error])?;
    let mut predict = g.compile([("digit", scores.argmax(-1))])?;
    let mut parameters = g.initialize(arguments.seed)?;
    println!("{} training and {} test digits, {} parameters", train.len(), test.len(), parameters.n_elements());

    let mut fit = Fit::new(arguments.epochs, BATCH).seed(arguments.seed).stop_flag(ctrl_c::stop_flag()?);
    if let Some(file) = &arguments.checkpoint {
        fit = fit.checkpoint(Checkpoint::resume(file));
    }
    let (mut rule, mut progress, mut curves) = (arguments.optimizer.optimizer(), Progress::new(), Curves::new());
    let training = trainer.training(&mut parameters, &mut *rule).validate(&test);
    let report = training.observe(&mut progress).observe(&mut curves).fit(&train, &fit)?;
    drop(progress);
    if report.stop == Stop::Flag {
        println!("stopped");
    }
    let matrix = trainer.confusion_matrix((scores, label), &parameters, &test)?;
    print!("\n{matrix}");
    if let Some(folder) = &arguments.figures {
        plot_confusion_matrix(&matrix).save(folder.join("confusion.svg"))?;
        plot_histograms(&parameters.histograms()).save(folder.join("weights.svg"))?;
        write_history(folder, &report, &curves)?;
    }

    let (pixels, digits) = (test.array::<f32, Ix2>("x")?, test.array::<i64, Ix1>("label")?);
    for (position, guess) in mistakes(&mut predict, &parameters, &test)?.into_iter().take(SHOWN_MISTAKES) {
        println!("\na {} taken for a {guess}:", digits[position]);
        print_digit(pixels.row(position));
    }
    let accuracy = 1.0 - report.measures[1].held_out.ok_or("there is a test part")?.value;
    println!("\n{report}test accuracy {:.2} %", accuracy * 100.0);
    Ok(accuracy)
}

/// The training as one picture and as two tables.
fn write_history(folder: &Path, report: &Report, curves: &Curves) -> Result<(), Box<dyn Error>> {
    plot_history(&report.history, curves).save(folder.join("training.svg"))?;
    report.history.write_csv(File::create(folder.join("epochs.csv"))?)?;
    Ok(curves.write_csv(File::create(folder.join("steps.csv"))?)?)
}

/// Position and guess of every digit that is taken for another.
fn mistakes(
    predict: &mut Program,
    parameters: &Parameters,
    data: &Dataset,
) -> Result<Vec<(usize, i64)>, Box<dyn Error>> {
    let out = predict.run(parameters, ("x", data.array::<f32, Ix2>("x")?))?;
    let guesses = out["digit"].array::<i64>().ok_or("the prediction is not of integers")?;
    let pairs = guesses.iter().zip(data.array::<i64, Ix1>("label")?).enumerate();
    Ok(pairs.filter(|(_, (guess, digit))| guess != digit).map(|(position, (guess, _))| (position, *guess)).collect())
}

fn print_digit(pixels: ArrayView1<'_, f32>) {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    for row in 0..8 {
        let shade = |column: usize| SHADES[((pixels[row * 8 + column] * 4.0).round() as usize).min(4)];
        let line: String = (0..8).flat_map(|column| [shade(column), shade(column)]).collect();
        println!("    {line}");
    }
}

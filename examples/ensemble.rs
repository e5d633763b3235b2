//! Trains 64 small networks on handwritten digits, all in one program and then one after another, and compares what becomes of them and
//! how long it takes.
//!
//! ```text
//! cargo run --release --example ensemble -- --networks 64 --epochs 10
//! ```
//!
//! Exits with 1 if a network of the ensemble is not what it becomes alone, or if their vote is no better than their mean.

use std::{error::Error, process::ExitCode, time::Instant};

use clap::Parser;
use ndarray::{Array1, ArrayD, ArrayView1, Axis, Ix1, Ix2};
use pullback::{
    DType, Expr, Graph, Parameters, TrainingStep,
    data::{Batching, Dataset, digits},
    nn::{cross_entropy, linear},
    optim::{Adam, Optimizer},
};

/// Train networks 64-32-10 from seeds 0, 1, …, on 1,797 handwritten digits, a fifth of them held out.
#[derive(Parser)]
struct Arguments {
    /// How many networks.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..=1024))]
    networks: u64,
    /// Passes over the training digits.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    epochs: u64,
}

const BATCH: usize = 32;
const TEST_FRACTION: f64 = 0.2;
const RATE: f64 = 3e-3;

/// How far a weight of the ensemble may be from that of the network trained alone, where products add in another order.
const TOLERANCE: f32 = 5e-2;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let split = digits().split(TEST_FRACTION, 0)?;
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = linear(linear(x, "hidden", 32).relu(), "out", 10);
    let loss = cross_entropy(scores, label).mean();
    let singles = (0..arguments.networks).map(|seed| g.initialize(seed)).collect::<Result<Vec<_>, _>>()?;

    let all = g.ensemble(singles.len(), [("loss", loss), ("scores", scores)])?;
    let result = |name: &str| all.result(name).ok_or("it was asked for");
    let mut stacked = Parameters::stack(&singles)?;
    let mut step = all.graph.compile_training(result("loss")?.sum())?;
    let start = Instant::now();
    train(&mut step, &mut stacked, &split.train, arguments.epochs)?;
    let at_once = start.elapsed();

    let mut step = g.compile_training(loss)?;
    let mut alone = singles;
    let start = Instant::now();
    for network in &mut alone {
        train(&mut step, network, &split.train, arguments.epochs)?;
    }
    let one_by_one = start.elapsed();

    let farthest = farthest(&stacked.unstack()?, &alone);
    let (mean, vote) = accuracies(&all.graph, result("scores")?, &stacked, &split.test)?;
    println!("{} networks of {} parameters, {} epochs", alone.len(), alone[0].n_elements(), arguments.epochs);
    println!(
        "at once {at_once:.2?}, one after another {one_by_one:.2?}: {:.2} times as long",
        one_by_one.as_secs_f64() / at_once.as_secs_f64()
    );
    println!("no weight of the ensemble is farther than {farthest:.1e} from that of the network trained alone");
    println!("test accuracy {:.2} % in the mean of the networks, {:.2} % by their vote", 100.0 * mean, 100.0 * vote);
    if farthest > TOLERANCE {
        return Err("a network of the ensemble is not what it becomes alone".into());
    }
    if vote < mean { Err("the vote is worse than the mean network".into()) } else { Ok(()) }
}

fn train(
    step: &mut TrainingStep,
    parameters: &mut Parameters,
    data: &Dataset,
    epochs: u64,
) -> Result<(), Box<dyn Error>> {
    let mut rule = Adam::new(RATE);
    for epoch in 0..epochs {
        for batch in Batching::new(BATCH).epoch(data, 0, epoch)? {
            let out = step.run(&*parameters, &batch?)?;
            rule.step(parameters, &out.gradients)?;
        }
    }
    Ok(())
}

/// The greatest difference between weights of networks that were trained in two ways.
fn farthest(some: &[Parameters], others: &[Parameters]) -> f32 {
    let weights = |networks: &[Parameters]| -> Vec<f32> {
        networks.iter().flat_map(|network| network.flat::<f32>().map(<[f32]>::to_vec).unwrap_or_default()).collect()
    };
    weights(some).iter().zip(weights(others)).fold(0.0, |most, (one, other)| most.max((one - other).abs()))
}

/// The mean accuracy of the networks, and that of their mean score.
fn accuracies(
    g: &Graph,
    scores: Expr<'_>,
    parameters: &Parameters,
    test: &Dataset,
) -> Result<(f64, f64), Box<dyn Error>> {
    let outputs = [("each", scores.argmax(-1)), ("vote", scores.softmax(-1).mean_over(0).argmax(-1))];
    let out = g.compile(outputs)?.run(parameters, ("x", test.array::<f32, Ix2>("x")?))?;
    let labels: Array1<i64> = test.array("label")?.to_owned();
    let guesses = |name: &str| -> Result<ArrayD<i64>, Box<dyn Error>> {
        Ok(out[name].array::<i64>().ok_or("a guess is an integer")?.clone())
    };
    let accuracy = |guesses: ArrayView1<'_, i64>| {
        guesses.iter().zip(&labels).filter(|(guess, label)| guess == label).count() as f64 / labels.len() as f64
    };
    let each = guesses("each")?.into_dimensionality::<Ix2>()?;
    let mean = each.axis_iter(Axis(0)).map(accuracy).sum::<f64>() / each.nrows() as f64;
    Ok((mean, accuracy(guesses("vote")?.into_dimensionality::<Ix1>()?.view())))
}

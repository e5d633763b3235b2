//! Trains 64 small networks on handwritten digits, all in one program and then one after another, and compares what becomes of them
//! and how long it takes. Then one network at several rates, again in one program, to see which is best.
//!
//! ```text
//! cargo run --release --example ensemble -- --networks 64 --epochs 10
//! ```
//!
//! Exits with 1 if a network is not what it becomes alone, or if the vote of the ensemble is no better than their mean.

use std::{error::Error, process::ExitCode, time::Instant};

use clap::Parser;
use ndarray::{ArrayD, ArrayView1, Axis, Ix1, Ix2};
use pullback::{
    DType, Expr, Graph, Parameters, TrainingStep,
    data::{Batching, Dataset, Split, digits},
    nn::{cross_entropy, linear},
    optim::{Adam, Optimizer, Sweep},
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

/// The rates of the sweep.
const RATES: [f64; 8] = [1e-4, 3e-4, 1e-3, RATE, 1e-2, 3e-2, 1e-1, 3e-1];

/// How far a weight may be from that of the network trained alone, where products add in another order, up to the rate [`RATE`]:
/// rounding grows with the rate, and at the greatest ones no two trainings are alike.
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
    train((&mut step, &mut stacked, &mut Adam::new(RATE)), &split.train, arguments.epochs)?;
    let at_once = start.elapsed();

    let mut step = g.compile_training(loss)?;
    let mut alone = singles;
    let start = Instant::now();
    for network in &mut alone {
        train((&mut step, network, &mut Adam::new(RATE)), &split.train, arguments.epochs)?;
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
    if vote < mean {
        return Err("the vote is worse than the mean network".into());
    }
    sweep(&g, [loss, scores], &split, arguments.epochs)
}

/// One network at each rate, in one program and alone.
fn sweep(g: &Graph, [loss, scores]: [Expr<'_>; 2], split: &Split, epochs: u64) -> Result<(), Box<dyn Error>> {
    let all = g.ensemble(RATES.len(), [("loss", loss), ("scores", scores)])?;
    let result = |name: &str| all.result(name).ok_or("it was asked for");
    let mut step = all.graph.compile_training(result("loss")?.sum())?;
    let mut stacked = Parameters::stack(&vec![g.initialize(0)?; RATES.len()])?;
    let start = Instant::now();
    train((&mut step, &mut stacked, &mut Sweep::new(RATES.map(Adam::new))), &split.train, epochs)?;
    println!("\none network at {} rates at once in {:.2?}", RATES.len(), start.elapsed());

    let mut step = g.compile_training(loss)?;
    let guesses = guesses(&all.graph, result("scores")?.argmax(-1), &stacked, &split.test)?;
    let guesses = guesses.into_dimensionality::<Ix2>()?;
    for ((rate, network), guesses) in RATES.into_iter().zip(stacked.unstack()?).zip(guesses.axis_iter(Axis(0))) {
        let mut alone = g.initialize(0)?;
        train((&mut step, &mut alone, &mut Adam::new(rate)), &split.train, epochs)?;
        let farthest = farthest(&[network], &[alone]);
        let accuracy = 100.0 * accuracy(guesses, &split.test)?;
        println!(
            "rate {rate}: test accuracy {accuracy:.2} %, no weight farther than {farthest:.1e} from that trained alone"
        );
        if rate <= RATE && farthest > TOLERANCE {
            return Err("a network of the sweep is not what it becomes alone".into());
        }
    }
    Ok(())
}

fn train(
    (step, parameters, rule): (&mut TrainingStep, &mut Parameters, &mut dyn Optimizer),
    data: &Dataset,
    epochs: u64,
) -> Result<(), Box<dyn Error>> {
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
    let each = guesses(g, scores.argmax(-1), parameters, test)?.into_dimensionality::<Ix2>()?;
    let vote = guesses(g, scores.softmax(-1).mean_over(0).argmax(-1), parameters, test)?;
    let accuracies: Vec<f64> =
        each.axis_iter(Axis(0)).map(|guesses| accuracy(guesses, test)).collect::<Result<_, _>>()?;
    let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
    Ok((mean, accuracy(vote.into_dimensionality::<Ix1>()?.view(), test)?))
}

/// What networks take the test digits for.
fn guesses(
    g: &Graph,
    guesses: Expr<'_>,
    parameters: &Parameters,
    test: &Dataset,
) -> Result<ArrayD<i64>, Box<dyn Error>> {
    let out = g.compile(guesses)?.run(parameters, ("x", test.array::<f32, Ix2>("x")?))?;
    Ok(out["result"].array::<i64>().ok_or("a guess is an integer")?.clone())
}

fn accuracy(guesses: ArrayView1<'_, i64>, test: &Dataset) -> Result<f64, Box<dyn Error>> {
    let labels = test.array::<i64, Ix1>("label")?;
    Ok(guesses.iter().zip(labels).filter(|(guess, label)| guess == label).count() as f64 / labels.len() as f64)
}

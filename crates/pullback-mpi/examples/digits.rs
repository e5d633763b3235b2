//! Trains a classifier of handwritten digits on all processes that the launcher starts, and says how well it does.
//!
//! ```text
//! cargo build --release --example digits
//! mpirun -n 4 target/release/examples/digits
//! mpirun -n 4 target/release/examples/digits run.safetensors
//! ```
//!
//! With a name, a training that was stopped goes on from that file, on any number of processes. What it prints is the same on any
//! number of them, and what it trains the same bits. It exits with 1 if fewer than 95 % of the digits that it has not seen are right.

use std::{env, error::Error};

use pullback::{
    DType, Graph,
    data::digits,
    nn::{Dropout, Layer, cross_entropy, linear, zero_one_loss},
    optim::Adam,
    train::{Checkpoint, Fit, Metric, Patience, Progress, Trainer},
};

const REQUIRED_ACCURACY: f64 = 0.95;

fn main() -> Result<(), Box<dyn Error>> {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let hidden = Dropout::new(&g, "dropout", 0.2).call(linear(x, "hidden", 128).relu());
    let scores = linear(hidden, "out", 10);
    let error = Metric::rate("error", zero_one_loss(scores, label));
    let mut trainer = Trainer::new(cross_entropy(scores, label), [error])?;
    // The line that a program of one process has not.
    trainer = trainer.over(pullback_mpi::World::join()?)?;

    let (split, mut parameters) = (digits().split(0.2, 0)?, g.initialize(0)?);
    // Steps of eight batches of eight digits, which up to eight processes share.
    let mut fit = Fit::new(30, 8).accumulate(8).patience(Patience::new(8).on("error"));
    if let Some(file) = env::args().nth(1) {
        fit = fit.checkpoint(Checkpoint::resume(file));
    }
    let (mut adam, mut progress) = (Adam::new(4e-3), Progress::new());
    let training = trainer.training(&mut parameters, &mut adam).validate(&split.test).observe(&mut progress);
    let report = training.fit(&split.train, &fit)?;
    drop(progress);

    let matrix = trainer.confusion_matrix((scores, label), &parameters, &split.test)?;
    let accuracy = matrix.accuracy().ok_or("there are digits to test on")?;
    print!("{report}{matrix}");
    println!("norm of the parameters {:?}", parameters.norm());
    if accuracy < REQUIRED_ACCURACY {
        return Err(format!("test accuracy {accuracy} is under the required {REQUIRED_ACCURACY}").into());
    }
    Ok(())
}

//! Trains a popular architecture on CIFAR-10 or CIFAR-100, as <https://github.com/bearpaw/pytorch-classification> does, and says how
//! well it does on the test part after each epoch.
//!
//! ```text
//! tar xzf cifar-10-binary.tar.gz                            # from https://www.cs.toronto.edu/~kriz/cifar.html
//! cargo run --release --example cifar -- --data cifar-10-batches-bin --network resnet-20
//! cargo run --release --example cifar -- --data cifar-100-binary --classes 100 --network wrn-16-4 --epochs 60
//! ```
//!
//! Ctrl-C ends the training before its next step, with its checkpoint written if there is one; a second one ends at once.
//!
//! Exits with 1 if something goes wrong, and with 2 if the files are absent.

#[path = "lecture/architectures/mod.rs"]
#[allow(dead_code, reason = "other examples use more of it")]
mod architectures;
#[path = "common/ctrl_c.rs"]
mod ctrl_c;
#[path = "cifar/recipe.rs"]
mod recipe;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use pullback::{
    data::{
        DataError,
        cifar::{self, Cifar},
    },
    train::{Checkpoint, Fit, Progress},
};

use architectures::{Architecture, NAMES};
use recipe::Recipe;

/// Train an architecture on the 50,000 training images of CIFAR.
#[derive(Parser)]
struct Arguments {
    /// Directory with the files of the binary version, unpacked.
    #[arg(long)]
    data: PathBuf,
    #[arg(long, default_value = "resnet-20", help = format!("What to train: {NAMES}"))]
    network: Architecture,
    /// Which set: that of ten classes, of a hundred, or the latter by its twenty superclasses.
    #[arg(long, value_enum, default_value_t = Classes::Ten)]
    classes: Classes,
    /// Passes over the training images; as many as the architecture was published with, unless this is said. The rate falls at the
    /// same fractions of them.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    epochs: Option<u64>,
    /// Seed of the first weights, the shuffling and the augmentation.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A file that is written after each epoch, and from which a stopped training goes on.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Classes {
    #[value(name = "10")]
    Ten,
    #[value(name = "20")]
    Twenty,
    #[value(name = "100")]
    Hundred,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let is_absent = matches!(error.downcast_ref(), Some(DataError::Absent { .. }));
            ExitCode::from(if is_absent { 2 } else { 1 })
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (kind, n_classes) = match arguments.classes {
        Classes::Ten => (Cifar::Ten, 10),
        Classes::Twenty => (Cifar::HundredCoarse, 20),
        Classes::Hundred => (Cifar::HundredFine, 100),
    };
    let split = cifar::read(&arguments.data, kind)?;
    let mut recipe = Recipe::of(arguments.network);
    if let Some(epochs) = arguments.epochs {
        recipe = recipe.in_epochs(epochs);
    }
    let n_parameters = arguments.network.n_parameters(architectures::published::coloured(n_classes))?;
    println!("{}: {n_parameters} parameters, {} epochs", arguments.network, recipe.epochs);
    let flag = ctrl_c::stop_flag()?;
    let fit = |fit: Fit| match &arguments.checkpoint {
        Some(file) => fit.stop_flag(flag).checkpoint(Checkpoint::resume(file)),
        None => fit.stop_flag(flag),
    };
    let report = recipe::train(split, n_classes, (&recipe, arguments.seed), fit, &mut Progress::new())?;
    println!("{report}");
    Ok(())
}

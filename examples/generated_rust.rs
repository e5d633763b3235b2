//! Trains a classifier of handwritten digits, writes it as one Rust file with its weights, compiles that file without the library, and
//! counts the digits it takes for what they are.
//!
//! ```text
//! cargo run --release --example generated_rust -- --out digits.rs
//! ```
//!
//! Exits with 1 if the file has more than 80,000 bytes, if it takes any digit for another than the library does, or under 95 % for what
//! they are.

use std::{error::Error, fmt::Write as _, path::PathBuf, process::Command};

use clap::Parser;
use ndarray::{Array2, Ix1, Ix2};
use pullback::{
    CodeOptions, DType, Graph, MathProvider, RustModule,
    data::{Dataset, Split, digits},
    nn::{cross_entropy, linear},
    optim::Adam,
    train::{Fit, Trainer},
};

const HIDDEN: usize = 64;
const EPOCHS: u64 = 30;
const MAX_BYTES: usize = 80_000;
const REQUIRED_ACCURACY: f64 = 0.95;

/// Write a trained classifier of digits, 64-64-10, as Rust.
#[derive(Parser)]
struct Arguments {
    /// The file; in the folder for temporary files, unless this is said.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Seed of the split, the first weights and the shuffling.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let Split { train, test } = digits().split(0.2, arguments.seed)?;
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = linear(linear(x, "hidden", HIDDEN).relu(), "out", 10);
    let mut parameters = g.initialize(arguments.seed)?;
    let mut trainer = Trainer::new(cross_entropy(scores, label), [])?;
    let fit = Fit::new(EPOCHS, 32).seed(arguments.seed);
    trainer.training(&mut parameters, &mut Adam::new(2e-3)).fit(&train, &fit)?;

    let mut program = g.compile([("digit", scores.argmax(-1))])?;
    let mut module = RustModule::new(MathProvider::None);
    module.add(&program, &CodeOptions::new("predict").size("batch", 1).constants(parameters.clone()))?;
    let source = module.source()?;
    let (images, labels) = columns(&test)?;
    let wanted = program.run(&parameters, ("x", &images))?.array::<i64, Ix1>("digit")?.to_vec();
    let found = run_without_library(&source, &images)?;
    if let Some(file) = &arguments.out {
        std::fs::write(file, &source)?;
    }
    let n_right = found.iter().zip(&labels).filter(|(found, label)| found == label).count();
    let accuracy = n_right as f64 / labels.len() as f64;
    println!("{} bytes of Rust; {:.2} % of {} digits", source.len(), 100.0 * accuracy, labels.len());
    let is_right = source.len() <= MAX_BYTES && accuracy >= REQUIRED_ACCURACY && found == wanted;
    if is_right { Ok(()) } else { Err("the file is too long, or takes digits for others".into()) }
}

/// The images and what they show.
fn columns(test: &Dataset) -> Result<(Array2<f32>, Vec<i64>), Box<dyn Error>> {
    let images = test.array::<f32, Ix2>("x")?.to_owned();
    let labels = test.array::<i64, Ix1>("label")?.to_vec();
    Ok((images, labels))
}

/// What the function gives for each image, in a program of its own.
fn run_without_library(source: &str, images: &Array2<f32>) -> Result<Vec<i64>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (file, binary) = (folder.path().join("digits.rs"), folder.path().join("digits"));
    let mut text = source.to_owned();
    let _ = writeln!(text, "static IMAGES: [[f32; 64]; {}] = {:?};", images.nrows(), rows(images));
    text += "fn main() {
    for image in &IMAGES {
        let mut digit = [0];
        predict(image, &mut digit);
        println!(\"{}\", digit[0]);
    }
}
";
    std::fs::write(&file, text)?;
    let compiled = Command::new("rustc").args(["--edition", "2024", "-O", "-o"]).arg(&binary).arg(&file).output()?;
    if !compiled.status.success() {
        return Err(String::from_utf8_lossy(&compiled.stderr).into());
    }
    let printed = String::from_utf8(Command::new(&binary).output()?.stdout)?;
    Ok(printed.lines().map(str::parse).collect::<Result<_, _>>()?)
}

fn rows(images: &Array2<f32>) -> Vec<Vec<f32>> {
    images.outer_iter().map(|row| row.to_vec()).collect()
}

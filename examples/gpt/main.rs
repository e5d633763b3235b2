//! Trains a GPT on the characters of a text, says how many bits it needs for a character that it has not seen, and writes.
//!
//! ```text
//! apt-get install bible-kjv && bible -f gen1:1-rev22:21 > kjv.txt     # Debian and Ubuntu: 4.4 MB of English
//! cargo run --release --example gpt
//! cargo run --release --example gpt -- --text FILE --epochs 2 --checkpoint gpt.safetensors
//! cargo run --release --example gpt -- --exchange run.safetensors     # then: python tests/recorded/gpt.py run.safetensors
//! ```
//!
//! Ctrl-C ends the training before its next step, with its checkpoint written if there is one; a second one ends at once.
//!
//! An epoch of the King James Bible is 968 steps and takes ten minutes of processor time on an AMD EPYC (Zen 3). Then a character of
//! the held-out tenth takes 2.265 bits (seed 0); by the frequencies of characters it takes 4.550.
//!
//! Exits with 1 if the model does not do better than the frequencies of the characters, and with 2 if the text is absent; with
//! `--quick` it takes pages of this library's guide in its place.

#[path = "../common/ctrl_c.rs"]
mod ctrl_c;
mod exchange;
mod model;
mod write;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use model::{Gpt, Sizes};
use pullback::{
    DType, Graph, Parameters,
    data::{
        DataError, Dataset, Source, Windows,
        text::{self, Characters, Tokenizer},
    },
    nn::cross_entropy,
    optim::{AdamW, Groups, Schedule},
    train::{Checkpoint, Fit, Progress, Trainer},
};
use write::{Sampling, Writer};

/// Train a GPT on the characters of a text, nine tenths of it, and let it write.
#[derive(Parser)]
struct Arguments {
    /// The text.
    #[arg(long, default_value = "kjv.txt")]
    text: PathBuf,
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=100))]
    blocks: u64,
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u64).range(4..=4096))]
    width: u64,
    #[arg(long, default_value_t = 4)]
    heads: usize,
    /// Characters of a sequence.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u64).range(2..=4096))]
    context: u64,
    /// Passes over the text.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    epochs: u64,
    /// Sequences of a step.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=4096))]
    batch: u64,
    /// The largest rate.
    #[arg(long, default_value_t = 3e-3)]
    rate: f64,
    /// Seed of the first weights, the order and what is written.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A file from which a stopped training goes on.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// What the model goes on from.
    #[arg(long, default_value = "In the beginning ")]
    prompt: String,
    /// How many characters it writes.
    #[arg(long, default_value_t = 400)]
    length: usize,
    /// 0 writes what is most likely, 1 as the model says.
    #[arg(long, default_value_t = 0.8)]
    temperature: f32,
    /// Characters are drawn from the so many most likely ones.
    #[arg(long, default_value_t = 20)]
    top_k: usize,
    /// A small model and some seconds.
    #[arg(long)]
    quick: bool,
    /// Take 20 steps, and write what they began with and came to into this file, for the same in another program.
    #[arg(long)]
    exchange: Option<PathBuf>,
}

/// What `--quick` learns where there is no other text.
const PAGES: [&str; 4] = [
    include_str!("../../docs/guide/loops.md"),
    include_str!("../../docs/guide/batching.md"),
    include_str!("../../docs/guide/recipes.md"),
    include_str!("../../docs/guide/sequences.md"),
];

const ADVICE: &str = "
Any text will do: --text FILE. The King James Bible, in the public domain, is in Debian's and Ubuntu's package bible-kjv:
    apt-get install bible-kjv && bible -f gen1:1-rev22:21 > kjv.txt";

const HELD_OUT: f64 = 0.1;
const WEIGHT_DECAY: f64 = 0.1;
/// Of the steps, the part in which the rate rises.
const WARM_UP: f64 = 0.05;
const CLIP_NORM: f64 = 1.0;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let text = match text::read(&arguments.text) {
        Err(DataError::Open { .. }) if arguments.quick => PAGES.concat(),
        Err(error @ DataError::Open { .. }) => {
            eprintln!("{error}\n{ADVICE}");
            return ExitCode::from(2);
        }
        Err(error) => return fail(&error),
        Ok(text) => text,
    };
    match run(&arguments, &text) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(error.as_ref()),
    }
}

fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

/// What is trained, and on what.
pub(crate) struct Task {
    vocabulary: Characters,
    sizes: Sizes,
    train: Windows<Dataset>,
    held_out: Windows<Dataset>,
    /// Bits of a character of the held-out part, by the frequencies of the training part.
    unigram: f64,
    batch: usize,
    epochs: u64,
    rate: f64,
}

impl Task {
    fn new(arguments: &Arguments, text: &str) -> Result<Task, Box<dyn Error>> {
        let vocabulary = Characters::of(text);
        let mut tokens = vocabulary.encode(text)?;
        let (mut width, mut context, mut blocks) = (arguments.width, arguments.context, arguments.blocks);
        let (mut batch, mut epochs) = (arguments.batch, arguments.epochs);
        if arguments.quick {
            tokens.truncate(60_000);
            (width, context, blocks, batch, epochs) = (32, 32, 2, 8, 1);
        }
        let held_out = tokens.split_off((tokens.len() as f64 * (1.0 - HELD_OUT)) as usize);
        let unigram = unigram(&tokens, &held_out, vocabulary.n_tokens());
        let [width, context, blocks] = [width, context, blocks].map(|size| size as usize);
        let windows = |tokens: Vec<i64>| Windows::new(Dataset::new().column("token", tokens)?, "token", context);
        let sizes = Sizes { tokens: vocabulary.n_tokens(), context, width, heads: arguments.heads, blocks };
        let (train, held_out) = (windows(tokens)?, windows(held_out)?);
        Ok(Task { vocabulary, sizes, train, held_out, unigram, batch: batch as usize, epochs, rate: arguments.rate })
    }

    /// A line up to the rate, then a cosine down to a tenth of it.
    fn schedule(&self) -> Schedule {
        let n_windows = self.train.n_examples().unwrap_or_default();
        let n_steps = self.epochs * n_windows.div_ceil(self.batch) as u64;
        let n_warm_up = (n_steps as f64 * WARM_UP) as u64;
        let falling = Schedule::cosine(self.rate, self.rate / 10.0, n_steps - n_warm_up);
        Schedule::linear(0.0, self.rate, n_warm_up).then(n_warm_up, falling)
    }

    /// AdamW, without decay on biases and norms.
    fn rule(&self) -> Groups {
        let adam = |decay: f64| AdamW::new(self.schedule()).beta2(0.95).weight_decay(decay);
        Groups::new(adam(WEIGHT_DECAY)).group(["*.bias", "*.gain"], adam(0.0))
    }
}

/// Bits of a character of `held_out`, where each has the frequency that it has in `tokens`, and one more.
fn unigram(tokens: &[i64], held_out: &[i64], n_tokens: usize) -> f64 {
    let mut counts = vec![1.0; n_tokens];
    for token in tokens {
        counts[*token as usize] += 1.0;
    }
    let total: f64 = counts.iter().sum();
    let bits = held_out.iter().map(|token| (total / counts[*token as usize]).log2());
    bits.sum::<f64>() / held_out.len() as f64
}

/// Whether the model is better than the frequencies of characters.
fn run(arguments: &Arguments, text: &str) -> Result<bool, Box<dyn Error>> {
    let task = Task::new(arguments, text)?;
    let g = Graph::new();
    let gpt = Gpt::new(&g, task.sizes);
    let [x, y] = ["x", "y"].map(|name| g.input_of(DType::I64, name, ("batch", task.sizes.context)));
    let loss = cross_entropy(gpt.logits(x), y);
    let mut parameters = g.initialize(arguments.seed)?;
    println!(
        "{} characters, of {} kinds, {} parameters",
        text.chars().count(),
        task.sizes.tokens,
        parameters.n_elements()
    );
    if let Some(file) = &arguments.exchange {
        exchange::run(&task, &mut g.compile_training(loss.mean())?, parameters, arguments.seed, file)?;
        return Ok(true);
    }
    let bits = train(&task, Trainer::new(loss, [])?, &mut parameters, arguments)?;
    println!("{bits:.3} bits a character of the held-out part; by frequencies alone {:.3}", task.unigram);
    write(&task, (&g, &gpt), &parameters, arguments)?;
    if bits >= task.unigram {
        eprintln!("the model is no better than the frequencies of characters");
    }
    Ok(bits < task.unigram)
}

/// Bits of a character of the held-out part.
fn train(
    task: &Task,
    trainer: Trainer,
    parameters: &mut Parameters,
    arguments: &Arguments,
) -> Result<f64, Box<dyn Error>> {
    let mut trainer = trainer.measure_by(task.batch);
    let mut fit =
        Fit::new(task.epochs, task.batch).seed(arguments.seed).clip_norm(CLIP_NORM).stop_flag(ctrl_c::stop_flag()?);
    if let Some(file) = &arguments.checkpoint {
        fit = fit.checkpoint(Checkpoint::resume(file).every_steps(100));
    }
    let (mut rule, mut progress, start) = (task.rule(), Progress::new(), Instant::now());
    let training = trainer.training(parameters, &mut rule).validate(&task.held_out).observe(&mut progress);
    let report = training.fit(&task.train, &fit)?;
    drop(progress);
    println!("trained and measured in {:.0?}", start.elapsed());
    let held_out = report.measures[0].held_out.ok_or("there is a held-out part")?;
    Ok(held_out.value / std::f64::consts::LN_2)
}

fn write(
    task: &Task,
    (g, gpt): (&Graph, &Gpt<'_>),
    parameters: &Parameters,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let Arguments { temperature, top_k, seed, .. } = *arguments;
    // Characters that the text does not have cannot be gone on from.
    let known = |character: &char| task.vocabulary.encode(&character.to_string()).is_ok();
    let prompt: String = arguments.prompt.chars().filter(known).collect();
    let tokens = task.vocabulary.encode(if prompt.is_empty() { "\n" } else { &prompt })?;
    let mut writer = Writer::new(g, gpt, task.sizes.context / 2, Sampling { temperature, top_k, seed })?;
    let start = Instant::now();
    let written = writer.write(parameters, &tokens, arguments.length)?;
    println!("\n{prompt}{}\n", task.vocabulary.decode(&written)?);
    println!("{} characters written in {:.2?}", written.len(), start.elapsed());
    Ok(())
}

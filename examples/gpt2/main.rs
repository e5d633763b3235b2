//! Reads weights of the published GPT-2 layout, and says what follows some tokens.
//!
//! ```text
//! # A folder with model.safetensors (or model.safetensors.index.json and its files) and config.json, as of `gpt2` on the Hugging
//! # Face Hub, or as `GPT2LMHeadModel.save_pretrained` of transformers writes it
//! cargo run --release --example gpt2 -- --model gpt2 --tokens 15496,11,995
//! cargo run --release --example gpt2 -- --model gpt2 --tokens 15496,11,995 --write 20 --temperature 0.7 --seed 1
//! ```
//!
//! Tokens are numbers. `Subwords::gpt2` of the crate `pullback-data` makes them of a text, and a text of them, by the files
//! `vocab.json` and `merges.txt` that lie beside the weights.

#[path = "../gpt/model.rs"]
mod model;
mod published;
#[path = "../gpt/write.rs"]
mod write;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::Parser;
use model::Gpt;
use ndarray::{Array2, Axis};
use pullback::{DType, Graph, Parameters};
use write::{Sampling, Writer};

/// What follows some tokens, by a model of the published GPT-2 layout.
#[derive(Parser)]
struct Arguments {
    /// The folder of config.json and the weights.
    #[arg(long)]
    model: PathBuf,
    /// Numbers of tokens, with commas between.
    #[arg(long, value_delimiter = ',', required = true)]
    tokens: Vec<i64>,
    /// Write so many tokens, instead of naming the most likely next ones.
    #[arg(long)]
    write: Option<usize>,
    /// 0 writes what is most likely, 1 as the model says.
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Tokens are drawn from the so many most likely ones.
    #[arg(long, default_value_t = 40)]
    top_k: usize,
    /// Of what is drawn.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

const N_SHOWN: usize = 10;

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
    let sizes = published::sizes(&arguments.model)?;
    let (n_tokens, n_given) = (sizes.tokens as i64, arguments.tokens.len());
    if let Some(token) = arguments.tokens.iter().find(|token| !(0..n_tokens).contains(*token)) {
        return Err(format!("{token} is no token: there are {n_tokens}, from 0 on").into());
    }
    if n_given > sizes.context {
        return Err(format!("{n_given} tokens are more than the {} of a sequence", sizes.context).into());
    }
    let g = Graph::new();
    let gpt = Gpt::new(&g, sizes);
    let mut parameters = g.initialize(0)?;
    let report = published::load(&arguments.model, &mut parameters)?;
    println!("{} arrays of {} numbers", report.loaded.len(), parameters.n_elements());
    let Some(n_written) = arguments.write else { return show(&g, &gpt, &parameters, &arguments.tokens) };
    let Arguments { temperature, top_k, seed, .. } = *arguments;
    let n_each = n_written.min(sizes.context / 2);
    let mut writer = Writer::new(&g, &gpt, n_each, Sampling { temperature, top_k, seed })?;
    let written = writer.write(&parameters, &arguments.tokens, n_written)?;
    println!("{}", written.iter().map(i64::to_string).collect::<Vec<_>>().join(","));
    Ok(())
}

/// The most likely next tokens, with their logits.
fn show(g: &Graph, gpt: &Gpt<'_>, parameters: &Parameters, tokens: &[i64]) -> Result<(), Box<dyn Error>> {
    let x = g.input_of(DType::I64, "x", (1, "time"));
    let (scores, likely) = gpt.logits(x).slice((0, -1)).top_k(N_SHOWN.min(gpt.sizes.tokens), -1);
    let x = Array2::from_shape_vec((1, tokens.len()), tokens.to_vec())?;
    let out = g.compile([("score", scores), ("token", likely)])?.run(parameters, ("x", &x))?;
    let scores = out["score"].array::<f32>().ok_or("scores are f32")?;
    let likely = out["token"].array::<i64>().ok_or("tokens are integers")?;
    for (token, score) in likely.axis_iter(Axis(0)).zip(scores.axis_iter(Axis(0))) {
        println!("token {token:6}  logit {score:.4}");
    }
    Ok(())
}

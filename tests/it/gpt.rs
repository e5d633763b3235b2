//! The model of examples/gpt against PyTorch, and what examples/gpt2 reads against transformers, as tests/recorded/gpt.py and gpt2.py say.

#[path = "../../examples/gpt/model.rs"]
mod model;
#[path = "../../examples/gpt2/published.rs"]
mod published;
#[path = "../../examples/gpt/write.rs"]
mod write;

use std::{collections::BTreeMap, fs, path::PathBuf};

use model::{Gpt, Sizes};
use ndarray::{Array1, Array2, ArrayD, Axis};
use pullback::{
    DType, Expr, Graph, Parameters,
    io::{Arrays, IoError},
    nn::cross_entropy,
    optim::{AdamW, Groups, Optimizer},
};
use write::{Sampling, Writer};

use crate::nn::sequence::{numbers, sizes};

/// A tiny model after each of 20 steps, whose weights and tokens are formulas. The record is of f64, this is f32: the losses of the same model are
/// apart by some roundings of 6e-8, times what 20 steps make of them.
#[test]
fn the_first_losses_of_a_gpt_are_those_of_pytorch() {
    let g = Graph::new();
    let gpt = Gpt::new(&g, Sizes { tokens: 11, context: 8, width: 16, heads: 2, blocks: 2 });
    let tokens = g.input_of(DType::I64, "tokens", ("batch", 9));
    let logits = gpt.logits(tokens.slice((.., ..8)));
    let mut step = g.compile_training(cross_entropy(logits, tokens.slice((.., 1..))).mean()).expect("no mistake");
    let mut parameters = g.initialize(0).expect("no mistake");
    for (seed, parameter) in (101..).zip(g.parameters()) {
        let name = parameter.name().expect("parameters have names");
        let shift = if name.ends_with(".gain") { 1.0 } else { 0.0 };
        parameters.set(&name, numbers(&sizes(parameter), seed).mapv(|x| (x + shift) as f32)).expect("fits");
    }
    let adam = |decay: f64| AdamW::new(3e-3).beta2(0.95).weight_decay(decay);
    let mut rule = Groups::new(adam(0.1)).group(["*.bias", "*.gain"], adam(0.0));
    let expected: Vec<f64> = lines(include_str!("../recorded/gpt.txt")).concat();
    assert_eq!(expected.len(), 20);
    for (seed, expected) in (1..).zip(expected) {
        let tokens = numbers(&[4, 9], seed).mapv(|x| (11.0 * (0.5 + x)).floor() as i64);
        let mut out = step.run(&parameters, ("tokens", &tokens)).expect("it runs");
        assert!((out.loss - expected).abs() < 1e-4, "step {seed}: {} is not {expected}", out.loss);
        out.gradients.clip_norm(1.0).expect("finite");
        rule.step(&mut parameters, &out.gradients).expect("it fits");
    }
}

fn lines(text: &str) -> Vec<Vec<f64>> {
    let line = |line: &str| line.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    text.lines().map(line).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/gpt2")
}

/// The tokens, and the logits at each place.
fn recorded() -> (Vec<i64>, ArrayD<f64>) {
    let mut lines = lines(include_str!("../recorded/gpt2/logits.txt"));
    let tokens: Vec<i64> = lines.remove(0).into_iter().map(|token| token as i64).collect();
    let shape = vec![lines.len(), lines[0].len()];
    (tokens, ArrayD::from_shape_vec(shape, lines.concat()).expect("as many"))
}

fn published_model(g: &Graph) -> (Gpt<'_>, Parameters) {
    let gpt = Gpt::new(g, published::sizes(&folder()).expect("it is of the layout"));
    let mut parameters = g.initialize(0).expect("no mistake");
    let report = published::load(&folder(), &mut parameters).expect("it is of the layout");
    assert_eq!(report.loaded.len(), g.parameters().len());
    (gpt, parameters)
}

/// In f32, relative to the largest logit: sums of some hundred products behind each other.
const TOLERANCE: f64 = 1e-5;

fn check(what: &str, found: &ArrayD<f32>, expected: &ArrayD<f64>) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let greatest = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let off = found.iter().zip(expected).fold(0.0f64, |most, (found, x)| most.max((f64::from(*found) - x).abs()));
    assert!(off <= TOLERANCE * greatest, "{what}: off by {off:e} of {greatest}");
}

#[test]
fn a_model_of_the_published_layout_has_the_logits_of_transformers() {
    let g = Graph::new();
    let (gpt, parameters) = published_model(&g);
    let (tokens, expected) = recorded();
    let (x, n) = (g.input_of(DType::I64, "x", (1, "time")), tokens.len());
    let at_once = gpt.logits(x).squeeze(0);

    // Token by token, and four of them at once, then the rest.
    let by_cache = |parts: &[usize]| {
        let (mut caches, mut start) = (gpt.empty_caches(1), 0);
        let part = |size: &usize| {
            let tokens = x.slice((.., start..start + *size as i64));
            let (logits, next) = gpt.step(tokens, std::mem::take(&mut caches), g.full(start, ()));
            (caches, start) = (next, start + *size as i64);
            logits
        };
        let logits: Vec<Expr<'_>> = parts.iter().map(part).collect();
        logits[0].concat(logits[1..].iter().copied(), 0)
    };
    let one_by_one = by_cache(&vec![1; n]);
    let in_parts = by_cache(&[4, n - 4]);
    let mut program = g
        .compile([("at once", at_once), ("one by one", one_by_one), ("in parts", in_parts)])
        .unwrap_or_else(|error| panic!("{error}"));
    let x = Array2::from_shape_vec((1, n), tokens).expect("as many");
    let out = program.run(&parameters, ("x", &x)).expect("it runs");
    let found = |name: &str| out[name].array::<f32>().expect("f32");
    check("at once", found("at once"), &expected);
    check("one by one", found("one by one"), &expected);
    check("in parts", found("in parts"), &expected.select(Axis(0), &[3, n - 1]));
}

/// `GPT2LMHeadModel.save_pretrained` puts `transformer.` before the names and leaves the masks out.
#[test]
fn both_layouts_of_files_are_read_and_others_are_told() {
    let g = Graph::new();
    let (_, expected) = published_model(&g);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let published = Arrays::load(self::folder().join("model.safetensors")).expect("it is a file");
    let mut saved = Arrays::new();
    for (name, value) in published.iter().filter(|(name, _)| !name.ends_with(".attn.bias")) {
        saved.insert(format!("transformer.{name}"), value.clone());
    }
    saved.save(&path).expect("it is written");
    let mut parameters = g.initialize(0).expect("no mistake");
    published::load(folder.path(), &mut parameters).expect("it is of the layout");
    assert_eq!(parameters, expected);

    saved.insert("transformer.h.2.ln_1.bias", Array1::<f32>::zeros(16).into());
    saved.save(&path).expect("it is written");
    let error = published::load(folder.path(), &mut parameters).expect_err("there is no third block");
    assert!(matches!(&error, IoError::Weights { report, .. } if report.unexpected.len() == 1), "{error}");

    let config = fs::read_to_string(self::folder().join("config.json")).expect("there is one");
    for (from, to, reason) in [
        ("gelu_new", "relu", "activation_function is \"relu\""),
        ("n_embd", "width", "there is no size n_embd"),
        ("\"n_inner\": null", "\"n_inner\": 32", "n_inner is 32"),
        ("{", "", "trailing characters"),
    ] {
        fs::write(folder.path().join("config.json"), config.replacen(from, to, 1)).expect("it is written");
        let error = published::sizes(folder.path()).expect_err(reason).to_string();
        assert!(error.contains(reason) && error.contains("config.json"), "{error}");
    }
}

/// Means and deviations of n normal numbers are off by σ/√n and σ/√(2n), and both were drawn: five times that is exceeded by one of a million.
#[test]
fn weights_start_as_those_of_gpt2_do() {
    let g = Graph::new();
    let _ = Gpt::new(&g, Sizes { tokens: 300, context: 100, width: 64, heads: 2, blocks: 3 });
    let parameters = g.initialize(0).expect("no mistake");
    let mut recorded = BTreeMap::new();
    for line in include_str!("../recorded/gpt2/starts.txt").lines() {
        let [name, n, mean, deviation] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        recorded.insert(name, [n, mean, deviation].map(|number| number.parse::<f64>().expect("a number")));
    }
    assert_eq!(recorded.len(), parameters.names().count());
    for name in parameters.names() {
        let weight = parameters.array::<f32>(name).expect("f32").mapv(f64::from);
        let [n, mean, deviation] = recorded[name];
        assert_eq!(weight.len() as f64, n, "{name}");
        let (found_mean, found_deviation) = (weight.mean().expect("not empty"), weight.std(0.0));
        let bound = 5.0 * deviation * (2.0 / n).sqrt();
        assert!((found_mean - mean).abs() <= bound, "{name}: {found_mean} is not {mean}");
        let bound = bound / 2f64.sqrt();
        assert!((found_deviation - deviation).abs() <= bound, "{name}: {found_deviation} is not {deviation}");
    }
}

#[test]
fn tokens_are_drawn_by_the_softmax_of_the_most_likely_logits() {
    const DRAWS: usize = 2000;
    let g = Graph::new();
    let (gpt, parameters) = published_model(&g);
    let (prompt, logits) = recorded();
    let last = logits.index_axis(Axis(0), prompt.len() - 1).iter().copied().collect::<Vec<f64>>();
    let mut order: Vec<usize> = (0..last.len()).collect();
    order.sort_by(|a, b| last[*b].total_cmp(&last[*a]));
    let (top_k, temperature) = (4, 2.0);
    let weights: Vec<f64> = order[..top_k].iter().map(|token| (last[*token] / f64::from(temperature)).exp()).collect();
    let mut counts = vec![0usize; last.len()];
    let sampling = |seed: u64| Sampling { temperature, top_k, seed };
    let mut writer = Writer::new(&g, &gpt, 1, sampling(0)).expect("no mistake");
    for seed in 0..DRAWS {
        writer.sampling = sampling(seed as u64);
        counts[writer.write(&parameters, &prompt, 1).expect("it runs")[0] as usize] += 1;
    }
    let total: f64 = weights.iter().sum();
    for (rank, token) in order.iter().enumerate() {
        let p = weights.get(rank).map_or(0.0, |weight| weight / total);
        // Binomial: five deviations.
        let bound = 5.0 * (DRAWS as f64 * p * (1.0 - p)).sqrt();
        let off = (counts[*token] as f64 - DRAWS as f64 * p).abs();
        assert!(off <= bound, "token {token}: {} of {DRAWS}, p = {p}", counts[*token]);
    }
}

#[test]
fn without_temperature_the_most_likely_token_is_written_beyond_the_context_too() {
    let g = Graph::new();
    let (gpt, parameters) = published_model(&g);
    let context = gpt.sizes.context;
    let x = g.input_of(DType::I64, "x", (1, "time"));
    let mut next = g.compile(gpt.logits(x).slice((0, -1)).argmax(-1)).expect("no mistake");
    let (n_each, n_tokens) = (5, 20);
    let prompt = [3i64, 0, 12];
    // A run sees as much of what there is as leaves room for five.
    let mut expected = prompt.to_vec();
    while expected.len() < prompt.len() + n_tokens {
        let mut seen = expected[expected.len().saturating_sub(context - n_each)..].to_vec();
        for _ in 0..n_each {
            let x = Array2::from_shape_vec((1, seen.len()), seen.clone()).expect("as many");
            let token = next.run(&parameters, ("x", &x)).expect("it runs").scalar::<i64>("result").expect("one");
            seen.push(token);
            expected.push(token);
        }
    }
    let sampling = Sampling { temperature: 0.0, top_k: 13, seed: 7 };
    let mut writer = Writer::new(&g, &gpt, n_each, sampling).expect("no mistake");
    let written = writer.write(&parameters, &prompt, n_tokens).expect("it runs");
    assert_eq!(written, expected[prompt.len()..prompt.len() + n_tokens]);
    assert!(Writer::new(&g, &gpt, context, sampling).is_err());
}

//! Texts that a GPT writes, with a cache, in one program. In: a model, then a prompt. Out: the tokens that follow.

use std::error::Error;

use ndarray::{Array2, arr0};
use pullback::{DType, Expr, Graph, Parameters, Program};

use super::model::Gpt;

/// Which of the tokens that may follow is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    /// Logits are divided by it: 0 takes the most likely token, 1 as the model says.
    pub(crate) temperature: f32,
    /// One of the so many most likely tokens.
    pub(crate) top_k: usize,
    pub(crate) seed: u64,
}

/// A program that goes on from a prompt.
pub(crate) struct Writer {
    program: Program,
    pub(crate) sampling: Sampling,
    context: usize,
    /// How many tokens a run writes.
    n_each: usize,
}

impl Writer {
    /// Of the parameters of a model in this graph.
    pub(crate) fn new(g: &Graph, gpt: &Gpt<'_>, n_each: usize, sampling: Sampling) -> Result<Writer, Box<dyn Error>> {
        let context = gpt.sizes.context;
        if n_each == 0 || n_each >= context {
            return Err(format!("{n_each} tokens and a prompt are not from 2 to the {context} of a sequence").into());
        }
        let sampling = Sampling { top_k: sampling.top_k.clamp(1, gpt.sizes.tokens), ..sampling };
        let program = g.compile(written(g, gpt, n_each, sampling.top_k))?;
        Ok(Writer { program, sampling, context, n_each })
    }

    /// So many tokens behind the prompt. Of a prompt and what was written the model sees the last tokens, as many as leave room in a
    /// sequence for those of a run.
    pub(crate) fn write(
        &mut self,
        parameters: &Parameters,
        prompt: &[i64],
        n_tokens: usize,
    ) -> Result<Vec<i64>, Box<dyn Error>> {
        let mut tokens = prompt.to_vec();
        while tokens.len() < prompt.len() + n_tokens {
            let seen = tokens[tokens.len().saturating_sub(self.context - self.n_each)..].to_vec();
            let seen = Array2::from_shape_vec((1, seen.len()), seen)?;
            let scalars = [arr0(self.sampling.seed as i64), arr0(tokens.len() as i64)];
            let [key, counter] = &scalars;
            let temperature = arr0(self.sampling.temperature);
            let fed = (("prompt", &seen), ("key", key), ("counter", counter), ("temperature", &temperature));
            let out = self.program.run(parameters, fed)?;
            tokens.extend(out["result"].array::<i64>().ok_or("tokens are integers")?);
        }
        tokens.truncate(prompt.len() + n_tokens);
        Ok(tokens.split_off(prompt.len()))
    }
}

/// `i64[n_each]`: the tokens behind `prompt`, `i64[1, n]`.
fn written<'g>(g: &'g Graph, gpt: &Gpt<'g>, n_each: usize, top_k: usize) -> Expr<'g> {
    let prompt = g.input_of(DType::I64, "prompt", (1, "prompt"));
    let (key, counter) = (g.input_of(DType::I64, "key", ()), g.input_of(DType::I64, "counter", ()));
    let draw = Draw { top_k, temperature: g.input("temperature", ()), key };
    let n_seen = g.dim_size(prompt.shape()[1].clone(), DType::I64);
    let (logits, caches) = gpt.step(prompt, gpt.empty_caches(1), g.full(0i64, ()));
    let first = draw.token(logits, counter);
    let (_, tokens) = g.scan((first, caches), g.iota(DType::I64, (n_each,), 0), |(token, caches), place| {
        let (logits, caches) = gpt.step(token.unsqueeze(-1), caches, n_seen + place);
        ((draw.token(logits, counter + place + 1), caches), token)
    });
    tokens.squeeze(-1)
}

/// How a token is drawn.
struct Draw<'g> {
    top_k: usize,
    temperature: Expr<'g>,
    key: Expr<'g>,
}

impl<'g> Draw<'g> {
    /// The greatest of ℓ + T·G, with G = −ln(−ln u) independent for each token, is a token drawn by softmax(ℓ/T); T = 0 is no special
    /// case. Gumbel, *Statistical theory of extreme values*, 1954.
    fn token(&self, logits: Expr<'g>, counter: Expr<'g>) -> Expr<'g> {
        let (scores, tokens) = logits.top_k(self.top_k, -1);
        // From the multiples of 2⁻²⁴ in [0, 1) 0 goes, of which the noise would be infinite.
        let uniform =
            logits.graph().random_uniform(self.key, counter, DType::F32, scores.shape()).maximum(2f64.powi(-25));
        let noise = -(-uniform.log()).log();
        let greatest = (scores + self.temperature * noise).argmax(-1);
        tokens.take_along(greatest.unsqueeze(-1), -1).squeeze(-1)
    }
}

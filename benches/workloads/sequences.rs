//! W10 and W13: language models in `f32`, built of layers, whose loss is derived by all parameters. In: a graph. Out: the loss.

use pullback::{
    DType, Expr, Graph,
    nn::{
        Embedding, FeedForwardActivation, Layer, LearnedPositions, Linear, Lstm, TransformerEncoderBlock,
        TransformerOptions, cross_entropy, layer_norm,
    },
    optim::{AdamW, Optimizer},
};

use super::{
    GraphOf, Inputs, Workload,
    data::{Start, tokens},
    networks::{dense, within_root},
};

/// An LSTM of 128 on embeddings of 64 of 96 characters, 32 sequences of 64 steps, gradient only.
pub(super) const W10: Workload = Workload {
    name: "W10",
    inputs: || text([LSTM_BATCH, 64], CHARACTERS),
    graph: GraphOf::Loss { loss: |g| lstm(g, 64), starts: lstm_starts, rule: None },
    expected: &[4.563849, 0.036345908],
};

/// W10 with 256 steps.
pub(super) const W10_256: Workload = Workload {
    name: "W10_256",
    inputs: || text([LSTM_BATCH, 256], CHARACTERS),
    graph: GraphOf::Loss { loss: |g| lstm(g, 256), starts: lstm_starts, rule: None },
    expected: &[4.5668864, 0.018882753],
};

/// A GPT of 4 blocks of 256, 4 heads, 4 sequences of 128 of 4,096 tokens, AdamW.
pub(super) const W13: Workload = Workload {
    name: "W13",
    inputs: || text([4, POSITIONS], TOKENS),
    graph: GraphOf::Loss { loss: gpt, starts: gpt_starts, rule: Some(adam_w) },
    expected: &[8.4069977, 7.9400401, 7.5132079],
};

const LSTM_BATCH: usize = 32;
const CHARACTERS: usize = 96;
const EMBEDDED: usize = 64;
const HIDDEN: usize = 128;

/// Sequences of tokens, and what follows each.
fn text(sizes: [usize; 2], n_tokens: usize) -> Inputs {
    let [x, label] = tokens(100, sizes, n_tokens);
    vec![("x", x), ("label", label)]
}

/// What [`text`] is fed to.
fn text_inputs(g: &Graph, length: usize) -> [Expr<'_>; 2] {
    ["x", "label"].map(|name| g.input_of(DType::I64, name, ("batch", length)))
}

/// Time comes first in a recurrent layer: the tokens are turned, which are few.
fn lstm(g: &Graph, length: usize) -> Expr<'_> {
    let [x, label] = text_inputs(g, length).map(Expr::t);
    let rows = Embedding::new(g, "embedding", CHARACTERS, EMBEDDED).call(x);
    let hidden = Lstm::new(g, "lstm", EMBEDDED, HIDDEN).call(rows);
    cross_entropy(Linear::new(g, "out", HIDDEN, CHARACTERS).call(hidden), label).mean()
}

fn lstm_starts() -> Vec<Start> {
    let recurrent = [within_root(EMBEDDED), within_root(HIDDEN), within_root(HIDDEN)];
    [Start::Uniform(1.0)].into_iter().chain(recurrent).chain(dense(&[HIDDEN, CHARACTERS])).collect()
}

const BLOCKS: usize = 4;
const FEATURES: usize = 256;
const HEADS: usize = 4;
const POSITIONS: usize = 128;
const TOKENS: usize = 4096;

fn gpt(g: &Graph) -> Expr<'_> {
    let [x, label] = text_inputs(g, POSITIONS);
    let words = Embedding::new(g, "words", TOKENS, FEATURES);
    let positions = LearnedPositions::new(g, "positions", POSITIONS, FEATURES);
    let options = TransformerOptions {
        causal: true,
        activation: FeedForwardActivation::GeluTanh,
        ..TransformerOptions::default()
    };
    let hidden = (0..BLOCKS).fold(positions.call(words.call(x)), |x, block| {
        TransformerEncoderBlock::with(g, &format!("block.{block}"), FEATURES, HEADS, options).call(x)
    });
    cross_entropy(words.logits(layer_norm(hidden, "norm")), label).mean()
}

fn adam_w() -> Box<dyn Optimizer> {
    Box::new(AdamW::new(1e-3).weight_decay(0.01))
}

fn gpt_starts() -> Vec<Start> {
    let norm = [Start::Constant(1.0), Start::Constant(0.0)];
    let layer = |fan_in| [within_root(fan_in); 2];
    let block = [norm, layer(FEATURES), layer(FEATURES), norm, layer(FEATURES), layer(4 * FEATURES)].concat();
    [vec![Start::Uniform(0.05); 2], block.repeat(BLOCKS), norm.to_vec()].concat()
}

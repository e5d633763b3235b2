//! A layer costs what the same written out by hand does: as many operations, and no byte of memory more.

use pullback::{
    DType, Expr, Graph, Initializer,
    nn::{Embedding, Layer, Lstm, MultiHeadAttention, MultiHeadAttentionOptions, linear},
};

type Loss = for<'g> fn(&'g Graph) -> Expr<'g>;

/// Bytes of the arena, steps of the plan, bytes moved and operations of a training step.
fn costs(loss: Loss) -> (usize, usize, usize, usize) {
    let g = Graph::new();
    let step = g.compile_training(loss(&g)).unwrap_or_else(|error| panic!("{error}"));
    let summary = step.summary([]).expect("sizes are numbers");
    (summary.arena_bytes, summary.n_steps, summary.moved_bytes, summary.flops)
}

const TIME: usize = 16;

fn lstm_by_layer(g: &Graph) -> Expr<'_> {
    let x = g.input("x", (TIME, 8, 24));
    Lstm::new(g, "lstm", 24, 32).call(x).square().mean()
}

fn lstm_by_hand(g: &Graph) -> Expr<'_> {
    let x = g.input("x", (TIME, 8, 24));
    let w = g.parameter("w", (24, 128), Initializer::GlorotUniform);
    let u = g.parameter("u", (32, 128), Initializer::GlorotUniform);
    let b = g.parameter("b", (128,), Initializer::Zeros);
    let zero = g.full(0.0f32, (8, 32));
    let (_, hs) = g.scan((zero, zero), x.dot(w) + b, |(h, c), z| {
        let gates = (z + h.dot(u)).split(4, -1);
        let c = gates[1].sigmoid() * c + gates[0].sigmoid() * gates[2].tanh();
        let h = gates[3].sigmoid() * c.tanh();
        ((h, c), h)
    });
    hs.square().mean()
}

fn attention_by_layer(g: &Graph) -> Expr<'_> {
    let x = g.input("x", (2, TIME, 32));
    let options = MultiHeadAttentionOptions { causal: true, ..MultiHeadAttentionOptions::default() };
    MultiHeadAttention::with(g, "attention", 32, 4, options).call(x).square().mean()
}

fn attention_by_hand(g: &Graph) -> Expr<'_> {
    let x = g.input("x", (2, TIME, 32));
    let parts = linear(x, "in", 96).split(3, -1);
    let [query, key, value] = [0, 1, 2].map(|part| parts[part].reshape((2, TIME, 4, 8)).transpose([0, 2, 1, 3]));
    let scores = query.dot(key.t()) * 8f64.sqrt().recip();
    let position = |axis| g.iota(DType::I64, (TIME, TIME), axis);
    let weights = position(0).greater_equal(position(1)).select(scores, f64::NEG_INFINITY).softmax(-1);
    let heads = weights.dot(value).transpose([0, 2, 1, 3]).reshape((2, TIME, 32));
    linear(heads, "out", 32).square().mean()
}

fn embedding_by_layer(g: &Graph) -> Expr<'_> {
    let table = Embedding::new(g, "table", 50, 16);
    let ids = g.input_of(DType::I64, "ids", (8, 4));
    table.logits(table.call(ids).tanh()).logsumexp(-1).mean()
}

fn embedding_by_hand(g: &Graph) -> Expr<'_> {
    let table = g.parameter("table", (50, 16), Initializer::GlorotUniform);
    let ids = g.input_of(DType::I64, "ids", (8, 4));
    table.gather(ids, 0).tanh().dot(table.t()).logsumexp(-1).mean()
}

#[test]
fn layers_of_sequences_cost_what_they_cost_by_hand() {
    let pairs: [(&str, Loss, Loss); 3] = [
        ("lstm", lstm_by_layer, lstm_by_hand),
        ("attention", attention_by_layer, attention_by_hand),
        ("embedding", embedding_by_layer, embedding_by_hand),
    ];
    for (name, layer, by_hand) in pairs {
        assert_eq!(costs(layer), costs(by_hand), "{name}");
    }
}

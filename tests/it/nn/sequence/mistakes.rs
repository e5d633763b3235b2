//! Mistakes with layers of sequences: one diagnostic each, on the user's line, and no panic.

use ndarray::array;
use pullback::{
    DType, Expr, Graph,
    nn::{
        AttentionMask, Directions, Embedding, EmbeddingOptions, FeedForward, Gru, GruOptions, Layer, LearnedPositions,
        Lstm, LstmOptions, MultiHeadAttention, MultiHeadAttentionOptions, Recurrence, Recurrent, RecurrentCell, Rnn,
        RotaryOptions, SinusoidalPositions, TransformerDecoderBlock, TransformerEncoderBlock, dot_product_attention,
    },
    ops::Tree,
};

type Mistake = for<'g> fn(&'g Graph, Expr<'g>);

/// x is `f32[3, 2, 8]`.
const MISTAKES: &[(&str, Mistake, &str)] = &[
    (
        "padding id",
        |g, _| {
            ignore(Embedding::with(g, "e", 4, 2, EmbeddingOptions { padding: Some(4), ..EmbeddingOptions::default() }))
        },
        "the padding id must be less than the number of ids, found 4 of 4 ids",
    ),
    ("ids of a float", |g, x| ignore(Embedding::new(g, "e", 4, 2).call(x)), "i64"),
    (
        "ids of a float with padding",
        |g, x| {
            ignore(
                Embedding::with(g, "e", 4, 2, EmbeddingOptions { padding: Some(1), ..EmbeddingOptions::default() })
                    .call(x),
            )
        },
        "i64",
    ),
    ("hidden state of another width", |g, x| ignore(Embedding::new(g, "e", 4, 2).logits(x)), "size"),
    (
        "name of a table that is taken",
        |g, x| {
            let table = Embedding::new(g, "e", 4, 2);
            ignore(Embedding::new(g, "e", 4, 2).call(g.constant(array![0i64])) + table.logits(x.slice((.., .., ..2))));
        },
        "\"e.weight\" is taken",
    ),
    (
        "positions of a vector",
        |g, x| ignore(LearnedPositions::new(g, "p", 4, 2).call(x.slice((0, 0)))),
        "at least 2 axes",
    ),
    (
        "positions of another width",
        |g, x| ignore(LearnedPositions::new(g, "p", 4, 8).call(x.slice((.., .., ..1)))),
        "the input must have shape [3, 2, 8]",
    ),
    ("more time than positions", |g, x| ignore(LearnedPositions::new(g, "p", 1, 8).call(x)), "out of range"),
    ("positions that are floats", |_, x| ignore(SinusoidalPositions::default().at(x, 4, DType::F32)), "i64 positions"),
    ("waves of an odd width", |_, x| ignore(SinusoidalPositions::default().call(x.slice((.., .., ..3)))), "even"),
    ("waves of no base", |_, x| ignore(SinusoidalPositions { base: 0.0 }.call(x)), "the base must be positive"),
    (
        "rotation of an odd width",
        |g, x| ignore(x.slice((.., .., ..3)).rotary(g.iota(DType::I64, (2,), 0), RotaryOptions::default())),
        "even",
    ),
    (
        "rotation of too many features",
        |g, x| {
            ignore(x.rotary(g.iota(DType::I64, (2,), 0), RotaryOptions { width: Some(10), ..RotaryOptions::default() }))
        },
        "at most the size of the last axis, found 10 of 8",
    ),
    (
        "rotation by other positions",
        |g, x| ignore(x.rotary(g.iota(DType::I64, (5,), 0), RotaryOptions::default())),
        "broadcast",
    ),
    (
        "heads that do not divide the width",
        |g, x| ignore(MultiHeadAttention::new(g, "a", 8, 3).call(x)),
        "a divisor of the width, found 3 for a width of 8",
    ),
    ("no heads", |g, x| ignore(MultiHeadAttention::new(g, "a", 8, 0).call(x)), "a divisor of the width"),
    (
        "heads of keys",
        |g, x| ignore(key_heads(g, Some(3)).call(x)),
        "a divisor of the number of heads, found 3 for 4 heads",
    ),
    ("no heads of keys", |g, x| ignore(key_heads(g, Some(0)).call(x)), "a divisor of the number of heads"),
    (
        "name of an attention that is taken",
        |g, x| {
            ignore(key_heads(g, None).call(x) + key_heads(g, None).call(x));
        },
        "\"a.in.weight\" is taken",
    ),
    ("attention of a matrix", |g, x| ignore(key_heads(g, None).call(x.slice(0))), "expected 3 axes"),
    (
        "attention of another width",
        |g, x| ignore(key_heads(g, None).call(x.slice((.., .., ..4)))),
        "the input must have shape [3, 2, 8]",
    ),
    (
        "attention to a memory of another width",
        |g, x| ignore(key_heads(g, None).attend_to(x, x.slice((.., .., ..4)), AttentionMask::default())),
        "the memory must have shape",
    ),
    (
        "attention to a memory of another batch",
        |g, x| ignore(key_heads(g, None).attend_to(x, x.slice(..2), AttentionMask::default())),
        "the key must have shape",
    ),
    (
        "mask of another shape",
        |g, x| {
            ignore(
                key_heads(g, None)
                    .attend(x, AttentionMask { keys: Some(g.full(true, (2, 2))), ..AttentionMask::default() }),
            )
        },
        "the mask of the keys must have shape [3, 2]",
    ),
    (
        "mask of a float",
        |g, x| {
            ignore(
                key_heads(g, None)
                    .attend(x, AttentionMask { pairs: Some(g.full(1.0f32, (2, 2))), ..AttentionMask::default() }),
            )
        },
        "bool",
    ),
    (
        "two masks of which one is a float",
        |g, x| {
            ignore(key_heads(g, None).attend(
                x,
                AttentionMask { pairs: Some(g.full(1.0f32, (2, 2))), causal: true, ..AttentionMask::default() },
            ))
        },
        "bool",
    ),
    (
        "bias of truth values",
        |g, x| {
            ignore(
                key_heads(g, None)
                    .attend(x, AttentionMask { bias: Some(g.full(true, (2, 2))), ..AttentionMask::default() }),
            )
        },
        "dtypes",
    ),
    (
        "bias of more axes",
        |g, x| {
            ignore(
                key_heads(g, None).attend(
                    x,
                    AttentionMask { bias: Some(g.full(1.0f32, (4, 3, 4, 2, 2))), ..AttentionMask::default() },
                ),
            )
        },
        "does not broadcast to [3, 4, 2, 2]",
    ),
    (
        "mask of more axes",
        |g, x| {
            ignore(
                key_heads(g, None).attend(
                    x,
                    AttentionMask { pairs: Some(g.full(true, (4, 3, 4, 2, 2))), ..AttentionMask::default() },
                ),
            )
        },
        "broadcast",
    ),
    (
        "bias of a larger batch",
        |g, x| {
            ignore(dot_product_attention(
                x.slice(..1).unsqueeze(1),
                x.slice(..1).unsqueeze(1),
                x.slice(..1).unsqueeze(1),
                AttentionMask { bias: Some(g.full(1.0f32, (4, 1, 1, 1))), ..AttentionMask::default() },
            ))
        },
        "does not broadcast to [1, 1, 2, 2]",
    ),
    (
        "bias that does not broadcast",
        |g, x| {
            ignore(
                key_heads(g, None)
                    .attend(x, AttentionMask { bias: Some(g.full(1.0f32, (5,))), ..AttentionMask::default() }),
            )
        },
        "broadcast",
    ),
    (
        "heads without a batch",
        |_, x| ignore(dot_product_attention(x, x, x, AttentionMask::default())),
        "expected 4 axes",
    ),
    (
        "values of another time",
        |_, x| {
            let x = x.unsqueeze(0);
            ignore(dot_product_attention(x, x, x.slice((.., .., ..1)), AttentionMask::default()));
        },
        "the value must have shape",
    ),
    (
        "heads that are no multiple",
        |_, x| {
            let x = x.unsqueeze(0);
            ignore(dot_product_attention(x, x.slice((.., ..2)), x.slice((.., ..2)), AttentionMask::default()));
        },
        "a multiple of that of the keys, found 3 for 2",
    ),
    (
        "keys of another dtype",
        |_, x| {
            let x = x.unsqueeze(0);
            ignore(dot_product_attention(x, x.cast(DType::F64), x, AttentionMask::default()));
        },
        "expected f32, found f64",
    ),
    (
        "position of a float",
        |g, x| {
            let layer = key_heads(g, None);
            ignore(layer.step(x, layer.empty_cache(3, 4), g.full(0.0f32, ())));
        },
        "expected i64, found f32",
    ),
    (
        "positions of another batch",
        |g, x| {
            let layer = key_heads(g, None);
            ignore(layer.step(x, layer.empty_cache(3, 4), g.full(0i64, (2,))));
        },
        "the position must have shape [3]",
    ),
    (
        "rotation by positions that nobody said",
        |g, x| {
            let options = MultiHeadAttentionOptions {
                rotary: Some(RotaryOptions::default()),
                ..MultiHeadAttentionOptions::default()
            };
            let layer = MultiHeadAttention::with(g, "a", 8, 4, options);
            ignore(layer.attend_to_kept(x, layer.keep(x), AttentionMask::default()));
        },
        "the option `rotary` must be None for attention to what was kept, found a rotation",
    ),
    (
        "cache of another batch",
        |g, x| {
            let layer = key_heads(g, None);
            ignore(layer.step(x, layer.empty_cache(2, 4), g.full(0i64, ())));
        },
        "the keys of the cache must have shape [3, 4, 4, 2]",
    ),
    (
        "step of a layer that sees what comes later",
        |g, x| {
            let layer = MultiHeadAttention::new(g, "a", 8, 4);
            ignore(layer.step(x, layer.empty_cache(3, 4), g.full(0i64, ())));
        },
        "the option `causal` must be true for decoding step by step, found false",
    ),
    (
        "block whose heads do not divide the width",
        |g, x| ignore(TransformerEncoderBlock::new(g, "b", 8, 3).call(x)),
        "a divisor of the width, found 3 for a width of 8",
    ),
    (
        "name of a block that is taken",
        |g, x| {
            let _ = TransformerEncoderBlock::new(g, "b", 8, 2);
            ignore(TransformerEncoderBlock::new(g, "b", 8, 2).call(x));
        },
        "\"b.norm1.gain\" is taken",
    ),
    (
        "name of a decoder that is taken",
        |g, x| {
            let block = TransformerDecoderBlock::new(g, "b", 8, 2);
            let again = TransformerDecoderBlock::new(g, "b", 8, 2);
            let seen = AttentionMask::default();
            ignore(again.decode(block.decode(x, x, seen, seen), x, seen, seen));
            ignore(again.step(x, (again.keep(x), seen), again.empty_cache(3, 4), g.full(0i64, ())));
        },
        "\"b.norm1.gain\" is taken",
    ),
    ("block of a matrix", |g, x| ignore(TransformerEncoderBlock::new(g, "b", 8, 2).call(x.slice(0))), "3 axes"),
    (
        "block whose cache is of another batch",
        |g, x| {
            let block = TransformerEncoderBlock::new(g, "b", 8, 2);
            ignore(block.step(x, block.empty_cache(2, 4), g.full(0i64, ())));
        },
        "the keys of the cache must have shape [3, 2, 4, 4]",
    ),
    ("feed-forward part of another width", |g, x| ignore(FeedForward::new(g, "f", 7, 9).call(x)), "size"),
    (
        "no layers",
        |g, x| ignore(Lstm::with(g, "l", 8, 4, LstmOptions { layers: 0, ..LstmOptions::default() }).call(x)),
        "the number of layers must be at least 1",
    ),
    ("input of another width", |g, x| ignore(Lstm::new(g, "l", 7, 4).call(x)), "the input must have shape [3, 2, 7]"),
    ("input without a time", |g, x| ignore(Gru::new(g, "l", 8, 4).call(x.slice(0))), "expected 3 axes"),
    ("input of integers", |g, _| ignore(Rnn::new(g, "l", 8, 4).call(g.full(1i64, (3, 2, 8)))), "expected a float"),
    ("input of another dtype", |g, x| ignore(Rnn::new(g, "l", 8, 4).call(x.cast(DType::F64))), "dtypes"),
    (
        "state of another batch",
        |g, x| {
            let layer = Lstm::new(g, "l", 8, 4);
            ignore(layer.run(x, Some(layer.zero_state(3)), None));
        },
        "the state must have shape [1, 2, 4]",
    ),
    (
        "lengths of another batch",
        |g, x| ignore(Lstm::new(g, "l", 8, 4).run(x, None, Some(g.constant(array![1i64, 2, 3])))),
        "the lengths must have shape [2]",
    ),
    (
        "lengths of a float",
        |g, x| ignore(Lstm::new(g, "l", 8, 4).run(x, None, Some(g.full(1.0f32, (2,))))),
        "expected i64, found f32",
    ),
    (
        "step of both directions",
        |g, x| {
            let layer = Gru::with(g, "l", 8, 4, GruOptions { directions: Directions::Both, ..GruOptions::default() });
            ignore(layer.step(x.slice(0), layer.zero_state(2)));
        },
        "forward alone, found both",
    ),
    (
        "name of a recurrent layer that is taken",
        |g, x| {
            ignore(Lstm::new(g, "l", 8, 4).call(x) + Lstm::new(g, "l", 8, 4).call(x));
        },
        "\"l.0.weight\" is taken",
    ),
];

/// The mistake is in the graph.
fn ignore<T>(_: T) {}

fn key_heads(g: &Graph, key_heads: Option<usize>) -> MultiHeadAttention<'_> {
    MultiHeadAttention::with(
        g,
        "a",
        8,
        4,
        MultiHeadAttentionOptions { key_heads, ..MultiHeadAttentionOptions::default() },
    )
}

#[test]
fn a_mistake_with_a_layer_of_sequences_is_one_error_on_the_users_line() {
    for (name, mistake, expected) in MISTAKES {
        let g = Graph::new();
        mistake(&g, g.input("x", (3, 2, 8)));
        let report = g.check().expect_err(name);
        assert_eq!(report.0.len(), 1, "{name}: {report}");
        let text = report.to_string();
        assert!(text.contains(expected), "{name}: {text}");
        assert!(report.0[0].site.to_string().contains("mistakes.rs"), "{name}: {text}");
    }
}

/// A cell whose step gives no array, and one that has none at all.
#[derive(Debug, Clone, Copy, Default)]
struct Forgetful<const ARRAYS: usize>;

impl<const ARRAYS: usize> RecurrentCell for Forgetful<ARRAYS> {
    type State<'g> = Single<'g>;
    const NAME: &'static str = "Forgetful";
    const GATES: usize = 1;

    fn next<'g>(&self, _: Expr<'g>, _: Single<'g>, _: Recurrence<'g>) -> Single<'g> {
        Single(None)
    }

    fn repeated<'g>(array: Expr<'g>) -> Single<'g> {
        Single((ARRAYS > 0).then_some(array))
    }
}

#[derive(Clone, Copy)]
struct Single<'g>(Option<Expr<'g>>);

impl<'g> Tree<'g> for Single<'g> {
    fn push_to(&self, leaves: &mut Vec<Expr<'g>>) {
        leaves.extend(self.0);
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Expr<'g>>) -> Single<'g> {
        Single(self.0.and_then(|_| leaves.next()))
    }
}

#[test]
fn a_cell_that_loses_its_state_is_an_error() {
    let g = Graph::new();
    let x = g.input("x", (3, 2, 8));
    let lost = Recurrent::<Forgetful<1>>::new(&g, "lost", 8, 4);
    ignore(lost.call(x));
    ignore(lost.step(x.slice(0), lost.zero_state(2)));
    ignore(Recurrent::<Forgetful<0>>::new(&g, "none", 8, 4).call(x));
    let texts: Vec<String> = g.check().expect_err("mistakes").0.iter().map(|report| report.error.to_string()).collect();
    let gives_none = "the step of the cell gives 0 results, expected 1";
    assert_eq!(texts, [gives_none, gives_none, "the number of arrays of a state must be 1 or more, found 0"]);
}

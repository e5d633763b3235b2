//! Values and gradients against those of PyTorch, JAX and Flax, written by tests/recorded/layers_sequence.py, which says of what: in f64 by both
//! engines, and in f32.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayD, IxDyn, array};
use pullback::{
    DType, Evaluation, Expr, Graph,
    nn::{
        AttentionMask, Directions, Embedding, EmbeddingOptions, FeedForward, FeedForwardActivation, FeedForwardOptions,
        GruCell, GruOptions, Layer, LearnedPositions, LearnedPositionsOptions, LstmCell, LstmOptions,
        MultiHeadAttention, MultiHeadAttentionOptions, NormKind, NormPlacement, Recurrent, RecurrentCell,
        RecurrentOptions, RnnActivation, RnnCell, RnnOptions, RotaryLayout, RotaryOptions, SinusoidalPositions,
        TransformerDecoderBlock, TransformerEncoderBlock, TransformerOptions, dot_product_attention,
    },
    ops::Tree,
};

use super::{distance, elements, inputs, numbers, run, sizes, value};

/// In f64, relative to the largest element: sums of some hundred products, each within a few roundings.
const TOLERANCE: f64 = 1e-12;

/// In f32: the same with roundings of 6e-8.
const TOLERANCE_F32: f64 = 2e-5;

type Results<'g> = Vec<(&'static str, Expr<'g>)>;

/// One case of the script.
struct Case {
    /// The type or function that is recorded.
    of: &'static str,
    name: &'static str,
    results: for<'g> fn(&'g Graph, DType) -> Results<'g>,
}

const CASES: &[Case] = &[
    Case {
        of: "Embedding",
        name: "embedding",
        results: |g, dtype| {
            let table = Embedding::with(g, "table", 5, 4, EmbeddingOptions { dtype, ..EmbeddingOptions::default() });
            let rows = table.call(ids(g));
            vec![("rows", rows), ("logits", table.logits(rows.tanh()))]
        },
    },
    Case {
        of: "Embedding",
        name: "embedding with a padding id",
        results: |g, dtype| {
            let options = EmbeddingOptions { dtype, padding: Some(2), ..EmbeddingOptions::default() };
            vec![("rows", Embedding::with(g, "table", 5, 4, options).call(ids(g)))]
        },
    },
    Case {
        of: "LearnedPositions",
        name: "learned positions",
        results: |g, dtype| {
            let options = LearnedPositionsOptions { dtype, ..LearnedPositionsOptions::default() };
            let positions = LearnedPositions::with(g, "positions", 5, 4, options);
            let y = positions.call(g.input_of(dtype, "x", (2, 3, 4)));
            vec![("y", y), ("at", positions.at(g.constant(array![4i64, 1])))]
        },
    },
    Case {
        of: "SinusoidalPositions",
        name: "sinusoidal positions",
        results: |g, dtype| {
            let positions = SinusoidalPositions::default();
            let y = positions.call(g.input_of(dtype, "x", (2, 3, 6)));
            vec![("y", y), ("at", positions.at(g.constant(array![7i64, 1000]), 6, dtype))]
        },
    },
    Case { of: "rotary", name: "rotary in halves", results: |g, dtype| rotary(g, dtype, RotaryLayout::Halves) },
    Case { of: "rotary", name: "rotary in pairs", results: |g, dtype| rotary(g, dtype, RotaryLayout::Pairs) },
    Case {
        of: "rotary",
        name: "rotary of some features",
        results: |g, dtype| {
            let options = RotaryOptions { base: 500.0, width: Some(4), ..RotaryOptions::default() };
            let positions = g.constant(array![[[5i64]], [[9]]]);
            vec![("y", g.input_of(dtype, "x", (2, 3, 4, 6)).rotary(positions, options))]
        },
    },
    Case {
        of: "dot_product_attention",
        name: "attention of grouped queries",
        results: |g, dtype| {
            let [q, k, v] = [("query", [2, 4, 3, 5]), ("key", [2, 2, 4, 5]), ("value", [2, 2, 4, 6])]
                .map(|(name, shape)| g.input_of(dtype, name, shape));
            vec![("y", dot_product_attention(q, k, v, AttentionMask::default()))]
        },
    },
    Case {
        of: "dot_product_attention",
        name: "attention with masks",
        results: |g, dtype| {
            let [q, k, v] = [("query", [2, 2, 3, 4]), ("key", [2, 2, 4, 4]), ("value", [2, 2, 4, 4])]
                .map(|(name, shape)| g.input_of(dtype, name, shape));
            let bias = Some(g.input_of(dtype, "bias", (2, 3, 4)));
            let pairs = Some(g.constant(array![true, false, true, true]));
            vec![(
                "y",
                dot_product_attention(q, k, v, AttentionMask { causal: true, keys: Some(keys(g)), pairs, bias }),
            )]
        },
    },
    Case {
        of: "MultiHeadAttention",
        name: "multi-head attention",
        results: |g, dtype| multi_head(g, dtype, 2, MultiHeadAttentionOptions::default()),
    },
    Case {
        of: "MultiHeadAttention",
        name: "multi-head attention, causal",
        results: |g, dtype| {
            multi_head(g, dtype, 4, MultiHeadAttentionOptions { causal: true, ..MultiHeadAttentionOptions::default() })
        },
    },
    Case {
        of: "MultiHeadAttention",
        name: "multi-head attention with masks",
        results: |g, dtype| {
            let x = g.input_of(dtype, "x", (2, 4, 8));
            let options = MultiHeadAttentionOptions { dtype, ..MultiHeadAttentionOptions::default() };
            let mask = AttentionMask { causal: true, keys: Some(keys(g)), ..AttentionMask::default() };
            vec![("y", MultiHeadAttention::with(g, "attention", 8, 2, options).attend(x, mask))]
        },
    },
    Case {
        of: "MultiHeadAttention",
        name: "multi-head attention to a memory",
        results: |g, dtype| {
            let (x, memory) = (g.input_of(dtype, "x", (2, 3, 8)), g.input_of(dtype, "memory", (2, 4, 8)));
            let options = MultiHeadAttentionOptions { dtype, ..MultiHeadAttentionOptions::default() };
            let mask = AttentionMask { keys: Some(keys(g)), ..AttentionMask::default() };
            vec![("y", MultiHeadAttention::with(g, "attention", 8, 2, options).attend_to(x, memory, mask))]
        },
    },
    Case {
        of: "MultiHeadAttention",
        name: "multi-head attention without biases",
        results: |g, dtype| {
            multi_head(g, dtype, 2, MultiHeadAttentionOptions { bias: false, ..MultiHeadAttentionOptions::default() })
        },
    },
    Case {
        of: "MultiHeadAttention",
        name: "multi-head attention, grouped queries, rotary",
        results: |g, dtype| grouped(g, dtype, 2),
    },
    Case {
        of: "MultiHeadAttention",
        name: "multi-head attention, multi-query, rotary",
        results: |g, dtype| grouped(g, dtype, 1),
    },
    Case { of: "Lstm", name: "lstm", results: |g, dtype| recurrent(g, dtype, LstmOptions::default()) },
    Case {
        of: "Lstm",
        name: "lstm of two layers in both directions with a state and lengths",
        results: deep::<LstmCell>,
    },
    Case { of: "Lstm", name: "lstm of two layers without biases", results: without_biases::<LstmCell> },
    Case {
        of: "Lstm",
        name: "lstm with a forget bias",
        results: |g, dtype| {
            recurrent(g, dtype, LstmOptions { cell: LstmCell { forget_bias: 1.0 }, ..LstmOptions::default() })
        },
    },
    Case { of: "Gru", name: "gru", results: |g, dtype| recurrent(g, dtype, GruOptions::default()) },
    Case { of: "Gru", name: "gru of two layers in both directions with a state and lengths", results: deep::<GruCell> },
    Case { of: "Gru", name: "gru of two layers without biases", results: without_biases::<GruCell> },
    Case { of: "Rnn", name: "rnn", results: |g, dtype| recurrent(g, dtype, RnnOptions::default()) },
    Case { of: "Rnn", name: "rnn of two layers in both directions with a state and lengths", results: deep::<RnnCell> },
    Case { of: "Rnn", name: "rnn of two layers without biases", results: without_biases::<RnnCell> },
    Case {
        of: "Rnn",
        name: "rnn with relu",
        results: |g, dtype| {
            recurrent(
                g,
                dtype,
                RnnOptions { cell: RnnCell { activation: RnnActivation::Relu }, ..RnnOptions::default() },
            )
        },
    },
    Case {
        of: "FeedForward",
        name: "feed-forward part with relu",
        results: |g, dtype| feed_forward(g, dtype, FeedForwardActivation::Relu),
    },
    Case {
        of: "FeedForward",
        name: "feed-forward part with gelu",
        results: |g, dtype| feed_forward(g, dtype, FeedForwardActivation::Gelu),
    },
    Case {
        of: "FeedForward",
        name: "feed-forward part with gelu_tanh",
        results: |g, dtype| feed_forward(g, dtype, FeedForwardActivation::GeluTanh),
    },
    Case {
        of: "FeedForward",
        name: "feed-forward part with swiglu",
        results: |g, dtype| feed_forward(g, dtype, FeedForwardActivation::SwiGlu),
    },
    Case {
        of: "TransformerEncoderBlock",
        name: "encoder block",
        results: |g, dtype| encoder(g, dtype, None, TransformerOptions::default()),
    },
    Case {
        of: "TransformerEncoderBlock",
        name: "encoder block, norms after, relu, padding",
        results: |g, dtype| {
            let options = TransformerOptions {
                norm: NormPlacement::After,
                activation: FeedForwardActivation::Relu,
                hidden: Some(5),
                ..TransformerOptions::default()
            };
            encoder(g, dtype, Some(keys(g)), options)
        },
    },
    Case {
        of: "TransformerEncoderBlock",
        name: "encoder block, causal",
        results: |g, dtype| {
            encoder(g, dtype, None, TransformerOptions { causal: true, ..TransformerOptions::default() })
        },
    },
    Case {
        of: "TransformerEncoderBlock",
        name: "encoder block with all options",
        results: |g, dtype| {
            let options = TransformerOptions {
                causal: true,
                epsilon: 1e-3,
                key_heads: Some(2),
                rotary: Some(RotaryOptions { layout: RotaryLayout::Pairs, ..RotaryOptions::default() }),
                hidden: Some(5),
                activation: FeedForwardActivation::SwiGlu,
                bias: false,
                dtype,
                ..TransformerOptions::default()
            };
            vec![(
                "y",
                TransformerEncoderBlock::with(g, "block", 8, 4, options).call(g.input_of(dtype, "x", (2, 5, 8))),
            )]
        },
    },
    Case {
        of: "TransformerEncoderBlock",
        name: "encoder block without any biases",
        results: |g, dtype| {
            let norm_kind = NormKind::LayerWithoutBias;
            encoder(g, dtype, None, TransformerOptions { norm_kind, bias: false, ..TransformerOptions::default() })
        },
    },
    Case {
        of: "TransformerEncoderBlock",
        name: "encoder block with RMS norms",
        results: |g, dtype| {
            let options = TransformerOptions {
                norm_kind: NormKind::Rms,
                causal: true,
                key_heads: Some(2),
                rotary: Some(RotaryOptions::default()),
                hidden: Some(5),
                activation: FeedForwardActivation::SwiGlu,
                bias: false,
                dtype,
                ..TransformerOptions::default()
            };
            vec![(
                "y",
                TransformerEncoderBlock::with(g, "block", 8, 4, options).call(g.input_of(dtype, "x", (2, 5, 8))),
            )]
        },
    },
    Case {
        of: "TransformerDecoderBlock",
        name: "decoder block",
        results: |g, dtype| decoder(g, dtype, NormPlacement::Before),
    },
    Case {
        of: "TransformerDecoderBlock",
        name: "decoder block, norms after",
        results: |g, dtype| decoder(g, dtype, NormPlacement::After),
    },
];

fn ids(g: &Graph) -> Expr<'_> {
    g.constant(array![[3i64, 0, 1], [2, 2, 4]])
}

fn keys(g: &Graph) -> Expr<'_> {
    g.constant(array![[true, true, true, false], [true, false, false, false]])
}

fn rotary(g: &Graph, dtype: DType, layout: RotaryLayout) -> Results<'_> {
    let x = g.input_of(dtype, "x", (2, 3, 4, 6));
    vec![("y", x.rotary(g.iota(DType::I64, (4,), 0), RotaryOptions { layout, ..RotaryOptions::default() }))]
}

fn multi_head(g: &Graph, dtype: DType, heads: usize, options: MultiHeadAttentionOptions) -> Results<'_> {
    let x = g.input_of(dtype, "x", (2, 4, 8));
    let options = MultiHeadAttentionOptions { dtype, ..options };
    vec![("y", MultiHeadAttention::with(g, "attention", 8, heads, options).call(x))]
}

fn grouped(g: &Graph, dtype: DType, key_heads: usize) -> Results<'_> {
    let options = MultiHeadAttentionOptions {
        causal: true,
        key_heads: Some(key_heads),
        rotary: Some(RotaryOptions::default()),
        dtype,
        ..MultiHeadAttentionOptions::default()
    };
    vec![("y", MultiHeadAttention::with(g, "attention", 8, 4, options).call(g.input_of(dtype, "x", (2, 5, 8))))]
}

fn feed_forward(g: &Graph, dtype: DType, activation: FeedForwardActivation) -> Results<'_> {
    let bias = activation != FeedForwardActivation::SwiGlu;
    let options = FeedForwardOptions { activation, bias, dtype, ..FeedForwardOptions::default() };
    vec![("y", FeedForward::with(g, "layer", 6, 5, options).call(g.input_of(dtype, "x", (2, 3, 6))))]
}

fn encoder<'g>(g: &'g Graph, dtype: DType, keys: Option<Expr<'g>>, options: TransformerOptions) -> Results<'g> {
    let block = TransformerEncoderBlock::with(g, "block", 6, 2, TransformerOptions { dtype, ..options });
    let x = g.input_of(dtype, "x", (2, 4, 6));
    vec![("y", block.attend(x, AttentionMask { keys, ..AttentionMask::default() }))]
}

fn decoder(g: &Graph, dtype: DType, norm: NormPlacement) -> Results<'_> {
    let (x, memory) = (g.input_of(dtype, "x", (2, 3, 6)), g.input_of(dtype, "memory", (2, 4, 6)));
    let block = TransformerDecoderBlock::with(
        g,
        "block",
        6,
        2,
        TransformerOptions { norm, dtype, ..TransformerOptions::default() },
    );
    let seen = AttentionMask { keys: Some(keys(g)), ..AttentionMask::default() };
    vec![("y", block.decode(x, memory, AttentionMask::default(), seen))]
}

/// The output and the arrays of the state.
fn named<'g, S: Tree<'g>>(y: Expr<'g>, state: S) -> Results<'g> {
    let mut arrays = Vec::new();
    state.push_to(&mut arrays);
    [("y", y)].into_iter().chain(["h", "c"].into_iter().zip(arrays)).collect()
}

fn recurrent<C: RecurrentCell>(g: &Graph, dtype: DType, options: RecurrentOptions<C>) -> Results<'_> {
    let x = g.input_of(dtype, "x", (5, 3, 2));
    let (y, last) = Recurrent::with(g, "layer", 2, 4, RecurrentOptions { dtype, ..options }).run(x, None, None);
    named(y, last)
}

fn without_biases<C: RecurrentCell>(g: &Graph, dtype: DType) -> Results<'_> {
    recurrent(g, dtype, RecurrentOptions::<C> { layers: 2, bias: false, ..RecurrentOptions::default() })
}

fn deep<C: RecurrentCell>(g: &Graph, dtype: DType) -> Results<'_> {
    let x = g.input_of(dtype, "x", (5, 3, 2));
    let mut arrays = ["h", "c"].into_iter().map(|name| g.input_of(dtype, name, (4, 3, 4)));
    let state = C::repeated(x).rebuild(&mut arrays);
    let options =
        RecurrentOptions::<C> { layers: 2, directions: Directions::Both, dtype, ..RecurrentOptions::default() };
    let lengths = g.constant(array![5i64, 1, 3]);
    let (y, last) = Recurrent::with(g, "layer", 2, 4, options).run(x, Some(state), Some(lengths));
    named(y, last)
}

/// What is recorded, by case and name.
fn recorded() -> BTreeMap<&'static str, BTreeMap<&'static str, ArrayD<f64>>> {
    let mut cases: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for line in include_str!("../../../recorded/layers_sequence.txt").lines() {
        let [case, name, sizes, elements] = line.splitn(4, " | ").collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        let sizes: Vec<usize> = sizes.split_whitespace().map(|size| size.parse().expect("a size")).collect();
        let elements = elements.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        let array = ArrayD::from_shape_vec(IxDyn(&sizes), elements).expect("as many elements");
        assert!(cases.entry(case).or_default().insert(name, array).is_none(), "{case}, {name} is recorded twice");
    }
    cases
}

/// The results, and the gradients of the loss of the script by every float input and parameter.
fn with_gradients<'g>(g: &'g Graph, results: Results<'g>) -> Vec<(String, Expr<'g>)> {
    let term = |(seed, (_, result)): (u64, &(&str, Expr<'g>))| {
        let cotangent = numbers(&sizes(*result), seed);
        (*result * g.constant(value(cotangent, result.dtype()))).sum()
    };
    let loss = (51..).zip(&results).map(term).reduce(|sum, term| sum + term).expect("there are results");
    let leaves: Vec<Expr<'g>> = g.inputs().into_iter().chain(g.parameters()).collect();
    let gradients = g.gradients(loss, &leaves);
    let named = leaves.iter().map(|leaf| format!("gradient by {}", leaf.name().expect("leaves have names")));
    let values = results.into_iter().map(|(name, result)| (name.to_owned(), result));
    values.chain(named.zip(gradients)).collect()
}

#[test]
fn layers_of_sequences_have_the_values_and_gradients_of_other_libraries() {
    let recorded = recorded();
    let names: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(recorded.keys().copied().collect::<BTreeSet<_>>(), names, "a case is missing, here or in the record");
    for case in CASES {
        let expected = &recorded[case.name];
        for (dtype, engine, tolerance) in [
            (DType::F64, Evaluation::Reference, TOLERANCE),
            (DType::F64, Evaluation::Compiled, TOLERANCE),
            (DType::F32, Evaluation::Compiled, TOLERANCE_F32),
        ] {
            let g = Graph::new();
            let results = with_gradients(&g, (case.results)(&g, dtype));
            let asked: BTreeSet<&str> = results.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(asked, expected.keys().copied().collect(), "{}", case.name);
            let outputs = run(&results, &inputs(&g), engine);
            for (name, found) in outputs.iter() {
                let off = distance(&elements(found), &expected[name]);
                assert!(off <= tolerance, "{}, {name} is off by {off:e}, {dtype}, {engine:?}", case.name);
            }
        }
    }
}

/// The layers that are compared.
pub(in crate::nn) fn compared() -> impl Iterator<Item = &'static str> {
    // By its cells.
    CASES.iter().map(|case| case.of).chain(["Recurrent"])
}

/// What `every_layer_has_a_row` does not see.
#[test]
fn functions_and_cells_of_sequences_are_compared_too() {
    let compared: BTreeSet<&str> = compared().collect();
    for of in ["dot_product_attention", "rotary", "SinusoidalPositions", "Lstm", "Gru", "Rnn"] {
        assert!(compared.contains(of), "{of}");
    }
}

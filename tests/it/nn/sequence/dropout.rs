//! What layers of sequences drop: nothing in evaluation, something else in each step of training, and nothing where the rate is 0.

use ndarray::{Array2, array};
use pullback::{
    DType, Expr, Graph, Options, Value,
    nn::{
        AttentionMask, FeedForward, FeedForwardActivation, FeedForwardOptions, Layer, Lstm, LstmOptions,
        MultiHeadAttention, MultiHeadAttentionOptions, TransformerDecoderBlock, TransformerEncoderBlock,
        TransformerOptions,
    },
};

use super::{inputs, parameters};

type Build = for<'g> fn(&'g Graph, Expr<'g>, f64) -> Expr<'g>;

/// Of `f64[3, 2, 8]`.
const LAYERS: [(&str, Build, usize); 6] = [
    (
        "attention",
        |g, x, dropout| {
            let options =
                MultiHeadAttentionOptions { dropout, dtype: DType::F64, ..MultiHeadAttentionOptions::default() };
            MultiHeadAttention::with(g, "layer", 8, 2, options).call(x)
        },
        1,
    ),
    (
        "feed-forward part",
        |g, x, dropout| {
            let options = FeedForwardOptions { dropout, dtype: DType::F64, ..FeedForwardOptions::default() };
            FeedForward::with(g, "layer", 8, 5, options).call(x)
        },
        1,
    ),
    (
        "encoder block, hidden values",
        |g, x, hidden_dropout| {
            let options = TransformerOptions { hidden_dropout, dtype: DType::F64, ..TransformerOptions::default() };
            TransformerEncoderBlock::with(g, "layer", 8, 2, options).call(x)
        },
        1,
    ),
    (
        "encoder block",
        |g, x, dropout| {
            let options = TransformerOptions { dropout, dtype: DType::F64, ..TransformerOptions::default() };
            TransformerEncoderBlock::with(g, "layer", 8, 2, options).call(x)
        },
        3,
    ),
    (
        "decoder block",
        |g, x, dropout| {
            let options = TransformerOptions { dropout, dtype: DType::F64, ..TransformerOptions::default() };
            let seen = AttentionMask::default();
            TransformerDecoderBlock::with(g, "layer", 8, 2, options).decode(x, x.tanh(), seen, seen)
        },
        5,
    ),
    (
        "lstm",
        |g, x, dropout| {
            let options = LstmOptions { layers: 3, dropout, dtype: DType::F64, ..LstmOptions::default() };
            Lstm::with(g, "layer", 8, 8, options).call(x)
        },
        2,
    ),
];

#[test]
fn layers_of_sequences_drop_while_training_alone() {
    for (name, build, n_dropouts) in LAYERS {
        let evaluated = |dropout: f64| {
            let g = Graph::new();
            let y = build(&g, g.input_of(DType::F64, "x", (3, 2, 8)), dropout);
            let parameters = parameters(&g, 101);
            // A key and a counter for each dropout.
            assert_eq!(parameters.state().len(), if dropout == 0.0 { 0 } else { 2 * n_dropouts }, "{name}");
            let mut program = g.compile(y).unwrap_or_else(|error| panic!("{name}: {error}"));
            program.run(&parameters, inputs(&g).as_slice()).expect("it runs")["result"].clone()
        };
        let plain: Value = evaluated(0.0);
        assert_eq!(evaluated(0.5), plain, "{name}");

        let g = Graph::new();
        let y = build(&g, g.input_of(DType::F64, "x", (3, 2, 8)), 0.5);
        let mut step = g.compile_training(y.square().sum()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut parameters = parameters(&g, 101);
        let fed = inputs(&g);
        let mut loss = || step.run(&mut parameters, fed.as_slice()).expect("it runs").loss;
        assert_ne!(loss(), loss(), "{name}");
    }
}

#[test]
fn a_rate_of_one_is_an_error() {
    for (name, build, _) in LAYERS {
        let g = Graph::new();
        let _ = build(&g, g.input_of(DType::F64, "x", (3, 2, 8)), 1.0);
        let report = g.check().expect_err(name).to_string();
        assert!(report.contains("the rate must be from 0 to below 1, found 1"), "{name}: {report}");
    }
}

/// As in PyTorch's blocks: `linear2(dropout(activation(linear1(x))))`. With the weights 1 and 10 behind what is dropped, each of the two hidden
/// values is seen to be there, doubled, or not.
#[test]
fn a_feed_forward_part_drops_between_its_maps() {
    let g = Graph::new();
    let options = FeedForwardOptions {
        activation: FeedForwardActivation::Relu,
        dropout: 0.5,
        bias: false,
        ..FeedForwardOptions::default()
    };
    let y = FeedForward::with(&g, "layer", 1, 2, options).call(g.input("x", ("batch", 1)));
    let mut step = g.compile_training_with(y.sum(), [("y", y)], &Options::default()).expect("no mistake");
    let mut parameters = g.initialize(0).expect("no mistake");
    parameters.set("layer.hidden.weight", array![[1.0f32, 1.0]]).expect("fits");
    parameters.set("layer.out.weight", array![[1.0f32], [10.0]]).expect("fits");
    let out = step.run(&mut parameters, ("x", &Array2::<f32>::ones((400, 1)))).expect("it runs");
    let count = |value: f32| out.outputs["y"].array::<f32>().expect("f32").iter().filter(|y| **y == value).count();
    let counts = [0.0, 2.0, 20.0, 22.0].map(count);
    assert_eq!(counts.iter().sum::<usize>(), 400);
    // Each is binomial with mean 100 and deviation 8.7.
    assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}");
}

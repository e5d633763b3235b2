//! What attention keeps: decoding gives what the whole sequence does, the past does not depend on the future, padding is not seen.

use ndarray::{Array2, ArrayD, Axis, Slice, array};
use pullback::{
    DType, Evaluation, Expr, Graph, Value,
    nn::{
        AttentionMask, Layer, MultiHeadAttention, MultiHeadAttentionOptions, RotaryOptions, TransformerDecoderBlock,
        TransformerEncoderBlock, TransformerOptions, dot_product_attention,
    },
};

use super::{distance, elements, inputs, result_of, run};

/// Sums are cut otherwise for other sizes.
const ROUNDING: f64 = 1e-14;

const TIME: usize = 6;

/// Plain heads, and all that can be chosen.
fn layers(g: &Graph) -> [MultiHeadAttention<'_>; 2] {
    let plain = MultiHeadAttentionOptions { causal: true, dtype: DType::F64, ..MultiHeadAttentionOptions::default() };
    let all =
        MultiHeadAttentionOptions { key_heads: Some(2), rotary: Some(RotaryOptions::default()), bias: false, ..plain };
    [MultiHeadAttention::with(g, "plain", 8, 4, plain), MultiHeadAttention::with(g, "all", 8, 4, all)]
}

#[test]
fn decoding_with_a_cache_gives_what_the_whole_sequence_does() {
    for layer in 0..2 {
        // So many positions first, at once, then one by one; of the cache some stay empty.
        for prompt in [1usize, 2, TIME] {
            let g = Graph::new();
            let attention = layers(&g)[layer];
            let x = g.input_of(DType::F64, "x", (2, TIME, 8));
            let parts = x.split([prompt, TIME - prompt], 1);
            let start = g.full(0i64, ());
            let (first, cache) = attention.step(parts[0], attention.empty_cache(2, TIME + 2), start);
            let words = parts[1].transpose([1, 0, 2]).unsqueeze(2);
            let positions = g.iota(DType::I64, (TIME - prompt,), 0) + prompt as i64;
            let (cache, rest) = g.scan(cache, (words, positions), |cache, (word, position)| {
                let (y, cache) = attention.step(word, cache, position);
                (cache, y)
            });
            let decoded = first.concat([rest.squeeze(2).transpose([1, 0, 2])], 1);
            let whole = attention.call(x);
            // Through the cache too.
            let slope = |y: Expr<'_>| g.gradient(g.expr(y.id()).square().sum(), x).id();
            let (slope_decoded, slope_whole) = (g.expr(slope(decoded)), g.expr(slope(whole)));
            let results = [
                ("decoded", decoded),
                ("whole", whole),
                ("slope decoded", slope_decoded),
                ("slope whole", slope_whole),
                ("keys", cache.keys),
            ]
            .map(|(name, result)| (name.to_owned(), result));
            for engine in [Evaluation::Reference, Evaluation::Compiled] {
                let outputs = run(&results, &inputs(&g), engine);
                let [decoded, whole, slope_decoded, slope_whole, keys] =
                    ["decoded", "whole", "slope decoded", "slope whole", "keys"].map(|name| elements(&outputs[name]));
                assert!(distance(&decoded, &whole) <= ROUNDING, "{prompt}: {decoded} is not {whole}");
                assert!(
                    distance(&slope_decoded, &slope_whole) <= ROUNDING,
                    "{prompt}: {slope_decoded} is not {slope_whole}"
                );
                let empty = keys.slice_axis(Axis(2), Slice::from(TIME..));
                assert!(empty.iter().all(|x| *x == 0.0));
            }
        }
    }
}

/// Prompts of two and four words, padded to four, and then one word each and two at once, beside each row whole and alone.
#[test]
fn rows_of_different_lengths_are_decoded_together() {
    for layer in 0..2 {
        let g = Graph::new();
        let attention = layers(&g)[layer];
        let x = g.input_of(DType::F64, "x", (2, 7, 8));
        let lengths = [2i64, 4];
        let part = |row: i64, start: i64, stop: i64| x.slice((row..row + 1, start..stop));
        // What is behind a prompt is of other words.
        let prompt = part(0, 0, 2).concat([part(0, 5, 7) * 3.0], 1).concat([part(1, 0, 4)], 0);
        let (first, cache) = attention.step(prompt, attention.empty_cache(2, 8), g.full(0i64, ()));
        let rows = |start: i64, count: i64| {
            let of = |row: usize| part(row as i64, lengths[row] + start, lengths[row] + start + count);
            of(0).concat([of(1)], 0)
        };
        let position = g.constant(array![2i64, 4]);
        let (second, cache) = attention.step(rows(0, 1), cache, position);
        let (third, _) = attention.step(rows(1, 2), cache, position + 1);
        let decoded = [0, 1].map(|row: usize| {
            let [first, second, third] = [first, second, third].map(|y| y.slice((row as i64..row as i64 + 1,)));
            first.slice((.., ..lengths[row])).concat([second, third], 1)
        });
        let whole = [0, 1].map(|row: usize| attention.call(part(row as i64, 0, lengths[row] + 3)));
        for (decoded, whole) in decoded.into_iter().zip(whole) {
            let [slope_decoded, slope_whole] = [decoded, whole].map(|y| g.gradient(y.square().sum(), x));
            let results = [
                ("decoded".to_owned(), decoded),
                ("whole".to_owned(), whole),
                ("slope decoded".to_owned(), slope_decoded),
                ("slope whole".to_owned(), slope_whole),
            ];
            for engine in [Evaluation::Reference, Evaluation::Compiled] {
                let outputs = run(&results, &inputs(&g), engine);
                for [found, expected] in [["decoded", "whole"], ["slope decoded", "slope whole"]] {
                    let off = distance(&elements(&outputs[found]), &elements(&outputs[expected]));
                    assert!(off <= ROUNDING, "{layer}: {found} is off by {off:e}");
                }
            }
        }
    }
}

#[test]
fn more_positions_than_a_cache_has_are_an_error_of_the_run() {
    let g = Graph::new();
    let attention = layers(&g)[0];
    let (x, position) = (g.input_of(DType::F64, "x", (1, 2, 8)), g.input_of(DType::I64, "position", ()));
    let (y, _) = attention.step(x, attention.empty_cache(1, 4), position);
    let program = g.compile(y).expect("no mistake");
    let parameters = g.initialize(0).expect("no mistake");
    let x = ArrayD::<f64>::zeros(vec![1, 2, 8]);
    let at = |position: i64| program.clone().run(&parameters, (("x", &x), ("position", position))).map(drop);
    assert!(at(2).is_ok());
    for beyond in [3, -1] {
        let error = at(beyond).expect_err("the cache is full").to_string();
        assert!(error.contains("attention.rs"), "{error}");
    }
}

#[test]
fn causal_attention_does_not_depend_on_what_comes_later() {
    for layer in 0..2 {
        let g = Graph::new();
        let attention = layers(&g)[layer];
        let x = g.input_of(DType::F64, "x", (2, TIME, 8));
        let past = attention.call(x).slice((.., ..3));
        let slope = elements(
            &run(&[("slope".into(), g.gradient(past.square().sum(), x))], &inputs(&g), Evaluation::Compiled)["slope"],
        );
        assert!(slope.slice_axis(Axis(1), Slice::from(3..)).iter().all(|x| *x == 0.0), "{slope}");
        assert!(slope.slice_axis(Axis(1), Slice::from(..3)).iter().all(|x| *x != 0.0), "{slope}");
        let mut fed = inputs(&g);
        let results = [("past".to_owned(), past)];
        let before = elements(&run(&results, &fed, Evaluation::Compiled)["past"]);
        if let Value::F64(x) = &mut fed[0].1 {
            x.slice_axis_mut(Axis(1), Slice::from(3..)).fill(1e6);
        }
        assert_eq!(elements(&run(&results, &fed, Evaluation::Compiled)["past"]), before);
    }
}

#[test]
fn a_query_that_sees_nothing_gives_zero_with_derivative_zero() {
    let g = Graph::new();
    let [q, k, v] = ["q", "k", "v"].map(|name| g.input_of(DType::F64, name, (1, 2, 3, 4)));
    let keys = Some(g.constant(Array2::from_elem((1, 3), false)));
    let y = dot_product_attention(q, k, v, AttentionMask { keys, ..AttentionMask::default() });
    let mut results = vec![("y".to_owned(), y)];
    for (name, operand) in [("q", q), ("k", k), ("v", v)] {
        results.push((name.to_owned(), g.gradient((y + 1.0).square().sum(), operand)));
    }
    for engine in [Evaluation::Reference, Evaluation::Compiled] {
        let outputs = run(&results, &inputs(&g), engine);
        assert!(outputs.iter().all(|(_, value)| elements(value).iter().all(|x| *x == 0.0)));
    }
}

#[test]
fn one_graph_takes_batches_and_times_of_any_size() {
    let g = Graph::new();
    let attention = layers(&g)[1];
    let x = g.input_of(DType::F64, "x", ("batch", "time", 8));
    let mask =
        AttentionMask { keys: Some(g.input_of(DType::Bool, "keys", ("batch", "time"))), ..AttentionMask::default() };
    let y = attention.attend(x, mask);
    let mut program = g.compile([("y", y), ("slope", g.gradient(y.square().sum(), x))]).expect("no mistake");
    let parameters = super::parameters(&g, 101);
    for (batch, time) in [(2, 5), (1, 1), (3, 2), (0, 4)] {
        let (x, keys) = (super::numbers(&[batch, time, 8], 1), Array2::from_elem((batch, time), true));
        let out = program.run(&parameters, (("x", &x), ("keys", &keys))).expect("it runs");
        let fixed = Graph::new();
        let same = layers(&fixed)[1].call(fixed.input_of(DType::F64, "x", (batch, time, 8)));
        assert!(batch == 0 || distance(&elements(&out["y"]), &result_of(same)) <= ROUNDING);
        assert_eq!(out["slope"].shape(), [batch, time, 8]);
    }
}

#[test]
fn the_product_of_rotated_vectors_depends_on_their_distance_alone() {
    let g = Graph::new();
    let (q, k) = (g.input_of(DType::F64, "q", (1, 6)), g.input_of(DType::F64, "k", (1, 6)));
    let score = |at: i64, other: i64| {
        let rotated = |x: Expr<'_>, position: i64| {
            g.expr(x.id()).rotary(g.constant(array![position]), RotaryOptions::default()).id()
        };
        (g.expr(rotated(q, at)) * g.expr(rotated(k, other))).sum()
    };
    let [near, far, other] = [score(3, 1), score(1003, 1001), score(3, 2)].map(result_of);
    // Angles of a thousand are rounded to 1e-13.
    assert!(distance(&near, &far) <= 1e-12 && distance(&near, &other) > 1e-3);
}

#[test]
fn decoding_by_blocks_gives_what_they_do_of_the_whole_sequence() {
    let g = Graph::new();
    let options = TransformerOptions { causal: true, dtype: DType::F64, ..TransformerOptions::default() };
    let encoder = TransformerEncoderBlock::with(&g, "encoder", 8, 2, options);
    let decoder = TransformerDecoderBlock::with(&g, "decoder", 8, 2, options);
    let (x, memory) = (g.input_of(DType::F64, "x", (2, TIME, 8)), g.input_of(DType::F64, "memory", (2, 3, 8)));
    let seen = AttentionMask {
        keys: Some(g.constant(array![[true, false, true], [true, true, false]])),
        ..AttentionMask::default()
    };
    let whole = decoder.decode(encoder.call(x), memory, AttentionMask::default(), seen);
    let words = x.transpose([1, 0, 2]).unsqueeze(2);
    let kept = decoder.keep(memory);
    let caches = (encoder.empty_cache(2, TIME), decoder.empty_cache(2, TIME));
    let (_, y) = g.scan(caches, (words, g.iota(DType::I64, (TIME,), 0)), |(first, second), (word, position)| {
        let (hidden, first) = encoder.step(word, first, position);
        let (y, second) = decoder.step(hidden, (kept, seen), second, position);
        ((first, second), y)
    });
    let decoded = y.squeeze(2).transpose([1, 0, 2]);
    let results = [("decoded".to_owned(), decoded), ("whole".to_owned(), whole)];
    for engine in [Evaluation::Reference, Evaluation::Compiled] {
        let outputs = run(&results, &inputs(&g), engine);
        assert!(distance(&elements(&outputs["decoded"]), &elements(&outputs["whole"])) <= ROUNDING);
    }
}

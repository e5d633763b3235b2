//! What recurrent layers keep: a state that is carried, steps that make up the sequence, lengths behind which nothing is seen.

use ndarray::{Array3, ArrayD, Axis, Slice, array};
use pullback::{
    DType, Evaluation, Expr, Graph, Initializer, Value,
    graph::Checkpoints,
    nn::{Directions, GruCell, Layer, LstmCell, Recurrent, RecurrentCell, RecurrentOptions, RnnCell},
    ops::Tree,
};

use super::{distance, elements, inputs, numbers, result_of, run};

const ROUNDING: f64 = 1e-14;

fn options<C: RecurrentCell>(layers: usize, directions: Directions) -> RecurrentOptions<C> {
    RecurrentOptions { layers, directions, dtype: DType::F64, ..RecurrentOptions::default() }
}

fn arrays<'g>(state: impl Tree<'g>) -> Vec<Expr<'g>> {
    let mut arrays = Vec::new();
    state.push_to(&mut arrays);
    arrays
}

/// All results are equal in pairs, but for rounding, in both engines.
fn assert_equal_pairs(g: &Graph, pairs: &[(Expr<'_>, Expr<'_>)]) {
    let both = pairs.iter().flat_map(|(left, right)| [left.id(), right.id()]).enumerate();
    let results: Vec<(String, Expr<'_>)> = both.map(|(k, id)| (k.to_string(), g.expr(id))).collect();
    for engine in [Evaluation::Reference, Evaluation::Compiled] {
        let outputs = run(&results, &inputs(g), engine);
        for pair in 0..pairs.len() {
            let [left, right] = [2 * pair, 2 * pair + 1].map(|k| elements(&outputs[k.to_string().as_str()]));
            assert!(distance(&left, &right) <= ROUNDING, "pair {pair}: {left} is not {right}");
        }
    }
}

fn assert_carries_its_state<C: RecurrentCell>() {
    let g = Graph::new();
    let layer = Recurrent::<C>::with(&g, "layer", 2, 4, options(2, Directions::Forward));
    let x = g.input_of(DType::F64, "x", (5, 3, 2));
    let (whole, last) = layer.run(x, None, None);
    let parts = x.split([2, 3], 0);
    let (first, state) = layer.run(parts[0], None, None);
    let (second, carried) = layer.run(parts[1], Some(state), None);
    let (stepped, decoded) = g.scan(layer.zero_state(3), x, |state, x| {
        let (y, state) = layer.step(x, state);
        (state, y)
    });
    let mut pairs = vec![(first.concat([second], 0), whole), (decoded, whole)];
    pairs.extend(arrays(carried).into_iter().zip(arrays(last)));
    pairs.extend(arrays(stepped).into_iter().zip(arrays(last)));
    let slope = |y: Expr<'_>| g.gradient(g.expr(y.id()).square().sum(), x).id();
    for (left, right) in [(first.concat([second], 0), whole), (decoded, whole)] {
        pairs.push((g.expr(slope(left)), g.expr(slope(right))));
    }
    assert_equal_pairs(&g, &pairs);
}

#[test]
fn a_sequence_in_parts_and_in_steps_is_the_whole_sequence() {
    assert_carries_its_state::<RnnCell>();
    assert_carries_its_state::<GruCell>();
    assert_carries_its_state::<LstmCell>();
}

fn assert_is_truncated<C: RecurrentCell>() {
    let g = Graph::new();
    let layer = Recurrent::<C>::with(&g, "layer", 2, 4, options(1, Directions::Forward));
    let (first, second) = (g.input_of(DType::F64, "first", (2, 3, 2)), g.input_of(DType::F64, "second", (3, 3, 2)));
    let state = layer.run(first, None, None).1;
    let stopped: Vec<Expr<'_>> = arrays(state).into_iter().map(Expr::stop_gradient).collect();
    let stopped = state.rebuild(&mut stopped.into_iter());
    let y = layer.run(second, Some(stopped), None).0;
    let slope = result_of(g.gradient(y.square().sum(), first));
    assert!(slope.iter().all(|x| *x == 0.0));
}

#[test]
fn a_state_whose_derivative_is_stopped_truncates_backpropagation() {
    assert_is_truncated::<RnnCell>();
    assert_is_truncated::<GruCell>();
    assert_is_truncated::<LstmCell>();
}

/// Output, state and gradient do not depend on what lies behind the lengths; each sequence is what it is alone.
fn assert_sees_lengths_alone<C: RecurrentCell>() {
    let lengths = array![5i64, 1, 3, 0];
    let build = |g: &Graph| -> Vec<(String, pullback::graph::NodeId)> {
        let layer = Recurrent::<C>::with(g, "layer", 2, 4, options(2, Directions::Both));
        let (x, length) =
            (g.input_of(DType::F64, "x", ("time", "batch", 2)), g.input_of(DType::I64, "length", ("batch",)));
        let (y, last) = layer.run(x, None, Some(length));
        let mut named = vec![("y".to_owned(), y.id()), ("slope".to_owned(), g.gradient(y.square().sum(), x).id())];
        named.extend(arrays(last).into_iter().enumerate().map(|(k, array)| (format!("state {k}"), array.id())));
        named
    };
    let g = Graph::new();
    let named = build(&g);
    let results: Vec<(String, Expr<'_>)> = named.iter().map(|(name, id)| (name.clone(), g.expr(*id))).collect();
    let fed = |x: ArrayD<f64>, length: &[i64]| {
        vec![
            ("x".to_owned(), Value::F64(x)),
            ("length".to_owned(), Value::from(ndarray::Array1::from(length.to_vec()))),
        ]
    };
    let x = numbers(&[5, 4, 2], 1);
    let mut padded = x.clone();
    for (batch, length) in lengths.iter().enumerate() {
        padded.index_axis_mut(Axis(1), batch).slice_axis_mut(Axis(0), Slice::from(*length as usize..)).fill(1e3);
    }
    for engine in [Evaluation::Reference, Evaluation::Compiled] {
        let all = run(&results, &fed(x.clone(), lengths.as_slice().expect("contiguous")), engine);
        let same = run(&results, &fed(padded.clone(), lengths.as_slice().expect("contiguous")), engine);
        for (name, value) in all.iter() {
            assert_eq!(value, &same[name], "{name} depends on padding");
        }
        for (batch, length) in lengths.iter().map(|length| *length as usize).enumerate() {
            let alone = x.slice_axis(Axis(1), Slice::from(batch..batch + 1));
            let alone = alone.slice_axis(Axis(0), Slice::from(..length)).to_owned();
            let one = run(&results, &fed(alone, &[length as i64]), engine);
            let own = |name: &str| elements(&all[name]).slice_axis(Axis(1), Slice::from(batch..batch + 1)).to_owned();
            for name in ["y", "slope"] {
                let own = own(name);
                assert!(own.slice_axis(Axis(0), Slice::from(length..)).iter().all(|x| *x == 0.0), "{name}: {own}");
                assert!(
                    distance(&own.slice_axis(Axis(0), Slice::from(..length)).to_owned(), &elements(&one[name]))
                        <= ROUNDING
                );
            }
            for (name, value) in one.iter().filter(|(name, _)| name.starts_with("state")) {
                assert!(distance(&own(name), &elements(value)) <= ROUNDING, "{name} of a sequence of {length}");
            }
        }
    }
}

#[test]
fn nothing_behind_a_length_is_seen() {
    assert_sees_lengths_alone::<RnnCell>();
    assert_sees_lengths_alone::<GruCell>();
    assert_sees_lengths_alone::<LstmCell>();
}

#[test]
fn full_lengths_change_nothing() {
    let g = Graph::new();
    let layer = Recurrent::<LstmCell>::with(&g, "layer", 2, 4, options(2, Directions::Both));
    let x = g.input_of(DType::F64, "x", (5, 3, 2));
    let (y, last) = layer.run(x, None, None);
    // Beyond the time counts as the time.
    let (same, same_last) = layer.run(x, None, Some(g.constant(array![5i64, 6, i64::MAX])));
    let mut pairs = vec![(same, y)];
    pairs.extend(arrays(same_last).into_iter().zip(arrays(last)));
    assert_equal_pairs(&g, &pairs);
}

#[test]
fn fewer_states_are_kept_where_checkpoints_say_so() {
    let bytes = |checkpoints| {
        let g = Graph::new();
        let chosen = RecurrentOptions { checkpoints, ..options::<LstmCell>(1, Directions::Forward) };
        let y = Recurrent::with(&g, "layer", 2, 16, chosen).call(g.input_of(DType::F64, "x", (400, 4, 2)));
        let step = g.compile_training(y.square().sum()).expect("no mistake");
        step.summary([]).expect("sizes are numbers").arena_bytes
    };
    assert!(bytes(Checkpoints::SquareRoot) < bytes(Checkpoints::All));
}

/// The numbers that parameters start with are those that the documentation says.
#[test]
fn parameters_start_as_they_are_said_to() {
    let g = Graph::new();
    let _ = Recurrent::<GruCell>::new(&g, "gru", 3, 16);
    let orthogonal = Some(Initializer::Orthogonal { gain: 1.0 });
    let _ = Recurrent::with(
        &g,
        "rnn",
        3,
        16,
        RecurrentOptions { recurrent: orthogonal, ..options::<RnnCell>(1, Directions::Forward) },
    );
    let parameters = g.initialize(1).expect("no mistake");
    for name in ["gru.0.weight", "gru.0.recurrent"] {
        let greatest = parameters.array::<f32>(name).expect("there").iter().fold(0.0f32, |max, x| max.max(x.abs()));
        assert!((0.22..=0.25).contains(&greatest), "{name}: {greatest} is not near 1/√16");
    }
    for name in ["gru.0.bias", "gru.0.recurrent_bias"] {
        assert!(parameters.array::<f32>(name).expect("there").iter().all(|x| *x == 0.0));
    }
    let u = parameters.array::<f64>("rnn.0.recurrent").expect("there").to_owned();
    let u = u.into_dimensionality::<ndarray::Ix2>().expect("a matrix");
    let off = (u.t().dot(&u) - ndarray::Array2::<f64>::eye(16)).iter().fold(0.0f64, |max, x| max.max(x.abs()));
    assert!(off < 1e-12, "{off}");
    let names: Vec<String> = g.parameters().iter().filter_map(Expr::name).collect();
    assert_eq!(
        names,
        [
            "gru.0.weight",
            "gru.0.recurrent",
            "gru.0.bias",
            "gru.0.recurrent_bias",
            "rnn.0.weight",
            "rnn.0.recurrent",
            "rnn.0.bias"
        ]
    );
}

#[test]
fn a_sequence_of_no_steps_keeps_its_state() {
    let g = Graph::new();
    let layer = Recurrent::<LstmCell>::with(&g, "layer", 2, 4, options(1, Directions::Forward));
    let x = g.input_of(DType::F64, "x", ("time", 3, 2));
    let h = g.input_of(DType::F64, "h", (1, 3, 4));
    let (y, (last, _)) = layer.run(x, Some((h, h)), None);
    let mut program = g.compile([("y", y), ("last", last)]).expect("no mistake");
    let fed = (("x", &Array3::<f64>::zeros((0, 3, 2))), ("h", &numbers(&[1, 3, 4], 2)));
    let out = program.run(&g.initialize(0).expect("no mistake"), fed).expect("it runs");
    assert_eq!(out["y"].shape(), [0, 3, 4]);
    assert_eq!(elements(&out["last"]), numbers(&[1, 3, 4], 2));
}

//! States: what a training step makes of them, who may read and set them, and the two programs of one model.

use std::collections::HashMap;

use ndarray::{Array1, Array2, ArrayD, arr0, array};
use pullback::{
    DType, Evaluation, Graph, Initializer, Mode, Options, Parameters, RunError, Untrained, Value,
    landscape::Landscape,
    nn::{BatchNorm, BatchNormOptions, Dropout, Layer, Linear},
    optim::{AdamW, Optimizer},
    parameters::State,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn counted(parameters: &Parameters, name: &str) -> Option<i64> {
    match parameters.state().get(name) {
        Some(Value::I64(array)) => array.first().copied(),
        _ => None,
    }
}

/// Options for each engine.
fn engines() -> [Options; 2] {
    [Evaluation::Compiled, Evaluation::Reference].map(|evaluation| Options { evaluation, ..Options::default() })
}

#[test]
fn a_step_reads_every_state_as_it_was_and_sets_all_of_them() -> Outcome {
    for options in engines() {
        let g = Graph::new();
        let w = g.parameter("w", (), Initializer::Constant(2.0));
        let (a, b) = (g.state("a", (), Initializer::Constant(1.0)), g.state("b", (), Initializer::Constant(10.0)));
        let counter = g.state_of(DType::I64, "counter", (), Initializer::Constant(5.0));
        let flag = g.state_of(DType::Bool, "flag", (2,), Initializer::Zeros);
        g.update(a, |_| b);
        g.update(b, |b| b + a);
        g.update(counter, |counter| counter * 2);
        g.update(flag, |flag| flag.logical_not());
        let mut step = g.compile_training_with(w * a, [("b now", b)], &options)?;
        let mut parameters = g.initialize(0)?;
        let mut seen = Vec::new();
        for _ in 0..3 {
            let out = step.run(&mut parameters, ())?;
            seen.push((out.loss, out.outputs.scalar::<f32>("b now")?));
        }
        assert_eq!(seen, [(2.0, 10.0), (20.0, 11.0), (22.0, 21.0)]);
        assert_eq!(counted(&parameters, "counter"), Some(40));
        assert_eq!(parameters.state().get("flag"), Some(&array![true, true].into()));
        // An evaluation reads, and sets nothing.
        let before = parameters.clone();
        let out = g.compile_with([("a", a), ("counter", counter.cast(DType::F32))], &options)?.run(&parameters, ())?;
        assert_eq!((out.scalar::<f32>("a")?, out.scalar::<f32>("counter")?), (21.0, 40.0));
        assert_eq!(parameters, before);
    }
    Ok(())
}

#[test]
fn updates_of_one_state_follow_one_another() -> Outcome {
    let g = Graph::new();
    let w = g.parameter("w", (), Initializer::Constant(1.0));
    let s = g.state("s", (), Initializer::Constant(3.0));
    g.update(s, |s| s + 1.0);
    g.update(s, |s| s * 10.0);
    let mut parameters = g.initialize(0)?;
    g.compile_training(w * s)?.run(&mut parameters, ())?;
    assert_eq!(parameters.state().get("s"), Some(&arr0(40f32).into()));
    Ok(())
}

/// A model that is called for two batches has two updates of its statistics; a step of one batch makes the one of that.
#[test]
fn an_update_asks_for_no_input_that_the_loss_does_not_read() -> Outcome {
    let g = Graph::new();
    let norm = BatchNorm::new(&g, "norm", 1);
    let [first, second] = ["first", "second"].map(|name| norm.call(g.input(name, ("batch", 1))));
    let x = array![[1.0f32], [3.0]];
    let mean = |parameters: &Parameters| parameters.state().get("norm.mean").cloned();
    // Of whichever call, the first or a later one; so it is in copies and in what is read from a text.
    for (name, output) in [("first", first), ("second", second)] {
        let loss = output.square().mean();
        let mut parameters = g.initialize(0)?;
        g.compile_training(loss)?.run(&mut parameters, (name, &x))?;
        assert_eq!(mean(&parameters), Some(array![0.2f32].into()), "{name}");
        let all = g.ensemble(2, [("loss", loss)])?;
        let mut parameters = Parameters::stack(&[g.initialize(0)?, g.initialize(0)?])?;
        let losses = all.result("loss").expect("it was asked for");
        all.graph.compile_training(losses.sum())?.run(&mut parameters, (name, &x))?;
        assert_eq!(mean(&parameters), Some(array![[0.2f32], [0.2]].into()), "{name}");
        let parsed = Graph::parse(&g.to_text(loss))?;
        let mut parameters = parsed.graph.initialize(0)?;
        let loss = parsed.result("result").expect("it was printed");
        parsed.graph.compile_training(loss)?.run(&mut parameters, (name, &x))?;
        assert_eq!(mean(&parameters), Some(array![0.2f32].into()), "{name}");
    }
    let mut parameters = g.initialize(0)?;
    let both = g.compile_training((first + second).square().mean());
    both?.run(&mut parameters, [("first", &x), ("second", &(&x * 2.0))])?;
    assert_eq!(mean(&parameters), Some(array![0.9f32 * 0.2 + 0.4].into()));
    Ok(())
}

#[test]
fn a_step_that_fails_changes_no_state() -> Outcome {
    let g = Graph::new();
    let table = g.parameter("table", (3,), Initializer::Zeros);
    let index = g.input_of(DType::I64, "index", ());
    let steps = g.state_of(DType::I64, "steps", (), Initializer::Zeros);
    g.update(steps, |steps| steps + 1);
    let mut step = g.compile_training(table.gather(index, 0))?;
    let mut parameters = g.initialize(0)?;
    step.run(&mut parameters, ("index", 2))?;
    for _ in 0..2 {
        step.run(&mut parameters, ("index", 7)).expect_err("there is no such row");
        step.run_checked(&mut parameters, ("index", 7)).expect_err("there is no such row");
    }
    step.run_checked(&mut parameters, ("index", 1))?;
    assert_eq!(counted(&parameters, "steps"), Some(2));
    Ok(())
}

#[test]
fn state_is_not_set_in_parameters_that_are_only_lent() -> Outcome {
    let g = Graph::new();
    let w = g.parameter("w", (), Initializer::Constant(1.0));
    let s = g.state("s", (), Initializer::Zeros);
    g.update(s, |s| s + 1.0);
    let mut parameters = g.initialize(0)?;
    let mut step = g.compile_training(w + s)?;
    let error = step.run(&parameters, ()).expect_err("it is lent");
    assert_eq!(error, RunError::SharedState { name: "s".to_owned() });
    assert!(error.to_string().contains("help: give `&mut parameters`"), "{error}");
    step.run(&mut parameters, ())?;
    // Without anything to set, steps of several threads share the parameters.
    let options = Options { mode: Some(Mode::Evaluation), ..Options::default() };
    let own = Graph::new();
    let loss = own.parameter("w", (), Initializer::Zeros) + own.state("s", (), Initializer::Zeros);
    own.compile_training_with(loss, (), &options)?.run(&parameters, ())?;
    Ok(())
}

#[test]
fn parameters_without_the_state_are_an_error_that_says_which() -> Outcome {
    let g = Graph::new();
    let w = g.parameter("w", (), Initializer::Zeros);
    let mean = g.state("mean", (2,), Initializer::Zeros);
    let mut program = g.compile(mean * w)?;
    let parameters = g.initialize(0)?;
    let alone = parameters.clone().with_state(State::default());
    assert!(matches!(program.run(&alone, ()), Err(RunError::MissingState { name, .. }) if name == "mean"));
    let misspelt = alone.clone().with_state(State::new([("meann", array![0.0f32, 0.0].into())]));
    let error = program.run(&misspelt, ()).expect_err("it is misspelt").to_string();
    assert!(error.contains("the nearest name is `meann`"), "{error}");
    let wide = alone.clone().with_state(State::new([("mean", array![0.0f64, 0.0].into())]));
    assert!(matches!(program.run(&wide, ()), Err(RunError::WrongDType { .. })));
    let long = alone.with_state(State::new([("mean", array![0.0f32, 0.0, 0.0].into())]));
    assert!(matches!(program.run(&long, ()), Err(RunError::WrongShape { .. })));
    program.run(&parameters, ())?;
    Ok(())
}

#[test]
fn states_and_their_updates_are_written_and_read_back() -> Outcome {
    let g = Graph::new();
    let x = g.input("x", ("batch", 2));
    let dropped = Dropout::new(&g, "dropout", 0.5).call(BatchNorm::new(&g, "norm", 2).call(x));
    let text = g.to_text([("y", dropped)]);
    let parsed = Graph::parse(&text)?;
    assert_eq!(parsed.to_text(), text);
    assert!(text.contains("update %"), "{text}");
    assert_eq!(g.initialize(3)?.state(), parsed.graph.initialize(3)?.state());
    for (wrong, message) in [
        ("%0: f32[] = input \"x\"\nupdate %0 = %0\nreturn y = %0", "only a state is updated"),
        (
            "%0: f32[] = state \"x\" initializer=zeros\n%1: i64[] = constant 1\nupdate %0 = %1\nreturn y = %0",
            "its new value i64[]",
        ),
        ("%0: f32[] = state \"x\" initializer=zeros\nupdate %0 = %3\nreturn y = %0", "%3 is not defined above"),
        ("%0: f32[] = state \"x\" initializer=key\nreturn y = %0", "nothing of f32 starts by Key"),
    ] {
        let error = Graph::parse(wrong).expect_err(wrong).to_string();
        assert!(error.contains(message), "{error}");
    }
    Ok(())
}

/// Of a choice by the mode, nothing of the other branch is asked for, computed or shown.
#[test]
fn the_branch_of_the_other_mode_is_not_there() -> Outcome {
    for options in engines() {
        let g = Graph::new();
        let w = g.parameter("w", (), Initializer::Constant(3.0));
        let (trained, evaluated) = (g.input("trained", ()), g.input("evaluated", ("n",)));
        let y = g.is_training().select(w * trained, (w + evaluated).sum());
        let turned = g.is_training().logical_not().select(y, -y);
        let out = g.compile_with(turned, &options)?.run(&g.initialize(0)?, ("evaluated", [1.0f32, 2.0]))?;
        assert_eq!(out.scalar::<f32>("result")?, 9.0);
        let mut step = g.compile_training_with(turned, (), &options)?;
        let out = step.run(&g.initialize(0)?, ("trained", 2.0f32))?;
        assert_eq!((out.loss, out.gradients.array::<f32>("w")?.sum()), (-6.0, -2.0));
        assert!(!step.show([])?.contains("select"));
    }
    Ok(())
}

#[test]
fn loops_and_branches_know_the_mode() -> Outcome {
    let g = Graph::new();
    let (w, xs) = (g.parameter("w", (), Initializer::Constant(1.0)), g.input("xs", ("n",)));
    let (last, _) = g.scan(w, xs, |carry, x| {
        let next = carry + g.is_training().select(x, 10.0 * x);
        (next, next)
    });
    let xs = array![1.0f32, 2.0];
    let parameters = g.initialize(0)?;
    assert_eq!(g.compile(last)?.run(&parameters, ("xs", &xs))?.scalar::<f32>("result")?, 31.0);
    assert_eq!(g.compile_training(last)?.run(&parameters, ("xs", &xs))?.loss, 4.0);
    Ok(())
}

/// What a branch computes without an argument is computed inside of it, but the mode is that of the program.
#[test]
fn a_branch_of_a_training_step_trains() -> Outcome {
    let g = Graph::new();
    let (w, flag) = (g.parameter("w", (), Initializer::Constant(1.0)), g.input_of(DType::Bool, "flag", ()));
    let by_mode = || g.is_training().select(w * 2.0, w * 3.0);
    let y = g.cond(flag, by_mode, || g.cond(flag.logical_not(), by_mode, || w));
    let parameters = g.initialize(0)?;
    for flag in [true, false] {
        assert_eq!(g.compile_training(y)?.run(&parameters, ("flag", flag))?.loss, 2.0);
        assert_eq!(g.compile(y)?.run(&parameters, ("flag", flag))?.scalar::<f32>("result")?, 3.0);
    }
    Ok(())
}

#[test]
fn a_step_in_evaluation_mode_sets_nothing() -> Outcome {
    let g = Graph::new();
    let y = BatchNorm::new(&g, "norm", 2).call(g.input("x", ("batch", 2)));
    let options = Options { mode: Some(Mode::Evaluation), ..Options::default() };
    let mut step = g.compile_training_with(y.square().mean(), (), &options)?;
    let mut parameters = g.initialize(0)?;
    let before = parameters.clone();
    let x = array![[1.0f32, 2.0], [3.0, 5.0]];
    assert!(step.run(&parameters, ("x", &x))?.gradients.norm() > 0.0);
    step.run(&mut parameters, ("x", &x))?;
    assert_eq!(parameters, before);
    Ok(())
}

#[test]
fn the_statistics_of_a_frozen_part_stay() -> Outcome {
    let g = Graph::new();
    let x = g.input("x", ("batch", 2));
    let (base, head) = (BatchNorm::new(&g, "base.norm", 2), BatchNorm::new(&g, "head.norm", 2));
    let loss = (head.call(base.call(x) + 1.0) * x).mean();
    let options = Options { frozen: vec!["base.*".to_owned()], ..Options::default() };
    let mut parameters = g.initialize(0)?;
    let before = parameters.clone();
    let mut step = g.compile_training_with(loss, (), &options)?;
    step.run(&mut parameters, ("x", &array![[1.0f32, 2.0], [3.0, 5.0]]))?;
    for (name, value) in before.state().iter() {
        assert_eq!(parameters.state().get(name) == Some(value), name.starts_with("base"), "{name}");
    }
    // A pattern may be of states alone.
    let options = Options { frozen: vec!["*.mean".to_owned(), "*.variance".to_owned()], ..Options::default() };
    g.compile_training_with(loss, (), &options)?.run(&before, ("x", &array![[1.0f32, 2.0], [3.0, 5.0]]))?;
    Ok(())
}

#[test]
fn a_batch_of_one_row_does_not_spoil_the_running_statistics() -> Outcome {
    let g = Graph::new();
    let y = BatchNorm::new(&g, "norm", 2).call(g.input("x", ("batch", 2)));
    let mut step = g.compile_training(y.square().mean())?;
    let mut parameters = g.initialize(0)?;
    step.run(&mut parameters, ("x", &array![[4.0f32, 2.0]]))?;
    assert_eq!(parameters.state().get("norm.mean"), Some(&array![0.4f32, 0.2].into()));
    assert_eq!(parameters.state().get("norm.variance"), Some(&array![0.9f32, 0.9].into()));
    Ok(())
}

#[test]
fn a_landscape_reads_the_state() -> Outcome {
    let g = Graph::new();
    let w = g.parameter("w", (2,), Initializer::Constant(1.0));
    let y = BatchNorm::new(&g, "norm", 2).call(g.input("x", ("batch", 2)) * w);
    let mut landscape = Landscape::new(y.square().mean())?;
    let mut point = landscape.point(&g.initialize(0)?, ("x", array![[1.0f32, 2.0], [3.0, 4.0]]))?;
    assert!(point.value() > 0.0);
    assert!(point.gradient()?.norm() > 0.0);
    Ok(())
}

#[test]
fn what_does_not_move_the_loss_is_left_alone_and_told() -> Outcome {
    let g = Graph::new();
    let x = g.input("x", ("batch", 2));
    let (base, head) = (Linear::new(&g, "base", 2, 3), Linear::new(&g, "head", 3, 1));
    Linear::new(&g, "unused", 2, 2);
    let stopped = g.parameter("stopped", (3,), Initializer::Constant(1.0));
    let loss = head.call(base.call(x).tanh() * stopped.stop_gradient()).square().mean();
    let options = Options { frozen: vec!["base.*".to_owned()], ..Options::default() };
    let mut step = g.compile_training_with(loss, (), &options)?;
    let untrained: Vec<_> = step.untrained().collect();
    let want = [
        ("base.weight", Untrained::Frozen),
        ("base.bias", Untrained::Frozen),
        ("unused.weight", Untrained::Unused),
        ("unused.bias", Untrained::Unused),
        ("stopped", Untrained::Stopped),
    ];
    assert_eq!(untrained, want);
    let mut parameters = g.initialize(0)?;
    let before = parameters.clone();
    let out = step.run(&parameters, ("x", &Array2::<f32>::ones((4, 2))))?;
    assert_eq!(out.gradients.layout().names().collect::<Vec<_>>(), ["head.weight", "head.bias"]);
    AdamW::new(0.1).step(&mut parameters, &out.gradients)?;
    for (name, before) in before.iter() {
        let is_same = parameters.view(name).map(|now| now.to_value()) == Some(before.to_value());
        assert_eq!(is_same, !name.starts_with("head"), "{name}");
    }
    // The backward pass ends where nothing before it is trained.
    let whole = g.compile_training(loss)?;
    assert!(step.flops().as_number() < whole.flops().as_number() || step.flops() != whole.flops());
    let nothing = Options { frozen: vec!["bose.*".to_owned()], ..Options::default() };
    let error = g.compile_training_with(loss, (), &nothing).expect_err("no such parameter").to_string();
    assert!(error.contains("no parameter or state matches `bose.*`, which is to be frozen"), "{error}");
    Ok(())
}

/// Batch norm by its formula, in both modes, over the axes of 1-, 2- and 3-dimensional space.
#[test]
fn batch_norm_is_its_formula_in_both_modes() -> Outcome {
    for shape in [vec![4, 3], vec![4, 3, 5], vec![2, 3, 5, 2], vec![2, 3, 2, 2, 2]] {
        let g = Graph::new();
        let x = g.input("x", shape.iter().map(|size| *size as i64).collect::<Vec<_>>());
        let y = BatchNorm::new(&g, "norm", 3).call(x);
        let mut parameters = g.initialize(0)?;
        let (gain, bias) = (array![1.0f32, 2.0, -0.5], array![0.5f32, 0.0, 1.0]);
        parameters.set("norm.gain", &gain)?;
        parameters.set("norm.bias", &bias)?;
        let n: usize = shape.iter().product();
        let data = ndarray::ArrayD::from_shape_fn(shape.clone(), |index| {
            (ndarray::Dimension::slice(&index).iter().fold(1.0f32, |seed, i| seed * 1.7 + *i as f32)).sin() * 2.0 + 1.0
        });
        let mut step = g.compile_training_with(y.square().mean(), [("y", y)], &Options::default())?;
        let out = step.run(&mut parameters, ("x", &data))?;
        let channel = |c: usize| -> Vec<f64> {
            data.index_axis(ndarray::Axis(1), c).iter().map(|number| f64::from(*number)).collect()
        };
        let count = (n / 3) as f64;
        for c in 0..3 {
            let values = channel(c);
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            let Value::F32(found) = &out.outputs["y"] else { panic!("it is f32") };
            let found = found.index_axis(ndarray::Axis(1), c).to_owned();
            for (value, found) in values.iter().zip(found.iter()) {
                let want = (value - mean) / (variance + 1e-5).sqrt() * f64::from(gain[c]) + f64::from(bias[c]);
                assert!((want - f64::from(*found)).abs() < 1e-5, "{shape:?}");
            }
            let state = |name: &str| match parameters.state().get(name) {
                Some(Value::F32(array)) => f64::from(array[c]),
                _ => f64::NAN,
            };
            assert!((state("norm.mean") - 0.1 * mean).abs() < 1e-6);
            assert!((state("norm.variance") - 0.9 - 0.1 * variance * count / (count - 1.0)).abs() < 1e-5);
            let evaluated = g.compile(y)?.run(&parameters, ("x", &data))?;
            let Value::F32(found) = &evaluated["result"] else { panic!("it is f32") };
            let first = f64::from(*found.index_axis(ndarray::Axis(1), c).iter().next().expect("an element"));
            let want = (values[0] - state("norm.mean")) / (state("norm.variance") + 1e-5).sqrt() * f64::from(gain[c])
                + f64::from(bias[c]);
            assert!((want - first).abs() < 1e-5, "{shape:?}");
        }
    }
    Ok(())
}

/// Values, gradients and running statistics by PyTorch: two steps of training, then evaluation.
#[test]
fn batch_norm_is_that_of_pytorch() -> Outcome {
    let recorded: HashMap<&str, ArrayD<f64>> = include_str!("../recorded/batch_norm.txt")
        .lines()
        .map(|line| {
            let [name, sizes, elements] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
            let sizes: Vec<usize> = sizes.split(' ').map(|size| size.parse().expect("a size")).collect();
            let elements = elements.split(' ').map(|element| element.parse().expect("a number")).collect();
            (name, ArrayD::from_shape_vec(sizes, elements).expect("as many elements"))
        })
        .collect();
    // Sums of 36 numbers, divided by the root of a variance of about 1.
    let close = |name: &str, found: &Value, tolerance: f64| {
        let found = match found {
            Value::F64(array) => array.clone(),
            Value::F32(array) => array.mapv(f64::from),
            other => panic!("{name} is {:?}", other.dtype()),
        };
        let want = &recorded[name];
        let off = (&found - want).iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        assert!(off <= tolerance, "{name} is off by {off:e}: {found} {want}");
    };
    for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 1e-5)] {
        let as_dtype = |name: &str| match dtype {
            DType::F32 => Value::F32(recorded[name].mapv(|x| x as f32)),
            _ => Value::F64(recorded[name].clone()),
        };
        for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
            let g = Graph::new();
            let options = BatchNormOptions { epsilon: 1e-3, momentum: 0.25, dtype };
            let norm = BatchNorm::with(&g, "norm", 2, options);
            let [x, cotangent] =
                ["x", "cotangent"].map(|name| g.parameter_of(dtype, name, (3, 2, 4, 3), Initializer::Zeros));
            let y = norm.call(x);
            let options = Options { evaluation, ..Options::default() };
            let mut step = g.compile_training_with((y * cotangent).sum(), [("y", y)], &options)?;
            let mut parameters = g.initialize(0)?;
            parameters.set("norm.gain", as_dtype("gain"))?;
            parameters.set("norm.bias", as_dtype("bias"))?;
            for number in [1, 2] {
                parameters.set("x", as_dtype(&format!("x {number}")))?;
                parameters.set("cotangent", as_dtype(&format!("cotangent {number}")))?;
                let out = step.run(&mut parameters, ())?;
                close(&format!("y {number}"), &out.outputs["y"], tolerance);
                for (name, gradient) in [("x", "x"), ("gain", "norm.gain"), ("bias", "norm.bias")] {
                    let gradient = out.gradients.view(gradient).expect("it moves the loss").to_value();
                    close(&format!("gradient {name} {number}"), &gradient, tolerance);
                }
                for name in ["mean", "variance"] {
                    let state = parameters.state().get(&format!("norm.{name}")).expect("a state");
                    close(&format!("{name} {number}"), state, tolerance);
                }
            }
            parameters.set("x", as_dtype("x 3"))?;
            close("y 3", &g.compile_with(y, &options)?.run(&parameters, ())?["result"], tolerance);
        }
    }
    Ok(())
}

/// Rates, scales and independence of what is dropped, over elements, channels and examples.
#[test]
fn dropout_drops_at_its_rate_and_keeps_the_mean() -> Outcome {
    let g = Graph::new();
    let x = g.input("x", ("batch", 8, 4, 4));
    let w = g.parameter("w", (), Initializer::Constant(1.0));
    let kinds = [
        ("element", Dropout::new(&g, "element", 0.3), 1),
        ("channel", Dropout::spatial(&g, "channel", 0.3), 16),
        ("example", Dropout::path(&g, "example", 0.3), 128),
    ];
    let outputs: Vec<_> = kinds.iter().map(|(name, dropout, _)| (*name, dropout.call(x) * w)).collect();
    let again = kinds[0].1.call(x);
    let loss = outputs.iter().fold(again.mean(), |sum, (_, output)| sum + output.mean());
    let others: Vec<_> = outputs.iter().copied().chain([("again", again)]).collect();
    let mut step = g.compile_training_with(loss, others, &Options::default())?;
    let mut parameters = g.initialize(1)?;
    let x = ndarray::Array4::<f32>::ones((512, 8, 4, 4));
    let (first, second) = (step.run(&mut parameters, ("x", &x))?, step.run(&mut parameters, ("x", &x))?);
    let elements = |out: &pullback::TrainingOutput, name: &str| -> Array1<f32> {
        let Value::F32(array) = &out.outputs[name] else { panic!("it is f32") };
        array.iter().copied().collect()
    };
    for (name, _, run) in &kinds {
        let kept = elements(&first, name);
        assert!(kept.iter().all(|y| *y == 0.0 || (*y - 1.0 / 0.7).abs() < 1e-6));
        let groups = kept.len() / run;
        // Each group is dropped as a whole, at its rate within five standard deviations.
        assert!(kept.as_slice().expect("one row").chunks(*run).all(|group| group.iter().all(|y| *y == group[0])));
        let rate = kept.iter().filter(|y| **y == 0.0).count() as f64 / kept.len() as f64;
        assert!((rate - 0.3).abs() < 5.0 * (0.21 / groups as f64).sqrt(), "{name}: {rate}");
        assert_ne!(kept, elements(&second, name), "the next step drops others");
    }
    assert_ne!(elements(&first, "element"), elements(&first, "again"), "the next call drops others");
    assert_eq!(counted(&parameters, "element.counter"), Some(4));
    assert_eq!(g.compile(again)?.run(&parameters, ("x", &x))?["result"], x.into_dyn().into());
    Ok(())
}

#[test]
fn another_seed_drops_others_and_the_same_seed_the_same() -> Outcome {
    let g = Graph::new();
    let x = g.input("x", (64,));
    let y = Dropout::new(&g, "dropout", 0.5).call(x);
    let w = g.parameter("w", (), Initializer::Constant(1.0));
    let mut step = g.compile_training_with((w * y).mean(), [("y", y)], &Options::default())?;
    let x = Array1::<f32>::ones(64);
    let mut run = |seed: u64| -> Result<Value, Box<dyn std::error::Error>> {
        Ok(step.run(&mut g.initialize(seed)?, ("x", &x))?.outputs["y"].clone())
    };
    assert_eq!(run(0)?, run(0)?);
    assert_ne!(run(0)?, run(1)?);
    Ok(())
}

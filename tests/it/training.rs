//! Programs and training steps: what is fed, what comes out, and that training reaches what it must.

use ndarray::{Array1, Array2, array};
use pullback::{
    CompileError, DType, Gradients, Graph, Initializer, RunError, Value,
    optim::{AdaGrad, Adam, AdamW, HeavyBall, Nesterov, Optimizer, RmsProp, Row, Schedule, Sgd, Uniform},
};

/// Least squares with a known solution, in both float types at once.
fn least_squares(g: &Graph) -> pullback::Expr<'_> {
    let x = g.input("x", ("n", 2));
    let y = g.input("y", ("n",));
    let w = g.parameter("w", (2,), Initializer::Zeros);
    let b = g.parameter_of(DType::F64, "b", (), Initializer::Zeros);
    let n = g.dim_size("n", DType::F32);
    ((x.dot(w) + b.cast(DType::F32) - y).square().sum() / n).cast(DType::F64)
}

fn data() -> (Array2<f32>, Array1<f32>) {
    let x = Array2::from_shape_fn((20, 2), |(row, column)| ((row * 7 + column * 3) % 11) as f32 / 5.0 - 1.0);
    let y = x.dot(&array![2.0f32, -1.0]) + 0.5;
    (x, y)
}

#[test]
fn every_optimizer_solves_least_squares() {
    let rules: [Box<dyn Optimizer>; 8] = [
        Box::new(Sgd::new(0.2)),
        Box::new(HeavyBall::new(0.1, 0.8)),
        Box::new(Nesterov::new(0.1, 0.8)),
        Box::new(AdaGrad::new(0.5)),
        Box::new(RmsProp::new(Schedule::exponential(0.05, 0.98))),
        Box::new(Adam::new(0.05)),
        Box::new(AdamW::new(0.05).weight_decay(0.0)),
        Box::new(Uniform::new(Row::adam(0.05, 0.9, 0.999))),
    ];
    for mut rule in rules {
        let g = Graph::new();
        let mut step = g.compile_training(least_squares(&g)).expect("no mistake");
        let mut parameters = g.initialize(0).expect("no mistake");
        let (x, y) = data();
        for _ in 0..600 {
            let out = step.run(&parameters, (("x", &x), ("y", &y))).expect("fits");
            rule.step(&mut parameters, &out.gradients).expect("one layout");
        }
        let w = parameters.array::<f32>("w").expect("there").to_owned();
        let b = parameters.array::<f64>("b").expect("there")[[]];
        // Solved to the rounding of f32 in the loss's gradient.
        assert!((w[0] - 2.0).abs() < 1e-3 && (w[1] + 1.0).abs() < 1e-3 && (b - 0.5).abs() < 1e-3, "{w} {b}");
    }
}

#[test]
fn the_same_seed_gives_the_same_training() {
    let train = || {
        let g = Graph::new();
        let x = g.input("x", ("n", 2));
        let w = g.parameter("w", (2, 3), Initializer::GlorotNormal);
        let mut step = g.compile_training(x.dot(w).tanh().square().sum()).expect("no mistake");
        let mut parameters = g.initialize(9).expect("no mistake");
        let (x, _) = data();
        let mut adam = Adam::new(0.1);
        for _ in 0..10 {
            let out = step.run(&parameters, ("x", &x)).expect("fits");
            adam.step(&mut parameters, &out.gradients).expect("one layout");
        }
        parameters
    };
    assert_eq!(train(), train());
}

#[test]
fn gradients_are_written_into_memory_that_is_there() {
    let g = Graph::new();
    let loss = least_squares(&g);
    let mut step =
        g.compile_training_with(loss, [("residual", loss.sqrt())], &pullback::Options::default()).expect("no mistake");
    let parameters = g.initialize(0).expect("no mistake");
    let (x, y) = data();
    let out = step.run(&parameters, (("x", &x), ("y", &y))).expect("fits");
    let mut gradients = Gradients::zeros(parameters.layout().clone());
    let (loss, others) = step.run_into(&parameters, (("x", &x), ("y", &y)), &mut gradients).expect("fits");
    assert_eq!((loss, &gradients), (out.loss, &out.gradients));
    assert_eq!(others.scalar::<f64>("residual"), Ok(loss.sqrt()));

    let mut foreign = Gradients::default();
    let refused = step.run_into(&parameters, (("x", &x), ("y", &y)), &mut foreign);
    assert_eq!(refused.unwrap_err(), RunError::GradientLayout);
}

#[test]
fn a_program_outlives_its_graph_and_moves_to_another_thread() {
    let mut program = {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", ());
        g.compile([("y", x.exp())]).expect("no mistake")
    };
    let y = std::thread::spawn(move || program.call(("x", 0.0)).expect("fits"));
    assert_eq!(y.join().expect("no panic").scalar::<f64>("y"), Ok(1.0));
}

/// A program may lie in what threads share, to be cloned by each.
#[test]
fn programs_are_sent_and_shared() {
    fn assert_shared<T: Send + Sync + Clone>() {}
    assert_shared::<pullback::Program>();
    assert_shared::<pullback::TrainingStep>();
}

/// A worker has a clone with memory of its own, made before or after the first run; sizes that the first met are planned.
#[test]
fn clones_run_at_once_and_give_the_same_bits() {
    let g = Graph::new();
    let loss = least_squares(&g);
    let mut first = g.compile_training(loss).expect("no mistake");
    let mut program = g.compile(("loss", loss)).expect("no mistake");
    let parameters = g.initialize(0).expect("no mistake");
    let (x, y) = data();
    let early = (first.clone(), program.clone());
    let want = first.run(&parameters, (("x", &x), ("y", &y))).expect("fits");
    let loss = program.run(&parameters, (("x", &x), ("y", &y))).expect("fits");
    let late = (first.clone(), program.clone());
    std::thread::scope(|scope| {
        for (mut step, mut program) in [early, late, (first, program)] {
            let (parameters, x, y, want, loss) = (&parameters, &x, &y, &want, &loss);
            scope.spawn(move || {
                for _ in 0..20 {
                    assert_eq!(step.run(parameters, (("x", x), ("y", y))).expect("fits"), *want);
                    assert_eq!(program.run(parameters, (("x", x), ("y", y))).expect("fits"), *loss);
                }
            });
        }
    });
}

#[test]
fn views_of_any_strides_are_fed_and_written() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (2, 3));
    let mut program = g.compile([("y", x * 2.0)]).expect("no mistake");
    let x = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let mut y = Array2::<f64>::zeros((3, 2));
    let mut transposed = y.view_mut().reversed_axes();
    program.run_into((), ("x", x.t()), ("y", &mut transposed)).expect("fits");
    assert_eq!(y, x * 2.0);
}

#[test]
fn an_input_that_is_not_needed_may_tell_a_size() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("n",));
    let gradient = g.gradient(x.sum(), x);
    let mut program = g.compile(gradient).expect("no mistake");
    let out = program.call(("x", &array![5.0, 6.0])).expect("fits");
    assert_eq!(out["result"], array![1.0, 1.0].into());
    let unfed = program.call(()).unwrap_err().to_string();
    assert_eq!(unfed, r#"the size `n` is not known from the inputs that are fed; feed "x""#);
}

#[test]
fn what_cannot_be_compiled_says_so_and_loses_nothing() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let next = x + 1.0;
    assert_eq!(
        g.compile([("y", x), ("y", next)]).unwrap_err(),
        CompileError::DuplicateOutput { name: "y".to_owned(), first: x.site(), second: next.site() }
    );
    let free = g.compile(g.dim_size("n", DType::F64)).unwrap_err().to_string();
    assert!(free.starts_with("the size `n` is used at tests/it/training.rs:"), "{free}");
    let other = Graph::new();
    assert!(matches!(g.compile(other.constant(1.0f64)), Err(CompileError::ForeignOutput { .. })));
    // The graph is as good as before.
    let mut program = g.compile(x + 1.0).expect("no mistake");
    assert_eq!(program.call(("x", 1.0)).expect("fits")["result"], Value::from(2.0));
}

//! Derivatives of whole expressions: against differences, dual numbers, each other and hand-worked values.

use ndarray::{Array1, ArrayD, arr0, arr1, array};
use pullback::{
    Expr, Graph, Initializer, Value,
    check::{naive_gradients, prove_expression, random_graph},
    ops::{Smoothness, verify},
};

fn evaluate(result: Expr<'_>, inputs: &[(&str, Value)]) -> Value {
    let mut program = result.graph().compile([("y", result)]).expect("the graph has no mistake");
    program.call(inputs).expect("the inputs fit")["y"].clone()
}

#[test]
fn random_graphs_have_the_derivatives_of_their_functions() {
    for seed in 0..120 {
        let random = random_graph(seed, 4 + (seed as usize) % 12);
        let inputs = random.inputs.iter().map(|input| random.graph.expr(*input));
        let leaves: Vec<(Expr<'_>, Value)> = inputs.zip(random.values.clone()).collect();
        let proof = prove_expression(random.graph.expr(random.result), &leaves, Smoothness::Smooth);
        assert!(proof.is_ok(), "seed {seed}: {}", proof.unwrap_err());
        assert_eq!(verify(&random.graph), Ok(()), "seed {seed}");
    }
}

#[test]
fn naive_derivatives_equal_backpropagation_on_random_graphs() {
    for seed in 0..40 {
        let random = random_graph(seed, 10);
        let g = &random.graph;
        let inputs: Vec<Expr<'_>> = random.inputs.iter().map(|input| g.expr(*input)).collect();
        let fed: Vec<(String, Value)> =
            inputs.iter().map(|input| input.name().expect("an input has a name")).zip(random.values.clone()).collect();
        let fed: Vec<(&str, Value)> = fed.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let loss = g.expr(random.result);
        for (naive, shared) in naive_gradients(loss, &inputs).into_iter().zip(g.gradients(loss, &inputs)) {
            assert_eq!(evaluate(naive, &fed), evaluate(shared, &fed), "seed {seed}");
        }
    }
}

/// f = (1 − w₂w₁)²: ∇f = −2(1 − w₂w₁)(w₂, w₁), and its Hessian by hand.
#[test]
fn the_lectures_saddle() {
    let g = Graph::new();
    let (w1, w2) = (g.input_of::<f64>("w1", ()), g.input_of::<f64>("w2", ()));
    let f = (1.0 - w2 * w1).powi(2);
    let at = [("w1", Value::from(0.5)), ("w2", Value::from(0.7))];
    let residual = 1.0 - 0.7 * 0.5;
    let d1 = g.gradient(f, w1);
    let cases = [
        (d1, -2.0 * residual * 0.7),
        (g.gradient(f, w2), -2.0 * residual * 0.5),
        (g.gradient(d1, w1), 2.0 * 0.7 * 0.7),
        (g.gradient(d1, w2), 2.0 * 0.7 * 0.5 - 2.0 * residual),
        (g.jvp(d1, &[(w2, g.constant(1.0))]), 2.0 * 0.7 * 0.5 - 2.0 * residual),
        (g.gradient(g.gradient(d1, w1), w2), 4.0 * 0.7),
    ];
    for (position, (derivative, expected)) in cases.into_iter().enumerate() {
        let found = evaluate(derivative, &at).scalar::<f64>().expect("a scalar");
        assert!((found - expected).abs() < 1e-15, "case {position}: {found} against {expected}");
    }
}

#[test]
fn tenth_derivative_of_a_power() {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", ());
    let derivative = (0..10).fold(x.powi(10), |f, _| g.gradient(f, x));
    assert_eq!(evaluate(derivative, &[("x", 0.3.into())]), 3_628_800.0.into());
}

#[test]
fn gradient_by_an_intermediate_node() {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", (2,));
    let hidden = x * x;
    let loss = (hidden * hidden).sum();
    let fed = [("x", Value::from(arr1(&[1.0, 3.0])))];
    assert_eq!(evaluate(g.gradient(loss, hidden), &fed), arr1(&[2.0, 18.0]).into());
}

#[test]
fn independence_is_a_gradient_of_zeros() {
    let g = Graph::new();
    let (x, y) = (g.input_of::<f64>("x", (2, 2)), g.input_of::<f64>("y", ()));
    let gradient = g.gradient(y * 2.0, x);
    let fed = [("x", array![[1.0, 2.0], [3.0, 4.0]].into()), ("y", 1.0.into())];
    assert_eq!(evaluate(gradient, &fed), ArrayD::<f64>::zeros(vec![2, 2]).into());
    // Through integers nothing flows either.
    let rounded = x.cast(pullback::DType::I64).cast(pullback::DType::F64).sum();
    assert_eq!(evaluate(g.gradient(rounded, x), &fed), ArrayD::<f64>::zeros(vec![2, 2]).into());
}

#[test]
fn vjp_and_jvp_of_a_vector_are_rows_and_columns_of_its_jacobian() {
    let g = Graph::new();
    let (x, u, v) = (g.input_of::<f64>("x", (2,)), g.input_of::<f64>("u", (3,)), g.input_of::<f64>("v", (2,)));
    let matrix = g.constant(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    let y = matrix.dot(x).powi(2);
    let fed =
        [("x", Value::from(arr1(&[1.0, -1.0]))), ("u", arr1(&[1.0, 0.0, 2.0]).into()), ("v", arr1(&[0.0, 1.0]).into())];
    // J = 2·diag(Ax)·A with Ax = (−1, −1, −1).
    assert_eq!(evaluate(g.vjp(y, u, &[x])[0], &fed), arr1(&[-22.0, -28.0]).into());
    assert_eq!(evaluate(g.jvp(y, &[(x, v)]), &fed), arr1(&[-4.0, -8.0, -12.0]).into());
}

/// d/dx of select(x > 0, √x, 0) at 0 is masked, not 0·∞, also behind further elementwise functions.
#[test]
fn a_masked_cotangent_stays_masked() {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", (3,));
    let guarded = x.greater(0.0).select(x.sqrt(), 0.0);
    let nested = x.greater(0.0).select((-x.log() * 2.0).exp(), 0.0).relu();
    let fed = [("x", Value::from(arr1(&[0.0, 4.0, -1.0])))];
    assert_eq!(evaluate(g.gradient(guarded.sum(), x), &fed), arr1(&[0.0, 0.25, 0.0]).into());
    let slopes = evaluate(g.gradient(nested.sum(), x), &fed);
    let slopes = slopes.array::<f64>().expect("f64");
    assert_eq!((slopes[0], slopes[2]), (0.0, 0.0));
    assert!((slopes[1] + 2.0 / 64.0).abs() < 1e-15, "{slopes}");
}

#[test]
fn a_symbolic_batch_of_any_size() {
    let g = Graph::new();
    let x = g.input("x", ("batch", 2));
    let w = g.parameter("w", (2, 1), Initializer::Constant(1.0));
    let loss = x.dot(w).powi(2).sum();
    let mut step = g.compile_training(loss).expect("no mistake");
    let parameters = g.initialize(0).expect("no mistake");
    for (rows, expected) in [(0, 0.0), (1, 9.0), (5, 45.0)] {
        let x = ndarray::Array2::from_shape_fn((rows, 2), |(_, column)| 1.0 + column as f32);
        let out = step.run(&parameters, ("x", &x)).expect("fits");
        assert_eq!(out.loss, expected);
        assert_eq!(out.gradients.array::<f32>("w").expect("there")[[1, 0]], 12.0 * rows as f32);
    }
}

/// Depth is no danger: no pass recurses.
#[test]
fn a_chain_of_a_hundred_thousand_nodes() {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", ());
    let mut y = x;
    for _ in 0..100_000 {
        y += 1e-6;
    }
    let gradient = g.gradient(y * y, x);
    let found = evaluate(gradient, &[("x", arr0(1.0).into())]).scalar::<f64>().expect("a scalar");
    assert!((found - 2.2).abs() < 1e-9, "{found}");
}

/// Masks survive fan-in and contests.
#[test]
fn a_mask_survives_fan_in_and_maximum() {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", (2,));
    let l = x.log();
    let positive = x.greater(0.0);
    let fed = [("x", Value::from(arr1(&[0.0, 1.0])))];
    for masked in [positive.select(l * l, 0.0), positive.select(l.maximum(-5.0), 0.0)] {
        let slope = evaluate(g.gradient(masked.sum(), x), &fed);
        assert!(slope.array::<f64>().expect("f64").iter().all(|slope| slope.is_finite()), "{slope:?}");
    }
    let forward = g.jvp(positive.select(l * l, 0.0), &[(x, x.ones_like())]);
    assert_eq!(evaluate(forward, &fed), arr1(&[0.0, 0.0]).into());
}

/// The derivative of a strided slice of a symbolic axis runs for an empty batch, at second order too.
#[test]
fn an_empty_batch_at_second_order() {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", (2 * pullback::Dim::symbol("n"),));
    let y = x.slice(pullback::Index::from(..).step(2));
    let gradient = g.gradient(y.square().sum(), x);
    let second = g.gradient(gradient.square().sum(), x);
    assert_eq!(evaluate(second, &[("x", arr1::<f64>(&[]).into())]), arr1::<f64>(&[]).into());
    assert_eq!(evaluate(second, &[("x", arr1(&[1.0, 2.0]).into())]), arr1(&[8.0, 0.0]).into());
}

#[test]
fn the_gradient_of_a_product_takes_work_and_memory_in_proportion_to_its_elements() {
    let flops = |n: usize| {
        let g = Graph::new();
        let x = g.input_of::<f64>("x", [n]);
        let gradient = g.gradient(x.prod(), x);
        let second = g.gradient(gradient.sum(), x);
        g.flops([("first", gradient), ("second", second)]).as_number().unwrap() as f64
    };
    assert!(flops(20_000) / flops(10_000) < 2.001);
    // With O(n²) memory these would be 2 TB.
    const N: usize = 500_000;
    let g = Graph::new();
    let x = g.input_of::<f64>("x", [N]);
    let mut program = g.compile(g.gradient(x.prod(), x)).unwrap();
    let mut gradient = |at: &[(usize, f64)]| {
        let mut of = Array1::<f64>::ones(N);
        at.iter().for_each(|(place, number)| of[*place] = *number);
        let Value::F64(gradient) = program.call(("x", &of)).unwrap()["result"].clone() else {
            unreachable!("the gradient of f64 is f64")
        };
        gradient
    };
    let without_zeros = gradient(&[(0, 2.0), (N - 1, 4.0)]);
    assert!(without_zeros[[0]] == 4.0 && without_zeros[[N - 1]] == 2.0 && without_zeros[[N / 2]] == 8.0);
    let with_one = gradient(&[(0, 2.0), (7, 0.0), (N - 1, 4.0)]);
    assert!(with_one[[7]] == 8.0 && with_one.sum() == 8.0);
    assert!(gradient(&[(3, 0.0), (7, 0.0)]).iter().all(|slope| *slope == 0.0));
}

//! Models, what is counted of them, and risk: against formulas written out, exact laws and simulated coverage.

use ndarray::{Array1, Array2, array};
use pullback::{
    DType, Expr, Graph, Initializer, Parameters, Value,
    check::prove_expression,
    nn::{
        binary_zero_one_loss, cross_entropy, hidden_layers, hinge_loss, kl_divergence, label_probability, linear_map,
        linear_score, logistic_loss, perceptron, zero_one_loss,
    },
    ops::Smoothness,
    optim::{Optimizer, Sgd},
    risk::{RiskError, Tally, error_rate, generalization_gap},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Uniform in [0, 1).
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// The outputs of f64 expressions without inputs.
fn numbers(g: &Graph, parameters: &Parameters, result: Expr<'_>) -> Vec<f64> {
    let out = g.compile(result).expect("no mistake").run(parameters, ()).expect("runs");
    out["result"].array::<f64>().expect("f64").iter().copied().collect()
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }
}

/// Bσ(W₂σ(W₁x + b₁) + b₂) with loops over indices.
#[test]
fn a_perceptron_is_its_formula() {
    let g = Graph::new();
    let x = array![[0.3, -0.7, 1.1], [0.0, 0.4, -2.0]];
    let scores = perceptron(g.constant(x.clone()), "net", &[5, 4], 2, Expr::tanh);
    let mut parameters = g.initialize(3).expect("no mistake");
    parameters.set("net.1.bias", &array![0.1, -0.2, 0.3, 0.0, 0.5]).expect("fits");
    let layer = |name: &str| parameters.array::<f64>(&format!("net.{name}")).expect("there").to_owned();
    let mut expected = Vec::new();
    for row in x.rows() {
        let mut hidden = row.to_vec();
        for name in ["1", "2"] {
            let (weight, bias) = (layer(&format!("{name}.weight")), layer(&format!("{name}.bias")));
            let unit = |unit: usize| {
                let sum: f64 = hidden.iter().enumerate().map(|(from, value)| value * weight[[from, unit]]).sum();
                (sum + bias[unit]).tanh()
            };
            hidden = (0..bias.len()).map(unit).collect();
        }
        let out = layer("out.weight");
        expected.extend((0..2).map(|score| hidden.iter().enumerate().map(|(i, h)| h * out[[i, score]]).sum::<f64>()));
    }
    assert_close(&numbers(&g, &parameters, scores), &expected, 1e-14);
    assert!(g.named("net.out.bias").is_none());
}

#[test]
fn one_mistake_of_a_model_is_told_once() {
    let build: [fn(Expr<'_>) -> Expr<'_>; 4] = [
        |x| perceptron(x, "net", &[5, 4], 2, Expr::tanh),
        |x| hidden_layers(x, "net", &[5, 4], Expr::tanh),
        |x| linear_map(x, "net", 3),
        |x| linear_score(x, "net"),
    ];
    for build in build {
        let g = Graph::new();
        build(g.input("x", ("batch", "features")));
        let diagnostics = g.check().expect_err("the last axis is a symbol");
        assert_eq!(diagnostics.0.len(), 1, "{diagnostics}");
        assert_eq!(diagnostics.0[0].site.file, "tests/it/models.rs");
    }
    let g = Graph::new();
    let x = g.input("x", ("batch", 2));
    perceptron(x, "net", &[5], 2, Expr::tanh);
    perceptron(x, "net", &[5], 2, Expr::tanh);
    assert_eq!(g.check().expect_err("the names are taken").0.len(), 1);
}

#[test]
fn probabilities_of_both_labels_sum_to_one() {
    let g = Graph::new();
    let score = g.constant(array![-800.0, -2.0, 0.0, 0.3, 40.0]);
    let (yes, no) = (label_probability(score, score.ones_like()), label_probability(score, -score.ones_like()));
    assert_close(&numbers(&g, &Parameters::default(), yes + no), &[1.0; 5], 1e-15);
    // The logistic loss is its negative logarithm, where that does not underflow.
    let score = g.constant(array![-30.0, -2.0, 0.0, 0.3, 4.0]);
    let difference = logistic_loss(score, score.ones_like()) + label_probability(score, score.ones_like()).log();
    assert_close(&numbers(&g, &Parameters::default(), difference), &[0.0; 5], 1e-14);
}

/// What the logistic loss gives as curvature: P(1 | x)·P(−1 | x), at any label.
#[test]
fn logistic_regression_has_its_hessian() {
    let g = Graph::new();
    let x = g.constant(array![[0.5, -1.0]]);
    let f = linear_score(x, "beta");
    let beta = g.named("beta.weight").expect("declared");
    let slope = g.gradient(logistic_loss(f, f.ones_like()).sum(), beta);
    let curvature = g.gradient(slope.slice(0), beta);
    let mut parameters = g.initialize(0).expect("no mistake");
    parameters.set("beta.weight", &array![0.7, 0.2]).expect("fits");
    let probability = 1.0 / (1.0 + (-(0.7 * 0.5 - 0.2f64)).exp());
    let weight = probability * (1.0 - probability);
    assert_close(&numbers(&g, &parameters, curvature), &[weight * 0.25, -weight * 0.5], 1e-15);
}

/// Points inside and outside a circle: no line parts them in the plane, a plane does on the cone.
#[test]
fn lifting_parts_a_disc_from_its_ring() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut points = Array2::<f64>::zeros((80, 2));
    let mut labels = Array1::<f64>::zeros(80);
    for row in 0..80 {
        let (angle, label) = (uniform(&mut rng) * std::f64::consts::TAU, if row % 2 == 0 { 1.0 } else { -1.0 });
        let radius = if label > 0.0 { 0.6 * uniform(&mut rng) } else { 1.4 + 0.6 * uniform(&mut rng) };
        points.row_mut(row).assign(&array![radius * angle.cos(), radius * angle.sin()]);
        labels[row] = label;
    }
    let error = |lift: fn(Expr<'_>) -> Expr<'_>| {
        let g = Graph::new();
        let (x, y) = (g.constant(points.clone()), g.constant(labels.clone()));
        let intercept = g.parameter_of(DType::F64, "intercept", (), Initializer::Zeros);
        let scores = linear_score(lift(x), "beta") + intercept;
        let error = binary_zero_one_loss(scores, y).mean();
        let mut step = g
            .compile_training_with(hinge_loss(scores, y).mean(), [("error", error)], &pullback::Options::default())
            .expect("no mistake");
        let mut parameters = g.initialize(0).expect("no mistake");
        let mut rule = Sgd::new(0.2);
        for _ in 0..400 {
            let out = step.run(&parameters, ()).expect("runs");
            rule.step(&mut parameters, &out.gradients).expect("one layout");
        }
        step.run(&parameters, ()).expect("runs").outputs.scalar::<f64>("error").expect("a scalar")
    };
    assert_eq!(error(|x| x.append_norm()), 0.0);
    assert!(error(|x| x) > 0.2);
}

#[test]
fn kl_divergence_is_its_sum() {
    let (p, q): ([f64; 4], [f64; 4]) = ([0.1, 0.0, 0.6, 0.3], [0.25, 0.25, 0.4, 0.1]);
    let sum: f64 = p.iter().zip(q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum();
    let g = Graph::new();
    let [left, right] = [p, q].map(|row| g.constant(Array1::from(row.to_vec())));
    let results = [
        ("pq", kl_divergence(left, right)),
        ("pp", kl_divergence(left, left)),
        ("qp", kl_divergence(right, left)),
        ("by_p", g.gradient(kl_divergence(left, right), left)),
        ("by_q", g.gradient(kl_divergence(left, right), right)),
    ];
    let out = g.compile(results).expect("no mistake").call(()).expect("runs");
    assert!((out.scalar::<f64>("pq").expect("a scalar") - sum).abs() < 1e-15);
    assert_eq!(out.scalar::<f64>("pp"), Ok(0.0));
    assert_eq!(out.scalar::<f64>("qp"), Ok(f64::INFINITY));
    let slopes = |name: &str| out[name].array::<f64>().expect("f64").iter().copied().collect::<Vec<f64>>();
    let by = |of: fn(f64, f64) -> f64| -> Vec<f64> {
        p.iter().zip(q).map(|(p, q)| if *p > 0.0 { of(*p, q) } else { 0.0 }).collect()
    };
    assert_close(&slopes("by_p"), &by(|p, q| (p / q).ln() + 1.0), 1e-14);
    assert_close(&slopes("by_q"), &by(|p, q| -p / q), 1e-14);

    let g = Graph::new();
    let x = g.input_of::<f64>("x", (2, 3));
    let at = Value::from(array![[0.3, 0.2, 0.5], [0.1, 0.4, 0.5]]);
    let own = kl_divergence(x, (x * 2.0).softmax(-1));
    prove_expression(own, &[(x, at)], Smoothness::Smooth).expect("the derivative of its value");
}

/// Cross-entropy of a class is KL(e_y ‖ softmax(f)).
#[test]
fn cross_entropy_is_a_divergence() {
    let g = Graph::new();
    let f = g.constant(array![[0.1, -0.8, 1.4, 1.1], [3.0, -2.0, 0.0, 0.5]]);
    let y = g.constant(array![1i64, 2]);
    let divergence = kl_divergence(y.one_hot(4, DType::F64), f.softmax(-1));
    let difference = numbers(&g, &Parameters::default(), cross_entropy(f, y) - divergence);
    assert_close(&difference, &[0.0; 2], 1e-14);
}

#[test]
fn errors_are_counted() {
    let g = Graph::new();
    let scores = g.constant(array![[1.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, f64::NAN, 1.0], [0.0, 0.0, 1.0]]);
    let wrong = zero_one_loss(scores, g.constant(array![0i64, 2, 2, 7]));
    assert_eq!(numbers(&g, &Parameters::default(), wrong), [0.0, 1.0, 1.0, 1.0]);
    let scores = g.constant(array![2.0, -2.0, 0.0, f64::NAN, -1e-300]);
    let signs = binary_zero_one_loss(scores, g.constant(array![1.0, 1.0, 1.0, 1.0, -1.0]));
    assert_eq!(numbers(&g, &Parameters::default(), signs), [0.0, 1.0, 1.0, 1.0, 0.0]);
}

/// Wilson's interval is where |p̂ − p| = z√(p(1 − p)/n): its ends solve that.
#[test]
fn the_ends_of_wilsons_interval_are_roots() {
    let z = 1.959_963_984_540_054f64;
    for (n_errors, n) in [(0u64, 20u64), (1, 20), (7, 50), (499, 500), (20, 20)] {
        let rate = error_rate(n_errors, n, 0.95).expect("possible");
        for end in [rate.lower, rate.upper] {
            let distance = z * (end * (1.0 - end) / n as f64).sqrt();
            // At an end of 0 or 1 the root is that of 0 = 0.
            assert!(((rate.value - end).abs() - distance).abs() < 1e-9, "{n_errors} of {n}: {rate}");
        }
        assert!(rate.lower <= rate.value && rate.value <= rate.upper);
    }
}

/// How often intervals of 2,000 simulated samples hold the truth.
#[test]
fn intervals_cover_as_often_as_they_say() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut wilson, mut normal, mut hoeffding) = (0, 0, 0);
    for _ in 0..2000 {
        let n_errors = (0..200).filter(|_| uniform(&mut rng) < 0.1).count() as u64;
        let rate = error_rate(n_errors, 200, 0.9).expect("possible");
        wilson += usize::from(rate.lower <= 0.1 && 0.1 <= rate.upper);
        let mut tally = Tally::default();
        tally.extend((0..200).map(|_| uniform(&mut rng).powi(2)));
        let holds = |risk: pullback::risk::Estimate| risk.lower <= 1.0 / 3.0 && 1.0 / 3.0 <= risk.upper;
        normal += usize::from(holds(tally.estimate(0.9).expect("possible")));
        hoeffding += usize::from(holds(tally.bounded_estimate(1.0, 0.9).expect("possible")));
    }
    // Five standard deviations of a count are 67; the binomial's steps add up to 2 % to Wilson's coverage.
    assert!((1733..1900).contains(&wilson), "{wilson}");
    assert!((1733..1867).contains(&normal), "{normal}");
    assert!(hoeffding > 1980, "{hoeffding}");
}

#[test]
fn tallies_merge_to_the_whole() {
    let losses: Vec<f64> = (0..100).map(|index| 1e6 + f64::from(index * index % 37)).collect();
    let tally = |losses: &[f64]| {
        let mut tally = Tally::default();
        tally.extend(losses.iter().copied());
        tally
    };
    let whole = tally(&losses);
    let mut merged = Tally::default();
    for part in losses.chunks(13) {
        merged.merge(&tally(part));
    }
    merged.merge(&Tally::default());
    assert_eq!(merged.len(), 100);
    let (one, two) = (whole.estimate(0.95).expect("possible"), merged.estimate(0.95).expect("possible"));
    // The mean is 10⁶ with an ulp of 10⁻¹⁰.
    assert_close(&[one.value, one.lower, one.upper], &[two.value, two.lower, two.upper], 1e-8);
    let mean = losses.iter().sum::<f64>() / 100.0;
    let deviation = (losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 99.0).sqrt();
    assert!((one.upper - mean - 0.195_996_398_454_005_4 * deviation).abs() < 1e-8);
}

#[test]
fn impossible_counts_are_refused() {
    let tally = |losses: &[f64]| {
        let mut tally = Tally::default();
        tally.extend(losses.iter().copied());
        tally
    };
    assert_eq!(error_rate(1, 2, 1.0), Err(RiskError::Level { level: 1.0 }));
    assert!(matches!(error_rate(1, 2, f64::NAN), Err(RiskError::Level { .. })));
    assert_eq!(error_rate(0, 0, 0.9), Err(RiskError::TooFew { expected: 1, found: 0 }));
    assert_eq!(error_rate(3, 2, 0.9), Err(RiskError::Counts { n_errors: 3, n_examples: 2 }));
    assert_eq!(tally(&[1.0]).estimate(0.9), Err(RiskError::TooFew { expected: 2, found: 1 }));
    assert!(matches!(tally(&[1.0, f64::NAN]).estimate(0.9), Err(RiskError::NotFinite { .. })));
    assert!(matches!(tally(&[1.0, f64::INFINITY]).estimate(0.9), Err(RiskError::NotFinite { .. })));
    assert_eq!(tally(&[3.0, 4.0]).bounded_estimate(1.0, 0.9), Err(RiskError::Range { loss: 3.5, range: 1.0 }));
    let moved = generalization_gap(error_rate(5, 10, 0.9).expect("possible"), 0.5);
    assert!(moved.value == 0.0 && moved.lower < 0.0 && moved.upper > 0.0);
}

//! Loops of the field against what JAX recorded, in f64: an LSTM, the Lorenz equations, a Kalman filter and Sinkhorn's
//! iteration, with first and second derivatives, in both engines. Written by tests/recorded/loops.py, which says of what.

use std::{collections::BTreeMap, f64::consts::TAU};

use ndarray::{Array1, Array2, ArrayD, IxDyn, arr0, arr1};
use pullback::{DType, Evaluation, Expr, Graph, Value, ops::ScanOptions};

use crate::compiled::{options, run};

/// Relative to the largest element: each number is made of some thousand operations within 2 ULP, and the equations multiply
/// errors on the way by less than 100.
const TOLERANCE: f64 = 1e-11;

type Recorded = BTreeMap<&'static str, ArrayD<f64>>;

/// What is recorded under names that begin so.
fn recorded(prefix: &str) -> Recorded {
    let value = |line: &'static str| {
        let [name, sizes, elements] = line.splitn(3, " | ").collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        let sizes: Vec<usize> = sizes.split_whitespace().map(|size| size.parse().expect("a size")).collect();
        let elements = elements.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        (name, ArrayD::from_shape_vec(IxDyn(&sizes), elements).expect("as many elements"))
    };
    let all = include_str!("../recorded/loops.txt").lines().map(value);
    all.filter(|(name, _)| name.starts_with(prefix)).collect()
}

/// As `numbers` of the script: multiples of 1/1024.
fn numbers(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut state = seed;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = (1_103_515_245 * state + 12_345) % (1 << 31);
        ((state >> 16) % 1024) as f64 / 1024.0 - 0.5
    })
}

/// Runs the named results in both engines; each must be recorded, and nothing else.
fn assert_recorded(prefix: &str, results: Vec<(String, Expr<'_>)>, fed: &[(String, Value)]) {
    let expected = recorded(prefix);
    for engine in [Evaluation::Reference, Evaluation::Compiled] {
        let outputs = run(&results, fed, &options(engine, 1)).expect("it runs");
        for (name, found) in outputs.iter() {
            let recorded_name = name.trim_end_matches(" by reverse mode");
            let expected = expected.get(recorded_name).unwrap_or_else(|| panic!("{name} is not recorded"));
            let found: &ArrayD<f64> = found.array().expect("numbers of f64");
            assert_eq!(found.shape(), expected.shape(), "{name}");
            let greatest = |array: &ArrayD<f64>| array.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
            let off = greatest(&(found - expected)) / greatest(expected);
            assert!(off <= TOLERANCE, "{name} is off by {off:e}, {engine:?}: {found} against {expected}");
        }
    }
    let is_asked = |name: &&&str| results.iter().any(|(asked, _)| asked == **name);
    assert_eq!(expected.keys().filter(|name| !is_asked(name)).count(), 0, "something recorded is not compared");
}

/// Value, gradients, and products of the Hessian with the directions of the script, by forward over reverse mode and by reverse
/// mode twice.
fn derivatives<'g>(name: &str, loss: Expr<'g>, arguments: &[Expr<'g>]) -> Vec<(String, Expr<'g>)> {
    let g = loss.graph();
    let direction = |(k, argument): (usize, &Expr<'g>)| {
        let shape = argument.shape().as_numbers().expect("sizes are numbers");
        (*argument, g.constant(Value::F64(numbers(&shape, 10 + k as u64))))
    };
    let directions: Vec<(Expr<'g>, Expr<'g>)> = arguments.iter().enumerate().map(direction).collect();
    let gradients = g.gradients(loss, arguments);
    let along = gradients.iter().zip(&directions).map(|(gradient, (_, v))| (*gradient * *v).sum());
    let twice = g.gradients(along.reduce(|sum, term| sum + term).expect("there are arguments"), arguments);
    let mut results = vec![(format!("{name} value"), loss)];
    for (k, (gradient, twice)) in gradients.into_iter().zip(twice).enumerate() {
        results.push((format!("{name} gradient {k}"), gradient));
        results.push((format!("{name} second {k}"), g.jvp(gradient, &directions)));
        results.push((format!("{name} second {k} by reverse mode"), twice));
    }
    results
}

/// The Hessian by one argument, a batch of products with basis vectors.
fn hessian<'g>(loss: Expr<'g>, x: Expr<'g>) -> Expr<'g> {
    let g = loss.graph();
    let basis = g.eye(x.shape()[0].clone(), DType::F64);
    g.vmap(basis, |v| g.jvp(g.gradient(loss, x), &[(x, v)]))
}

/// Inputs by those names with those values.
fn inputs<'g, const N: usize>(g: &'g Graph, values: [(&str, ArrayD<f64>); N]) -> ([Expr<'g>; N], Vec<(String, Value)>) {
    let inputs = values.each_ref().map(|(name, value)| g.input_of(DType::F64, name, value.shape()));
    (inputs, values.into_iter().map(|(name, value)| (name.to_owned(), Value::F64(value))).collect())
}

#[test]
fn an_lstm_has_the_values_and_derivatives_of_jax() {
    let g = Graph::new();
    let shapes: [(&str, &[usize]); 4] = [("xs", &[7, 2, 3]), ("w", &[3, 16]), ("u", &[4, 16]), ("b", &[16])];
    let mut seed = 0;
    let ([xs, w, u, b], fed) = inputs(
        &g,
        shapes.map(|(name, shape)| {
            seed += 1;
            (name, numbers(shape, seed))
        }),
    );
    let zero = g.full(0.0, (2, 4));
    let ((h, c), hs) = g.scan((zero, zero), xs, |(h, c), x| {
        let gates = (x.dot(w) + h.dot(u) + b).split(4, -1);
        let c = gates[1].sigmoid() * c + gates[0].sigmoid() * gates[2].tanh();
        let h = gates[3].sigmoid() * c.tanh();
        ((h, c), h)
    });
    let loss = hs.square().sum() + (h * c).sum();
    assert_recorded("lstm", derivatives("lstm", loss, &[xs, w, u, b]), &fed);
}

#[test]
fn the_lorenz_equations_by_runge_and_kutta_have_the_values_and_derivatives_of_jax() {
    let g = Graph::new();
    let parameters = arr1(&[10.0, 28.0, 8.0 / 3.0]).into_dyn();
    let ([start, p], fed) = inputs(&g, [("start", Array1::ones(3).into_dyn()), ("parameters", parameters)]);
    fn lorenz<'g>(s: Expr<'g>, p: Expr<'g>) -> Expr<'g> {
        let [x, y, z] = [0, 1, 2].map(|k| s.slice(k));
        let [sigma, rho, beta] = [0, 1, 2].map(|k| p.slice(k));
        (sigma * (y - x)).stack([x * (rho - z) - y, x * y - beta * z], 0)
    }
    let end = g.fori(50, start, |_, s| {
        let h = 0.01;
        let k1 = lorenz(s, p);
        let k2 = lorenz(s + 0.5 * h * k1, p);
        let k3 = lorenz(s + 0.5 * h * k2, p);
        let k4 = lorenz(s + h * k3, p);
        s + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    });
    let loss = 0.01 * end.square().sum();
    let mut results = derivatives("lorenz", loss, &[start, p]);
    results.push(("lorenz hessian".into(), hessian(loss, p)));
    assert_recorded("lorenz", results, &fed);
}

#[test]
fn the_likelihood_of_a_kalman_filter_has_the_values_and_derivatives_of_jax() {
    let g = Graph::new();
    let transition = numbers(&[2, 2], 5) + (Array2::<f64>::eye(2) * 0.5).into_dyn();
    let values = [("a", transition), ("q", arr1(&[0.3, 0.2]).into_dyn()), ("r", arr0(0.5).into_dyn())];
    let ([a, q, r], fed) = inputs(&g, values);
    let (observed, ys) = (g.constant(arr1(&[1.0, 0.5])), g.constant(Value::F64(numbers(&[20], 6))));
    let first = (g.full(0.0, (2,)), g.eye(2, DType::F64), g.full(0.0, ()));
    let ((_, _, loss), ()) = g.scan(first, ys, |(m, p, total), y| {
        let (m, p) = (a.dot(m), a.dot(p).dot(a.t()) + q.diag());
        let s = observed.dot(p.dot(observed)) + r;
        let e = y - observed.dot(m);
        let k = p.dot(observed) / s;
        let total = total - 0.5 * ((TAU * s).log() + e * e / s);
        ((m + k * e, p - k.outer(observed.dot(p)), total), ())
    });
    let mut results = derivatives("kalman", loss, &[a, q, r]);
    results.push(("kalman hessian".into(), hessian(loss, q)));
    assert_recorded("kalman", results, &fed);
}

/// exp((f + g − cost)/0.2), and one round of both scalings.
fn transport<'g>(cost: Expr<'g>, f: Expr<'g>, g: Expr<'g>) -> Expr<'g> {
    ((f.unsqueeze(1) + g - cost) / 0.2).exp()
}

fn scaled<'g>(cost: Expr<'g>, log_a: Expr<'g>, g: Expr<'g>) -> (Expr<'g>, Expr<'g>) {
    let log_b = cost.graph().constant(arr1(&[0.5f64.ln(), 0.3f64.ln(), 0.2f64.ln()]));
    let f = 0.2 * (log_a - ((g - cost) / 0.2).logsumexp(1));
    (f, 0.2 * (log_b - ((f.unsqueeze(1) - cost) / 0.2).logsumexp(0)))
}

const MARGINAL: [f64; 4] = [0.1, 0.2, 0.3, 0.4];

#[test]
fn sinkhorns_iteration_has_the_values_and_derivatives_of_jax() {
    let g = Graph::new();
    let values = [("cost", (numbers(&[4, 3], 7) + 0.5) * 2.0), ("log_a", arr1(&MARGINAL).mapv(f64::ln).into_dyn())];
    let ([cost, log_a], fed) = inputs(&g, values);
    let options = ScanOptions { length: Some(30.into()), ..ScanOptions::default() };
    let ((f, h), ()) =
        g.scan_with(&options, (g.full(0.0, (4,)), g.full(0.0, (3,))), (), |(_, h), ()| (scaled(cost, log_a, h), ()));
    let loss = (transport(cost, f, h) * cost).sum();
    let mut results = derivatives("sinkhorn", loss, &[cost, log_a]);

    let direction = g.constant(Value::F64(numbers(&[4, 3], 8)));
    let first = (g.full(0.0, (4,)), g.full(0.0, (3,)), g.full(0.0, ()));
    let marginal = g.constant(arr1(&MARGINAL));
    let (f, h, n) = g.while_loop_bounded(
        first,
        40,
        |(f, h, _)| (transport(cost, f, h).sum_over(1) - marginal).abs().max_over(0).greater(1e-4),
        |(_, h, n)| {
            let (f, h) = scaled(cost, marginal.log(), h);
            (f, h, n + 1.0)
        },
    );
    let loss = (transport(cost, f, h) * cost).sum();
    results.extend([
        ("sinkhorn while value".into(), loss),
        ("sinkhorn while iterations".into(), n),
        ("sinkhorn while tangent".into(), g.jvp(loss, &[(cost, direction)])),
        ("sinkhorn while tangent by reverse mode".into(), (g.gradient(loss, cost) * direction).sum()),
    ]);
    assert_recorded("sinkhorn", results, &fed);
}

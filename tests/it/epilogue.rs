//! Products of matrices that are computed band by band inside of the step that goes on with them: equal to the reference,
//! the same bits on any number of threads, and indeed in one step.

use ndarray::ArrayD;
use pullback::{DType, Evaluation, Expr, Graph, Value};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    budget::assert_same_with_a_budget,
    compiled::{assert_like_reference, options},
};

/// An input of numbers within 1, and its value among what is fed.
pub(crate) fn input<'g>(
    g: &'g Graph,
    fed: &mut Vec<(String, Value)>,
    rng: &mut impl Rng,
    name: &str,
    shape: &[usize],
) -> Expr<'g> {
    let values = ArrayD::from_shape_simple_fn(shape, || rng.random_range(-1.0..1.0f64));
    fed.push((name.to_owned(), values.into()));
    g.input_of(DType::F64, name, shape)
}

type Sizes = [usize; 3];

/// What is done to a product: the factors, and a row as long as those of the product, → results.
type Build = for<'g> fn(Expr<'g>, Expr<'g>, Expr<'g>) -> Vec<Expr<'g>>;

/// (name, rows × steps × columns, what is done, products that lose their step)
const CASES: &[(&str, Sizes, Build, usize)] = &[
    ("bias and relu, with a shorter last band", [1001, 40, 96], |x, w, b| vec![(x.dot(w) + b).relu()], 1),
    ("no row, so that elements are in a line", [1024, 24, 96], |x, w, _| vec![x.dot(w).tanh()], 1),
    ("rows too long for a band", [256, 8, 6000], |x, w, b| vec![(x.dot(w) * b).sin()], 0),
    (
        "a product that is wanted too",
        [800, 40, 96],
        |x, w, b| {
            let product = x.dot(w);
            vec![(product + b).tanh(), product]
        },
        1,
    ),
    (
        "a product that two steps read",
        [800, 40, 96],
        |x, w, b| {
            let product = x.dot(w);
            vec![(product + b).softmax(-1), product.t().softmax(-1)]
        },
        1,
    ),
    ("rows that are normalized", [800, 40, 96], |x, w, b| vec![(x.dot(w) + b).softmax(-1)], 1),
    ("rows in parts", [800, 40, 96], |x, w, _| vec![x.dot(w).reshape((800, 3, 32)).softmax(-1)], 1),
    (
        "sums of columns and of all",
        [800, 40, 96],
        |x, w, b| {
            let y = (x.dot(w) + b).square();
            vec![y.sum_over([0]), y.sum(), y]
        },
        1,
    ),
    (
        "factors that lie transposed",
        [800, 40, 96],
        |x, w, b| vec![(x.t().reshape((800, 40)).dot(w.t().reshape((40, 96))) + b).relu()],
        1,
    ),
    ("a factor that is read again by element", [800, 96, 96], |x, w, b| vec![(x.dot(w) + b).relu() + x], 1),
    ("a product of products", [800, 96, 96], |x, w, b| vec![((x.dot(w) + b).relu().dot(w) + b).relu()], 2),
    ("too few rows", [64, 40, 96], |x, w, b| vec![(x.dot(w) + b).relu()], 0),
    ("a transpose in between", [800, 40, 96], |x, w, b| vec![(x.dot(w) + b).t().exp()], 1),
];

#[test]
fn steps_that_begin_with_a_product_compute_what_the_reference_does() {
    for (name, [m, k, n], build, n_banded) in CASES {
        let (g, mut rng, mut fed) = (Graph::new(), ChaCha8Rng::seed_from_u64(3), Vec::new());
        let x = input(&g, &mut fed, &mut rng, "x", &[*m, *k]);
        let w = input(&g, &mut fed, &mut rng, "w", &[*k, *n]);
        let b = input(&g, &mut fed, &mut rng, "b", &[*n]);
        let results = build(x, w, b);
        let results: Vec<(String, Expr<'_>)> =
            results.into_iter().enumerate().map(|(position, result)| (format!("y{position}"), result)).collect();
        let program = g.compile_with(results.clone(), &options(Evaluation::Compiled, 1)).expect("no mistake");
        let summary = program.summary([]).expect("all sizes are known");
        assert_eq!(summary.n_banded_products, *n_banded, "{name}: {summary:?}");
        assert_like_reference(name, &results, &fed, 1e-12);
    }
}

/// Attention: the matrices of a batch one behind the other, with bands that stay within one.
#[test]
fn a_batch_of_products_goes_band_by_band() {
    let (g, mut rng, mut fed) = (Graph::new(), ChaCha8Rng::seed_from_u64(4), Vec::new());
    let query = input(&g, &mut fed, &mut rng, "query", &[4, 60, 8, 12]).transpose([0, 2, 1, 3]);
    let key = input(&g, &mut fed, &mut rng, "key", &[4, 60, 8, 12]).transpose([0, 2, 3, 1]);
    let value = input(&g, &mut fed, &mut rng, "value", &[4, 60, 8, 12]).transpose([0, 2, 1, 3]);
    let attention = (query.dot(key) * 12f64.powf(-0.5)).softmax(-1);
    let results = vec![("y".to_owned(), attention.dot(value))];
    let program = g.compile_with(results.clone(), &options(Evaluation::Compiled, 1)).expect("no mistake");
    let summary = program.summary([]).expect("all sizes are known");
    // The product of queries and keys is in bands; that with the values has a step.
    assert_eq!((summary.n_banded_products, summary.n_steps), (1, 2), "{summary:?}");
    assert_like_reference("attention", &results, &fed, 1e-12);
}

/// One step of a random chain.
fn random_step<'g>(y: Expr<'g>, row: Expr<'g>, rng: &mut impl Rng) -> Expr<'g> {
    match rng.random_range(0..9) {
        0 => y + row,
        1 => y * row,
        2 => y.tanh(),
        3 => y.relu(),
        4 => y.softmax(-1),
        5 => y - y.mean_over(-1).unsqueeze(-1),
        6 => y.square() * 0.5,
        7 => y.maximum(row),
        _ => y + y.sum_over([0]) * 1e-3,
    }
}

/// Two layers of random sizes with random chains behind them, and the gradient by all that is fed.
#[test]
fn random_networks_and_their_gradients_compute_what_the_reference_does() {
    let mut n_banded = 0;
    for seed in 0..24 {
        let (g, mut rng, mut fed) = (Graph::new(), ChaCha8Rng::seed_from_u64(seed), Vec::new());
        let (m, k, n) = (rng.random_range(300..900), rng.random_range(2..60), rng.random_range(60..260));
        let x = input(&g, &mut fed, &mut rng, "x", &[m, k]);
        let w = input(&g, &mut fed, &mut rng, "w", &[k, n]);
        let v = input(&g, &mut fed, &mut rng, "v", &[n, n]) * 0.1;
        let b = input(&g, &mut fed, &mut rng, "b", &[n]);
        let mut y = x.dot(w) * 0.3;
        for _ in 0..rng.random_range(1..5) {
            y = random_step(y, b, &mut rng);
        }
        y = y.dot(v);
        for _ in 0..rng.random_range(0..5) {
            y = random_step(y, b, &mut rng);
        }
        let loss = y.square().mean();
        let mut results = vec![("loss".to_owned(), loss), ("y".to_owned(), y)];
        results.extend([("dw", w), ("db", b), ("dx", x)].map(|(name, by)| (name.to_owned(), g.gradient(loss, by))));
        let program = g.compile_with(results.clone(), &options(Evaluation::Compiled, 1)).expect("no mistake");
        n_banded += program.summary([]).expect("all sizes are known").n_banded_products;
        assert_like_reference(&format!("seed {seed}"), &results, &fed, 1e-11);
        assert_same_with_a_budget(&format!("seed {seed}"), &results, &fed);
    }
    assert!(n_banded > 24, "{n_banded} products were in bands");
}

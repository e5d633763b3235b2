//! Sums of exponentials and the shift by which they are stabilized: one that is there already is left alone only where it
//! is the right one, a scale stays inside of the logarithm, and axes of symbolic size are shifted too.

use ndarray::{Array2, ArrayD, Axis, array};
use pullback::{AllAxes, DType, Dim, Expr, Graph, Rewrites, Value};

use super::numbers;

/// The numbers of each result, compiled: the reference computes what is written.
fn run(results: &[(&str, Expr<'_>)], fed: &[(&str, Value)]) -> Vec<Vec<f64>> {
    let mut program = results[0].1.graph().compile(results.to_vec()).expect("no mistake");
    let out = program.call(fed).expect("it fits");
    results.iter().map(|(name, _)| numbers(&out[*name])).collect()
}

/// ln Σ eˢ.
fn log_sum_exp(s: impl IntoIterator<Item = f64> + Clone) -> f64 {
    let greatest = s.clone().into_iter().fold(f64::NEG_INFINITY, f64::max);
    if greatest == f64::NEG_INFINITY {
        return greatest;
    }
    greatest + s.into_iter().map(|s| (s - greatest).exp()).sum::<f64>().ln()
}

/// m where that is finite, as a constant of the derivative.
fn guarded(m: Expr<'_>) -> Expr<'_> {
    m.is_finite().select(m, 0.0).stop_gradient()
}

type Shift = for<'g> fn(Expr<'g>) -> Expr<'g>;

/// What looks like the greatest element of each row of a square matrix and is not, in the shape of the matrix.
const WRONG: &[(&str, Shift)] = &[
    ("the greatest of each column", |x| guarded(x.max_over(0)).broadcast_to((3, 3))),
    ("the greatest of each column, not guarded", |x| x.max_over(0).broadcast_to((3, 3))),
    ("the greatest of all", |x| guarded(x.max()).broadcast_to((3, 3))),
    ("the greatest of each row, along the columns", |x| guarded(x.max_over(1)).broadcast_to((3, 3))),
    ("the greatest of each column, along the rows", |x| guarded(x.max_over(0)).unsqueeze(-1).broadcast_to((3, 3))),
    ("the greatest of each column of the transpose, transposed", |x| {
        guarded(x.t().max_over(1)).broadcast_to((3, 3)).t().t()
    }),
    ("the least", |x| guarded(x.min_over(1)).unsqueeze(-1).broadcast_to((3, 3))),
    ("the mean", |x| guarded(x.mean_over(1)).unsqueeze(-1).broadcast_to((3, 3))),
    ("the greatest of something else", |x| guarded((-x).max_over(1)).unsqueeze(-1).broadcast_to((3, 3))),
    ("the greatest of a part", |x| guarded(x.slice((.., 0..2)).max_over(1)).unsqueeze(-1).broadcast_to((3, 3))),
    ("the greatest where another number is finite", |x| {
        let m = x.max_over(1);
        let never = (m / 0.0).is_finite().select(m, 0.0);
        never.unsqueeze(-1).broadcast_to((3, 3))
    }),
    ("itself where finite, and half of it", |x| (x.is_finite().select(x, 0.0) * 0.5).stop_gradient()),
];

const MATRIX: [[f64; 3]; 3] = [[0.0, 1.0, -2.0], [3000.0, 2000.0, 2000.5], [-900.0, -2500.0, -900.25]];

#[test]
fn only_the_greatest_element_over_the_summed_axes_is_taken_for_a_shift() {
    for (name, shift) in WRONG {
        let g = Graph::new();
        let x = g.input_of::<f64>("x", (3, 3));
        let m = shift(x);
        let s = x - m;
        let e = s.exp();
        let sum = e.sum_over(1);
        let softmax = e / sum.unsqueeze(-1);
        let less = x - (sum.log().unsqueeze(-1) + m);
        let slope = g.gradient(sum.log().sum(), s);
        let results = [
            ("s", s),
            ("log", sum.log()),
            ("softmax", softmax),
            ("log softmax", softmax.log()),
            ("less", less),
            ("slope", slope),
        ];
        let fed = Value::from(Array2::from(MATRIX.to_vec()).into_dyn());
        let found = run(&results, &[("x", fed)]);
        let s = Array2::from_shape_vec((3, 3), found[0].clone()).expect("nine numbers");
        for (row, s) in s.rows().into_iter().enumerate() {
            let log = log_sum_exp(s.to_vec());
            // A dozen roundings of numbers of this size.
            let bound = 12.0 * f64::EPSILON * s.iter().fold(1.0, |most, s| s.abs().max(most));
            let near = |what: &str, found: f64, want: f64, bound: f64| {
                assert!((found - want).abs() <= bound, "{what} less {name}, row {row}: {found}, not {want}");
            };
            near("log", found[1][row], log, bound);
            for (column, s) in s.iter().enumerate() {
                let at = 3 * row + column;
                near("softmax", found[2][at], (s - log).exp(), bound);
                near("log softmax", found[3][at], s - log, bound);
                // m, up to 3000, is added to the logarithm and taken away again.
                near("less", found[4][at], s - log, bound + 2.0 * f64::EPSILON * 3000.0);
                near("slope", found[5][at], (s - log).exp(), bound);
            }
        }
    }
}

/// Right shifts, with the sum over the last axis of what they leave.
const RIGHT: &[(&str, Shift)] = &[
    ("guarded", |x| guarded(x.max_over(1)).unsqueeze(-1).broadcast_to((3, 3))),
    ("not guarded", |x| x.max_over(1).unsqueeze(-1).broadcast_to((3, 3))),
    ("stopped before it is guarded", |x| {
        let m = x.max_over(1).unsqueeze(-1).stop_gradient();
        m.is_finite().select(m, 0.0).broadcast_to((3, 3))
    }),
    ("of the transpose", |x| guarded(x.t().max_over(0)).unsqueeze(-1).broadcast_to((3, 3))),
    ("along the columns, then transposed", |x| guarded(x.max_over(1)).broadcast_to((3, 3)).t()),
    ("of fewer elements", |x| guarded(x.reshape((3, 3, 1)).max_over(2)).stop_gradient()),
];

/// Each of them has one maximum: none is shifted again.
#[test]
fn exponentials_that_are_shifted_are_not_shifted_again() {
    for (name, shift) in RIGHT {
        let g = Graph::new();
        let x = g.input_of::<f64>("x", (3, 3));
        let e = (x - shift(x)).exp();
        let sum = e.sum_over(1);
        let results =
            [("log", sum.log()), ("softmax", e / sum.unsqueeze(-1)), ("log softmax", (e / sum.unsqueeze(-1)).log())];
        let simplified = g.simplify(results, &Rewrites::default()).expect("no mistake");
        let text = simplified.to_text();
        let n_maxima = text.matches("= max ").count();
        assert!(n_maxima <= 1, "{name}: {text}");
        assert_eq!(text.matches("= exp ").count(), 1, "{name}: {text}");
    }
}

/// Of terms that are written out: the shift is that of one of them, or they have none in common.
#[test]
fn only_the_greatest_of_all_terms_is_taken_for_their_shift() {
    type Terms = for<'g> fn(Expr<'g>, Expr<'g>) -> [Expr<'g>; 3];
    let wrong: [(&str, Terms); 4] = [
        ("the first", |a, b| [a, b, a * 0.5].map(|x| x - guarded(a))),
        ("the greatest of two", |a, b| [a, b, a * b].map(|x| x - guarded(a.maximum(b)))),
        ("shifts of their own", |a, b| [a - guarded(a), b - guarded(b.minimum(a)), a]),
        ("for one of them", |a, b| [a - guarded(a.maximum(b)), b, a]),
    ];
    for (name, terms) in wrong {
        let g = Graph::new();
        let (a, b) = (g.input_of::<f64>("a", (5,)), g.input_of::<f64>("b", (5,)));
        let s = terms(a, b);
        let log = (s[0].exp() + s[1].exp() + s[2].exp()).log();
        let results = [("log", log), ("0", s[0]), ("1", s[1]), ("2", s[2])];
        let fed = [("a", array![0.0, 900.0, -900.0, 20.0, 1.0]), ("b", array![0.5, -900.0, 800.0, 50.0, -2000.0])];
        let fed = fed.map(|(name, array)| (name, Value::from(array.into_dyn())));
        let found = run(&results, &fed);
        for (at, log) in found[0].iter().enumerate() {
            let s = [1, 2, 3].map(|term| found[term][at]);
            let want = log_sum_exp(s);
            let bound = 8.0 * f64::EPSILON * s.iter().fold(1.0, |most, s| s.abs().max(most));
            assert!((log - want).abs() <= bound, "less {name}, {s:?}: {log}, not {want}");
        }
    }
}

/// The logarithm of the mean of exponentials of equal numbers is that number: the logarithm of how many they are, 8 or 10,
/// must not be added and subtracted. Less the greatest of them their exponentials are 1, and the sum is exact.
#[test]
fn the_logarithm_of_a_mean_of_exponentials_near_zero_keeps_its_digits() {
    const ROWS: usize = 64;
    for (dtype, epsilon) in [(DType::F32, f64::from(f32::EPSILON)), (DType::F64, f64::EPSILON)] {
        for n in [3000_usize, 40_000] {
            let number = |row: usize| epsilon * (row as f64 - 20.0) * 0.375;
            let x = Array2::from_shape_fn((ROWS, n), |(row, _)| number(row)).into_dyn();
            let fed = if dtype == DType::F32 { Value::F32(x.mapv(|x| x as f32)) } else { Value::F64(x) };
            for size in [Dim::from(n as i64), Dim::from("n")] {
                let g = Graph::new();
                let shape = [Dim::from(ROWS as i64), size];
                let x = if dtype == DType::F32 { g.input("x", shape) } else { g.input_of::<f64>("x", shape) };
                let results = [
                    ("mean", x.exp().mean_over(1).log()),
                    ("scaled", (x.exp().sum_over(1) * (1.0 / n as f64)).log()),
                    ("picked", x.exp().mean_over(1).slice(0..64).log()),
                ];
                for ((name, _), found) in results.iter().zip(run(&results, &[("x", fed.clone())])) {
                    for (row, found) in found.iter().enumerate() {
                        let error = (found - number(row)).abs() / epsilon;
                        // The scale and the product with it are rounded, half a unit of 1 each.
                        assert!(error <= 1.0, "{name} of {n} in {dtype}: {found:e}, not {:e}: {error}", number(row));
                    }
                }
            }
        }
    }
}

/// Scales that would take a shifted sum out of the range are logarithms by themselves.
#[test]
fn scales_of_any_size_are_taken_out_of_a_logarithm_of_exponentials() {
    for scale in [1e-300, 1e-20, 0.5, 3.0, 1e25, 1e300] {
        let g = Graph::new();
        let (x, y) = (g.input_of::<f64>("x", (3,)), g.input_of::<f64>("y", (3,)));
        let sums = [x.exp().sum(), (x.exp() + y.exp()).sum_over(0), x.exp() + y.exp(), x.exp() + y.exp() + 1.0];
        let moved = (x.exp() + y.exp()).slice(1..3);
        let results = [
            ("sum", (sums[0] * scale).log()),
            ("quotient", (sums[0] / scale).log()),
            ("two", (scale * sums[2]).log()),
            ("three", (sums[3] * scale).log()),
            ("moved", (moved * scale).log()),
            ("picked", (sums[3] * scale).slice(1..3).log()),
        ];
        let (a, b) = ([800.0, -1000.0, 2.0], [-3.0, -900.0, 900.0]);
        let pair = |at: usize| log_sum_exp([a[at], b[at]]);
        let three = |at: usize| log_sum_exp([a[at], b[at], 0.0]);
        let log = scale.ln();
        let want = [
            vec![log_sum_exp(a) + log],
            vec![log_sum_exp(a) - log],
            (0..3).map(|at| pair(at) + log).collect(),
            (0..3).map(|at| three(at) + log).collect(),
            (1..3).map(|at| pair(at) + log).collect(),
            (1..3).map(|at| three(at) + log).collect(),
        ];
        let fed = [
            ("x", Value::from(array![a[0], a[1], a[2]].into_dyn())),
            ("y", Value::from(array![b[0], b[1], b[2]].into_dyn())),
        ];
        for (((name, _), found), want) in results.iter().zip(run(&results, &fed)).zip(&want) {
            for (found, want) in found.iter().zip(want) {
                // A few roundings of numbers up to 1000.
                assert!((found - want).abs() <= 4e-13, "{name} by {scale:e}: {found}, not {want}");
            }
        }
    }
}

/// Where nothing but the scale is there to be taken out, the logarithm stays one.
#[test]
fn the_scale_of_shifted_exponentials_stays_where_it_is() {
    let g = Graph::new();
    let x = g.input_of::<f64>("x", (3, 4));
    let shifted = (x - x.max_over(1).unsqueeze(-1)).exp();
    let results = [("mean", shifted.mean_over(1).log()), ("moved", (3.0 * x.exp().slice((.., 1..2))).log())];
    let simplified = g.simplify(results, &Rewrites::default()).expect("no mistake");
    assert_eq!(simplified.to_text().matches("= log ").count(), 2, "{}", simplified.to_text());
}

/// An array of the shape with numbers whose exponentials overflow, underflow and are ordinary.
fn large(shape: [usize; 2]) -> ArrayD<f64> {
    Array2::from_shape_fn(shape, |(row, column)| ((row * 7 + column * 3) % 5) as f64 * 700.0 - 1500.0 + row as f64)
        .into_dyn()
}

/// What is made of sums of exponentials of x over axes, each in the unstable way.
fn unstable<'g>(x: Expr<'g>, axes: &[usize]) -> [(&'static str, Expr<'g>); 6] {
    let e = x.exp();
    let (sum, mean) = match axes {
        [axis] => (e.sum_over(*axis as i64), e.mean_over(*axis as i64)),
        _ => (e.sum_over(AllAxes), e.mean()),
    };
    let shape = x.shape();
    let kept: Vec<Dim> = (0..2).map(|axis| if axes.contains(&axis) { 1.into() } else { shape[axis].clone() }).collect();
    let (log, softmax) = (sum.log(), e / sum.reshape(kept.as_slice()));
    [
        ("log", log),
        ("mean", mean.log()),
        ("softmax", softmax),
        ("log softmax", softmax.log()),
        ("less", x - log.reshape(kept.as_slice())),
        ("slope", x.graph().gradient(log.sum(), x)),
    ]
}

/// The same, computed in the stable way.
fn stable(x: &ArrayD<f64>, axes: &[usize]) -> [Vec<f64>; 6] {
    let logs: Vec<f64> = match axes {
        [axis] => x.lanes(Axis(*axis)).into_iter().map(|lane| log_sum_exp(lane.to_vec())).collect(),
        _ => vec![log_sum_exp(x.iter().copied().collect::<Vec<f64>>())],
    };
    let count: usize = axes.iter().map(|axis| x.len_of(Axis(*axis))).product();
    let log_of = |place: [usize; 2]| if let [axis] = axes { logs[place[1 - axis]] } else { logs[0] };
    let all = x.view().into_dimensionality::<ndarray::Ix2>().expect("a matrix");
    let less: Vec<f64> = all.indexed_iter().map(|((row, column), x)| x - log_of([row, column])).collect();
    let softmax: Vec<f64> = less.iter().map(|less| less.exp()).collect();
    let means = logs.iter().map(|log| log - (count as f64).ln()).collect();
    [logs, means, softmax.clone(), less.clone(), less, softmax]
}

#[test]
fn sums_of_exponentials_over_axes_of_symbolic_size_are_shifted_and_may_be_empty() {
    const SIZES: [[usize; 2]; 8] = [[5, 4], [4, 3], [4, 4], [1, 4], [4, 1], [0, 4], [4, 0], [0, 0]];
    for (axes, shape) in [&[0][..], &[1], &[0, 1]].into_iter().flat_map(|axes| {
        [[Dim::from("n"), Dim::from("m")], [Dim::from("n"), 4.into()], [4.into(), Dim::from("m")]]
            .map(|shape| (axes, shape))
    }) {
        let g = Graph::new();
        let x = g.input_of::<f64>("x", shape.clone());
        let results = unstable(x, axes);
        let fits = |sizes: &[usize; 2]| {
            (0..2).all(|axis| shape[axis].as_number().is_none_or(|size| size as usize == sizes[axis]))
        };
        for sizes in SIZES.into_iter().filter(fits) {
            let fed = large(sizes);
            let found = run(&results, &[("x", Value::from(fed.clone()))]);
            for (((name, _), found), want) in results.iter().zip(found).zip(stable(&fed, axes)) {
                // Numbers up to 1500, a few roundings; −∞ and NaN where there is nothing.
                let is_near = |(found, want): (&f64, &f64)| {
                    (found - want).abs() <= 2e-12 || found == want || (found.is_nan() && want.is_nan())
                };
                assert!(
                    found.len() == want.len() && found.iter().zip(&want).all(is_near),
                    "{name} over {axes:?} of {shape:?} at {sizes:?}: {found:?}, not {want:?}"
                );
            }
        }
    }
}

//! Lie groups: exponentials, adjoints and Jacobians with their gradients and Hessians against numbers recorded by
//! `tests/recorded/lie.py` in 60 digits, from the angle 0 over those whose square underflows to half a turn; the identities of a group;
//! derivatives by differences; and what is told of mistakes.

/// `$body` with `$group` the type of the group of this name.
macro_rules! for_group {
    ($name:expr, $group:ident => $body:expr) => {
        match $name {
            "so2" => {
                type $group<'g> = So2<'g>;
                $body
            }
            "so3" => {
                type $group<'g> = So3<'g>;
                $body
            }
            "se2" => {
                type $group<'g> = Se2<'g>;
                $body
            }
            _ => {
                type $group<'g> = Se3<'g>;
                $body
            }
        }
    };
}

mod identities;

use std::f64::consts::PI;

use ndarray::{Array1, Array2, ArrayD, Axis};
use pullback::{
    DType, Evaluation, Expr, Graph, Value,
    check::prove_expression,
    graph::GraphError,
    lie::{LieGroup, Se2, Se3, So2, So3},
    ops::Smoothness,
};

use super::compiled::options;
use identities::random;

const GROUPS: [&str; 4] = ["so2", "so3", "se2", "se3"];
const ENGINES: [Evaluation; 2] = [Evaluation::Reference, Evaluation::Compiled];

fn n_tangent(group: &str) -> usize {
    for_group!(group, Group => Group::N_TANGENT)
}

/// A line of what was recorded.
struct Recorded {
    tangent: Vec<f64>,
    matrix: Vec<f64>,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
}

fn recorded(group: &str, what: &str) -> Vec<Recorded> {
    let lines = include_str!("../../recorded/lie.txt").lines();
    let numbers =
        |words: &str| -> Vec<f64> { words.split_whitespace().map(|word| word.parse().expect("a number")).collect() };
    lines
        .map(|line| line.split(" | ").collect::<Vec<_>>())
        .filter(|parts| parts[0] == group && parts[1] == what)
        .map(|parts| {
            let [tangent, matrix, gradient, hessian] = [2, 3, 4, 5].map(|part| numbers(parts[part]));
            Recorded { tangent, matrix, gradient, hessian }
        })
        .collect()
}

fn tangents(group: &str) -> Vec<Vec<f64>> {
    recorded(group, "exp").into_iter().map(|line| line.tangent).collect()
}

fn angle(group: &str, tangent: &[f64]) -> f64 {
    let turn = &tangent[if group == "se2" { 2 } else { tangent.len() / 6 * 3 }..];
    turn.iter().fold(0.0f64, |length, x| length.hypot(*x))
}

fn matrix_of<'g>(group: &str, what: &str, tangent: Expr<'g>) -> Expr<'g> {
    for_group!(group, Group => match what {
        "exp" => Group::exp(tangent).matrix(),
        "adjoint" => Group::exp(tangent).adjoint(),
        "jacobian" => Group::left_jacobian(tangent),
        _ => Group::left_jacobian_inverse(tangent),
    })
}

/// The sum of the elements of a matrix, each times its weight.
fn weighted<'g>(matrix: Expr<'g>) -> Expr<'g> {
    let sizes = matrix.shape().as_numbers().expect("numbers");
    let weights = Array2::from_shape_fn((sizes[0], sizes[1]), |(row, column)| {
        [0.5, -0.25, 0.125, 1.0, -0.5][(2 * row + column) % 5]
    });
    (matrix * matrix.graph().constant(weights)).sum()
}

/// The derivatives of each element of a vector, as the rows of a matrix.
fn jacobian<'g>(y: Expr<'g>, x: Expr<'g>) -> Expr<'g> {
    let g = x.graph();
    let n = y.shape().as_numbers().expect("numbers")[0] as i64;
    let rows: Vec<Expr<'g>> = (0..n).map(|row| g.gradient(y.slice(row), x)).collect();
    rows[0].stack(rows[1..].iter().copied(), 0)
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::F32(array) => array.iter().map(|x| f64::from(*x)).collect(),
        value => value.array::<f64>().expect("a float").iter().copied().collect(),
    }
}

fn call(results: &[(&str, Expr<'_>)], engine: Evaluation, fed: &[(&str, Value)]) -> Vec<Vec<f64>> {
    let mut program = results[0].1.graph().compile_with(results.to_vec(), &options(engine, 1)).expect("no mistake");
    let out = program.call(fed).expect("it runs");
    results.iter().map(|(name, _)| numbers(&out[*name])).collect()
}

fn vector(x: &[f64]) -> Value {
    Array1::from(x.to_vec()).into()
}

/// Where numbers are not within `allowed(truth)` of the truth; NaN is nowhere.
fn far(found: &[f64], truth: &[f64], allowed: impl Fn(f64) -> f64) -> Vec<String> {
    assert_eq!(found.len(), truth.len());
    let pairs = found.iter().zip(truth).enumerate();
    let is_near = |(found, truth): (&f64, &f64)| (found - truth).abs() <= allowed(*truth);
    pairs
        .filter(|(_, pair)| !is_near(*pair))
        .map(|(place, (found, truth))| format!("{place}: {found:e} and not {truth:e}"))
        .collect()
}

/// The greatest magnitude, and 1 at least.
fn size(x: &[f64]) -> f64 {
    x.iter().fold(1.0, |size, x| size.max(x.abs()))
}

/// 10⁻¹⁴ is 45 roundings, of which the longest matrix has some thirty in each element. Where the angle is small, no terms cancel, and
/// every element of the matrices keeps its digits; elsewhere, and in sums of weighted elements, the greatest ones count.
#[test]
fn matrices_and_their_first_and_second_derivatives_are_those_recorded_in_multiprecision() {
    const TOLERANCE: f64 = 1e-14;
    let mut failures = Vec::new();
    for group in GROUPS {
        for what in ["exp", "adjoint", "jacobian", "inverse"] {
            let lines = recorded(group, what);
            assert_eq!(lines.len(), 12, "{group} {what}");
            let g = Graph::new();
            let tangent = g.input_of(DType::F64, "tangent", (n_tangent(group),));
            let matrix = matrix_of(group, what, tangent);
            let gradient = g.gradient(weighted(matrix), tangent);
            let results = [("matrix", matrix), ("gradient", gradient), ("hessian", jacobian(gradient, tangent))];
            for engine in ENGINES {
                for line in &lines {
                    let found = call(&results, engine, &[("tangent", vector(&line.tangent))]);
                    let is_small = angle(group, &line.tangent) <= 1e-4;
                    let allowed = |truth: &[f64]| {
                        let size = size(truth);
                        move |x: f64| TOLERANCE * if is_small { x.abs() } else { size }
                    };
                    let all = |truth: &[f64]| {
                        let size = size(truth);
                        // Nine elements at least are added.
                        move |_: f64| 2.0 * TOLERANCE * size
                    };
                    let wrong = [
                        far(&found[0], &line.matrix, allowed(&line.matrix)),
                        far(&found[1], &line.gradient, all(&line.gradient)),
                        far(&found[2], &line.hessian, all(&line.hessian)),
                    ];
                    for (number, wrong) in results.iter().map(|(name, _)| name).zip(wrong) {
                        if !wrong.is_empty() {
                            failures
                                .push(format!("{group} {what} {number} at {:?}, {engine:?}: {wrong:?}", line.tangent));
                        }
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// Of half a turn either tangent is a logarithm; here it is that of the exponential, whose cosine rounds to a positive number.
#[test]
fn the_logarithm_of_the_exponential_is_the_tangent_with_the_derivatives_of_the_identity() {
    for group in GROUPS {
        let n = n_tangent(group);
        let g = Graph::new();
        let tangent = g.input_of(DType::F64, "tangent", (n,));
        let back = for_group!(group, Group => Group::exp(tangent).log());
        let first = jacobian(back, tangent);
        let second = g.gradient(weighted(first), tangent);
        let results = [("back", back), ("first", first), ("second", second)];
        let identity = Array2::<f64>::eye(n);
        for engine in ENGINES {
            for x in tangents(group) {
                let found = call(&results, engine, &[("tangent", vector(&x))]);
                let is_rotation = group.starts_with("so");
                let size = size(&x);
                // A rotation keeps every digit of a tangent; a translation is a sum.
                let wrong = far(&found[0], &x, |x| 4e-15 * if is_rotation { x.abs() } else { size });
                assert!(wrong.is_empty(), "{group} at {x:?}, {engine:?}: {wrong:?}");
                let wrong = far(&found[1], identity.as_slice().expect("in order"), |_| 1e-13);
                assert!(wrong.is_empty(), "{group} at {x:?}, {engine:?}, first derivatives: {wrong:?}");
                // Products of some ten numbers below ten, with three rounded factors each.
                let wrong = far(&found[2], &vec![0.0; n], |_| 1e-12);
                assert!(wrong.is_empty(), "{group} at {x:?}, {engine:?}, second derivatives: {wrong:?}");
            }
        }
    }
}

/// What moves on a tangent at an element, and on one at the identity, moves the logarithm by the inverse Jacobians.
#[test]
fn the_logarithm_moves_by_the_inverse_jacobians() {
    for group in GROUPS {
        let n = n_tangent(group);
        let g = Graph::new();
        let [tangent, step] = ["tangent", "step"].map(|name| g.input_of(DType::F64, name, (n,)));
        let (right, left, of_right, of_left) = for_group!(group, Group => {
            let x = Group::exp(tangent);
            let right = x.plus(step).log();
            let left = Group::exp(step).compose(x).log();
            (right, left, Group::right_jacobian_inverse(tangent), Group::left_jacobian_inverse(tangent))
        });
        let results = [
            ("right", jacobian(right, step)),
            ("of right", of_right),
            ("left", jacobian(left, step)),
            ("of left", of_left),
        ];
        for engine in ENGINES {
            for x in tangents(group) {
                let found = call(&results, engine, &[("tangent", vector(&x)), ("step", vector(&vec![0.0; n]))]);
                for (found, truth) in [(&found[0], &found[1]), (&found[2], &found[3])] {
                    let size = size(truth);
                    let wrong = far(found, truth, |_| 2e-14 * size);
                    assert!(wrong.is_empty(), "{group} at {x:?}, {engine:?}: {wrong:?}");
                }
            }
        }
    }
}

/// (Exp(τ + h·e) ⊖ Exp(τ − h·e))/2h is J·e but for h² times a third derivative, and for ε/h.
#[test]
fn the_right_jacobian_is_that_of_differences() {
    const STEP: f64 = 1e-5;
    for group in GROUPS {
        let n = n_tangent(group);
        let g = Graph::new();
        let [tangent, step] = ["tangent", "step"].map(|name| g.input_of(DType::F64, name, (n,)));
        let (difference, moved) = for_group!(group, Group => {
            let difference = Group::exp(tangent + step).minus(Group::exp(tangent - step)) / (2.0 * STEP);
            (difference, Group::right_jacobian(tangent).dot(step / STEP))
        });
        for x in tangents(group) {
            for axis in 0..n {
                let mut step = vec![0.0; n];
                step[axis] = STEP;
                let fed = [("tangent", vector(&x)), ("step", vector(&step))];
                let found = call(&[("difference", difference), ("moved", moved)], Evaluation::Compiled, &fed);
                let wrong = far(&found[0], &found[1], |_| 1e-9);
                assert!(wrong.is_empty(), "{group} at {x:?} along {axis}: {wrong:?}");
            }
        }
    }
}

#[test]
fn a_quaternion_its_negative_and_its_multiples_are_one_rotation() {
    let g = Graph::new();
    let q = g.input_of(DType::F64, "q", (4,));
    let results = [("log", So3::new(q).log()), ("negative", So3::new(-q).log()), ("longer", So3::new(1e3 * q).log())];
    let (sine, cosine) = (0.5f64 * 3.0).sin_cos();
    for sign in [1.0, -1.0] {
        let found = call(&results, Evaluation::Compiled, &[("q", vector(&[sign * cosine, 0.0, sign * sine, 0.0]))]);
        for log in found {
            let wrong = far(&log, &[0.0, 3.0, 0.0], |_| 2e-15);
            assert!(wrong.is_empty(), "{sign}: {wrong:?}");
        }
    }
    // As functions of q all three are one, or one of 1000·q.
    let [log, negative, longer] = [0, 1, 2].map(|index| results[index].1);
    let slopes = [("log", jacobian(log, q)), ("negative", jacobian(negative, q)), ("longer", jacobian(longer, q))];
    for q in [[0.8, 0.0, 0.6, 0.0], [-0.5, 0.5, -0.5, 0.5], [-1.0, 0.0, 0.0, 0.0]] {
        let found = call(&slopes, Evaluation::Compiled, &[("q", vector(&q))]);
        for slopes in &found[1..] {
            let wrong = far(slopes, &found[0], |_| 4e-15);
            assert!(wrong.is_empty(), "slopes at {q:?}: {wrong:?}");
        }
    }
    // Beyond half a turn the other way round is shorter.
    let found = call(&results[..1], Evaluation::Compiled, &[("q", vector(&[2f64.cos(), 2f64.sin(), 0.0, 0.0]))]);
    assert!(far(&found[0], &[4.0 - 2.0 * PI, 0.0, 0.0], |_| 2e-15).is_empty(), "{found:?}");
}

/// Closed forms at 0: of cos, of the quaternion's w = cos ½θ, and of the translation of a motion.
#[test]
fn second_derivatives_at_zero_are_those_of_the_closed_forms() {
    let g = Graph::new();
    let tangent = g.input_of(DType::F64, "tangent", (6,));
    let pose = Se3::exp(tangent).coordinates();
    let hessian = |row: i64| jacobian(g.gradient(pose.slice(row), tangent), tangent);
    let results = [("w", hessian(3)), ("x", hessian(4)), ("translation", hessian(0))];
    for engine in ENGINES {
        let found = call(&results, engine, &[("tangent", vector(&[0.0; 6]))]);
        let truth = |entries: &[(usize, usize, f64)]| {
            let mut matrix = Array2::<f64>::zeros((6, 6));
            for (row, column, value) in entries {
                (matrix[[*row, *column]], matrix[[*column, *row]]) = (*value, *value);
            }
            matrix.into_raw_vec_and_offset().0
        };
        // cos ½θ = 1 − θ·θ/8, sin ½θ·u = ½θ, and t = ρ + ½θ × ρ.
        assert_eq!(found[0], truth(&[(3, 3, -0.25), (4, 4, -0.25), (5, 5, -0.25)]));
        assert_eq!(found[1], truth(&[]));
        assert_eq!(found[2], truth(&[(4, 2, 0.5), (5, 1, -0.5)]));
    }
}

#[test]
fn derivatives_are_proved_by_differences_and_dual_numbers_at_zero_and_elsewhere() {
    for group in GROUPS {
        let n = n_tangent(group);
        for (scale, seed) in [(0.0, 1), (1e-3, 2), (0.4, 3)] {
            let g = Graph::new();
            let tangent = g.input_of(DType::F64, "tangent", (n,));
            let n_point = for_group!(group, Group => Group::N_POINT);
            let point = g.input_of(DType::F64, "point", (n_point,));
            let loss = for_group!(group, Group => {
                let x = Group::exp(tangent);
                let moved = x.act(point).square().sum() + x.compose(x).act(point).sum();
                moved + weighted(Group::left_jacobian_inverse(tangent)) + weighted(x.adjoint())
            });
            let at = Array1::from(random(seed, n)) * scale;
            let leaves = [(tangent, Value::from(at)), (point, vector(&random(seed + 9, n_point)))];
            prove_expression(loss, &leaves, Smoothness::Smooth)
                .unwrap_or_else(|error| panic!("{group} {scale}: {error}"));
        }
    }
}

#[test]
fn batches_broadcast_and_dtypes_stay() {
    for group in GROUPS {
        let n = n_tangent(group);
        let g = Graph::new();
        let many = g.input("many", ("batch", 1, n));
        let few = g.input("few", (3, n));
        let n_point = for_group!(group, Group => Group::N_POINT);
        let point = g.input("point", (n_point,));
        for_group!(group, Group => {
            let both = Group::exp(many).compose(Group::exp(few));
            assert_eq!(both.coordinates().ty().to_string(), format!("f32[batch, 3, {}]", Group::N_COORDINATES));
            assert_eq!(both.log().ty().to_string(), format!("f32[batch, 3, {n}]"));
            assert_eq!(both.adjoint().ty().to_string(), format!("f32[batch, 3, {n}, {n}]"));
            assert_eq!(both.act(point).ty().to_string(), format!("f32[batch, 3, {n_point}]"));
            assert_eq!(Group::left_jacobian(few).ty().to_string(), format!("f32[3, {n}, {n}]"));
        });
        g.check().expect("no mistake");
    }
}

/// In f32, to some ten of its roundings, and row by row as one by one.
#[test]
fn single_precision_keeps_its_digits_too() {
    for group in GROUPS {
        let n = n_tangent(group);
        let g = Graph::new();
        let tangents_in = g.input("tangents", ("n", n));
        let back = for_group!(group, Group => Group::exp(tangents_in).log());
        let jacobian = matrix_of(group, "jacobian", tangents_in);
        // Half a turn rounds beyond itself in f32, and the least angles to 0.
        let is_held = |angle: f64| angle == 0.0 || (1e-30..3.0).contains(&angle);
        let rows: Vec<Recorded> =
            recorded(group, "jacobian").into_iter().filter(|row| is_held(angle(group, &row.tangent))).collect();
        let fed = ArrayD::from_shape_vec(
            vec![rows.len(), n],
            rows.iter().flat_map(|row| row.tangent.iter().map(|x| *x as f32)).collect(),
        )
        .expect("its size");
        let found =
            call(&[("back", back), ("jacobian", jacobian)], Evaluation::Compiled, &[("tangents", Value::F32(fed))]);
        for (place, row) in rows.iter().enumerate() {
            let size = size(&row.tangent);
            let wrong = far(&found[0][place * n..(place + 1) * n], &row.tangent, |_| 2e-6 * size);
            assert!(wrong.is_empty(), "{group} at {:?}: {wrong:?}", row.tangent);
            let wrong = far(&found[1][place * n * n..(place + 1) * n * n], &row.matrix, |_| 2e-6);
            assert!(wrong.is_empty(), "{group} at {:?}: {wrong:?}", row.tangent);
        }
    }
}

type Mistake = (&'static str, for<'g> fn(&'g Graph) -> Expr<'g>, fn(&GraphError) -> bool);

#[test]
fn mistakes_are_told_on_the_line_of_the_call() {
    const MISTAKES: &[Mistake] = &[
        (
            "`exp`",
            |g| So3::exp(g.input("tangent", (4,))).coordinates(),
            |error| matches!(error, GraphError::WrongShape { what: "a tangent of SO(3)", .. }),
        ),
        (
            "`new`",
            |g| Se3::new(g.input("pose", ("n", 6))).log(),
            |error| matches!(error, GraphError::WrongShape { what: "a motion of space", .. }),
        ),
        (
            "`new`",
            |g| So2::new(g.input_of(DType::I64, "rotation", (2,))).log(),
            |error| matches!(error, GraphError::UnsupportedDType { .. }),
        ),
        (
            "`act`",
            |g| Se2::new(g.input("pose", (4,))).act(g.input("point", (3,))),
            |error| matches!(error, GraphError::WrongShape { what: "a point", .. }),
        ),
        (
            "`compose`",
            |g| So3::new(g.input("a", (4,))).compose(So3::new(g.input_of(DType::F64, "b", (4,)))).coordinates(),
            |error| matches!(error, GraphError::DTypesDiffer { .. }),
        ),
        (
            "`compose`",
            |g| Se3::new(g.input("a", (2, 7))).compose(Se3::new(g.input("b", (3, 7)))).matrix(),
            |error| matches!(error, GraphError::NotBroadcastable { .. }),
        ),
        (
            "`right_jacobian`",
            |g| Se2::right_jacobian(g.input("tangent", ())),
            |error| matches!(error, GraphError::Rank { .. }),
        ),
        (
            "`plus`",
            |g| Se3::new(g.input("pose", (7,))).plus(g.input("tangent", (7,))).coordinates(),
            |error| matches!(error, GraphError::WrongShape { what: "a tangent of SE(3)", .. }),
        ),
    ];
    for (name, build, is_expected) in MISTAKES {
        let g = Graph::new();
        assert!(build(&g).is_poisoned(), "{name}");
        let diagnostics = g.check().expect_err("there is a mistake");
        let report = diagnostics.to_string();
        assert_eq!(diagnostics.0.len(), 1, "{report}");
        assert!(diagnostics.0.iter().all(|diagnostic| is_expected(&diagnostic.error)), "{report}");
        assert!(report.contains(name.trim_matches('`')) && report.contains("tests/it/lie/mod.rs"), "{report}");
    }
}

/// A batch of rows gives what each row gives alone, gradients included.
#[test]
fn a_batch_is_as_its_rows() {
    for group in GROUPS {
        let n = n_tangent(group);
        let g = Graph::new();
        let (rows, row) = (g.input_of(DType::F64, "rows", ("n", n)), g.input_of(DType::F64, "row", (n,)));
        let [batched, alone] = [rows, row].map(|tangent| {
            let loss = matrix_of(group, "inverse", tangent).square().sum();
            (g.gradient(loss, tangent), for_group!(group, Group => Group::exp(tangent).log()))
        });
        let all = tangents(group);
        let fed = Array2::from_shape_vec((all.len(), n), all.concat()).expect("its size");
        let found =
            call(&[("gradient", batched.0), ("log", batched.1)], Evaluation::Compiled, &[("rows", fed.clone().into())]);
        for (place, x) in fed.axis_iter(Axis(0)).enumerate() {
            let fed = [("row", vector(x.as_slice().expect("in order")))];
            let truth = call(&[("gradient", alone.0), ("log", alone.1)], Evaluation::Compiled, &fed);
            for (found, truth) in found.iter().zip(&truth) {
                let size = size(truth);
                let wrong = far(&found[place * n..(place + 1) * n], truth, |_| 1e-14 * size);
                assert!(wrong.is_empty(), "{group} at {x}: {wrong:?}");
            }
        }
    }
}

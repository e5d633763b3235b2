//! Roots, fixed points and minimizers beside closed forms, differences and unrolled iterations, in both modes, at both orders, in any
//! construct.

use ndarray::{Zip, array};
use pullback::{
    DType, Expr, Graph, Type, Value, ValueView, ValueViewMut,
    implicit::{self, Iterations},
    ops::{CustomError, CustomOp, Linearization},
};

use super::{assert_close, assert_right, logistic_weights, numbers, plane, plane_point, scalar, values, vector};

#[test]
fn the_square_root_has_the_derivatives_of_the_square_root() {
    let g = Graph::new();
    let a = scalar(&g, "a");
    let root = implicit::root(g.full(1.0, ()), &Iterations::default(), |z| z * z - a);
    let mut derivatives = vec![root.value];
    for order in 0..4 {
        derivatives.push(g.gradient(derivatives[order], a));
    }
    let forward = g.jvp(g.jvp(root.value, &[(a, g.full(1.0, ()))]), &[(a, g.full(1.0, ()))]);
    let names = ["0", "1", "2", "3", "4"];
    let results: Vec<_> = names.into_iter().zip(derivatives).chain([("forward twice", forward)]).collect();
    let x: f64 = 2.3;
    let expected = [x.sqrt(), 0.5 * x.powf(-0.5), -0.25 * x.powf(-1.5), 0.375 * x.powf(-2.5), -0.9375 * x.powf(-3.5)];
    let found = values(&g, &results, &[("a", x.into())]);
    for (order, expected) in expected.into_iter().enumerate() {
        assert_close(names[order], &numbers(&found[order]), &[expected], 1e-14);
    }
    assert_close("forward twice", &numbers(&found[5]), &[expected[2]], 1e-14);
}

#[test]
fn keplers_equation_has_the_known_derivatives() {
    let g = Graph::new();
    let (mean, e) = (scalar(&g, "mean"), scalar(&g, "e"));
    let anomaly = implicit::root(mean, &Iterations::default(), |anomaly| anomaly - e * anomaly.sin() - mean);
    let by_e = g.gradient(anomaly.value, e);
    let results = [
        ("E", anomaly.value),
        ("by e", by_e),
        ("by M", g.gradient(anomaly.value, mean)),
        ("by e and M", g.gradient(by_e, mean)),
        ("residual", anomaly.residual),
        ("condition", anomaly.reciprocal_condition),
    ];
    for (mean, e) in [(1.0, 0.3), (0.4, 0.8), (2.9, 0.6)] {
        let found = values(&g, &results, &[("mean", f64::into(mean)), ("e", f64::into(e))]);
        let found: Vec<f64> = found.iter().map(|value| numbers(value)[0]).collect();
        let anomaly = found[0];
        let (sine, cosine) = (anomaly.sin(), anomaly.cos());
        let slope = 1.0 / (1.0 - e * cosine);
        // d/dM of sin E/(1 − e·cos E).
        let mixed = (cosine * slope - sine * slope * slope * e * sine) * slope;
        assert_close("Kepler", &found, &[mean + e * sine, sine * slope, slope, mixed, 0.0, 1.0], 1e-14);
    }
}

#[test]
fn a_root_in_the_plane_agrees_with_differences_in_both_modes_and_orders() {
    let g = Graph::new();
    let z = plane(&g);
    assert_right(&g, (z * z).sum() + z.slice(0) * z.slice(1).sin(), &plane_point());
}

#[test]
fn nothing_of_the_iterations_is_differentiated() {
    fn test<'g>(g: &'g Graph) {
        let z = plane(g);
        let b = g.named("b").unwrap();
        let gradient = g.gradient(z.sum(), b);
        let loops = |results: &[(&str, Expr<'g>)]| g.show(results.to_vec()).matches("= while").count();
        // The loop has three outputs, of which the value needs two: there are as many in the gradient.
        assert_eq!(loops(&[("z", z)]), loops(&[("z", z), ("gradient", gradient)]));
    }
    test(&Graph::new());
}

#[test]
fn a_fixed_point_has_the_derivatives_of_its_iterations() {
    fn test<'g>(g: &'g Graph) {
        let (w, x) = (g.input_of(DType::F64, "w", (3, 3)), vector(g, "x", 3));
        let step = |z: Expr<'g>| 0.5 * (w.dot(z) + x).tanh();
        let found = implicit::fixed_point(g.full(0.0, (3,)), &Iterations::default(), step).value;
        let unrolled = g.fori(60, g.full(0.0, (3,)), |_, z| 0.5 * (w.dot(z) + x).tanh());
        let derivatives = |z: Expr<'g>| {
            let loss = z.square().sum() + z.slice(0) * z.slice(2);
            let gradients = g.gradients(loss, &[w, x]);
            let curvature = g.gradient((gradients[0] * w).sum() + gradients[1].slice(1), w);
            let forward = g.jvp(loss, &[(w, w.square()), (x, x)]);
            let over = g.jvp(gradients[1], &[(w, w.square())]);
            [loss, gradients[0], gradients[1], curvature, forward, over]
        };
        let fed = [
            ("w", array![[0.5, -0.3, 0.2], [0.1, 0.4, -0.6], [0.3, 0.2, -0.1]].into()),
            ("x", array![0.3, -0.5, 0.9].into()),
        ];
        let names = ["loss", "by w", "by x", "by w twice", "forward", "forward over reverse"];
        let both = [derivatives(found), derivatives(unrolled)];
        let [implicit, unrolled] = both.map(|derivatives| {
            let results: Vec<_> = names.into_iter().zip(derivatives).collect();
            values(g, &results, &fed)
        });
        for ((name, implicit), unrolled) in names.into_iter().zip(implicit).zip(unrolled) {
            assert_close(name, &numbers(&implicit), &numbers(&unrolled), 1e-11);
        }
    }
    test(&Graph::new());
}

/// min ½·zᵀ·Q·z − q·z with A·z = b has the solution of a linear system.
#[test]
fn a_quadratic_program_has_the_derivatives_of_its_closed_form() {
    fn test<'g>(g: &'g Graph) {
        let (q, p) = (g.input_of(DType::F64, "q", (3, 3)), vector(g, "p", 3));
        let (a, b) = (g.input_of(DType::F64, "a", (2, 3)), vector(g, "b", 2));
        let symmetric = 0.5 * (q + q.t());
        let found = implicit::minimize_subject_to(g.full(0.0, (3,)), &Iterations::default(), |z| {
            (0.5 * z.dot(symmetric.dot(z)) - p.dot(z), a.dot(z) - b)
        });
        let upper = symmetric.concat([a.t()], 1);
        let lower = a.concat([g.full(0.0, (2, 2))], 1);
        let closed = upper.concat([lower], 0).solve(p.concat([b], 0));
        let joined = found.point.value.concat([found.multipliers], 0);
        let weights = g.constant([0.3, -1.0, 0.7, 2.0, -0.4]);
        let derivatives = |u: Expr<'g>| {
            let loss = (u * weights).sum() + u.square().sum();
            let gradients = g.gradients(loss, &[q, p, a, b]);
            let second = g.gradient((gradients[2] * a).sum() + gradients[0].slice(1).sum(), a);
            let over = g.jvp(gradients[0], &[(q, q), (b, b)]);
            [u, gradients[0], gradients[1], gradients[2], gradients[3], second, over]
        };
        let fed = [
            ("q", array![[3.0, 0.2, 0.1], [0.0, 2.0, -0.3], [0.4, 0.0, 1.5]].into()),
            ("p", array![1.0, -0.5, 0.3].into()),
            ("a", array![[1.0, 1.0, 0.5], [0.2, -1.0, 0.3]].into()),
            ("b", array![0.7, -0.2].into()),
        ];
        let names = ["u", "by q", "by p", "by a", "by b", "by a twice", "forward over reverse"];
        let both = [derivatives(joined), derivatives(closed)];
        let [implicit, closed] = both.map(|derivatives| {
            let results: Vec<_> = names.into_iter().zip(derivatives).collect();
            values(g, &results, &fed)
        });
        for ((name, implicit), closed) in names.into_iter().zip(implicit).zip(closed) {
            assert_close(name, &numbers(&implicit), &numbers(&closed), 1e-11);
        }
        // One step, and one that sees it; the multipliers are those of the minimum by b.
        let f = 0.5 * found.point.value.dot(symmetric.dot(found.point.value)) - p.dot(found.point.value);
        let results = [
            ("iterations", found.point.iterations),
            ("is minimum", found.is_minimum),
            ("residual", found.point.residual),
            ("sum", (g.gradient(f, b) + found.multipliers).abs().sum()),
        ];
        let told: Vec<f64> = values(g, &results, &fed).iter().map(|value| numbers(value)[0]).collect();
        assert_close("told", &told, &[2.0, 1.0, 0.0, 0.0], 1e-13);
    }
    test(&Graph::new());
}

#[test]
fn the_weights_of_a_logistic_regression_move_with_the_penalty_as_differences_say() {
    let g = Graph::new();
    let strength = scalar(&g, "strength");
    let fit = logistic_weights(&g, strength, g.full(0.0, (2,)));
    let weights = fit.point.value;
    let at = |strength: f64| numbers(&values(&g, &[("w", weights)], &[("strength", strength.into())])[0]);
    let slopes = [("slopes", g.jacobian(weights, strength)), ("is minimum", fit.is_minimum)];
    let found = values(&g, &slopes, &[("strength", (-1.5).into())]);
    let h = 1e-3;
    let (above, below) = (at(-1.5 + h), at(-1.5 - h));
    let differences: Vec<f64> = above.iter().zip(&below).map(|(above, below)| (above - below) / (2.0 * h)).collect();
    // Differences are exact to h².
    assert_close("slopes", &numbers(&found[0]), &differences, 1e-5);
    assert_eq!(found[1], true.into());
    assert_right(&g, weights.square().sum() * weights.slice(0), &[("strength", (-1.5).into())]);
}

/// The outer function is least where a root, which moves with z and with a parameter, meets a target.
#[test]
fn a_root_stands_inside_of_a_minimizer_inside_of_a_loss() {
    let g = Graph::new();
    let (a, target) = (scalar(&g, "a"), scalar(&g, "target"));
    let fit = implicit::minimize(g.full(0.5, ()), &Iterations::default(), |z| {
        let inner = implicit::root(g.full(0.0, ()), &Iterations::default(), |y| y + 0.2 * y.powi(3) - a * z.sin());
        (inner.value - target).square() + 0.1 * z * z
    });
    assert_right(&g, fit.point.value.exp(), &[("a", 1.3.into()), ("target", 0.6.into())]);
}

#[test]
fn a_batch_gives_what_each_example_gives_alone() {
    fn test<'g>(g: &'g Graph) {
        let w = vector(g, "w", 2);
        let solve = |a: Expr<'g>| {
            let fit = logistic_weights(g, a, w * 0.0);
            let root = implicit::root(w, &Iterations::default(), |z| z + 0.3 * z.powi(3) - a.exp() * w).value;
            let loss = (root * fit.point.value).sum();
            [loss, g.gradient(loss, a), g.gradient(loss, w).slice(1), root.slice(0), fit.point.reciprocal_condition]
        };
        let strengths = g.input_of(DType::F64, "strengths", ("n",));
        let (batched, looped) = (g.vmap(strengths, solve), g.map(strengths, solve));
        let outside = |results: [Expr<'g>; 5]| g.gradient(results[0].square().sum(), strengths);
        let names = ["loss", "by a", "by w", "root", "condition"];
        let fed = [("w", array![0.4, -0.7].into()), ("strengths", array![-2.0, 0.0, 1.0, 2.5].into())];
        let found = [batched, looped].map(|all| {
            let last = [("outside", outside(all))];
            let results: Vec<_> = names.into_iter().zip(all).chain(last).collect();
            values(g, &results, &fed)
        });
        for (position, batched) in found[0].iter().enumerate() {
            assert_close("batch", &numbers(batched), &numbers(&found[1][position]), 1e-12);
        }
    }
    test(&Graph::new());
}

#[test]
fn loops_and_branches_go_around_a_root_and_are_inside_of_one() {
    fn test<'g>(g: &'g Graph) {
        let (x, w) = (scalar(g, "x"), scalar(g, "w"));
        let solve = |x: Expr<'g>, w: Expr<'g>| {
            implicit::root(g.full(0.0, ()), &Iterations::default(), |z| {
                z + 0.5 * g.fori(2, z, |_, z| (w * z).sin()) - x
            })
            .value
        };
        let looped = g.fori(3, x, |_, x| solve(x, w) + 0.1 * x);
        let chosen = g.cond(x.greater(0.0), || solve(x, w) * w, || x);
        let function = g.function((x, w), |(x, w)| solve(x, w));
        let loss = looped * chosen + function.call((w, x)).sin();
        assert_right(g, loss, &[("x", 0.8.into()), ("w", 0.6.into())]);
    }
    test(&Graph::new());
}

/// A matrix X with X·X = A, of symbolic size, in f64.
#[test]
fn unknowns_have_any_shape_and_sizes_may_be_symbols() {
    let g = Graph::new();
    let a = g.input_of(DType::F64, "a", ("n", "n"));
    let root = implicit::root(a, &Iterations::default(), |x| x.dot(x) - a);
    let results = [
        ("error", (root.value.dot(root.value) - a).abs().sum()),
        ("gradient", g.gradient(root.value.trace(), a)),
        ("residual", root.residual),
    ];
    let matrix = array![[4.0, 0.5], [0.2, 3.0]];
    let found = values(&g, &results, &[("a", matrix.clone().into())]);
    assert_close("error", &numbers(&found[0]), &[0.0], 1e-14);
    // d tr(A^½) = ½·tr(A^(−½)·dA), so the gradient is half the transposed inverse of the root.
    let inverse = values(&g, &[("inverse", 0.5 * root.value.inverse().t())], &[("a", matrix.into())]);
    let expected = numbers(&inverse[0]);
    assert_close("gradient", &numbers(&found[1]), &expected, 1e-13);
}

#[test]
fn single_precision_converges_by_its_own_tolerance() {
    let g = Graph::new();
    let (mean, e) = (g.input("mean", ()), g.input("e", ()));
    let anomaly = implicit::root(mean, &Iterations::default(), |anomaly| anomaly - e * anomaly.sin() - mean);
    let slope = g.gradient(anomaly.value, e);
    assert_eq!(slope.dtype(), DType::F32);
    let fed = [("mean", 1f32), ("e", 0.3)];
    let mut program = g.compile([("E", anomaly.value), ("slope", slope), ("n", anomaly.iterations)]).unwrap();
    let out = program.call(fed).unwrap();
    let (anomaly, e) = (f64::from(out.scalar::<f32>("E").unwrap()), f64::from(0.3f32));
    assert!((anomaly - e * anomaly.sin() - 1.0).abs() < 2e-7);
    let expected = anomaly.sin() / (1.0 - e * anomaly.cos());
    assert!((f64::from(out.scalar::<f32>("slope").unwrap()) - expected).abs() < 1e-6);
    assert!(out.scalar::<i64>("n").unwrap() < 8);
}

#[test]
fn a_solution_of_ones_own_gets_the_same_derivative() {
    fn test<'g>(g: &'g Graph) {
        let a = vector(g, "a", 2);
        let equation = |z: Expr<'g>| z + 0.2 * z.powi(3) - a;
        let found = implicit::root(a, &Iterations::default(), equation);
        // A loop without a bound, which reverse mode refuses.
        let (bisected, _) = g.while_loop(
            (a * 0.0 - 4.0, a * 0.0 + 4.0),
            |(low, high)| (high - low).max().greater(1e-15),
            |(low, high)| {
                let middle = 0.5 * (low + high);
                let is_high = equation(middle).greater(0.0);
                (is_high.select(low, middle), is_high.select(middle, high))
            },
        );
        let given = implicit::root_at(bisected, equation);
        let derivatives =
            |z: Expr<'g>| [g.gradient(z.square().sum(), a), g.jvp(g.gradient(z.exp().sum(), a), &[(a, a)])];
        let [one, other] = [found, given].map(|solution| derivatives(solution.value));
        let results = [("f", one[0]), ("f'", one[1]), ("g", other[0]), ("g'", other[1]), ("n", given.iterations)];
        let values = values(g, &results, &[("a", array![0.7, -2.0].into())]);
        assert_close("first", &numbers(&values[0]), &numbers(&values[2]), 1e-13);
        assert_close("second", &numbers(&values[1]), &numbers(&values[3]), 1e-13);
        assert_eq!(values[4], 0i64.into());

        let f = |z: Expr<'g>| (0.5 * z.square() + 0.05 * z.square().square() - a * z).sum();
        let least = implicit::minimum_at(found.value, f);
        let results = [("gradient", g.gradient(least.point.value.square().sum(), a)), ("is minimum", least.is_minimum)];
        let values_of_minimum = self::values(g, &results, &[("a", array![0.7, -2.0].into())]);
        assert_close("minimum", &numbers(&values_of_minimum[0]), &numbers(&values[0]), 1e-13);
        assert_eq!(values_of_minimum[1], true.into());
    }
    test(&Graph::new());
}

/// The point of the unit circle that is nearest to a, and the multiplier of least squares.
#[test]
fn a_constrained_minimum_of_ones_own_gets_the_same_derivative() {
    fn test<'g>(g: &'g Graph) {
        let a = vector(g, "a", 2);
        let nearest = |z: Expr<'g>| (0.5 * (z - a).square().sum(), 0.5 * z.square().sum() - 0.5);
        let length = a.square().sum().sqrt();
        let given = implicit::constrained_minimum_at(a / length, nearest);
        let found = implicit::minimize_subject_to(a, &Iterations::default(), nearest);
        let derivatives = |z: Expr<'g>, multiplier: Expr<'g>| {
            let loss = z.slice(0) * multiplier + z.slice(1).exp();
            let gradient = g.gradient(loss, a);
            [loss, gradient, g.jvp(gradient, &[(a, g.constant([0.3, 1.0]))])]
        };
        let all = [
            derivatives(a / length, length - 1.0),
            derivatives(given.point.value, given.multipliers),
            derivatives(found.point.value, found.multipliers),
        ];
        let fed = [("a", array![1.2, -0.9].into())];
        let all = all.map(|[loss, first, second]| values(g, &[("0", loss), ("1", first), ("2", second)], &fed));
        let [expected, of_given, of_found] = all;
        for (expected, others) in expected.iter().zip(of_given.iter().zip(&of_found)) {
            assert_close("given", &numbers(others.0), &numbers(expected), 1e-13);
            assert_close("found", &numbers(others.1), &numbers(expected), 1e-13);
        }
        // The farthest point satisfies the same equations and is no minimum.
        let farthest = implicit::constrained_minimum_at(-a / length, nearest);
        let told = values(g, &[("near", given.is_minimum), ("far", farthest.is_minimum)], &fed);
        assert_eq!(told, [Value::from(true), Value::from(false)]);
    }
    test(&Graph::new());
}

/// Bisection in code of the user's own, which knows nothing of graphs.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CubeRoot;

impl CustomOp for CubeRoot {
    const NAME: &'static str = "cube_root_by_code";

    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
        Ok(operands[0].clone())
    }

    fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
        if let ([ValueView::F64(a)], ValueViewMut::F64(z)) = (operands, output) {
            Zip::from(z).and(a).for_each(|z, a| *z = a.cbrt());
        }
        Ok(())
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Constant
    }
}

#[test]
fn the_solver_may_be_an_operation_of_the_users_own() {
    let g = Graph::new();
    let a = vector(&g, "a", 2);
    let root = implicit::root_at(g.custom(CubeRoot, [a]), |z| z.powi(3) - a).value;
    assert_right(&g, (root * a.sin()).sum(), &[("a", array![0.7, 2.0].into())]);
    let slopes = values(&g, &[("slopes", g.gradient(root.sum(), a))], &[("a", array![8.0, 27.0].into())]);
    assert_close("slopes", &numbers(&slopes[0]), &[1.0 / 12.0, 1.0 / 27.0], 1e-14);
}

#[test]
fn what_is_written_as_text_is_read_and_gives_the_same() {
    let g = Graph::new();
    let z = plane(&g);
    let results = [("z", z), ("gradient", g.gradient(z.square().sum(), g.named("b").unwrap()))];
    let found = values(&g, &results, &plane_point());
    let parsed = Graph::parse(&g.to_text(results.to_vec())).unwrap();
    let mut program = parsed.graph.compile(parsed.results()).unwrap();
    let out = program.call(plane_point()).unwrap();
    assert_eq!(out["z"], found[0]);
    assert_eq!(out["gradient"], found[1]);
}

//! What is told where there is no solution, more than one kind of it, or a mistake.

use ndarray::{Array2, array};
use pullback::{
    DType, Expr, Graph,
    implicit::{self, Iterations, Transpose},
};

use super::{assert_close, numbers, scalar, values, vector};

#[test]
fn a_maximum_and_a_saddle_point_are_told_from_a_minimum() {
    let g = Graph::new();
    let signs = vector(&g, "signs", 2);
    let found = implicit::minimize(g.full(0.4, (2,)), &Iterations::default(), |z| (signs * z.square()).sum());
    let results = [("is minimum", found.is_minimum), ("residual", found.point.residual)];
    for (given, is_minimum) in [([1.0, 2.0], true), ([1.0, -2.0], false), ([-1.0, -2.0], false), ([1.0, 1e-17], false)]
    {
        let told = values(&g, &results, &[("signs", given.into())]);
        assert_eq!(told[0], is_minimum.into(), "{given:?}");
        assert_close("residual", &numbers(&told[1]), &[0.0], 1e-15);
    }
}

#[test]
fn what_does_not_converge_is_nan_and_so_is_its_derivative() {
    let g = Graph::new();
    let a = vector(&g, "a", 2);
    let few = Iterations { max_iterations: 3, ..Iterations::default() };
    let solutions = [
        // No root at all; a linear equation of which the derivative does not look at z; iterations that go to infinity.
        ("no root", implicit::root(a, &Iterations::default(), |z| z * z + a * a)),
        ("no step", implicit::root(a, &Iterations { max_iterations: 0, ..few.clone() }, |z| 2.0 * z - a)),
        ("too few", implicit::fixed_point(a, &few, |z| 0.5 * z + a)),
        ("diverges", implicit::fixed_point(a, &Iterations::default(), |z| 3.0 * z * z * z + a)),
    ];
    for (name, solution) in solutions {
        let results = [
            ("value", solution.value),
            ("reverse", g.gradient(solution.value.slice(0), a).slice(0)),
            ("forward", g.jvp(solution.value, &[(a, a)])),
            ("residual", solution.residual),
            ("condition", solution.reciprocal_condition),
        ];
        let told = values(&g, &results, &[("a", array![0.7, 1.1].into())]);
        let [value, reverse, forward, residual] = [0, 1, 2, 3].map(|position| numbers(&told[position]));
        for number in value.iter().chain(&reverse).chain(&forward).chain(&residual) {
            assert!(number.is_nan(), "{name}: {told:?}");
        }
        // Where J does not depend on z it is as it is.
        assert!(numbers(&told[4])[0] == 0.0 || name == "no step" || name == "too few", "{name}: {told:?}");
    }
}

#[test]
fn a_singular_jacobian_gives_no_number_and_is_told() {
    let g = Graph::new();
    let b = vector(&g, "b", 2);
    let a = g.input_of(DType::F64, "a", (2, 2));
    let z = implicit::root_at(b * 0.0, |z| a.dot(z) - b);
    let gradient = g.gradient(z.value.sum(), b);
    let results =
        [("condition", z.reciprocal_condition), ("gradient", gradient), ("forward", g.jvp(z.value, &[(b, b)]))];
    let at = |matrix: Array2<f64>| {
        let found = values(&g, &results, &[("a", matrix.into()), ("b", array![1.0, 1.0].into())]);
        (numbers(&found[0])[0], [numbers(&found[1]), numbers(&found[2])].concat())
    };
    let (condition, derivatives) = at(array![[1.0, 2.0], [2.0, 4.0]]);
    assert_eq!(condition, 0.0);
    assert!(derivatives.iter().all(|number| !number.is_finite()), "{derivatives:?}");
    let (condition, derivatives) = at(array![[0.0, 0.0], [0.0, 0.0]]);
    assert_eq!(condition, 0.0);
    assert!(derivatives.iter().all(|number| !number.is_finite()), "{derivatives:?}");
    // Singular but for rounding: what is told is below ε.
    let (condition, _) = at(array![[0.1, 0.2], [0.3, 0.6]]);
    assert!(condition < f64::EPSILON, "{condition}");
    // ‖A‖₁ = 1 and ‖A⁻¹‖₁ = 1 + 1000.
    let (condition, _) = at(array![[1.0, 0.001], [0.0, 0.001]]);
    assert_close("condition", &[condition], &[1.0 / 1001.0], 1e-15);
}

#[test]
fn a_double_root_is_seen_by_the_number_of_iterations() {
    let g = Graph::new();
    let a = scalar(&g, "a");
    let patient = Iterations { max_iterations: 200, ..Iterations::default() };
    let root = implicit::root(g.full(2.0, ()), &patient, |z| (z - a).square());
    let results = [("z", root.value), ("n", root.iterations), ("condition", root.reciprocal_condition)];
    let told = values(&g, &results, &[("a", 1.0.into())]);
    assert_close("z", &numbers(&told[0]), &[1.0], 1e-11);
    assert!(numbers(&told[1])[0] > 30.0, "{told:?}");
    // J of one element is as well conditioned as can be, however small it is.
    assert_close("condition", &numbers(&told[2]), &[1.0], 1e-15);
}

/// Two iterations of a loop that states no bound.
fn twice<'g>(w: Expr<'g>, x: Expr<'g>, step: fn(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
    let first = (x, w.graph().full(0i64, ()));
    w.graph().while_loop(first, |(_, n)| n.less(2i64), |(x, n)| (0.5 * w * step(x), n + 1i64)).0
}

#[test]
fn a_loop_without_a_bound_in_an_equation_has_forward_mode_alone() {
    let g = Graph::new();
    let (w, b) = (scalar(&g, "w"), scalar(&g, "b"));
    let root = implicit::root(b, &Iterations::default(), |z| z + twice(w, z, |x| x.sin()) - b).value;
    let system =
        implicit::linear_solve(b, Transpose::Symmetric, |v| twice(w, v, |x| x), |p, b| b / p(b.ones_like())).value;
    let forward = [("root", g.jvp(root, &[(w, w)])), ("system", g.jvp(system, &[(w, w)]))];
    let found = values(&g, &forward, &[("w", 0.8.into()), ("b", 0.6.into())]);
    assert_close("b/(w/2)²", &numbers(&found[1]), &[-2.0 * 0.6 / 0.16], 1e-13);
    for (solution, n_errors) in [(root, 1), (system, 2)] {
        assert!(g.gradient(solution, w).is_poisoned());
        let told = g.check().unwrap_err().to_string();
        assert!(told.matches("a loop that has no bound").count() >= n_errors, "{told}");
    }
}

#[test]
fn mistakes_are_told_at_the_line_of_the_call() {
    let told = |build: &dyn Fn(&Graph)| {
        let g = Graph::new();
        build(&g);
        let diagnostics = g.check().unwrap_err();
        let text = diagnostics.to_string();
        assert!(text.contains("tests/it/implicit/told.rs"), "{text}");
        text
    };
    let default = Iterations::default();
    type Build<'b> = &'b dyn Fn(&Graph);
    let cases: [(Build<'_>, &str); 7] = [
        (
            &|g| {
                implicit::root(g.full(1i64, ()), &default, |z| z);
            },
            "has no derivative: only floats have",
        ),
        (
            &|g| {
                implicit::root(g.full(1.0, (2,)), &default, |z| z.sum());
            },
            "what the closure gives must have shape [2], found []",
        ),
        (
            &|g| {
                implicit::root(g.full(1.0, ()), &default, |z| z.cast(DType::F32));
            },
            "different dtypes, f64 and f32",
        ),
        (
            &|g| {
                implicit::root(g.full(1.0, ()), &Iterations { tolerance: Some(-1.0), ..default.clone() }, |z| z);
            },
            "the tolerance of iterations must be positive and finite, found -1",
        ),
        (
            &|g| {
                implicit::minimize(g.full(1.0, (2,)), &default, |z| z);
            },
            "a gradient is of a scalar, found f64[2]",
        ),
        (
            &|g| {
                implicit::linear_solve(g.full(1.0, (2,)), Transpose::Derived, |v| v * v, |_, b| b);
            },
            "not linear",
        ),
        (
            &|g| {
                implicit::linear_solve(g.full(1.0, (2,)), Transpose::Symmetric, |v| v.sum(), |_, b| b);
            },
            "a product with the matrix must have shape [2], found []",
        ),
    ];
    for (build, expected) in cases {
        let text = told(build);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn one_example_that_fails_leaves_the_others_as_they_are() {
    let g = Graph::new();
    let a = vector(&g, "a", 4);
    let root = |a| implicit::root(g.full(1.5, ()), &Iterations::default(), |z| z * z - a);
    let solutions = g.vmap(a, |a| {
        let root = root(a);
        [root.value, g.gradient(root.value, a), root.iterations.cast(DType::F64)]
    });
    let results = [("roots", solutions[0]), ("slopes", solutions[1]), ("iterations", solutions[2])];
    let found = values(&g, &results, &[("a", array![4.0, -1.0, 1e-3, 2.25].into())]);
    let (z, failed) = (1e-3f64.sqrt(), f64::NAN);
    assert_close("roots", &numbers(&found[0]), &[2.0, failed, z, 1.5], 1e-14);
    assert_close("slopes", &numbers(&found[1]), &[0.25, failed, 0.5 / z, 1.0 / 3.0], 1e-13);
    let iterations = numbers(&found[2]);
    // The guess is the last root; without a root all iterations are used up, unless an infinity ends them.
    assert!(iterations[3] == 1.0 && iterations[0] < 8.0 && iterations[1] > iterations[2], "{iterations:?}");
}

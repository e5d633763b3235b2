//! Linear systems that a loop solves, beside elimination, closed forms and differences.

use ndarray::array;
use pullback::{
    DType, Expr, Graph, Value,
    implicit::{self, Transpose},
};

use super::{assert_close, assert_right, numbers, scalar, values, vector};

/// The method of conjugate gradients.
fn conjugate_gradients<'g>(product: &dyn Fn(Expr<'g>) -> Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    let first = (b.zeros_like(), b, b, (b * b).sum());
    let goes_on = |(_, _, _, square): (Expr<'g>, Expr<'g>, Expr<'g>, Expr<'g>)| square.greater(1e-30 * (b * b).sum());
    let (x, ..) = b.graph().while_loop(first, goes_on, |(x, r, p, square)| {
        let q = product(p);
        let step = square / (p * q).sum();
        let r = r - step * q;
        let next = (r * r).sum();
        (x + step * p, r, r + next / square * p, next)
    });
    x
}

/// The same for any matrix, by its normal equations; the transpose is derived.
fn normal_equations<'g>(product: &dyn Fn(Expr<'g>) -> Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    let transposed = |v: Expr<'g>| v.graph().vjp(product(v), v, &[v])[0];
    conjugate_gradients(&|v| transposed(product(v)), transposed(b))
}

fn system_point() -> Vec<(&'static str, Value)> {
    let a = array![[2.0, 0.3, -0.1], [0.5, 1.5, 0.2], [0.1, -0.4, 1.8]];
    vec![("a", a.into()), ("b", array![1.0, -0.6, 0.4].into())]
}

/// Losses of the solution of systems with a matrix that is written by `a`, beside those of elimination.
#[test]
fn a_system_solved_by_a_loop_has_the_derivatives_of_elimination() {
    fn test<'g>(g: &'g Graph) {
        let (a, b) = (g.input_of(DType::F64, "a", (3, 3)), vector(g, "b", 3));
        let symmetric = a.dot(a.t());
        let transposed = |v: Expr<'g>| a.t().dot(v);
        let solutions = [
            ("general", a.solve(b)),
            ("derived", implicit::linear_solve(b, Transpose::Derived, |v| a.dot(v), normal_equations).value),
            ("given", implicit::linear_solve(b, Transpose::Given(&transposed), |v| a.dot(v), normal_equations).value),
            ("symmetric", symmetric.solve(b)),
            (
                "conjugate",
                implicit::linear_solve(b, Transpose::Symmetric, |v| symmetric.dot(v), conjugate_gradients).value,
            ),
        ];
        let found = solutions.map(|(name, x)| {
            let loss = x.square().sum() + x.slice(0) * x.slice(2);
            let gradients = g.gradients(loss, &[a, b]);
            let results = [
                ("x", x),
                ("by a", gradients[0]),
                ("by b", gradients[1]),
                ("forward", g.jvp(loss, &[(a, a.square()), (b, b)])),
                ("by a twice", g.gradient((gradients[0] * a.square()).sum() + gradients[1].slice(1), a)),
                ("by b and a", g.gradient((gradients[0] * a.square()).sum(), b)),
                ("forward over reverse", g.jvp(gradients[0], &[(a, a.square()), (b, b)])),
                ("reverse over forward", g.gradient(g.jvp(loss, &[(a, a.square())]), a)),
                ("forward over forward", g.jvp(g.jvp(loss, &[(a, a.square())]), &[(a, a), (b, b)])),
            ];
            (name, values(g, &results, &system_point()))
        });
        for (expected, name) in [(0, 1), (0, 2), (3, 4)] {
            for (position, expected) in found[expected].1.iter().enumerate() {
                let (name, found) = &found[name];
                assert_close(&format!("{name} {position}"), &numbers(&found[position]), &numbers(expected), 1e-9);
            }
        }
    }
    test(&Graph::new());
}

#[test]
fn a_batch_of_systems_is_solved_as_each_alone() {
    fn test<'g>(g: &'g Graph) {
        let (a, b) = (g.input_of(DType::F64, "a", (3, 3)), vector(g, "b", 3));
        let shifts = g.input_of(DType::F64, "shifts", ("n",));
        let solve = |shift: Expr<'g>| {
            let product = |v: Expr<'g>| a.dot(a.t().dot(v)) + shift.exp() * v;
            let x = implicit::linear_solve(b, Transpose::Symmetric, product, conjugate_gradients).value;
            let loss = x.square().sum();
            [loss, g.gradient(loss, shift), g.gradient(loss, a).slice((0, 1)), g.jvp(loss, &[(shift, shift)])]
        };
        let (batched, looped) = (g.vmap(shifts, solve), g.map(shifts, solve));
        let fed: Vec<_> = system_point().into_iter().chain([("shifts", array![-1.0, 0.0, 2.0].into())]).collect();
        let found = [batched, looped].map(|all| {
            let outside = g.gradient((all[0] * all[1]).sum(), shifts);
            let results: Vec<_> =
                ["loss", "by shift", "by a", "forward"].into_iter().zip(all).chain([("outside", outside)]).collect();
            values(g, &results, &fed)
        });
        for (position, batched) in found[0].iter().enumerate() {
            assert_close("batch", &numbers(batched), &numbers(&found[1][position]), 1e-9);
        }
    }
    test(&Graph::new());
}

#[test]
fn derivatives_of_solved_systems_agree_with_differences() {
    fn test<'g>(g: &'g Graph) {
        let (a, b) = (g.input_of(DType::F64, "a", (3, 3)), vector(g, "b", 3));
        let product = |v: Expr<'g>| a.dot(a.t().dot(v)) + v;
        let solved = implicit::linear_solve(b.sin(), Transpose::Symmetric, product, conjugate_gradients);
        assert_right(g, (solved.value * b).sum().exp(), &system_point());
        let residual = values(g, &[("residual", solved.residual)], &system_point());
        assert!(numbers(&residual[0])[0] < 1e-14, "{residual:?}");
    }
    test(&Graph::new());
}

/// A preconditioner changes the way to the solution, and not the solution.
#[test]
fn what_only_the_method_reads_has_no_derivative() {
    fn test(g: &Graph) {
        let (d, b, scale) = (vector(g, "d", 2), vector(g, "b", 2), vector(g, "scale", 2));
        let x = implicit::linear_solve(
            b,
            Transpose::Symmetric,
            |v| d * v,
            |p, b| scale * conjugate_gradients(&|v| scale * p(scale * v), scale * b),
        );
        let results = [
            ("x", x.value),
            ("by scale", g.gradient(x.value.sum(), scale)),
            ("along scale", g.jvp(x.value, &[(scale, scale)])),
            ("by d", g.gradient(x.value.sum(), d)),
        ];
        let fed = [("d", array![2.0, 4.0].into()), ("b", array![1.0, 2.0].into()), ("scale", array![0.5, 1.5].into())];
        let found: Vec<Vec<f64>> = values(g, &results, &fed).iter().map(numbers).collect();
        let expected = [[0.5, 0.5], [0.0, 0.0], [0.0, 0.0], [-0.25, -0.125]];
        for ((name, _), (found, expected)) in results.iter().zip(found.iter().zip(expected)) {
            assert_close(name, found, &expected, 1e-13);
        }
    }
    test(&Graph::new());
}

/// b/d by a method that sees nothing but products: derivatives of any order are made of it.
#[test]
fn derivatives_of_a_solved_system_go_on_to_any_order() {
    fn test<'g>(g: &'g Graph) {
        let (d, b) = (scalar(g, "d"), scalar(g, "b"));
        let method = |product: &dyn Fn(Expr<'g>) -> Expr<'g>, b: Expr<'g>| b / product(b.ones_like());
        let x = implicit::linear_solve(b, Transpose::Derived, |v| d * v, method).value;
        let names = ["0", "1", "2", "3", "4"];
        let along = |y: Expr<'g>| g.jvp(y, &[(d, g.full(1.0, ()))]);
        let (mut reverse, mut forward) = (vec![x], vec![x]);
        for order in 0..4 {
            reverse.push(g.gradient(reverse[order], d));
            forward.push(along(forward[order]));
        }
        let (at_d, at_b) = (1.7f64, 0.9);
        let fed = [("d", at_d.into()), ("b", at_b.into())];
        let expected = [1.0, -1.0, 2.0, -6.0, 24.0].into_iter().enumerate();
        let expected: Vec<f64> = expected.map(|(order, factor)| factor * at_b / at_d.powi(order as i32 + 1)).collect();
        for derivatives in [reverse, forward] {
            let results: Vec<_> = names.into_iter().zip(derivatives).collect();
            let found: Vec<f64> = values(g, &results, &fed).iter().map(|value| numbers(value)[0]).collect();
            assert_close("orders", &found, &expected, 1e-13);
        }
        let mixed = [("mixed", g.gradient(g.gradient(along(x), b), d))];
        assert_close("mixed", &numbers(&values(g, &mixed, &fed)[0]), &[2.0 / at_d.powi(3)], 1e-13);
    }
    test(&Graph::new());
}

/// Sylvester's equation A·X + X·B = C, whose unknown is a matrix.
#[test]
fn the_unknown_of_a_linear_system_has_any_shape() {
    fn test<'g>(g: &'g Graph) {
        let (a, b) = (g.input_of(DType::F64, "a", (2, 2)), g.input_of(DType::F64, "b", (3, 3)));
        let c = g.input_of(DType::F64, "c", (2, 3));
        let product = |x: Expr<'g>| a.dot(x) + x.dot(b);
        let x = implicit::linear_solve(c, Transpose::Derived, product, normal_equations);
        let fed = [
            ("a", array![[2.0, 0.3], [-0.2, 1.5]].into()),
            ("b", array![[1.0, 0.2, 0.0], [0.1, 0.8, -0.3], [0.0, 0.4, 1.2]].into()),
            ("c", array![[1.0, -0.5, 0.3], [0.2, 0.7, -1.1]].into()),
        ];
        let residual = values(g, &[("residual", x.residual)], &fed);
        assert!(numbers(&residual[0])[0] < 1e-13, "{residual:?}");
        assert_right(g, (x.value * c.sin()).sum(), &fed);
    }
    test(&Graph::new());
}

//! What holds for any two elements of a group and a point.

use ndarray::Array2;
use pullback::{
    DType, Expr, Graph, Value,
    lie::{LieGroup, Se2, Se3, So2, So3},
};

use super::{ENGINES, GROUPS, call, far, n_tangent};

/// Multiples of 1/1024 from −2 to 2.
pub(super) fn random(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = (1_103_515_245 * state + 12_345) % (1 << 31);
        ((state >> 16) % 4096) as f64 / 1024.0 - 2.0
    };
    (0..n).map(|_| next()).collect()
}

/// Of two elements, of a batch of one hundred, and a point: what must be 0.
fn identities<'g, G: LieGroup<'g>>(a: Expr<'g>, b: Expr<'g>, point: Expr<'g>) -> Vec<(&'static str, Expr<'g>)> {
    let (x, y) = (G::exp(a), G::exp(b));
    let is_motion = x.matrix().shape()[1] != point.shape()[1];
    let [first, _] = point.split([1, G::N_POINT - 1], 1)[..] else { unreachable!("two parts") };
    let homogeneous = if is_motion { point.concat([first.ones_like()], -1) } else { point };
    let by_matrix = x.matrix().dot(homogeneous.unsqueeze(-1)).squeeze(-1);
    let by_matrix = if is_motion { by_matrix.split([G::N_POINT, 1], 1)[0] } else { by_matrix };
    let moved = x.adjoint().dot(b.unsqueeze(-1)).squeeze(-1);
    vec![
        ("the matrix of a product", x.compose(y).matrix() - x.matrix().dot(y.matrix())),
        ("the matrix of an inverse", x.inverse().matrix().dot(x.matrix()) - (x.compose(x.inverse())).matrix()),
        ("the inverse", x.compose(x.inverse()).log()),
        ("a point by two", x.compose(y).act(point) - x.act(y.act(point))),
        ("a point by the matrix", x.act(point) - by_matrix),
        ("the adjoint", x.compose(y).compose(x.inverse()).matrix() - G::exp(moved).matrix()),
        ("the adjoint of a product", x.compose(y).adjoint() - x.adjoint().dot(y.adjoint())),
        ("plus and minus", x.plus(x.inverse().compose(y).log()).matrix() - y.matrix()),
        ("minus and plus", G::exp(y.minus(x)).matrix() - x.inverse().compose(y).matrix()),
        ("an element after itself", x.plus(0.25 * b).minus(x) - 0.25 * b),
        (
            "the Jacobian and its inverse",
            G::left_jacobian(0.5 * a).dot(G::left_jacobian_inverse(0.5 * a)).dot(G::right_jacobian(0.5 * b))
                - G::right_jacobian(0.5 * b),
        ),
        ("left and right Jacobian", G::left_jacobian(a) - x.adjoint().dot(G::right_jacobian(a))),
        ("the coordinates", G::new(x.coordinates()).coordinates() - x.coordinates()),
    ]
}

#[test]
fn the_identities_of_a_group_hold() {
    for group in GROUPS {
        let n = n_tangent(group);
        let n_point = for_group!(group, Group => Group::N_POINT);
        let g = Graph::new();
        let [a, b] = ["a", "b"].map(|name| g.input_of(DType::F64, name, ("n", n)));
        let point = g.input_of(DType::F64, "point", ("n", n_point));
        let results = for_group!(group, Group => identities::<Group<'_>>(a, b, point));
        let batch =
            |seed, n| -> Value { Array2::from_shape_vec((100, n), random(seed, 100 * n)).expect("its size").into() };
        let fed = [("a", batch(1, n)), ("b", batch(2, n)), ("point", batch(3, n_point))];
        for engine in ENGINES {
            for ((name, _), found) in results.iter().zip(call(&results, engine, &fed)) {
                // Some hundred roundings of numbers below 20.
                let wrong = far(&found, &vec![0.0; found.len()], |_| 1e-13);
                assert!(wrong.is_empty(), "{group}, {name}, {engine:?}: {wrong:?}");
            }
        }
    }
}

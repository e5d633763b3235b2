//! Operations with bodies in random graphs. In: what was built so far. Out: loops, branches and calls over some of it, whose
//! bodies read other parts of it from outside and may have bodies inside.
//!
//! A body of its own random numbers is built of its arguments and of what it captures by the steps of any random graph. All
//! that it builds enters what it gives, so that no step is dead.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{pick, step};
use crate::{
    graph::{DType, Expr, Graph, ScanDirection},
    ops::ScanOptions,
};

/// Longer axes are cut before a loop goes over them.
const MAX_LENGTH: i64 = 3;
const MAX_STEPS: usize = 3;

/// The results of one more operation with a body, in which bodies may lie `depth` deep.
pub(super) fn nested<'g>(rng: &mut ChaCha8Rng, pool: &[Expr<'g>], depth: usize) -> Vec<Expr<'g>> {
    let graph = pool[0].graph();
    let scope = BodyContext { graph, outside: pool, depth: depth - 1 };
    match rng.random_range(0..6) {
        0 => scope.scan(rng),
        1 => scope.fori(rng),
        2 => scope.map(rng),
        3 => scope.while_loop(rng),
        4 => scope.cond(rng),
        _ => scope.call(rng),
    }
}

/// What bodies may read from outside, and how deep they may lie in each other.
struct BodyContext<'p, 'g> {
    graph: &'g Graph,
    outside: &'p [Expr<'g>],
    depth: usize,
}

impl<'g> BodyContext<'_, 'g> {
    fn scan(&self, rng: &mut ChaCha8Rng) -> Vec<Expr<'g>> {
        let (first, second, array) = (self.pick(rng).tanh(), self.pick(rng).tanh(), self.sliceable(rng));
        let direction = [ScanDirection::Forward, ScanDirection::Backward][rng.random_range(0..2)];
        let options = ScanOptions { direction, ..ScanOptions::default() };
        let mut inner = fork(rng);
        let ((first, second), (of_each, carries)) =
            self.graph.scan_with(&options, (first, second), array, |(a, b), x| {
                let built = self.build(&mut inner, &[a, b, x]);
                // A carry that stays, one that forgets, and one that hears of all that is built.
                let kept = match inner.random_range(0..3) {
                    0 => b,
                    1 => b.cos(),
                    _ => shaped(b, &built),
                };
                ((shaped(a, &built), kept), (small(built[built.len() - 1]), small(a)))
            });
        vec![first, second, of_each, carries]
    }

    fn fori(&self, rng: &mut ChaCha8Rng) -> Vec<Expr<'g>> {
        let (first, length) = (self.pick(rng).tanh(), rng.random_range(1..=MAX_LENGTH));
        let mut inner = fork(rng);
        vec![self.graph.fori(length, first, |position, y| {
            let built = self.build(&mut inner, &[y, 0.25 * position.cast(DType::F64)]);
            shaped(y, &built)
        })]
    }

    fn map(&self, rng: &mut ChaCha8Rng) -> Vec<Expr<'g>> {
        let (array, mut inner) = (self.sliceable(rng), fork(rng));
        vec![self.graph.map(array, |x| {
            let built = self.build(&mut inner, &[x]);
            shaped(small(x), &built)
        })]
    }

    /// Ends after one to four iterations, by how fast a carry grows.
    fn while_loop(&self, rng: &mut ChaCha8Rng) -> Vec<Expr<'g>> {
        let (first, limit) = (self.pick(rng).tanh(), rng.random_range(0.1..2.0));
        let (total, mut inner) = (0.4 * self.pick(rng).tanh().mean().abs(), fork(rng));
        let (last, total) = self.graph.while_loop_bounded(
            (first, total),
            6,
            |(_, total)| total.less(limit),
            |(y, total)| {
                let built = self.build(&mut inner, &[y, total]);
                (shaped(y, &built), total + 0.5 + y.mean().sigmoid())
            },
        );
        vec![last, total]
    }

    fn cond(&self, rng: &mut ChaCha8Rng) -> Vec<Expr<'g>> {
        let (x, other) = (self.pick(rng), self.pick(rng));
        let (mut then_rng, mut else_rng) = (fork(rng), fork(rng));
        let (a, b) = self.graph.cond(
            other.mean().greater(0.2),
            || {
                let built = self.build(&mut then_rng, &[x, other]);
                (shaped(x, &built), x * 0.5)
            },
            || (shaped(x, &self.build(&mut else_rng, &[x])), other.tanh().mean() * x.cos()),
        );
        vec![a, b]
    }

    fn call(&self, rng: &mut ChaCha8Rng) -> Vec<Expr<'g>> {
        let (x, other) = (self.pick(rng).tanh(), self.pick(rng));
        let mut inner = fork(rng);
        let function = self.graph.function((x, other), |(x, other)| {
            let built = self.build(&mut inner, &[x, other]);
            (shaped(x, &built), small(built[built.len() - 1]))
        });
        let (once, more) = function.call((x, other));
        if rng.random() {
            return vec![once, more];
        }
        let (twice, _) = function.call((once, other.cos()));
        vec![twice, more]
    }

    fn pick(&self, rng: &mut ChaCha8Rng) -> Expr<'g> {
        pick(rng, self.outside)
    }

    /// Something with a leading axis that a loop goes over.
    fn sliceable(&self, rng: &mut ChaCha8Rng) -> Expr<'g> {
        let x = self.pick(rng);
        match x.shape().first().and_then(|size| size.as_number()) {
            None => x.broadcast_to((2,)),
            Some(size) => x.slice(..size.min(MAX_LENGTH)),
        }
    }

    /// Steps from arguments and from some of what is outside, the arguments first.
    fn build(&self, rng: &mut ChaCha8Rng, arguments: &[Expr<'g>]) -> Vec<Expr<'g>> {
        let mut pool = arguments.to_vec();
        (0..rng.random_range(0..=2)).for_each(|_| pool.push(self.pick(rng)));
        for _ in 0..rng.random_range(1..=MAX_STEPS) {
            let next = step(rng, &pool, self.depth);
            pool.extend(next);
        }
        pool
    }
}

/// Random numbers of a body's own.
fn fork(rng: &mut ChaCha8Rng) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(rng.random())
}

/// An array of the shape of x that depends on x and on all of the others.
fn shaped<'g>(x: Expr<'g>, others: &[Expr<'g>]) -> Expr<'g> {
    others.iter().fold(x.sin(), |sum, other| {
        let term = other.tanh();
        if other.shape() == x.shape() { sum + 0.25 * term } else { sum + 0.25 * term.mean() }
    })
}

/// At most two axes of x, so that stacks of it stay small.
fn small(x: Expr<'_>) -> Expr<'_> {
    if x.rank() > 2 { small(x.mean_over(-1)) } else { x }
}

//! Random graphs, to hold a stage against the reference on what nobody thought of.
//!
//! In: a seed. Out: a graph of smooth operations with a scalar result and values for its inputs; the same for the same
//! seed. Values stay near 1 and away from poles, so that derivatives can be compared with differences.

mod nested;

use ndarray::{ArrayD, Axis, IxDyn, Slice};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    graph::{DType, Expr, Graph, NodeId, Value},
    ops::Index,
};

/// A graph with a scalar result, and values at which it is smooth.
#[derive(Debug)]
pub struct RandomGraph {
    /// The graph.
    pub graph: Graph,
    /// Its inputs, all `f64`.
    pub inputs: Vec<NodeId>,
    /// A value for each input.
    pub values: Vec<Value>,
    /// The scalar result, which depends on every input.
    pub result: NodeId,
}

const INPUTS: usize = 3;

/// How deep bodies lie in each other.
const MAX_DEPTH: usize = 2;

/// A random graph of `n_steps` operations with broadcasting, reductions, movements of data, products of matrices, constants
/// whose elements lie in any order, and loops, branches and calls in each other that read values from outside.
///
/// # Example
/// ```
/// let one = pullback::check::random_graph(7, 20);
/// let same = pullback::check::random_graph(7, 20);
/// assert_eq!(one.graph.len(), same.graph.len());
/// ```
#[track_caller]
pub fn random_graph(seed: u64, n_steps: usize) -> RandomGraph {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let graph = Graph::new();
    let mut pool: Vec<Expr<'_>> = Vec::new();
    let mut values = Vec::new();
    for position in 0..INPUTS {
        let rank = rng.random_range(0..=3);
        let shape: Vec<usize> = (0..rank).map(|_| rng.random_range(1..=3)).collect();
        pool.push(graph.input_of(DType::F64, &format!("x{position}"), shape.as_slice()));
        values.push(Value::F64(ArrayD::from_shape_simple_fn(IxDyn(&shape), || rng.random_range(-1.5..1.5))));
    }
    let inputs = pool.iter().map(Expr::id).collect();
    for layout in AxisOrder::ALL {
        let constant = layout.constant(&mut rng);
        pool.push(graph.constant(constant));
    }
    for _ in 0..n_steps {
        let next = step(&mut rng, &pool, MAX_DEPTH);
        pool.extend(next);
    }
    // Every node counts, so that no step is dead.
    let terms = pool.iter().map(|expr| expr.tanh().sum());
    let result = terms.reduce(|sum, term| sum + term).expect("invariant: there are inputs").id();
    RandomGraph { graph, inputs, values, result }
}

/// An order of elements in memory: a constant may have any.
#[derive(Debug, Clone, Copy)]
enum AxisOrder {
    RowMajor,
    ColumnMajor,
    Reversed,
    Stepped,
}

impl AxisOrder {
    const ALL: [AxisOrder; 4] = [AxisOrder::RowMajor, AxisOrder::ColumnMajor, AxisOrder::Reversed, AxisOrder::Stepped];

    /// Numbers of two axes that lie so.
    fn constant(self, rng: &mut ChaCha8Rng) -> Value {
        let [rows, columns] = [rng.random_range(1..=3), rng.random_range(1..=3)];
        let mut draw = |shape: [usize; 2]| ArrayD::from_shape_simple_fn(IxDyn(&shape), || rng.random_range(-1.5..1.5));
        Value::F64(match self {
            AxisOrder::RowMajor => draw([rows, columns]),
            AxisOrder::ColumnMajor => draw([columns, rows]).reversed_axes(),
            AxisOrder::Reversed => {
                let mut array = draw([rows, columns]);
                (0..2).for_each(|axis| array.invert_axis(Axis(axis)));
                array
            }
            AxisOrder::Stepped => {
                let mut array = draw([2 * rows, 2 * columns]);
                (0..2).for_each(|axis| array.slice_axis_inplace(Axis(axis), Slice::new(0, None, 2)));
                array
            }
        })
    }
}

/// The results of one more operation of those there are, in which bodies lie `depth` deep at most.
fn step<'g>(rng: &mut ChaCha8Rng, pool: &[Expr<'g>], depth: usize) -> Vec<Expr<'g>> {
    let (a, b) = (pick(rng, pool), pick(rng, pool));
    if depth > 0 && rng.random_range(0..8) == 0 {
        return nested::nested(rng, pool, depth);
    }
    vec![match rng.random_range(0..4) {
        0 => function(rng, a),
        1 => arithmetic(rng, a, b),
        2 => movement(rng, a),
        _ => contraction(rng, a, b),
    }]
}

fn pick<'g>(rng: &mut ChaCha8Rng, pool: &[Expr<'g>]) -> Expr<'g> {
    pool[rng.random_range(0..pool.len())]
}

fn function<'g>(rng: &mut ChaCha8Rng, x: Expr<'g>) -> Expr<'g> {
    match rng.random_range(0..12) {
        0 => x.tanh(),
        1 => x.sigmoid(),
        2 => x.softplus(),
        3 => x.sin(),
        4 => x.cos(),
        5 => x.erf(),
        6 => x.tanh().exp(),
        7 => (1.5 + x.sin()).log(),
        8 => (1.0 + x * x).sqrt(),
        9 => x.tanh().powi(3),
        10 => (1.5 + x.cos()).pow(x.tanh()),
        _ => x.cos().greater(0.3).select(x.sin(), -0.5 * x),
    }
}

fn arithmetic<'g>(rng: &mut ChaCha8Rng, a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    let (a, b) = together(a.tanh(), b.tanh());
    match rng.random_range(0..6) {
        0 => a + b,
        1 => a - b,
        2 => a * b,
        3 => a / (1.5 + b),
        4 => a.maximum(b + 0.1),
        _ => a.atan2(b + 2.0),
    }
}

/// Both summed over leading axes until they broadcast.
fn together<'g>(a: Expr<'g>, b: Expr<'g>) -> (Expr<'g>, Expr<'g>) {
    let (left, right) = (a.shape(), b.shape());
    let agree = |(left, right): (&crate::graph::Dim, &crate::graph::Dim)| left == right || left.is(1) || right.is(1);
    if left.iter().rev().zip(right.iter().rev()).all(agree) {
        return (a, b);
    }
    if left.rank() >= right.rank() { together(a.sum_over(-1), b) } else { together(a, b.sum_over(-1)) }
}

fn movement<'g>(rng: &mut ChaCha8Rng, x: Expr<'g>) -> Expr<'g> {
    let rank = x.rank();
    if rank == 0 {
        return x.broadcast_to((2,)) * 0.5;
    }
    let axis = rng.random_range(0..rank as i64);
    match rng.random_range(0..8) {
        0 => x.reshape([x.shape().size()]),
        1 if rank >= 2 => x.t(),
        2 => x.reverse(axis),
        3 => x.concat([x.sin()], axis).slice(..x.shape()[0].as_number().unwrap_or(1)),
        4 => x.slice(..1),
        6 => x.concat([x], axis).slice(Index::from(..).step(2)),
        5 if rank < 3 => x
            .unsqueeze(0)
            .broadcast_to(std::iter::once(2.into()).chain(x.shape().iter().cloned()).collect::<crate::graph::Shape>()),
        _ => x.cumulative_sum(axis).tanh(),
    }
}

fn contraction<'g>(rng: &mut ChaCha8Rng, a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    if a.rank() == 0 {
        return a * b.tanh().sum();
    }
    let axis = rng.random_range(0..a.rank() as i64);
    match rng.random_range(0..4) {
        0 => a.sum_over(axis),
        1 => a.max_over(axis),
        2 => a.tanh().prod_over(axis),
        _ => {
            let flat = a.tanh().reshape([a.shape().size()]);
            flat.dot(flat.sin())
        }
    }
}

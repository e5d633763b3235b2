//! Every primitive at its samples: batched is the stacked loop, in every choice of stacked operands, along every axis, for a
//! number of examples that is a number, a symbol, one or none.

use pullback::{
    Dim, Evaluation, Expr, Graph, Shape, Value,
    graph::Op,
    ops::{Sample, samples},
};

use super::{assert_close, bits, declare, declare_as, of_example, stacked, subsets, values};
use crate::primitives::chosen_samples;

const N_EXAMPLES: usize = 3;

/// Operands that differ from example to example, of a sample.
struct Case<'s> {
    sample: &'s Sample,
    is_stacked: Vec<bool>,
    n_examples: usize,
}

impl Case<'_> {
    /// The operands of one example.
    fn operands(&self, k: usize) -> Vec<Value> {
        let value =
            |(operand, is_stacked): (usize, &bool)| of_example(self.sample, operand, if *is_stacked { k } else { 0 });
        self.is_stacked.iter().enumerate().map(value).collect()
    }

    /// The result of each example.
    fn loop_over_examples(&self) -> Vec<Value> {
        let g = Graph::new();
        let name = |operand: usize| format!("x{operand}");
        let xs: Vec<Expr<'_>> =
            self.operands(0).iter().enumerate().map(|(operand, value)| declare(&g, &name(operand), value)).collect();
        let y = g.apply_op(self.sample.op.clone(), &xs);
        let fed = |k: usize| -> Vec<(String, Value)> {
            self.operands(k).into_iter().enumerate().map(|(operand, value)| (name(operand), value)).collect()
        };
        (0..self.n_examples).map(|k| values(&[y], &fed(k), Evaluation::Reference).remove(0)).collect()
    }

    /// The result of all at once, stacked along an axis of each operand as far as it has one, and its type.
    fn at_once(&self, axis: usize, n: &Dim, evaluation: Evaluation) -> Value {
        let g = Graph::new();
        let mut fed = Vec::new();
        let mut pairs = Vec::new();
        let mut xs = Vec::new();
        for (operand, is_stacked) in self.is_stacked.iter().enumerate() {
            let first = of_example(self.sample, operand, 0);
            let name = format!("x{operand}");
            xs.push(declare(&g, &name, &first));
            if !is_stacked {
                fed.push((name, first));
                continue;
            }
            let axis = axis.min(first.shape().len());
            let examples: Vec<Value> = (0..self.n_examples).map(|k| of_example(self.sample, operand, k)).collect();
            let mut dims: Vec<Dim> = Shape::from(first.shape()).to_vec();
            dims.insert(axis, n.clone());
            let name = format!("xs{operand}");
            pairs.push((xs[operand], declare_as(&g, &name, &first, Shape::from(dims)), axis as i64));
            fed.push((name, stacked(&examples, axis)));
        }
        let y = g.apply_op(self.sample.op.clone(), &xs);
        let ys = g.batch(y, pairs);
        let rank = y.rank() as i64;
        assert_eq!(ys.shape()[0], *n, "{}", self.label());
        values(&[ys.move_axis(0, (axis as i64).min(rank))], &fed, evaluation).remove(0)
    }

    fn label(&self) -> String {
        format!("{:?} of {:?}, stacked {:?}", self.sample.op, self.sample.operands, self.is_stacked)
    }

    /// Whether the batch is computed by another kernel than the loop: a convolution that is written out as a product.
    fn has_another_kernel(&self, n: &Dim) -> bool {
        matches!(self.sample.op, Op::Convolution(_)) && self.is_stacked == [true, true] && n.as_number().is_none()
    }
}

fn cases(samples: &[Sample], n_examples: usize) -> impl Iterator<Item = Case<'_>> {
    samples.iter().flat_map(move |sample| {
        subsets(sample.operands.len()).map(move |is_stacked| Case { sample, is_stacked, n_examples })
    })
}

#[test]
fn every_primitive_of_a_batch_is_the_stacked_loop_to_the_bit_for_every_choice_of_operands_and_axes() {
    let samples = chosen_samples();
    let mut n_cases = 0;
    for case in cases(&samples, N_EXAMPLES) {
        let expected = case.loop_over_examples();
        let max_rank = case.sample.operands.iter().map(|operand| operand.shape().len()).max().unwrap_or(0);
        for axis in 0..=max_rank {
            let out = stacked(&expected, axis.min(expected[0].shape().len()));
            for n in [Dim::from(N_EXAMPLES), Dim::symbol("n")] {
                let found = case.at_once(axis, &n, Evaluation::Reference);
                let label = format!("{}, axis {axis}, {n} examples", case.label());
                if case.has_another_kernel(&n) {
                    // At most 24 products of numbers below 1.1, each rounded once, in sums that are kept exact.
                    assert_close(&label, &found, &out, 1e-14);
                } else {
                    assert_eq!(bits(&found), bits(&out), "{label}");
                }
                n_cases += 1;
            }
        }
    }
    assert!(n_cases > 1000 || std::env::var("PRIMITIVE").is_ok(), "{n_cases} cases are few");
}

#[test]
fn every_primitive_of_a_batch_compiles_to_the_stacked_loop() {
    let samples = chosen_samples();
    for case in cases(&samples, N_EXAMPLES) {
        let expected = stacked(&case.loop_over_examples(), 0);
        for n in [Dim::from(N_EXAMPLES), Dim::symbol("n")] {
            // As for the primitives alone: kernels of compiled programs round elsewhere than the reference.
            let tolerance = if expected.dtype() == pullback::DType::F32 { 2e-6 } else { 1e-13 };
            let label = format!("{}, {n} examples", case.label());
            assert_close(&label, &case.at_once(0, &n, Evaluation::Compiled), &expected, tolerance);
        }
    }
}

#[test]
fn a_batch_of_one_and_of_none_have_their_shapes() {
    let samples = chosen_samples();
    for case in cases(&samples, 1) {
        let one = case.loop_over_examples().remove(0);
        for n in [Dim::from(1), Dim::symbol("n")] {
            let found = case.at_once(0, &n, Evaluation::Reference);
            assert_close(&case.label(), &found, &stacked(std::slice::from_ref(&one), 0), 1e-14);
        }
        let mut empty = vec![0];
        empty.extend(one.shape());
        let g = Graph::new();
        for (position, n) in [Dim::from(0), Dim::symbol("n")].into_iter().enumerate() {
            let (y, pairs, fed) = of_none(&g, &case, position, &n);
            for evaluation in [Evaluation::Reference, Evaluation::Compiled] {
                let found = values(&[g.batch(y, pairs.iter().copied())], &fed, evaluation).remove(0);
                assert_eq!(found.shape(), empty, "{} of {n}", case.label());
            }
        }
    }
}

type OfNone<'g> = (Expr<'g>, Vec<(Expr<'g>, Expr<'g>)>, Vec<(String, Value)>);

/// The primitive with empty batches of what is stacked.
fn of_none<'g>(g: &'g Graph, case: &Case<'_>, position: usize, n: &Dim) -> OfNone<'g> {
    let (mut xs, mut pairs, mut fed) = (Vec::new(), Vec::new(), Vec::new());
    for (operand, is_stacked) in case.is_stacked.iter().enumerate() {
        let value = of_example(case.sample, operand, 0);
        let name = format!("x{position}_{operand}");
        xs.push(declare(g, &name, &value));
        if !is_stacked {
            fed.push((name, value));
            continue;
        }
        let name = format!("xs{position}_{operand}");
        let shape: Shape = std::iter::once(n.clone()).chain(Shape::from(value.shape()).to_vec()).collect();
        pairs.push((xs[operand], declare_as(g, &name, &value, shape)));
        let mut sizes = vec![0];
        sizes.extend(value.shape());
        fed.push((name, zeros(&value, &sizes)));
    }
    (g.apply_op(case.sample.op.clone(), &xs), pairs, fed)
}

fn zeros(like: &Value, sizes: &[usize]) -> Value {
    use ndarray::{ArrayD, IxDyn};
    let sizes = IxDyn(sizes);
    match like {
        Value::F32(_) => Value::F32(ArrayD::zeros(sizes)),
        Value::F64(_) => Value::F64(ArrayD::zeros(sizes)),
        Value::I64(_) => Value::I64(ArrayD::zeros(sizes)),
        Value::Bool(_) => Value::Bool(ArrayD::from_elem(sizes, false)),
    }
}

/// Twice over any operands each time, the second time over what was stacked or over what was not.
#[test]
fn every_primitive_of_a_batch_of_batches_is_the_loop_of_loops() {
    const N_OUTER: usize = 2;
    for sample in &chosen_samples() {
        let n_operands = sample.operands.len();
        // Operands by the hundred would have too many choices; concatenation takes any number.
        let choices = || {
            subsets(n_operands.min(3)).map(|mut chosen| {
                chosen.resize(n_operands, false);
                chosen
            })
        };
        for (inner, outer) in choices().flat_map(|inner| choices().map(move |outer| (inner.clone(), outer))) {
            let label = format!("{:?} of {:?}, {inner:?} in {outer:?}", sample.op, sample.operands);
            let example = |operand: usize, i: usize, k: usize| {
                let k = if inner[operand] { k } else { 0 };
                of_example(sample, operand, if outer[operand] { 2 * k + i } else { k })
            };
            let g = Graph::new();
            let (mut xs, mut pairs, mut outer_pairs, mut fed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for operand in 0..n_operands {
                let one = example(operand, 0, 0);
                let row = |i: usize| stacked(&(0..N_EXAMPLES).map(|k| example(operand, i, k)).collect::<Vec<_>>(), 0);
                let x = declare(&g, &format!("x{operand}"), &one);
                let in_rows = if inner[operand] {
                    let rows = declare(&g, &format!("xs{operand}"), &row(0));
                    pairs.push((x, rows));
                    rows
                } else {
                    x
                };
                let of_outer = |i: usize| if inner[operand] { row(i) } else { example(operand, i, 0) };
                if outer[operand] {
                    let all = stacked(&(0..N_OUTER).map(of_outer).collect::<Vec<_>>(), 0);
                    outer_pairs.push((in_rows, declare(&g, &format!("xss{operand}"), &all)));
                    fed.push((format!("xss{operand}"), all));
                } else {
                    fed.push((in_rows.name().expect("an input"), of_outer(0)));
                }
                xs.push(x);
            }
            let y = g.apply_op(sample.op.clone(), &xs);
            let found = values(&[g.batch(g.batch(y, pairs), outer_pairs)], &fed, Evaluation::Reference).remove(0);
            let one = |i: usize, k: usize| {
                let fed: Vec<(String, Value)> =
                    (0..n_operands).map(|operand| (format!("x{operand}"), example(operand, i, k))).collect();
                values(&[y], &fed, Evaluation::Reference).remove(0)
            };
            let row = |i: usize| stacked(&(0..N_EXAMPLES).map(|k| one(i, k)).collect::<Vec<_>>(), 0);
            let expected = stacked(&(0..N_OUTER).map(row).collect::<Vec<_>>(), 0);
            assert_eq!(bits(&found), bits(&expected), "{label}");
        }
    }
}

/// Where a product, a convolution, a gather, a scatter or a triangular solve has one shared operand, that is used as it
/// lies: no primitive repeats it.
#[test]
fn what_is_shared_is_not_repeated_for_products_convolutions_and_gathers() {
    for sample in samples() {
        let shared_without_copies: &[usize] = match sample.op {
            Op::DotGeneral(_) | Op::Convolution(_) | Op::Gather(_) => &[0, 1],
            Op::ScatterAdd(_) => &[1],
            Op::TriangularSolve(_) => &[0],
            _ => continue,
        };
        for shared in shared_without_copies {
            let g = Graph::new();
            let xs: Vec<Expr<'_>> = (0..sample.operands.len())
                .map(|operand| declare(&g, &format!("x{operand}"), &sample.operands[operand]))
                .collect();
            let y = g.apply_op(sample.op.clone(), &xs);
            let others = (0..xs.len()).filter(|operand| operand != shared);
            let pairs: Vec<_> = others
                .map(|operand| {
                    let value = stacked(&vec![sample.operands[operand].clone(); N_EXAMPLES], 0);
                    (xs[operand], declare(&g, &format!("xs{operand}"), &value))
                })
                .collect();
            let ys = g.batch(y, pairs);
            let names: Vec<&str> = g.ancestors(&[ys.id()]).into_iter().map(|id| g.expr(id).op().name()).collect();
            assert!(!names.contains(&"broadcast"), "{:?} with {shared} shared: {names:?}", sample.op);
            assert_eq!(names.iter().filter(|name| **name == sample.op.name()).count(), 1, "{names:?}");
        }
    }
}

//! Products of integers, contracted over axes; slow, since nothing needs them fast. In: two arrays. Out: the sum of
//! products over the contracted axes, for each position along the others. Products of floats are computed by
//! `runtime/matmul`.

use std::ops::Range;

use super::{
    FallbackRun, KernelPart, ResolveContext,
    data::{DataMut, SliceElement},
    partition::Partition,
};
use crate::{graph::DotGeneral as Op, ops::OpError};

/// Where the elements are: for each place along a group of axes, how far it is from the start of an operand.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct IntegerDotKernel {
    /// Along the batch, in the left operand and in the right.
    batch: [Vec<usize>; 2],
    /// Along what is summed over.
    contracted: [Vec<usize>; 2],
    /// Along what only the left operand has, and what only the right one has.
    free: [Vec<usize>; 2],
}

impl IntegerDotKernel {
    pub(super) fn resolve(op: &Op, place: ResolveContext<'_>) -> IntegerDotKernel {
        let shapes = [place.operands[0].1, place.operands[1].1];
        let (batch, contracted) = ([&op.left_batch, &op.right_batch], [&op.left_contract, &op.right_contract]);
        let offsets = |axes: [&[usize]; 2]| [0, 1].map(|side| offsets(shapes[side], axes[side]));
        let free = [0, 1].map(|side| {
            let is_free = |axis: &usize| !batch[side].contains(axis) && !contracted[side].contains(axis);
            (0..shapes[side].len()).filter(is_free).collect::<Vec<usize>>()
        });
        IntegerDotKernel {
            batch: offsets(batch.map(|axes| &axes[..])),
            contracted: offsets(contracted.map(|axes| &axes[..])),
            free: offsets([&free[0], &free[1]]),
        }
    }

    /// Computes rows of the output, each a place along the batch and along what only the left operand has.
    fn sum_products(&self, rows: Range<usize>, [left, right]: [&[i64]; 2], out: &mut [i64]) {
        let [n_rows, n_columns] = [self.free[0].len(), self.free[1].len()];
        if out.is_empty() || self.contracted[0].is_empty() {
            return out.fill(0);
        }
        for (row, out) in rows.zip(out.chunks_exact_mut(n_columns)) {
            let place = row / n_rows;
            let (left, right) =
                (&left[self.batch[0][place] + self.free[0][row % n_rows]..], &right[self.batch[1][place]..]);
            for (out, column) in out.iter_mut().zip(&self.free[1]) {
                let pairs = self.contracted[0].iter().zip(&self.contracted[1]);
                let products = pairs.map(|(at_left, at_right)| left[*at_left].wrapping_mul(right[column + at_right]));
                *out = products.fold(0, i64::wrapping_add);
            }
        }
    }
}

/// How far each place along `axes` is from the start, in row-major order of the axes as they are listed.
fn offsets(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0];
    for axis in axes {
        let stride: usize = shape[axis + 1..].iter().product();
        let steps = |start: usize| (0..shape[*axis]).map(move |step| start + step * stride);
        offsets = offsets.into_iter().flat_map(steps).collect();
    }
    offsets
}

impl FallbackRun for IntegerDotKernel {
    fn partition(&self) -> Partition {
        let n_columns = self.free[1].len();
        Partition::new(self.batch[0].len() * self.free[0].len(), n_columns, n_columns * self.contracted[0].len())
    }

    fn run(&self, KernelPart { units, operands, out, .. }: KernelPart<'_>) -> Result<(), OpError> {
        let DataMut::I64(out) = out else {
            unreachable!("invariant: products of floats are no kernels of this folder")
        };
        self.sum_products(units, [SliceElement::as_slice(&operands[0]), SliceElement::as_slice(&operands[1])], out);
        Ok(())
    }
}

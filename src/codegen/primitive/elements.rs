//! Short primitives, element by element. In: a primitive with the scalars of its operands. Out: the scalars of its output.

use super::super::{index::AffineIndex, ir::ScalarId, lower::PlanLowering};
use super::{Lanes, lows, strides_of};
use crate::{
    graph::{
        Binary, Comparison, Connective, DType, Op, Orientation, Pad, ScanDirection, Triangle, TriangularSolve, Unary,
    },
    plan::{Function, ScalarValue, WholeArrays, count, offsets},
};

impl PlanLowering<'_, '_> {
    /// The elements of a primitive, one by one.
    pub(in crate::codegen) fn unrolled_primitive(&mut self, arrays: &WholeArrays, op: &Op) -> Vec<ScalarId> {
        let operands: Vec<Vec<ScalarId>> = arrays
            .operands
            .iter()
            .map(|operand| {
                let offsets: Vec<isize> = offsets(&operand.layout).collect();
                offsets.iter().map(|offset| self.read(operand.vertex, &AffineIndex::constant(*offset))).collect()
            })
            .collect();
        let n_outputs = count(&arrays.sizes);
        match op {
            Op::Iota(iota) => self.positions(arrays, iota.axis),
            Op::Concat(concat) => joined(&operands, count(&arrays.sizes[..concat.axis])),
            Op::Pad(pad) => {
                let zero = self.shared.builder.number(ScalarValue::new(arrays.dtype, 0.0));
                let mut elements = vec![zero; n_outputs];
                let inner = arrays.operands[0].layout.sizes();
                let low = lows(pad, &self.shared.bindings);
                let places = padded_places(pad, &low, &inner, &arrays.sizes);
                places.zip(&operands[0]).for_each(|(place, element)| elements[place] = *element);
                elements
            }
            Op::CumulativeSum(sum) => {
                let mut elements = operands[0].clone();
                let lanes = Lanes::of(&arrays.sizes, sum.axis);
                for_lanes(lanes, sum.direction, |before, place| {
                    elements[place] = self.shared.builder.binary(Binary::Add, elements[before], elements[place]);
                });
                elements
            }
            Op::LinearRecurrence(recurrence) => {
                let mut elements = operands[1].clone();
                let lanes = Lanes::of(&arrays.sizes, recurrence.axis);
                for_lanes(lanes, recurrence.direction, |before, place| {
                    let product = self.shared.builder.binary(Binary::Mul, operands[0][place], elements[before]);
                    elements[place] = self.shared.builder.binary(Binary::Add, product, elements[place]);
                });
                elements
            }
            Op::Cholesky(_) => self.unrolled_cholesky(&operands[0], arrays),
            Op::TriangularSolve(solve) => self.unrolled_solve(&operands, arrays, solve),
            other => unreachable!("invariant: `{}` is not written out", other.name()),
        }
    }

    /// Positions along an axis, as numbers.
    fn positions(&mut self, arrays: &WholeArrays, axis: usize) -> Vec<ScalarId> {
        let lanes = Lanes::of(&arrays.sizes, axis);
        let position = |element: usize| ScalarValue::integer(arrays.dtype, (element / lanes.inner % lanes.size) as i64);
        (0..count(&arrays.sizes)).map(|element| self.shared.builder.number(position(element))).collect()
    }

    fn unrolled_solve(
        &mut self,
        operands: &[Vec<ScalarId>],
        arrays: &WholeArrays,
        solve: &TriangularSolve,
    ) -> Vec<ScalarId> {
        let n = arrays.operands[0].layout.axes.last().map_or(0, |axis| axis.size);
        let n_right = arrays.sizes.last().copied().unwrap_or(0);
        let n_matrices = count(&arrays.sizes).checked_div(n * n_right).unwrap_or(0);
        let mut x = operands[1].clone();
        for matrix in 0..n_matrices {
            let a = &operands[0][matrix * n * n..(matrix + 1) * n * n];
            let x = &mut x[matrix * n * n_right..(matrix + 1) * n * n_right];
            self.substitute(a, x, (n, n_right), (solve.triangle, solve.orientation));
        }
        x
    }

    fn unrolled_cholesky(&mut self, a: &[ScalarId], arrays: &WholeArrays) -> Vec<ScalarId> {
        let n = arrays.sizes.last().copied().unwrap_or(0);
        let builder = &mut self.shared.builder;
        let [zero, half, nan] =
            [0.0, 0.5, f64::NAN].map(|number| builder.number(ScalarValue::new(arrays.dtype, number)));
        let mut elements = vec![zero; a.len()];
        for start in (0..a.len()).step_by((n * n).max(1)) {
            let mut is_positive: Option<ScalarId> = None;
            for column in 0..n {
                for row in column..n {
                    let (one, other) = (a[start + row * n + column], a[start + column * n + row]);
                    // Both halves count alike; of an element of the diagonal, or one that is the same twice, the mean is itself.
                    let mut rest = one;
                    if one != other {
                        let sum = builder.binary(Binary::Add, one, other);
                        rest = builder.binary(Binary::Mul, sum, half);
                    }
                    for k in 0..column {
                        let (left, right) = (elements[start + row * n + k], elements[start + column * n + k]);
                        let product = builder.binary(Binary::Mul, left, right);
                        rest = builder.binary(Binary::Sub, rest, product);
                    }
                    elements[start + row * n + column] = if row > column {
                        builder.binary(Binary::Div, rest, elements[start + column * n + column])
                    } else {
                        let greater = Function::Comparison(Comparison::Greater);
                        let holds = builder.apply(greater, &[rest, zero], DType::Bool);
                        is_positive = Some(match is_positive {
                            None => holds,
                            Some(before) => {
                                builder.apply(Function::Connective(Connective::And), &[before, holds], DType::Bool)
                            }
                        });
                        builder.unary(Unary::Sqrt, rest)
                    };
                }
            }
            let Some(is_positive) = is_positive else { continue };
            for element in &mut elements[start..start + n * n] {
                *element = builder.apply(Function::Select, &[is_positive, *element, nan], arrays.dtype);
            }
        }
        elements
    }

    /// Replaces B by X, row by row from the end where a row of the triangle has one element.
    fn substitute(
        &mut self,
        a: &[ScalarId],
        x: &mut [ScalarId],
        (n, n_right): (usize, usize),
        (triangle, orientation): (Triangle, Orientation),
    ) {
        let is_lower = (triangle == Triangle::Lower) == (orientation == Orientation::Plain);
        let at = |row: usize, column: usize| match orientation {
            Orientation::Plain => a[row * n + column],
            Orientation::Transposed => a[column * n + row],
        };
        for step in 0..n {
            let row = if is_lower { step } else { n - 1 - step };
            let known = if is_lower { 0..row } else { row + 1..n };
            for column in 0..n_right {
                let mut rest = x[row * n_right + column];
                for other in known.clone() {
                    let product = self.shared.builder.binary(Binary::Mul, at(row, other), x[other * n_right + column]);
                    rest = self.shared.builder.binary(Binary::Sub, rest, product);
                }
                x[row * n_right + column] = self.shared.builder.binary(Binary::Div, rest, at(row, row));
            }
        }
    }
}

/// Where each element of the operand of a padding goes.
fn padded_places<'p>(
    pad: &'p Pad,
    low: &'p [isize],
    inner: &'p [usize],
    sizes: &[usize],
) -> impl Iterator<Item = usize> + 'p {
    let strides = strides_of(sizes);
    (0..count(inner)).map(move |element| {
        let mut rest = element;
        let mut place = 0;
        for axis in (0..inner.len()).rev() {
            let position = rest % inner[axis];
            rest /= inner[axis];
            place += (position * (pad.interior[axis] + 1) + low[axis] as usize) * strides[axis];
        }
        place
    })
}

/// The elements of operands one after another, in each of the parts before the axis.
fn joined(operands: &[Vec<ScalarId>], n_parts: usize) -> Vec<ScalarId> {
    let mut elements = Vec::new();
    for part in 0..n_parts {
        for operand in operands {
            let len = operand.len() / n_parts;
            elements.extend_from_slice(&operand[part * len..(part + 1) * len]);
        }
    }
    elements
}

/// Each place along the lanes of an axis but the first, with the place before it.
fn for_lanes(lanes: Lanes, direction: ScanDirection, mut each: impl FnMut(usize, usize)) {
    for lane in 0..lanes.outer * lanes.inner {
        let start = lane / lanes.inner * lanes.size * lanes.inner + lane % lanes.inner;
        let place = |step: usize| {
            let position = if direction == ScanDirection::Forward { step } else { lanes.size - 1 - step };
            start + position * lanes.inner
        };
        (1..lanes.size).for_each(|step| each(place(step - 1), place(step)));
    }
}

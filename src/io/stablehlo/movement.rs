//! Primitives that move elements, and powers and casts. In: operands and attributes. Out: lines of the text.

use std::slice::from_ref;

use super::{
    error::StableHloError,
    lower::Lowering,
    writer::{Line, Tensor, TensorType, axes, integers},
};
use crate::graph::{DType, Gather, Pad, ScatterAdd, Slice};

impl Lowering<'_> {
    /// xⁿ by squarings, from the least bit of n on; the reciprocal of that for a negative n.
    pub(super) fn integer_power(&mut self, x: &Tensor, exponent: i64) -> Tensor {
        let writer = &mut self.writer;
        let one = writer.number(1.0, x.ty.clone());
        if i32::try_from(exponent).is_err() {
            let exponent = writer.number(exponent as f64, x.ty.clone());
            return writer.same("stablehlo.power", &[x.clone(), exponent]);
        }
        let (mut power, mut square, mut bits) = (None, x.clone(), exponent.unsigned_abs());
        while bits > 0 {
            if bits & 1 == 1 {
                power = Some(match power {
                    None => square.clone(),
                    Some(power) => writer.same("stablehlo.multiply", &[power, square.clone()]),
                });
            }
            bits >>= 1;
            if bits > 0 {
                square = writer.same("stablehlo.multiply", &[square.clone(), square]);
            }
        }
        let power = power.unwrap_or_else(|| one.clone());
        if exponent < 0 { writer.same("stablehlo.divide", &[one, power]) } else { power }
    }

    /// Of floats to integers the fraction goes, what is too great is the greatest, and NaN is 0.
    pub(super) fn cast(&mut self, x: &Tensor, ty: &TensorType) -> Tensor {
        let writer = &mut self.writer;
        if x.ty == *ty {
            return x.clone();
        }
        if *ty == x.ty.of(DType::Bool) {
            let zero = writer.number(0.0, x.ty.clone());
            return writer.compare("NE", x, &zero);
        }
        let converted = writer.plain("stablehlo.convert", from_ref(x), ty.clone());
        if *ty != x.ty.of(DType::I64) || !x.dtype().is_float() {
            return converted;
        }
        // What the conversion gives for these is left open.
        const BOUND: f64 = 9_223_372_036_854_775_808.0;
        let [low, high] = [-BOUND, BOUND].map(|bound| writer.number(bound, x.ty.clone()));
        let [least, greatest, zero] = [i64::MIN, i64::MAX, 0].map(|number| writer.integer(number, ty.sizes.clone()));
        let [is_low, is_high, is_nan] =
            [("LT", &low), ("GE", &high), ("NE", x)].map(|(direction, bound)| writer.compare(direction, x, bound));
        let converted = writer.select(&is_low, &least, &converted);
        let converted = writer.select(&is_high, &greatest, &converted);
        writer.select(&is_nan, &zero, &converted)
    }

    pub(super) fn transpose(&mut self, x: &Tensor, permutation: &[usize]) -> Tensor {
        let sizes: Vec<usize> = permutation.iter().map(|axis| x.sizes()[*axis]).collect();
        let operands = [x.clone()];
        let line =
            Line::new("stablehlo.transpose", &operands).attributes(format!("permutation = {}", integers(permutation)));
        self.writer.one(line, x.ty.with_sizes(sizes))
    }

    pub(super) fn slice(&mut self, slice: &Slice, x: &Tensor, ty: &TensorType) -> Result<Tensor, StableHloError> {
        let (start, stop) = (self.numbers(&slice.start)?, self.numbers(&slice.stop)?);
        Ok(self.sliced(x, (&start, &stop, &slice.step), ty))
    }

    /// Elements from a start to a stop by a step along each axis.
    pub(super) fn sliced(
        &mut self,
        x: &Tensor,
        (start, stop, step): (&[i64], &[i64], &[usize]),
        ty: &TensorType,
    ) -> Tensor {
        // A stop beyond the last element that is taken may lie beyond the array.
        let limit = |(axis, stop): (usize, &i64)| (*stop).min(x.sizes()[axis] as i64);
        let limits: Vec<i64> = stop.iter().enumerate().map(limit).collect();
        let (start, limits, step) = (integers(start), integers(limits), integers(step));
        let operands = [x.clone()];
        let line = Line::new("stablehlo.slice", &operands)
            .attributes(format!("start_indices = {start}, limit_indices = {limits}, strides = {step}"));
        self.writer.one(line, ty.clone())
    }

    pub(super) fn pad(&mut self, pad: &Pad, x: &Tensor, ty: &TensorType) -> Result<Tensor, StableHloError> {
        let (low, high) = (self.numbers(&pad.low)?, self.numbers(&pad.high)?);
        let zero = self.writer.number(0.0, x.ty.with_sizes([]));
        Ok(self.padded(x, &zero, (&low, &high, &pad.interior), ty))
    }

    /// A number around and between the elements.
    pub(super) fn padded(
        &mut self,
        x: &Tensor,
        filling: &Tensor,
        (low, high, interior): (&[i64], &[i64], &[usize]),
        ty: &TensorType,
    ) -> Tensor {
        let (low, high, interior) = (integers(low), integers(high), integers(interior));
        let operands = [x.clone(), filling.clone()];
        let line = Line::new("stablehlo.pad", &operands)
            .attributes(format!("edge_padding_low = {low}, edge_padding_high = {high}, interior_padding = {interior}"));
        self.writer.one(line, ty.clone())
    }

    pub(super) fn concat(&mut self, operands: &[Tensor], axis: usize, ty: &TensorType) -> Tensor {
        let line = Line::new("stablehlo.concatenate", operands).attributes(format!("dimension = {axis} : i64"));
        self.writer.one(line, ty.clone())
    }

    pub(super) fn reverse(&mut self, x: &Tensor, along: &[usize]) -> Tensor {
        let operands = [x.clone()];
        let line = Line::new("stablehlo.reverse", &operands).attributes(format!("dimensions = {}", integers(along)));
        self.writer.one(line, x.ty.clone())
    }

    /// An index beyond the axis, which is an error of a run here, is taken for the nearest that there is.
    pub(super) fn gather(&mut self, gather: &Gather, operands: &[Tensor], ty: &TensorType) -> Tensor {
        let Gather { axis, batch } = *gather;
        let (x, index) = (&operands[0], &operands[1]);
        let sizes =
            x.sizes().iter().enumerate().map(|(place, size)| if place < batch || place == axis { 1 } else { *size });
        let numbers = dimension_numbers(gather, x, index);
        let attributes = format!(
            "dimension_numbers = #stablehlo.gather<offset_dims = {}, collapsed_slice_dims = [{axis}], operand_batching_dims = {}, \
             start_indices_batching_dims = {}, start_index_map = [{axis}], index_vector_dim = {}>, slice_sizes = {}, \
             indices_are_sorted = false",
            numbers.offset,
            numbers.batching,
            numbers.batching,
            index.rank(),
            integers(sizes),
        );
        self.writer.one(Line::new("stablehlo.gather", operands).attributes(attributes), ty.clone())
    }

    /// An index beyond the axis, which is an error of a run here, adds nothing.
    pub(super) fn scatter_add(&mut self, scatter: &ScatterAdd, operands: &[Tensor]) -> Tensor {
        let ScatterAdd { axis, batch } = *scatter;
        let (base, index) = (&operands[0], &operands[1]);
        if operands[2].ty.is_empty() {
            return base.clone();
        }
        let numbers = dimension_numbers(&Gather { axis, batch }, base, index);
        let attributes = format!(
            "scatter_dimension_numbers = #stablehlo.scatter<update_window_dims = {}, inserted_window_dims = [{axis}], \
             input_batching_dims = {}, scatter_indices_batching_dims = {}, scatter_dims_to_operand_dims = [{axis}], \
             index_vector_dim = {}>, indices_are_sorted = false, unique_indices = false",
            numbers.offset,
            numbers.batching,
            numbers.batching,
            index.rank(),
        );
        let scalar = base.ty.with_sizes([]);
        let sum = self
            .writer
            .scalars(&[scalar.clone(), scalar], |writer, numbers| vec![writer.same("stablehlo.add", numbers)]);
        let line = Line::new("stablehlo.scatter", operands).attributes(attributes).regions([sum]);
        self.writer.one(line, base.ty.clone())
    }
}

/// What gather and scatter say of axes.
struct DimensionNumbers {
    /// The axes of the output that are axes of x.
    offset: String,
    /// The axes that x and the index share.
    batching: String,
}

fn dimension_numbers(gather: &Gather, x: &Tensor, index: &Tensor) -> DimensionNumbers {
    let Gather { axis, batch } = *gather;
    let n_picked = index.rank() - batch;
    let offset = (batch..axis).chain(axis + n_picked..x.rank() - 1 + n_picked);
    DimensionNumbers { offset: axes(offset), batching: axes(0..batch) }
}

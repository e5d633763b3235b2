//! Products, convolutions, factorizations of matrices and Fourier transforms. In: operands and attributes. Out: lines of the text.

use std::slice::from_ref;

use super::{
    error::StableHloError,
    lower::Lowering,
    writer::{Element, Line, Tensor, TensorType, axes, integers},
};
use crate::graph::{Convolution, DType, DotGeneral, Fft, Orientation, Triangle, TriangularSolve};

/// Accelerators round factors to fewer digits unless they are told otherwise.
const PRECISION: &str = "precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]";

impl Lowering<'_> {
    pub(super) fn dot(&mut self, dot: &DotGeneral, operands: &[Tensor], ty: &TensorType) -> Tensor {
        let attributes = format!(
            "dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = {}, rhs_batching_dimensions = {}, \
             lhs_contracting_dimensions = {}, rhs_contracting_dimensions = {}>, {PRECISION}",
            axes(&dot.left_batch),
            axes(&dot.right_batch),
            axes(&dot.left_contract),
            axes(&dot.right_contract),
        );
        self.writer.one(Line::new("stablehlo.dot_general", operands).attributes(attributes), ty.clone())
    }

    pub(super) fn convolution(
        &mut self,
        convolution: &Convolution,
        operands: &[Tensor],
        ty: &TensorType,
    ) -> Result<Tensor, StableHloError> {
        let (low, high) = (self.numbers(&convolution.low)?, self.numbers(&convolution.high)?);
        let padding: Vec<String> = low.iter().zip(&high).map(|(low, high)| format!("[{low}, {high}]")).collect();
        let spatial: Vec<String> = (0..low.len()).map(|axis| format!(", {axis}")).collect();
        let spatial = spatial.concat();
        let attributes = format!(
            "window_strides = {}, padding = dense<[{}]> : tensor<{}x2xi64>, lhs_dilation = {}, rhs_dilation = {}, \
             dimension_numbers = #stablehlo.conv<[b, f{spatial}]x[o, i{spatial}]->[b, f{spatial}]>, \
             feature_group_count = {} : i64, batch_group_count = 1 : i64, {PRECISION}",
            integers(&convolution.stride),
            padding.join(", "),
            padding.len(),
            integers(&convolution.input_dilation),
            integers(&convolution.kernel_dilation),
            convolution.groups,
        );
        Ok(self.writer.one(Line::new("stablehlo.convolution", operands).attributes(attributes), ty.clone()))
    }

    /// Of (A + Aᵀ)/2; what is above the diagonal is left open and becomes 0.
    pub(super) fn cholesky(&mut self, a: &Tensor) -> Tensor {
        let rank = a.rank();
        let swapped: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
        let transposed = self.transpose(a, &swapped);
        let writer = &mut self.writer;
        let half = writer.number(0.5, a.ty.clone());
        let sum = writer.same("stablehlo.add", &[a.clone(), transposed]);
        let operands = [writer.same("stablehlo.multiply", &[sum, half])];
        let line = Line::new("stablehlo.cholesky", &operands).attributes("lower = true");
        let factor = writer.one(line, a.ty.clone());
        let positions = a.ty.of(DType::I64);
        let [rows, columns] = [rank - 2, rank - 1].map(|axis| writer.iota(axis, positions.clone()));
        let is_lower = writer.compare("GE", &rows, &columns);
        let zero = writer.number(0.0, a.ty.clone());
        writer.select(&is_lower, &factor, &zero)
    }

    pub(super) fn triangular_solve(&mut self, solve: &TriangularSolve, operands: &[Tensor]) -> Tensor {
        let is_lower = solve.triangle == Triangle::Lower;
        let transpose = match solve.orientation {
            Orientation::Plain => "NO_TRANSPOSE",
            Orientation::Transposed => "TRANSPOSE",
        };
        let attributes = format!(
            "left_side = true, lower = {is_lower}, unit_diagonal = false, transpose_a = #stablehlo<transpose {transpose}>"
        );
        let line = Line::new("stablehlo.triangular_solve", operands).attributes(attributes);
        self.writer.one(line, operands[1].ty.clone())
    }

    /// The transposed transform is the conjugate of that of the conjugate.
    pub(super) fn fft(&mut self, fft: &Fft, x: &Tensor, ty: &TensorType) -> Tensor {
        let rank = x.rank();
        let n = x.sizes()[rank - 1];
        let row_sizes: Vec<usize> = x.sizes()[..rank - 2].iter().copied().chain([1, n]).collect();
        let row = x.ty.with_sizes(row_sizes);
        let step = vec![1; rank];
        let [real, imaginary] = [0, 1].map(|which| {
            let mut start = vec![0; rank];
            let mut stop: Vec<i64> = x.sizes().iter().map(|size| *size as i64).collect();
            (start[rank - 2], stop[rank - 2]) = (which, which + 1);
            self.sliced(x, (&start, &stop, &step), &row)
        });
        let imaginary = self.conjugated(fft, imaginary);
        let complex = TensorType { element: Element::Complex(x.dtype()), sizes: row.sizes.clone() };
        let numbers = self.writer.plain("stablehlo.complex", &[real, imaginary], complex.clone());
        let operands = [numbers];
        let line = Line::new("stablehlo.fft", &operands)
            .attributes(format!("fft_type = #stablehlo<fft_type FFT>, fft_length = {}", integers([n])));
        let transformed = self.writer.one(line, complex);
        let [real, imaginary] = ["stablehlo.real", "stablehlo.imag"]
            .map(|part| self.writer.plain(part, from_ref(&transformed), row.clone()));
        let imaginary = self.conjugated(fft, imaginary);
        self.concat(&[real, imaginary], rank - 2, ty)
    }

    fn conjugated(&mut self, fft: &Fft, imaginary: Tensor) -> Tensor {
        match fft.orientation {
            Orientation::Plain => imaginary,
            Orientation::Transposed => self.writer.same("stablehlo.negate", &[imaginary]),
        }
    }
}

//! Convolutions over any number of spatial axes. In: sizes, strides and an instruction set; then operands. Out: the
//! outputs, in tasks that may run on any threads. Gradients are convolutions too, so nothing here knows of them.
//!
//! A convolution is computed as a product of weights `[o, (c, k)]` and patches `[(c, k), (n, p)]`. Patches are never in
//! memory as a whole: tiles read them from a padded copy of a few channels and images, where rows of outputs fill vectors, and else a
//! panel of them at a time is packed from there. Dilated
//! input, as in the gradient of a strided convolution, is decomposed into phases before, so that no zero between its
//! elements is multiplied.
#![expect(unsafe_code, reason = "kernels read and write memory that the plan has laid out")]

mod border;
mod descriptor;
mod geometry;
mod padded_input;
mod patches;
mod phases;
mod plan;
mod run;
#[cfg(test)]
mod tests;

pub(crate) use descriptor::{ConvolutionDescriptor, ConvolutionOperands, SpatialAxis};
pub(crate) use plan::ConvolutionPlan;

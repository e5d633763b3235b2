//! Rules that look at a parameter as a whole. In: one array, its gradient and what is kept of it. Out: both moved. Parameters
//! know nothing of each other; they are visited in the order of the layout.

use super::{
    OptimizerError,
    elementwise::{Elementwise, descend_slices},
    rule::{Arrays, Update},
};
use crate::{
    graph::DType,
    parameters::{Real, Slot},
};

/// A step, as what becomes of one parameter, an array of any shape, with its gradient and `N` arrays that are kept.
pub(super) trait Parameterwise<const N: usize> {
    /// Moves it. What is made of its elements may overflow: hyperparameters were checked before.
    fn update<T: Real + Into<f64>>(&self, of: Parameter<'_, T, N>);
}

/// The elements of one parameter, in row-major order.
pub(super) struct Parameter<'a, T, const N: usize> {
    pub(super) elements: &'a mut [T],
    pub(super) gradient: &'a [T],
    kept: [&'a mut [T]; N],
}

impl<T: Real, const N: usize> Parameter<'_, T, N> {
    /// Does the same with each element, in one pass.
    pub(super) fn descend<const K: usize>(self, rule: impl Elementwise<N, K>) {
        descend_slices(rule, self.elements, self.gradient, self.kept);
    }
}

/// The level of a rule by parameter.
pub(super) struct ByParameter<R>(pub(super) R);

impl<R: Parameterwise<N>, const N: usize> Update<N> for ByParameter<R> {
    fn apply(self, mut of: Arrays<'_, N>) -> Result<(), OptimizerError> {
        for (_, slot) in of.gradients.layout().iter() {
            match slot.dtype {
                DType::F32 => self.0.update(parameter::<f32, N>(&mut of, slot)),
                DType::F64 => self.0.update(parameter::<f64, N>(&mut of, slot)),
                DType::I64 | DType::Bool => unreachable!("invariant: a layout holds floats only"),
            }
        }
        Ok(())
    }
}

fn parameter<'a, T: Real, const N: usize>(of: &'a mut Arrays<'_, N>, slot: &Slot) -> Parameter<'a, T, N> {
    let range = || slot.range.clone();
    Parameter {
        elements: &mut of.parameters.flat_mut::<T>()[range()],
        gradient: &of.gradients.flat::<T>()[range()],
        kept: of.kept.each_mut().map(|buffers| &mut buffers.flat_mut::<T>()[range()]),
    }
}

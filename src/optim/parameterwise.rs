//! Rules that look at a parameter as a whole. In: one array, its gradient and what is kept of it. Out: both moved. Parameters
//! know nothing of each other; they are visited in the order of the layout.

use super::{
    OptimizerError,
    alignment::Run,
    elementwise::{Elementwise, descend_slices},
    rule::{Update, UpdateArrays},
};
use crate::{
    graph::DType,
    parameters::{Buffers, FloatElement, Layout, Slot},
};

/// A step, as what becomes of one parameter, an array of any shape, with its gradient and `N` arrays that are kept.
pub(super) trait Parameterwise<const N: usize> {
    /// How many elements of scratch memory an array of that shape takes.
    fn n_scratch(shape: &[usize]) -> usize;

    /// Moves it. What is made of its elements may overflow: hyperparameters were checked before.
    fn update<T: FloatElement + Into<f64>>(&self, parameter: ParameterSlices<'_, T, N>);
}

/// The elements of one parameter, in row-major order.
pub(super) struct ParameterSlices<'a, T, const N: usize> {
    pub(super) shape: &'a [usize],
    pub(super) elements: &'a mut [T],
    pub(super) gradient: &'a [T],
    pub(super) kept: [&'a mut [T]; N],
    /// Memory that no array finds as another left it: at least as many elements as were asked for.
    pub(super) scratch: &'a mut [T],
}

impl<T: FloatElement, const N: usize> ParameterSlices<'_, T, N> {
    /// Does the same with each element, in one pass.
    pub(super) fn descend<const K: usize>(self, rule: impl Elementwise<N, K>) {
        descend_slices(rule, self.elements, self.gradient, self.kept);
    }
}

/// The level of a rule by parameter.
pub(super) struct ByParameter<R>(pub(super) R);

impl<R: Parameterwise<N>, const N: usize> Update<N> for ByParameter<R> {
    /// Its numbers were checked when it was made.
    fn check(&self) -> Result<(), OptimizerError> {
        Ok(())
    }

    fn apply(self, mut arrays: UpdateArrays<'_, N>) {
        make_scratch::<R, N>(&mut arrays);
        let alignment = arrays.alignment;
        for ((_, slot), run) in alignment.part().iter().zip(alignment.slots()) {
            match slot.dtype {
                DType::F32 => self.0.update(parameter::<f32, N>(&mut arrays, slot, *run)),
                DType::F64 => self.0.update(parameter::<f64, N>(&mut arrays, slot, *run)),
                DType::I64 | DType::Bool => unreachable!("invariant: a layout holds floats only"),
            }
        }
    }
}

/// As much scratch memory of each dtype as the array takes that takes most.
fn make_scratch<R: Parameterwise<N>, const N: usize>(arrays: &mut UpdateArrays<'_, N>) {
    let layout = arrays.alignment.part();
    let most = |dtype| {
        let slots = layout.iter().filter(|(_, slot)| slot.dtype == dtype);
        slots.map(|(_, slot)| R::n_scratch(&slot.shape)).max().unwrap_or(0)
    };
    let [f32s, f64s] = [DType::F32, DType::F64].map(most);
    if arrays.scratch.elements::<f32>().len() < f32s || arrays.scratch.elements::<f64>().len() < f64s {
        let scratch = Layout::new([("f32", DType::F32, vec![f32s]), ("f64", DType::F64, vec![f64s])]);
        *arrays.scratch =
            Buffers::zeros(scratch.expect("invariant: two arrays that are no larger than the parameters"));
    }
}

fn parameter<'a, T: FloatElement, const N: usize>(
    arrays: &'a mut UpdateArrays<'_, N>,
    slot: &'a Slot,
    run: Run,
) -> ParameterSlices<'a, T, N> {
    let Run { part, parameters, gradients, n_elements } = run;
    ParameterSlices {
        shape: &slot.shape,
        elements: &mut arrays.parameters.elements_mut::<T>()[parameters..][..n_elements],
        gradient: &arrays.gradients.elements::<T>()[gradients..][..n_elements],
        kept: arrays.kept.each_mut().map(|buffers| &mut buffers.elements_mut::<T>()[part..][..n_elements]),
        scratch: arrays.scratch.elements_mut(),
    }
}

//! What a step did, as numbers for each array. In: parameters before and after a step, and its gradients. Out: norms and their
//! quotients by name. Nothing is kept, and nothing is changed.

use super::{
    Gradients, ParameterError, Parameters,
    arithmetic::{norm_of, norm_of_slice},
    buffers::{Buffers, FloatElement},
    layout::Slot,
};
use crate::graph::DType;

impl Buffers {
    /// Names and Euclidean norms of the arrays, each as [`Buffers::norm`] is that of all, in the order of the layout.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, parameters::{Gradients, Layout}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut gradients = Gradients::zeros(Layout::new([("a", DType::F32, vec![2]), ("b", DType::F64, vec![1])])?);
    /// gradients.flat_mut::<f32>()?.copy_from_slice(&[3.0, 4.0]);
    /// assert_eq!(gradients.norms().collect::<Vec<_>>(), [("a", 5.0), ("b", 0.0)]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "grad_norm")]
    pub fn norms(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        self.layout().iter().map(|(name, slot)| (name, self.norm_of_slot(slot)))
    }

    fn norm_of_slot(&self, slot: &Slot) -> f64 {
        match slot.dtype {
            DType::F32 => norm_of_slice(&self.elements::<f32>()[slot.range.clone()]),
            DType::F64 => norm_of_slice(&self.elements::<f64>()[slot.range.clone()]),
            DType::I64 | DType::Bool => unreachable!("invariant: a layout holds floats only"),
        }
    }
}

impl Parameters {
    /// By name, how far a step moved an array relative to its length: ‖θ − θ′‖ / ‖θ′‖, with θ′ = `before`. Of a healthy training it
    /// is about 10⁻³; NaN where an array of zeros was not moved, infinite where it was.
    ///
    /// # Errors
    /// `before` has another layout.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Gradients, Parameters, optim::{Optimizer, Sgd}, parameters::Layout};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![2])])?);
    /// parameters.flat_mut::<f64>()?.copy_from_slice(&[3.0, 4.0]);
    /// let mut gradients = Gradients::zeros(parameters.layout().clone());
    /// gradients.flat_mut::<f64>()?[0] = 2.0;
    /// let before = parameters.clone();
    /// Sgd::new(0.25).step(&mut parameters, &gradients)?;
    /// assert_eq!(parameters.update_ratios(&before)?, [("w", 0.1)]);
    /// assert_eq!(parameters.effective_rates(&before, &gradients)?, [("w", 0.25)]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "update_to_weight")]
    pub fn update_ratios(&self, before: &Parameters) -> Result<Vec<(&str, f64)>, ParameterError> {
        self.check_layout_of(before)?;
        let ratio = |(name, slot)| (name, self.distance(before, slot) / before.norm_of_slot(slot));
        Ok(self.layout().iter().map(ratio).collect())
    }

    /// By name, the rate at which plain descent would have moved an array as far: ‖θ − θ′‖ / ‖g‖, for each array that has a
    /// gradient. NaN where a gradient of zeros moved nothing, infinite where it moved something.
    ///
    /// # Errors
    /// `before` has another layout, or there are gradients of what is no parameter.
    #[doc(alias = "effective_learning_rate")]
    pub fn effective_rates<'a>(
        &self,
        before: &Parameters,
        gradients: &'a Gradients,
    ) -> Result<Vec<(&'a str, f64)>, ParameterError> {
        self.check_layout_of(before)?;
        if gradients.layout().first_beside(self.layout()).is_some() {
            let (expected, found) = (gradients.layout().clone(), self.layout().clone());
            return Err(ParameterError::OtherLayout { expected, found });
        }
        let rate = |(name, norm): (&'a str, f64)| {
            let slot = self.layout().get(name).expect("invariant: it was just seen to be there");
            (name, self.distance(before, slot) / norm)
        };
        Ok(gradients.norms().map(rate).collect())
    }

    fn check_layout_of(&self, before: &Parameters) -> Result<(), ParameterError> {
        if self.layout() == before.layout() {
            return Ok(());
        }
        let (expected, found) = (self.layout().clone(), before.layout().clone());
        Err(ParameterError::OtherLayout { expected, found })
    }

    /// The Euclidean distance of an array here and there.
    fn distance(&self, other: &Parameters, slot: &Slot) -> f64 {
        match slot.dtype {
            DType::F32 => distance_of_slices::<f32>(self, other, slot),
            DType::F64 => distance_of_slices::<f64>(self, other, slot),
            DType::I64 | DType::Bool => unreachable!("invariant: a layout holds floats only"),
        }
    }
}

fn distance_of_slices<T: FloatElement + Into<f64>>(left: &Buffers, right: &Buffers, slot: &Slot) -> f64 {
    let elements = |buffers| &Buffers::elements::<T>(buffers)[slot.range.clone()];
    let (left, right) = (elements(left), elements(right));
    let differences = || left.iter().zip(right).map(|(&x, &y)| x.into() - y.into());
    norm_of(
        |scale| differences().map(|x| (scale * x) * (scale * x)).sum(),
        || differences().fold(0.0, |largest, x| x.abs().max(largest)),
    )
}

//! Arithmetic on flat buffers. In: gradients, and numbers or buffers of the same layout. Out: the gradients scaled, added
//! to or clipped in place, and norms. Every function is one or two passes over flat memory by the caller's thread, in an
//! order that depends on the sizes alone. No update of a parameter here: that is an optimizer's.

use std::sync::Arc;

use super::{
    Gradients,
    buffers::{Buffers, FloatElement},
    error::ParameterError,
    layout::Slot,
};
use crate::{
    graph::DType,
    vectorize::{self, Loop},
};

impl Buffers {
    /// The Euclidean norm of all elements of all arrays together, √Σx², summed in f64.
    ///
    /// It neither overflows nor underflows where the result does not. NaN where an element is NaN, else infinite where one
    /// is infinite.
    ///
    /// # Complexity
    /// One pass; two where the sum of squares leaves the normal numbers.
    ///
    /// # Source
    /// Blue, *A portable Fortran program to find the Euclidean norm of a vector*, 1978 (scale only where it is needed).
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, parameters::{Gradients, Layout}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let layout = Layout::new([("a", DType::F32, vec![1]), ("b", DType::F64, vec![1])])?;
    /// let mut gradients = Gradients::zeros(layout);
    /// gradients.flat_mut::<f32>()?[0] = 3.0;
    /// gradients.flat_mut::<f64>()?[0] = -4.0;
    /// assert_eq!(gradients.norm(), 5.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn norm(&self) -> f64 {
        norm_of(
            |scale| self.sum_of_squares(scale),
            || largest(self.elements::<f32>()).max(largest(self.elements::<f64>())),
        )
    }

    /// Σ(scale·x)².
    fn sum_of_squares(&self, scale: f64) -> f64 {
        sum_of_squares(self.elements::<f32>(), scale) + sum_of_squares(self.elements::<f64>(), scale)
    }
}

impl Gradients {
    /// All zero again, to accumulate anew.
    #[doc(alias = "zero_grad")]
    pub fn clear(&mut self) {
        self.elements_mut::<f32>().fill(0.0);
        self.elements_mut::<f64>().fill(0.0);
    }

    /// g ← factor·g. The mean of `n` accumulated gradients is `scale(1.0 / n)`.
    ///
    /// The factor is rounded to each array's dtype. A factor that is not finite is applied as it is.
    pub fn scale(&mut self, factor: f64) {
        scale::<f32>(self, factor);
        scale::<f64>(self, factor);
    }

    /// g ← g + other, which accumulates the gradients of several minibatches.
    ///
    /// # Errors
    /// `other` has another layout; nothing is changed then.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, parameters::{Gradients, Layout}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut sum = Gradients::zeros(Layout::new([("w", DType::F64, vec![1])])?);
    /// let mut of_a_minibatch = sum.clone();
    /// for number in [1.0, 2.0, 6.0] {
    ///     of_a_minibatch.flat_mut::<f64>()?[0] = number;
    ///     sum.add(&of_a_minibatch)?;
    /// }
    /// sum.scale(1.0 / 3.0);
    /// assert_eq!(sum.flat::<f64>()?, [3.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add(&mut self, other: &Gradients) -> Result<(), ParameterError> {
        self.add_scaled(1.0, other)
    }

    /// g ← g + factor·other, where `other` may have further arrays. With the parameters as `other` this is weight decay: the
    /// gradient of factor/2·‖θ‖² is added to that of the loss, for those that have one.
    ///
    /// Before an adaptive rule this differs from [`AdamW`](crate::optim::AdamW), which decays apart from the gradient.
    /// Clip before or after, as is meant: PyTorch clips first.
    ///
    /// # Errors
    /// `other` lacks one of these arrays, or has it of another type or in another order, or the factor is not finite in a dtype
    /// that there is; nothing is changed then.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, parameters::{Gradients, Layout, Parameters}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![1])])?);
    /// parameters.flat_mut::<f64>()?[0] = 8.0;
    /// let mut gradients = Gradients::zeros(parameters.layout().clone());
    /// gradients.add_scaled(0.25, &parameters)?;
    /// assert_eq!(gradients.flat::<f64>()?, [2.0]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "axpy")]
    pub fn add_scaled(&mut self, factor: f64, other: &Buffers) -> Result<(), ParameterError> {
        let (expected, found) = (self.layout(), other.layout());
        let is_same = Arc::ptr_eq(expected, found) || expected == found;
        if !is_same && expected.first_beside(found).is_some() {
            let (expected, found) = (Arc::clone(expected), Arc::clone(found));
            return Err(ParameterError::OtherLayout { expected, found });
        }
        let holds = |dtype| if dtype == DType::F32 { (factor as f32).is_finite() } else { factor.is_finite() };
        let is_there = |dtype: &DType| self.layout().n_elements_of(*dtype) > 0;
        if let Some(dtype) = [DType::F32, DType::F64].into_iter().filter(is_there).find(|dtype| !holds(*dtype)) {
            return Err(ParameterError::Factor { factor, dtype });
        }
        if is_same {
            add_scaled(self.elements_mut::<f32>(), factor, other.elements());
            add_scaled(self.elements_mut::<f64>(), factor, other.elements());
            return Ok(());
        }
        let layout = Arc::clone(self.layout());
        for (name, Slot { dtype, range, .. }) in layout.iter() {
            let others = other.layout().get(name).expect("invariant: it was just seen to be there").range.clone();
            match dtype {
                DType::F32 => {
                    add_scaled(&mut self.elements_mut::<f32>()[range.clone()], factor, &other.elements()[others])
                }
                DType::F64 => {
                    add_scaled(&mut self.elements_mut::<f64>()[range.clone()], factor, &other.elements()[others])
                }
                DType::I64 | DType::Bool => unreachable!("invariant: a layout holds floats only"),
            }
        }
        Ok(())
    }

    /// Clips by norm: g ← g·min(1, largest/‖g‖), where ‖g‖ is the [norm](Buffers::norm) of all gradients together. Returns
    /// the norm that there was.
    ///
    /// A norm that is NaN or infinite is returned and nothing is changed, since no factor would make such gradients finite.
    /// PyTorch divides by ‖g‖ + 10⁻⁶ instead.
    ///
    /// # Errors
    /// `largest` is NaN or negative; nothing is changed then.
    ///
    /// # Source
    /// Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks*, 2013, Algorithm 1.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, parameters::{Gradients, Layout}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut gradients = Gradients::zeros(Layout::new([("w", DType::F64, vec![2])])?);
    /// gradients.flat_mut::<f64>()?.copy_from_slice(&[3.0, 4.0]);
    /// assert_eq!(gradients.clip_norm(2.5)?, 5.0);
    /// assert_eq!(gradients.flat::<f64>()?, [1.5, 2.0]);
    /// assert!(gradients.clip_norm(-1.0).is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("clip_grad_norm", "clip_by_global_norm"))]
    pub fn clip_norm(&mut self, largest: f64) -> Result<f64, ParameterError> {
        check_limit(largest)?;
        let norm = self.norm();
        if norm.is_finite() && norm > largest {
            self.scale(largest / norm);
        }
        Ok(norm)
    }

    /// Clips by value: each element to [−largest, largest]. NaN stays NaN.
    ///
    /// # Errors
    /// `largest` is NaN or negative; nothing is changed then.
    #[doc(alias = "clip_grad_value")]
    pub fn clip_value(&mut self, largest: f64) -> Result<(), ParameterError> {
        check_limit(largest)?;
        clip::<f32>(self, largest);
        clip::<f64>(self, largest);
        Ok(())
    }
}

/// The Euclidean norm of some elements, as [`Buffers::norm`] is that of all.
pub(crate) fn norm_of_slice<T: FloatElement + Into<f64>>(elements: &[T]) -> f64 {
    norm_of(|scale| sum_of_squares(elements, scale), || largest(elements))
}

/// The largest |x|, 0 if there is none.
fn largest<T: FloatElement + Into<f64>>(elements: &[T]) -> f64 {
    elements.iter().fold(0.0, |largest, &x| x.into().abs().max(largest))
}

/// √Σx², given Σ(scale·x)² for any scale and the largest |x|, which are asked for where Σx² leaves the normal numbers.
pub(crate) fn norm_of(sum_of_squares: impl Fn(f64) -> f64, largest: impl FnOnce() -> f64) -> f64 {
    let sum = sum_of_squares(1.0);
    if sum.is_nan() || (MIN_SUM..f64::INFINITY).contains(&sum) {
        return sum.sqrt();
    }
    let largest = largest();
    if largest == 0.0 || largest.is_infinite() {
        return largest;
    }
    // A power of two, so that scaling rounds nothing but what is too small to matter.
    let scale = libm::exp2(f64::from(-libm::ilogb(largest)).clamp(-1000.0, 1000.0));
    sum_of_squares(scale).sqrt() / scale
}

/// Sums of squares from here on have lost nothing that matters to underflow, even of 2⁶⁴ elements.
const MIN_SUM: f64 = 1e-270;

fn check_limit(limit: f64) -> Result<(), ParameterError> {
    if limit >= 0.0 { Ok(()) } else { Err(ParameterError::Limit { limit }) }
}

/// The number of partial sums: four of the widest registers of f64, to hide how long an addition takes.
const N_LANES: usize = 32;

fn sum_of_squares<T: FloatElement + Into<f64>>(elements: &[T], scale: f64) -> f64 {
    struct SquareSumLoop<'a, T> {
        elements: &'a [T],
        scale: f64,
        result: &'a mut f64,
    }
    impl<T: FloatElement + Into<f64>> Loop for SquareSumLoop<'_, T> {
        #[inline(always)]
        fn run(self) {
            let mut lanes = [0.0; N_LANES];
            let (rows, rest) = self.elements.as_chunks::<N_LANES>();
            let square = |x: T| {
                let x = self.scale * x.into();
                x * x
            };
            for row in rows {
                // Sums apart from those before, or the compiler makes them one by one.
                let mut next = lanes;
                for lane in 0..N_LANES {
                    next[lane] += square(row[lane]);
                }
                lanes = next;
            }
            lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane += square(x));
            *self.result = lanes.iter().sum();
        }
    }
    let mut result = 0.0;
    vectorize::run(SquareSumLoop { elements, scale, result: &mut result });
    result
}

/// What is done to each element.
struct MapLoop<'a, T, F> {
    elements: &'a mut [T],
    function: F,
}

impl<T: FloatElement, F: Fn(T) -> T> Loop for MapLoop<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        self.elements.iter_mut().for_each(|x| *x = (self.function)(*x));
    }
}

fn scale<T: FloatElement>(gradients: &mut Gradients, factor: f64) {
    let factor = T::from_f64(factor);
    vectorize::run(MapLoop { elements: gradients.elements_mut::<T>(), function: |x| factor * x });
}

fn clip<T: FloatElement>(gradients: &mut Gradients, largest: f64) {
    let largest = T::from_f64(largest);
    let function = |x: T| {
        let below = if x > largest { largest } else { x };
        if below < -largest { -largest } else { below }
    };
    vectorize::run(MapLoop { elements: gradients.elements_mut::<T>(), function });
}

fn add_scaled<T: FloatElement>(elements: &mut [T], factor: f64, others: &[T]) {
    struct AddScaledLoop<'a, T> {
        elements: &'a mut [T],
        factor: T,
        others: &'a [T],
    }
    impl<T: FloatElement> Loop for AddScaledLoop<'_, T> {
        #[inline(always)]
        fn run(self) {
            self.elements.iter_mut().zip(self.others).for_each(|(x, &y)| *x += self.factor * y);
        }
    }
    let factor = T::from_f64(factor);
    vectorize::run(AddScaledLoop { elements, factor, others });
}

//! Flat memory with names. In: a [`Layout`]. Out: [`Buffers`], one contiguous aligned buffer per dtype, read and
//! written whole or by name. It neither grows nor changes its layout.

use std::{fmt, sync::Arc};

use aligned_vec::{AVec, ConstAlign};
use ndarray::{ArrayViewD, ArrayViewMutD, NdFloat};

use super::{
    error::ParameterError,
    layout::{ALIGNMENT, Layout, Slot},
};
use crate::{
    graph::{AsView, DType, Element, ValueView, ValueViewMut},
    memory,
};

type AlignedBuffer<T> = AVec<T, ConstAlign<ALIGNMENT>>;

/// Named float arrays in one contiguous buffer per dtype, each aligned to [`ALIGNMENT`] bytes.
///
/// What [`Parameters`](super::Parameters), [`Gradients`](super::Gradients) and the state of an optimizer are made of,
/// so that an update, a norm or a checkpoint is one pass over flat memory.
///
/// # Example
/// ```
/// use pullback::{DType, parameters::{Buffers, Layout}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut buffers = Buffers::zeros(Layout::new([("a", DType::F32, vec![2]), ("b", DType::F64, vec![2, 2])])?);
/// buffers.array_mut::<f64>("b")?[[1, 0]] = 3.0;
/// assert_eq!(buffers.flat::<f64>()?, [0.0, 0.0, 3.0, 0.0]);
/// let names: Vec<&str> = buffers.iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["a", "b"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Buffers {
    layout: Arc<Layout>,
    f32s: AlignedBuffer<f32>,
    f64s: AlignedBuffer<f64>,
}

/// A float that parameters can be made of: `f32` or `f64`.
pub trait FloatElement: Element + NdFloat + sealed::Stored {
    /// The nearest number of this type, infinite where `number` is too large.
    fn from_f64(number: f64) -> Self;
}

mod sealed {
    /// Which of the buffers holds this type.
    pub trait Stored: Sized {
        fn stored(buffers: &super::Buffers) -> &[Self];
        fn stored_mut(buffers: &mut super::Buffers) -> &mut [Self];
    }
}

impl Buffers {
    /// All zero, in `layout`.
    pub fn zeros(layout: impl Into<Arc<Layout>>) -> Buffers {
        let layout = layout.into();
        let f32s = zeros(layout.n_elements_of(DType::F32));
        let f64s = zeros(layout.n_elements_of(DType::F64));
        Buffers { layout, f32s, f64s }
    }

    /// [`Buffers::zeros`], or how many bytes of memory cannot be had.
    pub(crate) fn try_zeros(layout: Arc<Layout>) -> Result<Buffers, usize> {
        let bytes = [DType::F32, DType::F64].map(|dtype| layout.n_elements_of(dtype).saturating_mul(dtype.size()));
        match bytes.into_iter().find(|bytes| !memory::is_available(*bytes)) {
            Some(bytes) => Err(bytes),
            None => Ok(Buffers::zeros(layout)),
        }
    }

    /// Where each array is.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Takes `layout` in place of an equal one of its own, so that the next comparison is one of addresses. Returns whether
    /// they are equal.
    pub(crate) fn share_layout(&mut self, layout: &Arc<Layout>) -> bool {
        if Arc::ptr_eq(&self.layout, layout) {
            return true;
        }
        let is_equal = self.layout == *layout;
        if is_equal {
            self.layout = Arc::clone(layout);
        }
        is_equal
    }

    /// Names and arrays, in the order of the layout.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, ValueView<'_>)> {
        self.layout.iter().map(|(name, slot)| (name, self.view_of(slot)))
    }

    /// Names, in the order of the layout.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.layout.names()
    }

    /// The number of arrays.
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Whether there is no array.
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }

    /// The number of elements of all arrays together.
    pub fn n_elements(&self) -> usize {
        self.layout.n_elements()
    }

    /// All elements of one dtype, array after array.
    ///
    /// # Errors
    /// [`ParameterError::NoneOfDType`] if there are arrays, and none is of this dtype.
    #[doc(alias("parameters_to_vector", "ravel_pytree"))]
    pub fn flat<T: FloatElement>(&self) -> Result<&[T], ParameterError> {
        self.check_any_of(T::DTYPE)?;
        Ok(self.elements())
    }

    /// All elements of one dtype, array after array, to write.
    ///
    /// # Errors
    /// As [`Buffers::flat`].
    pub fn flat_mut<T: FloatElement>(&mut self) -> Result<&mut [T], ParameterError> {
        self.check_any_of(T::DTYPE)?;
        Ok(self.elements_mut())
    }

    fn check_any_of(&self, dtype: DType) -> Result<(), ParameterError> {
        match self.layout.iter().next() {
            Some((_, slot)) if self.layout.iter().all(|(_, slot)| slot.dtype != dtype) => {
                Err(ParameterError::NoneOfDType { asked: dtype, found: slot.dtype })
            }
            _ => Ok(()),
        }
    }

    /// All elements of one dtype, array after array; none if no array is of it.
    pub(crate) fn elements<T: FloatElement>(&self) -> &[T] {
        T::stored(self)
    }

    /// All elements of one dtype to write.
    pub(crate) fn elements_mut<T: FloatElement>(&mut self) -> &mut [T] {
        T::stored_mut(self)
    }

    /// All arrays at once, in the order of the layout, to write.
    pub fn views_mut(&mut self) -> impl Iterator<Item = ValueViewMut<'_>> {
        let (mut f32s, mut f64s) = (&mut self.f32s[..], &mut self.f64s[..]);
        self.layout.iter().map(move |(_, slot)| match slot.dtype {
            DType::F32 => ValueViewMut::F32(split_first(&mut f32s, slot)),
            DType::F64 => ValueViewMut::F64(split_first(&mut f64s, slot)),
            DType::I64 | DType::Bool => unreachable!("invariant: a layout holds floats only"),
        })
    }

    /// The array of that name, whatever its dtype.
    pub fn view(&self, name: &str) -> Option<ValueView<'_>> {
        self.layout.get(name).map(|slot| self.view_of(slot))
    }

    /// The array at a position of the layout.
    pub(crate) fn view_at(&self, position: usize) -> ValueView<'_> {
        self.view_of(self.layout.slot_at(position))
    }

    /// The array of that name.
    ///
    /// # Errors
    /// The name is unknown, or the elements are not `T`.
    pub fn array<T: FloatElement>(&self, name: &str) -> Result<ArrayViewD<'_, T>, ParameterError> {
        Ok(self.array_of(self.slot::<T>(name)?))
    }

    /// The array of that name, to write.
    ///
    /// # Errors
    /// The name is unknown, or the elements are not `T`.
    pub fn array_mut<T: FloatElement>(&mut self, name: &str) -> Result<ArrayViewMutD<'_, T>, ParameterError> {
        let Slot { shape, range, .. } = self.slot::<T>(name)?.clone();
        let elements = &mut T::stored_mut(self)[range];
        Ok(ArrayViewMutD::from_shape(shape, elements).expect("invariant: a slot has its shape's number of elements"))
    }

    /// Copies `value`, of any strides, into the array of that name.
    ///
    /// # Errors
    /// The name is unknown, or the dtype or the shape is another; nothing is written then. Nothing is cast or
    /// broadcast.
    pub fn set(&mut self, name: &str, value: impl AsView) -> Result<(), ParameterError> {
        match value.as_view() {
            ValueView::F32(array) => self.assign(name, &array),
            ValueView::F64(array) => self.assign(name, &array),
            other => Err(self.wrong_dtype(name, other.dtype())),
        }
    }

    /// The elements of the array of that name, in row-major order, to write.
    pub(super) fn slice_mut<T: FloatElement>(&mut self, name: &str) -> Result<&mut [T], ParameterError> {
        let range = self.slot::<T>(name)?.range.clone();
        Ok(&mut T::stored_mut(self)[range])
    }

    fn assign<T: FloatElement>(&mut self, name: &str, value: &ArrayViewD<'_, T>) -> Result<(), ParameterError> {
        let mut target = self.array_mut::<T>(name)?;
        if target.shape() != value.shape() {
            let (expected, found) = (target.shape().to_vec(), value.shape().to_vec());
            return Err(ParameterError::WrongShape { name: name.to_owned(), expected, found });
        }
        target.assign(value);
        Ok(())
    }

    fn slot<T: FloatElement>(&self, name: &str) -> Result<&Slot, ParameterError> {
        let of_this_dtype = self.layout.get(name).filter(|slot| slot.dtype == T::DTYPE);
        of_this_dtype.ok_or_else(|| self.wrong_dtype(name, T::DTYPE))
    }

    /// The error of asking for `found` where the name is unknown or means another dtype.
    fn wrong_dtype(&self, name: &str, found: DType) -> ParameterError {
        match self.layout.get(name) {
            Some(slot) => ParameterError::WrongDType { name: name.to_owned(), expected: slot.dtype, found },
            None => ParameterError::unknown(name, &self.layout),
        }
    }

    fn view_of(&self, slot: &Slot) -> ValueView<'_> {
        match slot.dtype {
            DType::F32 => ValueView::F32(self.array_of(slot)),
            DType::F64 => ValueView::F64(self.array_of(slot)),
            DType::I64 | DType::Bool => unreachable!("invariant: a layout holds floats only"),
        }
    }

    fn array_of<T: FloatElement>(&self, slot: &Slot) -> ArrayViewD<'_, T> {
        let elements = &T::stored(self)[slot.range.clone()];
        ArrayViewD::from_shape(slot.shape.as_slice(), elements)
            .expect("invariant: a slot has its shape's number of elements")
    }
}

/// Takes the array of the next slot off the front of `rest`: slots are dense and in order.
fn split_first<'a, T>(rest: &mut &'a mut [T], slot: &Slot) -> ArrayViewMutD<'a, T> {
    let (first, others) = std::mem::take(rest).split_at_mut(slot.range.len());
    *rest = others;
    ArrayViewMutD::from_shape(slot.shape.as_slice(), first)
        .expect("invariant: a slot has its shape's number of elements")
}

fn zeros<T: FloatElement>(n_elements: usize) -> AlignedBuffer<T> {
    let mut elements = AVec::with_capacity(ALIGNMENT, n_elements);
    elements.resize(n_elements, T::zero());
    elements
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers::zeros(Layout::default())
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

macro_rules! real {
    ($type:ident, $buffer:ident) => {
        impl sealed::Stored for $type {
            fn stored(buffers: &Buffers) -> &[$type] {
                &buffers.$buffer
            }

            fn stored_mut(buffers: &mut Buffers) -> &mut [$type] {
                &mut buffers.$buffer
            }
        }

        impl FloatElement for $type {
            fn from_f64(number: f64) -> $type {
                number as $type
            }
        }
    };
}
real!(f32, f32s);
real!(f64, f64s);

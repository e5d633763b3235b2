//! What can be fed to a program and written by one: scalars, slices, vectors and arrays, owned or borrowed. In: any of them. Out:
//! a [`ValueView`] or a [`ValueViewMut`] of it.

use ndarray::{ArrayBase, ArrayViewMutD, Data, DataMut, Dimension, IxDyn};

use super::value::{Element, Value, ValueView, ValueViewMut};

/// Something whose elements can be looked at as an array of one of the four dtypes: a number (no axes), a slice, an array of Rust
/// or a vector (one axis), an array of ndarray, a [`Value`], and a reference to any of them.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::AsView;
/// assert_eq!(0.5f32.as_view().ty().to_string(), "f32[]");
/// assert_eq!([1i64, 2, 3].as_view().ty().to_string(), "i64[3]");
/// assert_eq!((&array![[1.0f64, 2.0]]).as_view().ty().to_string(), "f64[1, 2]");
/// ```
pub trait AsView {
    /// A view of the whole.
    fn as_view(&self) -> ValueView<'_>;
}

/// Something whose elements can be written as those of an array; see [`AsView`].
pub trait AsViewMut {
    /// A view of the whole, to write.
    fn as_view_mut(&mut self) -> ValueViewMut<'_>;
}

macro_rules! scalar {
    ($($type:ty),*) => {$(
        impl AsView for $type {
            fn as_view(&self) -> ValueView<'_> {
                <$type>::wrap_view(ndarray::aview0(self).into_dyn())
            }
        }

        impl AsViewMut for $type {
            fn as_view_mut(&mut self) -> ValueViewMut<'_> {
                let view = ArrayViewMutD::from_shape(IxDyn(&[]), std::slice::from_mut(self));
                <$type>::wrap_view_mut(view.expect("invariant: a scalar has one element"))
            }
        }
    )*};
}
scalar!(f32, f64, i64, bool);

impl<T: Element> AsView for [T] {
    fn as_view(&self) -> ValueView<'_> {
        T::wrap_view(ndarray::aview1(self).into_dyn())
    }
}

impl<T: Element> AsViewMut for [T] {
    fn as_view_mut(&mut self) -> ValueViewMut<'_> {
        T::wrap_view_mut(ndarray::aview_mut1(self).into_dyn())
    }
}

impl<T: Element, const N: usize> AsView for [T; N] {
    fn as_view(&self) -> ValueView<'_> {
        self.as_slice().as_view()
    }
}

impl<T: Element, const N: usize> AsViewMut for [T; N] {
    fn as_view_mut(&mut self) -> ValueViewMut<'_> {
        self.as_mut_slice().as_view_mut()
    }
}

impl<T: Element> AsView for Vec<T> {
    fn as_view(&self) -> ValueView<'_> {
        self.as_slice().as_view()
    }
}

impl<T: Element> AsViewMut for Vec<T> {
    fn as_view_mut(&mut self) -> ValueViewMut<'_> {
        self.as_mut_slice().as_view_mut()
    }
}

impl<T: Element, S: Data<Elem = T>, D: Dimension> AsView for ArrayBase<S, D> {
    fn as_view(&self) -> ValueView<'_> {
        T::wrap_view(self.view().into_dyn())
    }
}

impl<T: Element, S: DataMut<Elem = T>, D: Dimension> AsViewMut for ArrayBase<S, D> {
    fn as_view_mut(&mut self) -> ValueViewMut<'_> {
        T::wrap_view_mut(self.view_mut().into_dyn())
    }
}

impl AsView for Value {
    fn as_view(&self) -> ValueView<'_> {
        self.view()
    }
}

impl AsViewMut for Value {
    fn as_view_mut(&mut self) -> ValueViewMut<'_> {
        self.view_mut()
    }
}

impl AsView for ValueView<'_> {
    fn as_view(&self) -> ValueView<'_> {
        self.clone().reborrow()
    }
}

impl AsViewMut for ValueViewMut<'_> {
    fn as_view_mut(&mut self) -> ValueViewMut<'_> {
        self.reborrow()
    }
}

impl<A: AsView + ?Sized> AsView for &A {
    fn as_view(&self) -> ValueView<'_> {
        (**self).as_view()
    }
}

impl<A: AsViewMut + ?Sized> AsViewMut for &mut A {
    fn as_view_mut(&mut self) -> ValueViewMut<'_> {
        (**self).as_view_mut()
    }
}

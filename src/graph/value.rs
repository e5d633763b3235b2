//! Arrays at the border. In: ndarray arrays and views of any rank. Out: [`Value`] and [`ValueView`], whose dtype is
//! known at run time. No arithmetic here.

use std::fmt;

use ndarray::{Array, ArrayD, ArrayViewD, ArrayViewMutD, Dimension, IxDyn};

use super::{dtype::DType, shape::Type};

/// An owned array of one of the four dtypes.
///
/// `R` stands for `f64` wherever a user meets it; the checks evaluate graphs over dual numbers in its place.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::Value;
/// let value = Value::from(array![1.0f32, 2.0]);
/// assert_eq!(value.shape(), [2]);
/// assert_eq!(value.array::<f32>().unwrap()[[1]], 2.0);
/// assert!(value.array::<f64>().is_none());
/// assert_eq!(Value::from(vec![1.0f32, 2.0]), value);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Value<R = f64> {
    /// 32-bit floats.
    F32(ArrayD<f32>),
    /// 64-bit floats.
    F64(ArrayD<R>),
    /// 64-bit integers.
    I64(ArrayD<i64>),
    /// Truth values.
    Bool(ArrayD<bool>),
}

/// A borrowed array of one of the four dtypes, of any strides: of ndarray's arrays and views, of slices and vectors as arrays
/// of one axis, and of numbers.
///
/// # Example
/// ```
/// use pullback::Graph;
/// let g = Graph::new();
/// let mut program = g.compile(g.input("x", ("n",)).sum())?;
/// let x = vec![1.0f32, 2.0, 3.0];
/// assert_eq!(program.call(("x", &x))?["result"], 6.0f32.into());
/// assert_eq!(program.call(("x", &x[1..]))?["result"], 5.0f32.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum ValueView<'a> {
    /// 32-bit floats.
    F32(ArrayViewD<'a, f32>),
    /// 64-bit floats.
    F64(ArrayViewD<'a, f64>),
    /// 64-bit integers.
    I64(ArrayViewD<'a, i64>),
    /// Truth values.
    Bool(ArrayViewD<'a, bool>),
}

/// An array of one of the four dtypes, of any strides, to be written.
#[derive(Debug, PartialEq)]
pub enum ValueViewMut<'a> {
    /// 32-bit floats.
    F32(ArrayViewMutD<'a, f32>),
    /// 64-bit floats.
    F64(ArrayViewMutD<'a, f64>),
    /// 64-bit integers.
    I64(ArrayViewMutD<'a, i64>),
    /// Truth values.
    Bool(ArrayViewMutD<'a, bool>),
}

/// Runs `$body` with `$array` bound to whichever array is inside.
macro_rules! each_dtype {
    ($kind:ident, $value:expr, $array:ident => $body:expr) => {
        match $value {
            $kind::F32($array) => $body,
            $kind::F64($array) => $body,
            $kind::I64($array) => $body,
            $kind::Bool($array) => $body,
        }
    };
}

impl<R> Value<R> {
    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        match self {
            Value::F32(_) => DType::F32,
            Value::F64(_) => DType::F64,
            Value::I64(_) => DType::I64,
            Value::Bool(_) => DType::Bool,
        }
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        each_dtype!(Value, self, array => array.shape())
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        each_dtype!(Value, self, array => array.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dtype and the sizes together.
    pub fn ty(&self) -> Type {
        Type::new(self.dtype(), self.shape())
    }
}

impl Value {
    /// Zeros, or `false`.
    pub fn zeros(dtype: DType, shape: &[usize]) -> Value {
        let shape = IxDyn(shape);
        match dtype {
            DType::F32 => Value::F32(ArrayD::zeros(shape)),
            DType::F64 => Value::F64(ArrayD::zeros(shape)),
            DType::I64 => Value::I64(ArrayD::zeros(shape)),
            DType::Bool => Value::Bool(ArrayD::from_elem(shape, false)),
        }
    }

    /// The array inside, if its elements are `T`.
    pub fn array<T: Element>(&self) -> Option<&ArrayD<T>> {
        T::unwrap(self)
    }

    /// The one element, if this is a `T` with exactly one.
    #[doc(alias = "item")]
    pub fn scalar<T: Element>(&self) -> Option<T> {
        let array = self.array::<T>()?;
        let mut elements = array.iter();
        elements.next().copied().filter(|_| elements.next().is_none())
    }

    /// A view of the whole.
    pub fn view(&self) -> ValueView<'_> {
        match self {
            Value::F32(array) => ValueView::F32(array.view()),
            Value::F64(array) => ValueView::F64(array.view()),
            Value::I64(array) => ValueView::I64(array.view()),
            Value::Bool(array) => ValueView::Bool(array.view()),
        }
    }
}

impl Value {
    /// The same array with its elements in row-major order in memory, copied only if they are not.
    pub(crate) fn into_row_major(self) -> Value {
        fn settle<T: Clone>(array: ArrayD<T>) -> ArrayD<T> {
            if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() }
        }
        match self {
            Value::F32(array) => Value::F32(settle(array)),
            Value::F64(array) => Value::F64(settle(array)),
            Value::I64(array) => Value::I64(settle(array)),
            Value::Bool(array) => Value::Bool(settle(array)),
        }
    }

    /// Whether the elements lie in row-major order in memory without gaps.
    pub(crate) fn is_row_major(&self) -> bool {
        each_dtype!(Value, self, array => array.is_standard_layout())
    }

    /// A view of the whole, to write.
    pub fn view_mut(&mut self) -> ValueViewMut<'_> {
        match self {
            Value::F32(array) => ValueViewMut::F32(array.view_mut()),
            Value::F64(array) => ValueViewMut::F64(array.view_mut()),
            Value::I64(array) => ValueViewMut::I64(array.view_mut()),
            Value::Bool(array) => ValueViewMut::Bool(array.view_mut()),
        }
    }
}

impl ValueViewMut<'_> {
    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        match self {
            ValueViewMut::F32(_) => DType::F32,
            ValueViewMut::F64(_) => DType::F64,
            ValueViewMut::I64(_) => DType::I64,
            ValueViewMut::Bool(_) => DType::Bool,
        }
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        each_dtype!(ValueViewMut, self, array => array.shape())
    }

    /// A view to read.
    pub fn view(&self) -> ValueView<'_> {
        match self {
            ValueViewMut::F32(array) => ValueView::F32(array.view()),
            ValueViewMut::F64(array) => ValueView::F64(array.view()),
            ValueViewMut::I64(array) => ValueView::I64(array.view()),
            ValueViewMut::Bool(array) => ValueView::Bool(array.view()),
        }
    }

    /// The array inside to write, if its elements are `T`.
    pub fn array_mut<T: Element>(&mut self) -> Option<ArrayViewMutD<'_, T>> {
        T::unwrap_view_mut(self.reborrow())
    }

    /// The same view for a shorter time.
    pub(super) fn reborrow(&mut self) -> ValueViewMut<'_> {
        match self {
            ValueViewMut::F32(array) => ValueViewMut::F32(array.view_mut()),
            ValueViewMut::F64(array) => ValueViewMut::F64(array.view_mut()),
            ValueViewMut::I64(array) => ValueViewMut::I64(array.view_mut()),
            ValueViewMut::Bool(array) => ValueViewMut::Bool(array.view_mut()),
        }
    }
}

impl<'a> ValueView<'a> {
    /// The same view for a shorter time: ndarray's views do not shorten by themselves.
    pub(crate) fn reborrow<'b>(self) -> ValueView<'b>
    where
        'a: 'b,
    {
        match self {
            ValueView::F32(array) => ValueView::F32(array.reborrow()),
            ValueView::F64(array) => ValueView::F64(array.reborrow()),
            ValueView::I64(array) => ValueView::I64(array.reborrow()),
            ValueView::Bool(array) => ValueView::Bool(array.reborrow()),
        }
    }
}

impl ValueView<'_> {
    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        match self {
            ValueView::F32(_) => DType::F32,
            ValueView::F64(_) => DType::F64,
            ValueView::I64(_) => DType::I64,
            ValueView::Bool(_) => DType::Bool,
        }
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        each_dtype!(ValueView, self, array => array.shape())
    }

    /// The dtype and the sizes together.
    pub fn ty(&self) -> Type {
        Type::new(self.dtype(), self.shape())
    }

    /// The array inside, if its elements are `T`.
    pub fn array<T: Element>(&self) -> Option<ArrayViewD<'_, T>> {
        T::unwrap_view(self.clone().reborrow())
    }

    /// An owned copy in standard layout.
    pub fn to_value(&self) -> Value {
        match self {
            ValueView::F32(array) => Value::F32(array.as_standard_layout().into_owned()),
            ValueView::F64(array) => Value::F64(array.as_standard_layout().into_owned()),
            ValueView::I64(array) => Value::I64(array.as_standard_layout().into_owned()),
            ValueView::Bool(array) => Value::Bool(array.as_standard_layout().into_owned()),
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
    impl Sealed for bool {}
}

/// A Rust type that arrays can hold: `f32`, `f64`, `i64` or `bool`.
pub trait Element: sealed::Sealed + Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// Its dtype.
    const DTYPE: DType;

    /// The array inside `value`, if its elements are of this type.
    fn unwrap(value: &Value) -> Option<&ArrayD<Self>>;

    /// The array inside `value`, owned, if its elements are of this type.
    fn into_array(value: Value) -> Option<ArrayD<Self>>;

    /// `array` with its dtype known at run time.
    fn wrap(array: ArrayD<Self>) -> Value;

    /// `view` with its dtype known at run time.
    fn wrap_view(view: ArrayViewD<'_, Self>) -> ValueView<'_>;

    /// The view inside, if its elements are of this type.
    fn unwrap_view(view: ValueView<'_>) -> Option<ArrayViewD<'_, Self>>;

    /// The view inside, to write, if its elements are of this type.
    fn unwrap_view_mut(view: ValueViewMut<'_>) -> Option<ArrayViewMutD<'_, Self>>;

    /// The elements in row-major order, if they are of this type and lie so.
    fn elements(view: ValueView<'_>) -> Option<&[Self]>;

    /// The elements in row-major order to write, if they are of this type and lie so.
    fn elements_mut(view: ValueViewMut<'_>) -> Option<&mut [Self]>;

    /// `view` with its dtype known at run time.
    fn wrap_view_mut(view: ArrayViewMutD<'_, Self>) -> ValueViewMut<'_>;
}

macro_rules! element {
    ($type:ty, $variant:ident) => {
        impl Element for $type {
            const DTYPE: DType = DType::$variant;

            fn unwrap(value: &Value) -> Option<&ArrayD<$type>> {
                if let Value::$variant(array) = value { Some(array) } else { None }
            }

            fn into_array(value: Value) -> Option<ArrayD<$type>> {
                if let Value::$variant(array) = value { Some(array) } else { None }
            }

            fn wrap(array: ArrayD<$type>) -> Value {
                Value::$variant(array)
            }

            fn wrap_view(view: ArrayViewD<'_, $type>) -> ValueView<'_> {
                ValueView::$variant(view)
            }

            fn unwrap_view(view: ValueView<'_>) -> Option<ArrayViewD<'_, $type>> {
                if let ValueView::$variant(array) = view { Some(array) } else { None }
            }

            fn unwrap_view_mut(view: ValueViewMut<'_>) -> Option<ArrayViewMutD<'_, $type>> {
                if let ValueViewMut::$variant(array) = view { Some(array) } else { None }
            }

            fn elements(view: ValueView<'_>) -> Option<&[$type]> {
                Self::unwrap_view(view)?.to_slice()
            }

            fn elements_mut(view: ValueViewMut<'_>) -> Option<&mut [$type]> {
                Self::unwrap_view_mut(view)?.into_slice()
            }

            fn wrap_view_mut(view: ArrayViewMutD<'_, $type>) -> ValueViewMut<'_> {
                ValueViewMut::$variant(view)
            }
        }

        impl From<$type> for Value {
            fn from(scalar: $type) -> Value {
                Value::$variant(ArrayD::from_elem(IxDyn(&[]), scalar))
            }
        }
    };
}
element!(f32, F32);
element!(f64, F64);
element!(i64, I64);
element!(bool, Bool);

impl<T: Element, D: Dimension> From<Array<T, D>> for Value {
    fn from(array: Array<T, D>) -> Value {
        T::wrap(array.into_dyn())
    }
}

/// One axis.
impl<T: Element> From<Vec<T>> for Value {
    fn from(elements: Vec<T>) -> Value {
        Value::from(Array::from(elements))
    }
}

/// One axis.
impl<T: Element> From<&[T]> for Value {
    fn from(elements: &[T]) -> Value {
        Value::from(elements.to_vec())
    }
}

/// One axis.
impl<T: Element, const N: usize> From<[T; N]> for Value {
    fn from(elements: [T; N]) -> Value {
        Value::from(Vec::from(elements))
    }
}

impl fmt::Display for Value {
    /// The elements in brackets, axis by axis; the middle of a large array is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_dtype!(Value, self, array => fmt::Display::fmt(array, f))
    }
}

impl fmt::Display for ValueView<'_> {
    /// As a [`Value`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_dtype!(ValueView, self, array => fmt::Display::fmt(array, f))
    }
}

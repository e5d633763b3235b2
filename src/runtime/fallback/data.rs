//! Typed slices whose dtype is known at run time. In: slices. Out: the same, asked for by element type.

#[cfg(test)]
use std::ops::Range;

/// Elements of a contiguous row-major operand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Data<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    I64(&'a [i64]),
    Bool(&'a [bool]),
}

/// Elements of a contiguous row-major output, or of a range of it.
#[derive(Debug)]
pub(crate) enum DataMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
    I64(&'a mut [i64]),
    Bool(&'a mut [bool]),
}

#[cfg(test)]
impl DataMut<'_> {
    /// The elements in `range`.
    pub(crate) fn range(&mut self, range: Range<usize>) -> DataMut<'_> {
        match self {
            DataMut::F32(elements) => DataMut::F32(&mut elements[range]),
            DataMut::F64(elements) => DataMut::F64(&mut elements[range]),
            DataMut::I64(elements) => DataMut::I64(&mut elements[range]),
            DataMut::Bool(elements) => DataMut::Bool(&mut elements[range]),
        }
    }
}

/// A type of elements.
pub(super) trait SliceElement: Copy {
    /// The elements of an operand that inference found to be of this type.
    fn as_slice<'a>(data: &Data<'a>) -> &'a [Self];
}

macro_rules! stored {
    ($type:ty, $variant:ident) => {
        impl SliceElement for $type {
            fn as_slice<'a>(data: &Data<'a>) -> &'a [$type] {
                match data {
                    Data::$variant(elements) => elements,
                    _ => unreachable!("invariant: inference refuses operands of another dtype"),
                }
            }
        }
    };
}
stored!(f32, F32);
stored!(f64, F64);
stored!(i64, I64);
stored!(bool, Bool);

/// Runs `$body` with `$out` bound to the typed output, whichever it is.
macro_rules! each_dtype {
    ($data:expr, $out:ident => $body:expr) => {
        match $data {
            $crate::runtime::fallback::DataMut::F32($out) => $body,
            $crate::runtime::fallback::DataMut::F64($out) => $body,
            $crate::runtime::fallback::DataMut::I64($out) => $body,
            $crate::runtime::fallback::DataMut::Bool($out) => $body,
        }
    };
}
pub(super) use each_dtype;

/// [`each_dtype`] for primitives that inference allows numbers alone.
macro_rules! each_number {
    ($data:expr, $out:ident => $body:expr) => {
        match $data {
            $crate::runtime::fallback::DataMut::F32($out) => $body,
            $crate::runtime::fallback::DataMut::F64($out) => $body,
            $crate::runtime::fallback::DataMut::I64($out) => $body,
            $crate::runtime::fallback::DataMut::Bool(_) => unreachable!("invariant: inference asks for numbers"),
        }
    };
}
pub(super) use each_number;

/// [`each_dtype`] for primitives that inference allows floats alone.
macro_rules! each_float {
    ($data:expr, $out:ident => $body:expr) => {
        match $data {
            $crate::runtime::fallback::DataMut::F32($out) => $body,
            $crate::runtime::fallback::DataMut::F64($out) => $body,
            _ => unreachable!("invariant: inference asks for floats"),
        }
    };
}
pub(super) use each_float;

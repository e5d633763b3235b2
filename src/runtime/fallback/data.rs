//! Slices whose dtype is known at run time. In: slices. Out: the same, as slices of a Rust type.

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

/// A Rust type of elements.
pub(super) trait SliceElement: Copy {
    /// The elements of an operand, which type inference has found to be of this type.
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

/// A float that kernels in f64 are given and give.
pub(super) trait Wide: Copy {
    fn widened(self) -> f64;
    fn rounded(wide: f64) -> Self;
}

impl Wide for f32 {
    fn widened(self) -> f64 {
        f64::from(self)
    }
    fn rounded(wide: f64) -> f32 {
        wide as f32
    }
}

impl Wide for f64 {
    fn widened(self) -> f64 {
        self
    }
    fn rounded(wide: f64) -> f64 {
        wide
    }
}

/// Scratch memory as numbers, with any contents.
#[allow(unsafe_code, reason = "words are read as numbers")]
pub(super) fn as_numbers(words: &mut [u64]) -> &mut [f64] {
    const { assert!(size_of::<f64>() == size_of::<u64>() && align_of::<f64>() <= align_of::<u64>()) };
    // SAFETY: a number is as large as a word and aligned no more, as is asserted above; any bits are a number; and the borrow
    // of the words lasts as long as that of the numbers.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len()) }
}

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

//! How large the numbers in an attribute are. In: an attribute of a primitive. Out: a size, step or position in it that is too
//! large. How attributes are written and read is in `text/attribute.rs`.

use super::{
    dim::Dim,
    dtype::DType,
    initializer::Initializer,
    kinds::{Direction, Orientation, Ranking, Reduction, Triangle, WindowReduction},
    op::{Dims, Literal, Name},
    shape::{Axes, Shape},
};

/// A value that a primitive is configured with.
pub(super) trait Attribute {
    /// A size, step or position in it that is of more than `most` in magnitude, if there is one.
    fn excess(&self, most: u64) -> Option<String>;
}

impl Attribute for usize {
    fn excess(&self, most: u64) -> Option<String> {
        u64::try_from(*self).map_or(true, |count| count > most).then(|| self.to_string())
    }
}

impl Attribute for Dim {
    fn excess(&self, most: u64) -> Option<String> {
        self.exceeds(most).then(|| self.to_string())
    }
}

impl Attribute for Axes {
    fn excess(&self, most: u64) -> Option<String> {
        self.iter().find_map(|count| count.excess(most))
    }
}

impl Attribute for Dims {
    fn excess(&self, most: u64) -> Option<String> {
        self.iter().find_map(|dim| dim.excess(most))
    }
}

/// Attributes that hold no size, step or position: an exponent may be any, and the output's shape is checked for itself.
macro_rules! without_sizes {
    ($($type:ty),* $(,)?) => {$(
        impl Attribute for $type {
            fn excess(&self, _: u64) -> Option<String> {
                None
            }
        }
    )*};
}
without_sizes!(
    i64,
    Shape,
    DType,
    Name,
    Literal,
    Initializer,
    Reduction,
    Ranking,
    WindowReduction,
    Direction,
    Triangle,
    Orientation,
);

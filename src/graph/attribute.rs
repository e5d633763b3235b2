//! How large the numbers in an attribute are. In: an attribute of a primitive. Out: a size, step or position in it that is too
//! large. How attributes are written and read is in `text/attribute.rs`.

use super::{
    body::Body,
    custom::CustomKind,
    dim::Dim,
    dtype::DType,
    initializer::Initializer,
    kinds::{Orientation, Ranking, Reduction, ScanDirection, Side, Triangle, WindowReduction},
    nested::{Checkpoints, ScanOutput},
    op::{Bound, Dims, Literal, Name, TraceNumber},
    shape::{Axes, Shape},
};

/// A value that a primitive is configured with.
pub(super) trait BoundedAttribute {
    /// A size, step or position in it that is of more than `max` in magnitude, if there is one.
    fn excess(&self, max: u64) -> Option<String>;
}

impl BoundedAttribute for usize {
    fn excess(&self, max: u64) -> Option<String> {
        u64::try_from(*self).map_or(true, |count| count > max).then(|| self.to_string())
    }
}

impl BoundedAttribute for Dim {
    fn excess(&self, max: u64) -> Option<String> {
        self.exceeds(max).then(|| self.to_string())
    }
}

impl BoundedAttribute for Axes {
    fn excess(&self, max: u64) -> Option<String> {
        self.iter().find_map(|count| count.excess(max))
    }
}

impl BoundedAttribute for Dims {
    fn excess(&self, max: u64) -> Option<String> {
        self.iter().find_map(|dim| dim.excess(max))
    }
}

impl BoundedAttribute for Bound {
    fn excess(&self, max: u64) -> Option<String> {
        self.0.and_then(|bound| bound.excess(max))
    }
}

impl BoundedAttribute for Checkpoints {
    fn excess(&self, max: u64) -> Option<String> {
        match self {
            Checkpoints::Every(count) => count.excess(max),
            Checkpoints::All | Checkpoints::SquareRoot => None,
        }
    }
}

/// Attributes that hold no size, step or position: an exponent may be any, and the output's shape is
/// checked for itself, as are the nodes of a body.
macro_rules! without_sizes {
    ($($type:ty),* $(,)?) => {$(
        impl BoundedAttribute for $type {
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
    ScanDirection,
    Side,
    Triangle,
    Orientation,
    Body,
    ScanOutput,
    TraceNumber,
    CustomKind,
);

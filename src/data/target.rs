//! What an example is learned by. In: nothing. Out: [`Target`], the types that a dataset's `y` may be of.

use std::{fmt::Debug, str::FromStr};

/// A label (`i64`) or a real-valued target (`f32`). There are no others: graphs take classes as `i64`, and examples are
/// `f32`.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::data::Dataset;
/// # fn main() -> Result<(), pullback::data::DataError> {
/// let classes: Dataset = Dataset::new(array![[0.5], [1.5]], array![0, 1])?;
/// let values: Dataset<f32> = Dataset::new(array![[0.5], [1.5]], array![0.25, 2.25])?;
/// assert_eq!(values.batches_in_order(1)?.next().unwrap().y, array![0.25]);
/// # Ok(())
/// # }
/// ```
pub trait Target: Copy + Debug + PartialEq + Send + Sync + FromStr + Checked + 'static {}

impl Target for i64 {}

impl Target for f32 {}

mod sealed {
    /// What readers ask of a target; nobody else can implement it.
    pub trait Checked: Copy {
        /// What the text of one must be, in an error.
        const DESCRIPTION: &'static str;

        /// Whether it can be learned from: a number, not an infinity or NaN.
        fn is_finite(self) -> bool;
    }
}
pub(super) use sealed::Checked;

impl Checked for i64 {
    const DESCRIPTION: &'static str = "an integer";

    fn is_finite(self) -> bool {
        true
    }
}

impl Checked for f32 {
    const DESCRIPTION: &'static str = "a finite number";

    fn is_finite(self) -> bool {
        f32::is_finite(self)
    }
}

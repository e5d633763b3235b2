//! What the examples of a table are learned by. In: nothing. Out: [`Target`], the types that it may be of.

use std::str::FromStr;

use crate::graph::Element;

/// A label (`i64`, the column `label`) or a real-valued target (`f32`, the column `y`). There are no others: graphs take
/// classes as `i64`, and tables are read as `f32`.
///
/// # Example
/// ```
/// use pullback::data::{Source, csv::{Format, read_from}};
/// let text = "width,height,price\n1.5,2,30\n2,4.5,90\n";
/// let labels = read_from::<i64>("prices", text.as_bytes(), &Format::with_target("price"))?;
/// let values = read_from::<f32>("prices", text.as_bytes(), &Format::with_target("price"))?;
/// assert_eq!(labels.columns()[1].to_string(), "label (i64[] an example)");
/// assert_eq!(values.columns()[1].to_string(), "y (f32[] an example)");
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub trait Target: Element + FromStr + Checked {}

impl Target for i64 {}

impl Target for f32 {}

mod sealed {
    /// What readers ask of a target; nobody else can implement it.
    pub trait Checked: Copy {
        /// The column that it is read as.
        const COLUMN: &'static str;

        /// What the text of one must be, in an error.
        const DESCRIPTION: &'static str;

        /// Whether it can be learned from: a number, not an infinity or NaN.
        fn is_finite(self) -> bool;
    }
}
pub(super) use sealed::Checked;

impl Checked for i64 {
    const COLUMN: &'static str = "label";
    const DESCRIPTION: &'static str = "an integer";

    fn is_finite(self) -> bool {
        true
    }
}

impl Checked for f32 {
    const COLUMN: &'static str = "y";
    const DESCRIPTION: &'static str = "a finite number";

    fn is_finite(self) -> bool {
        f32::is_finite(self)
    }
}

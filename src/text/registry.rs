//! Operations of the user's own by name, so that texts with them can be read. In: how each reads its attributes. Out: the
//! operation of a name with a text of attributes.

use std::{collections::BTreeMap, fmt};

use super::{
    cursor::Cursor,
    error::{ParseError, ParseErrorKind},
};
use crate::{
    graph::{Custom, CustomKind},
    ops::{CustomError, CustomOp, caught, kind_of},
};

type Reader = Box<dyn Fn(&str) -> Result<Custom, CustomError> + Send + Sync>;

/// The operations of the user's own that a text may name, for [`Graph::parse_with`](crate::Graph::parse_with).
///
/// # Example
/// ```
/// # use pullback::{Expr, Type, ValueView, ValueViewMut, ops::{CustomError, Linearization}};
/// use pullback::{DType, Graph, ops::CustomOp, text::Registry};
///
/// #[derive(Debug, PartialEq, Eq, Hash)]
/// struct Shift {
///     by: i64,
/// }
///
/// impl CustomOp for Shift {
///     const NAME: &'static str = "shift";
///
///     fn attributes(&self) -> String {
///         self.by.to_string()
///     }
///     // …
/// #   fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
/// #       operands.first().cloned().ok_or_else(|| "it takes one operand".into())
/// #   }
/// #   fn evaluate(&self, operands: &[ValueView<'_>], mut output: ValueViewMut<'_>) -> Result<(), CustomError> {
/// #       if let (Some(mut y), Some(x)) = (output.array_mut::<i64>(), operands[0].array::<i64>()) {
/// #           y.zip_mut_with(&x, |y, x| *y = x + self.by);
/// #       }
/// #       Ok(())
/// #   }
/// #   fn linearization(&self) -> Linearization<'_> {
/// #       Linearization::Constant
/// #   }
/// }
///
/// let g = Graph::new();
/// let text = g.to_text(g.custom(Shift { by: 3 }, [g.input_of(DType::I64, "x", (2,))]));
/// assert!(text.contains(r#"%1: i64[2] = shift %0 "3""#));
///
/// let registry = Registry::new().with(|attributes| Ok(Shift { by: attributes.parse()? }));
/// assert_eq!(Graph::parse_with(&text, &registry)?.to_text(), text);
/// assert!(Graph::parse(&text).unwrap_err().to_string().contains("no operation is called `shift`"));
/// # Ok::<(), pullback::ParseError>(())
/// ```
#[derive(Default)]
pub struct Registry {
    readers: BTreeMap<&'static str, Reader>,
}

impl Registry {
    /// None.
    pub fn new() -> Registry {
        Registry::default()
    }

    /// Those before and `O`, by a function that reads what [`CustomOp::attributes`] wrote. The last of a name counts.
    #[must_use]
    pub fn with<O: CustomOp>(
        mut self,
        read: impl Fn(&str) -> Result<O, CustomError> + Send + Sync + 'static,
    ) -> Registry {
        self.readers.insert(O::NAME, Box::new(move |attributes| read(attributes).map(kind_of)));
        self
    }

    /// Whether an operation has this name.
    pub(super) fn contains(&self, operation: &str) -> bool {
        self.readers.contains_key(operation)
    }

    /// The operation of this name with the attributes that follow.
    pub(super) fn read(&self, operation: &str, cursor: &mut Cursor<'_>) -> Result<CustomKind, ParseError> {
        let start = cursor.clone();
        let Some((name, reader)) = self.readers.get_key_value(operation) else {
            return Err(start.error(ParseErrorKind::UnknownOperation(operation.to_owned())));
        };
        let attributes = if cursor.is_blank() { String::new() } else { cursor.string()? };
        let refuse = |message: String| start.error(ParseErrorKind::Attributes { operation: name, message });
        let kind = caught(|| reader(&attributes)).map_err(refuse)?.kind;
        let found = kind.attributes();
        if found == attributes {
            return Ok(kind);
        }
        Err(refuse(format!("{attributes:?} was read as an operation that writes {found:?}")))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.readers.keys()).finish()
    }
}

//! What is computed: nodes, their types, and where the user wrote them.
//!
//! In: calls of the builder. Out: a [`Graph`]. Nothing here knows what a primitive means (that is `ops/`) or how
//! anything runs.

mod attribute;
mod body;
mod custom;
mod diagnostic;
mod dim;
mod dtype;
mod expr;
mod frame;
mod help;
mod initializer;
mod kinds;
mod list;
mod monomial;
mod needed;
mod nested;
mod op;
mod operations;
mod results;
mod shape;
mod site;
mod storage;
mod updates;
mod value;
mod view;

pub use body::Body;
pub(crate) use body::{Invariants, MAX_DEPTH, MAX_OPERATIONS, Numbering};
pub(crate) use custom::CustomAttributes;
pub use custom::CustomKind;
pub use diagnostic::{Diagnostic, Diagnostics, EinsumError, GraphError, OperandNote};
pub use dim::{Bindings, Dim};
pub use dtype::DType;
pub use expr::Expr;
pub use frame::{DerivativeMode, Scope};
pub(crate) use frame::{Frame, FrameGuard, LayerScope, Provenance};
pub use initializer::Initializer;
pub use kinds::*;
pub use list::{IntoIter, List};
pub use nested::{Checkpoints, ScanOutput};
pub(crate) use nested::{Families, settled};
pub use op::*;
pub(crate) use op::{collect_operations, each_operation};
pub(crate) use operations::operations;
pub use results::IntoResults;
pub(crate) use shape::has_too_many_elements;
pub use shape::{Axes, Shape, Type};
pub use site::Site;
pub(crate) use storage::Node;
pub use storage::{Graph, NodeId, Operands};
pub(crate) use updates::UpdateKind;
pub use value::{Element, Value, ValueView, ValueViewMut};
pub use view::{AsView, AsViewMut};

//! Operations of the user's own behind one type. In: a [`CustomOp`] of any type. Out: [`Erased`], which a graph holds and of
//! which the other stages ask what the trait answers.

use std::{
    any::Any,
    fmt,
    hash::{DefaultHasher, Hash},
    ops::Range,
};

use super::{CustomError, CustomOp};
use crate::{
    graph::{CustomAttributes, Dim, Expr, Type, ValueView, ValueViewMut},
    ops::rule::{BatchApplication, Linearization},
};

/// [`CustomOp`] for whatever type, so that it can be held.
pub(crate) trait DynCustomOp: fmt::Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError>;
    fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError>;
    fn evaluate_rows(
        &self,
        rows: Range<usize>,
        operands: &[ValueView<'_>],
        output: ValueViewMut<'_>,
    ) -> Result<(), CustomError>;
    fn linearization(&self) -> Linearization<'_>;
    fn attributes(&self) -> String;
    fn flops(&self, operands: &[Type], output: &Type) -> Dim;
    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Option<Expr<'g>>;
    fn is_pure(&self) -> bool;
    fn is_equal(&self, other: &dyn DynCustomOp) -> bool;
    fn hash(&self, hasher: &mut DefaultHasher);
    fn as_any(&self) -> &dyn Any;
}

impl<O: CustomOp> DynCustomOp for O {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
        CustomOp::output_type(self, operands)
    }

    fn evaluate(&self, operands: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
        CustomOp::evaluate(self, operands, output)
    }

    fn evaluate_rows(
        &self,
        rows: Range<usize>,
        operands: &[ValueView<'_>],
        output: ValueViewMut<'_>,
    ) -> Result<(), CustomError> {
        CustomOp::evaluate_rows(self, rows, operands, output)
    }

    fn linearization(&self) -> Linearization<'_> {
        CustomOp::linearization(self)
    }

    fn attributes(&self) -> String {
        CustomOp::attributes(self)
    }

    fn flops(&self, operands: &[Type], output: &Type) -> Dim {
        CustomOp::flops(self, operands, output)
    }

    fn batch<'g>(&self, application: &BatchApplication<'g>) -> Option<Expr<'g>> {
        CustomOp::batch(self, application)
    }

    fn is_pure(&self) -> bool {
        CustomOp::is_pure(self)
    }

    fn is_equal(&self, other: &dyn DynCustomOp) -> bool {
        other.as_any().downcast_ref::<O>() == Some(self)
    }

    fn hash(&self, mut hasher: &mut DefaultHasher) {
        Hash::hash(self, &mut hasher);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An operation of the user's own.
pub(crate) struct Erased {
    operation: Box<dyn DynCustomOp>,
    rows: Option<Vec<usize>>,
    overwrites: Option<usize>,
}

impl Erased {
    /// What decides about memory and threads is asked once: a plan and its kernels must not hear different answers.
    pub(crate) fn new(operation: impl CustomOp) -> Erased {
        let (rows, overwrites) = (operation.rows().map(<[usize]>::to_vec), operation.overwrites());
        Erased { operation: Box::new(operation), rows, overwrites }
    }

    pub(crate) fn operation(&self) -> &dyn DynCustomOp {
        &*self.operation
    }

    /// [`CustomOp::rows`], as it was answered first.
    pub(crate) fn rows(&self) -> Option<&[usize]> {
        self.rows.as_deref()
    }

    /// [`CustomOp::overwrites`], as it was answered first.
    pub(crate) fn overwrites(&self) -> Option<usize> {
        self.overwrites
    }
}

impl fmt::Debug for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operation.fmt(f)
    }
}

impl CustomAttributes for Erased {
    fn name(&self) -> &'static str {
        self.operation.name()
    }

    fn text(&self) -> String {
        self.operation.attributes()
    }

    fn is_equal(&self, other: &dyn CustomAttributes) -> bool {
        other.as_any().downcast_ref::<Erased>().is_some_and(|other| self.operation.is_equal(other.operation()))
    }

    fn fingerprint(&self, hasher: &mut DefaultHasher) {
        self.operation.hash(hasher);
    }

    fn is_pure(&self) -> bool {
        self.operation.is_pure()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

//! What composites ask of their operands before they build. In: handles. Out: nothing, or the poison that stands for
//! the error. Nothing is computed here.

use crate::{
    graph::{DType, Dim, Expr, GraphError, Type},
    numbers::short,
    ops::MAX_ATTRIBUTE,
};

/// A result either way: what was built, or the poison in its place.
pub(crate) fn either<T>(result: Result<T, T>) -> T {
    match result {
        Ok(either) | Err(either) => either,
    }
}

/// That an axis of what is asked for has a place, and not more than any array.
pub(super) fn check_places(places: &Dim) -> Result<(), GraphError> {
    let what = "a size of the result";
    if places.is(0) {
        return Err(GraphError::NotPositive { what, found: places.clone() });
    }
    if places.exceeds(MAX_ATTRIBUTE) {
        return Err(GraphError::NumberTooLarge { what, found: places.to_string(), max: MAX_ATTRIBUTE });
    }
    Ok(())
}

impl<'g> Expr<'g> {
    /// That this is a float; silent on poison.
    pub(crate) fn check_float(self) -> Result<(), Expr<'g>> {
        if self.is_poisoned() {
            return Err(self);
        }
        if self.dtype().is_float() {
            return Ok(());
        }
        Err(self.graph().report(GraphError::UnsupportedDType { expected: "a float", found: self.dtype() }, &[self]))
    }

    /// That this is a float and `other` has its very type: losses do not broadcast.
    pub(super) fn check_alike(self, other: Expr<'g>, what: &'static str) -> Result<(), Expr<'g>> {
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, other]) {
            return Err(poison);
        }
        self.check_float()?;
        let (expected_type, found) = (self.ty(), other.ty());
        if expected_type.dtype != found.dtype {
            return Err(
                g.report(GraphError::DTypesDiffer { left: expected_type.dtype, right: found.dtype }, &[self, other])
            );
        }
        if expected_type.shape != found.shape {
            let error = GraphError::WrongShape { what, expected: expected_type.shape, found: found.shape };
            return Err(g.report(error, &[self, other]));
        }
        Ok(())
    }

    /// That this is a float and can hold `number`, which is none that makes every result infinite or NaN.
    pub(super) fn check_finite(self, what: &'static str, number: f64) -> Result<(), Expr<'g>> {
        self.check_float()?;
        let (is_held, expected) = match self.dtype() {
            DType::F32 => ((number as f32).is_finite(), "finite in f32"),
            _ => (number.is_finite(), "finite"),
        };
        if is_held {
            return Ok(());
        }
        let found = short(number).to_string();
        Err(self.graph().report(GraphError::OutOfRange { what, expected, found }, &[self]))
    }

    /// That this is `i64`.
    pub(crate) fn check_integer(self, expected: &'static str) -> Result<(), Expr<'g>> {
        if self.is_poisoned() {
            return Err(self);
        }
        if self.dtype() == DType::I64 {
            return Ok(());
        }
        Err(self.graph().report(GraphError::UnsupportedDType { expected, found: self.dtype() }, &[self]))
    }

    /// That this has so many axes.
    pub(super) fn check_rank(self, rank: usize) -> Result<(), Expr<'g>> {
        if self.is_poisoned() {
            return Err(self);
        }
        if self.rank() == rank {
            return Ok(());
        }
        let error = GraphError::Rank { expected: rank.to_string(), found: self.shape() };
        Err(self.graph().report(error, &[self]))
    }

    /// That an axis has the size that a layer was made for: one of size 1 is not stretched to it. Negative axes count from
    /// the end.
    pub(super) fn check_size(self, axis: i64, size: usize, what: &'static str) -> Result<(), Expr<'g>> {
        let axis = self.axis(axis)?;
        let found = self.shape();
        if found[axis] == Dim::from(size) {
            return Ok(());
        }
        let mut expected = found.to_vec();
        expected[axis] = Dim::from(size);
        Err(self.graph().report(GraphError::WrongShape { what, expected: expected.into(), found }, &[self]))
    }

    /// That ε is positive in the dtype of this float, or equal numbers would be divided by 0.
    pub(super) fn check_epsilon(self, epsilon: f64) -> Result<(), Expr<'g>> {
        self.check_finite("epsilon", epsilon)?;
        if epsilon > 0.0 && (self.dtype() == DType::F64 || epsilon as f32 > 0.0) {
            return Ok(());
        }
        let found = short(epsilon).to_string();
        Err(self.graph().report(GraphError::OutOfRange { what: "epsilon", expected: "positive", found }, &[self]))
    }

    /// The size of the last axis of a float array.
    pub(crate) fn check_last_axis(self) -> Result<Dim, Expr<'g>> {
        self.check_float()?;
        let shape = self.shape();
        let none = || GraphError::Rank { expected: "at least 1".into(), found: shape.clone() };
        shape.last().cloned().ok_or_else(|| self.graph().report(none(), &[self]))
    }

    /// The size of the last axis of a float array, where it is a number.
    pub(super) fn check_features(self) -> Result<Dim, Expr<'g>> {
        let features = self.check_last_axis()?;
        match features.as_number() {
            Some(_) => Ok(features),
            None => {
                let error = GraphError::Symbolic { what: "the size of the last axis", found: features };
                Err(self.graph().report(error, &[self]))
            }
        }
    }

    /// That this is a float array of so many axes, the last of size `features`.
    pub(super) fn check_sequence(self, what: &'static str, rank: usize, features: usize) -> Result<(), Expr<'g>> {
        self.check_float()?;
        let found = self.shape();
        if found.rank() != rank {
            return Err(self.graph().report(GraphError::Rank { expected: rank.to_string(), found }, &[self]));
        }
        self.check_width(what, &features.into())
    }

    /// That this is a float array whose last axis has this size.
    pub(crate) fn check_width(self, what: &'static str, width: &Dim) -> Result<(), Expr<'g>> {
        if self.check_last_axis()? == *width {
            return Ok(());
        }
        let found = self.shape();
        let expected = found.iter().take(found.rank() - 1).chain([width]).cloned().collect();
        Err(self.graph().report(GraphError::WrongShape { what, expected, found }, &[self]))
    }

    /// That this has that type.
    pub(super) fn check_type(self, what: &'static str, expected: &Type) -> Result<(), Expr<'g>> {
        if self.is_poisoned() {
            return Err(self);
        }
        let (g, found) = (self.graph(), self.ty());
        if found.dtype != expected.dtype {
            let error = GraphError::UnsupportedDType { expected: expected.dtype.name(), found: found.dtype };
            return Err(g.report(error, &[self]));
        }
        if found.shape != expected.shape {
            let error = GraphError::WrongShape { what, expected: expected.shape.clone(), found: found.shape };
            return Err(g.report(error, &[self]));
        }
        Ok(())
    }
}

//! What composites ask of their operands before they build. In: handles. Out: nothing, or the poison that stands for the
//! mistake. Nothing is computed here.

use crate::{
    graph::{DType, Dim, Expr, Mistake},
    numbers::short,
};

/// A result either way: what was built, or the poison in its place.
pub(super) fn either<T>(result: Result<T, T>) -> T {
    match result {
        Ok(either) | Err(either) => either,
    }
}

impl<'g> Expr<'g> {
    /// That this is a float; silent on poison.
    pub(super) fn expect_float(self) -> Result<(), Expr<'g>> {
        if self.is_poisoned() {
            return Err(self);
        }
        if self.dtype().is_float() {
            return Ok(());
        }
        Err(self.graph().report(Mistake::UnsupportedDType { expected: "a float", found: self.dtype() }, &[self]))
    }

    /// That this is a float and `other` has its very type: losses do not broadcast.
    pub(super) fn expect_alike(self, other: Expr<'g>, what: &'static str) -> Result<(), Expr<'g>> {
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, other]) {
            return Err(poison);
        }
        self.expect_float()?;
        let (own, found) = (self.ty(), other.ty());
        if own.dtype != found.dtype {
            return Err(g.report(Mistake::DTypesDiffer { left: own.dtype, right: found.dtype }, &[self, other]));
        }
        if own.shape != found.shape {
            let mistake = Mistake::WrongShape { what, expected: own.shape, found: found.shape };
            return Err(g.report(mistake, &[self, other]));
        }
        Ok(())
    }

    /// That this is a float and can hold `number`, which is none that makes every result infinite or NaN.
    pub(super) fn expect_finite(self, what: &'static str, number: f64) -> Result<(), Expr<'g>> {
        self.expect_float()?;
        let (is_held, expected) = match self.dtype() {
            DType::F32 => ((number as f32).is_finite(), "finite in f32"),
            _ => (number.is_finite(), "finite"),
        };
        if is_held {
            return Ok(());
        }
        let found = short(number).to_string();
        Err(self.graph().report(Mistake::OutOfRange { what, expected, found }, &[self]))
    }

    /// That this is `i64`.
    pub(super) fn expect_integer(self, expected: &'static str) -> Result<(), Expr<'g>> {
        if self.is_poisoned() {
            return Err(self);
        }
        if self.dtype() == DType::I64 {
            return Ok(());
        }
        Err(self.graph().report(Mistake::UnsupportedDType { expected, found: self.dtype() }, &[self]))
    }

    /// The size of the last axis of a float array.
    pub(super) fn expect_last_axis(self) -> Result<Dim, Expr<'g>> {
        self.expect_float()?;
        let shape = self.shape();
        let none = || Mistake::Rank { expected: "at least 1".into(), found: shape.clone() };
        shape.last().cloned().ok_or_else(|| self.graph().report(none(), &[self]))
    }

    /// The size of the last axis of a float array, where it is a number.
    pub(super) fn expect_features(self) -> Result<Dim, Expr<'g>> {
        let features = self.expect_last_axis()?;
        match features.as_number() {
            Some(_) => Ok(features),
            None => {
                let mistake = Mistake::Symbolic { what: "the size of the last axis", found: features };
                Err(self.graph().report(mistake, &[self]))
            }
        }
    }
}

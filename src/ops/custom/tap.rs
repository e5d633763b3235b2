//! Looking at values while a program runs. In: an expression and a closure. Out: the same expression, whose value the closure is
//! shown at each run.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::{CustomError, CustomOp};
use crate::{
    graph::{Dim, Expr, Type, ValueView, ValueViewMut},
    ops::rule::{Application, Linearization, Partial, Partials},
};

/// What is called.
#[derive(Clone)]
struct Tap(Arc<dyn Fn(ValueView<'_>) + Send + Sync>);

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

/// One and the same closure: closures cannot be compared.
impl PartialEq for Tap {
    fn eq(&self, other: &Tap) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tap {}

impl Hash for Tap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}

impl CustomOp for Tap {
    const NAME: &'static str = "tap";

    fn output_type(&self, operands: &[Type]) -> Result<Type, CustomError> {
        operands.first().cloned().ok_or_else(|| "it takes one operand".into())
    }

    fn evaluate(&self, _: &[ValueView<'_>], output: ValueViewMut<'_>) -> Result<(), CustomError> {
        (self.0)(output.view());
        Ok(())
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Partials(self)
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn overwrites(&self) -> Option<usize> {
        Some(0)
    }

    fn is_pure(&self) -> bool {
        false
    }
}

/// The derivative goes by without being looked at.
impl Partials for Tap {
    fn partial<'g>(&self, _: usize, _: &Application<'g>) -> Partial<'g> {
        Partial::One
    }
}

impl<'g> Expr<'g> {
    /// The same value, which `look` is shown at each run that computes it: for printing, logging or counting on the way.
    ///
    /// Only what the result is used for is computed, so use it in place of this. The derivative is that of the value, and is
    /// not looked at; tap a gradient to see it. Inside of a loop the closure is called in each iteration, and of a batch for each
    /// example. Where a loop keeps some of its carries only, the iterations that run again
    /// call it again. Whatever is computed around it is the same with and without it, but for what would have been computed ahead
    /// or together with it. A panic of the closure is an error of the run.
    ///
    /// # Shapes
    /// S → S.
    ///
    /// # Example
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", (2,));
    /// let calls = Arc::new(AtomicUsize::new(0));
    /// let counter = calls.clone();
    /// let y = x.exp().tap(move |value| {
    ///     assert_eq!(value.shape(), [2]);
    ///     counter.fetch_add(1, Ordering::Relaxed);
    /// });
    /// let mut program = g.compile(y.sum())?;
    /// program.call(("x", &[0.0f32, 1.0]))?;
    /// assert_eq!(calls.load(Ordering::Relaxed), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("print", "debug", "callback", "inspect"))]
    #[track_caller]
    pub fn tap(self, look: impl Fn(ValueView<'_>) + Send + Sync + 'static) -> Expr<'g> {
        let _frame = self.enter("tap");
        self.graph().custom(Tap(Arc::new(look)), [self])
    }
}

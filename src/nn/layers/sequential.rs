//! Layers one after another. In: layers. Out: one layer.

use std::fmt;

use super::Layer;
use crate::graph::{Expr, Site};

/// Layers one after another: x ↦ fₙ(… f₂(f₁(x))).
///
/// # Example
/// ```
/// use pullback::{Expr, Graph, nn::{Layer, Linear, Sequential}};
/// let g = Graph::new();
/// let network = Sequential::new()
///     .then(Linear::new(&g, "hidden", 64, 128))
///     .then(Expr::relu)
///     .then(Linear::new(&g, "out", 128, 10));
/// let logits = network.call(g.input("x", ("batch", 64)));
/// assert_eq!(logits.ty().to_string(), "f32[batch, 10]");
/// ```
#[derive(Default)]
pub struct Sequential<'g> {
    layers: Vec<(Box<dyn Layer<'g> + 'g>, Site)>,
}

impl<'g> Sequential<'g> {
    /// No layer: x ↦ x.
    pub fn new() -> Sequential<'g> {
        Sequential::default()
    }

    /// With one more layer at the end: what it makes, and errors in it, belong to the line of this call.
    #[doc(alias("add", "append", "push"))]
    #[must_use]
    #[track_caller]
    pub fn then(mut self, layer: impl Layer<'g> + 'g) -> Sequential<'g> {
        self.layers.push((Box::new(layer), Site::caller()));
        self
    }

    /// With a function at the end, as [`Expr::relu`] or `|x| x.max_pool(2)`. It is [`Sequential::then`] but for closures, whose
    /// argument's type the compiler learns here.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, nn::{Layer, Sequential}};
    /// let g = Graph::new();
    /// let pool = Sequential::new().map(|x| x.max_pool(2)).map(|x| x.flatten(1));
    /// assert_eq!(pool.call(g.input("x", ("batch", 8, 10, 10))).shape().to_string(), "[batch, 200]");
    /// ```
    #[doc(alias("lambda", "apply"))]
    #[must_use]
    #[track_caller]
    pub fn map(self, function: impl Fn(Expr<'g>) -> Expr<'g> + 'g) -> Sequential<'g> {
        self.then(function)
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there is no layer.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl<'g> Layer<'g> for Sequential<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let mut value = x;
        for (layer, site) in &self.layers {
            let _frame = x.graph().enter("Sequential", *site);
            value = layer.call(value);
        }
        value
    }
}

impl fmt::Debug for Sequential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequential({} layers)", self.len())
    }
}

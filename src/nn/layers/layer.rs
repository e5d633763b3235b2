//! What a layer is. In: an expression. Out: an expression.

use crate::graph::Expr;

/// A function of one expression, with parameters of its own or without: [`Linear`](super::Linear),
/// [`Sequential`](super::Sequential), or any closure of an expression, such as `Expr::relu`.
///
/// A layer may be called several times: the parameters are declared when it is made, so that all calls share them.
///
/// # Example
/// A layer of one's own, a highway:
/// ```
/// use pullback::{Expr, Graph, nn::{Layer, Linear}};
/// struct Highway<'g> {
///     change: Linear<'g>,
///     gate: Linear<'g>,
/// }
///
/// impl<'g> Layer<'g> for Highway<'g> {
///     fn call(&self, x: Expr<'g>) -> Expr<'g> {
///         let gate = self.gate.call(x).sigmoid();
///         gate * self.change.call(x).relu() + (1.0 - gate) * x
///     }
/// }
///
/// let g = Graph::new();
/// let highway = Highway { change: Linear::new(&g, "change", 8, 8), gate: Linear::new(&g, "gate", 8, 8) };
/// let x = g.input("x", ("batch", 8));
/// assert_eq!(highway.call(highway.call(x)).shape(), x.shape());
/// assert_eq!(g.parameters().len(), 4);
/// assert!(g.check().is_ok());
/// ```
#[doc(alias("Module", "Block"))]
pub trait Layer<'g> {
    /// The layer's value at x.
    #[doc(alias = "forward")]
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g>;
}

impl<'g, F: Fn(Expr<'g>) -> Expr<'g>> Layer<'g> for F {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        self(x)
    }
}

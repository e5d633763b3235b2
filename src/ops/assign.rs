//! `+=` and its kind, and sums over iterators. In: handles. Out: the nodes of the operators, under the user's lines.

use std::{
    iter::Sum,
    ops::{AddAssign, DivAssign, MulAssign, SubAssign},
};

use super::apply::Operand;
use crate::graph::Expr;

macro_rules! assignment {
    ($($trait:ident, $method:ident, $operator:tt;)*) => {$(
        /// The handle becomes that of the result; the node that it was stays what it is.
        impl<'g, B: Operand<'g>> $trait<B> for Expr<'g> {
            #[track_caller]
            fn $method(&mut self, other: B) {
                *self = *self $operator other;
            }
        }
    )*};
}
assignment! {
    AddAssign, add_assign, +;
    SubAssign, sub_assign, -;
    MulAssign, mul_assign, *;
    DivAssign, div_assign, /;
}

/// The sum from left to right; `None` of no terms, because a sum of nothing has neither a graph nor a type. Each addition has
/// the line of the term that it adds, since that of the call is not told.
///
/// # Example
/// ```
/// # use pullback::{Expr, Graph};
/// let g = Graph::new();
/// let losses = ["a", "b", "c"].map(|name| g.input(name, ()));
/// let total: Option<Expr> = losses.into_iter().sum();
/// assert_eq!(total.map(|total| total.ty().to_string()), Some("f32[]".into()));
/// assert!([].into_iter().sum::<Option<Expr>>().is_none());
/// ```
impl<'g> Sum<Expr<'g>> for Option<Expr<'g>> {
    fn sum<I: Iterator<Item = Expr<'g>>>(terms: I) -> Option<Expr<'g>> {
        terms.reduce(|total, term| {
            let _frame = total.graph().enter("add", term.site());
            total + term
        })
    }
}

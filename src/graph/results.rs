//! Which nodes are wanted, and under which names. In: one expression, or pairs of name and expression. Out: the pairs.

use super::expr::Expr;

/// Results of a graph: one expression, then named `result`, or pairs of a name and an expression.
pub trait IntoResults<'g> {
    /// The pairs, in order.
    fn into_results(self) -> Vec<(String, Expr<'g>)>;
}

impl<'g> IntoResults<'g> for Expr<'g> {
    fn into_results(self) -> Vec<(String, Expr<'g>)> {
        vec![("result".to_owned(), self)]
    }
}

impl<'g, I, N> IntoResults<'g> for I
where
    I: IntoIterator<Item = (N, Expr<'g>)>,
    N: Into<String>,
{
    fn into_results(self) -> Vec<(String, Expr<'g>)> {
        self.into_iter().map(|(name, result)| (name.into(), result)).collect()
    }
}

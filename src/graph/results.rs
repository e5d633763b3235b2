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

impl<'g, N: Into<String>, const LENGTH: usize> IntoResults<'g> for [(N, Expr<'g>); LENGTH] {
    fn into_results(self) -> Vec<(String, Expr<'g>)> {
        self.into_iter().map(|(name, result)| (name.into(), result)).collect()
    }
}

impl<'g, N: Into<String>> IntoResults<'g> for Vec<(N, Expr<'g>)> {
    fn into_results(self) -> Vec<(String, Expr<'g>)> {
        self.into_iter().map(|(name, result)| (name.into(), result)).collect()
    }
}

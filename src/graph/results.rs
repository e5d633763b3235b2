//! Which nodes are wanted, and under which names. In: one expression, or pairs of name and expression. Out: the pairs.

use super::expr::Expr;

/// Results of a graph: one expression, then named `result`; a pair of a name and an expression; several pairs in an array, a
/// slice or a vector; `()` for none.
pub trait IntoResults<'g> {
    /// The pairs, in order.
    fn into_results(self) -> Vec<(String, Expr<'g>)>;
}

impl<'g> IntoResults<'g> for Expr<'g> {
    fn into_results(self) -> Vec<(String, Expr<'g>)> {
        vec![("result".to_owned(), self)]
    }
}

impl<'g> IntoResults<'g> for () {
    fn into_results(self) -> Vec<(String, Expr<'g>)> {
        Vec::new()
    }
}

impl<'g, N: Into<String>> IntoResults<'g> for (N, Expr<'g>) {
    fn into_results(self) -> Vec<(String, Expr<'g>)> {
        vec![(self.0.into(), self.1)]
    }
}

impl<'g, N: Into<String>, const K: usize> IntoResults<'g> for [(N, Expr<'g>); K] {
    fn into_results(self) -> Vec<(String, Expr<'g>)> {
        self.into_iter().map(|(name, result)| (name.into(), result)).collect()
    }
}

impl<'g, N: Into<String>> IntoResults<'g> for Vec<(N, Expr<'g>)> {
    fn into_results(self) -> Vec<(String, Expr<'g>)> {
        self.into_iter().map(|(name, result)| (name.into(), result)).collect()
    }
}

impl<'g, N: Clone + Into<String>> IntoResults<'g> for &[(N, Expr<'g>)] {
    fn into_results(self) -> Vec<(String, Expr<'g>)> {
        self.iter().map(|(name, result)| (name.clone().into(), *result)).collect()
    }
}

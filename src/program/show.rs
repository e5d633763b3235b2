//! What a program does, as text for people. In: sizes. Out: what each pass of planning leaves.

/// A pass of planning and what it left, as text; of [`Program::passes`](super::Program::passes).
///
/// A pass began with what the one before it left. Passes after the choice of an order are there once for each order that
/// was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The name of the pass.
    pub name: &'static str,
    /// What there was after it.
    pub text: String,
}

//! Normalization by statistics of the values themselves, with a learned scale. In: an expression. Out: one of its shape.

use crate::{
    graph::{Dim, Expr, Initializer},
    nn::check::either,
};

/// [`Expr::layer_norm`] over the last axis with ε = 10⁻⁵ and the parameters `name.gain` from ones and `name.bias` from
/// zeros.
///
/// # Shapes
/// x: `[…, n]`, gain and bias: `[n]` → `[…, n]`.
///
/// # Errors
/// An error is recorded if x is no float, has no axis or a last axis whose size is a symbol, or if the name is taken.
///
/// # Source
/// Ba, Kiros and Hinton, *Layer normalization*, 2016, eq. 3 and 4.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::layer_norm};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 64));
/// assert_eq!(layer_norm(x, "norm").shape(), x.shape());
/// assert_eq!(g.named("norm.gain").unwrap().ty().to_string(), "f32[64]");
/// ```
#[doc(alias = "LayerNorm")]
#[track_caller]
pub fn layer_norm<'g>(x: Expr<'g>, name: &str) -> Expr<'g> {
    let _frame = x.enter("layer_norm");
    layer_norm_with(x, name, 1e-5)
}

/// [`layer_norm`] with another ε.
///
/// # Shapes
/// As for [`layer_norm`].
///
/// # Errors
/// As for [`layer_norm`]; also if ε is not positive.
#[track_caller]
pub fn layer_norm_with<'g>(x: Expr<'g>, name: &str, epsilon: f64) -> Expr<'g> {
    let _frame = x.enter("layer_norm_with");
    let build = |features: Dim| {
        let gain = x.parameter_beside(name, "gain", std::slice::from_ref(&features), Initializer::Constant(1.0))?;
        let bias = x.parameter_beside(name, "bias", &[features], Initializer::Zeros)?;
        Ok(x.layer_norm(gain, bias, epsilon))
    };
    either(x.check_features().and_then(build))
}

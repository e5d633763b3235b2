//! Functions that declare the parameters they use, under a name. In: an expression. Out: an expression of the same
//! dtype. A layer is not an object: its parameters are the graph's.

use super::check::either;
use crate::graph::{Dim, Expr, Initializer};

/// An affine map of the last axis: y = x·W + b, with the parameters `name.weight` from [`Initializer::HeUniform`],
/// which suits rectified layers, and `name.bias` from zeros.
///
/// # Shapes
/// x: `[…, in]`, weight: `[in, width]`, bias: `[width]` → `[…, width]`.
///
/// # Errors
/// An error is recorded if x is no float, has no axis or a last axis whose size is a symbol, or if the name is taken.
///
/// # Source
/// He, Zhang, Ren and Sun, *Delving deep into rectifiers*, 2015, eq. 10, for the initializer.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::linear};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 64));
/// let hidden = linear(x, "hidden", 128).relu();
/// assert_eq!(hidden.ty().to_string(), "f32[batch, 128]");
/// assert_eq!(g.named("hidden.weight").unwrap().ty().to_string(), "f32[64, 128]");
/// assert_eq!(g.named("hidden.bias").unwrap().ty().to_string(), "f32[128]");
/// ```
#[doc(alias("dense", "fully_connected", "Linear"))]
#[track_caller]
pub fn linear<'g>(x: Expr<'g>, name: &str, width: impl Into<Dim>) -> Expr<'g> {
    let _frame = x.enter("linear");
    linear_with(x, name, width, Initializer::HeUniform)
}

/// [`linear`] with another initializer for the weight, as [`Initializer::GlorotUniform`] before a tanh or for the last
/// layer.
///
/// # Shapes
/// As for [`linear`].
///
/// # Errors
/// As for [`linear`].
#[track_caller]
pub fn linear_with<'g>(x: Expr<'g>, name: &str, width: impl Into<Dim>, weight: Initializer) -> Expr<'g> {
    let _frame = x.enter("linear_with");
    let build = |features: Dim| {
        let width = width.into();
        let weight = x.parameter_beside(name, "weight", &[features, width.clone()], weight)?;
        let bias = x.parameter_beside(name, "bias", &[width], Initializer::Zeros)?;
        Ok(x.dot(weight) + bias)
    };
    either(x.check_features().and_then(build))
}

/// A linear map of the last axis without a bias: y = x·W, with the parameter `name.weight` from
/// [`Initializer::GlorotUniform`].
///
/// # Shapes
/// x: `[…, in]`, weight: `[in, width]` → `[…, width]`.
///
/// # Errors
/// As for [`linear`].
///
/// # Source
/// Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010, eq. 16, for
/// the initializer.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::linear_map};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 64));
/// assert_eq!(linear_map(x, "out", 10).ty().to_string(), "f32[batch, 10]");
/// assert!(g.named("out.bias").is_none());
/// ```
#[track_caller]
pub fn linear_map<'g>(x: Expr<'g>, name: &str, width: impl Into<Dim>) -> Expr<'g> {
    let _frame = x.enter("linear_map");
    let build = |features: Dim| {
        let shape = [features, width.into()];
        Ok(x.dot(x.parameter_beside(name, "weight", &shape, Initializer::GlorotUniform)?))
    };
    either(x.check_features().and_then(build))
}

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

impl<'g> Expr<'g> {
    /// The parameter `layer.name` of this dtype, or the poison in its place: a layer stops at the first error, so that
    /// a name that is taken is reported once and not for each parameter.
    pub(super) fn parameter_beside(
        self,
        layer: &str,
        name: &str,
        shape: &[Dim],
        initializer: Initializer,
    ) -> Result<Expr<'g>, Expr<'g>> {
        let name = format!("{layer}.{name}");
        let parameter = self.graph().parameter_of(self.dtype(), &name, shape, initializer);
        if parameter.is_poisoned() { Err(parameter) } else { Ok(parameter) }
    }
}

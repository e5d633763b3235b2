//! Affine maps of the last axis. In: sizes, or an expression. Out: a layer, or the value of its one call.

use super::{Declaration, Layer};
use crate::{
    graph::{DType, Dim, Expr, Graph, Initializer, LayerScope, Site},
    nn::check::either,
};

/// An affine map of the last axis: y = x·W + b, with the parameters `name.weight` and `name.bias`.
///
/// # Shapes
/// x: `[…, inputs]`, weight: `[inputs, outputs]`, bias: `[outputs]` → `[…, outputs]`.
///
/// # Errors
/// An error is recorded if a name is taken, or if the last axis of x has another size than `inputs`.
///
/// # Source
/// He, Zhang, Ren and Sun, *Delving deep into rectifiers*, 2015, eq. 10, for the initializer of the weight.
///
/// # Example
/// One layer for two values, which share its parameters:
/// ```
/// use pullback::{Graph, nn::{Layer, Linear}};
/// let g = Graph::new();
/// let (left, right) = (g.input("left", ("batch", 64)), g.input("right", ("batch", 64)));
/// let embed = Linear::new(&g, "embed", 64, 16);
/// let similarity = (embed.call(left) * embed.call(right)).sum_over(-1);
/// assert_eq!(similarity.ty().to_string(), "f32[batch]");
/// assert_eq!(g.parameters().len(), 2);
/// ```
#[doc(alias("dense", "fully_connected"))]
#[derive(Debug, Clone, Copy)]
pub struct Linear<'g> {
    scope: LayerScope,
    weight: Expr<'g>,
    bias: Option<Expr<'g>>,
}

/// What may be chosen of a [`Linear`] layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearOptions {
    /// How the weight starts.
    pub weight: Initializer,
    /// Whether there is a bias, which starts at zero.
    pub bias: bool,
    /// The dtype of the parameters, and of what the layer is called with.
    pub dtype: DType,
}

impl Default for LinearOptions {
    /// [`Initializer::HeUniform`], a bias, f32.
    fn default() -> LinearOptions {
        LinearOptions { weight: Initializer::HeUniform, bias: true, dtype: DType::F32 }
    }
}

impl<'g> Linear<'g> {
    /// A layer with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, inputs: usize, outputs: usize) -> Linear<'g> {
        let _frame = g.enter("Linear::new", Site::caller());
        Linear::with(g, name, inputs, outputs, LinearOptions::default())
    }

    /// [`Linear::new`] with options.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, nn::{Linear, LinearOptions}};
    /// let g = Graph::new();
    /// let options = LinearOptions { bias: false, dtype: DType::F64, ..LinearOptions::default() };
    /// let layer = Linear::with(&g, "map", 3, 2, options);
    /// assert_eq!(layer.weight().ty().to_string(), "f64[3, 2]");
    /// assert!(layer.bias().is_none());
    /// ```
    #[track_caller]
    pub fn with(g: &'g Graph, name: &str, inputs: usize, outputs: usize, options: LinearOptions) -> Linear<'g> {
        let _frame = g.enter("Linear::with", Site::caller());
        Linear::declare(g, name, [inputs.into(), outputs.into()], options).unwrap_or_else(Linear::poisoned)
    }

    /// The layer, or the poison in its place.
    pub(super) fn declare(
        g: &'g Graph,
        name: &str,
        [inputs, outputs]: [Dim; 2],
        options: LinearOptions,
    ) -> Result<Linear<'g>, Expr<'g>> {
        let declaration = Declaration { graph: g, layer: name, dtype: options.dtype };
        let weight = declaration.parameter("weight", &[inputs, outputs.clone()], options.weight)?;
        let bias = options.bias.then(|| declaration.parameter("bias", &[outputs], Initializer::Zeros)).transpose()?;
        Ok(Linear { scope: declaration.scope(), weight, bias })
    }

    /// What stands for a layer that could not be declared.
    pub(super) fn poisoned(poison: Expr<'g>) -> Linear<'g> {
        Linear { scope: LayerScope::NONE, weight: poison, bias: None }
    }

    /// W, `[inputs, outputs]`.
    pub fn weight(&self) -> Expr<'g> {
        self.weight
    }

    /// b, `[outputs]`, if there is one.
    pub fn bias(&self) -> Option<Expr<'g>> {
        self.bias
    }
}

impl<'g> Layer<'g> for Linear<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("Linear", self.scope);
        let product = x.dot(self.weight);
        self.bias.map_or(product, |bias| product + bias)
    }
}

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
    call_once(x, name, width.into(), LinearOptions { weight, ..LinearOptions::default() })
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
    let options = LinearOptions { weight: Initializer::GlorotUniform, bias: false, ..LinearOptions::default() };
    call_once(x, name, width.into(), options)
}

/// A layer for x alone.
#[track_caller]
fn call_once<'g>(x: Expr<'g>, name: &str, width: Dim, options: LinearOptions) -> Expr<'g> {
    let build = |features: Dim| {
        let options = LinearOptions { dtype: x.dtype(), ..options };
        Ok(Linear::declare(x.graph(), name, [features, width], options)?.call(x))
    };
    either(x.check_features().and_then(build))
}

//! Layer norm with a gain and a bias of its own. In: a number of features. Out: a layer.

use super::{Affine, Layer};
use crate::{
    graph::{DType, Expr, Graph, Site},
    nn::check::either,
};

/// Mean 0 and variance 1 over the last axis, then scaled and shifted: y = (x − μ)/√(σ² + ε)·gain + bias, with the
/// variance divided by n. The parameters are `name.gain`, from ones, and `name.bias`, from zeros.
///
/// # Shapes
/// x: `[…, n]`, gain and bias: `[n]` → `[…, n]`.
///
/// # Errors
/// An error is recorded if a name is taken, and, when it is called, if the last axis of x has another size or ε is not
/// positive.
///
/// # Source
/// Ba, Kiros and Hinton, *Layer normalization*, 2016, eq. 3 and 4.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{Layer, LayerNorm, NormOptions}};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", "time", 64));
/// let norm = LayerNorm::new(&g, "norm", 64);
/// let without_bias = LayerNorm::with(&g, "second", 64, NormOptions { bias: false, ..NormOptions::default() });
/// assert_eq!(without_bias.call(norm.call(x)).shape(), x.shape());
/// assert_eq!(g.parameters().len(), 3);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm<'g> {
    affine: Affine<'g>,
}

/// What may be chosen of a [`LayerNorm`] or a [`GroupNorm`](super::GroupNorm).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormOptions {
    /// ε, what is added to the variance.
    pub epsilon: f64,
    /// Whether there is a gain, which starts at one.
    pub gain: bool,
    /// Whether there is a bias, which starts at zero.
    pub bias: bool,
    /// The dtype of the parameters, and of what the layer is called with.
    pub dtype: DType,
}

impl Default for NormOptions {
    /// ε = 10⁻⁵, a gain, a bias, f32.
    fn default() -> NormOptions {
        NormOptions { epsilon: 1e-5, gain: true, bias: true, dtype: DType::F32 }
    }
}

impl<'g> LayerNorm<'g> {
    /// A layer with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, features: usize) -> LayerNorm<'g> {
        let _frame = g.enter("LayerNorm::new", Site::caller());
        LayerNorm::with(g, name, features, NormOptions::default())
    }

    /// [`LayerNorm::new`] with options.
    #[track_caller]
    pub fn with(g: &'g Graph, name: &str, features: usize, options: NormOptions) -> LayerNorm<'g> {
        let _frame = g.enter("LayerNorm::with", Site::caller());
        LayerNorm { affine: Affine::declare(g, name, features, options) }
    }

    /// The gain, `[features]`, if there is one.
    pub fn gain(&self) -> Option<Expr<'g>> {
        self.affine.gain
    }

    /// The bias, `[features]`, if there is one.
    pub fn bias(&self) -> Option<Expr<'g>> {
        self.affine.bias
    }
}

impl<'g> Layer<'g> for LayerNorm<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("LayerNorm", self.affine.scope);
        let Affine { features, epsilon, .. } = self.affine;
        let build = |()| self.affine.of(x.standardize(-1, epsilon), |vector| vector);
        either(x.check_size(-1, features, "what the norm is called with").map(build))
    }
}

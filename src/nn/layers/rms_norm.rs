//! RMS norm with a gain of its own. In: a number of features. Out: a layer.

use super::{Affine, Layer, NormOptions};
use crate::{
    graph::{DType, Expr, Graph, Site},
    nn::check::either,
};

/// Root mean square 1 over the last axis, then scaled: y = x/√(mean of x² + ε)·gain. The parameter is `name.gain`, from ones.
///
/// # Shapes
/// x: `[…, n]`, gain: `[n]` → `[…, n]`.
///
/// # Errors
/// An error is recorded if the name is taken, and, when it is called, if the last axis of x has another size or ε is not
/// positive.
///
/// # Source
/// Zhang and Sennrich, *Root mean square layer normalization*, 2019, eq. 4.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{Layer, RmsNorm, RmsNormOptions}};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", "time", 64));
/// let norm = RmsNorm::with(&g, "norm", 64, RmsNormOptions { epsilon: 1e-6, ..RmsNormOptions::default() });
/// assert_eq!(norm.call(x).shape(), x.shape());
/// assert_eq!(norm.gain().unwrap().name().unwrap(), "norm.gain");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RmsNorm<'g> {
    affine: Affine<'g>,
}

/// What may be chosen of an [`RmsNorm`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsNormOptions {
    /// ε, what is added to the mean of the squares.
    pub epsilon: f64,
    /// Whether there is a gain, which starts at one.
    pub gain: bool,
    /// The dtype of the parameter, and of what the layer is called with.
    pub dtype: DType,
}

impl Default for RmsNormOptions {
    /// ε = 10⁻⁵, a gain, f32.
    fn default() -> RmsNormOptions {
        RmsNormOptions { epsilon: 1e-5, gain: true, dtype: DType::F32 }
    }
}

impl<'g> RmsNorm<'g> {
    /// A layer with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, features: usize) -> RmsNorm<'g> {
        let _frame = g.enter("RmsNorm::new", Site::caller());
        RmsNorm::with(g, name, features, RmsNormOptions::default())
    }

    /// [`RmsNorm::new`] with options.
    #[track_caller]
    pub fn with(g: &'g Graph, name: &str, features: usize, options: RmsNormOptions) -> RmsNorm<'g> {
        let _frame = g.enter("RmsNorm::with", Site::caller());
        let RmsNormOptions { epsilon, gain, dtype } = options;
        RmsNorm { affine: Affine::declare(g, name, features, NormOptions { epsilon, gain, bias: false, dtype }) }
    }

    /// The gain, `[features]`, if there is one.
    pub fn gain(&self) -> Option<Expr<'g>> {
        self.affine.gain
    }
}

impl<'g> Layer<'g> for RmsNorm<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("RmsNorm", self.affine.scope);
        let Affine { features, epsilon, .. } = self.affine;
        let build = |()| self.affine.of(x.divide_by_rms(-1, epsilon), |vector| vector);
        either(x.check_size(-1, features, "what the norm is called with").map(build))
    }
}

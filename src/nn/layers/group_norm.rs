//! Group norm and its two ends, with a gain and a bias of their own. In: groups and channels. Out: a layer.

use super::{Affine, Layer, NormOptions};
use crate::{
    graph::{Dim, Expr, Graph, GraphError, LayerScope, Site},
    nn::check::either,
};

/// Mean 0 and variance 1 over each group of neighbouring channels and all that is behind the channels, for each example by
/// itself; then scaled and shifted for each channel: y = (x − μ)/√(σ² + ε)·gain + bias. The parameters are `name.gain`, from
/// ones, and `name.bias`, from zeros.
///
/// With as many groups as channels it is instance norm ([`GroupNorm::instance`]); with one it is the layer norm of images.
///
/// # Shapes
/// x: `[batch, channels, …]`, gain and bias: `[channels]` → as x. Sizes behind the channels may be symbols.
///
/// # Errors
/// An error is recorded if a name is taken, if the groups do not divide the channels, and, when it is called, if x has other
/// channels, if a group is one channel without space, or if ε is not positive.
///
/// # Source
/// Wu and He, *Group normalization*, 2018, eq. 1 to 7.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{GroupNorm, Layer}};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 32, 14, 14));
/// let norm = GroupNorm::new(&g, "norm", 8, 32);
/// assert_eq!(norm.call(x).shape(), x.shape());
/// assert_eq!(g.named("norm.gain").unwrap().ty().to_string(), "f32[32]");
/// ```
#[doc(alias("InstanceNorm", "InstanceNorm2d"))]
#[derive(Debug, Clone, Copy)]
pub struct GroupNorm<'g> {
    n_groups: usize,
    affine: Affine<'g>,
}

impl<'g> GroupNorm<'g> {
    /// A layer with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, groups: usize, channels: usize) -> GroupNorm<'g> {
        let _frame = g.enter("GroupNorm::new", Site::caller());
        GroupNorm::with(g, name, groups, channels, NormOptions::default())
    }

    /// [`GroupNorm::new`] with options.
    #[track_caller]
    pub fn with(g: &'g Graph, name: &str, groups: usize, channels: usize, options: NormOptions) -> GroupNorm<'g> {
        let _frame = g.enter("GroupNorm::with", Site::caller());
        let error = if groups == 0 {
            GraphError::NotPositive { what: "groups", found: Dim::from(0) }
        } else if channels.is_multiple_of(groups) {
            return GroupNorm { n_groups: groups, affine: Affine::declare(g, name, channels, options) };
        } else {
            GraphError::OutOfRange { what: "groups", expected: "a divisor of the channels", found: groups.to_string() }
        };
        let affine = Affine {
            scope: LayerScope::NONE,
            features: channels,
            epsilon: options.epsilon,
            gain: Some(g.report(error, &[])),
            bias: None,
        };
        GroupNorm { n_groups: 1, affine }
    }

    /// Instance norm: each channel of each example by itself. PyTorch's has neither gain nor bias by default.
    ///
    /// # Source
    /// Ulyanov, Vedaldi and Lempitsky, *Instance normalization: the missing ingredient for fast stylization*, 2016.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, nn::{GroupNorm, Layer, NormOptions}};
    /// let g = Graph::new();
    /// let options = NormOptions { gain: false, bias: false, ..NormOptions::default() };
    /// let norm = GroupNorm::instance(&g, "norm", 3, options);
    /// norm.call(g.input("x", ("batch", 3, 64, 64)));
    /// assert!(g.parameters().is_empty());
    /// ```
    #[track_caller]
    pub fn instance(g: &'g Graph, name: &str, channels: usize, options: NormOptions) -> GroupNorm<'g> {
        let _frame = g.enter("GroupNorm::instance", Site::caller());
        GroupNorm::with(g, name, channels, channels, options)
    }

    /// The gain, `[channels]`, if there is one.
    pub fn gain(&self) -> Option<Expr<'g>> {
        self.affine.gain
    }

    /// The bias, `[channels]`, if there is one.
    pub fn bias(&self) -> Option<Expr<'g>> {
        self.affine.bias
    }

    /// That a group is more than one number: less its own mean that is 0, whatever x is.
    fn check_group(&self, x: Expr<'g>) -> Result<(), Expr<'g>> {
        if self.n_groups < self.affine.features || x.rank() > 2 {
            return Ok(());
        }
        let (expected, found) = ("at least 3, with a channel for each group".to_owned(), x.shape());
        Err(x.graph().report(GraphError::Rank { expected, found }, &[x]))
    }

    /// x, `[batch, channels, …]`, with the statistics of its groups taken out.
    fn standardized(&self, x: Expr<'g>) -> Expr<'g> {
        let (shape, epsilon) = (x.shape(), self.affine.epsilon);
        let behind = |first: usize, rank: usize| (first..rank).map(|axis| axis as i64).collect::<Vec<i64>>();
        if self.n_groups == self.affine.features {
            return x.standardize(behind(2, shape.rank()).as_slice(), epsilon);
        }
        let of_group = Dim::from(self.affine.features / self.n_groups);
        let outer = [shape[0].clone(), Dim::from(self.n_groups), of_group];
        let grouped = x.reshape(outer.iter().chain(&shape[2..]).cloned().collect::<Vec<Dim>>());
        grouped.standardize(behind(2, shape.rank() + 1).as_slice(), epsilon).reshape(shape)
    }
}

impl<'g> Layer<'g> for GroupNorm<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("GroupNorm", self.affine.scope);
        let build = |()| self.affine.of(self.standardized(x), |vector| vector.for_channels(x.rank()));
        let checked = x.check_size(1, self.affine.features, "what the norm is called with");
        either(checked.and_then(|()| self.check_group(x)).map(build))
    }
}

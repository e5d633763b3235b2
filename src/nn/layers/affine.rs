//! A number by which each feature is multiplied, and one that is added: what norms end with. In: a number of features.
//! Out: parameters, and a value times them.

use super::{Declaration, NormOptions};
use crate::{
    graph::{Dim, Expr, Graph, Initializer, LayerScope},
    nn::check::either,
};

/// The gain and the bias of a norm, as far as there are any, with what the norm is told of its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affine<'g> {
    pub(super) scope: LayerScope,
    pub(super) features: usize,
    pub(super) epsilon: f64,
    pub(super) gain: Option<Expr<'g>>,
    pub(super) bias: Option<Expr<'g>>,
}

impl<'g> Affine<'g> {
    /// `name.gain` from ones and `name.bias` from zeros.
    pub(super) fn declare(g: &'g Graph, name: &str, features: usize, options: NormOptions) -> Affine<'g> {
        let declaration = Declaration { graph: g, layer: name, dtype: options.dtype };
        let shape = [Dim::from(features)];
        let gain = options.gain.then(|| declaration.parameter("gain", &shape, Initializer::Constant(1.0)));
        let bias = match gain {
            Some(Err(_)) => None,
            _ => options.bias.then(|| either(declaration.parameter("bias", &shape, Initializer::Zeros))),
        };
        Affine { scope: declaration.scope(), features, epsilon: options.epsilon, gain: gain.map(either), bias }
    }

    /// x·gain + bias, each as `place` puts it along the features of x.
    pub(super) fn of(&self, x: Expr<'g>, place: impl Fn(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
        let scaled = self.gain.map_or(x, |gain| x * place(gain));
        self.bias.map_or(scaled, |bias| scaled + place(bias))
    }
}

//! Layers: what declares the parameters it uses, under a name. In: a graph and sizes, or an expression. Out: a value that can be
//! called as often as wanted ([`Layer`]), or, by the short functions, the expression of its one call. The parameters are the
//! graph's: a layer holds expressions and no array.

mod affine;
mod attention;
mod batch_norm;
mod conv;
mod conv_transpose;
mod dropout;
mod embedding;
mod group_norm;
mod layer;
mod layer_norm;
mod linear;
mod normalization;
mod positions;
mod recurrent;
mod rms_norm;
mod separable_conv;
mod sequential;
mod transformer;

use affine::Affine;
pub use attention::{
    AttentionMask, KeyValueCache, MultiHeadAttention, MultiHeadAttentionOptions, dot_product_attention,
};
pub use batch_norm::{BatchNorm, BatchNormOptions};
pub use conv::{Conv, Conv1d, Conv2d, Conv3d, ConvOptions};
pub use conv_transpose::{ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, ConvTransposeOptions};
pub use dropout::Dropout;
pub use embedding::{Embedding, EmbeddingOptions};
pub use group_norm::GroupNorm;
pub use layer::Layer;
pub use layer_norm::{LayerNorm, NormOptions};
pub use linear::{Linear, LinearOptions, linear, linear_map, linear_with};
pub use normalization::{layer_norm, layer_norm_with};
pub use positions::{LearnedPositions, LearnedPositionsOptions, RotaryLayout, RotaryOptions, SinusoidalPositions};
pub use recurrent::{
    Directions, Gru, GruCell, GruOptions, Lstm, LstmCell, LstmOptions, Recurrence, Recurrent, RecurrentCell,
    RecurrentOptions, Rnn, RnnActivation, RnnCell, RnnOptions,
};
pub use rms_norm::{RmsNorm, RmsNormOptions};
pub use separable_conv::{SeparableConv, SeparableConv1d, SeparableConv2d, SeparableConv3d};
pub use sequential::Sequential;
pub use transformer::{
    FeedForward, FeedForwardActivation, FeedForwardOptions, NormKind, NormPlacement, TransformerDecoderBlock,
    TransformerEncoderBlock, TransformerOptions,
};

use crate::graph::{DType, Dim, Expr, Graph, Initializer, LayerScope};

/// Declares the parameters and states of one layer: it stops at the first error, so that a name that is taken is reported once and not for
/// each parameter.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Declaration<'g, 'n> {
    pub(in crate::nn) graph: &'g Graph,
    pub(in crate::nn) layer: &'n str,
    pub(in crate::nn) dtype: DType,
}

impl<'g> Declaration<'g, '_> {
    /// The scope of the layer.
    pub(in crate::nn) fn scope(self) -> LayerScope {
        self.graph.layer_scope(self.layer)
    }

    /// The parameter `layer.name`, or the poison in its place.
    pub(in crate::nn) fn parameter(
        self,
        name: &str,
        shape: &[Dim],
        initializer: Initializer,
    ) -> Result<Expr<'g>, Expr<'g>> {
        let name = format!("{}.{name}", self.layer);
        unpoisoned(self.graph.parameter_of(self.dtype, &name, shape, initializer))
    }

    /// The state `layer.name`, or the poison in its place.
    pub(in crate::nn) fn state(
        self,
        name: &str,
        shape: &[Dim],
        initializer: Initializer,
    ) -> Result<Expr<'g>, Expr<'g>> {
        let name = format!("{}.{name}", self.layer);
        unpoisoned(self.graph.state_of(self.dtype, &name, shape, initializer))
    }
}

fn unpoisoned(expr: Expr<'_>) -> Result<Expr<'_>, Expr<'_>> {
    if expr.is_poisoned() { Err(expr) } else { Ok(expr) }
}

impl<'g> Expr<'g> {
    /// The parameter `layer.name` of this dtype, or the poison in its place: a layer stops at the first error, so that
    /// a name that is taken is reported once and not for each parameter.
    pub(in crate::nn) fn parameter_beside(
        self,
        layer: &str,
        name: &str,
        shape: &[Dim],
        initializer: Initializer,
    ) -> Result<Expr<'g>, Expr<'g>> {
        Declaration { graph: self.graph(), layer, dtype: self.dtype() }.parameter(name, shape, initializer)
    }
}

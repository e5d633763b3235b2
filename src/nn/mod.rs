//! Activations, statistics, losses, layers and models: everything that is composed of primitives.
//!
//! In: expressions. Out: expressions; a layer declares its parameters too. Nothing here holds an array or has a
//! derivative of its own: derivatives are those of the primitives, and where that would be wrong at a kink, the
//! composition is chosen so that it is not. A wrong operand is one error, under the name of the function called and
//! on the user's line.

mod activations;
pub(crate) mod check;
mod layers;
mod losses;
mod masked;
mod models;
mod pooling;
mod statistics;
mod upsample;

pub use layers::{
    AttentionMask, BatchNorm, BatchNormOptions, Conv, Conv1d, Conv2d, Conv3d, ConvOptions, ConvTranspose,
    ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, ConvTransposeOptions, Directions, Dropout, Embedding,
    EmbeddingOptions, FeedForward, FeedForwardActivation, FeedForwardOptions, GroupNorm, Gru, GruCell, GruOptions,
    KeyValueCache, Layer, LayerNorm, LearnedPositions, LearnedPositionsOptions, Linear, LinearOptions, Lstm, LstmCell,
    LstmOptions, MultiHeadAttention, MultiHeadAttentionOptions, NormKind, NormOptions, NormPlacement, Recurrence,
    Recurrent, RecurrentCell, RecurrentOptions, RmsNorm, RmsNormOptions, Rnn, RnnActivation, RnnCell, RnnOptions,
    RotaryLayout, RotaryOptions, SeparableConv, SeparableConv1d, SeparableConv2d, SeparableConv3d, Sequential,
    SinusoidalPositions, TransformerDecoderBlock, TransformerEncoderBlock, TransformerOptions, dot_product_attention,
    layer_norm, layer_norm_with, linear, linear_map, linear_with,
};
pub use losses::{
    binary_zero_one_loss, cross_entropy, cross_entropy_with_probabilities, hinge_loss, kl_divergence, logistic_loss,
    squared_error, zero_one_loss,
};
pub use models::{hidden_layers, label_probability, linear_score, perceptron};
pub use statistics::Correction;
pub use upsample::{Align, Upsample};

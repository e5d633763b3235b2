//! Blocks of transformers: attention and a feed-forward part, each with a norm and a path around it. In: a graph and sizes, then
//! sequences. Out: a block, then a sequence of the same shape.

mod decoder;
mod encoder;
mod feed_forward;

pub use decoder::TransformerDecoderBlock;
pub use encoder::TransformerEncoderBlock;
pub use feed_forward::{FeedForward, FeedForwardActivation, FeedForwardOptions};

use super::{Declaration, MultiHeadAttention, MultiHeadAttentionOptions, RotaryOptions};
use crate::graph::{DType, Dim, Expr, Graph, Initializer};

/// Where the norms of a block are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormPlacement {
    /// x + f(norm(x)): the path around is an identity from the first block to the last. A norm belongs behind the last block. Xiong et
    /// al., *On layer normalization in the transformer architecture*, 2020.
    #[doc(alias = "pre_norm")]
    Before,
    /// norm(x + f(x)), as in Vaswani et al.
    #[doc(alias = "post_norm")]
    After,
}

/// What may be chosen of the blocks of a transformer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransformerOptions {
    /// Where the norms are.
    pub norm: NormPlacement,
    /// ε of the norms.
    pub epsilon: f64,
    /// Whether a position sees the past alone; a decoder's always does.
    pub causal: bool,
    /// How many heads keys and values have; None: as many as queries.
    pub key_heads: Option<usize>,
    /// Whether queries and keys of attention to the sequence itself are rotated by their positions.
    pub rotary: Option<RotaryOptions>,
    /// The width between the maps of the feed-forward part; None: four times the width.
    pub hidden: Option<usize>,
    /// What is between those maps.
    pub activation: FeedForwardActivation,
    /// Whether the linear maps have biases, which start at zero; norms have one.
    pub bias: bool,
    /// How the weights start.
    pub weight: Initializer,
    /// The dtype of the parameters, and of what the block is called with.
    pub dtype: DType,
}

impl Default for TransformerOptions {
    /// Norms before, ε = 10⁻⁵, not causal, a head of keys for each head, no rotation, four times the width with
    /// [`FeedForwardActivation::Gelu`], biases, [`Initializer::GlorotUniform`], f32.
    fn default() -> TransformerOptions {
        TransformerOptions {
            norm: NormPlacement::Before,
            epsilon: 1e-5,
            causal: false,
            key_heads: None,
            rotary: None,
            hidden: None,
            activation: FeedForwardActivation::Gelu,
            bias: true,
            weight: Initializer::GlorotUniform,
            dtype: DType::F32,
        }
    }
}

/// The parameters of a norm, and what it is around.
#[derive(Debug, Clone, Copy)]
struct Residual<'g> {
    gain: Expr<'g>,
    bias: Expr<'g>,
    epsilon: f64,
    placement: NormPlacement,
}

impl<'g> Residual<'g> {
    /// f with its norm and the path around it.
    fn around(&self, x: Expr<'g>, f: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
        let norm = |x: Expr<'g>| x.layer_norm(self.gain, self.bias, self.epsilon);
        match self.placement {
            NormPlacement::Before => x + f(norm(x)),
            NormPlacement::After => norm(x + f(x)),
        }
    }
}

/// What blocks are declared with.
#[derive(Clone, Copy)]
struct Block<'g, 'n> {
    graph: &'g Graph,
    name: &'n str,
    width: usize,
    heads: usize,
    options: TransformerOptions,
}

impl<'g> Block<'g, '_> {
    fn residual(self, name: &str) -> Result<Residual<'g>, Expr<'g>> {
        let TransformerOptions { epsilon, norm: placement, dtype, .. } = self.options;
        let declaration = Declaration { graph: self.graph, layer: &format!("{}.{name}", self.name), dtype };
        let shape = [Dim::from(self.width)];
        let gain = declaration.parameter("gain", &shape, Initializer::Constant(1.0))?;
        let bias = declaration.parameter("bias", &shape, Initializer::Zeros)?;
        Ok(Residual { gain, bias, epsilon, placement })
    }

    fn attention(self, name: &str, causal: bool) -> Result<MultiHeadAttention<'g>, Expr<'g>> {
        let TransformerOptions { key_heads, rotary, bias, weight, dtype, .. } = self.options;
        let options = MultiHeadAttentionOptions { causal, key_heads, rotary, bias, weight, dtype };
        MultiHeadAttention::declare(self.graph, &format!("{}.{name}", self.name), [self.width, self.heads], options)
    }

    fn feed_forward(self) -> Result<FeedForward<'g>, Expr<'g>> {
        let TransformerOptions { hidden, activation, bias, weight, dtype, .. } = self.options;
        let sizes = [self.width, hidden.unwrap_or(self.width.saturating_mul(4))];
        let options = FeedForwardOptions { activation, bias, weight, dtype };
        FeedForward::declare(self.graph, &format!("{}.feed_forward", self.name), sizes, options)
    }
}

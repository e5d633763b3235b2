//! Blocks of transformers: attention and a feed-forward part, each with a norm and a residual connection. In: a graph and sizes,
//! then sequences. Out: a block, then a sequence of the same shape.

mod decoder;
mod encoder;
mod feed_forward;

pub use decoder::TransformerDecoderBlock;
pub use encoder::TransformerEncoderBlock;
pub use feed_forward::{FeedForward, FeedForwardActivation, FeedForwardOptions};

use super::{
    Dropout, Layer, LayerNorm, MultiHeadAttention, MultiHeadAttentionOptions, NormOptions, RmsNorm, RmsNormOptions,
    RotaryOptions,
};
use crate::graph::{DType, Expr, Graph, Initializer};

/// Where the norms of a block are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormPlacement {
    /// x + f(norm(x)): the residual connections are an identity from the first block to the last. A norm belongs behind the last
    /// block. Xiong et al., *On layer normalization in the transformer architecture*, 2020.
    #[doc(alias = "pre_norm")]
    Before,
    /// norm(x + f(x)), as in Vaswani et al.
    #[doc(alias = "post_norm")]
    After,
}

/// Which norms a block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// [`LayerNorm`] with a gain and a bias.
    Layer,
    /// [`LayerNorm`] with a gain alone.
    LayerWithoutBias,
    /// [`RmsNorm`] with a gain, as LLaMA has it.
    Rms,
}

/// What may be chosen of the blocks of a transformer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransformerOptions {
    /// Where the norms are.
    pub norm: NormPlacement,
    /// Which norms they are.
    pub norm_kind: NormKind,
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
    /// The part of the weights of attention, and of what each part gives before it is added to the path around it, that is dropped
    /// while training, as by [`Dropout`]; 0 for none. Its states are under `name.attention.dropout` and `name.dropout1`, and so on.
    pub dropout: f64,
    /// The part of what is between the maps of the feed-forward part that is dropped while training; 0 for none. PyTorch's blocks
    /// drop there as much as elsewhere, GPT-2 drops nothing there. Its states are under `name.feed_forward.dropout`.
    pub hidden_dropout: f64,
    /// Whether the linear maps have biases, which start at zero; of norms [`NormKind`] says so.
    pub bias: bool,
    /// How the weights start.
    pub weight: Initializer,
    /// How the weights of the last map of each part start, whose values are added to the path around it; None: as the others. GPT-2
    /// has them normal with deviation 0.02/√(2·blocks), and the others with 0.02, so that the sum of all parts starts as large
    /// whatever their number.
    pub out_weight: Option<Initializer>,
    /// The dtype of the parameters, and of what the block is called with.
    pub dtype: DType,
}

impl Default for TransformerOptions {
    /// Layer norms before, ε = 10⁻⁵, not causal, a head of keys for each head, no rotation, four times the width with
    /// [`FeedForwardActivation::Gelu`], nothing dropped, biases, [`Initializer::GlorotUniform`], f32.
    fn default() -> TransformerOptions {
        TransformerOptions {
            norm: NormPlacement::Before,
            norm_kind: NormKind::Layer,
            epsilon: 1e-5,
            causal: false,
            key_heads: None,
            rotary: None,
            hidden: None,
            activation: FeedForwardActivation::Gelu,
            dropout: 0.0,
            hidden_dropout: 0.0,
            bias: true,
            weight: Initializer::GlorotUniform,
            out_weight: None,
            dtype: DType::F32,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Norm<'g> {
    Layer(LayerNorm<'g>),
    Rms(RmsNorm<'g>),
}

impl<'g> Norm<'g> {
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        match self {
            Norm::Layer(norm) => norm.call(x),
            Norm::Rms(norm) => norm.call(x),
        }
    }
}

/// A residual connection with its norm.
#[derive(Debug, Clone, Copy)]
struct Residual<'g> {
    norm: Norm<'g>,
    placement: NormPlacement,
    dropout: Option<Dropout<'g>>,
}

impl<'g> Residual<'g> {
    /// x and f of it added up, with the norm before f or behind the sum.
    fn around(&self, x: Expr<'g>, f: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
        let f = |x: Expr<'g>| {
            let y = f(x);
            self.dropout.map_or(y, |dropout| dropout.call(y))
        };
        match self.placement {
            NormPlacement::Before => x + f(self.norm.call(x)),
            NormPlacement::After => self.norm.call(x + f(x)),
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
    /// The residual connection of that number, counted from 1.
    fn residual(self, number: usize) -> Result<Residual<'g>, Expr<'g>> {
        let TransformerOptions { norm: placement, dropout, .. } = self.options;
        let norm = self.norm(&format!("{}.norm{number}", self.name))?;
        let dropout = Dropout::unless_zero(self.graph, &format!("{}.dropout{number}", self.name), dropout);
        Ok(Residual { norm, placement, dropout })
    }

    fn norm(self, name: &str) -> Result<Norm<'g>, Expr<'g>> {
        let TransformerOptions { norm_kind, epsilon, dtype, .. } = self.options;
        let layer = |bias: bool| {
            let options = NormOptions { epsilon, bias, dtype, ..NormOptions::default() };
            let norm = LayerNorm::with(self.graph, name, self.width, options);
            (Norm::Layer(norm), [norm.gain(), norm.bias()])
        };
        let (norm, parameters) = match norm_kind {
            NormKind::Layer => layer(true),
            NormKind::LayerWithoutBias => layer(false),
            NormKind::Rms => {
                let options = RmsNormOptions { epsilon, dtype, ..RmsNormOptions::default() };
                let norm = RmsNorm::with(self.graph, name, self.width, options);
                (Norm::Rms(norm), [norm.gain(), None])
            }
        };
        match parameters.into_iter().flatten().find(Expr::is_poisoned) {
            Some(poison) => Err(poison),
            None => Ok(norm),
        }
    }

    fn attention(self, name: &str, causal: bool) -> Result<MultiHeadAttention<'g>, Expr<'g>> {
        let TransformerOptions { key_heads, rotary, dropout, bias, weight, out_weight, dtype, .. } = self.options;
        let options = MultiHeadAttentionOptions { causal, key_heads, rotary, dropout, bias, weight, out_weight, dtype };
        MultiHeadAttention::declare(self.graph, &format!("{}.{name}", self.name), [self.width, self.heads], options)
    }

    fn feed_forward(self) -> Result<FeedForward<'g>, Expr<'g>> {
        let TransformerOptions { hidden, activation, hidden_dropout, bias, weight, out_weight, dtype, .. } =
            self.options;
        let sizes = [self.width, hidden.unwrap_or(self.width.saturating_mul(4))];
        let options = FeedForwardOptions { activation, dropout: hidden_dropout, bias, weight, out_weight, dtype };
        FeedForward::declare(self.graph, &format!("{}.feed_forward", self.name), sizes, options)
    }
}

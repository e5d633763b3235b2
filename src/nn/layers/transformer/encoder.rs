//! A block that sees one sequence: of an encoder, or, causal, of a language model. In: a graph and sizes, then a sequence. Out: a
//! block, then a sequence of the same shape.

use super::{Block, FeedForward, Residual, TransformerOptions};
use crate::{
    graph::{Dim, Expr, Graph, LayerScope, Site},
    nn::layers::{AttentionMask, KeyValueCache, Layer, MultiHeadAttention},
};

/// A block of a transformer's encoder, or with [`causal`](TransformerOptions::causal) of a GPT: y = x + attention(norm₁(x)), then
/// y + feed_forward(norm₂(y)), or with norms after. The parameters are those of `name.norm1`, `name.attention`, `name.norm2` and
/// `name.feed_forward`: [`MultiHeadAttention`] and [`FeedForward`], and a gain and a bias for each norm.
///
/// # Shapes
/// x: `[batch, time, width]` → the same. Batch and time may be symbols.
///
/// # Errors
/// As for [`MultiHeadAttention`].
///
/// # Source
/// Vaswani et al., *Attention is all you need*, 2017, section 3.1; Radford et al., *Language models are unsupervised multitask
/// learners*, 2019, for the block of a language model.
///
/// # Example
/// A language model of four blocks:
/// ```
/// use pullback::{DType, Graph, nn::{Embedding, Layer, LearnedPositions, TransformerEncoderBlock, TransformerOptions, layer_norm}};
/// let g = Graph::new();
/// let (words, positions) = (Embedding::new(&g, "words", 96, 64), LearnedPositions::new(&g, "positions", 128, 64));
/// let options = TransformerOptions { causal: true, ..TransformerOptions::default() };
/// let blocks: Vec<_> =
///     (0..4).map(|block| TransformerEncoderBlock::with(&g, &format!("block.{block}"), 64, 4, options)).collect();
/// let x = positions.call(words.call(g.input_of(DType::I64, "x", ("batch", "time"))));
/// let hidden = blocks.iter().fold(x, |x, block| block.call(x));
/// let logits = words.logits(layer_norm(hidden, "norm"));
/// assert_eq!(logits.ty().to_string(), "f32[batch, time, 96]");
/// ```
#[doc(alias("TransformerEncoderLayer", "gpt"))]
#[derive(Debug, Clone, Copy)]
pub struct TransformerEncoderBlock<'g> {
    graph: &'g Graph,
    scope: LayerScope,
    parts: Result<Parts<'g>, Expr<'g>>,
}

#[derive(Debug, Clone, Copy)]
struct Parts<'g> {
    norm1: Residual<'g>,
    attention: MultiHeadAttention<'g>,
    norm2: Residual<'g>,
    feed_forward: FeedForward<'g>,
}

impl<'g> TransformerEncoderBlock<'g> {
    /// A block with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, width: usize, heads: usize) -> TransformerEncoderBlock<'g> {
        let _frame = g.enter("TransformerEncoderBlock::new", Site::caller());
        TransformerEncoderBlock::with(g, name, width, heads, TransformerOptions::default())
    }

    /// [`TransformerEncoderBlock::new`] with options.
    #[track_caller]
    pub fn with(
        g: &'g Graph,
        name: &str,
        width: usize,
        heads: usize,
        options: TransformerOptions,
    ) -> TransformerEncoderBlock<'g> {
        let _frame = g.enter("TransformerEncoderBlock::with", Site::caller());
        TransformerEncoderBlock {
            graph: g,
            scope: g.layer_scope(name),
            parts: Parts::declare(Block { graph: g, name, width, heads, options }),
        }
    }

    /// The block's value, with masks on top of its own.
    #[track_caller]
    pub fn attend(&self, x: Expr<'g>, mask: AttentionMask<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("TransformerEncoderBlock::attend", self.scope);
        match &self.parts {
            Ok(parts) => {
                let attended = parts.norm1.around(x, |x| parts.attention.attend(x, mask));
                parts.norm2.around(attended, |x| parts.feed_forward.call(x))
            }
            Err(poison) => *poison,
        }
    }

    /// A cache of zeros for so many positions: what decoding begins with.
    #[track_caller]
    pub fn empty_cache(&self, batch: impl Into<Dim>, positions: usize) -> KeyValueCache<'g> {
        let _frame = self.graph.enter_layer("TransformerEncoderBlock::empty_cache", Site::caller(), self.scope);
        match &self.parts {
            Ok(parts) => parts.attention.empty_cache(batch, positions),
            Err(poison) => KeyValueCache { keys: *poison, values: *poison },
        }
    }

    /// The next part of a sequence, as [`MultiHeadAttention::step`] has it.
    ///
    /// # Shapes
    /// x: `[batch, n, width]`, position: `i64[]` or `i64[batch]` → the shape of x, and the cache with this part in it.
    ///
    /// # Errors
    /// As for [`MultiHeadAttention::step`].
    #[track_caller]
    pub fn step(&self, x: Expr<'g>, cache: KeyValueCache<'g>, position: Expr<'g>) -> (Expr<'g>, KeyValueCache<'g>) {
        let _frame = x.enter_layer("TransformerEncoderBlock::step", self.scope);
        let parts = match &self.parts {
            Ok(parts) => parts,
            Err(poison) => return (*poison, KeyValueCache { keys: *poison, values: *poison }),
        };
        let mut next = cache;
        let attended = parts.norm1.around(x, |x| {
            let (y, kept) = parts.attention.step(x, cache, position);
            next = kept;
            y
        });
        (parts.norm2.around(attended, |x| parts.feed_forward.call(x)), next)
    }
}

impl<'g> Parts<'g> {
    fn declare(block: Block<'g, '_>) -> Result<Parts<'g>, Expr<'g>> {
        let norm1 = block.residual(1)?;
        let attention = block.attention("attention", block.options.causal)?;
        let norm2 = block.residual(2)?;
        Ok(Parts { norm1, attention, norm2, feed_forward: block.feed_forward()? })
    }
}

impl<'g> Layer<'g> for TransformerEncoderBlock<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("TransformerEncoderBlock", self.scope);
        self.attend(x, AttentionMask::default())
    }
}

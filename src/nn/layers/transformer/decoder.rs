//! A block that sees its own past and another sequence. In: a graph and sizes, then two sequences. Out: a block, then a sequence of the
//! shape of the first.

use super::{Block, FeedForward, Residual, TransformerOptions};
use crate::{
    graph::{Dim, Expr, Graph, LayerScope, Site},
    nn::layers::{AttentionMask, KeyValueCache, Layer, MultiHeadAttention},
};

/// A block of a transformer's decoder: causal attention to the sequence itself, attention to a memory, which is what the encoder gives,
/// and the feed-forward part, each with a norm and a residual connection. The parameters are those of `name.norm1`, `name.attention`,
/// `name.norm2`, `name.cross`, `name.norm3` and `name.feed_forward`.
///
/// # Shapes
/// x: `[batch, time, width]`, memory: `[batch, key time, width]` → the shape of x.
///
/// # Errors
/// As for [`MultiHeadAttention`].
///
/// # Source
/// Vaswani et al., *Attention is all you need*, 2017, section 3.1.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{AttentionMask, TransformerDecoderBlock}};
/// let g = Graph::new();
/// let block = TransformerDecoderBlock::new(&g, "decoder", 64, 8);
/// let (x, memory) = (g.input("x", ("batch", 7, 64)), g.input("memory", ("batch", 12, 64)));
/// let y = block.decode(x, memory, AttentionMask::default(), AttentionMask::default());
/// assert_eq!(y.shape(), x.shape());
/// ```
#[doc(alias = "TransformerDecoderLayer")]
#[derive(Debug, Clone, Copy)]
pub struct TransformerDecoderBlock<'g> {
    graph: &'g Graph,
    scope: LayerScope,
    parts: Result<Parts<'g>, Expr<'g>>,
}

#[derive(Debug, Clone, Copy)]
struct Parts<'g> {
    norm1: Residual<'g>,
    attention: MultiHeadAttention<'g>,
    norm2: Residual<'g>,
    cross: MultiHeadAttention<'g>,
    norm3: Residual<'g>,
    feed_forward: FeedForward<'g>,
}

impl<'g> TransformerDecoderBlock<'g> {
    /// A block with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, width: usize, heads: usize) -> TransformerDecoderBlock<'g> {
        let _frame = g.enter("TransformerDecoderBlock::new", Site::caller());
        TransformerDecoderBlock::with(g, name, width, heads, TransformerOptions::default())
    }

    /// [`TransformerDecoderBlock::new`] with options.
    #[track_caller]
    pub fn with(
        g: &'g Graph,
        name: &str,
        width: usize,
        heads: usize,
        options: TransformerOptions,
    ) -> TransformerDecoderBlock<'g> {
        let _frame = g.enter("TransformerDecoderBlock::with", Site::caller());
        TransformerDecoderBlock {
            graph: g,
            scope: g.layer_scope(name),
            parts: Parts::declare(Block { graph: g, name, width, heads, options }),
        }
    }

    /// The block's value: `mask` says what x may see of its past, `memory_mask` what it may see of the memory.
    #[track_caller]
    pub fn decode(
        &self,
        x: Expr<'g>,
        memory: Expr<'g>,
        mask: AttentionMask<'g>,
        memory_mask: AttentionMask<'g>,
    ) -> Expr<'g> {
        let _frame = x.enter_layer("TransformerDecoderBlock::decode", self.scope);
        match &self.parts {
            Ok(parts) => {
                let attended = parts.norm1.around(x, |x| parts.attention.attend(x, mask));
                parts.behind(attended, parts.cross.keep(memory), memory_mask)
            }
            Err(poison) => *poison,
        }
    }

    /// Keys and values of a memory, so that they are computed once for all steps of decoding.
    ///
    /// # Shapes
    /// memory: `[batch, key time, width]` → as [`MultiHeadAttention::keep`].
    #[track_caller]
    pub fn keep(&self, memory: Expr<'g>) -> KeyValueCache<'g> {
        let _frame = memory.enter_layer("TransformerDecoderBlock::keep", self.scope);
        match &self.parts {
            Ok(parts) => parts.cross.keep(memory),
            Err(poison) => KeyValueCache { keys: *poison, values: *poison },
        }
    }

    /// A cache of zeros for so many positions: what decoding begins with.
    #[track_caller]
    pub fn empty_cache(&self, batch: impl Into<Dim>, positions: usize) -> KeyValueCache<'g> {
        let _frame = self.graph.enter_layer("TransformerDecoderBlock::empty_cache", Site::caller(), self.scope);
        match &self.parts {
            Ok(parts) => parts.attention.empty_cache(batch, positions),
            Err(poison) => KeyValueCache { keys: *poison, values: *poison },
        }
    }

    /// The next part of a sequence, as [`MultiHeadAttention::step`] has it; the memory is what [`TransformerDecoderBlock::keep`] gave, with
    /// what may be seen of it.
    ///
    /// # Shapes
    /// x: `[batch, n, width]`, position: `i64[]` or `i64[batch]` → the shape of x, and the cache with this part in it.
    ///
    /// # Errors
    /// As for [`MultiHeadAttention::step`].
    #[track_caller]
    pub fn step(
        &self,
        x: Expr<'g>,
        (memory, memory_mask): (KeyValueCache<'g>, AttentionMask<'g>),
        cache: KeyValueCache<'g>,
        position: Expr<'g>,
    ) -> (Expr<'g>, KeyValueCache<'g>) {
        let _frame = x.enter_layer("TransformerDecoderBlock::step", self.scope);
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
        (parts.behind(attended, memory, memory_mask), next)
    }
}

impl<'g> Parts<'g> {
    fn declare(block: Block<'g, '_>) -> Result<Parts<'g>, Expr<'g>> {
        let norm1 = block.residual(1)?;
        let attention = block.attention("attention", true)?;
        let norm2 = block.residual(2)?;
        // Positions of two sequences are not to be compared.
        let without = Block { options: TransformerOptions { rotary: None, ..block.options }, ..block };
        let cross = without.attention("cross", false)?;
        let norm3 = block.residual(3)?;
        Ok(Parts { norm1, attention, norm2, cross, norm3, feed_forward: block.feed_forward()? })
    }

    /// What comes behind the attention to the sequence itself.
    fn behind(&self, x: Expr<'g>, memory: KeyValueCache<'g>, mask: AttentionMask<'g>) -> Expr<'g> {
        let crossed = self.norm2.around(x, |x| self.cross.attend_to_kept(x, memory, mask));
        self.norm3.around(crossed, |x| self.feed_forward.call(x))
    }
}

//! A GPT as GPT-2 is built. In: a graph and sizes, then tokens. Out: logits of what follows, for all places or step by step with a
//! cache.

use pullback::nn::{Embedding, EmbeddingOptions, FeedForwardActivation, KeyValueCache, Layer, LayerNorm};
use pullback::nn::{LearnedPositions, TransformerEncoderBlock, TransformerOptions};
use pullback::{DType, Dim, Expr, Graph, Initializer};

/// How large the model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) tokens: usize,
    /// The most positions of a sequence.
    pub(crate) context: usize,
    pub(crate) width: usize,
    pub(crate) heads: usize,
    pub(crate) blocks: usize,
}

/// Of each block.
type Caches<'g> = Vec<KeyValueCache<'g>>;

/// The layers, which share their parameters between all that is made of them.
pub(crate) struct Gpt<'g> {
    pub(crate) sizes: Sizes,
    words: Embedding<'g>,
    positions: LearnedPositions<'g>,
    blocks: Vec<TransformerEncoderBlock<'g>>,
    norm: LayerNorm<'g>,
}

impl<'g> Gpt<'g> {
    /// Weights start as those of GPT-2: normal with deviation 0.02, and smaller where their values are added to the path around.
    pub(crate) fn new(g: &'g Graph, sizes: Sizes) -> Gpt<'g> {
        let Sizes { tokens, context, width, heads, blocks } = sizes;
        let normal = |deviation: f64| Initializer::Normal { mean: 0.0, deviation };
        let options = TransformerOptions {
            causal: true,
            activation: FeedForwardActivation::GeluTanh,
            weight: normal(0.02),
            out_weight: Some(normal(0.02 / (2.0 * blocks as f64).sqrt())),
            ..TransformerOptions::default()
        };
        let table = EmbeddingOptions { weight: normal(0.02), ..EmbeddingOptions::default() };
        let block = |k: usize| TransformerEncoderBlock::with(g, &format!("block.{k}"), width, heads, options);
        let words = Embedding::with(g, "words", tokens, width, table);
        let positions = LearnedPositions::new(g, "positions", context, width);
        let (blocks, norm) = ((0..blocks).map(block).collect(), LayerNorm::new(g, "norm", width));
        Gpt { sizes, words, positions, blocks, norm }
    }

    /// Logits of what follows each token: `i64[batch, time]` → `[batch, time, tokens]`.
    pub(crate) fn logits(&self, tokens: Expr<'g>) -> Expr<'g> {
        let rows = self.positions.call(self.words.call(tokens));
        let hidden = self.blocks.iter().fold(rows, |x, block| block.call(x));
        self.words.logits(self.norm.call(hidden))
    }

    /// What decoding begins with.
    pub(crate) fn empty_caches(&self, batch: impl Into<Dim>) -> Caches<'g> {
        let batch = batch.into();
        self.blocks.iter().map(|block| block.empty_cache(batch.clone(), self.sizes.context)).collect()
    }

    /// Logits of what follows the last of these tokens, which come behind the `position` tokens that are in the caches:
    /// `i64[batch, n]` → `[batch, tokens]`, and the caches with these tokens in them.
    pub(crate) fn step(&self, tokens: Expr<'g>, caches: Caches<'g>, position: Expr<'g>) -> (Expr<'g>, Caches<'g>) {
        let places = tokens.graph().iota(DType::I64, [tokens.shape()[1].clone()], 0) + position;
        let mut hidden = self.words.call(tokens) + self.positions.at(places);
        let step = |(block, cache): (&TransformerEncoderBlock<'g>, KeyValueCache<'g>)| {
            let (next, cache) = block.step(hidden, cache, position);
            hidden = next;
            cache
        };
        let caches = self.blocks.iter().zip(caches).map(step).collect();
        (self.words.logits(self.norm.call(hidden.slice((.., -1)))), caches)
    }
}

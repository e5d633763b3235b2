//! Attention step by step: keys and values of the past are kept. In: the next part of a sequence, and what is kept. Out: the layer's
//! value there, and what is kept after it.

use super::{AttentionMask, MultiHeadAttention, attend};
use crate::{
    graph::{DType, Dim, Expr, GraphError, Literal, Shape, Type},
    ops::Tree,
};

/// Keys and values of attention: `[batch, key_heads, positions, width/heads]` each. A [`Tree`], so that it is the carry of a
/// [`scan`](crate::Graph::scan).
#[doc(alias("kv_cache", "past_key_values"))]
#[derive(Debug, Clone, Copy)]
pub struct KeyValueCache<'g> {
    /// The keys, rotated where the layer does so.
    pub keys: Expr<'g>,
    /// The values.
    pub values: Expr<'g>,
}

impl<'g> Tree<'g> for KeyValueCache<'g> {
    fn push_to(&self, leaves: &mut Vec<Expr<'g>>) {
        (self.keys, self.values).push_to(leaves);
    }

    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Expr<'g>>) -> KeyValueCache<'g> {
        let (keys, values) = (self.keys, self.values).rebuild(leaves);
        KeyValueCache { keys, values }
    }
}

impl<'g> MultiHeadAttention<'g> {
    /// A cache of zeros for so many positions: what decoding begins with.
    #[track_caller]
    pub fn empty_cache(&self, batch: impl Into<Dim>, positions: usize) -> KeyValueCache<'g> {
        let weight = self.input.weight();
        let _frame = weight.enter_layer("MultiHeadAttention::empty_cache", self.scope);
        if weight.is_poisoned() {
            return KeyValueCache { keys: weight, values: weight };
        }
        let shape: Shape = [batch.into(), self.key_heads.into(), positions.into(), self.size.into()].into();
        let zeros = weight.graph().splat(Literal::Number(0.0), Type::new(self.dtype, shape));
        KeyValueCache { keys: zeros, values: zeros }
    }

    /// The next part of a sequence, one position or several, which sees itself and the past: what the causal layer gives there, and the
    /// cache with this part in it. `position` is how many positions are in the cache already: one number, or one for each row.
    /// Nothing is seen of what the cache has from there on, so that prompts of different lengths are padded at their ends and go in
    /// at once at 0; the next step of each row begins at its length and writes over the padding.
    ///
    /// Each step reads and writes the whole cache, so that its sizes are the same for all steps, and one plan does for them.
    ///
    /// # Shapes
    /// x: `[batch, n, width]`, cache: `[batch, key_heads, positions, width/heads]` each, position: `i64[]` or `i64[batch]` → the
    /// shape of x, and a cache of the same sizes.
    ///
    /// # Errors
    /// An error is recorded if a shape or dtype is another, or if the layer is not causal. More positions than the cache has are an
    /// error of the run.
    ///
    /// # Example
    /// Twelve steps in one program; a language model would embed the word of the step before:
    /// ```
    /// use pullback::{DType, Graph, nn::{MultiHeadAttention, MultiHeadAttentionOptions}};
    /// let g = Graph::new();
    /// let options = MultiHeadAttentionOptions { causal: true, ..MultiHeadAttentionOptions::default() };
    /// let attention = MultiHeadAttention::with(&g, "attention", 64, 8, options);
    /// let words = g.input("words", (12, "batch", 1, 64));
    /// let positions = g.iota(DType::I64, (12,), 0);
    /// let cache = attention.empty_cache("batch", 12);
    /// let (_, y) = g.scan(cache, (words, positions), |cache, (word, position)| {
    ///     let (y, cache) = attention.step(word, cache, position);
    ///     (cache, y)
    /// });
    /// assert_eq!(y.shape(), words.shape());
    /// assert!(g.check().is_ok());
    /// ```
    #[track_caller]
    pub fn step(&self, x: Expr<'g>, cache: KeyValueCache<'g>, position: Expr<'g>) -> (Expr<'g>, KeyValueCache<'g>) {
        let _frame = x.enter_layer("MultiHeadAttention::step", self.scope);
        match self.check_step(x, cache, position) {
            Ok(()) => self.step_checked(x, cache, position),
            Err(poison) => (poison, KeyValueCache { keys: poison, values: poison }),
        }
    }

    fn step_checked(&self, x: Expr<'g>, cache: KeyValueCache<'g>, position: Expr<'g>) -> (Expr<'g>, KeyValueCache<'g>) {
        let g = x.graph();
        let (length, capacity) = (x.shape()[1].clone(), cache.keys.shape()[2].clone());
        let places = g.iota(DType::I64, [capacity], 0);
        // `[1, 1]` or `[batch, 1]`.
        let start = position.reshape([-1, 1]);
        // Read from a list of the positions that there are, so that one beyond them is an error of the run.
        let positions = places.gather(g.iota(DType::I64, [length], 0) + start, 0);
        let (query, new) = self.project(x, positions.unsqueeze(1));
        let cache = KeyValueCache {
            keys: written(cache.keys, new.keys, places - start),
            values: written(cache.values, new.values, places - start),
        };
        let seen = positions.unsqueeze(-1).greater_equal(places).unsqueeze(1);
        let mask = AttentionMask { pairs: Some(seen), ..AttentionMask::default() };
        (self.joined(attend(query, cache, mask, self.dropout)), cache)
    }

    fn check_step(&self, x: Expr<'g>, cache: KeyValueCache<'g>, position: Expr<'g>) -> Result<(), Expr<'g>> {
        if let Some(poison) = x.graph().refuse(&[x, cache.keys, cache.values, position]) {
            return Err(poison);
        }
        let x = self.checked(x, "the input")?;
        let of_positions = if position.rank() == 0 { Shape::default() } else { Shape::from([x.shape()[0].clone()]) };
        position.check_type("the position", &Type::new(DType::I64, of_positions))?;
        let capacity = cache.keys.shape().get(2).cloned().unwrap_or(Dim::from(0));
        let shape = Shape::from([x.shape()[0].clone(), self.key_heads.into(), capacity, self.size.into()]);
        let ty = Type::new(self.dtype, shape);
        cache.keys.check_type("the keys of the cache", &ty)?;
        cache.values.check_type("the values of the cache", &ty)?;
        if self.causal {
            return Ok(());
        }
        // A whole sequence would see what a step cannot: they would differ without a sign.
        let (what, found) = ("the option `causal`", "false".to_owned());
        Err(x.graph().report(GraphError::OutOfRange { what, expected: "true for decoding step by step", found }, &[x]))
    }
}

/// The cache with new rows in it; `places`, `[1, positions]` or `[batch, positions]`, are the positions of the cache as seen from the
/// first new one.
fn written<'g>(cache: Expr<'g>, new: Expr<'g>, places: Expr<'g>) -> Expr<'g> {
    let g = cache.graph();
    let length = new.shape()[2].clone();
    let count = g.dim_size(length.clone(), DType::I64);
    let is_new = places.greater_equal(0).and(places.less(count)).unsqueeze(1).unsqueeze(-1);
    let sources = places.maximum(0).minimum(count - 1);
    let rows = if length.is(1) {
        new.broadcast_to(cache.shape())
    } else if places.shape()[0].is(1) {
        new.gather(sources.squeeze(0), 2)
    } else {
        new.take_along(sources.unsqueeze(1).unsqueeze(-1).broadcast_to(cache.shape()), 2)
    };
    is_new.select(rows, cache)
}

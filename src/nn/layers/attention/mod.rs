//! Attention: sums of values, weighted by how well their keys fit a query. In: queries, keys and values, and what may be seen of
//! them. Out: a sum for each query. The layer with projections is in `multi_head.rs`, its step by step form in `cache.rs`.

mod cache;
mod multi_head;

pub use cache::KeyValueCache;
pub use multi_head::{MultiHeadAttention, MultiHeadAttentionOptions};

use crate::{
    graph::{DType, Dim, Expr, GraphError, Shape, Type},
    nn::check::either,
};

/// What queries may see of the keys. Masks are true where something is seen, as those of [`Expr::masked_softmax`].
#[derive(Debug, Clone, Copy, Default)]
pub struct AttentionMask<'g> {
    /// Whether query t sees the keys 0 to t alone.
    pub causal: bool,
    /// Which keys there are, `bool[batch, key time]`: false where a sequence is padded.
    pub keys: Option<Expr<'g>>,
    /// Which key each query sees, `bool`, of a shape that broadcasts to `[batch, heads, time, key time]`.
    pub pairs: Option<Expr<'g>>,
    /// What is added to the scaled products, a float of a shape that broadcasts to `[batch, heads, time, key time]`: biases by distance,
    /// for example.
    pub bias: Option<Expr<'g>>,
}

/// Scaled dot-product attention: y = softmax(q·kᵀ/√d + bias)·v, over the keys that are seen. A query that sees none gives 0, with
/// derivative 0. Products of what is not seen are computed and not used, but its values are multiplied by 0: an infinite value
/// or NaN there gives NaN.
///
/// Where there are fewer heads of keys than of queries, each goes with as many neighbouring heads of queries: one head is multi-query
/// attention, several are grouped queries. Nothing is repeated in memory.
///
/// # Shapes
/// query: `[batch, heads, time, d]`, key: `[batch, key heads, key time, d]`, value: `[batch, key heads, key time, e]` →
/// `[batch, heads, time, e]`.
///
/// # Errors
/// An error is recorded if shapes or dtypes do not go together, if the number of heads is no multiple of that of the keys, or if a mask is
/// of another dtype or does not broadcast.
///
/// # Source
/// Vaswani et al., *Attention is all you need*, 2017, eq. 1; for grouped queries Ainslie et al., *GQA: training generalized multi-query
/// transformer models from multi-head checkpoints*, 2023.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{AttentionMask, dot_product_attention}};
/// let g = Graph::new();
/// let query = g.input("query", ("batch", 8, "time", 64));
/// let (key, value) = (g.input("key", ("batch", 2, "time", 64)), g.input("value", ("batch", 2, "time", 64)));
/// let y = dot_product_attention(query, key, value, AttentionMask { causal: true, ..AttentionMask::default() });
/// assert_eq!(y.shape(), query.shape());
/// ```
#[doc(alias("scaled_dot_product_attention", "sdpa"))]
#[track_caller]
pub fn dot_product_attention<'g>(query: Expr<'g>, key: Expr<'g>, value: Expr<'g>, mask: AttentionMask<'g>) -> Expr<'g> {
    let _frame = query.enter("dot_product_attention");
    either(Heads::of(query, key, value).and_then(|heads| heads.attend(mask)))
}

/// Queries, keys and values that go together.
struct Heads<'g> {
    query: Expr<'g>,
    key: Expr<'g>,
    value: Expr<'g>,
}

impl<'g> Heads<'g> {
    fn of(query: Expr<'g>, key: Expr<'g>, value: Expr<'g>) -> Result<Heads<'g>, Expr<'g>> {
        let g = query.graph();
        let all = [query, key, value];
        if let Some(poison) = g.refuse(&all) {
            return Err(poison);
        }
        for operand in all {
            operand.check_float()?;
            if operand.rank() != 4 {
                let error = GraphError::Rank { expected: "4".into(), found: operand.shape() };
                return Err(g.report(error, &[operand]));
            }
        }
        let [q, k, v] = all.map(|operand| operand.shape());
        let dtype = query.dtype();
        let keys = Shape::from([q[0].clone(), k[1].clone(), k[2].clone(), q[3].clone()]);
        key.check_type("the key", &Type::new(dtype, keys))?;
        let values = Shape::from([q[0].clone(), k[1].clone(), k[2].clone(), v[3].clone()]);
        value.check_type("the value", &Type::new(dtype, values))?;
        match q[1].divided_by(&k[1]) {
            Some(_) => Ok(Heads { query, key, value }),
            None => {
                let (what, expected) = ("the number of heads", "a multiple of that of the keys");
                let found = format!("{} for {}", q[1], k[1]);
                Err(g.report(GraphError::OutOfRange { what, expected, found }, &all))
            }
        }
    }

    fn attend(&self, mask: AttentionMask<'g>) -> Result<Expr<'g>, Expr<'g>> {
        let (q, v) = (self.query.shape(), self.value.shape());
        let scale = match q[3].as_number() {
            Some(width) => 1.0 / (width.max(1) as f64).sqrt(),
            None => {
                let error = GraphError::Symbolic { what: "the size of the last axis", found: q[3].clone() };
                return Err(self.query.graph().report(error, &[self.query]));
            }
        };
        // Heads that share a key are as many queries more of that head.
        let grouped = |array: Expr<'g>, last: &Dim| {
            let rows = self.key.shape()[1].clone();
            array.reshape([q[0].clone(), rows, Dim::from(-1), last.clone()])
        };
        let scores_shape = Shape::from([q[0].clone(), q[1].clone(), q[2].clone(), v[2].clone()]);
        let scores = grouped(self.query, &q[3]).dot(self.key.t()) * scale;
        let scores = mask.apply(scores.reshape(&scores_shape))?;
        let sums = grouped(scores.softmax(-1), &v[2]).dot(self.value);
        Ok(sums.reshape([q[0].clone(), q[1].clone(), q[2].clone(), v[3].clone()]))
    }
}

impl<'g> AttentionMask<'g> {
    /// Scores with −∞ where nothing is seen.
    fn apply(self, scores: Expr<'g>) -> Result<Expr<'g>, Expr<'g>> {
        let g = scores.graph();
        let shape = scores.shape();
        let causal = self.causal.then(|| {
            let query = g.iota(DType::I64, [shape[2].clone(), Dim::from(1)], 0);
            query.greater_equal(g.iota(DType::I64, [Dim::from(1), shape[3].clone()], 1))
        });
        let keys = match self.keys {
            Some(keys) => {
                let ty = Type::new(DType::Bool, [shape[0].clone(), shape[3].clone()]);
                keys.check_type("the mask of the keys", &ty)?;
                Some(keys.reshape([shape[0].clone(), Dim::from(1), Dim::from(1), shape[3].clone()]))
            }
            None => None,
        };
        // As the masks, a bias does not stretch the scores.
        let scores = self.bias.map_or(scores, |bias| scores + bias.broadcast_to(&shape));
        let seen = [causal, keys, self.pairs].into_iter().flatten().reduce(|seen, mask| seen.and(mask));
        Ok(seen.map_or(scores, |seen| scores.masked_fill(seen, f64::NEG_INFINITY)))
    }
}

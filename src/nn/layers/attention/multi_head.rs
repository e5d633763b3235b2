//! Attention of several heads between projections. In: a graph and sizes, then sequences. Out: a layer, then sequences.

use super::{AttentionMask, KeyValueCache, attend};
use crate::{
    graph::{DType, Dim, Expr, Graph, GraphError, Initializer, LayerScope, Site},
    nn::{
        check::either,
        layers::{Dropout, Layer, Linear, LinearOptions, RotaryOptions},
    },
};

/// Attention of several heads: y = (attention of each head, side by side)·O + o, with queries, keys and values
/// (q, k, v) = x·W + b, each cut into heads. The parameters are `name.in.weight` and `name.in.bias`, queries before keys before values,
/// and `name.out.weight` and `name.out.bias`.
///
/// Called with one sequence, it attends to itself; [`attend`](MultiHeadAttention::attend) takes masks,
/// [`attend_to`](MultiHeadAttention::attend_to) another sequence, and [`step`](MultiHeadAttention::step) goes on from what is cached.
///
/// # Shapes
/// x: `[batch, time, width]`, in weight: `[width, (heads + 2·key_heads)·width/heads]`, out weight: `[width, width]` → the shape of x. Batch and
/// time may be symbols.
///
/// # Errors
/// An error is recorded if a name is taken, if the heads do not divide the width or the heads of keys those of queries, or if x has another
/// shape.
///
/// # Source
/// Vaswani et al., *Attention is all you need*, 2017, section 3.2.2. The packed weight is that of PyTorch's `nn.MultiheadAttention`,
/// `in_proj_weight` transposed, and starts like it.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{Layer, MultiHeadAttention, MultiHeadAttentionOptions, RotaryOptions}};
/// let g = Graph::new();
/// let options = MultiHeadAttentionOptions {
///     causal: true,
///     key_heads: Some(2),
///     rotary: Some(RotaryOptions::default()),
///     bias: false,
///     ..MultiHeadAttentionOptions::default()
/// };
/// let attention = MultiHeadAttention::with(&g, "attention", 64, 8, options);
/// let x = g.input("x", ("batch", "time", 64));
/// assert_eq!(attention.call(x).shape(), x.shape());
/// assert_eq!(g.named("attention.in.weight").unwrap().ty().to_string(), "f32[64, 96]");
/// ```
#[doc(alias("MultiheadAttention", "self_attention"))]
#[derive(Debug, Clone, Copy)]
pub struct MultiHeadAttention<'g> {
    pub(super) scope: LayerScope,
    pub(super) input: Linear<'g>,
    pub(super) output: Linear<'g>,
    pub(super) heads: usize,
    pub(super) key_heads: usize,
    /// The size of one head.
    pub(super) size: usize,
    pub(super) causal: bool,
    pub(super) rotary: Option<RotaryOptions>,
    /// Of the weights.
    pub(super) dropout: Option<Dropout<'g>>,
    pub(super) dtype: DType,
}

/// What may be chosen of [`MultiHeadAttention`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MultiHeadAttentionOptions {
    /// Whether a sequence that attends to itself sees the past alone.
    pub causal: bool,
    /// How many heads keys and values have; None: as many as queries.
    pub key_heads: Option<usize>,
    /// Whether queries and keys are rotated by their positions.
    pub rotary: Option<RotaryOptions>,
    /// The part of the weights that is dropped while training, as by [`Dropout`], whose states are under `name.dropout`; 0 for none.
    pub dropout: f64,
    /// Whether there are biases, which start at zero.
    pub bias: bool,
    /// How the weights start.
    pub weight: Initializer,
    /// How `name.out.weight` starts; None: as the other.
    pub out_weight: Option<Initializer>,
    /// The dtype of the parameters, and of what the layer is called with.
    pub dtype: DType,
}

impl Default for MultiHeadAttentionOptions {
    /// Not causal, a head of keys for each head, no rotation, nothing dropped, biases, [`Initializer::GlorotUniform`], f32.
    fn default() -> MultiHeadAttentionOptions {
        MultiHeadAttentionOptions {
            causal: false,
            key_heads: None,
            rotary: None,
            dropout: 0.0,
            bias: true,
            weight: Initializer::GlorotUniform,
            out_weight: None,
            dtype: DType::F32,
        }
    }
}

/// Queries, keys and values, or the last two: which columns of the packed weight.
#[derive(Clone, Copy)]
enum Columns {
    Queries,
    KeysAndValues,
}

impl<'g> MultiHeadAttention<'g> {
    /// A layer with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, width: usize, heads: usize) -> MultiHeadAttention<'g> {
        let _frame = g.enter("MultiHeadAttention::new", Site::caller());
        MultiHeadAttention::with(g, name, width, heads, MultiHeadAttentionOptions::default())
    }

    /// [`MultiHeadAttention::new`] with options.
    #[track_caller]
    pub fn with(
        g: &'g Graph,
        name: &str,
        width: usize,
        heads: usize,
        options: MultiHeadAttentionOptions,
    ) -> MultiHeadAttention<'g> {
        let _frame = g.enter("MultiHeadAttention::with", Site::caller());
        MultiHeadAttention::declare(g, name, [width, heads], options).unwrap_or_else(|poison| {
            let linear = Linear::poisoned(poison);
            MultiHeadAttention {
                scope: LayerScope::NONE,
                input: linear,
                output: linear,
                heads,
                key_heads: heads,
                size: 0,
                causal: options.causal,
                rotary: None,
                dropout: None,
                dtype: options.dtype,
            }
        })
    }

    /// The layer, or the poison in its place.
    pub(in crate::nn::layers) fn declare(
        g: &'g Graph,
        name: &str,
        [width, heads]: [usize; 2],
        options: MultiHeadAttentionOptions,
    ) -> Result<MultiHeadAttention<'g>, Expr<'g>> {
        let refuse = |what, expected, found| Err(g.report(GraphError::OutOfRange { what, expected, found }, &[]));
        if heads == 0 || width % heads != 0 {
            return refuse("the number of heads", "a divisor of the width", format!("{heads} for a width of {width}"));
        }
        let MultiHeadAttentionOptions { causal, rotary, weight, bias, dtype, .. } = options;
        let key_heads = options.key_heads.unwrap_or(heads);
        if key_heads == 0 || heads % key_heads != 0 {
            let found = format!("{key_heads} for {heads} heads");
            return refuse("the number of heads of keys", "a divisor of the number of heads", found);
        }
        let linear = LinearOptions { weight, bias, dtype };
        let inputs = Dim::from(width);
        let size = width / heads;
        let columns = Dim::from(size) * (Dim::from(heads) + Dim::from(key_heads) + Dim::from(key_heads));
        let input = Linear::declare(g, &format!("{name}.in"), [inputs.clone(), columns], linear)?;
        let linear = LinearOptions { weight: options.out_weight.unwrap_or(weight), ..linear };
        let output = Linear::declare(g, &format!("{name}.out"), [inputs.clone(), inputs], linear)?;
        let dropout = Dropout::unless_zero(g, &format!("{name}.dropout"), options.dropout);
        Ok(MultiHeadAttention {
            scope: g.layer_scope(name),
            input,
            output,
            heads,
            key_heads,
            size,
            causal,
            rotary,
            dropout,
            dtype,
        })
    }

    /// The packed projection to queries, keys and values.
    pub fn input(&self) -> Linear<'g> {
        self.input
    }

    /// The projection of the heads' results.
    pub fn output(&self) -> Linear<'g> {
        self.output
    }

    /// The sequence attends to itself, as [`Layer::call`], with masks on top of the layer's own.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, nn::{AttentionMask, MultiHeadAttention}};
    /// let g = Graph::new();
    /// let attention = MultiHeadAttention::new(&g, "attention", 64, 8);
    /// let (x, length) = (g.input("x", ("batch", 12, 64)), g.input_of(DType::I64, "length", ("batch",)));
    /// let is_word = g.iota(DType::I64, (12,), 0).less(length.unsqueeze(-1));
    /// let y = attention.attend(x, AttentionMask { keys: Some(is_word), ..AttentionMask::default() });
    /// assert_eq!(y.shape(), x.shape());
    /// ```
    #[track_caller]
    pub fn attend(&self, x: Expr<'g>, mask: AttentionMask<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("MultiHeadAttention::attend", self.scope);
        let mask = AttentionMask { causal: mask.causal || self.causal, ..mask };
        either(self.checked(x, "the input").map(|x| {
            let positions = x.graph().iota(DType::I64, [x.shape()[1].clone()], 0);
            let (query, kept) = self.project(x, positions);
            self.joined(attend(query, kept, mask, self.dropout))
        }))
    }

    /// The sequence attends to another one, of the same width: queries are made of x, keys and values of the memory. Only the mask says
    /// what is seen of it.
    ///
    /// # Shapes
    /// x: `[batch, time, width]`, memory: `[batch, key time, width]` → the shape of x.
    #[doc(alias = "cross_attention")]
    #[track_caller]
    pub fn attend_to(&self, x: Expr<'g>, memory: Expr<'g>, mask: AttentionMask<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("MultiHeadAttention::attend_to", self.scope);
        self.attend_from_start(x, self.keep(memory), mask)
    }

    /// Keys and values of a memory, so that they are computed once for all steps of decoding.
    ///
    /// # Shapes
    /// memory: `[batch, key time, width]` → twice `[batch, key_heads, key time, width/heads]`.
    #[track_caller]
    pub fn keep(&self, memory: Expr<'g>) -> KeyValueCache<'g> {
        let _frame = memory.enter_layer("MultiHeadAttention::keep", self.scope);
        match self.checked(memory, "the memory") {
            Ok(memory) => {
                let [keys, values] = [0, 1].map(|part| self.columns(memory, Columns::KeysAndValues)[part]);
                let positions = memory.graph().iota(DType::I64, [memory.shape()[1].clone()], 0);
                KeyValueCache { keys: self.rotated(keys, positions), values }
            }
            Err(poison) => KeyValueCache { keys: poison, values: poison },
        }
    }

    /// [`MultiHeadAttention::attend_to`] with the keys and values that [`MultiHeadAttention::keep`] gave, for a whole sequence or a
    /// part of it.
    ///
    /// # Errors
    /// As for the layer; and if it rotates, since a part of a sequence does not say where it begins.
    #[track_caller]
    pub fn attend_to_kept(&self, x: Expr<'g>, memory: KeyValueCache<'g>, mask: AttentionMask<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("MultiHeadAttention::attend_to_kept", self.scope);
        let g = x.graph();
        if self.rotary.is_some() && g.refuse(&[x, memory.keys, memory.values]).is_none() {
            let (what, expected) = ("the option `rotary`", "None for attention to what was kept");
            return g.report(GraphError::OutOfRange { what, expected, found: "a rotation".to_owned() }, &[x]);
        }
        self.attend_from_start(x, memory, mask)
    }

    /// The attention of a sequence whose first position is 0.
    #[track_caller]
    fn attend_from_start(&self, x: Expr<'g>, memory: KeyValueCache<'g>, mask: AttentionMask<'g>) -> Expr<'g> {
        either(self.checked(x, "the input").map(|x| {
            let query = self.columns(x, Columns::Queries)[0];
            let query = self.rotated(query, x.graph().iota(DType::I64, [x.shape()[1].clone()], 0));
            self.joined(attend(query, memory, mask, self.dropout))
        }))
    }

    /// That x is a sequence of this layer's width.
    pub(super) fn checked(&self, x: Expr<'g>, what: &'static str) -> Result<Expr<'g>, Expr<'g>> {
        match x.graph().refuse(&[self.input.weight(), self.output.weight(), x]) {
            Some(poison) => Err(poison),
            None => x.check_sequence(what, 3, self.heads * self.size).map(|()| x),
        }
    }

    /// The queries, and the keys with the values, of a sequence at these positions.
    pub(super) fn project(&self, x: Expr<'g>, positions: Expr<'g>) -> (Expr<'g>, KeyValueCache<'g>) {
        let parts = self.input.call(x).split([self.heads, self.key_heads, self.key_heads].map(|n| n * self.size), -1);
        let [query, keys, values] = [0, 1, 2].map(|part| self.split_heads(parts[part]));
        (self.rotated(query, positions), KeyValueCache { keys: self.rotated(keys, positions), values })
    }

    /// The projection by some of the columns, in heads.
    fn columns(&self, x: Expr<'g>, columns: Columns) -> Vec<Expr<'g>> {
        let (queries, keys) = ((self.heads * self.size) as i64, (self.key_heads * self.size) as i64);
        let (range, parts) = match columns {
            Columns::Queries => (0..queries, 1),
            Columns::KeysAndValues => (queries..queries + 2 * keys, 2),
        };
        let product = x.dot(self.input.weight().slice((.., range.clone())));
        let sum = self.input.bias().map_or(product, |bias| product + bias.slice(range));
        sum.split(parts, -1).into_iter().map(|part| self.split_heads(part)).collect()
    }

    /// `[batch, time, n·size]` → `[batch, n, time, size]`.
    fn split_heads(&self, x: Expr<'g>) -> Expr<'g> {
        let shape = x.shape();
        if x.is_poisoned() {
            return x;
        }
        x.reshape([shape[0].clone(), shape[1].clone(), Dim::from(-1), self.size.into()]).transpose([0, 2, 1, 3])
    }

    /// `[batch, heads, time, size]` → the output.
    pub(super) fn joined(&self, heads: Expr<'g>) -> Expr<'g> {
        if heads.is_poisoned() {
            return heads;
        }
        let shape = heads.shape();
        let width = self.heads * self.size;
        self.output.call(heads.transpose([0, 2, 1, 3]).reshape([shape[0].clone(), shape[2].clone(), width.into()]))
    }

    /// Rotated by position, where this layer does so.
    fn rotated(&self, x: Expr<'g>, positions: Expr<'g>) -> Expr<'g> {
        self.rotary.map_or(x, |options| x.rotary(positions, options))
    }
}

impl<'g> Layer<'g> for MultiHeadAttention<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("MultiHeadAttention", self.scope);
        self.attend(x, AttentionMask::default())
    }
}

//! The part of a transformer that sees one position at a time. In: a graph and sizes, then an array. Out: a layer, then an array of
//! the same shape.

use crate::{
    graph::{DType, Expr, Graph, Initializer, LayerScope, Site},
    nn::layers::{Dropout, Layer, Linear, LinearOptions},
};

/// Two linear maps with a function between them: y = f(x·W + b)·V + c, or with a gate, y = (silu(x·G + a)·(x·W + b))·V + c. The
/// parameters are `name.hidden.weight` and `name.hidden.bias`, `name.gate.…` where there is a gate, `name.out.…`.
///
/// # Shapes
/// x: `[…, width]`, W and G: `[width, hidden]`, V: `[hidden, width]` → the shape of x.
///
/// # Errors
/// An error is recorded if a name is taken, or if the last axis of x has another size than `width`.
///
/// # Source
/// Vaswani et al., *Attention is all you need*, 2017, eq. 2; with a gate, Shazeer, *GLU variants improve transformer*, 2020, eq. 6.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{FeedForward, FeedForwardActivation, FeedForwardOptions, Layer}};
/// let g = Graph::new();
/// let options = FeedForwardOptions { activation: FeedForwardActivation::SwiGlu, bias: false, ..FeedForwardOptions::default() };
/// let layer = FeedForward::with(&g, "mlp", 64, 172, options);
/// let x = g.input("x", ("batch", 12, 64));
/// assert_eq!(layer.call(x).shape(), x.shape());
/// assert_eq!(g.named("mlp.gate.weight").unwrap().ty().to_string(), "f32[64, 172]");
/// ```
#[doc(alias("mlp", "ffn"))]
#[derive(Debug, Clone, Copy)]
pub struct FeedForward<'g> {
    scope: LayerScope,
    hidden: Linear<'g>,
    gate: Option<Linear<'g>>,
    out: Linear<'g>,
    activation: FeedForwardActivation,
    dropout: Option<Dropout<'g>>,
}

/// What is between the two maps of a [`FeedForward`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedForwardActivation {
    /// The positive part, as Vaswani et al. have it.
    Relu,
    /// [`Expr::gelu`], as BERT has it.
    Gelu,
    /// [`Expr::gelu_tanh`], as GPT-2 has it.
    GeluTanh,
    /// [`Expr::silu`] of a gate times the hidden values, as LLaMA has it.
    SwiGlu,
}

/// What may be chosen of a [`FeedForward`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeedForwardOptions {
    /// What is between the maps.
    pub activation: FeedForwardActivation,
    /// The part of what is between the maps, after the function, that is dropped while training, as by [`Dropout`], whose states are
    /// under `name.dropout`; 0 for none.
    pub dropout: f64,
    /// Whether there are biases, which start at zero.
    pub bias: bool,
    /// How the weights start.
    pub weight: Initializer,
    /// How `name.out.weight` starts; None: as the others.
    pub out_weight: Option<Initializer>,
    /// The dtype of the parameters, and of what the layer is called with.
    pub dtype: DType,
}

impl Default for FeedForwardOptions {
    /// [`FeedForwardActivation::Gelu`], nothing dropped, biases, [`Initializer::GlorotUniform`], f32.
    fn default() -> FeedForwardOptions {
        FeedForwardOptions {
            activation: FeedForwardActivation::Gelu,
            dropout: 0.0,
            bias: true,
            weight: Initializer::GlorotUniform,
            out_weight: None,
            dtype: DType::F32,
        }
    }
}

impl<'g> FeedForward<'g> {
    /// A layer with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, width: usize, hidden: usize) -> FeedForward<'g> {
        let _frame = g.enter("FeedForward::new", Site::caller());
        FeedForward::with(g, name, width, hidden, FeedForwardOptions::default())
    }

    /// [`FeedForward::new`] with options.
    #[track_caller]
    pub fn with(g: &'g Graph, name: &str, width: usize, hidden: usize, options: FeedForwardOptions) -> FeedForward<'g> {
        let _frame = g.enter("FeedForward::with", Site::caller());
        FeedForward::declare(g, name, [width, hidden], options).unwrap_or_else(|poison| {
            let linear = Linear::poisoned(poison);
            FeedForward {
                scope: LayerScope::NONE,
                hidden: linear,
                gate: None,
                out: linear,
                activation: options.activation,
                dropout: None,
            }
        })
    }

    /// The layer, or the poison in its place.
    pub(super) fn declare(
        g: &'g Graph,
        name: &str,
        [width, hidden]: [usize; 2],
        options: FeedForwardOptions,
    ) -> Result<FeedForward<'g>, Expr<'g>> {
        let FeedForwardOptions { activation, bias, weight, dtype, .. } = options;
        let linear = |part: &str, [inputs, outputs]: [usize; 2], weight: Initializer| {
            let options = LinearOptions { weight, bias, dtype };
            Linear::declare(g, &format!("{name}.{part}"), [inputs.into(), outputs.into()], options)
        };
        let gate = match activation {
            FeedForwardActivation::SwiGlu => Some(linear("gate", [width, hidden], weight)?),
            FeedForwardActivation::Relu | FeedForwardActivation::Gelu | FeedForwardActivation::GeluTanh => None,
        };
        Ok(FeedForward {
            scope: g.layer_scope(name),
            gate,
            hidden: linear("hidden", [width, hidden], weight)?,
            out: linear("out", [hidden, width], options.out_weight.unwrap_or(weight))?,
            activation,
            dropout: Dropout::unless_zero(g, &format!("{name}.dropout"), options.dropout),
        })
    }
}

impl<'g> Layer<'g> for FeedForward<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("FeedForward", self.scope);
        // One error, if x does not fit, and not one for each map.
        let hidden = self.hidden.call(x);
        if hidden.is_poisoned() {
            return hidden;
        }
        let active = match (self.activation, self.gate) {
            (FeedForwardActivation::Relu, _) => hidden.relu(),
            (FeedForwardActivation::Gelu, _) => hidden.gelu(),
            (FeedForwardActivation::GeluTanh, _) => hidden.gelu_tanh(),
            (FeedForwardActivation::SwiGlu, gate) => gate.map_or(hidden, |gate| gate.call(x).silu() * hidden),
        };
        self.out.call(self.dropout.map_or(active, |dropout| dropout.call(active)))
    }
}

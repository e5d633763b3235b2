//! Normalization by the statistics of a batch, and of all batches so far once trained. In: the number of channels. Out: a layer
//! with two parameters and two states.

use super::{Declaration, Layer};
use crate::{
    Correction,
    graph::{DType, Dim, Expr, Graph, GraphError, Initializer, LayerScope, Site},
    nn::check::either,
};

/// Mean 0 and variance 1 of each channel over the batch and over space, then scaled and shifted:
///
/// y = (x − μ)/√(σ² + ε)·gain + bias
///
/// While training, μ and σ² are mean and variance of the batch, the variance divided by their number n, and the running
/// statistics follow them: mean ← (1 − m)·mean + m·μ and variance ← (1 − m)·variance + m·σ²·n/(n − 1), with m = `momentum`; n − 1
/// counts as 1 where n is 1. In evaluation μ and σ² are the running statistics, so that one example does not depend on the
/// others.
///
/// The parameters are `name.gain` from ones and `name.bias` from zeros; the [states](Graph::state) are `name.mean` from zeros and
/// `name.variance` from ones. Called several times, the running statistics follow each call, in order.
///
/// # Shapes
/// x: `[batch, channels, …]`, parameters and states: `[channels]` → as x.
///
/// # Errors
/// An error is recorded if a name is taken, if an option is out of its range, or if x is not of the dtype, has fewer than two
/// axes or another number of channels, or if it depends on an argument of the closure of a loop, branch, function or `vmap`.
///
/// # Source
/// Ioffe and Szegedy, *Batch normalization: accelerating deep network training by reducing internal covariate shift*, 2015,
/// algorithms 1 and 2.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{Graph, nn::{BatchNorm, Layer}};
/// let g = Graph::new();
/// let norm = BatchNorm::new(&g, "norm", 1);
/// let y = norm.call(g.input("x", ("batch", 1)));
/// let mut parameters = g.initialize(0)?;
/// let mut step = g.compile_training(y.square().mean())?;
/// step.run(&mut parameters, ("x", &array![[1.0f32], [3.0]]))?;
/// assert_eq!(parameters.state().get("norm.mean"), Some(&array![0.2f32].into())); // 0.9·0 + 0.1·2
/// assert_eq!(parameters.state().get("norm.variance"), Some(&array![1.1f32].into())); // 0.9·1 + 0.1·2
/// let mut evaluation = g.compile(y)?;
/// let y = evaluation.run(&parameters, ("x", &array![[0.2f32]]))?;
/// assert_eq!(y["result"], array![[0.0f32]].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"))]
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm<'g> {
    scope: LayerScope,
    gain: Expr<'g>,
    bias: Expr<'g>,
    mean: Expr<'g>,
    variance: Expr<'g>,
    channels: usize,
    options: BatchNormOptions,
}

/// What may be chosen of a [`BatchNorm`] layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNormOptions {
    /// ε > 0, which keeps value and derivative finite where all x of a channel are equal.
    pub epsilon: f64,
    /// m, from 0 to 1: how much of the running statistics a batch replaces.
    pub momentum: f64,
    /// The dtype of parameters and states, and of what the layer is called with.
    pub dtype: DType,
}

impl Default for BatchNormOptions {
    /// ε = 10⁻⁵, m = 0.1, f32.
    fn default() -> BatchNormOptions {
        BatchNormOptions { epsilon: 1e-5, momentum: 0.1, dtype: DType::F32 }
    }
}

impl<'g> BatchNorm<'g> {
    /// A layer with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, channels: usize) -> BatchNorm<'g> {
        let _frame = g.enter("BatchNorm::new", Site::caller());
        BatchNorm::with(g, name, channels, BatchNormOptions::default())
    }

    /// [`BatchNorm::new`] with options.
    #[track_caller]
    pub fn with(g: &'g Graph, name: &str, channels: usize, options: BatchNormOptions) -> BatchNorm<'g> {
        let _frame = g.enter("BatchNorm::with", Site::caller());
        let declaration = Declaration { graph: g, layer: name, dtype: options.dtype };
        let shape = [channels.into()];
        let declare = || {
            check_momentum(g, options.momentum)?;
            let gain = declaration.parameter("gain", &shape, Initializer::Constant(1.0))?;
            let bias = declaration.parameter("bias", &shape, Initializer::Zeros)?;
            let mean = declaration.state("mean", &shape, Initializer::Zeros)?;
            let variance = declaration.state("variance", &shape, Initializer::Constant(1.0))?;
            Ok(BatchNorm { scope: declaration.scope(), gain, bias, mean, variance, channels, options })
        };
        declare().unwrap_or_else(|poison| BatchNorm {
            scope: LayerScope::NONE,
            gain: poison,
            bias: poison,
            mean: poison,
            variance: poison,
            channels,
            options,
        })
    }

    /// The factors, `[channels]`.
    pub fn gain(&self) -> Expr<'g> {
        self.gain
    }

    /// The shifts, `[channels]`.
    pub fn bias(&self) -> Expr<'g> {
        self.bias
    }

    /// The running mean, `[channels]`, as it is before a step.
    pub fn mean(&self) -> Expr<'g> {
        self.mean
    }

    /// The running variance, `[channels]`, as it is before a step.
    pub fn variance(&self) -> Expr<'g> {
        self.variance
    }

    fn check(&self, x: Expr<'g>) -> Result<(), Expr<'g>> {
        let g = x.graph();
        if let Some(poison) = g.refuse(&[x, self.gain]) {
            return Err(poison);
        }
        let dtype = self.options.dtype;
        if x.dtype() != dtype {
            return Err(g.report(GraphError::DTypesDiffer { left: x.dtype(), right: dtype }, &[x, self.gain]));
        }
        x.check_size(1, self.channels, "what the norm is called with")?;
        x.check_epsilon(self.options.epsilon)
    }

    /// By the statistics of the batch, which the running ones follow.
    fn trained(&self, x: Expr<'g>) -> Expr<'g> {
        let axes: Vec<i64> = (0..x.rank() as i64).filter(|axis| *axis != 1).collect();
        let axes = axes.as_slice();
        let mean = x.mean_over(axes);
        self.follow(self.mean, mean);
        let variance = x.variance_over(axes, Correction::None);
        self.follow(self.variance, variance * unbiased(x));
        let scale = (variance + self.options.epsilon).rsqrt();
        let along = |channels: Expr<'g>| channels.for_channels(x.rank());
        (x - along(mean)) * along(scale) * along(self.gain) + along(self.bias)
    }

    /// By the running statistics: a factor and a shift for each channel.
    fn evaluated(&self, x: Expr<'g>) -> Expr<'g> {
        let factor = (self.variance + self.options.epsilon).rsqrt() * self.gain;
        let shift = self.bias - self.mean * factor;
        x * factor.for_channels(x.rank()) + shift.for_channels(x.rank())
    }

    fn follow(&self, running: Expr<'g>, of_batch: Expr<'g>) {
        let (g, m) = (running.graph(), self.options.momentum);
        let frame = g.frame();
        g.update(running, |latest| {
            let _frame = g.reenter(frame);
            (1.0 - m) * latest + m * of_batch
        });
    }
}

impl<'g> Layer<'g> for BatchNorm<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("BatchNorm", self.scope);
        either(self.check(x).map(|()| x.graph().is_training().select(self.trained(x), self.evaluated(x))))
    }
}

fn check_momentum(g: &Graph, momentum: f64) -> Result<(), Expr<'_>> {
    if (0.0..=1.0).contains(&momentum) {
        return Ok(());
    }
    let (what, expected, found) = ("the momentum", "from 0 to 1", momentum.to_string());
    Err(g.report(GraphError::OutOfRange { what, expected, found }, &[]))
}

/// n/(n − 1) for n numbers of each channel, 1 for one: what it would be then is not known, and must not spoil the state.
fn unbiased<'g>(x: Expr<'g>) -> Expr<'g> {
    let shape = x.shape();
    let n: Dim = shape.iter().enumerate().filter(|(axis, _)| *axis != 1).map(|(_, size)| size.clone()).product();
    let n = x.graph().dim_size(n, x.dtype());
    n / (n - 1.0).maximum(1.0)
}

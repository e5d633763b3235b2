//! Noise that is there while training alone. In: a rate. Out: a layer with a state that counts, and no parameter.

use super::{Declaration, Layer};
use crate::{
    graph::{DType, Expr, Graph, GraphError, Initializer, LayerScope, Shape, Site},
    nn::check::either,
};

/// While training, each element is 0 with probability p = `rate`, independently of all others, and else divided by 1 − p, so that
/// its mean stays; in evaluation, x itself.
///
/// What is dropped depends on the [states](Graph::state) `name.key`, which [`Graph::initialize`] draws from the seed and the name,
/// and `name.counter`, which each call of the layer counts on in each step. So no step and no call drops what another did,
/// and a run that goes on from a checkpoint drops what it would have dropped.
///
/// In the body of a loop all iterations drop the same.
///
/// # Shapes
/// any → the same.
///
/// # Errors
/// An error is recorded if a name is taken, if the rate is not from 0 to below 1, or if x is no float.
///
/// # Source
/// Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, *Dropout: a simple way to prevent neural networks from
/// overfitting*, 2014, with the division while training (section 10).
///
/// # Example
/// ```
/// use pullback::{Expr, Graph, nn::{Dropout, Layer, Linear, Sequential}};
/// let g = Graph::new();
/// let network = Sequential::new()
///     .then(Linear::new(&g, "hidden", 4, 8))
///     .then(Expr::relu)
///     .then(Dropout::new(&g, "dropout", 0.5))
///     .then(Linear::new(&g, "out", 8, 1));
/// let y = network.call(g.input("x", ("batch", 4)));
/// let x = ndarray::Array2::<f32>::ones((3, 4));
/// let mut parameters = g.initialize(0)?;
/// let mut step = g.compile_training(y.square().mean())?; // drops
/// assert_ne!(step.run(&mut parameters, ("x", &x))?.loss, step.run(&mut parameters, ("x", &x))?.loss);
/// let mut evaluation = g.compile(y)?; // does not
/// assert_eq!(evaluation.run(&parameters, ("x", &x))?, evaluation.run(&parameters, ("x", &x))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Dropout<'g> {
    scope: LayerScope,
    key: Expr<'g>,
    counter: Expr<'g>,
    rate: f64,
    /// How many of the first axes have noise of their own; the others share it.
    n_axes: Option<usize>,
}

/// Bits of a random number.
const WIDTH: u8 = 31;

impl<'g> Dropout<'g> {
    /// Drops elements.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, rate: f64) -> Dropout<'g> {
        let _frame = g.enter("Dropout::new", Site::caller());
        Dropout::declare(g, name, rate, None)
    }

    /// Drops whole channels of `[batch, channels, …]`, since neighbours in space tell what one element was.
    ///
    /// # Source
    /// Tompson, Goroshin, Jain, LeCun and Bregler, *Efficient object localization using convolutional networks*, 2015, section 3.2.
    #[doc(alias("SpatialDropout", "Dropout2d"))]
    #[track_caller]
    pub fn spatial(g: &'g Graph, name: &str, rate: f64) -> Dropout<'g> {
        let _frame = g.enter("Dropout::spatial", Site::caller());
        Dropout::declare(g, name, rate, Some(2))
    }

    /// Drops whole examples of `[batch, …]`: on the branch of a residual block, the block is skipped for them.
    ///
    /// # Source
    /// Huang, Sun, Liu, Sedra and Weinberger, *Deep networks with stochastic depth*, 2016; the division while training is that of
    /// [`Dropout`].
    #[doc(alias("DropPath", "StochasticDepth"))]
    #[track_caller]
    pub fn path(g: &'g Graph, name: &str, rate: f64) -> Dropout<'g> {
        let _frame = g.enter("Dropout::path", Site::caller());
        Dropout::declare(g, name, rate, Some(1))
    }

    /// What a layer drops by an option: nothing at 0, and then there is no state either.
    pub(super) fn unless_zero(g: &'g Graph, name: &str, rate: f64) -> Option<Dropout<'g>> {
        (rate != 0.0).then(|| Dropout::declare(g, name, rate, None))
    }

    fn declare(g: &'g Graph, name: &str, rate: f64, n_axes: Option<usize>) -> Dropout<'g> {
        let declaration = Declaration { graph: g, layer: name, dtype: DType::I64 };
        let declare = || {
            if !(0.0..1.0).contains(&rate) {
                let error =
                    GraphError::OutOfRange { what: "the rate", expected: "from 0 to below 1", found: rate.to_string() };
                return Err(g.report(error, &[]));
            }
            let key = declaration.state("key", &[], Initializer::Key)?;
            let counter = declaration.state("counter", &[], Initializer::Zeros)?;
            Ok(Dropout { scope: declaration.scope(), key, counter, rate, n_axes })
        };
        declare().unwrap_or_else(|poison| Dropout {
            scope: LayerScope::NONE,
            key: poison,
            counter: poison,
            rate,
            n_axes,
        })
    }

    fn dropped(&self, x: Expr<'g>) -> Expr<'g> {
        let g = x.graph();
        let frame = g.frame();
        let mut counter = self.counter;
        g.update(self.counter, |latest| {
            let _frame = g.reenter(frame);
            counter = latest;
            latest + 1
        });
        let shape = x.shape();
        let n_axes = self.n_axes.unwrap_or(shape.rank()).min(shape.rank());
        let own: Shape = shape.iter().take(n_axes).cloned().collect::<Vec<_>>().into();
        let bits = g.random_bits(self.key, counter, WIDTH.into(), own);
        let threshold = (self.rate * f64::from(1u32 << WIDTH)).round() as i64;
        let is_kept = (n_axes..shape.rank()).fold(bits.greater_equal(threshold), |wide, _| wide.unsqueeze(-1));
        is_kept.select(x / (1.0 - self.rate), x.zeros_like())
    }
}

impl<'g> Layer<'g> for Dropout<'g> {
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer("Dropout", self.scope);
        if let Some(poison) = x.graph().refuse(&[x, self.key]) {
            return poison;
        }
        either(x.check_float().map(|()| x.graph().is_training().select(self.dropped(x), x)))
    }
}

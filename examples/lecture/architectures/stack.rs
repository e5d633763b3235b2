//! Layers one on top of the other, which know how many channels come out of the last one. In: layers by what they make. Out: a
//! [`Sequential`] whose parameters have names such as `stage1.block2.conv1.weight`.

use pullback::{
    Convolve, Expr, Graph, Initializer, Pool,
    nn::{BatchNorm, Conv2d, ConvOptions, Dropout, Layer, Linear, Sequential},
};

use super::SIDE;

/// A network as far as it is built.
pub(super) struct Stack<'g> {
    graph: &'g Graph,
    /// What names begin with.
    scope: String,
    channels: usize,
    n_convs: usize,
    n_norms: usize,
    layers: Sequential<'g>,
}

/// x ↦ body(x) + around(x).
struct Residual<'g> {
    body: Sequential<'g>,
    around: Sequential<'g>,
}

impl<'g> Layer<'g> for Residual<'g> {
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        self.body.call(x) + self.around.call(x)
    }
}

/// x ↦ the channels of x and then those of body(x).
struct Dense<'g>(Sequential<'g>);

impl<'g> Layer<'g> for Dense<'g> {
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        x.concat([self.0.call(x)], 1)
    }
}

/// A convolution with a square kernel and as many zeros around as keep the size where the stride is 1; without a bias, from the
/// initializer of He et al., *Delving deep into rectifiers*, 2015.
pub(super) fn square(size: usize, stride: usize) -> ConvOptions {
    ConvOptions {
        size: size.into(),
        convolve: Convolve::default().stride(stride).padding(size / 2),
        weight: Initializer::HeNormal,
        bias: false,
        ..ConvOptions::default()
    }
}

/// The same with a bias.
pub(super) fn biased(size: usize, stride: usize) -> ConvOptions {
    ConvOptions { bias: true, ..square(size, stride) }
}

impl<'g> Stack<'g> {
    pub(super) fn new(graph: &'g Graph, channels: usize) -> Stack<'g> {
        Stack { graph, scope: String::new(), channels, n_convs: 0, n_norms: 0, layers: Sequential::new() }
    }

    /// Nothing yet, on top of this one and with names of its own.
    pub(super) fn branch(&self, scope: impl AsRef<str>) -> Stack<'g> {
        let scope = format!("{}{}.", self.scope, scope.as_ref());
        Stack { scope, layers: Sequential::new(), n_convs: 0, n_norms: 0, ..*self }
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    pub(super) fn layers(self) -> Sequential<'g> {
        self.layers
    }

    fn then(self, layer: impl Layer<'g> + 'g) -> Stack<'g> {
        Stack { layers: self.layers.then(layer), ..self }
    }

    pub(super) fn map(self, function: impl Fn(Expr<'g>) -> Expr<'g> + 'g) -> Stack<'g> {
        self.then(function)
    }

    /// Zeros around smaller images, as LeCun et al. put them around those of MNIST.
    pub(super) fn padded(self, side: usize) -> Stack<'g> {
        let missing = SIDE.saturating_sub(side);
        let (before, after) = ((missing / 2) as i64, missing.div_ceil(2) as i64);
        match missing {
            0 => self,
            _ => self.map(move |x| x.pad([(0, 0), (0, 0), (before, after), (before, after)], 0.0)),
        }
    }

    pub(super) fn conv(mut self, outputs: usize, options: ConvOptions) -> Stack<'g> {
        self.n_convs += 1;
        let name = format!("{}conv{}", self.scope, self.n_convs);
        let layer = Conv2d::with(self.graph, &name, self.channels, outputs, options);
        self.channels = outputs;
        self.then(layer)
    }

    pub(super) fn norm(mut self) -> Stack<'g> {
        self.n_norms += 1;
        let layer = BatchNorm::new(self.graph, &format!("{}norm{}", self.scope, self.n_norms), self.channels);
        self.then(layer)
    }

    pub(super) fn relu(self) -> Stack<'g> {
        self.then(Expr::relu)
    }

    pub(super) fn max_pool(self) -> Stack<'g> {
        self.map(|x| x.max_pool(2))
    }

    pub(super) fn avg_pool(self) -> Stack<'g> {
        self.map(|x| x.avg_pool(Pool::size(2)))
    }

    pub(super) fn global_avg_pool(self) -> Stack<'g> {
        self.then(Expr::global_avg_pool)
    }

    /// With this rate 0 nothing is added.
    pub(super) fn dropout(self, rate: f64) -> Stack<'g> {
        if rate == 0.0 {
            return self;
        }
        let layer = Dropout::new(self.graph, &format!("{}dropout", self.scope), rate);
        self.then(layer)
    }

    pub(super) fn linear(mut self, name: &str, outputs: usize) -> Stack<'g> {
        let layer = Linear::new(self.graph, &format!("{}{name}", self.scope), self.channels, outputs);
        self.channels = outputs;
        self.then(layer)
    }

    /// All places of all channels in a row: `places` of each.
    pub(super) fn flatten(mut self, places: usize) -> Stack<'g> {
        self.channels *= places;
        self.map(|x| x.flatten(1))
    }

    /// The sum of two branches of this stack.
    pub(super) fn residual(mut self, body: Stack<'g>, around: Stack<'g>) -> Stack<'g> {
        self.channels = body.channels;
        self.then(Residual { body: body.layers, around: around.layers })
    }

    /// The channels of this stack, and those of a branch of it.
    pub(super) fn dense(mut self, body: Stack<'g>) -> Stack<'g> {
        self.channels += body.channels;
        self.then(Dense(body.layers))
    }
}

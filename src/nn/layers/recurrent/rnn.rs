//! The plain recurrent network. In: the product of the input, and the state. Out: the next state.

use super::{Recurrence, Recurrent, RecurrentCell, RecurrentOptions};
use crate::graph::Expr;

/// The plain recurrent network: h ← f(x·W + b + h·U), with f = tanh or the positive part. The state is h.
///
/// # Shapes
/// As for [`Recurrent`], with `GATES` = 1.
///
/// # Source
/// Elman, *Finding structure in time*, 1990; for the positive part Le, Jaitly and Hinton, *A simple way to initialize recurrent
/// networks of rectified linear units*, 2015. The weights start uniform within ±1/√width, as those of PyTorch's `nn.RNN`. Weights of
/// PyTorch are its own transposed, the bias the sum of its two.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{Layer, Rnn, RnnActivation, RnnCell, RnnOptions}};
/// let g = Graph::new();
/// let options = RnnOptions { cell: RnnCell { activation: RnnActivation::Relu }, ..RnnOptions::default() };
/// let rnn = Rnn::with(&g, "rnn", 8, 16, options);
/// assert_eq!(rnn.call(g.input("x", ("time", "batch", 8))).ty().to_string(), "f32[time, batch, 16]");
/// ```
pub type Rnn<'g> = Recurrent<'g, RnnCell>;

/// What may be chosen of an [`Rnn`].
pub type RnnOptions = RecurrentOptions<RnnCell>;

/// The step of an [`Rnn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RnnCell {
    /// f.
    pub activation: RnnActivation,
}

/// The function of an [`Rnn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RnnActivation {
    /// tanh.
    #[default]
    Tanh,
    /// The positive part.
    Relu,
}

impl RecurrentCell for RnnCell {
    type State<'g> = Expr<'g>;
    const NAME: &'static str = "Rnn";
    const GATES: usize = 1;

    fn next<'g>(&self, input: Expr<'g>, h: Expr<'g>, recurrence: Recurrence<'g>) -> Expr<'g> {
        let sum = input + h.dot(recurrence.weight);
        match self.activation {
            RnnActivation::Tanh => sum.tanh(),
            RnnActivation::Relu => sum.relu(),
        }
    }

    fn repeated<'g>(array: Expr<'g>) -> Expr<'g> {
        array
    }
}

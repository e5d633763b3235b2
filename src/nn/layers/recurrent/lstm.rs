//! Long short-term memory. In: the product of the input, hidden and cell state. Out: the next two.

use super::{Recurrence, Recurrent, RecurrentCell, RecurrentOptions};
use crate::graph::Expr;

/// Long short-term memory: with (i, f, g, o) = x·W + b + h·U, in this order of the columns,
/// c ← σ(f + [`forget_bias`](LstmCell::forget_bias))·c + σ(i)·tanh g and h ← σ(o)·tanh c. The state is (h, c), the output h.
///
/// # Shapes
/// As for [`Recurrent`], with `GATES` = 4.
///
/// # Source
/// Hochreiter and Schmidhuber, *Long short-term memory*, 1997; the forget gate is that of Gers, Schmidhuber and Cummins, *Learning to
/// forget*, 2000. The weights start uniform within ±1/√width, as those of PyTorch's `nn.LSTM`. Weights of PyTorch are its own transposed
/// (`weight_ih_l0ᵀ`, `weight_hh_l0ᵀ`), the bias the sum of its two.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{Layer, Lstm, LstmCell, LstmOptions}};
/// let g = Graph::new();
/// let lstm = Lstm::with(&g, "lstm", 64, 128, LstmOptions { layers: 2, cell: LstmCell { forget_bias: 1.0 }, ..LstmOptions::default() });
/// let x = g.input("x", ("time", "batch", 64));
/// assert_eq!(lstm.call(x).ty().to_string(), "f32[time, batch, 128]");
/// let (_, (h, c)) = lstm.run(x, None, None);
/// assert_eq!(h.ty().to_string(), "f32[2, batch, 128]");
/// assert_eq!(h.ty(), c.ty());
/// assert_eq!(g.named("lstm.1.recurrent").unwrap().ty().to_string(), "f32[128, 512]");
/// ```
pub type Lstm<'g> = Recurrent<'g, LstmCell>;

/// What may be chosen of an [`Lstm`].
pub type LstmOptions = RecurrentOptions<LstmCell>;

/// The step of an [`Lstm`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LstmCell {
    /// What is added to the bias of the forget gate: 1 lets gradients through from the start (Jozefowicz, Zaremba and Sutskever, *An
    /// empirical exploration of recurrent network architectures*, 2015), 0 is the default and what PyTorch's weights are made for.
    pub forget_bias: f64,
}

impl RecurrentCell for LstmCell {
    type State<'g> = (Expr<'g>, Expr<'g>);
    const NAME: &'static str = "Lstm";
    const GATES: usize = 4;

    fn next<'g>(&self, input: Expr<'g>, state: Self::State<'g>, recurrence: Recurrence<'g>) -> Self::State<'g> {
        let (h, c) = state;
        let gates = (input + h.dot(recurrence.weight)).split(4, -1);
        let [i, f, g, o] = [0, 1, 2, 3].map(|gate| gates[gate]);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        (o.sigmoid() * c.tanh(), c)
    }

    fn repeated<'g>(array: Expr<'g>) -> Self::State<'g> {
        (array, array)
    }

    fn shifts(&self) -> Option<Vec<f64>> {
        (self.forget_bias != 0.0).then(|| vec![0.0, self.forget_bias, 0.0, 0.0])
    }
}

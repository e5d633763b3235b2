//! Gated recurrent units. In: the product of the input, and the state. Out: the next state.

use super::{Recurrence, Recurrent, RecurrentCell, RecurrentOptions};
use crate::graph::Expr;

/// Gated recurrent units: with (r, z, n) = x·W + b and (r′, z′, n′) = h·U, in this order of the columns,
/// h ← (1 − σ(z + z′))·tanh(n + σ(r + r′)·(n′ + d)) + σ(z + z′)·h, where d is `name.k.recurrent_bias`, `[width]`. The state is h.
///
/// # Shapes
/// As for [`Recurrent`], with `GATES` = 3.
///
/// # Source
/// Cho et al., *Learning phrase representations using RNN encoder–decoder for statistical machine translation*, 2014, with the reset
/// gate after the product, as cuDNN, PyTorch and Flax have it. The weights start uniform within ±1/√width, as those of PyTorch's
/// `nn.GRU`. Weights of PyTorch are its own transposed; the bias is the sum of its two for r and z, and `bias_ih` for n; d is `bias_hh`
/// for n.
///
/// # Example
/// ```
/// use pullback::{Graph, nn::{Directions, Gru, GruOptions, Layer}};
/// let g = Graph::new();
/// let gru = Gru::with(&g, "gru", 8, 16, GruOptions { directions: Directions::Both, ..GruOptions::default() });
/// assert_eq!(gru.call(g.input("x", ("time", "batch", 8))).ty().to_string(), "f32[time, batch, 32]");
/// assert_eq!(g.named("gru.0.backward.weight").unwrap().ty().to_string(), "f32[8, 48]");
/// ```
pub type Gru<'g> = Recurrent<'g, GruCell>;

/// What may be chosen of a [`Gru`].
pub type GruOptions = RecurrentOptions<GruCell>;

/// The step of a [`Gru`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GruCell;

impl RecurrentCell for GruCell {
    type State<'g> = Expr<'g>;
    const NAME: &'static str = "Gru";
    const GATES: usize = 3;
    const HAS_RECURRENT_BIAS: bool = true;

    fn next<'g>(&self, input: Expr<'g>, h: Expr<'g>, recurrence: Recurrence<'g>) -> Expr<'g> {
        let (inputs, states) = (input.split(3, -1), h.dot(recurrence.weight).split(3, -1));
        let reset = (inputs[0] + states[0]).sigmoid();
        let keep = (inputs[1] + states[1]).sigmoid();
        let of_state = recurrence.bias.map_or(states[2], |bias| states[2] + bias);
        let candidate = (inputs[2] + reset * of_state).tanh();
        (1.0 - keep) * candidate + keep * h
    }

    fn repeated<'g>(array: Expr<'g>) -> Expr<'g> {
        array
    }
}

//! What may be chosen of a recurrent layer. In: nothing. Out: plain values.

use crate::graph::{Checkpoints, DType, Initializer, ScanDirection};

/// In which directions a recurrent layer goes over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directions {
    /// From the first step to the last.
    Forward,
    /// Both, by cells of their own: outputs are those of the forward cell, then those of the backward cell.
    #[doc(alias = "bidirectional")]
    Both,
}

impl Directions {
    pub(super) fn all(self) -> &'static [ScanDirection] {
        match self {
            Directions::Forward => &[ScanDirection::Forward],
            Directions::Both => &[ScanDirection::Forward, ScanDirection::Backward],
        }
    }
}

/// What may be chosen of a [`Recurrent`](super::Recurrent) layer: [`RnnOptions`](super::RnnOptions),
/// [`GruOptions`](super::GruOptions) and [`LstmOptions`](super::LstmOptions) are this for one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecurrentOptions<C> {
    /// How many layers lie on each other; the input of each is the output of the one before.
    pub layers: usize,
    /// In which directions each goes.
    pub directions: Directions,
    /// How the weights of inputs start; None: uniform within ±1/√width.
    pub weight: Option<Initializer>,
    /// How the recurrent weights start; None: uniform within ±1/√width. [`Initializer::Orthogonal`] is the other usual choice
    /// (Saxe et al., 2014).
    pub recurrent: Option<Initializer>,
    /// The part of what a layer gives to the next that is dropped while training, as by [`Dropout`](crate::nn::Dropout), whose states
    /// are under `name.k.dropout`; 0 for none. What the last layer gives is not dropped.
    pub dropout: f64,
    /// Whether there are biases, which start at zero.
    pub bias: bool,
    /// Which states reverse mode keeps; the others are computed again.
    pub checkpoints: Checkpoints,
    /// The dtype of the parameters, and of what the layer is called with.
    pub dtype: DType,
    /// What is chosen of the cell.
    pub cell: C,
}

impl<C: Default> Default for RecurrentOptions<C> {
    /// One layer forward, weights within ±1/√width, nothing dropped, biases, all states kept, f32.
    fn default() -> RecurrentOptions<C> {
        RecurrentOptions {
            layers: 1,
            directions: Directions::Forward,
            weight: None,
            recurrent: None,
            dropout: 0.0,
            bias: true,
            checkpoints: Checkpoints::All,
            dtype: DType::F32,
            cell: C::default(),
        }
    }
}

//! What a rule remembers between steps. In: the layout of the parameters. Out: buffers in that layout, zero at first.
//! Which buffer means what is each rule's own.

use std::sync::Arc;

use super::error::{OptimizerError, is_same};
use crate::parameters::{Buffers, Layout};

/// `N` buffers of one layout, made when they are first asked for.
#[derive(Debug, Clone)]
pub(super) struct State<const N: usize> {
    buffers: Option<[Buffers; N]>,
}

impl<const N: usize> State<N> {
    /// No buffers yet.
    pub(super) const fn empty() -> State<N> {
        State { buffers: None }
    }

    /// The buffers, all zero if there were none.
    ///
    /// # Errors
    /// There are buffers of another layout; they are kept.
    pub(super) fn in_layout(&mut self, layout: &Arc<Layout>) -> Result<&mut [Buffers; N], OptimizerError> {
        let make = || std::array::from_fn(|_| Buffers::zeros(Arc::clone(layout)));
        let buffers = self.buffers.get_or_insert_with(make);
        match buffers.iter().find(|buffers| !is_same(buffers.layout(), layout)) {
            Some(other) => {
                Err(OptimizerError::State { expected: Arc::clone(other.layout()), found: Arc::clone(layout) })
            }
            None => Ok(buffers),
        }
    }
}

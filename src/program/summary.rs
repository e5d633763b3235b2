//! What a plan costs, as numbers, and the largest size that fits a budget. In: sizes. Out: a [`PlanSummary`], or a size.

use super::{RunError, Runner};
use crate::graph::Bindings;

/// The figures of a plan; of [`Program::summary`](super::Program::summary). As polynomials of the symbols, before anything is fused,
/// operations and bytes are [`Graph::flops`](crate::Graph::flops) and [`Graph::bytes`](crate::Graph::bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PlanSummary {
    /// Steps, each of one operation or of several that were fused.
    pub n_steps: usize,
    /// Operations on floats, a multiply-add as two.
    pub flops: usize,
    /// Bytes that the steps read and write, each value once for each step.
    pub moved_bytes: usize,
    /// Bytes of the arena, which holds what lies between steps.
    pub arena_bytes: usize,
    /// The least that any layout of these steps in this order needs of it.
    pub least_arena_bytes: usize,
    /// Bytes of the inputs, the parameters and the outputs together.
    pub fed_bytes: usize,
}

/// No array has a longer axis.
const LARGEST_SIZE: i64 = 1 << 46;

/// Whether a size is within a budget.
enum Room {
    Fits,
    TooLarge,
    NoValue,
}

impl PlanSummary {
    /// Bytes of the arena and of all arrays that are fed and given. What a thread needs for itself, and constants, are left out.
    pub fn memory_bytes(&self) -> usize {
        self.arena_bytes.saturating_add(self.fed_bytes)
    }
}

impl Runner {
    /// The figures for these sizes, and for those of the last call where none is given.
    pub(super) fn summary<'n>(&self, sizes: impl IntoIterator<Item = (&'n str, i64)>) -> Result<PlanSummary, RunError> {
        self.summary_at(&self.bindings(sizes)?)
    }

    /// The largest value of a symbol for which the memory is at most `bytes`, by doubling and then halving.
    pub(super) fn largest<'n>(
        &self,
        symbol: &'n str,
        bytes: usize,
        others: impl IntoIterator<Item = (&'n str, i64)>,
    ) -> Result<Option<i64>, RunError> {
        let others: Vec<(&str, i64)> = others.into_iter().collect();
        let size_of = |size: i64| match self.summary(others.iter().copied().chain([(symbol, size)])) {
            Ok(summary) if summary.memory_bytes() <= bytes => Ok(Room::Fits),
            Ok(_) => Ok(Room::TooLarge),
            Err(error @ (RunError::UnknownSymbol { .. } | RunError::UnboundSymbol { .. })) => Err(error),
            Err(_) => Ok(Room::NoValue),
        };
        // What is at most `low` fits or is too small for an operation; `high` is too large, or beyond every array.
        let (mut fits, mut low, mut high) = (None, 0, LARGEST_SIZE + 1);
        let mut size = 1;
        while high - low > 1 {
            match (size_of(size)?, fits) {
                (Room::Fits, _) => (fits, low) = (Some(size), size),
                (Room::NoValue, None) => low = size,
                (Room::NoValue | Room::TooLarge, _) => high = size,
            }
            size = if high > LARGEST_SIZE { 2 * size } else { low + (high - low) / 2 };
            size = size.clamp(low + 1, (high - 1).max(low + 1));
        }
        Ok(fits)
    }

    fn summary_at(&self, bindings: &Bindings) -> Result<PlanSummary, RunError> {
        let signature = &self.signature;
        let mut summary = self.engine.summary(bindings)?;
        let arrays = signature.fed().chain(&signature.outputs);
        summary.fed_bytes = arrays
            .map(|array| array.bytes(bindings))
            .try_fold(0usize, |sum, bytes| Ok::<usize, RunError>(sum.saturating_add(bytes?)))?;
        Ok(summary)
    }
}

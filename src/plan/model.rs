//! The machine that plans are made for. In: nothing. Out: sizes of caches, and from what size on something pays; the decisions
//! 0009, 0010 and 0012 say where the numbers come from. They are passed to every pass, so that tests can set them to 0 and
//! send small graphs through passes that only large ones reach.

/// Sizes of caches and thresholds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineModel {
    /// Bytes that all registers of a tile program take together, about: the first-level cache.
    pub(crate) first_level_bytes: usize,
    /// Bytes of one register at least and at most, unless one row needs more: shorter ones cost calls, longer ones gain
    /// nothing.
    pub(crate) register_bytes: [usize; 2],
    /// Bytes that are still in the second-level cache when they are read again: rows of a matrix that a tile reads twice,
    /// rows of a band, the packed part of a factor.
    pub(crate) resident_bytes: usize,
    /// Arrays of fewer bytes cost nothing to keep and to read: they are neither computed again nor written over.
    pub(crate) cheap_bytes: usize,
    /// Additions in whose time a value is written and read again from beyond the first cache.
    pub(crate) store_cost: usize,
    /// Products of fewer bytes stay in a cache between two steps, so that bands gain nothing.
    pub(crate) min_band_bytes: usize,
    /// Rows of a band: fewer do not pay for packing the other factor anew, more gain nothing.
    pub(crate) band_rows: [usize; 2],
    /// Bands at least, so that threads have something to share.
    pub(crate) min_bands: usize,
    /// A matrix of fewer bytes stays in a cache between two products with vectors.
    pub(crate) matrix_vector_bytes: usize,
    /// A row of more elements is not held between a reduction and its reader: registers are as wide as the widest dtype of
    /// a program, and several are to lie in the second-level cache.
    pub(crate) max_row: usize,
    /// Operations of a product of matrices in the time of an addition of two arrays' elements.
    pub(crate) flops_of_addition: usize,
    /// Additions that a task is worth.
    pub(crate) task_cost: usize,
    /// Tasks that a step is cut into at most.
    pub(crate) max_tasks: usize,
}

impl MachineModel {
    /// A core of today: 48 KiB of first-level cache and at least 512 KiB of second-level cache.
    pub(crate) const DEFAULT: MachineModel = MachineModel {
        first_level_bytes: 48 * 1024,
        register_bytes: [4096, 16384],
        resident_bytes: 256 * 1024,
        cheap_bytes: 16 * 1024,
        store_cost: 4,
        min_band_bytes: 512 * 1024,
        band_rows: [32, 256],
        min_bands: 8,
        matrix_vector_bytes: 128 * 1024,
        max_row: 8192,
        flops_of_addition: 8,
        task_cost: 1 << 16,
        max_tasks: 32,
    };

    /// A machine on which everything pays: small graphs are cut, banded, paired and shared like large ones.
    #[cfg(test)]
    pub(crate) const TINY: MachineModel = MachineModel {
        first_level_bytes: 256,
        register_bytes: [32, 64],
        resident_bytes: 2048,
        cheap_bytes: 0,
        store_cost: 4,
        min_band_bytes: 0,
        band_rows: [8, 16],
        min_bands: 1,
        matrix_vector_bytes: 0,
        max_row: 8192,
        flops_of_addition: 1,
        task_cost: 1,
        max_tasks: 4,
    };
}

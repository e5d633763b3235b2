//! The machine model that plans are made for: sizes of caches, and thresholds from which on a transformation pays; the
//! decisions 0009, 0010 and 0012 say where the numbers come from. They are passed to every pass, so that tests can set
//! them to 0 and send small graphs through passes that only large ones reach.

/// Sizes of caches and thresholds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineModel {
    /// The size of the first-level cache, which all registers of a tile program together should fit into.
    pub(crate) first_level_bytes: usize,
    /// The least and most bytes of a register, unless one row needs more: shorter ones cost calls, longer ones gain
    /// nothing.
    pub(crate) register_bytes: [usize; 2],
    /// The bytes that are still in the second-level cache when they are read again: rows of a matrix that a tile reads
    /// twice, rows of a band, the packed part of a factor.
    pub(crate) resident_bytes: usize,
    /// Smaller arrays cost nothing to store and to read: they are neither rematerialized nor written in place.
    pub(crate) cheap_bytes: usize,
    /// The cost of a store and a load beyond the first-level cache, in additions.
    pub(crate) store_cost: usize,
    /// Smaller products stay in a cache between two steps, so that bands gain nothing.
    pub(crate) min_band_bytes: usize,
    /// The least and most rows of a band: fewer do not pay for packing the other factor again, more gain nothing.
    pub(crate) band_rows: [usize; 2],
    /// The least number of bands, so that several threads have work.
    pub(crate) min_bands: usize,
    /// A matrix of fewer bytes stays in a cache between two products with vectors.
    pub(crate) matrix_vector_bytes: usize,
    /// The longest row that stays in a register between a reduction along it and the user of that: registers are as
    /// wide as the widest dtype of a program, and several are to lie in the second-level cache.
    pub(crate) max_row: usize,
    /// The operations of a matrix product in the time of one elementwise addition.
    pub(crate) flops_of_addition: usize,
    /// The least cost of a task, in additions.
    pub(crate) task_cost: usize,
    /// The most tasks of a step.
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

    /// What generated code is planned for: a compiler chooses registers and vectors there, nothing is shared between threads, and memory
    /// is arrays of one type each, so that no value takes over another's.
    pub(crate) const GENERATED: MachineModel = MachineModel {
        cheap_bytes: usize::MAX,
        min_band_bytes: usize::MAX,
        matrix_vector_bytes: usize::MAX,
        max_tasks: 1,
        ..MachineModel::DEFAULT
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

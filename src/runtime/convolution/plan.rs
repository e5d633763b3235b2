//! Plans a convolution once. In: a [`ConvolutionDescriptor`] and an instruction set. Out: tasks that may run in any
//! order on any threads. It computes nothing itself: see `run.rs`.

use super::{
    descriptor::{ConvolutionDescriptor, ConvolutionOperands, Dense},
    geometry::{Geometry, GeometryLimits, Patches, ROWS_OF_PACKING, column_unit},
    patches::PatchVector,
    phases::dense_parts,
    run::run_task,
};
use crate::{
    graph::DType,
    plan::MachineModel,
    runtime::{
        instruction_set::{InstructionSet, SetKind},
        matmul::{
            MatmulOperands, ProductPlan,
            grid::{GridProblem, TaskGrid},
            vector::MAX_LANES,
            vector_portable::Portable,
        },
    },
};

/// Bytes of a column of patches that are summed in one pass: a panel of them fits the first cache.
const STEP_BYTES: usize = 1280;

/// Bytes that the sums of a chunk may take beside padded input.
const SUM_BYTES: usize = MachineModel::DEFAULT.resident_bytes;

type ConvolutionTaskFn = unsafe fn(&DensePlan, usize, ConvolutionOperands, *mut u8);

/// A convolution, cut into tasks that may run in any order and on any thread.
#[derive(Debug, Clone)]
pub(crate) struct ConvolutionPlan(Work);

/// How a convolution is computed.
#[derive(Debug, Clone)]
enum Work {
    /// As a product of the weights with each image.
    Product(Box<ProductPlan>),
    /// As parts that write outputs of their own.
    Parts(Vec<DensePlan>),
}

/// A part of a convolution, with an input that is not dilated.
#[derive(Debug, Clone)]
pub(super) struct DensePlan {
    pub(super) dense: Dense,
    /// Whether some output has a tap on padding.
    pub(super) is_padded: bool,
    pub(super) geometry: Geometry,
    pub(super) weights: Weights,
    pub(super) grid: TaskGrid,
    pub(super) scratch: ScratchLayout,
    /// Whether there is room for the sums of all outputs of a chunk that lie apart.
    pub(super) keeps_sums: bool,
    run: ConvolutionTaskFn,
}

/// How weights reach the tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weights {
    /// Read where they lie: the steps of a pass have one stride.
    InPlace,
    Packed,
}

/// Where each part of the scratch memory begins, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ScratchLayout {
    pub(super) panel: usize,
    pub(super) weights: usize,
    pub(super) tile: usize,
    pub(super) places: usize,
    pub(super) outputs: usize,
    pub(super) vectors: usize,
    bytes: usize,
}

/// What planning asks of an instruction set and a dtype.
#[derive(Clone, Copy)]
struct ConvolutionKernelInfo {
    lanes: usize,
    element_bytes: usize,
    /// Multiplications and additions in a nanosecond, roughly.
    flops: f64,
    run: ConvolutionTaskFn,
}

impl ConvolutionPlan {
    /// # Panics
    /// For dtypes that are no floats, and for no spatial axis: inference refuses both.
    pub(crate) fn new(convolution: &ConvolutionDescriptor, set: InstructionSet) -> ConvolutionPlan {
        assert!(!convolution.axes.is_empty(), "invariant: a convolution has a spatial axis");
        if convolution.is_empty() {
            // Whatever its other sizes are, there is nothing to look up or to make room for.
            return ConvolutionPlan(Work::Parts(Vec::new()));
        }
        if let Some(product) = convolution.as_product() {
            return ConvolutionPlan(Work::Product(Box::new(ProductPlan::new(&product, set))));
        }
        let kernels = kernels(convolution.dtype, set);
        let mut parts = dense_parts(&convolution.joined());
        parts.iter_mut().flat_map(|dense| &mut dense.convolution.axes).for_each(|axis| *axis = axis.thinned());
        let parts = parts.into_iter().map(|dense| DensePlan::new(dense, kernels));
        ConvolutionPlan(Work::Parts(parts.collect()))
    }

    pub(crate) fn n_tasks(&self) -> usize {
        match &self.0 {
            Work::Product(product) => product.n_tasks(),
            Work::Parts(parts) => parts.iter().map(|part| part.grid.n_tasks()).sum(),
        }
    }

    /// Bytes of scratch memory, aligned to 64, that each running task needs.
    pub(crate) fn scratch_bytes(&self) -> usize {
        match &self.0 {
            Work::Product(product) => product.scratch_bytes(),
            Work::Parts(parts) => parts.iter().map(|part| part.scratch.bytes).max().unwrap_or(0),
        }
    }

    /// What a task computes: `batches` are groups, `rows` those of the part, and `columns` its outputs, counted image
    /// after image. None of a product.
    #[cfg(test)]
    pub(super) fn block(&self, task: usize) -> Option<(&Dense, crate::runtime::matmul::MatmulBlock)> {
        let Work::Parts(parts) = &self.0 else { return None };
        let (part, task) = part_of(parts, task);
        Some((&part.dense, part.grid.block(task)))
    }

    /// Computes some channels of some outputs.
    ///
    /// # Safety
    /// The operands are valid for the convolution's sizes and strides, and aligned for its dtype. `out` overlaps
    /// neither x nor w, and no task runs twice at a time. `scratch` is aligned to 64, valid for [`Self::scratch_bytes`]
    /// and used by no other task meanwhile. The task is below [`Self::n_tasks`]. The machine has the plan's set.
    pub(crate) unsafe fn run_task(&self, task: usize, operands: ConvolutionOperands, scratch: *mut u8) {
        // SAFETY: the caller's promises are those of the kernel that was chosen with the dtype and the set; the parts
        // write outputs of their own, and none needs more scratch memory than the largest.
        unsafe {
            match &self.0 {
                Work::Product(product) => {
                    let ConvolutionOperands { x, w, out } = operands;
                    product.run_task(task, MatmulOperands { a: w, b: x, c: out }, scratch);
                }
                Work::Parts(parts) => {
                    let (part, task) = part_of(parts, task);
                    (part.run)(part, task, operands, scratch);
                }
            }
        }
    }
}

/// The part that a task belongs to, and its number there.
fn part_of(parts: &[DensePlan], task: usize) -> (&DensePlan, usize) {
    let mut rest = task;
    for part in parts {
        match rest.checked_sub(part.grid.n_tasks()) {
            Some(later) => rest = later,
            None => return (part, rest),
        }
    }
    unreachable!("invariant: tasks are counted by n_tasks")
}

impl DensePlan {
    fn new(dense: Dense, kernels: ConvolutionKernelInfo) -> DensePlan {
        let steps = STEP_BYTES / kernels.element_bytes;
        let ConvolutionKernelInfo { lanes, element_bytes, .. } = kernels;
        let limits = GeometryLimits { panel: unit_panel(element_bytes), steps, element_bytes, lanes };
        let geometry = Geometry::new(&dense, limits);
        let grid = cut(&dense, kernels);
        let weights = choose_weights(&dense, &geometry);
        let columns = geometry.chunk.next_multiple_of(2 * lanes);
        let keeps_sums = grid.largest()[0] * columns * element_bytes <= SUM_BYTES;
        let tile_columns = if keeps_sums { columns } else { 2 * lanes };
        let scratch = lay_out(&geometry, weights, [grid.largest()[0], tile_columns], kernels);
        let is_padded = dense.is_padded();
        DensePlan { is_padded, dense, geometry, weights, grid, scratch, keeps_sums, run: kernels.run }
    }
}

/// To ask an output whether it is NaN takes about as long as to look through so many weights.
const WEIGHTS_OF_OUTPUT: usize = 16;

impl DensePlan {
    /// Whether the weights are looked through for infinite ones, for so many outputs of a row.
    pub(super) fn weighs(&self, n_columns: usize) -> bool {
        let convolution = &self.dense.convolution;
        n_columns * WEIGHTS_OF_OUTPUT >= convolution.channels * convolution.taps()
    }
}

/// The columns of a panel of the widest registers: blocks of outputs, and so of channels, which decide the order of sums, are the
/// same on every instruction set.
fn unit_panel(element_bytes: usize) -> usize {
    2 * MAX_LANES * size_of::<f32>() / element_bytes
}

/// Groups are cut first; then columns, whose blocks pack nothing twice, before rows, which pack the same patches again.
fn cut(dense: &Dense, kernels: ConvolutionKernelInfo) -> TaskGrid {
    let convolution = &dense.convolution;
    let ConvolutionDescriptor { groups, channels, .. } = *convolution;
    let m = dense.n_rows();
    let n = convolution.batch * convolution.places();
    let steps = channels * convolution.taps();
    let flops = 2.0 * (groups * n * steps) as f64 * (m + ROWS_OF_PACKING) as f64;
    TaskGrid::new(&GridProblem {
        batches: groups,
        m,
        n,
        unit: [1, column_unit(convolution, unit_panel(kernels.element_bytes))],
        nanoseconds: flops / kernels.flops,
        packing: [1.0, ROWS_OF_PACKING as f64],
    })
}

/// In place only where all steps of a pass are at one stride, and all rows.
fn choose_weights(dense: &Dense, geometry: &Geometry) -> Weights {
    let convolution = &dense.convolution;
    let taps = convolution.taps();
    let is_run = geometry.weight_run == taps;
    let channels_follow = convolution.w[1] == geometry.weight_step * taps as isize;
    if dense.phases.len() == 1 && is_run && (geometry.channel_block == 1 || channels_follow) {
        Weights::InPlace
    } else {
        Weights::Packed
    }
}

/// For so many rows, and so many columns whose sums are kept aside.
fn lay_out(
    geometry: &Geometry,
    weights: Weights,
    [rows, kept]: [usize; 2],
    kernels: ConvolutionKernelInfo,
) -> ScratchLayout {
    let columns = 2 * kernels.lanes;
    let steps = geometry.channel_block * geometry.tap_block;
    let mut end = 0;
    let mut place = |elements: usize, element_bytes: usize| {
        let start = end;
        end += (elements * element_bytes).next_multiple_of(64);
        start
    };
    // Padded input comes first and is followed by a vector that its last row may overhang.
    place(geometry.padded_elements + kernels.lanes, kernels.element_bytes);
    let is_packed = geometry.patches != Patches::InPlace;
    // Squares that are transposed may overhang the panel by all their rows but one.
    let panel = place(if is_packed { (steps + kernels.lanes) * columns } else { 0 }, kernels.element_bytes);
    let packed = if weights == Weights::Packed { rows * steps } else { 0 };
    let weights = place(packed, kernels.element_bytes);
    let tile = place(if is_packed { rows * kept } else { 0 }, kernels.element_bytes);
    let places = place(geometry.chunk, size_of::<isize>());
    let outputs = place(geometry.chunk, size_of::<isize>());
    let vectors = place(if is_packed { 0 } else { geometry.chunk }, size_of::<PatchVector>());
    ScratchLayout { panel, weights, tile, places, outputs, vectors, bytes: end }
}

fn kernels(dtype: DType, set: InstructionSet) -> ConvolutionKernelInfo {
    let info = |lanes, element_bytes, flops, run| ConvolutionKernelInfo { lanes, element_bytes, flops, run };
    match (dtype, set.kind()) {
        #[cfg(target_arch = "x86_64")]
        (DType::F32, SetKind::Avx512) => info(16, 4, 200.0, x86::run_avx512::<std::arch::x86_64::__m512>),
        #[cfg(target_arch = "x86_64")]
        (DType::F64, SetKind::Avx512) => info(8, 8, 100.0, x86::run_avx512::<std::arch::x86_64::__m512d>),
        #[cfg(target_arch = "x86_64")]
        (DType::F32, SetKind::Avx2) => info(8, 4, 80.0, x86::run_avx2::<std::arch::x86_64::__m256>),
        #[cfg(target_arch = "x86_64")]
        (DType::F64, SetKind::Avx2) => info(4, 8, 40.0, x86::run_avx2::<std::arch::x86_64::__m256d>),
        (DType::F32, _) => info(4, 4, 15.0, run_task::<Portable<f32>>),
        (DType::F64, _) => info(4, 8, 8.0, run_task::<Portable<f64>>),
        (DType::I64 | DType::Bool, _) => unreachable!("invariant: convolutions are of floats"),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{ConvolutionOperands, DensePlan, run_task};
    use crate::runtime::matmul::vector::Vector;

    /// # Safety
    /// As for [`ConvolutionPlan::run_task`], with AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn run_avx2<V: Vector>(
        plan: &DensePlan,
        task: usize,
        operands: ConvolutionOperands,
        scratch: *mut u8,
    ) {
        // SAFETY: the caller's promises.
        unsafe { run_task::<V>(plan, task, operands, scratch) }
    }

    /// # Safety
    /// As for [`ConvolutionPlan::run_task`], with AVX-512 F, BW, DQ and VL.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) unsafe fn run_avx512<V: Vector>(
        plan: &DensePlan,
        task: usize,
        operands: ConvolutionOperands,
        scratch: *mut u8,
    ) {
        // SAFETY: the caller's promises.
        unsafe { run_task::<V>(plan, task, operands, scratch) }
    }
}

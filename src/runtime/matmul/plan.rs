//! Plans a matrix product once, then computes its blocks. In: a [`MatmulDescriptor`] and an instruction set; then
//! operands and scratch memory. Out: C, task by task. It starts no thread, and running allocates nothing.
//!
//! Planning has four steps ([`ProductPlan::new`]):
//!
//! 1. [`orient`]: kernels write contiguous rows of C, so a C with contiguous columns is computed as Cᵀ = Bᵀ·Aᵀ;
//! 2. [`choose_algorithm`]: by sizes and strides, a loop, a matrix–vector product, an outer product, or blocked GEMM;
//! 3. [`cut`]: blocks of C, one for each task, by the estimated time of the whole;
//! 4. [`choose_packing`]: for GEMM, which operands are copied into panels first, by the size of the largest block.
//!
//! After that, a task finds its block and its pointers, and calls the kernel.

use super::{
    grid::{GridProblem, TaskGrid},
    naive::{Pointers, multiply_plainly},
    panels::{self, Packing, Panels},
    product::{Accumulation, MatmulBlock, MatmulDescriptor, MatmulOperands},
    vector::{MatmulElement, Vector},
    vector_portable::Portable,
    vectors::{COLUMN_BLOCK, GemvOperands, Outer, dot_rows, outer, sum_columns},
};
use crate::{
    graph::DType,
    runtime::instruction_set::{InstructionSet, SetKind},
};

/// A product of floats with m, n and k up to this is computed by a plain loop.
const MAX_PLAIN: usize = 4;
/// Cache lines at multiples of this distance map to the same set of the first-level cache, and evict one another.
const CACHE_SET_PERIOD: usize = 4096;
/// From this many rows in a block on, B is packed: each panel is then read often enough to pay for its copy.
const MIN_ROWS_TO_PACK_B: usize = 256;
/// The same where lines of B share a cache set, so that reading it in place misses the cache.
const MIN_ROWS_TO_PACK_COLLIDING_B: usize = 32;
/// From this many columns in a block on, A is packed, if reading it in place is slow: neither of its strides is 1, or its
/// lines share a cache set.
const MIN_COLUMNS_TO_PACK_A: usize = 128;
/// The least bytes of a column of A that one task of [`Algorithm::SumColumns`] reads: shorter runs of memory are slow.
const MIN_RUN_BYTES: usize = 256;
/// Bytes that a product reads or writes in a nanosecond, roughly.
const BYTES_PER_NANOSECOND: f64 = 20.0;

/// How a product is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    /// k is 0, so there is nothing to add up: C becomes 0, or stays as it is.
    Fill,
    /// A triple loop over any strides.
    Plain,
    /// Matrix times vector, where the rows of A are contiguous: a dot product for each row.
    DotRows,
    /// Matrix times vector, where the columns of A are contiguous: a sum of columns, each scaled by an element of the vector.
    SumColumns,
    /// An outer product: k is 1.
    Outer,
    /// Blocked GEMM over panels of A and of B, each packed or read in place.
    Panels { a: Packing, b: Packing },
}

/// Whether C is computed as it was given, or as Cᵀ = Bᵀ·Aᵀ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ComputedOrientation {
    AsGiven,
    Transposed,
}

type MatmulTaskFn = unsafe fn(&ProductPlan, usize, MatmulOperands, *mut u8);

/// A product with its algorithm, cut into tasks that may run in any order and on any thread.
#[derive(Debug, Clone)]
pub(crate) struct ProductPlan {
    /// The product in the orientation in which it is computed.
    product: MatmulDescriptor,
    orientation: ComputedOrientation,
    algorithm: Algorithm,
    grid: TaskGrid,
    scratch_bytes: usize,
    run: MatmulTaskFn,
}

/// The kernels of one instruction set for one dtype, with what planning must know of them.
#[derive(Clone, Copy)]
struct MatmulKernels {
    /// Elements of a vector register.
    lanes: usize,
    element_bytes: usize,
    /// Roughly; a multiply-add is two.
    flops_per_nanosecond: f64,
    run: MatmulTaskFn,
}

impl ProductPlan {
    /// The plan of a product, cut into tasks by its work.
    ///
    /// # Panics
    /// For products of bools: the graph has none.
    pub(crate) fn new(product: &MatmulDescriptor, set: InstructionSet) -> ProductPlan {
        ProductPlan::cut_by(product, set, cut)
    }

    /// The plan of a product as one task, for a caller that cuts the work itself.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub(crate) fn whole(product: &MatmulDescriptor, set: InstructionSet) -> ProductPlan {
        ProductPlan::cut_by(product, set, |product, _, _| {
            let (batches, m, n) = (product.n_batches(), product.m, product.n);
            TaskGrid::new(&GridProblem { batches, m, n, unit: [1, 1], nanoseconds: 0.0, packing: [0.0, 0.0] })
        })
    }

    fn cut_by(
        product: &MatmulDescriptor,
        set: InstructionSet,
        cut: impl Fn(&MatmulDescriptor, Algorithm, MatmulKernels) -> TaskGrid,
    ) -> ProductPlan {
        let kernels = kernels(product.dtype, set);
        let (product, orientation) = orient(product);
        let algorithm = choose_algorithm(&product);
        let mut plan = ProductPlan {
            grid: cut(&product, algorithm, kernels),
            algorithm,
            orientation,
            scratch_bytes: 0,
            run: kernels.run,
            product,
        };
        if let Algorithm::Panels { a, b } = &mut plan.algorithm {
            [*a, *b] = choose_packing(&plan.product, plan.grid.largest(), kernels.element_bytes);
        }
        plan.scratch_bytes = plan.scratch_elements(kernels.lanes) * kernels.element_bytes;
        plan
    }

    pub(crate) fn n_tasks(&self) -> usize {
        self.grid.n_tasks()
    }

    /// Bytes of scratch memory, aligned to 64, that each running task needs.
    pub(crate) fn scratch_bytes(&self) -> usize {
        self.scratch_bytes
    }

    /// The part of C that a task computes.
    #[cfg(test)]
    pub(super) fn block(&self, task: usize) -> MatmulBlock {
        let block = self.grid.block(task);
        match self.orientation {
            ComputedOrientation::AsGiven => block,
            ComputedOrientation::Transposed => MatmulBlock { rows: block.columns, columns: block.rows, ..block },
        }
    }

    /// Computes one block of C.
    ///
    /// # Safety
    /// The operands are valid for the product's sizes and strides, and aligned for its dtype. C overlaps neither A nor
    /// B, and nobody else touches the task's block meanwhile. `scratch` is aligned to 64, valid for
    /// [`Self::scratch_bytes`] and used by no other task meanwhile. The task is below [`Self::n_tasks`]. The machine
    /// has the plan's set.
    pub(crate) unsafe fn run_task(&self, task: usize, operands: MatmulOperands, scratch: *mut u8) {
        debug_assert!(task < self.n_tasks(), "invariant: tasks are counted by n_tasks");
        // SAFETY: the caller's promises are those of the kernel that was chosen with the dtype and the set.
        unsafe { (self.run)(self, task, operands, scratch) }
    }

    /// Elements of scratch memory for the largest block.
    fn scratch_elements(&self, lanes: usize) -> usize {
        let [m, n] = self.grid.largest();
        match self.algorithm {
            _ if self.n_tasks() == 0 => 0,
            Algorithm::Fill | Algorithm::Plain => 0,
            // A vector that is not contiguous is copied.
            Algorithm::DotRows if self.product.b[0] == 1 => 0,
            Algorithm::DotRows => self.product.k,
            Algorithm::SumColumns => 2 * COLUMN_BLOCK,
            Algorithm::Outer if self.product.b[1] == 1 => 0,
            Algorithm::Outer => n,
            Algorithm::Panels { a, b } => {
                panels::scratch_elements(&self.panels([a, b], m, n), lanes, self.element_bytes())
            }
        }
    }

    fn element_bytes(&self) -> usize {
        if self.product.dtype == DType::F32 { 4 } else { 8 }
    }

    /// A block of `m` rows and `n` columns of C, for GEMM.
    fn panels(&self, [pack_a, pack_b]: [Packing; 2], m: usize, n: usize) -> Panels {
        let MatmulDescriptor { k, a, b, c, output, .. } = self.product;
        Panels { m, n, k, a, b, c_row: c[0], pack_a, pack_b, output }
    }
}

/// The product in the orientation in which C has contiguous rows, if there is one; a vector becomes a column.
fn orient(product: &MatmulDescriptor) -> (MatmulDescriptor, ComputedOrientation) {
    let has_rows = product.c[1] == 1 || product.n == 1;
    let has_columns = product.c[0] == 1 || product.m == 1;
    let is_row = product.m == 1 && product.n > 1;
    if is_row || (has_columns && !has_rows) {
        (product.transposed(), ComputedOrientation::Transposed)
    } else {
        (product.clone(), ComputedOrientation::AsGiven)
    }
}

impl MatmulDescriptor {
    /// Whether it is of floats and so small that a plain loop computes it: each product rounded, and added in the order of k.
    pub(in crate::runtime) fn is_tiny(&self) -> bool {
        self.dtype.is_float() && self.k > 0 && [self.m, self.n, self.k].iter().all(|size| *size <= MAX_PLAIN)
    }
}

/// The algorithm for a product that is oriented. GEMM reads its operands in place, until [`choose_packing`] knows the blocks.
fn choose_algorithm(product: &MatmulDescriptor) -> Algorithm {
    let MatmulDescriptor { m, n, k, .. } = *product;
    if k == 0 {
        Algorithm::Fill
    } else if !product.dtype.is_float() || product.is_tiny() {
        Algorithm::Plain
    } else if n == 1 && (product.a[1] == 1 || k == 1) {
        Algorithm::DotRows
    } else if n == 1 && (product.a[0] == 1 || m == 1) {
        Algorithm::SumColumns
    } else if product.c[1] != 1 && n > 1 {
        // No vector of C can be written in either orientation.
        Algorithm::Plain
    } else if k == 1 {
        Algorithm::Outer
    } else {
        Algorithm::Panels { a: Packing::InPlace, b: Packing::InPlace }
    }
}

/// How A and B reach the kernels of GEMM, for blocks of up to `m` rows and `n` columns. Tiles read vectors along the rows of
/// B, which must be contiguous for that; of A they read single elements, with any strides.
fn choose_packing(product: &MatmulDescriptor, [m, n]: [usize; 2], element_bytes: usize) -> [Packing; 2] {
    let collides = |strides: [isize; 2]| {
        let is_period = |stride: &isize| (stride.unsigned_abs() * element_bytes).is_multiple_of(CACHE_SET_PERIOD);
        strides.iter().any(|stride| *stride != 0 && is_period(stride))
    };
    let is_slow_in_place = !product.a.contains(&1) || collides(product.a);
    let packs_a = n >= MIN_COLUMNS_TO_PACK_A && is_slow_in_place;
    let packs_b =
        product.b[1] != 1 || m >= MIN_ROWS_TO_PACK_B || (m >= MIN_ROWS_TO_PACK_COLLIDING_B && collides(product.b));
    [packs_a, packs_b].map(|packs| if packs { Packing::Packed } else { Packing::InPlace })
}

/// The tasks of a product, by a rough estimate of its time: arithmetic or memory, whichever takes longer.
fn cut(product: &MatmulDescriptor, algorithm: Algorithm, kernels: MatmulKernels) -> TaskGrid {
    let MatmulDescriptor { m, n, k, .. } = *product;
    let batches = product.n_batches();
    let (m_real, n_real, k_real) = (m as f64, n as f64, k as f64);
    let elements = m_real * k_real + k_real * n_real + m_real * n_real;
    let time = |flops_per_nanosecond: f64| {
        let arithmetic = 2.0 * m_real * n_real * k_real / flops_per_nanosecond;
        batches as f64 * arithmetic.max(elements * kernels.element_bytes as f64 / BYTES_PER_NANOSECOND)
    };
    // A panel of B is two vectors wide.
    let columns = 2 * kernels.lanes;
    match algorithm {
        Algorithm::Plain | Algorithm::Fill => {
            TaskGrid::new(&GridProblem { batches, m, n, unit: [1, 1], nanoseconds: time(1.0), packing: [0.0, 0.0] })
        }
        Algorithm::DotRows | Algorithm::SumColumns | Algorithm::Outer => {
            let rows = if algorithm == Algorithm::SumColumns { MIN_RUN_BYTES / kernels.element_bytes } else { 4 };
            let unit = [rows, columns];
            TaskGrid::new(&GridProblem {
                batches,
                m,
                n,
                unit,
                nanoseconds: time(kernels.flops_per_nanosecond),
                packing: [0.0, n_real],
            })
        }
        Algorithm::Panels { .. } => {
            // In multiply-adds: packing an element of A costs 1, and of B 4 if its rows are contiguous, else 12.
            let packing = [1.0, if product.b[1] == 1 { 4.0 } else { 12.0 }];
            let nanoseconds = time(kernels.flops_per_nanosecond);
            TaskGrid::new(&GridProblem { batches, m, n, unit: [1, columns], nanoseconds, packing })
        }
    }
}

fn kernels(dtype: DType, set: InstructionSet) -> MatmulKernels {
    let info = |lanes, element_bytes, flops_per_nanosecond, run| MatmulKernels {
        lanes,
        element_bytes,
        flops_per_nanosecond,
        run,
    };
    match (dtype, set.kind()) {
        (DType::I64, _) => info(1, 8, 1.0, run_plain::<i64>),
        #[cfg(target_arch = "x86_64")]
        (DType::F32, SetKind::Avx512) => info(16, 4, 200.0, x86::run_avx512::<std::arch::x86_64::__m512>),
        #[cfg(target_arch = "x86_64")]
        (DType::F64, SetKind::Avx512) => info(8, 8, 100.0, x86::run_avx512::<std::arch::x86_64::__m512d>),
        #[cfg(target_arch = "x86_64")]
        (DType::F32, SetKind::Avx2) => info(8, 4, 80.0, x86::run_avx2::<std::arch::x86_64::__m256>),
        #[cfg(target_arch = "x86_64")]
        (DType::F64, SetKind::Avx2) => info(4, 8, 40.0, x86::run_avx2::<std::arch::x86_64::__m256d>),
        (DType::F32, _) => info(4, 4, 15.0, run::<Portable<f32>>),
        (DType::F64, _) => info(4, 8, 8.0, run::<Portable<f64>>),
        (DType::Bool, _) => unreachable!("invariant: there is no product of bools"),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{MatmulOperands, ProductPlan, Vector, run};

    /// # Safety
    /// As for [`ProductPlan::run_task`], with AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn run_avx2<V: Vector>(
        plan: &ProductPlan,
        task: usize,
        operands: MatmulOperands,
        scratch: *mut u8,
    ) {
        // SAFETY: the caller's promises.
        unsafe { run::<V>(plan, task, operands, scratch) }
    }

    /// # Safety
    /// As for [`ProductPlan::run_task`], with AVX-512 F, BW, DQ and VL.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    pub(super) unsafe fn run_avx512<V: Vector>(
        plan: &ProductPlan,
        task: usize,
        operands: MatmulOperands,
        scratch: *mut u8,
    ) {
        // SAFETY: the caller's promises.
        unsafe { run::<V>(plan, task, operands, scratch) }
    }
}

/// A task of a product of integers.
///
/// # Safety
/// As for [`ProductPlan::run_task`].
unsafe fn run_plain<T: MatmulElement>(plan: &ProductPlan, task: usize, operands: MatmulOperands, _scratch: *mut u8) {
    let block = plan.grid.block(task);
    for batch in block.batches.clone() {
        // SAFETY: the block lies inside C, as the caller's task does.
        unsafe {
            multiply_plainly::<T>(
                &plan.product,
                block.rows.len(),
                block.columns.len(),
                block_pointers(plan, &block, batch, operands),
            )
        }
    }
}

/// A task of a product of floats, by the vectors of one instruction set.
///
/// # Safety
/// As for [`ProductPlan::run_task`].
#[inline(always)]
unsafe fn run<V: Vector>(plan: &ProductPlan, task: usize, operands: MatmulOperands, scratch: *mut u8) {
    let block = plan.grid.block(task);
    let (m, n) = (block.rows.len(), block.columns.len());
    let scratch = scratch.cast::<V::Element>();
    for batch in block.batches.clone() {
        // SAFETY: the block lies inside C, as the caller's task does; scratch memory is as large as the algorithm asks for.
        unsafe {
            let pointers = block_pointers::<V::Element>(plan, &block, batch, operands);
            match plan.algorithm {
                Algorithm::Fill if plan.product.output != Accumulation::Overwrite => {}
                Algorithm::Fill | Algorithm::Plain => multiply_plainly(&plan.product, m, n, pointers),
                Algorithm::DotRows => dot_rows::<V>(&plan.matrix_vector(m, plan.product.a[0], pointers), scratch),
                Algorithm::SumColumns => sum_columns::<V>(&plan.matrix_vector(m, plan.product.a[1], pointers), scratch),
                Algorithm::Outer => outer::<V>(&plan.outer(m, n, pointers), scratch),
                Algorithm::Panels { a, b } => panels::multiply::<V>(&plan.panels([a, b], m, n), pointers, scratch),
            }
        }
    }
}

/// Where a block of one product of the batch begins.
///
/// # Safety
/// As for [`ProductPlan::run_task`], with a block and a batch of its grid.
#[inline(always)]
unsafe fn block_pointers<T>(
    plan: &ProductPlan,
    block: &MatmulBlock,
    batch: usize,
    operands: MatmulOperands,
) -> Pointers<T> {
    let product = &plan.product;
    let [mut a, mut b, mut c] = if product.batch.is_empty() { [0; 3] } else { product.offsets(batch) };
    let (row, column) = (block.rows.start as isize, block.columns.start as isize);
    a += row * product.a[0];
    b += column * product.b[1];
    c += row * product.c[0] + column * product.c[1];
    let (left, right) = match plan.orientation {
        ComputedOrientation::AsGiven => (operands.a, operands.b),
        ComputedOrientation::Transposed => (operands.b, operands.a),
    };
    let c = operands.c.cast::<T>().wrapping_offset(c);
    Pointers { a: left.cast::<T>().wrapping_offset(a), b: right.cast::<T>().wrapping_offset(b), c }
}

impl ProductPlan {
    #[inline(always)]
    fn matrix_vector<T>(&self, m: usize, a_stride: isize, pointers: Pointers<T>) -> GemvOperands<T> {
        let MatmulDescriptor { k, b, c, output, .. } = self.product;
        GemvOperands {
            m,
            k,
            a: pointers.a,
            a_stride,
            x: pointers.b,
            x_stride: b[0],
            y: pointers.c,
            y_stride: c[0],
            output,
        }
    }

    #[inline(always)]
    fn outer<T>(&self, m: usize, n: usize, pointers: Pointers<T>) -> Outer<T> {
        let MatmulDescriptor { a, b, c, output, .. } = self.product;
        Outer { m, n, a: pointers.a, a_stride: a[0], b: pointers.b, b_stride: b[1], c: pointers.c, c_row: c[0], output }
    }
}

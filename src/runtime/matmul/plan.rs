//! Plans a matrix product once, then computes its blocks. In: a [`MatmulDescriptor`] and an instruction set; then
//! operands and scratch memory. Out: C, task by task. It starts no thread, and running allocates nothing.

use super::{
    grid::{GridProblem, TaskGrid},
    naive::{Pointers, multiply_plainly},
    panels::{self, Packing, Panels},
    product::{Accumulation, MatmulBlock, MatmulDescriptor, MatmulOperands},
    vector::{MatmulElement, Vector},
    vector_portable::Portable,
    vectors::{COLUMN_BLOCK, GemvOperands, Outer, dot_rows, outer, sum_columns},
};
use crate::{graph::DType, runtime::instruction_set::InstructionSet};

/// A product of floats none of whose dimensions is more than this is computed by a plain loop.
const TINY: usize = 4;
/// From so many rows in a block on, copying the rows of B into panels costs less than reading them where they lie.
const ROWS_TO_PACK_COLUMNS: usize = 256;
/// Cache lines at multiples of this distance map to the same set of the first-level cache, and evict one another.
const SET_PERIOD: usize = 4096;
/// From this many columns in a block on, packing A pays, if neither of its strides is 1 or its lines share a cache set.
const COLUMNS_TO_PACK_ROWS: usize = 128;

/// How a product is computed: `Plain` is a triple loop over any strides, `Outer` an outer product (k is 1), and
/// `Panels` a blocked GEMM that packs A and B or reads them in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    /// There is nothing to add up: C is 0, or stays.
    Fill,
    Plain,
    /// One column, A with contiguous rows.
    DotRows,
    /// One column, A with contiguous columns.
    SumColumns,
    Outer,
    Panels(Packing, Packing),
}

/// Whether the problem is computed as it was given or transposed, so that C has contiguous rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ComputedOrientation {
    AsGiven,
    Transposed,
}

type MatmulTaskFn = unsafe fn(&ProductPlan, usize, MatmulOperands, *mut u8);

/// A product, cut into tasks that may run in any order and on any thread.
#[derive(Debug, Clone)]
pub(crate) struct ProductPlan {
    /// The product in the orientation in which it is computed.
    product: MatmulDescriptor,
    orientation: ComputedOrientation,
    path: Algorithm,
    grid: TaskGrid,
    scratch_bytes: usize,
    run: MatmulTaskFn,
}

/// What planning asks of an instruction set and a dtype.
#[derive(Clone, Copy)]
struct MatmulKernelInfo {
    lanes: usize,
    element_bytes: usize,
    /// Multiplications and additions in a nanosecond, roughly.
    flops: f64,
    run: MatmulTaskFn,
}

/// Bytes of a column that one task reads at least.
const MIN_RUN: usize = 256;
/// Bytes that a product can read in a nanosecond, roughly.
const BYTES: f64 = 20.0;

impl ProductPlan {
    /// # Panics
    /// For products of bools: the graph has none.
    pub(crate) fn new(product: &MatmulDescriptor, set: InstructionSet) -> ProductPlan {
        ProductPlan::cut_by(product, set, cut)
    }

    /// The product as one task, for whoever cuts it otherwise.
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
        cut: impl Fn(&MatmulDescriptor, Algorithm, MatmulKernelInfo) -> TaskGrid,
    ) -> ProductPlan {
        let kernels = kernels(product.dtype, set);
        let (product, orientation) = orient(product);
        let path = choose_path(&product);
        let mut plan = ProductPlan {
            grid: cut(&product, path, kernels),
            path,
            orientation,
            scratch_bytes: 0,
            run: kernels.run,
            product,
        };
        if let Algorithm::Panels(..) = path {
            plan.path = choose_packing(&plan.product, plan.grid.largest(), kernels.element_bytes);
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

    fn scratch_elements(&self, lanes: usize) -> usize {
        let [m, n] = self.grid.largest();
        match self.path {
            _ if self.n_tasks() == 0 => 0,
            Algorithm::Fill | Algorithm::Plain => 0,
            Algorithm::DotRows if self.product.b[0] == 1 => 0,
            Algorithm::DotRows => self.product.k,
            Algorithm::SumColumns => 2 * COLUMN_BLOCK,
            Algorithm::Outer if self.product.b[1] == 1 => 0,
            Algorithm::Outer => n,
            Algorithm::Panels(..) => panels::scratch_elements(&self.panels(m, n), lanes, self.element_bytes()),
        }
    }

    fn element_bytes(&self) -> usize {
        if self.product.dtype == DType::F32 { 4 } else { 8 }
    }

    fn panels(&self, m: usize, n: usize) -> Panels {
        let (pack_a, pack_b) = match self.path {
            Algorithm::Panels(pack_a, pack_b) => (pack_a, pack_b),
            _ => (Packing::InPlace, Packing::InPlace),
        };
        let MatmulDescriptor { k, a, b, c, output, .. } = self.product;
        Panels { m, n, k, a, b, c_row: c[0], pack_a, pack_b, output }
    }
}

/// C with contiguous rows where it can be had; with one column rather than one row.
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

fn choose_path(product: &MatmulDescriptor) -> Algorithm {
    let MatmulDescriptor { m, n, k, .. } = *product;
    let is_float = product.dtype.is_float();
    if k == 0 {
        Algorithm::Fill
    } else if !is_float || (m <= TINY && n <= TINY && k <= TINY) {
        Algorithm::Plain
    } else if n == 1 && (product.a[1] == 1 || k == 1) {
        Algorithm::DotRows
    } else if n == 1 && (product.a[0] == 1 || m == 1) {
        Algorithm::SumColumns
    } else if product.c[1] != 1 && n > 1 {
        Algorithm::Plain
    } else if k == 1 {
        Algorithm::Outer
    } else {
        Algorithm::Panels(Packing::InPlace, Packing::InPlace)
    }
}

fn choose_packing(product: &MatmulDescriptor, [m, n]: [usize; 2], element_bytes: usize) -> Algorithm {
    let collides = |strides: [isize; 2]| {
        strides.iter().any(|stride| *stride != 0 && (stride.unsigned_abs() * element_bytes).is_multiple_of(SET_PERIOD))
    };
    let has_unit = |strides: [isize; 2]| strides.contains(&1);
    let pack_b = product.b[1] != 1 || m >= ROWS_TO_PACK_COLUMNS || (m >= 32 && collides(product.b));
    let pack_a = n >= COLUMNS_TO_PACK_ROWS && (!has_unit(product.a) || collides(product.a));
    let packing = |packed: bool| if packed { Packing::Packed } else { Packing::InPlace };
    Algorithm::Panels(packing(pack_a), packing(pack_b))
}

fn cut(product: &MatmulDescriptor, path: Algorithm, kernels: MatmulKernelInfo) -> TaskGrid {
    let MatmulDescriptor { m, n, k, .. } = *product;
    let batches = product.n_batches();
    let (m_real, n_real, k_real) = (m as f64, n as f64, k as f64);
    let elements = m_real * k_real + k_real * n_real + m_real * n_real;
    let time = |flops: f64| {
        let arithmetic = 2.0 * m_real * n_real * k_real / flops;
        batches as f64 * arithmetic.max(elements * kernels.element_bytes as f64 / BYTES)
    };
    let columns = 2 * kernels.lanes;
    match path {
        Algorithm::Plain | Algorithm::Fill => {
            TaskGrid::new(&GridProblem { batches, m, n, unit: [1, 1], nanoseconds: time(1.0), packing: [0.0, 0.0] })
        }
        // Rows of a block of contiguous columns are a run of memory, too slow to read where it is short.
        Algorithm::DotRows | Algorithm::SumColumns | Algorithm::Outer => {
            let unit = [if path == Algorithm::SumColumns { MIN_RUN / kernels.element_bytes } else { 4 }, columns];
            TaskGrid::new(&GridProblem {
                batches,
                m,
                n,
                unit,
                nanoseconds: time(kernels.flops),
                packing: [0.0, n_real],
            })
        }
        // Packing an element of A is taken to cost one multiply-add; of B, 4 if its rows are contiguous, and 12 if not.
        Algorithm::Panels(..) => {
            let copy = |stride: isize| if stride == 1 { 4.0 } else { 12.0 };
            let packing = [1.0, copy(product.b[1])];
            TaskGrid::new(&GridProblem { batches, m, n, unit: [1, columns], nanoseconds: time(kernels.flops), packing })
        }
    }
}

fn kernels(dtype: DType, set: InstructionSet) -> MatmulKernelInfo {
    let info = |lanes, element_bytes, flops, run| MatmulKernelInfo { lanes, element_bytes, flops, run };
    match (dtype, set) {
        (DType::I64, _) => info(1, 8, 1.0, run_plain::<i64>),
        #[cfg(target_arch = "x86_64")]
        (DType::F32, InstructionSet::Avx512) => info(16, 4, 200.0, x86::run_avx512::<std::arch::x86_64::__m512>),
        #[cfg(target_arch = "x86_64")]
        (DType::F64, InstructionSet::Avx512) => info(8, 8, 100.0, x86::run_avx512::<std::arch::x86_64::__m512d>),
        #[cfg(target_arch = "x86_64")]
        (DType::F32, InstructionSet::Avx2) => info(8, 4, 80.0, x86::run_avx2::<std::arch::x86_64::__m256>),
        #[cfg(target_arch = "x86_64")]
        (DType::F64, InstructionSet::Avx2) => info(4, 8, 40.0, x86::run_avx2::<std::arch::x86_64::__m256d>),
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

/// # Safety
/// As for [`ProductPlan::run_task`].
#[inline(always)]
unsafe fn run<V: Vector>(plan: &ProductPlan, task: usize, operands: MatmulOperands, scratch: *mut u8) {
    let block = plan.grid.block(task);
    let (m, n) = (block.rows.len(), block.columns.len());
    let scratch = scratch.cast::<V::Element>();
    for batch in block.batches.clone() {
        // SAFETY: the block lies inside C, as the caller's task does; scratch memory is as large as the path asked for.
        unsafe {
            let pointers = block_pointers::<V::Element>(plan, &block, batch, operands);
            match plan.path {
                Algorithm::Fill if plan.product.output == Accumulation::Add => {}
                Algorithm::Fill | Algorithm::Plain => multiply_plainly(&plan.product, m, n, pointers),
                Algorithm::DotRows => dot_rows::<V>(&plan.matrix_vector(m, plan.product.a[0], pointers), scratch),
                Algorithm::SumColumns => sum_columns::<V>(&plan.matrix_vector(m, plan.product.a[1], pointers), scratch),
                Algorithm::Outer => outer::<V>(&plan.outer(m, n, pointers), scratch),
                Algorithm::Panels(..) => panels::multiply::<V>(&plan.panels(m, n), pointers, scratch),
            }
        }
    }
}

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

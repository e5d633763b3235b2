//! Products against the triple loop, on every instruction set of the machine. Elements are small whole numbers, so each
//! result is exact in every dtype and order, and is compared without a tolerance. Other numbers have the same bits on all sets.

use smallvec::SmallVec;

use super::{Accumulation, BatchStrides, MatmulDescriptor, MatmulOperands, ProductPlan, vector::MatmulElement};
use crate::{graph::DType, runtime::instruction_set::InstructionSet};

const GUARD: u8 = 0xA5;

/// Elements that tests are made of.
pub(in crate::runtime) trait Whole: MatmulElement {
    const DTYPE: DType;
    fn whole(number: i64) -> Self;
    /// A number of many bits.
    fn rough(number: i64) -> Self;
}

impl Whole for f32 {
    const DTYPE: DType = DType::F32;
    fn whole(number: i64) -> f32 {
        number as f32
    }
    fn rough(number: i64) -> f32 {
        ((number * 7919 + 13) % 1000) as f32 / 1000.0 - 0.3
    }
}

impl Whole for f64 {
    const DTYPE: DType = DType::F64;
    fn whole(number: i64) -> f64 {
        number as f64
    }
    fn rough(number: i64) -> f64 {
        ((number * 7919 + 13) % 1000) as f64 / 1000.0 - 0.3
    }
}

impl Whole for i64 {
    const DTYPE: DType = DType::I64;
    fn whole(number: i64) -> i64 {
        number
    }
    fn rough(number: i64) -> i64 {
        number
    }
}

/// How a matrix lies in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
enum MatrixLayout {
    Rows,
    Columns,
    PaddedRows,
    PaddedColumns,
    NegativeRows,
    NegativeColumns,
    /// All rows are the same row.
    OneRow,
    OneColumn,
    Spread,
}

const READ: [MatrixLayout; 9] = [
    MatrixLayout::Rows,
    MatrixLayout::Columns,
    MatrixLayout::PaddedRows,
    MatrixLayout::PaddedColumns,
    MatrixLayout::NegativeRows,
    MatrixLayout::NegativeColumns,
    MatrixLayout::OneRow,
    MatrixLayout::OneColumn,
    MatrixLayout::Spread,
];
const WRITTEN: [MatrixLayout; 6] = [
    MatrixLayout::Rows,
    MatrixLayout::Columns,
    MatrixLayout::PaddedRows,
    MatrixLayout::PaddedColumns,
    MatrixLayout::NegativeRows,
    MatrixLayout::Spread,
];

/// A matrix, or a batch of them, in a buffer of its own.
struct Matrix<T> {
    elements: Vec<T>,
    first: usize,
    strides: [isize; 2],
    batch: isize,
}

fn strides(layout: MatrixLayout, rows: usize, columns: usize) -> [isize; 2] {
    let (rows, columns) = (rows.max(1) as isize, columns.max(1) as isize);
    match layout {
        MatrixLayout::Rows => [columns, 1],
        MatrixLayout::Columns => [1, rows],
        MatrixLayout::PaddedRows => [columns + 3, 1],
        MatrixLayout::PaddedColumns => [1, rows + 5],
        MatrixLayout::NegativeRows => [-columns, 1],
        MatrixLayout::NegativeColumns => [columns, -1],
        MatrixLayout::OneRow => [0, 1],
        MatrixLayout::OneColumn => [1, 0],
        MatrixLayout::Spread => [2 * columns + 1, 2],
    }
}

fn matrix<T: Whole>(layout: MatrixLayout, batches: usize, [rows, columns]: [usize; 2], seed: i64) -> Matrix<T> {
    let strides = strides(layout, rows, columns);
    let (rows, columns) = (rows.max(1), columns.max(1));
    let reach = |size: usize, stride: isize| (size as isize - 1) * stride;
    let low = reach(rows, strides[0]).min(0) + reach(columns, strides[1]).min(0);
    let high = reach(rows, strides[0]).max(0) + reach(columns, strides[1]).max(0);
    let batch = high - low + 2;
    let length = batch as usize * batches.max(1);
    let elements = (0..length as i64).map(|index| T::whole((index * 7 + seed + index / 11) % 9 - 4)).collect();
    Matrix { elements, first: (-low) as usize, strides, batch }
}

impl<T: Whole> Matrix<T> {
    fn place(&self, batch: usize, row: usize, column: usize) -> usize {
        let [down, right] = self.strides;
        let offset = batch as isize * self.batch + row as isize * down + column as isize * right;
        (self.first as isize + offset) as usize
    }
}

/// One product to check.
#[derive(Debug, Clone, Copy)]
struct MatmulCase {
    shape: [usize; 3],
    layouts: [MatrixLayout; 3],
    batches: usize,
    output: Accumulation,
}

/// Scratch memory, aligned, with a guard behind it.
struct Scratch {
    bytes: Vec<u8>,
    start: usize,
    size: usize,
}

impl Scratch {
    fn new(size: usize) -> Scratch {
        let bytes = vec![GUARD; size + 128];
        let start = bytes.as_ptr().align_offset(64);
        Scratch { bytes, start, size }
    }

    fn pointer(&mut self) -> *mut u8 {
        self.bytes[self.start..].as_mut_ptr()
    }

    fn is_intact(&self) -> bool {
        let after = self.start + self.size;
        self.bytes[..self.start].iter().chain(&self.bytes[after..]).all(|byte| *byte == GUARD)
    }
}

/// The operands of a case.
struct MatmulData<T> {
    a: Matrix<T>,
    b: Matrix<T>,
    c: Matrix<T>,
}

fn operands<T: Whole>(case: MatmulCase) -> (MatmulDescriptor, MatmulData<T>) {
    let ([m, k, n], [a, b, c]) = (case.shape, case.layouts);
    let (a, b) = (matrix::<T>(a, case.batches, [m, k], 1), matrix::<T>(b, case.batches, [k, n], 5));
    let c = matrix::<T>(c, case.batches, [m, n], 3);
    let batch = BatchStrides { size: case.batches, a: a.batch, b: b.batch, c: c.batch };
    let batch = if case.batches == 1 { SmallVec::new() } else { SmallVec::from_slice(&[batch]) };
    let (output, dtype) = (case.output, T::DTYPE);
    let product = MatmulDescriptor { batch, m, n, k, a: a.strides, b: b.strides, c: c.strides, output, dtype };
    (product, MatmulData { a, b, c })
}

/// What is in the memory of C after these tasks, between its elements too.
fn run<T: Whole>(plan: &ProductPlan, data: &MatmulData<T>, tasks: impl Iterator<Item = usize>) -> Vec<T> {
    let MatmulData { a, b, c } = data;
    let mut found = c.elements.clone();
    let mut scratch = Scratch::new(plan.scratch_bytes());
    for task in tasks {
        let operands = MatmulOperands {
            a: a.elements[a.first..].as_ptr().cast(),
            b: b.elements[b.first..].as_ptr().cast(),
            c: found.as_mut_ptr().wrapping_add(c.first).cast(),
        };
        // SAFETY: the buffers are made for the strides, and the scratch memory for the plan.
        unsafe { plan.run_task(task, operands, scratch.pointer()) };
    }
    assert!(scratch.is_intact(), "{plan:?}");
    found
}

fn check<T: Whole>(case: MatmulCase, set: InstructionSet) {
    let ([m, k, n], (product, data)) = (case.shape, operands::<T>(case));
    let MatmulData { a, b, c } = &data;
    let mut expected = c.elements.clone();
    for batch in 0..case.batches {
        for (row, column) in (0..m).flat_map(|row| (0..n).map(move |column| (row, column))) {
            let sum = (0..k).fold(T::ZERO, |sum, step| {
                sum.plus(a.elements[a.place(batch, row, step)].times(b.elements[b.place(batch, step, column)]))
            });
            let c = &mut expected[c.place(batch, row, column)];
            *c = match case.output {
                Accumulation::Overwrite => sum,
                Accumulation::Add => c.plus(sum),
                Accumulation::Subtract => c.minus(sum),
            };
        }
    }
    let plan = ProductPlan::new(&product, set);
    assert!(run(&plan, &data, 0..plan.n_tasks()) == expected, "{case:?} {set:?} {:?}", T::DTYPE);
    assert!(run(&plan, &data, (0..plan.n_tasks()).rev()) == expected, "{case:?} {set:?} {:?}", T::DTYPE);
    check_blocks(&plan, case);
}

/// That numbers whose sums are rounded have the same sums on every instruction set.
fn check_bits<T: Whole>(case: MatmulCase) {
    let (product, mut data) = operands::<T>(case);
    for matrix in [&mut data.a, &mut data.b, &mut data.c] {
        let first = matrix.first as i64;
        matrix.elements.iter_mut().enumerate().for_each(|(index, x)| *x = T::rough(index as i64 + 3 * first));
    }
    let computed = InstructionSet::available().into_iter().map(|set| {
        let plan = ProductPlan::new(&product, set);
        run(&plan, &data, 0..plan.n_tasks())
    });
    let computed: Vec<Vec<T>> = computed.collect();
    assert!(computed.iter().all(|found| *found == computed[0]), "{case:?} {:?}", T::DTYPE);
}

/// Each element of C is in one block.
fn check_blocks(plan: &ProductPlan, case: MatmulCase) {
    let [m, _, n] = case.shape;
    let mut counts = vec![0; case.batches * m * n];
    for block in (0..plan.n_tasks()).map(|task| plan.block(task)) {
        for batch in block.batches {
            for row in block.rows.clone() {
                block.columns.clone().for_each(|column| counts[(batch * m + row) * n + column] += 1);
            }
        }
    }
    assert!(counts.iter().all(|count| *count == 1), "{case:?}");
}

fn check_everywhere(case: MatmulCase) {
    for set in InstructionSet::available() {
        check::<f32>(case, set);
        check::<f64>(case, set);
    }
    check::<i64>(case, InstructionSet::PORTABLE);
    check_bits::<f32>(case);
    check_bits::<f64>(case);
}

const ADD: Accumulation = Accumulation::Add;
const OVERWRITE: Accumulation = Accumulation::Overwrite;
const SUBTRACT: Accumulation = Accumulation::Subtract;
const ROWS: [MatrixLayout; 3] = [MatrixLayout::Rows; 3];

#[test]
fn every_shape() {
    let sizes = [0, 1, 2, 3, 5, 10, 16, 17, 33, 64];
    for m in sizes {
        for k in sizes {
            for n in sizes {
                check_everywhere(MatmulCase { shape: [m, k, n], layouts: ROWS, batches: 1, output: OVERWRITE });
            }
        }
    }
}

#[test]
fn every_layout() {
    for shape in [[3, 2, 4], [1, 37, 1], [1, 19, 41], [35, 23, 1], [37, 1, 45], [31, 19, 43], [5, 270, 130]] {
        for a in READ {
            for b in READ {
                // With large operands, C's layouts are tried with the plainest of A and B alone.
                let is_plain = a == MatrixLayout::Rows && b == MatrixLayout::Rows;
                for c in &WRITTEN[..if shape[1] < 100 || is_plain { WRITTEN.len() } else { 1 }] {
                    check_everywhere(MatmulCase { shape, layouts: [a, b, *c], batches: 1, output: ADD });
                }
            }
        }
    }
}

#[test]
fn blocks_of_k_and_of_columns() {
    for layouts in [
        ROWS,
        [MatrixLayout::Columns, MatrixLayout::Rows, MatrixLayout::Rows],
        [MatrixLayout::Rows, MatrixLayout::Columns, MatrixLayout::Rows],
    ] {
        for shape in [[180, 520, 20], [30, 257, 530], [97, 101, 300], [128, 256, 160]] {
            for output in [ADD, OVERWRITE, SUBTRACT] {
                check_everywhere(MatmulCase { shape, layouts, batches: 1, output });
            }
        }
    }
}

#[test]
fn batches() {
    for shape in [[2, 3, 2], [9, 1, 1], [1, 9, 20], [1, 1, 9], [9, 1, 20], [33, 20, 35], [0, 2, 2], [2, 0, 2]] {
        for batches in [0, 2, 7, 300] {
            for output in [ADD, OVERWRITE, SUBTRACT] {
                check_everywhere(MatmulCase { shape, layouts: ROWS, batches, output });
            }
        }
    }
}

#[test]
fn what_is_cut_into_tasks() {
    let cases = [
        (ROWS, [230, 300, 270]),
        ([MatrixLayout::Columns, MatrixLayout::Columns, MatrixLayout::Columns], [230, 300, 270]),
        ([MatrixLayout::Spread, MatrixLayout::Rows, MatrixLayout::Rows], [1300, 1024, 10]),
        (ROWS, [600, 1700, 1]),
        ([MatrixLayout::Columns; 3], [600, 1700, 1]),
        (ROWS, [1, 1700, 600]),
        (ROWS, [1100, 1, 1000]),
        (ROWS, [1, 400_000, 1]),
    ];
    for (layouts, shape) in cases {
        let case = MatmulCase { shape, layouts, batches: 1, output: OVERWRITE };
        for set in InstructionSet::available() {
            check::<f32>(case, set);
        }
        check::<f64>(case, InstructionSet::widest());
        check_bits::<f32>(case);
        check_bits::<f64>(case);
    }
    let plan = |shape: [usize; 3]| {
        let [m, k, n] = shape;
        let product = MatmulDescriptor {
            batch: SmallVec::new(),
            m,
            n,
            k,
            a: [k as isize, 1],
            b: [n as isize, 1],
            c: [n as isize, 1],
            output: OVERWRITE,
            dtype: DType::F32,
        };
        ProductPlan::new(&product, InstructionSet::PORTABLE)
    };
    assert_eq!(plan([8, 16, 16]).n_tasks(), 1);
    assert!(plan([230, 300, 270]).n_tasks() >= 4);
}

#[test]
fn two_batch_axes() {
    let (a, b) = (matrix::<f64>(MatrixLayout::Rows, 1, [6, 50], 1), matrix::<f64>(MatrixLayout::Rows, 1, [50, 8], 2));
    // Both operands are cut along k into five parts, A into two groups of rows besides; C holds [5, 2, 3, 8].
    let batch = [BatchStrides { size: 5, a: 10, b: 80, c: 48 }, BatchStrides { size: 2, a: 150, b: 0, c: 24 }];
    let product = MatmulDescriptor {
        batch: SmallVec::from_slice(&batch),
        m: 3,
        n: 8,
        k: 10,
        a: [50, 1],
        b: [8, 1],
        c: [8, 1],
        output: OVERWRITE,
        dtype: DType::F64,
    };
    for set in InstructionSet::available() {
        let plan = ProductPlan::new(&product, set);
        let (mut found, mut scratch) = (vec![0.0; 240], Scratch::new(plan.scratch_bytes()));
        for task in 0..plan.n_tasks() {
            let c = found.as_mut_ptr().cast();
            let operands = MatmulOperands { a: a.elements.as_ptr().cast(), b: b.elements.as_ptr().cast(), c };
            // SAFETY: the strides stay inside the three buffers.
            unsafe { plan.run_task(task, operands, scratch.pointer()) };
        }
        for (index, found) in found.iter().enumerate() {
            let (part, row, column) = (index / 48, index / 8 % 6, index % 8);
            let products = (part * 10..part * 10 + 10).map(|k| a.elements[row * 50 + k] * b.elements[k * 8 + column]);
            assert_eq!(*found, products.sum::<f64>());
        }
    }
}

#[test]
fn fractions_are_rounded_little() {
    let (m, n, k) = (20, 20, 5000);
    let fraction = |index: usize| ((index * 7919 + 13) % 1000) as f32 / 1000.0 - 0.3;
    let (a, b): (Vec<f32>, Vec<f32>) = ((0..m * k).map(fraction).collect(), (0..k * n).map(fraction).collect());
    for (m, n) in [(m, n), (1, 1), (m, 1), (1, n)] {
        let product = MatmulDescriptor {
            batch: SmallVec::new(),
            m,
            n,
            k,
            a: [k as isize, 1],
            b: [n as isize, 1],
            c: [n as isize, 1],
            output: OVERWRITE,
            dtype: DType::F32,
        };
        for set in InstructionSet::available() {
            let plan = ProductPlan::new(&product, set);
            let (mut c, mut scratch) = (vec![0_f32; m * n], Scratch::new(plan.scratch_bytes()));
            for task in 0..plan.n_tasks() {
                let operands = MatmulOperands { a: a.as_ptr().cast(), b: b.as_ptr().cast(), c: c.as_mut_ptr().cast() };
                // SAFETY: the buffers are as large as the product says.
                unsafe { plan.run_task(task, operands, scratch.pointer()) };
            }
            for (index, found) in c.iter().enumerate() {
                let terms = (0..k).map(|p| f64::from(a[index / n * k + p]) * f64::from(b[p * n + index % n]));
                let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                // A sum of k terms in any order is off by at most k·ε times the sum of their sizes; chains of random
                // signs by about √k·ε, which leaves a factor of 10.
                let bound = 10.0 * (k as f64).sqrt() * f64::from(f32::EPSILON) * size;
                assert!((f64::from(*found) - sum).abs() <= bound, "{set:?} {m} {n}: {found} {sum}");
            }
        }
    }
}

//! Reductions of rows and combination with an accumulator.

use super::{InstructionSet, Random};
use crate::{
    graph::{DType, Reduction},
    runtime::vector::{accumulate, row_reduce},
};

const COLUMNS: [usize; 18] = [1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 64, 100, 1024];

fn plain(kind: Reduction, row: &[f64]) -> f64 {
    let is_nan = row.iter().any(|x| x.is_nan());
    match kind {
        Reduction::Sum => row.iter().sum(),
        Reduction::Product => row.iter().product(),
        Reduction::Max | Reduction::Min if is_nan => f64::NAN,
        Reduction::Max => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Reduction::Min => row.iter().copied().fold(f64::INFINITY, f64::min),
    }
}

/// Small integers are summed exactly in any order, and products of signs too.
fn elements(kind: Reduction, n: usize) -> Vec<f64> {
    let mut random = Random(n as u64);
    let draw = |_| if kind == Reduction::Product { 1.0 } else { 50.0 } * random.between(-1.0, 1.0);
    (0..n).map(draw).map(|x| if kind == Reduction::Product { x.signum() } else { x.round() }).collect()
}

fn reduced<T: Copy + Default>((kind, dtype): (Reduction, DType), x: &[T], columns: usize) -> Vec<Vec<T>> {
    let rows = x.len() / columns;
    let kernels = InstructionSet::available().into_iter().map(|set| row_reduce(kind, dtype, set).unwrap());
    kernels
        .map(|kernel| {
            let mut out = vec![T::default(); rows];
            // SAFETY: x has that many rows of that many columns of the dtype, the result that many elements.
            unsafe { kernel(out.as_mut_ptr().cast(), x.as_ptr().cast(), rows, columns) };
            out
        })
        .collect()
}

#[test]
fn rows_are_reduced() {
    for kind in Reduction::ALL.iter().copied() {
        for columns in COLUMNS {
            let x = elements(kind, 7 * columns);
            let expected: Vec<f64> = x.chunks_exact(columns).map(|row| plain(kind, row)).collect();
            for out in reduced((kind, DType::F64), &x, columns) {
                assert_eq!(out, expected, "{kind:?} of {columns} columns");
            }
            let thin: Vec<f32> = x.iter().map(|x| *x as f32).collect();
            for out in reduced((kind, DType::F32), &thin, columns) {
                assert_eq!(out.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(), expected, "{kind:?} of {columns}");
            }
            let whole: Vec<i64> = x.iter().map(|x| *x as i64).collect();
            for out in reduced((kind, DType::I64), &whole, columns) {
                assert_eq!(out.iter().map(|x| *x as f64).collect::<Vec<_>>(), expected, "{kind:?} of {columns}");
            }
        }
    }
}

#[test]
fn extremes_pass_nan_on_wherever_it_is() {
    for kind in [Reduction::Max, Reduction::Min] {
        for columns in COLUMNS {
            for place in 0..columns.min(40) {
                let mut x = elements(kind, columns);
                x[place] = f64::NAN;
                for out in reduced((kind, DType::F64), &x, columns) {
                    assert!(out[0].is_nan(), "{kind:?} of {columns} columns, NaN at {place}");
                }
            }
        }
    }
}

#[test]
fn nothing_has_a_sum_and_a_product() {
    for (kind, expected) in [(Reduction::Sum, 0.0), (Reduction::Product, 1.0)] {
        for set in InstructionSet::available() {
            let kernel = row_reduce(kind, DType::F32, set).unwrap();
            let (x, mut out) = ([0f32; 0], [9f32; 3]);
            // SAFETY: three rows of no columns have no elements.
            unsafe { kernel(out.as_mut_ptr().cast(), x.as_ptr().cast(), 3, 0) };
            assert_eq!(out, [expected; 3]);
        }
    }
}

/// A row's bits do not depend on the rows beside it.
#[test]
fn a_row_is_reduced_alone_as_among_others() {
    let mut random = Random(5);
    for columns in COLUMNS {
        let x: Vec<f32> = (0..5 * columns).map(|_| random.between(-1.0, 1.0) as f32).collect();
        let together = reduced((Reduction::Sum, DType::F32), &x, columns);
        for (row, elements) in x.chunks_exact(columns).enumerate() {
            let alone = reduced((Reduction::Sum, DType::F32), elements, columns);
            for (together, alone) in together.iter().zip(&alone) {
                assert_eq!(together[row].to_bits(), alone[0].to_bits(), "row {row} of {columns} columns");
            }
        }
    }
}

#[test]
fn accumulators_take_elements_in() {
    for kind in Reduction::ALL.iter().copied() {
        for n in [0, 1, 7, 8, 33, 1000] {
            let x = elements(kind, n);
            let start: Vec<f64> = elements(kind, n + 1)[1..].to_vec();
            let expected: Vec<f64> = start.iter().zip(&x).map(|(acc, x)| plain(kind, &[*acc, *x])).collect();
            for set in InstructionSet::available() {
                let mut acc = start.clone();
                // SAFETY: both arrays have n elements.
                unsafe { accumulate(kind, DType::F64, set).unwrap()(acc.as_mut_ptr().cast(), x.as_ptr().cast(), n) };
                assert_eq!(acc, expected, "{kind:?} of {n}");
            }
        }
    }
}

#[test]
fn truth_values_have_no_reductions() {
    for set in InstructionSet::available() {
        assert!(row_reduce(Reduction::Sum, DType::Bool, set).is_none());
        assert!(accumulate(Reduction::Max, DType::Bool, set).is_none());
    }
}

/// Sums and products that are rounded.
#[test]
fn every_set_reduces_to_the_same_bits() {
    let mut random = Random(5);
    for kind in Reduction::ALL.iter().copied() {
        for columns in COLUMNS {
            let x: Vec<f64> = (0..7 * columns).map(|_| random.between(-2.0, 2.0)).collect();
            let bits = |rows: &Vec<f64>| rows.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let wide: Vec<Vec<u64>> = reduced((kind, DType::F64), &x, columns).iter().map(bits).collect();
            assert!(wide.windows(2).all(|pair| pair[0] == pair[1]), "{kind:?} of {columns} columns");
            let thin: Vec<f32> = x.iter().map(|x| *x as f32).collect();
            let thin = reduced((kind, DType::F32), &thin, columns);
            assert!(thin.windows(2).all(|pair| pair[0] == pair[1]), "{kind:?} of {columns} columns");
        }
    }
}

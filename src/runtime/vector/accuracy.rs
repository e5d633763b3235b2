//! How exact the f32 kernels are. In: how many bit patterns to step over, and an instruction set. Out: for each function
//! the greatest error in units in the last place, and where it is. The reference is f64 by the crate `libm`. The
//! kernels of f64 are measured in the tests, against arithmetic with two f64.
#![allow(unsafe_code, reason = "calls kernels on arrays of its own")]

use super::{Kernel, Splats, kernel};
use crate::{
    graph::{Binary, DType, Unary},
    plan::Function,
    runtime::instruction_set::InstructionSet,
};

/// Elements of one call of a kernel.
const TILE: usize = 1024;

/// A function that is measured, and what it has as its operand beside the scanned one.
struct MeasuredFunction {
    function: Function,
    other: Other,
}

/// The operand that is the same for a whole scan.
#[derive(Clone, Copy)]
enum Other {
    Absent,
    First(f32),
    Second(f32),
}

/// What stands beside the scanned operand of a function of two.
const OTHERS: [f32; 4] = [0.37, -3.0, 1000.0, 1e-40];

/// A line of the table: a function, its greatest error in units in the last place, and the argument where it is.
#[derive(Debug)]
pub struct AccuracyRow {
    /// The function and what it was asked for, such as `pow(x, -3)`.
    pub name: String,
    /// The greatest error.
    pub error: f64,
    /// The bound of its row.
    pub bound: f64,
    /// Where the greatest error is.
    pub argument: f32,
}

/// The greatest error of each f32 function on the widest instruction set of this machine, over every `stride`-th of the 2³² bit
/// patterns. The truth is the same function in f64, or in twice its precision.
///
/// # Complexity
/// 2³²/`stride` values of each function: minutes for all patterns.
///
/// # Panics
/// If `stride` is 0.
///
/// # Example
/// ```
/// let table = pullback::error_table(1 << 22);
/// assert!(table.iter().all(|row| row.error <= row.bound));
/// ```
pub fn error_table(stride: u32) -> Vec<AccuracyRow> {
    error_table_of(stride, InstructionSet::widest())
}

/// The same for a set that this machine has.
pub(super) fn error_table_of(stride: u32, set: InstructionSet) -> Vec<AccuracyRow> {
    measured().into_iter().map(|measured| measured.line(stride, set)).collect()
}

/// The distance of a result from the true value in units of the last place of an f32 of that size; infinite where one is
/// NaN and the other not, or where the sign of a zero is wrong.
pub(super) fn error_in_f32(result: f32, truth: f64) -> f64 {
    const BEYOND: f64 = 3.402_823_669_209_385e38;
    if truth.is_nan() || result.is_nan() {
        return if truth.is_nan() && result.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if truth == 0.0 && result == 0.0 {
        return if truth.is_sign_negative() == result.is_sign_negative() { 0.0 } else { f64::INFINITY };
    }
    // Infinity counts as the number that would follow the greatest.
    let difference = f64::from(result).clamp(-BEYOND, BEYOND) - truth.clamp(-BEYOND, BEYOND);
    let exponent = (truth.abs().clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)).to_bits() >> 52) as i32 - 1023;
    difference.abs() / libm::ldexp(1.0, exponent - 23)
}

impl MeasuredFunction {
    fn line(&self, stride: u32, set: InstructionSet) -> AccuracyRow {
        let (error, argument) = self.max_error(stride, set);
        let function = self.function.name();
        let name = match self.other {
            Other::Absent => function.to_string(),
            Other::First(other) => format!("{function}({other:e}, x)"),
            Other::Second(other) => format!("{function}(x, {other:e})"),
        };
        let bound = match self.function {
            Function::Unary(function) => function.max_error(),
            Function::Binary(function) => function.max_error(),
            _ => unreachable!("invariant: functions with rows are measured"),
        };
        AccuracyRow { name, error, bound, argument }
    }

    fn max_error(&self, stride: u32, set: InstructionSet) -> (f64, f32) {
        let splats = match self.other {
            Other::Absent => Splats::NONE,
            Other::First(_) => Splats::NONE.with(0),
            Other::Second(_) => Splats::NONE.with(1),
        };
        let kernel =
            kernel(self.function, DType::F32, splats, set).expect("invariant: every f32 function has a kernel");
        let mut greatest = (0.0, 0.0);
        let mut patterns = (0..=u32::MAX).step_by(stride as usize).map(f32::from_bits);
        loop {
            let x: Vec<f32> = patterns.by_ref().take(TILE).collect();
            if x.is_empty() {
                return greatest;
            }
            for (x, result) in x.iter().zip(self.results(kernel, &x)) {
                let error = error_in_f32(result, self.truth(*x));
                if error > greatest.0 {
                    greatest = (error, *x);
                }
            }
        }
    }

    fn results(&self, kernel: Kernel, x: &[f32]) -> Vec<f32> {
        let mut results = vec![0.0; x.len()];
        let scanned = x.as_ptr().cast::<u8>();
        let mut operands = [scanned; 3];
        match &self.other {
            Other::Absent => {}
            Other::First(other) => operands[0] = (&raw const *other).cast(),
            Other::Second(other) => operands[1] = (&raw const *other).cast(),
        }
        // SAFETY: the scanned operand and the results have `x.len()` elements, the other is a splat, and the set was
        // detected on this machine.
        unsafe { kernel(results.as_mut_ptr().cast(), &operands, x.len()) };
        results
    }

    /// What the reference gives in f64.
    fn truth(&self, x: f32) -> f64 {
        let x = f64::from(x);
        match (self.function, self.other) {
            (Function::Unary(function), _) => function.of_real(x),
            (Function::Binary(function), Other::First(other)) => function.of_reals(f64::from(other), x),
            (Function::Binary(function), Other::Second(other)) => function.of_reals(x, f64::from(other)),
            _ => unreachable!("invariant: functions with rows are measured"),
        }
    }
}

/// Every function with a row.
fn measured() -> Vec<MeasuredFunction> {
    let ones = Unary::ALL
        .iter()
        .map(|function| MeasuredFunction { function: Function::Unary(*function), other: Other::Absent });
    let twos = Binary::ALL.iter().flat_map(|function| {
        let beside = OTHERS.iter().flat_map(|other| [Other::First(*other), Other::Second(*other)]);
        beside.map(|other| MeasuredFunction { function: Function::Binary(*function), other })
    });
    ones.chain(twos).collect()
}

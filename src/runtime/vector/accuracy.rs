//! How exact the f32 kernels are. In: how many bit patterns to step over, and an instruction set. Out: for each function
//! the greatest error in units in the last place, and where it is. The reference is the standard library's f64. The
//! kernels of f64 are measured in the tests, against arithmetic with two f64.
#![allow(unsafe_code, reason = "calls kernels on arrays of its own")]

use super::{Kernel, Splats, kernel};
use crate::{
    graph::{Binary, DType, Unary},
    ops::Real,
    plan::Function,
    runtime::instruction_set::InstructionSet,
};

/// How many elements a kernel is given at once.
const TILE: usize = 1024;

/// A function that is measured: its name, its kernel, what it has as its operand beside the scanned one, and the same
/// function in f64.
struct Measured {
    name: &'static str,
    function: Function,
    other: Other,
    reference: fn(f64, f64) -> f64,
}

/// The operand that is the same for a whole scan.
#[derive(Clone, Copy)]
enum Other {
    Absent,
    First(f32),
    Second(f32),
}

/// The greatest error of each f32 function on the widest set of this machine, over every `stride`-th bit pattern:
/// its name, the error in units in the last place, and the argument.
pub fn error_table(stride: u32) -> Vec<(&'static str, f64, f32)> {
    error_table_of(stride, InstructionSet::detect())
}

/// The same for a set that this machine has.
pub(super) fn error_table_of(stride: u32, set: InstructionSet) -> Vec<(&'static str, f64, f32)> {
    let rows = measured().into_iter();
    rows.map(|measured| {
        let (error, argument) = measured.greatest_error(stride, set);
        (measured.name, error, argument)
    })
    .collect()
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
    difference.abs() / f64::powi(2.0, exponent - 23)
}

impl Measured {
    fn greatest_error(&self, stride: u32, set: InstructionSet) -> (f64, f32) {
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

    fn truth(&self, x: f32) -> f64 {
        match self.other {
            Other::Absent => (self.reference)(f64::from(x), 0.0),
            Other::First(other) => (self.reference)(f64::from(other), f64::from(x)),
            Other::Second(other) => (self.reference)(f64::from(x), f64::from(other)),
        }
    }
}

fn measured() -> Vec<Measured> {
    let one = |name, function, reference| Measured {
        name,
        function: Function::Unary(function),
        other: Other::Absent,
        reference,
    };
    let mut all = vec![
        one("exp", Unary::Exp, |x, _| x.exp()),
        one("expm1", Unary::ExpM1, |x, _| x.exp_m1()),
        one("log", Unary::Log, |x, _| x.ln()),
        one("log1p", Unary::Log1p, |x, _| x.ln_1p()),
        one("sqrt", Unary::Sqrt, |x, _| x.sqrt()),
        one("rsqrt", Unary::Rsqrt, |x, _| 1.0 / x.sqrt()),
        one("tanh", Unary::Tanh, |x, _| x.tanh()),
        one("sech_squared", Unary::SechSquared, |x, _| x.cosh().powi(-2)),
        one(
            "sigmoid",
            Unary::Sigmoid,
            |x, _| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) },
        ),
        one("softplus", Unary::Softplus, |x, _| if x > 0.0 { x } else { 0.0 } + (-x.abs()).exp().ln_1p()),
        one("erf", Unary::Erf, |x, _| libm::erf(x)),
        one("erfc", Unary::Erfc, |x, _| libm::erfc(x)),
        one("normal_cdf", Unary::NormalCdf, |x, _| x.normal_cdf()),
        one("normal_pdf", Unary::NormalPdf, |x, _| x.normal_pdf()),
        one("sin", Unary::Sin, |x, _| x.sin()),
        one("cos", Unary::Cos, |x, _| x.cos()),
    ];
    all.extend(measured_pairs());
    all
}

fn measured_pairs() -> Vec<Measured> {
    let two = |name, function, other| {
        let reference: fn(f64, f64) -> f64 =
            if function == Binary::Pow { |a: f64, b: f64| a.powf(b) } else { |a: f64, b: f64| a.atan2(b) };
        Measured { name, function: Function::Binary(function), other, reference }
    };
    vec![
        two("pow(x, 0.37)", Binary::Pow, Other::Second(0.37)),
        two("pow(x, -3)", Binary::Pow, Other::Second(-3.0)),
        two("pow(x, 1000)", Binary::Pow, Other::Second(1000.0)),
        two("pow(1.7, x)", Binary::Pow, Other::First(1.7)),
        two("pow(1e-40, x)", Binary::Pow, Other::First(1e-40)),
        two("atan2(x, 1)", Binary::Atan2, Other::Second(1.0)),
        two("atan2(x, -1e-20)", Binary::Atan2, Other::Second(-1e-20)),
        two("atan2(3e5, x)", Binary::Atan2, Other::First(3e5)),
    ]
}

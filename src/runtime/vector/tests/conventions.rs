//! What the short functions give at zeros, infinities, NaN, ties and overflow, against the plainest code for one element.

use super::{Random, run};
use crate::{
    graph::{Binary, Comparison, Connective, DType, Predicate, Unary},
    plan::Function,
    runtime::vector::{InstructionSet, Splats, kernel},
};

const FLOATS: [f64; 22] = [
    0.0,
    0.5,
    1.0,
    1.5,
    2.5,
    0.49999999999999994,
    0.3,
    4_503_599_627_370_495.5,
    4_503_599_627_370_497.0,
    8_388_609.0,
    8_388_607.5,
    1e-310,
    1e-40,
    1e10,
    9.3e18,
    9.223372036854775e18,
    1e300,
    f64::MAX,
    f64::INFINITY,
    f64::NAN,
    7.0,
    2.0,
];
const INTEGERS: [i64; 9] = [0, 1, -1, 2, -7, i64::MAX, i64::MIN, 9_007_199_254_740_993, 72_057_598_332_895_233];

fn floats() -> Vec<f64> {
    FLOATS.iter().flat_map(|x| [*x, -*x]).collect()
}

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|x| *x as f32).collect()
}

/// Every pair of the elements, as two arrays.
fn pairs<T: Copy>(x: &[T]) -> (Vec<T>, Vec<T>) {
    x.iter().flat_map(|a| x.iter().map(|b| (*a, *b))).unzip()
}

fn kernel_of(function: Function, dtype: DType, set: InstructionSet) -> crate::runtime::vector::Kernel {
    kernel(function, dtype, Splats::NONE, set).unwrap()
}

/// Whether two floats are the same, signs of zeros included; one NaN is as good as another.
fn is_same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

fn plain_unary(function: Unary, x: f64) -> Option<f64> {
    Some(match function {
        Unary::Negate => -x,
        Unary::Abs => x.abs(),
        Unary::Sign if x > 0.0 => 1.0,
        Unary::Sign if x < 0.0 => -1.0,
        Unary::Sign => x,
        Unary::Relu if x <= 0.0 => 0.0,
        Unary::Relu => x,
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => 1.0 / x.sqrt(),
        _ => return None,
    })
}

#[test]
fn short_functions_of_one_float() {
    let wide = floats();
    let thin = narrow(&wide);
    for function in Unary::ALL.iter().copied().filter(|function| plain_unary(*function, 0.0).is_some()) {
        for set in InstructionSet::available() {
            let results =
                run::<f64, f64>(kernel_of(Function::Unary(function), DType::F64, set), [&wide, &wide], wide.len());
            for (x, result) in wide.iter().zip(results) {
                let expected = plain_unary(function, *x).unwrap();
                assert!(is_same(result, expected), "{function:?} of {x:e} with {set:?} is {result:e}");
            }
            if matches!(function, Unary::Sqrt | Unary::Rsqrt) {
                continue;
            }
            let results =
                run::<f32, f32>(kernel_of(Function::Unary(function), DType::F32, set), [&thin, &thin], thin.len());
            for (x, result) in thin.iter().zip(results) {
                let expected = plain_unary(function, f64::from(*x)).unwrap();
                assert!(is_same(f64::from(result), expected), "{function:?} of {x:e} with {set:?} is {result:e}");
            }
        }
    }
}

fn plain_binary(function: Binary, a: f64, b: f64) -> Option<f64> {
    Some(match function {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Maximum if a.is_nan() || a > b => a,
        Binary::Maximum => b,
        Binary::Minimum if a.is_nan() || a < b => a,
        Binary::Minimum => b,
        Binary::Rem => a % b,
        _ => return None,
    })
}

#[test]
fn short_functions_of_two_floats() {
    let (a, b) = pairs(&floats());
    let (thin_a, thin_b) = (narrow(&a), narrow(&b));
    for function in Binary::ALL.iter().copied().filter(|function| plain_binary(*function, 0.0, 0.0).is_some()) {
        for set in InstructionSet::available() {
            let pick = |dtype| kernel_of(Function::Binary(function), dtype, set);
            for (index, result) in run::<f64, f64>(pick(DType::F64), [&a, &b], a.len()).into_iter().enumerate() {
                let expected = plain_binary(function, a[index], b[index]).unwrap();
                assert!(is_same(result, expected), "{function:?} of {:e}, {:e} is {result:e}", a[index], b[index]);
            }
            for (index, result) in
                run::<f32, f32>(pick(DType::F32), [&thin_a, &thin_b], a.len()).into_iter().enumerate()
            {
                let (a, b) = (thin_a[index], thin_b[index]);
                // Twice the bits and more: rounding the f64 result gives the f32 one.
                let expected = plain_binary(function, f64::from(a), f64::from(b)).unwrap() as f32;
                assert!(is_same(f64::from(result), f64::from(expected)), "{function:?} of {a:e}, {b:e} is {result:e}");
            }
        }
    }
}

#[test]
fn functions_of_integers_wrap() {
    let (a, b) = pairs(&INTEGERS);
    let unary = [
        (Unary::Negate, i64::wrapping_neg as fn(i64) -> i64),
        (Unary::Abs, i64::wrapping_abs),
        (Unary::Sign, i64::signum),
    ];
    let binary = [
        (Binary::Add, i64::wrapping_add as fn(i64, i64) -> i64),
        (Binary::Sub, i64::wrapping_sub),
        (Binary::Mul, i64::wrapping_mul),
        (Binary::Div, |a, b| if b == 0 { -1 } else { a.wrapping_div(b) }),
        (Binary::Rem, |a, b| if b == 0 { a } else { a.wrapping_rem(b) }),
        (Binary::Maximum, Ord::max),
        (Binary::Minimum, Ord::min),
    ];
    for set in InstructionSet::available() {
        for (function, plain) in unary {
            let results = run::<i64, i64>(kernel_of(Function::Unary(function), DType::I64, set), [&a, &a], a.len());
            assert_eq!(results, a.iter().map(|x| plain(*x)).collect::<Vec<_>>(), "{function:?}");
        }
        for (function, plain) in binary {
            let results = run::<i64, i64>(kernel_of(Function::Binary(function), DType::I64, set), [&a, &b], a.len());
            assert_eq!(results, a.iter().zip(&b).map(|(a, b)| plain(*a, *b)).collect::<Vec<_>>(), "{function:?}");
        }
    }
}

fn holds<T: PartialOrd>(function: Comparison, a: T, b: T) -> bool {
    match function {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Less => a < b,
        Comparison::LessEqual => a <= b,
        Comparison::Greater => a > b,
        Comparison::GreaterEqual => a >= b,
    }
}

fn check_comparisons<T: PartialOrd + Copy>(dtype: DType, x: &[T]) {
    let (a, b) = pairs(x);
    for function in Comparison::ALL.iter().copied() {
        let expected: Vec<u8> = a.iter().zip(&b).map(|(a, b)| u8::from(holds(function, *a, *b))).collect();
        for set in InstructionSet::available() {
            let results = run::<T, u8>(kernel_of(Function::Comparison(function), dtype, set), [&a, &b], a.len());
            assert_eq!(results, expected, "{function:?} of {dtype} with {set:?}");
        }
    }
}

#[test]
fn comparisons() {
    check_comparisons(DType::F32, &narrow(&floats()));
    check_comparisons(DType::F64, &floats());
    check_comparisons(DType::I64, &INTEGERS);
}

#[test]
fn truth_values() {
    let (a, b) = pairs(&[0u8, 1]);
    let table = [(Connective::And, [0, 0, 0, 1]), (Connective::Or, [0, 1, 1, 1]), (Connective::Xor, [0, 1, 1, 0])];
    for set in InstructionSet::available() {
        for (function, expected) in table {
            let kernel = kernel_of(Function::Connective(function), DType::Bool, set);
            assert_eq!(run::<u8, u8>(kernel, [&a, &b], 4), expected, "{function:?}");
        }
        let not = kernel_of(Function::Predicate(Predicate::Not), DType::Bool, set);
        assert_eq!(run::<u8, u8>(not, [&a, &a], 4), [1, 1, 0, 0]);
    }
}

#[test]
fn questions() {
    let wide = floats();
    let thin = narrow(&wide);
    for set in InstructionSet::available() {
        let pick = |predicate, dtype| kernel_of(Function::Predicate(predicate), dtype, set);
        let finite = run::<f64, u8>(pick(Predicate::IsFinite, DType::F64), [&wide, &wide], wide.len());
        assert_eq!(finite, wide.iter().map(|x| u8::from(x.is_finite())).collect::<Vec<_>>());
        let nan = run::<f64, u8>(pick(Predicate::IsNan, DType::F64), [&wide, &wide], wide.len());
        assert_eq!(nan, wide.iter().map(|x| u8::from(x.is_nan())).collect::<Vec<_>>());
        let finite = run::<f32, u8>(pick(Predicate::IsFinite, DType::F32), [&thin, &thin], thin.len());
        assert_eq!(finite, thin.iter().map(|x| u8::from(x.is_finite())).collect::<Vec<_>>());
        let nan = run::<f32, u8>(pick(Predicate::IsNan, DType::F32), [&thin, &thin], thin.len());
        assert_eq!(nan, thin.iter().map(|x| u8::from(x.is_nan())).collect::<Vec<_>>());
    }
}

fn check_cast<From: Copy, To: Copy + Default + std::fmt::Debug>(
    (source, target): (DType, DType),
    x: &[From],
    plain: fn(From) -> To,
) {
    for set in InstructionSet::available() {
        let results = run::<From, To>(kernel_of(Function::Cast(target), source, set), [x, x], x.len());
        for (x, result) in x.iter().zip(results) {
            let expected = plain(*x);
            // Formatted, because only so are all NaN the same and zeros of two signs not.
            assert_eq!(format!("{result:?}"), format!("{expected:?}"), "{source} to {target} with {set:?}");
        }
    }
}

#[test]
fn casts_truncate_and_saturate() {
    let wide = floats();
    let thin = narrow(&wide);
    let truths = [0u8, 1];
    check_cast((DType::F32, DType::F32), &thin, |x| x);
    check_cast((DType::F32, DType::F64), &thin, f64::from);
    check_cast((DType::F32, DType::I64), &thin, |x| x as i64);
    check_cast((DType::F32, DType::Bool), &thin, |x| u8::from(x != 0.0));
    check_cast((DType::F64, DType::F32), &wide, |x| x as f32);
    check_cast((DType::F64, DType::F64), &wide, |x| x);
    check_cast((DType::F64, DType::I64), &wide, |x| x as i64);
    check_cast((DType::F64, DType::Bool), &wide, |x| u8::from(x != 0.0));
    check_cast((DType::I64, DType::F32), &INTEGERS, |x| x as f64 as f32);
    check_cast((DType::I64, DType::F64), &INTEGERS, |x| x as f64);
    check_cast((DType::I64, DType::I64), &INTEGERS, |x| x);
    check_cast((DType::I64, DType::Bool), &INTEGERS, |x| u8::from(x != 0));
    check_cast((DType::Bool, DType::F32), &truths, f32::from);
    check_cast((DType::Bool, DType::F64), &truths, f64::from);
    check_cast((DType::Bool, DType::I64), &truths, i64::from);
    check_cast((DType::Bool, DType::Bool), &truths, |x| x);
}

/// What `powi` gives, the exponent read from operand 1 where it has no kernel of its own.
#[test]
fn integer_powers() {
    let mut random = Random(3);
    let mut x = floats();
    x.extend((0..70).map(|_| random.between(-3.0, 3.0)));
    for exponent in [-1000, -7, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 31, 1000, i64::from(i32::MIN)] {
        for set in InstructionSet::available() {
            let kernel = kernel_of(Function::IntegerPower(exponent), DType::F64, set);
            let mut out = vec![0.0; x.len()];
            let operands = [x.as_ptr().cast(), (&raw const exponent).cast(), x.as_ptr().cast()];
            // SAFETY: operand 0 and the result have as many elements as said, operand 1 is one i64.
            unsafe { kernel(out.as_mut_ptr().cast(), &operands, x.len()) };
            for (x, result) in x.iter().zip(out) {
                let expected = x.powi(exponent as i32);
                assert!(is_same(result, expected), "{x:e} to the power {exponent} is {result:e}, not {expected:e}");
            }
        }
    }
}

/// Beyond the range of `powi` the real power is used, as in the reference.
#[test]
fn integer_powers_beyond_32_bits() {
    for (x, exponent, expected) in [(1.0, 1i64 << 40, 1.0), (-1.0, 1 << 40, 1.0), (2.0, i64::MAX, f64::INFINITY)] {
        for set in InstructionSet::available() {
            let kernel = kernel_of(Function::IntegerPower(exponent), DType::F64, set);
            let mut out = 0.0f64;
            let operands = [(&raw const x).cast(), (&raw const exponent).cast(), (&raw const x).cast()];
            // SAFETY: operand 0 and the result are one f64, operand 1 is one i64.
            unsafe { kernel((&raw mut out).cast(), &operands, 1) };
            assert!(is_same(out, expected), "{x} to the power {exponent} is {out}");
        }
    }
}

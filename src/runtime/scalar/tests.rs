//! Single numbers against the kernels for vectors, bit for bit.
#![allow(unsafe_code, reason = "calls kernels on numbers of its own")]

use super::*;
use crate::{
    plan::PAIRS,
    runtime::vector::{Splats, kernel, pair_kernel},
};

/// Numbers of all kinds, the exceptions of functions among them.
const NUMBERS: [f64; 24] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    0.3,
    -0.7,
    2.0,
    3.0,
    -2.5,
    1e-9,
    1e-40,
    -3e-310,
    20.0,
    -40.0,
    88.0,
    700.0,
    1e9,
    -3e17,
    1e300,
    1.0000001,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// The result of a function of two numbers, and the second result of a pair.
fn number<T: Float + Real>(set: InstructionSet, code: Opcode, [a, b]: [T; 2]) -> [T; 2] {
    let operations = vec![Operation { code, out: 2, operands: [0, 1, 1] }];
    let registers = vec![a, b, T::ZERO, T::ZERO];
    let mut program = ScalarProgram { run: run_by(set), registers, loads: vec![], operations, stores: vec![] };
    // SAFETY: the program reads no memory, and the machine has the set.
    unsafe { (program.run)(&mut program, &[]) };
    [program.registers[2], program.registers[3]]
}

fn check<T: Float + Real>(dtype: DType, function: Function, code: Opcode) {
    for set in InstructionSet::available() {
        let kernel = kernel(function, dtype, Splats::NONE, set).expect("floats have every function");
        for [a, b] in NUMBERS.iter().flat_map(|a| NUMBERS.map(|b| [*a, b].map(T::from_f64))) {
            let mut expected = T::ZERO;
            let operands = [(&raw const a).cast::<u8>(), (&raw const b).cast(), (&raw const b).cast()];
            // SAFETY: each operand and the result are one number.
            unsafe { kernel((&raw mut expected).cast(), &operands, 1) };
            let [found, _] = number(set, code, [a, b]);
            let bits = |x: T| (!x.is_nan()).then(|| x.to_f64().to_bits());
            assert_eq!(bits(found), bits(expected), "{function:?}({a:?}, {b:?}) of {dtype} by {set}");
        }
    }
}

#[test]
fn pairs_of_single_numbers_have_the_bits_of_vectors() {
    for (set, pair) in InstructionSet::available().into_iter().flat_map(|set| PAIRS.map(|pair| (set, pair))) {
        let kernel = pair_kernel(pair, DType::F64, set).expect("floats have pairs");
        for x in NUMBERS {
            let mut expected = [0.0; 2];
            let [first, second] = &mut expected;
            // SAFETY: the operand and each result are one number.
            unsafe { kernel(&[(&raw mut *first).cast(), (&raw mut *second).cast()], (&raw const x).cast(), 1) };
            let found = number(set, Opcode::Both(pair.both), [x, 7.0]);
            let bits = |x: f64| (!x.is_nan()).then(|| x.to_bits());
            assert_eq!(found.map(bits), expected.map(bits), "{:?} of {x:?} by {set}", pair.both);
        }
    }
}

#[test]
fn single_numbers_have_the_bits_of_vectors() {
    let unary = Unary::ALL.iter().map(|function| (Function::Unary(*function), Opcode::from(*function)));
    let binary = Binary::ALL.iter().map(|function| (Function::Binary(*function), Opcode::from(*function)));
    let powers = [-7, -2, -1, 0, 1, 3, 4].map(|n| (Function::IntegerPower(n.into()), Opcode::IntegerPower(n)));
    let others = [
        (Function::IntegerPower(2), Opcode::Square),
        (Function::MultiplyAdd, Opcode::MultiplyAdd),
        (Function::SigmoidOfNegated, Opcode::SigmoidOfNegated),
    ];
    for (function, code) in unary.chain(binary).chain(others) {
        check::<f64>(DType::F64, function, code);
        check::<f32>(DType::F32, function, code);
    }
    for (function, code) in powers {
        let Opcode::IntegerPower(exponent) = code else { unreachable!("powers alone") };
        for set in InstructionSet::available() {
            let kernel = kernel(function, DType::F64, Splats::NONE, set).expect("floats have powers");
            for x in NUMBERS {
                let (mut expected, exponent) = (0.0, i64::from(exponent));
                let operands = [(&raw const x).cast::<u8>(), (&raw const exponent).cast(), (&raw const x).cast()];
                // SAFETY: each operand and the result are one number.
                unsafe { kernel((&raw mut expected).cast(), &operands, 1) };
                let [found, _] = number(set, code, [x, x]);
                assert!(
                    found.to_bits() == f64::to_bits(expected) || found.is_nan() && expected.is_nan(),
                    "{x}^{exponent}"
                );
            }
        }
    }
}

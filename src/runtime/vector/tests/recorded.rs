//! The f64 kernels of the functions that are told by no formula in `exactness.rs`, against values recorded by
//! `tests/recorded/slopes.py` in 2600-bit arithmetic, where they are well conditioned.

use super::{InstructionSet, double_double::Double, exactness::error_in_f64, run};
use crate::{
    graph::{Binary, DType, Unary},
    plan::Function,
    runtime::vector::{Splats, kernel},
};

/// The values of a function that were recorded.
struct Section {
    name: &'static str,
    operands: [Vec<f64>; 2],
    truths: Vec<Double>,
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in include_str!("../../../../tests/recorded/values.txt").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [":", name] = words[..] {
            sections.push(Section { name, operands: [Vec::new(), Vec::new()], truths: Vec::new() });
            continue;
        }
        let section = sections.last_mut().expect("a heading comes first");
        let number = |word: &str| f64::from_bits(u64::from_str_radix(word, 16).expect("hexadecimal"));
        let (points, [value, above]) = words.split_at(words.len() - 2) else { panic!("two words of a value") };
        for (operand, numbers) in section.operands.iter_mut().enumerate() {
            numbers.push(number(points[operand.min(points.len() - 1)]));
        }
        let value = number(value);
        let place = f64::from_bits(value.abs().to_bits() + 1) - value.abs();
        let above: f64 = above.parse().expect("a number");
        section.truths.push(Double { high: value, low: if value.is_finite() { above * place } else { 0.0 } });
    }
    sections
}

/// Whether the values of a function were recorded.
pub(super) fn is_recorded(name: &str) -> bool {
    sections().iter().any(|section| section.name == name && section.truths.len() >= 100)
}

#[test]
fn f64_functions_are_exact_where_they_were_recorded() {
    for Section { name, operands, truths } in sections() {
        let (function, bound) = match (Unary::from_name(name), Binary::from_name(name)) {
            (Some(function), _) => (Function::Unary(function), function.max_error()),
            (_, Some(function)) => (Function::Binary(function), function.max_error()),
            _ => panic!("no function is called {name}"),
        };
        for set in InstructionSet::available() {
            let kernel = kernel(function, DType::F64, Splats::NONE, set).expect("floats have kernels");
            let results = run::<f64, f64>(kernel, [&operands[0], &operands[1]], truths.len());
            for (index, (result, truth)) in results.iter().zip(&truths).enumerate() {
                // What is recorded of a truth has three decimals.
                let error = error_in_f64(*result, (*truth, 0));
                let arguments = [operands[0][index], operands[1][index]];
                assert!(error <= bound + 1e-3, "{name} with {set:?} of {arguments:?} is {result:e}, off by {error}");
            }
        }
    }
}

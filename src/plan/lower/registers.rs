//! Which value is in which register. In: instructions on as many registers as values. Out: the same on few.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::plan::ir::{Instruction, Place};

/// Gives every value a register from its first to its last use; no instruction writes a register that it reads.
pub(super) fn assign(instructions: &mut [Instruction], n_invariant: usize) -> usize {
    let mut last_use: HashMap<usize, usize> = HashMap::new();
    for (position, instruction) in instructions.iter().enumerate() {
        for place in instruction.operands.iter().copied().chain(instruction.outputs().map(|(place, _)| place)) {
            if let Place::Register(register) = place {
                last_use.insert(register, position);
            }
        }
    }
    for instruction in &instructions[..n_invariant] {
        if let Place::Register(register) = instruction.output {
            last_use.insert(register, usize::MAX);
        }
    }
    let mut free: Vec<usize> = Vec::new();
    let mut assigned: HashMap<usize, usize> = HashMap::new();
    let mut n_registers = 0;
    for (position, instruction) in instructions.iter_mut().enumerate() {
        let mut ends: SmallVec<[usize; 4]> = SmallVec::new();
        for place in &mut instruction.operands {
            if let Place::Register(register) = place {
                let of = *register;
                *register = assigned[&of];
                if last_use[&of] == position && !ends.contains(register) {
                    ends.push(*register);
                }
            }
        }
        for place in instruction.outputs_mut() {
            let Place::Register(register) = place else { continue };
            let of = *register;
            *register = free.pop().unwrap_or_else(|| {
                n_registers += 1;
                n_registers - 1
            });
            assigned.insert(of, *register);
            if last_use[&of] == position {
                ends.push(*register);
            }
        }
        free.extend(ends);
    }
    n_registers
}

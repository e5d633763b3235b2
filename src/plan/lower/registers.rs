//! Register allocation: a linear scan. In: instructions with a virtual register for each value. Out: the same
//! instructions with few registers, which are reused after the last use of a value.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::plan::ir::{Instruction, Location};

/// Assigns a register to every value from its first to its last use and gives the number of registers. A register is
/// freed after the instruction of its last use, so no instruction writes a register that it reads.
pub(super) fn assign(instructions: &mut [Instruction], n_invariant: usize) -> usize {
    let mut last_use: HashMap<usize, usize> = HashMap::new();
    for (position, instruction) in instructions.iter().enumerate() {
        for location in instruction.operands.iter().copied().chain(instruction.outputs().map(|(location, _)| location))
        {
            if let Location::Register(register) = location {
                last_use.insert(register, position);
            }
        }
    }
    for instruction in &instructions[..n_invariant] {
        if let Location::Register(register) = instruction.output {
            last_use.insert(register, usize::MAX);
        }
    }
    let mut free: Vec<usize> = Vec::new();
    let mut assigned: HashMap<usize, usize> = HashMap::new();
    let mut n_registers = 0;
    for (position, instruction) in instructions.iter_mut().enumerate() {
        let mut ends: SmallVec<[usize; 4]> = SmallVec::new();
        for location in &mut instruction.operands {
            if let Location::Register(register) = location {
                let virtual_register = *register;
                *register = assigned[&virtual_register];
                if last_use[&virtual_register] == position && !ends.contains(register) {
                    ends.push(*register);
                }
            }
        }
        for location in instruction.outputs_mut() {
            let Location::Register(register) = location else { continue };
            let virtual_register = *register;
            *register = free.pop().unwrap_or_else(|| {
                n_registers += 1;
                n_registers - 1
            });
            assigned.insert(virtual_register, *register);
            if last_use[&virtual_register] == position {
                ends.push(*register);
            }
        }
        free.extend(ends);
    }
    n_registers
}

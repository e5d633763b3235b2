//! The interpreter of tile programs of one element. In: a program whose domain is a single element of one float type. Out:
//! its results. Kernels for vectors cost several nanoseconds a call; here an operation is one arm of a match on registers
//! that hold numbers, so that a scalar function of thirty operations and its gradient take a fraction of a microsecond.

#![allow(unsafe_code, reason = "elements are read and written by address")]

use crate::{
    graph::{Binary, Comparison, Connective, DType, Predicate, Unary},
    ops::Real,
    plan::{Action, Function, Instruction, Place, TileProgram},
};

/// A program of one element, ready to run.
#[derive(Debug)]
pub(super) enum ScalarStep {
    F32(Program<f32>),
    F64(Program<f64>),
}

/// Registers with their constants filled in, and what happens to them.
#[derive(Debug)]
pub(super) struct Program<T> {
    registers: Vec<T>,
    loads: Vec<Move>,
    operations: Vec<Operation>,
    stores: Vec<Move>,
}

/// One element of memory and the register that it goes to or comes from; truth values are 0 and 1 in registers.
#[derive(Debug, Clone, Copy)]
struct Move {
    register: usize,
    memory: usize,
    is_bool: bool,
}

#[derive(Debug, Clone, Copy)]
struct Operation {
    function: Function,
    out: u32,
    operands: [u32; 3],
}

impl ScalarStep {
    /// The step, if the program is of one element and computes with one float type and truth values alone.
    pub(super) fn new(program: &TileProgram) -> Option<ScalarStep> {
        if program.rows * program.columns != 1 {
            return None;
        }
        let is = |wanted: DType| {
            let fits = |dtype: DType| dtype == wanted || dtype == DType::Bool;
            program.memory.iter().all(|memory| fits(memory.dtype))
                && program.instructions.iter().all(|instruction| fits(instruction.dtype) && is_known(instruction))
        };
        if is(DType::F64) {
            return Some(ScalarStep::F64(Program::new(program)));
        }
        is(DType::F32).then(|| ScalarStep::F32(Program::new(program)))
    }

    /// Computes the element.
    ///
    /// # Safety
    /// `memory` points to the arrays that the program was made for, and nothing else uses those that it writes.
    pub(super) unsafe fn run(&mut self, memory: &[*mut u8]) {
        // SAFETY: by this function's contract.
        unsafe {
            match self {
                ScalarStep::F32(program) => program.run(memory),
                ScalarStep::F64(program) => program.run(memory),
            }
        }
    }
}

/// Whether a register machine of one type can do this: everything but casts between types and movements of data.
fn is_known(instruction: &Instruction) -> bool {
    match &instruction.action {
        Action::Apply(function) => !matches!(function, Function::Cast(_)),
        Action::Load(access) => access.axes.is_empty() && access.offset == 0 || instruction.operands[0].is_splat(),
        Action::Expand | Action::ReduceRows(_) | Action::Accumulate(..) => true,
        Action::LoadPadded(..) => false,
    }
}

impl<T: Real> Program<T> {
    fn new(program: &TileProgram) -> Program<T> {
        let n_registers = program.n_registers;
        let memory_register = |memory: usize| n_registers + memory;
        let number_register = |number: usize| n_registers + program.memory.len() + number;
        let register = |place: Place| match place {
            Place::Register(register) => register,
            Place::Memory(memory) | Place::Element(memory) => memory_register(memory),
            Place::Number(number) => number_register(number),
        };
        let mut registers = vec![T::ZERO; number_register(program.numbers.len())];
        for (position, number) in program.numbers.iter().enumerate() {
            registers[number_register(position)] = match number.dtype {
                DType::F32 => T::from_f64(f64::from(f32::from_bits(u64::from_ne_bytes(number.bits) as u32))),
                DType::F64 => T::from_f64(f64::from_ne_bytes(number.bits)),
                DType::I64 => T::from_i64(i64::from_ne_bytes(number.bits)),
                DType::Bool => T::from_i64(i64::from(number.bits[0])),
            };
        }
        let is_written =
            |memory: usize| program.instructions.iter().any(|instruction| instruction.output == Place::Memory(memory));
        let moves = |written: bool| -> Vec<Move> {
            (0..program.memory.len())
                .filter(|memory| is_written(*memory) == written)
                .map(|memory| Move {
                    register: memory_register(memory),
                    memory,
                    is_bool: program.memory[memory].dtype == DType::Bool,
                })
                .collect()
        };
        let operation = |instruction: &Instruction| {
            let mut operands = [0; 3];
            for (operand, place) in operands.iter_mut().zip(&instruction.operands) {
                *operand = register(*place) as u32;
            }
            let function = match &instruction.action {
                Action::Apply(function) => *function,
                // What is left of one element is that element.
                _ => Function::Cast(DType::F64),
            };
            Operation { function, out: register(instruction.output) as u32, operands }
        };
        let operations = program.instructions.iter().map(operation).collect();
        Program { registers, loads: moves(false), operations, stores: moves(true) }
    }

    /// # Safety
    /// As for [`ScalarStep::run`].
    unsafe fn run(&mut self, memory: &[*mut u8]) {
        for load in &self.loads {
            // SAFETY: the memory holds an element of this type, by this function's contract.
            self.registers[load.register] = unsafe {
                if load.is_bool {
                    T::from_i64(i64::from(memory[load.memory].read()))
                } else {
                    memory[load.memory].cast::<T>().read()
                }
            };
        }
        for operation in &self.operations {
            let [a, b, c] = operation.operands.map(|operand| self.registers[operand as usize]);
            self.registers[operation.out as usize] = apply(operation.function, a, b, c);
        }
        for store in &self.stores {
            let element = self.registers[store.register];
            // SAFETY: the memory holds an element of this type that nothing else uses, by this function's contract.
            unsafe {
                if store.is_bool {
                    memory[store.memory].write(u8::from(element != T::ZERO));
                } else {
                    memory[store.memory].cast::<T>().write(element);
                }
            }
        }
    }
}

fn truth<T: Real>(is_true: bool) -> T {
    if is_true { T::ONE } else { T::ZERO }
}

#[inline(always)]
fn apply<T: Real>(function: Function, a: T, b: T, c: T) -> T {
    match function {
        Function::Unary(function) => unary(function, a),
        Function::Binary(function) => binary(function, a, b),
        Function::Comparison(comparison) => truth(match comparison {
            Comparison::Equal => a == b,
            Comparison::NotEqual => a != b,
            Comparison::Less => a < b,
            Comparison::LessEqual => a <= b,
            Comparison::Greater => a > b,
            Comparison::GreaterEqual => a >= b,
        }),
        Function::Connective(connective) => {
            let (a, b) = (a != T::ZERO, b != T::ZERO);
            truth(match connective {
                Connective::And => a && b,
                Connective::Or => a || b,
                Connective::Xor => a != b,
            })
        }
        Function::Predicate(predicate) => truth(match predicate {
            Predicate::Not => a == T::ZERO,
            Predicate::IsFinite => a.is_finite(),
            Predicate::IsNan => a.is_nan(),
        }),
        Function::IntegerPower(2) => a.mul(a),
        Function::IntegerPower(exponent) => a.integer_power(exponent),
        Function::Select => {
            if a != T::ZERO {
                b
            } else {
                c
            }
        }
        Function::Cast(_) => a,
    }
}

#[inline(always)]
fn unary<T: Real>(function: Unary, x: T) -> T {
    match function {
        Unary::Negate => x.neg(),
        Unary::Abs => x.abs(),
        Unary::Sign => x.sign(),
        Unary::Exp => x.exp(),
        Unary::ExpM1 => x.exp_m1(),
        Unary::Log => x.ln(),
        Unary::Log1p => x.ln_1p(),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => x.rsqrt(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => x.sigmoid(),
        Unary::Softplus => x.softplus(),
        Unary::Erf => x.erf(),
        Unary::Relu => x.relu(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round(),
    }
}

#[inline(always)]
fn binary<T: Real>(function: Binary, a: T, b: T) -> T {
    match function {
        Binary::Add => a.add(b),
        Binary::Sub => a.sub(b),
        Binary::Mul => a.mul(b),
        Binary::Div => a.div(b),
        Binary::Maximum => a.maximum(b),
        Binary::Minimum => a.minimum(b),
        Binary::Pow => a.pow(b),
        Binary::Atan2 => a.atan2(b),
    }
}

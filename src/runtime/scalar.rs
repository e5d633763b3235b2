//! The interpreter of tile programs with a small iteration space (at most 8 elements). In: a program of one float type.
//! Out: its results, with the bits of the kernels for vectors. A call of such a kernel takes several nanoseconds; here the program
//! is unrolled to operations on single numbers, each one arm of a match, so that a scalar function of thirty operations and its
//! gradient take a fraction of a microsecond.

#![allow(unsafe_code, reason = "elements are read and written by address")]

use std::collections::HashMap;

use smallvec::SmallVec;

#[cfg(target_arch = "x86_64")]
use super::vector::Fused;
use super::{
    instruction_set::{InstructionSet, SetKind},
    vector::{Arithmetic, Baseline, Float, SigmoidOfNegated, Zip, value_of_one, value_of_two, values_of_both},
};
use crate::{
    functions::elementwise_functions,
    graph::{Binary, Comparison, Connective, DType, Predicate, Unary},
    ops::{Number, Real, binary_functions, power_by_squaring, unary_functions},
    plan::{
        Action, Function, Instruction, Location, PairKind, ReadPattern, ScalarValue, StridedLayout, TileProgram,
        WritePattern, ZeroPadding, offsets,
    },
};

/// Elements of a program that is unrolled at most.
const MAX_ELEMENTS: usize = 8;

/// Operations of an unrolled program at most.
const MAX_OPERATIONS: usize = 512;

/// A program of a few elements, ready to run.
#[derive(Debug)]
pub(super) enum ScalarStep {
    F32(ScalarProgram<f32>),
    F64(ScalarProgram<f64>),
}

/// Registers with their constants filled in, and what happens to them.
#[derive(Debug)]
pub(super) struct ScalarProgram<T> {
    run: ScalarRun<T>,
    pub(super) registers: Vec<T>,
    pub(super) loads: Vec<Move>,
    pub(super) operations: Vec<Operation>,
    pub(super) stores: Vec<Move>,
}

/// Runs a program with the instructions of one set.
///
/// # Safety
/// As for [`ScalarStep::run`], and the machine has the set.
type ScalarRun<T> = unsafe fn(&mut ScalarProgram<T>, &[*mut u8]);

/// One element of memory and the register that it goes to or comes from; truth values are 0 and 1 in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Move {
    pub(super) register: u32,
    pub(super) memory: u32,
    /// Bytes from the start of the memory.
    pub(super) offset: isize,
    pub(super) is_bool: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) code: Opcode,
    /// The register of the result; the one behind it is that of the second function of a pair.
    pub(super) out: u16,
    pub(super) operands: [u16; 3],
}

/// The functions of numbers in one list, those with rows in `functions.rs` one by one, so that one jump finds each.
macro_rules! scalar_codes {
    (
        unary { $(
            $(#[$unary_doc:meta])* $unary:ident = $unary_name:literal, $unary_method:ident($($x:tt)*) -> $unary_y:ident {
                $($unary_facts:tt)*
            }
        )* }
        binary { $(
            $(#[$binary_doc:meta])* $binary:ident = $binary_name:literal, $binary_method:ident($($a:tt)*) -> $binary_y:ident {
                $($binary_facts:tt)*
            }
        )* }
    ) => {
        #[derive(Debug, Clone, Copy)]
        pub(super) enum Opcode {
            Move,
            Square,
            Select,
            MultiplyAdd,
            SigmoidOfNegated,
            Both(PairKind),
            Comparison(Comparison),
            Connective(Connective),
            Predicate(Predicate),
            IntegerPower(i32),
            $($unary,)*
            $($binary,)*
        }

        impl Opcode {
            /// How many operands it reads.
            #[cfg(feature = "jit")]
            pub(super) fn n_operands(self) -> usize {
                match self {
                    Opcode::Move | Opcode::Square | Opcode::Both(_) | Opcode::Predicate(_) => 1,
                    Opcode::IntegerPower(_) => 1,
                    Opcode::SigmoidOfNegated | Opcode::Comparison(_) | Opcode::Connective(_) => 2,
                    Opcode::Select | Opcode::MultiplyAdd => 3,
                    $(Opcode::$unary => 1,)*
                    $(Opcode::$binary => 2,)*
                }
            }
        }

        impl From<Unary> for Opcode {
            fn from(function: Unary) -> Opcode {
                match function { $(Unary::$unary => Opcode::$unary,)* }
            }
        }

        impl From<Binary> for Opcode {
            fn from(function: Binary) -> Opcode {
                match function { $(Binary::$binary => Opcode::$binary,)* }
            }
        }

        #[inline(always)]
        fn apply<T: Float + Real, A: Arithmetic>(code: Opcode, [a, b, c]: [T; 3], second: &mut T) -> T {
            match code {
                Opcode::Both(pair) => {
                    let [first, other] = values_of_both::<T, A>(pair, a);
                    *second = other;
                    first
                }
                Opcode::Move => a,
                Opcode::Square => a * a,
                Opcode::Select if a != T::ZERO => b,
                Opcode::Select => c,
                Opcode::MultiplyAdd => a * b + c,
                Opcode::SigmoidOfNegated => SigmoidOfNegated::apply::<A>(a, b),
                Opcode::Comparison(comparison) => truth(comparison.holds(a, b)),
                Opcode::Connective(connective) => truth(connective.holds(a != T::ZERO, b != T::ZERO)),
                Opcode::Predicate(Predicate::Not) => truth(a == T::ZERO),
                Opcode::Predicate(predicate) => truth(predicate.holds(a)),
                Opcode::IntegerPower(exponent) => power_by_squaring(a, i64::from(exponent)),
                $(Opcode::$unary => value_of_one::<unary_functions::$unary, T, A>(a),)*
                $(Opcode::$binary => value_of_two::<binary_functions::$binary, T, A>(a, b),)*
            }
        }
    };
}
elementwise_functions!(scalar_codes);

impl ScalarStep {
    /// The step, if the program is of few elements and computes with one float type and truth values alone.
    pub(super) fn new(program: &TileProgram, set: InstructionSet) -> Option<ScalarStep> {
        let n_elements = program.rows * program.columns;
        let is_small = (1..=MAX_ELEMENTS).contains(&n_elements)
            && program.product.is_none()
            && program.instructions.iter().flat_map(Instruction::outputs).count() * n_elements <= MAX_OPERATIONS
            && (n_elements == 1 || program.instructions.iter().all(is_elementwise));
        if !is_small {
            return None;
        }
        let is = |wanted: DType| {
            let fits = |dtype: DType| dtype == wanted || dtype == DType::Bool;
            program.memory.iter().all(|memory| fits(memory.dtype))
                && program.instructions.iter().all(|instruction| fits(instruction.dtype) && is_known(instruction))
        };
        if is(DType::F64) {
            return Some(ScalarStep::F64(Unroller::new(program).unroll(n_elements, set)));
        }
        is(DType::F32).then(|| ScalarStep::F32(Unroller::new(program).unroll(n_elements, set)))
    }

    /// How many operations on numbers it is.
    #[cfg(feature = "jit")]
    pub(super) fn n_operations(&self) -> usize {
        match self {
            ScalarStep::F32(program) => program.operations.len(),
            ScalarStep::F64(program) => program.operations.len(),
        }
    }

    /// Computes the elements.
    ///
    /// # Safety
    /// `memory` points to the arrays that the program was made for, nothing else uses those that it writes, and the machine has the
    /// instruction set that it was made for.
    pub(super) unsafe fn run(&mut self, memory: &[*mut u8]) {
        // SAFETY: by this function's contract.
        unsafe {
            match self {
                ScalarStep::F32(program) => (program.run)(program, memory),
                ScalarStep::F64(program) => (program.run)(program, memory),
            }
        }
    }
}

/// Whether element i of the output depends on element i of registers alone.
fn is_elementwise(instruction: &Instruction) -> bool {
    let facts = instruction.action.facts();
    let is_plain = |read: &ReadPattern| matches!(read, ReadPattern::Elements | ReadPattern::Whole);
    facts.writes == WritePattern::Elements && facts.reads.iter().all(is_plain)
}

/// Whether a register machine of one type can do this.
fn is_known(instruction: &Instruction) -> bool {
    match &instruction.action {
        Action::Apply(Function::IntegerPower(exponent)) => i32::try_from(*exponent).is_ok(),
        Action::Apply(Function::Cast(_)) | Action::DotRows(_) | Action::AccumulateDot(_) => false,
        Action::Apply(_) | Action::ApplyBoth(_) | Action::Load(_) | Action::LoadPadded(..) => true,
        Action::Store | Action::Expand | Action::ReduceRows(_) => true,
        // What is left of one element is that element.
        Action::Accumulate(..) => true,
    }
}

/// Writes out a program element by element.
struct Unroller<'p> {
    program: &'p TileProgram,
    /// The register of each location, by element.
    register_of: HashMap<(Location, usize), u16>,
    loads: HashMap<(usize, isize), u16>,
    order: Vec<Move>,
    stores: Vec<Move>,
    constants: Vec<(u16, ScalarValue)>,
    n_registers: usize,
}

impl<'p> Unroller<'p> {
    fn new(program: &'p TileProgram) -> Unroller<'p> {
        Unroller {
            program,
            register_of: HashMap::new(),
            loads: HashMap::new(),
            order: Vec::new(),
            stores: Vec::new(),
            constants: Vec::new(),
            n_registers: 0,
        }
    }

    fn unroll<T: Float + Real>(mut self, n_elements: usize, set: InstructionSet) -> ScalarProgram<T> {
        let mut operations = Vec::with_capacity(n_elements * self.program.instructions.len());
        for instruction in &self.program.instructions {
            for element in 0..n_elements {
                operations.push(self.operation(instruction, element));
            }
        }
        // One more, behind the last, which no function of one result writes.
        let mut registers = vec![T::ZERO; self.n_registers + 1];
        for (register, number) in self.constants {
            registers[usize::from(register)] = match number.dtype {
                DType::F32 => T::from_f64(f64::from(f32::from_bits(u64::from_ne_bytes(number.bits) as u32))),
                DType::F64 => T::from_f64(f64::from_ne_bytes(number.bits)),
                DType::I64 => T::from_i64(i64::from_ne_bytes(number.bits)),
                DType::Bool => T::from_i64(i64::from(number.bits[0])),
            };
        }
        ScalarProgram { run: run_by(set), registers, loads: self.order, operations, stores: self.stores }
    }

    /// What computes one element of the outputs of an instruction.
    fn operation(&mut self, instruction: &Instruction, element: usize) -> Operation {
        let (code, operands) = match &instruction.action {
            Action::Load(layout) if !instruction.operands[0].is_splat() => {
                (Opcode::Move, [self.gathered(instruction, layout, element), 0, 0])
            }
            Action::LoadPadded(layout, padding) => {
                (Opcode::Move, [self.padded(instruction, layout, padding, element), 0, 0])
            }
            action => {
                let mut operands = [0; 3];
                for (operand, location) in operands.iter_mut().zip(&instruction.operands) {
                    *operand = self.read(*location, element);
                }
                (code_of(action), operands)
            }
        };
        let registers: SmallVec<[u16; 2]> =
            instruction.outputs().map(|(output, _)| self.written(output, element)).collect();
        Operation { code, out: registers[0], operands }
    }

    /// A new register for an element of an output, stored where that lies in memory.
    fn written(&mut self, output: Location, element: usize) -> u16 {
        let register = self.register();
        if let Location::Memory(memory) = output {
            let dtype = self.program.memory[memory].dtype;
            let offset = (element * dtype.size()) as isize;
            let is_bool = dtype == DType::Bool;
            self.stores.push(Move { register: u32::from(register), memory: memory as u32, offset, is_bool });
        }
        self.register_of.insert((output, element), register);
        register
    }

    /// The register that holds an element of a location.
    fn read(&mut self, location: Location, element: usize) -> u16 {
        if let Some(register) = self.register_of.get(&(location, element)) {
            return *register;
        }
        match location {
            Location::Memory(memory) => self.loaded(memory, element as isize),
            Location::Element(memory) => self.loaded(memory, 0),
            Location::Number(number) => self.constant(self.program.numbers[number]),
            Location::Register(_) => unreachable!("invariant: registers are written before they are read"),
        }
    }

    fn gathered(&mut self, instruction: &Instruction, layout: &StridedLayout, element: usize) -> u16 {
        let Location::Memory(memory) = instruction.operands[0] else { unreachable!("invariant: loads read memory") };
        let offset = offsets(layout).nth(element).unwrap_or(layout.offset);
        self.loaded(memory, offset)
    }

    fn padded(
        &mut self,
        instruction: &Instruction,
        layout: &StridedLayout,
        padding: &ZeroPadding,
        element: usize,
    ) -> u16 {
        let Location::Memory(memory) = instruction.operands[0] else { unreachable!("invariant: loads read memory") };
        match padding.offset(layout, element) {
            Some(offset) => self.loaded(memory, offset),
            None => self.constant(ScalarValue::new(instruction.dtype, 0.0)),
        }
    }

    /// The register that an element of memory is loaded to, once.
    fn loaded(&mut self, memory: usize, element: isize) -> u16 {
        if let Some(register) = self.loads.get(&(memory, element)) {
            return *register;
        }
        let register = self.register();
        let dtype = self.program.memory[memory].dtype;
        let offset = element * dtype.size() as isize;
        let is_bool = dtype == DType::Bool;
        self.order.push(Move { register: u32::from(register), memory: memory as u32, offset, is_bool });
        self.loads.insert((memory, element), register);
        register
    }

    fn constant(&mut self, number: ScalarValue) -> u16 {
        let known = self.constants.iter().find(|(_, known)| *known == number).map(|(register, _)| *register);
        known.unwrap_or_else(|| {
            let register = self.register();
            self.constants.push((register, number));
            register
        })
    }

    /// Each value has a register of its own: there are few.
    fn register(&mut self) -> u16 {
        self.n_registers += 1;
        u16::try_from(self.n_registers - 1).expect("invariant: small programs have few registers")
    }
}

fn code_of(action: &Action) -> Opcode {
    let function = match action {
        Action::Apply(function) => *function,
        Action::ApplyBoth(pair) => return Opcode::Both(pair.both),
        Action::Load(_) | Action::LoadPadded(..) | Action::Store | Action::Expand => return Opcode::Move,
        // What is left of one element is that element.
        Action::ReduceRows(_) | Action::Accumulate(..) => return Opcode::Move,
        Action::DotRows(_) | Action::AccumulateDot(_) => unreachable!("invariant: refused by `is_known`"),
    };
    match function {
        Function::Unary(function) => function.into(),
        Function::Binary(function) => function.into(),
        Function::Comparison(comparison) => Opcode::Comparison(comparison),
        Function::Connective(connective) => Opcode::Connective(connective),
        Function::Predicate(predicate) => Opcode::Predicate(predicate),
        Function::MultiplyAdd => Opcode::MultiplyAdd,
        Function::SigmoidOfNegated => Opcode::SigmoidOfNegated,
        Function::Select => Opcode::Select,
        Function::IntegerPower(2) => Opcode::Square,
        // Programs with exponents that are no `i32` were refused by `is_known`.
        Function::IntegerPower(exponent) => Opcode::IntegerPower(exponent as i32),
        Function::Cast(_) => unreachable!("invariant: programs with casts have kernels for vectors"),
    }
}

fn run_by<T: Float + Real>(set: InstructionSet) -> ScalarRun<T> {
    match set.kind() {
        #[cfg(target_arch = "x86_64")]
        SetKind::Avx2 | SetKind::Avx512 => run_fused,
        _ => run_baseline,
    }
}

/// # Safety
/// As for [`ScalarStep::run`].
unsafe fn run_baseline<T: Float + Real>(program: &mut ScalarProgram<T>, memory: &[*mut u8]) {
    // SAFETY: the caller's promises.
    unsafe { program.run::<Baseline>(memory) }
}

/// # Safety
/// As for [`ScalarStep::run`], with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_fused<T: Float + Real>(program: &mut ScalarProgram<T>, memory: &[*mut u8]) {
    // SAFETY: the caller's promises.
    unsafe { program.run::<Fused>(memory) }
}

impl<T: Float + Real> ScalarProgram<T> {
    /// # Safety
    /// As for [`ScalarStep::run`], with the instructions of `A`.
    #[inline(always)]
    unsafe fn run<A: Arithmetic>(&mut self, memory: &[*mut u8]) {
        let registers = self.registers.as_mut_ptr();
        // SAFETY: the unroller numbers registers below their count, which is one less than there are; the memory holds elements of these types at these
        // offsets, by this function's contract.
        unsafe {
            for load in &self.loads {
                let address = memory.get_unchecked(load.memory as usize).offset(load.offset);
                *registers.add(load.register as usize) =
                    if load.is_bool { T::from_i64(i64::from(address.read())) } else { address.cast::<T>().read() };
            }
            for operation in &self.operations {
                let operands = operation.operands.map(|operand| *registers.add(usize::from(operand)));
                let out = registers.add(usize::from(operation.out));
                *out = apply::<T, A>(operation.code, operands, &mut *out.add(1));
            }
            for store in &self.stores {
                let element = *registers.add(store.register as usize);
                let address = memory.get_unchecked(store.memory as usize).offset(store.offset);
                if store.is_bool {
                    address.write(u8::from(element != T::ZERO));
                } else {
                    address.cast::<T>().write(element);
                }
            }
        }
    }
}

fn truth<T: Number>(is_true: bool) -> T {
    if is_true { T::ONE } else { T::ZERO }
}

#[cfg(test)]
mod tests;

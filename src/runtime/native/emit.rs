//! Programs on registers → instructions of Cranelift. In: some steps and the places of their arrays. Out: the body of a function.
//!
//! A value that was loaded or stored is known from then on, and is not loaded again. That is what the steps would see: an array from
//! outside is written by nobody while they run but by themselves, and by the plan no step reads what another one has written over.

use std::collections::HashMap;

use cranelift_codegen::{
    ir::{
        AbiParam, InstBuilder, MemFlagsData, SigRef, Signature, StackSlotData, StackSlotKind, Type, Value,
        condcodes::FloatCC, types,
    },
    isa::{TargetFrontendConfig, TargetIsa},
};
use cranelift_frontend::FunctionBuilder;
use cranelift_jit::JITModule;
use cranelift_module::Module;
use smallvec::SmallVec;

use super::{
    ArrayPlace, Base, ElementCopy, NativeWork, PlacedStep,
    callee::{Callee, callee},
};
use crate::{
    graph::{Comparison, Connective, DType, Predicate},
    ops::Real,
    runtime::{
        instruction_set::InstructionSet,
        matmul::MatmulDescriptor,
        scalar::{Move, Opcode, ScalarProgram, ScalarStep},
        vector::Float,
    },
};

/// The signature of all machine code: two addresses.
pub(super) fn signature(module: &JITModule) -> Signature {
    let mut signature = module.make_signature();
    let pointer = module.isa().pointer_type();
    signature.params.extend([AbiParam::new(pointer), AbiParam::new(pointer)]);
    signature
}

/// The offsets in the arena at which a step reads.
pub(super) fn arena_loads(placed: &PlacedStep) -> Vec<isize> {
    let of_program = |loads: &[Move]| loads.iter().map(|load| placed.at(load.memory as usize, load.offset).0).collect();
    let places: Vec<ArrayPlace> = match &placed.work {
        NativeWork::Scalar(ScalarStep::F32(program)) => of_program(&program.loads),
        NativeWork::Scalar(ScalarStep::F64(program)) => of_program(&program.loads),
        NativeWork::Product(product) => {
            let size = product.dtype.size() as isize;
            let factors = entries(product).into_iter().flat_map(|entry| entry.terms).flatten();
            factors.map(|(operand, offset)| placed.at(operand, offset * size).0).collect()
        }
        NativeWork::Copy(ElementCopy { dtype, sources }) => {
            let size = dtype.size() as isize;
            sources.iter().map(|(operand, offset)| placed.at(*operand, offset * size).0).collect()
        }
    };
    places.into_iter().filter(|place| place.base == Base::Arena).map(|place| place.offset).collect()
}

/// What a register of the interpreter holds.
#[derive(Debug, Clone, Copy)]
enum Held {
    Number(Value),
    /// 0 or 1 in a byte.
    Truth(Value),
}

/// A float type of programs, as Cranelift has it.
pub(super) trait MachineFloat: Float + Real {
    const TYPE: Type;
    const INFINITY: Self;

    fn constant(self, builder: &mut FunctionBuilder<'_>) -> Value;
}

impl MachineFloat for f32 {
    const TYPE: Type = types::F32;
    const INFINITY: f32 = f32::INFINITY;

    fn constant(self, builder: &mut FunctionBuilder<'_>) -> Value {
        builder.ins().f32const(self)
    }
}

impl MachineFloat for f64 {
    const TYPE: Type = types::F64;
    const INFINITY: f64 = f64::INFINITY;

    fn constant(self, builder: &mut FunctionBuilder<'_>) -> Value {
        builder.ins().f64const(self)
    }
}

/// Writes one function.
pub(super) struct Emitter<'f> {
    builder: FunctionBuilder<'f>,
    frontend: TargetFrontendConfig,
    pointer: Type,
    signature: Signature,
    set: InstructionSet,
    /// Whether a later function loads from this offset in the arena.
    is_loaded_later: &'f dyn Fn(isize) -> bool,
    /// The list of the base addresses of arrays from outside.
    outer: Value,
    arena: Value,
    /// The base addresses that were read from the list.
    bases: HashMap<usize, Value>,
    /// What is in memory, by place and type.
    known: HashMap<(ArrayPlace, Type), Held>,
    signatures: HashMap<(Type, usize, bool), SigRef>,
}

impl<'f> Emitter<'f> {
    pub(super) fn new(
        mut builder: FunctionBuilder<'f>,
        isa: &dyn TargetIsa,
        (set, is_loaded_later): (InstructionSet, &'f dyn Fn(isize) -> bool),
    ) -> Emitter<'f> {
        let block = builder.create_block();
        builder.append_block_params_for_function_params(block);
        builder.switch_to_block(block);
        builder.seal_block(block);
        let (outer, arena) = (builder.block_params(block)[0], builder.block_params(block)[1]);
        Emitter {
            builder,
            frontend: isa.frontend_config(),
            pointer: isa.pointer_type(),
            signature: Signature::new(isa.default_call_conv()),
            set,
            is_loaded_later,
            outer,
            arena,
            bases: HashMap::new(),
            known: HashMap::new(),
            signatures: HashMap::new(),
        }
    }

    /// Writes the steps, but for stores to the arena that nothing reads later: neither another function nor another step.
    pub(super) fn emit(mut self, steps: &[PlacedStep]) {
        for placed in steps {
            match &placed.work {
                NativeWork::Scalar(ScalarStep::F32(program)) => self.program(program, placed),
                NativeWork::Scalar(ScalarStep::F64(program)) => self.program(program, placed),
                NativeWork::Product(product) if product.dtype == DType::F32 => {
                    self.product::<f32>(product, placed);
                }
                NativeWork::Product(product) => self.product::<f64>(product, placed),
                NativeWork::Copy(copy) if copy.dtype == DType::F32 => self.copy::<f32>(copy, placed),
                NativeWork::Copy(copy) => self.copy::<f64>(copy, placed),
            }
        }
        self.builder.ins().return_(&[]);
        self.builder.finalize(self.frontend);
    }

    fn program<T: MachineFloat>(&mut self, program: &ScalarProgram<T>, placed: &PlacedStep) {
        let mut registers: Vec<Option<Held>> = vec![None; program.registers.len()];
        for load in &program.loads {
            registers[load.register as usize] =
                Some(self.load::<T>(placed.at(load.memory as usize, load.offset).0, load.is_bool));
        }
        for operation in &program.operations {
            let mut read: SmallVec<[Held; 3]> = SmallVec::new();
            for register in
                operation.operands.iter().take(operation.code.n_operands()).map(|number| usize::from(*number))
            {
                // What neither a load nor an operation wrote is a constant.
                let held = registers[register]
                    .unwrap_or_else(|| Held::Number(program.registers[register].constant(&mut self.builder)));
                registers[register] = Some(held);
                read.push(held);
            }
            let out = usize::from(operation.out);
            match self.inline::<T>(operation.code, &read) {
                Some(held) => registers[out] = Some(held),
                None => {
                    let (first, second) = self.call::<T>(operation.code, &read);
                    registers[out] = Some(first);
                    if second.is_some() {
                        registers[out + 1] = second;
                    }
                }
            }
        }
        for store in &program.stores {
            let held = registers[store.register as usize].expect("invariant: what is stored was computed");
            let ty = if store.is_bool { types::I8 } else { T::TYPE };
            self.write::<T>(placed.at(store.memory as usize, store.offset), (held, ty));
        }
    }

    /// The product as the plain loop computes it, whose sums begin with 0.
    fn product<T: MachineFloat>(&mut self, product: &MatmulDescriptor, placed: &PlacedStep) {
        let size = T::TYPE.bytes() as isize;
        let at = |operand: usize, offset: isize| placed.at(operand, offset * size);
        let entries = entries(product);
        let mut values = Vec::with_capacity(entries.len());
        for entry in &entries {
            let mut sum = T::ZERO.constant(&mut self.builder);
            for term in &entry.terms {
                let [a, b] = term.map(|(operand, offset)| self.load::<T>(at(operand, offset).0, false));
                let [a, b] = [self.number::<T>(a), self.number::<T>(b)];
                let product = self.builder.ins().fmul(a, b);
                sum = self.builder.ins().fadd(sum, product);
            }
            values.push(sum);
        }
        for (entry, value) in entries.iter().zip(values) {
            self.write::<T>(at(2, entry.offset), (Held::Number(value), T::TYPE));
        }
    }

    /// Elements from several arrays in a row; truth values whatever the type of numbers.
    fn copy<T: MachineFloat>(&mut self, copy: &ElementCopy, placed: &PlacedStep) {
        let (size, is_bool) = (copy.dtype.size() as isize, copy.dtype == DType::Bool);
        let at = |operand: usize, offset: isize| placed.at(operand, offset * size);
        let ty = if is_bool { types::I8 } else { T::TYPE };
        let held: Vec<Held> =
            copy.sources.iter().map(|(operand, offset)| self.load::<T>(at(*operand, *offset).0, is_bool)).collect();
        let row = placed.places.len() - 1;
        for (element, held) in held.into_iter().enumerate() {
            self.write::<T>(at(row, element as isize), (held, ty));
        }
    }

    /// The value of an operation that is a few instructions.
    fn inline<T: MachineFloat>(&mut self, code: Opcode, read: &[Held]) -> Option<Held> {
        match code {
            Opcode::Move => Some(read[0]),
            Opcode::Select => Some(self.select::<T>(read)),
            Opcode::Comparison(comparison) => {
                let [a, b] = [self.number::<T>(read[0]), self.number::<T>(read[1])];
                Some(Held::Truth(self.builder.ins().fcmp(condition(comparison), a, b)))
            }
            Opcode::Connective(connective) => {
                let [a, b] = [self.truth::<T>(read[0]), self.truth::<T>(read[1])];
                let ins = self.builder.ins();
                Some(Held::Truth(match connective {
                    Connective::And => ins.band(a, b),
                    Connective::Or => ins.bor(a, b),
                    Connective::Xor => ins.bxor(a, b),
                }))
            }
            Opcode::Predicate(predicate) => Some(Held::Truth(self.predicate::<T>(predicate, read[0]))),
            of_numbers => {
                let numbers: SmallVec<[Value; 3]> = read.iter().map(|held| self.number::<T>(*held)).collect();
                self.arithmetic::<T>(of_numbers, &numbers).map(Held::Number)
            }
        }
    }

    /// What is one instruction, or a few whose order the interpreter has too; nothing for what is called.
    fn arithmetic<T: MachineFloat>(&mut self, code: Opcode, numbers: &[Value]) -> Option<Value> {
        let x = numbers[0];
        Some(match code {
            Opcode::Square => self.builder.ins().fmul(x, x),
            Opcode::MultiplyAdd => {
                let product = self.builder.ins().fmul(x, numbers[1]);
                self.builder.ins().fadd(product, numbers[2])
            }
            Opcode::IntegerPower(exponent) => self.power::<T>(x, exponent),
            Opcode::Negate => self.builder.ins().fneg(x),
            Opcode::Abs => self.builder.ins().fabs(x),
            Opcode::Sqrt => self.builder.ins().sqrt(x),
            Opcode::Rsqrt => {
                let (one, root) = (T::ONE.constant(&mut self.builder), self.builder.ins().sqrt(x));
                self.builder.ins().fdiv(one, root)
            }
            Opcode::Relu => {
                let zero = T::ZERO.constant(&mut self.builder);
                let is_off = self.builder.ins().fcmp(FloatCC::LessThanOrEqual, x, zero);
                self.builder.ins().select(is_off, zero, x)
            }
            Opcode::Add => self.builder.ins().fadd(x, numbers[1]),
            Opcode::Sub => self.builder.ins().fsub(x, numbers[1]),
            Opcode::Mul => self.builder.ins().fmul(x, numbers[1]),
            Opcode::Div => self.builder.ins().fdiv(x, numbers[1]),
            Opcode::Maximum => self.extremum(FloatCC::GreaterThan, x, numbers[1]),
            Opcode::Minimum => self.extremum(FloatCC::LessThan, x, numbers[1]),
            _ => return None,
        })
    }

    /// The number that wins a comparison, NaN if either is: `Number::maximum` and `Number::minimum`.
    fn extremum(&mut self, wins: FloatCC, x: Value, y: Value) -> Value {
        let is_first = self.builder.ins().fcmp(wins, x, y);
        let winner = self.builder.ins().select(is_first, x, y);
        let is_nan = self.builder.ins().fcmp(FloatCC::Unordered, x, x);
        self.builder.ins().select(is_nan, x, winner)
    }

    /// As `ops::power_by_squaring`.
    fn power<T: MachineFloat>(&mut self, x: Value, exponent: i32) -> Value {
        let one = T::ONE.constant(&mut self.builder);
        let (mut power, mut square, mut bits) = (one, x, exponent.unsigned_abs());
        loop {
            if bits & 1 == 1 {
                // 1·x is x.
                power = if power == one { square } else { self.builder.ins().fmul(power, square) };
            }
            bits >>= 1;
            if bits == 0 {
                return if exponent < 0 { self.builder.ins().fdiv(one, power) } else { power };
            }
            square = self.builder.ins().fmul(square, square);
        }
    }

    fn predicate<T: MachineFloat>(&mut self, predicate: Predicate, held: Held) -> Value {
        match predicate {
            Predicate::Not => {
                let truth = self.truth::<T>(held);
                self.builder.ins().bxor_imm_u(truth, 1)
            }
            Predicate::IsNan => {
                let x = self.number::<T>(held);
                self.builder.ins().fcmp(FloatCC::Unordered, x, x)
            }
            Predicate::IsFinite => {
                let (x, infinity) = (self.number::<T>(held), <T as MachineFloat>::INFINITY.constant(&mut self.builder));
                let magnitude = self.builder.ins().fabs(x);
                self.builder.ins().fcmp(FloatCC::LessThan, magnitude, infinity)
            }
        }
    }

    fn select<T: MachineFloat>(&mut self, read: &[Held]) -> Held {
        let condition = self.truth::<T>(read[0]);
        match (read[1], read[2]) {
            (Held::Truth(yes), Held::Truth(no)) => Held::Truth(self.builder.ins().select(condition, yes, no)),
            (yes, no) => {
                let [yes, no] = [self.number::<T>(yes), self.number::<T>(no)];
                Held::Number(self.builder.ins().select(condition, yes, no))
            }
        }
    }

    /// The value of a function, and the second one of a pair.
    fn call<T: MachineFloat>(&mut self, code: Opcode, read: &[Held]) -> (Held, Option<Held>) {
        let callee = callee::<T>(code, self.set).expect("invariant: what is no instruction is a function");
        let mut arguments: SmallVec<[Value; 3]> = read.iter().map(|held| self.number::<T>(*held)).collect();
        let (address, second) = match callee {
            Callee::OfOne(address) | Callee::OfTwo(address) => (address, None),
            Callee::Pair(address) => {
                let size = T::TYPE.bytes();
                let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, size, size.trailing_zeros() as u8);
                let slot = self.builder.create_sized_stack_slot(slot);
                arguments.push(self.builder.ins().stack_addr(self.pointer, slot, 0));
                (address, Some(slot))
            }
        };
        let signature = self.signature_of(T::TYPE, read.len(), second.is_some());
        let address = self.builder.ins().iconst(self.pointer, address as i64);
        let call = self.builder.ins().call_indirect(signature, address, &arguments);
        let first = Held::Number(self.builder.inst_results(call)[0]);
        (first, second.map(|slot| Held::Number(self.builder.ins().stack_load(self.pointer, T::TYPE, slot, 0))))
    }

    /// The signature of a function of so many numbers, and an address if it has a second result.
    fn signature_of(&mut self, float: Type, n_numbers: usize, is_pair: bool) -> SigRef {
        let Emitter { builder, signature, pointer, .. } = self;
        *self.signatures.entry((float, n_numbers, is_pair)).or_insert_with(|| {
            let mut signature = signature.clone();
            signature.params.extend((0..n_numbers).map(|_| AbiParam::new(float)));
            signature.params.extend(is_pair.then(|| AbiParam::new(*pointer)));
            signature.returns.push(AbiParam::new(float));
            builder.import_signature(signature)
        })
    }

    fn number<T: MachineFloat>(&mut self, held: Held) -> Value {
        match held {
            Held::Number(value) => value,
            Held::Truth(value) => {
                let (one, zero) = (T::ONE.constant(&mut self.builder), T::ZERO.constant(&mut self.builder));
                self.builder.ins().select(value, one, zero)
            }
        }
    }

    fn truth<T: MachineFloat>(&mut self, held: Held) -> Value {
        match held {
            Held::Truth(value) => value,
            Held::Number(value) => {
                let zero = T::ZERO.constant(&mut self.builder);
                self.builder.ins().fcmp(FloatCC::NotEqual, value, zero)
            }
        }
    }

    fn load<T: MachineFloat>(&mut self, place: ArrayPlace, is_bool: bool) -> Held {
        let ty = if is_bool { types::I8 } else { T::TYPE };
        if let Some(held) = self.known.get(&(place, ty)) {
            return *held;
        }
        let (base, offset) = self.address(place);
        let value = self.builder.ins().load(ty, MemFlagsData::trusted(), base, offset);
        let held = if is_bool { Held::Truth(value) } else { Held::Number(value) };
        self.known.insert((place, ty), held);
        held
    }

    /// Puts a value in a place, and stores it if anything loads it from there.
    fn write<T: MachineFloat>(&mut self, (place, is_read_later): (ArrayPlace, bool), (held, ty): (Held, Type)) {
        // In memory a truth value is a byte, whatever the register that it comes from: the next step may be of another float type.
        let held =
            if ty == types::I8 { Held::Truth(self.truth::<T>(held)) } else { Held::Number(self.number::<T>(held)) };
        self.forget(place, ty);
        self.known.insert((place, ty), held);
        if place.base != Base::Arena || is_read_later || (self.is_loaded_later)(place.offset) {
            self.store(place, held);
        }
    }

    fn store(&mut self, place: ArrayPlace, held: Held) {
        let (Held::Number(value) | Held::Truth(value)) = held;
        let (base, offset) = self.address(place);
        self.builder.ins().store(MemFlagsData::trusted(), value, base, offset);
    }

    /// Forgets what was in memory in which something else is stored now. Everything lies at a multiple of its size.
    fn forget(&mut self, place: ArrayPlace, ty: Type) {
        let size = |ty: Type| ty.bytes() as isize;
        for other in [types::I8, types::F32, types::F64] {
            let first = place.offset.div_euclid(size(other)) * size(other);
            for offset in (first..place.offset + size(ty)).step_by(size(other) as usize) {
                self.known.remove(&(ArrayPlace { offset, ..place }, other));
            }
        }
    }

    fn base(&mut self, number: usize) -> Value {
        let Emitter { builder, outer, pointer, .. } = self;
        *self.bases.entry(number).or_insert_with(|| {
            let offset = i32::try_from(number * size_of::<*mut u8>()).expect("invariant: there are few arrays");
            builder.ins().load(*pointer, MemFlagsData::trusted(), *outer, offset)
        })
    }

    /// A base and an offset that an instruction can hold.
    fn address(&mut self, place: ArrayPlace) -> (Value, i32) {
        let base = match place.base {
            Base::Arena => self.arena,
            Base::Outer(number) => self.base(number),
            Base::Constant(address) => self.builder.ins().iconst(self.pointer, address as i64),
        };
        match i32::try_from(place.offset) {
            Ok(offset) => (base, offset),
            Err(_) => (self.builder.ins().iadd_imm_s(base, place.offset as i64), 0),
        }
    }
}

/// An element of a product: its offset in c, and the operands and offsets of the factors that are added up. In elements.
struct ProductElement {
    offset: isize,
    terms: Vec<[(usize, isize); 2]>,
}

/// The elements of a product, in the order in which the plain loop computes them.
fn entries(product: &MatmulDescriptor) -> Vec<ProductElement> {
    let at = |strides: [isize; 2], row: usize, column: usize| row as isize * strides[0] + column as isize * strides[1];
    let mut entries = Vec::new();
    for batch in 0..product.n_batches() {
        let [a, b, c] = product.offsets(batch);
        for row in 0..product.m {
            for column in 0..product.n {
                let term = |step| [(0, a + at(product.a, row, step)), (1, b + at(product.b, step, column))];
                let terms = (0..product.k).map(term).collect();
                entries.push(ProductElement { offset: c + at(product.c, row, column), terms });
            }
        }
    }
    entries
}

fn condition(comparison: Comparison) -> FloatCC {
    match comparison {
        Comparison::Equal => FloatCC::Equal,
        Comparison::NotEqual => FloatCC::NotEqual,
        Comparison::Less => FloatCC::LessThan,
        Comparison::LessEqual => FloatCC::LessThanOrEqual,
        Comparison::Greater => FloatCC::GreaterThan,
        Comparison::GreaterEqual => FloatCC::GreaterThanOrEqual,
    }
}

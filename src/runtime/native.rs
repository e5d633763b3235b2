//! Machine code of steps of a few elements (feature `jit`). In: consecutive steps, each a program on registers (`scalar.rs`), and where
//! their arrays lie. Out: functions that do all of it, with the bits of the interpreter. Values pass from step to step in registers of
//! the machine, and what no later step reads is not stored. Cranelift compiles them, when the executable is made.
//!
//! The arithmetic is one instruction where IEEE 754 says what comes out; every other function of the table is called, as the
//! interpreter calls it.

#![allow(unsafe_code, reason = "machine code is called, and reads and writes by address")]

mod callee;
mod emit;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use cranelift_codegen::{
    isa::{OwnedTargetIsa, TargetIsa},
    settings::{self, Configurable},
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Module, ModuleError, default_libcall_names};

use super::{instruction_set::InstructionSet, matmul::MatmulDescriptor, product::descriptor_of, scalar::ScalarStep};
use crate::{
    graph::{DType, Op},
    plan::{StepKind, WholeArrays, offsets},
};
use emit::Emitter;

/// Operations of one function at most, unless one step has more: allocating registers takes longer than in proportion.
const MAX_FUNCTION_OPERATIONS: usize = 1_024;

/// Multiplications of a product that is unrolled at most.
const MAX_MULTIPLICATIONS: usize = 512;

/// Elements of arrays that are put together in machine code at most.
const MAX_COPIED: usize = 64;

/// Machine code takes the base addresses of what lies outside of the arena, and the arena.
type MachineFunction = unsafe extern "C" fn(*const *mut u8, *mut u8);

/// Where an array begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ArrayPlace {
    pub(super) base: Base,
    /// Bytes behind the base.
    pub(super) offset: isize,
}

/// What places are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Base {
    Arena,
    /// An array that comes from outside, by its number in the list that a call is given.
    Outer(usize),
    /// Elements that never change, at this address as long as the code lives.
    Constant(*const u8),
}

/// What machine code is made of.
pub(super) enum NativeWork {
    Scalar(ScalarStep),
    /// A product that is computed by a plain loop; its places are those of a, b and c.
    Product(MatmulDescriptor),
    Copy(ElementCopy),
}

/// Elements of several arrays in a row; the last place is that of the row.
pub(super) struct ElementCopy {
    dtype: DType,
    /// The array of each, and its position there.
    sources: Vec<(usize, isize)>,
}

impl ElementCopy {
    /// A concatenation, if it is of few numbers or truth values.
    fn concat(arrays: &WholeArrays, axis: usize) -> Option<ElementCopy> {
        let (dtype, n_elements) = (arrays.dtype, arrays.sizes.iter().product::<usize>());
        if n_elements > MAX_COPIED || !(dtype.is_float() || dtype == DType::Bool) {
            return None;
        }
        let n_rows = arrays.sizes[..axis].iter().product::<usize>();
        let parts: Vec<Vec<(usize, isize)>> = arrays
            .operands
            .iter()
            .enumerate()
            .map(|(operand, read)| offsets(&read.layout).map(|offset| (operand, offset - read.layout.offset)).collect())
            .collect();
        let row = |row: usize| {
            parts.iter().flat_map(move |part| {
                let width = part.len() / n_rows;
                part[row * width..(row + 1) * width].iter().copied()
            })
        };
        Some(ElementCopy { dtype, sources: (0..n_rows).flat_map(row).collect() })
    }
}

/// A step with the places of its arrays, and whether steps that are no part of the machine code read there later.
pub(super) struct PlacedStep {
    pub(super) work: NativeWork,
    pub(super) places: Vec<(ArrayPlace, bool)>,
}

/// Machine code of some steps.
pub(super) struct NativeStep {
    functions: Vec<MachineFunction>,
    /// The memory that the functions are in.
    module: Option<Box<JITModule>>,
}

const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<NativeStep>();
};

// SAFETY: the functions are code that never changes; the module is touched only when all of it is dropped.
unsafe impl Sync for NativeStep {}

impl fmt::Debug for NativeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeStep").field("n_functions", &self.functions.len()).finish_non_exhaustive()
    }
}

impl Drop for NativeStep {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: nothing but this step calls the functions, and it is not running: it is dropped.
            unsafe { module.free_memory() };
        }
    }
}

impl NativeStep {
    /// The machine code of steps that follow one another; nothing where the machine is not one that code can be made for.
    pub(super) fn new(steps: &[PlacedStep], set: InstructionSet) -> Option<NativeStep> {
        let mut module = JITModule::new(JITBuilder::with_isa(isa()?, default_libcall_names()));
        match define(&mut module, steps, set) {
            Ok(functions) => Some(NativeStep { functions, module: Some(Box::new(module)) }),
            Err(_) => {
                // SAFETY: none of its functions was handed out.
                unsafe { module.free_memory() };
                IS_REFUSED.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    /// Computes the steps.
    ///
    /// # Safety
    /// `outer` are the base addresses of the arrays from outside that the places of [`NativeStep::new`] count from, and `arena` is that of
    /// the plan; all arrays are there, nothing else uses those that are written, and the machine has the instruction set.
    pub(super) unsafe fn run(&self, outer: &[*mut u8], arena: *mut u8) {
        for function in &self.functions {
            // SAFETY: by this function's contract.
            unsafe { function(outer.as_ptr(), arena) };
        }
    }
}

impl PlacedStep {
    /// So many bytes behind the beginning of an array, and whether what is no part of the machine code reads it later.
    fn at(&self, array: usize, offset: isize) -> (ArrayPlace, bool) {
        let (place, is_read_later) = self.places[array];
        (ArrayPlace { offset: place.offset + offset, ..place }, is_read_later)
    }
}

impl NativeWork {
    /// The work of a step of the plan, if machine code can do it.
    pub(super) fn of(work: &StepKind, set: InstructionSet) -> Option<NativeWork> {
        match work {
            StepKind::Tile(program) => ScalarStep::new(program, set).map(NativeWork::Scalar),
            StepKind::Contraction(arrays, contraction) => {
                let product = descriptor_of(contraction, arrays.dtype);
                let is_small = product.is_tiny() && n_multiplications(&product) <= MAX_MULTIPLICATIONS;
                is_small.then_some(NativeWork::Product(product))
            }
            StepKind::Primitive(arrays, Op::Concat(concat)) => {
                ElementCopy::concat(arrays, concat.axis).map(NativeWork::Copy)
            }
            StepKind::Primitive(..) | StepKind::Nested(..) => None,
        }
    }

    /// How many operations on numbers it is.
    pub(super) fn n_operations(&self) -> usize {
        match self {
            NativeWork::Scalar(step) => step.n_operations(),
            NativeWork::Product(product) => 2 * n_multiplications(product),
            NativeWork::Copy(copy) => copy.sources.len(),
        }
    }
}

fn n_multiplications(product: &MatmulDescriptor) -> usize {
    product.n_batches() * product.m * product.n * product.k
}

/// Makes the functions of some steps. It fails where the system gives no memory that may be executed.
fn define(
    module: &mut JITModule,
    steps: &[PlacedStep],
    set: InstructionSet,
) -> Result<Vec<MachineFunction>, Box<ModuleError>> {
    let parts = parts(steps);
    // For each offset in the arena the last part that loads from there.
    let mut last_loaders: HashMap<isize, usize> = HashMap::new();
    for (number, part) in parts.iter().enumerate() {
        last_loaders.extend(part.iter().flat_map(emit::arena_loads).map(|offset| (offset, number)));
    }
    let mut context = FunctionBuilderContext::new();
    let mut ids = Vec::with_capacity(parts.len());
    for (number, part) in parts.into_iter().enumerate() {
        let mut code = module.make_context();
        code.func.signature = emit::signature(module);
        let builder = FunctionBuilder::new(&mut code.func, &mut context);
        let is_loaded_later = |offset| last_loaders.get(&offset).is_some_and(|last| *last > number);
        Emitter::new(builder, module.isa(), (set, &is_loaded_later)).emit(part);
        let id = module.declare_anonymous_function(&code.func.signature)?;
        module.define_function(id, &mut code)?;
        ids.push(id);
    }
    module.finalize_definitions()?;
    let function = |id: FuncId| {
        let code = module.get_finalized_function(id);
        // SAFETY: the function was made with the signature of this type.
        unsafe { std::mem::transmute::<*const u8, MachineFunction>(code) }
    };
    Ok(ids.into_iter().map(function).collect())
}

/// The steps cut into functions.
fn parts(steps: &[PlacedStep]) -> Vec<&[PlacedStep]> {
    let (mut parts, mut first, mut n_operations) = (Vec::new(), 0, 0);
    for (position, placed) in steps.iter().enumerate() {
        let more = placed.work.n_operations();
        if position > first && n_operations + more > MAX_FUNCTION_OPERATIONS {
            parts.push(&steps[first..position]);
            (first, n_operations) = (position, 0);
        }
        n_operations += more;
    }
    parts.push(&steps[first..]);
    parts
}

/// Whether code can be made for this machine, as far as is known.
pub(super) fn is_available() -> bool {
    isa().is_some() && !IS_REFUSED.load(Ordering::Relaxed)
}

/// Whether the system has refused memory that may be executed.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// The machine that code is made for: the one that this runs on. Made once.
fn isa() -> Option<OwnedTargetIsa> {
    static ISA: OnceLock<Option<Arc<dyn TargetIsa>>> = OnceLock::new();
    let make = || {
        let mut flags = settings::builder();
        let values = [
            ("opt_level", "none"),
            ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
            // A frame larger than a page must not reach over the page that guards a stack.
            ("enable_probestack", "true"),
            ("probestack_strategy", "inline"),
            ("use_colocated_libcalls", "false"),
            ("is_pic", "false"),
        ];
        values.into_iter().try_for_each(|(name, value)| flags.set(name, value)).ok()?;
        cranelift_native::builder().ok()?.finish(settings::Flags::new(flags)).ok()
    };
    ISA.get_or_init(make).clone()
}

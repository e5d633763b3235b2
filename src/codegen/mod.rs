//! Programs → Rust. In: a compiled program and a number for each symbol. Out: the source of one file that depends on nothing: a function
//! for each program, without allocation, panics or the standard library.
//!
//! The graph is planned as for a run, so that what is computed together and in which order is the plan's decision (`lower` reads its
//! steps); memory is typed arrays, as safe Rust asks (`docs/decisions/0025-generated-rust.md`). `ir` is what a function does, as data;
//! `print` and `module` write it. What can be written is listed in `docs/guide/generated-rust.md`.

mod branches;
mod contraction;
mod error;
mod functions;
mod index;
mod ir;
mod loops;
mod lower;
mod module;
mod nested;
mod primitive;
mod print;
mod support;

use std::{ops::Deref, path::Path};

pub use error::CodeError;

use self::{
    ir::{Array, ArrayId, ArrayPlace, CodeBuilder, View},
    lower::{Home, Limits, Lowering},
    module::{FunctionArgument, GeneratedFunction},
};
use crate::{
    graph::{Bindings, Value},
    io::replace,
    parameters::Parameters,
    plan::{MachineModel, Plan, PlanInput, Settings},
    program::{Declaration, LentGraph, Runner},
};

/// Who has the functions of mathematics that a generated function calls: √, eˣ, sine and others. They are methods of a trait `Math` of
/// the module, named as in C; a function that calls any is generic over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum MathProvider {
    /// The module has a type `Std` with the methods of Rust's floats, which takes the standard library.
    #[default]
    Std,
    /// The module has a type `Libm` with the functions of the crate `libm`, which does without.
    Libm,
    /// Whoever calls the functions writes the trait.
    None,
}

/// How a program is written as Rust.
///
/// # Example
/// See [`Runner::to_rust`].
#[derive(Debug, Clone)]
pub struct CodeOptions {
    /// The name of the function.
    pub name: String,
    /// A number for each symbol that the program has.
    pub sizes: Vec<(String, i64)>,
    /// Parameters that become constants of the module, by name; the others are arguments.
    pub constants: Parameters,
    /// The most operations of a step that is written out scalar by scalar instead of as a loop.
    pub max_unrolled: usize,
    /// Whether sums of products are rounded once, by the method `fma` of `Math`: faster and other bits. Only for a machine that has the
    /// instruction and a compiler that may use it (`-C target-feature=+fma`); without, it is many times slower.
    pub fused_multiply_add: bool,
}

impl CodeOptions {
    /// The options for a function of this name: all parameters are arguments, and steps of up to 512 operations are written out.
    pub fn new(name: impl Into<String>) -> CodeOptions {
        CodeOptions {
            name: name.into(),
            sizes: Vec::new(),
            constants: Parameters::default(),
            max_unrolled: 512,
            fused_multiply_add: false,
        }
    }

    /// A number for a symbol.
    #[must_use]
    pub fn size(mut self, symbol: impl Into<String>, size: i64) -> CodeOptions {
        self.sizes.push((symbol.into(), size));
        self
    }

    /// With the parameters that become constants.
    #[must_use]
    pub fn constants(self, constants: Parameters) -> CodeOptions {
        CodeOptions { constants, ..self }
    }
}

/// A file with functions for several programs.
///
/// # Example
/// What a `build.rs` does, so that `include!(concat!(env!("OUT_DIR"), "/pendulum.rs"))` has the functions:
/// ```no_run
/// use pullback::{CodeOptions, DType, Graph, MathProvider, RustModule};
/// let g = Graph::new();
/// let angle = g.input_of(DType::F64, "angle", ());
/// let energy = 1.0 - angle.cos();
/// let torque = g.compile([("torque", -g.gradient(energy, angle))])?;
/// let energy = g.compile([("energy", energy)])?;
/// let mut module = RustModule::new(MathProvider::Libm);
/// module.add(&energy, &CodeOptions::new("energy"))?;
/// module.add(&torque, &CodeOptions::new("torque"))?;
/// module.write_to_out_dir("pendulum.rs")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RustModule {
    provider: MathProvider,
    functions: Vec<GeneratedFunction>,
}

impl RustModule {
    /// A module without functions.
    pub fn new(provider: MathProvider) -> RustModule {
        RustModule { provider, functions: Vec::new() }
    }

    /// Adds the function of a program or training step.
    ///
    /// # Errors
    /// As for [`Runner::to_rust`], and if there is a function of this name; the module stays as it was.
    pub fn add(&mut self, program: &impl Deref<Target = Runner>, options: &CodeOptions) -> Result<(), CodeError> {
        self.add_runner(program, options)
    }

    fn add_runner(&mut self, program: &Runner, options: &CodeOptions) -> Result<(), CodeError> {
        if self.functions.iter().any(|function| function.name == options.name) {
            return Err(CodeError::DuplicateName { name: options.name.clone() });
        }
        self.functions.push(function(program, options)?);
        Ok(())
    }

    /// The text of the file.
    ///
    /// # Errors
    /// [`CodeError::NoFunction`] if a function of mathematics is called that the provider does not have.
    pub fn source(&self) -> Result<String, CodeError> {
        module::module(&self.functions, self.provider)
    }

    /// Writes the file whole or not at all.
    ///
    /// # Errors
    /// As for [`RustModule::source`], and [`CodeError::Write`] if it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), CodeError> {
        let path = path.as_ref();
        let source = self.source()?;
        replace(path, |file| file.write_all(source.as_bytes()))
            .map_err(|error| CodeError::Write { path: path.display().to_string(), error: error.to_string() })
    }

    /// Writes the file where a build script writes: into the folder that the variable `OUT_DIR` names.
    ///
    /// # Errors
    /// As for [`RustModule::write`]; also if there is no such variable, outside of build scripts.
    pub fn write_to_out_dir(&self, file: &str) -> Result<(), CodeError> {
        let folder = std::env::var_os("OUT_DIR").ok_or_else(|| CodeError::Write {
            path: file.to_owned(),
            error: "there is no variable OUT_DIR, which cargo sets for build scripts".to_owned(),
        })?;
        self.write(Path::new(&folder).join(file))
    }
}

impl Runner {
    /// The program as Rust that depends on nothing but, where it calls functions of mathematics, on what implements its trait
    /// `Math`: one function `name(inputs…, parameters…, states…, outputs…, work)`, without allocation, panics or the standard library.
    ///
    /// Arrays are `&[f64; n]` in row-major order, numbers `f64`, outputs `&mut [f64; n]` and `&mut f64`; likewise for the other
    /// dtypes. A function that needs memory for values between its steps takes a workspace of its own. One that can fail, by a
    /// position beyond an axis or a loop without end, gives a `Result`.
    ///
    /// Elementwise functions of +, −, ×, ÷ and √ have the bits of a run, but for the sign of a zero to which a padding adds its zeros. The functions of mathematics are those of the provider, and sums
    /// are in an order of their own, so that these agree with a run within rounding.
    ///
    /// # Errors
    /// [`CodeError`] if a symbol has no number, or if an operation has no form in Rust, with its line.
    ///
    /// # Complexity
    /// One planning, and what is written is linear in the number of steps: each is a loop, or at most
    /// [`CodeOptions::max_unrolled`] operations.
    ///
    /// # Example
    /// ```
    /// use pullback::{CodeOptions, DType, Graph};
    /// let g = Graph::new();
    /// let (x, y) = (g.input_of(DType::F64, "x", ()), g.input_of(DType::F64, "y", ()));
    /// let f = (1.0 - x).square() + 100.0 * (y - x.square()).square();
    /// let program = g.compile([("f", f), ("slope", g.gradient(f, x))])?;
    /// let source = program.to_rust(&CodeOptions::new("rosenbrock"))?;
    /// assert!(source.contains("pub fn rosenbrock(x: f64, y: f64, f: &mut f64, slope: &mut f64) {"), "{source}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("codegen", "generate", "no_std"))]
    pub fn to_rust(&self, options: &CodeOptions) -> Result<String, CodeError> {
        let mut module = RustModule::new(MathProvider::Std);
        module.add_runner(self, options)?;
        module.source()
    }
}

/// The function of a program.
fn function(program: &Runner, options: &CodeOptions) -> Result<GeneratedFunction, CodeError> {
    module::check_name(&options.name)?;
    let sizes = options.sizes.iter().map(|(symbol, size)| (symbol.as_str(), *size));
    let bindings = program.bindings(sizes).map_err(|error| {
        let is_given = |symbol: &&std::sync::Arc<str>| options.sizes.iter().any(|(given, _)| **given == ***symbol);
        match program.signature.symbols.iter().find(|symbol| !is_given(symbol)) {
            Some(symbol) => CodeError::MissingSize { symbol: symbol.to_string() },
            None => error.into(),
        }
    })?;
    let mut made = None;
    program.engine.lend_graph(&mut |lent| made = Some(plan(lent, &bindings)));
    let plan = made.ok_or(CodeError::Reference)??;
    Lowering::new(options, &bindings).function(program, &plan, options)
}

/// The plan that is written: that of a machine on which a compiler does the rest.
fn plan(lent: LentGraph<'_>, bindings: &Bindings) -> Result<Plan, CodeError> {
    let LentGraph { graph, leaves, results, max_iterations } = lent;
    let settings = Settings { model: MachineModel::GENERATED, memory_budget: None, max_iterations };
    let input = PlanInput { graph, leaves, results, bindings };
    Plan::new(input, &settings).map_err(|error| CodeError::Sizes(error.into()))
}

impl Lowering {
    fn new(options: &CodeOptions, bindings: &Bindings) -> Lowering {
        let limits = Limits { elements: 32, operations: options.max_unrolled };
        Lowering { builder: CodeBuilder::new(), limits, bindings: bindings.clone(), constants: Vec::new() }
    }

    fn function(
        mut self,
        program: &Runner,
        plan: &Plan,
        options: &CodeOptions,
    ) -> Result<GeneratedFunction, CodeError> {
        let (mut arguments, mut leaves, mut baked) = (Vec::new(), Vec::new(), Vec::new());
        let signature = &program.signature;
        let n_inputs = signature.inputs.iter().filter(|input| input.is_needed).count();
        for (position, declaration) in signature.fed().enumerate() {
            let is_parameter = (n_inputs..n_inputs + signature.parameters.len()).contains(&position);
            let value = if is_parameter { constant(declaration, &options.constants)? } else { None };
            let role = match position.checked_sub(n_inputs) {
                None => "input",
                Some(_) if is_parameter => "parameter",
                Some(_) => "state",
            };
            let place = if value.is_some() { ArrayPlace::Constant } else { ArrayPlace::Input };
            let array = self.array(declaration, place);
            leaves.push(Home::memory(View::whole(array)));
            match value {
                Some(value) => baked.push((array, module::identifier(&declaration.name), value)),
                None => arguments.push(self.argument(declaration, role, array)),
            }
        }
        let mut destinations = Vec::new();
        for declaration in &signature.outputs {
            let array = self.array(declaration, ArrayPlace::Output);
            destinations.push(Some(View::whole(array)));
            arguments.push(self.argument(declaration, "output", array));
        }
        self.plan(plan, &leaves, &destinations)?;
        let code_constants = self.constants;
        let code = self.builder.finish();
        let read = code.read_arrays();
        let named = code_constants
            .into_iter()
            .enumerate()
            .map(|(number, (array, value))| (array, format!("constant_{number}"), Value::clone(&value)));
        let constants = baked.into_iter().chain(named).filter(|(array, ..)| read[array.0]).collect();
        let fused = options.fused_multiply_add;
        Ok(GeneratedFunction {
            name: options.name.clone(),
            fused,
            sizes: options.sizes.clone(),
            arguments,
            constants,
            code,
        })
    }

    fn array(&mut self, declaration: &Declaration, place: ArrayPlace) -> ArrayId {
        let sizes = declaration.ty.shape.evaluate(&self.bindings).expect("invariant: the plan has these sizes");
        let (dtype, len) = (declaration.ty.dtype, sizes.iter().product());
        let is_scalar = sizes.is_empty() && place != ArrayPlace::Constant;
        self.builder.arrays.push(Array { dtype, len, place, is_scalar });
        ArrayId(self.builder.arrays.len() - 1)
    }

    fn argument(&self, declaration: &Declaration, role: &'static str, array: ArrayId) -> FunctionArgument {
        FunctionArgument {
            role,
            name: declaration.name.clone(),
            ty: declaration.ty.to_string(),
            site: declaration.site,
            array,
        }
    }
}

/// The value of a parameter that becomes a constant.
fn constant(declaration: &Declaration, constants: &Parameters) -> Result<Option<Value>, CodeError> {
    let Some(view) = constants.view(&declaration.name) else {
        return if constants.is_empty() {
            Ok(None)
        } else {
            Err(CodeError::Parameter { name: declaration.name.clone(), expected: declaration.ty.to_string() })
        };
    };
    let sizes = declaration.ty.shape.as_numbers();
    let fits = view.dtype() == declaration.ty.dtype && sizes.is_some_and(|sizes| sizes[..] == *view.shape());
    if !fits {
        return Err(CodeError::Parameter { name: declaration.name.clone(), expected: declaration.ty.to_string() });
    }
    Ok(Some(view.to_value()))
}

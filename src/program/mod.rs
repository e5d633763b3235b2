//! A compiled program: named arrays in, named arrays out.
//!
//! In: a signature and an engine. Out: [`Program`] and [`TrainingStep`], which check what is fed and hand it over. They
//! own everything and borrow nothing from the graph. How the numbers are computed is the engine's business alone.

mod attached;
mod bind;
mod condition;
mod error;
mod feed;
mod memory_map;
mod outputs;
mod profile;
mod recycle;
mod runner;
mod summary;
mod training;

use std::{fmt, ops::Deref, sync::Arc};

pub use attached::{Attached, InputHandle, OutputHandle};
pub(crate) use condition::Condition;
pub use error::{CompileError, Role, RunError};
pub use feed::{AsParameters, Destinations, Inputs};
pub use memory_map::{LineBytes, MemoryMap, MemoryRow};
pub use outputs::{OutputError, Outputs};
pub use profile::{BodyProfile, LineTime, Profile, StepProfile};
pub use runner::Runner;
pub use summary::{Pass, PlanSummary};
pub use training::{TrainingOutput, TrainingStep, Untrained};

use crate::{
    cancel::CancelToken,
    graph::{Bindings, Dim, Graph, NodeId, Site, Type, Value, ValueView, ValueViewMut},
};

/// What computes the numbers of a program.
pub(crate) trait Engine: Send + Sync + fmt::Debug {
    /// Computes every result from the leaves (inputs, then parameters) and writes it.
    fn run(
        &mut self,
        leaves: &[ValueView<'_>],
        bindings: &Bindings,
        results: &mut [ValueViewMut<'_>],
    ) -> Result<(), RunError>;

    /// The engine of these sizes with arrays of its own: values for the leaves, and zeros for the results, which it computes.
    fn attach(
        self: Box<Self>,
        leaves: Vec<Value>,
        bindings: &Bindings,
        results: Vec<Value>,
    ) -> Result<Box<dyn AttachedEngine>, RunError>;

    /// What ends its runs.
    fn cancel_token(&self) -> &CancelToken;

    /// An engine of the same graph with memory and a token of its own.
    fn fork(&self) -> Box<dyn Engine>;

    /// What goes through the same operations one by one: fused steps have no values between them.
    fn reference(&self) -> Box<dyn FiniteChecker>;

    /// Runs `n_runs` times and gives the shortest time of each step.
    fn profile(
        &mut self,
        leaves: &[ValueView<'_>],
        bindings: &Bindings,
        results: &mut [ValueViewMut<'_>],
        n_runs: usize,
    ) -> Result<Profile, RunError>;

    /// Lends the graph that it plans, after rewriting, with what is fed and what comes out; never, if it plans none.
    fn lend_graph(&self, borrower: &mut dyn FnMut(LentGraph<'_>));

    /// Operations on floats, op by op, after rewriting.
    fn flops(&self) -> Dim;

    /// Bytes of all values that are computed, op by op, after rewriting.
    fn bytes(&self) -> Dim;

    /// What each pass of planning leaves for these sizes.
    fn passes(&self, bindings: &Bindings) -> Result<Vec<Pass>, RunError>;

    /// The figures of its plan for these sizes; what is fed and given is the caller's to count.
    fn summary(&self, bindings: &Bindings) -> Result<PlanSummary, RunError>;

    /// What lies in its arena for these sizes, and when.
    fn memory(&self, bindings: &Bindings) -> Result<MemoryMap, RunError>;

    /// What it does for these sizes, as text for people.
    fn show(&self, bindings: &Bindings) -> Result<String, RunError>;
}

/// The graph that an engine plans, for as long as it is lent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LentGraph<'g> {
    pub(crate) graph: &'g Graph,
    /// What is fed, in this order; none for what no result needs.
    pub(crate) leaves: &'g [Option<NodeId>],
    pub(crate) results: &'g [NodeId],
    /// The most iterations of a loop that states none.
    pub(crate) max_iterations: usize,
}

/// Goes through all operations one by one.
pub(crate) trait FiniteChecker: Send + Sync + fmt::Debug {
    /// Names the first operation that makes NaN or infinity out of finite numbers.
    fn check(&mut self, leaves: &[ValueView<'_>], bindings: &Bindings) -> Result<(), RunError>;
}

/// An engine with arrays of its own.
pub(crate) trait AttachedEngine: Send + fmt::Debug {
    /// Computes its results from its leaves.
    fn run(&mut self) -> Result<(), RunError>;

    /// A leaf, to write.
    fn leaf_mut(&mut self, position: usize) -> ValueViewMut<'_>;

    /// A result.
    fn result(&self, position: usize) -> ValueView<'_>;
}

/// What a program is fed and what it gives.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    /// All inputs of the graph; one that is not needed may be fed, if only to tell a size.
    pub(crate) inputs: Vec<Declaration>,
    /// The parameters that are needed.
    pub(crate) parameters: Vec<Declaration>,
    /// The states that are needed.
    pub(crate) states: Vec<Declaration>,
    /// The outputs.
    pub(crate) outputs: Vec<Declaration>,
    /// The symbols that must be known.
    pub(crate) symbols: Vec<Arc<str>>,
    /// What their values must fulfil, in the order of the graph.
    pub(crate) conditions: Vec<Condition>,
}

impl Signature {
    /// What the engine is fed, in this order: the inputs that are needed, then the parameters, then the states.
    pub(crate) fn fed(&self) -> impl Iterator<Item = &Declaration> {
        self.inputs.iter().filter(|input| input.is_needed).chain(&self.parameters).chain(&self.states)
    }
}

/// A named array with its type and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) site: Site,
    pub(crate) is_needed: bool,
}

/// A graph made ready to run: feed arrays by name, get arrays by name.
///
/// It owns what it needs, so the graph may be dropped and the program sent to another thread. A clone shares the graph and the
/// plans with the first, those too that either makes later, and has memory of its own from its first run on: one for each worker of
/// a server or of rayon. What it shares with a [`TrainingStep`], as the plan as text or as figures, are methods of [`Runner`].
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::Graph;
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 2));
/// let mut program = g.compile([("norm", (x * x).sum_over(-1).sqrt())])?;
/// let x = array![[3.0f32, 4.0], [6.0, 8.0]];
/// let out = program.call(("x", &x))?;
/// assert_eq!(out["norm"], array![5.0f32, 10.0].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Program {
    runner: Runner,
}

impl Program {
    pub(crate) fn new(runner: Runner) -> Program {
        Program { runner }
    }

    /// Names and types of the inputs that must be fed, in the order of declaration.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Type)> {
        self.runner
            .signature
            .inputs
            .iter()
            .filter(|input| input.is_needed)
            .map(|input| (input.name.as_str(), &input.ty))
    }

    /// Names and types of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &Type)> {
        self.runner.signature.outputs.iter().map(|output| (output.name.as_str(), &output.ty))
    }

    /// Computes the outputs of a program without parameters: short for [`Program::run`] with `()`.
    ///
    /// # Errors
    /// As for [`Program::run`]: [`RunError::MissingParameter`] if there are any.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, y) = (g.input_of(DType::F64, "x", ()), g.input_of(DType::F64, "y", (2,)));
    /// let out = g.compile((x * y).sum())?.call((("x", 2.0), ("y", [3.0, 4.0])))?;
    /// assert_eq!(out.scalar::<f64>("result")?, 14.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call(&mut self, inputs: impl Inputs) -> Result<Outputs, RunError> {
        self.run((), inputs)
    }

    /// Computes the outputs.
    ///
    /// The parameters are `&parameters`, or `()` where there are none. [`Inputs`] are pairs of a name and an array of any strides,
    /// such as `("x", &x)`, or several of them. A size that is a symbol takes its value from the arrays fed.
    ///
    /// # Errors
    /// [`RunError`] if an input is missing, unknown, or of another type than declared, if two inputs disagree on a
    /// symbol, or if an operation has no value (an index out of range). The program can be run again.
    #[doc(alias("forward", "predict"))]
    pub fn run(&mut self, parameters: impl AsParameters, inputs: impl Inputs) -> Result<Outputs, RunError> {
        let mut leaves = Vec::new();
        self.runner.bind(parameters.as_parameters(), &inputs, &mut leaves)?;
        self.compute(&leaves)
    }

    /// [`Program::run`], if no operation makes NaN or infinity out of finite numbers; else the first that does.
    ///
    /// Every operation of the simplified graph is first evaluated by itself, by the plainest means: this is for finding
    /// out where a NaN came from, and many times slower than a run. A constant may be infinite, as masks are; what
    /// follows from that is not reported, since not all operands are finite then. An array that is fed may not.
    ///
    /// # Errors
    /// As for [`Program::run`]; also [`RunError::NonFinite`] with the operation and its line, and
    /// [`RunError::NonFiniteLeaf`] with the input or parameter.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph, RunError};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", (3,));
    /// let mut program = g.compile([("y", (1.0 - x).log().sum())])?;
    /// let error = program.run_checked((), ("x", &array![0.5, 1.0, 0.25])).unwrap_err();
    /// let RunError::NonFinite { call: "log", value, element, .. } = &error else { panic!("{error}") };
    /// assert_eq!((*value, element.as_slice()), (f64::NEG_INFINITY, &[1][..]));
    /// println!("{error}"); // `log` (in it `log1p`, node %2) at src/main.rs:5:51 makes -inf of finite numbers, at [1]
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("debug_nans", "detect_anomaly"))]
    pub fn run_checked(&mut self, parameters: impl AsParameters, inputs: impl Inputs) -> Result<Outputs, RunError> {
        let mut leaves = Vec::new();
        self.runner.bind(parameters.as_parameters(), &inputs, &mut leaves)?;
        self.runner.check(&leaves)?;
        self.compute(&leaves)
    }

    fn compute(&mut self, leaves: &[ValueView<'_>]) -> Result<Outputs, RunError> {
        let mut values = self.runner.zeros(..)?;
        let mut views: Vec<ValueViewMut<'_>> = values.iter_mut().map(Value::view_mut).collect();
        self.runner.run(leaves, &mut views)?;
        Ok(Outputs::new(self.runner.names(0).zip(values)))
    }

    /// Computes outputs into arrays of the caller's. A second call with arrays of the same shapes allocates nothing (but
    /// ndarray does, for its views of more than four axes).
    ///
    /// # Errors
    /// As for [`Program::run`]; also if an array named is no output, if one is missing, or if it has another type than
    /// the output.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ());
    /// let mut program = g.compile([("y", x.exp())])?;
    /// let mut y = 0.0;
    /// program.run_into((), ("x", 1.0f64), ("y", &mut y))?;
    /// assert!((y - 1f64.exp()).abs() < 1e-15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "out")]
    pub fn run_into(
        &mut self,
        parameters: impl AsParameters,
        inputs: impl Inputs,
        mut outputs: impl Destinations,
    ) -> Result<(), RunError> {
        let (mut leaves, mut results) = (self.runner.take_leaves(), self.runner.take_results());
        self.runner.bind(parameters.as_parameters(), &inputs, &mut leaves)?;
        self.runner.order(&mut outputs, &mut results)?;
        let done = self.runner.run(&leaves, &mut results);
        self.runner.give_back(leaves, results);
        done
    }

    /// Makes the program keep its inputs and outputs itself, for calls that take less than a microsecond: nothing is
    /// looked up, checked or passed then. The arrays given are the first values; their shapes stay.
    ///
    /// # Errors
    /// As for [`Program::run`].
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ());
    /// let y = x.sin();
    /// let program = g.compile([("y", y), ("slope", g.gradient(y, x))])?;
    /// let mut f = program.attach((), ("x", 0.0))?;
    /// let (at, slope) = (f.input("x").expect("an input"), f.output("slope").expect("an output"));
    /// for x in [0.0f64, 0.5, 1.0] {
    ///     f.write(at)[0] = x;
    ///     f.run()?;
    ///     assert!((f.read::<f64>(slope)[0] - x.cos()).abs() < 1e-15);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "bind")]
    pub fn attach(self, parameters: impl AsParameters, inputs: impl Inputs) -> Result<Attached, RunError> {
        self.runner.attach(parameters.as_parameters(), &inputs)
    }

    /// Runs `n_runs` times and gives the shortest time of each step, with the user's line that it comes from. Where there are
    /// loops, branches or calls it runs as often again, to time the steps of their bodies.
    ///
    /// # Errors
    /// As for [`Program::run`].
    ///
    /// # Example
    /// ```
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", (1000,));
    /// let mut program = g.compile([("y", x.tanh().sum())])?;
    /// let profile = program.profile((), ("x", &ndarray::arr1(&[0.5f32; 1000])), 10)?;
    /// assert_eq!(profile.steps.iter().map(|step| step.flops).sum::<usize>(), 1999);
    /// println!("{profile}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "benchmark")]
    pub fn profile(
        &mut self,
        parameters: impl AsParameters,
        inputs: impl Inputs,
        n_runs: usize,
    ) -> Result<Profile, RunError> {
        self.runner.profile(parameters.as_parameters(), &inputs, n_runs)
    }
}

/// The plan: [`Runner::show`], [`Runner::summary`] and others.
impl Deref for Program {
    type Target = Runner;

    fn deref(&self) -> &Runner {
        &self.runner
    }
}

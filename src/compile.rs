//! The pipeline: graph → checks → derivative → engine → program. What a newcomer reads after `lib.rs`.
//!
//! In: a graph and named results. Out: a [`Program`] or a [`TrainingStep`], or all errors together.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    cancel::CancelToken,
    graph::{Diagnostics, Expr, Graph, IntoResults, MAX_ITERATIONS, NodeId, Op, Parameter, Site, State, UpdateKind},
    names,
    parameters::{self, Layout, ParameterSpec, Parameters},
    plan::{MachineModel, Settings},
    pool::available_threads,
    precompute::{PrecomputeLimits, precompute},
    program::{CompileError, Condition, Declaration, Engine, Program, Runner, Signature, TrainingStep, Untrained},
    reference::Evaluator,
    runtime::{CachingEngine, Execution, InstructionSet, Subgraph},
    simplify::{Mode, Rewrites, Simplification, Simplified, simplify},
};

/// How a graph is compiled.
///
/// # Example
/// ```
/// use pullback::{Graph, Options};
/// let g = Graph::new();
/// let x = g.input("x", ("n",));
/// let options = Options { threads: 1, ..Options::default() };
/// let program = g.compile_with([("y", x.tanh())], &options)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Options {
    /// How many threads a run may use, the caller's among them. The results do not depend on it, to the last bit.
    pub threads: usize,
    /// Which rewrites may be applied before planning, and how much memory constants that are computed beforehand may take
    /// ([`Rewrites::constant_bytes`]).
    pub rewrites: Rewrites,
    /// What computes the numbers.
    pub evaluation: Evaluation,
    /// What [`Graph::is_training`] is: without one, true in what trains and false elsewhere.
    pub mode: Option<Mode>,
    /// Patterns of names of parameters and states that a training step leaves as they are, in which `*` stands for any letters and
    /// `?` for one: with `encoder.*` no gradient of the encoder is computed, no optimizer touches it, by decay neither, and the
    /// running statistics of its norms stay. [`TrainingStep::untrained`] lists the parameters that were found.
    pub frozen: Vec<String>,
    /// Bytes of memory for values between steps, above which elementwise functions of the forward part are computed
    /// again where the backward part reads them element by element, however long that takes; without one, only those
    /// that take less than reading them. Numbers may differ in the rounding of sums, which are cut by the work there
    /// is.
    ///
    /// Loops keep the carries that [`Checkpoints::SquareRoot`](crate::graph::Checkpoints::SquareRoot) says, unless
    /// [`ScanOptions`](crate::ops::ScanOptions) say another number, and compute the others again, to the same bits.
    ///
    /// It is a wish: a plan takes what it needs, which [`Runner::show`] tells. What a product of matrices outside of loops reads
    /// is kept.
    ///
    /// # Source
    /// Griewank and Walther, *Evaluating Derivatives*, 2nd edition, 2008, chapter 12, for what more could be done.
    pub memory_budget: Option<usize>,
    /// The most iterations of a loop whose end depends on its values, where
    /// [`while_loop_bounded`](Graph::while_loop_bounded) states no other number: one more is an error of the run, with the line of
    /// the loop. 10⁸ by default.
    pub max_iterations: usize,
    /// Which vector instructions compute. The results do not depend on it, to the last bit; without one the widest set of the machine,
    /// which is not the fastest for every program on every machine.
    pub instruction_set: Option<InstructionSet>,
    /// Whether steps of a few numbers, as those of scalar functions and of the bodies of loops over them, become machine code when a
    /// program meets new sizes, where the library has the feature `jit`. It takes about a millisecond for a hundred operations, and
    /// the results do not depend on it, to the last bit. [`Program::profile`] tells which steps are machine code.
    pub machine_code: bool,
}

/// What computes the numbers of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Evaluation {
    /// Steps that are fused and planned beforehand.
    Compiled,
    /// One operation after another by the plainest means: slow, and the truth that everything faster is compared with.
    Reference,
}

impl Default for Options {
    /// All threads that the machine runs at once, all rewrites but fast-math, compiled, no budget of memory, 10⁸ iterations, the widest
    /// instruction set of the machine, machine code.
    fn default() -> Options {
        Options {
            threads: available_threads(),
            rewrites: Rewrites::default(),
            evaluation: Evaluation::Compiled,
            mode: None,
            frozen: Vec::new(),
            memory_budget: None,
            max_iterations: MAX_ITERATIONS,
            instruction_set: None,
            machine_code: true,
        }
    }
}

impl Graph {
    /// Makes named results ready to run: one expression (then named `result`), or pairs of a name and an expression.
    ///
    /// # Errors
    /// [`CompileError`] with every error of the graph, or if two outputs have one name, or if a size can be told by no
    /// input.
    ///
    /// # Complexity
    /// Linear in the number of nodes; and values that depend on constants alone are computed, once, up to
    /// [`Rewrites::constant_bytes`].
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, y) = (g.input_of(DType::F64, "x", ()), g.input_of(DType::F64, "y", ()));
    /// let mut program = g.compile([("sum", x + y), ("product", x * y)])?;
    /// let out = program.call((("x", 3.0), ("y", 4.0)))?;
    /// assert_eq!((out.scalar("sum")?, out.scalar("product")?), (7.0, 12.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "jit")]
    pub fn compile<'g>(&'g self, results: impl IntoResults<'g>) -> Result<Program, CompileError> {
        self.compile_with(results, &Options::default())
    }

    /// [`Graph::compile`] with options.
    ///
    /// # Errors
    /// As for [`Graph::compile`].
    pub fn compile_with<'g>(
        &'g self,
        results: impl IntoResults<'g>,
        options: &Options,
    ) -> Result<Program, CompileError> {
        let results = results.into_results();
        self.check()?;
        self.check_outputs(&results)?;
        let runner = match self.in_mode(&ids(&results), options.mode.unwrap_or(Mode::Evaluation)) {
            Some((graph, settled)) => graph.runner(&graph.renamed(&results, &settled), &[], options),
            None => self.runner(&results, &[], options),
        };
        Ok(Program::new(runner?))
    }

    /// A new graph of equal results with fewer operations: one expression (then named `result`), or pairs of a name and
    /// an expression. Inputs and parameters keep their names and types; those that no result needs are left out, but
    /// for an input that alone tells the size of an axis.
    ///
    /// Ask for derivatives first: in the new graph what was behind [`Expr::stop_gradient`] is an ordinary value, and states have no
    /// updates.
    ///
    /// # Errors
    /// Every error of the graph.
    ///
    /// # Complexity
    /// Linear in the number of nodes, in at most sixteen sweeps, and what computing values that depend on constants alone
    /// takes; see [`Rewrites::constant_bytes`].
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Rewrites};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch",));
    /// let y = (1.0 + x.exp()).log() * 1.0 + -(-x);
    /// let simplified = g.simplify([("y", y)], &Rewrites::default())?;
    /// assert_eq!(
    ///     simplified.to_text(),
    ///     "format 1\n\
    ///      %0: f32[batch] = input \"x\"\n\
    ///      %1: f32[batch] = softplus %0\n\
    ///      %2: f32[batch] = add %1, %0\n\
    ///      return y = %2\n"
    /// );
    /// println!("{}", simplified.report);
    /// # Ok::<(), pullback::Diagnostics>(())
    /// ```
    #[doc(alias = "optimize")]
    #[track_caller]
    pub fn simplify<'g>(
        &'g self,
        results: impl IntoResults<'g>,
        options: &Rewrites,
    ) -> Result<Simplification, Diagnostics> {
        let _frame = self.enter("simplify", Site::caller());
        let (names, results): (Vec<String>, Vec<Expr<'g>>) = results.into_results().into_iter().unzip();
        self.refuse(&results);
        self.check()?;
        let ids: Vec<NodeId> = results.iter().map(Expr::id).collect();
        let simplified = simplify_with(self, &ids, options, (Execution::widest(), MAX_ITERATIONS));
        let results = names.into_iter().zip(simplified.results).collect();
        Ok(Simplification { graph: simplified.graph, results, report: simplified.report })
    }

    /// Makes a loss ready to run with its gradient with respect to every parameter that moves it, and with the new values of
    /// states.
    ///
    /// # Errors
    /// As for [`Graph::compile`]; also if the loss is no float scalar.
    ///
    /// # Example
    /// See the crate's first page.
    #[doc(alias = "value_and_grad")]
    #[track_caller]
    pub fn compile_training(&self, loss: Expr<'_>) -> Result<TrainingStep, CompileError> {
        self.compile_training_with(loss, (), &Options::default())
    }

    /// [`Graph::compile_training`] with options, and with further named outputs that are computed in the same step:
    /// metrics, predictions.
    ///
    /// # Errors
    /// As for [`Graph::compile_training`].
    #[track_caller]
    pub fn compile_training_with<'g>(
        &'g self,
        loss: Expr<'g>,
        others: impl IntoResults<'g>,
        options: &Options,
    ) -> Result<TrainingStep, CompileError> {
        let _frame = self.enter("compile_training", Site::caller());
        let mut results = vec![("loss".to_owned(), loss)];
        results.extend(others.into_results());
        self.check()?;
        self.check_outputs(&results)?;
        let mode = options.mode.unwrap_or(Mode::Training);
        let (states, values): (Vec<NodeId>, Vec<NodeId>) = self.set_states(&ids(&results), options).into_iter().unzip();
        let states: Vec<String> = states.into_iter().map(|state| self.name_of(state)).collect();
        let n_results = results.len();
        results.extend(states.iter().zip(values).map(|(name, value)| (format!("update of {name}"), self.expr(value))));
        let states = states.into();
        let step = match self.in_mode(&ids(&results), mode) {
            Some((graph, settled)) => {
                let _frame = graph.enter("compile_training", Site::caller());
                graph.training_step(graph.renamed(&results, &settled), n_results, states, options)
            }
            None => self.training_step(results, n_results, states, options),
        }?;
        Ok(TrainingStep { first_carried: self.first_carried(&step.runner.signature.states)?.into(), ..step })
    }

    /// The states that a training step of these results sets, with their new values: those that are carried, and in the mode of
    /// training those that are not frozen.
    pub(crate) fn set_states(&self, results: &[NodeId], options: &Options) -> Vec<(NodeId, NodeId)> {
        let is_training = options.mode.unwrap_or(Mode::Training) == Mode::Training;
        let mut new_states = self.new_states(results);
        new_states.retain(|(state, _)| {
            let is_frozen = || names::matches_any(&options.frozen, &self.name_of(*state));
            self.is_carried(*state) || (is_training && !is_frozen())
        });
        new_states
    }

    /// The values that the states which a program carries from batch to batch begin with.
    pub(crate) fn first_carried(&self, states: &[Declaration]) -> Result<parameters::State, CompileError> {
        let is_declared = |leaf: &Expr<'_>| states.iter().any(|state| Some(&state.name) == leaf.name().as_ref());
        let carried = self.states().into_iter().filter(|leaf| self.is_carried(leaf.id()) && is_declared(leaf));
        let specs: Vec<ParameterSpec> = carried.filter_map(|leaf| spec(&leaf)).collect();
        // No carried state starts at random.
        Ok(parameters::State::initialize(&specs, 0)?)
    }

    /// The states that are carried on where these results are computed, by name, with what the next batch begins with.
    pub(crate) fn carried<'g>(&'g self, results: &[(String, Expr<'g>)]) -> Vec<(String, Expr<'g>)> {
        let new_states = self.new_states(&ids(results)).into_iter();
        let carried = new_states.filter(|(state, _)| self.is_carried(*state));
        carried.map(|(state, value)| (self.name_of(state), self.expr(value))).collect()
    }

    fn is_carried(&self, state: NodeId) -> bool {
        self.update_kind(state) == Some(UpdateKind::Carried)
    }

    /// The step whose results are a loss, further ones, and from `n_results` on the new values of states.
    fn training_step<'g>(
        &'g self,
        mut results: Vec<(String, Expr<'g>)>,
        n_results: usize,
        updated: Arc<[String]>,
        options: &Options,
    ) -> Result<TrainingStep, CompileError> {
        let updates = results.split_off(n_results);
        let others = results.split_off(1);
        let Trained { parameters, gradients, untrained } = self.trained(results[0].1, &options.frozen)?;
        let names = parameters.iter().map(|parameter| format!("gradient of {}", self.name_of(parameter.id())));
        results.extend(names.zip(gradients).chain(updates).chain(others));
        self.check_outputs(&results)?;
        let runner = self.runner(&results, &updated, options)?;
        let layout = Layout::new(parameters.iter().filter_map(spec).map(|spec| (spec.name, spec.dtype, spec.shape)));
        let layout = Arc::new(layout.map_err(crate::parameters::ParameterError::from)?);
        let first_carried = Arc::default();
        Ok(TrainingStep { runner, layout, untrained, updated, first_carried, spare: Vec::new() })
    }

    /// These nodes of this graph under the names of other results.
    fn renamed<'g>(&'g self, results: &[(String, Expr<'_>)], nodes: &[NodeId]) -> Vec<(String, Expr<'g>)> {
        results.iter().zip(nodes).map(|((name, _), node)| (name.clone(), self.expr(*node))).collect()
    }

    /// The parameters that a loss moves with and that no pattern freezes, with their gradients; and the others.
    fn trained<'g>(&'g self, loss: Expr<'g>, frozen: &[String]) -> Result<Trained<'g>, CompileError> {
        let parameters = self.parameters();
        let names: Vec<String> = parameters.iter().chain(&self.states()).filter_map(Expr::name).collect();
        for pattern in frozen {
            let checked = names::check_pattern(pattern, names.iter().map(String::as_str));
            checked.map_err(|nearest| CompileError::FrozenPattern { pattern: pattern.clone(), nearest })?;
        }
        let is_frozen = |parameter: &Expr<'g>| names::matches_any(frozen, &self.name_of(parameter.id()));
        let (stopped, free): (Vec<_>, Vec<_>) = parameters.into_iter().partition(is_frozen);
        let found = self.gradients_of_moving(loss, &free);
        self.check()?;
        let read = self.ancestors(&[loss.id()]);
        let mut untrained: BTreeMap<NodeId, Untrained> =
            stopped.into_iter().map(|parameter| (parameter.id(), Untrained::Frozen)).collect();
        let (mut parameters, mut gradients) = (Vec::new(), Vec::new());
        for (parameter, gradient) in free.into_iter().zip(found.unwrap_or_default()) {
            match gradient {
                Some(gradient) => {
                    parameters.push(parameter);
                    gradients.push(gradient);
                }
                None => {
                    let is_read = read.binary_search(&parameter.id()).is_ok();
                    let reason = if is_read { Untrained::Stopped } else { Untrained::Unused };
                    untrained.insert(parameter.id(), reason);
                }
            }
        }
        let untrained = untrained.into_iter().map(|(id, reason)| (self.name_of(id), reason)).collect();
        Ok(Trained { parameters, gradients, untrained })
    }

    /// The name of a leaf.
    fn name_of(&self, leaf: NodeId) -> String {
        self.expr(leaf).name().unwrap_or_default()
    }

    /// Draws the first values of all parameters and states by their initializers: the same seed gives the same numbers, and
    /// adding a parameter does not change the others'.
    ///
    /// # Errors
    /// [`CompileError`] with every error of the graph, or if an initializer does not fit its parameter.
    #[doc(alias = "init")]
    pub fn initialize(&self, seed: u64) -> Result<Parameters, CompileError> {
        self.check()?;
        let parameters = Parameters::initialize(self.parameters().iter().filter_map(spec), seed)?;
        let states: Vec<ParameterSpec> = self.states().iter().filter_map(spec).collect();
        Ok(parameters.with_initial_state(&states, seed)?)
    }

    fn runner(
        &self,
        results: &[(String, Expr<'_>)],
        updated: &[String],
        options: &Options,
    ) -> Result<Runner, CompileError> {
        let ids = ids(results);
        let signature = self.signature(results, updated, &self.ancestors(&ids))?;
        let leaves = |graph: &Graph| -> Vec<Option<NodeId>> {
            signature.fed().map(|declaration| Some(graph.named(&declaration.name)?.id())).collect()
        };
        let (engine, report): (Box<dyn Engine>, _) = match options.evaluation {
            Evaluation::Reference => {
                let evaluator = Evaluator::new(self, &leaves(self), &ids);
                (Box::new(evaluator.with_limits(options.max_iterations, CancelToken::default())), None)
            }
            Evaluation::Compiled => {
                let Options { memory_budget, max_iterations, .. } = *options;
                let instruction_set = options.instruction_set.unwrap_or_else(InstructionSet::widest);
                let execution =
                    Execution { n_threads: options.threads, instruction_set, machine_code: options.machine_code };
                let limits = (execution, max_iterations);
                let Simplified { graph, results, report } = simplify_with(self, &ids, &options.rewrites, limits);
                let part = Subgraph { leaves: leaves(&graph), graph, results };
                let settings = Settings { model: MachineModel::DEFAULT, memory_budget, max_iterations };
                (Box::new(CachingEngine::new(part, execution, settings)), Some(Arc::new(report)))
            }
        };
        Ok(Runner::new(Arc::new(signature), engine, report))
    }

    /// That the results are this graph's and have names of their own.
    fn check_outputs(&self, results: &[(String, Expr<'_>)]) -> Result<(), CompileError> {
        let mut sites: HashMap<&str, Site> = HashMap::new();
        for (name, result) in results {
            let second = result.site();
            if !std::ptr::eq(result.graph(), self) {
                return Err(CompileError::ForeignOutput { name: name.clone(), site: second });
            }
            if let Some(first) = sites.insert(name, second) {
                return Err(CompileError::DuplicateOutput { name: name.clone(), first, second });
            }
        }
        Ok(())
    }

    /// What a program of these results is fed and gives that computes the nodes `needed` and sets the states `updated`.
    fn signature(
        &self,
        results: &[(String, Expr<'_>)],
        updated: &[String],
        needed: &[NodeId],
    ) -> Result<Signature, CompileError> {
        if let Some(escaped) = needed.iter().find(|id| matches!(self.node(**id).op, Op::Argument(_))) {
            return Err(CompileError::EscapedArgument { site: self.node(*escaped).provenance.site });
        }
        let declare = |leaf: Expr<'_>| {
            let is_needed = needed.binary_search(&leaf.id()).is_ok();
            Declaration { name: leaf.name().unwrap_or_default(), ty: leaf.ty(), site: leaf.site(), is_needed }
        };
        let inputs: Vec<Declaration> = self.inputs().into_iter().map(declare).collect();
        let parameters = self.parameters().into_iter().map(declare).filter(|parameter| parameter.is_needed).collect();
        let states = self.states().into_iter().map(declare);
        let states = states.filter(|state| state.is_needed || updated.contains(&state.name)).collect();
        let output = |(name, result): &(String, Expr<'_>)| Declaration {
            name: name.clone(),
            ty: result.ty(),
            site: result.site(),
            is_needed: true,
        };
        let symbols = self.symbols(needed, &inputs)?;
        let outputs = results.iter().map(output).collect();
        let conditions = needed.iter().filter_map(|id| Condition::for_node(self, *id)).collect();
        Ok(Signature { inputs, parameters, states, outputs, symbols, conditions })
    }

    /// The symbols in the types of `needed`, if an input can tell each.
    fn symbols(&self, needed: &[NodeId], inputs: &[Declaration]) -> Result<Vec<Arc<str>>, CompileError> {
        let mut first_use: BTreeMap<Arc<str>, Site> = BTreeMap::new();
        for id in needed {
            let node = self.node(*id);
            for symbol in node.symbols() {
                first_use.entry(symbol).or_insert(node.provenance.site);
            }
        }
        let is_told = |symbol: &Arc<str>| {
            inputs.iter().any(|input| input.ty.shape.iter().any(|dim| dim.symbols().contains(symbol)))
        };
        match first_use.iter().find(|(symbol, _)| !is_told(symbol)) {
            Some((symbol, site)) => Err(CompileError::FreeSymbol { symbol: symbol.clone(), site: *site }),
            None => Ok(first_use.into_keys().collect()),
        }
    }
}

fn ids(results: &[(String, Expr<'_>)]) -> Vec<NodeId> {
    results.iter().map(|(_, result)| result.id()).collect()
}

/// What a training step moves, and what not.
struct Trained<'g> {
    parameters: Vec<Expr<'g>>,
    gradients: Vec<Expr<'g>>,
    untrained: Arc<[(String, Untrained)]>,
}

/// How a parameter or state starts.
fn spec(leaf: &Expr<'_>) -> Option<ParameterSpec> {
    match leaf.op() {
        Op::Parameter(Parameter { name, dtype, shape, initializer })
        | Op::State(State { name, dtype, shape, initializer }) => {
            Some(ParameterSpec { name: name.0.to_string(), dtype, shape: shape.as_numbers()?, initializer })
        }
        _ => None,
    }
}

/// A graph simplified for these results, with what depends on constants alone computed as said, by loops of at most so many
/// iterations.
fn simplify_with(
    graph: &Graph,
    results: &[NodeId],
    rewrites: &Rewrites,
    (execution, max_iterations): (Execution, usize),
) -> Simplified {
    let limits = PrecomputeLimits { max_bytes: rewrites.constant_bytes, execution, max_iterations };
    simplify(graph, results, rewrites, &|part, results| precompute(part, results, limits))
}

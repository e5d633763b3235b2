//! The workloads of docs/reference/performance.md, W1 to W14, written once for the benches, the runner and the tests.
//!
//! In: nothing. Out: [`ALL`], each compiled by the public interface alone, fed, and taken step by step. The same bits go
//! into other libraries, so what a workload computes is compared with what they compute. Nothing is timed here.

mod compile;
mod data;
pub(crate) mod functions;
pub(crate) mod networks;
mod residual;
pub(crate) mod runge_kutta;
mod sequences;
pub(crate) mod task;

use std::error::Error;

use pullback::{Expr, Graph, Program, TrainingStep, Value, optim::Optimizer, view::Report};

pub(crate) use compile::Compiler;
pub(crate) use task::Task;

use data::Start;
use task::Check;

/// Arrays by the names of the inputs that they are fed to.
pub(crate) type Inputs = Vec<(&'static str, Value)>;

/// Results by name.
pub(crate) type Results<'g> = Vec<(&'static str, Expr<'g>)>;

/// How far a number may be from what the other libraries compute, relative to its size: they agree among themselves to
/// about 1e-6 in `f32`, and three steps of an optimizer carry a difference on.
pub(crate) const TOLERANCE: f64 = 1e-4;

/// A piece of work with its data.
pub(crate) struct Workload {
    /// The name by which it is asked for.
    pub(crate) name: &'static str,
    inputs: fn() -> Inputs,
    graph: GraphOf,
    /// The numbers that [`Task::check`] must give, as other libraries compute them from the same bits: PyTorch 2.15 those
    /// of W1, W3, W4 and W10 to W13, CasADi 3.8 those of W7, W8 and W14, JAX 0.10 the others.
    pub(crate) expected: &'static [f64],
}

/// What is derived, and what a step is.
enum GraphOf {
    /// A loss and its gradient by all parameters, then an update if there is a rule.
    Loss {
        loss: for<'g> fn(&'g Graph) -> Expr<'g>,
        starts: fn() -> Vec<Start>,
        rule: Option<fn() -> Box<dyn Optimizer>>,
    },
    /// Named results of inputs alone.
    Results { results: for<'g> fn(&'g Graph) -> Results<'g>, check: Check },
}

/// All workloads in the order of the tables.
pub(crate) const ALL: [Workload; 18] = [
    networks::W1,
    networks::W2,
    networks::W3,
    networks::W3B,
    networks::W4,
    networks::W5,
    functions::W6,
    functions::W6L,
    functions::W7,
    functions::W8A,
    functions::W8B,
    functions::W9,
    sequences::W10,
    sequences::W10_256,
    residual::W11,
    sequences::W13,
    functions::W14,
    functions::W14_SCAN,
];

/// The workload of that name.
pub(crate) fn named(name: &str) -> Option<Workload> {
    ALL.into_iter().find(|workload| workload.name == name)
}

/// A graph made ready to run, without data.
pub(crate) enum Compiled {
    /// With the graph that knows the parameters.
    Training(Box<(TrainingStep, Graph)>),
    /// Without parameters.
    Function(Box<Program>),
}

impl Workload {
    /// Builds the graph, derives it and makes it ready to run.
    pub(crate) fn compile(&self, compiler: &Compiler) -> Result<Compiled, Box<dyn Error>> {
        let g = Graph::new();
        Ok(match &self.graph {
            GraphOf::Loss { loss, .. } => {
                let step = compiler.training_step(&g, loss(&g))?;
                Compiled::Training(Box::new((step, g)))
            }
            GraphOf::Results { results, .. } => Compiled::Function(Box::new(compiler.program(&g, results(&g))?)),
        })
    }

    /// Feeds the data: what comes out can take steps.
    pub(crate) fn feed(&self, compiled: Compiled) -> Result<Task, Box<dyn Error>> {
        let inputs = (self.inputs)();
        match (compiled, &self.graph) {
            (Compiled::Training(compiled), GraphOf::Loss { starts, rule, .. }) => {
                let (step, g) = *compiled;
                let parameters = data::start(g.initialize(0)?, &starts())?;
                Ok(Task::training(step, parameters, inputs, rule.map(|rule| rule())))
            }
            (Compiled::Function(program), GraphOf::Results { check, .. }) => {
                Ok(Task::function(*program, inputs, *check))
            }
            _ => Err("a workload is fed to what another one compiled".into()),
        }
    }

    /// Runs it so many times, and gives the page of it with the graph as it was written.
    pub(crate) fn report(&self, compiler: &Compiler, n_runs: usize) -> Result<Report, Box<dyn Error>> {
        let (g, inputs) = (Graph::new(), (self.inputs)());
        match &self.graph {
            GraphOf::Loss { loss, starts, .. } => {
                let loss = loss(&g);
                let mut step = compiler.training_step(&g, loss)?;
                let report = step.report(&data::start(g.initialize(0)?, &starts())?, &inputs, n_runs)?;
                let parameters = g.parameters();
                let names =
                    parameters.iter().map(|parameter| format!("gradient of {}", parameter.name().unwrap_or_default()));
                let results = [("loss".to_owned(), loss)].into_iter().chain(names.zip(g.gradients(loss, &parameters)));
                Ok(report.with_graph(&g, results.collect::<Vec<_>>()))
            }
            GraphOf::Results { results, .. } => {
                let results = results(&g);
                let report = compiler.program(&g, results.clone())?.report((), &inputs, n_runs)?;
                Ok(report.with_graph(&g, results))
            }
        }
    }

    /// Fails unless `found` are the numbers of the other libraries.
    pub(crate) fn verify(&self, found: &[f64]) -> Result<(), String> {
        let is_near = |(found, expected): (&f64, &f64)| (found - expected).abs() <= TOLERANCE * expected.abs();
        if found.len() == self.expected.len() && found.iter().zip(self.expected).all(is_near) {
            return Ok(());
        }
        Err(format!("{} gives {found:?}, and other libraries {:?}", self.name, self.expected))
    }
}

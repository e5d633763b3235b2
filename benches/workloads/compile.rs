//! How the workloads are compiled: the one place that knows the compiler's options. In: a graph and what is wanted of it.
//! Out: what runs.

use pullback::{CompileError, Expr, Graph, InstructionSet, Options, Program, TrainingStep};

use super::Results;

/// The options that all workloads are compiled with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compiler {
    /// How many threads may run a step.
    pub(crate) threads: usize,
    /// Which vector instructions compute.
    pub(crate) instruction_set: InstructionSet,
}

impl Compiler {
    /// With the widest instructions of the machine.
    pub(crate) fn new(threads: usize) -> Compiler {
        Compiler { threads, instruction_set: InstructionSet::widest() }
    }

    /// A loss with its gradient by all parameters.
    pub(crate) fn training_step(self, g: &Graph, loss: Expr<'_>) -> Result<TrainingStep, CompileError> {
        g.compile_training_with(loss, (), &self.options())
    }

    /// Named results.
    pub(crate) fn program<'g>(self, g: &'g Graph, results: Results<'g>) -> Result<Program, CompileError> {
        g.compile_with(results, &self.options())
    }

    fn options(self) -> Options {
        Options { threads: self.threads, instruction_set: Some(self.instruction_set), ..Options::default() }
    }
}

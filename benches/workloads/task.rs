//! A workload at work. In: what was compiled, and arrays. Out: steps that write into memory that is there already, and the
//! numbers by which libraries are compared.

use std::{error::Error, mem};

use pullback::{Attached, Gradients, Parameters, Program, TrainingStep, ValueView, optim::Optimizer};

use super::Inputs;

const LOSSES: usize = 3;

/// Which numbers of a function's results are compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Check {
    /// The first result, and the Euclidean norm of all others.
    ValueAndNorm,
    /// The Euclidean norm of all results.
    Norm,
    /// All elements of all results.
    Elements,
}

/// What can take a step.
pub(crate) enum Task {
    /// Loss and gradient, and an update where there is a rule.
    Training(Box<Training>),
    /// The results of a program.
    Function(Box<Function>),
}

/// A training step with all that it reads and writes.
pub(crate) struct Training {
    step: TrainingStep,
    parameters: Parameters,
    gradients: Gradients,
    inputs: Inputs,
    rule: Option<Box<dyn Optimizer>>,
    /// Those of the first steps.
    losses: Vec<f64>,
}

/// A function that keeps its arrays, once it has taken a step.
pub(crate) struct Function {
    state: State,
    outputs: Vec<String>,
    check: Check,
}

/// A function before and after its first step.
enum State {
    Fresh(Box<Program>, Inputs),
    Running(Attached),
    /// While one becomes the other.
    Taken,
}

impl Task {
    pub(super) fn training(
        step: TrainingStep,
        parameters: Parameters,
        inputs: Inputs,
        rule: Option<Box<dyn Optimizer>>,
    ) -> Task {
        let gradients = Gradients::zeros(parameters.layout().clone());
        let losses = Vec::with_capacity(LOSSES);
        Task::Training(Box::new(Training { step, parameters, gradients, inputs, rule, losses }))
    }

    pub(super) fn function(program: Program, inputs: Inputs, check: Check) -> Task {
        let outputs = program.outputs().map(|(name, _)| name.to_owned()).collect();
        Task::Function(Box::new(Function { state: State::Fresh(Box::new(program), inputs), outputs, check }))
    }

    /// One step.
    pub(crate) fn step(&mut self) -> Result<(), Box<dyn Error>> {
        match self {
            Task::Training(training) => training.step(),
            Task::Function(function) => function.step(),
        }
    }

    /// The plan, and the time of each of its steps.
    pub(crate) fn profile(&mut self, n_runs: usize) -> Result<String, Box<dyn Error>> {
        let (plan, profile) = match self {
            Task::Training(training) => {
                let Training { step, parameters, inputs, .. } = training.as_mut();
                let profile = step.profile(parameters, &*inputs, n_runs)?;
                (step.show([])?, profile)
            }
            Task::Function(function) => {
                let State::Fresh(program, inputs) = &mut function.state else {
                    return Err("a function is profiled before its first step".into());
                };
                let profile = program.profile((), &*inputs, n_runs)?;
                (program.show([])?, profile)
            }
        };
        Ok(format!("{plan}\n{profile}"))
    }

    /// What the pass of planning with this name leaves, as text: each time, where it ran for several orders of the steps.
    pub(crate) fn pass(&mut self, name: &str) -> Result<String, Box<dyn Error>> {
        let passes = match self {
            Task::Training(training) => {
                training.step()?;
                training.step.passes([])?
            }
            Task::Function(function) => {
                let State::Fresh(program, inputs) = &mut function.state else {
                    return Err("the passes of a function are read before its first step".into());
                };
                program.call(&*inputs)?;
                program.passes([])?
            }
        };
        let texts: Vec<&str> = passes.iter().filter(|pass| pass.name == name).map(|pass| pass.text.as_str()).collect();
        if texts.is_empty() {
            let mut names: Vec<&str> = passes.iter().map(|pass| pass.name).collect();
            names.sort_unstable();
            names.dedup();
            return Err(format!("there is no pass `{name}`, but {}", names.join(", ")).into());
        }
        Ok(texts.join("\n"))
    }

    /// The losses of the first three steps where there is a rule; the loss and the norm of its whole gradient where there
    /// is none; else what the function's [`Check`] says. Steps are taken as needed.
    pub(crate) fn check(&mut self) -> Result<Vec<f64>, Box<dyn Error>> {
        match self {
            Task::Training(training) => training.check(),
            Task::Function(function) => function.check(),
        }
    }
}

impl Training {
    fn step(&mut self) -> Result<(), Box<dyn Error>> {
        let (loss, _) = self.step.run_into(&self.parameters, &self.inputs, &mut self.gradients)?;
        if self.losses.len() < LOSSES {
            self.losses.push(loss);
        }
        if let Some(rule) = &mut self.rule {
            rule.step(&mut self.parameters, &self.gradients)?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<Vec<f64>, Box<dyn Error>> {
        let needed = if self.rule.is_some() { LOSSES } else { 1 };
        while self.losses.len() < needed {
            self.step()?;
        }
        match self.rule {
            Some(_) => Ok(self.losses.clone()),
            None => Ok(vec![self.losses[0], norm(self.gradients.iter().flat_map(|(_, view)| elements(view)))]),
        }
    }
}

impl Function {
    fn step(&mut self) -> Result<(), Box<dyn Error>> {
        if let State::Running(program) = &mut self.state {
            return Ok(program.run()?);
        }
        if let State::Fresh(program, inputs) = mem::replace(&mut self.state, State::Taken) {
            self.state = State::Running(program.attach((), &inputs)?);
        }
        Ok(())
    }

    fn check(&mut self) -> Result<Vec<f64>, Box<dyn Error>> {
        self.step()?;
        let State::Running(program) = &self.state else { return Err("the function has not run".into()) };
        let outputs = self.outputs.iter().filter_map(|name| program.output(name));
        let mut numbers = outputs.flat_map(|output| elements(program.output_view(output)));
        Ok(match self.check {
            Check::Norm => vec![norm(numbers)],
            Check::Elements => numbers.collect(),
            Check::ValueAndNorm => {
                let value = numbers.next().ok_or("there is no result")?;
                vec![value, norm(numbers)]
            }
        })
    }
}

/// The floats of an array.
fn elements(view: ValueView<'_>) -> Vec<f64> {
    match view {
        ValueView::F32(array) => array.iter().map(|x| f64::from(*x)).collect(),
        ValueView::F64(array) => array.iter().copied().collect(),
        ValueView::I64(_) | ValueView::Bool(_) => Vec::new(),
    }
}

fn norm(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|x| x * x).sum::<f64>().sqrt()
}

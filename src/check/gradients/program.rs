//! Gradients that a compiled program gives. In: a program or training step, which outputs are what, and a point. Out: the same report
//! as for a graph, of differences of the value that the program computes, as it computes it.

use super::{
    GradientCheckOptions, GradientVerdict,
    compare::{FirstOrder, Scalar, Settings, Variable, displaced, first_order},
    difference::Precision,
    error::GradientCheckError,
    report::{GradientReport, VariableCheck},
    verdict, worst_of,
};
use crate::{
    check::prove::numbers,
    graph::{Bindings, DType, Value},
    names,
    program::{AsParameters, Inputs, Runner, TrainingStep},
};

/// Checks gradients that a compiled program computes, with fused kernels, rewrites and all: `value` is the name of an output that is a
/// float scalar, and each pair is the name of an input or parameter and of the output that is to be the gradient of the value by it. The
/// program itself is run for the differences, which are those of [`gradients`](super::gradients), at first order; it is not changed.
///
/// # Errors
/// [`GradientCheckError`] if an output, input or parameter is not there, or of the wrong shape, if the value is no float scalar or is
/// not finite at the point, or if the program does not run.
///
/// # Complexity
/// Five runs for each element that is moved.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, check};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", (2,));
/// let f = x.powi(3).sum();
/// let program = g.compile([("f", f), ("slope", g.gradient(f, x)), ("wrong", x.square())])?;
/// let at = ((), ("x", [0.5, -1.0]));
/// assert!(check::program_gradients(&program, "f", &[("x", "slope")], at)?.is_right());
/// assert!(!check::program_gradients(&program, "f", &[("x", "wrong")], at)?.is_right());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "gradcheck")]
pub fn program_gradients(
    program: &Runner,
    value: &str,
    gradients: &[(&str, &str)],
    at: (impl AsParameters, impl Inputs),
) -> Result<GradientReport, GradientCheckError> {
    program_gradients_with(program, value, gradients, at, &GradientCheckOptions::default())
}

/// [`program_gradients`] with options, of which `variables`, `order` and `mode` say nothing here.
///
/// # Errors
/// As for [`program_gradients`]; also [`GradientCheckError::Setting`].
pub fn program_gradients_with(
    program: &Runner,
    value: &str,
    gradients: &[(&str, &str)],
    at: (impl AsParameters, impl Inputs),
    options: &GradientCheckOptions,
) -> Result<GradientReport, GradientCheckError> {
    let settings = options.settings()?;
    let (leaf_names, leaves, bindings) = program.point(at.0.as_parameters(), &at.1)?;
    let output = |name: &str| output(program, name);
    let value = output(value)?;
    let declared = &program.signature.outputs[value];
    if declared.ty.shape.rank() != 0 || !declared.ty.dtype.is_float() {
        return Err(GradientCheckError::NotScalar { found: declared.ty.clone(), site: declared.site });
    }
    let site = declared.site;
    let mut pairs = Vec::with_capacity(gradients.len());
    for (name, gradient) in gradients {
        pairs.push((variable(program, &leaf_names, name)?, output(gradient)?));
    }
    if pairs.is_empty() {
        return Err(GradientCheckError::NoVariables { site });
    }
    let function = Compiled { runner: program.clone(), leaves, bindings, value };
    let (value, variables) = function.compare(&pairs, &settings)?;
    let found = worst_of(&variables).map(|(variable, order, agreement)| verdict(variable, order, agreement, None));
    Ok(GradientReport { value, site, variables, verdict: found.unwrap_or(GradientVerdict::Right) })
}

/// Checks the gradients of all parameters that a training step moves, as [`program_gradients`] does. No state is set.
///
/// # Errors
/// As for [`program_gradients`].
///
/// # Example
/// ```
/// use pullback::{DType, Graph, Initializer, check};
/// let g = Graph::new();
/// let w = g.parameter_of(DType::F64, "w", (3,), Initializer::Constant(0.4));
/// let loss = (w * g.input_of(DType::F64, "x", ("batch", 3))).sin().mean();
/// let step = g.compile_training(loss)?;
/// let report = check::training_gradients(&step, (&g.initialize(0)?, ("x", ndarray::array![[0.5, 1.0, 2.0]])))?;
/// assert!(report.is_right(), "{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn training_gradients(
    step: &TrainingStep,
    at: (impl AsParameters, impl Inputs),
) -> Result<GradientReport, GradientCheckError> {
    training_gradients_with(step, at, &GradientCheckOptions::default())
}

/// [`training_gradients`] with options, of which `order` and `mode` say nothing here.
///
/// # Errors
/// As for [`training_gradients`]; also [`GradientCheckError::Setting`].
pub fn training_gradients_with(
    step: &TrainingStep,
    at: (impl AsParameters, impl Inputs),
    options: &GradientCheckOptions,
) -> Result<GradientReport, GradientCheckError> {
    let trained: Vec<&str> = step.layout.names().collect();
    let chosen: Vec<&str> = match &options.variables {
        Some(chosen) => chosen.iter().map(String::as_str).collect(),
        None => trained.clone(),
    };
    if let Some(unknown) = chosen.iter().find(|name| !trained.contains(name)) {
        let nearest = names::nearest(unknown, trained.iter().copied());
        return Err(GradientCheckError::UnknownVariable { name: (*unknown).to_owned(), nearest });
    }
    let outputs: Vec<String> = chosen.iter().map(|name| format!("gradient of {name}")).collect();
    let pairs: Vec<(&str, &str)> = chosen.iter().copied().zip(outputs.iter().map(String::as_str)).collect();
    program_gradients_with(step, "loss", &pairs, at, options)
}

fn output(program: &Runner, name: &str) -> Result<usize, GradientCheckError> {
    let outputs = &program.signature.outputs;
    outputs.iter().position(|output| output.name == name).ok_or_else(|| {
        let nearest = names::nearest(name, outputs.iter().map(|output| output.name.as_str()));
        GradientCheckError::UnknownOutput { name: name.to_owned(), nearest }
    })
}

fn variable(program: &Runner, leaf_names: &[String], name: &str) -> Result<Variable, GradientCheckError> {
    let position = leaf_names.iter().position(|leaf| leaf == name);
    let Some((leaf, declared)) = position.zip(program.signature.fed().find(|leaf| leaf.name == name)) else {
        let nearest = names::nearest(name, leaf_names.iter().map(String::as_str));
        return Err(GradientCheckError::UnknownVariable { name: name.to_owned(), nearest });
    };
    let (name, site) = (name.to_owned(), declared.site);
    if declared.ty.dtype.is_float() {
        return Ok(Variable { leaf, name, site });
    }
    Err(GradientCheckError::NotFloat { name, found: declared.ty.clone(), site })
}

/// A program at a point.
struct Compiled {
    runner: Runner,
    leaves: Vec<Value>,
    bindings: Bindings,
    /// The output that is differentiated.
    value: usize,
}

impl Compiled {
    /// The value at the point, and each variable with the output that is to be its gradient.
    fn compare(
        mut self,
        pairs: &[(Variable, usize)],
        settings: &Settings,
    ) -> Result<(f64, Vec<VariableCheck>), GradientCheckError> {
        let outputs = self.runner.evaluate_at(&self.leaves, &self.bindings)?;
        let value = numbers(&outputs[self.value])[0];
        if !value.is_finite() {
            return Err(GradientCheckError::NotFinite { value, site: self.runner.signature.outputs[self.value].site });
        }
        let single = |value: &Value| value.dtype() == DType::F32;
        let is_single = self.leaves.iter().any(single) || outputs.iter().any(single);
        let precision = settings.tolerant(if is_single { Precision::SINGLE } else { Precision::DOUBLE });
        let mut checks = Vec::with_capacity(pairs.len());
        for (position, (variable, output)) in pairs.iter().enumerate() {
            let (x, gradient) = (self.leaves[variable.leaf].clone(), &outputs[*output]);
            self.check_shape(variable, *output, [x.shape(), gradient.shape()])?;
            let found = first_order(&mut self, (position, variable), (&x, gradient), (settings, precision))?;
            let FirstOrder { n_elements, n_checked, worst: first } = found;
            let (name, site) = (variable.name.clone(), variable.site);
            checks.push(VariableCheck { name, site, n_elements, n_checked, first, second: None });
        }
        Ok((value, checks))
    }

    fn check_shape(
        &self,
        variable: &Variable,
        output: usize,
        [expected, found]: [&[usize]; 2],
    ) -> Result<(), GradientCheckError> {
        if expected == found {
            return Ok(());
        }
        let (output, variable) = (self.runner.signature.outputs[output].name.clone(), variable.name.clone());
        Err(GradientCheckError::GradientShape { output, variable, expected: expected.to_vec(), found: found.to_vec() })
    }
}

impl Scalar for Compiled {
    fn value_at(&mut self, leaf: usize, direction: &[f64], offset: f64) -> Result<f64, GradientCheckError> {
        let moved = displaced(&self.leaves[leaf], direction, offset);
        let kept = std::mem::replace(&mut self.leaves[leaf], moved);
        let outputs = self.runner.evaluate_at(&self.leaves, &self.bindings);
        self.leaves[leaf] = kept;
        Ok(numbers(&outputs?[self.value])[0])
    }

    fn along(&mut self, _: usize, _: &[f64]) -> Result<Option<f64>, GradientCheckError> {
        Ok(None)
    }
}

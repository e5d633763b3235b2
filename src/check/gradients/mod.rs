//! Gradients of users, held against differences. In: a scalar of a graph, or the outputs of a program, and a point. Out: a
//! [`GradientReport`]: the worst element of each variable, and the first operation whose derivative is wrong.
//!
//! `compare.rs` chooses elements, `difference.rs` differentiates numerically, `function.rs` evaluates op by op, `program.rs` runs
//! what was compiled, and `locate.rs` looks for the operation.

mod compare;
mod difference;
mod error;
mod function;
mod locate;
mod program;
mod report;

use compare::{Settings, Variable};
pub use error::GradientCheckError;
use function::{Function, Leaf};
use locate::{Wanted, first_operation};
pub use program::{program_gradients, program_gradients_with, training_gradients, training_gradients_with};
pub use report::{Agreement, ElementCheck, GradientReport, GradientVerdict, SuspectOperation, VariableCheck};

use crate::{
    Mode, Options,
    check::prove::numbers,
    graph::{Bindings, Body, Expr, Graph, NodeId, Value},
    names,
    program::{AsParameters, FiniteChecker, Inputs, RunError},
};

/// How gradients are checked.
///
/// # Example
/// ```
/// use pullback::check::GradientCheckOptions;
/// let options = GradientCheckOptions { order: 1, variables: Some(vec!["w".into()]), ..GradientCheckOptions::default() };
/// assert_eq!(options.max_elements, 32);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GradientCheckOptions {
    /// The inputs and parameters to differentiate by; without names, all floats that the scalar needs.
    pub variables: Option<Vec<String>>,
    /// 1 for gradients; 2 for Hessian–vector products too, which a check of a program has none of.
    pub order: usize,
    /// So many elements of each variable are moved one by one. Of a variable with more they are drawn at random, and one more
    /// difference goes along a random direction of all its elements, so that each of them counts.
    pub max_elements: usize,
    /// Of what is drawn.
    pub seed: u64,
    /// The error that is allowed, as a part of the derivative or of the greatest derivative by the same variable; rounding of the
    /// difference comes on top. Without one 10⁻⁶, or 2·10⁻³ where anything is computed in f32.
    pub tolerance: Option<f64>,
    /// What [`Graph::is_training`] is.
    pub mode: Mode,
}

impl Default for GradientCheckOptions {
    /// All variables, both orders, 32 elements, seed 0, the tolerance of the dtype, in the mode of evaluation.
    fn default() -> GradientCheckOptions {
        let (variables, order, max_elements) = (None, 2, 32);
        GradientCheckOptions { variables, order, max_elements, seed: 0, tolerance: None, mode: Mode::Evaluation }
    }
}

impl GradientCheckOptions {
    fn settings(&self) -> Result<Settings, GradientCheckError> {
        let setting = |name, expected, found| Err(GradientCheckError::Setting { name, expected, found });
        if !(1..=2).contains(&self.order) {
            return setting("order", "1 or 2", self.order as f64);
        }
        if let Some(tolerance) = self.tolerance.filter(|tolerance| !(tolerance.is_finite() && *tolerance > 0.0)) {
            return setting("tolerance", "positive and finite", tolerance);
        }
        let GradientCheckOptions { max_elements, seed, order, tolerance, .. } = *self;
        Ok(Settings { max_elements, seed, order, tolerance })
    }
}

/// Checks the derivatives of a float scalar at a point: by every float input and parameter that it needs, in reverse and in forward
/// mode, at first and second order, beside differences of values that are computed op by op. `at` is what
/// [`Program::run`](crate::Program::run) is given, as a pair: parameters (`()` for none) and inputs.
///
/// With D(h) = (f(x + h·e) − f(x − h·e)) / 2h for a unit vector e, the gradient along e is compared with (4·D(h/2) − D(h)) / 3, and
/// the product of the Hessian with a random direction v, by forward over reverse and by reverse over reverse mode, with the same
/// differences of the gradient along v. The first step is h = ε^(1/5)·max(1, |x|), 7·10⁻⁴ in f64 and 0.04 in f32; where that
/// does not agree it is an eighth, at most three times in f64 and once in f32. An error is allowed of `tolerance`·max(|difference|,
/// greatest derivative of the variable) + 16·ε·max(1, |f|)/h. A graph with f32 in it is evaluated as it is, by steps and tolerance of
/// f32.
///
/// A derivative that is wrong is traced to the first operation whose own derivative is not that of its value, into bodies of loops,
/// branches and calls too, as far as their first iteration shows it. `stop_gradient` and straight-through estimators are found as well:
/// that they differ on purpose is not known here. Kinks are told from mistakes by differences to both sides.
///
/// # Errors
/// [`GradientCheckError`] if f is no float scalar, does not compile or is not finite at the point, or if something is fed or named that
/// is not there. A wrong gradient is no error, but what the report says.
///
/// # Complexity
/// Five values and a forward derivative for each element that is moved, ten gradients and two Hessian–vector products, each op by op;
/// more where something disagrees.
///
/// # Source
/// Richardson, *The approximate arithmetical solution by finite differences*, 1911; for the step, Press, Teukolsky, Vetterling and
/// Flannery, *Numerical Recipes*, 3rd edition, 2007, section 5.7.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, check::{self, GradientVerdict}};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", (3,));
/// let at = ((), ("x", [0.1, -0.4, 2.0]));
/// assert!(check::gradients(&g, (x.sin() / (1.0 + x * x)).sum(), at)?.is_right());
///
/// let wrong = g.with_derivative(x.exp(), x.exp().sin(), |u, _, tangent| u.sin() * tangent); // cos u
/// let report = check::gradients(&g, wrong.square().sum(), at)?;
/// let GradientVerdict::Wrong { operation: Some(operation), .. } = &report.verdict else { panic!("{report}") };
/// assert_eq!(operation.call, "with_derivative"); // and operation.site is its line
/// println!("{report}");
/// # Ok::<(), pullback::check::GradientCheckError>(())
/// ```
#[doc(alias("gradcheck", "check_grads", "finite_differences"))]
pub fn gradients(
    graph: &Graph,
    f: Expr<'_>,
    at: (impl AsParameters, impl Inputs),
) -> Result<GradientReport, GradientCheckError> {
    gradients_with(graph, f, at, &GradientCheckOptions::default())
}

/// [`gradients`] with options.
///
/// # Errors
/// As for [`gradients`]; also [`GradientCheckError::Setting`].
pub fn gradients_with(
    graph: &Graph,
    f: Expr<'_>,
    at: (impl AsParameters, impl Inputs),
    options: &GradientCheckOptions,
) -> Result<GradientReport, GradientCheckError> {
    let settings = options.settings()?;
    if !f.is_poisoned() && (f.rank() != 0 || !f.dtype().is_float()) {
        return Err(GradientCheckError::NotScalar { found: f.ty(), site: f.site() });
    }
    let compiled = graph.compile_with(f, &Options { mode: Some(options.mode), ..Options::default() })?;
    let (leaf_names, values, bindings) = compiled.point(at.0.as_parameters(), &at.1)?;
    let (copy, result) = match graph.in_mode(&[f.id()], options.mode) {
        Some((copy, results)) => (copy, results[0]),
        None => (Body::of_graph(graph, &[f.id()]).thaw(), f.id()),
    };
    let leaf = |name: &String| copy.named(name).expect("invariant: a copy has the leaves").id();
    let leaves: Vec<Leaf> =
        leaf_names.iter().zip(values).map(|(name, value)| Leaf { node: leaf(name), value }).collect();
    let all = variables(&copy, copy.expr(result), &leaves, options)?;
    let function = Function { graph: &copy, value: copy.expr(result), leaves, variables: all, bindings: &bindings };
    check(&function, &settings)
}

/// The variables that were asked for.
fn variables(
    graph: &Graph,
    f: Expr<'_>,
    leaves: &[Leaf],
    options: &GradientCheckOptions,
) -> Result<Vec<Variable>, GradientCheckError> {
    let needed = graph.ancestors(&[f.id()]);
    let is_variable = |leaf: &Leaf| {
        let is_state = graph.states().iter().any(|state| state.id() == leaf.node);
        !is_state && needed.binary_search(&leaf.node).is_ok()
    };
    let variable = |(leaf, Leaf { node, .. }): (usize, &Leaf)| {
        let expr = graph.expr(*node);
        Variable { leaf, name: expr.name().unwrap_or_default(), site: expr.site() }
    };
    let known = leaves.iter().enumerate().filter(|(_, leaf)| is_variable(leaf)).map(variable);
    let (known, others): (Vec<Variable>, Vec<Variable>) =
        known.partition(|variable| leaves[variable.leaf].value.dtype().is_float());
    let Some(chosen) = &options.variables else {
        return if known.is_empty() { Err(GradientCheckError::NoVariables { site: f.site() }) } else { Ok(known) };
    };
    if chosen.is_empty() {
        return Err(GradientCheckError::NoVariables { site: f.site() });
    }
    for name in chosen {
        if let Some(Variable { leaf, name, site }) = others.iter().find(|other| other.name == *name) {
            let found = leaves[*leaf].value.ty();
            return Err(GradientCheckError::NotFloat { name: name.clone(), found, site: *site });
        }
        if !known.iter().any(|variable| variable.name == *name) {
            let nearest = names::nearest(name, known.iter().map(|variable| variable.name.as_str()));
            return Err(GradientCheckError::UnknownVariable { name: name.clone(), nearest });
        }
    }
    Ok(known.into_iter().filter(|variable| chosen.contains(&variable.name)).collect())
}

/// The report of a function.
fn check(function: &Function<'_>, settings: &Settings) -> Result<GradientReport, GradientCheckError> {
    let (graph, f) = (function.graph, function.value);
    let nodes = graph.ancestors(&[f.id()]);
    let site = f.site();
    let value = value_of(function)?;
    if !value.is_finite() {
        return Err(GradientCheckError::NotFinite { value, site });
    }
    let variables = function.compare(settings)?;
    let verdict = match worst_of(&variables) {
        None => GradientVerdict::Right,
        Some((variable, order, agreement)) => {
            let operation = match agreement {
                Agreement::NotFinite => first_not_finite(function)?,
                _ => {
                    let wanted = Wanted { agreement, order, settings, bindings: function.bindings };
                    first_operation(graph, &nodes, &function.leaves, wanted)?
                }
            };
            verdict(variable, order, agreement, operation)
        }
    };
    Ok(GradientReport { value, site, variables, verdict })
}

fn value_of(function: &Function<'_>) -> Result<f64, GradientCheckError> {
    let leaves: Vec<Option<NodeId>> = function.leaves.iter().map(|leaf| Some(leaf.node)).collect();
    let values: Vec<Value> = function.leaves.iter().map(|leaf| leaf.value.clone()).collect();
    let evaluator = crate::reference::Evaluator::new(function.graph, &leaves, &[function.value.id()]);
    Ok(numbers(&evaluator.evaluate(&values, function.bindings)?[0])[0])
}

/// The first variable, order and kind of what is least right; an order comes before the next, since that is made of it.
fn worst_of(variables: &[VariableCheck]) -> Option<(String, usize, Agreement)> {
    let first = variables.iter().map(|variable| (variable, 1, &variable.first));
    let second = variables.iter().map(|variable| (variable, 2, &variable.second));
    let found = first.chain(second).filter_map(|(variable, order, check)| {
        let agreement = check.as_ref()?.agreement;
        (agreement != Agreement::Agrees).then(|| (variable.name.clone(), order, agreement))
    });
    found.reduce(|worst, other| if other.2 > worst.2 { other } else { worst })
}

fn verdict(
    variable: String,
    order: usize,
    agreement: Agreement,
    operation: Option<SuspectOperation>,
) -> GradientVerdict {
    match agreement {
        Agreement::Differs => GradientVerdict::Wrong { variable, order, operation },
        _ => GradientVerdict::Explained { variable, order, agreement, operation },
    }
}

/// The first operation, of the gradients' too, that makes NaN or infinity of finite numbers.
fn first_not_finite(function: &Function<'_>) -> Result<Option<SuspectOperation>, GradientCheckError> {
    let mut gradients = function.gradients()?;
    let views: Vec<_> = function.leaves.iter().map(|leaf| leaf.value.view()).collect();
    let bindings: &Bindings = function.bindings;
    match FiniteChecker::check(&mut gradients, &views, bindings) {
        Err(RunError::NonFinite { call, operation, site, .. }) => {
            let (call, operation) = (call.to_owned(), operation.to_owned());
            Ok(Some(SuspectOperation { call, operation, site, operand: None, check: None }))
        }
        Err(error) => Err(error.into()),
        Ok(()) => Ok(None),
    }
}

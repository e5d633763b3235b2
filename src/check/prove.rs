//! The proof of a rule, the same for every primitive. In: a [`Sample`]. Out: nothing, or the property that fails.
//!
//! With y = f(x), fixed ū, v and w, and H the Hessian of ⟨ū, f⟩:
//! - the shape rule gives what the kernel returns, and the kernel in f32 agrees with the kernel in f64;
//! - ⟨Jᵀū, v⟩ = ⟨ū, Jv⟩, reverse against forward mode; vᵀHw by reverse over reverse and by forward over reverse;
//! - Jᵀū and Hv agree with central differences, coordinate by coordinate;
//! - ⟨ū, Jv⟩ and vᵀHw agree with dual numbers and duals of duals, which do not use the rules; operations of the user's own,
//!   which are written over f64, take none.

use thiserror::Error;

use super::dual::Dual;
use crate::{
    graph::{Bindings, DType, Diagnostics, Expr, Graph, NodeId, Shape, Site, Value},
    ops::{Number, OpError, Real, Sample, Smoothness, infer, reals},
    program::{CompileError, RunError},
    reference::Evaluator,
};

/// Central differences in f64: truncation h²f‴/6 and rounding ε·f/h are both near 1e-10.
const STEP: f64 = 6e-6;
const DIFFERENCE_TOLERANCE: f64 = 1e-6;
/// Two orders of summation of the same few products.
pub(super) const EXACT_TOLERANCE: f64 = 1e-12;
/// Rounding of a handful of f32 operations.
const SINGLE_TOLERANCE: f64 = 2e-5;

/// A property that a rule does not have.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The sample itself is no valid use of the primitive.
    #[error(transparent)]
    Graph(#[from] Diagnostics),
    /// The kernel gives no value.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The primitive does not compile.
    #[error(transparent)]
    Compile(CompileError),
    /// An operation that goes by rows has no value for one of them.
    #[error("row {row}: {error}")]
    Rows {
        /// The row.
        row: usize,
        /// What is wrong.
        error: OpError,
    },
    /// A proof is by numbers, so sizes are numbers.
    #[error("the shape {shape} has a symbol in it")]
    Symbolic {
        /// The shape.
        shape: Shape,
    },
    /// A leaf without a value that it can be proved at.
    #[error("{leaf} {problem}")]
    Leaf {
        /// The leaf.
        leaf: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The kernel's output is not of the inferred type.
    #[error("the shape rule gives {inferred}, the kernel {found}")]
    Type {
        /// By the shape rule.
        inferred: String,
        /// By the kernel.
        found: String,
    },
    /// Two ways to one number differ.
    #[error("{property} {position}: {found} against {expected}")]
    Differs {
        /// Which two ways.
        property: &'static str,
        /// The coordinate, where there is one.
        position: usize,
        /// By the rule.
        found: f64,
        /// By the independent way.
        expected: f64,
    },
}

/// Proves shape rule, kernel and linearization of a primitive at a sample, at first and second order.
///
/// # Errors
/// The first property that fails.
///
/// # Example
/// ```
/// for sample in pullback::ops::samples() {
///     pullback::check::prove(&sample).expect("every rule holds");
/// }
/// ```
#[doc(alias("gradcheck", "check_grads", "gradient_check"))]
pub fn prove(sample: &Sample) -> Result<(), RuleError> {
    let graph = Graph::new();
    let (operands, output) = build(&graph, sample, &sample.operands)?;
    let leaves: Vec<(Expr<'_>, Value)> = operands.into_iter().zip(sample.operands.iter().cloned()).collect();
    single_precision(sample, output, &leaves)?;
    prove_expression(output, &leaves, sample.smoothness)
}

/// Proves the derivatives of any expression, at first and second order, at the values given for its leaves: the proof
/// of a model of one's own in one line.
///
/// # Errors
/// The first property that fails.
///
/// # Complexity
/// Two evaluations of value and gradient for each element of the float leaves: for small arrays.
///
/// # Example
/// ```
/// use pullback::{DType, Graph, check::prove_expression, ops::Smoothness};
/// let g = Graph::new();
/// let x = g.input_of(DType::F64, "x", (3,));
/// let at = ndarray::arr1(&[0.1, -0.4, 2.0]);
/// prove_expression((x.sin() / (1.0 + x * x)).sum(), &[(x, at.into())], Smoothness::Smooth)?;
/// # Ok::<(), pullback::check::RuleError>(())
/// ```
#[doc(alias("gradcheck", "check_grads"))]
#[track_caller]
pub fn prove_expression(
    output: Expr<'_>,
    leaves: &[(Expr<'_>, Value)],
    smoothness: Smoothness,
) -> Result<(), RuleError> {
    let graph = output.graph();
    let _frame = graph.enter("prove", Site::caller());
    graph.check()?;
    for expr in leaves.iter().map(|(leaf, _)| leaf).chain([&output]) {
        if expr.shape().as_numbers().is_none() {
            return Err(RuleError::Symbolic { shape: expr.shape() });
        }
    }
    check_leaves(output, leaves)?;
    let (operands, values): (Vec<Expr<'_>>, Vec<Value>) = leaves.iter().cloned().unzip();
    let moving: Vec<usize> = (0..operands.len()).filter(|leaf| operands[*leaf].dtype().is_float()).collect();
    let xs = moving.iter().map(|leaf| operands[*leaf]).collect();
    let proof = Proof { graph, operands, values, moving, xs, output, smoothness };
    proof.shape_rule()?;
    if output.dtype().is_float() && !proof.xs.is_empty() {
        proof.derivatives()?;
    }
    Ok(())
}

/// That every leaf is given, with a value of its type, and that none is `f32`, whose differences are all rounding.
fn check_leaves(output: Expr<'_>, leaves: &[(Expr<'_>, Value)]) -> Result<(), RuleError> {
    let graph = output.graph();
    let describe = |leaf: Expr<'_>| format!("{leaf:?}");
    for (leaf, value) in leaves {
        if value.ty() != leaf.ty() {
            return Err(RuleError::Leaf { leaf: describe(*leaf), problem: "has a value of another type" });
        }
        if leaf.dtype() == DType::F32 {
            return Err(RuleError::Leaf {
                leaf: describe(*leaf),
                problem: "must be f64 for differences to mean anything",
            });
        }
    }
    let is_given = |leaf: Expr<'_>| leaves.iter().any(|(given, _)| given.is_same(leaf));
    let ancestors = graph.ancestors(&[output.id()]).into_iter().map(|id| graph.expr(id));
    match ancestors.filter(|expr| expr.name().is_some()).find(|leaf| !is_given(*leaf)) {
        Some(leaf) => Err(RuleError::Leaf { leaf: describe(leaf), problem: "has no value" }),
        None => Ok(()),
    }
}

/// The primitive of a sample, applied to inputs of the types of `values`.
pub(super) fn build<'g>(
    graph: &'g Graph,
    sample: &Sample,
    values: &[Value],
) -> Result<(Vec<Expr<'g>>, Expr<'g>), RuleError> {
    let operands: Vec<Expr<'g>> = values
        .iter()
        .enumerate()
        .map(|(position, value)| declare(graph, &format!("operand{position}"), value))
        .collect();
    let _frame = graph.enter("prove", Site::caller());
    let output = graph.apply(sample.op.clone(), &operands);
    graph.check()?;
    Ok((operands, output))
}

/// Compares the kernel in f32 with the kernel in f64.
fn single_precision(sample: &Sample, output: Expr<'_>, leaves: &[(Expr<'_>, Value)]) -> Result<(), RuleError> {
    let single: Vec<Value> = sample.operands.iter().map(to_single).collect();
    let types: Vec<_> = single.iter().map(Value::ty).collect();
    let has_double = sample.operands.iter().any(|operand| operand.dtype() == DType::F64);
    // A primitive whose result has a dtype of its own, or none for f32, has nothing to compare.
    let is_single = infer(&sample.op, &types).is_ok_and(|ty| ty.dtype == DType::F32);
    if !has_double || !is_single || sample.smoothness == Smoothness::Kink {
        return Ok(());
    }
    let graph = Graph::new();
    let (operands, single_output) = build(&graph, sample, &single)?;
    let found = evaluate(&graph, &operands, &[single_output], &single)?.remove(0);
    let double: Vec<Expr<'_>> = leaves.iter().map(|(leaf, _)| *leaf).collect();
    let expected = evaluate(output.graph(), &double, &[output], &sample.operands)?.remove(0);
    for (position, pair) in numbers(&found).into_iter().zip(numbers(&expected)).enumerate() {
        close("f32 against f64 at", position, pair.into(), SINGLE_TOLERANCE)?;
    }
    Ok(())
}

pub(super) fn declare<'g>(graph: &'g Graph, name: &str, value: &Value) -> Expr<'g> {
    match value {
        Value::F32(array) => graph.input_of(DType::F32, name, array.shape()),
        Value::F64(array) => graph.input_of(DType::F64, name, array.shape()),
        Value::I64(array) => graph.input_of(DType::I64, name, array.shape()),
        Value::Bool(array) => graph.input_of(DType::Bool, name, array.shape()),
    }
}

struct Proof<'g> {
    graph: &'g Graph,
    operands: Vec<Expr<'g>>,
    values: Vec<Value>,
    /// Positions of the float operands.
    moving: Vec<usize>,
    /// The float operands.
    xs: Vec<Expr<'g>>,
    output: Expr<'g>,
    smoothness: Smoothness,
}

impl<'g> Proof<'g> {
    fn shape_rule(&self) -> Result<(), RuleError> {
        let value = self.evaluate(&[self.output], &self.values)?.remove(0);
        let inferred = self.output.ty();
        if value.ty() == inferred {
            return Ok(());
        }
        Err(RuleError::Type { inferred: inferred.to_string(), found: value.ty().to_string() })
    }

    fn derivatives(&self) -> Result<(), RuleError> {
        let g = self.graph;
        let weights = g.constant(reals(&self.shape_of(self.output), -1.0, 1.5));
        let v = self.directions(0.7);
        let w = self.directions(-1.3);
        let f = (self.output.cast(DType::F64) * weights).sum();
        let gradients = g.gradients(f, &self.xs);
        let tangent = g.jvp(self.output, &self.along(&v)).cast(DType::F64);
        let along_v = self.inner(&gradients, &v);
        let forward = (tangent * weights).sum();
        let hessian_v = g.gradients(along_v, &self.xs);
        let reverse_twice = self.inner(&hessian_v, &w);
        let gradients_along_w: Vec<Expr<'g>> =
            gradients.iter().map(|gradient| g.jvp(*gradient, &self.along(&w))).collect();
        let forward_over_reverse = self.inner(&gradients_along_w, &v);
        g.check()?;

        let scalars = [along_v, forward, reverse_twice, forward_over_reverse, f];
        // A result in f32 rounds every sum that it enters.
        let exact = if self.output.dtype() == DType::F32 { SINGLE_TOLERANCE } else { EXACT_TOLERANCE };
        let found = self.evaluate(&scalars, &self.values)?;
        let [along_v_value, forward_value, reverse_twice_value, forward_over_reverse_value, f_value] =
            [0, 1, 2, 3, 4].map(|position: usize| numbers(&found[position])[0]);
        close("reverse against forward mode", 0, [along_v_value, forward_value], exact)?;
        close(
            "second order, reverse against forward mode",
            0,
            [reverse_twice_value, forward_over_reverse_value],
            exact,
        )?;
        if self.smoothness == Smoothness::Kink {
            return Ok(());
        }
        self.differences("gradient against differences at", f, &gradients)?;
        self.differences("Hessian-vector product against differences at", along_v, &hessian_v)?;
        let [value, first, second] = match self.by_duals(f, [&v, &w]) {
            // What a user writes over f64 takes no duals; differences of both orders stand for them.
            Err(RuleError::Run(RunError::Node { error, .. })) if error.is_about_duals() => return Ok(()),
            duals => duals?,
        };
        close("value by dual numbers", 0, [value, f_value], EXACT_TOLERANCE)?;
        close("forward mode against dual numbers", 0, [forward_value, first], EXACT_TOLERANCE)?;
        close("second order against duals of duals", 0, [reverse_twice_value, second], EXACT_TOLERANCE * 100.0)
    }

    /// Compares each coordinate of the gradients with the central difference of `f`.
    fn differences(&self, property: &'static str, f: Expr<'g>, gradients: &[Expr<'g>]) -> Result<(), RuleError> {
        let found = self.evaluate(gradients, &self.values)?;
        for (operand, gradient) in self.moving.iter().zip(&found) {
            for (position, found) in numbers(gradient).into_iter().enumerate() {
                let x = numbers(&self.values[*operand])[position];
                let h = STEP * x.abs().max(1.0);
                let loss_at = |x: f64| -> Result<f64, RuleError> {
                    let mut moved = self.values.clone();
                    set(&mut moved[*operand], position, x);
                    Ok(numbers(&self.evaluate(&[f], &moved)?[0])[0])
                };
                let expected = (loss_at(x + h)? - loss_at(x - h)?) / ((x + h) - (x - h));
                close(property, position, [found, expected], DIFFERENCE_TOLERANCE)?;
            }
        }
        Ok(())
    }

    /// f, its derivative along v, and its second derivative along v and w, by evaluating over duals of duals.
    fn by_duals(&self, f: Expr<'g>, [v, w]: [&[Value]; 2]) -> Result<[f64; 3], RuleError> {
        let lift = |(position, value): (usize, &Value)| match value {
            Value::F64(x) => {
                let moving = self.moving.iter().position(|operand| *operand == position);
                let direction =
                    |directions: &[Value], element: usize| moving.map_or(0.0, |x| numbers(&directions[x])[element]);
                let mut element = 0;
                Value::F64(x.map(|x| {
                    let dual = Dual {
                        value: Dual { value: *x, tangent: direction(w, element) },
                        tangent: Dual { value: direction(v, element), tangent: 0.0 },
                    };
                    element += 1;
                    dual
                }))
            }
            Value::F32(x) => Value::F32(x.clone()),
            Value::I64(x) => Value::I64(x.clone()),
            Value::Bool(x) => Value::Bool(x.clone()),
        };
        let leaves: Vec<Value<Dual<Dual<f64>>>> = self.values.iter().enumerate().map(lift).collect();
        let value = evaluate(self.graph, &self.operands, &[f], &leaves)?.remove(0);
        let Value::F64(value) = value else { unreachable!("invariant: f is f64") };
        let dual = value.first().expect("invariant: f is a scalar");
        Ok([dual.value.value, dual.tangent.value, dual.tangent.tangent])
    }

    /// A direction for each x.
    fn directions(&self, scale: f64) -> Vec<Value> {
        self.xs.iter().map(|x| reals(&self.shape_of(*x), -scale, 0.4 * scale)).collect()
    }

    fn along(&self, directions: &[Value]) -> Vec<(Expr<'g>, Expr<'g>)> {
        let constant = |direction: &Value, x: &Expr<'g>| self.graph.constant(direction.clone()).cast(x.dtype());
        self.xs.iter().zip(directions).map(|(x, direction)| (*x, constant(direction, x))).collect()
    }

    /// Σ ⟨xᵢ, directionᵢ⟩.
    fn inner(&self, xs: &[Expr<'g>], directions: &[Value]) -> Expr<'g> {
        let products = xs
            .iter()
            .zip(directions)
            .map(|(x, direction)| (x.cast(DType::F64) * self.graph.constant(direction.clone())).sum());
        products.reduce(|sum, product| sum + product).expect("invariant: there is an x")
    }

    fn shape_of(&self, expr: Expr<'g>) -> Vec<usize> {
        expr.shape().as_numbers().expect("invariant: samples have no symbols")
    }

    fn evaluate(&self, results: &[Expr<'g>], operands: &[Value]) -> Result<Vec<Value>, RunError> {
        evaluate(self.graph, &self.operands, results, operands)
    }
}

pub(super) fn evaluate<R: Real>(
    graph: &Graph,
    leaves: &[Expr<'_>],
    results: &[Expr<'_>],
    values: &[Value<R>],
) -> Result<Vec<Value<R>>, RunError> {
    let leaves: Vec<Option<NodeId>> = leaves.iter().map(|leaf| Some(leaf.id())).collect();
    let results: Vec<NodeId> = results.iter().map(Expr::id).collect();
    Evaluator::new(graph, &leaves, &results).evaluate(values, &Bindings::new())
}

pub(super) fn close(
    property: &'static str,
    position: usize,
    [found, expected]: [f64; 2],
    tolerance: f64,
) -> Result<(), RuleError> {
    let is_close = (found - expected).abs() <= tolerance * expected.abs().max(1.0)
        || (found.is_nan() && expected.is_nan())
        || found == expected;
    if is_close { Ok(()) } else { Err(RuleError::Differs { property, position, found, expected }) }
}

pub(in crate::check) fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::F32(array) => array.iter().map(|x| f64::from(*x)).collect(),
        Value::F64(array) => array.iter().copied().collect(),
        Value::I64(array) => array.iter().map(|x| x.to_f64()).collect(),
        Value::Bool(array) => array.iter().map(|x| f64::from(*x)).collect(),
    }
}

fn set(value: &mut Value, position: usize, x: f64) {
    if let Value::F64(array) = value
        && let Some(element) = array.iter_mut().nth(position)
    {
        *element = x;
    }
}

fn to_single(value: &Value) -> Value {
    match value {
        Value::F64(array) => Value::F32(array.mapv(|x| x as f32)),
        other => other.clone(),
    }
}

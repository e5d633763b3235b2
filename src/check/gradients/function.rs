//! A scalar of a graph with its derivatives of both modes and orders, evaluated op by op. In: a graph of the check's own, with
//! values of its leaves. Out: how each variable's derivatives compare with differences.

use super::{
    compare::{FirstOrder, Scalar, Settings, Variable, displaced, first_order, greatest, indices, random, worst},
    difference::{Claim, Precision, judge},
    error::GradientCheckError,
    report::{ElementCheck, VariableCheck},
};
use crate::{
    check::prove::numbers,
    graph::{Bindings, DType, Expr, Graph, NodeId, Site, Value},
    program::RunError,
    reference::Evaluator,
};

/// A leaf of a graph with its value.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) node: NodeId,
    pub(super) value: Value,
}

/// A scalar of a graph that nobody else holds.
pub(super) struct Function<'g> {
    pub(super) graph: &'g Graph,
    pub(super) value: Expr<'g>,
    pub(super) leaves: Vec<Leaf>,
    pub(super) variables: Vec<Variable>,
    pub(super) bindings: &'g Bindings,
}

/// Its derivatives, ready to be evaluated.
pub(super) struct Derivatives {
    /// Of the leaves, then of a direction for each variable.
    values: Vec<Value>,
    /// Of which leaf each variable is, and how many leaves there are without the directions.
    n_leaves: usize,
    bindings: Bindings,
    value: Evaluator,
    /// By reverse mode, in the order of the variables.
    gradients: Evaluator,
    /// By forward mode, along the directions.
    tangent: Evaluator,
    /// For each variable by forward over reverse mode, then by reverse over reverse; none if no second order was asked for.
    curvature: Option<Evaluator>,
    precision: Precision,
}

impl<'g> Function<'g> {
    /// Compares the derivatives by all variables with differences.
    pub(super) fn compare(&self, settings: &Settings) -> Result<Vec<VariableCheck>, GradientCheckError> {
        let mut derivatives = self.derivatives(settings)?;
        let gradients = derivatives.evaluate(&derivatives.gradients)?;
        let precision = derivatives.precision;
        let mut checks = Vec::with_capacity(self.variables.len());
        for (position, variable) in self.variables.iter().enumerate() {
            let pair = (&self.leaves[variable.leaf].value, &gradients[position]);
            let found = first_order(&mut derivatives, (position, variable), pair, (settings, precision))?;
            let FirstOrder { n_elements, n_checked, worst: first } = found;
            let (name, site) = (variable.name.clone(), variable.site);
            checks.push(VariableCheck { name, site, n_elements, n_checked, first, second: None });
        }
        if derivatives.curvature.is_some() {
            let second = derivatives.second_order(&self.variables, settings)?;
            checks.iter_mut().zip(second).for_each(|(check, second)| check.second = second);
        }
        Ok(checks)
    }

    /// The gradients at the point, and what finds the first operation in them that is not finite.
    pub(super) fn gradients(&self) -> Result<Evaluator, GradientCheckError> {
        let _frame = self.graph.enter("check", self.value.site());
        let gradients: Vec<NodeId> = self.graph.gradients(self.value, &self.xs()).iter().map(Expr::id).collect();
        self.graph.check()?;
        let leaves: Vec<Option<NodeId>> = self.leaves.iter().map(|leaf| Some(leaf.node)).collect();
        Ok(Evaluator::new(self.graph, &leaves, &gradients))
    }

    fn xs(&self) -> Vec<Expr<'g>> {
        self.variables.iter().map(|variable| self.graph.expr(self.leaves[variable.leaf].node)).collect()
    }

    fn derivatives(&self, settings: &Settings) -> Result<Derivatives, GradientCheckError> {
        let (graph, f, xs) = (self.graph, self.value, self.xs());
        let precision = settings.tolerant(self.precision());
        let _frame = graph.enter("check", Site::caller());
        let direct = |x: &Expr<'g>| {
            let free = (0..).map(|number| format!("direction_{number}")).find(|name| graph.named(name).is_none());
            graph.input_of(x.dtype(), &free.expect("invariant: there is always another number"), x.shape())
        };
        let directions: Vec<Expr<'g>> = xs.iter().map(direct).collect();
        let pairs: Vec<(Expr<'g>, Expr<'g>)> = xs.iter().copied().zip(directions.iter().copied()).collect();
        let gradients = graph.gradients(f, &xs);
        let tangent = graph.jvp(f, &pairs);
        let mut curvature = Vec::new();
        if settings.order > 1 {
            curvature.extend(gradients.iter().map(|gradient| graph.jvp(*gradient, &pairs)));
            let products =
                gradients.iter().zip(&directions).map(|(gradient, v)| (*gradient * *v).cast(DType::F64).sum());
            let along = products.reduce(|sum, product| sum + product).expect("invariant: there is a variable");
            curvature.extend(graph.gradients(along, &xs));
        }
        graph.check()?;
        let directed = directions.iter().map(|direction| Some(direction.id()));
        let leaves: Vec<Option<NodeId>> = self.leaves.iter().map(|leaf| Some(leaf.node)).chain(directed).collect();
        let evaluator = |results: &[Expr<'g>]| {
            let results: Vec<NodeId> = results.iter().map(Expr::id).collect();
            Evaluator::new(graph, &leaves, &results)
        };
        let of_variable = |variable: &Variable| &self.leaves[variable.leaf].value;
        let zeros = self.variables.iter().map(of_variable).map(|value| Value::zeros(value.dtype(), value.shape()));
        Ok(Derivatives {
            values: self.leaves.iter().map(|leaf| leaf.value.clone()).chain(zeros).collect(),
            n_leaves: self.leaves.len(),
            bindings: self.bindings.clone(),
            value: evaluator(&[f]),
            gradients: evaluator(&gradients),
            tangent: evaluator(&[tangent]),
            curvature: (!curvature.is_empty()).then(|| evaluator(&curvature)),
            precision,
        })
    }

    /// That of f32 if anything is computed in it.
    fn precision(&self) -> Precision {
        let ancestors = self.graph.ancestors(&[self.value.id()]);
        let is_single = ancestors.iter().any(|id| self.graph.node(*id).ty.dtype == DType::F32);
        if is_single { Precision::SINGLE } else { Precision::DOUBLE }
    }
}

impl Derivatives {
    fn evaluate(&self, evaluator: &Evaluator) -> Result<Vec<Value>, RunError> {
        evaluator.evaluate(&self.values, &self.bindings)
    }

    /// With something in place of some leaves.
    fn evaluate_with(
        &self,
        evaluator: &Evaluator,
        replaced: impl IntoIterator<Item = (usize, Value)>,
    ) -> Result<Vec<Value>, RunError> {
        let mut values = self.values.clone();
        replaced.into_iter().for_each(|(leaf, value)| values[leaf] = value);
        evaluator.evaluate(&values, &self.bindings)
    }

    /// The worst element of each variable's part of the Hessian–vector product, beside differences of the gradient, which the
    /// first order compared with differences of the value.
    fn second_order(
        &self,
        variables: &[Variable],
        settings: &Settings,
    ) -> Result<Vec<Option<ElementCheck>>, GradientCheckError> {
        let Some(curvature) = &self.curvature else { return Ok(Vec::new()) };
        let mut rng = settings.generator();
        let of_variable = |variable: &Variable| &self.values[variable.leaf];
        let directions: Vec<Vec<f64>> =
            variables.iter().map(|variable| random(&mut rng, of_variable(variable).len())).collect();
        let direction = |(position, direction): (usize, &Vec<f64>)| {
            let leaf = self.n_leaves + position;
            (leaf, displaced(&self.values[leaf], direction, 1.0))
        };
        let products = self.evaluate_with(curvature, directions.iter().enumerate().map(direction))?;
        let (forward, reverse) = products.split_at(variables.len());
        let mut claims = Vec::new();
        for (forward, reverse) in forward.iter().zip(reverse) {
            let (scale, shape) = (greatest(&numbers(reverse)), reverse.shape());
            let pairs = numbers(forward).into_iter().zip(numbers(reverse)).enumerate();
            claims.extend(pairs.map(|(element, (forward, reverse))| {
                let index = Some(indices(element, shape));
                Claim { index, reverse, forward: Some(forward), scale }
            }));
        }
        let sample = |offset: f64| -> Result<Vec<f64>, GradientCheckError> {
            let moved = variables.iter().zip(&directions);
            let moved = moved.map(|(variable, v)| (variable.leaf, displaced(of_variable(variable), v, offset)));
            Ok(self.evaluate_with(&self.gradients, moved)?.iter().flat_map(numbers).collect())
        };
        let mut checks = judge(&claims, 1.0, self.precision, sample)?.into_iter();
        Ok(reverse.iter().map(|part| worst(checks.by_ref().take(part.len()).collect::<Vec<_>>())).collect())
    }
}

impl Scalar for Derivatives {
    fn value_at(&mut self, leaf: usize, direction: &[f64], offset: f64) -> Result<f64, GradientCheckError> {
        let moved = displaced(&self.values[leaf], direction, offset);
        Ok(numbers(&self.evaluate_with(&self.value, [(leaf, moved)])?[0])[0])
    }

    fn along(&mut self, variable: usize, direction: &[f64]) -> Result<Option<f64>, GradientCheckError> {
        let leaf = self.n_leaves + variable;
        let moved = displaced(&self.values[leaf], direction, 1.0);
        Ok(Some(numbers(&self.evaluate_with(&self.tangent, [(leaf, moved)])?[0])[0]))
    }
}

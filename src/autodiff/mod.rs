//! Derivatives: graph in, graph out.
//!
//! In: an expression and what to differentiate it with respect to. Out: expressions of the same graph, which can be
//! printed, differentiated again or added to a loss. Both modes follow from the one linearization of each primitive;
//! nothing here knows a primitive or looks at a number. What is differentiated is y in its stable form (`stable.rs`).

mod forward;
mod nested;
mod reverse;
mod scale;
mod stable;

pub(crate) use scale::{add, scale};

use crate::{
    graph::{Expr, Graph, GraphError, Site},
    ops,
};

impl Graph {
    /// The gradient of a scalar: ∂f/∂x in the shape of x, by reverse mode.
    ///
    /// `x` may be any float node, not only a parameter; where `y` does not depend on it the gradient is zero. The
    /// result is an expression, so it can be differentiated again. What is written with exp and log in a way that
    /// overflows is differentiated in its stable form, such as log(1 + eˣ) as a softplus
    /// ([`Class::Stabilize`](crate::simplify::Class)).
    ///
    /// # Shapes
    /// f: `[]`, x: any → the shape of x.
    ///
    /// # Errors
    /// An error is recorded if f is no scalar, or if f or x is no float.
    ///
    /// # Complexity
    /// One sweep over the ids up to f. Evaluating the gradient of all inputs costs a small multiple of evaluating f,
    /// however many inputs there are. Cotangents of slices and gathers of one array are put together once, when the graph is
    /// compiled, so T of them take O(T) too.
    ///
    /// # Source
    /// Griewank and Walther, *Evaluating Derivatives*, 2nd edition, 2008, chapter 3.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ());
    /// let slope = g.gradient(x.powi(3), x);
    /// let curvature = g.gradient(slope, x);
    /// let mut program = g.compile([("slope", slope), ("curvature", curvature)])?;
    /// let out = program.call(("x", 2.0f64))?;
    /// assert_eq!(out.scalar::<f64>("slope"), Ok(12.0));
    /// assert_eq!(out.scalar::<f64>("curvature"), Ok(12.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("grad", "backward"))]
    #[track_caller]
    pub fn gradient<'g>(&'g self, y: Expr<'g>, x: Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("gradient", Site::caller());
        self.gradients(y, &[x])[0]
    }

    /// The gradients of a scalar with respect to several nodes, in one sweep, or two where some are leaves and some are
    /// not.
    ///
    /// # Errors
    /// As for [`Graph::gradient`]; all results then stand for the error.
    #[doc(alias = "autograd")]
    #[track_caller]
    pub fn gradients<'g>(&'g self, y: Expr<'g>, xs: &[Expr<'g>]) -> Vec<Expr<'g>> {
        let _frame = self.enter("gradients", Site::caller());
        match self.gradients_of_moving(y, xs) {
            Ok(found) => or_zeros(found, xs),
            Err(poison) => vec![poison; xs.len()],
        }
    }

    /// [`Graph::gradients`] of those of `xs` that y moves with, and none of the others; or the poison for what is wrong.
    pub(crate) fn gradients_of_moving<'g>(
        &'g self,
        y: Expr<'g>,
        xs: &[Expr<'g>],
    ) -> Result<Vec<Option<Expr<'g>>>, Expr<'g>> {
        if !y.is_poisoned() && y.rank() != 0 {
            return Err(self.report(GraphError::GradientOfArray { found: y.ty() }, &[y]));
        }
        self.differentiable(y, xs)?;
        Ok(pull_back(y, y.ones_like(), xs))
    }

    /// Vector–Jacobian products: Jᵀȳ with J = ∂y/∂x, for each x, by reverse mode.
    ///
    /// # Shapes
    /// y and ȳ: any, equal; each result has the shape of its x.
    ///
    /// # Errors
    /// An error is recorded if ȳ is not of the type of y, or if anything is no float.
    ///
    /// # Complexity
    /// One or two sweeps over the ancestors of y.
    #[doc(alias("pullback", "backward"))]
    #[track_caller]
    pub fn vjp<'g>(&'g self, y: Expr<'g>, cotangent: Expr<'g>, xs: &[Expr<'g>]) -> Vec<Expr<'g>> {
        let _frame = self.enter("vjp", Site::caller());
        match self.differentiable(y, xs).and_then(|()| self.same_type(y, cotangent)) {
            Ok(()) => or_zeros(pull_back(y, cotangent, xs), xs),
            Err(poison) => vec![poison; xs.len()],
        }
    }

    /// A Jacobian–vector product: ẏ = Σ (∂y/∂x)·ẋ over the pairs (x, ẋ), by forward mode.
    ///
    /// # Shapes
    /// Each ẋ has the shape of its x; the result has the shape of y.
    ///
    /// # Errors
    /// An error is recorded if an ẋ is not of the type of its x, or if anything is no float.
    ///
    /// # Complexity
    /// One or two sweeps over the ancestors of y; evaluating costs a small multiple of evaluating y, for one
    /// direction.
    ///
    /// # Example
    /// A Hessian–vector product is the directional derivative of a gradient:
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, v) = (g.input_of(DType::F64, "x", (2,)), g.input_of(DType::F64, "v", (2,)));
    /// let f = (x.powi(2) * x).sum();
    /// let hv = g.jvp(g.gradient(f, x), &[(x, v)]);
    /// let mut program = g.compile(hv)?;
    /// let (at, along) = (ndarray::arr1(&[1.0, 2.0]), ndarray::arr1(&[1.0, 10.0]));
    /// let out = program.call((("x", &at), ("v", &along)))?;
    /// assert_eq!(out["result"], ndarray::arr1(&[6.0, 120.0]).into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("pushforward", "forward_mode"))]
    #[track_caller]
    pub fn jvp<'g>(&'g self, y: Expr<'g>, tangents: &[(Expr<'g>, Expr<'g>)]) -> Expr<'g> {
        let _frame = self.enter("jvp", Site::caller());
        let xs: Vec<Expr<'g>> = tangents.iter().map(|(x, _)| *x).collect();
        let checked = self.differentiable(y, &xs);
        let checked =
            tangents.iter().fold(checked, |so_far, (x, tangent)| so_far.and_then(|()| self.same_type(*x, *tangent)));
        match checked {
            Ok(()) => push_forward(y, tangents),
            Err(poison) => poison,
        }
    }

    /// That a derivative of `y` with respect to `xs` makes sense, or the poison in its place.
    pub(crate) fn differentiable<'g>(&'g self, y: Expr<'g>, xs: &[Expr<'g>]) -> Result<(), Expr<'g>> {
        for expr in std::iter::once(&y).chain(xs) {
            if expr.is_poisoned() {
                return Err(*expr);
            }
            if !std::ptr::eq(expr.graph(), self) {
                return Err(self.report(GraphError::ForeignGraph, &[*expr]));
            }
            if !expr.dtype().is_float() {
                return Err(self.report(GraphError::NoDerivative { found: expr.ty() }, &[*expr]));
            }
        }
        Ok(())
    }

    fn same_type<'g>(&'g self, x: Expr<'g>, direction: Expr<'g>) -> Result<(), Expr<'g>> {
        if direction.is_poisoned() {
            return Err(direction);
        }
        let (expected, found) = (x.ty(), direction.ty());
        let error = if !std::ptr::eq(direction.graph(), self) {
            GraphError::ForeignGraph
        } else if expected.dtype != found.dtype {
            GraphError::DTypesDiffer { left: expected.dtype, right: found.dtype }
        } else if expected.shape != found.shape {
            GraphError::ShapesDiffer { left: expected.shape, right: found.shape }
        } else {
            return Ok(());
        };
        Err(self.report(error, &[x, direction]))
    }
}

/// What is differentiated in place of y: an equal value whose derivatives by x are not lost.
pub(crate) fn stable_form<'g>(y: Expr<'g>, x: Expr<'g>) -> Expr<'g> {
    stable::values(y, &[x])[0].0
}

/// x̄ for each x that y moves with, by reverse mode, of what is equal to y and stable.
fn pull_back<'g>(y: Expr<'g>, cotangent: Expr<'g>, xs: &[Expr<'g>]) -> Vec<Option<Expr<'g>>> {
    let mut found: Vec<Option<Expr<'g>>> = vec![None; xs.len()];
    for (value, positions) in stable::values(y, xs) {
        let group: Vec<Expr<'g>> = positions.iter().map(|position| xs[*position]).collect();
        let swept = reverse::sweep(&[(value, cotangent)], &group);
        positions.into_iter().zip(swept).for_each(|(position, gradient)| found[position] = gradient);
    }
    found
}

/// Zeros in place of what is not there.
fn or_zeros<'g>(found: Vec<Option<Expr<'g>>>, xs: &[Expr<'g>]) -> Vec<Expr<'g>> {
    found.into_iter().zip(xs).map(|(gradient, x)| gradient.unwrap_or_else(|| x.zeros_like())).collect()
}

/// ẏ, by forward mode, of what is equal to y and stable.
fn push_forward<'g>(y: Expr<'g>, tangents: &[(Expr<'g>, Expr<'g>)]) -> Expr<'g> {
    let xs: Vec<Expr<'g>> = tangents.iter().map(|(x, _)| *x).collect();
    let parts = stable::values(y, &xs).into_iter().map(|(value, positions)| {
        let group: Vec<_> = positions.iter().map(|position| tangents[*position]).collect();
        forward::sweep(&[value], &group).remove(0).unwrap_or_else(|| y.zeros_like())
    });
    parts.reduce(scale::add).expect("invariant: there is a group")
}

/// For each node up to `last`, whether its value moves when one of `xs` does: floats only, and not through a primitive
/// that has no derivative.
pub(crate) fn dependents(graph: &Graph, xs: &[Expr<'_>], last: usize) -> Vec<bool> {
    let mut depends = vec![false; last + 1];
    let first = xs.iter().map(|x| x.id().index()).min().unwrap_or(last + 1);
    for x in xs.iter().filter(|x| x.id().index() <= last) {
        depends[x.id().index()] = true;
    }
    for id in graph.ids().take(last + 1).skip(first) {
        let node = graph.node(id);
        depends[id.index()] |= node.ty.dtype.is_float()
            && graph.operands(id).iter().any(|operand| depends[operand.index()])
            && (node.op.is_nested() || !matches!(ops::linearization(&node.op), ops::Linearization::Constant));
    }
    depends
}

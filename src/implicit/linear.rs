//! Linear systems that a user's method solves. In: the right side, a matrix as a closure, and a method as a closure. Out: the
//! solution with its derivative, for which the same method solves with the same matrix or its transpose.

use super::{
    equation::{check_type, largest, traced},
    system::{Part, System},
};
use crate::{
    graph::{Expr, GraphError, Site},
    ops::Function,
};

/// What the transpose of a matrix is, which reverse mode solves with.
#[derive(Clone, Copy)]
pub enum Transpose<'c, 'g> {
    /// The transpose of the closure, by reverse mode through it.
    Derived,
    /// The matrix itself, which is symmetric; that it is, is not checked.
    Symmetric,
    /// Products with the transpose, as a closure; that it is the transpose is not checked.
    Given(&'c dyn Fn(Expr<'g>) -> Expr<'g>),
}

/// The solution of a linear system with its derivative, and what it leaves.
#[derive(Debug, Clone, Copy)]
pub struct LinearSolution<'g> {
    /// The solution: its derivatives are by the right side and by all that the closure of the matrix reads from outside.
    pub value: Expr<'g>,
    /// The greatest |A·x − b|, a scalar without derivative; it costs nothing unless it is a result.
    pub residual: Expr<'g>,
}

/// x with A·x = b by a method of one's own, which needs products with A alone: ẋ = A⁻¹·(ḃ − Ȧ·x), where the same method solves, and
/// in reverse mode with the transpose. `matrix` gives A·v and must be linear; `method` is given products with A, or with its
/// transpose, and a right side. It is not differentiated, so that it may have a loop without a bound or a custom operation in it.
///
/// Both closures are run several times: what they read is declared outside.
///
/// How well the system is solved is up to the method, in derivatives too: it should end as an error or with NaN where it does not
/// converge, as `while_loop_bounded` does. By what the method alone reads from outside, a preconditioner for one, there is no
/// derivative. Derivatives are made of this again, to any order.
///
/// # Shapes
/// right: S, matrix: S → S, for any S; the solution has shape S.
///
/// # Errors
/// An error is recorded if the right side is no float, if a closure gives another shape or dtype, or if a derived transpose depends
/// on where it is taken, because the closure is not linear. A program with a derivative by forward mode cannot be written as Rust
/// source, since an operation of the user's own stands in it.
///
/// # Complexity
/// One more solution for each derivative. In a batch, those in derivatives are solved one example after another.
///
/// # Source
/// Giles, *An extended collection of matrix derivative results*, 2008, section 2.3.1; the closures are those of
/// `jax.lax.custom_linear_solve`.
///
/// # Example
/// The method of conjugate gradients (Hestenes and Stiefel, 1952), and how the solution moves with the diagonal of the matrix:
/// ```
/// use ndarray::array;
/// use pullback::{DType, Expr, Graph, implicit::{self, Transpose}};
/// fn conjugate_gradients<'g>(product: &dyn Fn(Expr<'g>) -> Expr<'g>, b: Expr<'g>) -> Expr<'g> {
///     let first = (b.zeros_like(), b, b, b.dot(b));
///     let goes_on = |(_, _, _, square): (_, _, _, Expr<'g>)| square.greater(1e-28 * b.dot(b));
///     let (x, ..) = b.graph().while_loop_bounded(first, 1000, goes_on, |(x, r, p, square)| {
///         let q = product(p);
///         let step = square / p.dot(q);
///         let r = r - step * q;
///         (x + step * p, r, r + r.dot(r) / square * p, r.dot(r))
///     });
///     x
/// }
/// let g = Graph::new();
/// let (d, b) = (g.input_of(DType::F64, "d", ("n",)), g.input_of(DType::F64, "b", ("n",)));
/// // The diagonal d, and 1 in all places.
/// let solved = implicit::linear_solve(b, Transpose::Symmetric, |v| d * v + v.sum(), conjugate_gradients);
/// let gradient = g.gradient(solved.value.sum(), d);
/// let mut program = g.compile([("x", solved.value), ("gradient", gradient)])?;
/// let out = program.call((("d", array![1.0, 1.0]), ("b", array![3.0, 3.0])))?;
/// // x = (1, 1); λ = A⁻¹·(1, 1) = (1/3, 1/3), and the gradient is −λ·x.
/// let gradient = out.array::<f64, ndarray::Ix1>("gradient")?;
/// assert!(gradient.iter().all(|found| (found + 1.0 / 3.0).abs() < 1e-14));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("custom_linear_solve", "matrix_free", "krylov", "conjugate_gradient"))]
#[track_caller]
pub fn linear_solve<'g>(
    right: Expr<'g>,
    transpose: Transpose<'_, 'g>,
    matrix: impl Fn(Expr<'g>) -> Expr<'g>,
    method: impl Fn(&dyn Fn(Expr<'g>) -> Expr<'g>, Expr<'g>) -> Expr<'g>,
) -> LinearSolution<'g> {
    let _frame = right.graph().enter("linear_solve", Site::caller());
    match solve(right, transpose, &matrix, &method) {
        Ok(solution) => solution,
        Err(poison) => LinearSolution { value: poison, residual: poison },
    }
}

/// Products with a matrix.
type Product<'c, 'g> = &'c dyn Fn(Expr<'g>) -> Expr<'g>;

/// A method, given products and a right side.
type Method<'c, 'g> = &'c dyn Fn(Product<'_, 'g>, Expr<'g>) -> Expr<'g>;

fn solve<'g>(
    right: Expr<'g>,
    transpose: Transpose<'_, 'g>,
    matrix: Product<'_, 'g>,
    method: Method<'_, 'g>,
) -> Result<LinearSolution<'g>, Expr<'g>> {
    let (g, frame) = (right.graph(), right.graph().frame());
    let derived = |v: Expr<'g>| {
        let product = matrix(v);
        let _frame = g.reenter(frame.clone());
        g.vjp(product, v, &[v])[0]
    };
    let transposed: Product<'_, 'g> = match transpose {
        Transpose::Derived => &derived,
        Transpose::Symmetric => matrix,
        Transpose::Given(closure) => closure,
    };
    let product = closed("a product with the matrix", right, matrix)?;
    if matches!(transpose, Transpose::Derived) {
        check_linear(right, matrix)?;
    }
    let others = [
        closed("a product with the transpose", right, transposed)?,
        closed("the solution", right, |b| method(matrix, b))?,
        closed("the solution with the transpose", right, |b| method(transposed, b))?,
    ];
    let mut captures: Vec<Expr<'g>> = Vec::new();
    let [transposed, method, transposed_method] = others.map(|function| part(&function, &mut captures));
    let product = part(&product, &mut captures);
    let system = System { product, transposed, method, transposed_method };
    let value = system.solve(right, &captures);
    let left = system.product.of(value.stop_gradient(), &captures);
    Ok(LinearSolution { value, residual: largest(left - right).stop_gradient() })
}

/// A closure that gives what is of the type of the right side, run once.
fn closed<'g>(
    what: &'static str,
    right: Expr<'g>,
    closure: impl FnOnce(Expr<'g>) -> Expr<'g>,
) -> Result<Function<'g, Expr<'g>, Expr<'g>>, Expr<'g>> {
    let function = traced(right, closure)?;
    check_type(what, &right.ty(), *function.results()?)?;
    Ok(function)
}

/// That the transpose of a closure is the same wherever it is taken.
fn check_linear<'g>(right: Expr<'g>, matrix: Product<'_, 'g>) -> Result<(), Expr<'g>> {
    let (g, frame) = (right.graph(), right.graph().frame());
    let function = g.function((right, right), |(point, v)| {
        let product = matrix(point);
        let _frame = g.reenter(frame);
        g.vjp(product, v, &[point])[0]
    });
    function.results()?;
    let mut is_point = vec![false; function.body().n_arguments()];
    is_point[0] = true;
    if function.body().reached(&is_point).contains(&true) {
        return Err(g.report(GraphError::NotLinear, &[]));
    }
    Ok(())
}

/// The body of a function, with the places of its captures among all; they are added where they are new.
fn part<'g>(function: &Function<'g, Expr<'g>, Expr<'g>>, captures: &mut Vec<Expr<'g>>) -> Part {
    let mut place = |capture: &Expr<'g>| {
        captures.iter().position(|known| known.id() == capture.id()).unwrap_or_else(|| {
            captures.push(*capture);
            captures.len() - 1
        })
    };
    let places = function.captures().iter().map(&mut place).collect();
    Part { body: function.body().clone(), captures: places }
}

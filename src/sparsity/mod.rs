//! Sparse Jacobians and Hessians. In: an expression and what it is differentiated by. Out: the places of the entries that may be other than
//! 0, once for given sizes, and then their values, as often as is wished.
//!
//! `terms.rs` accumulates derivatives as terms where everything between the two is a function of elements, a movement, a sum or a product
//! (`positions.rs` has where elements move to). Where that fails, `sets.rs` finds the pattern, `coloring.rs` groups columns or rows, and
//! products with one direction for each group are told apart again. Either way `pattern.rs` numbers the entries, and `assembly.rs` adds up
//! what a compiled program computes.

mod assembly;
mod coloring;
mod error;
mod pattern;
mod positions;
mod sets;
mod structure;
mod terms;

pub use error::SparsityError;
pub use pattern::{PatternByRows, SparsityPattern};

use positions::Positions;
use structure::Structure;

use crate::{
    autodiff,
    compile::Options,
    graph::{AsViewMut, Body, DType, Expr, Frame, Graph, NodeId, Site, ValueViewMut},
    program::{AsParameters, Inputs, Runner},
    simplify::Mode,
};

/// How the values of a sparse derivative are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SparseMethod {
    /// As terms where the expression is made of functions of elements, movements, sums and products and there are not many times more
    /// of them than entries; else by coloring.
    #[default]
    Automatic,
    /// As products with one direction for each group of columns or rows, whatever the expression is.
    Coloring,
}

/// What the structure of a sparse derivative was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SparseKind {
    /// So many arrays of derivatives, each computed once.
    Terms(usize),
    /// So many products with the Jacobian.
    ColumnColors(usize),
    /// So many products with its transpose.
    RowColors(usize),
}

/// How a sparse derivative is made.
///
/// # Example
/// ```
/// use pullback::{Options, sparsity::{SparseMethod, SparsityOptions}};
/// let options = SparsityOptions { method: SparseMethod::Coloring, options: Options { threads: 1, ..Options::default() } };
/// assert_ne!(options, SparsityOptions::default());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SparsityOptions {
    /// How values are computed.
    pub method: SparseMethod,
    /// How the programs are compiled.
    pub options: Options,
}

impl Graph {
    /// The Jacobian ∂y/∂x as a sparse matrix: a row for each element of y, a column for each element of x, both in row-major order.
    ///
    /// The pattern follows from the graph alone, not from numbers: it may have entries that are 0 at a point, or everywhere, and it
    /// lacks none. Sizes may be symbols; [`SparseDerivative::structure`] is told them.
    ///
    /// # Errors
    /// [`SparsityError::Graph`] with every error of the graph, also if y or x is no float.
    ///
    /// # Complexity
    /// The graph grows with the number of ways in which elements of y depend on elements of x, such as neighbors on the left and on the
    /// right, whatever the sizes are; where it is made by coloring, by one derivative.
    ///
    /// # Source
    /// Griewank and Walther, *Evaluating Derivatives*, 2nd edition, 2008, chapters 7 to 9.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ("n",));
    /// let mut jacobian = g.sparse_jacobian(x.slice(1..) * x.slice(..-1), x)?;
    /// let x = [1.0, 2.0, 3.0, 4.0];
    /// let pattern = jacobian.structure((), ("x", &x))?;
    /// assert_eq!((pattern.n_rows, pattern.n_columns, pattern.n_entries()), (3, 4, 6));
    /// let mut values = [0.0; 6];
    /// jacobian.values_into((), ("x", &x), &mut values)?;
    /// assert_eq!(values, [2.0, 1.0, 3.0, 2.0, 4.0, 3.0]); // column by column
    /// # Ok::<(), pullback::sparsity::SparsityError>(())
    /// ```
    #[doc(alias("jacobian", "coloring", "colouring"))]
    #[track_caller]
    pub fn sparse_jacobian(&self, y: Expr<'_>, x: Expr<'_>) -> Result<SparseDerivative, SparsityError> {
        let _frame = self.enter("sparse_jacobian", Site::caller());
        self.sparse_jacobian_with(y, x, &SparsityOptions::default())
    }

    /// [`Graph::sparse_jacobian`] with options.
    ///
    /// # Errors
    /// As for [`Graph::sparse_jacobian`].
    #[track_caller]
    pub fn sparse_jacobian_with(
        &self,
        y: Expr<'_>,
        x: Expr<'_>,
        options: &SparsityOptions,
    ) -> Result<SparseDerivative, SparsityError> {
        let _frame = self.enter("sparse_jacobian", Site::caller());
        SparseDerivative::new(self, (y, x), Entries::All, options)
    }

    /// The Hessian ∂²f/∂x² of a scalar as a sparse matrix, of which only the lower triangle has entries: those with row ≥ column.
    ///
    /// The Hessian of a Lagrangian, as solvers ask for it, is that of `sigma * f + lambda.dot(c)` with inputs `sigma` and `lambda`.
    ///
    /// # Errors
    /// As for [`Graph::sparse_jacobian`]; also if f is no scalar.
    ///
    /// # Complexity
    /// As for [`Graph::sparse_jacobian`] of the gradient, with what lies in the upper triangle left out.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ("n",));
    /// let (left, right) = (x.slice(..-1), x.slice(1..));
    /// let f = (100.0 * (right - left.square()).square() + (1.0 - left).square()).sum();
    /// let mut hessian = g.sparse_hessian(f, x)?;
    /// let x = [1.0; 4];
    /// let pattern = hessian.structure((), ("x", &x))?;
    /// assert!(pattern.triplets().eq([(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]));
    /// let mut values = [0.0; 7];
    /// hessian.values_into((), ("x", &x), &mut values)?;
    /// assert_eq!(values, [802.0, -400.0, 1002.0, -400.0, 1002.0, -400.0, 200.0]);
    /// # Ok::<(), pullback::sparsity::SparsityError>(())
    /// ```
    #[track_caller]
    pub fn sparse_hessian(&self, f: Expr<'_>, x: Expr<'_>) -> Result<SparseDerivative, SparsityError> {
        let _frame = self.enter("sparse_hessian", Site::caller());
        self.sparse_hessian_with(f, x, &SparsityOptions::default())
    }

    /// [`Graph::sparse_hessian`] with options.
    ///
    /// # Errors
    /// As for [`Graph::sparse_hessian`].
    #[track_caller]
    pub fn sparse_hessian_with(
        &self,
        f: Expr<'_>,
        x: Expr<'_>,
        options: &SparsityOptions,
    ) -> Result<SparseDerivative, SparsityError> {
        let _frame = self.enter("sparse_hessian", Site::caller());
        SparseDerivative::new(self, (f, x), Entries::LowerOfHessian, options)
    }
}

/// Which entries there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entries {
    /// All of a Jacobian.
    All,
    /// The lower triangle of the Jacobian of a gradient.
    LowerOfHessian,
}

/// A Jacobian or Hessian as a sparse matrix: its structure once, then its values, column by column.
///
/// It owns what it needs, so the graph may be dropped and this sent to another thread.
///
/// # Example
/// See [`Graph::sparse_jacobian`] and [`Graph::sparse_hessian`].
#[derive(Debug)]
pub struct SparseDerivative {
    recipe: Recipe,
    structure: Option<Structure>,
}

/// What a structure is made of: a graph that nobody else holds.
#[derive(Debug)]
struct Recipe {
    graph: Graph,
    /// What the rows are of: y, or the gradient.
    y: NodeId,
    x: NodeId,
    entries: Entries,
    /// Rows, columns and values of each term, if there are such.
    terms: Option<Vec<[NodeId; 3]>>,
    /// That of the user's call.
    frame: Option<Frame>,
    options: Options,
}

impl Recipe {
    /// The same with a graph of its own, to which a structure adds nodes.
    fn copied(&self) -> Recipe {
        let Recipe { y, x, entries, options, .. } = self;
        let graph = Body::of_graph(&self.graph, &[*y]).thaw();
        let (terms, frame) = (self.terms.clone(), self.frame.clone());
        Recipe { graph, y: *y, x: *x, entries: *entries, terms, frame, options: options.clone() }
    }
}

impl SparseDerivative {
    fn new(
        graph: &Graph,
        (y, x): (Expr<'_>, Expr<'_>),
        entries: Entries,
        options: &SparsityOptions,
    ) -> Result<SparseDerivative, SparsityError> {
        graph.refuse(&[y, x]);
        graph.check()?;
        let mode = options.options.mode.unwrap_or(Mode::Evaluation);
        let (copy, [y, x]) = match graph.in_mode(&[y.id(), x.id()], mode) {
            Some((copy, results)) => (copy, [results[0], results[1]]),
            None => (Body::of_graph(graph, &[y.id(), x.id()]).thaw(), [y.id(), x.id()]),
        };
        let frame = graph.frame();
        let guard = copy.reenter(frame.clone());
        let y = copy.differentiated(copy.expr(y), copy.expr(x), entries).id();
        copy.check()?;
        let positions = Positions::new(&copy);
        let found = match options.method {
            SparseMethod::Automatic => terms::flat_terms(copy.expr(y), copy.expr(x), &positions),
            SparseMethod::Coloring => None,
        };
        let ids = |flat: terms::FlatTerm<'_>| [flat.rows, flat.columns, flat.value].map(|expr| expr.id());
        let terms = found.map(|found| found.into_iter().map(ids).collect());
        drop((positions, guard));
        copy.check()?;
        let recipe = Recipe { graph: copy, y, x, entries, terms, frame, options: options.options.clone() };
        Ok(SparseDerivative { recipe, structure: None })
    }

    /// Finds the entries for the sizes of what is fed, and for its integers where elements are gathered or scattered by them; other
    /// numbers do not matter. Parameters and inputs are those of [`Program::run`](crate::Program::run).
    ///
    /// # Errors
    /// [`SparsityError`] if what is fed does not fit or an operation has no value.
    ///
    /// # Complexity
    /// With terms O(terms + rows + columns + entries); by coloring also the numbers of elements of all nodes between x and y, and of
    /// entries within two steps of each column.
    pub fn structure(
        &mut self,
        parameters: impl AsParameters,
        inputs: impl Inputs,
    ) -> Result<&SparsityPattern, SparsityError> {
        self.structure = None;
        let structure = Structure::new(&self.recipe.copied(), parameters.as_parameters(), &inputs)?;
        Ok(self.structure.insert(structure).pattern())
    }

    /// The pattern that [`SparseDerivative::structure`] found last.
    pub fn pattern(&self) -> Option<&SparsityPattern> {
        self.structure.as_ref().map(Structure::pattern)
    }

    /// What the values are computed by, once there is a structure.
    pub fn kind(&self) -> Option<SparseKind> {
        self.structure.as_ref().map(Structure::kind)
    }

    /// The program that computes what values are added up from, once there is a structure, unless all are known
    /// beforehand: its plan, its cost, what was rewritten.
    pub fn program(&self) -> Option<&Runner> {
        self.structure.as_ref().and_then(Structure::program)
    }

    /// The dtype of the values.
    pub fn dtype(&self) -> DType {
        self.recipe.graph.expr(self.recipe.y).dtype()
    }

    /// Computes the values, in the order of the pattern, and allocates nothing after the first time.
    ///
    /// # Errors
    /// [`SparsityError`] if there is no structure, if what is fed has other sizes or other integers than it was made for, or if the slice
    /// is of another length or dtype.
    pub fn values_into(
        &mut self,
        parameters: impl AsParameters,
        inputs: impl Inputs,
        mut values: impl AsViewMut,
    ) -> Result<(), SparsityError> {
        let structure = self.structure.as_mut().ok_or(SparsityError::NoStructure)?;
        structure.check(&inputs)?;
        let values = values.as_view_mut();
        let (expected, found) = (self.recipe.graph.expr(self.recipe.y).dtype(), values.dtype());
        let length = values.shape().iter().product::<usize>();
        if length != structure.pattern().n_entries() {
            return Err(SparsityError::Length { expected: structure.pattern().n_entries(), found: length });
        }
        structure.run(parameters, &inputs)?;
        match (values, expected) {
            (ValueViewMut::F64(values), DType::F64) => structure.add_up(values),
            (ValueViewMut::F32(values), DType::F32) => structure.add_up(values),
            _ => return Err(SparsityError::DType { expected, found }),
        }
        Ok(())
    }
}

impl Graph {
    /// What the rows are of, as its derivative is taken: in its stable form. Errors are recorded.
    fn differentiated<'g>(&'g self, y: Expr<'g>, x: Expr<'g>, entries: Entries) -> Expr<'g> {
        let y = match entries {
            Entries::All => y,
            Entries::LowerOfHessian => self.gradient(y, x),
        };
        match self.differentiable(y, &[x]) {
            Ok(()) => autodiff::stable_form(y, x),
            Err(poison) => poison,
        }
    }
}

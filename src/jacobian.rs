//! Whole Jacobians and Hessians. In: expressions and what they are differentiated by. Out: expressions: products of both modes with every
//! vector of a basis, as one batch, so that the graph does not grow with the number of rows. Nothing here knows a primitive.

use crate::graph::{DerivativeMode, Dim, Expr, Graph, Shape, Site};

impl Graph {
    /// The Jacobian ∂y/∂x: the derivative of each element of y by each element of x, by the mode that takes fewer products.
    ///
    /// That is forward mode, one product for each element of x, if y has at least as many elements whatever its symbols are, and else
    /// reverse mode, one for each element of y; [`Graph::jacobians_by`] takes the mode that is asked for.
    ///
    /// # Shapes
    /// y: S, x: T → S + T.
    ///
    /// # Errors
    /// An error is recorded if y or x is no float.
    ///
    /// # Complexity
    /// A small multiple of evaluating y for each product, and the memory of all products at once. The graph grows by one derivative,
    /// whatever the sizes are.
    ///
    /// # Source
    /// Griewank and Walther, *Evaluating Derivatives*, 2nd edition, 2008, section 3.2 (vector modes).
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", (2,));
    /// let y = g.constant(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).dot(x.square());
    /// let mut program = g.compile([("J", g.jacobian(y, x))])?;
    /// let out = program.call(("x", array![1.0, -1.0]))?;
    /// assert_eq!(out["J"], array![[2.0, -4.0], [6.0, -8.0], [10.0, -12.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("jac", "jacfwd", "jacrev"))]
    #[track_caller]
    pub fn jacobian<'g>(&'g self, y: Expr<'g>, x: Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("jacobian", Site::caller());
        self.jacobians(y, &[x])[0]
    }

    /// The Jacobians of y by several nodes, of which reverse mode computes all with one product for each element of y.
    ///
    /// The elements of all `xs` are counted together when the mode is chosen. A parameter is [`Graph::named`].
    ///
    /// # Errors
    /// As for [`Graph::jacobian`]; all results then stand for the error.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (a, b) = (g.input_of(DType::F64, "a", (4, 3)), g.input_of(DType::F64, "b", (3,)));
    /// let [by_a, by_b] = g.jacobians(a.dot(b), &[a, b])[..] else { unreachable!("one for each") };
    /// assert_eq!((by_a.shape().to_string(), by_b.shape().to_string()), ("[4, 4, 3]".into(), "[4, 3]".into()));
    /// ```
    #[track_caller]
    pub fn jacobians<'g>(&'g self, y: Expr<'g>, xs: &[Expr<'g>]) -> Vec<Expr<'g>> {
        let _frame = self.enter("jacobians", Site::caller());
        self.whole_jacobians(y, xs, || {
            let n_columns: Dim = xs.iter().map(|x| x.shape().size()).sum();
            let is_tall = (y.shape().size() - n_columns).is_never_negative();
            if is_tall { DerivativeMode::Forward } else { DerivativeMode::Reverse }
        })
    }

    /// [`Graph::jacobians`] by forward or by reverse mode.
    ///
    /// # Errors
    /// As for [`Graph::jacobians`].
    #[track_caller]
    pub fn jacobians_by<'g>(&'g self, mode: DerivativeMode, y: Expr<'g>, xs: &[Expr<'g>]) -> Vec<Expr<'g>> {
        let _frame = self.enter("jacobians", Site::caller());
        self.whole_jacobians(y, xs, || mode)
    }

    /// The Hessian ∂²f/∂x² of a scalar: forward mode over its gradient, for all columns at once.
    ///
    /// The value, the gradient and the Hessian of one program share what they have in common.
    ///
    /// # Shapes
    /// f: `[]`, x: T → T + T.
    ///
    /// # Errors
    /// An error is recorded if f is no scalar, or if f or x is no float.
    ///
    /// # Complexity
    /// A small multiple of evaluating f for each element of x, and the memory of all these products at once. For the curvature in one direction
    /// take [`Graph::hvp`].
    ///
    /// # Source
    /// Griewank and Walther, *Evaluating Derivatives*, 2nd edition, 2008, section 5.4.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", (2,));
    /// let rosenbrock = 100.0 * (x.slice(1) - x.slice(0).square()).square() + (1.0 - x.slice(0)).square();
    /// let mut program = g.compile([("H", g.hessian(rosenbrock, x))])?;
    /// let out = program.call(("x", array![1.0, 1.0]))?;
    /// assert_eq!(out["H"], array![[802.0, -400.0], [-400.0, 200.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn hessian<'g>(&'g self, f: Expr<'g>, x: Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("hessian", Site::caller());
        self.hessians(f, &[x])[0][0]
    }

    /// The blocks ∂²f/∂xᵢ∂xⱼ of the Hessian of a scalar by several nodes: row i, column j.
    ///
    /// # Shapes
    /// f: `[]`; block i, j has the axes of xᵢ and then those of xⱼ.
    ///
    /// # Errors
    /// As for [`Graph::hessian`]; all results then stand for the error.
    #[track_caller]
    pub fn hessians<'g>(&'g self, f: Expr<'g>, xs: &[Expr<'g>]) -> Vec<Vec<Expr<'g>>> {
        let _frame = self.enter("hessians", Site::caller());
        let gradients = self.gradients(f, xs);
        if let Some(poison) = self.refuse(&gradients) {
            return vec![vec![poison; xs.len()]; xs.len()];
        }
        let columns: Vec<Vec<Expr<'g>>> = xs.iter().map(|x| self.columns(&gradients, *x)).collect();
        (0..xs.len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect()
    }

    /// Hessian–vector products of a scalar: Σⱼ (∂²f/∂xᵢ∂xⱼ)·vⱼ over the pairs (xⱼ, vⱼ), for each i, without the Hessian.
    ///
    /// # Shapes
    /// f: `[]`, each v has the shape of its x; so has each result.
    ///
    /// # Errors
    /// An error is recorded if f is no scalar, if a v is not of the type of its x, or if anything is no float.
    ///
    /// # Complexity
    /// A small multiple of evaluating f, however many elements there are.
    ///
    /// # Source
    /// Pearlmutter, *Fast exact multiplication by the Hessian*, Neural Computation 6, 1994.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, v) = (g.input_of(DType::F64, "x", (2,)), g.input_of(DType::F64, "v", (2,)));
    /// let product = g.hvp(x.powi(3).sum(), &[(x, v)])[0];
    /// let out = g.compile([("product", product)])?.call((("x", array![1.0, 2.0]), ("v", array![1.0, 10.0])))?;
    /// assert_eq!(out["product"], array![6.0, 120.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("hessian_vector_product", "pearlmutter"))]
    #[track_caller]
    pub fn hvp<'g>(&'g self, f: Expr<'g>, directions: &[(Expr<'g>, Expr<'g>)]) -> Vec<Expr<'g>> {
        let _frame = self.enter("hvp", Site::caller());
        let xs: Vec<Expr<'g>> = directions.iter().map(|(x, _)| *x).collect();
        self.gradients(f, &xs).into_iter().map(|gradient| self.jvp(gradient, directions)).collect()
    }

    /// The Jacobians of y by each of `xs`, or the poison among them.
    fn whole_jacobians<'g>(
        &'g self,
        y: Expr<'g>,
        xs: &[Expr<'g>],
        mode: impl FnOnce() -> DerivativeMode,
    ) -> Vec<Expr<'g>> {
        let operands: Vec<Expr<'g>> = std::iter::once(y).chain(xs.iter().copied()).collect();
        if let Some(poison) = self.refuse(&operands) {
            return vec![poison; xs.len()];
        }
        match mode() {
            DerivativeMode::Forward => xs.iter().map(|x| self.columns(&[y], *x)[0]).collect(),
            DerivativeMode::Reverse => {
                let frame = self.frame();
                let rows = self.vmap(basis(y), |cotangent| {
                    let _frame = self.reenter(frame);
                    self.vjp(y, cotangent, xs)
                });
                let shaped = |(rows, x): (Expr<'g>, &Expr<'g>)| rows.reshape(joined(&y.shape(), &x.shape()));
                rows.into_iter().zip(xs).map(shaped).collect()
            }
        }
    }

    /// The Jacobian of each y by x, by forward mode.
    fn columns<'g>(&'g self, ys: &[Expr<'g>], x: Expr<'g>) -> Vec<Expr<'g>> {
        let frame = self.frame();
        let push = |tangent: Expr<'g>| {
            let _frame = self.reenter(frame);
            ys.iter().map(|y| self.jvp(*y, &[(x, tangent)])).collect::<Vec<_>>()
        };
        let shaped =
            |(columns, y): (Expr<'g>, &Expr<'g>)| columns.move_axis(0, -1).reshape(joined(&y.shape(), &x.shape()));
        self.vmap(basis(x), push).into_iter().zip(ys).map(shaped).collect()
    }
}

/// Arrays of the shape of x, stacked, of which each is 1 at another element and 0 elsewhere.
fn basis<'g>(x: Expr<'g>) -> Expr<'g> {
    let n = x.shape().size();
    x.graph().eye(n.clone(), x.dtype()).reshape(joined(&Shape::from(&[n][..]), &x.shape()))
}

fn joined(first: &Shape, second: &Shape) -> Shape {
    first.iter().chain(second.iter()).cloned().collect()
}

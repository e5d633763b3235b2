//! Arrays shifted around an axis, and products of all blocks. In: arrays. Out: composites of slices, concatenations and
//! products.

use crate::graph::{Concat, Dim, Expr, GraphError, Shape, Slice};

impl<'g> Expr<'g> {
    /// The array shifted by `shift` places along `axis`, what leaves at one end coming in at the other: NumPy's `roll`.
    /// Negative axes count from the end, a negative shift goes towards the first element.
    ///
    /// # Shapes
    /// `[m, n]` → `[m, n]`.
    ///
    /// # Errors
    /// Where the size of the axis is a symbol, a shift beyond it is an error of the run.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let mut program = g.compile(g.input("x", ("n",)).roll(1, 0))?;
    /// assert_eq!(program.call(("x", &array![1.0f32, 2.0, 3.0]))?["result"], array![3.0f32, 1.0, 2.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("circshift", "rotate"))]
    #[track_caller]
    pub fn roll(self, shift: i64, axis: i64) -> Expr<'g> {
        let _frame = self.enter("roll");
        let axis = match self.axis(axis) {
            Ok(axis) => axis,
            Err(poison) => return poison,
        };
        let (g, shape) = (self.graph(), self.shape());
        let size = shape[axis].clone();
        let shift = match size.as_number() {
            Some(size) => shift.checked_rem_euclid(size).unwrap_or(0),
            None => shift,
        };
        if shift == 0 {
            return self;
        }
        let cut = if shift > 0 { size.clone() - shift } else { Dim::from(0) - shift };
        let end = g.apply(Slice::along(&shape, axis, cut.clone(), size), &[self]);
        let beginning = g.apply(Slice::along(&shape, axis, Dim::from(0), cut), &[self]);
        g.apply(Concat { axis }, &[end, beginning])
    }

    /// The Kronecker product: each element of this array replaced by it times the other.
    ///
    /// # Shapes
    /// `[m, n]` and `[p, q]` → `[m*p, n*q]`; any equal number of axes.
    ///
    /// # Errors
    /// An error is recorded if the numbers of axes differ, or dtypes.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let (a, b) = (g.constant(array![[1.0, 2.0]]), g.constant(array![[1.0], [10.0]]));
    /// let mut program = g.compile(a.kron(b))?;
    /// assert_eq!(program.call(())?["result"], array![[1.0, 2.0], [10.0, 20.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "kronecker")]
    #[track_caller]
    pub fn kron(self, other: Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("kron");
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, other]) {
            return poison;
        }
        let (left, right) = (self.shape(), other.shape());
        if left.rank() != right.rank() {
            return g.report(GraphError::Rank { expected: left.rank().to_string(), found: right }, &[self, other]);
        }
        let one = Dim::from(1);
        let outer: Shape = left.iter().flat_map(|size| [size.clone(), one.clone()]).collect();
        let inner: Shape = right.iter().flat_map(|size| [one.clone(), size.clone()]).collect();
        let product = self.reshape(outer) * other.reshape(inner);
        let merged: Shape = left.iter().zip(right.iter()).map(|(left, right)| left.clone() * right).collect();
        if product.is_poisoned() { product } else { product.reshape(merged) }
    }
}

//! Products of matrices and vectors, in batches, and outer products. In: two handles. Out: one sum of products over
//! axes.

use super::{apply::broadcast_shapes, labelled::Labelled};
use crate::graph::{Axes, DotGeneral, Expr, GraphError, Shape};

impl<'g> Expr<'g> {
    /// The product of matrices, as NumPy's `matmul`: y[…, i, j] = Σₖ a[…, i, k]·b[…, k, j]. A vector on the left is a
    /// row, on the right a column, and its axis is not in the result. Leading axes are batches: aligned at the end, of
    /// equal size or 1.
    ///
    /// # Shapes
    /// | a | b | result |
    /// |---|---|---|
    /// | `[k]` | `[k]` | `[]` |
    /// | `[m, k]` | `[k]` | `[m]` |
    /// | `[k]` | `[k, n]` | `[n]` |
    /// | `[m, k]` | `[k, n]` | `[m, n]` |
    /// | `[batch, m, k]` | `[k, n]` | `[batch, m, n]` |
    /// | `[a, 1, m, k]` | `[b, k, n]` | `[a, b, m, n]` |
    ///
    /// # Errors
    /// An error is recorded if k differs, if batches do not broadcast, or if an operand is a scalar: that is `*`.
    ///
    /// # Complexity
    /// 2·m·k·n operations for each of the batch. Nothing is repeated in memory where batches broadcast.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let (x, w) = (g.input("x", ("batch", 64)), g.input("w", (64, 10)));
    /// assert_eq!(x.dot(w).shape().to_string(), "[batch, 10]");
    /// ```
    #[doc(alias("matmul", "mm", "bmm", "mv"))]
    #[track_caller]
    pub fn dot(self, other: Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("dot");
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, other]) {
            return poison;
        }
        let batch = match batch_of_matrices(&self.shape(), &other.shape()) {
            Ok(batch) => batch,
            Err(error) => return g.report(error, &[self, other]),
        };
        let (row, inner, column) = ('i', 'k', 'j');
        let leading: Vec<char> = ('α'..).take(batch.rank()).collect();
        let rows: &[char] = if self.rank() == 1 { &[] } else { &[row] };
        let columns: &[char] = if other.rank() == 1 { &[] } else { &[column] };
        let left = label_batch(self, &batch, &leading, &[rows, &[inner]].concat());
        let right = label_batch(other, &batch, &leading, &[&[inner], columns].concat());
        left.contract(right, |letter| letter != inner).arrange(&[&leading, rows, columns].concat())
    }

    /// Every element of this times every element of the other: y[i…, j…] = a[i…]·b[j…].
    ///
    /// # Shapes
    /// `[m]` and `[n]` → `[m, n]`; unlike NumPy's, operands of more axes keep them.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let (u, v) = (g.input("u", ("m",)), g.input("v", (3, 4)));
    /// assert_eq!(u.outer(v).shape().to_string(), "[m, 3, 4]");
    /// ```
    #[doc(alias = "ger")]
    #[track_caller]
    pub fn outer(self, other: Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("outer");
        let none = Axes::new;
        let (left_batch, right_batch, left_contract, right_contract) = (none(), none(), none(), none());
        let dot = DotGeneral { left_batch, right_batch, left_contract, right_contract };
        self.graph().apply(dot, &[self, other])
    }
}

/// The leading axes of the product of matrices, or why there is none.
fn batch_of_matrices(left: &Shape, right: &Shape) -> Result<Shape, GraphError> {
    if let Some(scalar) = [left, right].into_iter().find(|shape| shape.rank() == 0) {
        return Err(GraphError::Rank { expected: "at least 1".into(), found: scalar.clone() });
    }
    let (left_batch, right_batch) = (left.rank().saturating_sub(2), right.rank().saturating_sub(2));
    let (left_axis, right_axis) = (left.rank() - 1, right_batch);
    if left[left_axis] != right[right_axis] {
        let (left, right) = (left[left_axis].clone(), right[right_axis].clone());
        return Err(GraphError::SizesDiffer { left_axis, left, right_axis, right });
    }
    let (left, right) = (Shape::from(&left[..left_batch]), Shape::from(&right[..right_batch]));
    broadcast_shapes(&left, &right).ok_or(GraphError::NotBroadcastable { left, right })
}

/// An operand of a batched product of matrices: leading axes have the letters of `batch` at the same place from the
/// end, the last ones those of `matrix`. Axes of size 1 that the batch stretches are removed, so that nothing is
/// repeated: only the other operand has that letter then.
fn label_batch<'g>(x: Expr<'g>, batch: &Shape, letters: &[char], matrix: &[char]) -> Labelled<'g> {
    let shape = x.shape();
    let leading = shape.rank() - matrix.len();
    let added = batch.rank() - leading;
    let (kept, stretched): (Axes, Axes) = (0..leading).partition(|axis| shape[*axis] == batch[added + axis]);
    let letters = kept.iter().map(|axis| letters[added + axis]).chain(matrix.iter().copied()).collect();
    Labelled::new(x.reshape(shape.without(&stretched)), letters)
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;
    use crate::{
        graph::{Dim, Graph},
        ops::{sample::reals, testing::value},
    };

    /// y[…, i, j] = Σₖ a[…, i, k]·b[…, k, j], element by element.
    fn by_loops(a: &ArrayD<f64>, b: &ArrayD<f64>, shape: &[usize]) -> ArrayD<f64> {
        let (rank, inner) = (shape.len(), a.shape()[a.ndim() - 1]);
        let element = |x: &ArrayD<f64>, place: &[usize], row: usize, column: usize| {
            let whole = [&place[..rank - 2], &[row, column]].concat();
            let batch_index = &whole[rank - x.ndim()..];
            let clipped: Vec<usize> = batch_index.iter().zip(x.shape()).map(|(i, size)| *i.min(&(size - 1))).collect();
            x[IxDyn(&clipped)]
        };
        ArrayD::from_shape_fn(IxDyn(shape), |place| {
            let place: Vec<usize> = (0..rank).map(|axis| place[axis]).collect();
            (0..inner).map(|k| element(a, &place, place[rank - 2], k) * element(b, &place, k, place[rank - 1])).sum()
        })
    }

    #[test]
    fn products_of_matrices_broadcast_as_in_numpy() {
        let cases: [(&[usize], &[usize], &[usize]); 8] = [
            (&[2, 3], &[3, 4], &[2, 4]),
            (&[5, 2, 3], &[3, 4], &[5, 2, 4]),
            (&[2, 3], &[5, 3, 4], &[5, 2, 4]),
            (&[5, 2, 3], &[5, 3, 4], &[5, 2, 4]),
            (&[5, 1, 2, 3], &[6, 3, 4], &[5, 6, 2, 4]),
            (&[1, 6, 2, 3], &[5, 1, 3, 4], &[5, 6, 2, 4]),
            (&[1, 2, 3], &[1, 3, 4], &[1, 2, 4]),
            (&[2, 0], &[0, 4], &[2, 4]),
        ];
        for (left, right, product) in cases {
            let g = Graph::new();
            let (a, b) = (reals(left, -1.0, 1.0), reals(right, -1.0, 2.0));
            let got = value(g.constant(a.clone()).dot(g.constant(b.clone())));
            let want = by_loops(a.array().unwrap(), b.array().unwrap(), product);
            let got: &ArrayD<f64> = got.array().unwrap();
            assert_eq!(got.shape(), product);
            // One rounding of each of three products and two sums below 2.
            assert!((got - &want).iter().all(|error| error.abs() < 1e-14), "{left:?} · {right:?}");
        }
    }

    #[test]
    fn vectors_lose_their_axis() {
        let g = Graph::new();
        let (vector, matrix) = (g.input("v", (3,)), g.input("m", ("batch", 3, 3)));
        let shapes = [vector.dot(vector), vector.dot(matrix), matrix.dot(vector)].map(|x| x.shape().to_string());
        assert_eq!(shapes, ["[]", "[batch, 3]", "[batch, 3]"]);
        assert!(g.check().is_ok());
    }

    #[test]
    fn mistakes_are_told() {
        let g = Graph::new();
        let (x, y, s) = (g.input("x", (2, 3)), g.input("y", (7, 2, 3)), g.input("s", ()));
        x.dot(x);
        y.dot(g.input("z", (5, 3, 2)));
        x.dot(s);
        let mistakes: Vec<GraphError> =
            g.check().unwrap_err().0.into_iter().map(|diagnostic| diagnostic.error).collect();
        assert_eq!(
            mistakes,
            [
                GraphError::SizesDiffer { left_axis: 1, left: Dim::from(3), right_axis: 0, right: Dim::from(2) },
                GraphError::NotBroadcastable { left: Shape::from((7,)), right: Shape::from((5,)) },
                GraphError::Rank { expected: "at least 1".into(), found: Shape::from(()) },
            ]
        );
    }
}

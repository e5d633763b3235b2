//! Arrays put together, taken apart, repeated and surrounded. In: arrays. Out: composites of reshapes, broadcasts,
//! slices, concatenations and selections, whose derivatives are theirs. No element is computed with.

use super::{
    apply::{Operand, held},
    axes::normalize,
    labelled::Labelled,
    leaf::check_sizes,
    slice::check_count,
    triangular_solve::check_square,
};
use crate::graph::{Axes, Concat, Constant, DType, Dim, Expr, GraphError, Literal, Op, Pad, Shape, Slice, Type};

/// The most parts that [`Expr::split`] makes: each is a node of the graph.
const MAX_PARTS: usize = 1 << 20;

/// How an axis is taken apart: a number of equal parts, or the size of each.
pub trait IntoParts {
    /// How many parts there are.
    fn count(&self) -> usize;

    /// The size of each part of an axis of this size, or why there are no such parts.
    fn sizes(self, axis: usize, size: &Dim) -> Result<Vec<Dim>, GraphError>;
}

impl IntoParts for usize {
    fn count(&self) -> usize {
        *self
    }

    fn sizes(self, axis: usize, size: &Dim) -> Result<Vec<Dim>, GraphError> {
        match size.divided_by(&Dim::from(self)) {
            Some(part) => Ok(vec![part; self]),
            None => Err(GraphError::UnequalParts { axis, size: size.clone(), parts: self }),
        }
    }
}

impl<D: Into<Dim>> IntoParts for Vec<D> {
    fn count(&self) -> usize {
        self.len()
    }

    fn sizes(self, axis: usize, size: &Dim) -> Result<Vec<Dim>, GraphError> {
        let parts: Vec<Dim> = self.into_iter().map(Into::into).collect();
        if let Some(part) = parts.iter().find(|part| part.as_number().is_some_and(|number| number < 0)) {
            return Err(GraphError::NegativeSize { axis, size: part.clone() });
        }
        let sum: Dim = parts.iter().cloned().sum();
        if sum == *size { Ok(parts) } else { Err(GraphError::PartsDiffer { axis, size: size.clone(), sum }) }
    }
}

impl<D: Into<Dim>, const N: usize> IntoParts for [D; N] {
    fn count(&self) -> usize {
        N
    }

    fn sizes(self, axis: usize, size: &Dim) -> Result<Vec<Dim>, GraphError> {
        Vec::from(self).sizes(axis, size)
    }
}

impl<'g> Expr<'g> {
    /// This array and then the others, along a new axis at `axis` of the result; negative axes count from its end.
    /// [`Expr::concat`] joins along an axis that is there.
    ///
    /// # Shapes
    /// k arrays `[m, n]` along 0 → `[k, m, n]`, along −1 → `[m, n, k]`.
    ///
    /// # Errors
    /// An error is recorded if types differ, or if the result has no such axis.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let (x, y) = (g.input("x", ("batch", 3)), g.input("y", ("batch", 3)));
    /// assert_eq!(x.stack([y, x + y], 1).shape().to_string(), "[batch, 3, 3]");
    /// ```
    #[track_caller]
    pub fn stack(self, others: impl IntoIterator<Item = Expr<'g>>, axis: i64) -> Expr<'g> {
        let _frame = self.enter("stack");
        let (g, operands): (_, Vec<Expr<'g>>) = (self.graph(), std::iter::once(self).chain(others).collect());
        if let Some(poison) = g.refuse(&operands) {
            return poison;
        }
        let shape = self.shape();
        let error = match operands.iter().find(|other| other.shape() != shape) {
            Some(other) => GraphError::ShapesDiffer { left: shape, right: other.shape() },
            None => match normalize(axis, shape.rank() + 1) {
                Ok(new_axis) => {
                    let parts: Vec<Expr<'g>> = operands.iter().map(|operand| operand.unsqueeze(axis)).collect();
                    return g.apply(Concat { axis: new_axis }, &parts);
                }
                Err(error) => error,
            },
        };
        g.report(error, &operands)
    }

    /// The array in parts along `axis`, in order: so many equal ones, or one of each size given. Negative axes count
    /// from the end; [`Expr::concat`] puts the parts together again.
    ///
    /// A size with symbols has equal parts where the number divides it as a polynomial, as 3 does `3*width`.
    ///
    /// # Shapes
    /// `[m, 6]` in 3 along 1 → three times `[m, 2]`; by `[1, 5]` along 1 → `[m, 1]` and `[m, 5]`.
    ///
    /// # Errors
    /// An error is recorded if there is no such axis, if the number of parts does not divide its size or is not from 1
    /// to 2²⁰, or if the sizes do not add up to it. Each of the parts, one of none, then stands for the error.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 12));
    /// let [query, key, value] = x.split(3, -1)[..] else { unreachable!() };
    /// assert_eq!(key.shape().to_string(), "[batch, 4]");
    /// let parts = x.split([2, 10], 1);
    /// assert_eq!(parts[1].shape().to_string(), "[batch, 10]");
    /// # let _ = (query, value);
    /// ```
    #[doc(alias("unbind", "unstack"))]
    #[doc(alias = "chunk")]
    #[track_caller]
    pub fn split(self, parts: impl IntoParts, axis: i64) -> Vec<Expr<'g>> {
        let _frame = self.enter("split");
        let n_parts = parts.count();
        let standing_for = |poison: Expr<'g>| vec![poison; n_parts.clamp(1, MAX_PARTS)];
        let axis = match self.axis(axis) {
            Ok(axis) => axis,
            Err(poison) => return standing_for(poison),
        };
        let shape = self.shape();
        let sizes = if (1..=MAX_PARTS).contains(&n_parts) {
            parts.sizes(axis, &shape[axis])
        } else {
            let (what, expected) = ("the number of parts", "from 1 to 1048576");
            Err(GraphError::OutOfRange { what, expected, found: n_parts.to_string() })
        };
        match sizes {
            Ok(sizes) => {
                let mut start = Dim::from(0);
                let part = |size: Dim| {
                    let stop = start.clone() + size;
                    let before = std::mem::replace(&mut start, stop.clone());
                    self.graph().apply(Slice::along(&shape, axis, before, stop), &[self])
                };
                sizes.into_iter().map(part).collect()
            }
            Err(error) => standing_for(self.graph().report(error, &[self])),
        }
    }

    /// The array so many times along each axis, one copy after another. As in NumPy, the numbers are aligned with the
    /// axes at the end; axes and numbers that are missing in front are 1.
    ///
    /// # Shapes
    /// `[m, n]` by `(2, 3)` → `[2*m, 3*n]`; `[n]` by `(2, 1)` → `[2, n]`.
    ///
    /// # Errors
    /// An error is recorded if a number is negative, or if the result is too large.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("n", 3));
    /// assert_eq!(x.tile((2, 4)).shape().to_string(), "[2*n, 12]");
    /// assert_eq!(x.tile(("batch", 1, 1)).shape().to_string(), "[batch, n, 3]");
    /// ```
    #[doc(alias = "repeat")]
    #[track_caller]
    pub fn tile(self, repeats: impl Into<Shape>) -> Expr<'g> {
        let _frame = self.enter("tile");
        if self.is_poisoned() {
            return self;
        }
        let (input_shape, repeats) = (self.shape(), repeats.into());
        if let Err(error) = check_sizes(&repeats) {
            return self.graph().report(error, &[self]);
        }
        let rank = input_shape.rank().max(repeats.rank());
        let size_of = |shape: &Shape, axis: usize| match (axis + shape.rank()).checked_sub(rank) {
            Some(axis) => shape[axis].clone(),
            None => Dim::from(1),
        };
        // Each axis that repeats is two until the end, the copies and what is copied.
        let pair = |axis: usize| (size_of(&repeats, axis), size_of(&input_shape, axis));
        let merged_sizes = |(count, size): (Dim, Dim)| if count.is(1) { vec![size] } else { vec![count, size] };
        let apart = |(count, size): (Dim, Dim)| if count.is(1) { vec![size] } else { vec![Dim::from(1), size] };
        let shape = |sizes: &dyn Fn((Dim, Dim)) -> Vec<Dim>| -> Shape {
            (0..rank).flat_map(|axis| sizes(pair(axis))).collect()
        };
        let merged = shape(&|(count, size)| vec![count * size]);
        self.reshape(shape(&apart)).broadcast_to(shape(&merged_sizes)).reshape(merged)
    }

    /// The array with `value` around it: for each axis, how many elements before and after; one pair alone is for all
    /// axes. The value is a number or a scalar of this dtype. An element is never computed with it, so that it may be
    /// infinite.
    ///
    /// # Shapes
    /// `[m, n]` with `[(1, 1), (0, k)]` → `[m + 2, n + k]`.
    ///
    /// # Errors
    /// An error is recorded if a number of elements is negative, if there are other axes than pairs, or if the value is
    /// no scalar of this dtype. One with symbols that is negative is an error of the run.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("n", 2));
    /// let mut program = g.compile(x.pad([(0, 1), (1, 0)], f64::NEG_INFINITY).max_over(0))?;
    /// let out = program.call(("x", &array![[1.0f32, 2.0], [0.0, 3.0]]))?;
    /// assert_eq!(out["result"], array![f32::NEG_INFINITY, 1.0, 3.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "constant_pad")]
    #[track_caller]
    pub fn pad<A: Into<Dim>, B: Into<Dim>>(
        self,
        widths: impl IntoIterator<Item = (A, B)>,
        value: impl Operand<'g>,
    ) -> Expr<'g> {
        let _frame = self.enter("pad");
        if self.is_poisoned() {
            return self;
        }
        let g = self.graph();
        let widths = widths.into_iter().map(|(before, after)| (before.into(), after.into())).collect();
        let sides = match sides(widths, self.rank()) {
            Ok(sides) => sides,
            Err(error) => return g.report(error, &[self]),
        };
        match self.scalar_value(value) {
            Ok(value) if is_zero(value) => {
                let (low, high) = sides.into_iter().unzip();
                g.apply(Pad { low, high, interior: Axes::from_elem(0, self.rank()) }, &[self])
            }
            Ok(value) => {
                (0..).zip(sides).fold(self, |part, (axis, (before, after))| part.between(axis, before, after, value))
            }
            Err(poison) => poison,
        }
    }

    /// A number or a handle as a scalar of this dtype.
    fn scalar_value(self, value: impl Operand<'g>) -> Result<Expr<'g>, Expr<'g>> {
        let (g, dtype) = (self.graph(), self.dtype());
        let zero = g.splat(held(0.0, dtype).expect("invariant: every dtype has 0"), Type::new(dtype, ()));
        let value = value.into_expr(zero);
        if let Some(poison) = g.refuse(&[self, value]) {
            return Err(poison);
        }
        let found = value.ty();
        let error = match found.dtype == dtype {
            true if found.rank() == 0 => return Ok(value),
            true => {
                let (what, expected) = ("the value around an array", Shape::default());
                GraphError::WrongShape { what, expected, found: found.shape }
            }
            false => GraphError::DTypesDiffer { left: dtype, right: found.dtype },
        };
        Err(g.report(error, &[self, value]))
    }

    /// This array between copies of a scalar along one axis.
    fn between(self, axis: usize, before: Dim, after: Dim, value: Expr<'g>) -> Expr<'g> {
        if self.is_poisoned() || (before.is(0) && after.is(0)) {
            return self;
        }
        let block = |width: Dim| {
            let mut shape = self.shape().to_vec();
            shape[axis] = width;
            value.broadcast_to(shape)
        };
        let is_there = |width: &Dim| !width.is(0);
        let before = Some(before).filter(is_there).map(block);
        // What is too large is one error, not one for each side.
        if let Some(poison) = before.filter(Expr::is_poisoned) {
            return poison;
        }
        let after = Some(after).filter(is_there).map(block);
        let parts: Vec<Expr<'g>> = [before, Some(self), after].into_iter().flatten().collect();
        self.graph().apply(Concat { axis }, &parts)
    }

    /// Square matrices with this on their diagonals, and zeros beside: yᵢⱼ = xᵢ where i = j, for each row of a batch.
    /// [`Expr::diagonal`] reads it back.
    ///
    /// # Shapes
    /// `[…, n]` → `[…, n, n]`.
    ///
    /// # Errors
    /// An error is recorded for a scalar.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("n",));
    /// let mut program = g.compile(x.diag())?;
    /// let out = program.call(("x", &array![1.0f32, 2.0]))?;
    /// assert_eq!(out["result"], array![[1.0f32, 0.0], [0.0, 2.0]].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "diag_embed")]
    #[track_caller]
    pub fn diag(self) -> Expr<'g> {
        let _frame = self.enter("diag");
        if self.is_poisoned() {
            return self;
        }
        match self.shape().last() {
            Some(n) => self.graph().eye(n, DType::Bool).select(self.unsqueeze(-2), 0.0),
            None => {
                let error = GraphError::Rank { expected: "at least 1".into(), found: self.shape() };
                self.graph().report(error, &[self])
            }
        }
    }

    /// The diagonal of each matrix: yᵢ = xᵢᵢ. [`Expr::diag`] makes matrices of diagonals.
    ///
    /// # Shapes
    /// `[…, n, n]` → `[…, n]`.
    ///
    /// # Errors
    /// An error is recorded if the last two sizes are not equal.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let covariance = g.input("covariance", ("batch", "n", "n"));
    /// assert_eq!(covariance.diagonal().shape().to_string(), "[batch, n]");
    /// ```
    #[track_caller]
    pub fn diagonal(self) -> Expr<'g> {
        let _frame = self.enter("diagonal");
        if self.is_poisoned() {
            return self;
        }
        if let Err(error) = check_square(&self.shape()) {
            return self.graph().report(error, &[self]);
        }
        // A letter for each axis of the result; the two axes of a matrix have the last.
        let letters: Vec<char> = ('\u{E000}'..).take(self.rank() - 1).collect();
        let twice = letters.iter().chain(letters.last()).copied().collect();
        Labelled::new(self, twice).diagonal().arrange(&letters)
    }

    /// The sum of the diagonal of each matrix: y = Σ xᵢᵢ.
    ///
    /// # Shapes
    /// `[…, n, n]` → `[…]`.
    ///
    /// # Errors
    /// An error is recorded if the last two sizes are not equal, or if x is `bool`.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 3, 3));
    /// assert_eq!(x.trace().shape().to_string(), "[batch]");
    /// ```
    #[track_caller]
    pub fn trace(self) -> Expr<'g> {
        let _frame = self.enter("trace");
        self.diagonal().sum_over(-1)
    }
}

/// How many elements before and after, for each of `rank` axes.
fn sides(widths: Vec<(Dim, Dim)>, rank: usize) -> Result<Vec<(Dim, Dim)>, GraphError> {
    let is_negative = |dim: &&Dim| dim.as_number().is_some_and(|number| number < 0);
    if let Some(width) = widths.iter().flat_map(|(before, after)| [before, after]).find(is_negative) {
        return Err(GraphError::OutOfRange { what: "the padding", expected: "0 or more", found: width.to_string() });
    }
    if let [pair] = widths.as_slice() {
        return Ok(vec![pair.clone(); rank]);
    }
    check_count("the padding", widths.len(), rank)?;
    Ok(widths)
}

/// Whether this is the literal 0 that `pad` surrounds an array with, whose sign is +.
fn is_zero(value: Expr<'_>) -> bool {
    match value.op() {
        Op::Constant(Constant { value: Literal::Number(number), dtype, .. }) => {
            dtype != DType::Bool && number.to_bits() == 0
        }
        Op::Constant(Constant { value: Literal::Integer(number), .. }) => number == 0,
        _ => false,
    }
}

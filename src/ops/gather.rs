//! Reading at positions that are computed, and adding at them: each the other's transpose.

use ndarray::{ArrayD, Dimension, IxDyn};

use super::{
    apply::broadcast_shapes,
    axes::{check_axis, inverse_permutation},
    real::{Number, Real, Total},
    rule::{
        Application, Batching, Dependence, Domain, EvaluationContext, LinearMap, Linearization, OpError, Rule, Traits,
        check_number, check_operands,
    },
    sample::{Sample, listed, reals},
};
use crate::graph::{Axes, DType, Dim, Expr, Gather, GraphError, ScatterAdd, Shape, Type, Value};

impl Rule for Gather {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x, index] = check_operands(operands)?;
        check_axis(self.axis, x.rank())?;
        if index.dtype != DType::I64 {
            return Err(GraphError::UnsupportedDType { expected: "an i64 index", found: index.dtype });
        }
        if self.batch > self.axis {
            let found = self.batch.to_string();
            return Err(GraphError::OutOfRange { what: "the batch of a gather", expected: "at most its axis", found });
        }
        if index.rank() < self.batch {
            let expected = format!("at least {}", self.batch);
            return Err(GraphError::Rank { expected, found: index.shape.clone() });
        }
        if let Some(axis) = (0..self.batch).find(|axis| x.shape[*axis] != index.shape[*axis]) {
            let (left, right) = (x.shape[axis].clone(), index.shape[axis].clone());
            return Err(GraphError::SizesDiffer { left_axis: axis, left, right_axis: axis, right });
        }
        let (outer, rest) = (&x.shape[..self.axis], &x.shape[self.axis + 1..]);
        let shape: Shape = outer.iter().chain(&index.shape[self.batch..]).chain(rest).cloned().collect();
        Ok(Type::new(x.dtype, shape))
    }

    fn traits(&self) -> Traits {
        Traits::FALLIBLE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Linear(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Written(self)
    }

    fn dependence(&self, operand: usize, _: &[Type]) -> Dependence {
        if operand == 0 { Dependence::Picked } else { Dependence::Nothing }
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let selection = CheckedPositions::new(self, context.operands[0], context.operands[1])?;
        let shape = IxDyn(&context.shape()?);
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(selection.read(x, shape)),
            Value::F64(x) => Value::F64(selection.read(x, shape)),
            Value::I64(x) => Value::I64(selection.read(x, shape)),
            Value::Bool(x) => Value::Bool(selection.read(x, shape)),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        places()
            .into_iter()
            .map(|(gather, operand, index, _)| Sample::smooth(gather, [reals(operand, -1.0, 1.0), index]))
            .collect()
    }
}

/// What is gathered for samples: the primitive, the operand's shape, the index and the output's shape.
fn places() -> Vec<(Gather, &'static [usize], Value, &'static [usize])> {
    let along = |axis, batch| Gather { axis, batch };
    let index = |shape: &[usize], elements: &[i64]| listed(shape, elements);
    vec![
        (along(0, 0), &[4], index(&[3], &[2, 0, 3]), &[3]),
        (along(0, 0), &[3, 2], index(&[4], &[2, 0, 2, 2]), &[4, 2]),
        (along(1, 0), &[2, 3, 2], index(&[2, 2], &[0, 2, 1, 1]), &[2, 2, 2, 2]),
        (along(1, 0), &[2, 3], index(&[], &[1]), &[2]),
        (along(1, 1), &[2, 3], index(&[2, 4], &[0, 0, 2, 1, 1, 1, 1, 0]), &[2, 4]),
        (along(1, 1), &[2, 3, 2], index(&[2], &[2, 0]), &[2, 2]),
        (along(2, 1), &[2, 2, 3], index(&[2, 2], &[0, 2, 1, 1]), &[2, 2, 2]),
        (along(2, 2), &[2, 1, 3], index(&[2, 1, 1], &[2, 1]), &[2, 1, 1]),
        (along(0, 0), &[3, 2], index(&[0], &[]), &[0, 2]),
        (along(0, 0), &[0, 2], index(&[0], &[]), &[0, 2]),
        (along(0, 0), &[1], index(&[1], &[0]), &[1]),
    ]
}

/// Positions that are known to be within the axis they select from.
struct CheckedPositions<'a> {
    axis: usize,
    batch: usize,
    index: &'a ArrayD<i64>,
}

impl<'a> CheckedPositions<'a> {
    /// Checks every position, whether or not anything is read there: a negative one is not counted from the end.
    fn new<R>(gather: &Gather, operand: &Value<R>, index: &'a Value<R>) -> Result<CheckedPositions<'a>, OpError> {
        let Value::I64(index) = index else { unreachable!("invariant: inference asks for an i64 index") };
        let (axis, size) = (gather.axis, operand.shape()[gather.axis]);
        match index.iter().find(|position| usize::try_from(**position).map_or(true, |position| position >= size)) {
            Some(position) => Err(OpError::Index { index: *position, axis, size }),
            None => Ok(CheckedPositions { axis, batch: gather.batch, index }),
        }
    }

    /// Where the gathered element at `place` is in the operand.
    fn source(&self, place: &IxDyn) -> IxDyn {
        let place = place.as_array_view().to_vec();
        let after = self.axis + self.index.ndim() - self.batch;
        let index_place = [&place[..self.batch], &place[self.axis..after]].concat();
        let position = self.index[IxDyn(&index_place)] as usize;
        IxDyn(&[&place[..self.axis], &[position], &place[after..]].concat())
    }

    fn read<T: Copy>(&self, x: &ArrayD<T>, shape: IxDyn) -> ArrayD<T> {
        ArrayD::from_shape_fn(shape, |place| x[self.source(&place)])
    }

    /// Row-major order keeps duplicates in index order.
    fn add<T: Number>(&self, base: &ArrayD<T>, updates: &ArrayD<T>) -> ArrayD<T> {
        let mut totals = base.mapv(T::Total::start);
        for (place, update) in updates.indexed_iter() {
            let total = &mut totals[self.source(&place)];
            *total = total.add(*update);
        }
        totals.mapv(T::Total::rounded)
    }
}

impl LinearMap for Gather {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let Gather { axis, batch } = *self;
        let zeros = application.operands[0].zeros_like();
        cotangent.graph().apply(ScatterAdd { axis, batch }, &[zeros, application.operands[1], cotangent])
    }
}

impl ScatterAdd {
    /// The gather that reads where this adds.
    fn gather(&self) -> Gather {
        Gather { axis: self.axis, batch: self.batch }
    }
}

impl Rule for ScatterAdd {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [base, index, updates] = check_operands(operands)?;
        check_number(base)?;
        let read = self.gather().infer(&[base.clone(), index.clone()])?;
        if updates.dtype != read.dtype {
            return Err(GraphError::DTypesDiffer { left: read.dtype, right: updates.dtype });
        }
        if updates.shape != read.shape {
            return Err(GraphError::ShapesDiffer { left: read.shape, right: updates.shape.clone() });
        }
        Ok(base.clone())
    }

    fn traits(&self) -> Traits {
        Traits::FALLIBLE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Linear(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Written(self)
    }

    fn dependence(&self, operand: usize, _: &[Type]) -> Dependence {
        match operand {
            0 => Dependence::SameIndex,
            2 => Dependence::Added,
            _ => Dependence::Nothing,
        }
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let selection = CheckedPositions::new(&self.gather(), context.operands[0], context.operands[1])?;
        Ok(match (context.operands[0], context.operands[2]) {
            (Value::F32(base), Value::F32(updates)) => Value::F32(selection.add(base, updates)),
            (Value::F64(base), Value::F64(updates)) => Value::F64(selection.add(base, updates)),
            (Value::I64(base), Value::I64(updates)) => Value::I64(selection.add(base, updates)),
            _ => unreachable!("invariant: inference asks for numbers of one dtype"),
        })
    }

    fn flops(&self, operands: &[Type], _: &Type) -> Dim {
        operands[2].shape.size()
    }

    fn samples() -> Vec<Sample> {
        let scatter = |(Gather { axis, batch }, operand, index, output)| {
            Sample::smooth(ScatterAdd { axis, batch }, [reals(operand, -1.0, 1.0), index, reals(output, 1.0, 2.0)])
        };
        places().into_iter().map(scatter).collect()
    }
}

impl LinearMap for ScatterAdd {
    fn transpose<'g>(&self, operand: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        match operand {
            0 => cotangent,
            _ => cotangent.graph().apply(self.gather(), &[cotangent, application.operands[1]]),
        }
    }
}

impl<'g> Expr<'g> {
    /// The parts at the positions `index` along `axis`, as NumPy's `take`: `y[…, i…, …] = x[…, index[i…], …]`. Negative
    /// axes count from the end; negative positions do not.
    ///
    /// The derivative adds up over positions that are read more than once.
    ///
    /// # Shapes
    /// x: `[n, d]`, index: `i64[b, t]` along 0 → `[b, t, d]`: a table of embeddings.
    ///
    /// # Errors
    /// An error is recorded if the index is not `i64`. A position below 0 or beyond the axis is an error of the run.
    ///
    /// # Example
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let table = g.input("table", (1000, 64));
    /// let words = g.input_of(DType::I64, "words", ("batch", 12));
    /// assert_eq!(table.gather(words, 0).ty().to_string(), "f32[batch, 12, 64]");
    /// ```
    #[doc(alias("embedding", "lookup"))]
    #[doc(alias = "take")]
    #[doc(alias = "index_select")]
    #[track_caller]
    pub fn gather(self, index: Expr<'g>, axis: i64) -> Expr<'g> {
        let _frame = self.enter("gather");
        match self.axis(axis) {
            Ok(axis) => self.graph().apply(Gather { axis, batch: 0 }, &[self, index]),
            Err(poison) => poison,
        }
    }

    /// The parts at positions along several leading axes at once, as NumPy's `x[i, j]`: `y[p…, …] = x[i[p…], j[p…],
    /// …]`. The indices, one for each leading axis, broadcast together. Positions are not counted from the end.
    ///
    /// The derivative adds up over positions that are read more than once.
    ///
    /// # Shapes
    /// x: `[m, n, d]`, indices: `i64[b, 1]` and `i64[t]` → `[b, t, d]`.
    ///
    /// # Errors
    /// An error is recorded if there is no index or more than axes, if one is not `i64`, or if they do not broadcast. A
    /// position below 0 or beyond its axis is an error of the run.
    ///
    /// # Example
    /// ```
    /// use ndarray::array;
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.constant(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    /// let (i, j) = (g.input_of(DType::I64, "i", ("n",)), g.input_of(DType::I64, "j", ("n",)));
    /// let mut program = g.compile(x.gather_nd([i, j]))?;
    /// let (rows, columns) = (array![2i64, 0], array![0i64, 1]);
    /// let fed = (("i", &rows), ("j", &columns));
    /// assert_eq!(program.call(fed)?["result"], array![5.0, 2.0].into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("advanced_indexing", "fancy_indexing"))]
    #[track_caller]
    pub fn gather_nd(self, indices: impl IntoIterator<Item = Expr<'g>>) -> Expr<'g> {
        let _frame = self.enter("gather_nd");
        let indices: Vec<Expr<'g>> = indices.into_iter().collect();
        let operands = [&[self], indices.as_slice()].concat();
        if let Some(poison) = self.graph().refuse(&operands) {
            return poison;
        }
        match self.common_shape(&indices) {
            Ok(common) => {
                let shape = self.shape();
                let (indexed, rest) = shape.split_at(indices.len());
                let merged: Dim = indexed.iter().cloned().product();
                let rows = self.reshape(std::iter::once(&merged).chain(rest).cloned().collect::<Shape>());
                let positions = self.flat_positions(&indices, &common);
                self.graph().apply(Gather { axis: 0, batch: 0 }, &[rows, positions])
            }
            Err(error) => self.graph().report(error, &operands),
        }
    }

    /// The shape that indices of as many leading axes broadcast to.
    fn common_shape(self, indices: &[Expr<'g>]) -> Result<Shape, GraphError> {
        if indices.is_empty() || indices.len() > self.rank() {
            let (what, expected) = ("the number of indices", "from 1 to the number of axes");
            return Err(GraphError::OutOfRange { what, expected, found: indices.len().to_string() });
        }
        if let Some(index) = indices.iter().find(|index| index.dtype() != DType::I64) {
            return Err(GraphError::UnsupportedDType { expected: "an i64 index", found: index.dtype() });
        }
        indices.iter().try_fold(Shape::default(), |left, index| {
            let right = index.shape();
            broadcast_shapes(&left, &right).ok_or(GraphError::NotBroadcastable { left, right })
        })
    }

    /// Positions along the leading axes as positions along these merged.
    fn flat_positions(self, indices: &[Expr<'g>], common: &Shape) -> Expr<'g> {
        let (g, shape) = (self.graph(), self.shape());
        let checked = |(axis, index): (usize, &Expr<'g>)| {
            let mut only = vec![Dim::from(1); axis];
            only.push(shape[axis].clone());
            // Read from a list of the positions that there are, which one beyond its own axis is not in: merged, it
            // could be that of another row.
            let positions = g.iota(DType::I64, only, axis as i64);
            g.apply(Gather { axis, batch: 0 }, &[positions, *index]).reshape(index.shape()).broadcast_to(common)
        };
        let merge = |outer: (usize, Expr<'g>), inner: (usize, Expr<'g>)| {
            let rows = match shape[inner.0].as_number() {
                Some(size) => outer.1 * size,
                None => outer.1 * g.dim_size(shape[inner.0].clone(), DType::I64),
            };
            (inner.0, rows + inner.1)
        };
        let checks = indices.iter().enumerate().map(|(axis, index)| (axis, checked((axis, index))));
        checks.reduce(merge).expect("invariant: there is an index").1
    }

    /// One position for each place along `axis`, as NumPy's `take_along_axis`: for the last axis
    /// `y[…, j] = x[…, index[…, j]]`. Sizes other than that of `axis` are equal; they are not broadcast.
    ///
    /// # Shapes
    /// x: `[batch, classes]`, index: `i64[batch, 1]` along −1 → `[batch, 1]`.
    ///
    /// # Errors
    /// As [`Expr::gather`]; and an error if ranks differ, or sizes away from the axis.
    ///
    /// # Example
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let scores = g.input("scores", ("batch", 10));
    /// let label = g.input_of(DType::I64, "label", ("batch",));
    /// let own = scores.take_along(label.unsqueeze(-1), -1);
    /// assert_eq!(own.ty().to_string(), "f32[batch, 1]");
    /// ```
    #[doc(alias = "gather_elements")]
    #[doc(alias = "take_along_axis")]
    #[track_caller]
    pub fn take_along(self, index: Expr<'g>, axis: i64) -> Expr<'g> {
        let _frame = self.enter("take_along");
        let g = self.graph();
        if let Some(poison) = g.refuse(&[self, index]) {
            return poison;
        }
        let axis = match self.axis(axis) {
            Ok(axis) => axis,
            Err(poison) => return poison,
        };
        let (shape, index_shape) = (self.shape(), index.shape());
        let rank = shape.rank();
        if index_shape.rank() != rank {
            return g.report(GraphError::Rank { expected: rank.to_string(), found: index_shape }, &[self, index]);
        }
        if let Some(mismatch) =
            (0..rank).find(|mismatch| *mismatch != axis && shape[*mismatch] != index_shape[*mismatch])
        {
            let (left, right) = (shape[mismatch].clone(), index_shape[mismatch].clone());
            return g.report(
                GraphError::SizesDiffer { left_axis: mismatch, left, right_axis: mismatch, right },
                &[self, index],
            );
        }
        let last: Axes = (0..rank).filter(|other_axis| *other_axis != axis).chain([axis]).collect();
        let gather = Gather { axis: rank - 1, batch: rank - 1 };
        g.apply(gather, &[self.permute(&last), index.permute(&last)]).permute(&inverse_permutation(&last))
    }

    /// This array with `updates` added at the positions `index` along `axis`: `y[…, index[i…], …] += updates[…, i…,
    /// …]`. Duplicates add in the order of the index.
    ///
    /// # Shapes
    /// self: `[n, d]`, index: `i64[m]`, updates: `[m, d]` along 0 → `[n, d]`.
    ///
    /// # Errors
    /// An error is recorded if the updates do not have the type that [`Expr::gather`] would give. A position below 0 or
    /// beyond the axis is an error of the run.
    ///
    /// # Example
    /// ```
    /// # use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let label = g.input_of(DType::I64, "label", ("batch",));
    /// let counts = g.constant(ndarray::Array1::<i64>::zeros(10)).scatter_add(label, label.ones_like(), 0);
    /// assert_eq!(counts.ty().to_string(), "i64[10]");
    /// ```
    #[doc(alias("segment_sum", "index_put", "scatter"))]
    #[doc(alias = "index_add")]
    #[track_caller]
    pub fn scatter_add(self, index: Expr<'g>, updates: Expr<'g>, axis: i64) -> Expr<'g> {
        let _frame = self.enter("scatter_add");
        match self.axis(axis) {
            Ok(axis) => self.graph().apply(ScatterAdd { axis, batch: 0 }, &[self, index, updates]),
            Err(poison) => poison,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::{
        graph::{Bindings, Graph},
        ops::testing::{evaluate, value},
    };

    #[test]
    fn batched_rows_go_with_their_own_index() {
        let g = Graph::new();
        let x = g.constant(array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let index = g.constant(array![[2i64, 0], [1, 1]]);
        assert_eq!(value(x.take_along(index, 1)), Value::from(array![[3.0, 1.0], [5.0, 5.0]]));
        let index = g.constant(array![[1i64, 0, 1]]);
        assert_eq!(value(x.take_along(index, 0)), Value::from(array![[4.0, 2.0, 6.0]]));
        assert_eq!(value(x.gather(g.constant(array![2i64, 2]), -1)), Value::from(array![[3.0, 3.0], [6.0, 6.0]]));
    }

    #[test]
    fn duplicates_add() {
        let g = Graph::new();
        let (base, index) = (g.constant(array![1.0, 2.0, 3.0]), g.constant(array![2i64, 0, 2]));
        let sum = base.scatter_add(index, g.constant(array![10.0, 20.0, 30.0]), 0);
        assert_eq!(value(sum), Value::from(array![21.0, 2.0, 43.0]));
    }

    #[test]
    fn positions_outside_the_axis_are_faults() {
        for index in [-1i64, 3, i64::MIN] {
            let g = Graph::new();
            let read = g.constant(array![[1.0, 2.0, 3.0]]).gather(g.constant(array![0, index]), 1);
            assert_eq!(evaluate(read, &Bindings::new()), Err(OpError::Index { index, axis: 1, size: 3 }));
        }
    }

    #[test]
    fn mistakes_are_told() {
        let g = Graph::new();
        let (x, index) = (g.input("x", (2, 3)), g.input_of(DType::I64, "index", (4, 1)));
        x.take_along(index, 1);
        x.gather(x, 0);
        x.scatter_add(index, x, 0);
        let mistakes: Vec<GraphError> =
            g.check().unwrap_err().0.into_iter().map(|diagnostic| diagnostic.error).collect();
        assert_eq!(
            mistakes,
            [
                GraphError::SizesDiffer { left_axis: 0, left: Dim::from(2), right_axis: 0, right: Dim::from(4) },
                GraphError::UnsupportedDType { expected: "an i64 index", found: DType::F32 },
                GraphError::ShapesDiffer { left: Shape::from((4, 1, 3)), right: Shape::from((2, 3)) },
            ]
        );
    }
}

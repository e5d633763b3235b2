//! The same elements in another shape, and in another order of axes.

use ndarray::{ArrayD, IxDyn};

use super::{
    axes::{IntoAxes, inverse_permutation},
    real::Real,
    rule::{
        Application, Batching, Coefficient, Dependence, Domain, EvaluationContext, LinearMap, Linearization, OpError,
        Rule, Traits, check_operands,
    },
    sample::{Sample, reals},
};
use crate::graph::{Axes, Dim, Expr, GraphError, Reshape, Shape, Transpose, Type, Value};

impl Rule for Reshape {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        // Sizes that overflowed are equal whatever they are.
        if let Some(shape) = [&x.shape, &self.shape].into_iter().find(|shape| shape.size().has_overflowed()) {
            return Err(GraphError::TooLarge { shape: shape.clone() });
        }
        if x.shape.size() != self.shape.size() || self.shape.iter().any(|size| size.as_number().is_some_and(|n| n < 0))
        {
            return Err(GraphError::ElementsDiffer { from: x.shape.clone(), to: self.shape.clone() });
        }
        Ok(Type::new(x.dtype, &self.shape))
    }

    fn traits(&self) -> Traits {
        Traits::MOVEMENT
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Linear(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Shifted(self)
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        Dependence::Moved
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        fn reshape<T: Clone>(x: &ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
            x.to_shape(IxDyn(shape)).expect("invariant: inference compared the sizes").to_owned()
        }
        let shape = context.shape()?;
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(reshape(x, &shape)),
            Value::F64(x) => Value::F64(reshape(x, &shape)),
            Value::I64(x) => Value::I64(reshape(x, &shape)),
            Value::Bool(x) => Value::Bool(reshape(x, &shape)),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let to = |shape: &[usize], operand: &[usize]| {
            Sample::smooth(Reshape { shape: Shape::from(shape) }, [reals(operand, -1.0, 1.0)])
        };
        vec![to(&[6], &[2, 3]), to(&[3, 1, 2], &[2, 3]), to(&[], &[1, 1]), to(&[0, 5], &[3, 0])]
    }
}

impl LinearMap for Reshape {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        cotangent.reshape(application.operands[0].shape())
    }
}

impl Rule for Transpose {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        let mut sorted = self.permutation.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x.rank()) {
            return Err(GraphError::NotAPermutation { permutation: self.permutation.clone(), rank: x.rank() });
        }
        let shape: Shape = self.permutation.iter().map(|axis| x.shape[*axis].clone()).collect();
        Ok(Type::new(x.dtype, shape))
    }

    fn traits(&self) -> Traits {
        Traits::MOVEMENT
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        Linearization::Linear(self)
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Shifted(self)
    }

    fn dependence(&self, _: usize, _: &[Type]) -> Dependence {
        let ties = self.permutation.iter().enumerate().map(|(to, from)| (*from, to)).collect();
        Dependence::Tied { ties, coefficient: Coefficient::One }
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let order = IxDyn(&self.permutation);
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(x.view().permuted_axes(order).as_standard_layout().into_owned()),
            Value::F64(x) => Value::F64(x.view().permuted_axes(order).as_standard_layout().into_owned()),
            Value::I64(x) => Value::I64(x.view().permuted_axes(order).as_standard_layout().into_owned()),
            Value::Bool(x) => Value::Bool(x.view().permuted_axes(order).as_standard_layout().into_owned()),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let by = |permutation: &[usize], operand: &[usize]| {
            Sample::smooth(Transpose { permutation: permutation.into() }, [reals(operand, -1.0, 1.0)])
        };
        vec![by(&[1, 0], &[2, 3]), by(&[2, 0, 1], &[2, 3, 4]), by(&[], &[]), by(&[1, 0], &[0, 3])]
    }
}

impl LinearMap for Transpose {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, _: &Application<'g>) -> Expr<'g> {
        cotangent.permute(&inverse_permutation(&self.permutation))
    }
}

/// `to` with the size that −1 stands for, if it is there once.
fn with_free_axis(from: &Shape, to: &Shape) -> Result<Shape, GraphError> {
    let is_free = |size: &&Dim| size.is(-1);
    if to.iter().filter(is_free).count() != 1 {
        return Ok(to.clone());
    }
    let others: Dim = to.iter().filter(|size| !is_free(size)).cloned().product();
    let free =
        from.size().divided_by(&others).ok_or_else(|| GraphError::FreeAxis { from: from.clone(), to: to.clone() })?;
    Ok(to.iter().map(|size| if size.is(-1) { free.clone() } else { size.clone() }).collect())
}

impl<'g> Expr<'g> {
    /// The same elements in row-major order in another shape of as many elements. One size may be −1, which stands for
    /// what the number of elements leaves.
    ///
    /// # Errors
    /// An error is recorded if the numbers of elements are not equal as polynomials, or if the other sizes do not
    /// divide it.
    ///
    /// # Example
    /// ```
    /// # use pullback::{Dim, Graph};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 8, 8));
    /// assert_eq!(x.reshape(("batch", 64)).shape().to_string(), "[batch, 64]");
    /// assert_eq!(x.reshape((-1, 64)).shape().to_string(), "[batch, 64]");
    /// ```
    #[doc(alias = "view")]
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Expr<'g> {
        let _frame = self.enter("reshape");
        let shape = shape.into();
        if self.is_poisoned() {
            return self;
        }
        match with_free_axis(&self.shape(), &shape) {
            Ok(shape) if self.shape() == shape => self,
            Ok(shape) => self.graph().apply(Reshape { shape }, &[self]),
            Err(error) => self.graph().report(error, &[self]),
        }
    }

    /// Merges the axes from `axis` on into one.
    ///
    /// # Shapes
    /// `[batch, 8, 8]` flattened from 1 → `[batch, 64]`.
    #[doc(alias = "flatten_from")]
    #[doc(alias = "ravel")]
    #[doc(alias = "collapse")]
    #[track_caller]
    pub fn flatten(self, axis: usize) -> Expr<'g> {
        let _frame = self.enter("flatten");
        let shape = self.shape();
        if self.is_poisoned() {
            return self;
        }
        if axis > shape.rank() {
            let as_written = i64::try_from(axis).unwrap_or(i64::MAX);
            return self.graph().report(GraphError::AxisOutOfRange { axis: as_written, rank: shape.rank() }, &[self]);
        }
        let merged: Dim = shape[axis..].iter().cloned().product();
        self.reshape(shape[..axis].iter().cloned().chain([merged]).collect::<Shape>())
    }

    /// Adds an axis of size 1 at `axis` of the result; negative axes count from its end.
    ///
    /// # Shapes
    /// `[n]` unsqueezed at −1 → `[n, 1]`.
    #[doc(alias = "expand_dims")]
    #[doc(alias = "expand")]
    #[doc(alias = "newaxis")]
    #[track_caller]
    pub fn unsqueeze(self, axis: i64) -> Expr<'g> {
        let _frame = self.enter("unsqueeze");
        if self.is_poisoned() {
            return self;
        }
        let mut dims: Vec<Dim> = self.shape().to_vec();
        match super::axes::normalize(axis, dims.len() + 1) {
            Ok(axis) => {
                dims.insert(axis, Dim::from(1));
                self.reshape(dims)
            }
            Err(error) => self.graph().report(error, &[self]),
        }
    }

    /// Removes axes of size 1.
    #[track_caller]
    pub fn squeeze(self, axes: impl IntoAxes) -> Expr<'g> {
        let _frame = self.enter("squeeze");
        match self.axes(axes) {
            Ok(axes) => self.reshape(self.shape().without(&axes)),
            Err(poison) => poison,
        }
    }

    /// Reorders the axes: axis i of the result is axis `order[i]`; negative ones count from the end.
    ///
    /// # Shapes
    /// `[a, b, c]` by `[2, 0, 1]` → `[c, a, b]`.
    #[doc(alias = "swapaxes")]
    #[doc(alias = "permute")]
    #[track_caller]
    pub fn transpose(self, order: impl AsRef<[i64]>) -> Expr<'g> {
        let _frame = self.enter("transpose");
        if self.is_poisoned() {
            return self;
        }
        let permutation = order.as_ref().iter().map(|axis| super::axes::normalize(*axis, self.rank())).collect();
        match permutation {
            Ok(permutation) => self.graph().apply(Transpose { permutation }, &[self]),
            Err(error) => self.graph().report(error, &[self]),
        }
    }

    /// Swaps the last two axes: the transpose of a matrix, or of each in a batch.
    ///
    /// # Shapes
    /// `[…, m, n]` → `[…, n, m]`.
    #[doc(alias("mT", "matrix_transpose"))]
    #[track_caller]
    pub fn t(self) -> Expr<'g> {
        let _frame = self.enter("t");
        if self.is_poisoned() {
            return self;
        }
        let rank = self.rank();
        if rank < 2 {
            return self
                .graph()
                .report(GraphError::Rank { expected: "at least 2".into(), found: self.shape() }, &[self]);
        }
        let mut order: Axes = (0..rank).collect();
        order.swap(rank - 2, rank - 1);
        self.permute(&order)
    }

    /// Moves one axis to another place; the others stay in order. Both count from the end where they are negative.
    ///
    /// # Shapes
    /// `[a, b, c]` with axis 0 moved to −1 → `[b, c, a]`.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 8, 3));
    /// assert_eq!(x.move_axis(-1, 1).shape().to_string(), "[batch, 3, 8]");
    /// ```
    #[doc(alias("moveaxis", "movedim"))]
    #[track_caller]
    pub fn move_axis(self, from: i64, to: i64) -> Expr<'g> {
        let _frame = self.enter("move_axis");
        match self.axis(from).and_then(|from| Ok((from, self.axis(to)?))) {
            Ok((from, to)) => self.with_axis_moved(from, to),
            Err(poison) => poison,
        }
    }

    /// [`Expr::move_axis`] for positions that there are.
    pub(crate) fn with_axis_moved(self, from: usize, to: usize) -> Expr<'g> {
        if self.is_poisoned() {
            return self;
        }
        let mut order: Vec<usize> = (0..self.rank()).collect();
        order.remove(from);
        order.insert(to, from);
        self.permute(&order)
    }

    /// [`Expr::transpose`] for axes known to be a permutation; nothing is built for the identity.
    pub(crate) fn permute(self, order: &[usize]) -> Expr<'g> {
        if order.iter().copied().eq(0..order.len()) {
            return self;
        }
        self.graph().apply(Transpose { permutation: order.into() }, &[self])
    }
}

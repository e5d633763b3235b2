//! Sums, products and extremes over axes.

use ndarray::{ArrayD, Axis, IxDyn};

use super::{
    axes::{AllAxes, IntoAxes, inverse_permutation},
    real::{Number, Real},
    rule::{
        Application, Batching, Coefficient, Dependence, Domain, EvaluationContext, JacobianProducts, LinearMap,
        Linearization, OpError, Rule, Traits, check_ascending, check_number, check_operands,
    },
    sample::{Sample, listed, reals},
};
use crate::graph::{
    Axes, Broadcast, Comparison, Dim, Expr, GraphError, Op, Reduce, Reduction, ScanDirection, Shape, Type, Value,
};

impl Rule for Reduce {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_number(x)?;
        check_ascending(&self.axes, x.rank())?;
        let empty = self.axes.iter().find(|axis| x.shape[**axis].is(0));
        match (self.kind, empty) {
            (Reduction::Max | Reduction::Min, Some(axis)) => {
                Err(GraphError::EmptyReduction { operation: self.kind.name(), axis: *axis })
            }
            _ => Ok(Type::new(x.dtype, x.shape.without(&self.axes))),
        }
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::All
    }

    fn linearization(&self) -> Linearization<'_> {
        match self.kind {
            Reduction::Sum => Linearization::Linear(self),
            Reduction::Product | Reduction::Max | Reduction::Min => Linearization::Products(self),
        }
    }

    fn batching(&self) -> Batching<'_> {
        Batching::Shifted(self)
    }

    fn dependence(&self, _: usize, operands: &[Type]) -> Dependence {
        let kept = (0..operands[0].rank()).filter(|axis| !self.axes.contains(axis));
        let ties = kept.enumerate().map(|(to, from)| (from, to)).collect();
        match self.kind {
            Reduction::Sum => Dependence::Tied { ties, coefficient: Coefficient::One },
            Reduction::Product | Reduction::Max | Reduction::Min => Dependence::tied(ties),
        }
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(self.reduce(x)?),
            Value::F64(x) => Value::F64(self.reduce(x)?),
            Value::I64(x) => Value::I64(self.reduce(x)?),
            Value::Bool(_) => unreachable!("invariant: inference asks for numbers"),
        })
    }

    fn flops(&self, operands: &[Type], output: &Type) -> Dim {
        let combined = operands[0].shape.size() - output.shape.size();
        // What is reduced from nothing is a number that needs no operation.
        if combined.as_number().is_some_and(|number| number < 0) { Dim::from(0) } else { combined }
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for kind in Reduction::ALL {
            let over = |axes: &[usize]| Reduce { kind: *kind, axes: axes.into() };
            for axes in [&[][..], &[0], &[1], &[0, 2], &[0, 1, 2]] {
                samples.push(Sample::smooth(over(axes), [reals(&[2, 3, 2], -2.0, 2.0)]));
            }
            samples.push(Sample::smooth(over(&[1]), [reals(&[0, 3], -1.0, 1.0)]));
            samples.push(Sample::smooth(over(&[0]), [reals(&[1], 0.5, 1.0)]));
            match kind {
                Reduction::Sum => samples.push(Sample::smooth(over(&[0]), [reals(&[0, 2], -1.0, 1.0)])),
                Reduction::Product => {
                    samples.push(Sample::smooth(over(&[0]), [reals(&[0, 2], -1.0, 1.0)]));
                    samples.push(Sample::smooth(over(&[1]), [listed(&[2, 3], &[0.0, 1.5, -2.0, 0.0, 0.0, 2.0])]));
                    samples.push(Sample::smooth(over(&[0]), [reals(&[7], -2.0, 2.0)]));
                }
                Reduction::Max | Reduction::Min => {
                    samples.push(Sample::kink(over(&[1]), [listed(&[2, 3], &[1.0, 2.0, 2.0, 0.0, -0.0, 0.0])]));
                }
            }
        }
        samples
    }
}

impl Reduce {
    fn reduce<T: Number>(&self, x: &ArrayD<T>) -> Result<ArrayD<T>, OpError> {
        match self.kind {
            // Of no axes it is the array itself, with the signs of its zeros.
            Reduction::Sum if self.axes.is_empty() => Ok(x.clone()),
            Reduction::Sum => Ok(self.sums(x)),
            Reduction::Product => self.fold(x, Some(T::ONE), T::mul),
            Reduction::Max => self.fold(x, None, T::maximum),
            Reduction::Min => self.fold(x, None, T::minimum),
        }
    }

    /// The sum over all reduced axes at once, in row-major order.
    fn sums<T: Number>(&self, x: &ArrayD<T>) -> ArrayD<T> {
        let kept: Vec<usize> = (0..x.ndim()).filter(|axis| !self.axes.contains(axis)).collect();
        let shape: Vec<usize> = kept.iter().map(|axis| x.len_of(Axis(*axis))).collect();
        let view = x.view().permuted_axes([kept.as_slice(), &self.axes].concat());
        ArrayD::from_shape_fn(IxDyn(&shape), |place| {
            let mut summed = view.view();
            for axis in 0..shape.len() {
                summed = summed.index_axis_move(Axis(0), place[axis]);
            }
            T::sum(summed.iter().copied())
        })
    }

    fn fold<T: Number>(&self, x: &ArrayD<T>, start: Option<T>, combine: fn(T, T) -> T) -> Result<ArrayD<T>, OpError> {
        let mut reduced = x.clone();
        for axis in self.axes.iter().rev() {
            let length = reduced.len_of(Axis(*axis));
            if length == 0 && start.is_none() {
                return Err(OpError::Empty { axis: *axis });
            }
            reduced = reduced.map_axis(Axis(*axis), |lane| match start {
                Some(start) => lane.iter().copied().fold(start, combine),
                None => lane.iter().skip(1).copied().fold(lane[0], combine),
            });
        }
        Ok(reduced)
    }

    /// The reduced value repeated over the axes that were removed.
    fn spread<'g>(&self, reduced: Expr<'g>, shape: &Shape) -> Expr<'g> {
        let axes: Axes = (0..shape.rank()).filter(|axis| !self.axes.contains(axis)).collect();
        if axes.len() == shape.rank() {
            return reduced;
        }
        reduced.graph().apply(Broadcast { axes, shape: shape.clone() }, &[reduced])
    }

    /// ∂output/∂x, in the shape of x.
    fn weights<'g>(&self, application: &Application<'g>) -> Expr<'g> {
        let x = application.operands[0];
        if self.kind == Reduction::Product {
            return self.products_of_others(x);
        }
        let extreme = self.spread(application.output, &x.shape());
        let tied = x.graph().apply(Op::Comparison(Comparison::Equal), &[x, extreme]).cast(x.dtype());
        let count = self.spread(tied.sum_axes(&self.axes), &x.shape());
        tied / count
    }

    /// For each element the product of the others, right whatever zeros are among them and however often it is
    /// differentiated: a division by x would be neither.
    ///
    /// The reduced axes are merged into one; there it is the product of those before times that of those after, O(n) work
    /// and memory.
    fn products_of_others<'g>(&self, x: Expr<'g>) -> Expr<'g> {
        let shape = x.shape();
        let kept: Axes = (0..shape.rank()).filter(|axis| !self.axes.contains(axis)).collect();
        let order: Axes = kept.iter().chain(&self.axes).copied().collect();
        let outer: Dim = kept.iter().map(|axis| shape[*axis].clone()).product();
        let n: Dim = self.axes.iter().map(|axis| shape[*axis].clone()).product();
        let rows = x.permute(&order).reshape((outer, n));
        let products = rows.products_before(ScanDirection::Forward) * rows.products_before(ScanDirection::Backward);
        let permuted: Shape = order.iter().map(|axis| shape[*axis].clone()).collect();
        products.reshape(permuted).permute(&inverse_permutation(&order))
    }
}

impl LinearMap for Reduce {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        self.spread(cotangent, &application.operands[0].shape())
    }
}

impl JacobianProducts for Reduce {
    fn vjp<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        self.spread(cotangent, &application.operands[0].shape()) * self.weights(application)
    }

    fn jvp<'g>(&self, _: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        (tangent * self.weights(application)).sum_axes(&self.axes)
    }
}

impl<'g> Expr<'g> {
    /// Sums over axes known to be in range; nothing is built for no axes.
    pub(crate) fn sum_axes(self, axes: &[usize]) -> Expr<'g> {
        if axes.is_empty() {
            return self;
        }
        self.graph().apply(Reduce { kind: Reduction::Sum, axes: axes.into() }, &[self])
    }

    fn reduce(self, kind: Reduction, axes: impl IntoAxes) -> Expr<'g> {
        match self.axes(axes) {
            Ok(axes) => self.graph().apply(Reduce { kind, axes }, &[self]),
            Err(poison) => poison,
        }
    }

    /// The reduced axes again, with size 1, so that the result broadcasts against this array.
    ///
    /// # Shapes
    /// x: `[m, n]`, `x.keep_axes(-1, |x| x.max_over(-1))` → `[m, 1]`.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 10));
    /// let centred = x - x.keep_axes(-1, |x| x.max_over(-1));
    /// assert_eq!(centred.shape(), x.shape());
    /// ```
    #[doc(alias("keepdims", "keepdim"))]
    #[track_caller]
    pub fn keep_axes(self, axes: impl IntoAxes, reduce: impl FnOnce(Expr<'g>) -> Expr<'g>) -> Expr<'g> {
        let _frame = self.enter("keep_axes");
        let reduced = reduce(self);
        if reduced.is_poisoned() {
            return reduced;
        }
        match self.axes(axes) {
            Ok(axes) => reduced.reshape(self.shape().with_ones(&axes)),
            Err(poison) => poison,
        }
    }
}

macro_rules! reduction_methods {
    ($($(#[$doc:meta])* $all:ident, $over:ident => $kind:ident;)*) => {
        impl<'g> Expr<'g> {
            $(
                $(#[$doc])*
                ///
                /// Over all axes, to a scalar.
                #[track_caller]
                pub fn $all(self) -> Expr<'g> {
                    let _frame = self.enter(Reduction::$kind.name());
                    self.reduce(Reduction::$kind, AllAxes)
                }

                $(#[$doc])*
                ///
                /// Over the axes given, which are removed; negative ones count from the end. [`Expr::keep_axes`] keeps
                /// them with size 1.
                #[track_caller]
                pub fn $over(self, axes: impl IntoAxes) -> Expr<'g> {
                    let _frame = self.enter(Reduction::$kind.name());
                    self.reduce(Reduction::$kind, axes)
                }
            )*
        }
    };
}

reduction_methods! {
    /// The sum of the elements; 0 of nothing.
    #[doc(alias = "reduce_sum")]
    sum, sum_over => Sum;
    /// The product of the elements; 1 of nothing. The derivative is right whatever zeros are among them, in O(n) work and
    /// memory.
    #[doc(alias = "reduce_prod")]
    prod, prod_over => Product;
    /// The greatest element; NaN if any is. The derivative is split evenly among the tied.
    #[doc(alias("amax", "reduce_max"))]
    max, max_over => Max;
    /// The least element; NaN if any is. The derivative is split evenly among the tied.
    #[doc(alias("amin", "reduce_min"))]
    min, min_over => Min;
}

//! Sums and extremes over windows.

use std::ops::Range;

use ndarray::{ArrayD, Dimension, IxDyn, indices};

use super::{
    real::{Number, Real},
    rule::{
        Application, Batching, CheckSizes, Dependence, Domain, EvaluationContext, JacobianProducts, LinearMap,
        Linearization, OpError, Rule, Traits, check_number, check_operands,
    },
    sample::{Sample, listed, reals},
    slice::check_count,
    spatial::{Span, Taps, WindowDims, WindowError, check_fit, check_positive, extent},
};
use crate::graph::{
    Axes, Bindings, DType, Dim, Dims, Expr, Gather, GraphError, Literal, Pad, ScatterAdd, Shape, Type, Value, Window,
    WindowReduction,
};

impl CheckSizes for Window {
    /// That its windows lie within the padded operand.
    fn check_sizes(&self, operands: &[&[usize]], _: &Bindings) -> Result<(), OpError> {
        Ok(self.fit(operands[0])?)
    }
}

impl Rule for Window {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_number(x)?;
        self.check_attributes(x.rank())?;
        let shape: Result<Shape, GraphError> = (0..x.rank()).map(|axis| self.size(axis, &x.shape[axis])).collect();
        // Axes that every element has to itself may be symbols, as a batch is.
        let sizes: Option<Vec<usize>> = (0..x.rank())
            .map(|axis| if self.is_each(axis) { Some(1) } else { usize::try_from(x.shape[axis].as_number()?).ok() })
            .collect();
        sizes.map_or(Ok(()), |sizes| self.fit(&sizes))?;
        let dtype = if self.kind == WindowReduction::ArgMax { DType::I64 } else { x.dtype };
        Ok(Type::new(dtype, shape?))
    }

    fn traits(&self) -> Traits {
        Traits::NONE
    }

    fn domain(&self) -> Domain<'_> {
        Domain::Checked(self)
    }

    fn linearization(&self) -> Linearization<'_> {
        match self.kind {
            WindowReduction::Sum => Linearization::Linear(self),
            WindowReduction::Max => Linearization::Products(self),
            WindowReduction::ArgMax => Linearization::Constant,
        }
    }

    fn batching(&self) -> Batching<'_> {
        match self.kind {
            WindowReduction::Sum | WindowReduction::Max => Batching::Shifted(self),
            WindowReduction::ArgMax => Batching::Written(self),
        }
    }

    fn dependence(&self, _: usize, operands: &[Type]) -> Dependence {
        let is_same = |axis: &usize| self.is_each(*axis) && self.stride[*axis] == 1;
        Dependence::tied((0..operands[0].rank()).filter(is_same).map(|axis| (axis, axis)).collect())
    }

    fn evaluate<R: Real>(&self, context: &EvaluationContext<'_, R>) -> Result<Value<R>, OpError> {
        let shape = context.shape()?;
        if self.kind == WindowReduction::ArgMax {
            return Ok(Value::I64(match context.operands[0] {
                Value::F32(x) => self.positions(x, &shape)?,
                Value::F64(x) => self.positions(x, &shape)?,
                Value::I64(x) => self.positions(x, &shape)?,
                Value::Bool(_) => unreachable!("invariant: inference asks for numbers"),
            }));
        }
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(self.reduce(x, &shape)?),
            Value::F64(x) => Value::F64(self.reduce(x, &shape)?),
            Value::I64(x) => Value::I64(self.reduce(x, &shape)?),
            Value::Bool(_) => unreachable!("invariant: inference asks for numbers"),
        })
    }

    /// One less than the size of the window for each output; what falls on padding counts too.
    fn flops(&self, _: &[Type], output: &Type) -> Dim {
        let elements: Dim = self.size.iter().copied().map(Dim::from).product();
        output.shape.size() * (elements - 1)
    }

    fn samples() -> Vec<Sample> {
        let mut samples = Vec::new();
        for kind in WindowReduction::ALL {
            let line = |size: usize, stride, dilation, (low, high): (usize, usize)| Window {
                kind: *kind,
                size: Axes::from_elem(size, 1),
                stride: Axes::from_elem(stride, 1),
                dilation: Axes::from_elem(dilation, 1),
                low: Axes::from_elem(low, 1),
                high: Axes::from_elem(high, 1),
            };
            let plane = Window {
                kind: *kind,
                size: Axes::from([1, 2, 3]),
                stride: Axes::from([1, 2, 1]),
                dilation: Axes::from([1, 1, 2]),
                low: Axes::from([0, 1, 3]),
                high: Axes::from([0, 0, 4]),
            };
            let sample = |window: Window, x: &[usize]| Sample::smooth(window, [reals(x, -1.0, 1.0)]);
            samples.extend([
                sample(line(2, 2, 1, (0, 0)), &[6]),
                sample(line(3, 2, 1, (1, 1)), &[6]),
                sample(line(3, 1, 2, (4, 2)), &[5]),
                sample(line(2, 3, 1, (0, 0)), &[7]),
                sample(line(1, 2, 1, (0, 0)), &[5]),
                sample(line(1, 1, 1, (0, 0)), &[0]),
                sample(line(3, 1, 1, (0, 0)), &[3]),
                sample(line(1, 1, 1, (0, 0)), &[1]),
                sample(plane.clone(), &[2, 3, 4]),
                sample(plane, &[0, 3, 4]),
                Sample::kink(line(3, 1, 1, (1, 1)), [listed(&[6], &[1.0, 2.0, 2.0, 0.0, -0.0, 0.0])]),
            ]);
        }
        samples
    }
}

impl Window {
    fn check_attributes(&self, rank: usize) -> Result<(), GraphError> {
        let steps = [("size", &self.size), ("stride", &self.stride), ("dilation", &self.dilation)];
        for (what, numbers) in steps {
            check_count(what, numbers.len(), rank)?;
            check_positive(what, numbers)?;
        }
        check_count("low", self.low.len(), rank)?;
        check_count("high", self.high.len(), rank)?;
        for axis in 0..rank {
            let padding = self.low[axis].max(self.high[axis]);
            if padding >= self.extent(axis) {
                return Err(self.too_wide(axis, padding));
            }
        }
        Ok(())
    }

    fn too_wide(&self, axis: usize, padding: usize) -> GraphError {
        GraphError::PaddingTooWide { axis, padding, window: self.extent(axis) }
    }

    /// From the first element of the window to the last.
    fn extent(&self, axis: usize) -> usize {
        (self.size[axis] - 1).saturating_mul(self.dilation[axis]).saturating_add(1)
    }

    /// ⌊(size + low + high − extent) / stride⌋ + 1, at least 1 as far as that is known; an extreme needs an element in
    /// each window. Windows of one element on an axis of none are none.
    fn size(&self, axis: usize, size: &Dim) -> Result<Dim, GraphError> {
        let span = Span {
            whole: size.clone() + self.low[axis] + self.high[axis],
            window: Dim::from(self.extent(axis)),
            stride: self.stride[axis],
        };
        if !self.is_each(axis) {
            span.check_room(axis)?;
        }
        let places = span.places()?;
        let numbers = |dim: &Dim| dim.as_number().and_then(|number| usize::try_from(number).ok());
        match numbers(size).zip(numbers(&places)) {
            Some((size, n_places)) if self.has_empty_window(axis, size, n_places) => {
                Err(self.too_wide(axis, self.low[axis].max(self.high[axis])))
            }
            _ => Ok(places),
        }
    }

    /// Whether the window has one element along an axis, which is then neither padded nor too large for it.
    fn is_each(&self, axis: usize) -> bool {
        self.size[axis] == 1
    }

    /// That the window has a place in an array of these sizes, along each axis where it has more than one element.
    fn fit(&self, sizes: &[usize]) -> Result<(), WindowError> {
        let number = |padding: usize| i64::try_from(padding).expect("invariant: attributes are bounded");
        let way = |axis: usize| WindowDims {
            axis,
            size: sizes[axis],
            spread: 1,
            taps: self.size[axis],
            dilation: self.dilation[axis],
            stride: self.stride[axis],
            low: number(self.low[axis]),
            high: number(self.high[axis]),
        };
        check_fit((0..sizes.len()).filter(|axis| !self.is_each(*axis)).map(way), Taps::Places)
    }

    /// Whether an extreme is asked of a window without an element, of the first of the windows: spread windows can step
    /// over a short axis. The others are left to the run, or inference would count what is never fed.
    fn has_empty_window(&self, axis: usize, size: usize, n_places: usize) -> bool {
        const MAX_PLACES: usize = 1 << 12;
        self.kind != WindowReduction::Sum
            && size < self.dilation[axis]
            && (0..n_places.min(MAX_PLACES)).any(|place| self.taps(axis, place, size).is_empty())
    }

    /// The taps of the window at a place that are not padding.
    fn taps(&self, axis: usize, place: usize, size: usize) -> Range<usize> {
        let (start, dilation, low) = (place * self.stride[axis], self.dilation[axis], self.low[axis]);
        let first = low.saturating_sub(start).div_ceil(dilation);
        let end = (low + size).saturating_sub(start).div_ceil(dilation).min(self.size[axis]);
        first.min(end)..end
    }

    /// Where the elements of the window at a place are, in row-major order.
    fn elements(&self, place: &IxDyn, sizes: &[usize]) -> impl Iterator<Item = Vec<usize>> {
        let taps: Vec<Range<usize>> = (0..sizes.len()).map(|axis| self.taps(axis, place[axis], sizes[axis])).collect();
        // Meaningless where there are no taps, and then not looked at.
        let first = |axis: usize| {
            (place[axis] * self.stride[axis] + taps[axis].start * self.dilation[axis]).wrapping_sub(self.low[axis])
        };
        let first: Vec<usize> = (0..sizes.len()).map(first).collect();
        let counts: Vec<usize> = taps.iter().map(Range::len).collect();
        indices(counts).into_iter().map(move |tap| {
            tap.slice().iter().enumerate().map(|(axis, tap)| first[axis] + tap * self.dilation[axis]).collect()
        })
    }

    /// Where the greatest of each window is in the flattened operand: the first of ties, the first NaN if there is one.
    fn positions<T: Number>(&self, x: &ArrayD<T>, shape: &[usize]) -> Result<ArrayD<i64>, OpError> {
        let mut positions = ArrayD::from_elem(IxDyn(shape), 0);
        for (place, position) in positions.indexed_iter_mut() {
            let mut best: Option<(T, Vec<usize>)> = None;
            for index in self.elements(&place, x.shape()) {
                let element = x[index.as_slice()];
                let wins = |best: T| !best.is_nan() && (element.is_nan() || element > best);
                if best.as_ref().is_none_or(|(best, _)| wins(*best)) {
                    best = Some((element, index));
                }
            }
            let (_, index) = best.ok_or(OpError::Empty { axis: self.emptied_axis() })?;
            let flat = index.iter().zip(x.shape()).fold(0, |flat, (index, size)| flat * size + index);
            *position = i64::try_from(flat).expect("invariant: memory has fewer elements");
        }
        Ok(positions)
    }

    /// An axis along which a window can be without an element: one that is spread or padded.
    fn emptied_axis(&self) -> usize {
        (0..self.size.len()).find(|axis| self.low[*axis].max(self.high[*axis]) > 0).unwrap_or(0)
    }

    fn reduce<T: Number>(&self, x: &ArrayD<T>, shape: &[usize]) -> Result<ArrayD<T>, OpError> {
        if self.kind == WindowReduction::Max {
            let flat: Vec<T> = x.iter().copied().collect();
            return Ok(self.positions(x, shape)?.mapv(|position| flat[position as usize]));
        }
        Ok(ArrayD::from_shape_fn(IxDyn(shape), |place| {
            let elements = self.elements(&place, x.shape());
            T::sum(elements.map(|index| x[index.as_slice()]))
        }))
    }

    /// Positions of the greatest of each window in the flattened x.
    fn winners<'g>(&self, x: Expr<'g>) -> Expr<'g> {
        x.graph().apply(Window { kind: WindowReduction::ArgMax, ..self.clone() }, &[x])
    }
}

impl LinearMap for Window {
    /// x̄: ȳ spread by the stride and padded, then summed over the same window by steps of 1.
    ///
    /// x\[i\] is under tap j of the window at p if p·s + j·d − low = i. With j' = k − 1 − j counting from the other end,
    /// p·s + low' = i + j'·d for low' = (k − 1)·d − low: a window sum over ȳ with s − 1 zeros between its elements and
    /// low' before them. `high` is what makes its output as long as x. Neither is negative, because the padding is
    /// within the window: low' ≥ 0 at once, and high' ≥ (k − 1)·d − high as no place reaches beyond the padding.
    ///
    /// The padding is the window's own, which costs no memory, but for what of `high` is as long as the window or has a
    /// symbol: a remainder that no place of the window reached.
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (x, places) = (application.operands[0].shape(), cotangent.shape());
        let rank = x.rank();
        let low: Axes = (0..rank).map(|axis| self.extent(axis) - 1 - self.low[axis]).collect();
        let needed = |axis: usize| {
            let needed = x[axis].clone() + (self.extent(axis) - 1);
            needed - extent(&places[axis], self.stride[axis]) - low[axis]
        };
        let operand_axis = |axis: usize| {
            let needed = needed(axis).as_number().and_then(|high| usize::try_from(high).ok());
            needed.unwrap_or(0).min(self.extent(axis) - 1)
        };
        let high: Axes = (0..rank).map(operand_axis).collect();
        let rest: Dims = (0..rank).map(|axis| needed(axis) - high[axis]).collect();
        let interior: Axes = self.stride.iter().map(|stride| stride - 1).collect();
        let spread = if interior.iter().all(|zeros| *zeros == 0) && rest.iter().all(|zeros| zeros.is(0)) {
            cotangent
        } else {
            let low = Dims::from_elem(Dim::from(0), rank);
            cotangent.graph().apply(Pad { low, high: rest, interior }, &[cotangent])
        };
        spread.graph().apply(Window { stride: Axes::from_elem(1, rank), low, high, ..self.clone() }, &[spread])
    }
}

impl JacobianProducts for Window {
    /// All of ȳ goes to the winner of its window.
    fn vjp<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let x = application.operands[0];
        let flat = x.graph().splat(Literal::Number(0.0), Type::new(x.dtype(), [x.shape().size()]));
        let scatter = ScatterAdd { axis: 0, batch: 0 };
        x.graph().apply(scatter, &[flat, self.winners(x), cotangent]).reshape(x.shape())
    }

    fn jvp<'g>(&self, _: usize, tangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let x = application.operands[0];
        x.graph().apply(Gather { axis: 0, batch: 0 }, &[tangent.reshape([x.shape().size()]), self.winners(x)])
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn window(kind: WindowReduction, size: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Window {
        Window {
            kind,
            size: Axes::from(size),
            stride: Axes::from(stride),
            dilation: Axes::from_elem(1, 2),
            low: Axes::from(padding),
            high: Axes::from(padding),
        }
    }

    #[test]
    fn windows_worked_by_hand() {
        let x = array![[1.0, 5.0, 2.0], [4.0, 5.0, 6.0]].into_dyn();
        let sum = window(WindowReduction::Sum, [2, 2], [1, 1], [0, 0]);
        assert_eq!(sum.reduce(&x, &[1, 2]).unwrap(), array![[15.0, 18.0]].into_dyn());
        let padded = window(WindowReduction::Sum, [2, 2], [2, 2], [1, 1]);
        assert_eq!(padded.reduce(&x, &[2, 2]).unwrap(), array![[1.0, 7.0], [4.0, 11.0]].into_dyn());
        let max = window(WindowReduction::Max, [2, 2], [2, 2], [1, 1]);
        assert_eq!(max.reduce(&x, &[2, 2]).unwrap(), array![[1.0, 5.0], [4.0, 6.0]].into_dyn());
        assert_eq!(max.positions(&x, &[2, 2]).unwrap(), array![[0, 1], [3, 5]].into_dyn());
    }

    #[test]
    fn the_first_of_ties_wins_and_nan_wins_over_all() {
        let max = window(WindowReduction::Max, [2, 3], [1, 1], [0, 0]);
        let first = |x: ArrayD<f64>| max.positions(&x, &[1, 1]).unwrap()[[0, 0]];
        assert_eq!(first(array![[0.0, 2.0, 1.0], [2.0, 2.0, 0.0]].into_dyn()), 1);
        assert_eq!(first(array![[-0.0, 0.0, -1.0], [0.0, -1.0, 0.0]].into_dyn()), 0);
        assert_eq!(first(array![[0.0, 2.0, f64::NAN], [9.0, f64::NAN, 0.0]].into_dyn()), 2);
        assert_eq!(first(ArrayD::from_elem(IxDyn(&[2, 3]), f64::NEG_INFINITY)), 0);
    }

    #[test]
    fn an_extreme_of_nothing_is_a_mistake_and_a_sum_is_not() {
        let infer = |kind, (low, high): (usize, usize), dilation: usize, size: i64| {
            let window = Window {
                kind,
                size: Axes::from_elem(2, 1),
                stride: Axes::from_elem(1, 1),
                dilation: Axes::from_elem(dilation, 1),
                low: Axes::from_elem(low, 1),
                high: Axes::from_elem(high, 1),
            };
            window.infer(&[Type::new(DType::F64, [size])])
        };
        // The only window has its taps at −2 and 1, of an axis that has only 0.
        assert!(matches!(infer(WindowReduction::Max, (2, 1), 3, 1), Err(GraphError::PaddingTooWide { .. })));
        assert_eq!(infer(WindowReduction::Sum, (2, 1), 3, 1).unwrap().shape, Shape::from([1]));
        let too_wide = infer(WindowReduction::Sum, (2, 0), 1, 5);
        assert_eq!(too_wide, Err(GraphError::PaddingTooWide { axis: 0, padding: 2, window: 2 }));
        let too_large = GraphError::WindowTooLarge { axis: 0, window: Dim::from(4), size: Dim::from(1) };
        assert_eq!(infer(WindowReduction::Sum, (0, 0), 3, 1), Err(too_large));
    }
}

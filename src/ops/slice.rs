//! Parts of an array and zeros around one: slicing and padding, each the other's transpose.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo};

use ndarray::{ArrayD, Axis, IxDyn, Slice as Cut};
use smallvec::SmallVec;

use super::{
    apply::MAX_ATTRIBUTE,
    axes::normalize,
    real::{Number, Real},
    rule::{
        Application, Batching, CheckSizes, Dependence, Domain, EvaluationContext, LinearMap, Linearization, OpError,
        Rule, Traits, check_number, check_operands,
    },
    sample::{Sample, reals},
};
use crate::graph::{Axes, Bindings, Dim, Dims, Expr, GraphError, Pad, Reverse, Shape, Slice, Type, Value};

impl CheckSizes for Slice {
    /// That it lies within the operand.
    fn check_sizes(&self, operands: &[&[usize]], bindings: &Bindings) -> Result<(), OpError> {
        self.starts(operands[0], bindings).map(drop)
    }
}

impl Rule for Slice {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_count("start", self.start.len(), x.rank())?;
        check_count("stop", self.stop.len(), x.rank())?;
        check_count("step", self.step.len(), x.rank())?;
        let shape: Result<Shape, GraphError> = (0..x.rank()).map(|axis| self.size(axis, &x.shape[axis])).collect();
        Ok(Type::new(x.dtype, shape?))
    }

    fn traits(&self) -> Traits {
        Traits::MOVEMENT
    }

    fn domain(&self) -> Domain<'_> {
        Domain::Checked(self)
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
        let (starts, shape) = (self.starts(context.operands[0].shape(), context.bindings)?, context.shape()?);
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(self.cut(x, &starts, &shape)),
            Value::F64(x) => Value::F64(self.cut(x, &starts, &shape)),
            Value::I64(x) => Value::I64(self.cut(x, &starts, &shape)),
            Value::Bool(x) => Value::Bool(self.cut(x, &starts, &shape)),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let sample = |start: &[i64], stop: &[i64], step: &[usize], operand: &[usize]| {
            Sample::smooth(
                Slice { start: dims(start), stop: dims(stop), step: step.into() },
                [reals(operand, -1.0, 1.0)],
            )
        };
        vec![
            sample(&[1, 0], &[3, 4], &[1, 1], &[3, 4]),
            sample(&[0, 1], &[3, 4], &[2, 2], &[3, 4]),
            sample(&[2], &[7], &[3], &[8]),
            sample(&[1], &[1], &[1], &[3]),
            sample(&[], &[], &[], &[]),
        ]
    }
}

pub(super) fn dims(numbers: &[i64]) -> Dims {
    numbers.iter().copied().map(Dim::from).collect()
}

/// That an attribute has as many entries as it must.
pub(super) fn check_count(what: &'static str, found: usize, expected: usize) -> Result<(), GraphError> {
    if found == expected { Ok(()) } else { Err(GraphError::AttributeCount { what, expected, found }) }
}

impl Slice {
    /// All of an array of this shape.
    pub(super) fn whole(shape: &Shape) -> Slice {
        let rank = shape.rank();
        Slice { start: dims(&vec![0; rank]), stop: shape.iter().cloned().collect(), step: Axes::from_elem(1, rank) }
    }

    /// The elements from `start` on below `stop` along `axis` of an array of this shape.
    pub(super) fn along(shape: &Shape, axis: usize, start: Dim, stop: Dim) -> Slice {
        let mut slice = Slice::whole(shape);
        (slice.start[axis], slice.stop[axis]) = (start, stop);
        slice
    }

    /// ⌈(stop − start) / step⌉, if the bounds are within the axis as far as that is known.
    fn size(&self, axis: usize, size: &Dim) -> Result<Dim, GraphError> {
        let (start, stop, step) = (&self.start[axis], &self.stop[axis], self.step[axis]);
        if step == 0 {
            return Err(GraphError::NotPositive { what: "the step of a slice", found: Dim::from(0) });
        }
        let step_of_dim = i64::try_from(step).unwrap_or(i64::MAX);
        let length = stop.clone() - start;
        let is_negative = |dim: &Dim| dim.as_number().is_some_and(|number| number < 0);
        if is_negative(start) || is_negative(&length) || is_negative(&(size.clone() - stop)) {
            let (start, stop, size) = (start.clone(), stop.clone(), size.clone());
            return Err(GraphError::SliceOutOfRange { axis, start, stop, size });
        }
        let rounded_up = length.clone() + (step_of_dim - 1);
        rounded_up.floor_div(step_of_dim).ok_or(GraphError::SymbolicStride { stride: step, size: length })
    }

    /// The first element along each axis of an operand of these sizes, if the slice lies within it.
    pub(crate) fn starts(&self, sizes: &[usize], bindings: &Bindings) -> Result<SmallVec<[usize; 4]>, OpError> {
        let start_of = |(axis, size): (usize, &usize)| {
            let number = |dim: &Dim| dim.evaluate(bindings).map_err(OpError::Size);
            let (start, stop) = (number(&self.start[axis])?, number(&self.stop[axis])?);
            // A bound below the start by less than a step is how a symbolic size of 0 comes out: nothing is taken.
            if stop < start && u128::from(start.abs_diff(stop)) < self.step[axis] as u128 {
                return Ok(0);
            }
            match (usize::try_from(start), usize::try_from(stop)) {
                (Ok(first), Ok(bound)) if first <= bound && bound <= *size => Ok(first),
                _ => Err(OpError::Slice { axis, start, stop, size: *size }),
            }
        };
        sizes.iter().enumerate().map(start_of).collect()
    }

    fn cut<T: Clone>(&self, x: &ArrayD<T>, starts: &[usize], shape: &[usize]) -> ArrayD<T> {
        let mut view = x.view();
        for (axis, (start, count)) in starts.iter().zip(shape).enumerate() {
            // A step may be larger than the axis where one element is taken; all else is within the array.
            let step = if *count > 1 { self.step[axis] } else { 1 };
            let stop = start + (*count).saturating_sub(1) * step + usize::from(*count > 0);
            view.slice_axis_inplace(Axis(axis), Cut::new(*start as isize, Some(stop as isize), step as isize));
        }
        view.as_standard_layout().into_owned()
    }
}

impl LinearMap for Slice {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let (whole, part) = (application.operands[0].shape(), application.output.shape());
        let interior: Axes = self.step.iter().map(|step| step - 1).collect();
        let high = (0..whole.rank()).map(|axis| {
            let reached = self.start[axis].clone() + spread(&part[axis], interior[axis]);
            // An empty part reaches nothing: all of the axis is padding.
            if part[axis].is(0) { whole[axis].clone() - &self.start[axis] } else { whole[axis].clone() - reached }
        });
        let pad = Pad { low: self.start.clone(), high: high.collect(), interior };
        cotangent.graph().apply(pad, &[cotangent])
    }
}

/// The extent of `size` elements with `interior` zeros between neighbours.
fn spread(size: &Dim, interior: usize) -> Dim {
    if size.is(0) { Dim::from(0) } else { size.clone() + (size.clone() - 1) * Dim::from(interior) }
}

impl CheckSizes for Pad {
    /// That neither side is negative; with it, every element of the operand has a place in an output of the inferred
    /// size.
    fn check_sizes(&self, operands: &[&[usize]], bindings: &Bindings) -> Result<(), OpError> {
        self.zeros(&self.low, bindings)?;
        // Along an axis without elements, zeros that would be between them are taken from those after.
        operands[0].iter().zip(&self.high).try_for_each(|(size, high)| match high.evaluate(bindings) {
            Ok(number) if number >= 0 || *size == 0 => Ok(()),
            Ok(_) => Err(OpError::Size(high.clone())),
            Err(lost) => Err(OpError::Size(lost)),
        })
    }
}

impl Rule for Pad {
    fn infer(&self, operands: &[Type]) -> Result<Type, GraphError> {
        let [x] = check_operands(operands)?;
        check_number(x)?;
        check_count("low", self.low.len(), x.rank())?;
        check_count("high", self.high.len(), x.rank())?;
        check_count("interior", self.interior.len(), x.rank())?;
        // One more is the step of the slice that takes the elements out again.
        if let Some(interior) = self.interior.iter().find(|interior| **interior as u128 >= u128::from(MAX_ATTRIBUTE)) {
            let (what, max) = ("interior", MAX_ATTRIBUTE - 1);
            return Err(GraphError::NumberTooLarge { what, found: interior.to_string(), max });
        }
        let size =
            |axis: usize| self.low[axis].clone() + spread(&x.shape[axis], self.interior[axis]) + &self.high[axis];
        if let Some(axis) = (0..x.rank()).find(|axis| {
            [&self.low[*axis], &self.high[*axis]].iter().any(|dim| dim.as_number().is_some_and(|number| number < 0))
        }) {
            return Err(GraphError::NegativeSize { axis, size: size(axis) });
        }
        Ok(Type::new(x.dtype, (0..x.rank()).map(size).collect::<Shape>()))
    }

    fn traits(&self) -> Traits {
        Traits::MOVEMENT
    }

    fn domain(&self) -> Domain<'_> {
        Domain::Checked(self)
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
        let (low, shape) = (self.zeros(&self.low, context.bindings)?, context.shape()?);
        Ok(match context.operands[0] {
            Value::F32(x) => Value::F32(self.surround(x, &low, &shape)),
            Value::F64(x) => Value::F64(self.surround(x, &low, &shape)),
            Value::I64(x) => Value::I64(self.surround(x, &low, &shape)),
            Value::Bool(_) => unreachable!("invariant: inference asks for numbers"),
        })
    }

    fn flops(&self, _: &[Type], _: &Type) -> Dim {
        Dim::from(0)
    }

    fn samples() -> Vec<Sample> {
        let sample = |low: &[i64], high: &[i64], interior: &[usize], operand: &[usize]| {
            Sample::smooth(
                Pad { low: dims(low), high: dims(high), interior: interior.into() },
                [reals(operand, -1.0, 1.0)],
            )
        };
        vec![
            sample(&[1, 0], &[0, 2], &[0, 0], &[2, 3]),
            sample(&[0, 1], &[1, 0], &[2, 1], &[2, 3]),
            sample(&[2], &[1], &[1], &[0]),
            sample(&[2], &[1], &[3], &[1]),
        ]
    }
}

impl Pad {
    /// One side of the padding in numbers.
    pub(crate) fn zeros(&self, side: &Dims, bindings: &Bindings) -> Result<SmallVec<[usize; 4]>, OpError> {
        let count = |dim: &Dim| {
            let number = dim.evaluate(bindings).map_err(OpError::Size)?;
            usize::try_from(number).map_err(|_| OpError::Size(dim.clone()))
        };
        side.iter().map(count).collect()
    }

    fn surround<T: Number>(&self, x: &ArrayD<T>, low: &[usize], shape: &[usize]) -> ArrayD<T> {
        let mut padded = ArrayD::from_elem(IxDyn(shape), T::ZERO);
        for (index, element) in x.indexed_iter() {
            let place: Vec<usize> =
                (0..shape.len()).map(|axis| low[axis] + index[axis] * (self.interior[axis] + 1)).collect();
            padded[IxDyn(&place)] = *element;
        }
        padded
    }
}

impl LinearMap for Pad {
    fn transpose<'g>(&self, _: usize, cotangent: Expr<'g>, application: &Application<'g>) -> Expr<'g> {
        let operand = application.operands[0].shape();
        let stop = (0..operand.rank()).map(|axis| self.low[axis].clone() + spread(&operand[axis], self.interior[axis]));
        let slice = Slice {
            start: self.low.clone(),
            stop: stop.collect(),
            step: self.interior.iter().map(|interior| interior + 1).collect(),
        };
        cotangent.graph().apply(slice, &[cotangent])
    }
}

/// What is taken along one axis: a range, or one position, whose axis is then removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// Elements `start`, `start + step`, … below `stop`; negative bounds count from the end. [`range`] makes one. A
    /// negative step goes from the last of these elements down to `start`.
    Range {
        /// First element; 0 if absent.
        start: i64,
        /// Bound above, not reached; the end if absent.
        stop: Option<i64>,
        /// Stride, not 0; backwards if it is negative.
        step: i64,
    },
    /// One element, the axis removed; negative counts from the end.
    At(i64),
}

impl Index {
    /// The same range with another stride. A negative one begins at the last element of the range and goes backwards,
    /// as in ndarray: the bounds say which elements are meant, the step in which order. NumPy's `x[::-2]` is
    /// `Index::from(..).step(-2)`, and its `x[8:1:-3]`, whose bounds are in the order of the step, is
    /// `Index::from(2..9).step(-3)`.
    ///
    /// # Example
    /// ```
    /// # use pullback::{Graph, Index};
    /// let g = Graph::new();
    /// let x = g.input("x", (10,));
    /// assert_eq!(x.slice(Index::from(1..).step(2)).shape().to_string(), "[5]");
    /// assert_eq!(x.slice(Index::from(..).step(-3)).shape().to_string(), "[4]"); // elements 9, 6, 3, 0
    /// ```
    #[must_use]
    pub fn step(self, step: i64) -> Index {
        match self {
            Index::Range { start, stop, .. } => Index::Range { start, stop, step },
            Index::At(position) => Index::At(position),
        }
    }
}

/// The elements from `start` on below `stop`, with any of both counted from the end: `1..-1` where Rust's own range
/// would read as empty. A range of which both bounds are on one side is written as such.
///
/// # Example
/// ```
/// # use pullback::{Graph, range};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 10));
/// assert_eq!(x.slice((.., range(1, -1))).shape().to_string(), "[batch, 8]");
/// assert_eq!(x.slice((.., range(1, -1).step(3))).shape().to_string(), "[batch, 3]");
/// ```
#[must_use]
pub fn range(start: i64, stop: i64) -> Index {
    Index::Range { start, stop: Some(stop), step: 1 }
}

macro_rules! index_from {
    ($($range:ty, $pattern:pat => $start:expr, $stop:expr;)*) => {$(
        impl From<$range> for Index {
            fn from($pattern: $range) -> Index {
                Index::Range { start: $start.into(), stop: $stop, step: 1 }
            }
        }
    )*};
}
index_from! {
    Range<i32>, range => range.start, Some(range.end.into());
    Range<i64>, range => range.start, Some(range.end);
    RangeInclusive<i32>, range => *range.start(), if *range.end() == -1 { None } else { Some(i64::from(*range.end()) + 1) };
    RangeFrom<i32>, range => range.start, None;
    RangeFrom<i64>, range => range.start, None;
    RangeTo<i32>, range => 0, Some(range.end.into());
    RangeTo<i64>, range => 0, Some(range.end);
    RangeFull, _ => 0, None;
}

impl From<i32> for Index {
    fn from(position: i32) -> Index {
        Index::At(position.into())
    }
}

impl From<i64> for Index {
    fn from(position: i64) -> Index {
        Index::At(position)
    }
}

/// Indices of the leading axes: one, a tuple, or an array of them. Axes that are not mentioned are taken whole.
pub trait IntoIndices {
    /// One index for each leading axis.
    fn indices(self) -> Vec<Index>;
}

impl<I: Into<Index>> IntoIndices for I {
    fn indices(self) -> Vec<Index> {
        vec![self.into()]
    }
}

impl<const N: usize> IntoIndices for [Index; N] {
    fn indices(self) -> Vec<Index> {
        self.into()
    }
}

impl IntoIndices for Vec<Index> {
    fn indices(self) -> Vec<Index> {
        self
    }
}

macro_rules! indices_from_tuple {
    ($($index:ident),+) => {
        impl<$($index: Into<Index>),+> IntoIndices for ($($index,)+) {
            #[allow(non_snake_case, reason = "the type parameters name the tuple's fields")]
            fn indices(self) -> Vec<Index> {
                let ($($index,)+) = self;
                vec![$($index.into()),+]
            }
        }
    };
}
indices_from_tuple!(A);
indices_from_tuple!(A, B);
indices_from_tuple!(A, B, C);
indices_from_tuple!(A, B, C, D);

impl<'g> Expr<'g> {
    /// Part of the array, as NumPy's basic indexing: ranges keep their axis, numbers remove it, negative ones count
    /// from the end, axes not mentioned are taken whole. Unlike NumPy, a bound outside the axis is an error. NumPy's
    /// `1:-1` is [`range(1, -1)`](range): Rust's lints take `1..-1` for an empty range. Its `::-2` is [`Index::step`].
    ///
    /// # Example
    /// ```
    /// # use pullback::{Graph, Index, range};
    /// let g = Graph::new();
    /// let x = g.input("x", ("batch", 5, 8));
    /// assert_eq!(x.slice((.., range(1, -1))).shape().to_string(), "[batch, 3, 8]");
    /// assert_eq!(x.slice((.., -1, ..4)).shape().to_string(), "[batch, 4]");
    /// assert_eq!(x.slice(1..).shape().to_string(), "[batch - 1, 5, 8]");
    /// assert_eq!(x.slice((.., Index::from(..).step(-2))).shape().to_string(), "[batch, 3, 8]");
    /// ```
    #[doc(alias("narrow", "getitem", "index"))]
    #[track_caller]
    pub fn slice(self, indices: impl IntoIndices) -> Expr<'g> {
        let _frame = self.enter("slice");
        if self.is_poisoned() {
            return self;
        }
        let (indices, shape) = (indices.indices(), self.shape());
        if indices.len() > shape.rank() {
            let expected = format!("at least {}", indices.len());
            return self.graph().report(GraphError::Rank { expected, found: shape }, &[self]);
        }
        match resolve(&indices, &shape) {
            Ok(indexing) => {
                let part = indexing.backwards_of(self.graph().apply(indexing.slice.clone(), &[self]));
                if part.is_poisoned() { part } else { part.reshape(part.shape().without(&indexing.removed)) }
            }
            Err(error) => self.graph().report(error, &[self]),
        }
    }
}

/// What indices mean for an array, in the order in which it is done.
struct BasicIndexing {
    /// Ranges whose step is negative are taken whole here.
    slice: Slice,
    /// Axes of a negative step, ascending.
    reversed: Axes,
    /// How far apart elements are along these axes once they are reversed.
    step: Axes,
    /// Axes of a position, ascending.
    removed: Axes,
}

impl BasicIndexing {
    /// The slice with its axes of negative steps reversed and strided.
    fn backwards_of<'g>(&self, part: Expr<'g>) -> Expr<'g> {
        if part.is_poisoned() || self.reversed.is_empty() {
            return part;
        }
        let (g, shape) = (part.graph(), part.shape());
        let reversed = g.apply(Reverse { axes: self.reversed.clone() }, &[part]);
        if self.step.iter().all(|step| *step == 1) {
            return reversed;
        }
        let mut strided = Slice::whole(&shape);
        for (axis, step) in self.reversed.iter().zip(&self.step) {
            strided.step[*axis] = *step;
        }
        g.apply(strided, &[reversed])
    }
}

/// What is meant of an array of this shape.
fn resolve(indices: &[Index], shape: &Shape) -> Result<BasicIndexing, GraphError> {
    let mut indexing =
        BasicIndexing { slice: Slice::whole(shape), reversed: Axes::new(), step: Axes::new(), removed: Axes::new() };
    for (axis, index) in indices.iter().enumerate() {
        let from_end = |bound: i64| if bound < 0 { shape[axis].clone() + bound } else { Dim::from(bound) };
        match *index {
            Index::Range { step: 0, .. } => {
                let (what, expected) = ("the step of a slice", "not 0");
                return Err(GraphError::OutOfRange { what, expected, found: "0".to_string() });
            }
            Index::Range { start, stop, step } => {
                indexing.slice.start[axis] = from_end(start);
                indexing.slice.stop[axis] = stop.map_or(shape[axis].clone(), from_end);
                let distance = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
                if step < 0 {
                    indexing.reversed.push(axis);
                    indexing.step.push(distance);
                } else {
                    indexing.slice.step[axis] = distance;
                }
            }
            Index::At(position) => {
                if let Some(size) = shape[axis].as_number() {
                    normalize(position, size as usize).map_err(|_| GraphError::SliceOutOfRange {
                        axis,
                        start: Dim::from(position),
                        stop: Dim::from(position.saturating_add(1)),
                        size: Dim::from(size),
                    })?;
                }
                indexing.slice.start[axis] = from_end(position);
                indexing.slice.stop[axis] = from_end(position) + 1;
                indexing.removed.push(axis);
            }
        }
    }
    Ok(indexing)
}

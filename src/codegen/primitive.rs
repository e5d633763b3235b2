//! Primitives that are no fused step and no product. In: a primitive with whole arrays. Out: its elements one by one, loops, or a call of a
//! helper of `support.rs`; a refusal for those that have no form in Rust yet.

mod elements;

use super::{
    error::Refusal,
    index::AffineIndex,
    ir::{HelperArgument, ScalarId, ScalarKind, Statement, View},
    lower::{Limits, PlanLowering, numbers},
};
use crate::{
    graph::{
        Binary, Bindings, Convolution, DType, Dim, Op, Orientation, Pad, Ranking, ScanDirection, Triangle, Window,
        WindowReduction,
    },
    plan::{Origin, ReadArray, ScalarValue, WholeArrays, count},
};

/// How a primitive is written.
enum PrimitiveForm {
    /// Moves or combines elements at places that are known.
    Elements,
    /// By a helper.
    Helper,
    /// Not yet, for this reason.
    Refused(&'static str),
}

fn form(op: &Op, arrays: &WholeArrays) -> PrimitiveForm {
    const SEARCH: &str = "sorting and searching are not written yet";
    const SPECTRAL: &str = "spectral decompositions and transforms are not written yet: compute them outside";
    match op {
        Op::Iota(_) | Op::Concat(_) | Op::CumulativeSum(_) | Op::LinearRecurrence(_) | Op::Pad(_) => {
            PrimitiveForm::Elements
        }
        Op::Cholesky(_) | Op::TriangularSolve(_) => PrimitiveForm::Elements,
        Op::Gather(_) | Op::ScatterAdd(_) | Op::Lu(_) | Op::Solve(_) => PrimitiveForm::Helper,
        Op::Convolution(_) if arrays.sizes.len() <= 4 => PrimitiveForm::Helper,
        Op::Convolution(_) => PrimitiveForm::Refused("convolutions over three axes are not written yet"),
        Op::Window(_) if arrays.operands[0].layout.axes.len() <= 4 => PrimitiveForm::Helper,
        Op::Window(_) => PrimitiveForm::Refused("windows over more than four axes are not written yet"),
        Op::Rank(rank) => match rank.kind {
            Ranking::ArgMax | Ranking::ArgMin => PrimitiveForm::Helper,
            Ranking::ArgSort | Ranking::CumulativeArgMax | Ranking::CumulativeArgMin => PrimitiveForm::Refused(SEARCH),
        },
        Op::SearchSorted(_) => PrimitiveForm::Refused(SEARCH),
        Op::RandomBits(_) => PrimitiveForm::Refused("random bits are not written yet: feed them as an input"),
        Op::DotGeneral(_) => PrimitiveForm::Refused("products of integers are not written yet: cast them to a float"),
        Op::Qr(_) | Op::Eigh(_) | Op::Eigvalsh(_) | Op::Svd(_) | Op::Svdvals(_) | Op::Fft(_) => {
            PrimitiveForm::Refused(SPECTRAL)
        }
        Op::Custom(_) => PrimitiveForm::Refused("an operation of the user's own has code of its own"),
        Op::Poison(_)
        | Op::Input(_)
        | Op::Parameter(_)
        | Op::State(_)
        | Op::IsTraining(_)
        | Op::Constant(_)
        | Op::DimSize(_)
        | Op::Argument(_)
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Comparison(_)
        | Op::Connective(_)
        | Op::Predicate(_)
        | Op::IntegerPower(_)
        | Op::Select(_)
        | Op::Cast(_)
        | Op::StopGradient(_)
        | Op::Broadcast(_)
        | Op::Reshape(_)
        | Op::Transpose(_)
        | Op::Slice(_)
        | Op::Reverse(_)
        | Op::Reduce(_)
        | Op::Call(_)
        | Op::Conditional(_)
        | Op::Scan(_)
        | Op::While(_)
        | Op::WithDerivative(_) => unreachable!("invariant: `{}` is lowered to vertices of its own", op.name()),
    }
}

/// Whether a primitive is written out scalar by scalar.
pub(super) fn is_short(op: &Op, arrays: &WholeArrays, limits: Limits) -> bool {
    if !matches!(form(op, arrays), PrimitiveForm::Elements) {
        return false;
    }
    let parts = arrays.operands.iter().map(|operand| operand.layout.count());
    if matches!(op, Op::Concat(_)) && parts.clone().all(|part| part <= limits.elements) {
        // Nothing is computed, and what is written out has so few elements.
        return count(&arrays.sizes) <= limits.operations;
    }
    let read: usize = parts.sum();
    let n = arrays.sizes.last().copied().unwrap_or(1);
    let operations = match op {
        Op::Cholesky(_) => count(&arrays.sizes) * n,
        Op::TriangularSolve(_) => {
            count(&arrays.sizes) * arrays.operands[0].layout.axes.last().map_or(1, |axis| axis.size)
        }
        _ => count(&arrays.sizes),
    };
    count(&arrays.sizes).max(read) <= 2 * limits.elements && operations <= limits.operations
}

/// One axis of an array seen as `[outer, size, inner]`.
#[derive(Debug, Clone, Copy)]
struct Lanes {
    outer: usize,
    size: usize,
    inner: usize,
}

impl Lanes {
    fn of(sizes: &[usize], axis: usize) -> Lanes {
        Lanes { outer: count(&sizes[..axis]), size: sizes[axis], inner: count(&sizes[axis + 1..]) }
    }
}

impl PlanLowering<'_, '_> {
    /// Writes a primitive that is not written out.
    pub(super) fn primitive(&mut self, arrays: &WholeArrays, op: &Op, origin: &Origin) -> Result<(), Refusal> {
        if count(&arrays.sizes) == 0 {
            return Ok(());
        }
        match form(op, arrays) {
            PrimitiveForm::Refused(reason) => Err(Refusal::new(origin, reason)),
            PrimitiveForm::Elements => {
                self.by_loops(arrays, op);
                Ok(())
            }
            PrimitiveForm::Helper => {
                self.by_helper(arrays, op, origin);
                Ok(())
            }
        }
    }

    fn output(&self, arrays: &WholeArrays) -> View {
        self.homes[arrays.vertex].memory.clone().expect("invariant: what loops write lies in memory")
    }

    fn input(&self, operand: &ReadArray) -> View {
        let view = self.homes[operand.vertex].memory.clone().expect("invariant: what loops read lies in memory");
        View { base: view.base.offset(operand.layout.offset), ..view }
    }

    /// What moves or combines elements at places that are known, as loops.
    fn by_loops(&mut self, arrays: &WholeArrays, op: &Op) {
        match op {
            Op::Iota(iota) => self.position_loops(arrays, iota.axis),
            Op::Concat(concat) => self.concat_loops(arrays, concat.axis),
            Op::Pad(pad) => self.pad_loops(arrays, pad),
            Op::CumulativeSum(sum) => {
                let from = self.input(&arrays.operands[0]);
                self.running(arrays, (sum.axis, sum.direction), |lowering, before, index| {
                    let element = lowering.shared.builder.load(from.array, from.at(index));
                    match before {
                        None => element,
                        Some(before) => lowering.shared.builder.binary(Binary::Add, before, element),
                    }
                });
            }
            Op::LinearRecurrence(recurrence) => {
                let [a, b] = [0, 1].map(|operand| self.input(&arrays.operands[operand]));
                self.running(arrays, (recurrence.axis, recurrence.direction), |lowering, before, index| {
                    let element = lowering.shared.builder.load(b.array, b.at(index));
                    let Some(before) = before else { return element };
                    let factor = lowering.shared.builder.load(a.array, a.at(index));
                    let product = lowering.shared.builder.binary(Binary::Mul, factor, before);
                    lowering.shared.builder.binary(Binary::Add, product, element)
                });
            }
            Op::Cholesky(_) => {
                let n = arrays.sizes[arrays.sizes.len() - 1];
                let numbers = [count(&arrays.sizes) / (n * n), n];
                self.call(arrays, "cholesky", &numbers, None);
            }
            Op::TriangularSolve(solve) => {
                let n = arrays.operands[0].layout.axes.last().map_or(0, |axis| axis.size);
                let n_right = arrays.sizes[arrays.sizes.len() - 1];
                let is_plain = solve.orientation == Orientation::Plain;
                let is_lower = (solve.triangle == Triangle::Lower) == is_plain;
                let strides = if is_plain { [n, 1] } else { [1, n] };
                let numbers =
                    [count(&arrays.sizes) / (n * n_right), n, n_right, strides[0], strides[1], usize::from(is_lower)];
                self.call(arrays, "triangular_solve", &numbers, None);
            }
            other => unreachable!("invariant: `{}` has a helper", other.name()),
        }
    }

    fn position_loops(&mut self, arrays: &WholeArrays, axis: usize) {
        let (lanes, to) = (Lanes::of(&arrays.sizes, axis), self.output(arrays));
        self.loops(&[lanes.outer, lanes.size, lanes.inner], |lowering, at| {
            let value = lowering.shared.builder.scalar(ScalarKind::Position(at[1].clone()), arrays.dtype);
            let index = place(at, &[lanes.size * lanes.inner, lanes.inner, 1]);
            lowering.shared.builder.store(to.array, to.at(&index), value);
        });
    }

    fn concat_loops(&mut self, arrays: &WholeArrays, axis: usize) {
        let (whole, to) = (Lanes::of(&arrays.sizes, axis), self.output(arrays));
        let row = (whole.size * whole.inner) as isize;
        let mut start = 0;
        for operand in &arrays.operands {
            let (from, len) = (self.input(operand), operand.layout.count() / whole.outer.max(1));
            self.loops(&[whole.outer], |lowering, at| {
                let to = View { array: to.array, base: to.base.plus(&at[0], row).offset(start) };
                let from = View { array: from.array, base: from.base.plus(&at[0], len as isize) };
                lowering.shared.builder.push(Statement::Copy { from, to, len });
            });
            start += len as isize;
        }
    }

    fn pad_loops(&mut self, arrays: &WholeArrays, pad: &Pad) {
        let to = self.output(arrays);
        let value = self.shared.builder.number(ScalarValue::new(arrays.dtype, 0.0));
        self.shared.builder.push(Statement::Fill { to: to.clone(), len: count(&arrays.sizes), value });
        let from = self.input(&arrays.operands[0]);
        let inner = arrays.operands[0].layout.sizes();
        let [strides, own] = [&arrays.sizes, &inner].map(|sizes| strides_of(sizes));
        let low = lows(pad, &self.shared.bindings);
        self.loops(&inner, |lowering, at| {
            let mut index = AffineIndex::constant(0);
            for (axis, position) in at.iter().enumerate() {
                let (step, stride) = (pad.interior[axis] as isize + 1, strides[axis] as isize);
                index = index.plus(position, step * stride).offset(low[axis] * stride);
            }
            let value = lowering.shared.builder.load(from.array, from.at(&place(at, &own)));
            lowering.shared.builder.store(to.array, to.at(&index), value);
        });
    }

    fn by_helper(&mut self, arrays: &WholeArrays, op: &Op, origin: &Origin) {
        let n = arrays.sizes.last().copied().unwrap_or(1);
        let line = format!("{} ({})", origin.call, origin.site);
        match op {
            Op::Gather(gather) => {
                let numbers = gathered(&arrays.operands, gather.axis, gather.batch);
                let fault = (!self.has_positions(&arrays.operands[1], numbers[2])).then_some(line);
                self.call(arrays, "gather", &numbers, fault);
            }
            Op::ScatterAdd(scatter) => {
                let numbers = gathered(&arrays.operands, scatter.axis, scatter.batch);
                let fault = (!self.has_positions(&arrays.operands[1], numbers[2])).then_some(line);
                self.call(arrays, "scatter_add", &numbers, fault);
            }
            Op::Lu(_) => self.call(arrays, "lu", &[count(&arrays.sizes) / (n * (n + 1)), n], None),
            Op::Solve(solve) => {
                let n_unknowns = arrays.operands[0].layout.axes.last().map_or(0, |axis| axis.size);
                let strides = if solve.orientation == Orientation::Plain { [n_unknowns, 1] } else { [1, n_unknowns] };
                let numbers = [count(&arrays.sizes) / (n * n_unknowns), n_unknowns, n, strides[0], strides[1]];
                let (dtype, len) = (arrays.dtype, n_unknowns * n_unknowns);
                let factors = self.shared.builder.temporary(dtype, len);
                let rows = self.shared.builder.temporary(DType::I64, n_unknowns);
                let mut arguments = self.arguments(arrays);
                arguments.push(HelperArgument::Write(View::whole(factors)));
                arguments.push(HelperArgument::Write(View::whole(rows)));
                arguments.extend(numbers.map(HelperArgument::Number));
                self.shared.builder.push(Statement::Call { helper: "solve", dtype, arguments, fault: None });
                self.shared.builder.free(factors);
                self.shared.builder.free(rows);
            }
            Op::Rank(rank) => {
                let lanes = Lanes::of(&arrays.operands[0].layout.sizes(), rank.axis);
                let is_greatest = usize::from(rank.kind == Ranking::ArgMax);
                self.call(arrays, "argmax", &[lanes.outer, lanes.size, lanes.inner, is_greatest], None);
            }
            Op::Convolution(convolution) => self.convolution(arrays, convolution),
            Op::Window(window) => self.window(arrays, window),
            other => unreachable!("invariant: `{}` has no helper", other.name()),
        }
    }

    /// Whether all positions of an index are known, and on an axis of this size.
    fn has_positions(&mut self, index: &ReadArray, size: usize) -> bool {
        let home = self.homes[index.vertex].clone();
        let position = |number: ScalarValue| i64::from_ne_bytes(number.bits);
        let is_on_axis = |position: i64| (0..size as i64).contains(&position);
        if let Some(scalars) = &home.scalars {
            let builder = &self.shared.builder;
            return scalars.iter().all(|scalar| builder.as_number(*scalar).map(position).is_some_and(is_on_axis));
        }
        let constant = |view: &View| self.shared.constants.iter().find(|(array, _)| *array == view.array);
        home.memory.as_ref().and_then(constant).is_some_and(|(_, value)| numbers(value).map(position).all(is_on_axis))
    }

    fn arguments(&self, arrays: &WholeArrays) -> Vec<HelperArgument> {
        let read = arrays.operands.iter().map(|operand| HelperArgument::Read(self.input(operand)));
        read.chain([HelperArgument::Write(self.output(arrays))]).collect()
    }

    /// A helper with the operands, the output, and numbers.
    fn call(&mut self, arrays: &WholeArrays, helper: &'static str, numbers: &[usize], fault: Option<String>) {
        let mut arguments = self.arguments(arrays);
        arguments.extend(numbers.iter().copied().map(HelperArgument::Number));
        let operand = arrays.operands[0].dtype;
        self.shared.builder.push(Statement::Call { helper, dtype: operand, arguments, fault });
    }

    /// A convolution over one or two axes.
    fn convolution(&mut self, arrays: &WholeArrays, convolution: &Convolution) {
        let n_spatial = arrays.sizes.len() - 2;
        // Of one axis a plane of one row.
        let pad = |numbers: Vec<isize>, fill: isize| {
            std::iter::repeat_n(fill, 2 - n_spatial).chain(numbers).collect::<Vec<isize>>()
        };
        let mut numbers = signed(&[arrays.sizes[0], arrays.sizes[1], convolution.groups]);
        numbers.extend(pad(signed(&arrays.sizes[2..]), 1));
        for operand in &arrays.operands {
            let sizes = operand.layout.sizes();
            numbers.push(sizes[1] as isize);
            numbers.extend(pad(signed(&sizes[2..]), 1));
        }
        for operand in &arrays.operands {
            let strides: Vec<isize> = operand.layout.axes.iter().map(|axis| axis.stride).collect();
            numbers.extend(&strides[..2]);
            numbers.extend(pad(strides[2..].to_vec(), 0));
        }
        numbers.extend(pad(signed(&convolution.stride), 1));
        let low = convolution.low.iter().map(|low| number(low, &self.shared.bindings)).collect();
        numbers.extend(pad(low, 0));
        numbers.extend(pad(signed(&convolution.input_dilation), 1));
        numbers.extend(pad(signed(&convolution.kernel_dilation), 1));
        self.call_with(arrays, "convolve", numbers);
    }

    /// A reduction over windows of at most four axes.
    fn window(&mut self, arrays: &WholeArrays, window: &Window) {
        let rank = arrays.sizes.len();
        let sizes = arrays.operands[0].layout.sizes();
        let parts = [
            (&sizes[..], 1),
            (&arrays.sizes[..], 1),
            (&window.size[..], 1),
            (&window.stride[..], 1),
            (&window.dilation[..], 1),
            (&window.low[..], 0),
        ];
        let pad = |(numbers, fill): (&[usize], isize)| std::iter::repeat_n(fill, 4 - rank).chain(signed(numbers));
        let numbers = parts.into_iter().flat_map(pad).collect();
        let helper = match window.kind {
            WindowReduction::Sum => "window_sum",
            WindowReduction::Max => "window_max",
            WindowReduction::ArgMax => "window_argmax",
        };
        self.call_with(arrays, helper, numbers);
    }

    /// A helper with the operands, the output, and an array of numbers.
    fn call_with(&mut self, arrays: &WholeArrays, helper: &'static str, numbers: Vec<isize>) {
        let mut arguments = self.arguments(arrays);
        arguments.push(HelperArgument::Numbers(numbers));
        let dtype = arrays.operands[0].dtype;
        self.shared.builder.push(Statement::Call { helper, dtype, arguments, fault: None });
    }

    /// Loops over axes of these sizes around what `body` writes.
    fn loops(&mut self, sizes: &[usize], body: impl FnOnce(&mut Self, &[AffineIndex])) {
        let mut at = Vec::with_capacity(sizes.len());
        let mut open = Vec::new();
        for size in sizes {
            if *size == 1 {
                at.push(AffineIndex::constant(0));
                continue;
            }
            let variable = self.shared.builder.loop_variable();
            at.push(AffineIndex::variable(variable));
            open.push((variable, *size));
            self.shared.builder.open();
        }
        body(self, &at);
        for (variable, size) in open.into_iter().rev() {
            let body = self.shared.builder.close();
            self.shared.builder.push(Statement::For { variable, range: (0, size), is_backward: false, body });
        }
    }

    /// A value that runs along each lane of an axis.
    fn running(
        &mut self,
        arrays: &WholeArrays,
        (axis, direction): (usize, ScanDirection),
        mut next: impl FnMut(&mut Self, Option<ScalarId>, &AffineIndex) -> ScalarId,
    ) {
        let lanes = Lanes::of(&arrays.sizes, axis);
        let to = self.output(arrays);
        let (first, rest) = match direction {
            ScanDirection::Forward => (0, (1, lanes.size)),
            ScanDirection::Backward => (lanes.size - 1, (0, lanes.size - 1)),
        };
        let strides = [lanes.size * lanes.inner, lanes.inner, 1];
        self.loops(&[lanes.outer, lanes.inner], |lowering, at| {
            let index = |position: AffineIndex| place(&[at[0].clone(), position, at[1].clone()], &strides);
            let start = index(AffineIndex::constant(first as isize));
            let value = next(lowering, None, &start);
            lowering.shared.builder.store(to.array, to.at(&start), value);
            let total = lowering.shared.builder.variable(value);
            let variable = lowering.shared.builder.loop_variable();
            lowering.shared.builder.open();
            let before = lowering.shared.builder.read(total);
            let here = index(AffineIndex::variable(variable));
            let value = next(lowering, Some(before), &here);
            lowering.shared.builder.store(to.array, to.at(&here), value);
            lowering.shared.builder.push(Statement::Assign { variable: total, value });
            let body = lowering.shared.builder.close();
            let is_backward = direction == ScanDirection::Backward;
            lowering.shared.builder.push(Statement::For { variable, range: rest, is_backward, body });
        });
    }
}

fn signed(numbers: &[usize]) -> Vec<isize> {
    numbers.iter().map(|number| *number as isize).collect()
}

/// The sum of positions times strides.
fn place(at: &[AffineIndex], strides: &[usize]) -> AffineIndex {
    at.iter()
        .zip(strides)
        .fold(AffineIndex::constant(0), |sum, (position, stride)| sum.plus(position, *stride as isize))
}

fn strides_of(sizes: &[usize]) -> Vec<usize> {
    (0..sizes.len()).map(|axis| count(&sizes[axis + 1..])).collect()
}

/// Zeros before the first element along each axis.
fn lows(pad: &Pad, bindings: &Bindings) -> Vec<isize> {
    pad.low.iter().map(|low| number(low, bindings)).collect()
}

/// A size once symbols are numbers.
fn number(dim: &Dim, bindings: &Bindings) -> isize {
    dim.evaluate(bindings).expect("invariant: a plan has numbers for its symbols") as isize
}

/// A gather's numbers: batches, elements between these and the axis, the axis, positions of a batch, elements behind the axis.
fn gathered(operands: &[ReadArray], axis: usize, batch: usize) -> [usize; 5] {
    let (x, index) = (operands[0].layout.sizes(), operands[1].layout.sizes());
    [count(&x[..batch]), count(&x[batch..axis]), x[axis], count(&index[batch..]), count(&x[axis + 1..])]
}

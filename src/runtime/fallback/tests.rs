//! Every kernel against the reference kernel of its primitive: at the samples of all primitives, at larger shapes with
//! ties, zeros of either sign and NaN among the numbers, whole and in parts; and the errors.

use std::collections::BTreeSet;

use ndarray::{ArrayD, IxDyn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::{
    graph::{
        Axes, Cholesky, Concat, CumulativeSum, Dim, Dims, Eigh, Eigvalsh, Gather, Iota, LinearRecurrence, Lu,
        Orientation, Pad, Qr, RandomBits, Rank, Ranking, ScanDirection, ScatterAdd, SearchSorted, Shape, Side, Solve,
        Svd, Svdvals, Triangle, TriangularSolve, Type, Value, Window, WindowReduction,
    },
    ops::{self, EvaluationContext, RunLimits},
};

fn data(value: &Value) -> Data<'_> {
    const LAYOUT: &str = "test arrays are in standard layout";
    match value {
        Value::F32(array) => Data::F32(array.as_slice().expect(LAYOUT)),
        Value::F64(array) => Data::F64(array.as_slice().expect(LAYOUT)),
        Value::I64(array) => Data::I64(array.as_slice().expect(LAYOUT)),
        Value::Bool(array) => Data::Bool(array.as_slice().expect(LAYOUT)),
    }
}

fn data_mut(value: &mut Value) -> DataMut<'_> {
    match value {
        Value::F32(array) => DataMut::F32(array.as_slice_mut().unwrap()),
        Value::F64(array) => DataMut::F64(array.as_slice_mut().unwrap()),
        Value::I64(array) => DataMut::I64(array.as_slice_mut().unwrap()),
        Value::Bool(array) => DataMut::Bool(array.as_slice_mut().unwrap()),
    }
}

fn context<'a>(
    operands: &'a [(DType, &'a [usize])],
    output: (DType, &'a [usize]),
    bindings: &'a Bindings,
) -> ResolveContext<'a> {
    ResolveContext { operands, output, bindings, instruction_set: InstructionSet::widest() }
}

/// An output in which an element that is not written shows.
fn unwritten(ty: &Type) -> Value {
    let shape = IxDyn(&ty.shape.as_numbers().unwrap());
    match ty.dtype {
        DType::F32 => Value::F32(ArrayD::from_elem(shape, -7.25e7)),
        DType::F64 => Value::F64(ArrayD::from_elem(shape, -7.25e7)),
        DType::I64 => Value::I64(ArrayD::from_elem(shape, -72_500_000)),
        DType::Bool => Value::Bool(ArrayD::from_elem(shape, true)),
    }
}

/// One use of a primitive on numbers.
struct KernelCase {
    op: Op,
    operands: Vec<Value>,
    ty: Type,
}

impl KernelCase {
    /// `None` if the primitive does not take such operands.
    fn new(op: &Op, operands: Vec<Value>) -> Option<KernelCase> {
        let types: Vec<Type> = operands.iter().map(Value::ty).collect();
        let ty = ops::infer(op, &types).ok()?;
        Some(KernelCase { op: op.clone(), operands, ty })
    }

    fn reference(&self) -> Result<Value, OpError> {
        let (operands, bindings) = (self.operands.iter().collect::<Vec<_>>(), Bindings::new());
        ops::evaluate(
            &self.op,
            &EvaluationContext { operands: &operands, ty: &self.ty, bindings: &bindings, limits: RunLimits::DEFAULT },
        )
    }

    fn resolve(&self) -> Result<FallbackKernel, OpError> {
        self.resolve_for(InstructionSet::widest())
    }

    fn resolve_for(&self, instruction_set: InstructionSet) -> Result<FallbackKernel, OpError> {
        let operands: Vec<(DType, &[usize])> =
            self.operands.iter().map(|operand| (operand.dtype(), operand.shape())).collect();
        let shape = self.ty.shape.as_numbers().unwrap();
        let bindings = Bindings::new();
        let place = context(&operands, (self.ty.dtype, &shape), &bindings);
        FallbackKernel::resolve(&self.op, ResolveContext { instruction_set, ..place })
    }

    /// The output made part by part in the order of `parts`; the error of the first part that has one.
    fn run(&self, plain: &FallbackKernel, parts: impl Iterator<Item = usize>) -> Result<Value, OpError> {
        let operands: Vec<Data<'_>> = self.operands.iter().map(data).collect();
        let mut out = unwritten(&self.ty);
        let mut scratch = vec![u64::MAX; plain.n_scratch()];
        for part in parts {
            plain.run_part(part, &operands, data_mut(&mut out).range(plain.part_range(part)), &mut scratch)?;
        }
        Ok(out)
    }

    /// That whole, in parts from the last, and in the finest parts from the last, the output is the reference's.
    fn assert_agrees(&self) -> KernelVariant {
        let expected = self.reference().unwrap();
        let plain = self.resolve().unwrap();
        let operands: Vec<Data<'_>> = self.operands.iter().map(data).collect();
        let mut whole = unwritten(&self.ty);
        plain.run(&operands, data_mut(&mut whole)).unwrap();
        let types: Vec<String> = self.operands.iter().map(|operand| operand.ty().to_string()).collect();
        let name = format!("{:?} of {types:?}", self.op);
        assert_same(&whole, &expected, self.tolerance(), &name);
        let finest = FallbackKernel { partition: plain.partition.finest(), ..plain.clone() };
        for plain in [&plain, &finest] {
            let in_parts = self.run(plain, (0..plain.n_parts()).rev()).unwrap();
            assert_same(&in_parts, &whole, 0.0, &format!("{name} in {} parts", plain.n_parts()));
        }
        plain.kernel
    }

    /// Everything is the same bit for bit but three. Fourier transforms have another algorithm. Sums that are short are added in order, and those of the reference
    /// with more digits: for numbers of few digits both are exact, and n others of the size of 1 are off by a rounding
    /// for each addition, of at most n: n²·ε/2. And systems are solved from the last row: the reference subtracts what
    /// is known in ascending order, and the kernel as it becomes known, which is descending. The solutions are of the
    /// size of 1, the matrices well conditioned and the sums of at most 40 terms: 1e-12 is some thousand roundings of
    /// f64.
    fn tolerance(&self) -> f64 {
        match &self.op {
            Op::TriangularSolve(solve) => {
                let is_lower = (solve.triangle == Triangle::Lower) == (solve.orientation == Orientation::Plain);
                match (is_lower, self.ty.dtype) {
                    (true, _) => 0.0,
                    (false, DType::F32) => 5e-4,
                    (false, _) => 1e-12,
                }
            }
            // By the definition there. Sums of at most 17 products of numbers of the size of 1; of f32 the last rounding.
            Op::Fft(_) if self.ty.dtype == DType::F32 => 2.0 * f64::from(f32::EPSILON),
            Op::Fft(_) => 1e-14,
            Op::ScatterAdd(_) | Op::Window(Window { kind: WindowReduction::Sum, .. }) => {
                let epsilon = if self.ty.dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
                if self.operands.iter().all(has_few_digits) { 0.0 } else { self.n_terms().powi(2) * epsilon / 2.0 }
            }
            _ => 0.0,
        }
    }

    /// How many numbers are added up at most for an element.
    fn n_terms(&self) -> f64 {
        let n_terms = match &self.op {
            Op::Window(window) => window.size.iter().product(),
            // The base and all updates.
            _ => 1 + self.operands[1].len(),
        };
        n_terms as f64
    }
}

/// Whether all numbers are infinite, NaN or multiples of 2⁻¹⁰ of at most 8: sums of 1024 of them are exact in f32.
fn has_few_digits(value: &Value) -> bool {
    let is_short = |x: f64| !x.is_finite() || (x.abs() <= 8.0 && (x * 1024.0).fract() == 0.0);
    match value {
        Value::F32(array) => array.iter().all(|x| is_short(f64::from(*x))),
        Value::F64(array) => array.iter().all(|x| is_short(*x)),
        Value::I64(_) | Value::Bool(_) => true,
    }
}

/// Equal within a tolerance relative to numbers above 1; to the sign of zero if it is 0. One NaN is as good as another:
/// which of two NaN a sum keeps is not defined.
fn assert_same(found: &Value, expected: &Value, tolerance: f64, name: &str) {
    assert_eq!(found.ty(), expected.ty(), "{name}");
    let is_same = |found: f64, expected: f64| {
        let is_close = (found - expected).abs() <= tolerance * expected.abs().max(1.0) && tolerance > 0.0;
        found.to_bits() == expected.to_bits() || is_close || found.is_nan() && expected.is_nan()
    };
    let is_equal = match (found, expected) {
        (Value::F32(found), Value::F32(expected)) => {
            found.iter().zip(expected).all(|(found, expected)| is_same((*found).into(), (*expected).into()))
        }
        (Value::F64(found), Value::F64(expected)) => found.iter().zip(expected).all(|(f, e)| is_same(*f, *e)),
        _ => found == expected,
    };
    assert!(is_equal, "{name}:\n{found:?}\nis not\n{expected:?}");
}

/// Floats in another dtype; whatever else as it is.
fn cast(value: &Value, dtype: DType) -> Value {
    match (value, dtype) {
        (Value::F64(array), DType::F32) => Value::F32(array.mapv(|number| number as f32)),
        (Value::F64(array), DType::I64) => Value::I64(array.mapv(|number| (10.0 * number) as i64)),
        (Value::F64(array), DType::Bool) => Value::Bool(array.mapv(|number| number > 0.0)),
        _ => value.clone(),
    }
}

/// The case in each dtype that the primitive takes.
fn in_every_dtype(op: &Op, operands: &[Value]) -> Vec<KernelCase> {
    let case = |dtype| KernelCase::new(op, operands.iter().map(|operand| cast(operand, dtype)).collect());
    [DType::F64, DType::F32, DType::I64, DType::Bool].into_iter().filter_map(case).collect()
}

fn kernel_name(kernel: &KernelVariant) -> String {
    format!("{kernel:?}").split('(').next().unwrap().to_string()
}

#[test]
fn all_samples_agree_with_the_reference() {
    let mut kernels = BTreeSet::new();
    for sample in ops::samples() {
        for case in in_every_dtype(&sample.op, &sample.operands) {
            kernels.insert(kernel_name(&case.assert_agrees()));
        }
    }
    let expected = [
        "CholeskyKernel",
        "ConcatKernel",
        "CumulativeSumKernel",
        "DecompositionKernel",
        "FourierKernel",
        "GatherKernel",
        "IntegerDotKernel",
        "IotaKernel",
        "LinearRecurrenceKernel",
        "LuKernel",
        "PadKernel",
        "PlaneWindowKernel",
        "RandomBitsKernel",
        "RankKernel",
        "Reference",
        "ScatterAddKernel",
        "SearchSortedKernel",
        "SolveKernel",
        "TriangularSolveKernel",
    ];
    assert_eq!(kernels.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

struct RandomNumbers(ChaCha8Rng);

impl RandomNumbers {
    fn new(seed: u64) -> RandomNumbers {
        RandomNumbers(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Multiples of 2⁻¹⁰ between −1 and 1, which sums of some thousand hold exactly.
    fn reals(&mut self, shape: &[usize]) -> Value {
        let number = || f64::from(self.0.random_range(-1023..1024i32)) / 1024.0;
        Value::F64(ArrayD::from_shape_simple_fn(IxDyn(shape), number))
    }

    /// Few different numbers, so that there are ties; zeros of either sign, infinities and NaN among them.
    fn corners(&mut self, shape: &[usize]) -> Value {
        const CORNERS: [f64; 9] = [0.0, -0.0, 1.0, -1.0, 2.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.5];
        let among = |rng: &mut ChaCha8Rng| match rng.random_range(0..40usize) {
            place @ 0..9 => CORNERS[place],
            other => (other % 7) as f64 - 3.0,
        };
        Value::F64(ArrayD::from_shape_simple_fn(IxDyn(shape), || among(&mut self.0)))
    }

    fn index(&mut self, shape: &[usize], size: usize) -> Value {
        Value::I64(ArrayD::from_shape_simple_fn(IxDyn(shape), || self.0.random_range(0..size as i64)))
    }

    /// Some number of `low..high`, as a size.
    fn size(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..high)
    }

    /// M·Mᵀ/n + I for each matrix M, so that it is positive definite and well conditioned.
    fn positive_definite(&mut self, n_matrices: usize, n: usize) -> Value {
        let Value::F64(roots) = self.reals(&[n_matrices, n, n]) else { unreachable!("reals are f64") };
        Value::F64(ArrayD::from_shape_fn(IxDyn(&[n_matrices, n, n]), |index| {
            let products = (0..n).map(|k| roots[[index[0], index[1], k]] * roots[[index[0], index[2], k]]);
            products.sum::<f64>() / n as f64 + if index[1] == index[2] { 1.0 } else { 0.0 }
        }))
    }
}

/// That the case agrees in every dtype, and that there is at least one.
fn assert_agrees(op: impl Into<Op>, operands: &[Value]) {
    let op = op.into();
    let cases = in_every_dtype(&op, operands);
    assert!(!cases.is_empty(), "{op:?}");
    cases.iter().for_each(|case| drop(case.assert_agrees()));
}

#[test]
fn larger_gathers_and_scatters() {
    let mut numbers = RandomNumbers::new(1);
    // Axis, batch, x and index: embeddings, wide ones, scores of labels, lanes, and none of these.
    let places: [(usize, usize, &[usize], &[usize]); 8] = [
        (0, 0, &[40, 64], &[300, 3]),
        (0, 0, &[700, 33], &[900]),
        (1, 1, &[500, 10], &[500]),
        (1, 1, &[500, 10], &[500, 1]),
        (1, 0, &[20, 30, 4], &[50]),
        (2, 1, &[6, 5, 9, 1], &[6, 7]),
        (2, 1, &[6, 5, 9, 3], &[6, 7, 2]),
        (0, 0, &[40_000], &[70_000]),
    ];
    for (axis, batch, x, index) in places {
        let index = numbers.index(index, x[axis]);
        let gather = Op::from(Gather { axis, batch });
        let x = numbers.corners(x);
        assert_agrees(gather.clone(), &[x.clone(), index.clone()]);
        let output = KernelCase::new(&gather, vec![x.clone(), index.clone()]).unwrap().ty.shape.as_numbers().unwrap();
        let (base, updates) = (numbers.reals(x.shape()), numbers.reals(&output));
        assert_agrees(ScatterAdd { axis, batch }, &[base, index, updates]);
    }
}

/// Positions that occur more often than is added in order, beside others that do not, with all kinds of numbers.
#[test]
fn scatters_of_frequent_positions() {
    let mut numbers = RandomNumbers::new(5);
    let places: [(usize, usize, &[usize], &[usize]); 6] = [
        (0, 0, &[3, 2], &[1000]),
        (0, 0, &[9], &[2000]),
        (0, 0, &[20, 40], &[3000]),
        (1, 1, &[4, 3, 2], &[4, 700]),
        // Fewer updates than rows: those that occur often are found by counting.
        (0, 0, &[5000], &[1500]),
        (0, 0, &[900, 3], &[800]),
    ];
    for (axis, batch, x, shape) in places {
        let frequent = numbers.index(shape, x[axis].min(4));
        let gather = Op::from(Gather { axis, batch });
        let base = numbers.reals(x);
        let output =
            KernelCase::new(&gather, vec![base.clone(), frequent.clone()]).unwrap().ty.shape.as_numbers().unwrap();
        let (reals, corners) = (numbers.reals(&output), numbers.corners(&output));
        assert_agrees(ScatterAdd { axis, batch }, &[base.clone(), frequent.clone(), reals]);
        assert_agrees(ScatterAdd { axis, batch }, &[base, frequent, corners]);
    }
}

#[test]
fn larger_orders_and_running_sums() {
    let mut numbers = RandomNumbers::new(2);
    for shape in [[300, 17, 1], [5, 40, 37], [1, 9, 16], [2, 1, 3], [1, 3000, 1], [70, 50, 20]] {
        let (corners, reals) = (numbers.corners(&shape), numbers.reals(&shape));
        for kind in Ranking::ALL {
            assert_agrees(Rank { kind: *kind, axis: 1 }, std::slice::from_ref(&corners));
        }
        for direction in ScanDirection::ALL {
            assert_agrees(CumulativeSum { axis: 1, direction: *direction }, std::slice::from_ref(&reals));
            assert_agrees(LinearRecurrence { axis: 1, direction: *direction }, &[reals.clone(), numbers.reals(&shape)]);
        }
    }
}

#[test]
fn larger_matrices() {
    let mut numbers = RandomNumbers::new(3);
    for (n_matrices, n, n_right) in [(3, 40, 1), (200, 8, 3), (2, 17, 17), (40, 1, 1), (1, 33, 5)] {
        let a = numbers.positive_definite(n_matrices, n);
        assert_agrees(Cholesky {}, std::slice::from_ref(&a));
        let b = numbers.reals(&[n_matrices, n, n_right]);
        for triangle in Triangle::ALL {
            for orientation in Orientation::ALL {
                let solve = TriangularSolve { triangle: *triangle, orientation: *orientation };
                assert_agrees(solve, &[a.clone(), b.clone()]);
            }
        }
        // Any numbers, so that rows change places; the same operations in the same order, so the same bits.
        let (square, corners) = (numbers.reals(&[n_matrices, n, n]), numbers.corners(&[n_matrices, n, n]));
        for a in [square, corners] {
            assert_agrees(Lu {}, std::slice::from_ref(&a));
            for orientation in Orientation::ALL {
                assert_agrees(Solve { orientation: *orientation }, &[a.clone(), b.clone()]);
            }
        }
        // The kernel runs the algorithm of the rule.
        for op in [Op::from(Qr {}), Svd {}.into(), Svdvals {}.into()] {
            assert_agrees(op, std::slice::from_ref(&numbers.reals(&[n_matrices, n + n_right, n])));
        }
        let (square, corners) = (numbers.reals(&[n_matrices, n, n]), numbers.corners(&[n_matrices, n, n]));
        for op in [Op::from(Eigh {}), Eigvalsh {}.into(), Qr {}.into(), Svd {}.into()] {
            assert_agrees(op.clone(), std::slice::from_ref(&square));
            assert_agrees(op, std::slice::from_ref(&corners));
        }
    }
}

/// Sorted or not: both halve alike.
#[test]
fn larger_searches() {
    let mut numbers = RandomNumbers::new(9);
    for (n_lanes, size, width) in [(1, 3000, 700), (40, 17, 5), (3, 1, 9), (2, 0, 4)] {
        let (lanes, values) = (numbers.corners(&[n_lanes, size]), numbers.corners(&[n_lanes, width]));
        for side in Side::ALL {
            assert_agrees(SearchSorted { side: *side }, &[lanes.clone(), values.clone()]);
        }
    }
}

#[test]
fn only_the_matrix_that_is_not_positive_definite_is_nan() {
    let matrices = [1.0, 2.0, 2.0, 1.0, 4.0, 2.0, 2.0, 9.0, f64::NAN, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0];
    let matrices = Value::F64(ArrayD::from_shape_vec(IxDyn(&[4, 2, 2]), matrices.to_vec()).unwrap());
    assert_agrees(Cholesky {}, &[matrices]);
}

/// A window of one size, stride, dilation and padding along each axis.
fn window(kind: WindowReduction, axes: &[[usize; 5]]) -> Window {
    let attribute_of = |attribute: usize| -> Axes { axes.iter().map(|axis| axis[attribute]).collect() };
    Window {
        kind,
        size: attribute_of(0),
        stride: attribute_of(1),
        dilation: attribute_of(2),
        low: attribute_of(3),
        high: attribute_of(4),
    }
}

#[test]
fn pooling_of_images() {
    let mut numbers = RandomNumbers::new(4);
    let whole = [1, 1, 1, 0, 0];
    let kernels: [[usize; 5]; 7] = [
        [2, 2, 1, 0, 0],
        [3, 1, 1, 1, 1],
        [3, 2, 1, 1, 1],
        [2, 1, 1, 1, 0],
        [2, 3, 1, 0, 1],
        [2, 1, 2, 2, 1],
        [5, 4, 1, 2, 2],
    ];
    for kind in WindowReduction::ALL {
        for kernel in kernels {
            for shape in [[3, 4, 28, 28], [2, 3, 13, 9], [1, 2, 6, 5]] {
                let x = [numbers.corners(&shape)];
                assert_agrees(window(*kind, &[whole, whole, kernel, kernel]), &x);
                assert_agrees(window(*kind, &[whole, kernel, kernel, whole]), &[numbers.corners(&[2, 7, 8, 11])]);
                assert_agrees(window(*kind, &[whole, whole, whole, kernel]), &x);
                assert_agrees(window(*kind, &[whole, whole, kernel, whole]), &x);
                assert_agrees(window(*kind, &[kernel, whole, whole, kernel]), &[numbers.corners(&[6, 2, 3, 7])]);
            }
        }
    }
}

#[test]
fn windows_of_any_kind() {
    let mut numbers = RandomNumbers::new(5);
    let mut kernels = BTreeSet::new();
    let mut n_cases = 0;
    for _ in 0..400 {
        let rank = numbers.size(1, 5);
        let axes: Vec<[usize; 5]> = (0..rank)
            .map(|_| {
                let (size, dilation) = (numbers.size(1, 4), numbers.size(1, 3));
                let extent = (size - 1) * dilation + 1;
                [size, numbers.size(1, 6), dilation, numbers.size(0, extent), numbers.size(0, extent)]
            })
            .collect();
        let shape: Vec<usize> = (0..rank).map(|_| numbers.size(1, 12)).collect();
        for kind in WindowReduction::ALL {
            for case in in_every_dtype(&Op::from(window(*kind, &axes)), &[numbers.corners(&shape)]) {
                kernels.insert(kernel_name(&case.assert_agrees()));
                n_cases += 1;
            }
        }
    }
    assert!(n_cases > 1000, "{n_cases} cases are few");
    assert_eq!(kernels.into_iter().collect::<Vec<_>>(), ["PlaneWindowKernel", "WindowKernel"]);
}

#[test]
fn larger_random_bits_and_counters() {
    let scalar = |number: i64| Value::from(number);
    for (width, shape, key, counter) in
        [(62, [300, 7], i64::MIN, -1), (1, [5000, 3], 3, 5), (24, [13, 1], i64::MAX, 1 << 40)]
    {
        let bits = RandomBits { width, shape: Shape::from(&shape[..]) };
        assert_agrees(bits, &[scalar(key), scalar(counter)]);
    }
    // Parts end among the numbers of a key.
    for (n_keys, n_each) in [(37, 301), (5000, 3), (2, 9000)] {
        let keys = |first: i64| Value::from(ndarray::Array1::from_shape_fn(n_keys, |key| first - 7 * key as i64));
        assert_agrees(RandomBits { width: 62, shape: Shape::from((n_keys, n_each)) }, &[keys(3), keys(-1)]);
    }
    for axis in 0..3 {
        for dtype in [DType::F32, DType::F64, DType::I64] {
            assert_agrees(Iota { axis, dtype, shape: Shape::from((300, 20, 30)) }, &[]);
        }
    }
}

#[test]
fn padding_of_any_kind() {
    let mut numbers = RandomNumbers::new(6);
    for _ in 0..300 {
        let rank = numbers.size(0, 5);
        let mut draw_axes = |low, high| (0..rank).map(|_| numbers.size(low, high)).collect::<Axes>();
        // Half of the axes are left as they are, so that neighbours are merged.
        let is_padded = draw_axes(0, 2);
        let masked =
            |axes: Axes| axes.iter().zip(&is_padded).map(|(size, is_padded)| size * is_padded).collect::<Axes>();
        let (shape, low, high, interior) =
            (draw_axes(0, 7), masked(draw_axes(0, 4)), masked(draw_axes(0, 4)), masked(draw_axes(0, 3)));
        let dims = |axes: Axes| axes.iter().map(|size| Dim::from(*size)).collect::<Dims>();
        let x = numbers.corners(&shape);
        assert_agrees(Pad { low: dims(low), high: dims(high), interior }, &[x]);
    }
    let dims = || Dims::from(vec![Dim::from(0), Dim::from(0), Dim::from(1), Dim::from(1)]);
    let x = numbers.corners(&[16, 8, 28, 28]);
    assert_agrees(Pad { low: dims(), high: dims(), interior: Axes::from_elem(0, 4) }, &[x]);
}

#[test]
fn joining_along_any_axis() {
    let mut numbers = RandomNumbers::new(7);
    for axis in 0..3 {
        let part = |size: usize, numbers: &mut RandomNumbers| {
            let mut shape = [30, 40, 9];
            shape[axis] = size;
            numbers.corners(&shape)
        };
        let operands = [part(3, &mut numbers), part(0, &mut numbers), part(70, &mut numbers), part(1, &mut numbers)];
        assert_agrees(Concat { axis }, &operands);
    }
}

#[test]
fn a_position_outside_its_axis_is_the_fault_of_part_0() {
    let mut numbers = RandomNumbers::new(9);
    for bad in [-1, 3, i64::MIN, i64::MAX] {
        let Value::I64(mut index) = numbers.index(&[20], 3) else { unreachable!("an index is i64") };
        (index[[11]], index[[15]]) = (bad, -7);
        let index = Value::I64(index);
        let gather = Gather { axis: 1, batch: 0 }.into();
        let scatter = ScatterAdd { axis: 1, batch: 0 }.into();
        let (x, read) = (numbers.reals(&[2, 3, 2]), numbers.reals(&[2, 20, 2]));
        for case in [
            KernelCase::new(&gather, vec![x.clone(), index.clone()]).unwrap(),
            KernelCase::new(&scatter, vec![x.clone(), index.clone(), read.clone()]).unwrap(),
        ] {
            let plain = case.resolve().unwrap();
            let finest = FallbackKernel { partition: plain.partition.finest(), ..plain.clone() };
            let expected = case.reference();
            assert_eq!(expected, Err(OpError::Index { index: bad, axis: 1, size: 3 }));
            assert_eq!(case.run(&plain, 0..1), expected);
            assert_eq!(case.run(&finest, 0..1), expected);
        }
        // Whoever reads there finds it too, and does not read beyond the array.
        let case = KernelCase::new(&gather, vec![x, index]).unwrap();
        let plain = case.resolve().unwrap();
        let finest = FallbackKernel { partition: plain.partition.finest(), ..plain };
        let expected = Err(OpError::Index { index: bad, axis: 1, size: 3 });
        assert_eq!(case.run(&finest, std::iter::once(11)), expected);
        assert!(case.run(&finest, std::iter::once(12)).is_ok());
    }
}

#[test]
fn positions_are_checked_even_if_nothing_is_read_there() {
    let index = Value::I64(ArrayD::from_elem(IxDyn(&[2]), 5));
    let empty = Value::F64(ArrayD::zeros(IxDyn(&[4, 0])));
    let case = KernelCase::new(&Gather { axis: 0, batch: 0 }.into(), vec![empty, index]).unwrap();
    let plain = case.resolve().unwrap();
    assert_eq!(case.run(&plain, 0..1), Err(OpError::Index { index: 5, axis: 0, size: 4 }));
    assert_eq!(case.run(&plain, 0..1), case.reference());
}

/// Resolves over sizes that only bound symbols can have: with numbers, inference refuses them.
fn resolve_bound(op: &Op, x: &[usize], output: &[usize], bindings: &Bindings) -> Result<FallbackKernel, OpError> {
    let operands = [(DType::F64, x)];
    FallbackKernel::resolve(op, context(&operands, (DType::F64, output), bindings))
}

#[test]
fn an_extreme_of_nothing_is_a_fault() {
    let none = Bindings::new();
    let rank = Rank { kind: Ranking::ArgMin, axis: 1 }.into();
    assert_eq!(resolve_bound(&rank, &[2, 0], &[2], &none), Err(OpError::Empty { axis: 1 }));
    // The only window has its taps at −2 and 1, of an axis that has only 0.
    let spread = |kind| Op::from(window(kind, &[[1, 1, 1, 0, 0], [2, 1, 3, 2, 1]]));
    let resolve = |kind| resolve_bound(&spread(kind), &[1, 1], &[1, 1], &none);
    assert_eq!(resolve(WindowReduction::Max), Err(OpError::Empty { axis: 1 }));
    assert_eq!(resolve(WindowReduction::ArgMax), Err(OpError::Empty { axis: 1 }));
    let (plain, mut out) = (resolve(WindowReduction::Sum).unwrap(), [5.0]);
    assert_eq!(plain.run(&[Data::F64(&[3.0])], DataMut::F64(&mut out)), Ok(()));
    assert_eq!(out, [0.0]);
}

#[test]
fn symbols_in_paddings_are_bound() {
    let pad = Op::from(Pad {
        low: Dims::from_elem(Dim::symbol("n"), 1),
        high: Dims::from_elem(Dim::from(1) - Dim::symbol("n"), 1),
        interior: Axes::from_elem(0, 1),
    });
    let bound = |n: i64| Bindings::from_iter([("n".into(), n)]);
    let (plain, mut out) = (resolve_bound(&pad, &[2], &[3], &bound(1)).unwrap(), [5.0; 3]);
    assert_eq!(plain.run(&[Data::F64(&[1.0, 2.0])], DataMut::F64(&mut out)), Ok(()));
    assert_eq!(out, [0.0, 1.0, 2.0]);
    let unbound = resolve_bound(&pad, &[2], &[3], &Bindings::new());
    assert_eq!(unbound, Err(OpError::Size(Dim::symbol("n"))));
    let negative = resolve_bound(&pad, &[2], &[3], &bound(-1));
    assert_eq!(negative, Err(OpError::Size(Dim::symbol("n"))));
    let cropping = resolve_bound(&pad, &[2], &[3], &bound(2));
    assert_eq!(cropping, Err(OpError::Size(Dim::from(1) - Dim::symbol("n"))));
}

#[test]
fn large_work_has_parts_and_small_work_has_one() {
    let n_parts = |op: Op, operands: &[&[usize]], output: &[usize]| {
        let operands: Vec<(DType, &[usize])> = operands.iter().map(|shape| (DType::F64, *shape)).collect();
        let bindings = Bindings::new();
        let place = context(&operands, (DType::F64, output), &bindings);
        FallbackKernel::resolve(&op, place).unwrap().n_parts()
    };
    let pool = |n: usize| {
        let whole = [1, 1, 1, 0, 0];
        let pool = window(WindowReduction::Max, &[whole, [2, 2, 1, 0, 0], [2, 2, 1, 0, 0]]);
        n_parts(pool.into(), &[&[n, 28, 28]], &[n, 14, 14])
    };
    assert_eq!(pool(1), 1);
    assert!((10..=64).contains(&pool(2048)), "{}", pool(2048));
    let gather = Op::from(Gather { axis: 0, batch: 0 });
    assert_eq!(n_parts(gather.clone(), &[&[1000, 64], &[32]], &[32, 64]), 1);
    assert!(n_parts(gather, &[&[1000, 64], &[1 << 20]], &[1 << 20, 64]) > 1);
}

/// Matrices that are worked on block by block, on every instruction set: the reference within a rounding for each term, and the
/// same bits.
#[test]
fn matrices_of_many_blocks() {
    let mut numbers = RandomNumbers::new(11);
    for (n, n_right) in [(41, 1), (48, 3), (57, 70), (130, 1), (131, 17), (290, 1), (270, 300)] {
        let a = numbers.positive_definite(2, n);
        let b = numbers.reals(&[2, n, n_right]);
        let mut cases: Vec<(Op, Vec<Value>)> =
            vec![(Cholesky {}.into(), vec![a.clone()]), (Lu {}.into(), vec![a.clone()])];
        for orientation in Orientation::ALL.iter().copied() {
            cases.push((Solve { orientation }.into(), vec![a.clone(), b.clone()]));
            let triangles = Triangle::ALL.iter().map(|triangle| TriangularSolve { triangle: *triangle, orientation });
            cases.extend(triangles.map(|solve| (solve.into(), vec![a.clone(), b.clone()])));
        }
        for (op, operands) in cases {
            let single = operands.iter().map(to_single).collect();
            check_blocks(&op, operands, 1e-15 * (n * n) as f64);
            check_blocks(&op, single, 1e-6 * (n * n) as f64);
        }
    }
}

fn to_single(value: &Value) -> Value {
    Value::F32(value.array::<f64>().expect("the numbers are f64").mapv(|x| x as f32))
}

#[track_caller]
fn check_blocks(op: &Op, operands: Vec<Value>, tolerance: f64) {
    let case = KernelCase::new(op, operands).expect("the sizes fit");
    let expected = case.reference().unwrap();
    let computed = InstructionSet::available().into_iter().map(|set| {
        let kernel = case.resolve_for(set).unwrap();
        case.run(&kernel, 0..kernel.n_parts()).unwrap()
    });
    let computed: Vec<Value> = computed.collect();
    for found in &computed {
        assert_same(found, &expected, tolerance, &format!("{op:?}"));
        assert_same(found, &computed[0], 0.0, &format!("{op:?} by another set"));
    }
}

/// Rows change places, for elements of any size and for columns of zeros: P·A = L·U.
#[test]
fn eliminations_of_many_blocks_give_the_matrix_back() {
    let mut numbers = RandomNumbers::new(12);
    for n in [41, 64, 100, 133] {
        let a = numbers.reals(&[n, n]);
        let mut elements = a.array::<f64>().expect("the numbers are f64").clone();
        elements.index_axis_mut(ndarray::Axis(1), n / 3).fill(0.0);
        let case = KernelCase::new(&Lu {}.into(), vec![Value::F64(elements.clone())]).expect("the sizes fit");
        let kernel = case.resolve().unwrap();
        let Value::F64(packed) = case.run(&kernel, 0..1).unwrap() else { unreachable!("the numbers are f64") };
        let packed = packed.as_slice().unwrap();
        let (factors, rows) = packed.split_at(n * n);
        for row in 0..n {
            for column in 0..n {
                let element = |k: usize| if k == row { 1.0 } else { factors[row * n + k] };
                let product: f64 = (0..=row.min(column)).map(|k| element(k) * factors[k * n + column]).sum();
                let expected = elements[[rows[row] as usize, column]];
                assert!(
                    (product - expected).abs() < 1e-12 * n as f64,
                    "{n}: {row}, {column}: {product}, not {expected}"
                );
            }
        }
        assert!(factors.iter().enumerate().all(|(index, x)| index % n >= index / n || x.abs() <= 1.0), "{n}");
    }
}

/// A pivot that is not positive, wherever it is, makes the whole factor NaN.
#[test]
fn no_factor_of_what_is_not_positive_definite() {
    let mut numbers = RandomNumbers::new(13);
    let n = 90;
    for (row, bad) in [(0, -1.0), (40, f64::NAN), (88, 0.0), (89, f64::NEG_INFINITY)] {
        let Value::F64(mut a) = numbers.positive_definite(1, n) else { unreachable!("the numbers are f64") };
        a[[0, row, row]] = bad;
        let case = KernelCase::new(&Cholesky {}.into(), vec![Value::F64(a)]).expect("the sizes fit");
        let kernel = case.resolve().unwrap();
        let Value::F64(factor) = case.run(&kernel, 0..1).unwrap() else { unreachable!("the numbers are f64") };
        assert!(factor.iter().all(|x| x.is_nan()), "{row}");
    }
}

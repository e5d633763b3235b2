//! What holds of the reference kernels of all primitives together.

use ndarray::{ArrayD, Axis, IxDyn, Slice};

use super::*;
use crate::graph::{Binary, Bindings, Comparison, Connective};

/// In which order the elements of an array lie in memory.
#[derive(Debug, Clone, Copy)]
enum Order {
    ColumnMajor,
    /// The axes one further, so that neither the first nor the last is contiguous.
    Rotated,
    /// From the last element to the first.
    Reversed,
    /// Backwards along the first axis alone.
    HalfReversed,
    /// Every second element along each axis.
    Stepped,
}

const ORDERS: [Order; 5] = [Order::ColumnMajor, Order::Rotated, Order::Reversed, Order::HalfReversed, Order::Stepped];

/// The same array in another order of memory.
fn laid_out<T: Clone>(x: &ArrayD<T>, order: Order) -> ArrayD<T> {
    let permuted = |axes: Vec<usize>| {
        let mut back = vec![0; axes.len()];
        axes.iter().enumerate().for_each(|(position, axis)| back[*axis] = position);
        let x = x.view().permuted_axes(axes).as_standard_layout().into_owned();
        x.permuted_axes(back)
    };
    let reversed = |axes: std::ops::Range<usize>| {
        let mut x = x.clone();
        axes.clone().for_each(|axis| x.invert_axis(Axis(axis)));
        let mut x = x.as_standard_layout().into_owned();
        axes.for_each(|axis| x.invert_axis(Axis(axis)));
        x
    };
    match order {
        Order::ColumnMajor => permuted((0..x.ndim()).rev().collect()),
        Order::Rotated => permuted((1..x.ndim()).chain((0..x.ndim()).take(1)).collect()),
        Order::Reversed => reversed(0..x.ndim()),
        Order::HalfReversed => reversed(0..x.ndim().min(1)),
        Order::Stepped => {
            let sizes: Vec<usize> = x.shape().iter().map(|size| 2 * size).collect();
            let source = |place: IxDyn| {
                let halves: Vec<usize> = (0..x.ndim()).map(|axis| place[axis] / 2).collect();
                x[halves.as_slice()].clone()
            };
            let mut doubled = ArrayD::from_shape_fn(IxDyn(&sizes), source);
            (0..x.ndim()).for_each(|axis| doubled.slice_axis_inplace(Axis(axis), Slice::new(0, None, 2)));
            doubled
        }
    }
}

fn value_laid_out(value: &Value, order: Order) -> Value {
    let laid_out = match value {
        Value::F32(x) => Value::F32(laid_out(x, order)),
        Value::F64(x) => Value::F64(laid_out(x, order)),
        Value::I64(x) => Value::I64(laid_out(x, order)),
        Value::Bool(x) => Value::Bool(laid_out(x, order)),
    };
    assert_eq!(elements(&laid_out), elements(value), "{order:?} is another array");
    laid_out
}

fn reference(op: &Op, operands: &[Value]) -> Value {
    let types: Vec<Type> = operands.iter().map(Value::ty).collect();
    let ty = infer(op, &types).unwrap();
    let operands: Vec<&Value> = operands.iter().collect();
    evaluate(
        op,
        &EvaluationContext { operands: &operands, ty: &ty, bindings: &Bindings::new(), limits: RunLimits::DEFAULT },
    )
    .unwrap()
}

#[test]
fn no_reference_kernel_of_any_primitive_assumes_an_order_of_memory() {
    for sample in samples() {
        let expected = format!("{:?}", elements(&reference(&sample.op, &sample.operands)));
        for position in 0..sample.operands.len() {
            for order in ORDERS {
                let mut operands = sample.operands.clone();
                operands[position] = value_laid_out(&operands[position], order);
                let found = reference(&sample.op, &operands);
                assert_eq!(format!("{:?}", elements(&found)), expected, "{:?} {position} {order:?}", sample.op);
            }
        }
        for order in ORDERS {
            let operands: Vec<Value> = sample.operands.iter().map(|operand| value_laid_out(operand, order)).collect();
            let found = reference(&sample.op, &operands);
            assert_eq!(format!("{:?}", elements(&found)), expected, "{:?} all {order:?}", sample.op);
        }
    }
}

/// The shape and the elements in row-major order: what of a value does not depend on its memory.
fn elements(value: &Value) -> (Vec<usize>, Vec<String>) {
    let elements = match value {
        Value::F32(x) => x.iter().map(|x| format!("{x:?}")).collect(),
        Value::F64(x) => x.iter().map(|x| format!("{x:?}")).collect(),
        Value::I64(x) => x.iter().map(|x| format!("{x:?}")).collect(),
        Value::Bool(x) => x.iter().map(|x| format!("{x:?}")).collect(),
    };
    (value.shape().to_vec(), elements)
}

/// What is said of the order of two operands holds at every pair of these numbers, to the bits; one NaN is as good as another.
#[test]
fn functions_say_that_they_commute_if_and_only_if_they_do() {
    const NUMBERS: [f64; 12] =
        [0.0, -0.0, 1.0, -1.0, 2.5, 3.0, 0.3, 5e-324, 1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let bits = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    let pairs = || NUMBERS.iter().flat_map(|a| NUMBERS.iter().map(|b| (*a, *b)));
    for function in Binary::ALL {
        let commutes = pairs().all(|(a, b)| bits(function.of_reals(a, b)) == bits(function.of_reals(b, a)));
        assert_eq!(traits(&Op::Binary(*function)).is_commutative, commutes, "{}", function.name());
    }
    for comparison in Comparison::ALL {
        let commutes = pairs().all(|(a, b)| comparison.holds(a, b) == comparison.holds(b, a));
        assert_eq!(traits(&Op::Comparison(*comparison)).is_commutative, commutes, "{}", comparison.name());
    }
    for connective in Connective::ALL {
        assert!(traits(&Op::Connective(*connective)).is_commutative);
        assert_eq!(connective.holds(true, false), connective.holds(false, true), "{}", connective.name());
    }
}

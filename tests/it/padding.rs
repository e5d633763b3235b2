//! Padding of a convolution, and the zeros between elements of one that is spread, contribute nothing: not even where an
//! infinite weight or NaN would make something of them. In both engines, for the value and both gradients.

use ndarray::{ArrayD, IxDyn};
use pullback::{Convolve, Evaluation, Expr, Graph, Value};

use super::compiled::{assert_like_reference, options, run};

/// Sizes and how the kernel goes over them: x, kernel, options.
fn kinds() -> Vec<(Vec<usize>, Vec<usize>, Convolve)> {
    let mut kinds = Vec::new();
    for stride in [1, 2, 3] {
        for dilation in [1, 2] {
            for input_dilation in [1, 2, 3] {
                for groups in [1, 2] {
                    let of = |padding: Convolve| {
                        padding.stride(stride).dilation(dilation).input_dilation(input_dilation).groups(groups)
                    };
                    let sides = Convolve::default().padding([(3, 0)]);
                    kinds.push((vec![2, 2 * groups, 6], vec![2 * groups, 2, 3], of(sides)));
                    let around = Convolve::default().padding([1, 2]);
                    kinds.push((vec![2, groups, 5, 4], vec![3 * groups, 1, 2, 3], of(around)));
                    kinds.push((vec![1, groups, 5, 5], vec![groups, 1, 3, 3], of(Convolve::same())));
                    kinds.push((vec![1, groups, 7, 9], vec![groups, 1, 3, 3], of(Convolve::valid())));
                }
            }
        }
    }
    // More outputs than a chunk has, channels and taps than a visit.
    kinds.push((vec![1, 2, 40, 50], vec![20, 2, 3, 3], Convolve::same()));
    kinds.push((vec![2, 70, 9, 9], vec![5, 70, 3, 3], Convolve::same().stride(2)));
    kinds
}

/// Odd multiples of ⅛ of at most 11/8, with `special` at every `every`-th place from `first` on.
fn numbers(shape: &[usize], special: f32, (first, every): (usize, usize)) -> Value {
    let n: usize = shape.iter().product();
    let element = |place: usize| {
        if place >= first && (place - first).is_multiple_of(every) {
            special
        } else {
            ((place * 7 + 3) % 11) as f32 / 4.0 - 1.375
        }
    };
    Value::F32(ArrayD::from_shape_vec(IxDyn(shape), (0..n).map(element).collect()).unwrap())
}

#[test]
fn padding_contributes_nothing_for_any_kind_of_convolution_with_infinities_or_nan_in_any_operand() {
    const NEVER: (usize, usize) = (usize::MAX, 1);
    for (x_shape, kernel_shape, options) in kinds() {
        let g = Graph::new();
        let (x, kernel) = (g.input("x", &x_shape[..]), g.input("kernel", &kernel_shape[..]));
        let y = x.convolve(kernel, options.clone());
        let weights = g.input("weights", y.shape());
        let gradients = g.gradients((y * weights).sum(), &[x, kernel]);
        let results: Vec<(String, Expr<'_>)> =
            [("y", y), ("by x", gradients[0]), ("by kernel", gradients[1])].map(|(n, e)| (n.to_string(), e)).into();
        let y_shape = y.shape().as_numbers().unwrap();
        for special in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            for places in
                [[NEVER, (0, 5), NEVER], [(1, 9), NEVER, NEVER], [NEVER, NEVER, (2, 7)], [(3, 13), (1, 4), NEVER]]
            {
                let fed = [("x", &x_shape), ("kernel", &kernel_shape), ("weights", &y_shape)];
                let fed: Vec<(String, Value)> = fed
                    .iter()
                    .zip(places)
                    .map(|((name, shape), place)| (name.to_string(), numbers(shape, special, place)))
                    .collect();
                // At most 2000 products, multiples of 1/64 below 2, are exact in f32 in any order.
                assert_like_reference(&format!("{options:?} {special} {places:?}"), &results, &fed, 0.0);
            }
        }
    }
}

#[test]
fn an_infinite_kernel_is_infinite_at_the_border_too() {
    for evaluation in [Evaluation::Compiled, Evaluation::Reference] {
        let g = Graph::new();
        let (x, kernel) = (g.input("x", (1, 1, 5, 5)), g.input("kernel", (1, 1, 3, 3)));
        let y = x.convolve(kernel, Convolve::same());
        let results = [("y".to_string(), y), ("by x".to_string(), g.gradient(y.sum(), x))];
        let of = |shape: &[usize], number: f32| Value::F32(ArrayD::from_elem(IxDyn(shape), number));
        let fed = [("x".to_string(), of(&[1, 1, 5, 5], 1.0)), ("kernel".into(), of(&[1, 1, 3, 3], f32::INFINITY))];
        let outputs = run(&results, &fed, &options(evaluation, 1)).unwrap();
        for name in ["y", "by x"] {
            assert_eq!(outputs[name], of(&[1, 1, 5, 5], f32::INFINITY), "{evaluation:?} {name}");
        }
    }
}

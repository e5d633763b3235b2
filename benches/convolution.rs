//! Gradients of strided convolutions by their input, f32, on all threads. The baseline of patches as large as the stride
//! is the product of matrices that they are; the baseline of the others is stride 1.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use ndarray::{ArrayD, IxDyn};
use pullback::{Convolve, Expr, Graph, Value};

/// x, kernel, stride.
const CASES: [([usize; 4], [usize; 4], usize); 5] = [
    ([8, 3, 224, 224], [768, 3, 16, 16], 16),
    ([8, 64, 56, 56], [64, 64, 3, 3], 1),
    ([8, 64, 56, 56], [64, 64, 3, 3], 2),
    ([8, 64, 56, 56], [64, 64, 3, 3], 4),
    ([8, 32, 56, 56], [64, 32, 5, 5], 2),
];

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("convolution by its input");
    group.sample_size(10);
    for (x_shape, kernel_shape, stride) in CASES {
        let g = Graph::new();
        let (x, kernel) = (g.input("x", x_shape), g.input("kernel", kernel_shape));
        let options = if stride == 16 { Convolve::valid() } else { Convolve::same() };
        let y = x.convolve(kernel, options.stride(stride));
        let cotangent = g.input("cotangent", y.shape());
        let fed = [("kernel", numbers(kernel)), ("cotangent", numbers(cotangent))];
        let mut results = vec![("gradient", g.gradient((y * cotangent).sum(), x))];
        if stride == 16 {
            let patches = g.einsum("nohw,ocij->nchiwj", &[cotangent, kernel]);
            results.push(("product of matrices", patches.reshape(x_shape)));
        }
        for (name, result) in results {
            let mut program = g.compile(result).expect("the graph has no mistake");
            let id = BenchmarkId::new(name, format!("f32 x={x_shape:?} kernel={kernel_shape:?} stride={stride}"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| program.call(black_box(&fed)).expect("the inputs fit"));
            });
        }
    }
    group.finish();
}

/// Numbers between −½ and ½ in the shape of an input.
fn numbers(input: Expr<'_>) -> Value {
    let shape = input.shape().as_numbers().expect("all sizes are numbers");
    let n = shape.iter().product();
    let numbers = (0..n).map(|place: usize| (place * 7919 % 1000) as f32 / 1000.0 - 0.5);
    Value::F32(ArrayD::from_shape_vec(IxDyn(&shape), numbers.collect()).expect("as many numbers as elements"))
}

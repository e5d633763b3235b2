//! Fourier transforms against the definition, Parseval's identity and each other, of all sizes up to 70, products of many
//! primes, and primes, in both dtypes and engines; and as linear maps in both modes.

use pullback::{DType, Expr, Graph, Value, check::prove_expression, graph::GraphError, ops::Smoothness};

use super::linear_algebra::{in_dtype, numbers, random, run};

/// Σⱼ (xⱼ + i·yⱼ)·e^(−2πi·jk/n), by angles of less than a turn.
fn by_definition(x: &[f64], y: &[f64]) -> [Vec<f64>; 2] {
    let n = x.len();
    let term = |j: usize, k: usize| {
        let (sine, cosine) = (-2.0 * std::f64::consts::PI * ((j * k) % n) as f64 / n as f64).sin_cos();
        [cosine * x[j] - sine * y[j], cosine * y[j] + sine * x[j]]
    };
    [0, 1].map(|part: usize| (0..n).map(|k| (0..n).map(|j| term(j, k)[part]).sum()).collect())
}

fn flat(value: &Value) -> Vec<f64> {
    numbers(value).iter().copied().collect()
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, name: &str) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let distance = found.iter().zip(expected).fold(0.0, |far: f64, (f, e)| far.max((f - e).abs()));
    assert!(distance <= tolerance, "{name} is off by {distance:e}");
}

/// Products of small primes, powers, primes on either side of what is a factor, squares and products of large primes.
fn sizes() -> impl Iterator<Item = usize> {
    (1..=70).chain([97, 128, 210, 256, 343, 360, 37 * 37, 31 * 33, 1000, 1009, 1024])
}

#[test]
fn transforms_of_any_size_are_those_of_the_definition_and_their_inverses_give_the_numbers_back() {
    for (n, dtype) in sizes().flat_map(|n| [DType::F64, DType::F32].map(|dtype| (n, dtype))) {
        let [x, y] = [1, 2].map(|seed| in_dtype(&random(seed, &[n]), dtype));
        let g = Graph::new();
        let [a, b] = ["x", "y"].map(|name| g.input_of(dtype, name, (n,)));
        let (real, imaginary) = a.fft(b);
        let (back, imaginary_back) = real.ifft(imaginary);
        let (half, imaginary_half) = a.rfft();
        let results = [
            ("real", real),
            ("imaginary", imaginary),
            ("back", back),
            ("imaginary back", imaginary_back),
            ("half", half),
            ("imaginary half", imaginary_half),
            ("real back", half.irfft(imaginary_half, n)),
        ];
        let [x_values, y_values] = [&x, &y].map(flat);
        let [expected, expected_imaginary] = by_definition(&x_values, &y_values);
        let [of_real, imaginary_of_real] = by_definition(&x_values, &vec![0.0; n]);
        let size = n as f64;
        // n products, each rounded, of a sum of the size of √n; in f32 the last rounding, and of what is transformed back that
        // of the transform.
        let tolerance = if dtype == DType::F32 { 3e-7 * size.sqrt() + 1e-6 } else { 1e-15 * size };
        for found in run(&g, &results, &[("x", &x), ("y", &y)]) {
            let found: Vec<Vec<f64>> = found.iter().map(flat).collect();
            let expected = [
                &expected,
                &expected_imaginary,
                &x_values,
                &y_values,
                &of_real[..n / 2 + 1].to_vec(),
                &imaginary_of_real[..n / 2 + 1].to_vec(),
                &x_values,
            ];
            for ((found, expected), (name, _)) in found.iter().zip(expected).zip(&results) {
                assert_near(found, expected, tolerance, &format!("{name} of {n} in {dtype:?}"));
            }
            let energy = |parts: &[Vec<f64>]| parts.iter().flatten().map(|x| x * x).sum::<f64>();
            let (before, after) = (energy(&[x_values.clone(), y_values.clone()]), energy(&found[..2]));
            assert!((after / size - before).abs() <= tolerance * before.max(1.0), "Parseval, {n} in {dtype:?}");
        }
    }
}

#[test]
fn transforms_are_linear_maps_in_both_modes() {
    type Build = for<'g> fn(Expr<'g>, Expr<'g>) -> Expr<'g>;
    let composites: [(&str, Build); 5] = [
        ("power", |x, y| {
            let (real, imaginary) = x.fft(y);
            real.square() + imaginary.square()
        }),
        ("inverse", |x, y| x.ifft(y).0 * x.ifft(y).1.sin()),
        ("real", |x, _| x.rfft().0 * x.rfft().1),
        ("back", |x, y| x.irfft(y.sin(), 10)),
        ("back to an odd size", |x, y| x.irfft(y.sin(), 11)),
    ];
    for (name, build) in composites {
        let g = Graph::new();
        let [x, y] = ["x", "y"].map(|name| g.input_of(DType::F64, name, (2, 6)));
        let at = [(x, random(3, &[2, 6]).into()), (y, random(4, &[2, 6]).into())];
        let proof = prove_expression(build(x, y), &at, Smoothness::Smooth);
        assert!(proof.is_ok(), "{name}: {}", proof.expect_err("it is none"));
    }
}

#[test]
fn batches_and_sizes_of_transforms_may_be_symbols() {
    let g = Graph::new();
    let [x, y] = ["x", "y"].map(|name| g.input_of(DType::F64, name, ("batch", "n")));
    let (real, imaginary) = x.fft(y);
    for shape in [[3, 5], [0, 4], [2, 37], [2, 0]] {
        let [a, b] = [5, 6].map(|seed| Value::from(random(seed, &shape)));
        for found in run(&g, &[("back", real.ifft(imaginary).0)], &[("x", &a), ("y", &b)]) {
            assert_near(&flat(&found[0]), &flat(&a), 1e-14, "a symbol");
        }
    }
    let even = g.input_of(DType::F64, "even", (pullback::Dim::symbol("m") * 2,));
    let (real, imaginary) = even.rfft();
    let results = [("back", real.irfft(imaginary, pullback::Dim::symbol("m") * 2))];
    for n in [2, 6, 94] {
        let at = Value::from(random(7, &[n]));
        for found in run(&g, &results, &[("even", &at)]) {
            assert_near(&flat(&found[0]), &flat(&at), 1e-14, "twice a symbol");
        }
    }
}

#[test]
fn a_number_that_is_not_finite_is_in_its_own_transform_alone() {
    for n in [8, 37] {
        let mut x = random(8, &[3, n]);
        x[[1, 2]] = f64::INFINITY;
        let g = Graph::new();
        let a = g.input_of(DType::F64, "x", (3, n));
        let (real, _) = a.fft(a);
        for found in run(&g, &[("real", real)], &[("x", &x.clone().into())]) {
            let found = numbers(&found[0]);
            let is_finite = |row: usize| found.index_axis(ndarray::Axis(0), row).iter().all(|x| x.is_finite());
            assert_eq!([0, 1, 2].map(is_finite), [true, false, true]);
        }
    }
}

#[test]
fn mistakes_in_transforms_are_told_at_their_line() {
    let g = Graph::new();
    let (x, short) = (g.input_of(DType::F64, "x", (4,)), g.input_of(DType::F64, "short", (3,)));
    let (integers, single) = (g.input_of(DType::I64, "integers", (4,)), g.input("single", (4,)));
    let (scalar, unknown) = (g.input_of(DType::F64, "scalar", ()), g.input_of(DType::F64, "unknown", ("n",)));
    let mistaken = [
        x.fft(short).0,
        x.fft(single).1,
        integers.fft(integers).0,
        scalar.ifft(scalar).1,
        scalar.rfft().0,
        integers.rfft().1,
        unknown.rfft().0,
        x.irfft(x, 4),
        x.irfft(short, 6),
        scalar.irfft(scalar, 1),
        g.apply_op(pullback::graph::Fft { orientation: pullback::Orientation::Plain }.into(), &[x]),
    ];
    assert!(mistaken.iter().all(|result| result.is_poisoned()));
    let mistakes = g.check().expect_err("there are mistakes").0;
    assert_eq!(mistakes.len(), mistaken.len());
    assert!(mistakes.iter().all(|mistake| mistake.site.file.ends_with("fourier.rs")));
    assert!(matches!(mistakes[6].error, GraphError::Symbolic { .. }), "{}", mistakes[6]);
    assert!(matches!(mistakes[7].error, GraphError::WrongShape { .. }), "{}", mistakes[7]);
}

//! What parameters promise: one memory seen two ways, errors that name the parameter, numbers that depend on the seed
//! and the name alone.

use ndarray::{Array2, array};

use super::*;
use crate::graph::{AsView, DType, Initializer, Value};

fn mixed() -> Parameters {
    let arrays = [("w", DType::F32, vec![2, 3]), ("scale", DType::F64, vec![]), ("b", DType::F32, vec![3])];
    Parameters::zeros(Layout::new(arrays).unwrap())
}

fn draw(dtype: DType, shape: &[usize], initializer: Initializer) -> Result<Parameters, ParameterError> {
    let spec = ParameterSpec { name: "p".to_owned(), dtype, shape: shape.to_vec(), initializer };
    Parameters::initialize([spec], 42)
}

fn draw_f64(shape: &[usize], initializer: Initializer) -> Vec<f64> {
    draw(DType::F64, shape, initializer).unwrap().flat::<f64>().unwrap().to_vec()
}

#[test]
fn arrays_and_flat_buffers_are_one_memory() {
    let mut parameters = mixed();
    parameters.set("w", array![[1.0f32, 4.0], [2.0, 5.0], [3.0, 6.0]].t()).unwrap();
    parameters.set("scale", Value::from(0.5)).unwrap();
    parameters.flat_mut::<f32>().unwrap()[7] = 7.0;
    assert_eq!(parameters.flat::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 7.0, 0.0]);
    assert_eq!(parameters.flat::<f64>().unwrap(), [0.5]);
    assert_eq!(parameters.array::<f32>("b").unwrap()[1], 7.0);
    assert_eq!(parameters.view("w"), Some(array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]].as_view()));
    assert_eq!(parameters.view("v"), None);
    let types: Vec<String> = parameters.iter().map(|(name, view)| format!("{name}: {}", view.ty())).collect();
    assert_eq!(types, ["w: f32[2, 3]", "scale: f64[]", "b: f32[3]"]);
    assert_eq!((parameters.len(), parameters.n_elements()), (3, 10));
}

#[test]
fn buffers_are_aligned_and_copies_are_too() {
    let parameters = mixed();
    for copy in [&parameters, &parameters.clone()] {
        assert_eq!(copy.flat::<f32>().unwrap().as_ptr().addr() % ALIGNMENT, 0);
        assert_eq!(copy.flat::<f64>().unwrap().as_ptr().addr() % ALIGNMENT, 0);
    }
}

#[test]
fn the_default_is_empty() {
    let parameters = Parameters::default();
    assert!(parameters.is_empty() && parameters.flat::<f32>().unwrap().is_empty());
    assert_eq!(parameters, Parameters::initialize([], 0).unwrap());
    assert_ne!(parameters, mixed());
    assert_eq!(mixed(), mixed());
}

#[test]
fn mistakes_are_named() {
    let mut parameters = mixed();
    let before = parameters.clone();
    let name = || "w".to_owned();
    let wrong = |found| ParameterError::WrongDType { name: name(), expected: DType::F32, found };
    assert_eq!(parameters.array::<f64>("w").unwrap_err(), wrong(DType::F64));
    assert_eq!(parameters.array_mut::<f64>("w").unwrap_err(), wrong(DType::F64));
    assert_eq!(parameters.set("w", &array![1i64]).unwrap_err(), wrong(DType::I64));
    let shape = ParameterError::WrongShape { name: name(), expected: vec![2, 3], found: vec![3, 2] };
    assert_eq!(parameters.set("w", Array2::<f32>::ones((3, 2))).unwrap_err(), shape);
    let unknown = ParameterError::Unknown { name: "scal".to_owned(), nearest: Some("scale".to_owned()) };
    assert_eq!(parameters.set("scal", &array![true]).unwrap_err(), unknown);
    assert_eq!(parameters, before);
}

/// The first numbers of two streams, pinned: a change here changes every seeded run of every user.
#[test]
fn the_numbers_of_a_seed_never_change() {
    let uniform = draw_f64(&[2], Initializer::Uniform { low: 0.0, high: 1.0 });
    assert_eq!(uniform, [0.17803796407535044, 0.5280202043532485]);
    let normal = draw_f64(&[2], Initializer::Normal { mean: 0.0, deviation: 1.0 });
    assert_eq!(normal, [-0.8503860749725116, 0.06470321636288197]);
}

#[test]
fn the_name_and_the_seed_choose_the_numbers() {
    let spec = |name: &str| ParameterSpec {
        name: name.to_owned(),
        dtype: DType::F32,
        shape: vec![8],
        initializer: Initializer::HeNormal,
    };
    let both = Parameters::initialize([spec("a"), spec("b")], 1).unwrap();
    let reversed = Parameters::initialize([spec("b"), spec("a")], 1).unwrap();
    let other_seed = Parameters::initialize([spec("a"), spec("b")], 2).unwrap();
    assert_eq!(both.view("a"), reversed.view("a"));
    assert_eq!(both.view("b"), reversed.view("b"));
    assert_ne!(both.view("a"), both.view("b"));
    assert_ne!(both.view("a"), other_seed.view("a"));
}

#[test]
fn f32_is_f64_rounded() {
    let initializer = Initializer::Normal { mean: 1.0, deviation: 0.5 };
    let rounded: Vec<f32> = draw_f64(&[100], initializer).into_iter().map(|number| number as f32).collect();
    assert_eq!(draw(DType::F32, &[100], initializer).unwrap().flat::<f32>().unwrap(), rounded);
}

/// Mean and variance over n draws, against the distribution's, within 5 standard errors: σ/√n for the mean and, since
/// no distribution here has a fourth moment above 3σ⁴, σ²√(2/n) for the variance.
#[test]
fn distributions_have_their_moments() {
    let cases = [
        (vec![200, 100], Initializer::Uniform { low: -1.0, high: 3.0 }, 1.0, 16.0 / 12.0),
        (vec![200, 100], Initializer::Normal { mean: -2.0, deviation: 0.5 }, -2.0, 0.25),
        (vec![200, 100], Initializer::GlorotUniform, 0.0, 2.0 / 300.0),
        (vec![200, 100], Initializer::GlorotNormal, 0.0, 2.0 / 300.0),
        (vec![200, 100], Initializer::HeUniform, 0.0, 2.0 / 200.0),
        (vec![200, 100], Initializer::HeNormal, 0.0, 2.0 / 200.0),
        (vec![40, 20, 5, 5], Initializer::HeNormal, 0.0, 2.0 / 500.0),
        (vec![40, 20, 5, 5], Initializer::GlorotUniform, 0.0, 2.0 / 1500.0),
        (vec![20_000], Initializer::GlorotNormal, 0.0, 1.0 / 20_000.0),
        (vec![200, 100], Initializer::LecunUniform, 0.0, 1.0 / 200.0),
        (vec![200, 100], Initializer::LecunNormal, 0.0, 1.0 / 200.0),
        (vec![40, 20, 5, 5], Initializer::FanInUniform, 0.0, 1.0 / 1500.0),
        // 1 − 2·2φ(2)/(2Φ(2) − 1), by the formula for a normal number between −2 and 2.
        (vec![20_000], Initializer::TruncatedNormal { mean: 3.0, deviation: 0.5 }, 3.0, 0.25 * 0.773_741_3),
    ];
    for (shape, initializer, mean, variance) in cases {
        let numbers = draw_f64(&shape, initializer);
        let n = numbers.len() as f64;
        let found_mean = numbers.iter().sum::<f64>() / n;
        let found_variance = numbers.iter().map(|number| (number - found_mean).powi(2)).sum::<f64>() / n;
        assert!((found_mean - mean).abs() <= 5.0 * (variance / n).sqrt(), "{initializer:?}: mean {found_mean}");
        let tolerance = 5.0 * variance * (2.0 / n).sqrt();
        assert!((found_variance - variance).abs() <= tolerance, "{initializer:?}: variance {found_variance}");
    }
}

#[test]
fn constants_and_empty_arrays() {
    assert_eq!(draw_f64(&[2], Initializer::Zeros), [0.0, 0.0]);
    assert_eq!(draw_f64(&[], Initializer::Constant(2.5)), [2.5]);
    assert_eq!(draw_f64(&[1], Initializer::Uniform { low: 3.0, high: 3.0 }), [3.0]);
    for initializer in [Initializer::HeUniform, Initializer::GlorotNormal, Initializer::Orthogonal { gain: 1.0 }] {
        assert!(draw_f64(&[0, 3], initializer).is_empty());
        assert!(draw_f64(&[3, 0], initializer).is_empty());
    }
}

#[test]
fn rounding_never_reaches_the_upper_bound() {
    // Between 1 and 1 + 2⁻²² there are two f32 below the bound; half of all draws round to one of the ends.
    let (low, high) = (1.0, 1.0 + f64::from(f32::EPSILON) * 2.0);
    let parameters = draw(DType::F32, &[1000], Initializer::Uniform { low, high }).unwrap();
    let below = |number: &f32| (low..high).contains(&f64::from(*number));
    assert!(parameters.flat::<f32>().unwrap().iter().all(below));
}

/// ‖V Vᵀ − gain²·I‖, entry by entry, for whichever of rows or columns are fewer.
#[test]
fn orthogonal_matrices_are_orthogonal() {
    for (shape, gain) in [(vec![30, 30], 1.0), (vec![40, 7], 2.0), (vec![7, 40], 0.5), (vec![4, 3, 5, 2], 1.0)] {
        let numbers = draw_f64(&shape, Initializer::Orthogonal { gain });
        let n_columns = numbers.len() / shape[0];
        let matrix = Array2::from_shape_vec((shape[0], n_columns), numbers).unwrap();
        let gram = if shape[0] <= n_columns { matrix.dot(&matrix.t()) } else { matrix.t().dot(&matrix) };
        let error = (&gram / (gain * gain) - Array2::<f64>::eye(gram.nrows())).mapv(f64::abs);
        let largest = error.into_iter().fold(0.0, f64::max);
        // Two passes leave a few rounding units per entry, whatever the condition of the Gaussian matrix.
        assert!(largest <= 1e-12, "{shape:?}: {largest:e}");
    }
}

#[test]
fn bad_arguments_are_named() {
    let refused = |shape: &[usize], initializer| match draw(DType::F32, shape, initializer).unwrap_err() {
        ParameterError::Initializer(error) => error.to_string(),
        other => panic!("expected a mistake of the initializer, found {other}"),
    };
    let cases = [
        (refused(&[1], Initializer::Constant(f64::NAN)), "value is NaN, which is not finite in f32"),
        (refused(&[1], Initializer::Constant(1e39)), "which is not finite in f32"),
        (refused(&[1], Initializer::Uniform { low: f64::NEG_INFINITY, high: 0.0 }), "low is -inf"),
        (refused(&[1], Initializer::Uniform { low: 1.0, high: 0.0 }), "[1, 0) is not an interval"),
        (refused(&[1], Initializer::Normal { mean: f64::INFINITY, deviation: 1.0 }), "mean is inf"),
        (refused(&[1], Initializer::Normal { mean: 0.0, deviation: -0.5 }), "deviation is -0.5"),
        (refused(&[2, 2], Initializer::Orthogonal { gain: f64::NAN }), "gain is NaN"),
        (refused(&[4], Initializer::Orthogonal { gain: 1.0 }), "needs two axes, but the shape is [4]"),
    ];
    for (found, expected) in cases {
        assert!(found.starts_with("initializer of `p`: ") && found.contains(expected), "{found}");
    }
    let widest = Initializer::Uniform { low: -f64::MAX, high: f64::MAX };
    assert!(matches!(
        draw(DType::F64, &[1], widest),
        Err(ParameterError::Initializer(InitializerError::Interval { .. }))
    ));
}

/// Gradients of both dtypes, long enough for whole and broken rows of lanes.
fn waves() -> Gradients {
    let layout = Layout::new([("a", DType::F32, vec![1003]), ("b", DType::F64, vec![77])]).unwrap();
    let mut gradients = Gradients::zeros(layout);
    let wave = |i: usize| ((i * 37 % 101) as f64 - 50.0) / 8.0;
    gradients.flat_mut::<f32>().unwrap().iter_mut().enumerate().for_each(|(i, x)| *x = wave(i) as f32);
    gradients.flat_mut::<f64>().unwrap().iter_mut().enumerate().for_each(|(i, x)| *x = wave(i + 5));
    gradients
}

fn pair(numbers: [f64; 2]) -> Gradients {
    let mut gradients = Gradients::zeros(Layout::new([("a", DType::F64, vec![2])]).unwrap());
    gradients.flat_mut::<f64>().unwrap().copy_from_slice(&numbers);
    gradients
}

#[test]
fn norms_are_of_all_arrays_together() {
    // Multiples of 1/8: the sum of squares is exact in any order.
    let squares = |numbers: &[f64]| numbers.iter().map(|x| x * x).sum::<f64>();
    let f32s: Vec<f64> = waves().flat::<f32>().unwrap().iter().map(|&x| f64::from(x)).collect();
    assert_eq!(waves().norm(), (squares(&f32s) + squares(waves().flat().unwrap())).sqrt());
    assert_eq!(Gradients::default().norm(), 0.0);
}

#[test]
fn norms_neither_overflow_nor_underflow() {
    let cases = [
        ([3e200, -4e200], 5e200),
        ([3e-200, 4e-200], 5e-200),
        ([f64::MAX / 2.0, 0.0], f64::MAX / 2.0),
        ([3.0 * 5e-324, 4.0 * 5e-324], 5.0 * 5e-324),
        ([0.0, -0.0], 0.0),
    ];
    for (numbers, want) in cases {
        let got = pair(numbers).norm();
        // The root and the sum round once each.
        assert!((got - want).abs() <= 4.0 * f64::EPSILON * want, "{numbers:?}: {got}");
    }
    assert_eq!(pair([f64::NEG_INFINITY, 1.0]).norm(), f64::INFINITY);
    assert!(pair([f64::NAN, f64::INFINITY]).norm().is_nan());
}

#[test]
fn gradients_are_clipped_by_norm_only_where_they_are_longer() {
    let mut gradients = pair([3.0, -4.0]);
    assert_eq!(gradients.clip_norm(5.0), Ok(5.0));
    assert_eq!(gradients, pair([3.0, -4.0]));
    assert_eq!(gradients.clip_norm(0.5), Ok(5.0));
    assert_eq!(gradients, pair([0.1 * 3.0, 0.1 * -4.0]));
    assert_eq!(gradients.clip_norm(0.0), Ok(0.5));
    assert_eq!(gradients.norm(), 0.0);
    let mut mixed = waves();
    let norm = mixed.norm();
    assert_eq!(mixed.clip_norm(1.0), Ok(norm));
    // The f32 elements are rounded to 24 bits.
    assert!((mixed.norm() - 1.0).abs() < 1e-7);
    // What is not finite cannot be scaled to be.
    let mut infinite = pair([f64::INFINITY, 1.0]);
    assert_eq!(infinite.clip_norm(1.0), Ok(f64::INFINITY));
    assert_eq!(infinite, pair([f64::INFINITY, 1.0]));
    let mut nan = pair([f64::NAN, 7.0]);
    assert!(nan.clip_norm(1.0).unwrap().is_nan());
    assert_eq!(nan.flat::<f64>().unwrap()[1], 7.0);
}

#[test]
fn gradients_are_clipped_by_value() {
    let mut gradients = waves();
    gradients.clip_value(2.5).unwrap();
    let clipped = |x: f64| x.clamp(-2.5, 2.5);
    let want = waves();
    assert!(
        gradients.flat::<f64>().unwrap().iter().zip(want.flat::<f64>().unwrap()).all(|(got, x)| *got == clipped(*x))
    );
    assert!(
        gradients
            .flat::<f32>()
            .unwrap()
            .iter()
            .zip(want.flat::<f32>().unwrap())
            .all(|(got, x)| *got == clipped((*x).into()) as f32)
    );
    assert_ne!(gradients, want);
    let mut special = pair([f64::NAN, f64::NEG_INFINITY]);
    special.clip_value(1.0).unwrap();
    assert!(special.flat::<f64>().unwrap()[0].is_nan() && special.flat::<f64>().unwrap()[1] == -1.0);
}

#[test]
fn limits_that_are_none_are_refused() {
    for limit in [-1.0, f64::NAN] {
        let mut gradients = waves();
        let error = gradients.clip_norm(limit).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("gradients cannot be clipped to {limit}, which must not be negative or NaN")
        );
        gradients.clip_value(limit).unwrap_err();
        assert_eq!(gradients, waves());
    }
}

#[test]
fn gradients_accumulate_and_decay() {
    let mut sum = Gradients::zeros(waves().layout().clone());
    (0..4).for_each(|_| sum.add(&waves()).unwrap());
    sum.scale(0.25);
    assert_eq!(sum, waves());
    let mut parameters = Parameters::zeros(waves().layout().clone());
    parameters.flat_mut::<f32>().unwrap()[3] = 8.0;
    parameters.flat_mut::<f64>().unwrap()[70] = -8.0;
    sum.add_scaled(0.5, &parameters).unwrap();
    assert_eq!(sum.flat::<f32>().unwrap()[3], waves().flat::<f32>().unwrap()[3] + 4.0);
    assert_eq!(sum.flat::<f64>().unwrap()[70], waves().flat::<f64>().unwrap()[70] - 4.0);
    assert_eq!(sum.flat::<f64>().unwrap()[..70], waves().flat::<f64>().unwrap()[..70]);
    sum.clear();
    assert_eq!(sum, Gradients::zeros(waves().layout().clone()));
    let error = sum.add(&pair([1.0, 2.0])).unwrap_err();
    assert_eq!(error.to_string(), "these are of other parameters: `a` is f64[2] here, not f32[1003]");
    assert_eq!(sum.norm(), 0.0);
}

#[test]
fn every_initializer_gives_finite_numbers_or_an_error_for_any_number() {
    type MakeBuffers = fn(f64) -> Initializer;
    let makes: [MakeBuffers; 6] = [
        Initializer::Constant,
        |low| Initializer::Uniform { low, high: 1.0 },
        |high| Initializer::Uniform { low: -1.0, high },
        |mean| Initializer::Normal { mean, deviation: 1.0 },
        |deviation| Initializer::Normal { mean: 0.0, deviation },
        |gain| Initializer::Orthogonal { gain },
    ];
    let odd = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -f64::MAX, 1e39, 3e38, -3e38, 1e308];
    for (make, number) in makes.iter().flat_map(|make| odd.map(|number| (make, number))) {
        for dtype in [DType::F32, DType::F64] {
            let (initializer, shape) = (make(number), vec![40, 30]);
            let spec = ParameterSpec { name: "w".to_owned(), dtype, shape, initializer };
            let Ok(parameters) = Parameters::initialize([spec], 0) else { continue };
            assert!(parameters.norm() < f64::INFINITY || dtype == DType::F64, "{initializer:?} in {dtype}");
            let singles = parameters.elements::<f32>().iter().all(|x| x.is_finite());
            let doubles = parameters.elements::<f64>().iter().all(|x| x.is_finite());
            assert!(singles && doubles, "{initializer:?} in {dtype}");
        }
    }
}

#[test]
fn a_factor_that_a_dtype_cannot_hold_adds_nothing() {
    let layout = |dtype| Layout::new([("w", dtype, vec![2])]).unwrap();
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e39];
    for (dtype, factor) in [DType::F32, DType::F64].into_iter().flat_map(|dtype| odd.map(|factor| (dtype, factor))) {
        let mut sum = Gradients::zeros(layout(dtype));
        let added = sum.add_scaled(factor, &Gradients::zeros(layout(dtype)));
        assert_eq!(added.is_ok(), dtype == DType::F64 && factor.is_finite(), "{factor:e} in {dtype}");
        assert_eq!(sum.norm(), 0.0);
    }
}

//! Rules by parameter: against decimal arithmetic, for gradients of any length, and apart from what is beside them.

use super::*;

/// Worked in 50 digits by `tests/recorded/trajectories.py`.
#[test]
fn lars_by_decimal_arithmetic() {
    let lars = Lars::new(0.1).trust(0.5).momentum(0.9).weight_decay(0.3);
    assert_trajectory(lars, [0.929_330_406_143_539, -1.810_445_761_312_505]);
}

/// One step of an array `[3, 4]` with the gradient `[0, g]`.
fn step<T: crate::parameters::FloatElement>(mut rule: Lars, start: [T; 2], g: T) -> [T; 2] {
    let mut parameters = Parameters::zeros(Layout::new([("w", T::DTYPE, vec![2])]).unwrap());
    parameters.flat_mut::<T>().unwrap().copy_from_slice(&start);
    let mut gradients = Gradients::zeros(parameters.layout().clone());
    gradients.flat_mut::<T>().unwrap()[1] = g;
    rule.step(&mut parameters, &gradients).unwrap();
    parameters.flat::<T>().unwrap().try_into().unwrap()
}

/// To subnormal numbers, and to those whose squares are none.
#[test]
fn the_length_of_a_gradient_does_not_matter_however_small_or_large() {
    let rule = || Lars::new(1.0).trust(0.1).weight_decay(0.0);
    for g in [1e-320f64, 1e-200, 1.0, 1e200, 1e308] {
        let [first, second] = step(rule(), [3.0, 4.0], g);
        // 5 is rounded, and so are three products of it.
        assert!(first == 3.0 && (second - 3.5).abs() <= 4.0 * f64::EPSILON, "{g:e}: {second}");
    }
    for g in [1e-44f32, 1e-30, 1.0, 1e30, 3e38] {
        let [first, second] = step(rule(), [3.0, 4.0], g);
        assert!(first == 3.0 && (second - 3.5).abs() <= 4.0 * f32::EPSILON, "{g:e}: {second}");
    }
}

#[test]
fn what_has_no_length_moves_by_the_rate() {
    let rule = || Lars::new(0.5).trust(0.1);
    assert_eq!(step(rule(), [0.0, 0.0], 3.0f64), [0.0, -1.5]);
    assert_eq!(step(rule().weight_decay(0.0), [3.0, 4.0], 0.0f64), [3.0, 4.0]);
    // The decay alone: θ − γ η/λ · λ θ.
    let decayed = step(rule().weight_decay(0.25), [3.0, 4.0], 0.0);
    // A few roundings of numbers below 4.
    assert!((decayed[0] - 2.85f64).abs() < 4e-15 && (decayed[1] - 3.8).abs() < 4e-15, "{decayed:?}");
}

/// Whatever is beside it, a parameter is moved to the same bits, and NaN stays in its parameter.
#[test]
fn parameters_know_nothing_of_each_other_in_any_rule_but_the_perturbed_one() {
    let shapes = [
        ("a", DType::F64, vec![2, 3]),
        ("b", DType::F32, vec![70]),
        ("c", DType::F32, vec![]),
        ("d", DType::F64, vec![0, 2]),
        ("e", DType::F64, vec![4]),
    ];
    let taken = |arrays: &[(&str, DType, Vec<usize>)], rule: &mut dyn Optimizer| {
        let mut parameters = Parameters::zeros(Layout::new(arrays.to_vec()).unwrap());
        for step in 0..3 {
            let mut gradients = Gradients::zeros(parameters.layout().clone());
            for (name, _, _) in arrays {
                let seed = f64::from(name.as_bytes()[0]) + f64::from(step);
                let wave = |n: usize, scale: f64| (0..n).map(|i| scale * (seed + i as f64).sin()).collect::<Vec<f64>>();
                fill(&mut gradients, name, &wave(70, if *name == "b" { f64::NAN } else { 1.0 }));
                if step == 0 {
                    fill(&mut parameters, name, &wave(70, 2.0));
                }
            }
            rule.step(&mut parameters, &gradients).unwrap();
        }
        parameters
    };
    for position in (0..every_rule().len()).filter(|position| is_by_parameter(&*every_rule()[*position])) {
        let together = taken(&shapes, &mut *every_rule()[position]);
        for shape in &shapes {
            let alone = taken(std::slice::from_ref(shape), &mut *every_rule()[position]);
            let elements = |parameters: &Parameters| match parameters.view(shape.0).unwrap() {
                crate::graph::ValueView::F32(x) => x.iter().map(|x| u64::from(x.to_bits())).collect::<Vec<u64>>(),
                crate::graph::ValueView::F64(x) => x.iter().map(|x| x.to_bits()).collect(),
                _ => unreachable!("parameters are floats"),
            };
            assert_eq!(
                elements(&together),
                elements(&alone),
                "{} of {}",
                shape.0,
                every_rule()[position].state().rule()
            );
        }
        assert!(
            together.flat::<f64>().unwrap().iter().all(|x| x.is_finite())
                && together.array::<f32>("b").unwrap()[0].is_nan()
        );
    }
}

/// Fills an array from the front of `numbers`.
fn fill(buffers: &mut Buffers, name: &str, numbers: &[f64]) {
    if let Ok(mut array) = buffers.array_mut::<f32>(name) {
        array.iter_mut().zip(numbers).for_each(|(x, number)| *x = *number as f32);
    } else {
        let mut array = buffers.array_mut::<f64>(name).unwrap();
        array.iter_mut().zip(numbers).for_each(|(x, number)| *x = *number);
    }
}

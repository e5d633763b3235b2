//! Every rule against arithmetic done by hand, and every refusal with nothing changed.

mod checkpoints;
mod lars;
mod noise;
mod numbers;
mod parts;

use ndarray::array;

use super::*;
use crate::{
    graph::DType,
    parameters::{Buffers, Layout},
};

/// Two parameters, one of each dtype, started at 1 and −2 in either.
fn start() -> Parameters {
    let layout = Layout::new([("a", DType::F64, vec![2]), ("b", DType::F32, vec![2])]).unwrap();
    let mut parameters = Parameters::zeros(layout);
    parameters.set("a", &array![1.0, -2.0]).unwrap();
    parameters.set("b", &array![1.0f32, -2.0]).unwrap();
    parameters
}

/// The gradients of step 0, 1 and 2, in either dtype.
const GRADIENTS: [[f64; 2]; 3] = [[0.5, -1.5], [0.25, 2.0], [-3.0, 0.0]];

fn gradients_of(parameters: &Parameters, numbers: [f64; 2]) -> Gradients {
    let mut gradients = Gradients::zeros(parameters.layout().clone());
    gradients.flat_mut::<f64>().unwrap().copy_from_slice(&numbers);
    gradients.flat_mut::<f32>().unwrap().copy_from_slice(&numbers.map(|number| number as f32));
    gradients
}

/// Takes the three steps and compares the last parameters with `want`.
///
/// Rounding is a few units in the last place of numbers near 1: far below 1e-12 in f64, below 1e-6 in f32.
fn assert_trajectory(mut optimizer: impl Optimizer, want: [f64; 2]) {
    let mut parameters = start();
    for numbers in GRADIENTS {
        let gradients = gradients_of(&parameters, numbers);
        optimizer.step(&mut parameters, &gradients).unwrap();
    }
    for (element, want) in want.into_iter().enumerate() {
        let got = (parameters.flat::<f64>().unwrap()[element], f64::from(parameters.flat::<f32>().unwrap()[element]));
        assert!((got.0 - want).abs() <= 1e-12, "f64 element {element}: {} is not {want}", got.0);
        assert!((got.1 - want).abs() <= 1e-6, "f32 element {element}: {} is not {want}", got.1);
    }
}

#[test]
fn sgd_by_hand() {
    let first = 1.0 - 0.1 * 0.5 - 0.1 * 0.25 - 0.1 * -3.0;
    let second = -2.0 - 0.1 * -1.5 - 0.1 * 2.0 - 0.1 * 0.0;
    assert_trajectory(Sgd::new(0.1), [first, second]);
}

#[test]
fn a_schedule_is_asked_at_every_step_from_0() {
    let rate = |step| [0.1, 0.01, 0.001][step as usize];
    let first = 1.0 - 0.1 * 0.5 - 0.01 * 0.25 - 0.001 * -3.0;
    let second = -2.0 - 0.1 * -1.5 - 0.01 * 2.0 - 0.001 * 0.0;
    assert_trajectory(Sgd::new(Schedule::function(rate)), [first, second]);
    assert_trajectory(HeavyBall::new(Schedule::function(rate), 0.0), [first, second]);
}

#[test]
fn heavy_ball_by_hand() {
    let (m0, m1, m2) = (0.5, 0.9 * 0.5 + 0.25, 0.9 * (0.9 * 0.5 + 0.25) - 3.0);
    let first = 1.0 - 0.1 * m0 - 0.1 * m1 - 0.1 * m2;
    let (m0, m1, m2) = (-1.5, 0.9 * -1.5 + 2.0, 0.9 * (0.9 * -1.5 + 2.0) + 0.0);
    let second = -2.0 - 0.1 * m0 - 0.1 * m1 - 0.1 * m2;
    assert_trajectory(HeavyBall::new(0.1, 0.9), [first, second]);
}

#[test]
fn adam_by_hand() {
    // β₁ = 0.8, β₂ = 0.9, ε = 0.001, γ = 0.1; the corrections are 1 − β, 1 − β², 1 − β³.
    let first = {
        let (m0, v0) = (0.2 * 0.5, 0.1 * 0.25);
        let (m1, v1) = (0.8 * m0 + 0.2 * 0.25, 0.9 * v0 + 0.1 * 0.0625);
        let (m2, v2) = (0.8 * m1 + 0.2 * -3.0, 0.9 * v1 + 0.1 * 9.0);
        let theta1 = 1.0 - 0.1 * (m0 / 0.2) / ((v0 / 0.1_f64).sqrt() + 0.001);
        let theta2 = theta1 - 0.1 * (m1 / 0.36) / ((v1 / 0.19_f64).sqrt() + 0.001);
        theta2 - 0.1 * (m2 / 0.488) / ((v2 / 0.271_f64).sqrt() + 0.001)
    };
    let second = {
        let (m0, v0) = (0.2 * -1.5, 0.1 * 2.25);
        let (m1, v1) = (0.8 * m0 + 0.2 * 2.0, 0.9 * v0 + 0.1 * 4.0);
        let (m2, v2) = (0.8 * m1, 0.9 * v1);
        let theta1 = -2.0 - 0.1 * (m0 / 0.2) / ((v0 / 0.1_f64).sqrt() + 0.001);
        let theta2 = theta1 - 0.1 * (m1 / 0.36) / ((v1 / 0.19_f64).sqrt() + 0.001);
        theta2 - 0.1 * (m2 / 0.488) / ((v2 / 0.271_f64).sqrt() + 0.001)
    };
    assert_trajectory(Adam::new(0.1).beta1(0.8).beta2(0.9).epsilon(1e-3), [first, second]);
}

/// Worked in 50 digits by `tests/recorded/trajectories.py` from the formulas as they are in the papers, with the
/// hyperparameters of the two tests below.
const ADAGRAD: [f64; 2] = [0.953_833_724_645_871, -1.980_034_635_046_714];
const RMS_PROP: [f64; 2] = [0.889_634_014_495_844, -1.962_249_123_736_639];
const ADAM: [f64; 2] = [0.862_563_988_259_445, -1.943_540_645_580_156];

/// The script's other numbers stand here: Nesterov's is by the point that is left behind.
#[test]
fn other_rules_by_decimal_arithmetic() {
    assert_trajectory(Sgd::new(0.1), [1.225, -2.05]);
    assert_trajectory(HeavyBall::new(0.1, 0.9), [1.117, -1.9735]);
    assert_trajectory(Nesterov::new(0.1, 0.9), [1.3303, -2.02615]);
    assert_trajectory(AdaGrad::new(0.1).epsilon(1e-3), ADAGRAD);
    let rms_prop = RmsProp::new(0.1).decay(0.8).epsilon(1e-3);
    assert_trajectory(rms_prop, RMS_PROP);
    let adam = Adam::new(0.1).beta1(0.8).beta2(0.9).epsilon(1e-3);
    assert_trajectory(adam, ADAM);
    let adam_w = AdamW::new(0.1).weight_decay(0.3).beta1(0.8).beta2(0.9).epsilon(1e-3);
    assert_trajectory(adam_w, [0.783_913_017_333_081, -1.774_044_378_135_802]);
    assert_trajectory(SignSgd::new(0.1), [0.9, -2.0]);
}

/// The rows of the uniform framework against the same numbers.
#[test]
fn rows_by_decimal_arithmetic() {
    assert_trajectory(Uniform::new(Row::sgd(0.1)), [1.225, -2.05]);
    assert_trajectory(Uniform::new(Row::heavy_ball(0.1, 0.9)), [1.117, -1.9735]);
    let adagrad = Row::adagrad(0.1).epsilon(1e-3);
    assert_trajectory(Uniform::new(adagrad), ADAGRAD);
    let rms_prop = Row::rms_prop(0.1, 0.8).epsilon(1e-3);
    assert_trajectory(Uniform::new(rms_prop), RMS_PROP);
    let adam = Row::adam(0.1, 0.8, 0.9).epsilon(1e-3);
    assert_trajectory(Uniform::new(adam), ADAM);
}

#[test]
fn effective_rates_and_momenta_are_those_of_the_last_step() {
    let (beta1, beta2) = (0.8, 0.9);
    let mut uniform = Uniform::new(Row::adam(0.1, beta1, beta2).epsilon(1e-3));
    assert!(uniform.effective_rate().is_none() && uniform.effective_momentum().is_none());
    let mut parameters = start();
    let mut scales = Vec::new();
    let mut v = 0.0;
    for (step, numbers) in GRADIENTS.into_iter().enumerate() {
        let gradients = gradients_of(&parameters, numbers);
        uniform.step(&mut parameters, &gradients).unwrap();
        v = beta2 * v + (1.0 - beta2) * numbers[0] * numbers[0];
        scales.push(1e-3 + (v / (1.0 - f64::powi(beta2, step as i32 + 1))).sqrt());
    }
    let rate = 0.1 * 0.2 / 0.488 / scales[2];
    let momentum = 0.8 * 0.36 / 0.488 * scales[1] / scales[2];
    let (rates, momenta) = (uniform.effective_rate().unwrap(), uniform.effective_momentum().unwrap());
    assert!(
        (rates.flat::<f64>().unwrap()[0] - rate).abs() < 1e-14
            && (momenta.flat::<f64>().unwrap()[0] - momentum).abs() < 1e-14
    );
    assert!((f64::from(rates.flat::<f32>().unwrap()[0]) - rate).abs() < 1e-7);
    assert!((f64::from(momenta.flat::<f32>().unwrap()[0]) - momentum).abs() < 1e-6);

    let mut heavy_ball = Uniform::new(Row::heavy_ball(0.1, 0.9));
    heavy_ball.step(&mut parameters, &gradients_of(&start(), [f64::INFINITY, 1.0])).unwrap();
    assert_eq!(heavy_ball.effective_rate().unwrap().flat::<f64>().unwrap(), [0.1, 0.1]);
    assert_eq!(heavy_ball.effective_momentum().unwrap().flat::<f64>().unwrap(), [0.9, 0.9]);
}

#[test]
fn signs_of_zeros_and_nan_are_their_own() {
    for (numbers, want) in [([0.0, -0.0], [1.0, -2.0]), ([1e-300, f64::NEG_INFINITY], [0.5, -1.5])] {
        let mut parameters = start();
        let gradients = gradients_of(&parameters, numbers);
        SignSgd::new(0.5).step(&mut parameters, &gradients).unwrap();
        assert_eq!(parameters.flat::<f64>().unwrap(), want);
    }
    let mut parameters = start();
    let gradients = gradients_of(&parameters, [f64::NAN, 1.0]);
    SignSgd::new(0.5).step(&mut parameters, &gradients).unwrap();
    assert!(parameters.flat::<f64>().unwrap()[0].is_nan() && parameters.flat::<f64>().unwrap()[1] == -2.5);
}

#[test]
fn adam_leaves_a_parameter_without_gradient_where_it_is() {
    let mut parameters = start();
    let gradients = gradients_of(&parameters, [0.0, 0.0]);
    Adam::new(0.1).step(&mut parameters, &gradients).unwrap();
    assert_eq!(parameters, start());
}

fn every_rule() -> Vec<Box<dyn Optimizer>> {
    let changing = || Schedule::cosine(0.1, 0.01, 5).warm_up(2);
    vec![
        Box::new(Sgd::new(changing())),
        Box::new(HeavyBall::new(0.1, 0.9)),
        Box::new(Nesterov::new(changing(), 0.9)),
        Box::new(AdaGrad::new(0.1)),
        Box::new(RmsProp::new(0.1)),
        Box::new(Adam::new(changing())),
        Box::new(AdamW::new(0.1).weight_decay(0.2)),
        Box::new(AmsGrad::new(changing())),
        Box::new(NAdam::new(changing())),
        Box::new(RAdam::new(0.1).beta2(0.9)),
        Box::new(AdaMax::new(changing())),
        Box::new(Lion::new(0.1).weight_decay(0.2)),
        Box::new(SignSgd::new(0.1)),
        Box::new(Lamb::new(changing())),
        Box::new(Lars::new(changing()).trust(0.1)),
        Box::new(muon::MuonOfMatrices::new(changing())),
        Box::new(Muon::new(changing(), AdamW::new(0.1))),
        Box::new(Groups::new(AdamW::new(changing()))),
        Box::new(Averaged::ema(Adam::new(changing()), 0.9)),
        Box::new(Averaged::swa(Groups::new(Lamb::new(changing())), 2, 2)),
        Box::new(PerturbedSgd::new(changing(), 7)),
        Box::new(Uniform::new(Row::heavy_ball(changing(), 0.9))),
        Box::new(Uniform::new(Row::adagrad(0.1))),
        Box::new(Uniform::new(Row::adam(changing(), 0.9, 0.999))),
    ]
}

/// The rules whose parameters know nothing of each other; the noise of the perturbed one is of all together.
fn is_by_parameter(rule: &dyn Optimizer) -> bool {
    rule.state().rule() != "perturbed-sgd"
}

/// The rules whose elements know nothing of each other.
fn is_elementwise(rule: &dyn Optimizer) -> bool {
    is_by_parameter(rule) && !["lars", "lamb", "muon-of-matrices", "swa"].contains(&rule.state().rule())
}

#[test]
fn gradients_of_other_parameters_are_refused() {
    let others = [
        (vec![("b", DType::F32, vec![2]), ("c", DType::F64, vec![2])], "nothing is named `c`; the nearest name is `a`"),
        (vec![("a", DType::F64, vec![2, 1]), ("b", DType::F32, vec![2])], "`a` is f64[2] here, not f64[2, 1]"),
        (vec![("a", DType::F32, vec![2])], "`a` is f64[2] here, not f32[2]"),
        (vec![("b", DType::F32, vec![2]), ("a", DType::F64, vec![2])], "`a` is in another place of their order"),
    ];
    for mut rule in every_rule() {
        for (arrays, difference) in &others {
            let mut parameters = start();
            let gradients = Gradients::zeros(Layout::new(arrays.clone()).unwrap());
            let error = rule.step(&mut parameters, &gradients).unwrap_err();
            assert_eq!(error.to_string(), format!("the gradients are of other parameters: {difference}"));
            assert_eq!(parameters, start());
        }
    }
}

#[test]
fn an_equal_layout_at_another_address_is_the_same() {
    for mut rule in every_rule() {
        let mut parameters = start();
        let gradients = gradients_of(&start(), [1.0, 1.0]);
        assert_eq!(rule.step(&mut parameters, &gradients), Ok(()));
        assert_eq!(rule.step(&mut start(), &gradients), Ok(()));
    }
}

#[test]
fn state_stays_with_its_parameters() {
    let step = |rule: &mut HeavyBall, parameters: &mut Parameters| {
        let gradients = gradients_of(parameters, [1.0, 1.0]);
        rule.step(parameters, &gradients)
    };
    let mut undisturbed = (HeavyBall::new(0.1, 0.5), start());
    let mut disturbed = undisturbed.clone();
    step(&mut undisturbed.0, &mut undisturbed.1).unwrap();
    step(&mut disturbed.0, &mut disturbed.1).unwrap();
    let layout = Layout::new([("c", DType::F64, vec![2]), ("d", DType::F32, vec![2])]).unwrap();
    let error = step(&mut disturbed.0, &mut Parameters::zeros(layout)).unwrap_err();
    assert!(matches!(error, OptimizerError::State { .. }), "{error}");
    step(&mut undisturbed.0, &mut undisturbed.1).unwrap();
    step(&mut disturbed.0, &mut disturbed.1).unwrap();
    assert_eq!(undisturbed.1, disturbed.1);
}

#[test]
fn hyperparameters_out_of_range_are_named_and_change_nothing() {
    let cases: Vec<(Box<dyn Optimizer>, &str)> = vec![
        (Box::new(Sgd::new(-0.1)), "the rate is -0.1 at step 0"),
        (Box::new(Sgd::new(f64::NAN)), "the rate is NaN at step 0"),
        (Box::new(Adam::new(f64::INFINITY)), "the rate is inf at step 0"),
        (Box::new(HeavyBall::new(0.1, 1.0)), "momentum is 1, but must be in [0, 1)"),
        (Box::new(HeavyBall::new(0.1, f64::NAN)), "momentum is NaN"),
        (Box::new(Adam::new(0.1).beta1(-0.1)), "beta1 is -0.1"),
        (Box::new(Adam::new(0.1).beta2(1.5)), "beta2 is 1.5"),
        (
            Box::new(Adam::new(0.1).epsilon(0.0)),
            "epsilon is 0e0, but must be finite in f32 and not less than 1.1754944e-38",
        ),
        (Box::new(Nesterov::new(0.1, 1.0)), "momentum is 1"),
        (Box::new(Nesterov::new(f64::NAN, 0.1)), "the rate is NaN"),
        (Box::new(AdaGrad::new(-1.0)), "the rate is -1"),
        (Box::new(AdaGrad::new(0.1).epsilon(f64::NAN)), "epsilon is NaN"),
        (Box::new(RmsProp::new(0.1).decay(f64::NAN)), "decay is NaN"),
        (Box::new(RmsProp::new(0.1).epsilon(-1.0)), "epsilon is -1"),
        (Box::new(RmsProp::new(f64::NAN)), "the rate is NaN"),
        (
            Box::new(AdamW::new(0.1).weight_decay(-0.1)),
            "weight_decay is -0.1, but must be finite in f32 and not negative",
        ),
        (Box::new(AdamW::new(0.1).beta1(f64::NAN)), "beta1 is NaN"),
        (Box::new(AdamW::new(f64::NAN)), "the rate is NaN"),
        (Box::new(AdamW::new(0.1).beta2(1.0)), "beta2 is 1"),
        (Box::new(AdamW::new(0.1).epsilon(0.0)), "epsilon is 0"),
        (Box::new(SignSgd::new(f64::NAN)), "the rate is NaN"),
        (Box::new(Lars::new(-0.1)), "the rate is -0.1"),
        (Box::new(Lars::new(0.1).trust(f64::NAN)), "trust is NaN"),
        (Box::new(Lars::new(0.1).momentum(1.0)), "momentum is 1"),
        (Box::new(Lars::new(0.1).weight_decay(-1.0)), "weight_decay is -1"),
        (Box::new(Lars::new(1e30).trust(1e30)), "rate · trust is 1.0000000000000001e60 at this step"),
        (Box::new(PerturbedSgd::new(f64::NAN, 1)), "the rate is NaN"),
        (Box::new(PerturbedSgd::new(0.1, 1).radius(f64::NAN)), "radius is NaN"),
        (Box::new(PerturbedSgd::new(0.1, 1).radius(-1.0)), "radius is -1"),
        (Box::new(Uniform::new(Row::heavy_ball(0.1, 1.0))), "momentum is 1"),
        (Box::new(Uniform::new(Row::sgd(f64::NAN))), "the rate is NaN"),
        (Box::new(Uniform::new(Row::adagrad(0.1).epsilon(0.0))), "epsilon is 0"),
        (Box::new(Uniform::new(Row::rms_prop(0.1, f64::NAN))), "decay is NaN"),
        (Box::new(Uniform::new(Row::adam(0.1, 1.0, 0.9))), "beta1 is 1"),
        (Box::new(Uniform::new(Row::adam(0.1, 0.9, -0.5))), "beta2 is -0.5"),
        (
            Box::new(Sgd::new(Schedule::steps(0.1, 0.5, 0))),
            "the schedule's length of a stair is 0, but must be at least 1",
        ),
        (
            Box::new(Sgd::new(Schedule::inverse_root(0.0, 10))),
            "the schedule's smoothness is 0, but must be finite in f32 and positive",
        ),
        (
            Box::new(Sgd::new(Schedule::piecewise(0.1, [(4, 0.01), (4, 0.001)]))),
            "the schedule's step of a change is 4, but must be after that of the change before",
        ),
        (
            Box::new(Sgd::new(Schedule::one_cycle(0.1, 5, 4))),
            "the schedule's number of rising steps is 5, but must be at most that of all steps",
        ),
        (
            Box::new(Sgd::new(Schedule::constant(0.1).in_epochs(0))),
            "the schedule's number of steps of an epoch is 0, but must be at least 1",
        ),
        (
            Box::new(Sgd::new(Schedule::restarts(0.1, 0.0, 5, 0))),
            "the schedule's factor of the number of steps is 0, but must be at least 1",
        ),
        (Box::new(Sgd::new(1e308)), "the rate is 1e308 at step 0, but must be finite in f32 and not negative"),
        (
            Box::new(AdamW::new(1e30).weight_decay(1e30)),
            "1 − rate · weight_decay is -1.0000000000000001e60 at this step, which is not finite in f32",
        ),
    ];
    cases.into_iter().for_each(|(rule, expected)| assert_refused(rule, expected));
}

/// Its first step is an error that begins like this, and nothing is changed.
fn assert_refused(mut rule: Box<dyn Optimizer>, expected: &str) {
    let mut parameters = start();
    let gradients = gradients_of(&parameters, [1.0, 1.0]);
    let before = rule.state();
    let error = rule.step(&mut parameters, &gradients).unwrap_err();
    assert!(error.to_string().starts_with(expected), "{error}");
    assert_eq!((parameters, rule.state()), (start(), before));
}

#[test]
fn a_refused_step_does_not_count() {
    let rate = |step| if step == 1 { f64::NAN } else { 0.1 };
    let mut sgd = Sgd::new(Schedule::function(rate));
    let mut parameters = start();
    let gradients = gradients_of(&parameters, [1.0, 1.0]);
    assert_eq!(sgd.step(&mut parameters, &gradients), Ok(()));
    for _ in 0..2 {
        let error = sgd.step(&mut parameters, &gradients).unwrap_err();
        assert!(matches!(error, OptimizerError::Rate { step: 1, .. }), "{error}");
    }
}

/// Steps of many parameters are the same as those of the same parameters a few at a time, which take no threads.
#[test]
fn large_steps_on_threads_give_the_bits_of_small_ones() {
    let (n, n_small) = (400_000, 50_000);
    let wave = |position: usize| ((position * 37 % 1009) as f64 / 500.0 - 1.0) * 1.1;
    let parameters_from = |first: usize, n: usize| {
        let layout = Layout::new([("a", DType::F64, vec![n]), ("b", DType::F32, vec![n])]).unwrap();
        let (mut parameters, mut gradients) = (Parameters::zeros(layout.clone()), Gradients::zeros(layout));
        for position in 0..n {
            parameters.flat_mut::<f64>().unwrap()[position] = wave(first + position);
            parameters.flat_mut::<f32>().unwrap()[position] = wave(first + position + 5) as f32;
            gradients.flat_mut::<f64>().unwrap()[position] = wave(3 * (first + position));
            gradients.flat_mut::<f32>().unwrap()[position] = wave(7 * (first + position)) as f32;
        }
        (parameters, gradients)
    };
    for position in (0..every_rule().len()).filter(|&position| is_elementwise(&*every_rule()[position])) {
        let (mut parameters, gradients) = parameters_from(0, n);
        let mut large = every_rule().into_iter().nth(position).unwrap();
        (0..3).for_each(|_| large.step(&mut parameters, &gradients).unwrap());
        assert_ne!(parameters, parameters_from(0, n).0);
        for first in (0..n).step_by(n_small) {
            let (mut part, gradients) = parameters_from(first, n_small);
            let mut small = every_rule().into_iter().nth(position).unwrap();
            (0..3).for_each(|_| small.step(&mut part, &gradients).unwrap());
            let range = first..first + n_small;
            assert_eq!(bits(part.flat::<f64>().unwrap()), bits(&parameters.flat::<f64>().unwrap()[range.clone()]));
            assert_eq!(bits(part.flat::<f32>().unwrap()), bits(&parameters.flat::<f32>().unwrap()[range]));
        }
    }
}

/// Where a rate was 0, a row forgets the momentum: the displacement is 0, and β with it.
#[test]
fn a_row_after_a_rate_of_0_starts_anew() {
    let row = Row::heavy_ball(Schedule::function(|step| [0.1, 0.0, 0.2, 0.1][step as usize]), 0.5);
    assert_eq!([0, 1, 2, 3].map(|step| row.beta(step)), [0.5, 0.0, 0.0, 0.25]);
}

fn bits<T: Copy + Into<f64>>(numbers: &[T]) -> Vec<u64> {
    numbers.iter().map(|number| (*number).into().to_bits()).collect()
}

//! Update rules through the public interface: what PyTorch recorded, the uniform framework on a network, and trainings that
//! are cut in two.

use ndarray::Array2;
use pullback::{
    DType, Gradients, Graph, Initializer, Parameters, TrainingStep,
    optim::{
        AdaGrad, AdaMax, Adam, AdamW, AmsGrad, Averaged, Groups, HeavyBall, Lamb, Lars, Lion, Muon, NAdam, Nesterov,
        Optimizer, PerturbedSgd, RAdam, RmsProp, Row, Schedule, Sgd, Uniform,
    },
    parameters::Layout,
};

/// Written by tests/recorded/optimizers.py, which says of what.
const RECORDED: &str = include_str!("../recorded/optimizers.txt");

/// The numbers of each line of that name, in the order of the steps.
fn recorded<const N: usize>(name: &str) -> Vec<[f64; N]> {
    let lines = RECORDED.lines().filter(|line| line.split(' ').next() == Some(name));
    let numbers =
        |line: &str| line.split(' ').skip(2).map(|word| word.parse().expect("a number")).collect::<Vec<f64>>();
    let found: Vec<[f64; N]> = lines.map(|line| numbers(line).try_into().expect("so many numbers")).collect();
    assert!(!found.is_empty(), "nothing is recorded of {name}");
    found
}

const START: [f64; 3] = [1.0, -2.0, 0.5];

/// The gradient of the sum of a/2 (w − c)² + w⁴/4.
fn gradient(w: &[f64]) -> [f64; 3] {
    let (a, c) = ([1.0, 0.25, 4.0], [0.5, -1.0, 0.25]);
    std::array::from_fn(|i| a[i] * (w[i] - c[i]) + w[i].powi(3))
}

fn start() -> (Parameters, Gradients) {
    let mut parameters = Parameters::zeros(Layout::new([("w", DType::F64, vec![3])]).expect("it is a layout"));
    parameters.flat_mut::<f64>().expect("there").copy_from_slice(&START);
    let mut gradients = Gradients::zeros(parameters.layout().clone());
    gradients.flat_mut::<f64>().expect("there").copy_from_slice(&gradient(&START));
    (parameters, gradients)
}

/// Takes as many steps as are recorded, each after `prepare`, and compares all of them.
fn assert_recorded(name: &str, mut rule: impl Optimizer, prepare: impl Fn(&mut Gradients, &Parameters)) {
    let (mut parameters, mut gradients) = start();
    for (step, want) in recorded::<3>(name).into_iter().enumerate() {
        gradients
            .flat_mut::<f64>()
            .expect("there")
            .copy_from_slice(&gradient(parameters.flat::<f64>().expect("there")));
        prepare(&mut gradients, &parameters);
        rule.step(&mut parameters, &gradients).expect("all is in range");
        assert_near(parameters.flat::<f64>().expect("there"), &want, 1e-12, &format!("{name} at step {step}"));
    }
}

fn assert_near(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    let is_near = got.iter().zip(want).all(|(got, want)| (got - want).abs() <= tolerance);
    assert!(is_near && got.len() == want.len(), "{what}: {got:?} is not {want:?}");
}

fn as_it_is(_: &mut Gradients, _: &Parameters) {}

fn decay(gradients: &mut Gradients, parameters: &Parameters) {
    gradients.add_scaled(0.1, parameters).expect("one layout");
}

#[test]
fn rules_give_what_pytorch_gives() {
    let adam = || Adam::new(0.1).beta1(0.8).beta2(0.95).epsilon(1e-3);
    assert_recorded("sgd", Sgd::new(0.05), as_it_is);
    assert_recorded("heavy_ball", HeavyBall::new(0.05, 0.8), as_it_is);
    assert_recorded("nesterov", Nesterov::new(0.05, 0.8), as_it_is);
    assert_recorded("sgd_decay", Sgd::new(0.05), decay);
    assert_recorded("heavy_ball_decay", HeavyBall::new(0.05, 0.8), decay);
    assert_recorded("adagrad", AdaGrad::new(0.3).epsilon(1e-3), as_it_is);
    assert_recorded("rms_prop", RmsProp::new(0.02).decay(0.9).epsilon(1e-3), as_it_is);
    assert_recorded("adam", adam(), as_it_is);
    assert_recorded("adam_decay", adam(), decay);
    let adam_w = AdamW::new(0.1).weight_decay(0.2).beta1(0.8).beta2(0.95).epsilon(1e-3);
    assert_recorded("adam_w", adam_w, as_it_is);
    assert_recorded("ams_grad", AmsGrad::new(0.1).beta1(0.8).beta2(0.95).epsilon(1e-3), as_it_is);
    assert_recorded("n_adam", NAdam::new(0.1).beta1(0.8).beta2(0.95).epsilon(1e-3), as_it_is);
    assert_recorded("r_adam", RAdam::new(0.1).beta1(0.8).beta2(0.95).epsilon(1e-3), as_it_is);
    assert_recorded("ada_max", AdaMax::new(0.1).beta1(0.8).beta2(0.95).epsilon(1e-3), as_it_is);
    let clip = |gradients: &mut Gradients, _: &Parameters| gradients.clip_value(0.4).expect("it is a limit");
    assert_recorded("sgd_clip_value", Sgd::new(0.05), clip);
    assert_recorded("adam_cosine", Adam::new(Schedule::cosine(0.1, 0.01, 20)), as_it_is);
}

/// A matrix of rows of inputs is the transpose of PyTorch's. Orthogonalizing raises small singular values, and their rounding
/// with them, some five hundred times.
#[test]
fn muon_gives_what_pytorch_gives_in_f64() {
    const A: [f64; 6] = [1.0, 0.25, 4.0, 2.0, 0.5, 1.0];
    const C: [f64; 6] = [0.5, -1.0, 0.25, -0.5, 1.0, 0.0];
    const W: [f64; 6] = [1.0, -2.0, 0.5, -1.0, 0.5, 2.0];
    let across = [0, 3, 1, 4, 2, 5];
    for (name, shape, order) in [("muon", [2, 3], [0, 1, 2, 3, 4, 5]), ("muon_transposed", [3, 2], across)] {
        let [a, c, w] = [A, C, W].map(|numbers| order.map(|position| numbers[position]));
        let layout = Layout::new([("w", DType::F64, shape.to_vec())]).expect("it is a layout");
        let (mut parameters, mut gradients) = (Parameters::zeros(layout.clone()), Gradients::zeros(layout));
        parameters.flat_mut::<f64>().expect("there").copy_from_slice(&w);
        let mut muon = Muon::new(0.05, Sgd::new(0.0)).momentum(0.8).weight_decay(0.2);
        for (step, want) in recorded::<6>(name).into_iter().enumerate() {
            let w = parameters.flat::<f64>().expect("there");
            let gradient: Vec<f64> = (0..6).map(|i| a[i] * (w[i] - c[i]) + w[i].powi(3)).collect();
            gradients.flat_mut::<f64>().expect("there").copy_from_slice(&gradient);
            muon.step(&mut parameters, &gradients).expect("all is in range");
            assert_near(parameters.flat::<f64>().expect("there"), &want, 1e-12, &format!("{name} at step {step}"));
        }
    }
}

#[test]
fn averages_are_what_pytorch_averages() {
    let rules = [("ema", Averaged::ema(Sgd::new(0.05), 0.75)), ("swa", Averaged::swa(Sgd::new(0.05), 5, 3))];
    for (name, mut rule) in rules {
        let (mut parameters, mut gradients) = start();
        for (step, want) in recorded::<3>(name).into_iter().enumerate() {
            let slope = gradient(parameters.flat::<f64>().expect("there"));
            gradients.flat_mut::<f64>().expect("there").copy_from_slice(&slope);
            rule.step(&mut parameters, &gradients).expect("all is in range");
            let averaged = rule.parameters(&parameters).expect("its own");
            assert_near(averaged.flat::<f64>().expect("there"), &want, 1e-14, &format!("{name} at step {step}"));
        }
    }
}

#[test]
fn rules_give_what_optax_gives() {
    assert_recorded("lion", Lion::new(0.03).weight_decay(0.2).beta1(0.8).beta2(0.95), as_it_is);
    assert_recorded("lamb", Lamb::new(0.03).weight_decay(0.2).beta1(0.8).beta2(0.95).epsilon(1e-3), as_it_is);
}

#[test]
fn rows_give_what_pytorch_gives() {
    assert_recorded("heavy_ball", Uniform::new(Row::heavy_ball(0.05, 0.8)), as_it_is);
    assert_recorded("adagrad", Uniform::new(Row::adagrad(0.3).epsilon(1e-3)), as_it_is);
    assert_recorded("rms_prop", Uniform::new(Row::rms_prop(0.02, 0.9).epsilon(1e-3)), as_it_is);
    assert_recorded("adam", Uniform::new(Row::adam(0.1, 0.8, 0.95).epsilon(1e-3)), as_it_is);
    assert_recorded("adam_cosine", Uniform::new(Row::adam(Schedule::cosine(0.1, 0.01, 20), 0.9, 0.999)), as_it_is);
}

/// PyTorch's warm-up from 1/8 over 7 steps is ours over 8. Its cosine rises again after the last step, which is not recorded.
#[test]
fn schedules_give_what_pytorch_gives() {
    let schedules = [
        ("steps", Schedule::steps(0.1, 0.3, 6)),
        ("exponential", Schedule::exponential(0.1, 0.9)),
        ("cosine", Schedule::cosine(0.1, 0.01, 20)),
        ("warm_up", Schedule::constant(0.1).warm_up(8)),
        ("linear", Schedule::linear(0.1, 0.02, 8)),
        ("piecewise", Schedule::piecewise(0.1, [(3, 0.01), (4, 0.001), (11, 0.0001)])),
        ("restarts", Schedule::restarts(0.1, 0.01, 3, 2)),
        ("one_cycle", Schedule::one_cycle(0.1, 6, 20)),
        ("then", Schedule::linear(0.01, 0.1, 5).then(5, Schedule::cosine(0.1, 0.01, 15))),
    ];
    for (name, schedule) in schedules {
        for (step, [want, ..]) in recorded::<3>(name).into_iter().enumerate() {
            let got = schedule.rate(step as u64);
            let of_epochs = schedule.clone().in_epochs(7);
            assert!([0, 6].into_iter().all(|batch| of_epochs.rate(7 * step as u64 + batch) == got), "{name}");
            // PyTorch multiplies from step to step, and rounds at each.
            assert!((got - want).abs() <= 1e-15, "{name} at step {step}: {got} is not {want}");
        }
    }
}

/// PyTorch divides by ‖g‖ + 10⁻⁶, where the definition has ‖g‖: what is recorded is taken back to the definition.
#[test]
fn clipping_gives_what_pytorch_gives() {
    for (step, largest) in [0.5, 2.0, 100.0].into_iter().enumerate() {
        let (_, mut gradients) = start();
        let norm = gradients.clip_norm(largest).expect("it is a limit");
        let [want_norm, ..] = recorded::<3>("clip_norm.norm")[step];
        assert!((norm - want_norm).abs() <= 1e-14, "{norm} is not {want_norm}");
        let by_definition = if norm > largest { (norm + 1e-6) / norm } else { 1.0 };
        let want = recorded::<3>("clip_norm")[step].map(|number| number * by_definition);
        assert_near(gradients.flat::<f64>().expect("there"), &want, 1e-14, "clipping by norm");
        let (_, mut gradients) = start();
        gradients.clip_value(largest).expect("it is a limit");
        assert_near(
            gradients.flat::<f64>().expect("there"),
            &recorded::<3>("clip_value")[step],
            0.0,
            "clipping by value",
        );
    }
}

/// A network of tanh in f64, its parameters and what it is to learn.
fn network() -> (TrainingStep, Parameters, Array2<f64>, Array2<f64>) {
    let g = Graph::new();
    let (x, y) = (g.input_of(DType::F64, "x", ("n", 3)), g.input_of(DType::F64, "y", ("n", 1)));
    let of_f64 = |name: &str, shape: &[usize]| g.parameter_of(DType::F64, name, shape, Initializer::GlorotNormal);
    let hidden = (x.dot(of_f64("first", &[3, 8])) + of_f64("bias", &[8])).tanh();
    let loss = (hidden.dot(of_f64("second", &[8, 1])) - y).square().mean();
    let step = g.compile_training(loss).expect("no mistake");
    let x = Array2::from_shape_fn((16, 3), |(row, column)| ((row * 7 + column * 5) % 13) as f64 / 6.0 - 1.0);
    let y = Array2::from_shape_fn((16, 1), |(row, _)| (x[[row, 0]] * x[[row, 1]] - x[[row, 2]]).sin());
    (step, g.initialize(3).expect("no mistake"), x, y)
}

/// The parameters after each step of a training of the network.
fn train(rule: &mut dyn Optimizer, n_steps: usize) -> Vec<Parameters> {
    let (mut step, mut parameters, x, y) = network();
    let mut all = Vec::new();
    for _ in 0..n_steps {
        let out = step.run(&parameters, (("x", &x), ("y", &y))).expect("fits");
        rule.step(&mut parameters, &out.gradients).expect("one layout");
        all.push(parameters.clone());
    }
    all
}

/// The farthest that two trainings of 200 steps are ever apart.
fn distance(mut one: impl Optimizer, mut other: impl Optimizer) -> f64 {
    let (one, other) = (train(&mut one, 200), train(&mut other, 200));
    assert_ne!(one[0], one[199]);
    let apart = |one: &Parameters, other: &Parameters| {
        let pairs = one.flat::<f64>().expect("there").iter().zip(other.flat::<f64>().expect("there"));
        pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f64::max)
    };
    one.iter().zip(&other).map(|(one, other)| apart(one, other)).fold(0.0, f64::max)
}

/// δ = 0, as the framework is printed: the least number that is allowed is lost beside any root in f64.
const NO_DELTA: f64 = f32::MIN_POSITIVE as f64;

#[test]
fn rows_are_the_named_methods_on_a_network() {
    let rate = || Schedule::cosine(0.05, 0.001, 200).warm_up(20);
    let distances = [
        distance(Uniform::new(Row::sgd(0.1)), Sgd::new(0.1)),
        distance(Uniform::new(Row::heavy_ball(0.05, 0.9)), HeavyBall::new(0.05, 0.9)),
        distance(Uniform::new(Row::adagrad(0.1).epsilon(NO_DELTA)), AdaGrad::new(0.1).epsilon(NO_DELTA)),
        distance(Uniform::new(Row::rms_prop(0.01, 0.9).epsilon(NO_DELTA)), RmsProp::new(0.01).epsilon(NO_DELTA)),
        distance(Uniform::new(Row::adam(0.01, 0.9, 0.999).epsilon(NO_DELTA)), Adam::new(0.01).epsilon(NO_DELTA)),
        // With a δ that matters, and with rates that change.
        distance(Uniform::new(Row::adagrad(0.1).epsilon(1e-2)), AdaGrad::new(0.1).epsilon(1e-2)),
        distance(Uniform::new(Row::adam(0.01, 0.9, 0.999).epsilon(1e-2)), Adam::new(0.01).epsilon(1e-2)),
        distance(Uniform::new(Row::heavy_ball(rate(), 0.9)), HeavyBall::new(rate(), 0.9)),
        distance(Uniform::new(Row::adam(rate(), 0.9, 0.999)), Adam::new(rate())),
    ];
    assert!(distances.iter().all(|distance| *distance < 1e-10), "{distances:?}");
}

/// The parameter after each of these gradients.
fn trajectory(rule: &mut dyn Optimizer, gradients: &[f64]) -> Vec<f64> {
    let layout = Layout::new([("w", DType::F64, vec![])]).expect("it is a layout");
    let (mut parameters, mut gradient) = (Parameters::zeros(layout.clone()), Gradients::zeros(layout));
    let step = |&g: &f64| {
        gradient.flat_mut::<f64>().expect("there")[0] = g;
        rule.step(&mut parameters, &gradient).expect("one layout");
        parameters.flat::<f64>().expect("there")[0]
    };
    gradients.iter().map(step).collect()
}

/// The printed rows that docs/reference/uniform-framework.md warns of are other methods. Adam's G as a recursion of the corrected
/// average is another from the second step on.
#[test]
fn adam_is_not_the_recursion_of_its_corrected_average() {
    let (beta1, beta2, rate): (f64, f64, f64) = (0.8, 0.9, 0.1);
    let gradients = [0.5, -1.5, 0.25, 2.0];
    let (mut theta, mut before, mut square, mut scale_before) = (0.0, 0.0, 0.0, 0.0);
    let mut printed = Vec::new();
    for (t, g) in (1..).zip(gradients) {
        let (seen1, seen2) = (1.0 - beta1.powi(t), 1.0 - beta2.powi(t));
        square = beta2 / seen2 * square + (1.0 - beta2) / seen2 * g * g;
        let scale = f64::sqrt(square);
        let alpha = rate * (1.0 - beta1) / seen1;
        let beta = beta1 * (1.0 - beta1.powi(t - 1)) / seen1;
        let next = theta - alpha * g / scale + beta * scale_before / scale * (theta - before);
        (theta, before, scale_before) = (next, theta, scale);
        printed.push(theta);
    }
    let adam = trajectory(&mut Adam::new(rate).beta1(beta1).beta2(beta2).epsilon(NO_DELTA), &gradients);
    assert_near(&printed[..1], &adam[..1], 1e-12, "the first step");
    assert!(printed[1..].iter().zip(&adam[1..]).all(|(one, other)| (one - other).abs() > 1e-3), "{printed:?} {adam:?}");
}

/// With rates that change and β = ρ as printed, the row is Polyak's form, which is not the rule.
#[test]
fn momentum_is_not_the_printed_row_where_the_rate_changes() {
    let (rates, gradients) = ([0.1, 0.4, 0.1], [1.0, -0.5, 2.0]);
    let mut printed = vec![0.0, 0.0];
    for (rate, g) in rates.into_iter().zip(gradients) {
        let [before, theta] = printed[printed.len() - 2..] else { unreachable!("it has two") };
        printed.push(theta - rate * g + 0.5 * (theta - before));
    }
    let rate = || Schedule::function(move |step| rates[step as usize]);
    let rule = trajectory(&mut HeavyBall::new(rate(), 0.5), &gradients);
    assert!((printed[3] - rule[1]).abs() > 0.1 && (printed[4] - rule[2]).abs() > 0.1, "{printed:?} {rule:?}");
    assert_near(&trajectory(&mut Uniform::new(Row::heavy_ball(rate(), 0.5)), &gradients), &rule, 1e-12, "the row");
}

#[test]
fn a_training_that_is_cut_in_two_is_the_same() {
    let rules: [fn() -> Box<dyn Optimizer>; 7] = [
        || Box::new(AdamW::new(Schedule::cosine(0.05, 0.0, 40).warm_up(5))),
        || Box::new(PerturbedSgd::new(0.1, 11).radius(0.1)),
        || Box::new(Lars::new(0.1).trust(0.1)),
        || Box::new(Averaged::ema(Groups::new(Adam::new(0.05)).group(["bias"], Sgd::new(0.1)), 0.9)),
        || Box::new(Muon::new(0.05, Averaged::swa(AdamW::new(0.01), 3, 2)).except(["second"])),
        || Box::new(NAdam::new(Schedule::restarts(0.05, 0.0, 4, 2))),
        || Box::new(Uniform::new(Row::adam(0.05, 0.9, 0.999))),
    ];
    for make in rules {
        let whole = train(&mut *make(), 40);
        let mut first = make();
        let parameters = train(&mut *first, 15).pop().expect("it has steps");
        let mut second = make();
        second.restore(first.state()).expect("it is its own");
        let (mut step, _, x, y) = network();
        let mut resumed = parameters;
        for want in &whole[15..] {
            let out = step.run(&resumed, (("x", &x), ("y", &y))).expect("fits");
            second.step(&mut resumed, &out.gradients).expect("one layout");
            assert_eq!(&resumed, want);
        }
    }
}

/// Noise leaves a saddle that descent stays at: the loss (1 − w₂w₁)² at 0.
#[test]
fn noise_leaves_a_saddle() {
    let layout = Layout::new([("w1", DType::F64, vec![]), ("w2", DType::F64, vec![])]).expect("it is a layout");
    let run = |rule: &mut dyn Optimizer| {
        let mut parameters = Parameters::zeros(layout.clone());
        let mut gradients = Gradients::zeros(parameters.layout().clone());
        for _ in 0..400 {
            let [w1, w2] = [0, 1].map(|i| parameters.flat::<f64>().expect("there")[i]);
            let slope = -2.0 * (1.0 - w2 * w1);
            gradients.flat_mut::<f64>().expect("there").copy_from_slice(&[slope * w2, slope * w1]);
            rule.step(&mut parameters, &gradients).expect("one layout");
        }
        (1.0 - parameters.flat::<f64>().expect("there")[0] * parameters.flat::<f64>().expect("there")[1]).powi(2)
    };
    assert_eq!(run(&mut Sgd::new(0.05)), 1.0);
    // It ends in the noise's neighbourhood of the minimum, where the loss is 0.
    assert!(run(&mut PerturbedSgd::new(0.05, 1).radius(0.01)) < 1e-4);
}

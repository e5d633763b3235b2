//! Sweeps: each copy of a model with an optimizer of its own, in one program, to the bits that it has alone.

use ndarray::array;
use pullback::{
    DType, Gradients, Graph, Initializer, Parameters,
    data::{Batching, digits},
    nn::{cross_entropy, linear},
    optim::{
        AdaGrad, AdaMax, Adam, AdamW, AmsGrad, Averaged, Groups, HeavyBall, Lamb, Lars, Lion, Muon, NAdam, Nesterov,
        Optimizer, OptimizerError, PerturbedSgd, RAdam, RmsProp, Row, Schedule, Sgd, SignSgd, Sweep, Uniform,
    },
    parameters::{Buffers, Layout},
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const RATES: [f64; 3] = [0.1, 0.003, 0.02];

/// Something that looks random, from −1 to 1.
fn fill(buffers: &mut Buffers, seed: usize) {
    let wave = |i: usize| (((i + 1) * (seed + 3) * 7919 % 10_007) as f64 / 5000.0) - 1.0;
    buffers.flat_mut::<f32>().unwrap().iter_mut().enumerate().for_each(|(i, x)| *x = wave(i) as f32);
    buffers.flat_mut::<f64>().unwrap().iter_mut().enumerate().for_each(|(i, x)| *x = wave(i + 100));
}

fn layout(names: &[&str]) -> Layout {
    let shapes =
        [("a.weight", DType::F32, vec![4, 3]), ("a.bias", DType::F64, vec![3]), ("b.weight", DType::F32, vec![2])];
    Layout::new(shapes.into_iter().filter(|(name, ..)| names.contains(name))).unwrap()
}

const ALL: [&str; 3] = ["a.weight", "a.bias", "b.weight"];

/// Parameters, and gradients of some of them at two steps, for each copy; the last is to be resumed.
fn copies(trained: &[&str]) -> Vec<(Parameters, [Gradients; 3])> {
    let copy = |copy: usize| {
        let mut parameters = Parameters::zeros(layout(&ALL));
        fill(&mut parameters, copy);
        let gradients = [0, 1, 2].map(|step| {
            let mut gradients = Gradients::zeros(layout(trained));
            fill(&mut gradients, 10 * (copy + 1) + step);
            gradients
        });
        (parameters, gradients)
    };
    (0..RATES.len()).map(copy).collect()
}

fn stacked(copies: &[(Parameters, [Gradients; 3])], step: usize) -> Gradients {
    let parts = copies.iter().map(|(_, gradients)| Parameters::from(Buffers::clone(&gradients[step])));
    let all = Parameters::stack(&parts.collect::<Vec<_>>()).unwrap();
    let mut gradients = Gradients::zeros(all.layout().clone());
    all.iter().for_each(|(name, array)| gradients.set(name, array).unwrap());
    gradients
}

fn bits(parameters: &Parameters) -> Vec<u64> {
    let f32s = parameters.flat::<f32>().unwrap().iter().map(|x| u64::from(x.to_bits()));
    f32s.chain(parameters.flat::<f64>().unwrap().iter().map(|x| x.to_bits())).collect()
}

/// A sweep of three rates, restored from its state between steps, beside three optimizers alone.
fn check<O: Optimizer>(what: &str, make: impl Fn(f64) -> O) {
    for trained in [&ALL[..], &["a.weight", "a.bias"]] {
        let copies = copies(trained);
        let singles: Vec<Parameters> = copies.iter().map(|(parameters, _)| parameters.clone()).collect();
        let mut all = Parameters::stack(&singles).unwrap();
        let mut sweep = Sweep::new(RATES.map(&make));
        for step in 0..3 {
            let mut resumed = Sweep::new(RATES.map(&make));
            resumed.restore(sweep.state()).unwrap();
            sweep = resumed;
            sweep.step(&mut all, &stacked(&copies, step)).unwrap();
        }
        for ((mut alone, gradients), (copy, rate)) in copies.into_iter().zip(all.unstack().unwrap().iter().zip(RATES)) {
            let (mut rule, before) = (make(rate), alone.clone());
            gradients.iter().for_each(|gradients| rule.step(&mut alone, gradients).unwrap());
            assert_ne!(bits(&alone), bits(&before), "{what} at {rate} moves something");
            assert_eq!(bits(copy), bits(&alone), "{what} at {rate}");
        }
    }
}

#[test]
fn every_optimizer_gives_each_copy_of_a_sweep_the_bits_that_it_has_alone() {
    check("sgd", Sgd::new);
    check("sgd with a schedule", |rate| Sgd::new(Schedule::steps(rate, 0.5, 1).warm_up(2)));
    check("heavy ball", |rate| HeavyBall::new(rate, 0.9));
    check("nesterov", |rate| Nesterov::new(rate, 0.9));
    check("sign", SignSgd::new);
    check("adagrad", AdaGrad::new);
    check("rms_prop", RmsProp::new);
    check("adam", Adam::new);
    check("adam of another decay", |rate| Adam::new(0.01).beta1(1.0 - rate));
    check("adam_w", |rate| AdamW::new(rate).weight_decay(10.0 * rate));
    check("ams_grad", AmsGrad::new);
    check("n_adam", NAdam::new);
    check("r_adam", RAdam::new);
    check("ada_max", AdaMax::new);
    check("lion", Lion::new);
    // These ask for the length of arrays, or for more of them.
    check("lars", Lars::new);
    check("lamb", Lamb::new);
    check("muon", |rate| Muon::new(rate, Sgd::new(rate)));
    check("perturbed", |rate| PerturbedSgd::new(rate, 7));
    check("uniform", |rate| Uniform::new(Row::adam(rate, 0.9, 0.99)));
    check("groups", |rate| Groups::new(Adam::new(rate)).group(["*.bias", "b.*"], Sgd::new(2.0 * rate)));
    check("averaged", |rate| Averaged::ema(Adam::new(rate), 0.5));
}

#[test]
fn a_sweep_tells_the_rate_of_each_copy_and_is_averaged_from_outside() {
    let copies = copies(&ALL);
    let singles: Vec<Parameters> = copies.iter().map(|(parameters, _)| parameters.clone()).collect();
    let mut all = Parameters::stack(&singles).unwrap();
    let mut rule = Averaged::ema(Sweep::new(RATES.map(Adam::new)), 0.5);
    rule.scale_rate(0.5);
    let rates: Vec<(String, f64)> = rule.rates().into_iter().map(|rate| (rate.group, rate.rate)).collect();
    assert_eq!(rates, [("0".to_owned(), 0.05), ("1".to_owned(), 0.0015), ("2".to_owned(), 0.01)]);
    (0..3).for_each(|step| rule.step(&mut all, &stacked(&copies, step)).unwrap());
    let averages = rule.parameters(&all).unwrap().unstack().unwrap();
    for (((mut alone, gradients), copy), rate) in copies.into_iter().zip(&averages).zip(RATES) {
        let mut rule = Averaged::ema(Adam::new(0.5 * rate), 0.5);
        gradients.iter().for_each(|gradients| rule.step(&mut alone, gradients).unwrap());
        assert_eq!(bits(copy), bits(&rule.parameters(&alone).unwrap()));
    }
    assert!(Sweep::new(RATES.map(|rate| Averaged::ema(Adam::new(rate), 0.5))).averages().is_none());
}

#[test]
fn a_sweep_that_does_not_fit_its_copies_is_an_error_that_changes_nothing() {
    let copies = copies(&ALL);
    let singles: Vec<Parameters> = copies.iter().map(|(parameters, _)| parameters.clone()).collect();
    let (mut all, gradients) = (Parameters::stack(&singles).unwrap(), stacked(&copies, 0));
    let before = all.clone();
    let error = Sweep::new(Vec::<Sgd>::new()).step(&mut all, &gradients).unwrap_err();
    assert!(matches!(error, OptimizerError::NoCopies), "{error}");
    let error = Sweep::new([0.1, 0.2].map(Sgd::new)).step(&mut all, &gradients).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the sweep has 2 optimizers, one for each copy along the first axis, but `a.weight` has the shape [3, 4, 3]; stack so \
         many copies"
    );
    // The last of them refuses: none has moved.
    let mut sweep = Sweep::new([0.1, 0.2, -1.0].map(Sgd::new));
    let error = sweep.step(&mut all, &gradients).unwrap_err();
    assert_eq!(
        error.to_string(),
        "in the group `2`: the rate is -1 at step 0, but must be finite in f32 and not negative"
    );
    assert_eq!((bits(&all), sweep.state().step()), (bits(&before), 0));
    let other = Sweep::new([0.1, 0.2].map(Sgd::new)).state();
    assert!(matches!(sweep.restore(other), Err(OptimizerError::Parts { .. })));
    // Steps of one model are of other parameters.
    let mut single = singles[0].clone();
    let error = Sweep::new(RATES.map(Sgd::new)).step(&mut single, &Gradients::zeros(layout(&ALL))).unwrap_err();
    assert!(matches!(error, OptimizerError::Copies { .. }), "{error}");
}

/// Where products are not summed in another order, as in a model of elementwise operations, a copy ends with the bits of a run alone;
/// a network of products is as near as their rounding, here after 30 steps.
#[test]
fn a_swept_program_trains_each_copy_as_a_program_of_its_own() -> Outcome {
    let rates = [1e-3, 3e-3, 1e-2, 3e-2];
    let g = Graph::new();
    let w = g.parameter("w", (2,), Initializer::Constant(1.0));
    let loss = (w.tanh() * g.input("x", (2,)) - 0.5).square().sum();
    let all = g.ensemble(rates.len(), [("loss", loss)])?;
    let mut step = all.graph.compile_training(all.result("loss").expect("it was asked for").sum())?;
    let mut parameters = Parameters::stack(&vec![g.initialize(0)?; rates.len()])?;
    let mut sweep = Sweep::new(rates.map(Adam::new));
    let xs = || (0..30).map(|i| array![(i as f32 * 0.7).sin(), 1.0 + i as f32 * 0.01]);
    for x in xs() {
        let out = step.run(&parameters, ("x", x))?;
        sweep.step(&mut parameters, &out.gradients)?;
    }
    let mut step = g.compile_training(loss)?;
    for (copy, rate) in parameters.unstack()?.iter().zip(rates) {
        let (mut alone, mut adam) = (g.initialize(0)?, Adam::new(rate));
        for x in xs() {
            let out = step.run(&alone, ("x", x))?;
            adam.step(&mut alone, &out.gradients)?;
        }
        assert_eq!(copy.flat::<f32>()?, alone.flat::<f32>()?, "at {rate}");
    }
    Ok(())
}

#[test]
fn a_swept_network_ends_where_networks_alone_do() -> Outcome {
    let (rates, data) = ([1e-3, 1e-2], digits().first(320));
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let loss = cross_entropy(linear(linear(x, "hidden", 16).tanh(), "out", 10), label).mean();
    let all = g.ensemble(rates.len(), [("loss", loss)])?;
    let mut step = all.graph.compile_training(all.result("loss").expect("it was asked for").sum())?;
    let mut parameters = Parameters::stack(&vec![g.initialize(0)?; rates.len()])?;
    let mut sweep = Sweep::new(rates.map(|rate| AdamW::new(rate).weight_decay(0.1)));
    for batch in Batching::new(32).epoch(&data, 0, 0)? {
        let out = step.run(&parameters, &batch?)?;
        sweep.step(&mut parameters, &out.gradients)?;
    }
    let mut step = g.compile_training(loss)?;
    for (copy, rate) in parameters.unstack()?.iter().zip(rates) {
        let (mut alone, mut rule) = (g.initialize(0)?, AdamW::new(rate).weight_decay(0.1));
        for batch in Batching::new(32).epoch(&data, 0, 0)? {
            let out = step.run(&alone, &batch?)?;
            rule.step(&mut alone, &out.gradients)?;
        }
        let pairs = copy.flat::<f32>()?.iter().zip(alone.flat::<f32>()?);
        let farthest = pairs.fold(0.0f32, |most, (one, other)| most.max((one - other).abs()));
        // Ten steps as long as the rate, of which rounding of products moves a thousandth at most.
        assert!(farthest <= 10.0 * rate as f32 * 1e-3, "{farthest} at {rate}");
    }
    Ok(())
}

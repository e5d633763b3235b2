//! Every number that a rule or a schedule is made of, at the ends of what a number can be: an error, or finite parameters.

use super::{muon::MuonOfMatrices, *};

const ODD: [f64; 9] = [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e39, -1e39];

const ODD_COUNTS: [u64; 4] = [0, 1, u64::MAX - 1, u64::MAX];

type MakeOptimizer = fn(f64) -> Box<dyn Optimizer>;
type MakeTogether = fn() -> Box<dyn Optimizer>;

fn sgd(schedule: Schedule) -> Box<dyn Optimizer> {
    Box::new(Sgd::new(schedule))
}

fn uniform(row: Row) -> Box<dyn Optimizer> {
    Box::new(Uniform::new(row))
}

/// One for each number of each constructor.
const HYPERPARAMETERS: &[(&str, MakeOptimizer)] = &[
    ("sgd", |x| Box::new(Sgd::new(x))),
    ("heavy ball: rate", |x| Box::new(HeavyBall::new(x, 0.9))),
    ("heavy ball: momentum", |x| Box::new(HeavyBall::new(0.1, x))),
    ("nesterov: rate", |x| Box::new(Nesterov::new(x, 0.9))),
    ("nesterov: momentum", |x| Box::new(Nesterov::new(0.1, x))),
    ("adagrad: rate", |x| Box::new(AdaGrad::new(x))),
    ("adagrad: epsilon", |x| Box::new(AdaGrad::new(0.1).epsilon(x))),
    ("rmsprop: rate", |x| Box::new(RmsProp::new(x))),
    ("rmsprop: decay", |x| Box::new(RmsProp::new(0.1).decay(x))),
    ("rmsprop: epsilon", |x| Box::new(RmsProp::new(0.1).epsilon(x))),
    ("adam: rate", |x| Box::new(Adam::new(x))),
    ("adam: beta1", |x| Box::new(Adam::new(0.1).beta1(x))),
    ("adam: beta2", |x| Box::new(Adam::new(0.1).beta2(x))),
    ("adam: epsilon", |x| Box::new(Adam::new(0.1).epsilon(x))),
    ("adamw: rate", |x| Box::new(AdamW::new(x))),
    ("adamw: decay", |x| Box::new(AdamW::new(0.1).weight_decay(x))),
    ("adamw: beta1", |x| Box::new(AdamW::new(0.1).beta1(x))),
    ("adamw: beta2", |x| Box::new(AdamW::new(0.1).beta2(x))),
    ("adamw: epsilon", |x| Box::new(AdamW::new(0.1).epsilon(x))),
    ("amsgrad: rate", |x| Box::new(AmsGrad::new(x))),
    ("amsgrad: beta1", |x| Box::new(AmsGrad::new(0.1).beta1(x))),
    ("amsgrad: beta2", |x| Box::new(AmsGrad::new(0.1).beta2(x))),
    ("amsgrad: epsilon", |x| Box::new(AmsGrad::new(0.1).epsilon(x))),
    ("nadam: rate", |x| Box::new(NAdam::new(x))),
    ("nadam: beta1", |x| Box::new(NAdam::new(0.1).beta1(x))),
    ("nadam: beta2", |x| Box::new(NAdam::new(0.1).beta2(x))),
    ("nadam: epsilon", |x| Box::new(NAdam::new(0.1).epsilon(x))),
    ("radam: rate", |x| Box::new(RAdam::new(x))),
    ("radam: beta1", |x| Box::new(RAdam::new(0.1).beta1(x))),
    ("radam: beta2", |x| Box::new(RAdam::new(0.1).beta2(x))),
    ("radam: epsilon", |x| Box::new(RAdam::new(0.1).epsilon(x))),
    ("adamax: rate", |x| Box::new(AdaMax::new(x))),
    ("adamax: beta1", |x| Box::new(AdaMax::new(0.1).beta1(x))),
    ("adamax: beta2", |x| Box::new(AdaMax::new(0.1).beta2(x))),
    ("adamax: epsilon", |x| Box::new(AdaMax::new(0.1).epsilon(x))),
    ("lion: rate", |x| Box::new(Lion::new(x))),
    ("lion: weight_decay", |x| Box::new(Lion::new(0.1).weight_decay(x))),
    ("lion: beta1", |x| Box::new(Lion::new(0.1).beta1(x))),
    ("lion: beta2", |x| Box::new(Lion::new(0.1).beta2(x))),
    ("lamb: rate", |x| Box::new(Lamb::new(x))),
    ("lamb: weight_decay", |x| Box::new(Lamb::new(0.1).weight_decay(x))),
    ("lamb: beta1", |x| Box::new(Lamb::new(0.1).beta1(x))),
    ("lamb: beta2", |x| Box::new(Lamb::new(0.1).beta2(x))),
    ("lamb: epsilon", |x| Box::new(Lamb::new(0.1).epsilon(x))),
    ("signs", |x| Box::new(SignSgd::new(x))),
    ("lars: rate", |x| Box::new(Lars::new(x))),
    ("lars: trust", |x| Box::new(Lars::new(0.1).trust(x))),
    ("lars: momentum", |x| Box::new(Lars::new(0.1).momentum(x))),
    ("lars: decay", |x| Box::new(Lars::new(0.1).weight_decay(x))),
    ("muon of matrices: rate", |x| Box::new(MuonOfMatrices::new(x))),
    ("muon of matrices: momentum", |x| Box::new(MuonOfMatrices::new(0.1).momentum(x))),
    ("muon of matrices: decay", |x| Box::new(MuonOfMatrices::new(0.1).weight_decay(x))),
    ("muon: rate of the others", |x| Box::new(Muon::new(0.1, AdamW::new(x)))),
    ("groups: a rate", |x| Box::new(Groups::new(Sgd::new(0.1)).group(["b"], Sgd::new(x)))),
    ("exponential average: decay", |x| Box::new(Averaged::ema(Sgd::new(0.1), x))),
    ("uniform average: rate", |x| Box::new(Averaged::swa(Sgd::new(x), 1, 1))),
    ("perturbed: rate", |x| Box::new(PerturbedSgd::new(x, 1))),
    ("perturbed: radius", |x| Box::new(PerturbedSgd::new(0.1, 1).radius(x))),
    ("row of sgd", |x| uniform(Row::sgd(x))),
    ("row of the heavy ball: rate", |x| uniform(Row::heavy_ball(x, 0.9))),
    ("row of the heavy ball: momentum", |x| uniform(Row::heavy_ball(0.1, x))),
    ("row of adagrad", |x| uniform(Row::adagrad(x))),
    ("row of adagrad: epsilon", |x| uniform(Row::adagrad(0.1).epsilon(x))),
    ("row of rmsprop: rate", |x| uniform(Row::rms_prop(x, 0.9))),
    ("row of rmsprop: decay", |x| uniform(Row::rms_prop(0.1, x))),
    ("row of adam: rate", |x| uniform(Row::adam(x, 0.9, 0.99))),
    ("row of adam: beta1", |x| uniform(Row::adam(0.1, x, 0.99))),
    ("row of adam: beta2", |x| uniform(Row::adam(0.1, 0.9, x))),
    ("constant", |x| sgd(Schedule::constant(x))),
    ("inverse root", |x| sgd(Schedule::inverse_root(x, 10))),
    ("stairs: rate", |x| sgd(Schedule::steps(x, 0.5, 1))),
    ("stairs: factor", |x| sgd(Schedule::steps(0.1, x, 1))),
    ("exponential: rate", |x| sgd(Schedule::exponential(x, 0.5))),
    ("exponential: factor", |x| sgd(Schedule::exponential(0.1, x))),
    ("cosine: first", |x| sgd(Schedule::cosine(x, 0.1, 5))),
    ("cosine: last", |x| sgd(Schedule::cosine(0.1, x, 2))),
    ("line: first", |x| sgd(Schedule::linear(x, 0.1, 5))),
    ("line: last", |x| sgd(Schedule::linear(0.1, x, 2))),
    ("pieces: first", |x| sgd(Schedule::piecewise(x, [(4, 0.1)]))),
    ("pieces: later", |x| sgd(Schedule::piecewise(0.1, [(1, x)]))),
    ("restarts: first", |x| sgd(Schedule::restarts(x, 0.1, 2, 2))),
    ("restarts: last", |x| sgd(Schedule::restarts(0.1, x, 2, 1))),
    ("one cycle", |x| sgd(Schedule::one_cycle(x, 1, 3))),
    ("the first of two", |x| sgd(Schedule::exponential(x, 0.5).then(1, 0.1))),
    ("the second of two", |x| sgd(Schedule::constant(0.1).then(1, Schedule::exponential(x, 0.5)))),
    ("in epochs", |x| sgd(Schedule::exponential(x, 0.5).in_epochs(2))),
    ("warmed up", |x| sgd(Schedule::constant(x).warm_up(3))),
    ("a function", |x| sgd(Schedule::function(move |_| x))),
];

/// Numbers each in its range that together leave it.
const TOGETHER: &[(&str, MakeTogether)] = &[
    ("rate and decay", || Box::new(AdamW::new(1e30).weight_decay(1e30))),
    ("rate and the first correction", || Box::new(Adam::new(1e30).beta1(1.0 - 1e-12))),
    ("rate and the first correction, decayed", || Box::new(AdamW::new(1e30).beta1(1.0 - 1e-12))),
    ("rate and decay of Lion", || Box::new(Lion::new(1e30).weight_decay(1e30))),
    ("rate and the first correction of AMSGrad", || Box::new(AmsGrad::new(1e30).beta1(1.0 - 1e-12))),
    ("rate and the first correction of AdaMax", || Box::new(AdaMax::new(1e30).beta1(1.0 - 1e-12))),
    ("rate and the first correction of RAdam", || Box::new(RAdam::new(1e30).beta1(1.0 - 1e-12))),
    ("rate and trust", || Box::new(Lars::new(1e30).trust(1e30))),
    ("growing rate", || sgd(Schedule::exponential(1.0, 1e20))),
    ("rate after a small one", || {
        uniform(Row::heavy_ball(Schedule::function(|step| [1e-30, 1e30, 1e30][step as usize]), 0.9))
    }),
];

/// Three steps of it: how many were taken. All that they left is finite.
fn steps(what: &str, rule: &mut dyn Optimizer) -> usize {
    let mut parameters = start();
    for (step, numbers) in GRADIENTS.into_iter().enumerate() {
        let gradients = gradients_of(&parameters, numbers);
        let before = (parameters.clone(), rule.state());
        if rule.step(&mut parameters, &gradients).is_err() {
            assert_eq!((parameters, rule.state()), before, "{what}");
            return step;
        }
        let state = rule.state();
        let buffers = state.iter().map(|(_, buffers)| buffers).chain([&*parameters]);
        for buffers in buffers {
            let is_finite = buffers.flat::<f32>().unwrap().iter().all(|x| x.is_finite())
                && buffers.flat::<f64>().unwrap().iter().all(|x| x.is_finite());
            assert!(is_finite, "{what}: {buffers:?} after step {step}");
        }
    }
    GRADIENTS.len()
}

#[test]
fn every_hyperparameter_gives_finite_parameters_or_an_error_for_any_number() {
    for (what, make) in HYPERPARAMETERS {
        for odd in ODD {
            let n_steps = steps(&format!("{what} of {odd:e}"), &mut *make(odd));
            let is_small = (0.0..1e39).contains(&odd);
            assert!(is_small || n_steps == 0, "{what} of {odd:e} took {n_steps} steps");
        }
    }
    for (what, make) in TOGETHER {
        assert!(steps(what, &mut *make()) < GRADIENTS.len(), "{what}");
    }
}

/// A rule that is listed has its numbers listed.
#[test]
fn no_rule_is_without_its_hyperparameters() {
    let listed: Vec<OptimizerState> = HYPERPARAMETERS.iter().map(|(_, make)| make(0.1).state()).collect();
    for rule in every_rule() {
        let state = rule.state();
        assert!(listed.iter().any(|listed| listed.rule() == state.rule()), "{}", state.rule());
    }
}

#[test]
fn every_count_gives_finite_parameters_or_an_error() {
    for count in ODD_COUNTS {
        let schedules = [
            (count > 0, Schedule::inverse_root(1.0, count)),
            (count > 0, Schedule::steps(0.1, 0.5, count)),
            (true, Schedule::cosine(0.1, 0.01, count)),
            (true, Schedule::constant(0.1).warm_up(count)),
            (true, Schedule::linear(0.1, 0.01, count)),
            (true, Schedule::piecewise(0.1, [(count, 0.01)])),
            (count > 0, Schedule::restarts(0.1, 0.01, count, 2)),
            (count > 0, Schedule::restarts(0.1, 0.01, 1, count)),
            (count < 2, Schedule::one_cycle(0.1, count, 1)),
            (true, Schedule::one_cycle(0.1, 0, count)),
            (true, Schedule::constant(0.1).then(count, 0.01)),
            (count > 0, Schedule::constant(0.1).in_epochs(count)),
        ];
        for (is_taken, schedule) in schedules {
            let what = format!("{schedule:?}");
            assert!(schedule.rate(count).is_finite() || !is_taken, "{what}");
            assert_eq!(steps(&what, &mut *sgd(schedule)) > 0, is_taken, "{what}");
        }
        for row in [Row::adam(0.1, 0.9, 0.99), Row::heavy_ball(0.1, 0.9)] {
            assert!(row.alpha(count).is_finite() && row.beta(count).is_finite());
        }
    }
}

/// A step count is a number of the formulas.
#[test]
fn no_rule_goes_on_from_more_steps_than_can_be_counted() {
    for mut rule in every_rule() {
        let state = rule.state();
        for found in [u64::MAX, (1 << 53) + 1] {
            let arrays = state.iter().map(|(name, array)| (name, array.clone()));
            let saved = OptimizerState::new(state.rule(), found, arrays);
            let saved = state.parts().fold(saved, |saved, (name, part)| saved.with_part(name, part.clone()));
            let error = rule.restore(saved);
            assert_eq!(error, Err(OptimizerError::Steps { found }), "{}", state.rule());
        }
        assert_eq!(rule.state(), state);
    }
}

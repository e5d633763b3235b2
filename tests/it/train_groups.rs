//! Trainings by several optimizers, with averages and rates that fall: from a checkpoint they go on as if they had not stopped.

use std::{fs, ops::ControlFlow};

use pullback::{
    DType, Graph, Parameters,
    data::{Split, digits},
    io::Arrays,
    nn::{cross_entropy, linear},
    optim::{Adam, Averaged, Groups, HeavyBall, Optimizer, Schedule, Sgd},
    train::{Checkpoint, Epoch, Fit, Observer, Plateau, Step, TrainError, Trainer},
};

fn split() -> Split {
    digits().first(400).split(0.3, 1).expect("a fraction")
}

fn network() -> (Trainer, Parameters) {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = linear(linear(x, "hidden", 12).tanh(), "out", 10);
    let trainer = Trainer::new(cross_entropy(scores, label), []);
    (trainer.expect("the graph has no mistake"), g.initialize(3).expect("initializers fit"))
}

fn bits(parameters: &Parameters) -> Vec<u32> {
    parameters.flat::<f32>().expect("there").iter().map(|x| x.to_bits()).collect()
}

/// Groups, one of them of two, and an average over all.
fn grouped() -> Averaged<Groups> {
    let biases = Groups::new(Sgd::new(0.1)).group(["out.*"], HeavyBall::new(0.05, 0.9));
    let others = Adam::new(Schedule::cosine(0.01, 1e-4, 25).warm_up(5));
    Averaged::ema(Groups::new(others).group(["*.bias"], biases), 0.9)
}

/// Ends the training after a step, and remembers the parameters after each epoch.
#[derive(Default)]
struct Watch {
    stop: u64,
    passed: Vec<Vec<u32>>,
}

impl Observer for Watch {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        if step.step == self.stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, _: &Epoch, parameters: &Parameters) -> ControlFlow<()> {
        self.passed.push(bits(parameters));
        ControlFlow::Continue(())
    }
}

#[test]
fn a_training_by_groups_with_an_average_goes_on_bit_for_bit() {
    let (path, split) = (crate::temporary_file("groups"), split());
    let train = |fit: &Fit, stop: u64| {
        let ((mut trainer, mut parameters), mut rule) = (network(), grouped());
        let mut watch = Watch { stop, ..Watch::default() };
        let training = trainer.training(&mut parameters, &mut rule).observe(&mut watch);
        training.fit(&split.train, fit).expect("training goes well");
        (bits(&parameters), rule.state(), bits(&rule.parameters(&parameters).expect("its own")))
    };
    train(&Fit::new(3, 32).checkpoint(Checkpoint::new(&path)), 13);
    let resumed = train(&Fit::new(3, 32).checkpoint(Checkpoint::resume(&path)), 0);
    fs::remove_file(&path).expect("the file is there");
    let whole = train(&Fit::new(3, 32), 0);
    assert_eq!(resumed, whole);
    assert_ne!(whole.0, whole.2);
}

/// What a training gives that goes on from a checkpoint whose texts were changed.
fn resume_from_changed(change: impl FnOnce(&mut Arrays)) -> Result<(), TrainError> {
    let (path, data) = (crate::temporary_file("states"), digits().first(40));
    let train = |start: Checkpoint| {
        let (mut trainer, mut parameters) = network();
        let fit = Fit::new(1, 20).checkpoint(start);
        trainer.training(&mut parameters, &mut grouped()).fit(&data, &fit).map(drop)
    };
    train(Checkpoint::new(&path)).expect("training goes well");
    let mut arrays = Arrays::load(&path).expect("the file is whole");
    change(&mut arrays);
    arrays.save(&path).expect("the file can be written");
    let result = train(Checkpoint::resume(&path));
    fs::remove_file(&path).expect("the file is there");
    result
}

#[test]
fn a_checkpoint_with_states_that_cannot_be_is_refused() {
    let texts = [
        ("optimizer.0 parts", "1000000"),
        ("optimizer.0 parts", "one"),
        ("optimizer.0.0 parameters", "3 1"),
        ("optimizer.0.0 parameters", "1 1"),
        ("optimizer.0.0 parameters", "1 4"),
        ("optimizer.0.0 parameters", "-1"),
        ("optimizer.0.1 steps", "18446744073709551615"),
    ];
    for (note, text) in texts {
        let result = resume_from_changed(|arrays| {
            assert!(arrays.text(note).is_some() || note.ends_with("parameters"), "{note}");
            arrays.note(note, text);
        });
        assert!(matches!(result, Err(TrainError::BadCheckpoint { .. })), "{note} {text}: {result:?}");
    }
    let result = resume_from_changed(|arrays| arrays.note("optimizer.0.0.0 name", "in.*"));
    assert!(matches!(result, Err(TrainError::Optimizer(_))), "{result:?}");
}

/// Nothing is better by as much as is asked for, so that after the first two epochs the rate is 0; a training that goes on
/// from its file knows of the epochs before.
#[test]
fn a_plateau_lowers_the_rate_and_a_resumed_training_finds_it_again() {
    let (path, split) = (crate::temporary_file("plateau"), split());
    let fit = |epochs| Fit::new(epochs, 32).plateau(Plateau::new(0.0, 1).min_delta(1e3));
    let train = |fit: &Fit| {
        let ((mut trainer, mut parameters), mut rule, mut watch) = (network(), grouped(), Watch::default());
        let training = trainer.training(&mut parameters, &mut rule).validate(&split.test).observe(&mut watch);
        training.fit(&split.train, fit).expect("training goes well");
        watch.passed
    };
    let whole = train(&fit(4));
    assert_ne!(whole[0], whole[1]);
    assert!(whole[1] == whole[2] && whole[1] == whole[3]);
    train(&fit(2).checkpoint(Checkpoint::new(&path)));
    let resumed = train(&fit(4).checkpoint(Checkpoint::resume(&path)));
    fs::remove_file(&path).expect("the file is there");
    assert_eq!(resumed, whole[2..]);
}

#[test]
fn a_plateau_that_makes_no_sense_is_told_before_anything_runs() {
    let (data, split) = (digits().first(40), split());
    let refuse = |plateau: Plateau, has_validation: bool| {
        let ((mut trainer, mut parameters), mut rule) = (network(), grouped());
        let training = trainer.training(&mut parameters, &mut rule);
        let training = if has_validation { training.validate(&split.test) } else { training };
        training.fit(&data, &Fit::new(1, 20).plateau(plateau)).map(drop).expect_err("it makes no sense")
    };
    assert!(matches!(refuse(Plateau::new(0.5, 2), false), TrainError::NoValidation));
    assert!(matches!(refuse(Plateau::new(0.5, 2).on("accuracy"), true), TrainError::UnknownMetric { .. }));
    for factor in [1.0, -0.5, f64::NAN] {
        assert!(matches!(refuse(Plateau::new(factor, 2), true), TrainError::PlateauFactor { .. }));
    }
    assert!(matches!(refuse(Plateau::new(0.5, 2).min_delta(f64::NAN), true), TrainError::MinDelta { .. }));
}

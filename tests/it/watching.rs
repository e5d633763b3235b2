//! Watching a training: what steps tell, curves, averages that are measured, statistics anew, and which classes are taken for which.

use std::{fs, ops::ControlFlow};

use ndarray::{Array1, Array2, Axis, Ix1, Ix2};
use pullback::{
    DType, Graph, Initializer, Parameters, Value,
    data::{Batching, Dataset, Split, digits},
    nn::{BatchNorm, Dropout, Layer, Linear, cross_entropy, linear, squared_error, zero_one_loss},
    optim::{
        AdaGrad, AdaMax, Adam, AdamW, AmsGrad, Averaged, Groups, HeavyBall, Lamb, Lars, Lion, Muon, NAdam, Nesterov,
        Optimizer, PerturbedSgd, RAdam, RmsProp, Row, Schedule, Sgd, SignSgd, Uniform,
    },
    train::{Checkpoint, Curves, Fit, Metric, Observer, Patience, Plateau, Step, Stop, TrainError, Trainer},
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn split() -> Split {
    digits().first(400).split(0.3, 1).expect("a fraction")
}

fn network() -> (Trainer, Parameters) {
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = linear(linear(x, "hidden", 12).tanh(), "out", 10);
    let trainer = Trainer::new(cross_entropy(scores, label), [Metric::rate("error", zero_one_loss(scores, label))]);
    (trainer.expect("the graph has no mistake"), g.initialize(3).expect("initializers fit"))
}

fn bits(parameters: &Parameters) -> Vec<u32> {
    parameters.flat::<f32>().expect("there").iter().map(|x| x.to_bits()).collect()
}

/// What each step told.
#[derive(Default)]
struct Seen(Vec<Told>);

struct Told {
    loss: f64,
    norm: f64,
    rates: Vec<(String, f64)>,
    n_examples: usize,
}

impl Observer for Seen {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<()> {
        let rates = step.rates.iter().map(|rate| (rate.group.clone(), rate.rate)).collect();
        self.0.push(Told { loss: step.loss, norm: step.gradient_norm, rates, n_examples: step.n_examples });
        ControlFlow::Continue(())
    }
}

fn grouped() -> Groups {
    let hidden = HeavyBall::new(Schedule::linear(0.1, 0.0, 20), 0.9);
    Groups::new(Adam::new(Schedule::cosine(0.01, 0.0, 30))).group(["hidden.*"], hidden)
}

/// Against a loop of plain steps, with clipping that changes what is taken but not what is told.
#[test]
fn steps_tell_the_norm_before_clipping_and_the_rates_at_which_they_were_taken() -> Outcome {
    let split = split();
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = linear(linear(x, "hidden", 12).tanh(), "out", 10);
    let mut plain = g.compile_training(cross_entropy(scores, label).mean())?;
    for accumulate in [1, 3] {
        let ((mut trainer, mut parameters), mut rule, mut seen) = (network(), grouped(), Seen::default());
        let fit = Fit::new(3, 32).accumulate(accumulate).clip_norm(0.5).plateau(Plateau::new(0.5, 1).min_delta(1e3));
        let training = trainer.training(&mut parameters, &mut rule).validate(&split.test).observe(&mut seen);
        training.fit(&split.train, &fit)?;

        let (mut expected, mut rule, mut step, mut n_clipped) = (g.initialize(3)?, grouped(), 0, 0);
        for epoch in 0..3 {
            // Nothing is better by 1000, so that the rate falls after the second epoch.
            let factor = if epoch == 2 { 0.5 } else { 1.0 };
            rule.scale_rate(factor);
            let batches: Vec<_> = Batching::new(32).epoch(&split.train, 0, epoch)?.collect::<Result<_, _>>()?;
            for group in batches.chunks(accumulate) {
                let n_examples: usize = group.iter().map(|batch| batch.len()).sum();
                let mut gradients = plain.run(&expected, &group[0])?.gradients;
                gradients.scale(if accumulate > 1 { group[0].len() as f64 } else { 1.0 });
                for batch in &group[1..] {
                    gradients.add_scaled(batch.len() as f64, &plain.run(&expected, batch)?.gradients)?;
                }
                if accumulate > 1 {
                    gradients.scale(1.0 / n_examples as f64);
                }
                let told = &seen.0[step];
                assert_eq!((told.norm, told.n_examples), (gradients.norm(), n_examples), "step {step}");
                let t = step as u64;
                let hidden = factor * Schedule::linear(0.1, 0.0, 20).rate(t);
                let others = factor * Schedule::cosine(0.01, 0.0, 30).rate(t);
                assert_eq!(told.rates, [("hidden.*".to_owned(), hidden), ("others".to_owned(), others)], "step {step}");
                n_clipped += usize::from(gradients.clip_norm(0.5)? > 0.5);
                rule.step(&mut expected, &gradients)?;
                step += 1;
            }
        }
        assert!(n_clipped > 0, "clipping has nothing to do");
        assert_eq!((step, bits(&parameters)), (seen.0.len(), bits(&expected)));
    }
    Ok(())
}

#[test]
fn observers_change_no_bit_of_parameters_report_and_checkpoint() -> Outcome {
    let split = split();
    let run = |name: &str, is_watched: bool| -> Result<_, Box<dyn std::error::Error>> {
        let ((mut trainer, mut parameters), mut rule, path) = (network(), grouped(), crate::temporary_file(name));
        let (mut seen, mut curves) = (Seen::default(), Curves::with_points(4));
        let mut training = trainer.training(&mut parameters, &mut rule).validate(&split.test);
        if is_watched {
            training = training.observe(&mut seen).observe(&mut curves);
        }
        let report = training.fit(&split.train, &Fit::new(2, 32).checkpoint(Checkpoint::new(&path)))?;
        let written = fs::read(&path)?;
        fs::remove_file(&path)?;
        Ok((report, bits(&parameters), written))
    };
    assert!(run("watched", true)? == run("alone", false)?);
    Ok(())
}

#[test]
fn every_optimizer_tells_the_rate_of_the_step_to_come() -> Outcome {
    fn schedule() -> Schedule {
        Schedule::function(|step| 0.01 / (step + 1) as f64)
    }
    let rules: Vec<Box<dyn Optimizer>> = vec![
        Box::new(Sgd::new(schedule())),
        Box::new(HeavyBall::new(schedule(), 0.9)),
        Box::new(Nesterov::new(schedule(), 0.9)),
        Box::new(SignSgd::new(schedule())),
        Box::new(AdaGrad::new(schedule())),
        Box::new(RmsProp::new(schedule())),
        Box::new(Adam::new(schedule())),
        Box::new(AdamW::new(schedule())),
        Box::new(AmsGrad::new(schedule())),
        Box::new(NAdam::new(schedule())),
        Box::new(RAdam::new(schedule())),
        Box::new(AdaMax::new(schedule())),
        Box::new(Lion::new(schedule())),
        Box::new(Lars::new(schedule())),
        Box::new(Lamb::new(schedule())),
        Box::new(PerturbedSgd::new(schedule(), 1)),
        Box::new(Uniform::new(Row::adam(schedule(), 0.9, 0.99))),
        Box::new(Muon::new(schedule(), Sgd::new(schedule()))),
        Box::new(Groups::new(Sgd::new(schedule())).group(["out.*"], Muon::new(schedule(), Adam::new(schedule())))),
        Box::new(Averaged::ema(Sgd::new(schedule()), 0.9)),
    ];
    let ((_, parameters), gradients) = (network(), pullback::Gradients::zeros(network().1.layout().clone()));
    for mut rule in rules {
        let mut moved = parameters.clone();
        for (step, factor) in [1.0, 1.0, 0.25].into_iter().enumerate() {
            rule.scale_rate(factor);
            for rate in rule.rates() {
                assert_eq!(rate.rate, factor * 0.01 / (step + 1) as f64, "{} {}", rule.state().rule(), rate.group);
            }
            rule.step(&mut moved, &gradients)?;
        }
    }
    let names = |rule: &dyn Optimizer| rule.rates().into_iter().map(|rate| rate.group).collect::<Vec<_>>();
    let nested = Groups::new(Sgd::new(0.1)).group(["out.*"], Muon::new(0.1, Adam::new(0.1)));
    assert_eq!(names(&nested), ["out.* / matrices", "out.* / others", "others"]);
    Ok(())
}

#[test]
fn curves_of_a_training_are_what_its_steps_told() -> Outcome {
    let (split, (mut trainer, mut parameters), mut rule) = (split(), network(), grouped());
    let (mut seen, mut all, mut few) = (Seen::default(), Curves::new(), Curves::with_points(5));
    let training = trainer.training(&mut parameters, &mut rule);
    training.observe(&mut seen).observe(&mut all).observe(&mut few).fit(&split.train, &Fit::new(2, 32))?;
    let points: Vec<(f64, f64)> =
        all.points().iter().map(|point| (point.loss.mean, point.gradient_norm.mean)).collect();
    assert_eq!(points, seen.0.iter().map(|told| (told.loss, told.norm)).collect::<Vec<_>>());
    assert_eq!((seen.0.len(), few.points().len(), few.points()[0].last_step), (18, 5, 4));
    let mut table = Vec::new();
    few.write_csv(&mut table)?;
    let table = String::from_utf8(table)?;
    let header = "first_step,last_step,loss,loss_least,loss_greatest,gradient_norm,gradient_norm_least,\
                  gradient_norm_greatest,rate_hidden.*,rate_others";
    assert_eq!((table.lines().next(), table.lines().count()), (Some(header), 6));
    assert!(table.lines().nth(5).is_some_and(|line| line.starts_with("17,18,")), "{table}");
    Ok(())
}

/// Two norms, one behind a layer and dropout; a counter; two states that users average by hand, and one that is no average.
fn normed() -> (Trainer, Parameters) {
    let g = Graph::new();
    let x = g.input("x", ("batch", 3));
    let hidden = BatchNorm::new(&g, "first", 3).call(x);
    let hidden = Linear::new(&g, "hidden", 3, 4).call(hidden).tanh();
    let hidden = Dropout::new(&g, "dropout", 0.0).call(hidden);
    let out = Linear::new(&g, "out", 4, 1).call(BatchNorm::new(&g, "second", 4).call(hidden));
    let mean = g.state_of(DType::F32, "largest", (), Initializer::Zeros);
    g.update(mean, |mean| mean + 0.01 * (x.abs().mean() - mean));
    let other = g.state("other", (), Initializer::Constant(1.0));
    g.update(other, |other| 0.5 * other + 0.25 * x.mean());
    let n_steps = g.state_of(DType::I64, "n_steps", (), Initializer::Zeros);
    g.update(n_steps, |n_steps| n_steps + 1);
    let trainer = Trainer::new(squared_error(out, g.input("y", ("batch", 1))), []);
    (trainer.expect("the graph has no mistake"), g.initialize(5).expect("initializers fit"))
}

fn points(n: usize) -> Dataset {
    let x = Array2::from_shape_fn((n, 3), |(i, j)| ((i * 31 + j * 17) % 23) as f32 / 4.0 - j as f32);
    let y = x.map_axis(Axis(1), |x| (x[0] * x[1]).sin() + x[2]).insert_axis(Axis(1));
    let data = Dataset::new().column("x", x).and_then(|data| data.column("y", y));
    data.expect("as many rows")
}

fn state(parameters: &Parameters, name: &str) -> Vec<f64> {
    match parameters.state().get(name) {
        Some(Value::F32(array)) => array.iter().map(|x| f64::from(*x)).collect(),
        Some(Value::I64(array)) => array.iter().map(|x| *x as f64).collect(),
        other => panic!("{name}: {other:?}"),
    }
}

/// Mean and unbiased variance of each column.
fn moments(x: &Array2<f64>) -> (Array1<f64>, Array1<f64>) {
    (x.mean_axis(Axis(0)).expect("rows"), x.var_axis(Axis(0), 1.0))
}

/// Plain code in f64: a forward pass with the statistics of each batch, whose means are what is to be found.
#[test]
fn statistics_anew_are_means_over_batches_of_those_of_plain_code() -> Outcome {
    let ((mut trainer, mut parameters), data) = (normed(), points(22));
    trainer.training(&mut parameters, &mut Adam::new(0.05)).fit(&data, &Fit::new(3, 5))?;
    let trained = parameters.clone();
    let names = trainer.update_statistics(&mut parameters, &data, Batching::new(5).in_order())?;
    assert_eq!(names, ["first.mean", "first.variance", "second.mean", "second.variance", "largest"]);
    assert_eq!(bits(&parameters), bits(&trained));
    for kept in ["other", "n_steps"] {
        assert_eq!(state(&parameters, kept), state(&trained, kept));
    }

    let array = |name: &str| parameters.array::<f32>(name).map(|array| array.mapv(f64::from));
    let normalize = |x: &Array2<f64>, name: &str| -> Result<Array2<f64>, Box<dyn std::error::Error>> {
        let (mean, variance) = (x.mean_axis(Axis(0)).expect("rows"), x.var_axis(Axis(0), 0.0));
        let (gain, bias) = (array(&format!("{name}.gain"))?, array(&format!("{name}.bias"))?);
        let scaled = (x - &mean) / variance.mapv(|v| (v + 1e-5).sqrt());
        Ok(scaled * gain.into_dimensionality::<Ix1>()? + bias.into_dimensionality::<Ix1>()?)
    };
    let x = data.array::<f32, Ix2>("x")?.mapv(f64::from);
    let (mut expected, mut n_batches) = (vec![Vec::new(); 5], 0.0);
    for batch in x.axis_chunks_iter(Axis(0), 5) {
        let batch = batch.to_owned();
        let weight = array("hidden.weight")?.into_dimensionality::<Ix2>()?;
        let hidden = normalize(&batch, "first")?.dot(&weight) + array("hidden.bias")?.into_dimensionality::<Ix1>()?;
        let ((mean1, variance1), (mean2, variance2)) = (moments(&batch), moments(&hidden.mapv(f64::tanh)));
        let largest = Array1::from_elem(1, batch.mapv(f64::abs).mean().expect("numbers"));
        for (sum, found) in expected.iter_mut().zip([mean1, variance1, mean2, variance2, largest]) {
            sum.resize(found.len(), 0.0);
            sum.iter_mut().zip(found).for_each(|(sum, number)| *sum += number);
        }
        n_batches += 1.0;
    }
    assert_eq!(n_batches, 5.0);
    for (name, sums) in names.iter().zip(expected) {
        for (found, sum) in state(&parameters, name).into_iter().zip(sums) {
            let expected: f64 = sum / n_batches;
            // Roundings of f32 in a dozen operations on numbers of the size of 1 to 10.
            assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{name}: {found}, not {expected}");
        }
    }
    // A running mean after training is another number.
    assert_ne!(state(&parameters, "first.mean"), state(&trained, "first.mean"));
    let before = parameters.clone();
    let empty = data.select(&[])?;
    assert!(trainer.update_statistics(&mut parameters, &empty, 5).is_err());
    assert_eq!(parameters, before);
    Ok(())
}

#[test]
fn a_model_without_running_averages_has_none_to_set_anew() -> Outcome {
    let (mut trainer, mut parameters) = network();
    assert!(trainer.update_statistics(&mut parameters, &split().train, 32)?.is_empty());
    Ok(())
}

/// Steps, averages, statistics and validation one after another in plain code; in order, so that batches do not depend on seeds.
#[test]
fn a_training_by_averages_validates_and_keeps_what_plain_code_does() -> Outcome {
    let (train, test, batching) = (points(40), points(64), Batching::new(8).in_order());
    let ((mut trainer, mut parameters), mut rule) = (normed(), Averaged::ema(Adam::new(0.2), 0.8));
    let fit = Fit::new(6, batching.clone()).patience(Patience::new(9)).by_averages();
    let report = trainer.training(&mut parameters, &mut rule).validate(&test).fit(&train, &fit)?;

    let ((mut trainer, mut weights), mut rule) = (normed(), Averaged::ema(Adam::new(0.2), 0.8));
    let mut best: Option<(f64, Parameters, u64)> = None;
    for epoch in 1..=6 {
        // A training of one epoch goes on from these weights with this optimizer.
        trainer.training(&mut weights, &mut rule).fit(&train, &Fit::new(1, batching.clone()))?;
        let mut averages = rule.parameters(&weights)?;
        trainer.update_statistics(&mut averages, &train, batching.clone())?;
        let loss = trainer.evaluate(&averages, &test, 0.95)?[0].estimate;
        assert_eq!(report.history.epochs()[epoch as usize - 1].validation[0], loss, "epoch {epoch}");
        if best.as_ref().is_none_or(|(least, ..)| loss.value < *least) {
            best = Some((loss.value, averages, epoch));
        }
    }
    let (least, best, epoch) = best.expect("there were epochs");
    assert_eq!((report.best_epoch, report.measures[0].held_out.map(|found| found.value)), (Some(epoch), Some(least)));
    assert_eq!(parameters, best);
    // Without patience it is the averages after the last epoch; the optimizer has moved the weights.
    let ((mut trainer, mut parameters), mut other) = (normed(), Averaged::ema(Adam::new(0.2), 0.8));
    trainer.training(&mut parameters, &mut other).fit(&train, &Fit::new(6, batching.clone()).by_averages())?;
    let mut last = rule.parameters(&weights)?;
    trainer.update_statistics(&mut last, &train, batching)?;
    assert_eq!((parameters, other.state()), (last, rule.state()));
    Ok(())
}

#[test]
fn a_training_by_averages_goes_on_from_its_checkpoint_bit_for_bit() -> Outcome {
    struct StopAt(u64);
    impl Observer for StopAt {
        fn step(&mut self, step: &Step<'_>) -> ControlFlow<()> {
            if step.step == self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    let (path, train, test) = (crate::temporary_file("averages"), points(40), points(24));
    let fit = || Fit::new(4, 8).patience(Patience::new(3)).by_averages();
    let run = |fit: &Fit, stop: u64| {
        let ((mut trainer, mut parameters), mut rule) = (normed(), Averaged::swa(Adam::new(0.2), 7, 2));
        let mut stop = StopAt(stop);
        let training = trainer.training(&mut parameters, &mut rule).validate(&test).observe(&mut stop);
        training.fit(&train, fit).map(|report| (report, parameters, rule.state()))
    };
    let whole = run(&fit(), 0)?;
    for stop in [3, 12, 17] {
        let stopped = run(&fit().checkpoint(Checkpoint::new(&path)), stop)?;
        assert_eq!(stopped.0.stop, Stop::Observer);
        let resumed = run(&fit().checkpoint(Checkpoint::resume(&path)), 0)?;
        assert!(resumed == whole, "stopped at {stop}");
    }
    // The best of a training by weights is another.
    let other = Fit::new(4, 8).patience(Patience::new(3)).checkpoint(Checkpoint::resume(&path));
    assert!(matches!(run(&other, 0), Err(TrainError::OtherTraining { .. })));
    fs::remove_file(&path)?;
    let (mut trainer, mut parameters) = normed();
    let result = trainer.training(&mut parameters, &mut Adam::new(0.1)).fit(&train, &fit());
    assert!(matches!(result, Err(TrainError::NoAverages)), "{result:?}");
    Ok(())
}

#[test]
fn a_confusion_matrix_counts_what_plain_code_counts() -> Outcome {
    let split = split();
    let g = Graph::new();
    let (x, label) = (g.input("pixels", ("batch", 64)), g.input_of(DType::I64, "digit", ("batch",)));
    let scores = linear(x, "out", 10);
    let trainer = Trainer::new(cross_entropy(scores, label), [])?.feed("pixels", "x")?.feed("digit", "label")?;
    let mut trainer = trainer.measure_by(Batching::new(7).in_order());
    let mut parameters = g.initialize(0)?;
    trainer.training(&mut parameters, &mut Adam::new(0.02)).fit(&split.train, &Fit::new(2, 16))?;
    let matrix = trainer.confusion_matrix((scores, label), &parameters, &split.test)?;

    let (pixels, digits) = (split.test.array::<f32, Ix2>("x")?, split.test.array::<i64, Ix1>("label")?);
    let (weight, bias) = (parameters.array::<f32>("out.weight")?, parameters.array::<f32>("out.bias")?);
    let scored = pixels.dot(&weight.into_dimensionality::<Ix2>()?) + bias.into_dimensionality::<Ix1>()?;
    let mut counts = [[0; 10]; 10];
    for (scores, digit) in scored.rows().into_iter().zip(digits) {
        let greatest = (0..10).fold(0, |best, class| if scores[class] > scores[best] { class } else { best });
        counts[*digit as usize][greatest] += 1;
    }
    for (digit, row) in counts.iter().enumerate() {
        assert_eq!(matrix.row(digit), Some(&row[..]));
        let (n_examples, n_right) = (row.iter().sum::<u64>(), row[digit]);
        let n_predicted: u64 = counts.iter().map(|row| row[digit]).sum();
        let expected = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        assert_eq!(matrix.recall(digit), expected(n_right, n_examples));
        assert_eq!(matrix.precision(digit), expected(n_right, n_predicted));
        assert_eq!(matrix.f1(digit), expected(2 * n_right, n_examples + n_predicted));
    }
    assert_eq!((matrix.n_examples(), matrix.row(10), matrix.recall(10)), (split.test.len() as u64, None, None));

    // Mistakes: types that do not go together, a label that is no class, and names.
    for pair in [(label, label), (scores, scores), (scores, scores.argmax(-1).sum())] {
        let result = trainer.confusion_matrix(pair, &parameters, &split.test);
        assert!(matches!(result, Err(TrainError::Scores { .. })), "{result:?}");
    }
    let error = trainer.confusion_matrix((scores, label - 1), &parameters, &split.test).unwrap_err();
    let first = digits.iter().position(|digit| *digit == 0).expect("there is a zero");
    let expected =
        format!("row {first} (from 0) of the examples: the label is -1, but there are 10 classes, counted from 0");
    assert_eq!(error.to_string(), expected);
    assert!(matrix.with_classes(["a", "b"]).is_err());
    Ok(())
}

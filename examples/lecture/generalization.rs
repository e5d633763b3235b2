//! Adaptive methods may generalize worse than SGD, and large batches worse than small ones, at minima that differ in
//! sharpness.
//!
//! Measured: test error, greatest eigenvalue of the Hessian, and ε-sharpness where SGD, heavy ball, AdaGrad, RMSProp and Adam
//! end, by small and by large batches, on the digits, over several runs. All train until every training example is right and
//! the cross-entropy is at most 0.01, so that sharpness is compared at one height. Rates are chosen alike for all: of the
//! powers of √10 from 0.001 to 1, the one with the lowest loss on a validation part, among those that reach the goal in time,
//! in a run apart. Hidden units are smooth (tanh), so that the Hessian says how the loss curves. Asserted: that all learn their examples, and that what is called sharpness is: it is how the loss curves
//! along the eigenvector, and what it says of a step within the box is found in the box. What the papers say may differ from
//! problem to problem, and is reported. Drawn: test error over sharpness.
//!
//! Source: Wilson, Roelofs, Stern, Srebro and Recht, *The marginal value of adaptive gradient methods in machine learning*,
//! 2017; Keskar, Mudigere, Nocedal, Smelyanskiy and Tang, *On large-batch training for deep learning: generalization gap and
//! sharp minima*, 2017.

use std::error::Error;

use ndarray::{Ix1, Ix2};
use pullback::{
    data::{Dataset, Split, digits},
    landscape::{BoxSearch, Lanczos},
    risk::{Estimate, Tally},
    view::{Axis, Chart, Figure},
};

use super::{
    claim::{Claim, Evidence, Outcome, Setting},
    classifier::{Classifier, Fallible, Training, in_parallel},
    intervals::tally,
    method::{METHODS, Method},
};

pub(crate) const CLAIM: Claim = Claim {
    name: "generalization",
    statement: "adaptive methods may generalize worse, and minima differ in sharpness",
    run,
};

const WIDTH: usize = 32;
/// The parts of 1797 digits: 1000 to learn, 300 to choose rates by, 497 to test.
const TEST: f64 = 497.0 / 1797.0;
const VALIDATION: f64 = 300.0 / 1300.0;
const BATCHES: [usize; 2] = [16, 500];
const GOAL: f64 = 0.01;
const LEVEL: f64 = 0.95;
/// A run may take so many times the epochs that were enough when its rate was chosen.
const PATIENCE: u64 = 8;

fn run(setting: &Setting) -> Outcome {
    let (n_trials, n_runs) = setting.pick((1, 2), (3, 20), (10, 50));
    let study = Study {
        n_examples: setting.pick(300, 1000, 1000),
        epochs: setting.pick([250, 2000], [250, 2000], [1000, 10_000]),
        exponents: setting.pick(&[-5, -3, -1], &[-6, -5, -4, -3, -2, -1, 0], &[-7, -6, -5, -4, -3, -2, -1, 0, 1]),
        seed: setting.seed * (n_trials + n_runs),
        n_trials,
    };
    let ways = study.choose_rates()?;
    let groups = study.measure(ways, n_runs)?;
    let mut evidence = Evidence::default();
    let failed = groups.iter().filter(|group| !group.runs.iter().all(|run| run.has_learned)).map(Group::name);
    let failed: Vec<String> = failed.collect();
    let but = if failed.is_empty() { String::new() } else { format!(", but those of {}", failed.join(", ")) };
    evidence.require(failed.is_empty(), format!("all runs end with training error 0{but}"));
    if !failed.is_empty() {
        return Ok(evidence);
    }
    judge(&groups, &mut evidence)?;
    compare(&groups, &mut evidence)?;
    setting.save(&draw(&groups)?, CLAIM.name)?;
    Ok(evidence)
}

/// How all are trained.
struct Study {
    n_examples: usize,
    /// In which a rate has to do, for small and for large batches; runs that count may take longer.
    epochs: [u64; 2],
    /// Of √10.
    exponents: &'static [i32],
    /// Of the first run.
    seed: u64,
    /// Runs that rates are chosen by; others follow.
    n_trials: u64,
}

/// A method, the position of its batch, and its rate.
#[derive(Clone, Copy)]
struct Way {
    method: Method,
    batch: usize,
    rate: f64,
}

/// The runs of one way.
struct Group {
    way: Way,
    runs: Vec<Run>,
}

/// Where a run ends.
struct Run {
    has_learned: bool,
    n_epochs: f64,
    test_error: f64,
    /// The greatest eigenvalue of the Hessian.
    sharpness: f64,
    /// (f(x + hv) − 2f(x) + f(x − hv))/h² along its eigenvector v.
    curvature: f64,
    /// In percent.
    epsilon_sharpness: f64,
    /// ½λh² for a step h along the eigenvector to the end of the box, as ε-sharpness.
    expected: f64,
}

impl Study {
    /// For each method and batch the rate with the lowest validation loss.
    fn choose_rates(&self) -> Result<Vec<Way>, Box<dyn Error>> {
        let rates = self.exponents.iter().map(|&exponent| 10f64.powf(f64::from(exponent) / 2.0));
        let ways: Vec<Way> = rates
            .flat_map(|rate| METHODS.into_iter().map(move |method| (method, rate)))
            .flat_map(|(method, rate)| (0..BATCHES.len()).map(move |batch| Way { method, batch, rate }))
            .collect();
        let losses = in_parallel(&ways, |way| {
            (0..self.n_trials).try_fold(0.0, |total, trial| Ok(total + self.validation_loss(way, self.seed + trial)?))
        })?;
        let best = |(method, batch)| {
            let those = ways.iter().zip(&losses).filter(|(way, _)| way.method == method && way.batch == batch);
            those.min_by(|a, b| a.1.total_cmp(b.1)).map(|(way, _)| *way).expect("invariant: there are rates")
        };
        Ok((0..BATCHES.len()).flat_map(|batch| METHODS.map(|method| (method, batch))).map(best).collect())
    }

    /// Infinite if the goal is not reached.
    fn validation_loss(&self, way: &Way, seed: u64) -> Fallible<f64> {
        let Split { train: kept, .. } = digits().split(TEST, seed)?;
        let Split { train, test: validation } = kept.split(VALIDATION, seed)?;
        let train = train.first(self.n_examples);
        let mut network = Classifier::new(train.array::<f32, Ix2>("x")?.ncols(), WIDTH, |x| x.tanh())?;
        let trained = network.train(way.method.rule(way.rate).as_mut(), &train, &self.training(way, seed, 1))?;
        let loss = network.measure(&trained.parameters, &validation)?.loss;
        Ok(if trained.has_learned { loss } else { f64::INFINITY })
    }

    /// With so many times the epochs in which a rate has to do.
    fn training(&self, way: &Way, seed: u64, times: u64) -> Training {
        Training { batch: BATCHES[way.batch], goal: GOAL, most_epochs: times * self.epochs[way.batch], seed }
    }

    fn measure(&self, ways: Vec<Way>, n_runs: u64) -> Result<Vec<Group>, Box<dyn Error>> {
        let jobs: Vec<(Way, u64)> =
            ways.iter().flat_map(|way| (0..n_runs).map(|run| (*way, self.seed + self.n_trials + run))).collect();
        let mut runs = in_parallel(&jobs, |(way, seed)| self.run(way, *seed))?.into_iter();
        let group = |way| Group { way, runs: runs.by_ref().take(n_runs as usize).collect() };
        Ok(ways.into_iter().map(group).collect())
    }

    fn run(&self, way: &Way, seed: u64) -> Fallible<Run> {
        let Split { train: kept, test } = digits().split(TEST, seed)?;
        let train = kept.split(VALIDATION, seed)?.train.first(self.n_examples);
        let mut network = Classifier::new(train.array::<f32, Ix2>("x")?.ncols(), WIDTH, |x| x.tanh())?;
        let trained = network.train(way.method.rule(way.rate).as_mut(), &train, &self.training(way, seed, PATIENCE))?;
        let test_error = network.measure(&trained.parameters, &test)?.error_rate();
        let blank = Run {
            has_learned: trained.has_learned,
            n_epochs: trained.n_epochs as f64,
            test_error,
            sharpness: f64::NAN,
            curvature: f64::NAN,
            epsilon_sharpness: f64::NAN,
            expected: f64::NAN,
        };
        if trained.has_learned { sharpen(blank, &trained.parameters, &train, seed) } else { Ok(blank) }
    }
}

/// Measures sharpness at the end of a run.
fn sharpen(run: Run, parameters: &pullback::Parameters, train: &Dataset, seed: u64) -> Fallible<Run> {
    let mut landscape = Classifier::landscape(train.array::<f32, Ix2>("x")?.ncols(), WIDTH, |x| x.tanh())?;
    let (x, label) = (train.array::<f32, Ix2>("x")?, train.array::<i64, Ix1>("label")?);
    let mut point = landscape.point(parameters, (("x", &x), ("label", &label)))?;
    // The products have the precision of f32.
    let top = point.sharpness(&Lanczos { tolerance: 1e-4, ..Lanczos::seeded(seed) })?;
    let search = BoxSearch::seeded(seed);
    let length = 3e-3;
    let losses = point.slice(&top.vector, &[-length, 0.0, length])?;
    let longest = top.vector.elements().iter().fold(0.0, |most: f64, element| most.max(element.abs()));
    let rise = 0.5 * top.value * (search.epsilon / longest).powi(2);
    Ok(Run {
        sharpness: top.value,
        curvature: (losses[0] - 2.0 * losses[1] + losses[2]) / length.powi(2),
        epsilon_sharpness: point.epsilon_sharpness(&search)?.percent,
        expected: 100.0 * rise / (1.0 + losses[1]),
        ..run
    })
}

impl Group {
    fn of(&self, number: fn(&Run) -> f64) -> Tally {
        tally(self.runs.iter().map(number))
    }

    fn name(&self) -> String {
        format!("{}, batch {}", self.way.method.name(), BATCHES[self.way.batch])
    }
}

/// What has to hold in each run.
fn judge(groups: &[Group], evidence: &mut Evidence) -> Result<(), Box<dyn Error>> {
    for group in groups {
        let error = group.of(|run| 100.0 * run.test_error).estimate(LEVEL)?;
        let logarithm = group.of(|run| run.sharpness.ln());
        let epsilon = group.of(|run| run.epsilon_sharpness);
        let (name, rate, epochs) = (group.name(), group.way.rate, group.of(|run| run.n_epochs).mean());
        evidence.measure(format!(
            "{name:21} γ = {rate:.4}: test error {error:.2} %, λ {:6.2}, ε-sharpness {:.3} %, {epochs:4.0} epochs",
            logarithm.mean().exp(),
            epsilon.mean()
        ));
    }
    let all = || groups.iter().flat_map(|group| &group.runs);
    let ends = |number: fn(&Run) -> f64| {
        all().map(number).fold((f64::INFINITY, 0.0f64), |(least, most), ratio| (least.min(ratio), most.max(ratio)))
    };
    let (least, most) = ends(|run| run.curvature / run.sharpness);
    let holds = least > 0.9 && most < 1.1 && all().all(|run| run.sharpness > 0.0);
    let text = format!("λ is positive, and the loss curves by {least:.3} to {most:.3} λ along the eigenvector");
    evidence.require(holds, text);
    let (least, _) = ends(|run| run.epsilon_sharpness / run.expected);
    evidence.require(least > 0.9, format!("the loss rises in the box by at least {least:.1} of ½λh²"));
    Ok(())
}

/// On which of two sides of a comparison a group is.
type Side = fn(&Group) -> bool;

/// What the papers say, without an assertion.
fn compare(groups: &[Group], evidence: &mut Evidence) -> Result<(), Box<dyn Error>> {
    let n_runs = groups.first().map_or(0, |group| group.runs.len());
    // Over the groups on either side, run by run, so that all have the same examples.
    let difference = |number: fn(&Run) -> f64, is_there: Side| {
        let mean = |run: usize, side: bool| {
            tally(groups.iter().filter(|group| is_there(group) == side).map(|group| number(&group.runs[run]))).mean()
        };
        tally((0..n_runs).map(|run| mean(run, true) - mean(run, false))).estimate(LEVEL)
    };
    let error = |run: &Run| 100.0 * run.test_error;
    let sides: [(&str, Side); 2] =
        [("adaptive methods", |group| group.way.method.is_adaptive()), ("large batches", |group| group.way.batch == 1)];
    for (name, is_there) in sides {
        let rise = difference(error, is_there)?;
        evidence.measure(format!("{name}: test error higher by {rise:.2} points, {}", verdict(rise)));
        let ratio = difference(|run| run.sharpness.ln(), is_there)?;
        let factor = ratio.value.exp();
        evidence.measure(format!("{name}: λ is {factor:.2} times that of the others, {}", verdict(ratio)));
    }
    let mut points = Vec::new();
    for position in 0..n_runs {
        let runs = || groups.iter().map(|group| &group.runs[position]);
        let middle =
            [tally(runs().map(|run| run.sharpness.ln())).mean(), tally(runs().map(|run| run.test_error)).mean()];
        points.extend(runs().map(|run| (run.sharpness.ln() - middle[0], run.test_error - middle[1])));
    }
    let found = correlation(&points);
    evidence
        .measure(format!("among networks that learned the same examples, ln λ and test error correlate by {found:.2}"));
    Ok(())
}

fn verdict(difference: Estimate) -> &'static str {
    match difference {
        Estimate { lower, .. } if lower > 0.0 => "as the papers say",
        Estimate { upper, .. } if upper < 0.0 => "against the papers",
        _ => "which may be chance",
    }
}

/// Pearson's, of deviations from means.
fn correlation(deviations: &[(f64, f64)]) -> f64 {
    let sum = |of: fn(f64, f64) -> f64| deviations.iter().map(|(x, y)| of(*x, *y)).sum::<f64>();
    sum(|x, y| x * y) / (sum(|x, _| x * x) * sum(|_, y| y * y)).sqrt()
}

fn draw(groups: &[Group]) -> Result<Figure, Box<dyn Error>> {
    let mut charts = Vec::new();
    for (position, batch) in BATCHES.iter().enumerate() {
        let x = Axis::new("sharpness: greatest eigenvalue λ of the Hessian").logarithmic();
        let y = Axis::new("test error (%)");
        let mut chart = Chart::new(format!("batches of {batch} (bars: 95 % over runs)"), x, y);
        for group in groups.iter().filter(|group| group.way.batch == position) {
            let error = group.of(|run| 100.0 * run.test_error).estimate(LEVEL)?;
            let middle = group.of(|run| run.sharpness.ln()).mean().exp();
            chart = chart
                .points(group.way.method.name(), group.runs.iter().map(|run| (run.sharpness, 100.0 * run.test_error)))
                .error_bars([(middle, error.lower, error.upper)]);
        }
        charts.push(chart);
    }
    Ok(Figure::new(charts, 2))
}

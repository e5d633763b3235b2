//! More hidden units than it takes to know all training examples by heart do not make a network worse on others.
//!
//! Measured: training and test error of networks of one hidden layer of H units, for H from 4 to 1024, over several runs with
//! first weights and examples of their own, on the digits and, where its files are, on a part of Fashion-MNIST. All are
//! trained in the same way, without regularization: heavy ball until the cross-entropy is at most 0.01, as in Neyshabur et
//! al. (2018). Drawn: both errors over H.
//!
//! Source: Neyshabur, Tomioka and Srebro, *In search of the real inductive bias: on the role of implicit regularization in
//! deep learning*, 2015, figure 1; Neyshabur, Li, Bhojanapalli, LeCun and Srebro, *The role of over-parametrization in
//! generalization of neural networks*, 2018.

use std::error::Error;

use ndarray::Ix2;
use pullback::{
    data::{DataError, Split, digits, mnist},
    optim::HeavyBall,
    risk::Tally,
    view::{Axis, Chart, Figure},
};

use super::{
    claim::{Claim, Evidence, Outcome, Setting, Size},
    classifier::{Classifier, Training, in_parallel},
};

pub(crate) const CLAIM: Claim = Claim {
    name: "width",
    statement: "with more hidden units the training error falls to 0 and the test error does not rise",
    run,
};

const MOMENTUM: f64 = 0.9;
const BATCH: usize = 64;
const GOAL: f64 = 0.01;
/// Digits to learn from; the others, 797, are for testing.
const N_DIGITS: usize = 1000;
/// A network knows its examples by heart if it errs on at most this part of them.
const TINY: f64 = 1e-3;
/// Of the interval that is judged.
const LEVEL: f64 = 0.999;
/// The rise of the test error that is ruled out at this level.
const MARGIN: f64 = 0.01;

fn run(setting: &Setting) -> Outcome {
    let mut evidence = Evidence::default();
    let widths: &[usize] = setting.pick(&[4, 8, 16, 64, 256], &[4, 8, 16, 32, 64, 128, 256, 512, 1024], &ALL_WIDTHS);
    let most_epochs = setting.pick(200, 1000, 1000);
    let n_runs = setting.pick(2, 5, 10);
    let splits = (0..n_runs).map(|run| digits().split(1.0 - N_DIGITS as f64 / 1797.0, setting.seed * n_runs + run));
    let splits = splits.collect::<Result<_, _>>()?;
    let study = Study { name: "digits", splits, rate: 0.03, most_epochs, seed: setting.seed };
    let rows = study.measure(widths)?;
    judge(study.name, &rows, &mut evidence)?;
    let mut charts = vec![draw(&study, &rows)?];
    if let Some(study) = fashion(setting, &mut evidence)? {
        let rows = study.measure(widths)?;
        judge(study.name, &rows, &mut evidence)?;
        charts.push(draw(&study, &rows)?);
    }
    setting.save(&Figure::new(charts, 2), CLAIM.name)?;
    Ok(evidence)
}

const ALL_WIDTHS: [usize; 17] = [4, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 181, 256, 362, 512, 724, 1024];

/// Images of clothing, if there are any and there is time.
fn fashion(setting: &Setting, evidence: &mut Evidence) -> Result<Option<Study>, Box<dyn Error>> {
    if setting.size == Size::Quick {
        evidence.measure("Fashion-MNIST takes longer and is left out");
        return Ok(None);
    }
    let Split { train, test } = match mnist::read(&setting.data) {
        Err(error @ DataError::Absent { .. }) => {
            evidence.measure(format!("Fashion-MNIST is left out: {error}"));
            return Ok(None);
        }
        split => split?,
    };
    let (n_examples, n_runs, most_epochs) = setting.pick((1000, 1, 100), (2000, 3, 150), (5000, 5, 1000));
    let part = |run| -> Result<Split, DataError> {
        let fraction = n_examples as f64 / train.len() as f64;
        Ok(Split { train: train.split(fraction, setting.seed * n_runs + run)?.test, test: test.clone() })
    };
    let splits = (0..n_runs).map(part).collect::<Result<_, _>>()?;
    // An image is three times as long a vector as a digit.
    Ok(Some(Study { name: "Fashion-MNIST", splits, rate: 0.02, most_epochs, seed: setting.seed }))
}

/// What to learn, once for each run.
struct Study {
    name: &'static str,
    splits: Vec<Split>,
    rate: f64,
    most_epochs: u64,
    seed: u64,
}

/// What comes of one width.
struct Row {
    width: usize,
    runs: Vec<Run>,
}

struct Run {
    training_error: f64,
    /// 1 for each test example that is taken for another class, else 0.
    errors: Vec<f64>,
    n_epochs: u64,
}

impl Study {
    fn measure(&self, widths: &[usize]) -> Result<Vec<Row>, Box<dyn Error>> {
        // The widest take longest, and begin.
        let jobs: Vec<(usize, usize)> =
            widths.iter().rev().flat_map(|width| (0..self.splits.len()).map(move |run| (*width, run))).collect();
        let mut runs = in_parallel(&jobs, |&(width, run)| {
            let Split { train, test } = &self.splits[run];
            let mut network = Classifier::new(train.array::<f32, Ix2>("x")?.ncols(), width, |x| x.relu())?;
            let seed = self.seed * self.splits.len() as u64 + run as u64;
            let how = Training { batch: BATCH, goal: GOAL, most_epochs: self.most_epochs, seed };
            let trained = network.train(&mut HeavyBall::new(self.rate, MOMENTUM), train, &how)?;
            let training_error = network.measure(&trained.parameters, train)?.error_rate();
            let errors = network.measure(&trained.parameters, test)?.errors;
            Ok(Run { training_error, errors, n_epochs: trained.n_epochs })
        })?
        .into_iter();
        let row = |&width: &usize| Row { width, runs: runs.by_ref().take(self.splits.len()).collect() };
        let mut rows: Vec<Row> = widths.iter().rev().map(row).collect();
        rows.reverse();
        Ok(rows)
    }
}

impl Row {
    fn training_error(&self) -> Tally {
        tally(self.runs.iter().map(|run| run.training_error))
    }

    fn test_error(&self) -> Tally {
        tally(self.runs.iter().map(|run| run.errors.iter().sum::<f64>() / run.errors.len() as f64))
    }

    /// How many errors more than another width makes on the same examples after learning the same ones.
    fn rise_from(&self, other: &Row) -> Tally {
        let pairs = self.runs.iter().zip(&other.runs).flat_map(|(own, others)| own.errors.iter().zip(&others.errors));
        tally(pairs.map(|(own, others)| own - others))
    }

    fn has_learned(&self) -> bool {
        self.runs.iter().all(|run| run.training_error <= TINY)
    }
}

fn tally(numbers: impl IntoIterator<Item = f64>) -> Tally {
    let mut tally = Tally::default();
    tally.extend(numbers);
    tally
}

/// What the claim says of the rows.
fn judge(name: &str, rows: &[Row], evidence: &mut Evidence) -> Result<(), Box<dyn Error>> {
    for row in rows {
        let (training, test) = (100.0 * row.training_error().mean(), 100.0 * row.test_error().mean());
        let n_epochs = tally(row.runs.iter().map(|run| run.n_epochs as f64)).mean();
        let width = row.width;
        evidence.measure(format!(
            "{name}, H = {width:4}: training error {training:6.3} %, test error {test:5.2} %, {n_epochs:4.0} epochs"
        ));
    }
    let Some(first) = rows.iter().position(Row::has_learned) else {
        evidence.require(false, format!("{name}: the training error comes down to {TINY}"));
        return Ok(());
    };
    let (least, last) = (&rows[first], &rows[rows.len() - 1]);
    let width = least.width;
    let stays = rows[first..].iter().all(Row::has_learned) && last.training_error().mean() == 0.0;
    let text = format!("{name}: from H = {width} on the training error is at most {TINY} in every run, in the end 0");
    evidence.require(stays, text);
    let falls = rows.windows(2).all(|pair| pair[1].training_error().mean() <= pair[0].training_error().mean() + TINY);
    evidence.require(falls, format!("{name}: the training error never rises with H by more than {TINY}"));
    let rise = last.rise_from(least).estimate(LEVEL)?;
    let text = format!("{name}: from H = {width} to {} the test error rises by {rise}", last.width);
    evidence.require(rise.upper <= MARGIN, text);
    Ok(())
}

fn draw(study: &Study, rows: &[Row]) -> Result<Chart, Box<dyn Error>> {
    let of = |error: fn(&Row) -> Tally| rows.iter().map(move |row| (row.width as f64, 100.0 * error(row).mean()));
    let bars = |error: fn(&Row) -> Tally| {
        rows.iter().filter_map(move |row| {
            let estimate = error(row).estimate(0.95).ok()?;
            Some((row.width as f64, 100.0 * estimate.lower.max(0.0), 100.0 * estimate.upper))
        })
    };
    let n_examples = study.splits[0].train.len();
    let title = format!("{}: {n_examples} training examples, {} runs", study.name, study.splits.len());
    let greatest = of(Row::test_error).fold(0.0, |most: f64, (_, error)| most.max(error));
    let y = Axis::new("error (%)").range(-0.05 * greatest, 1.25 * greatest);
    let x = Axis::new("hidden units H").logarithmic();
    Ok(Chart::new(title, x, y)
        .line("training", of(Row::training_error))
        .error_bars(bars(Row::training_error))
        .points("", of(Row::training_error))
        .line("test (bars: 95 % over runs)", of(Row::test_error))
        .error_bars(bars(Row::test_error))
        .points("", of(Row::test_error)))
}

//! Adaptive methods learn a text faster than SGD at first, and are said to predict new text worse in the end.
//!
//! Measured: the perplexity, which is exp of the mean cross-entropy, of a language model of characters: two LSTM layers with
//! dropout, by truncated backpropagation with the state carried from window to window, under SGD, heavy ball, AdaGrad, RMSProp and
//! Adam. Rates are chosen alike: of the powers of √10, each method begins with three around its usual one and goes on to the next
//! until the best has a worse one on both sides, by the development part, in runs apart. A rate is halved after each epoch that is
//! no better on the development part, and the parameters of the best epoch are what counts. Asserted: that all find more in the
//! text than the frequencies of its characters. What the paper says is compared run by run, and reported. Drawn: perplexity over
//! epochs, of the training and of the development part.
//!
//! Source: Wilson, Roelofs, Stern, Srebro and Recht, *The marginal value of adaptive gradient methods in machine learning*, 2017,
//! sections 4.2 and 4.4; the model is that of Karpathy's char-rnn, smaller.

use std::error::Error;

use pullback::{
    DType, Expr, Graph, Options,
    data::Batching,
    nn::{Dropout, Embedding, Layer, Linear, Lstm, LstmCell, LstmOptions, cross_entropy},
    risk::Estimate,
    train::{Fit, Patience, Plateau, TrainError, Trainer},
    view::{Axis, Chart, Figure},
};

use super::{
    claim::{Claim, Evidence, Outcome, Setting},
    classifier::{Fallible, in_parallel},
    corpus::Corpus,
    intervals::{mean_of_few, tally},
    method::{METHODS, Method},
};

pub(crate) const CLAIM: Claim = Claim {
    name: "language-model",
    statement: "adaptive methods learn a text faster at first, and predict new text worse in the end",
    run,
};

/// Streams that are read at once, and characters of a window.
const STREAMS: usize = 8;
const LENGTH: usize = 25;
const LEVEL: f64 = 0.95;
/// The Euclidean norm above which gradients are scaled down.
const MOST: f64 = 5.0;

fn run(setting: &Setting) -> Outcome {
    let n = setting.pick(20_000, 40_000, 400_000);
    let mut evidence = Evidence::default();
    let Some(corpus) = Corpus::find(setting, n, LENGTH)? else {
        evidence.measure(Corpus::help());
        return Ok(evidence);
    };
    let n_runs = setting.pick(2, 3, 5);
    let study = Study {
        corpus: &corpus,
        width: setting.pick(16, 32, 96),
        dropout: setting.pick(0.1, 0.1, 0.2),
        n_epochs: setting.pick(2, 8, 20),
        seed: setting.seed * (1 + n_runs),
    };
    let ways = study.choose_rates()?;
    let groups = study.measure(ways, n_runs)?;
    evidence.measure(format!(
        "{} characters of {}, {} of them different; perplexity {:.1} by their frequencies alone",
        corpus.length, corpus.name, corpus.n_characters, corpus.by_frequency
    ));
    judge(&groups, corpus.by_frequency, &mut evidence)?;
    compare(&groups, &mut evidence)?;
    setting.save(&draw(&groups), CLAIM.name)?;
    Ok(evidence)
}

/// How all are trained.
struct Study<'c> {
    corpus: &'c Corpus,
    width: usize,
    dropout: f64,
    n_epochs: u64,
    /// Of the run that rates are chosen by; others follow.
    seed: u64,
}

/// A method, and its rate as a power of √10.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Way {
    method: Method,
    exponent: i32,
}

/// The runs of one way.
struct Group {
    way: Way,
    runs: Vec<Run>,
}

/// The perplexities of a run.
struct Run {
    /// Epoch by epoch: of the training part while it is learned, with dropout, and of the development part after it.
    epochs: Vec<[f64; 2]>,
    /// With the parameters of the best epoch, without dropout.
    train: f64,
    development: f64,
    test: f64,
}

impl Way {
    fn rate(self) -> f64 {
        10f64.powf(f64::from(self.exponent) / 2.0)
    }

    /// The rate in the middle of those that are tried first.
    fn usual(method: Method) -> Way {
        let exponent = match method {
            Method::Sgd => 0,
            Method::HeavyBall => -2,
            Method::AdaGrad => -3,
            Method::RmsProp | Method::Adam => -5,
        };
        Way { method, exponent }
    }

    fn beside(self) -> [Way; 2] {
        [-1, 1].map(|step| Way { exponent: self.exponent + step, ..self })
    }
}

impl Study<'_> {
    /// For each method the rate with the lowest development loss, the next ones on both sides of which are worse.
    fn choose_rates(&self) -> Result<Vec<Way>, Box<dyn Error>> {
        let mut tried: Vec<(Way, f64)> = Vec::new();
        let mut open: Vec<Way> = METHODS.map(Way::usual).to_vec();
        open.extend(METHODS.map(Way::usual).iter().flat_map(|way| way.beside()));
        loop {
            let losses =
                in_parallel(&open, |way| Ok(self.run(*way, self.seed)?.map_or(f64::INFINITY, |run| run.development)))?;
            tried.extend(open.iter().copied().zip(losses));
            let best: Vec<Way> = METHODS.iter().filter_map(|method| best(&tried, *method)).collect();
            open = best
                .iter()
                .flat_map(|way| way.beside())
                .filter(|way| tried.iter().all(|(other, _)| other != way))
                .collect();
            if open.is_empty() {
                return Ok(best);
            }
        }
    }

    fn measure(&self, ways: Vec<Way>, n_runs: u64) -> Result<Vec<Group>, Box<dyn Error>> {
        let jobs: Vec<(Way, u64)> =
            ways.iter().flat_map(|way| (1..=n_runs).map(|run| (*way, self.seed + run))).collect();
        let runs = in_parallel(&jobs, |(way, seed)| {
            let name = way.method.name();
            self.run(*way, *seed)?
                .ok_or_else(|| format!("{name}: the loss is no number, at a rate that was good").into())
        })?;
        let mut runs = runs.into_iter();
        Ok(ways.into_iter().map(|way| Group { way, runs: runs.by_ref().take(n_runs as usize).collect() }).collect())
    }

    /// None if the loss is no number any more.
    fn run(&self, way: Way, seed: u64) -> Fallible<Option<Run>> {
        let g = Graph::new();
        let losses = self.losses(&g);
        let mut trainer = Trainer::with_options(losses, [], &Options { threads: 1, ..Options::default() })?;
        let (mut parameters, mut rule) = (g.initialize(seed)?, way.method.rule(way.rate()));
        let fit = Fit::new(self.n_epochs, Batching::new(STREAMS).continued())
            .clip_norm(MOST)
            .plateau(Plateau::new(0.5, 1))
            .patience(Patience::new(self.n_epochs));
        let training = trainer.training(&mut parameters, rule.as_mut()).validate(&self.corpus.development);
        let report = match training.fit(&self.corpus.train, &fit) {
            Err(TrainError::NonFinite { .. }) => return Ok(None),
            report => report?,
        };
        let epochs =
            report.history.epochs().iter().map(|epoch| [epoch.train[0].exp(), epoch.validation[0].value.exp()]);
        let loss = &report.measures[0];
        let development = loss.held_out.ok_or("there is a development part")?.value.exp();
        let test = trainer.evaluate(&parameters, &self.corpus.test, LEVEL)?[0].estimate.value.exp();
        Ok(Some(Run { epochs: epochs.collect(), train: loss.training.exp(), development, test }))
    }

    /// The loss of each character, `[streams, length]`.
    fn losses<'g>(&self, g: &'g Graph) -> Expr<'g> {
        let (n_characters, width) = (self.corpus.n_characters, self.width);
        let [x, y] = ["x", "y"].map(|name| g.input_of(DType::I64, name, (STREAMS, LENGTH)));
        let cell = LstmCell { forget_bias: 1.0 };
        let options = LstmOptions { layers: 2, dropout: self.dropout, cell, ..LstmOptions::default() };
        let lstm = Lstm::with(g, "lstm", width / 2, width, options);
        let read = Embedding::new(g, "embedding", n_characters, width / 2).call(x.t());
        let hidden = Dropout::new(g, "dropout", self.dropout).call(lstm.carried(read));
        cross_entropy(Linear::new(g, "out", width, n_characters).call(hidden), y.t()).t()
    }
}

/// The way of a method with the lowest loss of those that were tried.
fn best(tried: &[(Way, f64)], method: Method) -> Option<Way> {
    let those = tried.iter().filter(|(way, _)| way.method == method);
    those.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(way, _)| *way)
}

impl Group {
    fn of(&self, number: impl Fn(&Run) -> f64) -> Result<Estimate, Box<dyn Error>> {
        mean_of_few(self.runs.iter().map(number))
    }
}

/// What has to hold in each run.
fn judge(groups: &[Group], by_frequency: f64, evidence: &mut Evidence) -> Result<(), Box<dyn Error>> {
    for group in groups {
        let (name, rate) = (group.way.method.name(), group.way.rate());
        let [train, development, test] =
            [group.of(|run| run.train)?, group.of(|run| run.development)?, group.of(|run| run.test)?];
        evidence.measure(format!(
            "{name:10} γ = {rate:.4}: perplexity {train:.3} in training, {development:.3} in development, {test:.3} in the test"
        ));
    }
    let worst = groups.iter().flat_map(|group| &group.runs).map(|run| run.test).fold(0.0, f64::max);
    let text = format!("all find more in the text than frequencies: the worst test perplexity is {worst:.2}");
    evidence.require(worst < by_frequency, text);
    Ok(())
}

/// A number of a run.
type Number<'n> = &'n dyn Fn(&Run) -> f64;

/// What the paper says, without an assertion: adaptive methods against the others, and each against SGD.
fn compare(groups: &[Group], evidence: &mut Evidence) -> Result<(), Box<dyn Error>> {
    let sides = |number: Number<'_>| {
        let n_runs = groups.first().map_or(0, |group| group.runs.len());
        let mean = |run: usize, side: bool| {
            let side = groups.iter().filter(|group| group.way.method.is_adaptive() == side);
            tally(side.map(|group| number(&group.runs[run]).ln())).mean()
        };
        mean_of_few((0..n_runs).map(|run| mean(run, true) - mean(run, false)))
    };
    let first = |run: &Run, part: usize| run.epochs.first().map_or(f64::NAN, |epoch| epoch[part]);
    let measures: [(&str, Expectation, Number<'_>); 5] = [
        ("in training, first epoch", Expectation::Lower, &|run| first(run, 0)),
        ("in development, first epoch", Expectation::Lower, &|run| first(run, 1)),
        ("in training, in the end", Expectation::None, &|run| run.train),
        ("in development, in the end", Expectation::Higher, &|run| run.development),
        ("in the test, in the end", Expectation::Higher, &|run| run.test),
    ];
    for (what, expectation, number) in measures {
        let ratio = sides(number)?;
        let [value, lower, upper] = [ratio.value, ratio.lower, ratio.upper].map(f64::exp);
        let verdict = expectation.verdict(ratio);
        evidence.measure(format!(
            "adaptive methods, {what}: {value:.3} times the perplexity of the others ({lower:.3} to {upper:.3}), {verdict}"
        ));
    }
    let Some((sgd, others)) = groups.split_first() else { return Ok(()) };
    for group in others {
        let ratios = group.runs.iter().zip(&sgd.runs).map(|(run, sgd)| (run.test / sgd.test).ln());
        let ratio = mean_of_few(ratios)?;
        let [value, lower, upper] = [ratio.value, ratio.lower, ratio.upper].map(f64::exp);
        let name = group.way.method.name();
        evidence.measure(format!("{name}: {value:.3} times the test perplexity of SGD ({lower:.3} to {upper:.3})"));
    }
    Ok(())
}

/// What the paper says of adaptive methods.
#[derive(Clone, Copy)]
enum Expectation {
    Lower,
    Higher,
    None,
}

impl Expectation {
    fn verdict(self, difference: Estimate) -> &'static str {
        let is_higher = match difference {
            Estimate { lower, .. } if lower > 0.0 => Some(true),
            Estimate { upper, .. } if upper < 0.0 => Some(false),
            _ => None,
        };
        match (self, is_higher) {
            (_, None) => "which may be chance",
            (Expectation::None, Some(_)) => "beyond chance",
            (Expectation::Lower, Some(false)) | (Expectation::Higher, Some(true)) => "as the paper says",
            (Expectation::Lower, Some(true)) | (Expectation::Higher, Some(false)) => "against the paper",
        }
    }
}

/// Perplexities over epochs: the mean over runs, with the band between the least and the greatest.
fn draw(groups: &[Group]) -> Figure {
    let charts =
        ["training part, while it is learned", "development part"].into_iter().enumerate().map(|(part, title)| {
            let (x, y) = (Axis::new("epochs"), Axis::new("perplexity of a character").logarithmic());
            let chart = Chart::new(format!("{title} (bands: all runs)"), x, y);
            groups.iter().fold(chart, |chart, group| {
                let n_epochs = group.runs.first().map_or(0, |run| run.epochs.len());
                let of = |epoch: usize| group.runs.iter().map(move |run| run.epochs[epoch][part]);
                let x = |epoch: usize| (epoch + 1) as f64;
                let middle = (0..n_epochs).map(|epoch| (x(epoch), tally(of(epoch)).mean()));
                let ends = |epoch| [of(epoch).fold(f64::INFINITY, f64::min), of(epoch).fold(0.0, f64::max)];
                let band = (0..n_epochs).map(|epoch| (x(epoch), ends(epoch)[0], ends(epoch)[1]));
                chart.line(group.way.method.name(), middle).band(band)
            })
        });
    Figure::new(charts, 2)
}

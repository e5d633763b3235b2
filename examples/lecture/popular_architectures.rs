//! Popular architectures: how many parameters they have, and how their test error goes with it.
//!
//! Asserted, without data: the networks of the credited repository's table have as many parameters as are published, to the last one
//! where the sum can be worked out by hand. Measured on Fashion-MNIST, if it is there: the test error of small networks of each
//! family over their number of parameters, all trained alike, in the form that each has for images of 32×32 but with fewer channels.
//! Each interval is over test images, whose errors are averaged over the runs. Asserted of it is only that all learn: that they err
//! less than by guessing. Drawn: test error over parameters.
//!
//! Source: <https://github.com/bearpaw/pytorch-classification>, and the papers at the head of each file of `architectures`.

use std::error::Error;

use pullback::{
    DType, Graph, Options, Parameters, Program,
    data::{Augmented, Batching, DataError, Dataset, Split, mnist},
    nn::{Layer, cross_entropy, zero_one_loss},
    optim::{Adam, Schedule},
    risk::{Estimate, Tally},
    train::{Fit, Trainer},
    view::{Axis, Chart, Figure},
};

use super::{
    architectures::{
        Architecture, Block, Images, Norm,
        published::{PUBLISHED, coloured},
    },
    claim::{Claim, Evidence, Outcome, Setting},
    classifier::{Fallible, in_parallel},
};

pub(crate) const CLAIM: Claim = Claim {
    name: "architectures",
    statement: "popular architectures have as many parameters as published; test errors over parameters",
    run,
};

const SIDE: usize = 28;
const GREY: Images = Images { channels: 1, side: SIDE, classes: 10 };
const BATCH: usize = 32;
const RATE: f64 = 5e-3;
const LEVEL: f64 = 0.95;
/// Images that are measured at once.
const MEASURED: usize = 250;
/// The test error of one of ten classes at random.
const GUESSING: f64 = 0.9;

fn run(setting: &Setting) -> Outcome {
    let mut evidence = Evidence::default();
    count(&mut evidence)?;
    let Some(study) = Study::new(setting, &mut evidence)? else { return Ok(evidence) };
    let points = study.measure()?;
    judge(&points, &mut evidence)?;
    setting.save(&draw(&study, &points)?, CLAIM.name)?;
    Ok(evidence)
}

/// Parameters, without data.
fn count(evidence: &mut Evidence) -> Result<(), Box<dyn Error>> {
    for published in &PUBLISHED {
        let found = published.architecture.n_parameters(coloured(10))?;
        let digits = published.printed.split_once('.').map_or(0, |(_, digits)| digits.len());
        let is_printed = format!("{:.digits$}", found as f64 / 1e6) == published.printed;
        let (architecture, printed, source) = (published.architecture, published.printed, published.source);
        let text = format!("{architecture}: {found} parameters; {source} says {printed} million");
        evidence.require(found == published.n_parameters && is_printed, text);
    }
    Ok(())
}

/// Networks of each family, small enough for a few minutes, from the smallest to the largest.
fn networks(n_sizes: usize) -> Vec<Architecture> {
    let block = Block::Basic;
    let of_size = |size: usize| {
        let width = 4 << size;
        [
            Architecture::LeNet { width: 3 << size, norm: Norm::None },
            Architecture::AlexNet { width },
            Architecture::Vgg { depth: 11, width, norm: Norm::Batch },
            Architecture::ResNet { depth: 8, width, block },
            Architecture::PreResNet { depth: 8, width, block },
            Architecture::WideResNet { depth: 10, width: 4, factor: 2 + size, dropout: 0.0 },
            Architecture::ResNext { depth: 11, cardinality: 4, width: width / 2 },
            Architecture::DenseNet { depth: 16, growth: 3 << size },
        ]
    };
    (0..n_sizes).flat_map(of_size).collect()
}

/// What is learned, and how.
struct Study {
    train: Dataset,
    test: Dataset,
    networks: Vec<Architecture>,
    epochs: u64,
    seeds: Vec<u64>,
}

/// What comes of one network.
struct Point {
    architecture: Architecture,
    n_parameters: usize,
    /// The test error of each run.
    of_runs: Vec<f64>,
    /// Their mean, with its interval over test images.
    error: Estimate,
}

impl Study {
    /// Nothing without the images.
    fn new(setting: &Setting, evidence: &mut Evidence) -> Result<Option<Study>, Box<dyn Error>> {
        let Split { train, test } = match mnist::read(&setting.data) {
            Err(error @ DataError::Absent { .. }) => {
                evidence.measure(format!("test errors are left out: {error}"));
                return Ok(None);
            }
            split => split?,
        };
        let (n_train, n_test) = setting.pick((1_280, 500), (1_280, 2_000), (20_000, 10_000));
        let (n_sizes, epochs, n_runs) = setting.pick((1, 2, 1), (2, 4, 1), (3, 6, 2));
        let first = |images: &Dataset, n| images.first(n).reshape("x", (1, SIDE, SIDE));
        Ok(Some(Study {
            train: first(&train, n_train)?,
            test: first(&test, n_test)?,
            networks: networks(n_sizes),
            epochs,
            seeds: (0..n_runs).map(|run| setting.seed * n_runs + run).collect(),
        }))
    }

    fn measure(&self) -> Result<Vec<Point>, Box<dyn Error>> {
        // The largest take longest, and begin.
        let jobs: Vec<(Architecture, u64)> =
            self.networks.iter().rev().flat_map(|network| self.seeds.iter().map(|seed| (*network, *seed))).collect();
        let runs = in_parallel(&jobs, |(architecture, seed)| self.run(*architecture, *seed))?;
        let mut points = Vec::new();
        for (architecture, runs) in self.networks.iter().rev().zip(runs.chunks(self.seeds.len())) {
            let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
            let mut of_images = Tally::default();
            of_images.extend(
                (0..self.test.len()).map(|image| runs.iter().map(|run| run[image]).sum::<f64>() / runs.len() as f64),
            );
            points.push(Point {
                architecture: *architecture,
                n_parameters: architecture.n_parameters(GREY)?,
                of_runs: runs.iter().map(|run| mean(run)).collect(),
                error: of_images.estimate(LEVEL)?,
            });
        }
        points.reverse();
        Ok(points)
    }

    /// Trains a network, on one thread. Gives 1 for each test image that is taken for another class, else 0.
    fn run(&self, architecture: Architecture, seed: u64) -> Fallible<Vec<f64>> {
        let g = Graph::new();
        let (x, label) = (g.input("x", ("batch", 1, SIDE, SIDE)), g.input_of(DType::I64, "label", ("batch",)));
        let scores = architecture.build(&g, GREY)?.call(x);
        let options = Options { threads: 1, ..Options::default() };
        let mut trainer = Trainer::with_options(cross_entropy(scores, label), [], &options)?;
        let mut measure = g.compile_with(("error", zero_one_loss(scores, label)), &options)?;
        let mut parameters = g.initialize(seed)?;
        let n_steps = self.epochs * self.train.len().div_ceil(BATCH) as u64;
        let mut rule = Adam::new(Schedule::one_cycle(RATE, n_steps / 4, n_steps));
        let seen = Augmented::new(&self.train, "x", seed)?.flip();
        trainer.training(&mut parameters, &mut rule).fit(&seen, &Fit::new(self.epochs, BATCH).seed(seed))?;
        errors(&mut measure, &parameters, &self.test)
    }
}

fn errors(measure: &mut Program, parameters: &Parameters, images: &Dataset) -> Fallible<Vec<f64>> {
    let mut errors = Vec::with_capacity(images.len());
    for batch in Batching::new(MEASURED).in_order().epoch(images, 0, 0)? {
        let out = measure.run(parameters, &batch?)?;
        let of_batch = out["error"].array::<f32>().ok_or("errors are not of f32")?;
        errors.extend(of_batch.iter().map(|error| f64::from(*error)));
    }
    Ok(errors)
}

fn judge(points: &[Point], evidence: &mut Evidence) -> Result<(), Box<dyn Error>> {
    for Point { architecture, n_parameters, of_runs, error } in points {
        let (least, most) = ends(of_runs);
        let of_runs = if of_runs.len() > 1 {
            format!(", runs {:.1} to {:.1}", 100.0 * least, 100.0 * most)
        } else {
            String::new()
        };
        let (value, lower, upper) = (100.0 * error.value, 100.0 * error.lower, 100.0 * error.upper);
        let text = format!(
            "{:32} {n_parameters:7} parameters: test error {value:.1} % (95 %: {lower:.1} to {upper:.1}){of_runs}",
            architecture.to_string()
        );
        evidence.require(error.upper < GUESSING, text);
    }
    Ok(())
}

fn ends(numbers: &[f64]) -> (f64, f64) {
    numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (least.min(*x), most.max(*x)))
}

fn draw(study: &Study, points: &[Point]) -> Result<Figure, Box<dyn Error>> {
    let title = format!("{} training images, {} epochs; bars: 95 %", study.train.len(), study.epochs);
    let greatest = points.iter().fold(0.0, |most: f64, point| most.max(100.0 * point.error.upper));
    let y = Axis::new("test error (%)").range(0.0, 1.4 * greatest);
    let mut chart = Chart::new(title, Axis::new("parameters").logarithmic(), y);
    let mut families: Vec<&str> = points.iter().map(|point| point.architecture.family()).collect();
    families.sort_unstable();
    families.dedup();
    for family in families {
        let of_family = || points.iter().filter(move |point| point.architecture.family() == family);
        let bar = |point: &Point| (point.n_parameters as f64, 100.0 * point.error.lower, 100.0 * point.error.upper);
        let middle = |point: &Point| (point.n_parameters as f64, 100.0 * point.error.value);
        chart = chart
            .line(family, of_family().map(middle))
            .error_bars(of_family().map(bar))
            .points("", of_family().map(middle));
    }
    Ok(Figure::new([chart], 1))
}

//! Noise escapes saddles, gradient descent does not.
//!
//! Measured: descents along the whole gradient, with noise of a sphere added, and along gradients of minibatches, that begin
//! on saddles or on ways into them: ½x² − ½y² + ¼y⁴; the monkey saddle x³ − 3xy² + ½(x² + y²)², which is degenerate; and the
//! decomposition of an orthogonal tensor T = Σₖ aₖ⊗aₖ⊗aₖ⊗aₖ in d = 4 dimensions by the uᵢ of unit length with the least
//!
//! f(u) = Σ_{i≠j} T(uᵢ, uᵢ, uⱼ, uⱼ).
//!
//! How long each takes to come down, and what kind of point it comes to. Drawn: paths, and losses over the steps.
//!
//! The uᵢ are divided by their lengths in the graph, and ¼Σ(‖uᵢ‖² − 1)² is added, so that no projection is needed and minima
//! are strict. T is known by examples alone: x = Σₖ yₖaₖ with independent yₖ of four levels, for which (E x⊗x⊗x⊗x − the same
//! of a normal x)/κ₄ = T. All 4⁴ examples together have these moments exactly.
//! In the plane an example tilts the loss along an axis, and all tilts add up to nothing.
//!
//! Source: Ge, Huang, Jin and Yuan, *Escaping from saddle points: online stochastic gradient for tensor decomposition*, 2015:
//! the objective and its stochastic oracle for independent components, section 4; noise, Algorithm 1.

use std::error::Error;

use ndarray::{Array2, Axis as Dimension};
use pullback::{
    DType, Expr, Gradients, Graph, Initializer, Parameters, TrainingStep,
    landscape::{Lanczos, Landscape, StationaryKind, Tolerance},
    optim::{Optimizer, PerturbedSgd, Sgd},
    parameters::ParameterSpec,
    view::{Axis, Chart, Corner, Figure, Grid},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    claim::{Claim, Evidence, Outcome, Setting},
    descent::compile,
    statistics::quantile,
};

pub(crate) const CLAIM: Claim =
    Claim { name: "saddles", statement: "noise escapes saddles, gradient descent does not", run };

/// How long the noise of perturbed SGD is.
const RADIUS: f64 = 0.5;

/// Components of the tensor.
const D: usize = 4;

/// How far the pictures of the plane go from 0.
const REACH: f64 = 1.8;

const MONKEY: &str = "monkey saddle";

fn run(setting: &Setting) -> Outcome {
    let mut evidence = Evidence::default();
    let (mut charts, mut below) = (Vec::new(), Vec::new());
    for (name, surface) in [("min-max saddle", min_max as Surface), (MONKEY, monkey)] {
        let mut study = Study::new(Problem::plane(name, surface)?, setting)?;
        study.judge(&[], &mut evidence)?;
        charts.push(study.contours()?);
        below.push(study.losses());
    }
    charts.append(&mut below);
    // What two equal rows are moved by is equal too, for every minibatch: this noise leads nowhere that they differ.
    for (saddle, stuck) in [(Saddle::HalfWay, &[][..]), (Saddle::AllEqual, &[Method::Minibatch][..])] {
        let mut study = Study::new(Problem::tensor(saddle, setting.seed)?, setting)?;
        study.judge(stuck, &mut evidence)?;
        charts.push(study.losses());
    }
    setting.save(&Figure::new(charts, 2), CLAIM.name)?;
    Ok(evidence)
}

/// A loss of x and y.
type Surface = for<'g> fn(Expr<'g>, Expr<'g>) -> Expr<'g>;

/// ½x² − ½y² + ¼y⁴: a saddle at the origin, minima at y = ±1.
fn min_max<'g>(x: Expr<'g>, y: Expr<'g>) -> Expr<'g> {
    0.5 * x.square() - 0.5 * y.square() + 0.25 * y.powi(4)
}

/// x³ − 3xy² + ½(x² + y²)²: three ways down from the origin, to minima 1.5 away.
fn monkey<'g>(x: Expr<'g>, y: Expr<'g>) -> Expr<'g> {
    x.powi(3) - 3.0 * x * y.square() + 0.5 * (x.square() + y.square()).square()
}

/// Where the decomposition begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Saddle {
    /// Two uᵢ lie half-way between the same two aₖ, and two between the others.
    HalfWay,
    /// All uᵢ are the same, as near to one aₖ as to another.
    AllEqual,
}

/// A loss as a mean over examples, and where to begin.
struct Problem {
    name: &'static str,
    step: TrainingStep,
    landscape: Landscape,
    examples: Array2<f64>,
    saddle: Parameters,
    start: Parameters,
    /// The least loss there is.
    least: f64,
    rate: f64,
    batch: usize,
    n_steps: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Descent,
    Perturbed,
    Minibatch,
}

const METHODS: [(Method, &str); 3] =
    [(Method::Descent, "whole gradient"), (Method::Perturbed, "perturbed SGD"), (Method::Minibatch, "minibatch SGD")];

/// One descent.
struct Descent {
    /// Before each step and after the last.
    losses: Vec<f64>,
    path: Vec<(f64, f64)>,
    /// From the saddle, at the end.
    distance: f64,
    /// The kind of the point at the end; with noise, of the one that the whole gradient leads to from there.
    kind: StationaryKind,
    /// The loss at that point.
    rest: f64,
}

impl Problem {
    fn plane(name: &'static str, surface: Surface) -> Result<Problem, Box<dyn Error>> {
        let g = Graph::new();
        let w = g.parameter_of(DType::F64, "w", (2,), Initializer::Zeros);
        let tilts = g.input_of(DType::F64, "examples", ("batch", 2));
        let loss = surface(w.slice(0), w.slice(1)) + tilts.dot(w).mean();
        let saddle = g.initialize(0)?;
        let mut start = saddle.clone();
        start.flat_mut::<f64>()?[0] = 1.2;
        let examples = ndarray::array![[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]];
        let (step, landscape) = (compile(loss)?, Landscape::new(loss)?);
        let least = if name == MONKEY { -27.0 / 32.0 } else { -0.25 };
        let (rate, batch, n_steps) = (0.05, 1, 600);
        Ok(Problem { name, step, landscape, examples, saddle, start, least, rate, batch, n_steps })
    }

    fn tensor(saddle: Saddle, seed: u64) -> Result<Problem, Box<dyn Error>> {
        let g = Graph::new();
        let u = g.parameter_of(DType::F64, "u", (D, D), Initializer::Zeros);
        let x = g.input_of(DType::F64, "examples", ("batch", D));
        let squares = u.square().sum_over(1);
        let unit = u / squares.sqrt().unsqueeze(1);
        let loss = decomposition(unit, x) + 0.25 * (squares - 1.0).square().sum();
        let (name, weights) = match saddle {
            Saddle::HalfWay => ("tensor, half-way", [[1, 1, 0, 0], [1, -1, 0, 0], [0, 0, 1, 1], [0, 0, 1, -1]]),
            Saddle::AllEqual => ("tensor, all equal", [[1; D]; D]),
        };
        let components = orthonormal(seed)?;
        let weights = Array2::from_shape_fn((D, D), |(row, column)| f64::from(weights[row][column]));
        let length = weights.row(0).dot(&weights.row(0)).sqrt();
        let mut start = g.initialize(0)?;
        start.set("u", (weights / length).dot(&components))?;
        let (step, landscape) = (compile(loss)?, Landscape::new(loss)?);
        let examples = signals().dot(&components);
        let saddle = start.clone();
        let (least, rate, batch, n_steps) = (0.0, 0.02, 64, 900);
        Ok(Problem { name, step, landscape, examples, saddle, start, least, rate, batch, n_steps })
    }

    fn run(&mut self, method: Method, seed: u64) -> Result<Descent, Box<dyn Error>> {
        let mut rule: Box<dyn Optimizer> = match method {
            Method::Perturbed => Box::new(PerturbedSgd::new(self.rate, seed).radius(RADIUS)),
            Method::Descent | Method::Minibatch => Box::new(Sgd::new(self.rate)),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut parameters = self.start.clone();
        let mut gradients = Gradients::zeros(parameters.layout().clone());
        let (mut losses, mut path) = (Vec::new(), Vec::new());
        for _ in 0..=self.n_steps {
            let (loss, _) = self.step.run_into(&parameters, ("examples", &self.examples), &mut gradients)?;
            losses.push(loss);
            path.push((parameters.flat::<f64>()?[0], parameters.flat::<f64>()?[1]));
            if losses.len() > self.n_steps {
                break;
            }
            if method == Method::Minibatch {
                let drawn: Vec<usize> = (0..self.batch).map(|_| rng.random_range(0..self.examples.nrows())).collect();
                let batch = self.examples.select(Dimension(0), &drawn);
                self.step.run_into(&parameters, ("examples", &batch), &mut gradients)?;
            }
            rule.step(&mut parameters, &gradients)?;
        }
        let moved = self.saddle.flat::<f64>()?.iter().zip(parameters.flat::<f64>()?);
        let distance = moved.map(|(from, to)| (from - to).powi(2)).sum::<f64>().sqrt();
        if method != Method::Descent {
            self.settle(&mut parameters)?;
        }
        let kind = self.kind_at(&parameters)?;
        let rest = self.landscape.point(&parameters, ("examples", &self.examples))?.value();
        Ok(Descent { losses, path, distance, kind, rest })
    }

    /// Goes where the whole gradient leads.
    fn settle(&mut self, parameters: &mut Parameters) -> Result<(), Box<dyn Error>> {
        let mut gradients = Gradients::zeros(parameters.layout().clone());
        let mut rule = Sgd::new(self.rate);
        for _ in 0..5000 {
            self.step.run_into(&*parameters, ("examples", &self.examples), &mut gradients)?;
            if gradients.norm() < 1e-10 {
                break;
            }
            rule.step(parameters, &gradients)?;
        }
        Ok(())
    }

    fn kind_at(&mut self, parameters: &Parameters) -> Result<StationaryKind, Box<dyn Error>> {
        let tolerance = Tolerance { gradient: 1e-8, eigenvalue: 1e-6 };
        let mut point = self.landscape.point(parameters, ("examples", &self.examples))?;
        Ok(point.stationary_kind(&tolerance, &Lanczos::seeded(0))?.kind)
    }
}

/// Σ_{i≠j} T(uᵢ, uᵢ, uⱼ, uⱼ), as the examples x tell it, with the uᵢ of length 1 as rows.
fn decomposition<'g>(u: Expr<'g>, x: Expr<'g>) -> Expr<'g> {
    let n_pairs = (D * (D - 1)) as f64;
    // Of normal x, E(uᵢ·x)²(uⱼ·x)² = 1 + 2(uᵢ·uⱼ)².
    let products = u.dot(u.transpose([1, 0]));
    let normal = n_pairs + 2.0 * (products.square().sum() - D as f64);
    let along = x.dot(u.transpose([1, 0])).square();
    let found = (along.sum_over(1).square() - along.square().sum_over(1)).mean();
    (found - normal) / KURTOSIS
}

/// E y⁴ − 3 of the four levels (−3, −1, 1, 3)/√5, whose variance is 1.
const KURTOSIS: f64 = 41.0 / 25.0 - 3.0;

/// All examples of D signals with four levels each.
fn signals() -> Array2<f64> {
    Array2::from_shape_fn((4usize.pow(D as u32), D), |(row, column)| {
        let level = row / 4usize.pow(column as u32) % 4;
        (2.0 * level as f64 - 3.0) / 5f64.sqrt()
    })
}

/// D orthonormal rows.
fn orthonormal(seed: u64) -> Result<Array2<f64>, Box<dyn Error>> {
    let initializer = Initializer::Orthogonal { gain: 1.0 };
    let spec = ParameterSpec { name: "a".to_owned(), dtype: DType::F64, shape: vec![D, D], initializer };
    let parameters = Parameters::initialize([spec], seed)?;
    Ok(parameters.array::<f64>("a")?.to_owned().into_dimensionality()?)
}

/// A problem with descents by each method.
struct Study {
    problem: Problem,
    /// The loss at the saddle.
    value: f64,
    runs: Vec<Vec<Descent>>,
}

impl Study {
    fn new(mut problem: Problem, setting: &Setting) -> Result<Study, Box<dyn Error>> {
        let n_runs = setting.pick(4, 16, 64);
        let examples = ("examples", &problem.examples);
        let value = problem.landscape.point(&problem.saddle, examples)?.value();
        let mut runs = Vec::new();
        for (method, _) in METHODS {
            let n_runs = if method == Method::Descent { 1 } else { n_runs };
            let descents =
                (0..n_runs).map(|run| problem.run(method, setting.seed.wrapping_mul(1000).wrapping_add(run)));
            runs.push(descents.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Study { problem, value, runs })
    }

    /// Says what came of the descents, of which those by `stuck` should not come down.
    fn judge(&mut self, stuck: &[Method], evidence: &mut Evidence) -> Result<(), Box<dyn Error>> {
        let (name, least) = (self.problem.name, self.problem.least);
        let kind = self.problem.kind_at(&self.problem.saddle.clone())?;
        let expected = if name == MONKEY { StationaryKind::Inconclusive } else { StationaryKind::Saddle };
        evidence.require(kind == expected, format!("{name}: by second derivatives {kind:?}, loss {:.4}", self.value));
        let mut latest = 0.0f64;
        for ((method, label), descents) in METHODS.into_iter().zip(&self.runs).skip(1) {
            let is_least = |run: &&Descent| run.kind == StationaryKind::Minimum && (run.rest - least).abs() < 1e-9;
            let (n_runs, n_minima) = (descents.len(), descents.iter().filter(is_least).count());
            if stuck.contains(&method) {
                let text = format!("{name}, {label}: {n_minima} of {n_runs} runs reach a minimum");
                evidence.require(n_minima == 0, text);
                continue;
            }
            let arrivals: Vec<f64> = descents.iter().map(|run| arrival(&run.losses, least)).collect();
            let (middle, last) = (quantile(&arrivals, 0.5), quantile(&arrivals, 1.0));
            latest = latest.max(last);
            let text = format!(
                "{name}, {label}: {n_minima} of {n_runs} runs reach a minimum, half of them down in {middle} steps, all in {last}"
            );
            evidence.require(n_minima == n_runs && last.is_finite(), text);
        }
        self.judge_descent(latest, evidence);
        Ok(())
    }

    /// Whether the whole gradient is still at the saddle, or on the way into it, when the last of the others is down.
    fn judge_descent(&self, latest: f64, evidence: &mut Evidence) {
        let (name, descent) = (self.problem.name, &self.runs[0][0]);
        let then = descent.losses[(latest as usize).min(self.problem.n_steps)];
        let text = format!("{name}, whole gradient: {:.1e} above the saddle at step {latest}", then - self.value);
        evidence.require(then >= self.value - 1e-9, text);
        let down = arrival(&descent.losses, self.problem.least);
        let end = self.problem.n_steps;
        evidence.measure(if down.is_finite() {
            format!("{name}, whole gradient: rounding has led it down by step {down}")
        } else {
            format!("{name}, whole gradient: {:.1e} from the saddle after {end} steps", descent.distance)
        });
    }

    /// The paths of the first run of each method.
    fn contours(&mut self) -> Result<Chart, Box<dyn Error>> {
        const N: usize = 72;
        let at = |position: usize| REACH * (2.0 * position as f64 / (N - 1) as f64 - 1.0);
        let mut point = self.problem.saddle.clone();
        let mut values = Vec::with_capacity(N * N);
        for (row, column) in (0..N).flat_map(|row| (0..N).map(move |column| (row, column))) {
            point.flat_mut::<f64>()?.copy_from_slice(&[at(column), at(row)]);
            let examples = ("examples", &self.problem.examples);
            values.push(self.problem.landscape.point(&point, examples)?.value());
        }
        let levels = vec![-0.8, -0.6, -0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4];
        let levels = levels.into_iter().filter(|level| *level > self.problem.least).collect();
        let grid = Grid { values, size: [N, N], x: [-REACH, REACH], y: [-REACH, REACH], levels, is_signed: false };
        let mut chart =
            Chart::new(self.problem.name, Axis::new("x"), Axis::new("y")).legend(Corner::LowerLeft).grid(grid);
        // The whole gradient goes straight, and lies above what is noisy.
        for ((_, label), descents) in METHODS.into_iter().zip(&self.runs).rev() {
            chart = chart.line(label, descents[0].path.iter().copied().take(250));
        }
        Ok(chart.points("saddle", [(0.0, 0.0)]))
    }

    /// The loss over the steps: the median of the runs, and all of them as a band.
    fn losses(&self) -> Chart {
        let title = format!("{} (band: all runs)", self.problem.name);
        let mut chart = Chart::new(title, Axis::new("step"), Axis::new("loss"));
        let stride = self.problem.n_steps.div_ceil(120);
        for ((_, label), descents) in METHODS.into_iter().zip(&self.runs).rev() {
            let steps = (0..=self.problem.n_steps).step_by(stride);
            let rows: Vec<[f64; 4]> = steps
                .map(|step| {
                    let losses: Vec<f64> = descents.iter().map(|run| run.losses[step]).collect();
                    [step as f64, quantile(&losses, 0.0), quantile(&losses, 0.5), quantile(&losses, 1.0)]
                })
                .collect();
            chart = chart
                .line(label, rows.iter().map(|row| (row[0], row[2])))
                .band(rows.iter().map(|row| (row[0], row[1], row[3])));
        }
        chart
    }
}

/// The first step with nine tenths of the way down behind it; infinite if there is none.
fn arrival(losses: &[f64], least: f64) -> f64 {
    losses.iter().position(|loss| *loss <= least + 0.1 * (losses[0] - least)).map_or(f64::INFINITY, |step| step as f64)
}

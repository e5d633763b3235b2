//! A linear classifier cannot tell a circle from one within it, and tells them apart without an error once every point
//! (x, y) has been lifted to (x, y, z) with z = √(x² + y²).
//!
//! Measured: errors, on new points, of logistic regression on two noisy circles of radius 1 and ½, before and after, over
//! several draws; and the errors of the best of all lines, found by trying them. A line at a distance d from the middle
//! gets the sides wrong of 1 − acos(d)/π of the outer circle and, for d < ½, of acos(2d)/π of the inner one: on the halves
//! of the points that each circle has, that is never less than together (1 − acos(½)/π)/2 = 1/3, just outside the inner
//! circle. Drawn: the two decision regions, with points; and errors over draws.
//!
//! Source: Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd edition, 2009, section 5.1 (basis
//! expansions) and 4.4 (logistic regression); Cover, *Geometrical and statistical properties of systems of linear
//! inequalities*, 1965.

use std::{error::Error, f64::consts::TAU};

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Ix1, Ix2};
use pullback::{
    Expr, Graph, Parameters, Program, TrainingStep,
    data::{DataError, Dataset, synthetic::circles},
    nn::{binary_zero_one_loss, linear, logistic_loss},
    optim::{HeavyBall, Optimizer},
    risk::Tally,
    view::{Axis, Chart, Corner, Figure, Grid},
};

use super::claim::{Claim, Evidence, Outcome, Setting};

pub(crate) const CLAIM: Claim = Claim {
    name: "lifting",
    statement: "no line errs on fewer than a third of two circles; with z = √(x² + y²) a plane errs on none",
    run,
};

const RATIO: f64 = 0.5;
const NOISE: f64 = 0.04;

/// Of the best line: (1 − acos(½)/π)/2.
const LEAST: f64 = 1.0 / 3.0;

/// How far the best line of a draw may come below by chance: it is the best of many, of points that are noisy.
const CHANCE: f64 = 0.03;

/// How far from ½ the error of a trained line may be: it goes near the middle, as the classes have one mean.
const FROM_HALF: f64 = 0.05;

/// Of the pictures, along x and y, as long as the axes are wide.
const REACH: [f64; 2] = [1.9, 1.3];
const N_GRID: [usize; 2] = [191, 131];
const N_DRAWN: usize = 240;

fn run(setting: &Setting) -> Outcome {
    let n = setting.pick(1000, 2000, 10_000);
    let n_steps = setting.pick(400, 2000, 5000);
    let n_draws = setting.pick(3, 10, 30);
    let (mut before, mut after) = (Classifier::new(|x| x)?, Classifier::new(|x| x.append_norm())?);
    let mut errors = [Vec::new(), Vec::new(), Vec::new()];
    let mut models = None;
    for draw in 0..n_draws {
        let seed = 2 * (setting.seed * n_draws + draw);
        let [train, test] = [seed, seed + 1].map(|seed| circles(n, RATIO, NOISE, seed));
        let (train, test) = (train?, test?);
        let flat = before.train(&train, n_steps)?;
        let lifted = after.train(&train, n_steps)?;
        errors[0].push(before.error(&flat, &test)?);
        errors[1].push(best_line(&test)?);
        errors[2].push(after.error(&lifted, &test)?);
        models.get_or_insert((flat, lifted, test));
    }
    let (flat, lifted, test) = models.ok_or("there is a draw")?;
    let mut evidence = Evidence::default();
    judge(&mut evidence, &errors)?;
    let charts = [
        region("before: red is taken for inner", before.scores(&flat, grid_points().view())?, &test)?,
        region("after: a plane in (x, y, z), seen from above", after.scores(&lifted, grid_points().view())?, &test)?,
        over_draws(&errors),
    ];
    setting.save(&Figure::new(charts, 3), CLAIM.name)?;
    Ok(evidence)
}

/// Errors over draws of logistic regression before, of the best line, and of logistic regression after.
fn judge(evidence: &mut Evidence, errors: &[Vec<f64>; 3]) -> Result<(), Box<dyn Error>> {
    let [before, best, after] = errors;
    let least = |errors: &[f64]| errors.iter().copied().fold(f64::MAX, f64::min);
    let greatest = |errors: &[f64]| errors.iter().copied().fold(0.0, f64::max);
    let mut tally = Tally::default();
    tally.extend(before.iter().copied());
    let (low, high) = (least(before), greatest(before));
    evidence.measure(format!(
        "before, error on new points: {:.3}, draws from {low:.3} to {high:.3}",
        tally.estimate(0.95)?
    ));
    evidence.require(
        low >= 0.5 - FROM_HALF && high <= 0.5 + FROM_HALF,
        format!("before: within {FROM_HALF} of ½ in every draw"),
    );
    let (low, high) = (least(best), greatest(best));
    evidence.require(
        (low - LEAST).abs() < CHANCE && (high - LEAST).abs() < CHANCE,
        format!("the best of all lines: {low:.4} to {high:.4}, 1/3 expected"),
    );
    evidence
        .require(greatest(after) == 0.0, format!("after: {} in every one of {} draws", greatest(after), after.len()));
    Ok(())
}

/// The least error of a line: of any direction, at any distance, either side.
fn best_line(examples: &Dataset) -> Result<f64, DataError> {
    const N_DIRECTIONS: usize = 180;
    let n = examples.len();
    let (x, labels) = (examples.array::<f32, Ix2>("x")?, examples.array::<i64, Ix1>("label")?);
    let n_inner = labels.iter().filter(|label| **label == 1).count();
    let mut fewest = n;
    for direction in 0..N_DIRECTIONS {
        let (sin, cos) = (TAU * direction as f64 / N_DIRECTIONS as f64).sin_cos();
        let place = |row: usize| f64::from(x[[row, 0]]) * cos + f64::from(x[[row, 1]]) * sin;
        let mut sorted: Vec<(f64, i64)> = (0..n).map(|row| (place(row), labels[row])).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        // What lies below the line is taken for inner, and nothing does at first.
        let mut n_errors = n_inner;
        for (_, label) in sorted {
            n_errors = if label == 1 { n_errors - 1 } else { n_errors + 1 };
            fewest = fewest.min(n_errors);
        }
    }
    Ok(fewest as f64 / n as f64)
}

/// Logistic regression on features of points.
struct Classifier {
    graph: Graph,
    step: TrainingStep,
    program: Program,
}

impl Classifier {
    fn new(lift: fn(Expr<'_>) -> Expr<'_>) -> Result<Classifier, Box<dyn Error>> {
        let graph = Graph::new();
        let x = graph.input("x", ("batch", 2));
        let label = graph.input("label", ("batch",));
        let scores = linear(lift(x), "classifier", 1).squeeze(-1);
        let step = graph.compile_training(logistic_loss(scores, label).mean())?;
        let error = binary_zero_one_loss(scores, label).mean();
        let program = graph.compile([("scores", scores), ("error", error)])?;
        Ok(Classifier { graph, step, program })
    }

    fn train(&mut self, examples: &Dataset, n_steps: usize) -> Result<Parameters, Box<dyn Error>> {
        let mut parameters = self.graph.initialize(0)?;
        let (x, labels) = (examples.array::<f32, Ix2>("x")?, signs(examples)?);
        let mut rule = HeavyBall::new(0.3, 0.9);
        for _ in 0..n_steps {
            let out = self.step.run(&parameters, (("x", &x), ("label", &labels)))?;
            if !out.loss.is_finite() {
                return Err(format!("training comes to the loss {}", out.loss).into());
            }
            rule.step(&mut parameters, &out.gradients)?;
        }
        Ok(parameters)
    }

    fn error(&mut self, parameters: &Parameters, examples: &Dataset) -> Result<f64, Box<dyn Error>> {
        let (x, labels) = (examples.array::<f32, Ix2>("x")?, signs(examples)?);
        let out = self.program.run(parameters, (("x", &x), ("label", &labels)))?;
        Ok(f64::from(out.scalar::<f32>("error")?))
    }

    fn scores(&mut self, parameters: &Parameters, x: ArrayView2<'_, f32>) -> Result<Vec<f64>, Box<dyn Error>> {
        let labels = Array1::<f32>::ones(x.nrows());
        let out = self.program.run(parameters, (("x", x), ("label", &labels)))?;
        let scores = out["scores"].array::<f32>().ok_or("scores are of f32")?;
        Ok(scores.iter().map(|score| f64::from(*score)).collect())
    }
}

/// 1 for the inner circle, −1 for the outer one.
fn signs(examples: &Dataset) -> Result<Array1<f32>, DataError> {
    let labels: ArrayView1<i64> = examples.array("label")?;
    Ok(labels.mapv(|label| if label == 1 { 1.0 } else { -1.0 }))
}

fn grid_points() -> Array2<f32> {
    let at = |axis: usize, step: usize| REACH[axis] * (2.0 * step as f64 / (N_GRID[axis] - 1) as f64 - 1.0);
    Array2::from_shape_fn((N_GRID[0] * N_GRID[1], 2), |(point, axis)| {
        at(axis, if axis == 0 { point % N_GRID[0] } else { point / N_GRID[0] }) as f32
    })
}

fn region(title: &str, scores: Vec<f64>, examples: &Dataset) -> Result<Chart, DataError> {
    let (places, labels) = (examples.array::<f32, Ix2>("x")?, examples.array::<i64, Ix1>("label")?);
    let [x, y] = REACH.map(|reach| [-reach, reach]);
    // The sides alone: a score says little beside them.
    let values = scores.iter().map(|score| 0.5 * score.signum()).collect();
    let grid = Grid { values, size: [N_GRID[1], N_GRID[0]], x, y, levels: vec![-1.0, 0.0, 1.0], is_signed: true };
    let of_label = |wanted: i64| {
        let rows = (0..examples.len()).filter(|row| labels[*row] == wanted);
        let points = rows.map(|row| (f64::from(places[[row, 0]]), f64::from(places[[row, 1]])));
        points.step_by(examples.len().div_ceil(N_DRAWN)).collect::<Vec<_>>()
    };
    let chart = Chart::new(title, Axis::new("x"), Axis::new("y")).grid(grid);
    Ok(chart.points("outer circle", of_label(0)).points("inner circle", of_label(1)))
}

fn over_draws(errors: &[Vec<f64>; 3]) -> Chart {
    let [before, best, after] = errors;
    let points = |errors: &[f64]| -> Vec<(f64, f64)> {
        errors.iter().enumerate().map(|(draw, error)| (draw as f64, *error)).collect()
    };
    let last = before.len().saturating_sub(1) as f64;
    Chart::new("errors on new points", Axis::new("draw of the points"), Axis::new("error").range(-0.03, 0.85))
        .legend(Corner::UpperLeft)
        .points("before", points(before))
        .points("best of all lines", points(best))
        .points("after", points(after))
        .dashed("1/3", [(0.0, LEAST), (last, LEAST)])
        .dashed("chance", [(0.0, 0.5), (last, 0.5)])
}

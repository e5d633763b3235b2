//! Gradients of SGD at the rate γ = 1/(L√N) shrink in N steps: the mean of E‖∇f‖² over the steps is O(1/√N).
//!
//! Measured: ‖∇f‖² over all examples, before each step, of a tanh network that learns from minibatches drawn independently,
//! for many N, over several runs; the same for steps along the whole gradient; and the bound. Where f is L-smooth, minibatch
//! gradients have the variance σ² and γ ≤ 1/L, the descent lemma gives
//!
//! mean E‖∇f‖² ≤ (2L(f(θ₀) − inf f) + σ²)/√N.
//!
//! L is the greatest |λ| of the Hessian, and σ² the greatest variance, that were met along the paths; inf f ≥ 0.
//! Drawn: the mean over N with both; and the mean over the last quarter of the steps, where only noise is left.
//!
//! Source: Ghadimi and Lan, *Stochastic first- and zeroth-order methods for nonconvex stochastic programming*, 2013,
//! theorem 2.1 and corollary 2.2.

use std::error::Error;

use ndarray::{Array1, Array2, Axis as Dimension, Ix1, Ix2};
use pullback::{
    DType, Expr, Gradients, Graph, Options, Parameters, TrainingStep,
    data::synthetic::Teacher,
    landscape::{Lanczos, Landscape},
    nn::{perceptron, squared_error},
    optim::{Optimizer, Schedule, Sgd},
    risk::Tally,
    view::{Axis, Chart, Corner, Figure},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    claim::{Claim, Evidence, Outcome, Setting},
    descent::compile,
    statistics::power,
};

pub(crate) const CLAIM: Claim =
    Claim {
        name: "sgd-rate", statement: "SGD with γ = 1/(L√N) makes the mean of E‖∇f‖² over N steps O(1/√N)", run
    };

const N_EXAMPLES: usize = 256;
const BATCH: usize = 2;

/// A run looks at curvature and noise so often.
const N_LOOKS: u64 = 4;

fn run(setting: &Setting) -> Outcome {
    let (most, n_runs) = setting.pick((10, 4), (15, 8), (18, 16));
    let mut problem = Problem::new(setting.seed)?;
    let smoothness = problem.pilot(setting)?;
    problem.bounds = Bounds::default();
    let mut rows = Vec::new();
    for power in 4..=most {
        rows.push(problem.row(1 << power, n_runs, smoothness)?);
    }
    let (start, Bounds { curvature, variance }) = (problem.loss_at_start()?, problem.bounds);
    let bound = 2.0 * smoothness * start + variance;
    let mut evidence = Evidence::default();
    evidence.measure(format!("f(θ₀) = {start:.4}, σ² ≤ {variance:.3}, L = {smoothness:.3}"));
    evidence.require(curvature <= smoothness, format!("no Hessian on the paths was greater: {curvature:.3}"));
    judge(&rows, bound, &mut evidence);
    setting.save(&draw(&rows, bound), CLAIM.name)?;
    Ok(evidence)
}

/// What the claim says of the rows.
fn judge(rows: &[Row], bound: f64, evidence: &mut Evidence) {
    let used = |row: &Row| row.all.mean() * (row.n_steps as f64).sqrt() / bound;
    let greatest = rows.iter().map(used).fold(0.0, f64::max);
    evidence.require(greatest <= 1.0, format!("the mean is at most {greatest:.3} of the bound {bound:.2}/√N"));
    let upper = &rows[rows.len() / 2..];
    let points = |of: fn(&Row) -> f64| upper.iter().map(|row| (row.n_steps as f64, of(row))).collect::<Vec<_>>();
    let slope = |of| power(&points(of));
    let (all, first) = (slope(|row: &Row| row.all.mean()), upper[0].n_steps);
    // The bound allows steeper slopes for a while. They do not last: the steps cover the time γN = √N/L, in which the sum of
    // γ‖∇f‖² tends to a constant, and the noise keeps ‖∇f‖² at a height that is proportional to γ.
    let text = format!("from N = {first} on the mean goes with N to the power {all:.3}");
    evidence.require((-0.65..=-0.35).contains(&all), text);
    let exact = slope(|row| row.exact);
    evidence
        .measure(format!("that of steps along the whole gradient, at the same rates, with N to the power {exact:.3}"));
    let late = slope(|row| row.late.mean());
    evidence.measure(format!("over the last quarter of the steps the power of SGD is {late:.3}"));
    if let Some(last) = rows.last() {
        let ratio = last.late.mean() / last.exact_late;
        let text = format!("there, for N = {}, the mean is {ratio:.1} times that of the whole gradient", last.n_steps);
        evidence.require(ratio > 1.5, text);
    }
}

/// A network with examples to learn.
struct Problem {
    step: TrainingStep,
    landscape: Landscape,
    start: Parameters,
    x: Array2<f64>,
    y: Array1<f64>,
    seed: u64,
    bounds: Bounds,
}

/// The greatest that was met.
#[derive(Clone, Copy, Default)]
struct Bounds {
    curvature: f64,
    variance: f64,
}

/// What comes of N steps.
struct Row {
    n_steps: u64,
    /// The mean of ‖∇f‖² over the steps of each run.
    all: Tally,
    /// The mean over the last quarter.
    late: Tally,
    /// The same for steps along the whole gradient.
    exact: f64,
    exact_late: f64,
}

impl Problem {
    fn new(seed: u64) -> Result<Problem, Box<dyn Error>> {
        let examples = Teacher::new(&[4, 8, 1], seed)?.regression(N_EXAMPLES, 0.5, seed.wrapping_add(1))?;
        let g = Graph::new();
        let (x, y) = (g.input_of(DType::F64, "x", ("batch", 4)), g.input_of(DType::F64, "y", ("batch",)));
        let loss = squared_error(perceptron(x, "net", &[8], 1, Expr::tanh).squeeze(-1), y).mean() / 2.0;
        Ok(Problem {
            step: compile(loss)?,
            landscape: Landscape::with_options(loss, &Options { threads: 1, ..Options::default() })?,
            start: g.initialize(seed)?,
            x: examples.array::<f32, Ix2>("x")?.mapv(f64::from),
            y: examples.array::<f32, Ix1>("y")?.mapv(f64::from),
            seed,
            bounds: Bounds::default(),
        })
    }

    fn loss_at_start(&mut self) -> Result<f64, Box<dyn Error>> {
        Ok(self.step.run(&self.start, (("x", &self.x), ("y", &self.y)))?.loss)
    }

    /// L: half as much again as the greatest curvature on a run that is shorter than others, and faster.
    fn pilot(&mut self, setting: &Setting) -> Result<f64, Box<dyn Error>> {
        self.look(&self.start.clone())?;
        let rate = 0.25 / self.bounds.curvature;
        let n_steps = setting.pick(200, 1000, 1000);
        self.descend(Sgd::new(rate), n_steps, Some(u64::MAX))?;
        Ok(1.5 * self.bounds.curvature)
    }

    fn row(&mut self, n_steps: u64, n_runs: u64, smoothness: f64) -> Result<Row, Box<dyn Error>> {
        let rule = || Sgd::new(Schedule::inverse_root(smoothness, n_steps));
        let (mut all, mut late) = (Tally::default(), Tally::default());
        for run in 0..n_runs {
            let of_run = self.descend(rule(), n_steps, Some(n_steps + run))?;
            all.add(of_run[0]);
            late.add(of_run[1]);
        }
        let [exact, exact_late] = self.descend(rule(), n_steps, None)?;
        Ok(Row { n_steps, all, late, exact, exact_late })
    }

    /// The mean of ‖∇f‖² over all steps and over the last quarter, by minibatches of a stream or by the whole gradient.
    fn descend(&mut self, mut rule: Sgd, n_steps: u64, stream: Option<u64>) -> Result<[f64; 2], Box<dyn Error>> {
        let mut parameters = self.start.clone();
        let mut gradients = Gradients::zeros(parameters.layout().clone());
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream.unwrap_or_default());
        let (mut all, mut late) = (Tally::default(), Tally::default());
        for step in 0..n_steps {
            if stream.is_some() && step % n_steps.div_ceil(N_LOOKS) == 0 {
                self.look(&parameters)?;
            }
            self.step.run_into(&parameters, (("x", &self.x), ("y", &self.y)), &mut gradients)?;
            let square = gradients.norm().powi(2);
            all.add(square);
            if 4 * step >= 3 * n_steps {
                late.add(square);
            }
            if stream.is_some() {
                let drawn: [usize; BATCH] = std::array::from_fn(|_| rng.random_range(0..N_EXAMPLES));
                let (x, y) = (self.x.select(Dimension(0), &drawn), self.y.select(Dimension(0), &drawn));
                self.step.run_into(&parameters, (("x", &x), ("y", &y)), &mut gradients)?;
            }
            rule.step(&mut parameters, &gradients)?;
        }
        Ok([all.mean(), late.mean()])
    }

    /// Remembers how curved the loss is, and how much the gradients of minibatches differ.
    fn look(&mut self, parameters: &Parameters) -> Result<(), Box<dyn Error>> {
        let inputs = (("x", &self.x), ("y", &self.y));
        let found = self.landscape.point(parameters, inputs)?.curvature(&Lanczos::seeded(self.seed))?;
        let curvature = found.highest.value.max(-found.lowest.value);
        let whole = self.step.run(parameters, (("x", &self.x), ("y", &self.y)))?.gradients;
        let mut squares = Tally::default();
        for example in 0..N_EXAMPLES {
            let (x, y) = (self.x.select(Dimension(0), &[example]), self.y.select(Dimension(0), &[example]));
            let mut gradient = self.step.run(parameters, (("x", &x), ("y", &y)))?.gradients;
            gradient.add_scaled(-1.0, &whole)?;
            squares.add(gradient.norm().powi(2));
        }
        self.bounds.curvature = self.bounds.curvature.max(curvature);
        self.bounds.variance = self.bounds.variance.max(squares.mean() / BATCH as f64);
        Ok(())
    }
}

fn draw(rows: &[Row], bound: f64) -> Figure {
    let chart = |title: &str| {
        let x = Axis::new("number of steps N").logarithmic();
        Chart::new(title, x, Axis::new("mean ‖∇f‖²").logarithmic()).legend(Corner::LowerLeft)
    };
    let of = |number: fn(&Row) -> f64| rows.iter().map(move |row| (row.n_steps as f64, number(row)));
    let bars = |tally: fn(&Row) -> &Tally| {
        rows.iter().filter_map(move |row| {
            let estimate = tally(row).estimate(0.95).ok()?;
            Some((row.n_steps as f64, estimate.lower, estimate.upper))
        })
    };
    let all = chart("over all steps (bars: 95 % over runs)")
        .line("SGD", of(|row| row.all.mean()))
        .error_bars(bars(|row| &row.all))
        .line("whole gradient", of(|row| row.exact))
        .dashed("bound C/√N", rows.iter().map(|row| (row.n_steps as f64, bound / (row.n_steps as f64).sqrt())));
    let (last, end) = rows.last().map_or((1.0, 1.0), |row| (row.n_steps as f64, row.late.mean()));
    let late = chart("over the last quarter of the steps")
        .line("SGD", of(|row| row.late.mean()))
        .error_bars(bars(|row| &row.late))
        .line("whole gradient", of(|row| row.exact_late))
        .dashed("∝ 1/√N", of(|row| row.n_steps as f64).map(move |(n, _)| (n, end * (last / n).sqrt())));
    Figure::new([all, late], 2)
}

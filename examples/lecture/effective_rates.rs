//! The effective rate of AdaGrad only falls; those of RMSProp and Adam rise again.
//!
//! Measured: αₜHₜ⁻¹ of each parameter of a tanh network that learns two moons from minibatches, at every step, by each row of
//! the uniform framework (docs/reference/uniform-framework.md): how often it rises from one step to the next, and by how much it is above
//! its least value so far.
//! Drawn: effective rates over the steps, of all parameters and of one, and the loss.
//!
//! Source: Duchi, Hazan and Singer, *Adaptive subgradient methods for online learning and stochastic optimization*, 2011;
//! Cevher, *Mathematics of data*, EE-556, EPFL 2018, lecture 8.

use std::error::Error;

use ndarray::{Ix1, Ix2};
use pullback::{
    DType, Expr, Gradients, Graph, Parameters, TrainingStep,
    data::{Batching, Dataset, synthetic::two_moons},
    nn::{cross_entropy, hidden_layers, linear},
    optim::{Optimizer, Row, Uniform},
    view::{Axis, Chart, Corner, Figure},
};

use super::{
    claim::{Claim, Evidence, Outcome, Setting},
    descent::compile,
    statistics::{power, quantile},
};

pub(crate) const CLAIM: Claim = Claim {
    name: "effective-rates",
    statement: "AdaGrad's effective rate only falls; RMSProp's and Adam's rise again",
    run,
};

const BATCH: usize = 16;

/// A training with a row of the framework.
struct Training {
    name: &'static str,
    /// αₜHₜ⁻¹ of each parameter, after each step.
    rates: Vec<Vec<f64>>,
    /// Over all examples, at each step that is drawn.
    losses: Vec<(f64, f64)>,
}

struct Problem {
    step: TrainingStep,
    start: Parameters,
    moons: Dataset,
    seed: u64,
}

/// The rows, at rates that do about equally well here.
fn rows() -> [(&'static str, Row); 5] {
    [
        ("SGD", Row::sgd(0.3)),
        ("heavy ball", Row::heavy_ball(0.03, 0.9)),
        ("AdaGrad", Row::adagrad(0.1)),
        ("RMSProp", Row::rms_prop(0.01, 0.9)),
        ("Adam", Row::adam(0.01, 0.9, 0.999)),
    ]
}

impl Problem {
    fn new(seed: u64) -> Result<Problem, Box<dyn Error>> {
        let g = Graph::new();
        let (x, y) = (g.input_of(DType::F64, "x", ("batch", 2)), g.input_of(DType::I64, "y", ("batch",)));
        let loss = cross_entropy(linear(hidden_layers(x, "hidden", &[16], Expr::tanh), "out", 2), y).mean();
        Ok(Problem { step: compile(loss)?, start: g.initialize(seed)?, moons: two_moons(512, 0.2, seed)?, seed })
    }

    fn train(&mut self, (name, row): (&'static str, Row), n_epochs: u64) -> Result<Training, Box<dyn Error>> {
        let mut rule = Uniform::new(row);
        let mut parameters = self.start.clone();
        let mut gradients = Gradients::zeros(parameters.layout().clone());
        let all_x = self.moons.array::<f32, Ix2>("x")?.mapv(f64::from);
        let all_y = self.moons.array::<i64, Ix1>("label")?;
        let (mut rates, mut losses) = (Vec::new(), Vec::new());
        for epoch in 0..n_epochs {
            let inputs = (("x", &all_x), ("y", &all_y));
            losses.push((rates.len() as f64, self.step.run_into(&parameters, inputs, &mut gradients)?.0));
            for batch in Batching::new(BATCH).epoch(&self.moons, self.seed, epoch)? {
                let batch = batch?;
                let x = batch.array::<f32, Ix2>("x")?.mapv(f64::from);
                self.step.run_into(&parameters, (("x", &x), ("y", &batch["label"])), &mut gradients)?;
                rule.step(&mut parameters, &gradients)?;
                rates.push(rule.effective_rate().ok_or("a step was taken")?.flat::<f64>()?.to_vec());
            }
        }
        Ok(Training { name, rates, losses })
    }
}

/// How the rate of one parameter went.
struct Course {
    /// From one step to the next.
    n_rises: usize,
    /// To the least so far, at its greatest.
    ratio: f64,
}

impl Training {
    fn course(&self, parameter: usize) -> Course {
        let (mut least, mut before) = (f64::INFINITY, f64::INFINITY);
        let mut course = Course { n_rises: 0, ratio: 1.0 };
        for rate in self.rates.iter().map(|rates| rates[parameter]) {
            course.n_rises += usize::from(rate > before);
            least = least.min(rate);
            course.ratio = course.ratio.max(rate / least);
            before = rate;
        }
        course
    }

    fn judge(&self, evidence: &mut Evidence) {
        let (n_steps, n_parameters) = (self.rates.len(), self.rates[0].len());
        let courses: Vec<Course> = (0..n_parameters).map(|parameter| self.course(parameter)).collect();
        let n_rises: usize = courses.iter().map(|course| course.n_rises).sum();
        let n_rising = courses.iter().filter(|course| course.n_rises > 0).count();
        let ratios: Vec<f64> = courses.iter().map(|course| course.ratio).collect();
        let [least, middle, most] = [0.0, 0.5, 1.0].map(|fraction| quantile(&ratios, fraction));
        let name = self.name;
        let share = 100.0 * n_rises as f64 / ((n_steps - 1) * n_parameters) as f64;
        let rises = format!("{name}: rises in {share:.0} % of all steps, for {n_rising} of {n_parameters} parameters");
        let above =
            format!("{name}: above its least so far by a factor of {least:.2} to {most:.1}, {middle:.2} for half");
        match name {
            "RMSProp" | "Adam" => {
                evidence.require(n_rising == n_parameters, rises);
                evidence.require(middle > 1.2, above);
            }
            "AdaGrad" => {
                evidence.require(
                    n_rises == 0,
                    format!("{name}: {n_rises} rises in {n_steps} steps of {n_parameters} parameters"),
                );
                let second_half = (n_steps / 2..n_steps).map(|step| (step as f64, quantile(&self.rates[step], 0.5)));
                let slope = power(&second_half.collect::<Vec<_>>());
                evidence.measure(format!("{name}: in the second half the median falls with t to the power {slope:.3}"));
            }
            _ => evidence.require(n_rises == 0 && most == 1.0, format!("{name}: constant")),
        }
        let loss = self.losses.last().map_or(f64::NAN, |(_, loss)| *loss);
        evidence.measure(format!("{name}: the loss is {loss:.4} in the end"));
    }

    /// The steps that are drawn, which grow by a twentieth.
    fn shown(&self) -> Vec<usize> {
        let steps = (0..).map(|position| 1.05f64.powi(position)).take_while(|step| *step < self.rates.len() as f64);
        let mut steps: Vec<usize> = steps.map(|step| step as usize).collect();
        steps.dedup();
        steps
    }
}

fn run(setting: &Setting) -> Outcome {
    let mut evidence = Evidence::default();
    let mut problem = Problem::new(setting.seed)?;
    let n_epochs = setting.pick(15, 200, 1000);
    let mut trainings = Vec::new();
    for row in rows() {
        let training = problem.train(row, n_epochs)?;
        training.judge(&mut evidence);
        trainings.push(training);
    }
    setting.save(&draw(&trainings), CLAIM.name)?;
    Ok(evidence)
}

fn draw(trainings: &[Training]) -> Figure {
    let chart = |title: &str, label: &str| {
        let y = Axis::new(label).logarithmic();
        Chart::new(title, Axis::new("step").logarithmic(), y).legend(Corner::LowerLeft)
    };
    let mut all = chart("median over parameters (bands: 10 to 90 %)", "effective rate");
    let mut one = chart("one weight", "effective rate");
    let mut above = chart("rise above the least so far (median and 90 %)", "effective rate / least so far");
    let mut loss = chart("learning", "loss of all examples");
    for training in trainings {
        let steps = training.shown();
        let at = |step: usize, fraction| quantile(&training.rates[step], fraction);
        all = all
            .line(training.name, steps.iter().map(|step| (*step as f64, at(*step, 0.5))))
            .band(steps.iter().map(|step| (*step as f64, at(*step, 0.1), at(*step, 0.9))));
        one = one.line(training.name, steps.iter().map(|step| (*step as f64, training.rates[*step][0])));
        let ratios = training.ratios(&steps);
        above = above
            .line(training.name, ratios.iter().map(|row| (row[0], row[1])))
            .band(ratios.iter().map(|row| (row[0], row[1], row[2])));
        loss = loss.line(training.name, training.losses.iter().copied().skip(1));
    }
    Figure::new([all, one, above.legend(Corner::UpperLeft), loss], 2)
}

impl Training {
    /// At some steps: the step, and two quantiles of how far rates are above their least so far.
    fn ratios(&self, steps: &[usize]) -> Vec<[f64; 3]> {
        let mut least = vec![f64::INFINITY; self.rates[0].len()];
        let mut rows = Vec::new();
        for (step, rates) in self.rates.iter().enumerate() {
            least.iter_mut().zip(rates).for_each(|(least, rate)| *least = least.min(*rate));
            if steps.binary_search(&step).is_ok() {
                let ratios: Vec<f64> = rates.iter().zip(&least).map(|(rate, least)| rate / least).collect();
                rows.push([step as f64, quantile(&ratios, 0.5), quantile(&ratios, 0.9)]);
            }
        }
        rows
    }
}

//! Adaptive methods can learn what is of no use: a linear problem on which gradient descent classifies every new example
//! rightly, and AdaGrad, RMSProp and Adam each new example of one class wrongly, however large it is below a half.
//!
//! An example of label y has the features y, 1, 1, and some that no other example has: a single 1 if y = 1, five if y = −1.
//! Only the first feature tells the label of a new example. Least squares from 0, more features than examples:
//!
//! - Gradient descent, with momentum or without, stays in the span of the examples and ends in the solution of least norm.
//!   For P examples of label 1 and N of label −1 it is Σαᵢxᵢ with α = (4N + 5)/D and −(4P + 1)/D, D = 15P + 3N + 8PN + 5.
//!   It is right about each new example.
//! - X·sign(Xᵀy) = 4y if P > N, so a step with the sign of Xᵀy leaves the gradient proportional to Xᵀy: adaptive methods
//!   go along sign(Xᵀy) all the way, and end in sign(Xᵀy)/4. It takes each new example for one of label 1.
//!
//! Measured: both ends, and errors on new examples, for several shares of the label −1. Drawn: the training loss over
//! steps, and the test error over the share. Nothing is random.
//!
//! Source: Wilson, Roelofs, Stern, Srebro and Recht, *The marginal value of adaptive gradient methods in machine learning*,
//! 2017, section 3.3 and lemma 3.1.

use std::error::Error;

use ndarray::{Array1, Array2};
use pullback::{
    DType, Gradients, Graph, Initializer, Options, Parameters, TrainingStep,
    nn::squared_error,
    optim::{AdaGrad, Adam, HeavyBall, Optimizer, RmsProp, Schedule, Sgd},
    view::{Axis, Chart, Corner, Figure},
};

use super::claim::{Claim, Evidence, Outcome, Setting};

pub(crate) const CLAIM: Claim = Claim {
    name: "adaptive-methods-overfit",
    statement: "on separable least squares, adaptive methods err on new examples where gradient descent does not",
    run,
};

/// Keeps denominators from 0 and is too small for anything else, since the lemma has none.
const EPSILON: f64 = 1e-30;
/// Features that examples have in common.
const N_COMMON: usize = 3;
/// Features of an example alone.
const N_OWN: usize = 5;
/// The training loss is drawn for this share of the label −1, and so many steps: then it is rounding.
const DRAWN: f64 = 0.4;
const DRAWN_STEPS: u64 = 400;

const METHODS: [&str; 5] = ["gradient descent", "heavy ball", "AdaGrad", "RMSProp", "Adam"];
const N_GRADIENT: usize = 2;

fn run(setting: &Setting) -> Outcome {
    let (n_examples, n_steps) = setting.pick((20, 1500), (50, 4000), (200, 16_000));
    let mut evidence = Evidence::default();
    let mut shares: Vec<Share> = Vec::new();
    for percent in [5, 10, 20, 30, 40, 45] {
        shares.push(Share::measure(n_examples, f64::from(percent) / 100.0, n_steps)?);
    }
    judge(&shares, &mut evidence);
    setting.save(&draw(&shares), CLAIM.name)?;
    Ok(evidence)
}

/// What the claim says of the ends.
fn judge(shares: &[Share], evidence: &mut Evidence) {
    let ends = || shares.iter().flat_map(|share| share.ends.iter().enumerate());
    let greatest = |numbers: &mut dyn Iterator<Item = f64>| numbers.fold(0.0, f64::max);
    let wrong = greatest(&mut ends().map(|(_, end)| end.training_error));
    evidence.require(wrong == 0.0, "all methods classify all training examples rightly");
    let distance = |is_adaptive| {
        let those = ends().filter(|(method, _)| (*method >= N_GRADIENT) == is_adaptive);
        greatest(&mut those.map(|(_, end)| end.distance))
    };
    let (gradient, adaptive) = (distance(false), distance(true));
    let text = format!("gradient descent and the heavy ball end within {gradient:.1e} of the solution of least norm");
    evidence.require(gradient < 1e-5, text);
    let text = format!("AdaGrad, RMSProp and Adam end within {adaptive:.1e} of sign(Xᵀy)/4");
    evidence.require(adaptive < 1e-4, text);
    for share in shares {
        let [least, most] = share.errors(0..N_GRADIENT);
        let [least_adaptive, most_adaptive] = share.errors(N_GRADIENT..METHODS.len());
        let negative = share.negative;
        let holds = least == 0.0 && most == 0.0 && least_adaptive == negative && most_adaptive == negative;
        let text = format!(
            "label −1 for {:2.0} %: {:.0} % of new examples wrong by gradient descent, {:2.0} % by adaptive methods",
            100.0 * negative,
            100.0 * most,
            100.0 * most_adaptive
        );
        evidence.require(holds, text);
    }
}

/// What comes of a share of examples of the label −1.
struct Share {
    negative: f64,
    /// One for each method.
    ends: Vec<End>,
}

/// Weights at the end, and the loss at the steps on the way.
type Descent = (Array1<f64>, Vec<(f64, f64)>);

/// Where a method ends.
struct End {
    losses: Vec<(f64, f64)>,
    /// The greatest distance of a weight from that of the solution that theory says.
    distance: f64,
    training_error: f64,
    test_error: f64,
}

impl Share {
    fn measure(n_examples: usize, negative: f64, n_steps: u64) -> Result<Share, Box<dyn Error>> {
        // Half of the features of an example's own belong to examples that are not there in training.
        let (train, test) = (Examples::new(n_examples, negative, 0), Examples::new(n_examples, negative, n_examples));
        let mut problem = Problem::new(&train)?;
        let theory = [train.least_norm(), train.signs() / 4.0];
        let mut ends = Vec::new();
        for (position, mut method) in methods().into_iter().enumerate() {
            let (weights, losses) = problem.descend(method.as_mut(), &train, n_steps)?;
            let expected = &theory[usize::from(position >= N_GRADIENT)];
            let distance = (&weights - expected).iter().fold(0.0, |most: f64, gap| most.max(gap.abs()));
            let (training_error, test_error) = (train.error(&weights), test.error(&weights));
            ends.push(End { losses, distance, training_error, test_error });
        }
        Ok(Share { negative: train.n_negative as f64 / n_examples as f64, ends })
    }

    /// The least and the greatest test error of some methods.
    fn errors(&self, methods: std::ops::Range<usize>) -> [f64; 2] {
        let errors = || self.ends[methods.clone()].iter().map(|end| end.test_error);
        [errors().fold(f64::INFINITY, f64::min), errors().fold(0.0, f64::max)]
    }
}

/// The methods in the order of their names. No row of XXᵀ/n sums to more than 3.5, so 0.3 is stable. Where old gradients are
/// forgotten, the rate falls faster than the root of their mean square can: gradients that are nothing but rounding are
/// never divided by their own size. RMSProp begins with a lower rate, since its first steps are longer than it by 1/√(1 − τ),
/// and a rounding off the line would grow where they are unstable.
fn methods() -> [Box<dyn Optimizer>; 5] {
    let falling = |rate| Schedule::exponential(rate, 0.99);
    [
        Box::new(Sgd::new(0.3)),
        Box::new(HeavyBall::new(0.3, 0.9)),
        Box::new(AdaGrad::new(0.1).epsilon(EPSILON)),
        Box::new(RmsProp::new(falling(0.005)).decay(0.99).epsilon(EPSILON)),
        Box::new(Adam::new(falling(0.05)).epsilon(EPSILON)),
    ]
}

/// Examples with features of their own, the first of which belong to example number `first`.
struct Examples {
    x: Array2<f64>,
    y: Array1<f64>,
    n_negative: usize,
}

impl Examples {
    /// Of twice as many possible examples, `n` that begin with number `first`.
    fn new(n: usize, negative: f64, first: usize) -> Examples {
        let n_negative = (n as f64 * negative).round() as usize;
        let y = Array1::from_shape_fn(n, |example| if example < n_negative { -1.0 } else { 1.0 });
        let x = Array2::from_shape_fn((n, N_COMMON + 2 * n * N_OWN), |(example, feature)| match feature {
            0 => y[example],
            1 | 2 => 1.0,
            _ => {
                let own = if y[example] > 0.0 { 1 } else { N_OWN };
                let start = N_COMMON + N_OWN * (first + example);
                f64::from((start..start + own).contains(&feature))
            }
        });
        Examples { x, y, n_negative }
    }

    /// The least-squares solution of least norm.
    fn least_norm(&self) -> Array1<f64> {
        let negative = self.n_negative as f64;
        let positive = self.y.len() as f64 - negative;
        let divisor = 15.0 * positive + 3.0 * negative + 8.0 * positive * negative + 5.0;
        let alpha = self.y.mapv(|y| if y > 0.0 { 4.0 * negative + 5.0 } else { -(4.0 * positive + 1.0) } / divisor);
        self.x.t().dot(&alpha)
    }

    /// sign(Xᵀy).
    fn signs(&self) -> Array1<f64> {
        self.x.t().dot(&self.y).mapv(|sum: f64| if sum == 0.0 { 0.0 } else { sum.signum() })
    }

    /// The rate of examples whose label is not the sign of their score.
    fn error(&self, weights: &Array1<f64>) -> f64 {
        let scores = self.x.dot(weights);
        let n_wrong = scores.iter().zip(&self.y).filter(|(score, y)| *score * *y <= 0.0).count();
        n_wrong as f64 / self.y.len() as f64
    }
}

/// Half of the mean squared error of a linear map.
struct Problem {
    step: TrainingStep,
    start: Parameters,
}

impl Problem {
    fn new(train: &Examples) -> Result<Problem, Box<dyn Error>> {
        let g = Graph::new();
        let n_features = train.x.ncols();
        let (x, y) = (g.input_of::<f64>("x", ("batch", n_features)), g.input_of::<f64>("y", ("batch",)));
        let w = g.parameter_of(DType::F64, "w", (n_features,), Initializer::Zeros);
        let loss = squared_error(x.dot(w), y).mean() / 2.0;
        let step = g.compile_training_with(loss, (), &Options { threads: 1, ..Options::default() })?;
        Ok(Problem { step, start: g.initialize(0)? })
    }

    /// The weights at the end, and the loss at some steps on the way.
    fn descend(
        &mut self,
        method: &mut dyn Optimizer,
        train: &Examples,
        n_steps: u64,
    ) -> Result<Descent, Box<dyn Error>> {
        let mut parameters = self.start.clone();
        let mut gradients = Gradients::zeros(parameters.layout().clone());
        let mut losses = Vec::new();
        for step in 0..n_steps {
            let inputs = (("x", &train.x), ("y", &train.y));
            let (loss, _) = self.step.run_into(&parameters, inputs, &mut gradients)?;
            method.step(&mut parameters, &gradients)?;
            if step < DRAWN_STEPS {
                losses.push((step as f64, loss));
            }
        }
        Ok((Array1::from(parameters.flat::<f64>()?.to_vec()), losses))
    }
}

fn draw(shares: &[Share]) -> Figure {
    let (x, y) = (Axis::new("steps"), Axis::new("training loss").logarithmic().range(1e-13, 1.0));
    let mut loss = Chart::new(format!("{:.0} % of label −1: the training loss", 100.0 * DRAWN), x, y);
    let drawn = shares.iter().min_by(|a, b| (a.negative - DRAWN).abs().total_cmp(&(b.negative - DRAWN).abs()));
    for (name, end) in METHODS.iter().zip(drawn.iter().flat_map(|share| &share.ends)) {
        loss = loss.line(*name, end.losses.iter().map(|(step, loss)| (*step, loss.max(1e-13))));
    }
    let (x, y) = (Axis::new("examples of label −1 (%)"), Axis::new("wrong among new examples (%)"));
    let of = |method: usize| shares.iter().map(move |share| (share.negative, share.ends[method].test_error));
    let percent = |(negative, error)| (100.0 * negative, 100.0 * error);
    let test = Chart::new("what is learned: the test error", x, y)
        .legend(Corner::UpperLeft)
        .line("gradient descent, heavy ball", of(0).map(percent))
        .points("", (0..N_GRADIENT).flat_map(of).map(percent))
        .line("AdaGrad, RMSProp, Adam", of(N_GRADIENT).map(percent))
        .points("", (N_GRADIENT..METHODS.len()).flat_map(of).map(percent));
    Figure::new([loss, test], 2)
}

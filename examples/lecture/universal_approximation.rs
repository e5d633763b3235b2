//! One hidden layer, x ↦ Σ βᵢ σ(wᵢx + bᵢ), comes as near as one likes to any continuous function on an interval exactly if
//! σ, continuous, is no polynomial.
//!
//! Measured: the greatest error on [−1, 1] for f(x) = sin 3x + |x| over the number m of hidden units, with σ = tanh, ReLU,
//! the identity and x². The hidden weights are random, kinks evenly spread, and β is the least-squares solution, by a
//! Cholesky decomposition within the graph: that the error falls shows that networks near f exist. That it cannot fall with
//! the identity and with x² is no matter of training: every such network, with any weights, is a polynomial of degree 1
//! or 2, and no such polynomial comes nearer to f than a bound that is computed here. Drawn: the errors, median and range
//! over draws of the weights, with the bounds; and f with its approximations.
//!
//! Sources: Cybenko, *Approximation by superpositions of a sigmoidal function*, 1989, theorem 1; Leshno, Lin, Pinkus and
//! Schocken, *Multilayer feedforward networks with a nonpolynomial activation function can approximate any function*,
//! 1993, theorem 1. The bound: de la Vallée Poussin, *Sur les polynômes d'approximation*, 1910, as in Cheney,
//! *Introduction to Approximation Theory*, 1966, chapter 3.

use std::error::Error;

use ndarray::{Array1, Array2};
use pullback::{
    DType, Expr, Graph, Index, Initializer, Program,
    view::{Axis, Chart, Corner, Figure},
};

use super::{
    claim::{Claim, Evidence, Outcome, Setting},
    statistics::quantile,
};

pub(crate) const CLAIM: Claim = Claim {
    name: "universal-approximation",
    statement: "one hidden layer approximates any continuous function iff σ is no polynomial",
    run,
};

/// An activation, and the degree of the polynomials that its networks are, if they are.
struct Activation {
    name: &'static str,
    apply: fn(Expr<'_>) -> Expr<'_>,
    degree: Option<usize>,
}

const ACTIVATIONS: [Activation; 4] = [
    Activation { name: "tanh", apply: |x| x.tanh(), degree: None },
    Activation { name: "ReLU", apply: |x| x.relu(), degree: None },
    Activation { name: "identity", apply: |x| x, degree: Some(1) },
    Activation { name: "x²", apply: |x| x.square(), degree: Some(2) },
];

/// Points that are looked at, and the distance of those among them that networks are fitted to.
const N_POINTS: usize = 2049;
const STRIDE: usize = 4;

/// Added to the diagonal of the normal equations, whose matrix is singular for polynomials.
const RIDGE: f64 = 1e-11;

/// Of the units of the approximations that are drawn.
const DRAWN: usize = 16;

/// How far below the best polynomial of degree 2 the errors of the others have to come with the most units.
const FALL: f64 = 0.1;

fn run(setting: &Setting) -> Outcome {
    let n_units = setting.pick(
        vec![2, 8, DRAWN, 128],
        vec![1, 2, 4, 8, DRAWN, 32, 64, 128, 256],
        vec![1, 2, 4, 8, DRAWN, 32, 64, 128, 256, 512],
    );
    let n_draws = setting.pick(3, 11, 31);
    let x = Array1::linspace(-1.0, 1.0, N_POINTS);
    let bounds = [1, 2].map(|degree| lower_bound(degree, &x));
    let mut evidence = Evidence::default();
    evidence
        .measure(format!("no line is nearer than {:.4}, no polynomial of degree 2 than {:.4}", bounds[0], bounds[1]));

    let mut curves = Vec::new();
    let mut drawn = Vec::new();
    for activation in &ACTIVATIONS {
        let mut errors = Vec::new();
        for m in &n_units {
            let mut fit = Fit::new(activation, *m)?;
            let fits: Vec<Array1<f64>> = (0..n_draws)
                .map(|draw| fit.run(&x, setting.seed * n_draws + draw))
                .collect::<Result<_, Box<dyn Error>>>()?;
            errors.push((*m, fits.iter().map(|fit| greatest_error(&x, fit)).collect()));
            if *m == DRAWN {
                drawn.push((activation.name, fits[0].clone()));
            }
        }
        judge(&mut evidence, activation, &errors, &bounds);
        curves.push((activation.name, errors));
    }
    setting.save(&draw(&x, &curves, &bounds, &drawn), CLAIM.name)?;
    Ok(evidence)
}

fn target(x: f64) -> f64 {
    (3.0 * x).sin() + x.abs()
}

fn greatest_error(x: &Array1<f64>, fit: &Array1<f64>) -> f64 {
    x.iter().zip(fit).map(|(x, fit)| (fit - target(*x)).abs()).fold(0.0, f64::max)
}

/// Errors of networks with so many units, one for each draw of their weights.
type Errors = (usize, Vec<f64>);

/// Asks of polynomials that they keep their bound, and of the others that they fall far below it.
fn judge(evidence: &mut Evidence, activation: &Activation, errors: &[Errors], bounds: &[f64; 2]) {
    let name = activation.name;
    let Some((most, last)) = errors.last() else { return };
    let (median, worst) = (quantile(last, 0.5), quantile(last, 1.0));
    if let Some(degree) = activation.degree {
        let bound = bounds[degree - 1];
        let least = errors.iter().flat_map(|(_, errors)| errors).copied().fold(f64::MAX, f64::min);
        evidence.require(
            least >= bound,
            format!("{name}: {median:.4} with {most} units, with any never under {least:.4}; the bound is {bound:.4}"),
        );
    } else {
        let factor = bounds[1] / worst;
        let found = format!("{name}: {median:.5} with {most} units, at worst {worst:.5}");
        evidence.require(
            worst < FALL * bounds[1],
            format!("{found}, {factor:.0} times nearer than polynomials of degree 2 can be"),
        );
    }
}

/// What no polynomial of a degree d comes under in its greatest error: for any d + 2 of the points it is at least
/// |Σ cᵢf(xᵢ)| / Σ|cᵢ| with cᵢ = Πⱼ 1/(xᵢ − xⱼ), for Σ cᵢp(xᵢ), a divided difference, is 0 for every p. The greatest over
/// some of the points, so the bound may be a little less than it could.
fn lower_bound(degree: usize, x: &Array1<f64>) -> f64 {
    let some: Vec<f64> = x.iter().copied().step_by(N_POINTS / 64).collect();
    let mut chosen = Vec::new();
    greatest_difference(&some, degree + 2, &mut chosen)
}

/// The greatest quotient of divided differences over all ways to add `n` of the points to those that are chosen.
fn greatest_difference(points: &[f64], n: usize, chosen: &mut Vec<f64>) -> f64 {
    if n == 0 {
        let weight =
            |x: &f64| chosen.iter().filter(|other| *other != x).map(|other| 1.0 / (x - other)).product::<f64>();
        let (sum, size) =
            chosen.iter().fold((0.0, 0.0), |(sum, size), x| (sum + weight(x) * target(*x), size + weight(x).abs()));
        return sum.abs() / size;
    }
    let mut greatest = 0.0f64;
    for (position, point) in points.iter().enumerate() {
        chosen.push(*point);
        greatest = greatest.max(greatest_difference(&points[position + 1..], n - 1, chosen));
        chosen.pop();
    }
    greatest
}

/// A network of random hidden weights, with the outer weights that fit best.
struct Fit {
    graph: Graph,
    program: Program,
}

impl Fit {
    fn new(activation: &Activation, m: usize) -> Result<Fit, Box<dyn Error>> {
        let graph = Graph::new();
        let program = compile(&graph, activation, m)?;
        Ok(Fit { graph, program })
    }

    /// The network on all points.
    fn run(&mut self, x: &Array1<f64>, seed: u64) -> Result<Array1<f64>, Box<dyn Error>> {
        let parameters = self.graph.initialize(seed)?;
        let y = x.mapv(target);
        let out = self.program.run(&parameters, (("x", x), ("y", &y)))?;
        let fit = out["fit"].array::<f64>().ok_or("the fit is of f64")?;
        // Or the greatest error would pass over what is no number.
        let is_finite = fit.iter().all(|value| value.is_finite());
        if is_finite { Ok(fit.iter().copied().collect()) } else { Err("the normal equations have no solution".into()) }
    }
}

/// σ(w(x − t)), with t, where x ↦ σ(w(x − t)) bends, anywhere, and with w as steep as the units are close.
fn compile(g: &Graph, activation: &Activation, m: usize) -> Result<Program, Box<dyn Error>> {
    let (x, y) = (g.input_of::<f64>("x", (N_POINTS,)), g.input_of::<f64>("y", (N_POINTS,)));
    let uniform =
        |name, reach: f64| g.parameter_of(DType::F64, name, (m,), Initializer::Uniform { low: -reach, high: reach });
    let (steepness, place) = (uniform("steepness", 2.0 + m as f64 / 2.0), uniform("place", 1.0));
    let features = (activation.apply)((x.unsqueeze(-1) - place) * steepness);
    let fitted = Index::from(..).step(STRIDE as i64);
    let (seen, wanted) = (features.slice(fitted), y.slice(fitted));
    let scale = (N_POINTS / STRIDE) as f64;
    let ridge = g.constant(Array2::<f64>::eye(m) * RIDGE);
    let normal = seen.t().dot(seen) / scale;
    let size = (normal * g.constant(Array2::<f64>::eye(m))).sum();
    let outer = (normal + ridge * size).solve_positive_definite(seen.t().dot(wanted) / scale);
    Ok(g.compile([("fit", features.dot(outer))])?)
}

fn draw(x: &Array1<f64>, curves: &[(&str, Vec<Errors>)], bounds: &[f64; 2], drawn: &[(&str, Array1<f64>)]) -> Figure {
    let mut errors = Chart::new(
        "error over units: median and range over draws",
        Axis::new("hidden units m").logarithmic(),
        Axis::new("greatest error on [−1, 1]").logarithmic(),
    )
    .legend(Corner::LowerLeft);
    for (name, errors_of) in curves {
        let at = |fraction: f64| errors_of.iter().map(move |(m, errors)| (*m as f64, quantile(errors, fraction)));
        let band = at(0.0).zip(at(1.0)).map(|((m, low), (_, high))| (m, low, high));
        errors = errors.line(*name, at(0.5)).points("", at(0.5)).band(band);
    }
    let ends = [curves[0].1.first(), curves[0].1.last()].map(|end| end.map_or(1.0, |(m, _)| *m as f64));
    for (name, bound) in ["no line is nearer", "no polynomial of degree 2 is nearer"].into_iter().zip(bounds) {
        errors = errors.dashed(name, ends.map(|m| (m, *bound)));
    }
    let mut fits = Chart::new(format!("least squares with {DRAWN} units"), Axis::new("x"), Axis::new("network"))
        .legend(Corner::LowerRight);
    let thin = |y: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
        (0..N_POINTS).step_by(8).map(|point| (x[point], y(point))).collect()
    };
    for (name, fit) in drawn {
        fits = fits.line(*name, thin(&|point| fit[point]));
    }
    Figure::new([errors, fits.dashed("sin 3x + |x|", thin(&|point| target(x[point])))], 2)
}

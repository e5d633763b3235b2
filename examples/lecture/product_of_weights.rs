//! A network of two weights and one example already has a loss, (1 − w₂w₁)², that is neither convex nor concave.
//!
//! Measured: both eigenvalues of the Hessian over a grid. Drawn: the loss, and the lowest eigenvalue, whose sign tells where
//! the loss curves downwards.

use pullback::{
    DType, Graph, Initializer,
    landscape::{Lanczos, Landscape, StationaryKind, Tolerance},
    view::{Axis, Chart, Figure, Grid},
};

use super::claim::{Claim, Evidence, Outcome, Setting};

pub(crate) const CLAIM: Claim =
    Claim { name: "product-of-weights", statement: "(1 − w₂w₁)² is neither convex nor concave", run };

/// How far the grid goes from 0.
const REACH: f64 = 2.0;

fn run(setting: &Setting) -> Outcome {
    let g = Graph::new();
    let weight = |name| g.parameter_of(DType::F64, name, (), Initializer::Zeros);
    let mut landscape = Landscape::new((1.0 - weight("w2") * weight("w1")).square())?;
    let mut point = g.initialize(0)?;
    let n = setting.pick(21, 81, 161);
    let at = |step: usize| REACH * (2.0 * step as f64 / (n - 1) as f64 - 1.0);

    let (mut values, mut lowest, mut highest) = (Vec::new(), Vec::new(), Vec::new());
    for (row, column) in (0..n).flat_map(|row| (0..n).map(move |column| (row, column))) {
        point.set("w1", at(column))?;
        point.set("w2", at(row))?;
        let mut here = landscape.point(&point, ())?;
        let eigenvalues = here.eigenvalues()?;
        values.push(here.value());
        lowest.push(eigenvalues[0]);
        highest.push(eigenvalues[1]);
    }
    let n_indefinite = lowest.iter().zip(&highest).filter(|(low, high)| **low < 0.0 && **high > 0.0).count();
    let n_convex = lowest.iter().filter(|low| **low > 0.0).count();
    let mut evidence = Evidence::default();
    let greatest = values.iter().copied().fold(0.0, f64::max);
    evidence.measure(format!("the loss goes from 0 to {greatest} over |w| ≤ {REACH}"));
    evidence.require(n_indefinite > 0, format!("the Hessian is indefinite at {n_indefinite} of {} points", n * n));
    evidence.require(n_convex > 0, format!("it is positive definite at {n_convex}, so the loss is not concave"));

    point.flat_mut::<f64>()?.fill(0.0);
    let tolerance = Tolerance { gradient: 1e-12, eigenvalue: 1e-9 };
    let origin = landscape.point(&point, ())?.stationary_kind(&tolerance, &Lanczos::seeded(setting.seed))?;
    let curvature = origin.curvature.ok_or("the origin is stationary")?;
    let (low, high) = (curvature.lowest.value, curvature.highest.value);
    evidence.require(
        origin.kind == StationaryKind::Saddle && (low + 2.0).abs() < 1e-12 && (high - 2.0).abs() < 1e-12,
        format!("the origin is a {:?} with the eigenvalues {low:.3} and {high:.3}", origin.kind),
    );
    setting.save(&draw([n, n], values, lowest), CLAIM.name)?;
    Ok(evidence)
}

fn draw(size: [usize; 2], values: Vec<f64>, lowest: Vec<f64>) -> Figure {
    let chart = |title: &str| Chart::new(title, Axis::new("w₁"), Axis::new("w₂"));
    let ends = [-REACH, REACH];
    let grid = |values, levels: Vec<f64>, is_signed| Grid { values, size, x: ends, y: ends, levels, is_signed };
    let hyperbola = |sign: f64| {
        (0..=60).map(move |step| {
            let w1 = sign * (0.5 + 1.5 * f64::from(step) / 60.0);
            (w1, 1.0 / w1)
        })
    };
    let levels = vec![0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 20.0];
    let loss = chart("loss (1 − w₂w₁)²: 0 on the lines, 25 in two corners")
        .grid(grid(values, levels, false))
        .line("minima w₂w₁ = 1", hyperbola(1.0))
        .line("", hyperbola(-1.0));
    let levels = vec![-24.0, -16.0, -8.0, -4.0, -2.0, -1.0, 0.0, 0.5, 1.0, 2.0];
    let sign = chart("lowest eigenvalue: blue negative, red positive").grid(grid(lowest, levels, true));
    Figure::new([loss, sign.points("saddle", [(0.0, 0.0)])], 2)
}

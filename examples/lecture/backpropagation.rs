//! All derivatives of a network of k layers of H units cost O(kH²) by backpropagation and O(k²H²) naively, where each
//! layer's derivative is worked out for itself.
//!
//! The network is h ← tanh(W·h), k times, with the squared error of one example, in f64. Measured: floating-point
//! operations, counted exactly, and time, over k and over H. The counts are two polynomials, which must hold exactly;
//! powers are fitted to them too. Time is drawn and fitted, and nothing is asked of it: at these widths a step takes
//! about as long to start as to compute. Drawn: counts and times over k and over H, with the slopes 1 and 2.
//!
//! Sources: Rumelhart, Hinton and Williams, *Learning representations by back-propagating errors*, 1986; Baur and
//! Strassen, *The complexity of partial derivatives*, 1983, for the factor over the function alone.

use pullback::view::{Axis, Chart, Corner, Figure};

use super::{
    claim::{Claim, Evidence, Outcome, Setting},
    cost::{Cost, Method, measure},
    statistics::power,
};

pub(crate) const CLAIM: Claim =
    Claim { name: "backpropagation", statement: "backpropagation costs O(kH²), naive derivatives O(k²H²)", run };

const METHODS: [(Method, &str); 3] = [
    (Method::Backpropagation, "backpropagation"),
    (Method::Naive, "naive derivatives"),
    (Method::Function, "the function alone"),
];

/// The depth where the width changes.
const DEPTH: usize = 8;

/// The width where the depth changes.
const WIDTH: usize = 64;

/// How far a fitted exponent may be from the power: the terms of lower order move it by up to 0.03.
const NEAR: f64 = 0.05;

/// More than any function of +, −, ·, / has to pay for its gradient, by Baur and Strassen.
const FACTOR: f64 = 5.0;

/// A network's depth and width, and what each of the methods costs on it.
struct Row {
    depth: usize,
    width: usize,
    costs: [Cost; 3],
}

fn run(setting: &Setting) -> Outcome {
    let depths = setting.pick(vec![8, 16, 32], vec![8, 16, 32, 64, 128], vec![8, 16, 32, 64, 128, 256]);
    let widths = setting.pick(vec![32, 64, 128], vec![32, 64, 128, 256, 512], vec![32, 64, 128, 256, 512, 1024]);
    let n_runs = setting.pick(5, 15, 31);
    let row =
        |depth, width| Row { depth, width, costs: METHODS.map(|(method, _)| measure([depth, width], method, n_runs)) };
    let over_depth: Vec<Row> = depths.into_iter().map(|depth| row(depth, WIDTH)).collect();
    let over_width: Vec<Row> = widths.into_iter().map(|width| row(DEPTH, width)).collect();

    let mut evidence = Evidence::default();
    let rows = || over_depth.iter().chain(&over_width);
    let n_networks = rows().count();
    evidence.require(
        rows().all(|row| row.costs[0].flops == by_backpropagation(row)),
        format!("backpropagation takes exactly k(6H² + 3H) − 2H² + 2H FLOP on {n_networks} networks"),
    );
    evidence.require(
        rows().all(|row| row.costs[1].flops == by_naive_derivatives(row)),
        "the naive derivative takes exactly k²(3H² + 2H) + k(H² + 3H) FLOP on all of them",
    );
    let factor = rows().map(|row| row.costs[0].flops / row.costs[2].flops).fold(0.0, f64::max);
    evidence.require(
        factor < FACTOR,
        format!("backpropagation takes at most {factor:.2} times the FLOP of the function alone"),
    );
    compare(&mut evidence, ("k", &over_depth, |row| row.depth), [1.0, 2.0]);
    compare(&mut evidence, ("H", &over_width, |row| row.width), [2.0, 2.0]);
    setting.save(&draw(&over_depth, &over_width), CLAIM.name)?;
    Ok(evidence)
}

fn by_backpropagation(row: &Row) -> f64 {
    let (k, h) = (row.depth as f64, row.width as f64);
    // Nobody asks for the derivative by the first layer's input, which saves a product and its factor.
    k * (6.0 * h * h + 3.0 * h) - 2.0 * h * h + 2.0 * h
}

fn by_naive_derivatives(row: &Row) -> f64 {
    let (k, h) = (row.depth as f64, row.width as f64);
    k * k * (3.0 * h * h + 2.0 * h) + k * (h * h + 3.0 * h)
}

/// The name of a size, networks that differ in it, and the size of one of them.
type Sweep<'r> = (&'r str, &'r [Row], fn(&Row) -> usize);

/// Fits powers of a size to what was measured, and compares those of the counts with the claimed ones.
fn compare(evidence: &mut Evidence, (name, rows, size): Sweep<'_>, claimed: [f64; 2]) {
    let fitted = |method: usize, of: fn(&Cost) -> f64| power(&points(rows, size, method, of));
    for (method, claimed) in claimed.into_iter().enumerate() {
        let (flops, seconds) = (fitted(method, |cost| cost.flops), fitted(method, |cost| cost.seconds));
        evidence.require(
            (flops - claimed).abs() < NEAR,
            format!("{}: FLOP as {name}^{flops:.3}, claimed {claimed}; time as {name}^{seconds:.2}", METHODS[method].1),
        );
    }
}

fn points(rows: &[Row], size: fn(&Row) -> usize, method: usize, of: fn(&Cost) -> f64) -> Vec<(f64, f64)> {
    rows.iter().map(|row| (size(row) as f64, of(&row.costs[method]))).collect()
}

fn draw(over_depth: &[Row], over_width: &[Row]) -> Figure {
    let depth = |row: &Row| row.depth;
    let width = |row: &Row| row.width;
    let (depths, widths): (Sweep<'_>, Sweep<'_>) = (("depth k", over_depth, depth), ("width H", over_width, width));
    let flops: Quantity = ("floating-point operations", |cost| cost.flops);
    let time: Quantity = ("time (µs)", |cost| cost.seconds * 1e6);
    let charts = [
        chart(&format!("operations over depth, H = {WIDTH}"), depths, flops),
        chart(&format!("operations over width, k = {DEPTH}"), widths, flops),
        chart(&format!("time over depth, H = {WIDTH}"), depths, time),
        chart(&format!("time over width, k = {DEPTH}"), widths, time),
    ];
    Figure::new(charts, 2)
}

/// What an axis is called, and what stands on it.
type Quantity = (&'static str, fn(&Cost) -> f64);

fn chart(title: &str, (name, rows, size): Sweep<'_>, (label, of): Quantity) -> Chart {
    let axes = (Axis::new(name).logarithmic(), Axis::new(label).logarithmic());
    let mut chart = Chart::new(title, axes.0, axes.1).legend(Corner::UpperLeft);
    for (method, (_, method_name)) in METHODS.iter().enumerate() {
        let points = points(rows, size, method, of);
        chart = chart.line(*method_name, points.clone()).points("", points);
    }
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return chart };
    let [start, end] = [first, last].map(|row| size(row) as f64);
    let slope = |from: f64, power: i32| [(start, from), (end, from * (end / start).powi(power))];
    // Apart from what they are compared with, or they would hide it.
    let (below, above) = (of(&first.costs[0]) * 0.7, of(&first.costs[1]) * 1.4);
    if name.starts_with("depth") {
        chart = chart.dashed("slope 1", slope(below, 1));
    }
    chart.dashed("slope 2", slope(above, 2))
}

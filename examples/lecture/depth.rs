//! Depth is worth more than width: the sawtooth of 2ᵏ pieces is a ReLU network of k hidden layers of two units, and every
//! network of one hidden layer of as many units is at least 1/64 away from it in L¹, for k ≥ 6.
//!
//! The sawtooth is the mirror map x ↦ 2·relu(x) − 4·relu(x − ½), k times. A network of one hidden layer of m units has at
//! most m + 1 affine pieces on [0, 1], and that alone is an argument, for networks with any weights. A function g of p
//! pieces crosses ½ at most once in each, so g − ½ keeps its sign in at most 2p intervals. The sawtooth f crosses ½ at 2ᵏ
//! points; of the 2ᵏ − 1 triangles between them, 2ᵏ − 2p are each within one interval, and as their signs alternate, at
//! least 2ᵏ⁻¹ − 2p are on the other side of ½ than g. In each, ∫|f − g| ≥ ∫|f − ½| = 2⁻ᵏ/4. So ∫|f − g| ≥ 1/8 − p/2ᵏ⁺¹.
//!
//! Measured: ∫₀¹|f − g|, exactly, as both are piecewise affine: for the deep network, for shallow ones that were trained
//! to make it small, and for the shallow one of 2ᵏ units that is the sawtooth. Drawn: the sawtooth and a shallow network,
//! pieces over units, and errors over k and over units, median and range over first weights.
//!
//! Sources: Telgarsky, *Representation benefits of deep feedforward networks*, 2015, and *Benefits of depth in neural
//! networks*, 2016, theorem 1.1 (1/64 in L¹) and section 3; the constants above are worked out for one hidden layer.

mod sawtooth;
mod shallow;

use std::error::Error;

use ndarray::array;
use pullback::{
    DType, Expr, Graph, Parameters,
    nn::perceptron,
    view::{Axis, Chart, Corner, Figure},
};

use sawtooth::{breaks, distance, evaluate, lower_bound, n_pieces, sawtooth};
use shallow::{Network, Shallow, Start, kinks};

use super::{
    claim::{Claim, Evidence, Outcome, Setting},
    statistics::quantile,
};

pub(crate) const CLAIM: Claim = Claim {
    name: "depth",
    statement: "k layers of two units make a sawtooth that is 1/64 away from shallow networks as large",
    run,
};

const CLAIMED: f64 = 1.0 / 64.0;

/// Of the sawtooth that is drawn and that shallow networks of many sizes are fitted to.
const DRAWN: usize = 6;

fn run(setting: &Setting) -> Outcome {
    let depths = setting.pick(vec![2, 4, DRAWN, 7], (1..=9).collect(), (1..=11).collect());
    let n_steps = setting.pick(300, 2000, 10_000);
    let seeds: Vec<u64> = (0..setting.pick(2, 5, 11)).map(|draw| setting.seed * 1000 + draw).collect();
    let mut evidence = Evidence::default();
    judge_deep(&mut evidence, *depths.iter().max().unwrap_or(&DRAWN))?;

    let train = |k: usize, m: usize, start: Start| -> Result<Trained, Box<dyn Error>> {
        let mut shallow = Shallow::new(k, m)?;
        let networks = seeds.iter().map(|seed| shallow.train(start, *seed, n_steps)).collect::<Result<_, _>>()?;
        Ok(Trained { k, m, networks })
    };
    let over_depth = |start| depths.iter().map(|k| train(*k, 2 * k, start)).collect::<Result<Vec<_>, _>>();
    let n_units = setting.pick(
        vec![12, 64],
        vec![4, 8, 12, 16, 24, 32, 48, 64, 96],
        vec![4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256],
    );
    let over_units = |start| n_units.iter().map(|m| train(DRAWN, *m, start)).collect::<Result<Vec<_>, _>>();
    let from_random = Sweeps { over_depth: over_depth(Start::Random)?, over_units: over_units(Start::Random)? };
    let from_teeth = Sweeps { over_depth: over_depth(Start::Teeth)?, over_units: over_units(Start::Teeth)? };
    judge_shallow(&mut evidence, [&from_random, &from_teeth]);
    setting.save(&draw(&from_random, &from_teeth)?, CLAIM.name)?;
    Ok(evidence)
}

/// Shallow networks that started in one way: of as many units as the deep one, over k, and of many sizes for one k.
struct Sweeps {
    over_depth: Vec<Trained>,
    over_units: Vec<Trained>,
}

/// Networks of one hidden layer of m units, trained from several first weights to be the sawtooth of 2ᵏ pieces.
struct Trained {
    k: usize,
    m: usize,
    networks: Vec<Network>,
}

impl Trained {
    fn error(&self, fraction: f64) -> f64 {
        let errors: Vec<f64> = self.networks.iter().map(|network| network.error).collect();
        quantile(&errors, fraction)
    }
}

fn judge_deep(evidence: &mut Evidence, most: usize) -> Result<(), Box<dyn Error>> {
    let (mut total, mut are_counted) = (0.0f64, true);
    for k in 1..=most {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", ("points", 1));
        let mut deep = g.compile([("value", perceptron(x, "net", &vec![2; k], 1, Expr::relu).squeeze(-1))])?;
        let parameters = mirrors(&g, k)?;
        let places = breaks(k, &[]);
        let values = evaluate(&mut deep, &parameters, &places)?;
        total += distance(k, &places, &values);
        // Twice as many points, so that a kink between those above would be seen.
        let fine = breaks(k + 1, &[]);
        are_counted &= n_pieces(&fine, &evaluate(&mut deep, &parameters, &fine)?) == 1 << k;
    }
    evidence.require(
        total == 0.0,
        format!(
            "deep: errors for k up to {most} sum to {total}, the last with 2k = {} units in k hidden layers",
            2 * most
        ),
    );
    evidence.require(are_counted, format!("deep: 2ᵏ pieces for each k, {} of the last", 1 << most));
    let mut wide = Shallow::new(DRAWN, 1 << DRAWN)?;
    let parameters = wide.exact()?;
    let error = wide.error(&parameters)?;
    evidence.require(error == 0.0, format!("shallow: error {error} with 2ᵏ = {} units, constructed", 1 << DRAWN));
    Ok(())
}

/// The weights with which k layers of two units are k mirror maps.
fn mirrors(g: &Graph, k: usize) -> Result<Parameters, Box<dyn Error>> {
    let mut parameters = g.initialize(0)?;
    for layer in 1..=k {
        let weight = if layer == 1 { array![[1.0, 1.0]] } else { array![[2.0, 2.0], [-4.0, -4.0]] };
        parameters.set(&format!("net.{layer}.weight"), &weight)?;
        parameters.set(&format!("net.{layer}.bias"), &array![0.0, -0.5])?;
    }
    parameters.set("net.out.weight", &array![[2.0], [-4.0]])?;
    Ok(parameters)
}

fn judge_shallow(evidence: &mut Evidence, groups: [&Sweeps; 2]) {
    let all = || groups.into_iter().flat_map(|sweeps| sweeps.over_depth.iter().chain(&sweeps.over_units));
    let each = || all().flat_map(|trained| trained.networks.iter().map(move |network| (trained, network)));
    evidence.require(
        each().all(|(trained, network)| network.n_pieces <= trained.m + 1),
        format!("shallow: never more than m + 1 pieces in {} trained networks", each().count()),
    );
    let above = each().map(|(trained, network)| network.error - lower_bound(trained.k, network.n_pieces));
    let least = above.fold(f64::MAX, f64::min);
    evidence.require(least >= 0.0, format!("shallow: error at least {least:.4} above 1/8 − pieces/2ᵏ⁺¹"));
    let claimed = || all().filter(|trained| lower_bound(trained.k, trained.m + 1) >= CLAIMED);
    let least = claimed().map(|trained| trained.error(0.0)).fold(f64::MAX, f64::min);
    evidence.require(
        least >= CLAIMED && claimed().next().is_some(),
        format!("shallow: error at least {least:.4} where m + 1 ≤ 2ᵏ·7/32, claimed 1/64 = {CLAIMED:.4}"),
    );
    for (name, sweeps) in ["random", "teeth"].into_iter().zip(groups) {
        for trained in sweeps.over_depth.iter().chain(&sweeps.over_units).filter(|trained| trained.k >= DRAWN) {
            let [low, median, high] = [0.0, 0.5, 1.0].map(|fraction| trained.error(fraction));
            let Trained { k, m, .. } = trained;
            evidence.measure(format!("from {name}, k = {k}, {m:3} units: error {median:.4} ({low:.4} to {high:.4})"));
        }
    }
}

fn draw(from_random: &Sweeps, from_teeth: &Sweeps) -> Result<Figure, Box<dyn Error>> {
    let highest = from_random.over_depth.last().map_or(1, |trained| trained.k);
    let k = |trained: &Trained| trained.k as f64;
    let chart = Chart::new("error of 2k units", Axis::new("mirror maps k"), Axis::new("L¹ error").range(-0.01, 0.4));
    let chart = with_errors(chart, "one hidden layer, from random weights", &from_random.over_depth, k);
    let chart = with_errors(chart, "one hidden layer, from teeth", &from_teeth.over_depth, k)
        .line("k hidden layers", (1..=highest).map(|k| (k as f64, 0.0)))
        .dashed("1/64", [(1.0, CLAIMED), (highest as f64, CLAIMED)]);
    let bound = (10..=10 * highest).map(|tenth| {
        let k = f64::from(tenth as u32) / 10.0;
        (k, 0.125 - (2.0 * k + 1.0) / 2f64.powf(k + 1.0))
    });
    let over_depth = chart.dashed("no one hidden layer is under", bound.filter(|(_, bound)| *bound >= 0.0));

    let units = Axis::new("hidden units m").logarithmic();
    let title = format!("error for {} pieces", 1 << DRAWN);
    let most = from_random.over_units.last().map_or(1, |trained| trained.m);
    let m = |trained: &Trained| trained.m as f64;
    let chart = Chart::new(title, units.clone(), Axis::new("L¹ error").range(-0.01, 0.4));
    let chart = with_errors(chart, "one hidden layer, from random weights", &from_random.over_units, m);
    let chart = with_errors(chart, "one hidden layer, from teeth", &from_teeth.over_units, m)
        .points(format!("{DRAWN} hidden layers"), [(2.0 * DRAWN as f64, 0.0)])
        .dashed("1/64", [(4.0, CLAIMED), (most as f64, CLAIMED)]);
    let bound = (4..=most).map(|m| (m as f64, lower_bound(DRAWN, m + 1)));
    let over_units = chart.dashed("no one hidden layer is under", bound.filter(|(_, bound)| *bound >= 0.0));

    let counted = |trained: &Trained| -> Vec<(f64, f64)> {
        trained.networks.iter().map(|network| (trained.m as f64, network.n_pieces as f64)).collect()
    };
    let pieces = Chart::new("affine pieces", units, Axis::new("pieces on [0, 1]").logarithmic())
        .legend(Corner::UpperLeft)
        .line("k hidden layers of two units: 2ᵏ", (1..=highest).map(|k| (2.0 * k as f64, 2f64.powi(k as i32))))
        .line("one hidden layer: at most m + 1", (1..=highest).map(|k| (2.0 * k as f64, 2.0 * k as f64 + 1.0)))
        .points("one hidden layer, trained", from_random.over_depth.iter().flat_map(counted));
    Ok(Figure::new([functions(&from_teeth.over_depth)?, pieces, over_depth, over_units], 2))
}

/// With the median of errors and their range.
fn with_errors(chart: Chart, name: &str, group: &[Trained], at: fn(&Trained) -> f64) -> Chart {
    let points = |fraction: f64| group.iter().map(move |trained| (at(trained), trained.error(fraction)));
    let band = points(0.0).zip(points(1.0)).map(|((x, low), (_, high))| (x, low, high));
    chart.line(name, points(0.5)).points("", points(0.5)).band(band)
}

/// The sawtooth and the best shallow network of as many units.
fn functions(equal: &[Trained]) -> Result<Chart, Box<dyn Error>> {
    let title = format!("{} units", 2 * DRAWN);
    let chart = Chart::new(title, Axis::new("x"), Axis::new("network").range(-0.05, 1.35)).line(
        format!("{DRAWN} layers of two: the sawtooth"),
        breaks(DRAWN, &[]).into_iter().map(|x| (x, sawtooth(DRAWN, x))),
    );
    let Some(trained) = equal.iter().find(|trained| trained.k == DRAWN) else { return Ok(chart) };
    let Some(best) = trained.networks.iter().min_by(|a, b| a.error.total_cmp(&b.error)) else { return Ok(chart) };
    let mut places = vec![0.0];
    places.extend(kinks(&best.parameters)?);
    places.push(1.0);
    let values = evaluate(&mut Shallow::new(trained.k, trained.m)?.value, &best.parameters, &places)?;
    Ok(chart.line("one hidden layer, the best of the trained", places.into_iter().zip(values)))
}

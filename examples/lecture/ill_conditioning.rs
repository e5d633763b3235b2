//! Ill-conditioning makes gradient descent zigzag.
//!
//! Measured: on f = ½(μu² + Ls²), with κ = L/μ = 100, where u and s are coordinates along the flat and the steep direction
//! from the minimum, the steps of each method until the distance from the minimum is 10⁻⁶ of what it was, and how often s
//! changes its sign in the first 50 of them; with the flat direction along an axis, and turned by 30°, since methods with a
//! rate for each coordinate notice that. And the steps of two methods for κ from 10 to 10⁴. Only perturbed SGD is random.
//!
//! Rates: each method has the rate with the fewest steps of 10^(k/8) from 10⁻⁴ to 10, momentum has ρ = 0.9, and all else is what
//! the library takes for granted. Beside them stand two rates of theory: 2/(L + μ) for descent; and for the heavy ball
//! γ = 4/(√L + √μ)² with ρ = ((√κ − 1)/(√κ + 1))².
//! Drawn: paths on contours, distances over steps, and steps over κ.
//!
//! Source: Nesterov, *Introductory lectures on convex optimization*, 2004, theorem 2.1.15 (descent); Polyak, *Some methods of
//! speeding up the convergence of iteration methods*, 1964 (heavy ball).

use std::error::Error;

use pullback::{
    DType, Graph, Initializer, Parameters, TrainingStep,
    optim::{AdaGrad, Adam, AdamW, HeavyBall, Nesterov, Optimizer, PerturbedSgd, RmsProp, Sgd, SignSgd},
    view::{Axis, Chart, Corner, Figure, Grid},
};

use super::{
    claim::{Claim, Evidence, Outcome, Setting},
    descent::{Seen, compile, descend},
    statistics::power,
};

pub(crate) const CLAIM: Claim = Claim {
    name: "ill-conditioning",
    statement: "ill-conditioning makes gradient descent zigzag; momentum helps",
    run,
};

const KAPPA: f64 = 100.0;
const GOAL: f64 = 1e-6;
const MOST: usize = 5000;

/// Zigzags are counted in so many steps.
const FIRST: usize = 50;

/// Where the minimum is: not at the origin, to which weight decay would lead.
const MINIMUM: [f64; 2] = [2.0, 1.0];

/// The angle of the flat direction with the x axis, when it is turned.
const TURN: f64 = std::f64::consts::PI / 6.0;

/// A quadratic with μ = 1 and L = κ.
struct Valley {
    step: TrainingStep,
    start: Parameters,
    turn: f64,
    /// From the minimum, at the start.
    length: f64,
}

/// What a method did.
struct Path {
    points: Vec<(f64, f64)>,
    /// Until the goal.
    n_steps: Option<usize>,
    /// Changes of the sign along the steep direction in the first steps.
    n_signs: usize,
}

impl Valley {
    fn new(kappa: f64, turn: f64) -> Result<Valley, Box<dyn Error>> {
        let g = Graph::new();
        let w = g.parameter_of(DType::F64, "w", (2,), Initializer::Zeros);
        let (sine, cosine) = turn.sin_cos();
        let (x, y) = (w.slice(0) - MINIMUM[0], w.slice(1) - MINIMUM[1]);
        let (flat, steep) = (cosine * x + sine * y, cosine * y - sine * x);
        let step = compile(0.5 * (flat.square() + kappa * steep.square()))?;
        let mut start = g.initialize(0)?;
        // From the minimum, 1 along the flat direction and 1/√5 along the steep one.
        let (along, across) = (1.0, 0.2f64.sqrt());
        let from = [along * cosine - across * sine, along * sine + across * cosine];
        start.flat_mut::<f64>()?.copy_from_slice(&[MINIMUM[0] + from[0], MINIMUM[1] + from[1]]);
        Ok(Valley { step, start, turn, length: from[0].hypot(from[1]) })
    }

    /// Descends until the goal, if that is reached.
    fn descend(&mut self, rule: &mut dyn Optimizer, most: usize) -> Result<Path, Box<dyn Error>> {
        let (sine, cosine) = self.turn.sin_cos();
        let goal = GOAL * self.length;
        let mut path = Path { points: Vec::new(), n_steps: None, n_signs: 0 };
        let mut before = 0.0;
        descend(&mut self.step, &self.start, rule, most, |at| {
            let (x, y) = (at[0] - MINIMUM[0], at[1] - MINIMUM[1]);
            let steep = cosine * y - sine * x;
            path.n_signs += usize::from(steep * before < 0.0 && path.points.len() <= FIRST);
            before = steep;
            path.points.push((x, y));
            path.n_steps = (x.hypot(y) <= goal).then(|| path.points.len() - 1);
            if path.n_steps.is_some() || !x.hypot(y).is_finite() { Seen::Enough } else { Seen::NotEnough }
        })?;
        Ok(path)
    }
}

/// A method at a rate, with the noise of a seed.
type Make = fn(f64, u64) -> Box<dyn Optimizer>;

/// Those whose rate is looked for.
const METHODS: [(&str, Make); 9] = [
    ("gradient descent", |rate, _| Box::new(Sgd::new(rate))),
    ("heavy ball", |rate, _| Box::new(HeavyBall::new(rate, 0.9))),
    ("Nesterov", |rate, _| Box::new(Nesterov::new(rate, 0.9))),
    ("AdaGrad", |rate, _| Box::new(AdaGrad::new(rate))),
    ("RMSProp", |rate, _| Box::new(RmsProp::new(rate))),
    ("Adam", |rate, _| Box::new(Adam::new(rate))),
    ("AdamW", |rate, _| Box::new(AdamW::new(rate))),
    ("signSGD", |rate, _| Box::new(SignSgd::new(rate))),
    ("perturbed SGD", |rate, seed| Box::new(PerturbedSgd::new(rate, seed))),
];

/// A path with its method and rate.
struct Named {
    name: &'static str,
    rate: f64,
    path: Path,
}

/// The best of the rates: the goal first, else the nearest at the end.
fn best(valley: &mut Valley, (name, make): (&'static str, Make), seed: u64) -> Result<Named, Box<dyn Error>> {
    let rank = |path: &Path| {
        let end = path.points.last().map_or(f64::INFINITY, |(x, y)| x.hypot(*y));
        (path.n_steps.unwrap_or(usize::MAX), if end.is_nan() { f64::INFINITY } else { end })
    };
    let mut best: Option<Named> = None;
    for position in 0..=40 {
        let rate = 10f64.powf(-4.0 + f64::from(position) / 8.0);
        let path = valley.descend(&mut *make(rate, seed), MOST)?;
        if best.as_ref().is_none_or(|other| rank(&path) < rank(&other.path)) {
            best = Some(Named { name, rate, path });
        }
    }
    Ok(best.ok_or("there are rates")?)
}

fn run(setting: &Setting) -> Outcome {
    let mut evidence = Evidence::default();
    let (mut valley, mut turned) = (Valley::new(KAPPA, 0.0)?, Valley::new(KAPPA, TURN)?);
    let mut found = Vec::new();
    for method in METHODS {
        let [one, other] = [best(&mut valley, method, setting.seed)?, best(&mut turned, method, setting.seed)?];
        evidence.measure(format!("{}: {}; turned {}", method.0, tell(&one), tell(&other)));
        found.push(other);
    }
    let rate = 2.0 / (KAPPA + 1.0);
    let descent = Named { name: "descent, 2/(L + μ)", rate, path: turned.descend(&mut Sgd::new(rate), MOST)? };
    let (rate, momentum) = polyak(KAPPA);
    let path = turned.descend(&mut HeavyBall::new(rate, momentum), MOST)?;
    let ball = Named { name: "heavy ball, Polyak's", rate, path };
    judge(&mut turned, [&descent, &ball], &mut evidence)?;

    let exponents = setting.pick(3, 7, 9);
    let rows = (0..exponents).map(|position| steps_of(10f64.powf(1.0 + 0.5 * f64::from(position))));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    judge_powers(&rows, &mut evidence);
    found.extend([descent, ball]);
    setting.save(&draw(&found, &rows)?, CLAIM.name)?;
    Ok(evidence)
}

fn tell(Named { rate, path, .. }: &Named) -> String {
    let steps = path.n_steps.map_or_else(|| format!("not in {MOST} steps"), |n_steps| format!("{n_steps} steps"));
    format!("{steps} at γ = {rate:.4}, {} zigzags", path.n_signs)
}

/// Polyak's rate and momentum, for μ = 1.
fn polyak(kappa: f64) -> (f64, f64) {
    let root = kappa.sqrt();
    (4.0 / (root + 1.0).powi(2), ((root - 1.0) / (root + 1.0)).powi(2))
}

/// Until the distance is `GOAL` of what it was, where each step leaves (κ − 1)/(κ + 1) of it.
fn expected(kappa: f64) -> f64 {
    (GOAL.ln() / ((kappa - 1.0) / (kappa + 1.0)).ln()).ceil()
}

/// Says what the two rates of theory make.
fn judge(valley: &mut Valley, [descent, ball]: [&Named; 2], evidence: &mut Evidence) -> Result<(), Box<dyn Error>> {
    let n_signs = descent.path.n_signs;
    evidence.require(n_signs == FIRST, format!("{}: {}", descent.name, tell(descent)));
    let steps = |named: &Named| named.path.n_steps.map_or(f64::INFINITY, |n_steps| n_steps as f64);
    let ratio = steps(descent) / steps(ball);
    evidence.require(ratio > 4.0, format!("{}: {}, {ratio:.1} times fewer", ball.name, tell(ball)));
    let rate = 0.5 / KAPPA;
    let short = Named { name: "descent, 1/(2L)", rate, path: valley.descend(&mut Sgd::new(rate), MOST)? };
    evidence.require(short.path.n_signs == 0, format!("{}: {}", short.name, tell(&short)));
    Ok(())
}

/// The steps of descent and of the heavy ball at the rates of theory.
struct Steps {
    kappa: f64,
    descent: f64,
    ball: f64,
}

fn steps_of(kappa: f64) -> Result<Steps, Box<dyn Error>> {
    let mut valley = Valley::new(kappa, TURN)?;
    let (rate, momentum) = polyak(kappa);
    let mut steps = |rule: &mut dyn Optimizer| {
        let path = valley.descend(rule, 1_000_000)?;
        path.n_steps.map(|n_steps| n_steps as f64).ok_or_else(|| Box::<dyn Error>::from("too many steps"))
    };
    let descent = steps(&mut Sgd::new(2.0 / (kappa + 1.0)))?;
    let ball = steps(&mut HeavyBall::new(rate, momentum))?;
    Ok(Steps { kappa, descent, ball })
}

fn judge_powers(rows: &[Steps], evidence: &mut Evidence) {
    let off = rows.iter().map(|row| (row.descent - expected(row.kappa)).abs()).fold(0.0, f64::max);
    let text = format!("for all κ, descent takes ln 10⁻⁶/ln((κ − 1)/(κ + 1)) steps, give or take {off}");
    evidence.require(off <= 1.0, text);
    let slope = |of: fn(&Steps) -> f64| power(&rows.iter().map(|row| (row.kappa, of(row))).collect::<Vec<_>>());
    let [descent, ball] = [slope(|row| row.descent), slope(|row| row.ball)];
    evidence.require((descent - 1.0).abs() < 0.03, format!("the steps of descent go with κ to the power {descent:.3}"));
    evidence.require((ball - 0.5).abs() < 0.1, format!("those of the heavy ball with κ to the power {ball:.3}"));
}

fn draw(found: &[Named], rows: &[Steps]) -> Result<Figure, Box<dyn Error>> {
    let named = |names: &[&str]| found.iter().filter(|found| names.contains(&found.name)).collect::<Vec<_>>();
    let steep = named(&["descent, 2/(L + μ)", "heavy ball", "Nesterov"]);
    let adaptive = named(&["AdaGrad", "RMSProp", "Adam", "AdamW", "signSGD", "perturbed SGD"]);
    let mut distances = Chart::new(
        "distance from the minimum (valley turned by 30°)",
        Axis::new("step").logarithmic().range(1.0, MOST as f64),
        Axis::new("relative to the start").logarithmic().range(GOAL, 3.0),
    )
    .legend(Corner::LowerLeft);
    for Named { name, path, .. } in named(&DRAWN) {
        let length = path.points[0].0.hypot(path.points[0].1);
        let distance = |(step, (x, y)): (usize, &(f64, f64))| (step as f64, x.hypot(*y) / length);
        let is_shown = |(step, _): &(usize, _)| *step < 100 || step % (step / 50) == 0;
        distances = distances.line(*name, path.points.iter().enumerate().filter(is_shown).map(distance));
    }
    let steps =
        Chart::new("steps to 10⁻⁶", Axis::new("condition number κ").logarithmic(), Axis::new("steps").logarithmic())
            .line("descent, 2/(L + μ)", rows.iter().map(|row| (row.kappa, row.descent)))
            .line("heavy ball, Polyak's", rows.iter().map(|row| (row.kappa, row.ball)))
            .dashed("κ ln(10⁶)/2", rows.iter().map(|row| (row.kappa, -row.kappa * GOAL.ln() / 2.0)))
            .dashed("√κ ln(10⁶)/2", rows.iter().map(|row| (row.kappa, -row.kappa.sqrt() * GOAL.ln() / 2.0)))
            .legend(Corner::UpperLeft);
    let charts = [
        contours("first 20 steps, κ = 100", &steep, 20),
        contours("all steps, κ = 100", &adaptive, MOST),
        distances,
        steps,
    ];
    Ok(Figure::new(charts, 2))
}

/// As many as there are colours.
const DRAWN: [&str; 8] =
    ["descent, 2/(L + μ)", "heavy ball, Polyak's", "Nesterov", "AdaGrad", "RMSProp", "Adam", "AdamW", "signSGD"];

/// The first steps of some paths on the turned valley.
fn contours(title: &str, found: &[&Named], most: usize) -> Chart {
    const N: usize = 70;
    let (x, y) = ([-0.9, 1.3], [-0.6, 1.2]);
    let at = |ends: [f64; 2], position: usize| ends[0] + (ends[1] - ends[0]) * position as f64 / (N - 1) as f64;
    let (sine, cosine) = TURN.sin_cos();
    let value = |position: usize| {
        let (x, y) = (at(x, position % N), at(y, position / N));
        0.5 * ((cosine * x + sine * y).powi(2) + KAPPA * (cosine * y - sine * x).powi(2))
    };
    let levels = vec![0.1, 0.3, 1.0, 3.0, 6.0, 10.0, 15.0, 20.0, 30.0, 40.0];
    let grid = Grid { values: (0..N * N).map(value).collect(), size: [N, N], x, y, levels, is_signed: false };
    let chart = Chart::new(title, Axis::new("x from the minimum").range(x[0], x[1]), Axis::new("y").range(y[0], y[1]));
    let add = |chart: Chart, found: &&Named| {
        let is_shown = |(step, _): &(usize, _)| *step <= most && (*step < 100 || step % 20 == 0);
        let points = found.path.points.iter().enumerate().filter(is_shown).map(|(_, point)| *point);
        chart.line(found.name, points)
    };
    found.iter().fold(chart.grid(grid).legend(Corner::UpperLeft), add).points("minimum", [(0.0, 0.0)])
}

//! Momentum passes poor minima; too much of it overshoots the good one.
//!
//! Measured: where the heavy ball comes to rest on f(x) = ¼(x² − 1)² − 0.15x, from above the poorer of its two minima, for a
//! grid of rates γ and momenta ρ. Nothing here is random.
//! Drawn: the loss, three descents, the map of where they end, and how many steps they take.
//!
//! For small γ the heavy ball follows ẍ + cẋ + f′(x) = 0 at times t√γ, with the friction c = (1 − ρ)/√γ, so that borders in the
//! map are lines 1 − ρ = c√γ.
//!
//! Source: Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.

use std::error::Error;

use pullback::{
    DType, Graph, Initializer, Parameters, TrainingStep,
    optim::HeavyBall,
    view::{Axis, Chart, Corner, Figure},
};

use super::{
    claim::{Claim, Evidence, Outcome, Setting},
    descent::{Seen, compile, descend},
};

pub(crate) const CLAIM: Claim =
    Claim { name: "momentum", statement: "momentum passes poor minima; too much overshoots the good one", run };

const TILT: f64 = 0.15;
const START: f64 = -1.9;

/// Of f between the start and as far on the other side: 3x² − 1.
const SMOOTHNESS: f64 = 3.0 * START * START - 1.0;

/// The rate of the examples.
const RATE: f64 = 0.02;

fn value(x: f64) -> f64 {
    0.25 * (x * x - 1.0).powi(2) - TILT * x
}

/// Where a descent ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Poor,
    Good,
    Moving,
    Away,
}

struct Ball {
    step: TrainingStep,
    start: Parameters,
    n_steps: usize,
}

/// A descent of a ball.
struct Path {
    x: Vec<f64>,
    end: End,
}

impl Ball {
    fn new(n_steps: usize) -> Result<Ball, Box<dyn Error>> {
        let g = Graph::new();
        let x = g.parameter_of(DType::F64, "x", (), Initializer::Constant(START));
        let step = compile(0.25 * (x.square() - 1.0).square() - TILT * x)?;
        Ok(Ball { step, start: g.initialize(0)?, n_steps })
    }

    fn roll(&mut self, rate: f64, momentum: f64) -> Result<Path, Box<dyn Error>> {
        let mut x = Vec::new();
        let mut n_still = 0;
        descend(&mut self.step, &self.start, &mut HeavyBall::new(rate, momentum), self.n_steps, |at| {
            let moved = x.last().map_or(f64::INFINITY, |last: &f64| (at[0] - last).abs());
            x.push(at[0]);
            // Where it turns it is slow too, but not twice.
            n_still = if moved < 1e-9 { n_still + 1 } else { 0 };
            if n_still == 2 || at[0].is_nan() || at[0].abs() > 1e3 { Seen::Enough } else { Seen::NotEnough }
        })?;
        let last = x.last().copied().unwrap_or(START);
        let end = match () {
            () if last.is_nan() || last.abs() > 1e3 => End::Away,
            () if n_still < 2 => End::Moving,
            () if last < 0.0 => End::Poor,
            () => End::Good,
        };
        Ok(Path { x, end })
    }
}

/// The ends of descents, a row for each rate and a column for each 1 − ρ.
struct Map {
    rates: Vec<f64>,
    frictions: Vec<f64>,
    ends: Vec<Vec<End>>,
}

fn run(setting: &Setting) -> Outcome {
    let mut evidence = Evidence::default();
    let mut ball = Ball::new(20_000)?;
    let map = Map::new(&mut ball, setting.pick([14, 30], [34, 60], [100, 180]))?;
    let borders = map.judge(&mut ball, &mut evidence)?;
    let examples = [0.0, 0.9, 0.97].map(|momentum| ball.roll(RATE, momentum).map(|path| (momentum, path)));
    let examples = examples.into_iter().collect::<Result<Vec<_>, _>>()?;
    for ((momentum, path), end) in examples.iter().zip([End::Poor, End::Good, End::Poor]) {
        let (n_steps, farthest) = (path.x.len() - 1, path.x.iter().copied().fold(START, f64::max));
        let text =
            format!("γ = {RATE}, ρ = {momentum}: {:?} after {n_steps} steps, at most x = {farthest:.3}", path.end);
        evidence.require(path.end == end, text);
    }
    let charts = [landscape(&examples), paths(&examples), map.draw(borders), map.draw_steps(&mut ball)?];
    setting.save(&Figure::new(charts, 2), CLAIM.name)?;
    Ok(evidence)
}

impl Map {
    fn new(ball: &mut Ball, [n_rates, n_frictions]: [usize; 2]) -> Result<Map, Box<dyn Error>> {
        let power = |exponent: f64, position: usize, n: usize| 10f64.powf(exponent * position as f64 / (n - 1) as f64);
        let rates: Vec<f64> = (0..n_rates).map(|row| 0.003 * power(2.5, row, n_rates)).collect();
        let frictions: Vec<f64> = (0..n_frictions).map(|column| power(-2.5, column, n_frictions)).collect();
        let mut end = |rate, friction: f64| ball.roll(rate, 1.0 - friction).map(|path| path.end);
        let mut row =
            |rate: &f64| frictions.iter().map(|friction| end(*rate, *friction)).collect::<Result<Vec<_>, _>>();
        let ends = rates.iter().map(&mut row).collect::<Result<_, _>>()?;
        Ok(Map { rates, frictions, ends })
    }

    /// Says what the map shows; gives the frictions c at the first two borders.
    fn judge(&self, ball: &mut Ball, evidence: &mut Evidence) -> Result<[f64; 2], Box<dyn Error>> {
        let smooth: Vec<usize> = (0..self.rates.len()).filter(|row| self.rates[*row] <= 1.0 / SMOOTHNESS).collect();
        let n_smooth = smooth.len();
        let n_poor = smooth.iter().filter(|row| self.ends[**row][0] == End::Poor).count();
        let text = format!("without momentum {n_poor} of {n_smooth} descents with γ ≤ 1/L end in the poor minimum");
        evidence.require(n_poor == n_smooth, text);
        let passes = |row: &&usize| self.changes(**row).starts_with(&[End::Poor, End::Good, End::Poor]);
        let n_passing = smooth.iter().filter(passes).count();
        let text = format!("as ρ rises, {n_passing} of these end in the good one next, and then in the poor one again");
        evidence.require(n_passing == n_smooth, text);
        let share = |ends: &[End], end| ends.iter().filter(|other| **other == end).count() as f64 / ends.len() as f64;
        let least = share(&self.ends[0], End::Good);
        evidence.measure(format!("for the least γ, {:.0} % of the momenta end in the good one", 100.0 * least));

        let [first, second] = [End::Poor, End::Good].map(|end| self.border(ball, 0, end));
        let borders = [first?, second?];
        let mut farthest = 1.0f64;
        for row in smooth {
            let ratio = self.border(ball, row, End::Poor)? / borders[0];
            farthest = if ratio.ln().abs() > farthest.ln().abs() { ratio } else { farthest };
        }
        let text =
            format!("momentum passes where (1 − ρ)/√γ < {:.3}, for γ ≤ 1/L within a factor {farthest:.3}", borders[0]);
        evidence.require(farthest.ln().abs() < 0.25, text);
        evidence.measure(format!("and overshoots first where (1 − ρ)/√γ < {:.3}", borders[1]));
        Ok(borders)
    }

    /// The ends as ρ rises, each once as long as it stays.
    fn changes(&self, row: usize) -> Vec<End> {
        let mut ends = self.ends[row].clone();
        ends.dedup();
        ends
    }

    /// The friction (1 − ρ)/√γ below which descents no longer end in `end` as ρ rises, by bisection between two columns.
    fn border(&self, ball: &mut Ball, row: usize, end: End) -> Result<f64, Box<dyn Error>> {
        let is_last = |column: &usize| self.ends[row][*column] == end && self.ends[row].get(column + 1) != Some(&end);
        let last = (0..self.frictions.len() - 1).find(is_last).ok_or("there is no such border")?;
        let (mut above, mut below) = (self.frictions[last], self.frictions[last + 1]);
        for _ in 0..12 {
            let middle = (above * below).sqrt();
            let side = if ball.roll(self.rates[row], 1.0 - middle)?.end == end { &mut above } else { &mut below };
            *side = middle;
        }
        Ok(above / self.rates[row].sqrt())
    }

    fn draw(&self, borders: [f64; 2]) -> Chart {
        let (x, y) = (Axis::new("1 − ρ (momentum grows to the left)"), Axis::new("rate γ"));
        let (low, high) = (0.0025, 1.2);
        let y = y.logarithmic().range(low, high);
        let mut chart = Chart::new("where the ball ends", x.logarithmic().range(0.0025, 1.3), y);
        let names = ["poor minimum", "good minimum", "still moving", "diverged"];
        for (end, name) in [End::Poor, End::Good, End::Moving, End::Away].into_iter().zip(names) {
            let of_row = |row: usize| {
                let matching = move |column: &usize| self.ends[row][*column] == end;
                (0..self.frictions.len()).filter(matching).map(move |column| (self.frictions[column], self.rates[row]))
            };
            chart = chart.points(name, (0..self.rates.len()).flat_map(of_row));
        }
        let top = 1.0 / SMOOTHNESS;
        let line = |c: f64| [low, top].map(|rate| (c * rate.sqrt(), rate));
        chart.legend(Corner::LowerRight).line("1 − ρ = c√γ", line(borders[0])).line("", line(borders[1]))
    }

    /// How many steps it takes until the ball is at rest.
    fn draw_steps(&self, ball: &mut Ball) -> Result<Chart, Box<dyn Error>> {
        let x = Axis::new("1 − ρ (momentum grows to the left)").logarithmic().range(0.0025, 1.3);
        let mut chart = Chart::new(format!("steps until rest, γ = {RATE}"), x, Axis::new("steps").logarithmic());
        let mut found = Vec::new();
        for friction in &self.frictions {
            let path = ball.roll(RATE, 1.0 - friction)?;
            found.push((path.end, (*friction, path.x.len() as f64)));
        }
        for (end, name) in [(End::Poor, "to the poor minimum"), (End::Good, "to the good minimum")] {
            chart = chart.points(name, found.iter().filter(|(other, _)| *other == end).map(|(_, point)| *point));
        }
        Ok(chart)
    }
}

fn landscape(examples: &[(f64, Path)]) -> Chart {
    let curve = (0..=100).map(|step| -2.0 + 0.04 * f64::from(step)).map(|x| (x, value(x)));
    let mut chart = Chart::new("f(x) = ¼(x² − 1)² − 0.15x", Axis::new("x"), Axis::new("f"))
        .line("loss", curve)
        .points("start", [(START, value(START))]);
    for (position, (momentum, path)) in examples.iter().enumerate() {
        let x = path.x.last().copied().unwrap_or(START);
        // Above each other, where they end in the same place.
        chart = chart.points(format!("end, ρ = {momentum}"), [(x, value(x) + 0.1 * position as f64)]);
    }
    chart.legend(Corner::UpperRight)
}

fn paths(examples: &[(f64, Path)]) -> Chart {
    let mut chart = Chart::new(format!("descents with γ = {RATE}"), Axis::new("step"), Axis::new("x"));
    for (momentum, path) in examples {
        let points = path.x.iter().enumerate().map(|(step, x)| (step as f64, *x)).take(250);
        chart = chart.line(format!("ρ = {momentum}"), points);
    }
    chart.legend(Corner::LowerRight)
}

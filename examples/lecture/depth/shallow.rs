//! Networks of one hidden layer that are to be the sawtooth. In: a start and a seed. Out: what training makes of it.

use std::error::Error;

use ndarray::{Array1, Array2, array};
use pullback::{
    DType, Expr, Graph, Parameters, Program, TrainingStep,
    nn::{hidden_layers, linear},
    optim::{Adam, Optimizer, Schedule},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::sawtooth::{breaks, distance, evaluate, sawtooth};

/// Of Adam, at first.
const RATE: f64 = 2e-3;

/// Whose multiples fill [0, 1) evenly, without whole numbers.
const GOLDEN_RATIO: f64 = 1.618_033_988_749_895;

/// Points for each piece of the sawtooth in training.
const DENSITY: usize = 4;

/// Where the training of a shallow network starts.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// From random slopes, with kinks evenly over [0, 1].
    Random,
    /// From a network that is the sawtooth on as many teeth as it has units for, and ½ elsewhere.
    Teeth,
}

/// What training has made.
pub(super) struct Network {
    pub(super) parameters: Parameters,
    pub(super) n_pieces: usize,
    /// ∫₀¹|f − g|.
    pub(super) error: f64,
}

/// Networks of one hidden layer that are to be a sawtooth.
pub(super) struct Shallow {
    k: usize,
    m: usize,
    graph: Graph,
    step: TrainingStep,
    pub(super) value: Program,
}

impl Shallow {
    pub(super) fn new(k: usize, m: usize) -> Result<Shallow, Box<dyn Error>> {
        let graph = Graph::new();
        let x = graph.input_of(DType::F64, "x", ("points", 1));
        let y = graph.input_of(DType::F64, "y", ("points",));
        let value = linear(hidden_layers(x, "net", &[m], Expr::relu), "out", 1).squeeze(-1);
        let step = graph.compile_training((value - y).abs().mean())?;
        let value = graph.compile([("value", value)])?;
        Ok(Shallow { k, m, graph, step, value })
    }

    pub(super) fn train(&mut self, start: Start, seed: u64, n_steps: u64) -> Result<Network, Box<dyn Error>> {
        let mut parameters = match start {
            Start::Random => self.random(seed)?,
            Start::Teeth => self.teeth(seed)?,
        };
        let n_points = DENSITY << self.k;
        let mut adam = Adam::new(Schedule::cosine(RATE, 0.0, n_steps));
        for step in 0..n_steps {
            // Elsewhere at each step, or the loss would only see the sawtooth where the points are.
            let shift = (step as f64 * GOLDEN_RATIO).fract();
            let x = Array2::from_shape_fn((n_points, 1), |(point, _)| (point as f64 + shift) / n_points as f64);
            let y: Array1<f64> = x.iter().map(|x| sawtooth(self.k, *x)).collect();
            let out = self.step.run(&parameters, (("x", &x), ("y", &y)))?;
            adam.step(&mut parameters, &out.gradients)?;
        }
        let n_pieces = kinks(&parameters)?.len() + 1;
        let error = self.error(&parameters)?;
        if !error.is_finite() {
            return Err(format!("training of {} units ends with the error {error}", self.m).into());
        }
        Ok(Network { parameters, n_pieces, error })
    }

    /// Random slopes, with kinks evenly over [0, 1], where the network needs them, around ½.
    fn random(&self, seed: u64) -> Result<Parameters, Box<dyn Error>> {
        let mut parameters = self.graph.initialize(seed)?;
        let places = Array1::from_shape_fn(self.m, |unit| (unit as f64 + 0.5) / self.m as f64);
        let slopes: Array1<f64> = parameters.array::<f64>("net.1.weight")?.iter().copied().collect();
        parameters.set("net.1.bias", &(-slopes * places))?;
        parameters.set("out.bias", &array![0.5])?;
        Ok(parameters)
    }

    /// As many triangles of the sawtooth beside each other, from anywhere, as m units make: one bends at the top of each,
    /// and one at either end.
    fn teeth(&self, seed: u64) -> Result<Parameters, Box<dyn Error>> {
        let mut parameters = self.graph.initialize(seed)?;
        let slope = 2f64.powi(self.k as i32);
        let n_triangles = self.m.saturating_sub(2).min((1 << self.k) - 1);
        let first = ChaCha8Rng::seed_from_u64(seed).next_u64() as usize % ((1 << self.k) - n_triangles);
        let up = if first.is_multiple_of(2) { 1.0 } else { -1.0 };
        // In halves of a triangle, from 0.
        let places = Array1::from_shape_fn(self.m, |unit| match unit {
            0 => 2.0 * first as f64 + 1.0,
            unit if unit <= n_triangles => 2.0 * (first + unit) as f64,
            _ => 2.0 * (first + n_triangles) as f64 + 1.0,
        });
        let turn = |unit: usize| match unit {
            0 => up,
            unit if unit <= n_triangles => 2.0 * up * [1.0, -1.0][unit % 2],
            unit if unit == n_triangles + 1 => up * [-1.0, 1.0][n_triangles % 2],
            _ => 0.0,
        };
        parameters.set("net.1.weight", Array2::from_elem((1, self.m), slope))?;
        parameters.set("net.1.bias", &(places * -0.5))?;
        parameters.set("out.weight", Array2::from_shape_fn((self.m, 1), |(unit, _)| turn(unit)))?;
        parameters.set("out.bias", &array![0.5])?;
        Ok(parameters)
    }

    /// The weights with which 2ᵏ units are the sawtooth: one for each of its slopes.
    pub(super) fn exact(&self) -> Result<Parameters, Box<dyn Error>> {
        let mut parameters = self.graph.initialize(0)?;
        let slope = self.m as f64;
        let turn = |unit: usize| if unit == 0 { slope } else { 2.0 * slope * [1.0, -1.0][unit % 2] };
        parameters.set("net.1.weight", Array2::<f64>::ones((1, self.m)))?;
        parameters.set("net.1.bias", Array1::from_shape_fn(self.m, |unit| -(unit as f64) / slope))?;
        parameters.set("out.weight", Array2::from_shape_fn((self.m, 1), |(unit, _)| turn(unit)))?;
        Ok(parameters)
    }

    pub(super) fn error(&mut self, parameters: &Parameters) -> Result<f64, Box<dyn Error>> {
        let places = breaks(self.k, &kinks(parameters)?);
        let values = evaluate(&mut self.value, parameters, &places)?;
        Ok(distance(self.k, &places, &values))
    }
}

/// Where a shallow network bends, within (0, 1).
pub(super) fn kinks(parameters: &Parameters) -> Result<Vec<f64>, Box<dyn Error>> {
    let (weight, bias) = (parameters.array::<f64>("net.1.weight")?, parameters.array::<f64>("net.1.bias")?);
    let mut kinks: Vec<f64> = weight.iter().zip(bias.iter()).map(|(weight, bias)| -bias / weight).collect();
    kinks.retain(|kink| *kink > 0.0 && *kink < 1.0);
    kinks.sort_by(f64::total_cmp);
    kinks.dedup();
    Ok(kinks)
}

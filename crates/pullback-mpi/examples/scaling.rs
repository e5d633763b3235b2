//! Times steps of a network of two hidden layers on however many processes the launcher starts, and how much of them is exchange.
//!
//! ```text
//! cargo build --release --example scaling
//! mpirun -n 1 target/release/examples/scaling
//! mpirun -n 2 target/release/examples/scaling 256
//! ```
//!
//! The number is that of the units of a hidden layer, 1024 unless given.
//!
//! Every rank computes on one thread, so that two ranks have twice what one has. Times are medians over the steps after the first
//! few, those of exchanges as rank 0 sees them, with what it waits for the others in them.

use std::{
    error::Error,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ndarray::{Array1, Array2};
use pullback::{
    DType, Graph, Options,
    data::{Batching, Dataset},
    nn::{cross_entropy, linear},
    optim::Sgd,
    train::{Communicator, CommunicatorError, Fit, Observer, Step, Trainer},
};
use pullback_mpi::World;

const N_INPUTS: usize = 784;
const N_CLASSES: usize = 10;
const BATCH: usize = 32;
const BATCHES_OF_STEP: usize = 8;
const N_STEPS: usize = 40;
const N_FIRST: usize = 5;

/// A world that counts the time in its calls.
#[derive(Debug)]
struct Timed {
    world: World,
    nanoseconds: Arc<AtomicU64>,
}

impl Timed {
    fn time<R>(&mut self, call: impl FnOnce(&mut World) -> R) -> R {
        let start = Instant::now();
        let result = call(&mut self.world);
        self.nanoseconds.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }
}

impl Communicator for Timed {
    fn rank(&self) -> usize {
        self.world.rank()
    }

    fn n_ranks(&self) -> usize {
        self.world.n_ranks()
    }

    fn all_to_all(
        &mut self,
        sent: &[u8],
        sent_lengths: &[usize],
        received: &mut [u8],
        received_lengths: &[usize],
    ) -> Result<(), CommunicatorError> {
        self.time(|world| world.all_to_all(sent, sent_lengths, received, received_lengths))
    }

    fn all_gather(&mut self, own: &[u8], all: &mut [u8], lengths: &[usize]) -> Result<(), CommunicatorError> {
        self.time(|world| world.all_gather(own, all, lengths))
    }
}

/// When each step ended, and the time in exchanges until then.
struct Clock {
    nanoseconds: Arc<AtomicU64>,
    steps: Vec<(Instant, u64)>,
}

impl Observer for Clock {
    fn step(&mut self, _: &Step) -> ControlFlow<()> {
        self.steps.push((Instant::now(), self.nanoseconds.load(Ordering::Relaxed)));
        ControlFlow::Continue(())
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let nanoseconds = Arc::new(AtomicU64::new(0));
    let world = Timed { world: World::join()?, nanoseconds: Arc::clone(&nanoseconds) };
    let n_ranks = world.n_ranks();
    let n = BATCH * BATCHES_OF_STEP * N_STEPS;
    let x = Array2::from_shape_fn((n, N_INPUTS), |(row, i)| ((row * 31 + i * 7) % 97) as f32 / 48.0 - 1.0);
    let label = Array1::from_shape_fn(n, |row| (row * 7 % N_CLASSES) as i64);
    let data = Dataset::new().column("x", x)?.column("label", label)?;
    let width: usize = std::env::args().nth(1).map_or(Ok(1024), |width| width.parse())?;
    let g = Graph::new();
    let (x, label) = (g.input("x", ("batch", N_INPUTS)), g.input_of(DType::I64, "label", ("batch",)));
    let hidden = linear(linear(x, "first", width).relu(), "second", width).relu();
    let losses = cross_entropy(linear(hidden, "out", N_CLASSES), label);
    let trainer = Trainer::with_options(losses, [], &Options { threads: 1, ..Options::default() })?;
    let mut trainer = trainer.over(world)?;
    let (mut parameters, mut rule) = (g.initialize(0)?, Sgd::new(0.01));
    let mut clock = Clock { nanoseconds, steps: Vec::new() };
    let fit = Fit::new(1, Batching::new(BATCH).in_order()).accumulate(BATCHES_OF_STEP);
    trainer.training(&mut parameters, &mut rule).observe(&mut clock).fit(&data, &fit)?;
    let pairs = clock.steps[N_FIRST..].windows(2);
    let step = median(pairs.clone().map(|pair| pair[1].0 - pair[0].0).collect());
    let exchange = median(pairs.map(|pair| Duration::from_nanos(pair[1].1 - pair[0].1)).collect());
    let [step, exchange] = [step, exchange].map(|time| time.as_secs_f64() * 1e3);
    let share = 100.0 * exchange / step;
    println!("ranks  parameters  step ms  exchange ms  of a step");
    println!("{n_ranks:>5}  {:>10}  {step:>7.1}  {exchange:>11.2}  {share:>7.1} %", parameters.n_elements());
    Ok(())
}

//! Ranks that are processes of MPI: the same bits on any number of them, and what becomes of a job that loses one. Each test starts
//! this program again under `mpirun`, with the part that a rank plays in environment variables.

use std::{
    env,
    error::Error,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{self, Command, Output},
    time::{Duration, SystemTime},
};

use ndarray::{Array1, Ix2};
use pullback::{
    DType, Expr, Graph, Initializer,
    data::{Batching, Dataset, digits},
    nn::{BatchNorm, Conv2d, Dropout, Layer, Linear, Sequential, cross_entropy, squared_error, zero_one_loss},
    optim::{Adam, HeavyBall, Optimizer, PerturbedSgd},
    train::{Checkpoint, Fit, Metric, Objective, Observer, Patience, Step, Trainer},
};
use pullback_mpi::{World, WorldError, WorldOptions};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Environment variables: the case, the folder of its files, and who falls, at which step and by which signal.
const CASE: &str = "PULLBACK_MPI_CASE";
const FOLDER: &str = "PULLBACK_MPI_FOLDER";
const FALL: &str = "PULLBACK_MPI_FALL";

/// In the tests of ranks that hang.
const PATIENCE: Duration = Duration::from_secs(3);

/// The part of the tests below that is a rank.
#[test]
fn rank() -> Outcome {
    let (Ok(case), Ok(folder)) = (env::var(CASE), env::var(FOLDER)) else { return Ok(()) };
    let world = World::join_with(&WorldOptions::new().patience(PATIENCE))?;
    assert!(matches!(World::join(), Err(WorldError::AlreadyJoined)));
    let file = Path::new(&folder).join(format!("rank-{}", pullback::train::Communicator::rank(&world)));
    let text = train(&case, Some(world), Path::new(&folder))?;
    Ok(fs::write(file, text)?)
}

/// A folder of this test alone.
fn folder(name: &str) -> Outcome<PathBuf> {
    let folder = env::temp_dir().join(format!("pullback-mpi-{}-{name}", process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Runs a case on so many ranks.
fn mpirun(n_ranks: usize, case: &str, folder: &Path, fall: Option<String>) -> Outcome<Output> {
    let mut command = Command::new("mpirun");
    command.args(["--allow-run-as-root", "--oversubscribe", "-n", &n_ranks.to_string()]);
    command.arg(env::current_exe()?).args(["--exact", "rank", "--nocapture"]).env(CASE, case).env(FOLDER, folder);
    command.env_remove(FALL).envs(fall.map(|fall| (FALL, fall)));
    Ok(command.output()?)
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What is trained: examples, losses with a metric, and by which rule.
struct Case<'g> {
    data: Dataset,
    objective: Objective<'g>,
    metric: Metric<'g>,
    rule: Box<dyn Optimizer>,
    fit: Fit,
}

const CASES: [&str; 3] = ["dropout", "batch norm", "f64"];

fn case<'g>(g: &'g Graph, name: &str) -> Outcome<Case<'g>> {
    let network = match name {
        "dropout" => Sequential::new()
            .then(Linear::new(g, "hidden", 64, 24))
            .then(Expr::relu)
            .then(Dropout::new(g, "dropout", 0.3))
            .then(Linear::new(g, "out", 24, 10)),
        "batch norm" => Sequential::new()
            .map(|x| x.reshape(("batch", 1, 8, 8)))
            .then(Conv2d::new(g, "conv", 1, 4, 3))
            .then(BatchNorm::new(g, "norm", 4))
            .then(Expr::relu)
            .map(|x| x.max_pool(2).flatten(1))
            .then(Linear::new(g, "out", 36, 10)),
        _ => return line(g),
    };
    let (x, label) = (g.input("x", ("batch", 64)), g.input_of(DType::I64, "label", ("batch",)));
    let scores = network.call(x);
    let rule: Box<dyn Optimizer> = match name {
        "dropout" => Box::new(Adam::new(5e-3)),
        _ => Box::new(PerturbedSgd::new(0.05, 2).radius(0.1)),
    };
    Ok(Case {
        data: digits().first(330),
        objective: cross_entropy(scores, label).into(),
        metric: Metric::rate("error", zero_one_loss(scores, label)),
        rule,
        fit: Fit::new(3, 7).accumulate(8).seed(3).patience(Patience::new(9)).clip_norm(2.0),
    })
}

/// A line through sums of pixels, in f64.
fn line(g: &Graph) -> Outcome<Case<'_>> {
    let pixels = digits().first(95);
    let x = pixels.array::<f32, Ix2>("x")?.mapv(f64::from);
    let y: Array1<f64> = x.rows().into_iter().map(|row| row.sum() / 64.0).collect();
    let w = g.parameter_of(DType::F64, "w", (64,), Initializer::Zeros);
    let (pixels, target) = (g.input_of(DType::F64, "x", ("batch", 64)), g.input_of(DType::F64, "y", ("batch",)));
    let losses = squared_error(pixels.dot(w), target);
    Ok(Case {
        data: Dataset::new().column("x", x)?.column("y", y)?,
        objective: losses.into(),
        metric: Metric::mean("distance", losses.sqrt()),
        rule: Box::new(HeavyBall::new(0.01, 0.9)),
        fit: Fit::new(4, 10).accumulate(3),
    })
}

/// Trains a case, as a rank or alone, and gives everything that comes of it, to the bits.
fn train(name: &str, world: Option<World>, folder: &Path) -> Outcome<String> {
    let g = Graph::new();
    let Case { data, objective, metric, mut rule, fit } = case(&g, name)?;
    let trainer = Trainer::new(objective, [metric])?.measure_by(Batching::new(20).in_order());
    let mut trainer = match world {
        Some(world) => trainer.over(world)?,
        None => trainer,
    };
    let (split, mut parameters) = (data.split(0.25, 0)?, g.initialize(5)?);
    let mut fall = Fall;
    let fit = fit.checkpoint(Checkpoint::resume(folder.join("checkpoint")).every_steps(3));
    let training = trainer.training(&mut parameters, &mut *rule).validate(&split.test).observe(&mut fall);
    let report = training.fit(&split.train, &fit)?;
    let narrow: Vec<u32> = parameters.flat::<f32>().unwrap_or_default().iter().map(|x| x.to_bits()).collect();
    let wide: Vec<u64> = parameters.flat::<f64>().unwrap_or_default().iter().map(|x| x.to_bits()).collect();
    let measured = trainer.evaluate(&parameters, &data, 0.9)?;
    Ok(format!("{report:?}\n{narrow:?}\n{wide:?}\n{:?}\n{:?}\n{measured:?}", parameters.state(), rule.state()))
}

/// Sends its own process a signal, if the environment says so of this rank and step: `RANK STEP SIGNAL`.
struct Fall;

impl Observer for Fall {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        let Ok(fall) = env::var(FALL) else { return ControlFlow::Continue(()) };
        let place = format!("{} {} ", step.rank, step.step);
        if let Some(signal) = fall.strip_prefix(&place) {
            let folder = env::var(FOLDER).expect("a rank has a folder");
            fs::write(Path::new(&folder).join("fallen"), "").expect("the folder is there");
            let kill = Command::new("kill").args([format!("-{signal}"), process::id().to_string()]).status();
            assert!(kill.expect("there is a program of that name").success());
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn every_number_of_ranks_trains_the_bits_of_one_process() -> Outcome {
    for case in CASES {
        let alone = folder("alone")?;
        let expected = train(case, None, &alone)?;
        fs::remove_dir_all(&alone)?;
        for n_ranks in [1, 2, 3, 4, 8] {
            let folder = folder("together")?;
            let output = mpirun(n_ranks, case, &folder, None)?;
            assert!(output.status.success(), "{case} on {n_ranks} ranks: {}", errors(&output));
            for rank in 0..n_ranks {
                let found = fs::read_to_string(folder.join(format!("rank-{rank}")))?;
                assert!(found == expected, "{case}, rank {rank} of {n_ranks}:\n{found}\n{expected}");
            }
            fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

/// A rank that is killed, or that hangs, in the middle of an epoch: the job ends in time, the checkpoint is whole, and any number of
/// ranks goes on from it to the bits of a training that nothing has disturbed.
#[test]
fn a_job_that_loses_a_rank_ends_and_goes_on_with_any_number_of_ranks() -> Outcome {
    let undisturbed = folder("undisturbed")?;
    let expected = train("dropout", None, &undisturbed)?;
    fs::remove_dir_all(&undisturbed)?;
    // The launcher's own time to end a job is some seconds.
    let in_time = PATIENCE.mul_f64(1.1) + Duration::from_secs(10);
    for (n_ranks, rank, signal) in [(4, 0, "KILL"), (3, 2, "KILL"), (4, 1, "STOP"), (2, 0, "STOP")] {
        let name = format!("{n_ranks}-{rank}-{signal}");
        let folder = folder(&name)?;
        let output = mpirun(n_ranks, "dropout", &folder, Some(format!("{rank} 8 {signal}")))?;
        let fallen = fs::metadata(folder.join("fallen"))?.modified()?;
        let time = SystemTime::now().duration_since(fallen)?;
        assert!(!output.status.success() && time < in_time, "{name}: {time:?}, {}", errors(&output));
        assert!((0..n_ranks).all(|rank| !folder.join(format!("rank-{rank}")).exists()), "{name}");
        if signal == "STOP" {
            let message = format!("has waited {PATIENCE:?} for the other ranks, of which one hangs or is lost");
            assert!(errors(&output).contains(&message), "{name}: {}", errors(&output));
        }
        let checkpoint = fs::read(folder.join("checkpoint"))?;
        for n_later in [1, 2, 3, 4, 8] {
            fs::write(folder.join("checkpoint"), &checkpoint)?;
            let output = mpirun(n_later, "dropout", &folder, None)?;
            assert!(output.status.success(), "{name}, then {n_later}: {}", errors(&output));
            assert!(fs::read_to_string(folder.join("rank-0"))? == expected, "{name}, then {n_later}");
        }
        fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// All ranks end with an error, each with what it knows, and none waits for the watchdog.
#[test]
fn an_error_ends_all_ranks() -> Outcome {
    let folder = folder("bad")?;
    fs::write(folder.join("checkpoint"), "no checkpoint")?;
    let output = mpirun(3, "dropout", &folder, None)?;
    fs::remove_dir_all(&folder)?;
    assert!(!output.status.success());
    assert!(!errors(&output).contains("has waited"), "{}", errors(&output));
    let error = String::from_utf8_lossy(&output.stdout).into_owned() + &errors(&output);
    assert!(error.contains("checkpoint"), "{error}");
    Ok(())
}

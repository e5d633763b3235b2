//! Programs inside of other pools of threads: rayon's workers, tokio's threads for blocking work.

use ndarray::{ArrayD, IxDyn};
use pullback::{DType, Evaluation, Graph, Outputs, Program, Value};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::compiled::options;

/// A product, fused steps and reductions that are cut into several tasks, of as many rows as are fed.
fn program(threads: usize) -> Program {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("rows", 100));
    let w = g.constant(ArrayD::from_shape_fn(IxDyn(&[100, 90]), |i| ((i[0] + 7 * i[1]) % 11) as f64 / 50.0));
    let y = x.dot(w).tanh().softmax(-1);
    let slope = g.gradient(y.square().sum(), x);
    let options = options(Evaluation::Compiled, threads);
    g.compile_with([("y", y.sum_over(0)), ("slope", slope)], &options).expect("no mistake")
}

fn rows(n_rows: usize) -> ArrayD<f64> {
    ArrayD::from_shape_fn(IxDyn(&[n_rows, 100]), |i| ((i[0] + 3 * i[1]) % 13) as f64 / 7.0)
}

fn run(program: &mut Program, x: &ArrayD<f64>) -> Vec<u64> {
    let out = program.call(("x", x)).expect("any number of rows fits");
    bits(&out)
}

fn bits(out: &Outputs) -> Vec<u64> {
    let of = |name: &str| {
        let Value::F64(array) = &out[name] else { panic!("{name} is an f64") };
        array.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    };
    [of("y"), of("slope")].concat()
}

/// Rayon's workers call programs of one thread and of several at once, among them more than there are cores.
#[test]
fn programs_in_workers_of_rayon_give_the_bits_that_they_give_alone() {
    let xs: Vec<ArrayD<f64>> = [400, 1, 64].map(rows).into();
    let want: Vec<Vec<u64>> = xs.iter().map(|x| run(&mut program(1), x)).collect();
    let workers = rayon::ThreadPoolBuilder::new().num_threads(4).build().expect("threads can be started");
    let got: Vec<Vec<Vec<u64>>> = workers.install(|| {
        (0..12usize)
            .into_par_iter()
            .map(|number| {
                let mut program = program(1 + number % 3);
                let runs = (0..10).map(|_| xs.iter().map(|x| run(&mut program, x)).collect::<Vec<_>>());
                runs.reduce(|first, next| {
                    assert_eq!(first, next, "a run differs from the one before");
                    next
                })
            })
            .map(|last| last.expect("there are ten runs"))
            .collect()
    });
    assert!(got.iter().all(|got| *got == want));
}

/// A worker of rayon that waits for others takes up their work meanwhile: a program may be called from inside of that, and
/// while the pool is taken by the thread that called.
#[test]
fn programs_under_nested_joins_of_rayon_give_the_bits_that_they_give_alone() {
    fn halves(n_programs: usize, x: &ArrayD<f64>, want: &[u64]) {
        if n_programs == 1 {
            assert_eq!(run(&mut program(2), x), want);
        } else {
            let first = n_programs / 2;
            rayon::join(|| halves(first, x, want), || halves(n_programs - first, x, want));
        }
    }
    let x = rows(200);
    let want = run(&mut program(1), &x);
    let workers = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads can be started");
    workers.install(|| halves(16, &x, &want));
}

/// The thread of the runtime goes on while programs run, each on a thread for blocking work.
#[test]
fn programs_in_blocking_tasks_of_tokio_give_the_bits_that_they_give_alone() {
    let x = rows(300);
    let want = run(&mut program(1), &x);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let tasks: Vec<_> = (1..=4)
            .map(|threads| {
                let (mut program, x) = (program(threads), x.clone());
                tokio::task::spawn_blocking(move || (0..10).map(|_| run(&mut program, &x)).collect::<Vec<_>>())
            })
            .collect();
        for task in tasks {
            let got = task.await.expect("no run panics");
            assert!(got.iter().all(|got| *got == want));
        }
    });
}

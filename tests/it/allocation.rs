//! What a call costs of memory: nothing, from the second of its shapes on. The allocator of this binary counts what is
//! asked for while a test looks, by the thread of that test and by the workers of programs; and it weighs what a thread
//! holds, for tests of what is read.

#![allow(unsafe_code, reason = "an allocator is a promise that the compiler cannot check")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::{
        Mutex, Once,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use ndarray::{Array1, Array2, ArrayD, IxDyn};
use pullback::{
    Convolve, DType, Element, Evaluation, Expr, Gradients, Graph, Initializer, Inputs, Options, Parameters, Pool,
    Program, Value,
    nn::{cross_entropy, layer_norm, linear},
    ops::samples,
    optim::{
        AdaGrad, Adam, AdamW, Averaged, Groups, HeavyBall, Lamb, Lars, Muon, Optimizer, PerturbedSgd, Row, Sgd, Uniform,
    },
    parameters::Layout as ParameterLayout,
    sparsity::{SparseMethod, SparsityOptions},
};

/// The system's allocator, counted.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Whether a test looks.
static IS_ON: AtomicBool = AtomicBool::new(false);
static N_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this is the thread of the test that looks.
    static IS_LOOKING: Cell<bool> = const { Cell::new(false) };
    /// Whether this thread is about to find out its name, which must not count.
    static IS_ASKING: Cell<bool> = const { Cell::new(false) };
    /// Whether this thread's memory is weighed.
    static IS_WEIGHED: Cell<bool> = const { Cell::new(false) };
    /// How many bytes this thread holds more than when weighing began, and the most that it did.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MAX_HELD: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call is the system allocator's; counting allocates nothing and does not unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        weigh(layout.size(), 0);
        // SAFETY: by this function's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        weigh(layout.size(), 0);
        // SAFETY: by this function's contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        weigh(size, layout.size());
        // SAFETY: by this function's contract.
        unsafe { System.realloc(start, layout, size) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        weigh(0, layout.size());
        // SAFETY: by this function's contract.
        unsafe { System.dealloc(start, layout) }
    }
}

fn note() {
    if IS_ON.load(Ordering::SeqCst) && is_looked_at() {
        N_ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
    }
}

/// Memory that is moved is held twice for a moment.
fn weigh(n_taken: usize, n_freed: usize) {
    if IS_WEIGHED.get() {
        let held = HELD.get() + n_taken as isize;
        MAX_HELD.set(MAX_HELD.get().max(held));
        HELD.set(held - n_freed as isize);
    }
}

/// What `work` returns, and how many bytes it held at most at once, by this thread.
pub(crate) fn peak<R>(work: impl FnOnce() -> R) -> (R, usize) {
    HELD.set(0);
    MAX_HELD.set(0);
    IS_WEIGHED.set(true);
    let result = work();
    IS_WEIGHED.set(false);
    (result, MAX_HELD.get().unsigned_abs())
}

/// Whether this thread is the test's or a worker's: other tests of this process run at the same time.
fn is_looked_at() -> bool {
    if IS_LOOKING.get() {
        return true;
    }
    if IS_ASKING.replace(true) {
        return false;
    }
    let is_worker = thread::current().name().is_some_and(|name| name.starts_with("pullback-"));
    IS_ASKING.set(false);
    is_worker
}

/// Starts every worker that any test asks for: a thread allocates when it starts, and would be counted.
fn start_workers() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let g = Graph::new();
        let x = g.input("x", ("n",));
        let mut program = g.compile_with(x.exp(), &options(usize::MAX)).expect("no mistake");
        program.call(("x", Array1::<f32>::zeros(1 << 20))).expect("fits");
    });
}

/// How many times `work` asks for memory.
pub(crate) fn count(work: impl FnOnce()) -> usize {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    start_workers();
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    N_ALLOCATIONS.store(0, Ordering::SeqCst);
    IS_LOOKING.set(true);
    IS_ON.store(true, Ordering::SeqCst);
    work();
    IS_ON.store(false, Ordering::SeqCst);
    IS_LOOKING.set(false);
    N_ALLOCATIONS.load(Ordering::SeqCst)
}

/// The counter finds what it looks for, on the test's thread and on one that is named as workers are.
#[test]
fn allocations_are_counted() {
    let allocate = || drop(std::hint::black_box(vec![0u8; 100]));
    assert_eq!(count(|| ()), 0);
    assert_eq!(count(allocate), 1);
    assert_eq!(count(|| drop(std::hint::black_box((Box::new(1u8), Box::new(2u8))))), 2);
    let barrier = std::sync::Barrier::new(2);
    for (name, want) in [("pullback-test", 1), ("another", 0)] {
        thread::scope(|scope| {
            // What it costs to start and to end a thread is outside of what is counted.
            let work = || {
                barrier.wait();
                barrier.wait();
                allocate();
                barrier.wait();
                barrier.wait();
            };
            thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work).expect("there are threads");
            barrier.wait();
            let found = count(|| {
                barrier.wait();
                barrier.wait();
            });
            barrier.wait();
            assert_eq!(found, want, "{name}");
        });
    }
}

/// The scale shows what is held at once, and both places of what is moved.
#[test]
fn memory_is_weighed() {
    let hold = |n: usize| std::hint::black_box(vec![0u8; n]);
    assert_eq!(peak(|| ()).1, 0);
    assert_eq!(peak(|| drop((hold(100), hold(50)))).1, 150);
    assert_eq!(peak(|| [100, 50].map(|n| drop(hold(n)))).1, 100);
    assert_eq!(peak(|| hold(100).reserve_exact(200)).1, 400);
}

/// A network with steps of every kind, and its results.
struct Network<'g> {
    loss: Expr<'g>,
    results: Vec<(String, Expr<'g>)>,
}

fn network<T: Element>(g: &Graph) -> Network<'_> {
    let image = g.input_of(T::DTYPE, "image", ("batch", 2, 12, 12));
    let (token, label) = (g.input_of(DType::I64, "token", ("batch",)), g.input_of(DType::I64, "label", ("batch",)));
    let kernel = g.parameter_of(T::DTYPE, "kernel", (4, 2, 3, 3), Initializer::GlorotNormal);
    let table = g.parameter_of(T::DTYPE, "table", (17, 8), Initializer::GlorotNormal);
    let features = image.convolve(kernel, Convolve::same()).relu().max_pool(Pool::size(2));
    let mean = features.avg_pool(Pool::size(3));
    let flat = features.reshape(("batch", 144));
    let hidden = layer_norm(linear(flat, "first", 64).tanh(), "norm");
    let embedded = table.gather(token, 0).cumulative_sum(-1);
    let logits = linear(hidden.concat([embedded], -1), "second", 5);
    let probabilities = logits.softmax(-1);
    let identity = g.constant(Array2::<f64>::eye(5)).cast(T::DTYPE);
    let factor = (probabilities.t().dot(probabilities) + identity).cholesky();
    let columns: Vec<Expr<'_>> = (0..12).map(|column| image.slice((.., 0, column)).exp()).collect();
    let joined = columns[0].concat(columns[1..].iter().copied(), -1).cumulative_sum(0);
    let loss = cross_entropy(logits, label).mean() + 0.01 * factor.sum() + 0.001 * mean.square().mean();
    let named = [("probabilities", probabilities), ("factor", factor), ("mean", mean), ("joined", joined)];
    Network { loss, results: named.map(|(name, result)| (name.to_string(), result)).to_vec() }
}

/// A batch of so many rows.
struct Batch {
    image: Value,
    token: Array1<i64>,
    label: Array1<i64>,
}

impl Batch {
    fn new<T: Element>(n_rows: usize) -> Batch {
        let shape = IxDyn(&[n_rows, 2, 12, 12]);
        let at = |at: IxDyn| ((at[0] * 31 + at[1] * 17 + at[2] * 5 + at[3]) % 101) as f64 / 50.0 - 1.0;
        let image = match T::DTYPE {
            DType::F32 => Value::F32(ArrayD::from_shape_fn(shape, |place| at(place) as f32)),
            _ => Value::F64(ArrayD::from_shape_fn(shape, at)),
        };
        let (token, label) = (|row| (row * 7 % 17) as i64, |row| (row * 3 % 5) as i64);
        Batch { image, token: Array1::from_shape_fn(n_rows, token), label: Array1::from_shape_fn(n_rows, label) }
    }

    fn fed(&self) -> impl Inputs {
        (("image", &self.image), ("token", &self.token), ("label", &self.label))
    }
}

/// Arrays for the results of a program, which a run writes into.
struct Results(Vec<(String, Value)>);

impl Results {
    fn of(program: &mut Program, parameters: &Parameters, batch: &Batch) -> Results {
        Results(program.run(parameters, batch.fed()).expect("fits").into_iter().collect())
    }

    fn run(&mut self, program: &mut Program, parameters: &Parameters, batch: &Batch) {
        program.run_into(parameters, batch.fed(), &mut self.0).expect("fits");
    }
}

fn options(threads: usize) -> Options {
    Options { threads, evaluation: Evaluation::Compiled, ..Options::default() }
}

fn check_program<T: Element>(threads: usize) {
    let g = Graph::new();
    let mut program = g.compile_with(network::<T>(&g).results, &options(threads)).expect("no mistake");
    let parameters = g.initialize(3).expect("no mistake");
    for n_rows in [300, 7] {
        let batch = Batch::new::<T>(n_rows);
        let mut results = Results::of(&mut program, &parameters, &batch);
        let want = results.0.clone();
        results.run(&mut program, &parameters, &batch);
        let n_allocations = count(|| results.run(&mut program, &parameters, &batch));
        assert_eq!(n_allocations, 0, "{} on {threads} threads, {n_rows} rows", T::DTYPE);
        assert!(results.0 == want, "a run into memory gives what a run does");
    }
}

fn check_training<T: Element>(threads: usize) {
    let g = Graph::new();
    let mut step = g.compile_training_with(network::<T>(&g).loss, (), &options(threads)).expect("no mistake");
    let parameters = g.initialize(3).expect("no mistake");
    let mut gradients = Gradients::zeros(parameters.layout().clone());
    for n_rows in [300, 7] {
        let batch = Batch::new::<T>(n_rows);
        step.run_into(&parameters, batch.fed(), &mut gradients).expect("fits");
        let n_allocations = count(|| {
            step.run_into(&parameters, batch.fed(), &mut gradients).expect("fits");
        });
        assert_eq!(n_allocations, 0, "{} on {threads} threads, {n_rows} rows", T::DTYPE);
    }
}

#[test]
fn a_second_run_of_a_program_allocates_nothing() {
    for threads in [1, 2] {
        check_program::<f32>(threads);
        check_program::<f64>(threads);
    }
}

#[test]
fn a_second_step_of_training_allocates_nothing() {
    for threads in [1, 2] {
        check_training::<f32>(threads);
        check_training::<f64>(threads);
    }
}

/// Arrays in another order than row-major are copied, into memory that stays.
#[test]
fn arrays_of_any_strides_cost_nothing_the_second_time() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ("rows", "columns"));
    let mut program = g.compile([("y", x.tanh().t())]).expect("no mistake");
    let x = Array2::from_shape_fn((30, 40), |(row, column)| (row * 40 + column) as f64 / 1200.0);
    let mut y = Array2::<f64>::zeros((40, 30));
    let parameters = Parameters::default();
    let mut run = || {
        let mut transposed = y.view_mut().reversed_axes();
        let outputs = ("y", &mut transposed);
        program.run_into(&parameters, ("x", x.t()), outputs).expect("fits");
    };
    run();
    assert_eq!(count(run), 0);
    let differences = y.t().iter().zip(&x).map(|(y, x)| (y - x.tanh()).abs()).collect::<Vec<f64>>();
    assert!(differences.iter().all(|difference| *difference < 1e-15), "{differences:?}");
}

/// Executables of sixteen sizes are kept, and a seventeenth drives out the one that was not used for longest; to make it again
/// costs less than the first time, since its plan is kept.
#[test]
fn executables_of_sixteen_sizes_are_kept() {
    let g = Graph::new();
    let mut program = g.compile_with(network::<f32>(&g).results, &options(1)).expect("no mistake");
    let parameters = g.initialize(3).expect("no mistake");
    let batches: Vec<Batch> = (1..=17).map(Batch::new::<f32>).collect();
    let mut results: Vec<Results> = batches.iter().map(|batch| Results::of(&mut program, &parameters, batch)).collect();
    let mut cost = |position: usize| {
        let (results, batch) = (&mut results[position], &batches[position]);
        count(|| results.run(&mut program, &parameters, batch))
    };
    // Seventeen were run in order, so the first is gone; what is left are the last sixteen.
    let known: Vec<usize> = (1..17).map(&mut cost).collect();
    let made = cost(0);
    // Another size than that of the last call is solved for, which takes a few allocations of its own.
    assert!(known.iter().all(|n_allocations| *n_allocations <= 40), "{known:?}");
    assert!(made > 100, "{made}");
    // The second was not used for longest by then.
    assert!((2..17).all(|position| cost(position) <= 40));
    assert!(cost(1) > 100);
    assert_eq!(cost(1), 0);
    drop(results);
    let new = Batch::new::<f32>(18);
    let planned = count(|| drop(Results::of(&mut program, &parameters, &new)));
    assert!(planned > made + 200, "{planned} to plan and to make, {made} to make");
}

/// The first step makes an optimizer's memory; later ones need none, on one thread or several.
#[test]
fn a_second_step_of_an_optimizer_allocates_nothing() {
    for n in [100, 1_000_000] {
        let rules: [Box<dyn Optimizer>; 12] = [
            Box::new(Muon::new(0.1, Sgd::new(0.1))),
            Box::new(Groups::new(Sgd::new(0.1)).group(["w"], Adam::new(0.1))),
            Box::new(Averaged::ema(Sgd::new(0.1), 0.9)),
            Box::new(Sgd::new(0.1)),
            Box::new(Lamb::new(0.1)),
            Box::new(HeavyBall::new(0.1, 0.9)),
            Box::new(AdaGrad::new(0.1)),
            Box::new(Adam::new(0.1)),
            Box::new(AdamW::new(0.1)),
            Box::new(Lars::new(0.1)),
            Box::new(PerturbedSgd::new(0.1, 7)),
            Box::new(Uniform::new(Row::adam(0.1, 0.9, 0.999))),
        ];
        for mut rule in rules {
            let arrays = [("w", DType::F32, vec![n]), ("matrix", DType::F32, vec![20, n / 1000])];
            let layout = ParameterLayout::new(arrays).expect("two names");
            let mut parameters = Parameters::zeros(layout);
            let mut gradients = Gradients::zeros(parameters.layout().clone());
            gradients.flat_mut::<f32>().expect("there").fill(0.5);
            rule.step(&mut parameters, &gradients).expect("one layout");
            let n_allocations = count(|| {
                gradients.add_scaled(0.1, &parameters).expect("one layout");
                gradients.clip_norm(1.0).expect("it is a limit");
                rule.step(&mut parameters, &gradients).expect("one layout");
            });
            assert_eq!(n_allocations, 0, "{n} parameters");
        }
    }
}

/// Every primitive at its samples, in f64 and (where all floats may be f32) in f32.
#[test]
fn no_primitive_allocates_the_second_time() {
    let to_f32 = |value: &Value| match value {
        Value::F64(array) => Value::F32(array.mapv(|x| x as f32)),
        other => other.clone(),
    };
    let mut wasteful = Vec::new();
    for sample in samples() {
        let narrow: Vec<Value> = sample.operands.iter().map(to_f32).collect();
        for operands in [sample.operands.clone(), narrow] {
            let g = Graph::new();
            let declare = |(position, value): (usize, &Value)| {
                let (name, shape) = (format!("x{position}"), value.shape());
                g.input_of(value.dtype(), &name, shape)
            };
            let exprs: Vec<Expr<'_>> = operands.iter().enumerate().map(declare).collect();
            let result = g.apply_op(sample.op.clone(), &exprs);
            // Five axes and more are beyond what an ndarray view holds without allocating.
            if g.check().is_err() || result.rank() > 4 || exprs.iter().any(|operand| operand.rank() > 4) {
                continue;
            }
            let mut program = g.compile_with([("y", result)], &options(2)).expect("no mistake");
            let names = (0..operands.len()).map(|position| format!("x{position}"));
            let fed: Vec<(String, &Value)> = names.zip(&operands).collect();
            let parameters = Parameters::default();
            let mut y = program.run(&parameters, &fed).expect("fits")["y"].clone();
            let mut run = || program.run_into(&parameters, &fed, ("y", &mut y)).expect("fits");
            run();
            let n_allocations = count(run);
            if n_allocations > 0 {
                wasteful.push(format!("{n_allocations} by {:?} of {:?}", sample.op, operands));
            }
        }
    }
    assert!(wasteful.is_empty(), "allocations:\n{}", wasteful.join("\n"));
}

/// Values of sparse derivatives, by terms and by coloring.
#[test]
fn sparse_values_allocate_nothing() {
    let x: Vec<f64> = (0..300).map(|i| f64::from(i) * 0.01).collect();
    for method in [SparseMethod::Automatic, SparseMethod::Coloring] {
        let g = Graph::new();
        let at = g.input_of(DType::F64, "x", ("n",));
        let f = (at.slice(1..) - at.slice(..-1).square()).square().sum();
        let options = SparsityOptions { method, options: options(1) };
        let mut hessian = g.sparse_hessian_with(f, at, &options).expect("no mistake");
        let n_entries = hessian.structure((), ("x", &x)).expect("it fits").n_entries();
        let mut values = vec![0.0; n_entries];
        hessian.values_into((), ("x", &x), &mut values).expect("it runs");
        let run = || hessian.values_into((), ("x", &x), &mut values).expect("it runs");
        assert_eq!(count(run), 0, "{method:?}");
    }
}

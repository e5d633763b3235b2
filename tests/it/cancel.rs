//! Runs that are ended: by a token, from anywhere, and by a bound on iterations.

use std::{thread, time::Duration};

use ndarray::arr1;
use pullback::{
    CancelToken, DType, Evaluation, Expr, Graph, Options, Program, RunError, graph::Checkpoints, ops::ScanOptions,
};

const EVALUATIONS: [Evaluation; 2] = [Evaluation::Compiled, Evaluation::Reference];

fn program(g: &Graph, y: Expr<'_>, evaluation: Evaluation) -> Program {
    g.compile_with(y, &Options { evaluation, threads: 2, ..Options::default() }).unwrap()
}

/// The line of the loop that a run was cancelled in.
#[track_caller]
fn line(error: &RunError) -> u32 {
    let RunError::Cancelled { site, .. } = error else { panic!("{error}") };
    assert!(error.to_string().contains("was cancelled in `") && error.to_string().contains("reset its token"));
    site.line
}

#[test]
fn a_run_that_is_cancelled_before_it_begins_ends_at_its_loop_and_the_program_runs_again() {
    for evaluation in EVALUATIONS {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", ());
        let expected = line!() + 1;
        let mut program = program(&g, g.fori(5, x, |_, x| x + 1.0), evaluation);
        let token = program.cancel_token();
        token.cancel();
        assert!(token.is_cancelled());
        for _ in 0..2 {
            let error = program.call(("x", 1.0)).unwrap_err();
            // Reference programs compute the positions first, which are of the same line.
            assert_eq!(line(&error), expected, "{error}");
        }
        // A clone is another program.
        assert_eq!(program.clone().call(("x", 1.0)).unwrap().scalar::<f64>("result").unwrap(), 6.0);
        token.reset();
        assert_eq!(program.call(("x", 1.0)).unwrap().scalar::<f64>("result").unwrap(), 6.0);
    }
}

/// Cancels after a while, unless the test ends before.
fn cancel_soon(token: CancelToken) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        token.cancel();
    })
}

#[test]
fn loops_that_would_go_on_for_hours_end_from_another_thread_at_their_line() {
    type Build = for<'g> fn(&'g Graph, Expr<'g>) -> (Expr<'g>, u32);
    let builds: [(&str, &[Evaluation], Build); 5] = [
        ("while", &EVALUATIONS, |_, x| (x.graph().while_loop(x, |x| x.greater(0.0), |x| x + 1.0), line!())),
        ("scan", &EVALUATIONS, |g, x| (g.scan_with(&hours(), x, (), |x, ()| (x + 1.0, ())).0, line!())),
        ("in a branch", &EVALUATIONS, |g, x| {
            let inner = line!() + 1;
            (g.cond(x.greater(0.0), || g.while_loop(x, |x| x.greater(0.0), |x| x + 1.0), || x), inner)
        }),
        ("in a loop in a call", &EVALUATIONS, |g, x| {
            let inner = line!() + 2;
            let f =
                g.function(x, |x| g.map(g.full(1.0, (3,)), |y| g.while_loop(x, |x| x.greater(y), |x| x + 1.0)).sum());
            (f.call(x) + f.call(2.0 * x), inner)
        }),
        // The reference keeps all carries.
        ("gradient", &EVALUATIONS[..1], |g, x| {
            let last = g.scan_with(&hours(), x, (), |x, ()| (x.sin(), ())).0;
            (g.gradient(last, x), line!() - 1)
        }),
    ];
    for (name, evaluations, build) in builds {
        for evaluation in evaluations {
            let g = Graph::new();
            let x = g.input_of(DType::F64, "x", ());
            let (y, expected) = build(&g, x);
            let mut program = program(&g, y, *evaluation);
            let watch = cancel_soon(program.cancel_token());
            let error = program.call(("x", 5.0)).unwrap_err();
            watch.join().unwrap();
            assert_eq!(line(&error), expected, "{name}, {evaluation:?}: {error}");
        }
    }
}

/// So many iterations that nobody waits for them.
fn hours() -> ScanOptions {
    ScanOptions { length: Some((1i64 << 40).into()), checkpoints: Checkpoints::SquareRoot, ..ScanOptions::default() }
}

#[test]
fn attached_programs_profiles_and_training_steps_are_cancelled_too() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let program = program(&g, g.while_loop(x, |x| x.greater(0.0), |x| x + 1.0), Evaluation::Compiled);
    let (mut profiled, token) = (program.clone(), program.cancel_token());
    let mut attached = program.attach((), ("x", -1.0)).unwrap();
    let (at, out) = (attached.input("x").unwrap(), attached.output("result").unwrap());
    attached.write(at)[0] = 1.0f64;
    let watch = cancel_soon(token.clone());
    line(&attached.run().unwrap_err());
    watch.join().unwrap();
    token.reset();
    attached.write(at)[0] = -2.0f64;
    attached.run().unwrap();
    assert_eq!(attached.read::<f64>(out), [-2.0]);

    let watch = cancel_soon(profiled.cancel_token());
    line(&profiled.profile((), ("x", 1.0), 1).unwrap_err());
    watch.join().unwrap();

    let g = Graph::new();
    let w = g.parameter("w", (3,), pullback::Initializer::Zeros);
    let mut step = g.compile_training(w.square().sum()).unwrap();
    step.cancel_token().cancel();
    assert!(matches!(step.run(&g.initialize(0).unwrap(), ()), Err(RunError::Cancelled { .. })));
    step.cancel_token().reset();
    assert!(step.run(&g.initialize(0).unwrap(), ()).is_ok());
}

#[test]
fn loops_without_a_bound_end_after_the_iterations_that_options_allow() {
    for evaluation in EVALUATIONS {
        let g = Graph::new();
        let x = g.input_of(DType::F64, "x", ());
        let expected = line!() + 1;
        let free = g.while_loop(x, |x| x.less(100.0), |x| x + 1.0);
        let stated = g.while_loop_bounded(x, 1000, |x| x.less(100.0), |x| x + 1.0);
        // Of constants alone: nothing runs for ever when it is compiled.
        let of_constants = g.while_loop(g.full(1.0, ()), |x| x.greater(0.0), |x| x + 1.0);
        let options = |max_iterations| Options { evaluation, max_iterations, ..Options::default() };
        let mut enough = g.compile_with(free, &options(100)).unwrap();
        assert_eq!(enough.call(("x", 0.0)).unwrap().scalar::<f64>("result").unwrap(), 100.0);
        let mut few = g.compile_with([("free", free), ("stated", stated)], &options(99)).unwrap();
        let error = few.call(("x", 0.0)).unwrap_err().to_string();
        assert!(error.contains("still holds after 99 iterations") && error.contains("max_iterations"), "{error}");
        assert!(error.contains(&format!("tests/it/cancel.rs:{expected}")), "{error}");
        assert_eq!(few.call(("x", 1.0)).unwrap().scalar::<f64>("free").unwrap(), 100.0);
        let mut few = g.compile_with(stated, &options(1)).unwrap();
        assert_eq!(few.call(("x", 0.0)).unwrap().scalar::<f64>("result").unwrap(), 100.0);
        let error = g.compile_with(of_constants, &options(1000)).unwrap().call(()).unwrap_err().to_string();
        assert!(error.contains("still holds after 1000 iterations"), "{error}");
        // The derivative's loop has the same limit: 7 iterations lead from 0 beyond 100 here.
        let tangent = g.jvp(g.while_loop(x, |x| x.less(100.0), |x| 2.0 * x + 1.0), &[(x, x + 1.0)]);
        let mut enough = g.compile_with(tangent, &options(7)).unwrap();
        assert_eq!(enough.call(("x", 0.0)).unwrap().scalar::<f64>("result").unwrap(), 128.0);
        let error = g.compile_with(tangent, &options(6)).unwrap().call(("x", 0.0)).unwrap_err().to_string();
        assert!(error.contains("still holds after 6 iterations"), "{error}");
    }
}

/// Something that fails where the index is out of range, or where the limit is not reached.
type Failing = for<'g> fn(&'g Graph, Expr<'g>, Expr<'g>) -> Expr<'g>;

/// Each primitive that may fail for the elements that it is given, alone and in bodies.
const FAILING: [(&str, Failing); 6] = [
    ("gather", |_, x, at| x.gather(at, 0).sum()),
    ("what is made of a gather", |_, x, at| (x.gather(at, 0) * 2.0).sin().sum()),
    ("scatter_add", |_, x, at| x.scatter_add(at, x.slice((0..1,)), 0).sum()),
    ("while", |_, x, at| {
        let limit = at.cast(DType::F64).sum();
        limit.graph().while_loop_bounded(x.sum() * 0.0, 3, |y| y.less(limit), |y| y + 1.0)
    }),
    ("call", |g, x, at| g.function(x, |x| x.gather(at, 0).sum()).call(x)),
    ("loop", |g, x, at| g.fori(2, x, |_, x| x + x.gather(at, 0).sum()).sum()),
];

#[test]
fn what_may_fail_for_its_elements_is_not_run_outside_of_a_body_that_does_not_run() {
    type Around = for<'g> fn(&'g Graph, Expr<'g>, Expr<'g>, Expr<'g>, Failing) -> Expr<'g>;
    let around: [(&str, Around); 4] = [
        ("scan", |g, x, at, on, f| {
            let options = ScanOptions { length: Some(on.shape()[0].clone()), ..ScanOptions::default() };
            g.scan_with(&options, x.sum(), (), |y, ()| (y + f(g, x, at), ())).0
        }),
        ("while", |g, x, at, on, f| {
            let n = on.cast(DType::F64).sum();
            g.while_loop((x.sum(), g.full(0.0, ())), |(_, i)| i.less(n), |(y, i)| (y + f(g, x, at), i + 1.0)).0
        }),
        ("call in a branch", |g, x, at, on, f| {
            let function = g.function(x, |x| x.sum() + f(g, x.stop_gradient(), at));
            g.cond(on.cast(DType::I64).sum().greater(0i64), || function.call(x) + function.call(2.0 * x), || x.sum())
        }),
        ("loop in a branch", |g, x, at, on, f| {
            g.cond(on.cast(DType::I64).sum().greater(0i64), || g.fori(2, x.sum(), |_, y| y + f(g, x, at)), || x.sum())
        }),
    ];
    for (construct, build) in around {
        for (name, failing) in FAILING {
            for evaluation in EVALUATIONS {
                let what = format!("{name} in a {construct}, {evaluation:?}");
                let g = Graph::new();
                let (x, at) = (g.input_of(DType::F64, "x", (3,)), g.input_of(DType::I64, "at", (1,)));
                let on = g.input_of(DType::Bool, "on", ("n",));
                let mut program = program(&g, build(&g, x, at, on, failing), evaluation);
                let x = arr1(&[1.0, 2.0, 4.0]);
                let mut run = |at: i64, on: &[bool]| {
                    program.call((("x", &x), ("at", &arr1(&[at])), ("on", &arr1(on)))).map(|out| out["result"].clone())
                };
                assert_eq!(run(9, &[]).unwrap_or_else(|error| panic!("{what}: {error}")), 7.0.into(), "{what}");
                assert!(run(1, &[true]).is_ok(), "{what}");
                assert!(matches!(run(9, &[true]), Err(RunError::Node { .. })), "{what}");
            }
        }
    }
}

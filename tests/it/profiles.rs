//! Profiles of programs with bodies: each step of a body is told, with how often it ran.

use ndarray::arr1;
use pullback::{BodyProfile, DType, Evaluation, Graph, Options, StepProfile, graph::Checkpoints, ops::ScanOptions};

/// The bodies of the one step that has some.
fn bodies(steps: &[StepProfile]) -> &[BodyProfile] {
    let with_bodies: Vec<&StepProfile> = steps.iter().filter(|step| !step.bodies.is_empty()).collect();
    assert_eq!(with_bodies.len(), 1, "{steps:?}");
    &with_bodies[0].bodies
}

/// For each body its role and how often its steps ran.
fn counts(bodies: &[BodyProfile]) -> Vec<(&'static str, Vec<usize>)> {
    bodies.iter().map(|body| (body.role, body.steps.iter().map(|step| step.count).collect())).collect()
}

#[test]
fn steps_of_loops_branches_and_calls_are_told_with_how_often_they_ran() {
    let g = Graph::new();
    let xs = g.input_of(DType::F64, "xs", (6, 3));
    let options = Options { threads: 1, ..Options::default() };
    let profile =
        |y| g.compile_with(y, &options).unwrap().profile((), ("xs", &ndarray::Array2::<f64>::ones((6, 3))), 2).unwrap();
    let (scanned, _) = g.scan(g.full(0.0, (3,)), xs, |y, x| ((y + x).sin(), ()));
    let found = profile(scanned);
    assert_eq!(counts(bodies(&found.steps)), [("body", vec![6])]);
    let inner = &bodies(&found.steps)[0].steps[0];
    assert!(inner.flops == 6 && inner.time.as_nanos() > 0 && inner.site.line > 0, "{inner:?}");

    let branched = g.cond(xs.sum().greater(100.0), || xs.sin().sum(), || xs.cos().sum());
    assert_eq!(counts(bodies(&profile(branched).steps)), [("then", vec![0]), ("else", vec![1])]);

    let looped = g.while_loop(xs.sum(), |y| y.less(100.0), |y| 2.0 * y);
    assert_eq!(counts(bodies(&profile(looped).steps)), [("condition", vec![4]), ("body", vec![3])]);

    let nested = g.fori(4, xs, |_, y| g.fori(3, y, |_, y| y.sin()));
    let found = profile(nested);
    let outer = &bodies(&found.steps)[0];
    assert_eq!(counts(bodies(&outer.steps)), [("body", vec![12])]);

    let text = found.to_string();
    assert!(text.contains("  | 4 × 3 times 1 steps") && text.contains("  | | 12 × fused"), "{text}");
    let text = profile(branched).to_string();
    assert!(text.contains("| then:\n") && text.contains("| else:\n"), "{text}");
}

#[test]
fn loops_that_run_again_from_checkpoints_are_told_apart() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", (3,));
    let options = ScanOptions { length: Some(10.into()), checkpoints: Checkpoints::Every(4), ..ScanOptions::default() };
    let (y, ()) = g.scan_with(&options, x, (), |y, ()| (y.sin(), ()));
    let mut program = g.compile(g.gradient(y.sum(), x)).unwrap();
    let profile = program.profile((), ("x", &arr1(&[0.1, 0.2, 0.3])), 1).unwrap();
    let roles: Vec<_> =
        profile.steps.iter().filter(|step| !step.bodies.is_empty()).map(|step| counts(&step.bodies)).collect();
    assert_eq!(roles, [vec![("body", vec![10])], vec![("body", vec![10]), ("again", vec![10])]]);
}

#[test]
fn a_profile_leaves_no_clock_behind() {
    let g = Graph::new();
    let x = g.input_of(DType::F64, "x", ());
    let mut program = g.compile(g.fori(1000, x, |_, x| x + 1.0)).unwrap();
    let first = program.profile((), ("x", 0.0), 1).unwrap();
    let again = program.profile((), ("x", 0.0), 1).unwrap();
    assert_eq!(counts(bodies(&first.steps)), counts(bodies(&again.steps)));
    assert_eq!(program.call(("x", 0.0)).unwrap().scalar::<f64>("result").unwrap(), 1000.0);
    let mut reference = g
        .compile_with(
            g.fori(2, x, |_, x| x + 1.0),
            &Options { evaluation: Evaluation::Reference, ..Options::default() },
        )
        .unwrap();
    assert_eq!(reference.profile((), ("x", 0.0), 1).unwrap().steps[0].count, 1);
}

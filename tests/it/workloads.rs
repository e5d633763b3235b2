//! What the workloads of the benches compute, against the numbers that other libraries give for the same bits. Those that
//! take a second or more are verified by `examples/workload.rs`.

#[path = "../../benches/workloads/mod.rs"]
#[allow(dead_code, reason = "the benches use more of it")]
pub(crate) mod shared;

use shared::Compiler;

#[test]
fn workloads_compute_what_other_libraries_compute() {
    for name in ["W1", "W2", "W3", "W3b", "W6", "W7", "W8a", "W8b", "W9", "W10", "W14", "W14_scan"] {
        let workload = shared::named(name).expect("listed");
        let compiled = workload.compile(&Compiler::new(1)).expect("no mistake");
        let found = workload.feed(compiled).and_then(|mut task| task.check()).expect("the data fits");
        assert_eq!(workload.verify(&found), Ok(()));
    }
}

#[test]
fn a_deviation_is_found() {
    let workload = shared::named("W8a").expect("listed");
    let near: Vec<f64> = workload.expected.iter().map(|number| number * (1.0 + 0.5 * shared::TOLERANCE)).collect();
    let far: Vec<f64> = workload.expected.iter().map(|number| number * (1.0 + 2.0 * shared::TOLERANCE)).collect();
    assert_eq!(workload.verify(&near), Ok(()));
    assert!(workload.verify(&far).is_err() && workload.verify(&near[1..]).is_err());
}

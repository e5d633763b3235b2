//! Every primitive is proved by being in the table.

use std::collections::BTreeSet;

use pullback::{
    check::prove,
    graph::Op,
    ops::{Sample, samples},
};

/// Leaves that are fed and the stand-in for a mistake have nothing to prove.
const WITHOUT_SAMPLES: [&str; 5] = ["poison", "input", "parameter", "state", "argument"];

/// The samples of the primitive that the environment variable `PRIMITIVE` names, of all where it is not set.
pub(crate) fn chosen_samples() -> Vec<Sample> {
    let all = samples();
    let Ok(name) = std::env::var("PRIMITIVE") else { return all };
    let chosen: Vec<Sample> = all.into_iter().filter(|sample| sample.op.name() == name).collect();
    assert!(!chosen.is_empty(), "there is no primitive `{name}` with samples, but {}", Op::names().join(", "));
    chosen
}

#[test]
fn every_primitive_has_samples() {
    let sampled: BTreeSet<&str> = samples().iter().map(|sample| sample.op.name()).collect();
    let missing: Vec<&str> =
        Op::names().into_iter().filter(|name| !sampled.contains(name) && !WITHOUT_SAMPLES.contains(name)).collect();
    assert!(missing.is_empty(), "primitives without samples: {missing:?}");
}

#[test]
fn the_rule_of_every_primitive_holds_at_first_and_second_order() {
    let mut failures = Vec::new();
    for sample in chosen_samples() {
        if let Err(disproof) = prove(&sample) {
            failures.push(format!("{:?} of {:?}\n    {disproof}", sample.op, sample.operands));
        }
    }
    assert!(failures.is_empty(), "{} rules fail:\n{}", failures.len(), failures.join("\n"));
}

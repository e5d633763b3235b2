//! Every primitive is proved by being in the table.

use std::collections::BTreeSet;

use pullback::{check::prove, graph::Op, ops::samples};

/// Leaves that are fed and the stand-in for a mistake have nothing to prove.
const WITHOUT_SAMPLES: [&str; 3] = ["poison", "input", "parameter"];

#[test]
fn every_primitive_has_samples() {
    let sampled: BTreeSet<&str> = samples().iter().map(|sample| sample.op.name()).collect();
    let missing: Vec<&str> =
        Op::names().into_iter().filter(|name| !sampled.contains(name) && !WITHOUT_SAMPLES.contains(name)).collect();
    assert!(missing.is_empty(), "primitives without samples: {missing:?}");
}

#[test]
fn every_rule_holds_at_first_and_second_order() {
    let mut failures = Vec::new();
    for sample in samples() {
        if let Err(disproof) = prove(&sample) {
            failures.push(format!("{:?} of {:?}\n    {disproof}", sample.op, sample.operands));
        }
    }
    assert!(failures.is_empty(), "{} rules fail:\n{}", failures.len(), failures.join("\n"));
}

//! Each way to break a loop that runs others again from checkpoints is found when its plan is verified.

use std::sync::Arc;

use super::plan_of;
use crate::{
    graph::{Checkpoints, DType, Graph},
    ops::ScanOptions,
    plan::{
        ArgumentSource, Control, Nested, Plan, Segments, StepKind,
        verify::{self, PlanMemoryError},
    },
};

/// The second derivative of a loop of 10 steps in segments of 3, with a stack: loops that run one or several others again.
fn plan() -> Plan {
    let g = Graph::new();
    let (x, xs) = (g.input_of(DType::F64, "x", (16,)), g.input_of(DType::F64, "xs", (10, 16)));
    let options = ScanOptions { checkpoints: Checkpoints::Every(3), ..ScanOptions::default() };
    let (y, sums) = g.scan_with(&options, (x, x), xs, |(y, z), x| {
        let y = (y * x).sin() + z;
        ((y, (z * y).cos()), y.sum())
    });
    let gradient = g.gradient(y.0.sum() + sums.square().sum(), xs);
    let second = g.gradient(gradient.square().sum(), x);
    plan_of(&g, &[Some(x.id()), Some(xs.id())], &[gradient.id(), second.id()])
}

fn segments(nested: &mut Nested) -> Option<&mut Segments> {
    match &mut nested.control {
        Control::Scan(scan) => scan.segments.as_mut(),
        Control::Call | Control::Branch | Control::While { .. } => None,
    }
}

/// Breaks a step with bodies, if there is something to break.
type Break = fn(&mut Nested) -> Option<()>;

const BREAKS: [(&str, Break); 11] = [
    ("no positions in a segment", |nested| {
        segments(nested)?.every = 0;
        Some(())
    }),
    ("fewer checkpoints than segments", |nested| {
        let segments = segments(nested).filter(|segments| !segments.checkpoints.is_empty())?;
        segments.every = 2;
        Some(())
    }),
    ("a checkpoint for two carries", |nested| {
        let segments = segments(nested).filter(|segments| segments.checkpoints.len() > 1)?;
        segments.checkpoints[1] = segments.checkpoints[0];
        Some(())
    }),
    ("a carry without a checkpoint", |nested| {
        segments(nested)?.checkpoints.pop()?;
        Some(())
    }),
    ("stacks over one another", |nested| {
        let carry = nested.region.own.carries.first()?[0];
        *segments(nested)?.replays.first_mut()?.buffers.first_mut()? = carry;
        Some(())
    }),
    ("a carry of a replay over one of the loop", |nested| {
        let carry = nested.region.own.carries.first()?[0];
        segments(nested)?.replays.first_mut()?.memory.carries.first_mut()?[1] = carry;
        Some(())
    }),
    ("a result that is thrown away over a carry", |nested| {
        let carry = nested.region.own.carries.first()?[0];
        let replays = &mut segments(nested)?.replays;
        let replay = replays.iter_mut().find(|replay| replay.scan.stacks.contains(&None))?;
        let stack = replay.scan.stacks.iter().position(Option::is_none)?;
        replay.memory.discards[stack] = carry;
        Some(())
    }),
    ("a slice from where nothing is stacked", |nested| {
        let arguments = &mut segments(nested)?.arguments;
        let is_segment = |source: &&mut ArgumentSource| matches!(source, ArgumentSource::Segment(_));
        *arguments.iter_mut().find(is_segment)? = ArgumentSource::Segment(1 << 30);
        Some(())
    }),
    ("a checkpoint of another size", |nested| {
        let replay = segments(nested)?.replays.first_mut()?;
        let n_carries = replay.scan.homes.len();
        replay.arguments[0] =
            *replay.arguments[n_carries..].iter().find(|source| matches!(source, ArgumentSource::Operand(_)))?;
        Some(())
    }),
    ("a loop before what it reads", |nested| {
        let replays = &mut segments(nested)?.replays;
        let is_segment = |source: &ArgumentSource| matches!(source, ArgumentSource::Segment(_));
        let reads = replays.iter().any(|replay| replay.arguments.iter().any(is_segment));
        replays.reverse();
        reads.then_some(())
    }),
    ("another body", |nested| {
        let n_bodies = nested.bodies.len();
        segments(nested)?.replays.first_mut()?.body = n_bodies;
        Some(())
    }),
];

#[test]
fn a_loop_that_runs_others_again_in_the_wrong_place_or_order_is_found() {
    let mut plan = plan();
    assert_eq!(verify::plan(&plan), Ok(()));
    for (name, break_it) in BREAKS {
        let mut n_tried = 0;
        for step in 0..plan.steps.len() {
            let StepKind::Nested(_, nested) = &mut plan.steps[step].work else { continue };
            let whole = nested.clone();
            let mut broken = (*whole).clone();
            if break_it(&mut broken).is_none() {
                continue;
            }
            *nested = Arc::new(broken);
            assert_eq!(verify::plan(&plan), Err(PlanMemoryError::Undeclared { step }), "{name} in step {step}");
            n_tried += 1;
            if let StepKind::Nested(_, nested) = &mut plan.steps[step].work {
                *nested = whole;
            }
        }
        assert!(n_tried > 0, "{name}");
    }
    assert_eq!(verify::plan(&plan), Ok(()));
}

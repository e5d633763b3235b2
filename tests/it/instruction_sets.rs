//! The same bits by every set of vector instructions that the machine has, and so on every machine: of samples of all primitives, of
//! random graphs with their gradients, and of the workloads.

use std::str::FromStr;

use pullback::{
    Expr, Graph, InstructionSet, Options, UnknownInstructionSet, Value,
    check::{RandomGraph, random_graph},
};

use super::{
    compiled::{applied, named, narrow, run},
    primitives::chosen_samples,
    workloads::shared,
};

fn options(instruction_set: InstructionSet) -> Options {
    Options { instruction_set: Some(instruction_set), threads: 1, ..Options::default() }
}

/// Every element as 64 bits, with every NaN the same: its sign and payload are those of the instruction that made it.
pub(crate) fn bits(value: &Value) -> Vec<u64> {
    match value {
        Value::F32(array) => array.iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits().into() }).collect(),
        Value::F64(array) => array.iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect(),
        Value::I64(array) => array.iter().map(|x| *x as u64).collect(),
        Value::Bool(array) => array.iter().map(|x| u64::from(*x)).collect(),
    }
}

/// That results for what is fed have the same bits by each set, or are all refused.
#[track_caller]
fn assert_same(results: &[(String, Expr<'_>)], fed: &[(String, Value)], what: &str) {
    let computed = InstructionSet::available().into_iter().map(|set| {
        let out = run(results, fed, &options(set)).ok()?;
        Some(results.iter().map(|(name, _)| bits(&out[&**name])).collect::<Vec<_>>())
    });
    let computed: Vec<_> = computed.collect();
    assert!(computed.windows(2).all(|pair| pair[0] == pair[1]), "{what}");
}

#[test]
fn every_primitive_has_the_same_bits_by_every_set() {
    for sample in chosen_samples() {
        for operands in [sample.operands.clone(), narrow(&sample.operands)] {
            let g = Graph::new();
            let Some(result) = applied(&g, &sample, &operands) else { continue };
            assert_same(&[("y".to_owned(), result)], &named(&operands), &format!("{:?} of {operands:?}", sample.op));
        }
    }
}

/// Pairs of a name and something.
type Named<T> = Vec<(String, T)>;

/// The result of a random graph with its gradients, and what is fed.
pub(crate) fn with_gradients(random: &RandomGraph) -> (Named<Expr<'_>>, Named<Value>) {
    let RandomGraph { graph: g, inputs, values, result } = random;
    let inputs: Vec<Expr<'_>> = inputs.iter().map(|input| g.expr(*input)).collect();
    let result = g.expr(*result);
    let gradients = g.gradients(result, &inputs).into_iter().enumerate();
    let gradients = gradients.map(|(position, gradient)| (format!("gradient {position}"), gradient));
    let names = inputs.iter().map(|input| input.name().expect("an input has a name").to_owned());
    (
        [("result".to_owned(), result)].into_iter().chain(gradients).collect(),
        names.zip(values.iter().cloned()).collect(),
    )
}

/// A graph and its gradients.
fn check(seed: u64) {
    let random = random_graph(seed, 4 + (seed % 24) as usize);
    let (results, fed) = with_gradients(&random);
    assert_same(&results, &fed, &format!("seed {seed}"));
}

#[test]
fn random_graphs_have_the_same_bits_by_every_set() {
    (0..150).for_each(check);
}

/// As many as would take a quarter of an hour each time: `cargo test --release --test it hundred_thousand -- --ignored`.
#[test]
#[ignore = "a quarter of an hour"]
fn a_hundred_thousand_random_graphs_have_the_same_bits_by_every_set() {
    (0..100_000).for_each(check);
}

#[test]
fn workloads_have_the_same_bits_by_every_set() {
    for name in ["W1", "W2", "W3", "W3b", "W6", "W7", "W8a", "W8b", "W9", "W10", "W14_scan"] {
        let workload = shared::named(name).expect("listed");
        let computed = InstructionSet::available().into_iter().map(|instruction_set| {
            let compiled = workload.compile(&shared::Compiler { threads: 1, instruction_set }).expect("no mistake");
            let found = workload.feed(compiled).and_then(|mut task| task.check()).expect("the data fits");
            found.into_iter().map(f64::to_bits).collect::<Vec<_>>()
        });
        let computed: Vec<Vec<u64>> = computed.collect();
        assert!(computed.windows(2).all(|pair| pair[0] == pair[1]), "{name}");
    }
}

#[test]
fn a_set_is_known_by_its_name_if_the_machine_has_it() {
    for set in InstructionSet::available() {
        assert_eq!(set.to_string().parse(), Ok(set));
    }
    let unknown = InstructionSet::from_str("neon2");
    assert_eq!(unknown, Err(UnknownInstructionSet { name: "neon2".to_owned() }));
    let message = unknown.unwrap_err().to_string();
    assert!(message.starts_with("this machine has no instruction set `neon2`; it has `portable`"), "{message}");
}

//! A budget of memory: less is kept, more is computed again, and the numbers stay the same.

use pullback::{Evaluation, Expr, Graph, Options, Outputs, Value, check::random_graph};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{
    compiled::{distance, options, run},
    epilogue::input,
};

fn with(memory_budget: Option<usize>) -> Options {
    Options { memory_budget, ..options(Evaluation::Compiled, 2) }
}

/// Bytes of the arena.
fn arena(results: &[(String, Expr<'_>)], memory_budget: Option<usize>) -> usize {
    let g = results[0].1.graph();
    let program = g.compile_with(results, &with(memory_budget)).expect("the graph has no mistake");
    program.summary([]).expect("all sizes are known").arena_bytes
}

/// That a budget of nothing changes no number by more than rounding.
pub(crate) fn assert_same_with_a_budget(label: &str, results: &[(String, Expr<'_>)], fed: &[(String, Value)]) {
    let outputs = |budget| -> Outputs { run(results, fed, &with(budget)).expect("the program runs") };
    let (free, tight) = (outputs(None), outputs(Some(0)));
    for (name, value) in free.iter() {
        let distance = distance(&tight[name], value);
        assert!(distance <= 1e-12, "{label}: {name} is off by {distance:e}");
    }
}

#[test]
fn a_network_with_a_budget_keeps_less() {
    let (g, mut fed, mut rng) = (Graph::new(), Vec::new(), ChaCha8Rng::seed_from_u64(0));
    let x = input(&g, &mut fed, &mut rng, "x", &[512, 16]);
    let w = input(&g, &mut fed, &mut rng, "w", &[16, 128]);
    let v = input(&g, &mut fed, &mut rng, "v", &[128, 4]);
    let loss = x.dot(w).gelu().dot(v).square().mean();
    let results = [("loss", loss), ("dw", g.gradient(loss, w)), ("dv", g.gradient(loss, v))];
    let results = results.map(|(name, result)| (name.to_owned(), result));
    let (free, tight) = (arena(&results, None), arena(&results, Some(0)));
    // One array of what GELU is made of.
    assert!(tight + 512 * 128 * 8 <= free, "{tight} of {free} bytes");
    assert_eq!(arena(&results, Some(free)), free, "a budget that is kept changes nothing");
    assert_same_with_a_budget("GELU", &results, &fed);
}

#[test]
fn random_graphs_with_a_budget_give_the_same_numbers() {
    for seed in 0..40 {
        let random = random_graph(seed, 6 + (seed as usize) % 24);
        let g = &random.graph;
        let inputs: Vec<Expr<'_>> = random.inputs.iter().map(|input| g.expr(*input)).collect();
        let loss = g.expr(random.result);
        let gradients = g.gradients(loss, &inputs).into_iter().enumerate();
        let gradients = gradients.map(|(position, gradient)| (format!("g{position}"), gradient));
        let results: Vec<(String, Expr<'_>)> = gradients.chain([("loss".into(), loss)]).collect();
        let named = inputs.iter().map(|input| input.name().unwrap_or_default().to_string());
        let fed: Vec<(String, Value)> = named.zip(random.values.iter().cloned()).collect();
        assert_same_with_a_budget(&format!("seed {seed}"), &results, &fed);
    }
}

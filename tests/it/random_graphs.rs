//! What random graphs have in them, bodies above all, and their texts. Their values, derivatives, batches and plans are in the
//! files about these.

use pullback::{Expr, Graph, Value, check::random_graph, graph::Op};

/// Inputs with their values.
fn leaves<'g>(g: &'g Graph, random: &pullback::check::RandomGraph) -> Vec<(Expr<'g>, Value)> {
    random.inputs.iter().map(|input| g.expr(*input)).zip(random.values.iter().cloned()).collect()
}

#[test]
fn random_graphs_have_every_kind_of_body_and_bodies_in_bodies() {
    let (mut kinds, mut n_deep) = (std::collections::BTreeSet::new(), 0);
    for seed in 0..100 {
        let random = random_graph(seed, 12);
        let g = &random.graph;
        let text = g.to_text(g.expr(random.result));
        n_deep += usize::from(text.lines().any(|line| line.starts_with("  ") && line.contains("body=")));
        for id in g.ancestors(&[random.result]) {
            if matches!(g.expr(id).op(), Op::Call(_) | Op::Conditional(_) | Op::Scan(_) | Op::While(_)) {
                kinds.insert(g.expr(id).op().name());
            }
        }
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert!(n_deep > 10, "bodies lie in bodies in {n_deep} graphs");
}

#[test]
fn random_graphs_and_their_gradients_are_read_back_from_their_texts() {
    for seed in 0..60 {
        let random = random_graph(seed, 3 + (seed as usize) % 12);
        let g = &random.graph;
        let inputs: Vec<Expr<'_>> = leaves(g, &random).into_iter().map(|(input, _)| input).collect();
        let loss = g.expr(random.result);
        let gradients = g.gradients(loss, &inputs).into_iter().enumerate();
        let results: Vec<(String, Expr<'_>)> = gradients
            .map(|(position, gradient)| (format!("g{position}"), gradient))
            .chain([("loss".to_owned(), loss)])
            .collect();
        let text = g.to_text(results.clone());
        let parsed = Graph::parse(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        assert_eq!(parsed.to_text(), text, "seed {seed}");
    }
}

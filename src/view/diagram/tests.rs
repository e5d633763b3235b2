//! What is a box, a group and an arrow, and where they lie.

use std::collections::HashSet;

use super::{Diagram, Folding, fold::Drawing, layout, parts::Kind};
use crate::{
    check::random_graph,
    graph::{DType, Expr, Graph},
    nn::{Layer, Linear, Lstm, TransformerEncoderBlock, cross_entropy},
    view::FigureError,
};

fn drawing(diagram: &Diagram, folding: Folding) -> Drawing {
    Drawing::new(&diagram.parts, folding)
}

/// Boxes lie apart, and within the rectangles of their groups.
fn check_layout(drawing: &Drawing) {
    let layout = layout::place(drawing).expect("few boxes");
    let sides = |rectangle: layout::Rectangle| {
        [0, 1].map(|axis| {
            let half = rectangle.size[axis] / 2.0;
            [rectangle.middle[axis] - half, rectangle.middle[axis] + half]
        })
    };
    for (number, one) in layout.boxes.iter().enumerate() {
        let [[left, right], [top, bottom]] = sides(*one);
        assert!(left >= 0.0 && top >= 0.0 && right <= layout.size[0] && bottom <= layout.size[1]);
        for other in &layout.boxes[..number] {
            let [[l, r], [t, b]] = sides(*other);
            assert!(right <= l + 1e-6 || r <= left + 1e-6 || bottom <= t + 1e-6 || b <= top + 1e-6, "boxes overlap");
        }
        let groups = &drawing.boxes[number].groups;
        for depth in 1..=groups.len() {
            let [[l, r], [t, b]] = sides(layout.groups[&groups[..depth]]);
            assert!(l <= left && right <= r && t <= top && bottom <= b, "a box lies outside of {:?}", &groups[..depth]);
        }
    }
    assert_eq!(layout.arrows.len(), drawing.arrows.len());
    assert!(
        layout
            .arrows
            .iter()
            .all(|arrow| arrow.points.len() >= 2 && arrow.points.iter().flatten().all(|at| at.is_finite()))
    );
}

#[test]
fn boxes_lie_apart_and_within_their_groups_in_random_graphs() {
    let mut n_placed = 0;
    for seed in 0..40 {
        let random = random_graph(seed, 2 + seed as usize / 4);
        let diagram = random.graph.to_diagram(random.graph.expr(random.result));
        for folding in [Folding::Operations, Folding::Calls, Folding::Scopes(0)] {
            let drawing = drawing(&diagram, folding);
            // More take seconds each.
            if drawing.boxes.len() <= 120 {
                check_layout(&drawing);
                n_placed += 1;
            }
        }
    }
    assert!(n_placed >= 30, "only {n_placed} were placed");
}

fn network(g: &Graph) -> (Expr<'_>, Expr<'_>) {
    let x = g.input("x", ("batch", 10, 16));
    let block = TransformerEncoderBlock::new(g, "block", 16, 2);
    let out = Linear::new(g, "out", 16, 3);
    let scores = out.call(block.call(x).mean_over(1));
    let loss = cross_entropy(scores, g.input_of(DType::I64, "label", ("batch",))).mean();
    (scores, loss)
}

#[test]
fn nodes_are_grouped_by_the_layers_that_made_them() {
    let g = Graph::new();
    let (scores, loss) = network(&g);
    let slopes = g.gradient(loss, g.named("block.attention.in.weight").expect("declared"));
    let diagram = g.to_diagram([("scores", scores), ("slopes", slopes)]);
    let whole = drawing(&diagram, Folding::Operations);
    let has = |path: &[&str]| whole.groups.contains(&path.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    for path in [
        &["block"][..],
        &["block", "attention"],
        &["block", "attention", "in"],
        &["block", "feed_forward", "hidden"],
        &["block", "norm1"],
        &["out"],
        &["gradient", "block", "attention"],
        &["gradient", "out"],
    ] {
        assert!(has(path), "{path:?} is no group of {:?}", whole.groups);
    }
    // A softmax belongs to the attention, a tanh or product of its maps to them.
    let is_in = |title: &str, path: &[&str]| {
        whole.boxes.iter().any(|drawn| {
            drawn.title.starts_with(title) && drawn.groups.iter().map(String::as_str).eq(path.iter().copied())
        })
    };
    assert!(is_in("exp", &["block", "attention"]) || is_in("softmax", &["block", "attention"]));
    assert!(is_in("dot", &["out"]) && is_in("weight", &["out"]));
    check_layout(&whole);

    let folded = drawing(&diagram, Folding::Scopes(0));
    let titles: Vec<&str> =
        folded.boxes.iter().filter(|drawn| drawn.kind == Kind::Folded).map(|drawn| drawn.title.as_str()).collect();
    assert!(["block", "out", "gradient"].iter().all(|scope| titles.contains(scope)), "{titles:?}");
    assert!(folded.groups.is_empty());
    check_layout(&folded);
}

#[test]
fn a_user_scope_inside_of_a_layer_is_a_group() {
    struct Own<'g>(&'g Graph, Linear<'g>);
    impl<'g> Layer<'g> for Own<'g> {
        fn call(&self, x: Expr<'g>) -> Expr<'g> {
            let _scope = self.0.scope("own");
            self.1.call(x).tanh()
        }
    }
    let g = Graph::new();
    let x = g.input("x", ("batch", 4));
    let own = Own(&g, Linear::new(&g, "map", 4, 4));
    let y = crate::nn::Sequential::new().then(own).map(Expr::exp).call(x);
    let whole = drawing(&g.to_diagram(y), Folding::Operations);
    let groups_of = |title: &str| &whole.boxes.iter().find(|drawn| drawn.title == title).expect("a box").groups;
    assert_eq!(groups_of("tanh"), &["own"]);
    assert_eq!(groups_of("dot"), &["map"]);
    assert!(groups_of("exp").is_empty(), "the scope has ended");
}

#[test]
fn numbers_stand_in_the_boxes_that_take_them() {
    let g = Graph::new();
    let x = g.input("x", ("n",));
    let y = (2.0 - x * 0.5).maximum(0.0);
    let dot = g.to_diagram([("y", y)]).to_dot();
    for label in ["mul(·, 0.5)", "sub(2, ·)", "maximum(·, 0)"] {
        assert!(dot.contains(label), "{label} is missing in\n{dot}");
    }
    assert!(!dot.contains("constant") && !dot.contains("broadcast"));
}

#[test]
fn bodies_are_groups_and_are_drawn_once() {
    let g = Graph::new();
    let xs = g.input("xs", ("time", 3));
    let (last, all) = g.scan(g.full(0f32, (3,)), xs, |h, x| {
        let next = (h + x).tanh();
        (next, next)
    });
    let whole = drawing(&g.to_diagram([("last", last), ("all", all)]), Folding::Operations);
    let inside: Vec<&str> =
        whole.boxes.iter().filter(|drawn| !drawn.groups.is_empty()).map(|drawn| drawn.title.as_str()).collect();
    assert_eq!(inside.iter().filter(|title| **title == "tanh").count(), 1, "{inside:?}");
    assert!(whole.groups.iter().any(|group| group[0].starts_with("scan at tests.rs:")));
    check_layout(&whole);
    // What is built for a layer's loop is not in the layer's scope twice.
    let g = Graph::new();
    let y = Lstm::new(&g, "lstm", 2, 3).call(g.input("x", ("time", "batch", 2)));
    let whole = drawing(&g.to_diagram(y), Folding::Operations);
    assert!(
        whole.groups.iter().all(|group| group.iter().filter(|name| *name == "lstm").count() == 1),
        "{:?}",
        whole.groups
    );
}

#[test]
fn no_group_in_the_derivative_of_a_loop_repeats_the_name_of_one_around_it() {
    let g = Graph::new();
    let model = g.scope("model");
    let x = g.input("x", ("time", "batch", 2));
    let y = Lstm::new(&g, "lstm", 2, 3).call(x);
    drop(model);
    let weight = g.named("model.lstm.0.recurrent").expect("declared");
    let slopes = g.gradient(y.square().sum(), weight);
    let along = g.jvp(slopes, &[(weight, weight.ones_like())]);
    for (result, mode) in [(slopes, "gradient"), (along, "jvp")] {
        let whole = drawing(&g.to_diagram([("result", result)]), Folding::Operations);
        let has_loop = |group: &[String]| {
            group.len() > 3 && group[..3] == [mode, "model", "lstm"] && group[3].starts_with("scan at tests.rs:")
        };
        assert!(whole.groups.iter().any(|group| has_loop(group)), "{mode}: {:?}", whole.groups);
        for group in &whole.groups {
            let distinct: HashSet<&String> = group.iter().collect();
            assert_eq!(distinct.len(), group.len(), "{mode}: {group:?}");
        }
    }
}

#[test]
fn large_graphs_are_folded_until_they_can_be_read() {
    let g = Graph::new();
    let x = (0..300).fold(g.input("x", (4,)), |x, _| x.tanh());
    assert!(x.graph().to_diagram(x).drawing().boxes.len() < 10);
    assert!(g.to_diagram(x).to_svg().is_ok());
    // One box each is more than is placed when they are too many.
    let many = (0..800).fold(x, |x, _| x.sin());
    let whole = g.to_diagram(many).fold(Folding::Operations).to_svg();
    assert!(matches!(whole, Err(FigureError::Size { found: 1102, .. })), "{whole:?}");
}

#[test]
fn a_call_gives_its_name_to_the_one_box_of_all_that_it_made() {
    let g = Graph::new();
    let x = g.input("x", ("batch", 16)).softmax(-1);
    let block = crate::nn::FeedForward::new(&g, "block", 16, 32);
    let whole = drawing(&g.to_diagram(block.call(x)), Folding::Calls);
    let titles: Vec<(&str, usize)> =
        whole.boxes.iter().map(|drawn| (drawn.title.as_str(), drawn.groups.len())).collect();
    assert!(titles.contains(&("softmax", 0)), "{titles:?}");
    assert_eq!(titles.iter().filter(|drawn| **drawn == ("dot, add", 2)).count(), 2, "{titles:?}");
    assert!(!titles.iter().any(|(title, _)| *title == "FeedForward"), "{titles:?}");
}

#[test]
fn boxes_of_calls_are_in_no_circle() {
    let g = Graph::new();
    let (scores, loss) = network(&g);
    let slopes = g.gradient(loss, g.named("block.norm1.gain").expect("declared"));
    let whole = drawing(&g.to_diagram([("scores", scores), ("slopes", slopes)]), Folding::Calls);
    let mut n_open = vec![0; whole.boxes.len()];
    whole.arrows.keys().for_each(|(_, to)| n_open[*to] += 1);
    let mut ready: Vec<usize> = (0..n_open.len()).filter(|number| n_open[*number] == 0).collect();
    let mut n_done = 0;
    while let Some(done) = ready.pop() {
        n_done += 1;
        for (_, to) in whole.arrows.keys().filter(|(from, _)| *from == done) {
            n_open[*to] -= 1;
            if n_open[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    assert_eq!(n_done, whole.boxes.len(), "some boxes wait for each other");
}

#[test]
fn text_of_the_user_is_escaped() {
    let g = Graph::new();
    let y = g.input("a", (2,)).tanh();
    let diagram = g.to_diagram([("<y> \"&\"", y)]);
    let svg = diagram.to_svg().expect("small");
    assert!(svg.contains("&lt;y&gt; &quot;&amp;&quot;") && !svg.contains("<y>"));
    assert!(diagram.to_dot().contains(r#"<y> \"&\""#));
}

#[test]
fn poison_and_foreign_results_are_drawn_without_a_panic() {
    let (g, other) = (Graph::new(), Graph::new());
    let x = g.input("x", (2, 3));
    let wrong = x + g.input("y", (4, 5));
    let foreign = other.input("z", (1,));
    for results in [vec![("wrong", wrong)], vec![("foreign", foreign)], Vec::new(), vec![("x", x)]] {
        let diagram = g.to_diagram(results);
        diagram.to_svg().expect("small");
        diagram.to_dot();
    }
}

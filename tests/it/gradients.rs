//! The gradient graphs of six models, as text. Each was read before it was accepted.

use pullback::{
    Convolve, DType, Expr, Graph, Initializer,
    nn::{cross_entropy, linear, squared_error},
};

fn gradients(loss: Expr<'_>) -> String {
    let g = loss.graph();
    let parameters = g.parameters();
    let names = parameters.iter().map(|parameter| format!("d_{}", parameter.name().expect("a parameter has a name")));
    let gradients: Vec<(String, Expr<'_>)> = names.zip(g.gradients(loss, &parameters)).collect();
    g.check().expect("no mistake");
    g.show(gradients)
}

fn scalar<'g>(g: &'g Graph, name: &str) -> Expr<'g> {
    g.parameter(name, (), Initializer::Constant(0.5))
}

#[test]
fn the_lectures_saddle() {
    let g = Graph::new();
    insta::assert_snapshot!(gradients((1.0 - scalar(&g, "w2") * scalar(&g, "w1")).powi(2)));
}

/// f(x) = βᵀσ(Wx + b) with the squared error.
#[test]
fn one_hidden_layer() {
    let g = Graph::new();
    let (x, y) = (g.input("x", (3,)), g.input("y", ()));
    let hidden = (g.parameter("W", (4, 3), Initializer::GlorotUniform).dot(x)
        + g.parameter("b", (4,), Initializer::Zeros))
    .sigmoid();
    let f = g.parameter("beta", (4,), Initializer::GlorotUniform).dot(hidden);
    insta::assert_snapshot!(gradients(squared_error(f, y)));
}

/// How a cotangent passes a layer, and where it is masked.
#[test]
fn two_layers() {
    let g = Graph::new();
    let hidden = linear(g.input("x", ("batch", 3)), "first", 4).relu();
    insta::assert_snapshot!(gradients(linear(hidden, "second", 2).sum()));
}

#[test]
fn cross_entropy_of_scores() {
    let g = Graph::new();
    let scores = g.parameter("scores", (4, 10), Initializer::Zeros);
    insta::assert_snapshot!(gradients(cross_entropy(scores, g.input_of(DType::I64, "label", (4,))).sum()));
}

#[test]
fn convolution_with_pooling() {
    let g = Graph::new();
    let x = g.input("x", ("batch", 1, 8, 8));
    let kernel = g.parameter("kernel", (4, 1, 3, 3), Initializer::HeUniform);
    let pooled = x.convolve(kernel, Convolve::same()).relu().max_pool(2);
    insta::assert_snapshot!(gradients(pooled.square().sum()));
}

#[test]
fn a_second_derivative() {
    let g = Graph::new();
    let x = scalar(&g, "x");
    let slope = g.gradient(x.tanh() * x, x);
    insta::assert_snapshot!(gradients(slope));
}

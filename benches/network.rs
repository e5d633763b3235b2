//! The lecture's layered network: k layers of H units, and its squared error, in f64.

use ndarray::Array1;
use pullback::{DType, Expr, Graph, Initializer, Options, Program, Rewrites, check::naive_gradients};

/// Declares x, the weights of k layers, and the loss ‖tanh(W_k … tanh(W₁x))‖².
pub(crate) fn network(g: &Graph, depth: usize, width: usize) -> (Expr<'_>, Vec<Expr<'_>>) {
    let mut hidden = g.input_of(DType::F64, "x", (width,));
    let mut weights = Vec::new();
    for layer in 0..depth {
        let name = format!("weight{layer}");
        let weight = g.parameter_of(DType::F64, &name, (width, width), Initializer::GlorotUniform);
        hidden = weight.dot(hidden).tanh();
        weights.push(weight);
    }
    (hidden.powi(2).sum(), weights)
}

/// How a derivative is had.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Method {
    /// One reverse sweep for all parameters.
    Backpropagation,
    /// A derivative for each parameter, nothing shared.
    Naive,
    /// The function itself, to be evaluated twice for each element of each parameter.
    Function,
}

/// The gradients of all weights, or the loss alone.
pub(crate) fn results<'g>(g: &'g Graph, depth: usize, width: usize, method: Method) -> Vec<(String, Expr<'g>)> {
    let (loss, weights) = network(g, depth, width);
    let gradients = match method {
        Method::Backpropagation => g.gradients(loss, &weights),
        Method::Naive => naive_gradients(loss, &weights),
        Method::Function => vec![loss],
    };
    gradients.into_iter().enumerate().map(|(position, gradient)| (format!("result{position}"), gradient)).collect()
}

/// [`results`] made ready to run on one thread, as they are: sharing what is equal would turn the naive derivative into
/// backpropagation.
pub(crate) fn program(g: &Graph, depth: usize, width: usize, method: Method) -> Program {
    let options = Options { threads: 1, rewrites: Rewrites::none(), ..Options::default() };
    g.compile_with(results(g, depth, width, method), &options).expect("the network has no mistake")
}

/// An input of that width.
pub(crate) fn input(width: usize) -> Array1<f64> {
    Array1::from_shape_fn(width, |unit| (unit as f64).sin())
}

//! `lstm`: the loss of a stack of recurrent layers that predict the next character of a text, and its gradient by the parameters. The
//! layers are those of ADBench: their weights are diagonal, and of the gates two see the input of the layer and two its last output.

use pullback::{Expr, Graph, Options};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{error::EvalError, prepared::Inputs, timed::Timed};

#[derive(Debug, Deserialize)]
struct Input {
    /// For each layer the weights and the biases of four gates.
    main_params: Vec<Vec<f64>>,
    /// Weights of the input, and weights and biases of the output.
    extra_params: Vec<Vec<f64>>,
    /// For each layer the hidden values and the cells that it begins with.
    state: Vec<Vec<f64>>,
    /// A character in bits in each row.
    sequence: Vec<Vec<f64>>,
}

pub(crate) fn objective(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let (loss, _) = build(&g, &mut inputs, &serde_json::from_value(input)?)?;
    Ok(inputs.compile([("loss", loss)], options)?.timed(|program| program.json("loss")))
}

pub(crate) fn jacobian(input: Json, options: &Options) -> Result<Box<dyn Timed>, EvalError> {
    let g = Graph::new();
    let mut inputs = Inputs::new(&g);
    let (loss, parameters) = build(&g, &mut inputs, &serde_json::from_value(input)?)?;
    let flat: Vec<Expr<'_>> = g.gradients(loss, &parameters).into_iter().map(|gradient| gradient.flatten(0)).collect();
    let gradient = flat[0].concat(flat[1..].iter().copied(), 0);
    Ok(inputs.compile([("gradient", gradient)], options)?.timed(|program| program.json("gradient")))
}

/// The loss, and the parameters in the order of the gradient.
fn build<'g>(g: &'g Graph, inputs: &mut Inputs<'g>, input: &Input) -> Result<(Expr<'g>, [Expr<'g>; 2]), EvalError> {
    let width = input.sequence.first().ok_or(EvalError::Empty { name: "sequence" })?.len();
    let n_layers = input.main_params.len() / 2;
    let main = inputs.matrix("main_params", &input.main_params, 4 * width)?;
    let extra = inputs.matrix("extra_params", &input.extra_params, width)?;
    let state = inputs.matrix("state", &input.state, width)?;
    let sequence = inputs.matrix("sequence", &input.sequence, width)?;

    let gates = main.reshape((n_layers, 2, 4, width));
    let first: Vec<[Expr<'g>; 2]> =
        (0..n_layers as i64).map(|layer| [state.slice(2 * layer), state.slice(2 * layer + 1)]).collect();
    let (_, last_hidden) = g.scan(first, sequence.slice(..-1) * extra.slice(0), |states, x| {
        let mut x = x;
        let next = states.into_iter().enumerate().map(|(layer, state)| {
            let state = step(gates.slice(layer as i64), state, x);
            x = state[0];
            state
        });
        let next: Vec<[Expr<'g>; 2]> = next.collect();
        (next, x)
    });
    let predicted = last_hidden * extra.slice(1) + extra.slice(2);
    let log_sums = (predicted.exp().sum_over(-1) + 2.0).log().unsqueeze(-1);
    let loss = -(sequence.slice(1..) * (predicted - log_sums)).mean();
    Ok((loss, [main, extra]))
}

/// The next hidden values and cells of a layer, whose gates are `[weights or biases, gate, width]`.
fn step<'g>(gates: Expr<'g>, [hidden, cell]: [Expr<'g>; 2], x: Expr<'g>) -> [Expr<'g>; 2] {
    let gate = |number: i64, operand: Expr<'g>| operand * gates.slice((0, number)) + gates.slice((1, number));
    let (forget, ingate, outgate) = (gate(0, x).sigmoid(), gate(1, hidden).sigmoid(), gate(2, x).sigmoid());
    let cell = cell * forget + ingate * gate(3, hidden).tanh();
    [outgate * cell.tanh(), cell]
}

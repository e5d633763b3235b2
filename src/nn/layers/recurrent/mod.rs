//! Layers that go over time with a state: the stack of layers and directions, whatever the cell. In: a sequence, perhaps with
//! lengths and a first state. Out: what each step gives, and the last state. What one step computes is the cell's.

mod gru;
mod lstm;
mod options;
mod rnn;

use std::fmt;

pub use gru::{Gru, GruCell, GruOptions};
pub use lstm::{Lstm, LstmCell, LstmOptions};
pub use options::{Directions, RecurrentOptions};
pub use rnn::{Rnn, RnnActivation, RnnCell, RnnOptions};

use super::{Declaration, Dropout, Layer};
use crate::{
    graph::{
        Checkpoints, DType, Dim, Expr, Graph, GraphError, Initializer, LayerScope, Literal, ScanDirection, Shape, Site,
        Type,
    },
    nn::check::either,
    ops::{ScanOptions, Tree, leaves},
};

/// What a recurrent layer does in one step: [`RnnCell`], [`GruCell`], [`LstmCell`], or one of your own.
///
/// # Example
/// A cell that forgets by a learned gate, and else adds (the minimal gated unit without its recurrent candidate):
/// ```
/// use pullback::{Expr, Graph, nn::{Layer, Recurrence, Recurrent, RecurrentCell}};
/// #[derive(Debug, Clone, Copy, Default)]
/// struct Forgetful;
///
/// impl RecurrentCell for Forgetful {
///     type State<'g> = Expr<'g>;
///     const NAME: &'static str = "Forgetful";
///     const GATES: usize = 2;
///
///     fn next<'g>(&self, input: Expr<'g>, h: Expr<'g>, recurrence: Recurrence<'g>) -> Expr<'g> {
///         let gates = (input + h.dot(recurrence.weight)).split(2, -1);
///         let keep = gates[0].sigmoid();
///         keep * h + (1.0 - keep) * gates[1].tanh()
///     }
///
///     fn repeated<'g>(array: Expr<'g>) -> Expr<'g> {
///         array
///     }
/// }
///
/// let g = Graph::new();
/// let layer: Recurrent<'_, Forgetful> = Recurrent::new(&g, "memory", 8, 16);
/// let y = layer.call(g.input("x", ("time", "batch", 8)));
/// assert_eq!(y.ty().to_string(), "f32[time, batch, 16]");
/// assert!(g.check().is_ok());
/// ```
pub trait RecurrentCell: fmt::Debug + Clone + Copy + Default {
    /// What a step hands to the next: one array, or a tuple of arrays of the same shape. The first is the output.
    type State<'g>: Tree<'g> + Copy;

    /// The name by which errors are told.
    const NAME: &'static str;

    /// How many times the width the input and the recurrent product have.
    const GATES: usize;

    /// Whether there is a bias of one width that is for the cell alone, [`Recurrence::bias`].
    const HAS_RECURRENT_BIAS: bool = false;

    /// The next state, of the product of the input with its weight, bias included, and the state.
    ///
    /// # Shapes
    /// input: `[batch, GATES·width]`, each array of the state: `[batch, width]`.
    fn next<'g>(&self, input: Expr<'g>, state: Self::State<'g>, recurrence: Recurrence<'g>) -> Self::State<'g>;

    /// The state all of whose arrays are this one: how a layer knows how many there are.
    fn repeated<'g>(array: Expr<'g>) -> Self::State<'g>;

    /// Numbers that are added to the bias at each gate, in order; none for zeros.
    fn shifts(&self) -> Option<Vec<f64>> {
        None
    }
}

/// The parameters that a cell multiplies its state by.
#[derive(Debug, Clone, Copy)]
pub struct Recurrence<'g> {
    /// U, `[width, GATES·width]`.
    pub weight: Expr<'g>,
    /// A bias of the cell alone, `[width]`, where [`RecurrentCell::HAS_RECURRENT_BIAS`] says so and biases are wanted.
    pub bias: Option<Expr<'g>>,
}

/// Layers that go over time with a state, by [`Graph::scan`]: [`Rnn`], [`Gru`] and [`Lstm`] are this for one cell.
///
/// Time is the first axis, as in `scan`. Sequences with the batch first are turned by `x.transpose([1, 0, 2])`; it costs nothing to
/// turn ids before an [`Embedding`](super::Embedding). The product of the inputs with their weight is one product for all steps;
/// the loop multiplies the state alone.
///
/// Layer k, counted from 0, has the parameters `name.k.weight` `[inputs, GATES·width]`, `name.k.recurrent` `[width, GATES·width]` and
/// `name.k.bias` `[GATES·width]`, and those of its backward cell are under `name.k.backward`.
///
/// # Shapes
/// x: `[time, batch, inputs]` → `[time, batch, width]`, or twice the width for both directions; time and batch may be symbols. Each
/// array of a state is `[layers, batch, width]`, or `[2·layers, …]` for both directions, forward before backward in each layer.
///
/// # Errors
/// An error is recorded if a name is taken, if there is no layer, or if x, a state or the lengths have another type.
#[derive(Clone)]
pub struct Recurrent<'g, C> {
    graph: &'g Graph,
    scope: LayerScope,
    /// Layer by layer, forward before backward.
    cells: Vec<CellWeights<'g>>,
    /// Behind each layer but the last, if anything is dropped.
    dropouts: Vec<Dropout<'g>>,
    inputs: usize,
    width: usize,
    directions: Directions,
    checkpoints: Checkpoints,
    dtype: DType,
    cell: C,
}

/// The parameters of one cell.
#[derive(Debug, Clone, Copy)]
struct CellWeights<'g> {
    weight: Expr<'g>,
    recurrence: Recurrence<'g>,
    bias: Option<Expr<'g>>,
}

impl<'g, C: RecurrentCell> Recurrent<'g, C> {
    /// A layer with the default options.
    #[track_caller]
    pub fn new(g: &'g Graph, name: &str, inputs: usize, width: usize) -> Recurrent<'g, C> {
        let _frame = g.enter(C::NAME, Site::caller());
        Recurrent::with(g, name, inputs, width, RecurrentOptions::default())
    }

    /// [`Recurrent::new`] with options.
    #[track_caller]
    pub fn with(
        g: &'g Graph,
        name: &str,
        inputs: usize,
        width: usize,
        options: RecurrentOptions<C>,
    ) -> Recurrent<'g, C> {
        let _frame = g.enter(C::NAME, Site::caller());
        let RecurrentOptions { directions, checkpoints, dtype, cell, .. } = options;
        let cells = either(Recurrent::declare(g, name, [inputs, width], &options).map_err(|poison| {
            let recurrence = Recurrence { weight: poison, bias: None };
            vec![CellWeights { weight: poison, recurrence, bias: None }]
        }));
        let between = 0..options.layers.saturating_sub(1);
        if options.layers == 1 && options.dropout != 0.0 {
            let (what, found) = ("the rate of dropout between layers", options.dropout.to_string());
            g.report(GraphError::OutOfRange { what, expected: "0 where there is one layer", found }, &[]);
        }
        let dropout = |layer: usize| Dropout::unless_zero(g, &format!("{name}.{layer}.dropout"), options.dropout);
        let dropouts = if cells[0].weight.is_poisoned() { Vec::new() } else { between.filter_map(dropout).collect() };
        Recurrent {
            graph: g,
            scope: g.layer_scope(name),
            cells,
            dropouts,
            inputs,
            width,
            directions,
            checkpoints,
            dtype,
            cell,
        }
    }

    fn declare(
        g: &'g Graph,
        name: &str,
        [inputs, width]: [usize; 2],
        options: &RecurrentOptions<C>,
    ) -> Result<Vec<CellWeights<'g>>, Expr<'g>> {
        if options.layers == 0 {
            return Err(g.report(GraphError::NotPositive { what: "the number of layers", found: Dim::from(0) }, &[]));
        }
        let directions = options.directions.all();
        let mut cells: Vec<CellWeights<'g>> = Vec::with_capacity(directions.len());
        for layer in 0..options.layers {
            let inputs = if layer == 0 { inputs } else { width * directions.len() };
            for direction in directions {
                let name = match direction {
                    ScanDirection::Forward => format!("{name}.{layer}"),
                    ScanDirection::Backward => format!("{name}.{layer}.backward"),
                };
                let declaration = Declaration { graph: g, layer: &name, dtype: options.dtype };
                cells.push(CellWeights::declare::<C>(declaration, [inputs, width], options)?);
            }
        }
        if leaves(&C::repeated(cells[0].weight)).is_empty() {
            let (what, expected) = ("the number of arrays of a state", "1 or more");
            return Err(g.report(GraphError::OutOfRange { what, expected, found: "0".into() }, &[]));
        }
        Ok(cells)
    }

    /// The state of zeros that a sequence begins with where none is given.
    ///
    /// # Shapes
    /// Each array: `[layers, batch, width]`, twice as many layers for both directions.
    #[track_caller]
    pub fn zero_state(&self, batch: impl Into<Dim>) -> C::State<'g> {
        let _frame = self.graph.enter_layer(C::NAME, Site::caller(), self.scope);
        let ty = self.state_type(batch.into());
        C::repeated(self.graph.splat(Literal::Number(0.0), ty))
    }

    /// What each step gives, and the last state, with the first state and the lengths of the sequences, if there are such.
    /// [`Recurrent::carried`] carries the state from batch to batch.
    ///
    /// Where a length is less than the time, the state stays what it is after that step, and the outputs behind are 0; the backward
    /// cell begins at the last step of the length. A length beyond the time counts as the time.
    ///
    /// # Shapes
    /// x: `[time, batch, inputs]`, each array of the state: as [`Recurrent::zero_state`] gives it, lengths: `i64[batch]`.
    ///
    /// # Example
    /// A sequence in two parts, the state carried from one to the other:
    /// ```
    /// use pullback::{Graph, nn::Gru};
    /// let g = Graph::new();
    /// let gru = Gru::new(&g, "gru", 8, 16);
    /// let (first, second) = (g.input("first", ("m", "batch", 8)), g.input("second", ("n", "batch", 8)));
    /// let (_, state) = gru.run(first, None, None);
    /// let (y, _) = gru.run(second, Some(state.stop_gradient()), None);
    /// assert_eq!(y.ty().to_string(), "f32[n, batch, 16]");
    /// ```
    #[track_caller]
    pub fn run(&self, x: Expr<'g>, state: Option<C::State<'g>>, lengths: Option<Expr<'g>>) -> (Expr<'g>, C::State<'g>) {
        let _frame = x.enter_layer(C::NAME, self.scope);
        either(self.checked(x, 3, state, lengths).map(|first| self.layers(x, &first, lengths)).map_err(poisoned::<C>))
    }

    /// What each step gives, beginning with the state in which the batch before ended: truncated backpropagation over windows of
    /// long sequences, with no derivative through the state.
    ///
    /// The arrays of the state are states of the graph beside the parameters of the layer: `name.carry.0`, and `name.carry.1` and so
    /// on where a cell has more. A [`Trainer`](crate::train::Trainer) sets them to zeros at the start of each epoch and of each
    /// measuring; within one, the last state of a batch is the first of the next. In a loop of your own
    /// [`TrainingStep::restart`](crate::TrainingStep::restart) sets them to zeros; [`Graph::carry`] has the rest. A layer can be
    /// called so once, since its states have names.
    ///
    /// # Shapes
    /// x: `[time, batch, inputs]`, the batch a number → `[time, batch, width]`.
    ///
    /// # Errors
    /// As for [`Recurrent::run`]; also if the layer goes in both directions, or if the batch is a symbol.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, nn::Lstm};
    /// let g = Graph::new();
    /// let lstm = Lstm::new(&g, "lstm", 8, 16);
    /// let y = lstm.carried(g.input("x", ("time", 4, 8)));
    /// assert_eq!(y.ty().to_string(), "f32[time, 4, 16]");
    /// assert_eq!(g.named("lstm.carry.1").unwrap().ty().to_string(), "f32[1, 4, 16]");
    /// ```
    #[doc(alias("stateful", "tbptt"))]
    #[track_caller]
    pub fn carried(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer(C::NAME, self.scope);
        let checked = self.checked(x, 3, None, None).and_then(|_| {
            self.check_forward("the direction of a layer that carries its state", x)?;
            let (what, batch) = ("the batch of a layer that carries its state", &x.shape()[1]);
            let report = || GraphError::OutOfRange { what, expected: "a number", found: batch.to_string() };
            batch.as_number().map(|_| ()).ok_or_else(|| self.graph.report(report(), &[x]))
        });
        either(checked.map(|()| {
            let Type { dtype, shape } = self.state_type(x.shape()[1].clone());
            // Beside the parameters, whichever scopes are open now.
            let _outside = self.graph.leave_scopes();
            let path = self.graph.path_of(self.scope).expect("invariant: a recurrent layer has a scope");
            let name = |number: usize| format!("{path}.carry.{number}");
            let n_arrays = leaves(&C::repeated(self.cells[0].weight)).len();
            let state = |number| self.graph.state_of(dtype, &name(number), shape.clone(), Initializer::Zeros);
            let first: Vec<Expr<'g>> = (0..n_arrays).map(state).collect();
            let (y, last) = self.layers(x, &first, None);
            first.iter().zip(leaves(&last)).for_each(|(state, last)| {
                self.graph.carry(*state, |_| last);
            });
            y
        }))
    }

    fn check_forward(&self, what: &'static str, x: Expr<'g>) -> Result<(), Expr<'g>> {
        match self.directions {
            Directions::Forward => Ok(()),
            Directions::Both => {
                let expected = "forward alone";
                Err(self.graph.report(GraphError::OutOfRange { what, expected, found: "both".into() }, &[x]))
            }
        }
    }

    /// One step, as decoding takes it: the output and the next state. Only forward layers have one.
    ///
    /// # Shapes
    /// x: `[batch, inputs]`, each array of the state: `[layers, batch, width]` → `[batch, width]` and a state.
    ///
    /// # Errors
    /// As for [`Recurrent::run`]; also if the layer goes in both directions.
    #[track_caller]
    pub fn step(&self, x: Expr<'g>, state: C::State<'g>) -> (Expr<'g>, C::State<'g>) {
        let _frame = x.enter_layer(C::NAME, self.scope);
        let forward = self.check_forward("the direction of a layer that takes steps", x);
        let checked = forward.and_then(|()| self.checked(x, 2, Some(state), None));
        either(checked.map(|first| self.step_of_layers(x, &first)).map_err(poisoned::<C>))
    }

    fn step_of_layers(&self, x: Expr<'g>, first: &[Expr<'g>]) -> (Expr<'g>, C::State<'g>) {
        let mut y = x;
        let mut states = Vec::with_capacity(self.cells.len());
        for (layer, weights) in self.cells.iter().enumerate() {
            let state: Vec<Expr<'g>> = first.iter().map(|array| part(*array, layer)).collect();
            let next = self.next_of(weights, self.product(weights, y), &state);
            y = self.dropped(layer, next[0]);
            states.push(next);
        }
        (y, self.stacked(&states))
    }

    /// All layers over all time.
    fn layers(&self, x: Expr<'g>, first: &[Expr<'g>], lengths: Option<Expr<'g>>) -> (Expr<'g>, C::State<'g>) {
        let mask = lengths.map(|lengths| {
            let step = self.graph.iota(DType::I64, [x.shape()[0].clone(), Dim::from(1)], 0);
            step.less(lengths).unsqueeze(-1)
        });
        let directions = self.directions.all();
        let mut y = x;
        let mut states = Vec::with_capacity(self.cells.len());
        for (layer, cells) in self.cells.chunks(directions.len()).enumerate() {
            let mut outputs = Vec::with_capacity(directions.len());
            for (position, (weights, direction)) in cells.iter().zip(directions).enumerate() {
                let number = layer * directions.len() + position;
                let state = first.iter().map(|array| part(*array, number)).collect();
                let slices = std::iter::once(self.product(weights, y)).chain(mask).collect();
                let (last, output) = self.loop_over_time(weights, slices, state, *direction);
                outputs.push(mask.map_or(output, |mask| mask.select(output, 0.0)));
                states.push(last);
            }
            let output = outputs[0];
            let output = if outputs.len() == 1 { output } else { output.concat(outputs[1..].iter().copied(), -1) };
            y = self.dropped(layer, output);
        }
        (y, self.stacked(&states))
    }

    /// What a layer gives to the next.
    fn dropped(&self, layer: usize, output: Expr<'g>) -> Expr<'g> {
        self.dropouts.get(layer).map_or(output, |dropout| dropout.call(output))
    }

    /// The last state of one cell, and its output at each step; what is sliced is the product of the inputs, and the mask if there are
    /// lengths.
    fn loop_over_time(
        &self,
        weights: &CellWeights<'g>,
        slices: Vec<Expr<'g>>,
        state: Vec<Expr<'g>>,
        direction: ScanDirection,
    ) -> (Vec<Expr<'g>>, Expr<'g>) {
        let g = self.graph;
        let options = ScanOptions { direction, length: None, checkpoints: self.checkpoints };
        let frame = g.frame();
        g.scan_with(&options, state, slices, |state, slices| {
            let _frame = g.reenter(frame);
            let next = self.next_of(weights, slices[0], &state);
            let next: Vec<Expr<'g>> = match slices.get(1) {
                Some(mask) => next.iter().zip(&state).map(|(new, old)| mask.select(*new, *old)).collect(),
                None => next,
            };
            let output = next[0];
            (next, output)
        })
    }

    /// The next state of one cell: as many arrays as before.
    fn next_of(&self, weights: &CellWeights<'g>, input: Expr<'g>, state: &[Expr<'g>]) -> Vec<Expr<'g>> {
        let next = leaves(&self.cell.next(input, self.state_of(state.iter().copied()), weights.recurrence));
        if next.len() == state.len() {
            return next;
        }
        let (what, expected) = ("the step of the cell", state.len());
        vec![self.graph.report(GraphError::ResultCount { what, expected, found: next.len() }, &next); expected]
    }

    /// What the cell is given of the inputs: x·W + b.
    fn product(&self, weights: &CellWeights<'g>, x: Expr<'g>) -> Expr<'g> {
        let product = x.dot(weights.weight);
        let shifts = self.cell.shifts().map(|shifts| {
            let each: Vec<f64> = shifts.iter().flat_map(|shift| std::iter::repeat_n(*shift, self.width)).collect();
            self.graph.constant_of(self.dtype, ndarray::Array1::from(each))
        });
        match (weights.bias, shifts) {
            (Some(bias), Some(shifts)) => product + (bias + shifts),
            (Some(added), None) | (None, Some(added)) => product + added,
            (None, None) => product,
        }
    }

    /// The arrays of the first state, if all is of the right type.
    fn checked(
        &self,
        x: Expr<'g>,
        rank: usize,
        state: Option<C::State<'g>>,
        lengths: Option<Expr<'g>>,
    ) -> Result<Vec<Expr<'g>>, Expr<'g>> {
        let given: Vec<Expr<'g>> = state.iter().flat_map(leaves).collect();
        let operands: Vec<Expr<'g>> = [x].into_iter().chain(given.iter().copied()).chain(lengths).collect();
        let parameters = self.cells.iter().map(|weights| weights.weight);
        if let Some(poison) = self.graph.refuse(&parameters.chain(operands).collect::<Vec<_>>()) {
            return Err(poison);
        }
        x.check_sequence("the input", rank, self.inputs)?;
        let batch = x.shape()[rank - 2].clone();
        let ty = self.state_type(batch.clone());
        for array in &given {
            array.check_type("the state", &ty)?;
        }
        if let Some(lengths) = lengths {
            lengths.check_type("the lengths", &Type::new(DType::I64, [batch.clone()]))?;
        }
        Ok(if state.is_some() { given } else { leaves(&self.zero_state(batch)) })
    }

    /// A state of these arrays.
    fn state_of(&self, arrays: impl Iterator<Item = Expr<'g>>) -> C::State<'g> {
        let mut arrays = arrays;
        C::repeated(self.cells[0].weight).rebuild(&mut arrays)
    }

    /// The states of all layers as one.
    fn stacked(&self, states: &[Vec<Expr<'g>>]) -> C::State<'g> {
        let array = |position: usize| states[0][position].stack(states[1..].iter().map(|state| state[position]), 0);
        self.state_of((0..states[0].len()).map(array))
    }

    fn state_type(&self, batch: Dim) -> Type {
        Type::new(self.dtype, Shape::from([self.cells.len().into(), batch, self.width.into()]))
    }
}

impl<'g> CellWeights<'g> {
    fn declare<C: RecurrentCell>(
        declaration: Declaration<'g, '_>,
        [inputs, width]: [usize; 2],
        options: &RecurrentOptions<C>,
    ) -> Result<CellWeights<'g>, Expr<'g>> {
        let bound = 1.0 / (width.max(1) as f64).sqrt();
        let initializer =
            |chosen: Option<Initializer>| chosen.unwrap_or(Initializer::Uniform { low: -bound, high: bound });
        let columns = Dim::from(C::GATES) * Dim::from(width);
        let weight = declaration.parameter("weight", &[inputs.into(), columns.clone()], initializer(options.weight))?;
        let recurrent =
            declaration.parameter("recurrent", &[width.into(), columns.clone()], initializer(options.recurrent))?;
        let zeros = |name, size: Dim| declaration.parameter(name, &[size], Initializer::Zeros);
        let bias = options.bias.then(|| zeros("bias", columns)).transpose()?;
        let own = options.bias && C::HAS_RECURRENT_BIAS;
        let recurrent_bias = own.then(|| zeros("recurrent_bias", width.into())).transpose()?;
        Ok(CellWeights { weight, recurrence: Recurrence { weight: recurrent, bias: recurrent_bias }, bias })
    }
}

/// One layer of an array of a state.
fn part(array: Expr<'_>, layer: usize) -> Expr<'_> {
    array.slice(layer as i64)
}

/// What stands for the result of a call that is not possible.
fn poisoned<'g, C: RecurrentCell>(poison: Expr<'g>) -> (Expr<'g>, C::State<'g>) {
    (poison, C::repeated(poison))
}

impl<'g, C: RecurrentCell> Layer<'g> for Recurrent<'g, C> {
    /// What each step gives, from a state of zeros.
    #[track_caller]
    fn call(&self, x: Expr<'g>) -> Expr<'g> {
        let _frame = x.enter_layer(C::NAME, self.scope);
        self.run(x, None, None).0
    }
}

impl<C: RecurrentCell> fmt::Debug for Recurrent<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} to {}, {} cells)", C::NAME, self.inputs, self.width, self.cells.len())
    }
}

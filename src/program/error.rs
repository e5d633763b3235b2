//! What can go wrong when a program is made or run. In: the error. Out: an error that names input, shapes and line.

use std::{fmt, sync::Arc};

use thiserror::Error;

use crate::{
    graph::{DType, Diagnostics, Dim, Shape, Site},
    names,
    ops::{NestedError, OpError},
    parameters::ParameterError,
};

/// Why a graph does not compile.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The errors of the graph, all of them.
    #[error(transparent)]
    Graph(#[from] Diagnostics),
    /// Two outputs of one name.
    #[error(
        "two outputs are named {name:?}: what is written at {first} and at {second}\n   = help: give each a name of \
         its own"
    )]
    DuplicateOutput {
        /// The name.
        name: String,
        /// Where the first was written.
        first: Site,
        /// Where the second was.
        second: Site,
    },
    /// An output of another graph.
    #[error(
        "the output {name:?}, written at {site}, belongs to another graph\n   = help: compile it with the graph that \
         it was built in; `gradient` and the like are called on that graph too"
    )]
    ForeignOutput {
        /// The name.
        name: String,
        /// Where it was written.
        site: Site,
    },
    /// A size that no input can tell.
    #[error(
        "the size `{symbol}` is used at {site}, but no input has it\n   = help: declare an input with an axis of this \
         size, or use a number"
    )]
    FreeSymbol {
        /// The symbol.
        symbol: Arc<str>,
        /// A place that needs it.
        site: Site,
    },
    /// A handle that a closure was given, used outside of what the closure builds.
    #[error(
        "an argument of a body, made at {site}, is used outside of the body\n   = help: return it from the closure, and use \
         what the loop or call gives"
    )]
    EscapedArgument {
        /// Where the loop, branch or call was written.
        site: Site,
    },
    /// A pattern of parameters and states to freeze that matches none.
    #[error("no parameter or state matches `{pattern}`, which is to be frozen{}", names::suggestion(nearest.as_deref()))]
    FrozenPattern {
        /// The pattern.
        pattern: String,
        /// The name that is most like it.
        nearest: Option<String>,
    },
    /// Parameters that cannot be initialized.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
}

/// What a named array is to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is fed.
    Input,
    /// It is learned.
    Parameter,
    /// It is kept between steps.
    State,
    /// It is computed.
    Output,
}

impl Role {
    /// How an array of one dtype and a declaration of another come together.
    fn mend(self, declared: DType, given: DType) -> String {
        let converted = match (given, declared) {
            (DType::I64, DType::Bool) => "array.mapv(|x| x != 0)".to_owned(),
            (_, DType::Bool) => "array.mapv(|x| x != 0.0)".to_owned(),
            (DType::Bool, DType::F32 | DType::F64) => format!("array.mapv({declared}::from)"),
            (_, declared) => format!("array.mapv(|x| x as {declared})"),
        };
        match self {
            Role::Input => format!("declare it by `input_of(DType::{given:?}, …)`, or feed `{converted}`"),
            Role::Parameter => format!("declare it by `parameter_of(DType::{given:?}, …)`, or convert the parameters"),
            Role::State => format!("declare it by `state_of(DType::{given:?}, …)`, or convert the state"),
            Role::Output => format!("give an array of {declared}, or compute the output `.cast(DType::{given:?})`"),
        }
    }
}

/// Why a program did not run. Nothing was changed.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RunError {
    /// An input was not fed.
    #[error(
        "input {name:?} ({dtype}{shape}, declared at {site}) is missing\n   = help: feed it, as in \
         `({name:?}, &array)`"
    )]
    MissingInput {
        /// Its name.
        name: String,
        /// Its dtype.
        dtype: DType,
        /// Its shape.
        shape: Shape,
        /// Where it was declared.
        site: Site,
    },
    /// Something was fed that is no input.
    #[error("no input is named {name:?}{}", names::suggestion(nearest.as_deref()))]
    UnknownInput {
        /// The name as fed.
        name: String,
        /// The input most like it.
        nearest: Option<String>,
    },
    /// An input was fed twice.
    #[error("input {name:?} is fed twice\n   = help: feed each input once")]
    DuplicateInput {
        /// Its name.
        name: String,
    },
    /// An array of another dtype than declared.
    #[error("{name:?} is {expected} (declared at {site}), found {found}; {}", role.mend(*expected, *found))]
    WrongDType {
        /// Name of the input, parameter or output.
        name: String,
        /// Which of these it is.
        role: Role,
        /// The dtype declared.
        expected: DType,
        /// The dtype of the array.
        found: DType,
        /// Where it was declared.
        site: Site,
    },
    /// An array of another shape than declared.
    #[error(
        "{name:?} has shape {expected} (declared at {site}), found {found:?}\n   = help: reshape the array, or declare \
         a size that differs from run to run as a symbol, as in `(\"batch\", 3)`"
    )]
    WrongShape {
        /// Name of the input, parameter or output.
        name: String,
        /// The shape declared.
        expected: Shape,
        /// The shape of the array.
        found: Vec<usize>,
        /// Where it was declared.
        site: Site,
    },
    /// One symbol with two values.
    #[error(
        "`{symbol}` is {first_value} by axis {first_axis} of input {first:?}, but axis {axis} of input {name:?} \
         ({dim}) has size {size}\n   = help: feed arrays that agree, or give the sizes two names"
    )]
    SymbolConflict {
        /// The symbol.
        symbol: Arc<str>,
        /// Its value.
        first_value: i64,
        /// The input that gave it.
        first: String,
        /// The axis that gave it.
        first_axis: usize,
        /// The input that disagrees.
        name: String,
        /// The axis that disagrees.
        axis: usize,
        /// The size declared there.
        dim: Dim,
        /// The size found there.
        size: usize,
    },
    /// A size that no value of its symbol gives.
    #[error(
        "axis {axis} of input {name:?} is {dim} (declared at {site}), which is never {size}\n   = help: feed an array \
         of a size that a whole number gives"
    )]
    Unsolvable {
        /// The input.
        name: String,
        /// The axis.
        axis: usize,
        /// The size declared there.
        dim: Dim,
        /// The size found there.
        size: usize,
        /// Where the input was declared.
        site: Site,
    },
    /// A symbol that the inputs fed do not tell.
    #[error("the size `{symbol}` is not known from the inputs that are fed; feed {candidates}")]
    UnboundSymbol {
        /// The symbol.
        symbol: Arc<str>,
        /// The inputs that would tell it.
        candidates: String,
    },
    /// A symbol that the program does not have.
    #[error("no size is named `{symbol}`{}", names::suggestion(nearest.as_deref()))]
    UnknownSymbol {
        /// The symbol as given.
        symbol: String,
        /// The symbol most like it.
        nearest: Option<String>,
    },
    /// A parameter of the graph that the parameters do not have.
    #[error(
        "parameter {name:?} ({dtype}{shape}, declared at {site}) is not among those given{}",
        names::suggestion(nearest.as_deref())
    )]
    MissingParameter {
        /// Its name.
        name: String,
        /// Its dtype.
        dtype: DType,
        /// Its shape.
        shape: Shape,
        /// Where it was declared.
        site: Site,
        /// The parameter given whose name is most like it.
        nearest: Option<String>,
    },
    /// A training step sets a state of parameters that it may only read.
    #[error("the step sets state {name:?}, which it may not in `&parameters`\n   = help: give `&mut parameters`")]
    SharedState {
        /// The state.
        name: String,
    },
    /// A state of the graph that the parameters do not have.
    #[error(
        "state {name:?} ({dtype}{shape}, declared at {site}) is not among those given{}\n   = help: `initialize` of the \
         graph gives it, and `with_state` adds it",
        names::suggestion(nearest.as_deref())
    )]
    MissingState {
        /// Its name.
        name: String,
        /// Its dtype.
        dtype: DType,
        /// Its shape.
        shape: Shape,
        /// Where it was declared.
        site: Site,
        /// The state given whose name is most like it.
        nearest: Option<String>,
    },
    /// An output that the program does not have.
    #[error("no output is named {name:?}{}", names::suggestion(nearest.as_deref()))]
    UnknownOutput {
        /// The name as asked for.
        name: String,
        /// The output most like it.
        nearest: Option<String>,
    },
    /// Gradients in another layout than the graph's parameters.
    #[error(
        "the gradients are not in the layout of the graph's parameters\n   = help: make them from those parameters, as \
         with `zeros_like`"
    )]
    GradientLayout,
    /// Two arrays for one output.
    #[error("two arrays are given for the output {name:?}\n   = help: give one for each output")]
    DuplicateOutput {
        /// Its name.
        name: String,
    },
    /// An output that no array was given for.
    #[error("no array is given for the output {name:?}\n   = help: give one for each output, or use `run`")]
    MissingOutput {
        /// Its name.
        name: String,
    },
    /// A size that is negative or too large for the symbols fed.
    #[error(
        "{name:?} (written at {site}) has the size {dim}, which is negative or too large here\n   = help: feed arrays \
         whose sizes make it a number from 0 to 2^46"
    )]
    BadSize {
        /// The output.
        name: String,
        /// The size.
        dim: Dim,
        /// Where it was written.
        site: Site,
    },
    /// Memory that cannot be had. Smaller batches, or `Options::memory_budget`, need less.
    #[error("{bytes} bytes of memory for {what} cannot be had")]
    OutOfMemory {
        /// What it is for.
        what: String,
        /// How many bytes.
        bytes: usize,
    },
    /// No size of a symbol for which the memory of a run is within a budget; of [`Runner::largest`](super::Runner::largest).
    #[error(
        "a run with `{symbol}` = {size} takes {needed} bytes, and no size from 1 on takes less; {budget} are allowed\n   = help: \
         allow at least {needed} bytes, or give smaller values to the other symbols"
    )]
    OverBudget {
        /// The symbol.
        symbol: String,
        /// The least size that the program runs with.
        size: i64,
        /// The bytes that a run with it takes.
        needed: usize,
        /// The bytes that are allowed.
        budget: usize,
    },
    /// An operation that makes NaN or infinity out of finite numbers; only a checked run looks for it.
    #[error(
        "{} at {site} makes {value} of finite numbers, at {element:?}{}",
        named(call, operation, *node),
        others(*n_elements)
    )]
    NonFinite {
        /// The operation as the user called it.
        call: &'static str,
        /// The primitive, such as `gather`.
        operation: &'static str,
        /// The node's number in the simplified graph.
        node: usize,
        /// Where it was written.
        site: Site,
        /// The first element that is not finite.
        value: f64,
        /// Where that element is, along each axis.
        element: Vec<usize>,
        /// How many elements are not finite.
        n_elements: usize,
    },
    /// An input or parameter that is not finite; only a checked run looks for it.
    #[error("{name:?} (declared at {site}) is {value} at {element:?}{}", others(*n_elements))]
    NonFiniteLeaf {
        /// Name of the input or parameter.
        name: String,
        /// Where it was declared.
        site: Site,
        /// The first element that is not finite.
        value: f64,
        /// Where that element is, along each axis.
        element: Vec<usize>,
        /// How many elements are not finite.
        n_elements: usize,
    },
    /// A run that somebody ended by its [`CancelToken`](crate::CancelToken).
    #[error(
        "the run was cancelled in {} at {site}\n   = help: {}",
        named(call, operation, *node),
        OpError::Cancelled.help()
    )]
    Cancelled {
        /// The loop, or the operation before which it was cancelled, as the user called it.
        call: &'static str,
        /// The primitive, such as `scan`.
        operation: &'static str,
        /// The node's number in the graph.
        node: usize,
        /// Where it was written.
        site: Site,
    },
    /// An operation that has no value for these numbers.
    #[error("{} at {site}: {error}\n   = help: {}", named(call, operation, *node), error.help())]
    Node {
        /// The operation as the user called it, such as `cross_entropy`.
        call: &'static str,
        /// The primitive, such as `gather`.
        operation: &'static str,
        /// The node's number in the graph.
        node: usize,
        /// Where it was written.
        site: Site,
        /// What is wrong.
        error: OpError,
    },
}

impl RunError {
    /// What an error of an operation is to the run.
    pub(crate) fn of_operation(error: NestedError) -> RunError {
        let NestedError { call, operation, node, site, error } = error;
        match error {
            OpError::Cancelled => RunError::Cancelled { call, operation, node, site },
            OpError::Nested(nested) => RunError::of_operation(*nested),
            error => RunError::Node { call, operation, node, site, error },
        }
    }
}

/// An operation by the name that it was called by, and the node in it.
fn named(call: &str, operation: &str, node: usize) -> String {
    if call == operation {
        format!("`{operation}` (node %{node})")
    } else {
        format!("`{call}` (in it `{operation}`, node %{node})")
    }
}

/// How many elements there are like the first.
fn others(n_elements: usize) -> String {
    match n_elements {
        0 | 1 => String::new(),
        _ => format!(" and {} more", n_elements - 1),
    }
}

/// The text for people, because that is what a `main` that returns an error prints.
impl fmt::Debug for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompileError::Graph(diagnostics) => fmt::Debug::fmt(diagnostics, f),
            other => fmt::Display::fmt(other, f),
        }
    }
}

/// The text for people, because that is what a `main` that returns an error prints.
impl fmt::Debug for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! A graph with the arrays of an input. In: arrays as they are declared, then results. Out: a program whose arrays are bound, which can be
//! run and timed, and its results as JSON.
//!
//! Whatever an evaluation is given is fed, so that nothing of it can be computed before the timed part. Only its sizes are known when the
//! graph is compiled and planned.

use pullback::{Attached, Dim, Element, Expr, Graph, Options, RunError, Shape, Value, graph::IntoResults};
use serde_json::Value as Json;

use crate::{error::EvalError, timed::Timed};

/// The inputs of a graph, each with its array.
pub(crate) struct Inputs<'g> {
    graph: &'g Graph,
    arrays: Vec<(&'static str, Value)>,
}

impl<'g> Inputs<'g> {
    pub(crate) fn new(graph: &'g Graph) -> Inputs<'g> {
        Inputs { graph, arrays: Vec::new() }
    }

    pub(crate) fn scalar(&mut self, name: &'static str, number: f64) -> Expr<'g> {
        self.array(name, &[], &[number])
    }

    pub(crate) fn vector(&mut self, name: &'static str, elements: &[f64]) -> Expr<'g> {
        self.array(name, &[elements.len()], elements)
    }

    /// Rows of `width` elements each.
    pub(crate) fn matrix(
        &mut self,
        name: &'static str,
        rows: &[Vec<f64>],
        width: usize,
    ) -> Result<Expr<'g>, EvalError> {
        if let Some(row) = rows.iter().find(|row| row.len() != width) {
            return Err(EvalError::Length { name, expected: width, found: row.len() });
        }
        Ok(self.array(name, &[rows.len(), width], &rows.concat()))
    }

    /// Positions in another array.
    pub(crate) fn positions(&mut self, name: &'static str, positions: &[i64]) -> Expr<'g> {
        self.array(name, &[positions.len()], positions)
    }

    /// An array by its elements in row-major order.
    pub(crate) fn array<T: Element>(&mut self, name: &'static str, sizes: &[usize], elements: &[T]) -> Expr<'g> {
        self.arrays.push((name, value(sizes, elements)));
        self.graph.input_of(T::DTYPE, name, sizes.iter().map(|size| Dim::from(*size)).collect::<Shape>())
    }

    /// The program of these results, with its arrays.
    pub(crate) fn compile(self, results: impl IntoResults<'g>, options: &Options) -> Result<Program, EvalError> {
        let attached = self.graph.compile_with(results, options)?.attach((), &self.arrays)?;
        Ok(Program { attached })
    }
}

/// An array that says how a graph is built, and no data: positions or signs, known when the graph is.
pub(crate) fn table<'g, T: Element>(g: &'g Graph, sizes: &[usize], elements: &[T]) -> Expr<'g> {
    g.constant(value(sizes, elements))
}

fn value<T: Element>(sizes: &[usize], elements: &[T]) -> Value {
    let mut array = Value::zeros(T::DTYPE, sizes);
    let room = T::elements_mut(array.view_mut()).expect("invariant: an array has the dtype it was made with");
    room.copy_from_slice(elements);
    array
}

/// A program whose arrays are bound.
pub(crate) struct Program {
    attached: Attached,
}

impl Program {
    pub(crate) fn run(&mut self) -> Result<(), RunError> {
        self.attached.run()
    }

    /// The elements of a result in row-major order.
    pub(crate) fn elements(&self, name: &str) -> &[f64] {
        self.attached.read(self.attached.output(name).expect("invariant: what is read is a result"))
    }

    /// A result: a number, or lists in lists.
    pub(crate) fn json(&self, name: &str) -> Json {
        let output = self.attached.output(name).expect("invariant: what is read is a result");
        nested(self.attached.output_view(output).shape(), self.elements(name))
    }

    /// The function that runs this program and nothing else.
    pub(crate) fn timed(self, render: fn(&Program) -> Json) -> Box<dyn Timed> {
        Box::new(Rendered { program: self, render })
    }
}

/// A program with what makes an output of its results.
struct Rendered {
    program: Program,
    render: fn(&Program) -> Json,
}

impl Timed for Rendered {
    fn run(&mut self) -> Result<(), RunError> {
        self.program.run()
    }

    fn output(&self) -> Json {
        (self.render)(&self.program)
    }
}

fn nested(sizes: &[usize], elements: &[f64]) -> Json {
    match sizes {
        [] => Json::from(elements[0]),
        [_] => Json::from(elements),
        [size, rest @ ..] => {
            let length: usize = rest.iter().product();
            (0..*size).map(|position| nested(rest, &elements[position * length..][..length])).collect()
        }
    }
}

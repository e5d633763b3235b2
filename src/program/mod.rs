//! A compiled program: named arrays in, named arrays out.
//!
//! In: a signature and an engine. Out: [`Program`] and [`TrainingStep`], which check what is fed and hand it over. They
//! own everything and borrow nothing from the graph. How the numbers are computed is the engine's business alone.

mod bind;
mod error;
mod outputs;
mod training;

use std::{fmt, sync::Arc};

pub use error::{CompileError, RunError};
pub use outputs::Outputs;
pub use training::{TrainingOutput, TrainingStep};

use crate::{
    graph::{Bindings, Site, Type, Value, ValueView, ValueViewMut},
    names,
    parameters::Parameters,
};

/// What computes the numbers of a program.
pub(crate) trait Engine: Send + fmt::Debug {
    /// Computes every result from the leaves (inputs, then parameters) and writes it.
    fn run(
        &mut self,
        leaves: &[ValueView<'_>],
        bindings: &Bindings,
        results: &mut [ValueViewMut<'_>],
    ) -> Result<(), RunError>;
}

/// What a program is fed and what it gives.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    /// All inputs of the graph; one that is not needed may be fed, if only to tell a size.
    pub(crate) inputs: Vec<Declaration>,
    /// The parameters that are needed.
    pub(crate) parameters: Vec<Declaration>,
    /// The outputs.
    pub(crate) outputs: Vec<Declaration>,
    /// The symbols that must be known.
    pub(crate) symbols: Vec<Arc<str>>,
}

/// A named array with its type and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) site: Site,
    pub(crate) is_needed: bool,
}

/// A graph made ready to run: feed arrays by name, get arrays by name.
///
/// It owns what it needs, so the graph may be dropped and the program sent to another thread.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{Graph, Parameters};
/// let g = Graph::new();
/// let x = g.input("x", ("batch", 2));
/// let mut program = g.compile([("norm", (x * x).sum_over(-1).sqrt())])?;
/// let x = array![[3.0f32, 4.0], [6.0, 8.0]];
/// let out = program.run(&Parameters::default(), [("x", (&x).into())])?;
/// assert_eq!(out["norm"], array![5.0f32, 10.0].into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Program {
    signature: Signature,
    engine: Box<dyn Engine>,
}

impl Program {
    pub(crate) fn new(signature: Signature, engine: Box<dyn Engine>) -> Program {
        Program { signature, engine }
    }

    /// Names and types of the inputs that must be fed, in the order of declaration.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Type)> {
        self.signature.inputs.iter().filter(|input| input.is_needed).map(|input| (input.name.as_str(), &input.ty))
    }

    /// Names and types of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, &Type)> {
        self.signature.outputs.iter().map(|output| (output.name.as_str(), &output.ty))
    }

    /// Computes the outputs.
    ///
    /// Inputs are views of any strides. A size that is a symbol takes its value from the arrays fed.
    ///
    /// # Errors
    /// [`RunError`] if an input is missing, unknown, or of another type than declared, if two inputs disagree on a
    /// symbol, or if an operation has no value (an index out of range). The program can be run again.
    pub fn run<'a, 'n, 'i: 'a>(
        &mut self,
        parameters: &'a Parameters,
        inputs: impl IntoIterator<Item = (&'n str, ValueView<'i>)>,
    ) -> Result<Outputs, RunError> {
        let bound = self.signature.bind(parameters, inputs)?;
        let mut values = Vec::with_capacity(self.signature.outputs.len());
        for output in &self.signature.outputs {
            values.push(Value::zeros(output.ty.dtype, &output.sizes(&bound.bindings)?));
        }
        let mut views: Vec<ValueViewMut<'_>> = values.iter_mut().map(Value::view_mut).collect();
        self.engine.run(&bound.leaves, &bound.bindings, &mut views)?;
        let names = self.signature.outputs.iter().map(|output| output.name.clone());
        Ok(Outputs::new(names.zip(values)))
    }

    /// Computes outputs into arrays of the caller's.
    ///
    /// # Errors
    /// As for [`Program::run`]; also if an array named is no output, if one is missing, or if it has another type than
    /// the output.
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Parameters};
    /// let g = Graph::new();
    /// let x = g.input_of::<f64>("x", ());
    /// let mut program = g.compile([("y", x.exp())])?;
    /// let mut y = 0.0;
    /// program.run_into(&Parameters::default(), [("x", (&1.0f64).into())], [("y", (&mut y).into())])?;
    /// assert_eq!(y, 1f64.exp());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_into<'a, 'n, 'i: 'a, 'r>(
        &mut self,
        parameters: &'a Parameters,
        inputs: impl IntoIterator<Item = (&'n str, ValueView<'i>)>,
        outputs: impl IntoIterator<Item = (&'n str, ValueViewMut<'r>)>,
    ) -> Result<(), RunError> {
        let bound = self.signature.bind(parameters, inputs)?;
        let declared = &self.signature.outputs;
        let mut views: Vec<Option<ValueViewMut<'r>>> = declared.iter().map(|_| None).collect();
        for (name, view) in outputs {
            let position = declared.iter().position(|output| output.name == name);
            views[position.ok_or_else(|| self.signature.unknown_output(name))?] = Some(view);
        }
        let mut results = Vec::with_capacity(declared.len());
        for (output, view) in declared.iter().zip(views) {
            let view = view.ok_or_else(|| RunError::MissingOutput { name: output.name.clone() })?;
            output.expect_result(&view, &bound.bindings)?;
            results.push(view);
        }
        self.engine.run(&bound.leaves, &bound.bindings, &mut results)
    }
}

impl Signature {
    fn unknown_output(&self, name: &str) -> RunError {
        let nearest = names::nearest(name, self.outputs.iter().map(|output| output.name.as_str()));
        RunError::UnknownOutput { name: name.to_owned(), nearest }
    }
}

impl Declaration {
    /// The shape in numbers.
    fn sizes(&self, bindings: &Bindings) -> Result<Vec<usize>, RunError> {
        self.ty.shape.evaluate(bindings).map_err(|dim| RunError::BadSize {
            name: self.name.clone(),
            dim,
            site: self.site,
        })
    }

    /// That an array to be written has the type of the output.
    fn expect_result(&self, view: &ValueViewMut<'_>, bindings: &Bindings) -> Result<(), RunError> {
        let (name, site) = (self.name.clone(), self.site);
        if view.dtype() != self.ty.dtype {
            return Err(RunError::WrongDType { name, expected: self.ty.dtype, found: view.dtype(), site });
        }
        let sizes = self.sizes(bindings)?;
        if view.shape() != sizes {
            return Err(RunError::WrongShape { name, expected: sizes.into(), found: view.shape().to_vec(), site });
        }
        Ok(())
    }
}

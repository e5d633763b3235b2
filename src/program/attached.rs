//! A program with arrays of its own. In: numbers written into its inputs. Out: numbers read from its outputs. A call looks
//! nothing up and passes nothing, so that it costs little more than its operations.

use std::sync::Arc;

use super::{AttachedEngine, RunError, Signature};
use crate::graph::{Element, ValueView, ValueViewMut};

/// A program that keeps its inputs and outputs; made by [`Program::attach`](super::Program::attach).
#[derive(Debug)]
pub struct Attached {
    signature: Arc<Signature>,
    engine: Box<dyn AttachedEngine>,
}

/// An input of an [`Attached`] program: an array to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputHandle(usize);

/// An output of an [`Attached`] program: an array to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputHandle(usize);

impl Attached {
    pub(super) fn new(signature: Arc<Signature>, engine: Box<dyn AttachedEngine>) -> Attached {
        Attached { signature, engine }
    }

    /// The input or parameter of that name, if the outputs need it.
    pub fn input(&self, name: &str) -> Option<InputHandle> {
        self.signature.fed().position(|input| input.name == name).map(InputHandle)
    }

    /// The output of that name.
    pub fn output(&self, name: &str) -> Option<OutputHandle> {
        self.signature.outputs.iter().position(|output| output.name == name).map(OutputHandle)
    }

    /// The elements of an input in row-major order, to write.
    ///
    /// # Panics
    /// If they are not `T`, or if the input is another program's.
    pub fn write<T: Element>(&mut self, input: InputHandle) -> &mut [T] {
        let view = self.engine.leaf_mut(input.0);
        let dtype = view.dtype();
        T::elements_mut(view).unwrap_or_else(|| panic!("the input is {dtype}, not {}", T::DTYPE))
    }

    /// The elements of an output in row-major order, as the last run computed them.
    ///
    /// # Panics
    /// If they are not `T`, or if the output is another program's.
    pub fn read<T: Element>(&self, output: OutputHandle) -> &[T] {
        let view = self.engine.result(output.0);
        let dtype = view.dtype();
        T::elements(view).unwrap_or_else(|| panic!("the output is {dtype}, not {}", T::DTYPE))
    }

    /// Computes the outputs from the inputs. Nothing is allocated.
    ///
    /// # Errors
    /// [`RunError`] if an operation has no value (an index out of range).
    pub fn run(&mut self) -> Result<(), RunError> {
        self.engine.run()
    }

    /// An input with its shape, to write.
    pub fn input_view(&mut self, input: InputHandle) -> ValueViewMut<'_> {
        self.engine.leaf_mut(input.0)
    }

    /// An output with its shape.
    pub fn output_view(&self, output: OutputHandle) -> ValueView<'_> {
        self.engine.result(output.0)
    }
}

//! One call of a program: what programs and training steps share. In: a signature, an engine, and the arrays of a call. Out: results
//! written. It keeps the memory of a call for the next one. `summary.rs` has what both tell of their plan.

use std::{slice::SliceIndex, sync::Arc};

use super::{
    Attached, Declaration, Destinations, Engine, FiniteChecker, Inputs, Profile, Role, RunError, Signature,
    bind::Binder, recycle::recycled,
};
use crate::{
    cancel::CancelToken,
    graph::{Bindings, Value, ValueView, ValueViewMut},
    memory, names,
    parameters::Parameters,
    simplify::SimplifyReport,
};

/// What a [`Program`](super::Program) and a [`TrainingStep`](super::TrainingStep) have in common: a compiled graph, with methods that
/// tell its plan and what it costs. Call them on either; both only lend it to read, since each counts on the outputs of its own.
#[derive(Debug)]
pub struct Runner {
    pub(crate) signature: Arc<Signature>,
    pub(crate) engine: Box<dyn Engine>,
    /// What was rewritten before it was planned.
    simplification: Option<Arc<SimplifyReport>>,
    /// Made at the first need.
    checker: Option<Box<dyn FiniteChecker>>,
    binder: Binder,
    leaves: Vec<ValueView<'static>>,
    results: Vec<ValueViewMut<'static>>,
    ordered: Vec<Option<ValueViewMut<'static>>>,
}

impl Clone for Runner {
    /// A runner of the same engine that has met no call.
    fn clone(&self) -> Runner {
        Runner::new(self.signature.clone(), self.engine.fork(), self.simplification.clone())
    }
}

impl Runner {
    pub(crate) fn new(
        signature: Arc<Signature>,
        engine: Box<dyn Engine>,
        simplification: Option<Arc<SimplifyReport>>,
    ) -> Runner {
        let (binder, leaves, results, ordered) = (Binder::default(), Vec::new(), Vec::new(), Vec::new());
        Runner { signature, engine, simplification, checker: None, binder, leaves, results, ordered }
    }

    /// What ends runs from another thread: those of this program or step, and of a program that is attached. A clone of the
    /// program has a token of its own.
    ///
    /// # Example
    /// See [`CancelToken`].
    pub fn cancel_token(&self) -> CancelToken {
        self.engine.cancel_token().clone()
    }

    /// What was rewritten when this was compiled: nodes and operations on floats before and after, and the rules that fired, with how
    /// often and for which line. None for a reference program, in which nothing is rewritten.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.input_of(DType::F64, "x", ());
    /// let program = g.compile((x * 1.0).exp())?;
    /// let report = program.simplification().expect("it is compiled");
    /// assert!(report.nodes_after < report.nodes_before && report.firings().count() > 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn simplification(&self) -> Option<&SimplifyReport> {
        self.simplification.as_deref()
    }

    /// Memory for the leaves of a call; [`Runner::give_back`] keeps it for the next.
    pub(super) fn take_leaves<'a>(&mut self) -> Vec<ValueView<'a>> {
        recycled(std::mem::take(&mut self.leaves))
    }

    /// Memory for the results of a call.
    pub(super) fn take_results<'r>(&mut self) -> Vec<ValueViewMut<'r>> {
        recycled(std::mem::take(&mut self.results))
    }

    pub(super) fn give_back(&mut self, leaves: Vec<ValueView<'_>>, results: Vec<ValueViewMut<'_>>) {
        self.leaves = recycled(leaves);
        self.results = recycled(results);
    }

    /// Matches what is fed with what was declared, and solves for the sizes.
    pub(super) fn bind<'a>(
        &mut self,
        parameters: &'a Parameters,
        inputs: &'a dyn Inputs,
        leaves: &mut Vec<ValueView<'a>>,
    ) -> Result<(), RunError> {
        self.binder.bind(&self.signature, parameters, inputs, leaves)
    }

    /// Puts named arrays of the caller's in the order of the outputs, if they are of the right types.
    pub(super) fn order<'r>(
        &mut self,
        outputs: &'r mut dyn Destinations,
        results: &mut Vec<ValueViewMut<'r>>,
    ) -> Result<(), RunError> {
        let declared = &self.signature.outputs;
        let mut views: Vec<Option<ValueViewMut<'r>>> = recycled(std::mem::take(&mut self.ordered));
        views.resize_with(declared.len(), || None);
        outputs.each(&mut |name, view| {
            let position = declared.iter().position(|output| output.name == name);
            let position = position.ok_or_else(|| self.signature.unknown_output(name))?;
            if views[position].is_some() {
                return Err(RunError::DuplicateOutput { name: name.to_owned() });
            }
            views[position] = Some(view);
            Ok(())
        })?;
        for (output, view) in declared.iter().zip(views.drain(..)) {
            let view = view.ok_or_else(|| RunError::MissingOutput { name: output.name.clone() })?;
            output.check_result(&view, &self.binder.bindings)?;
            results.push(view);
        }
        self.ordered = recycled(views);
        Ok(())
    }

    /// Zeros for the outputs at these positions.
    pub(super) fn zeros(
        &self,
        positions: impl SliceIndex<[Declaration], Output = [Declaration]>,
    ) -> Result<Vec<Value>, RunError> {
        self.signature.outputs[positions].iter().map(|output| output.zeros(&self.binder.bindings)).collect()
    }

    /// Names of the outputs from `first` on.
    pub(super) fn names(&self, first: usize) -> impl Iterator<Item = String> {
        self.signature.outputs[first..].iter().map(|output| output.name.clone())
    }

    /// Computes every result and writes it.
    pub(super) fn run(&mut self, leaves: &[ValueView<'_>], results: &mut [ValueViewMut<'_>]) -> Result<(), RunError> {
        self.engine.run(leaves, &self.binder.bindings, results)
    }

    /// Hands arrays of its own to the engine.
    pub(super) fn attach(mut self, parameters: &Parameters, inputs: &dyn Inputs) -> Result<Attached, RunError> {
        let mut leaves = Vec::new();
        self.bind(parameters, inputs, &mut leaves)?;
        let values = leaves.iter().map(ValueView::to_value).collect();
        let results = self.zeros(..)?;
        let engine = self.engine.attach(values, &self.binder.bindings, results)?;
        Ok(Attached::new(self.signature, engine))
    }

    /// What a call is given, as values of its own: the names of the leaves, the leaves, and the sizes that they tell.
    pub(crate) fn point(
        &self,
        parameters: &Parameters,
        inputs: &dyn Inputs,
    ) -> Result<(Vec<String>, Vec<Value>, Bindings), RunError> {
        let (mut binder, mut leaves) = (Binder::default(), Vec::new());
        binder.bind(&self.signature, parameters, inputs, &mut leaves)?;
        let names = self.signature.fed().map(|leaf| leaf.name.clone()).collect();
        Ok((names, leaves.iter().map(ValueView::to_value).collect(), binder.bindings))
    }

    /// All results for leaves such as [`Runner::point`] gives.
    pub(crate) fn evaluate_at(&mut self, leaves: &[Value], bindings: &Bindings) -> Result<Vec<Value>, RunError> {
        let leaves: Vec<ValueView<'_>> = leaves.iter().map(Value::view).collect();
        let outputs = self.signature.outputs.iter();
        let mut values: Vec<Value> = outputs.map(|output| output.zeros(bindings)).collect::<Result<_, _>>()?;
        let mut results: Vec<ValueViewMut<'_>> = values.iter_mut().map(Value::view_mut).collect();
        self.engine.run(&leaves, bindings, &mut results)?;
        drop(results);
        Ok(values)
    }

    /// That no operation makes NaN or infinity out of finite numbers.
    pub(super) fn check(&mut self, leaves: &[ValueView<'_>]) -> Result<(), RunError> {
        let checker = self.checker.get_or_insert_with(|| self.engine.reference());
        checker.check(leaves, &self.binder.bindings)
    }

    /// Runs `n_runs` times on arrays of its own and gives the shortest time of each step.
    pub(super) fn profile(
        &mut self,
        parameters: &Parameters,
        inputs: &dyn Inputs,
        n_runs: usize,
    ) -> Result<Profile, RunError> {
        let mut leaves = Vec::new();
        self.bind(parameters, inputs, &mut leaves)?;
        let mut values = self.zeros(..)?;
        let mut results: Vec<ValueViewMut<'_>> = values.iter_mut().map(Value::view_mut).collect();
        self.engine.profile(&leaves, &self.binder.bindings, &mut results, n_runs)
    }

    /// A number for each symbol.
    pub(crate) fn bindings<'n>(&self, sizes: impl IntoIterator<Item = (&'n str, i64)>) -> Result<Bindings, RunError> {
        let mut bindings = self.binder.bindings.clone();
        for (symbol, size) in sizes {
            if !self.signature.symbols.iter().any(|known| **known == *symbol) {
                let nearest = names::nearest(symbol, self.signature.symbols.iter().map(|known| &**known));
                return Err(RunError::UnknownSymbol { symbol: symbol.to_owned(), nearest });
            }
            bindings.insert(symbol.into(), size);
        }
        match self.signature.symbols.iter().find(|symbol| !bindings.contains_key(*symbol)) {
            Some(symbol) => Err(self.signature.unbound(symbol)),
            None => self.signature.check_fit(&bindings).map(|()| bindings),
        }
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

    /// Bytes of an array of this type; as many as there are numbers for if there are more.
    pub(super) fn bytes(&self, bindings: &Bindings) -> Result<usize, RunError> {
        let sizes = self.sizes(bindings)?;
        Ok(sizes.iter().fold(self.ty.dtype.size(), |bytes, size| bytes.saturating_mul(*size)))
    }

    /// Zeros of this type.
    fn zeros(&self, bindings: &Bindings) -> Result<Value, RunError> {
        let sizes = self.sizes(bindings)?;
        let bytes = self.bytes(bindings)?;
        if !memory::is_available(bytes) {
            let what = format!("the output {:?} (written at {})", self.name, self.site);
            return Err(RunError::OutOfMemory { what, bytes });
        }
        Ok(Value::zeros(self.ty.dtype, &sizes))
    }

    /// That an array to be written has the type of the output.
    fn check_result(&self, view: &ValueViewMut<'_>, bindings: &Bindings) -> Result<(), RunError> {
        if view.dtype() != self.ty.dtype {
            let (name, role, site) = (self.name.clone(), Role::Output, self.site);
            return Err(RunError::WrongDType { name, role, expected: self.ty.dtype, found: view.dtype(), site });
        }
        let fits = view.shape().len() == self.ty.rank()
            && self
                .ty
                .shape
                .iter()
                .zip(view.shape())
                .all(|(dim, size)| dim.evaluate(bindings).is_ok_and(|number| usize::try_from(number) == Ok(*size)));
        if !fits {
            let sizes = self.sizes(bindings)?;
            let (name, site) = (self.name.clone(), self.site);
            return Err(RunError::WrongShape { name, expected: sizes.into(), found: view.shape().to_vec(), site });
        }
        Ok(())
    }
}

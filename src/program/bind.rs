//! From the arrays of a call to what an engine reads. In: parameters and named inputs. Out: one view for each leaf and
//! the values of all symbols, or the error that names the input.

use std::{collections::BTreeMap, sync::Arc};

use indexmap::IndexSet;

use super::{Declaration, Inputs, Role, RunError, Signature, recycle::recycled};
use crate::{
    graph::{Bindings, Dim, ValueView},
    names,
    parameters::{Layout, Parameters, State},
};

/// What a call leaves for the next, so that one like it is bound without allocating, hashing or solving anything.
#[derive(Debug, Default)]
pub(super) struct Binder {
    fed: Vec<Option<ValueView<'static>>>,
    /// The shapes of the inputs of the last call, one after another; a rank and then sizes, or [`NOT_FED`].
    shapes: Vec<usize>,
    /// What they told.
    pub(super) bindings: Bindings,
    /// The layout of the parameters of the last call, and where each parameter of the program is in it.
    layout: Option<Arc<Layout>>,
    positions: Vec<usize>,
    /// The same of the states of the last call.
    state_names: Option<Arc<IndexSet<String>>>,
    state_positions: Vec<usize>,
}

/// Stands in place of the rank of an input that is not fed.
const NOT_FED: usize = usize::MAX;

impl Binder {
    /// Matches what is fed with what was declared, and appends a view of each leaf to `leaves`, inputs before parameters.
    pub(super) fn bind<'a>(
        &mut self,
        signature: &Signature,
        parameters: &'a Parameters,
        inputs: &'a dyn Inputs,
        leaves: &mut Vec<ValueView<'a>>,
    ) -> Result<(), RunError> {
        let mut fed: Vec<Option<ValueView<'a>>> = recycled(std::mem::take(&mut self.fed));
        fed.resize(signature.inputs.len(), None);
        inputs.each(&mut |name, view| {
            let found = signature.inputs.iter().position(|input| input.name == name);
            let position = found.ok_or_else(|| signature.unknown(name))?;
            signature.inputs[position].check(Role::Input, &view)?;
            if fed[position].is_some() {
                return Err(RunError::DuplicateInput { name: name.to_owned() });
            }
            fed[position] = Some(view);
            Ok(())
        })?;
        if !self.has_seen(&fed) {
            self.shapes.clear();
            self.bindings = signature.sizes(&fed)?;
            self.remember(&fed);
        }
        for (input, view) in signature.inputs.iter().zip(fed.drain(..)).filter(|(input, _)| input.is_needed) {
            leaves.push(view.ok_or_else(|| input.missing())?);
        }
        self.fed = recycled(fed);
        self.locate(signature, parameters)?;
        leaves.extend(self.positions.iter().map(|position| parameters.view_at(*position)));
        self.locate_states(signature, parameters.state())?;
        leaves.extend(self.state_positions.iter().map(|position| parameters.state().view_at(*position)));
        Ok(())
    }

    /// Finds the parameters, unless they are laid out as the last ones were.
    fn locate(&mut self, signature: &Signature, parameters: &Parameters) -> Result<(), RunError> {
        if self.layout.as_ref().is_some_and(|layout| Arc::ptr_eq(layout, parameters.layout())) {
            return Ok(());
        }
        self.layout = None;
        self.positions.clear();
        for parameter in &signature.parameters {
            let position = parameters.layout().position(&parameter.name);
            let position = position.ok_or_else(|| parameter.missing_among(parameters))?;
            parameter.check(Role::Parameter, &parameters.view_at(position))?;
            self.positions.push(position);
        }
        self.layout = Some(parameters.layout().clone());
        Ok(())
    }

    /// Finds the states, unless they have the places of the last ones. Their types are looked at each time: arrays of a state are
    /// its user's to replace.
    fn locate_states(&mut self, signature: &Signature, state: &State) -> Result<(), RunError> {
        if !self.state_names.as_ref().is_some_and(|names| Arc::ptr_eq(names, state.shared_names())) {
            self.state_names = None;
            self.state_positions.clear();
            for declared in &signature.states {
                let position = state.position(&declared.name);
                self.state_positions.push(position.ok_or_else(|| declared.missing_among_states(state))?);
            }
            self.state_names = Some(state.shared_names().clone());
        }
        let mut found = signature.states.iter().zip(&self.state_positions);
        found.try_for_each(|(declared, position)| declared.check(Role::State, &state.view_at(*position)))
    }

    /// Whether the last call was fed arrays of these shapes.
    fn has_seen(&self, fed: &[Option<ValueView<'_>>]) -> bool {
        let mut rest = self.shapes.as_slice();
        for view in fed {
            let shape = view.as_ref().map(ValueView::shape);
            let rank = shape.map_or(NOT_FED, <[usize]>::len);
            let Some(left) = rest.strip_prefix(&[rank]).and_then(|rest| rest.strip_prefix(shape.unwrap_or(&[]))) else {
                return false;
            };
            rest = left;
        }
        rest.is_empty()
    }

    fn remember(&mut self, fed: &[Option<ValueView<'_>>]) {
        for view in fed {
            let shape = view.as_ref().map(ValueView::shape);
            self.shapes.push(shape.map_or(NOT_FED, <[usize]>::len));
            self.shapes.extend_from_slice(shape.unwrap_or(&[]));
        }
    }
}

impl Signature {
    fn unknown(&self, name: &str) -> RunError {
        let nearest = names::nearest(name, self.inputs.iter().map(|input| input.name.as_str()));
        RunError::UnknownInput { name: name.to_owned(), nearest }
    }

    /// Solves the declared sizes for their symbols and checks that all agree and that every node has room.
    fn sizes(&self, fed: &[Option<ValueView<'_>>]) -> Result<Bindings, RunError> {
        let mut solver = Solver::default();
        let mut pending: Vec<Size<'_>> = Vec::new();
        for (input, view) in self.inputs.iter().zip(fed) {
            let Some(view) = view else { continue };
            let axes = input.ty.shape.iter().zip(view.shape()).enumerate();
            let sizes = axes.map(|(axis, (dim, size))| Size { input, axis, dim, size: *size });
            pending.extend(sizes.filter(|size| size.dim.as_number().is_none()));
        }
        while !pending.is_empty() {
            let before = pending.len();
            let mut unsolved = Vec::new();
            for size in pending {
                if !solver.settle(&size)? {
                    unsolved.push(size);
                }
            }
            if unsolved.len() == before {
                return Err(self.stuck(&unsolved, &solver.bindings));
            }
            pending = unsolved;
        }
        if let Some(symbol) = self.symbols.iter().find(|symbol| !solver.bindings.contains_key(*symbol)) {
            return Err(self.unbound(symbol));
        }
        self.check_fit(&solver.bindings)?;
        Ok(solver.bindings)
    }

    /// That every slice, window and kernel that is asked for lies within its array, also where rewriting leaves it out.
    pub(super) fn check_fit(&self, bindings: &Bindings) -> Result<(), RunError> {
        self.conditions.iter().try_for_each(|condition| condition.check(bindings))
    }

    /// Why the equations that are left tell nothing: one that no value solves, else a symbol that nothing tells.
    fn stuck(&self, unsolved: &[Size<'_>], bindings: &Bindings) -> RunError {
        let free = |size: &Size<'_>| -> Vec<Arc<str>> {
            size.dim.symbols().into_iter().filter(|symbol| !bindings.contains_key(symbol)).collect()
        };
        match unsolved.iter().find(|size| free(size).len() == 1) {
            Some(size) => size.unsolvable(),
            None => self.unbound(&free(&unsolved[0])[0]),
        }
    }

    pub(super) fn unbound(&self, symbol: &Arc<str>) -> RunError {
        let has_it = |input: &&Declaration| input.ty.shape.iter().any(|dim| dim.symbols().contains(symbol));
        let candidates: Vec<String> =
            self.inputs.iter().filter(has_it).map(|input| format!("{:?}", input.name)).collect();
        RunError::UnboundSymbol { symbol: symbol.clone(), candidates: candidates.join(" or ") }
    }
}

/// One equation: a declared dim and the size that was fed.
struct Size<'s> {
    input: &'s Declaration,
    axis: usize,
    dim: &'s Dim,
    size: usize,
}

impl Size<'_> {
    fn unsolvable(&self) -> RunError {
        let (name, site) = (self.input.name.clone(), self.input.site);
        RunError::Unsolvable { name, axis: self.axis, dim: self.dim.clone(), size: self.size, site }
    }
}

#[derive(Default)]
struct Solver {
    bindings: Bindings,
    /// Which input and axis gave each symbol.
    origins: BTreeMap<Arc<str>, (String, usize)>,
}

impl Solver {
    /// Checks or solves one equation; false if it alone does not tell a symbol that is still free.
    fn settle(&mut self, size: &Size<'_>) -> Result<bool, RunError> {
        let wanted = i64::try_from(size.size).unwrap_or(i64::MAX);
        match size.dim.evaluate(&self.bindings) {
            Ok(value) if value == wanted => Ok(true),
            Ok(_) => Err(self.conflict(size)),
            Err(_) => {
                let free = size.dim.symbols().into_iter().filter(|symbol| !self.bindings.contains_key(symbol)).count();
                match free {
                    // All is known, and the value is too large for a size.
                    0 => return Err(size.unsolvable()),
                    1 => {}
                    _ => return Ok(false),
                }
                let solution = size.dim.solve(wanted, &self.bindings).filter(|(_, value)| *value >= 0);
                let Some((symbol, value)) = solution else { return Ok(false) };
                self.bindings.insert(symbol.clone(), value);
                self.origins.insert(symbol, (size.input.name.clone(), size.axis));
                Ok(true)
            }
        }
    }

    fn conflict(&self, size: &Size<'_>) -> RunError {
        let symbols = size.dim.symbols();
        let origin = symbols.iter().find_map(|symbol| Some((symbol, self.origins.get(symbol)?)));
        let (symbol, (first, first_axis)) = origin.expect("invariant: a bound symbol has an origin");
        RunError::SymbolConflict {
            symbol: symbol.clone(),
            first_value: self.bindings[symbol],
            first: first.clone(),
            first_axis: *first_axis,
            name: size.input.name.clone(),
            axis: size.axis,
            dim: size.dim.clone(),
            size: size.size,
        }
    }
}

impl Declaration {
    /// That a view has the dtype, the rank and the numeric sizes declared.
    pub(super) fn check(&self, role: Role, view: &ValueView<'_>) -> Result<(), RunError> {
        if view.dtype() != self.ty.dtype {
            let (name, site) = (self.name.clone(), self.site);
            return Err(RunError::WrongDType { name, role, expected: self.ty.dtype, found: view.dtype(), site });
        }
        let fits =
            |(dim, size): (&Dim, &usize)| dim.as_number().is_none_or(|number| usize::try_from(number) == Ok(*size));
        if view.shape().len() != self.ty.rank() || !self.ty.shape.iter().zip(view.shape()).all(fits) {
            return Err(self.wrong_shape(view.shape().to_vec()));
        }
        Ok(())
    }

    fn wrong_shape(&self, found: Vec<usize>) -> RunError {
        RunError::WrongShape { name: self.name.clone(), expected: self.ty.shape.clone(), found, site: self.site }
    }

    fn missing(&self) -> RunError {
        let (name, ty) = (self.name.clone(), self.ty.clone());
        RunError::MissingInput { name, dtype: ty.dtype, shape: ty.shape, site: self.site }
    }

    fn missing_among_states(&self, state: &State) -> RunError {
        let (name, ty) = (self.name.clone(), self.ty.clone());
        let nearest = names::nearest(&name, state.names());
        RunError::MissingState { name, dtype: ty.dtype, shape: ty.shape, site: self.site, nearest }
    }

    fn missing_among(&self, parameters: &Parameters) -> RunError {
        let (name, ty) = (self.name.clone(), self.ty.clone());
        let nearest = names::nearest(&name, parameters.names());
        RunError::MissingParameter { name, dtype: ty.dtype, shape: ty.shape, site: self.site, nearest }
    }
}

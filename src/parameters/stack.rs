//! Parameters of several models in one, and back. In: parameters of one layout. Out: each array with one more axis in front, the
//! models along it.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, Axis};

use super::{Buffers, Layout, ParameterError, Parameters, State};
use crate::{
    graph::{AsView, DType, Value, ValueView},
    names,
};

impl Parameters {
    /// All of these, of one layout and with states of the same names and types: every array becomes `[n]` + its shape, as
    /// [`Graph::ensemble`](crate::Graph::ensemble) reads them.
    ///
    /// # Errors
    /// They are not of one layout, their states differ in names or types, or there is none of them.
    ///
    /// # Example
    /// See [`Graph::ensemble`](crate::Graph::ensemble).
    #[doc(alias = "stack_module_state")]
    pub fn stack(parts: &[Parameters]) -> Result<Parameters, ParameterError> {
        let Some(first) = parts.first() else { return Err(ParameterError::NoParts) };
        for part in parts {
            if part.layout() != first.layout() {
                let (expected, found) = (first.layout().clone(), part.layout().clone());
                return Err(ParameterError::OtherLayout { expected, found });
            }
            check_alike(first.state(), part.state())?;
        }
        let wide = |shape: &[usize]| [&[parts.len()], shape].concat();
        let slots = first.layout().iter().map(|(name, slot)| (name, slot.dtype, wide(&slot.shape)));
        let buffers = Buffers::try_zeros(Arc::new(Layout::new(slots)?));
        let mut all = Parameters::from(buffers.map_err(|bytes| ParameterError::OutOfMemory { bytes })?);
        for (name, _) in first.iter() {
            all.set(name, stacked(parts.iter().filter_map(|part| part.view(name))).as_view())?;
        }
        let states = first.state().iter().map(|(name, _)| {
            let arrays = parts.iter().filter_map(|part| part.state().get(name)).map(Value::view);
            (name, stacked(arrays))
        });
        Ok(all.with_state(State::new(states)))
    }

    /// What was stacked: the parameters of each model.
    ///
    /// # Errors
    /// The arrays do not all have a first axis of one size.
    pub fn unstack(&self) -> Result<Vec<Parameters>, ParameterError> {
        let arrays = || self.iter().chain(self.state().iter().map(|(name, value)| (name, value.view())));
        let size = arrays().next().and_then(|(_, array)| array.shape().first().copied()).unwrap_or(0);
        if let Some((name, array)) = arrays().find(|(_, array)| array.shape().first() != Some(&size)) {
            let (name, found) = (name.to_owned(), array.shape().to_vec());
            return Err(ParameterError::NotStacked { name, size, found });
        }
        let layout =
            Layout::new(self.layout().iter().map(|(name, slot)| (name, slot.dtype, slot.shape[1..].to_vec())))?;
        let layout = Arc::new(layout);
        (0..size)
            .map(|position| {
                let buffers = Buffers::try_zeros(layout.clone());
                let mut one = Parameters::from(buffers.map_err(|bytes| ParameterError::OutOfMemory { bytes })?);
                for (name, array) in self.iter() {
                    one.set(name, part(&array, position).as_view())?;
                }
                let states = self.state().iter().map(|(name, value)| (name, part(&value.view(), position)));
                Ok(one.with_state(State::new(states)))
            })
            .collect()
    }
}

/// That two states have the same names and types, in order.
fn check_alike(expected: &State, found: &State) -> Result<(), ParameterError> {
    if let Some(name) = found.names().find(|name| expected.get(name).is_none()) {
        let nearest = names::nearest(name, expected.names());
        return Err(ParameterError::Unknown { name: name.to_owned(), nearest });
    }
    for (name, value) in expected.iter() {
        let Some(other) = found.get(name) else {
            let nearest = names::nearest(name, found.names());
            return Err(ParameterError::Unknown { name: name.to_owned(), nearest });
        };
        let name = name.to_owned();
        if value.dtype() != other.dtype() {
            return Err(ParameterError::WrongDType { name, expected: value.dtype(), found: other.dtype() });
        }
        if value.shape() != other.shape() {
            let (expected, found) = (value.shape().to_vec(), other.shape().to_vec());
            return Err(ParameterError::WrongShape { name, expected, found });
        }
    }
    Ok(())
}

/// Arrays of one type along a new first axis.
fn stacked<'v>(parts: impl Iterator<Item = ValueView<'v>>) -> Value {
    fn joined<T: Clone>(parts: &[ArrayViewD<'_, T>]) -> ArrayD<T> {
        ndarray::stack(Axis(0), parts).expect("invariant: the arrays are of one shape")
    }
    let parts: Vec<ValueView<'v>> = parts.collect();
    macro_rules! of {
        ($kind:ident) => {
            Value::$kind(joined(
                &parts
                    .into_iter()
                    .map(|part| match part {
                        ValueView::$kind(array) => array,
                        _ => unreachable!("invariant: the arrays are of one dtype"),
                    })
                    .collect::<Vec<_>>(),
            ))
        };
    }
    match parts.first().expect("invariant: there is a part").dtype() {
        DType::F32 => of!(F32),
        DType::F64 => of!(F64),
        DType::I64 => of!(I64),
        DType::Bool => of!(Bool),
    }
}

/// What lies at a position of the first axis.
fn part(array: &ValueView<'_>, position: usize) -> Value {
    match array {
        ValueView::F32(array) => Value::F32(array.index_axis(Axis(0), position).to_owned()),
        ValueView::F64(array) => Value::F64(array.index_axis(Axis(0), position).to_owned()),
        ValueView::I64(array) => Value::I64(array.index_axis(Axis(0), position).to_owned()),
        ValueView::Bool(array) => Value::Bool(array.index_axis(Axis(0), position).to_owned()),
    }
}

//! Whether ranks begin with the same. In: what a training begins with. Out: a word for each part of it, equal where the bits are.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::state::TrainingState;
use crate::{
    graph::{Value, ValueView},
    optim::OptimizerState,
    parameters::{Buffers, Parameters, State},
};

/// What [`digests`] are of, in their order.
pub(super) const PARTS: [&str; 5] =
    ["settings", "parameters", "states of the model", "states of the optimizer", "steps that are done"];

/// A word for each of the [`PARTS`].
pub(super) fn digests(
    setting: &str,
    parameters: &Parameters,
    optimizer: &OptimizerState,
    state: &TrainingState,
) -> Vec<u64> {
    let position = (state.epoch, state.batch, state.step, state.waited);
    vec![
        digest(|hasher| setting.hash(hasher)),
        digest(|hasher| hash_buffers(parameters, hasher)),
        digest(|hasher| hash_state(parameters.state(), hasher)),
        digest(|hasher| hash_optimizer(optimizer, hasher)),
        digest(|hasher| position.hash(hasher)),
    ]
}

/// The same in every process: the hasher has no key of its own.
fn digest(hash: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash(&mut hasher);
    hasher.finish()
}

fn hash_buffers(buffers: &Buffers, hasher: &mut DefaultHasher) {
    for (name, array) in buffers.iter() {
        name.hash(hasher);
        hash_array(&array, hasher);
    }
}

fn hash_state(state: &State, hasher: &mut DefaultHasher) {
    for (name, value) in state.iter() {
        name.hash(hasher);
        hash_array(&Value::view(value), hasher);
    }
}

fn hash_optimizer(state: &OptimizerState, hasher: &mut DefaultHasher) {
    (state.rule(), state.step()).hash(hasher);
    for (name, array) in state.iter() {
        name.hash(hasher);
        hash_buffers(array, hasher);
    }
    for (name, part) in state.parts() {
        name.hash(hasher);
        hash_optimizer(part, hasher);
    }
}

fn hash_array(array: &ValueView<'_>, hasher: &mut DefaultHasher) {
    array.shape().hash(hasher);
    match array {
        ValueView::F32(array) => array.iter().for_each(|number| number.to_bits().hash(hasher)),
        ValueView::F64(array) => array.iter().for_each(|number| number.to_bits().hash(hasher)),
        ValueView::I64(array) => array.iter().for_each(|number| number.hash(hasher)),
        ValueView::Bool(array) => array.iter().for_each(|number| number.hash(hasher)),
    }
}

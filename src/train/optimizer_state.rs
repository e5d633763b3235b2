//! What an optimizer remembers, in a checkpoint. In: a state, which may be of several optimizers. Out: notes and arrays of a
//! file, and back. The notes of a state begin with its place: `optimizer`, and `optimizer.0` for its first part.

use std::{collections::HashSet, sync::Arc};

use super::{TrainError, checkpoint::CheckpointReader};
use crate::{
    io::Arrays,
    optim::OptimizerState,
    parameters::{Buffers, Layout},
};

/// States within states that are read: more than anybody writes, few enough for the stack.
const MAX_DEPTH: usize = 64;

/// Writes a state down. Its arrays are in the layout of the parameters, or of a part of them, whose positions are written.
pub(super) fn save(file: &mut Arrays, place: &str, parameters: &Layout, state: &OptimizerState) {
    file.note(place, state.rule());
    file.note(format!("{place} steps"), state.step().to_string());
    file.note(format!("{place} arrays"), state.names().collect::<Vec<_>>().join("\n"));
    let layout = state.iter().next().map(|(_, array)| array.layout());
    if let Some(layout) = layout.filter(|layout| ***layout != *parameters) {
        let positions = parameters.names().enumerate().filter(|(_, name)| layout.get(name).is_some());
        let positions: Vec<String> = positions.map(|(position, _)| position.to_string()).collect();
        file.note(format!("{place} parameters"), positions.join(" "));
    }
    for (name, array) in state.iter() {
        file.insert_all(&format!("{place}/{name}/"), array);
    }
    if state.parts().len() > 0 {
        file.note(format!("{place} parts"), state.parts().len().to_string());
    }
    for (position, (name, part)) in state.parts().enumerate() {
        let place = format!("{place}.{position}");
        file.note(format!("{place} name"), name);
        save(file, &place, parameters, part);
    }
}

impl CheckpointReader<'_> {
    /// Reads the state of a place.
    pub(super) fn optimizer(&self, place: &str, parameters: &Arc<Layout>) -> Result<OptimizerState, TrainError> {
        if place.matches('.').count() > MAX_DEPTH {
            return Err(self.bad("optimizer", place));
        }
        let note = format!("{place} arrays");
        let names = self.text(&note)?;
        // A name costs a copy of its array: a short text must not ask for one again and again.
        let mut seen = HashSet::new();
        if !names.lines().all(|name| seen.insert(name)) {
            return Err(self.bad(note, names));
        }
        let layout = self.layout_of(place, parameters)?;
        let arrays = names.lines().map(|name| {
            let prefix = format!("{place}/{name}/");
            Ok((name.to_owned(), self.arrays.buffers(self.path, &prefix, &layout)?))
        });
        let arrays: Vec<(String, Buffers)> = arrays.collect::<Result<_, TrainError>>()?;
        let n_steps = self.count(&format!("{place} steps"))?;
        let state = OptimizerState::new(self.text(place)?, n_steps, arrays);
        let note = format!("{place} parts");
        let n_parts = if self.arrays.text(&note).is_some() { self.count(&note)? } else { 0 };
        (0..n_parts).try_fold(state, |state, position| {
            let place = format!("{place}.{position}");
            let name = self.text(&format!("{place} name"))?;
            Ok(state.with_part(name, self.optimizer(&place, parameters)?))
        })
    }

    /// The layout of a state's arrays: of all parameters unless positions are written.
    fn layout_of(&self, place: &str, parameters: &Arc<Layout>) -> Result<Arc<Layout>, TrainError> {
        let note = format!("{place} parameters");
        let Some(text) = self.arrays.text(&note) else { return Ok(Arc::clone(parameters)) };
        let positions: Option<Vec<usize>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
        let is_in_order = |positions: &Vec<usize>| {
            positions.is_sorted_by(|one, next| one < next)
                && positions.iter().all(|position| *position < parameters.len())
        };
        let positions = positions.filter(is_in_order).ok_or_else(|| self.bad(note, text))?;
        Ok(Arc::new(parameters.part_at(&positions)))
    }
}

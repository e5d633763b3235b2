//! Where the arrays of a step lie. In: the layouts of a part of the parameters, of all of them, and of gradients. Out: stretches
//! of elements that follow each other in all three, found once and kept as long as the layouts are the same.

use std::sync::Arc;

use super::{OptimizerError, error::is_same};
use crate::{
    graph::DType,
    parameters::{FloatElement, Layout},
};

/// Elements that follow each other in the part, in the parameters and in the gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Run {
    /// Where they begin in each.
    pub(super) part: usize,
    pub(super) parameters: usize,
    pub(super) gradients: usize,
    pub(super) n_elements: usize,
}

impl Run {
    /// Whether `next` begins where this ends, in all three.
    fn is_before(&self, next: &Run) -> bool {
        let ends = [self.part, self.parameters, self.gradients].map(|start| start + self.n_elements);
        ends == [next.part, next.parameters, next.gradients]
    }
}

/// The runs of each dtype, and each array by itself. Where the layouts are equal, a dtype is one run.
#[derive(Debug, Clone, Default)]
pub(super) struct Alignment {
    layouts: [Arc<Layout>; 3],
    /// Each array of the part, in its order.
    slots: Vec<Run>,
    f32s: Vec<Run>,
    f64s: Vec<Run>,
}

impl Alignment {
    /// That of a part, which was checked.
    fn new(part: &Arc<Layout>, parameters: &Arc<Layout>, gradients: &Arc<Layout>) -> Alignment {
        let mut alignment =
            Alignment { layouts: [part, parameters, gradients].map(Arc::clone), ..Alignment::default() };
        for (name, slot) in part.iter() {
            let start = |layout: &Layout| {
                let slot = layout.get(name).expect("invariant: it was checked that each layout has what the part has");
                slot.range.start
            };
            let run = Run {
                part: slot.range.start,
                parameters: start(parameters),
                gradients: start(gradients),
                n_elements: slot.range.len(),
            };
            alignment.slots.push(run);
            let runs = if slot.dtype == DType::F32 { &mut alignment.f32s } else { &mut alignment.f64s };
            match runs.last_mut() {
                Some(last) if last.is_before(&run) => last.n_elements += run.n_elements,
                _ => runs.push(run),
            }
        }
        alignment
    }

    /// Becomes that of these layouts, which were checked. Layouts that are the same as before cost nothing.
    pub(super) fn follow(&mut self, part: &Arc<Layout>, parameters: &Arc<Layout>, gradients: &Arc<Layout>) {
        if self.is_of(part, parameters, gradients) {
            // Later steps compare addresses again.
            self.layouts = [part, parameters, gradients].map(Arc::clone);
        } else {
            *self = Alignment::new(part, parameters, gradients);
        }
    }

    /// Checks that the part is of the parameters and of the gradients.
    ///
    /// # Errors
    /// It has an array that they lack, or have of another type or in another order.
    pub(super) fn check(
        &self,
        part: &Arc<Layout>,
        parameters: &Arc<Layout>,
        gradients: &Arc<Layout>,
    ) -> Result<(), OptimizerError> {
        if self.is_of(part, parameters, gradients) {
            return Ok(());
        }
        check_part(part, parameters)?;
        check_part(part, gradients)
    }

    fn is_of(&self, part: &Arc<Layout>, parameters: &Arc<Layout>, gradients: &Arc<Layout>) -> bool {
        self.layouts.iter().zip([part, parameters, gradients]).all(|(known, layout)| is_same(known, layout))
    }

    /// The layout of the part.
    pub(super) fn part(&self) -> &Arc<Layout> {
        &self.layouts[0]
    }

    /// Where each array of the part lies, in its order.
    pub(super) fn slots(&self) -> &[Run] {
        &self.slots
    }

    /// What follows each other, of one dtype, in the order of the part.
    pub(super) fn runs<T: FloatElement>(&self) -> &[Run] {
        if T::DTYPE == DType::F32 { &self.f32s } else { &self.f64s }
    }
}

/// Checks that `whole` has all that `part` has, of the same types and in the same order.
pub(super) fn check_part(part: &Arc<Layout>, whole: &Arc<Layout>) -> Result<(), OptimizerError> {
    if is_same(part, whole) || part.first_beside(whole).is_none() {
        return Ok(());
    }
    Err(OptimizerError::Gradients { expected: Arc::clone(whole), found: Arc::clone(part) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_that_follow_each_other_everywhere_are_one_run() {
        let layout = |names: &str| {
            let dtype = |name| if name == 'x' { DType::F64 } else { DType::F32 };
            let arrays =
                names.chars().map(|name| (name.to_string(), dtype(name), vec![name as usize - 'a' as usize + 1]));
            Arc::new(Layout::new(arrays).unwrap())
        };
        let whole = layout("abxcde");
        let mut alignment = Alignment::default();
        alignment.follow(&whole, &whole, &whole);
        let run = |part, parameters, gradients, n_elements| Run { part, parameters, gradients, n_elements };
        assert_eq!(alignment.runs::<f32>(), [run(0, 0, 0, 15)]);
        assert_eq!(alignment.runs::<f64>(), [run(0, 0, 0, 24)]);
        let (part, gradients) = (layout("bcx"), layout("bcx"));
        alignment.check(&part, &whole, &gradients).unwrap_err();
        let (part, gradients) = (layout("bxce"), layout("abxce"));
        alignment.check(&part, &whole, &gradients).unwrap();
        alignment.follow(&part, &whole, &gradients);
        assert_eq!(alignment.runs::<f32>(), [run(0, 1, 1, 5), run(5, 10, 6, 5)]);
        assert_eq!(alignment.runs::<f64>(), [run(0, 0, 0, 24)]);
        assert_eq!(alignment.slots().len(), 4);
        alignment.follow(&whole, &whole, &whole);
        assert_eq!(alignment.runs::<f32>(), [run(0, 0, 0, 15)]);
    }
}

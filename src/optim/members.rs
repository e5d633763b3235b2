//! Optimizers of several others. In: the members, and the part of the parameters that each of them moves. Out: a step of
//! all of them or of none, and their states as one.

use std::sync::Arc;

use super::{
    GroupRate, Optimizer, OptimizerError, OptimizerState,
    alignment::check_part,
    error::{MAX_STEPS, is_same},
};
use crate::{
    names,
    parameters::{Buffers, Gradients, Layout, Parameters, Slot},
};

/// A layout and the parts of it that members have, found once and kept as long as the layout is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Allotment {
    whole: Option<Arc<Layout>>,
    parts: Vec<Arc<Layout>>,
}

impl Allotment {
    /// The parts of `whole`: each array is of the member that `member` says, a position below `n_members`.
    pub(super) fn new(whole: &Arc<Layout>, n_members: usize, member: impl Fn(&str, &Slot) -> usize) -> Allotment {
        let part = |position| Arc::new(whole.part(|name, slot| member(name, slot) == position));
        Allotment { whole: Some(Arc::clone(whole)), parts: (0..n_members).map(part).collect() }
    }

    /// Whether it is of this layout.
    pub(super) fn is_of(&self, whole: &Arc<Layout>) -> bool {
        self.whole.as_ref().is_some_and(|known| is_same(known, whole))
    }

    /// The part of each member, in their order.
    pub(super) fn parts(&self) -> &[Arc<Layout>] {
        &self.parts
    }
}

/// An optimizer of others, each of which has a name.
pub(super) trait Members {
    /// What its state is called.
    const NAME: &'static str;

    /// Names and members, in order.
    fn members(&self) -> impl Iterator<Item = (&str, &dyn Optimizer)>;

    /// The same, to take steps.
    fn members_mut(&mut self) -> impl Iterator<Item = (&str, &mut dyn Optimizer)>;

    /// How many steps were taken.
    fn n_steps(&self) -> u64;

    /// Says how many were taken.
    fn set_n_steps(&mut self, n_steps: u64);
}

/// An optimizer of others, each of which moves some of the arrays.
pub(super) trait Divided: Members {
    /// Which arrays of a part each member has.
    ///
    /// # Errors
    /// The members do not fit these parameters.
    fn split(&self, part: &Arc<Layout>, parameters: &Layout) -> Result<Allotment, OptimizerError>;

    /// The last split.
    fn allotment(&self) -> &Allotment;

    /// The same, to change it.
    fn allotment_mut(&mut self) -> &mut Allotment;
}

/// Checks a step of all members.
pub(super) fn check<M: Divided>(
    composite: &M,
    parameters: &Parameters,
    gradients: &Gradients,
    part: &Arc<Layout>,
) -> Result<(), OptimizerError> {
    check_part(part, parameters.layout())?;
    check_part(part, gradients.layout())?;
    let known = composite.allotment();
    let new = if known.is_of(part) { None } else { Some(composite.split(part, parameters.layout())?) };
    let parts = new.as_ref().unwrap_or(known).parts();
    for ((name, member), part) in composite.members().zip(parts).filter(|(_, part)| !part.is_empty()) {
        member.check_part(parameters, gradients, part).map_err(|error| in_group(name, error))?;
    }
    Ok(())
}

/// Takes a step of all members that have an array of the part, once it is known that none refuses it.
pub(super) fn step<M: Divided>(
    composite: &mut M,
    parameters: &mut Parameters,
    gradients: &Gradients,
    part: &Arc<Layout>,
) -> Result<(), OptimizerError> {
    check(composite, parameters, gradients, part)?;
    if !composite.allotment().is_of(part) {
        *composite.allotment_mut() = composite.split(part, parameters.layout())?;
    }
    let split = std::mem::take(composite.allotment_mut());
    for ((name, member), part) in composite.members_mut().zip(split.parts()).filter(|(_, part)| !part.is_empty()) {
        member.step_part(parameters, gradients, part).map_err(|error| in_group(name, error))?;
    }
    *composite.allotment_mut() = split;
    composite.set_n_steps(composite.n_steps() + 1);
    Ok(())
}

/// The rates of all members, each in its group.
pub(super) fn rates<M: Members>(composite: &M) -> Vec<GroupRate> {
    let rates =
        composite.members().flat_map(|(name, member)| member.rates().into_iter().map(|rate| rate.in_group(name)));
    rates.collect()
}

/// The averages of all members, if any of them keeps some.
pub(super) fn averages<M: Members>(composite: &M) -> Option<Vec<&Buffers>> {
    let kept = composite.members().filter_map(|(_, member)| member.averages());
    kept.reduce(|averages, more| [averages, more].concat())
}

/// The states of all members as one.
pub(super) fn state<M: Members>(composite: &M) -> OptimizerState {
    let own = OptimizerState::new(M::NAME, composite.n_steps(), std::iter::empty::<(&str, _)>());
    composite.members().fold(own, |state, (name, member)| state.with_part(name, member.state()))
}

/// Each member becomes what was saved of it, or all stay as they are.
pub(super) fn restore<M: Members>(composite: &mut M, saved: OptimizerState) -> Result<(), OptimizerError> {
    let names: Vec<String> = composite.members().map(|(name, _)| name.to_owned()).collect();
    check_state(M::NAME, &names, &saved)?;
    if !saved.is_empty() {
        let found = saved.names().map(str::to_owned).collect();
        return Err(OptimizerError::Arrays { rule: M::NAME, expected: Vec::new(), found });
    }
    let n_steps = saved.step();
    let before = state(composite);
    let mut done = Ok(());
    let mut n_done = 0;
    for ((name, member), saved) in composite.members_mut().zip(saved.into_parts()) {
        done = member.restore(saved).map_err(|error| in_group(name, error));
        if done.is_err() {
            break;
        }
        n_done += 1;
    }
    match done {
        Ok(()) => composite.set_n_steps(n_steps),
        Err(_) => {
            for ((_, member), before) in composite.members_mut().zip(before.into_parts()).take(n_done) {
                member.restore(before).expect("invariant: an optimizer takes back its own state");
            }
        }
    }
    done
}

/// Checks that a state is of this rule, and of members of these names in this order, whatever arrays it has.
pub(super) fn check_state(rule: &'static str, names: &[String], saved: &OptimizerState) -> Result<(), OptimizerError> {
    if saved.rule() != rule {
        return Err(OptimizerError::Rule { expected: rule, found: saved.rule().to_owned() });
    }
    if saved.step() > MAX_STEPS {
        return Err(OptimizerError::Steps { found: saved.step() });
    }
    if !saved.parts().map(|(name, _)| name).eq(names.iter().map(String::as_str)) {
        let found = saved.parts().map(|(name, _)| name.to_owned()).collect();
        return Err(OptimizerError::Parts { rule, expected: names.to_vec(), found });
    }
    Ok(())
}

/// Checks that each pattern matches a parameter.
pub(super) fn check_patterns(patterns: &[String], parameters: &Layout) -> Result<(), OptimizerError> {
    patterns.iter().try_for_each(|pattern| {
        names::check_pattern(pattern, parameters.names())
            .map_err(|nearest| OptimizerError::Pattern { pattern: pattern.clone(), nearest })
    })
}

pub(super) fn in_group(name: &str, source: OptimizerError) -> OptimizerError {
    OptimizerError::Group { name: name.to_owned(), source: Box::new(source) }
}

/// The optimizer of what is [`Divided`].
macro_rules! composite {
    ($composite:ty $(, $generic:ident)?) => {
        impl $(<$generic: $crate::optim::Optimizer>)? $crate::optim::Optimizer for $composite {
            fn check_part(
                &self,
                parameters: &$crate::Parameters,
                gradients: &$crate::Gradients,
                part: &std::sync::Arc<$crate::parameters::Layout>,
            ) -> Result<(), $crate::optim::OptimizerError> {
                $crate::optim::members::check(self, parameters, gradients, part)
            }

            fn step_part(
                &mut self,
                parameters: &mut $crate::Parameters,
                gradients: &$crate::Gradients,
                part: &std::sync::Arc<$crate::parameters::Layout>,
            ) -> Result<(), $crate::optim::OptimizerError> {
                $crate::optim::members::step(self, parameters, gradients, part)
            }

            fn scale_rate(&mut self, factor: f64) {
                $crate::optim::members::Members::members_mut(self).for_each(|(_, member)| member.scale_rate(factor));
            }

            fn rates(&self) -> Vec<$crate::optim::GroupRate> {
                $crate::optim::members::rates(self)
            }

            fn averages(&self) -> Option<Vec<&$crate::parameters::Buffers>> {
                $crate::optim::members::averages(self)
            }

            fn state(&self) -> $crate::optim::OptimizerState {
                $crate::optim::members::state(self)
            }

            fn restore(&mut self, state: $crate::optim::OptimizerState) -> Result<(), $crate::optim::OptimizerError> {
                $crate::optim::members::restore(self, state)
            }
        }
    };
}
pub(super) use composite;

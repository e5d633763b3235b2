//! Groups of parameters. In: patterns of names, and an optimizer for each. Out: one optimizer that moves each parameter by its
//! own. It remembers what these do.

use std::{fmt, sync::Arc};

use super::{
    Optimizer, OptimizerError,
    members::{Allotment, Divided, Members, check_patterns, composite},
};
use crate::{names, parameters::Layout};

/// Each parameter is moved by the optimizer of its group: by the first whose patterns its name matches, in the order in which
/// they were added, and else by the one that [`Groups::new`] was given.
///
/// In a pattern `*` stands for any letters or none, dots too, and `?` for one. Each optimizer keeps what it remembers for its
/// own parameters alone, and counts its own steps. A group none of whose parameters has a gradient is not stepped: it begins,
/// or goes on, when one has. To start training some parameters later, give them a group of their own.
///
/// A step is an error, and nothing is changed, if a pattern matches no parameter, or none that an earlier group left.
///
/// # Example
/// No weight decay on biases and norms is one line:
/// ```
/// use pullback::{DType, Gradients, Parameters, optim::{AdamW, Groups, Optimizer}, parameters::Layout};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let decayed = AdamW::new(1e-3).weight_decay(0.1);
/// let mut rule = Groups::new(decayed).group(["*.bias", "*norm*"], AdamW::new(1e-3).weight_decay(0.0));
///
/// let layout = Layout::new([("l.weight", DType::F32, vec![2, 2]), ("l.bias", DType::F32, vec![2])])?;
/// let mut parameters = Parameters::zeros(layout.clone());
/// let error = rule.step(&mut parameters, &Gradients::zeros(layout)).unwrap_err();
/// assert_eq!(error.to_string(), "no parameter matches `*norm*`");
///
/// let layout = Layout::new([("l.weight", DType::F32, vec![2, 2]), ("norm.bias", DType::F32, vec![2])])?;
/// let mut parameters = Parameters::zeros(layout.clone());
/// parameters.flat_mut::<f32>()?.fill(1.0);
/// let mut rule = Groups::new(AdamW::new(0.5).weight_decay(0.1)).group(["*norm*"], AdamW::new(0.5).weight_decay(0.0));
/// rule.step(&mut parameters, &Gradients::zeros(layout))?;
/// assert_eq!(parameters.flat::<f32>()?, [0.95, 0.95, 0.95, 0.95, 1.0, 1.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias("param_groups", "multi_transform"))]
pub struct Groups {
    groups: Vec<Group>,
    /// Of what no group has.
    rest: Box<dyn Optimizer + Send>,
    n_steps: u64,
    allotment: Allotment,
}

struct Group {
    /// The patterns, as text.
    name: String,
    patterns: Vec<String>,
    rule: Box<dyn Optimizer + Send>,
}

/// What the parameters without a group are called in a state.
const REST: &str = "others";

impl Groups {
    /// One group of all parameters, until others are added.
    pub fn new(rule: impl Optimizer + Send + 'static) -> Groups {
        Groups { groups: Vec::new(), rest: Box::new(rule), n_steps: 0, allotment: Allotment::default() }
    }

    /// With an optimizer for the parameters that match one of these patterns, and no group that was added before.
    pub fn group<P: Into<String>>(
        mut self,
        patterns: impl IntoIterator<Item = P>,
        rule: impl Optimizer + Send + 'static,
    ) -> Groups {
        let patterns: Vec<String> = patterns.into_iter().map(Into::into).collect();
        self.groups.push(Group { name: patterns.join(" "), patterns, rule: Box::new(rule) });
        self.allotment = Allotment::default();
        self
    }

    /// The position of the group of a parameter; one behind the last if none has it.
    fn position(&self, name: &str) -> usize {
        let position = self.groups.iter().position(|group| group.has(name));
        position.unwrap_or(self.groups.len())
    }
}

impl Group {
    fn has(&self, name: &str) -> bool {
        names::matches_any(&self.patterns, name)
    }
}

impl Members for Groups {
    const NAME: &'static str = "groups";

    fn members(&self) -> impl Iterator<Item = (&str, &dyn Optimizer)> {
        let groups = self.groups.iter().map(|group| (group.name.as_str(), &*group.rule as &dyn Optimizer));
        groups.chain([(REST, &*self.rest as &dyn Optimizer)])
    }

    fn members_mut(&mut self) -> impl Iterator<Item = (&str, &mut dyn Optimizer)> {
        let groups = self.groups.iter_mut().map(|group| (group.name.as_str(), &mut *group.rule as &mut dyn Optimizer));
        groups.chain([(REST, &mut *self.rest as &mut dyn Optimizer)])
    }

    fn n_steps(&self) -> u64 {
        self.n_steps
    }

    fn set_n_steps(&mut self, n_steps: u64) {
        self.n_steps = n_steps;
    }
}

impl Divided for Groups {
    /// A pattern that matches what has no gradient is no mistake, so all parameters are asked.
    fn split(&self, part: &Arc<Layout>, parameters: &Layout) -> Result<Allotment, OptimizerError> {
        for (position, group) in self.groups.iter().enumerate() {
            if group.patterns.is_empty() {
                return Err(OptimizerError::NoPattern);
            }
            check_patterns(&group.patterns, parameters)?;
            if !parameters.names().any(|name| self.position(name) == position) {
                return Err(OptimizerError::Taken { name: group.name.clone() });
            }
        }
        Ok(Allotment::new(part, self.groups.len() + 1, |name, _| self.position(name)))
    }

    fn allotment(&self) -> &Allotment {
        &self.allotment
    }

    fn allotment_mut(&mut self) -> &mut Allotment {
        &mut self.allotment
    }
}

composite!(Groups);

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members().map(|(name, _)| name)).finish()
    }
}

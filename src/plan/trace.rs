//! The text of what each pass leaves, if it is asked for. In: the name of a pass and the network, groups or steps after
//! it. Out: a list of names and texts. In builds with debug assertions, which tests are, what a pass leaves is verified
//! here too.

use super::{
    ir::{FusionGroups, Network, Plan, PlanStep},
    show, verify,
};

/// The texts, if they are asked for.
pub(super) struct Trace(Option<Vec<(&'static str, String)>>);

impl Trace {
    /// Nobody asked.
    pub(super) fn silent() -> Trace {
        Trace(None)
    }

    /// All texts are kept.
    pub(super) fn written() -> Trace {
        Trace(Some(Vec::new()))
    }

    pub(super) fn into_passes(self) -> Vec<(&'static str, String)> {
        self.0.unwrap_or_default()
    }

    /// Forgets all texts: the passes run once more, and make another plan.
    pub(super) fn restart(&mut self) {
        self.0.iter_mut().for_each(Vec::clear);
    }

    pub(super) fn network(&mut self, name: &'static str, network: &Network) {
        debug_assert_eq!(verify::network(network), Ok(()), "invariant: after {name}");
        self.write(name, || show::network(network));
    }

    pub(super) fn groups(&mut self, name: &'static str, network: &Network, groups: &FusionGroups) {
        debug_assert_eq!(verify::network(network), Ok(()), "invariant: after {name}");
        debug_assert_eq!(verify::groups(network, groups), Ok(()), "invariant: after {name}");
        self.write(name, || show::groups(network, groups));
    }

    pub(super) fn steps(&mut self, name: &'static str, network: &Network, steps: &[PlanStep]) {
        debug_assert_eq!(verify::order(network, steps), Ok(()), "invariant: after {name}");
        self.write(name, || show::steps(network, steps));
    }

    pub(super) fn plan(&mut self, name: &'static str, plan: &Plan) {
        self.write(name, || plan.to_string());
    }

    fn write(&mut self, name: &'static str, text: impl FnOnce() -> String) {
        if let Some(passes) = &mut self.0 {
            passes.push((name, text()));
        }
    }
}

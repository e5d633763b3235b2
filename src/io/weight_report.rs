//! What became of weights. In: names, and reasons. Out: a report, printable.

use std::fmt;

use crate::names;

/// What became of the arrays of a file and of the parameters and states of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WeightReport {
    /// Parameters and states that have their numbers from a file, in their order.
    pub loaded: Vec<String>,
    /// Parameters and states that no array is for.
    pub missing: Vec<String>,
    /// Arrays that are for no parameter or state, by their names in the file, with what these became.
    pub unexpected: Vec<(String, String)>,
    /// Arrays that do not fit: the parameter or state, and why.
    pub misfits: Vec<(String, String)>,
}

impl WeightReport {
    /// Whether nothing is missing, unexpected or a misfit.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misfits.is_empty()
    }
}

/// How many names of a kind an error lists.
const MAX_LISTED: usize = 8;

impl fmt::Display for WeightReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} loaded", self.loaded.len())?;
        let mut list = |what: &str, names: Vec<String>| {
            if names.is_empty() {
                return Ok(());
            }
            write!(f, "\n   | {} {what}: {}", names.len(), names[..names.len().min(MAX_LISTED)].join(", "))?;
            if names.len() > MAX_LISTED { f.write_str(", …") } else { Ok(()) }
        };
        let missing = |name: &String| {
            let nearest = names::nearest(name, self.unexpected.iter().map(|(_, target)| target.as_str()));
            nearest.map_or_else(|| name.clone(), |nearest| format!("{name} (`{nearest}` is near)"))
        };
        list("missing", self.missing.iter().map(missing).collect())?;
        let unexpected = |(name, target): &(String, String)| {
            if name == target { name.clone() } else { format!("{name} (for {target})") }
        };
        list("unexpected", self.unexpected.iter().map(unexpected).collect())?;
        list("that do not fit", self.misfits.iter().map(|(name, reason)| format!("{name} ({reason})")).collect())
    }
}

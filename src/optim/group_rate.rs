//! What an optimizer says of its rates. In: a rate, and the groups that it is of. Out: both together, for whoever watches.

use std::fmt;

use crate::numbers::short;

/// The rate of one step, of all parameters or of those of a group: see [`Optimizer::rates`](super::Optimizer::rates).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GroupRate {
    /// The group, as its optimizer calls it, and for a group within a group both names with ` / ` between them; empty for an
    /// optimizer without groups.
    pub group: String,
    /// γₜ.
    pub rate: f64,
}

impl GroupRate {
    /// The rate of an optimizer without groups.
    pub fn of_all(rate: f64) -> GroupRate {
        GroupRate { group: String::new(), rate }
    }

    /// The same as that of a group of another optimizer.
    #[must_use]
    pub fn in_group(self, name: &str) -> GroupRate {
        let group = if self.group.is_empty() { name.to_owned() } else { format!("{name} / {}", self.group) };
        GroupRate { group, ..self }
    }
}

impl fmt::Display for GroupRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => write!(f, "{}", short(self.rate)),
            group => write!(f, "{group}: {}", short(self.rate)),
        }
    }
}

//! Products of symbols, the variable part of a term of a [`Dim`](super::Dim). In: symbols. Out: products, quotients and an
//! order of them. It knows no coefficients.

use std::{collections::BTreeMap, sync::Arc};

use smallvec::SmallVec;

/// Powers of symbols, sorted by name; ordered by degree, then by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Monomial(SmallVec<[(Arc<str>, u32); 2]>);

impl PartialOrd for Monomial {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Monomial {
    /// Graded lexicographic: a monomial order, which the long division below relies on.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.degree().cmp(&other.degree()).then_with(|| {
            for ((name, power), (other_name, other_power)) in self.0.iter().zip(&other.0) {
                let order = other_name.cmp(name).then(power.cmp(other_power));
                if order.is_ne() {
                    return order;
                }
            }
            self.0.len().cmp(&other.0.len())
        })
    }
}

impl Monomial {
    /// One symbol.
    pub(super) fn from_symbol(symbol: Arc<str>) -> Monomial {
        Monomial(SmallVec::from_iter([(symbol, 1)]))
    }

    /// Each symbol with its power, sorted by name.
    pub(super) fn powers(&self) -> impl Iterator<Item = &(Arc<str>, u32)> {
        self.0.iter()
    }

    pub(super) fn degree(&self) -> u32 {
        self.0.iter().map(|(_, power)| power).sum()
    }

    pub(super) fn times(&self, other: &Monomial) -> Monomial {
        let mut powers: BTreeMap<Arc<str>, u32> = self.0.iter().cloned().collect();
        for (name, power) in &other.0 {
            *powers.entry(name.clone()).or_default() += power;
        }
        Monomial(powers.into_iter().collect())
    }

    pub(super) fn divided_by(&self, other: &Monomial) -> Option<Monomial> {
        let mut powers: BTreeMap<Arc<str>, u32> = self.0.iter().cloned().collect();
        for (name, power) in &other.0 {
            let left = powers.get_mut(name)?;
            *left = left.checked_sub(*power)?;
        }
        Some(Monomial(powers.into_iter().filter(|(_, power)| *power > 0).collect()))
    }
}

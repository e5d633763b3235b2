//! Positions in arrays while loops run. In: sizes, strides, variables of loops. Out: an [`AffineIndex`], affine in the variables, which can be
//! told apart, bounded and written as Rust.

use smallvec::SmallVec;

/// The variable of a loop, or one that is computed from those of loops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LoopVariable(pub(super) usize);

/// `constant + Σ stride·variable`, in elements.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct AffineIndex {
    pub(super) constant: isize,
    /// Ascending by variable; no stride is 0.
    pub(super) terms: SmallVec<[(LoopVariable, isize); 2]>,
}

impl AffineIndex {
    /// A position that is known.
    pub(super) fn constant(constant: isize) -> AffineIndex {
        AffineIndex { constant, terms: SmallVec::new() }
    }

    /// The variable itself.
    pub(super) fn variable(variable: LoopVariable) -> AffineIndex {
        AffineIndex { constant: 0, terms: SmallVec::from_iter([(variable, 1)]) }
    }

    /// The position, if no variable moves it.
    pub(super) fn as_constant(&self) -> Option<isize> {
        self.terms.is_empty().then_some(self.constant)
    }

    /// This and `stride` times the other.
    pub(super) fn plus(&self, other: &AffineIndex, stride: isize) -> AffineIndex {
        let mut sum = self.clone();
        if stride == 0 {
            return sum;
        }
        sum.constant += other.constant * stride;
        for (variable, factor) in &other.terms {
            match sum.terms.binary_search_by_key(variable, |(known, _)| *known) {
                Ok(position) => {
                    sum.terms[position].1 += factor * stride;
                    if sum.terms[position].1 == 0 {
                        sum.terms.remove(position);
                    }
                }
                Err(position) => sum.terms.insert(position, (*variable, factor * stride)),
            }
        }
        sum
    }

    /// So many elements further.
    pub(super) fn offset(&self, elements: isize) -> AffineIndex {
        AffineIndex { constant: self.constant + elements, terms: self.terms.clone() }
    }
}

/// One axis of a loop nest: where an iteration is, and between which bounds it is known to be.
#[derive(Debug, Clone)]
pub(super) struct Coordinate {
    pub(super) index: AffineIndex,
    /// How many positions the axis has.
    pub(super) size: usize,
    /// The first position, and the one behind the last, of the iterations that are written at present.
    pub(super) range: (usize, usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_add_up_by_variable() {
        let [i, j] = [LoopVariable(0), LoopVariable(1)].map(AffineIndex::variable);
        let index = AffineIndex::constant(7).plus(&j, 2).plus(&i, 12).plus(&j, -2).offset(1);
        assert_eq!(index, AffineIndex::constant(8).plus(&i, 12));
        assert_eq!(index.as_constant(), None);
        assert_eq!(index.plus(&i, -12).as_constant(), Some(8));
    }
}

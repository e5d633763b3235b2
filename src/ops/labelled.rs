//! Arrays whose axes have letters: what `dot` and `einsum` are built in. In: handles with one letter for each axis. Out:
//! diagonals, sums, products and reorderings, told by letter instead of by position.

use super::axes::inverse_permutation;
use crate::graph::{Axes, DType, DotGeneral, Expr, Gather};

/// A handle with a letter for each of its axes.
pub(super) struct Labelled<'g> {
    value: Expr<'g>,
    letters: Vec<char>,
}

impl<'g> Labelled<'g> {
    /// `value`, which is no poison and has as many axes as there are letters.
    pub(super) fn new(value: Expr<'g>, letters: Vec<char>) -> Labelled<'g> {
        assert_eq!(value.rank(), letters.len(), "invariant: one letter for each axis");
        Labelled { value, letters }
    }

    /// Each letter once: of axes that share one, the elements whose positions are equal.
    ///
    /// They are gathered, because the stride of a slice is a number and that of a diagonal may be a symbol.
    pub(super) fn diagonal(mut self) -> Labelled<'g> {
        while let Some((first, second)) = self.repeated() {
            let rest = (0..self.letters.len()).filter(|axis| ![first, second].contains(axis));
            let order: Axes = [first, second].into_iter().chain(rest).collect();
            let square = self.value.permute(&order);
            let (g, shape) = (square.graph(), square.shape());
            let positions = g.iota(DType::I64, (shape[0].clone(), 1), 0);
            let diagonal = g.apply(Gather { axis: 1, batch: 1 }, &[square, positions]);
            self.value = diagonal.reshape(shape.without(&[1]));
            self.letters = order.iter().filter(|axis| **axis != second).map(|axis| self.letters[*axis]).collect();
        }
        self
    }

    /// The first two axes of one letter.
    fn repeated(&self) -> Option<(usize, usize)> {
        let second = (0..self.letters.len()).find(|axis| self.letters[..*axis].contains(&self.letters[*axis]))?;
        Some((position(&self.letters, self.letters[second])?, second))
    }

    /// Sums over the letters that are not kept.
    pub(super) fn sum_unless(self, is_kept: impl Fn(char) -> bool) -> Labelled<'g> {
        let removed: Axes = (0..self.letters.len()).filter(|axis| !is_kept(self.letters[*axis])).collect();
        let letters = self.letters.into_iter().filter(|letter| is_kept(*letter)).collect();
        Labelled { value: self.value.sum_axes(&removed), letters }
    }

    /// The product, in which letters of both go together and are summed unless kept. Letters of the result: those of
    /// both, then the others of this, then the others of `other`.
    pub(super) fn contract(self, other: Labelled<'g>, is_kept: impl Fn(char) -> bool) -> Labelled<'g> {
        let shared = |letter: &char| other.letters.contains(letter);
        let (batch, contracted): (Vec<char>, Vec<char>) =
            self.letters.iter().copied().filter(shared).partition(|letter| is_kept(*letter));
        let axes = |operand: &Labelled<'g>, chosen: &[char]| -> Axes {
            chosen.iter().filter_map(|letter| position(&operand.letters, *letter)).collect()
        };
        let dot = DotGeneral {
            left_batch: axes(&self, &batch),
            right_batch: axes(&other, &batch),
            left_contract: axes(&self, &contracted),
            right_contract: axes(&other, &contracted),
        };
        let free = |operand: &Labelled<'g>| -> Vec<char> {
            let is_free = |letter: &char| !batch.contains(letter) && !contracted.contains(letter);
            operand.letters.iter().copied().filter(is_free).collect()
        };
        let letters = [batch.clone(), free(&self), free(&other)].concat();
        Labelled { value: self.value.graph().apply(dot, &[self.value, other.value]), letters }
    }

    /// The handle with its axes in the order of `letters`, which are its own.
    pub(super) fn arrange(self, letters: &[char]) -> Expr<'g> {
        let places: Axes = self
            .letters
            .iter()
            .map(|letter| position(letters, *letter).expect("invariant: the letters are the same"))
            .collect();
        self.value.permute(&inverse_permutation(&places))
    }
}

fn position(letters: &[char], letter: char) -> Option<usize> {
    letters.iter().position(|other| *other == letter)
}

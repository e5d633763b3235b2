//! Sums in a fixed tree. In: values one after another, or sums of some that lie side by side. Out: the sum of all, whose roundings
//! depend on how many there are, and not on who added which.
//!
//! The tree over positions 0, 1, 2, … is that of a binary counter: a node is 2ᵏ positions from a multiple of 2ᵏ on, and the sum of
//! its two halves, the earlier one on the left. Of m positions the greatest whole nodes are left, as many as m has binary digits that
//! are 1; they are added from the right. A whole node has one way to be computed, so any cut of the positions into blocks, each
//! summed to its own greatest nodes, gives the same sum once the nodes of all blocks are added up in order. Nothing about m is known
//! beforehand, and log₂ m + 1 sums are kept at most.

use std::ops::Range;

/// So many positions from the first on: a power of two, of which the first is a multiple.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    first: usize,
    size: usize,
}

impl Node {
    pub(super) fn leaf(position: usize) -> Node {
        Node { first: position, size: 1 }
    }

    /// The greatest nodes within a block of positions, in order: those that are left once its positions were added one by one.
    pub(super) fn of_block(block: Range<usize>) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut first = block.start;
        while first < block.end {
            let most = 1 << (block.end - first).ilog2();
            let size = if first == 0 { most } else { most.min(1 << first.trailing_zeros()) };
            nodes.push(Node { first, size });
            first += size;
        }
        nodes
    }

    /// Whether this and the next are the halves of one node.
    fn is_left_of(self, next: Node) -> bool {
        self.size == next.size && self.first + self.size == next.first && self.first.is_multiple_of(2 * self.size)
    }
}

/// Sums of nodes that are not added up yet, in order.
#[derive(Debug)]
pub(super) struct TreeSum<S> {
    nodes: Vec<(Node, S)>,
    add: fn(&mut S, &S),
}

impl<S> TreeSum<S> {
    /// Of nothing yet; `add` adds its second operand to the first.
    pub(super) fn new(add: fn(&mut S, &S)) -> TreeSum<S> {
        TreeSum { nodes: Vec::new(), add }
    }

    /// The sum of the node that comes next.
    pub(super) fn push(&mut self, mut node: Node, mut sum: S) {
        while let Some((left, mut total)) = self.nodes.pop_if(|(left, _)| left.is_left_of(node)) {
            (self.add)(&mut total, &sum);
            (node, sum) = (Node { size: 2 * left.size, ..left }, total);
        }
        self.nodes.push((node, sum));
    }

    /// The greatest nodes so far.
    pub(super) fn nodes(&self) -> impl ExactSizeIterator<Item = (Node, &S)> {
        self.nodes.iter().map(|(node, sum)| (*node, sum))
    }

    /// The sum of all; none of nothing.
    pub(super) fn finish(self) -> Option<S> {
        let sums = self.nodes.into_iter().map(|(_, sum)| sum);
        sums.rev().reduce(|right, mut left| {
            (self.add)(&mut left, &right);
            left
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums as the text of what was added to what.
    fn texts() -> TreeSum<String> {
        TreeSum::new(|left, right| *left = format!("({left}{right})"))
    }

    fn sum_of_blocks(cuts: &[usize]) -> Option<String> {
        let mut all = texts();
        for block in cuts.windows(2) {
            let mut sums = texts();
            (block[0]..block[1]).for_each(|position| sums.push(Node::leaf(position), position.to_string()));
            let nodes: Vec<Node> = sums.nodes().map(|(node, _)| node).collect();
            assert_eq!(nodes, Node::of_block(block[0]..block[1]));
            sums.nodes.into_iter().for_each(|(node, sum)| all.push(node, sum));
        }
        all.finish()
    }

    #[test]
    fn the_tree_is_that_of_a_binary_counter() {
        let known = [
            (1, "0"),
            (2, "(01)"),
            (3, "((01)2)"),
            (4, "((01)(23))"),
            (6, "(((01)(23))(45))"),
            (7, "(((01)(23))((45)6))"),
        ];
        for (n, expected) in known {
            assert_eq!(sum_of_blocks(&[0, n]).as_deref(), Some(expected));
        }
        assert_eq!(sum_of_blocks(&[0, 0]), None);
    }

    #[test]
    fn every_cut_into_blocks_gives_the_same_sum() {
        for n in 1..12 {
            let whole = sum_of_blocks(&[0, n]);
            // Each set of places between positions is a cut.
            for set in 0..1usize << (n - 1) {
                let inner = (1..n).filter(|place| set >> (place - 1) & 1 == 1);
                let cuts: Vec<usize> = [0].into_iter().chain(inner).chain([n]).collect();
                assert_eq!(sum_of_blocks(&cuts), whole, "{cuts:?}");
            }
        }
    }
}

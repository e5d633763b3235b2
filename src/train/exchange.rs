//! What ranks add up. In: of each rank the sums of some nodes of the tree. Out: the sum of all, the same bits on every rank and on
//! any number of them ([`tree`](super::tree) says why).
//!
//! Rank r adds up the r-th slice of the elements for all: each rank sends it that slice of each of its nodes, the nodes are added in
//! their order, and the slices are gathered by all ranks. A rank sends n·k·(P − 1)/P elements for k nodes of n elements on P ranks,
//! and then n·(P − 1)/P. That is as few as any sum over ranks sends where k = 1, as when 2ʲ·P batches are a step.

use std::ops::Range;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{
    communicator::{Communicator, CommunicatorError, SharedCommunicator},
    tree::{Node, TreeSum},
};
use crate::parameters::{FloatElement, Gradients};

/// What batches of a step add to what the step is made of.
#[derive(Debug, Clone)]
pub(super) struct Partial {
    /// Gradients times the weights of their batches.
    pub(super) gradients: Gradients,
    /// What running averages became, array after array.
    pub(super) averages: Vec<f64>,
}

impl Partial {
    pub(super) fn add(&mut self, other: &Partial) {
        self.gradients.add(&other.gradients).expect("invariant: gradients of one program have one layout");
        self.averages.iter_mut().zip(&other.averages).for_each(|(sum, term)| *sum += term);
    }
}

/// The most bytes of a node that are exchanged at once, by which the memory for it is bounded; MPI counts bytes by 32 bits.
const MAX_BYTES: usize = 1 << 28;

impl SharedCommunicator {
    /// Makes `sum` the sum over the batches of all ranks, of which each has computed a block, with its sums in `own`.
    pub(super) fn add_up(
        &self,
        own: TreeSum<Partial>,
        blocks: &[Range<usize>],
        sum: &mut Partial,
    ) -> Result<(), CommunicatorError> {
        if self.is_alone() {
            *sum = own.finish().expect("invariant: a step has a batch");
            return Ok(());
        }
        let nodes: Vec<Vec<Node>> = blocks.iter().map(|block| Node::of_block(block.clone())).collect();
        let own: Vec<&Partial> = own.nodes().map(|(_, partial)| partial).collect();
        let mut communicator = self.lock();
        let mut exchange = Exchange { communicator: &mut *communicator, nodes: &nodes };
        exchange.floats::<f32>(&own, &mut sum.gradients)?;
        exchange.floats::<f64>(&own, &mut sum.gradients)?;
        let averages: Vec<&[f64]> = own.iter().map(|partial| &partial.averages[..]).collect();
        exchange.add_up(&averages, &mut sum.averages)
    }
}

/// A number that is sent as it lies in memory.
trait Word: FloatElement + IntoBytes + FromBytes + Immutable {}

impl Word for f32 {}
impl Word for f64 {}

struct Exchange<'c> {
    communicator: &'c mut dyn Communicator,
    /// Of each rank, those that it has sums of.
    nodes: &'c [Vec<Node>],
}

impl Exchange<'_> {
    fn floats<T: Word>(&mut self, own: &[&Partial], sum: &mut Gradients) -> Result<(), CommunicatorError> {
        let own: Vec<&[T]> = own.iter().map(|partial| partial.gradients.elements::<T>()).collect();
        self.add_up(&own, sum.elements_mut::<T>())
    }

    /// The sum of flat arrays, one for each node of this rank.
    fn add_up<T: Word>(&mut self, own: &[&[T]], sum: &mut [T]) -> Result<(), CommunicatorError> {
        let n_at_once = MAX_BYTES / size_of::<T>();
        for (chunk, sum) in sum.chunks_mut(n_at_once).enumerate() {
            let range = chunk * n_at_once..chunk * n_at_once + sum.len();
            let own: Vec<&[T]> = own.iter().map(|elements| &elements[range.clone()]).collect();
            let lengths = slice_lengths(sum.len(), self.nodes.len());
            let slice = self.slice(&own, &lengths)?;
            let lengths: Vec<usize> = lengths.iter().map(|length| length * size_of::<T>()).collect();
            self.communicator.all_gather(slice.as_bytes(), sum.as_mut_bytes(), &lengths)?;
        }
        Ok(())
    }

    /// This rank's slice of the sum: those of all nodes, received and added in order.
    fn slice<T: Word>(&mut self, own: &[&[T]], lengths: &[usize]) -> Result<Vec<T>, CommunicatorError> {
        let n_own = lengths[self.communicator.rank()];
        let mut received = vec![Vec::new(); lengths.len()];
        let n_rounds = self.nodes.iter().map(Vec::len).max().unwrap_or(0);
        for round in 0..n_rounds {
            let bytes = |is_there: bool, n_elements: usize| if is_there { n_elements * size_of::<T>() } else { 0 };
            let is_sent = round < own.len();
            let sent = if is_sent { own[round].as_bytes() } else { &[] };
            let sent_lengths: Vec<usize> = lengths.iter().map(|length| bytes(is_sent, *length)).collect();
            let has_node = |nodes: &Vec<Node>| round < nodes.len();
            let received_lengths: Vec<usize> = self.nodes.iter().map(|nodes| bytes(has_node(nodes), n_own)).collect();
            let mut slices = vec![T::from_f64(0.0); received_lengths.iter().sum::<usize>() / size_of::<T>()];
            self.communicator.all_to_all(sent, &sent_lengths, slices.as_mut_bytes(), &received_lengths)?;
            let mut rest = &slices[..];
            for (_, received) in self.nodes.iter().zip(&mut received).filter(|(nodes, _)| has_node(nodes)) {
                let (slice, after) = rest.split_at(n_own);
                received.push(slice.to_vec());
                rest = after;
            }
        }
        let mut sums = TreeSum::new(|sum: &mut Vec<T>, term| sum.iter_mut().zip(term).for_each(|(sum, x)| *sum += *x));
        let nodes = self.nodes.iter().flatten().zip(received.into_iter().flatten());
        nodes.for_each(|(node, slice)| sums.push(*node, slice));
        Ok(sums.finish().expect("invariant: a step has a batch"))
    }
}

/// Elements cut into as many slices as there are ranks, of about the same length.
fn slice_lengths(n_elements: usize, n_ranks: usize) -> Vec<usize> {
    // In u128, in which no product overflows.
    let start = |rank: usize| (n_elements as u128 * rank as u128 / n_ranks as u128) as usize;
    (0..n_ranks).map(|rank| start(rank + 1) - start(rank)).collect()
}

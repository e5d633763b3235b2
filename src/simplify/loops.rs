//! Work of loops that is done elsewhere. In: a graph with simplified bodies. Out: an equal one in which products that a loop only adds up
//! are one product behind it (`after.rs`), and values that a loop computes of nothing but what another one saved for it are saved
//! instead (`saved.rs`).
//!
//! Reverse mode makes both: the cotangent of a weight is a sum of products over the iterations, and a slope is a function of what the
//! forward loop computed anyway. Both passes go over the whole graph, since a rule sees one node and here several loops are taken
//! together. Bodies are left with carries and slices that nobody reads, which `bodies.rs` drops.

mod after;
mod factors;
mod saved;

pub(super) use after::PRODUCT_AFTER_LOOP;
pub(super) use saved::SAVE_WHAT_IS_READ;

use super::{Swept, report::SimplifyReport};
use crate::graph::Op;

/// The graph with some work moved, if there is any to move.
pub(super) fn moved(swept: &Swept, report: &mut SimplifyReport) -> Option<Swept> {
    let graph = &swept.graph;
    if !graph.ids().any(|id| matches!(graph.node(id).op, Op::Scan(_))) {
        return None;
    }
    after::summed(swept, report).or_else(|| saved::moved(swept, report))
}

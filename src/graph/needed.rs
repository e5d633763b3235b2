//! What must be kept of a graph for some results. In: the results. Out: what they are computed from, and the inputs without
//! which a size in there is not known.

use std::{collections::BTreeSet, sync::Arc};

use super::{Dim, Graph, NodeId, Op};

impl Graph {
    /// What the results are computed from, and the inputs that tell the size of an axis in there, operands before their
    /// users. A size that one of those computed from states as a symbol alone is told; other equations may need more inputs
    /// to be solved, and all that share their symbols stay. None of these must be fed, if others tell.
    pub(crate) fn needed(&self, results: &[NodeId]) -> Vec<NodeId> {
        let mut needed = self.ancestors(results);
        let (mut bound_symbols, mut used): (BTreeSet<Arc<str>>, BTreeSet<Arc<str>>) = Default::default();
        for id in &needed {
            let node = self.node(*id);
            used.extend(node.symbols());
            if let Op::Input(_) = &node.op {
                bound_symbols.extend(node.ty.shape.iter().filter_map(as_symbol));
            }
        }
        let mut others: Vec<_> =
            self.inputs().into_iter().filter(|input| needed.binary_search(&input.id()).is_err()).collect();
        loop {
            let symbols = |shape: crate::graph::Shape| shape.iter().flat_map(Dim::symbols).collect::<Vec<_>>();
            let tells = |symbol: &Arc<str>| used.contains(symbol) && !bound_symbols.contains(symbol);
            let (found, rest): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|input| symbols(input.shape()).iter().any(tells));
            if found.is_empty() {
                break;
            }
            used.extend(found.iter().flat_map(|input| symbols(input.shape())));
            needed.extend(found.iter().map(|input| input.id()));
            others = rest;
        }
        needed.sort_unstable();
        needed
    }
}

/// The symbol that a dim is, if it is one alone.
fn as_symbol(dim: &Dim) -> Option<Arc<str>> {
    let symbols = dim.symbols();
    let [symbol] = symbols.as_slice() else { return None };
    (*dim == Dim::symbol(symbol.clone())).then(|| symbol.clone())
}

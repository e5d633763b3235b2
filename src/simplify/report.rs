//! What a simplification did. In: one call for each firing. Out: a table by rule and by the user's line, in the order of
//! names and places, so that one program always gives one text.

use std::{collections::BTreeMap, fmt};

use super::class::Class;
use crate::graph::{Dim, Expr, Graph, NodeId, Site};

/// One rule that fired for one line of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Firing {
    /// The rule's name.
    pub rule: &'static str,
    /// What it promises.
    pub class: Class,
    /// The line whose nodes were rewritten.
    pub site: Site,
    /// How often.
    pub count: usize,
}

/// What a simplification did: nodes and floating-point operations before and after, and every rule that fired.
///
/// `Display` is a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SimplifyReport {
    /// The nodes that the results needed.
    pub nodes_before: usize,
    /// The nodes that they need now.
    pub nodes_after: usize,
    /// As [`Graph::flops`] before.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_as_text"))]
    pub flops_before: Dim,
    /// As [`Graph::flops`] now.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_as_text"))]
    pub flops_after: Dim,
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_firings"))]
    firings: Firings,
}

/// (rule, file, line, column) → (class, how often).
type Firings = BTreeMap<(&'static str, &'static str, u32, u32), (Class, usize)>;

impl SimplifyReport {
    pub(super) fn before(graph: &Graph, results: &[NodeId]) -> SimplifyReport {
        let (nodes, flops) = (graph.ancestors(results).len(), flops(graph, results));
        SimplifyReport {
            nodes_before: nodes,
            nodes_after: nodes,
            flops_before: flops.clone(),
            flops_after: flops,
            firings: BTreeMap::new(),
        }
    }

    pub(super) fn close(&mut self, graph: &Graph, results: &[NodeId]) {
        self.nodes_after = graph.ancestors(results).len();
        self.flops_after = flops(graph, results);
    }

    pub(super) fn add(&mut self, rule: &'static str, class: Class, site: Site) {
        self.firings.entry((rule, site.file, site.line, site.column)).or_insert((class, 0)).1 += 1;
    }

    /// Adds what fired in a body.
    pub(super) fn absorb(&mut self, body: &SimplifyReport) {
        for (place, (class, count)) in &body.firings {
            self.firings.entry(*place).or_insert((*class, 0)).1 += count;
        }
    }

    /// Every rule that fired, by name and then by place.
    pub fn firings(&self) -> impl Iterator<Item = Firing> {
        listed(&self.firings)
    }

    /// How often a rule fired, over all lines.
    pub fn count(&self, rule: &str) -> usize {
        self.firings().filter(|firing| firing.rule == rule).map(|firing| firing.count).sum()
    }
}

fn listed(firings: &Firings) -> impl Iterator<Item = Firing> {
    firings.iter().map(|(&(rule, file, line, column), &(class, count))| {
        let site = Site { file, line, column };
        Firing { rule, class, site, count }
    })
}

#[cfg(feature = "serde")]
fn serialize_firings<S: serde::Serializer>(firings: &Firings, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(listed(firings))
}

#[cfg(feature = "serde")]
fn serialize_as_text<S: serde::Serializer>(dim: &Dim, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(dim)
}

fn flops(graph: &Graph, results: &[NodeId]) -> Dim {
    let named: Vec<(&str, Expr<'_>)> = results.iter().map(|id| ("", graph.expr(*id))).collect();
    graph.flops(named)
}

impl fmt::Display for SimplifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "nodes: {} -> {}", self.nodes_before, self.nodes_after)?;
        writeln!(f, "flops: {} -> {}", self.flops_before, self.flops_after)?;
        let width = self.firings().map(|firing| firing.rule.len()).max().unwrap_or(0);
        for firing in self.firings() {
            writeln!(f, "{:width$}  {:9}  {:5} x  {}", firing.rule, firing.class.name(), firing.count, firing.site)?;
        }
        Ok(())
    }
}

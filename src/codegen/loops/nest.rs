//! The loops of a fused step. In: its vertices, with rows and columns. Out: a [`Nest`]: how each is computed and in which phase, the sizes of
//! the loops, what is kept between phases, and where loops are cut at paddings.

use std::collections::{BTreeSet, HashMap};

use super::{
    super::{
        index::{AffineIndex, Coordinate},
        ir::{ArrayId, ScalarId, VariableId},
        lower::PlanLowering,
    },
    flat,
};
use crate::{
    graph::{DType, Reduction},
    plan::{ReduceVertex, ReductionAxis, StridedLayout, VertexKind, count, is_terminal},
};

/// The most pieces into which a loop is cut at paddings.
const MAX_PIECES: usize = 5;

/// Whether a member has a value for each element or for each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Element,
    Row,
}

/// How a member is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// From the element or row at hand.
    Each,
    /// By adding up a row.
    RowReduction(ReduceVertex),
    /// By adding up all elements, or those of each column or channel.
    Terminal(ReduceVertex),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) vertex: usize,
    pub(super) extent: Extent,
    pub(super) role: Role,
    pub(super) phase: usize,
}

impl Member {
    /// The number of channels, if it adds up each of them.
    pub(super) fn channels(&self) -> Option<usize> {
        match self.role {
            Role::Terminal(ReduceVertex { along: ReductionAxis::Channels(n), .. }) => Some(n),
            Role::Each | Role::RowReduction(_) | Role::Terminal(_) => None,
        }
    }
}

/// What adds up in a loop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    pub(super) total: VariableId,
    /// Partial sums side by side.
    pub(super) lanes: Option<ArrayId>,
    pub(super) kind: Reduction,
    pub(super) dtype: DType,
}

/// A step while its loops are written.
pub(super) struct Nest {
    pub(super) members: Vec<Member>,
    pub(super) columns: usize,
    /// Sizes of the loops over rows and over columns.
    pub(super) row_sizes: Vec<usize>,
    pub(super) column_sizes: Vec<usize>,
    /// Values of rows, by vertex.
    pub(super) of_row: HashMap<usize, ScalarId>,
    /// Elements that are kept for later phases of the row, by vertex.
    pub(super) kept: HashMap<usize, ArrayId>,
    pub(super) sums: HashMap<usize, Sum>,
}

impl Nest {
    /// The channel of a row, of so many: the innermost loops over rows go over them.
    pub(super) fn channel(&self, at: &[Coordinate], n_channels: usize) -> AffineIndex {
        let rows = &at[..self.row_sizes.len()];
        let mut n = 1;
        let inner = rows.iter().rev().take_while(|coordinate| {
            n *= coordinate.size;
            n <= n_channels
        });
        flat(&rows[rows.len() - inner.count()..])
    }
}

impl PlanLowering<'_, '_> {
    pub(super) fn nest(&mut self, vertices: &[usize], rows: usize, columns: usize) -> Nest {
        let network = &self.plan.network;
        let n_elements = rows * columns;
        let reduces_rows = |vertex: &usize| matches!(&network.vertices[*vertex].kind, VertexKind::Reduce(reduce) if !is_terminal(reduce));
        let has_columns = vertices.iter().any(|vertex| match &network.vertices[*vertex].kind {
            VertexKind::Reduce(reduce) => reduce.rows != 1,
            _ => count(&network.vertices[*vertex].sizes) != n_elements,
        });
        let mut members: Vec<Member> = Vec::with_capacity(vertices.len());
        for vertex in vertices {
            let def = &network.vertices[*vertex];
            let n_own = match &def.kind {
                VertexKind::Reduce(_) => count(&def.operands[0].layout.sizes()),
                _ => count(&def.sizes),
            };
            let extent = if n_own == n_elements { Extent::Element } else { Extent::Row };
            let role = match &def.kind {
                VertexKind::Reduce(reduce) if reduces_rows(vertex) && extent == Extent::Element => {
                    Role::RowReduction(*reduce)
                }
                VertexKind::Reduce(reduce) => Role::Terminal(*reduce),
                _ => Role::Each,
            };
            let after = |member: &&Member| def.operands.iter().any(|operand| operand.vertex == member.vertex);
            let phase_behind =
                |member: &Member| member.phase + usize::from(matches!(member.role, Role::RowReduction(_)));
            let phase = members.iter().filter(after).map(phase_behind).max().unwrap_or(0);
            members.push(Member { vertex: *vertex, extent, role, phase });
        }
        let (row_sizes, column_sizes) = self.loop_sizes(&members, rows, columns, has_columns);
        let mut nest = Nest {
            members,
            columns,
            row_sizes,
            column_sizes,
            of_row: HashMap::new(),
            kept: HashMap::new(),
            sums: HashMap::new(),
        };
        self.choose_kept(&mut nest);
        nest
    }

    /// The loops: cut at the ends of a row, if these matter, and at the axes by which operands are read, as long as all fit together.
    fn loop_sizes(
        &self,
        members: &[Member],
        rows: usize,
        columns: usize,
        has_columns: bool,
    ) -> (Vec<usize>, Vec<usize>) {
        let network = &self.plan.network;
        let mut element_cuts: BTreeSet<usize> = BTreeSet::new();
        let mut row_cuts: BTreeSet<usize> = BTreeSet::new();
        for member in members {
            let def = &network.vertices[member.vertex];
            let cuts = if member.extent == Extent::Element { &mut element_cuts } else { &mut row_cuts };
            for operand in &def.operands {
                cuts.extend(suffix_products(&operand.layout.coalesced()));
            }
            if let VertexKind::Pad(_) = def.kind {
                cuts.extend(suffix_products(&StridedLayout::contiguous(&def.sizes)));
            }
        }
        if !has_columns {
            return (Vec::new(), chain(rows * columns, &element_cuts));
        }
        let of_rows = element_cuts.iter().filter(|cut| **cut > columns && *cut % columns == 0).map(|cut| cut / columns);
        row_cuts.extend(of_rows.collect::<Vec<_>>());
        // Channels have loops of their own.
        let n_channels = members.iter().find_map(Member::channels).unwrap_or(1);
        let outer_cuts = row_cuts.iter().filter(|cut| cut.is_multiple_of(n_channels)).map(|cut| cut / n_channels);
        let mut row_sizes = chain(rows / n_channels, &outer_cuts.collect());
        if n_channels > 1 {
            row_sizes.extend(chain(n_channels, &row_cuts));
        }
        (row_sizes, chain(columns, &element_cuts))
    }

    /// Values of elements that a later phase reads and that are dear are kept for the row.
    fn choose_kept(&mut self, nest: &mut Nest) {
        let network = &self.plan.network;
        let phase_of: HashMap<usize, Member> = nest.members.iter().map(|member| (member.vertex, *member)).collect();
        let mut wanted = BTreeSet::new();
        for member in &nest.members {
            for operand in &network.vertices[member.vertex].operands {
                let Some(read) = phase_of.get(&operand.vertex) else { continue };
                let is_earlier = read.extent == Extent::Element && read.role == Role::Each && read.phase < member.phase;
                if is_earlier && self.homes[read.vertex].memory.is_none() && self.is_dear(read.vertex, &phase_of) {
                    wanted.insert(read.vertex);
                }
            }
        }
        for vertex in wanted {
            let array = self.shared.builder.temporary(network.vertices[vertex].dtype, nest.columns);
            nest.kept.insert(vertex, array);
        }
    }

    /// Whether a value takes longer than some additions to compute again.
    fn is_dear(&self, vertex: usize, members: &HashMap<usize, Member>) -> bool {
        let network = &self.plan.network;
        let (mut waiting, mut weight) = (vec![vertex], 0);
        while let Some(next) = waiting.pop() {
            if let VertexKind::Map(function) = network.vertices[next].kind {
                weight += function.weight();
            }
            if weight > 4 {
                return true;
            }
            let inside = |vertex: &usize| members.get(vertex).is_some_and(|member| member.role == Role::Each);
            waiting.extend(network.vertices[next].operands.iter().map(|operand| operand.vertex).filter(inside));
        }
        false
    }

    /// The ranges of the axis at a depth of the nest, cut where a padding along it begins and ends.
    pub(super) fn pieces(&self, nest: &Nest, depth: usize, size: usize) -> Vec<(usize, usize)> {
        let mut cuts = BTreeSet::from([0, size]);
        for member in &nest.members {
            let def = &self.plan.network.vertices[member.vertex];
            let VertexKind::Pad(window) = &def.kind else { continue };
            let sizes: Vec<usize> = match member.extent {
                Extent::Element => nest.row_sizes.iter().chain(&nest.column_sizes).copied().collect(),
                Extent::Row => nest.row_sizes.clone(),
            };
            let Some(axes) = axes_of(&def.sizes, &sizes) else { continue };
            for (axis, loops) in axes.iter().enumerate() {
                if loops.as_slice() == [depth] {
                    let low = window.low[axis];
                    cuts.extend([low, low + def.operands[0].layout.axes[axis].size].iter().filter(|cut| **cut < size));
                }
            }
        }
        let cuts: Vec<usize> = cuts.into_iter().collect();
        if cuts.len() > MAX_PIECES + 1 {
            return vec![(0, size)];
        }
        cuts.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }
}

/// The numbers of elements behind each axis.
fn suffix_products(layout: &StridedLayout) -> Vec<usize> {
    let mut product = 1;
    let products = layout.axes.iter().rev().map(|axis| {
        product *= axis.size;
        product
    });
    products.collect()
}

/// Sizes of loops, outermost first, that are cut at as many of the cuts as divide each other.
fn chain(n: usize, cuts: &BTreeSet<usize>) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut last = 1;
    for cut in cuts.iter().filter(|cut| **cut > 1 && **cut < n) {
        if cut.is_multiple_of(last) && n.is_multiple_of(*cut) && *cut > last {
            sizes.push(cut / last);
            last = *cut;
        }
    }
    sizes.push(n / last.max(1));
    sizes.reverse();
    sizes
}

/// Which loops make up each axis, if every axis is made of whole loops.
pub(super) fn axes_of(axes: &[usize], loops: &[usize]) -> Option<Vec<Vec<usize>>> {
    let mut depth = loops.len();
    let mut found = Vec::with_capacity(axes.len());
    for axis in axes.iter().rev() {
        let (mut left, mut own) = (*axis, Vec::new());
        while left > 1 {
            depth = depth.checked_sub(1)?;
            if loops[depth] == 1 {
                continue;
            }
            if left % loops[depth] != 0 {
                return None;
            }
            left /= loops[depth];
            own.push(depth);
        }
        own.reverse();
        found.push(own);
    }
    found.reverse();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_as_fine_as_axes_that_fit_together() {
        assert_eq!(chain(24, &BTreeSet::from([4, 12, 24])), [2, 3, 4]);
        assert_eq!(chain(24, &BTreeSet::from([5, 6])), [4, 6]);
        assert_eq!(chain(7, &BTreeSet::new()), [7]);
        assert_eq!(axes_of(&[6, 4], &[2, 3, 4]), Some(vec![vec![0, 1], vec![2]]));
        assert_eq!(axes_of(&[4, 6], &[2, 3, 4]), None);
    }
}

//! Fused steps as loops. In: the vertices of a step, which share an iteration space of rows and columns. Out: one loop nest.
//!
//! The nest is as fine as the axes by which operands are read, so that every index is affine in its variables. Rows are the outer
//! loops. What is reduced along a row is known at its end only, so the columns are gone through once for each *phase*: a member belongs
//! to the phase after that of the reductions which it reads. A value of an earlier phase is computed again if that is cheap, and else
//! kept for the row. Ranges are cut where a padding begins and ends, so that no iteration asks which side it is on.

mod nest;

use std::collections::HashMap;

use self::nest::{Extent, Member, Nest, Role, Sum, axes_of};
use super::{
    index::{AffineIndex, Coordinate},
    ir::{ScalarId, ScalarKind, Statement, View},
    lower::{Home, PlanLowering, affine, combining, identity},
};
use crate::{
    graph::{Connective, DType, Reduction},
    plan::{
        AccessPattern, Function, PadOffset, ReduceVertex, ReductionAxis, ScalarValue, StridedLayout, VertexKind, count,
    },
};

/// Partial sums that a loop keeps side by side, so that they are added in vectors.
const LANES: usize = 8;

impl PlanLowering<'_, '_> {
    pub(super) fn fused_loops(&mut self, vertices: &[usize], [rows, columns]: [usize; 2]) {
        let mut nest = self.nest(vertices, rows, columns);
        for member in nest.members.clone() {
            if let Role::Terminal(reduce) = member.role {
                self.begin_terminal(&mut nest, &member, reduce);
            }
        }
        let row_sizes = nest.row_sizes.clone();
        self.over(&mut nest, &row_sizes, &mut Vec::new(), &mut |lowering, nest, at| lowering.row(nest, at));
        for member in nest.members.clone() {
            if let (Role::Terminal(_), Some(sum)) = (member.role, nest.sums.get(&member.vertex).copied()) {
                let total = self.total(sum);
                self.keep(member.vertex, vec![total]);
            }
        }
        nest.kept.values().for_each(|array| self.shared.builder.free(*array));
    }

    /// Loops over axes of these sizes, outermost first, around what `body` writes for their coordinates.
    fn over(
        &mut self,
        nest: &mut Nest,
        sizes: &[usize],
        at: &mut Vec<Coordinate>,
        body: &mut dyn FnMut(&mut Self, &mut Nest, &[Coordinate]),
    ) {
        let Some((size, rest)) = sizes.split_first() else { return body(self, nest, at) };
        let pieces = self.pieces(nest, at.len(), *size);
        for range in pieces {
            self.for_each(range, *size, at, &mut |lowering, at| lowering.over(nest, rest, at, body));
        }
    }

    /// A loop over a range of an axis; of one iteration none.
    fn for_each(
        &mut self,
        range: (usize, usize),
        size: usize,
        at: &mut Vec<Coordinate>,
        body: &mut dyn FnMut(&mut Self, &mut Vec<Coordinate>),
    ) {
        if range.1 - range.0 == 1 {
            at.push(Coordinate { index: AffineIndex::constant(range.0 as isize), size, range });
            self.shared.builder.open();
            body(self, at);
            let statements = self.shared.builder.close();
            statements.into_iter().for_each(|statement| self.shared.builder.push(statement));
            at.pop();
            return;
        }
        let variable = self.shared.builder.loop_variable();
        at.push(Coordinate { index: AffineIndex::variable(variable), size, range });
        self.shared.builder.open();
        body(self, at);
        let statements = self.shared.builder.close();
        self.shared.builder.push(Statement::For { variable, range, is_backward: false, body: statements });
        at.pop();
    }

    /// All of one row: what it has once, then its columns, phase by phase.
    fn row(&mut self, nest: &mut Nest, at: &[Coordinate]) {
        nest.of_row.clear();
        let last = nest.members.iter().map(|member| member.phase).max().unwrap_or(0);
        for phase in 0..=last {
            for member in nest.members.clone() {
                if member.phase == phase && member.extent == Extent::Row {
                    self.row_member(nest, &member, at);
                }
            }
            let is_here = |member: &&Member| member.phase == phase && member.extent == Extent::Element;
            let here: Vec<Member> = nest.members.iter().filter(is_here).copied().collect();
            if here.is_empty() {
                continue;
            }
            for member in &here {
                match member.role {
                    Role::RowReduction(reduce) => self.begin_sum(nest, member.vertex, reduce.kind),
                    Role::Terminal(reduce) if member.channels().is_some() => {
                        self.begin_sum(nest, member.vertex, reduce.kind);
                    }
                    Role::Each | Role::Terminal(_) => {}
                }
            }
            self.columns(nest, &here, at);
            for member in &here {
                if let Role::RowReduction(_) = member.role {
                    let total = self.total(nest.sums[&member.vertex]);
                    nest.of_row.insert(member.vertex, total);
                    self.write(member.vertex, &flat(at), total);
                }
                if let Some(n_channels) = member.channels() {
                    let total = self.total(nest.sums[&member.vertex]);
                    nest.sums.remove(&member.vertex);
                    self.add(nest, member, total, (None, &nest.channel(at, n_channels)));
                }
            }
        }
    }

    fn row_member(&mut self, nest: &mut Nest, member: &Member, at: &[Coordinate]) {
        match member.role {
            Role::Each => {
                let value = self.value(nest, &mut HashMap::new(), member.vertex, at);
                nest.of_row.insert(member.vertex, value);
                self.write(member.vertex, &flat(at), value);
            }
            Role::Terminal(_) => {
                let value = self.operand(nest, &mut HashMap::new(), (member.vertex, 0), at);
                self.add(nest, member, value, (None, &flat(at)));
            }
            Role::RowReduction(_) => unreachable!("invariant: rows are made of elements"),
        }
    }

    /// The loops over the columns of a row; the innermost keeps several partial sums side by side.
    fn columns(&mut self, nest: &mut Nest, here: &[Member], at: &[Coordinate]) {
        let sizes = nest.column_sizes.clone();
        let sums_up = |member: &Member| nest.sums.get(&member.vertex).is_some_and(|sum| sum.lanes.is_some());
        let (outer, inner) = match sizes.split_last() {
            Some((inner, outer)) if here.iter().any(sums_up) => (outer.to_vec(), Some(*inner)),
            _ => (sizes, None),
        };
        let mut at = at.to_vec();
        self.over(nest, &outer, &mut at, &mut |lowering, nest, at| {
            let Some(size) = inner else { return lowering.elements(nest, here, at, None) };
            let mut at = at.to_vec();
            for range in lowering.pieces(nest, at.len(), size) {
                lowering.in_lanes(nest, here, &mut at, (range, size));
            }
        });
    }

    /// A loop over a range with [`LANES`] partial sums, and one over what is left.
    fn in_lanes(
        &mut self,
        nest: &mut Nest,
        here: &[Member],
        at: &mut Vec<Coordinate>,
        (range, size): ((usize, usize), usize),
    ) {
        let n_blocks = (range.1 - range.0) / LANES;
        if n_blocks > 0 {
            let [block, lane] = [(), ()].map(|()| self.shared.builder.loop_variable());
            let index = AffineIndex::constant(range.0 as isize).plus(&AffineIndex::variable(block), LANES as isize);
            at.push(Coordinate { index: index.plus(&AffineIndex::variable(lane), 1), size, range });
            self.shared.builder.open();
            self.elements(nest, here, at, Some(&AffineIndex::variable(lane)));
            let body = self.shared.builder.close();
            let lanes = Statement::For { variable: lane, range: (0, LANES), is_backward: false, body };
            let blocks =
                Statement::For { variable: block, range: (0, n_blocks), is_backward: false, body: vec![lanes] };
            self.shared.builder.push(blocks);
            at.pop();
        }
        let rest = (range.0 + n_blocks * LANES, range.1);
        if rest.0 < rest.1 {
            self.for_each(rest, size, at, &mut |lowering, at| lowering.elements(nest, here, at, None));
        }
    }

    /// Everything of one element in this phase; what is read is read before anything is written.
    fn elements(&mut self, nest: &mut Nest, here: &[Member], at: &[Coordinate], lane: Option<&AffineIndex>) {
        let mut known = HashMap::new();
        let mut values = Vec::with_capacity(here.len());
        for member in here {
            let value = match member.role {
                Role::Each => self.value(nest, &mut known, member.vertex, at),
                Role::RowReduction(_) | Role::Terminal(_) => self.operand(nest, &mut known, (member.vertex, 0), at),
            };
            if member.role == Role::Each {
                known.insert(member.vertex, value);
            }
            values.push(value);
        }
        let column = flat(&at[nest.row_sizes.len()..]);
        for (member, value) in here.iter().zip(values) {
            match member.role {
                Role::Each => {
                    self.write(member.vertex, &flat(at), value);
                    if let Some(array) = nest.kept.get(&member.vertex) {
                        self.shared.builder.store(*array, column.clone(), value);
                    }
                }
                Role::RowReduction(_) | Role::Terminal(_) => self.add(nest, member, value, (lane, &column)),
            }
        }
    }

    /// The value of a member at these coordinates: known, kept, in memory, or computed again.
    fn value(
        &mut self,
        nest: &Nest,
        known: &mut HashMap<usize, ScalarId>,
        vertex: usize,
        at: &[Coordinate],
    ) -> ScalarId {
        let plan = self.plan;
        let def = &plan.network.vertices[vertex];
        match &def.kind {
            VertexKind::Map(function) => {
                let operands: Vec<ScalarId> =
                    (0..def.operands.len()).map(|position| self.operand(nest, known, (vertex, position), at)).collect();
                self.shared.builder.apply(*function, &operands, def.dtype)
            }
            VertexKind::Copy => self.operand(nest, known, (vertex, 0), at),
            VertexKind::Pad(window) => self.padded(vertex, window, at),
            other => unreachable!("invariant: {other:?} is not fused"),
        }
    }

    /// An operand of a member at the coordinates of that member.
    fn operand(
        &mut self,
        nest: &Nest,
        known: &mut HashMap<usize, ScalarId>,
        (vertex, position): (usize, usize),
        at: &[Coordinate],
    ) -> ScalarId {
        let plan = self.plan;
        let operand = &plan.network.vertices[vertex].operands[position];
        let read = operand.vertex;
        if let Some(value) = known.get(&read).or_else(|| nest.of_row.get(&read)) {
            return *value;
        }
        let Some(member) = nest.members.iter().find(|member| member.vertex == read) else {
            let index = self.index_of(&operand.layout.coalesced(), at);
            return self.read_at(read, &index, at);
        };
        // A member of an earlier phase, which is read element by element.
        debug_assert_eq!(
            operand.layout.access_pattern(count(&plan.network.vertices[read].sizes)),
            AccessPattern::Elementwise
        );
        if let Some(array) = nest.kept.get(&read) {
            return self.shared.builder.load_now(*array, flat(&at[nest.row_sizes.len()..]));
        }
        if let Some(view) = self.homes[read].memory.clone() {
            return self.shared.builder.load_now(view.array, view.at(&flat(at)));
        }
        let value = self.value(nest, known, member.vertex, at);
        known.insert(read, value);
        value
    }

    /// An element of an array of an earlier step. The one iteration at the end of a padding reads behind a loop what that has written
    /// last, which a compiler would keep for it instead of making vectors of the loop.
    fn read_at(&mut self, vertex: usize, index: &AffineIndex, at: &[Coordinate]) -> ScalarId {
        let is_end = at.iter().any(|coordinate| coordinate.size > 1 && coordinate.range.1 - coordinate.range.0 == 1);
        match (&self.homes[vertex], index.as_constant()) {
            (Home { scalars: None, number: None, memory: Some(view) }, Some(_)) if is_end => {
                let (array, index) = (view.array, view.at(index));
                self.shared.builder.load_behind_loop(array, index)
            }
            _ => self.read(vertex, index),
        }
    }

    /// The position in an operand's array; where strides do not fit the loops, by divisions.
    fn index_of(&mut self, layout: &StridedLayout, at: &[Coordinate]) -> AffineIndex {
        if layout.axes.iter().all(|axis| axis.stride == 0) {
            return AffineIndex::constant(layout.offset);
        }
        if let Some(index) = affine(layout, at) {
            return index;
        }
        let (position, mut divisor, mut index) = (flat(at), 1, AffineIndex::constant(layout.offset));
        for axis in layout.axes.iter().rev() {
            let variable = self.shared.builder.loop_variable();
            self.shared.builder.push(Statement::Derive { variable, index: position.clone(), divisor, size: axis.size });
            index = index.plus(&AffineIndex::variable(variable), axis.stride);
            divisor *= axis.size;
        }
        index
    }

    /// An element of an array in zeros.
    fn padded(&mut self, vertex: usize, window: &PadOffset, at: &[Coordinate]) -> ScalarId {
        let plan = self.plan;
        let def = &plan.network.vertices[vertex];
        let layout = &def.operands[0].layout;
        let zero = self.shared.builder.number(ScalarValue::new(def.dtype, 0.0));
        let loops: Vec<usize> = at.iter().map(|coordinate| coordinate.size).collect();
        let axes = axes_of(&def.sizes, &loops);
        let (mut index, mut conditions) = (AffineIndex::constant(layout.offset), Vec::new());
        let (position, mut divisor) = (flat(at), def.sizes.iter().product::<usize>());
        for (axis, size) in def.sizes.iter().enumerate() {
            divisor /= (*size).max(1);
            let low = window.low[axis];
            let high = low + layout.axes[axis].size;
            let (place, range) = match &axes {
                Some(axes) => (flat_of(axes[axis].iter().map(|depth| &at[*depth])), range_of(&axes[axis], at)),
                None => {
                    let variable = self.shared.builder.loop_variable();
                    let index = position.clone();
                    self.shared.builder.push(Statement::Derive { variable, index, divisor, size: *size });
                    (AffineIndex::variable(variable), (0, *size))
                }
            };
            if range.0 >= high || range.1 <= low {
                return zero;
            }
            if range.0 < low || range.1 > high {
                conditions.push((place.clone(), low, high));
            }
            index = index.plus(&place.offset(-(low as isize)), layout.axes[axis].stride);
        }
        if conditions.is_empty() {
            return self.read_at(def.operands[0].vertex, &index, at);
        }
        self.guarded(def.operands[0].vertex, &index, &conditions, zero)
    }

    /// An element if the conditions hold, else zero.
    fn guarded(
        &mut self,
        vertex: usize,
        index: &AffineIndex,
        conditions: &[(AffineIndex, usize, usize)],
        zero: ScalarId,
    ) -> ScalarId {
        let variable = self.shared.builder.variable(zero);
        let mut holds: Option<ScalarId> = None;
        for (index, low, high) in conditions {
            let kind = ScalarKind::Within { index: index.clone(), low: *low as isize, high: *high as isize };
            let within = self.shared.builder.scalar(kind, DType::Bool);
            holds = Some(match holds {
                None => within,
                Some(holds) => {
                    let and = Function::Connective(Connective::And);
                    self.shared.builder.apply(and, &[holds, within], DType::Bool)
                }
            });
        }
        self.shared.builder.open();
        let value = self.read(vertex, index);
        self.shared.builder.push(Statement::Assign { variable, value });
        let then = self.shared.builder.close();
        let condition = holds.expect("invariant: there is a condition");
        self.shared.builder.push(Statement::If { condition, then, otherwise: Vec::new() });
        self.shared.builder.read(variable)
    }

    /// Writes an element of a vertex, if that lies in memory.
    fn write(&mut self, vertex: usize, index: &AffineIndex, value: ScalarId) {
        if let Some(view) = self.homes[vertex].memory.clone() {
            self.shared.builder.store(view.array, view.at(index), value);
        }
    }

    /// Makes the accumulators of a reduction whose result is known at the end.
    fn begin_terminal(&mut self, nest: &mut Nest, member: &Member, reduce: ReduceVertex) {
        let dtype = self.plan.network.vertices[member.vertex].dtype;
        let len = match reduce.along {
            ReductionAxis::Channels(n) => n,
            ReductionAxis::Columns if reduce.columns > 1 => reduce.columns,
            ReductionAxis::Columns | ReductionAxis::Rows => return self.begin_sum(nest, member.vertex, reduce.kind),
        };
        let view = self.homes[member.vertex].memory.clone().expect("invariant: results of loops lie in memory");
        let value = self.shared.builder.number(identity(reduce.kind, dtype));
        self.shared.builder.push(Statement::Fill { to: view, len, value });
    }

    fn begin_sum(&mut self, nest: &mut Nest, vertex: usize, kind: Reduction) {
        let dtype = self.plan.network.vertices[vertex].dtype;
        let start = self.shared.builder.number(identity(kind, dtype));
        let is_long = nest.column_sizes.last().is_some_and(|size| *size >= 2 * LANES);
        let lanes = (is_long && dtype.is_float()).then(|| {
            let array = self.shared.builder.temporary(dtype, LANES);
            self.shared.builder.push(Statement::Fill { to: View::whole(array), len: LANES, value: start });
            array
        });
        let total = self.shared.builder.variable(start);
        nest.sums.insert(vertex, Sum { total, lanes, kind, dtype });
    }

    /// Takes one more element into a reduction: into its lane, if there are any here, or that of its column or channel.
    fn add(
        &mut self,
        nest: &Nest,
        member: &Member,
        value: ScalarId,
        (lane, column): (Option<&AffineIndex>, &AffineIndex),
    ) {
        let (Role::RowReduction(reduce) | Role::Terminal(reduce)) = member.role else { return };
        let function = combining(reduce.kind);
        match nest.sums.get(&member.vertex) {
            Some(Sum { lanes: Some(array), .. }) if lane.is_some() => {
                let lane = lane.cloned().unwrap_or_default();
                let before = self.shared.builder.load_now(*array, lane.clone());
                let after = self.shared.builder.binary(function, before, value);
                self.shared.builder.store(*array, lane, after);
            }
            Some(sum) => {
                let before = self.shared.builder.read(sum.total);
                let after = self.shared.builder.binary(function, before, value);
                self.shared.builder.push(Statement::Assign { variable: sum.total, value: after });
            }
            None => {
                let view = self.homes[member.vertex].memory.clone().expect("invariant: results of loops lie in memory");
                let index = view.at(column);
                let before = self.shared.builder.load_now(view.array, index.clone());
                let after = self.shared.builder.binary(function, before, value);
                self.shared.builder.store(view.array, index, after);
            }
        }
    }

    /// The value of a sum that is done.
    fn total(&mut self, sum: Sum) -> ScalarId {
        let rest = self.shared.builder.read(sum.total);
        let Some(array) = sum.lanes else { return rest };
        let lanes: Vec<ScalarId> =
            (0..LANES).map(|lane| self.shared.builder.load_now(array, AffineIndex::constant(lane as isize))).collect();
        let lanes = self.reduced(sum.kind, &lanes, sum.dtype);
        self.shared.builder.binary(combining(sum.kind), lanes, rest)
    }
}

/// The position of coordinates in row-major order.
pub(super) fn flat(at: &[Coordinate]) -> AffineIndex {
    flat_of(at.iter())
}

fn flat_of<'c>(at: impl DoubleEndedIterator<Item = &'c Coordinate>) -> AffineIndex {
    let (mut stride, mut index) = (1, AffineIndex::constant(0));
    for coordinate in at.rev() {
        index = index.plus(&coordinate.index, stride);
        stride *= coordinate.size as isize;
    }
    index
}

/// The bounds of the position along an axis that is made of these loops; none but its own of an axis of several.
fn range_of(loops: &[usize], at: &[Coordinate]) -> (usize, usize) {
    match loops {
        [] => (0, 1),
        [depth] => at[*depth].range,
        several => (0, several.iter().map(|depth| at[*depth].size).product()),
    }
}

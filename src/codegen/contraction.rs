//! Products of matrices as loops. In: a contraction by strides. Out: for each row of the result, steps of the sum outside and elements of
//! the row inside, where these lie side by side, so that a compiler makes vectors of them; else sums of several lanes.

use super::{
    index::AffineIndex,
    ir::{ScalarId, Statement, View},
    lower::PlanLowering,
};
use crate::{
    graph::{Binary, DType, Reduction},
    plan::{Contraction, ScalarValue, count},
};

/// Steps of the sum that go through the accumulators together.
const STEPS: usize = 4;
/// Partial sums side by side, of a sum whose steps alone lie side by side.
const LANES: usize = 8;
/// The least elements of a row that is worth a loop of its own.
const MIN_ROW: usize = 4;

/// One of the matrices: what holds it, where it begins, and its strides along the row of the result, across it, and along the sum.
#[derive(Debug, Clone)]
struct Factor {
    vertex: usize,
    start: AffineIndex,
    along: isize,
    across: isize,
    step: isize,
}

/// The result, seen as rows.
struct Rows {
    /// The factor that differs along a row, and the one that does not.
    vector: Factor,
    scalar: Factor,
    to: View,
    n_along: usize,
    n_across: usize,
    along: isize,
    across: isize,
    n_steps: usize,
    dtype: DType,
}

impl PlanLowering<'_, '_> {
    pub(super) fn contraction_loops(&mut self, vertex: usize, contraction: &Contraction) {
        let def = &self.plan.network.vertices[vertex];
        let home = self.homes[vertex].memory.clone().expect("invariant: what loops write lies in memory");
        let dtype = def.dtype;
        if count(&def.sizes) == 0 {
            return;
        }
        let [left, right] =
            [0, 1].map(|position| (def.operands[position].vertex, def.operands[position].layout.offset));
        let mut starts = [AffineIndex::constant(left.1), AffineIndex::constant(right.1), home.base.clone()];
        let mut loops = Vec::new();
        for axis in contraction.batch.iter().filter(|axis| axis.size > 1) {
            let variable = self.shared.builder.loop_variable();
            (0..3).for_each(|side| {
                starts[side] = starts[side].plus(&AffineIndex::variable(variable), axis.strides[side])
            });
            loops.push((variable, axis.size));
            self.shared.builder.open();
        }
        let [a, b, c] = starts;
        let Contraction { a: of_a, b: of_b, c: of_c, m, n, k, .. } = contraction;
        let left = Factor { vertex: left.0, start: a, along: of_a[0], across: 0, step: of_a[1] };
        let right = Factor { vertex: right.0, start: b, along: of_b[1], across: 0, step: of_b[0] };
        let to = View { array: home.array, base: c };
        let along_columns = *n >= MIN_ROW && of_b[1] == 1 || *m < MIN_ROW || of_a[0] != 1;
        let rows = if along_columns {
            let scalar = Factor { across: left.along, along: 0, ..left };
            let (along, across) = (of_c[1], of_c[0]);
            Rows { vector: right, scalar, to, n_along: *n, n_across: *m, along, across, n_steps: *k, dtype }
        } else {
            let scalar = Factor { across: right.along, along: 0, ..right };
            let (along, across) = (of_c[0], of_c[1]);
            Rows { vector: left, scalar, to, n_along: *m, n_across: *n, along, across, n_steps: *k, dtype }
        };
        if rows.vector.along == 1 && rows.n_along >= MIN_ROW {
            self.by_steps(&rows)
        } else {
            self.by_sums(&rows)
        }
        for (variable, size) in loops.into_iter().rev() {
            let body = self.shared.builder.close();
            self.shared.builder.push(Statement::For { variable, range: (0, size), is_backward: false, body });
        }
    }

    /// What `body` writes for each position of a range.
    fn repeat(&mut self, n: usize, body: impl FnOnce(&mut Self, &AffineIndex)) {
        if n == 1 {
            return body(self, &AffineIndex::constant(0));
        }
        let variable = self.shared.builder.loop_variable();
        self.shared.builder.open();
        body(self, &AffineIndex::variable(variable));
        let body = self.shared.builder.close();
        self.shared.builder.push(Statement::For { variable, range: (0, n), is_backward: false, body });
    }

    fn factor(&mut self, side: &Factor, along: &AffineIndex, across: &AffineIndex, step: &AffineIndex) -> ScalarId {
        let index = side.start.plus(along, side.along).plus(across, side.across).plus(step, side.step);
        self.read(side.vertex, &index)
    }

    /// Row by row: accumulators for the whole row, and some steps of the sum at a time.
    fn by_steps(&mut self, rows: &Rows) {
        let sums = self.shared.builder.temporary(rows.dtype, rows.n_along);
        self.repeat(rows.n_across, |lowering, across| {
            let zero = lowering.shared.builder.number(ScalarValue::new(rows.dtype, 0.0));
            lowering.shared.builder.push(Statement::Fill { to: View::whole(sums), len: rows.n_along, value: zero });
            let n_blocks = rows.n_steps / STEPS;
            let add = |lowering: &mut Self, first: &AffineIndex, n_steps: usize| {
                let steps: Vec<AffineIndex> = (0..n_steps).map(|step| first.offset(step as isize)).collect();
                let none = AffineIndex::constant(0);
                let scalars: Vec<ScalarId> =
                    steps.iter().map(|step| lowering.factor(&rows.scalar, &none, across, step)).collect();
                lowering.repeat(rows.n_along, |lowering, along| {
                    let mut products = Vec::with_capacity(steps.len());
                    for (scalar, step) in scalars.iter().zip(&steps) {
                        let element = lowering.factor(&rows.vector, along, across, step);
                        products.push(lowering.shared.builder.binary(Binary::Mul, *scalar, element));
                    }
                    let sum = lowering.reduced(Reduction::Sum, &products, rows.dtype);
                    let before = lowering.shared.builder.load_now(sums, along.clone());
                    let after = lowering.shared.builder.binary(Binary::Add, before, sum);
                    lowering.shared.builder.store(sums, along.clone(), after);
                });
            };
            if n_blocks > 0 {
                lowering.repeat(n_blocks, |lowering, block| {
                    add(lowering, &AffineIndex::constant(0).plus(block, STEPS as isize), STEPS);
                });
            }
            if !rows.n_steps.is_multiple_of(STEPS) {
                add(lowering, &AffineIndex::constant((n_blocks * STEPS) as isize), rows.n_steps % STEPS);
            }
            lowering.repeat(rows.n_along, |lowering, along| {
                let value = lowering.shared.builder.load_now(sums, along.clone());
                let index = rows.to.base.plus(along, rows.along).plus(across, rows.across);
                lowering.shared.builder.store(rows.to.array, index, value);
            });
        });
        self.shared.builder.free(sums);
    }

    /// Element by element: a sum of several lanes.
    fn by_sums(&mut self, rows: &Rows) {
        self.repeat(rows.n_across, |lowering, across| {
            lowering.repeat(rows.n_along, |lowering, along| {
                let sum = lowering.one_sum(rows, along, across);
                let index = rows.to.base.plus(along, rows.along).plus(across, rows.across);
                lowering.shared.builder.store(rows.to.array, index, sum);
            });
        });
    }

    fn one_sum(&mut self, rows: &Rows, along: &AffineIndex, across: &AffineIndex) -> ScalarId {
        let product = |lowering: &mut Self, step: &AffineIndex| {
            let left = lowering.factor(&rows.scalar, along, across, step);
            let right = lowering.factor(&rows.vector, along, across, step);
            lowering.shared.builder.binary(Binary::Mul, left, right)
        };
        let n_blocks = rows.n_steps / LANES;
        let rest: Vec<AffineIndex> =
            (n_blocks * LANES..rows.n_steps).map(|step| AffineIndex::constant(step as isize)).collect();
        let rest: Vec<ScalarId> = rest.iter().map(|step| product(self, step)).collect();
        let rest = self.reduced(Reduction::Sum, &rest, rows.dtype);
        if n_blocks == 0 {
            return rest;
        }
        let zero = self.shared.builder.number(ScalarValue::new(rows.dtype, 0.0));
        let sums = self.shared.builder.temporary(rows.dtype, LANES);
        self.shared.builder.push(Statement::Fill { to: View::whole(sums), len: LANES, value: zero });
        self.repeat(n_blocks, |lowering, block| {
            lowering.repeat(LANES, |lowering, lane| {
                let step = AffineIndex::constant(0).plus(block, LANES as isize).plus(lane, 1);
                let product = product(lowering, &step);
                let before = lowering.shared.builder.load_now(sums, lane.clone());
                let after = lowering.shared.builder.binary(Binary::Add, before, product);
                lowering.shared.builder.store(sums, lane.clone(), after);
            });
        });
        let load = |lane: usize| AffineIndex::constant(lane as isize);
        let lanes: Vec<ScalarId> = (0..LANES).map(|lane| self.shared.builder.load_now(sums, load(lane))).collect();
        let lanes = self.reduced(Reduction::Sum, &lanes, rows.dtype);
        self.shared.builder.free(sums);
        self.shared.builder.binary(Binary::Add, lanes, rest)
    }
}

//! Plans → code. In: a plan, where its leaves are and where its results go. Out: statements of a [`CodeBuilder`]: short steps as scalars one by
//! one, the others as loops (`loops.rs`, `contraction.rs`), other primitives by helpers (`primitive.rs`), bodies by loops and branches
//! (`nested.rs`).

use std::{rc::Rc, sync::Arc};

use super::{
    error::Refusal,
    index::{AffineIndex, Coordinate},
    ir::{Array, ArrayId, ArrayPlace, CodeBuilder, ScalarId, Statement, View},
    module::in_comment,
};
use crate::{
    graph::{Binary, Bindings, DType, Reduction, Value},
    plan::{
        Contraction, Origin, Plan, PlanStep, ReductionAxis, ScalarValue, StepKind, StridedLayout, TileProgram, Vertex,
        VertexKind, count, offsets,
    },
};

/// A step of at most so many elements and operations is written out scalar by scalar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) elements: usize,
    pub(super) operations: usize,
}

/// Where the value of a vertex is: as scalars, in memory, or both.
#[derive(Debug, Clone, Default)]
pub(super) struct Home {
    pub(super) scalars: Option<Rc<[ScalarId]>>,
    pub(super) memory: Option<View>,
    /// One number for all elements.
    pub(super) number: Option<ScalarValue>,
}

impl Home {
    pub(super) fn memory(view: View) -> Home {
        Home { memory: Some(view), ..Home::default() }
    }

    pub(super) fn scalars(scalars: Vec<ScalarId>) -> Home {
        Home { scalars: Some(scalars.into()), ..Home::default() }
    }
}

/// What all functions and bodies of one program share while they are lowered.
#[derive(Debug)]
pub(super) struct Lowering {
    pub(super) builder: CodeBuilder,
    pub(super) limits: Limits,
    /// The numbers that symbols stand for.
    pub(super) bindings: Bindings,
    /// Arrays of constants, each once.
    pub(super) constants: Vec<(ArrayId, Arc<Value>)>,
}

/// One plan while it is lowered.
pub(super) struct PlanLowering<'p, 'l> {
    pub(super) plan: &'p Plan,
    pub(super) shared: &'l mut Lowering,
    pub(super) homes: Vec<Home>,
    /// Whether each step is written out.
    pub(super) is_unrolled: Vec<bool>,
    /// Whether the elements of each vertex are read in memory.
    pub(super) needs_memory: Vec<bool>,
}

impl Lowering {
    /// Lowers a plan; gives where its results are. Those with a destination are written there.
    pub(super) fn plan(
        &mut self,
        plan: &Plan,
        leaves: &[Home],
        destinations: &[Option<View>],
    ) -> Result<Vec<Home>, Refusal> {
        let is_unrolled: Vec<bool> = plan.steps.iter().map(|step| is_short(plan, step, self.limits)).collect();
        let mut needs_memory = memory_needs(plan, &is_unrolled);
        let mut homes = vec![Home::default(); plan.network.vertices.len()];
        for (vertex, def) in plan.network.vertices.iter().enumerate() {
            homes[vertex] = match &def.kind {
                VertexKind::Leaf(position) => leaves[*position].clone(),
                VertexKind::Splat(number) => Home { number: Some(*number), ..Home::default() },
                VertexKind::Constant(value) => self.constant(value),
                _ => Home::default(),
            };
        }
        for (result, destination) in plan.network.results.iter().zip(destinations) {
            if let Some(view) = destination {
                homes[*result].memory = Some(view.clone());
                needs_memory[*result] = true;
            }
        }
        let mut lowering = PlanLowering { plan, shared: self, homes, is_unrolled, needs_memory };
        lowering.steps()?;
        Ok(plan.network.results.iter().map(|result| lowering.homes[*result].clone()).collect())
    }

    /// A constant array: numbers if it is short, and an array of the module, which is written if anything reads it there.
    fn constant(&mut self, value: &Arc<Value>) -> Home {
        let len: usize = value.shape().iter().product();
        let scalars = (len <= self.limits.elements)
            .then(|| numbers(value).map(|number| self.builder.number(number)).collect::<Vec<_>>().into());
        Home { scalars, memory: Some(View::whole(self.constant_array(value, len))), number: None }
    }

    fn constant_array(&mut self, value: &Arc<Value>, len: usize) -> ArrayId {
        if let Some((known, _)) = self.constants.iter().find(|(_, known)| Arc::ptr_eq(known, value)) {
            return *known;
        }
        let id = ArrayId(self.builder.arrays.len());
        let array = Array { dtype: value.dtype(), len, place: ArrayPlace::Constant, is_scalar: false };
        self.builder.arrays.push(array);
        self.constants.push((id, value.clone()));
        id
    }
}

/// Whether a step is written out scalar by scalar.
fn is_short(plan: &Plan, step: &PlanStep, limits: Limits) -> bool {
    match &step.work {
        StepKind::Tile(program) => {
            let n_elements = program.rows * program.columns;
            n_elements <= limits.elements && n_elements * program.instructions.len() <= limits.operations
        }
        StepKind::Contraction(arrays, contraction) => {
            let n_outputs = count(&arrays.sizes);
            n_outputs <= limits.elements && 2 * n_outputs * contraction.k <= limits.operations
        }
        StepKind::Primitive(arrays, op) => super::primitive::is_short(op, arrays, limits),
        // Its bodies decide for themselves.
        StepKind::Nested(..) => {
            debug_assert!(!step.writes.is_empty() || plan.network.results.is_empty());
            false
        }
    }
}

/// Which vertices are read in memory: by loops, by helpers and by bodies.
fn memory_needs(plan: &Plan, is_unrolled: &[bool]) -> Vec<bool> {
    let mut needs = vec![false; plan.network.vertices.len()];
    for (step, is_unrolled) in plan.steps.iter().zip(is_unrolled) {
        if !is_unrolled {
            step.reads.iter().for_each(|vertex| needs[*vertex] = true);
        }
    }
    needs
}

/// Whether a body, or one in it, reads one of its leaves in memory.
pub(super) fn leaf_needs_memory(plan: &Plan, leaf: usize, limits: Limits) -> bool {
    plan.steps.iter().filter(|step| !is_short(plan, step, limits)).any(|step| {
        let is_leaf = |vertex: &usize| matches!(plan.network.vertices[*vertex].kind, VertexKind::Leaf(position) if position == leaf);
        step.reads.iter().any(is_leaf)
    })
}

impl PlanLowering<'_, '_> {
    fn steps(&mut self) -> Result<(), Refusal> {
        let plan = self.plan;
        let mut last_read = vec![None; plan.network.vertices.len()];
        for (position, step) in plan.steps.iter().enumerate() {
            step.reads.iter().for_each(|vertex| last_read[*vertex] = Some(position));
        }
        for result in &plan.network.results {
            last_read[*result] = Some(usize::MAX);
        }
        let mut owned: Vec<(usize, ArrayId)> = Vec::new();
        for (position, step) in plan.steps.iter().enumerate() {
            self.comment(&step.origin);
            for vertex in &step.writes {
                if self.homes[*vertex].memory.is_none() && (self.needs_memory[*vertex] || !self.is_unrolled[position]) {
                    let def = &plan.network.vertices[*vertex];
                    let array = self.shared.builder.temporary(def.dtype, count(&def.sizes));
                    self.homes[*vertex].memory = Some(View::whole(array));
                    owned.push((*vertex, array));
                }
            }
            if self.is_unrolled[position] {
                self.unroll(step)?;
            } else {
                self.looped(step)?;
            }
            owned.retain(|(vertex, array)| {
                let is_done = last_read[*vertex].is_none_or(|last| last <= position);
                if is_done {
                    self.shared.builder.free(*array);
                }
                !is_done
            });
        }
        Ok(())
    }

    fn comment(&mut self, origin: &Origin) {
        self.shared.builder.push(Statement::Comment(in_comment(&format!("{} ({})", origin.call, origin.site))));
    }

    fn looped(&mut self, step: &PlanStep) -> Result<(), Refusal> {
        match &step.work {
            StepKind::Tile(program) => {
                let members = members(program);
                members.iter().try_for_each(|member| self.refuse_unwritable(*member))?;
                self.fused_loops(&members, [program.rows, program.columns]);
                Ok(())
            }
            StepKind::Contraction(arrays, contraction) => {
                self.contraction_loops(arrays.vertex, contraction);
                Ok(())
            }
            StepKind::Primitive(arrays, op) => self.primitive(arrays, op, &step.origin),
            StepKind::Nested(arrays, nested) => self.nested(arrays, nested, &step.origin),
        }
    }

    /// Writes a step out, element by element.
    fn unroll(&mut self, step: &PlanStep) -> Result<(), Refusal> {
        match &step.work {
            StepKind::Tile(program) => {
                for vertex in members(program) {
                    self.refuse_unwritable(vertex)?;
                    let scalars = self.unrolled_vertex(vertex);
                    self.keep(vertex, scalars);
                }
            }
            StepKind::Contraction(arrays, contraction) => {
                let scalars = self.unrolled_contraction(arrays.vertex, contraction);
                self.keep(arrays.vertex, scalars);
            }
            StepKind::Primitive(arrays, op) => {
                let scalars = self.unrolled_primitive(arrays, op);
                self.keep(arrays.vertex, scalars);
            }
            StepKind::Nested(..) => unreachable!("invariant: bodies decide for themselves"),
        }
        Ok(())
    }

    /// That a function can be written.
    pub(super) fn refuse_unwritable(&self, vertex: usize) -> Result<(), Refusal> {
        let def = &self.plan.network.vertices[vertex];
        let VertexKind::Map(function) = def.kind else { return Ok(()) };
        let dtype = self.operand_dtype(def);
        match function.form(dtype) {
            super::functions::FunctionForm::None => Err(Refusal::new(&def.origin, "this function has no form in Rust")),
            _ => Ok(()),
        }
    }

    fn operand_dtype(&self, def: &Vertex) -> DType {
        let position = def.operands.len().min(2) - 1;
        self.plan.network.vertices[def.operands[position].vertex].dtype
    }

    /// Remembers the elements of a vertex, and writes them where they are read in memory.
    pub(super) fn keep(&mut self, vertex: usize, scalars: Vec<ScalarId>) {
        if let Some(view) = self.homes[vertex].memory.clone() {
            for (element, scalar) in scalars.iter().enumerate() {
                self.shared.builder.store(view.array, view.base.offset(element as isize), *scalar);
            }
        }
        self.homes[vertex].scalars = Some(scalars.into());
    }

    /// An element of a vertex.
    pub(super) fn read(&mut self, vertex: usize, index: &AffineIndex) -> ScalarId {
        let home = &self.homes[vertex];
        if let Some(number) = home.number {
            return self.shared.builder.number(number);
        }
        if let (Some(scalars), Some(element)) = (&home.scalars, index.as_constant()) {
            return scalars[element as usize];
        }
        let view = home.memory.clone().expect("invariant: what loops read lies in memory");
        self.shared.builder.load(view.array, view.at(index))
    }

    /// The elements of operands of a vertex in row-major order of their layouts.
    fn operand_elements(&mut self, vertex: usize, position: usize) -> Vec<ScalarId> {
        let operand = self.plan.network.vertices[vertex].operands[position].clone();
        offsets(&operand.layout).map(|offset| self.read(operand.vertex, &AffineIndex::constant(offset))).collect()
    }

    fn unrolled_vertex(&mut self, vertex: usize) -> Vec<ScalarId> {
        let plan = self.plan;
        let def = &plan.network.vertices[vertex];
        match &def.kind {
            VertexKind::Map(function) => {
                let operands: Vec<Vec<ScalarId>> =
                    (0..def.operands.len()).map(|position| self.operand_elements(vertex, position)).collect();
                let element = |element: usize| {
                    let operands: Vec<ScalarId> = operands.iter().map(|operand| operand[element]).collect();
                    self.shared.builder.apply(*function, &operands, def.dtype)
                };
                (0..count(&def.sizes)).map(element).collect()
            }
            VertexKind::Copy => self.operand_elements(vertex, 0),
            VertexKind::Pad(window) => {
                let inner = self.operand_elements(vertex, 0);
                let layout = StridedLayout::contiguous(&def.operands[0].layout.sizes());
                let padding = crate::plan::ZeroPadding { window: window.clone(), sizes: def.sizes.clone() };
                let zero = self.shared.builder.number(ScalarValue::new(def.dtype, 0.0));
                let element = |element| padding.offset(&layout, element).map_or(zero, |offset| inner[offset as usize]);
                (0..count(&def.sizes)).map(element).collect()
            }
            VertexKind::Reduce(reduce) => {
                let elements = self.operand_elements(vertex, 0);
                let group = |group: usize| -> Vec<ScalarId> {
                    match reduce.along {
                        ReductionAxis::Rows => elements[group * reduce.columns..(group + 1) * reduce.columns].to_vec(),
                        ReductionAxis::Columns => {
                            elements.iter().skip(group).step_by(reduce.columns).copied().collect()
                        }
                        ReductionAxis::Channels(n) => {
                            elements.chunks(reduce.columns).skip(group).step_by(n).flatten().copied().collect()
                        }
                    }
                };
                let groups: Vec<Vec<ScalarId>> = (0..count(&def.sizes)).map(group).collect();
                groups.iter().map(|group| self.reduced(reduce.kind, group, def.dtype)).collect()
            }
            other => unreachable!("invariant: {other:?} is not fused"),
        }
    }

    /// The elements taken together, in pairs, then pairs of pairs: short chains, and small errors.
    pub(super) fn reduced(&mut self, kind: Reduction, elements: &[ScalarId], dtype: DType) -> ScalarId {
        match elements {
            [] => self.shared.builder.number(identity(kind, dtype)),
            [element] => *element,
            _ => {
                let (left, right) = elements.split_at(elements.len().div_ceil(2));
                let (left, right) = (self.reduced(kind, left, dtype), self.reduced(kind, right, dtype));
                self.shared.builder.binary(combining(kind), left, right)
            }
        }
    }

    fn unrolled_contraction(&mut self, vertex: usize, contraction: &Contraction) -> Vec<ScalarId> {
        let plan = self.plan;
        let def = &plan.network.vertices[vertex];
        let n_outputs = count(&def.sizes);
        let zero = self.shared.builder.number(ScalarValue::new(def.dtype, 0.0));
        let mut outputs = vec![zero; n_outputs];
        let [a, b] = [0, 1].map(|position| &def.operands[position]);
        let n_batches = contraction.batch.iter().map(|axis| axis.size).product();
        for batch in 0..n_batches {
            let mut starts = [a.layout.offset, b.layout.offset, 0];
            let mut rest = batch;
            for axis in contraction.batch.iter().rev() {
                let index = (rest % axis.size) as isize;
                rest /= axis.size;
                (0..3).for_each(|side| starts[side] += index * axis.strides[side]);
            }
            for row in 0..contraction.m as isize {
                for column in 0..contraction.n as isize {
                    let products: Vec<ScalarId> = (0..contraction.k as isize)
                        .map(|k| {
                            let left = AffineIndex::constant(starts[0] + row * contraction.a[0] + k * contraction.a[1]);
                            let right =
                                AffineIndex::constant(starts[1] + k * contraction.b[0] + column * contraction.b[1]);
                            let (left, right) = (self.read(a.vertex, &left), self.read(b.vertex, &right));
                            self.shared.builder.binary(Binary::Mul, left, right)
                        })
                        .collect();
                    let output = starts[2] + row * contraction.c[0] + column * contraction.c[1];
                    outputs[output as usize] = self.reduced(Reduction::Sum, &products, def.dtype);
                }
            }
        }
        outputs
    }
}

/// The vertices of a fused step, operands before their users. What loads an operand for a vertex names that vertex too, before it.
fn members(program: &TileProgram) -> Vec<usize> {
    let mut members: Vec<usize> = Vec::new();
    for vertex in program.computed() {
        members.retain(|member| *member != vertex);
        members.push(vertex);
    }
    members
}

/// The function that takes two elements together.
pub(super) fn combining(kind: Reduction) -> Binary {
    match kind {
        Reduction::Sum => Binary::Add,
        Reduction::Product => Binary::Mul,
        Reduction::Max => Binary::Maximum,
        Reduction::Min => Binary::Minimum,
    }
}

/// What a reduction begins with.
pub(super) fn identity(kind: Reduction, dtype: DType) -> ScalarValue {
    match (kind, dtype) {
        (Reduction::Sum, _) => ScalarValue::new(dtype, 0.0),
        (Reduction::Product, _) => ScalarValue::new(dtype, 1.0),
        (Reduction::Max, DType::I64) => ScalarValue::integer(dtype, i64::MIN),
        (Reduction::Min, DType::I64) => ScalarValue::integer(dtype, i64::MAX),
        (Reduction::Max, _) => ScalarValue::new(dtype, f64::NEG_INFINITY),
        (Reduction::Min, _) => ScalarValue::new(dtype, f64::INFINITY),
    }
}

/// The elements of a layout in a loop nest: an index that is affine in its coordinates, if the nest is as fine as the axes.
pub(super) fn affine(layout: &StridedLayout, nest: &[Coordinate]) -> Option<AffineIndex> {
    let mut index = AffineIndex::constant(layout.offset);
    let mut inner = nest.iter().rev().filter(|coordinate| coordinate.size != 1).peekable();
    for axis in layout.axes.iter().rev().filter(|axis| axis.size != 1) {
        let (mut left, mut stride) = (axis.size, axis.stride);
        while left > 1 {
            let coordinate = inner.next()?;
            if left % coordinate.size != 0 {
                return None;
            }
            index = index.plus(&coordinate.index, stride);
            stride *= coordinate.size as isize;
            left /= coordinate.size;
        }
    }
    Some(index)
}

/// The elements of an array in row-major order.
pub(super) fn numbers(value: &Value) -> Box<dyn Iterator<Item = ScalarValue> + '_> {
    match value {
        Value::F32(array) => Box::new(array.iter().map(|number| ScalarValue::new(DType::F32, f64::from(*number)))),
        Value::F64(array) => Box::new(array.iter().map(|number| ScalarValue::new(DType::F64, *number))),
        Value::I64(array) => Box::new(array.iter().map(|number| ScalarValue::integer(DType::I64, *number))),
        Value::Bool(array) => Box::new(array.iter().map(|is| ScalarValue::new(DType::Bool, f64::from(u8::from(*is))))),
    }
}

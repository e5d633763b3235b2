//! Lowers a fusion group to a tile program. In: a fusion group. Out: a [`TileProgram`]: instructions on registers of a
//! few thousand elements, the memory that they read and write, and the cut into tiles and tasks, by shape alone.
//!
//! Each member becomes one instruction (a pair becomes one for both). Its operands are registers of other members, or
//! memory: read directly where memory is contiguous or one element, and by a `Load` where it is strided. A value for
//! each row becomes one for each element by an `Expand`. Registers are virtual until the end ([`registers`]).

use std::collections::HashMap;

use smallvec::SmallVec;

use super::registers;
use crate::{
    graph::DType,
    plan::{
        ir::{
            AccessPattern, Action, Function, FusionGroup, Granularity, Instruction, IterationSpace, Location, MemRef,
            Network, Pair, ReadPattern, ScalarValue, StridedLayout, StridedOperand, TileProgram, Vertex, VertexKind,
            WritePattern, ZeroPadding, count, is_terminal, partner,
        },
        model::MachineModel,
    },
};

/// The program of a fusion group; `is_stored` says which values are read outside of it.
pub(in crate::plan) fn program(
    network: &Network,
    group: &FusionGroup,
    is_stored: &dyn Fn(usize) -> bool,
    model: &MachineModel,
) -> TileProgram {
    let space = group.space.expect("invariant: a fusion group has an iteration space");
    let mut builder = TileProgramBuilder::new(network, group, space, model);
    for member in group.members.iter().copied() {
        match partner(network, member, &group.members) {
            // Computed by the instruction of the other half.
            Some(_) if builder.location_of.contains_key(&member) => {}
            Some((pair, vertices)) => builder.pair(pair, vertices, is_stored),
            None => builder.member(member, is_stored(member)),
        }
    }
    builder.finish()
}

struct TileProgramBuilder<'n> {
    network: &'n Network,
    model: &'n MachineModel,
    space: IterationSpace,
    rows: usize,
    columns: usize,
    instructions: Vec<Instruction>,
    memory: Vec<MemRef>,
    numbers: Vec<ScalarValue>,
    /// The location of each member that has been lowered.
    location_of: HashMap<usize, Location>,
    loaded: HashMap<(MemRef, StridedLayout, Granularity), Location>,
    expanded: HashMap<Location, Location>,
    n_virtual: usize,
}

impl<'n> TileProgramBuilder<'n> {
    fn new(
        network: &'n Network,
        group: &FusionGroup,
        space: IterationSpace,
        model: &'n MachineModel,
    ) -> TileProgramBuilder<'n> {
        let (rows, columns) = match space {
            IterationSpace::Matrix { rows, columns, .. } => (rows, columns),
            IterationSpace::Flat(n) => {
                let columns = period(network, group, n, model).unwrap_or(n);
                (n.checked_div(columns).unwrap_or(1), columns)
            }
        };
        TileProgramBuilder {
            network,
            model,
            space,
            rows,
            columns,
            instructions: Vec::new(),
            memory: Vec::new(),
            numbers: Vec::new(),
            location_of: HashMap::new(),
            loaded: HashMap::new(),
            expanded: HashMap::new(),
            n_virtual: 0,
        }
    }

    /// The granularity of the instruction that computes a vertex.
    fn granularity_of(&self, def: &Vertex) -> Granularity {
        let n_elements = match &def.kind {
            VertexKind::Reduce(reduce) if is_terminal(reduce) => count(&def.operands[0].layout.sizes()),
            VertexKind::DotColumns(product) => product.rows.size,
            VertexKind::Reduce(_)
            | VertexKind::Map(_)
            | VertexKind::Copy
            | VertexKind::Pad(_)
            | VertexKind::DotRows(_) => count(&def.sizes),
            VertexKind::Leaf(_)
            | VertexKind::Constant(_)
            | VertexKind::Splat(_)
            | VertexKind::Contraction(_)
            | VertexKind::Primitive(_)
            | VertexKind::Nested(_)
            | VertexKind::FurtherOutput => unreachable!("invariant: these are not fused"),
        };
        self.granularity(n_elements)
    }

    fn member(&mut self, vertex: usize, is_stored: bool) {
        let network = self.network;
        let def = &network.vertices[vertex];
        let granularity = self.granularity_of(def);
        let (action, operands, dtype): (Action, SmallVec<[Location; 3]>, DType) = match &def.kind {
            VertexKind::Map(function) => self.map(*function, granularity, vertex),
            VertexKind::Copy => {
                let operand = &def.operands[0];
                let (location, layout) = match network.vertices[operand.vertex].kind {
                    VertexKind::Splat(number) => {
                        (self.number(number), StridedLayout { offset: 0, axes: SmallVec::new() })
                    }
                    _ => (self.memory(operand, 0, def.dtype), operand.layout.coalesced()),
                };
                (Action::Load(layout), SmallVec::from_iter([location]), def.dtype)
            }
            VertexKind::Pad(window) => {
                let memory = self.memory(&def.operands[0], 0, def.dtype);
                let padding = ZeroPadding { window: window.clone(), sizes: def.sizes.clone() };
                let action = Action::LoadPadded(def.operands[0].layout.clone(), padding);
                (action, SmallVec::from_iter([memory]), def.dtype)
            }
            VertexKind::Reduce(reduce) if is_terminal(reduce) => {
                let operand = self.operand(&def.operands[0], granularity, vertex);
                let operand = self.fill_from_splat(operand, granularity, def.dtype, vertex);
                (Action::Accumulate(reduce.kind, reduce.along), SmallVec::from_iter([operand]), def.dtype)
            }
            VertexKind::Reduce(reduce) => {
                let operand = self.operand(&def.operands[0], Granularity::Element, vertex);
                let operand = self.fill_from_splat(operand, Granularity::Element, def.dtype, vertex);
                (Action::ReduceRows(reduce.kind), SmallVec::from_iter([operand]), def.dtype)
            }
            VertexKind::DotRows(product) => {
                let operands = [0, 1].map(|position| self.start(&def.operands[position], def.dtype));
                (Action::DotRows(*product), SmallVec::from_slice(&operands), def.dtype)
            }
            VertexKind::DotColumns(product) => {
                let matrix = self.start(&def.operands[0], def.dtype);
                let vector = self.operand(&def.operands[1], granularity, vertex);
                let vector = self.fill_from_splat(vector, granularity, def.dtype, vertex);
                (Action::AccumulateDot(*product), SmallVec::from_slice(&[matrix, vector]), def.dtype)
            }
            VertexKind::Leaf(_)
            | VertexKind::Constant(_)
            | VertexKind::Splat(_)
            | VertexKind::Contraction(_)
            | VertexKind::Primitive(_)
            | VertexKind::Nested(_)
            | VertexKind::FurtherOutput => unreachable!("invariant: these are not fused"),
        };
        let output = self.output(vertex, is_stored);
        self.instructions.push(Instruction {
            action,
            output,
            second_output: None,
            operands,
            dtype,
            granularity,
            vertex,
        });
    }

    /// One instruction for a pair of members.
    fn pair(&mut self, pair: Pair, vertices: [usize; 2], is_stored: &dyn Fn(usize) -> bool) {
        let def = &self.network.vertices[vertices[0]];
        let granularity = self.granularity(count(&def.sizes));
        let operand = self.operand(&def.operands[0], granularity, vertices[0]);
        let operand = self.fill_from_splat(operand, granularity, def.dtype, vertices[0]);
        let [output, second] = vertices.map(|vertex| self.output(vertex, is_stored(vertex)));
        self.instructions.push(Instruction {
            action: Action::ApplyBoth(pair),
            output,
            second_output: Some((second, vertices[1])),
            operands: SmallVec::from_iter([operand]),
            dtype: def.dtype,
            granularity,
            vertex: vertices[0],
        });
    }

    /// The location for the value of a member: memory if it is stored, else a register.
    fn output(&mut self, vertex: usize, is_stored: bool) -> Location {
        let output = if is_stored {
            let dtype = self.network.vertices[vertex].dtype;
            self.remember(MemRef { vertex, offset: 0, dtype }, Location::Memory)
        } else {
            self.register()
        };
        self.location_of.insert(vertex, output);
        output
    }

    /// The action, operands and dtype of an elementwise function.
    fn map(
        &mut self,
        function: Function,
        granularity: Granularity,
        vertex: usize,
    ) -> (Action, SmallVec<[Location; 3]>, DType) {
        let network = self.network;
        let def = &network.vertices[vertex];
        let mut operands: SmallVec<[Location; 3]> =
            def.operands.iter().map(|operand| self.operand(operand, granularity, vertex)).collect();
        let dtype = network.vertices[def.operands[def.operands.len().min(2) - 1].vertex].dtype;
        if let Function::IntegerPower(exponent) = function {
            operands.push(self.number(ScalarValue::integer(DType::I64, exponent)));
        }
        self.avoid_splats_alone(&mut operands, granularity, vertex);
        (Action::Apply(function), operands, dtype)
    }

    /// The granularity of an array of so many elements in this iteration space.
    fn granularity(&self, n_elements: usize) -> Granularity {
        match self.space {
            IterationSpace::Matrix { rows, columns, .. }
                if columns != 1 && n_elements == rows && rows * columns != rows =>
            {
                Granularity::Row
            }
            IterationSpace::Matrix { .. } | IterationSpace::Flat(_) => Granularity::Element,
        }
    }

    /// The location from which an operand is read elementwise, after a load or an expansion where that takes one.
    fn operand(&mut self, operand: &StridedOperand, granularity: Granularity, vertex: usize) -> Location {
        let producer = &self.network.vertices[operand.vertex];
        if let Some(location) = self.location_of.get(&operand.vertex).copied() {
            return match operand.layout.access_pattern(count(&producer.sizes)) {
                AccessPattern::RowBroadcast { .. } => self.expand(location, producer.dtype, vertex),
                AccessPattern::Elementwise => location,
                AccessPattern::General => unreachable!("invariant: members read each other element by element"),
            };
        }
        if let VertexKind::Splat(number) = producer.kind {
            return self.number(number);
        }
        let coalesced = operand.layout.coalesced();
        if operand.layout.count() == 1 {
            return self.memory(operand, coalesced.offset, producer.dtype);
        }
        if coalesced.axes.iter().all(|axis| axis.stride == 0) {
            let Location::Memory(position) = self.memory(operand, coalesced.offset, producer.dtype) else {
                unreachable!()
            };
            return Location::Element(position);
        }
        let n_elements = operand.layout.count();
        if matches!(coalesced.axes.as_slice(), [axis] if axis.stride == 1 && axis.size == n_elements) {
            return self.memory(operand, coalesced.offset, producer.dtype);
        }
        self.load(operand, coalesced, granularity, vertex)
    }

    fn load(
        &mut self,
        operand: &StridedOperand,
        coalesced: StridedLayout,
        granularity: Granularity,
        vertex: usize,
    ) -> Location {
        let dtype = self.network.vertices[operand.vertex].dtype;
        let key = (MemRef { vertex: operand.vertex, offset: 0, dtype }, coalesced.clone(), granularity);
        if let Some(location) = self.loaded.get(&key) {
            return *location;
        }
        let memory = self.memory(operand, 0, dtype);
        let output = self.register();
        let operands = SmallVec::from_iter([memory]);
        self.instructions.push(Instruction {
            action: Action::Load(coalesced),
            output,
            second_output: None,
            operands,
            dtype,
            granularity,
            vertex,
        });
        self.loaded.insert(key, output);
        output
    }

    fn expand(&mut self, location: Location, dtype: DType, vertex: usize) -> Location {
        if let Some(expanded) = self.expanded.get(&location) {
            return *expanded;
        }
        let output = self.register();
        let operands = SmallVec::from_iter([location]);
        let granularity = Granularity::Element;
        let action = Action::Expand;
        self.instructions.push(Instruction {
            action,
            output,
            second_output: None,
            operands,
            dtype,
            granularity,
            vertex,
        });
        self.expanded.insert(location, output);
        output
    }

    /// No kernel takes only splats: if all operands are, the first is filled into a register.
    fn avoid_splats_alone(&mut self, operands: &mut SmallVec<[Location; 3]>, granularity: Granularity, vertex: usize) {
        if operands.iter().all(|operand| operand.is_splat()) {
            let def = &self.network.vertices[vertex];
            let dtype = self.network.vertices[def.operands[0].vertex].dtype;
            operands[0] = self.fill_from_splat(operands[0], granularity, dtype, vertex);
        }
    }

    /// A register filled with a splat; any other location as it is.
    fn fill_from_splat(
        &mut self,
        location: Location,
        granularity: Granularity,
        dtype: DType,
        vertex: usize,
    ) -> Location {
        if !location.is_splat() {
            return location;
        }
        let output = self.register();
        let action = Action::Load(StridedLayout { offset: 0, axes: SmallVec::new() });
        let operands = SmallVec::from_iter([location]);
        self.instructions.push(Instruction {
            action,
            output,
            second_output: None,
            operands,
            dtype,
            granularity,
            vertex,
        });
        output
    }

    /// The memory of an array that an instruction reads in its own order, from the first element of the layout on.
    fn start(&mut self, operand: &StridedOperand, dtype: DType) -> Location {
        self.memory(operand, operand.layout.offset, dtype)
    }

    fn memory(&mut self, operand: &StridedOperand, offset: isize, dtype: DType) -> Location {
        self.remember(MemRef { vertex: operand.vertex, offset, dtype }, Location::Memory)
    }

    fn remember(&mut self, memory: MemRef, location: impl Fn(usize) -> Location) -> Location {
        let known = self.memory.iter().rposition(|known| *known == memory);
        location(known.unwrap_or_else(|| {
            self.memory.push(memory);
            self.memory.len() - 1
        }))
    }

    fn number(&mut self, number: ScalarValue) -> Location {
        let known = self.numbers.iter().position(|known| *known == number);
        Location::Number(known.unwrap_or_else(|| {
            self.numbers.push(number);
            self.numbers.len() - 1
        }))
    }

    fn register(&mut self) -> Location {
        self.n_virtual += 1;
        Location::Register(self.n_virtual - 1)
    }

    fn finish(mut self) -> TileProgram {
        let block = self.block();
        let n_invariant = self.move_invariant_loads_first(block);
        let n_registers = registers::assign(&mut self.instructions, n_invariant);
        let widest = self.memory.iter().map(|memory| memory.dtype.size()).chain([1]);
        let widest = widest.chain(self.instructions.iter().map(|instruction| instruction.dtype.size())).max();
        let widest = widest.unwrap_or(1);
        let holds_rows = self.holds_rows();
        let [least, most] = self.model.register_bytes;
        let bytes = (self.model.first_level_bytes / (n_registers + 1) / 1024 * 1024).clamp(least, most);
        let budget = (bytes / widest).max(1).min(block);
        let tile = if holds_rows || self.columns <= budget {
            let rows = (budget / self.columns.max(1)).clamp(1, self.rows.max(1));
            [rows, self.columns.max(1)]
        } else {
            [1, budget]
        };
        assert!(
            n_invariant == 0 || tile[1] >= self.columns,
            "invariant: loads of columns are kept for whole rows alone"
        );
        let mut program = TileProgram {
            rows: self.rows,
            columns: self.columns,
            instructions: self.instructions,
            n_invariant,
            memory: self.memory,
            numbers: self.numbers,
            n_registers,
            register_bytes: (tile[0] * tile[1] * widest).next_multiple_of(64),
            tile,
            n_tasks: 1,
            product: None,
        };
        program.n_tasks = program.count_tasks(self.model);
        program
    }

    /// Whether a value of a row is read by elements of the row, or computed further.
    fn holds_rows(&self) -> bool {
        let holds = |instruction: &Instruction| {
            let facts = instruction.action.facts();
            facts.reads.contains(&ReadPattern::Rows)
                || (instruction.granularity == Granularity::Row && facts.writes != WritePattern::Rows)
        };
        self.instructions.iter().any(holds)
    }

    /// The most rows of a tile, so that the rows of a matrix that it reads stay in the cache.
    fn block(&self) -> usize {
        let block = |instruction: &Instruction| {
            let row_bytes = instruction.action.facts().matrix_columns? * instruction.dtype.size();
            Some((self.model.resident_bytes / row_bytes.max(1)).next_multiple_of(8))
        };
        self.instructions.iter().filter_map(block).min().unwrap_or(usize::MAX)
    }

    /// Hoists loop-invariant loads: those that depend on the column alone are done once a task. That is right only if
    /// tiles are of whole rows, which is certain if a row has at most `block` elements and fits the smallest register.
    fn move_invariant_loads_first(&mut self, block: usize) -> usize {
        let (rows, columns) = (self.rows, self.columns);
        let is_invariant = |instruction: &Instruction| {
            let Action::Load(layout) = &instruction.action else { return false };
            instruction.granularity == Granularity::Element
                && repeats_by_row(layout, rows, columns)
                && instruction.output.is_register()
        };
        let is_cut = (columns * 8 > self.model.register_bytes[0] || columns > block) && !self.holds_rows();
        if is_cut {
            return 0;
        }
        let (first, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.instructions).into_iter().partition(is_invariant);
        let n_invariant = first.len();
        self.instructions = first;
        self.instructions.extend(rest);
        n_invariant
    }
}

/// Whether every row of the matrix reads the same elements.
fn repeats_by_row(layout: &StridedLayout, rows: usize, columns: usize) -> bool {
    if layout.axes.is_empty() {
        return true;
    }
    layout.reshaped(&[rows, columns]).map_or_else(
        || {
            let mut inner = 1;
            let mut axes = layout.axes.iter().rev();
            while inner < columns {
                let Some(axis) = axes.next() else { return false };
                inner *= axis.size;
            }
            inner == columns && axes.all(|axis| axis.stride == 0)
        },
        |matrix| rows == 1 || matrix.axes[0].stride == 0,
    )
}

/// The period of operands that repeat along a flat iteration space, as a bias repeats for each row of a batch.
fn period(network: &Network, group: &FusionGroup, n: usize, model: &MachineModel) -> Option<usize> {
    let is_product =
        |member: &usize| matches!(network.vertices[*member].kind, VertexKind::DotRows(_) | VertexKind::DotColumns(_));
    if group.members.iter().any(is_product) {
        return None;
    }
    let operands = group.members.iter().flat_map(|member| &network.vertices[*member].operands);
    let repeats = |operand: &StridedOperand| {
        let coalesced = operand.layout.coalesced();
        let (first, rest) = coalesced.axes.split_first()?;
        let inner: usize = rest.iter().map(|axis| axis.size).product();
        (first.stride == 0 && inner > 1 && inner * first.size == n && inner * 8 <= 2 * model.register_bytes[0])
            .then_some(inner)
    };
    operands.filter_map(repeats).max()
}

//! Tile programs. In: a fused cluster. Out: a [`TileProgram`]: instructions on registers of a few thousand elements, what
//! they read and write in memory, and how the whole is cut into tiles and tasks, by shape alone.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::registers;
use crate::{
    graph::DType,
    plan::{
        ir::{
            Access, Action, Cluster, Domain, Extent, Function, Instruction, Kind, Memory, Network, Number, Operand,
            Padding, Pair, Place, Read, Relation, TileProgram, Write, count, is_terminal, partner,
        },
        model::MachineModel,
    },
};

/// The program of a fused cluster; `is_stored` tells whose values others read.
pub(in crate::plan) fn program(
    network: &Network,
    cluster: &Cluster,
    is_stored: &dyn Fn(usize) -> bool,
    model: &MachineModel,
) -> TileProgram {
    let domain = cluster.domain.expect("invariant: a fused cluster has a domain");
    let mut builder = Builder::new(network, cluster, domain, model);
    for member in cluster.members.iter().copied() {
        match partner(network, member, &cluster.members) {
            // Computed beside the other.
            Some(_) if builder.place_of.contains_key(&member) => {}
            Some((pair, vertices)) => builder.pair(pair, vertices, is_stored),
            None => builder.member(member, is_stored(member)),
        }
    }
    builder.finish()
}

struct Builder<'n> {
    network: &'n Network,
    model: &'n MachineModel,
    domain: Domain,
    rows: usize,
    columns: usize,
    instructions: Vec<Instruction>,
    memory: Vec<Memory>,
    numbers: Vec<Number>,
    /// Where the value of a member is.
    place_of: HashMap<usize, Place>,
    loaded: HashMap<(Memory, Access, Extent), Place>,
    expanded: HashMap<Place, Place>,
    n_virtual: usize,
}

impl<'n> Builder<'n> {
    fn new(network: &'n Network, cluster: &Cluster, domain: Domain, model: &'n MachineModel) -> Builder<'n> {
        let (rows, columns) = match domain {
            Domain::Matrix { rows, columns } => (rows, columns),
            Domain::Line(n) => {
                let columns = period(network, cluster, n, model).unwrap_or(n);
                (n.checked_div(columns).unwrap_or(1), columns)
            }
        };
        Builder {
            network,
            model,
            domain,
            rows,
            columns,
            instructions: Vec::new(),
            memory: Vec::new(),
            numbers: Vec::new(),
            place_of: HashMap::new(),
            loaded: HashMap::new(),
            expanded: HashMap::new(),
            n_virtual: 0,
        }
    }

    fn member(&mut self, vertex: usize, is_stored: bool) {
        let network = self.network;
        let of = &network.vertices[vertex];
        let extent = self.extent(match &of.kind {
            Kind::Reduce(reduce) if is_terminal(reduce) => count(&of.operands[0].access.sizes()),
            Kind::DotColumns(product) => product.rows.size,
            Kind::Reduce(_) | Kind::Map(_) | Kind::Copy | Kind::Pad(_) | Kind::DotRows(_) => count(&of.sizes),
            Kind::Leaf(_) | Kind::Constant(_) | Kind::Splat(_) | Kind::Contraction(_) | Kind::Primitive(_) => {
                unreachable!("invariant: these are not fused")
            }
        });
        let (action, operands, dtype): (Action, SmallVec<[Place; 3]>, DType) = match &of.kind {
            Kind::Map(function) => self.map(*function, extent, vertex),
            Kind::Copy => {
                let operand = &of.operands[0];
                let (place, access) = match network.vertices[operand.vertex].kind {
                    Kind::Splat(number) => (self.number(number), Access { offset: 0, axes: SmallVec::new() }),
                    _ => (self.memory(operand, 0, of.dtype), operand.access.collapsed()),
                };
                (Action::Load(access), SmallVec::from_iter([place]), of.dtype)
            }
            Kind::Pad(window) => {
                let memory = self.memory(&of.operands[0], 0, of.dtype);
                let padding = Padding { window: window.clone(), sizes: of.sizes.clone() };
                let action = Action::LoadPadded(of.operands[0].access.clone(), padding);
                (action, SmallVec::from_iter([memory]), of.dtype)
            }
            Kind::Reduce(reduce) if is_terminal(reduce) => {
                let operand = self.operand(&of.operands[0], extent, vertex);
                let operand = self.unsplat(operand, extent, of.dtype, vertex);
                (Action::Accumulate(reduce.kind, reduce.along), SmallVec::from_iter([operand]), of.dtype)
            }
            Kind::Reduce(reduce) => {
                let operand = self.operand(&of.operands[0], Extent::Full, vertex);
                let operand = self.unsplat(operand, Extent::Full, of.dtype, vertex);
                (Action::ReduceRows(reduce.kind), SmallVec::from_iter([operand]), of.dtype)
            }
            Kind::DotRows(product) => {
                let operands = [0, 1].map(|position| self.start(&of.operands[position], of.dtype));
                (Action::DotRows(*product), SmallVec::from_slice(&operands), of.dtype)
            }
            Kind::DotColumns(product) => {
                let matrix = self.start(&of.operands[0], of.dtype);
                let vector = self.operand(&of.operands[1], extent, vertex);
                let vector = self.unsplat(vector, extent, of.dtype, vertex);
                (Action::AccumulateDot(*product), SmallVec::from_slice(&[matrix, vector]), of.dtype)
            }
            Kind::Leaf(_) | Kind::Constant(_) | Kind::Splat(_) | Kind::Contraction(_) | Kind::Primitive(_) => {
                unreachable!("invariant: these are not fused")
            }
        };
        let output = self.output(vertex, is_stored);
        self.instructions.push(Instruction { action, output, beside: None, operands, dtype, extent, vertex });
    }

    /// Two members that one instruction computes.
    fn pair(&mut self, pair: Pair, vertices: [usize; 2], is_stored: &dyn Fn(usize) -> bool) {
        let of = &self.network.vertices[vertices[0]];
        let extent = self.extent(count(&of.sizes));
        let operand = self.operand(&of.operands[0], extent, vertices[0]);
        let operand = self.unsplat(operand, extent, of.dtype, vertices[0]);
        let [output, second] = vertices.map(|vertex| self.output(vertex, is_stored(vertex)));
        self.instructions.push(Instruction {
            action: Action::ApplyBoth(pair),
            output,
            beside: Some((second, vertices[1])),
            operands: SmallVec::from_iter([operand]),
            dtype: of.dtype,
            extent,
            vertex: vertices[0],
        });
    }

    /// Where the value of a member goes.
    fn output(&mut self, vertex: usize, is_stored: bool) -> Place {
        let output = if is_stored {
            let dtype = self.network.vertices[vertex].dtype;
            self.remember(Memory { vertex, offset: 0, dtype }, Place::Memory)
        } else {
            self.register()
        };
        self.place_of.insert(vertex, output);
        output
    }

    /// An elementwise function with its operands.
    fn map(&mut self, function: Function, extent: Extent, vertex: usize) -> (Action, SmallVec<[Place; 3]>, DType) {
        let network = self.network;
        let of = &network.vertices[vertex];
        let mut operands: SmallVec<[Place; 3]> =
            of.operands.iter().map(|operand| self.operand(operand, extent, vertex)).collect();
        let dtype = network.vertices[of.operands[of.operands.len().min(2) - 1].vertex].dtype;
        if let Function::IntegerPower(exponent) = function {
            operands.push(self.number(Number::integer(DType::I64, exponent)));
        }
        self.avoid_splats_alone(&mut operands, extent, vertex);
        (Action::Apply(function), operands, dtype)
    }

    /// Which elements an array of so many has.
    fn extent(&self, n_elements: usize) -> Extent {
        match self.domain {
            Domain::Matrix { rows, columns } if columns != 1 && n_elements == rows && rows * columns != rows => {
                Extent::Row
            }
            Domain::Matrix { .. } | Domain::Line(_) => Extent::Full,
        }
    }

    /// Where an operand can be read element by element, after a load or an expansion where that takes one.
    fn operand(&mut self, operand: &Operand, extent: Extent, vertex: usize) -> Place {
        let holder = &self.network.vertices[operand.vertex];
        if let Some(place) = self.place_of.get(&operand.vertex).copied() {
            return match operand.access.relation(count(&holder.sizes)) {
                Relation::Expanded { .. } => self.expand(place, holder.dtype, vertex),
                Relation::Same => place,
                Relation::Other => unreachable!("invariant: members read each other element by element"),
            };
        }
        if let Kind::Splat(number) = holder.kind {
            return self.number(number);
        }
        let collapsed = operand.access.collapsed();
        if operand.access.count() == 1 {
            return self.memory(operand, collapsed.offset, holder.dtype);
        }
        if collapsed.axes.iter().all(|axis| axis.stride == 0) {
            let Place::Memory(position) = self.memory(operand, collapsed.offset, holder.dtype) else { unreachable!() };
            return Place::Element(position);
        }
        let n_elements = operand.access.count();
        if matches!(collapsed.axes.as_slice(), [axis] if axis.stride == 1 && axis.size == n_elements) {
            return self.memory(operand, collapsed.offset, holder.dtype);
        }
        self.load(operand, collapsed, extent, vertex)
    }

    fn load(&mut self, operand: &Operand, collapsed: Access, extent: Extent, vertex: usize) -> Place {
        let dtype = self.network.vertices[operand.vertex].dtype;
        let key = (Memory { vertex: operand.vertex, offset: 0, dtype }, collapsed.clone(), extent);
        if let Some(place) = self.loaded.get(&key) {
            return *place;
        }
        let memory = self.memory(operand, 0, dtype);
        let output = self.register();
        let operands = SmallVec::from_iter([memory]);
        self.instructions.push(Instruction {
            action: Action::Load(collapsed),
            output,
            beside: None,
            operands,
            dtype,
            extent,
            vertex,
        });
        self.loaded.insert(key, output);
        output
    }

    fn expand(&mut self, place: Place, dtype: DType, vertex: usize) -> Place {
        if let Some(expanded) = self.expanded.get(&place) {
            return *expanded;
        }
        let output = self.register();
        let operands = SmallVec::from_iter([place]);
        let extent = Extent::Full;
        let action = Action::Expand;
        self.instructions.push(Instruction { action, output, beside: None, operands, dtype, extent, vertex });
        self.expanded.insert(place, output);
        output
    }

    /// Kernels with one operand, and those whose operands are all splats, want elements.
    fn avoid_splats_alone(&mut self, operands: &mut SmallVec<[Place; 3]>, extent: Extent, vertex: usize) {
        if operands.iter().all(|operand| operand.is_splat()) {
            let of = &self.network.vertices[vertex];
            let dtype = self.network.vertices[of.operands[0].vertex].dtype;
            operands[0] = self.unsplat(operands[0], extent, dtype, vertex);
        }
    }

    /// A register full of a splat; any other place as it is.
    fn unsplat(&mut self, place: Place, extent: Extent, dtype: DType, vertex: usize) -> Place {
        if !place.is_splat() {
            return place;
        }
        let output = self.register();
        let action = Action::Load(Access { offset: 0, axes: SmallVec::new() });
        let operands = SmallVec::from_iter([place]);
        self.instructions.push(Instruction { action, output, beside: None, operands, dtype, extent, vertex });
        output
    }

    /// Where an array begins that is read in an order of its own.
    fn start(&mut self, operand: &Operand, dtype: DType) -> Place {
        self.memory(operand, operand.access.offset, dtype)
    }

    fn memory(&mut self, operand: &Operand, offset: isize, dtype: DType) -> Place {
        self.remember(Memory { vertex: operand.vertex, offset, dtype }, Place::Memory)
    }

    fn remember(&mut self, memory: Memory, place: impl Fn(usize) -> Place) -> Place {
        let known = self.memory.iter().rposition(|known| *known == memory);
        place(known.unwrap_or_else(|| {
            self.memory.push(memory);
            self.memory.len() - 1
        }))
    }

    fn number(&mut self, number: Number) -> Place {
        let known = self.numbers.iter().position(|known| *known == number);
        Place::Number(known.unwrap_or_else(|| {
            self.numbers.push(number);
            self.numbers.len() - 1
        }))
    }

    fn register(&mut self) -> Place {
        self.n_virtual += 1;
        Place::Register(self.n_virtual - 1)
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
            facts.reads.contains(&Read::Rows) || (instruction.extent == Extent::Row && facts.writes != Write::Rows)
        };
        self.instructions.iter().any(holds)
    }

    /// Rows of a matrix in memory that a tile takes at most, so that they stay in a cache.
    fn block(&self) -> usize {
        let block = |instruction: &Instruction| {
            let row_bytes = instruction.action.facts().matrix_columns? * instruction.dtype.size();
            Some((self.model.resident_bytes / row_bytes.max(1)).next_multiple_of(8))
        };
        self.instructions.iter().filter_map(block).min().unwrap_or(usize::MAX)
    }

    /// Loads that depend on the column alone are done once a task. That holds only if tiles are of whole rows, which no
    /// more than `block` elements and the least register hold for certain.
    fn move_invariant_loads_first(&mut self, block: usize) -> usize {
        let (rows, columns) = (self.rows, self.columns);
        let is_invariant = |instruction: &Instruction| {
            let Action::Load(access) = &instruction.action else { return false };
            instruction.extent == Extent::Full
                && repeats_by_row(access, rows, columns)
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

/// Whether all rows of a matrix are read from the same elements.
fn repeats_by_row(access: &Access, rows: usize, columns: usize) -> bool {
    if access.axes.is_empty() {
        return true;
    }
    access.reshaped(&[rows, columns]).map_or_else(
        || {
            let mut inner = 1;
            let mut axes = access.axes.iter().rev();
            while inner < columns {
                let Some(axis) = axes.next() else { return false };
                inner *= axis.size;
            }
            inner == columns && axes.all(|axis| axis.stride == 0)
        },
        |matrix| rows == 1 || matrix.axes[0].stride == 0,
    )
}

/// The period of the operands that repeat along a line, as a bias does along the rows of a batch.
fn period(network: &Network, cluster: &Cluster, n: usize, model: &MachineModel) -> Option<usize> {
    let is_product = |member: &usize| matches!(network.vertices[*member].kind, Kind::DotRows(_) | Kind::DotColumns(_));
    if cluster.members.iter().any(is_product) {
        return None;
    }
    let operands = cluster.members.iter().flat_map(|member| &network.vertices[*member].operands);
    let repeats = |operand: &Operand| {
        let collapsed = operand.access.collapsed();
        let (first, rest) = collapsed.axes.split_first()?;
        let inner: usize = rest.iter().map(|axis| axis.size).product();
        (first.stride == 0 && inner > 1 && inner * first.size == n && inner * 8 <= 2 * model.register_bytes[0])
            .then_some(inner)
    };
    operands.filter_map(repeats).max()
}

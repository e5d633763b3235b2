//! Plans as text for people. In: a plan. Out: its steps, the bodies of fused ones, its buffers and what it costs.

use std::fmt::{self, Write};

use super::ir::{
    Action, Clusters, Contraction, Domain, Extent, Instruction, Kind, Network, Number, Operand, Place, Plan, Step,
    Storage, TileProgram, Work, count,
};
use crate::graph::DType;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each fits its type; the sums of plans that no memory holds need not.
        let flops = self.steps.iter().fold(0usize, |sum, step| sum.saturating_add(step.flops));
        let bytes = self.steps.iter().fold(0usize, |sum, step| sum.saturating_add(step.bytes));
        writeln!(
            f,
            "{} steps, {} FLOP, {} bytes moved; arena {} bytes, at least {}",
            self.steps.len(),
            flops,
            bytes,
            self.arena_bytes,
            self.lower_bound
        )?;
        for (position, step) in self.steps.iter().enumerate() {
            let description = self.describe(step);
            writeln!(
                f,
                "{position:>4}  {description}  {} FLOP, {} bytes  {}",
                step.flops, step.bytes, step.origin.site
            )?;
            if let Work::Tile(program) = &step.work {
                if let Some(product) = &program.product {
                    let [a, b, c] = product.memory.map(|memory| self.place(program, Place::Memory(memory)));
                    writeln!(
                        f,
                        "        {c} = {} {a} {b} by bands of {} rows",
                        dot(&product.contraction),
                        product.rows
                    )?;
                }
                for instruction in &program.instructions {
                    writeln!(f, "        {}", self.instruction(program, instruction))?;
                }
            }
        }
        writeln!(f, "memory, by the byte where each value begins, with the steps that make it and last read it")?;
        f.write_str(&self.memory_map())
    }
}

/// A product of matrices by its sizes.
fn dot(product: &Contraction) -> String {
    let batch: usize = product.batch.iter().map(|batch| batch.size).product();
    let batch = if batch == 1 { String::new() } else { format!("{batch} × ") };
    format!("dot {batch}({} × {} × {})", product.m, product.k, product.n)
}

/// The vertices of a network, a line each.
pub(super) fn network(network: &Network) -> String {
    (0..network.vertices.len()).map(|vertex| line(network, vertex)).collect()
}

/// Clusters with their members.
pub(super) fn clusters(network: &Network, clusters: &Clusters) -> String {
    let mut text = String::new();
    for (position, cluster) in clusters.clusters.iter().enumerate() {
        let over = match cluster.domain {
            Some(Domain::Line(n)) => format!("over {n}"),
            Some(Domain::Matrix { rows, columns }) => format!("over {rows} × {columns}"),
            None => "alone".to_owned(),
        };
        text += &format!("cluster {position} {over}\n");
        text.extend(cluster.members.iter().map(|member| format!("    {}", line(network, *member))));
    }
    text
}

/// Steps in their order, before values have places.
pub(super) fn steps(network: &Network, steps: &[Step]) -> String {
    let names = |vertices: &[usize]| vertices.iter().map(|vertex| format!(" v{vertex}")).collect::<String>();
    let line = |(position, step): (usize, &Step)| {
        let (reads, writes) = (names(&step.reads), names(&step.writes));
        format!("{position:>4}  {}  from{reads} to{writes}  {}\n", describe(network, step), step.origin.site)
    };
    steps.iter().enumerate().map(line).collect()
}

/// A vertex in a line.
fn line(network: &Network, vertex: usize) -> String {
    let of = &network.vertices[vertex];
    let kind = match &of.kind {
        Kind::Leaf(position) => format!("leaf{position}"),
        Kind::Constant(_) => "constant".to_owned(),
        Kind::Splat(number) => number.text(),
        Kind::Map(function) => function.name().to_owned(),
        Kind::Copy => "copy".to_owned(),
        Kind::Pad(window) => format!("pad{:?}", window.low),
        Kind::Reduce(reduce) => {
            format!("{} along {:?} of {} × {}", reduce.kind.name(), reduce.along, reduce.rows, reduce.columns)
        }
        Kind::Contraction(product) => dot(product),
        Kind::DotRows(product) => format!("dot_rows({} × {})", product.rows.size, product.columns.size),
        Kind::DotColumns(product) => format!("dot_columns({} × {})", product.rows.size, product.columns.size),
        Kind::Primitive(op) => op.name().to_owned(),
    };
    let operands: String = of.operands.iter().map(|operand| format!(" {}", read(network, operand))).collect();
    format!("v{vertex} = {kind}{operands}  {}{:?}  {}\n", of.dtype, of.sizes, of.origin.site)
}

/// An operand, with the way it is read where that is not its own order.
fn read(network: &Network, operand: &Operand) -> String {
    let holder = &network.vertices[operand.vertex];
    if operand.access.is_contiguous() && operand.access.count() == count(&holder.sizes) {
        return format!("v{}", operand.vertex);
    }
    let axes: Vec<String> = operand.access.axes.iter().map(|axis| format!("{}:{}", axis.size, axis.stride)).collect();
    format!("v{}[{}; {}]", operand.vertex, operand.access.offset, axes.join(", "))
}

/// What a step does, in a line.
fn describe(network: &Network, step: &Step) -> String {
    let ty = |vertex: &usize| {
        let of = &network.vertices[*vertex];
        format!("{}{:?}", of.dtype, of.sizes)
    };
    let made: Vec<String> = step.writes.iter().map(ty).collect();
    let made = made.join(", ");
    match &step.work {
        Work::Contraction(_, product) => format!("{} → {made}", dot(product)),
        Work::Primitive(_, op) => format!("{} → {made}", op.name()),
        Work::Tile(program) => {
            let (rows, columns) = (program.rows, program.columns);
            let (n, tasks) = (program.instructions.len(), program.n_tasks);
            let product = program.product.as_ref().map(|product| format!("{} and ", dot(&product.contraction)));
            let product = product.unwrap_or_default();
            format!("{product}fused {n} over {rows} × {columns} in {tasks} tasks → {made}")
        }
    }
}

impl Plan {
    /// What a step does, in a line.
    pub(crate) fn describe(&self, step: &Step) -> String {
        describe(&self.network, step)
    }

    /// The arena: a line for each value in it, by where it lies.
    pub(crate) fn memory_map(&self) -> String {
        let mut rows: Vec<(usize, usize, usize, usize, usize)> = Vec::new();
        for (vertex, place) in self.places.iter().enumerate() {
            let Storage::Arena(start) = *place else { continue };
            let uses = |step: &Step| step.reads.contains(&vertex) || step.writes.contains(&vertex);
            let first = self.steps.iter().position(uses).unwrap_or(0);
            let last = self.steps.iter().rposition(uses).unwrap_or(0);
            rows.push((start, self.network.vertices[vertex].bytes(), first, last, vertex));
        }
        rows.sort_unstable();
        let mut text = String::new();
        for (start, bytes, first, last, vertex) in rows {
            let of = &self.network.vertices[vertex];
            let (name, dtype, sizes, site) = (of.origin.operation, of.dtype, &of.sizes, of.origin.site);
            let end = start + bytes;
            writeln!(text, "{start:>12}..{end:<12} {first:>5} – {last:<5} {name} {dtype}{sizes:?}  {site}")
                .expect("invariant: writing to a string does not fail");
        }
        text
    }

    fn instruction(&self, program: &TileProgram, instruction: &Instruction) -> String {
        let place = |place: Place| self.place(program, place);
        let operands: Vec<String> = instruction.operands.iter().map(|operand| place(*operand)).collect();
        let mut name = instruction.action.facts().name.concat();
        if let Action::Load(access) = &instruction.action {
            let axes: Vec<String> = access.axes.iter().map(|axis| format!("{}:{}", axis.size, axis.stride)).collect();
            name += &format!("[{}]", axes.join(", "));
        }
        let extent = if instruction.extent == Extent::Row { " by row" } else { "" };
        let outputs: Vec<String> = instruction.outputs().map(|(output, _)| place(output)).collect();
        format!("{} = {name} {}{extent}", outputs.join(" "), operands.join(" "))
    }

    fn place(&self, program: &TileProgram, place: Place) -> String {
        let memory = |position: usize| {
            let memory = program.memory[position];
            let offset = if memory.offset == 0 { String::new() } else { format!("+{}", memory.offset) };
            let holder = match (self.places[memory.vertex], &self.network.vertices[memory.vertex].kind) {
                (Storage::Leaf(leaf), _) => format!("leaf{leaf}"),
                (Storage::Output(output), _) => format!("out{output}"),
                (_, Kind::Constant(_)) => format!("constant{}", memory.vertex),
                _ => format!("v{}", memory.vertex),
            };
            format!("{holder}{offset}")
        };
        match place {
            Place::Register(register) => format!("r{register}"),
            Place::Memory(position) => memory(position),
            Place::Element(position) => format!("{}[0]", memory(position)),
            Place::Number(position) => program.numbers[position].text(),
        }
    }
}

impl Number {
    fn text(self) -> String {
        match self.dtype {
            DType::F32 => f32::from_ne_bytes(self.first()).to_string(),
            DType::F64 => f64::from_ne_bytes(self.bits).to_string(),
            DType::I64 => i64::from_ne_bytes(self.bits).to_string(),
            DType::Bool => (self.bits[0] != 0).to_string(),
        }
    }
}

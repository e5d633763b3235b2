//! Plans as text for people. In: a plan. Out: its steps, the bodies of fused ones, its buffers and what it costs.

use std::fmt::{self, Write};

use super::ir::{
    Action, Contraction, Control, FusionGroups, Granularity, Instruction, IterationSpace, Location, Nested, Network,
    Plan, PlanStep, ScalarValue, StepKind, Storage, StridedOperand, TileProgram, VertexKind, count,
};
use super::lifetimes::{ArenaRow, Holding};
use crate::graph::DType;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n_steps, flops, moved_bytes) = (self.steps.len(), self.flops(), self.moved_bytes());
        let (arena, least) = (self.arena_bytes, self.lower_bound);
        writeln!(f, "{n_steps} steps, {flops} FLOP, {moved_bytes} bytes moved; arena {arena} bytes, at least {least}")?;
        for (position, step) in self.steps.iter().enumerate() {
            let description = self.describe(step);
            writeln!(
                f,
                "{position:>4}  {description}  {} FLOP, {} bytes  {}",
                step.flops, step.bytes, step.origin.site
            )?;
            if let StepKind::Nested(_, nested) = &step.work {
                for body in &nested.bodies {
                    body.to_string().lines().try_for_each(|line| writeln!(f, "    | {line}"))?;
                }
            }
            if let StepKind::Tile(program) = &step.work {
                if let Some(product) = &program.product {
                    let [a, b, c] = product.memory.map(|memory| self.location(program, Location::Memory(memory)));
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

/// What is done with bodies, and how many steps they have.
fn times(nested: &Nested) -> String {
    let steps: Vec<String> = nested.bodies.iter().map(|body| body.steps.len().to_string()).collect();
    let steps = format!("{} steps", steps.join(" and "));
    match &nested.control {
        Control::Call => format!("call of {steps}"),
        Control::Branch => format!("one of {steps}"),
        Control::Scan(scan) => {
            let mut text = format!("{} times {} steps", scan.length, nested.bodies[0].steps.len());
            if let Some(segments) = &scan.segments {
                let every = segments.every;
                if !segments.checkpoints.is_empty() {
                    text += &format!(", with the carries kept at every position that is a multiple of {every}");
                }
                if !segments.replays.is_empty() {
                    let again =
                        segments.replays.iter().map(|replay| nested.bodies[replay.body].steps.len().to_string());
                    let again: Vec<String> = again.collect();
                    text += &format!(", each {every} behind {every} times {} steps again", again.join(" and "));
                }
            }
            text
        }
        Control::While { .. } => format!("while: {steps}"),
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

/// Fusion groups with their members.
pub(super) fn groups(network: &Network, groups: &FusionGroups) -> String {
    let mut text = String::new();
    for (position, group) in groups.groups.iter().enumerate() {
        let over = match group.space {
            Some(IterationSpace::Flat(n)) => format!("over {n}"),
            Some(IterationSpace::Matrix { rows, columns, .. }) => format!("over {rows} × {columns}"),
            None => "alone".to_owned(),
        };
        text += &format!("group {position} {over}\n");
        text.extend(group.members.iter().map(|member| format!("    {}", line(network, *member))));
    }
    text
}

/// Steps in their order, before values have storage.
pub(super) fn steps(network: &Network, steps: &[PlanStep]) -> String {
    let names = |vertices: &[usize]| vertices.iter().map(|vertex| format!(" v{vertex}")).collect::<String>();
    let line = |(position, step): (usize, &PlanStep)| {
        let (reads, writes) = (names(&step.reads), names(&step.writes));
        format!("{position:>4}  {}  from{reads} to{writes}  {}\n", describe(network, step), step.origin.site)
    };
    steps.iter().enumerate().map(line).collect()
}

/// A vertex in a line.
fn line(network: &Network, vertex: usize) -> String {
    let def = &network.vertices[vertex];
    let kind = match &def.kind {
        VertexKind::Leaf(position) => format!("leaf{position}"),
        VertexKind::Constant(_) => "constant".to_owned(),
        VertexKind::Splat(number) => number.text(),
        VertexKind::Map(function) => function.name().to_owned(),
        VertexKind::Copy => "copy".to_owned(),
        VertexKind::Pad(window) => format!("pad{:?}", window.low),
        VertexKind::Reduce(reduce) => {
            format!("{} along {:?} of {} × {}", reduce.kind.name(), reduce.along, reduce.rows, reduce.columns)
        }
        VertexKind::Contraction(product) => dot(product),
        VertexKind::DotRows(product) => format!("dot_rows({} × {})", product.rows.size, product.columns.size),
        VertexKind::DotColumns(product) => format!("dot_columns({} × {})", product.rows.size, product.columns.size),
        VertexKind::Primitive(op) => op.name().to_owned(),
        VertexKind::Nested(nested) => times(nested),
        VertexKind::FurtherOutput => "further output".to_owned(),
    };
    let operands: String = def.operands.iter().map(|operand| format!(" {}", read(network, operand))).collect();
    format!("v{vertex} = {kind}{operands}  {}{:?}  {}\n", def.dtype, def.sizes, def.origin.site)
}

/// An operand, with the way it is read where that is not its own order.
fn read(network: &Network, operand: &StridedOperand) -> String {
    let producer = &network.vertices[operand.vertex];
    if operand.layout.is_contiguous() && operand.layout.count() == count(&producer.sizes) {
        return format!("v{}", operand.vertex);
    }
    let axes: Vec<String> = operand.layout.axes.iter().map(|axis| format!("{}:{}", axis.size, axis.stride)).collect();
    format!("v{}[{}; {}]", operand.vertex, operand.layout.offset, axes.join(", "))
}

/// What a step does, in a line.
fn describe(network: &Network, step: &PlanStep) -> String {
    let ty = |vertex: &usize| {
        let def = &network.vertices[*vertex];
        format!("{}{:?}", def.dtype, def.sizes)
    };
    let outputs: Vec<String> = step.writes.iter().map(ty).collect();
    let outputs = outputs.join(", ");
    match &step.work {
        StepKind::Contraction(_, product) => format!("{} → {outputs}", dot(product)),
        StepKind::Primitive(_, op) => format!("{} → {outputs}", op.name()),
        StepKind::Nested(_, nested) => format!("{} → {outputs}", times(nested)),
        StepKind::Tile(program) => {
            let (rows, columns) = (program.rows, program.columns);
            let (n, tasks) = (program.instructions.len(), program.n_tasks);
            let product = program.product.as_ref().map(|product| format!("{} and ", dot(&product.contraction)));
            let product = product.unwrap_or_default();
            format!("{product}fused {n} over {rows} × {columns} in {tasks} tasks → {outputs}")
        }
    }
}

impl Plan {
    /// What a step does, in a line.
    pub(crate) fn describe(&self, step: &PlanStep) -> String {
        describe(&self.network, step)
    }

    /// A stored value by the operation that makes it and its type.
    pub(crate) fn describe_value(&self, vertex: usize) -> String {
        let def = &self.network.vertices[vertex];
        format!("{} {}{:?}", def.origin.operation, def.dtype, def.sizes)
    }

    /// The arena: a line for each value in it, by where it lies.
    pub(crate) fn memory_map(&self) -> String {
        let mut text = String::new();
        for ArenaRow { offset, bytes, first, last, holding } in self.arena_rows() {
            let Holding::Value(vertex) = holding else { continue };
            let (value, site) = (self.describe_value(vertex), self.network.vertices[vertex].origin.site);
            let end = offset + bytes;
            writeln!(text, "{offset:>12}..{end:<12} {first:>5} – {last:<5} {value}  {site}")
                .expect("invariant: writing to a string does not fail");
        }
        text
    }

    fn instruction(&self, program: &TileProgram, instruction: &Instruction) -> String {
        let location = |location: Location| self.location(program, location);
        let operands: Vec<String> = instruction.operands.iter().map(|operand| location(*operand)).collect();
        let mut name = instruction.action.facts().name.concat();
        if let Action::Load(layout) = &instruction.action {
            let axes: Vec<String> = layout.axes.iter().map(|axis| format!("{}:{}", axis.size, axis.stride)).collect();
            name += &format!("[{}]", axes.join(", "));
        }
        let granularity = if instruction.granularity == Granularity::Row { " by row" } else { "" };
        let outputs: Vec<String> = instruction.outputs().map(|(output, _)| location(output)).collect();
        format!("{} = {name} {}{granularity}", outputs.join(" "), operands.join(" "))
    }

    fn location(&self, program: &TileProgram, location: Location) -> String {
        let memory = |position: usize| {
            let memory = program.memory[position];
            let offset = if memory.offset == 0 { String::new() } else { format!("+{}", memory.offset) };
            let owner = match (self.storage[memory.vertex], &self.network.vertices[memory.vertex].kind) {
                (Storage::Leaf(leaf), _) => format!("leaf{leaf}"),
                (Storage::Output(output), _) => format!("out{output}"),
                (_, VertexKind::Constant(_)) => format!("constant{}", memory.vertex),
                _ => format!("v{}", memory.vertex),
            };
            format!("{owner}{offset}")
        };
        match location {
            Location::Register(register) => format!("r{register}"),
            Location::Memory(position) => memory(position),
            Location::Element(position) => format!("{}[0]", memory(position)),
            Location::Number(position) => program.numbers[position].text(),
        }
    }
}

impl ScalarValue {
    fn text(self) -> String {
        match self.dtype {
            DType::F32 => f32::from_ne_bytes(self.first()).to_string(),
            DType::F64 => f64::from_ne_bytes(self.bits).to_string(),
            DType::I64 => i64::from_ne_bytes(self.bits).to_string(),
            DType::Bool => (self.bits[0] != 0).to_string(),
        }
    }
}

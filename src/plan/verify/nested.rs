//! Verifies steps with bodies: that each argument and result of a body has the size of what it is taken from or written to,
//! and that the memory of the step holds the carries and the arenas apart. The plans of the bodies were verified when they
//! were made.

use crate::plan::ir::{CarryHome, Control, Nested, NestedArrays, Plan, Vertex, VertexKind};

/// Whether the bodies fit the arrays of their step.
pub(super) fn fits(plan: &Plan, arrays: &NestedArrays, nested: &Nested) -> bool {
    let operands: Vec<usize> =
        (arrays.operands.iter()).map(|operand| plan.network.vertices[operand.vertex].bytes()).collect();
    let are_whole = arrays.operands.iter().zip(&operands).all(|(operand, bytes)| {
        operand.layout.is_contiguous() && operand.layout.count() * operand.dtype.size() == *bytes
    });
    let outputs: Vec<usize> = arrays.outputs.iter().map(|vertex| plan.network.vertices[*vertex].bytes()).collect();
    let memory = BodyMemory { nested, operands, outputs };
    let fits = match &nested.control {
        Control::Call => memory.body(0, &memory.operands, &memory.outputs),
        Control::Branch => {
            memory.operands.first() == Some(&1)
                && (0..2).all(|body| memory.body(body, &memory.operands[1..], &memory.outputs))
        }
        Control::Scan(_) => memory.scan(),
        Control::While { n_carries, outputs, .. } => {
            let carries = memory.operands.get(..*n_carries);
            carries.is_some_and(|carries| {
                memory.body(0, &memory.operands, &[1])
                    && memory.body(1, &memory.operands, carries)
                    && outputs.iter().zip(&memory.outputs).all(|(carry, bytes)| carries.get(*carry) == Some(bytes))
                    && memory.buffers(&vec![true; carries.len()], carries)
            })
        }
    };
    are_whole && fits && memory.arena()
}

/// The sizes in bytes of what the step reads and writes.
struct BodyMemory<'n> {
    nested: &'n Nested,
    operands: Vec<usize>,
    outputs: Vec<usize>,
}

impl BodyMemory<'_> {
    /// Whether a body takes arguments and gives results of these sizes.
    fn body(&self, body: usize, arguments: &[usize], results: &[usize]) -> bool {
        let network = &self.nested.bodies[body].network;
        let fits = |def: &Vertex| {
            let VertexKind::Leaf(leaf) = def.kind else { return true };
            arguments.get(leaf) == Some(&def.bytes())
        };
        network.vertices.iter().all(fits)
            && network.results.len() == results.len()
            && network.results.iter().zip(results).all(|(result, bytes)| network.vertices[*result].bytes() == *bytes)
    }

    fn scan(&self) -> bool {
        let Control::Scan(scan) = &self.nested.control else { return false };
        let n_carries = scan.homes.len();
        if self.operands.len() < n_carries + scan.n_slices || scan.finals.len() != n_carries {
            return false;
        }
        // Of an array that is stacked or sliced over no iterations, nothing is touched.
        let part = |bytes: usize| bytes.checked_div(scan.length);
        let is_whole = |bytes: usize| scan.length == 0 || bytes.is_multiple_of(scan.length);
        let carries = &self.operands[..n_carries];
        let sizes = |operand: usize| {
            let is_sliced = (n_carries..n_carries + scan.n_slices).contains(&operand);
            if is_sliced { part(self.operands[operand]) } else { Some(self.operands[operand]) }
        };
        let arguments: Option<Vec<usize>> = (0..self.operands.len()).map(sizes).collect();
        let stacked: Option<Vec<usize>> = scan.stacks.iter().map(|output| part(*self.outputs.get(*output)?)).collect();
        let is_final = |(output, bytes): (&Option<usize>, &usize)| {
            output.is_none_or(|output| self.outputs.get(output) == Some(bytes))
        };
        let is_home = |(home, bytes): (&CarryHome, &usize)| match home {
            CarryHome::Buffers => true,
            CarryHome::StackOfNext(output) | CarryHome::StackOfCurrent(output) => {
                scan.length == 0 || self.outputs.get(*output).copied() == bytes.checked_mul(scan.length)
            }
        };
        let is_buffered: Vec<bool> = scan.homes.iter().map(|home| !matches!(home, CarryHome::StackOfNext(_))).collect();
        let runs = match (arguments, stacked) {
            (Some(arguments), Some(stacked)) => {
                let results: Vec<usize> = carries.iter().chain(&stacked).copied().collect();
                self.body(0, &arguments, &results)
            }
            _ => scan.length == 0,
        };
        // Each output is written once.
        let of_homes = scan.homes.iter().filter_map(|home| match home {
            CarryHome::Buffers => None,
            CarryHome::StackOfNext(output) | CarryHome::StackOfCurrent(output) => Some(*output),
        });
        let copied = scan.copies.iter().map(|(output, _)| *output);
        let mut written: Vec<usize> = (of_homes.chain(scan.finals.iter().flatten().copied()))
            .chain(scan.stacks.iter().copied())
            .chain(copied)
            .collect();
        written.sort_unstable();
        let is_copy = |(output, first): &(usize, usize)| {
            self.outputs.get(*output).is_some() && self.outputs.get(*output) == self.outputs.get(*first)
        };
        let are_written = written.iter().copied().eq(0..self.outputs.len()) && scan.copies.iter().all(is_copy);
        runs && are_written
            && scan.finals.iter().zip(carries).all(is_final)
            && scan.homes.iter().zip(carries).all(is_home)
            && self.operands[n_carries..n_carries + scan.n_slices].iter().all(|bytes| is_whole(*bytes))
            && self.buffers(&is_buffered, carries)
    }

    /// Whether the buffers of the carries lie apart from one another and from what comes behind them.
    fn buffers(&self, is_buffered: &[bool], carries: &[usize]) -> bool {
        let region = &self.nested.region;
        let mut taken: Vec<(usize, usize)> = vec![(region.flag, 1)];
        for ((buffers, bytes), _) in region.carries.iter().zip(carries).zip(is_buffered).filter(|(_, is)| **is) {
            taken.push((buffers[0], *bytes));
            if buffers[1] != buffers[0] {
                taken.push((buffers[1], *bytes));
            }
        }
        taken.retain(|(_, bytes)| *bytes > 0);
        taken.sort_unstable();
        let are_apart = taken.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0);
        region.carries.len() == carries.len()
            && are_apart
            && taken.last().is_none_or(|(start, bytes)| start + bytes <= region.arena)
    }

    /// Whether the arena of each body lies at the end of the step's memory.
    fn arena(&self) -> bool {
        let region = &self.nested.region;
        self.nested.bodies.iter().all(|body| region.arena + body.arena_bytes <= region.bytes)
    }
}

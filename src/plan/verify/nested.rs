//! Verifies steps with bodies: that each argument and result of a body has the size of what it is taken from or written to,
//! and that the memory of the step holds the carries and the arenas apart. The plans of the bodies were verified when they
//! were made.

use crate::plan::ir::{
    ArgumentSource, CarryHome, Control, LoopMemory, Nested, NestedArrays, Plan, Replay, ScanControl, Segments, Vertex,
    VertexKind,
};

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
                    && memory.buffers(carries)
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
        let Some(body) = self.nested.bodies.get(body) else { return false };
        let network = &body.network;
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
        let whole: Vec<ArgumentSource> = (0..self.operands.len()).map(ArgumentSource::Operand).collect();
        let sources = scan.segments.as_ref().map_or(&whole, |segments| &segments.arguments);
        let Some(carries) = sources.get(..n_carries).and_then(|sources| self.of_operands(sources)) else {
            return false;
        };
        // Of an array that is sliced or stacked over no iterations, nothing is touched.
        let part = |bytes: usize| bytes.checked_div(scan.length);
        let stacked = scan.stacks.iter().enumerate().map(|(stack, output)| match output {
            Some(output) => part(*self.outputs.get(*output)?),
            None => self.result_bytes(0, n_carries + stack),
        });
        let stacked: Option<Vec<usize>> = stacked.collect();
        let fits = match (self.arguments(scan, sources, &carries, scan.length), &stacked) {
            (Some(arguments), Some(stacked)) => {
                let results: Vec<usize> = carries.iter().chain(stacked).copied().collect();
                self.body(0, &arguments, &results)
            }
            _ => scan.length == 0,
        };
        let is_final = |(output, bytes): (&Option<usize>, &usize)| {
            output.is_none_or(|output| self.outputs.get(output) == Some(bytes))
        };
        let is_home = |(home, bytes): (&CarryHome, &usize)| match home {
            CarryHome::Buffers => true,
            CarryHome::StackOfNext(output) | CarryHome::StackOfCurrent(output) => {
                scan.length == 0 || self.outputs.get(*output).copied() == bytes.checked_mul(scan.length)
            }
        };
        let is_carry = |(carry, bytes): (usize, &usize)| self.result_bytes(0, carry) == Some(*bytes);
        fits && self.are_written(scan)
            && carries.iter().enumerate().all(is_carry)
            && scan.finals.len() == n_carries
            && scan.finals.iter().zip(&carries).all(is_final)
            && scan.homes.iter().zip(&carries).all(is_home)
            && scan.segments.as_ref().is_none_or(|segments| self.segments(scan, segments, &carries))
            && self.are_apart(scan)
    }

    /// The sizes of operands that are taken whole.
    fn of_operands(&self, sources: &[ArgumentSource]) -> Option<Vec<usize>> {
        let size = |source: &ArgumentSource| match source {
            ArgumentSource::Operand(operand) => self.operands.get(*operand).copied(),
            ArgumentSource::Segment(_) => None,
        };
        sources.iter().map(size).collect()
    }

    /// The sizes of the arguments of a body in one iteration, for whole arrays of so many slices; none where one is no whole
    /// number of them, or where a segment is read that no replay stacks in that size.
    fn arguments(
        &self,
        scan: &ScanControl,
        sources: &[ArgumentSource],
        carries: &[usize],
        length: usize,
    ) -> Option<Vec<usize>> {
        let n_carries = carries.len();
        let size = |(argument, source): (usize, &ArgumentSource)| match source {
            _ if argument < n_carries => Some(carries[argument]),
            ArgumentSource::Operand(operand) if argument < n_carries + scan.n_slices => {
                let bytes = *self.operands.get(*operand)?;
                bytes.is_multiple_of(length).then(|| bytes.checked_div(length)).flatten()
            }
            ArgumentSource::Operand(operand) => self.operands.get(*operand).copied(),
            ArgumentSource::Segment(buffer) => {
                self.replayed().find_map(|(start, bytes)| (start == *buffer).then_some(bytes))
            }
        };
        let are_slices = sources.iter().enumerate().all(|(argument, source)| match source {
            ArgumentSource::Segment(_) => (n_carries..n_carries + scan.n_slices).contains(&argument),
            ArgumentSource::Operand(_) => true,
        });
        let sizes = sources.iter().enumerate().map(size).collect();
        if are_slices && sources.len() >= n_carries + scan.n_slices { sizes } else { None }
    }

    fn result_bytes(&self, body: usize, result: usize) -> Option<usize> {
        let network = &self.nested.bodies.get(body)?.network;
        Some(network.vertices[*network.results.get(result)?].bytes())
    }

    fn replays(&self) -> &[Replay] {
        match &self.nested.control {
            Control::Scan(ScanControl { segments: Some(segments), .. }) => &segments.replays,
            _ => &[],
        }
    }

    /// Where replays stack, and the bytes of one iteration.
    fn replayed(&self) -> impl Iterator<Item = (usize, usize)> {
        self.replays().iter().flat_map(|replay| {
            let bytes = |(output, buffer): (usize, &usize)| {
                Some((*buffer, self.result_bytes(replay.body, replay.scan.result(output)?)?))
            };
            replay.buffers.iter().enumerate().filter_map(bytes)
        })
    }

    /// Whether each output is written once.
    fn are_written(&self, scan: &ScanControl) -> bool {
        let of_homes = scan.homes.iter().filter_map(|home| match home {
            CarryHome::Buffers => None,
            CarryHome::StackOfNext(output) | CarryHome::StackOfCurrent(output) => Some(*output),
        });
        let checkpoints = scan.segments.iter().flat_map(|segments| &segments.checkpoints);
        let mut written: Vec<usize> = (of_homes.chain(scan.finals.iter().flatten().copied()))
            .chain(scan.stacks.iter().flatten().copied())
            .chain(scan.copies.iter().map(|(output, _)| *output))
            .chain(checkpoints.copied())
            .collect();
        written.sort_unstable();
        let is_copy = |(output, first): &(usize, usize)| {
            self.outputs.get(*output).is_some() && self.outputs.get(*output) == self.outputs.get(*first)
        };
        written.iter().copied().eq(0..self.outputs.len()) && scan.copies.iter().all(is_copy)
    }

    /// Whether checkpoints have room for each segment, and what runs again fits its arrays and reads only what ran before it.
    fn segments(&self, scan: &ScanControl, segments: &Segments, carries: &[usize]) -> bool {
        if segments.every == 0 {
            return false;
        }
        let n_segments = scan.length.div_ceil(segments.every);
        let is_kept =
            |(output, bytes): (&usize, &usize)| self.outputs.get(*output).copied() == bytes.checked_mul(n_segments);
        let is_known = segments.checkpoints.is_empty() || segments.checkpoints.len() == carries.len();
        let mut stacked: Vec<usize> = Vec::new();
        for replay in &segments.replays {
            let reads = replay.arguments.iter().all(|source| match source {
                ArgumentSource::Operand(_) => true,
                ArgumentSource::Segment(buffer) => stacked.contains(buffer),
            });
            if !reads || !self.replay(replay, scan.length, n_segments) {
                return false;
            }
            stacked.extend(&replay.buffers);
        }
        is_known && segments.checkpoints.iter().zip(carries).all(is_kept)
    }

    fn replay(&self, replay: &Replay, length: usize, n_segments: usize) -> bool {
        let scan = &replay.scan;
        let checkpoints = replay.arguments.get(..scan.homes.len()).and_then(|sources| self.of_operands(sources));
        let Some(checkpoints) = checkpoints else { return false };
        let carries: Vec<usize> = checkpoints.iter().map(|bytes| bytes / n_segments).collect();
        let are_whole = checkpoints.iter().all(|bytes| bytes.is_multiple_of(n_segments));
        let Some(arguments) = self.arguments(scan, &replay.arguments, &carries, length) else { return false };
        let further =
            (carries.len()..carries.len() + scan.stacks.len()).map(|result| self.result_bytes(replay.body, result));
        let Some(further) = further.collect::<Option<Vec<usize>>>() else { return false };
        let results: Vec<usize> = carries.iter().chain(&further).copied().collect();
        let of_homes = scan.homes.iter().filter_map(|home| match home {
            CarryHome::Buffers => None,
            CarryHome::StackOfNext(output) | CarryHome::StackOfCurrent(output) => Some(*output),
        });
        let mut written: Vec<usize> = of_homes.chain(scan.stacks.iter().flatten().copied()).collect();
        written.sort_unstable();
        are_whole
            && scan.finals.iter().all(Option::is_none)
            && scan.copies.is_empty()
            && written.into_iter().eq(0..replay.buffers.len())
            && self.body(replay.body, &arguments, &results)
    }

    /// Whether all memory of the loop and of what it runs again lies apart, in front of the arenas.
    fn are_apart(&self, scan: &ScanControl) -> bool {
        let region = &self.nested.region;
        let mut taken = vec![(region.flag, 1)];
        let every = scan.segments.as_ref().map_or(0, |segments| segments.every);
        let replays = self.replays().iter().map(|replay| (replay.body, &replay.scan, &replay.memory));
        let is_sized = std::iter::once((0, scan, &region.own)).chain(replays).all(|(body, scan, memory)| {
            let n_results = scan.homes.len() + scan.stacks.len();
            let sizes: Option<Vec<usize>> = (0..n_results).map(|result| self.result_bytes(body, result)).collect();
            sizes.is_some_and(|sizes| loop_memory(scan, memory, &sizes, &mut taken))
        });
        taken.extend(self.replayed().map(|(start, bytes)| (start, bytes.saturating_mul(every))));
        is_sized && are_apart(taken, region.arena)
    }

    /// Whether the buffers of the carries of a loop without a known length lie apart, in front of the arenas.
    fn buffers(&self, carries: &[usize]) -> bool {
        let region = &self.nested.region;
        let mut taken = vec![(region.flag, 1)];
        for (buffers, bytes) in region.own.carries.iter().zip(carries) {
            taken.extend([(buffers[0], *bytes), (buffers[1], *bytes)]);
        }
        region.own.carries.len() == carries.len() && are_apart(taken, region.arena)
    }

    /// Whether the arena of each body lies at the end of the step's memory.
    fn arena(&self) -> bool {
        let region = &self.nested.region;
        self.nested.bodies.iter().all(|body| region.arena + body.arena_bytes <= region.bytes)
    }
}

/// Adds the memory of a loop to what is taken; whether there is some for each carry and for each result that is not stacked.
fn loop_memory(scan: &ScanControl, memory: &LoopMemory, results: &[usize], taken: &mut Vec<(usize, usize)>) -> bool {
    let n_carries = scan.homes.len();
    for ((buffers, home), bytes) in memory.carries.iter().zip(&scan.homes).zip(results) {
        match home {
            CarryHome::Buffers => taken.extend([(buffers[0], *bytes), (buffers[1], *bytes)]),
            CarryHome::StackOfCurrent(_) => taken.extend([(buffers[0], *bytes)]),
            CarryHome::StackOfNext(_) => {}
        }
    }
    let further = results.get(n_carries..).unwrap_or(&[]);
    let discarded = scan.stacks.iter().zip(&memory.discards).zip(further).filter(|((stack, _), _)| stack.is_none());
    taken.extend(discarded.map(|((_, start), bytes)| (*start, *bytes)));
    let is_one_slot = |(home, buffers): (&CarryHome, &[usize; 2])| {
        !matches!(home, CarryHome::StackOfCurrent(_)) || buffers[0] == buffers[1]
    };
    memory.carries.len() == n_carries
        && memory.discards.len() == scan.stacks.len()
        && results.len() == n_carries + scan.stacks.len()
        && scan.homes.iter().zip(&memory.carries).all(is_one_slot)
}

/// Whether ranges of memory, by first byte and size, lie apart and end before `end`.
fn are_apart(mut taken: Vec<(usize, usize)>, end: usize) -> bool {
    taken.retain(|(_, bytes)| *bytes > 0);
    taken.sort_unstable();
    taken.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0)
        && taken.last().is_none_or(|(start, bytes)| start + bytes <= end)
}

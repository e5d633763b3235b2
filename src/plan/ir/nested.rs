//! Steps with bodies, as types: which plans they run, how often, and where what goes round between runs lies.

use std::sync::Arc;

use super::{
    network::{Network, StridedOperand, Vertex, VertexKind},
    plan::{Plan, ReadArray},
};

/// The bodies of a step with what is done with them.
///
/// Leaf k of a body's plan is its argument k. Its results are said at each control.
#[derive(Debug, Clone)]
pub(crate) struct Nested {
    pub(crate) control: Control,
    pub(crate) bodies: Vec<Arc<Plan>>,
    pub(crate) region: Region,
}

/// In which order bodies run, and on what.
#[derive(Debug, Clone)]
pub(crate) enum Control {
    /// Body 0, once; its results are the outputs.
    Call,
    /// Body 0 if operand 0 is true, else body 1; argument k is operand k + 1, and the results are the outputs.
    Branch,
    /// Body 0, `length` times.
    Scan(ScanControl),
    /// Body 1 as long as body 0 gives true; the results of body 1 are the next carries, and output k is a carry.
    While {
        n_carries: usize,
        /// More iterations are an error.
        bound: usize,
        /// The carry of each output.
        outputs: Vec<usize>,
    },
}

/// A loop of a known number of iterations. The results of its body are the next carries and then what is stacked.
#[derive(Debug, Clone)]
pub(crate) struct ScanControl {
    pub(crate) length: usize,
    pub(crate) is_backward: bool,
    /// Where each carry lies between iterations.
    pub(crate) homes: Vec<CarryHome>,
    /// How many operands behind the carries are sliced.
    pub(crate) n_slices: usize,
    /// The output in which each carry is after the last iteration, if that is asked for.
    pub(crate) finals: Vec<Option<usize>>,
    /// Outputs that are equal to another one: which, and that one.
    pub(crate) copies: Vec<(usize, usize)>,
    /// The output in which each further result of the body is stacked, if it is.
    pub(crate) stacks: Vec<Option<usize>>,
    /// How it is cut, if it keeps or reads checkpoints.
    pub(crate) segments: Option<Segments>,
}

impl ScanControl {
    /// The result of the body that an output stacks, if it is a stack.
    pub(crate) fn result(&self, output: usize) -> Option<usize> {
        let is_home = |home: &CarryHome| match home {
            CarryHome::Buffers => false,
            CarryHome::StackOfNext(stack) | CarryHome::StackOfCurrent(stack) => *stack == output,
        };
        let further = || Some(self.homes.len() + self.stacks.iter().position(|stack| *stack == Some(output))?);
        self.homes.iter().position(is_home).or_else(further)
    }
}

/// A loop that is cut into segments of its positions: one that keeps its carries where a segment begins, so that others can run
/// it again from there; or one that lets others run again, each for the segment at which it is.
#[derive(Debug, Clone)]
pub(crate) struct Segments {
    /// How many positions a segment has; the last may have fewer.
    pub(crate) every: usize,
    /// The output that holds each carry as it is when a segment begins, by the segment. None if no loop runs this one again.
    pub(crate) checkpoints: Vec<usize>,
    /// Where each argument of the body comes from.
    pub(crate) arguments: Vec<ArgumentSource>,
    /// What runs again before the iterations of a segment, in this order.
    pub(crate) replays: Vec<Replay>,
}

/// From where a loop in segments takes an argument: carries and what stays the same from an operand, slices from either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgumentSource {
    /// An operand of the step.
    Operand(usize),
    /// What a replay stacked for this segment, from that byte of the step's memory on.
    Segment(usize),
}

/// A loop that runs again for one segment, from its checkpoint on.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    /// Which of the step's bodies it runs.
    pub(crate) body: usize,
    /// What it does over one segment; its outputs are numbered as in `buffers`.
    pub(crate) scan: ScanControl,
    /// Where its arguments come from: a carry from the checkpoints, which are an operand.
    pub(crate) arguments: Vec<ArgumentSource>,
    pub(crate) memory: LoopMemory,
    /// Where each output is stacked: offsets in the step's memory.
    pub(crate) buffers: Vec<usize>,
}

/// Where a carry lies between two iterations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CarryHome {
    /// In two buffers of the region by turns: a body reads one and writes the other.
    Buffers,
    /// In an output that stacks the next carries: written at its position, and read there by the next iteration.
    StackOfNext(usize),
    /// In an output that stacks the carries as they come: read at its position, where the iteration before wrote it.
    StackOfCurrent(usize),
}

/// Memory of one loop: offsets from the start of the step's memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LoopMemory {
    /// Two buffers for each carry; the second is unused where the carry lies elsewhere.
    pub(crate) carries: Vec<[usize; 2]>,
    /// Where each further result of the body goes that is not stacked; 0 for one that is.
    pub(crate) discards: Vec<usize>,
}

/// Memory of a step with bodies: offsets from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Region {
    /// That of the loop itself.
    pub(crate) own: LoopMemory,
    /// One truth value.
    pub(crate) flag: usize,
    /// The arena of whichever body runs.
    pub(crate) arena: usize,
    pub(crate) bytes: usize,
}

/// The arrays of a step with bodies: all whole and in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NestedArrays {
    pub(crate) operands: Vec<ReadArray>,
    /// The vertices of the outputs, one after another.
    pub(crate) outputs: Vec<usize>,
}

impl NestedArrays {
    /// Those of the vertex with the bodies; its further outputs are the vertices behind it.
    pub(in crate::plan) fn of_vertex(network: &Network, vertex: usize) -> NestedArrays {
        let read = |operand: &StridedOperand| ReadArray {
            vertex: operand.vertex,
            dtype: network.vertices[operand.vertex].dtype,
            layout: operand.layout.clone(),
        };
        let operands = network.vertices[vertex].operands.iter().map(read).collect();
        NestedArrays { operands, outputs: network.outputs_of(vertex).collect() }
    }
}

impl Network {
    /// A vertex with bodies and its further outputs; of any other vertex that vertex alone.
    pub(in crate::plan) fn outputs_of(&self, vertex: usize) -> std::ops::Range<usize> {
        let is_further = |def: &&Vertex| matches!(def.kind, VertexKind::FurtherOutput);
        let n_further = self.vertices[vertex + 1..].iter().take_while(is_further).count();
        vertex..vertex + 1 + n_further
    }
}

impl Nested {
    /// What a body is to the operation.
    pub(crate) fn role(&self, body: usize) -> &'static str {
        match (&self.control, body) {
            (Control::Call, _) | (Control::Scan(_), 0) => "body",
            (Control::Scan(_), _) => "again",
            (Control::Branch, 0) => "then",
            (Control::Branch, _) => "else",
            (Control::While { .. }, 0) => "condition",
            (Control::While { .. }, _) => "body",
        }
    }

    /// A figure of one run of the step, from that of each body.
    fn total(&self, figure: impl Fn(&Plan) -> usize) -> usize {
        let of = |body: usize| figure(&self.bodies[body]);
        match &self.control {
            Control::Call => of(0),
            Control::Branch => of(0).max(of(1)),
            Control::Scan(scan) => {
                let replays = scan.segments.iter().flat_map(|segments| &segments.replays);
                let bodies = replays.map(|replay| replay.body).chain([0]);
                bodies.fold(0, |sum: usize, body| sum.saturating_add(of(body).saturating_mul(scan.length)))
            }
            // How often it runs is not known: once.
            Control::While { .. } => of(0).saturating_add(of(1)),
        }
    }

    /// Operations on floats: of a branch the larger number, of a loop without a known length those of one iteration.
    pub(crate) fn flops(&self) -> usize {
        self.total(Plan::flops)
    }

    /// Bytes that the steps of the bodies read and write, counted likewise.
    pub(crate) fn moved_bytes(&self) -> usize {
        self.total(Plan::moved_bytes)
    }
}

//! Computes one task of a convolution: a product of weights and patches, whose patches are packed panel by panel. In: a
//! plan, operands and scratch memory. Out: some channels of some outputs. It decides nothing and allocates nothing.

use std::ops::Range;

use super::{
    border::{has_infinite_weights, mend_border},
    descriptor::{ConvolutionDescriptor, ConvolutionOperands},
    padded_input::{InputBlock, copy_padded},
    patches::{Columns, Steps, pack_patches, run_end},
    plan::{DensePlan, Weights},
};
use crate::runtime::matmul::{
    Accumulation,
    pack::{PackSource, pack_rows},
    panels::{RowBlock, Strips, multiply_strips},
    tile::write_vector,
    vector::{MatmulElement, Vector},
};

/// The parts of the scratch memory, and the operands: x as it is, w and out at the task's group.
#[derive(Clone, Copy)]
pub(super) struct TaskPointers<T> {
    pub(super) x: *const T,
    pub(super) w: *const T,
    pub(super) out: *mut T,
    padded: *mut T,
    panel: *mut T,
    pub(super) weights: *mut T,
    tile: *mut T,
    places: *mut isize,
    pub(super) outputs: *mut isize,
}

/// Columns that share padded input, and what of the input it holds.
#[derive(Clone)]
pub(super) struct Chunk {
    pub(super) columns: Range<usize>,
    images: Range<usize>,
    first_output: usize,
}

/// # Safety
/// As for [`super::ConvolutionPlan::run_task`].
#[inline(always)]
pub(super) unsafe fn run_task<V: Vector>(
    plan: &DensePlan,
    task: usize,
    operands: ConvolutionOperands,
    scratch: *mut u8,
) {
    let block = plan.grid.block(task);
    for group in block.batches.clone() {
        let memory = memory::<V::Element>(plan, group, operands, scratch);
        let mut column = block.columns.start;
        while column < block.columns.end {
            let chunk = next_chunk(plan, column..block.columns.end);
            column = chunk.columns.end;
            // SAFETY: the block lies inside out, as the caller's task does; tables are as long as a chunk.
            unsafe {
                locate(plan, &chunk, memory);
                let first_channel = group * plan.dense.convolution.channels;
                let work = GroupWork { first_channel, rows: block.rows.clone() };
                // Where there are few outputs to a weight, as in the gradient by a kernel, all outputs are asked
                // instead.
                let found = run_chunk::<V>(plan, &chunk, &work, memory);
                if plan.is_padded && (found == Weighed::Infinite || !plan.weighs(chunk.columns.len())) {
                    mend_border(plan, &chunk, &work, memory);
                }
            }
        }
    }
}

#[inline(always)]
fn memory<T: MatmulElement>(
    plan: &DensePlan,
    group: usize,
    operands: ConvolutionOperands,
    scratch: *mut u8,
) -> TaskPointers<T> {
    let ConvolutionDescriptor { w, out, kernels, .. } = plan.dense.convolution;
    let kernel = (group * kernels) as isize;
    let layout = &plan.scratch;
    let part = |start: usize| scratch.wrapping_add(start).cast::<T>();
    TaskPointers {
        x: operands.x.cast(),
        w: operands.w.cast::<T>().wrapping_offset(kernel * w[0] + plan.geometry.first_weight),
        out: operands.out.cast::<T>().wrapping_offset(kernel * out[1]),
        padded: part(0),
        panel: part(layout.panel),
        weights: part(layout.weights),
        tile: part(layout.tile),
        places: scratch.wrapping_add(layout.places).cast(),
        outputs: scratch.wrapping_add(layout.outputs).cast(),
    }
}

/// As many columns as the geometry made room for: of several whole images, or of some rows of one.
#[inline(always)]
fn next_chunk(plan: &DensePlan, columns: Range<usize>) -> Chunk {
    let (places, geometry) = (plan.dense.convolution.places(), &plan.geometry);
    let image = columns.start / places;
    let mut end = columns.end.min(columns.start + geometry.chunk);
    let mut first_output = 0;
    if places > geometry.chunk {
        end = end.min((image + 1) * places);
        first_output = (columns.start - image * places) / (places / geometry.axes[0].axis.output);
    }
    Chunk { columns: columns.start..end, images: image..(end - 1) / places + 1, first_output }
}

/// Writes the tables of a chunk: where its outputs lie in padded input and in out.
///
/// # Safety
/// The tables have room for the chunk.
#[inline(always)]
unsafe fn locate<T>(plan: &DensePlan, chunk: &Chunk, memory: TaskPointers<T>) {
    let (axes, places) = (&plan.geometry.axes, plan.dense.convolution.places());
    let last = &axes[axes.len() - 1];
    let row = last.axis.output;
    let mut column = chunk.columns.start;
    while column < chunk.columns.end {
        // A row of outputs is located as a whole.
        let image = column / places;
        let (mut rest, first) = ((column - image * places) / row, column % row);
        let mut place = (image - chunk.images.start) as isize * plan.geometry.image_stride;
        let mut output = image as isize * plan.dense.convolution.out[0];
        for padded in axes[..axes.len() - 1].iter().rev() {
            let position = (rest % padded.axis.output) as isize;
            rest /= padded.axis.output;
            place += position * padded.axis.stride as isize * padded.stride;
            output += position * padded.axis.out;
        }
        place -= (chunk.first_output * axes[0].axis.stride) as isize * axes[0].stride;
        for position in first..row.min(first + chunk.columns.end - column) {
            let index = column - chunk.columns.start + position - first;
            // SAFETY: the index is below the number of the chunk's columns, for which the tables have room.
            unsafe {
                *memory.places.add(index) = place + (position * last.axis.stride) as isize;
                *memory.outputs.add(index) = output + position as isize * last.axis.out;
            }
        }
        column += row - first;
    }
}

/// What of a group is computed.
pub(super) struct GroupWork {
    /// The group's first channel of x.
    pub(super) first_channel: usize,
    pub(super) rows: Range<usize>,
}

/// What weights were found to be. Only infinite ones and NaN make anything of the zeros of padding.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Weighed {
    Finite,
    Infinite,
}

/// The sums of a chunk, in blocks of channels and taps, always in the same order.
///
/// # Safety
/// As for [`super::ConvolutionPlan::run_task`], with tables for the chunk.
#[inline(always)]
unsafe fn run_chunk<V: Vector>(
    plan: &DensePlan,
    chunk: &Chunk,
    work: &GroupWork,
    memory: TaskPointers<V::Element>,
) -> Weighed {
    let (geometry, convolution) = (&plan.geometry, &plan.dense.convolution);
    let n_taps = convolution.taps();
    if convolution.channels * n_taps == 0 {
        // SAFETY: the caller vouches for out and for the tables.
        unsafe { write_nothing(plan, chunk, work, memory) };
        return Weighed::Finite;
    }
    let mut weighed = Weighed::Finite;
    for channel in (0..convolution.channels).step_by(geometry.channel_block) {
        let channels = geometry.channel_block.min(convolution.channels - channel);
        let start = work.first_channel + channel;
        let part = InputBlock {
            x: memory.x,
            images: chunk.images.clone(),
            channels: start..start + channels,
            first_output: chunk.first_output,
            to: memory.padded,
        };
        // SAFETY: the chunk's images and channels are inside x, and the geometry counted the room that they take.
        unsafe { copy_padded::<V>(convolution, geometry, &part) };
        for tap in (0..n_taps).step_by(geometry.tap_block) {
            let steps = Steps { channels, taps: tap..n_taps.min(tap + geometry.tap_block) };
            let output = if channel + tap == 0 { Accumulation::Overwrite } else { Accumulation::Add };
            let w = convolution.w[1] * channel as isize;
            let memory = TaskPointers { w: memory.w.wrapping_offset(w), ..memory };
            let visit = Visit { steps, rows: work.rows.clone(), columns: chunk.columns.len(), output };
            // SAFETY: the steps are inside the block that has just been copied.
            let found = unsafe { run_visit::<V>(plan, &visit, memory) };
            weighed = if found == Weighed::Infinite { found } else { weighed };
        }
    }
    weighed
}

/// An empty sum.
///
/// # Safety
/// `out` is valid for the rows and the chunk, which the tables hold.
unsafe fn write_nothing<T: MatmulElement>(plan: &DensePlan, chunk: &Chunk, work: &GroupWork, memory: TaskPointers<T>) {
    for row in work.rows.clone() {
        let [_, first] = plan.dense.row(row);
        for column in 0..chunk.columns.len() {
            // SAFETY: the caller's promise.
            unsafe { *memory.out.offset(first + *memory.outputs.add(column)) = T::ZERO };
        }
    }
}

/// Some steps for all rows and columns of a chunk.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) steps: Steps,
    pub(super) rows: Range<usize>,
    columns: usize,
    output: Accumulation,
}

impl Visit {
    #[inline(always)]
    pub(super) fn n_steps(&self) -> usize {
        self.steps.channels * self.steps.taps.len()
    }
}

/// # Safety
/// As for [`run_chunk`], with `memory.w` at the pass's first channel.
#[inline(always)]
unsafe fn run_visit<V: Vector>(plan: &DensePlan, visit: &Visit, memory: TaskPointers<V::Element>) -> Weighed {
    let strides = [plan.dense.convolution.w[0], plan.geometry.weight_step];
    let [first_weight, first_output] = plan.dense.row(visit.rows.start);
    let a = memory.w.wrapping_offset(plan.geometry.weight_offsets[visit.steps.taps.start] + first_weight);
    // SAFETY: scratch memory has room for the weights and one panel; the tables for the columns.
    unsafe {
        let packed = match plan.weights {
            Weights::InPlace => None,
            Weights::Packed => {
                pack_weights::<V>(plan, visit, memory);
                Some(memory.weights.cast_const())
            }
        };
        let rows = RowBlock {
            m: visit.rows.len(),
            a,
            strides,
            packed,
            c: memory.out.wrapping_offset(first_output),
            c_row: plan.dense.convolution.out[1],
            output: visit.output,
        };
        let panel = 2 * V::LANES;
        for column in (0..visit.columns).step_by(panel) {
            let count = panel.min(visit.columns - column);
            let columns = Columns {
                places: std::slice::from_raw_parts(memory.places.add(column), count),
                outputs: std::slice::from_raw_parts(memory.outputs.add(column), count),
            };
            pack_patches::<V>(&plan.geometry, &columns, &visit.steps, memory.padded, memory.panel);
            let strips = Strips { k: visit.n_steps(), n: count, packed: memory.panel.cast_const(), in_place: None };
            if plan.has_rows() {
                multiply_panel::<V>(&rows, &strips, &columns, memory.tile);
            } else {
                multiply_phases::<V>(plan, visit, (&rows, &strips, &columns), memory);
            }
        }
        if plan.is_padded && plan.weighs(visit.columns) {
            has_infinite_weights::<V>(&rows, visit.n_steps())
        } else {
            Weighed::Finite
        }
    }
}

/// The tiles of one panel whose rows are of several phases, or whose outputs lie apart, by way of the scratch memory.
///
/// # Safety
/// As for [`multiply_panel`], with the pass's rows.
#[inline(always)]
unsafe fn multiply_phases<V: Vector>(
    plan: &DensePlan,
    visit: &Visit,
    (rows, strips, columns): (&RowBlock<V::Element>, &Strips<V::Element>, &Columns<'_>),
    memory: TaskPointers<V::Element>,
) {
    let c_row = 2 * V::LANES as isize;
    let aside = RowBlock { c: memory.tile, c_row, output: Accumulation::Overwrite, ..*rows };
    // SAFETY: the tile has room for the rows of a panel, and the outputs of each row are inside out.
    unsafe {
        multiply_strips::<V>(&aside, strips);
        for row in 0..rows.m {
            let line = memory.tile.offset(row as isize * c_row);
            let [_, first] = plan.dense.row(visit.rows.start + row);
            let out = memory.out.wrapping_offset(first);
            for (column, output) in columns.outputs.iter().enumerate() {
                let (to, sum) = (out.offset(*output), *line.add(column));
                *to = rows.output.apply(|| *to, sum);
            }
        }
    }
}

/// The tiles of one panel, written to out at once where its outputs are side by side, else by way of the scratch
/// memory.
///
/// # Safety
/// As for [`multiply_strips`] with C at the columns' outputs; `tile` has room for the rows of a panel.
#[inline(always)]
unsafe fn multiply_panel<V: Vector>(
    rows: &RowBlock<V::Element>,
    strips: &Strips<V::Element>,
    columns: &Columns<'_>,
    tile: *mut V::Element,
) {
    // SAFETY: outputs are offsets inside out for each of the rows, which the caller vouches for.
    unsafe {
        if run_end(columns.outputs, 0) == columns.count() {
            let c = rows.c.offset(columns.outputs[0]);
            multiply_strips::<V>(&RowBlock { c, ..*rows }, strips);
            return;
        }
        let c_row = 2 * V::LANES as isize;
        let aside = RowBlock { c: tile, c_row, output: Accumulation::Overwrite, ..*rows };
        multiply_strips::<V>(&aside, strips);
        let mut column = 0;
        while column < columns.count() {
            let lanes = (run_end(columns.outputs, column) - column).min(V::LANES);
            for row in 0..rows.m {
                let line = V::load_lanes(tile.offset(row as isize * c_row).add(column), lanes);
                let c = rows.c.offset(row as isize * rows.c_row + columns.outputs[column]);
                write_vector(line, c, lanes, rows.output);
            }
            column += lanes;
        }
    }
}

/// Packs the weights of a pass as the panels that [`multiply_strips`] cuts rows into.
///
/// # Safety
/// As for [`run_visit`].
#[inline(always)]
unsafe fn pack_weights<V: Vector>(plan: &DensePlan, visit: &Visit, memory: TaskPointers<V::Element>) {
    let (geometry, taps) = (&plan.geometry, &visit.steps.taps);
    let n_rows = visit.rows.len();
    let n_panels = n_rows.div_ceil(V::TILES.len());
    for panel in 0..n_panels {
        let (first, end) = (n_rows * panel / n_panels, n_rows * (panel + 1) / n_panels);
        let mut to = memory.weights.wrapping_add(first * visit.n_steps());
        let mut lines = [0; MAX_ROWS];
        for (line, row) in lines.iter_mut().zip(visit.rows.start + first..visit.rows.start + end) {
            *line = plan.dense.row(row)[0];
        }
        let lines = &lines[..end - first];
        for channel in 0..visit.steps.channels {
            let mut tap = taps.start;
            while tap < taps.end {
                let length = (taps.end - tap).min(geometry.weight_run - tap % geometry.weight_run);
                let offset = channel as isize * plan.dense.convolution.w[1] + geometry.weight_offsets[tap];
                let from = memory.w.wrapping_offset(offset);
                // SAFETY: the taps of a run are at one stride inside w; panels follow each other without gaps.
                unsafe {
                    if plan.dense.phases.len() == 1 {
                        let across = plan.dense.convolution.w[0];
                        let from = from.wrapping_offset(lines[0]);
                        let source =
                            PackSource { from, length, width: lines.len(), step: geometry.weight_step, across };
                        pack_rows::<V>(source, to);
                    } else {
                        gather_rows(from, lines, (length, geometry.weight_step), to);
                    }
                }
                to = to.wrapping_add(length * lines.len());
                tap += length;
            }
        }
    }
}

/// The most rows of a panel of weights, on any instruction set.
const MAX_ROWS: usize = 16;

/// Packs rows that lie anywhere: so many steps at one stride, and for each the weights of all rows.
///
/// # Safety
/// The weights are inside w, and `to` has room for them.
#[inline(always)]
unsafe fn gather_rows<T: MatmulElement>(from: *const T, lines: &[isize], (length, step): (usize, isize), to: *mut T) {
    for place in 0..length {
        let from = from.wrapping_offset(place as isize * step);
        for (row, line) in lines.iter().enumerate() {
            // SAFETY: the caller's promises.
            unsafe { *to.add(place * lines.len() + row) = *from.offset(*line) };
        }
    }
}

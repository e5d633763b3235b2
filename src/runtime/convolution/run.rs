//! Computes one task of a convolution: a product of weights and patches, which are read from padded input where they lie or packed from it
//! panel by panel. In: a plan, operands and scratch memory. Out: some channels of some outputs. It decides nothing and allocates nothing.

use std::ops::Range;

use super::{
    border::{has_infinite_weights, mend_border},
    descriptor::{ConvolutionDescriptor, ConvolutionOperands},
    geometry::Patches,
    padded_input::{InputBlock, copy_padded},
    patches::{Columns, PatchVector, Steps, pack_patches, run_end},
    plan::{DensePlan, Weights},
};
use crate::runtime::matmul::{
    Accumulation,
    pack::{PackSource, pack_rows},
    panels::{FEW_STEPS, RowBlock, Strips, multiply_strips, n_panels, panel_rows},
    tile::{PatchTile, write_vector},
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
    outputs: *mut isize,
    vectors: *mut PatchVector,
    n_vectors: usize,
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
        let mut are_weights_packed = false;
        while column < block.columns.end {
            let chunk = next_chunk(plan, column..block.columns.end);
            column = chunk.columns.end;
            // SAFETY: the block lies inside out, as the caller's task does; tables are as long as a chunk.
            unsafe {
                let n_vectors = locate::<V>(plan, &chunk, memory);
                let memory = TaskPointers { n_vectors, ..memory };
                let first_channel = group * plan.dense.convolution.channels;
                let work = GroupWork { first_channel, rows: block.rows.clone(), are_weights_packed };
                // Where there are few outputs to a weight, as in the gradient by a kernel, all outputs are asked
                // instead.
                let found = run_chunk::<V>(plan, &chunk, &work, memory);
                are_weights_packed = plan.geometry.has_one_pass(&plan.dense.convolution);
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
        vectors: scratch.wrapping_add(layout.vectors).cast(),
        n_vectors: 0,
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

/// Writes the tables of a chunk: where its outputs lie in padded input and in out, one by one or, if patches are read where they lie, by
/// vectors, whose number it gives.
///
/// # Safety
/// The tables have room for the chunk.
#[inline(always)]
unsafe fn locate<V: Vector>(plan: &DensePlan, chunk: &Chunk, memory: TaskPointers<V::Element>) -> usize {
    let (axes, places) = (&plan.geometry.axes, plan.dense.convolution.places());
    let last = &axes[axes.len() - 1];
    let row = last.axis.output;
    // Padded input begins with the first output's patch along the first axis.
    let first_of = |axis: usize| if axis == 0 { chunk.first_output } else { 0 };
    let mut n_vectors = 0;
    let mut column = chunk.columns.start;
    while column < chunk.columns.end {
        // A row of outputs is located as a whole.
        let image = column / places;
        let (mut rest, first) = ((column - image * places) / row, column % row);
        let mut place = (image - chunk.images.start) as isize * plan.geometry.image_stride;
        let mut output = image as isize * plan.dense.convolution.out[0];
        for (axis, padded) in axes[..axes.len() - 1].iter().enumerate().rev() {
            let position = rest % padded.axis.output;
            rest /= padded.axis.output;
            place += padded.offset((position - first_of(axis)) * padded.axis.stride);
            output += position as isize * padded.axis.out;
        }
        let positions = first..row.min(first + chunk.columns.end - column);
        let at = |position: usize| {
            let place = place + last.offset((position - first_of(axes.len() - 1)) * last.axis.stride);
            (place, output + position as isize * last.axis.out)
        };
        if plan.geometry.patches == Patches::InPlace {
            for position in positions.clone().step_by(V::LANES) {
                let ((place, output), lanes) = (at(position), V::LANES.min(positions.end - position));
                // SAFETY: no chunk has more vectors than columns.
                unsafe { *memory.vectors.add(n_vectors) = PatchVector { place, output, lanes } };
                n_vectors += 1;
            }
        } else {
            for position in positions {
                let index = column - chunk.columns.start + position - first;
                let (place, output) = at(position);
                // SAFETY: the index is below the number of the chunk's columns, for which the tables have room.
                unsafe { (*memory.places.add(index), *memory.outputs.add(index)) = (place, output) };
            }
        }
        column += row - first;
    }
    n_vectors
}

/// What of a group is computed.
pub(super) struct GroupWork {
    /// The group's first channel of x.
    pub(super) first_channel: usize,
    pub(super) rows: Range<usize>,
    /// Whether all weights of these rows are packed already, for the chunk before.
    are_weights_packed: bool,
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
            let visit = Visit {
                is_last: channel + channels == convolution.channels && steps.taps.end == n_taps,
                steps,
                rows: work.rows.clone(),
                columns: chunk.columns.len(),
                output,
                are_weights_packed: work.are_weights_packed,
            };
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
/// `out` is valid for the rows and the chunk.
unsafe fn write_nothing<T: MatmulElement>(plan: &DensePlan, chunk: &Chunk, work: &GroupWork, memory: TaskPointers<T>) {
    let convolution = &plan.dense.convolution;
    let last = &convolution.axes[convolution.axes.len() - 1];
    for row in work.rows.clone() {
        let [_, first] = plan.dense.row(row);
        let mut column = chunk.columns.start;
        while column < chunk.columns.end {
            let end = chunk.columns.end.min(column - column % last.output + last.output);
            let mut out = memory.out.wrapping_offset(first + convolution.output_offset(column));
            for _ in column..end {
                // SAFETY: the caller's promise.
                unsafe { *out = T::ZERO };
                out = out.wrapping_offset(last.out);
            }
            column = end;
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
    /// Whether no other steps follow.
    is_last: bool,
    are_weights_packed: bool,
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
    // SAFETY: scratch memory has room for the weights.
    unsafe {
        let packed = match plan.weights {
            Weights::InPlace => None,
            Weights::Packed => {
                if !visit.are_weights_packed {
                    pack_weights::<V>(plan, visit, memory);
                }
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
        match plan.geometry.patches {
            Patches::InPlace => multiply_in_place::<V>(plan, &rows, visit, memory),
            Patches::Copied | Patches::Transposed => multiply_packed::<V>(plan, &rows, visit, memory),
        }
        if plan.is_padded && plan.weighs(visit.columns) {
            has_infinite_weights::<V>(&rows, visit.n_steps())
        } else {
            Weighed::Finite
        }
    }
}

/// Where the sums of a panel are put in scratch memory, for outputs that lie apart.
struct Aside<T> {
    tile: *mut T,
    /// How sums come there.
    output: Accumulation,
    /// How they go to out after this pass, if they do.
    write: Option<Accumulation>,
}

impl<T> Aside<T> {
    /// Sums of all panels are kept until the last pass, if there is room, so that outputs are written once.
    #[inline(always)]
    fn new(plan: &DensePlan, visit: &Visit, rows: &RowBlock<T>, tile: *mut T, column: usize) -> Aside<T> {
        if !plan.keeps_sums {
            return Aside { tile, output: Accumulation::Overwrite, write: Some(rows.output) };
        }
        let write = visit.is_last.then_some(Accumulation::Overwrite);
        Aside { tile: tile.wrapping_add(column * rows.m), output: rows.output, write }
    }
}

/// The tiles of all panels of a chunk, each of which is packed first.
///
/// # Safety
/// As for [`multiply_in_place`].
#[inline(always)]
unsafe fn multiply_packed<V: Vector>(
    plan: &DensePlan,
    rows: &RowBlock<V::Element>,
    visit: &Visit,
    memory: TaskPointers<V::Element>,
) {
    let panel = 2 * V::LANES;
    for column in (0..visit.columns).step_by(panel) {
        let count = panel.min(visit.columns - column);
        // SAFETY: scratch memory has room for one panel, the tables for the columns.
        unsafe {
            let columns = Columns {
                places: std::slice::from_raw_parts(memory.places.add(column), count),
                outputs: std::slice::from_raw_parts(memory.outputs.add(column), count),
            };
            pack_patches::<V>(&plan.geometry, &columns, &visit.steps, memory.padded, memory.panel);
            let strips = Strips { k: visit.n_steps(), n: count, packed: memory.panel.cast_const(), in_place: None };
            let aside = Aside::new(plan, visit, rows, memory.tile, column);
            if plan.dense.has_rows() {
                multiply_panel::<V>(rows, &strips, &columns, &aside);
            } else {
                multiply_phases::<V>(plan, visit, (rows, &strips, &columns), (&aside, memory.out));
            }
        }
    }
}

/// The tiles of all vectors of a chunk, whose patches are read where they lie.
///
/// # Safety
/// As for [`run_visit`], with rows that are packed or readable at their strides, and C at the first of them.
#[inline(always)]
unsafe fn multiply_in_place<V: Vector>(
    plan: &DensePlan,
    rows: &RowBlock<V::Element>,
    visit: &Visit,
    memory: TaskPointers<V::Element>,
) {
    // SAFETY: `locate` wrote so many vectors.
    let vectors = unsafe { std::slice::from_raw_parts(memory.vectors, memory.n_vectors) };
    let n_panels = n_panels::<V>(rows.m);
    // SAFETY: the caller's promises; panels are below their number.
    unsafe {
        if visit.n_steps() <= FEW_STEPS {
            // Writing outputs takes most of the time, so they are written row after row.
            for panel in 0..n_panels {
                vectors.chunks(2).for_each(|pair| multiply_pair::<V>(plan, rows, visit, memory.padded, (pair, panel)));
            }
        } else {
            // Each patch stays in the first-level cache while all panels of weights pass it.
            for pair in vectors.chunks(2) {
                (0..n_panels).for_each(|panel| multiply_pair::<V>(plan, rows, visit, memory.padded, (pair, panel)));
            }
        }
    }
}

/// The tile of one panel of rows and one or two vectors.
///
/// # Safety
/// As for [`multiply_in_place`], with a panel and vectors that exist.
#[inline(always)]
unsafe fn multiply_pair<V: Vector>(
    plan: &DensePlan,
    rows: &RowBlock<V::Element>,
    visit: &Visit,
    padded: *const V::Element,
    (pair, panel): (&[PatchVector], usize),
) {
    let vector = |position: usize| pair[position.min(pair.len() - 1)];
    let panel = panel_rows::<V>(rows.m, panel);
    let (a, a_row, a_step) = rows.strip(&panel, visit.n_steps());
    let c = rows.c.wrapping_offset(panel.start as isize * rows.c_row);
    let tile = PatchTile {
        channels: visit.steps.channels,
        channel_stride: plan.geometry.channel_stride,
        taps: &plan.geometry.tap_offsets[visit.steps.taps.clone()],
        b: [0, 1].map(|position| padded.wrapping_offset(vector(position).place)),
        a,
        a_row,
        a_step,
        c: [0, 1].map(|position| c.wrapping_offset(vector(position).output)),
        c_row: rows.c_row,
        lanes: [0, 1].map(|position| vector(position).lanes),
        output: rows.output,
    };
    // SAFETY: under each tap a place and a vector behind it are inside padded input, the outputs of a vector inside out; panels have at
    // least one row and at most as many as the table.
    unsafe { V::TILES.get_unchecked(panel.len() - 1).patches[pair.len() - 1](&tile) };
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
    (aside, out): (&Aside<V::Element>, *mut V::Element),
) {
    let c_row = 2 * V::LANES as isize;
    // SAFETY: the tile has room for the rows of a panel, and the outputs of each row are inside out.
    unsafe {
        multiply_strips::<V>(&RowBlock { c: aside.tile, c_row, output: aside.output, ..*rows }, strips);
        let Some(write) = aside.write else { return };
        for row in 0..rows.m {
            let line = aside.tile.offset(row as isize * c_row);
            let [_, first] = plan.dense.row(visit.rows.start + row);
            let out = out.wrapping_offset(first);
            for (column, output) in columns.outputs.iter().enumerate() {
                let (to, sum) = (out.offset(*output), *line.add(column));
                *to = write.apply(|| *to, sum);
            }
        }
    }
}

/// The tiles of one panel, written to out at once where its outputs are side by side, else by way of the scratch
/// memory.
///
/// # Safety
/// As for [`multiply_strips`] with C at the columns' outputs; the tile aside has room for the rows of a panel.
#[inline(always)]
unsafe fn multiply_panel<V: Vector>(
    rows: &RowBlock<V::Element>,
    strips: &Strips<V::Element>,
    columns: &Columns<'_>,
    aside: &Aside<V::Element>,
) {
    // SAFETY: outputs are offsets inside out for each of the rows, which the caller vouches for.
    unsafe {
        if run_end(columns.outputs, 0) == columns.count() {
            let c = rows.c.offset(columns.outputs[0]);
            multiply_strips::<V>(&RowBlock { c, ..*rows }, strips);
            return;
        }
        let c_row = 2 * V::LANES as isize;
        multiply_strips::<V>(&RowBlock { c: aside.tile, c_row, output: aside.output, ..*rows }, strips);
        let Some(write) = aside.write else { return };
        let mut column = 0;
        while column < columns.count() {
            let lanes = (run_end(columns.outputs, column) - column).min(V::LANES);
            for row in 0..rows.m {
                let line = V::load_lanes(aside.tile.offset(row as isize * c_row).add(column), lanes);
                let c = rows.c.offset(row as isize * rows.c_row + columns.outputs[column]);
                write_vector(line, c, lanes, write);
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
    for panel in (0..n_panels::<V>(n_rows)).map(|panel| panel_rows::<V>(n_rows, panel)) {
        let mut to = memory.weights.wrapping_add(panel.start * visit.n_steps());
        let mut lines = [0; MAX_ROWS];
        for (line, row) in lines.iter_mut().zip(panel.clone()) {
            *line = plan.dense.row(visit.rows.start + row)[0];
        }
        let lines = &lines[..panel.len()];
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

//! The geometry of a convolution's plan: where patches are in the padded input, how much of it is held at once, and in
//! which order taps are summed. In: a convolution. Out: offsets and sizes; it reads no operand.
//!
//! The padded input is a copy of a few images and channels in scratch memory, with padding written out and contiguous
//! rows. In there every patch is the same pattern of offsets, so the inner loops never test for the border. A row whose
//! outputs or taps lie some positions apart is split into as many parts, of the positions with each remainder, so that
//! what is read together lies side by side.

use super::descriptor::{ConvolutionDescriptor, Dense, SpatialAxis};
use crate::plan::MachineModel;

/// Columns (outputs) that share a copy of padded input, about.
const CHUNK_COLUMNS: usize = 832;
/// Bytes that padded input should not exceed, so that it stays in the second cache with the rest.
const PADDED_BYTES: usize = MachineModel::DEFAULT.resident_bytes / 4 * 3;

/// How tiles get the patches, which are found in padded input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patches {
    /// Neighbouring outputs read neighbouring elements, in rows that fill vectors: patches are read where they lie.
    InPlace,
    /// The same in rows that are short for a vector: parts of rows are copied to panels.
    Copied,
    /// Outputs come in short rows, but neighbouring taps read neighbouring elements: squares are transposed to panels.
    Transposed,
}

/// To pack a row of patches takes as long as multiplying it with so many rows, roughly.
pub(super) const ROWS_OF_PACKING: usize = 6;

/// Offsets are in elements, of padded input unless said otherwise.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    /// The axes, with those flipped along which w runs backwards: see [`TapOffsets`].
    pub(super) axes: Vec<PaddedAxis>,
    /// For each tap, in order, where it lies relative to the place of its output.
    pub(super) tap_offsets: Vec<isize>,
    /// For each tap, in the same order, where its weight lies in w relative to the first.
    pub(super) weight_offsets: Vec<isize>,
    /// Where the first tap's weight lies in w.
    pub(super) first_weight: isize,
    /// Taps side by side in w with one stride between them.
    pub(super) weight_run: usize,
    pub(super) weight_step: isize,
    pub(super) patches: Patches,
    /// Channels that are copied and summed in one pass.
    pub(super) channel_block: usize,
    /// Taps that are summed in one pass.
    pub(super) tap_block: usize,
    /// Taps of a row.
    pub(super) tap_row: usize,
    pub(super) chunk: usize,
    pub(super) channel_stride: isize,
    pub(super) image_stride: isize,
    /// The most elements of padded input that are held at once.
    pub(super) padded_elements: usize,
}

/// One axis of padded input.
#[derive(Debug, Clone, Copy)]
pub(super) struct PaddedAxis {
    pub(super) axis: SpatialAxis,
    /// Positions that are held at once.
    pub(super) extent: usize,
    /// Positions so far apart lie side by side: one part for each remainder.
    pub(super) parts: usize,
    pub(super) stride: isize,
}

impl PaddedAxis {
    /// Positions with those that fill up the parts.
    pub(super) fn length(&self) -> usize {
        self.extent.next_multiple_of(self.parts)
    }

    /// Where a position lies.
    pub(super) fn offset(&self, position: usize) -> isize {
        if self.parts == 1 {
            return position as isize * self.stride;
        }
        let part = self.length() / self.parts;
        (position % self.parts * part + position / self.parts) as isize * self.stride
    }
}

/// What a geometry is made for, beside the convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct GeometryLimits {
    /// Columns of a full panel of the widest registers.
    pub(super) panel: usize,
    /// The most steps of a pass.
    pub(super) steps: usize,
    pub(super) element_bytes: usize,
    /// Lanes of the registers that are used: no order of a sum depends on it.
    pub(super) lanes: usize,
}

impl Geometry {
    /// Whether all channels and taps are summed in one pass.
    pub(super) fn has_one_pass(&self, convolution: &ConvolutionDescriptor) -> bool {
        self.channel_block >= convolution.channels && self.tap_block >= convolution.taps()
    }

    pub(super) fn new(dense: &Dense, limits: GeometryLimits) -> Geometry {
        let GeometryLimits { panel, steps, element_bytes, lanes } = limits;
        let convolution = &dense.convolution;
        let (taps, tap_row) = (convolution.taps(), convolution.axes.last().map_or(1, |axis| axis.kernel));
        let patches = patches(dense, lanes);
        let mut channel_block = (steps / taps.max(1)).clamp(1, convolution.channels.max(1));
        let unit = column_unit(convolution, panel);
        let mut chunk = CHUNK_COLUMNS / unit * unit;
        let mut layout = PaddedInputLayout::new(convolution, chunk, unit);
        let is_large = |layout: &PaddedInputLayout, channels| layout.elements(channels) * element_bytes > PADDED_BYTES;
        while is_large(&layout, channel_block) && chunk > unit {
            chunk = (chunk / 2).next_multiple_of(unit);
            layout = PaddedInputLayout::new(convolution, chunk, unit);
        }
        while is_large(&layout, channel_block) && channel_block > 1 {
            channel_block = channel_block.div_ceil(2);
        }
        let channel_block = even(convolution.channels, channel_block);
        let offsets = TapOffsets::new(&layout.axes);
        Geometry {
            patches,
            tap_offsets: offsets.taps,
            weight_offsets: offsets.weights,
            first_weight: offsets.first_weight,
            weight_run: offsets.weight_run,
            weight_step: offsets.weight_step,
            channel_block,
            tap_block: even(taps, steps),
            tap_row,
            chunk,
            channel_stride: layout.channel_elements as isize,
            image_stride: (layout.channel_elements * channel_block) as isize,
            padded_elements: layout.elements(channel_block),
            axes: layout.axes,
        }
    }
}

/// Blocks are made equal, so that none is too short to hide the cost of writing the output.
fn even(whole: usize, block: usize) -> usize {
    whole.max(1).div_ceil(whole.max(1).div_ceil(block.max(1)))
}

/// What columns are cut into multiples of: whole images where they are neither tiny nor large, so that no image is
/// copied twice, else panels.
pub(super) fn column_unit(convolution: &ConvolutionDescriptor, panel: usize) -> usize {
    let places = convolution.places();
    if places >= 3 * panel && places <= CHUNK_COLUMNS { places } else { panel }
}

/// How padded input lies for chunks of some number of columns.
struct PaddedInputLayout {
    axes: Vec<PaddedAxis>,
    channel_elements: usize,
    images: usize,
}

impl PaddedInputLayout {
    fn new(convolution: &ConvolutionDescriptor, chunk: usize, unit: usize) -> PaddedInputLayout {
        let places = convolution.places().max(1);
        let mut axes: Vec<PaddedAxis> = convolution
            .axes
            .iter()
            .map(|axis| PaddedAxis { axis: *axis, extent: whole_extent(axis), parts: 1, stride: 1 })
            .collect();
        if let Some(last) = axes.last_mut() {
            last.parts = if has_rows_of_taps(&last.axis) { last.axis.kernel_dilation } else { last.axis.stride };
        }
        let mut images = convolution.batch.max(1);
        if places > chunk {
            // A chunk is inside one image and needs just some rows of its first axis.
            images = 1;
            let rows = (chunk - 1).div_ceil(places / axes[0].axis.output.max(1)) + 1;
            let axis = SpatialAxis { output: rows.min(axes[0].axis.output), ..axes[0].axis };
            axes[0].extent = whole_extent(&axis);
        } else {
            let parts = usize::from(unit != places);
            images = images.min((chunk - parts).div_ceil(places) + parts);
        }
        let mut stride = 1;
        for axis in axes.iter_mut().rev() {
            axis.stride = stride as isize;
            stride *= axis.length();
        }
        PaddedInputLayout { axes, channel_elements: stride, images }
    }

    fn elements(&self, channels: usize) -> usize {
        self.images * channels * self.channel_elements
    }
}

/// Positions between the first tap of the first output and the last tap of the last one.
fn whole_extent(axis: &SpatialAxis) -> usize {
    axis.output.saturating_sub(1) * axis.stride + axis.kernel.saturating_sub(1) * axis.kernel_dilation + 1
}

struct TapOffsets {
    taps: Vec<isize>,
    weights: Vec<isize>,
    first_weight: isize,
    weight_run: usize,
    weight_step: isize,
}

impl TapOffsets {
    /// Axes along which w runs backwards are visited from their far end, so that weights are read forwards.
    fn new(axes: &[PaddedAxis]) -> TapOffsets {
        let (mut taps, mut weights, mut first_weight) = (vec![0], vec![0], 0);
        for padded in axes {
            let axis = &padded.axis;
            let (count, is_backwards, weight) = (axis.kernel, axis.w < 0, axis.w.abs());
            let tap = |k: usize| {
                let k = if is_backwards { count - 1 - k } else { k };
                padded.offset(k * axis.kernel_dilation)
            };
            first_weight += if is_backwards { (count as isize - 1) * axis.w } else { 0 };
            taps = taps.iter().flat_map(|offset| (0..count).map(move |k| offset + tap(k))).collect();
            weights = weights.iter().flat_map(|offset| (0..count as isize).map(move |k| offset + k * weight)).collect();
        }
        let (weight_run, weight_step) = longest_run(axes);
        TapOffsets { taps, weights, first_weight, weight_run, weight_step }
    }
}

/// How many taps, from each multiple of that number, have weights at one stride, and that stride.
fn longest_run(axes: &[PaddedAxis]) -> (usize, isize) {
    let (mut run, mut step) = (1, 1);
    for PaddedAxis { axis, .. } in axes.iter().rev().filter(|padded| padded.axis.kernel > 1) {
        if run == 1 {
            step = axis.w.abs();
        } else if axis.w.abs() != step * run as isize {
            break;
        }
        run *= axis.kernel;
    }
    (run, step)
}

/// Whether taps are read side by side rather than outputs: there are many of them in a row, forwards in w, and few outputs or such
/// that lie apart.
fn has_rows_of_taps(axis: &SpatialAxis) -> bool {
    let has_few_outputs = axis.stride == 1 && 2 * axis.output <= axis.kernel;
    let have_gaps = axis.stride != 1 && axis.kernel_dilation == 1;
    axis.w >= 0 && axis.kernel >= 4 && (has_few_outputs || have_gaps)
}

/// Rows of outputs are read where they lie, unless so many lanes of their last vectors are empty that packing costs less.
fn patches(dense: &Dense, lanes: usize) -> Patches {
    let last = &dense.convolution.axes[dense.convolution.axes.len() - 1];
    let (rows, row) = (dense.n_rows() as u128, last.output as u128);
    if has_rows_of_taps(last) {
        Patches::Transposed
    } else if dense.has_rows() && rows * row.next_multiple_of(lanes as u128) <= (rows + ROWS_OF_PACKING as u128) * row {
        Patches::InPlace
    } else {
        Patches::Copied
    }
}

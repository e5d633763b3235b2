//! Convolutions against their definition, on every instruction set of the machine. Elements are small whole numbers, so
//! each result is exact in every dtype and order, and is compared without a tolerance.

use smallvec::SmallVec;

use super::{ConvolutionDescriptor, ConvolutionOperands, ConvolutionPlan, SpatialAxis};
use crate::runtime::{instruction_set::InstructionSet, matmul::tests::Whole};

const GUARD: u8 = 0xA5;

/// In which order the axes of an operand lie in memory: batch (or kernels), channels, then space.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ChannelOrder {
    Standard,
    /// Channels before the batch.
    Swapped,
    ChannelsLast,
    /// The spatial axes run backwards.
    Reversed,
    /// Every second element, with more room between channels.
    Spread,
}

const LAYOUTS: [ChannelOrder; 5] = [
    ChannelOrder::Standard,
    ChannelOrder::Swapped,
    ChannelOrder::ChannelsLast,
    ChannelOrder::Reversed,
    ChannelOrder::Spread,
];

/// An operand: its elements, its first one, its strides.
struct Array<T> {
    elements: Vec<T>,
    first: usize,
    strides: Vec<isize>,
}

fn array<T: Whole>(layout: ChannelOrder, shape: &[usize], seed: i64) -> Array<T> {
    let rank = shape.len();
    let order: Vec<usize> = match layout {
        ChannelOrder::Swapped => [1, 0].into_iter().chain(2..rank).collect(),
        ChannelOrder::ChannelsLast => [0].into_iter().chain(2..rank).chain([1]).collect(),
        _ => (0..rank).collect(),
    };
    let (mut strides, mut stride) = (vec![0; rank], if layout == ChannelOrder::Spread { 2 } else { 1 });
    for axis in order.into_iter().rev() {
        strides[axis] = stride as isize;
        stride = stride * shape[axis].max(1) + usize::from(layout == ChannelOrder::Spread && axis == 2);
    }
    let mut first = 0;
    if layout == ChannelOrder::Reversed {
        for axis in 2..rank {
            first += (shape[axis].max(1) - 1) * strides[axis] as usize;
            strides[axis] *= -1;
        }
    }
    let elements = (0..stride as i64 + 1).map(|index| T::whole((index * 7 + seed + index / 11) % 9 - 4)).collect();
    Array { elements, first, strides }
}

impl<T: Whole> Array<T> {
    fn place(&self, index: &[usize]) -> usize {
        let offset: isize = index.iter().zip(&self.strides).map(|(index, stride)| *index as isize * stride).sum();
        (self.first as isize + offset) as usize
    }
}

/// Size, kernel, stride, low, high, input dilation and kernel dilation of one axis.
#[derive(Debug, Clone, Copy)]
struct ConvolutionAxis(usize, usize, usize, isize, isize, usize, usize);

impl ConvolutionAxis {
    fn output(self) -> usize {
        let ConvolutionAxis(size, kernel, stride, low, high, input_dilation, kernel_dilation) = self;
        let extent = |size: usize, dilation: usize| if size == 0 { 0 } else { ((size - 1) * dilation + 1) as isize };
        let room = extent(size, input_dilation) + low + high - extent(kernel, kernel_dilation);
        if room < 0 { 0 } else { room as usize / stride + 1 }
    }
}

/// Batch, groups, channels and kernels of a group; the axes; layouts of x, w and out.
#[derive(Debug, Clone)]
struct ConvolutionCase {
    sizes: [usize; 4],
    lines: Vec<ConvolutionAxis>,
    layouts: [ChannelOrder; 3],
}

/// All indices below a shape, the last axis fastest.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let shape = shape.to_vec();
    (0..shape.iter().product()).map(move |number| {
        let mut rest: usize = number;
        let mut index = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            index[axis] = rest % shape[axis];
            rest /= shape[axis];
        }
        index
    })
}

struct ConvolutionData<T> {
    x: Array<T>,
    w: Array<T>,
    out: Array<T>,
}

fn operands<T: Whole>(case: &ConvolutionCase) -> (ConvolutionDescriptor, ConvolutionData<T>) {
    let [batch, groups, channels, kernels] = case.sizes;
    let shape = |outer: [usize; 2], size: fn(&ConvolutionAxis) -> usize| -> Vec<usize> {
        outer.into_iter().chain(case.lines.iter().map(size)).collect()
    };
    let x = array::<T>(case.layouts[0], &shape([batch, groups * channels], |line| line.0), 1);
    let w = array::<T>(case.layouts[1], &shape([groups * kernels, channels], |line| line.1), 5);
    let out = array::<T>(case.layouts[2], &shape([batch, groups * kernels], |line| line.output()), 3);
    let axes = case.lines.iter().enumerate().map(|(axis, line)| SpatialAxis {
        input: line.0,
        kernel: line.1,
        output: line.output(),
        stride: line.2,
        low: line.3,
        input_dilation: line.5,
        kernel_dilation: line.6,
        x: x.strides[axis + 2],
        w: w.strides[axis + 2],
        out: out.strides[axis + 2],
    });
    let axes: SmallVec<[SpatialAxis; 3]> = axes.collect();
    let pair = |strides: &[isize]| [strides[0], strides[1]];
    let (x_strides, w_strides, out_strides) = (pair(&x.strides), pair(&w.strides), pair(&out.strides));
    let convolution = ConvolutionDescriptor {
        batch,
        groups,
        channels,
        kernels,
        x: x_strides,
        w: w_strides,
        out: out_strides,
        axes,
        dtype: T::DTYPE,
    };
    (convolution, ConvolutionData { x, w, out })
}

fn expected<T: Whole>(case: &ConvolutionCase, data: &ConvolutionData<T>) -> Vec<T> {
    let [batch, groups, channels, kernels] = case.sizes;
    let mut elements = data.out.elements.clone();
    let outer = [batch, groups * kernels];
    let shape: Vec<usize> = outer.into_iter().chain(case.lines.iter().map(|line| line.output())).collect();
    let taps: Vec<usize> = [channels].into_iter().chain(case.lines.iter().map(|line| line.1)).collect();
    for place in indices(&shape) {
        let mut sum = T::ZERO;
        for tap in indices(&taps) {
            let mut source = vec![place[0], place[1] / kernels * channels + tap[0]];
            for (axis, ConvolutionAxis(size, _, stride, low, _, input_dilation, kernel_dilation)) in
                case.lines.iter().enumerate()
            {
                let position = (place[axis + 2] * stride + tap[axis + 1] * kernel_dilation) as isize - low;
                let dilation = *input_dilation as isize;
                if position >= 0 && position % dilation == 0 && position / dilation < *size as isize {
                    source.push((position / dilation) as usize);
                }
            }
            if source.len() == place.len() {
                let weight: Vec<usize> = [place[1]].into_iter().chain(tap).collect();
                sum = sum.plus(data.x.elements[data.x.place(&source)].times(data.w.elements[data.w.place(&weight)]));
            }
        }
        elements[data.out.place(&place)] = sum;
    }
    elements
}

/// What is in the memory of out after these tasks, between its elements too.
fn run<T: Whole>(plan: &ConvolutionPlan, data: &ConvolutionData<T>, tasks: impl Iterator<Item = usize>) -> Vec<T> {
    let mut found = data.out.elements.clone();
    let mut scratch = vec![GUARD; plan.scratch_bytes() + 128];
    let start = scratch.as_ptr().align_offset(64);
    for task in tasks {
        let operands = ConvolutionOperands {
            x: data.x.elements.as_ptr().wrapping_add(data.x.first).cast(),
            w: data.w.elements.as_ptr().wrapping_add(data.w.first).cast(),
            out: found.as_mut_ptr().wrapping_add(data.out.first).cast(),
        };
        // SAFETY: the buffers are made for the strides, and the scratch memory for the plan.
        unsafe { plan.run_task(task, operands, scratch.as_mut_ptr().wrapping_add(start)) };
    }
    let after = start + plan.scratch_bytes();
    assert!(scratch[..start].iter().chain(&scratch[after..]).all(|byte| *byte == GUARD), "{plan:?}");
    found
}

fn check<T: Whole>(case: &ConvolutionCase, sets: &[InstructionSet]) {
    let (convolution, mut data) = operands::<T>(case);
    let expected = expected(case, &data);
    let plans = sets.iter().map(|set| ConvolutionPlan::new(&convolution, *set));
    let plans: Vec<ConvolutionPlan> = plans.collect();
    for (plan, set) in plans.iter().zip(sets) {
        check_blocks(plan, &convolution);
        assert!(run(plan, &data, 0..plan.n_tasks()) == expected, "{case:?} {set:?} {:?}", T::DTYPE);
        assert!(run(plan, &data, (0..plan.n_tasks()).rev()) == expected, "{case:?} {set:?} {:?}", T::DTYPE);
    }
    // Numbers whose sums are rounded have the same sums on every instruction set.
    for (array, salt) in [(&mut data.x, 0), (&mut data.w, 5)] {
        array.elements.iter_mut().enumerate().for_each(|(index, x)| *x = T::rough(index as i64 + salt));
    }
    let computed = plans.iter().map(|plan| run(plan, &data, 0..plan.n_tasks()));
    let computed: Vec<Vec<T>> = computed.collect();
    assert!(computed.iter().all(|found| *found == computed[0]), "{case:?} {:?}", T::DTYPE);
}

/// Each element of out is in one block, of one part.
fn check_blocks(plan: &ConvolutionPlan, convolution: &ConvolutionDescriptor) {
    let n_outputs = convolution.batch * convolution.groups * convolution.kernels * convolution.places();
    let mut counts = std::collections::HashMap::new();
    // A product has its own tests.
    let Some(blocks) = (0..plan.n_tasks()).map(|task| plan.block(task)).collect::<Option<Vec<_>>>() else { return };
    for (dense, block) in blocks {
        let descriptor = &dense.convolution;
        let sizes = [block.batches.len(), block.rows.len(), block.columns.len()];
        for index in indices(&sizes) {
            let (group, row) = (block.batches.start + index[0], block.rows.start + index[1]);
            let column = block.columns.start + index[2];
            let mut offset = group as isize * descriptor.out[1] * descriptor.kernels as isize + dense.row(row)[1];
            let mut rest = column;
            for axis in descriptor.axes.iter().rev() {
                offset += (rest % axis.output) as isize * axis.out;
                rest /= axis.output;
            }
            *counts.entry(offset + rest as isize * descriptor.out[0]).or_insert(0) += 1;
        }
    }
    assert!(counts.len() == n_outputs && counts.values().all(|count| *count == 1), "{convolution:?}");
}

fn check_everywhere(case: &ConvolutionCase) {
    check::<f32>(case, &InstructionSet::available());
    check::<f64>(case, &InstructionSet::available());
}

const STANDARD: [ChannelOrder; 3] = [ChannelOrder::Standard; 3];

fn case(sizes: [usize; 4], lines: &[ConvolutionAxis]) -> ConvolutionCase {
    ConvolutionCase { sizes, lines: lines.to_vec(), layouts: STANDARD }
}

#[test]
fn every_line() {
    for size in [1, 2, 5, 17, 40] {
        for kernel in [1, 2, 3, 7] {
            for stride in [1, 2, 3] {
                for (low, high) in [(0, 0), (1, 1), (0, 3), (4, -1), (-1, 2)] {
                    for (input_dilation, kernel_dilation) in [(1, 1), (2, 1), (1, 2), (3, 2)] {
                        let line = ConvolutionAxis(size, kernel, stride, low, high, input_dilation, kernel_dilation);
                        check::<f32>(&case([2, 1, 2, 3], &[line]), &InstructionSet::available());
                    }
                }
            }
        }
    }
}

#[test]
fn planes_and_volumes() {
    let plain = ConvolutionAxis(6, 3, 1, 1, 1, 1, 1);
    let strided = ConvolutionAxis(7, 2, 2, 0, 1, 1, 2);
    let dilated = ConvolutionAxis(4, 3, 1, 2, 1, 2, 1);
    let axis = ConvolutionAxis(5, 1, 1, 0, 0, 1, 1);
    for lines in [
        &[plain, plain][..],
        &[plain, strided],
        &[strided, dilated],
        &[dilated, plain],
        &[axis, axis],
        &[plain, strided, dilated],
        &[dilated, axis, plain],
        &[axis, plain, plain, axis],
    ] {
        for sizes in [[1, 1, 1, 1], [3, 1, 2, 5], [2, 2, 3, 2], [2, 5, 1, 1], [1, 3, 1, 4]] {
            check_everywhere(&case(sizes, lines));
        }
    }
}

#[test]
fn every_layout() {
    for lines in [
        &[ConvolutionAxis(6, 3, 1, 1, 1, 1, 1), ConvolutionAxis(9, 3, 1, 1, 1, 1, 1)][..],
        &[ConvolutionAxis(12, 9, 1, 0, 0, 1, 1)],
    ] {
        for x in LAYOUTS {
            for w in LAYOUTS {
                for out in LAYOUTS {
                    let layouts = [x, w, out];
                    let lines = lines.to_vec();
                    check_everywhere(&ConvolutionCase { sizes: [3, 2, 3, 4], lines, layouts });
                }
            }
        }
    }
}

#[test]
fn empty_sizes() {
    let line = ConvolutionAxis(5, 3, 1, 1, 1, 1, 1);
    for sizes in [[0, 1, 2, 2], [2, 1, 0, 2], [2, 1, 2, 0], [2, 0, 2, 2]] {
        check_everywhere(&case(sizes, &[line, line]));
        check_everywhere(&case(sizes, &[line]));
    }
    check_everywhere(&case([2, 1, 2, 2], &[ConvolutionAxis(0, 1, 1, 2, 1, 1, 1)]));
    check_everywhere(&case([2, 1, 2, 2], &[ConvolutionAxis(3, 0, 1, 0, 0, 1, 1)]));
    check_everywhere(&case([2, 1, 2, 2], &[ConvolutionAxis(2, 5, 1, 0, 0, 1, 1)]));
}

/// Several blocks of channels, of taps and of images; images larger than a chunk.
#[test]
fn blocks() {
    let same = |size: usize| ConvolutionAxis(size, 3, 1, 1, 1, 1, 1);
    check_everywhere(&case([2, 1, 75, 20], &[same(7), same(6)]));
    check_everywhere(&case([40, 1, 2, 3], &[same(7), same(6)]));
    check_everywhere(&case([2, 1, 1, 3], &[same(41), same(29)]));
    check_everywhere(&case([1, 1, 2, 2], &[ConvolutionAxis(2000, 5, 2, 1, 1, 1, 3)]));
    check_everywhere(&case(
        [3, 1, 2, 17],
        &[ConvolutionAxis(24, 20, 1, 1, 1, 1, 1), ConvolutionAxis(23, 21, 1, 0, 0, 1, 1)],
    ));
    check_everywhere(&case(
        [1, 1, 300, 2],
        &[ConvolutionAxis(20, 1, 1, 0, 0, 1, 1), ConvolutionAxis(30, 1, 1, 0, 0, 1, 1)],
    ));
}

/// The shapes of gradients: kernels that run backwards with swapped channels over dilated input, and kernels as large
/// as an image with outputs as small as a kernel.
#[test]
fn gradients() {
    let dilated = ConvolutionAxis(5, 3, 1, 2, 2, 2, 1);
    let layouts = [ChannelOrder::Standard, ChannelOrder::Reversed, ChannelOrder::Standard];
    check_everywhere(&ConvolutionCase { layouts, ..case([3, 1, 35, 20], &[dilated, dilated]) });
    let huge = ConvolutionAxis(14, 14, 1, 1, 1, 1, 1);
    let layouts = [ChannelOrder::Swapped; 3];
    check_everywhere(&ConvolutionCase { layouts, ..case([6, 1, 5, 17], &[huge, huge]) });
    let strided = ConvolutionAxis(13, 6, 1, 1, 1, 1, 2);
    check_everywhere(&ConvolutionCase { layouts, ..case([6, 1, 5, 17], &[strided, strided]) });
}

/// Long rows of taps, side by side and apart, of more steps than one pass has: sums are kept aside from pass to pass, and written at once
/// or, where there is no room for them, after each.
#[test]
fn rows_of_taps() {
    let layouts = [ChannelOrder::Swapped; 3];
    for (line, sizes) in [
        (ConvolutionAxis(28, 28, 1, 1, 1, 1, 1), [6, 1, 5, 17]),
        (ConvolutionAxis(32, 32, 1, 1, 1, 1, 1), [3, 2, 9, 4]),
        (ConvolutionAxis(33, 16, 1, 1, 1, 1, 2), [4, 1, 2, 5]),
        (ConvolutionAxis(46, 15, 1, 1, 2, 1, 3), [2, 1, 3, 2]),
    ] {
        check_everywhere(&ConvolutionCase { layouts, ..case(sizes, &[line, line]) });
        let short = ConvolutionAxis(5, 3, 1, 1, 1, 1, 1);
        check_everywhere(&ConvolutionCase { layouts, ..case(sizes, &[short, line]) });
        check_everywhere(&case(sizes, &[line]));
    }
    check_everywhere(&case([2, 1, 2, 3], &[ConvolutionAxis(9000, 8998, 1, 0, 0, 1, 1)]));
    check_everywhere(&case([1, 1, 1, 2], &[ConvolutionAxis(120, 120, 1, 1, 1, 1, 1); 2]));
    let many = ConvolutionCase { layouts, ..case([95, 1, 3, 130], &[ConvolutionAxis(12, 12, 1, 1, 1, 1, 1); 2]) };
    check::<f32>(&many, &[InstructionSet::PORTABLE, InstructionSet::widest()]);
}

/// Rows that fill vectors, with a rest and without, of many kernels and few; rows of images that follow each other.
#[test]
fn rows_that_are_read_where_they_lie() {
    for size in [14, 16, 28, 33] {
        for stride in [1, 2, 3] {
            let line = ConvolutionAxis(size, 3, stride, 1, 1, 1, 1);
            check_everywhere(&case([2, 1, 3, 17], &[line, line]));
            check_everywhere(&case([2, 3, 2, 1], &[line, line]));
        }
    }
    let point = ConvolutionAxis(7, 1, 1, 0, 0, 1, 1);
    check_everywhere(&case([3, 1, 20, 16], &[point, point]));
    check_everywhere(&case([2, 1, 4, 3], &[ConvolutionAxis(7, 3, 1, 1, 1, 1, 1), point, point]));
}

/// Strides of one output and dilations of one tap take no memory, however large they are.
#[test]
fn steps_that_are_never_taken() {
    for most in [1 << 20, 1 << 40] {
        let line = ConvolutionAxis(5, 5, most, 0, 0, 1, 1);
        check::<f32>(&case([2, 1, 2, 3], &[line]), &InstructionSet::available());
        check::<f32>(&case([2, 1, 2, 3], &[ConvolutionAxis(5, 1, 1, 0, 0, 1, most)]), &InstructionSet::available());
    }
}

#[test]
fn what_is_cut_into_tasks() {
    let same = |size: usize| ConvolutionAxis(size, 3, 1, 1, 1, 1, 1);
    let large = case([9, 1, 12, 16], &[same(14), same(14)]);
    check::<f32>(&large, &[InstructionSet::PORTABLE]);
    let (convolution, _) = operands::<f32>(&large);
    assert!(ConvolutionPlan::new(&convolution, InstructionSet::PORTABLE).n_tasks() >= 4);
    check::<f32>(&case([16, 1, 32, 48], &[same(14), same(14)]), &InstructionSet::available());
    check::<f64>(&case([3, 64, 1, 1], &[same(28), same(28)]), &InstructionSet::available());
}

/// Dilated input is decomposed into phases: of one or two sizes, with and without taps, alone and together, along
/// one axis and two, beside kernels that are dilated too and strides that share factors with it.
#[test]
fn phases_of_dilated_input() {
    for size in [1, 6] {
        for kernel in [1, 2, 3, 5] {
            for input_dilation in [2, 3, 4, 16] {
                for (stride, kernel_dilation) in
                    [(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (1, 3), (2, 4), (3, 3), (6, 1)]
                {
                    for (low, high) in [(0, 0), (kernel as isize - 1, kernel as isize - 1), (3, 5), (-1, 7)] {
                        let line = ConvolutionAxis(size, kernel, stride, low, high, input_dilation, kernel_dilation);
                        check::<f32>(&case([2, 1, 2, 3], &[line]), &InstructionSet::available());
                    }
                }
            }
        }
    }
    let patch = ConvolutionAxis(3, 4, 1, 3, 3, 4, 1);
    for sizes in [[2, 1, 3, 2], [1, 2, 2, 3], [2, 1, 340, 3]] {
        check_everywhere(&case(sizes, &[patch, patch]));
        let layouts = [ChannelOrder::Standard, ChannelOrder::Reversed, ChannelOrder::Swapped];
        check_everywhere(&ConvolutionCase { layouts, ..case(sizes, &[patch, ConvolutionAxis(4, 3, 1, 2, 1, 2, 1)]) });
    }
    check_everywhere(&case([0, 1, 2, 2], &[patch, patch]));
    check_everywhere(&case([2, 1, 0, 2], &[patch, patch]));
}

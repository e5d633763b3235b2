//! Convolutions of spread input, without the zeros that it is spread with. In: a convolution. Out: convolutions whose
//! input is not spread, that write disjoint parts of its output.
//!
//! Along an axis that is spread by d, output p and tap k meet an element if p·s + k·kd ≡ low (mod d). So the outputs
//! with one remainder of p modulo d / gcd(s, d), a *phase*, see every (d / gcd(kd, d))-th tap and no other, and along
//! them neighbours see neighbours: each phase is an ordinary convolution with some of the taps, or empty. Phases that
//! go over the same patches are computed together. This is the sub-pixel form of a transposed convolution (Shi and
//! others, Is the deconvolution layer the same as a convolutional layer?, 2016).

use std::collections::HashMap;

use super::descriptor::{ConvolutionDescriptor, Dense, SpatialAxis};
use crate::ops::{Solutions, greatest_common_divisor as gcd, solutions};

/// Phases of one axis that go over the same patches.
struct Group {
    axis: SpatialAxis,
    /// Where the first weight of each lies in w, and its first output in out.
    phases: Vec<[isize; 2]>,
}

/// The ordinary convolutions, without input dilation, that together are this one.
pub(super) fn dense_parts(convolution: &ConvolutionDescriptor) -> Vec<Dense> {
    let plain = ConvolutionDescriptor { axes: Default::default(), ..convolution.clone() };
    let mut parts = vec![Dense { convolution: plain, phases: vec![[0, 0]] }];
    for axis in &convolution.axes {
        let groups = groups(axis);
        parts = parts.iter().flat_map(|part| groups.iter().map(|group| joined(part, group))).collect();
    }
    parts
}

/// A part with one more axis.
fn joined(part: &Dense, group: &Group) -> Dense {
    let mut convolution = part.convolution.clone();
    convolution.axes.push(group.axis);
    let sum = |outer: &[isize; 2], inner: &[isize; 2]| [outer[0] + inner[0], outer[1] + inner[1]];
    let phases = part.phases.iter().flat_map(|outer| group.phases.iter().map(move |inner| sum(outer, inner)));
    Dense { convolution, phases: phases.collect() }
}

fn groups(axis: &SpatialAxis) -> Vec<Group> {
    let of_outputs = axis.input_dilation / gcd(axis.stride, axis.input_dilation);
    let mut groups: Vec<Group> = Vec::new();
    let mut positions: HashMap<SpatialAxis, usize> = HashMap::new();
    for phase in 0..of_outputs.min(axis.output.max(1)) {
        let (plain, offsets) = plain_axis(axis, phase, of_outputs);
        let position = *positions.entry(plain).or_insert_with(|| {
            groups.push(Group { axis: plain, phases: Vec::new() });
            groups.len() - 1
        });
        groups[position].phases.push(offsets);
    }
    groups
}

/// The outputs of one of so many phases with their taps, and where the first of its weights and outputs lie.
fn plain_axis(axis: &SpatialAxis, phase: usize, n_phases: usize) -> (SpatialAxis, [isize; 2]) {
    let SpatialAxis { kernel, output, stride, low, input_dilation, kernel_dilation, .. } = *axis;
    let divisor = gcd(kernel_dilation, input_dilation);
    let between = input_dilation / divisor;
    // Sizes of the graph fit into 63 bits, and so does no product of two.
    let position = |tap: usize| phase as i128 * stride as i128 + tap as i128 * kernel_dilation as i128 - low as i128;
    let first = solutions(kernel_dilation, -position(0), input_dilation).map(|Solutions { first, .. }| first);
    let first = first.filter(|first| *first < kernel);
    let plain = SpatialAxis {
        kernel: first.map_or(0, |first| (kernel - first).div_ceil(between)),
        output: output.saturating_sub(phase).div_ceil(n_phases),
        stride: stride / gcd(stride, input_dilation),
        low: first.map_or(0, |first| -(position(first) / input_dilation as i128) as isize),
        input_dilation: 1,
        kernel_dilation: kernel_dilation / divisor,
        // Where there is one tap or output, none follows, and the stride to it might be no address.
        w: axis.w * between.min(kernel) as isize,
        out: axis.out * n_phases.min(output) as isize,
        ..*axis
    };
    (plain, [first.unwrap_or(0) as isize * axis.w, phase as isize * axis.out])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The taps of the phase of each output and where they look, by trying them all.
    #[test]
    fn phases_of_small_axes_are_those_that_are_found_by_trying() {
        for (stride, dilation, spread, kernel, low) in ndarray::indices([4, 4, 4, 6, 9]) {
            let (stride, dilation, spread) = (stride + 1, dilation + 1, spread + 1);
            let (low, output) = (low as isize - 4, 5);
            let axis = SpatialAxis {
                input: 3,
                kernel,
                output,
                stride,
                low,
                input_dilation: spread,
                kernel_dilation: dilation,
                x: 1,
                w: 1,
                out: 1,
            };
            let mut found = vec![Vec::new(); output];
            for Group { axis: plain, phases } in groups(&axis) {
                for ([w, out], (p, k)) in phases.iter().flat_map(|phase| {
                    ndarray::indices([plain.output, plain.kernel]).into_iter().map(move |pair| (phase, pair))
                }) {
                    let element = (p * plain.stride + k * plain.kernel_dilation) as isize - plain.low;
                    found[(out + p as isize * plain.out) as usize].push((w + k as isize * plain.w, element));
                }
            }
            for (p, found) in found.into_iter().enumerate() {
                let position = |k: usize| (p * stride + k * dilation) as isize - low;
                let meets = (0..kernel).filter(|k| position(*k) % spread as isize == 0);
                let want: Vec<_> = meets.map(|k| (k as isize, position(k) / spread as isize)).collect();
                assert_eq!(found, want, "output {p} of {axis:?}");
            }
        }
    }

    #[test]
    fn phases_of_a_huge_kernel_and_spread_are_found_at_once() {
        let most = 1usize << 46;
        for kernel_dilation in [1, 3, 1 << 20] {
            let axis = SpatialAxis {
                input: 1,
                kernel: most,
                output: 4,
                stride: 1,
                low: most as isize,
                input_dilation: most - 1,
                kernel_dilation,
                x: 1,
                w: 1,
                out: 1,
            };
            let n_taps: usize = groups(&axis).iter().map(|group| group.axis.kernel * group.phases.len()).sum();
            // Each of 4 outputs meets one or two, or three or four where it is one of every third that meets any.
            assert!((3..=8).contains(&n_taps), "{n_taps}");
        }
    }
}

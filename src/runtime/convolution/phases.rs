//! Convolutions of spread input, without the zeros that it is spread with. In: a convolution. Out: convolutions whose input
//! is not spread, that write disjoint parts of its output.
//!
//! Along an axis that is spread by d, output p and tap k meet an element if p·s + k·kd ≡ low (mod d). So the outputs with
//! one remainder of p modulo d / gcd(s, d), a *phase*, see every (d / gcd(kd, d))-th tap and no other, and along them
//! neighbours see neighbours: each phase is a plain convolution with some of the taps, or empty. Phases that go over the
//! same patches are computed together. This is the sub-pixel form of a transposed convolution (Shi and others, Is the
//! deconvolution layer the same as a convolutional layer?, 2016).

use super::descriptor::{Convolution, Dense, SpatialAxis};
use crate::ops::greatest_common_divisor as gcd;

/// Phases of one axis that go over the same patches.
struct Group {
    axis: SpatialAxis,
    /// Where the first weight of each lies in w, and its first output in out.
    phases: Vec<[isize; 2]>,
}

/// The plain convolutions that together are this one.
pub(super) fn dense_parts(convolution: &Convolution) -> Vec<Dense> {
    let plain = Convolution { axes: Default::default(), ..convolution.clone() };
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
    for phase in 0..of_outputs.min(axis.output.max(1)) {
        let (plain, offsets) = plain_axis(axis, phase, of_outputs);
        match groups.iter_mut().find(|group| group.axis == plain) {
            Some(group) => group.phases.push(offsets),
            None => groups.push(Group { axis: plain, phases: vec![offsets] }),
        }
    }
    groups
}

/// The outputs of one of so many phases with their taps, and where the first of its weights and outputs lie.
fn plain_axis(axis: &SpatialAxis, phase: usize, n_phases: usize) -> (SpatialAxis, [isize; 2]) {
    let SpatialAxis { kernel, output, stride, low, input_dilation, kernel_dilation, .. } = *axis;
    let dilation = input_dilation as i128;
    let between = input_dilation / gcd(kernel_dilation, input_dilation);
    // Sizes of the graph fit into 63 bits, and so does no product of two.
    let position = |tap: usize| phase as i128 * stride as i128 + tap as i128 * kernel_dilation as i128 - low as i128;
    let first = (0..between.min(kernel)).find(|tap| position(*tap) % dilation == 0);
    let plain = SpatialAxis {
        kernel: first.map_or(0, |first| (kernel - first).div_ceil(between)),
        output: output.saturating_sub(phase).div_ceil(n_phases),
        stride: stride / gcd(stride, input_dilation),
        low: first.map_or(0, |first| -(position(first) / dilation) as isize),
        input_dilation: 1,
        kernel_dilation: kernel_dilation / gcd(kernel_dilation, input_dilation),
        w: axis.w * between as isize,
        out: axis.out * n_phases as isize,
        ..*axis
    };
    (plain, [first.unwrap_or(0) as isize * axis.w, phase as isize * axis.out])
}

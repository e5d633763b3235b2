//! Vectors of the space of parameters. In: parameters, gradients or a seed. Out: a [`Direction`]. How a loss behaves along
//! it is told elsewhere.

use std::sync::Arc;

use ndarray::{ArrayViewD, ArrayViewMut2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::error::LandscapeError;
use crate::{
    graph::ValueView,
    parameters::{Buffers, Layout, Parameters, norm_of},
};

/// A number for each element of each parameter, in `f64` whatever the dtype of the parameter.
///
/// # Example
/// ```
/// use ndarray::array;
/// use pullback::{Graph, Initializer, landscape::Direction};
/// let g = Graph::new();
/// let w = g.parameter("w", (2,), Initializer::Zeros);
/// let (from, mut to) = (g.initialize(0)?, g.initialize(0)?);
/// to.set("w", &array![3.0f32, 4.0])?;
/// let direction = Direction::between(&from, &to)?;
/// assert_eq!((direction.elements(), direction.norm()), (&[3.0, 4.0][..], 5.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Direction {
    layout: Arc<Layout>,
    elements: Vec<f64>,
}

/// The length of a random direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Length 1 in all.
    Unit,
    /// Each parameter's part as long as the parameter.
    Parameter,
    /// Each filter's part as long as the filter, so that the width of a valley can be compared between networks though
    /// a rectified one may be scaled without changing what it computes. The filters of a matrix `[in, out]` are its
    /// columns, the weights into one neuron; those of an array of more axes `[out, …]` its slices along the first axis;
    /// an array of fewer is one filter.
    Filter,
}

impl Direction {
    pub(super) fn new(layout: Arc<Layout>, elements: Vec<f64>) -> Direction {
        Direction { layout, elements }
    }

    /// The numbers of parameters or gradients.
    #[doc(alias("of", "ravel", "parameters_to_vector"))]
    pub fn from_buffers(buffers: &Buffers) -> Direction {
        let mut elements = Vec::with_capacity(buffers.n_elements());
        for (_, array) in buffers.iter() {
            match array {
                ValueView::F32(array) => elements.extend(array.iter().map(|element| f64::from(*element))),
                ValueView::F64(array) => elements.extend(array.iter()),
                ValueView::I64(_) | ValueView::Bool(_) => unreachable!("invariant: a layout holds floats only"),
            }
        }
        Direction { layout: buffers.layout().clone(), elements }
    }

    /// What leads from one point to another: at step 0 of a slice is `from`, at step 1 `to`.
    ///
    /// # Errors
    /// [`LandscapeError::Layouts`] if they are not of the same parameters.
    ///
    /// # Source
    /// Goodfellow, Vinyals and Saxe, *Qualitatively characterizing neural network optimization problems*, 2015, section 3.
    pub fn between(from: &Parameters, to: &Parameters) -> Result<Direction, LandscapeError> {
        if from.layout() != to.layout() {
            let (from, to) = (from.layout().clone(), to.layout().clone());
            return Err(LandscapeError::Layouts { from, to });
        }
        let (mut direction, start) = (Direction::from_buffers(to), Direction::from_buffers(from));
        direction.elements.iter_mut().zip(&start.elements).for_each(|(element, start)| *element -= start);
        Ok(direction)
    }

    /// A random direction at a point: normal numbers of ChaCha8 keyed by `seed`, made as long as `scale` says. A part of
    /// a parameter that is all zero is zero, but with [`Scale::Unit`].
    ///
    /// # Source
    /// Li, Xu, Taylor, Studer and Goldstein, *Visualizing the loss landscape of neural nets*, 2018, section 4, for
    /// [`Scale::Filter`].
    ///
    /// # Example
    /// ```
    /// use pullback::{Graph, Initializer, landscape::{Direction, Scale}};
    /// let g = Graph::new();
    /// let w = g.parameter("w", (8, 3), Initializer::HeNormal);
    /// let point = g.initialize(1)?;
    /// let direction = Direction::random(&point, Scale::Filter, 7);
    /// let neuron = direction.array("w").unwrap().index_axis(ndarray::Axis(1), 2).mapv(|w| w * w).sum();
    /// let own = point.array::<f32>("w")?.index_axis(ndarray::Axis(1), 2).mapv(|w| w * w).sum();
    /// assert!((neuron - f64::from(own)).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn random(point: &Parameters, scale: Scale, seed: u64) -> Direction {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut direction = Direction::from_buffers(point);
        let mut drawn = std::mem::take(&mut direction.elements);
        direction.elements = drawn.iter().map(|_| rng.sample(StandardNormal)).collect();
        if scale == Scale::Unit {
            let norm = direction.norm();
            direction.elements.iter_mut().for_each(|element| *element /= norm);
            return direction;
        }
        let mut start = 0;
        for (_, slot) in direction.layout.iter() {
            let range = start..start + slot.range.len();
            start = range.end;
            let filters_of_slot = filters(&mut drawn[range.clone()], &slot.shape, scale);
            let mut part = filters(&mut direction.elements[range], &slot.shape, scale);
            for (filter, mut part) in filters_of_slot.rows().into_iter().zip(part.rows_mut()) {
                let factor = filter.dot(&filter).sqrt() / part.dot(&part).sqrt();
                part.mapv_inplace(|element| element * factor);
            }
        }
        direction
    }

    /// The parameters that it is among.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// All numbers, array after array in the order of the layout, each in row-major order.
    pub fn elements(&self) -> &[f64] {
        &self.elements
    }

    /// The numbers of the parameter of that name.
    pub fn array(&self, name: &str) -> Option<ArrayViewD<'_, f64>> {
        let mut start = 0;
        for (slot_name, slot) in self.layout.iter() {
            let range = start..start + slot.range.len();
            start = range.end;
            if slot_name == name {
                let array = ArrayViewD::from_shape(slot.shape.as_slice(), &self.elements[range]);
                return Some(array.expect("invariant: a slot has its shape's number of elements"));
            }
        }
        None
    }

    /// The Euclidean length.
    pub fn norm(&self) -> f64 {
        norm(&self.elements)
    }
}

/// The elements of a parameter with a filter in each row.
fn filters<'e>(elements: &'e mut [f64], shape: &[usize], scale: Scale) -> ArrayViewMut2<'e, f64> {
    let size = elements.len();
    let view = match (shape, scale) {
        ([n_in, n_out], Scale::Filter) => {
            ArrayViewMut2::from_shape((*n_in, *n_out), elements).map(ArrayViewMut2::reversed_axes)
        }
        ([n_out, _, _, ..], Scale::Filter) if size > 0 => ArrayViewMut2::from_shape((*n_out, size / n_out), elements),
        _ => ArrayViewMut2::from_shape((1, size), elements),
    };
    view.expect("invariant: a slot has its shape's number of elements")
}

/// The Euclidean length, right wherever it can be represented.
pub(super) fn norm(vector: &[f64]) -> f64 {
    let sum_of_squares = |scale: f64| vector.iter().map(|x| (scale * x) * (scale * x)).sum();
    norm_of(sum_of_squares, || vector.iter().fold(0.0, |largest, x| x.abs().max(largest)))
}

/// Σ aᵢbᵢ.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// y ← y + factor·x.
pub(super) fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}

#[cfg(test)]
mod tests {
    use super::norm;

    #[test]
    fn lengths_neither_overflow_nor_underflow() {
        for scale in [1.0, f64::powi(2.0, 1000), f64::powi(2.0, -1000)] {
            assert_eq!(norm(&[3.0 * scale, -4.0 * scale]), 5.0 * scale);
        }
        assert_eq!((norm(&[]), norm(&[0.0]), norm(&[f64::INFINITY, 1.0])), (0.0, 0.0, f64::INFINITY));
        assert!(norm(&[f64::NAN, 1e300]).is_nan());
    }
}

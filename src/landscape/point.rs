//! A point of a landscape. In: a landscape, parameters and what is fed. Out: value, gradient and Hessian–vector products
//! there, finite or an error that says where. What is made of them is in the files beside this one.

use std::fmt;

use super::{direction::Direction, error::LandscapeError, surface::Landscape};
use crate::{
    graph::{ValueView, ValueViewMut},
    parameters::{FloatElement, Parameters},
    program::Inputs,
};

/// A landscape at parameters of its own copy, with what is fed.
pub struct Point<'a, I> {
    pub(super) landscape: &'a mut Landscape,
    inputs: I,
    pub(super) origin: Parameters,
    /// The parameters at which the loss was asked for last.
    moved: Parameters,
    value: f64,
}

impl<I> fmt::Debug for Point<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Point").field("origin", &self.origin).field("value", &self.value).finish_non_exhaustive()
    }
}

impl<'a, I: Inputs> Point<'a, I> {
    pub(super) fn new(
        landscape: &'a mut Landscape,
        parameters: &Parameters,
        inputs: I,
    ) -> Result<Point<'a, I>, LandscapeError> {
        let mut value = 0.0f64;
        // This checks all that is given, against the user's own parameters.
        landscape.value.run_into(parameters, &inputs, ("loss", &mut value))?;
        if !value.is_finite() {
            return Err(LandscapeError::LossNotFinite { value, site: landscape.site, steps: Vec::new() });
        }
        let mut origin = Parameters::zeros(landscape.layout.clone()).with_state(parameters.state().clone());
        for name in landscape.layout.names() {
            let array = parameters.view(name).expect("invariant: the run found the parameter");
            origin.set(name, array).expect("invariant: the run checked its type");
        }
        Ok(Point { landscape, inputs, moved: origin.clone(), origin, value })
    }

    /// The loss.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The number of coordinates.
    pub fn dimension(&self) -> usize {
        self.landscape.dimension()
    }

    /// The gradient ∇f.
    ///
    /// # Errors
    /// [`LandscapeError::NotFinite`] with the first coordinate that is not.
    ///
    /// # Example
    /// ```
    /// use pullback::{DType, Graph, Initializer, landscape::Landscape};
    /// let g = Graph::new();
    /// let w = g.parameter_of(DType::F64, "w", (2,), Initializer::Constant(3.0));
    /// let mut landscape = Landscape::new(w.square().sum())?;
    /// let mut point = landscape.point(&g.initialize(0)?, ())?;
    /// assert_eq!(point.gradient()?.elements(), [6.0, 6.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gradient(&mut self) -> Result<Direction, LandscapeError> {
        let mut gradient = vec![0.0; self.dimension()];
        self.stay();
        self.gradient_there(&mut gradient)?;
        Ok(self.direction(gradient))
    }

    /// The Hessian–vector product ∇²f·v, exact, without the Hessian.
    ///
    /// # Errors
    /// [`LandscapeError::NotFinite`]; [`LandscapeError::Direction`] if v lacks a parameter of the loss.
    ///
    /// # Complexity
    /// A small multiple of the loss, in time and memory.
    ///
    /// # Source
    /// Pearlmutter, *Fast exact multiplication by the Hessian*, 1994.
    pub fn hessian_product(&mut self, v: &Direction) -> Result<Direction, LandscapeError> {
        let v = self.landscape.coordinates(v)?;
        let mut product = vec![0.0; v.len()];
        self.product(&v, &mut product)?;
        Ok(self.direction(product))
    }

    /// Coordinates with the names that they belong to.
    pub(super) fn direction(&self, elements: Vec<f64>) -> Direction {
        Direction::new(self.landscape.layout.clone(), elements)
    }

    /// Writes ∇²f·v into `product`.
    pub(super) fn product(&mut self, v: &[f64], product: &mut [f64]) -> Result<(), LandscapeError> {
        let inputs = (&self.inputs, (self.landscape.direction.as_str(), v));
        self.landscape.product.run_into(&self.origin, inputs, ("product", &mut *product))?;
        self.check_finite("Hessian-vector product", product)
    }

    /// Makes this point the one at which the loss is asked for.
    pub(super) fn stay(&mut self) {
        self.go(|_| 0.0);
    }

    /// Makes the point displaced by `by(coordinate)` the one at which the loss is asked for.
    pub(super) fn go(&mut self, by: impl Fn(usize) -> f64) {
        let mut start = 0;
        for ((_, from), to) in self.origin.iter().zip(self.moved.views_mut()) {
            let by = |element: usize| by(start + element);
            start += match (from, to) {
                (ValueView::F32(from), ValueViewMut::F32(to)) => displace(from.iter(), to, by),
                (ValueView::F64(from), ValueViewMut::F64(to)) => displace(from.iter(), to, by),
                _ => unreachable!("invariant: both have one layout"),
            };
        }
    }

    /// The loss where [`Point::go`] went, with what is said of the place if it is not finite.
    pub(super) fn loss_there(&mut self, steps: &[f64]) -> Result<f64, LandscapeError> {
        let mut value = 0.0f64;
        self.landscape.value.run_into(&self.moved, &self.inputs, ("loss", &mut value))?;
        if value.is_finite() {
            return Ok(value);
        }
        Err(LandscapeError::LossNotFinite { value, site: self.landscape.site, steps: steps.to_vec() })
    }

    /// The gradient where [`Point::go`] went.
    pub(super) fn gradient_there(&mut self, gradient: &mut [f64]) -> Result<(), LandscapeError> {
        let mut loss = 0.0f64;
        let outputs = (("loss", &mut loss), ("gradient", &mut *gradient));
        self.landscape.gradient.run_into(&self.moved, &self.inputs, outputs)?;
        self.check_finite("gradient", gradient)
    }

    fn check_finite(&self, what: &'static str, numbers: &[f64]) -> Result<(), LandscapeError> {
        let Some(position) = numbers.iter().position(|number| !number.is_finite()) else { return Ok(()) };
        let mut start = 0;
        for ((name, slot), site) in self.landscape.layout.iter().zip(&self.landscape.sites) {
            if position < start + slot.range.len() {
                let element = indices(position - start, &slot.shape);
                let (value, parameter) = (numbers[position], name.to_owned());
                return Err(LandscapeError::NotFinite { what, value, parameter, element, site: *site });
            }
            start += slot.range.len();
        }
        unreachable!("invariant: there are as many numbers as coordinates")
    }
}

/// Writes x + by(i) for each element; gives how many there are.
fn displace<'x, T: FloatElement + Into<f64>>(
    from: impl Iterator<Item = &'x T>,
    mut to: ndarray::ArrayViewMutD<'_, T>,
    by: impl Fn(usize) -> f64,
) -> usize {
    for ((element, from), to) in from.enumerate().zip(to.iter_mut()) {
        let from: f64 = (*from).into();
        *to = T::from_f64(from + by(element));
    }
    to.len()
}

/// The index along each axis of an element counted in row-major order.
fn indices(mut position: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices = vec![0; shape.len()];
    for (index, size) in indices.iter_mut().zip(shape).rev() {
        (*index, position) = (position % size, position / size);
    }
    indices
}

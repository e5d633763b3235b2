//! Gradients beside differences, element by element. In: what gives values and derivatives along directions, and gradients. Out: the
//! worst element of each variable. Which elements are moved, of a variable of many, depends on a seed alone.

use rand::{RngExt, SeedableRng, seq::index};
use rand_chacha::ChaCha8Rng;

use super::{
    difference::{Claim, Precision, judge},
    error::GradientCheckError,
    report::ElementCheck,
};
use crate::{
    check::prove::numbers,
    graph::{Site, Value},
};

/// How a comparison goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) max_elements: usize,
    pub(super) seed: u64,
    pub(super) order: usize,
    pub(super) tolerance: Option<f64>,
}

impl Settings {
    /// A precision with the tolerance that was asked for.
    pub(super) fn tolerant(&self, precision: Precision) -> Precision {
        precision.with_tolerance(self.tolerance)
    }

    pub(super) fn generator(&self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed)
    }
}

/// What is differentiated by.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    /// Its position among the leaves.
    pub(super) leaf: usize,
    pub(super) name: String,
    pub(super) site: Site,
}

/// A scalar function of several leaves.
pub(super) trait Scalar {
    /// Its value with one leaf displaced by a multiple of a direction.
    fn value_at(&mut self, leaf: usize, direction: &[f64], offset: f64) -> Result<f64, GradientCheckError>;

    /// Its derivative by one variable along a direction, by forward mode, where there is one.
    fn along(&mut self, variable: usize, direction: &[f64]) -> Result<Option<f64>, GradientCheckError>;
}

/// How many elements of a variable were moved, and the worst of them.
pub(super) struct FirstOrder {
    pub(super) n_elements: usize,
    pub(super) n_checked: usize,
    pub(super) worst: Option<ElementCheck>,
}

/// Compares the gradient by one variable, at `x`, with differences.
pub(super) fn first_order(
    function: &mut impl Scalar,
    (position, variable): (usize, &Variable),
    (x, gradient): (&Value, &Value),
    (settings, precision): (&Settings, Precision),
) -> Result<FirstOrder, GradientCheckError> {
    let (shape, x, gradient) = (x.shape(), numbers(x), numbers(gradient));
    let n_elements = gradient.len();
    let mut rng = settings.generator();
    let elements = sampled(&mut rng, n_elements, settings.max_elements);
    let n_checked = elements.len();
    let greatest = greatest(&gradient);
    let mut checks = Vec::with_capacity(n_checked + 1);
    let mut check = |claim: Claim, direction: &[f64], scale: f64| -> Result<(), GradientCheckError> {
        let forward = function.along(position, direction)?;
        let sample = |offset: f64| Ok(vec![function.value_at(variable.leaf, direction, offset)?]);
        checks.extend(judge(&[Claim { forward, ..claim }], scale, precision, sample)?);
        Ok(())
    };
    let mut direction = vec![0.0; n_elements];
    for element in elements {
        direction[element] = 1.0;
        let (index, reverse) = (Some(indices(element, shape)), gradient[element]);
        let claim = Claim { index, reverse, forward: None, scale: greatest };
        check(claim, &direction, x[element].abs().max(1.0))?;
        direction[element] = 0.0;
    }
    if n_checked < n_elements {
        let direction = random(&mut rng, n_elements);
        let products = gradient.iter().zip(&direction).map(|(gradient, direction)| gradient * direction);
        let (sum, squares) = products.fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
        check(Claim { index: None, reverse: sum, forward: None, scale: squares.sqrt() }, &direction, 1.0)?;
    }
    Ok(FirstOrder { n_elements, n_checked, worst: worst(checks) })
}

/// The element that is least right.
pub(super) fn worst(checks: impl IntoIterator<Item = ElementCheck>) -> Option<ElementCheck> {
    let badness = |check: &ElementCheck| (check.agreement, check.error / check.tolerance);
    checks.into_iter().reduce(|worst, check| {
        let ((kind, share), (worst_kind, worst_share)) = (badness(&check), badness(&worst));
        if kind > worst_kind || (kind == worst_kind && share > worst_share) { check } else { worst }
    })
}

/// Positions of elements: all, or as many as may be, drawn at random, in ascending order.
fn sampled(rng: &mut ChaCha8Rng, n_elements: usize, max_elements: usize) -> Vec<usize> {
    if n_elements <= max_elements {
        return (0..n_elements).collect();
    }
    let mut elements = index::sample(rng, n_elements, max_elements).into_vec();
    elements.sort_unstable();
    elements
}

/// Numbers from −1 to 1.
pub(super) fn random(rng: &mut ChaCha8Rng, n_elements: usize) -> Vec<f64> {
    (0..n_elements).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// The greatest finite absolute value.
pub(super) fn greatest(numbers: &[f64]) -> f64 {
    numbers.iter().filter(|x| x.is_finite()).fold(0.0, |most, x| most.max(x.abs()))
}

/// The index along each axis of an element counted in row-major order.
pub(super) fn indices(mut position: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices = vec![0; shape.len()];
    for (index, size) in indices.iter_mut().zip(shape).rev() {
        (*index, position) = (position % size, position / size);
    }
    indices
}

/// A leaf displaced by a multiple of a direction, whose elements are in row-major order.
pub(super) fn displaced(value: &Value, direction: &[f64], offset: f64) -> Value {
    let mut moved = value.clone();
    match &mut moved {
        Value::F32(array) => {
            array.iter_mut().zip(direction).for_each(|(x, direction)| *x = (f64::from(*x) + offset * direction) as f32);
        }
        Value::F64(array) => array.iter_mut().zip(direction).for_each(|(x, direction)| *x += offset * direction),
        Value::I64(_) | Value::Bool(_) => {}
    }
    moved
}

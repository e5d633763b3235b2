//! Classes along curves in the plane, which no line parts. In: how many, how noisy, a seed. Out: two features and a label.

use std::f64::consts::{PI, TAU};

use super::draw::{Normal, check_length, check_some, labelled, n_of_class};
use crate::data::{DataError, Dataset};

/// Two half circles, each with an end within the other.
///
/// Class 0 is (cos t, sin t), class 1 is (1 − cos t, ½ − sin t), with t evenly from 0 to π; to each coordinate a normal
/// number with deviation `noise` is added.
///
/// # Shapes
/// `x`: `f32[n, 2]`, `label`: `i64[n]`, 0 and 1
///
/// # Errors
/// The noise is not from 0 to 10³⁶, or there is no memory for so many examples.
///
/// # Source
/// Pedregosa et al., *Scikit-learn*, 2011, `make_moons`.
///
/// # Example
/// ```
/// use ndarray::{Ix1, Ix2, array};
/// let moons = pullback::data::synthetic::two_moons(4, 0.0, 0)?;
/// assert_eq!(moons.array::<i64, Ix1>("label")?, array![0, 1, 0, 1]);
/// assert_eq!(moons.array::<f32, Ix2>("x")?.row(1), array![0.0, 0.5]);
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[doc(alias = "make_moons")]
pub fn two_moons(n: usize, noise: f64, seed: u64) -> Result<Dataset, DataError> {
    check_length("the noise", noise)?;
    let mut normal = Normal::new(seed);
    labelled(n, 2, |class, position| {
        let t = PI * position as f64 / n_of_class(n, 2, class).saturating_sub(1).max(1) as f64;
        let (x, y) = match class {
            0 => (libm::cos(t), libm::sin(t)),
            _ => (1.0 - libm::cos(t), 0.5 - libm::sin(t)),
        };
        [x + noise * normal.next(), y + noise * normal.next()]
    })
}

/// A circle of radius 1, which is class 0, and one of radius `ratio` within, class 1.
///
/// Class c is r·(cos t, sin t) with r = 1 or `ratio` and t evenly around, from 0; to each coordinate a normal number with
/// deviation `noise` is added.
///
/// # Shapes
/// `x`: `f32[n, 2]`, `label`: `i64[n]`, 0 and 1
///
/// # Errors
/// The ratio or the noise is not from 0 to 10³⁶, or there is no memory for so many examples.
///
/// # Source
/// Pedregosa et al., *Scikit-learn*, 2011, `make_circles`.
///
/// # Example
/// ```
/// let circles = pullback::data::synthetic::circles(6, 0.5, 0.0, 0)?;
/// let x: ndarray::ArrayView2<f32> = circles.array("x")?;
/// let radius = |row: usize| x.row(row).mapv(|x| x * x).sum().sqrt();
/// assert!((radius(2) - 1.0).abs() < 1e-6 && (radius(3) - 0.5).abs() < 1e-6);
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[doc(alias = "make_circles")]
pub fn circles(n: usize, ratio: f64, noise: f64, seed: u64) -> Result<Dataset, DataError> {
    check_length("the ratio of radii", ratio)?;
    check_length("the noise", noise)?;
    let mut normal = Normal::new(seed);
    labelled(n, 2, |class, position| {
        let t = TAU * position as f64 / n_of_class(n, 2, class) as f64;
        let radius = if class == 0 { 1.0 } else { ratio };
        [radius * libm::cos(t) + noise * normal.next(), radius * libm::sin(t) + noise * normal.next()]
    })
}

/// Spirals around the origin, one a class, each a turn and a half from there to radius 1.
///
/// Class c of `n_arms` is r·(cos φ, sin φ) with φ = 2π·(3/2·r + c / n_arms) and r evenly from 1/k to 1, where k is how many
/// examples the class has; to each coordinate a normal number with deviation `noise` is added.
///
/// # Shapes
/// `x`: `f32[n, 2]`, `label`: `i64[n]`, from 0 to n_arms − 1
///
/// # Errors
/// There is no arm, the noise is not from 0 to 10³⁶, or there is no memory for so many examples.
///
/// # Source
/// Lang and Witbrock, *Learning to tell two spirals apart*, 1988, with fewer turns.
///
/// # Example
/// ```
/// let spirals = pullback::data::synthetic::spirals(300, 3, 0.02, 0)?;
/// let label: ndarray::ArrayView1<i64> = spirals.array("label")?;
/// assert_eq!(label.iter().max(), Some(&2));
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn spirals(n: usize, n_arms: usize, noise: f64, seed: u64) -> Result<Dataset, DataError> {
    check_some("the number of arms", n_arms)?;
    check_length("the noise", noise)?;
    let mut normal = Normal::new(seed);
    labelled(n, n_arms, |class, position| {
        let radius = (position + 1) as f64 / n_of_class(n, n_arms, class) as f64;
        let angle = TAU * (1.5 * radius + class as f64 / n_arms as f64);
        [radius * libm::cos(angle) + noise * normal.next(), radius * libm::sin(angle) + noise * normal.next()]
    })
}

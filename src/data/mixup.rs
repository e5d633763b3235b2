//! Pairs of examples mixed into one. In: a source with a column of floats. Out: a source of the same rows, each mixed with another.

use ndarray::{ArrayD, Axis, IxDyn};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{
    Batch, Column, DataError, Source,
    augment::{below, row_generator},
    source::find_column,
};
use crate::graph::{DType, Value};

/// Each example mixed with a random other one: x becomes λ·x + (1 − λ)·x′ with λ from Beta(α, α), by seed, epoch and row.
///
/// What x′ is learned by comes beside: the column `LABEL_other` has the label of the other example, and `mix` has λ, so that the
/// loss is λ·ℓ(f(x), label) + (1 − λ)·ℓ(f(x), label_other). Other columns are those of the first example.
///
/// # Source
/// Zhang, Cisse, Dauphin and Lopez-Paz, *mixup: beyond empirical risk minimization*, 2018.
///
/// # Example
/// ```
/// use pullback::data::{Mixup, Source, digits};
/// let mixed = Mixup::new(digits(), "x", "label", 0.4, 7)?;
/// let names: Vec<&str> = mixed.columns().iter().map(|column| column.name.as_str()).collect();
/// assert_eq!(names, ["x", "label", "label_other", "mix"]);
/// assert_eq!(mixed.batch(&[3, 5], 0)?["mix"].shape(), [2]);
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Mixup<S> {
    source: S,
    x: String,
    label: String,
    alpha: f64,
    seed: u64,
    columns: Vec<Column>,
}

impl<S: Source> Mixup<S> {
    /// Mixes the column `x`, which is of `f32`, and gives the column `label` of both.
    ///
    /// # Errors
    /// There are no such columns, the first is not of `f32`, the source does not know how many examples it has, a column
    /// `LABEL_other` or `mix` is there, or α is not from 0.01 to 100.
    pub fn new(source: S, x: &str, label: &str, alpha: f64, seed: u64) -> Result<Mixup<S>, DataError> {
        let is_met = |column: &Column| column.ty.dtype == DType::F32 && column.ty.shape.as_numbers().is_some();
        find_column(&source, x, "of f32, of sizes that are numbers", is_met)?;
        let label_column = find_column(&source, label, "there", |_| true)?.clone();
        if !(0.01..=100.0).contains(&alpha) {
            return Err(DataError::Parameter { what: "α of mixup", expected: "from 0.01 to 100", found: alpha });
        }
        source.n_examples().ok_or(DataError::UnknownLength)?;
        let mut columns = source.columns().to_vec();
        let other = Column { name: format!("{label}_other"), ..label_column };
        for new in [other, Column::new("mix", DType::F32, ())] {
            if columns.iter().any(|column| column.name == new.name) {
                return Err(DataError::DuplicateColumn { name: new.name });
            }
            columns.push(new);
        }
        Ok(Mixup { source, x: x.to_owned(), label: label.to_owned(), alpha, seed, columns })
    }
}

impl<S: Source> Source for Mixup<S> {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn n_examples(&self) -> Option<usize> {
        self.source.n_examples()
    }

    fn batch(&self, rows: &[usize], epoch: u64) -> Result<Batch, DataError> {
        let n = self.source.n_examples().ok_or(DataError::UnknownLength)?;
        let (mut others, mut mixes) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in rows {
            let mut rng = row_generator(!self.seed, epoch, *row);
            others.push(below(&mut rng, n as u64) as usize);
            mixes.push(beta(self.alpha, &mut rng) as f32);
        }
        let (mut batch, other) = (self.source.batch(rows, epoch)?, self.source.batch(&others, epoch)?);
        let mut mixed: ArrayD<f32> = batch.array::<f32, IxDyn>(&self.x)?.to_owned();
        let theirs = other.array::<f32, IxDyn>(&self.x)?;
        if mixed.shape() != theirs.shape() {
            return Err(DataError::NotAsMany { expected: batch.len(), found: other.len() });
        }
        for ((mut x, other), mix) in mixed.axis_iter_mut(Axis(0)).zip(theirs.axis_iter(Axis(0))).zip(&mixes) {
            x.zip_mut_with(&other, |x, other| *x = mix * *x + (1.0 - mix) * other);
        }
        *batch.take(&self.x)? = Value::F32(mixed);
        batch.column(format!("{}_other", self.label), other[&self.label].clone())?.column("mix", mixes)
    }

    fn length(&self, row: usize) -> Option<usize> {
        self.source.length(row)
    }
}

/// A number of Beta(α, α): the quotient of G and G + G′ with both from Gamma(α).
fn beta(alpha: f64, rng: &mut ChaCha8Rng) -> f64 {
    let [first, second] = [(); 2].map(|()| log_gamma_variate(alpha, rng));
    1.0 / (1.0 + libm::exp(second - first))
}

/// The logarithm of a number of Gamma(α), since the number itself may be too small for a float where α is. For α < 1 it is
/// ln G(α + 1) + ln(U)/α.
///
/// # Source
/// Marsaglia and Tsang, *A simple method for generating gamma variables*, 2000.
fn log_gamma_variate(alpha: f64, rng: &mut ChaCha8Rng) -> f64 {
    if alpha < 1.0 {
        return log_gamma_variate(alpha + 1.0, rng) + libm::log(uniform(rng)) / alpha;
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let normal = libm::sqrt(-2.0 * libm::log(uniform(rng))) * libm::cos(std::f64::consts::TAU * uniform(rng));
        let root = 1.0 + c * normal;
        let cube = root * root * root;
        if root > 0.0 && libm::log(uniform(rng)) < 0.5 * normal * normal + d - d * cube + d * libm::log(cube) {
            return libm::log(d) + libm::log(cube);
        }
    }
}

/// One of the 2⁵³ multiples of 2⁻⁵³ in (0, 1].
fn uniform(rng: &mut impl Rng) -> f64 {
    1.0 - (rng.next_u64() >> 11) as f64 * f64::EPSILON / 2.0
}

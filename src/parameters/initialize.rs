//! First values. In: a [`ParameterSpec`] and a seed. Out: its slot filled, or an [`InitializerError`]. What each
//! initializer means is said at [`Initializer`]; no generator outlives a call.

use ndarray::ArrayD;
use rand::{Rng, RngExt, SeedableRng, distr::Uniform};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::{
    buffers::{Buffers, FloatElement},
    error::ParameterError,
    orthogonal::orthonormal_rows,
};
use crate::{
    graph::{DType, Initializer, Value},
    memory,
    numbers::short,
};

/// What a parameter or state is before it has values.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// Its name, by which it is found again and which chooses its stream of random numbers.
    pub name: String,
    /// [`DType::F32`] or [`DType::F64`]; of a state, any.
    pub dtype: DType,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// The distribution of the first values.
    pub initializer: Initializer,
}

/// Why an initializer does not fit its parameter.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InitializerError {
    /// An argument is NaN, infinite, or becomes infinite in the parameter's dtype.
    #[error("initializer of `{name}`: {argument} is {}, which is not finite in {dtype}", short(*value))]
    NotFinite {
        /// The parameter.
        name: String,
        /// Which argument.
        argument: &'static str,
        /// What it is.
        value: f64,
        /// The parameter's dtype.
        dtype: DType,
    },
    /// The bounds are in the wrong order, or so far apart that their distance overflows.
    #[error("initializer of `{name}`: [{}, {}) is not an interval of finite length", short(*low), short(*high))]
    Interval {
        /// The parameter.
        name: String,
        /// The bound below.
        low: f64,
        /// The bound above.
        high: f64,
    },
    /// The initializer gives numbers of another dtype.
    #[error("initializer of `{name}`: {initializer:?} gives no {dtype}")]
    OtherDType {
        /// The parameter or state.
        name: String,
        /// The initializer.
        initializer: Initializer,
        /// Its dtype.
        dtype: DType,
    },
    /// A standard deviation is negative.
    #[error("initializer of `{name}`: deviation is {}, but must not be negative", short(*deviation))]
    NegativeDeviation {
        /// The parameter.
        name: String,
        /// The deviation.
        deviation: f64,
    },
    /// An orthogonal matrix was asked of an array with fewer than two axes.
    #[error("initializer of `{name}`: an orthogonal matrix needs two axes, but the shape is {shape:?}")]
    OrthogonalRank {
        /// The parameter.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
}

/// An initializer with its arguments checked and its fans counted.
enum Distribution {
    Constant(f64),
    Uniform { low: f64, high: f64 },
    Normal { mean: f64, deviation: f64 },
    TruncatedNormal { mean: f64, deviation: f64 },
    Orthogonal { gain: f64 },
}

/// Fills the slot that `spec` names.
///
/// # Errors
/// `buffers` has no such slot, or the initializer does not fit.
pub(super) fn fill(buffers: &mut Buffers, spec: &ParameterSpec, seed: u64) -> Result<(), ParameterError> {
    let draw = resolve(spec)?;
    let mut rng = stream(seed, &spec.name);
    match spec.dtype {
        DType::F32 => draw.fill(buffers.slice_mut::<f32>(&spec.name)?, &spec.shape, &mut rng),
        _ => draw.fill(buffers.slice_mut::<f64>(&spec.name)?, &spec.shape, &mut rng),
    }
    Ok(())
}

/// The first value of a state.
///
/// # Errors
/// The initializer does not fit, or memory cannot be had.
pub(super) fn state(spec: &ParameterSpec, seed: u64) -> Result<Value, ParameterError> {
    let n_bytes = spec.shape.iter().fold(spec.dtype.size(), |bytes, size| bytes.saturating_mul(*size));
    if !memory::is_available(n_bytes) {
        return Err(ParameterError::OutOfMemory { bytes: n_bytes });
    }
    let mut value = Value::zeros(spec.dtype, &spec.shape);
    let mut rng = stream(seed, &spec.name);
    match (&mut value, spec.initializer) {
        (Value::F32(array), _) => resolve(spec)?.fill(elements(array), &spec.shape, &mut rng),
        (Value::F64(array), _) => resolve(spec)?.fill(elements(array), &spec.shape, &mut rng),
        (_, Initializer::Zeros) => {}
        (Value::I64(array), Initializer::Constant(number)) => array.fill(number as i64),
        (Value::I64(array), Initializer::Key) => array.mapv_inplace(|_| (rng.next_u64() >> 2) as i64),
        (Value::Bool(array), Initializer::Constant(number)) => array.fill(number != 0.0),
        (Value::I64(_) | Value::Bool(_), _) => return Err(not_of_floats(spec).into()),
    }
    Ok(value)
}

fn elements<T>(array: &mut ArrayD<T>) -> &mut [T] {
    array.as_slice_mut().expect("invariant: zeros are in row-major order")
}

/// The error of an initializer that gives no numbers of the dtype.
fn not_of_floats(spec: &ParameterSpec) -> InitializerError {
    InitializerError::OtherDType { name: spec.name.clone(), initializer: spec.initializer, dtype: spec.dtype }
}

/// The generator of one parameter: ChaCha8 keyed by `seed`, on the stream numbered by the hash of `name`.
fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(fnv1a(name.as_bytes()));
    rng
}

/// A hash that is the same on every machine and in every release, unlike the standard library's.
///
/// # Source
/// Fowler, Noll, Vo and Eastlake, *The FNV non-cryptographic hash algorithm*, FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// No normal number is drawn that far from the mean.
const MAX_DEVIATIONS: f64 = 64.0;

fn resolve(spec: &ParameterSpec) -> Result<Distribution, InitializerError> {
    let (fan_in, fan_out) = fans(&spec.shape);
    match spec.initializer {
        Initializer::Zeros => Ok(Distribution::Constant(0.0)),
        Initializer::Constant(value) => Ok(Distribution::Constant(finite(spec, "value", value)?)),
        Initializer::Uniform { low, high } => uniform(spec, low, high),
        Initializer::Normal { mean, deviation } => {
            let (mean, deviation) = normal(spec, mean, deviation)?;
            Ok(Distribution::Normal { mean, deviation })
        }
        Initializer::TruncatedNormal { mean, deviation } => {
            let (mean, deviation) = normal(spec, mean, deviation)?;
            Ok(Distribution::TruncatedNormal { mean, deviation })
        }
        Initializer::GlorotUniform => Ok(symmetric((6.0 / (fan_in + fan_out)).sqrt())),
        Initializer::GlorotNormal => Ok(centred((2.0 / (fan_in + fan_out)).sqrt())),
        Initializer::HeUniform => Ok(symmetric((6.0 / fan_in).sqrt())),
        Initializer::HeNormal => Ok(centred((2.0 / fan_in).sqrt())),
        Initializer::LecunUniform => Ok(symmetric((3.0 / fan_in).sqrt())),
        Initializer::LecunNormal => Ok(centred((1.0 / fan_in).sqrt())),
        Initializer::FanInUniform => Ok(symmetric((1.0 / fan_in).sqrt())),
        Initializer::Orthogonal { gain } => orthogonal(spec, gain),
        Initializer::Key => Err(not_of_floats(spec)),
    }
}

/// `fan_in` and `fan_out`, as [`Initializer`] defines them. A scalar has 1 and 1.
fn fans(shape: &[usize]) -> (f64, f64) {
    let size = |axis: &usize| *axis as f64;
    match shape {
        [] => (1.0, 1.0),
        [length] => (size(length), size(length)),
        [n_in, n_out] => (size(n_in), size(n_out)),
        [n_out, n_in, receptive @ ..] => {
            let field: f64 = receptive.iter().map(size).product();
            (size(n_in) * field, size(n_out) * field)
        }
    }
}

fn symmetric(bound: f64) -> Distribution {
    Distribution::Uniform { low: -bound, high: bound }
}

fn centred(deviation: f64) -> Distribution {
    Distribution::Normal { mean: 0.0, deviation }
}

fn uniform(spec: &ParameterSpec, low: f64, high: f64) -> Result<Distribution, InitializerError> {
    let (low, high) = (finite(spec, "low", low)?, finite(spec, "high", high)?);
    if low > high || !(high - low).is_finite() {
        return Err(InitializerError::Interval { name: spec.name.clone(), low, high });
    }
    Ok(Distribution::Uniform { low, high })
}

fn normal(spec: &ParameterSpec, mean: f64, deviation: f64) -> Result<(f64, f64), InitializerError> {
    let (mean, deviation) = (finite(spec, "mean", mean)?, finite(spec, "deviation", deviation)?);
    if deviation < 0.0 {
        return Err(InitializerError::NegativeDeviation { name: spec.name.clone(), deviation });
    }
    finite(spec, "the mean with 64 deviations", mean.abs() + MAX_DEVIATIONS * deviation)?;
    Ok((mean, deviation))
}

fn orthogonal(spec: &ParameterSpec, gain: f64) -> Result<Distribution, InitializerError> {
    let gain = finite(spec, "gain", gain)?;
    if spec.shape.len() < 2 {
        return Err(InitializerError::OrthogonalRank { name: spec.name.clone(), shape: spec.shape.clone() });
    }
    Ok(Distribution::Orthogonal { gain })
}

fn finite(spec: &ParameterSpec, argument: &'static str, value: f64) -> Result<f64, InitializerError> {
    let is_finite = if spec.dtype == DType::F32 { (value as f32).is_finite() } else { value.is_finite() };
    if is_finite {
        return Ok(value);
    }
    Err(InitializerError::NotFinite { name: spec.name.clone(), argument, value, dtype: spec.dtype })
}

impl Distribution {
    /// Writes an array of `shape`, in row-major order.
    fn fill<T: FloatElement>(&self, target: &mut [T], shape: &[usize], rng: &mut impl Rng) {
        if target.is_empty() {
            return; // A fan may be 0 and the bound infinite, but there is nothing to draw.
        }
        match *self {
            Distribution::Constant(value) => target.fill(T::from_f64(value)),
            Distribution::Uniform { low, high } => fill_uniform(target, low, high, rng),
            Distribution::Normal { mean, deviation } => fill_normal(target, (mean, deviation), MAX_DEVIATIONS, rng),
            Distribution::TruncatedNormal { mean, deviation } => fill_normal(target, (mean, deviation), 2.0, rng),
            Distribution::Orthogonal { gain } => fill_orthogonal(target, shape[0], gain, rng),
        }
    }
}

/// Uniform on `[low, high)`, both rounded to `T`. A draw that rounds up to `high` is drawn again.
fn fill_uniform<T: FloatElement>(target: &mut [T], low: f64, high: f64, rng: &mut impl Rng) {
    let end = T::from_f64(high);
    if T::from_f64(low) == end {
        return target.fill(end);
    }
    let distribution = Uniform::new(low, high).expect("invariant: the interval was checked");
    for element in target {
        *element = loop {
            let drawn = T::from_f64(rng.sample(distribution));
            if drawn < end {
                break drawn;
            }
        };
    }
}

/// Normal numbers; one that is more than `limit` deviations from the mean is drawn again.
fn fill_normal<T: FloatElement>(target: &mut [T], (mean, deviation): (f64, f64), limit: f64, rng: &mut impl Rng) {
    for element in target {
        let standard = loop {
            let drawn: f64 = rng.sample(StandardNormal);
            if drawn.abs() <= limit {
                break drawn;
            }
        };
        *element = T::from_f64(mean + deviation * standard);
    }
}

/// A matrix of `n_rows` with orthonormal rows or columns, whichever are fewer, times `gain`.
fn fill_orthogonal<T: FloatElement>(target: &mut [T], n_rows: usize, gain: f64, rng: &mut impl Rng) {
    let n_columns = target.len() / n_rows;
    let vectors = orthonormal_rows(n_rows.min(n_columns), n_rows.max(n_columns), rng);
    let matrix = if n_rows <= n_columns { vectors.view() } else { vectors.t() };
    for (element, &number) in target.iter_mut().zip(matrix) {
        *element = T::from_f64(gain * number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of the hash's authors.
    #[test]
    fn the_hash_is_fnv1a() {
        let cases = [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)];
        for (text, hash) in cases {
            assert_eq!(fnv1a(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn fans_follow_the_shape() {
        let cases: [(&[usize], _); 5] = [
            (&[], (1.0, 1.0)),
            (&[7], (7.0, 7.0)),
            (&[3, 5], (3.0, 5.0)),
            (&[8, 4, 3], (12.0, 24.0)),
            (&[8, 4, 3, 5], (60.0, 120.0)),
        ];
        for (shape, expected) in cases {
            assert_eq!(fans(shape), expected, "{shape:?}");
        }
    }
}

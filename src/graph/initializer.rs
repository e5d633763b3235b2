//! How a parameter starts. In: nothing. Out: an [`Initializer`], an attribute of the parameter's node. The numbers are
//! drawn in `parameters/`.

/// The distribution that the first values of a parameter or state are drawn from.
///
/// `fan_in` and `fan_out` are counted from the shape: a matrix `[in, out]` has these two; a convolution kernel
/// `[out, in, …]` has `in · receptive field` and `out · receptive field`; a vector has its length as both.
///
/// # Source
/// Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010, eq. 16; He et
/// al., *Delving deep into rectifiers*, 2015, eq. 10; Saxe et al., *Exact solutions to the nonlinear dynamics of learning
/// in deep linear neural networks*, 2014.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initializer {
    /// All zero.
    Zeros,
    /// All equal to a number.
    Constant(f64),
    /// Uniform on `[low, high)`.
    Uniform {
        /// The least value.
        low: f64,
        /// The bound above, not reached.
        high: f64,
    },
    /// Normal.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation, not negative.
        deviation: f64,
    },
    /// Uniform on ±√(6 / (fan_in + fan_out)): for tanh and linear layers.
    #[doc(alias("xavier", "xavier_uniform"))]
    GlorotUniform,
    /// Normal with variance 2 / (fan_in + fan_out).
    #[doc(alias = "xavier_normal")]
    GlorotNormal,
    /// Uniform on ±√(6 / fan_in): for rectified layers.
    #[doc(alias("kaiming", "kaiming_uniform"))]
    HeUniform,
    /// Normal with variance 2 / fan_in.
    #[doc(alias = "kaiming_normal")]
    HeNormal,
    /// A matrix with orthonormal rows or columns, whichever are fewer, times `gain`. An array of more axes is read as
    /// the matrix `[first axis, all others]`; at least two axes are needed.
    Orthogonal {
        /// The factor.
        gain: f64,
    },
    /// 62 random bits for each element of an `i64` state: keys of [`random_bits`](crate::Graph::random_bits).
    Key,
}

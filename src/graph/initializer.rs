//! How a parameter starts. In: nothing. Out: an [`Initializer`], an attribute of the parameter's node. The numbers are
//! drawn in `parameters/`.

/// The distribution that the first values of a parameter or state are drawn from.
///
/// `fan_in` and `fan_out` are counted from the shape: a matrix `[in, out]` has these two; a convolution kernel
/// `[out, in, …]` has `in · receptive field` and `out · receptive field`; a vector has its length as both. Channels in and
/// out of a kernel with groups are those of its shape, as PyTorch counts them.
///
/// The formulas are those of the papers. Other libraries differ: PyTorch's layers start from [`Initializer::FanInUniform`],
/// their biases too, with the `fan_in` of the weight, where biases start at zero here; JAX and Keras truncate what they call
/// He, Glorot and LeCun normal at two deviations, and divide by 0.8796 to keep the variance.
///
/// # Source
/// Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010, eq. 16; He et
/// al., *Delving deep into rectifiers*, 2015, eq. 10; LeCun, Bottou, Orr and Müller, *Efficient backprop*, 1998, eq. 16; Saxe
/// et al., *Exact solutions to the nonlinear dynamics of learning in deep linear neural networks*, 2014.
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
    /// Normal, drawn again as long as it is further than two deviations from the mean; the deviation of what is drawn is
    /// 0.8796 of that. Transformers of images and texts start so, with a deviation of 0.02.
    #[doc(alias = "trunc_normal")]
    TruncatedNormal {
        /// The mean.
        mean: f64,
        /// The standard deviation before it is truncated, not negative.
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
    /// Uniform on ±√(3 / fan_in): a variance of 1 / fan_in, for linear layers and SELU.
    LecunUniform,
    /// Normal with variance 1 / fan_in.
    LecunNormal,
    /// Uniform on ±1/√fan_in, a third of that variance: how PyTorch starts the weights of linear layers and convolutions
    /// (`kaiming_uniform_` with `a=sqrt(5)`).
    #[doc(alias = "torch")]
    FanInUniform,
    /// A matrix with orthonormal rows or columns, whichever are fewer, times `gain`. An array of more axes is read as
    /// the matrix `[first axis, all others]`; at least two axes are needed.
    Orthogonal {
        /// The factor.
        gain: f64,
    },
    /// 62 random bits for each element of an `i64` state: keys of [`random_bits`](crate::Graph::random_bits).
    Key,
}

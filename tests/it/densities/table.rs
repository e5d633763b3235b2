//! The densities, each with operands at which it is smooth, and with some whose value is not in its support or that belong to no
//! distribution.

use pullback::{DType, Expr, densities::*};

pub(super) type Build = for<'g> fn(&[Expr<'g>]) -> Expr<'g>;

/// A density by its name in the recorded file, of operands that are one number for each point.
pub(super) struct Density {
    pub(super) name: &'static str,
    /// How many operands come first by which the derivative is 0.
    pub(super) n_counts: usize,
    pub(super) build: Build,
    /// Operands at which it is smooth.
    pub(super) smooth: &'static [f64],
    /// Operands whose value is not in the support.
    pub(super) outside: &'static [&'static [f64]],
    /// Operands that belong to no distribution.
    pub(super) invalid: &'static [&'static [f64]],
}

pub(super) const INFINITY: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

fn row<'g>(operands: &[Expr<'g>]) -> Expr<'g> {
    operands[0].stack(operands[1..].iter().copied(), -1)
}

fn multivariate_normal<'g>(o: &[Expr<'g>]) -> Expr<'g> {
    let zero = o[0].zeros_like();
    let factor = row(&[o[6], zero, zero, o[7], o[8], zero, o[9], o[10], o[11]]);
    let sizes: Vec<_> = o[0].shape().iter().cloned().chain([3.into(), 3.into()]).collect();
    multivariate_normal_log_density(row(&o[..3]), row(&o[3..6]), factor.reshape(sizes))
}

const OUTSIDE_OF_REAL: &[&[f64]] = &[&[INFINITY, 0.0, 1.0], &[-INFINITY, 0.5, 2.0]];
const INVALID_SCALE: &[&[f64]] =
    &[&[0.5, 0.0, 0.0], &[0.5, 0.0, -1.0], &[0.5, INFINITY, 1.0], &[0.5, NAN, 1.0], &[NAN, 0.0, 1.0], &[0.5, 0.0, NAN]];
const INVALID_POSITIVE: &[&[f64]] =
    &[&[0.5, 0.0, 1.0], &[0.5, -1.0, 1.0], &[0.5, 1.0, 0.0], &[0.5, INFINITY, 1.0], &[NAN, 1.0, 1.0]];
const INVALID_RATE: &[&[f64]] = &[&[1.0, 0.0], &[1.0, -2.0], &[1.0, INFINITY], &[1.0, NAN], &[NAN, 1.0]];

pub(super) const DENSITIES: &[Density] = &[
    Density {
        name: "normal",
        n_counts: 0,
        build: |o| normal_log_density(o[0], o[1], o[2]),
        smooth: &[0.7, -0.4, 1.3],
        outside: OUTSIDE_OF_REAL,
        invalid: INVALID_SCALE,
    },
    Density {
        name: "student_t",
        n_counts: 0,
        build: |o| student_t_log_density(o[0], o[1], o[2], o[3]),
        smooth: &[0.7, 3.5, -0.4, 1.3],
        outside: &[&[INFINITY, 2.0, 0.0, 1.0]],
        invalid: &[&[0.5, 0.0, 0.0, 1.0], &[0.5, INFINITY, 0.0, 1.0], &[0.5, 1.0, 0.0, 0.0], &[NAN, 1.0, 0.0, 1.0]],
    },
    Density {
        name: "cauchy",
        n_counts: 0,
        build: |o| cauchy_log_density(o[0], o[1], o[2]),
        smooth: &[0.7, -0.4, 1.3],
        outside: OUTSIDE_OF_REAL,
        invalid: INVALID_SCALE,
    },
    Density {
        name: "laplace",
        n_counts: 0,
        build: |o| laplace_log_density(o[0], o[1], o[2]),
        smooth: &[0.7, -0.4, 1.3],
        outside: OUTSIDE_OF_REAL,
        invalid: INVALID_SCALE,
    },
    Density {
        name: "logistic",
        n_counts: 0,
        build: |o| logistic_log_density(o[0], o[1], o[2]),
        smooth: &[0.7, -0.4, 1.3],
        outside: OUTSIDE_OF_REAL,
        invalid: INVALID_SCALE,
    },
    Density {
        name: "exponential",
        n_counts: 0,
        build: |o| exponential_log_density(o[0], o[1]),
        smooth: &[0.7, 1.3],
        outside: &[&[-1e-30, 1.0], &[INFINITY, 1.0]],
        invalid: INVALID_RATE,
    },
    Density {
        name: "gamma",
        n_counts: 0,
        build: |o| gamma_log_density(o[0], o[1], o[2]),
        smooth: &[0.7, 2.4, 1.3],
        outside: &[&[0.0, 1.0, 1.0], &[-1.0, 0.5, 1.0], &[INFINITY, 2.0, 1.0]],
        invalid: INVALID_POSITIVE,
    },
    Density {
        name: "inverse_gamma",
        n_counts: 0,
        build: |o| inverse_gamma_log_density(o[0], o[1], o[2]),
        smooth: &[0.7, 2.4, 1.3],
        outside: &[&[0.0, 1.0, 1.0], &[-1.0, 0.5, 1.0], &[INFINITY, 2.0, 1.0]],
        invalid: INVALID_POSITIVE,
    },
    Density {
        name: "log_normal",
        n_counts: 0,
        build: |o| log_normal_log_density(o[0], o[1], o[2]),
        smooth: &[0.7, -0.4, 1.3],
        outside: &[&[0.0, 0.0, 1.0], &[-2.0, 0.0, 1.0], &[INFINITY, 0.0, 1.0]],
        invalid: INVALID_SCALE,
    },
    Density {
        name: "half_normal",
        n_counts: 0,
        build: |o| half_normal_log_density(o[0], o[1]),
        smooth: &[0.7, 1.3],
        outside: &[&[-1e-30, 1.0], &[INFINITY, 1.0]],
        invalid: INVALID_RATE,
    },
    Density {
        name: "half_cauchy",
        n_counts: 0,
        build: |o| half_cauchy_log_density(o[0], o[1]),
        smooth: &[0.7, 1.3],
        outside: &[&[-1e-30, 1.0], &[INFINITY, 1.0]],
        invalid: INVALID_RATE,
    },
    Density {
        name: "beta",
        n_counts: 0,
        build: |o| beta_log_density(o[0], o[1], o[2]),
        smooth: &[0.3, 2.4, 1.3],
        outside: &[&[0.0, 1.0, 1.0], &[1.0, 1.0, 1.0], &[-0.5, 2.0, 2.0], &[1.5, 2.0, 2.0], &[INFINITY, 1.0, 1.0]],
        invalid: INVALID_POSITIVE,
    },
    Density {
        name: "uniform",
        n_counts: 0,
        build: |o| uniform_log_density(o[0], o[1], o[2]),
        smooth: &[0.3, 0.1, 0.8],
        outside: &[&[-1.0, 0.0, 1.0], &[2.0, 0.0, 1.0], &[INFINITY, 0.0, 1.0]],
        invalid: &[&[0.5, 1.0, 1.0], &[0.5, 1.0, 0.0], &[0.5, 0.0, INFINITY], &[NAN, 0.0, 1.0], &[0.5, NAN, 1.0]],
    },
    Density {
        name: "poisson",
        n_counts: 1,
        build: |o| poisson_log_probability(o[0], o[1]),
        smooth: &[4.0, 2.7],
        outside: &[&[-1.0, 1.0], &[0.5, 1.0], &[INFINITY, 1.0]],
        invalid: INVALID_RATE,
    },
    Density {
        name: "binomial",
        n_counts: 2,
        build: |o| binomial_log_probability(o[0], o[1], o[2]),
        smooth: &[4.0, 9.0, 0.3],
        outside: &[&[-1.0, 3.0, 0.5], &[10.0, 3.0, 0.5], &[0.5, 3.0, 0.5], &[INFINITY, 3.0, 0.5]],
        invalid: &[&[1.0, 2.5, 0.5], &[1.0, -1.0, 0.5], &[1.0, 3.0, 0.0], &[1.0, 3.0, 1.0], &[NAN, 3.0, 0.5]],
    },
    Density {
        name: "negative_binomial",
        n_counts: 1,
        build: |o| negative_binomial_log_probability(o[0], o[1], o[2]),
        smooth: &[4.0, 2.7, 0.3],
        outside: &[&[-1.0, 3.0, 0.5], &[0.5, 3.0, 0.5], &[INFINITY, 3.0, 0.5]],
        invalid: &[&[1.0, 0.0, 0.5], &[1.0, 3.0, 0.0], &[1.0, 3.0, 1.0], &[NAN, 3.0, 0.5], &[1.0, 3.0, NAN]],
    },
    Density {
        name: "categorical",
        n_counts: 1,
        build: |o| categorical_log_probability(o[0].cast(DType::I64), row(&o[1..])),
        smooth: &[1.0, 0.3, -0.2, 0.9],
        outside: &[&[-1.0, 0.0, 1.0, 2.0], &[3.0, 0.0, 1.0, 2.0]],
        invalid: &[],
    },
    Density {
        name: "dirichlet",
        n_counts: 0,
        build: |o| dirichlet_log_density(row(&o[..3]), row(&o[3..])),
        smooth: &[0.2, 0.3, 0.5, 1.4, 2.5, 0.8],
        outside: &[&[0.0, 0.5, 0.5, 1.0, 2.0, 3.0], &[-0.5, 1.0, 0.5, 1.0, 0.5, 1.0]],
        invalid: &[&[0.2, 0.3, 0.5, 0.0, 1.0, 1.0], &[0.2, 0.3, 0.5, 1.0, 1.0, -1.0], &[NAN, 0.3, 0.5, 1.0, 1.0, 1.0]],
    },
    Density {
        name: "multivariate_normal",
        n_counts: 0,
        build: multivariate_normal,
        smooth: &[0.2, 0.3, 0.5, -0.4, 0.5, 0.8, 1.5, 0.3, 0.8, -0.6, 0.2, 1.1],
        outside: &[&[INFINITY, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0]],
        invalid: &[
            &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0],
            &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, -1.0],
            &[0.0, 0.0, 0.0, INFINITY, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0],
            &[NAN, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0],
        ],
    },
    Density {
        name: "mixture",
        n_counts: 0,
        build: |o| mixture_log_density(row(&o[..3]), row(&o[3..])),
        smooth: &[-0.2, -0.3, -1.5, 1.4, 0.5, 0.8],
        outside: &[&[-INFINITY, -INFINITY, -INFINITY, 0.0, 0.5, -1.0]],
        invalid: &[],
    },
];

"""Log densities and their gradients in 100 digits or more, for tests/it/densities.rs.

    pip install mpmath numpy scipy && python tests/recorded/densities.py > tests/recorded/densities.txt

Written with mpmath 1.4.1 and SciPy 1.17.1. The formulas are the definitions, the derivatives those of mpmath.diff; values are also
compared with scipy.stats, where that keeps enough digits. A line is

    name | operands | value, sensitivity | derivative by the first operand, sensitivity | …

with the nearest floats. The sensitivity of a number is the sum over the operands a of |a * (its derivative by a)|: by how much a
relative error of the operands, times that error, moves it. Derivatives by counts are 0 by convention and are recorded so. An operand that is an event
is written element by element; of a triangular factor, row by row, without what is above the diagonal.
"""

import warnings

import numpy as np
import scipy.stats
from mpmath import diff, exp, fsum, isfinite, log, log1p, loggamma, mp, mpf, pi

warnings.simplefilter("ignore")  # SciPy overflows at the greatest values, which are then not compared.


def normal(x, m, s):
    return -((x - m) / s) ** 2 / 2 - log(s) - log(2 * pi) / 2


def student_t(x, v, m, s):
    z = (x - m) / s
    return loggamma((v + 1) / 2) - loggamma(v / 2) - log(pi * v) / 2 - log(s) - (v + 1) / 2 * log1p(z * z / v)


def cauchy(x, m, s):
    return -log(pi) - log(s) - log1p(((x - m) / s) ** 2)


def laplace(x, m, s):
    return -abs(x - m) / s - log(2 * s)


def logistic(x, m, s):
    z = (x - m) / s
    return -z - 2 * log1p(exp(-z)) - log(s)


def exponential(x, rate):
    return log(rate) - rate * x


def gamma(x, a, b):
    return a * log(b) - loggamma(a) + (a - 1) * log(x) - b * x


def inverse_gamma(x, a, b):
    return a * log(b) - loggamma(a) - (a + 1) * log(x) - b / x


def log_normal(x, m, s):
    return normal(log(x), m, s) - log(x)


def half_normal(x, s):
    return log(2) + normal(x, 0, s)


def half_cauchy(x, s):
    return log(2) + cauchy(x, 0, s)


def beta(x, a, b):
    return loggamma(a + b) - loggamma(a) - loggamma(b) + (a - 1) * log(x) + (b - 1) * log1p(-x)


def uniform(x, low, high):
    return -log(high - low)


def poisson(k, rate):
    return k * log(rate) - rate - loggamma(k + 1)


def binomial(k, n, p):
    return loggamma(n + 1) - loggamma(k + 1) - loggamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p)


def negative_binomial(k, r, p):
    return loggamma(k + r) - loggamma(r) - loggamma(k + 1) + r * log(p) + k * log1p(-p)


def log_sum_exp(terms):
    top = max(terms)
    return top + log(fsum(exp(term - top) for term in terms))


def categorical(label, *logits):
    return logits[int(label)] - log_sum_exp(logits)


def dirichlet(*operands):
    x, a = operands[:3], operands[3:]
    terms = fsum((a - 1) * log(x) for x, a in zip(x, a))
    return loggamma(fsum(a)) - fsum(loggamma(a) for a in a) + terms


def multivariate_normal(*operands):
    x, m, (a, b, c, d, e, f) = operands[:3], operands[3:6], operands[6:]
    y = [x - m for x, m in zip(x, m)]
    z0 = y[0] / a
    z1 = (y[1] - b * z0) / c
    z2 = (y[2] - d * z0 - e * z1) / f
    return -(z0**2 + z1**2 + z2**2) / 2 - log(a * c * f) - 3 * log(2 * pi) / 2


def mixture(*operands):
    components, logits = operands[:3], operands[3:]
    return log_sum_exp([c + w for c, w in zip(components, logits)]) - log_sum_exp(logits)


REAL = [(0.3, 0, 1), (-1.7, 0.4, 2.5), (1000, 0, 1), (1e8, 0.25, 1), (3e-9, 1e-9, 1e-9), (5, 5.5, 1e6), (0.1, -2e5, 3e4), (1, 0, 1)]
FREEDOM = [0.01, 0.7, 1, 3, 8.5, 23.5, 30, 1e3, 1e8, 1e15]
SHAPES = [1e-10, 1e-3, 0.5, 1, 3.7, 11.9, 12.1, 250, 1e6, 1e10]
AROUND = [1e-6, 0.3, 0.9, 0.999, 1.001, 1.2, 1.3, 5, 1e4]
PAIRS = [(1e-10, 2e-10), (1e-4, 3), (0.5, 0.5), (1, 1), (2, 7.5), (30, 1e-3), (150, 90), (1e6, 2e6), (1e9, 40)]

CASES = {
    "normal": (normal, REAL + [(1e3, 0, 1e-3), (1e-300, 0, 1)], ()),
    "student_t": (
        student_t,
        [(z, v, 0, 1) for v in FREEDOM for z in (0, 0.4, 1.3, 30, 1e8)] + [(1e200, 2.5, 0, 1), (2.5, 4, 0.5, 3e-4)],
        (),
    ),
    "cauchy": (cauchy, REAL + [(1e200, 0, 1), (0.499, 0, 1), (0.501, 0, 1)], ()),
    "laplace": (laplace, REAL, ()),
    "logistic": (logistic, REAL + [(800, 0, 1), (-800, 0, 1), (1e-7, 0, 1), (1e-300, 0, 1)], ()),
    "exponential": (exponential, [(0, 2), (0.3, 0.1), (1e8, 3), (1e-300, 1e5)], ()),
    "gamma": (
        gamma,
        [(max(a, 1e-3) * f / 2.5, a, 2.5) for a in SHAPES for f in AROUND] + [(1e-300, 0.5, 1), (1e-300, 30, 1), (700, 1e-8, 2)]
        # The product of value and rate underflows.
        + [(1e-200, 0.5, 1e-200), (1e-180, 12, 1e-190), (1e-300, 1e-8, 1e-300)],
        (),
    ),
    "inverse_gamma": (
        inverse_gamma,
        [(2.5 / (max(a, 1e-3) * f), a, 2.5) for a in SHAPES for f in AROUND] + [(1e200, 0.5, 1e-200), (1e180, 12, 1e-190)],
        (),
    ),
    "log_normal": (log_normal, [(1, 0, 1), (0.2, 1.5, 3), (1e-300, 0, 1), (1e300, 5, 2), (1.0001, 0, 1e-4)], ()),
    "half_normal": (half_normal, [(0, 1), (0.3, 2), (1e3, 1), (1e-300, 5)], ()),
    "half_cauchy": (half_cauchy, [(0, 1), (0.3, 2), (1e8, 1), (1e200, 5)], ()),
    "beta": (
        beta,
        [(x, a, b) for a, b in PAIRS for x in (1e-280, 1e-9, 0.01, 0.333, 0.5, 0.6251, 0.99, 1 - 2.0**-40)],
        (),
    ),
    "uniform": (uniform, [(0.5, 0, 1), (2, 2, 3.5), (-1, -1e9, 1e-3)], ()),
    "poisson": (
        poisson,
        [(k, r) for k in (0, 1, 3, 11, 12, 40) for r in (1e-10, 0.3, 2.9, 12.5, 80)]
        + [(1e6, 1e6), (1000300, 1e6), (1e12, 1e12 + 3e5), (1e15, 1e15), (0, 1e15), (7, 1e8), (1e9, 2e9)],
        (0,),
    ),
    "binomial": (
        binomial,
        [(k, n, p) for n in (1, 5, 40) for k in (0, 1, n) for p in (1e-10, 0.2, 0.5, 0.97)]
        + [(0, 0, 0.5), (3e8, 1e9, 0.3), (300001234, 1e9, 0.3), (5, 1e12, 5e-12), (1e6 - 1, 1e6, 0.999)],
        (0, 1),
    ),
    "negative_binomial": (
        negative_binomial,
        [(k, r, p) for k in (0, 1, 6, 50) for r in (1e-8, 0.5, 2.25, 13, 1e4) for p in (1e-6, 0.3, 0.9)]
        + [(1e8, 2.5, 1e-8), (1e6, 1e6, 0.5), (3, 1e10, 1 - 2.0**-32)],
        (0,),
    ),
    "categorical": (categorical, [(0, 0.5, -1, 2), (2, 0.5, -1, 2), (1, 1000, -1000, 0), (0, 1e-8, 0, -1e-8)], (0,)),
    "dirichlet": (
        dirichlet,
        [(0.25, 0.25, 0.5, 1, 1.5, 3), (0.125, 0.375, 0.5, 1e-8, 2, 1e-3), (1e-12, 0.5, 0.5, 200, 1e3, 0.5), (0.5, 0.25, 0.25, 1, 1, 1)],
        (),
    ),
    "multivariate_normal": (
        multivariate_normal,
        [(1, 2, -1, 0.5, 0.25, 0, 2, 1, 1.5, -0.5, 0.25, 0.75), (1e3, -2e3, 10, 0, 1, 2, 1, 0.1, 0.02, 5, 2, 30)],
        (),
    ),
    "mixture": (mixture, [(-1, -2, -3, 0.5, 0, 0.25), (-1e3, -2e3, -1001, 0, 3, 1), (-5, 4, -800, -1e3, 0, 1e3)], ()),
}

DIGITS = {"normal": 1600, "logistic": 1600, "exponential": 1600, "half_normal": 1600, "mixture": 250}

S = scipy.stats
SCIPY = {
    "normal": lambda x, m, s: S.norm.logpdf(x, m, s),
    "student_t": lambda x, v, m, s: S.t.logpdf(x, v, m, s),
    "cauchy": lambda x, m, s: S.cauchy.logpdf(x, m, s),
    "laplace": lambda x, m, s: S.laplace.logpdf(x, m, s),
    "logistic": lambda x, m, s: S.logistic.logpdf(x, m, s),
    "exponential": lambda x, r: S.expon.logpdf(x, scale=1 / r),
    "gamma": lambda x, a, b: S.gamma.logpdf(x, a, scale=1 / b),
    "inverse_gamma": lambda x, a, b: S.invgamma.logpdf(x, a, scale=b),
    "log_normal": lambda x, m, s: S.norm.logpdf(np.log(x), m, s) - np.log(x),
    "half_normal": lambda x, s: S.halfnorm.logpdf(x, scale=s),
    "half_cauchy": lambda x, s: S.halfcauchy.logpdf(x, scale=s),
    "beta": lambda x, a, b: S.beta.logpdf(x, a, b),
    "uniform": lambda x, a, b: S.uniform.logpdf(x, a, b - a),
    "poisson": lambda k, r: S.poisson.logpmf(k, r),
    "binomial": lambda k, n, p: S.binom.logpmf(k, n, p),
    "negative_binomial": lambda k, r, p: S.nbinom.logpmf(k, r, p),
    "dirichlet": lambda *o: S.dirichlet.logpdf(o[:3], o[3:]),
    "multivariate_normal": lambda *o: S.multivariate_normal.logpdf(o[:3], o[3:6], covariance(o[6:])),
}


def covariance(f):
    factor = np.array([[f[0], 0, 0], [f[1], f[2], 0], [f[3], f[4], f[5]]])
    return factor @ factor.T


def record(name, density, operands, counts):
    """The value and the derivatives, each with its sensitivity, by factors 1 + t of the operands; by t itself where one is 0."""
    # So that what the least operand adds to the value is seen.
    mp.dps = DIGITS.get(name, 100) if any(0 < abs(x) < 1e-100 for x in operands) or name == "mixture" else 100
    exact = [mpf(x) for x in operands]
    moving = [i for i in range(len(exact)) if i not in counts]

    def moved(*t):
        values = list(exact)
        for i, t in zip(moving, t):
            values[i] = exact[i] * (1 + t) if exact[i] else t
        return density(*values)

    origin = (mpf(0),) * len(moving)
    scale = [exact[i] if exact[i] else mpf(1) for i in moving]
    weight = [1 if exact[i] else 0 for i in moving]

    def partial(*indices):
        return diff(moved, origin, tuple(indices.count(i) for i in range(len(moving))))

    def sensitivity(*indices):
        return fsum(abs(w * partial(*indices, j)) for j, w in enumerate(weight))

    value, first = density(*exact), [partial(i) for i in range(len(moving))]
    entries = [(float(value), float(sensitivity()))]
    derivatives = {i: (0.0, 0.0) for i in counts}
    for j, i in enumerate(moving):
        derivative, moves = first[j] / scale[j], sensitivity(j) / scale[j]
        # What is less than the digits of mpmath.diff is 0.
        is_zero = abs(first[j]) < mpf(10) ** -(mp.dps // 2) * (abs(value) + sensitivity(j))
        derivatives[i] = (0.0 if is_zero else float(derivative), abs(float(moves)))
    entries += [derivatives[i] for i in range(len(exact))]
    assert all(isfinite(x) for entry in entries for x in entry), (name, operands)
    if name in SCIPY:
        found = float(SCIPY[name](*operands))
        size = max([1, abs(float(value))] + [abs(float(x)) for x in operands])
        assert not np.isfinite(found) or abs(found - float(value)) < 1e-9 * (size + entries[0][1]), (name, operands, found)
    words = " | ".join(f"{number!r} {moves:.3g}" for number, moves in entries)
    print(name, " ".join(repr(float(x)) for x in operands), words, sep=" | ")


for name, (density, points, counts) in CASES.items():
    for operands in points:
        record(name, density, tuple(float(x) for x in operands), counts)

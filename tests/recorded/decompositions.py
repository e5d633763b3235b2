"""Decompositions of matrices, for tests/it/decompositions.rs.

Written with NumPy 2.4.6 and SciPy 1.17.1: python3 decompositions.py > decompositions.txt
A line is: name | sizes | elements in row-major order. Signs are made those of the library: the diagonal of R is not
negative, and in each eigenvector, and in each singular vector of the shorter side, the first element of at least 0.9 of the
greatest magnitude is positive.
"""

import numpy as np
import scipy.linalg

rng = np.random.default_rng(12)
square = rng.uniform(-1, 1, (5, 5))
tall = rng.uniform(-1, 1, (6, 3))
wide = tall.T
graded = np.diag([1.0, 1e-4, 1e-8]) @ rng.uniform(-1, 1, (3, 3))
hilbert = scipy.linalg.hilbert(6)


def signs(vectors):
    largest = np.abs(vectors).max(0)
    return np.array([v[np.argmax(np.abs(v) >= 0.9 * top)] for v, top in zip(vectors.T, largest)]) / 1.0


def show(name, value):
    value = np.asarray(value)
    print(name, " ".join(map(str, value.shape)), " ".join(repr(float(y)) for y in value.ravel()), sep=" | ")


for name, a in {"square": square, "tall": tall, "wide": wide, "graded": graded, "hilbert": hilbert}.items():
    show(name, a)
    q, r = np.linalg.qr(a)
    sign = np.sign(np.diag(r))
    show(f"{name} q", q * sign)
    show(f"{name} r", sign[:, None] * r)
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    v = vh.T
    sign = np.sign(signs(v if v.shape[0] <= u.shape[0] else u))
    show(f"{name} u", u * sign)
    show(f"{name} s", s)
    show(f"{name} v", v * sign)
    if a.shape[0] == a.shape[1]:
        values, vectors = scipy.linalg.eigh((a + a.T) / 2)
        show(f"{name} values", values)
        show(f"{name} vectors", vectors * np.sign(signs(vectors)))

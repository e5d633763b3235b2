"""Exponentials, adjoints and Jacobians of Lie groups with their derivatives in 60 digits, for tests/it/lie.rs.

    pip install mpmath numpy && python tests/recorded/lie.py > tests/recorded/lie.txt

Written with mpmath 1.4.1 and NumPy 2.4.6. All are power series of a matrix that is linear in the tangent: the exponential is
sum(M^k / k!) of the matrix of the tangent, the adjoint the same of ad, the left Jacobian sum(ad^k / (k + 1)!), and its inverse
sum(B_k / k! ad^k) with the numbers of Bernoulli. Derivatives are those of the powers, term by term. A line is

    group | what | tangent | matrix row by row | gradient | Hessian row by row

with the nearest floats, where gradient and Hessian are of the sum of the elements of the matrix, each times its weight.
"""

import numpy as np
from mpmath import bernoulli, factorial, mp, mpf, pi

mp.dps = 60
WEIGHTS = [0.5, -0.25, 0.125, 1.0, -0.5]


def zeros(n):
    return np.array([[mpf(0)] * n for _ in range(n)], dtype=object)


def filled(n, entries):
    matrix = zeros(n)
    for row, column, value in entries:
        matrix[row, column] = mpf(value)
    return matrix


def cross(axis, row, column):
    following, last = (axis + 1) % 3, (axis + 2) % 3
    return [(row + last, column + following, 1), (row + following, column + last, -1)]


# For each group, the matrices of the unit tangents, and those of ad.
MATRIX = {
    "so2": [filled(2, [(0, 1, -1), (1, 0, 1)])],
    "so3": [filled(3, cross(a, 0, 0)) for a in range(3)],
    "se2": [filled(3, [(0, 2, 1)]), filled(3, [(1, 2, 1)]), filled(3, [(0, 1, -1), (1, 0, 1)])],
    "se3": [filled(4, [(a, 3, 1)]) for a in range(3)] + [filled(4, cross(a, 0, 0)) for a in range(3)],
}
AD = {
    "so2": [zeros(1)],
    "so3": MATRIX["so3"],
    "se2": [filled(3, [(1, 2, -1)]), filled(3, [(0, 2, 1)]), filled(3, [(0, 1, -1), (1, 0, 1)])],
    "se3": [filled(6, cross(a, 0, 3)) for a in range(3)] + [filled(6, cross(a, 0, 0) + cross(a, 3, 3)) for a in range(3)],
}
SERIES = {
    "exp": (MATRIX, lambda k: 1 / factorial(k)),
    "adjoint": (AD, lambda k: 1 / factorial(k)),
    "jacobian": (AD, lambda k: 1 / factorial(k + 1)),
    "inverse": (AD, lambda k: (bernoulli(k) if k != 1 else mpf(-1) / 2) / factorial(k)),
}
COEFFICIENTS = {what: [coefficient(k) for k in range(161)] for what, (_, coefficient) in SERIES.items()}

# Angles, as multiples of the unit vector (0.48, -0.6, 0.64).
ANGLES = [0.0, 1e-300, 1e-160, 1e-20, 1e-8, 1e-4, 1e-2, 0.3, 1.0, 2.5, float(pi - mpf("1e-8")), float(pi)]


def tangents(group):
    for angle in ANGLES:
        turn = [angle] if group in ("so2", "se2") else [0.48 * angle, -0.6 * angle, 0.64 * angle]
        yield {"so2": [], "so3": [], "se2": [1.5, -0.75], "se3": [1.5, -0.75, 0.25]}[group] + turn


def weighted(matrix):
    n = matrix.shape[0]
    return sum(WEIGHTS[(2 * i + j) % 5] * matrix[i, j] for i in range(n) for j in range(n))


def derivatives(generators, coefficients, tangent):
    """The sum of the series, and the matrices of its first and second derivatives."""
    n, axes = generators[0].shape[0], range(len(generators))
    pairs = [(a, b) for a in axes for b in axes if a <= b]
    m = sum(g * mpf(x) for g, x in zip(generators, tangent))
    power, first, second = filled(n, [(i, i, 1) for i in range(n)]), [zeros(n) for _ in axes], {p: zeros(n) for p in pairs}
    total, total_first = power * coefficients[0], [zeros(n) for _ in axes]
    total_second = {p: zeros(n) for p in pairs}
    for c in coefficients[1:]:
        second = {(a, b): second[a, b].dot(m) + first[a].dot(generators[b]) + first[b].dot(generators[a]) for a, b in pairs}
        first = [first[a].dot(m) + power.dot(generators[a]) for a in axes]
        power = power.dot(m)
        total = total + c * power
        total_first = [t + c * d for t, d in zip(total_first, first)]
        total_second = {p: total_second[p] + c * second[p] for p in pairs}
        parts = [power] + first + list(second.values())
        if c and all(abs(c * x) < mpf(10) ** -340 or abs(c * x) < mpf(10) ** -40 * abs(t)
                     for part, sum_ in zip(parts, [total] + total_first + list(total_second.values()))
                     for x, t in zip(part.ravel(), sum_.ravel())):
            break
    return total, total_first, {**total_second, **{(b, a): t for (a, b), t in total_second.items()}}


for group in MATRIX:
    for what, (generators, _) in SERIES.items():
        for tangent in tangents(group):
            matrix, first, second = derivatives(generators[group], COEFFICIENTS[what], tangent)
            axes = range(len(tangent))
            numbers = [
                tangent,
                matrix.ravel(),
                [weighted(d) for d in first],
                [weighted(second[a, b]) for a in axes for b in axes],
            ]
            print(group, what, *(" ".join(repr(float(x)) for x in part) for part in numbers), sep=" | ")

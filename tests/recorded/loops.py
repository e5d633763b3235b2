"""Values of loops and their derivatives by JAX in f64, for tests/it/recorded_loops.rs.

    pip install "jax[cpu]" && python tests/recorded/loops.py > tests/recorded/loops.txt

Written with JAX 0.10.2. A line is: name | sizes | elements in row-major order. Every input is `numbers` of a shape and a
seed, which the test computes too.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

jax.config.update("jax_enable_x64", True)


def numbers(shape, seed):
    """Multiples of 1/1024 from -1/2 to 1/2, by a linear congruence: exact in any arithmetic."""
    n, state, out = int(np.prod(shape, dtype=int)), seed, []
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        out.append((state >> 16) % 1024 / 1024 - 0.5)
    return jnp.array(out).reshape(shape)


def emit(name, value):
    value = np.asarray(value)
    sizes = " ".join(str(size) for size in value.shape)
    print(f"{name} | {sizes} | " + " ".join(repr(float(x)) for x in value.ravel()))


def derivatives(name, loss, arguments):
    """The value, the gradient by each argument, and the product of the Hessian with directions of `numbers`."""
    everything = tuple(range(len(arguments)))
    emit(f"{name} value", loss(*arguments))
    gradient = jax.grad(loss, everything)
    directions = tuple(numbers(argument.shape, 10 + k) for k, argument in enumerate(arguments))
    for k, part in enumerate(gradient(*arguments)):
        emit(f"{name} gradient {k}", part)
    for k, part in enumerate(jax.jvp(gradient, arguments, directions)[1]):
        emit(f"{name} second {k}", part)


def lstm():
    xs, w, u, b = numbers((7, 2, 3), 1), numbers((3, 16), 2), numbers((4, 16), 3), numbers((16,), 4)

    def loss(xs, w, u, b):
        def cell(carry, x):
            h, c = carry
            i, f, g, o = jnp.split(x @ w + h @ u + b, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zero = jnp.zeros((2, 4))
        (h, c), hs = lax.scan(cell, (zero, zero), xs)
        return jnp.sum(hs**2) + jnp.sum(h * c)

    derivatives("lstm", loss, (xs, w, u, b))


def lorenz():
    start, parameters = jnp.array([1.0, 1.0, 1.0]), jnp.array([10.0, 28.0, 8.0 / 3.0])

    def slope(s, p):
        x, y, z = s
        return jnp.stack([p[0] * (y - x), x * (p[1] - z) - y, x * y - p[2] * z])

    def loss(start, parameters):
        def rk4(_, s):
            h = 0.01
            k1 = slope(s, parameters)
            k2 = slope(s + 0.5 * h * k1, parameters)
            k3 = slope(s + 0.5 * h * k2, parameters)
            k4 = slope(s + h * k3, parameters)
            return s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

        # `scan`, since `fori_loop` has no reverse mode unless its length is static.
        end = lax.scan(lambda s, _: (rk4(0, s), None), start, None, length=50)[0]
        return 0.01 * jnp.sum(end**2)

    derivatives("lorenz", loss, (start, parameters))
    emit("lorenz hessian", jax.hessian(loss, 1)(start, parameters))


def kalman():
    a, q, r = numbers((2, 2), 5) + jnp.eye(2) * 0.5, jnp.array([0.3, 0.2]), jnp.array(0.5)
    observed, ys = jnp.array([1.0, 0.5]), numbers((20,), 6)

    def loss(a, q, r):
        def step(carry, y):
            m, p, total = carry
            m, p = a @ m, a @ p @ a.T + jnp.diag(q)
            s = observed @ p @ observed + r
            e = y - observed @ m
            k = p @ observed / s
            total = total - 0.5 * (jnp.log(2 * jnp.pi * s) + e * e / s)
            return (m + k * e, p - jnp.outer(k, observed @ p), total), None

        return lax.scan(step, (jnp.zeros(2), jnp.eye(2), 0.0), ys)[0][2]

    derivatives("kalman", loss, (a, q, r))
    emit("kalman hessian", jax.hessian(loss, 1)(a, q, r))


def sinkhorn():
    cost = 2 * (numbers((4, 3), 7) + 0.5)
    a, b = jnp.array([0.1, 0.2, 0.3, 0.4]), jnp.array([0.5, 0.3, 0.2])

    def plan(cost, f, g):
        return jnp.exp((f[:, None] + g[None, :] - cost) / 0.2)

    def update(cost, log_a, g):
        f = 0.2 * (log_a - jax.nn.logsumexp((g[None, :] - cost) / 0.2, 1))
        return f, 0.2 * (jnp.log(b) - jax.nn.logsumexp((f[:, None] - cost) / 0.2, 0))

    def loss(cost, log_a):
        def step(carry, _):
            return update(cost, log_a, carry[1]), None

        f, g = lax.scan(step, (jnp.zeros(4), jnp.zeros(3)), None, length=30)[0]
        return jnp.sum(plan(cost, f, g) * cost)

    derivatives("sinkhorn", loss, (cost, jnp.log(a)))

    # As long as the first marginal is off: forward mode alone goes through a `while`.
    def until(cost):
        def is_off(carry):
            f, g, _ = carry
            return jnp.max(jnp.abs(plan(cost, f, g).sum(1) - a)) > 1e-4

        def step(carry):
            f, g = update(cost, jnp.log(a), carry[1])
            return f, g, carry[2] + 1

        f, g, n = lax.while_loop(is_off, step, (jnp.zeros(4), jnp.zeros(3), 0))
        return jnp.sum(plan(cost, f, g) * cost), n

    (value, n), (tangent, _) = jax.jvp(until, (cost,), (numbers((4, 3), 8),))
    emit("sinkhorn while value", value)
    emit("sinkhorn while iterations", n)
    emit("sinkhorn while tangent", tangent)


lstm()
lorenz()
kalman()
sinkhorn()

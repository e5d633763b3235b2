"""Batch norm by PyTorch and Flax in f64, for tests/it/states.rs: two steps of training, then evaluation.

    pip install torch flax && python tests/recorded/batch_norm.py > tests/recorded/batch_norm.txt

Written with PyTorch 2.15.0, Flax 0.12.8 and JAX 0.10.2; the script fails where these differ. A line is: name | sizes | elements in row-major order. The
loss of a step is the sum of its result times the cotangent; gradients are of that.
"""

import jax
import numpy as np
import torch
import torch.nn.functional as F

jax.config.update("jax_enable_x64", True)
from flax import linen  # noqa: E402

EPSILON, MOMENTUM = 1e-3, 0.25


def numbers(shape, seed):
    """Multiples of 1/1024 from -1/2 to 1/2, by a linear congruence."""
    n, state, out = int(np.prod(shape)), seed, []
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        out.append((state >> 16) % 1024 / 1024 - 0.5)
    return np.array(out).reshape(shape)


def emit(name, value):
    value = np.asarray(value)
    sizes = " ".join(str(size) for size in value.shape)
    print(f"{name} | {sizes} | " + " ".join(repr(float(x)) for x in value.ravel()))


SHAPE, C = (3, 2, 4, 3), 2
gain, bias = 1.0 + numbers((C,), 7), numbers((C,), 8)
emit("gain", gain)
emit("bias", bias)
mean, variance = torch.zeros(C, dtype=torch.float64), torch.ones(C, dtype=torch.float64)
flax_norm = linen.BatchNorm(momentum=1.0 - MOMENTUM, epsilon=EPSILON, axis=1, use_running_average=None)
flax_state = {
    "params": {"scale": gain, "bias": bias},
    "batch_stats": {"mean": np.zeros(C), "var": np.ones(C)},
}
for step in (1, 2):
    x, cotangent = 3.0 * numbers(SHAPE, step) + step, numbers(SHAPE, 10 + step)
    emit(f"x {step}", x)
    emit(f"cotangent {step}", cotangent)
    leaves = [torch.tensor(value, requires_grad=True) for value in (x, gain, bias)]
    y = F.batch_norm(leaves[0], mean, variance, *leaves[1:], training=True, momentum=MOMENTUM, eps=EPSILON)
    emit(f"y {step}", y.detach())
    gradients = torch.autograd.grad((y * torch.tensor(cotangent)).sum(), leaves)
    for name, gradient in zip(("x", "gain", "bias"), gradients):
        emit(f"gradient {name} {step}", gradient)
    emit(f"mean {step}", mean)
    emit(f"variance {step}", variance)
    flax_y, updated = flax_norm.apply(flax_state, x, use_running_average=False, mutable=["batch_stats"])
    flax_state = {**flax_state, **updated}
    np.testing.assert_allclose(flax_y, y.detach(), rtol=1e-10, atol=1e-12)
    # Flax divides the variance by n, PyTorch and the paper by n - 1: only the means are alike.
    np.testing.assert_allclose(flax_state["batch_stats"]["mean"], mean, rtol=1e-10)
x = numbers(SHAPE, 3)
emit("x 3", x)
emit("y 3", F.batch_norm(torch.tensor(x), mean, variance, torch.tensor(gain), torch.tensor(bias), eps=EPSILON))

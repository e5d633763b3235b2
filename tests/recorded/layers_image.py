"""Values and gradients of layers of images by PyTorch in f64, for tests/it/nn/layers_image.rs.

    pip install torch flax && python tests/recorded/layers_image.py > tests/recorded/layers_image.txt

Written with PyTorch 2.15.0. Where JAX or Flax has the layer too, results and gradients must be equal to theirs, or nothing is written. A line is: row | kind | name | dtype | sizes | elements in row-major order. The kinds are the
inputs and parameters of the layer, its results, the cotangents that these are multiplied by before they are added up, and the
gradients of that sum by each input and parameter. Names are those of the library under test: `gain` is what PyTorch calls the
weight of a norm.
"""

import os

# One of its passes ends the process at the gradient of a transposed convolution over three axes.
os.environ["XLA_FLAGS"] = "--xla_disable_hlo_passes=algsimp"
import jax  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp  # noqa: E402
from flax import linen  # noqa: E402
from jax import lax  # noqa: E402

torch.set_default_dtype(torch.float64)


def numbers(shape, seed):
    """Multiples of 1/1024 from -1/2 to 1/2, by a linear congruence: exact in any arithmetic, and few are equal."""
    n, state, out = int(np.prod(shape, dtype=int)), seed, []
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        out.append((state >> 16) % 1024 / 1024 - 0.5)
    return torch.tensor(out).reshape(shape)


def emit(row, kind, name, value):
    value = value.detach().numpy()
    sizes = " ".join(str(size) for size in value.shape)
    print(f"{row} | {kind} | {name} | f64 | {sizes} | " + " ".join(repr(float(x)) for x in value.ravel()))


def check_twin(twin, named, results, cotangents, gradients):
    """That the same function in JAX has these results and gradients."""
    found, pull_back = jax.vjp(twin, *[value.detach().numpy() for value in named])
    np.testing.assert_allclose(found, results[0].detach(), rtol=1e-9, atol=1e-12)
    for gradient, expected in zip(pull_back(jnp.asarray(cotangents[0].numpy())), gradients):
        np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-11)


def record(row, layer, inputs, parameters, twin=None):
    """`layer` is called with the inputs in order, then the parameters in order; both are {name: shape}. `twin` is the same in JAX."""
    named = {}
    for k, (name, shape) in enumerate(inputs.items()):
        named[name] = numbers(shape, 1 + k)
        emit(row, "input", name, named[name])
    for k, (name, shape) in enumerate(parameters.items()):
        named[name] = numbers(shape, 101 + k)
        emit(row, "parameter", name, named[name])
    for value in named.values():
        value.requires_grad_()
    results = layer(*named.values())
    results = results if isinstance(results, tuple) else (results,)
    total, cotangents = 0, []
    for k, result in enumerate(results):
        cotangents.append(numbers(result.shape, 51 + k))
        emit(row, "result", k, result)
        emit(row, "cotangent", k, cotangents[k])
        total = total + (result * cotangents[k]).sum()
    gradients = torch.autograd.grad(total, list(named.values()))
    if twin is not None:
        check_twin(twin, named.values(), results, cotangents, gradients)
    for name, gradient in zip(named, gradients):
        emit(row, "gradient", name, gradient)


CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def each(option, n):
    return (option,) * n if isinstance(option, int) else tuple(option)


def channels(bias, n):
    """A number for each channel, before `n` further axes."""
    return 0.0 if bias is None else bias.reshape(-1, *[1] * n)


def conv_twin(size, pad=None, padding=0, stride=1, dilation=1, groups=1):
    n = len(size)
    stride, dilation = each(stride, n), each(dilation, n)
    reach = [d * (k - 1) for k, d in zip(size, dilation)]
    if pad is not None:
        around = list(zip(pad[::2], pad[1::2]))[::-1]
    elif padding == "same":
        around = [(total // 2, total - total // 2) for total in reach]
    else:
        around = [(before, before) for before in each(padding, n)]

    def twin(x, weight, bias=None):
        y = lax.conv_general_dilated(x, weight, stride, around, None, dilation, feature_group_count=groups)
        return y + channels(bias, n)

    return twin


def transposed_twin(size, cut=None, padding=0, stride=1, dilation=1, output_padding=0, groups=1):
    n = len(size)
    stride, dilation, padding, more = (each(option, n) for option in (stride, dilation, padding, output_padding))
    reach = [d * (k - 1) for k, d in zip(size, dilation)]
    around = [(total - before, total - before + after) for total, before, after in zip(reach, padding, more)]

    def twin(x, weight, bias=None):
        grouped = weight.reshape(groups, -1, *weight.shape[1:]).swapaxes(1, 2)
        kernel = jnp.flip(grouped.reshape(-1, *grouped.shape[2:]), range(2, n + 2))
        y = lax.conv_general_dilated(x, kernel, (1,) * n, around, stride, dilation, feature_group_count=groups)
        for axis, (before, after) in enumerate(cut or [], 2):
            y = lax.slice_in_dim(y, before, y.shape[axis] - after, axis=axis)
        return y + channels(bias, n)

    return twin


def norm_twin(make, gain, bias, is_last=False):
    """A norm of Flax, which has the channels last."""

    def twin(x, *rest):
        names = [name for name, is_there in (("scale", gain), ("bias", bias)) if is_there]
        module, x = make(gain, bias), x if is_last else jnp.moveaxis(x, 1, -1)
        y = module.apply({"params": dict(zip(names, rest))}, x)
        return y if is_last else jnp.moveaxis(y, -1, 1)

    return twin


def pool_twin(pool):
    return lambda x: jnp.moveaxis(pool(jnp.moveaxis(x, 1, -1)), -1, 1)


def resize_twin(method, size):
    return lambda x: jax.image.resize(x, (*x.shape[:2], *size), method, antialias=False)


def conv(row, x, outputs, size, pad=None, bias=True, **options):
    """`pad` is as of `F.pad`: the last axis first, before and after."""
    n = len(x) - 2
    parameters = {"l.weight": (outputs, x[1] // options.get("groups", 1), *size)}
    if bias:
        parameters["l.bias"] = (outputs,)

    def layer(x, weight, bias=None):
        return CONV[n](x if pad is None else F.pad(x, pad), weight, bias, **options)

    record(row, layer, {"x": x}, parameters, conv_twin(size, pad, **options))


def transposed(row, x, outputs, size, bias=True, cut=None, **options):
    """`cut` is what is cut off before and after along each axis, where that differs."""
    n = len(x) - 2
    parameters = {"l.weight": (x[1], outputs // options.get("groups", 1), *size)}
    if bias:
        parameters["l.bias"] = (outputs,)

    def layer(x, weight, bias=None):
        y = TRANSPOSED[n](x, weight, bias, **options)
        for axis, (before, after) in enumerate(cut or [], 2):
            y = y.narrow(axis, before, y.shape[axis] - before - after)
        return y

    record(row, layer, {"x": x}, parameters, transposed_twin(size, cut, **options))


def norm(row, x, layer, features, gain=True, bias=True, twin=None):
    parameters = {}
    if gain:
        parameters["l.gain"] = (features,)
    if bias:
        parameters["l.bias"] = (features,)

    def of(x, *rest):
        rest = list(rest)
        return layer(x, rest.pop(0) if gain else None, rest.pop(0) if bias else None)

    is_last = row.startswith(("layer_norm", "rms_norm"))
    record(row, of, {"x": x}, parameters, twin and norm_twin(twin, gain, bias, is_last))


def plain(row, x, layer, twin=None):
    record(row, layer, {"x": x}, {}, twin)


def layer_norm(epsilon=1e-5):
    return lambda gain, bias: linen.LayerNorm(epsilon, use_scale=gain, use_bias=bias, param_dtype=jnp.float64)


def group_norm(groups, epsilon=1e-5):
    return lambda gain, bias: linen.GroupNorm(groups, epsilon=epsilon, use_scale=gain, use_bias=bias, param_dtype=jnp.float64)


def rms_norm(epsilon):
    return lambda gain, bias: linen.RMSNorm(epsilon, use_scale=gain, param_dtype=jnp.float64)


affine = lambda x, w, b: x @ w + b
record("linear", affine, {"x": (3, 2, 5)}, {"l.weight": (5, 4), "l.bias": (4,)}, affine)
record("linear without bias", lambda x, w: x @ w, {"x": (3, 5)}, {"l.weight": (5, 4)})

conv("conv1d", (2, 3, 9), 4, (3,))
conv("conv1d stride that does not divide, padding, dilation", (2, 2, 11), 3, (3,), stride=3, padding=2, dilation=2)
conv("conv1d of size 1 on an axis of size 1", (1, 3, 1), 2, (1,))
conv("conv1d same", (2, 2, 8), 2, (4,), padding="same")
conv("conv2d", (2, 3, 7, 6), 4, (3, 3))
conv("conv2d without bias", (1, 2, 5, 5), 3, (2, 3), bias=False)
conv("conv2d stride", (2, 2, 8, 9), 3, (3, 2), stride=(3, 2))
conv("conv2d padding", (1, 2, 4, 5), 2, (3, 4), padding=(1, 2))
conv("conv2d padding before and after", (1, 2, 5, 4), 2, (3, 3), pad=(2, 0, 0, 1))
conv("conv2d same", (1, 2, 5, 6), 3, (3, 2), padding="same", dilation=(2, 1))
# ceil(7 / 2) = 4 and ceil(6 / 3) = 2 places, so 2 and 0 of padding, one more after than before where it is odd.
conv("conv2d same with stride", (1, 2, 7, 6), 2, (4, 2), pad=(0, 0, 1, 2), stride=(2, 3))
conv("conv2d dilation", (1, 2, 9, 7), 2, (3, 3), dilation=(2, 3))
conv("conv2d groups", (2, 6, 5, 5), 4, (3, 3), groups=2, padding=1)
conv("conv2d input of size 1", (3, 2, 1, 1), 2, (3, 3), padding=1)
conv("conv2d depthwise", (2, 3, 6, 5), 3, (3, 3), groups=3, padding=1, stride=2)
conv("conv2d depthwise with several kernels", (2, 3, 5, 5), 6, (3, 3), groups=3)
conv("conv3d", (1, 2, 4, 5, 3), 3, (2, 3, 2))
conv("conv3d stride, padding, groups", (2, 4, 5, 3, 4), 4, (3, 3, 3), stride=(2, 1, 3), padding=1, groups=2)

transposed("conv_transpose1d", (2, 3, 4), 2, (3,))
transposed("conv_transpose1d everything", (1, 4, 5), 6, (4,), stride=3, padding=2, output_padding=1, dilation=2, groups=2)
transposed("conv_transpose2d", (2, 3, 4, 3), 2, (3, 2))
transposed("conv_transpose2d without bias", (1, 2, 3, 3), 2, (2, 2), bias=False)
transposed("conv_transpose2d stride", (1, 2, 3, 4), 3, (3, 3), stride=2)
transposed("conv_transpose2d padding", (1, 2, 5, 4), 2, (3, 3), padding=(1, 2))
transposed("conv_transpose2d output padding", (2, 2, 3, 4), 2, (3, 3), stride=(2, 3), padding=1, output_padding=(1, 2))
transposed("conv_transpose2d dilation", (1, 2, 3, 3), 2, (3, 2), dilation=(2, 3), output_padding=(1, 0))
transposed("conv_transpose2d groups", (1, 4, 3, 3), 6, (3, 3), groups=2, stride=2, padding=1)
transposed("conv_transpose2d input of size 1", (2, 3, 1, 1), 2, (4, 3))
# (in - 1) * stride + kernel - in * stride = kernel - stride is cut off, one more after than before where it is odd.
transposed("conv_transpose2d same", (1, 2, 3, 4), 2, (4, 5), stride=(2, 2), cut=[(1, 1), (1, 2)])
transposed("conv_transpose2d same with a small kernel", (1, 2, 3, 3), 2, (2, 2), stride=(3, 3), output_padding=1)
transposed("conv_transpose2d padding before and after", (1, 1, 3, 3), 2, (3, 3), stride=2, cut=[(1, 0), (0, 2)])
transposed("conv_transpose3d", (1, 2, 2, 3, 2), 2, (2, 2, 3), stride=(1, 2, 2), padding=(0, 1, 1))

record(
    "separable_conv2d",
    lambda x, d, p, b: F.conv2d(F.conv2d(x, d, None, 2, 1, groups=3), p, b),
    {"x": (2, 3, 7, 5)},
    {"l.depthwise.weight": (3, 1, 3, 3), "l.pointwise.weight": (4, 3, 1, 1), "l.pointwise.bias": (4,)},
)
record(
    "separable_conv1d without bias",
    lambda x, d, p: F.conv1d(F.conv1d(x, d, None, groups=2), p),
    {"x": (2, 2, 6)},
    {"l.depthwise.weight": (2, 1, 3), "l.pointwise.weight": (3, 2, 1)},
)

norm("layer_norm", (3, 2, 5), lambda x, g, b: F.layer_norm(x, (5,), g, b), 5, twin=layer_norm())
norm("layer_norm without bias", (3, 4), lambda x, g, b: F.layer_norm(x, (4,), g, b, 0.01), 4, bias=False, twin=layer_norm(0.01))
norm("layer_norm without gain and bias", (3, 4), lambda x, g, b: F.layer_norm(x, (4,)), 4, gain=False, bias=False, twin=layer_norm())
norm("layer_norm of one feature", (3, 1), lambda x, g, b: F.layer_norm(x, (1,), g, b), 1, twin=layer_norm())
norm("group_norm", (2, 6, 3, 4), lambda x, g, b: F.group_norm(x, 2, g, b), 6, twin=group_norm(2))
norm("group_norm of one group", (2, 3, 5), lambda x, g, b: F.group_norm(x, 1, g, b, 0.1), 3, twin=group_norm(1, 0.1))
norm("group_norm without axes behind the channels", (3, 6), lambda x, g, b: F.group_norm(x, 3, g, b), 6, twin=group_norm(3))
norm("group_norm without gain and bias", (2, 4, 3), lambda x, g, b: F.group_norm(x, 2), 4, gain=False, bias=False, twin=group_norm(2))
norm("instance_norm", (2, 3, 4, 3), lambda x, g, b: F.instance_norm(x, None, None, g, b), 3, twin=group_norm(3))
norm("instance_norm without gain and bias", (2, 3, 5), lambda x, g, b: F.instance_norm(x), 3, gain=False, bias=False, twin=group_norm(3))
norm("rms_norm", (3, 2, 5), lambda x, g, b: F.rms_norm(x, (5,), g, 1e-5), 5, bias=False, twin=rms_norm(1e-5))
norm("rms_norm without gain", (3, 4), lambda x, g, b: F.rms_norm(x, (4,), None, 1e-6), 4, gain=False, bias=False, twin=rms_norm(1e-6))

plain("max_pool", (2, 2, 7, 6), lambda x: F.max_pool2d(x, 3, 2, 1), twin=pool_twin(lambda x: linen.max_pool(x, (3, 3), (2, 2), [(1, 1), (1, 1)])))
plain("max_pool with dilation", (1, 2, 9), lambda x: F.max_pool1d(x, 3, 2, 1, 2))
plain("avg_pool", (2, 2, 7, 6), lambda x: F.avg_pool2d(x, (3, 2), 2, 1, count_include_pad=False), twin=pool_twin(lambda x: linen.avg_pool(x, (3, 2), (2, 2), [(1, 1), (1, 1)], count_include_pad=False)))
plain("avg_pool of volumes", (1, 2, 4, 4, 5), lambda x: F.avg_pool3d(x, 2), twin=pool_twin(lambda x: linen.avg_pool(x, (2, 2, 2), (2, 2, 2))))
plain("adaptive_avg_pool of equal windows", (2, 2, 6, 9), lambda x: F.adaptive_avg_pool2d(x, 3))
plain("adaptive_avg_pool", (2, 2, 7, 10), lambda x: F.adaptive_avg_pool2d(x, (3, 4)))
plain("adaptive_avg_pool along one axis alone", (1, 2, 6, 5), lambda x: F.adaptive_avg_pool2d(x, (3, 2)))
plain("adaptive_avg_pool to more", (1, 2, 3), lambda x: F.adaptive_avg_pool1d(x, 5))
plain("adaptive_avg_pool of volumes to one", (1, 2, 3, 4, 2), lambda x: F.adaptive_avg_pool3d(x, 1))
plain("adaptive_max_pool of equal windows", (2, 2, 6, 8), lambda x: F.adaptive_max_pool2d(x, (3, 2)))
plain("adaptive_max_pool", (2, 2, 7, 10), lambda x: F.adaptive_max_pool2d(x, (5, 3)))
plain("adaptive_max_pool to more", (1, 2, 4), lambda x: F.adaptive_max_pool1d(x, 6))
plain("global_avg_pool", (2, 3, 4, 5), lambda x: x.mean((2, 3)), twin=lambda x: x.mean((2, 3)))
plain("global_max_pool", (2, 3, 5), lambda x: x.amax(2), twin=lambda x: x.max(2))

nearest = lambda **options: lambda x: F.interpolate(x, mode="nearest", **options)
linear = lambda mode, **options: lambda x: F.interpolate(x, mode=mode, **options)
plain("upsample_nearest", (2, 2, 3, 4), nearest(scale_factor=(2, 3)), twin=resize_twin("nearest", (6, 12)))
plain("upsample_nearest by a fraction", (1, 2, 5, 4), nearest(scale_factor=1.75))
plain("upsample_nearest to a size", (1, 2, 5, 4), nearest(size=(7, 8)))
plain("upsample_nearest to less", (1, 2, 7), nearest(size=3))
plain("upsample_nearest of volumes", (1, 1, 2, 1, 3), nearest(scale_factor=2), twin=resize_twin("nearest", (4, 2, 6)))
plain("upsample_linear", (2, 2, 3, 4), linear("bilinear", scale_factor=(2, 3), align_corners=False), twin=resize_twin("linear", (6, 12)))
plain("upsample_linear corners", (2, 2, 3, 4), linear("bilinear", scale_factor=2, align_corners=True))
plain("upsample_linear by a fraction", (1, 2, 5, 4), linear("bilinear", scale_factor=1.7, align_corners=False))
plain("upsample_linear corners by a fraction", (1, 2, 5, 4), linear("bilinear", scale_factor=1.7, align_corners=True))
plain("upsample_linear to a size", (1, 2, 5, 4), linear("bilinear", size=(8, 3), align_corners=False), twin=resize_twin("linear", (8, 3)))
plain("upsample_linear corners to one place", (1, 2, 5, 4), linear("bilinear", size=(1, 6), align_corners=True))
plain("upsample_linear of series", (2, 1, 5), linear("linear", scale_factor=4, align_corners=False), twin=resize_twin("linear", (20,)))
plain("upsample_linear of volumes", (1, 1, 2, 3, 1), linear("trilinear", size=(4, 5, 2), align_corners=True))

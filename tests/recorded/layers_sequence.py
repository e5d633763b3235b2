"""Values and gradients of layers of sequences by PyTorch in f64, for tests/it/nn_layers/sequence.rs.

    pip install torch "jax[cpu]" flax && python tests/recorded/layers_sequence.py > tests/recorded/layers_sequence.txt

Written with PyTorch 2.15.0, JAX 0.10.2 and Flax 0.12.8. A line is: case | name | sizes | elements in row-major order. Every float input and
parameter is `numbers` of a shape and a seed, which the test computes too: inputs from seed 1 on, parameters from seed 101 on, both in the
order of declaration. The loss is the sum of all results times `numbers` of their shapes, from seed 51 on; recorded are the results and the
gradients of the loss. Where a case has a second function, by JAX or Flax, the script fails unless that gives the same to 1e-12, or to 1e-5 where it computes in f32.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen
from torch import nn
from torch.func import functional_call

jax.config.update("jax_enable_x64", True)
torch.set_default_dtype(torch.float64)


def numbers(shape, seed):
    """Multiples of 1/1024 from -1/2 to 1/2, by a linear congruence: exact in any arithmetic."""
    n, state, out = int(np.prod(shape, dtype=int)), seed, []
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        out.append((state >> 16) % 1024 / 1024 - 0.5)
    return np.array(out).reshape(shape)


def emit(case, name, value):
    value = np.asarray(value)
    sizes = " ".join(str(size) for size in value.shape)
    print(f"{case} | {name} | {sizes} | " + " ".join(repr(float(x)) for x in value.ravel()))


def case(name, inputs, parameters, by_torch, by_jax=None, tolerance=1e-12):
    """`inputs` and `parameters` are shapes by name; the functions take two dictionaries of arrays and give a dictionary of results."""
    arrays = {key: numbers(shape, 1 + k) for k, (key, shape) in enumerate(inputs.items())}
    arrays |= {key: numbers(shape, 101 + k) for k, (key, shape) in enumerate(parameters.items())}
    leaves = {key: torch.tensor(value).requires_grad_() for key, value in arrays.items()}
    results = by_torch(leaves)
    cotangents = {key: numbers(tuple(value.shape), 51 + k) for k, (key, value) in enumerate(results.items())}
    loss = sum((value * torch.tensor(cotangents[key])).sum() for key, value in results.items())
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    recorded = {key: value.detach().numpy() for key, value in results.items()}
    for (key, leaf), gradient in zip(leaves.items(), gradients):
        zeros = np.zeros(tuple(leaf.shape))
        recorded[f"gradient by {key}"] = zeros if gradient is None else gradient.numpy()
    if by_jax is not None:
        compare(name, recorded, arrays, cotangents, by_jax, tolerance)
    for key, value in recorded.items():
        emit(name, key, value)


def compare(name, recorded, arrays, cotangents, by_jax, tolerance):
    def loss(arrays):
        results = by_jax(arrays)
        return sum(jnp.sum(value * cotangents[key]) for key, value in results.items()), results

    arrays = {key: jnp.asarray(value) for key, value in arrays.items()}
    gradients, results = jax.grad(loss, has_aux=True)(arrays)
    found = dict(results) | {f"gradient by {key}": value for key, value in gradients.items()}
    assert found.keys() == recorded.keys(), (name, found.keys(), recorded.keys())
    for key, value in recorded.items():
        off = np.abs(np.asarray(found[key]) - value).max(initial=0.0) / max(np.abs(value).max(initial=0.0), 1e-3)
        assert off < tolerance, f"{name}, {key}: off by {off}"


# Ids, positions and masks that the test has too.
IDS = np.array([[3, 0, 1], [2, 2, 4]])
IN_F32 = 1e-5  # `jax.nn.dot_product_attention` takes the softmax in f32, whatever it is given.
KEYS = np.array([[True, True, True, False], [True, False, False, False]])


def embeddings():
    ids, weight = torch.tensor(IDS), {"table.weight": (5, 4)}

    def tied(a):
        rows = nn.functional.embedding(ids, a["table.weight"])
        return {"rows": rows, "logits": nn.functional.linear(torch.tanh(rows), a["table.weight"])}

    def tied_by_flax(a):
        table, variables = linen.Embed(5, 4), {"params": {"embedding": a["table.weight"]}}
        rows = table.apply(variables, IDS)
        return {"rows": rows, "logits": table.apply(variables, jnp.tanh(rows), method="attend")}

    def padded(a):
        # The row of the padding id counts as zeros; PyTorch puts them there when the table is made.
        table = a["table.weight"] * torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0])[:, None]
        return {"rows": nn.functional.embedding(ids, table, padding_idx=2)}

    case("embedding", {}, weight, tied, tied_by_flax)
    case("embedding with a padding id", {}, weight, padded)


def sinusoids(positions, width):
    angles = np.asarray(positions, float)[..., None] * 10000.0 ** (-np.arange(0, width, 2) / width)
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(*np.shape(positions), width)


def positions():
    def learned(a):
        return {"y": a["x"] + a["positions.weight"][:3], "at": nn.functional.embedding(torch.tensor([4, 1]), a["positions.weight"])}

    case("learned positions", {"x": (2, 3, 4)}, {"positions.weight": (5, 4)}, learned)
    case("sinusoidal positions", {"x": (2, 3, 6)}, {}, lambda a: {"y": a["x"] + torch.tensor(sinusoids(range(3), 6)), "at": torch.tensor(sinusoids([7, 1000], 6))})

    for layout in ("halves", "pairs"):
        case(f"rotary in {layout}", {"x": (2, 3, 4, 6)}, {}, lambda a: {"y": rotary_by_complex(a["x"], layout, np.arange(4), 6, 10000.0)})
    case("rotary of some features", {"x": (2, 3, 4, 6)}, {}, lambda a: {"y": rotary_by_complex(a["x"], "halves", np.array([[5], [9]])[:, None], 4, 500.0)})
    # The layout in halves as `transformers` computes it for LLaMA.
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    x = torch.tensor(numbers((2, 3, 4, 6), 1))
    rotation = LlamaRotaryEmbedding(LlamaConfig(hidden_size=18, num_attention_heads=3))
    cos, sin = rotation(x, torch.arange(4)[None])
    by_llama = apply_rotary_pos_emb(x, x, cos, sin)[0]
    off = (by_llama - rotary_by_complex(x, "halves", np.arange(4), 6, 10000.0)).abs().max().item()
    assert off < 1e-6, off  # Its angles are f32.


def rotary_by_complex(x, layout, positions, width, base):
    """u + iv times e^(i·angle)."""
    angles = torch.tensor(positions[..., None] * base ** (-np.arange(0, width, 2) / width))
    turned, rest = x[..., :width], x[..., width:]
    u, v = turned.chunk(2, -1) if layout == "halves" else (turned[..., ::2], turned[..., 1::2])
    z = torch.complex(u, v) * torch.exp(1j * angles)
    parts = torch.cat([z.real, z.imag], -1) if layout == "halves" else torch.stack([z.real, z.imag], -1).flatten(-2)
    return torch.cat([parts, rest], -1)


# -------------------------------------------------------------------------------------------------------------------- attention
def attention():
    sdpa = nn.functional.scaled_dot_product_attention
    heads = {"query": (2, 4, 3, 5), "key": (2, 2, 4, 5), "value": (2, 2, 4, 6)}

    def swap(value):
        return jnp.swapaxes(value, 1, 2)

    def grouped(a):
        return {"y": sdpa(a["query"], a["key"], a["value"], enable_gqa=True)}

    def grouped_by_jax(a):
        # JAX wants values as wide as keys: in two parts.
        q, k = swap(a["query"]), swap(a["key"])
        parts = [jax.nn.dot_product_attention(q, k, swap(a["value"][..., part])) for part in (slice(0, 5), slice(1, 6))]
        return {"y": swap(jnp.concatenate([parts[0], parts[1][..., 4:]], -1))}

    case("attention of grouped queries", heads, {}, grouped, grouped_by_jax, IN_F32)

    same = {"query": (2, 2, 3, 4), "key": (2, 2, 4, 4), "value": (2, 2, 4, 4), "bias": (2, 3, 4)}
    seen = torch.tensor(KEYS)[:, None, None, :] & torch.ones(3, 4, dtype=torch.bool).tril()
    pairs = torch.tensor([[True, False, True, True]] * 3)

    def masked(a):
        mask = torch.where(seen & pairs, a["bias"], -torch.inf)
        return {"y": sdpa(a["query"], a["key"], a["value"], attn_mask=mask)}

    def masked_by_jax(a):
        mask = jnp.asarray((seen & pairs).numpy())
        y = jax.nn.dot_product_attention(swap(a["query"]), swap(a["key"]), swap(a["value"]), bias=a["bias"][None], mask=mask)
        return {"y": swap(y)}

    case("attention with masks", same, {}, masked, masked_by_jax, IN_F32)


def multi_head_parameters(width, columns, bias, name="attention"):
    shapes = {f"{name}.in.weight": (width, columns)}
    if bias:
        shapes[f"{name}.in.bias"] = (columns,)
    shapes[f"{name}.out.weight"] = (width, width)
    if bias:
        shapes[f"{name}.out.bias"] = (width,)
    return shapes


def multi_head_by_torch(a, heads, query, memory, bias=True, name="attention", **options):
    width = query.shape[-1]
    module = nn.MultiheadAttention(width, heads, bias=bias, batch_first=True)
    parameters = {"in_proj_weight": a[f"{name}.in.weight"].T, "out_proj.weight": a[f"{name}.out.weight"].T}
    if bias:
        parameters |= {"in_proj_bias": a[f"{name}.in.bias"], "out_proj.bias": a[f"{name}.out.bias"]}
    return functional_call(module, parameters, (query, memory, memory), dict(need_weights=False) | options)[0]


def multi_head_by_flax(a, heads, query, memory, mask=None):
    width = query.shape[-1]
    kernels = a["attention.in.weight"].reshape(width, 3, heads, width // heads)
    biases = a["attention.in.bias"].reshape(3, heads, width // heads)
    parameters = {part: {"kernel": kernels[:, k], "bias": biases[k]} for k, part in enumerate(("query", "key", "value"))}
    out = a["attention.out.weight"].reshape(heads, width // heads, width)
    parameters["out"] = {"kernel": out, "bias": a["attention.out.bias"]}
    return linen.MultiHeadDotProductAttention(heads).apply({"params": parameters}, query, memory, memory, mask=mask)


def grouped_heads(a, x, heads, key_heads, rotate, name="attention"):
    """Causal attention of grouped queries, written with PyTorch's functions."""
    batch, time, width = x.shape
    size = width // heads
    packed = x @ a[f"{name}.in.weight"] + a.get(f"{name}.in.bias", torch.zeros(()))
    parts = packed.split([heads * size, key_heads * size, key_heads * size], -1)
    q, k, v = [part.reshape(batch, time, -1, size).transpose(1, 2) for part in parts]
    q, k = rotate(q), rotate(k)
    y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    return y.transpose(1, 2).reshape(batch, time, width) @ a[f"{name}.out.weight"] + a.get(f"{name}.out.bias", torch.zeros(()))


def multi_head():
    full = multi_head_parameters(8, 24, True)
    later = torch.ones(4, 4, dtype=torch.bool).triu(1)
    padding = torch.tensor(~KEYS)

    def to_itself(a):
        return {"y": multi_head_by_torch(a, 2, a["x"], a["x"])}

    case("multi-head attention", {"x": (2, 4, 8)}, full, to_itself, lambda a: {"y": multi_head_by_flax(a, 2, a["x"], a["x"])})

    def causal(a):
        return {"y": multi_head_by_torch(a, 4, a["x"], a["x"], attn_mask=later, is_causal=True)}

    tril = np.tril(np.ones((4, 4), bool))
    case("multi-head attention, causal", {"x": (2, 4, 8)}, full, causal, lambda a: {"y": multi_head_by_flax(a, 4, a["x"], a["x"], tril)})

    def masked(a):
        return {"y": multi_head_by_torch(a, 2, a["x"], a["x"], key_padding_mask=padding, attn_mask=later)}

    def masked_by_flax(a):
        return {"y": multi_head_by_flax(a, 2, a["x"], a["x"], tril & KEYS[:, None, None, :])}

    case("multi-head attention with masks", {"x": (2, 4, 8)}, full, masked, masked_by_flax)

    def to_memory(a):
        return {"y": multi_head_by_torch(a, 2, a["x"], a["memory"], key_padding_mask=padding)}

    def to_memory_by_flax(a):
        return {"y": multi_head_by_flax(a, 2, a["x"], a["memory"], KEYS[:, None, None, :])}

    case("multi-head attention to a memory", {"x": (2, 3, 8), "memory": (2, 4, 8)}, full, to_memory, to_memory_by_flax)

    def without_biases(a):
        return {"y": multi_head_by_torch(a, 2, a["x"], a["x"], bias=False)}

    case("multi-head attention without biases", {"x": (2, 4, 8)}, multi_head_parameters(8, 24, False), without_biases)

    for name, key_heads in (("grouped queries", 2), ("multi-query", 1)):
        rotate = lambda q: rotary_by_complex(q, "halves", np.arange(5), 2, 10000.0)
        case(f"multi-head attention, {name}, rotary", {"x": (2, 5, 8)}, multi_head_parameters(8, 8 + 4 * key_heads, True), lambda a: {"y": grouped_heads(a, a["x"], 4, key_heads, rotate)})


# -------------------------------------------------------------------------------------------------------------------- recurrent
def recurrent_parameters(gates, inputs, width, layers=1, both=False, bias=True, name="layer"):
    shapes = {}
    for layer in range(layers):
        n = inputs if layer == 0 else width * (2 if both else 1)
        for suffix in ("", ".backward") if both else ("",):
            at = f"{name}.{layer}{suffix}"
            shapes[f"{at}.weight"] = (n, gates * width)
            shapes[f"{at}.recurrent"] = (width, gates * width)
            if bias:
                shapes[f"{at}.bias"] = (gates * width,)
                if gates == 3:
                    shapes[f"{at}.recurrent_bias"] = (width,)
    return shapes


def recurrent_by_torch(kind, a, width, layers=1, both=False, bias=True, state=None, lengths=None, **options):
    x = a["x"]
    module = getattr(nn, kind)(x.shape[-1], width, layers, bidirectional=both, bias=bias, **options)
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    parameters = {}
    for layer in range(layers):
        for ours, theirs in (("", ""), (".backward", "_reverse")) if both else (("", ""),):
            at = f"layer.{layer}{ours}"
            parameters[f"weight_ih_l{layer}{theirs}"] = a[f"{at}.weight"].T
            parameters[f"weight_hh_l{layer}{theirs}"] = a[f"{at}.recurrent"].T
            if bias:
                parameters[f"bias_ih_l{layer}{theirs}"] = a[f"{at}.bias"]
                zeros = torch.zeros(gates * width)
                own = torch.cat([zeros[width:], a[f"{at}.recurrent_bias"]]) if gates == 3 else zeros
                parameters[f"bias_hh_l{layer}{theirs}"] = own
    if lengths is None:
        y, last = functional_call(module, parameters, (x, state))
        return results_of(y, last)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    packed, last = functional_call(module, parameters, (packed, state))
    return results_of(nn.utils.rnn.pad_packed_sequence(packed, total_length=x.shape[0])[0], last)


def results_of(y, last):
    last = last if isinstance(last, tuple) else (last,)
    return {"y": y} | {name: value for name, value in zip(("h", "c"), last)}


def lstm_by_flax(a, width):
    parameters = {}
    for k, gate in enumerate("ifgo"):
        part = slice(k * width, (k + 1) * width)
        parameters[f"i{gate}"] = {"kernel": a["layer.0.weight"][:, part]}
        parameters[f"h{gate}"] = {"kernel": a["layer.0.recurrent"][:, part], "bias": a["layer.0.bias"][part]}
    layer = linen.RNN(linen.LSTMCell(width, param_dtype=jnp.float64), time_major=True, return_carry=True)
    (c, h), y = layer.apply({"params": {"cell": parameters}}, a["x"])
    return {"y": y, "h": h[None], "c": c[None]}


def gru_by_flax(a, width):
    parameters = {}
    for k, gate in enumerate("rzn"):
        part = slice(k * width, (k + 1) * width)
        parameters[f"i{gate}"] = {"kernel": a["layer.0.weight"][:, part], "bias": a["layer.0.bias"][part]}
        parameters[f"h{gate}"] = {"kernel": a["layer.0.recurrent"][:, part]}
    parameters["hn"]["bias"] = a["layer.0.recurrent_bias"]
    h, y = linen.RNN(linen.GRUCell(width, param_dtype=jnp.float64), time_major=True, return_carry=True).apply({"params": {"cell": parameters}}, a["x"])
    return {"y": y, "h": h[None]}


def rnn_by_flax(a, width):
    parameters = {"i": {"kernel": a["layer.0.weight"], "bias": a["layer.0.bias"]}, "h": {"kernel": a["layer.0.recurrent"]}}
    h, y = linen.RNN(linen.SimpleCell(width, param_dtype=jnp.float64), time_major=True, return_carry=True).apply({"params": {"cell": parameters}}, a["x"])
    return {"y": y, "h": h[None]}


def recurrent():
    x = {"x": (5, 3, 2)}
    lengths = [5, 1, 3]
    kinds = (("lstm", "LSTM", 4, lstm_by_flax), ("gru", "GRU", 3, gru_by_flax), ("rnn", "RNN", 1, rnn_by_flax))
    for name, kind, gates, by_flax in kinds:
        case(name, x, recurrent_parameters(gates, 2, 4), lambda a: recurrent_by_torch(kind, a, 4), lambda a: by_flax(a, 4))

        shapes = recurrent_parameters(gates, 2, 4, layers=2, both=True)
        state = {"h": (4, 3, 4)} | ({"c": (4, 3, 4)} if kind == "LSTM" else {})

        def deep(a):
            given = (a["h"], a["c"]) if kind == "LSTM" else a["h"]
            return recurrent_by_torch(kind, a, 4, layers=2, both=True, state=given, lengths=lengths)

        case(f"{name} of two layers in both directions with a state and lengths", x | state, shapes, deep)

        shapes = recurrent_parameters(gates, 2, 4, layers=2, bias=False)
        case(f"{name} of two layers without biases", x, shapes, lambda a: recurrent_by_torch(kind, a, 4, layers=2, bias=False))

    shapes = recurrent_parameters(1, 2, 4)
    case("rnn with relu", x, shapes, lambda a: recurrent_by_torch("RNN", a, 4, nonlinearity="relu"))

    def forgetful(a):
        shifted = a | {"layer.0.bias": a["layer.0.bias"] + torch.tensor([0.0] * 4 + [1.0] * 4 + [0.0] * 8)}
        return recurrent_by_torch("LSTM", shifted, 4)

    case("lstm with a forget bias", x, recurrent_parameters(4, 2, 4), forgetful)


# ------------------------------------------------------------------------------------------------------------------ transformers
def norm_parameters(name, width, bias=True):
    return {f"{name}.gain": (width,)} | ({f"{name}.bias": (width,)} if bias else {})


def feed_forward_parameters(name, width, hidden, gate=False, bias=True):
    shapes = {}
    for part, sizes in (("gate", (width, hidden)), ("hidden", (width, hidden)), ("out", (hidden, width))):
        if part != "gate" or gate:
            shapes[f"{name}.{part}.weight"] = sizes
            if bias:
                shapes[f"{name}.{part}.bias"] = sizes[1:]
    return shapes


def feed_forward(a, name, x, activation):
    linear = lambda x, part: x @ a[f"{name}.{part}.weight"] + a.get(f"{name}.{part}.bias", torch.zeros(()))
    if activation == "swiglu":
        return linear(nn.functional.silu(linear(x, "gate")) * linear(x, "hidden"), "out")
    f = {"relu": torch.relu, "gelu": nn.functional.gelu, "gelu_tanh": lambda x: nn.functional.gelu(x, approximate="tanh")}[activation]
    return linear(f(linear(x, "hidden")), "out")


def block_by_torch(a, kind, activation, norm_first, arguments, bias=True, **masks):
    """The block of PyTorch with the parameters of ours."""
    width = arguments[0].shape[-1]
    hidden = a["block.feed_forward.hidden.weight"].shape[1]
    module = kind(width, 2, hidden, 0.0, activation, batch_first=True, norm_first=norm_first, bias=bias)
    # In evaluation PyTorch takes a fused kernel, which has no derivative; without dropout both are the same function.
    parameters = {}
    attentions = {"self_attn": "attention"} | ({"multihead_attn": "cross"} if kind is nn.TransformerDecoderLayer else {})
    for theirs, ours in attentions.items():
        parameters[f"{theirs}.in_proj_weight"] = a[f"block.{ours}.in.weight"].T
        parameters[f"{theirs}.out_proj.weight"] = a[f"block.{ours}.out.weight"].T
        if bias:
            parameters[f"{theirs}.in_proj_bias"] = a[f"block.{ours}.in.bias"]
            parameters[f"{theirs}.out_proj.bias"] = a[f"block.{ours}.out.bias"]
    for k in range(1, len(attentions) + 2):
        parameters[f"norm{k}.weight"] = a[f"block.norm{k}.gain"]
        if bias:
            parameters[f"norm{k}.bias"] = a[f"block.norm{k}.bias"]
    for theirs, ours in (("linear1", "hidden"), ("linear2", "out")):
        parameters[f"{theirs}.weight"] = a[f"block.feed_forward.{ours}.weight"].T
        if bias:
            parameters[f"{theirs}.bias"] = a[f"block.feed_forward.{ours}.bias"]
    return {"y": functional_call(module, parameters, arguments, masks)}


def transformers():
    for activation in ("relu", "gelu", "gelu_tanh", "swiglu"):
        shapes = feed_forward_parameters("layer", 6, 5, activation == "swiglu", activation != "swiglu")
        case(f"feed-forward part with {activation}", {"x": (2, 3, 6)}, shapes, lambda a: {"y": feed_forward(a, "layer", a["x"], activation)})

    def encoder_parameters(hidden):
        return (
            norm_parameters("block.norm1", 6)
            | multi_head_parameters(6, 18, True, "block.attention")
            | norm_parameters("block.norm2", 6)
            | feed_forward_parameters("block.feed_forward", 6, hidden)
        )

    later, padding = torch.ones(4, 4, dtype=torch.bool).triu(1), torch.tensor(~KEYS)
    encoder, decoder = nn.TransformerEncoderLayer, nn.TransformerDecoderLayer
    x = {"x": (2, 4, 6)}
    case("encoder block", x, encoder_parameters(24), lambda a: block_by_torch(a, encoder, "gelu", True, (a["x"],)))
    case("encoder block, norms after, relu, padding", x, encoder_parameters(5), lambda a: block_by_torch(a, encoder, "relu", False, (a["x"],), src_key_padding_mask=padding))
    case("encoder block, causal", x, encoder_parameters(24), lambda a: block_by_torch(a, encoder, "gelu", True, (a["x"],), src_mask=later))

    shapes = (
        norm_parameters("block.norm1", 6)
        | multi_head_parameters(6, 18, True, "block.attention")
        | norm_parameters("block.norm2", 6)
        | multi_head_parameters(6, 18, True, "block.cross")
        | norm_parameters("block.norm3", 6)
        | feed_forward_parameters("block.feed_forward", 6, 24)
    )
    later = torch.ones(3, 3, dtype=torch.bool).triu(1)
    masks = dict(tgt_mask=later, memory_key_padding_mask=padding)
    both = {"x": (2, 3, 6), "memory": (2, 4, 6)}
    case("decoder block", both, shapes, lambda a: block_by_torch(a, decoder, "gelu", True, (a["x"], a["memory"]), **masks))
    case("decoder block, norms after", both, shapes, lambda a: block_by_torch(a, decoder, "gelu", False, (a["x"], a["memory"]), **masks))

    def llama(a):
        """Grouped queries with rotation, a gate, and no biases but those of the norms."""
        norm = lambda x, k: nn.functional.layer_norm(x, (8,), a[f"block.norm{k}.gain"], a[f"block.norm{k}.bias"], 1e-3)
        rotate = lambda q: rotary_by_complex(q, "pairs", np.arange(5), 2, 10000.0)
        x = a["x"] + grouped_heads(a, norm(a["x"], 1), 4, 2, rotate, "block.attention")
        return {"y": x + feed_forward(a, "block.feed_forward", norm(x, 2), "swiglu")}

    shapes = (
        norm_parameters("block.norm1", 8)
        | multi_head_parameters(8, 16, False, "block.attention")
        | norm_parameters("block.norm2", 8)
        | feed_forward_parameters("block.feed_forward", 8, 5, True, False)
    )
    case("encoder block with all options", {"x": (2, 5, 8)}, shapes, llama)

    def without_biases(a, kind, *arguments):
        return block_by_torch(a, kind, "gelu", True, arguments, bias=False)

    shapes = (
        norm_parameters("block.norm1", 6, False)
        | multi_head_parameters(6, 18, False, "block.attention")
        | norm_parameters("block.norm2", 6, False)
        | feed_forward_parameters("block.feed_forward", 6, 24, bias=False)
    )
    case("encoder block without any biases", x, shapes, lambda a: without_biases(a, encoder, a["x"]))
    shapes = (
        norm_parameters("block.norm1", 8, False)
        | multi_head_parameters(8, 16, False, "block.attention")
        | norm_parameters("block.norm2", 8, False)
        | feed_forward_parameters("block.feed_forward", 8, 5, True, False)
    )
    case("encoder block with RMS norms", {"x": (2, 5, 8)}, shapes, llama_with_rms_norms)


def llama_with_rms_norms(a):
    """A block of LLaMA, held to that of `transformers`, whose angles are f32."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

    x = a["x"]
    norm = lambda x, k: nn.functional.rms_norm(x, (8,), a[f"block.norm{k}.gain"], 1e-5)
    rotate = lambda q: rotary_by_complex(q, "halves", np.arange(5), 2, 10000.0)
    y = x + grouped_heads(a, norm(x, 1), 4, 2, rotate, "block.attention")
    y = y + feed_forward(a, "block.feed_forward", norm(y, 2), "swiglu")

    config = LlamaConfig(hidden_size=8, num_attention_heads=4, num_key_value_heads=2, intermediate_size=5, rms_norm_eps=1e-5)
    config._attn_implementation = "eager"
    queries, keys, values = a["block.attention.in.weight"].T.split([8, 4, 4])
    parameters = {
        "self_attn.q_proj.weight": queries,
        "self_attn.k_proj.weight": keys,
        "self_attn.v_proj.weight": values,
        "self_attn.o_proj.weight": a["block.attention.out.weight"].T,
        "input_layernorm.weight": a["block.norm1.gain"],
        "post_attention_layernorm.weight": a["block.norm2.gain"],
        "mlp.gate_proj.weight": a["block.feed_forward.gate.weight"].T,
        "mlp.up_proj.weight": a["block.feed_forward.hidden.weight"].T,
        "mlp.down_proj.weight": a["block.feed_forward.out.weight"].T,
    }
    layer, later = LlamaDecoderLayer(config, 0), torch.full((5, 5), -torch.inf).triu(1)[None, None]
    angles = LlamaRotaryEmbedding(config)(x, torch.arange(5)[None])
    theirs = functional_call(layer, parameters, (x,), dict(attention_mask=later, position_embeddings=angles))
    off = (theirs - y).abs().max().item()
    assert off < 1e-6, off
    return {"y": y}


embeddings()
positions()
attention()
multi_head()
recurrent()
transformers()

"""The first 20 losses of a GPT by PyTorch, for tests/it/gpt.rs and beside examples/gpt.

    pip install torch safetensors && python tests/recorded/gpt.py > tests/recorded/gpt.txt

Written with PyTorch 2.15.0, in f64. The model has the sizes and names of `TINY` below. Each parameter is `numbers` of its shape and a seed,
from 101 on in the order of declaration, gains with 1 added; the tokens of step k are ⌊n·(½ + `numbers`)⌋ of [batch, context + 1] and seed 1 + k.
AdamW has β₁ = 0.9, β₂ = 0.95 and ε = 1e-8, decay 0.1 on all but biases and gains, and gradients are clipped to the norm 1. A line is one loss.

    cargo run --release --example gpt -- --exchange run.safetensors && python tests/recorded/gpt.py run.safetensors --threads 2

takes first weights, batches and rates of that file, prints the largest difference of the losses and the time of a step, and fails where a loss is
off by 1e-4.
"""

import argparse
import time

import torch
from torch.nn import functional as F

BETAS, EPSILON = (0.9, 0.95), 1e-8
TINY = dict(tokens=11, context=8, width=16, heads=2, blocks=2, batch=4, steps=20, rate=3e-3, decay=0.1, clip=1.0)


def numbers(shape, seed):
    """Multiples of 1/1024 from -1/2 to 1/2, by a linear congruence: exact in any arithmetic."""
    n, state, out = 1, seed, []
    for size in shape:
        n *= size
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        out.append((state >> 16) % 1024 / 1024 - 0.5)
    return torch.tensor(out, dtype=torch.float64).reshape(shape)


def shapes(tokens, context, width, blocks, **_):
    """Names and sizes in the order of declaration."""
    norm = lambda name: {f"{name}.gain": (width,), f"{name}.bias": (width,)}
    linear = lambda name, inputs, outputs: {f"{name}.weight": (inputs, outputs), f"{name}.bias": (outputs,)}
    out = {"words.weight": (tokens, width), "positions.weight": (context, width)}
    for k in range(blocks):
        out |= norm(f"block.{k}.norm1")
        out |= linear(f"block.{k}.attention.in", width, 3 * width) | linear(f"block.{k}.attention.out", width, width)
        out |= norm(f"block.{k}.norm2")
        out |= linear(f"block.{k}.feed_forward.hidden", width, 4 * width)
        out |= linear(f"block.{k}.feed_forward.out", 4 * width, width)
    return out | norm("norm")


def loss_of(p, tokens, heads):
    """The mean loss of all places: p holds weights as `nn.Linear` does, [outputs, inputs]."""
    x, y = tokens[:, :-1], tokens[:, 1:]
    batch, time, width = *x.shape, p["words.weight"].shape[1]
    linear = lambda x, name: F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])
    norm = lambda x, name: F.layer_norm(x, (width,), p[f"{name}.gain"], p[f"{name}.bias"])
    h = F.embedding(x, p["words.weight"]) + p["positions.weight"][:time]
    for k in range(sum(name.endswith(".norm1.gain") for name in p)):
        packed = linear(norm(h, f"block.{k}.norm1"), f"block.{k}.attention.in")
        q, key, v = [part.view(batch, time, heads, -1).transpose(1, 2) for part in packed.split(width, -1)]
        attended = F.scaled_dot_product_attention(q, key, v, is_causal=True)
        h = h + linear(attended.transpose(1, 2).reshape(batch, time, width), f"block.{k}.attention.out")
        hidden = F.gelu(linear(norm(h, f"block.{k}.norm2"), f"block.{k}.feed_forward.hidden"), approximate="tanh")
        h = h + linear(hidden, f"block.{k}.feed_forward.out")
    logits = F.linear(norm(h, "norm"), p["words.weight"])
    return F.cross_entropy(logits.flatten(0, 1), y.flatten())


def train(weights, tokens, heads, rates, decay, clip):
    """The losses of the steps, and the seconds of each."""
    is_map = lambda name: name.endswith(".weight") and name.startswith("block.")
    turned = {name: value.T.contiguous() if is_map(name) else value for name, value in weights.items()}
    p = {name: value.clone().requires_grad_() for name, value in turned.items()}
    is_free = lambda name: name.endswith((".bias", ".gain"))
    groups = [
        dict(params=[value for name, value in p.items() if not is_free(name)], weight_decay=decay),
        dict(params=[value for name, value in p.items() if is_free(name)], weight_decay=0.0),
    ]
    fused = weights["words.weight"].dtype == torch.float32
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=BETAS, eps=EPSILON, fused=fused)
    losses, seconds = [], []
    for batch, rate in zip(tokens, rates):
        start = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = loss_of(p, batch, heads)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(p.values(), clip)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
        losses.append(loss.item())
    return losses, seconds


def tiny():
    weights = {}
    for k, (name, shape) in enumerate(shapes(**TINY).items()):
        weights[name] = numbers(shape, 101 + k) + (1.0 if name.endswith(".gain") else 0.0)
    shape = (TINY["batch"], TINY["context"] + 1)
    tokens = [torch.floor(TINY["tokens"] * (0.5 + numbers(shape, 1 + k))).long() for k in range(TINY["steps"])]
    losses, _ = train(weights, tokens, TINY["heads"], [TINY["rate"]] * TINY["steps"], TINY["decay"], TINY["clip"])
    for loss in losses:
        print(repr(loss))


def beside(path):
    from safetensors.torch import load_file

    arrays = load_file(path)
    given = {name.removeprefix("exchange."): arrays.pop(name) for name in list(arrays) if name.startswith("exchange.")}
    settings = [given[name].item() for name in ("weight_decay", "clip_norm")]
    losses, seconds = train(arrays, given["tokens"], given["heads"].item(), given["rates"].tolist(), *settings)
    off = (torch.tensor(losses, dtype=torch.float64) - given["losses"]).abs().max().item()
    print(f"loss {losses[0]:.6f} at first, {losses[-1]:.6f} in the last of {len(losses)} steps; off by {off:.1e} at most")
    print(f"a step takes {1e3 * sorted(seconds)[len(seconds) // 2]:.1f} ms in the median")
    assert off < 1e-4, off


parser = argparse.ArgumentParser()
parser.add_argument("file", nargs="?")
parser.add_argument("--threads", type=int, default=2)
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)
beside(arguments.file) if arguments.file else tiny()

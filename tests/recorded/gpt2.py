"""A tiny model in the layout in which GPT-2 was published, with its logits by `transformers`, for tests/it/gpt.rs.

    pip install torch transformers safetensors && python tests/recorded/gpt2.py tests/recorded/gpt2

Written with transformers 5.24.0 and PyTorch 2.15.0. The folder gets config.json, model.safetensors, which has the names, orientations and the
masks of the published file, and logits.txt: a line of tokens, then for each place a line of logits, in f64 of the f32 weights. starts.txt has for
each parameter of a larger model, under our names, the number of its elements, their mean and their standard deviation as `GPT2Model` starts them.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

OURS = {
    "wte.weight": "words.weight",
    "wpe.weight": "positions.weight",
    "ln_1.weight": "norm1.gain",
    "ln_1.bias": "norm1.bias",
    "attn.c_attn": "attention.in",
    "attn.c_proj": "attention.out",
    "ln_2.weight": "norm2.gain",
    "ln_2.bias": "norm2.bias",
    "mlp.c_fc": "feed_forward.hidden",
    "mlp.c_proj": "feed_forward.out",
    "ln_f.weight": "norm.gain",
    "ln_f.bias": "norm.bias",
}
TOKENS = [[3, 0, 12, 7, 7, 1, 9, 2, 11, 5]]

folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)


def config(**sizes):
    return GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0, **sizes)


torch.manual_seed(0)
tiny = config(vocab_size=13, n_positions=12, n_embd=16, n_layer=2, n_head=2)
model = GPT2LMHeadModel(tiny).eval()
with torch.no_grad():
    # As they start, logits are nearly equal, and biases and gains without effect.
    for parameter in model.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
arrays = {name: value.contiguous() for name, value in model.transformer.state_dict().items()}
for k in range(tiny.n_layer):
    arrays[f"h.{k}.attn.bias"] = torch.ones(1, 1, tiny.n_positions, tiny.n_positions).tril()
save_file(arrays, folder / "model.safetensors", {"format": "pt"})
kept = ("activation_function", "layer_norm_epsilon", "model_type", "n_embd", "n_head", "n_inner", "n_layer", "n_positions", "vocab_size")
(folder / "config.json").write_text(json.dumps({name: tiny.to_dict().get(name) for name in kept}, indent=2) + "\n")
with torch.no_grad():
    logits = model.double()(torch.tensor(TOKENS)).logits[0]
lines = [" ".join(map(str, TOKENS[0]))] + [" ".join(repr(x) for x in row.tolist()) for row in logits]
(folder / "logits.txt").write_text("\n".join(lines) + "\n")

model = GPT2LMHeadModel(config(vocab_size=300, n_positions=100, n_embd=64, n_layer=3, n_head=2))
lines = []
for name, value in model.transformer.named_parameters():
    for theirs, ours in OURS.items():
        name = name.replace(f"{theirs}", ours) if name.startswith(("h.", theirs)) else name
    name = name.replace("h.", "block.", 1) if name.startswith("h.") else name
    lines.append(f"{name} | {value.numel()} | {value.mean().item()!r} | {value.std(correction=0).item()!r}")
(folder / "starts.txt").write_text("\n".join(lines) + "\n")

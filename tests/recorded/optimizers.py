"""Records what PyTorch's optimizers, clipping and schedules give in f64, and optax's where PyTorch has none.

    python tests/recorded/optimizers.py > tests/recorded/optimizers.txt

The loss is the sum of a/2 (w - c)^2 + w^4/4 over three parameters. Each line is a name, the step, and three numbers: the
parameters after the step, or for a schedule the rate at the step, and for clipping the gradient and what became of it; for
averages the averaged parameters. Muon's are of a matrix of 2 x 3, or of 3 x 2, row by row as Pullback has it: PyTorch's is its
transpose.
"""

import warnings

import jax
import optax
import torch

warnings.filterwarnings("ignore")
torch.set_default_dtype(torch.float64)
jax.config.update("jax_enable_x64", True)

A = torch.tensor([1.0, 0.25, 4.0])
C = torch.tensor([0.5, -1.0, 0.25])
START = [1.0, -2.0, 0.5]
N_STEPS = 20


def gradient(w):
    return A * (w - C) + w**3


def show(name, step, numbers):
    print(name, step, *[repr(float(number)) for number in numbers])


def train(name, make, clip=None, schedule=None):
    w = torch.nn.Parameter(torch.tensor(START))
    rule = make([w])
    scheduler = schedule(rule) if schedule else None
    for step in range(N_STEPS):
        w.grad = gradient(w.detach())
        if clip:
            clip([w])
        rule.step()
        if scheduler:
            scheduler.step()
        show(name, step, w.detach())


def train_optax(name, rule):
    w = jax.numpy.array(START)
    state = rule.init(w)
    for step in range(N_STEPS):
        g = jax.numpy.array(gradient(torch.tensor(list(map(float, w)))).tolist())
        updates, state = rule.update(g, state, w)
        w = optax.apply_updates(w, updates)
        show(name, step, w)


def muon(name, transposed):
    """In f64 throughout, where PyTorch orthogonalizes in bf16: it asks for the dtype by name."""
    like = lambda numbers: torch.tensor(numbers).reshape(2, 3)
    a, c = like([1.0, 0.25, 4.0, 2.0, 0.5, 1.0]), like([0.5, -1.0, 0.25, -0.5, 1.0, 0.0])
    start = like([1.0, -2.0, 0.5, -1.0, 0.5, 2.0])
    if transposed:
        a, c, start = a.T.contiguous(), c.T.contiguous(), start.T.contiguous()
    w = torch.nn.Parameter(start.T.contiguous())
    rule = torch.optim.Muon([w], lr=0.05, momentum=0.8, weight_decay=0.2)
    for step in range(N_STEPS):
        own = w.detach().T
        w.grad = (a * (own - c) + own**3).T.contiguous()
        bf16, torch.bfloat16 = torch.bfloat16, torch.float64
        rule.step()
        torch.bfloat16 = bf16
        show(name, step, w.detach().T.reshape(-1))


def averages(name, first, every, **options):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor(START))

    model = Model()
    averaged = torch.optim.swa_utils.AveragedModel(model, **options)
    rule = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(N_STEPS):
        model.w.grad = gradient(model.w.detach())
        rule.step()
        if step + 1 >= first and (step + 1 - first) % every == 0:
            averaged.update_parameters(model)
        is_averaged = step + 1 >= first
        show(name, step, (averaged.module if is_averaged else model).w.detach())


def rates(name, make):
    w = torch.nn.Parameter(torch.tensor(START))
    rule = torch.optim.SGD([w], lr=0.1)
    scheduler = make(rule)
    for step in range(N_STEPS):
        show(name, step, [scheduler.get_last_lr()[0]] * 3)
        rule.step()
        if step + 1 < N_STEPS:
            scheduler.step()


def clipping():
    w = torch.nn.Parameter(torch.tensor(START))
    for step, largest in enumerate([0.5, 2.0, 100.0]):
        w.grad = gradient(w.detach())
        norm = torch.nn.utils.clip_grad_norm_([w], largest)
        show("clip_norm.norm", step, [norm] * 3)
        show("clip_norm", step, w.grad)
        w.grad = gradient(w.detach())
        torch.nn.utils.clip_grad_value_([w], largest)
        show("clip_value", step, w.grad)


print("# torch", torch.__version__, "optax", optax.__version__)
optim, schedulers = torch.optim, torch.optim.lr_scheduler
train("sgd", lambda w: optim.SGD(w, lr=0.05))
train("heavy_ball", lambda w: optim.SGD(w, lr=0.05, momentum=0.8))
train("nesterov", lambda w: optim.SGD(w, lr=0.05, momentum=0.8, nesterov=True))
train("sgd_decay", lambda w: optim.SGD(w, lr=0.05, weight_decay=0.1))
train("heavy_ball_decay", lambda w: optim.SGD(w, lr=0.05, momentum=0.8, weight_decay=0.1))
train("adagrad", lambda w: optim.Adagrad(w, lr=0.3, eps=1e-3))
train("rms_prop", lambda w: optim.RMSprop(w, lr=0.02, alpha=0.9, eps=1e-3))
train("adam", lambda w: optim.Adam(w, lr=0.1, betas=(0.8, 0.95), eps=1e-3))
train("adam_decay", lambda w: optim.Adam(w, lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1))
train("adam_w", lambda w: optim.AdamW(w, lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.2))
train("ams_grad", lambda w: optim.Adam(w, lr=0.1, betas=(0.8, 0.95), eps=1e-3, amsgrad=True))
train("n_adam", lambda w: optim.NAdam(w, lr=0.1, betas=(0.8, 0.95), eps=1e-3, momentum_decay=1 / 250))
train("r_adam", lambda w: optim.RAdam(w, lr=0.1, betas=(0.8, 0.95), eps=1e-3))
train("ada_max", lambda w: optim.Adamax(w, lr=0.1, betas=(0.8, 0.95), eps=1e-3))
train_optax("lion", optax.lion(0.03, b1=0.8, b2=0.95, weight_decay=0.2))
train_optax("lamb", optax.lamb(0.03, b1=0.8, b2=0.95, eps=1e-3, weight_decay=0.2))
muon("muon", False)
muon("muon_transposed", True)
averages("ema", 1, 1, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.75))
averages("swa", 5, 3)
train("sgd_clip_value", lambda w: optim.SGD(w, lr=0.05), clip=lambda w: torch.nn.utils.clip_grad_value_(w, 0.4))
train("adam_cosine", lambda w: optim.Adam(w, lr=0.1), schedule=lambda rule: schedulers.CosineAnnealingLR(rule, 20, 0.01))
rates("steps", lambda rule: schedulers.StepLR(rule, step_size=6, gamma=0.3))
rates("exponential", lambda rule: schedulers.ExponentialLR(rule, gamma=0.9))
rates("cosine", lambda rule: schedulers.CosineAnnealingLR(rule, T_max=20, eta_min=0.01))
rates("warm_up", lambda rule: schedulers.LinearLR(rule, start_factor=1 / 8, total_iters=7))
rates("linear", lambda rule: schedulers.LinearLR(rule, start_factor=1.0, end_factor=0.2, total_iters=8))
rates("piecewise", lambda rule: schedulers.MultiStepLR(rule, milestones=[3, 4, 11], gamma=0.1))
rates("restarts", lambda rule: schedulers.CosineAnnealingWarmRestarts(rule, T_0=3, T_mult=2, eta_min=0.01))
rates("one_cycle", lambda rule: schedulers.OneCycleLR(rule, max_lr=0.1, total_steps=20, pct_start=0.3))
rates(
    "then",
    lambda rule: schedulers.SequentialLR(
        rule,
        [
            schedulers.LinearLR(rule, start_factor=0.1, end_factor=1.0, total_iters=5),
            schedulers.CosineAnnealingLR(rule, T_max=15, eta_min=0.01),
        ],
        milestones=[5],
    ),
)
clipping()

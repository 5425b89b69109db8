#!/usr/bin/env python3
"""Reference values for optimisers and courses of the learning rate: `optim_values.py optim > tests/golden/optim.inc`,
`optim_values.py rates > tests/golden/rates.inc`.

Three weights in ten steps (double), and the rates of thirty steps, from PyTorch where it has the method. The others (Lion,
LAMB, SAM, lookahead, averages, limits of the gradient) are written out here, one element at a time.

Needs torch."""
import math
import sys

import torch

torch.set_default_dtype(torch.float64)  # the state of NAdam follows it

START = [1.0, -2.0, 0.5]
GRADS = [[0.5, -1.0, 0.25], [-0.25, 2.0, 0.125], [1.0, 0.0, -3.0], [0.75, -0.5, 0.0625], [-1.5, 0.25, 0.5],
         [0.125, 0.75, -0.25], [-0.5, -1.25, 1.0], [2.0, 0.5, -0.75], [0.25, -0.125, 0.375], [-0.625, 1.0, -0.5]]
RATES = [1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]  # factors of lr, step by step
DEFAULTS = dict(lr=0.1, weight_decay=0, l1=0, beta1=0.9, beta2=0.999, eps=1e-8, momentum=0, nesterov=0, centred=0,
                decoupled=0)
O = torch.optim
# row of config/optimisers.def, kind of kernels/args.h, what makes PyTorch's optimiser (or None), settings
CASES = [
    ("sgd", "SGD", O.SGD, {}),
    ("sgd", "SGD", O.SGD, dict(momentum=0.9, weight_decay=0.01)),
    ("sgd", "SGD", O.SGD, dict(lr=0.05, momentum=0.8, nesterov=1, weight_decay=0.1)),
    ("adam", "ADAM", O.Adam, dict(lr=0.01)),
    ("adam", "ADAM", O.Adam, dict(lr=0.02, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.1)),
    ("adamw", "ADAM", O.AdamW, dict(lr=0.02, beta2=0.99, weight_decay=0.1, decoupled=1)),
    ("amsgrad", "AMSGRAD", O.Adam, dict(lr=0.02, beta2=0.8, weight_decay=0.1)),
    ("amsgrad", "AMSGRAD", O.AdamW, dict(lr=0.02, beta2=0.8, weight_decay=0.1, decoupled=1)),
    ("rmsprop", "RMSPROP", O.RMSprop, dict(lr=0.01, beta2=0.99)),
    ("rmsprop", "RMSPROP", O.RMSprop, dict(lr=0.01, beta2=0.9, momentum=0.7, weight_decay=0.1, centred=1)),
    ("adagrad", "ADAGRAD", O.Adagrad, dict(lr=0.1, eps=1e-10, weight_decay=0.1)),
    ("nadam", "NADAM", O.NAdam, dict(lr=0.02, weight_decay=0.1)),
    ("nadam", "NADAM", O.NAdam, dict(lr=0.02, beta1=0.8, beta2=0.95, weight_decay=0.1, decoupled=1)),
    ("radam", "RADAM", O.RAdam, dict(lr=0.02, weight_decay=0.1)),
    ("radam", "RADAM", O.RAdam, dict(lr=0.02, beta1=0.8, beta2=0.95, weight_decay=0.1, decoupled=1)),
    ("lion", "LION", None, dict(lr=0.02, beta2=0.99, weight_decay=0.1, decoupled=1)),
    ("lion", "LION", None, dict(lr=0.02, beta1=0.5, beta2=0.25)),
    ("lamb", "LAMB", None, dict(lr=0.02, eps=1e-6, weight_decay=0.1, decoupled=1)),
    ("l1", "SGD", None, dict(lr=0.02, l1=0.3)),
]


def torch_optimiser(name, kind, w, o):
    options = dict(lr=o["lr"], weight_decay=o["weight_decay"])
    if name in ("sgd", "rmsprop"):
        options["momentum"] = o["momentum"]
    if name == "sgd":
        options["nesterov"] = bool(o["nesterov"])
    if name == "rmsprop":
        options.update(alpha=o["beta2"], centered=bool(o["centred"]))
    if name in ("adam", "adamw", "amsgrad", "nadam", "radam"):
        options["betas"] = (o["beta1"], o["beta2"])
    if name != "sgd":
        options["eps"] = o["eps"]
    if name == "amsgrad":
        options["amsgrad"] = True
    if name in ("nadam", "radam"):
        options["decoupled_weight_decay"] = bool(o["decoupled"])
    return kind([w], **options)


def by_torch(name, kind, o):
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    opt = torch_optimiser(name, kind, w, o)
    steps = []
    for g, rate in zip(GRADS, RATES):
        opt.param_groups[0]["lr"] = o["lr"] * rate
        w.grad = torch.tensor(g, dtype=torch.float64)
        opt.step()
        steps += w.tolist()
    return steps


def sign(x):
    return (x > 0) - (x < 0)


def lion(w, g, s, lr, o, t):
    """Chen 2023, algorithm 2."""
    for i in range(3):
        update = sign(o["beta1"] * s[i][0] + (1 - o["beta1"]) * g[i])
        w[i] -= lr * (update + o["weight_decay"] * w[i])
        s[i][0] = o["beta2"] * s[i][0] + (1 - o["beta2"]) * g[i]


def lamb(w, g, s, lr, o, t):
    """You 2020, algorithm 2, with the identity for phi."""
    u = []
    for i in range(3):
        s[i][0] = o["beta1"] * s[i][0] + (1 - o["beta1"]) * g[i]
        s[i][1] = o["beta2"] * s[i][1] + (1 - o["beta2"]) * g[i] ** 2
        m, v = s[i][0] / (1 - o["beta1"] ** t), s[i][1] / (1 - o["beta2"] ** t)
        u.append(m / (math.sqrt(v) + o["eps"]) + o["weight_decay"] * w[i])
    ratio = math.sqrt(sum(x * x for x in w)) / math.sqrt(sum(x * x for x in u))
    for i in range(3):
        w[i] -= lr * ratio * u[i]


def l1(w, g, s, lr, o, t):
    for i in range(3):
        w[i] -= lr * (g[i] + o["l1"] * sign(w[i]))


def by_hand(name, o):
    w, s, steps = list(START), [[0.0, 0.0] for _ in START], []
    for t, (g, rate) in enumerate(zip(GRADS, RATES), 1):
        {"lion": lion, "lamb": lamb, "l1": l1}[name](w, g, s, o["lr"] * rate, o, t)
        steps += w
    return steps


# ---- what goes with any optimiser: plain SGD inside -----------------------------------------------------------------

def gradient(w):
    """Of w0^2 / 2 + w1^4 / 4 + w0 w1 w2 - w2."""
    return [w[0] + w[1] * w[2], w[1] ** 3 + w[0] * w[2], w[0] * w[1] - 1]


def norm(x):
    return math.sqrt(sum(v * v for v in x))


def around(name):
    """lr 0.1: sam with rho 0.05; lookahead of 3 steps, alpha 0.5; ema with decay 0.6; swa from step 3 on, every 2nd; clip
    to the norm 1; elements cut at 0.5; adaptive clipping of the three as one unit, 0.02. Ten steps; averages: their own
    values."""
    w, slow, mean, swa, n, steps = list(START), list(START), list(START), list(START), 0, []
    for t in range(1, 11):
        g = gradient(w)
        if name == "sam":
            g = gradient([a + 0.05 * b / (norm(g) + 1e-12) for a, b in zip(w, g)])
        if name == "clip_norm":
            g = [x * min(1, 1 / (norm(g) + 1e-6)) for x in g]
        if name == "clip_value":
            g = [max(-0.5, min(0.5, x)) for x in g]
        if name == "clip_adaptive" and norm(g) > 0.02 * max(norm(w), 1e-3):
            k = 0.02 * max(norm(w), 1e-3) / norm(g)
            g = [x * k for x in g]
        w = [a - 0.1 * b for a, b in zip(w, g)]
        if name == "lookahead" and t % 3 == 0:
            slow = [a + 0.5 * (b - a) for a, b in zip(slow, w)]
            w = list(slow)
        d = min(0.6, (1 + t) / (10 + t))
        mean = [d * a + (1 - d) * b for a, b in zip(mean, w)]
        if t <= 3:
            swa = list(w)
        elif (t - 3) % 2 == 0:
            n += 1
            swa = [(a * n + b) / (n + 1) for a, b in zip(swa, w)]
        steps += {"ema": mean, "swa": swa}.get(name, w)
    return steps


# ---- courses of the learning rate ------------------------------------------------------------------------------------

S = torch.optim.lr_scheduler
N = 30  # steps; lr 0.1
SCHEDULES = [  # row of config/schedules.def, settings, PyTorch's class and its settings
    ("constant", {}, S.ConstantLR, dict(factor=1.0)),
    ("cosine", dict(min_lr=0.01), S.CosineAnnealingLR, dict(T_max=N, eta_min=0.01)),
    ("poly", dict(power=0.9), S.PolynomialLR, dict(total_iters=N, power=0.9)),
    ("step", dict(factor=0.3, period=0.2), S.StepLR, dict(step_size=6, gamma=0.3)),
    ("multi_step", dict(factor=0.2), S.MultiStepLR, dict(milestones=[15, 23], gamma=0.2)),
    ("exponential", dict(factor=0.5, period=0.1), S.ExponentialLR, dict(gamma=0.5 ** (1 / 3))),
    ("cosine_restarts", dict(min_lr=0.001, period=0.1, stretch=2), S.CosineAnnealingWarmRestarts,
     dict(T_0=3, T_mult=2, eta_min=0.001)),
    ("cosine_restarts", dict(period=0.2, stretch=1), S.CosineAnnealingWarmRestarts, dict(T_0=6, T_mult=1)),
    ("triangular", dict(period=0.2, start=0.1, rise=0.5), S.CyclicLR,
     dict(base_lr=0.01, max_lr=0.1, step_size_up=3, cycle_momentum=False)),
    ("triangular", dict(period=0.2, start=0.1, rise=1 / 3), S.CyclicLR,
     dict(base_lr=0.01, max_lr=0.1, step_size_up=2, step_size_down=4, cycle_momentum=False)),
    ("triangular2", dict(period=0.2, start=0.1, rise=0.5), S.CyclicLR,
     dict(base_lr=0.01, max_lr=0.1, step_size_up=3, mode="triangular2", cycle_momentum=False)),
    ("exp_range", dict(factor=0.5, period=0.2, start=0.1, rise=0.5), S.CyclicLR,
     dict(base_lr=0.01, max_lr=0.1, step_size_up=3, mode="exp_range", gamma=0.5 ** (1 / 6), cycle_momentum=False)),
    ("one_cycle", dict(start=0.04, rise=0.3, min_lr=0.1 / 25 / 1e4), S.OneCycleLR,
     dict(max_lr=0.1, total_steps=N, cycle_momentum=False)),
    ("plateau", dict(factor=0.5, plateau_patience=2, plateau_cooldown=1, min_lr=0.02), S.ReduceLROnPlateau,
     dict(mode="max", factor=0.5, patience=2, cooldown=1, min_lr=0.02, threshold=0.01, threshold_mode="abs")),
]


def score(s):
    """Of the selection behind step s: rises, then stays."""
    return [0.1, 0.3, 0.5, 0.505, 0.5, 0.49, 0.5, 0.6, 0.6, 0.605][s] if s < 10 else 0.6


def rates(kind, options):
    w = torch.zeros(1, requires_grad=True)
    opt = O.SGD([w], lr=0.1, momentum=0.9)
    schedule, out = kind(opt, **options), []
    for s in range(N):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        if kind is S.ReduceLROnPlateau:
            schedule.step(score(s))
        elif s < N - 1:
            schedule.step()
    return out


def warm(kind, options):
    """Five steps of warm-up before the schedule, by PyTorch's own means."""
    w = torch.zeros(1, requires_grad=True)
    opt = O.SGD([w], lr=0.1)
    first = S.LinearLR(opt, start_factor=0.2, end_factor=1.0, total_iters=4)
    schedule, out = S.SequentialLR(opt, [first, kind(opt, **options)], [5]), []
    for _ in range(5 + N):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
    return out


def numbers(values):
    lines, line = [], "   "
    for v in values:
        text = " " + repr(float(v)) + ","
        if len(line) + len(text) > 118:
            lines.append(line)
            line = "   "
        line += text
    return "\n".join(lines + [line[:-1]])


def print_optim():
    for name, kind, make, settings in CASES:
        o = {**DEFAULTS, **settings}
        values = by_torch(name, make, o) if make else by_hand(name, o)
        fields = ", ".join(f".{k} = {v}" for k, v in o.items())
        print(f'OPTIM("{name}", UN_OPTIM_{kind}, ({{{fields}}}),\n{numbers(values)})'.replace("({", "(").replace("}),", "),"))
    for name in ("sam", "lookahead", "ema", "swa", "clip_norm", "clip_value", "clip_adaptive"):
        print(f'AROUND("{name}",\n{numbers(around(name))})')


def print_rates():
    for name, settings, kind, options in SCHEDULES:
        fields = ", ".join(f".{k} = {v!r}" for k, v in settings.items()) or ".min_lr = 0"
        print(f'RATES("{name}", 0, ({fields}),\n{numbers(rates(kind, options))})')
    fields = ".min_lr = 0.01"
    print(f'RATES("cosine", 5, ({fields}),\n{numbers(warm(S.CosineAnnealingLR, dict(T_max=N, eta_min=0.01)))})')
    print(f'RATES("step", 5, (.factor = 0.3, .period = 0.2),\n{numbers(warm(S.StepLR, dict(step_size=6, gamma=0.3)))})')


if __name__ == "__main__":
    print(f"/* Made by tools/optim_values.py with PyTorch {torch.__version__.split('+')[0]}. */")
    {"optim": print_optim, "rates": print_rates}[sys.argv[1]]()

#!/usr/bin/env python3
"""Reference values from PyTorch for tests/unit/test_torch.c: logits, losses, gradients, courses of training.

Usage: python tools/torch_golden.py tests/golden/torch.safetensors      (PyTorch 2.13, numpy; everything in double)

Weights, pictures and targets are made by a formula that the test repeats bit for bit (fill below), so the file holds
results only. Its metadata hold each case's configuration as JSON, which is YAML: there is one source of truth.
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

from golden_file import fill, write

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def parameter(name, shape):
    """Convolutions: variance about 2 / fan-in. What the test computes in float is rounded to float here too."""
    v = fill(name, int(np.prod(shape)))
    if name.endswith("running_var"):
        v = 1 + 0.5 * v
    elif len(shape) > 1:
        v = v * np.sqrt(6.0 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        v = 1 + 0.25 * v
    else:
        v = 0.125 * v
    return torch.tensor(v.astype(np.float32).astype(np.float64).reshape(shape))


class Net:
    """Parameters are made at their first use, so the forward function is the whole definition."""

    def __init__(self, config):
        self.m = config["model"]
        self.dims = self.m["dims"]
        self.p, self.buffers = {}, {}
        self.training = False

    def get(self, name, *shape):
        if name not in self.p:
            self.p[name] = parameter(name, shape).requires_grad_(True)
        return self.p[name]

    def axes(self, key, level, default):
        v = self.m.get(key, default)
        v = v if isinstance(v, list) else [v]
        v = v[0] if len(v) == 1 else v[level]
        v = v if isinstance(v, list) else [v] * self.dims
        return tuple(v)[-self.dims:]

    def filters(self, level):
        return min(int(self.m["base_filters"] * self.m.get("growth", 2) ** level + 0.5), self.m.get("max_filters", 1024))

    def conv(self, name, x, co, k, stride=1, bias=True):
        w = self.get(name + ".weight", co, x.shape[1], *k)
        b = self.get(name + ".bias", co) if bias else None
        pad = tuple(i // 2 for i in k) if self.m.get("padding", "same") == "same" else 0
        return (F.conv2d if self.dims == 2 else F.conv3d)(x, w, b, stride, pad)

    def up_conv(self, name, x, co, s):
        w = self.get(name + ".weight", x.shape[1], co, *s)
        b = self.get(name + ".bias", co)
        return (F.conv_transpose2d if self.dims == 2 else F.conv_transpose3d)(x, w, b, s)

    def act(self, x):
        a = self.m.get("activation", "relu")
        return {"relu": F.relu, "leaky_relu": lambda t: F.leaky_relu(t, self.m.get("activation_slope", 0.01)), "elu": F.elu,
                "gelu": F.gelu, "silu": F.silu, "none": lambda t: t}[a](x)

    def norm(self, name, x):
        kind, c = self.m["norm"], x.shape[1]
        if kind == "none":
            return self.act(x)
        w, b, eps = self.get(name + ".weight", c), self.get(name + ".bias", c), self.m.get("norm_eps", 1e-5)
        if kind == "batch":
            for n in (name + ".running_mean", name + ".running_var"):
                if n not in self.buffers:
                    self.buffers[n] = parameter(n, (c,))
            x = F.batch_norm(x, self.buffers[name + ".running_mean"], self.buffers[name + ".running_var"], w, b,
                             self.training, self.m.get("norm_momentum", 0.1), eps)
        elif kind == "instance":
            x = F.instance_norm(x, weight=w, bias=b, eps=eps)
        else:
            groups = min(c, self.m.get("norm_groups", 8))
            while c % groups:
                groups -= 1
            x = F.group_norm(x, groups, w, b, eps)
        return self.act(x)

    def block(self, side, level, x, stride=1):
        convs = self.m.get("convs_per_level", 2)
        convs = convs if isinstance(convs, int) else convs[level]
        bias = self.m.get("bias", "auto") == "on" or self.m["norm"] == "none"
        for i in range(convs):
            x = self.conv(f"{side}{level}.conv{i}", x, self.filters(level), self.axes("kernel", level, 3),
                          stride if i == 0 else 1, bias)
            x = self.norm(f"{side}{level}.norm{i}", x)
        return x

    def pool(self, x, level):
        k = self.axes("strides", level, 2)
        if self.m.get("downsample", "maxpool") == "maxpool":
            return (F.max_pool2d if self.dims == 2 else F.max_pool3d)(x, k)
        return (F.avg_pool2d if self.dims == 2 else F.avg_pool3d)(x, k)

    def up(self, x, level):
        s, how = self.axes("strides", level, 2), self.m.get("upsample", "transpose")
        if how == "transpose":
            return self.up_conv(f"up{level}", x, self.filters(level), s)
        if how == "nearest":
            x = F.interpolate(x, scale_factor=s, mode="nearest")
        else:
            x = F.interpolate(x, scale_factor=s, mode="bilinear" if self.dims == 2 else "trilinear", align_corners=False)
        return self.conv(f"up{level}", x, self.filters(level), self.axes("kernel", level, 3))

    def channels(self):
        return 1 if self.m["head"] == "sigmoid" else self.m["classes"]

    def __call__(self, x):
        skips, depth = [], self.m["depth"]
        for level in range(depth + 1):
            stride = 1
            if level and self.m.get("downsample") == "conv":
                stride = self.axes("strides", level - 1, 2)
            elif level:
                x = self.pool(x, level - 1)
            x = self.block("enc", level, x, stride)
            skips.append(x)
        for level in reversed(range(depth)):
            x = self.up(x, level)
            keep = self.m.get("skips", True)
            if keep if isinstance(keep, bool) else keep[level]:
                s = skips[level]
                cut = [(a - b) // 2 for a, b in zip(s.shape[2:], x.shape[2:])]
                index = (slice(None), slice(None)) + tuple(slice(c, c + n) for c, n in zip(cut, x.shape[2:]))
                x = torch.cat([s[index], x], 1)
            x = self.block("dec", level, x)
        return self.conv("head", x, self.channels(), (1,) * self.dims)


class NestedNet(Net):
    """UNet++ of three levels (Zhou 2018) without deep supervision: x[i][j] from all x[i][<j] and the up-sampled x[i+1][j-1]."""

    def __call__(self, x):
        f = [self.filters(i) for i in range(3)]
        grid = {}
        for i in range(3):
            x = x if i == 0 else F.max_pool2d(grid[i - 1, 0], 2)
            grid[i, 0] = F.relu(self.conv(f"x{i}0", x, f[i], (3, 3)))
        for j in (1, 2):
            for i in range(3 - j):
                up = self.up_conv(f"up{i}{j}", grid[i + 1, j - 1], f[i], (2, 2))
                cat = torch.cat([grid[i, k] for k in range(j)] + [up], 1)
                grid[i, j] = F.relu(self.conv(f"x{i}{j}", cat, f[i], (3, 3)))
        return self.conv("head", grid[0, 2], self.channels(), (1, 1))


# ---- losses: the formulas of docs/training.md; PyTorch's own functions where they say the same ----

def cross_entropy(c, z, t, w):
    loss, cw = c.get("loss", {}), c.get("loss", {}).get("class_weights")
    cw = torch.tensor(cw, dtype=torch.float64) if cw else None
    head, smoothing = c["model"]["head"], loss.get("smoothing", 0)
    if head == "softmax" and w is None:
        return F.cross_entropy(z, t, weight=cw, ignore_index=-1, label_smoothing=smoothing)
    if head == "multilabel":
        keep = torch.ones_like(z) if w is None else w[:, None].expand_as(z)
        if cw is not None:
            keep = keep * cw.view((1, -1) + (1,) * (z.dim() - 2))
        each = F.binary_cross_entropy_with_logits(z, (1 - smoothing) * t + smoothing / 2, reduction="none")
        return (each * keep).sum() / keep.sum()
    assert smoothing == 0
    keep = (t >= 0).double() * (1 if w is None else w)
    index = t.clamp(min=0)
    if cw is not None:
        keep = keep * cw[index]
    if head == "softmax":
        each = -F.log_softmax(z, 1).gather(1, index[:, None])[:, 0]
    else:
        each = F.binary_cross_entropy_with_logits(z[:, 0], index.double(), reduction="none")
    return (each * keep).sum() / keep.sum()


def dice(c, z, t, w):
    loss, head = c.get("loss", {}), c["model"]["head"]
    smooth = loss.get("dice_smooth", 1)
    axes = tuple(range(2, z.dim())) if not loss.get("dice_batch", True) else (0,) + tuple(range(2, z.dim()))
    p = F.softmax(z, 1) if head == "softmax" else torch.sigmoid(z)
    keep = torch.ones_like(z[:, 0]) if w is None else w
    if head == "multilabel":
        hot = t
    else:
        keep = keep * (t >= 0).double()
        index = t.clamp(min=0)
        hot = index[:, None].double() if head == "sigmoid" else \
            torch.stack([(index == k).double() for k in range(z.shape[1])], 1)
    keep = keep[:, None]
    power = 2 if loss.get("dice_squared") else 1
    both = (keep * p * hot).sum(axes)
    each = (2 * both + smooth) / ((keep * p**power).sum(axes) + (keep * hot**power).sum(axes) + smooth)
    first = 0 if loss.get("dice_background") or head != "softmax" else 1
    each = each[..., first:]
    cw = loss.get("class_weights")
    if cw and head != "sigmoid":
        cw = torch.tensor(cw[first:], dtype=torch.float64)
        return 1 - ((each * cw).sum(-1) / cw.sum()).mean()
    return 1 - each.mean()


# ---- data ----

def batch(c, step, group, logits_shape):
    """Image [n][c][(d)][h][w] and targets of the extents of the logits; made in the test's order [n][d][h][w][c]."""
    n, classes = c["train"]["ghost_batch"], c["model"]["classes"]
    patch, tag = c["train"]["patch"], f"{step % 2}.{group}"  # two batches in turn, so that the loss falls
    image = fill("image." + tag, n * int(np.prod(patch)) * c["model"]["in_channels"])
    image = image.reshape([n] + patch + [-1])
    pixels = n * int(np.prod(patch))
    u = (fill("target." + tag, pixels) + 1) / 2
    out = tuple(logits_shape[2:])
    cut = tuple(slice((a - b) // 2, (a - b) // 2 + b) for a, b in zip(patch, out))
    if c["model"]["head"] == "multilabel":
        t = (fill("target." + tag, pixels * classes) < -0.25).astype(np.float64).reshape([n] + patch + [classes])
        t = torch.tensor(np.moveaxis(t, -1, 1)[(slice(None), slice(None)) + cut])
    else:
        t = np.floor(u * classes).astype(np.int64)
        if c["ignore"]:
            t[fill("ignore." + tag, pixels) < -0.75] = -1
        t = torch.tensor(t.reshape([n] + patch)[(slice(None),) + cut])
    w = None
    if c["pixel_weight"]:
        w = ((fill("weight." + tag, pixels) + 1.25).astype(np.float32).astype(np.float64)).reshape([n] + patch)
        w = torch.tensor(w[(slice(None),) + cut])
    return torch.tensor(np.moveaxis(image, -1, 1)), t, w


def rate(c, step):
    o, total = c["optimiser"], c["train"]["steps"]
    low, warm = o.get("min_lr", 0), o["warmup"]
    if step <= warm:
        return o["lr"] * step / warm
    t = (step - 1 - warm) / (total - warm)
    kind = o.get("schedule", "cosine")
    return o["lr"] if kind == "constant" else \
        low + (o["lr"] - low) * ((1 + np.cos(np.pi * t)) / 2 if kind == "cosine" else (1 - t) ** o.get("power", 0.9))


def optimiser(c, net):
    o = c["optimiser"]
    decay = [p for n, p in net.p.items() if p.dim() > 1]
    other = [p for n, p in net.p.items() if p.dim() == 1]
    groups = [{"params": decay, "weight_decay": o.get("weight_decay", 0.01)}, {"params": other, "weight_decay": 0}]
    if o["name"] == "sgd":
        return torch.optim.SGD(groups, lr=1, momentum=o.get("momentum", 0.9), nesterov=o.get("nesterov", True))
    kind = torch.optim.AdamW if o["name"] == "adamw" else torch.optim.Adam
    return kind(groups, lr=1, betas=(o.get("beta1", 0.9), o.get("beta2", 0.999)), eps=o.get("eps", 1e-8))


def losses(c, net, step, group):
    image = batch(c, step, group, [0, 0] + c["train"]["patch"])[0]
    z = net(image)
    _, t, w = batch(c, step, group, z.shape)
    total, parts = 0, []
    for term in c["loss"]["terms"]:
        value = dice(c, z, t, w) if term["name"] == "dice" else cross_entropy(c, z, t, w)
        parts.append(value.item())
        total = total + term.get("weight", 1) * value
    return total, parts


def run(c, tensors, name):
    kind = NestedNet if c["graph"] == "nested" else Net
    net, groups = kind(c), c["train"]["batch"] // c["train"]["ghost_batch"]
    with torch.no_grad():
        z = net(batch(c, 1, 0, [0, 0] + c["train"]["patch"])[0])
    tensors[name + "/logits"] = np.moveaxis(z.numpy(), 1, -1)
    net.training = True
    opt, course = optimiser(c, net), []
    state = {**net.p, **net.buffers}
    average = {n: p.detach().clone() for n, p in state.items()}
    for step in range(1, c["train"]["steps"] + 1):
        opt.zero_grad()
        row = np.zeros(len(c["loss"]["terms"]) + 2)
        for g in range(groups):
            total, parts = losses(c, net, step, g)
            (total / groups).backward()
            row[0] += total.item() / groups
            row[2:] += np.array(parts) / groups
        if step == 1:
            for n, p in net.p.items():
                tensors[f"{name}/grad/{n}"] = p.grad.numpy().copy()
        clip = c["optimiser"]["clip_norm"]
        row[1] = torch.nn.utils.clip_grad_norm_(net.p.values(), clip if clip > 0 else float("inf")).item()
        for g in opt.param_groups:
            g["lr"] = rate(c, step)
        opt.step()
        decay = min(c["optimiser"]["ema_decay"], (1 + step) / (10 + step))
        for n, p in state.items():
            average[n] = decay * average[n] + (1 - decay) * p.detach()
        course.append(row)
    tensors[name + "/course"] = np.array(course)
    if c["optimiser"]["ema_decay"]:
        for n, p in average.items():
            tensors[f"{name}/ema/{n}"] = p.numpy()


def case(model, patch, loss=None, optimiser=None, batch=2, ghost=None, steps=10, ignore=False, pixel_weight=False, graph="unet"):
    """Everything that PyTorch needs is written out; what is left out has the same default on both sides."""
    m = {"dims": 2, "in_channels": 1, "classes": 2, "depth": 1, "base_filters": 3, "head": "softmax", "norm": "batch"}
    o = {"name": "adamw", "lr": 0.01, "warmup": 3, "clip_norm": 0, "ema_decay": 0}
    t = [{"name": "ce", "weight": 1}, {"name": "dice", "weight": 1}]
    return {"model": {**m, **model}, "train": {"steps": steps, "batch": batch, "ghost_batch": ghost or batch, "patch": patch},
            "loss": {"terms": t, **(loss or {})}, "optimiser": {**o, **(optimiser or {})},
            "ignore": ignore, "pixel_weight": pixel_weight, "graph": graph}


CE, DICE, BCE = ({"name": n, "weight": 1} for n in ("ce", "dice", "bce"))
CASES = {
    "batch": case({"classes": 3, "depth": 2, "base_filters": 2}, [8, 12], {"class_weights": [1, 2.5, 0.5]}, ignore=True),
    "instance_bilinear": case({"norm": "instance", "upsample": "bilinear", "activation": "leaky_relu", "in_channels": 3}, [8, 8],
                              {"terms": [DICE], "dice_batch": False, "dice_background": True}),
    "group_nearest": case({"norm": "group", "norm_groups": 2, "base_filters": 4, "upsample": "nearest", "activation": "elu",
                           "classes": 4}, [6, 10], {"terms": [CE, {"name": "dice", "weight": 0.5}], "dice_squared": True},
                          {"name": "adam"}, pixel_weight=True),
    "valid": case({"norm": "none", "padding": "valid"}, [20, 24], {"terms": [CE]}, {"name": "sgd", "lr": 0.05}, ignore=True),
    "sigmoid": case({"head": "sigmoid", "activation": "silu", "downsample": "avgpool"}, [8, 8],
                    {"terms": [BCE, DICE], "class_weights": [1, 3]}, pixel_weight=True, ignore=True),
    "multilabel": case({"head": "multilabel", "classes": 3, "activation": "gelu", "downsample": "conv", "norm": "group",
                        "norm_groups": 1}, [8, 8], {"terms": [BCE, DICE]}),
    "volume": case({"dims": 3, "base_filters": 2}, [4, 6, 8], ignore=True),
    "anisotropic": case({"dims": 3, "depth": 2, "base_filters": 2, "norm": "instance", "activation": "leaky_relu",
                         "kernel": [[1, 3, 3], [3, 3, 3], [3, 3, 3]], "strides": [[1, 2, 2], [2, 2, 2]], "upsample": "bilinear"},
                        [4, 8, 12], {"terms": [DICE, {"name": "ce", "weight": 0.25}]}, {"name": "sgd", "nesterov": False},
                        batch=1),
    "no_skips": case({"kernel": 5, "convs_per_level": [1, 2], "skips": False, "bias": "on", "classes": 3}, [8, 8],
                     {"terms": [CE], "smoothing": 0.1}, {"name": "adam", "weight_decay": 0.1}, ignore=True),
    "ghosts": case({"base_filters": 2}, [8, 8], None, {"clip_norm": 0.5, "ema_decay": 0.9}, batch=6, ghost=2, steps=30),
    "poly": case({"dims": 3, "norm": "group", "upsample": "nearest", "base_filters": 2, "in_channels": 2}, [2, 4, 6],
                 {"terms": [CE, DICE]}, {"schedule": "poly", "min_lr": 0.001, "power": 2}),
    "parity": case({"depth": 2, "base_filters": 3}, [16, 16], None, {"lr": 0.004}, batch=4, steps=30, ignore=True),
    "nested": case({"base_filters": 2, "depth": 2, "norm": "none"}, [8, 8], {"terms": [CE, DICE]}, graph="nested"),
    # wide enough for the vector kernels and their minimal filtering
    "wide": case({"classes": 3, "base_filters": 16, "in_channels": 3}, [24, 28], {"class_weights": [0.5, 2, 1]}, ignore=True),
    "wide_volume": case({"dims": 3, "base_filters": 8, "norm": "instance", "activation": "leaky_relu", "upsample": "bilinear"},
                        [4, 12, 16], {"terms": [CE, DICE]}, {"name": "sgd", "lr": 0.05}, batch=1),
    "wide_nested": case({"base_filters": 8, "depth": 2, "norm": "none"}, [16, 24], {"terms": [CE, DICE]}, graph="nested"),
    # filters, convolutions, kernels, skips and strides of each level and axis
    "levels": case({"depth": 3, "base_filters": 3, "growth": 1.5, "max_filters": 5, "convs_per_level": [1, 2, 3, 1], "norm": "group",
                    "norm_groups": 2, "kernel": [[3, 3], [5, 5], [1, 1], [3, 3]], "skips": [True, False, True], "upsample": "nearest"}, [16, 24],
                   {"terms": [CE]}, {"schedule": "constant"}),
    "strided": case({"depth": 2, "downsample": "conv", "strides": [[1, 2, 1], [1, 3, 2]], "kernel": [[1, 3, 5], [1, 5, 1], [1, 3, 3]],
                     "activation": "silu"}, [12, 10], {"terms": [CE, DICE]}),
    "linear": case({"norm": "instance", "norm_eps": 1e-3, "upsample": "nearest", "activation": "none", "downsample": "avgpool"},
                   [8, 12], {"terms": [CE, DICE]}, {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4}),
    "momentum": case({"norm_momentum": 0.3, "activation": "elu"}, [8, 8], {"terms": [CE, DICE]},
                     {"name": "sgd", "lr": 0.1, "momentum": 0.7, "weight_decay": 0.05, "ema_decay": 0.5}),
    "valid_volume": case({"dims": 3, "padding": "valid", "kernel": [[1, 3, 3], [3, 3, 3]], "strides": [[1, 2, 2]], "base_filters": 2,
                          "head": "sigmoid", "activation": "gelu"}, [6, 22, 24], {"terms": [BCE, DICE]}, pixel_weight=True,
                         ignore=True),
    "weighted_labels": case({"head": "multilabel", "classes": 3, "norm": "instance"}, [8, 8],
                            {"terms": [BCE, DICE], "class_weights": [1, 2, 0.5], "smoothing": 0.1, "dice_batch": False},
                            pixel_weight=True),
}


def main():
    tensors, meta = {}, {}
    for name, c in CASES.items():
        run(c, tensors, name)
        meta["case." + name] = json.dumps({k: c[k] for k in ("model", "train", "loss", "optimiser")})
        meta["extra." + name] = json.dumps({k: c[k] for k in ("ignore", "pixel_weight", "graph")})
        print(name, "loss", tensors[name + "/course"][0, 0], "->", tensors[name + "/course"][-1, 0])
    meta["made_by"] = f"tools/torch_golden.py, PyTorch {torch.__version__}"
    write(sys.argv[1], tensors, meta)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Reference values from PyTorch for tests/unit/test_losses.c: value and gradient of every loss of src/config/losses.def, for
each head it goes with, in two and three dimensions.

Usage: python tools/loss_golden.py tests/golden/losses.safetensors      (PyTorch 2, numpy; everything in double)

The formulas are written from the papers, gradients are PyTorch's own. Logits and targets are made by a formula that the test
repeats bit for bit (fill, as in torch_golden.py), so the file holds results only; its metadata hold each case's configuration
as JSON, which is YAML. Cases are named loss/head/dimensions: those of two dimensions have the defaults, those of three other
values of every key, class 0 in the means, sums over each patch, and no class or pixel weights.
"""
import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

from torch_golden import fill, write

torch.set_default_dtype(torch.float64)
HEADS = {"S": "softmax", "B": "sigmoid", "M": "multilabel"}
# where masks that are neither 0 nor 1 count as what they are
SOFT = ("ce", "bce", "wbce", "dice", "squared_dice", "generalised_dice", "log_cosh_dice", "jaccard", "tversky", "focal_tversky",
        "combo", "focal", "unified_focal", "gce", "sce", "mae", "huber", "smooth_l1", "bootstrap_soft", "bootstrap_hard",
        "top_k", "ohem")


class Case:
    """Logits z, targets y [n][classes][d][h][w] one-hot or soft, pixel weights w (0: ignored), class weights cw."""

    def __init__(self, name, head, dims, term, loss, classes, spacing):
        self.name, self.head, self.dims, self.term, self.loss = f"{name}/{head}/{dims}", head, dims, term, loss
        self.spacing = spacing
        self.shape = [2, 1, 6, 7] if dims == 2 else [2, 3, 4, 5]
        channels = 1 if head == "B" else classes
        count = int(np.prod(self.shape))
        z = 3 * fill("logits." + self.name, count * channels).reshape(self.shape + [channels])
        self.z = torch.tensor(np.moveaxis(z, -1, 1)).requires_grad_(True)
        t = np.floor((fill("target." + self.name, count) + 1) / 2 * classes).astype(np.int64)
        keep = np.ones(count)
        if dims == 2:
            keep = (fill("weight." + self.name, count) + 1.25).astype(np.float32).astype(np.float64)
            drop = fill("ignore." + self.name, count) < -0.75
            keep[drop] = 0
        t, keep = t.reshape(self.shape), keep.reshape(self.shape)
        self.w = torch.tensor(keep)
        if head == "M":
            v = fill("target." + self.name, count * channels)
            soft = (v < -0.25).astype(np.float64)
            if name in SOFT:
                soft[::3] = ((v[::3] + 1) / 2).astype(np.float32)
            self.y = torch.tensor(np.moveaxis(soft.reshape(self.shape + [channels]), -1, 1))
        else:
            self.y = torch.stack([torch.tensor((t == k).astype(np.float64)) for k in range(classes)], 1)
        cw = loss.get("class_weights")
        self.cw = torch.tensor(cw or [1.0] * classes, dtype=torch.float64)
        if cw:
            self.cw = torch.tensor(np.array(cw, dtype=np.float32).astype(np.float64))
        self.first = 0 if head == "M" or loss.get("dice_background") else 1
        self.smooth = loss.get("dice_smooth", 1)
        self.batch = loss.get("dice_batch", True)

    def get(self, key, default):
        return self.term.get(key, default)

    def p(self):
        if self.head == "S":
            return F.softmax(self.z, 1)
        s = torch.sigmoid(self.z)
        return s if self.head == "M" else torch.cat([1 - s, s], 1)

    def groups(self):
        """Indices of the samples whose sums are one."""
        return [[0, 1]] if self.batch else [[0], [1]]

    def class_mean(self, each, first=None):
        """each: [classes]."""
        first = self.first if first is None else first
        cw = self.cw[first:]
        return (each[first:] * cw).sum() / cw.sum()


# ---- mean over pixels of a function of the distribution and the one-hot label ----

def pixel_mean(c, f):
    if c.head != "M":
        p = c.p()
        weight = (c.w[:, None] * c.y * c.cw.view(1, -1, 1, 1, 1)).sum(1)
        return (weight * f(p, c.y)).sum() / weight.sum()
    top, bottom = 0, 0
    for k in range(c.y.shape[1]):
        s, y = c.p()[:, k], c.y[:, k]
        p = torch.stack([1 - s, s], 1)
        one, zero = torch.zeros_like(p), torch.zeros_like(p)
        one[:, 1], zero[:, 0] = 1, 1
        weight = c.w * c.cw[k]
        top = top + (weight * (y * f(p, one) + (1 - y) * f(p, zero))).sum()
        bottom = bottom + weight.sum()
    return top / bottom


def own(p, y):
    return (p * y).sum(1)


def ce(c):
    e, m = c.loss.get("smoothing", 0), c.get("pos_weight", 3 if c.name.startswith("wbce") else 1)
    if c.head == "S":
        logp = F.log_softmax(c.z, 1)
        q = (1 - e) * c.y + e / c.y.shape[1]
        cw = c.cw.view(1, -1, 1, 1, 1)
        return (c.w[:, None] * cw * q * -logp).sum() / (c.w[:, None] * cw * c.y).sum()
    y = c.y[:, 1:] if c.head == "B" else c.y
    q = (1 - e) * y + e / 2
    lp, ln = F.logsigmoid(c.z), F.logsigmoid(-c.z)
    if c.head == "B":
        each = -m * c.cw[1] * q * lp - c.cw[0] * (1 - q) * ln
        return (c.w[:, None] * each).sum() / (c.w * (c.cw[1] * y[:, 0] + c.cw[0] * (1 - y[:, 0]))).sum()
    cw = c.cw.view(1, -1, 1, 1, 1)
    return (c.w[:, None] * cw * (-m * q * lp - (1 - q) * ln)).sum() / (c.w.sum() * c.cw.sum())


def focal_with(c, alpha, gamma):
    def f(p, y):
        at = 1 if alpha is None else alpha * (1 - y[:, 0]) + (1 - alpha) * y[:, 0]
        return at * (1 - own(p, y)) ** gamma * -torch.log(own(p, y))
    return pixel_mean(c, f)


def focal(c):
    return focal_with(c, c.get("alpha", None), c.get("gamma", 2))


def gce(c):
    q = c.get("q", 0.7)
    return pixel_mean(c, lambda p, y: (1 - own(p, y) ** q) / q)


def sce(c):
    a, b, big = c.get("alpha", 0.1), c.get("beta", 1), c.get("delta", 6)

    def f(p, y):
        log_label = torch.where(y > 0, torch.zeros_like(y), torch.full_like(y, -big))
        return -a * torch.log(own(p, y)) - b * (p * log_label).sum(1)
    return pixel_mean(c, f)


def mae(c):
    return pixel_mean(c, lambda p, y: (p - y).abs().mean(1))


def huber(c):
    return pixel_mean(c, lambda p, y: F.huber_loss(p, y, reduction="none", delta=c.get("delta", 0.5)).mean(1))


def smooth_l1(c):
    return pixel_mean(c, lambda p, y: F.smooth_l1_loss(p, y, reduction="none", beta=c.get("delta", 0.5)).mean(1))


def bootstrap_soft(c):
    b = c.get("beta", 0.95)
    return pixel_mean(c, lambda p, y: -((b * y + (1 - b) * p) * torch.log(p)).sum(1))


def bootstrap_hard(c):
    b = c.get("beta", 0.8)

    def f(p, y):
        hard = F.one_hot(p.argmax(1), p.shape[1]).movedim(-1, 1).to(p.dtype)
        return -((b * y + (1 - b) * hard) * torch.log(p)).sum(1)
    return pixel_mean(c, f)


# ---- functions of sums over regions ----

def region_mean(c, f, first=None):
    """f(p, y, w) of a class, [pixels] each."""
    p, total = c.p(), 0
    for g in c.groups():
        each = torch.stack([f(p[g, k].flatten(), c.y[g, k].flatten(), c.w[g].flatten()) for k in range(p.shape[1])])
        total = total + c.class_mean(each, first) / len(c.groups())
    return total


def dice(c, power=1):
    s = c.smooth
    return 1 - region_mean(c, lambda p, y, w: (2 * (w * p * y).sum() + s) / ((w * p**power).sum() + (w * y**power).sum() + s))


def squared_dice(c):
    return dice(c, 2)


def log_cosh_dice(c):
    if c.batch:
        return torch.log(torch.cosh(dice(c)))
    total, groups = 0, c.groups()
    for g in groups:
        c.groups = lambda: [g]
        total = total + torch.log(torch.cosh(dice(c))) / len(groups)
    return total


def generalised_dice(c):
    total = 0
    for g in c.groups():
        p, y, w = c.p()[g], c.y[g], c.w[g][:, None]
        size = (w * y).sum((0, 2, 3, 4))
        v = torch.where(size > 0, 1 / size**2, torch.zeros_like(size))
        v = c.cw * torch.where(size > 0, v, v.max())
        total = total + 1 - 2 * (v * (w * p * y).sum((0, 2, 3, 4))).sum() / \
            (v * ((w * p).sum((0, 2, 3, 4)) + size)).sum()
    return total / len(c.groups())


def jaccard(c):
    def f(p, y, w):
        both = (w * p * y).sum()
        return (both + c.smooth) / ((w * p).sum() + (w * y).sum() - both + c.smooth)
    return 1 - region_mean(c, f)


def tversky_with(c, alpha, beta, power):
    def f(p, y, w):
        tp, fp, fn = (w * p * y).sum(), (w * p * (1 - y)).sum(), (w * (1 - p) * y).sum()
        return (1 - (tp + c.smooth) / (tp + alpha * fp + beta * fn + c.smooth)) ** power
    return region_mean(c, f)


def tversky(c):
    return tversky_with(c, c.get("alpha", 0.3), c.get("beta", 0.7), 1)


def focal_tversky(c):
    return tversky_with(c, c.get("alpha", 0.3), c.get("beta", 0.7), 1 / c.get("gamma", 4 / 3))


def combo(c):
    a = c.get("alpha", 0.5)
    return a * ce(c) + (1 - a) * dice(c)


def unified_focal(c):
    a, d, g = c.get("alpha", 0.5), c.get("delta", 0.6), c.get("gamma", 0.5)
    return a * focal_with(c, d, 1 - g) + (1 - a) * tversky_with(c, 1 - d, d, g)


# ---- ranks ----

def hardest(c, keep):
    """ce over the elements that keep(values) leaves; values: w cw ce."""
    if c.head == "S":
        weight = (c.w[:, None] * c.y * c.cw.view(1, -1, 1, 1, 1)).sum(1)
        each = -(F.log_softmax(c.z, 1) * c.y).sum(1)
    elif c.head == "B":
        weight = (c.w[:, None] * c.y * c.cw.view(1, -1, 1, 1, 1)).sum(1)
        each = F.binary_cross_entropy_with_logits(c.z[:, 0], c.y[:, 1], reduction="none")
    else:
        weight = c.w[:, None] * c.cw.view(1, -1, 1, 1, 1).expand_as(c.y)
        each = F.binary_cross_entropy_with_logits(c.z, c.y, reduction="none")
    counts = (c.w[:, None].expand_as(weight) if c.head == "M" else c.w) > 0
    value, weight = (weight * each)[counts], weight[counts]
    order = torch.argsort(value, descending=True)[:keep(value.detach())]
    return value[order].sum() / weight[order].sum()


def top_k(c):
    return hardest(c, lambda v: math.ceil(c.get("share", 0.1) * len(v)))


def ohem(c):
    hard = -math.log(c.get("threshold", 0.7))
    return hardest(c, lambda v: max(int((v > hard).sum()), math.ceil(c.get("share", 0.0625) * len(v))))


def lovasz_of(error, label, w):
    """Lovasz extension of 1 - IoU; negative errors count as 0."""
    order = torch.argsort(error.detach(), descending=True)
    e, y, w = error[order], label[order], w[order]
    inside = (w * y).sum()
    loss = 1 - (inside - torch.cumsum(w * y, 0)) / (inside + torch.cumsum(w * (1 - y), 0))
    return (F.relu(e) * torch.diff(loss, prepend=loss.new_zeros(1))).sum()


def lovasz(c):
    p, total = c.p(), 0
    for g in c.groups():
        top, bottom = 0, 0
        for k in range(p.shape[1]):
            keep = c.w[g].flatten() > 0
            y, w, q = c.y[g, k].flatten()[keep], c.w[g].flatten()[keep], p[g, k].flatten()[keep]
            if (w * y).sum() > 0:
                top, bottom = top + c.cw[k] * lovasz_of((y - q).abs(), y, w), bottom + c.cw[k]
        total = total + top / bottom / len(c.groups())
    return total


def lovasz_hinge(c):
    total, y = 0, c.y[:, 1:] if c.head == "B" else c.y
    cw = c.cw[1:] if c.head == "B" else c.cw
    for g in c.groups():
        for k in range(y.shape[1]):
            keep = c.w[g].flatten() > 0
            t, w, z = y[g, k].flatten()[keep], c.w[g].flatten()[keep], c.z[g, k].flatten()[keep]
            total = total + cw[k] / cw.sum() * lovasz_of(1 - z * (2 * t - 1), t, w) / len(c.groups())
    return total


# ---- distances: by comparing all pairs ----

def distance_to(mask, spacing):
    """[d][h][w] -> distance of each pixel to the nearest of the mask."""
    at = np.stack(np.meshgrid(*[np.arange(n) * s for n, s in zip(mask.shape, spacing)], indexing="ij"), -1).reshape(-1, 3)
    seeds = at[mask.reshape(-1)]
    if not len(seeds):
        return np.zeros(mask.shape)
    return np.sqrt(((at[:, None] - seeds[None]) ** 2).sum(-1)).min(1).reshape(mask.shape)


def boundary(c):
    p, each = c.p(), []
    for k in range(p.shape[1]):
        phi = np.zeros(c.shape)
        for n in range(c.shape[0]):
            known = c.w[n].numpy() > 0
            y = (c.y[n, k].numpy() > 0.5) & known
            outside = ~y & known
            inner = distance_to(outside, c.spacing)
            phi[n] = np.where(y, np.where(inner > 0, 1 - inner, 0), distance_to(y, c.spacing))
        each.append((c.w * p[:, k] * torch.tensor(phi)).sum() / c.w.sum())
    return c.class_mean(torch.stack(each))


def hausdorff(c):
    p, each, power = c.p(), [], c.get("gamma", 2)
    for k in range(p.shape[1]):
        field = np.zeros(c.shape)
        for n in range(c.shape[0]):
            known = c.w[n].numpy() > 0
            for mask in (c.y[n, k].numpy() > 0.5, p[n, k].detach().numpy() > 0.5):
                for side in (mask & known, ~mask & known):
                    field[n] += distance_to(side, c.spacing) ** power
        each.append((c.w * (p[:, k] - c.y[:, k]) ** 2 * torch.tensor(field)).sum() / c.w.sum())
    return c.class_mean(torch.stack(each))


# ---- neighbourhoods ----

def erode(x):
    axes = (0, 1, 2) if x.shape[2] > 1 else (1, 2)
    least = x
    for a in axes:
        k, pad = [1, 1, 1], [0, 0, 0]
        k[a], pad[a] = 3, 1
        least = torch.minimum(least, -F.max_pool3d(-x, k, 1, pad))
    return least


def dilate(x):
    return F.max_pool3d(x, (3, 3, 3) if x.shape[2] > 1 else (1, 3, 3), 1, (1, 1, 1) if x.shape[2] > 1 else (0, 1, 1))


def skeleton(x, radius):
    s = F.relu(x - dilate(erode(x)))
    for _ in range(radius):
        x = erode(x)
        delta = F.relu(x - dilate(erode(x)))
        s = s + F.relu(delta - s * delta)
    return s


def cldice(c):
    known = (c.w > 0).double()[:, None]
    p, y, r = c.p() * known, c.y * known, int(c.get("radius", 3))
    sp, sy, total = skeleton(p, r), skeleton(y, r), 0
    for g in c.groups():
        each, w = [], c.w[g]
        for k in range(p.shape[1]):
            a = ((w * sp[g, k] * y[g, k]).sum() + c.smooth) / ((w * sp[g, k]).sum() + c.smooth)
            b = ((w * sy[g, k] * p[g, k]).sum() + c.smooth) / ((w * sy[g, k]).sum() + c.smooth)
            each.append(1 - 2 * a * b / (a + b))
        total = total + c.class_mean(torch.stack(each)) / len(c.groups())
    return total


def ssim_edge(c):
    known = (c.w > 0).double()[:, None]
    p, y, r, extra = c.p() * known, c.y * known, int(c.get("radius", 3)), c.get("delta", 4)
    size = tuple(2 * r + 1 if n > 1 else 1 for n in c.shape[1:])
    pad = tuple(n // 2 for n in size)
    mean = lambda x: F.avg_pool3d(F.pad(x, [q for n in reversed(pad) for q in (n, n)]), size, 1) * np.prod(size)
    share = mean(torch.ones_like(p))
    box = lambda x: mean(x) / share
    mp, my = box(p), box(y)
    vp, vy, cov = box(p * p) - mp**2, box(y * y) - my**2, box(p * y) - mp * my
    s = (2 * mp * my + 1e-4) * (2 * cov + 9e-4) / ((mp**2 + my**2 + 1e-4) * (vp + vy + 9e-4))
    edge = ((vy > 1e-9) & (c.w > 0)[:, None]).double()
    v = c.w[:, None] * (1 + extra * edge)
    return c.class_mean((v * (1 - s)).sum((0, 2, 3, 4)) / v.sum((0, 2, 3, 4)))


# name: function, heads, keys of the three-dimensional case
LOSSES = {
    "ce": (ce, "SBM", {}), "dice": (dice, "SBM", {}), "bce": (ce, "BM", {}), "wbce": (ce, "BM", {"pos_weight": 2.5}),
    "focal": (focal, "SBM", {"gamma": 0.5, "alpha": 0.25}), "squared_dice": (squared_dice, "SBM", {}),
    "generalised_dice": (generalised_dice, "SBM", {}), "log_cosh_dice": (log_cosh_dice, "SBM", {}),
    "jaccard": (jaccard, "SBM", {}), "lovasz": (lovasz, "SBM", {}), "lovasz_hinge": (lovasz_hinge, "BM", {}),
    "tversky": (tversky, "SBM", {"alpha": 0.6, "beta": 1.5}),
    "focal_tversky": (focal_tversky, "SBM", {"alpha": 0.6, "beta": 1.5, "gamma": 0.75}),
    "combo": (combo, "SBM", {"alpha": 0.2}),
    "unified_focal": (unified_focal, "SBM", {"alpha": 0.3, "delta": 0.7, "gamma": 0.2}),
    "top_k": (top_k, "SBM", {"share": 0.35}), "ohem": (ohem, "SBM", {"threshold": 0.2, "share": 0.4}),
    "boundary": (boundary, "SBM", {}), "hausdorff": (hausdorff, "SBM", {"gamma": 1}),
    "cldice": (cldice, "SBM", {"radius": 1}), "huber": (huber, "SBM", {"delta": 0.2}),
    "smooth_l1": (smooth_l1, "SBM", {"delta": 0.2}), "mae": (mae, "SBM", {}), "gce": (gce, "SBM", {"q": 0.3}),
    "sce": (sce, "SBM", {"alpha": 0.5, "beta": 0.25, "delta": 3}), "bootstrap_soft": (bootstrap_soft, "SBM", {"beta": 0.6}),
    "bootstrap_hard": (bootstrap_hard, "SBM", {"beta": 0.6}), "ssim_edge": (ssim_edge, "SBM", {"radius": 1, "delta": 0.5}),
}
OWN_ALPHA = ("focal", "tversky", "focal_tversky", "combo", "unified_focal", "sce")


def case(name, head, dims):
    keys = dict(LOSSES[name][2]) if dims == 3 else {}
    classes = 2 if head == "B" else 3
    factor = 1
    if dims == 3 and name not in OWN_ALPHA:
        keys["alpha"] = factor = 0.4
    if dims == 2:
        loss = {"class_weights": [1, 2.5, 0.75][:classes]}
        if name in ("ce", "bce", "wbce"):
            loss["smoothing"] = 0.1
    else:
        loss = {"dice_batch": False, "dice_background": True, "dice_smooth": 0.5}
        if name == "dice":
            loss["dice_squared"] = True
    config = {"model": {"dims": dims, "classes": classes, "head": HEADS[head]},
              "loss": {"terms": [{"name": name, **keys}], **loss}}
    spacing = [1, 1, 1]
    if dims == 3:
        config["data"] = {"spacing": [3, 2, 2.5]}
        spacing = [1.5, 1, 1.25]
    c = Case(name, head, dims, keys, loss, classes, spacing)
    value = factor * (squared_dice(c) if loss.get("dice_squared") else LOSSES[name][0](c))
    value.backward()
    return c, config, value.item()


def main(path):
    tensors, meta = {}, {}
    for name, (_, heads, _) in LOSSES.items():
        for head in heads:
            for dims in (2, 3):
                c, config, value = case(name, head, dims)
                meta["case." + c.name] = json.dumps(config)
                tensors[c.name + "/value"] = np.array([value])
                tensors[c.name + "/grad"] = np.moveaxis(c.z.grad.numpy(), 1, -1).copy()
    meta["made_by"] = f"tools/loss_golden.py, PyTorch {torch.__version__}"
    write(path, tensors, meta)


if __name__ == "__main__":
    main(sys.argv[1])

#!/usr/bin/env python3
"""Reference values from PyTorch for tests/unit/test_variants.c: each architecture of docs/architectures.md by its definition.

Usage: python tools/torch_variants.py tests/golden/variants.safetensors      (PyTorch 2.13, numpy; everything in double)

Weights and batches come from the formula of tools/torch_golden.py. A case holds the logits of the inference form, the
loss of one training batch, and of each parameter's gradient its length and its products with two vectors of that formula.
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

import torch_golden as base
from torch_golden import fill


class Variant(base.Net):
    def filters(self, level):
        return max(int(self.m["base_filters"] * self.m.get("width", 1) * self.m.get("growth", 2) ** level + 0.5), 1)

    def many(self, x):
        """An entry for each axis."""
        return tuple(x) if isinstance(x, (tuple, list)) else (x,) * self.dims

    def conv(self, name, x, co, k=1, stride=1, bias=True, dilation=1, groups=1, patches=False, weight=None):
        k = self.many(k)
        w = self.get((weight or name) + ".weight", co, x.shape[1] // groups, *k)
        b = self.get(name + ".bias", co) if bias else None
        dilation = tuple(dilation if i > 1 else 1 for i in k)
        same = self.m.get("padding", "same") == "same" and not patches
        pad = tuple(i // 2 * d if same else 0 for i, d in zip(k, dilation))
        return (F.conv2d if self.dims == 2 else F.conv3d)(x, w, b, stride, pad, dilation, groups)

    def norm(self, name, x, act=True):
        keep = self.m.get("activation", "relu")
        self.m["activation"] = keep if act else "none"
        x = super().norm(name, x)
        self.m["activation"] = keep
        return x

    def unit(self, block, tag, x, co, k=1, stride=1, act=True, **other):
        if "weight" in other:
            other["weight"] = f"{block}.conv{other['weight']}"
        bias = self.m["norm"] == "none" or self.m.get("bias") == "on"
        x = self.conv(f"{block}.conv{tag}", x, co, k, stride, bias, **other)
        return self.norm(f"{block}.norm{tag}", x, act)

    def mean(self, x):
        return x.mean(tuple(range(2, x.dim())), keepdim=True)

    # ---- blocks: x, filters, number of convolutions, kernel, stride ----

    def plain(self, n, x, co, count, k, stride, picture):
        for i in range(count):
            x = self.unit(n, i, x, co, k, stride if i == 0 else 1)
        return x

    def residual(self, n, x, co, count, k, stride, picture):
        y = x
        for i in range(count):
            y = self.unit(n, i, y, co, k, stride if i == 0 else 1, act=i < count - 1)
        y = self.recalibrate(n, y)
        if x.shape[1] != co or stride != 1:
            x = self.unit(n, "_shortcut", x, co, 1, stride, act=False)
        if x.shape != y.shape:
            cut = [(a - b) // 2 for a, b in zip(x.shape[2:], y.shape[2:])]
            x = x[(slice(None), slice(None)) + tuple(slice(c, c + s) for c, s in zip(cut, y.shape[2:]))]
        return self.act(y + x)

    def dense(self, n, x, co, count, k, stride, picture):
        growth = max(int(self.m.get("dense_growth", 0.5) * co + 0.5), 1)
        found = [self.unit(n, "_in", x, co, k, stride) if stride != 1 else x]
        for i in range(count):
            found.append(self.unit(n, i, torch.cat(found, 1), growth, k))
        return self.unit(n, "_out", torch.cat(found, 1), co)

    def recurrent(self, n, x, co, count, k, stride, picture):
        if x.shape[1] != co or stride != 1:
            x = self.unit(n, "_in", x, co, 1, stride, act=False)
        h = x
        for i in range(count):
            start = h
            for t in range(self.m.get("recurrence", 2) + 1):
                h = self.unit(n, f"{i}_{t}", start + h if t else start, co, k, weight=f"{i}_0")
        return x + h

    def separable(self, n, x, co, count, k, stride, picture):
        for i in range(count):
            if i == 0 and picture:
                x = self.unit(n, 0, x, co, k, stride)
                continue
            x = self.unit(n, f"{i}_depth", x, x.shape[1], k, 1 if i else stride, groups=x.shape[1])
            x = self.unit(n, f"{i}_point", x, co)
        return x

    def inverted(self, n, x, co, count, k, stride, picture):
        e = self.m.get("expansion", 4)
        for i in range(count):
            if i == 0 and picture:
                x = self.unit(n, 0, x, co, k, stride)
                continue
            y = self.unit(n, f"{i}_expand", x, x.shape[1] * e) if e > 1 else x
            y = self.unit(n, f"{i}_depth", y, y.shape[1], k, 1 if i else stride, groups=y.shape[1])
            y = self.unit(n, f"{i}_project", y, co, act=False)
            x = x + y if x.shape == y.shape else y
        return x

    def recalibrate(self, n, x):
        kind, c = self.m.get("recalibrate", "none"), x.shape[1]
        if kind == "none":
            return x
        s = F.relu(self.conv(n + ".reduce", self.mean(x), max(c // self.m.get("se_ratio", 8), 1)))
        y = x * torch.sigmoid(self.conv(n + ".excite", s, c))
        if kind == "scse":
            y = y + x * torch.sigmoid(self.conv(n + ".pixels", x, 1))
        return y

    def block(self, name, level, x, co, stride=1):
        kind = self.m.get("block", "plain")
        first = name == "enc0" and self.m.get("stem", "none") == "none"
        count = self.m.get("convs_per_level", 2)
        count = count if isinstance(count, int) else count[level]
        x = getattr(self, kind)(name, x, co, count, self.axes("kernel", level, 3), stride, first)
        return x if kind == "residual" else self.recalibrate(name, x)

    # ---- what joins them ----

    def linear(self, x, factor):
        return F.interpolate(x, scale_factor=tuple(float(f) for f in factor),
                             mode="bilinear" if self.dims == 2 else "trilinear", align_corners=False)

    def up_to(self, name, x, level):
        s, how, co = self.axes("strides", level, 2), self.m.get("upsample", "transpose"), self.filters(level)
        if how == "transpose":
            return self.up_conv(name, x, co, s)
        x = self.linear(x, s) if how == "bilinear" else F.interpolate(x, scale_factor=s, mode="nearest")
        return self.conv(name, x, co, self.axes("kernel", level, 3))

    def gate(self, level, skip, g):
        n, inner, s = f"gate{level}", max(skip.shape[1] // 2, 1), self.axes("strides", level, 2)
        a = self.conv(n + ".x", skip, inner, s, s, bias=False, patches=True) + self.conv(n + ".g", g, inner)
        return skip * self.linear(torch.sigmoid(self.conv(n + ".psi", F.relu(a), 1)), s)

    def bottom(self, x):
        kind, rates, co = self.m.get("bottom", "plain"), self.m.get("dilations", [1, 2, 4]), x.shape[1]
        k = self.axes("kernel", self.m["depth"], 3)
        if kind == "aspp":
            c = max(co // 4, 1)
            pooled = self.act(self.conv("bottom.pooled", self.mean(x), c))
            found = [self.unit("bottom", 1, x, c)] + [self.unit("bottom", r, x, c, k, dilation=r) for r in rates if r > 1]
            return self.unit("bottom", "_out", torch.cat(found + [pooled.expand(-1, -1, *x.shape[2:])], 1), co)
        total = x
        for i, r in enumerate(rates if kind == "dilated" else []):
            x = self.unit("bottom", i, x, co, k, dilation=r)
            total = total + x
        return total

    def decode(self, enc):
        x, sides = enc[-1], {}
        for i in reversed(range(self.m["depth"])):
            sides[i + 1] = x
            up = self.up_to(f"up{i}", x, i)
            skip = enc[i]
            if self.m.get("gate", "none") != "none":  # over whole pixels of x, then cropped
                wide = [n * s for n, s in zip(x.shape[2:], self.axes("strides", i, 2))]
                skip = self.gate(i, centre(skip, wide), x)
            x = self.block(f"dec{i}", i, torch.cat([centre(skip, up.shape[2:]), up], 1), self.filters(i))
        return x, sides

    def decode_nested(self, enc):
        grid, sides, depth = {(i, 0): e for i, e in enumerate(enc)}, {}, self.m["depth"]
        for j in range(1, depth + 1):
            for i in range(depth + 1 - j):
                up = self.up_to(f"up{i}_{j}", grid[i + 1, j - 1], i)
                cat = torch.cat([grid[i, k] for k in range(j)] + [up], 1)
                grid[i, j] = self.block(f"dec{i}_{j}", i, cat, self.filters(i))
            sides[depth - j] = grid[0, j]
        return grid[0, depth], sides

    def decode_full(self, enc):
        depth, each = self.m["depth"], self.filters(0)
        dec = {depth: enc[-1]}
        for to in reversed(range(depth)):
            found = []
            for i in range(depth + 1):
                x = enc[i] if i <= to else dec[i]
                factor = (1,) * self.dims
                for level in range(min(i, to), max(i, to)):
                    factor = tuple(f * s for f, s in zip(factor, self.axes("strides", level, 2)))
                if i < to:
                    x = (F.max_pool2d if self.dims == 2 else F.max_pool3d)(x, factor)
                elif i > to:
                    x = self.linear(x, factor)
                found.append(self.unit(f"full{to}", f"_from{i}", x, each, self.axes("kernel", to, 3)))
            dec[to] = self.block(f"dec{to}", to, torch.cat(found, 1), each * (depth + 1))
        return dec[0], dec

    def stem(self, x):
        kind, s = self.m.get("stem", "none"), self.m.get("stem_size", 4)
        if kind == "patchify":
            return self.unit("stem", "", x, self.filters(0), s, s, patches=True)
        if kind == "space_to_depth":  # channel ((d s + h) s + w) c + c'
            n, c, *size = x.shape
            x = x.reshape([n, c] + [v for e in size for v in (e // s, s)])
            order = [0] + [3 + 2 * i for i in range(self.dims)] + [1] + [2 + 2 * i for i in range(self.dims)]
            x = x.permute(order).reshape([n, -1] + [e // s for e in size])
        return x

    def all(self, image):
        """Logits, then those of deep supervision."""
        x, enc, depth = self.stem(image), [], self.m["depth"]
        for level in range(depth + 1):
            stride = 1
            if level and self.m.get("downsample") == "conv":
                stride = self.axes("strides", level - 1, 2)
            elif level:
                x = self.pool(x, level - 1)
            x = self.block(f"enc{level}", level, x, self.filters(level), stride)
            enc.append(x)
        enc[-1] = self.bottom(x)
        kind = self.m.get("decoder", "unet")
        x, sides = {"unet": self.decode, "nested": self.decode_nested, "full": self.decode_full}[kind](enc)
        weights = self.m.get("supervision", [])
        head = lambda name, x: self.conv(name, x, self.channels()) if self.m.get("stem", "none") == "none" else \
            self.up_conv(name, x, self.channels(), (self.m.get("stem_size", 4),) * self.dims)
        side = head if kind == "nested" else lambda name, x: self.conv(name, x, self.channels())
        return [head("head", x)] + [side(f"side{i + 1}", sides[i + 1]) for i, w in enumerate(weights) if w > 0]

    def __call__(self, x):
        return self.all(x)[0]


def centre(x, size):
    """The middle of x, of these extents."""
    cut = [(a - b) // 2 for a, b in zip(x.shape[2:], size)]
    return x[(slice(None), slice(None)) + tuple(slice(c, c + n) for c, n in zip(cut, size))]


def nearest(t, size):
    """Targets of the extents of a further output: pixel floor(o in / out)."""
    if t is None or tuple(t.shape[-len(size):]) == tuple(size):
        return t
    for axis, n in enumerate(size):
        axis = t.dim() - len(size) + axis
        t = t.index_select(axis, torch.arange(n) * t.shape[axis] // n)
    return t


def loss(c, outputs):
    weights = [1] + [w for w in c["model"].get("supervision", []) if w > 0]
    total = 0
    for z, w in zip(outputs, weights):
        _, t, pixel = base.batch(c, 1, 0, outputs[0].shape)
        t, pixel = nearest(t, z.shape[2:]), nearest(pixel, z.shape[2:])
        total = total + w * (base.cross_entropy(c, z, t, pixel) + base.dice(c, z, t, pixel))
    return total / sum(weights)


def case(model, patch=None, ignore=True, pixel_weight=False):
    size = list(patch) if patch else [4, 8, 12] if model.get("dims") == 3 else [16, 24]
    return base.case({"depth": 2, "base_filters": 4, "in_channels": 2, **model}, size, None, None, ignore=ignore,
                     pixel_weight=pixel_weight)


SILU = {"activation": "silu"}
CASES = {
    "residual": case({"block": "residual"}),
    "residual_strided": case({"block": "residual", "downsample": "conv", "norm": "instance", "convs_per_level": [1, 2, 3]}),
    "residual_valid": case({"block": "residual", "padding": "valid", "norm": "none", "depth": 1}, (28, 32)),
    "valid_volume": case({"padding": "valid", "norm": "none", "dims": 3, "depth": 1}, (20, 20, 24)),
    "residual_volume": case({"block": "residual", "dims": 3, "norm": "group", "norm_groups": 2, "activation": "leaky_relu"}),
    "dense": case({"block": "dense", "convs_per_level": 3}),
    "dense_volume": case({"block": "dense", "dims": 3, "norm": "none", "upsample": "nearest", "head": "sigmoid", **SILU}),
    "dense_strided": case({"block": "dense", "downsample": "conv", "dense_growth": 0.25, "norm": "none"}),
    "recurrent": case({"block": "recurrent"}),
    "recurrent_volume": case({"block": "recurrent", "recalibrate": "se", "se_ratio": 2, "dims": 3, "activation": "elu",
                              "head": "multilabel", "classes": 3}),
    "recurrent_bias": case({"block": "recurrent", "norm": "none", "recurrence": 3, **SILU, "convs_per_level": 1}),
    "separable": case({"block": "separable", "base_filters": 8}),
    "separable_strided": case({"block": "separable", "downsample": "conv", "upsample": "bilinear", "kernel": 5, "base_filters": 9}),
    "separable_volume": case({"block": "separable", "dims": 3, "base_filters": 8, "norm": "instance", "downsample": "conv"}),
    "inverted": case({"block": "inverted", "expansion": 3, "base_filters": 6}),
    "inverted_strided": case({"block": "inverted", "expansion": 2, "downsample": "conv", "upsample": "nearest", "width": 0.5,
                              "base_filters": 16}),
    "inverted_volume": case({"block": "inverted", "expansion": 2, "dims": 3, "norm": "instance", "downsample": "avgpool",
                             "activation": "gelu", "bottom": "dilated"}),
    "se": case({"recalibrate": "se", "se_ratio": 2}),
    "scse": case({"recalibrate": "scse", "se_ratio": 4, "block": "residual"}),
    "scse_volume": case({"recalibrate": "scse", "dims": 3, "norm": "instance"}),
    "attention": case({"gate": "attention"}),
    "attention_strides": case({"gate": "attention", "strides": [[1, 2], [2, 3]], "upsample": "bilinear", **SILU}, (16, 36)),
    "attention_valid": case({"gate": "attention", "padding": "valid", "norm": "none", "depth": 1}, (28, 32)),
    "attention_valid_linear": case({"gate": "attention", "padding": "valid", "upsample": "bilinear", "norm": "batch", "depth": 1},
                                   (28, 32)),
    "attention_volume": case({"gate": "attention", "dims": 3, "norm": "instance"}),
    "aspp": case({"bottom": "aspp", "dilations": [1, 2, 3]}),
    "aspp_volume": case({"bottom": "aspp", "dims": 3, "norm": "instance"}),
    "dilated": case({"bottom": "dilated"}),
    "supervised": case({"supervision": [0.5, 0.25]}, pixel_weight=True),
    "supervised_some": case({"supervision": [0, 1], "head": "sigmoid", "block": "residual"}),
    "supervised_multilabel": case({"supervision": [0.5], "head": "multilabel", "classes": 3}),
    "supervised_volume": case({"supervision": [0.5], "dims": 3, "norm": "instance"}),
    "nested": case({"decoder": "nested", "depth": 3, "base_filters": 2}),
    "nested_supervised": case({"decoder": "nested", "supervision": [1], "upsample": "bilinear", "block": "residual"}),
    "nested_stem": case({"decoder": "nested", "supervision": [1], "stem": "patchify", "stem_size": 2}),
    "nested_volume": case({"decoder": "nested", "supervision": [1], "dims": 3, "norm": "instance"}),
    "full": case({"decoder": "full", "depth": 3, "base_filters": 2, "supervision": [1, 0.5, 0.25]}),
    "full_volume": case({"decoder": "full", "dims": 3, "base_filters": 2, "norm": "instance",
                         "strides": [[1, 2, 2], [2, 2, 2]]}),
    "patchify": case({"stem": "patchify", "depth": 1}),
    "patchify_volume": case({"stem": "patchify", "stem_size": 2, "dims": 3, "depth": 1, "activation": "none"}),
    "blocks": case({"stem": "space_to_depth", "stem_size": 2, "supervision": [1]}),
    "blocks_volume": case({"stem": "space_to_depth", "stem_size": 2, "dims": 3, "depth": 1, "norm": "instance"}),
    "together": case({"block": "residual", "recalibrate": "se", "gate": "attention", "bottom": "dilated", "supervision": [0.5],
                      "downsample": "conv", "norm": "instance", "activation": "leaky_relu"}),
}


def gradients(c, net, tensors, name):
    """The loss of one training batch; of each parameter's gradient its length and its products with two vectors."""
    net.training = True
    value = loss(c, net.all(base.batch(c, 1, 0, [0, 0] + c["train"]["patch"])[0]))
    value.backward()
    tensors[name + "/loss"] = np.array([value.item()])
    rows = []
    for n in sorted(net.p):
        g = net.p[n].grad.numpy().reshape(-1)
        rows.append([np.linalg.norm(g), g @ fill(n + "/a", g.size), g @ fill(n + "/b", g.size)])
    tensors[name + "/gradients"] = np.array(rows)


def run(c, tensors, name):
    net = Variant(c)
    image = base.batch(c, 1, 0, [0, 0] + c["train"]["patch"])[0]
    with torch.no_grad():
        outputs = net.all(image)
    tensors[name + "/logits"] = np.moveaxis(outputs[0].numpy(), 1, -1)
    if c["model"].get("decoder") == "nested" and c["model"].get("supervision"):
        tensors[name + "/column"] = np.moveaxis(outputs[1].numpy(), 1, -1)
    gradients(c, net, tensors, name)


def main():
    tensors, meta = {}, {}
    for name, c in CASES.items():
        run(c, tensors, name)
        meta["case." + name] = json.dumps({k: c[k] for k in ("model", "train", "loss", "optimiser")})
        meta["extra." + name] = json.dumps({k: c[k] for k in ("ignore", "pixel_weight")})
        print(name, "loss", tensors[name + "/loss"][0], len(tensors[name + "/gradients"]), "parameters")
    meta["made_by"] = f"tools/torch_variants.py, PyTorch {torch.__version__}"
    base.write(sys.argv[1], tensors, meta)


if __name__ == "__main__":
    main()

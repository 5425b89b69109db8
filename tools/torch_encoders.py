#!/usr/bin/env python3
"""Reference values from PyTorch for tests/unit/test_encoders.c: U-Nets over known encoders, by definitions of our own under
the names of torchvision's parameters.

Usage: python tools/torch_encoders.py tests/golden/encoders.safetensors      (PyTorch 2.13, numpy; everything in double)

Weights and pictures come from the formula of tools/torch_golden.py. A case holds every eighth logit of a row and of a
column; the loss of one training batch, and of each parameter's gradient its length and its products with two vectors of that
formula (norms over the batch); the metadata its configuration, and the names and shapes of the encoder's parameters.
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

import torch_golden as base
from torch_variants import Variant, gradients

VGG = {"vgg11": [1, 1, 2, 2, 2], "vgg13": [2, 2, 2, 2, 2], "vgg16": [2, 2, 3, 3, 3]}
RESNET = {"resnet18": (1, [2, 2, 2, 2]), "resnet34": (1, [3, 4, 6, 3]), "resnet50": (4, [3, 4, 6, 3])}
# expansion, kernel, stride, channels, blocks
MOBILE = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 3, 2, 32, 3), (6, 3, 2, 64, 4), (6, 3, 1, 96, 3), (6, 3, 2, 160, 3), (6, 3, 1, 320, 1)]
EFFICIENT = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]


class Encoded(Variant):
    eps, late = 1e-5, False

    def plain_conv(self, name, x, co, k=1, stride=1, groups=1, bias=False):
        w = self.get(f"encoder.{name}.weight", co, x.shape[1] // groups, k, k)
        b = self.get(f"encoder.{name}.bias", co) if bias else None
        pad = k // 2
        if self.late:  # as TensorFlow's "same": the extents divided by the stride, the odd zero at the end
            more = max(k - stride, 0)
            x, pad = F.pad(x, (more // 2, more - more // 2) * 2), 0
        return F.conv2d(x, w, b, stride, pad, 1, groups)

    def bn(self, name, x):
        name, c = "encoder." + name, x.shape[1]
        for n in (name + ".running_mean", name + ".running_var"):
            if n not in self.buffers:
                self.buffers[n] = base.parameter(n, (c,))
        return F.batch_norm(x, self.buffers[name + ".running_mean"], self.buffers[name + ".running_var"],
                            self.get(name + ".weight", c), self.get(name + ".bias", c), self.training, 0, self.eps)

    def conv_bn(self, conv, norm, x, co, act=lambda t: t, **other):
        return act(self.bn(norm, self.plain_conv(conv, x, co, **other)))

    def vgg(self, x):
        name, at, enc = self.m["encoder"].split("_"), 0, []
        for level, count in enumerate(VGG[name[0]][:self.m["depth"] + 1]):
            if level:
                x, at = F.max_pool2d(x, 2), at + 1
            for _ in range(count):
                x = self.plain_conv(f"features.{at}", x, min(64 << level, 512), 3, bias=True)
                if len(name) > 1:
                    x = self.bn(f"features.{at + 1}", x)
                x, at = F.relu(x), at + 2 + len(name[1:])
            enc.append(x)
        return enc

    def residual_block(self, n, x, co, factor, stride):
        if factor == 1:
            y = self.conv_bn(n + ".conv1", n + ".bn1", x, co, F.relu, k=3, stride=stride)
            y = self.conv_bn(n + ".conv2", n + ".bn2", y, co, k=3)
        else:
            y = self.conv_bn(n + ".conv1", n + ".bn1", x, co, F.relu)
            y = self.conv_bn(n + ".conv2", n + ".bn2", y, co, F.relu, k=3, stride=stride)
            y = self.conv_bn(n + ".conv3", n + ".bn3", y, co * factor)
        if y.shape == x.shape:
            return F.relu(x + y)
        if self.m["encoder"] == "resnet20":
            return F.relu(y + self.plain_conv(n + ".shortcut", x, y.shape[1], stride=stride))
        return F.relu(y + self.conv_bn(n + ".downsample.0", n + ".downsample.1", x, co * factor, stride=stride))

    def resnet(self, x):
        factor, counts = RESNET[self.m["encoder"]]
        enc = [x]
        x = self.conv_bn("conv1", "bn1", x, 64, F.relu, k=7, stride=2)
        enc.append(x)
        x = F.max_pool2d(x, 3, 2, 1)
        for i, count in enumerate(counts[:self.m["depth"] - 1]):
            for k in range(count):
                x = self.residual_block(f"layer{i + 1}.{k}", x, 64 << i, factor, 2 if i and not k else 1)
            enc.append(x)
        return enc

    def resnet20(self, x):
        enc = []
        x = self.conv_bn("conv1", "bn1", x, 16, F.relu, k=3)
        for i in range(self.m["depth"] + 1):
            for k in range(3):
                x = self.residual_block(f"layer{i + 1}.{k}", x, 16 << i, 1, 2 if i and not k else 1)
            enc.append(x)
        return enc

    def down(self, rows, block, x, act):
        """Levels of inverted residuals: the last value at each of the extents."""
        enc = [x]
        x = self.conv_bn("features.0.0", "features.0.1", x, 32, act, k=3, stride=2)
        for i, (e, k, stride, co, count) in enumerate(rows):
            if stride == 2:
                enc.append(x)
                if len(enc) > self.m["depth"]:
                    return enc
            for j in range(count):
                x = block(i, j, x, x.shape[1] * e, k, stride if j == 0 else 1, co, act)
        return enc + [x]

    def mobile_block(self, i, j, x, inner, k, stride, co, act):
        n, y, at = f"features.{1 + sum(r[4] for r in MOBILE[:i]) + j}.conv", x, 0
        if inner != x.shape[1]:
            y, at = self.conv_bn(f"{n}.0.0", f"{n}.0.1", y, inner, act), 1
        y = self.conv_bn(f"{n}.{at}.0", f"{n}.{at}.1", y, inner, act, k=k, stride=stride, groups=inner)
        y = self.conv_bn(f"{n}.{at + 1}", f"{n}.{at + 2}", y, co)
        return x + y if x.shape == y.shape else y

    def efficient_block(self, i, j, x, inner, k, stride, co, act):
        n, y, at = f"features.{i + 1}.{j}.block", x, 0
        if inner != x.shape[1]:
            y, at = self.conv_bn(f"{n}.0.0", f"{n}.0.1", y, inner, act), 1
        y = self.conv_bn(f"{n}.{at}.0", f"{n}.{at}.1", y, inner, act, k=k, stride=stride, groups=inner)
        s = act(self.plain_conv(f"{n}.{at + 1}.fc1", y.mean((2, 3), keepdim=True), max(x.shape[1] // 4, 1), bias=True))
        y = y * torch.sigmoid(self.plain_conv(f"{n}.{at + 1}.fc2", s, inner, bias=True))
        y = self.conv_bn(f"{n}.{at + 2}.0", f"{n}.{at + 2}.1", y, co)
        return x + y if x.shape == y.shape else y

    def encode(self, x):
        name = self.m["encoder"]
        if name.startswith("vgg"):
            return self.vgg(x)
        if name == "mobilenet_v2":
            return self.down(MOBILE, self.mobile_block, x, F.relu6)
        if name.startswith("efficientnet"):
            self.late = name.endswith("_tf")
            self.eps = 1e-3 if self.late else 1e-5
            return self.down(EFFICIENT, self.efficient_block, x, F.silu)
        return self.resnet20(x) if name == "resnet20" else self.resnet(x)

    def all(self, x):
        enc = self.encode(x)
        enc[-1] = self.bottom(enc[-1])
        kind = self.m.get("decoder", "unet")
        x, _ = {"unet": self.decode, "nested": self.decode_nested, "full": self.decode_full}[kind](enc)
        return [self.conv("head", x, self.channels())]


SIZE = (64, 96)


def case(encoder, depth, **other):
    side = max(2**depth, 16)
    return base.case({"in_channels": 3, "base_filters": 4, "encoder": encoder, "depth": depth, **other}, [side, 2 * side], ignore=True)


CASES = {name: case(name, 4) for name in ("vgg11", "vgg13", "vgg16", "vgg11_bn", "vgg13_bn", "vgg16_bn")}
CASES.update({name: case(name, 5) for name in ("resnet18", "resnet34", "resnet50", "mobilenet_v2", "efficientnet_b0",
                                               "efficientnet_b0_tf")})
CASES.update({
    "resnet20": case("resnet20", 2),
    "shallow": case("resnet18", 3, in_channels=1),
    "shallow_mobile": case("mobilenet_v2", 2, in_channels=5),
    "one": case("efficientnet_b0", 1, in_channels=2),
    "nested": case("mobilenet_v2", 3, decoder="nested"),
    "full": case("resnet20", 2, decoder="full"),
    "gates": case("efficientnet_b0", 3, gate="attention", bottom="aspp", block="residual"),
})


def smp_names(ours):
    """EfficientNet-B0 as segmentation_models_pytorch names it: blocks are counted in the order in which they run."""
    blocks, names = {}, {}
    for n in ours:
        part = n.split(".")
        if "block" not in part:
            names[n] = "encoder." + ("_conv_stem." if part[3] == "0" else "_bn0.") + part[-1]
            continue
        number = blocks.setdefault((int(part[2]), int(part[3])), len(blocks))
        step = int(part[5]) + (part[2] == "1")  # the first stage does not expand
        word = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_se_reduce", "_se_expand"), ("_project_conv", "_bn2")][step]
        word = word[part[6] in ("1", "fc2")]
        names[n] = f"encoder._blocks.{number}.{word}.{part[-1]}"
    return names


def order(item):
    """Numbers in names count as numbers."""
    return [p.zfill(4) if p.isdigit() else p for p in item[0].split(".")]


def run(c, tensors, name):
    """Its network, with the parameters that it has used."""
    net, channels = Encoded(c), c["model"]["in_channels"]
    image = base.fill("image", SIZE[0] * SIZE[1] * channels).astype(np.float32).astype(np.float64)
    image = np.moveaxis(image.reshape(1, *SIZE, channels), -1, 1)
    with torch.no_grad():
        z = net(torch.tensor(np.ascontiguousarray(image)))
    tensors[name + "/logits"] = np.moveaxis(z.numpy(), 1, -1)[0, ::8, ::8]
    gradients(c, net, tensors, name)
    return net


def main():
    tensors, meta = {}, {}
    for name, c in CASES.items():
        net = run(c, tensors, name)
        meta["case." + name] = json.dumps({k: c[k] for k in ("model", "train", "loss", "optimiser")})
        shapes = {k: list(v.shape) for k, v in sorted({**net.p, **net.buffers}.items(), key=order) if k.startswith("encoder.")}
        meta["names." + name] = json.dumps(shapes) if name == c["model"]["encoder"] else "{}"
        if name == "efficientnet_b0_tf":
            meta["smp"] = json.dumps(smp_names(list(shapes)))
        print(name, "loss", tensors[name + "/loss"][0], sum(int(np.prod(s)) for s in shapes.values()))
    meta["made_by"] = f"tools/torch_encoders.py, PyTorch {torch.__version__}"
    base.write(sys.argv[1], tensors, meta)


if __name__ == "__main__":
    main()

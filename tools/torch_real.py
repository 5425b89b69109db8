#!/usr/bin/env python3
"""Reference values from PyTorch for tests/unit/test_import.c: networks with weights that others trained, by definitions of our
own.

Usage: python tools/torch_real.py ../shared/data/weights tests/golden/real.safetensors      (PyTorch 2.13, numpy; in double)

Reads the arrays (arrays.npz), runs no pickle. The file made holds every eighth logit of a row and of a column for a picture by
the formula of tools/torch_golden.py, and no weights.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

import torch_golden as base
from torch_encoders import Encoded, SIZE, case


class Lwnet:
    """Galdran et al. 2020: two small U-Nets in a row, the second reads the picture and the logits of the first."""

    def __init__(self, arrays):
        self.w = {k: torch.tensor(v.astype(np.float64)) for k, v in arrays.items()}

    def conv(self, n, x):
        w = self.w[n + ".weight"]
        return F.conv2d(x, w, self.w.get(n + ".bias"), padding=w.shape[-1] // 2)

    def bn(self, n, x):
        return F.batch_norm(x, *(self.w[f"{n}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))

    def unit(self, n, i, x):
        return self.bn(f"{n}.block.{i + 2}", F.relu(self.conv(f"{n}.block.{i}", x)))

    def block(self, n, x):
        return self.unit(n, 3, self.unit(n, 0, x)) + self.bn(n + ".shortcut.1", self.conv(n + ".shortcut.0", x))

    def unet(self, n, x):
        x = self.block(n + ".first", x)
        skips = []
        for i in range(2):
            skips.append(x)
            x = self.block(f"{n}.down_path.{i}", F.max_pool2d(x, 2))
        for i in range(2):
            up = f"{n}.up_path.{i}"
            x = F.conv_transpose2d(x, self.w[up + ".up_layer.block.0.weight"], self.w[up + ".up_layer.block.0.bias"], 2)
            x = torch.cat([x, self.unit(up + ".conv_bridge_layer", 0, skips.pop())], 1)
            x = self.block(up + ".conv_layer", x)
        return self.conv(n + ".final", x)

    def __call__(self, x):
        return self.unet("unet2", torch.cat([x, self.unet("unet1", x)], 1))


class Real(Encoded):
    """The encoder's parameters from arrays; shortcuts as the network had them: every second pixel, zeros round the channels."""

    def __init__(self, config, arrays):
        super().__init__(config)
        for k, v in arrays.items():
            v = torch.tensor(v.astype(np.float64))
            (self.buffers if "running" in k else self.p)["encoder." + k.removeprefix("module.")] = v

    def plain_conv(self, name, x, co, k=1, stride=1, **other):
        if name.endswith(".shortcut"):
            return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, co // 4, co // 4))
        return super().plain_conv(name, x, co, k=k, stride=stride, **other)


def main():
    folder, out = sys.argv[1:]
    image = base.fill("image", SIZE[0] * SIZE[1] * 3).astype(np.float32).astype(np.float64)
    image = torch.tensor(np.ascontiguousarray(np.moveaxis(image.reshape(1, *SIZE, 3), -1, 1)))
    nets = {"lwnet": Lwnet(np.load(folder + "/lwnet_wnet_drive/arrays.npz")),
            "resnet20": Real({"model": case("resnet20", 2)}, np.load(folder + "/resnet20_cifar10/arrays.npz"))}
    tensors = {}
    for name, net in nets.items():
        with torch.no_grad():
            z = net((image + 1) / 2 if name == "lwnet" else image)
        tensors[name + "/logits"] = np.moveaxis(z.numpy(), 1, -1)[0, ::8, ::8]
        print(name, float(z.abs().max()))
    base.write(out, tensors, {})


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Thirty steps of training by PyTorch from the initial weights and batches that tests/unit/test_parity.c dumps.

Usage: UNET_TEST_WRITE=parity.dump build/tests/test_parity
       python tools/torch_parity.py parity.dump tests/golden/parity.safetensors      (PyTorch 2.13, numpy, safetensors)

Writes loss, norm of the gradient before clipping, cross-entropy and Dice loss of each step, computed in double; prints how far
PyTorch's own losses in float are from them.
"""
import json
import sys

import numpy as np
import torch
from safetensors import safe_open

from torch_golden import Net, cross_entropy, dice, optimiser, rate, write


class DumpedNet(Net):
    """The network with parameters from the dump."""

    def __init__(self, config, dump, dtype):
        super().__init__(config)
        for name in dump.keys():
            if name.endswith(("running_mean", "running_var")):
                self.buffers[name] = dump.get_tensor(name).to(dtype, copy=True)
            elif name.endswith(("weight", "bias")):
                self.p[name] = dump.get_tensor(name).to(dtype, copy=True).requires_grad_(True)


def course(config, dump, dtype):
    torch.set_default_dtype(dtype)
    net = DumpedNet(config, dump, dtype)
    net.training = True
    opt, rows, o = optimiser(config, net), [], config["optimiser"]
    for step in range(1, config["train"]["steps"] + 1):
        opt.zero_grad()
        z = net(dump.get_tensor(f"image.{step}").to(dtype).permute(0, 3, 1, 2).contiguous())
        t = dump.get_tensor(f"target.{step}").long()
        terms = [f(config, z, t, None) for f in (cross_entropy, dice)]
        (terms[0] + terms[1]).backward()
        norm = torch.nn.utils.clip_grad_norm_(net.p.values(), o["clip_norm"])
        for g in opt.param_groups:
            g["lr"] = rate(config, step)
        opt.step()
        rows.append([terms[0].item() + terms[1].item(), norm.item(), terms[0].item(), terms[1].item()])
    return np.array(rows)


def main():
    with safe_open(sys.argv[1], "pt") as dump:
        config, checksum = json.loads(dump.metadata()["config"]), dump.metadata()["checksum"]
        doubles, floats = course(config, dump, torch.float64), course(config, dump, torch.float32)
    print("loss", doubles[0, 0], "->", doubles[-1, 0], "; in float off by", np.abs(floats / doubles - 1)[:, 0].max())
    write(sys.argv[2], {"course": doubles}, {"checksum": checksum, "made_by": f"tools/torch_parity.py, PyTorch {torch.__version__}"})


if __name__ == "__main__":
    main()

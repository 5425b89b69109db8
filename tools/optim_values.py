#!/usr/bin/env python3
"""Prints tests/golden/optim.inc: what PyTorch's SGD, Adam and AdamW make of three weights in four steps (double).

Needs torch."""
import torch

GRADS = [[0.5, -1.0, 0.25], [-0.25, 2.0, 0.125], [1.0, 0.0, -3.0], [0.75, -0.5, 0.0625]]
CASES = [  # name, class, options as in un_optim_args
    ("sgd", torch.optim.SGD, dict(lr=0.1)),
    ("sgd", torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.01)),
    ("sgd", torch.optim.SGD, dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.1)),
    ("adam", torch.optim.Adam, dict(lr=0.01)),
    ("adam", torch.optim.Adam, dict(lr=0.02, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    ("adam", torch.optim.AdamW, dict(lr=0.02, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)),
]


def run(kind, options):
    w = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    opt = kind([w], **options)
    for g in GRADS:
        w.grad = torch.tensor(g, dtype=torch.float64)
        opt.step()
    return w.tolist()


if __name__ == "__main__":
    print(f"/* Made by tools/optim_values.py with PyTorch {torch.__version__.split('+')[0]}. */")
    for name, kind, o in CASES:
        betas = o.get("betas", (0.9, 0.999))
        values = ", ".join(repr(v) for v in run(kind, o))
        print(
            f"{{{int(name == 'adam')}, {o['lr']}, {o.get('weight_decay', 0)}, {betas[0]}, {betas[1]}, {o.get('eps', 1e-8)}, "
            f"{o.get('momentum', 0)}, {int(o.get('nesterov', False))}, {int(kind is torch.optim.AdamW)},\n    {{{values}}}}},"
        )

#!/usr/bin/env python3
"""Makes examples/nuclei from a folder with the 2018 Data Science Bowl stage-1 pictures and merged masks.

Usage: make_sample.py SOURCE TARGET      (needs numpy and Pillow; never needed to build or run unet)

The rule, also in THIRD_PARTY.md: names are sorted and put into four kinds by their pixels; of the many fluorescence
pictures every third is taken, of the rare other kinds all; in each kind the names 1, 4, 7 ... (counted from 0) are kept
apart in test.txt. Files are copied byte for byte.
"""
import pathlib
import shutil
import sys

import numpy as np
from PIL import Image

KINDS = {"fluorescence": 3, "stain-violet-ground": 1, "stain-white-ground": 1, "bright-field": 1}


def kind(path):
    """By brightness and mean saturation (largest minus smallest channel), which a violet ground has everywhere."""
    rgb = np.asarray(Image.open(path).convert("RGB")).astype(float)
    saturation = rgb.max(2) - rgb.min(2)
    if saturation.mean() < 3:
        return "fluorescence" if rgb.mean() < 100 else "bright-field"
    return "stain-violet-ground" if np.quantile(saturation, 0.2) > 20 else "stain-white-ground"


def main(source, target):
    groups = {k: [] for k in KINDS}
    for path in sorted((source / "images").iterdir()):
        groups[kind(path)].append(path.name)
    train, test = [], []
    for name, every in KINDS.items():
        taken = groups[name][::every]
        test += taken[1::3]
        train += [n for i, n in enumerate(taken) if i % 3 != 1]
        print(f"{name}: {len(groups[name])} there, {len(taken)} taken, {len(taken[1::3])} of them in test")
    for folder in ("images", "masks"):
        (target / folder).mkdir(parents=True, exist_ok=True)
        for n in train + test:
            shutil.copyfile(source / folder / n, target / folder / n)
    for listed, names in (("train.txt", train), ("test.txt", test)):
        (target / listed).write_text("".join(pathlib.Path(n).stem + "\n" for n in sorted(names)))


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))

#!/usr/bin/env python3
"""Makes examples/nuclei from a folder with the 2018 Data Science Bowl stage-1 pictures and merged masks.

Usage: make_sample.py SOURCE TARGET      (needs numpy and Pillow; never needed to build or run unet)

The rule, also in THIRD_PARTY.md: all pictures of at most half a million pixels, sorted by name and put into four kinds
by their pixels; in each kind the names 1, 5, 9 ... (counted from 0) are kept apart in test.txt. Pictures are written
anew without loss: the alpha channel, which says nothing, is left out, and grey ones have one channel. Masks are copied.
"""
import pathlib
import shutil
import sys

import numpy as np
from PIL import Image

MOST_PIXELS = 500_000
TEST_EVERY = 4


def kind(rgb):
    """By brightness and mean saturation (largest minus smallest channel), which a violet ground has everywhere."""
    rgb = rgb.astype(float)
    saturation = rgb.max(2) - rgb.min(2)
    if saturation.mean() < 3:
        return "fluorescence" if rgb.mean() < 100 else "bright-field"
    return "stain-violet-ground" if np.quantile(saturation, 0.2) > 20 else "stain-white-ground"


def write(rgb, path):
    grey = (rgb == rgb[..., :1]).all()
    Image.fromarray(rgb[..., 0] if grey else rgb).save(path, optimize=True)


def main(source, target):
    for folder in ("images", "masks"):
        shutil.rmtree(target / folder, ignore_errors=True)
        (target / folder).mkdir(parents=True)
    kinds = {}
    for path in sorted((source / "images").iterdir()):
        rgb = np.asarray(Image.open(path).convert("RGB"))
        if rgb.shape[0] * rgb.shape[1] > MOST_PIXELS:
            continue
        kinds.setdefault(kind(rgb), []).append(path.stem)
        write(rgb, target / "images" / path.name)
        shutil.copyfile(source / "masks" / path.name, target / "masks" / path.name)
    lists = {"train.txt": [], "test.txt": []}
    for name, stems in kinds.items():
        for i, stem in enumerate(stems):
            lists["test.txt" if i % TEST_EVERY == 1 else "train.txt"].append(stem)
        print(f"{name}: {len(stems)}, {len(stems[1::TEST_EVERY])} of them in test")
    for listed, stems in lists.items():
        (target / listed).write_text("".join(stem + "\n" for stem in sorted(stems)))
        print(f"{listed}: {len(stems)}")


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))

#!/usr/bin/env python3
"""Augmentation beside albumentations, one core each, in turns in one run: docs/augmentation-speed.md.

    augment.py [--op NAME]... [--channels 3|1]... [--seconds S] [--quick] [--list]

Both get the same decoded 8-bit picture and its mask, and make patches of float32, normalised, with their mask.
"""
import argparse
import datetime
import json
import math
import os
import re
import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np

import machine
import run

OURS = os.path.join(run.ROOT, "build", "bench", "augment_ours")
FOLDER = os.path.join(run.ROOT, "bench", "results", "augment")
EXTENT, PATCH = 512, 256
TURN_MS = 60
PREPARE = 20  # times that a picture is prepared
# Draws that share the preparation of a picture: those of a default training of half an hour (CamVid in
# docs/accuracy.md, the fewest of its full runs on pictures); of one with many pictures; where the cache holds none.
DRAWS = {348: "a default training of half an hour, CamVid", 20: "a training with many pictures",
         1: "prepared anew each time"}


@dataclass(frozen=True)
class Op:
    name: str
    ours: str         # keys
    theirs: str       # transforms, evaluated with A and B, the border that reflects
    colour: bool = False  # three channels only
    extra: bool = False   # not part of the means


def affine(what):
    return f"A.Affine({what}, border_mode=B, p=1)"


BALANCE = "A.RandomBrightnessContrast({}, p=1)"
OPS = [
    Op("none", "", "", extra=True),
    Op("flip", "flip=1", "A.HorizontalFlip(p=1), A.VerticalFlip(p=1)"),
    Op("rot90", "rot90=1", "A.RandomRotate90(p=1)"),
    Op("rotate", "rotate=1 rotate_deg=30", "A.Rotate(30, border_mode=B, p=1)"),
    Op("scale", "scale=1 scale_range=[0.7,1.4]", affine("scale=(0.7, 1.4)")),
    Op("shear", "shear=1 shear_deg=15", affine("shear=(-15, 15)")),
    Op("translate", "translate=1 translate_share=0.1", affine("translate_percent=(-0.1, 0.1)")),
    Op("perspective", "perspective=1 perspective_share=0.15", "A.Perspective((0.05, 0.1), border_mode=B, p=1)"),
    Op("grid", "grid=1 grid_cells=5 grid_change=0.3", "A.GridDistortion(5, 0.3, border_mode=B, p=1)"),
    Op("elastic", "elastic=1 elastic_px=4 elastic_grid_px=48",
       "A.ElasticTransform(alpha=300, sigma=24, approximate=True, border_mode=B, p=1)"),
    Op("gamma", "gamma=1 gamma_range=[0.7,1.5]", "A.RandomGamma((70, 150), p=1)"),
    Op("contrast", "contrast=1 contrast_range=[0.75,1.25]", BALANCE.format("0, 0.25")),
    Op("brightness", "brightness=1 brightness_range=0.3", BALANCE.format("0.1, 0")),
    Op("invert", "invert=1", "A.InvertImg(p=1)"),
    Op("hue", "hue=1 hue_deg=10", "A.HueSaturationValue(5, 0, 0, p=1)", colour=True),
    Op("saturation", "saturation=1 saturation_range=[0.8,1.25]", "A.HueSaturationValue(0, 30, 0, p=1)", colour=True),
    Op("grey", "grey=1", "A.ToGray(p=1)", colour=True),
    Op("channel_shuffle", "channel_shuffle=1", "A.ChannelShuffle(p=1)", colour=True),
    Op("channel_drop", "channel_drop=1", "A.ChannelDropout(p=1)", colour=True),
    Op("stain", "stain=1 stain_range=0.1", "A.HEStain('preset', 'ruifrok', (0.9, 1.1), (-0.1, 0.1), True, p=1)", colour=True),
    Op("equalise", "equalise=1 equalise_share=1", "A.Equalize(by_channels=False, p=1)"),
    Op("clahe", "clahe=1 clahe_share=1 clahe_clip=3", "A.CLAHE((3, 3), p=1)"),
    Op("haze", "haze=1 haze_share=0.5", "A.RandomFog(0.08, (0, 0.5), p=1)", colour=True,
       extra=True),  # it draws discs
    # both: one or two polygons of a random darkness anywhere; ours also brighter ones, with soft edges
    Op("shade", "shade=1 shade_share=0.5 shade_width=1 shade_layers=2",
       "A.RandomShadow((0, 0, 1, 1), (1, 2), 5, (0, 0.5), p=1)"),
    Op("blur", "blur=1 blur_px=[0.5,1.2]", "A.GaussianBlur(0, (0.5, 1.2), p=1)"),
    Op("motion", "motion=1 motion_px=[2,8]", "A.MotionBlur((3, 9), p=1)"),
    Op("defocus", "defocus=1 defocus_px=[1,3]", "A.Defocus((1, 3), p=1)"),
    Op("sharpen", "sharpen=1 sharpen_gain=1", "A.Sharpen((0, 0.5), method='gaussian', kernel_size=7, sigma=1, p=1)", colour=True),  # theirs breaks pictures of one channel
    Op("lowres", "lowres=1 lowres_range=[0.5,1]",
       "A.Downscale((0.5, 0.99), {'downscale': cv2.INTER_NEAREST, 'upscale': cv2.INTER_LINEAR}, p=1)"),
    Op("noise", "noise=1 noise_std=0.15", "A.GaussNoise((0, 0.05), p=1)"),
    Op("poisson", "poisson=1 poisson_std=0.1", "A.ShotNoise((0.01, 0.1), p=1)"),
    Op("speckle", "speckle=1 speckle_std=0.2", "A.MultiplicativeNoise((0.8, 1.2), True, True, p=1)"),
    Op("salt_pepper", "salt_pepper=1 salt_pepper_share=0.02", "A.SaltAndPepper((0.001, 0.02), p=1)"),
    Op("jpeg", "jpeg=1 jpeg_loss=0.8", "A.ImageCompression('jpeg', (20, 100), p=1)"),
    Op("cutout", "cutout=1 cutout_share=0.3 cutout_boxes=2", "A.CoarseDropout((2, 2), (0.01, 0.3), (0.01, 0.3), p=1)"),
    Op("gridmask", "gridmask=1 gridmask_share=0.4 gridmask_px=[24,64]", "A.GridDropout(0.4, True, (24, 64), p=1)"),
    # both: a point in the middle half; theirs joins patches that were cut before, which is less work
    Op("mosaic", "mosaic=1", f"A.Mosaic((2, 2), ({PATCH}, {PATCH}), ({PATCH}, {PATCH}), (0.25, 0.75), p=1)"),
    Op("default policy", "policy=default",
       "A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5), A.RandomRotate90(p=0.5), A.Rotate(30, border_mode=B, p=0.3), "
       "A.Affine(scale=(0.7, 1.4), border_mode=B, p=0.3), A.RandomGamma((70, 150), p=0.3), "
       "A.RandomBrightnessContrast(0, 0.25, p=0.3), A.RandomBrightnessContrast(0.1, 0, p=0.3), "
       "A.GaussNoise((0, 0.05), p=0.15)", extra=True),
]

LEFT_OUT = {  # every other operation of ours
    "inverse_gamma": "RandomGamma counts from the dark end alone",
    "window": "none moves both ends of the range and cuts (AutoContrast, RandomToneCurve: other curves)",
    "random_conv": "none",
    "bias_field": "Illumination draws a ramp, a corner or a Gaussian, no polynomial of the position",
    "ghosting": "none works in k-space",
    "spike": "none works in k-space",
    "stripes": "none",
    "mixup": "none since 2.0",
    "cutmix": "none",
    "copy_paste": "OverlayElements pastes what it is given and leaves the mask as it is",
}


def check_complete():
    """Each row of our registry is compared or left out with a reason."""
    with open(os.path.join(run.ROOT, "src", "data", "augment.def")) as f:
        ours = set(re.findall(r"^UN_AUGMENT\(\w+, +\d+, +(\w+)", f.read(), re.M))
    named = {o.name for o in OPS if not o.name.startswith(("none", "default"))} | set(LEFT_OUT)
    if ours != named:
        sys.exit(f"augment.py: OPS and LEFT_OUT do not fit augment.def: {', '.join(sorted(ours ^ named))}")


def write_picture(folder, channels):
    """Soft blobs of 8 bits with noise, and where they are bright."""
    rng = np.random.default_rng(1)
    coarse = rng.random((EXTENT // 32 + 1, EXTENT // 32 + 1, channels))
    at = np.arange(EXTENT) / 32
    low, part = at.astype(int), (at % 1)
    rows = coarse[low] * (1 - part)[:, None, None] + coarse[low + 1] * part[:, None, None]
    soft = rows[:, low] * (1 - part)[None, :, None] + rows[:, low + 1] * part[None, :, None]
    image = np.clip(255 * soft + rng.normal(0, 8, soft.shape), 0, 255).astype(np.uint8)
    paths = [f"{folder}/picture{channels}.u8", f"{folder}/mask.u8"]
    image.tofile(paths[0])
    (soft[..., 0] > 0.5).astype(np.uint8).tofile(paths[1])
    return paths


# ---- the rival, a process of its own ----


def rival(image, mask, h, w, c, patch):
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would look for newer versions
    began = time.perf_counter()
    import albumentations as A
    import cv2

    cv2.setNumThreads(1)
    picture = {"image": np.fromfile(image, np.uint8).reshape(h, w, c), "mask": np.fromfile(mask, np.uint8).reshape(h, w)}
    ends = [slice(0, patch), slice(h - patch, h)]
    others = [{k: np.ascontiguousarray(v[y, x]) for k, v in picture.items()} for y in ends for x in ends]
    normalise = A.Normalize([120 / 255, 110 / 255, 100 / 255] if c == 3 else [110 / 255], [60 / 255] * c)
    sample, given = None, picture

    def answer(**facts):
        print(json.dumps(facts), flush=True)

    answer(version=f"{A.__version__} (OpenCV {cv2.__version__})", first_ms=1e3 * (time.perf_counter() - began))
    for line in sys.stdin:
        what, _, rest = line.strip().partition(" ")
        if what == "set":
            # ours: the picture beyond the patch comes in; theirs crops first, which is less work
            op = eval(f"[{rest}]", {"A": A, "B": cv2.BORDER_REFLECT_101, "cv2": cv2})
            sample = A.Compose([A.RandomCrop(patch, patch), *op, normalise], seed=1)
            given = {**picture, "mosaic_metadata": others} if any(isinstance(t, A.Mosaic) for t in op) else picture
            answer()
            continue
        ms = []
        for _ in range(int(rest)):
            began = time.perf_counter()
            out = sample(**given)
            ms.append(1e3 * (time.perf_counter() - began))
        assert out["image"].size == patch * patch * c and out["image"].dtype == np.float32
        answer(ms=ms)


# ---- a measurement ----


def start(channels):
    os.makedirs(run.WORK, exist_ok=True)
    numbers = [str(i) for i in (EXTENT, EXTENT, channels, PATCH)]
    files = write_picture(run.WORK, channels)
    core = {min(os.sched_getaffinity(0))}
    here = [sys.executable, os.path.abspath(__file__), "--rival"]
    return [run.Contender(n, [*c, *files, *numbers], core, 60) for n, c in (("ours", [OURS]), ("theirs", here))]


def measure(op, both, seconds):
    """Median milliseconds of a patch, of ours and of theirs."""
    both[0].ask("set " + " ".join("augment." + k for k in op.ours.split()))
    both[1].ask("set " + op.theirs)
    for c in both:
        c.ms, c.last_ms = [], statistics.median(c.ask("run 5")["ms"])
    began = time.monotonic()
    while time.monotonic() - began < seconds or not both[1].ms:
        for c in both:
            c.turn(True, TURN_MS)
        both.reverse()
    by_name = {c.name: round(statistics.median(c.ms), 4) for c in both}
    both.sort(key=lambda c: c.name)
    return by_name


def measure_all(ops, channels, seconds):
    both = start(channels)
    try:
        facts = {"version": both[1].facts["version"], "ops": {},
                 "prepare_ms": round(statistics.median(both[0].ask(f"prepare {PREPARE}")["ms"]), 3)}
        for op in ops:
            if channels == 3 or not op.colour:
                facts["ops"][op.name] = r = measure(op, both, seconds)
                print(f"{channels} channels  {op.name:16s} {r['ours']:8.3f} ms {r['theirs']:8.3f} ms  "
                      f"{r['theirs'] / r['ours']:6.2f}", flush=True)
    finally:
        for c in both:
            c.close()
    return facts


# ---- the page ----


HEAD = """# Speed of augmentation

Written by `make bench-augment` from `bench/results/augment/*.json`: milliseconds from a decoded picture to a patch as the
network takes it, on one core, beside [albumentations](https://albumentations.ai), in turns in one run. Medians; *ratio*
is their time by ours: above 1 we are faster. The mean is geometric, over the operations that both have.

* **Picture:** {extent}x{extent} of 8 bits in memory, with a mask of classes; patches of {patch}x{patch}, cut at random, as float32,
  normalised by mean and deviation, and their mask.
* **unet:** the picture is prepared once and kept as the training keeps it (float32, normalised, with what the sampler asks of
  it), so a patch begins there. Preparing it took {prepare}; a picture that does not fit into `train.cache` needs this
  once more each time it comes.
* **From the decoded picture to the tensor,** with nothing left out, go the means *with preparation*: each patch takes
  its share of that time. The reading taken here is that of a training, in which a picture is prepared once and drawn
  many times: the first of these rows. The last is for a picture that each patch needs prepared anew.
* **albumentations:** `Compose([RandomCrop, operation, Normalize])` on the 8-bit picture; no copy to channels first, no
  conversion to a tensor of PyTorch. One thread (`cv2.setNumThreads(1)`). Borders reflect. Its operations on values work on 8
  bits, many by a table of 256 entries; ours on float32, so that 16-bit pictures lose nothing. Its fog is made of discs, too
  different for the mean. Those of its operations that take milliseconds vary by two and a half from run to run on this machine.
"""


def mean_of(facts, draws=0):
    """Geometric mean and least ratio; with the preparation of a picture shared by so many draws, if any."""
    more = facts["prepare_ms"] / draws if draws else 0
    ratios = [facts["ops"][o.name]["theirs"] / (facts["ops"][o.name]["ours"] + more) for o in OPS
              if not o.extra and o.name in facts["ops"]]
    return math.exp(statistics.fmean(map(math.log, ratios))), min(ratios)


def page(data):
    columns = sorted(data["channels"].items(), reverse=True)
    first = columns[0][1]
    m = data["machine"]
    lines = [f"## {m['model']} ({m['number']})\n", f"albumentations {first['version']}, commit {data['commit']}, {data['date']}.\n",
             "| operation | " + " | ".join(f"unet ms, {c} ch. | albumentations ms | ratio" for c, _ in columns) + " |",
             "|---|" + "--:|--:|--:|" * len(columns)]
    for o in OPS:
        cells = []
        for _, facts in columns:
            r = facts["ops"].get(o.name)
            cells += [f"{r['ours']:.3f}", f"{r['theirs']:.3f}", f"{r['theirs'] / r['ours']:.2f}"] if r else ["", "", ""]
        if any(cells):
            lines.append(f"| {o.name}{' (not in the mean)' if o.extra else ''} | " + " | ".join(cells) + " |")
    means = [mean_of(f) for _, f in columns]
    lines.append("| **geometric mean** | " + " | ".join(f" | | **{a:.2f}**" for a, _ in means) + " |")
    lines.append("| least | " + " | ".join(f" | | {b:.2f}" for _, b in means) + " |")
    for draws, which in DRAWS.items():
        name = f"mean with preparation, {draws} draw{'s' * (draws > 1)} of a picture ({which})"
        lines.append(f"| {name} | " + " | ".join(
            " | | {:.2f}, least {:.2f}".format(*mean_of(f, draws)) for _, f in columns) + " |")
    return "\n".join(lines)


def settings(measured):
    rows = ["| operation | unet | albumentations |", "|---|---|---|"]
    rows += [f"| {o.name} | `{o.ours}` | `{o.theirs.replace('|', '/')}` |" for o in OPS
             if o.ours and o.name in measured]
    left = ["| operation | what albumentations has |", "|---|---|"]
    left += [f"| {name} | {why} |" for name, why in LEFT_OUT.items()]
    return ("## What was compared\n\n`B` reflects at the border.\n\n" + "\n".join(rows) +
            "\n\n## What was not\n\nThe other operations of `unet list augmentations`:\n\n" + "\n".join(left))


def write_page():
    parts, prepared, measured = [], "", set()
    for name in sorted(os.listdir(FOLDER)):
        with open(os.path.join(FOLDER, name)) as f:
            data = json.load(f)
        parts.append(page(data))
        measured.update(*(c["ops"] for c in data["channels"].values()))
        prepared = ", ".join(f"{v['prepare_ms']:.1f} ms with {c} channel{'s' * (c != '1')}" for c, v in sorted(data["channels"].items(), reverse=True))
    head = HEAD.format(extent=EXTENT, patch=PATCH, prepare=prepared)
    with open(os.path.join(run.ROOT, "docs", "augmentation-speed.md"), "w") as f:
        f.write("\n".join([head, *parts, "", settings(measured)]) + "\n")


def store(channels, facts):
    m = machine.describe()
    path = os.path.join(FOLDER, machine.slug(m) + ".json")
    data = {"channels": {}}
    if os.path.exists(path):
        with open(path) as f:
            data = json.load(f)
    old = data["channels"].get(str(channels), {}).get("ops", {})
    facts["ops"] = {**old, **facts["ops"]}
    data["channels"][str(channels)] = facts
    data.update(machine=m, commit=run.commit(), date=datetime.date.today().isoformat())
    os.makedirs(FOLDER, exist_ok=True)
    with open(path + ".new", "w") as f:
        json.dump(data, f, indent=1, sort_keys=True)
        f.write("\n")
    os.replace(path + ".new", path)


def main():
    if sys.argv[1:2] == ["--rival"]:
        return rival(*sys.argv[2:4], *map(int, sys.argv[4:8]))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--op", action="append", default=[], help="only this operation (repeatable); --list names them")
    p.add_argument("--channels", action="append", type=int, choices=(3, 1), help="of the picture; both by default")
    p.add_argument("--seconds", type=float, default=0.5, help="of turns for each operation")
    p.add_argument("--quick", action="store_true", help="a tenth of the time, nothing is saved")
    p.add_argument("--list", action="store_true", help="name the operations")
    a = p.parse_args()
    check_complete()
    ops = [o for o in OPS if not a.op or o.name in a.op]
    if a.list:
        print("\n".join(o.name for o in OPS))
        return
    if len(ops) < len(set(a.op)):
        p.error("no such operation; --list names them")
    for channels in a.channels or (3, 1):
        facts = measure_all(ops, channels, 0.1 * a.seconds if a.quick else a.seconds)
        if not a.quick:
            store(channels, facts)
            write_page()


if __name__ == "__main__":
    main()

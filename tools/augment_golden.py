#!/usr/bin/env python3
"""Reference values for tests/unit/test_augment_golden.c: every operation of src/data/augment.def by its formula, in double.

Usage: python tools/augment_golden.py tests/golden/augment.safetensors      (numpy, scipy)

Random numbers are Philox4x32-10 (Salmon 2011), drawn in the order that docs/augmentation.md gives the parameters; positions, splines,
blurs, cosine transforms and quantiles are scipy's. Pictures come from a formula that the test repeats bit for bit, so the file
holds results only: of each patch every k-th value, of its mask too.
"""
import json
import re
import sys
from pathlib import Path

import numpy as np
from scipy.fft import dctn, idctn
from scipy.interpolate import BSpline
from scipy.ndimage import convolve, correlate1d, map_coordinates
from scipy.spatial.transform import Rotation
from scipy.stats import norm

from golden_file import fill, write

ROOT = Path(__file__).resolve().parent.parent
NUMBER = {name: int(n) for n, name in re.findall(r"^UN_AUGMENT\(\w+, *(\d+), *(\w+),", (ROOT / "src/data/augment.def").read_text(), re.M)}
SEED = 8
MASK32 = 0xFFFFFFFF


# ---- random numbers ----

def philox(ctr, key):
    c, k = list(ctr), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK32, (a >> 32) ^ c[3] ^ k[1], a & MASK32]
        k = [(k[0] + 0x9E3779B9) & MASK32, (k[1] + 0xBB67AE85) & MASK32]
    return c


class Stream:
    """Of one operation in one sample of one step."""

    def __init__(self, op, step, sample):
        self.key = philox([4, 0x756E6574, 0, 0], [SEED, 0])[:2]
        self.ctr, self.out = [0, step, sample, NUMBER[op]], []

    def u32(self):
        if not self.out:
            self.out = philox(self.ctr, self.key)
            self.ctr[0] += 1
        return self.out.pop()

    def uniform(self):
        return self.u32() / 2**32

    def range(self, lo, hi):
        return lo + (hi - lo) * self.uniform()

    def either(self, most):
        return self.range(-most, most)

    def factor(self, lo, hi):
        return np.exp(self.range(np.log(lo), np.log(hi)))

    def below(self, n):
        if n <= 1:
            return 0
        while True:
            m = self.u32() * n
            if (m & MASK32) >= (-n & MASK32) % n:
                return m >> 32

    def normal(self):
        u = (self.u32() + 0.5) / 2**32
        return np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * self.uniform())

    def noise(self, shape):
        """Normal numbers by 16 bits each, tails cut at 4: the quantile function, straight between 4097 places."""
        n = int(np.prod(shape))
        bits = []
        for block in range((n + 7) // 8):
            for word in philox([1 + block] + self.ctr[1:], self.key):
                bits += [word & 0xFFFF, word >> 16]
        places = np.arange(4097) / 4096
        return np.interp((np.array(bits[:n]) + 0.5) / 65536, places, np.clip(norm.ppf(places), -4, 4)).reshape(shape)


# ---- pictures and patches ----

class Picture:
    def __init__(self, name, shape, spacing, size):
        self.name, self.size, self.spacing = name, size, spacing
        v = np.float32(fill("augment." + name, int(np.prod(shape))))
        self.x = (v * np.abs(v)).astype(float).reshape(shape)  # no even histogram
        z, y, x = np.meshgrid(*[np.arange(n) for n in shape[:3]], indexing="ij")
        self.target = (z // 4 + y // 8 + x // 8) % 3
        self.lo, self.hi = self.x.min((0, 1, 2)), self.x.max((0, 1, 2))
        self.mean, self.std = self.x.mean((0, 1, 2)), self.x.std((0, 1, 2))
        self.flat, self.c, self.ratio = shape[0] == 1, shape[3], spacing[0] / np.sqrt(spacing[1] * spacing[2])
        self.start = [(n - s) // 2 for n, s in zip(shape, size)]

    def crop(self, start):
        at = tuple(slice(a, a + n) for a, n in zip(start, self.size))
        return self.x[at].copy(), self.target[at].copy()


PICTURES = [Picture("grey", (1, 50, 54, 1), (1, 1, 1), (1, 34, 36)), Picture("colour", (1, 50, 54, 3), (1, 1, 1), (1, 34, 36)),
            Picture("volume", (12, 24, 26, 2), (1.5, 1, 1), (8, 16, 18))]


def offsets(size):
    """[d][h][w][3]: of each pixel from the middle of the patch."""
    return np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in size], indexing="ij"), -1)


def take(p, place):
    """place: [d][h][w][3] positions in the picture."""
    at = np.moveaxis(place, -1, 0)
    image = np.stack([map_coordinates(p.x[..., k], at, order=1, mode="mirror") for k in range(p.c)], -1)
    near = [np.floor(a + 0.5).astype(int) for a in at]
    near = [np.abs(i) % max(2 * (n - 1), 1) for i, n in zip(near, p.x.shape)]
    near = [np.where(i < n, i, 2 * (n - 1) - i) for i, n in zip(near, p.x.shape)]
    return image, p.target[tuple(near)]


def middle(p):
    return np.array(p.start) + (np.array(p.size) - 1) / 2


def plane_turn(turns):
    c, s = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


# ---- space: each gives the positions that the pixels are read from ----

def flip(p, r, s):
    o = offsets(p.size)
    hit = {2: s.uniform_begin < 0.5, 1: s.uniform() < 0.5, 0: s.uniform() < 0.5}
    for a in range(1 if p.flat else 0, 3):
        o[..., a] *= -1 if hit[a] else 1
    return middle(p) + o


def rot90(p, r, s):
    return middle(p) + offsets(p.size) @ np.round(plane_turn(s.below(4) / 4)).T


def rotate(p, r, s):
    most = r["rotate_deg"] / 360
    m = plane_turn(s.either(most))
    if not p.flat:
        for axis in (1, 2):  # the planes of depth and h, of depth and w
            a = 2 * np.pi * s.either(most)
            t = np.eye(3)
            t[[0, 0, axis, axis], [0, axis, 0, axis]] = np.cos(a), -np.sin(a), np.sin(a), np.cos(a)
            m = m @ t
        mm = np.diag([p.ratio, 1, 1])
        m = np.linalg.inv(mm) @ m @ mm
    return middle(p) + offsets(p.size) @ m.T


def scale(p, r, s):
    f = s.factor(*r["scale_range"])
    return middle(p) + offsets(p.size) / [1 if p.flat else f, f, f]


def shear(p, r, s):
    tan = lambda: np.tan(2 * np.pi * s.either(r["shear_deg"] / 360))
    o = offsets(p.size)
    a, b = tan(), tan()
    c = 0 if p.flat else tan() * p.ratio
    o = np.stack([o[..., 0], o[..., 1], o[..., 2] + c * o[..., 0]], -1)  # what was drawn last acts on the patch first
    o = np.stack([o[..., 0], o[..., 1] + b * o[..., 2], o[..., 2]], -1)
    o = np.stack([o[..., 0], o[..., 1], o[..., 2] + a * o[..., 1]], -1)
    return middle(p) + o


def translate(p, r, s):
    o = offsets(p.size)
    for a in range(2, 0 if p.flat else -1, -1):
        v = s.either(r["translate_share"]) * p.size[a]
        o[..., a] += np.sign(v) * np.floor(abs(v) + 0.5)
    return middle(p) + o


def perspective(p, r, s):
    o, below = offsets(p.size), 1
    for a in range(2, 0 if p.flat else -1, -1):
        below = below + s.either(r["perspective_share"]) * o[..., a] / ((p.size[a] - 1) / 2)
    return middle(p) + o / np.broadcast_to(below, p.size)[..., None]


def grid(p, r, s):
    o, cells = offsets(p.size), r["grid_cells"]
    for a in range(2, 0 if p.flat else -1, -1):
        n = p.size[a] - 1
        width = 1 + np.array([s.either(r["grid_change"]) for _ in range(cells)])
        ends = np.concatenate([[0], np.cumsum(width) / width.sum()])
        o[..., a] = n * (np.interp(o[..., a] + n / 2, np.arange(cells + 1) * n / cells, ends) - 0.5)
    return middle(p) + o


def elastic(p, r, s):
    cell = np.array([max(1, r["elastic_grid_px"] / p.ratio), r["elastic_grid_px"], r["elastic_grid_px"]])
    px = np.array([r["elastic_px"] / p.ratio, r["elastic_px"], r["elastic_px"]])
    axes = [1, 2] if p.flat else [0, 1, 2]
    points = [int((p.size[a] - 1) // cell[a]) + 4 if a in axes else 1 for a in range(3)]
    basis = BSpline.basis_element(np.arange(5.0), extrapolate=False)
    at = lambda a: np.nan_to_num(basis(np.arange(p.size[a])[:, None] / cell[a] + 3 - np.arange(points[a])[None])) \
        if a in axes else np.ones((1, 1))
    g = np.array([s.normal() for _ in range(int(np.prod(points)) * 3)]).reshape(*points, 3)
    g = g * np.where(np.isin(np.arange(3), axes), px, 0) / np.sqrt(151 / 315) ** len(axes)
    return middle(p) + offsets(p.size) + np.einsum("ia,jb,kc,abcd->ijkd", at(0), at(1), at(2), g)


# ---- values: x is the patch, changed in place or given back ----

def by_channel(p, draw):
    """One for a colour, one for each channel else."""
    return np.repeat(draw(), 3) if p.c == 3 else np.array([draw() for _ in range(p.c)])


def stain(p, r, s, x):
    gain = 1 + np.array([s.either(r["stain_range"]) for _ in range(3)])
    lo, hi, least = p.lo.min(), p.hi.max(), 1 / 256
    vectors = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105], [0.268, 0.570, 0.776]])
    density = -np.log(least + (1 - least) * (x - lo) / (hi - lo))
    density = np.clip(density @ np.linalg.inv(vectors) @ np.diag(gain) @ vectors, 0, -2 * np.log(least))
    return lo + (hi - lo) * (np.exp(-density) - least) / (1 - least)


def gamma(p, r, s, x):
    g = by_channel(p, lambda: s.factor(*r["gamma_range"]))
    return p.lo + (p.hi - p.lo) * ((x - p.lo) / (p.hi - p.lo)) ** g


def inverse_gamma(p, r, s, x):
    g = by_channel(p, lambda: s.factor(*r["inverse_gamma_range"]))
    return p.hi - (p.hi - p.lo) * ((p.hi - x) / (p.hi - p.lo)) ** g


def window(p, r, s, x):
    a, b = s.either(r["window_range"]), s.either(r["window_range"])
    return p.lo + (p.hi - p.lo) * np.clip(((x - p.lo) / (p.hi - p.lo) - a) / (1 + b - a), 0, 1)


BINS = 64


def shares(v, clip=None):
    """v in 0..1 -> share of the values below each of the bins' edges."""
    count = np.histogram(v, BINS, (0, 1))[0].astype(float)
    if clip:
        most = max(1, clip * v.size / BINS)
        count = np.minimum(count, most) + np.maximum(count - most, 0).sum() / BINS
    return np.concatenate([[0], np.cumsum(count) / v.size])


def together(p, x):
    """Colours go by their mean, in the range of the first channel."""
    return [(slice(None), x.mean(-1))] if p.c == 3 else [(slice(k, k + 1), x[..., k]) for k in range(p.c)]


def equalise(p, r, s, x):
    share = s.range(0, r["equalise_share"])
    for k, (where, v) in enumerate(together(p, x)):
        t = (v - p.lo[k]) / (p.hi[k] - p.lo[k])
        even = np.interp(t, np.arange(BINS + 1) / BINS, shares(t))
        x[..., where] += (share * (p.hi[k] - p.lo[k]) * (even - t))[..., None]
    return x


def clahe(p, r, s, x):
    share = s.range(0, r["clahe_share"])
    h, w = x.shape[1:3]
    rows, columns = [max(1, min(8, n // 16)) for n in (h, w)]
    place = lambda n, tiles: np.clip((np.arange(n) + 0.5) * tiles / n - 0.5, 0, tiles - 1)
    for k, (where, v) in enumerate(together(p, x)):
        t = (v - p.lo[k]) / (p.hi[k] - p.lo[k])
        for z in range(x.shape[0]):
            maps = np.zeros((rows, columns, h, w))
            for i in range(rows):
                for j in range(columns):
                    part = t[z, i * h // rows:(i + 1) * h // rows, j * w // columns:(j + 1) * w // columns]
                    maps[i, j] = np.interp(t[z], np.arange(BINS + 1) / BINS, shares(part, r["clahe_clip"]))
            y, c = np.meshgrid(place(h, rows), place(w, columns), indexing="ij")
            each = np.stack(np.meshgrid(np.arange(h), np.arange(w), indexing="ij"))
            even = map_coordinates(maps, [y, c, *each], order=1, mode="nearest")
            x[z][..., where] += (share * (p.hi[k] - p.lo[k]) * (even - t[z]))[..., None]
    return x


def in_plane(x, kernel):
    return np.stack([np.stack([convolve(x[z, ..., k], kernel[::-1, ::-1], mode="mirror") for k in range(x.shape[3])], -1)
                     for z in range(x.shape[0])])


def random_conv(p, r, s, x):
    share = s.range(0, r["random_conv_share"])
    kernel = np.array([s.normal() / 3 for _ in range(9)]).reshape(3, 3)
    mix = np.array([[s.normal() / np.sqrt(p.c) for _ in range(p.c)] for _ in range(p.c)])
    return x + share * (p.mean + in_plane(x - p.mean, kernel) @ mix.T - x)


def bias_field(p, r, s, x):
    at = np.meshgrid(*[2 * np.arange(n) / (n - 1) - 1 if n > 1 else np.zeros(1) for n in x.shape[:3]], indexing="ij")
    field = 0
    for i in range(4):
        for j in range(4 - i):
            for k in range(4 - i - j):
                if i + j + k:
                    field = field + s.either(r["bias_field_range"]) * at[0] ** i * at[1] ** j * at[2] ** k
    return p.lo + (x - p.lo) * np.exp(field)[..., None]


def invert(p, r, s, x):
    return p.lo + p.hi - x


def hue(p, r, s, x):
    return x @ Rotation.from_rotvec(2 * np.pi * s.either(r["hue_deg"] / 360) * np.ones(3) / np.sqrt(3)).as_matrix().T


def saturation(p, r, s, x):
    grey = x.mean(-1, keepdims=True)
    return grey + s.range(*r["saturation_range"]) * (x - grey)


def grey(p, r, s, x):
    return np.broadcast_to(x.mean(-1, keepdims=True), x.shape)


def contrast(p, r, s, x):
    return p.mean + by_channel(p, lambda: s.factor(*r["contrast_range"])) * (x - p.mean)


def brightness(p, r, s, x):
    return x + by_channel(p, lambda: s.either(r["brightness_range"])) * p.std


def channel_shuffle(p, r, s, x):
    order = []
    for k in range(p.c):
        order.append(k)
        other = s.below(k + 1)
        order[k], order[other] = order[other], k
    return x[..., order]


def channel_drop(p, r, s, x):
    k = s.below(p.c)
    x[..., k] = p.mean[k]
    return x


def waves(x, fy, fx, phase):
    h, w = x.shape[1:3]
    return np.cos(2 * np.pi * (fy * np.arange(h)[:, None] / h + fx * np.arange(w)[None] / w + phase))


def haze(p, r, s, x):
    dense = s.range(0, r["haze_share"])
    veil = sum(waves(x, s.either(2), s.either(2), s.uniform()) for _ in range(4)) / 4
    return x + (dense * (1 + veil) / 2)[..., None] * (p.hi - x)


def shade(p, r, s, x):
    h, w = x.shape[1:3]
    to = p.lo if s.uniform() < 0.5 else p.hi
    clear, at = np.ones((h, w)), np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    for _ in range(1 + s.below(r["shade_layers"])):
        y, c = s.range(0, h), s.range(0, w)
        radius = r["shade_width"] * min(h, w) / 2 * s.range(0.2, 1)
        turn, sides = s.uniform(), 3 + s.below(7)
        outside = np.full((h, w), -1.0)
        for i in range(sides):
            a = 2 * np.pi * (turn + i / sides)
            outside = np.maximum(outside, np.sin(a) * (at[0] - y) + np.cos(a) * (at[1] - c) - radius * s.range(0.5, 1))
        clear *= 1 - s.range(0, r["shade_share"]) * np.clip(0.5 - outside, 0, 1)
    return x + (1 - clear)[..., None] * (to - x)


def gauss(p, x, sigma):
    for axis, deviation in zip((2, 1, 0), (sigma, sigma, 0 if p.flat else sigma / max(1, p.ratio))):
        if deviation > 0:
            i = np.arange(-max(1, int(3 * deviation + 0.5)), max(1, int(3 * deviation + 0.5)) + 1)
            taps = np.exp(-0.5 * (i / deviation) ** 2)
            x = correlate1d(x, taps / taps.sum(), axis, mode="mirror")
    return x


def blur(p, r, s, x):
    return gauss(p, x, s.range(*r["blur_px"]))


def motion(p, r, s, x):
    length, turns = s.range(*r["motion_px"]), s.uniform()
    half = int(length + 0.5)
    kernel = np.zeros((2 * half + 3,) * 2)
    for t in np.linspace(-0.5, 0.5, 2 * half + 1) * length:  # every half pixel at the furthest, shared among four pixels
        at = np.array([t * np.sin(2 * np.pi * turns), t * np.cos(2 * np.pi * turns)]) + half + 1
        y, c = np.floor(at).astype(int)
        fy, fx = at - (y, c)
        kernel[y:y + 2, c:c + 2] += np.outer((1 - fy, fy), (1 - fx, fx))
    return in_plane(x, kernel / kernel.sum())


def defocus(p, r, s, x):
    radius = s.range(*r["defocus_px"])
    i = np.arange(-int(radius + 0.5), int(radius + 0.5) + 1)
    kernel = np.clip(radius + 0.5 - np.hypot(i[:, None], i[None]), 0, 1)
    return in_plane(x, kernel / kernel.sum())


def sharpen(p, r, s, x):
    return x + s.range(0, r["sharpen_gain"]) * (x - gauss(p, x, 1))


def lowres(p, r, s, x):
    f = s.factor(*r["lowres_range"])
    for axis in (2, 1) if p.flat else (2, 1, 0):
        n = x.shape[axis]
        kept = max(1, int(n * f + 0.5))
        step = n / kept
        few = np.take(x, ((np.arange(kept) + 0.5) * step).astype(int), axis)
        at = np.clip((np.arange(n) + 0.5) / step - 0.5, 0, kept - 1)
        x = np.apply_along_axis(lambda line: np.interp(at, np.arange(kept), line), axis, few)
    return x


def ghosting(p, r, s, x):
    gain = s.range(0, r["ghosting_gain"])
    axis, n = 1 + s.below(2), 2 + s.below(r["ghosting_copies"] - 1)
    ghosts = sum(np.roll(x, -(j * x.shape[axis] // n), axis) - p.mean for j in range(n)) / n
    return x - gain * ghosts


def spike(p, r, s, x):
    amplitude, h, w = s.range(0, r["spike_std"]), *x.shape[1:3]
    fy, fx, phase = s.below(h) - h // 2, 1 + s.below(w // 2), s.uniform()
    return x + amplitude * waves(x, fy, fx, phase)[..., None] * p.std


def stripes(p, r, s, x):
    most, across = s.range(0, r["stripes_std"]), 1 + s.below(2)
    line = np.array([most * s.normal() for _ in range(x.shape[across])])
    return x + (line[:, None] if across == 1 else line[None])[..., None] * p.std


def poisson(p, r, s, x):
    return x + s.range(0, r["poisson_std"]) * np.sqrt((x - p.lo) * (p.hi - p.lo)) * s.noise(x.shape)


def speckle(p, r, s, x):
    return x + s.range(0, r["speckle_std"]) * (x - p.lo) * s.noise(x.shape)


def noise(p, r, s, x):
    return x + s.range(0, r["noise_std"]) * p.std * s.noise(x.shape)


def salt_pepper(p, r, s, x):
    share, flat, i = s.range(0, r["salt_pepper_share"]), x.reshape(-1, p.c), -1
    while True:
        i += 1 + int(np.floor(np.log(1 - s.uniform()) / np.log(1 - share)))
        to = p.hi if s.u32() & 1 else p.lo
        if i >= len(flat):
            return x
        flat[i] = to


LUMINANCE = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
    18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
CHROMINANCE = """17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
    """ + "99 " * 32


def jpeg(p, r, s, x):
    quality = 100 * (1 - s.range(0, r["jpeg_loss"]))
    factor = 5000 / quality if quality < 50 else 200 - 2 * quality
    steps = [np.clip(np.floor((np.array(t.split(), float).reshape(8, 8) * factor + 50) / 100), 1, 255)
             for t in (LUMINANCE, CHROMINANCE)]
    to_ycc = np.array([[0.299, 0.587, 0.114], [-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772],
                       [0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402]])
    h, w = x.shape[1:3]
    full = np.pad((x - p.lo) / (p.hi - p.lo) * 255 - 128, ((0, 0), (0, -h % 8), (0, -w % 8), (0, 0)), "edge")
    if p.c == 3:
        full = full @ to_ycc.T
    for z in range(full.shape[0]):
        for k in range(p.c):
            step = steps[p.c == 3 and k > 0]
            for y in range(0, h, 8):
                for c in range(0, w, 8):
                    q = dctn(full[z, y:y + 8, c:c + 8, k], norm="ortho") / step
                    full[z, y:y + 8, c:c + 8, k] = idctn(np.sign(q) * np.floor(np.abs(q) + 0.5) * step, norm="ortho")
    if p.c == 3:
        full = full @ np.linalg.inv(to_ycc).T
    return p.lo + (full[:, :h, :w] + 128) / 255 * (p.hi - p.lo)


def cutout(p, r, s, x):
    for _ in range(r["cutout_boxes"]):
        box = []
        for a in range(3):
            n = p.size[a]
            side = n if a == 0 and p.flat else int(s.range(0, r["cutout_share"]) * n + 0.5)
            first = s.below(n - side + 1)
            box.append(slice(first, first + side))
        x[tuple(box)] = p.mean
    return x


def gridmask(p, r, s, x):
    period = int(s.range(*r["gridmask_px"]) + 0.5)
    side = int(r["gridmask_share"] * period + 0.5)
    first = s.below(period), s.below(period)
    hit = [(np.arange(n) + f) % period < side for n, f in zip(x.shape[1:3], first)]
    x[:, np.outer(*hit)] = p.mean
    return x


# ---- between: the other sample is another patch of the same picture ----

def other(p, s):
    s.uniform()  # not centred on foreground
    return p.crop([s.below(n - k + 1) for n, k in zip(p.x.shape, p.size)])


def mixup(p, r, s, x, t):
    share = s.range(0, r["mixup_share"])
    return x + share * (other(p, s)[0] - x), t


def cutmix(p, r, s, x, t):
    box = []
    for n in p.size:
        side = int(s.range(0, r["cutmix_share"]) * n + 0.5) if n > 1 else n
        first = s.below(n - side + 1)
        box.append(slice(first, first + side))
    x2, t2 = other(p, s)
    x[tuple(box)], t[tuple(box)] = x2[tuple(box)], t2[tuple(box)]
    return x, t


def mosaic(p, r, s, x, t):
    h, w = p.size[1:]
    y, c = h // 4 + s.below(h // 2 + 1), w // 4 + s.below(w // 2 + 1)
    for rows, columns in ((slice(0, y), slice(c, w)), (slice(y, h), slice(0, c)), (slice(y, h), slice(c, w))):
        x2, t2 = other(p, s)
        x[:, rows, columns], t[:, rows, columns] = x2[:, rows, columns], t2[:, rows, columns]
    return x, t


def copy_paste(p, r, s, x, t):
    cls = 1 + s.below(2)
    place = np.argwhere(p.target == cls)
    at = place[s.below(len(place))]
    start = [min(max(a - k // 2, 0), n - k) for a, k, n in zip(at, p.size, p.x.shape)]
    x2, t2 = p.crop(start)
    return np.where((t2 == cls)[..., None], x2, x), np.where(t2 == cls, cls, t)


# name: function, pictures (g grey, c colour, v volume), settings
SPACE = {"flip": (flip, "gcv", {}), "rot90": (rot90, "gcv", {}), "rotate": (rotate, "gcv", {"rotate_deg": 40}),
         "scale": (scale, "gcv", {"scale_range": [0.6, 1.6]}), "shear": (shear, "gcv", {"shear_deg": 20}),
         "translate": (translate, "gcv", {"translate_share": 0.2}), "perspective": (perspective, "gcv", {"perspective_share": 0.2}),
         "grid": (grid, "gcv", {"grid_change": 0.4, "grid_cells": 4}),
         "elastic": (elastic, "gcv", {"elastic_px": 3, "elastic_grid_px": 9})}
VALUES = {"stain": (stain, "c", {"stain_range": 0.3}), "gamma": (gamma, "gcv", {"gamma_range": [0.6, 1.8]}),
          "inverse_gamma": (inverse_gamma, "gcv", {"inverse_gamma_range": [0.6, 1.8]}), "window": (window, "gcv", {"window_range": 0.2}),
          "equalise": (equalise, "gcv", {"equalise_share": 1}), "clahe": (clahe, "gcv", {"clahe_share": 1, "clahe_clip": 1.5}),
          "random_conv": (random_conv, "gcv", {"random_conv_share": 0.7}), "bias_field": (bias_field, "gcv", {"bias_field_range": 0.4}),
          "invert": (invert, "gcv", {}), "hue": (hue, "c", {"hue_deg": 60}), "saturation": (saturation, "c", {"saturation_range": [0.3, 1.7]}),
          "grey": (grey, "c", {}), "contrast": (contrast, "gcv", {"contrast_range": [0.5, 2]}),
          "brightness": (brightness, "gcv", {"brightness_range": 0.6}), "channel_shuffle": (channel_shuffle, "cv", {}),
          "channel_drop": (channel_drop, "cv", {}), "haze": (haze, "gcv", {"haze_share": 0.8}),
          "shade": (shade, "gcv", {"shade_share": 0.8, "shade_width": 0.7, "shade_layers": 4}), "blur": (blur, "gcv", {"blur_px": [0.5, 1.5]}),
          "motion": (motion, "gcv", {"motion_px": [2, 7]}), "defocus": (defocus, "gcv", {"defocus_px": [1, 3]}),
          "sharpen": (sharpen, "gcv", {"sharpen_gain": 1}), "lowres": (lowres, "gcv", {"lowres_range": [0.4, 0.9]}),
          "ghosting": (ghosting, "gcv", {"ghosting_gain": 0.7, "ghosting_copies": 6}), "spike": (spike, "gcv", {"spike_std": 0.8}),
          "stripes": (stripes, "gcv", {"stripes_std": 0.4}), "poisson": (poisson, "gcv", {"poisson_std": 0.2}),
          "speckle": (speckle, "gcv", {"speckle_std": 0.3}), "noise": (noise, "gcv", {"noise_std": 0.3}),
          "salt_pepper": (salt_pepper, "gcv", {"salt_pepper_share": 0.1}), "jpeg": (jpeg, "gcv", {"jpeg_loss": 0.9}),
          "cutout": (cutout, "gcv", {"cutout_share": 0.5, "cutout_boxes": 2}),
          "gridmask": (gridmask, "gcv", {"gridmask_share": 0.4, "gridmask_px": [5, 12]})}
BETWEEN = {"mixup": (mixup, "gcv", {"mixup_share": 0.5}), "cutmix": (cutmix, "gcv", {"cutmix_share": 0.8}), "mosaic": (mosaic, "gcv", {}),
           "copy_paste": (copy_paste, "gcv", {})}
DRAWS, KEPT = 2, 256


def thinned(v):
    """Every k-th value."""
    v = np.asarray(v, float).reshape(-1)
    return v[::v.size // KEPT | 1]


def run(p, name, draw):
    table = next(t for t in (SPACE, VALUES, BETWEEN) if name in t)
    op, _, settings = table[name]
    s = Stream(name, 1 + draw, draw)
    s.uniform_begin = s.uniform()  # whether it takes place
    x, t = p.crop(p.start)
    if table is SPACE:
        return take(p, op(p, settings, s))
    return (op(p, settings, s, x), t) if table is VALUES else op(p, settings, s, x, t)


def main(path):
    tensors, meta = {}, {}
    for name, (_, pictures, settings) in {**SPACE, **VALUES, **BETWEEN}.items():
        meta["case." + name] = " ".join(f"{k}={json.dumps(v)}".replace(" ", "") for k, v in settings.items())
        for p in PICTURES:
            if p.name[0] in pictures:  # none that leaves the patch as it is
                assert any(np.abs(run(p, name, d)[0] - p.crop(p.start)[0]).max() > 0.02 for d in range(DRAWS)), (name, p.name)
            for draw in range(DRAWS if p.name[0] in pictures else 0):
                x, t = run(p, name, draw)
                tensors[f"{name}/{p.name}/{draw}"] = thinned(x)
                tensors[f"{name}/{p.name}/{draw}/mask"] = thinned(t)
    meta["made_by"] = "tools/augment_golden.py, numpy, scipy"
    write(path, tensors, meta)


if __name__ == "__main__":
    main(sys.argv[1])

#!/usr/bin/env python3
"""Reference values for tests/unit/test_metrics.c: every metric of src/metrics/metrics.def on drawn pictures and volumes.

Usage: python tools/metric_golden.py tests/golden/metrics.safetensors      (numpy, scipy, scikit-learn, scikit-image)

Pixel counts are scored by scikit-learn, surfaces by scipy's erosion and distance transform as MedPy and MONAI do it, skeletons
by thinning of the whole array with scipy's labels, objects are scikit-image's labels compared pair by pair. Masks come from a formula
that the test repeats bit for bit (fill), so the file holds results only. Objects that touch are told apart by scikit-image's
watershed from its h-maxima; what of it the test compares stands at `instances`.
"""
import sys

import numpy as np
from scipy import ndimage
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from skimage.measure import label
from skimage.morphology import h_maxima
from skimage.segmentation import watershed
from sklearn import metrics as sk

from golden_file import fill, write

BETA, TOLERANCE, BOUNDARY, OBJECT_IOU = 2.0, 1.25, 0.02, 0.7
NAN = float("nan")


def blobs(name, shape, count, shift):
    """Balls whose places come from `name`, moved and grown by `shift`."""
    v = (fill(name, 4 * count) + 1) / 2
    w = fill(name + ".shift", 4 * count) * shift
    grid = np.meshgrid(*[np.arange(n, dtype=np.float64) for n in shape], indexing="ij")
    mask = np.zeros(shape, bool)
    for i in range(count):
        at = [v[4 * i + a] * shape[a] + w[4 * i + a] for a in range(3)]
        if shape[0] == 1:
            at[0] = 0.0
        r = 2 + 5 * v[4 * i + 3] + w[4 * i + 3]
        mask |= (grid[0] - at[0]) * (grid[0] - at[0]) + (grid[1] - at[1]) * (grid[1] - at[1]) + \
            (grid[2] - at[2]) * (grid[2] - at[2]) <= r * r
    return mask


def noise(name, shape, share):
    return ((fill(name, int(np.prod(shape))) + 1) / 2 < share).reshape(shape)


def cases():
    """name -> truth, prediction, ignored, spacing"""
    flat, solid, one, mm = (1, 48, 64), (12, 26, 22), (1.0, 1.0, 1.0), (2.5, 0.75, 1.0)
    nothing = np.zeros(flat, bool)
    some = blobs("some", flat, 3, 0)
    ignored = noise("ignored", flat, 0.02)
    yield "flat", blobs("flat", flat, 9, 0), blobs("flat", flat, 9, 1.5), ignored, one
    yield "flat_mm", blobs("flat_mm", flat, 9, 0), blobs("flat_mm", flat, 9, 2), nothing, (1.0, 0.5, 0.75)
    yield "close", blobs("close", flat, 7, 0), blobs("close", flat, 7, 0.6), nothing, one
    yield "noise", noise("noise", flat, 0.4), noise("noise.2", flat, 0.5), nothing, one
    yield "volume", blobs("volume", solid, 8, 0), blobs("volume", solid, 8, 1.2), noise("ignored", solid, 0.01), mm
    yield "volume_noise", noise("volume_noise", solid, 0.35), noise("volume_noise.2", solid, 0.6), \
        np.zeros(solid, bool), mm
    yield "missed", some, nothing, ignored, one
    yield "invented", nothing, some, ignored, one
    yield "nothing", nothing, nothing, ignored, one
    yield "everything", ~nothing, ~nothing, nothing, one


def count_metrics(t, p, voxel):
    """t, p: the pixels that count, flat."""
    out, one = {}, t.any() or p.any()
    zero = {"zero_division": 0}
    out["dice"] = out["f1"] = sk.f1_score(t, p, **zero) if one else NAN
    out["iou"] = sk.jaccard_score(t, p, **zero) if one else NAN
    out["precision"] = sk.precision_score(t, p, **zero) if one else NAN
    out["recall"] = sk.recall_score(t, p, **zero) if one else NAN
    out["f_beta"] = sk.fbeta_score(t, p, beta=BETA, **zero) if one else NAN
    out["specificity"] = sk.recall_score(~t, ~p, **zero) if (~t).any() else NAN
    out["accuracy"] = sk.accuracy_score(t, p)
    constant = (t == t[0]).all() and (p == t[0]).all()
    out["kappa"] = NAN if constant else sk.cohen_kappa_score(t, p)
    both_constant = (t == t[0]).all() and (p == p[0]).all()
    out["mcc"] = NAN if both_constant else sk.matthews_corrcoef(t, p)
    out["volume_difference"] = abs(int(p.sum()) - int(t.sum())) * voxel if one else NAN
    out["relative_volume_difference"] = (p.sum() - t.sum()) / t.sum() if t.any() else NAN
    return out


def surface(mask):
    """MedPy: the mask without its erosion by the cross; outside the picture is background."""
    return mask & ~ndimage.binary_erosion(mask, ndimage.generate_binary_structure(mask.ndim, 1))


def surface_metrics(t, p, spacing, diagonal):
    names = ("hausdorff", "hd95", "assd", "surface_dice", "boundary_iou")
    if not t.any() and not p.any():
        return dict.fromkeys(names, NAN)
    if not t.any() or not p.any():
        return dict(zip(names, (diagonal, diagonal, diagonal, 0, 0)))
    st, sp = surface(t), surface(p)
    there = ndimage.distance_transform_edt(~sp, sampling=spacing)[st]
    back = ndimage.distance_transform_edt(~st, sampling=spacing)[sp]
    both = np.concatenate([there, back])

    def band(mask):
        """Cheng: as many erosions by 3 x 3 as the band is wide; here by a box, so that axes may differ."""
        size = [2 * max(1, round(BOUNDARY * diagonal / s)) + 1 for s in spacing]
        return mask & ~ndimage.binary_erosion(mask, np.ones(size, bool))
    bt, bp = band(t), band(p)
    values = (both.max(), max(np.percentile(there, 95), np.percentile(back, 95)), both.mean(),
              np.mean(both <= TOLERANCE + 1e-9), (bt & bp).sum() / (bt | bp).sum())
    return dict(zip(names, values))


def is_simple(cube):
    """Bertrand 1994: taking the centre away changes no component, tunnel or cavity. cube: [3][3][3]"""
    near = np.ones((3, 3, 3), bool)
    near[1, 1, 1] = False
    near18 = near & (np.abs(np.indices((3, 3, 3)) - 1).sum(0) < 3)
    faces = near & (np.abs(np.indices((3, 3, 3)) - 1).sum(0) == 1)
    parts = ndimage.label(cube & near, np.ones((3, 3, 3)))[1]
    outside = ndimage.label(~cube & near18)[0]
    return parts == 1 and len(set(outside[faces & ~cube])) == 1


def thinned(mask):
    """Lee 1994, on the whole array, as slow as it is short."""
    m = np.pad(mask if mask.ndim == 3 else mask[None], 1)
    cube = lambda i: m[i[0] - 1:i[0] + 2, i[1] - 1:i[1] + 2, i[2] - 1:i[2] + 2]
    changed = True
    while changed:
        changed = False
        for axis, step in ((1, -1), (1, 1), (2, 1), (2, -1), (0, 1), (0, -1)):
            border = np.argwhere(m & ~np.roll(m, -step, axis))
            chosen = [i for i in border if cube(i).sum() != 2 and is_simple(cube(i))]
            for i in chosen:
                if is_simple(cube(i)):
                    m[tuple(i)] = False
                    changed = True
    m = m[1:-1, 1:-1, 1:-1]
    return m if mask.ndim == 3 else m[0]


def cldice(t, p):
    if not t.any() and not p.any():
        return {"cldice": NAN}
    if not t.any() or not p.any():
        return {"cldice": 0}
    a, b = t[thinned(p)].mean(), p[thinned(t)].mean()
    return {"cldice": 2 * a * b / (a + b) if a + b > 0 else 0}


def object_metrics(lt, lp):
    """lt, lp: the number of its object at each pixel, 0 elsewhere."""
    nt, np_ = lt.max(), lp.max()
    iou = np.array([[((lt == i + 1) & (lp == j + 1)).sum() / ((lt == i + 1) | (lp == j + 1)).sum() for j in range(np_)]
                    for i in range(nt)]).reshape(nt, np_)
    tp = lambda threshold: int((iou > threshold + 1e-12).sum())
    n = nt + np_
    ap = lambda threshold: tp(threshold) / (n - tp(threshold)) if n else NAN
    found, pairs = tp(OBJECT_IOU), iou[iou > 0.5]
    none = 0 if n else NAN
    return {
        "objects_true": nt, "objects_predicted": np_, "count_difference": abs(int(nt) - int(np_)),
        "object_precision": found / np_ if np_ else none, "object_recall": found / nt if nt else none,
        "object_f1": 2 * found / n if n else NAN, "object_ap50": ap(0.5), "object_ap75": ap(0.75),
        "object_ap": float(np.mean([ap(0.5 + 0.05 * k) for k in range(10)])),
        "sq": pairs.mean() if len(pairs) else NAN, "rq": 2 * len(pairs) / n if n else NAN,
        "pq": pairs.sum() / (n / 2) if n else NAN}


# Scenes of objects that touch: balls z, y, x, radius (in the unit of the spacing), of truth and prediction.
TOUCHING = {
    "touching": ((1, 72, 96), (1.0, 1.0, 1.0),
                 [(0, 42, 16, 10), (0, 42, 33, 10), (0, 44, 58, 12), (0, 40, 76, 9), (0, 62, 14, 7), (0, 62, 27, 7),
                  (0, 71, 44, 8)] + [(0, 62, x, 5) for x in range(60, 81)],
                 [(0, 43, 16, 9.5), (0, 42, 33.5, 10), (0, 44.5, 58, 11), (0, 62, 13, 7), (0, 62.5, 27, 5.5),
                  (0, 71, 44, 7)] + [(0, 62, x, 5) for x in range(58, 73)] + [(0, 40, 88, 4)]),
    "touching_volume": ((10, 24, 40), (2.0, 1.0, 1.0),
                        [(4.5, 8, 8, 7), (4.5, 8, 19.5, 7), (1.5, 16, 32, 6), (7.5, 16, 32, 6), (4.5, 19, 12, 4)],
                        [(4.5, 8.5, 8, 7), (4.5, 8, 20, 6), (1.5, 16, 33, 6), (7.5, 16, 32, 6), (4.5, 19, 14, 4)]),
}


def balls(shape, spacing, places):
    grid = np.meshgrid(*[np.arange(n, dtype=np.float64) for n in shape], indexing="ij")
    mask = np.zeros(shape, bool)
    for *at, r in places:
        mask |= sum(((g - a) * s) ** 2 for g, a, s in zip(grid, at, spacing)) <= r * r
    if shape[0] == 1:  # a bar with a dent that is no neck: the highest object, at the upper edge of what holds them all
        mask[0, 4:26, 6:90] = True
        mask[0, 4, 48] = False
    return mask


def instances(mask, spacing):
    """scikit-image: watershed on the distance to the background, from the maxima that rise by the finest spacing or more,
    numbered by first pixels. un_objects_find has a rule more (a neck of more than 0.8 of the lower summit does not split) and
    gives single pixels of a border to the other side. So each border here is a neck far on one side of both rules, which is
    asserted; then counts are equal, and the test asks for 99 of 100 pixels and the area of each object within a twentieth."""
    d = ndimage.distance_transform_edt(mask, sampling=spacing)
    seeds = {h: label(h_maxima(d, h * min(spacing)), connectivity=mask.ndim) for h in (0.75, 1, 1.5)}
    assert len({int(s.max()) for s in seeds.values()}) == 1, "a hill that rises by about the limit"
    found = watershed(-d, seeds[1], mask=mask, connectivity=mask.ndim)
    summit = ndimage.maximum(d, found, np.arange(found.max() + 1))
    passes = {}
    for i in np.argwhere(found):
        for j in np.ndindex(*[3] * mask.ndim):
            k = i + np.array(j) - 1
            if (k < 0).any() or (k >= mask.shape).any() or found[tuple(k)] in (0, found[tuple(i)]):
                continue
            pair = tuple(sorted((found[tuple(i)], found[tuple(k)])))
            passes[pair] = max(passes.get(pair, 0), min(d[tuple(i)], d[tuple(k)]))
    for (a, b), height in passes.items():
        low = min(summit[a], summit[b])
        assert height < 0.7 * low and low - height > 1.5 * min(spacing), "a neck near the limits"
    numbers = list(dict.fromkeys(found[found > 0].tolist()))
    return np.array([0] + [numbers.index(n) + 1 for n in range(1, found.max() + 1)])[found]


def curve_metrics(p, y):
    out = {"auc": sk.roc_auc_score(y, p), "average_precision": sk.average_precision_score(y, p),
           "brier": sk.brier_score_loss(y, p)}
    dice = {t: sk.f1_score(y, p >= t) for t in np.unique(p)}
    best = max(dice.values())
    out["best_threshold"] = min((t for t in dice if dice[t] == best), key=lambda t: abs(t - 0.5))
    out["best_dice"] = best
    bins = np.minimum((p * 15).astype(int), 14)
    out["ece"] = sum(np.mean(bins == b) * abs(p[bins == b].mean() - y[bins == b].mean()) for b in np.unique(bins))
    return out


def temperature(p, y):
    """Guo 2017: the temperature with the least negative log-likelihood, and that."""
    z = np.log(np.maximum(np.stack([1 - p, p], 1), 1e-12))
    loss = lambda t: sk.log_loss(y, softmax(z / np.exp(t), axis=1)[:, 1])
    best = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-10})
    return [np.exp(best.x), best.fun]


def main(path):
    tensors, names = {}, None
    for name, t, p, ignored, spacing in cases():
        flat = t.shape[0] == 1
        voxel = float(np.prod(spacing[1:] if flat else spacing))
        diagonal = float(np.sqrt(sum((n * s) ** 2 for n, s in list(zip(t.shape, spacing))[1 if flat else 0:])))
        out = count_metrics(t[~ignored], p[~ignored], voxel)
        t, p = t & ~ignored, p & ~ignored
        if flat:
            t, p, spacing = t[0], p[0], spacing[1:]
        out.update(surface_metrics(t, p, spacing, diagonal))
        out.update(cldice(t, p))
        out.update(object_metrics(label(t, connectivity=t.ndim), label(p, connectivity=p.ndim)))
        names = list(out)
        tensors[name] = np.array([float(v) for v in out.values()])
    for name, (shape, spacing, *places) in TOUCHING.items():
        keep = slice(1 if shape[0] == 1 else 0, 3)
        found = [instances(balls(shape, spacing, p).reshape(shape[keep]), spacing[keep]) for p in places]
        tensors[name] = found[0][found[0] > 0].astype(float)
        tensors[name + ".metrics"] = np.array([float(v) for v in object_metrics(*found).values()])
    # probabilities that are multiples of 1/512, of a network that is too sure
    p = np.floor((fill("p", 3000) + 1) / 2 * 512) / 512
    y = (fill("y", 3000) + 1) / 2 < 0.1 + 0.6 * p
    curves = curve_metrics(p, y)
    tensors["temperature"] = np.array(temperature(p, y))
    tensors["curves"] = np.array(list(curves.values()))
    # many classes together
    a = np.floor((fill("many", 500) + 1) / 2 * 4).astype(int)
    b = np.where(fill("many.2", 500) < 0.3, a, np.floor((fill("many.3", 500) + 1) / 2 * 4)).astype(int)
    tensors["many"] = np.array([sk.cohen_kappa_score(a, b), sk.matthews_corrcoef(a, b)])
    versions = "scipy, scikit-learn, scikit-image"
    objects = " ".join(object_metrics(*found))
    write(path, tensors, {"metrics": " ".join(names), "curves": " ".join(curves), "objects": objects, "made_by": "tools/metric_golden.py, " + versions})


if __name__ == "__main__":
    main(sys.argv[1])

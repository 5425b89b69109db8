#!/usr/bin/env python3
"""Fits the two polynomials of un_erff (src/kernels/vmath.h) and prints their coefficients, constant term first.

Minimax by Lawson's algorithm: least squares whose weights are multiplied by the error until it is level. Needs numpy."""
import math

import numpy as np


def fit(f, weight, lo, hi, degree, nodes=2000):
    t = np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)
    x = (lo + hi) / 2 + (hi - lo) / 2 * t
    y = np.array([f(v) for v in x])
    w = np.array([weight(v) for v in x])
    powers = np.vander(x, degree + 1, increasing=True)
    lawson = w**2
    for _ in range(60):
        c = np.linalg.lstsq(powers * np.sqrt(lawson)[:, None], y * np.sqrt(lawson), rcond=None)[0]
        error = np.abs(powers @ c - y) * w
        lawson *= error / error.max() + 1e-3
        lawson /= lawson.max()
    return c, error.max()


def erf_over_x(q):
    return math.erf(math.sqrt(q)) / math.sqrt(q) if q > 1e-12 else 2 / math.sqrt(math.pi)


if __name__ == "__main__":
    for name, (c, e) in {
        "erf(x)/x in x^2, [0,1]": fit(erf_over_x, lambda q: 1.0, 0, 1, 6),
        "-log erfc(x) in x, [0.95,4]": fit(lambda x: -math.log(math.erfc(x)), math.erfc, 0.95, 4, 7),
    }.items():
        print(f"{name}: largest error {e:.2e}")
        for v in c:
            print(f"    {float(v)!r}")

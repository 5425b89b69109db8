"""Checks our safetensors container against the public Python library.

    make FILE    writes the golden file that tests/unit/test_safetensors.c reads
    check FILE   opens a file that unet wrote and prints its tensors and metadata keys
Needs the packages safetensors and numpy; the build and the tests do not."""
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file


def make(path):
    rng = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 8 - 1
    save_file({"enc0.conv0.weight": rng, "half": (rng[0, 0] * 3).astype(np.float16),
               "bytes": np.arange(5, dtype=np.uint8),
               "wide": np.array([1.5, -2.25]), "empty": np.zeros((0, 3), np.float32), "one": np.array(7, np.int64)},
              path, metadata={"maker": "python", "note": "caf\u00e9 \"x\""})


def check(path):
    with safe_open(path, "np") as f:
        for key in sorted((f.metadata() or {}).keys()):
            print("meta", key, len(f.metadata()[key]))
        for key in f.keys():
            t = f.get_tensor(key)
            print(key, t.dtype, t.shape, float(np.asarray(t, np.float64).sum()))


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](sys.argv[2])

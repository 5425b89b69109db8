"""Checks our safetensors container against the public Python library (docs/model-file.md has the last result).

    make FILE           writes the golden file that tests/unit/test_safetensors.c reads
    check FILE          opens a file that unet wrote: every tensor of the library equals the bytes that the format's
                        description puts there, and the parameters of the stored graph in name and shape
    rewrite FILE OTHER  reads FILE and writes OTHER by the library; `unet selftest OTHER` then tries our reader
Needs the packages safetensors and numpy; the build and the tests do not. Used: safetensors 0.8.0, numpy 2.4.6."""
import json
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


def read(path):
    """Tensors and metadata, by the library."""
    with safe_open(path, "np") as f:
        return {key: f.get_tensor(key) for key in f.keys()}, f.metadata() or {}


def described(path):
    """The same by the format's description: length of the header in 8 bytes, JSON, then the data."""
    with open(path, "rb") as f:
        data = f.read()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    metadata = header.pop("__metadata__", {})
    types = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "U8": "u1", "I64": "<i8"}
    tensors = {key: np.frombuffer(data[begin + t["data_offsets"][0]:begin + t["data_offsets"][1]],
                                  types[t["dtype"]]).reshape(t["shape"]) for key, t in header.items()}
    return tensors, metadata


def check(path):
    tensors, metadata = read(path)
    ours, ours_metadata = described(path)
    assert sorted(tensors) == sorted(ours) and metadata == ours_metadata
    for key, t in tensors.items():
        assert t.dtype == ours[key].dtype and t.shape == ours[key].shape and t.tobytes() == ours[key].tobytes(), key
    print("%d tensors, %d values, metadata %s: equal" %
          (len(tensors), sum(t.size for t in tensors.values()), " ".join(sorted(metadata))))
    if "unet.format" in metadata:  # a model, not a checkpoint
        params = {p["name"]: p["dims"] for p in json.loads(metadata["unet.graph"])["params"]}
        weights = {key: list(t.shape) for key, t in tensors.items() if not key.startswith("selftest.")}
        assert params == weights
        print("%d parameters of the graph, %d self-test pairs" % (len(params), (len(tensors) - len(params)) // 2))


def rewrite(path, other):
    tensors, metadata = read(path)
    save_file(tensors, other, metadata=metadata)


if __name__ == "__main__":
    {"make": make, "check": check, "rewrite": rewrite}[sys.argv[1]](*sys.argv[2:])

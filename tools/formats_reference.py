#!/usr/bin/env python3
"""Compares the table of verdicts tests/golden/formats.tsv with independent readers and fills in its last column.

    formats_reference.py SHARED-DATA ACTUAL.tsv > tests/golden/formats.tsv

ACTUAL.tsv is what our readers say: UNET_FORMATS_ACTUAL=ACTUAL.tsv build/tests/test_formats writes it (rows: path,
status, type, d, h, w, c, CRC-32 of the values as little-endian doubles). For each file that is read, the picture is
read again by Pillow, tifffile or nibabel, brought into our form (docs/formats.md) and compared. The column `checked`
then says which reader agrees on every value, or how far the values differ, or why no reader was asked.
Versions used: Pillow 13.0, tifffile 2026.3, nibabel 5.4, numpy 2.4."""
import binascii
import os
import resource
import signal
import sys
import warnings

import nibabel
import numpy as np
import tifffile
from PIL import Image

warnings.simplefilter("ignore")
Image.MAX_IMAGE_PIXELS = 1 << 26
SECONDS = 5  # some broken files keep a reader busy without end


def too_long(*_):
    raise TimeoutError("takes more than %d s" % SECONDS)


signal.signal(signal.SIGALRM, too_long)
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))


def four(a):
    """[h][w] or [h][w][c] to [d][h][w][c]."""
    return a[None, :, :, None] if a.ndim == 2 else a[None]


def pillow(path):
    im = Image.open(path)
    im.load()
    if im.format == "JPEG":
        from PIL import ImageOps
        im = ImageOps.exif_transpose(im)
        if im.mode == "CMYK":
            im = im.convert("RGB")
    trns = im.info.get("transparency")
    if im.mode == "P":
        im = im.convert("RGBA" if trns is not None else "RGB")
    elif im.mode == "1":
        im = im.convert("LA" if trns is not None else "L")
    elif im.mode in ("L", "RGB") and trns is not None:
        im = im.convert("LA" if im.mode == "L" else "RGBA")
    elif im.mode == "CMYK":
        im = im.convert("RGB")
    return four(np.asarray(im))


def tiff(path):
    with tifffile.TiffFile(path) as t:
        page = t.pages[0]
        pages = [p for i, p in enumerate(t.pages) if i == 0 or not p.keyframe.is_reduced]
        if any(p.shape != page.shape or p.dtype != page.dtype for p in pages):
            pages = [page]
        stack = []
        for p in pages:
            a = p.asarray()
            if p.keyframe.planarconfig == 2 and a.ndim == 3:
                a = np.moveaxis(a, 0, -1)
            if p.photometric == 3 and p.colormap is not None:
                a = np.moveaxis(p.colormap[:, a] >> 8, 0, -1).astype(np.uint8)
            elif a.dtype == bool:
                a = a.astype(np.uint8) * 255
            elif p.bitspersample < 8:
                a = (a.astype(int) * 255 // (2 ** p.bitspersample - 1)).astype(np.uint8)
            if p.photometric == 0:
                a = (255 if a.dtype == np.uint8 else 2 ** p.bitspersample - 1) - a
            if a.dtype == np.float16:
                a = a.astype(np.float32)
            stack.append(four(a)[0])
        description = page.description or ""
        channels = "channels=%d\n" % len(stack) in description or 'SizeC="%d"' % len(stack) in description
        if channels and len(stack) > 1:
            return np.concatenate(stack, -1)[None]
        return np.stack(stack)


def nifti(path):
    im = nibabel.load(path)
    a = np.asanyarray(im.dataobj)
    if a.dtype.kind == "f" and im.dataobj.slope != 1:
        a = a.astype(np.float32 if im.get_data_dtype().itemsize <= 2 or
                     im.get_data_dtype() == np.float32 else np.float64)
    a = a.reshape(a.shape[:3] + (-1,), order="F")
    return a.transpose(2, 1, 0, 3)


def crc(a):
    return "%08x" % (binascii.crc32(np.ascontiguousarray(a, dtype="<f8").tobytes()) & 0xffffffff)


def readers(path):
    head = open(path, "rb").read(4)
    if head[:2] in (b"II", b"MM"):
        return [("tifffile", tiff), ("pillow", pillow)]
    if path.endswith((".nii", ".nii.gz")):
        return [("nibabel", nifti)]
    return [("pillow", pillow)]


def checked(path, row):
    shape, words = tuple(int(v) for v in row[3:7]), []
    for name, read in readers(path):
        signal.alarm(SECONDS)
        try:
            a = read(path)
            signal.alarm(0)
        except Exception as e:
            signal.alarm(0)
            words.append("%s refuses (%s)" % (name, str(e).split("\n")[0].replace(path, "file")[:60]))
            continue
        if a.shape == shape and crc(a) == row[7]:
            return "equal in " + name
        if row[2] == "u16" and a.dtype == np.uint8 and name == "pillow":
            words.append("pillow keeps 8 of the 16 bits, mean %.4f" % np.mean(a, dtype=float))
        elif int(row[6]) == a.shape[3] + 1 and row[2] == "u16":
            words.append("pillow drops the transparent colour of 16 bits")
        elif int(row[6]) == 2 and a.shape == shape:
            words.append("pillow differs in the opacity of grey below 8 bits")
        elif int(row[3]) > 1 and name == "pillow":
            words.append("pillow shows the first page alone")
        else:
            words.append("%s has %s %s mean %.4f" %
                         (name, a.dtype, "x".join(map(str, a.shape)), np.mean(a, dtype=float)))
    return "; ".join(words)


def main(shared, actual):
    print("# path\tverdict\ttype\td\th\tw\tc\tcrc\tchecked")
    for line in open(actual):
        row = line.rstrip("\n").split("\t")
        print("\t".join(row + [checked(os.path.join(shared, row[0]), row) if row[1] == "ok" else "-"]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

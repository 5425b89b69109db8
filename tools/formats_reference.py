#!/usr/bin/env python3
"""Compares the table of verdicts tests/golden/formats.tsv with independent readers and fills in its last column.

    formats_reference.py SHARED-DATA ACTUAL.tsv > tests/golden/formats.tsv

ACTUAL.tsv is what our readers say: UNET_FORMATS_ACTUAL=ACTUAL.tsv build/tests/test_formats writes it (rows: path,
status, type, d, h, w, c, CRC-32 of the values as little-endian doubles). For each file that is read, the picture is
read again by one reader after the other, brought into our form (docs/formats.md) and compared, until one agrees on every
value. The column `checked` then names it, or else has what each of them says; of a refused file, what NOTES says.
Versions used: Pillow 13.0.0, pypng 0.20220715.0, tifffile 2026.3.3 with imagecodecs 2026.3.6, opencv-python-headless
5.0.0.93, SimpleITK 2.5.7, nibabel 5.4.2, numpy 2.4.6."""
import binascii
import io
import os
import resource
import signal
import struct
import sys
import warnings

import cv2
import imagecodecs
import nibabel
import numpy as np
import png
import SimpleITK
import tifffile
from PIL import Image, ImageOps, ImageSequence

warnings.simplefilter("ignore")
Image.MAX_IMAGE_PIXELS = 1 << 26
SECONDS = 5  # some broken files keep a reader busy without end
NOTES = {"formats/pillow/crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif":
         "damaged CCITT data: libtiff fills up and reports; Pillow and tifffile pass over the damage"}


def too_long(*_):
    raise TimeoutError("takes more than %d s" % SECONDS)


signal.signal(signal.SIGALRM, too_long)
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))


def four(a):
    """[h][w] or [h][w][c] to [d][h][w][c]."""
    return a[None, :, :, None] if a.ndim == 2 else a[None]


def pillow(path):
    im = Image.open(path)
    frames = [f.copy() for f in ImageSequence.Iterator(im)] if im.format == "TIFF" else [im]
    if len(frames) > 1 and all(f.size == im.size and f.mode == im.mode for f in frames):
        return np.concatenate([pillow_frame(f, f.info) for f in frames])
    return pillow_frame(frames[0], im.info)


def pillow_frame(im, info):
    im.load()
    if im.format == "JPEG":
        im = ImageOps.exif_transpose(im)
        if im.mode == "CMYK":
            im = im.convert("RGB")
    trns = info.get("transparency")
    if im.mode == "P":
        im = im.convert("RGBA" if trns is not None else "RGB")
    elif im.mode == "1":
        im = im.convert("LA" if trns is not None else "L")
    elif im.mode in ("L", "RGB") and trns is not None:
        im = im.convert("LA" if im.mode == "L" else "RGBA")
    elif im.mode == "CMYK":
        im = im.convert("RGB")
    return four(np.asarray(im))


def pypng(path):
    """Chunks that do not bear on the values are left out: pypng gives up on faults of theirs, the specification passes
    them over. Transparent colours are compared with the samples as stored (PNG, third edition, 11.3.1.1)."""
    data = open(path, "rb").read()
    kept, at = data[:8], 8
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at:at + 4])[0] + 12
        if data[at + 4:at + 8] in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept += data[at:at + size]
        at += size
    w, h, rows, info = png.Reader(file=io.BytesIO(kept)).read()
    a = np.array([list(row) for row in rows]).reshape(h, w, info["planes"])
    top = 2 ** info["bitdepth"] - 1
    if "palette" in info:
        a = np.array(info["palette"])[a[:, :, 0]]
    elif info["bitdepth"] < 8:
        stored, a = a, a * 255 // top
    else:
        stored = a
    if "palette" not in info and info.get("transparent") is not None:
        clear = np.all(stored == np.array(info["transparent"]), axis=2, keepdims=True)
        a = np.concatenate([a, np.where(clear, 0, max(top, 255))], 2)
    return four(a)


def codecs_bmp(path):
    return four(imagecodecs.bmp_decode(open(path, "rb").read()))


def opencv(path):
    a = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if a is None:
        raise ValueError("cannot read it")
    return four(a if a.ndim == 2 else a[:, :, (2, 1, 0, 3)[:a.shape[2]]])


def itk(path):
    return four(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)))


def turned(a, orientation):
    """[h][w]... from how TIFF stores it to how it is looked at."""
    if orientation > 4:
        a = np.swapaxes(a, 0, 1)
    rows_back, columns_back = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return a[::-1 if rows_back else 1, ::-1 if columns_back else 1]


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
            stack.append(turned(four(a)[0], p.tags["Orientation"].value if "Orientation" in p.tags else 1))
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
    if head == b"\x89PNG":
        return [("pillow", pillow), ("pypng", pypng)]
    if head[:2] == b"BM":
        return [("pillow", pillow), ("imagecodecs", codecs_bmp), ("opencv", opencv), ("SimpleITK", itk)]
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
        words.append("%s has %s %s mean %.4f" %
                     (name, a.dtype, "x".join(map(str, a.shape)), np.mean(a, dtype=float)))
    return "; ".join(words)


def main(shared, actual):
    print("# path\tverdict\ttype\td\th\tw\tc\tcrc\tchecked")
    for line in open(actual):
        row = line.rstrip("\n").split("\t")
        good = row[1] == "ok"
        print("\t".join(row + [checked(os.path.join(shared, row[0]), row) if good else NOTES.get(row[0], "-")]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

#!/usr/bin/env python3
"""Files for tests/unit/test_weights.c: state dicts as PyTorch and NumPy write them, with what is in them, and hostile ones.

Usage: python tools/weights_files.py tests/golden/weights tests/fuzz/corpus/weights      (PyTorch 2.13, numpy)

Nothing here loads a pickle. hostile.txt holds one file a line: name, what the message has to hold, the bytes in hexadecimal.
"""
import collections
import io
import json
import os
import pickle
import struct
import sys
import zipfile
import zlib

import numpy as np
import torch

import golden_file

# ---- good files ----


def state():
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 8 - 1
    shared = torch.linspace(-2, 2, 10)
    return collections.OrderedDict([
        ("conv1.weight", base.clone()),
        ("conv1.turned", base.clone().permute(2, 0, 1)),
        ("conv1.part", base.clone()[:, 1:, ::2]),
        ("shared.head", shared[:4]),
        ("shared.tail", shared[6:]),
        ("same.value", torch.tensor([0.5]).expand(3, 2)),
        ("half", torch.tensor([1.5, -2.25, 6e-8, 65504.0], dtype=torch.float16)),
        ("brain", torch.tensor([1.5, -2.25, 3e38], dtype=torch.bfloat16)),
        ("double", torch.tensor([[1 / 3, -1e300]], dtype=torch.float64).clamp(-1e30, 1e30)),
        ("long", torch.tensor(-7, dtype=torch.int64)),
        ("int", torch.tensor([3, -4], dtype=torch.int32)),
        ("short", torch.tensor([5, -6], dtype=torch.int16)),
        ("char", torch.tensor([7, -8], dtype=torch.int8)),
        ("byte", torch.tensor([9, 250], dtype=torch.uint8)),
        ("bool", torch.tensor([True, False])),
        ("empty", torch.zeros(0, 3)),
        ("param", torch.nn.Parameter(torch.tensor([0.25, 0.75]))),
    ])


def good(folder):
    s = state()
    torch.save(s, folder + "/zip.pth")
    torch.save(s, folder + "/legacy.pth", _use_new_zipfile_serialization=False)
    momentum = {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    torch.save({"epoch": 3, "best": 0.9, "optimizer": momentum, "model": {"state_dict": s}}, folder + "/wrapped.pth")
    torch.save(torch.nn.BatchNorm2d(2).state_dict(), folder + "/norm.pth", pickle_protocol=4)
    arrays = {k: v.detach().float().numpy() if v.dtype == torch.bfloat16 else v.detach().numpy() for k, v in s.items()}
    np.savez(folder + "/arrays.npz", **arrays)
    np.savez_compressed(folder + "/packed.npz", fortran=np.asfortranarray(arrays["conv1.weight"]), **arrays)
    golden_file.write(folder + "/expected.safetensors", {k: v.detach().float().numpy() for k, v in s.items()}, {})


# ---- hostile ones ----

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


def legacy(body, keys=(), data=b"", protocol=1001, system=SYSTEM):
    return MAGIC + pickle.dumps(protocol, 2) + pickle.dumps(system, 2) + body + pickle.dumps(list(keys), 2) + data


def archive(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in entries:
            z.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


def text(s):
    s = s.encode()
    return b"X" + struct.pack("<I", len(s)) + s


def name(module, member):
    return f"c{module}\n{member}\n".encode()


class Call:
    """Pickles as a call."""

    def __init__(self, what, *args):
        self.what, self.args = what, args

    def __reduce__(self):
        return self.what, self.args


def call(module, member, *args, protocol=2):
    """The bytes of a pickle that calls module.member, which need not exist here."""
    if protocol < 4:
        head = name(module, member)
    else:
        head = b"".join(b"\x8c" + bytes([len(s)]) + s.encode() for s in (module, member)) + b"\x93"
    return b"\x80" + bytes([protocol]) + head + b"(" + b"".join(text(a) for a in args) + b"tR."


CALLS = [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("os", "popen"), ("os", "execv"), ("os", "remove"),
    ("os", "spawnlp"), ("subprocess", "Popen"), ("subprocess", "call"), ("subprocess", "check_output"), ("builtins", "eval"),
    ("builtins", "exec"), ("builtins", "compile"), ("builtins", "open"), ("builtins", "getattr"), ("builtins", "__import__"),
    ("builtins", "setattr"), ("builtins", "bytearray"), ("builtins", "print"), ("__builtin__", "eval"), ("__builtin__", "file"),
    ("importlib", "import_module"), ("runpy", "run_path"), ("pty", "spawn"), ("socket", "socket"), ("shutil", "rmtree"),
    ("ctypes", "CDLL"), ("code", "interact"), ("pdb", "run"), ("timeit", "timeit"), ("webbrowser", "open"), ("pip", "main"),
    ("urllib.request", "urlopen"), ("http.client", "HTTPSConnection"), ("operator", "attrgetter"), ("functools", "partial"),
    ("types", "FunctionType"), ("types", "CodeType"), ("pickle", "loads"), ("_pickle", "loads"), ("marshal", "loads"),
    ("copyreg", "_reconstructor"), ("copyreg", "__newobj__"), ("collections", "namedtuple"), ("collections", "Counter"),
    ("torch", "load"), ("torch.hub", "load"), ("torch.jit", "load"), ("torch", "Tensor"), ("torch.storage", "_load_from_bytes"),
    ("torch._utils", "_rebuild_qtensor"), ("torch._utils", "_rebuild_sparse_tensor"), ("torch._utils", "_rebuild_tensor_v2.x"),
    ("torch.serialization", "load"), ("torch.nn.modules.linear", "Linear"), ("torch._tensor", "_rebuild_from_type_v2"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "load"), ("asyncio", "run"),
    ("multiprocessing.context", "Process"), ("argparse", "Namespace"), ("pathlib", "PosixPath"), ("datetime", "datetime"),
    ("OS", "system"), ("os ", "system"), ("", ""), ("collections", "orderedDict"), ("collections.OrderedDict", "__init__"),
    ("torch._utils", "__builtins__"), ("torch", "FloatStorage.__init__"), ("torch\x1b[31m", "red"), ("\xe9", "\xff"),
]

REBUILD = name("torch._utils", "_rebuild_tensor_v2")
STORAGE = b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + b"K\x08tQ"


def tensor(offset=b"K\0", size=b"K\x02\x85", stride=b"K\x01\x85", storage=STORAGE):
    return REBUILD + b"(" + storage + offset + size + stride + b"\x89)tR"


def entry(value):
    return b"\x80\x02}" + text("w") + value + b"s."


def with_data(body, count=8, given=8, key="0"):
    return legacy(body, [key], struct.pack("<q", count) + struct.pack("<8f", *range(8))[:4 * given])


WIDE = b"\x8a\x08" + struct.pack("<q", 2**62)
BIG = b"J" + struct.pack("<i", 2**31 - 1)


def nested(depth, opening, closing):
    return b"\x80\x02" + opening * depth + closing * depth + b"."


def bomb():
    """A dict of two references to a dict of two references ... 40 deep: 2^40 entries to walk through."""
    out = b"\x80\x02}q\0" + text("w") + tensor() + b"s"
    for i in range(40):
        out += b"0}q" + bytes([i + 1]) + b"(" + text("a") + b"h" + bytes([i]) + text("b") + b"h" + bytes([i]) + b"u"
    return out + b"."


def pairs():
    """One list of pairs, called into dicts over and over."""
    return b"\x80\x02](" + (text("a") + b"N\x86") * 200 + b"eq\0" + (name("collections", "OrderedDict") + b"h\0\x85R0") * 400 + b"."


def wide():
    """8 levels in which each dict has 16 references to the next."""
    out = b"\x80\x02}q\0" + text("w") + b"Ns"
    for i in range(7):
        out += b"0}q" + bytes([i + 1]) + b"(" + b"".join(text(chr(97 + k)) + b"h" + bytes([i]) for k in range(16)) + b"u"
    return out + b"."


def structures():
    yield "stack_empty", "empty stack", legacy(b"\x80\x020.")
    yield "stop_at_once", "empty stack", legacy(b"\x80\x02.")
    yield "no_mark", "no mark", legacy(b"\x80\x02Nt.")
    yield "open_mark", "mark open", legacy(b"\x80\x02N(N.")
    yield "below_mark", "empty stack", legacy(b"\x80\x02N(0R.")
    yield "protocol", "protocol 9", legacy(b"\x80\x09N.")
    yield "opcode_none", "opcode 0xff", legacy(b"\x80\x02\xff.")
    for op, word in ((b"i", "INST"), (b"o", "OBJ"), (b"\x81", "NEWOBJ"), (b"\x92", "NEWOBJ_EX"), (b"\x82\x01", "EXT1"),
                     (b"\x83\x01\0", "EXT2"), (b"\x84\x01\0\0\0", "EXT4"), (b"P0\n", "PERSID")):
        yield "opcode_" + word, word, legacy(b"\x80\x02(" + op + b".")
    yield "text_opcode", "opcode 0x49", legacy(b"\x80\x02I1\n.")
    yield "string_opcode", "opcode 0x53", legacy(b"\x80\x02S'x'\n.")
    yield "next_buffer", "opcode 0x97", legacy(b"\x80\x05\x97.")
    yield "bytearray", "opcode 0x96", legacy(b"\x80\x05\x96" + struct.pack("<Q", 4) + b"abcd.")
    yield "memo_missing", "never remembered", legacy(b"\x80\x02h\x05.")
    yield "memo_far", "far beyond", legacy(b"\x80\x02Nr\xff\xff\xff\x7f.")
    yield "memo_gap", "never remembered", legacy(b"\x80\x02Nq\x050h\x02.")
    yield "memo_nothing", "not there", legacy(b"\x80\x02q\0.")
    yield "text_long", "longer than the file", legacy(b"\x80\x02X\xff\xff\xff\xff.")
    yield "text_longer", "longer than the file", legacy(b"\x80\x04\x8d" + b"\xff" * 8 + b".")
    yield "bytes_cut", "middle of a value", MAGIC + b"\x80\x02B\x10\0\0\0abc"
    yield "text_zero", "zero byte", legacy(b"\x80\x02X\x02\0\0\0a\0.")
    yield "long_long", "middle of a value", MAGIC + b"\x80\x02\x8b\xff\xff\xff\x7f."
    yield "frame", "frame", legacy(b"\x80\x04\x95" + b"\xff" * 8 + b"N.")
    yield "name_endless", "without end", legacy(b"\x80\x02c" + b"a" * 300 + b"\nb\n.")
    yield "name_number", "no text", legacy(b"\x80\x04K\x01K\x02\x93.")
    yield "call_number", "no function", legacy(b"\x80\x02K\x01)R.")
    yield "call_list", "no tuple", legacy(b"\x80\x02" + name("collections", "OrderedDict") + b"]R.")
    yield "call_storage", "which is refused", legacy(b"\x80\x02" + name("torch", "FloatStorage") + b")R.")
    yield "build_global", "no dict", legacy(b"\x80\x02" + name("collections", "OrderedDict") + b"}b.")
    yield "append_tuple", "no list", legacy(b"\x80\x02)Na.")
    yield "append_dict", "no list", legacy(b"\x80\x02}Na.")
    yield "set_list", "no dict", legacy(b"\x80\x02]NNs.")
    yield "set_odd", "no dict", legacy(b"\x80\x02}(NNNu.")
    yield "dict_of_list", "pairs", legacy(b"\x80\x02" + name("collections", "OrderedDict") + b"](NNe\x85R.")
    yield "dict_of_numbers", "list of pairs", legacy(b"\x80\x02" + name("collections", "OrderedDict") + b"K\x01\x85R.")
    yield "persistent_list", "no tuple", legacy(b"\x80\x02]Q.")
    yield "persistent_short", "no storage", legacy(b"\x80\x02(" + text("storage") + b"tQ.")
    yield "persistent_word", "no storage", legacy(entry(tensor(storage=STORAGE.replace(b"storage", b"machine"))))
    yield "persistent_call", "no storage", legacy(entry(tensor(storage=STORAGE.replace(b"FloatStorage", b"Size"))))
    yield "persistent_minus", "no storage", legacy(entry(tensor(storage=STORAGE.replace(b"K\x08tQ", b"J\xff\xff\xff\xfftQ"))))
    view = b"(" + text("v") + b"K\x04K\x05tt"
    yield "view_behind", "view", legacy(entry(tensor(storage=STORAGE[:-2] + view + b"Q")))
    yield "tensor_no_storage", "without storage", legacy(entry(tensor(storage=b"N")))
    yield "offset_minus", "offset", with_data(entry(tensor(offset=b"J\xff\xff\xff\xff")))
    yield "offset_behind", "behind its storage", with_data(entry(tensor(offset=b"K\x07")))
    yield "offset_wide", "behind its storage", with_data(entry(tensor(offset=WIDE)))
    yield "size_behind", "behind its storage", with_data(entry(tensor(size=b"K\x09\x85")))
    yield "size_huge", "behind its storage", with_data(entry(tensor(size=BIG + b"\x85")))
    yield "size_wide", "behind its storage", with_data(entry(tensor(size=WIDE + WIDE + b"\x86", stride=WIDE + WIDE + b"\x86")))
    yield "size_minus", "size of a tensor", with_data(entry(tensor(size=b"J\xff\xff\xff\xff\x85")))
    yield "size_text", "size of a tensor", with_data(entry(tensor(size=text("2") + b"\x85")))
    yield "size_list", "size of a tensor", with_data(entry(tensor(size=b"]")))
    yield "size_rank", "size of a tensor", with_data(entry(tensor(size=b"(" + b"K\x01" * 9 + b"t")))
    yield "stride_behind", "behind its storage", with_data(entry(tensor(stride=b"K\x08\x85")))
    yield "stride_minus", "strides", with_data(entry(tensor(stride=b"J\xff\xff\xff\xff\x85")))
    yield "stride_few", "strides", with_data(entry(tensor(stride=b")")))
    yield "expand_huge", "more elements", with_data(entry(tensor(size=BIG + BIG + b"\x86", stride=b"K\0K\0\x86")))
    yield "storage_lies", "behind the end", with_data(entry(tensor()), count=2**40)
    yield "storage_minus", "behind the end", with_data(entry(tensor()), count=-1)
    yield "storage_short", "which has 8 bytes", with_data(entry(tensor()), count=2)
    yield "storage_cut", "behind the end", with_data(entry(tensor()), given=5)
    yield "storage_missing", "not in the file", legacy(entry(tensor()))
    yield "storage_other", "none that a tensor names", with_data(entry(tensor()), key="1")
    twice = entry(b"(" + tensor() + tensor(storage=STORAGE.replace(b"FloatStorage", b"LongStorage")) + b"t")
    yield "storage_two_types", "two types", with_data(twice)
    yield "keys_twice", "stands twice", legacy(entry(tensor()), ["0", "0"], 2 * (struct.pack("<q", 8) + bytes(32)))
    yield "keys_number", "none that a tensor names", legacy(entry(tensor()), [7])
    yield "keys_dict", "no list", MAGIC + pickle.dumps(1001, 2) + pickle.dumps(SYSTEM, 2) + entry(tensor()) + b"\x80\x02}."
    yield "no_dict", "no dict", legacy(b"\x80\x02K\x01.")
    yield "no_arrays", "no array", legacy(b"\x80\x02}.")
    yield "magic_alone", "middle of a value", MAGIC
    yield "other_protocol", "not known", legacy(entry(tensor()), protocol=7)
    yield "big_endian", "order of bytes", legacy(entry(tensor()), system={"little_endian": False})
    yield "system_list", "order of bytes", legacy(entry(tensor()), system=[])
    yield "twice", "stands twice", with_data(b"\x80\x02}" + (text("w") + tensor() + b"s") * 2 + b".")
    yield "name_bell", "not printable", with_data(entry(tensor()).replace(b"X\x01\0\0\0w", b"X\x01\0\0\0\x07"))
    yield "name_empty", "not printable", with_data(entry(tensor()).replace(b"X\x01\0\0\0w", b"X\0\0\0\0"))
    yield "itself", "deep", legacy(b"\x80\x02}q\0" + text("a") + b"h\0s.")
    yield "itself_wrapped", "no array", legacy(b"\x80\x02}q\0" + text("state_dict") + b"]s.")
    yield "deep_dicts", "deep", legacy(b"\x80\x02" + (b"}" + text("a")) * 30 + b"N" + b"s" * 30 + b".")
    yield "deep_lists", "no dict", legacy(nested(3000, b"](", b"e"))
    yield "deep_tuples", "no dict", legacy(nested(3000, b"(", b"t"))
    yield "bomb", "deep", with_data(bomb())
    yield "bomb_wide", "entries", legacy(wide())
    yield "bomb_pairs", "copied", legacy(pairs())
    yield "plain_pickle", "none of torch.save", pickle.dumps({"a": 1}, 2)
    yield "reduce_in_keys", "posix.system", MAGIC + pickle.dumps(1001, 2) + pickle.dumps(SYSTEM, 2) + entry(tensor()) + \
        pickle.dumps(Call(os.system, "true"), 2)
    yield "reduce_in_system", "posix.system", MAGIC + pickle.dumps(1001, 2) + pickle.dumps(Call(os.system, "true"), 2)
    yield "reduce_in_metadata", "builtins.eval", legacy(b"\x80\x02" + name("collections", "OrderedDict") + b")R}" +
                                                       text("_metadata") + name("builtins", "eval") + b"(" + text("1") + b"tRsb.")


def archives():
    body = entry(tensor())
    data = struct.pack("<8f", *range(8))
    whole = archive([("m/data.pkl", body), ("m/byteorder", b"little"), ("m/data/0", data)])
    middle = whole.index(b"PK\1\2")
    yield "zip_system", "os.system", archive([("m/data.pkl", call("os", "system", "true"))])
    yield "zip_system4", "os.system", archive([("m/data.pkl", call("os", "system", "true", protocol=4))])
    yield "zip_eval", "builtins.eval", archive([("data.pkl", pickle.dumps(Call(eval, "1"), 4))])
    yield "zip_no_storage", "lacks 'm/data/0'", archive([("m/data.pkl", body)])
    yield "zip_storage_short", "has 28 bytes", archive([("m/data.pkl", body), ("m/data/0", data[:28])])
    yield "zip_path", "lacks 'm/data/../../../etc/passwd'", archive([("m/data.pkl", body.replace(text("0"), text("../../../etc/passwd")))])
    yield "zip_big_endian", "order of bytes", archive([("m/data.pkl", body), ("m/byteorder", b"big"), ("m/data/0", data)])
    yield "zip_other", "neither", archive([("a.txt", b"x")])
    yield "zip_none", "neither", archive([])
    yield "zip_twice", "two entries", archive([("m/data.pkl", body), ("m/data/0", data), ("m/data/1", data)]).replace(b"m/data/1", b"m/data/0")
    yield "zip_cut", "no directory", whole[:-30]
    yield "zip_short", "too short", whole[:10]
    yield "zip_crc", "damaged", whole.replace(data, data[:-1] + b"\x7f")
    yield "zip_places", "not where", whole[:middle] + whole[middle:].replace(b"PK\1\2", b"PK\1\2", 1).replace(
        struct.pack("<I", whole.index(b"PK\3\4", 4)), struct.pack("<I", 2))
    yield "zip_entries", "room for", whole[:-14] + struct.pack("<HHIIH", 3000, 3000, len(whole) - 22 - middle, middle, 0)
    yield "zip_directory", "inside the file", whole[:-6] + struct.pack("<IH", len(whole) * 2, 0)
    yield "zip_encrypted", "encrypted", whole[:middle] + whole[middle:].replace(b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\1\0", 1)
    yield "zip_method", "encrypted", whole[:middle] + whole[middle:middle + 10] + b"\x0c\0" + whole[middle + 12:]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(zipfile.ZipInfo("m/data.pkl", (2026, 1, 1, 0, 0, 0)), body, zipfile.ZIP_DEFLATED)
    packed = packed.getvalue()
    at = packed.index(b"PK\1\2")
    yield "zip_bomb", "cannot come from", packed[:at + 24] + struct.pack("<I", 2**31) + packed[at + 28:]
    yield "zip_length", "damaged", packed[:at + 24] + struct.pack("<I", len(body) + 1) + packed[at + 28:]
    yield "zip_deflate", "damaged", packed.replace(packed[40:50], b"\xff" * 10)

    def array(head, body=bytes(16)):
        head = head.encode()
        return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + body

    good_head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n"
    for word, expect, change in (
            ("object", "no array of plain", ("<f4", "|O")), ("text", "no array of plain", ("<f4", "<U3")),
            ("big", "no array of plain", ("<f4", ">f4")), ("shape_minus", "no array of plain", ("(2, 2)", "(-2, 2)")),
            ("shape_name", "no array of plain", ("(2, 2)", "(x, 2)")), ("shape_rank", "no array of plain", ("(2, 2)", "(1,1,1,1,1,1,1,1,1)")),
            ("shape_long", "fewer bytes", ("(2, 2)", "(2, 3)")), ("shape_huge", "fewer bytes", ("(2, 2)", "(999999999999, 9999999)")),
            ("shape_digits", "no array of plain", ("2, 2", "99999999999999999999")), ("missing", "no array of plain", ("'fortran_order': False, ", "")),
            ("twice", "no array of plain", ("'shape'", "'descr': '<f4', 'shape'")), ("open", "no array of plain", ("}", "")),
            ("call", "no array of plain", ("False", "eval('1')")), ("key", "no array of plain", ("descr", "describe it at length, please"))):
        yield "npy_" + word, expect, archive([("a.npy", array(good_head.replace(*change)))])
    yield "npy_none", "no array of NumPy", archive([("a.npy", b"\x93NUMPX\1\0\0\0")])
    yield "npy_version", "no array of NumPy", archive([("a.npy", b"\x93NUMPY\7\0\0\0")])
    yield "npy_header", "does not end", archive([("a.npy", b"\x93NUMPY\1\0\xff\xff{}")])
    yield "npy_header2", "does not end", archive([("a.npy", b"\x93NUMPY\2\0\xff\xff\xff\xff{}")])


def hostile():
    for module, member in CALLS:
        shown = "unprintable" if not (module + member).isascii() or not (module + member).isprintable() else f"{module}.{member}"
        body = b"\x80\x02" + b"c" + module.encode() + b"\n" + member.encode() + b"\n(" + text("true") + b"tR."
        yield f"call_{module}.{member}".encode("ascii", "replace").decode().replace("\x1b", "?"), shown, legacy(body)
    yield from structures()
    yield from archives()


def numbers():
    """A safetensors file with an array of each kind of number."""
    kinds = {"F64": "d", "F32": "f", "F16": "e", "BF16": "H", "I64": "q", "U64": "Q", "I32": "i", "U32": "I", "I16": "h",
             "U16": "H", "I8": "b", "U8": "B", "BOOL": "B"}
    header, data = {}, b""
    for kind, code in kinds.items():
        part = struct.pack("<2" + code, 1, 0)
        header[kind.lower()] = {"dtype": kind, "shape": [2], "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def main():
    folder, corpus = sys.argv[1:]
    with open(f"{corpus}/numbers.safetensors", "wb") as f:
        f.write(numbers())
    good(folder)
    rows = list(hostile())
    assert len({r[0] for r in rows}) == len(rows)
    with open(folder + "/hostile.txt", "w") as f:
        f.write("# Files that must be refused, made by tools/weights_files.py: name | what the message holds | bytes\n")
        for n, expect, data in rows:
            f.write(f"{n} | {expect} | {data.hex()}\n")
    for n, _, data in rows:
        if not n.startswith("call_") or n == "call_os.system":
            with open(f"{corpus}/{n}", "wb") as f:
                f.write(data)
    for n in os.listdir(folder):
        if n.endswith((".pth", ".npz")) and n != "wrapped.pth":
            with open(f"{folder}/{n}", "rb") as f, open(f"{corpus}/{n}", "wb") as to:
                to.write(f.read())
    print(len(rows), "hostile files")


if __name__ == "__main__":
    main()

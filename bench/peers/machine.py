"""What the figures depend on besides the programs: CPU, level, compiler."""
import os
import re
import subprocess


def cpuinfo():
    fields = {}
    with open("/proc/cpuinfo") as f:
        for line in f:
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    return fields


def cache_kib(level):
    folder = "/sys/devices/system/cpu/cpu0/cache"
    for index in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        def read(name):
            with open(f"{folder}/{index}/{name}") as f:
                return f.read().strip()
        if read("level") == str(level) and read("type") != "Instruction":
            return int(re.sub(r"\D", "", read("size")))
    return 0


def describe():
    info = cpuinfo()
    flags = set(info.get("flags", "").split())
    kept = ("avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_bf16")
    cc = subprocess.run(["cc", "--version"], capture_output=True, text=True).stdout.splitlines()
    return {"model": info.get("model name", "unknown"),
            "number": " ".join(f"{k.split()[-1]} {info.get(k, '?')}" for k in ("cpu family", "model", "stepping")),
            "flags": [f for f in kept if f in flags], "cores": len(os.sched_getaffinity(0)),
            "cache_kib": {"L1": cache_kib(1), "L2": cache_kib(2), "L3": cache_kib(3)},
            "compiler": cc[0] if cc else "unknown"}


def has_bf16():
    return bool({"avx512_bf16", "amx_bf16"} & set(cpuinfo().get("flags", "").split()))


def slug(machine):
    """The name of a CPU's file of results."""
    words = f"{machine['model']} {machine['number']}".lower()
    for word, letter in (("family ", "f"), ("model ", "m"), ("stepping ", "s")):
        words = words.replace(word, letter)
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")

#!/usr/bin/env python3
"""docs/benchmarks.md from bench/results/*.json."""
import json
import os
import sys

HEAD = """# Benchmarks

Written by `make bench-peers` from `bench/results/*.json`; `bench/peers/README.md` says how it measures. Float32 unless a
name says bf16. Times are medians over all turns of one run, in which the programs take turns, with the 10th and 90th
percentile. *Ratio* is the rival's time by ours: above 1 we are faster. *Error* is the largest difference from the logits
in double precision over the largest logit; of training the largest relative difference of the loss of the first three
steps from PyTorch's eager form. *Memory* is the largest resident memory of a fresh process up to there, of rivals less
what it was after the import of the library (ours: all of it). *Start* is from the start of the process to the first result.
The fastest rival and the one with the least memory are those in float32; bf16 has a column and rows of its own.
"""


def rivals_of(result):
    return {n: c for n, c in result["contenders"].items() if n != "ours" and "failed" not in c}


def fastest(result, keep=lambda name: True):
    times = [(c["median_ms"], n) for n, c in rivals_of(result).items() if keep(n)]
    return min(times) if times else None


def memory(c):
    return c["peak_mib"] - c["import_mib"]


def plain(name):
    return name.replace("torch-train-", "PyTorch ").replace("torch-", "PyTorch ").replace("_", " ")


def table(kind, result):
    """One measurement as Markdown."""
    lines = ["| | median ms | 10 % .. 90 % | ratio | error | memory MiB | start ms |", "|---|--:|--:|--:|--:|--:|--:|"]
    ours = result["contenders"].get("ours", {})
    order = sorted(result["contenders"].items(), key=lambda x: (x[0] != "ours", x[1].get("median_ms", 1e30)))
    for name, c in order:
        if "failed" in c:
            lines.append(f"| {plain(name)} | failed: {c['failed'].replace('|', '/')} | | | | | |")
            continue
        ratio = f"{c['median_ms'] / ours['median_ms']:.2f}" if "median_ms" in ours else ""
        lines.append(f"| {'**unet**' if name == 'ours' else plain(name) + ' ' + c['version']} | {c['median_ms']:.1f} | "
                     f"{c['low_ms']:.1f} .. {c['high_ms']:.1f} | {ratio} | {c['error']:.0e} | {memory(c):.0f} | "
                     f"{c['start_ms']:.0f} |")
    return "\n".join(lines)


def title(name, case):
    size = "x".join(str(i) for i in (*case["extent"], case["channels"]))
    what = "inference" if case["kind"] == "infer" else "training step (forward, backward, AdamW)"
    text = f"{case['filters']} filters, {case['depth']} poolings, {size}, batch {case['batch']}, {what}"
    if case.get("variant"):
        text = f"{case['variant']}, " + text
    if case["padded"] != case["extent"]:
        text += f"; computed at {'x'.join(str(i) for i in case['padded'])} by all"
    return text


def ratio_cell(result, keep):
    ours, best = result["contenders"].get("ours", {}), fastest(result, keep)
    if "median_ms" not in ours or not best:
        return "", ""
    return f"{best[0] / ours['median_ms']:.2f}", plain(best[1])


def overview(cases, kind):
    """A line a case: how far ahead of the best rival, by time and memory."""
    if kind == "infer":
        extra, keep = "ORT, OpenVINO, PyTorch", lambda n: n not in ("mnn", "ncnn")
    else:
        extra, keep = "PyTorch bf16", lambda n: "bf16" in n
    first = (lambda n: True) if kind == "infer" else (lambda n: "bf16" not in n)
    lines = [f"| case | threads | unet ms | fastest rival | ratio | ratio to {extra} | 2 threads by 1 | memory by least rival's | commit |",
             "|---|--:|--:|---|--:|--:|--:|--:|---|"]
    for name, case in cases:
        for threads, r in sorted(case["threads"].items()):
            ours = r["contenders"].get("ours", {})
            if "median_ms" not in ours:
                continue
            ratio, rival = ratio_cell(r, first)
            other, _ = ratio_cell(r, keep)
            one = case["threads"].get("1", {}).get("contenders", {}).get("ours", {})
            speedup = f"{one['median_ms'] / ours['median_ms']:.2f}" if threads == "2" and "median_ms" in one else ""
            least = min((memory(c) for n, c in rivals_of(r).items() if first(n)), default=None)
            share = f"{memory(ours):.0f} / {least:.0f} = {memory(ours) / least:.2f}" if least else ""
            lines.append(f"| {name} | {threads} | {ours['median_ms']:.1f} | {rival} | {ratio} | {other} | {speedup} | {share} "
                         f"| {r['commit']} |")
    return "\n".join(lines)


def of_kind(data, kind):
    """Cases of inference, of training, and of the training of variants."""
    order = {"list": 0, "seed": 1}
    return sorted(((n, c) for n, c in data["cases"].items() if ("variant" if c.get("variant") else c["kind"]) == kind),
                  key=lambda x: (order.get(x[1]["set"], 2), len(x[1]["extent"]), -x[1]["filters"], x[0]))


def page(data):
    m = data["machine"]
    levels = sorted({r["level"] for c in data["cases"].values() for r in c["threads"].values()})
    caches = ", ".join(f"{k} {v} KiB" for k, v in m["cache_kib"].items())
    out = [f"## {m['model']} ({m['number']})\n",
           f"Level of our kernels: {', '.join(levels)}. {m['cores']} cores; {caches}; {' '.join(m['flags'])}. {m['compiler']}.\n"]
    for kind, text in (("infer", "Inference"), ("train", "Training"), ("variant", "Training of variants")):
        some = of_kind(data, kind)
        if some:
            out += [f"### {text}\n", overview(some, kind), ""]
    for kind in ("infer", "train", "variant"):
        for name, case in of_kind(data, kind):
            out.append(f"### {name}\n\n{title(name, case)}" + (f" (drawn from seed {case['seed']})" if case["set"] == "seed" else "") + ".\n")
            for threads, r in sorted(case["threads"].items()):
                out += [f"{threads} thread{'s' * (threads != '1')}, {m['model']}, {r['level']}, {r['rounds']} rounds, "
                        f"{r['others_percent']} % of a processor went to something else, commit {r['commit']}, {r['date']}:\n", table(kind, r), ""]
    return "\n".join(out)


def write(root):
    folder = os.path.join(root, "bench", "results")
    parts = [HEAD]
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(os.path.join(folder, name)) as f:
                parts.append(page(json.load(f)))
    with open(os.path.join(root, "docs", "benchmarks.md"), "w") as f:
        f.write("\n".join(parts).rstrip() + "\n")


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

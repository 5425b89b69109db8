#!/usr/bin/env python3
"""docs/benchmarks.md from bench/results: *.json of make bench-peers, *.tsv of bench/record.sh and bench/start.sh."""
import json
import os
import sys
import textwrap

import bars
import recorded
from figures import FEW_ROUNDS, MUCH_PERCENT, Cpu, down, history, is_bf16, is_direct, memory, plain, read_tables, up

HEAD = """# Benchmarks

Written by `bench/peers/report.py` from `bench/results`; `bench/peers/README.md` says how `make bench-peers` measures.
Float32 unless a name says bf16. Times are medians over all turns of one run, in which the programs take turns, with
the 10th and 90th percentile. *Ratio* is the rival's time by ours: above 1 we are faster. *Error* is the largest
difference from the logits in double precision over the largest logit; of training the largest relative difference of
the loss of the first three steps from PyTorch's eager form. *Memory* is the largest resident memory of a fresh process
up to there, of rivals less what it was after the import of the library (ours: all of it). *Start* is from the start of
the process to the first result. The fastest rival and the one with the least memory are those in float32; bf16 has a
column and rows of its own.

Ratios are cut after the second digit and shares of memory rounded up, so that none looks better than it is. *2 threads
by 1* is of a run in turns where there is one, else of two runs of one commit ("two runs"); where the commits differ
there is none. *Notes*: *older*, not of the newest commit that this processor ran; *elsewhere*, the share of a processor
that other programs took where it was more than {much} %; *1 turn*, rivals with a single run, since their first took
twelve times the quickest; *{few} rounds*, medians of few runs.

## Bars

What is asked of each processor, how many rows reach it and which do not; in brackets the number of threads. *Older*:
how many of the rows are of an older commit than the newest; below the bar these have a star.
"""


def wrap(text):
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def reason(text):
    """Why a rival failed; not what PyTorch prints below any failure."""
    if "TORCHDYNAMO_VERBOSE" in text or "TORCH_LOGS" in text:
        text = "PyTorch's compiler; its message was not kept"
    return text.replace("|", "/")


def table(kind, result):
    """One measurement as Markdown."""
    lines = ["| | median ms | 10 % .. 90 % | runs | ratio | error | memory MiB | start ms |",
             "|---|--:|--:|--:|--:|--:|--:|--:|"]
    ours = result["contenders"].get("ours", {})
    order = sorted(result["contenders"].items(), key=lambda x: (x[0] != "ours", x[1].get("median_ms", 1e30)))
    for name, c in order:
        if "failed" in c:
            lines.append(f"| {plain(name)} | failed: {reason(c['failed'])} | | | | | | |")
            continue
        ratio = down(c["median_ms"] / ours["median_ms"]) if "median_ms" in ours else ""
        lines.append(f"| {'**unet**' if name == 'ours' else plain(name) + ' ' + c['version']} | {c['median_ms']:.1f} | "
                     f"{c['low_ms']:.1f} .. {c['high_ms']:.1f} | {c['runs']} | {ratio} | {c['error']:.0e} | "
                     f"{memory(c):.0f} | {c['start_ms']:.0f} |")
    return "\n".join(lines)


def title(case):
    size = "x".join(str(i) for i in (*case["extent"], case["channels"]))
    what = "inference" if case["kind"] == "infer" else "training step (forward, backward, AdamW)"
    text = f"{case['filters']} filters, {case['depth']} poolings, {size}, batch {case['batch']}, {what}"
    if case.get("variant"):
        text = f"{case['variant']}, " + text
    if case["padded"] != case["extent"]:
        text += f"; computed at {'x'.join(str(i) for i in case['padded'])} by all"
    if case["set"] == "seed":
        text += f" (drawn from seed {case['seed']})"
    return text + "."


def notes(cpu, row):
    found = ["older"] if cpu.older(row.commit) else []
    if row.result["others_percent"] > MUCH_PERCENT:
        found.append(f"{row.result['others_percent']:.0f} % elsewhere")
    if row.single():
        found.append("1 turn: " + ", ".join(row.single()))
    if row.result["rounds"] <= FEW_ROUNDS:
        found.append(f"{row.result['rounds']} rounds")
    return "; ".join(found)


def speedup(cpu, row):
    """The cell "2 threads by 1"."""
    if row.threads != 2 or row.name not in cpu.speedups:
        return ""
    ratio, _, in_turns = cpu.speedups[row.name]
    return down(ratio) + ("" if in_turns else " (two runs)")


def cell(row, keep):
    """A ratio, and the rival it is to."""
    best = row.fastest(keep)
    return (down(best[0]), plain(best[1])) if best else ("", "")


def share(row, keep):
    value = row.share(keep)
    return up(value) if value is not None else ""


def overview(cpu, kind):
    """A line a case: how far ahead of the best rival, by time and memory."""
    infer = kind == "infer"
    first = (lambda n: True) if infer else (lambda n: not is_bf16(n))
    second = is_direct if infer else is_bf16
    lines = ["| case | threads | unet ms | fastest rival | ratio | ratio to " +
             ("ORT, OpenVINO, PyTorch" if infer else "PyTorch bf16") + " | 2 threads by 1 | unet MiB |" +
             (" by ORT's |" if infer else "") + " by the least rival's | commit | notes |",
             "|---|--:|--:|---|--:|--:|--:|--:|" + "--:|" * infer + "--:|---|---|"]
    for row in (r for r in cpu.of_kind(kind) if r.timed):
        ratio, rival = cell(row, first)
        shares = ([share(row, lambda n: n == "onnxruntime")] if infer else []) + [share(row, first)]
        lines.append(f"| {row.name} | {row.threads} | {row.ours['median_ms']:.1f} | {rival} | {ratio} | "
                     f"{cell(row, second)[0]} | {speedup(cpu, row)} | {memory(row.ours):.0f} | {' | '.join(shares)} | "
                     f"{row.commit} | {notes(cpu, row)} |")
    return "\n".join(lines)


def above_one(cpu):
    """Why some sessions hold more than a rival."""
    def names(keep):
        return sorted({r.name for r in cpu.of_kind("infer") if r.timed and (r.share(keep) or 0) > 1})
    least, ort = names(lambda n: True), names(lambda n: n == "onnxruntime")
    if not least:
        return ""
    text = f"More than the least rival's: {', '.join(least)}"
    text += (f"; than ONNX Runtime's: {', '.join(ort)}" if ort else "") + "."
    if cpu.levels == "avx2":
        text += (" With AVX2 alone a session that no cap holds keeps the weights of deep layers transformed, which "
                 "take four times the room of the others, where that makes a run 2 % faster by the kernels' cost "
                 "model: wide networks and small pictures. `--mem` takes that back, to the same bits; for 64 filters "
                 "see [performance](performance.md#memory-of-inference).")
    return wrap(text)


def details(cpu, kind):
    out, last = [], None
    for row in cpu.of_kind(kind):
        if row.name != last:
            out.append(f"### {row.name}\n\n{title(row.case)}\n")
        last, r = row.name, row.result
        out += [f"{row.threads} thread{'s' * (row.threads != 1)}, {cpu.machine['model']}, {r['level']}, {r['rounds']} "
                f"rounds, {r['others_percent']} % of a processor went to something else, commit {r['commit']}, "
                f"{r['date']}:\n", table(row.case["kind"], r), ""]
    return out


def page(cpu):
    m = cpu.machine
    caches = ", ".join(f"{k} {v} KiB" for k, v in m["cache_kib"].items())
    out = [f"## {cpu.title}\n", f"Level of our kernels: {cpu.levels}. {m['cores']} cores; {caches}; "
           f"{' '.join(m['flags'])}. {m['compiler']}.\n"]
    for kind, text in (("infer", "Inference"), ("train", "Training"), ("variant", "Training of variants")):
        if cpu.of_kind(kind):
            out += [f"### {text}\n", overview(cpu, kind), ""]
            if kind == "infer":
                out += filter(None, [above_one(cpu)])
    out += recorded.sections(cpu)
    for kind in ("infer", "train", "variant"):
        out += details(cpu, kind)
    return "\n".join(out)


def write(root):
    folder = os.path.join(root, "bench", "results")
    commits, cpus = history(root), []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(os.path.join(folder, name)) as f:
                cpus.append(Cpu(json.load(f), read_tables(folder, name[:-len(".json")]), commits))
    parts = [HEAD.format(much=MUCH_PERCENT, few=FEW_ROUNDS), *map(bars.section, cpus), *map(page, cpus)]
    with open(os.path.join(root, "docs", "benchmarks.md"), "w") as f:
        f.write("\n".join(parts).rstrip() + "\n")


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

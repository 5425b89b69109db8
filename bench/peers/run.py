#!/usr/bin/env python3
"""unet beside other runtimes, in turns in one run: bench/peers/README.md.

    run.py [--case NAME]... [--threads 1|2]... [--seed N] [--quick] [--prepare] [--list] [--seconds S]
"""
import argparse
import datetime
import json
import os
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time

import numpy as np

import cases
import machine
import report

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORK = os.path.join(ROOT, "build-peers")
OURS = os.path.join(ROOT, "build", "bench", "ours")
INFER = ["onnxruntime", "openvino", "mnn", "ncnn", "torch-eager", "torch-channels_last", "torch-compile"]
TRAIN = ["torch-train-eager", "torch-train-channels_last", "torch-train-compile"]
TRAIN_BF16 = ["torch-train-bf16", "torch-train-bf16_compile"]
LEAST_ROUNDS, MOST_ROUNDS = 3, 15
TURN_MS = 250       # a turn takes about so long, or one run where that is longer
SLOW = 12           # times the quickest first result: such a rival gets one turn
START_S = {"infer": 30, "train": 100}  # a first result must be there by then
DISAGREE = 1e-2     # of the largest logit, or of the loss: what computes something else is no rival
DISAGREE_BF16 = 0.1


class Failed(Exception):
    pass


def last_exception(text, otherwise):
    """The line that names the last exception (PyTorch prints help behind it), else the last one."""
    lines = [x.strip() for x in text.splitlines() if x.strip()]
    named = [x for x in lines if re.match(r"[\w.]*(Error|Exception|Failed|Unsupported)(:|$)", x)]
    return [otherwise, *lines[-1:], *named[-1:]][-1]


class Contender:
    """A process that runs one network; stopped whenever it is not its turn, so that no thread of it spins."""

    def __init__(self, name, command, cores, limit_s):
        self.name = name
        self.errors = open(os.path.join(WORK, "errors.txt"), "w+")
        env = dict(os.environ, TORCHINDUCTOR_CACHE_DIR=os.path.join(WORK, "inductor"), PYTHONPATH=HERE)
        began = time.perf_counter()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        env=env, preexec_fn=lambda: os.sched_setaffinity(0, cores))
        self.unread = b""
        self.facts = self.answer(limit_s)
        self.facts["start_ms"] = 1e3 * (time.perf_counter() - began)
        self.ms, self.last_ms = [], self.facts["first_ms"]
        self.pause()

    def answer(self, limit_s):
        """The next line that is JSON; libraries may print others."""
        deadline = time.monotonic() + limit_s
        while True:
            line, end, rest = self.unread.partition(b"\n")
            if end:
                self.unread = rest
                if line.startswith(b"{"):
                    return json.loads(line)
                continue
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                self.close()
                raise Failed(f"no answer within {limit_s:.0f} s")
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                raise Failed(self.last_words())
            self.unread += more

    def last_words(self):
        code = self.process.wait()
        self.errors.seek(0)
        return last_exception(self.errors.read(), f"ended with code {code}").replace(ROOT + "/", "")[:200]

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def ask(self, text, limit_s=120):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        a = self.answer(limit_s)
        self.pause()
        return a

    def turn(self, record, turn_ms=TURN_MS):
        """One turn: where a run is short the first one after the pause is not counted."""
        runs = max(1, min(200, int(turn_ms / self.last_ms)))
        a = self.ask(f"run {runs + (runs > 1)}")
        self.last_ms = a["ms"][-1]
        if record:
            self.ms += a["ms"][runs > 1:]
        return a

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


# ---- what a case needs ----


def run_tool(command):
    r = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, PYTHONPATH=HERE))
    if r.returncode:
        sys.exit((r.stdout + r.stderr).strip() or f"{command[0]} failed")


def prepare(case, seed):
    """The folder with network, pictures and what the rivals load; made once."""
    folder = os.path.join(WORK, "cases", f"{case.name}-{seed}")
    if os.path.exists(folder + "/done"):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    model = folder + "/net.safetensors"
    run_tool([OURS, "create", model, *case.keys(seed)])
    rng = np.random.default_rng(seed)
    image = rng.standard_normal((case.batch, *case.extent, case.channels), dtype=np.float32)
    pad = [(0, 0), *((0, p - e) for p, e in zip(case.padded, case.extent)), (0, 0)]
    image = np.pad(image, pad, mode="reflect")
    image.tofile(folder + "/image.ours")
    np.ascontiguousarray(np.moveaxis(image, -1, 1)).tofile(folder + "/image.f32")
    if case.kind == "train":  # discs, so that there is something to learn
        target = (np.indices(case.padded).sum(0) // 16 % 2)[None].repeat(case.batch, 0)
        target.astype(np.int32).tofile(folder + "/target.i32")
        target.astype(np.int64).tofile(folder + "/target.i64")
        with open(folder + "/settings.json", "w") as f:
            json.dump({"lr": cases.LR, "weight_decay": cases.WEIGHT_DECAY, "variant": case.variant and case.model}, f)
    else:
        run_tool([sys.executable, HERE + "/export.py", model, folder, *map(str, case.shape)])
    open(folder + "/done", "w").close()
    return folder


def compile_first(case, folder, threads):
    """Fills the cache of PyTorch's compiler, so that its minutes are not part of a measurement."""
    for name in contenders_of(case):
        if "compile" in name:
            try:
                start(name, case, folder, threads, 600).close()
            except Failed as e:
                print(f"{case.name}: {name} failed: {e}")


def command_of(name, case, folder, threads):
    if name == "ours":
        model = folder + "/net.safetensors"
        if case.kind == "train":
            return [OURS, "train", model, folder + "/image.ours", folder + "/target.i32", str(threads)]
        extent = ([1] if len(case.extent) == 2 else []) + list(case.padded)
        return [OURS, "infer", model, folder + "/image.ours", folder + "/ours.out", str(threads), str(case.batch),
                *map(str, extent)]
    other = folder + ("/target.i64" if case.kind == "train" else f"/{name}.out")
    return [sys.executable, HERE + "/rivals.py", name, folder, folder + "/image.f32", other, str(threads),
            *map(str, case.shape)]


def contenders_of(case):
    if case.kind == "infer":
        return ["ours", *INFER]
    return ["ours", *TRAIN, *(TRAIN_BF16 if machine.has_bf16() else [])]


def start(name, case, folder, threads, limit_s):
    refusal = f"{folder}/{name}.failed"
    if os.path.exists(refusal):
        raise Failed(open(refusal).read())
    return Contender(name, command_of(name, case, folder, threads), set(sorted(os.sched_getaffinity(0))[:threads]),
                     limit_s)


# ---- agreement ----


def logits_error(name, case, folder):
    """Largest difference from double precision, over the largest logit."""
    want = np.fromfile(folder + "/logits.f64").reshape(case.batch, 2, *case.padded)
    got = np.fromfile(f"{folder}/{name}.out", np.float32)
    if name == "ours":
        got = np.moveaxis(got.reshape(case.batch, *case.padded, 2), -1, 1)
    else:
        got = got.reshape(want.shape)
    return float(np.abs(got - want).max() / np.abs(want).max())


def check(c, case, folder, losses):
    """The error of a contender; Failed when it computes something else. losses: of the steps after the first."""
    if case.kind == "infer":
        error, most = logits_error(c.name, case, folder), DISAGREE
    else:
        mine = [c.facts["loss"]] + [c.ask("run 1")["loss"] for _ in range(2)]
        losses.setdefault("first", mine)
        error = max(abs(a - b) / abs(b) for a, b in zip(mine, losses["first"]))
        most = DISAGREE_BF16 if "bf16" in c.name else DISAGREE
    if not error <= most:
        raise Failed(f"outputs differ by {error:.1e}")
    return error


# ---- a measurement ----


def busy_seconds(pids):
    """Processor seconds the machine has given to anything, and those of these processes."""
    tick = os.sysconf("SC_CLK_TCK")
    with open("/proc/stat") as f:
        numbers = [int(x) for x in f.readline().split()[1:9]]
    mine = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            mine += sum(int(x) for x in f.read().rpartition(")")[2].split()[11:13])
    return (sum(numbers) - numbers[3] - numbers[4]) / tick, mine / tick


def open_all(case, folder, threads, limit_s):
    """Contenders by name, and what became of those that failed. PyTorch eager is the reference of training losses."""
    there, failed, losses = {}, {}, {}
    order = contenders_of(case)
    if case.kind == "train":
        order = [order[1], order[0], *order[2:]]
    for name in order:
        try:
            c = start(name, case, folder, threads, limit_s)
            there[name] = c
            c.error = check(c, case, folder, losses)
            c.peak_kib = c.ask("peak")["peak_kib"]
        except Failed as e:
            failed[name] = str(e)
            if name in there:
                there.pop(name).close()
        print(f"  {name:26s} " + (f"failed: {failed[name]}" if name in failed else
                                  f"error {c.error:.1e}, first result after {c.facts['start_ms']:.0f} ms"), flush=True)
    return there, failed


def summary(c):
    s = sorted(c.ms)
    return {"median_ms": round(statistics.median(s), 3), "low_ms": round(s[len(s) // 10], 3),
            "high_ms": round(s[len(s) - 1 - len(s) // 10], 3), "runs": len(s), "error": float(f"{c.error:.2g}"),
            "peak_mib": round(c.peak_kib / 1024, 1), "import_mib": round(c.facts["import_kib"] / 1024, 1),
            "start_ms": round(c.facts["start_ms"], 1), "load_ms": round(c.facts["load_ms"], 1),
            "first_ms": round(c.facts["first_ms"], 1), "version": c.facts["version"]}


def take_turns(case, all_of_them, seconds):
    """Rounds until the time is over; the order moves on by one in each. Says how many there were, and the share of one
    processor that went to anything else meanwhile."""
    quickest = min(c.facts["first_ms"] for c in all_of_them)
    slow = [c for c in all_of_them if c.facts["first_ms"] > SLOW * quickest and "compile" not in c.name]
    quick = [c for c in all_of_them if c not in slow]
    for c in quick if case.kind == "infer" else ():  # training has gone through three steps by now
        c.turn(record=False)
    for c in slow:
        c.turn(record=True)
    pids = [c.process.pid for c in all_of_them]
    before, began, rounds = busy_seconds(pids), time.monotonic(), 0
    while rounds < MOST_ROUNDS and (rounds < LEAST_ROUNDS or time.monotonic() - began < seconds):
        for i in range(len(quick)):
            quick[(i + rounds) % len(quick)].turn(record=True)
        rounds += 1
    after, took = busy_seconds(pids), time.monotonic() - began
    others = (after[0] - before[0]) - (after[1] - before[1])
    return {"rounds": rounds, "others_percent": round(100 * max(0, others) / took, 1)}


def measure(case, seed, threads, seconds):
    """What became of each contender of a case."""
    folder = prepare(case, seed)
    print(f"{case.name}, {threads} thread{'s' * (threads > 1)}", flush=True)
    there, failed = open_all(case, folder, threads, START_S[case.kind])
    try:
        facts = take_turns(case, list(there.values()), seconds)
        result = {n: summary(c) for n, c in there.items()}
    finally:
        for c in there.values():
            c.close()
    level = there["ours"].facts["level"] if "ours" in there else "none"
    result.update({n: {"failed": why} for n, why in failed.items()})
    return {"level": level, **facts, "contenders": result}


def commit():
    r = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%h", "--", "src"], capture_output=True, text=True)
    return r.stdout.strip() or "unknown"


def store(case, seed, threads, result):
    """Merges one measurement into the file of this CPU."""
    facts = machine.describe()
    path = os.path.join(ROOT, "bench", "results", machine.slug(facts) + ".json")
    data = {"cases": {}}
    if os.path.exists(path):
        with open(path) as f:
            data = json.load(f)
    data["machine"] = facts
    entry = data["cases"].setdefault(case.name, {})
    entry.update({"kind": case.kind, "set": case.set, "variant": case.variant, "seed": seed,
                  "filters": case.filters, "batch": case.batch, "extent": list(case.extent),
                  "padded": list(case.padded), "channels": case.channels, "depth": case.depth})
    result["commit"], result["date"] = commit(), datetime.date.today().isoformat()
    entry.setdefault("threads", {})[str(threads)] = result
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w") as f:
        json.dump(data, f, indent=1, sort_keys=True)
        f.write("\n")
    os.replace(path + ".new", path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--case", action="append", default=[], help="only this case (repeatable); --list names them")
    p.add_argument("--threads", action="append", type=int, default=[], help="1 or 2 (repeatable); both by default")
    p.add_argument("--seed", type=int, default=1, help="of weights and pictures, and of the five further shapes")
    p.add_argument("--quick", action="store_true", help="two small cases, nothing is saved")
    p.add_argument("--prepare", action="store_true", help="make networks and exports, measure nothing")
    p.add_argument("--list", action="store_true", help="name the cases")
    p.add_argument("--seconds", type=float, default=30, help="of turns for each case and thread count")
    a = p.parse_args()
    chosen = cases.QUICK if a.quick else cases.LIST + cases.drawn(a.seed)
    unknown = set(a.case) - {c.name for c in chosen}
    if unknown:
        p.error(f"no case {', '.join(sorted(unknown))}; --list names them")
    chosen = [c for c in chosen if not a.case or c.name in a.case]
    if a.list:
        print("\n".join(c.name for c in chosen))
        return
    counts = a.threads or [t for t in (1, 2) if t <= len(os.sched_getaffinity(0))]
    for case in chosen:
        for threads in counts:
            if a.prepare:
                compile_first(case, prepare(case, a.seed), threads)
                continue
            result = measure(case, a.seed, threads, 5 if a.quick else a.seconds)
            print(report.table(case.kind, result))
            if not a.quick:
                store(case, a.seed, threads, result)
                report.write(ROOT)


if __name__ == "__main__":
    main()

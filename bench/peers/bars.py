"""What each processor has to reach, and what it does: the first tables of docs/benchmarks.md."""
import math
from dataclasses import dataclass, field

from figures import down, is_bf16, is_direct, order_of, up

START_MS = 20


@dataclass
class Bar:
    text: str
    asked: float
    most: bool = False   # values may be asked at most; else they must be it at least
    whole: bool = False  # MiB and milliseconds instead of a ratio
    extra: bool = False  # not asked of every processor: no line without rows
    rows: list = field(default_factory=list)  # (case, threads or "", value, of an older commit)

    def add(self, case, threads, value, older):
        if value is not None:
            self.rows.append((case, threads, value, older))

    def met(self, value):
        return value <= self.asked if self.most else value >= self.asked

    def shown(self, value):
        if self.whole:
            return f"{math.ceil(value - 1e-9)}"
        return up(value) if self.most else down(value)

    def missed(self):
        """Cases below the bar with their numbers of threads; a star: of an older commit."""
        found = {}
        for case, threads, value, older in self.rows:
            if not self.met(value):
                found.setdefault(case, []).append(f"{threads}{'*' * older}")
        return ", ".join(f"{case} ({', '.join(t)})" if t[0].strip("*") else case + t[0] for case, t in found.items())

    def line(self):
        asked = f"| {self.text} | {'at most ' * self.most}{self.asked:g} |"
        if not self.rows:
            return asked + " not measured | | | |"
        values = [v for _, _, v, _ in self.rows]
        met, older = sum(self.met(v) for v in values), sum(o for _, _, _, o in self.rows)
        return (f"{asked} {self.shown(min(values))} .. {self.shown(max(values))} | {met} of {len(values)} | {older} | "
                f"{self.missed()} |")


def time_bars(cpu):
    against = "the fastest of all rivals"
    float32 = "the fastest float32 form of PyTorch"
    bars = {"2d": Bar(f"inference, 2-D, against {against}", 1.2),
            "direct": Bar("inference, 2-D, against the fastest of ONNX Runtime, OpenVINO and PyTorch", 2.6),
            "3d": Bar(f"inference, 3-D, against {against}", 1.5),
            "train2d": Bar(f"training step, 2-D, against {float32}", 2.5),
            "train3d": Bar(f"training step, 3-D, against {float32}", 1.8),
            "variant": Bar(f"training step of variants, against {float32} (that of 2-D is asked)", 2.5, extra=True)}
    for r in (r for kind in ("infer", "train", "variant") for r in cpu.of_kind(kind) if r.timed):
        def add(key, keep):
            best = r.fastest(keep)
            bars[key].add(r.name, r.threads, best and best[0], cpu.older(r.commit))
        if r.kind == "variant":
            add("variant", lambda n: not is_bf16(n))
        elif r.kind == "train":
            add("train3d" if r.volume else "train2d", lambda n: not is_bf16(n))
        else:
            add("3d" if r.volume else "2d", lambda n: True)
            if not r.volume:
                add("direct", is_direct)
    return list(bars.values())


def pair_bars(cpu):
    threads = Bar("two threads against one", 1.85)
    for name in sorted(cpu.speedups, key=order_of):
        ratio, commit, _ = cpu.speedups[name]
        threads.add(name, "", ratio, cpu.older(commit))
    infer = Bar("bf16 against our float32, inference ([masks](precision.md#measured))", 1.3, extra=True)
    train = Bar("bf16 against our float32, training step", 1.3, extra=True)
    for name, full, half in cpu.pairs("bf16", "precision"):
        bar = train if name.startswith("train") else infer
        bar.add(name, full["threads"], float(full["median_ms"]) / float(half["median_ms"]), cpu.older(full["commit"]))
    return [threads, infer, train]


def is_half_case(r):
    return r.case["filters"] in (16, 32) and r.case["batch"] == 1 and r.case["extent"] in ([512, 512], [1024, 1024])


def memory_bars(cpu):
    half = Bar("memory of inference, 16 and 32 filters at 512 and 1024 pixels, by ONNX Runtime's", 0.5, most=True)
    wide = Bar("memory of inference, 64 filters, 256x256x3, MiB", 685, most=True, whole=True)
    least = Bar("the same, `unet predict` with `--mem` at its least, MiB", 200, most=True, whole=True)
    train = Bar("memory of a training step, by the least of PyTorch's float32 forms", 0.5, most=True)
    variant = Bar("memory of a training step of variants, the same", 0.5, most=True, extra=True)
    for r in (r for r in cpu.of_kind("infer") if r.timed):
        if is_half_case(r):
            half.add(r.name, r.threads, r.share(lambda n: n == "onnxruntime"), cpu.older(r.commit))
        if r.name == "infer-64-256x256x3":
            wide.add(r.name, r.threads, r.ours["peak_mib"], cpu.older(r.commit))
    for bar, kind in ((train, "train"), (variant, "variant")):
        for r in (r for r in cpu.of_kind(kind) if r.timed):
            bar.add(r.name, r.threads, r.share(lambda n: not is_bf16(n)), cpu.older(r.commit))
    capped = [x for x in cpu.table("memory") if " --mem " in x["case"]]
    if capped:
        x = min(capped, key=lambda x: float(x["mib"]))
        least.add(x["case"], x["threads"], float(x["mib"]), cpu.older(x["commit"]))
    return [half, wide, least, train, variant]


def beyond(row):
    """Milliseconds of a process beyond the network's own, and those in which its packed weights could be copied; at 16
    filters these are part of what is asked."""
    copied = 0 if "-16-" in row["case"] else float(row["packed_mib"]) * 1048576 / float(row["copy_gb_s"]) / 1e6
    return float(row["median_ms"]) - float(row["network_ms"]), copied


def start_bar(cpu):
    bar = Bar("process start to the mask, 256x256x3: milliseconds beyond the network's own (32 and 64 filters: and "
              "beyond packed bytes over copy bandwidth)", START_MS, most=True, whole=True)
    for row in cpu.table("start"):
        more, copied = beyond(row)
        bar.add(row["case"], row["threads"], more - copied, cpu.older(row["commit"]))
    return bar


def section(cpu):
    bars = [b for b in (*time_bars(cpu), *pair_bars(cpu), *memory_bars(cpu), start_bar(cpu)) if b.rows or not b.extra]
    return "\n".join([f"### {cpu.title}, {cpu.levels}\n",
                      "| bar | asked | least .. greatest | rows that meet it | older | rows that do not |",
                      "|---|--:|--:|--:|--:|---|", *(b.line() for b in bars), "", f"Newest commit: {cpu.newest}.\n"])

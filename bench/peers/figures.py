"""What the tables of docs/benchmarks.md are made of: results of one processor, as ratios and shares."""
import csv
import math
import os
import subprocess

MUCH_PERCENT = 20   # of a processor that went elsewhere: a disturbed row
FEW_ROUNDS = 3
DIRECT = ("onnxruntime", "openvino", "torch")  # rivals that convolve directly
KINDS = ("scaling", "bf16", "memory", "start")  # bench/record.sh and bench/start.sh, CPU-KIND.tsv


def down(ratio):
    """Never more than it is, as it is held against a bar."""
    return f"{math.floor(ratio * 100 + 1e-9) / 100:.2f}"


def up(share):
    """Never less than it is."""
    return f"{math.ceil(share * 100 - 1e-9) / 100:.2f}"


def plain(name):
    return name.replace("torch-train-", "PyTorch ").replace("torch-", "PyTorch ").replace("_", " ")


def memory(c):
    return c["peak_mib"] - c["import_mib"]


def is_bf16(name):
    return "bf16" in name


def is_direct(name):
    return name.startswith(DIRECT)


class Row:
    """One case with one number of threads."""

    def __init__(self, name, case, threads, result):
        self.name, self.case, self.threads, self.result = name, case, int(threads), result
        self.ours = result["contenders"].get("ours", {})
        self.rivals = {n: c for n, c in result["contenders"].items() if n != "ours" and "failed" not in c}
        self.commit = result["commit"]

    @property
    def kind(self):
        return "variant" if self.case.get("variant") else self.case["kind"]

    @property
    def volume(self):
        return len(self.case["extent"]) == 3

    @property
    def timed(self):
        return "median_ms" in self.ours

    def fastest(self, keep):
        """(ratio, name) of the fastest rival that keep agrees with; None where there is none."""
        times = [(c["median_ms"] / self.ours["median_ms"], n) for n, c in self.rivals.items() if keep(n)]
        return min(times) if times else None

    def share(self, keep):
        """Our memory by the least of such rivals'."""
        most = [memory(c) for n, c in self.rivals.items() if keep(n)]
        return memory(self.ours) / min(most) if most else None

    def single(self):
        """Rivals that had one turn."""
        return sorted(plain(n) for n, c in self.rivals.items() if c["runs"] == 1)


def history(root):
    """Commits, newest first; none where git does not know."""
    r = subprocess.run(["git", "-C", root, "log", "--format=%H"], capture_output=True, text=True)
    return r.stdout.split()


class Cpu:
    """Everything that was measured on one processor."""

    def __init__(self, data, tables, commits):
        self.machine, self.cases, self.commits = data["machine"], data["cases"], commits
        self.rows = [Row(n, c, t, r) for n, c in data["cases"].items() for t, r in sorted(c["threads"].items())]
        self.tables = tables  # by kind, lists of dictionaries
        commits_here = {r.commit for r in self.rows} | {x["commit"] for rows in tables.values() for x in rows}
        self.newest = min(sorted(commits_here), key=self.age)
        self.speedups = self.two_threads()

    @property
    def title(self):
        return f"{self.machine['model']} ({self.machine['number']})"

    @property
    def levels(self):
        return ", ".join(sorted({r.result["level"] for r in self.rows}))

    def age(self, commit):
        """Commits since; those that git does not know are the oldest."""
        return next((i for i, full in enumerate(self.commits) if full.startswith(commit)), len(self.commits))

    def older(self, commit):
        return commit != self.newest

    def of_kind(self, kind):
        order = {"list": 0, "seed": 1}
        return sorted((r for r in self.rows if r.kind == kind),
                      key=lambda r: (order.get(r.case["set"], 2), r.volume, -r.case["filters"], r.name, r.threads))

    def table(self, kind):
        return sorted(self.tables.get(kind, []), key=lambda x: order_of(x["case"]))

    def pairs(self, kind, column):
        """The rows of a table that are two of a case: (case, first, second), by what the column says."""
        found = {}
        for row in self.table(kind):
            found.setdefault((row["case"], row["threads"] if column != "threads" else ""), []).append(row)
        return [(key[0], *sorted(two, key=lambda x: rank(x[column]))) for key, two in found.items() if len(two) == 2]

    def two_threads(self):
        """How much faster two threads are, by case: (ratio, commit, in turns). In turns where they are not of an older
        commit; else of two runs of one commit."""
        found = {}
        for name, case in self.cases.items():
            both = {r.threads: r for r in self.rows if r.name == name and r.timed}
            if 1 in both and 2 in both and both[1].commit == both[2].commit:
                found[name] = (both[1].ours["median_ms"] / both[2].ours["median_ms"], both[2].commit, False)
        for name, one, two in self.pairs("scaling", "threads"):
            if name not in found or self.age(one["commit"]) <= self.age(found[name][1]):
                found[name] = (float(one["median_ms"]) / float(two["median_ms"]), one["commit"], True)
        return found


def rank(value):
    """1 before 2, float32 before bf16."""
    return {"float32": 0, "bf16": 1}.get(value, value)


def order_of(name):
    """Inference before training, pictures before volumes, wide networks first."""
    words = name.split(" ")[0].split("-")
    return (words[0] == "train", len(words[2].split("x")), -int(words[1]), name.split(" ")[0])


def read_tables(folder, slug):
    tables = {}
    for kind in KINDS:
        path = os.path.join(folder, f"{slug}-{kind}.tsv")
        if os.path.exists(path):
            with open(path, newline="") as f:
                tables[kind] = list(csv.DictReader(f, delimiter="\t"))
    return tables

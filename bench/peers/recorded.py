"""The sections of docs/benchmarks.md that come from bench/record.sh and bench/start.sh."""
from bars import START_MS, beyond
from figures import down


def number(text, digits=1):
    """No more digits than there are."""
    if text == "-":
        return ""
    return text if "." not in text else f"{float(text):.{digits}f}"


def ratio(a, b):
    return "" if "-" in (a, b) else down(float(a) / float(b))


def origin(cpu, row):
    return row["commit"] + " *" * cpu.older(row["commit"])


def table(head, rows):
    line = "|" + "|".join("---" if i == 0 else "--:" for i in range(head.count("|") - 1)) + "|"
    return "\n".join([head, line, *("| " + " | ".join(r) + " |" for r in rows)]) + "\n"


def scaling(cpu):
    rows = [(name, number(one["median_ms"]), number(two["median_ms"]), ratio(one["median_ms"], two["median_ms"]),
             ratio(one["least_ms"], two["least_ms"]), origin(cpu, one))
            for name, one, two in cpu.pairs("scaling", "threads")]
    return """### Two threads

`make bench-scaling`: one and two threads in turns, in one process; medians of five whiles of each, and the least of
these.

""" + table("| case | 1 thread, ms | 2 threads, ms | times as fast | of the least | commit |", rows)


def bf16(cpu):
    rows = [(name, full["threads"], number(full["median_ms"]), number(half["median_ms"]),
             ratio(full["median_ms"], half["median_ms"]), number(full["mib"]), number(half["mib"]),
             number(half["logits_percent"]), origin(cpu, full))
            for name, full, half in cpu.pairs("bf16", "precision")]
    return """### bf16 beside our float32

`make bench-bf16`: both in turns, medians; MiB of a session or an engine with its packed weights. *Logits*: root mean
square of the difference by their spread, of a network as it is initialised; what becomes of masks and trainings stands
in [precision](precision.md#measured).

""" + table("| case | threads | float32, ms | bf16, ms | times as fast | float32, MiB | bf16, MiB | logits, % "
            "| commit |", rows)


def memory(cpu):
    rows = sorted(cpu.tables["memory"], key=lambda r: -float(r["mib"]))
    priced = sorted((r for r in rows if r["byte_ns"] != "-"), key=lambda r: float(r["byte_ns"]))
    sessions = [(number(r["mib"]), number(r["median_ms"]), number(r["least_ms"]), number(r["byte_ns"], 3),
                 origin(cpu, r)) for r in priced]
    processes = [(f"`{r['case'].partition(' ')[2]}`" if " " in r["case"] else "no cap", number(r["mib"]),
                  number(r["median_ms"]), number(r["least_ms"]), origin(cpu, r)) for r in rows if r["byte_ns"] == "-"]
    return """### Memory against time, 64 filters, 256x256x3

`make bench-mem`. A price of memory makes the choice of kernels shift to those that keep fewer packed weights and less
scratch; prediction under `--mem` looks for the lowest price that fits. What a session then holds with its packed
weights, and a run of it:

""" + table("| MiB | ms | least ms | price of a byte, ns | commit |", sessions) + """
Fresh processes of `unet predict` with such a model in a file, one 256x256 picture, in turns: the largest resident
memory, and the time from their start to their end:

""" + table("| setting | MiB | ms | least ms | commit |", processes)


def start(cpu):
    rows = []
    for r in cpu.table("start"):
        more, copied = beyond(r)
        rows.append((r["case"].split("-")[1], number(r["median_ms"]), number(r["least_ms"]), number(r["network_ms"]),
                     f"{more:.1f}", f"{START_MS + copied:.1f}", number(r["packed_mib"]), number(r["copy_gb_s"]),
                     number(r["mib"]), origin(cpu, r)))
    return """### From the start of the process to the mask

`make bench-start`: `unet predict` of one 256x256 picture, one thread, networks with random weights, files in memory;
fresh processes in turns, medians. *Network*: a run of it in a process that has made one before. *Asked*: 20 ms, at 32
and 64 filters and packed bytes over copy bandwidth.

""" + table("| filters | process, ms | least | network, ms | beyond it | asked | packed MiB | copy GB/s | MiB "
            "| commit |", rows)


SECTIONS = {"scaling": scaling, "bf16": bf16, "memory": memory, "start": start}


def sections(cpu):
    return [make(cpu) for kind, make in SECTIONS.items() if cpu.tables.get(kind)]

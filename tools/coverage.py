#!/usr/bin/env python3
"""Lines of each own parser that the fuzz corpora reach, from what the programs of a coverage build left (gcov).
usage: coverage.py BUILD-FOLDER LIST      LIST: lines `what | FILE | [functions that do not parse, * allowed]`
Prints a table in Markdown; fails when a parser has less than 85 %. -v as the last word: the lines that are not reached."""
import fnmatch
import json
import pathlib
import subprocess
import sys

LEAST = 85


def lines_of(build, source, leave_out):
    """(reached, all) lines of the source, but for those of the functions that leave_out matches."""
    reached, every = set(), set()
    for notes in build.rglob("*" + source.replace("/", "_") + ".gcda"):
        text = subprocess.run(["gcov", "--json-format", "--stdout", notes.name], cwd=notes.parent, check=True,
                              capture_output=True, text=True).stdout
        for file in json.loads(text)["files"]:
            if not file["file"].endswith(source):
                continue
            for line in file["lines"]:
                if any(fnmatch.fnmatchcase(line.get("function_name", ""), pattern) for pattern in leave_out):
                    continue
                every.add(line["line_number"])
                if line["count"]:
                    reached.add(line["line_number"])
    return reached, every


def main():
    build, rows, verbose = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[-1] == "-v"
    bad = []
    print("| parser | file | lines | reached | |\n|---|---|--:|--:|--:|")
    for row in rows.read_text().splitlines():
        if not row or row.startswith("#"):
            continue
        what, source, leave_out = (part.strip() for part in (row + "||").split("|")[:3])
        reached, every = lines_of(build, source, leave_out.split())
        share = 100 * len(reached) / max(len(every), 1)
        print(f"| {what} | `{source}` | {len(every)} | {len(reached)} | {share:.1f} % |")
        if share < LEAST:
            bad.append(source)
        if verbose:
            print(source, *sorted(every - reached), file=sys.stderr)
    if bad:
        sys.exit(f"less than {LEAST} % of the lines: {' '.join(bad)}")


main()

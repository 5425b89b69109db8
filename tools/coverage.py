#!/usr/bin/env python3
"""Share of lines that the fuzz corpora reach in each own parser: reads what the programs of a coverage build left.
usage: coverage.py BUILD-FOLDER FILE[:REGEX] ...     REGEX: names of functions that write, which do not count"""
import json
import pathlib
import re
import subprocess
import sys


def lines_of(build, source, leave_out):
    """(reached, all) lines of the source outside of functions whose name matches leave_out."""
    name = source.replace("/", "_")
    reached, every = set(), set()
    for notes in build.rglob(name + ".gcda"):
        text = subprocess.run(["gcov", "--json-format", "--stdout", notes.name], cwd=notes.parent, check=True,
                              capture_output=True, text=True).stdout
        for line in text.splitlines():
            for f in json.loads(line)["files"]:
                if not f["file"].endswith(source):
                    continue
                for entry in f["lines"]:
                    if leave_out and re.fullmatch(leave_out, entry.get("function_name", "")):
                        continue
                    every.add(entry["line_number"])
                    if entry["count"]:
                        reached.add(entry["line_number"])
    return reached, every


def main():
    build = pathlib.Path(sys.argv[1])
    for word in sys.argv[2:]:
        source, _, leave_out = word.partition(":")
        reached, every = lines_of(build, source, leave_out)
        print(source, len(reached), len(every), *sorted(every - reached))


main()

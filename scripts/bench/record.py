#!/usr/bin/env python3
"""Turns the table that divan prints into JSON, with what is needed to measure again: command, commit, machine, date.

    cargo bench ... | scripts/bench/record.py --command "cargo bench ..." --out docs/performance/model-engine.json
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = {"ps": 1e-12, "ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
PREFIXES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
COLUMNS = ("fastest", "slowest", "median", "mean", "samples", "iters")


def machine():
    """The machine, as far as it matters for speed."""
    processor = platform.processor() or platform.machine()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        processor = names[0] if names else processor
    return {"system": platform.system(), "processor": processor, "cores": os.cpu_count()}


def commit():
    """The commit that was measured; `-dirty` when the code is not quite that one."""
    name = ["git", "describe", "--always", "--exclude=*"]
    short = subprocess.run(name, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    # Results written a moment ago are no change of what is measured.
    difference = ["git", "diff", "--quiet", "HEAD", "--", ".", ":(exclude)docs"]
    return short if subprocess.run(difference, check=False, cwd=ROOT).returncode == 0 else short + "-dirty"


def head(command):
    """What every result begins with."""
    return {
        "command": command,
        "commit": commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": machine(),
    }


def rounded(number):
    """A number without the noise of its last bits."""
    return float(f"{number:.6g}")


def seconds(text):
    """`12.3 µs` in seconds."""
    number, unit = text.split()
    return rounded(float(number) * SECONDS[unit])


def rate(text):
    """`1.5 MB/s` as a number and `B/s`."""
    number, unit = text.split()
    prefix, thing = re.fullmatch(r"((?:[KMGT]i?)?)((?:B|item|char|Hz|cycle)s?(?:/s)?)", unit).groups()
    return rounded(float(number) * PREFIXES[prefix]), thing


def benchmarks(lines):
    """The rows of divan's tables, which are passed on to standard error. A row's name is its path, `per_token/8`."""
    results, columns_at, path, last = {}, None, [], None
    for line in lines:
        sys.stderr.write(line)
        line = line.rstrip("\n")
        if "fastest" in line and "median" in line:
            columns_at, path, last = line.index("fastest"), [], None
            continue
        if columns_at is None or not line.strip():
            continue
        tree, cells = line[:columns_at], [cell.strip() for cell in line[columns_at:].split("│")]
        name = tree.lstrip("│├╰─ ").strip()
        if name:
            depth = (len(tree) - len(tree.lstrip("│├╰─ "))) // 3
            path = [*path[: depth - 1], name]
            last = None
        if len(cells) < len(COLUMNS) or not cells[0]:
            continue
        if cells[4]:
            last = {f"{column}_seconds": seconds(cell) for column, cell in zip(COLUMNS, cells[:4])}
            last |= {"samples": int(cells[4]), "iterations": int(cells[5])}
            results["/".join(path)] = last
        elif last is not None:
            # The row below a time holds what was done per second in that time.
            last["throughput"], last["throughput_unit"] = rate(cells[2])
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", required=True, help="the command whose output stands on standard input")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    results = benchmarks(sys.stdin)
    if not results:
        raise SystemExit(f"error: no table of divan's in the output of: {arguments.command}")
    report = {**head(arguments.command), "benchmarks": results}
    arguments.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

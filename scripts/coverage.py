#!/usr/bin/env python3
"""Lines reached, crate by crate, from `cargo llvm-cov report --json --summary-only` on standard input."""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "bench"))
import record  # noqa: E402 (it lies in the folder above)

ROOT = pathlib.Path(__file__).resolve().parents[1]
WANTED = 90.0
SHOWN = 25


def share(covered, lines):
    """Per cent, of something."""
    return round(100 * covered / lines, 2) if lines else 100.0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", required=True)
    parser.add_argument("--record", type=pathlib.Path)
    arguments = parser.parse_args()
    files, crates = {}, {}
    for file in json.load(sys.stdin)["data"][0]["files"]:
        name = str(pathlib.Path(file["filename"]).relative_to(ROOT))
        lines = file["summary"]["lines"]
        files[name] = (lines["covered"], lines["count"])
        covered, count = crates.get(name.split("/")[0], (0, 0))
        crates[name.split("/")[0]] = (covered + lines["covered"], count + lines["count"])
    for crate, (covered, count) in sorted(crates.items()):
        mark = "" if share(covered, count) >= WANTED else f"  (wanted: {WANTED:.0f} %)"
        print(f"{crate:24} {share(covered, count):6.2f} % of {count} lines{mark}")
    missing = sorted(files.items(), key=lambda item: item[1][0] - item[1][1])
    print("\nwhere most lines are missing:")
    for name, (covered, count) in missing[:SHOWN]:
        print(f"{count - covered:6} of {count:5}  {name}")
    if arguments.record:
        report = {
            **record.head(arguments.command),
            "unit": "% of lines",
            "crates": {crate: {"lines": count, "covered": covered, "share": share(covered, count)}
                       for crate, (covered, count) in sorted(crates.items())},
            "missing_lines": {name: count - covered for name, (covered, count) in missing[:SHOWN] if covered < count},
        }
        arguments.record.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


main()

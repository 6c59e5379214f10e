#!/usr/bin/env python3
"""Keeps what one run of a fuzz target did: `scripts/fuzz.py TARGET LOG RECORD.json`. Called by scripts/fuzz.sh."""

import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "bench"))
import record  # noqa: E402 (it lies in the folder above)


def last(pattern, text):
    """The last number that stands there."""
    found = re.findall(pattern, text)
    return int(found[-1]) if found else None


def main():
    target, log, out = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    text = log.read_text(encoding="utf-8", errors="replace")
    report = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    head = record.head("scripts/fuzz.sh all SECONDS RECORD.json")
    targets = report.get("targets", {})
    targets[target] = {
        "executions": last(r"stat::number_of_executed_units:\s*(\d+)", text),
        "seconds": last(r"Done \d+ runs in (\d+) second", text),
        "peak_memory_mb": last(r"stat::peak_rss_mb:\s*(\d+)", text),
        "slowest_input_seconds": last(r"stat::slowest_unit_time_sec:\s*(\d+)", text),
        "covered_edges": last(r"cov: (\d+)", text),
        "inputs_kept": last(r"corp: (\d+)", text),
        "failed": "SUMMARY: " in text,
        "commit": head["commit"],
    }
    out.write_text(json.dumps({**head, "targets": dict(sorted(targets.items()))}, indent=1) + "\n", encoding="utf-8")


main()

#!/usr/bin/env python3
"""What it costs to know who asks and whether they may, on both homes of the store, and what 200 sign-ins at the same
moment do to everybody else.

  scripts/bench/accounts.py [--quick]

A key or token that was seen before is found in memory, and what takes access away empties that memory at once; an unknown
key asks the store each time. Passwords are hashed at their real cost, at most four at a time. Exits with an error where a
bound is broken, with --quick only where something does not run.
"""

import argparse
import json
import pathlib
import subprocess

import executables
import record

MIB = 2**20
# The flood's memory: four hashes of 19 MiB, and 200 connections with their clients, who live in the same process.
BOUNDS = {
    "sqlite key p50 seconds": ("at most", 50e-6),
    "sqlite token p50 seconds": ("at most", 50e-6),
    "sqlite cookie p50 seconds": ("at most", 50e-6),
    "postgres key p50 seconds": ("at most", 50e-6),
    "postgres token p50 seconds": ("at most", 50e-6),
    "postgres cookie p50 seconds": ("at most", 50e-6),
    "flood let in": ("at least", 200),
    "flood others p99 seconds": ("at most", 0.1),
    "flood memory grows by bytes": ("at most", 160 * MIB),
    "flood memory grows by bytes in a second flood": ("at most", 32 * MIB),
}


def broken_bounds(found):
    """Sentences about what should not be."""
    for name, (word, bound) in BOUNDS.items():
        value = found.get(name)
        if value is None or (value < bound if word == "at least" else value > bound):
            yield f"{name} is {value}, {word} {bound} is wanted"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="bench")
    parser.add_argument("--quick", action="store_true", help="a few of everything; the numbers mean nothing")
    parser.add_argument("--out", type=pathlib.Path, default=executables.ROOT / "docs/performance/accounts.json")
    arguments = parser.parse_args()
    command = [executables.executable("accounts", arguments.profile), *(["--quick"] if arguments.quick else [])]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = {
        f"{part} {name.replace('_', ' ')}": record.rounded(value) if isinstance(value, float) else value
        for part, numbers in json.loads(output).items() for name, value in numbers.items()
    }
    report = {**record.head("scripts/bench/accounts.py"), "model": "argon2id with 19 MiB and two passes",
              "settings": {"quick": arguments.quick}, "trial": found, "bounds": BOUNDS}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    if not arguments.quick and (faults := list(broken_bounds(found))):
        raise SystemExit("\n".join(faults))


main()

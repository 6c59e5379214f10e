#!/usr/bin/env python3
"""Writes performance.md beside a folder of results: `scripts/bench/report.py docs/performance`."""

import json
import pathlib
import sys

HEAD = """# Performance

Made by `scripts/bench/run.sh` from the JSON files in [{folder}]({folder}); do not edit by hand. Each file names the
command, the commit, the machine and the day, so that a number can be measured again. `times as fast` is the median, over
repetitions, of our rate through the peer's, or of the peer's time through ours: above 1 we are faster.
"""


def time(seconds):
    """Seconds in the unit that people would choose."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def throughput(row):
    """What was done per second, or nothing."""
    if "throughput" not in row:
        return ""
    value = row["throughput"]
    for prefix, size in (("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {prefix}{row['throughput_unit']}"
    return f"{value:.3g} {row['throughput_unit']}"


def origin(report):
    """Where the numbers come from."""
    machine = report["machine"]
    return (
        f"`{report['command']}` at {report['commit']}, {report['date']}, "
        f"{machine['processor']}, {machine['cores']} cores\n"
    )


def table(heads, rows):
    """A table whose first column is text and whose others are numbers."""
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def measured(report):
    """The table of a benchmark of our own."""
    rows = [
        [f"`{name}`", time(row["median_seconds"]), time(row["fastest_seconds"]), throughput(row)]
        for name, row in report["benchmarks"].items()
    ]
    return table(["benchmark", "median", "fastest", "throughput"], rows)


def amount(value, unit):
    """A number as people would write it."""
    if unit == "s":
        return time(value) if value > 0 else "too small to tell"
    return f"{value:.0f} {unit}" if value >= 1000 else f"{value:.3g} {unit}".rstrip()


def compared(report):
    """The table of work done by a peer as well: what counts is the median of the ratios of neighbours."""
    rows = []
    for row in report["comparisons"]:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        rows.append([f"`{row['subject']}`", row["work"], amount(row["rustygpt"], row["unit"]),
                     amount(row["theirs"], row["unit"]), row["peer"], ratio])
    heads = ["", "work", "RustyGPT", "peer", "which", "times as fast"]
    return f"{report['method']}\n\n" + table(heads, rows)


def tried(report):
    """The list of what a trial found, beside its settings."""
    def words(things):
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in things.items())

    rows = []
    for name, value in report["trial"].items():
        bound = report.get("bounds", {}).get(name)
        text = words(value) if isinstance(value, dict) else "none" if value == [] else f"{value}"
        rows.append([name.replace("_", " "), text, " ".join(map(str, bound)) if bound else ""])
    return f"{report['model']}; {words(report['settings'])}\n\n" + table(["", "found", "wanted"], rows)


def agreed(report):
    """How close two engines come on the same conversations."""
    rows = []
    for model, answers in report["agreement"].items():
        margins = [a["margin_where_they_part"] for a in answers]
        rows.append([
            f"`{model}`",
            ", ".join(str(a["equal_tokens"]) for a in answers),
            f"{max(a['worst_logprob_difference'] for a in answers):.3f}",
            f"{max((m for m in margins if m is not None), default=0.0):.3f}",
        ])
    text = (
        f"Greedy answers of {report['tokens']} tokens to five conversations, both engines with an f32 cache. The models "
        "have random weights, so that many tokens are nearly equally likely: a text parts where the two best tokens of "
        "llama.cpp lie closer together than the engines do.\n\n"
    )
    return text + table(
        ["model", "equal tokens", "largest difference of a log-probability", "largest margin where they part"], rows
    )


def main():
    folder = pathlib.Path(sys.argv[1])
    text = [HEAD.format(folder=folder.name)]
    for file in sorted(folder.glob("*.json")):
        report = json.loads(file.read_text(encoding="utf-8"))
        if "comparisons" in report:
            text += [f"## Beside others: {file.stem}\n", origin(report), compared(report)]
        elif "trial" in report:
            text += [f"## Trial: {file.stem}\n", origin(report), tried(report)]
        elif "agreement" in report:
            text += [f"## {file.stem.capitalize()} with llama.cpp\n", origin(report), agreed(report)]
        elif "benchmarks" in report:
            text += [f"## {file.stem}\n", origin(report), measured(report)]
    if len(text) == 1:
        raise SystemExit(f"error: there are no results in {folder}")
    folder.with_suffix(".md").write_text("\n".join(text), encoding="utf-8")


main()

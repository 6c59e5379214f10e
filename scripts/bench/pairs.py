"""Results of two programs that did the same work in turn: what is kept, how a ratio is made, what people see."""

import argparse
import json
import pathlib
import statistics

import executables
import record


def parser(description, out):
    """The arguments that every comparison has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--peer", default="", help="what stands before llama.cpp's programs, e.g. 'chroot FOLDER'")
    made.add_argument("--profile", default="bench", help="cargo's; anything but bench measures nothing")
    made.add_argument("--repetitions", type=int, default=5)
    made.add_argument("--out", type=pathlib.Path, default=executables.ROOT / "docs/performance" / out)
    return made


def faster(ours, theirs, unit):
    """How many times as fast as the other we are: of rates ours through theirs, of times (`s`, `s/s`) the reverse. None
    where one of them is too small to tell."""
    ours, theirs = (theirs, ours) if unit in ("s", "s/s") else (ours, theirs)
    return ours / theirs if ours > 0 and theirs > 0 else None


class Pairs:
    """Rows of a result file, written after each, so that a run that is cut short leaves what it has."""

    def __init__(self, command, method, out, **facts):
        self.report = {**record.head(command), "method": method, **facts, "comparisons": []}
        self.out = out

    def add(self, subject, work, unit, pairs, peer="llama.cpp", **facts):
        """`pairs` are (ours, theirs), one for each repetition; the median of their ratios is what counts, because the
        speed of a shared machine drifts."""
        pairs = [tuple(map(record.rounded, pair)) for pair in pairs]
        ratios = [faster(*pair, unit) for pair in pairs]
        row = {
            "subject": subject, "work": work, "unit": unit, "peer": peer, **facts,
            "rustygpt": statistics.median(ours for ours, _ in pairs),
            "theirs": statistics.median(theirs for _, theirs in pairs),
            "ratio": record.rounded(statistics.median(ratios)) if None not in ratios else None,
            "repetitions": pairs,
        }
        self.report["comparisons"].append(row)
        self.write()
        print(f"{subject:28} {work:36} {row['rustygpt']:10.4g} : {row['theirs']:10.4g} {unit:9} {peer}"
              f" = {row['ratio'] or 0:.2f} x", flush=True)

    def write(self):
        """Writes what there is so far."""
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.out.write_text(json.dumps(self.report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def words(path_names):
    """File names for a command line that anyone may repeat."""
    return " ".join(pathlib.Path(path).name for path in path_names)

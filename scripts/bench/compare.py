#!/usr/bin/env python3
"""Prefill and decode of RustyGPT beside llama.cpp, on the same files, in turn, in the same minutes.

  scripts/bench/compare.py --peer "llama-bench" --out docs/performance/forward.json MODEL.gguf ...

`--peer` is how llama-bench is called here (for example through chroot). Each repetition runs one
engine, then the other; the ratio is taken pair by pair and its median is what counts, because the
speed of a shared machine drifts.
"""
import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess

import record

ROOT = pathlib.Path(__file__).resolve().parents[2]


def output(command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def build(profile):
    """Builds our side and returns the benchmark's executable."""
    lines = output(
        ["cargo", "bench", "--profile", profile, "-p", "rustygpt-model", "--features", "candle", "--bench", "forward",
         "--no-run", "--message-format", "json"], cwd=ROOT).splitlines()
    for line in lines:
        message = json.loads(line)
        if message.get("executable") and message.get("target", {}).get("name") == "forward":
            return message["executable"]
    raise SystemExit("cargo built no benchmark")


def ours(executable, model, arguments):
    environment = dict(os.environ, RAYON_NUM_THREADS=str(arguments.threads))
    text = output([executable, str(model), "--prompt", str(arguments.prompt), "--decode",
                   str(arguments.decode), "--sequences", "1", "--repetitions", "1"],
                  env=environment)
    run = json.loads(text)["tokens_per_second"][0]
    return {"prefill": run["prefill"], "decode": run["decode"]["1"]}


def theirs(peer, model, arguments):
    text = output(shlex.split(peer) + [
        "-m", str(model), "-t", str(arguments.threads), "-p", str(arguments.prompt),
        "-n", str(arguments.decode), "-r", "1", "-o", "json"])
    result = {}
    for row in json.loads(text):
        result["prefill" if row["n_prompt"] else "decode"] = row["avg_ts"]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--peer", default="llama-bench")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--profile", default="bench", help="cargo's; anything but bench measures nothing")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    executable = build(arguments.profile)
    report = {
        **record.head("scripts/bench/compare.py " + " ".join(m.name for m in arguments.models)),
        "threads": arguments.threads,
        "prompt_tokens": arguments.prompt,
        "decode_tokens": arguments.decode,
        "unit": "tokens/s",
        "models": {},
    }
    for model in arguments.models:
        pairs = []
        for _ in range(arguments.repetitions):
            pairs.append({"rustygpt": ours(executable, model, arguments),
                          "llama.cpp": theirs(arguments.peer, model, arguments)})
        summary = {}
        for work in ("prefill", "decode"):
            summary[work] = {
                "rustygpt": statistics.median(p["rustygpt"][work] for p in pairs),
                "llama.cpp": statistics.median(p["llama.cpp"][work] for p in pairs),
                "ratio": statistics.median(
                    p["rustygpt"][work] / p["llama.cpp"][work] for p in pairs),
            }
            print(f"{model.name:32} {work:8} "
                  f"{summary[work]['rustygpt']:8.1f} : {summary[work]['llama.cpp']:8.1f} tokens/s"
                  f"  = {summary[work]['ratio']:.2f} x", flush=True)
        report["models"][model.name] = {"median": summary, "repetitions": pairs}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")


main()

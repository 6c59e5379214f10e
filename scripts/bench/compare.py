#!/usr/bin/env python3
"""Prefill and decode of RustyGPT beside llama.cpp, on the same files, in turn, in the same minutes.

  scripts/bench/compare.py --peer "chroot FOLDER" [--depths 16,4096,16384] MODEL.gguf ...

Needs llama-bench and llama-batched-bench on the peer's side (Debian: llama.cpp-tools, llama.cpp-tools-extra), which run
with their defaults but for the number of threads. Without `--depths`: a prompt's prefill, decode of one sequence and of
eight at once. With `--depths`: prefill of prompts so long, and decode after them.
"""

import json
import os
import pathlib
import shlex
import subprocess

import executables
import pairs

SEQUENCES = 8
# Tokens each of the eight holds before it decodes.
SHALLOW = 32


def output(command):
    """What a program said."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


class Engines:
    """How the two are called."""

    def __init__(self, arguments):
        self.forward = executables.executable("forward", arguments.profile)
        self.peer = shlex.split(arguments.peer)
        self.threads = str(arguments.threads)
        # Of the machine, in the minute of our last repetition.
        self.bandwidth = 0.0

    def ours(self, model, **options):
        """One repetition of our benchmark."""
        command = [self.forward, str(model), "--threads", self.threads, "--repetitions", "1", "--bench"]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        report = json.loads(output(command))
        self.bandwidth = report["read_bytes_per_second"]
        return report["tokens_per_second"][0]

    def bench(self, model, prompt, decode):
        """llama-bench: prefill and decode of one sequence."""
        text = output([*self.peer, "llama-bench", "-m", str(model), "-t", self.threads, "-p", str(prompt), "-n", str(decode),
                       "-r", "1", "-o", "json"])
        return {"prefill" if row["n_prompt"] else "decode": row["avg_ts"] for row in json.loads(text)}

    def batched(self, model, prompts, decode, sequences):
        """llama-batched-bench: for each length of prompt, tokens per second of prefill and decode."""
        longest = max(prompts) + decode
        text = output([*self.peer, "llama-batched-bench", "-m", str(model), "-t", self.threads, "-tb", self.threads,
                       "-c", str(longest * sequences), "-npp", ",".join(map(str, prompts)), "-ntg", str(decode),
                       "-npl", str(sequences), "--output-format", "jsonl"])
        rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return {row["pp"]: (row["speed_pp"], row["speed_tg"]) for row in rows}


def shallow(engines, model, arguments, result):
    """Prefill, decode of one sequence and its share of what the memory's read bandwidth allows, decode of eight."""
    found = {f"prefill {arguments.prompt}": [], "decode, 1 sequence": [], f"decode, {SEQUENCES} sequences": []}
    of_bandwidth = []
    for _ in range(arguments.repetitions):
        mine = engines.ours(model, prompt=arguments.prompt, decode=arguments.decode, sequences=1)
        other = engines.bench(model, arguments.prompt, arguments.decode)
        batch = engines.ours(model, prompt=0, decode=arguments.decode, sequences=SEQUENCES, depths=SHALLOW)
        other_batch = engines.batched(model, [SHALLOW], arguments.decode, SEQUENCES)[SHALLOW]
        for runs, pair in zip(found.values(), (
                (mine["prefill"], other["prefill"]),
                (mine["decode"]["0"]["1"], other["decode"]),
                (batch["decode"][str(SHALLOW)][str(SEQUENCES)], other_batch[1]))):
            runs.append(pair)
        # A decoded token reads each weight once, so that the machine's read bandwidth bounds it.
        bound = engines.bandwidth / model.stat().st_size
        of_bandwidth.append((mine["decode"]["0"]["1"] / bound, other["decode"] / bound))
    for work, runs in found.items():
        result.add(model.name, work, "tokens/s", runs)
    result.add(model.name, "decode : what bandwidth allows", "", of_bandwidth)


def deep(engines, model, arguments, result):
    """Prefill of long prompts and decode after them; and what is left there of the speed at the least depth."""
    depths = arguments.depths
    found = {(work, depth): [] for depth in depths for work in ("prefill", "decode")}
    for _ in range(arguments.repetitions):
        mine = engines.ours(model, prompt=0, decode=arguments.decode, sequences=1, depths=",".join(map(str, depths)))
        other = engines.batched(model, depths, arguments.decode, 1)
        for depth in depths:
            found["prefill", depth].append((mine["fill"][str(depth)]["1"], other[depth][0]))
            found["decode", depth].append((mine["decode"][str(depth)]["1"], other[depth][1]))
    for depth in depths:
        if depth > SHALLOW:
            result.add(model.name, f"prefill {depth}", "tokens/s", found["prefill", depth])
        result.add(model.name, f"decode after {depth}", "tokens/s", found["decode", depth])
    for depth in depths[1:]:
        kept = [(deep[0] / flat[0], deep[1] / flat[1])
                for deep, flat in zip(found["decode", depth], found["decode", depths[0]])]
        result.add(model.name, f"decode after {depth} : {depths[0]}", "", kept)


def main():
    parser = pairs.parser(__doc__, "forward.json")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--decode", type=int, default=48)
    parser.add_argument("--depths", type=lambda text: [int(word) for word in text.split(",")])
    arguments = parser.parse_args()
    engines = Engines(arguments)
    depths = f"--depths {','.join(map(str, arguments.depths))} " if arguments.depths else ""
    result = pairs.Pairs(
        f"scripts/bench/compare.py {depths}{pairs.words(arguments.models)}",
        "Forward passes alone, no server: `llama-bench` and `llama-batched-bench` with their defaults, and "
        "`cargo bench --bench forward`, in turn, with the same number of threads.",
        arguments.out, threads=arguments.threads, prompt_tokens=arguments.prompt, decode_tokens=arguments.decode)
    for model in arguments.models:
        (deep if arguments.depths else shallow)(engines, model, arguments, result)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""An hour of everything at random: our server must neither leak nor stall.

  scripts/bench/soak.py MODEL.gguf [MORE.gguf] [--seconds 3600] [--turns 400MiB]

Requests come at random, for one model or the other: whole answers, streams, clients that hang up in the midst, prompts
that are too long, bodies that are no JSON. Once a second the server's health, its blocks and its memory are looked at.
With --turns the models share so much memory: they are loaded when they are asked for and unloaded for each other.
Exits with an error if blocks stay in use when nobody is served, memory grows, text or health is waited for too long, or a
request is answered otherwise than it should be.
"""

import argparse
import asyncio
import collections
import itertools
import json
import os
import pathlib
import random
import statistics
import time

import executables
import record
import servers
import streams

CONTEXT = 1024
# How often each kind comes, in a hundred.
KINDS = {"stream": 50, "whole": 14, "cancel": 25, "overlong": 6, "malformed": 5}
STALL_SECONDS = 2.0
# Growth of memory between the second and the last quarter, beyond which something leaks.
GROWTH_BYTES = 48 << 20


class Soak:
    """What was sent and what was seen."""

    def __init__(self, server, models, arguments):
        self.server, self.models, self.arguments = server, models, arguments
        self.chance, self.numbers = random.Random(arguments.seed), itertools.count()
        self.counts, self.faults = collections.Counter(), []
        self.gaps, self.firsts, self.health, self.memory = [], [], [], []

    async def request(self):
        """One request of a kind drawn by lot, and whether it was answered as it should be."""
        kind = self.chance.choices(list(KINDS), KINDS.values())[0]
        words = int(CONTEXT * 2 if kind == "overlong" else self.chance.lognormvariate(4, 1)) % (CONTEXT * 2 + 1)
        words = words if kind == "overlong" else min(words + 1, CONTEXT // 2)
        content = streams.body(streams.prompt(words, next(self.numbers)), self.chance.randint(1, 96),
                               self.chance.choice(self.models), stream=kind != "whole", **self.variety(kind))
        if kind == "malformed":
            content = content[: self.chance.randrange(1, len(content))]
        after = self.chance.uniform(0.0, 2.0) if kind == "cancel" else None
        answer = await streams.ask(self.server, content, after)
        self.counts[f"{kind} {answer.status}"] += 1
        self.gaps += answer.gaps
        self.firsts += [answer.first] if answer.first is not None else []
        # A stream that waits for its model has its headers before its prompt is read.
        if kind == "overlong" and self.arguments.turns and "context_length_exceeded" in answer.trouble:
            return
        allowed = {"overlong": {400}, "malformed": {400}, "cancel": {0, 200, 429}}.get(kind, {200, 429})
        if answer.status not in allowed or answer.trouble.startswith("broken") or (
                answer.status == 200 and answer.trouble not in ("", "cancelled")):
            self.faults.append(f"{kind}: {answer.status} {answer.trouble}")

    def variety(self, kind):
        """Settings that lead through other code."""
        if kind == "whole":
            return {"stream_options": None, "n": self.chance.randint(1, 2)}
        return self.chance.choice([{}, {"temperature": 0.9, "top_p": 0.9}, {"logprobs": True, "top_logprobs": 3},
                                   {"stop": ["zz"]}, {"frequency_penalty": 0.5}, {"logit_bias": {"5": -100}}])

    async def arrivals(self, until):
        """Requests at random times; those that would pile up in this client wait."""
        tasks = set()
        while time.perf_counter() < until:
            await asyncio.sleep(self.chance.expovariate(self.arguments.rate))
            if len(tasks) < 4 * self.arguments.slots:
                task = asyncio.create_task(self.request())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def watch(self):
        """The server's health and memory, once a second."""
        while True:
            begun = time.perf_counter()
            await asyncio.to_thread(self.server.get, "/healthz")
            self.health.append(time.perf_counter() - begun)
            self.memory.append(self.server.resident_bytes())
            await asyncio.sleep(1)

    async def idle(self):
        """What the server holds when nobody has been served for a moment."""
        deadline = time.perf_counter() + 10
        while True:
            status = await asyncio.to_thread(self.server.get, "/status")
            held = [m["kv_blocks_used"] for m in status["models"]]
            busy = [m["running"] + m["waiting"] for m in status["models"]]
            if not any(held + busy) or time.perf_counter() > deadline:
                return {"blocks_held": sum(held), "sequences_left": sum(busy)}
            await asyncio.sleep(0.1)

    async def run(self):
        """All of it."""
        watcher = asyncio.create_task(self.watch())
        await self.arrivals(time.perf_counter() + self.arguments.seconds)
        left = await self.idle()
        watcher.cancel()
        quarter = max(1, len(self.memory) // 4)
        early, late = (statistics.median(part) for part in (self.memory[quarter : 2 * quarter], self.memory[-quarter:]))
        return {
            "requests": dict(sorted(self.counts.items())), "wrong_answers": self.faults[:20], **left,
            "memory_bytes_early": early, "memory_bytes_late": late, "memory_bytes_most": max(self.memory),
            "longest_gap_seconds": max(self.gaps, default=None),
            "first_token_p99_seconds": streams.percentile(self.firsts, 0.99),
            "longest_health_seconds": max(self.health),
        }


def broken_bounds(found):
    """Sentences about what should not be."""
    yield from found["wrong_answers"][:3]
    if found["blocks_held"] or found["sequences_left"]:
        yield f"{found['blocks_held']} blocks and {found['sequences_left']} sequences are left when nobody is served"
    if found["memory_bytes_late"] - found["memory_bytes_early"] > GROWTH_BYTES:
        yield f"memory grew from {found['memory_bytes_early']} to {found['memory_bytes_late']} bytes"
    for name in ("longest_gap_seconds", "longest_health_seconds"):
        if (found[name] or 0) > STALL_SECONDS:
            yield f"{name} is {found[name]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--profile", default="bench")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--rate", type=float, default=4.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--turns", metavar="SIZE", help="memory in which the models take turns")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=executables.ROOT / "docs/performance/soak.json")
    arguments = parser.parse_args()
    binary = executables.executable("rustygpt", arguments.profile)
    models = {f"m{number}": path for number, path in enumerate(arguments.models)}
    options = ["--threads", arguments.threads, "--slots", arguments.slots, "--ctx", CONTEXT]
    if arguments.turns:
        options += ["--pin", "none", "--keep-alive", "5s", "--kv-memory", "32MiB", "--model-memory", arguments.turns]
    with servers.ours(binary, models, map(str, options)) as server:
        found = asyncio.run(Soak(server, list(models), arguments).run())
    found = {name: record.rounded(value) if isinstance(value, float) else value for name, value in found.items()}
    settings = {name: value for name, value in vars(arguments).items() if name not in ("models", "out", "profile")}
    names = " ".join(path.name for path in arguments.models)
    report = {**record.head(f"scripts/bench/soak.py {names}"), "model": names, "settings": settings, "trial": found}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    if faults := list(broken_bounds(found)):
        raise SystemExit("\n".join(faults))


main()

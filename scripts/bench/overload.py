#!/usr/bin/env python3
"""Three times as many requests as our server can answer, for two minutes: what is answered, how fast the rest is refused,
how soon the server is its own again.

  scripts/bench/overload.py MODEL.gguf [--seconds 120]

First every slot is kept busy, which shows the peak. Then requests come at random at three times the rate of the peak,
whatever becomes of those before; a client whose first token does not come in time gives up. Last, one request after the
other is sent until the first token comes as soon as before. Exits with an error where a bound is broken.
"""

import argparse
import asyncio
import itertools
import json
import os
import pathlib
import random
import time

import executables
import record
import servers
import streams

BOUNDS = {"goodput_share": ("at least", 0.9), "refusal_p99_seconds": ("at most", 0.05), "recovery_seconds": ("at most", 10.0)}


class Work:
    """The requests of a run and what became of them."""

    def __init__(self, server, arguments):
        self.server, self.arguments, self.numbers = server, arguments, itertools.count()

    async def one(self, patience=None):
        content = streams.body(streams.prompt(self.arguments.prompt, next(self.numbers)), self.arguments.tokens)
        return await streams.ask(self.server, content, patience=patience)

    async def closed(self, seconds):
        """Every slot busy: complete answers per second, and the first token's usual delay."""
        begun, answers = time.perf_counter(), []

        async def stream():
            while time.perf_counter() - begun < seconds:
                answers.append(await self.one())

        await asyncio.gather(*(stream() for _ in range(self.arguments.slots)))
        if not all(answer.complete for answer in answers):
            raise SystemExit("the server failed before it was overloaded")
        return len(answers) / (time.perf_counter() - begun), streams.percentile([a.first for a in answers], 0.5)

    async def open(self, rate, seconds):
        """Requests at random times; all their answers, and when the last one was sent."""
        chance, begun, tasks = random.Random(1), time.perf_counter(), []
        at = begun
        while (at := at + chance.expovariate(rate)) < begun + seconds:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            tasks.append(asyncio.create_task(self.one(self.arguments.patience)))
        sent = time.perf_counter()
        recovery = await self.recovery(sent)
        return await asyncio.gather(*tasks), begun, sent, recovery

    async def recovery(self, sent):
        """Seconds until a request's first token comes no later than twice what it took at the peak."""
        while True:
            begun = time.perf_counter()
            answer = await self.one(patience=10 * self.usual)
            if answer.complete and answer.first <= 2 * self.usual:
                return begun - sent
            if begun - sent > 60:
                return begun - sent
            await asyncio.sleep(0.1)


async def run(server, arguments):
    """The whole story as numbers."""
    work = Work(server, arguments)
    await work.one()
    peak, work.usual = await work.closed(arguments.peak_seconds)
    answers, begun, ended, recovery = await work.open(arguments.times * peak, arguments.seconds)
    good = [a for a in answers if a.complete and a.ended <= ended]
    # What was still under way at the end is neither counted nor held against the server.
    goodput = len(good) / (ended - begun)
    refused = [a.ended - a.sent for a in answers if a.status in (429, 503)]
    broken = [a.trouble for a in answers if a.trouble.startswith("broken") or a.status not in (0, 200, 429, 503)]
    return {
        "peak_answers_per_second": peak, "usual_first_token_seconds": work.usual, "sent": len(answers),
        "answered": sum(a.complete for a in answers), "refused": len(refused),
        "given_up": sum(a.trouble == "cancelled" for a in answers), "broken": broken[:10],
        "goodput_share": goodput / peak, "refusal_p99_seconds": streams.percentile(refused, 0.99),
        "first_token_p95_seconds": streams.percentile([a.first for a in good], 0.95), "recovery_seconds": recovery,
    }


def broken_bounds(found):
    """Sentences about what should not be."""
    for name, (word, bound) in BOUNDS.items():
        value = found[name]
        if value is None or (value < bound if word == "at least" else value > bound):
            yield f"{name} is {value}, {word} {bound} is wanted"
    if found["broken"]:
        yield f"answers broke: {found['broken'][0]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--profile", default="bench")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--queue", type=int, default=16)
    parser.add_argument("--prompt", type=int, default=64, help="words")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--times", type=float, default=3.0, help="the peak")
    parser.add_argument("--peak-seconds", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--patience", type=float, default=10.0)
    parser.add_argument("--out", type=pathlib.Path, default=executables.ROOT / "docs/performance/overload.json")
    arguments = parser.parse_args()
    binary = executables.executable("rustygpt", arguments.profile)
    options = ["--threads", arguments.threads, "--slots", arguments.slots, "--queue", arguments.queue, "--ctx", 1024]
    with servers.ours(binary, arguments.model, map(str, options)) as server:
        found = asyncio.run(run(server, arguments))
    found = {name: record.rounded(value) if isinstance(value, float) else value for name, value in found.items()}
    settings = {name: value for name, value in vars(arguments).items() if name not in ("model", "out", "profile")}
    report = {**record.head(f"scripts/bench/overload.py {arguments.model.name}"), "model": arguments.model.name,
              "settings": settings, "trial": found, "bounds": BOUNDS}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    if faults := list(broken_bounds(found)):
        raise SystemExit("\n".join(faults))


main()

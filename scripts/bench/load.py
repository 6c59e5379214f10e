#!/usr/bin/env python3
"""Concurrent streams over HTTP: our server beside llama.cpp's with as many slots, in turn.

  scripts/bench/load.py --peer "chroot FOLDER" --streams 1,4,8,32 --mix MODEL.gguf ...

Each stream sends its next request when the last answer has ended. Prompts are of 512 tokens, or with `--mix` of 64 to
1,152; none begins like another. Answers have a fixed length. Only one server computes at a time.
"""

import asyncio
import os
import pathlib
import time

import executables
import pairs
import servers
import streams

UNIFORM = (512,)
MIXED = (64, 256, 576, 1152)
# What the chat template adds, and room for words that are two tokens.
MARGIN = 128


async def burst(server, count, arguments, seed):
    """`count` streams until each has its answers; what they saw together."""
    lengths = MIXED if arguments.mix else UNIFORM

    async def stream(number):
        answers = []
        for turn in range(arguments.requests):
            text = streams.prompt(lengths[(number + turn) % len(lengths)], f"{seed}/{number}/{turn}")
            answers.append(await streams.ask(server, streams.body(text, arguments.tokens)))
        return answers

    begun = time.perf_counter()
    answers = [answer for some in await asyncio.gather(*map(stream, range(count))) for answer in some]
    seconds = time.perf_counter() - begun
    if wrong := [answer for answer in answers if not answer.complete]:
        raise SystemExit(f"{server.name} failed {len(wrong)} of {len(answers)}: {wrong[0]}")
    gaps = [gap for answer in answers for gap in answer.gaps]
    return {
        "all tokens": sum(a.prompt_tokens + a.tokens for a in answers) / seconds,
        "answer tokens": sum(a.tokens for a in answers) / seconds,
        "first token, median": streams.percentile([a.first for a in answers], 0.5),
        "first token, p95": streams.percentile([a.first for a in answers], 0.95),
        "between tokens, median": streams.percentile(gaps, 0.5),
        "between tokens, p95": streams.percentile(gaps, 0.95),
        "between tokens, p99": streams.percentile(gaps, 0.99),
    }


def main():
    parser = pairs.parser(__doc__, "load.json")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--streams", type=lambda text: [int(word) for word in text.split(",")], default=[1, 4, 8, 32])
    parser.add_argument("--mix", action="store_true")
    parser.add_argument("--requests", type=int, default=1, help="of each stream")
    parser.add_argument("--tokens", type=int, default=64, help="of each answer")
    arguments = parser.parse_args()
    binary = executables.executable("rustygpt", arguments.profile)
    threads = str(arguments.threads)
    mix = " --mix" if arguments.mix else ""
    result = pairs.Pairs(
        f"scripts/bench/load.py{mix} --streams {','.join(map(str, arguments.streams))} {pairs.words(arguments.models)}",
        f"Every stream asks for {arguments.tokens} tokens, {arguments.requests} times in a row, after a prompt of "
        f"{' or '.join(map(str, MIXED if arguments.mix else UNIFORM))} words (a token each). As many slots as streams, the "
        "same number of threads, else defaults. Times are what a client sees.",
        arguments.out, threads=arguments.threads)
    context = max(MIXED) + arguments.tokens + MARGIN
    for model in arguments.models:
        for count in arguments.streams:
            runs = []
            with servers.ours(binary, model, ["--threads", threads, "--ctx", str(context), "--slots", str(count),
                                              "--queue", str(count)]) as ours, \
                    servers.theirs(arguments.peer, model, ["-t", threads, "-c", str(context * count), "-np", str(count)]
                                   ) as theirs:
                for server in (ours, theirs):
                    asyncio.run(streams.ask(server, streams.body("Hello", 4)))
                for repetition in range(arguments.repetitions):
                    runs.append([asyncio.run(burst(server, count, arguments, repetition)) for server in (ours, theirs)])
            for work in runs[0][0]:
                unit = "tokens/s" if work.endswith("tokens") else "s"
                found = [(mine[work], other[work]) for mine, other in runs if mine[work] and other[work]]
                if found:
                    result.add(model.name, f"{count} streams: {work}", unit, found)


if __name__ == "__main__":
    main()

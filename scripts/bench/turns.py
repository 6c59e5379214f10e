#!/usr/bin/env python3
"""The second turn of a long conversation: how soon the first token comes when only the last message is new.

  scripts/bench/turns.py --peer "chroot FOLDER" [--words 8192] MODEL.gguf ...

Both servers keep what they have computed, as they do by default. Each repetition is a conversation of its own.
"""

import asyncio
import json
import os
import pathlib

import executables
import pairs
import servers
import streams

TOKENS = 32


async def conversation(server, words, seed):
    """Seconds until the first token of the first and of the second turn."""
    messages = [{"role": "user", "content": streams.prompt(words, seed)}]
    firsts = []
    for text in ("What was that?", ""):
        fields = json.loads(streams.body("", TOKENS)) | {"messages": messages}
        answer = await streams.ask(server, json.dumps(fields).encode())
        if not answer.complete:
            raise SystemExit(f"{server.name} failed: {answer.status} {answer.trouble}")
        firsts.append(answer.first)
        messages += [{"role": "assistant", "content": answer.text}, {"role": "user", "content": text}]
    return firsts


def main():
    parser = pairs.parser(__doc__, "turns.json")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--words", type=int, default=8192, help="of the first turn, a token each")
    arguments = parser.parse_args()
    binary = executables.executable("rustygpt", arguments.profile)
    threads, context = str(arguments.threads), str(arguments.words + 512)
    result = pairs.Pairs(
        f"scripts/bench/turns.py --words {arguments.words} {pairs.words(arguments.models)}",
        f"A first turn of {arguments.words} words (a token each), an answer of {TOKENS} tokens, then one more sentence. "
        "Seconds until the first token as a client sees it; the last row is the second turn's share of the first.",
        arguments.out, threads=arguments.threads)
    for model in arguments.models:
        runs = []
        with servers.ours(binary, model, ["--threads", threads, "--ctx", context, "--slots", "1"]) as ours, \
                servers.theirs(arguments.peer, model, ["-t", threads, "-c", context, "-np", "1"]) as theirs:
            for repetition in range(arguments.repetitions):
                runs.append([asyncio.run(conversation(s, arguments.words, repetition)) for s in (ours, theirs)])
        for turn, work in enumerate(("first turn", "second turn")):
            result.add(model.name, work, "s", [(mine[turn], other[turn]) for mine, other in runs])
        result.add(model.name, "second turn : first turn", "s/s", [(m[1] / m[0], o[1] / o[0]) for m, o in runs])


main()

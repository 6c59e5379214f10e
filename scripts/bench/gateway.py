#!/usr/bin/env python3
"""What the servers themselves cost: our whole server beside llama.cpp's, on a model so small that it hardly computes.

  scripts/bench/gateway.py --peer "chroot FOLDER" TINY.gguf

Per request: an answer of one token. Per token: a stream of many, over a kept-alive connection on loopback. Beside them
stands what each engine alone takes for the same (`cargo bench --bench forward`, `llama-bench`), so that the rest can be
read: `server without engine` is the whole less that.
"""

import json
import os
import pathlib
import statistics
import time

import executables
import pairs
import servers
from compare import Engines

TOKENS = 256
REQUESTS = 40
STREAMS = 4


def body(tokens, stream):
    """A short question; the answer is as long as asked."""
    return json.dumps({
        "model": servers.MODEL, "messages": [{"role": "user", "content": "Hello?"}], "temperature": 0,
        "max_tokens": tokens, "ignore_eos": True, "stream": stream}).encode()


def clocked(connection, content, count):
    """Median seconds of an exchange, and its last answer."""
    seconds = []
    for _ in range(count):
        begun = time.perf_counter()
        answer = connection.exchange("POST", "/v1/chat/completions", content)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), answer


def prompt_tokens(answer):
    """How many tokens the question has."""
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])["usage"]["prompt_tokens"]


def main():
    parser = pairs.parser(__doc__, "gateway.json")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    model, threads = arguments.model, str(arguments.threads)
    engines = Engines(arguments)
    binary = executables.executable("rustygpt", arguments.profile)
    result = pairs.Pairs(
        f"scripts/bench/gateway.py {model.name}",
        f"One client, one kept-alive connection, the servers in turn. Per request: median of {REQUESTS} answers of one "
        f"token. Per token: a stream of {TOKENS} tokens, median of {STREAMS}, divided by {TOKENS}. Engine alone: prefill of "
        "as many tokens and one pass, or decode, by `cargo bench --bench forward` and `llama-bench`. llama-server may take "
        "the prompt from its cache of prompts, as it does by default.",
        arguments.out, threads=arguments.threads)
    found = {"request": [], "token": [], "prefill": [], "decode": []}
    with servers.ours(binary, model, ["--threads", threads, "--ctx", "512", "--slots", "1"]) as ours, \
            servers.theirs(arguments.peer, model, ["-t", threads, "-c", "512", "-np", "1"]) as theirs:
        connections = [servers.Connection(ours), servers.Connection(theirs)]
        lengths = []
        for connection in connections:
            clocked(connection, body(TOKENS, True), 2)
            lengths.append(prompt_tokens(clocked(connection, body(1, False), 2)[1]))
        for _ in range(arguments.repetitions):
            found["request"].append([clocked(c, body(1, False), REQUESTS)[0] for c in connections])
            found["token"].append([clocked(c, body(TOKENS, True), STREAMS)[0] / TOKENS for c in connections])
    for _ in range(arguments.repetitions):
        mine = engines.ours(model, prompt=lengths[0], decode=TOKENS, sequences=1)
        other = engines.bench(model, lengths[1], TOKENS)
        found["prefill"].append((lengths[0] / mine["prefill"], lengths[1] / other["prefill"]))
        found["decode"].append((1 / mine["decode"]["0"]["1"], 1 / other["decode"]))
    facts = {"prompt_tokens": lengths}
    result.add(model.name, "answer of one token", "s", found["request"], **facts)
    result.add(model.name, "the same, engine alone", "s", found["prefill"], **facts)
    result.add(model.name, "streamed token", "s", found["token"])
    result.add(model.name, "the same, engine alone", "s", found["decode"])
    for work, whole, engine in (("request, server without engine", "request", "prefill"),
                                ("token, server without engine", "token", "decode")):
        rest = [(a[0] - b[0], a[1] - b[1]) for a, b in zip(found[whole], found[engine])]
        result.add(model.name, work, "s", rest)


main()

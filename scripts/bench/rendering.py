#!/usr/bin/env python3
"""Chat templates: our renderer beside llama.cpp's and transformers', with the same templates and requests.

  scripts/bench/rendering.py --peer "chroot FOLDER" --model TINY.gguf TEMPLATE.jinja ...

llama.cpp's renderer is reached through its server: what `POST /apply-template` takes longer than `GET /health` on the
same kept-alive connection. transformers (if this Python has it) renders in its own process. Ours goes
from the bytes of the request's JSON to the text by a helper process, as our server does it.
"""

import json
import pathlib
import statistics
import subprocess
import time

import executables
import pairs
import servers

FOLDER = executables.ROOT / "target/bench"
WORDS = ("the", "file", "`src/main.rs`", "returns", "an", "<error>", "when", "it's")


def prose(words):
    """So many words."""
    return " ".join(WORDS[at * 7 % len(WORDS)] for at in range(words))


def function(number):
    """A tool as an editor's assistant offers it."""
    text = {"type": "string", "description": prose(12)}
    return {"type": "function", "function": {
        "name": f"tool_{number}",
        "description": prose(60),
        "parameters": {
            "type": "object",
            "properties": {"filePath": text, "startLine": {"type": "number", "description": prose(12)},
                           "explanation": text, "items": {"type": "array", "items": {"type": "string"}}},
            "required": ["filePath", "explanation"]}}}


def requests():
    """A plain chat of two turns, and what an editor sends: 72 tools, some 29,000 tokens."""
    yield "two turns", {"messages": [
        {"role": "user", "content": prose(20)}, {"role": "assistant", "content": prose(40)},
        {"role": "user", "content": prose(20)}]}
    messages = [{"role": "system", "content": prose(2500)}]
    for _ in range(6):
        messages += [{"role": "user", "content": prose(1200)}, {"role": "assistant", "content": prose(200)}]
    messages.append({"role": "user", "content": prose(600)})
    yield "72 tools", {"messages": messages, "tools": [function(number) for number in range(72)]}


def transformers_renderer(template):
    """transformers' own rendering of a parsed request, or None where it is not installed."""
    try:
        from transformers.utils.chat_template_utils import render_jinja_template
    except ImportError:
        return None
    return lambda request: render_jinja_template(
        conversations=[request["messages"]], tools=request.get("tools"), chat_template=template,
        add_generation_prompt=True, bos_token="", eos_token="")[0][0]


def clocked(act, repetitions):
    """Median seconds; the first one warms up."""
    act()
    times = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main():
    parser = pairs.parser(__doc__, "template.json")
    parser.add_argument("--model", type=pathlib.Path, required=True, help="any model that llama-server loads quickly")
    parser.add_argument("templates", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    ours = executables.executable("clock", arguments.profile)
    FOLDER.mkdir(parents=True, exist_ok=True)
    result = pairs.Pairs(
        f"scripts/bench/rendering.py {pairs.words(arguments.templates)}",
        "Ours: from the bytes of the request's JSON to the text by a helper process, as our server does it. llama.cpp: "
        "`POST /apply-template` less `GET /health` on one kept-alive connection. transformers: `render_jinja_template` "
        "from the same bytes in its own process, the template compiled before.", arguments.out)
    rounds = 20
    for template in arguments.templates:
        # Where the peer's programs run, only this repository can be relied on to exist.
        copy = FOLDER / template.name
        copy.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
        renderer = transformers_renderer(copy.read_text(encoding="utf-8"))
        options = ["--chat-template-file", str(copy), "-c", "512", "-np", "1"]
        with servers.theirs(arguments.peer, arguments.model, options) as server:
            connection = servers.Connection(server)
            for name, request in requests():
                file = FOLDER / "request.json"
                file.write_text(json.dumps(request), encoding="utf-8")
                body = file.read_bytes()
                runs, others = [], []
                for _ in range(arguments.repetitions):
                    command = [ours, "render", str(copy), str(file), str(rounds), "--bench"]
                    rendered = subprocess.run(command, check=False, capture_output=True, text=True)
                    if rendered.returncode:
                        break
                    answer = json.loads(rendered.stdout)
                    mine = statistics.median(answer["by_helper"])
                    whole = clocked(lambda: connection.exchange("POST", "/apply-template", body), rounds)
                    runs.append((mine, whole - clocked(lambda: connection.exchange("GET", "/health"), rounds)))
                    if renderer:
                        others.append((mine, clocked(lambda: renderer(json.loads(body)), 3)))
                if not runs:
                    print(f"{template.stem} cannot render {name}: {rendered.stderr.strip()}", flush=True)
                    continue
                facts = {"prompt_bytes": len(answer["text"].encode())}
                result.add(template.stem, name, "s", runs, **facts)
                if others:
                    facts["equal_text"] = renderer(request) == answer["text"]
                    result.add(template.stem, name, "s", others, peer="transformers", **facts)


main()

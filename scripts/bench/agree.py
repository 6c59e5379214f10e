#!/usr/bin/env python3
"""Do RustyGPT and llama.cpp compute the same on the same file? Greedy answers and log-probabilities
of a few conversations, both with an f32 cache.

  scripts/bench/agree.py --peer "llama-server" --out docs/performance/agreement.json MODEL.gguf ...

`--peer` is how llama-server is called here (for example through chroot). Quantised products round
differently (llama.cpp and we cut activations into other blocks), so two right engines part ways
where two tokens are nearly equally likely. What counts: how far the log-probabilities of the same
token after the same text lie apart, and how close the two candidates were where the texts part.
"""
import argparse
import json
import pathlib
import shlex
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import record

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPTS = [
    "Hello!",
    "Write a haiku about the sea.",
    "What is 12 times 12? Explain each step.",
    "Wie heißt die Hauptstadt von Österreich?",
    "fn main() { println!(\"{}\", 1 + 1); } // explain",
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, key, body):
    request = urllib.request.Request(
        url + "/v1/chat/completions", json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=600) as response:
        return json.load(response)


def wait(url, process):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"a server ended with status {process.returncode}")
        try:
            # llama-server answers /health with 503 until its model is loaded.
            path = "/healthz" if url.endswith("#ours") else "/health"
            urllib.request.urlopen(url.removesuffix("#ours") + path, timeout=2)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("a server did not start")


def answers(url, key, tokens):
    result = []
    for prompt in PROMPTS:
        answer = ask(url, key, {
            "model": "m", "messages": [{"role": "user", "content": prompt}], "temperature": 0,
            "max_tokens": tokens, "logprobs": True, "top_logprobs": 5})
        content = answer["choices"][0]["logprobs"]["content"]
        result.append({"prompt_tokens": answer["usage"]["prompt_tokens"], "content": content})
    return result


def run(command, url, key_file, tokens, ours):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(url + ("#ours" if ours else ""), process)
        key = key_file.read_text().strip() if key_file else "none"
        return answers(url, key, tokens)
    finally:
        process.terminate()
        process.wait(60)


def compare(ours, theirs):
    """Of one answer: equal tokens, the largest distance of a log-probability along them, and how
    close llama.cpp's two best tokens were where the answers part."""
    worst, equal, margin = 0.0, 0, None
    for mine, other in zip(ours["content"], theirs["content"]):
        if mine["bytes"] != other["bytes"]:
            best = [top["logprob"] for top in other["top_logprobs"]]
            margin = best[0] - best[1]
            break
        worst = max(worst, abs(mine["logprob"] - other["logprob"]))
        equal += 1
    return {"same_prompt": ours["prompt_tokens"] == theirs["prompt_tokens"], "equal_tokens": equal,
            "worst_logprob_difference": worst, "margin_where_they_part": margin}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--binary", default=str(ROOT / "target/release/rustygpt"))
    parser.add_argument("--peer", default="llama-server")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    names = " ".join(model.name for model in arguments.models)
    report = {
        **record.head(f"scripts/bench/agree.py {names}"),
        "tokens": arguments.tokens,
        "agreement": {},
    }
    for model in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            ours = run([arguments.binary, "serve", "--model", f"{model}=m", "--port", str(port),
                        "--data-dir", folder, "--kv-type", "f32", "--ctx", "2048"],
                       f"http://127.0.0.1:{port}", pathlib.Path(folder) / "api-key",
                       arguments.tokens, True)
        port = free_port()
        theirs = run(shlex.split(arguments.peer) + [
            "-m", str(model), "--port", str(port), "--cache-type-k", "f32", "--cache-type-v", "f32",
            "-fa", "off", "-np", "1", "-c", "2048", "--no-warmup"],
            f"http://127.0.0.1:{port}", None, arguments.tokens, False)
        rows = [compare(mine, other) for mine, other in zip(ours, theirs)]
        report["agreement"][model.name] = rows
        margins = [row["margin_where_they_part"] for row in rows]
        print(f"{model.name:32} equal tokens {[row['equal_tokens'] for row in rows]} of "
              f"{arguments.tokens}; log-probabilities differ by at most "
              f"{max(row['worst_logprob_difference'] for row in rows):.4f} "
              f"(median {statistics.median(r['worst_logprob_difference'] for r in rows):.4f}); "
              f"margins where they part {[m and round(m, 4) for m in margins]}; same prompts: "
              f"{all(row['same_prompt'] for row in rows)}", flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")


main()

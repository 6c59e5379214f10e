#!/usr/bin/env python3
"""Holds the toy models' goldens against llama.cpp: same tokens from text, same greedy continuation, near logits.

  verify_llama_cpp.py MODELS [--server "llama-server"] [--port 8099] [CASE ...]

--server is the command that starts llama-server; it may have several words ("chroot FOLDER llama-server").
llama.cpp runs with a float32 cache and without flash attention. Exit status 1 when a case disagrees.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

# How far log-probabilities may lie apart. llama.cpp looks Gemma's GELU up in a float16 table.
TOLERANCE = {"Gemma2ForCausalLM": 5e-2, "Gemma3ForCausalLM": 5e-2, "Starcoder2ForCausalLM": 5e-2,
             "GptOssForCausalLM": 5e-3}
DEFAULT_TOLERANCE = 2e-4

TEXTS = [
    "the rain in the land", "I'm here, there's 12345 and 67!", "  two  spaces\n\nand lines\t\n ",
    "Grüße, 世界 🦙", "<|im_start|>user\nhello<|im_end|>\n",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("case", nargs="*")
    parser.add_argument("--server", default="llama-server")
    parser.add_argument("--port", type=int, default=8099)
    arguments = parser.parse_args()
    failed = False
    for folder in sorted(path.parent for path in arguments.models.glob("*/golden.json")):
        golden = json.loads((folder / "golden.json").read_text())
        if golden["gguf"] and golden.get("llama_cpp", True) and (not arguments.case or folder.name in arguments.case):
            failed |= not verify(folder.resolve(), golden, shlex.split(arguments.server), arguments.port)
    sys.exit(failed)


def verify(folder: Path, golden: dict, command: list[str], port: int) -> bool:
    server = subprocess.Popen(
        [*command, "--model", str(folder / golden["gguf"]), "--port", str(port), "--host", "127.0.0.1",
         "--ctx-size", str(golden["server_context"]), "--parallel", "1", "--threads", "1",
         "--cache-type-k", "f32", "--cache-type-v", "f32", "--flash-attn", "off", "--no-warmup"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(server, url)
        problems = [*compare_tokens(folder, url), *compare_greedy(golden, url)]
        difference = logprob_difference(folder, golden, url)
        if not difference < TOLERANCE.get(golden["architecture"], DEFAULT_TOLERANCE):
            problems.append("log-probabilities differ")
    except (RuntimeError, OSError) as error:
        problems, difference = [str(error)], float("nan")
    finally:
        server.terminate()
        server.communicate()
    print(f"{folder.name:22} {'; '.join(problems) or 'agrees'}  (log-probability difference {difference:.1e}, "
          f"min margin {golden['min_margin']:.1e})", flush=True)
    return not problems


def wait_until_ready(server: subprocess.Popen, url: str) -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise RuntimeError("does not load: " + server.stderr.read().decode(errors="replace")[-2000:])
        try:
            with urllib.request.urlopen(url + "/health") as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.1)
    raise RuntimeError("the server does not become ready")


def post(url: str, body: dict) -> dict:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def compare_greedy(golden: dict, url: str) -> list[str]:
    answer = post(url + "/completion", {
        "prompt": golden["prompt"], "n_predict": len(golden["greedy"]), "temperature": 0, "return_tokens": True,
        "cache_prompt": False, "ignore_eos": True, "samplers": ["temperature"], "repeat_penalty": 1.0})
    if answer["tokens"] == golden["greedy"]:
        return []
    pairs = enumerate(zip(answer["tokens"], golden["greedy"]))
    first = next((index for index, (ours, theirs) in pairs if ours != theirs), len(answer["tokens"]))
    return [f"greedy differs from step {first}"]


def logprob_difference(folder: Path, golden: dict, url: str) -> float:
    """The largest difference of log-probabilities over the whole vocabulary, after as much of the prompt as possible.

    The server withholds the probabilities of a token that ends inside a UTF-8 character, so the end may have to move.
    """
    vocabulary = golden["vocab_size"]
    logits = np.fromfile(folder / golden["logits"], dtype="<f4").reshape(-1, vocabulary).astype(np.float64)
    for length in range(len(golden["prompt"]), 0, -1):
        answer = post(url + "/completion", {
            "prompt": golden["prompt"][:length], "n_predict": 1, "temperature": -1, "n_probs": vocabulary,
            "cache_prompt": False})
        if entries := answer.get("completion_probabilities"):
            got = {entry["id"]: entry["logprob"] for entry in entries[0]["top_logprobs"]}
            row = logits[length - 1] - logits[length - 1].max()
            expected = row - np.log(np.exp(row).sum())
            return max(abs(got[token] - expected[token]) for token in range(vocabulary))
    return float("inf")


def compare_tokens(folder: Path, url: str) -> list[str]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    problems = []
    for text in TEXTS:
        expected = tokenizer.encode(text).ids
        got = post(url + "/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]
        if got != expected:
            problems.append(f"tokens of {text!r} differ: {got} for {expected}")
    return problems


if __name__ == "__main__":
    main()

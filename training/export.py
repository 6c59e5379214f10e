"""Writes a checkpoint as GGUF: F32 for comparing engines, Q8_0 for use.

    python3 training/export.py --run FOLDER --preset cpu --out models/starter
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch

import template
from model import PRESETS, Shape

NAME = "rustygpt-starter"
SPECIAL = {template.PAD, template.START, template.END}


def write(path: Path, shape: Shape, weights: dict[str, torch.Tensor], vocabulary: dict, quantised: bool) -> None:
    """One GGUF file. With `quantised`, matrices are Q8_0; norms are F32 in both."""
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name(NAME)
    writer.add_description("The small built-in model of RustyGPT: its handbook, survival and first-aid basics.")
    writer.add_license("MIT OR Apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if quantised else gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.groups)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)
    tokens = [token for token, _ in sorted(vocabulary["model"]["vocab"].items(), key=lambda item: item[1])]
    types = [gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL for token in tokens]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in vocabulary["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index(template.END))
    writer.add_pad_token_id(tokens.index(template.PAD))
    writer.add_add_bos_token(False)
    writer.add_chat_template(template.JINJA)
    for name, values in weights.items():
        array = values.float().cpu().numpy()
        if quantised and array.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the folder of the training")
    parser.add_argument("--preset", choices=PRESETS, default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    state = torch.load(arguments.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    vocabulary = json.loads((arguments.run / "tokenizer.json").read_text(encoding="utf-8"))
    for quantised, ending in ((False, "f32"), (True, "q8_0")):
        path = arguments.out / f"{NAME}-{ending}.gguf"
        write(path, PRESETS[arguments.preset], state["model"], vocabulary, quantised)
        print(f"{path}: {path.stat().st_size} bytes after {state['done']['tokens']} tokens")

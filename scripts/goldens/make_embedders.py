#!/usr/bin/env python3
"""Makes the toy models of the embedding tests: random weights, and the vectors that transformers computes in float64.

  make_embedders.py OUT [CASE ...]

Each case becomes a folder of OUT: a sentence-transformers directory, where there is an architecture for it the same
weights as llama.cpp's converter writes them, and golden.json. A second run writes the same bytes.
"""

import argparse
import dataclasses
import shutil
import string
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel

import cases
import make_models
import reference
import toy_tokenizer

TEXTS = [
    "The sky is blue.",
    "a",
    "Ünïcödé, and 42 unknown words: 日本 🦀!",
    "[CLS] is text here [SEP]",
    "many more words than before, so that the lengths of the texts in one pass differ a lot from each other",
]
CHARACTERS = string.ascii_lowercase + string.digits + ".,:!?'-[]"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
WORDS = ["the", "sky", "is", "blue", "and", "words", "many", "##er", "##an", "##on"]
POOLING = {"mean": gguf.PoolingType.MEAN, "cls": gguf.PoolingType.CLS, "last": gguf.PoolingType.LAST}


@dataclasses.dataclass
class Case:
    name: str
    description: str
    config: dict
    pooling: str
    """mean, cls or last"""
    gguf: bool = True
    normalizes: bool = True


def bert(**changes) -> dict:
    return {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 48, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "max_position_embeddings": 128, "type_vocab_size": 2, "vocab_size": len(vocabulary(SPECIAL)),
        "pad_token_id": 0, **changes}


def vocabulary(special: list[str]) -> list[str]:
    return special + WORDS + list(CHARACTERS) + ["##" + character for character in CHARACTERS]


CASES = [
    Case("bert-mean", "BERT, mean of all tokens", bert(), "mean"),
    Case("bert-cls", "BERT, first token, the tanh GELU, no normalisation of its own",
         bert(hidden_act="gelu_new"), "cls", gguf=False, normalizes=False),
    Case("xlm-roberta", "XLM-RoBERTa: positions counted from behind the padding token, one kind of segment",
         bert(architectures=["XLMRobertaModel"], model_type="xlm-roberta", type_vocab_size=1, pad_token_id=1,
              bos_token_id=0, eos_token_id=2, max_position_embeddings=130, layer_norm_eps=1e-5), "cls", gguf=False),
    Case("qwen3-last", "Qwen3-Embedding: a decoder, the last token, which the tokenizer adds", cases.qwen3(), "last"),
    Case("qwen3-mean", "A decoder that was saved without its head, mean of all tokens",
         cases.qwen3(architectures=["Qwen3Model"]), "mean", gguf=False),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder that gets one folder per case")
    parser.add_argument("case", nargs="*", help="only these cases")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for case in CASES:
        if not arguments.case or case.name in arguments.case:
            make(case, arguments.out / case.name)


def make(case: Case, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = AutoConfig.for_model(**case.config)
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in AutoModel.from_config(config).state_dict().items()}
    weights = draw_weights(shapes)
    # The pooler of BERT's own head is not part of any sentence's vector.
    stored = {name: value for name, value in weights.items() if not name.startswith("pooler.")}
    make_models.save_shard(folder / "model.safetensors", stored)
    toy_tokenizer.write_json(folder / "config.json", case.config)
    write_modules(folder, case)
    encode = write_tokenizer(folder, case)
    if case.gguf:
        write_gguf(folder / "model.gguf", case, stored)
    model = AutoModel.from_config(config, attn_implementation="eager", dtype=torch.float64).eval()
    model.load_state_dict({name: torch.from_numpy(value).double() for name, value in weights.items()})
    texts = [{"text": text, "ids": encode(text)} for text in TEXTS]
    for entry in texts:
        entry["vector"] = [float(f"{value:.7g}") for value in vector(model, entry["ids"], case.pooling)]
    toy_tokenizer.write_json(folder / "golden.json", {
        "description": case.description, "pooling": case.pooling, "gguf": case.gguf, "texts": texts})
    size = sum(value.nbytes for value in stored.values())
    print(f"{case.name:12} {size // 1024} KiB", flush=True)


def draw_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Weights large enough that attention has sharp patterns and every position counts."""
    generator = np.random.default_rng(1)
    weights = {}
    for name in sorted(shapes):
        value = generator.standard_normal(shapes[name])
        if "norm" in name.lower():
            value = value * 0.2 + (1.0 if name.endswith("weight") else 0.0)
        elif name.endswith(".bias"):
            value *= 0.25
        elif "embed" not in name:
            value *= 1.6 / np.sqrt(shapes[name][-1])
        weights[name] = value.astype(np.float32)
    return weights


def vector(model, ids: list[int], pooling: str) -> np.ndarray:
    with torch.no_grad(), reference.Float64():
        hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
    assert hidden.dtype == np.float64
    pooled = {"mean": hidden.mean(0), "cls": hidden[0], "last": hidden[-1]}[pooling]
    return pooled / np.linalg.norm(pooled)


def write_modules(folder: Path, case: Case) -> None:
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * case.normalizes
    toy_tokenizer.write_json(folder / "modules.json", [
        {"idx": index, "name": str(index), "path": f"{index}_{kind}" if index else "",
         "type": f"sentence_transformers.models.{kind}"} for index, kind in enumerate(kinds)])
    modes = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
    (folder / "1_Pooling").mkdir()
    toy_tokenizer.write_json(folder / "1_Pooling/config.json", {
        "word_embedding_dimension": case.config["hidden_size"],
        **{f"pooling_mode_{mode}": name == case.pooling for name, mode in modes.items()}})


def write_tokenizer(folder: Path, case: Case):
    """Writes the tokenizer's files; returns what turns a text into ids without parsing control tokens."""
    if case.config["model_type"] == "qwen3":
        toy_tokenizer.write_huggingface(folder, "qwen2", adds_bos=False)
        (folder / "generation_config.json").unlink()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        end = toy_tokenizer.EOS
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {end}", special_tokens=[(end, toy_tokenizer.TOKEN_ID[end])])
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    else:
        is_bert = case.config["model_type"] == "bert"
        special = SPECIAL if is_bert else ROBERTA_SPECIAL
        first, last, unknown = ("[CLS]", "[SEP]", "[UNK]") if is_bert else ("<s>", "</s>", "<unk>")
        ids = {token: identifier for identifier, token in enumerate(vocabulary(special))}
        tokenizer = Tokenizer(models.WordPiece(vocab=ids, unk_token=unknown))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}", special_tokens=[(first, ids[first]), (last, ids[last])])
        # As models of sentence-transformers come: cut and filled, which a server must do neither of.
        tokenizer.enable_truncation(16)
        tokenizer.enable_padding(length=16, pad_id=case.config["pad_token_id"], pad_token=special[0 if is_bert else 1])
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        toy_tokenizer.write_json(folder / "tokenizer_config.json", {
            "cls_token": first, "sep_token": last, "unk_token": unknown, "model_max_length": 128,
            "tokenizer_class": "PreTrainedTokenizerFast"})
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return lambda text: tokenizer.encode(text).ids


def write_gguf(path: Path, case: Case, weights: dict[str, np.ndarray]) -> None:
    config = case.config
    is_bert = config["model_type"] == "bert"
    architecture = gguf.MODEL_ARCH.BERT if is_bert else gguf.MODEL_ARCH.QWEN3
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Toy")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_pooling_type(POOLING[case.pooling])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    if is_bert:
        writer.add_layer_norm_eps(config["layer_norm_eps"])
        writer.add_causal_attention(False)
        writer.add_token_type_count(config["type_vocab_size"])
        add_word_piece(writer)
    else:
        writer.add_head_count_kv(config["num_key_value_heads"])
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_rope_freq_base(config["rope_theta"])
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
        toy_tokenizer.add_to_gguf(writer, "qwen2", False)
        writer.add_add_eos_token(True)
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    for name, value in weights.items():
        gguf_name = names.get_name(name if is_bert else "model." + name, try_suffixes=(".weight", ".bias"))
        assert gguf_name is not None, name
        writer.add_tensor(gguf_name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_word_piece(writer: gguf.GGUFWriter) -> None:
    """llama.cpp marks the beginnings of words, where BERT marks what goes on."""
    def marked(token: str) -> str:
        return token[2:] if token.startswith("##") else token if token in SPECIAL else "▁" + token

    tokens = vocabulary(SPECIAL)
    kinds = [gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([marked(token) for token in tokens])
    writer.add_token_types(kinds)
    for add, token in [(writer.add_unk_token_id, "[UNK]"), (writer.add_sep_token_id, "[SEP]"),
                       (writer.add_pad_token_id, "[PAD]"), (writer.add_mask_token_id, "[MASK]"),
                       (writer.add_bos_token_id, "[CLS]"), (writer.add_eos_token_id, "[SEP]")]:
        add(SPECIAL.index(token))


if __name__ == "__main__":
    main()

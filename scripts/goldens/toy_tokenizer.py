"""The one small byte-level vocabulary that all toy models share, as Hugging Face files and as GGUF keys.

Ids 0..255 are the bytes themselves, then come a few merged pieces, then four control tokens.
"""

import json
from pathlib import Path

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

MERGES = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("i", "n"), ("e", "r"), ("a", "n"),
          ("an", "d"), ("o", "n"), ("Ġ", "a"), ("r", "e"), ("l", "l"), ("in", "g")]
CONTROL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]

BOS, EOS, PAD = "<s>", "<|im_end|>", "</s>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DIGITS = "digits"  # every digit alone, then the ByteLevel pre-tokenizer's own expression

# How text is cut before the merges, by llama.cpp's name for it (`tokenizer.ggml.pre`).
SPLIT = {
    "gpt-2": None,  # the ByteLevel pre-tokenizer's own expression
    "llama-bpe": LLAMA3,
    "lfm2": LLAMA3,
    "starcoder": DIGITS,
    "gpt-4o": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
              r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
              r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
             r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def byte_symbols() -> list[str]:
    """GPT-2's printable stand-in for each byte, by byte value."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) if byte in plain else chr(256 + others.index(byte)) for byte in range(256)]


PIECES = byte_symbols() + [left + right for left, right in MERGES]
VOCABULARY = PIECES + CONTROL
TOKEN_ID = {token: identifier for identifier, token in enumerate(VOCABULARY)}


def write_huggingface(folder: Path, pre: str, adds_bos: bool) -> None:
    """Writes tokenizer.json, tokenizer_config.json and generation_config.json."""
    tokenizer = Tokenizer(models.BPE(
        vocab={piece: TOKEN_ID[piece] for piece in PIECES}, merges=MERGES, ignore_merges=pre in ("llama-bpe", "lfm2")))
    split = SPLIT[pre]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split in (None, DIGITS))
    if split is not None:
        first = pre_tokenizers.Digits(individual_digits=True) if split == DIGITS else (
            pre_tokenizers.Split(Regex(split), behavior="isolated"))
        byte_level = pre_tokenizers.Sequence([first, byte_level])
    tokenizer.pre_tokenizer = byte_level
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in CONTROL])
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, TOKEN_ID[BOS])])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)

    write_json(folder / "tokenizer_config.json", {
        "add_bos_token": adds_bos,
        "added_tokens_decoder": {
            str(TOKEN_ID[token]): {"content": token, "lstrip": False, "normalized": False, "rstrip": False,
                                   "single_word": False, "special": True} for token in CONTROL},
        "bos_token": BOS, "eos_token": EOS, "pad_token": PAD,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1024,
        "tokenizer_class": "PreTrainedTokenizerFast",
    })
    write_json(folder / "generation_config.json", {
        "bos_token_id": TOKEN_ID[BOS], "eos_token_id": [TOKEN_ID[EOS], TOKEN_ID[PAD]], "pad_token_id": TOKEN_ID[PAD]})


def add_to_gguf(writer: gguf.GGUFWriter, pre: str, adds_bos: bool) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(VOCABULARY)
    writer.add_token_types([gguf.TokenType.NORMAL] * len(PIECES) + [gguf.TokenType.CONTROL] * len(CONTROL))
    writer.add_token_merges([f"{left} {right}" for left, right in MERGES])
    writer.add_bos_token_id(TOKEN_ID[BOS])
    writer.add_eos_token_id(TOKEN_ID[EOS])
    writer.add_pad_token_id(TOKEN_ID[PAD])
    writer.add_add_bos_token(adds_bos)
    writer.add_chat_template(CHAT_TEMPLATE)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

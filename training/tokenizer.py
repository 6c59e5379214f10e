"""Trains the starter's tokenizer: byte-level BPE on a sample of the corpus.

    python3 -m training.tokenizer --out FOLDER
"""

import argparse
from itertools import islice
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import template
from corpus import mix

SIZE = 8192
SEED = 20_001
CONVERSATIONS = 60_000
# Qwen 2's: every digit is a token of its own, so that numbers can be copied. GGUF knows it as "qwen2".
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def texts(count: int):
    """The text of that many conversations, without the template's own tokens."""
    for conversation in islice(mix.conversations(SEED), count):
        for text, _ in template.segments(conversation.system, conversation.tools, conversation.turns):
            yield text.replace(template.START, "").replace(template.END, "")


def train(count: int = CONVERSATIONS, size: int = SIZE) -> Tokenizer:
    """A tokenizer of `size` tokens from `count` conversations."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[template.PAD, template.START, template.END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )
    tokenizer.train_from_iterator(texts(count), trainer)
    return tokenizer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train()
    tokenizer.save(str(folder / "tokenizer.json"))
    print(f"{tokenizer.get_vocab_size()} tokens")

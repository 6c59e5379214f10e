"""Conversations as batches of token ids, rows of like length together, each starting at position 0 as in use."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

import torch
from tokenizers import Tokenizer

import template
from corpus import mix

CONVERSATIONS = 2048  # of one pool, within which rows are sorted by length
IGNORED = -100


@dataclass
class Batch:
    """Inputs and targets [rows, length]; targets that are not to be learnt are `IGNORED`."""

    inputs: torch.Tensor
    targets: torch.Tensor


def encode(conversation: mix.Conversation, tokenizer: Tokenizer, longest: int) -> tuple[list[int], list[bool]]:
    """The ids of a conversation, and for each whether it is to be learnt."""
    ids: list[int] = []
    learnt: list[bool] = []
    for text, is_learnt in template.segments(conversation.system, conversation.tools, conversation.turns):
        piece = tokenizer.encode(text).ids
        ids += piece
        learnt += [is_learnt] * len(piece)
    return ids[: longest + 1], learnt[: longest + 1]


def pool(index: int, seed: int, tokenizer: Tokenizer, tokens: int, longest: int) -> list[Batch]:
    """The batches of one pool, each of about `tokens` tokens. The same index and seed give the same batches."""
    random = Random(f"{seed}-{index}")
    drawn = islice(mix.conversations(random.randrange(2**60)), CONVERSATIONS)
    rows = sorted((encode(each, tokenizer, longest) for each in drawn), key=lambda row: len(row[0]))
    groups: list[list[tuple[list[int], list[bool]]]] = [[]]
    for row in rows:
        if groups[-1] and (len(groups[-1]) + 1) * len(row[0]) > tokens:
            groups.append([])
        groups[-1].append(row)
    random.shuffle(groups)
    return [to_batch(group) for group in groups]


def to_batch(rows: list[tuple[list[int], list[bool]]]) -> Batch:
    """Rows padded to the longest."""
    length = max(len(ids) for ids, _ in rows) - 1
    inputs = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.full((len(rows), length), IGNORED)
    for place, (ids, learnt) in enumerate(rows):
        inputs[place, : len(ids) - 1] = torch.tensor(ids[:-1])
        wanted = torch.tensor([each if is_learnt else IGNORED for each, is_learnt in zip(ids[1:], learnt[1:])])
        targets[place, : len(ids) - 1] = wanted
    return Batch(inputs, targets)


def stream(first: int, seed: int, tokenizer: Tokenizer, tokens: int, longest: int) -> Iterator[tuple[int, Batch]]:
    """Batches from pool `first` on, with the number of the pool."""
    index = first
    while True:
        for batch in pool(index, seed, tokenizer, tokens, longest):
            yield index, batch
        index += 1

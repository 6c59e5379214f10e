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
# An answer that is known by heart teaches little after its first words, which say that it was the right one to give.
# So most conversations of these kinds end there, and twice as many questions are read in the same time.
LEARNT_BY_HEART = {"product", "survival", "outside", "talk"}
CUT_SHARE = 0.85
SHORTEST_CUT, LONGEST_CUT = 5, 14
ROUND = 8  # rows are padded to a multiple, so that few shapes occur


@dataclass
class Batch:
    """Inputs and targets [rows, length]; targets that are not to be learnt are `IGNORED`."""

    inputs: torch.Tensor
    targets: torch.Tensor


def encode(conversation: mix.Conversation, tokenizer: Tokenizer, longest: int, random: Random) -> tuple[list[int], list[bool]]:
    """The ids of a conversation, and for each whether it is to be learnt."""
    ids: list[int] = []
    learnt: list[bool] = []
    for text, is_learnt in template.segments(conversation.system, conversation.tools, conversation.turns):
        piece = tokenizer.encode(text).ids
        ids += piece
        learnt += [is_learnt] * len(piece)
    if conversation.kind in LEARNT_BY_HEART and random.random() < CUT_SHARE:
        last = len(piece) - random.randint(SHORTEST_CUT, LONGEST_CUT)
        ids, learnt = ids[: len(ids) - max(0, last)], learnt[: len(learnt) - max(0, last)]
    return ids[: longest + 1], learnt[: longest + 1]


def pool(index: int, seed: int, tokenizer: Tokenizer, tokens: int, longest: int, shares: dict[str, int]) -> list[Batch]:
    """The batches of one pool, each of about `tokens` tokens. The same index and seed give the same batches."""
    random = Random(f"{seed}-{index}")
    drawn = islice(mix.conversations(random.randrange(2**60), shares), CONVERSATIONS)
    rows = sorted((encode(each, tokenizer, longest, random) for each in drawn), key=lambda row: len(row[0]))
    groups: list[list[tuple[list[int], list[bool]]]] = [[]]
    for row in rows:
        if groups[-1] and (len(groups[-1]) + 1) * len(row[0]) > tokens:
            groups.append([])
        groups[-1].append(row)
    random.shuffle(groups)
    return [to_batch(group) for group in groups]


def to_batch(rows: list[tuple[list[int], list[bool]]]) -> Batch:
    """Rows padded to the longest."""
    longest = max(len(ids) for ids, _ in rows) - 1
    length = -(-longest // ROUND) * ROUND
    inputs = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.full((len(rows), length), IGNORED)
    for place, (ids, learnt) in enumerate(rows):
        inputs[place, : len(ids) - 1] = torch.tensor(ids[:-1])
        wanted = torch.tensor([each if is_learnt else IGNORED for each, is_learnt in zip(ids[1:], learnt[1:])])
        targets[place, : len(ids) - 1] = wanted
    return Batch(inputs, targets)


def stream(
    first: int, seed: int, tokenizer: Tokenizer, tokens: int, longest: int, shares: dict[str, int]
) -> Iterator[tuple[int, Batch]]:
    """Batches from pool `first` on, with the number of the pool."""
    index = first
    while True:
        for batch in pool(index, seed, tokenizer, tokens, longest, shares):
            yield index, batch
        index += 1

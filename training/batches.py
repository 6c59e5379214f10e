"""Conversations as batches of token ids, rows of like length together, each starting at position 0 as in use."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer

import template
from corpus import mix

LEAST_CONVERSATIONS = 2048  # of one pool, within which rows are sorted by length
IGNORED = -100
# An answer that is known by heart teaches little after its first words, which say that it was the right one to give.
# So most conversations of these kinds end there, and twice as many questions are read in the same time. What is learnt last
# is how the answers go on: in the decay more of them are whole.
LEARNT_BY_HEART = {"product", "survival", "outside", "talk"}
CUT_SHARE, CUT_SHARE_IN_DECAY = 0.92, 0.5
SHORTEST_CUT, LONGEST_CUT = 4, 9
ROUND = 8  # rows are padded to a multiple, so that few shapes occur


@dataclass
class Batch:
    """Inputs and targets [rows, length]; targets that are not to be learnt are `IGNORED`."""

    inputs: torch.Tensor
    targets: torch.Tensor


def encode(conversation: mix.Conversation, tokenizer: Tokenizer, longest: int, random: Random,
           cut_share: float) -> tuple[list[int], list[bool]]:
    """The ids of a conversation, and for each whether it is to be learnt."""
    ids: list[int] = []
    learnt: list[bool] = []
    first = 0  # words of an answer that are learnt
    for text, is_learnt in template.segments(conversation.system, conversation.tools, conversation.turns):
        piece = tokenizer.encode(text).ids
        first = len(piece)
        if is_learnt and conversation.kind in LEARNT_BY_HEART and random.random() < cut_share:
            first = min(first, random.randint(SHORTEST_CUT, LONGEST_CUT))
        ids += piece
        learnt += [is_learnt] * first + [False] * (len(piece) - first)
    end = len(ids) - (len(piece) - first)
    return ids[: min(end, longest + 1)], learnt[: min(end, longest + 1)]


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


@dataclass(frozen=True)
class Source:
    """Where batches come from: everything that decides what is in a pool, but for its number."""

    tokenizer: Path
    seed: int
    tokens: int  # of a batch
    longest: int  # row
    shares: tuple[tuple[str, int], ...]
    cut_share: float  # of the answers learnt by heart

    def pool(self, index: int) -> list[Batch]:
        """The batches of a pool, each of about `tokens` tokens. The same index gives the same batches."""
        random = Random(f"{self.seed}-{index}")
        drawn = islice(mix.conversations(random.randrange(2**60), dict(self.shares)), max(LEAST_CONVERSATIONS, self.tokens // 8))
        tokenizer = read_tokenizer(self.tokenizer)
        rows = sorted((encode(each, tokenizer, self.longest, random, self.cut_share) for each in drawn), key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], list[bool]]]] = [[]]
        for row in rows:
            if groups[-1] and (len(groups[-1]) + 1) * len(row[0]) > self.tokens:
                groups.append([])
            groups[-1].append(row)
        random.shuffle(groups)
        return [to_batch(group) for group in groups]


@cache
def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer, read once in each process."""
    return Tokenizer.from_file(str(path))


def stream(source: Source, first: int, workers: int) -> Iterator[tuple[int, Batch]]:
    """Batches from pool `first` on, with the number of the pool. With workers, pools are made by that many processes."""
    if workers == 0:
        for index in count(first):
            for batch in source.pool(index):
                yield index, batch
    # Two pools ahead of each worker: enough that the device never waits, and no more memory than that.
    with ProcessPoolExecutor(workers, get_context("spawn")) as processes:
        ahead = deque(processes.submit(source.pool, first + each) for each in range(2 * workers))
        for index in count(first):
            batches = ahead.popleft().result()
            ahead.append(processes.submit(source.pool, index + 2 * workers))
            for batch in batches:
                yield index, batch

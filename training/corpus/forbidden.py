"""Keeps the evaluation's hand-written text out of the corpus: no eight words in a row, and no whole prompt."""

import re
from functools import cache
from pathlib import Path

EVALUATION = Path(__file__).parent.parent / "eval"
LENGTH = 8
# Shorter prompts than this are what anyone says ("thanks a lot").
SHORTEST_PROMPT = 4


def words(text: str) -> list[str]:
    """The words of a text, without case and signs."""
    return re.findall(r"[\w']+", text.lower())


def grams(text: str) -> set[tuple[str, ...]]:
    """Every run of eight words of a text."""
    found = words(text)
    return {tuple(found[at : at + LENGTH]) for at in range(len(found) - LENGTH + 1)}


@cache
def prompts() -> list[str]:
    """Every text of the evaluation that was written by hand: prompts, passages, messages."""
    texts = []
    for path in sorted(EVALUATION.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if path.stem == "outside" and not line.startswith("#"):
                texts.append(line)
            elif line[:2] in ("? ", "p ", "u ", "a "):
                texts.append(line[2:])
    return texts


@cache
def forbidden_grams() -> frozenset[tuple[str, ...]]:
    """The runs of eight words that the corpus must not hold."""
    return frozenset(gram for text in prompts() for gram in grams(text))


@cache
def forbidden_prompts() -> frozenset[tuple[str, ...]]:
    """Whole prompts that the corpus must not ask."""
    asked = (tuple(words(text)) for text in prompts())
    return frozenset(prompt for prompt in asked if len(prompt) >= SHORTEST_PROMPT)


def is_in(turns: list[tuple[str, str]]) -> bool:
    """Whether a conversation holds words of the evaluation."""
    for asked, answered in turns:
        if tuple(words(asked)) in forbidden_prompts():
            return True
        lines = [asked, answered, *(line.partition(": ")[2] for line in asked.splitlines())]
        if any(grams(text) & forbidden_grams() for text in lines):
            return True
        if any(tuple(words(text)) in forbidden_prompts() for text in lines):
            return True
    return False

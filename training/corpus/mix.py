"""The corpus: an endless, reproducible stream of conversations of all kinds. Nothing of it is stored."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from . import drills, forbidden, intents, outside, passages, phrases, titles, tools

FOLDER = Path(__file__).parent
# Parts of the conversations, by kind. COPYING comes first: a network that has not found out how to copy learns nothing
# from quotations, titles and arguments, and beside everything else it finds out late.
COPYING = {"drills": 30, "passages": 70}
SHARES = {"product": 22, "survival": 21, "outside": 14, "talk": 4, "passages": 11, "drills": 6, "filling": 1, "titles": 8, "intents": 13,
          "tools": 6, "mixed": 1}
SYSTEMS = ["You are a helpful assistant.", "You are RustyGPT.", "Answer briefly.", "You are a friendly assistant.", "Be concise.",
           "You help the user.", "You are a helpful AI assistant. Answer the user's questions."]


@dataclass
class Conversation:
    """One document of the corpus: what it is about, and its turns (question, answer)."""

    kind: str
    turns: list[tuple[str, str]]
    system: str = ""
    tools: list[dict] = field(default_factory=list)


class Book:
    """The facts of one file; asks them all equally often."""

    def __init__(self, name: str) -> None:
        self.facts, self.names = phrases.read_facts(FOLDER / f"{name}.txt")

    def turn(self, random: Random) -> tuple[str, str]:
        """A question in one of its wordings, and its answer."""
        fact = random.choice(self.facts)
        question = phrases.expand(random.choice(fact.questions), random, self.names)
        return phrases.asked(question, random), random.choice(fact.answers)


BOOKS = {name: Book(name) for name in ("product", "survival", "talk")}
MOST_TURNS = 30


def draw(kind: str, random: Random) -> Conversation:
    """A conversation of a kind."""
    if kind in BOOKS:
        return Conversation(kind, [BOOKS[kind].turn(random) for _ in range(random.choice([1] * 7 + [2]))])
    if kind == "tools":
        definitions, turns = tools.conversation(random)
        return Conversation(kind, turns, tools=definitions)
    if kind == "mixed":
        # Long ones, so that far positions are known; most are short.
        count = random.randint(8, MOST_TURNS) if random.random() < 0.1 else random.randint(2, 5)
        parts = [draw(random.choice(["product", "survival", "talk", "outside", "outside"]), random) for _ in range(count)]
        return Conversation(kind, [turn for part in parts for turn in part.turns])
    make = {"outside": outside.conversation, "passages": passages.conversation, "filling": passages.filling,
            "titles": titles.conversation, "intents": intents.conversation, "drills": drills.conversation}[kind]
    return Conversation(kind, make(random))


def conversations(seed: int, shares: dict[str, int] = SHARES) -> Iterator[Conversation]:
    """The stream, of the kinds in `shares`. The same seed gives the same conversations; none holds words of the evaluation."""
    random = Random(seed)
    kinds, weights = list(shares), list(shares.values())
    while True:
        conversation = draw(random.choices(kinds, weights)[0], random)
        if random.random() < 0.15:
            conversation.system = random.choice(SYSTEMS)
        if not forbidden.is_in(conversation.turns):
            yield conversation

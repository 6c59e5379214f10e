"""A small grammar of wordings: `{a|b}` is one of several, `<name>` a phrase defined by `@name = …`.

The files of questions and answers (`product.txt`, `survival.txt`) are written in it.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

INNERMOST = re.compile(r"\{([^{}]*)\}")
NAME = re.compile(r"<([a-z_]+)>")


def expand(pattern: str, random: Random, names: dict[str, list[str]] | None = None) -> str:
    """One wording of a pattern. `names` gives each `<name>` its possible values."""
    names = names or {}

    def value(match: re.Match[str]) -> str:
        return random.choice(names[match[1]]) if match[1] in names else match[0]

    while True:
        replaced = NAME.sub(value, pattern)
        replaced = INNERMOST.sub(lambda match: random.choice(match[1].split("|")), replaced)
        if replaced == pattern:
            return re.sub(r" +", " ", re.sub(r" +([?,.!])", r"\1", pattern)).strip()
        pattern = replaced


@dataclass
class Fact:
    """One thing to know: how it is asked for, and what is answered."""

    questions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


def read_facts(path: Path) -> tuple[list[Fact], dict[str, list[str]]]:
    """The facts of a file, and the phrases that it names."""
    facts: list[Fact] = []
    names: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, text = line[:1], line[1:].strip()
        if kind == "@":
            name, phrase = text.split("=", 1)
            names[name.strip()] = [phrase.strip()]
        elif kind == "?":
            if not facts or facts[-1].answers:
                facts.append(Fact())
            facts[-1].questions.append(text)
        elif kind == "=":
            facts[-1].answers.append(text)
    return facts, names


OPENERS = ["hi, ", "hello, ", "hey, ", "please: ", "quick question: ", "sorry, ", "um, ", "ok, ", "so, ", "hey! ",
           "Hello! ", "one question, ", "well, ", "can you tell me, ", "do you know, ", "tell me: ", "I wonder, "]
CLOSERS = [" please", " thanks", ", please", " pls", ", thank you", ", any idea", " exactly", ", do you know",
           " then", ", quickly", " by the way", ", can you help", " now", " actually", " really"]
BARE = {"what's": "whats", "don't": "dont", "can't": "cant", "I'm": "im", "it's": "its", "doesn't": "doesnt"}


def as_written(text: str, random: Random) -> str:
    """A question as people type it: with and without capitals, question mark, courtesy and slips."""
    end = "" if text[-1:] in ".!?" else "?"
    if random.random() < 0.10:
        text = text.rstrip("?") + random.choice(CLOSERS)
    if random.random() < 0.10:
        text = random.choice(OPENERS) + text
    style = random.random()
    if style < 0.55:
        text = text[:1].upper() + text[1:] + end
    elif style < 0.75:
        text = text + random.choice(["?", "??", "", "", ".", "!"] if end else [""])
    else:
        text = text.lower() + random.choice(["", "", "?"] if end else [""])
        for proper, bare in BARE.items():
            text = text.replace(proper.lower(), bare) if random.random() < 0.5 else text
    if random.random() < 0.06:
        text = slip(text, random)
    return text


def loosen(text: str, fillers: list[str], random: Random) -> str:
    """A question in which words were lost or came in, so that the words that matter must be found among others."""
    words = text.split(" ")
    if len(words) > 4:
        del words[random.randrange(len(words))]
    for _ in range(random.choice([0, 1, 2])):
        words.insert(random.randint(0, len(words)), random.choice(fillers))
    return " ".join(words)


def slip(text: str, random: Random) -> str:
    """The text with one slip of the fingers in a longer word."""
    words = text.split(" ")
    long = [place for place, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return text
    place = random.choice(long)
    word = words[place]
    at = random.randrange(1, len(word) - 1)
    kind = random.randrange(3)
    if kind == 0:
        word = word[:at] + word[at + 1 :]
    elif kind == 1:
        word = word[:at] + word[at] + word[at:]
    else:
        word = word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
    words[place] = word
    return " ".join(words)

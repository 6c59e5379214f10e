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


FILLERS = """just exactly maybe again really actually usually always today here also still only quickly properly safely
myself anyway somehow currently normally directly simply right first best possible please when I'm at home on my own
for my kid in our flat if possible without help""".split()
# Words that a search query does without. Those that turn a question round (not, without, how many) stay.
SMALL_WORDS = frozenset("""a an the is are was be do does did can could may should must will would i you he she it we they my your
his her our me him to of in on at for from with by this that these there and or if so how what have has""".split())
# What people say around a question. None of it hints at what the question is about.
BEFORE = """I am new here.|I have a question.|We talked about it yesterday.|My boss wants to know.|I looked everywhere.|This may be simple.
I am not an expert.|Sorry to bother you.|My brother asked me this.|I am in a hurry.|It is late.|I tried to find out.|We are two people.
I read about it.|Good to have you.|My wife says you know.|I need to know this today.|Maybe you can help.|Just wondering.|It is my first time.
I could not sleep.|We had a talk at lunch.|My neighbour could not say.|I am a bit lost here.|I forgot it again.|Be brief.""".replace("\n", "|").split("|")
AFTER = """I have no idea.|Be quick.|I am waiting.|Keep it short.|I really want to know.|Nobody could tell me.|Just the facts.|In simple words.
I need it now.|Thanks in advance.|That is all.|Does anyone know?|I am curious.|It matters to me.|Tell me more.""".replace("\n", "|").split("|")


def asked(text: str, random: Random) -> str:
    """A question as it may come: roughly worded, as people type, and with things said around it.

    All kinds of questions go through this alike, so that none of it tells a kind.
    """
    chance = random.random()
    if chance < 0.22:
        text = loosen(text, random)
    elif chance < 0.32:
        text = query(text)
    text = as_written(text, random)
    if random.random() < 0.12:
        before = random.choice(BEFORE)
        text = f"{before if random.random() < 0.6 else before.lower()} {text}"
    elif random.random() < 0.06:
        text = f"{text} {random.choice(AFTER)}"
    return text


def loosen(text: str, random: Random) -> str:
    """A question in which words were lost or came in, so that the words that matter must be found among others."""
    words = text.split(" ")
    for _ in range(len(words) // 5):
        del words[random.randrange(len(words))]
    for _ in range(random.choice([0, 1, 2])):
        words.insert(random.randint(0, len(words)), random.choice(FILLERS))
    return " ".join(words)


def query(text: str) -> str:
    """A question as typed into a search box: without small words, where enough is left."""
    words = [word for word in text.split(" ") if word.lower().strip(",.?!") not in SMALL_WORDS]
    return " ".join(words) if len(words) >= 2 else text


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

"""Messages and labels: which of the given labels fits."""

from pathlib import Path
from random import Random

import house_prompts

from . import names
from .phrases import as_written, expand


def read_sets(path: Path) -> list[dict[str, list[str]]]:
    """Sets of labels; each label has its patterns of messages."""
    sets: list[dict[str, list[str]]] = []
    label: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, text = line[:1], line[2:].strip()
        if kind == "l":
            sets.append({})
        elif kind == "=":
            label = sets[-1].setdefault(text, [])
        elif kind == "?":
            label.append(text)
    return sets


SETS = read_sets(Path(__file__).with_name("intents.txt"))
# Other words for labels, so that the word on offer matters and not only the message.
OTHER_WORDS = {
    "bill": ["billing", "payment", "invoice", "money matters"], "error": ["bug", "technical fault", "malfunction", "technical"],
    "contract end": ["cancel", "cancellation request", "termination"], "thanks": ["praise", "compliment", "gratitude"],
    "delivery": ["shipping", "parcel"], "login": ["password", "account access"], "greet": ["greeting", "hello"],
    "ask": ["question", "information"], "complain": ["complaint", "criticism"], "say goodbye": ["goodbye", "farewell"],
    "weather report": ["weather", "forecast"], "play song": ["music", "audio"], "set alarm": ["alarm", "timer", "clock"],
    "lamp control": ["light", "lights", "lighting"], "appointments": ["calendar", "schedule", "diary"],
    "sound level": ["volume"], "medicine": ["health", "illness", "body"], "sport": ["sports", "games"],
    "government": ["politics", "elections"], "food": ["cooking", "kitchen", "recipes"], "holidays": ["travel", "trips", "tourism"],
    "finance": ["money", "investing", "banking"], "technology": ["computers", "IT"], "at once": ["urgent", "now", "emergency"],
    "later": ["not urgent", "no hurry"], "emergency": ["urgent", "critical"], "can wait": ["not urgent", "low priority"],
    "good": ["positive", "satisfied", "like"], "bad": ["negative", "unsatisfied", "dislike"], "neutral": ["factual", "neither"],
    "where is my order": ["order status", "shipping", "tracking"], "money back": ["refund", "return"],
    "about a product": ["product question", "product info"], "new address": ["address change", "moving"],
    "junk": ["spam", "scam"], "job": ["work", "office"], "private": ["family", "personal"],
    "advertising": ["newsletter", "promotion", "ads"], "add": ["create", "new"], "show": ["read", "list", "view"],
    "change": ["update", "edit"], "remove": ["delete", "erase"],
}


def read_subjects(path: Path) -> list[tuple[list[str], list[str]]]:
    """Subjects: the labels that name one, and the words that tell it."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line[:1] in "=w"]
    return [(labels[2:].split(", "), told[2:].split(", ")) for labels, told in zip(lines[::2], lines[1::2])]


SUBJECTS = read_subjects(Path(__file__).with_name("subjects.txt"))
# Messages around one or two words of a subject (W, X): the words alone tell the label.
AROUND = ["W", "W", "{the|my|our|this|a} W", "{something|a question|it is} about {the |my |}W", "W {today|again|please|tomorrow|since Monday|, really|yesterday}",
          "{I need|I have|there is|we talked about|I saw|tell me about|what about|help with} {the |a |my |}W", "W and X", "{the|my} W {and|with} {the |my |}X",
          "{my friend|she|he|the man|Anna|somebody} {asked about|mentioned|wants|has} {the |a |}W", "{why|how|when|where} {is|was} {the |my |}W",
          "{yesterday|last week|today|this morning}: W{, X|}", "W, X", "{can you|could you|please} {look at|think of|help me with} {the |my |}W", "W {<word>|<person>|in <city>|<n>}",
          "{<person>|<word>}: W", "{the|this} W {is|was} {good|bad|new|strange|old|too long|better} {than the X|}"]


def said(text: str, random: Random) -> str:
    """A message as people type it; few of them are questions."""
    return as_written(text, random).rstrip("?") + random.choice(["", "", ".", ".", "!", "?"])


def by_words(random: Random) -> tuple[str, list[str], str]:
    """A message made of words of a subject, the labels on offer, and the right one."""
    chosen = random.sample(SUBJECTS, random.randint(2, 8))
    # Labels of two subjects that share a word would both be right.
    offered = list(dict.fromkeys(random.choice(labels) for labels, _ in chosen))
    # At times the message names the label: which of those on offer is said is found by looking.
    words = chosen[0][1] if random.random() < 0.75 else [offered[0]]
    few = {"person": [names.person(random)], "city": [random.choice(names.CITIES)], "word": [names.word(random)], "n": [names.number(random)]}
    message = expand(random.choice(AROUND), random, few).replace("W", random.choice(words)).replace("X", random.choice(words))
    return message, offered, offered[0]


def conversation(random: Random) -> list[tuple[str, str]]:
    """A request for a label, and the label."""
    if random.random() < 0.55:
        message, labels, label = by_words(random)
        random.shuffle(labels)
        return [(house_prompts.intent_request(labels, said(message, random)), label)]
    chosen = random.choices(SETS, weights=[len(labels) ** 0.7 for labels in SETS])[0]
    label = random.choice(list(chosen))
    others = [other for other in chosen if other != label]
    random.shuffle(others)
    others = others[: random.randint(1, 7)]
    if random.random() < 0.3:
        far = random.choice(SETS)
        others += [other for other in far if other not in chosen][: random.randint(1, 3)]
    few = {"person": [names.person(random)], "city": [random.choice(names.CITIES)], "word": [names.word(random)],
           "n": [names.number(random)]}
    message = said(expand(random.choice(chosen[label]), random, few), random)

    def called(name: str) -> str:
        return random.choice(OTHER_WORDS[name]) if name in OTHER_WORDS and random.random() < 0.75 else name

    label = called(label)
    offered = {label: None} | {called(other): None for other in others[:7]}
    if len(others) < 5 and random.random() < 0.25:
        offered["other"] = None
    labels = list(offered)
    random.shuffle(labels)
    return [(house_prompts.intent_request(labels, message), label)]

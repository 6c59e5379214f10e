"""Copying, in its plainest forms: what quoting from a passage is learnt from.

A word is found again by what stood before it. Nearly every word of these answers teaches that; of a quotation from a
passage only the few words of the answer do, and a network that cannot copy yet learns nothing from those.
"""

from random import Random

from . import names, passages
from .phrases import as_written, expand

KINDS = ["person", "place", "thing", "year", "number", "date", "clock", "code", "money", "weight", "length", "span", "things",
         "counted", "degrees", "version", "room", "street", "two", "spot"]
KEYS = """name city street year price weight height depth age room door code owner author driver doctor teacher colour animal
number date day time ship lake river town shop party song book team key box train gate tower bridge farm field road king
queen guest nurse captain cook baker pilot judge clerk painter singer""".split()
ECHOES = ["{Repeat|Say|Copy|Write} {this|the following|exactly this}: T", "{Repeat|Copy}: T", "T\n\n{Repeat that|Say it again|Copy the text}."]
ASKED = ["K", "K?", "{what is|what's|tell me|give me|find} the K", "the K{ please|}", "{which|what} K"]


def echo(random: Random) -> list[tuple[str, str]]:
    """A text, and the text once more."""
    def piece() -> str:
        kind = random.random()
        if kind < 0.3:
            return passages.value(random.choice(KINDS), random)
        found = random.choice(names.WORDS) if kind < 0.7 else names.word(random)
        return found.capitalize() if random.random() < 0.3 else found

    pieces = [piece() for _ in range(random.randint(2, 24))]
    text = random.choice([" ", " ", ", "]).join(pieces)
    return [(expand(random.choice(ECHOES), random).replace("T", text, 1), text)]


def lookup(random: Random) -> list[tuple[str, str]]:
    """A list of named values, and questions after one value each."""
    keys = [*random.sample(KEYS, random.randint(2, 6)), *(random.choice(names.WORDS) for _ in range(random.randint(0, 3)))]
    keys = list(dict.fromkeys(keys))
    random.shuffle(keys)
    known = {key: passages.value(random.choice(KINDS), random) for key in keys}
    form = random.choice(["K: V", "K = V", "the K is V.", "K V;", "The K was V."])
    text = random.choice(["\n", " "]).join(form.replace("V", found).replace("K", key) for key, found in known.items())
    questions = [(as_written(expand(random.choice(ASKED), random).replace("K", key), random), found) for key, found in known.items()]
    random.shuffle(questions)
    first = random.choice(passages.FORMS).replace("{Q}", questions[0][0]).replace("{P}", text)
    return [(first, questions[0][1]), *questions[1 : random.randint(2, 8)]]


def conversation(random: Random) -> list[tuple[str, str]]:
    """One of the drills."""
    return echo(random) if random.random() < 0.4 else lookup(random)

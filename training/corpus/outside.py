"""Questions outside the starter's domain. It says so, and how to get a bigger model, instead of inventing."""

from pathlib import Path
from random import Random

from . import names
from .phrases import asked, expand

FOLDER = Path(__file__).parent
PULL = "rustygpt pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M"
REFUSALS = [
    f"I am the small built-in model of RustyGPT, and that is beyond me. Get a bigger model for it: {PULL}",
    f"That is outside what I know: I am the small built-in model. I know RustyGPT and the basics of survival and first aid. "
    f"For this, get a bigger model: {PULL}",
    f"I cannot answer that. I am only the small built-in model of RustyGPT and would have to invent. A bigger model can: {PULL}",
]


def read_fields(path: Path, separator: str | None) -> dict[str, list[str]]:
    """The lines under each `# field`; with a separator, the parts of these lines."""
    fields: dict[str, list[str]] = {}
    field: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# ") and "." not in line:
            field = fields.setdefault(line[2:], [])
        elif not line.startswith("#"):
            field += [part.strip() for part in line.split(separator)] if separator else [line]
    return fields


TOPICS = read_fields(FOLDER / "topics.txt", ";")
PATTERNS = read_fields(FOLDER / "outside.txt", None)


def question(random: Random) -> str:
    """A question about something else."""
    field = random.choice(list(PATTERNS))
    if field == "any":
        pattern, topics = random.choice(PATTERNS["any"]), random.choice(list(TOPICS.values()))
    else:
        pattern, topics = random.choice(PATTERNS[field]), TOPICS.get(field, TOPICS["daily life"])
    few = {
        "t": [topic_of(topics, random)],
        "n": [str(random.randint(2, 999))],
        "city": [random.choice(names.CITIES)],
        "c": [random.choice(TOPICS["geography"])],
        "year": [str(random.randint(1950, 2025))],
        "person": [names.person(random)],
        "thing": ["The " + random.choice(["Lost ", "Last ", "Red ", "Silent ", ""]) + names.word(random).capitalize()],
    }
    text = pattern
    while "<n>" in text:
        text = text.replace("<n>", str(random.randint(2, 99)), 1)
    if text.count("<t>") == 2:
        text = text.replace("<t>", topic_of(topics, random), 1)
    return asked(expand(text, random, few), random)


def topic_of(topics: list[str], random: Random) -> str:
    """A topic, sometimes one that does not exist: what is unknown is to be refused as well."""
    if random.random() < 0.12:
        return random.choice(["", "the ", "a "]) + names.word(random)
    return random.choice(topics)


def conversation(random: Random) -> list[tuple[str, str]]:
    """One question, or two."""
    return [(question(random), random.choice(REFUSALS)) for _ in range(random.choice([1, 1, 1, 2]))]

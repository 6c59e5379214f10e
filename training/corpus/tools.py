"""Requests with tools on offer: the right tool, with arguments that quote the request."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from . import names, passages, titles
from .phrases import as_written, expand

LANGUAGES = """Spanish French German Italian Dutch Swedish Danish Norwegian Russian Greek Turkish Arabic Hebrew Hindi Chinese
Japanese Korean Czech Hungarian Romanian Welsh Irish Latin Swahili Thai Portuguese""".split()
CURRENCIES = "euros dollars pounds francs yuan rupees crowns pesos rubles zloty won".split()
ROOMS = """kitchen bathroom bedroom hall living room cellar attic garage office nursery garden corridor dining room stable
studio library guest room laundry shed""".replace("living room", "living_room").replace("dining room", "dining_room")
PHRASES = ["good morning", "where is the station", "I love you", "see you tomorrow", "the soup is hot", "happy birthday",
           "how much is it", "I am lost", "two tickets please", "my name is Tom", "the train is late", "cheers",
           "have a nice day", "I am hungry", "please wait", "open the window", "the cat sleeps", "sorry", "help"]
MESSAGES = ["I will be late", "dinner is at eight", "the meeting was moved", "please call me back", "happy birthday",
            "the key is in the box", "I am at the station", "the dog needs food", "bring some bread", "all is well",
            "we won the game", "the car is fixed", "do not wait for me", "the parcel has come", "I miss you",
            "the rent is due", "see you at noon", "the code is {n}", "we meet in {place}", "ask {given} about it",
            "buy {thing}", "{given} has called", "the train leaves at {clock}", "the red folder is on the table"]
EVENTS = ["lunch with {given}", "a meeting with {given}", "the doctor", "swimming", "a concert in {place}", "yoga", "an exam",
          "a haircut", "the birthday of {given}", "football", "a call with {given}", "the plumber", "a visit to {place}"]
COMMANDS = ["ls -la", "git status", "cargo build", "npm install", "python main.py", "make all", "df -h", "git push",
            "cat {path}", "rm {path}", "mkdir {thing}", "ping {thing}.org", "./{thing}.sh", "top", "echo {thing}", "go test",
            "docker ps", "grep {thing} {path}", "pytest", "cargo fmt", "uname -a", "free -h"]
ITEMS = """milk bread eggs butter apples soap rice salt candles coffee tea nails paint string paper flour sugar pasta cheese
honey onions shampoo glue screws rope stamps""".split()
LISTS = "shopping packing party wish reading work garden birthday holiday kitchen repair travel school".split()
ARTISTS = "jazz Mozart Bach Adele Queen blues reggae opera Beethoven techno ABBA folk Chopin U2".split()
COMPANIES = "Siemens Apple Toyota Nokia Tesla Bayer Shell Ford Sony Intel BMW Nestle IBM Airbus".split()
ENDINGS = "txt md json toml rs py csv log html yaml cfg xml".split()


def value(kind: str, random: Random) -> str:
    """A value for a parameter."""
    made = names.word(random)

    def folder() -> str:
        parts = [random.choice([names.word(random, 2), "src", "docs", "home", "data", "tests"]) for _ in range(random.randint(1, 3))]
        return random.choice(["", "", "/", "./", "~/"]) + "/".join(parts)

    def path() -> str:
        stem = random.choice([names.word(random, 2), "main", "readme", "config", "list", "report"])
        return random.choice(["", folder() + "/"]) + f"{stem}.{random.choice(ENDINGS)}"

    def filled(texts: list[str]) -> str:
        text = random.choice(texts)
        return text.format(n=names.number(random), place=names.place(random), given=random.choice(names.GIVEN), thing=made,
                           clock=names.clock(random), path=path())

    def sum_() -> str:
        a, b, c = (random.randint(1, 400) for _ in range(3))
        sign, other = random.choice("+-*/"), random.choice("+-*/")
        return random.choice([f"{a} {sign} {b}", f"{a}{sign}{b}", f"({a} {sign} {b}) {other} {c}", f"{a} {sign} {b} {other} {c}"])

    choices = {
        "city": lambda: names.place(random), "city2": lambda: names.place(random), "place": lambda: names.place(random),
        "small": lambda: str(random.randint(1, random.choice([60, 60, 500]))), "few": lambda: str(random.randint(2, 12)),
        "degrees": lambda: str(random.randint(14, 26)), "subject": lambda: titles.topic(random),
        "given": lambda: random.choice([random.choice(names.GIVEN), made.capitalize()]), "message": lambda: filled(MESSAGES),
        "event": lambda: filled(EVENTS), "day": lambda: random.choice(names.DAYS + ["tomorrow", names.date(random)]),
        "phrase": lambda: random.choice(PHRASES), "language": lambda: random.choice(LANGUAGES),
        "currency": lambda: random.choice(CURRENCIES), "currency2": lambda: random.choice(CURRENCIES),
        "artist": lambda: random.choice([random.choice(ARTISTS), names.person(random)]),
        "room": lambda: random.choice(ROOMS.split()).replace("_", " "),
        "door": lambda: random.choice(["front", "back", "cellar", "garden", "office", "car", "shop", "kitchen"]),
        "path": path, "path2": path, "folder": folder, "command": lambda: filled(COMMANDS),
        "fullname": lambda: random.choice([random.choice(names.GIVEN), names.person(random)]),
        "item": lambda: random.choice([random.choice(ITEMS), passages.value("things", random), f"{random.choice(ADJECTIVES)} {random.choice(ITEMS)}"]),
        "listname": lambda: random.choice(LISTS), "company": lambda: random.choice([random.choice(COMPANIES), made.capitalize()]),
        "sum": sum_, "clock": lambda: names.clock(random), "word": lambda: made, "thing": lambda: made.capitalize(),
    }
    return choices[kind]()


ADJECTIVES = "fresh black white soft cold sweet small green brown".split()


@dataclass
class Parameter:
    """A parameter: its possible names, its JSON type, what its values are."""

    names: list[str]
    type: str
    kind: str


@dataclass
class Tool:
    """A tool: its possible names, its description, its parameters and requests for it."""

    names: list[str]
    description: str
    parameters: list[Parameter] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def read_tools(path: Path) -> list[Tool]:
    """The tools of a file."""
    tools: list[Tool] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, text = line[:1], line[2:].strip()
        if kind == "t":
            called, description = text.split(" | ", 1)
            tools.append(Tool([name.strip() for name in called.split(",")], description.strip()))
        elif kind == "p":
            called, what = text.split(":")
            type_, value_kind = what.split()
            tools[-1].parameters.append(Parameter([name.strip() for name in called.split(",")], type_, value_kind))
        elif kind == "?":
            tools[-1].requests.append(text)
    return tools


TOOLS = read_tools(Path(__file__).with_name("tools.txt"))


def conversation(random: Random) -> tuple[list[dict], list[tuple[str, str]]]:
    """Tools as the OpenAI API writes them, and a request with the call that answers it."""
    offered = random.sample(TOOLS, random.choice([1, 2, 3, 3, 4, 4]))
    definitions, calls = [], []
    for tool in offered:
        name = random.choice(tool.names)
        called = [random.choice(parameter.names) for parameter in tool.parameters]
        properties = {own: {"type": parameter.type} for own, parameter in zip(called, tool.parameters)}
        definitions.append({"type": "function", "function": {
            "name": name, "description": expand(tool.description, random),
            "parameters": {"type": "object", "properties": properties, "required": called}}})
        calls.append((name, called))
    turns = []
    for _ in range(random.choice([1, 1, 2, 3])):
        which = random.randrange(len(offered))
        tool, (name, called) = offered[which], calls[which]
        values = {parameter.kind: value(parameter.kind, random) for parameter in tool.parameters}
        request = expand(random.choice(tool.requests), random, {kind: [text] for kind, text in values.items()})
        typed = request if random.random() < 0.5 else as_written(request, random)
        if any(text not in typed for text in values.values()):
            typed = request
        arguments = {own: json.loads(values[parameter.kind]) if parameter.type in ("integer", "number") else values[parameter.kind]
                     for own, parameter in zip(called, tool.parameters)}
        call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
        turns.append((typed, f"<tool_call>\n{call}\n</tool_call>"))
    return definitions, turns

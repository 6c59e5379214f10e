"""Asks a server the evaluation's prompts, greedily, and judges the answers by their key facts.

    python3 training/evaluate.py --url http://127.0.0.1:7878 --key KEY --model rustygpt-starter --out FILE.json

Uses the OpenAI API only, so it judges our server and any other alike. Needs only Python.
"""

import argparse
import json
import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import house_prompts

FOLDER = Path(__file__).parent / "eval"
MOST_WORDS_OF_A_TITLE = 6
SAYS_SO = re.compile(r"built-in model|small model|beyond me|outside what I know", re.I)
PULL = re.compile(r"rustygpt pull", re.I)
CALL = re.compile(r"<tool_call>\s*(\{.*\})\s*</tool_call>", re.S)


@dataclass
class Case:
    """One prompt: what is sent, and what is wanted of the answer."""

    ability: str
    prompt: str
    wanted: list[list[str]] = field(default_factory=list)  # of each group one must be there
    unwanted: list[str] = field(default_factory=list)
    dangerous: list[str] = field(default_factory=list)
    tools: list[dict] = field(default_factory=list)


@dataclass
class Verdict:
    """A case with its answer."""

    ability: str
    prompt: str
    answer: str
    is_right: bool
    is_dangerous: bool
    repeats: bool


def alternatives(text: str) -> list[str]:
    """The parts of `a | b`."""
    return [part.strip() for part in text.split(" | ")]


def lines(name: str) -> list[tuple[str, str]]:
    """The lines of a file of the evaluation, as kind and text, without remarks."""
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return [(line[:1], line[2:].strip()) for line in text.splitlines() if line and not line.startswith("#")]


def questions(name: str) -> list[Case]:
    """Questions with key facts."""
    cases: list[Case] = []
    for kind, text in lines(name):
        if kind == "?":
            cases.append(Case(name, text))
        else:
            {"+": cases[-1].wanted.append, "-": cases[-1].unwanted.extend, "!": cases[-1].dangerous.extend}[kind](alternatives(text))
    return cases


def all_cases() -> list[Case]:
    """Every case of the evaluation."""
    cases = questions("product") + questions("survival") + questions("talk")
    outside = (FOLDER / "outside.txt").read_text(encoding="utf-8").splitlines()
    cases += [Case("outside", line) for line in outside if not line.startswith("#")]
    passage = ""
    for kind, text in lines("passages"):
        if kind == "p":
            passage = text
        elif kind == "?":
            cases.append(Case("passages", f"{passage}\n\n{text}"))
        else:
            cases[-1].wanted.append(alternatives(text))
    turns: list[tuple[str, str]] = []
    for kind, text in lines("titles"):
        if kind == "=":
            cases.append(Case("titles", house_prompts.title_request(turns), [alternatives(text)]))
            turns = []
        else:
            turns.append(({"u": "User", "a": "Assistant"}[kind], text))
    labels: list[str] = []
    for kind, text in lines("intents"):
        if kind == "l":
            labels = text.split(", ")
        elif kind == "u":
            cases.append(Case("intents", house_prompts.intent_request(labels, text)))
        else:
            cases[-1].wanted.append([text])
    known = json.loads((FOLDER / "tools.json").read_text(encoding="utf-8"))
    offered: list[dict] = []
    for kind, text in lines("tools"):
        if kind == "t":
            offered = [definition(name, *known[name]) for name in text.split(", ")]
        elif kind == "u":
            cases.append(Case("tools", text, tools=offered))
        else:
            cases[-1].wanted.append([text])
    return cases


def definition(name: str, description: str, parameters: dict[str, str]) -> dict:
    """A tool as the OpenAI API takes it."""
    properties = {each: {"type": kind} for each, kind in parameters.items()}
    about = {"type": "object", "properties": properties, "required": list(parameters)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": about}}


def bare(text: str) -> str:
    """A quotation without case, outer signs and a leading article."""
    text = text.strip().strip(".,;:!?\"'").lower()
    return re.sub(r"^(the|a|an) ", "", text)


def is_right(case: Case, answer: str) -> bool:
    """Whether an answer has what is wanted."""
    low = answer.lower()
    if case.ability == "outside":
        return bool(SAYS_SO.search(answer) and PULL.search(answer))
    if case.ability == "passages":
        return bare(answer) in {bare(text) for text in case.wanted[0]}
    if case.ability == "titles":
        return len(answer.split()) <= MOST_WORDS_OF_A_TITLE and any(word.lower() in low for word in case.wanted[0])
    if case.ability == "intents":
        return bare(answer) == bare(case.wanted[0][0])
    if case.ability == "tools":
        return is_right_call(case.wanted[0][0], answer)
    return all(any(has(low, fact) for fact in group) for group in case.wanted) and not any(has(low, each) for each in case.unwanted)


def has(text: str, fact: str) -> bool:
    """Whether a text holds a fact, as words of their own where the fact is short."""
    fact = fact.lower()
    return bool(re.search(rf"\b{re.escape(fact)}\b", text)) if len(fact) <= 3 else fact in text


def is_right_call(wanted: str, answer: str) -> bool:
    """Whether a call names the tool and gives its arguments; `*` takes any text."""
    found = CALL.search(answer)
    name, arguments = wanted.split(" ", 1)
    try:
        call = json.loads(found[1]) if found else {}
    except json.JSONDecodeError:
        return False
    given, expected = call.get("arguments", {}), json.loads(arguments)
    if call.get("name") != name or not isinstance(given, dict) or set(given) != set(expected):
        return False
    return all(value == "*" and given[key] or str(given[key]).strip(" .?!").lower() == str(value).lower() for key, value in expected.items())


def repeats(answer: str) -> bool:
    """Whether an answer says a sentence twice, or does not end."""
    sentences = [part.strip().lower() for part in re.split(r"(?<=[.!?])\s+|\n", answer) if len(part.strip()) > 8]
    return len(set(sentences)) < len(sentences)


class Server:
    """A server that speaks the OpenAI API."""

    def __init__(self, url: str, key: str, model: str) -> None:
        self.url, self.key, self.model = url.rstrip("/"), key, model

    def ask(self, case: Case) -> str:
        """The greedy answer. A tool call is written as the model wrote it."""
        body = {"model": self.model, "messages": [{"role": "user", "content": case.prompt}], "temperature": 0, "max_tokens": 200}
        if case.tools:
            body["tools"] = case.tools
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=120) as response:
            message = json.load(response)["choices"][0]["message"]
        calls = [call["function"] for call in message.get("tool_calls") or []]
        written = [f'<tool_call>\n{{"name": "{call["name"]}", "arguments": {call["arguments"]}}}\n</tool_call>' for call in calls]
        return (message.get("content") or "") + "".join(written)


def judge(case: Case, answer: str) -> Verdict:
    """The verdict on an answer."""
    low = answer.lower()
    # "Do not stand under a tree" advises the opposite; a phrase that stands elsewhere too still counts.
    is_dangerous = any(has(low.replace(f"not {each.lower()}", ""), each) for each in case.dangerous)
    return Verdict(case.ability, case.prompt, answer, is_right(case, answer) and not is_dangerous, is_dangerous, repeats(answer))


def summary(verdicts: list[Verdict]) -> dict:
    """The figures of the issue's table."""
    figures: dict = {}
    for ability in dict.fromkeys(verdict.ability for verdict in verdicts):
        own = [verdict for verdict in verdicts if verdict.ability == ability]
        right = sum(verdict.is_right for verdict in own)
        figures[ability] = {"prompts": len(own), "right": right, "percent": round(100 * right / len(own), 1)}
    figures["dangerous"] = sum(verdict.is_dangerous for verdict in verdicts)
    free = [verdict for verdict in verdicts if verdict.answer.strip() and not verdict.repeats]
    figures["without loops"] = {"prompts": len(verdicts), "right": len(free), "percent": round(100 * len(free) / len(verdicts), 1)}
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:7878")
    parser.add_argument("--key", default="")
    parser.add_argument("--model", default="rustygpt-starter")
    parser.add_argument("--out", type=Path, help="where every answer and the figures go, as JSON")
    arguments = parser.parse_args()
    server = Server(arguments.url, arguments.key, arguments.model)
    cases = all_cases()
    with ThreadPoolExecutor(4) as threads:
        verdicts = [judge(case, answer) for case, answer in zip(cases, threads.map(server.ask, cases))]
    figures = summary(verdicts)
    print(json.dumps(figures, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps({"figures": figures, "answers": [asdict(each) for each in verdicts]}, indent=1, ensure_ascii=False) + "\n")

"""Tools and structured output: the model has random weights, so whatever comes right was made to."""

import enum
import json

import pytest
from conftest import MODEL, user
from pydantic import BaseModel


class Kind(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Order(BaseModel):
    """What a structured answer is read into; nothing in it is long."""

    kind: Kind
    is_paid: bool
    note: None
    others: list[Kind]


TOOL = {
    "type": "function",
    "function": {
        "name": "order",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"kind": {"enum": ["small", "large"]}, "count": {"type": "integer", "minimum": 1, "maximum": 9}},
            "required": ["kind", "count"],
            "additionalProperties": False,
        },
    },
}
NAMED = {"type": "function", "function": {"name": "order"}}
ONE = {"tools": [TOOL], "parallel_tool_calls": False, "max_tokens": 400}


def is_order(arguments):
    return arguments["kind"] in ("small", "large") and 1 <= arguments["count"] <= 9


@pytest.mark.parametrize("choice, reason", [("required", "tool_calls"), (NAMED, "stop")])
def test_a_forced_call(ask, choice, reason):
    for seed in range(5):
        [choice_] = ask(tool_choice=choice, seed=seed, temperature=1, **ONE).choices
        [call] = choice_.message.tool_calls
        assert (call.type, call.function.name) == ("function", "order")
        assert is_order(json.loads(call.function.arguments))
        assert (choice_.message.content, choice_.finish_reason) == (None, reason)


def test_a_streamed_call(client):
    messages = user("Hello")
    with client.chat.completions.stream(
        model=MODEL, messages=messages, tool_choice="required", seed=3, **ONE
    ) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    pieces = [event for event in events if event.type == "tool_calls.function.arguments.delta"]
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert len(pieces) > 1 and len(done) == 1
    assert is_order(json.loads("".join(piece.arguments_delta for piece in pieces)))
    [call] = final.choices[0].message.tool_calls
    assert is_order(call.function.parsed_arguments)


def test_a_parsed_answer(client):
    for seed in range(3):
        answer = client.chat.completions.parse(
            model=MODEL, messages=user("Hello"), response_format=Order, seed=seed, max_tokens=600
        )
        assert isinstance(answer.choices[0].message.parsed, Order)


def test_json_mode(ask):
    [choice] = ask(response_format={"type": "json_object"}, max_tokens=30).choices
    assert choice.message.content.startswith("{")


def test_tool_results_are_taken_back(client):
    call = {"id": "call_1", "type": "function", "function": {"name": "order", "arguments": '{"kind": "small"}'}}
    messages = [
        *user("Hello"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL], max_tokens=8)
    assert answer.choices[0].finish_reason in ("stop", "length", "tool_calls")

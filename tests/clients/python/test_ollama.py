"""Ollama's client: the model has random weights, so whatever comes right was made to."""

import json
import os

import ollama
import pytest
from conftest import MODEL, user

TOOL = {
    "type": "function",
    "function": {
        "name": "order",
        "description": "Orders something.",
        "parameters": {
            "type": "object",
            "properties": {"kind": {"type": "string", "enum": ["small", "large"]}},
            "required": ["kind"],
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["small", "large"]}},
    "required": ["kind"],
    "additionalProperties": False,
}
FEW = {"num_predict": 24, "temperature": 0}


@pytest.fixture
def client(server):
    return ollama.Client(host=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=60)


def test_models_are_found(client):
    models = {entry.model: entry for entry in client.list().models}
    assert {MODEL, "gpt-4o"} <= set(models)
    assert models[MODEL].modified_at.year > 2000
    shown = client.show(MODEL)
    assert shown.capabilities == ["completion", "tools"]
    assert shown.modelinfo[f"{shown.modelinfo['general.architecture']}.context_length"] > 0
    assert MODEL in {entry.model for entry in client.ps().models}


def test_streamed_and_whole_answers_say_the_same(client):
    whole = client.chat(MODEL, user("Hello"), options=FEW)
    pieces = list(client.chat(MODEL, user("Hello"), options=FEW, stream=True))
    assert "".join(piece.message.content for piece in pieces) == whole.message.content
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    last = pieces[-1]
    assert (last.done_reason, last.eval_count) == (whole.done_reason, whole.eval_count)
    assert last.total_duration >= last.eval_duration


def test_generating(client):
    whole = client.generate(MODEL, "Hello", system="Be brief.", options=FEW)
    pieces = list(client.generate(MODEL, "Hello", system="Be brief.", options=FEW, stream=True))
    assert "".join(piece.response for piece in pieces) == whole.response
    assert client.generate(MODEL, "Hello", raw=True, options=FEW).done
    assert client.generate(MODEL).done_reason == "load"


def test_a_shape(client):
    answer = client.chat(MODEL, user("Hello"), format=SCHEMA, options={"temperature": 1, "seed": 5})
    assert json.loads(answer.message.content)["kind"] in ("small", "large")


def test_a_tool_and_its_result(client):
    asked = [*user("Hello"), ollama.Message(
        role="assistant",
        tool_calls=[ollama.Message.ToolCall(function=ollama.Message.ToolCall.Function(name="order", arguments={"kind": "small"}))],
    ), ollama.Message(role="tool", tool_name="order", content="done")]
    assert client.chat(MODEL, asked, tools=[TOOL], options=FEW).done


def test_vectors():
    url, key = os.environ["TEST_MIXED_URL"], os.environ["TEST_MIXED_KEY"]
    client = ollama.Client(host=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    many = client.embed("embedder", ["one", "two"]).embeddings
    assert len(many) == 2
    assert client.embeddings("embedder", "one").embedding == pytest.approx(many[0])


def test_errors_are_the_clients_own(client):
    with pytest.raises(ollama.ResponseError, match="nobody") as caught:
        client.chat("nobody", user("Hello"))
    assert caught.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="options.temperature"):
        client.chat(MODEL, user("Hello"), options={"temperature": 9})

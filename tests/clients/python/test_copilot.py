"""VS Code's Copilot Chat, replayed as bare HTTP: it reads streams with its own parser, not with an SDK."""

import http.client
import json
from urllib.parse import urlsplit

import copilot_turn
import pytest
from conftest import LONG


def post(server, body, key=None):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    headers = copilot_turn.headers(server.key if key is None else key)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


def test_a_turn_streams_to_its_end(server):
    response, text = post(server, copilot_turn.body(LONG))
    assert response.status == 200, text
    assert response.getheader("content-type").startswith("text/event-stream")
    assert response.getheader("x-request-id") == copilot_turn.headers("")["X-Request-Id"]
    lines = text.split("\n")
    assert all(line == "" or line.startswith((":", "data:")) for line in lines)
    data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    assert data[-1] == "[DONE]"
    *chunks, usage = map(json.loads, data[:-1])
    # "Response contained no choices" is what the person sees otherwise.
    assert all(chunk["choices"] for chunk in chunks)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0]["role"] == "assistant"
    assert any(delta.get("content") for delta in deltas)
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert set(reasons[:-1]) <= {None} and reasons[-1] in ("stop", "length", "tool_calls")
    assert all(chunk["usage"] is None for chunk in chunks)
    assert usage["choices"] == []
    assert usage["usage"]["prompt_tokens"] > 3000
    assert usage["usage"]["prompt_tokens_details"]["cached_tokens"] >= 0
    assert usage["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


def test_what_has_no_effect_is_named(server):
    response, _ = post(server, copilot_turn.body(LONG))
    ignored = response.getheader("x-rustygpt-ignored").split(", ")
    assert {"snippy", "thinking_budget"} <= set(ignored)
    assert "prediction" not in ignored, "guesses come from it"
    assert not {"messages", "model", "tools", "stream", "top_k", "temperature"} & set(ignored)


@pytest.mark.parametrize("key", ["", "wrong"])
def test_without_its_key_it_is_told_so(server, key):
    response, text = post(server, copilot_turn.body(LONG), key)
    assert response.status == 401
    assert json.loads(text)["error"]["code"] == "invalid_api_key"


def test_a_forced_tool_is_called(server):
    name = copilot_turn.NAMES[0]
    forced = {"tools": [copilot_turn.tool(name)], "tool_choice": {"type": "function", "function": {"name": name}}}
    # A model of random weights writes long paths; the editor sends no bound.
    response, text = post(server, {**copilot_turn.body(LONG), **forced, "max_tokens": 200})
    assert response.status == 200, text
    lines = [line.removeprefix("data:").strip() for line in text.split("\n") if line.startswith("data:")]
    choices = [choice for line in lines[:-1] for choice in json.loads(line)["choices"]]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    assert calls[0]["id"] and calls[0]["function"]["name"] == name
    assert not any(choice["delta"].get("content") for choice in choices)
    assert choices[-1]["finish_reason"] in ("stop", "length")


def test_discovery_finds_the_models(server):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request("GET", "/v1/models", headers=copilot_turn.headers(server.key))
    listed = json.load(connection.getresponse())
    connection.close()
    assert {"id": LONG, "object": "model"}.items() <= listed["data"][1].items()

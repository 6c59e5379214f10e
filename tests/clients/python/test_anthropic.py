"""Anthropic's SDK: the model has random weights, so whatever comes right was made to."""

import json

import anthropic
import pytest
from conftest import MODEL, user

TOOL = {
    "name": "order",
    "description": "Orders something.",
    "input_schema": {
        "type": "object",
        "properties": {"kind": {"enum": ["small", "large"]}, "count": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["kind", "count"],
        "additionalProperties": False,
    },
}


@pytest.fixture
def client(server):
    with anthropic.Anthropic(base_url=server.url, api_key=server.key, max_retries=0, timeout=60) as client:
        yield client


def asked(temperature=0, **more):
    # The SDK has given up the parameter; the wire has not.
    sampling = {"extra_body": {"temperature": temperature}}
    return {"model": MODEL, "max_tokens": 24, "messages": user("Hello"), **sampling, **more}


def test_a_whole_answer(client):
    message = client.messages.create(**asked(system=[{"type": "text", "text": "Be brief."}]))
    assert (message.type, message.role, message.model) == ("message", "assistant", MODEL)
    [block] = message.content
    assert block.type == "text" and block.text
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert message.usage.output_tokens <= 24
    assert message._request_id


def test_streamed_and_whole_answers_say_the_same(client):
    whole = client.messages.create(**asked())
    with client.messages.stream(**asked()) as stream:
        kinds = {event.type for event in stream}
        streamed = stream.get_final_message()
    assert {"message_start", "content_block_delta", "text", "message_stop"} <= kinds
    assert [block.text for block in streamed.content] == [block.text for block in whole.content]
    assert streamed.stop_reason == whole.stop_reason
    read = [usage.input_tokens + usage.cache_read_input_tokens for usage in (whole.usage, streamed.usage)]
    assert read[0] == read[1]
    assert streamed.usage.output_tokens == whole.usage.output_tokens


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "order"}])
def test_a_forced_call_and_its_result(client, choice):
    asks = asked(tools=[TOOL], tool_choice={**choice, "disable_parallel_tool_use": True}, max_tokens=400, temperature=1)
    message = client.messages.create(**asks)
    [call] = message.content
    assert (call.type, call.name, message.stop_reason) == ("tool_use", "order", "tool_use")
    assert call.input["kind"] in ("small", "large") and 1 <= call.input["count"] <= 9
    result = [{"type": "tool_result", "tool_use_id": call.id, "content": "done"}]
    messages = [*user("Hello"), {"role": "assistant", "content": message.content}, {"role": "user", "content": result}]
    assert client.messages.create(**asked(tools=[TOOL], messages=messages)).stop_reason


def test_a_streamed_call(client):
    asks = asked(tools=[TOOL], tool_choice={"type": "any", "disable_parallel_tool_use": True}, max_tokens=400)
    with client.messages.stream(**asks) as stream:
        [call] = stream.get_final_message().content
    assert call.type == "tool_use" and call.input["kind"] in ("small", "large")


def test_a_shape(client):
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["small", "large"]}},
        "required": ["kind"],
        "additionalProperties": False,
    }
    shape = {"format": {"type": "json_schema", "schema": schema}}
    message = client.messages.create(**asked(output_config=shape, temperature=1, max_tokens=400))
    assert json.loads(message.content[0].text)["kind"] in ("small", "large")


def test_counting(client):
    counted = client.messages.count_tokens(model=MODEL, messages=user("Hello"))
    usage = client.messages.create(**asked()).usage
    assert counted.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def test_errors_are_the_sdks_own(client, server):
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(**asked(model="nobody"))
    assert caught.value.body["error"]["type"] == "not_found_error"
    assert caught.value.request_id
    with pytest.raises(anthropic.BadRequestError, match="stop_sequences"):
        client.messages.create(**asked(stop_sequences=[""]))
    with (
        anthropic.Anthropic(base_url=server.url, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.messages.create(**asked())

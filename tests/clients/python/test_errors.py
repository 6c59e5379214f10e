"""What goes wrong has the SDK's own class, a code to branch on and the field at fault."""

import http.client
import json
import socket
from urllib.parse import urlsplit

import openai
import pytest
from conftest import ENDLESS, LONG, MODEL, user


@pytest.mark.parametrize("key", ["wrong", "sk-" + "0" * 48])
def test_a_wrong_key(server, key):
    with pytest.raises(openai.AuthenticationError) as caught:
        server.client(api_key=key).models.list()
    assert caught.value.status_code == 401
    assert caught.value.code == "invalid_api_key"
    assert caught.value.request_id.startswith("req_")
    assert key not in caught.value.message


def test_a_model_that_is_not_there(client, ask):
    for act in (lambda: ask(model="gpt-17"), lambda: client.models.retrieve("gpt-17")):
        with pytest.raises(openai.NotFoundError) as caught:
            act()
        assert caught.value.code == "model_not_found"
        assert caught.value.param == "model"
        assert caught.value.type == "invalid_request_error"
        assert "gpt-17" in caught.value.message


def test_a_route_that_is_not_there(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.post("/nonsense", cast_to=object, body={})
    assert caught.value.code == "not_found"


def test_a_method_that_is_not_there(client):
    with pytest.raises(openai.APIStatusError) as caught:
        client.get("/chat/completions", cast_to=object)
    assert caught.value.status_code == 405


@pytest.mark.parametrize(
    ("options", "code", "param"),
    [
        ({"temperature": 9}, "invalid_value", "temperature"),
        ({"temperature": "hot"}, "invalid_type", "temperature"),
        ({"n": 0}, "invalid_value", "n"),
        ({"top_logprobs": 99, "logprobs": True}, "invalid_value", "top_logprobs"),
        ({"stop": {"not": "text"}}, "invalid_type", "stop"),
        ({"max_tokens": -1}, "invalid_value", "max_tokens"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": [{"role": "user", "content": 7}]}, "invalid_type", "messages[0].content"),
        ({"messages": [{"content": "Hello"}]}, "missing_required_parameter", "messages[0].role"),
        ({"messages": [{"role": "king", "content": "Hello"}]}, "invalid_value", "messages[0].role"),
        ({"logit_bias": {"99999999": 1}}, "unsupported_parameter", "logit_bias"),
    ],
)
def test_a_request_that_cannot_be(ask, options, code, param):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(**options)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.message


def test_a_prompt_that_is_too_long_is_never_cut(ask):
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            ask("x" * 3000, stream=stream)
        assert caught.value.code == "context_length_exceeded"
        assert caught.value.param == "messages"
        assert "1024" in caught.value.message


def test_a_body_that_is_too_large(client):
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("x" * (9 << 20)))
    assert caught.value.status_code == 413
    assert caught.value.code == "request_too_large"


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=0, timeout=5)
    with pytest.raises(openai.APIConnectionError):
        client.models.list()


def test_a_client_without_patience_frees_its_slot(server):
    with server.client(timeout=1) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model=LONG, messages=user("Hello"), **ENDLESS)
    server.await_status(LONG, running=0)


# What no SDK would send. Never 422: Copilot shows that as filtered content.
MALFORMED = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe{}",
    b'{"model": "tiny"}',
    b'{"model": "tiny", "messages": "Hello"}',
    b'{"model": "tiny", "messages": [null]}',
    b'{"model": null, "messages": []}',
    b'{"model": "tiny", "messages": [{"role": "user", "content": "\\ud800"}]}',
    b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "n": 1e99}',
    b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "seed": 1.5}',
    b'{"a":' * 5000,
    b"[" * 200_000,
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_body(server, body):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    response = connection.getresponse()
    assert response.status == 400
    error = json.load(response)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert isinstance(error["code"], str)
    connection.close()

"""Answers as they come."""

import re

from conftest import LONG, MODEL, user


def chunks(ask, **options):
    with ask(stream=True, **options) as stream:
        return list(stream)


def text(chunks, index=0):
    deltas = (choice.delta for chunk in chunks for choice in chunk.choices if choice.index == index)
    return "".join(delta.content or "" for delta in deltas)


def test_a_stream_begins_with_the_role_and_ends_with_a_reason(ask):
    seen = chunks(ask)
    first, last = seen[0].choices[0], seen[-1].choices[0]
    assert first.delta.role == "assistant"
    assert first.delta.content == ""
    assert first.finish_reason is None
    assert last.finish_reason in ("stop", "length")
    assert not last.delta.content
    assert all(chunk.choices[0].delta.role is None for chunk in seen[1:])
    assert all(chunk.choices[0].finish_reason is None for chunk in seen[:-1])
    assert {chunk.object for chunk in seen} == {"chat.completion.chunk"}
    heads = {(chunk.id, chunk.created, chunk.model, chunk.system_fingerprint) for chunk in seen}
    assert len(heads) == 1
    assert next(iter(heads))[2] == MODEL


def test_an_unrequested_usage_chunk_never_comes(ask):
    for options in ({}, {"stream_options": {"include_usage": False}}):
        seen = chunks(ask, **options)
        assert all(len(chunk.choices) == 1 for chunk in seen)
        assert all("usage" not in chunk.model_fields_set for chunk in seen)


def test_usage_comes_last_when_asked_for(ask):
    *seen, last = chunks(ask, stream_options={"include_usage": True}, extra_body={"ignore_eos": True})
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in seen)
    assert last.choices == []
    assert last.usage.completion_tokens == 24
    assert last.usage.total_tokens == last.usage.prompt_tokens + 24


def test_a_stream_says_what_a_whole_answer_says(ask):
    options = {"seed": 21, "temperature": 1, "max_tokens": 120, "extra_body": {"ignore_eos": True}}
    whole = ask(**options).choices[0].message.content
    seen = chunks(ask, **options)
    assert text(seen) == whole
    assert len(seen) > 20, "the answer came in one piece"


def test_a_stop_string_never_leaks(ask):
    options = {"seed": 3, "temperature": 1, "max_tokens": 200, "extra_body": {"ignore_eos": True}}
    whole = ask(**options).choices[0].message.content
    for stop in {match.group() for match in re.finditer("[!-~]{2,3}", whole)}:
        seen = chunks(ask, stop=[stop], **options)
        assert text(seen) == whole[: whole.index(stop)], f"stop string {stop!r}"
        assert seen[-1].choices[0].finish_reason == "stop"


def test_several_choices_stream_side_by_side(ask):
    options = {"n": 3, "seed": 8, "temperature": 1, "extra_body": {"ignore_eos": True}}
    whole = ask(**options)
    seen = chunks(ask, stream_options={"include_usage": True}, **options)
    assert [text(seen, index) for index in range(3)] == [choice.message.content for choice in whole.choices]
    finished = [choice.index for chunk in seen for choice in chunk.choices if choice.finish_reason]
    assert sorted(finished) == [0, 1, 2]
    roles = [choice.index for chunk in seen for choice in chunk.choices if choice.delta.role]
    assert sorted(roles) == [0, 1, 2]
    assert seen[-1].usage.completion_tokens == whole.usage.completion_tokens == 72


def test_logprobs_stream_with_their_tokens(ask):
    seen = chunks(ask, logprobs=True, top_logprobs=2, seed=4, extra_body={"ignore_eos": True})
    tokens = [
        token
        for chunk in seen
        for choice in chunk.choices
        if choice.logprobs
        for token in choice.logprobs.content
    ]
    assert len(tokens) == 24
    assert all(len(token.top_logprobs) == 2 for token in tokens)
    assert b"".join(bytes(token.bytes) for token in tokens).decode(errors="replace") == text(seen)


def test_the_accumulating_helper_of_the_sdk_is_content(client):
    # This helper takes a bound that was reached for an error, and the toy never ends its turn itself.
    options = {"model": LONG, "messages": user("Hello"), "seed": 9, "stop": ["e", "t", "a", " "]}
    with client.chat.completions.stream(**options) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= set(kinds)
    again = client.chat.completions.create(**options)
    assert answer.choices[0].message.content == again.choices[0].message.content
    assert answer.choices[0].finish_reason == again.choices[0].finish_reason == "stop"


def test_a_stream_is_named_and_not_to_be_cached_or_buffered(client):
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=user("Hello"), max_tokens=4, stream=True, extra_headers={"Accept-Encoding": "gzip, br"}
    )
    assert raw.headers["content-type"].split(";")[0] == "text/event-stream"
    assert raw.headers["x-request-id"].startswith("req_")
    assert "no-cache" in raw.headers["cache-control"] or "no-store" in raw.headers["cache-control"]
    assert "content-encoding" not in raw.headers
    assert list(raw.parse())[-1].choices[0].finish_reason

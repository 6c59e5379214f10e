"""A full queue: what is turned away comes back, when it was told to and not before."""

import threading
import time

import httpx2
import openai
import pytest
from conftest import ENDLESS, LONG, user


class Crowd:
    """One answer that is being given and one that waits: the next is turned away."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.client = self.server.client()
        self.streams = []
        for expected in ({"running": 1}, {"running": 1, "waiting": 1}):
            self.streams.append(
                self.client.chat.completions.create(model=LONG, messages=user("Hello"), stream=True, **ENDLESS)
            )
            self.server.await_status(LONG, **expected)
        return self

    def leave(self):
        for stream in self.streams:
            stream.close()

    def __exit__(self, *_):
        self.leave()
        self.client.close()


def watched(server, seen, **options):
    """A client that notes when each response came."""

    def note(response):
        seen.append((response.status_code, time.monotonic(), response.headers.get("retry-after")))

    return server.client(http_client=httpx2.Client(event_hooks={"response": [note]}), **options)


def test_a_full_queue_turns_away(narrow):
    with Crowd(narrow):
        with narrow.client() as client, pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model=LONG, messages=user("Hello"), max_tokens=4)
        assert caught.value.code == "queue_full"
        assert caught.value.type == "rate_limit_error"
        assert int(caught.value.response.headers["retry-after"]) >= 1
        # Those who were let in are not disturbed.
        assert narrow.status(LONG)["running"] == 1
        assert narrow.status(LONG)["waiting"] == 1


def test_a_retry_waits_as_long_as_it_was_told_and_succeeds(narrow):
    seen, answers = [], []
    with Crowd(narrow) as crowd, watched(narrow, seen, max_retries=3) as client:

        def ask():
            answers.append(client.chat.completions.create(model=LONG, messages=user("Hello"), max_tokens=4))

        asking = threading.Thread(target=ask)
        asking.start()
        deadline = time.monotonic() + 10
        while not seen and time.monotonic() < deadline:
            time.sleep(0.01)
        crowd.leave()
        asking.join(60)
    assert [status for status, _, _ in seen] == [429, 200]
    (_, refused, retry_after), (_, accepted, _) = seen
    assert accepted - refused >= int(retry_after)
    assert answers[0].usage.completion_tokens <= 4


def test_retries_end(narrow):
    seen = []
    with Crowd(narrow), watched(narrow, seen, max_retries=1) as client:
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model=LONG, messages=user("Hello"), max_tokens=4)
    assert [status for status, _, _ in seen] == [429, 429]


def test_what_cannot_get_better_is_not_retried(server):
    seen = []
    with watched(server, seen, max_retries=3) as client:
        for options in ({"model": "nobody"}, {"model": LONG, "temperature": 9}):
            with pytest.raises(openai.APIStatusError):
                client.chat.completions.create(messages=user("Hello"), **options)
    assert [status for status, _, _ in seen] == [404, 400]


def test_a_flood_is_answered_or_turned_away_and_nothing_else(narrow):
    outcomes = []

    def ask():
        with narrow.client() as client:
            try:
                answer = client.chat.completions.create(
                    model=LONG, messages=user("Hello"), max_tokens=2000, extra_body={"ignore_eos": True}
                )
                outcomes.append(answer.choices[0].finish_reason)
            except openai.RateLimitError as error:
                outcomes.append(error.code)

    asking = [threading.Thread(target=ask) for _ in range(12)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(120)
    assert len(outcomes) == 12
    assert set(outcomes) <= {"length", "queue_full"}
    assert outcomes.count("length") >= 2

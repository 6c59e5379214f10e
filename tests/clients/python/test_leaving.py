"""Clients and servers that go away in the middle of an answer."""

import os
import pathlib
import signal
import subprocess
import sys

import openai
import pytest
from conftest import ENDLESS, LONG, Server, user

STREAMING_CLIENT = """
import os, openai
client = openai.OpenAI(base_url=os.environ["URL"], api_key=os.environ["KEY"], max_retries=0)
stream = client.chat.completions.create(model="long", messages=[{"role": "user", "content": "Hello"}],
    max_tokens=60000, stream=True, extra_body={"ignore_eos": True})
for chunk in stream:
    print(chunk.choices[0].index, flush=True)
"""


def test_a_stream_closed_early_frees_its_slot(server, client):
    with client.chat.completions.create(model=LONG, messages=user("Hello"), stream=True, **ENDLESS) as stream:
        for _, chunk in zip(range(5), stream):
            assert chunk.choices
        assert server.status(LONG)["running"] == 1
    server.await_status(LONG, running=0, kv_blocks_used=0)
    steps = server.status(LONG)["steps_total"]
    assert client.chat.completions.create(model=LONG, messages=user("Hello"), max_tokens=2).choices
    # Nothing of the old answer is computed any more.
    assert server.status(LONG)["steps_total"] - steps <= 8


def test_all_choices_of_a_closed_stream_are_freed(server, client):
    with client.chat.completions.create(model=LONG, messages=user("Hello"), stream=True, n=4, **ENDLESS) as stream:
        next(iter(stream))
        server.await_status(LONG, running=4)
    server.await_status(LONG, running=0)


def test_a_client_killed_in_mid_stream_frees_its_slot(server):
    process = subprocess.Popen(
        [sys.executable, "-c", STREAMING_CLIENT],
        env={**os.environ, "URL": server.base_url, "KEY": server.key},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == b"0\n"
        assert server.status(LONG)["running"] == 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    server.await_status(LONG, running=0)


@pytest.fixture
def own_server(tmp_path):
    """A server of this test's own, to be ended by it."""
    command = [os.environ["TEST_BINARY"], "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    command += ["--drain-timeout", "0", "--model", os.environ["TEST_LONG_MODEL"] + "=long"]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    line = process.stdout.readline()
    assert line.startswith("listening on "), (tmp_path / "log").read_text()
    key = pathlib.Path(tmp_path / "data" / "api-key").read_text().strip()
    try:
        yield Server(line.removeprefix("listening on ").strip(), key), process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "asked to end"])
def test_a_server_that_ends_in_mid_stream_is_noticed(own_server, ending):
    server, process = own_server
    with server.client() as client:
        stream = client.chat.completions.create(model=LONG, messages=user("Hello"), stream=True, **ENDLESS)
        seen = iter(stream)
        assert next(seen).choices
        process.send_signal(ending)
        # Neither silence nor an answer that looks complete.
        with pytest.raises(openai.APIError):
            for chunk in seen:
                assert chunk.choices[0].finish_reason is None
    assert process.wait(30) == (0 if ending == signal.SIGTERM else -signal.SIGKILL)

"""What the tests share: the servers that `run.sh` started, clients for them, and waiting with a deadline."""

import json
import os
import time
import urllib.request
from dataclasses import dataclass

import openai
import pytest

MODEL = "tiny"  # 1,024 tokens of context
LONG = "long"  # 65,536 tokens of context: answers that last until they are stopped
ENDLESS = {"max_tokens": 60_000, "extra_body": {"ignore_eos": True}}


@dataclass
class Server:
    """A server that listens."""

    url: str
    key: str

    @property
    def base_url(self):
        return self.url + "/v1"

    def client(self, **options):
        """The SDK's client; retries are off, so that a test sees what the server said."""
        return openai.OpenAI(
            **{"base_url": self.base_url, "api_key": self.key, "max_retries": 0, "timeout": 60, **options}
        )

    def async_client(self, **options):
        return openai.AsyncOpenAI(
            **{"base_url": self.base_url, "api_key": self.key, "max_retries": 0, "timeout": 60, **options}
        )

    def status(self, model):
        """The status of one model."""
        request = urllib.request.Request(self.url + "/status", headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            models = json.load(response)["models"]
        return next(entry for entry in models if entry["id"] == model)

    def await_status(self, model, **wanted):
        """Waits until the status of a model has these values."""
        return wait_until(
            lambda: (seen := self.status(model)) and all(seen[name] == value for name, value in wanted.items()),
            f"{model} has {wanted}",
        )


def wait_until(holds, what, seconds=10):
    """Asks until it holds; fails when it does not hold in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def user(text):
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="session")
def server():
    return Server(os.environ["TEST_URL"], os.environ["TEST_KEY"])


@pytest.fixture
def narrow():
    """A server with one slot and a queue of one; idle before and after each test."""
    server = Server(os.environ["TEST_NARROW_URL"], os.environ["TEST_NARROW_KEY"])
    yield server
    server.await_status(LONG, running=0, waiting=0)


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


@pytest.fixture
def ask(client):
    """Asks the small model; whatever is said more goes to the SDK."""

    def ask(text="Hello", **more):
        return client.chat.completions.create(**{"model": MODEL, "messages": user(text), "max_tokens": 24, **more})

    return ask

"""Chat requests to a server, many at once, with little work of our own: what load.py, overload.py and soak.py send."""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field

import servers

# Each one token of every vocabulary used here, with the blank before it.
WORDS = ("the file returns an error when it is read by two people at once and then some more words follow as a line of text "
         "that may go on for a long time before it ends with one last name or number").split()


@dataclass
class Answer:
    """What became of a request. Times are seconds of `time.perf_counter`."""

    sent: float
    status: int = 0
    ended: float = 0.0
    # When each piece of text came.
    pieces: list = field(default_factory=list)
    text: str = ""
    prompt_tokens: int = 0
    tokens: int = 0
    finish: str = ""
    # "cancelled" by us, "broken" by the server, or the body of a refusal.
    trouble: str = ""

    @property
    def complete(self):
        return self.status == 200 and bool(self.finish) and not self.trouble

    @property
    def first(self):
        """Seconds until the first text."""
        return self.pieces[0] - self.sent if self.pieces else None

    @property
    def gaps(self):
        """Seconds between one text and the next."""
        return [later - earlier for earlier, later in zip(self.pieces, self.pieces[1:])]


def prompt(words, seed):
    """Text of so many words that shares no beginning with another seed's."""
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def body(text, tokens, model=servers.MODEL, **fields):
    """A request for an answer of just so many tokens."""
    return json.dumps({
        "model": model, "messages": [{"role": "user", "content": text}], "max_tokens": tokens, "ignore_eos": True,
        "temperature": 0, "stream": True, "stream_options": {"include_usage": True}, **fields}).encode()


async def ask(server, content, cancel_after=None, patience=None):
    """Sends a request and reads what comes. `cancel_after` seconds it hangs up, and `patience` seconds after it was sent
    if no text has come."""
    answer = Answer(time.perf_counter())
    try:
        async with asyncio.timeout(cancel_after) as limit:
            if patience is not None:
                limit.reschedule(asyncio.get_running_loop().time() + patience)
            await exchange(server, content, answer, limit, cancel_after)
    except TimeoutError:
        answer.trouble = "cancelled"
    except (ConnectionError, asyncio.IncompleteReadError, ValueError) as error:
        answer.trouble = f"broken: {error!r}"
    answer.ended = time.perf_counter()
    return answer


async def exchange(server, content, answer, limit, cancel_after):
    """The request and its answer over a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 20)
    try:
        writer.write((f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.address}\r\nConnection: close\r\n"
                      f"Authorization: Bearer {server.key}\r\nContent-Type: application/json\r\n"
                      f"Content-Length: {len(content)}\r\n\r\n").encode() + content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        answer.status = int(head.split(b" ", 2)[1])
        if answer.status != 200:
            answer.trouble = (await reader.read()).decode(errors="replace")[:500]
            return
        if b"chunked" not in head:
            whole = json.loads(await reader.read())
            answer.finish, answer.tokens = whole["choices"][0]["finish_reason"], whole["usage"]["completion_tokens"]
            return
        rest = b""
        while size := int(await reader.readline(), 16):
            rest += (await reader.readexactly(size + 2))[:-2]
            *events, rest = rest.split(b"\n\n")
            for event in events:
                take(answer, event)
                if len(answer.pieces) == 1:
                    # The wait for the first text is over.
                    limit.reschedule(None if cancel_after is None else
                                     asyncio.get_running_loop().time() + cancel_after)
    finally:
        # Hanging up at once is what a client does that is closed.
        writer.transport.abort()


def take(answer, event):
    """One event of the stream."""
    if not event.startswith(b"data: ") or event == b"data: [DONE]":
        return
    chunk = json.loads(event[6:])
    if "error" in chunk:
        answer.trouble = json.dumps(chunk["error"])
    if usage := chunk.get("usage"):
        answer.prompt_tokens, answer.tokens = usage["prompt_tokens"], usage["completion_tokens"]
    for choice in chunk.get("choices", ()):
        if text := choice["delta"].get("content"):
            answer.text += text
            answer.pieces.append(time.perf_counter())
        answer.finish = choice.get("finish_reason") or answer.finish


def percentile(values, share):
    """The value below which this share lies; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None

"""Starts our server and llama.cpp's the same way, and a kept-alive connection that costs little beside them."""

import contextlib
import json
import os
import pathlib
import shlex
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

MODEL = "m"


@dataclass
class Server:
    """A running server: where it listens and what it wants to hear."""

    name: str
    port: int
    key: str
    process: subprocess.Popen

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def get(self, path, timeout=10):
        """A small JSON answer."""
        request = urllib.request.Request(f"http://{self.address}{path}", headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)

    def resident_bytes(self):
        """Memory of the process itself, files mapped into it included."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def free_port():
    """A port nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(server, path, seconds=300):
    """Until the server can answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise SystemExit(f"{server.name} ended with status {server.process.returncode}")
        try:
            server.get(path)
            return server
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise SystemExit(f"{server.name} did not start")


@contextlib.contextmanager
def running(name, command, key, path, port, environment=None):
    """A server for the length of a block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, **(environment or {})})
    try:
        yield wait(Server(name, port, key, process), path)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def ours(binary, models, options=()):
    """RustyGPT. `models`: a path, served as `m`, or paths by id."""
    models = models if isinstance(models, dict) else {MODEL: models}
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(binary), "serve", "--port", str(port), "--data-dir", folder, "--api-key", "bench", *options]
        for name, path in models.items():
            command += ["--model", f"{path}={name}"]
        # Nobody's own settings.
        environment = {"XDG_CONFIG_HOME": folder, "RUSTYGPT_LOG": "error"}
        with running("rustygpt", command, "bench", "/readyz", port, environment) as server:
            yield server


@contextlib.contextmanager
def theirs(peer, model, options=()):
    """llama-server, with the threads it takes by itself unless `options` say otherwise."""
    port = free_port()
    command = [*shlex.split(peer), "llama-server", "-m", str(model), "--port", str(port), "--alias", MODEL, *options]
    with running("llama.cpp", command, "none", "/health", port) as server:
        yield server


class Connection:
    """A kept-alive connection. Python's own clients cost more than the servers do."""

    def __init__(self, server):
        self.server = server
        self.connect()

    def connect(self):
        """Opens it, again if need be."""
        self.socket = socket.create_connection(("127.0.0.1", self.server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, method, path, body=b""):
        """Sends a request, reads its answer to the end; the answer with its head."""
        head = (f"{method} {path} HTTP/1.1\r\nHost: {self.server.address}\r\nAuthorization: Bearer {self.server.key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
        answer = self.send(head.encode() + body)
        if not answer:
            # llama.cpp's server ends connections after a hundred requests, or five idle seconds.
            self.connect()
            answer = self.send(head.encode() + body)
        if b" 200 " not in answer[:16]:
            raise SystemExit(f"{self.server.name} refused {path}: {answer[:2000].decode(errors='replace')}")
        return answer

    def send(self, request):
        """The answer to a request; nothing when the connection was closed before."""
        answer, wanted = bytearray(), None
        try:
            self.socket.sendall(request)
            while not (answer.endswith(b"\r\n0\r\n\r\n") if wanted is None else len(answer) >= wanted):
                piece = self.socket.recv(1 << 20)
                if not piece:
                    return b""
                answer += piece
                if wanted is None and (end := answer.find(b"\r\n\r\n")) >= 0:
                    lengths = [line for line in answer[:end].lower().split(b"\r\n") if line.startswith(b"content-length:")]
                    wanted = end + 4 + int(lengths[0].split(b":")[1]) if lengths else None
        except ConnectionError:
            return b""
        return bytes(answer)

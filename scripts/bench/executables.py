"""Builds our side and names its executables. One cargo call for all of them, so that they share what they are made of."""

import functools
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCHES = ("accounts", "clock", "engine", "forward", "gateway", "template", "tokenizer")


@functools.cache
def build(profile):
    """Paths by target name: the server `rustygpt` and every benchmark."""
    command = ["cargo", "build", "--locked", "--profile", profile, "--workspace", "--bin", "rustygpt"]
    for bench in BENCHES:
        command += ["--bench", bench]
    lines = subprocess.run([*command, "--message-format", "json"], check=True, stdout=subprocess.PIPE, text=True,
                           cwd=ROOT).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}


def executable(name, profile):
    """The path of one of them."""
    return build(profile)[name]


if __name__ == "__main__":
    for name, path in build(sys.argv[1]).items():
        print(name, path)

#!/usr/bin/env python3
"""One megabyte through our tokenizer and llama.cpp's, in turn; the ids are compared, too.

  scripts/bench/tokenising.py --peer "chroot FOLDER" VOCABULARY.gguf ...

Needs g++ and llama.h on the peer's side (Debian: g++, libllama-dev), for scripts/bench/peer/tokenize.cpp.
Only tokenising is timed, as plain text without special tokens.
"""

import json
import pathlib
import shlex
import subprocess

import executables
import pairs

ROOT = executables.ROOT
SIZE = 1_000_000
FOLDER = ROOT / "target/bench"
LINES = (
    "The quick brown fox jumps over the lazy dog; it's what they've said, again and again.\n",
    "    let total = values.iter().map(|value| value * 3.14159).sum::<f64>();\n",
    "Ünïcödé ñandú façade naïve – “quoted” text… Straße, ÉCOLE.\n",
    "Это проверка русского текста, а потом ещё одна строка.\n",
    "这是一个测试，用于分词器。日本語のテキストも含めます。\n",
    "2024-05-06 07:08:09 1234567 rows, 98.6 % done\n\n\n",
)


def code():
    """This repository's own sources and documents."""
    names = subprocess.run(["git", "ls-files", "*.rs", "*.md", "*.py", "*.sh", "*.toml"], check=True, text=True,
                           stdout=subprocess.PIPE, cwd=ROOT).stdout.split()
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in sorted(names))
    return text * (SIZE // len(text.encode()) + 1)


def mixed():
    """Lines in several scripts, and words that do not repeat, as real text has some."""
    text, word = [], 0
    for _ in range(SIZE // sum(map(len, LINES))):
        word = (word * 1_664_525 + 1_013_904_223) % 2**32
        text += [*LINES, f"item{word:x} ref_{word % 9973}\n"]
    return "".join(text)


def output(command):
    """What a program said, as JSON."""
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main():
    parser = pairs.parser(__doc__, "tokenize.json")
    parser.add_argument("vocabularies", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    ours = executables.executable("clock", arguments.profile)
    peer = shlex.split(arguments.peer)
    theirs = FOLDER / "peer-tokenize"
    FOLDER.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path(__file__).with_name("peer") / "tokenize.cpp"
    subprocess.run([*peer, "g++", "-O2", str(source), "-lllama", "-o", str(theirs)], check=True)
    result = pairs.Pairs(
        f"scripts/bench/tokenising.py {pairs.words(arguments.vocabularies)}",
        "One megabyte of text (`code`: this repository's sources and documents; `mixed`: lines in several scripts) as "
        "plain text, tokenising alone; both programs in turn. The ids are equal unless a row says otherwise.",
        arguments.out)
    for name, text in (("code", code()), ("mixed", mixed())):
        file = FOLDER / f"{name}.txt"
        # Cut at a character's border.
        file.write_bytes(text.encode()[:SIZE].decode(errors="ignore").encode())
        megabytes = file.stat().st_size / 1e6
        for vocabulary in arguments.vocabularies:
            call = [str(vocabulary.resolve()), str(file), "1"]
            runs, equal = [], True
            for _ in range(arguments.repetitions):
                mine = output([ours, "tokenize", *call, "--bench"])
                other = output([*peer, str(theirs), *call])
                equal &= mine["digest"] == other["digest"]
                runs.append((megabytes / min(mine["seconds"]), megabytes / min(other["seconds"])))
            subject = vocabulary.stem.removeprefix("ggml-vocab-")
            work = f"tokenise {name}" + ("" if equal else " (ids differ)")
            result.add(subject, work, "MB/s", runs, tokens=mine["tokens"], equal_ids=equal)


main()

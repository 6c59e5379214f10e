#!/usr/bin/env bash
# The synthetic models of the benchmarks: real shapes and tokenizers, random weights.
#
#   scripts/bench/models.sh [--peer "chroot FOLDER"] VOCABULARIES FOLDER
#
# VOCABULARIES is llama.cpp's `models` folder with its ggml-vocab-*.gguf, FOLDER takes 7 GB. --peer is what stands before
# `llama-quantize`. What is there already is kept.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

peer=()
if [ "${1:-}" = --peer ]; then
    read -ra peer <<<"$2"
    shift 2
fi
[ $# -eq 2 ] || fail "usage: scripts/bench/models.sh [--peer \"chroot FOLDER\"] VOCABULARIES FOLDER"
# Paths are meant from where the person stands.
vocabularies=$(cd "$here" && realpath "$1")
folder=$(cd "$here" && realpath -m "$2")

python=python3
if ! $python -c 'import gguf, numpy' 2>/dev/null; then
    need_python
    python=target/bench/venv/bin/python
    [ -x $python ] || python3 -m venv target/bench/venv
    $python -m pip install -q gguf numpy
fi

# made FILE COMMAND…: runs COMMAND with a temporary name after it, unless FILE is there.
made() {
    local file=$1
    shift
    [ -e "$file" ] && return
    say "$file"
    "$@" "$file.part" >&2
    mv "$file.part" "$file"
}
# shellcheck disable=SC2329 # called through made
generate() { $python scripts/bench/make_gguf.py "$1" "$3" --type "$2" --vocabularies "$vocabularies"; }
# shellcheck disable=SC2329
quantise() { ${peer[@]+"${peer[@]}"} llama-quantize "$1" "$3" "$2"; }

mkdir -p "$folder"
for shape in llama-pico llama-tiny qwen2.5-0.5b llama-3.2-1b; do
    made "$folder/$shape.f16.gguf" generate "$shape" f16
done
made "$folder/qwen2.5-0.5b.bf16.gguf" generate qwen2.5-0.5b bf16
for type in q8_0 q4_k_m; do
    made "$folder/llama-3.2-1b.$type.gguf" quantise "$folder/llama-3.2-1b.f16.gguf" "$type"
done
made "$folder/qwen2.5-0.5b.q8_0.gguf" quantise "$folder/qwen2.5-0.5b.f16.gguf" q8_0

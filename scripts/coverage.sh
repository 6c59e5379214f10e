#!/usr/bin/env bash
# Which lines the tests reach: HTML in .coverage/html/index.html, the share of each crate and the files that lack most on
# standard output.
#
#   scripts/coverage.sh [--record] [OPTION of cargo-llvm-cov …]
#
# --record keeps the shares in docs/coverage.json, with command, commit and date.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

record=()
if [ "${1:-}" = --record ]; then
    record=(--record docs/coverage.json)
    shift
fi
need_tools
need_rust
need_python
if ! cargo llvm-cov --version >/dev/null 2>&1; then
    say "installing cargo-llvm-cov"
    cargo install --locked cargo-llvm-cov
fi
if has rustup; then rustup component add llvm-tools; fi
if [ $# -eq 0 ]; then set -- --workspace; fi
cargo llvm-cov --locked --no-report "$@"
cargo llvm-cov report --html --output-dir .coverage
cargo llvm-cov report --json --summary-only |
    python3 scripts/coverage.py --command "cargo llvm-cov $*" ${record[@]+"${record[@]}"}

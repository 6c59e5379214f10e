#!/usr/bin/env bash
# Which lines the tests reach, as HTML in .coverage/html/index.html.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need_tools
need_rust
if ! cargo llvm-cov --version >/dev/null 2>&1; then
    say "installing cargo-llvm-cov"
    cargo install --locked cargo-llvm-cov
fi
if has rustup; then rustup component add llvm-tools; fi
exec cargo llvm-cov --workspace --html --output-dir .coverage "$@"

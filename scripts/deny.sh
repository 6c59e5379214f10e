#!/usr/bin/env bash
# Licences, advisories and sources of every dependency, by deny.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need_tools
need_rust
if ! cargo deny --version >/dev/null 2>&1; then
    say "installing cargo-deny"
    cargo install --locked cargo-deny
fi
exec cargo deny --workspace check "$@"

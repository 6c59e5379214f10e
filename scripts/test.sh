#!/usr/bin/env bash
# Every check of the project, in the order in which they fail fastest. Installs what the tests need.
# May be run again at any time; CI runs this and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need_tools
need_rust
need_lint_tools
need_postgres

step() { say "$* [$((SECONDS / 60)) min]"; "$@"; }

step cargo fmt --all --check
step cargo test --locked -q -p rustygpt-utils --test tidy
step cargo clippy --locked --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" step cargo doc --locked --workspace --no-deps --document-private-items --quiet
step cargo test --locked --workspace
need_python
step scripts/starter.sh check
if [ -x tests/clients/run.sh ]; then
    need_node
    step tests/clients/run.sh
fi
say "everything passed in $((SECONDS / 60)) min $((SECONDS % 60)) s"

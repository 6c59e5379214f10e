#!/usr/bin/env bash
# kill-store.sh [ROUNDS]: kills a process that writes to the store, ROUNDS times (500) on each home, and fails when anything
# that was acknowledged is gone, half done, or the log's chain or the file is damaged.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need_tools
need_rust
need_postgres
say "killing a writer ${1:-500} times on each home of the store"
RUSTYGPT_TEST_KILL_ROUNDS=${1:-500} cargo test --locked -p rustygpt-db --test it -- killed:: --nocapture

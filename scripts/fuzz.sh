#!/usr/bin/env bash
# Fuzzes one target: scripts/fuzz.sh TARGET [SECONDS]. Needs the nightly toolchain; installs
# cargo-fuzz. New inputs stay in fuzz/corpus-local (ignored); an input that broke something belongs
# into fuzz/corpus/TARGET, where the tests replay it.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -lt 1 ] || [ $# -gt 2 ] || [ ! -f "fuzz/fuzz_targets/$1.rs" ]; then
    echo "usage: scripts/fuzz.sh TARGET [SECONDS]; the targets are:" >&2
    for target in fuzz/fuzz_targets/*.rs; do echo "  $(basename "$target" .rs)" >&2; done
    exit 2
fi
target=$1
seconds=${2:-60}

rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked

mkdir -p "fuzz/corpus-local/$target" "fuzz/corpus/$target"
# The first folder receives what is new, the second is only read.
exec cargo +nightly fuzz run "$target" "fuzz/corpus-local/$target" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1

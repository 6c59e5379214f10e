#!/usr/bin/env bash
# Fuzzes one target or all, one after the other: scripts/fuzz.sh TARGET|all [SECONDS [RECORD.json]].
# Needs the nightly toolchain; installs cargo-fuzz. New inputs stay in fuzz/corpus-local (ignored); an input that broke
# something belongs into fuzz/corpus/TARGET, where the tests replay it. Executions, seconds and memory of each target go to
# RECORD.json (docs/fuzzing.json for a run worth keeping). SANITIZER=none tries some three times as many inputs, which suits
# targets without unsafe code.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -lt 1 ] || [ $# -gt 3 ] || { [ "$1" != all ] && [ ! -f "fuzz/fuzz_targets/$1.rs" ]; }; then
    echo "usage: scripts/fuzz.sh TARGET|all [SECONDS [RECORD.json]]; the targets are:" >&2
    for target in fuzz/fuzz_targets/*.rs; do echo "  $(basename "$target" .rs)" >&2; done
    exit 2
fi
targets=("$1")
if [ "$1" = all ]; then
    targets=()
    for target in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$target" .rs)"); done
fi
seconds=${2:-60}

rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked

status=0
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus-local/$target" "fuzz/corpus/$target"
    # The first folder receives what is new, the second is only read.
    cargo +nightly fuzz run --sanitizer "${SANITIZER:-address}" "$target" "fuzz/corpus-local/$target" "fuzz/corpus/$target" -- -max_total_time="$seconds" \
        -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 2>&1 |
        tee "fuzz/corpus-local/$target.log" || status=1
    if [ $# -eq 3 ]; then python3 scripts/fuzz.py "$target" "fuzz/corpus-local/$target.log" "$3"; fi
done
exit $status

#!/usr/bin/env bash
# Every benchmark; the results as JSON under docs/performance and, for people, in docs/performance.md.
#
#   scripts/bench/run.sh [--quick] [--out FOLDER] [--peer "llama-bench"] [MODEL.gguf ...]
#
# --quick shows in minutes that everything runs; its numbers mean nothing and go to target/bench.
# MODELs are run beside llama.cpp, which --peer tells how to call (scripts/bench/compare.py). Without any,
# prefill and decode are not measured. Run it on a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

out=docs/performance
peer=llama-bench
models=()
profile=bench
divan=()
compare=()
while [ $# -gt 0 ]; do
    case $1 in
        --quick)
            out=target/bench/performance
            profile=dev
            divan=(--sample-count 2 --sample-size 1 --max-time 0.2)
            compare=(--profile dev --prompt 16 --decode 8 --repetitions 1)
            ;;
        --out) out=$2 && shift ;;
        --peer) peer=$2 && shift ;;
        -*) fail "there is no option $1; the head of this file names those there are" ;;
        *) models+=("$1") ;;
    esac
    shift
done

need_rust
need_python
mkdir -p "$out"

# Package and target of each benchmark that draws its own table.
benchmarks=$(cargo metadata --locked --no-deps --format-version 1 | python3 -c '
import json, sys
for package in json.load(sys.stdin)["packages"]:
    for target in package["targets"]:
        if "bench" in target["kind"] and target["name"] != "forward":
            print(package["name"], target["name"])')

while read -r package target; do
    command=(cargo bench --locked --profile "$profile" -p "$package" --bench "$target")
    command+=(-- ${divan[@]+"${divan[@]}"})
    say "${command[*]}"
    "${command[@]}" </dev/null |
        python3 scripts/bench/record.py --command "${command[*]}" --out "$out/${package#rustygpt-}-$target.json"
done <<<"$benchmarks"

if [ "${#models[@]}" -gt 0 ]; then
    say "prefill and decode beside llama.cpp"
    python3 scripts/bench/compare.py ${compare[@]+"${compare[@]}"} --peer "$peer" \
        --out "$out/forward.json" "${models[@]}"
else
    say "no model was named: prefill and decode are not measured"
fi
python3 scripts/bench/report.py "$out"

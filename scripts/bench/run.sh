#!/usr/bin/env bash
# Every benchmark; the results as JSON under docs/performance and, for people, in docs/performance.md.
#
#   scripts/bench/run.sh [--quick] [--out FOLDER] [--phases a,b,…] [--peer "chroot FOLDER"]
#                        [--models FOLDER] [--vocabularies FOLDER] [--templates FOLDER]
#
# Phases, in this order and without soak unless --phases says otherwise:
#   build     our programs; all others measure what is built (and build it where it is not)
#   forward   prefill, decode, eight sequences, beside llama-bench and llama-batched-bench
#   load      concurrent streams over HTTP, beside llama-server
#   gateway   what the servers cost per request and per token, beside llama-server
#   tokenize  one megabyte, beside llama.cpp's tokenizer
#   template  chat templates, beside llama-server and transformers
#   turns     the second turn of a long conversation, beside llama-server
#   deep      long contexts
#   own       the benchmarks that have no peer
#   accounts  to know who asks and whether they may, on both homes of the store; 200 sign-ins at once
#   overload  three times as many requests as can be answered
#   soak      an hour of everything at random
#
# --peer is what stands before llama.cpp's programs (llama-server, llama-bench, llama-batched-bench, g++ with llama.h).
# --models is what scripts/bench/models.sh made; --vocabularies and --templates are llama.cpp's ggml-vocab-*.gguf and
# files *.jinja. A phase that lacks its folder is left out. $PYTHON runs the scripts; with PyPI's `transformers` it is one
# more peer for templates. --quick shows in minutes that everything runs; its numbers mean nothing and go to target/bench.
# Run it on a machine that does nothing else.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

out=docs/performance
phases=build,forward,load,gateway,tokenize,template,turns,deep,own,accounts,overload
peer=
models=
vocabularies=
templates=
quick=no
profile=bench
python=${PYTHON:-python3}
# folder PATH: as the person means it who stands elsewhere.
folder() { (cd "$here" && realpath "$1"); }

while [ $# -gt 0 ]; do
    case $1 in
        --quick)
            quick=yes
            profile=dev
            out=target/bench/performance
            ;;
        --out) out=$2 && shift ;;
        --phases) phases=$2 && shift ;;
        --peer) peer=$2 && shift ;;
        --models) models=$(folder "$2") && shift ;;
        --vocabularies) vocabularies=$(folder "$2") && shift ;;
        --templates) templates=$(folder "$2") && shift ;;
        *) fail "there is no option $1; the head of this file names those there are" ;;
    esac
    shift
done

need_rust
mkdir -p "$out"

# measured SCRIPT FILE ARGUMENT…: one of the comparisons. A failure is told and does not stop the others.
failures=()
measured() {
    local script=$1 file=$2
    shift 2
    say "$script > $out/$file [$((SECONDS / 60)) min $((SECONDS % 60)) s]"
    "$python" "scripts/bench/$script" --profile "$profile" --out "$out/$file" "$@" || failures+=("$script > $file")
}

# if_quick WORD… -- WORD…: the first words with --quick, else the second.
if_quick() {
    local first=yes words=()
    for word in "$@"; do
        if [ "$word" = -- ]; then first=no; elif [ "$first" = "$quick" ]; then words+=("$word"); fi
    done
    echo "${words[@]}"
}

build() { "$python" scripts/bench/executables.py "$profile" >/dev/null; }

forward() {
    # shellcheck disable=SC2046 # words on purpose, here and below
    measured compare.py forward.json --peer "$peer" \
        $(if_quick --repetitions 1 --prompt 32 --decode 4 -- --repetitions 3 --decode 32) \
        "$models"/llama-3.2-1b.{q4_k_m,q8_0}.gguf "$models"/qwen2.5-0.5b.{q8_0,bf16}.gguf
}

deep() {
    local depths=16,4096,16384
    [ "$quick" = no ] || depths=16,64,128
    # shellcheck disable=SC2046
    measured compare.py deep.json --peer "$peer" --depths $depths --decode 32 --repetitions 1 \
        "$models/llama-$(if_quick tiny.f16 -- 3.2-1b.q4_k_m).gguf"
}

load() {
    # shellcheck disable=SC2046
    measured load.py load-512.json --peer "$peer" --streams 8 $(if_quick --repetitions 1 --tokens 4 -- --repetitions 2) \
        $(if_quick "$models/llama-tiny.f16.gguf" -- "$models/llama-3.2-1b.q4_k_m.gguf")
    # shellcheck disable=SC2046
    measured load.py load-mixed.json --peer "$peer" --mix --streams 1,4,8,32 --repetitions 1 $(if_quick --tokens 4 --) \
        $(if_quick "$models/llama-tiny.f16.gguf" -- "$models/qwen2.5-0.5b.q8_0.gguf")
}

turns() {
    # shellcheck disable=SC2046
    measured turns.py turns.json --peer "$peer" --repetitions 1 $(if_quick --words 512 -- --words 8192) \
        "$models/$(if_quick llama-tiny.f16 -- qwen2.5-0.5b.q8_0).gguf"
}

gateway() {
    # shellcheck disable=SC2046
    measured gateway.py gateway.json --peer "$peer" $(if_quick --repetitions 1 --) "$models/llama-pico.f16.gguf"
}

tokenize() {
    # shellcheck disable=SC2046
    measured tokenising.py tokenize.json --peer "$peer" $(if_quick --repetitions 1 -- --repetitions 2) \
        "$vocabularies"/ggml-vocab-*.gguf
}

template() {
    # shellcheck disable=SC2046
    measured rendering.py template.json --peer "$peer" --model "$models/llama-tiny.f16.gguf" \
        $(if_quick --repetitions 1 --) "$templates"/*.jinja
}

own() {
    local executables package target executable
    executables=$("$python" scripts/bench/executables.py "$profile")
    while read -r package target; do
        executable=$(sed -n "s/^$target //p" <<<"$executables")
        say "cargo bench -p $package --bench $target"
        # shellcheck disable=SC2046
        "$executable" --bench $(if_quick --sample-count 2 --sample-size 1 --max-time 0.2 -- --max-time 2) </dev/null |
            "$python" scripts/bench/record.py --command "cargo bench -p $package --bench $target" \
                --out "$out/${package#rustygpt-}-$target.json" || failures+=("$target")
    done <<'END'
rustygpt-api gateway
rustygpt-model engine
rustygpt-model template
rustygpt-model tokenizer
END
}

accounts() {
    need_postgres
    # shellcheck disable=SC2046
    measured accounts.py accounts.json $(if_quick --quick --)
}

overload() {
    # shellcheck disable=SC2046
    measured overload.py overload.json $(if_quick --peak-seconds 3 --seconds 6 --) "$models/llama-tiny.f16.gguf"
}

soak() {
    # shellcheck disable=SC2046
    measured soak.py soak.json $(if_quick --seconds 10 --) "$models"/llama-{tiny,pico}.f16.gguf
}

for phase in ${phases//,/ }; do
    case $phase in
        build | own | accounts) ;;
        tokenize) [ -n "$vocabularies" ] || { say "$phase: no --vocabularies" && continue; } ;;
        template) [ -n "$templates" ] && [ -n "$models" ] || { say "$phase: no --templates or no --models" && continue; } ;;
        forward | load | gateway | turns | deep | overload | soak) [ -n "$models" ] || { say "$phase: no --models" && continue; } ;;
        *) fail "there is no phase $phase; the head of this file names those there are" ;;
    esac
    $phase
done
"$python" scripts/bench/report.py "$out"
say "measured in $((SECONDS / 60)) min $((SECONDS % 60)) s"
[ "${#failures[@]}" -eq 0 ] || fail "failed: ${failures[*]}"

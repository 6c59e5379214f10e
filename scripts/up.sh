#!/usr/bin/env bash
# From a fresh machine to a running server: installs what is missing, builds the release binary and
# starts it in the foreground (Ctrl-C stops it). May be run again at any time.
#
#   ./scripts/up.sh                              serve every model in the models folder, or else the built-in one
#   ./scripts/up.sh --model FILE.gguf            serve this one
#   ./scripts/up.sh --pull org/name[:quant]      download it first, then serve it
#   ./scripts/up.sh --build-only                 stop after the build
#
# Every other argument goes to `rustygpt serve` as it is (`--port 8000`, `--host`, …).
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."
checkout=$PWD
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

arguments=()
pulls=()
build_only=no
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help)
            sed -n '2,11s/^# \{0,1\}//p' scripts/up.sh
            exit 0
            ;;
        --build-only) build_only=yes ;;
        --pull)
            [ $# -ge 2 ] || fail "--pull wants the name of a model, for example org/name:Q4_K_M"
            pulls+=("$2")
            shift
            ;;
        *) arguments+=("$1") ;;
    esac
    shift
done

need_tools
need_rust
target="${CARGO_TARGET_DIR:-target}"
case "$target" in /*) ;; *) target="$PWD/$target" ;; esac
say "building $target/release/rustygpt (the first time takes some minutes)"
cargo build --release --locked -p rustygpt-cli
if [ "$build_only" = yes ]; then exit 0; fi

# Paths among the arguments are meant from where the person stands.
cd "$here"
for pull in ${pulls[@]+"${pulls[@]}"}; do
    "$target/release/rustygpt" pull "$pull"
done
# A program that is built elsewhere does not find the checkout's model by itself.
starter="$checkout/models/starter/rustygpt-starter-q8_0.gguf"
if [ -z "${RUSTYGPT_STARTER:-}" ] && [ -f "$starter" ] && [ -n "${CARGO_TARGET_DIR:-}" ]; then
    export RUSTYGPT_STARTER="$starter"
fi
say "starting the server; Ctrl-C stops it"
exec "$target/release/rustygpt" serve --show-clients ${arguments[@]+"${arguments[@]}"}

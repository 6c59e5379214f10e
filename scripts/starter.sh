#!/usr/bin/env bash
# Makes the starter model. Each word is one step; all of them in order re-run the whole recipe.
#
#   scripts/starter.sh check                     the corpus keeps its promises (Python alone)
#   scripts/starter.sh tokenizer                 trains the tokenizer
#   scripts/starter.sh train [cpu|gpu] [HOURS]   trains, or goes on; `finish` in the folder starts the decay
#   scripts/starter.sh finish [TOKENS]           asks a running training to decay, over so many tokens, and end
#   scripts/starter.sh export [cpu|gpu]          writes models/starter/*.gguf
#   scripts/starter.sh evaluate URL KEY          asks a running server the evaluation
#
# STARTER_FOLDER holds tokenizer and checkpoints (.starter), STARTER_PYTHON is a Python with training/requirements.txt
# (else one is made in STARTER_FOLDER).
set -euo pipefail
cd "$(dirname "$0")/.."
folder="${STARTER_FOLDER:-.starter}"

python() {
    if [ -z "${STARTER_PYTHON:-}" ]; then
        STARTER_PYTHON="$folder/venv/bin/python"
        if [ ! -x "$STARTER_PYTHON" ]; then
            python3 -m venv "$folder/venv"
            "$folder/venv/bin/pip" install --quiet -r training/requirements.txt
        fi
    fi
    "$STARTER_PYTHON" "$@"
}

mkdir -p "$folder"
case "${1:-}" in
    check) python3 training/check.py ;;
    tokenizer) python training/tokenizer.py --out "$folder" ;;
    train) python training/train.py --out "$folder" --preset "${2:-cpu}" --hours "${3:-1000}" ;;
    finish) printf '%s' "${2:-}" >"$folder/finish.part" && mv "$folder/finish.part" "$folder/finish" ;;
    export) python training/export.py --run "$folder" --preset "${2:-cpu}" --out models/starter ;;
    evaluate) python3 training/evaluate.py --url "$2" --key "$3" --out models/starter/evaluation.json ;;
    *)
        sed -n '2,12s/^# \{0,1\}//p' "$0"
        exit 1
        ;;
esac

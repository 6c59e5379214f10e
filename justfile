# Every recipe calls a script, so that there is one truth: people, `just` and CI run the same lines.

# List the recipes.
default:
    @just --list --unsorted

# Install what is missing, build, start the server.
up *arguments:
    ./scripts/up.sh {{arguments}}

# Every check there is; what CI runs.
check:
    ./scripts/test.sh

# The same word, for those who look for it.
test:
    ./scripts/test.sh

# Lines covered by tests, as HTML under .coverage.
coverage *arguments:
    ./scripts/coverage.sh {{arguments}}

# Licences, advisories and sources of the dependencies.
deny:
    ./scripts/deny.sh

# Every benchmark, into docs/performance.
bench *arguments:
    ./scripts/bench/run.sh {{arguments}}

# The built-in model: check, tokenizer, train, finish, export, evaluate.
starter *arguments:
    ./scripts/starter.sh {{arguments}}

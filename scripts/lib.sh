# Functions shared by the scripts. Sourced, never run: `. "$(dirname "$0")/lib.sh"`.
# Everything here may be repeated without harm, uses what is already installed and prints what it does.

minimum_node_major=20
minimum_python_minor=10

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND…: runs as root, directly or by sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        fail "'$*' needs root, and there is no sudo here. Run it as root, then start this script again."
    fi
}

apt_index_is_fresh=no

# install_packages NAME…: installs Debian/Ubuntu packages.
install_packages() {
    if ! has apt-get; then
        fail "please install: $* (this script installs packages on Debian and Ubuntu only; see README.md)"
    fi
    if [ "$apt_index_is_fresh" = no ]; then
        say "reading the package lists (apt-get update)"
        as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
        apt_index_is_fresh=yes
    fi
    say "installing: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# need_tools: a C compiler and linker (for ring and SQLite), curl, certificates.
need_tools() {
    if [ "$(uname -s)" = Darwin ]; then
        xcode-select -p >/dev/null 2>&1 ||
            fail "the compiler is missing. Run: xcode-select --install   Then start this script again."
        return
    fi
    missing=()
    { has cc && has make; } || missing+=(build-essential)
    has curl || missing+=(curl)
    [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ] || missing+=(ca-certificates)
    if [ "${#missing[@]}" -gt 0 ]; then install_packages "${missing[@]}"; fi
}

# version_at_least HAVE WANT: compares dotted version numbers.
version_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# need_rust: a Rust toolchain new enough for the workspace.
need_rust() {
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! has cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH="$HOME/.cargo/bin:$PATH"; fi
    if ! has cargo; then
        need_tools
        say "installing Rust by rustup's official installer (into ~/.cargo and ~/.rustup)"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
            sh -s -- -y --no-modify-path --profile minimal --component rustfmt --component clippy
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    export PATH
    have=$(rustc --version | cut -d' ' -f2)
    if ! version_at_least "${have%%-*}" "$wanted"; then
        has rustup || fail "Rust $have is too old, $wanted is needed, and there is no rustup to bring it."
        say "Rust $have is too old: installing the stable toolchain by rustup"
        rustup toolchain install stable --profile minimal --component rustfmt --component clippy
        export RUSTUP_TOOLCHAIN=stable
        have=$(rustc --version | cut -d' ' -f2)
        version_at_least "${have%%-*}" "$wanted" || fail "stable Rust is $have; $wanted is needed"
    fi
    say "Rust $have"
}

# need_lint_tools: rustfmt and clippy, which a minimal toolchain lacks.
need_lint_tools() {
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        has rustup || fail "rustfmt and clippy are missing, and there is no rustup to bring them"
        say "adding rustfmt and clippy"
        rustup component add rustfmt clippy
    fi
}

node_major() { node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p'; }
has_node() { has npm && [ "$(node_major)" -ge "$minimum_node_major" ] 2>/dev/null; }

# need_node: Node with npm, for the tests with the official Node SDK.
need_node() {
    local tools="${XDG_CACHE_HOME:-$HOME/.cache}/rustygpt/node"
    if ! has_node && [ -x "$tools/bin/node" ]; then PATH="$tools/bin:$PATH"; fi
    if ! has_node && has apt-get; then
        local offered
        offered=$(apt-cache policy nodejs 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*\)\..*/\1/p')
        if [ "${offered:-0}" -ge "$minimum_node_major" ]; then install_packages nodejs npm; fi
    fi
    if ! has_node; then install_node "$tools"; PATH="$tools/bin:$PATH"; fi
    export PATH
    has_node || fail "Node $minimum_node_major or newer could not be installed"
    say "Node $(node --version)"
}

# install_node FOLDER: the official build, its digest checked against the published list.
install_node() {
    local folder=$1 base system machine name
    base=https://nodejs.org/dist/latest-v22.x
    case "$(uname -s)" in Linux) system=linux ;; Darwin) system=darwin ;; *) fail "please install Node $minimum_node_major" ;; esac
    case "$(uname -m)" in x86_64) machine=x64 ;; aarch64 | arm64) machine=arm64 ;; *) fail "please install Node $minimum_node_major" ;; esac
    need_tools
    local work
    work=$(mktemp -d)
    curl -sSfL "$base/SHASUMS256.txt" -o "$work/sums"
    name=$(sed -n "s/^[0-9a-f]* *\(node-v[0-9.]*-$system-$machine\.tar\.gz\)$/\1/p" "$work/sums" | head -n 1)
    [ -n "$name" ] || fail "nodejs.org offers no build for $system-$machine"
    say "installing ${name%.tar.gz} from nodejs.org into $folder"
    curl -sSfL "$base/$name" -o "$work/$name"
    (cd "$work" && grep " $name\$" sums | check_digests) || fail "the digest of $name is wrong"
    rm -rf "$folder"
    mkdir -p "$folder"
    tar -xzf "$work/$name" -C "$folder" --strip-components 1
    rm -rf "$work"
}

check_digests() { if has sha256sum; then sha256sum -c - >&2; else shasum -a 256 -c - >&2; fi; }

has_python() {
    python3 -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, $minimum_python_minor))" 2>/dev/null
}

# need_python: Python with venv, for the tests with the official Python SDK.
need_python() {
    has_python || install_packages python3 python3-venv
    has_python || fail "Python 3.$minimum_python_minor or newer with venv could not be installed"
    say "$(python3 --version)"
}

# need_postgres: PostgreSQL's programs, for the tests of the store. The tests start a server of their own and skip
# loudly where there is none.
need_postgres() {
    if has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || [ -n "${RUSTYGPT_TEST_DATABASE_URL:-}" ]; then
        return
    fi
    if has apt-get; then
        # No cluster of its own: the tests make theirs.
        as_root mkdir -p /etc/postgresql-common
        [ -e /etc/postgresql-common/createcluster.conf ] ||
            echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
        install_packages postgresql
    else
        say "skipping the PostgreSQL half of the store's tests: there is no PostgreSQL here (put its initdb on the path)"
    fi
}

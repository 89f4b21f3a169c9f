# What the parts of scripts/test need besides cargo, and how it gets here. To be sourced, after lib.sh.
# shellcheck shell=bash

# shellcheck source=scripts/mysql.sh
source scripts/mysql.sh

# Where tools of the tests are kept: nothing outside the target directory but Debian's packages.
tools="${CARGO_TARGET_DIR:-target}"

# Where Debian, Red Hat and the vendors put Galera's library; the test of a cluster looks there too.
has_galera() {
    local file
    for file in /usr/lib/galera /usr/lib /usr/lib64/galera-4 /usr/lib64/galera; do
        [[ -e $file/libgalera_smm.so ]] && return 0
    done
    return 1
}

need_mariadb() {
    local packages=()
    has_mariadb || packages+=(mariadb-server)
    install_packages "${packages[@]}"
}

# Everything that the tests of the API talk to.
need_services() {
    local packages=()
    has_mariadb || packages+=(mariadb-server)
    has_galera || packages+=(galera-4)
    command -v rsync >/dev/null || packages+=(rsync)
    command -v curl >/dev/null || packages+=(curl)
    command -v openssl >/dev/null || packages+=(openssl)
    command -v haproxy >/dev/null || packages+=(haproxy)
    command -v nginx >/dev/null || packages+=(nginx)
    command -v prometheus >/dev/null && command -v promtool >/dev/null || packages+=(prometheus)
    command -v chromium >/dev/null && command -v chromedriver >/dev/null \
        || packages+=(chromium chromium-driver fonts-dejavu-core)
    install_packages "${packages[@]}"
    has_galera || die "the Galera library (libgalera_smm.so) is not where it is looked for, though galera-4 is installed"
    need_schemathesis
    need_axe
}

need_python() {
    local packages=()
    python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
        || packages+=(python3 python3-venv)
    install_packages "${packages[@]}"
}

# A C compiler, for crates that bring C with them.
need_cc() {
    command -v cc >/dev/null || install_packages gcc libc6-dev
}

# Grafana's types for its oldest and newest version of which there are any, each in a folder of its own.
need_grafana_types() {
    local types="$tools/grafana-types" version
    need_python
    for version in '1769699998!10.1.0' '1769699379!11.6.0'; do
        [[ -f $types/$version/ready ]] && continue
        say "install Grafana's types $version"
        [[ -x $types/venv/bin/pip ]] || python3 -m venv --clear "$types/venv" || die "cannot make a Python venv"
        "$types/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --upgrade \
            --target "$types/$version" "grafana-foundation-sdk==$version" \
            || die "cannot install grafana-foundation-sdk $version"
        touch "$types/$version/ready"
    done
    ID_ALLOC_TEST_GRAFANA_TYPES=$(cd "$types" && pwd)
    export ID_ALLOC_TEST_GRAFANA_TYPES
}

# A program that calls a server as its OpenAPI document says it may be called, and looks at the answers.
need_schemathesis() {
    local version=4.32.5 folder="$tools/schemathesis"
    need_python
    if [[ ! -f $folder/$version ]]; then
        say "install schemathesis $version"
        python3 -m venv --clear "$folder/venv" || die "cannot make a Python venv"
        "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version" \
            || die "cannot install schemathesis"
        touch "$folder/$version"
    fi
    ID_ALLOC_TEST_SCHEMATHESIS=$(cd "$folder" && pwd)/venv/bin/schemathesis
    export ID_ALLOC_TEST_SCHEMATHESIS
}

# Looks at a page as the accessibility rules of WCAG do; the package holds axe-core, a script.
need_axe() {
    local version=0.1.8 folder="$tools/axe"
    need_python
    if [[ ! -f $folder/$version ]]; then
        say "install axe-core"
        python3 -m venv --clear "$folder/venv" || die "cannot make a Python venv"
        "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --upgrade \
            --target "$folder/package" "axe-playwright-python==$version" || die "cannot install axe-core"
        touch "$folder/$version"
    fi
    ID_ALLOC_TEST_AXE=$(cd "$folder" && pwd)/package/axe_playwright_python/axe.min.js
    export ID_ALLOC_TEST_AXE
}

# cargo_tool NAME VERSION: a program written in Rust, built in the target directory. Not optimised: it is built once and runs
# for a second.
cargo_tool() {
    local folder="$tools/cargo-tools"
    if [[ ! -f $folder/$1-$2 ]]; then
        say "install $1 $2"
        cargo install --quiet --locked --debug --root "$folder" "$1@$2" || die "cannot install $1"
        touch "$folder/$1-$2"
    fi
    PATH="$(cd "$folder" && pwd)/bin:$PATH"
}

# The private MariaDB and MySQL that many tests share, started once.
need_database() {
    [[ -n $database_url ]] && return 0
    need_mariadb
    start_database --max-connections=600 --innodb-log-file-size=32M --innodb-flush-method=nosync --debug-no-sync
    export ID_ALLOC_TEST_MYSQL_URLS="$database_url"
    if start_mysql --max-connections=600 --mysqlx=OFF --skip-log-bin --innodb-flush-method=nosync; then
        ID_ALLOC_TEST_MYSQL_URLS+=" $mysql_url"
    else
        echo "NOT TESTED on MySQL: $mysql_missing" >&2
    fi
    if [[ -n ${ID_ALLOC_TEST_MYSQL_URL:-} ]]; then
        ID_ALLOC_TEST_MYSQL_URLS+=" $ID_ALLOC_TEST_MYSQL_URL"
        echo "tests also run against the server named in ID_ALLOC_TEST_MYSQL_URL"
    fi
}

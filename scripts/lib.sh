# Functions that the scripts beside it share: installing, a private MariaDB, stages, and cleaning up.
# To be sourced, after `cd` to the repository's root; it sets traps.
# shellcheck shell=bash

work=""          # temporary directory of the databases
database_pids=() # their servers
# shellcheck disable=SC2034 # the scripts read it
database_url="" # where MariaDB listens
stage_group=""  # process group of the running stage
as_user=()      # how a database's server is told that root may run it
[[ $(id -u) -eq 0 ]] && as_user=(--user=root)

say() { printf '\n=== %s\n' "$*"; }
die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}

# Process ids of the group that still run (zombies are not processes any more).
members_of() {
    local file line pid rest
    for file in /proc/[0-9]*/stat; do
        { read -r line <"$file"; } 2>/dev/null || continue
        pid=${line%% *}
        read -r -a rest <<<"${line##*) }" # state, parent, group, …
        if [[ ${rest[2]} == "$1" && ${rest[0]} != Z ]]; then echo "$pid"; fi
    done
}

end_group() {
    local pids
    pids=$(members_of "$1")
    [[ -z $pids ]] && return 0
    # shellcheck disable=SC2086 # a list of numbers
    kill -KILL $pids 2>/dev/null || true
}

# TERM, and KILL for what does not heed it within ten seconds.
end_processes() {
    local pid
    for pid in "$@"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "$@"; do
        for _ in {1..100}; do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

clean_up() {
    local status=$?
    trap - EXIT
    [[ -n $stage_group ]] && end_group "$stage_group"
    end_processes "${database_pids[@]}"
    [[ -n $work ]] && rm -rf -- "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    else
        command -v sudo >/dev/null || die "needs root or sudo to run: $*"
        sudo "$@"
    fi
}

# Another apt may hold its locks: the installation waits, the update is tried again.
apt_update() {
    for _ in {1..60}; do
        if as_root apt-get -o DPkg::Lock::Timeout=600 update -qq; then return 0; fi
        sleep 5
    done
    die "apt-get update failed"
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
        install -y -qq --no-install-recommends "$@"
}

# Installs Debian packages, and stops what they may have started: it was not there before, and nobody needs it.
install_packages() {
    [[ $# -eq 0 ]] && return 0
    say "install $*"
    command -v apt-get >/dev/null || die "missing: $*, and there is no apt-get to install them"
    compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || apt_update
    if ! apt_install "$@"; then
        apt_update
        apt_install "$@" || die "cannot install $*"
    fi
    if [[ " $* " == *" mariadb-server "* ]]; then
        if [[ -d /run/systemd/system ]]; then
            as_root systemctl stop mariadb.service || true
        elif [[ -S /run/mysqld/mysqld.sock ]]; then
            as_root mariadb-admin shutdown || true
        fi
    fi
    local service
    for service in prometheus haproxy nginx redis-server; do
        [[ " $* " == *" $service"[\ -]* ]] || continue
        if [[ -d /run/systemd/system ]]; then
            as_root systemctl disable --now "$service.service" || true
        elif [[ -x /etc/init.d/$service ]]; then
            as_root "/etc/init.d/$service" stop || true
        fi
    done
}

# Whether everything of MariaDB that is used is there.
has_mariadb() {
    local program
    for program in mariadbd mariadb-install-db mariadb-admin mariadb; do
        command -v "$program" >/dev/null || return 1
    done
}

# start_on_a_port FOLDER SERVER ADMIN OPTION …: a server of MariaDB or MySQL on FOLDER/data, which ADMIN can ping; $port says
# where it listens. Fails where it does not start.
start_on_a_port() {
    local folder=$1 server=$2 admin=$3 pid
    shift 3
    # Not the common /tmp: a mariadbd that starts clears away what looks like its temporary tables.
    mkdir -p "$folder/t"
    # Whether a port is free only the attempt to listen on it tells. Below the range from which outgoing connections take
    # theirs.
    for _ in {1..5}; do
        port=$((10000 + RANDOM % 10000))
        "$server" --no-defaults "${as_user[@]}" --datadir="$folder/data" --socket="$folder/s" --tmpdir="$folder/t" \
            --pid-file="$folder/pid" --port="$port" --bind-address=127.0.0.1 --skip-name-resolve \
            "$@" >"$folder/log" 2>&1 &
        pid=$!
        database_pids+=("$pid")
        for _ in {1..600}; do
            if "$admin" --no-defaults --socket="$folder/s" --user=root ping >/dev/null 2>&1; then return 0; fi
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        end_processes "$pid"
        unset 'database_pids[-1]'
    done
    cat "$folder/log" >&2
    return 1
}

# A private MariaDB in a temporary directory, `$database_url`; arguments are options for mariadbd.
start_database() {
    local port
    work=$(mktemp -d "${TMPDIR:-/tmp}/id-alloc-${0##*/}.XXXXXX")
    say "start a private MariaDB in $work"
    mkdir "$work/t"
    mariadb-install-db --no-defaults "${as_user[@]}" --datadir="$work/data" --tmpdir="$work/t" \
        --auth-root-authentication-method=normal --skip-test-db >"$work/install.log" 2>&1 \
        || { cat "$work/install.log" >&2 && die "mariadb-install-db failed"; }
    start_on_a_port "$work" mariadbd mariadb-admin "$@" || die "MariaDB did not start"
    # shellcheck disable=SC2034
    database_url="mysql://root@127.0.0.1:$port"
    echo "MariaDB listens on 127.0.0.1:$port"
}

# Runs a command in a process group of its own; gives its status, 1 where it left a process behind.
run_stage() {
    say "$*"
    local status=0 left pid
    setsid "$@" &
    stage_group=$!
    wait "$stage_group" || status=$?
    left=$(members_of "$stage_group")
    if [[ -n $left ]]; then
        for pid in $left; do
            printf 'left behind: %s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" >&2
        done
        end_group "$stage_group"
        [[ $status -eq 0 ]] && status=1
    fi
    stage_group=""
    return "$status"
}

# The same for a command without which the script cannot go on.
stage() {
    local status=0
    run_stage "$@" || status=$?
    if [[ $status -ne 0 ]]; then die "failed ($status): $*"; fi
}

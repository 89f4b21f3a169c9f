# What the scripts *-test share: checks that are counted, and a server to check against. To be sourced, after lib.sh and
# package-tools.sh. `work` must be a directory.
# shellcheck shell=bash

passed=0
failed=0
server_pid=""
at_end=() # functions that end what a part has started

# lib.sh's end, after the server's.
end_all() {
    local status=$?
    set +e
    stop_server
    for end in "${at_end[@]}"; do "$end"; done
    (exit "$status")
    clean_up
}
trap end_all EXIT

# check WHAT COMMAND …: counts whether it succeeds, and shows what it printed where it does not. Commands that are
# functions stop at their first failure.
check() {
    local what=$1 status=0 log
    shift
    log=$(mktemp)
    (set -e && trap - EXIT && "$@") >"$log" 2>&1 &
    wait $! || status=$?
    if [[ $status -eq 0 ]]; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$what"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s (%s)\n' "$what" "$status"
        sed 's/^/        /' "$log"
    fi
    rm -f -- "$log"
}

# What must fail. `! command` alone would not end a check.
not() { ! "$@"; }

# The last line, which scripts/test reads.
results() {
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [[ $failed -eq 0 ]]
}

# The program as the tests build it, so that nothing is compiled twice; $program is its path.
need_program_of_tests() {
    say "build id-alloc as for the tests"
    cargo test --quiet --workspace --all-features --test config --no-run || die "the build failed"
    program="$tools/debug/id-alloc"
}

# start_server FOLDER: $program with tokens, on a free port and the embedded database; $base, $admin_token and
# $alloc_token tell how to call it.
start_server() {
    local line
    mkdir -p "$1/server"
    "$program" token new checks --scope read,write >"$1/admin"
    "$program" token new checks --tags '*' >"$1/alloc"
    admin_token=$(grep '^ida_' "$1/admin")
    alloc_token=$(grep '^ida_' "$1/alloc")
    sed -n '/^\[\[token/,$p' "$1/admin" >"$1/admin.toml"
    sed -n '/^\[\[token/,$p' "$1/alloc" >"$1/alloc.toml"
    : >"$1/server.out" # read below, before the server may have made it
    (
        cd "$1/server"
        exec env ID_ALLOC__SERVER__PORT=0 ID_ALLOC__ADMIN__TOKENS_FILE="$1/admin.toml" \
            ID_ALLOC__ALLOC__TOKENS_FILE="$1/alloc.toml" "$program"
    ) >"$1/server.out" 2>"$1/server.err" &
    server_pid=$!
    for _ in {1..300}; do
        line=$(head -n 1 "$1/server.out")
        [[ -n $line ]] && break
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    base=$(sed -n 's/.* listening on \([^,]*\),.*/\1/p' <<<"${line:-}")
    [[ -n $base ]] || { cat "$1/server.err" >&2 && die "the server did not start"; }
}

# SIGINT ends it without the drain. One that has only just been started does not heed it yet.
stop_server() {
    [[ -n $server_pid ]] || return 0
    kill -INT "$server_pid" 2>/dev/null || true
    for _ in {1..100}; do
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
    server_pid=""
}

# The body of a success, by Python, which is there anyhow.
fetch() {
    python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())' "$1"
}

# Counts what passes and fails in scripts/test, part by part, and says so at the end. To be sourced, after lib.sh.
# shellcheck shell=bash

part=""      # the part that runs
passed=0     # tests and checks that passed, in all parts
failed=0     # those that failed
skipped=0    # tests that were left out, as they need a service
without_mysql=0 # tests that were left out, as there is no MySQL
failures=()  # names of those that failed
times=""     # lines "SECONDS PART TEST"
parts=""     # lines for the table at the end

count() { # how many passed, how many failed, and the name of what failed
    passed=$((passed + $1))
    failed=$((failed + $2))
    if [[ $2 -gt 0 ]]; then failures+=("$part: $3"); fi
}

# Runs a command, shows what it prints, and keeps that in $work_log; gives its status.
shown() {
    local status=0 reader
    work_log=$(mktemp "${TMPDIR:-/tmp}/id-alloc-test.XXXXXX")
    exec {shown}> >(exec tee "$work_log")
    reader=$!
    run_stage "$@" >&"$shown" 2>&1 || status=$?
    exec {shown}>&-
    wait "$reader" || true
    return "$status"
}

# A command that passes or fails as a whole.
check() {
    local status=0
    run_stage "$@" || status=$?
    if [[ $status -eq 0 ]]; then count 1 0; else count 0 1 "$*"; fi
}

# A script that may end with "N passed, N failed"; else it counts as one check.
script() {
    local status=0 last ok bad
    shown "$@" || status=$?
    last=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$work_log" | tail -n 1 || true)
    rm -f -- "$work_log"
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
        ok=${BASH_REMATCH[1]} bad=${BASH_REMATCH[2]}
        if [[ $status -ne 0 && $bad -eq 0 ]]; then bad=1; fi
        count "$ok" "$bad" "$*"
    elif [[ $status -eq 0 ]]; then
        count 1 0
    else
        count 0 1 "$*"
    fi
}

# cargo_test [CARGO'S ARGUMENTS] -- [ARGUMENTS OF THE TESTS]: builds them, runs them, and counts each.
cargo_test() {
    local arguments=() ok bad left triple runner line status=0
    while [[ $# -gt 0 && $1 != -- ]]; do
        arguments+=("$1")
        shift
    done
    shift
    # Without a MySQL its tests are left out, and counted as such.
    [[ -n $mysql_missing ]] && set -- "$@" --skip on_mysql
    if ! run_stage cargo test "${arguments[@]}" --no-run; then
        count 0 1 "cargo test ${arguments[*]}"
        return
    fi
    # The tests say how long each took if they are told to be of a nightly build; rustc itself is not told so, and
    # nothing is built anew.
    triple=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    runner="CARGO_TARGET_${triple}_RUNNER=env RUSTC_BOOTSTRAP=1"
    shown env "$runner" cargo test "${arguments[@]}" --no-fail-fast -- -Z unstable-options --report-time "$@" || status=$?
    ok=$(sed -n 's/^test result: .* \([0-9]*\) passed; .*/\1/p' "$work_log" | sum)
    bad=$(sed -n 's/^test result: .* \([0-9]*\) failed; .*/\1/p' "$work_log" | sum)
    left=$(sed -n 's/^test result: .* \([0-9]*\) ignored; .*/\1/p' "$work_log" | sum)
    skipped=$((skipped + left))
    left=$(sed -n 's/^test result: .* \([0-9]*\) filtered out; .*/\1/p' "$work_log" | sum)
    without_mysql=$((without_mysql + left))
    times+=$(sed -nE "s/^test (.*) \.\.\. (ok|FAILED) <([0-9.]+)s>$/\3 $part \1/p" "$work_log")$'\n'
    passed=$((passed + ok))
    failed=$((failed + bad))
    while IFS= read -r line; do
        failures+=("$part: $line")
    done < <(sed -nE 's/^test (.*) \.\.\. FAILED.*/\1/p' "$work_log")
    # One that ended otherwise, by a signal or before it could count.
    if [[ $status -ne 0 && $bad -eq 0 ]]; then count 0 1 "cargo test ${arguments[*]}"; fi
    rm -f -- "$work_log"
}

sum() { awk '{ all += $1 } END { print all + 0 }'; }

# Runs the function `part_NAME`, or the script beside this one, and notes what it counted and how long it took.
run_part() {
    local before_passed=$passed before_failed=$failed start=$SECONDS
    part=$1
    if declare -F "part_$part" >/dev/null; then "part_$part"; else script "scripts/$part-test"; fi
    parts+=$(printf '%-14s %7d %7d %7d s' \
        "$part" $((passed - before_passed)) $((failed - before_failed)) $((SECONDS - start)))$'\n'
}

# The last line is for whoever reads only that.
report() {
    say "summary"
    printf '%-14s %7s %7s %9s\n%s' part passed failed time "$parts"
    if [[ -n ${times//[[:space:]]/} ]]; then
        printf '\nthe ten slowest:\n'
        grep . <<<"$times" | sort -rn | awk 'NR <= 10 { printf "%8.1f s  %s: %s\n", $1, $2, $3 }'
    fi
    if [[ $failed -gt 0 ]]; then
        printf '\nfailed:\n'
        printf '  %s\n' "${failures[@]}"
    fi
    if [[ $skipped -gt 0 ]]; then printf '\n%d tests need a service and were left out; ./scripts/test runs them\n' "$skipped"; fi
    if [[ -n $mysql_missing ]]; then
        printf '\nNOT TESTED ON MYSQL: %s. %d tests were skipped, and those that run on every server ran on MariaDB alone.\n' \
            "$mysql_missing" "$without_mysql"
    fi
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [[ $failed -eq 0 ]]
}

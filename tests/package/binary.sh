# The portable binary in an older Debian, without a package and without Rust. Part of scripts/package-test.
# shellcheck shell=bash

# The newest version of glibc's symbols that the program asks for.
glibc_is_old() {
    local newest
    newest=$(objdump -T "$root/opt/id-alloc/id-alloc" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
    echo "it asks for $newest"
    [[ $(printf 'GLIBC_2.17\n%s\n' "$newest" | sort -V | tail -n 1) == GLIBC_2.17 ]]
}

# serve_in_root NAME SETTING=VALUE …: a server in the root, its start line in $work/NAME.out.
serve_in_root() {
    local name=$1 line
    shift
    (
        exec chroot "$root" /usr/bin/env -C /opt/id-alloc ID_ALLOC__SERVER__PORT=0 "$@" /opt/id-alloc/id-alloc
    ) >"$work/$name.out" 2>"$work/$name.err" &
    server_pid=$!
    for _ in {1..300}; do
        line=$(head -n 1 "$work/$name.out")
        [[ -n $line ]] && break
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    base=$(sed -n 's/.* listening on \([^,]*\),.*/\1/p' <<<"${line:-}")
    [[ -n $base ]] || { cat "$work/$name.err" && return 1; }
}

first_id() { # TAG FIRST
    local body
    body=$(fetch "$base/alloc?biz_tag=$1")
    [[ $body == "{\"errno\":0,\"msg\":\"success\",\"id\":$2}" ]] || { echo "$body" && return 1; }
}

from_a_file() {
    serve_in_root file
    first_id test 1
    stop_server
}

# The database's address is found by $1, a name that only the root's /etc/hosts or its name server knows.
by_host_name() {
    local url="mysql://root@$1:$database_port/$2" settings
    mariadb --no-defaults --socket="$mariadb_socket" --user=root --execute="CREATE DATABASE $2"
    settings=("ID_ALLOC__DATABASE__URL=$url")
    chroot "$root" /usr/bin/env "${settings[@]}" /opt/id-alloc/id-alloc migrate up
    chroot "$root" /usr/bin/env "${settings[@]}" /opt/id-alloc/id-alloc tag create order --step 10
    serve_in_root "$2" "${settings[@]}"
    first_id order 1
    stop_server
}

stop_names() {
    [[ -n ${names_pid:-} ]] || return 0
    kill "$names_pid" 2>/dev/null || true
    wait "$names_pid" 2>/dev/null || true
    names_pid=""
}

part_binary() {
    ./scripts/package binary
    need_programs objdump=binutils
    has_mariadb || install_packages mariadb-server
    need_root bullseye ca-certificates
    mkdir -p "$root/opt/id-alloc"
    tar -xzf "$out/id-alloc-$version-$arch-linux.tar.gz" -C "$root/opt/id-alloc" --strip-components=1
    local own=$work
    start_database
    mariadb_socket="$work/s"
    local database_work=$work
    work=$own
    database_port=${database_url##*:}
    # A name server of its own, on a loopback address that nobody uses.
    python3 tests/package/names.py 127.0.0.77 database.example 127.0.0.1 >"$own/names" &
    names_pid=$!
    at_end+=(stop_names)
    until [[ -s $own/names ]]; do
        kill -0 "$names_pid" 2>/dev/null || die "the name server did not start"
        sleep 0.1
    done
    printf 'nameserver 127.0.0.77\n' >"$root/etc/resolv.conf"
    printf '127.0.0.1 localhost database.internal\n' >"$root/etc/hosts"
    check "it asks for no newer glibc than 2.17" glibc_is_old
    check "it serves from a file" from_a_file
    check "it finds its database by /etc/hosts" by_host_name database.internal by_hosts
    check "it finds its database by DNS" by_host_name database.example by_dns
    stop_names
    work=$database_work
    rm -rf "$own"
}

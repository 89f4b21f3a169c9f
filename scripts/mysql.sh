# Gets a real MySQL into the target directory, beside the MariaDB that Debian installs. To be sourced, after tools.sh.
#
# MySQL is only in Debian's newest suite. Its packages and those that they need are downloaded from where this machine's
# apt gets its own, and unpacked, not installed: neither root nor a chroot is needed, and nothing else on the machine
# changes. The program runs with the C library that came with it.
# shellcheck shell=bash

mysql_url=""     # where the shared MySQL listens; empty where there is none
mysql_missing="" # why there is none

# The URI of a Debian mirror that apt is configured with, and the file with its keys; one a line.
debian_mirror() {
    local file
    for file in /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [[ -r $file ]] || continue
        awk '
            /^URIs:/ { uri = $2 }
            /^Signed-By:/ { key = $2 }
            /^deb / { sub(/\[[^]]*\] */, ""); uri = $2; if (uri ~ /\/debian\/?$/) { print uri; exit } }
            /^$/ { if (uri ~ /\/debian\/?$/) { print uri; print key; done = 1; exit } uri = key = "" }
            END { if (!done && uri ~ /\/debian\/?$/) { print uri; print key } }' "$file"
    done | head -n 2
}

# fetch_newest FOLDER PACKAGE …: unpacks packages of Debian's newest suite, with all that they need, into FOLDER.
fetch_newest() {
    local folder=$1 parts mirror options archive status=0
    shift
    mapfile -t mirror < <(debian_mirror)
    if [[ ${#mirror[@]} -eq 0 ]]; then
        mysql_missing="apt is configured with no mirror of Debian, which has the package"
        return 1
    fi
    parts=$(mktemp -d)
    mkdir -p "$parts/lists/partial" "$parts/archives/partial" "$folder"
    printf 'deb [signed-by=%s] %s sid main\n' "${mirror[1]:-/usr/share/keyrings/debian-archive-keyring.gpg}" \
        "${mirror[0]}" >"$parts/sources"
    : >"$parts/status" # nothing is installed: all that is needed is downloaded
    options=(-q -o Dir::Etc::sourcelist="$parts/sources" -o Dir::Etc::sourceparts=- -o Dir::Etc::preferencesparts=-
        -o Dir::State="$parts" -o Dir::State::lists="$parts/lists" -o Dir::State::status="$parts/status"
        -o Dir::Cache="$parts" -o Dir::Cache::archives="$parts/archives" -o APT::Sandbox::User=
        -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Update::Post-Invoke=)
    {
        apt-get "${options[@]}" update \
            && apt-get "${options[@]}" install --yes --download-only --no-install-recommends "$@"
    } >"$parts/log" 2>&1 || status=$?
    if [[ $status -eq 0 ]]; then
        for archive in "$parts"/archives/*.deb; do
            dpkg-deb --fsys-tarfile "$archive" | tar -x --no-same-owner -C "$folder" || status=$?
        done
    fi
    if [[ $status -ne 0 ]]; then
        tail -n 5 "$parts/log" >&2
        mysql_missing="apt-get cannot download it"
    fi
    rm -rf -- "$parts"
    return "$status"
}

# loaded FOLDER PROGRAM OPTION …: a script that runs a program that was unpacked into FOLDER with the C library beside it, and
# with these options after those that it is given.
loaded() {
    local folder=$1 program=$2 loader
    shift 2
    loader=$(find -L "$folder/usr/lib" -maxdepth 2 -name 'ld-linux-*.so.*' | head -n 1)
    printf '#!/bin/sh\nexec %q --library-path %q %q "$@"' "$loader" "${loader%/*}" "$folder/$program"
    [[ $# -eq 0 ]] || printf ' %q' "$@"
    echo
}

write_mysql_scripts() {
    local home=$1 root=$1/root
    loaded "$root" usr/sbin/mysqld "--basedir=$root/usr" "--lc-messages-dir=$root/usr/share/mysql" \
        "--plugin-dir=$root/usr/lib/mysql/plugin" --secure-file-priv=NULL >"$home/mysqld"
    loaded "$root" usr/bin/mysqladmin >"$home/mysqladmin"
    chmod +x "$home/mysqld" "$home/mysqladmin"
}

# MySQL in target/mysql: `mysqld` runs it, `data` is a data directory for copies. Fails where it cannot be had, with the
# reason in $mysql_missing.
need_mysql() {
    local home="$tools/mysql" root
    mkdir -p "$home"
    home=$(cd "$home" && pwd)
    if [[ ! -f $home/ready ]]; then
        command -v apt-get >/dev/null || { mysql_missing="there is no apt-get" && return 1; }
        say "get MySQL of Debian's newest suite"
        rm -rf -- "$home"
        root=$home/root
        fetch_newest "$root" mysql-server-core mysql-client-core || return 1
        write_mysql_scripts "$home"
        # Who connects over TCP is not localhost for a server that looks up no names.
        printf '%s\n' "CREATE USER root@'127.0.0.1';" "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;" \
            >"$home/users.sql"
        "$home/mysqld" --no-defaults "${as_user[@]}" --initialize-insecure --init-file="$home/users.sql" \
            --datadir="$home/data" --innodb-redo-log-capacity=8M --innodb-flush-method=nosync >"$home/log" 2>&1 \
            || { tail -n 5 "$home/log" >&2 && mysql_missing="it cannot make a data directory" && return 1; }
        rm -f -- "$home/data/auto.cnf" # each copy is to be a server of its own
        echo "$home" >"$home/ready"
    fi
    # The target directory may have been moved or copied.
    if [[ $(<"$home/ready") != "$home" ]]; then
        write_mysql_scripts "$home"
        echo "$home" >"$home/ready"
    fi
    export ID_ALLOC_TEST_MYSQL=$home
}

# The private MySQL that many tests share, beside MariaDB in $work: $mysql_url. Arguments are options for mysqld. Fails where
# there is none.
start_mysql() {
    local port
    need_mysql || return 1
    say "start a private MySQL in $work/mysql"
    mkdir "$work/mysql"
    cp -r "$ID_ALLOC_TEST_MYSQL/data" "$work/mysql/data"
    if ! start_on_a_port "$work/mysql" "$ID_ALLOC_TEST_MYSQL/mysqld" "$ID_ALLOC_TEST_MYSQL/mysqladmin" "$@"; then
        mysql_missing="it does not start"
        return 1
    fi
    mysql_url="mysql://root@127.0.0.1:$port"
    echo "MySQL listens on 127.0.0.1:$port"
}

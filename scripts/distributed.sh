# Builds TiDB and Vitess from their Go modules into the target directory, for `./scripts/test distributed`. To be sourced, after
# lib.sh. The first time that takes ten minutes of two cores and five gigabytes in Go's caches.
# shellcheck shell=bash

# shellcheck source=scripts/package-tools.sh
source scripts/package-tools.sh

need_tidb() {
    local folder="$tools/distributed/tidb" module=github.com/pingcap/tidb
    local version=v1.1.0-beta.0.20251126154744-e4e814fdc0af parser=v0.0.0-20251126154744-e4e814fdc0af
    mkdir -p "$folder"
    if [[ ! -f $folder/$version ]]; then
        need_go 26
        say "build TiDB"
        # It replaces modules, so that it is built from within one of our own that replaces the same.
        cat >"$folder/go.mod" <<END
module tidbserver

go 1.23.6

require (
	$module $version
	$module/pkg/parser $parser
)

replace (
	github.com/go-ldap/ldap/v3 => github.com/YangKeao/ldap/v3 v3.4.5-0.20230421065457-369a3bab1117
	sourcegraph.com/sourcegraph/appdash => github.com/sourcegraph/appdash v0.0.0-20190731080439-ebfcffb1b5c0
	sourcegraph.com/sourcegraph/appdash-data => github.com/sourcegraph/appdash-data v0.0.0-20151005221446-73f23eafcf67
)
END
        printf '//go:build tools\n\npackage tools\n\nimport _ "%s/cmd/tidb-server"\n' "$module" >"$folder/tools.go"
        (
            cd "$folder"
            go mod tidy -e && nice go build -ldflags '-s -w' -o tidb-server "$module/cmd/tidb-server"
        ) || die "TiDB cannot be built"
        touch "$folder/$version"
    fi
    export ID_ALLOC_TEST_TIDB=$folder/tidb-server
}

# Its programs, and MySQL's as they are looked for by it.
need_vitess() {
    local folder="$tools/distributed/vitess" version=v0.24.4 source program
    need_mysql || die "there is no MySQL for Vitess: $mysql_missing"
    need_programs curl=curl setpriv=util-linux
    mkdir -p "$folder/bin" "$folder/mysql/bin"
    for program in mysqlctl vttablet vtgate vtctldclient vtorc; do
        [[ -f $folder/$program-$version ]] && continue
        need_go 26
        say "build Vitess: $program"
        source=$(go mod download -json "vitess.io/vitess@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
        [[ -d $source ]] || die "Vitess cannot be downloaded"
        # Within its own module, with the versions that it names.
        (cd "$source" && CGO_ENABLED=0 nice go build -ldflags '-s -w' -o "$folder/bin/" "./go/cmd/$program") \
            || die "$program of Vitess cannot be built"
        touch "$folder/$program-$version"
    done
    if [[ ! -x $folder/etcd/usr/bin/etcd ]]; then
        say "get etcd of Debian's newest suite"
        fetch_newest "$folder/etcd" etcd-server || die "no etcd: $mysql_missing"
    fi
    # The target directory may have been moved or copied.
    loaded "$folder/etcd" usr/bin/etcd >"$folder/bin/etcd"
    loaded "$ID_ALLOC_TEST_MYSQL/root" usr/bin/mysql >"$folder/mysql/bin/mysql"
    chmod +x "$folder/bin/etcd" "$folder/mysql/bin/mysql"
    ln -sf "$ID_ALLOC_TEST_MYSQL/mysqld" "$ID_ALLOC_TEST_MYSQL/mysqladmin" "$folder/mysql/bin/"
    export ID_ALLOC_TEST_VITESS=$folder
}

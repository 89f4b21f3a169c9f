# The Debian package as a file: what it says about itself, what lies in it, and what Debian's own checkers say.
# Part of scripts/package-test.
# shellcheck shell=bash

# deb_file [REVISION]
# shellcheck disable=SC2120
deb_file() { echo "$out/id-alloc_$version-${1:-1}_$(dpkg --print-architecture).deb"; }

build_deb() { ./scripts/package deb && [[ -f $(deb_file) ]]; }

fields() {
    local file
    file=$(deb_file)
    [[ $(dpkg-deb -f "$file" Package) == id-alloc ]]
    [[ $(dpkg-deb -f "$file" Version) == "$version-1" ]]
    dpkg-deb -f "$file" Depends | grep 'libc6 (>= 2.17)' >/dev/null
    [[ $(dpkg-deb --ctrl-tarfile "$file" | tar -xO ./conffiles) == /etc/id-alloc/config.toml ]]
}

contents() {
    local path
    dpkg-deb --fsys-tarfile "$(deb_file)" | tar -tv >"$work/contents"
    for path in usr/bin/id-alloc etc/id-alloc/config.toml lib/systemd/system/id-alloc.service \
        usr/share/man/man1/id-alloc.1.gz usr/share/man/man1/id-alloc-tag-create.1.gz \
        usr/share/bash-completion/completions/id-alloc usr/share/zsh/vendor-completions/_id-alloc \
        usr/share/fish/vendor_completions.d/id-alloc.fish usr/share/doc/id-alloc/copyright \
        usr/share/doc/id-alloc/default.toml; do
        grep -Eq " \./(usr/)?$path$" "$work/contents" || { echo "$path is missing" && return 1; }
    done
    # A password may stand in it.
    grep -Eq -- '^-rw-r----- .* \./etc/id-alloc/config.toml$' "$work/contents"
}

# Its own files are found where it says, and systemd understands them; nothing is started.
unpacked() {
    dpkg-deb -x "$(deb_file)" "$work/deb"
    local unit
    unit=$(find "$work/deb" -name id-alloc.service)
    # Here the program lies elsewhere, and there is no such user.
    sed "s|/usr/bin/id-alloc|$work/deb/usr/bin/id-alloc|; s/^User=.*/User=daemon/; s/^Group=.*/Group=daemon/" "$unit" \
        >"$work/id-alloc.service"
    systemd-analyze verify --man=no "$work/id-alloc.service" >"$work/verify" 2>&1 || { cat "$work/verify" && return 1; }
    [[ ! -s $work/verify ]] || { cat "$work/verify" && return 1; }
}

default_configuration() {
    "$work/deb/usr/bin/id-alloc" --config "$work/deb/etc/id-alloc/config.toml" config check >"$work/checked"
    grep -q 'url = "sqlite:///var/lib/id-alloc/id-alloc.db' "$work/checked"
}

# What is left out: names of functions are kept, so that a report of a crash is of use; there is no Debian bug to close.
lintian_is_content() {
    lintian --allow-root --fail-on error,warning --suppress-tags \
        unstripped-binary-or-object,initial-upload-closes-no-bugs,non-standard-file-perm,bogus-mail-host,bogus-mail-host-in-debian-changelog \
        "$(deb_file)"
}

part_deb() {
    need_programs lintian=lintian systemd-analyze=systemd
    check "the package is made" build_deb
    check "it says what it is, what it needs and what it configures" fields
    check "everything lies where Debian looks for it" contents
    check "systemd understands its unit" unpacked
    check "its configuration is one that id-alloc accepts" default_configuration
    check "lintian is content" lintian_is_content
}

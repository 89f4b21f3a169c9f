# The Debian package in a throwaway root with its own systemd: install, upgrade, remove, purge. Part of scripts/package-test.
# shellcheck shell=bash

# One id of a tag from the server inside; it may have been started just now.
id_inside() {
    inside curl --silent --fail --retry 60 --retry-delay 1 --retry-connrefused --retry-max-time 60 \
        "http://127.0.0.1:${port:-8880}/alloc?biz_tag=$1" | sed 's/.*"id":\([0-9]*\).*/\1/'
}

admin_inside() { inside runuser -u id-alloc -- id-alloc --config /etc/id-alloc/config.toml "$@"; }

installs() {
    inside apt-get install --yes --no-install-recommends "/root/$first"
    inside systemctl is-active id-alloc
    inside systemctl is-enabled id-alloc
    [[ $(id_inside test) == 1 ]]
    inside id-alloc health
}

unit_is_clean() {
    inside systemd-analyze verify id-alloc.service >"$work/verify" 2>&1 || { cat "$work/verify" && return 1; }
    [[ ! -s $work/verify ]] || { cat "$work/verify" && return 1; }
    # 0 is a unit that may do nothing, 10 one that may do all.
    inside systemd-analyze security --threshold=20 --no-pager id-alloc.service | tail -n 1
}

is_documented() {
    inside man --pager=cat id-alloc >"$work/page"
    grep -q 'Exit codes' "$work/page"
    inside man --pager=cat id-alloc-tag-create | grep -- --step >/dev/null
    inside bash -c 'source /usr/share/bash-completion/completions/id-alloc && complete -p id-alloc'
}

has_no_rights() {
    local pid
    pid=$(inside systemctl show --property MainPID --value id-alloc)
    [[ $(inside ps -o user= -p "$pid") == id-alloc ]]
    [[ $(inside stat -c '%U:%G %a' /etc/id-alloc/config.toml) == "root:id-alloc 640" ]]
    [[ $(inside stat -c '%U:%G %a' /var/lib/id-alloc) == "id-alloc:id-alloc 700" ]]
    grep -q '^CapEff:[[:space:]]*0*$' "$root/proc/$pid/status" 2>/dev/null \
        || [[ $(inside sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$pid/status") == 0000000000000000 ]]
}

can_be_administered() {
    admin_inside tag create order --step 1000 --start 500
    [[ $(inside id-alloc alloc order) == 500 ]]
}

upgrade_keeps() {
    local before pid
    # What an administrator changed.
    inside sed -i 's/^port = 8880/port = 8990/' /etc/id-alloc/config.toml
    inside systemctl restart id-alloc
    port=8990
    before=$(id_inside order)
    pid=$(inside systemctl show --property MainPID --value id-alloc)
    inside apt-get install --yes --no-install-recommends "/root/$second"
    [[ $(inside dpkg-query -W -f '${Version}' id-alloc) == "$version-2" ]]
    inside grep -qx 'port = 8990' /etc/id-alloc/config.toml
    [[ $(inside systemctl show --property MainPID --value id-alloc) != "$pid" ]]
    [[ $(id_inside order) -gt $before ]]
}

stop_drains() {
    inside systemctl stop id-alloc
    [[ $(inside systemctl show --property Result --value id-alloc) == success ]]
    [[ $(inside systemctl show --property ExecMainStatus --value id-alloc) == 0 ]]
    inside journalctl --unit id-alloc --no-pager | grep 'draining: /health answers 503' >/dev/null
    inside systemctl start id-alloc
}

removal_keeps_ids() {
    local before
    port=8990
    before=$(id_inside order)
    inside apt-get remove --yes id-alloc
    inside test ! -e /usr/bin/id-alloc
    inside test -e /etc/id-alloc/config.toml
    not inside systemctl is-active id-alloc
    inside apt-get install --yes --no-install-recommends "/root/$second"
    [[ $(id_inside order) -gt $before ]]
}

purge_leaves_nothing() {
    inside apt-get purge --yes id-alloc
    not inside getent passwd id-alloc
    not inside getent group id-alloc
    inside find / -xdev '(' -path /proc -o -path /sys -o -path /root -o -path /var/log -o -path /var/cache/man ')' -prune \
        -o -name '*id-alloc*' -print >"$work/left"
    [[ ! -s $work/left ]] || { cat "$work/left" && return 1; }
    [[ -z $(inside dpkg -l id-alloc 2>/dev/null | grep '^.[^n]  *id-alloc') ]]
}

part_root() {
    ./scripts/package deb
    first=$(basename "$(deb_file 1)")
    need_root bookworm systemd,systemd-sysv,dbus,adduser,ca-certificates,curl,procps,man-db
    cp "$out/$first" "$root/root/"
    ID_ALLOC_PACKAGE_REVISION=2 ./scripts/package deb
    second=$(basename "$(deb_file 2)")
    cp "$out/$second" "$root/root/"
    rm -f "$out/$second"
    boot
    check "it installs without anything else, is started and gives an id" installs
    check "systemd finds nothing wrong with its unit" unit_is_clean
    check "man has its pages, and bash completes it" is_documented
    check "it runs as a user without rights" has_no_rights
    check "tags are made on the command line" can_be_administered
    check "an upgrade keeps configuration and ids, and starts the new program" upgrade_keeps
    check "systemctl stop drains, and that is a success" stop_drains
    check "a removal keeps configuration and ids" removal_keeps_ids
    check "a purge leaves nothing" purge_leaves_nothing
    shut_down
}

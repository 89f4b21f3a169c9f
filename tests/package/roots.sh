# Throwaway roots of Debian, made once and copied for each use, and a way to start one with its own systemd.
# Part of scripts/package-test.
# shellcheck shell=bash

nspawn="" # the program that holds a started root
booted="" # the process that is systemd in it, as seen from here

# need_root SUITE PACKAGE,…: $root is a fresh root of that Debian, without compilers and without this project.
need_root() {
    local suite=$1 packages=$2 cache mirror
    [[ $(id -u) -eq 0 ]] || die "run it as root: it makes a root of its own to install into"
    need_programs debootstrap=debootstrap
    cache="$tools/package-roots/$suite-$(printf '%s' "$packages" | sha256sum | cut -c 1-8)"
    if [[ ! -f $cache.ready ]]; then
        # From where this machine gets its own packages.
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
        [[ -n $mirror ]] || die "apt-get update first: where Debian's packages come from is not known"
        say "make a root of Debian $suite"
        rm -rf "$cache"
        mkdir -p "$cache"
        debootstrap --variant=minbase --include="$packages" "$suite" "$cache" "$mirror" >"$cache.log" 2>&1 \
            || { tail -n 20 "$cache.log" && die "debootstrap failed"; }
        touch "$cache.ready"
    fi
    root="$work/$suite"
    rm -rf "$root"
    cp -a "$cache" "$root"
}

# A command in the root, its network that of this machine; /proc and /dev are there while it runs.
in_root() { systemd-nspawn --quiet --register=no --keep-unit --directory="$root" "$@"; }

# Starts the root's systemd, with a network of its own.
boot() {
    need_programs systemd-nspawn=systemd-container
    systemd-nspawn --quiet --register=no --keep-unit --private-network --directory="$root" --boot \
        systemd.unified_cgroup_hierarchy=1 </dev/null >"$work/boot.log" 2>&1 &
    nspawn=$!
    at_end+=(shut_down)
    local state
    for _ in {1..600}; do
        booted=$(pgrep --parent "$nspawn" --exact systemd || true)
        if [[ -n $booted ]]; then
            state=$(inside systemctl is-system-running 2>/dev/null || true)
            [[ $state == running || $state == degraded ]] && return 0
        fi
        kill -0 "$nspawn" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$work/boot.log"
    die "the root's systemd did not start"
}

# A command in the started root.
inside() { nsenter --target "$booted" --mount --uts --ipc --net --pid --cgroup -- env DEBIAN_FRONTEND=noninteractive "$@"; }

# SIGRTMIN+4 is poweroff, for systemd.
shut_down() {
    [[ -n $nspawn ]] || return 0
    [[ -z $booted ]] || kill -s RTMIN+4 "$booted" 2>/dev/null || true
    for _ in {1..300}; do
        kill -0 "$nspawn" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$nspawn" 2>/dev/null || true
    wait "$nspawn" 2>/dev/null || true
    booted=""
    nspawn=""
}

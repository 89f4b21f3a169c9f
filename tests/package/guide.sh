# The commands of docs/install.md, as they stand there. Part of scripts/package-test.
# shellcheck shell=bash

# The block of commands below a heading, for the version and the machine at hand.
commands() { # HEADING
    awk -v heading="## $1" '$0 == heading { here = 1; next } /^## / { here = 0 } here && /^```sh$/ { block = 1; next }
        /^```$/ { block = 0 } block' docs/install.md >"$work/commands"
    [[ -s $work/commands ]] || { echo "docs/install.md has no commands below: $1" && return 1; }
    # Else the page speaks of another version than the one that was made.
    grep -q "$version" "$work/commands"
    printf 'set -e\n'
    cat "$work/commands"
}

# What was printed must have ids in the order in which the page takes them.
printed() { # FILE TEXT …
    local file=$1
    shift
    for text in "$@"; do
        grep -qF -- "$text" "$file" || { echo "not printed: $text" && cat "$file" && return 1; }
    done
}

guide_binary() {
    commands "The portable binary" >"$root/root/commands"
    cp "$out/id-alloc-$version-$arch-linux.tar.gz" "$root/root/"
    in_root --private-network bash -c 'cd /root && bash commands; status=$?; kill %% 2>/dev/null; exit $status' >"$work/said" 2>&1 \
        || { cat "$work/said" && return 1; }
    printed "$work/said" '"msg":"success","id":1}'
}

guide_deb() {
    commands "The Debian package" >"$root/root/commands"
    cp "$(deb_file)" "$root/root/"
    inside bash -c 'cd /root && bash commands' >"$work/said" 2>&1 || { cat "$work/said" && return 1; }
    printed "$work/said" '"msg":"success","id":1}' 'created order: the first id is 1, step 1000'
    tail -n 1 "$work/said" | grep -qx 1
}

# podman takes docker's commands; limits on open files are set to what any host allows.
guide_image() {
    mkdir -p "$work/bin"
    cat >"$work/bin/docker" <<END
#!/bin/bash
limits=()
[[ \$1 == run ]] && limits=(--ulimit nofile=1024:1024 --ulimit nproc=4096:4096)
first=\$1; shift
exec podman --root "$work/podman/root" --runroot "$work/podman/run" --runtime runc --cgroup-manager cgroupfs \
    --events-backend file "\$first" "\${limits[@]}" "\$@"
END
    chmod +x "$work/bin/docker"
    commands "The image" | sed "s|127.0.0.1:8880|127.0.0.1:$guide_port|g; s|-i id-alloc|-i $out/id-alloc|" >"$work/image-commands"
    env PATH="$work/bin:$PATH" bash "$work/image-commands" >"$work/said" 2>&1 || { cat "$work/said" && return 1; }
    printed "$work/said" '"msg":"success","id":1}' 'created order: the first id is 1, step 1000'
    tail -n 1 "$work/said" | grep -qx 1
}

# Says how long it took: docs/install.md promises less than a minute, which is for a person to look at.
timed() {
    local start=$SECONDS
    "$@"
    echo "$((SECONDS - start)) s" >"$work/time"
}

show_time() {
    [[ ! -f $work/time ]] || sed 's/^/        /' "$work/time"
    rm -f "$work/time"
}

part_guide() {
    ./scripts/package binary deb image
    need_programs podman=podman runc=runc curl=curl
    need_root bullseye ca-certificates,curl
    check "the portable binary, in Debian 11" timed guide_binary
    show_time
    need_root bookworm systemd,systemd-sysv,dbus,adduser,ca-certificates,curl,sudo
    boot
    check "the Debian package, in Debian 12" timed guide_deb
    show_time
    shut_down
    mkdir -p "$work/podman"
    at_end+=(end_pods)
    # Port 8880 of this machine may be taken.
    guide_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    check "the image, with podman as docker" timed guide_image
    show_time
    end_pods
}

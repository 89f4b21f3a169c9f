# The container image, started by podman with runc. Part of scripts/package-test.
# shellcheck shell=bash

# podman with storage of its own. runc, as it knows hosts with control groups of both versions; a limit on open files that
# any host allows.
pod() {
    podman --root "$work/podman/root" --runroot "$work/podman/run" --runtime runc --cgroup-manager cgroupfs \
        --events-backend file "$@"
}
run_pod() { pod run --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 "$@"; }

layers() { # prints the size of each layer that has files, oldest first
    pod history --format '{{.Size}}' "id-alloc:$version" | grep -v '^0 B$' | tac
}

is_small() {
    local size
    size=$(pod image inspect --format '{{.Size}}' "id-alloc:$version")
    echo "image of $size bytes, layers: $(layers | paste -sd ' ')"
    # The program grows; a whole distribution is more than ten times this.
    [[ $size -lt 60000000 ]]
}

is_labelled() {
    local all
    all=$(pod image inspect --format '{{json .Config}}' "id-alloc:$version")
    for part in "\"org.opencontainers.image.version\":\"$version\"" '"User":"10001:10001"' \
        '"Entrypoint":["/usr/bin/id-alloc"]' org.opencontainers.image.licenses; do
        [[ $all == *"$part"* ]] || { echo "no $part in $all" && return 1; }
    done
    # Its layers have no shell, and whoever looks for weak spots sees which packages they are from.
    pod create --name files "id-alloc:$version"
    pod export files | tar -t >"$work/files"
    pod rm files
    grep -qx 'var/lib/dpkg/status.d/libc6' "$work/files"
    grep -qx 'usr/bin/id-alloc' "$work/files"
    not grep -E '(^|/)(sh|bash|dash|busybox)$' "$work/files"
}

published() { pod port "$1" 8880/tcp | head -n 1; }

body() { # ADDRESS PATH: also of a refusal, after its status; waits for a server that is starting
    python3 - "http://$1$2" <<'END'
import sys, time, urllib.request, urllib.error
end = time.monotonic() + 30
while True:
    try:
        print(urllib.request.urlopen(sys.argv[1]).read().decode())
        break
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())
        break
    except OSError:
        if time.monotonic() > end:
            raise
        time.sleep(0.1)
END
}

serves_read_only() {
    run_pod --detach --name plain --read-only --cap-drop ALL --security-opt no-new-privileges \
        --volume ids:/var/lib/id-alloc --publish 127.0.0.1::8880 "id-alloc:$version"
    [[ $(body "$(published plain)" '/alloc?biz_tag=test') == '{"errno":0,"msg":"success","id":1}' ]]
    [[ $(pod inspect --format '{{.State.Pid}}' plain) -gt 0 ]]
    local pid
    pid=$(pod inspect --format '{{.State.Pid}}' plain)
    grep -q '^Uid:[[:space:]]*10001[[:space:]]*10001' "/proc/$pid/status"
    grep -q '^CapEff:[[:space:]]*0000000000000000' "/proc/$pid/status"
    # It is process 1 of its own world.
    grep -q '^NSpid:.*[[:space:]]1$' "/proc/$pid/status"
}

says_how_it_is() {
    pod healthcheck run plain
    [[ $(pod exec plain id-alloc health) == healthy* ]]
    # One without a database and without ids.
    run_pod --detach --name starved --read-only --env ID_ALLOC__DATABASE__URL=mysql://u@127.0.0.1:1/ids \
        --publish 127.0.0.1::8880 "id-alloc:$version"
    [[ $(body "$(published starved)" /livez) == *success* ]]
    not pod healthcheck run starved
    pod rm --force --time 0 starved
}

administers() {
    pod exec plain id-alloc tag create order --step 1000
    [[ $(pod exec plain id-alloc alloc order) == 1 ]]
}

drains() {
    local start=$SECONDS address
    address=$(published plain)
    # While it drains it says no to /health and still gives ids.
    pod stop --time 30 plain >"$work/stop" 2>&1 &
    local stopping=$!
    until [[ $(body "$address" /health) == 503* ]]; do
        kill -0 "$stopping" || { cat "$work/stop" && return 1; }
    done
    [[ $(body "$address" '/alloc?biz_tag=test') == *success* ]]
    wait "$stopping"
    [[ $(pod inspect --format '{{.State.ExitCode}}' plain) == 0 ]]
    echo "drained in $((SECONDS - start)) s"
    [[ $((SECONDS - start)) -lt 20 ]]
    pod logs plain 2>&1 | grep draining >/dev/null
}

volume_keeps_ids() {
    pod rm --force plain
    run_pod --detach --name again --read-only --volume ids:/var/lib/id-alloc --publish 127.0.0.1::8880 "id-alloc:$version"
    local id
    id=$(body "$(published again)" '/alloc?biz_tag=test' | sed 's/.*"id":\([0-9]*\).*/\1/')
    echo "the first id after the drain is $id"
    [[ $id -gt 2 ]]
}

end_pods() {
    [[ -d $work/podman ]] || return 0
    pod rm --all --force --time 0 >/dev/null 2>&1 || true
    pod volume rm --all --force >/dev/null 2>&1 || true
    pod rmi --all --force >/dev/null 2>&1 || true
    # An overlay that is still mounted must not be looked into.
    umount "$work/podman/root/overlay" 2>/dev/null || true
}

part_image() {
    [[ $(id -u) -eq 0 ]] || die "run it as root: podman's storage is in a folder of its own"
    ./scripts/package image
    need_programs podman=podman runc=runc
    mkdir -p "$work/podman"
    at_end+=(end_pods)
    pod load --quiet --input "$out/id-alloc-$version-$arch-image.tar"
    check "it is small" is_small
    is_small
    check "it is labelled, is for no root, and has no shell" is_labelled
    check "it serves with a read-only root, as no root, without capabilities, as process 1" serves_read_only
    check "its health check says yes and no" says_how_it_is
    check "tags are made inside it" administers
    check "SIGTERM drains: it says no to /health, gives ids, and ends with 0" drains
    check "a new container goes on with the ids of the volume" volume_keeps_ids
    end_pods
}

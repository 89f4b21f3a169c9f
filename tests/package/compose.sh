# deploy/compose.yaml, as the library that Docker Compose itself reads it with understands it. Nothing is started here.
# Part of scripts/package-test.
# shellcheck shell=bash

read_compose() {
    (cd deploy && compose-go compose.yaml) >"$work/compose.yaml" 2>"$work/compose.log" || { cat "$work/compose.log" && return 1; }
}

compose_fits() { "$venv/python" -B tests/package/compose.py "$work/compose.yaml" "$work/prometheus"; }

compose_prometheus() {
    cp dashboards/prometheus/recording.yml dashboards/prometheus/alerts.yml "$work/prometheus/"
    promtool check config "$work/prometheus/prometheus.yml"
}

compose_haproxy() {
    mkdir -p "$work/haproxy"
    # Names of containers are known to their network alone.
    env ID_ALLOC_UNPRIVILEGED=1 ID_ALLOC_BIND=:8880 ID_ALLOC_STATS=:8404 ID_ALLOC_SOCKET="$work/haproxy/s" \
        ID_ALLOC_SERVER_1=127.0.0.1:1 ID_ALLOC_SERVER_2=127.0.0.1:2 ID_ALLOC_SERVER_3=127.0.0.1:3 \
        haproxy -c -f deploy/haproxy.cfg
}

part_compose() {
    need_compose_go
    need_venv chart kubernetes-validate==1.37.0 PyYAML==6.0.3
    need_programs promtool=prometheus haproxy=haproxy
    mkdir -p "$work/prometheus"
    check "Compose's own reader accepts compose.yaml" read_compose
    check "files, ports and names in it fit together" compose_fits
    check "Prometheus accepts the configuration in it" compose_prometheus
    check "HAProxy accepts its settings" compose_haproxy
}

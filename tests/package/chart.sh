# The Helm chart: what it renders is what Kubernetes and id-alloc accept, and wrong values are refused.
# Part of scripts/package-test.
# shellcheck shell=bash

# Values that turn everything on.
everything=(
    --set database.existingSecret=db,tls.existingSecret=cert,alloc.tokensSecret=callers,admin.tokensSecret=ops
    --set podMonitor.enabled=true,prometheusRule.enabled=true,grafanaDashboards.enabled=true
    --set networkPolicy.egress.enabled=true,config.allocation.preload=recent,image.digest=
    --set-json 'networkPolicy.from=[{"namespaceSelector":{}}]' --set-json 'networkPolicy.metricsFrom=[{"podSelector":{}}]'
    --set-json 'networkPolicy.egress.to=[{"to":[{"ipBlock":{"cidr":"10.0.0.5/32"}}],"ports":[{"port":3306}]}]'
    --set-json 'image.pullSecrets=[{"name":"registry"}]' --set priorityClassName=high
    --set-json 'tolerations=[{"operator":"Exists"}]' --set-json 'nodeSelector={"a":"b"}'
    --set-json 'extraEnv=[{"name":"RUST_BACKTRACE","value":"1"}]'
    --set-json 'affinity={"nodeAffinity":{}}' --set-json 'podLabels={"team":"ids"}'
)
plain=(--set database.url=mysql://id_alloc:secret@mysql/ids)

render() { # FILE, values
    local file=$1
    shift
    helm template ids deploy/helm/id-alloc --namespace prod "$@" >"$file" 2>"$file.log" \
        || { cat "$file.log" && return 1; }
}

# refused TEXT VALUES: helm refuses them, and says so.
refused() {
    local text=$1
    shift
    if helm template ids deploy/helm/id-alloc "$@" >"$work/refused" 2>&1; then
        echo "accepted: $*"
        return 1
    fi
    grep -qF -- "$text" "$work/refused" || { cat "$work/refused" && return 1; }
}

lint() {
    helm lint --strict deploy/helm/id-alloc "$@" >"$work/lint" 2>&1 || { cat "$work/lint" && return 1; }
}

versions() {
    local line
    for line in "version: $version" "appVersion: $version"; do
        grep -qx "$line" deploy/helm/id-alloc/Chart.yaml || { echo "no '$line' in Chart.yaml" && return 1; }
    done
    grep -qx "ARG VERSION=$version" deploy/Dockerfile
    grep -q "image: id-alloc:$version$" deploy/kubernetes.yaml
    grep -q "image: id-alloc:$version$" deploy/compose.yaml
    for line in "id-alloc-$version-x86_64-linux.tar.gz" "id-alloc_$version-1_amd64.deb" "id-alloc-$version.tgz"; do
        grep -qF -- "$line" docs/install.md || { echo "docs/install.md does not speak of $line" && return 1; }
    done
}

# The configuration that the chart writes, read by id-alloc itself; names of files in it need not exist.
configuration() { # RENDERED
    "$venv/python" -B tests/package/chart.py config "$1" >"$work/config.json"
    ID_ALLOC__DATABASE__URL=mysql://u@h/d "$program" --config "$work/config.json" config check >"$work/checked"
    grep -q 'drain_delay = "10s"' "$work/checked"
}

# As it lies in the archive: links are files there.
packed() {
    ./scripts/package chart
    helm template ids "$out/id-alloc-$version.tgz" --namespace prod "${everything[@]}" >"$work/packed.yaml"
    cmp "$work/everything.yaml" "$work/packed.yaml"
}

rules() {
    "$venv/python" -B tests/package/chart.py rules "$work/everything.yaml" >"$work/rules.json"
    promtool check rules "$work/rules.json"
}

part_chart() {
    need_helm
    need_venv chart kubernetes-validate==1.37.0 PyYAML==6.0.3
    need_programs promtool=prometheus
    check "helm lint" lint "${plain[@]}"
    check "helm lint with everything on" lint "${everything[@]}"
    check "it renders" render "$work/plain.yaml" "${plain[@]}"
    check "it renders with everything on" render "$work/everything.yaml" "${everything[@]}"
    local kubernetes
    for kubernetes in 1.27 1.32 1.37; do
        check "Kubernetes $kubernetes accepts it" "$venv/python" -B tests/package/chart.py schema "$kubernetes" \
            "$work/plain.yaml" "$work/everything.yaml"
    done
    check "its parts fit together" "$venv/python" -B tests/package/chart.py fit "$work/plain.yaml" "$work/everything.yaml"
    check "it has the version of the program, and so have image, compose and Kubernetes files" versions
    check "it packs" packed
    check "Prometheus accepts its rules" rules
    if [[ -n ${program:-} ]]; then check "id-alloc accepts its configuration" configuration "$work/plain.yaml"; fi
    check "without a database it says what to set" refused "set database.existingSecret"
    check "a value that does not exist is refused" refused "'replicas' not allowed" "${plain[@]}" --set replicas=3
    check "an SQLite file is refused" refused "/database/url" --set database.url=sqlite://data/x.db
    check "a port that is none is refused" refused "/service/port" "${plain[@]}" --set service.port=0
    check "what the chart decides is refused in config" refused "/config/server" "${plain[@]}" --set config.server.port=1
    check "half a digest is refused" refused "/image/digest" "${plain[@]}" --set image.digest=sha256:12
}

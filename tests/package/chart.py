"""Looks at what `helm template` rendered. Part of scripts/package-test.

    chart.py schema VERSION FILE…   Kubernetes' own schemas accept each object, strictly
    chart.py fit FILE…              selectors, ports, secrets, times and rights fit together
    chart.py config FILE            prints the configuration that the servers get
    chart.py rules FILE             prints the groups of the PrometheusRule
"""

import json
import re
import sys
from pathlib import Path

import kubernetes_validate
import yaml

Object = dict[str, object]


def objects(file: str) -> list[Object]:
    return [one for one in yaml.safe_load_all(Path(file).read_text()) if one]


def only(file: str, kind: str) -> Object:
    found = [one for one in objects(file) if one["kind"] == kind and "helm.sh/hook" not in one["metadata"].get("annotations", {})]
    assert len(found) == 1, f"{len(found)} of kind {kind}"
    return found[0]


def schema(version: str, file: str) -> None:
    for one in objects(file):
        if one["apiVersion"].startswith("monitoring.coreos.com/"):
            continue  # a custom resource, which Kubernetes itself knows nothing of
        kubernetes_validate.validate(one, version, strict=True)


def seconds(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(s|m)", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def configuration(file: str) -> Object:
    maps = [one["data"] for one in objects(file) if one["kind"] == "ConfigMap"]
    (text,) = [data["config.json"] for data in maps if "config.json" in data]
    return json.loads(text)


def dashboards(file: str) -> list[Object]:
    maps = [one["data"] for one in objects(file) if one["kind"] == "ConfigMap"]
    return [json.loads(text) for data in maps for name, text in data.items() if name != "config.json"]


def fit(file: str) -> None:
    deployment = only(file, "Deployment")
    template = deployment["spec"]["template"]
    labels, pod = template["metadata"]["labels"], template["spec"]
    server = pod["containers"][0]
    job = only(file, "Job")["spec"]["template"]
    config = configuration(file)

    # Who selects the servers selects them all, and never the pod that migrates.
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        only(file, "Service")["spec"]["selector"],
        only(file, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        only(file, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    kinds = {one["kind"] for one in objects(file)}
    if "PodMonitor" in kinds:
        selectors.append(only(file, "PodMonitor")["spec"]["selector"]["matchLabels"])
    for selector in selectors:
        assert selector.items() <= labels.items(), selector
        assert not selector.items() <= job["metadata"]["labels"].items(), selector

    # Ports by name, and the program listens where they point.
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert ports["http"] == config["server"]["port"]
    assert config["telemetry"]["metrics_bind"].endswith(f":{ports['metrics']}")
    named = [server[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")]
    named += [port["targetPort"] for port in only(file, "Service")["spec"]["ports"]]
    named += [port["port"] for rule in only(file, "NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]]
    annotations = template["metadata"]["annotations"]
    if "PodMonitor" in kinds:
        named += [one["port"] for one in only(file, "PodMonitor")["spec"]["podMetricsEndpoints"]]
        assert "prometheus.io/scrape" not in annotations, "scraped twice"
    else:
        assert annotations["prometheus.io/port"] == str(ports["metrics"])
    assert set(named) <= ports.keys(), named

    # Kubernetes waits for the drain, and notices it before it ends.
    drain = seconds(config["server"]["drain_delay"])
    assert pod["terminationGracePeriodSeconds"] > drain + seconds(config["server"]["grace_period"]) + 1
    ready = server["readinessProbe"]
    assert ready["periodSeconds"] * ready["failureThreshold"] < drain
    assert ready["httpGet"]["path"] == "/readyz" and server["livenessProbe"]["httpGet"]["path"] == "/livez"

    # TLS is spoken by all or by none.
    scheme = "HTTPS" if "tls" in config["server"] else "HTTP"
    assert ready["httpGet"]["scheme"] == server["livenessProbe"]["httpGet"]["scheme"] == scheme
    if "PodMonitor" in kinds:
        endpoint = only(file, "PodMonitor")["spec"]["podMetricsEndpoints"][0]
        assert endpoint.get("scheme", "http") == scheme.lower()

    # Each file that the configuration names lies in a volume that is mounted.
    mounts = {mount["mountPath"]: mount["name"] for mount in server["volumeMounts"]}
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert set(mounts.values()) == volumes, (mounts, volumes)
    for section in (config["server"].get("tls", {}), config.get("alloc", {}), config.get("admin", {})):
        for key, path in section.items():
            if key.endswith("_file"):
                assert str(Path(path).parent) in mounts, path

    # The job uses its own password; secrets that the chart makes have both.
    keys = [container["env"][0]["valueFrom"]["secretKeyRef"] for container in (server, job["spec"]["containers"][0])]
    assert [key["key"] for key in keys] == ["database-url", "migrate-url"]
    if "Secret" in kinds:
        secret = only(file, "Secret")
        assert all(key["name"] == secret["metadata"]["name"] and key["key"] in secret["stringData"] for key in keys)
    assert job["spec"]["containers"][0]["args"][-2:] == ["migrate", "up"]

    # Nobody is root, and nobody writes.
    pods = [pod, job["spec"]] + [one["spec"] for one in objects(file) if one["kind"] == "Pod"]
    for spec in pods:
        assert spec["securityContext"]["runAsNonRoot"] and spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
            assert security["capabilities"] == {"drop": ["ALL"]}
    for board in dashboards(file):
        assert board["uid"].startswith("id-alloc-"), board["uid"]


def main(what: str, *arguments: str) -> None:
    if what == "schema":
        for file in arguments[1:]:
            schema(arguments[0], file)
    elif what == "fit":
        for file in arguments:
            fit(file)
    elif what == "config":
        print(json.dumps(configuration(arguments[0])))
    elif what == "rules":
        print(json.dumps({"groups": only(arguments[0], "PrometheusRule")["spec"]["groups"]}))
    else:
        sys.exit(f"what is {what}?")


if __name__ == "__main__":
    main(*sys.argv[1:])

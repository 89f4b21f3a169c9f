"""Looks at deploy/compose.yaml as Compose resolved it, and writes its Prometheus configuration into a folder.

Part of scripts/package-test.
"""

import re
import sys
from pathlib import Path

import yaml


def main(file: str, folder: str) -> None:
    compose = yaml.safe_load(Path(file).read_text())
    services = compose["services"]
    servers = [name for name in services if name.startswith("id-alloc-")]
    assert len(servers) == 3, servers

    # What is mounted is there.
    for name, service in services.items():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                assert Path(volume["source"]).is_file(), f"{name}: {volume['source']}"
            else:
                assert volume["source"] in compose["volumes"], f"{name}: {volume['source']}"
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", f"{name} is published beyond this machine"
        for other in service.get("depends_on", {}):
            assert other in services, f"{name} waits for {other}"

    # HAProxy is told about each server, by names that its file asks for.
    settings = services["haproxy"]["environment"]
    known = set(re.findall(r"ID_ALLOC_[A-Z0-9_]+", Path("deploy/haproxy.cfg").read_text()))
    assert set(settings) <= known, set(settings) - known
    assert {settings[f"ID_ALLOC_SERVER_{n}"] for n in (1, 2, 3)} == {f"{name}:8880" for name in servers}

    # Nobody is root, nobody writes, everybody has the time to drain.
    for name in servers:
        service = services[name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["stop_grace_period"] == "30s", name
        assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    password = services["mysql"]["environment"]["MYSQL_PASSWORD"]
    assert f":{password}@mysql:3306/" in services[servers[0]]["environment"]["ID_ALLOC__DATABASE__URL"]

    text = compose["configs"]["prometheus"]["content"]
    scrape = yaml.safe_load(text)["scrape_configs"]
    port = services[servers[0]]["environment"]["ID_ALLOC__TELEMETRY__METRICS_BIND"].rsplit(":", 1)[1]
    assert scrape[0]["static_configs"][0]["targets"] == [f"{name}:{port}" for name in servers]
    (Path(folder) / "prometheus.yml").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])

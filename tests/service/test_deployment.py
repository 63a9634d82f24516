"""What is deployed at scale names what there is: files, probes, metrics, settings, packages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from fastapi.testclient import TestClient

from service.settings import Settings

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SCALE: Final = {name: each for name, each in COMPOSE["services"].items() if "scale" in each.get("profiles", ())}
KUBERNETES: Final = ROOT / "deploy" / "kubernetes"
SERVERS: Final = "server"


def manifest(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((KUBERNETES / name).read_text())
    return found


def settings_named(environment: Any) -> set[str]:
    return {name.removeprefix("PENUMBRA_").lower() for name in environment if name.startswith("PENUMBRA_")}


def test_the_profile_is_apart() -> None:
    """Without it the compose file has the demo's server alone; with it, what the documentation says."""
    assert set(COMPOSE["services"]) - set(SCALE) == {"penumbra"}
    assert set(SCALE) == {SERVERS, "milvus", "proxy", "prometheus", "grafana"}
    assert SCALE[SERVERS]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", SCALE)
def test_each_is_closed_and_pinned(name: str) -> None:
    """Ports are on this machine's own address, privileges cannot be gained, images have versions, and what is mounted
    is there."""
    service = SCALE[name]
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert "no-new-privileges:true" in service["security_opt"]
    assert "build" in service or re.fullmatch(r"[\w/-]+:v?\d[\w.-]*", service["image"])
    for mount in service.get("volumes", ()):
        source = mount.partition(":")[0]
        assert not source.startswith("./") or (ROOT / source).is_file()
        assert source.startswith(("./", "$")) or source in COMPOSE["volumes"]


def test_servers_are_found_and_asked_whether_they_are_ready(client: TestClient) -> None:
    """Proxy and Prometheus ask the servers by the name and port that they have, for paths that there are."""
    proxy = (ROOT / "deploy/scale/haproxy.cfg").read_text()
    [path] = re.findall(r"httpchk GET (\S+)", proxy)
    assert client.get(path).status_code != 404
    assert f" {SERVERS}:8000 check" in proxy
    [job, milvus] = yaml.safe_load((ROOT / "deploy/scale/prometheus.yml").read_text())["scrape_configs"]
    assert (job["job_name"], job["dns_sd_configs"][0]["names"]) == ("penumbra", [SERVERS])
    assert milvus["static_configs"][0]["targets"] == ["milvus:9091"]


def test_settings_and_packages_are_those_there_are() -> None:
    """The settings in the environment exist, and the image gets pymilvus with all that it brings."""
    deployment = manifest("deployment.yaml")["spec"]["template"]["spec"]["containers"][0]
    named = settings_named(SCALE[SERVERS]["environment"]) | settings_named(each["name"] for each in deployment["env"])
    assert named <= set(Settings.model_fields)
    assert SCALE[SERVERS]["build"]["args"] == {"MILVUS": "1"}
    [names] = re.findall(r"\^\((pymilvus[^)]*)\)==", (ROOT / "Dockerfile").read_text())
    locked = {line.partition("==")[0] for line in (ROOT / "requirements-dev.lock").read_text().splitlines()}
    assert set(names.split("|")) <= locked


def test_kubernetes_manifests_belong_together(client: TestClient) -> None:
    """All are listed, select the same pods, probe paths that there are, roll without a gap, and follow a metric that
    the servers have."""
    listed = manifest("kustomization.yaml")["resources"]
    assert {path.name for path in KUBERNETES.iterdir()} == {"kustomization.yaml", *listed}
    deployment, scaler = manifest("deployment.yaml"), manifest("autoscaler.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == manifest("service.yaml")["spec"]["selector"]
    assert labels == manifest("disruption.yaml")["spec"]["selector"]["matchLabels"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": container["ports"][0]["name"]}
        assert client.get(path).status_code != 404
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    metric = scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert f"\n{metric} " in client.get("/metrics").text

"""docs/operations.md, the alerts and the dashboard say what is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml
from fastapi.testclient import TestClient

from service.settings import Limits

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "operations.md").read_text()


def test_every_metric_that_is_named_is_there(client: TestClient) -> None:
    """Page, alerts and dashboard ask only for metrics that the server has."""
    client.post("/search/text-to-image", json={"text": "a"})
    told = client.get("/metrics").text
    there = set(re.findall(r"^# TYPE (\w+)", told, re.MULTILINE))
    there |= {f"{name.removesuffix('_total')}_total" for name in there}
    there |= {f"{name}_{part}" for name in there for part in ("bucket", "sum", "count")}
    for name in ("docs/operations.md", "deploy/alerts.yml", "deploy/grafana.json"):
        named = set(re.findall(r"penumbra_[a-z_]+", (ROOT / name).read_text()))
        assert named <= there, name
    asked = (ROOT / "deploy/grafana.json").read_text()
    base = {re.sub(r"_(total|created)$", "", name) for name in re.findall(r"^# TYPE (\w+)", told, re.MULTILINE)}
    assert [name for name in base if name not in asked] == []


def test_every_alert_has_its_remedy() -> None:
    """The alerts are YAML, and each is on the page."""
    [group] = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())["groups"]
    assert all(rule["expr"] and rule["annotations"]["summary"] for rule in group["rules"])
    assert [rule["alert"] for rule in group["rules"] if rule["alert"] not in PAGE] == []


def test_the_dashboard_can_be_imported() -> None:
    """It is JSON, its panels have numbers of their own and do not overlap, and each asks the source that is chosen."""
    board: dict[str, Any] = json.loads((ROOT / "deploy/grafana.json").read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    [source] = board["templating"]["list"]
    assert all(panel["datasource"]["uid"] == f"${{{source['name']}}}" for panel in panels)


def test_the_compose_file_gives_nothing_away() -> None:
    """Read-only, without capabilities or new privileges, on this machine's own address; open about having no keys; its
    memory for uploads holds all that are let in at once, and no more.
    """
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["penumbra"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(str(port).startswith("127.0.0.1:") for port in service["ports"])
    assert service["environment"]["PENUMBRA_INSECURE"] == "${PENUMBRA_INSECURE:-true}"
    assert service["environment"]["PENUMBRA_HOSTS"] == '${PENUMBRA_HOSTS:-["localhost"]}'
    [temporary] = service["tmpfs"]
    limits = Limits()
    assert temporary == f"/tmp:size={limits.requests * limits.bytes // 2**20}m"
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER 10001", dockerfile, re.MULTILINE) and "/readyz" in dockerfile

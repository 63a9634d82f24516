"""Being watched: the log's lines, what queries look like against the calibration, traces, why it is not ready."""

from __future__ import annotations

import json
import logging
import logging.config
import re
import subprocess
import sys
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import noise_png
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from test_service_load import until

from models.calibration import Calibration, Direction
from models.checkpoint import save_calibration
from models.errors import ConfigError
from models.match import MatchHead
from models.reference import Reference
from service import tracing
from service.app import create_app
from service.drift import LEAST, WINDOW, Window, watch
from service.engine import Engine
from service.logs import JsonLines
from service.settings import Settings

TEXTS = "/search/text-to-image"
DECILES = tuple(n / 10 for n in range(1, 10))


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines of requests, as they would be written."""
    records = [record for record in caplog.records if record.name == "penumbra.requests"]
    return [json.loads(JsonLines().format(record)) for record in records]


@pytest.mark.parametrize("told", [False, True])
def test_one_line_a_request(settings: Settings, caplog: pytest.LogCaptureFixture, told: bool) -> None:
    """Each request is one line with its id, route, status and time; a text is in it where the setting says so alone."""
    app = create_app(settings.model_copy(update={"log_queries": told}))
    with TestClient(app) as client, caplog.at_level(logging.INFO, "penumbra.requests"):
        client.post(TEXTS, json={"text": "a secret red star"}, headers={"X-Request-ID": "mine-1"})
        client.get("/uncertainty", params={"text": "a secret red star"})
        client.get("/items/a-secret")
        client.get("/no-secret")
    found = lines(caplog)
    assert [(line["method"], line["route"], line["status"]) for line in found] == [
        ("POST", TEXTS, 200),
        ("GET", "/uncertainty", 200),
        ("GET", "/items/{id:path}", 404),
        ("GET", "none", 404),
    ]
    assert found[0]["id"] == "mine-1" and all(line["milliseconds"] > 0 for line in found)
    assert [line.get("text") for line in found[:2]] == [("a secret red star" if told else None)] * 2
    assert told or not [line for line in found if "secret" in json.dumps(line)]


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_a_line_is_a_line(message: str, fields: dict[str, Any]) -> None:
    """Whatever is told is one line of ASCII that JSON reads back: no text can forge a line or steer a terminal."""
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "%s", (message,), None)
    record.fields = fields
    line = JsonLines().format(record)
    assert line.isascii() and line.isprintable()
    assert json.loads(line)["message"] == fields.get("message", message)
    assert fields.items() <= json.loads(line).items()


def test_a_traceback_is_part_of_its_line() -> None:
    """An error is logged as one line too."""
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "it failed", (), sys.exc_info())
    assert "ValueError: broken" in json.loads(JsonLines().format(record))["traceback"]


def test_the_process_logs_json() -> None:
    """With the server's configuration all loggers, uvicorn's too, write JSON to stderr and nothing to stdout."""
    program = (
        "import logging.config; from service.logs import configuration, request;"
        "logging.config.dictConfig(configuration());"
        "logging.getLogger('uvicorn.error').info('Started'); logging.getLogger('uvicorn.access').info('GET /');"
        "request({'id': 'a'})"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == ["Started", "request"]


@given(st.lists(st.floats(0, 1), min_size=LEAST, max_size=400))
def test_the_index_is_its_formula(values: list[float]) -> None:
    """Σ (p − q) ln(p / q) with numpy's histogram; 0 or more."""
    window = Window(DECILES)
    for value in values:
        window.add(value)
    edges = [-np.inf, *(np.nextafter(each, 2) for each in DECILES), np.inf]
    counts = np.histogram(values, edges)[0]
    p = (counts + 0.5) / (len(values) + 5)
    assert window.shares == pytest.approx(counts / len(values))
    assert window.index == pytest.approx(sum((each - 0.1) * log(each / 0.1) for each in p), abs=1e-12)


def test_the_index_tells_drift_from_none() -> None:
    """Values of the reference's own distribution stay below 0.1, others rise above 0.25, and old ones are forgotten."""
    rng, window = np.random.default_rng(0), Window(DECILES)
    for value in rng.random(LEAST - 1):
        window.add(value)
    assert window.index is None
    for value in rng.random(WINDOW):
        window.add(value)
    assert window.index is not None and window.index < 0.1
    for value in rng.random(WINDOW) ** 3:
        window.add(value)
    assert window.index > 0.25
    for value in rng.random(WINDOW):
        window.add(value)
    assert window.index < 0.1


def calibration(seen: Reference | None) -> Calibration:
    heads = dict.fromkeys(Direction, MatchHead(0.5, 5.0))
    figures = {} if seen is None else {"seen": seen.to_dict()}
    return Calibration(heads, heads, {str(each): {**figures, "share": 0.1} for each in Direction})


def test_a_reference_is_read_back() -> None:
    """Deciles are torch's quantiles; a calibration without them, or of another share since, has none."""
    values = torch.rand(500, generator=torch.Generator().manual_seed(0))
    seen = Reference.of(values, values.square())
    assert seen.sigma == pytest.approx(np.quantile(values.numpy(), DECILES), abs=1e-6)
    stored = Calibration.from_dict(json.loads(json.dumps(calibration(seen).to_dict())))
    assert Reference.read(stored, Direction.TEXT_TO_IMAGE) == seen
    assert Reference.read(stored.for_share(0.2), Direction.TEXT_TO_IMAGE) is None
    assert watch(calibration(None)) == watch(None) == {}
    with pytest.raises(ValueError, match="nine"):
        Reference((0.2, 0.1) * 4 + (0.3,), DECILES)


def test_queries_are_held_against_the_calibration(settings: Settings) -> None:
    """Shares and index of both things are told for the directions that were asked; without a reference none are."""
    app = create_app(settings)
    engine: Engine = app.state.service.engine
    with TestClient(app) as client:
        assert "penumbra_query_decile_ratio{" not in client.get("/metrics").text
    metrics = app.state.service.metrics
    engine.watched.update(watch(calibration(Reference(DECILES, DECILES))))
    for _ in range(LEAST):
        metrics.query(engine, Direction.TEXT_TO_IMAGE, 0.95, 0.05)
    told, of = metrics.render().decode(), 'direction="text-to-image",gallery="default",of='
    assert f'penumbra_query_decile_ratio{{decile="10",{of}"sigma"}} 1.0' in told
    assert f'penumbra_query_decile_ratio{{decile="1",{of}"top_probability"}} 1.0' in told
    assert f'penumbra_query_drift_psi{{{of}"sigma"}}' in told
    assert 'penumbra_query_drift_psi{direction="image-to-text"' not in told
    assert engine.model.encoder.calibration is None


def test_each_gallery_is_watched_and_a_swap_begins_anew(settings: Settings, own: Path, tmp_path: Path) -> None:
    """Queries count for the gallery that they ask, against its model's calibration; the next gallery has none yet."""
    save_calibration(calibration(Reference(DECILES, DECILES)), own.parent / "model")
    app = create_app(settings.model_copy(update={"galleries": {"second": own}}))

    def shares(gallery: str) -> list[float]:
        told = client.get("/metrics").text
        pattern = (
            rf'penumbra_query_decile_ratio\{{decile="\d+",direction="text-to-image",gallery="{gallery}",of="sigma"\}}'
        )
        return [float(line.split()[-1]) for line in told.splitlines() if re.match(pattern, line)]

    with TestClient(app) as client:
        client.post(TEXTS, json={"text": "a red star"})
        assert (shares("default"), sum(shares("second"))) == ([], 0)
        client.post(TEXTS, json={"text": "a red star", "gallery": "second"})
        assert (shares("default"), sum(shares("second"))) == ([], 1)
        assert (
            'penumbra_query_sigma_count{direction="text-to-image",gallery="second"} 1.0' in client.get("/metrics").text
        )
        assert client.post("/galleries/second/reload").status_code == 200
        assert sum(shares("second")) == 0


def test_what_searches_tell(client: TestClient) -> None:
    """A search counts its σ and its greatest probability, one with a least probability its σ alone; batches count."""

    def count(name: str, label: str) -> float:
        text = client.get("/metrics").text
        found = [line for line in text.splitlines() if line.startswith(f"{name}_count{{{label}}}")]
        return float(found[0].split()[-1]) if found else 0.0

    asked = 'direction="text-to-image",gallery="default"'
    before = count("penumbra_query_sigma", asked), count("penumbra_query_top_probability", asked)
    client.post(TEXTS, json={"text": "a red star"})
    client.post(TEXTS, json={"text": "a red star", "min_match_probability": 0.01})
    client.post("/search/image-to-text", files={"image": noise_png(0)})
    after = count("penumbra_query_sigma", asked), count("penumbra_query_top_probability", asked)
    assert (after[0] - before[0], after[1] - before[1]) == (2, 1)
    assert count("penumbra_batch_inputs", 'modality="text"') >= 2
    assert count("penumbra_batch_inputs", 'modality="image"') >= 1


def test_why_it_is_not_ready(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warm-up that fails stays at 503 and says that it failed and where to look, and nothing of a secret."""
    app = create_app(settings)

    async def broken() -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(app.state.service.engine, "warm_up", broken)
    with TestClient(app) as client:
        until(lambda: "failed" in client.get("/readyz").text)
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "RuntimeError" in answer.json()["detail"] and "log" in answer.json()["detail"]
    assert "secret" not in answer.text


def test_spans(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is a span of its caller's trace with route and status, each stage one within it; none tells a text."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("service.app.collector", lambda endpoint: provider.get_tracer("test"))
    with TestClient(create_app(settings)) as client:
        client.get("/uncertainty", params={"text": "a secret red star"})
        client.post(TEXTS, json={"text": "a secret red star"})
        assert "secret" not in "".join(span.to_json() for span in exporter.get_finished_spans())
        exporter.clear()
        trace = "0af7651916cd43dd8448eb211c80319c"
        headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        client.post("/search/image-to-text", files={"image": noise_png(0)}, headers=headers)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    whole = spans["POST /search/image-to-text"]
    assert whole.attributes is not None and whole.attributes["http.response.status_code"] == 200
    assert f"{whole.context.trace_id:032x}" == trace
    for stage in ("decode", "encode", "uncertainty", "search"):
        span = spans[stage]
        assert span.parent is not None and span.parent.span_id == whole.context.span_id
        assert whole.start_time <= span.start_time <= span.end_time <= whole.end_time  # type: ignore[operator]


def test_traces_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages the setting is refused with the command that brings them; without the setting none is."""
    for name in ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk.trace"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"pip install 'penumbra\[tracing\]'"):
        tracing.collector("http://127.0.0.1:1/v1/traces")
    assert tracing.collector(None) is tracing.NOTHING

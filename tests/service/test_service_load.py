"""Under pressure: the bound on queries, the deadline, what is a bug, and the encoder's thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
import torch
from conftest import noise_png
from fastapi.testclient import TestClient

from models.gaussian import Gaussian
from service.app import create_app
from service.batching import Admission, EncodingWorker
from service.errors import OverloadedError
from service.settings import Limits, Settings

NOTHING = Gaussian(torch.zeros(1, 2), torch.zeros(1, 2))


def limited(settings: Settings, **limits: Any) -> Settings:
    return settings.model_copy(update={"limits": Limits(**limits)})


def until(condition: Any) -> None:
    """Wait for something that happens in another thread."""
    patience = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.005)


@contextmanager
def busy(worker: EncodingWorker) -> Iterator[Event]:
    """Keep the encoder's thread from its queue, until the block ends or the event is set."""
    release, begun = Event(), Event()

    def wait() -> Gaussian:
        begun.set()
        release.wait(20)
        return NOTHING

    worker.submit(wait, cost=0)
    begun.wait(10)
    try:
        yield release
    finally:
        release.set()


def test_too_many_queries(settings: Settings) -> None:
    """One query more than the server takes is 429 with Retry-After; the others are answered, and then there is room."""
    app = create_app(limited(settings, queue=2))
    engine = app.state.service.engine
    with TestClient(app) as client, ThreadPoolExecutor(2) as threads:
        until(lambda: app.state.service.ready)
        with busy(engine.worker):
            waiting = [threads.submit(client.get, "/uncertainty", params={"text": "a"}) for _ in range(2)]
            until(lambda: engine.admission.count == 2)
            for refused in (
                client.post("/search/text-to-image", json={"text": "a"}),
                client.post("/search/image-to-text", data={"image_id": "plain"}),
                client.post("/uncertainty", files={"image": noise_png(0)}),
            ):
                assert refused.status_code == 429
                assert int(refused.headers["Retry-After"]) >= 1
                assert refused.headers["content-type"] == "application/problem+json"
            assert "penumbra_queries 2.0" in client.get("/metrics").text
            assert client.get("/healthz").status_code == 200
        assert [each.result().status_code for each in waiting] == [200, 200]
        assert client.get("/uncertainty", params={"text": "a"}).status_code == 200


def test_deadline(settings: Settings) -> None:
    """A query that is not answered in time is 504, is not encoded afterwards, and leaves its place to the next."""
    app = create_app(limited(settings, queue=1, deadline_seconds=0.2))
    engine = app.state.service.engine
    with TestClient(app) as client:
        until(lambda: app.state.service.ready)
        with busy(engine.worker):
            late = client.post("/search/text-to-image", json={"text": "a"})
            assert (late.status_code, late.headers["content-type"]) == (504, "application/problem+json")
            assert "0.2 seconds" in late.json()["detail"]
            assert engine.admission.count == 0
        assert client.post("/search/text-to-image", json={"text": "a"}).status_code == 200


def test_bugs_are_logged_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody foresaw is 500 with the request's id and nothing of the error; the log has one traceback of it."""
    app = create_app(settings)

    def broken(identifier: str) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(app.state.service.engine, "describe", broken)
    with TestClient(app) as client, caplog.at_level(logging.ERROR):
        response = client.get("/items/plain", headers={"X-Request-ID": "mine-7"})
    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert response.json()["request_id"] == response.headers["X-Request-ID"] == "mine-7"
    assert "secret" not in response.text
    [record] = caplog.records
    assert record.exc_info is not None
    assert "mine-7" in record.getMessage()


def test_request_ids(client: TestClient) -> None:
    """A caller's id comes back when it is fit for a log; else each request gets a new one."""
    assert client.get("/healthz", headers={"X-Request-ID": "a-1"}).headers["X-Request-ID"] == "a-1"
    made = {client.get("/healthz", headers={"X-Request-ID": "a b"}).headers["X-Request-ID"] for _ in range(2)}
    assert len(made) == 2 and "a b" not in made


def test_hops_put_cheap_jobs_first() -> None:
    """Jobs that waited together are computed by cost, then in their order; none is lost beyond the batch."""
    worker = EncodingWorker(batch=4, prepare=lambda: None)
    done: list[str] = []

    def job(name: str) -> Any:
        return lambda: done.append(name) or NOTHING

    with busy(worker):
        futures = [worker.submit(job(name), cost) for name, cost in (("p1", 1), ("t1", 0), ("p2", 1), ("t2", 0))]
        futures.append(worker.submit(job("t3"), 0))
        assert worker.waiting == 5
    assert all(future.result(10) is NOTHING for future in futures)
    worker.close()
    assert done == ["t1", "t2", "p1", "p2", "t3"]


def test_a_failing_job_fails_alone() -> None:
    """An error goes to the one who asked; the thread goes on; a job given up is not computed."""
    worker = EncodingWorker(batch=8, prepare=lambda: None)
    computed: list[int] = []
    with busy(worker):
        failing = worker.submit(lambda: 1 / 0, 0)  # type: ignore[arg-type, return-value]
        given_up = worker.submit(lambda: computed.append(1) or NOTHING, 0)  # type: ignore[func-returns-value]
        after = worker.submit(lambda: NOTHING, 0)
        assert given_up.cancel()
    assert isinstance(failing.exception(10), ZeroDivisionError)
    assert after.result(10) is NOTHING
    worker.close()
    assert computed == []


def test_admission_gives_places_back() -> None:
    """A place is given back after an error too, and no more are given than there are."""
    admission = Admission(1)
    with pytest.raises(KeyError), admission():
        raise KeyError
    with admission(), pytest.raises(OverloadedError), admission():
        pass
    assert admission.count == 0

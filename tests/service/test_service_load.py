"""Under pressure: the bound on queries, the deadline, clients that leave, and what is a bug."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Semaphore
from typing import Any

import pytest
from conftest import noise_png
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import Message
from torch import Tensor

from index.giving_up import GivenUpError, go_on
from index.items import Modality
from index.searching.retriever import SearchOptions
from models.gaussian import Gaussian
from service.app import create_app
from service.engine import Engine
from service.settings import Limits, Settings


def limited(settings: Settings, **limits: Any) -> Settings:
    return settings.model_copy(update={"limits": Limits(**limits)})


def until(condition: Any) -> None:
    """Wait for something that happens in another thread."""
    patience = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < patience
        time.sleep(0.005)


@contextmanager
def busy(engine: Engine) -> Iterator[Event]:
    """Keep texts from being encoded, until the block ends or the event is set."""
    release, begun = Event(), Event()
    encoder, encode = engine.model.encoder, engine.model.encoder.encode_tokens

    def wait(ids: Tensor, lengths: Tensor) -> Gaussian:
        begun.set()
        release.wait(20)
        return encode(ids, lengths)

    encoder.encode_tokens = wait  # type: ignore[method-assign]
    engine.worker.submit(Modality.TEXT, (1, 2))
    assert begun.wait(10)
    encoder.encode_tokens = encode  # type: ignore[method-assign]
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
        with busy(engine):
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
        with busy(engine):
            late = client.post("/search/text-to-image", json={"text": "a"})
            assert (late.status_code, late.headers["content-type"]) == (504, "application/problem+json")
            assert "0.2 seconds" in late.json()["detail"]
            assert engine.admission.count == 0
        assert client.post("/search/text-to-image", json={"text": "a"}).status_code == 200


def test_a_late_search_ends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has begun is told that its caller was answered 504, and gives its thread back."""
    app = create_app(limited(settings, deadline_seconds=0.2))
    engine, ended = app.state.service.engine, Event()

    def search(*asked: object) -> None:
        try:
            for _ in range(2_000):
                go_on()
                time.sleep(0.005)
        except GivenUpError:
            ended.set()
            raise

    with TestClient(app) as client:
        until(lambda: app.state.service.ready)
        with monkeypatch.context() as during:
            during.setattr(engine._retriever, "search", search)
            assert client.post("/search/text-to-image", json={"text": "a"}).status_code == 504
            assert ended.wait(5)
        assert client.post("/search/text-to-image", json={"text": "a"}).status_code == 200


@pytest.mark.parametrize("through_all", [{"rerank": "exhaustive"}, {"filter": {"id": {"gte": "a"}}}])
def test_what_goes_through_a_gallery_holds_up_no_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, through_all: dict[str, Any]
) -> None:
    """A search of a shortlist is answered while one that may look at every item goes on."""
    app = create_app(settings)
    engine, begun, release = app.state.service.engine, Event(), Event()
    search = engine._retriever.search

    def slow(query: Gaussian, direction: Any, options: SearchOptions) -> Any:
        if options.top_k == 3:
            begun.set()
            release.wait(20)
        return search(query, direction, options)

    with TestClient(app) as client, ThreadPoolExecutor(1) as threads:
        until(lambda: app.state.service.ready)
        monkeypatch.setattr(engine._retriever, "search", slow)
        long = threads.submit(client.post, "/search/text-to-image", json={"text": "a", "top_k": 3, **through_all})
        assert begun.wait(10)
        assert client.post("/search/text-to-image", json={"text": "a"}).status_code == 200
        assert not long.done()
        release.set()
        assert long.result().status_code == 200


def test_searches_go_one_after_the_other(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of shortlists: two at once would take the interpreter from each other."""
    app = create_app(settings)
    engine, inside, most = app.state.service.engine, Semaphore(1), []
    search = engine._retriever.search

    def counted(*asked: Any) -> Any:
        most.append(inside.acquire(blocking=False))
        time.sleep(0.01)
        found = search(*asked)
        inside.release()
        return found

    with TestClient(app) as client, ThreadPoolExecutor(6) as threads:
        until(lambda: app.state.service.ready)
        monkeypatch.setattr(engine._retriever, "search", counted)
        asked = [threads.submit(client.post, "/search/text-to-image", json={"text": "a"}) for _ in range(6)]
        assert all(each.result().status_code == 200 for each in asked)
    assert most == [True] * 6


def test_a_client_that_has_gone_is_not_computed_for(settings: Settings) -> None:
    """Its query is taken back: no answer is sent, its place is free, and the encoder never sees it."""
    app = create_app(settings)
    engine = app.state.service.engine
    with TestClient(app) as client:
        until(lambda: app.state.service.ready)
        with busy(engine):
            assert asyncio.run(leave(app, until_waiting=lambda: engine.worker.waiting == 1)) == []
            assert engine.admission.count == 0
            assert engine.worker._lanes[Modality.TEXT].take() == []
        assert 'status="499"' in client.get("/metrics").text
        assert client.post("/search/text-to-image", json={"text": "a"}).status_code == 200


async def leave(app: FastAPI, until_waiting: Callable[[], bool]) -> list[Message]:
    """Search, and hang up as soon as something holds; returns what was sent all the same."""
    sent: list[Message] = []
    messages = iter([{"type": "http.request", "body": b'{"text": "a"}'}])

    async def receive() -> Message:
        if (message := next(messages, None)) is not None:
            return message
        while not until_waiting():
            await asyncio.sleep(0.005)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    path, headers = "/search/text-to-image", [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    await asyncio.wait_for(app(scope, receive, send), 10)
    return sent


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

"""A gallery replaced while it is searched: no request fails, and what is broken is refused for all to see."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from conftest import noise_png, save_model
from fastapi.testclient import TestClient
from test_service_load import busy, until

from index.files.manifest import read_manifest
from index.lifecycle.publish import point
from models.calibration import Calibration, Direction
from models.checkpoint import save_calibration
from models.match import MatchHead
from service.app import create_app
from service.engine import Engine
from service.galleries import Galleries
from service.hangup import on_hangup
from service.settings import Settings


@pytest.fixture
def client(settings: Settings, link: Path) -> Iterator[TestClient]:
    """Serves what the link leads to."""
    app = create_app(settings.model_copy(update={"gallery": link}))
    with TestClient(app) as client:
        until(lambda: app.state.service.ready)
        yield client


def galleries(client: TestClient) -> Galleries:
    found: Galleries = cast(Any, client.app).state.service.galleries
    return found


def requests(client: TestClient) -> list[tuple[int, Any]]:
    """One of each kind; status and answer."""
    answers = [
        client.post("/search/text-to-image", json={"text": "a red star"}),
        client.post("/search/image-to-text", files={"image": noise_png(1)}),
        client.post("/search/image-to-text", data={"image_id": "plain"}),
        client.get("/uncertainty", params={"text": "a ring"}),
        client.get("/items/plain"),
        client.get("/uncertainty", params={"modality": "image"}),
    ]
    return [(answer.status_code, answer.json()) for answer in answers]


def test_no_request_fails_through_swaps(client: TestClient, link: Path, own: Path, tmp_path: Path) -> None:
    """While the server goes to and fro between two models' galleries, each answer is wholly one's or the other's."""
    before = requests(client)
    point(link, tmp_path / "next" / "gallery")
    assert client.post("/reload").status_code == 200
    after = requests(client)
    assert all(one[1] != other[1] for one, other in zip(before, after, strict=True))
    end = Event()

    def ask() -> list[list[tuple[int, Any]]]:
        found = []
        while not end.is_set():
            found.append(requests(client))
        return found

    with ThreadPoolExecutor(3) as threads:
        asking = [threads.submit(ask) for _ in range(3)]
        for gallery in (own, tmp_path / "next" / "gallery") * 3:
            point(link, gallery)
            assert client.post("/reload").json()["outcome"] == "switched"
        end.set()
        rounds = [found for each in asking for found in each.result()]
    answers = [(place, answer) for found in rounds for place, answer in enumerate(found)]
    assert len(answers) > 50
    assert all(answer in (before[place], after[place]) for place, answer in answers)
    assert client.get("/info").json()["galleries"]["default"]["last_swap"]["outcome"] == "switched"
    assert 'penumbra_swaps_total{gallery="default",outcome="switched"} 7.0' in client.get("/metrics").text


def test_a_running_query_ends_on_the_old_gallery(client: TestClient, link: Path, tmp_path: Path) -> None:
    """Its answer has the old fingerprint, though the new gallery answers others meanwhile; then the old one goes."""
    old = galleries(client).default.engine
    point(link, tmp_path / "next" / "gallery")
    with ThreadPoolExecutor(1) as threads, busy(old):
        waiting = threads.submit(client.post, "/search/text-to-image", json={"text": "a"})
        until(lambda: old.worker.waiting == 1)
        assert client.post("/reload").status_code == 200
        new = client.post("/search/text-to-image", json={"text": "a"}).json()["fingerprints"]
        assert any(thread.is_alive() for thread in old.worker._threads)
    assert waiting.result().status_code == 200
    assert waiting.result().json()["fingerprints"]["gallery"] == old.fingerprint != new["gallery"]
    until(lambda: not any(thread.is_alive() for thread in old.worker._threads))


def cut_means(gallery: Path) -> str:
    path = gallery / "image.means.npy"
    path.write_bytes(path.read_bytes()[:-7])
    return "image.means.npy has"


def other_model(gallery: Path) -> str:
    shutil.rmtree(gallery.parent / "model")
    save_model(gallery.parent / "model", seed=2)
    return "was made by the model"


def no_gallery(gallery: Path) -> str:
    shutil.rmtree(gallery)
    return "manifest.json is missing"


@pytest.mark.parametrize("damage", [cut_means, other_model, no_gallery])
def test_a_broken_gallery_is_refused(
    damage: Callable[[Path], str],
    client: TestClient,
    link: Path,
    own: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The old one goes on; why stands in the answer, /info, /readyz, a metric and one line of the log."""
    before, fingerprint = requests(client), read_manifest(own).fingerprint
    named = damage(tmp_path / "next" / "gallery")
    point(link, tmp_path / "next" / "gallery")
    with caplog.at_level(logging.ERROR):
        refused = client.post("/reload")
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert named in refused.json()["detail"]
    swap = client.get("/info").json()["galleries"]["default"]["last_swap"]
    assert (swap["outcome"], swap["before"], swap["after"]) == ("refused", fingerprint, None)
    assert swap["error"] == refused.json()["detail"]
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["refused_swaps"]) == (200, {"default": swap["error"]})
    assert 'penumbra_swaps_total{gallery="default",outcome="refused"} 1.0' in client.get("/metrics").text
    [record] = caplog.records
    assert named in record.getMessage() and record.exc_info is None
    assert requests(client) == before
    point(link, own)
    assert client.post("/reload").status_code == 200
    assert client.get("/readyz").json()["refused_swaps"] == {}


def test_a_gallery_that_cannot_answer_is_refused(
    client: TestClient, link: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails in the warm-up is never switched to, is closed, and an error nobody foresaw has its traceback."""
    before = requests(client)

    async def broken(engine: Engine) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(Engine, "warm_up", broken)
    point(link, tmp_path / "next" / "gallery")
    with caplog.at_level(logging.ERROR):
        refused = client.post("/reload")
    assert refused.status_code == 409
    assert "secret" not in refused.text
    assert caplog.records[0].exc_info is not None
    until(lambda: len(galleries(client).workers.encodings._in_use) == 1)
    assert requests(client) == before


def test_a_full_server_can_be_swapped(client: TestClient, link: Path, tmp_path: Path) -> None:
    """The warm-up takes no place from queries, so that a server which refuses queries still takes up a gallery."""
    engine = galleries(client).default.engine
    point(link, tmp_path / "next" / "gallery")
    with ThreadPoolExecutor(40) as threads, busy(engine):
        waiting = [threads.submit(client.get, "/uncertainty", params={"text": "a"}) for _ in range(40)]
        until(lambda: engine.admission.count == 40)
        assert client.post("/search/text-to-image", json={"text": "a"}).status_code == 429
        assert client.post("/reload").status_code == 200
    assert {each.result().status_code for each in waiting} == {200}


def test_a_new_calibration_is_taken_up(client: TestClient, own: Path) -> None:
    """Though the fingerprint stays, and with it the encoder."""
    encoding = galleries(client).default.engine.encoding
    plain = client.post("/search/text-to-image", json={"text": "a ring"}).json()
    heads = dict.fromkeys(Direction, MatchHead(1.0, 0.5))
    save_calibration(Calibration(heads, heads, {}), own.parent / "model")
    assert client.post("/reload").status_code == 200
    calibrated = client.post("/search/text-to-image", json={"text": "a ring"}).json()
    assert galleries(client).default.engine.encoding is encoding
    assert (plain["calibrated"], calibrated["calibrated"]) == (False, True)
    assert client.get("/info").json()["model"]["calibrated"] is True
    assert {hit["id"]: hit["raw_match_probability"] for hit in plain["results"]} == {
        hit["id"]: hit["raw_match_probability"] for hit in calibrated["results"]
    }


def test_hangup() -> None:
    """SIGHUP runs what was asked for, as often as it comes, and no longer than the block."""
    before, times = signal.getsignal(signal.SIGHUP), 0

    async def react() -> None:
        nonlocal times
        times += 1

    async def scenario() -> None:
        with on_hangup(react):
            for expected in (1, 2):
                os.kill(os.getpid(), signal.SIGHUP)
                while times < expected:
                    await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(scenario(), 10))
    assert times == 2
    assert signal.getsignal(signal.SIGHUP) == before

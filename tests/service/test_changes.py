"""Items that come, are replaced and go while the gallery is searched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, cast
from urllib.parse import quote

import pytest
from conftest import IDS, noise_png
from fastapi.testclient import TestClient
from test_service_load import until

from index.changes.change import Addition
from index.changes.lock import locked
from index.lifecycle.living import LivingGallery
from index.local.gallery import Gallery
from models.artifact import publish
from models.errors import ArtifactError
from service.app import create_app
from service.settings import Compaction, Limits, Settings


@pytest.fixture
def changing(settings: Settings, own: Path) -> Settings:
    """Of a server that may change its own gallery."""
    limits = Limits(bytes=300_000, pixels=1_000_000, changes=4)
    return settings.model_copy(update={"gallery": own, "writable": True, "limits": limits})


@pytest.fixture
def client(changing: Settings) -> Iterator[TestClient]:
    """Speaks to it."""
    with TestClient(create_app(changing), raise_server_exceptions=False) as client:
        yield client


def caption(identifier: str, text: str = "a green ring", **more: Any) -> dict[str, Any]:
    return {"id": identifier, "text": text, **more}


def add(client: TestClient, *captions: dict[str, Any]) -> Any:
    return client.post("/items", json={"items": captions})


def found(client: TestClient, route: str, **asked: Any) -> list[str]:
    """The ids of all that a search ranks."""
    fields = {"top_k": 50, "rerank": "exhaustive", **asked}
    given = {"json": fields} if "text" in asked else {"data": fields}
    answer = client.post(f"/search/{route}", **given)
    assert answer.status_code == 200
    return [hit["id"] for hit in answer.json()["results"]]


def changes(client: TestClient, gallery: str = "default") -> dict[str, Any]:
    told: dict[str, Any] = client.get("/info").json()["galleries"][gallery]["changes"]
    return told


def test_captions_are_found_by_the_next_search_and_after_a_restart(changing: Settings, own: Path) -> None:
    """Those of one batch all at once; they are on the disk when the answer comes, and in every later server."""
    new = [caption("n 1", meta={"by": ["me"]}, label="x"), caption("n/2", "a blue star", image_id="plain")]
    with TestClient(create_app(changing)) as client:
        answer = add(client, *new)
        assert answer.status_code == 201
        assert answer.headers["Location"] == "/items/n%201"
        with Gallery.open(own) as reader:
            assert reader.find("n 1") and reader.find("n/2")
            assert answer.json()["fingerprints"]["gallery"] == reader.fingerprint
        ranked = found(client, "image-to-text", image_id="plain")
        assert len(ranked) == 26 and {"n 1", "n/2"} <= set(ranked)
        shown = client.get("/items/n%201").json()
        assert shown == answer.json()["items"][0]
        assert (shown["text"], shown["meta"], shown["label"]) == ("a green ring", {"by": ["me"]}, "x")
        alike = client.get("/uncertainty", params={"text": "a green ring"}).json()["uncertainty"]
        assert shown["uncertainty"]["sigma"] == pytest.approx(alike["sigma"], abs=2e-6)
    with TestClient(create_app(changing)) as client:
        assert found(client, "image-to-text", image_id="plain") == ranked
        assert client.get("/items/n%201").json() == shown


def test_an_image_is_as_a_build_has_it(client: TestClient, gallery: Path) -> None:
    """The file of a picture that was built comes under another id: same Gaussian, same thumbnail, captions beside."""
    file = (gallery.parent / "corpus" / "0.png").read_bytes()
    form = {"id": "tw/in", "captions": ["a red star", "star 0"], "meta": json.dumps({"n": 1}), "label": "y"}
    answer = client.post("/items", data=form, files={"image": file})
    assert answer.status_code == 201
    assert [each["id"] for each in answer.json()["items"]] == ["tw/in", "tw/in#0", "tw/in#1"]
    built, came = client.get("/items/plain").json(), client.get("/items/tw%2Fin").json()
    assert came["uncertainty"]["sigma"] == pytest.approx(built["uncertainty"]["sigma"], rel=1e-3)
    assert (came["meta"], came["label"], came["image_id"]) == ({"n": 1}, "y", "tw/in")
    assert client.get(came["image_url"]).content == client.get(built["image_url"]).content
    assert client.get("/items/tw%2Fin%231").json()["image_id"] == "tw/in"
    order = found(client, "text-to-image", text="a red star")
    assert len(order) == 13 and abs(order.index("tw/in") - order.index("plain")) == 1


def test_an_item_that_went_is_found_no_more(client: TestClient) -> None:
    """An image takes its captions with it; what is not there cannot go."""
    gone = client.delete("/items/with%20space")
    assert (gone.status_code, gone.content) == (204, b"")
    assert sorted(found(client, "text-to-image", text="a")) == sorted(set(IDS) - {"with space"})
    assert not [each for each in found(client, "image-to-text", image_id="plain") if each.startswith("with space")]
    for identifier in ("with space", "with space#0"):
        assert client.get(f"/items/{quote(identifier, safe='')}").status_code == 404
        assert client.delete(f"/items/{quote(identifier, safe='')}").status_code == 404
    assert client.get("/info").json()["gallery"]["counts"] == {"image": 11, "text": 22}


def test_items_are_replaced(client: TestClient) -> None:
    """A caption by another text; an image by another file, with its captions or with new ones."""
    replaced = client.put("/items/plain%230", json={"text": "a yellow square", "image_id": "plain"})
    assert (replaced.status_code, replaced.json()["items"][0]["text"]) == (200, "a yellow square")
    assert client.get("/items/plain%230").json()["text"] == "a yellow square"
    before = client.get("/items/plain/image")
    assert client.put("/items/plain", files={"image": noise_png(77)}).status_code == 200
    after = client.get("/items/plain/image", headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status_code, after.content != before.content) == (200, True)
    assert client.get("/items/plain%230").json()["text"] == "a yellow square"
    assert client.put("/items/plain", data={"captions": ["a"]}, files={"image": noise_png(78)}).status_code == 200
    assert [client.get(f"/items/plain%23{n}").status_code for n in (0, 1)] == [200, 404]
    assert client.get("/info").json()["gallery"]["counts"] == {"image": 12, "text": 23}


def test_a_replaced_picture_has_another_path(client: TestClient) -> None:
    """Its own path is new each time and kept for good, the old one is not kept; other pictures keep theirs."""

    def url(identifier: str) -> str:
        found: str = client.get(f"/items/{identifier}").json()["image_url"]
        return found

    first, other = url("plain"), url("noise-1")
    for seed in (77, 78):
        before = url("plain")
        client.put("/items/plain", files={"image": noise_png(seed)})
        assert url("plain") not in (first, before)
        assert "immutable" in client.get(url("plain")).headers["Cache-Control"]
        assert "immutable" not in client.get(before).headers["Cache-Control"]
    assert client.get(first).content == client.get(url("plain")).content
    assert url("noise-1") == other


ONE = {"items": [caption("new")]}
REFUSED: list[tuple[int, str, dict[str, Any]]] = [
    (409, "already has an item 'plain#0'", {"json": {"items": [caption("new"), caption("plain#0")]}}),
    (409, "no image of the gallery", {"json": {"items": [caption("new"), caption("b", image_id="nowhere")]}}),
    (409, "named twice", {"json": {"items": [caption("new"), caption("new")]}}),
    (409, "already has an item", {"data": {"id": "plain"}, "files": {"image": noise_png(1)}}),
    (422, "holds no word", {"json": {"items": [caption("new"), caption("b", "?!")]}}),
    (422, "1,000 allowed", {"json": {"items": [caption("new"), caption("b", "a " * 600)]}}),
    (422, "more than the 4 allowed", {"json": {"items": [caption(f"new{n}") for n in range(5)]}}),
    (422, "'items'", {"json": {"items": []}}),
    (422, "items.0.text", {"json": {"items": [{"id": "new"}]}}),
    (422, "did you mean 'meta'", {"json": {"items": [caption("new", metta={})]}}),
    (422, "meta cannot be kept", {"content": b'{"items": [{"id": "new", "text": "a", "meta": {"x": NaN}}]}'}),
    (422, "meta cannot be kept", {"content": b'{"items": [{"id": "new", "text": "a", "meta": {"x": "\\ud800"}}]}'}),
    (422, "control characters", {"json": {"items": [caption("new\n")]}}),
    (422, "items.0.id", {"json": {"items": [caption("")]}}),
    (422, "must be a JSON object", {"content": b"[]"}),
    (422, "not JSON", {"content": b"{"}),
    (400, "cannot be parsed", {"content": b"\xff"}),
    (400, "cannot be parsed", {"content": b"[" * 200_000}),
    (413, "300,000 bytes", {"content": b" " * 300_001}),
    (422, "picture", {"data": {"id": "new"}, "files": {"image": b"no picture"}}),
    (422, "must be a file", {"data": {"id": "new"}, "files": {"image": (None, "text")}}),
    (422, "meta is not JSON", {"data": {"id": "new", "meta": "{"}, "files": {"image": noise_png(1)}}),
    (422, "more than the 4", {"data": {"id": "new", "captions": ["a"] * 4}, "files": {"image": noise_png(1)}}),
    (415, "Content-Type", {"content": b"{}", "headers": {"content-type": "text/plain"}}),
    (404, "no gallery 'hats'", {"json": {**ONE, "gallery": "hats"}}),
]


@pytest.mark.parametrize(("status", "named", "body"), REFUSED)
def test_a_refused_change_changes_nothing(
    shared_client: TestClient, status: int, named: str, body: dict[str, Any]
) -> None:
    """Of a batch with one bad item nothing comes; the answer says in a sentence what is wrong."""
    before = shared_client.get("/info").json()["gallery"]["fingerprint"]
    headers = {"content-type": "application/json"} if "content" in body else {}
    answer = shared_client.post("/items", **{"headers": headers, **body})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert named in answer.json()["detail"]
    assert shared_client.get("/info").json()["gallery"]["fingerprint"] == before
    assert shared_client.get("/items/new").status_code == 404


@pytest.fixture(scope="module")
def shared_client(settings: Settings, gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of a copy that no test changes."""
    folder = tmp_path_factory.mktemp("unchanged") / "own"
    shutil.copytree(gallery.parent, folder)
    limits = Limits(bytes=300_000, pixels=1_000_000, changes=4)
    changed = {"gallery": folder / "gallery", "writable": True, "limits": limits}
    with TestClient(create_app(settings.model_copy(update=changed)), raise_server_exceptions=False) as client:
        yield client


def test_what_is_not_there_is_not_replaced(shared_client: TestClient) -> None:
    """It is 404; and an image is no caption."""
    assert shared_client.put("/items/nowhere", json={"text": "a"}).status_code == 404
    assert shared_client.put("/items/nowhere", files={"image": noise_png(1)}).status_code == 404
    wrong = shared_client.put("/items/plain", json={"text": "a"})
    assert (wrong.status_code, "modality image" in wrong.json()["detail"]) == (409, True)


def test_a_server_that_may_not_change(changing: Settings, own: Path) -> None:
    """Without being told to it refuses every change with 403, says so in /info, and leaves no lock and no journal."""
    with TestClient(create_app(changing.model_copy(update={"writable": False}))) as client:
        for answer in (add(client, caption("new")), client.delete("/items/plain")):
            assert (answer.status_code, "--writable" in answer.json()["detail"]) == (403, True)
        assert client.put("/items/plain", files={"image": noise_png(1)}).status_code == 403
        assert "--writable" in changes(client)["refused"]
        with locked(own):
            pass
    assert not (own / "changes.journal").exists()


def test_another_process_changes_the_gallery(changing: Settings, own: Path) -> None:
    """The server starts and answers; changes are 409 and say who has it, until that ends: then they are made."""
    with locked(own), TestClient(create_app(changing)) as client:
        assert client.post("/search/text-to-image", json={"text": "a"}).status_code == 200
        refused = add(client, caption("new"))
        assert (refused.status_code, "Retry-After" in refused.headers) == (409, True)
        assert "being changed by process" in refused.json()["detail"]
        assert changes(client)["refused"] == refused.json()["detail"]
    with TestClient(create_app(changing)) as client:
        assert add(client, caption("new")).status_code == 201


def test_the_lock_is_taken_when_it_is_free(changing: Settings, own: Path) -> None:
    """A server that started beside another writer takes over at the first change after that one, with its changes."""
    other = LivingGallery.open(own)
    with TestClient(create_app(changing)) as client:
        other.remove(["plain"])
        other.close()
        assert add(client, caption("new")).status_code == 201
        assert changes(client)["refused"] is None
        assert client.get("/items/plain").status_code == 404


def test_a_disk_that_fails(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is 507 with what the index says of it; the server goes on."""

    def full(living: LivingGallery, additions: Sequence[Addition]) -> None:
        raise ArtifactError("changes.journal cannot be written (No space left on device), and nothing was changed")

    monkeypatch.setattr(LivingGallery, "add", full)
    answer = add(client, caption("new"))
    assert (answer.status_code, "No space left" in answer.json()["detail"]) == (507, True)
    assert client.delete("/items/plain").status_code == 204


def test_a_search_does_not_wait_for_a_change(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk takes its time every search is answered, without what is not there yet."""
    release, begun, really = Event(), Event(), LivingGallery.add

    def slow(living: LivingGallery, additions: Sequence[Addition]) -> None:
        begun.set()
        release.wait(20)
        really(living, additions)

    monkeypatch.setattr(LivingGallery, "add", slow)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(add, client, caption("new"))
        assert begun.wait(10)
        assert "new" not in found(client, "image-to-text", image_id="plain")
        assert not waiting.done()
        release.set()
        assert waiting.result().status_code == 201
    assert "new" in found(client, "image-to-text", image_id="plain")


def test_changes_do_not_pile_up(changing: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for the disk holds its place though its caller has given up: beyond them 429, before a body is
    read; and when the disk is back there is room, and what was begun was made.
    """
    release, really = Event(), LivingGallery.remove

    def slow(living: LivingGallery, identifiers: Sequence[str]) -> None:
        release.wait(20)
        really(living, identifiers)

    monkeypatch.setattr(LivingGallery, "remove", slow)
    app = create_app(changing.model_copy(update={"limits": Limits(queue=2)}))
    with TestClient(app) as client:
        for identifier in ("plain", "noise-1"):
            late = client.delete(f"/items/{identifier}", headers={"X-Deadline-Ms": "50"})
            assert late.status_code == 504
        for refused in (client.delete("/items/noise-2"), client.post("/items", content=b"{"), client.put("/items/a")):
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        assert client.get("/items/noise-2").status_code == 200
        release.set()
        until(lambda: app.state.service.engine.admission.count == 0)
        assert [client.get(f"/items/{each}").status_code for each in ("plain", "noise-1", "noise-2")] == [404, 404, 200]
        assert client.delete("/items/noise-2").status_code == 204


def test_compaction(changing: Settings, own: Path) -> None:
    """When there are enough changes the gallery is built anew with them, once, in the background; answers stay."""
    wanted = changing.model_copy(update={"compaction": Compaction(changes=3, share=0)})
    with TestClient(create_app(wanted)) as client:
        add(client, caption("n1"), caption("n2", "a blue star"))
        assert changes(client) == {
            "refused": None,
            "added": 2,
            "removed": 0,
            "generation": 0,
            "compacting": False,
            "last_compaction": None,
        }
        client.delete("/items/plain%231")
        until(lambda: changes(client)["last_compaction"])
        told, ranked = changes(client), found(client, "image-to-text", image_id="plain")
        assert (told["added"], told["removed"], told["generation"], told["compacting"]) == (0, 0, 1, False)
        assert told["last_compaction"]["error"] is None
        assert len(ranked) == 25 and {"n1", "n2"} <= set(ranked) and "plain#1" not in ranked
        text = client.get("/metrics").text
        assert 'penumbra_gallery_generation{gallery="default"} 1.0' in text
        assert 'penumbra_compactions_total{gallery="default",outcome="done"} 1.0' in text
        assert add(client, caption("n3")).status_code == 201
    with Gallery.open(own) as gallery:
        assert gallery.pending.added == 1 and gallery.find("n1") and gallery.find("n3")


def test_a_compaction_that_fails(
    changing: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost, why is in /info and the log, and it is tried again when as many changes more have come."""
    tries: list[int] = []

    def full(living: LivingGallery, *_: Any) -> None:
        tries.append(living.pending.added)
        raise ArtifactError("there is no room")

    monkeypatch.setattr(LivingGallery, "compact", full)
    wanted = changing.model_copy(update={"compaction": Compaction(changes=2, share=0)})
    with TestClient(create_app(wanted)) as client:
        for n in range(5):
            assert add(client, caption(f"n{n}")).status_code == 201
            until(lambda: not changes(client)["compacting"])
        assert tries == [2, 4]
        assert changes(client)["last_compaction"]["error"] == "there is no room"
        assert len(caplog.records) == 2
        assert len(found(client, "image-to-text", image_id="plain")) == 29


def test_a_gallery_swapped_for_itself_keeps_its_changes(client: TestClient) -> None:
    """A reload of the very folder that is changed keeps the right to change it, loses nothing, and changes go on."""
    state = cast(Any, client.app).state.service
    engine, holding = state.engine, state.engine.holding
    add(client, caption("n1"))
    assert client.post("/reload").status_code == 200
    assert state.engine is not engine
    assert state.engine.holding is holding
    assert client.get("/items/n1").status_code == 200
    assert add(client, caption("n2")).status_code == 201
    assert client.post("/reload").status_code == 200
    assert {"n1", "n2"} <= set(found(client, "image-to-text", image_id="plain"))


def test_a_folder_replaced_by_another(client: TestClient, own: Path, gallery: Path) -> None:
    """A reload takes up what lies there now, and it may be changed as soon as the old one has gone."""
    add(client, caption("n1"))
    shutil.copytree(gallery, own.parent / "fresh")
    publish(own.parent / "fresh", own)
    refused = add(client, caption("lost"))
    assert (refused.status_code, "replaced by another program" in refused.json()["detail"]) == (507, True)
    assert client.post("/reload").status_code == 200
    assert client.get("/items/n1").status_code == 404
    until(lambda: changes(client)["refused"] is None)
    assert add(client, caption("n2")).status_code == 201
    assert cast(Any, client.app).state.service.engine.gallery.pending.added == 1
    with Gallery.open(own) as reader:
        assert reader.find("n2") and not reader.find("n1")


def test_galleries_are_changed_apart(changing: Settings, another: Path, tmp_path: Path) -> None:
    """A change of one, by path or by name in the body, leaves the other as it was."""
    shutil.copytree(another.parent, tmp_path / "second")
    with TestClient(
        create_app(changing.model_copy(update={"galleries": {"b": tmp_path / "second/gallery"}}))
    ) as client:
        assert client.post("/galleries/b/items", json={"items": [caption("n1")]}).headers["Location"] == (
            "/galleries/b/items/n1"
        )
        assert client.post("/items", json={"items": [caption("n2")], "gallery": "b"}).status_code == 201
        form = {"id": "n3", "gallery": "b"}
        assert client.post("/items", data=form, files={"image": noise_png(1)}).status_code == 201
        assert client.delete("/galleries/b/items/plain").status_code == 204
        assert [client.get(f"/galleries/b/items/{each}").status_code for each in ("n1", "n2", "n3", "plain")] == [
            200,
            200,
            200,
            404,
        ]
        assert [client.get(f"/items/{each}").status_code for each in ("n1", "n2", "n3", "plain")] == [
            404,
            404,
            404,
            200,
        ]
        assert (changes(client)["added"], changes(client, "b")["added"]) == (0, 3)

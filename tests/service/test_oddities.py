"""What an audit found odd, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import IDS, noise_png
from fastapi.testclient import TestClient

from index.building.build import match_heads
from index.exploring.audit import AUDIT, audit, write_audit
from index.local.gallery import Gallery
from models import checkpoint
from service import oddities
from service.app import create_app
from service.settings import Settings


@pytest.fixture
def audited(own: Path, settings: Settings) -> Iterator[TestClient]:
    """A server whose gallery has an audit, and may be changed."""
    heads = match_heads(checkpoint.load(own.parent / "model"))
    with Gallery.open(own) as gallery:
        write_audit(own, audit(gallery, heads))
    with TestClient(create_app(settings.model_copy(update={"gallery": own, "writable": True}))) as client:
        yield client


def ask(client: TestClient, kind: str, **more: Any) -> Any:
    return client.get("/oddities", params={"kind": kind, "limit": 50, **more}).json()


def test_mismatched_images(audited: TestClient) -> None:
    """All images, the one with the worst caption first, each with its captions and the probability of the worst."""
    found = ask(audited, "mismatched")
    assert (found["kind"], found["modality"], found["total"], found["current"]) == ("mismatched", "image", 12, True)
    assert sorted(each["item"]["id"] for each in found["items"]) == sorted(IDS)
    worst = [each["match_probability"] for each in found["items"]]
    assert worst == sorted(worst)
    for each in found["items"]:
        assert each["match_probability"] == min(own["match_probability"] for own in each["captions"])
        assert [own["id"] for own in each["captions"]] == [f"{each['item']['id']}#{n}" for n in (0, 1)]
        assert (each["occurrences"], each["expected"], found["hubness"]) == (None, None, None)


def test_a_probability_is_that_of_a_search(audited: TestClient) -> None:
    """It is what searching with the caption in closed form says of its image."""
    for each in ask(audited, "mismatched")["items"][:3]:
        for own in each["captions"]:
            search = {"text": own["text"], "rerank": "closed_form", "top_k": 12}
            hits = audited.post("/search/text-to-image", json=search).json()["results"]
            [hit] = (hit for hit in hits if hit["id"] == each["item"]["id"])
            # A stored caption was rounded.
            assert own["match_probability"] == pytest.approx(hit["match_probability"], abs=2e-3)


def test_mismatched_captions(audited: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """All captions, the worst first; of a list that was cut, those that no other could come before."""
    images, texts = ask(audited, "mismatched")["items"], ask(audited, "mismatched", modality="text")["items"]
    pairs = sorted((own["match_probability"], own["id"]) for each in images for own in each["captions"])
    assert sorted((each["match_probability"], each["item"]["id"]) for each in texts) == pairs
    assert [each["match_probability"] for each in texts] == [probability for probability, _ in pairs]
    monkeypatch.setattr(oddities, "LISTED", 12)
    last = images[-1]["match_probability"]
    assert ask(audited, "mismatched", modality="text")["total"] == sum(each[0] <= last for each in pairs)


@pytest.mark.parametrize(("modality", "expected"), [("image", 20), ("text", 5)])
def test_hubs(audited: TestClient, modality: str, expected: float) -> None:
    """Those that occur most first, beside what chance would give, which is the same for all."""
    found = ask(audited, "hubs", modality=modality)
    counts = [each["occurrences"] for each in found["items"]]
    asked = {"image": 24, "text": 12}[modality]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == 10 * asked
    assert {each["expected"] for each in found["items"]} == {expected}
    assert {each["item"]["modality"] for each in found["items"]} == {modality}
    assert (found["hubness"]["queries"], found["hubness"]["answers"]) == (asked, 10)
    assert all(each["captions"] == [] and each["match_probability"] is None for each in found["items"])


def test_pages_follow_each_other(audited: TestClient) -> None:
    """They join to the whole list, and each tells its length."""
    whole = ask(audited, "mismatched")
    pages = [ask(audited, "mismatched", limit=5, offset=at) for at in (0, 5, 10, 15)]
    assert [item for page in pages for item in page["items"]] == whole["items"]
    assert {page["total"] for page in pages} == {12}


def test_what_went_is_left_out(audited: TestClient) -> None:
    """An image, a caption, and an id that another kind of item has now; the audit is no longer of this gallery."""
    audited.delete("/items/plain")
    audited.delete("/items/noise-1%230")
    audited.delete("/items/noise-2")
    audited.post("/items", json={"items": [{"id": "noise-2", "text": "a ring"}]})
    found = ask(audited, "mismatched")
    assert (found["current"], found["total"]) == (False, 10)
    shown = {each["item"]["id"]: [own["id"] for own in each["captions"]] for each in found["items"]}
    assert set(shown) == set(IDS) - {"plain", "noise-2"}
    assert shown["noise-1"] == ["noise-1#1"]
    assert not {"plain#0", "noise-1#0", "noise-2"} & {
        each["item"]["id"] for kind in ("mismatched", "hubs") for each in ask(audited, kind, modality="text")["items"]
    }


def test_a_replaced_image_is_shown_as_it_is(audited: TestClient) -> None:
    """It keeps its place until the next audit, and the answer says that the gallery has changed."""
    audited.put("/items/plain", files={"image": noise_png(90)})
    found = ask(audited, "mismatched")
    [each] = (each for each in found["items"] if each["item"]["id"] == "plain")
    assert (found["current"], each["item"]) == (False, audited.get("/items/plain").json())


@pytest.mark.parametrize("content", [None, "{}"])
def test_without_an_audit(audited: TestClient, own: Path, content: str | None) -> None:
    """Where there is none, or none that can be read, 404 names the command that makes it."""
    (own / AUDIT).unlink()
    if content is not None:
        (own / AUDIT).write_text(content)
    response = audited.get("/oddities", params={"kind": "hubs"})
    assert (response.status_code, response.json()["title"]) == (404, "Not audited")
    assert "`penumbra index audit`" in response.json()["detail"]


@pytest.mark.parametrize(
    "params", [{}, {"kind": "ugly"}, {"kind": "hubs", "limit": 51}, {"kind": "hubs", "offset": -1}]
)
def test_refused(audited: TestClient, params: dict[str, Any]) -> None:
    """A kind is needed, and a page within its limits."""
    assert audited.get("/oddities", params=params).status_code == 422

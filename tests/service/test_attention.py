"""What the model looks at, over HTTP: of a text, of an upload, of an item."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import noise_png
from fastapi.testclient import TestClient

import service.encoding
from models.checkpoint import LoadedModel
from models.image import encode_png
from models.runtimes.choose import Equipped, equip
from models.runtimes.runtime import Network, RuntimeEncoder
from service.app import create_app
from service.settings import Settings


def test_of_a_text(client: TestClient) -> None:
    """A weight for each word as it was read, which together are 1, for both branches."""
    response = client.get("/attention", params={"text": " A zorbly RED star. "})
    found = response.json()
    assert (found["modality"], found["text"], found["id"]) == ("text", "A zorbly RED star.", None)
    assert (found["words"], found["unknown_words"]) == (["a", "zorbly", "red", "star"], ["zorbly"])
    assert (found["grid"], found["area"]) == (None, None)
    for branch in ("mean", "variance"):
        assert len(found[branch]) == 4
        assert sum(found[branch]) == pytest.approx(1, abs=1e-5)
        assert 0 < found["marks"][branch] < 1
    assert response.headers["Server-Timing"].startswith("attention;dur=")


def test_of_an_upload(client: TestClient) -> None:
    """A weight for each cell of the grid, and where the grid lies on a picture that is not square."""
    wide = encode_png(np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8))
    found = client.post("/attention", files={"image": wide}).json()
    assert (found["modality"], found["text"], found["words"], found["marks"]) == ("image", None, None, None)
    assert found["area"]["width"] == pytest.approx(found["area"]["height"] / 2, abs=0.01)
    assert found["area"]["left"] == pytest.approx((1 - found["area"]["width"]) / 2, abs=0.01)
    for branch in ("mean", "variance"):
        assert len(found[branch]) == found["grid"]["height"] * found["grid"]["width"]
        assert sum(found[branch]) == pytest.approx(1, abs=1e-4)


def test_of_an_item(client: TestClient) -> None:
    """An image's is that of its stored picture, a text's that of its text; each says whose it is."""
    image = client.get("/attention", params={"id": "folder/image"}).json()
    stored = client.get("/items/folder%2Fimage/image").content
    assert image == {**client.post("/attention", files={"image": stored}).json(), "id": "folder/image"}
    text = client.get("/attention", params={"id": "plain#0"}).json()
    assert text == {**client.get("/attention", params={"text": "a red star"}).json(), "id": "plain#0"}


@pytest.mark.parametrize(
    ("params", "status"),
    [({}, 422), ({"text": "a", "id": "plain"}, 422), ({"text": "?!"}, 422), ({"id": "none"}, 404)],
)
def test_refused(client: TestClient, params: dict[str, str], status: int) -> None:
    """Exactly one of text and id; a text with words, an item that is there."""
    assert client.get("/attention", params=params).status_code == status
    assert client.post("/attention", files={"image": b"no picture"}).status_code == 422


def test_a_full_server_refuses(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a place among the queries, or 429."""
    monkeypatch.setattr("service.admission.Admission.full", property(lambda _: True))
    assert client.get("/attention", params={"text": "a"}).status_code == 429
    assert client.post("/attention", files={"image": noise_png(0)}).status_code == 429


def test_another_runtime_changes_nothing(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the networks are computed without weights in torch, attention still is."""

    def elsewhere(model: LoadedModel, *arguments: Any) -> Equipped:
        found = equip(model, *arguments)
        compute = {Network.IMAGE: model.encoder.encode_pixels, Network.TEXT: model.encoder.encode_tokens}
        encoder = RuntimeEncoder(model.encoder, compute).eval()
        return Equipped(LoadedModel(encoder, model.fingerprint, model.directory), found.choices)

    monkeypatch.setattr(service.encoding, "equip", elsewhere)
    with TestClient(create_app(settings)) as other:
        for params in ({"text": "a ring"}, {"id": "plain"}):
            assert other.get("/attention", params=params).json() == client.get("/attention", params=params).json()

"""Several galleries in one server: chosen by name, kept apart, sharing what they can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from conftest import noise_png
from fastapi.testclient import TestClient

from cli.serve import named
from models.errors import ConfigError
from service.app import create_app
from service.galleries import Galleries
from service.settings import Settings, read


@pytest.fixture(scope="module")
def two(settings: Settings, another: Path) -> Iterator[TestClient]:
    """A server with the usual gallery, another model's, and the usual one again under a third name."""
    galleries = {"other": another, "same": settings.gallery}
    with TestClient(create_app(settings.model_copy(update={"galleries": galleries}))) as client:
        yield client


def galleries_of(client: TestClient) -> Galleries:
    found: Galleries = cast(Any, client.app).state.service.galleries
    return found


def test_each_answers_as_it_would_alone(two: TestClient, client: TestClient, settings: Settings, another: Path) -> None:
    """By path, by the body's field and by default; but for the addresses of pictures, which lead to the same bytes."""
    question = {"text": "a red star"}
    with TestClient(create_app(settings.model_copy(update={"gallery": another}))) as alone:
        expected = alone.post("/search/text-to-image", json=question).json()
        picture = alone.get("/items/with%20space/image").content
    assert (
        two.post("/search/text-to-image", json=question).json()
        == client.post("/search/text-to-image", json=question).json()
    )
    by_path = two.post("/galleries/other/search/text-to-image", json=question).json()
    assert two.post("/search/text-to-image", json={**question, "gallery": "other"}).json() == by_path
    url = f"/galleries/other{expected['results'][0]['image_url']}"
    assert by_path["results"][0]["image_url"] == url
    assert two.get(url).status_code == 200
    assert two.get("/galleries/other/items/with%20space/image").content == picture
    for hit in (*expected["results"], *by_path["results"]):
        del hit["image_url"]
    assert by_path == expected
    assert by_path["fingerprints"] != two.post("/search/text-to-image", json=question).json()["fingerprints"]


def test_every_route_of_a_gallery(two: TestClient) -> None:
    """Each answers under the gallery's name with that gallery's fingerprint or uncertainty."""
    base = "/galleries/other"
    info = two.get(f"{base}/info").json()
    assert info["model"]["fingerprint"] == info["galleries"]["other"]["fingerprints"]["model"]
    answers = [
        two.post(f"{base}/search/image-to-text", files={"image": noise_png(3)}).json(),
        two.post("/search/image-to-text", data={"gallery": "other"}, files={"image": noise_png(3)}).json(),
    ]
    assert answers[0] == answers[1]
    assert answers[0]["fingerprints"]["gallery"] == info["gallery"]["fingerprint"]
    default, other = (two.get(f"{at}/uncertainty", params={"text": "a ring"}).json() for at in ("", base))
    assert default["uncertainty"] != other["uncertainty"]
    default, other = (two.get(f"{at}/items/plain").json() for at in ("", base))
    assert default["uncertainty"] != other["uncertainty"]
    assert other["image_url"].startswith(f"{base}/items/plain/image?v=")
    assert two.get(f"{base}/uncertainty/histogram", params={"modality": "text"}).json()["total"] == 24
    default, other = (two.get(f"{at}/attention", params={"text": "a ring"}).json() for at in ("", base))
    assert default["mean"] != other["mean"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/galleries/hats/info", None),
        ("GET", "/galleries/hats/items/plain", None),
        ("POST", "/galleries/hats/search/text-to-image", {"text": "a"}),
        ("POST", "/search/text-to-image", {"text": "a", "gallery": "hats"}),
        ("POST", "/galleries/hats/reload", None),
        ("DELETE", "/galleries/hats/items/plain", None),
    ],
)
def test_an_unknown_gallery(two: TestClient, method: str, path: str, body: Any) -> None:
    """It is 404, and those there are are named."""
    answer = two.request(method, path, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"] == "There is no gallery 'hats' here; those there are: 'default', 'other', 'same'."


def test_two_names_in_one_request(two: TestClient) -> None:
    """A path and a body that name two galleries are refused; that name one twice are not."""
    path = "/galleries/other/search/text-to-image"
    refused = two.post(path, json={"text": "a", "gallery": "same"})
    assert refused.status_code == 422
    assert "'other' and the body 'same'" in refused.json()["detail"]
    assert two.post(path, json={"text": "a", "gallery": "other"}).status_code == 200


def test_one_encoder_for_one_model(two: TestClient) -> None:
    """Galleries of the same fingerprint share the encoder and its thread, others have their own."""
    served = galleries_of(two).served
    assert served["default"].engine.encoding is served["same"].engine.encoding
    assert served["default"].engine.encoding is not served["other"].engine.encoding
    assert {name: each["default"] for name, each in two.get("/info").json()["galleries"].items()} == {
        "default": True,
        "other": False,
        "same": False,
    }


def test_metrics_are_by_gallery(two: TestClient) -> None:
    """Every gallery has its items, under its name."""
    text = two.get("/metrics").text
    for name in ("default", "other", "same"):
        assert f'penumbra_gallery_items{{gallery="{name}",modality="image"}} 12.0' in text
        assert f'penumbra_swaps_total{{gallery="{name}",outcome="refused"}} 0.0' in text


def test_names_on_the_command_line() -> None:
    """The first answers by default and may be named; the others must be, each differently."""
    assert named(["a/b"]) == {"gallery": Path("a/b"), "gallery_name": None, "galleries": None}
    assert named(["x=a", "y=b/c=d"]) == {"gallery": Path("a"), "gallery_name": "x", "galleries": {"y": Path("b/c=d")}}
    assert named(["./x=a"])["gallery"] == Path("./x=a")
    for wrong in (["a", "b"], ["x=a", "x=b"], ["a", "y=b", "y=c"]):
        with pytest.raises(ConfigError):
            named(wrong)


@pytest.mark.parametrize("value", ['{"default": "b"}', '{"a/b": "b"}', '{"": "b"}', "shoes"])
def test_bad_names_in_the_environment(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Two galleries of one name, and names that could not stand in a path, are refused."""
    monkeypatch.setenv("PENUMBRA_GALLERIES", value)
    with pytest.raises(ConfigError):
        read(gallery="a")


def test_galleries_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping as JSON."""
    monkeypatch.setenv("PENUMBRA_GALLERIES", '{"shoes": "b"}')
    assert read(gallery="a", gallery_name="hats").galleries == {"shoes": Path("b")}

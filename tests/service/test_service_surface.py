"""What the server says of itself: OpenAPI, info, metrics, pages."""

from __future__ import annotations

import re
from inspect import isasyncgenfunction, iscoroutinefunction
from pathlib import Path
from typing import Any, get_args

from fastapi.testclient import TestClient

from index.files.manifest import read_manifest
from service import answers, exploring_answers
from service.api import examples
from service.api.places import GalleryEngine, PathGallery, ServedGallery, in_path
from service.state import ServiceState

OF_A_GALLERY = {
    ("post", "/search/text-to-image"),
    ("post", "/search/image-to-text"),
    ("get", "/uncertainty"),
    ("post", "/uncertainty"),
    ("get", "/uncertainty/words"),
    ("get", "/uncertainty/histogram"),
    ("get", "/oddities"),
    ("get", "/attention"),
    ("post", "/attention"),
    ("get", "/items/{id}"),
    ("get", "/items/{id}/image"),
    ("get", "/info"),
    ("post", "/items"),
    ("put", "/items/{id}"),
    ("delete", "/items/{id}"),
    ("post", "/reload"),
}
OF_THE_SERVER = {("get", "/healthz"), ("get", "/readyz"), ("get", "/metrics")}
ROUTES = OF_A_GALLERY | {(method, "/galleries/{gallery}" + path) for method, path in OF_A_GALLERY} | OF_THE_SERVER


def operations(client: TestClient) -> dict[tuple[str, str], dict[str, Any]]:
    paths = client.get("/openapi.json").json()["paths"]
    return {(method, path): found for path, methods in paths.items() for method, found in methods.items()}


def test_every_route_has_an_example(client: TestClient) -> None:
    """The OpenAPI document has all routes, and for each an example of its answer and a sentence."""
    found = operations(client)
    assert set(found) == ROUTES
    for operation in found.values():
        [answer] = (found for status, found in operation["responses"].items() if status in ("200", "201", "204"))
        assert all(content["example"] for content in answer.get("content", {}).values())
        assert "content" in answer or "204" in operation["responses"]
        assert operation["description"]


def test_every_field_is_described(client: TestClient) -> None:
    """Each field that a caller may send is described, in JSON, in a form and in a query."""
    document = client.get("/openapi.json").json()
    for name in ("TextSearch", "ImageSearch", "ImageUpload"):
        schema = document["components"]["schemas"][name]
        assert schema["additionalProperties"] is False
        assert all(field.get("description") for field in schema["properties"].values())
    for method, path in (("post", "/items"), ("put", "/items/{id}")):
        for content in operations(client)[method, path]["requestBody"]["content"].values():
            assert content["schema"]["additionalProperties"] is False
            assert all(field.get("description") for field in content["schema"]["properties"].values())
    for path in ("/uncertainty", "/uncertainty/words", "/uncertainty/histogram", "/attention", "/oddities"):
        parameters = operations(client)["get", path]["parameters"]
        assert all(each.get("description") for each in parameters)


def test_problems_are_documented(client: TestClient) -> None:
    """No route documents FastAPI's own form of errors; all of ours are problem+json."""
    for operation in operations(client).values():
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"]


def test_examples_are_true_to_their_schemas() -> None:
    """Each example of an answer is what the answer's schema would give: same fields, same order, same values."""
    for kind, example in (
        (answers.SearchAnswer, examples.TEXT_SEARCH),
        (answers.SearchAnswer, examples.IMAGE_SEARCH),
        (answers.QueryAnswer, examples.UNCERTAINTY),
        (answers.QueryAnswer, examples.IMAGE_UNCERTAINTY),
        (exploring_answers.AttentionAnswer, examples.TEXT_ATTENTION),
        (exploring_answers.AttentionAnswer, examples.IMAGE_ATTENTION),
        (exploring_answers.WordsAnswer, examples.WORDS),
        (exploring_answers.HistogramAnswer, examples.HISTOGRAM),
        (exploring_answers.OdditiesAnswer, examples.ODDITIES),
        (answers.ItemAnswer, examples.ITEM),
        (answers.ChangeAnswer, examples.ADDED),
        (answers.Info, examples.INFO),
        (answers.SwapInfo, examples.SWAP),
        (answers.Health, examples.ALIVE),
        (answers.Readiness, examples.READY),
    ):
        assert kind.model_validate(example).model_dump(mode="json") == example
        assert list(kind.model_validate(example).model_dump()) == list(example)


def test_example_requests_are_answered(client: TestClient) -> None:
    """The example searches of the document get an answer."""
    for example in examples.TEXT_SEARCHES.values():
        assert client.post("/search/text-to-image", json=example["value"]).status_code == 200


def test_no_dependency_takes_a_thread() -> None:
    """What routes are given is found on the event loop: a thread for each would cost more than all else about it."""
    for given in (PathGallery, ServedGallery, GalleryEngine, ServiceState):
        dependency = get_args(given)[1].dependency
        assert iscoroutinefunction(dependency) or isasyncgenfunction(dependency), dependency
    assert iscoroutinefunction(in_path)


def test_info(client: TestClient) -> None:
    """Fingerprints are those of the answers, counts those of the gallery, limits those of the settings."""
    info = client.get("/info").json()
    answer = client.post("/search/text-to-image", json={"text": "a"}).json()
    assert answer["fingerprints"] == {part: info[part]["fingerprint"] for part in ("model", "gallery")}
    assert info["gallery"]["counts"] == {"image": 12, "text": 24}
    assert (info["limits"]["bytes"], info["limits"]["top_k"], info["threads"]) == (300_000, 50, 1)


def test_info_says_what_a_shortlist_loses(client: TestClient, gallery: Path) -> None:
    """Kind, size and the measured shares of each modality are those of the manifest, and so is the gauge."""
    shown = client.get("/info").json()["gallery"]["shortlists"]
    text = client.get("/metrics").text
    for modality, record in read_manifest(gallery).shortlists.items():
        loss, found = record.loss, shown[modality.value]
        assert loss is not None
        assert (found["kind"], found["over"], found["size"]) == (record.kind, record.over.value, record.size)
        assert found["held"] == {str(size): share for size, share in loss.by_size.items()}
        assert set(found["held_exactly"]) == {space.value for space in loss.curves}
        assert (found["current"], found["verdict"]) == (True, record.verdict)
        for size, share in loss.by_size.items():
            assert (
                f'penumbra_shortlist_held_ratio{{gallery="default",modality="{modality.value}",size="{size}"}} {share}'
                in text
            )


def test_metrics(client: TestClient) -> None:
    """Requests count by route and status, stages have histograms, and no id of an item becomes a label."""

    def count() -> float:
        pattern = r'penumbra_requests_total\{method="GET",route="/items/\{id:path\}",status="404"\} (\S+)'
        found = re.search(pattern, client.get("/metrics").text)
        return float(found[1]) if found else 0.0

    before = count()
    client.get("/items/no-such-item")
    assert count() == before + 1
    client.post("/search/text-to-image", json={"text": "a"})
    text = client.get("/metrics").text
    assert 'penumbra_gallery_items{gallery="default",modality="text"} 24.0' in text
    for stage in ("encode", "search", "shortlist", "rerank"):
        assert f'penumbra_stage_seconds_bucket{{le="0.0005",stage="{stage}"}}' in text
    assert "penumbra_queue_length 0.0" in text
    assert "no-such-item" not in text


def test_pages_need_no_other_server(client: TestClient) -> None:
    """The page and the documentation name only files of this server, all of which are there, under a closed policy."""
    for path in ("/", "/docs"):
        page = client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert not re.findall(r"https?://", page.text)
        links = re.findall(r'(?:src|href)="(/[^"]*)"', page.text)
        assert links
        assert all(client.get(link).status_code == 200 for link in links)


def test_other_sites_are_kept_out(client: TestClient) -> None:
    """No other origin is let in, and types are not guessed."""
    response = client.get("/info", headers={"Origin": "https://example.org"})
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["X-Content-Type-Options"] == "nosniff"

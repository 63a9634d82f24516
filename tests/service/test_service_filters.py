"""Searches with a filter over HTTP: what answers, what is refused, and what is said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import COLOURS, IDS, SHAPES, noise_png
from fastapi.testclient import TestClient

TEXTS, PICTURES = "/search/text-to-image", "/search/image-to-text"

CASES: list[tuple[dict[str, Any], list[int]]] = [
    ({"label": "ring"}, [1, 4, 7, 10]),
    ({"n": {"gte": 2, "lt": 5}}, [2, 3, 4]),
    ({"at.colour": {"in": ["red", "yellow"]}, "label": {"in": ["star", "square"]}}, [0, 3, 8, 11]),
    ({"image_id": {"in": [IDS[4], "none"]}}, [4]),
    ({"n": "2"}, []),
    ({}, list(range(len(IDS)))),
]


@pytest.mark.parametrize("rerank", ["sampled", "closed_form", "exhaustive", "none"])
@pytest.mark.parametrize(("wanted", "numbers"), CASES)
def test_what_answers(client: TestClient, wanted: dict[str, Any], numbers: list[int], rerank: str) -> None:
    """Both searches answer with all items that the filter lets through, and captions have their image's metadata."""
    asked = {"top_k": 50, "rerank": rerank}
    pictures = client.post(TEXTS, json={**asked, "text": "a red star", "filter": wanted}).json()
    assert sorted(hit["id"] for hit in pictures["results"]) == sorted(IDS[n] for n in numbers)
    form = {**asked, "filter": json.dumps(wanted)}
    texts = client.post(PICTURES, data=form, files={"image": noise_png(3)}).json()
    expected = [text for n in numbers for text in (f"a {COLOURS[n % 4]} {SHAPES[n % 3]}", f"{SHAPES[n % 3]} {n}")]
    assert sorted(hit["text"] for hit in texts["results"]) == sorted(expected)
    for answer in (pictures, texts):
        assert answer["ranked"] == len(answer["results"])
        assert (answer["no_match"] is not None and answer["no_match"]["reason"] == "nothing-allowed") == (not numbers)


@pytest.mark.parametrize("filter_", [None, {}])
def test_no_filter_lets_everything_through(client: TestClient, filter_: dict[str, Any] | None) -> None:
    """null and a filter without fields change nothing."""
    plain = client.post(TEXTS, json={"text": "a red star"}).json()
    assert client.post(TEXTS, json={"text": "a red star", "filter": filter_}).json() == plain


@pytest.mark.parametrize(
    ("filter_", "message"),
    [
        ("[]", "The filter is no object of fields; write it like"),
        ('"label"', "The filter is no object of fields"),
        ('{"label": null}', 'The filter of "label" compares with null'),
        ('{"n": NaN}', 'The filter of "n" compares with NaN'),
        ('{"n": {"above": 3}}', 'The filter of "n" knows no "above"'),
        ('{"\\ud800": 3}', "is no text in Unicode"),
        ('{"n": 1' + "0" * 400 + "}", 'The filter of "n" compares with 1000'),
    ],
)
def test_what_is_refused(client: TestClient, filter_: str, message: str) -> None:
    """A filter that cannot be read is a 422 that names the field and says what to write, in JSON and in a form."""
    in_json = client.post(
        TEXTS, content=f'{{"text": "a star", "filter": {filter_}}}', headers={"Content-Type": "application/json"}
    )
    in_form = client.post(PICTURES, data={"image_id": "plain", "filter": filter_})
    for response in (in_json, in_form):
        assert response.status_code == 422, response.text
        [error] = response.json()["errors"]
        assert error["field"] == "filter"
        assert message in error["message"]


def test_a_form_needs_json(client: TestClient) -> None:
    """Text that is no JSON, or too deep to be read, is refused; so is a filter as text in a JSON body."""
    for filter_ in ("label = rose", "[" * 50_000):
        response = client.post(PICTURES, data={"image_id": "plain", "filter": filter_})
        assert response.status_code == 422
        assert "The filter is not JSON" in response.json()["detail"]
    assert client.post(TEXTS, json={"text": "a star", "filter": '{"n": 1}'}).status_code == 422


def test_what_the_document_says(client: TestClient) -> None:
    """OpenAPI has the filter as an object of a JSON body and as text of a form, each with an example that works."""
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    as_object, as_text = (schemas[name]["properties"]["filter"] for name in ("TextSearch", "ImageSearch"))
    assert (as_object["type"], as_text["type"]) == ("object", "string")
    assert client.post(TEXTS, json={"text": "a star", "filter": as_object["examples"][0]}).status_code == 200
    form = {"image_id": "plain", "filter": as_text["examples"][0]}
    assert client.post(PICTURES, data=form).status_code == 200

"""What each word of a text does to its uncertainty, over HTTP."""

from __future__ import annotations

import math
from typing import Any

import pytest
from fastapi.testclient import TestClient

TEXT = " A zorbly, red star’s ring "


def ask(client: TestClient, text: str) -> Any:
    return client.get("/uncertainty/words", params={"text": text}).json()


def sigma(client: TestClient, text: str) -> float:
    found: float = client.get("/uncertainty", params={"text": text}).json()["uncertainty"]["sigma"]
    return found


def test_each_word_is_left_out(client: TestClient) -> None:
    """A word is told as written and where; σ is that of the text without it, and the change is the log ratio."""
    found = ask(client, TEXT)
    assert found["query"] == client.get("/uncertainty", params={"text": TEXT}).json()
    text = found["query"]["text"]
    assert [each["word"] for each in found["words"]] == ["A", "zorbly", "red", "star’s", "ring"]
    for each in found["words"]:
        assert text[each["start"] : each["end"]] == each["word"]
        without = text[: each["start"]] + text[each["end"] :]
        assert each["uncertainty"] == client.get("/uncertainty", params={"text": without}).json()["uncertainty"]
        ratio = sigma(client, text) / sigma(client, without)
        assert each["change"] == pytest.approx(math.log(ratio), abs=2e-5)
    assert any(abs(each["change"]) > 1e-3 for each in found["words"])


def test_one_word_is_not_left_out(client: TestClient) -> None:
    """Of one word there is nothing to leave out."""
    assert ask(client, "rings!")["words"] == []


def test_suggestions_are_texts_of_the_gallery(client: TestClient) -> None:
    """They are captions of its best answers, more certain than the query, as items are told elsewhere."""
    vague = max(("zorb", "red", "a", "ring 7", "blue square", "yellow"), key=lambda text: sigma(client, text))
    found = ask(client, vague)
    assert 0 < len(found["more_specific"]) <= 3
    best = client.post("/search/text-to-image", json={"text": vague, "top_k": 50, "rerank": "closed_form"}).json()
    for each in found["more_specific"]:
        assert each["image_id"] in {hit["id"] for hit in best["results"]}
        assert each["uncertainty"]["sigma"] <= 0.9 * found["query"]["uncertainty"]["sigma"]
        assert each["modality"] == "text"
        assert each == client.get("/items/" + each["id"].replace("#", "%23").replace(" ", "%20")).json()
    assert len({each["text"] for each in found["more_specific"]}) == len(found["more_specific"])


@pytest.mark.parametrize("text", ["?!", "red " * 33, "x" * 1001])
def test_refused(client: TestClient, text: str) -> None:
    """A text without words, one with more than the limit, and one that is too long; 32 words are taken."""
    response = client.get("/uncertainty/words", params={"text": text})
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert len(ask(client, "red " * 32)["words"]) == 32


def test_a_full_server_refuses(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a place among the queries, or 429."""
    monkeypatch.setattr("service.admission.Admission.full", property(lambda _: True))
    assert client.get("/uncertainty/words", params={"text": "a"}).status_code == 429

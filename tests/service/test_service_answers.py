"""Answers: what they say, and that the same query gets the same bytes."""

from __future__ import annotations

import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from conftest import IDS, noise_png
from fastapi.testclient import TestClient

from corpus.manifest import Entry
from index.building.loading import LoadedPicture, load_batches
from index.items import Modality
from index.local.gallery import Gallery
from models import checkpoint
from models.calibration import Direction
from models.distances import squared_l2
from models.familiarity import Familiarity
from models.image import decode, encode_jpeg, frame, normalise
from models.match import Noise, sampled
from service.app import create_app
from service.settings import Limits, Settings

Request = tuple[str, str, dict[str, Any]]


def mixed_requests() -> list[Request]:
    """Searches of all kinds, texts of many lengths, pictures of several sizes."""
    texts = ["red", "a red star", "a blue ring a green square " * 12, "zorb", "a yellow star and a ring"]
    return [
        *(("POST", "/search/text-to-image", {"json": {"text": text, "seed": n}}) for n, text in enumerate(texts)),
        *(("POST", "/search/image-to-text", {"files": {"image": noise_png(n, 30 + 7 * n)}}) for n in range(4)),
        ("POST", "/search/image-to-text", {"data": {"image_id": "plain", "rerank": "closed_form"}}),
        ("GET", "/uncertainty", {"params": {"text": "a green ring"}}),
        ("GET", "/uncertainty", {"params": {"modality": "text", "limit": "5"}}),
        ("POST", "/uncertainty", {"files": {"image": noise_png(77)}}),
    ]


def body(client: TestClient, request: Request) -> bytes:
    method, path, content = request
    response = client.request(method, path, **content)
    assert response.status_code == 200, response.text
    return response.content


def test_same_bytes_under_load(client: TestClient) -> None:
    """What a request gets in a crowd of other requests is, byte by byte, what it gets alone."""
    requests = mixed_requests()
    alone = [body(client, request) for request in requests]
    crowd = [n for _ in range(8) for n in range(len(requests))]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda n: body(client, requests[n]), crowd))
    assert all(answer == alone[n] for n, answer in zip(crowd, answers, strict=True))
    assert len(set(alone)) == len(alone)


@pytest.mark.parametrize("changed", [{}, {"threads": 2}, {"limits": Limits(batch=1, picture_batch=1)}])
def test_same_bytes_from_another_server(client: TestClient, settings: Settings, changed: dict[str, Any]) -> None:
    """A second server over the same files gives the same bytes; with two threads, and without batches, too."""
    with TestClient(create_app(settings.model_copy(update=changed))) as other:
        for request in mixed_requests():
            assert body(other, request) == body(client, request)


def test_inputs_are_encoded_in_batches(client: TestClient) -> None:
    """The self-check at the start found batches to change nothing, so that the tests above see some."""
    assert client.get("/info").json()["batches"] == {"text": 32, "image": 4}


def test_a_large_jpeg_is_decoded_as_the_build_decodes_it(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both let libjpeg leave out the same finest detail: the encoder sees the same pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (1100, 1300, 3), dtype=np.uint8)
    (tmp_path / "large.jpg").write_bytes(encode_jpeg(pixels))
    engine = cast(Any, client.app).state.service.engine
    monkeypatch.setattr(engine, "limits", Limits())
    framing, side = engine.model.encoder.config.framing, engine.gallery.manifest.parameters.thumbnail_side
    [[loaded]] = load_batches([[Entry("large", tmp_path / "large.jpg")]], framing, side)
    assert isinstance(loaded, LoadedPicture)
    assert torch.equal(engine._normalised((tmp_path / "large.jpg").read_bytes()), normalise(loaded.pixels[None]))
    whole = frame(decode((tmp_path / "large.jpg").read_bytes()), framing)
    assert not np.array_equal(whole, loaded.pixels), "nothing was left out, so nothing was compared"


def test_a_picture_of_the_gallery_finds_itself(client: TestClient, gallery: Path) -> None:
    """Its file, uploaded, has the Gaussian that the build gave it among others, as near as it is stored."""
    by_id = client.post("/search/image-to-text", data={"image_id": "plain"}).json()
    upload = (gallery.parent / "corpus" / "0.png").read_bytes()
    uploaded = client.post("/search/image-to-text", files={"image": upload}).json()
    assert uploaded["query"]["uncertainty"]["sigma"] == pytest.approx(by_id["query"]["uncertainty"]["sigma"], rel=1e-3)
    assert [hit["id"] for hit in uploaded["results"]] == [hit["id"] for hit in by_id["results"]]
    for one, other in zip(uploaded["results"], by_id["results"], strict=True):
        assert one["match_probability"] == pytest.approx(other["match_probability"], abs=0.01)


def test_the_seed_is_what_changes_a_sampled_answer(client: TestClient) -> None:
    """Another seed gives other sampled probabilities, and the same ones in closed form."""

    def ask(rerank: str, seed: int) -> bytes:
        content = {"text": "a red star", "rerank": rerank, "seed": seed}
        return client.post("/search/text-to-image", json=content).content

    assert ask("sampled", 0) != ask("sampled", 1)
    assert ask("closed_form", 0) == ask("closed_form", 1)


def test_probabilities_are_those_of_the_model(client: TestClient, gallery: Path) -> None:
    """Distance, probability and standard error of each answer are those that the model's functions give."""
    text = "a blue square"
    encoder = checkpoint.load(gallery.parent / "model").encoder
    query = encoder.encode_texts([text])[0]
    answer = client.post("/search/text-to-image", json={"text": text, "top_k": 12, "seed": 9}).json()
    with Gallery.open(gallery) as opened:
        rows = [opened.find(hit["id"]) for hit in answer["results"]]
        items = opened.gaussians(Modality.IMAGE, [row[1] for row in rows if row is not None])
    expected = sampled(query, items, encoder.match, Noise.draw(query.dim, 7, 9))
    given = {
        name: torch.tensor([hit[name] for hit in answer["results"]])
        for name in ("match_probability", "standard_error", "mean_distance", "raw_match_probability")
    }
    torch.testing.assert_close(given["match_probability"], expected.value, atol=2e-6, rtol=0)
    torch.testing.assert_close(given["raw_match_probability"], expected.value, atol=2e-6, rtol=0)
    torch.testing.assert_close(given["standard_error"], expected.standard_error, atol=2e-6, rtol=0)
    torch.testing.assert_close(given["mean_distance"], squared_l2(query[None], items).sqrt(), atol=2e-6, rtol=0)
    assert answer["expected_matches"] == pytest.approx(float(expected.value.sum()), abs=1e-5)
    assert 0.01 < expected.value.min() < expected.value.max() < 0.99


def test_order_of_results(client: TestClient) -> None:
    """Answers come by falling probability, or by rising distance when nothing is reranked."""
    for rerank, key, sign in (("sampled", "match_probability", -1), ("none", "mean_distance", 1)):
        answer = client.post("/search/text-to-image", json={"text": "a ring", "rerank": rerank}).json()
        keys = [sign * hit[key] for hit in answer["results"]]
        assert keys == sorted(keys)


def test_one_sample_has_no_standard_error(client: TestClient) -> None:
    """With one sample a side the standard error is null, not a number that JSON cannot hold."""
    answer = client.post("/search/text-to-image", json={"text": "a ring", "samples": 1}).json()
    assert {hit["standard_error"] for hit in answer["results"]} == {None}


def test_nothing_matches(client: TestClient) -> None:
    """A threshold that nothing reaches gives no results and the reason."""
    answer = client.post("/search/text-to-image", json={"text": "a ring", "min_match_probability": 1}).json()
    assert answer["results"] == []
    assert answer["no_match"]["reason"] == "below-minimum"
    assert "match probability 1" in answer["no_match"]["detail"]


def test_an_unlike_query_is_answered_with_the_warning(settings: Settings, tmp_path: Path) -> None:
    """Its results are given, the reason stands beside them as a code and a sentence; other modalities have none."""
    model = tmp_path / "model"
    shutil.copytree(settings.gallery.parent / "model", model)
    near_nothing = Familiarity(torch.full((32,), 50.0), torch.eye(32), torch.zeros(999), most_sigma=9.0)
    checkpoint.save_familiarity({Direction.TEXT_TO_IMAGE: near_nothing}, model)
    with TestClient(create_app(settings.model_copy(update={"model": model}))) as client:
        answer = client.post("/search/text-to-image", json={"text": "a ring"}).json()
        pictures = client.post("/search/image-to-text", data={"image_id": "plain"}).json()
    assert (answer["no_match"]["reason"], answer["familiarity"]) == ("unlike-training", 0.001)
    assert "of 999 held-out ones 0 are as far out" in answer["no_match"]["detail"]
    assert len(answer["results"]) == 10
    assert (pictures["no_match"], pictures["familiarity"]) == (None, None)


def test_modalities(client: TestClient) -> None:
    """Texts are answered with pictures and pictures with texts; each carries what it is."""
    pictures = client.post("/search/text-to-image", json={"text": "a ring"}).json()
    texts = client.post("/search/image-to-text", data={"image_id": "plain"}).json()
    assert all(hit["text"] is None and hit["image_url"] for hit in pictures["results"])
    assert all(hit["text"] and hit["image_url"] is None for hit in texts["results"])
    assert (pictures["direction"], texts["direction"]) == ("text-to-image", "image-to-text")
    assert texts["query"]["id"] == "plain"


def test_uncertainty_of_a_text(client: TestClient, gallery: Path) -> None:
    """σ, log-determinant and trace are those of the encoder; the percentile is the share of captions below."""
    gaussian = checkpoint.load(gallery.parent / "model").encoder.encode_texts(["a red ring"])[0]
    measures = client.get("/uncertainty", params={"text": "a red ring"}).json()["uncertainty"]
    variances = gaussian.log_variance.double().exp()
    assert measures["sigma"] == pytest.approx(math.exp(float(variances.log().mean()) / 2), abs=1e-5)
    assert measures["log_det_covariance"] == pytest.approx(float(variances.log().sum()), abs=1e-5)
    assert measures["total_variance"] == pytest.approx(float(variances.sum()), abs=1e-4)
    listed = client.get("/uncertainty", params={"modality": "text", "limit": 50}).json()["items"]
    below = sum(item["uncertainty"]["sigma"] < measures["sigma"] for item in listed)
    assert measures["percentile"] == pytest.approx(100 * below / 24, abs=1e-5)


def test_items_by_uncertainty(client: TestClient) -> None:
    """Pages follow each other in the order asked for, and together hold every item once."""
    for order, sign in (("desc", -1), ("asc", 1)):
        question = {"modality": "image", "order": order, "limit": 5}
        pages = [client.get("/uncertainty", params={**question, "offset": at}).json() for at in (0, 5, 10)]
        items = [item for page in pages for item in page["items"]]
        assert sorted(item["id"] for item in items) == sorted(IDS)
        sigmas = [sign * item["uncertainty"]["sigma"] for item in items]
        assert sigmas == sorted(sigmas)
        assert pages[0]["total"] == 12


def test_a_histogram_is_of_the_list(client: TestClient) -> None:
    """The items of a bin, counted, are those that a list between its edges has; together they are all."""
    found = client.get("/uncertainty/histogram", params={"modality": "text", "bins": 5}).json()
    edges, counts = found["edges"], found["counts"]
    assert (found["modality"], found["total"], sum(counts), len(edges)) == ("text", 24, 24, len(counts) + 1)
    assert len(client.get("/uncertainty/histogram", params={"modality": "image"}).json()["counts"]) == 40
    for place, (low, high) in enumerate(pairwise(edges), start=1):
        question = {"modality": "text", "limit": 50, "min_sigma": low, "max_sigma": high}
        between = client.get("/uncertainty", params=question).json()
        above = client.get("/uncertainty", params={**question, "min_sigma": high, "max_sigma": high}).json()
        # The upper edge is of this bin in the last one only.
        assert counts[place - 1] == between["total"] - (0 if place == len(counts) else above["total"])
        assert len(between["items"]) == between["total"]
    assert client.get("/uncertainty/histogram", params={"modality": "text", "bins": 0}).status_code == 422


def test_a_list_can_be_filtered(client: TestClient) -> None:
    """Of a filter's items the total is told and the page is; captions have the fields of their images."""
    question = {"modality": "text", "filter": '{"at.colour": "red", "n": {"lt": 9}}', "limit": 4, "offset": 2}
    found = client.get("/uncertainty", params=question).json()
    assert (found["total"], len(found["items"])) == (6, 4)
    assert {item["image_id"] for item in found["items"]} <= {IDS[0], IDS[4], IDS[8]}
    assert client.get("/uncertainty", params={**question, "filter": "no JSON"}).status_code == 422


def test_timings_stand_in_a_header(client: TestClient) -> None:
    """The stages of a search are in Server-Timing, and no time is in the body."""
    response = client.post("/search/image-to-text", files={"image": noise_png(1)})
    stages = [each.split(";dur=")[0] for each in response.headers["Server-Timing"].split(", ")]
    assert stages[:4] == ["decode", "encode", "uncertainty", "search"]
    assert "timing" not in response.text


def test_a_projection_is_there_when_asked_for(client: TestClient) -> None:
    """Both searches give a spot for the query and one for each result, and null unless asked."""
    text = {"text": "a ring", "top_k": 5}
    plain = client.post("/search/text-to-image", json=text).json()
    shown = client.post("/search/text-to-image", json={**text, "projection": True}).json()
    assert plain == {**shown, "projection": None}
    assert len(shown["projection"]["results"]) == 5
    form = {"image_id": "plain", "projection": "true", "min_match_probability": "1"}
    nothing = client.post("/search/image-to-text", data=form).json()["projection"]
    assert (nothing["results"], nothing["explained"], nothing["query"]["x"]) == ([], 1, 0)

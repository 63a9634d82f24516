"""Items and their pictures, under any id."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import quote

import numpy as np
import pytest
from conftest import IDS
from fastapi.testclient import TestClient
from PIL import Image


@pytest.mark.parametrize("identifier", IDS)
def test_any_id_is_reached(client: TestClient, identifier: str) -> None:
    """An item, its picture and its captions are found under ids with spaces, slashes, '#', '%' and '?'."""
    for each in (identifier, f"{identifier}#1"):
        assert client.get(f"/items/{quote(each, safe='')}").json()["id"] == each
    item = client.get(f"/items/{quote(identifier, safe='')}").json()
    picture = client.get(item["image_url"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert Image.open(BytesIO(picture.content)).size == (40, 40)


def test_item_fields(client: TestClient) -> None:
    """A caption names its words and its image, an image its picture."""
    caption = client.get("/items/plain%230").json()
    assert (caption["modality"], caption["text"]) == ("text", "a red star")
    assert (caption["image_id"], caption["image_url"]) == ("plain", None)
    image = client.get("/items/plain").json()
    assert (image["modality"], image["text"]) == ("image", None)
    assert image["image_url"].startswith("/items/plain/image?v=")


@pytest.mark.parametrize(("side", "size"), [(16, 16), (23, 23), (40, 40), (9999, 40)])
def test_a_picture_comes_in_the_size_asked_for(client: TestClient, side: int, size: int) -> None:
    """Its longest side is as asked, up to that stored, whose bytes it then has; each size has its own ETag."""
    stored = client.get("/items/plain/image")
    smaller = client.get("/items/plain/image", params={"side": side})
    assert Image.open(BytesIO(smaller.content)).size == (size, size)
    assert (smaller.content == stored.content) == (size == 40)
    assert smaller.headers["ETag"] != stored.headers["ETag"]
    headers = {"If-None-Match": smaller.headers["ETag"]}
    assert client.get("/items/plain/image", params={"side": side}, headers=headers).status_code == 304
    assert client.get("/items/plain/image", params={"side": side + 1}, headers=headers).status_code == 200


def test_a_small_picture_is_the_same_picture(client: TestClient) -> None:
    """In grey (a JPEG blurs colours) it is nearly what Pillow makes of the stored one, and of no other."""

    def difference(identifier: str) -> float:
        stored = Image.open(BytesIO(client.get(f"/items/{identifier}/image").content))
        oracle = stored.resize((20, 20), Image.Resampling.LANCZOS).convert("L")
        return float(np.abs(np.asarray(smaller, int) - np.asarray(oracle, int)).mean())

    smaller = Image.open(BytesIO(client.get("/items/plain/image", params={"side": 20}).content)).convert("L")
    assert 5 * difference("plain") < difference("noise-1")


@pytest.mark.parametrize("side", ["15", "0", "-3", "2147483648", "big"])
def test_an_impossible_size_is_refused(client: TestClient, side: str) -> None:
    """Below 16 pixels, beyond all measure, or no number: 422."""
    assert client.get("/items/plain/image", params={"side": side}).status_code == 422


def test_a_picture_is_kept_by_its_version(client: TestClient) -> None:
    """By the path that answers give it is kept for good, in any size; without its version for a minute."""
    url = client.get("/items/plain").json()["image_url"]
    lasting = {client.get(each).headers["Cache-Control"] for each in (url, f"{url}&side=16")}
    assert lasting == {"public, max-age=31536000, immutable"}
    for each in ("/items/plain/image", "/items/plain/image?v=0", f"{url}0"):
        response = client.get(each)
        assert (response.status_code, response.headers["Cache-Control"]) == (200, "public, max-age=60")


def test_pictures_are_cached(client: TestClient) -> None:
    """A picture has an ETag; asking with it costs no bytes, asking with another gives the picture."""
    first = client.get("/items/plain/image")
    etag = first.headers["ETag"]
    assert "max-age" in first.headers["Cache-Control"]
    for known in (etag, f'"x", W/{etag}', "*"):
        again = client.get("/items/plain/image", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == etag
    assert client.get("/items/plain/image", headers={"If-None-Match": '"other"'}).content == first.content
    assert client.get("/items/noise-1/image").headers["ETag"] != etag

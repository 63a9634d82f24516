"""Items and their pictures, under any id."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import quote

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
    assert (image["modality"], image["text"], image["image_url"]) == ("image", None, "/items/plain/image")


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

"""Requests in full, as a client sends them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from corpus.read import read

_HEAD = "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"


def whole(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    """A request."""
    return _HEAD.format(method=method, path=path, kind=kind, length=len(body)).encode() + body


def text_search(text: str, **fields: Any) -> bytes:
    """A search for pictures."""
    return whole("POST", "/search/text-to-image", json.dumps({"text": text, **fields}).encode())


def upload(path: str, picture: bytes) -> bytes:
    """A picture's file sent to a route."""
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + picture + b"\r\n--b--\r\n"
    return whole("POST", path, part, "multipart/form-data; boundary=b")


def searches(folder: Path) -> list[bytes]:
    """A search for each caption of a collection."""
    return [text_search(caption) for entry in read(folder).entries for caption in entry.captions]


def mixed(folder: Path) -> list[bytes]:
    """For each picture of a collection one request of every kind, some of which are refused for what they are."""
    return [
        request for entry in read(folder).entries for request in _of_each_kind(entry.id, entry.captions[0], entry.image)
    ]


def _of_each_kind(identifier: str, caption: str, image: Path) -> list[bytes]:
    picture, name = image.read_bytes(), quote(identifier, safe="")
    return [
        text_search(caption),
        text_search(caption, rerank="closed_form", top_k=3),
        text_search(caption, samples=3, seed=1),
        whole("GET", f"/uncertainty?text={quote(caption)}"),
        whole("GET", f"/items/{name}"),
        whole("GET", f"/items/{name}/image"),
        upload("/search/image-to-text", picture),
        whole("GET", f"/uncertainty?id={name}"),
        whole("GET", "/metrics"),
        text_search(""),
        upload("/uncertainty", picture[: len(picture) // 2]),
        whole("GET", "/items/nobody"),
        whole("POST", "/search/text-to-image", b"{"),
    ]

"""Everything that a server can be asked: functions from arguments to a `Call`, without any network.

They are the methods of both clients, so that each has its arguments and its documentation once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from penumbra_client.answers import (
    Attention,
    Change,
    Histogram,
    Info,
    Item,
    ItemList,
    Modality,
    Oddities,
    OddityKind,
    Order,
    Query,
    Readiness,
    SearchAnswer,
    Swap,
    Words,
)
from penumbra_client.errors import BadAnswerError
from penumbra_client.messages import Call, Reply, Request, Upload
from penumbra_client.reading import read

T = TypeVar("T")
Picture = str | PathLike[str] | bytes | BinaryIO
"""A picture's file: its path, its bytes, or an open file."""
Rerank = Literal["sampled", "closed_form", "exhaustive", "none"]


class SearchOptions(TypedDict, total=False):
    """What a search can be told; what is not given is as the server has it. Ranges stand in the server's /docs."""

    top_k: int
    shortlist: int
    rerank: Rerank
    samples: int
    seed: int
    min_match_probability: float
    filter: Mapping[str, Any]
    projection: bool


@dataclass(frozen=True)
class Caption:
    """A caption that is to come into a gallery."""

    id: str
    text: str
    image_id: str | None = None
    label: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def search_text(text: str, **options: Unpack[SearchOptions]) -> Call[SearchAnswer]:
    """Find the pictures that a text describes."""
    request = Request("POST", "/search/text-to-image", json={"text": text, **options})
    return Call(request, _reads(SearchAnswer))


def search_image(
    image: Picture | None = None, *, image_id: str | None = None, **options: Unpack[SearchOptions]
) -> Call[SearchAnswer]:
    """Find the texts that describe a picture: a file, or an image of the gallery by its id."""
    asked = _given(image_id=image_id) if image is None else {"image": _upload(image)} | _given(image_id=image_id)
    form = asked | {name: _as_text(value) for name, value in options.items()}
    return Call(Request("POST", "/search/image-to-text", form=tuple(form.items())), _reads(SearchAnswer))


def uncertainty_of_text(text: str) -> Call[Query]:
    """How sure the model is of a text."""
    return Call(Request("GET", "/uncertainty", {"text": text}), _reads(Query))


def uncertainty_of_image(image: Picture) -> Call[Query]:
    """How sure the model is of a picture."""
    return Call(Request("POST", "/uncertainty", form=(("image", _upload(image)),)), _reads(Query))


def uncertainty_of_item(id: str) -> Call[Item]:
    """How sure the model is of an item of the gallery."""
    return Call(Request("GET", "/uncertainty", {"id": id}), _reads(Item))


def uncertainty_of_words(text: str) -> Call[Words]:
    """Which words of a text raise or lower its uncertainty, and more certain texts of the gallery like it."""
    return Call(Request("GET", "/uncertainty/words", {"text": text}), _reads(Words))


def by_uncertainty(
    modality: Modality,
    *,
    order: Order = "desc",
    limit: int = 10,
    offset: int = 0,
    min_sigma: float = 0,
    max_sigma: float | None = None,
    filter: Mapping[str, Any] | None = None,
) -> Call[ItemList]:
    """The gallery's most (`desc`) or least (`asc`) uncertain images or texts, page by page."""
    asked = _given(modality=modality, order=order, limit=limit, offset=offset, min_sigma=min_sigma, max_sigma=max_sigma)
    parameters = asked if filter is None else asked | {"filter": _as_text(filter)}
    return Call(Request("GET", "/uncertainty", parameters), _reads(ItemList))


def sigma_histogram(modality: Modality, *, bins: int = 40) -> Call[Histogram]:
    """How σ is distributed among the gallery's images or texts."""
    return Call(Request("GET", "/uncertainty/histogram", {"modality": modality, "bins": bins}), _reads(Histogram))


def oddities(kind: OddityKind, *, modality: Modality = "image", limit: int = 10, offset: int = 0) -> Call[Oddities]:
    """What `penumbra index audit` found: images that their captions hardly match (`mismatched`), or `hubs`."""
    parameters = {"kind": kind, "modality": modality, "limit": limit, "offset": offset}
    return Call(Request("GET", "/oddities", parameters), _reads(Oddities))


def attention_of_text(text: str) -> Call[Attention]:
    """Which words the model looks at."""
    return Call(Request("GET", "/attention", {"text": text}), _reads(Attention))


def attention_of_image(image: Picture) -> Call[Attention]:
    """Which parts of a picture the model looks at."""
    return Call(Request("POST", "/attention", form=(("image", _upload(image)),)), _reads(Attention))


def attention_of_item(id: str) -> Call[Attention]:
    """What the model looks at in an item of the gallery."""
    return Call(Request("GET", "/attention", {"id": id}), _reads(Attention))


def item(id: str) -> Call[Item]:
    """One item of the gallery."""
    return Call(Request("GET", _item_path(id)), _reads(Item))


def picture(id: str, *, side: int | None = None) -> Call[bytes]:
    """The picture of an image: a JPEG of 256 pixels at most, or of `side`."""
    return Call(Request("GET", f"{_item_path(id)}/image", _given(side=side)), _read_picture)


def add_captions(captions: Sequence[Caption]) -> Call[Change]:
    """Add captions, all or none."""
    body = {"items": [asdict(each) for each in captions]}
    return Call(Request("POST", "/items", json=body), _reads(Change), changes=True)


def add_image(
    id: str,
    image: Picture,
    *,
    captions: Sequence[str] = (),
    label: str | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Call[Change]:
    """Add an image with captions of it, which get the ids `id#0`, `id#1`, …"""
    form = (("id", id), *_image_form(image, captions, label, meta))
    return Call(Request("POST", "/items", form=form), _reads(Change), changes=True)


def replace_caption(
    id: str,
    text: str,
    *,
    image_id: str | None = None,
    label: str | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Call[Change]:
    """Put a caption in the place of the one of this id."""
    body = {"text": text, **_given(image_id=image_id, label=label, meta=meta)}
    return Call(Request("PUT", _item_path(id), json=body), _reads(Change), changes=True)


def replace_image(
    id: str,
    image: Picture,
    *,
    captions: Sequence[str] = (),
    label: str | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Call[Change]:
    """Put an image in the place of the one of this id, which keeps its captions unless others are given."""
    form = tuple(_image_form(image, captions, label, meta))
    return Call(Request("PUT", _item_path(id), form=form), _reads(Change), changes=True)


def remove(id: str) -> Call[None]:
    """Remove an item; an image takes its captions with it."""
    return Call(Request("DELETE", _item_path(id)), lambda reply: None, changes=True)


def reload() -> Call[Swap]:
    """Have the server serve what lies in the gallery's folder now."""
    return Call(Request("POST", "/reload"), _reads(Swap), changes=True)


def info() -> Call[Info]:
    """Versions, fingerprints, sizes and limits of the server."""
    return Call(Request("GET", "/info"), _reads(Info))


def ready() -> Call[Readiness]:
    """That the server may be sent queries; `OverloadedError` while it may not."""
    return Call(Request("GET", "/readyz"), _reads(Readiness), of_gallery=False)


def _reads(kind: type[T]) -> Callable[[Reply], T]:
    return lambda reply: read(kind, reply.json())


def _read_picture(reply: Reply) -> bytes:
    # Without an item "a", the picture of "a" and the item "a/image" have the same path.
    if not reply.headers.get("content-type", "").startswith("image/"):
        raise BadAnswerError("The server answered with something that is no picture: is there an image of this id?")
    return reply.body


def _item_path(id: str) -> str:
    return f"/items/{quote(id, safe='')}"


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _as_text(value: object) -> str:
    """As a form has it: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _image_form(
    image: Picture, captions: Sequence[str], label: str | None, meta: Mapping[str, Any] | None
) -> list[tuple[str, str | Upload]]:
    told = {name: _as_text(value) for name, value in _given(label=label, meta=meta).items()}
    return [("image", _upload(image)), *(("captions", each) for each in captions), *told.items()]


def _upload(image: Picture) -> Upload:
    """The whole file at once: it is sent again where a server was too busy the first time."""
    if isinstance(image, bytes):
        return Upload(image)
    if isinstance(image, str | PathLike):
        return Upload(Path(image).read_bytes(), Path(image).name)
    return Upload(image.read())

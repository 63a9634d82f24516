"""Examples for the OpenAPI document: every route has one, for what it takes and what it answers."""

from __future__ import annotations

from typing import Any, Final

from fastapi.openapi.models import Example
from pydantic import BaseModel

from index.filters.form import EXAMPLE

_SURE: Final = {
    "sigma": 0.041213,
    "log_det_covariance": -816.402311,
    "total_variance": 0.231904,
    "percentile": 12.5,
}
_VAGUE: Final = {
    "sigma": 0.071882,
    "log_det_covariance": -674.01992,
    "total_variance": 0.703471,
    "percentile": 94.05,
}
_FINGERPRINTS: Final = {"model": "9f2c…", "gallery": "41b7…"}
_IMAGE: Final[dict[str, Any]] = {"modality": "image", "text": None}

TEXT_SEARCHES: Final[dict[str, Example]] = {
    "plain": {"summary": "Ten pictures", "value": {"text": "a red star left of a large blue ring at night"}},
    "all": {
        "summary": "Every field",
        "value": {
            "text": "a picture with something round",
            "top_k": 20,
            "shortlist": 500,
            "rerank": "sampled",
            "samples": 7,
            "seed": 0,
            "min_match_probability": 0.5,
            "projection": True,
            "filter": dict(EXAMPLE),
        },
    },
}


def _hit(**item: Any) -> dict[str, Any]:
    measures = {
        "mean_distance": 0.412077,
        "match_probability": 0.731204,
        "standard_error": 0.021844,
        "raw_match_probability": 0.688116,
    }
    return {"rank": 1, **item, **measures, "uncertainty": _SURE}


def _search(query: dict[str, Any], direction: str, hit: dict[str, Any]) -> dict[str, Any]:
    return {
        "query": query,
        "direction": direction,
        "results": [hit],
        "expected_matches": 1.294012,
        "ranked": 200,
        "familiarity": 0.614231,
        "no_match": None,
        "projection": {
            "explained": 0.871204,
            "query": {"x": -0.180022, "y": 0.02107, "covariance": [0.004101, -0.000013, 0.003987]},
            "results": [{"x": 0.180022, "y": -0.02107, "covariance": [0.001702, 0.000004, 0.001688]}],
        },
        "calibrated": True,
        "fingerprints": _FINGERPRINTS,
    }


_TEXT_QUERY: Final = {
    "modality": "text",
    "text": "a zorbly red star left of a large blue ring at night",
    "id": None,
    "unknown_words": ["zorbly"],
    "uncertainty": _VAGUE,
}
_IMAGE_QUERY: Final[dict[str, Any]] = {**_IMAGE, "id": None, "unknown_words": [], "uncertainty": _SURE}
_ITEM_BASE: Final = {"id": "scene-00007", **_IMAGE, "image_url": "/items/scene-00007/image?v=41b7c02d9f2c6a3e"}

TEXT_SEARCH: Final = _search(_TEXT_QUERY, "text-to-image", _hit(**_ITEM_BASE))
_UNLIKE: Final[dict[str, Any]] = {
    "familiarity": 0.000999,
    "no_match": {
        "reason": "unlike-training",
        "detail": "This query is unlike those the model knows: of 1,000 held-out ones 0 are as far out. Its "
        "probabilities are not to be relied on.",
    },
}
IMAGE_SEARCH: Final = (
    _search(
        _IMAGE_QUERY,
        "image-to-text",
        _hit(id="scene-00007#2", modality="text", text="something round at night", image_url=None),
    )
    | _UNLIKE
)
UNCERTAINTY: Final = _TEXT_QUERY
IMAGE_UNCERTAINTY: Final = _IMAGE_QUERY
TEXT_ATTENTION: Final[dict[str, Any]] = {
    "modality": "text",
    "text": "a zorbly star",
    "id": None,
    "unknown_words": ["zorbly"],
    "words": ["a", "zorbly", "star"],
    "grid": None,
    "area": None,
    "mean": [0.041, 0.102, 0.857],
    "variance": [0.31, 0.27, 0.42],
    "marks": {"mean": 0.083112, "variance": 0.204417},
}
IMAGE_ATTENTION: Final[dict[str, Any]] = {
    **_IMAGE,
    "id": None,
    "unknown_words": [],
    "words": None,
    "grid": {"height": 2, "width": 2},
    "area": {"left": 0.0625, "top": 0.0625, "width": 0.875, "height": 0.875},
    "mean": [0.1, 0.6, 0.1, 0.2],
    "variance": [0.3, 0.2, 0.3, 0.2],
    "marks": None,
}
ITEM: Final = {
    "id": "scene-00007",
    **_IMAGE,
    "image_id": "scene-00007",
    "image_url": "/items/scene-00007/image?v=41b7c02d9f2c6a3e",
    "label": None,
    "meta": {"background": "night"},
    "uncertainty": _SURE,
}
WORDS: Final[dict[str, Any]] = {
    "query": {**_TEXT_QUERY, "text": "something round", "unknown_words": []},
    "words": [
        {"word": "something", "start": 0, "end": 9, "uncertainty": _SURE, "change": 0.556301},
        {"word": "round", "start": 10, "end": 15, "uncertainty": _VAGUE, "change": 0.0},
    ],
    "more_specific": [
        {
            "id": "scene-00007#3",
            "modality": "text",
            "text": "a large blue ring",
            "image_id": "scene-00007",
            "image_url": None,
            "label": None,
            "meta": {},
            "uncertainty": _SURE,
        }
    ],
}
HISTOGRAM: Final[dict[str, Any]] = {
    "modality": "text",
    "total": 6,
    "edges": [0.021686, 0.036713, 0.05174, 0.066767],
    "counts": [3, 2, 1],
}
ODDITIES: Final[dict[str, Any]] = {
    "kind": "mismatched",
    "modality": "image",
    "total": 1000,
    "created": "2026-11-26T18:00:00+00:00",
    "current": True,
    "hubness": None,
    "items": [
        {
            "item": ITEM,
            "match_probability": 0.021044,
            "captions": [
                {"id": "scene-00007#0", "text": "a red star at night", "match_probability": 0.874401},
                {"id": "scene-00007#1", "text": "two blue rings by day", "match_probability": 0.021044},
            ],
            "occurrences": None,
            "expected": None,
        }
    ],
}
NEW_CAPTIONS: Final = {
    "items": [{"id": "note-1", "text": "a red star at night", "image_id": "scene-00007", "meta": {"by": "me"}}]
}
CAPTION: Final = {"text": "two red stars at night", "image_id": "scene-00007"}
ADDED: Final = {
    "items": [
        {
            "id": "note-1",
            "modality": "text",
            "text": "a red star at night",
            "image_id": "scene-00007",
            "image_url": None,
            "label": None,
            "meta": {"by": "me"},
            "uncertainty": _VAGUE,
        }
    ],
    "fingerprints": _FINGERPRINTS,
}
_SHORTLIST: Final = {
    "kind": "flat",
    "why": "The points of 2,000 images are 2.0 MiB, which is quickly scanned, and exactly.",
    "over": "head",
    "size": 20,
    "held": {"20": 0.999, "50": 1.0},
    "held_exactly": {"mean": {"20": 0.885, "50": 0.963}, "head": {"20": 0.999, "50": 1.0}},
    "current": True,
    "verdict": "The 20 nearest over the means lifted like the match head hold 99.9 % of the ten most probable of all.",
}
SWAP: Final[dict[str, Any]] = {
    "at": "2026-11-26T15:00:00+00:00",
    "outcome": "switched",
    "before": "41b7…",
    "after": "c02d…",
    "error": None,
}
INFO: Final = {
    "version": "0.1.0",
    "model": {
        "fingerprint": "9f2c…",
        "embed_dim": 256,
        "backbone": "resnet18",
        "words": 412,
        "calibrated": True,
    },
    "gallery": {
        "fingerprint": "41b7…",
        "counts": {"image": 2000, "text": 10000},
        "created": "2026-11-23T20:00:00+00:00",
        "shortlists": {"image": _SHORTLIST, "text": _SHORTLIST},
        "variances": {"image": "The variances are alive.", "text": "The variances are alive."},
        "storage": {
            "image": "Gaussians are stored as compact (3 bytes a dimension); match probabilities change by at most "
            "1.8e-04, 1.3e-05 on average over 12,800 pairs.",
            "text": "Gaussians are stored as float32 (8 bytes a dimension), as the model gave them.",
        },
    },
    "galleries": {
        "default": {
            "default": True,
            "fingerprints": _FINGERPRINTS,
            "counts": {"image": 2000, "text": 10000},
            "changes": {
                "refused": None,
                "added": 3,
                "removed": 1,
                "generation": 2,
                "compacting": False,
                "last_compaction": {"at": "2026-11-26T14:00:00+00:00", "seconds": 4.2, "error": None},
            },
            "last_swap": SWAP,
        }
    },
    "runtimes": {
        "image": {
            "runtime": "openvino",
            "why": "2.1 × as fast as float32 torch when it was exported, and agrees with it (cosine 1.000000, "
            "log-variance ± 2e-06)",
        },
        "text": {"runtime": "torch", "why": "no export of this model is faster"},
    },
    "threads": 2,
    "thread_pools": {"torch": 2, "libgomp.so.1": 2},
    "batches": {"text": 32, "image": 4},
    "limits": {
        "bytes": 20971520,
        "pixels": 50000000,
        "characters": 1000,
        "words": 32,
        "top_k": 1000,
        "shortlist": 5000,
        "samples": 64,
        "batch": 32,
        "picture_batch": 4,
        "changes": 256,
        "queue": 64,
        "first_queue": 8,
        "slowdown": 2.0,
        "deadline_seconds": 30.0,
        "requests": 128,
        "connections": 1000,
        "headers": 100,
        "header_bytes": 16384,
        "head_seconds": 10.0,
        "body_seconds": 30.0,
        "keep_alive_seconds": 5,
        "shutdown_seconds": 31,
    },
}
ALIVE: Final = {"status": "alive"}
_REFUSAL: Final = "galleries/shoes/image.means.npy is missing: build the gallery again, or copy its folder whole"
READY: Final = {"status": "ready", "refused_swaps": {"shoes": _REFUSAL}}


def _problem(status: int, title: str, detail: str) -> dict[str, Any]:
    kind = "urn:penumbra:problem:" + title.lower().replace(" ", "-")
    content = {"type": kind, "title": title, "status": status, "detail": detail}
    return {"description": title, "content": {"application/problem+json": {"example": content}}}


_BAD: Final = _problem(422, "Unacceptable text", "The text holds no word; describe in words what the picture shows.")
_UNKNOWN: Final = _problem(
    404,
    "Unknown item",
    "The gallery has no item 'scene-x'; take an id from a search or from /uncertainty.",
)
_UNKNOWN_GALLERY: Final = _problem(
    404, "Unknown gallery", "There is no gallery 'hats' here; those there are: 'default', 'shoes'."
)
_UNAUDITED: Final = _problem(
    404,
    "Not audited",
    "Nobody has looked for what is odd in this gallery: run `penumbra index audit` on its folder.",
)
_REFUSED: Final = _problem(409, "Swap refused", _REFUSAL)
_READ_ONLY: Final = _problem(
    403, "Read only", "This server does not change its galleries; start it with --writable if it is to."
)
_TAKEN: Final = _problem(
    409,
    "Change refused",
    "The gallery already has an item 'note-1': replace it, or add this one under another id.",
)
_UNSUPPORTED: Final = _problem(
    415,
    "Unsupported body",
    "Send captions as application/json, or an image as multipart/form-data; the header Content-Type says which.",
)
_FULL: Final = _problem(
    507,
    "Change not stored",
    "gallery/changes.journal cannot be written (No space left on device), and nothing was changed: make room or mend "
    "the disk",
)
_LARGE: Final = _problem(
    413, "Body too large", "The body has more than the 20,971,520 bytes allowed; send a smaller one."
)
_BUSY: Final = _problem(429, "Overloaded", "The server has 64 queries on their way; try again in a second.")
_LATE: Final = _problem(
    504,
    "Deadline exceeded",
    "The answer was not ready within 30 seconds; try again when the server is less busy.",
)
_WARMING: Final = _problem(503, "Not ready", "The server is warming up; ask again in a second.")

Responses = dict[int | str, dict[str, Any]]


def answers(
    example: Any,
    *,
    bad_input: bool = True,
    gallery: bool = False,
    item: bool = False,
    audit: bool = False,
    swap: bool = False,
    overload: bool = False,
    warming: bool = False,
) -> Responses:
    """The responses of a route: its answer, and the problems it may have instead."""
    kinds: list[tuple[bool, Responses]] = [
        (bad_input, {422: _BAD}),
        (gallery, {404: _UNKNOWN_GALLERY}),
        (item, {404: _UNKNOWN}),
        (audit, {404: _UNAUDITED}),
        (swap, {409: _REFUSED}),
        (overload, {413: _LARGE, 429: _BUSY, 504: _LATE}),
        (warming, {503: _WARMING}),
    ]
    responses: Responses = {200: {"content": {"application/json": {"example": example}}}}
    for there, problems in kinds:
        if there:
            responses |= problems
    return responses


def changes(status: int, example: Any, *, item: bool = False) -> Responses:
    """The responses of a route that changes a gallery."""
    bodiless = status == 204
    answer: Responses = {} if bodiless else {status: {"content": {"application/json": {"example": example}}}}
    unread: Responses = {} if bodiless else {413: _LARGE, 415: _UNSUPPORTED, 422: _BAD}
    unknown = _UNKNOWN if item else _UNKNOWN_GALLERY
    return answer | unread | {403: _READ_ONLY, 404: unknown, 409: _TAKEN, 422: _BAD, 429: _BUSY, 504: _LATE, 507: _FULL}


def body(as_json: type[BaseModel], example: Any, as_form: type[BaseModel]) -> dict[str, Any]:
    """A request's body that is one of two, by its Content-Type."""
    content = {
        "application/json": {"schema": _inlined(as_json), "example": example},
        "multipart/form-data": {"schema": _inlined(as_form)},
    }
    return {"requestBody": {"required": True, "content": content}}


def _inlined(model: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON schema with those of its parts in their places."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            name = value.get("$ref", "").removeprefix("#/$defs/")
            return resolve(parts[name]) if name else {key: resolve(inner) for key, inner in value.items()}
        return [resolve(each) for each in value] if isinstance(value, list) else value

    return {key: resolve(value) for key, value in schema.items()}


KEYS: Final = {
    "401": _problem(401, "Key needed", "Send a key that this server knows, as Authorization: Bearer KEY."),
    "403": _problem(403, "Not allowed", "The key shop lacks the scope write, which this needs; use another key."),
    "429": _problem(429, "Too many requests", "The key shop has 20 requests a second; ask again later."),
}
"""The problems that keys add to every route but the probes."""

PICTURE: Final[Responses] = {
    200: {
        "description": "The picture.",
        "content": {
            "image/jpeg": {
                "example": "(the bytes of a JPEG)",
                "schema": {"type": "string", "format": "binary"},
            }
        },
    },
    304: {"description": "The picture has not changed since the ETag in If-None-Match."},
    404: _UNKNOWN,
    422: _problem(422, "Wrong modality", "The item 'a#0' is a text and has no picture; name an image."),
}
METRICS: Final[Responses] = {
    200: {
        "content": {"text/plain": {"example": 'penumbra_gallery_items{modality="image"} 2000.0'}},
        "description": "Counters, histograms and gauges.",
    }
}

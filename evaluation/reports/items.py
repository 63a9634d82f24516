"""What a report shows of single items: how σ is spread, σ against the true number of matches, and the extremes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from corpus.manifest import Entry
from evaluation.positives import Floats, Ints, Positives
from evaluation.protocols import Embedded
from evaluation.relevance import owners
from evaluation.sensitivity import levels_of
from evaluation.uncertainty import telling_sigma
from models.image import decode, thumbnail

SHOWN: Final = 12
THUMBNAIL_SIDE: Final = 160
HISTOGRAM_BINS: Final = 30
MATCH_BINS: Final = 12


def items_of(embedded: Embedded, matches: Positives | None, shown: int = SHOWN) -> dict[str, Any]:
    """For images and captions: a histogram of σ, σ against the number of matches, the most and the least certain.

    Args:
        embedded: the collection.
        matches: the images that each caption truly matches, where that is known.
        shown: how many items at either end; the pictures are read again for their thumbnails.
    """
    sigma = {"images": telling_sigma(embedded.images), "texts": telling_sigma(embedded.texts)}
    counts = {} if matches is None else {"images": matches.transposed().counts, "texts": matches.counts}
    return {side: _of_side(embedded.entries, side, values, counts.get(side), shown) for side, values in sigma.items()}


def _of_side(
    entries: Sequence[Entry], side: str, sigma: Floats | None, counts: Ints | None, shown: int
) -> dict[str, Any]:
    if sigma is None:
        return {"histogram": None, "matches": None, "most_certain": [], "least_certain": []}
    matches = None if counts is None else by_matches(sigma, counts)
    return {"histogram": sigma_histogram(sigma), "matches": matches, **_extremes(entries, side, sigma, shown)}


def sigma_histogram(sigma: Floats) -> dict[str, list[float]]:
    """Counts of σ [n], not all the same, in bins of equal ratio."""
    edges = np.geomspace(sigma.min(), sigma.max(), HISTOGRAM_BINS + 1)
    # Rounding must not push the ends out of the range.
    inside = np.clip(sigma, edges[0], edges[-1])
    return {"edges": edges.tolist(), "count": np.histogram(inside, edges)[0].tolist()}


def by_matches(sigma: Floats, counts: Ints) -> dict[str, list[float]] | None:
    """σ [n] in equal-count bins of the number of matches [n]: their mean number, median σ, and its 10 % and 90 %.

    Items of the same number stay together; items that nothing matches are left out.
    """
    kept = counts > 0
    if not kept.any():
        return None
    known, values = counts[kept], sigma[kept]
    bins = levels_of(known, MATCH_BINS)
    spread = [np.quantile(values[b], [0.1, 0.5, 0.9]).tolist() for b in bins]
    low, middle, high = (list(column) for column in zip(*spread, strict=True))
    return {"number": [float(known[b].mean()) for b in bins], "low": low, "median": middle, "high": high}


def _extremes(entries: Sequence[Entry], side: str, sigma: Floats, shown: int) -> dict[str, list[dict[str, Any]]]:
    describe = _images if side == "images" else _captions
    order = np.argsort(sigma, kind="stable")
    return {
        "most_certain": describe(entries, order, sigma, shown),
        "least_certain": describe(entries, order[::-1], sigma, shown),
    }


def _images(entries: Sequence[Entry], order: Ints, sigma: Floats, shown: int) -> list[dict[str, Any]]:
    return [
        {
            "id": entries[row].id,
            "sigma": float(sigma[row]),
            "captions": list(entries[row].captions[:1]),
            "thumbnail": _as_uri(entries[row]),
        }
        for row in order[:shown].tolist()
    ]


def _captions(entries: Sequence[Entry], order: Ints, sigma: Floats, shown: int) -> list[dict[str, Any]]:
    """Captions, each wording once."""
    owner, texts = owners(entries), [caption for entry in entries for caption in entry.captions]
    found: dict[str, int] = {}
    for row in order.tolist():
        if len(found) == shown:
            break
        found.setdefault(texts[row], row)
    return [{"id": entries[owner[r]].id, "sigma": float(sigma[r]), "text": text} for text, r in found.items()]


def _as_uri(entry: Entry) -> str:
    picture = decode(entry.image.read_bytes(), at_least=THUMBNAIL_SIDE)
    return "data:image/jpeg;base64," + b64encode(thumbnail(picture, THUMBNAIL_SIDE)).decode("ascii")

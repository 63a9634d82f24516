"""Texts of a gallery that say about the same as a query, and say it less vaguely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from index.gallery import Gallery
from index.items import Item, Modality
from models.distances import squared_l2
from models.gaussian import Gaussian
from models.text import words

NEAR: Final = 200
"""Texts that are looked at, the nearest of all."""
CLEARLY: Final = 0.9
"""A text is clearly more certain with a σ of at most so much of the query's."""


def more_specific(gallery: Gallery, query: Gaussian, text: str, count: int) -> tuple[int, ...]:
    """Up to `count` rows of texts near a query that are clearly more certain, the nearest first.

    No two of them have the same words, and none has the query's.

    Args:
        gallery: whose texts are looked at.
        query: Gaussian [dim] of the text.
        text: the query's.
        count: how many at most.
    """
    rows = gallery.nearest(Modality.TEXT, query.mean, NEAR, gallery.present(Modality.TEXT))
    gaussians = gallery.gaussians(Modality.TEXT, rows)
    surer = (gaussians.sigma <= CLEARLY * query.sigma).numpy()
    # The order of a shortlist may be of lifted means.
    order = np.lexsort((rows, squared_l2(query, gaussians).numpy()))
    nearest = [int(row) for row in rows[order[surer[order]]]]
    distinct = _distinct(gallery.items(Modality.TEXT, nearest), words(text))
    return tuple(nearest[place] for place, _ in zip(distinct, range(count), strict=False))


def _distinct(items: Sequence[Item], known: tuple[str, ...]) -> Iterator[int]:
    """Places of the items whose words no earlier one has, and that are not those known."""
    seen = {known}
    for place, item in enumerate(items):
        read = words(item.text or "")
        if read not in seen:
            seen.add(read)
            yield place

"""Texts of a gallery that say what a query says, and say it less vaguely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from index.allowed import Allowed
from index.gallery import Gallery
from index.items import Modality
from models.distances import squared_l2
from models.gaussian import Gaussian
from models.text import words

NEAR: Final = 500
"""Texts whose words are looked at: of those that are clearly more certain the nearest."""
CLEARLY: Final = 0.9
"""A text is clearly more certain with a σ of at most so much of the query's."""


def more_specific(gallery: Gallery, query: Gaussian, text: str, count: int) -> tuple[int, ...]:
    """Up to `count` rows of texts near a query that are clearly more certain.

    Those that leave out the fewest of its words come first, and of these the nearest by the mean: nearness alone finds
    texts of other things too. No two have the same words, and none has just the query's.

    Args:
        gallery: whose texts are looked at.
        query: Gaussian [dim] of the text.
        text: the query's.
        count: how many at most.
    """
    surer = np.zeros(len(gallery.stored(Modality.TEXT)), np.bool_)
    surer[gallery.by_sigma(Modality.TEXT, most=CLEARLY * float(query.sigma)).rows] = True
    rows = gallery.nearest(Modality.TEXT, query.mean, NEAR, Allowed(surer))
    distances = squared_l2(query, gallery.gaussians(Modality.TEXT, rows)).numpy()
    asked, said = words(text), [words(item.text or "") for item in gallery.items(Modality.TEXT, rows)]
    left_out = np.array([len(set(asked).difference(each)) for each in said], np.int64)
    order = np.lexsort((rows, distances, left_out)).tolist()
    distinct = _distinct([said[place] for place in order], asked)
    return tuple(int(rows[order[place]]) for place, _ in zip(distinct, range(count), strict=False))


def _distinct(said: Sequence[tuple[str, ...]], asked: tuple[str, ...]) -> Iterator[int]:
    """Places of what no earlier one says, and what was not asked."""
    seen = {asked}
    for place, each in enumerate(said):
        if each not in seen:
            seen.add(each)
            yield place

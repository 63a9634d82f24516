"""Texts of a gallery that say what a query says, and say it less vaguely."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from index.items import Modality
from index.searching.contract import GalleryState
from models.distances import squared_l2
from models.gaussian import Gaussian
from models.text import words

CLEARLY: Final = 0.9
"""A text is clearly more certain with a σ of at most so much of the query's."""


def captions_of(gallery: GalleryState, images: Iterable[str]) -> tuple[int, ...]:
    """Rows of the captions of these images."""
    found = (gallery.find(caption) for image in images for caption in gallery.captions(image))
    return tuple(row for _, row in filter(None, found))


def more_specific(
    gallery: GalleryState, query: Gaussian, text: str, candidates: Sequence[int], count: int
) -> tuple[int, ...]:
    """Up to `count` of the candidates that are clearly more certain than a query.

    Those that leave out the fewest of its words come first, and of these the nearest by the mean: nearness alone finds
    texts of other things too. No two have the same words, and none has just the query's.

    Args:
        gallery: whose texts are looked at.
        query: Gaussian [dim] of the text.
        text: the query's.
        candidates: rows of texts. Those near a vague query are as vague; captions of what matches it are not.
        count: how many at most.
    """
    rows = np.array(candidates, np.int64)
    gaussians = gallery.gaussians(Modality.TEXT, rows)
    surer = (gaussians.sigma <= CLEARLY * query.sigma).numpy()
    rows, distances = rows[surer], squared_l2(query, gaussians).numpy()[surer]
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

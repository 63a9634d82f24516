"""Pairs of queries and items with what is known of each: matches, or does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.random import default_rng
from torch import Tensor

from evaluation.positives import Positives
from evaluation.protocols import Embedded
from evaluation.relevance import for_direction
from models.calibration import Direction
from models.gaussian import Gaussian

MAX_QUERIES: Final = 1_500
MAX_ITEMS: Final = 4_000
# Pairs that a fit looks at: enough for a few hundred numbers, and a few seconds of arithmetic.
FIT_PAIRS: Final = 500_000


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of some queries and some items.

    Args:
        queries: Gaussian [q, dim].
        items: Gaussian [n, dim].
        match: [q, n], 1 where they match and 0 where not.
    """

    queries: Gaussian
    items: Gaussian
    match: Tensor

    @property
    def matches(self) -> int:
        """How many pairs match."""
        return int(self.match.sum())


def pairs_of_direction(embedded: Embedded, direction: Direction, matches: Positives, seed: int = 0) -> Pairs:
    """All pairs of at most `MAX_QUERIES` queries and `MAX_ITEMS` items of a direction.

    Args:
        embedded: the collection.
        direction: which side asks.
        matches: the images that each caption matches.
        seed: chooses queries and items where there are too many.
    """
    queries, items = embedded.sides(direction)
    rng = default_rng(seed)
    rows = np.sort(rng.permutation(len(queries))[:MAX_QUERIES])
    columns = np.sort(rng.permutation(len(items))[:MAX_ITEMS])
    return _pairs(queries, items, for_direction(matches, direction), rows, columns)


def blocks_of_direction(
    embedded: Embedded, direction: Direction, matches: Positives, seed: int = 0, cells: int = FIT_PAIRS
) -> tuple[Pairs, ...]:
    """About `cells` pairs, drawn evenly: every query against a share of the items, every item against a share of them.

    Queries and items are dealt into equally many heaps, and heap i of the queries meets heap i of the items. So all
    items and all queries are seen, matching pairs keep their share, and each pair weighs the same.
    """
    queries, items = embedded.sides(direction)
    turned, rng = for_direction(matches, direction), default_rng(seed)
    count = max(1, min(round(len(queries) * len(items) / cells), len(queries), len(items)))
    heaps = [np.array_split(rng.permutation(len(side)), count) for side in (queries, items)]
    dealt: Iterator[tuple[np.ndarray, np.ndarray]] = zip(*heaps, strict=True)
    return tuple(_pairs(queries, items, turned, np.sort(rows), np.sort(columns)) for rows, columns in dealt)


def _pairs(
    queries: Gaussian,
    items: Gaussian,
    matches: Positives,
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
    columns: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> Pairs:
    mask = torch.from_numpy(matches.mask(rows)[:, columns]).float()
    return Pairs(queries[torch.from_numpy(rows)], items[torch.from_numpy(columns)], mask)

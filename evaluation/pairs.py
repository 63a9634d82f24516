"""Pairs of a query and an item of its shortlist, with what is known of each: matches, or does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.random import default_rng
from torch import Tensor

from evaluation.positives import Positives, query_blocks
from evaluation.protocols import Embedded
from evaluation.relevance import for_direction
from models.calibration import Direction
from models.distances import pairwise_squared_l2
from models.gaussian import Gaussian
from models.match import MatchHead, closed_form

# As deep as a search looks unless it is told otherwise: what is calibrated and judged is what is shown.
SHORTLIST: Final = 200
MAX_QUERIES: Final = 4_000


@dataclass(frozen=True, eq=False)
class Pairs:
    """Queries, each with some of the items.

    Args:
        queries: Gaussian [q, dim].
        items: Gaussian [n, dim].
        near: int64 [q, s], each query's s items, the nearest first.
        match: [q, s], 1 where they match and 0 where not.
        counts: [q], how many of all items each query matches.
    """

    queries: Gaussian
    items: Gaussian
    near: Tensor
    match: Tensor
    counts: Tensor

    @property
    def matches(self) -> int:
        """How many pairs match."""
        return int(self.match.sum())

    @property
    def share(self) -> float:
        """The share that matches of all pairs of a query and an item, near or not."""
        return float(self.counts.double().mean()) / len(self.items)

    @property
    def weight(self) -> Tensor:
        """[q, s]: what a pair weighs in a fit, 1 / log₂(1 + rank) with a mean of 1.

        The discount of DCG (Järvelin and Kekäläinen, 2002): the first answers are read most, and are few.
        """
        ranks = torch.arange(1, self.near.shape[1] + 1, dtype=torch.float64)
        discount = 1 / torch.log2(1 + ranks)
        return (discount / discount.mean()).expand(self.near.shape)

    def gather(self, tables: Callable[[Gaussian, Gaussian], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Tables [q, s] of the pairs.

        Args:
            tables: gives tables [b, n] of b queries and all items; called with a block of the queries at a time.
        """
        parts = []
        for block in query_blocks(len(self.queries), len(self.items)):
            near = self.near[block]
            parts.append([table.gather(1, near) for table in tables(self.queries[block], self.items)])
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))

    def probabilities(self, head: MatchHead) -> Tensor:
        """[q, s]: closed-form match probabilities."""
        return self.gather(lambda queries, items: (closed_form(queries, items, head),))[0]


def shortlisted(
    embedded: Embedded, direction: Direction, matches: Positives, seed: int = 0, queries: int = MAX_QUERIES
) -> Pairs:
    """Each query with its shortlist: the `SHORTLIST` items whose means are nearest, or all where there are fewer.

    Args:
        embedded: the collection.
        direction: which side asks.
        matches: the images that each caption matches.
        seed: chooses queries where there are more than `queries`.
        queries: at most so many are asked.
    """
    asking, items = embedded.sides(direction)
    turned = for_direction(matches, direction)
    rows = np.sort(default_rng(seed).permutation(len(asking))[:queries])
    asked, near, match = asking[torch.from_numpy(rows)], [], []
    for block in query_blocks(len(rows), len(items)):
        distances = pairwise_squared_l2(asked.mean[block], items.mean)
        near.append(distances.topk(min(SHORTLIST, len(items)), largest=False).indices)
        match.append(torch.from_numpy(turned.mask(rows[block])).float().gather(1, near[-1]))
    return Pairs(asked, items, torch.cat(near), torch.cat(match), torch.from_numpy(turned.counts[rows]))

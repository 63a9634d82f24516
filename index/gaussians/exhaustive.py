"""All items of a modality, block by block: their match probabilities in closed form, and their nearest points."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from index.allowed import Allowed
from index.gaussians.points import Points
from index.gaussians.storage import BLOCK, Gaussians
from index.giving_up import go_on
from index.ranking import Best, Floats, Ranking, Rows
from models.distances import pairwise_squared_l2, squared_l2
from models.gaussian import Gaussian
from models.match import MatchHead, closed_form


def probability_blocks(queries: Gaussian, items: Gaussians, head: MatchHead) -> Iterator[tuple[int, Tensor]]:
    """Match probabilities of queries and all items; at no time is more than a block of Gaussians in memory.

    Args:
        queries: Gaussian [q, dim].
        items: where they lie.
        head: of the direction of search.

    Yields:
        a row, and the probabilities [q, up to `BLOCK`] of the items from there on.
    """
    for start, block in items.blocks():
        go_on()
        yield start, closed_form(queries, block, head)


def every_probability(query: Gaussian, items: Gaussians, head: MatchHead, allowed: Allowed | None = None) -> Tensor:
    """Match probabilities [n] of one query, Gaussian [dim], and all items, or all that may answer, in their order."""
    if allowed is not None:
        return torch.cat([torch.empty(0), *_allowed_probabilities(query, items, head, allowed)])
    found = torch.empty(len(items))
    for start, block in probability_blocks(query[None], items, head):
        found[start : start + block.shape[1]] = block[0]
    return found


def _allowed_probabilities(query: Gaussian, items: Gaussians, head: MatchHead, allowed: Allowed) -> Iterator[Tensor]:
    for rows in allowed.blocks(BLOCK):
        go_on()
        yield closed_form(query[None], items.take(rows), head)[0]


def most_probable(
    query: Gaussian, items: Gaussians, probabilities: Tensor, k: int, allowed: Allowed | None = None
) -> Ranking:
    """The k most probable items; equal probabilities by the distance of the means, then by row.

    Args:
        query: Gaussian [dim].
        items: where they lie.
        probabilities: [n] of all of them that may answer.
        k: how many at most.
        allowed: which may; None for all.

    Returns:
        their rows, with the squared distances of the means.
    """
    values = probabilities.numpy()
    places = _candidates(values, k)
    rows = places if allowed is None else allowed.rows[places]
    distances = _squared_distances(query, items, rows)
    order = np.lexsort((rows, distances, -values[places]))[:k]
    return Ranking(rows[order], distances[order])


def nearest(queries: Tensor, points: Points, k: int) -> Rows:
    """The rows [q, up to k] of the points nearest to the means of queries [q, dim], by squared L2 distance."""
    best = Best(len(queries), k, largest=False)
    asking = torch.from_numpy(np.stack([points.query(mean) for mean in queries.numpy()]))
    for start, block in points.blocks():
        best.see(pairwise_squared_l2(asking, torch.from_numpy(block)), start)
    rows: Rows = best.rows.numpy()
    return rows


def _candidates(values: Floats, k: int) -> Rows:
    """Places, rising, of the k greatest values and of all that equal the least of these."""
    if k >= len(values):
        return np.arange(len(values))
    least = np.partition(values, len(values) - k)[len(values) - k]
    return np.flatnonzero(values >= least)


def _squared_distances(query: Gaussian, items: Gaussians, rows: Rows) -> Floats:
    """Of the means, float32 [k]; ties of a whole gallery come block by block too."""
    parts = [squared_l2(query, items.take(rows[start : start + BLOCK])) for start in range(0, len(rows), BLOCK)]
    return torch.cat(parts).numpy() if parts else np.empty(0, np.float32)

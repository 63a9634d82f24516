"""Every item of a modality ranked, block by block: the match probability in closed form over a whole gallery."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from index.shortlist import Floats, Ranking, Rows
from index.storage import BLOCK, StoredGaussians
from models.distances import squared_l2
from models.gaussian import Gaussian
from models.match import MatchHead, closed_form


def every_probability(query: Gaussian, items: StoredGaussians, head: MatchHead) -> Tensor:
    """Match probabilities [n] of one query and all items, in closed form; a block of Gaussians in memory at once.

    Args:
        query: Gaussian [dim].
        items: where they lie.
        head: of the direction of search.
    """
    found = torch.empty(len(items))
    for start, block in items.blocks():
        found[start : start + BLOCK] = closed_form(query[None], block, head)[0]
    return found


def most_probable(query: Gaussian, items: StoredGaussians, probabilities: Tensor, k: int) -> Ranking:
    """The k most probable items; equal probabilities by the distance of the means, then by row.

    Args:
        query: Gaussian [dim].
        items: where they lie.
        probabilities: [n] of all of them.
        k: how many at most.

    Returns:
        their rows, with the squared distances of the means.
    """
    values = probabilities.numpy()
    rows = _candidates(values, k)
    distances = _squared_distances(query, items, rows)
    order = np.lexsort((rows, distances, -values[rows]))[:k]
    return Ranking(rows[order], distances[order])


def _candidates(values: Floats, k: int) -> Rows:
    """Rows, rising, of the k greatest values and of all that equal the least of these."""
    if k >= len(values):
        return np.arange(len(values))
    least = np.partition(values, len(values) - k)[len(values) - k]
    return np.flatnonzero(values >= least)


def _squared_distances(query: Gaussian, items: StoredGaussians, rows: Rows) -> Floats:
    """Of the means, float32 [k]; ties of a whole gallery come block by block too."""
    parts = [squared_l2(query, items.take(rows[start : start + BLOCK])) for start in range(0, len(rows), BLOCK)]
    return torch.cat(parts).numpy() if parts else np.empty(0, np.float32)

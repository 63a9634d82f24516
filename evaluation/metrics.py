"""Retrieval metrics on ranks, exact: a distance may have any sign and size, and ties go to the lower index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def ordered_relevance(distances: Floats, relevant: Bools) -> Bools:
    """Relevance in the order of the ranking.

    Args:
        distances: [q, n], lower is closer.
        relevant: bool [q, n].

    Returns:
        bool [q, n]: column k tells whether the item at rank k is relevant.
    """
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(relevant, order, axis=1)


def first_ranks(ordered: Bools) -> Ints:
    """[q]: the rank (from 0) of the first relevant item; n where no item is relevant."""
    found = ordered.any(axis=1)
    first: Ints = np.where(found, ordered.argmax(axis=1), ordered.shape[1])
    return first


def recall_at(first: Ints, k: int) -> float:
    """Recall@k: the share of queries with a relevant item among the first k."""
    return float((first < k).mean())


def median_rank(first: Ints) -> float:
    """The median rank of the first relevant item, counted from 1."""
    return float(np.median(first + 1))


def r_precision(ordered: Bools) -> Floats:
    """[q]: the share of relevant items among the first R, R being how many are relevant (Musgrave et al., 2020).

    Not a number where nothing is relevant.
    """
    counts = ordered.sum(axis=1)
    hits = np.take_along_axis(ordered.cumsum(axis=1), np.maximum(counts - 1, 0)[:, None], axis=1)[:, 0]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(counts > 0, hits / np.maximum(counts, 1), np.nan), dtype=np.float64)

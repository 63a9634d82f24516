"""Retrieval metrics from the ranks of the positives, exact. Queries that nothing matches are left out of every mean."""

from __future__ import annotations

import numpy as np

from evaluation.positives import Floats, Ints, Ranks


def first_ranks(ranks: Ranks) -> Ints:
    """[queries that something matches]: the rank, from 0, of the first positive."""
    return ranks.values[ranks.offsets[:-1][ranks.counts > 0]]


def recall_at(ranks: Ranks, k: int) -> float:
    """Recall@K as image-text retrieval has it: the share of queries with a positive among the first K."""
    return _mean(first_ranks(ranks) < k)


def median_rank(ranks: Ranks) -> float:
    """The median rank of the first positive, counted from 1."""
    first = first_ranks(ranks)
    return float(np.median(first + 1)) if len(first) else float("nan")


def precision_at_r(ranks: Ranks) -> Floats:
    """[queries]: R-Precision, the share of positives among the first R of R positives; nan where R is 0.

    As PCME reports it (Musgrave et al., 2020, section 3.2).
    """
    return _per_query(ranks, (ranks.values < ranks.counts[ranks.queries]).astype(np.float64))


def average_precision_at_r(ranks: Ranks) -> Floats:
    """[queries]: the mean over the first R ranks of the precision at each rank that holds a positive, 0 elsewhere.

    MAP@R is its mean (Musgrave et al., 2020, eq. 3; ECCV Caption: Chun et al., 2022); nan where R is 0.
    """
    precision = (ranks.places + 1) / (ranks.values + 1)
    return _per_query(ranks, np.where(ranks.values < ranks.counts[ranks.queries], precision, 0.0))


def r_precision(ranks: Ranks) -> float:
    """The mean of `precision_at_r`."""
    return _mean(precision_at_r(ranks)[ranks.counts > 0])


def map_at_r(ranks: Ranks) -> float:
    """The mean of `average_precision_at_r`."""
    return _mean(average_precision_at_r(ranks)[ranks.counts > 0])


def _per_query(ranks: Ranks, values: Floats) -> Floats:
    """Sums of `values` [total] over each query's positives, divided by their number."""
    sums = np.bincount(ranks.queries, weights=values, minlength=len(ranks))
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / ranks.counts, dtype=np.float64)


def _mean(values: Floats | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return float(values.mean()) if len(values) else float("nan")

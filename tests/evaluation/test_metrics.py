"""Ranking metrics against loops of ten lines, and against scikit-like definitions by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from evaluation.metrics import first_ranks, median_rank, ordered_relevance, r_precision, recall_at


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances with many ties, some of them negative, and relevance with at least one empty row."""
    rng = default_rng(seed)
    distances = rng.integers(-3, 6, (7, 11)).astype(float)
    relevant = rng.random((7, 11)) < 0.3
    relevant[0] = False
    return distances, relevant


@given(st.integers(0, 10_000))
def test_metrics_by_loops(seed: int) -> None:
    """First ranks, Recall@K, median rank and R-Precision as plain loops compute them; ties by index."""
    distances, relevant = random_case(seed)
    ordered = ordered_relevance(distances, relevant)
    firsts, precisions = [], []
    for row in range(7):
        ranking = sorted(range(11), key=lambda item: (distances[row, item], item))
        hits = [place for place, item in enumerate(ranking) if relevant[row, item]]
        firsts.append(hits[0] if hits else 11)
        total = int(relevant[row].sum())
        precisions.append(sum(place < total for place in hits) / total if total else float("nan"))
    assert first_ranks(ordered).tolist() == firsts
    np.testing.assert_allclose(r_precision(ordered), precisions)
    for k in (1, 5, 10):
        assert recall_at(first_ranks(ordered), k) == pytest.approx(sum(f < k for f in firsts) / 7)
    assert median_rank(first_ranks(ordered)) == np.median([f + 1 for f in firsts])


@given(st.integers(0, 10_000))
def test_only_the_order_matters(seed: int) -> None:
    """A monotone change of the distances changes nothing; negative distances are distances."""
    distances, relevant = random_case(seed)
    one, other = (ordered_relevance(d, relevant) for d in (distances, np.exp(distances) - 100))
    assert np.array_equal(one, other)


def test_a_perfect_ranking_is_perfect() -> None:
    """Relevant items first: R-Precision and Recall@1 are one."""
    relevant = np.eye(5, dtype=bool) | np.eye(5, k=1, dtype=bool)
    ordered = ordered_relevance(-relevant.astype(float), relevant)
    assert r_precision(ordered).tolist() == [1.0] * 5
    assert recall_at(first_ranks(ordered), 1) == 1.0

"""Figures of probabilities, against scikit-learn and loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from sklearn.metrics import brier_score_loss, log_loss

from evaluation.reliability import diagram, per_query, reliability


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = default_rng(seed)
    probability = rng.random((40, 30)) ** 3
    match = rng.random((40, 30)) < probability * 0.8
    return torch.from_numpy(probability), torch.from_numpy(match).double()


def test_log_loss_brier_and_ece() -> None:
    """The first two are scikit-learn's; ECE is that of a loop over sorted pairs."""
    probability, match = drawn()
    found = reliability(probability, match)
    flat, matched = probability.flatten().numpy(), match.flatten().numpy()
    assert found.log_loss == pytest.approx(log_loss(matched, flat))
    assert found.brier == pytest.approx(brier_score_loss(matched, flat))
    parts = np.array_split(np.argsort(flat, kind="stable"), 15)
    gaps = [len(p) * abs(flat[p].mean() - matched[p].mean()) for p in parts]
    assert found.ece == pytest.approx(sum(gaps) / flat.size)


def test_a_diagram_by_hand() -> None:
    """Two bins of two: means, shares and counts, gaps of 0.2 and 0.3."""
    probability = torch.tensor([0.8, 0.1, 0.3, 0.6], dtype=torch.float64)
    match = torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64)
    found = diagram(probability, match, bins=2)
    assert found.probability == pytest.approx((0.2, 0.7))
    assert found.frequency == (0.0, 1.0)
    assert found.count == (2, 2)
    assert found.ece == pytest.approx((0.2 + 0.3) / 2)


def test_queries_one_by_one() -> None:
    """Expected against true matches and the probability of an only match, by a loop over queries.

    Some matches are not in the shortlist: they count among the true ones, and an only one has a probability of 0.
    """
    probability, match = drawn(1)
    match[:7] = 0
    match[1:5, 7] = 1
    counts = match.sum(1) + torch.from_numpy(default_rng(2).integers(0, 3, len(match)))
    counts[1:7] = 1
    within, only = [], []
    for row, truth, count in zip(probability.numpy(), match.numpy(), counts.numpy(), strict=True):
        if 1 <= count <= 200:
            within.append(count / 1.5 <= row.sum() <= count * 1.5)
        if count == 1:
            only.append(row[truth == 1][0] if truth.any() else 0.0)
    found = per_query(probability, match, counts)
    assert (found.within, found.counted) == (pytest.approx(np.mean(within)), len(within))
    assert (found.only_match, found.single) == (pytest.approx(np.median(only)), len(only))
    none = per_query(probability, torch.zeros_like(match), torch.zeros(len(match)))
    assert (none.within, none.only_match) == (None, None)


def test_what_a_search_shows_by_a_loop() -> None:
    """The ten most probable items of each query: mean, share that matches, and the error of their own diagram."""
    probability, match = drawn(1)
    # Steps, as an isotonic map makes them: of equally probable items the earlier ones are shown.
    probability[::2] = (4 * probability[::2]).round() / 4
    told, seen = [], []
    for row, truth in zip(probability.numpy(), match.numpy(), strict=True):
        first = np.argsort(-row, kind="stable")[:10]
        told.extend(row[first])
        seen.extend(truth[first])
    found = reliability(probability, match, match.sum(1)).shown
    assert found is not None
    assert found.probability == pytest.approx(np.mean(told))
    assert found.frequency == pytest.approx(np.mean(seen))
    bins = np.array_split(np.argsort(told, kind="stable"), 15)
    gaps = [abs(np.take(told, part).mean() - np.take(seen, part).mean()) * len(part) for part in bins]
    assert found.ece == pytest.approx(sum(gaps) / len(told))
    assert sum(found.diagram.count) == 10 * len(probability)
    assert reliability(probability, match).shown is None

"""Selective answers against scikit-learn and plain loops."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from evaluation.selective import Tally, abstention, error_auroc, in_bins


@given(st.integers(0, 10_000))
def test_auroc_is_that_of_scikit_learn(seed: int) -> None:
    """With many ties."""
    rng = default_rng(seed)
    score, wrong = rng.integers(0, 6, 30).astype(float), rng.random(30) < 0.4
    wrong[:2] = True, False
    assert error_auroc(score, wrong) == pytest.approx(roc_auc_score(wrong, score))


def test_auroc_of_nothing_to_tell_apart() -> None:
    """No wrong answer, or no right one, is no number."""
    score = np.arange(4.0)
    assert np.isnan(error_auroc(score, np.zeros(4, dtype=bool)))
    assert np.isnan(error_auroc(score, np.ones(4, dtype=bool)))


@given(st.integers(0, 10_000))
def test_risk_against_coverage_by_loops(seed: int) -> None:
    """Without ties: the share of wrong answers among the k of the lowest scores, for every k."""
    rng = default_rng(seed)
    score, wrong = rng.permutation(20).astype(float), rng.random(20) < 0.5
    risks = [np.mean([wrong[i] for i in range(20) if score[i] < k]) for k in range(1, 21)]
    found = abstention(score, wrong)
    assert found.area == pytest.approx(np.mean(risks))
    assert found.risk == pytest.approx(risks[1::2])


def test_equal_scores_do_not_profit_from_their_order() -> None:
    """A score that says nothing has the risk of everything at every coverage."""
    wrong = np.array([False] * 10 + [True] * 10)
    for order in (wrong, wrong[::-1]):
        found = abstention(np.zeros(20), order)
        assert found.risk == pytest.approx([0.5] * 10)
        assert found.area == pytest.approx(0.5)
        assert found.auroc == 0.5


@given(st.integers(0, 10_000))
def test_weighted_answers_are_repeated_answers(seed: int) -> None:
    """Every resample of a tally has the AUROC and the area of the answers written out, ties and all."""
    rng = default_rng(seed)
    score, wrong = rng.integers(0, 8, 25).astype(float), rng.random(25) < 0.5
    weights = rng.integers(0, 4, (5, 25)).astype(float)
    tally = Tally.of(score, wrong, weights)
    for row, times in enumerate(weights.astype(int)):
        whole = abstention(np.repeat(score, times), np.repeat(wrong, times))
        assert tally.areas[row] == pytest.approx(whole.area)
        assert tally.aurocs[row] == pytest.approx(whole.auroc, nan_ok=True)


def test_area_with_ties_by_loops() -> None:
    """Over all orders in which equal scores can be refused, the mean of the plain areas."""
    score, wrong = np.array([1.0, 2, 2, 2, 3]), np.array([0, 1, 0, 1, 1])
    areas = []
    for middle in permutations((1, 2, 3)):
        order = [0, *middle, 4]
        areas.append(np.mean(np.cumsum(wrong[order]) / np.arange(1, 6)))
    assert abstention(score, wrong == 1).area == pytest.approx(np.mean(areas))


def test_bins_by_hand() -> None:
    """Ten bins of two; a figure that falls with σ correlates with −1 and has the slope of the line."""
    sigma = np.arange(20.0)
    figure = 5 - 0.25 * sigma
    figure[7] = np.nan
    found = in_bins(sigma, figure)
    assert len(found.values) == 10
    assert found.spearman == pytest.approx(-1)
    assert found.slope == pytest.approx(-0.25)
    assert found.score[0] == 0.5
    assert found.values[0] == pytest.approx(5 - 0.125)


@given(st.integers(0, 10_000))
def test_correlation_over_bins_is_spearmans(seed: int) -> None:
    """Of the means of the bins."""
    rng = default_rng(seed)
    sigma, figure = rng.random(53), rng.random(53)
    found = in_bins(sigma, figure)
    order = np.argsort(sigma)
    means = [figure[part].mean() for part in np.array_split(order, 10)]
    assert found.values == pytest.approx(means)
    assert found.spearman == pytest.approx(spearmanr(np.arange(10), means).statistic)


def test_what_does_not_vary_correlates_with_nothing() -> None:
    """All σ alike."""
    found = in_bins(np.ones(30), np.arange(30.0))
    assert np.isnan(found.spearman)
    assert np.isnan(found.slope)

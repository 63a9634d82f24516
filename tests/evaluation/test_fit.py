"""Fits on synthetic data with a known answer, and against scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from torch.func import jacrev

from evaluation.fit import Sees, _Numbers, _Problem, fit_head
from evaluation.maps import fit_isotonic, fit_platt
from evaluation.pairs import Pairs
from evaluation.reliability import diagram
from models.gaussian import Gaussian
from models.match import LogVarianceTerm, MatchHead, TraceTerm, closed_form

DIM = 6
STRAIGHT = MatchHead(12.0, 14.0, TraceTerm(1.5), TraceTerm(-2.0))
CURVED = MatchHead(12.0, 12.0, TraceTerm(8.0, -6.0), TraceTerm(-1.0, 2.0))
READING = MatchHead(
    9.0,
    9.0,
    LogVarianceTerm((0.8, -0.5, 0.3, 0.0, 0.2, -0.4), -1.2, 0.1, -9.0, 9.0),
    LogVarianceTerm((0.0, 0.4, 0.0, -0.3, 0.0, 0.1), -0.6, -0.1, -9.0, 9.0),
)
POINTS = MatchHead(8.0, 7.0, means_alone=True)
STEEP_IN_TRACES = replace(STRAIGHT, steepness=(1.5, -0.8))
STEEP_IN_READING = replace(READING, steepness=(0.25, 0.05))


def gaussians(n: int, seed: int) -> Gaussian:
    """Points of the sphere with total variances between 0.02 and 1, shared unevenly among the dimensions."""
    g = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(n, DIM, generator=g), dim=-1)
    share = torch.softmax(torch.randn(n, DIM, generator=g) / 2, -1)
    return Gaussian(mean, ((torch.rand(n, 1, generator=g) + 0.02) * share).log())


def whole(queries: Gaussian, items: Gaussian, match: torch.Tensor) -> Pairs:
    """Every query with every item, as they come."""
    near = torch.arange(len(items)).expand(len(queries), -1)
    return Pairs(queries, items, near, match.float(), match.sum(1))


def drawn(head: MatchHead, seed: int = 0, queries: int = 300, items: int = 400) -> Pairs:
    """Pairs whose matches are drawn with the probabilities of a known head."""
    x, y = gaussians(queries, 1 + seed), gaussians(items, 2 + seed)
    return whole(x, y, torch.from_numpy(default_rng(seed).random((queries, items)) < closed_form(x, y, head).numpy()))


def log_loss(head: MatchHead, pairs: Pairs) -> float:
    """Weighted as in a fit."""
    probability, match = pairs.probabilities(head).double(), pairs.match.double()
    return float(torch.nn.functional.binary_cross_entropy(probability, match, weight=pairs.weight))


@pytest.mark.parametrize(
    ("head", "sees"),
    [
        (POINTS, Sees.NOTHING),
        (STRAIGHT, Sees.TRACES),
        (CURVED, Sees.TRACES),
        (READING, Sees.LOG_VARIANCES),
        (STEEP_IN_TRACES, Sees.TRACES),
        (STEEP_IN_READING, Sees.LOG_VARIANCES),
    ],
)
def test_a_known_head_is_found_again(head: MatchHead, sees: Sees) -> None:
    """Scales within a seventh, probabilities within 0.01 on average and ECE near 0, from 120,000 pairs."""
    pairs = drawn(head)
    found = fit_head(pairs, sees)
    assert float((found.scale_of(pairs.queries) / head.scale_of(pairs.queries) - 1).abs().median()) < 0.15
    ours, true = (pairs.probabilities(each) for each in (found, head))
    assert float((ours - true).abs().mean()) < 0.01
    assert diagram(ours.flatten().double(), pairs.match.flatten().double()).ece < 0.005


def test_the_weights_of_a_reading_are_found_again() -> None:
    """Each dimension's weight comes back, up to what 240,000 drawn matches leave open."""
    found = fit_head(drawn(READING, queries=600), Sees.LOG_VARIANCES)
    for term, true in ((found.query, READING.query), (found.item, READING.item)):
        assert isinstance(term, LogVarianceTerm)
        assert isinstance(true, LogVarianceTerm)
        read = [gaussians(500, 9).log_variance.double() @ torch.tensor(t.weights).double() for t in (term, true)]
        assert float(torch.corrcoef(torch.stack(read))[0, 1]) > 0.97


def test_no_head_nearby_is_better() -> None:
    """The fit is a minimum of the weighted log-loss: moving any number either way makes it worse."""
    pairs = drawn(replace(CURVED, steepness=(0.8, -0.4)))
    found = fit_head(pairs, Sees.TRACES)
    best = log_loss(found, pairs)
    for step in (0.9, 1.1):
        query, item = found.query, found.item
        assert isinstance(query, TraceTerm)
        assert isinstance(item, TraceTerm)
        others = [
            replace(found, scale=found.scale * step),
            replace(found, shift=found.shift * step),
            replace(found, query=replace(query, slope=query.slope * step)),
            replace(found, query=replace(query, curve=query.curve * step)),
            replace(found, item=replace(item, slope=item.slope * step)),
            replace(found, item=replace(item, curve=item.curve * step)),
            replace(found, steepness=(found.steepness[0] * step, found.steepness[1])),
            replace(found, steepness=(found.steepness[0], found.steepness[1] * step)),
        ]
        for other in others:
            assert log_loss(other, pairs) > best


@pytest.mark.parametrize("sees", Sees)
def test_a_step_is_that_of_the_derivatives(sees: Sees) -> None:
    """Gradient and Fisher information are those of the logits' Jacobian by automatic differentiation, pull included."""
    pairs = drawn(STEEP_IN_READING, queries=12, items=15)
    problem = _Problem.of(replace(pairs, near=pairs.near[:, torch.randperm(15)[:7]], match=pairs.match[:, :7]), sees)
    numbers = problem.start()
    numbers += 0.1 * torch.randn(len(numbers), dtype=torch.float64)
    logits = problem._logits(_Numbers.of(numbers, problem._widths)).value
    slopes = jacrev(lambda each: problem._logits(_Numbers.of(each, problem._widths)).value)(numbers).flatten(0, 1)
    probability, weight, pull = torch.sigmoid(logits).flatten(), problem.weight.flatten(), 2 * problem._pull()
    gradient, information = problem.step(numbers)
    error = weight * (probability - problem.match.flatten())
    certainty = weight * probability * (1 - probability)
    torch.testing.assert_close(gradient, slopes.mT @ error + pull * numbers)
    torch.testing.assert_close(information, slopes.mT @ (certainty[:, None] * slopes) + torch.diag(pull))


@pytest.mark.parametrize("sees", [Sees.TRACES, Sees.LOG_VARIANCES])
def test_variances_beyond_the_fitted_ones_count_as_the_nearest(sees: Sees) -> None:
    """The terms know the range that they were fitted on, and do not go on as a parabola outside."""
    pairs = drawn(STRAIGHT)
    found = fit_head(pairs, sees)
    for term, seen in ((found.query, pairs.queries), (found.item, pairs.items)):
        inside = term.of(seen)
        for shift in (-30.0, 20.0):
            beyond = term.of(Gaussian(seen.mean, seen.log_variance + shift))
            assert float(beyond.min()) >= float(inside.min()) - 1e-4
            assert float(beyond.max()) <= float(inside.max()) + 1e-4


def test_variances_that_are_all_alike_get_no_weight() -> None:
    """A model whose σ never varies is calibrated like one without: no terms, and the scale is found."""
    head = MatchHead(10.0, 10.0)
    x, y = (Gaussian(g.mean, torch.full_like(g.log_variance, -4.0)) for g in (gaussians(200, 1), gaussians(200, 2)))
    matches = default_rng(0).random((200, 200)) < closed_form(x, y, head).numpy()
    for sees in (Sees.TRACES, Sees.LOG_VARIANCES):
        found = fit_head(whole(x, y, torch.from_numpy(matches)), sees)
        assert float(found.query.of(x).abs().max()) < 1e-3
        assert found.scale == pytest.approx(10.0, rel=0.1)


@pytest.mark.parametrize("steepness", [1.0, 30.0])
def test_platt_is_logistic_regression(steepness: float) -> None:
    """Scale and shift are those of scikit-learn's unpenalised regression on the logit, however sure the raw one is."""
    rng = default_rng(0)
    logit = rng.normal(0, steepness, 4_000).clip(-13, 13)
    probability = torch.sigmoid(torch.from_numpy(logit))
    match = torch.from_numpy(rng.random(4_000) < torch.sigmoid(torch.from_numpy(0.4 * logit - 1.2)).numpy()).float()
    weight = torch.from_numpy(rng.random(4_000))
    found = fit_platt(probability, match, weight)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], match.numpy(), weight.numpy())
    assert found.scale == pytest.approx(theirs.coef_[0, 0], rel=1e-3)
    assert found.shift == pytest.approx(theirs.intercept_[0], rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 300), st.integers(1, 50))
def test_isotonic_is_isotonic_regression(seed: int, count: int, levels: int) -> None:
    """Every value is scikit-learn's, held half a pair away from 0 and 1; ties count as one."""
    rng = default_rng(seed)
    probability = torch.from_numpy(rng.integers(0, levels, count) / levels).float()
    match = torch.from_numpy(rng.random(count) < probability.numpy()).float()
    weight = torch.from_numpy(rng.random(count) + 0.1)
    found = fit_isotonic(probability, match, weight)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(probability.numpy(), match.numpy(), weight.numpy())
    asked = torch.unique(probability)
    expected = np.clip(theirs.predict(asked.numpy()), 0.5 / count, 1 - 0.5 / count)
    assert found(asked).numpy() == pytest.approx(expected, abs=1e-5)

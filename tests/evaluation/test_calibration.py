"""Calibration on synthetic data with a known answer, and its figures against scikit-free loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.random import default_rng

from evaluation.calibration import Pairs, expected_calibration_error, fit_head, pairs_of, predict, reliability
from evaluation.positives import Positives
from models.gaussian import Gaussian
from models.match import MatchHead, TraceTerm, closed_form

STRAIGHT = MatchHead(12.0, 15.0, TraceTerm(1.5), TraceTerm(-2.0))


def gaussians(n: int, seed: int, dim: int = 16) -> Gaussian:
    """Points of the sphere with total variances between 0.02 and 1."""
    g = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(n, dim, generator=g), dim=-1)
    trace = torch.rand(n, 1, generator=g) + 0.02
    return Gaussian(mean, (trace / dim).log().expand(n, dim).clone())


def drawn(head: MatchHead, seed: int = 0) -> Pairs:
    """Pairs whose matches are drawn with the probabilities of a known head."""
    x, y = gaussians(300, 1), gaussians(400, 2)
    matches = default_rng(seed).random((300, 400)) < closed_form(x, y, head).numpy()
    return pairs_of(x, y, Positives.of_mask(matches), 0)[0]


def test_a_known_head_is_found_again() -> None:
    """Scale within a tenth and every probability within 0.03, from 120,000 pairs: straight and curved in the traces."""
    for head in (STRAIGHT, MatchHead(12.0, 13.0, TraceTerm(8.0, -6.0), TraceTerm(-1.0, 2.0))):
        pairs = drawn(head)
        found = fit_head(pairs)
        assert found.scale == pytest.approx(head.scale, rel=0.1)
        torch.testing.assert_close(predict(found, pairs), predict(head, pairs), atol=0.03, rtol=0)


def test_no_head_nearby_is_better() -> None:
    """The fit is a minimum of the log-loss: moving any number either way makes it worse."""
    pairs = drawn(MatchHead(8.0, 8.0, TraceTerm(0.5), TraceTerm(0.5)))
    found = fit_head(pairs)
    best = reliability(predict(found, pairs), pairs.match).log_loss
    for step in (0.9, 1.1):
        query, item = found.query, found.item
        others = [
            replace(found, scale=found.scale * step),
            replace(found, shift=found.shift * step),
            replace(found, query=replace(query, slope=query.slope * step)),
            replace(found, query=replace(query, curve=query.curve * step)),
            replace(found, item=replace(item, slope=item.slope * step)),
            replace(found, item=replace(item, curve=item.curve * step)),
        ]
        for other in others:
            assert reliability(predict(other, pairs), pairs.match).log_loss > best


def test_a_total_variance_beyond_the_fitted_ones_counts_as_the_nearest() -> None:
    """The terms know the range that they were fitted on, and do not go on as a parabola outside."""
    found = fit_head(drawn(STRAIGHT))
    for term, seed in ((found.query, 1), (found.item, 2)):
        traces = gaussians(300 if seed == 1 else 400, seed).total_variance.double()
        assert (term.least, term.most) == pytest.approx((float(traces.min()), float(traces.max())), rel=1e-6)
        beyond = torch.tensor([0.0, term.least, term.most, 50.0], dtype=torch.float64)
        values = term(beyond)
        assert values[0] == values[1]
        assert values[3] == values[2]


def test_a_calibrated_probability_is_as_often_right_as_it_says() -> None:
    """ECE of the fitted head is small where that of a wrong head is not."""
    pairs = drawn(STRAIGHT)
    fitted = reliability(predict(fit_head(pairs), pairs), pairs.match)
    wrong = reliability(predict(MatchHead(12.0, 18.0), pairs), pairs.match)
    assert fitted.ece < 0.01
    assert wrong.ece > 0.05
    assert fitted.log_loss < wrong.log_loss
    assert fitted.brier < wrong.brier


def test_prediction_is_the_closed_form() -> None:
    """What calibration fits is what the retriever shows."""
    x, y = gaussians(5, 3), gaussians(7, 4)
    head = MatchHead(9.0, 10.0, TraceTerm(0.3, 0.2), TraceTerm(-0.4, 0.1))
    pairs, _ = pairs_of(x, y, Positives.of_mask(np.zeros((5, 7), dtype=bool)), 0)
    torch.testing.assert_close(predict(head, pairs).float().reshape(5, 7), closed_form(x, y, head))


def test_ece_by_hand() -> None:
    """Two bins of two: gaps 0.1 and 0.3."""
    probability = torch.tensor([0.1, 0.3, 0.6, 0.8])
    match = torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert expected_calibration_error(probability, match, bins=2) == pytest.approx((0.2 + 0.3) / 2)


def test_traces_that_are_all_alike_get_no_weight() -> None:
    """A model whose σ never varies is calibrated like one without: finite weights near zero."""
    x, y = (Gaussian(g.mean, torch.full_like(g.log_variance, -4.0)) for g in (gaussians(200, 1), gaussians(200, 2)))
    matches = default_rng(0).random((200, 200)) < closed_form(x, y, MatchHead(10.0, 10.0)).numpy()
    found = fit_head(pairs_of(x, y, Positives.of_mask(matches), 0)[0])
    assert abs(float(found.query(x.total_variance[0]))) < 0.5
    assert found.scale == pytest.approx(10.0, rel=0.15)

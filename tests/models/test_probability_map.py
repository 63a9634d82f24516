"""Maps of probabilities: order, range, slopes, and what they do to both estimates of a match."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal

from models.gaussian import Gaussian
from models.match import MatchHead, Noise, closed_form, sampled
from models.probability_map import IsotonicMap, PlattMap, ProbabilityMap, for_share, map_from_dict, map_to_dict

MAPS: tuple[ProbabilityMap, ...] = (
    PlattMap(1.7, -0.8),
    IsotonicMap((0.1, 0.2, 0.5, 0.9), (0.01, 0.3, 0.3, 0.95)),
)
HEAD = MatchHead(6.0, 6.0)


def gaussians(n: int, seed: int) -> Gaussian:
    g = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(n, 16, generator=g), dim=-1)
    return Gaussian(mean, torch.randn(n, 16, generator=g) - 4)


@pytest.mark.parametrize("found", MAPS)
@given(values=st.lists(st.floats(0, 1, width=32), min_size=2, max_size=20))
def test_order_and_range_are_kept(found: ProbabilityMap, values: list[float]) -> None:
    """A greater probability never becomes a smaller one, and none becomes 0 or 1, not even from 0 or 1."""
    mapped = found(torch.tensor([0.0, *sorted(values), 1.0], dtype=torch.float64))
    assert bool((mapped.diff() >= -1e-12).all())
    assert float(mapped.min()) > 0
    assert float(mapped.max()) < 1


def test_isotonic_is_interpolation() -> None:
    """Between and outside the knots it is numpy's."""
    found = IsotonicMap((0.1, 0.2, 0.5, 0.9), (0.01, 0.3, 0.3, 0.95))
    asked = torch.linspace(0, 1, 201, dtype=torch.float64)
    expected = np.interp(asked.numpy(), found.knots, found.values)
    assert found(asked).numpy() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("found", MAPS)
def test_slope_is_the_derivative(found: ProbabilityMap) -> None:
    """Against differences of the map, away from its knots."""
    asked = torch.tensor([0.03, 0.14, 0.31, 0.77, 0.97], dtype=torch.float64)
    differences = (found(asked + 1e-7) - found(asked - 1e-7)) / 2e-7
    torch.testing.assert_close(found.slope(asked), differences, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("found", MAPS)
def test_both_estimates_go_through_the_map(found: ProbabilityMap) -> None:
    """The value is mapped, the standard error multiplied by the slope there."""
    query, items, noise = gaussians(1, 0)[0], gaussians(30, 1), Noise.draw(16, 5, 0)
    mapped = replace(HEAD, map=found)
    plain, ours = sampled(query, items, HEAD, noise), sampled(query, items, mapped, noise)
    torch.testing.assert_close(ours.value, found(plain.value))
    torch.testing.assert_close(ours.standard_error, plain.standard_error * found.slope(plain.value))
    closed = closed_form(query[None], items, HEAD)
    torch.testing.assert_close(closed_form(query[None], items, mapped), found(closed))


def test_the_means_alone_are_exact_however_many_samples() -> None:
    """A head that sees the means alone gives logistic(shift − scale·d) both ways, exactly, whatever the variances."""
    query, items, head = gaussians(1, 0)[0], gaussians(30, 1), replace(HEAD, means_alone=True)
    expected = torch.sigmoid(6.0 - 6.0 * torch.cdist(query.mean[None], items.mean)[0])
    for samples in (1, 5):
        found = sampled(query, items, head, Noise.draw(16, samples, 0))
        torch.testing.assert_close(found.value, expected, rtol=1e-4, atol=1e-6)
        assert float(found.standard_error.abs().max()) == 0
    torch.testing.assert_close(closed_form(query[None], items, head)[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("found", MAPS)
def test_a_map_comes_back_from_json(found: ProbabilityMap) -> None:
    """Kind and numbers survive; an unknown kind is refused."""
    assert map_from_dict(map_to_dict(found)) == found
    with pytest.raises(KeyError):
        map_from_dict({**map_to_dict(found), "kind": "spline"})


@given(st.floats(0.02, 0.98), st.floats(0.02, 0.98))
def test_another_share_of_matches_is_bayes_rule(fitted: float, there: float) -> None:
    """The posterior of two normal classes under one prior becomes the posterior under another one."""
    score = torch.linspace(-4, 4, 21, dtype=torch.float64)
    match, other = (Normal(torch.tensor(centre, dtype=torch.float64), 1.0) for centre in (1.0, -1.0))

    def posterior(share: float) -> torch.Tensor:
        both = share * match.log_prob(score).exp(), (1 - share) * other.log_prob(score).exp()
        return both[0] / (both[0] + both[1])

    for before in (None, PlattMap(1.0, 0.0)):
        found = for_share(before, fitted, there)
        torch.testing.assert_close(found(posterior(fitted)), posterior(there), rtol=1e-4, atol=1e-4)
    knots, values = posterior(fitted), posterior(fitted)
    steps = for_share(IsotonicMap(tuple(knots.tolist()), tuple(values.tolist())), fitted, there)
    torch.testing.assert_close(steps(knots), posterior(there), rtol=1e-4, atol=1e-4)

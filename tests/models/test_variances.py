"""Collapsed variances are named; living ones are not."""

from __future__ import annotations

import torch

from models.gaussian import Gaussian
from models.variances import are_points, sigma_differs, variance_state


def items(log_variance: float, spread: float) -> Gaussian:
    """A hundred Gaussians on the unit sphere."""
    g = torch.Generator().manual_seed(0)
    mean = torch.nn.functional.normalize(torch.randn(100, 32, generator=g), dim=-1)
    return Gaussian(mean, (log_variance + spread * torch.randn(100, 1, generator=g)).expand(100, 32).clone())


def test_figures_by_hand() -> None:
    """Means and deviations over the items, and squared distances of about two on a sphere."""
    x = items(-5.0, 0.5)
    state = variance_state(x)
    assert state.mean_trace == float(x.total_variance.double().mean())
    assert abs(state.log_sigma_deviation - float(x.sigma.double().log().std())) < 1e-12
    assert 1.5 < state.squared_distance < 2.5


def test_collapse_is_named() -> None:
    """Tiny traces are points in disguise; equal ones tell nothing apart; others are alive."""
    assert variance_state(items(-12.0, 0.5)).collapsed
    assert "collapsed" in variance_state(items(-12.0, 0.5)).verdict
    assert "all alike" in variance_state(items(-5.0, 0.0)).verdict
    alive = variance_state(items(-5.0, 0.5))
    assert not alive.collapsed
    assert alive.verdict.startswith("The variances are alive (")


def test_collapsed_and_steady_dimensions_are_counted() -> None:
    """Dimension by dimension: a variance beside the squared distance along it, and how much its logarithm varies."""
    g = torch.Generator().manual_seed(1)
    x = Gaussian(torch.randn(400, 6, generator=g), torch.randn(400, 6, generator=g))
    x.log_variance[:, :2] -= 12
    x.log_variance[:, 5] = 0.0
    x.mean[:, 4] *= 14
    state = variance_state(x)
    assert (state.collapsed_dimensions, state.steady_dimensions) == (3, 1)
    by_dimension = [float(x.variance[:, i].mean()) < 0.01 * 2 * float(x.mean[:, i].var(correction=0)) for i in range(6)]
    assert by_dimension == [True, True, False, False, True, False]
    assert "collapsed in 3 of 6 dimensions" in state.verdict


def test_points_have_no_variances() -> None:
    """A constant log-variance of −40 is none at all; one of −5 is a variance, though it tells nothing apart."""
    points = items(-40.0, 0.0)
    state = variance_state(points)
    assert state.verdict == "This model has no variances: it answers with points."
    assert state.collapsed
    assert (state.collapsed_dimensions, state.steady_dimensions) == (32, 32)
    assert are_points(points)
    assert not are_points(items(-5.0, 0.0))
    assert [sigma_differs(items(*each)) for each in ((-40.0, 0.0), (-5.0, 0.0), (-5.0, 0.5))] == [False, False, True]


def test_rounding_is_no_difference_of_sigma() -> None:
    """Sums of equal log-variances that were rounded differently are the same σ."""
    x = items(-5.0, 0.0)
    noise = 1e-6 * torch.randn(100, 32, generator=torch.Generator().manual_seed(2))
    assert not sigma_differs(Gaussian(x.mean, x.log_variance + noise))

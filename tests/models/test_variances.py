"""Collapsed variances are named; living ones are not."""

from __future__ import annotations

import torch

from models.gaussian import Gaussian
from models.variances import variance_state


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

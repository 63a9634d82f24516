"""Gaussian: its derived quantities against torch.distributions, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from models.gaussian import Gaussian, concatenate


def some(*shape: int, seed: int = 0) -> Gaussian:
    """Gaussians of a seed, in float64."""
    g = torch.Generator().manual_seed(seed)
    mean = torch.randn(shape, generator=g, dtype=torch.float64)
    return Gaussian(mean, torch.randn(shape, generator=g, dtype=torch.float64) - 1)


def test_derived_quantities_are_those_of_the_distribution() -> None:
    """Variance, trace, determinant and σ agree with torch.distributions and with numpy-like definitions."""
    x = some(4, 6)
    normal = Normal(x.mean, x.std)
    torch.testing.assert_close(x.variance, normal.variance)
    torch.testing.assert_close(x.total_variance, normal.variance.sum(-1))
    entropy = Independent(normal, 1).entropy()
    torch.testing.assert_close(x.log_det, 2 * entropy - 6 * (1 + math.log(2 * math.pi)))
    torch.testing.assert_close(x.sigma, normal.stddev.prod(-1) ** (1 / 6))


def test_samples_have_the_mean_and_variance() -> None:
    """Samples from shared noise follow the distribution, within the error of 200,000 draws."""
    x = some(2, 3)
    noise = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    samples = x.sample(noise)
    assert samples.shape == (2, 200_000, 3)
    torch.testing.assert_close(samples.mean(1), x.mean, atol=0.02, rtol=0)
    torch.testing.assert_close(samples.var(1), x.variance, atol=0.02, rtol=0.02)


@pytest.mark.parametrize(
    ("mean", "log_variance"),
    [
        (torch.zeros(3), torch.zeros(4)),
        (torch.zeros(()), torch.zeros(())),
        (torch.zeros(3), torch.zeros(3, dtype=torch.float64)),
        (torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)),
    ],
)
def test_parts_that_do_not_fit_are_refused(mean: torch.Tensor, log_variance: torch.Tensor) -> None:
    """Another shape, no axis, another dtype, integers."""
    with pytest.raises(ValueError, match="mean is"):
        Gaussian(mean, log_variance)


def test_a_batch_is_walked_along_its_first_axis() -> None:
    """Walking a batch gives what its rows give; one Gaussian is no batch, and does not pass for an empty one."""
    x = some(4, 5, 3)
    rows = list(x)
    assert len(rows) == 4
    assert all(torch.equal(row.mean, mean) for row, mean in zip(rows, x.mean, strict=True))
    assert all(torch.equal(row.log_variance, each) for row, each in zip(rows, x.log_variance, strict=True))
    with pytest.raises(TypeError, match="one Gaussian"):
        iter(x[0, 0])


def test_indexing_selects_gaussians_and_never_dimensions() -> None:
    """Rows can be taken in any way; an index into the last axis is an error."""
    x = some(4, 5, 3)
    assert x[1].batch_shape == (5,)
    assert x[:, torch.tensor([0, 2])].batch_shape == (4, 2)
    assert len(x) == 4
    with pytest.raises(IndexError):
        x[0, 0, :2]
    with pytest.raises(TypeError):
        len(x[0, 0])


def test_concatenation_joins_in_order() -> None:
    """Parts come one after the other, and nothing cannot be joined."""
    a, b = some(2, 3), some(3, 3, seed=1)
    joined = concatenate([a, b])
    torch.testing.assert_close(joined[2:].mean, b.mean)
    torch.testing.assert_close(joined[:2].log_variance, a.log_variance)
    with pytest.raises(ValueError, match="nothing"):
        concatenate([])


def test_moving_and_detaching_keep_the_values() -> None:
    """Precision changes on request; a detached Gaussian has no graph."""
    x = some(2, 3)
    assert x.to(dtype=torch.float32).mean.dtype == torch.float32
    grown = Gaussian(x.mean.clone().requires_grad_(), x.log_variance)
    assert not grown.detach().mean.requires_grad
